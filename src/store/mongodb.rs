//! MongoDB: writes with `insert` and `update` commands of many documents, unordered, which every
//! supported server accepts.
//!
//! The driver's own mixed bulk write needs server 8.0, and one command per document would cost many
//! times as much. This module does what `run_command` leaves to its caller: it sets the write
//! concern, reads the errors in a successful reply, limits the time of a call, and never drops a
//! future of the driver before it is done (each call is its own task).

mod adopt;
mod answer;
mod command;
mod connection;
mod driver;
mod facts;
mod failures;
mod guard;
mod layout;
mod ledger;
mod ledgers;
mod marks;
mod touch;
mod write;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bson::raw::RawDocumentBuf;
use bson::{Document as Bson, doc};
use jiff::Timestamp;
use mongodb::options::{FindOptions, Hint};

use super::rows::Mark;
use super::{
    DocumentCopy, Documents, Failures, KeptFailure, Ledger, Live, Losses, Place, Position,
    Rejection, Restore, Rows, Sampled, Store, StoreError, Stored,
};
use crate::model::document::Encoding;
use crate::model::failure::{Failure, PageId};
use crate::model::record::{Key, Known, Provenance, Record, Seen};
use crate::model::text::secret::Secret;
use crate::observe::progress::Progress;
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, SweepEntry};
use connection::{Connection, LONGEST_CALL, LONGEST_LOOK};
use layout::{Layout, Whose};
pub use ledgers::MongodbLedgers;
pub use write::insert_command;

/// Timeout for opening the store.
const OPENING: Duration = Duration::from_millis(4_800);

/// A store in a MongoDB database.
pub struct MongodbStore {
    connection: Connection,
    place: Place,
    layout: Layout,
    was_empty: bool,
    /// The lock that was taken last, until it is lost.
    held: Mutex<Option<Arc<SweepEntry>>>,
}

impl MongodbStore {
    /// Connects and determines the layout of the collection: empty, gleaner's own, or another
    /// program's. The latter is adopted if it was adopted before or may be.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached within 5 s, or the collection cannot be
    /// used.
    pub async fn open(uri: &Secret, place: &Place) -> Result<MongodbStore, StoreError> {
        let (store, whose) = MongodbStore::look(uri, place).await?;
        match whose {
            Whose::Known(Layout::Own) => {}
            Whose::Others if !place.adopt => return Err(adopt::refusal(place)),
            Whose::Known(Layout::Adopted) | Whose::Others => {
                adopt::adopt(&store.connection, place).await?;
            }
        }
        Ok(store)
    }

    /// Connects for reading. Nothing is written, whatever the collection holds.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached within 5 s, or the collection belongs to
    /// another site.
    pub async fn open_to_read(uri: &Secret, place: &Place) -> Result<MongodbStore, StoreError> {
        MongodbStore::look(uri, place).await.map(|(store, _)| store)
    }

    async fn look(uri: &Secret, place: &Place) -> Result<(MongodbStore, Whose), StoreError> {
        let look = async {
            let connection = Connection::open(uri).await?;
            ledger::check_owner(&connection, &place.site, &place.collection).await?;
            let first = connection.find_one(&place.collection, doc! {}).await?;
            let whose = layout::of(&connection, place, first.as_deref()).await?;
            Ok((connection, first.is_none(), whose))
        };
        let late = |_| StoreError::Unavailable(format!("{uri} does not answer in time"));
        let (connection, was_empty, whose) =
            tokio::time::timeout(OPENING, look).await.map_err(late)??;
        let layout = whose.layout();
        let (place, held) = (place.clone(), Mutex::default());
        Ok((MongodbStore { connection, place, layout, was_empty, held }, whose))
    }

    /// Returns a page of all documents in the order of their ids, and the position of the next
    /// page.
    ///
    /// Ids may have any type, and a comparison such as `$gt` matches only one type. The query
    /// therefore starts the index itself at the last document of the previous page, which it
    /// returns again.
    async fn by_id(
        &self,
        after: Option<&Position>,
        projection: Option<Bson>,
        most: usize,
    ) -> Result<(Vec<RawDocumentBuf>, Option<Mark>), StoreError> {
        let after = after.map(Position::document);
        let by_id = doc! { "_id": 1 };
        let options = FindOptions::builder()
            .projection(projection)
            .sort(by_id.clone())
            .hint(Hint::Keys(by_id))
            .min(after.and_then(|after| Bson::try_from(after).ok()))
            .build();
        let asked = most.saturating_add(usize::from(after.is_some()));
        let mut found = self.find(Bson::new(), options, asked).await?;
        let is_end = found.len() < asked;
        let again = found.first().and_then(facts::id);
        if again.is_some() && again.as_ref() == after {
            found.remove(0);
        }
        found.truncate(most);
        let next = found.last().filter(|_| !is_end).and_then(facts::id).map(Mark::Document);
        Ok((found, next))
    }

    /// Returns the entry of the lock, without which nothing is written.
    fn lock(&self) -> Result<Arc<SweepEntry>, StoreError> {
        self.held().clone().ok_or(StoreError::LockLost)
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<SweepEntry>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns [`StoreError::LockLost`] if a later holder of the lock wrote one of these documents.
    async fn refuse_newer<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a Key>,
        fence: i64,
    ) -> Result<(), StoreError> {
        let mut newer = self.of_keys(keys);
        newer.insert(facts::FENCE.as_str(), doc! { "$gt": fence });
        match self.connection.find_one(&self.place.collection, newer).await? {
            None => Ok(()),
            Some(_) => Err(StoreError::LockLost),
        }
    }

    /// Returns a filter for these keys.
    fn of_keys<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Bson {
        let keys: Vec<&str> = keys.into_iter().map(Key::as_str).collect();
        doc! { self.layout.key_path(): { "$in": keys } }
    }

    /// Returns at most `most` documents of the collection.
    async fn find(
        &self,
        filter: Bson,
        options: FindOptions,
        most: usize,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        self.connection.find(&self.place.collection, filter, options, most).await
    }
}

/// Returns what a crawl would do to documents of other programs. See [`crate::store::losses`].
///
/// # Errors
/// Returns an error if the server cannot be queried.
pub async fn losses(uri: &Secret, place: &Place, sample: &[Sampled]) -> Result<Losses, StoreError> {
    let store = MongodbStore::open_to_read(uri, place).await?;
    adopt::losses(&store.connection, place, sample).await
}

#[async_trait]
impl Documents for MongodbStore {
    fn encoding(&self) -> Encoding {
        Encoding::Bson
    }

    fn was_empty(&self) -> bool {
        self.was_empty
    }

    async fn known(&self, keys: &[Key]) -> Result<Vec<Known>, StoreError> {
        let facts = FindOptions::builder().projection(doc! { "_gleaner": 1 }).build();
        let found = self.find(self.of_keys(keys), facts, keys.len()).await?;
        let known = found.iter().filter_map(|document| facts::known(document, self.layout));
        Ok(known.collect())
    }

    async fn write(
        &self,
        provenance: &Provenance,
        records: &[Record],
    ) -> Result<Vec<Rejection>, StoreError> {
        write::write(self, provenance, records).await
    }

    async fn mark_seen(
        &self,
        provenance: &Provenance,
        seen: &[Seen],
    ) -> Result<Vec<Key>, StoreError> {
        marks::mark_seen(self, provenance, seen).await
    }

    async fn keys(&self, after: Option<&Position>, most: usize) -> Result<Rows<Key>, StoreError> {
        marks::keys(self, after, most).await
    }

    async fn live(&self, keys: &[Key]) -> Result<Vec<Live>, StoreError> {
        marks::live(self, keys).await
    }

    async fn count_live(&self) -> Result<u64, StoreError> {
        marks::count_live(self).await
    }

    async fn mark_unlisted(&self, keys: &[Key], at: Timestamp) -> Result<(), StoreError> {
        marks::mark_unlisted(self, keys, at).await
    }

    async fn mark_gone(&self, keys: &[Key], at: Timestamp) -> Result<u64, StoreError> {
        marks::mark_gone(self, keys, at).await
    }

    async fn read(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<Stored>, StoreError> {
        let (found, next) = self.by_id(after, None, most).await?;
        Ok(Rows::of(found.iter().map(|document| facts::stored(document)), next))
    }
}

#[async_trait]
impl Ledger for MongodbStore {
    async fn sweeps(&self, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        ledger::sweeps(&self.connection, &self.place, most).await
    }

    async fn whole_sweeps(&self, most: usize) -> Result<Vec<SweepEntry>, StoreError> {
        ledger::whole(&self.connection, &self.place, most).await
    }

    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        ledger::latest(&self.connection, &self.place).await
    }

    async fn take_lock(&self, claim: &Claim) -> Result<Option<i64>, StoreError> {
        let taken = ledger::take_lock(self, claim).await?;
        if let Some(fence) = taken {
            *self.held() = Some(Arc::new(SweepEntry { fence, ..claim.entry.clone() }));
        }
        Ok(taken)
    }

    async fn renew_lock(
        &self,
        entry: &SweepEntry,
        progress: Option<&Progress>,
    ) -> Result<bool, StoreError> {
        let is_held = ledger::renew_lock(&self.connection, entry, progress).await?;
        if !is_held {
            self.held().take_if(|held| held.id == entry.id && held.fence == entry.fence);
        }
        Ok(is_held)
    }

    async fn finish_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        ledger::finish_sweep(&self.connection, self.layout, entry).await
    }
}

#[async_trait]
impl Failures for MongodbStore {
    fn keeps_failures(&self) -> bool {
        true
    }

    async fn keep_failures(
        &self,
        provenance: &Provenance,
        failures: &[Failure],
    ) -> Result<(), StoreError> {
        failures::keep(self, provenance, failures).await
    }

    async fn clear_failures(&self, pages: &[PageId]) -> Result<(), StoreError> {
        failures::clear(self, pages).await
    }

    async fn failures(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<KeptFailure>, StoreError> {
        failures::read(&self.connection, &self.place, after, most).await
    }
}

#[async_trait]
impl Restore for MongodbStore {
    async fn restore_documents(
        &self,
        copies: &[DocumentCopy],
    ) -> Result<Vec<Rejection>, StoreError> {
        write::restore(self, copies).await
    }

    async fn restore_sweeps(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        ledger::restore(self, entries).await
    }

    async fn restore_failures(&self, failures: &[KeptFailure]) -> Result<(), StoreError> {
        failures::restore(self, failures).await
    }

    async fn sweeps_before(
        &self,
        entry: &SweepEntry,
        most: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        ledger::sweeps_before(&self.connection, &self.place, Some(entry), most).await
    }
}

#[async_trait]
impl Store for MongodbStore {
    fn left_unfinished(&self) -> Option<String> {
        None
    }

    async fn close(&self) -> Result<(), StoreError> {
        let client = self.connection.database.client().clone();
        let shut = async move {
            client.shutdown().immediate(true).await;
            Ok(())
        };
        self.connection.call(LONGEST_CALL, shut).await
    }
}
