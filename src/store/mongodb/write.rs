//! Records to `update` commands and back to rejections.

use bson::raw::{CStr, RawArrayBuf, RawBsonRef, RawDocumentBuf, cstr};
use bson::{Document as Bson, doc};
use futures_util::future::BoxFuture;

use super::answer::{self, Fault};
use super::facts::{self, Prepared};
use super::layout::Layout;
use super::{Connection, MongodbStore};
use crate::document::raw::{Place, Writing};
use crate::record::{Record, Stamp, Verdict};
use crate::store::{Rejection, Store, StoreError};

/// Bytes of documents in one command. A command holds 16,793,600 bytes in all, and each update
/// adds some around its document.
const COMMAND_BYTES: usize = 12 << 20;
/// Bytes that an update has around its document and its key, at most.
const UPDATE_BYTES: usize = 128;
/// Bytes that a command usually has around its updates.
const COMMAND_AROUND: usize = 1_024;

/// A record to be written, and its place in the batch.
struct Update<'r> {
    at: usize,
    key: &'r str,
    document: Prepared<'r>,
}

impl<'r> Update<'r> {
    fn of(
        (at, record): (usize, &'r Record),
        stamp: &Stamp,
        layout: Layout,
    ) -> Result<Update<'r>, Rejection> {
        let document = facts::prepare(record, stamp, layout);
        let document = document.map_err(|reason| Rejection { at, reason })?;
        Ok(Update { at, key: record.key.as_str(), document })
    }
}

/// What commands are made for.
#[derive(Clone, Copy)]
struct Target<'s> {
    collection: &'s str,
    layout: Layout,
    write_concern: &'s Bson,
}

impl<'s> Target<'s> {
    fn of(store: &'s MongodbStore) -> Target<'s> {
        let MongodbStore { connection: Connection { write_concern, .. }, place, layout, .. } =
            store;
        Target { collection: &place.collection, layout: *layout, write_concern }
    }
}

/// The command that brings new and changed records into a collection that gleaner made, all of
/// them at once: so what it costs to build one can be measured without a server.
///
/// # Errors
/// The first record that MongoDB cannot hold.
pub fn update_command(
    collection: &str,
    stamp: &Stamp,
    records: &[Record],
) -> Result<RawDocumentBuf, Rejection> {
    let target =
        Target { collection, layout: Layout::Own, write_concern: &doc! { "w": "majority" } };
    let updates = records.iter().enumerate().map(|it| Update::of(it, stamp, target.layout));
    Ok(command(target, &updates.collect::<Result<Vec<_>, _>>()?))
}

/// Writes a batch: those new or changed are replaced, those that are the same are touched.
pub async fn write(
    store: &MongodbStore,
    stamp: &Stamp,
    records: &[Record],
) -> Result<Vec<Rejection>, StoreError> {
    let is_same = |at: &usize| records[*at].verdict == Verdict::Same;
    let (same, other): (Vec<usize>, Vec<usize>) = (0..records.len()).partition(is_same);
    let mut rejections = replace(store, stamp, records, &other).await?;
    let again = match touch(store, stamp, records, &same).await? {
        Touched::All => Vec::new(),
        Touched::NotAll => vanished(store, records, same).await?,
        Touched::Refused => same,
    };
    rejections.extend(replace(store, stamp, records, &again).await?);
    Ok(rejections)
}

async fn replace(
    store: &MongodbStore,
    stamp: &Stamp,
    records: &[Record],
    places: &[usize],
) -> Result<Vec<Rejection>, StoreError> {
    let mut rejections = Vec::new();
    let mut updates = Vec::with_capacity(places.len());
    let mut bytes = 0;
    for &at in places {
        match Update::of((at, &records[at]), stamp, store.layout) {
            Err(rejection) => rejections.push(rejection),
            Ok(update) => {
                let size = update.document.size();
                if bytes + size > COMMAND_BYTES && !updates.is_empty() {
                    rejections.extend(send(store, &updates).await?);
                    updates.clear();
                    bytes = 0;
                }
                bytes += size;
                updates.push(update);
            }
        }
    }
    if !updates.is_empty() {
        rejections.extend(send(store, &updates).await?);
    }
    Ok(rejections)
}

fn query(key: &str, layout: Layout) -> RawDocumentBuf {
    let mut query = RawDocumentBuf::new();
    query.append(key_field(layout), key);
    query
}

/// What documents are found by.
fn key_field(layout: Layout) -> &'static CStr {
    match layout {
        Layout::Own => cstr!("_id"),
        Layout::Adopted => cstr!("_gleaner.key"),
    }
}

/// Sends updates in one command. What the command as a whole refuses because of some document is
/// halved until that document is found.
fn send<'a>(
    store: &'a MongodbStore,
    updates: &'a [Update<'a>],
) -> BoxFuture<'a, Result<Vec<Rejection>, StoreError>> {
    Box::pin(async move {
        let reply = match store.connection.command(command(Target::of(store), updates)).await {
            Ok(reply) => reply,
            Err(StoreError::Failed(reason)) if answer::is_of_documents(&reason) => {
                return halve(store, updates, reason).await;
            }
            Err(error) => return Err(error),
        };
        let mut rejections = Vec::new();
        for (index, fault) in answer::faults(&reply)? {
            let Some(update) = updates.get(index) else { continue };
            match fault {
                Fault::Document(reason) => rejections.push(Rejection { at: update.at, reason }),
                Fault::Race(reason) => rejections.extend(once_more(store, update, reason).await?),
            }
        }
        Ok(rejections)
    })
}

async fn halve(
    store: &MongodbStore,
    updates: &[Update<'_>],
    reason: String,
) -> Result<Vec<Rejection>, StoreError> {
    if let [only] = updates {
        return Ok(vec![Rejection { at: only.at, reason }]);
    }
    let (first, second) = updates.split_at(updates.len() / 2);
    let mut rejections = send(store, first).await?;
    rejections.extend(send(store, second).await?);
    Ok(rejections)
}

/// Two upserts of one key can both find nothing and both insert: the one that came second is
/// tried again, and then finds the other's. Where it fails again, another unique index is in the
/// way, and the document cannot be stored.
async fn once_more(
    store: &MongodbStore,
    update: &Update<'_>,
    reason: String,
) -> Result<Option<Rejection>, StoreError> {
    let update = std::slice::from_ref(update);
    let reply = store.connection.command(command(Target::of(store), update)).await?;
    let failed = !answer::faults(&reply)?.is_empty();
    Ok(failed.then_some(Rejection { at: update[0].at, reason }))
}

/// The command that brings documents, new or in place of others.
fn command(target: Target<'_>, updates: &[Update<'_>]) -> RawDocumentBuf {
    let size = |update: &Update<'_>| update.document.size() + update.key.len() + UPDATE_BYTES;
    command_of(target, updates.iter().map(size).sum(), |list| {
        for (number, update) in updates.iter().enumerate() {
            list.document(Place::Element(number), |item| replacement(item, update, target.layout));
        }
    })
}

/// The command with these updates of about so many bytes, in the one buffer that it is sent from.
fn command_of(
    target: Target<'_>,
    bytes: usize,
    updates: impl FnOnce(&mut Writing),
) -> RawDocumentBuf {
    let mut command = Writing::with_capacity(bytes + COMMAND_AROUND);
    command.put(Place::Member(cstr!("update")), RawBsonRef::String(target.collection));
    command.array(Place::Member(cstr!("updates")), updates);
    command.put(Place::Member(cstr!("ordered")), RawBsonRef::Boolean(false));
    let concern = RawDocumentBuf::try_from(target.write_concern).unwrap_or_default();
    command.document(Place::Member(cstr!("writeConcern")), |into| into.splice(&concern));
    // Fails only over 2 GiB, and a command is cut long before.
    command.end().unwrap_or_default()
}

fn replacement(item: &mut Writing, update: &Update<'_>, layout: Layout) {
    let Update { key, document, .. } = update;
    item.document(Place::Member(cstr!("q")), |query| {
        query.put(Place::Member(key_field(layout)), RawBsonRef::String(key));
    });
    let new = Place::Member(cstr!("u"));
    if document.has_operators {
        // A replacement refuses names that begin with `$`; a literal does not look at them.
        item.array(new, |pipeline| {
            pipeline.document(Place::Element(0), |stage| {
                stage.document(Place::Member(cstr!("$replaceWith")), |with| {
                    let literal = Place::Member(cstr!("$literal"));
                    with.document(literal, |into| document.write(into));
                });
            });
        });
    } else {
        item.document(new, |into| document.write(into));
    }
    item.put(Place::Member(cstr!("upsert")), RawBsonRef::Boolean(true));
}

/// How marking went.
enum Touched {
    /// All were there.
    All,
    /// Some were not there.
    NotAll,
    /// The server refuses the change of some: written in full, that one is found.
    Refused,
}

/// Marks documents that did not change as seen. One statement marks all but those with validators,
/// a revision or a time of their own.
async fn touch(
    store: &MongodbStore,
    stamp: &Stamp,
    records: &[Record],
    same: &[usize],
) -> Result<Touched, StoreError> {
    if same.is_empty() {
        return Ok(Touched::All);
    }
    let mut updates: Vec<RawDocumentBuf> = Vec::new();
    let mut alike: Vec<&Record> = Vec::new();
    for record in same.iter().map(|&at| &records[at]) {
        let alone = record.etag.is_some()
            || record.last_modified.is_some()
            || record.revision.is_some()
            || record.changed_at == record.fetched_at
            || record.seen_at != record.fetched_at;
        if alone {
            let mut set = facts::touch(record, stamp);
            let unset = facts::touch_alone(&mut set, record);
            updates.push(touch_update(query(record.key.as_str(), store.layout), set, unset, false));
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
        query.append(key_field(store.layout), any);
        let unset = facts::nothing_alone();
        updates.push(touch_update(query, facts::touch(last, stamp), unset, true));
    }
    let bytes = updates.iter().map(|update| update.as_bytes().len() + UPDATE_BYTES).sum();
    let command = command_of(Target::of(store), bytes, |list| {
        for (number, update) in updates.iter().enumerate() {
            list.document(Place::Element(number), |item| item.splice(update));
        }
    });
    let reply = match store.connection.command(command).await {
        Err(StoreError::Failed(reason)) if answer::is_of_documents(&reason) => {
            return Ok(Touched::Refused);
        }
        reply => reply?,
    };
    let touched = reply.get_i32("n").ok().and_then(|n| usize::try_from(n).ok());
    Ok(match answer::faults(&reply)?.is_empty() {
        false => Touched::Refused,
        true if touched == Some(same.len()) => Touched::All,
        true => Touched::NotAll,
    })
}

fn touch_update(
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

/// Of the records that were taken to be in the store, those that are not.
async fn vanished(
    store: &MongodbStore,
    records: &[Record],
    same: Vec<usize>,
) -> Result<Vec<usize>, StoreError> {
    let keys: Vec<_> = same.iter().map(|&at| records[at].key.clone()).collect();
    let found = store.known(&keys).await?;
    let found: std::collections::HashSet<_> = found.into_iter().map(|known| known.key).collect();
    Ok(same.into_iter().filter(|&at| !found.contains(&records[at].key)).collect())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use crate::document::{Document, Encoding, Json};
    use crate::record::Key;
    use crate::refresh::{self, Origin};
    use crate::task::DetailPage;

    fn record(key: &str, text: &'static str) -> Record {
        let text = Bytes::from_static(text.as_bytes());
        let document = Document::new(Json::parse(&text).unwrap(), &text, Encoding::Bson).unwrap();
        let item = DetailPage::of(Key::new(key).unwrap());
        refresh::record(item, Origin::default(), document, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_command_brings_each_record_by_its_key_or_names_the_one_that_cannot_be_held() {
        let stamp = Stamp { sweep: "s".into(), rules: "r".into() };
        let fit = || record("1", r#"{"a":1}"#);
        let command = update_command("books", &stamp, &[fit(), record("2", "{}")]).unwrap();
        assert_eq!(command.get_str("update").unwrap(), "books");
        let updates = command.get_array("updates").unwrap();
        let keys = updates.into_iter().flatten().filter_map(|update| update.as_document());
        let keys = keys.map(|update| update.get_document("q").unwrap().get_str("_id").unwrap());
        assert_eq!(keys.collect::<Vec<_>>(), ["1", "2"]);
        let unfit = record("2", "{\"a\\u0000b\":1}");
        let refused = update_command("books", &stamp, &[fit(), unfit]).unwrap_err();
        assert_eq!(refused.at, 1, "{}", refused.reason);
    }
}
