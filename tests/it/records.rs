//! Records, failures and what belongs to them, made in a line each. Times are whole milliseconds,
//! since stores are no finer.

use bytes::Bytes;
use gleaner::model::document::{Body, Document, Encoding, Json};
use gleaner::model::failure::Failure;
use gleaner::model::record::{Key, PageVersion, Provenance, Record, Verdict};
use gleaner::model::report::Outcome;
use gleaner::model::task::{DetailPage, IndexPage, Page};
use gleaner::store::{Place, Store};
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{Holder, State, SweepEntry};
use jiff::Timestamp;

/// So many seconds after the beginning of the test's time.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_168_800 + seconds).expect("a time within range")
}

pub fn key(text: &str) -> Key {
    Key::new(text).expect("a key")
}

pub fn keys(texts: &[&str]) -> Vec<Key> {
    texts.iter().map(|text| key(text)).collect()
}

pub fn place(site: &str, collection: &str) -> Place {
    let key_field = Some("id".into());
    Place { site: site.into(), collection: collection.into(), key_field, adopt: true }
}

/// Takes the lock of a place for this process: once, however many stores it is asked for.
pub async fn hold(store: &dyn Store, place: &Place) {
    let claim = Claim::new(held(place));
    // Of those who ask at once one takes it; the others find that it is theirs.
    for _ in 0..3 {
        if store.take_lock(&claim).await.expect("the store answers").is_some() {
            return;
        }
    }
    panic!("the lock is not free");
}

/// Lets go of what [`hold`] took.
pub async fn release(store: &dyn Store, place: &Place) {
    let state = State::Ended(Outcome::Complete);
    let entry = SweepEntry { state, ended_at: Some(at(0)), ..held(place) };
    assert_eq!(store.finish_sweep(&entry).await, Ok(true));
}

/// The entry of a run over a part of the site, which no later run resumes.
fn held(place: &Place) -> SweepEntry {
    let Place { site, collection, .. } = place;
    let id = format!("held-{site}-{collection}").into();
    let entry = SweepEntry::begin(site, collection, "1:d", gleaner::model::report::Kind::Limited);
    SweepEntry { id, holder: Some(Holder::this()), started_at: at(0), ..entry }
}

pub fn provenance(sweep: &str) -> Provenance {
    Provenance { sweep: sweep.into(), rules: "1:rules".into() }
}

pub fn document(text: &str, encoding: Encoding) -> Document {
    let text = Bytes::copy_from_slice(text.as_bytes());
    let page = Json::parse(&text).expect("JSON");
    Document::new(page, &text, encoding).expect("a document")
}

/// The version of a page that has only an `ETag`.
pub fn etag(etag: &str) -> PageVersion {
    PageVersion { etag: Some(etag.into()), ..PageVersion::default() }
}

/// A new record, fetched at time 0.
pub fn record(key: &str, text: &str, encoding: Encoding) -> Record {
    Record {
        key: self::key(key),
        has_moved: false,
        url: format!("http://127.0.0.1/item/{key}").into(),
        document: document(text, encoding),
        version: etag(&format!("\"{key}\"")),
        fetched_at: at(0),
        verdict: Verdict::New,
        first_seen: at(0),
        changed_at: at(0),
        seen_at: at(0),
        unlisted_at: None,
    }
}

/// A record of what was stored at time 0 and is found changed so many seconds later.
pub fn changed(key: &str, text: &str, encoding: Encoding, seconds: i64) -> Record {
    let at = at(seconds);
    Record {
        verdict: Verdict::Changed,
        fetched_at: at,
        changed_at: at,
        seen_at: at,
        ..record(key, text, encoding)
    }
}

/// A record of what was stored at time 0 and is found the same so many seconds later.
pub fn same(key: &str, text: &str, encoding: Encoding, seconds: i64) -> Record {
    let at = at(seconds);
    Record { verdict: Verdict::Same, fetched_at: at, seen_at: at, ..record(key, text, encoding) }
}

/// The document's text in a record, where it is text.
pub fn text_of(record: &Record) -> &str {
    match &record.document.body {
        Body::Text(text) => std::str::from_utf8(text).expect("UTF-8"),
        Body::Bson(_) => panic!("the record is BSON"),
    }
}

pub fn item_failure(key: &str, message: &str, seconds: i64) -> Failure {
    let page = Page::Detail(DetailPage::of(self::key(key)));
    failure(page, message, seconds)
}

pub fn index_failure(number: u64, message: &str, seconds: i64) -> Failure {
    failure(Page::Index(IndexPage::numbered(1, number, number)), message, seconds)
}

fn failure(page: Page, message: &str, seconds: i64) -> Failure {
    Failure {
        page,
        url: "http://127.0.0.1/failed".into(),
        reason: "status",
        message: message.into(),
        status: Some(500),
        attempts: 5,
        sample: Some("<html>".into()),
        at: at(seconds),
    }
}
