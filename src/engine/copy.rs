//! Copies a site from one store to another, with everything that is known of it: failures,
//! documents with their metadata, and the ledger, in this order.
//!
//! A copy holds the site's lock in both stores, by an entry in each ledger that is no sweep. While
//! the entry in the target is unfinished, no run begins there ([`crate::sweep::lock`]), so nobody takes
//! what is still missing for new. A copy that was interrupted starts from the beginning: all writes
//! are idempotent, and the source may have changed since.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::engine::error::CrawlError;
use crate::engine::lock::{Lock, LockRequest, Purpose};
use crate::model::document::{Document, Json};
use crate::model::failure::{Failure, PageId};
use crate::model::record::{Key, Known, Provenance};
use crate::model::report::Outcome;
use crate::model::task::{DetailPage, Page};
use crate::store::{DocumentCopy, Pages, Rows, Store, Stored};
use crate::sweep::{Holder, LedgerEntry, State, SweepEntry};
use crate::system::clock;
use crate::system::shutdown::Shutdown;

/// Number of failures and of ledger entries to copy at a time.
const AT_ONCE: usize = 100;

/// A store that takes part in a copy, opened for writing.
#[derive(Clone)]
pub struct Side {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Name of the site in it.
    pub site: Box<str>,
    /// Collection in it.
    pub collection: Box<str>,
    /// URL of the store, without credentials.
    pub url: String,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Side { site, collection, url, .. } = self;
        match site == collection {
            true => write!(f, "{site} in {url}"),
            false => write!(f, "{site} in {url}, collection {collection}"),
        }
    }
}

/// A copy of a site.
pub struct Copying {
    source: Side,
    target: Side,
    shutdown: Shutdown,
    copied: Arc<Mutex<Copied>>,
}

/// Numbers of copied items.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Copied {
    /// Documents.
    pub documents: u64,
    /// Documents that the target cannot store. They are kept as failures.
    pub refused: u64,
    /// Documents in the collection that gleaner did not write. They are not copied.
    pub others: u64,
    /// Failures.
    pub failures: u64,
    /// Ledger entries.
    pub sweeps: u64,
}

/// The locks of a copy.
struct Locks {
    source: Lock,
    target: Lock,
}

impl Copying {
    /// Creates a copy from `source` to `target`.
    pub fn new(source: Side, target: Side, shutdown: Shutdown) -> Copying {
        Copying { source, target, shutdown, copied: Arc::default() }
    }

    /// Returns the numbers so far, which can be read while the copy runs.
    pub fn counters(&self) -> impl Fn() -> Copied + use<> {
        let copied = self.copied.clone();
        move || *lock(&copied)
    }

    /// Copies the site. If a shutdown is requested, stops after the current batch.
    ///
    /// # Errors
    /// Returns an error if the target holds the site already, another run holds a lock, or a store
    /// fails.
    pub async fn run(&self) -> Result<Outcome, CrawlError> {
        let Some(locks) = self.take_locks().await? else { return Ok(Outcome::Interrupted) };
        let copied = tokio::select! {
            copied = self.transfer(&locks) => copied,
            lost = locks.source.keep(|| None) => Err(lost),
            lost = locks.target.keep(|| None) => Err(lost),
        };
        let outcome = copied.as_ref().map_or(Outcome::Failed, |outcome| *outcome);
        // The target first: if this process dies in between, the source has only a lock to expire.
        let target = self.finish(&self.target, &locks.target, outcome).await;
        let source = self.finish(&self.source, &locks.source, outcome).await;
        let outcome = copied?;
        target.and(source).map(|()| outcome)
    }

    /// Takes the locks of both stores. Returns `None` if a shutdown is requested first.
    async fn take_locks(&self) -> Result<Option<Locks>, CrawlError> {
        let Copying { source, target, .. } = self;
        let last = source.store.sweeps(1).await?.into_iter().next().map(|last| last.entry);
        // The latest entry says what is expected of the site.
        let expect = last.map(|last| last.scope.expect).unwrap_or_default();
        let entry = SweepEntry::copy_to(&source.site, &source.collection, &target.to_string());
        let Some(of_source) = self.take(source, entry.expecting(expect.clone())).await? else {
            return Ok(None);
        };
        let entry = SweepEntry::copy_of(&target.site, &target.collection, &source.to_string());
        // The entry comes after all that are copied.
        let entry = SweepEntry { fence: of_source.entry().fence, ..entry.expecting(expect) };
        let taken = match self.refuse_documents().await {
            Ok(()) => self.take(target, entry).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(Some(of_target)) => Ok(Some(Locks { source: of_source, target: of_target })),
            Ok(None) => self.finish(source, &of_source, Outcome::Interrupted).await.map(|()| None),
            Err(error) => {
                // The first error counts.
                let _ = self.finish(source, &of_source, Outcome::Failed).await;
                Err(error)
            }
        }
    }

    /// Returns an error if the target holds documents without a ledger that says whose they are.
    async fn refuse_documents(&self) -> Result<(), CrawlError> {
        let Side { store, collection, .. } = &self.target;
        if store.was_empty() || !store.sweeps(1).await?.is_empty() {
            return Ok(());
        }
        Err(CrawlError::Refused(format!(
            "the target holds documents in the collection {collection} already: name another store, or another name with --as"
        )))
    }

    async fn take(&self, side: &Side, entry: SweepEntry) -> Result<Option<Lock>, CrawlError> {
        let entry = SweepEntry { holder: Some(Holder::this()), ..entry };
        let request = LockRequest {
            purpose: Purpose::Copy(Box::new(entry)),
            ledger: side.store.clone(),
            fresh: true,
            shutdown: &self.shutdown,
        };
        let Some(claim) = request.claim().await? else { return Ok(None) };
        request.take(claim).await
    }

    /// Ends the entry of the copy in the ledger of a side.
    async fn finish(&self, side: &Side, lock: &Lock, outcome: Outcome) -> Result<(), CrawlError> {
        let entry = SweepEntry {
            state: State::Ended(outcome),
            ended_at: Some(clock::now()),
            heartbeat_at: None,
            ..lock.entry().clone()
        };
        match side.store.finish_sweep(&entry).await? {
            true => Ok(()),
            false => Err(CrawlError::LockLost),
        }
    }

    async fn transfer(&self, locks: &Locks) -> Result<Outcome, CrawlError> {
        let is_done = self.copy_failures().await?
            && self.copy_documents(locks.target.entry()).await?
            && self.copy_sweeps(locks).await?;
        Ok(match self.copied().refused {
            _ if !is_done => Outcome::Interrupted,
            0 => Outcome::Complete,
            // What was refused is a failure like any other, so the copy is finished.
            _ => Outcome::Incomplete,
        })
    }

    /// Copies the failures, and deletes those that the source does not have any more. Returns `false`
    /// if a shutdown is requested first.
    async fn copy_failures(&self) -> Result<bool, CrawlError> {
        let (source, target) = (&self.source.store, &self.target.store);
        let mut after = None;
        loop {
            let page = target.failures(after.as_ref(), AT_ONCE).await?;
            let pages: Vec<PageId> = page.found.into_iter().map(|failure| failure.page).collect();
            target.clear_failures(&pages).await?;
            match page.next {
                None => break,
                next => after = next,
            }
        }
        let mut after = None;
        while !self.shutdown.is_requested() {
            let page = source.failures(after.as_ref(), AT_ONCE).await?;
            target.restore_failures(&page.found).await?;
            self.copied().failures += page.found.len() as u64;
            match page.next {
                None => return Ok(true),
                next => after = next,
            }
        }
        Ok(false)
    }

    /// Copies the documents: one page is written while the next one is read. Returns `false` if a
    /// shutdown is requested first.
    async fn copy_documents(&self, entry: &SweepEntry) -> Result<bool, CrawlError> {
        let mut pages = Pages::of(&*self.source.store);
        let mut page = pages.next().await?;
        while let Some(rows) = page {
            if self.shutdown.is_requested() {
                return Ok(false);
            }
            let (next, written) = tokio::join!(pages.next(), self.write(entry, rows));
            written?;
            page = next?;
        }
        Ok(true)
    }

    async fn write(&self, entry: &SweepEntry, page: Rows<Stored>) -> Result<(), CrawlError> {
        let store = &self.target.store;
        let (mut copies, mut failures) = (Vec::with_capacity(page.found.len()), Vec::new());
        let mut others = page.others;
        for Stored { known, text } in page.found {
            if !is_ours(&known) {
                others += 1;
                continue;
            }
            let text = Bytes::from(text);
            let document = Json::parse(&text);
            match document.and_then(|json| Document::new(json, &text, store.encoding())) {
                Ok(document) => copies.push(DocumentCopy { known, document }),
                Err(error) => failures.push(refused(&known, &error.to_string())),
            }
        }
        let rejections = store.restore_documents(&copies).await?;
        failures.extend(rejections.iter().filter_map(|rejection| {
            Some(refused(&copies.get(rejection.at)?.known, &rejection.reason))
        }));
        if !failures.is_empty() {
            let provenance = Provenance { sweep: entry.id.clone(), rules: "".into() };
            store.keep_failures(&provenance, &failures).await?;
        }
        let mut copied = self.copied();
        copied.documents += (copies.len() - rejections.len()) as u64;
        copied.refused += failures.len() as u64;
        copied.others += others;
        Ok(())
    }

    /// Copies the ledger entries that are older than the copy, under the target's names. Returns
    /// `false` if a shutdown is requested first.
    async fn copy_sweeps(&self, locks: &Locks) -> Result<bool, CrawlError> {
        let Side { site, collection, store, .. } = &self.target;
        let mut last = locks.source.entry().clone();
        while !self.shutdown.is_requested() {
            let mut entries = self.source.store.sweeps_before(&last, AT_ONCE).await?;
            let Some(oldest) = entries.last().map(|oldest| oldest.entry.clone()) else {
                return Ok(true);
            };
            last = oldest;
            for LedgerEntry { entry, .. } in &mut entries {
                entry.scope.site = site.clone();
                entry.scope.collection = collection.clone();
            }
            store.restore_sweeps(&entries).await?;
            self.copied().sweeps += entries.len() as u64;
        }
        Ok(false)
    }

    fn copied(&self) -> MutexGuard<'_, Copied> {
        lock(&self.copied)
    }
}

fn lock(copied: &Mutex<Copied>) -> MutexGuard<'_, Copied> {
    copied.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns true if gleaner wrote the document. Others may have added some to the collection, or
/// filled it before it was adopted.
fn is_ours(known: &Known) -> bool {
    let Known { key, digest, first_seen, fetched_at, .. } = known;
    let is_written = digest.is_some() || first_seen.is_some() || fetched_at.is_some();
    is_written && Key::normal(key.as_str()).is_some()
}

/// Returns the failure of an item whose document the target cannot store.
fn refused(known: &Known, reason: &str) -> Failure {
    Failure {
        page: Page::Detail(DetailPage::of(known.key.clone())),
        url: known.url.clone().unwrap_or_default(),
        reason: "store",
        message: format!("the document cannot be stored: {reason}"),
        status: None,
        attempts: 1,
        sample: None,
        at: clock::now(),
    }
}
