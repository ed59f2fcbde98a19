//! What the kill loop saw, as it says it in the end.

use std::time::Duration;

use serde_json::{Value, json};

use super::Plan;
use crate::cli::runs::Kind;
use crate::cli::walls::Walls;
use crate::in_step::Findings;

/// See the module's text.
#[derive(Debug, Default)]
pub struct Figures {
    pub kills: usize,
    pub before_the_first_request: usize,
    pub while_still: usize,
    /// Full, every, limit, pages, retry.
    runs: [usize; 5],
    walls: usize,
    walls_everywhere: usize,
    blocked: usize,
    pub jumps: usize,
    pub changes: u64,
    pub items: usize,
    /// Sweeps of the whole site that came to their ends.
    pub compared: usize,
    pub complete: usize,
    pub equal: usize,
    pub equal_but_for_failures: usize,
    /// Runs of a part that came to their ends.
    pub parts: usize,
    pub parts_equal: usize,
    pub details: usize,
    pub again: usize,
    pub again_at_most: usize,
    pub lists: usize,
    pub lists_at_most: usize,
    pub to_end: Vec<Duration>,
    pub marks: usize,
    /// Items that were left out by sweeps that say that their lists do not add up.
    pub slipped: usize,
    pub findings: Findings,
}

impl Figures {
    /// A run has ended.
    pub fn note(&mut self, plan: &Plan, is_killed: bool, is_blocked: bool, walls: &Walls) {
        let kind = match plan.kind {
            Kind::Full => 0,
            Kind::Every => 1,
            Kind::Limit(_) => 2,
            Kind::Pages(..) => 3,
            Kind::Retry => 4,
        };
        self.runs[kind] += 1;
        self.kills += usize::from(is_killed);
        self.blocked += usize::from(is_blocked);
        self.walls += usize::from(!walls.are_none());
        self.walls_everywhere += usize::from(walls.everywhere.is_some());
    }

    /// All of it.
    pub fn said(&self, store: &str, seed: u64, took: Duration) -> Value {
        let [full, every, limit, pages, retry] = self.runs;
        let findings = &self.findings;
        json!({
            "store": store,
            "seed": seed,
            "kills": {
                "all": self.kills,
                "cut before the first request": self.before_the_first_request,
                "cut after requests ceased": self.while_still,
            },
            "runs": {
                "full": full, "every": every, "limit": limit, "pages": pages, "retry": retry,
                "with walls": self.walls, "with a wall before everything": self.walls_everywhere,
                "blocked": self.blocked,
            },
            "jumps of clocks": self.jumps,
            "changes of the site": self.changes,
            "items at the end": self.items,
            "sweeps of the whole site": {
                "over": self.compared, "complete": self.complete,
                "quiet: equal": self.equal,
                "quiet: equal but for failures": self.equal_but_for_failures,
            },
            "runs of a part": { "over": self.parts, "quiet: as asked": self.parts_equal },
            "requests for items": self.details,
            "of these beyond": { "requests": self.again, "at most": self.again_at_most },
            "requests for lists": { "requests": self.lists, "at most": self.lists_at_most },
            "ms of runs that ended a sweep": times(self.to_end.clone()),
            "marks of gone checked": self.marks,
            "left out by lists that did not add up": self.slipped,
            "findings": findings.counts(),
            "seconds": took.as_secs(),
        })
    }
}

/// The middle one and the longest, in milliseconds.
fn times(mut times: Vec<Duration>) -> Value {
    times.sort();
    let millis = |time: Option<&Duration>| time.map(|time| time.as_millis() as u64);
    json!({ "median": millis(times.get(times.len() / 2)), "most": millis(times.last()) })
}
