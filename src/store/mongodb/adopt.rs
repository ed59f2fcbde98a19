//! Adopts a collection that another program filled, for instance with documents that have an
//! ObjectId as `_id` and the item's id in a field.
//!
//! Copies that field to `_gleaner.key`, as text, in documents that lack it, and creates a unique
//! index on it. The documents are not changed otherwise.

use bson::{Bson as Value, Document as Bson, doc};
use tracing::{info, warn};

use super::{Connection, LONGEST_LOOK, answer};
use crate::store::{Losses, Place, Sampled, StoreError};

/// Maximum number of duplicates that an error names.
const NAMED: i64 = 10;

/// Returns the reason why a collection of another program is not written to.
pub fn refusal(place: &Place) -> StoreError {
    if place.key_field.is_none() {
        return cannot(place);
    }
    StoreError::NotAdopted(format!(
        "the collection {} holds documents that gleaner did not write. A crawl would replace those that have the key of an item of the site, and nothing was written. Go ahead with --adopt, or use another --collection",
        place.collection
    ))
}

fn cannot(place: &Place) -> StoreError {
    StoreError::Unusable(format!(
        "the collection {} holds documents that gleaner did not write, and the site file's key is not a plain field of the document by which they could be told apart: use another --collection",
        place.collection
    ))
}

/// Returns what the documents of `sample` would replace.
pub async fn losses(
    connection: &Connection,
    place: &Place,
    sample: &[Sampled],
) -> Result<Losses, StoreError> {
    let mut losses = Losses::default();
    let Some(field) = place.key_field.as_deref() else { return Ok(losses) };
    for sampled in sample {
        // Numbers match whatever their type.
        let text = sampled.key.as_str();
        let number = text.parse::<f64>().ok().filter(|number| number.to_string() == text);
        let wanted: Vec<Value> =
            [Some(text.into()), number.map(Value::from)].into_iter().flatten().collect();
        let filter = doc! { "$or": [{ "_gleaner.key": text }, { field: { "$in": wanted } }] };
        if let Some(document) = connection.find_one(&place.collection, filter).await? {
            let names = document.iter().flatten().map(|(name, _)| name.as_str());
            let theirs = names.filter(|name| !matches!(*name, "_id" | "_gleaner"));
            losses.note(sampled, theirs);
        }
    }
    Ok(losses)
}

/// Adopts the collection. If it was adopted before, only new documents get a key.
pub async fn adopt(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    let Some(field) = place.key_field.as_deref() else {
        return Err(cannot(place));
    };
    let key = key_of(field);
    refuse_duplicates(connection, place, field, &key).await?;
    add_keys(connection, place, field, &key).await?;
    make_index(connection, place).await
}

/// Returns an expression for a document's key as text: `_gleaner.key`, or else the field.
fn key_of(field: &str) -> Bson {
    let text = doc! { "$convert": {
        "input": format!("${field}"), "to": "string", "onError": null, "onNull": null,
    } };
    doc! { "$ifNull": ["$_gleaner.key", { "$trim": { "input": text } }] }
}

async fn refuse_duplicates(
    connection: &Connection,
    place: &Place,
    field: &str,
    key: &Bson,
) -> Result<(), StoreError> {
    let pipeline = vec![
        doc! { "$group": { "_id": key.clone(), "count": { "$sum": 1 } } },
        doc! { "$match": { "count": { "$gt": 1 }, "_id": { "$nin": [null, ""] } } },
        doc! { "$sort": { "_id": 1 } },
        doc! { "$limit": NAMED + 1 },
    ];
    let found = connection.aggregate(LONGEST_LOOK, &place.collection, pipeline).await?;
    if found.is_empty() {
        return Ok(());
    }
    let count = |group: &Bson| group.get_i32("count").unwrap_or_default();
    let mut named: Vec<String> = found
        .iter()
        .take(10)
        .map(|group| format!("{} ({} times)", group.get_str("_id").unwrap_or("?"), count(group)))
        .collect();
    if found.len() > named.len() {
        named.push("and more".to_owned());
    }
    Err(StoreError::Unusable(format!(
        "the collection {} holds more than one document with the same {field}: {}. Remove all but one of each, or use another --collection",
        place.collection,
        named.join(", ")
    )))
}

async fn add_keys(
    connection: &Connection,
    place: &Place,
    field: &str,
    key: &Bson,
) -> Result<(), StoreError> {
    let without_key = doc! { "_gleaner.key": { "$exists": false }, field: { "$ne": null } };
    let add_key = vec![doc! { "$set": { "_gleaner": { "key": key.clone() } } }];
    let update = doc! { "q": without_key, "u": add_key, "multi": true };
    let keyless = doc! { "_gleaner.key": { "$in": [null, ""] } };
    let command = doc! { "update": &*place.collection, "updates": [update] };
    let adopted = answer::done(&connection.change_within(LONGEST_LOOK, command).await?)?;
    if adopted > 0 {
        info!(
            collection = %place.collection,
            documents = adopted,
            "adopted documents that others wrote"
        );
    }
    let keyless = connection.count(&place.collection, keyless).await?;
    if keyless > 0 {
        warn!(collection = %place.collection, documents = keyless, field, "documents without a key are left alone");
    }
    Ok(())
}

async fn make_index(connection: &Connection, place: &Place) -> Result<(), StoreError> {
    let index = doc! {
        "key": { "_gleaner.key": 1 },
        "name": "_gleaner.key_1",
        "unique": true,
        // The planner uses a partial index only if it recognizes that the query is covered by it.
        // It does for `$gt`, but not for `$type`.
        "partialFilterExpression": { "_gleaner.key": { "$gt": "" } },
    };
    let command = doc! { "createIndexes": &*place.collection, "indexes": [index] };
    answer::done(&connection.change_within(LONGEST_LOOK, command).await?).map(drop)
}
