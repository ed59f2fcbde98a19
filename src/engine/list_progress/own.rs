//! Lists that belong to one item: they end by themselves, and nothing is kept of them afterwards.

use super::ListProgress;
use crate::model::task::{IndexPage, List};
use crate::model::text::counted;
use crate::site::Next;

impl ListProgress {
    /// Returns true if a page that was read repeats another one of its list.
    pub fn is_repeat(&self, page: &IndexPage) -> bool {
        self.lists().pass(page).pages.is_repeat(page.number)
    }

    /// Returns why `entries` are not all entries of a list that has ended, or `None` if they may be.
    /// A count is compared if it `is_exact`.
    pub fn shortfall(&self, page: &IndexPage, entries: u64, is_exact: bool) -> Option<String> {
        let mut lists = self.lists();
        let has_moved = lists.pass(page).count.has_moved;
        let counts = lists.counts.get(&page.list).filter(|_| is_exact)?;
        let (list, read) = (&page.list, counted(entries, "entry", "entries"));
        match (counts.declared, &counts.hinted) {
            (Some(_), _) if has_moved => {
                Some(format!("the count of {list} changed while its pages were read"))
            }
            (Some(declared), _) if declared != entries => {
                Some(format!("{list} has {read}, and declares {declared}"))
            }
            (None, Some((name, count))) if entries < *count => Some(format!(
                "{list} has {read}, and {count} by `{name}` (`more = false` in paging passes over that)"
            )),
            _ => None,
        }
    }

    /// Returns the page after the last one of a list that ended by its count but is short of it. It
    /// is returned once.
    pub fn beyond_of(&self, page: &IndexPage) -> Option<Next> {
        self.lists().pass(page).beyond.take()
    }

    /// Drops what is known of a list.
    pub fn forget(&self, list: &List) {
        let mut lists = self.lists();
        lists.counts.remove(list);
        lists.passes.retain(|(_, of), _| of != list);
    }
}
