//! Changes that the server makes only while the lock is held.
//!
//! A change that is on its way when the lock is lost may come to the server later. What was written by
//! a later holder bears a higher number and is not touched; but what is made anew, or was not touched by
//! the later holder, has no such guard. Where such changes are few, they are made by a pipeline that
//! begins with the lock's entry in the ledger: if that is not what it was, there is nothing to change.

use bson::{Document, doc};

use super::{LONGEST_CALL, MongodbStore, ledger};
use crate::store::StoreError;
use crate::sweep::SweepEntry;

/// What a change is made of.
pub struct Change<'c> {
    /// The collection.
    pub collection: &'c str,
    /// Documents with their ids, which may be there or not.
    pub documents: Vec<Document>,
    /// The stages that make the new document of one that is there; `$$new` is ours.
    pub matched: Vec<Document>,
    /// Whether those that are not there are inserted.
    pub inserts: bool,
}

impl MongodbStore {
    /// Makes a change under the lock that `entry` is.
    ///
    /// # Errors
    /// Where the lock is not held, or the server fails.
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
        // The answer does not say whether there was anything to change.
        match ledger::renew_lock(&self.connection, entry).await? {
            true => Ok(()),
            false => Err(StoreError::LockLost),
        }
    }
}

/// Whether a document that is there was written by a later holder: its number stands at the path `fence`.
pub fn is_newer(fence: &str, entry: &SweepEntry) -> Document {
    doc! { "$gt": [{ "$ifNull": [format!("${fence}"), 0_i64] }, entry.fence] }
}
