//! Paging plans: which index pages there are, decided from what the pages say, page by page.
//!
//! Plans are lazy. With a total the first page plans all others, which are then fetched side by
//! side; the page that reaches the end of the plan looks whether the list has grown. Without one
//! each page with items on it leads to the next.

use crate::extract::FieldRule;
use crate::task::{IndexPage, IndexRun};

/// How the list is divided into pages.
#[derive(Debug, Clone, PartialEq)]
pub enum Paging {
    /// There is one index page.
    Single,
    /// `{offset}` and `{limit}`.
    Offset {
        /// Items on a page.
        limit: u64,
        /// Where a page says how many items there are.
        total: Option<FieldRule>,
    },
    /// `{page}`.
    Page {
        /// Number of the first page.
        first: u64,
        /// Number of the last page, where it is known.
        last: Option<u64>,
    },
}

/// Which index pages may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRange {
    /// First, from 1.
    pub from: u64,
    /// Last, inclusive.
    pub to: u64,
}

/// What an index page said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSaid {
    /// Items on it.
    pub items: u64,
    /// How many items there are in all.
    pub declared: Option<u64>,
}

/// Pages that follow a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The pages.
    pub run: IndexRun,
    /// Whether the site's count says that they are there. Else they are worth asking for only
    /// where the page before brought something new.
    pub certain: bool,
}

impl Paging {
    /// Items on a page, where that is known.
    pub fn limit(&self) -> Option<u64> {
        match self {
            Paging::Single | Paging::Page { .. } => None,
            Paging::Offset { limit, .. } => Some(*limit),
        }
    }

    /// Where a page says how many items there are.
    pub fn total(&self) -> Option<&FieldRule> {
        match self {
            Paging::Single | Paging::Page { .. } => None,
            Paging::Offset { total, .. } => total.as_ref(),
        }
    }

    /// The pages that follow once `page` was read, whatever the range allows.
    pub fn after(&self, page: &IndexPage, said: PageSaid) -> Option<Next> {
        let next = |to, certain| {
            let run = IndexRun { pass: page.pass, from: page.number + 1, to };
            Some(Next { run, certain })
        };
        if said.items == 0 || page.number < page.planned_to {
            return None;
        }
        let limit = match *self {
            Paging::Single => return None,
            Paging::Offset { limit, .. } => limit,
            Paging::Page { first, last: Some(last) } => {
                let pages = last.saturating_sub(first) + 1;
                return (pages > page.number).then(|| next(pages, true)).flatten();
            }
            Paging::Page { last: None, .. } => return next(page.number + 1, false),
        };
        match said.declared.map(|declared| declared.div_ceil(limit)) {
            Some(last) if last > page.number => next(last, true),
            // The plan is done; a full last page may hide that the total is too low.
            Some(_) if said.items < limit => None,
            _ => next(page.number + 1, false),
        }
    }
}

impl PageRange {
    /// The part of `run` inside the range.
    pub fn clip(self, run: IndexRun) -> Option<IndexRun> {
        let clipped = IndexRun { from: run.from.max(self.from), to: run.to.min(self.to), ..run };
        (clipped.from <= clipped.to).then_some(clipped)
    }
}

impl std::str::FromStr for PageRange {
    type Err = PageRangeError;

    fn from_str(text: &str) -> Result<PageRange, PageRangeError> {
        let (from, to) = match text.split_once("..") {
            Some((from, to)) => (from, to),
            None => (text, text),
        };
        let number = |text: &str| text.parse::<u64>().ok().filter(|number| *number > 0);
        match (number(from), number(to)) {
            (Some(from), Some(to)) if from <= to => Ok(PageRange { from, to }),
            _ => Err(PageRangeError),
        }
    }
}

/// A text is no range of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a range of pages is A..B, from 1, inclusive, such as 1..20")]
pub struct PageRangeError;

#[cfg(test)]
mod tests {
    use super::*;

    fn by_offset() -> Paging {
        Paging::Offset { limit: 18, total: None }
    }

    fn after(
        number: u64,
        planned_to: u64,
        items: u64,
        declared: Option<u64>,
    ) -> Option<(u64, u64)> {
        let page = IndexPage { pass: 1, number, planned_to };
        let next = by_offset().after(&page, PageSaid { items, declared })?;
        Some((next.run.from, next.run.to))
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
        assert_eq!(after(2, 2, 18, Some(36)), Some((3, 3)), "a full last page: the total may lie");
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
        let after = |last, number, items| {
            let page = IndexPage { pass: 1, number, planned_to: number };
            let paging = Paging::Page { first: 0, last };
            let next = paging.after(&page, PageSaid { items, declared: None })?;
            Some((next.run.from, next.run.to, next.certain))
        };
        assert_eq!(after(Some(9), 1, 25), Some((2, 10, true)));
        assert_eq!(after(Some(9), 10, 25), None);
        assert_eq!(after(None, 1, 25), Some((2, 2, false)));
        assert_eq!(after(None, 2, 0), None);
    }

    #[test]
    fn ranges_are_read_and_clip() {
        assert_eq!("2..5".parse(), Ok(PageRange { from: 2, to: 5 }));
        assert_eq!("3".parse(), Ok(PageRange { from: 3, to: 3 }));
        for bad in ["0..2", "5..2", "a..b", "", "1.."] {
            assert_eq!(bad.parse::<PageRange>(), Err(PageRangeError), "{bad}");
        }
        let run = IndexRun { pass: 1, from: 2, to: 503 };
        let clipped = PageRange { from: 1, to: 3 }.clip(run).map(|run| (run.from, run.to));
        assert_eq!(clipped, Some((2, 3)));
        assert_eq!(PageRange { from: 1, to: 1 }.clip(run), None);
    }
}
