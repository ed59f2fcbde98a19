//! `gleaner_sweeps` and `gleaner_failures`.

use bson::{Bson, Document, doc};
use mongodb::options::WriteConcern;

use super::facts::date;
use super::layout::Layout;
use super::{Connection, LONGEST_CALL};
use crate::record::{Failure, Key, PageId, Stamp};
use crate::store::{Place, StoreError};
use crate::sweep::SweepEntry;

const SWEEPS: &str = "gleaner_sweeps";
const FAILURES: &str = "gleaner_failures";

/// Refuses a collection that belongs to another site.
pub async fn check_owner(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    let sweeps = connection.database.collection::<Document>(SWEEPS);
    let others = doc! { "collection": &*place.collection, "site": { "$ne": &*place.site } };
    let other = connection.call(LONGEST_CALL, async move { sweeps.find_one(others).await }).await?;
    match other.as_ref().map(|entry| entry.get_str("site").unwrap_or("another site")) {
        None => Ok(()),
        Some(owner) => Err(StoreError::Unusable(format!(
            "the collection {} belongs to the site {owner}; {} needs one of its own: use --collection",
            place.collection, place.site
        ))),
    }
}

/// Writes a sweep's entry.
pub async fn keep_sweep(
    connection: &Connection,
    layout: Layout,
    entry: &SweepEntry,
) -> Result<(), StoreError> {
    let failed = |error: bson::error::Error| StoreError::Failed(error.to_string());
    let mut document = bson::serialize_to_document(entry).map_err(failed)?;
    document.remove("id");
    document.insert("layout", layout.name());
    document.insert("started_at", date(entry.started_at));
    match entry.ended_at {
        Some(ended_at) => document.insert("ended_at", date(ended_at)),
        None => document.remove("ended_at"),
    };
    match &entry.report {
        Some(report) => {
            let mut written = bson::serialize_to_document(report).map_err(failed)?;
            written.insert("started_at", date(report.started_at));
            document.insert("report", written)
        }
        None => document.remove("report"),
    };
    let update = doc! { "q": { "_id": &*entry.id }, "u": document, "upsert": true };
    upsert(connection, SWEEPS, vec![update]).await
}

/// Keeps failures, one entry a page.
pub async fn keep_failures(
    connection: &Connection,
    place: &Place,
    stamp: &Stamp,
    failures: &[Failure],
) -> Result<(), StoreError> {
    let updates = failures.iter().map(|failure| failure_update(place, stamp, failure)).collect();
    upsert(connection, FAILURES, updates).await
}

/// Takes off the failures of items.
pub async fn clear_failures(
    connection: &Connection,
    place: &Place,
    keys: &[Key],
) -> Result<(), StoreError> {
    let ids: Vec<String> =
        keys.iter().map(|key| failure_id(place, &format!("detail/{key}"))).collect();
    let failures = connection.database.collection::<Document>(FAILURES);
    let filter = doc! { "_id": { "$in": ids } };
    connection
        .call(LONGEST_CALL, async move {
            failures.delete_many(filter).write_concern(WriteConcern::majority()).await
        })
        .await
        .map(|_| ())
}

fn failure_id(place: &Place, page: &str) -> String {
    format!("{}/{}/{page}", place.site, place.collection)
}

fn failure_update(place: &Place, stamp: &Stamp, failure: &Failure) -> Document {
    let PageId { kind, name: page } = failure.id();
    let id = failure_id(place, &format!("{kind}/{page}"));
    let mut set = doc! {
        "site": &*place.site,
        "collection": &*place.collection,
        "sweep": &*stamp.sweep,
        "kind": &*kind,
        "page": &*page,
        "url": &*failure.url,
        "reason": failure.reason,
        "message": &*failure.message,
        "attempts": i64::from(failure.attempts),
        "last_at": date(failure.at),
    };
    let mut unset = Document::new();
    let mut put = |name: &str, value: Option<Bson>| match value {
        Some(value) => set.insert(name, value),
        None => unset.insert(name, ""),
    };
    put("status", failure.status.map(|status| Bson::Int32(status.into())));
    put("sample", failure.sample.as_deref().map(Bson::from));
    let mut change = doc! { "$set": set, "$setOnInsert": { "first_at": date(failure.at) } };
    if !unset.is_empty() {
        change.insert("$unset", unset);
    }
    doc! { "q": { "_id": id }, "u": change, "upsert": true }
}

async fn upsert(
    connection: &Connection,
    collection: &str,
    updates: Vec<Document>,
) -> Result<(), StoreError> {
    if updates.is_empty() {
        return Ok(());
    }
    let command = doc! {
        "update": collection,
        "updates": updates,
        "ordered": false,
        "writeConcern": connection.write_concern.clone(),
    };
    let database = connection.database.clone();
    let reply =
        connection.call(LONGEST_CALL, async move { database.run_command(command).await }).await?;
    match super::answer::faults(&reply)?.into_iter().next() {
        None => Ok(()),
        Some((_, super::answer::Fault::Race(reason))) => Err(StoreError::Unavailable(reason)),
        Some((_, super::answer::Fault::Document(reason))) => Err(StoreError::Failed(reason)),
    }
}
