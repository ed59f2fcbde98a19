//! Records with unchanged documents: marked as seen without writing the documents.

use bson::raw::{RawArrayBuf, RawDocumentBuf, cstr};

use super::answer::{self, Refusal};
use super::command::{ENTRY_BYTES, Target, Way, command_of, key_field};
use super::{MongodbStore, facts};
use crate::model::document::raw::Place;
use crate::model::record::{PageVersion, Provenance, Record};
use crate::store::{Documents, StoreError};

/// Result of marking.
pub enum Touched {
    /// All documents existed.
    All,
    /// Some documents did not exist.
    NotAll,
    /// The server refused some of the changes. Writing them in full finds out which.
    Refused,
}

/// Marks unchanged documents as seen. One statement covers all records, except those with
/// validators, a revision or a time of their own.
pub async fn touch(
    store: &MongodbStore,
    target: Target<'_>,
    provenance: &Provenance,
    records: &[Record],
    same: &[usize],
) -> Result<Touched, StoreError> {
    if same.is_empty() {
        return Ok(Touched::All);
    }
    let mut updates: Vec<RawDocumentBuf> = Vec::new();
    let mut alike: Vec<&Record> = Vec::new();
    for record in same.iter().map(|&at| &records[at]) {
        let alone = record.has_moved
            || record.version != PageVersion::default()
            || record.changed_at == record.fetched_at
            || record.seen_at != record.fetched_at;
        if alone {
            let mut set = facts::touch(record, provenance, target.fence);
            let unset = facts::touch_alone(&mut set, record);
            let mut query = RawDocumentBuf::new();
            query.append(key_field(target.layout), record.key.as_str());
            query.append(facts::FENCE, facts::not_newer(target.fence));
            updates.push(update(query, set, unset, false));
        } else {
            alike.push(record);
        }
    }
    if let Some(last) = alike.iter().max_by_key(|record| record.fetched_at) {
        let mut keys = RawArrayBuf::new();
        for record in &alike {
            keys.push(record.key.as_str());
        }
        let mut any = RawDocumentBuf::new();
        any.append(cstr!("$in"), keys);
        let mut query = RawDocumentBuf::new();
        query.append(key_field(target.layout), any);
        query.append(facts::FENCE, facts::not_newer(target.fence));
        let unset = facts::nothing_alone();
        updates.push(update(query, facts::touch(last, provenance, target.fence), unset, true));
    }
    let bytes = updates.iter().map(|update| update.as_bytes().len() + ENTRY_BYTES).sum();
    let command = command_of(target, Way::Update, bytes, |list| {
        for (number, update) in updates.iter().enumerate() {
            list.document(Place::Element(number), |item| item.splice(update));
        }
    });
    let reply = match store.connection.command(command).await {
        Err(Refusal::Document(_)) => return Ok(Touched::Refused),
        reply => reply.map_err(Refusal::into_error)?,
    };
    Ok(match answer::faults(&reply)?.is_empty() {
        false => Touched::Refused,
        true if answer::count(&reply) == same.len() as u64 => Touched::All,
        true => Touched::NotAll,
    })
}

fn update(
    query: RawDocumentBuf,
    set: RawDocumentBuf,
    mut unset: RawDocumentBuf,
    multi: bool,
) -> RawDocumentBuf {
    unset.append(cstr!("_gleaner.gone_at"), "");
    let mut change = RawDocumentBuf::new();
    change.append(cstr!("$set"), set);
    change.append(cstr!("$unset"), unset);
    let mut update = RawDocumentBuf::new();
    update.append(cstr!("q"), query);
    update.append(cstr!("u"), change);
    update.append(cstr!("multi"), multi);
    update
}

/// Returns those of the supposedly stored records that are not in the store.
///
/// # Errors
/// Returns an error if a later holder of the lock wrote one of them, or the store cannot be
/// queried.
pub async fn vanished(
    store: &MongodbStore,
    target: Target<'_>,
    records: &[Record],
    same: Vec<usize>,
) -> Result<Vec<usize>, StoreError> {
    let keys: Vec<_> = same.iter().map(|&at| records[at].key.clone()).collect();
    store.refuse_newer(&keys, target.fence).await?;
    let found = store.known(&keys).await?;
    let found: std::collections::HashSet<_> = found.into_iter().map(|known| known.key).collect();
    Ok(same.into_iter().filter(|&at| !found.contains(&records[at].key)).collect())
}
