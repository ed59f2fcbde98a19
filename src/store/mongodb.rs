//! MongoDB: `insert` and `update` commands with many documents, unordered, which every supported
//! server takes.
//!
//! The driver's own way to write many documents of both kinds at once needs server 8.0, and one
//! command a document costs many times as much. What `run_command` leaves to its caller is done here: the
//! write concern is given, errors inside a successful answer are read, a call has a time limit,
//! and no future of the driver is dropped half-way (each call is a task of its own).

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
    KeptFailure, Live, Losses, Place, Position, Rejection, Rows, Sampled, Store, StoreError, Stored,
};
use crate::document::Encoding;
use crate::failure::{Failure, PageId};
use crate::record::{Key, Known, Record, Seen, Stamp};
use crate::secret::Secret;
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, SweepEntry};
use connection::{Connection, LONGEST_CALL, LONGEST_LOOK};
use layout::{Layout, Whose};
pub use write::insert_command;

/// A store that cannot be opened within this is away.
const OPENING: Duration = Duration::from_millis(4_800);

/// A store in a MongoDB database.
pub struct MongodbStore {
    connection: Connection,
    place: Place,
    layout: Layout,
    was_empty: bool,
    /// The lock that was taken last, until it is known to be lost.
    held: Mutex<Option<Arc<SweepEntry>>>,
}

impl MongodbStore {
    /// Connects, and finds out what the collection is: an empty one, one of ours, or one that others
    /// filled, which is adopted where it was before or may be.
    ///
    /// # Errors
    /// Where the server cannot be reached within 5 s, or the collection cannot be used.
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

    /// Connects to read: whatever the collection is, nothing is written.
    ///
    /// # Errors
    /// Where the server cannot be reached within 5 s, or the collection is another site's.
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

    /// A page of all documents in the order of their ids, and where the next one begins.
    ///
    /// Ids may be of any type, and a comparison such as `$gt` stays within one: so the index itself
    /// is told where to begin, at the last document of the page before, which comes once more.
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

    /// The entry of the lock, without which nothing is written.
    fn lock(&self) -> Result<Arc<SweepEntry>, StoreError> {
        self.held().clone().ok_or(StoreError::LockLost)
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<SweepEntry>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses where one of these documents was written by a later holder of the lock.
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

    /// What is found by these keys.
    fn of_keys<'a>(&self, keys: impl IntoIterator<Item = &'a Key>) -> Bson {
        let keys: Vec<&str> = keys.into_iter().map(Key::as_str).collect();
        doc! { self.layout.key_path(): { "$in": keys } }
    }

    /// Documents of the collection, at most so many.
    async fn find(
        &self,
        filter: Bson,
        options: FindOptions,
        most: usize,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        self.connection.find(&self.place.collection, filter, options, most).await
    }
}

/// See [`crate::store::losses`].
///
/// # Errors
/// Where the server cannot be asked.
pub async fn losses(uri: &Secret, place: &Place, sample: &[Sampled]) -> Result<Losses, StoreError> {
    let store = MongodbStore::open_to_read(uri, place).await?;
    adopt::losses(&store.connection, place, sample).await
}

#[async_trait]
impl Store for MongodbStore {
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

    async fn write(&self, stamp: &Stamp, records: &[Record]) -> Result<Vec<Rejection>, StoreError> {
        write::write(self, stamp, records).await
    }

    async fn mark_seen(&self, stamp: &Stamp, seen: &[Seen]) -> Result<Vec<Key>, StoreError> {
        marks::mark_seen(self, stamp, seen).await
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

    async fn keep_failures(&self, stamp: &Stamp, failures: &[Failure]) -> Result<(), StoreError> {
        failures::keep(self, stamp, failures).await
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

    async fn renew_lock(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        let is_held = ledger::renew_lock(&self.connection, entry).await?;
        if !is_held {
            self.held().take_if(|held| held.id == entry.id && held.fence == entry.fence);
        }
        Ok(is_held)
    }

    async fn keep_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        ledger::keep_sweep(&self.connection, self.layout, entry).await
    }

    async fn read(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<Stored>, StoreError> {
        let (found, next) = self.by_id(after, None, most).await?;
        Ok(Rows::of(found.iter().map(|document| facts::stored(document)), next))
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
