//! The counters of a run, all of them, owned in one place.
//!
//! Whoever does something counts it here; whoever shows something takes a [`Snapshot`]. Progress
//! line, log, report and ledger are made from nothing else.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use jiff::Timestamp;

use crate::record::Verdict;
use crate::report::{Index, Items, Outcome, Report, Requests, Writes, millis};

/// Longest request that is told apart from longer ones, in microseconds: 20 minutes.
const LONGEST: u64 = 1_200_000_000;
/// The list said nothing of how many items there are.
const UNDECLARED: u64 = u64::MAX;

/// The counters of a run.
#[derive(Debug)]
pub struct Metrics {
    started: Instant,
    requests: AtomicU64,
    retried: AtomicU64,
    redirected: AtomicU64,
    not_modified: AtomicU64,
    given_up: AtomicU64,
    bytes: AtomicU64,
    replaced: AtomicU64,
    /// Microseconds.
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
    store_blocked_us: AtomicU64,
}

/// All counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Since the run began.
    pub elapsed: Duration,
    /// What was asked of the site.
    pub requests: Requests,
    /// What the list said.
    pub index: Index,
    /// What became of the items.
    pub items: Items,
    /// What the store did.
    pub store: Writes,
}

impl Snapshot {
    /// The report of a run that began then, without a sweep so far.
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
            // As fine as stores keep times.
            started_at: began.round(jiff::Unit::Millisecond).unwrap_or(began),
            elapsed_s: millis(self.elapsed.as_secs_f64()),
            requests: self.requests.clone(),
            index: self.index.clone(),
            items: self.items.clone(),
            store: self.store.clone(),
            rules: Box::default(),
            fields: Default::default(),
            absent: Default::default(),
            problems,
        }
    }

    /// Items that came to an end, good or bad.
    pub fn settled(&self) -> u64 {
        let Items { new, changed, same, skipped, missing, failed, gone: _, unlisted: _ } =
            self.items;
        new + changed + same + skipped + missing + failed
    }

    /// How many items there will be, as far as is known: what the list declares, or what it
    /// listed where that is more.
    pub fn expected(&self) -> u64 {
        self.index.declared.unwrap_or(0).max(self.index.listed)
    }
}

impl Metrics {
    /// All at zero; the run begins now.
    ///
    /// # Panics
    /// Never: the histogram's bounds are constants that it accepts.
    pub fn new() -> Metrics {
        let times = Histogram::new_with_bounds(1, LONGEST, 2).expect("the bounds are in order");
        Metrics {
            started: Instant::now(),
            requests: AtomicU64::default(),
            retried: AtomicU64::default(),
            redirected: AtomicU64::default(),
            not_modified: AtomicU64::default(),
            given_up: AtomicU64::default(),
            bytes: AtomicU64::default(),
            replaced: AtomicU64::default(),
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
            store_blocked_us: AtomicU64::default(),
        }
    }

    /// A request left.
    pub fn sent(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// A request is made again.
    pub fn retried(&self) {
        self.retried.fetch_add(1, Relaxed);
    }

    /// An answer led elsewhere.
    pub fn redirected(&self) {
        self.redirected.fetch_add(1, Relaxed);
    }

    /// A body of `bytes` (decoded) was there `time` after its request left.
    pub fn received(&self, time: Duration, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(LONGEST);
        self.times.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(micros);
    }

    /// Characters of a page were replaced, since they mean nothing.
    pub fn replaced(&self, characters: u64) {
        self.replaced.fetch_add(characters, Relaxed);
    }

    /// The site said, `time` after it was asked, that a page is what it was.
    pub fn not_modified(&self, time: Duration) {
        self.not_modified.fetch_add(1, Relaxed);
        self.received(time, 0);
    }

    /// The list is walked once more.
    pub fn pass(&self) {
        self.passes.fetch_add(1, Relaxed);
    }

    /// An item needed no writing: an earlier run of the sweep wrote it, or it is what it was.
    pub fn settled(&self, verdict: Verdict) {
        self.counter(verdict).fetch_add(1, Relaxed);
    }

    /// An item was not asked for, since it was fetched recently.
    pub fn skipped(&self) {
        self.skipped.fetch_add(1, Relaxed);
    }

    /// So many items are marked gone.
    pub fn gone(&self, items: u64) {
        self.gone.fetch_add(items, Relaxed);
    }

    /// An item is not listed, and not gone.
    pub fn unlisted(&self) {
        self.unlisted.fetch_add(1, Relaxed);
    }

    /// An index page was read.
    pub fn page_read(&self) {
        self.pages.fetch_add(1, Relaxed);
    }

    /// Distinct items were listed; and what the lists declare by now.
    pub fn listed(&self, items: u64, declared: Option<u64>) {
        self.listed.fetch_add(items, Relaxed);
        self.declared.store(declared.unwrap_or(UNDECLARED), Relaxed);
    }

    /// An item was listed whose page is not there. Answers with how many there were before.
    pub fn missing(&self) -> u64 {
        self.missing.fetch_add(1, Relaxed)
    }

    /// A task was given up.
    pub fn given_up(&self, is_item: bool) {
        self.given_up.fetch_add(1, Relaxed);
        self.failed.fetch_add(u64::from(is_item), Relaxed);
    }

    /// An item was listed that cannot be asked for.
    pub fn listed_without_key(&self) {
        self.listed.fetch_add(1, Relaxed);
        self.failed.fetch_add(1, Relaxed);
    }

    /// A record was stored; one that is the same without writing its document.
    pub fn stored(&self, verdict: Verdict) {
        self.counter(verdict).fetch_add(1, Relaxed);
        self.written.fetch_add(u64::from(verdict != Verdict::Same), Relaxed);
    }

    fn counter(&self, verdict: Verdict) -> &AtomicU64 {
        match verdict {
            Verdict::New => &self.new,
            Verdict::Changed => &self.changed,
            Verdict::Same => &self.same,
        }
    }

    /// A batch was written.
    pub fn batch(&self) {
        self.batches.fetch_add(1, Relaxed);
    }

    /// A call to the store is made again.
    pub fn store_retried(&self) {
        self.store_retries.fetch_add(1, Relaxed);
    }

    /// The store was waited for, from the first failed call to its return.
    pub fn store_waited(&self, time: Duration) {
        self.store_blocked_us
            .fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// All counters now.
    pub fn snapshot(&self) -> Snapshot {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let declared = read(&self.declared);
        let [p50_ms, p95_ms, p99_ms] = self.percentiles([0.5, 0.95, 0.99]);
        Snapshot {
            elapsed: self.started.elapsed(),
            requests: Requests {
                total: read(&self.requests),
                retried: read(&self.retried),
                redirected: read(&self.redirected),
                not_modified: read(&self.not_modified),
                failed: read(&self.given_up),
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
                blocked_s: millis(read(&self.store_blocked_us) as f64 / 1e6),
            },
        }
    }

    /// Request times in milliseconds.
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
