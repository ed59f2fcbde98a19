//! What the site was at any time: each change is written down with the time before and after it.
//!
//! A change happened somewhere between its two times, so at a given time an item may have been in
//! one state or in two. What is claimed of a sweep is claimed of all states that an item *may*
//! have had while it ran: so no claim rests on a guess, and none is taken for kept by luck.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use gleaner::demo::{Change, Churn, ChurnEvent, Demo};
use jiff::Timestamp;

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// There is none of that key yet.
    Unborn,
    Listed,
    /// Not in the list, but its page is there.
    Unlisted,
    /// Not in the list, and its page answers 404.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    pub whereabouts: Whereabouts,
    /// Of its document, from 0.
    pub version: usize,
}

/// A span of time, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// An item's new state, and when it came about.
struct Turn {
    when: Span,
    state: State,
}

/// See the module's text.
pub struct Chronicle {
    items: HashMap<String, Vec<Turn>>,
    /// How many items are listed, since when.
    counts: Vec<(Span, usize)>,
}

const ALWAYS: Span = Span { from: Timestamp::MIN, to: Timestamp::MIN };

impl Chronicle {
    /// Begins with the site as it is, and as it has been: nothing may have changed before.
    fn of(demo: &Demo) -> Chronicle {
        let listed = State { whereabouts: Whereabouts::Listed, version: 0 };
        let keys = demo.keys();
        let counts = vec![(ALWAYS, keys.len())];
        let born = |key| (key, vec![Turn { when: ALWAYS, state: listed }]);
        Chronicle { items: keys.into_iter().map(born).collect(), counts }
    }

    fn note(&mut self, change: Change, when: Span) {
        let unborn = State { whereabouts: Whereabouts::Unborn, version: 0 };
        let turns = self.items.entry(change.key).or_default();
        let before = turns.last().map_or(unborn, |turn| turn.state);
        if turns.is_empty() {
            turns.push(Turn { when: ALWAYS, state: unborn });
        }
        let state = match change.event {
            ChurnEvent::Added | ChurnEvent::Restored => {
                State { whereabouts: Whereabouts::Listed, ..before }
            }
            ChurnEvent::Changed => State { version: before.version + 1, ..before },
            ChurnEvent::Removed => State { whereabouts: Whereabouts::Gone, ..before },
            ChurnEvent::Unlisted => State { whereabouts: Whereabouts::Unlisted, ..before },
        };
        turns.push(Turn { when, state });
        let is_listed = |state: State| usize::from(state.whereabouts == Whereabouts::Listed);
        let (_, count) = self.counts.last().expect("the count at the beginning");
        self.counts.push((when, count + is_listed(state) - is_listed(before)));
    }

    /// All items there ever were.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.items.keys()
    }

    /// All states that an item may have had at some time of `during`.
    pub fn states(&self, key: &str, during: Span) -> Vec<State> {
        let turns = self.items.get(key).map(Vec::as_slice).unwrap_or_default();
        let ends = turns.iter().skip(1).map(|next| next.when.to).chain([Timestamp::MAX]);
        let may = turns.iter().zip(ends);
        may.filter(|(turn, end)| turn.when.from <= during.to && *end >= during.from)
            .map(|(turn, _)| turn.state)
            .collect()
    }

    /// Whether an item was in the list from the beginning of `during` to its end, for sure.
    pub fn is_listed_throughout(&self, key: &str, during: Span) -> bool {
        let states = self.states(key, during);
        !states.is_empty() && states.iter().all(|it| it.whereabouts == Whereabouts::Listed)
    }

    /// Whether an item may have been there, or not, at some time of `during`.
    pub fn may_be(&self, key: &str, during: Span, at: &[Whereabouts]) -> bool {
        self.states(key, during).iter().any(|state| at.contains(&state.whereabouts))
    }

    /// The fewest and the most items that the list may have had in `during`.
    pub fn counts(&self, during: Span) -> (usize, usize) {
        let ends = self.counts.iter().skip(1).map(|(next, _)| next.to).chain([Timestamp::MAX]);
        let may = self.counts.iter().zip(ends);
        let counts = may
            .filter(|((when, _), end)| when.from <= during.to && *end >= during.from)
            .map(|((_, count), _)| *count);
        counts.fold((usize::MAX, 0), |(least, most), count| (least.min(count), most.max(count)))
    }
}

/// A site that changes while a thread keeps its chronicle.
pub struct Churning {
    pub demo: Arc<Demo>,
    chronicle: Arc<Mutex<Chronicle>>,
    /// Changes a second.
    rate: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    changes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Churning {
    /// Nothing changes until a rate is set.
    pub fn begin(demo: Demo, seed: u64) -> Churning {
        let demo = Arc::new(demo);
        let chronicle = Arc::new(Mutex::new(Chronicle::of(&demo)));
        let (rate, changes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let ended = Arc::new(AtomicBool::new(false));
        let thread = {
            let (demo, chronicle, rate) = (demo.clone(), chronicle.clone(), rate.clone());
            let (ended, changes) = (ended.clone(), changes.clone());
            std::thread::spawn(move || {
                let mut churn = Churn::new(seed);
                while !ended.load(Relaxed) {
                    let Some(pause) = Duration::from_secs(1).checked_div(rate.load(Relaxed) as u32)
                    else {
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    std::thread::sleep(pause);
                    // Held over the change, so that whoever reads has all that happened.
                    let Ok(mut chronicle) = chronicle.lock() else { return };
                    if rate.load(Relaxed) > 0 {
                        let from = Timestamp::now();
                        let change = demo.churn(&mut churn);
                        chronicle.note(change, Span { from, to: Timestamp::now() });
                        changes.fetch_add(1, Relaxed);
                    }
                }
            })
        };
        Churning { demo, chronicle, rate, ended, changes, thread: Some(thread) }
    }

    /// So many changes a second from now on; with 0 nothing changes once this returns.
    pub fn at(&self, rate: u64) {
        let _chronicle = self.chronicle();
        self.rate.store(rate, Relaxed);
    }

    /// All that has happened.
    pub fn chronicle(&self) -> MutexGuard<'_, Chronicle> {
        self.chronicle.lock().expect("nobody panicked")
    }

    /// How many changes there were.
    pub fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }
}

impl Drop for Churning {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there has been seen by whoever locked the chronicle.
            let _ = thread.join();
        }
    }
}
