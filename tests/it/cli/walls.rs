//! Walls: pages of another kind with status 200, in place of pages of the list or of items. A captcha,
//! a login, an error as JSON. Some pass within the tries that a run has, some last longer, some stand
//! before everything.

use std::collections::HashMap;

use fastrand::Rng;
use gleaner::demo::{Demo, Fault, Seen};

use crate::in_step::PAGE;

/// A run tries each page so often (`--retries`, and the first time).
pub const TRIES: u32 = 3;
/// Longer than any run asks for a page, in three walks of the list: a page that came in the last of them,
/// late, would leave out what moved from it meanwhile, and no failure would be left to say so.
const LASTING: u32 = 100;

const CAPTCHA: &str = "<!doctype html><title>Are you a robot?</title><form><input name=id></form>";
/// Nothing tells it from a list without items.
const SILENT: (&str, &str) = ("application/json", r#"{"detail": "Request was throttled."}"#);
const PAGES: [(&str, &str); 5] = [
    ("text/html; charset=utf-8", CAPTCHA),
    ("text/html", "<html><body><h1>Log in</h1></body></html>"),
    ("application/json", r#"{"error": {"code": 17, "message": "limit reached"}}"#),
    SILENT,
    ("application/json", r#"{"errors": ["please try again"], "results": []}"#),
];

/// The walls of one run.
#[derive(Debug, Default)]
pub struct Walls {
    /// Path, and how many requests for it are answered so.
    before: HashMap<String, u32>,
    /// Whether some of them last longer than the tries of a run.
    is_lasting: bool,
    /// From which request on all are answered so.
    pub everywhere: Option<usize>,
}

impl Walls {
    /// Puts up those of a run that begins now: half of the runs have none. The page on which the list
    /// ends is among them as often as all others together.
    pub fn drawn(demo: &Demo, rng: &mut Rng) -> Walls {
        let mut walls = Walls { is_lasting: rng.u8(0..4) == 0, ..Walls::default() };
        let listed = demo.keys();
        if listed.is_empty() || rng.bool() {
            return Walls::default();
        }
        let pages = listed.len().div_ceil(PAGE);
        for _ in 0..rng.usize(0..2) {
            let page = if rng.bool() { pages - 1 } else { rng.usize(0..pages) };
            let times = if walls.is_lasting { LASTING } else { rng.u32(1..TRIES) };
            walls.put(demo, rng, format!("/api/book/?limit={PAGE}&offset={}", page * PAGE), times);
        }
        // So few that those which pass are no block, should they be the last that is asked for.
        for _ in 0..rng.usize(1..4) {
            let times = if walls.is_lasting { LASTING } else { rng.u32(1..TRIES) };
            let key = &listed[rng.usize(0..listed.len())];
            walls.put(demo, rng, format!("/api/book/{key}/"), times);
        }
        walls
    }

    fn put(&mut self, demo: &Demo, rng: &mut Rng, path: String, times: u32) {
        let page = PAGES[rng.usize(0..PAGES.len())];
        // Where the first page of a list says nothing at all, twice, the list is taken to be empty,
        // and the sweep to be incomplete.
        self.is_lasting |= page == SILENT && times > 1 && path.contains('?');
        demo.fault(Fault::on(&path).body(page.0, page.1).first(times));
        self.before.insert(path, times);
    }

    /// From now on one stands before everything.
    pub fn raise_everywhere(&mut self, demo: &Demo, rng: &mut Rng) {
        // Before the rule, so that none is counted that it does not hit.
        self.everywhere = Some(demo.stats().requests as usize);
        demo.clear_faults();
        let (kind, body) = PAGES[rng.usize(0..PAGES.len())];
        demo.fault(Fault::on("*").body(kind, body));
    }

    /// Whether some stand before pages of the list, so that these come later than others.
    pub fn slow_lists(&self) -> bool {
        self.before.keys().any(|path| path.contains('?'))
    }

    /// Whether there are any.
    pub fn are_none(&self) -> bool {
        self.before.is_empty() && self.everywhere.is_none()
    }

    /// Whether a run may have lost something by them.
    pub fn may_cost(&self) -> bool {
        self.is_lasting || self.everywhere.is_some()
    }

    /// How many of the run's requests, the first of which has number `first` of all, were answered so, at
    /// most: those for which `is_of` says so.
    pub fn answered(&self, first: usize, requests: &[Seen], is_of: impl Fn(&str) -> bool) -> usize {
        let everywhere = self.everywhere.map_or(usize::MAX, |at| at - first);
        let (mut answered, mut left) = (0, self.before.clone());
        for (at, Seen { path, .. }) in requests.iter().enumerate().filter(|(_, it)| is_of(&it.path))
        {
            let left = left.get_mut(path).filter(|left| **left > 0);
            let is_hit = at >= everywhere || left.is_some();
            answered += usize::from(is_hit);
            left.into_iter().for_each(|left| *left -= 1);
        }
        answered
    }
}
