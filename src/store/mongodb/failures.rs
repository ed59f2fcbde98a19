//! `gleaner_failures`: what was given up, one entry a page.
//!
//! An entry's `_id` is `SITE/COLLECTION/KIND/PAGE`. Names of sites and collections and kinds hold
//! no slash, so that the entries of a collection stand together, ordered by kind and page.

use bson::{Bson, Document, doc};
use mongodb::options::FindOptions;

use super::facts::{self, date, timestamp};
use super::{Connection, answer};
use crate::failure::{Failure, PageId};
use crate::record::Stamp;
use crate::store::rows::Mark;
use crate::store::{KeptFailure, Place, Position, Rows, StoreError};

const FAILURES: &str = "gleaner_failures";

/// See [`crate::store::Store::keep_failures`].
pub async fn keep(
    connection: &Connection,
    place: &Place,
    stamp: &Stamp,
    failures: &[Failure],
) -> Result<(), StoreError> {
    if failures.is_empty() {
        return Ok(());
    }
    let updates: Vec<_> = failures.iter().map(|failure| update(place, stamp, failure)).collect();
    let command = doc! { "update": FAILURES, "updates": updates, "ordered": false };
    answer::done(&connection.change(command).await?).map(drop)
}

/// See [`crate::store::Store::clear_failures`].
pub async fn clear(
    connection: &Connection,
    place: &Place,
    pages: &[PageId],
) -> Result<(), StoreError> {
    if pages.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = pages.iter().map(|page| id(place, page)).collect();
    let deletes = vec![doc! { "q": { "_id": { "$in": ids } }, "limit": 0 }];
    let command = doc! { "delete": FAILURES, "deletes": deletes };
    answer::done(&connection.change(command).await?).map(drop)
}

/// See [`crate::store::Store::failures`].
pub async fn read(
    connection: &Connection,
    place: &Place,
    after: Option<&Position>,
    most: usize,
) -> Result<Rows<KeptFailure>, StoreError> {
    let all = format!("{}/{}/", place.site, place.collection);
    let after = after.and_then(|after| after.document().get_str("_id").ok());
    let from = after.unwrap_or(&all);
    // What begins with a slash comes before what begins with a zero, the character after it.
    let end = format!("{}/{}0", place.site, place.collection);
    let filter = doc! { "_id": { "$gt": from, "$lt": end } };
    let order = FindOptions::builder().sort(doc! { "_id": 1 }).build();
    let found = connection.find(FAILURES, filter, order, most).await?;
    let next = found.last().filter(|_| found.len() == most).and_then(facts::id);
    let kept = found.iter().map(|found| kept(&Document::try_from(found).ok()?));
    Ok(Rows::of(kept, next.map(Mark::Document)))
}

fn id(place: &Place, page: &PageId) -> String {
    format!("{}/{}/{page}", place.site, place.collection)
}

fn update(place: &Place, stamp: &Stamp, failure: &Failure) -> Document {
    let page = failure.id();
    let mut set = doc! {
        "site": &*place.site,
        "collection": &*place.collection,
        "sweep": &*stamp.sweep,
        "kind": &*page.kind,
        "page": &*page.name,
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
    doc! { "q": { "_id": id(place, &page) }, "u": change, "upsert": true }
}

/// An entry, unless it lacks what each has that gleaner wrote.
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
