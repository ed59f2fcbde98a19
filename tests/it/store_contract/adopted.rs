//! MongoDB with a collection that others filled: `_id` is not the key.

use std::sync::Arc;

use gleaner::store::{Place, Store, StoreError};
use gleaner::sweep::SweepEntry;
use jiff::Timestamp;
use mongodb::bson::{DateTime, doc};

use super::backends::Mongodb;
use super::{Backend, KeptFailure, Ledger};

/// A database whose ledger says that the collection `books` was adopted.
pub struct Adopted(pub Mongodb);

impl Backend for Adopted {
    async fn start() -> Adopted {
        let backend = Mongodb::start().await;
        let sweeps = crate::mongod::database(&backend.uri).await.collection("gleaner_sweeps");
        let entry = doc! {
            "_id": "0", "site": "books", "collection": "books", "state": "complete",
            "limited": false, "definition": "1:d", "started_at": DateTime::from_millis(0),
            "layout": "adopted",
        };
        sweeps.insert_one(entry).await.expect("it is inserted");
        Adopted(backend)
    }

    async fn open(&self, place: &Place) -> Result<Arc<dyn Store>, StoreError> {
        self.0.open(place).await
    }

    async fn documents(&self, collection: &str) -> Vec<(String, String)> {
        self.0.documents(collection).await
    }
}

impl Ledger for Adopted {
    async fn failures(&self) -> Vec<KeptFailure> {
        self.0.failures().await
    }

    async fn sweeps(&self) -> Vec<SweepEntry> {
        self.0.sweeps().await
    }

    async fn silence(&self, sweep: &str, seconds: i64) {
        self.0.silence(sweep, seconds).await;
    }

    async fn leave_running(&self, sweeps: &[&str]) {
        self.0.leave_running(sweeps).await;
    }

    async fn mark_gone(&self, collection: &str, key: &str, at: Timestamp) {
        self.0.mark_gone(collection, key, at).await;
    }

    async fn is_marked(&self, collection: &str, key: &str) -> bool {
        self.0.is_marked(collection, key).await
    }

    async fn remove(&self, collection: &str, key: &str) {
        self.0.remove(collection, key).await;
    }
}
