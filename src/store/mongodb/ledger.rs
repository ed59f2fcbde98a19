//! `gleaner_sweeps`: the ledger, which contains the lock.
//!
//! A lock is an entry in state running. A unique index allows one for each site and collection, so
//! of several concurrent inserts, one succeeds. An existing entry is changed by a single statement
//! whose filter states its expected values. Heartbeats use the server's clock, `$$NOW`.

use std::time::Duration;

use bson::{Bson, Document, doc};

use super::facts::{date, timestamp};
use super::layout::Layout;
use super::{Connection, LONGEST_CALL, LONGEST_LOOK, MongodbStore, answer};
use crate::model::report::Kind;
use crate::observe::progress::Progress;
use crate::store::{Place, StoreError};
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, Scope, SweepEntry};

pub const SWEEPS: &str = "gleaner_sweeps";
const RUNNING: &str = "running";
/// Maximum number of entries in one request. They fit into one reply, however long their reports
/// are.
const AT_ONCE: usize = 100;
/// Fields of an entry that hold dates.
const DATES: [&str; 5] = ["started_at", "resumed_at", "ended_at", "heartbeat_at", "since"];

/// Returns an error if the collection belongs to another site.
pub async fn check_owner(
    connection: &Connection,
    site: &str,
    collection: &str,
) -> Result<(), StoreError> {
    let others = doc! { "collection": collection, "site": { "$ne": site } };
    let other = connection.find_one(SWEEPS, others).await?;
    match other.as_ref().map(|entry| entry.get_str("site").unwrap_or("another site")) {
        None => Ok(()),
        Some(owner) => Err(StoreError::Unusable(format!(
            "the collection {collection} belongs to the site {owner}; {site} needs one of its own: use --collection"
        ))),
    }
}

/// Creates the indexes that implement the lock. First ends running entries without a holder as
/// failed: earlier versions left such entries when they were killed, and several of one site would
/// violate the index.
async fn prepare(connection: &Connection) -> Result<(), StoreError> {
    let abandoned = doc! { "state": RUNNING, "holder": { "$exists": false } };
    let update = doc! { "q": abandoned, "u": end_as_failed(), "multi": true };
    answer::done(&connection.change(doc! { "update": SWEEPS, "updates": [update] }).await?)?;
    let one_running = doc! {
        "key": { "site": 1, "collection": 1 },
        "name": "gleaner_one_running",
        "unique": true,
        "partialFilterExpression": { "state": RUNNING },
    };
    // Two runs may read the same last number. Then one of them is refused.
    let one_fence = doc! {
        "key": { "site": 1, "collection": 1, "fence": 1 },
        "name": "gleaner_one_fence",
        "unique": true,
        "partialFilterExpression": { "fence": { "$exists": true } },
    };
    let indexes = [one_running, one_fence];
    let made = connection.change(doc! { "createIndexes": SWEEPS, "indexes": indexes }).await?;
    answer::done(&made).map(drop)
}

/// Implements [`crate::store::Ledger::sweeps`].
pub async fn sweeps(
    connection: &Connection,
    place: &Place,
    most: usize,
) -> Result<Vec<LedgerEntry>, StoreError> {
    sweeps_before(connection, place, None, most).await
}

/// Implements [`crate::store::Restore::sweeps_before`]; without an entry, returns the newest sweeps.
pub async fn sweeps_before(
    connection: &Connection,
    place: &Place,
    before: Option<&SweepEntry>,
    most: usize,
) -> Result<Vec<LedgerEntry>, StoreError> {
    let mut entries: Vec<LedgerEntry> = Vec::new();
    while entries.len() < most {
        let some = AT_ONCE.min(most - entries.len());
        let mut pipeline = of(place);
        let last = entries.last().map(|last| &last.entry).or(before);
        pipeline.extend(last.map(|SweepEntry { fence, id, .. }| {
            let same = doc! { "fence": fence, "_id": { "$lt": &**id } };
            doc! { "$match": { "$or": [{ "fence": { "$lt": fence } }, same] } }
        }));
        pipeline.extend([
            doc! { "$sort": newest_first() },
            doc! { "$limit": some as i64 },
            silence(),
        ]);
        let found = connection.aggregate(LONGEST_CALL, SWEEPS, pipeline).await?;
        let is_end = found.len() < some;
        for entry in found {
            entries.push(read(entry)?);
        }
        if is_end {
            break;
        }
    }
    Ok(entries)
}

/// Returns the entry with this id.
pub async fn sweep(
    connection: &Connection,
    place: &Place,
    id: &str,
) -> Result<Option<LedgerEntry>, StoreError> {
    let mut pipeline = of(place);
    pipeline.extend([doc! { "$match": { "_id": id } }, silence()]);
    let found = connection.aggregate(LONGEST_CALL, SWEEPS, pipeline).await?;
    found.into_iter().next().map(read).transpose()
}

/// See [`crate::store::Ledger::whole_sweeps`].
pub async fn whole(
    connection: &Connection,
    place: &Place,
    most: usize,
) -> Result<Vec<SweepEntry>, StoreError> {
    let mut pipeline = of(place);
    pipeline.extend([
        doc! { "$match": { "state": "complete", "limited": { "$ne": true } } },
        doc! { "$sort": newest_first() },
        doc! { "$limit": most as i64 },
        silence(),
    ]);
    let found = connection.aggregate(LONGEST_CALL, SWEEPS, pipeline).await?;
    found.into_iter().map(|entry| Ok(read(entry)?.entry)).collect()
}

/// Implements [`crate::store::Ledger::latest_sweeps`].
pub async fn latest(
    connection: &Connection,
    place: &Place,
) -> Result<Vec<LedgerEntry>, StoreError> {
    let is_partial = doc! { "$gt": ["$since", null] };
    let kind = doc! { "limited": "$limited", "is_partial": is_partial, "state": "$state" };
    let mut pipeline = of(place);
    pipeline.extend([
        doc! { "$sort": newest_first() },
        doc! { "$group": { "_id": kind, "latest": { "$first": "$$ROOT" } } },
        doc! { "$replaceWith": "$latest" },
        doc! { "$sort": newest_first() },
        silence(),
    ]);
    let found = connection.aggregate(LONGEST_CALL, SWEEPS, pipeline).await?;
    found.into_iter().map(read).collect()
}

/// Returns stages for the entries of a site and collection. Entries of earlier versions get number
/// 0.
fn of(place: &Place) -> Vec<Document> {
    vec![
        doc! { "$match": { "site": &*place.site, "collection": &*place.collection } },
        doc! { "$set": { "fence": { "$ifNull": ["$fence", 0_i64] } } },
    ]
}

fn newest_first() -> Document {
    doc! { "fence": -1, "_id": -1 }
}

fn silence() -> Document {
    doc! { "$set": { "silent_ms": { "$subtract": ["$$NOW", "$heartbeat_at"] } } }
}

/// Returns the number of the next lock on a site and collection.
async fn next_fence(store: &MongodbStore, entry: &SweepEntry) -> Result<i64, StoreError> {
    let highest = async |collection: &str, of: Document, path: &str| {
        let last = doc! { "$group": { "_id": null, "last": { "$max": path } } };
        let pipeline = vec![doc! { "$match": of }, last];
        let found = store.connection.aggregate(LONGEST_LOOK, collection, pipeline).await?;
        Ok::<_, StoreError>(found.first().and_then(|found| found.get_i64("last").ok()))
    };
    let Scope { site, collection, .. } = &entry.scope;
    let ours = doc! { "site": &**site, "collection": &**collection };
    let last = match highest(SWEEPS, ours, "$fence").await? {
        Some(last) => Some(last),
        // The ledger may be missing or of an earlier version, while documents have numbers.
        None => highest(collection, Document::new(), "$_gleaner.fence").await?,
    };
    Ok(last.unwrap_or(0) + 1)
}

/// Returns the number under which `entry` is already running.
async fn fence(connection: &Connection, entry: &SweepEntry) -> Result<i64, StoreError> {
    let found = connection.find_one(SWEEPS, doc! { "_id": &*entry.id }).await?;
    Ok(found.and_then(|found| found.get_i64("fence").ok()).unwrap_or(0))
}

/// Implements [`crate::store::Ledger::take_lock`].
pub async fn take_lock(store: &MongodbStore, claim: &Claim) -> Result<Option<i64>, StoreError> {
    let MongodbStore { connection, layout, .. } = store;
    let Claim { entry, resumes, evicts } = claim;
    // The number is unknown if a reply was lost.
    if renew_lock(connection, &SweepEntry { fence: 0, ..entry.clone() }, None).await? {
        return fence(connection, entry).await.map(Some);
    }
    // Another site may have started to use the collection since the store was opened.
    check_owner(connection, &entry.scope.site, &entry.scope.collection).await?;
    if let Some(dead) = evicts {
        let as_read = doc! { "_id": &*dead.id, "state": RUNNING, "heartbeat_at": heartbeat(dead) };
        if !changes(connection, doc! { "q": as_read, "u": end_as_failed() }).await? {
            return Ok(None);
        }
    }
    prepare(connection).await?;
    let fence = next_fence(store, entry).await?.max(entry.fence);
    let written = written(entry, *layout)?;
    let alive = doc! { "heartbeat_at": "$$NOW", "fence": fence };
    let put = vec![doc! { "$replaceWith": { "$mergeObjects": [{ "$literal": written }, alive] } }];
    let update = match resumes {
        Some(last) => {
            let as_read = doc! {
                "_id": &*last.id,
                "state": last.state.to_string(),
                "heartbeat_at": heartbeat(last),
                "ended_at": last.ended_at.map_or(Bson::Null, |at| date(at).into()),
            };
            doc! { "q": as_read, "u": put }
        }
        None => {
            // Matches no existing entry, so that this either inserts or is refused.
            let absent = doc! { "_id": &*entry.id, "state": { "$exists": false } };
            doc! { "q": absent, "u": put, "upsert": true }
        }
    };
    Ok(changes(connection, update).await?.then_some(fence))
}

/// Implements [`crate::store::Ledger::renew_lock`].
pub async fn renew_lock(
    connection: &Connection,
    entry: &SweepEntry,
    progress: Option<&Progress>,
) -> Result<bool, StoreError> {
    let mut alive = doc! { "heartbeat_at": "$$NOW" };
    if let Some(progress) = progress {
        alive.insert("progress", doc! { "$literal": serialized(progress)? });
    }
    changes(connection, doc! { "q": held(entry)?, "u": [{ "$set": alive }] }).await
}

/// Returns a filter for the entry while its lock is held. A number of 0 means that it is unknown.
pub fn held(entry: &SweepEntry) -> Result<Document, StoreError> {
    let mut held = of_holder(entry)?;
    held.insert("state", RUNNING);
    Ok(held)
}

fn of_holder(entry: &SweepEntry) -> Result<Document, StoreError> {
    let mut of_holder = doc! { "_id": &*entry.id, "holder": holder(entry)? };
    if entry.fence > 0 {
        of_holder.insert("fence", entry.fence);
    }
    Ok(of_holder)
}

/// Implements [`crate::store::Ledger::finish_sweep`].
pub async fn finish_sweep(
    connection: &Connection,
    layout: Layout,
    entry: &SweepEntry,
) -> Result<bool, StoreError> {
    let mut held = of_holder(entry)?;
    // A call whose reply was lost may have ended it already.
    let ended = entry.ended_at.map(|at| doc! { "ended_at": date(at) });
    let states: Vec<_> = [doc! { "state": RUNNING }].into_iter().chain(ended).collect();
    held.insert("$or", states);
    let written = doc! { "$literal": written(entry, layout)? };
    let put = doc! { "$replaceWith": { "$mergeObjects": [written, { "fence": "$fence" }] } };
    changes(connection, doc! { "q": held, "u": [put] }).await
}

/// Implements [`crate::store::Restore::restore_sweeps`].
pub async fn restore(store: &MongodbStore, entries: &[LedgerEntry]) -> Result<(), StoreError> {
    let lock = store.lock()?;
    for entries in entries.chunks(AT_ONCE) {
        if !renew_lock(&store.connection, &lock, None).await? {
            return Err(StoreError::LockLost);
        }
        let updates: Result<Vec<Document>, StoreError> =
            entries.iter().map(|entry| restored(entry, store.layout)).collect();
        let command = doc! { "update": SWEEPS, "updates": updates?, "ordered": false };
        let reply = store.connection.change(command).await?;
        if answer::is_duplicate(&reply) {
            return Err(StoreError::Failed(
                "gleaner_sweeps holds a sweep of another site with the id of one that is copied, or \
                 one that ran since"
                    .to_owned(),
            ));
        }
        answer::done(&reply)?;
    }
    Ok(())
}

/// Returns the statement that writes an entry of another store. It does not match an entry of
/// another site, nor one that has run since; then inserting fails because the id exists.
fn restored(found: &LedgerEntry, layout: Layout) -> Result<Document, StoreError> {
    let LedgerEntry { entry, progress, .. } = found;
    let Scope { site, collection, .. } = &entry.scope;
    let mut document = written(entry, layout)?;
    // The index on the numbers leaves out entries of earlier versions, which have none.
    if entry.fence > 0 {
        document.insert("fence", entry.fence);
    }
    if let Some(progress) = progress {
        document.insert("progress", serialized(progress)?);
    }
    let of_site = doc! {
        "_id": &*entry.id, "site": &**site, "collection": &**collection,
        "fence": { "$not": { "$gt": entry.fence } },
    };
    let put = vec![doc! { "$replaceWith": { "$literal": document } }];
    Ok(doc! { "q": of_site, "u": put, "upsert": true })
}

/// Changes one entry. Returns `true` if the entry existed or was inserted.
async fn changes(connection: &Connection, update: Document) -> Result<bool, StoreError> {
    let reply = connection.change(doc! { "update": SWEEPS, "updates": [update] }).await?;
    if answer::is_duplicate(&reply) {
        return Ok(false);
    }
    answer::done(&reply).map(|count| count > 0)
}

fn end_as_failed() -> Vec<Document> {
    let end = doc! { "state": "failed", "ended_at": "$$NOW" };
    vec![doc! { "$set": end }, doc! { "$unset": "heartbeat_at" }]
}

/// Returns the entry as a document, without heartbeat and number.
fn written(entry: &SweepEntry, layout: Layout) -> Result<Document, StoreError> {
    let mut document = serialized(entry)?;
    document.remove("id");
    document.insert("_id", &*entry.id);
    document.insert("layout", layout.name());
    document.remove("fence");
    document.insert("started_at", date(entry.started_at));
    document.remove("heartbeat_at");
    let since = entry.kind.since();
    let times = [("resumed_at", entry.resumed_at), ("ended_at", entry.ended_at), ("since", since)];
    for (name, at) in times {
        match at {
            Some(at) => document.insert(name, date(at)),
            None => document.remove(name),
        };
    }
    match &entry.report {
        Some(report) => {
            let mut written = serialized(report)?;
            written.insert("started_at", date(report.started_at));
            let since = report.baseline.kind.and_then(Kind::since);
            since.map(|since| written.insert("since", date(since)));
            document.insert("report", written)
        }
        None => document.remove("report"),
    };
    if entry.holder.is_none() {
        document.remove("holder");
    }
    Ok(document)
}

/// Returns the holder for a filter. Null matches an absent field.
fn holder(entry: &SweepEntry) -> Result<Bson, StoreError> {
    Ok(entry.holder.as_ref().map(serialized).transpose()?.map_or(Bson::Null, Bson::from))
}

/// Returns the heartbeat for a filter.
fn heartbeat(entry: &SweepEntry) -> Bson {
    entry.heartbeat_at.map_or(Bson::Null, |at| date(at).into())
}

fn serialized<T: serde::Serialize>(value: &T) -> Result<Document, StoreError> {
    bson::serialize_to_document(value).map_err(|error| StoreError::Failed(error.to_string()))
}

/// Parses an entry. A report or holder that another version wrote differently counts as absent.
fn read(mut document: Document) -> Result<LedgerEntry, StoreError> {
    let silent = document.remove("silent_ms");
    let silent = silent.and_then(|silent| u64::try_from(silent.as_i64()?).ok());
    let id = document.remove("_id").unwrap_or(Bson::Null);
    document.insert("id", &id);
    for name in DATES {
        text_for_date(&mut document, name);
    }
    let mut report = document.remove("report");
    if let Some(Bson::Document(report)) = &mut report {
        text_for_date(report, "started_at");
        text_for_date(report, "since");
    }
    let holder = document.remove("holder");
    let progress = document.remove("progress");
    let expect = document.remove("expect");
    let mut entry: SweepEntry = bson::deserialize_from_document(document).map_err(|error| {
        StoreError::Failed(format!("the ledger's entry {id} cannot be read: {error}"))
    })?;
    entry.report = report.and_then(|report| bson::deserialize_from_bson(report).ok());
    entry.holder = holder.and_then(|holder| bson::deserialize_from_bson(holder).ok());
    let expect = expect.and_then(|expect| bson::deserialize_from_bson(expect).ok());
    entry.scope.expect = expect.unwrap_or_default();
    let silent_for = silent.map(Duration::from_millis);
    let progress = progress.and_then(|progress| bson::deserialize_from_bson(progress).ok());
    Ok(LedgerEntry { entry, silent_for, progress })
}

fn text_for_date(document: &mut Document, name: &str) {
    if let Some(time) = document.get_datetime(name).ok().and_then(|date| timestamp(*date)) {
        document.insert(name, time.to_string());
    }
}
