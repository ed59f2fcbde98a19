//! Detects hosts that block us, and pages that ask to wait while others succeed.
//!
//! Consecutive refusals are counted separately for lists and items: a site that blocks crawlers may
//! still serve its lists. A page of the same kind resets the count. Refusals of concurrent requests
//! count once, so that the responses to one burst cannot end a run.
//!
//! A page that asks to wait repeatedly while others succeed is at fault itself: its waits cost
//! attempts. The same holds for the last remaining pages once all of them have asked that often. If
//! the whole host were down, pages that were not requested before would be refused, too.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::blocked::{Blocked, RefusalEnd};
use crate::fetch::retry::{Fault, Toll};

/// Time of uninterrupted refusals after which a host is given up, not counting waits that it names.
const LONGEST_REFUSAL: Duration = Duration::from_secs(2 * 60);
/// Minimum number of consecutive refusals for [`LONGEST_REFUSAL`], since requests may be far apart.
const LEAST_REFUSALS: u32 = 8;
/// Time of uninterrupted trouble of any kind after which a host is given up.
pub const LONGEST_TROUBLE: Duration = Duration::from_secs(15 * 60);
/// Number of waits that cost a page no attempt while others succeed.
const FREE_WAITS: u32 = 5;
/// Maximum number of waiting pages to track, to limit memory.
const MOST_PAGES: usize = 4096;

/// Kind of a page. A site may refuse one kind and serve the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A list page.
    List,
    /// An item page.
    Item,
}

/// A request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble<'a> {
    /// Reason, as text for people.
    pub message: &'a str,
    /// Meaning of the failure for the host.
    pub fault: Fault,
    /// Wait that the host names, or `None`.
    pub wait: Option<Duration>,
    /// Identifies the page.
    pub page: u64,
    /// True if it counts towards a block. Refusals of items that no list names do not.
    pub is_counted: bool,
}

/// Refusals of a host since it last gave pages.
#[derive(Debug, Default)]
pub struct RefusalTracker {
    lists: Row,
    items: Row,
    /// Trouble of any kind, for lists and items together.
    trouble: Row,
    /// Sending time of the latest request that led to a page.
    last_page: Option<Instant>,
    /// Pages that asked to wait.
    waits: HashMap<u64, PageWaits>,
    /// Time when a page last asked to wait that had not used up its free waits.
    last_fresh: Option<Instant>,
}

/// Consecutive failed requests.
#[derive(Debug, Default)]
struct Row {
    /// Number of failures. A burst counts once.
    times: u32,
    last: Option<Instant>,
    began: Option<Instant>,
    /// Sum of the waits that the host named since then.
    named: Duration,
    pages: Pages,
}

/// Pages that a row of failures concerns.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Pages {
    #[default]
    None,
    One(u64),
    Several,
}

#[derive(Debug)]
struct PageWaits {
    times: u32,
    first: Instant,
    last: Instant,
}

impl RefusalTracker {
    /// Records a valid page for a request sent at `sent`.
    pub fn succeeded(&mut self, kind: Kind, sent: Instant) {
        *self.row(kind) = Row::default();
        self.trouble = Row::default();
        self.last_page = self.last_page.max(Some(sent));
    }

    /// Returns `true` if the host ever gave a page.
    pub fn gave_pages(&self) -> bool {
        self.last_page.is_some()
    }

    /// Records that the host cannot be reached. This is not a refusal and is handled elsewhere.
    pub fn away(&mut self) {
        self.trouble = Row::default();
        [self.lists.began, self.items.began] = [None, None];
    }

    /// Returns `true` if waits of this page apply to it alone, not to the host.
    pub fn is_at_fault(&self, page: u64) -> bool {
        let gave_pages = self.gave_pages();
        self.waits.get(&page).is_some_and(|waits| {
            let others_came = self.last_page.is_some_and(|sent| sent > waits.first);
            let is_all_known = self.last_fresh.is_none_or(|fresh| fresh <= waits.last);
            waits.times >= FREE_WAITS && gave_pages && (others_came || is_all_known)
        })
    }

    /// Returns `true` if this item is the only one that the host refused, more than once, since its
    /// last page.
    pub fn is_all_there_is(&self, page: u64) -> bool {
        self.gave_pages() && self.items.pages == Pages::One(page) && self.items.times > 1
    }

    /// The host refuses for good: a trouble of this kind was the last, and this measure is full.
    pub fn blocked(
        &self,
        kind: Kind,
        Trouble { message, fault, .. }: Trouble<'_>,
        end: RefusalEnd,
        host: &str,
    ) -> Blocked {
        let (host, last) = (host.into(), message.to_owned());
        Blocked::Refused { host, refusals: self.in_a_row(kind), end, fault, last }
    }

    /// Returns the number of consecutive refusals of this kind.
    pub fn in_a_row(&self, kind: Kind) -> u32 {
        match kind {
            Kind::List => self.lists.times,
            Kind::Item => self.items.times,
        }
    }

    /// Records the failure of a request sent at `sent`, and returns its cost to the task. `most`
    /// consecutive refusals are too many.
    ///
    /// # Errors
    /// Returns [`Blocked`] if `host` is given up.
    pub fn troubled(
        &mut self,
        trouble: Trouble<'_>,
        kind: Kind,
        sent: Instant,
        most: u32,
        host: &str,
    ) -> Result<Toll, Blocked> {
        let now = Instant::now();
        let Trouble { message, fault, wait, page, is_counted } = trouble;
        let was_at_fault = self.is_at_fault(page);
        let asks_to_wait = fault == Fault::Limited || wait.is_some();
        if asks_to_wait {
            self.note_wait(page, wait.is_some(), now);
        }
        let toll = if asks_to_wait && !was_at_fault { Toll::Free } else { Toll::Attempt };
        if !is_counted {
            // It does not matter whether the host or the page is at fault: little is lost by giving
            // up the page.
            let has_waited = self.waits.get(&page).is_none_or(|it| it.times > FREE_WAITS);
            let is_free = wait.is_some() && !has_waited;
            return Ok(if is_free { Toll::Free } else { Toll::Attempt });
        }
        self.trouble.note(page, None, sent, now);
        let row = self.row(kind);
        if !fault.is_refusal() {
            row.began = None;
        } else {
            row.note(page, wait, sent, now);
            let refused_for = row.began.map_or(Duration::ZERO, |began| now - began);
            let is_long = refused_for.saturating_sub(row.named) > LONGEST_REFUSAL;
            let end = match row.times {
                times if times >= most => Some(RefusalEnd::InARow),
                LEAST_REFUSALS.. if is_long => Some(RefusalEnd::Long(LONGEST_REFUSAL)),
                _ => None,
            };
            if end.is_some() && kind == Kind::Item && self.is_all_there_is(page) {
                return Ok(Toll::Attempt);
            }
            if let Some(end) = end {
                return Err(self.blocked(kind, trouble, end, host));
            }
        }
        let since = self.trouble.began.map_or(Duration::ZERO, |began| now - began);
        let is_one = self.gave_pages() && self.trouble.pages == Pages::One(page);
        let is_alone = is_one || was_at_fault;
        if since > LONGEST_TROUBLE && self.trouble.times >= most && !is_alone {
            return Err(Blocked::Silent { host: host.into(), last: message.to_owned() });
        }
        Ok(toll)
    }

    fn row(&mut self, kind: Kind) -> &mut Row {
        match kind {
            Kind::List => &mut self.lists,
            Kind::Item => &mut self.items,
        }
    }

    /// Records that a page asked to wait. A page that does not say how long may be refused as often
    /// as the whole host, so it is counted only once for each time that other pages succeeded.
    fn note_wait(&mut self, page: u64, is_named: bool, now: Instant) {
        if self.waits.len() >= MOST_PAGES {
            self.waits.retain(|_, waits| waits.times > 1);
            if self.waits.len() >= MOST_PAGES {
                self.waits.clear();
            }
        }
        let last_page = self.last_page;
        let waits = self.waits.entry(page).or_insert(PageWaits { times: 0, first: now, last: now });
        let others_came = last_page.is_some_and(|sent| sent > waits.last);
        if waits.times < FREE_WAITS {
            self.last_fresh = Some(now);
        }
        if is_named || others_came || waits.times == 0 {
            waits.times += 1;
        }
        waits.last = now;
    }
}

impl Row {
    fn note(&mut self, page: u64, wait: Option<Duration>, sent: Instant, now: Instant) {
        self.began.get_or_insert(now);
        self.pages = match self.pages {
            Pages::None => Pages::One(page),
            Pages::One(same) if same == page => Pages::One(page),
            _ => Pages::Several,
        };
        if self.last.is_none_or(|last| last <= sent) {
            self.times += 1;
            self.named += wait.unwrap_or_default();
            self.last = Some(now);
        }
    }
}

#[cfg(test)]
mod tests;
