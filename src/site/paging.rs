//! Paging: decides which list pages follow, from what each page says.
//!
//! Plans are lazy. If the end of the list is known, the first page plans all others, which are then
//! fetched concurrently; the last page of the plan checks whether the list has grown. If the end is
//! not known, each page with items leads to the next number. If pages name the next page, they are
//! fetched one after another.

mod handover;

use super::keys::KeyList;
use super::template::Placeholder;
use crate::model::task::{IndexPage, IndexRun, Place};
use crate::select::field::Pattern;
use crate::select::{FieldRule, Select};
pub use handover::{Handover, Taken};

/// Division of a list into pages.
#[derive(Debug, Clone, PartialEq)]
pub enum Paging {
    /// A single page.
    Single,
    /// By `{offset}` and `{limit}`.
    Offset {
        /// Offset of the first item.
        first: u64,
        /// Number of items per page.
        limit: u64,
        /// Source of the number of items in the list, or `None`.
        total: Option<Said>,
        /// Step to the next offset.
        step: Step,
    },
    /// By `{page}`.
    Page {
        /// Number of the first page.
        first: u64,
        /// How the last page is known.
        last: LastPage,
    },
    /// Each page has the URL of the next one.
    Next(NextPage),
    /// Each page has values for the request of the next one, such as a cursor.
    Cursor(Handover),
    /// A sitemap, or an index of sitemaps.
    Sitemap,
    /// No list: the keys are known.
    Keys(KeyList),
}

impl Said {
    /// Returns the selector or the header's name, for messages.
    pub fn text(&self) -> &str {
        match self {
            Said::Field(rule) => rule.select.text(),
            Said::Header { name, .. } => name,
        }
    }
}

/// Step from one offset to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The number of requested items: pages can be fetched concurrently.
    Limit,
    /// The number of received items: each page begins where the previous one ended.
    Items,
}

/// How the last of several numbered pages is known.
#[derive(Debug, Clone, PartialEq)]
pub enum LastPage {
    /// Not known: an empty page ends the list.
    Unknown,
    /// Number from the site file.
    Number(u64),
    /// Number that pages declare.
    Said(Said),
    /// Computed from the number of pages, which pages declare.
    Pages(Said),
    /// Computed from the number of items, which pages declare.
    Total {
        /// Number of items per page.
        size: u64,
        /// Source of the number of items in the list.
        total: Said,
    },
}

/// Source of a number in a response.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Field in the body.
    Field(FieldRule),
    /// Header.
    Header {
        /// Name of the header, in lower case.
        name: Box<str>,
        /// Pattern that selects the number in the header's value, or `None` for all of it.
        regex: Option<Pattern>,
    },
}

/// Source of the next page's URL.
#[derive(Debug, Clone, PartialEq)]
pub enum NextPage {
    /// Field in the body.
    Field(FieldRule),
    /// `Link` header (RFC 8288) with `rel="next"`.
    LinkHeader,
}

/// Data of a list page that decides which pages follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSaid {
    /// Number of items on the page.
    pub items: u64,
    /// Declared number of items in the list.
    pub declared: Option<u64>,
    /// Declared number of the last page, as the site counts.
    pub last: Option<u64>,
    /// Places of further pages.
    pub places: Vec<Place>,
    /// True if `while` holds, or `None` if the site file does not have it.
    pub goes_on: Option<bool>,
    /// Other hints on the page.
    pub hints: Hints,
}

/// Hints about the list on a page, apart from what the site file selects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// True if the content may show that this is not a page of the list. False if `require` alone
    /// decides that.
    pub tells_kind: bool,
    /// True if the page has the array that holds the items, or `None` if that array has no fixed
    /// place.
    pub container: Option<bool>,
    /// Name of the member that reports an error, on a page without items.
    pub error: Option<Box<str>>,
    /// Address that a request for a page without items was redirected to, if it differs.
    pub led_to: Option<Box<str>>,
    /// Name of the member or header that says that the list continues.
    pub goes_on: Option<Box<str>>,
    /// True if the page has the place for the next page, and it says that there is none.
    pub says_last: bool,
    /// Name of the member that names a next page. Proves nothing if pages are found by counting.
    pub names_next: Option<Box<str>>,
    /// Number of items in the list, with the name of its member.
    pub count: Option<(Box<str>, u64)>,
    /// Number of pages of the list, with the name of its member.
    pub pages: Option<(Box<str>, u64)>,
    /// Status code in the body, with the name of its member.
    pub code: Option<(Box<str>, i64)>,
    /// Requested number of items, or `None` if it is not known.
    pub asked_for: Option<u64>,
}

impl Hints {
    /// Returns the name of the hint that says that the list continues after page `number`, or
    /// `None`.
    pub fn goes_on_after(&self, number: u64) -> Option<&str> {
        let pages = self.pages.as_ref().filter(|(_, pages)| number < *pages);
        self.goes_on.as_deref().or(pages.map(|(name, _)| &**name))
    }
}

/// Pages that follow a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// The pages.
    pub runs: Vec<IndexRun>,
    /// True if the site says that they exist. False if they are requested to find out.
    pub certain: bool,
}

impl Next {
    /// Creates a guess: a page of the same list at `place`, which may not exist.
    pub fn guess_at(page: &IndexPage, place: Place) -> Next {
        let run = IndexRun { is_guess: true, ..placed_run(page, page.number, place) };
        Next { runs: vec![run], certain: false }
    }

    /// Returns true if the pages are found by their places.
    pub fn is_placed(&self) -> bool {
        self.runs.iter().any(|run| run.place.is_some())
    }
}

impl Paging {
    /// Returns the selectors of the values that pages say.
    pub(super) fn selects(&self) -> impl Iterator<Item = &Select> {
        let said: Vec<&Said> = match self {
            Paging::Offset { total, .. } => total.iter().collect(),
            Paging::Page {
                last:
                    LastPage::Said(said) | LastPage::Pages(said) | LastPage::Total { total: said, .. },
                ..
            } => vec![said],
            Paging::Cursor(handover) => handover.take.iter().map(|taken| &taken.from).collect(),
            _ => Vec::new(),
        };
        let next = match self {
            Paging::Next(NextPage::Field(rule)) => Some(rule),
            _ => None,
        };
        let rules = said.into_iter().filter_map(|said| match said {
            Said::Field(rule) => Some(rule),
            Said::Header { .. } => None,
        });
        rules.chain(next).map(|rule| &rule.select)
    }

    /// Returns the number of items per page, or `None` if it is not known.
    pub fn limit(&self) -> Option<u64> {
        match self {
            Paging::Offset { limit, .. } => Some(*limit),
            Paging::Page { last: LastPage::Total { size, .. }, .. } => Some(*size),
            _ => None,
        }
    }

    /// Sets the number of items per page, if the requests contain it.
    pub fn set_limit(&mut self, items: u64) {
        match self {
            Paging::Offset { limit, .. } => *limit = items,
            Paging::Page { last: LastPage::Total { size, .. }, .. } => *size = items,
            _ => {}
        }
    }

    /// Returns the number of the first page, as the site counts.
    pub fn first(&self) -> u64 {
        match self {
            Paging::Page { first, .. } => *first,
            _ => 1,
        }
    }

    /// Returns the offset of the first item.
    pub fn first_offset(&self) -> u64 {
        match self {
            Paging::Offset { first, .. } => *first,
            _ => 0,
        }
    }

    /// Returns the source of the number of items in the list, or `None`.
    pub fn total(&self) -> Option<&Said> {
        match self {
            Paging::Offset { total, .. } => total.as_ref(),
            Paging::Page { last: LastPage::Total { total, .. }, .. } => Some(total),
            _ => None,
        }
    }

    /// Returns the source of the last page's number, or `None`.
    pub fn last(&self) -> Option<&Said> {
        match self {
            Paging::Page { last: LastPage::Said(said), .. } => Some(said),
            _ => None,
        }
    }

    /// Returns the source of the number of pages, or `None`.
    pub fn pages(&self) -> Option<&Said> {
        match self {
            Paging::Page { last: LastPage::Pages(said), .. } => Some(said),
            _ => None,
        }
    }

    /// Returns the number of the last of `pages` pages, as the site counts.
    pub fn last_of(&self, pages: u64) -> u64 {
        self.first().saturating_add(pages).saturating_sub(1)
    }

    /// Returns true if the site or the site file declares the number of items or pages.
    pub fn tells_its_end(&self) -> bool {
        let has_last = matches!(self, Paging::Page { last, .. } if *last != LastPage::Unknown);
        has_last || self.total().is_some()
    }

    /// Returns true if pages are found by their numbers. False if each page leads to the next.
    pub fn is_numbered(&self) -> bool {
        !matches!(
            self,
            Paging::Next(_)
                | Paging::Cursor(_)
                | Paging::Sitemap
                | Paging::Offset { step: Step::Items, .. }
        )
    }

    /// Returns true if pages are found by counting pages or items. False if each page names the
    /// next.
    pub fn is_counted(&self) -> bool {
        matches!(self, Paging::Offset { .. } | Paging::Page { .. })
    }

    /// Returns true if each page begins `limit` items after the previous one, whatever that had.
    pub fn steps_by_limit(&self) -> bool {
        matches!(self, Paging::Offset { step: Step::Limit, .. })
    }

    /// Returns true if the pages are parts of one sequence, in which a repeated page means
    /// something. Sitemaps may name the same page several times.
    pub fn is_sequence(&self) -> bool {
        !matches!(self, Paging::Sitemap | Paging::Keys(_))
    }

    /// Returns true if a page has values for the request of the next one, be they new or not.
    pub fn hands_over(&self, said: &PageSaid) -> bool {
        matches!(self, Paging::Cursor(_)) && !said.places.is_empty()
    }

    /// Returns the placeholders that the request of a page may contain.
    pub(super) fn placeholders(&self) -> Vec<Placeholder> {
        match self {
            Paging::Single | Paging::Next(_) | Paging::Sitemap | Paging::Keys(_) => Vec::new(),
            Paging::Offset { .. } => vec![Placeholder::Offset, Placeholder::Limit],
            Paging::Page { last: LastPage::Total { .. }, .. } => {
                vec![Placeholder::Page, Placeholder::Limit]
            }
            Paging::Page { .. } => vec![Placeholder::Page],
            Paging::Cursor(handover) if handover.is_cursor => vec![Placeholder::Cursor],
            Paging::Cursor(handover) => {
                handover.take.iter().map(|it| Placeholder::Named(it.name.clone())).collect()
            }
        }
    }

    /// Returns the pages that follow `page`, not limited to a range. If `is_exact`, reaching the
    /// declared number of items ends the list.
    pub fn after(&self, page: &IndexPage, said: &PageSaid, is_exact: bool) -> Option<Next> {
        if page.number == u64::MAX {
            return None;
        }
        if let Paging::Offset { step: Step::Items, .. } = self {
            return self.after_items(page, said, is_exact);
        }
        if !self.is_numbered() {
            let places = if said.goes_on == Some(false) { &[] } else { &*said.places };
            return match (self, places) {
                (Paging::Cursor(it), [next]) if it.is_same(page.place.as_ref(), next) => None,
                _ => placed(page, places),
            };
        }
        // A service that filters its pages may return an empty one and still say that there are
        // more.
        let is_named =
            said.goes_on == Some(true) || said.hints.goes_on_after(page.number).is_some();
        let is_nothing = said.items == 0 && !is_named || said.goes_on == Some(false);
        let is_inside = page.number < page.planned_to;
        if is_nothing || is_inside || page.place.is_some() {
            return None;
        }
        let pages_to = |to, certain| pages_to(page, to, certain);
        let one_more = || pages_to(page.number + 1, said.goes_on == Some(true));
        let until = |last: u64| pages_to(last.saturating_sub(self.first()).saturating_add(1), true);
        match self {
            Paging::Page { last: LastPage::Number(last), .. } => until(*last),
            Paging::Page { last: LastPage::Said(_) | LastPage::Pages(_), .. } => match said.last {
                Some(last) => until(last),
                None => one_more(),
            },
            Paging::Page { last: LastPage::Unknown, .. } => one_more(),
            Paging::Page { last: LastPage::Total { size, .. }, .. } => match said.declared {
                // As with offsets: the count is wrong, or it is that of the items on the page.
                Some(declared) if said.items >= *size && is_low(declared, page, *size) => {
                    one_more()
                }
                // Sites that count pages answer with an error after the last one.
                Some(declared) => pages_to(declared.div_ceil(*size), true),
                None => one_more(),
            },
            Paging::Offset { limit, .. } => {
                match said.declared.map(|declared| declared.div_ceil(*limit)) {
                    Some(last) if last > page.number => pages_to(last, true),
                    // The plan is complete. A full last page may mean that the total is too low.
                    Some(_) if said.items < *limit => None,
                    Some(_)
                        if is_exact
                            && self.is_reached(said, page.number.saturating_mul(*limit)) =>
                    {
                        None
                    }
                    _ => one_more(),
                }
            }
            _ => None,
        }
    }

    /// Returns the page after a counted one as a guess, or `None` if pages are not counted or the
    /// site file sets the last page.
    pub fn one_more(&self, page: &IndexPage) -> Option<Next> {
        let is_set = matches!(self, Paging::Page { last: LastPage::Number(_), .. });
        let may_follow = self.is_counted() && self.is_numbered() && !is_set;
        pages_to(page, page.number.checked_add(1)?, false).filter(|_| may_follow)
    }

    /// Returns the page that follows if offsets are counted by received items.
    fn after_items(&self, page: &IndexPage, said: &PageSaid, is_exact: bool) -> Option<Next> {
        let seen = page.offset().saturating_add(said.items);
        let limit = self.limit().unwrap_or(u64::MAX);
        let is_short = said.items < limit;
        let mut next = Next::guess_at(page, Place::Offset(seen));
        let is_named = said.goes_on == Some(true);
        next.certain = is_named || said.declared.is_some_and(|declared| seen < declared);
        next.runs.iter_mut().for_each(|run| run.is_guess = !next.certain);
        let is_end = match said.declared {
            _ if said.items == 0 || said.goes_on == Some(false) => true,
            _ if is_named => false,
            Some(declared) if seen < declared => false,
            Some(_) => is_short || is_exact && self.is_reached(said, seen),
            None => false,
        };
        (!is_end).then_some(next)
    }

    /// Returns true if `seen` items are all that the list declares. Not if they fit on one page:
    /// some sites declare the number of items on the page instead.
    fn is_reached(&self, said: &PageSaid, seen: u64) -> bool {
        let page = self.limit().unwrap_or(u64::MAX);
        said.declared.is_some_and(|declared| declared == seen && declared > page)
    }
}

/// Returns true if the declared number is lower than the number of items in full pages up to this
/// one, or equal to it on the first page.
fn is_low(declared: u64, page: &IndexPage, size: u64) -> bool {
    let seen = page.number.saturating_mul(size);
    declared < seen || declared == seen && page.number == 1
}

/// Returns the numbered pages after `page`, up to page `to`.
fn pages_to(page: &IndexPage, to: u64, certain: bool) -> Option<Next> {
    let run = IndexRun {
        pass: page.pass,
        list: page.list.clone(),
        from: page.number.checked_add(1)?,
        to,
        place: None,
        is_guess: !certain,
    };
    (to > page.number).then(|| Next { runs: vec![run], certain })
}

/// Returns the pages at the places that `page` named, numbered in order.
fn placed(page: &IndexPage, places: &[Place]) -> Option<Next> {
    let run = |(number, place): (u64, &Place)| placed_run(page, number, place.clone());
    let runs: Vec<IndexRun> = (page.number..).zip(places).map(run).collect();
    (!runs.is_empty()).then_some(Next { runs, certain: true })
}

/// Returns the page after page number `before` of the same list, at a known place.
fn placed_run(page: &IndexPage, before: u64, place: Place) -> IndexRun {
    let number = before.saturating_add(1);
    IndexRun {
        pass: page.pass,
        list: page.list.clone(),
        from: number,
        to: number,
        place: Some(place),
        is_guess: false,
    }
}

#[cfg(test)]
mod tests;
