//! Row S5: what was asked for between two comparisons, and what may have been.
//!
//! In that time `R` runs were made, of which `F` were of the whole site, in `S` sweeps of it.
//!
//! - Items: each may be asked for once in each of the `S` sweeps; and by each run of a part that asked
//!   for it, once more, and again by the sweep that such a run came in the middle of, since a document
//!   bears the number of the run that wrote it last. One that was off the list at some time may be
//!   asked for `2·R` times more (in each run twice where it was listed and answers 404, or once as a
//!   candidate).
//! - Beyond that, of all items together: answers that were walls; a killed run of the whole site
//!   loses at most `workers + 4·batch`, which is what a kill finds in the hands of workers, in the
//!   channel, in the batch that is made up, and in the two in flight; a blocked one loses what its
//!   workers ask for and read, `2·workers`, and what it held back; and of a killed run of a part, which nobody resumes,
//!   requests of its workers may arrive late and be counted to the next one. A run that is told to
//!   stop loses what it held back: documents that would replace others are not written before so many
//!   pages were read that a redesign would have shown.
//! - The rest, beside walls: robots.txt and the list's `P` pages, of which `E` may be empty by now and
//!   are asked for again. In a sweep of the whole site the list is walked three times at most, in a
//!   run of a part once; and where pages are named, no other is asked for.

use std::collections::HashMap;

use super::{BATCH, KillLoop, Ran, WORKERS};
use crate::cli::runs::Kind;
use crate::in_step::{PAGE, Span, Swept};

/// Pages that tell whether a site was redesigned.
const HELD_BACK: usize = 20;
/// The list is walked so often at most in one run.
const MOST_PASSES: usize = 3;

fn item(path: &str) -> Option<&str> {
    path.strip_prefix("/api/book/").and_then(|rest| rest.strip_suffix('/'))
}

impl Ran {
    /// Requests for items that are made once more because of how this run ended.
    fn loses(&self) -> usize {
        match (self.is_killed, self.kind.is_of_part()) {
            (true, false) => WORKERS + 4 * BATCH,
            (true, true) => WORKERS,
            (false, _) if self.is_blocked => 2 * WORKERS + HELD_BACK,
            (false, _) if self.is_told => HELD_BACK,
            (false, _) => 0,
        }
    }

    /// Most requests for robots.txt and pages of the list, of which there are so many, and so many
    /// that may be empty.
    fn most_lists(&self, pages: usize, empty: usize) -> usize {
        let sweep = 1 + MOST_PASSES * (pages + empty);
        match self.kind {
            Kind::Full => sweep,
            // It may have begun the next one when it was told to stop.
            Kind::Every => 2 * sweep,
            Kind::Pages(first, last) => 1 + 2 * (last - first + 1),
            Kind::Limit(_) | Kind::Retry => 1 + pages + empty,
        }
    }
}

impl KillLoop {
    /// Checks the bounds for the runs since the last comparison, in which these sweeps ran.
    pub fn count_requests(&mut self, since: &[Swept], during: Span) {
        let log = self.churning.demo.requests();
        let sweeps = since.iter().filter(|sweep| !sweep.limited).count();
        let chronicle = self.churning.chronicle();
        let (least, most) = chronicle.counts(during);
        let (pages, empty) = (most.div_ceil(PAGE), most.div_ceil(PAGE) - least / PAGE);
        let (mut asked, mut by_parts) = (HashMap::new(), HashMap::new());
        let (mut lists, mut most_lists, mut most_beyond, mut is_under_way) = (0, 0, 0, false);
        for ran in &self.runs {
            let requests = &log[ran.requests.0..ran.requests.1];
            let mut own: HashMap<&str, usize> = HashMap::new();
            requests.iter().filter_map(|it| item(&it.path)).for_each(|key| {
                *own.entry(key).or_default() += 1;
            });
            lists += requests.len() - own.values().sum::<usize>();
            let walls =
                |is_of: fn(&str) -> bool| ran.walls.answered(ran.requests.0, requests, is_of);
            most_lists += ran.most_lists(pages, empty) + walls(|path| item(path).is_none());
            most_beyond += ran.loses() + walls(|path| item(path).is_some());
            for (key, times) in own {
                *asked.entry(key).or_insert(0) += times;
                if ran.kind.is_of_part() {
                    *by_parts.entry(key).or_insert(0) += 1 + usize::from(is_under_way);
                }
            }
            is_under_way |= !ran.kind.is_of_part();
        }
        let runs = self.runs.len();
        let allowed = |key: &str| {
            let once = sweeps + by_parts.get(key).unwrap_or(&0);
            let is_listed = chronicle.is_listed_throughout(key, during);
            once + if is_listed { 0 } else { 2 * runs }
        };
        let beyond: usize =
            asked.iter().map(|(key, times)| usize::saturating_sub(*times, allowed(key))).sum();
        let runs = &self.runs;
        assert!(beyond <= most_beyond, "{beyond} items again, of {most_beyond}: {runs:#?}");
        assert!(lists <= most_lists, "{lists} pages of lists of {most_lists}: {runs:#?}");
        let figures = &mut self.figures;
        figures.details += asked.values().sum::<usize>();
        figures.again += beyond;
        figures.again_at_most += most_beyond;
        figures.lists += lists;
        figures.lists_at_most += most_lists;
    }
}
