//! The end of a crawl: decides whether it is complete, and collects the problems to report.

use crate::engine::list_progress::{ListProgress, does_not_add_up};
use crate::model::report::{Items, Kind, Outcome};
use crate::model::text::counted;
use crate::observe::metrics::Snapshot;
use crate::observe::problems::Problems;
use crate::site::Site;
use crate::site::settings::Begin;

/// The evidence by which a crawl that came to its end is judged.
pub struct Evidence<'a> {
    /// Site that was crawled.
    pub site: &'a Site,
    /// First tasks of the run.
    pub begin: Begin,
    /// Kind of the sweep.
    pub kind: Kind,
    /// True if the store keeps failures, so that users can look them up.
    pub keeps_failures: bool,
    /// Counters at the end.
    pub snapshot: &'a Snapshot,
    /// Progress over the lists.
    pub lists: &'a ListProgress,
}

impl Evidence<'_> {
    /// Decides whether a crawl that came to its end is complete. Everything that is missing becomes
    /// a problem.
    pub fn judge(&self, problems: &Problems) -> Outcome {
        let Snapshot { index, items, .. } = self.snapshot;
        let lost_pages = self.lists.lost();
        let why = if self.keeps_failures { ": gleaner failures says why" } else { "" };
        if items.failed > 0 {
            let (one, many) = ("item could not be stored", "items could not be stored");
            problems.last_gap(counted(items.failed, one, many) + why);
        }
        if lost_pages > 0 {
            let (one, many) = ("page of the list was lost", "pages of the list were lost");
            problems.last_gap(counted(lost_pages, one, many) + why);
        }
        if items.missing > 0 {
            let one = "item is listed but its page is not there (404, 410 or `[answers] missing`)";
            let many =
                "items are listed but their pages are not there (404, 410 or `[answers] missing`)";
            problems.note(counted(items.missing, one, many));
        }
        let is_list = self.begin == Begin::List;
        if is_list && items.missing > 1 && items.missing == self.snapshot.settled() {
            problems.last_gap(
                "not one of the listed items has its page: does the site file still say where they are?",
            );
        }
        self.note_passes(problems);
        match index.declared {
            // A run that retries failures does not read the whole list.
            _ if self.begin == Begin::Failures => {}
            // Where only what changed is listed, nothing may have.
            None if index.listed == 0 && self.kind.since().is_none() => {
                problems.last_gap("the list is empty, and does not say that it should be");
            }
            Some(declared @ 1..) if index.listed == 0 => {
                problems.last_gap(format!(
                    "nothing was listed, though the list declares {declared} items"
                ));
            }
            _ if self.kind == Kind::Limited => {}
            _ if self.site.index.total_exact => self.add_up(problems),
            _ => {}
        }
        if problems.has_gap() { Outcome::Incomplete } else { Outcome::Complete }
    }

    /// Returns why no page at all was read, or `None` if at least one was. If none was read,
    /// nothing is known of the site, even if earlier runs read pages.
    pub fn read_nothing(&self) -> Option<String> {
        let Snapshot { index, items, .. } = self.snapshot;
        let Items { new, changed, same, .. } = *items;
        let has_none = index.pages == 0 && new + changed + same == 0;
        self.lists.first_lost().filter(|_| has_none)
    }

    /// Reports the passes over the list if there was more than one.
    fn note_passes(&self, problems: &Problems) {
        let found = self.lists.found();
        if found.len() > 1 {
            let passes: Vec<String> = found.iter().map(u64::to_string).collect();
            problems.note(format!(
                "the list was short of what it declares, or changed while it was walked, and was walked again; items found, pass by pass: {}",
                passes.join(", ")
            ));
        }
    }

    /// Reports a problem for each list that does not have as many items as it declares.
    fn add_up(&self, problems: &Problems) {
        for mismatch in self.lists.mismatches() {
            problems.last_gap(does_not_add_up(self.site, &mismatch));
        }
    }
}
