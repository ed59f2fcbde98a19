//! Whether a store is in step with a site that changes: the claims, checked item by item.
//!
//! After any sweep that came to its end, complete or not, however often it was killed:
//!
//! - **nothing lost**: each item that was listed from the sweep's beginning to its end is stored
//!   by this sweep and not marked gone, or was given up and is kept as a failure, or slipped from
//!   page to page unseen (no count tells, where one item goes as another comes): then this sweep
//!   has asked for it by its own page and noted that no list named it;
//! - **nothing made up**: each document is a version that the site served between the beginning of
//!   the sweep that last fetched it and the time at which that says it did;
//! - **nothing twice**: no key and no document's id is there twice;
//! - **nothing wrongly gone**: what is marked gone was off the site (404) while the sweep ran that
//!   marked it: while its own page answers, an item that left the list is unlisted, never gone;
//! - **the ledger agrees**: no sweep begins before the one before it has come to its end.
//!
//! Where a page of the list was lost, or a sweep says that its list was empty, it is incomplete, and
//! nothing is claimed of the items that were listed.
//!
//! Of all runs, those of a part of the site too, complete or not or killed:
//!
//! - **no marks by a part**: a run of a part of the site (`--limit`, `--pages`, `failures --retry`)
//!   marks nothing gone or unlisted;
//! - **complete means complete**: a run that says so has given up nothing, and after one of the
//!   whole site no failure is kept.
//!
//! After a sweep in which nothing changed, the store **equals** the site ([`Findings::equal`]); where it
//! says that it is incomplete, it does but for what it gave up. What the site was when is known from
//! [`Churning`], the store is read by [`Holdings`]; what runs kept by clocks that jump is told back to
//! real times by [`Clocks`].

mod chronicle;
mod clocks;
mod holdings;

use std::collections::{HashMap, HashSet};

use gleaner::demo::Demo;
use jiff::SignedDuration;
use serde_json::{Value, json};

pub use chronicle::{Chronicle, Churning, Span, Whereabouts};
pub use clocks::{Clocks, SpellId};
pub use holdings::{Held, Holdings, Swept};

/// Items on a page of the list.
pub const PAGE: usize = 18;
/// Stores keep times to the millisecond.
const GRAIN: SignedDuration = SignedDuration::from_millis(1);

/// What stands against the claims, in sentences; nothing, as a rule.
#[derive(Debug, Default)]
pub struct Findings {
    pub lost: Vec<String>,
    pub not_served: Vec<String>,
    pub twice: Vec<String>,
    pub wrongly_gone: Vec<String>,
    pub ledger: Vec<String>,
    pub unequal: Vec<String>,
}

impl Findings {
    /// Checks the claims after the sweep that ended last.
    pub fn of(churning: &Churning, holdings: &Holdings) -> Findings {
        let mut findings = Findings::default();
        let chronicle = churning.chronicle();
        findings.check_ledger(&holdings.sweeps);
        if let Some(last) = holdings.sweeps.last().filter(|sweep| sweep.is_over()) {
            findings.check_complete(holdings, last);
            let is_known = last.listed != Some(0) && holdings.lost_pages(last).next().is_none();
            if !last.limited && is_known {
                findings.check_keys(&chronicle, holdings, last);
            }
        }
        let (mut keys, mut ids) = (HashSet::new(), HashSet::new());
        for held in &holdings.documents {
            let id = held.document["id"].as_str().unwrap_or_default();
            if id != held.key || !keys.insert(&held.key) || !ids.insert(id) {
                findings.twice.push(format!("{} with the document of {id}", held.key));
            }
            findings.check_document(&churning.demo, &chronicle, holdings, held);
            findings.check_mark(&chronicle, holdings, held);
        }
        findings
    }

    /// Checks that the store equals the site as it is now, which has not changed since before the
    /// last sweep began.
    pub fn equal(demo: &Demo, holdings: &Holdings) -> Findings {
        let mut findings = Findings::documents_equal(demo, holdings);
        findings.add(Findings::marks_equal(demo, holdings));
        findings
    }

    /// The same of what is listed, but for what the last sweep says that it gave up.
    pub fn documents_equal(demo: &Demo, holdings: &Holdings) -> Findings {
        let listed = demo.keys();
        let last = holdings.sweeps.last().expect("a sweep");
        if last.state == "incomplete" && last.listed == Some(0) {
            return Findings::default();
        }
        let lost = holdings.lost_pages(last).flat_map(|page| {
            let from = ((page - 1) * PAGE).min(listed.len());
            &listed[from..(from + PAGE).min(listed.len())]
        });
        let given_up = holdings.failures.iter().filter(|it| it.is_item() && it.sweep == last.id);
        let excused: HashSet<&String> = lost.chain(given_up.map(|it| &it.page)).collect();
        let held: HashMap<&str, &Held> =
            holdings.documents.iter().map(|held| (held.key.as_str(), held)).collect();
        let mut unequal = Vec::new();
        for key in listed.iter().filter(|key| !excused.contains(key)) {
            let wrong = match held.get(key.as_str()) {
                None => "is listed and not stored",
                Some(held) if demo.document(key).as_ref() != Some(&held.document) => {
                    "is stored as another document"
                }
                Some(held) if held.unlisted_at.is_some() || held.gone_at.is_some() => {
                    "is listed and marked"
                }
                Some(_) => continue,
            };
            unequal.push(format!("{key} {wrong}: {:?}, by {last:?}", held.get(key.as_str())));
        }
        Findings { unequal, ..Findings::default() }
    }

    /// The same of what is not listed.
    fn marks_equal(demo: &Demo, holdings: &Holdings) -> Findings {
        let mut unequal = Vec::new();
        for held in holdings.documents.iter().filter(|held| !demo.listed(&held.key)) {
            let wrong = match demo.document(&held.key) {
                Some(_) if held.unlisted_at.is_none() && held.gone_at.is_none() => {
                    "is not listed, which is not noted"
                }
                None if held.gone_at.is_none() => "is off the site and not marked gone",
                _ => continue,
            };
            unequal.push(format!("{held:?} {wrong}"));
        }
        Findings { unequal, ..Findings::default() }
    }

    /// All of it in one.
    pub fn add(&mut self, other: Findings) {
        self.lost.extend(other.lost);
        self.not_served.extend(other.not_served);
        self.twice.extend(other.twice);
        self.wrongly_gone.extend(other.wrongly_gone);
        self.ledger.extend(other.ledger);
        self.unequal.extend(other.unequal);
    }

    pub fn is_empty(&self) -> bool {
        let Findings { lost, not_served, twice, wrongly_gone, ledger, unequal } = self;
        [lost, not_served, twice, wrongly_gone, ledger, unequal]
            .iter()
            .all(|found| found.is_empty())
    }

    /// How many of each kind.
    pub fn counts(&self) -> Value {
        let Findings { lost, not_served, twice, wrongly_gone, ledger, unequal } = self;
        json!({
            "lost": lost.len(), "not served": not_served.len(), "twice": twice.len(),
            "wrongly gone": wrongly_gone.len(), "ledger": ledger.len(), "unequal": unequal.len(),
        })
    }

    fn check_keys(&mut self, chronicle: &Chronicle, holdings: &Holdings, last: &Swept) {
        let of_last = |held: &&Held| held.sweep == last.id && held.gone_at.is_none();
        let stored = holdings.documents.iter().filter(of_last).map(|held| held.key.as_str());
        let given_up = holdings.failures.iter().filter(|it| it.is_item() && it.sweep == last.id);
        let noted = |at| (last.span().from..=last.span().to).contains(&at);
        let slipped = holdings.documents.iter().filter(|held| {
            held.gone_at.is_none() && held.sweep != last.id && held.unlisted_at.is_some_and(noted)
        });
        let given_up = given_up.map(|it| it.page.as_str());
        let slipped = slipped.map(|held| held.key.as_str());
        let had: HashSet<&str> = stored.chain(given_up).chain(slipped).collect();
        for key in chronicle.keys().filter(|key| !had.contains(key.as_str())) {
            if chronicle.is_listed_throughout(key, last.span()) {
                let held = holdings.documents.iter().find(|held| held.key == *key);
                self.lost.push(format!("{key} was listed throughout {last:?}: {held:?}"));
            }
        }
    }

    fn check_document(
        &mut self,
        demo: &Demo,
        chronicle: &Chronicle,
        holdings: &Holdings,
        held: &Held,
    ) {
        let Some(sweep) = holdings.sweeps.iter().find(|sweep| sweep.id == held.sweep) else {
            return self.not_served.push(format!("{} is of a sweep that is not there", held.key));
        };
        let in_time = held.fetched_at >= sweep.started_at
            && sweep.ended_at.is_none_or(|ended_at| held.fetched_at <= ended_at);
        let during = sweep.until(held.fetched_at);
        let has_page = [Whereabouts::Listed, Whereabouts::Unlisted];
        let states = chronicle.states(&held.key, during);
        let had = states.iter().filter(|state| has_page.contains(&state.whereabouts));
        let served = demo.served(&held.key);
        if !in_time || !had.into_iter().any(|state| served[state.version] == held.document) {
            let version = served.iter().position(|version| *version == held.document);
            self.not_served.push(format!(
                "{} is version {version:?} of {states:?} between {during:?}, by {sweep:?}",
                held.key
            ));
        }
    }

    fn check_mark(&mut self, chronicle: &Chronicle, holdings: &Holdings, held: &Held) {
        let Some(gone_at) = held.gone_at else { return };
        let sweep_at = |at| {
            let is_in = |sweep: &&Swept| (sweep.span().from..=sweep.span().to).contains(&at);
            holdings.sweeps.iter().rev().filter(|sweep| !sweep.limited).find(is_in)
        };
        let marked_by = sweep_at(gone_at);
        let is_proven = marked_by
            .is_some_and(|sweep| chronicle.may_be(&held.key, sweep.span(), &[Whereabouts::Gone]));
        if !is_proven {
            let states = marked_by.map(|sweep| chronicle.states(&held.key, sweep.span()));
            self.wrongly_gone.push(format!("{held:?}, which was {states:?}, by {marked_by:?}"));
        }
    }

    /// A sweep of the whole site is resumed until it is over; what is of a part may run in between.
    fn check_ledger(&mut self, sweeps: &[Swept]) {
        let whole: Vec<&Swept> = sweeps.iter().filter(|sweep| !sweep.limited).collect();
        for pair in whole.windows(2) {
            let ended = pair[0].ended_at.filter(|_| pair[0].is_over());
            if ended.is_none_or(|ended| ended > pair[1].started_at) {
                self.ledger.push(format!("{:?} begins before the end of {:?}", pair[1], pair[0]));
            }
        }
        for resumed in sweeps.iter().filter(|sweep| sweep.limited && sweep.runs != 1) {
            self.ledger.push(format!("{resumed:?} is of a part, and was resumed"));
        }
    }

    fn check_complete(&mut self, holdings: &Holdings, last: &Swept) {
        if last.state == "complete" {
            if last.listed == Some(0) && !last.limited {
                self.ledger.push(format!("{last:?} is complete, and listed nothing"));
            }
            let kept = holdings.failures.iter().filter(|it| !last.limited || it.sweep == last.id);
            self.ledger.extend(kept.map(|it| format!("{last:?} is complete, and {it:?} is kept")));
        }
    }
}
