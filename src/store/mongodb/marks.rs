//! Marks items without writing their documents: seen, not listed, gone.

use std::collections::{BTreeMap, HashSet};

use bson::raw::RawDocumentBuf;
use bson::{Bson, Document, doc};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use mongodb::options::FindOptions;

use super::facts::{self, date};
use super::guard::{Change, is_newer};
use super::layout::Layout;
use super::{MongodbStore, answer};
use crate::model::record::{Fetched, Key, PageVersion, Provenance, Seen};
use crate::store::rows::Mark;
use crate::store::{Live, Position, Rows, StoreError};

/// Path of the number of the lock under which a document was last written.
const FENCE: &str = "_gleaner.fence";
/// Maximum number of keys in one command.
const KEYS_AT_ONCE: usize = 1_000;

/// Implements [`crate::store::Documents::mark_seen`].
pub async fn mark_seen(
    store: &MongodbStore,
    provenance: &Provenance,
    seen: &[Seen],
) -> Result<Vec<Key>, StoreError> {
    let mut absent = Vec::new();
    for seen in seen.chunks(KEYS_AT_ONCE) {
        absent.extend(mark_these(store, provenance, seen).await?);
    }
    Ok(absent)
}

/// Marks the items with one statement for each group with the same values. Only if fewer documents
/// match than expected, the missing ones are searched.
async fn mark_these(
    store: &MongodbStore,
    provenance: &Provenance,
    seen: &[Seen],
) -> Result<Vec<Key>, StoreError> {
    let mut alike: BTreeMap<Option<&Fetched>, Vec<&Seen>> = BTreeMap::new();
    for seen in seen {
        alike.entry(seen.fetched.as_ref()).or_default().push(seen);
    }
    let groups: Vec<Vec<&Seen>> = alike.into_values().collect();
    let fence = store.lock()?.fence;
    let updates = groups.iter().map(|group| note(store, provenance, fence, group)).collect();
    let reply = update(store, updates).await?;
    let faults = answer::faults(&reply)?;
    let mut refused: HashSet<&Key> = HashSet::new();
    for group in faults.iter().filter_map(|(index, _)| groups.get(*index)) {
        refused.extend(refused_of(store, provenance, fence, group).await?);
    }
    if refused.is_empty() && answer::count(&reply) == seen.len() as u64 {
        return Ok(Vec::new());
    }
    let keys: Vec<Key> = seen.iter().map(|seen| seen.key.clone()).collect();
    store.refuse_newer(&keys, fence).await?;
    let found = live(store, &keys).await?;
    let found: HashSet<&Key> = found.iter().map(|live| &live.key).collect();
    let is_fit = |seen: &Seen| found.contains(&seen.key) && !refused.contains(&seen.key);
    let absent: Vec<&Seen> = seen.iter().filter(|seen| !is_fit(seen)).collect();
    if let Some(last) = absent.iter().map(|seen| seen.at).max() {
        let mut query = of_keys(store, absent.iter().map(|seen| &seen.key));
        query.insert(FENCE, not_newer(fence));
        // Documents marked gone keep their mark and its reason until they are stored again.
        let change = doc! { "$set": { "_gleaner.seen_at": date(last), FENCE: fence } };
        update(store, vec![doc! { "q": query, "u": change, "multi": true }]).await?;
    }
    Ok(absent.into_iter().map(|seen| seen.key.clone()).collect())
}

/// Returns the items of a group that the server refuses to change. Since it refuses a statement as
/// a whole, the group is halved until they are found. They may be replaced, so they are fetched in
/// full.
fn refused_of<'s>(
    store: &'s MongodbStore,
    provenance: &'s Provenance,
    fence: i64,
    group: &'s [&'s Seen],
) -> BoxFuture<'s, Result<Vec<&'s Key>, StoreError>> {
    Box::pin(async move {
        if let [only] = group {
            return Ok(vec![&only.key]);
        }
        let mut refused = Vec::new();
        let (first, second) = group.split_at(group.len() / 2);
        for half in [first, second] {
            let reply = update(store, vec![note(store, provenance, fence, half)]).await?;
            if !answer::faults(&reply)?.is_empty() {
                refused.extend(refused_of(store, provenance, fence, half).await?);
            }
        }
        Ok(refused)
    })
}

/// Returns a statement that sets the same values for all items of a group.
fn note(store: &MongodbStore, provenance: &Provenance, fence: i64, group: &[&Seen]) -> Document {
    let mut query = of_keys(store, group.iter().map(|seen| &seen.key));
    query.insert("_gleaner.gone_at", doc! { "$exists": false });
    query.insert(FENCE, not_newer(fence));
    let at = group.iter().map(|seen| seen.at).max().unwrap_or_default();
    let fetched = group.first().and_then(|seen| seen.fetched.as_ref());
    doc! { "q": query, "u": seen_at(at, fetched, provenance, fence), "multi": true }
}

fn seen_at(
    at: Timestamp,
    fetched: Option<&Fetched>,
    provenance: &Provenance,
    fence: i64,
) -> Document {
    let mut set = doc! { "_gleaner.seen_at": date(at), FENCE: fence };
    let mut unset = doc! { "_gleaner.unlisted_at": "" };
    if fetched == Some(&Fetched::TakenOver) {
        set.insert("_gleaner.rules", &*provenance.rules);
    } else if fetched.is_some() {
        set.insert("_gleaner.sweep", &*provenance.sweep);
        set.insert("_gleaner.rules", &*provenance.rules);
        set.insert("_gleaner.fetched_at", date(at));
    }
    if let Some(Fetched::With(PageVersion { etag, last_modified, revision })) = fetched {
        for (path, value) in facts::VERSION.iter().zip([etag, last_modified, revision]) {
            match value {
                Some(value) => set.insert(path.as_str(), &**value),
                None => unset.insert(path.as_str(), ""),
            };
        }
    }
    doc! { "$set": set, "$unset": unset }
}

/// Implements [`crate::store::Documents::keys`].
pub async fn keys(
    store: &MongodbStore,
    after: Option<&Position>,
    most: usize,
) -> Result<Rows<Key>, StoreError> {
    let (found, next) = match store.layout {
        Layout::Own => store.by_id(after, Some(doc! { "_id": 1 }), most).await?,
        Layout::Adopted => by_key(store, after, most).await?,
    };
    let key = |found: &RawDocumentBuf| Key::normal(facts::key(found, store.layout)?);
    Ok(Rows::of(found.iter().map(key), next))
}

/// Returns keys of an adopted collection, by the index on them, which holds only texts.
async fn by_key(
    store: &MongodbStore,
    after: Option<&Position>,
    most: usize,
) -> Result<(Vec<RawDocumentBuf>, Option<Mark>), StoreError> {
    let path = store.layout.key_path();
    let after = after.map_or("", |after| after.document().get_str(path).unwrap_or_default());
    let only = doc! { "_id": 0, path: 1 };
    let options = FindOptions::builder().projection(only).sort(doc! { path: 1 }).build();
    let found = store.find(doc! { path: { "$gt": after } }, options, most).await?;
    let last = found.last().filter(|_| found.len() == most);
    let last = last.and_then(|last| facts::key(last, store.layout));
    let next = last.and_then(|last| RawDocumentBuf::try_from(&doc! { path: last }).ok());
    Ok((found, next.map(Mark::Document)))
}

/// Implements [`crate::store::Documents::live`].
pub async fn live(store: &MongodbStore, keys: &[Key]) -> Result<Vec<Live>, StoreError> {
    let mut filter = of_keys(store, keys);
    filter.insert("_gleaner.gone_at", doc! { "$exists": false });
    let wanted = ["key", "url", "first_seen", "changed_at", "unlisted_at"];
    let wanted: Document =
        wanted.into_iter().map(|name| (format!("_gleaner.{name}"), 1.into())).collect();
    let options = FindOptions::builder().projection(wanted).build();
    let found = store.find(filter, options, keys.len()).await?;
    Ok(found.iter().filter_map(|found| facts::live(found, store.layout)).collect())
}

/// Implements [`crate::store::Documents::count_live`].
pub async fn count_live(store: &MongodbStore) -> Result<u64, StoreError> {
    let filter = doc! {
        "_gleaner.key": { "$gt": "" },
        "_gleaner.gone_at": { "$exists": false },
    };
    store.connection.count(&store.place.collection, filter).await
}

/// Implements [`crate::store::Documents::mark_unlisted`].
pub async fn mark_unlisted(
    store: &MongodbStore,
    keys: &[Key],
    at: Timestamp,
) -> Result<(), StoreError> {
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let mut query = of_keys(store, keys);
        query.insert("_gleaner.unlisted_at", doc! { "$exists": false });
        mark(store, query, "unlisted_at", at).await?;
    }
    Ok(())
}

/// Implements [`crate::store::Documents::mark_gone`].
pub async fn mark_gone(
    store: &MongodbStore,
    keys: &[Key],
    at: Timestamp,
) -> Result<u64, StoreError> {
    let mut marked = 0;
    for keys in keys.chunks(KEYS_AT_ONCE) {
        let mut query = of_keys(store, keys);
        // Null matches an absent field.
        query.insert("_gleaner.gone_at", doc! { "$in": [Bson::Null, Bson::from(date(at))] });
        marked += mark(store, query, "gone_at", at).await?;
    }
    Ok(marked)
}

/// Marks the documents that a query finds, and returns their number. A document that has got such a
/// mark meanwhile keeps it.
async fn mark(
    store: &MongodbStore,
    query: Document,
    name: &str,
    at: Timestamp,
) -> Result<u64, StoreError> {
    let entry = store.lock()?;
    let only_id = FindOptions::builder().projection(doc! { "_id": 1 }).build();
    let found = store.find(query, only_id, KEYS_AT_ONCE).await?;
    let ids = found.iter().filter_map(|found| Document::try_from(found).ok());
    // Such a document cannot be named to `$merge`; there may be one, of somebody else's making.
    let ids: Vec<Document> = ids.filter(|found| found.get("_id") != Some(&Bson::Null)).collect();
    let count = ids.len() as u64;
    let facts = doc! { "$mergeObjects": [
        "$_gleaner",
        { name: { "$ifNull": [format!("$_gleaner.{name}"), date(at)] }, "fence": entry.fence },
    ] };
    let marked = doc! { "$cond": [is_newer(FENCE, &entry), "$_gleaner", facts] };
    let change = Change {
        collection: &store.place.collection,
        documents: ids,
        matched: vec![doc! { "$set": { "_gleaner": marked } }],
        inserts: false,
    };
    store.change_held(&entry, change).await?;
    Ok(count)
}

/// Returns a query for our documents with these keys.
fn of_keys<'a>(store: &MongodbStore, keys: impl IntoIterator<Item = &'a Key>) -> Document {
    let mut query = doc! { "_gleaner.key": { "$gt": "" } };
    query.extend(store.of_keys(keys));
    query
}

/// Returns a condition for documents that no later holder of the lock wrote.
fn not_newer(fence: i64) -> Document {
    doc! { "$not": { "$gt": fence } }
}

async fn update(store: &MongodbStore, updates: Vec<Document>) -> Result<Document, StoreError> {
    if updates.is_empty() {
        return Ok(Document::new());
    }
    let command = doc! { "update": &*store.place.collection, "updates": updates, "ordered": false };
    store.connection.change(command).await
}
