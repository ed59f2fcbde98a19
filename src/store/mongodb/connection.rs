//! Connection to a server: calls of the driver, and commands with the concerns that they do not
//! inherit.

use std::sync::Arc;
use std::time::Duration;

use bson::raw::RawDocumentBuf;
use bson::{Document as Bson, doc};
use futures_util::TryStreamExt;
use mongodb::error::ErrorKind;
use mongodb::options::{
    Acknowledgment, ClientOptions, FindOptions, ReadPreference, SelectionCriteria, WriteConcern,
};
use mongodb::{Client, Database};

use super::answer::{self, Refusal};
use super::driver::Driver;
use crate::model::text::secret::Secret;
use crate::store::StoreError;
use crate::system::clock;

/// Timeout for finding a server, at the start and during the crawl.
const SELECTION: Duration = Duration::from_secs(4);
/// Timeout of a call. The driver has none of its own. See [`Connection::call`].
pub const LONGEST_CALL: Duration = Duration::from_secs(60);
/// Timeout of a call that reads a whole collection.
pub const LONGEST_LOOK: Duration = Duration::from_secs(3_600);

/// A database, and the settings to use it.
#[derive(Clone)]
pub struct Connection {
    driver: Arc<Driver>,
    /// Database with the site's collections.
    pub database: Database,
    /// Write concern for commands, which do not inherit the URI's.
    pub write_concern: Bson,
    uri: Secret,
}

impl Connection {
    /// Connects, on the driver's own thread.
    ///
    /// # Errors
    /// Returns an error if the URI is invalid, or the server cannot be reached.
    pub async fn open(uri: &Secret) -> Result<Connection, StoreError> {
        let unusable = |error: mongodb::error::Error| {
            let why = format!("{uri}: {}", uri.scrub(&answer::plain(&error)));
            match *error.kind {
                ErrorKind::DnsResolve { .. } => StoreError::Unavailable(why),
                _ => StoreError::Unusable(why),
            }
        };
        // This looks up names of mongodb+srv URIs.
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
        // A secondary may not have the latest writes yet.
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

    /// Runs a call of the driver on its thread, and waits at most `limit` for the result. After
    /// that, the call still runs to its end.
    pub async fn call<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.try_call(limit, call).await.map_err(Refusal::into_error)
    }

    async fn try_call<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl Future<Output = mongodb::error::Result<T>> + Send + 'static,
    ) -> Result<T, Refusal> {
        let limit = clock::limit("GLEANER_TEST_CALL", limit);
        let error = match tokio::time::timeout(limit, self.driver.run(call)).await {
            Err(_) => {
                let seconds = limit.as_secs();
                StoreError::Unavailable(format!("no answer within {seconds} s"))
            }
            Ok(Err(panic)) => StoreError::Failed(format!("the driver panicked: {panic}")),
            Ok(Ok(answer)) => return answer.map_err(|error| answer::refusal(&error, &self.uri)),
        };
        Err(Refusal::Store(error))
    }

    /// Runs a prepared command that writes documents. The error says whether a document caused it.
    pub async fn command(&self, command: RawDocumentBuf) -> Result<Bson, Refusal> {
        let database = self.database.clone();
        self.try_call(LONGEST_CALL, async move { database.run_raw_command(command).await }).await
    }

    async fn run(&self, limit: Duration, command: Bson) -> Result<Bson, StoreError> {
        let database = self.database.clone();
        self.call(limit, async move { database.run_command(command).await }).await
    }

    /// Runs a command that changes something. The reply says whether it did.
    pub async fn change(&self, command: Bson) -> Result<Bson, StoreError> {
        self.change_within(LONGEST_CALL, command).await
    }

    /// Runs a command that changes something, with a time limit for long ones.
    pub async fn change_within(
        &self,
        limit: Duration,
        mut command: Bson,
    ) -> Result<Bson, StoreError> {
        command.insert("writeConcern", &self.write_concern);
        self.run(limit, command).await
    }

    /// Runs a command that only reads, with the URI's read concern, which commands do not inherit.
    async fn look(&self, limit: Duration, mut command: Bson) -> Result<Vec<Bson>, StoreError> {
        if let Some(Ok(concern)) = self.database.read_concern().map(bson::serialize_to_bson) {
            command.insert("readConcern", concern);
        }
        answer::whole(self.run(limit, command).await?)
    }

    /// Runs an aggregation pipeline. Its result must fit into one reply.
    pub async fn aggregate(
        &self,
        limit: Duration,
        collection: &str,
        pipeline: Vec<Bson>,
    ) -> Result<Vec<Bson>, StoreError> {
        let all = doc! { "batchSize": i32::MAX };
        let command = doc! { "aggregate": collection, "pipeline": pipeline, "allowDiskUse": true, "cursor": all };
        self.look(limit, command).await
    }

    /// Counts documents. Scans the collection in storage order, which is faster than an index that
    /// leads to every document as well.
    pub async fn count(&self, collection: &str, filter: Bson) -> Result<u64, StoreError> {
        let pipeline = vec![doc! { "$match": filter }, doc! { "$count": "n" }];
        let command = doc! { "aggregate": collection, "pipeline": pipeline, "hint": { "$natural": 1 }, "cursor": {} };
        let found = self.look(LONGEST_LOOK, command).await?;
        Ok(found.first().map_or(0, answer::count))
    }

    /// Returns at most `most` documents of a collection, in one reply if they fit.
    pub async fn find(
        &self,
        collection: &str,
        filter: Bson,
        mut options: FindOptions,
        most: usize,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let collection = self.database.collection::<RawDocumentBuf>(collection);
        options.limit = Some(i64::try_from(most).unwrap_or(i64::MAX));
        // By default, the first reply holds only about 100 documents.
        options.batch_size = Some(i32::try_from(most).map_or(i32::MAX as u32, i32::unsigned_abs));
        self.call(LONGEST_CALL, async move {
            collection.find(filter).with_options(options).await?.try_collect().await
        })
        .await
    }

    /// Returns any document that matches `filter`, or `None`.
    pub async fn find_one(
        &self,
        collection: &str,
        filter: Bson,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        let found = self.find(collection, filter, FindOptions::default(), 1).await?;
        Ok(found.into_iter().next())
    }
}

/// Returns the write concern for commands: the URI's, or else majority.
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
