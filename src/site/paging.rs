//! Paging plans: which index pages there are, decided from what the pages say, page by page.
//!
//! Plans are lazy. Where the end is known the first page plans all others, which are then fetched
//! side by side; the page that reaches the end of the plan looks whether the list has grown. Where
//! it is not, each page with items on it leads to the next; where pages say themselves where the
//! next one is, they follow one another.

use super::keys::KeyList;
use super::template::Placeholder;
use crate::extract::FieldRule;
use crate::extract::field::Pattern;
use crate::task::{IndexPage, IndexRun, Place};

/// How a list is divided into pages.
#[derive(Debug, Clone, PartialEq)]
pub enum Paging {
    /// There is one page.
    Single,
    /// `{offset}` and `{limit}`.
    Offset {
        /// Items on a page.
        limit: u64,
        /// Where a page says how many items there are.
        total: Option<Said>,
        /// What the next offset is counted by.
        step: Step,
    },
    /// `{page}`.
    Page {
        /// Number of the first page.
        first: u64,
        /// What is known of the last one.
        last: LastPage,
    },
    /// Each page says where the next one is.
    Next(NextPage),
    /// `{cursor}`: each page says the cursor of the next one.
    Cursor(FieldRule),
    /// A sitemap, or an index of sitemaps.
    Sitemap,
    /// No list: the keys are known.
    Keys(KeyList),
}

/// What the next offset of a list is counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The items that were asked for: pages can be asked for side by side.
    Limit,
    /// The items that came: each page begins where the one before it ended.
    Items,
}

/// What is known of the last page, where pages have numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum LastPage {
    /// Nothing: an empty page ends the list.
    Unknown,
    /// Its number.
    Number(u64),
    /// Pages say its number.
    Said(Said),
    /// Pages say how many items there are.
    Total {
        /// Items on a page.
        size: u64,
        /// Where a page says how many items there are.
        total: Said,
    },
}

/// Where a page says a number.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// In its body.
    Field(FieldRule),
    /// In a header.
    Header {
        /// Its name, in small letters.
        name: Box<str>,
        /// What of it is kept.
        regex: Option<Pattern>,
    },
}

/// Where a page says where the next one is.
#[derive(Debug, Clone, PartialEq)]
pub enum NextPage {
    /// In its body.
    Field(FieldRule),
    /// In the `Link` header (RFC 8288), as `rel="next"`.
    LinkHeader,
}

/// What an index page said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageSaid {
    /// Items on it.
    pub items: u64,
    /// How many items there are in all.
    pub declared: Option<u64>,
    /// Number of the last page, as the site counts.
    pub last: Option<u64>,
    /// Where further pages are.
    pub places: Vec<Place>,
    /// What else it shows.
    pub hints: Hints,
}

/// What a page shows of its list beside what the site file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Whether it can be told from what it holds that it is a page of the list; not where `require`
    /// decides that alone.
    pub tells_kind: bool,
    /// Whether it has what holds the items, where that has a fixed place.
    pub container: Option<bool>,
    /// The member of a page without items that tells of an error.
    pub error: Option<Box<str>>,
    /// Where a request for a page without items was led, where that is another place.
    pub led_to: Option<Box<str>>,
    /// What says that the list goes on.
    pub goes_on: Option<Box<str>>,
    /// Whether the place of the next page is there and says that there is none.
    pub says_last: bool,
    /// What names a next page, which proves nothing where pages are found by counting.
    pub names_next: Option<Box<str>>,
    /// How many items there are, and what says so.
    pub count: Option<(Box<str>, u64)>,
    /// How many pages there are, and what says so.
    pub pages: Option<(Box<str>, u64)>,
    /// The number that says how the site got on, and what it is called.
    pub code: Option<(Box<str>, i64)>,
    /// How many items its request asked for, as far as that is known.
    pub asked_for: Option<u64>,
}

impl Hints {
    /// What says that the list goes on after its page of this number.
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
    /// Whether the site says that they are there. Else they are asked for to see.
    pub certain: bool,
}

impl Next {
    /// A page of the same list, found by its place, of which nobody said that it is there.
    pub fn guess_at(page: &IndexPage, place: Place) -> Next {
        let run = IndexRun { is_guess: true, ..placed_run(page, page.number, place) };
        Next { runs: vec![run], certain: false }
    }

    /// Returns whether its pages are found by their places.
    pub fn is_placed(&self) -> bool {
        self.runs.iter().any(|run| run.place.is_some())
    }
}

impl Paging {
    /// Items on a page, where that is known.
    pub fn limit(&self) -> Option<u64> {
        match self {
            Paging::Offset { limit, .. } => Some(*limit),
            Paging::Page { last: LastPage::Total { size, .. }, .. } => Some(*size),
            _ => None,
        }
    }

    /// Another number of items on a page, where that can be asked for.
    pub fn set_limit(&mut self, items: u64) {
        match self {
            Paging::Offset { limit, .. } => *limit = items,
            Paging::Page { last: LastPage::Total { size, .. }, .. } => *size = items,
            _ => {}
        }
    }

    /// Number of the first page, as the site counts.
    pub fn first(&self) -> u64 {
        match self {
            Paging::Page { first, .. } => *first,
            _ => 1,
        }
    }

    /// Where a page says how many items there are.
    pub fn total(&self) -> Option<&Said> {
        match self {
            Paging::Offset { total, .. } => total.as_ref(),
            Paging::Page { last: LastPage::Total { total, .. }, .. } => Some(total),
            _ => None,
        }
    }

    /// Where a page says the number of the last one.
    pub fn last(&self) -> Option<&Said> {
        match self {
            Paging::Page { last: LastPage::Said(said), .. } => Some(said),
            _ => None,
        }
    }

    /// Returns whether the site or the site file says how many items or pages there are.
    pub fn tells_its_end(&self) -> bool {
        let has_last = matches!(self, Paging::Page { last, .. } if *last != LastPage::Unknown);
        has_last || self.total().is_some()
    }

    /// Whether pages are found by their numbers, and not one by another.
    pub fn is_numbered(&self) -> bool {
        !matches!(
            self,
            Paging::Next(_)
                | Paging::Cursor(_)
                | Paging::Sitemap
                | Paging::Offset { step: Step::Items, .. }
        )
    }

    /// Returns whether pages are found by counting pages or items, and not by what they say of the next one.
    pub fn is_counted(&self) -> bool {
        matches!(self, Paging::Offset { .. } | Paging::Page { .. })
    }

    /// Returns whether each page begins so many items after the one before it as were asked for.
    pub fn steps_by_limit(&self) -> bool {
        matches!(self, Paging::Offset { step: Step::Limit, .. })
    }

    /// Whether its pages are parts of one sequence, so that a page that repeats another one means
    /// something. Sitemaps may name the same pages.
    pub fn is_sequence(&self) -> bool {
        !matches!(self, Paging::Sitemap | Paging::Keys(_))
    }

    /// What may stand in the request of a page.
    pub(super) fn placeholders(&self) -> &'static [Placeholder] {
        match self {
            Paging::Single | Paging::Next(_) | Paging::Sitemap | Paging::Keys(_) => &[],
            Paging::Offset { .. } => &[Placeholder::Offset, Placeholder::Limit],
            Paging::Page { last: LastPage::Total { .. }, .. } => {
                &[Placeholder::Page, Placeholder::Limit]
            }
            Paging::Page { .. } => &[Placeholder::Page],
            Paging::Cursor(_) => &[Placeholder::Cursor],
        }
    }

    /// The pages that follow once `page` was read, whatever the range allows. A count that `is_exact`
    /// is the end of the list where it is reached.
    pub fn after(&self, page: &IndexPage, said: &PageSaid, is_exact: bool) -> Option<Next> {
        if page.number == u64::MAX {
            return None;
        }
        if let Paging::Offset { step: Step::Items, .. } = self {
            return self.after_items(page, said, is_exact);
        }
        if !self.is_numbered() {
            return placed(page, &said.places);
        }
        // A service that filters its pages may leave one empty, and says that there are more.
        let is_nothing = said.items == 0 && said.hints.goes_on_after(page.number).is_none();
        let is_inside = page.number < page.planned_to;
        if is_nothing || is_inside || page.place.is_some() {
            return None;
        }
        let pages_to = |to, certain| pages_to(page, to, certain);
        let one_more = || pages_to(page.number + 1, false);
        let until = |last: u64| pages_to(last.saturating_sub(self.first()).saturating_add(1), true);
        match self {
            Paging::Page { last: LastPage::Number(last), .. } => until(*last),
            Paging::Page { last: LastPage::Said(_), .. } => match said.last {
                Some(last) => until(last),
                None => one_more(),
            },
            Paging::Page { last: LastPage::Unknown, .. } => one_more(),
            Paging::Page { last: LastPage::Total { size, .. }, .. } => match said.declared {
                // As with offsets: it lies, or some sites mean the items on the page.
                Some(declared) if said.items >= *size && is_low(declared, page, *size) => {
                    one_more()
                }
                // Sites that count pages answer with an error behind the last one.
                Some(declared) => pages_to(declared.div_ceil(*size), true),
                None => one_more(),
            },
            Paging::Offset { limit, .. } => {
                match said.declared.map(|declared| declared.div_ceil(*limit)) {
                    Some(last) if last > page.number => pages_to(last, true),
                    // The plan is done; a full last page may hide that the total is too low.
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

    /// The page behind one that is found by counting, of which nobody said that it is there; nothing
    /// where the site file says which page is the last.
    pub fn one_more(&self, page: &IndexPage) -> Option<Next> {
        let is_set = matches!(self, Paging::Page { last: LastPage::Number(_), .. });
        let may_follow = self.is_counted() && self.is_numbered() && !is_set;
        pages_to(page, page.number.checked_add(1)?, false).filter(|_| may_follow)
    }

    /// The page that follows where each begins so many items after the one before it as that had.
    fn after_items(&self, page: &IndexPage, said: &PageSaid, is_exact: bool) -> Option<Next> {
        let seen = page.offset().saturating_add(said.items);
        let limit = self.limit().unwrap_or(u64::MAX);
        let is_short = said.items < limit;
        let mut next = Next::guess_at(page, Place::Offset(seen));
        next.certain = said.declared.is_some_and(|declared| seen < declared);
        next.runs.iter_mut().for_each(|run| run.is_guess = !next.certain);
        let is_end = match said.declared {
            _ if said.items == 0 => true,
            Some(declared) if seen < declared => false,
            Some(_) => is_short || is_exact && self.is_reached(said, seen),
            None => false,
        };
        (!is_end).then_some(next)
    }

    /// Returns whether so many items are all that the list declares. Not where that is one page: some sites
    /// mean the items on it.
    fn is_reached(&self, said: &PageSaid, seen: u64) -> bool {
        let page = self.limit().unwrap_or(u64::MAX);
        said.declared.is_some_and(|declared| declared == seen && declared > page)
    }
}

/// Returns whether a count is less than what full pages up to this one hold, or is that of one page.
fn is_low(declared: u64, page: &IndexPage, size: u64) -> bool {
    let seen = page.number.saturating_mul(size);
    declared < seen || declared == seen && page.number == 1
}

/// The numbered pages behind `page`, up to one.
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

/// Pages whose places `page` named, numbered as they were found.
fn placed(page: &IndexPage, places: &[Place]) -> Option<Next> {
    let run = |(number, place): (u64, &Place)| placed_run(page, number, place.clone());
    let runs: Vec<IndexRun> = (page.number..).zip(places).map(run).collect();
    (!runs.is_empty()).then_some(Next { runs, certain: true })
}

/// The page behind page `before` of the same list, whose place is known.
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
mod tests {
    use super::*;
    use crate::task::List;

    fn numbered(number: u64, planned_to: u64) -> IndexPage {
        IndexPage::numbered(1, number, planned_to)
    }

    /// First and last page of what follows, and whether it is certain.
    fn follow(paging: &Paging, page: &IndexPage, said: PageSaid) -> Option<(u64, u64, bool)> {
        let next = paging.after(page, &said, true)?;
        assert_eq!(next.runs.len(), 1);
        Some((next.runs[0].from, next.runs[0].to, next.certain))
    }

    fn after(
        number: u64,
        planned_to: u64,
        items: u64,
        declared: Option<u64>,
    ) -> Option<(u64, u64)> {
        let said = PageSaid { items, declared, ..PageSaid::default() };
        let offset = Paging::Offset { limit: 18, total: None, step: Step::Limit };
        follow(&offset, &numbered(number, planned_to), said).map(|(from, to, _)| (from, to))
    }

    #[test]
    fn the_first_page_plans_all_others() {
        assert_eq!(after(1, 1, 18, Some(9040)), Some((2, 503)));
        assert_eq!(after(1, 1, 5, Some(5)), None);
    }

    #[test]
    fn pages_inside_the_plan_add_nothing() {
        assert_eq!(after(7, 503, 18, Some(20_000)), None);
    }

    #[test]
    fn l5_the_page_that_reaches_the_end_sees_growth() {
        assert_eq!(after(503, 503, 4, Some(9041)), None);
        assert_eq!(after(503, 503, 18, Some(9072)), Some((504, 504)));
        assert_eq!(after(2, 2, 18, Some(35)), Some((3, 3)), "more than the total: it lies");
        assert_eq!(after(3, 3, 0, Some(36)), None);
    }

    #[test]
    fn without_a_total_pages_follow_until_an_empty_one() {
        assert_eq!(after(1, 1, 18, None), Some((2, 2)));
        assert_eq!(after(2, 2, 3, None), Some((3, 3)));
        assert_eq!(after(3, 3, 0, None), None);
    }

    #[test]
    fn numbered_pages_go_to_the_last_or_until_an_empty_one() {
        let after = |last, number, items, said_last| {
            let said = PageSaid { items, last: said_last, ..PageSaid::default() };
            follow(&Paging::Page { first: 0, last }, &numbered(number, number), said)
        };
        assert_eq!(after(LastPage::Number(9), 1, 25, None), Some((2, 10, true)));
        assert_eq!(after(LastPage::Number(9), 10, 25, None), None);
        assert_eq!(after(LastPage::Unknown, 1, 25, None), Some((2, 2, false)));
        assert_eq!(after(LastPage::Unknown, 2, 0, None), None);
        let said = || LastPage::Said(Said::Header { name: "x".into(), regex: None });
        assert_eq!(after(said(), 1, 25, Some(4)), Some((2, 5, true)));
        assert_eq!(after(said(), 5, 25, Some(4)), None);
        assert_eq!(after(said(), 5, 25, Some(7)), Some((6, 8, true)), "the list has grown");
        assert_eq!(after(said(), 1, 25, None), Some((2, 2, false)), "no page says the last");
        assert_eq!(after(said(), 1, 25, Some(u64::MAX)), Some((2, u64::MAX, true)));
    }

    #[test]
    fn numbered_pages_with_a_total_end_where_it_says() {
        let last =
            LastPage::Total { size: 20, total: Said::Header { name: "x".into(), regex: None } };
        let after = |number, declared| {
            let said = PageSaid { items: 20, declared, ..PageSaid::default() };
            let paging = Paging::Page { first: 0, last: last.clone() };
            follow(&paging, &numbered(number, number), said)
        };
        assert_eq!(after(1, Some(60)), Some((2, 3, true)));
        assert_eq!(after(3, Some(60)), None, "behind the last page there is an error");
        assert_eq!(after(3, Some(61)), Some((4, 4, true)), "the list has grown");
        assert_eq!(after(3, None), Some((4, 4, false)));
    }

    #[test]
    fn pages_that_say_where_the_next_is_follow_one_another() {
        let place = |name: &str| Place::Url(format!("http://h/{name}").into());
        let said = |items, places| PageSaid { items, places, ..PageSaid::default() };
        let page = numbered(4, 4);
        let next = Paging::Next(NextPage::LinkHeader);
        assert_eq!(follow(&next, &page, said(3, vec![place("a")])), Some((5, 5, true)));
        assert_eq!(follow(&next, &page, said(0, vec![place("a")])), Some((5, 5, true)));
        assert_eq!(follow(&next, &page, said(3, vec![])), None);
        let sitemaps = Paging::Sitemap.after(&page, &said(0, vec![place("a"), place("b")]), true);
        let runs = sitemaps.expect("a sitemap index has no items of its own").runs;
        let found: Vec<_> = runs.iter().map(|run| (run.from, run.to, run.place.clone())).collect();
        assert_eq!(found, [(5, 5, Some(place("a"))), (6, 6, Some(place("b")))]);
        assert_eq!(runs[0].list, List::Items(None));
    }
}
