//! Rows of others in gleaner's collection or table, among its own: every reading pass shows each
//! once and ends.

use std::collections::BTreeMap;
use std::time::Duration;

use gleaner::store::{Rows, Store};
use mongodb::bson::{Bson, DateTime, Document, doc, oid::ObjectId};
use rusqlite::Connection;

use super::rig::Rig;
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

/// A store that others have access to.
trait Shared: Ledger {
    /// Puts rows of others beside those of the collection `books`. Answers with the keys that an
    /// export shows, however often each.
    async fn put_others(&self) -> Vec<&'static str>;

    /// Puts entries of others beside the failures of `books`. Answers how many can be read as
    /// failures.
    async fn put_other_failures(&self) -> usize;
}

impl Shared for Sqlite {
    async fn put_others(&self) -> Vec<&'static str> {
        let connection = Connection::open(self.path()).expect("the file opens");
        let keys = ["' a '", "'.'", "'..'", "''", "7", "' '", "char(9) || 'b'", "x'00ff'"];
        for key in keys {
            // More than a page of them, so that each kind is the last row of one.
            let sql = format!("INSERT INTO books (key, doc) VALUES ({key}, '{{\"note\":1}}')");
            connection.execute(&sql, []).expect("it is inserted");
        }
        let sql = "INSERT INTO books (key, doc) VALUES (CAST(x'fe' AS TEXT), x'00')";
        connection.execute(sql, []).expect("it is inserted");
        vec![" a ", ".", "..", "", "7", " ", "\tb", "\u{0}\u{fffd}"]
    }

    async fn put_other_failures(&self) -> usize {
        let connection = Connection::open(self.path()).expect("the file opens");
        for (kind, page, at) in [
            ("''", "''", "'2026-11-20T10:00:00.000Z'"),
            ("'detail'", "x'00'", "'2026-11-20T10:00:00.000Z'"),
            ("'detail'", "'never'", "'no time'"),
            ("' '", "'.'", "'2026-11-20T10:00:00.000Z'"),
        ] {
            let sql = format!(
                "INSERT INTO gleaner_failures (site, collection, kind, page, url, reason, message, \
                 attempts, first_at, last_at, sweep) VALUES ('books', 'books', {kind}, {page}, '', \
                 'status', '', 1, {at}, {at}, '')"
            );
            connection.execute(&sql, []).expect("it is inserted");
        }
        2
    }
}

impl Shared for Mongodb {
    async fn put_others(&self) -> Vec<&'static str> {
        let database = crate::mongod::database(&self.uri).await;
        let books = database.collection::<Document>("books");
        let facts = |key: Bson| doc! { "key": key };
        let ids: [Bson; 9] = [
            " a ".into(),
            ".".into(),
            "".into(),
            7.into(),
            7.5.into(),
            f64::NAN.into(),
            ObjectId::new().into(),
            true.into(),
            doc! { "a": 1 }.into(),
        ];
        for id in ids {
            let shown = match &id {
                Bson::String(_) | Bson::Int32(_) | Bson::Double(_) => id.clone(),
                _ => "copy".into(),
            };
            let document = doc! { "_id": id, "note": 1, "_gleaner": facts(shown) };
            books.insert_one(document).await.expect("it is inserted");
        }
        // A copy of a document of ours, and what has nothing of ours.
        let ours = books.find_one(doc! { "_gleaner.digest": { "$exists": true } }).await;
        let mut copy = ours.expect("an answer").expect("a document");
        copy.insert("_id", "\u{ffff}");
        copy.get_document_mut("_gleaner").expect("facts").insert("key", "first");
        books.insert_one(copy).await.expect("it is inserted");
        books.insert_one(doc! { "_id": "foreign" }).await.expect("it is inserted");
        vec![" a ", ".", "", "7", "7.5", "NaN", "copy", "copy", "copy", "first"]
    }

    async fn put_other_failures(&self) -> usize {
        let database = crate::mongod::database(&self.uri).await;
        let failures = database.collection::<Document>("gleaner_failures");
        let at = DateTime::from_millis(0);
        let entry = doc! {
            "kind": "detail", "page": "1", "url": "", "reason": "status", "message": "",
            "attempts": 1, "first_at": at, "last_at": at, "sweep": "",
        };
        for id in ["books/books/detail/copy", "books/books/zzz"] {
            let mut entry = entry.clone();
            entry.insert("_id", id);
            failures.insert_one(entry).await.expect("it is inserted");
        }
        failures.insert_one(doc! { "_id": "books/books/" }).await.expect("it is inserted");
        failures.insert_one(doc! { "_id": "books/books/other" }).await.expect("it is inserted");
        2
    }
}

/// Reads a store to its end in pages of `size`, within a limit that no pass of its size needs.
async fn pass(store: &dyn Store, size: usize) -> (Vec<String>, u64) {
    let (mut page, mut found, mut others) = (Rows::default(), Vec::new(), 0);
    for _ in 0..1_000 {
        page = store.read(page.next.as_ref(), size).await.expect("the store answers");
        found.extend(page.found.iter().map(|stored| stored.known.key.to_string()));
        others += page.others;
        if page.next.is_none() {
            return (found, others);
        }
    }
    panic!("the pass does not end");
}

async fn each_row_is_shown_once<B: Shared>(unreadable: u64) {
    let rig = Rig::<B>::new(12).await;
    rig.complete().await;
    let mut expected: Vec<String> = rig.demo.keys().into_iter().collect();
    expected.extend(rig.backend.put_others().await.into_iter().map(str::to_owned));
    expected.sort_unstable();
    let store = rig.store().await;
    for size in [1, 2, 3, 500] {
        let (mut found, others) = pass(&*store, size).await;
        found.sort_unstable();
        assert_eq!((&found, others), (&expected, unreadable), "in pages of {size}");
        // Keys are of items: what is none in its normal form is passed over.
        let mut page = Rows::default();
        let mut keys: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..1_000 {
            page = store.keys(page.next.as_ref(), size).await.expect("the store answers");
            for key in &page.found {
                *keys.entry(key.to_string()).or_default() += 1;
            }
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(page.next, None, "the pass ends");
        assert!(keys.values().all(|times| *times == 1), "{keys:?}");
        assert!(rig.demo.keys().iter().all(|key| keys.contains_key(key)), "{keys:?}");
        assert!(!keys.contains_key(" a ") && !keys.contains_key("."), "{keys:?}");
    }
}

#[tokio::test]
async fn d10_rows_of_others_are_read_once_each_in_sqlite() {
    each_row_is_shown_once::<Sqlite>(1).await;
}

#[tokio::test]
async fn d10_rows_of_others_are_read_once_each_in_mongodb() {
    each_row_is_shown_once::<Mongodb>(1).await;
}

/// The final pass looks for items that left the site: it ends, finds those, and lets others' rows be.
async fn the_final_pass_ends<B: Shared>(gone: u64) {
    let rig = Rig::<B>::new(30).await;
    rig.complete().await;
    rig.backend.put_others().await;
    let left = rig.demo.keys()[4].clone();
    rig.demo.remove(&left);
    let report = tokio::time::timeout(Duration::from_secs(60), rig.complete()).await;
    let report = report.expect("the crawl ends");
    assert_eq!((report.items.gone, report.items.same), (gone, 29), "{report:#?}");
    let shown = pass(&*rig.store().await, 500).await.0;
    assert!(shown.contains(&" a ".to_owned()), "others' rows stay: {shown:?}");
    for known in rig.store().await.known(&[crate::records::key(&left)]).await.expect("an answer") {
        assert!(known.gone_at.is_some(), "{known:?}");
    }
}

#[tokio::test]
async fn d10_the_final_pass_of_a_crawl_ends_among_rows_of_others_in_sqlite() {
    // A row with the key 7 cannot be told from one of ours, and the site has no such item.
    the_final_pass_ends::<Sqlite>(2).await;
}

#[tokio::test]
async fn d10_the_final_pass_of_a_crawl_ends_among_rows_of_others_in_mongodb() {
    the_final_pass_ends::<Mongodb>(1).await;
}

/// A complete sweep forgets failures, however others' entries look that it cannot clear.
async fn failures_are_passed_once<B: Shared>() {
    let rig = Rig::<B>::new(12).await;
    rig.complete().await;
    let readable = rig.backend.put_other_failures().await;
    let store = rig.store().await;
    for size in [1, 2, 500] {
        let (mut page, mut found) = (Rows::default(), 0);
        for _ in 0..100 {
            page = store.failures(page.next.as_ref(), size).await.expect("the store answers");
            found += page.found.len();
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!((found, page.next), (readable, None), "in pages of {size}");
    }
    let report = tokio::time::timeout(Duration::from_secs(60), rig.complete()).await;
    report.expect("the crawl ends");
}

#[tokio::test]
async fn d10_entries_of_others_among_failures_are_passed_once_in_sqlite() {
    failures_are_passed_once::<Sqlite>().await;
}

#[tokio::test]
async fn d10_entries_of_others_among_failures_are_passed_once_in_mongodb() {
    failures_are_passed_once::<Mongodb>().await;
}

/// A copy of a document of ours under the key of another item says nothing of the original.
#[tokio::test]
async fn d10_a_copy_of_a_document_is_not_taken_for_its_original() {
    let rig = Rig::<Mongodb>::new(3).await;
    rig.complete().await;
    let keys = rig.demo.keys();
    let database = crate::mongod::database(&rig.backend.uri).await;
    let books = database.collection::<Document>("books");
    let ours = books.find_one(doc! { "_id": &keys[0] }).await.expect("an answer");
    let mut copy = ours.expect("a document");
    copy.insert("_id", "copy");
    copy.get_document_mut("_gleaner").expect("facts").insert("etag", "stale");
    books.insert_one(copy).await.expect("it is inserted");
    let both = [crate::records::key(&keys[0]), crate::records::key("copy")];
    let known = rig.store().await.known(&both).await.expect("an answer");
    assert_eq!(known.len(), 1, "{known:?}");
    assert_ne!(known[0].version.etag.as_deref(), Some("stale"));
    let stored = rig.backend.documents("books").await;
    assert_eq!(stored.len(), 4, "an export shows the copy, too");
}
