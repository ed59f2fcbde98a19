//! The sub-document `_gleaner`, which holds an item's metadata, and the site's document around it.

use std::borrow::Cow;

use bson::raw::{CStr, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::rawdoc;
use jiff::Timestamp;

use super::command::Target;
use super::layout::Layout;
use crate::model::document::raw::{Element, Elements, Place, Writing};
use crate::model::document::{self, Body};
use crate::model::record::{Key, Known, PageVersion, Provenance, Record};
use crate::store::{DocumentCopy, Live, Stored};

/// Paths of the item's validators and revision: ETag, Last-Modified, the list's revision.
pub const VERSION: [&CStr; 3] =
    [cstr!("_gleaner.etag"), cstr!("_gleaner.last_modified"), cstr!("_gleaner.revision")];
/// Path of the time since which the list does not contain the item.
const UNLISTED_AT: &CStr = cstr!("_gleaner.unlisted_at");
/// Path of the number of the lock under which the document was last written.
pub const FENCE: &CStr = cstr!("_gleaner.fence");
/// Usual maximum size of the metadata, in bytes.
const FACTS_BYTES: usize = 512;
/// Overhead of an `_id` around its text, in bytes: type, name with a zero, length, zero.
const ID_BYTES: usize = 1 + 4 + 4 + 1;
/// Number of bytes before the sub-document: type, name with a zero.
const FACTS_NAME: usize = 1 + 9;
/// Maximum size of a document in MongoDB, in bytes.
const LARGEST: usize = 16 << 20;

/// A document ready to write: key, the site's fields, `_gleaner`.
pub struct Prepared<'r> {
    /// Key, if it is the document's `_id`.
    key: Option<&'r str>,
    body: Cow<'r, RawDocument>,
    facts: RawDocumentBuf,
    /// True if a field's name begins with `$`, which a plain replacement refuses.
    pub has_operators: bool,
}

impl Prepared<'_> {
    /// Returns the size of the document in bytes.
    pub fn size(&self) -> usize {
        let key = self.key.map_or(0, |key| ID_BYTES + key.len());
        key + self.body.as_bytes().len() + FACTS_NAME + self.facts.as_bytes().len()
    }

    /// Writes the document's elements.
    pub fn write(&self, into: &mut Writing) {
        if let Some(key) = self.key {
            into.put(Place::Member(cstr!("_id")), RawBsonRef::String(key));
        }
        into.splice(&self.body);
        into.document(Place::Member(cstr!("_gleaner")), |into| into.splice(&self.facts));
    }
}

/// Makes the document to write for a record.
///
/// # Errors
/// Returns the reason if MongoDB cannot hold it.
pub fn prepare<'r>(
    record: &'r Record,
    provenance: &Provenance,
    target: Target<'_>,
) -> Result<Prepared<'r>, String> {
    let facts = |own: Option<&RawDocument>| of_record(record, provenance, target.fence, own);
    prepared(&record.key, &record.document, target.layout, facts)
}

/// Makes the document to write for one of another store.
///
/// # Errors
/// Returns the reason if MongoDB cannot hold it.
pub fn prepare_copy<'r>(
    copy: &'r DocumentCopy,
    target: Target<'_>,
) -> Result<Prepared<'r>, String> {
    let facts = |own: Option<&RawDocument>| of_known(&copy.known, target.fence, own);
    prepared(&copy.known.key, &copy.document, target.layout, facts)
}

/// Makes the document to write. `facts` makes its metadata, given the site's fields with reserved
/// names.
fn prepared<'r>(
    key: &'r Key,
    document: &'r document::Document,
    layout: Layout,
    facts: impl FnOnce(Option<&RawDocument>) -> RawDocumentBuf,
) -> Result<Prepared<'r>, String> {
    let Body::Bson(body) = &document.body else {
        return Err("it was not made into BSON".to_owned());
    };
    if let Some(unfit) = document.unfit {
        return Err(format!("it holds {unfit}, which BSON cannot"));
    }
    let names = Names::of(body);
    let (body, own) = if names.reserved {
        let (kept, own) = set_apart(body);
        (Cow::Owned(kept), Some(own))
    } else {
        (Cow::Borrowed(&**body), None)
    };
    let key = (layout == Layout::Own).then(|| key.as_str());
    let facts = facts(own.as_deref());
    let prepared = Prepared { key, body, facts, has_operators: names.operators };
    match prepared.size() {
        size if size > LARGEST => {
            Err(format!("it has {size} bytes as BSON, and MongoDB holds {LARGEST}"))
        }
        _ => Ok(prepared),
    }
}

/// Returns the paths to set for a record whose document is unchanged.
pub fn touch(record: &Record, provenance: &Provenance, fence: i64) -> RawDocumentBuf {
    let mut set = RawDocumentBuf::new();
    set.append(FENCE, fence);
    set.append(cstr!("_gleaner.sweep"), &*provenance.sweep);
    set.append(cstr!("_gleaner.rules"), &*provenance.rules);
    set.append(cstr!("_gleaner.seen_at"), date(record.seen_at));
    set.append(cstr!("_gleaner.fetched_at"), date(record.fetched_at));
    set
}

/// Adds the paths that are specific to this record to those of [`touch`]. Returns the paths to
/// unset: validators and revision that the response did not have.
pub fn touch_alone(set: &mut RawDocumentBuf, record: &Record) -> RawDocumentBuf {
    set.append(cstr!("_gleaner.url"), &*record.url);
    set.append(cstr!("_gleaner.changed_at"), date(record.changed_at));
    let mut unset = RawDocumentBuf::new();
    match record.unlisted_at {
        Some(at) => set.append(UNLISTED_AT, date(at)),
        None => unset.append(UNLISTED_AT, ""),
    }
    let PageVersion { etag, last_modified, revision } = &record.version;
    for (path, value) in VERSION.into_iter().zip([etag, last_modified, revision]) {
        match value {
            Some(value) => set.append(path, &**value),
            None => unset.append(path, ""),
        }
    }
    unset
}

/// Returns a condition for documents that no later holder of the lock wrote: [`FENCE`] is absent or
/// not higher.
pub fn not_newer(fence: i64) -> RawDocumentBuf {
    rawdoc! { "$not": { "$gt": fence } }
}

/// Returns the paths to unset for records without validators, revision and times of their own.
pub fn nothing_alone() -> RawDocumentBuf {
    VERSION.into_iter().chain([UNLISTED_AT]).map(|path| (path, "")).collect()
}

/// Returns the key of a document, of which other fields may not have been read.
pub fn key(document: &RawDocument, layout: Layout) -> Option<&str> {
    match layout {
        Layout::Own => document.get_str("_id").ok(),
        Layout::Adopted => document.get_document("_gleaner").ok()?.get_str("key").ok(),
    }
}

/// Returns a document that only has the id of `document`.
pub fn id(document: &RawDocumentBuf) -> Option<RawDocumentBuf> {
    let id = document.get("_id").ok()??;
    Some(RawDocumentBuf::from_iter([(cstr!("_id"), id)]))
}

/// Returns the metadata of a document, or `None` if it is not one of ours.
pub fn known(document: &RawDocument, layout: Layout) -> Option<Known> {
    let facts = Facts::of(document)?;
    let key = Key::new(facts.key.as_deref()?).ok()?;
    // A copy of our document under another id is not ours.
    (self::key(document, layout) == Some(key.as_str())).then(|| facts.known(key))
}

/// Returns a document of ours of which only some metadata was read.
pub fn live(document: &RawDocument, layout: Layout) -> Option<Live> {
    let Known { key, url, first_seen, changed_at, unlisted_at, .. } = known(document, layout)?;
    Some(Live { key, unlisted_at, first_seen, changed_at, url })
}

/// Returns a document for reading back: the site's own fields, and the metadata.
pub fn stored(document: &RawDocument) -> Option<Stored> {
    let facts = Facts::of(document)?;
    let mut site = RawDocumentBuf::new();
    for (name, value) in document.iter().flatten() {
        if !matches!(name.as_str(), "_id" | "_gleaner") {
            site.append(name, value);
        }
    }
    for (name, value) in facts.own.iter().flat_map(|own| own.iter().flatten()) {
        site.append(name, value);
    }
    let key = Key::as_stored(facts.key.as_deref()?);
    Some(Stored { known: facts.known(key), text: document::to_text(&site) })
}

/// Fields of the sub-document, read in one pass: each lookup by name would scan the fields before
/// it.
#[derive(Default)]
struct Facts<'d> {
    key: Option<Cow<'d, str>>,
    url: Option<&'d str>,
    sweep: Option<&'d str>,
    digest: Option<&'d str>,
    rules: Option<&'d str>,
    revision: Option<&'d str>,
    etag: Option<&'d str>,
    last_modified: Option<&'d str>,
    first_seen: Option<Timestamp>,
    fetched_at: Option<Timestamp>,
    changed_at: Option<Timestamp>,
    seen_at: Option<Timestamp>,
    unlisted_at: Option<Timestamp>,
    gone_at: Option<Timestamp>,
    own: Option<&'d RawDocument>,
}

impl<'d> Facts<'d> {
    fn of(document: &'d RawDocument) -> Option<Facts<'d>> {
        let mut facts = Facts::default();
        for (name, value) in document.get_document("_gleaner").ok()?.iter().flatten() {
            match (name.as_str(), value) {
                ("key", RawBsonRef::String(text)) => facts.key = Some(text.into()),
                ("key", RawBsonRef::Int32(number)) => facts.key = Some(number.to_string().into()),
                ("key", RawBsonRef::Int64(number)) => facts.key = Some(number.to_string().into()),
                ("key", RawBsonRef::Double(number)) => facts.key = Some(number.to_string().into()),
                ("url", RawBsonRef::String(text)) => facts.url = Some(text),
                ("sweep", RawBsonRef::String(text)) => facts.sweep = Some(text),
                ("digest", RawBsonRef::String(text)) => facts.digest = Some(text),
                ("rules", RawBsonRef::String(text)) => facts.rules = Some(text),
                ("revision", RawBsonRef::String(text)) => facts.revision = Some(text),
                ("etag", RawBsonRef::String(text)) => facts.etag = Some(text),
                ("last_modified", RawBsonRef::String(text)) => facts.last_modified = Some(text),
                ("first_seen", RawBsonRef::DateTime(time)) => facts.first_seen = timestamp(time),
                ("fetched_at", RawBsonRef::DateTime(time)) => facts.fetched_at = timestamp(time),
                ("changed_at", RawBsonRef::DateTime(time)) => facts.changed_at = timestamp(time),
                ("seen_at", RawBsonRef::DateTime(time)) => facts.seen_at = timestamp(time),
                ("unlisted_at", RawBsonRef::DateTime(time)) => facts.unlisted_at = timestamp(time),
                ("gone_at", RawBsonRef::DateTime(time)) => facts.gone_at = timestamp(time),
                ("own", RawBsonRef::Document(own)) => facts.own = Some(own),
                _ => {}
            }
        }
        Some(facts)
    }

    fn known(&self, key: Key) -> Known {
        let text = |text: Option<&str>| text.map(Into::into);
        Known {
            key,
            url: text(self.url),
            digest: self.digest.and_then(|digest| digest.parse().ok()),
            sweep: text(self.sweep),
            rules: text(self.rules),
            version: PageVersion {
                revision: text(self.revision),
                etag: text(self.etag),
                last_modified: text(self.last_modified),
            },
            first_seen: self.first_seen,
            fetched_at: self.fetched_at,
            changed_at: self.changed_at,
            seen_at: self.seen_at,
            unlisted_at: self.unlisted_at,
            gone_at: self.gone_at,
        }
    }
}

/// Converts a time to MongoDB's precision, milliseconds.
pub fn date(time: Timestamp) -> bson::DateTime {
    bson::DateTime::from_millis(time.as_millisecond())
}

/// Converts a time from MongoDB, or returns `None` if it is out of range.
pub fn timestamp(date: bson::DateTime) -> Option<Timestamp> {
    Timestamp::from_millisecond(date.timestamp_millis()).ok()
}

fn of_record(
    record: &Record,
    provenance: &Provenance,
    fence: i64,
    own: Option<&RawDocument>,
) -> RawDocumentBuf {
    let digest = record.document.digest.to_string();
    let texts = [
        (cstr!("key"), Some(record.key.as_str())),
        (cstr!("url"), Some(&*record.url)),
        (cstr!("sweep"), Some(&*provenance.sweep)),
        (cstr!("digest"), Some(&*digest)),
        (cstr!("rules"), Some(&*provenance.rules)),
        (cstr!("revision"), record.version.revision.as_deref()),
        (cstr!("etag"), record.version.etag.as_deref()),
        (cstr!("last_modified"), record.version.last_modified.as_deref()),
    ];
    let times = [
        (cstr!("first_seen"), Some(record.first_seen)),
        (cstr!("seen_at"), Some(record.seen_at)),
        (cstr!("fetched_at"), Some(record.fetched_at)),
        (cstr!("changed_at"), Some(record.changed_at)),
        (cstr!("unlisted_at"), record.unlisted_at),
    ];
    written(texts, times, fence, own)
}

fn of_known(known: &Known, fence: i64, own: Option<&RawDocument>) -> RawDocumentBuf {
    let digest = known.digest.map(|digest| digest.to_string());
    let texts = [
        (cstr!("key"), Some(known.key.as_str())),
        (cstr!("url"), known.url.as_deref()),
        (cstr!("sweep"), known.sweep.as_deref()),
        (cstr!("digest"), digest.as_deref()),
        (cstr!("rules"), known.rules.as_deref()),
        (cstr!("revision"), known.version.revision.as_deref()),
        (cstr!("etag"), known.version.etag.as_deref()),
        (cstr!("last_modified"), known.version.last_modified.as_deref()),
    ];
    let times = [
        (cstr!("first_seen"), known.first_seen),
        (cstr!("seen_at"), known.seen_at),
        (cstr!("fetched_at"), known.fetched_at),
        (cstr!("changed_at"), known.changed_at),
        (cstr!("unlisted_at"), known.unlisted_at),
        (cstr!("gone_at"), known.gone_at),
    ];
    written(texts, times, fence, own)
}

/// Returns the sub-document with those of the values that are known.
fn written<'v>(
    texts: impl IntoIterator<Item = (&'static CStr, Option<&'v str>)>,
    times: impl IntoIterator<Item = (&'static CStr, Option<Timestamp>)>,
    fence: i64,
    own: Option<&RawDocument>,
) -> RawDocumentBuf {
    let mut facts = Writing::with_capacity(FACTS_BYTES);
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        facts.put(Place::Member(name), RawBsonRef::String(text));
    }
    for (name, time) in times.into_iter().filter_map(|(name, time)| Some((name, time?))) {
        facts.put(Place::Member(name), RawBsonRef::DateTime(date(time)));
    }
    facts.put(Place::Member(cstr!("fence")), RawBsonRef::Int64(fence));
    if let Some(own) = own {
        facts.document(Place::Member(cstr!("own")), |into| into.splice(own));
    }
    // This fails only over 2 GiB.
    facts.end().unwrap_or_default()
}

/// Properties of a document's field names that need special treatment.
struct Names {
    reserved: bool,
    operators: bool,
}

impl Names {
    fn of(body: &RawDocument) -> Names {
        let mut names = Names { reserved: false, operators: false };
        for Element { name, .. } in Elements::of(body) {
            names.reserved |= matches!(name, b"_id" | b"_gleaner");
            names.operators |= name.starts_with(b"$");
        }
        names
    }
}

/// Splits the site's fields into regular ones and those with reserved names.
fn set_apart(body: &RawDocument) -> (RawDocumentBuf, RawDocumentBuf) {
    let (mut kept, mut own) = (RawDocumentBuf::new(), RawDocumentBuf::new());
    for (name, value) in body.iter().flatten() {
        let reserved = matches!(name.as_str(), "_id" | "_gleaner");
        let part: &mut RawDocumentBuf = if reserved { &mut own } else { &mut kept };
        part.append(name, value);
    }
    (kept, own)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::engine::refresh::{self, Origin};
    use crate::model::document::{Document, Encoding, Json};
    use crate::model::task::DetailPage;

    #[test]
    fn the_size_of_what_is_prepared_is_that_of_what_is_written() {
        let provenance = Provenance { sweep: "s".into(), rules: "r".into() };
        for text in [r#"{}"#, r#"{"a":"é"}"#, r#"{"_id":1,"$b":[2],"_gleaner":{"c":3}}"#] {
            let text = Bytes::from(text);
            let json = Json::parse(&text).unwrap();
            let document = Document::new(json, &text, Encoding::Bson).unwrap();
            let origin = Origin { url: "u".into(), ..Origin::default() };
            let item = DetailPage::of(Key::new("key").unwrap());
            let record = refresh::record(item, origin, document, Timestamp::UNIX_EPOCH);
            for layout in [Layout::Own, Layout::Adopted] {
                let write_concern = &bson::doc! {};
                let target = Target { collection: "books", layout, fence: 1, write_concern };
                let prepared = prepare(&record, &provenance, target).unwrap();
                let mut written = Writing::with_capacity(0);
                prepared.write(&mut written);
                assert_eq!(written.end().unwrap().as_bytes().len(), prepared.size());
            }
        }
    }
}
