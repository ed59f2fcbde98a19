//! The writer: one loop that collects deliveries into batches and writes them to the store.
//!
//! A batch is closed by count, by bytes, by time, or when no more deliveries can come. Two batches
//! are written concurrently. Leases end here, after the store has acknowledged: done means written.

mod batch;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::engine::error::CrawlError;
use crate::engine::findings::Findings;
use crate::engine::lookup;
use crate::engine::refresh::canary;
use crate::frontier::{Frontier, Lease, Retry};
use crate::model::failure::{Failure, PageId};
use crate::model::record::{Key, Provenance, Record, Seen, Verdict};
use crate::model::task::{Done, Page};
use crate::model::text::secret::Scrubber;
use crate::observe::metrics::Metrics;
use crate::observe::problems::{Alike, Problems};
use crate::store::Store;
use crate::system::clock;
use batch::Batch;

/// Number of batches written concurrently: two write 1.4 to 1.7 times as much as one, more have no
/// benefit.
const IN_FLIGHT: usize = 2;
/// Number of failures of one kind that are logged as warnings. Further ones are logged at `debug`,
/// and counted at the end.
const EACH: u64 = 3;
/// Maximum size of the documents that wait for the writer, in bytes.
const CHANNEL_BYTES: usize = 32 << 20;
/// Maximum size of the documents in one batch, in bytes. A larger document is written alone.
const BATCH_BYTES: usize = 8 << 20;

/// Maximum number of missing items that are named in log and report; all are counted.
const NAMED: u64 = 20;

/// The result of a task, with its lease.
#[derive(Debug)]
pub struct Delivery {
    lease: Lease,
    what: Outcome,
    _room: Option<OwnedSemaphorePermit>,
}

/// The result of a task.
#[derive(Debug)]
pub enum Outcome {
    /// A record to store.
    Record(Box<Record>),
    /// A task that was given up.
    Failure(Box<Failure>),
    /// An item that need not be written: it is unchanged, or was fetched recently.
    Seen {
        /// Update to store for the item.
        seen: Box<Seen>,
        /// True if the item was fetched recently, and therefore not requested.
        is_recent: bool,
    },
    /// An item that is listed, but its page does not exist.
    Missing {
        /// URL of the page, without credentials.
        url: Box<str>,
        /// Answer of the page, as a part of a sentence.
        saw: Box<str>,
    },
}

/// An item whose page does not exist: its lease, its URL, and what the page answers.
type Absent = (Lease, Box<str>, Box<str>);

/// The workers' end of the channel. It is the crawl's only backpressure, bounded by items and
/// bytes.
#[derive(Debug, Clone)]
pub struct Outbox {
    channel: async_channel::Sender<Delivery>,
    room: Arc<Semaphore>,
    look: Arc<Notify>,
}

/// The writer's end of the channel. Dropping it fails all senders that wait for room, and returns
/// queued leases to the frontier.
struct Inbox {
    channel: async_channel::Receiver<Delivery>,
    room: Arc<Semaphore>,
    look: Arc<Notify>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.channel.close();
        self.room.close();
        while self.channel.try_recv().is_ok() {}
    }
}

/// The limits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batching {
    /// Maximum number of documents in a batch.
    pub items: usize,
    /// Maximum time that a record waits for its batch.
    pub flush: Duration,
}

/// The loop that collects records into batches and writes them.
pub struct Writer {
    channel: Inbox,
    batching: Batching,
    destination: Destination,
}

/// The destination of batches, and the parts that receive their results.
pub struct Destination {
    /// Store to write to.
    pub store: Arc<dyn Store>,
    /// True if the store held failures when the crawl began.
    pub has_failures: bool,
    /// Frontier in which leases are finished.
    pub frontier: Arc<Frontier>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Problems to report to the user.
    pub problems: Arc<Problems>,
    /// Removes credentials from stored failures.
    pub scrubber: Scrubber,
    /// Failures so far, grouped by kind.
    pub alike: Mutex<Alike>,
    /// Number of missing items so far.
    pub absent: AtomicU64,
    /// Findings of the sweep, which decide whether documents may be replaced.
    pub findings: Arc<Findings>,
    /// Sweep id and rules, the same for all records.
    pub provenance: Provenance,
}

impl Batching {
    /// Returns the maximum number of leases that the writer and the channel hold together.
    pub fn holds(&self) -> usize {
        self.items * (IN_FLIGHT + 2) + canary::FIRST as usize
    }
}

/// Creates a writer and its outbox. The writer ends when all outboxes are dropped.
pub fn channel(batching: Batching, destination: Destination) -> (Outbox, Writer) {
    let (sender, receiver) = async_channel::bounded(batching.items);
    let room = Arc::new(Semaphore::new(CHANNEL_BYTES));
    let look = Arc::new(Notify::new());
    let inbox = Inbox { channel: receiver, room: room.clone(), look: look.clone() };
    (Outbox { channel: sender, room, look }, Writer { channel: inbox, batching, destination })
}

impl Outbox {
    /// Hands over the result of a task; waits while there is no room.
    ///
    /// # Errors
    /// Returns an error if the writer has ended.
    pub async fn deliver(&self, lease: Lease, what: Outcome) -> Result<(), CrawlError> {
        // A document larger than all the room takes all of it.
        let bytes = what.size().clamp(1, CHANNEL_BYTES);
        let room = u32::try_from(bytes).unwrap_or(u32::MAX);
        let permit = self.room.clone().acquire_many_owned(room).await;
        let _room = Some(permit.map_err(|_| CrawlError::WriterEnded)?);
        self.channel
            .send(Delivery { lease, what, _room })
            .await
            .map_err(|_| CrawlError::WriterEnded)
    }

    /// Wakes the writer after a task ended without a delivery: its batch may hold all that is left.
    pub fn look(&self) {
        self.look.notify_one();
    }
}

impl Outcome {
    fn size(&self) -> usize {
        match self {
            Outcome::Record(record) => record.document.size(),
            Outcome::Failure(failure) => failure.sample.as_deref().map_or(0, str::len),
            Outcome::Seen { .. } | Outcome::Missing { .. } => 0,
        }
    }
}

impl Writer {
    /// Writes until all outboxes are dropped and everything is stored.
    ///
    /// # Errors
    /// Returns an error if the store fails permanently. Unwritten leases return to the frontier.
    pub async fn run(self) -> Result<(), CrawlError> {
        let Writer { channel: inbox, batching, destination } = self;
        let channel = &inbox.channel;
        let mut batch = Batch::new(batching.items, BATCH_BYTES);
        let mut commits = FuturesUnordered::new();
        let flush = tokio::time::sleep(batching.flush);
        tokio::pin!(flush);
        let mut open = true;
        loop {
            tokio::select! {
                biased;
                Some(written) = commits.next() => written?,
                delivery = channel.recv(), if open && !batch.is_full() => match delivery {
                    Err(_) => open = false,
                    Ok(delivery) => {
                        if batch.is_empty() {
                            flush.as_mut().reset(Instant::now() + batching.flush);
                        }
                        destination.take(&mut batch, delivery);
                        while !batch.is_full() && let Ok(more) = channel.try_recv() {
                            destination.take(&mut batch, more);
                        }
                    }
                },
                // The last task may have ended without a delivery.
                () = inbox.look.notified(), if !batch.is_empty() || batch.held() > 0 => {}
                () = &mut flush, if !batch.is_empty() && commits.len() < IN_FLIGHT => {}
                else => {}
            }
            let is_last = destination.has_all(&batch);
            if batch.held() > 0 {
                match destination.findings.canary.verdict(is_last) {
                    canary::Verdict::Redesigned(redesign) => return Err(redesign.into()),
                    canary::Verdict::Sound => batch.release(),
                    // The crawl is stopping: documents that are still undecided are fetched again
                    // later.
                    canary::Verdict::Pending if !open => batch.give_back(),
                    canary::Verdict::Pending => {}
                }
            }
            let due = !open || batch.is_full() || flush.is_elapsed() || is_last;
            if due && !batch.is_empty() && commits.len() < IN_FLIGHT {
                commits.push(destination.commit(batch.take()));
            }
            if !open && batch.is_empty() && commits.is_empty() {
                destination.sum_up();
                return Ok(());
            }
        }
    }
}

impl Destination {
    /// Adds a delivery to the batch. A delivery that replaces a document is held back until it is
    /// known whether the site was redesigned.
    fn take(&self, batch: &mut Batch, delivery: Delivery) {
        let replaces =
            matches!(&delivery.what, Outcome::Record(it) if it.verdict == Verdict::Changed);
        match replaces && self.findings.canary.verdict(false) != canary::Verdict::Sound {
            true => batch.hold(delivery),
            false => batch.push(delivery),
        }
    }

    /// Returns true if no further delivery can come before this batch is written.
    fn has_all(&self, batch: &Batch) -> bool {
        let all = self.frontier.outstanding().total();
        let later = self.frontier.waiting_for_the_end();
        all == (batch.len() + batch.held()) as u64 + later
    }

    /// Writes a batch to the store and ends its leases.
    async fn commit(&self, batch: Vec<Delivery>) -> Result<(), CrawlError> {
        let (mut leases, mut records, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        let (mut unwritten, mut seen) = (Vec::new(), Vec::new());
        let mut missing = Vec::new();
        let mut rooms = Vec::with_capacity(batch.len());
        for Delivery { lease, what, _room } in batch {
            rooms.push(_room);
            match what {
                Outcome::Record(record) => {
                    leases.push(lease);
                    records.push(*record);
                }
                Outcome::Failure(failure) => failures.push((lease, *failure)),
                Outcome::Seen { seen: item, is_recent } => {
                    unwritten.push((lease, is_recent));
                    seen.push(*item);
                }
                Outcome::Missing { url, saw } => missing.push((lease, url, saw)),
            }
        }
        let (begun, written, failed) = (Instant::now(), records.len(), failures.len());
        let mut rejected = vec![None; records.len()];
        if !records.is_empty() {
            for rejection in self.store.write(&self.provenance, &records).await? {
                if let Some(place) = rejected.get_mut(rejection.at) {
                    *place = Some(rejection.reason);
                }
            }
            self.metrics.batch();
        }
        let mut stored = Vec::with_capacity(leases.len());
        for ((lease, record), reason) in leases.into_iter().zip(records).zip(rejected) {
            match reason {
                None => stored.push((lease, record.key, record.verdict)),
                Some(reason) => {
                    let failure = refused(&lease, &record, reason);
                    failures.push((lease, failure));
                }
            }
        }
        let now = clock::now();
        let absent =
            failures.iter().map(|(lease, _)| lease).chain(missing.iter().map(|(lease, ..)| lease));
        let also = absent.filter_map(|lease| self.listed(lease, now)).collect();
        self.note(unwritten, seen, also).await?;
        self.keep(failures).await?;
        let (seen, absent) = (rooms.len() - written - failed - missing.len(), missing.len());
        self.miss(missing).await?;
        self.settle(stored).await?;
        let ms = begun.elapsed().as_millis() as u64;
        debug!(written, seen, failed, absent, ms, "batch");
        Ok(())
    }

    /// Returns the note that an item was listed, or `None` if the store does not hold it. Used if
    /// its page could not be fetched.
    fn listed(&self, lease: &Lease, at: Timestamp) -> Option<Seen> {
        match &lease.task().page {
            Page::Detail(item) if item.seen_at.is_none() && item.known.is_some() => {
                Some(Seen { key: item.key.clone(), at, fetched: None })
            }
            _ => None,
        }
    }

    /// Ends the leases of items whose pages do not exist. That is a response, not a failure.
    async fn miss(&self, missing: Vec<Absent>) -> Result<(), CrawlError> {
        if self.has_failures && !missing.is_empty() {
            let pages: Vec<PageId> =
                missing.iter().map(|(lease, ..)| PageId::from(&lease.task().page)).collect();
            self.store.clear_failures(&pages).await?;
        }
        for (lease, url, saw) in missing {
            if self.absent.fetch_add(1, Relaxed) < NAMED {
                let page = &lease.task().page;
                warn!(%page, %url, reason = "missing", "listed, but {saw}");
                // Not grouped: to mend the list, the user needs every one of them.
                self.problems
                    .last_note(format!("{page} at {url} is missing: it is listed, but {saw}"));
            }
            self.frontier.finish(lease, Done::Missing);
        }
        Ok(())
    }

    /// Stores that items were listed; `also` are items whose pages could not be fetched. Items that
    /// the store turns out not to hold are requested again.
    async fn note(
        &self,
        unwritten: Vec<(Lease, bool)>,
        mut seen: Vec<Seen>,
        also: Vec<Seen>,
    ) -> Result<(), CrawlError> {
        seen.extend(also);
        if seen.is_empty() {
            return Ok(());
        }
        let lacking = self.store.mark_seen(&self.provenance, &seen).await?;
        // An item that the store has but could not update keeps what is known of it.
        let known = lookup::ask(&*self.store, &lacking).await?;
        let lacking: HashSet<Key> = lacking.into_iter().collect();
        seen.truncate(unwritten.len());
        let had = seen.iter().filter(|seen| !lacking.contains(&seen.key));
        let had: Vec<PageId> = had.map(|seen| PageId::of_item(&seen.key)).collect();
        if self.has_failures && !had.is_empty() {
            self.store.clear_failures(&had).await?;
        }
        for ((lease, is_recent), seen) in unwritten.into_iter().zip(seen) {
            if lacking.contains(&seen.key) {
                let retry = Retry { after: Duration::ZERO, costs_attempt: false };
                let lease = lease.in_full(known.get(&seen.key).map(|known| &**known));
                self.frontier.retry_later(lease, retry);
                continue;
            }
            let done = if is_recent { Done::Recent } else { Done::Kept(Verdict::Same) };
            self.frontier.finish(lease, done);
        }
        Ok(())
    }

    /// Stores failures and ends their leases.
    async fn keep(&self, failures: Vec<(Lease, Failure)>) -> Result<(), CrawlError> {
        let hidden = |(lease, failure): (Lease, Failure)| (lease, failure.hidden(&self.scrubber));
        let (leases, failures): (Vec<Lease>, Vec<Failure>) =
            failures.into_iter().map(hidden).unzip();
        if failures.is_empty() {
            return Ok(());
        }
        self.store.keep_failures(&self.provenance, &failures).await?;
        for (lease, failure) in leases.into_iter().zip(&failures) {
            let Failure { page, url, reason, message, attempts, .. } = failure;
            let place = format!("{page} at {url}");
            let times = self.given_up(&place, message);
            if times <= EACH || !self.store.keeps_failures() {
                warn!(%page, %url, reason, attempts, "given up: {message}");
            } else {
                debug!(%page, %url, reason, attempts, "given up: {message}");
            }
            if !self.store.keeps_failures() {
                self.problems.gap_at(place, message);
            }
            self.frontier.finish(lease, Done::GivenUp);
        }
        Ok(())
    }

    /// Counts a failure, and returns the number of failures of its kind.
    fn given_up(&self, place: &str, message: &str) -> u64 {
        self.alike.lock().unwrap_or_else(PoisonError::into_inner).note(place, message)
    }

    /// Logs the number of failures of each kind, if not every one was logged.
    fn sum_up(&self) {
        let alike = self.alike.lock().unwrap_or_else(PoisonError::into_inner);
        for (sentence, times) in alike.sentences().filter(|(_, times)| *times > EACH) {
            warn!(times, "given up: {sentence}");
        }
    }

    /// Ends the leases of stored records.
    async fn settle(&self, stored: Vec<(Lease, Key, Verdict)>) -> Result<(), CrawlError> {
        if self.has_failures && !stored.is_empty() {
            let pages: Vec<PageId> =
                stored.iter().map(|(_, key, _)| PageId::of_item(key)).collect();
            self.store.clear_failures(&pages).await?;
        }
        for (lease, _, verdict) in stored {
            self.frontier.finish(lease, Done::Stored(verdict));
        }
        Ok(())
    }
}

/// Builds the failure of a record that the store rejected.
fn refused(lease: &Lease, record: &Record, reason: String) -> Failure {
    Failure {
        page: lease.task().page.clone(),
        url: record.url.clone(),
        reason: "store",
        message: format!("the document cannot be stored: {reason}"),
        status: Some(200),
        attempts: lease.task().attempt,
        sample: None,
        at: record.fetched_at,
    }
}
