//! Changes that the server makes only while the lock is held.
//!
//! A change that is in flight when the lock is lost may reach the server later. Documents that a
//! later holder wrote have a higher lock number and are not changed. But new documents, and those
//! that the later holder did not touch, have no such guard. If such changes are few, they are made
//! by a pipeline that starts with the lock's entry in the ledger: if the entry has changed, the
//! pipeline changes nothing.

use bson::{Document, doc};

use super::{LONGEST_CALL, MongodbStore, ledger};
use crate::store::StoreError;
use crate::sweep::SweepEntry;

/// Parts of a change.
pub struct Change<'c> {
    /// The collection.
    pub collection: &'c str,
    /// Documents with their ids. They may exist already or not.
    pub documents: Vec<Document>,
    /// Stages that compute the new document from an existing one; `$$new` is ours.
    pub matched: Vec<Document>,
    /// True to insert documents that do not exist.
    pub inserts: bool,
}

impl MongodbStore {
    /// Makes a change under the lock of `entry`.
    ///
    /// # Errors
    /// Returns an error if the lock is not held, or the server fails.
    pub(super) async fn change_held(
        &self,
        entry: &SweepEntry,
        change: Change<'_>,
    ) -> Result<(), StoreError> {
        let Change { collection, documents, matched, inserts } = change;
        if documents.is_empty() {
            return Ok(());
        }
        let absent = if inserts { "insert" } else { "discard" };
        let pipeline = vec![
            doc! { "$match": ledger::held(entry)? },
            doc! { "$project": { "_id": 0, "rows": { "$literal": documents } } },
            doc! { "$unwind": "$rows" },
            doc! { "$replaceWith": "$rows" },
            doc! { "$merge": {
                "into": collection, "on": "_id", "whenMatched": matched, "whenNotMatched": absent,
            } },
        ];
        let command = doc! { "aggregate": ledger::SWEEPS, "pipeline": pipeline, "cursor": {} };
        self.connection.change_within(LONGEST_CALL, command).await?;
        // The reply does not say whether the pipeline found the lock's entry.
        match ledger::renew_lock(&self.connection, entry, None).await? {
            true => Ok(()),
            false => Err(StoreError::LockLost),
        }
    }
}

/// Returns an expression that is true if a later holder wrote the existing document, by its lock
/// number at the path `fence`.
pub fn is_newer(fence: &str, entry: &SweepEntry) -> Document {
    doc! { "$gt": [{ "$ifNull": [format!("${fence}"), 0_i64] }, entry.fence] }
}
