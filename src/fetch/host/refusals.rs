//! Whether a host refuses for good, and whether one of its pages alone makes it wait.
//!
//! Refusals in a row are counted for lists and items apart: a site that blocks crawlers may go on to
//! answer its lists. A page of the same kind ends the row. Refusals that were under way side by side
//! are one refusal: the answers to a burst must not end a run.
//!
//! A page that asks to wait again and again, while others get through, is at fault itself: its waits
//! cost attempts. So are the last ones that are left, once all of them have asked that often: a host that
//! is away as a whole refuses pages that were not asked for yet, too.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::blocked::{Blocked, RefusalEnd};
use crate::fetch::retry::{Fault, Toll};

/// A host that gives nothing but refusals for this long is given up; waits that it names are not counted.
const LONGEST_REFUSAL: Duration = Duration::from_secs(2 * 60);
/// But not for fewer refusals in a row, which may lie far apart where requests do.
const LEAST_REFUSALS: u32 = 8;
/// A host from which nothing but trouble comes for this long is given up.
pub const LONGEST_TROUBLE: Duration = Duration::from_secs(15 * 60);
/// A page may ask to wait so often at no cost while others get through.
const FREE_WAITS: u32 = 5;
/// More pages that ask to wait are not told apart: what is held must not grow with the site.
const MOST_PAGES: usize = 4096;

/// What a page is, as far as a site may refuse one and not the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A page of a list.
    List,
    /// The page of an item.
    Item,
}

/// A request that came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble<'a> {
    /// Why, for people.
    pub message: &'a str,
    /// What it says of the host.
    pub fault: Fault,
    /// The wait that the host names.
    pub wait: Option<Duration>,
    /// Tells the page from others.
    pub page: u64,
    /// Whether it counts for a block: that an item which no list names is refused says little.
    pub is_counted: bool,
}

/// What a host refused since it last gave pages.
#[derive(Debug, Default)]
pub struct RefusalTracker {
    lists: Row,
    items: Row,
    /// Nothing but trouble, of both kinds.
    trouble: Row,
    /// When the last request left that led to a page.
    last_page: Option<Instant>,
    /// Pages that asked to wait.
    waits: HashMap<u64, PageWaits>,
    /// When a page last asked to wait that had not done so too often.
    last_fresh: Option<Instant>,
}

/// Requests in a row that came to nothing.
#[derive(Debug, Default)]
struct Row {
    /// Bursts counted once.
    times: u32,
    last: Option<Instant>,
    began: Option<Instant>,
    /// Waits that the host named since then.
    named: Duration,
    pages: Pages,
}

/// Which pages a row is of.
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
    /// A page came that is one, of a request that left at `sent`.
    pub fn succeeded(&mut self, kind: Kind, sent: Instant) {
        *self.row(kind) = Row::default();
        self.trouble = Row::default();
        self.last_page = self.last_page.max(Some(sent));
    }

    /// Returns whether a page ever came.
    pub fn gave_pages(&self) -> bool {
        self.last_page.is_some()
    }

    /// The host cannot be reached: that is no refusal, and counted elsewhere.
    pub fn away(&mut self) {
        self.trouble = Row::default();
        [self.lists.began, self.items.began] = [None, None];
    }

    /// Returns whether waits of this page are its own and not the host's.
    pub fn is_at_fault(&self, page: u64) -> bool {
        let gave_pages = self.gave_pages();
        self.waits.get(&page).is_some_and(|waits| {
            let others_came = self.last_page.is_some_and(|sent| sent > waits.first);
            let is_all_known = self.last_fresh.is_none_or(|fresh| fresh <= waits.last);
            waits.times >= FREE_WAITS && gave_pages && (others_came || is_all_known)
        })
    }

    /// Returns whether this item, again and again, is all that the host refused since it last gave a page.
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

    /// Refusals of this kind in a row.
    pub fn in_a_row(&self, kind: Kind) -> u32 {
        match kind {
            Kind::List => self.lists.times,
            Kind::Item => self.items.times,
        }
    }

    /// A request that left at `sent` came to nothing. Of refusals, so many as `most` in a row are
    /// too many. Answers with what that costs its task.
    ///
    /// # Errors
    /// Where `host` has had its chances.
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
            // Whether the host or the page is at fault is not asked: little is lost by giving it up.
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

    /// A page asked to wait. Where it did not say how long, it may be refused as often as the host
    /// as a whole; so it is counted once for each time that others got through.
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
