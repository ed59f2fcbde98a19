//! Writes records with commands, and collects the rejections: new documents are inserted, and
//! existing ones are replaced.

use bson::doc;
use bson::raw::{RawBsonRef, RawDocumentBuf, cstr};
use futures_util::future::BoxFuture;

use super::MongodbStore;
use super::answer::{self, Fault, Refusal};
use super::command::{ENTRY_BYTES, Target, Way, command_of, key_field};
use super::facts::{self, Prepared};
use super::layout::Layout;
use super::touch::{self, Touched};
use crate::model::document::raw::{Place, Writing};
use crate::model::record::{Key, Provenance, Record, Verdict};
use crate::store::{DocumentCopy, Rejection, StoreError};

/// Maximum size of the documents in one command, in bytes. The server's limit for a command is
/// 16,793,600 bytes, and each entry adds some overhead.
const COMMAND_BYTES: usize = 12 << 20;

/// A record to write, and its index in the batch.
struct Entry<'r> {
    at: usize,
    key: &'r str,
    way: Way,
    document: Prepared<'r>,
}

impl<'r> Entry<'r> {
    fn of(
        (at, record): (usize, &'r Record),
        provenance: &Provenance,
        target: Target<'_>,
    ) -> Result<Entry<'r>, Rejection> {
        let document = facts::prepare(record, provenance, target);
        Entry::new(at, &record.key, document, record.verdict == Verdict::New)
    }

    /// Returns the entry of a document of another store, which this one most likely lacks.
    fn of_copy(
        (at, copy): (usize, &'r DocumentCopy),
        target: Target<'_>,
    ) -> Result<Entry<'r>, Rejection> {
        Entry::new(at, &copy.known.key, facts::prepare_copy(copy, target), true)
    }

    fn new(
        at: usize,
        key: &'r Key,
        document: Result<Prepared<'r>, String>,
        is_new: bool,
    ) -> Result<Entry<'r>, Rejection> {
        let document = document.map_err(|reason| Rejection { at, reason })?;
        // Servers before 5.0 do not insert names that begin with `$`.
        let way = if is_new && !document.has_operators { Way::Insert } else { Way::Update };
        Ok(Entry { at, key: key.as_str(), way, document })
    }

    /// Returns the maximum size in a command, in bytes.
    fn size(&self) -> usize {
        self.document.size() + self.key.len() + ENTRY_BYTES
    }
}

/// Builds the command that inserts all records into a collection of gleaner. Benchmarks use it to
/// measure building a command without a server.
///
/// # Errors
/// Returns a rejection for the first record that MongoDB cannot hold.
pub fn insert_command(
    collection: &str,
    provenance: &Provenance,
    records: &[Record],
) -> Result<RawDocumentBuf, Rejection> {
    let write_concern = &doc! { "w": "majority" };
    let target = Target { collection, layout: Layout::Own, fence: 1, write_concern };
    let entries = records.iter().enumerate().map(|it| Entry::of(it, provenance, target));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    Ok(command(target, Way::Insert, &entries.iter().collect::<Vec<_>>()))
}

/// Writes a batch: new and changed documents in full, unchanged ones by marking them.
pub async fn write(
    store: &MongodbStore,
    provenance: &Provenance,
    records: &[Record],
) -> Result<Vec<Rejection>, StoreError> {
    let is_same = |at: &usize| records[*at].verdict == Verdict::Same;
    let (same, other): (Vec<usize>, Vec<usize>) = (0..records.len()).partition(is_same);
    let target = Target::of(store)?;
    let mut rejections = bring(store, target, provenance, records, &other).await?;
    let again = match touch::touch(store, target, provenance, records, &same).await? {
        Touched::All => Vec::new(),
        Touched::NotAll => touch::vanished(store, target, records, same).await?,
        Touched::Refused => same,
    };
    rejections.extend(bring(store, target, provenance, records, &again).await?);
    Ok(rejections)
}

async fn bring(
    store: &MongodbStore,
    target: Target<'_>,
    provenance: &Provenance,
    records: &[Record],
    places: &[usize],
) -> Result<Vec<Rejection>, StoreError> {
    let entries = places.iter().map(|&at| Entry::of((at, &records[at]), provenance, target));
    send_all(store, target, entries).await
}

/// Writes documents of another store with their metadata.
pub async fn restore(
    store: &MongodbStore,
    copies: &[DocumentCopy],
) -> Result<Vec<Rejection>, StoreError> {
    let target = Target::of(store)?;
    send_all(store, target, copies.iter().enumerate().map(|it| Entry::of_copy(it, target))).await
}

async fn send_all<'r>(
    store: &MongodbStore,
    target: Target<'_>,
    all: impl Iterator<Item = Result<Entry<'r>, Rejection>>,
) -> Result<Vec<Rejection>, StoreError> {
    let (mut entries, mut rejections) = (Vec::new(), Vec::new());
    for entry in all {
        match entry {
            Ok(entry) => entries.push(entry),
            Err(rejection) => rejections.push(rejection),
        }
    }
    for way in [Way::Insert, Way::Update] {
        let entries: Vec<&Entry<'_>> = entries.iter().filter(|entry| entry.way == way).collect();
        for entries in in_commands(&entries) {
            rejections.extend(send(store, target, way, entries).await?);
        }
    }
    Ok(rejections)
}

/// Splits entries into groups that each fit into one command, with at least one entry.
fn in_commands<'a, 'r>(
    mut entries: &'a [&'a Entry<'r>],
) -> impl Iterator<Item = &'a [&'a Entry<'r>]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = entries.iter().take_while(|entry| {
            bytes += entry.size();
            bytes <= COMMAND_BYTES
        });
        let (first, rest) = entries.split_at_checked(fits.count().max(1))?;
        entries = rest;
        Some(first)
    })
}

/// Sends entries in one command. If the whole command is refused because of a document, the batch
/// is halved until that document is found. A document that turns out to exist is replaced, unless a
/// later holder of the lock wrote it.
fn send<'a>(
    store: &'a MongodbStore,
    target: Target<'a>,
    way: Way,
    entries: &'a [&'a Entry<'a>],
) -> BoxFuture<'a, Result<Vec<Rejection>, StoreError>> {
    Box::pin(async move {
        let reply = match store.connection.command(command(target, way, entries)).await {
            Ok(reply) => reply,
            Err(Refusal::Document(reason)) => {
                return halve(store, target, way, entries, reason).await;
            }
            Err(Refusal::Store(error)) => return Err(error),
        };
        let (mut rejections, mut raced) = (Vec::new(), Vec::new());
        for (index, fault) in answer::faults(&reply)? {
            let Some(&entry) = entries.get(index) else { continue };
            match fault {
                Fault::Document(reason) => rejections.push(Rejection { at: entry.at, reason }),
                Fault::Race(reason) => raced.push((entry, reason)),
            }
        }
        if way == Way::Insert && !raced.is_empty() {
            let there: Vec<_> = raced.iter().map(|(entry, _)| *entry).collect();
            rejections.extend(send(store, target, Way::Update, &there).await?);
            return Ok(rejections);
        }
        for (entry, reason) in raced {
            rejections.extend(once_more(store, target, entry, reason).await?);
        }
        Ok(rejections)
    })
}

async fn halve(
    store: &MongodbStore,
    target: Target<'_>,
    way: Way,
    entries: &[&Entry<'_>],
    reason: String,
) -> Result<Vec<Rejection>, StoreError> {
    if let [only] = entries {
        return Ok(vec![Rejection { at: only.at, reason }]);
    }
    let (first, second) = entries.split_at(entries.len() / 2);
    let mut rejections = send(store, target, way, first).await?;
    rejections.extend(send(store, target, way, second).await?);
    Ok(rejections)
}

/// Retries an upsert that failed. Two upserts of one key can both find nothing and both insert: the
/// second one fails, and its retry finds the other's document. If the retry fails as well, a later
/// holder of the lock wrote the document, or another unique index prevents it.
async fn once_more(
    store: &MongodbStore,
    target: Target<'_>,
    entry: &Entry<'_>,
    reason: String,
) -> Result<Option<Rejection>, StoreError> {
    let command = command(target, Way::Update, &[entry]);
    let reply = store.connection.command(command).await.map_err(Refusal::into_error)?;
    if answer::faults(&reply)?.is_empty() {
        return Ok(None);
    }
    store.refuse_newer(Key::normal(entry.key).as_ref(), target.fence).await?;
    Ok(Some(Rejection { at: entry.at, reason }))
}

fn command(target: Target<'_>, way: Way, entries: &[&Entry<'_>]) -> RawDocumentBuf {
    let bytes = entries.iter().map(|entry| entry.size()).sum();
    command_of(target, way, bytes, |list| {
        for (number, entry) in entries.iter().enumerate() {
            list.document(Place::Element(number), |item| match way {
                Way::Insert => entry.document.write(item),
                Way::Update => replacement(item, entry, target),
            });
        }
    })
}

fn replacement(item: &mut Writing, entry: &Entry<'_>, target: Target<'_>) {
    let Entry { key, document, .. } = entry;
    let not_newer = facts::not_newer(target.fence);
    item.document(Place::Member(cstr!("q")), |query| {
        query.put(Place::Member(key_field(target.layout)), RawBsonRef::String(key));
        // If a later holder wrote the document, this matches nothing, and inserting fails because
        // the key exists.
        query.document(Place::Member(facts::FENCE), |into| into.splice(&not_newer));
    });
    let new = Place::Member(cstr!("u"));
    if document.has_operators {
        // A replacement refuses names that begin with `$`; a literal does not check them.
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;
    use crate::engine::refresh::{self, Origin};
    use crate::model::document::{Document, Encoding, Json};
    use crate::model::record::Key;
    use crate::model::task::DetailPage;

    fn record(key: &str, text: &'static str) -> Record {
        let text = Bytes::from_static(text.as_bytes());
        let document = Document::new(Json::parse(&text).unwrap(), &text, Encoding::Bson).unwrap();
        let item = DetailPage::of(Key::new(key).unwrap());
        refresh::record(item, Origin::default(), document, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_command_brings_each_record_by_its_key_or_names_the_one_that_cannot_be_held() {
        let provenance = Provenance { sweep: "s".into(), rules: "r".into() };
        let fit = || record("1", r#"{"a":1}"#);
        let command = insert_command("books", &provenance, &[fit(), record("2", "{}")]).unwrap();
        assert_eq!(command.get_str("insert").unwrap(), "books");
        let documents = command.get_array("documents").unwrap();
        let keys = documents.into_iter().flatten().filter_map(|document| document.as_document());
        let keys = keys.map(|document| document.get_str("_id").unwrap());
        assert_eq!(keys.collect::<Vec<_>>(), ["1", "2"]);
        let unfit = record("2", "{\"a\\u0000b\":1}");
        let refused = insert_command("books", &provenance, &[fit(), unfit]).unwrap_err();
        assert_eq!(refused.at, 1, "{}", refused.reason);
    }
}
