//! The counters of a run, all owned in one place.
//!
//! Code that does something counts it here; code that shows something takes a [`Snapshot`]. The
//! progress line, log, report and ledger are made from snapshots only.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use jiff::Timestamp;

use crate::model::record::Verdict;
use crate::model::report::{
    Answers, Baseline, Files, Index, Items, Outcome, Report, Requests, Writes, millis,
};
use crate::model::task::Done;

/// Upper bound of the request times that the histogram records, in microseconds: 20 minutes.
const LONGEST: u64 = 1_200_000_000;
/// Value of `declared` while the list has declared no number of items.
const UNDECLARED: u64 = u64::MAX;

/// The counters of a run.
#[derive(Debug)]
pub struct Metrics {
    started: Instant,
    requests: AtomicU64,
    retried: AtomicU64,
    redirected: AtomicU64,
    not_modified: AtomicU64,
    /// Answers by class: 2xx to 5xx, and none.
    answers: [AtomicU64; 5],
    given_up: AtomicU64,
    bytes: AtomicU64,
    replaced: AtomicU64,
    files_stored: AtomicU64,
    files_unchanged: AtomicU64,
    files_bytes: AtomicU64,
    /// Request times, in microseconds.
    times: Mutex<Histogram<u64>>,
    pages: AtomicU64,
    declared: AtomicU64,
    listed: AtomicU64,
    passes: AtomicU32,
    new: AtomicU64,
    changed: AtomicU64,
    same: AtomicU64,
    skipped: AtomicU64,
    gone: AtomicU64,
    unlisted: AtomicU64,
    missing: AtomicU64,
    failed: AtomicU64,
    batches: AtomicU64,
    written: AtomicU64,
    store_retries: AtomicU64,
    store_waited_us: AtomicU64,
}

/// The values of all counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Time since the run began.
    pub elapsed: Duration,
    /// Counters of requests to the site.
    pub requests: Requests,
    /// Counters of the list.
    pub index: Index,
    /// Counters of the items, by result.
    pub items: Items,
    /// Counters of writes to the store.
    pub store: Writes,
}

impl Snapshot {
    /// Returns the report of a run that began at `began`, without a sweep.
    pub fn report(
        &self,
        site: &str,
        outcome: Outcome,
        began: Timestamp,
        problems: Vec<String>,
    ) -> Report {
        Report {
            site: site.into(),
            sweep: None,
            outcome,
            resumed: false,
            // Stores keep times to the millisecond.
            started_at: began.round(jiff::Unit::Millisecond).unwrap_or(began),
            elapsed_s: millis(self.elapsed.as_secs_f64()),
            requests: self.requests.clone(),
            index: self.index.clone(),
            items: self.items.clone(),
            store: self.store.clone(),
            baseline: Baseline::default(),
            problems,
        }
    }

    /// Returns the number of items that are done, with success or without.
    pub fn settled(&self) -> u64 {
        self.items.settled()
    }

    /// Returns the number of items that are expected, as far as is known: what the list declares,
    /// or the number listed if that is larger.
    pub fn expected(&self) -> u64 {
        self.index.expected()
    }
}

impl Metrics {
    /// Creates counters at zero; the run begins now.
    ///
    /// # Panics
    /// Never: the histogram accepts these constant bounds.
    pub fn new() -> Metrics {
        let times = Histogram::new_with_bounds(1, LONGEST, 2).expect("the bounds are in order");
        Metrics {
            started: Instant::now(),
            requests: AtomicU64::default(),
            retried: AtomicU64::default(),
            redirected: AtomicU64::default(),
            not_modified: AtomicU64::default(),
            answers: Default::default(),
            given_up: AtomicU64::default(),
            bytes: AtomicU64::default(),
            replaced: AtomicU64::default(),
            files_stored: AtomicU64::default(),
            files_unchanged: AtomicU64::default(),
            files_bytes: AtomicU64::default(),
            times: Mutex::new(times),
            pages: AtomicU64::default(),
            declared: AtomicU64::new(UNDECLARED),
            listed: AtomicU64::default(),
            passes: AtomicU32::new(1),
            new: AtomicU64::default(),
            changed: AtomicU64::default(),
            same: AtomicU64::default(),
            skipped: AtomicU64::default(),
            gone: AtomicU64::default(),
            unlisted: AtomicU64::default(),
            missing: AtomicU64::default(),
            failed: AtomicU64::default(),
            batches: AtomicU64::default(),
            written: AtomicU64::default(),
            store_retries: AtomicU64::default(),
            store_waited_us: AtomicU64::default(),
        }
    }

    /// Counts a request that was sent.
    pub fn sent(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// Counts the answer to a request: its status, or `None` if there was no answer.
    pub fn answered(&self, status: Option<u16>) {
        let class = match status {
            None => 4,
            Some(status) => usize::from(status / 100).clamp(2, 5) - 2,
        };
        self.answers[class].fetch_add(1, Relaxed);
    }

    /// Counts a retry.
    pub fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    /// Counts a redirect.
    pub fn redirected(&self) {
        self.redirected.fetch_add(1, Relaxed);
    }

    /// Counts a body of `bytes` (decoded) that was complete `time` after its request was sent.
    pub fn received(&self, time: Duration, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        self.times.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }

    /// Counts characters of a page that were replaced because their bytes are invalid.
    pub fn replaced(&self, characters: u64) {
        self.replaced.fetch_add(characters, Relaxed);
    }

    /// Counts a "not modified" response that came `time` after its request was sent.
    pub fn not_modified(&self, time: Duration) {
        self.not_modified.fetch_add(1, Relaxed);
        self.received(time, 0);
    }

    /// Counts a file of `bytes` that was downloaded and stored.
    pub fn file_stored(&self, bytes: usize) {
        self.files_stored.fetch_add(1, Relaxed);
        self.files_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts a file that is unchanged.
    pub fn file_unchanged(&self) {
        self.files_unchanged.fetch_add(1, Relaxed);
    }

    /// Counts a further pass over the list.
    pub fn pass(&self) {
        self.passes.fetch_add(1, Relaxed);
    }

    /// Counts a task that is done. `is_item` is true if it is an item's.
    pub fn done(&self, done: Done, is_item: bool) {
        match done {
            Done::Read => {}
            Done::Stored(verdict) => {
                self.counter(verdict).fetch_add(1, Relaxed);
                // For an unchanged record no document was written.
                self.written.fetch_add(u64::from(verdict != Verdict::Same), Relaxed);
            }
            Done::Kept(verdict) => drop(self.counter(verdict).fetch_add(1, Relaxed)),
            Done::Recent => drop(self.skipped.fetch_add(1, Relaxed)),
            Done::Missing => drop(self.missing.fetch_add(1, Relaxed)),
            Done::GivenUp => {
                self.given_up.fetch_add(1, Relaxed);
                self.failed.fetch_add(u64::from(is_item), Relaxed);
            }
        }
    }

    /// Counts items that were marked gone.
    pub fn gone(&self, items: u64) {
        self.gone.fetch_add(items, Relaxed);
    }

    /// Counts an item that is not listed and not gone.
    pub fn unlisted(&self) {
        self.unlisted.fetch_add(1, Relaxed);
    }

    /// Counts an index page that was read.
    pub fn page_read(&self) {
        self.pages.fetch_add(1, Relaxed);
    }

    /// Counts distinct listed items, and sets the number that the lists declare so far.
    pub fn listed(&self, items: u64, declared: Option<u64>) {
        self.listed.fetch_add(items, Relaxed);
        self.declared.store(declared.unwrap_or(UNDECLARED), Relaxed);
    }

    /// Counts a listed item that cannot be requested because it has no key.
    pub fn listed_without_key(&self) {
        self.listed.fetch_add(1, Relaxed);
        self.failed.fetch_add(1, Relaxed);
    }

    fn counter(&self, verdict: Verdict) -> &AtomicU64 {
        match verdict {
            Verdict::New => &self.new,
            Verdict::Changed => &self.changed,
            Verdict::Same => &self.same,
        }
    }

    /// Counts a written batch.
    pub fn batch(&self) {
        self.batches.fetch_add(1, Relaxed);
    }

    /// Counts a retry of a call to the store.
    pub fn store_retried(&self) {
        self.store_retries.fetch_add(1, Relaxed);
    }

    /// Adds time spent waiting for the store, from the first failed call until the store was back.
    pub fn store_waited(&self, time: Duration) {
        self.store_waited_us
            .fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Returns the current values of all counters.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let declared = read(&self.declared);
        let given_up = read(&self.given_up);
        let waited_s = millis(read(&self.store_waited_us) as f64 / 1e6);
        let [success, redirect, refused, broken, none] = self.answers.each_ref().map(read);
        let [p50_ms, p95_ms, p99_ms] = self.percentiles([0.5, 0.95, 0.99]);
        Snapshot {
            elapsed: self.started.elapsed(),
            requests: Requests {
                total: read(&self.requests),
                retried: read(&self.retried),
                redirected: read(&self.redirected),
                not_modified: read(&self.not_modified),
                given_up,
                failed: given_up,
                answers: Answers { success, redirect, refused, broken, none },
                bytes: read(&self.bytes),
                replaced: read(&self.replaced),
                p50_ms,
                p95_ms,
                p99_ms,
            },
            index: Index {
                pages: read(&self.pages),
                declared: (declared != UNDECLARED).then_some(declared),
                listed: read(&self.listed),
                passes: self.passes.load(Relaxed),
            },
            items: Items {
                new: read(&self.new),
                changed: read(&self.changed),
                same: read(&self.same),
                skipped: read(&self.skipped),
                missing: read(&self.missing),
                failed: read(&self.failed),
                gone: read(&self.gone),
                unlisted: read(&self.unlisted),
            },
            store: Writes {
                batches: read(&self.batches),
                written: read(&self.written),
                retries: read(&self.store_retries),
                files: Files {
                    stored: read(&self.files_stored),
                    unchanged: read(&self.files_unchanged),
                    bytes: read(&self.files_bytes),
                },
                waited_s,
                blocked_s: waited_s,
            },
        }
    }

    /// Returns percentiles of the request times, in milliseconds.
    fn percentiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        shares.map(
            |share| {
                if times.is_empty() { 0.0 } else { times.value_at_quantile(share) as f64 / 1e3 }
            },
        )
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}
