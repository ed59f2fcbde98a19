//! MongoDB: `insert` and `update` commands with many documents, unordered, which every supported
//! server takes.
//!
//! The driver's own way to write many documents of both kinds at once needs server 8.0, and one
//! command a document costs many times as much. What `run_command` leaves to its caller is done here: the
//! write concern is given, errors inside a successful answer are read, a call has a time limit,
//! and no future of the driver is dropped half-way (each call is a task of its own).

mod adopt;
mod answer;
mod driver;
mod facts;
mod failures;
mod layout;
mod ledger;
mod marks;
mod touch;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bson::raw::RawDocumentBuf;
use bson::{Document as Bson, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;
use mongodb::options::{
    Acknowledgment, ClientOptions, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};

use super::{KeptFailure, Live, Place, Rejection, Store, StoreError, Stored};
use crate::document::Encoding;
use crate::record::{Failure, Key, Known, PageId, Record, Seen, Stamp};
use crate::secret::Secret;
use crate::sweep::{LedgerEntry, SweepEntry};
use driver::Driver;
use layout::Layout;
pub use write::insert_command;

/// A server that does not answer within this is away: at the start, and each time it is looked
/// for while the crawl runs.
const SELECTION: Duration = Duration::from_secs(4);
/// A store that cannot be opened within this is away.
const OPENING: Duration = Duration::from_millis(4_800);
/// The driver has no limit of its own on how long a call takes.
const LONGEST_CALL: Duration = Duration::from_secs(60);
/// Looking through a whole collection may take long.
const LONGEST_LOOK: Duration = Duration::from_secs(3_600);

/// See the module's text.
pub struct MongodbStore {
    connection: Connection,
    place: Place,
    layout: Layout,
    was_empty: bool,
}

/// A database, and how to speak to it.
#[derive(Clone)]
struct Connection {
    driver: Arc<Driver>,
    database: Database,
    write_concern: Bson,
    uri: Secret,
}

impl MongodbStore {
    /// Connects, and makes the collection ready: an empty one, one of ours, or one that others
    /// filled, which is adopted.
    ///
    /// # Errors
    /// Where the server cannot be reached within 5 s, or the collection cannot be used.
    pub async fn open(uri: &Secret, place: &Place) -> Result<MongodbStore, StoreError> {
        let look = async {
            let connection = Connection::open(uri).await?;
            ledger::check_owner(&connection, place).await?;
            let was_empty = connection.first_document(&place.collection).await?.is_none();
            let layout = layout::of(&connection, place).await?;
            Ok((connection, was_empty, layout))
        };
        let late = |_| StoreError::Unavailable(format!("{uri} does not answer in time"));
        let (connection, was_empty, layout) =
            tokio::time::timeout(OPENING, look).await.map_err(late)??;
        ledger::prepare(&connection).await?;
        if layout == Layout::Adopted {
            adopt::adopt(&connection, place).await?;
        }
        Ok(MongodbStore { connection, place: place.clone(), layout, was_empty })
    }

    /// A filter for documents of ours whose keys come after this one, by which the index on the
    /// keys can be used.
    fn after(&self, after: Option<&Key>) -> Bson {
        let mut filter = doc! { "_gleaner.key": { "$gt": "" } };
        filter.insert(self.layout.key_path(), doc! { "$gt": after.map_or("", Key::as_str) });
        filter
    }

    /// Documents in an order, at most so many.
    async fn find(
        &self,
        filter: Bson,
        sort: Bson,
        most: i64,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let collection =
            self.connection.database.collection::<RawDocumentBuf>(&self.place.collection);
        self.connection
            .call(LONGEST_CALL, async move {
                collection.find(filter).sort(sort).limit(most).await?.try_collect().await
            })
            .await
    }
}

impl Connection {
    async fn open(uri: &Secret) -> Result<Connection, StoreError> {
        let unusable = |error: mongodb::error::Error| {
            StoreError::Unusable(format!("{uri}: {}", uri.scrub(&error.to_string())))
        };
        // A name of the kind mongodb+srv is looked up here.
        let parsed = tokio::time::timeout(SELECTION, ClientOptions::parse(uri.expose())).await;
        let mut options = match parsed {
            Ok(options) => options.map_err(unusable)?,
            Err(_) => {
                return Err(StoreError::Unavailable(format!(
                    "{uri}: no such host was found in time"
                )));
            }
        };
        options.app_name.get_or_insert_with(|| "gleaner".to_owned());
        options.server_selection_timeout.get_or_insert(SELECTION);
        options.connect_timeout.get_or_insert(SELECTION);
        // A secondary may not know yet what was written.
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        let write_concern = write_concern(uri, options.write_concern.as_ref())?;
        let no_thread =
            |error| StoreError::Failed(format!("{uri}: no thread for the driver: {error}"));
        let driver = Driver::start().map_err(no_thread)?;
        let client = driver.within(|| Client::with_options(options)).map_err(unusable)?;
        let database = client
            .default_database()
            .ok_or_else(|| StoreError::Unusable(format!("{uri}: names no database")))?;
        let driver = Arc::new(driver);
        let connection = Connection { driver, database, write_concern, uri: uri.clone() };
        connection.ping().await?;
        Ok(connection)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answer = self.run(SELECTION + Duration::from_millis(500), doc! { "ping": 1 });
        answer.await.map(|_| ()).map_err(|error| match error {
            StoreError::Unavailable(why) => StoreError::Unavailable(format!(
                "{} cannot be reached: {why}. Is the server running, and may this machine connect to it?",
                self.uri
            )),
            other => other,
        })
    }

    /// Runs a call of the driver to its end, on the driver's thread, and waits for it up to `limit`.
    async fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        match tokio::time::timeout(limit, self.driver.run(call)).await {
            Err(_) => {
                let seconds = limit.as_secs();
                Err(StoreError::Unavailable(format!("no answer within {seconds} s")))
            }
            Ok(Err(panic)) => Err(StoreError::Failed(format!("the driver panicked: {panic}"))),
            Ok(Ok(answer)) => answer.map_err(|error| answer::store_error(&error, &self.uri)),
        }
    }

    async fn command(&self, command: RawDocumentBuf) -> Result<Bson, StoreError> {
        let database = self.database.clone();
        self.call(LONGEST_CALL, async move { database.run_raw_command(command).await }).await
    }

    async fn run(&self, limit: Duration, command: Bson) -> Result<Bson, StoreError> {
        let database = self.database.clone();
        self.call(limit, async move { database.run_command(command).await }).await
    }

    /// Runs a command that changes something; whether it did is in the reply.
    async fn change(&self, command: Bson) -> Result<Bson, StoreError> {
        self.change_within(LONGEST_CALL, command).await
    }

    /// The same for what may take long.
    async fn change_within(&self, limit: Duration, mut command: Bson) -> Result<Bson, StoreError> {
        command.insert("writeConcern", &self.write_concern);
        self.run(limit, command).await
    }

    /// Runs a command that only reads, as the URI's read concern asks, which a command does not
    /// carry by itself.
    async fn look(&self, limit: Duration, mut command: Bson) -> Result<Vec<Bson>, StoreError> {
        if let Some(Ok(concern)) = self.database.read_concern().map(bson::serialize_to_bson) {
            command.insert("readConcern", concern);
        }
        answer::whole(self.run(limit, command).await?)
    }

    /// What a pipeline makes of a collection, which has to fit into one answer.
    async fn aggregate(
        &self,
        limit: Duration,
        collection: &str,
        pipeline: Vec<Bson>,
    ) -> Result<Vec<Bson>, StoreError> {
        let all = doc! { "batchSize": i32::MAX };
        let command = doc! { "aggregate": collection, "pipeline": pipeline, "allowDiskUse": true, "cursor": all };
        self.look(limit, command).await
    }

    /// How many documents there are. Looks at every one, in the order in which they lie: faster
    /// than by an index, which would lead to every document too.
    async fn count(&self, collection: &str, filter: Bson) -> Result<u64, StoreError> {
        let pipeline = vec![doc! { "$match": filter }, doc! { "$count": "n" }];
        let command = doc! { "aggregate": collection, "pipeline": pipeline, "hint": { "$natural": 1 }, "cursor": {} };
        let found = self.look(LONGEST_LOOK, command).await?;
        Ok(found.first().map_or(0, answer::count))
    }

    async fn first_document(&self, collection: &str) -> Result<Option<RawDocumentBuf>, StoreError> {
        let collection = self.database.collection::<RawDocumentBuf>(collection);
        self.call(LONGEST_CALL, async move { collection.find_one(doc! {}).await }).await
    }
}

/// The write concern for commands: the URI's, or else that a majority has it.
fn write_concern(uri: &Secret, given: Option<&WriteConcern>) -> Result<Bson, StoreError> {
    let Some(given) = given.filter(|given| **given != WriteConcern::default()) else {
        return Ok(doc! { "w": "majority" });
    };
    if given.w == Some(Acknowledgment::Nodes(0)) {
        return Err(StoreError::Unusable(format!(
            "{uri}: w=0 means that the server does not say whether it wrote anything, so gleaner could not either; leave w out or give 1 or majority"
        )));
    }
    bson::serialize_to_document(given)
        .map_err(|error| StoreError::Unusable(format!("{uri}: write concern: {error}")))
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
        let keys: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let filter = doc! { self.layout.key_path(): { "$in": keys } };
        let collection =
            self.connection.database.collection::<RawDocumentBuf>(&self.place.collection);
        let found: Vec<RawDocumentBuf> = self
            .connection
            .call(LONGEST_CALL, async move {
                let found = collection.find(filter).projection(doc! { "_gleaner": 1 });
                found.await?.try_collect().await
            })
            .await?;
        Ok(found.iter().filter_map(|document| facts::known(document)).collect())
    }

    async fn write(&self, stamp: &Stamp, records: &[Record]) -> Result<Vec<Rejection>, StoreError> {
        write::write(self, stamp, records).await
    }

    async fn mark_seen(&self, stamp: &Stamp, seen: &[Seen]) -> Result<Vec<Key>, StoreError> {
        marks::mark_seen(self, stamp, seen).await
    }

    async fn live(&self, after: Option<&Key>, most: usize) -> Result<Vec<Live>, StoreError> {
        marks::live(self, after, most).await
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
        failures::keep(&self.connection, &self.place, stamp, failures).await
    }

    async fn clear_failures(&self, pages: &[PageId]) -> Result<(), StoreError> {
        failures::clear(&self.connection, &self.place, pages).await
    }

    async fn failures(
        &self,
        after: Option<&PageId>,
        most: usize,
    ) -> Result<Vec<KeptFailure>, StoreError> {
        failures::read(&self.connection, &self.place, after, most).await
    }

    async fn sweeps(&self, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        ledger::sweeps(&self.connection, &self.place, most).await
    }

    async fn take_lock(
        &self,
        entry: &SweepEntry,
        over: Option<&SweepEntry>,
    ) -> Result<bool, StoreError> {
        ledger::take_lock(&self.connection, self.layout, entry, over).await
    }

    async fn renew_lock(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        ledger::renew_lock(&self.connection, entry).await
    }

    async fn keep_sweep(&self, entry: &SweepEntry) -> Result<bool, StoreError> {
        ledger::keep_sweep(&self.connection, self.layout, entry).await
    }

    async fn read(&self, after: Option<&Key>, most: usize) -> Result<Vec<Stored>, StoreError> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let order = doc! { self.layout.key_path(): 1 };
        let found = self.find(self.after(after), order, most).await?;
        Ok(found.iter().filter_map(|document| facts::stored(document)).collect())
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
