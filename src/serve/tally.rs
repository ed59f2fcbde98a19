//! Counts since the server started, as a monitoring system expects of counters: they only grow.
//!
//! The ledger has the counts of each run. What a run counted from one look to the next is added; what
//! was there at the first look is not.

use std::collections::HashMap;

use super::overview::{Overview, RunCounts};
use crate::model::report::{Answers, Items, Outcome};
use crate::store::SiteId;
use crate::sweep::State;

/// Outcomes of sweeps.
pub const OUTCOMES: [Outcome; 4] =
    [Outcome::Complete, Outcome::Incomplete, Outcome::Interrupted, Outcome::Failed];

/// Counts of all sites.
#[derive(Debug, Default)]
pub struct Tally {
    sites: HashMap<SiteId, Counts>,
    /// True from the first look on.
    has_begun: bool,
}

/// Counts of a site since the server started.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests by their answers: from 200, from 300, from 400, from 500, none.
    pub answers: [u64; 5],
    /// Items: new, changed, same, gone.
    pub verdicts: [u64; 4],
    /// Sweeps that ended, in the order of [`OUTCOMES`].
    pub outcomes: [u64; 4],
    /// Runs at the last look.
    runs: Vec<RunCounts>,
}

impl Tally {
    /// Adds what happened since the last overview.
    pub fn add(&mut self, overview: &Overview) {
        for site in &overview.sites {
            let is_known = self.sites.contains_key(&site.id);
            let counts = self.sites.entry(site.id.clone()).or_default();
            // A site whose first sweep begins now is counted from its start.
            if is_known || self.has_begun {
                counts.add(&site.runs);
            }
            counts.runs.clone_from(&site.runs);
        }
        self.has_begun = true;
    }

    /// Returns the counts of a site.
    pub fn of(&self, site: &SiteId) -> Counts {
        self.sites.get(site).cloned().unwrap_or_default()
    }
}

impl Counts {
    fn add(&mut self, runs: &[RunCounts]) {
        // The ledger is read up to a number of sweeps: what is older than the oldest known one is
        // not new.
        let oldest = self.runs.last().map(|run| run.sweep.clone());
        let is_past = |run: &&RunCounts| oldest.as_ref().is_none_or(|oldest| run.sweep >= *oldest);
        for run in runs.iter().filter(is_past) {
            let before = self.runs.iter().find(|it| it.sweep == run.sweep);
            let same_run = before.filter(|before| before.runs == run.runs);
            grow(&mut self.answers, answers(&run.answers), same_run.map(|it| answers(&it.answers)));
            grow(&mut self.verdicts, verdicts(&run.items), same_run.map(|it| verdicts(&it.items)));
            let has_ended = same_run.is_none_or(|before| before.state != run.state);
            if let State::Ended(outcome) = run.state
                && has_ended
            {
                let place = OUTCOMES.iter().position(|it| *it == outcome);
                place.into_iter().for_each(|place| self.outcomes[place] += 1);
            }
        }
    }
}

/// Adds what counts grew by. After a report with lower ones nothing is taken away.
fn grow<const N: usize>(sums: &mut [u64; N], now: [u64; N], before: Option<[u64; N]>) {
    let before = before.unwrap_or([0; N]);
    for ((sum, now), before) in sums.iter_mut().zip(now).zip(before) {
        *sum += now.saturating_sub(before);
    }
}

fn answers(answers: &Answers) -> [u64; 5] {
    let Answers { success, redirect, refused, broken, none } = *answers;
    [success, redirect, refused, broken, none]
}

fn verdicts(items: &Items) -> [u64; 4] {
    [items.new, items.changed, items.same, items.gone]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sweep: &str, runs: u32, state: State, new: u64) -> RunCounts {
        let answers = Answers { success: new, ..Answers::default() };
        let items = Items { new, ..Items::default() };
        RunCounts { sweep: sweep.into(), runs, state, answers, items, latencies_ms: [0.0; 3] }
    }

    #[test]
    fn counters_grow_by_what_runs_count_from_look_to_look() {
        const COMPLETE: State = State::Ended(Outcome::Complete);
        const FAILED: State = State::Ended(Outcome::Failed);
        let mut counts = Counts::default();
        let mut look = |runs: &[RunCounts]| {
            counts.add(runs);
            counts.runs = runs.to_vec();
            (counts.answers[0], counts.verdicts[0], counts.outcomes)
        };
        let first = [run("2", 1, State::Running, 3)];
        assert_eq!(look(&first), (3, 3, [0; 4]));
        assert_eq!(look(&first), (3, 3, [0; 4]));
        assert_eq!(look(&[run("2", 1, State::Running, 5)]), (5, 5, [0; 4]));
        assert_eq!(look(&[run("2", 1, FAILED, 6)]), (6, 6, [0, 0, 0, 1]));
        // It is resumed, and its run counts from zero.
        assert_eq!(look(&[run("2", 2, State::Running, 1)]), (7, 7, [0, 0, 0, 1]));
        // It ends, and another one begins and ends, between two looks.
        let both = [run("3", 1, COMPLETE, 10), run("2", 2, COMPLETE, 4)];
        assert_eq!(look(&both), (20, 20, [2, 0, 0, 1]));
        // One that is older than all that are known is not new.
        assert_eq!(look(&[both[0].clone(), both[1].clone(), run("1", 1, COMPLETE, 99)]).0, 20);
    }
}
