//! `gleaner_failures`: pages that were given up, one entry per page.
//!
//! An entry's `_id` is `SITE/COLLECTION/KIND/PAGE`. Names of sites, collections and kinds contain
//! no slash, so the entries of a collection are contiguous, ordered by kind and page.

use bson::{Bson, Document, doc};
use mongodb::options::FindOptions;

use super::facts::{self, date, timestamp};
use super::guard::{Change, is_newer};
use super::{Connection, LONGEST_CALL, MongodbStore, answer};
use crate::model::failure::{Failure, PageId};
use crate::model::record::Provenance;
use crate::store::rows::Mark;
use crate::store::{FailureCounts, KeptFailure, Place, Position, Rows, StoreError};

const FAILURES: &str = "gleaner_failures";

/// Implements [`crate::store::Failures::keep_failures`].
pub async fn keep(
    store: &MongodbStore,
    provenance: &Provenance,
    failures: &[Failure],
) -> Result<(), StoreError> {
    let failures = failures.iter().map(|failure| KeptFailure::first(failure, provenance));
    let later = doc! { "$mergeObjects": ["$$new", { "first_at": "$first_at" }] };
    put(store, failures, later.into()).await
}

/// Implements [`crate::store::Restore::restore_failures`].
pub async fn restore(store: &MongodbStore, failures: &[KeptFailure]) -> Result<(), StoreError> {
    put(store, failures.iter().cloned(), "$$new".into()).await
}

/// Writes failures. `later` is what a failure becomes that exists already.
async fn put(
    store: &MongodbStore,
    failures: impl Iterator<Item = KeptFailure>,
    later: Bson,
) -> Result<(), StoreError> {
    let entry = store.lock()?;
    let kept = doc! { "$cond": [is_newer("fence", &entry), "$$ROOT", later] };
    let change = Change {
        collection: FAILURES,
        documents: failures.map(|it| written(&store.place, entry.fence, &it)).collect(),
        matched: vec![doc! { "$replaceWith": kept }],
        inserts: true,
    };
    store.change_held(&entry, change).await
}

/// Implements [`crate::store::Failures::clear_failures`].
pub async fn clear(store: &MongodbStore, pages: &[PageId]) -> Result<(), StoreError> {
    let fence = store.lock()?.fence;
    if pages.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = pages.iter().map(|page| id(&store.place, page)).collect();
    // Entries of a later holder of the lock stay.
    let had = doc! { "_id": { "$in": ids }, "fence": { "$not": { "$gt": fence } } };
    let deletes = vec![doc! { "q": had, "limit": 0 }];
    let command = doc! { "delete": FAILURES, "deletes": deletes };
    answer::done(&store.connection.change(command).await?).map(drop)
}

/// Implements [`crate::store::Failures::failures`].
pub async fn read(
    connection: &Connection,
    place: &Place,
    after: Option<&Position>,
    most: usize,
) -> Result<Rows<KeptFailure>, StoreError> {
    let (all, end) = range(place);
    let after = after.and_then(|after| after.document().get_str("_id").ok());
    let from = after.unwrap_or(&all);
    let filter = doc! { "_id": { "$gt": from, "$lt": end } };
    let order = FindOptions::builder().sort(doc! { "_id": 1 }).build();
    let found = connection.find(FAILURES, filter, order, most).await?;
    let next = found.last().filter(|_| found.len() == most).and_then(facts::id);
    let kept = found.iter().map(|found| kept(&Document::try_from(found).ok()?));
    Ok(Rows::of(kept, next.map(Mark::Document)))
}

/// Implements [`crate::store::Ledgers::failure_counts`].
pub async fn counts(connection: &Connection, place: &Place) -> Result<FailureCounts, StoreError> {
    let (from, end) = range(place);
    let pipeline = vec![
        doc! { "$match": { "_id": { "$gt": from, "$lt": end } } },
        doc! { "$group": { "_id": "$reason", "number": { "$sum": 1_i64 } } },
    ];
    let found = connection.aggregate(LONGEST_CALL, FAILURES, pipeline).await?;
    let count = |found: &Document| {
        let number = found.get_i64("number").ok().and_then(|number| number.try_into().ok())?;
        Some((Box::from(found.get_str("_id").ok()?), number))
    };
    Ok(found.iter().filter_map(count).collect())
}

/// Returns bounds of the ids of a site's entries.
fn range(place: &Place) -> (String, String) {
    // The zero is the character after the slash, so it ends the range.
    let of = |end: char| format!("{}/{}{end}", place.site, place.collection);
    (of('/'), of('0'))
}

fn id(place: &Place, page: &PageId) -> String {
    format!("{}/{}/{page}", place.site, place.collection)
}

/// Returns a failure as a document.
fn written(place: &Place, fence: i64, failure: &KeptFailure) -> Document {
    let mut written = doc! {
        "_id": id(place, &failure.page),
        "site": &*place.site,
        "collection": &*place.collection,
        "sweep": &*failure.sweep,
        "fence": fence,
        "kind": &*failure.page.kind,
        "page": &*failure.page.name,
        "url": &*failure.url,
        "reason": &*failure.reason,
        "message": &*failure.message,
        "attempts": i64::from(failure.attempts),
        "first_at": date(failure.first_at),
        "last_at": date(failure.last_at),
    };
    if let Some(status) = failure.status {
        written.insert("status", i32::from(status));
    }
    if let Some(sample) = failure.sample.as_deref() {
        written.insert("sample", sample);
    }
    written
}

/// Parses an entry, or returns `None` if it lacks a field that gleaner always writes.
fn kept(entry: &Document) -> Option<KeptFailure> {
    let text = |name: &str| entry.get_str(name).ok().map(Box::from);
    let time = |name: &str| entry.get_datetime(name).ok().and_then(|date| timestamp(*date));
    let number = |name: &str| match entry.get(name)? {
        Bson::Int32(number) => Some(i64::from(*number)),
        Bson::Int64(number) => Some(*number),
        _ => None,
    };
    Some(KeptFailure {
        page: PageId { kind: text("kind")?, name: text("page")? },
        url: text("url")?,
        reason: text("reason")?,
        message: text("message")?,
        status: number("status").and_then(|status| status.try_into().ok()),
        attempts: number("attempts").and_then(|attempts| attempts.try_into().ok())?,
        sample: text("sample"),
        first_at: time("first_at")?,
        last_at: time("last_at")?,
        sweep: text("sweep")?,
    })
}
