//! What is noted of items without writing their documents: seen, not listed, gone.

use std::collections::{BTreeMap, HashSet};

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};
use futures_util::TryStreamExt;
use jiff::Timestamp;

use super::facts::{self, date};
use super::{LONGEST_CALL, MongodbStore, answer};
use crate::record::{Ages, Fetched, Key, Seen, Stamp};
use crate::store::{Live, StoreError};

/// Most keys in one command.
const KEYS_AT_ONCE: usize = 1_000;

/// See [`crate::store::Store::mark_seen`].
pub async fn mark_seen(
    store: &MongodbStore,
    stamp: &Stamp,
    seen: &[Seen],
) -> Result<Vec<Key>, StoreError> {
    let mut absent = Vec::new();
    for seen in seen.chunks(KEYS_AT_ONCE) {
        absent.extend(mark_these(store, stamp, seen).await?);
    }
    Ok(absent)
}

/// One statement marks those of which the same is to be noted. Only where it finds fewer than it
/// was given is looked for what is missing.
async fn mark_these(
    store: &MongodbStore,
    stamp: &Stamp,
    seen: &[Seen],
) -> Result<Vec<Key>, StoreError> {
    let mut alike: BTreeMap<Option<&Fetched>, Vec<&Seen>> = BTreeMap::new();
    for seen in seen {
        alike.entry(seen.fetched.as_ref()).or_default().push(seen);
    }
    let (mut updates, mut groups) = (Vec::new(), Vec::new());
    for (fetched, group) in alike {
        let mut query = of_keys(store, group.iter().map(|seen| &seen.key));
        query.insert("_gleaner.gone_at", doc! { "$exists": false });
        let at = group.iter().map(|seen| seen.at).max().unwrap_or_default();
        updates.push(doc! { "q": query, "u": seen_at(at, fetched, stamp), "multi": true });
        groups.push(group);
    }
    let reply = update(store, updates).await?;
    // What the server refuses to change may be replaced: it is fetched, as if it were not there.
    let faults = answer::faults(&reply)?;
    let refused = faults.iter().filter_map(|(index, _)| groups.get(*index)).flatten();
    let refused: HashSet<&Key> = refused.map(|seen| &seen.key).collect();
    if refused.is_empty() && answer::count(&reply) == seen.len() as u64 {
        return Ok(Vec::new());
    }
    let found = live_of(store, seen.iter().map(|seen| &seen.key)).await?;
    let is_fit = |seen: &Seen| found.contains(&seen.key) && !refused.contains(&seen.key);
    let absent: Vec<&Seen> = seen.iter().filter(|seen| !is_fit(seen)).collect();
    if let Some(last) = absent.iter().map(|seen| seen.at).max() {
        let query = of_keys(store, absent.iter().map(|seen| &seen.key));
        // What is gone keeps its mark and what it was marked by, until it is stored anew.
        let change = doc! { "$set": { "_gleaner.seen_at": date(last) } };
        update(store, vec![doc! { "q": query, "u": change, "multi": true }]).await?;
    }
    Ok(absent.into_iter().map(|seen| seen.key.clone()).collect())
}

fn seen_at(at: Timestamp, fetched: Option<&Fetched>, stamp: &Stamp) -> Document {
    let mut set = doc! { "_gleaner.seen_at": date(at) };
    let mut unset = doc! { "_gleaner.unlisted_at": "" };
    if fetched.is_some() {
        set.insert("_gleaner.sweep", &*stamp.sweep);
        set.insert("_gleaner.rules", &*stamp.rules);
        set.insert("_gleaner.fetched_at", date(at));
    }
    if let Some(Fetched::With(Ages { etag, last_modified, revision })) = fetched {
        for (path, age) in facts::AGES.iter().zip([etag, last_modified, revision]) {
            match age {
                Some(age) => set.insert(path.as_str(), &**age),
                None => unset.insert(path.as_str(), ""),
            };
        }
    }
    doc! { "$set": set, "$unset": unset }
}

/// Of these keys, those whose documents are there and not marked gone.
async fn live_of<'a>(
    store: &MongodbStore,
    keys: impl Iterator<Item = &'a Key>,
) -> Result<HashSet<Key>, StoreError> {
    let mut filter = of_keys(store, keys);
    filter.insert("_gleaner.gone_at", doc! { "$exists": false });
    let found = find(store, filter, 0).await?;
    Ok(found.iter().filter_map(|found| facts::live(found)).map(|live| live.key).collect())
}

/// See [`crate::store::Store::live`].
pub async fn live(
    store: &MongodbStore,
    after: Option<&Key>,
    most: usize,
) -> Result<Vec<Live>, StoreError> {
    let mut filter = store.after(after);
    filter.insert("_gleaner.gone_at", doc! { "$exists": false });
    let found = find(store, filter, i64::try_from(most).unwrap_or(i64::MAX)).await?;
    Ok(found.iter().filter_map(|found| facts::live(found)).collect())
}

/// Keys and marks in the order of the keys; without `most`, all.
async fn find(
    store: &MongodbStore,
    filter: Document,
    most: i64,
) -> Result<Vec<RawDocumentBuf>, StoreError> {
    let wanted = ["key", "url", "first_seen", "unlisted_at"];
    let mut projection = doc! { "_id": 0 };
    projection.extend(wanted.map(|name| (format!("_gleaner.{name}"), 1.into())));
    let order = doc! { store.layout.key_path(): 1 };
    let collection =
        store.connection.database.collection::<RawDocumentBuf>(&store.place.collection);
    store
        .connection
        .call(LONGEST_CALL, async move {
            let found = collection.find(filter).projection(projection).sort(order).limit(most);
            found.await?.try_collect().await
        })
        .await
}

/// See [`crate::store::Store::count_live`].
pub async fn count_live(store: &MongodbStore) -> Result<u64, StoreError> {
    let filter = doc! {
        "_gleaner.key": { "$gt": "" },
        "_gleaner.gone_at": { "$exists": false },
    };
    store.connection.count(&store.place.collection, filter).await
}

/// See [`crate::store::Store::mark_unlisted`].
pub async fn mark_unlisted(
    store: &MongodbStore,
    keys: &[Key],
    at: Timestamp,
) -> Result<(), StoreError> {
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let mut query = of_keys(store, keys);
        query.insert("_gleaner.unlisted_at", doc! { "$exists": false });
        let change = doc! { "$set": { "_gleaner.unlisted_at": date(at) } };
        let update = doc! { "q": query, "u": change, "multi": true };
        answer::done(&self::update(store, vec![update]).await?)?;
    }
    Ok(())
}

/// See [`crate::store::Store::mark_gone`].
pub async fn mark_gone(
    store: &MongodbStore,
    keys: &[Key],
    at: Timestamp,
) -> Result<u64, StoreError> {
    let mut marked = 0;
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let mut query = of_keys(store, keys);
        // Null is what is absent.
        query.insert("_gleaner.gone_at", doc! { "$in": [Bson::Null, Bson::from(date(at))] });
        let change = doc! { "$set": { "_gleaner.gone_at": date(at) } };
        let update = doc! { "q": query, "u": change, "multi": true };
        marked += answer::done(&self::update(store, vec![update]).await?)?;
    }
    Ok(marked)
}

/// A query for documents of ours with these keys.
fn of_keys<'a>(store: &MongodbStore, keys: impl IntoIterator<Item = &'a Key>) -> Document {
    let keys: Vec<&str> = keys.into_iter().map(Key::as_str).collect();
    let mut query = doc! { "_gleaner.key": { "$gt": "" } };
    query.insert(store.layout.key_path(), doc! { "$in": keys });
    query
}

async fn update(store: &MongodbStore, updates: Vec<Document>) -> Result<Document, StoreError> {
    if updates.is_empty() {
        return Ok(Document::new());
    }
    let command = doc! { "update": &*store.place.collection, "updates": updates, "ordered": false };
    store.connection.change(command).await
}
