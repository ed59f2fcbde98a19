//! Stores that version 0.1.0 wrote, opened and refreshed by this one.
//!
//! `version_0_1_0/` holds what `gleaner crawl books` of that version stored of its demo site with 12
//! books (`--items 12 --seed 7 --etags on`): an SQLite file, and MongoDB's documents as BSON.

use std::path::Path;

use gleaner::demo::{Demo, Options};
use mongodb::bson::Document;

use super::program::crawl;
use super::{folder, report, sqlite, start, stored_as_served};

const SQLITE: &[u8] = include_bytes!("version_0_1_0/store.sqlite");
const BOOKS: &[u8] = include_bytes!("version_0_1_0/books.bson");
const SWEEPS: &[u8] = include_bytes!("version_0_1_0/gleaner_sweeps.bson");

fn demo() -> Demo {
    start(Options { items: 12, seed: 7, etags: true, ..Options::default() })
}

/// Each page is asked for on condition that it changed, and none did: the first time under the rules
/// of version 0.1.0, then under those of today.
fn is_refreshed_without_fetching_anything_anew(store: &str, folder: &Path) {
    let demo = demo();
    let to = folder.join("report.json");
    for _ in 0..2 {
        let more = ["--report", to.to_str().expect("UTF-8")];
        crawl(demo.url(), store, &more).run().with(0);
        let report = report(&to);
        assert_eq!(report["resumed"], false);
        assert_eq!(
            (&report["items"]["same"], &report["items"]["changed"]),
            (&12.into(), &0.into())
        );
        assert_eq!(report["requests"]["not_modified"], 12, "{report:#}");
        assert_eq!(report["store"]["written"], 0, "no document is replaced");
    }
}

#[test]
fn s16_a_store_of_version_0_1_0_is_refreshed_without_fetching_anew_in_sqlite() {
    let (folder, path) = folder();
    std::fs::write(&path, SQLITE).expect("the file is made");
    is_refreshed_without_fetching_anything_anew(&sqlite(&path), folder.path());
    assert_eq!(stored_as_served(&path, &demo()), 12);
    let store = rusqlite::Connection::open(&path).expect("the file opens");
    let sql =
        "SELECT count(*) FROM books WHERE rules LIKE '2:%' AND first_seen < '2026-11-30T11:39'";
    let taken_over: i64 = store.query_row(sql, [], |row| row.get(0)).expect("a count");
    assert_eq!(taken_over, 12, "they bear the rules of today and keep their past");
}

#[test]
fn s16_a_store_of_version_0_1_0_is_refreshed_without_fetching_anew_in_mongodb() {
    let (folder, _) = folder();
    let uri = crate::mongod::fresh_database();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let database = crate::mongod::database(&uri).await;
        for (name, mut bytes) in [("books", BOOKS), ("gleaner_sweeps", SWEEPS)] {
            let mut documents = Vec::new();
            while !bytes.is_empty() {
                documents.push(Document::from_reader(&mut bytes).expect("BSON"));
            }
            let collection = database.collection::<Document>(name);
            collection.insert_many(documents).await.expect("they are inserted");
        }
    });
    is_refreshed_without_fetching_anything_anew(&uri, folder.path());
    let taken_over = runtime.block_on(async {
        let books = crate::mongod::database(&uri).await.collection::<Document>("books");
        let today = mongodb::bson::doc! { "_gleaner.rules": { "$regex": "^2:" } };
        books.count_documents(today).await.expect("a count")
    });
    assert_eq!(taken_over, 12, "they bear the rules of today");
}
