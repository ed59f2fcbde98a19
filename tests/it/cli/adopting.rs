//! Collections in MongoDB that are not gleaner's: left as they are, until a crawl is told to adopt
//! them.

use std::future::Future;

use futures_util::TryStreamExt;
use gleaner::demo::Demo;
use mongodb::bson::{Bson, DateTime, Document, doc, serialize_to_document};
use mongodb::{Collection, Database};

use super::program::{crawl, gleaner};
use super::site;
use crate::mongod::fresh_database;

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

async fn books(store: &str) -> (Database, Collection<Document>) {
    let database = crate::mongod::database(store).await;
    let books = database.collection("books");
    (database, books)
}

/// An application's collection: the first books of the site, with fields of its own.
fn fill(store: &str, demo: &Demo, items: usize, extra: Document) {
    let document = |key: &String| {
        let mut document =
            serialize_to_document(&demo.document(key).expect("a book")).expect("BSON");
        document.extend(extra.clone());
        document
    };
    let documents: Vec<Document> = demo.keys().iter().take(items).map(document).collect();
    wait(async { books(store).await.1.insert_many(documents).await.expect("they are inserted") });
}

/// All that the database holds: collections, indexes of `books`, and its documents.
fn everything(store: &str) -> (Vec<String>, Vec<String>, Vec<Document>) {
    wait(async {
        let (database, books) = books(store).await;
        let mut names = database.list_collection_names().await.expect("names");
        names.sort_unstable();
        let indexes = books.list_index_names().await.expect("indexes");
        let found = books.find(doc! {}).sort(doc! { "_id": 1 }).await.expect("an answer");
        (names, indexes, found.try_collect().await.expect("documents"))
    })
}

#[test]
fn d12_commands_that_read_leave_a_collection_of_others_as_it_is() {
    let (demo, store) = (site(5), fresh_database());
    fill(&store, &demo, 5, doc! { "role": "admin" });
    let before = everything(&store);
    gleaner(&["sweeps", "books", "--store", &store]).run().with(0).tells(&["no sweeps of"]);
    gleaner(&["failures", "books", "--store", &store]).run().with(0).tells(&["no failures"]);
    let exported = gleaner(&["export", "books", "--store", &store]).run().with(0);
    assert_eq!(exported.out, "");
    exported.tells(&["no documents of", "5 documents skipped"]);
    assert_eq!(everything(&store), before);
}

#[test]
fn d12_a_collection_of_others_is_refused_and_what_would_be_lost_is_named() {
    let (demo, store) = (site(60), fresh_database());
    fill(&store, &demo, 60, doc! { "pwhash": "x", "role\u{1b}[1m": 1 });
    let before = everything(&store);
    let refused = crawl(demo.url(), &store, &[]).run().with(2);
    let refused =
        refused.tells(&["--adopt", "has 20 of the 20 items", "would be lost: pwhash, role"]);
    assert!(!refused.err.contains('\u{1b}'), "{}", refused.err);
    assert!(!refused.err.contains("would be lost: id"), "what the site gives stays");
    assert_eq!(everything(&store), before, "nothing is written");
    // robots.txt, up to four pages of the list, 20 items.
    let requests = demo.stats().requests;
    assert!((20..=25).contains(&requests), "{requests}");
    crawl(demo.url(), &store, &["--every", "1h"]).run().with(2).tells(&["would be lost: pwhash"]);
    let retry = ["failures", "books", "--retry", "--store", &store];
    gleaner(&retry).run().with(2).tells(&["--adopt"]);
    assert_eq!(everything(&store), before, "nothing is written");

    crawl(demo.url(), &store, &["--adopt"]).run().with(0);
    let (_, _, documents) = everything(&store);
    assert_eq!(documents.len(), 60);
    assert!(documents.iter().all(|document| !document.contains_key("pwhash")));
    crawl(demo.url(), &store, &[]).run().with(0);
}

#[test]
fn d12_a_collection_that_cannot_be_compared_is_refused() {
    let (demo, store) = (site(5), fresh_database());
    wait(async {
        let other = doc! { "id": 4_000_000, "x": 1 };
        books(&store).await.1.insert_one(other).await.expect("it is inserted");
    });
    let before = everything(&store);
    crawl(demo.url(), &store, &[]).run().with(2).tells(&["has none of the 5 items"]);
    crawl("http://127.0.0.1:9", &store, &["--retries", "0"])
        .run()
        .with(2)
        .tells(&["--adopt", "No item could be fetched"]);
    assert_eq!(everything(&store), before);
}

#[test]
fn d12_numbers_as_ids_are_compared_too() {
    let (demo, store) = (site(5), fresh_database());
    let ids: Vec<i64> = demo.keys().iter().map(|key| key.parse().expect("a number")).collect();
    wait(async {
        let documents = ids.iter().map(|id| doc! { "id": *id, "shelf": Bson::Null });
        books(&store).await.1.insert_many(documents).await.expect("they are inserted");
    });
    crawl(demo.url(), &store, &[]).run().with(2).tells(&["has 5 of the 5", "lost: shelf"]);
}

#[test]
fn d12_a_collection_that_an_earlier_version_stamped_while_reading_needs_adopt_once() {
    let (demo, store) = (site(5), fresh_database());
    fill(&store, &demo, 5, doc! { "role": "admin" });
    wait(async {
        let (_, books) = books(&store).await;
        let stamp = vec![doc! { "$set": { "_gleaner": { "key": "$id" } } }];
        books.update_many(doc! {}, stamp).await.expect("they are stamped");
    });
    crawl(demo.url(), &store, &[]).run().with(2).tells(&["has 5 of the 5 items", "lost: role"]);
    crawl(demo.url(), &store, &[]).run().with(2);
    crawl(demo.url(), &store, &["--adopt"]).run().with(0);
    crawl(demo.url(), &store, &[]).run().with(0);
    assert_eq!(everything(&store).2.len(), 5);
}

#[test]
fn d12_collections_that_gleaner_made_or_adopted_need_nothing() {
    let (demo, store) = (site(5), fresh_database());
    crawl(demo.url(), &store, &[]).run().with(0);
    let drop = |name: &'static str| {
        wait(async {
            let (database, _) = books(&store).await;
            database.collection::<Document>(name).drop().await.expect("it is dropped");
        });
    };
    drop("gleaner_sweeps");
    crawl(demo.url(), &store, &[]).run().with(0);

    // The ledger's word, as version 0.1.0 left it.
    drop("gleaner_sweeps");
    drop("books");
    fill(&store, &demo, 5, Document::new());
    wait(async {
        let (database, _) = books(&store).await;
        let entry = doc! {
            "_id": "0", "site": "books", "collection": "books", "state": "complete",
            "limited": false, "definition": "1:d", "layout": "adopted",
            "started_at": DateTime::from_millis(0),
        };
        let ledger = database.collection::<Document>("gleaner_sweeps");
        ledger.insert_one(entry).await.expect("it is inserted");
    });
    crawl(demo.url(), &store, &[]).run().with(0);
    assert_eq!(everything(&store).2.len(), 5);
}

/// In a store that holds the real site's books, too.
#[test]
fn d14_the_demo_keeps_to_a_collection_of_its_own() {
    let (demo, store) = (site(5), fresh_database());
    crawl(demo.url(), &store, &[]).run().with(0);
    let before = everything(&store);
    gleaner(&["demo", "--items", "7", "--store", &store]).run().with(0);
    let after = everything(&store);
    assert_eq!((after.1, after.2), (before.1, before.2), "the books stay as they were");
    assert_eq!(after.0, ["books", "demo", "gleaner_sweeps"]);
    let sweeps = gleaner(&["sweeps", "demo", "--store", &store]).run().with(0);
    assert!(sweeps.out.contains("7 new"), "{}", sweeps.out);
    gleaner(&["export", "demo", "--store", &store])
        .run()
        .with(0)
        .tells(&["7 of 7 documents of demo"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = format!("sqlite:{}", folder.path().join("all.db").display());
    crawl(demo.url(), &file, &[]).run().with(0);
    gleaner(&["demo", "--items", "7", "--store", &file]).run().with(0);
    gleaner(&["export", "books", "--store", &file])
        .run()
        .with(0)
        .tells(&["5 of 5 documents of books"]);
}
