//! MongoDB beyond the contract: what the server does for a question, and documents that others
//! wrote beside ours.

use std::sync::Arc;

use futures_util::TryStreamExt;
use gleaner::model::record::{Fetched, PageVersion, Record, Seen};
use gleaner::store::{Live, Place, Rows, Store, StoreError};
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{Holder, SweepEntry};
use mongodb::Database;
use mongodb::bson::{Document, doc};

use crate::records::{at, hold, key, keys, place, provenance, record};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Adopted, Mongodb};
use crate::store_contract::lock::takes;

async fn look<B: Backend>(backend: &B) -> Arc<dyn Store> {
    backend.open(&place("books", "books")).await.expect("the store opens")
}

async fn open<B: Backend>(backend: &B) -> Arc<dyn Store> {
    let store = look(backend).await;
    hold(&*store, &place("books", "books")).await;
    store
}

/// Writes so many records, with keys of four digits.
async fn fill(store: &Arc<dyn Store>, number: usize) {
    let records: Vec<Record> =
        (0..number).map(|at| record(&format!("{at:04}"), "{}", store.encoding())).collect();
    assert_eq!(store.write(&provenance("s1"), &records).await, Ok(Vec::new()));
}

/// What the server did for questions to the collection `books` and changes of it, since it was
/// told to keep a record.
async fn done(database: &Database) -> Vec<Document> {
    let profile = database.collection::<Document>("system.profile");
    let books = doc! { "ns": format!("{}.books", database.name()) };
    let found = profile.find(books).sort(doc! { "ts": 1 }).await.expect("the query runs");
    found.try_collect().await.expect("documents")
}

async fn questions_follow_the_index<B: Backend>(backend: &B, uri: &str, index: &str) {
    let store = open(backend).await;
    fill(&store, 500).await;
    let database = crate::mongod::database(uri).await;
    database.run_command(doc! { "profile": 2 }).await.expect("a profile");
    let page = store.keys(None, 10).await.expect("the store answers");
    store.keys(page.next.as_ref(), 10).await.expect("the store answers");
    store.live(&page.found).await.expect("the store answers");
    let read = store.read(None, 10).await.expect("the store answers");
    store.read(read.next.as_ref(), 10).await.expect("the store answers");
    let seen = Seen { key: key("0007"), at: at(60), fetched: Some(Fetched::Same) };
    assert_eq!(store.mark_seen(&provenance("s2"), &[seen]).await, Ok(Vec::new()));
    assert_eq!(store.mark_unlisted(&keys(&["0008", "0009"]), at(60)).await, Ok(()));
    assert_eq!(store.mark_gone(&keys(&["0008", "0009"]), at(60)).await, Ok(2));
    database.run_command(doc! { "profile": 0 }).await.expect("no profile");

    let done = done(&database).await;
    assert!(done.len() >= 8, "{done:#?}");
    for (number, step) in done.into_iter().enumerate() {
        let plan = step.get_str("planSummary").unwrap_or("none");
        // Keys stand in the index, and no document is read. A single document is found by its id
        // without more ado. Documents are read in the order of their ids, whoever made them.
        // What is marked is found by key and changed by id.
        let by_id = matches!(number, 3 | 4 | 7..) && plan == "IXSCAN { _id: 1 }";
        assert!(by_id || plan == format!("IXSCAN {{ {index}: 1 }}") || plan == "IDHACK", "{step}");
        let most = if number < 2 { 0 } else { 11 };
        let examined =
            step.get_i32("docsExamined").or(step.get_i64("docsExamined").map(|n| n as i32));
        assert!(examined.is_ok_and(|examined| examined <= most), "{step}");
        assert!(!step.contains_key("hasSortStage"), "{step}");
    }
}

#[tokio::test]
async fn questions_follow_the_index_on_the_id() {
    let backend = Mongodb::start().await;
    questions_follow_the_index(&backend, &backend.uri, "_id").await;
}

#[tokio::test]
async fn d9_questions_follow_the_index_on_the_key_of_an_adopted_collection() {
    let backend = Adopted::start().await;
    questions_follow_the_index(&backend, &backend.0.uri, "_gleaner.key").await;
}

#[tokio::test]
async fn d9_documents_that_were_adopted_are_live_and_are_marked() {
    let backend = Mongodb::start().await;
    let database = crate::mongod::database(&backend.uri).await;
    let books = database.collection::<Document>("books");
    let scripts = [doc! { "id": 1, "v": 1 }, doc! { "id": "2", "v": 2 }, doc! { "v": 3 }];
    books.insert_many(scripts).await.expect("they are inserted");
    let store = open(&backend).await;
    let bare = |name| Live {
        key: key(name),
        unlisted_at: None,
        first_seen: None,
        changed_at: None,
        url: None,
    };
    assert_eq!(store.keys(None, 10).await.map(|page| page.found), Ok(keys(&["1", "2"])));
    let both = keys(&["1", "2"]);
    assert_eq!(store.live(&both).await, Ok(vec![bare("1"), bare("2")]));
    assert_eq!(store.count_live().await, Ok(2), "a document without a key is not ours");

    let seen = Seen { key: key("1"), at: at(60), fetched: None };
    assert_eq!(store.mark_seen(&provenance("s1"), &[seen]).await, Ok(Vec::new()));
    assert_eq!(store.mark_unlisted(&keys(&["2"]), at(60)).await, Ok(()));
    let unlisted = Live { unlisted_at: Some(at(60)), ..bare("2") };
    assert_eq!(store.live(&both).await, Ok(vec![bare("1"), unlisted]));
    assert_eq!(store.mark_gone(&keys(&["2"]), at(70)).await, Ok(1));
    assert_eq!(store.live(&both).await, Ok(vec![bare("1")]));
    assert_eq!(store.count_live().await, Ok(1));
    let two = books.find_one(doc! { "id": "2" }).await.expect("an answer").expect("a document");
    assert_eq!(two.get_i32("v").ok(), Some(2));
}

#[tokio::test]
async fn a_command_that_the_server_can_never_run_is_an_error_and_not_an_outage() {
    let backend = Mongodb::start().await;
    let database = crate::mongod::database(&backend.uri).await;
    let books = database.collection::<Document>("books");
    books.insert_one(doc! { "id": 1 }).await.expect("it is inserted");
    // No path may end with a dot: code 40353, which no list of temporary errors has.
    let place = Place { key_field: Some("id.".into()), ..place("books", "books") };
    let error = backend.open(&place).await.err().expect("an error");
    let StoreError::Failed(message) = &error else { panic!("{error:?}") };
    assert!(message.contains("40353"), "{message}");
}

#[tokio::test]
async fn documents_that_others_put_beside_ours_are_left_alone() {
    let backend = Mongodb::start().await;
    let store = open(&backend).await;
    fill(&store, 2).await;
    let database = crate::mongod::database(&backend.uri).await;
    let books = database.collection::<Document>("books");
    let foreign = doc! { "_id": "foreign", "note": "mine" };
    books.insert_one(&foreign).await.expect("it is inserted");
    // Names that are no keys, at the beginning, and what is no text.
    for number in 0..12 {
        books.insert_one(doc! { "_id": format!(" {number:04}") }).await.expect("it is inserted");
    }
    books.insert_one(doc! { "_id": 7 }).await.expect("it is inserted");
    // And a copy of one of ours.
    let ours = books.find_one(doc! { "_id": "0001" }).await.expect("an answer");
    let copy = Document::from_iter(ours.expect("a document").into_iter().map(|(name, value)| {
        let value = if name == "_id" { "copy".into() } else { value };
        (name, value)
    }));
    books.insert_one(copy).await.expect("it is inserted");
    let foreign_key = keys(&["foreign"]);
    let seen = [None, Some(Fetched::Same)].map(|fetched| Seen {
        key: foreign_key[0].clone(),
        at: at(60),
        fetched,
    });
    let named = store.mark_seen(&provenance("s2"), &seen).await.expect("an answer");
    assert_eq!(named, [foreign_key[0].clone(), foreign_key[0].clone()]);
    assert_eq!(store.mark_unlisted(&foreign_key, at(60)).await, Ok(()));
    assert_eq!(store.mark_gone(&foreign_key, at(60)).await, Ok(0));
    let found = books.find_one(doc! { "_id": "foreign" }).await.expect("an answer");
    assert_eq!(found, Some(foreign));
    let all = store.keys(None, 100).await.expect("the store answers").found;
    assert_eq!(all, keys(&["0000", "0001", "copy", "foreign"]));
    let mut live = store.live(&all).await.expect("the store answers");
    live.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(live.into_iter().map(|live| live.key).collect::<Vec<_>>(), all[..2]);
}

#[tokio::test]
async fn d3_what_the_server_refuses_to_mark_is_named() {
    let backend = Mongodb::start().await;
    let store = open(&backend).await;
    fill(&store, 3).await;
    let database = crate::mongod::database(&backend.uri).await;
    let validator =
        doc! { "$or": [{ "_gleaner.key": { "$ne": "0001" } }, { "_gleaner.etag": "never" }] };
    let command = doc! { "collMod": "books", "validator": validator };
    database.run_command(command).await.expect("a validator");
    let etag = |name: &str| {
        Fetched::With(PageVersion { etag: Some(name.into()), ..PageVersion::default() })
    };
    let seen = ["0000", "0001", "0002"].map(|name| Seen {
        key: key(name),
        at: at(60),
        fetched: Some(etag(name)),
    });
    assert_eq!(store.mark_seen(&provenance("s2"), &seen).await, Ok(keys(&["0001"])));
    let stored = store.read(None, 10).await.expect("the store answers").found;
    let sweeps: Vec<_> = stored.iter().map(|stored| stored.known.sweep.as_deref()).collect();
    assert_eq!(sweeps, [Some("s2"), Some("s1"), Some("s2")]);
}

#[tokio::test]
async fn s8_the_lock_is_a_unique_index() {
    let backend = Mongodb::start().await;
    let begun = SweepEntry::begin("books", "books", "", gleaner::model::report::Kind::Full);
    let begun = SweepEntry { holder: Some(Holder::this()), ..begun };
    takes(&look(&backend).await, &Claim::new(begun.clone())).await;
    let database = crate::mongod::database(&backend.uri).await;
    let sweeps = database.collection::<Document>("gleaner_sweeps");
    let entry = |state: &str| doc! { "site": "books", "collection": "books", "state": state };
    for state in ["complete", "complete", "failed"] {
        sweeps.insert_one(entry(state)).await.expect("it is inserted");
    }
    let error = sweeps.insert_one(entry("running")).await.expect_err("one runs already");
    assert!(error.to_string().contains("E11000"), "{error}");
}

#[tokio::test]
async fn a_store_that_is_only_looked_at_stays_as_it_is() {
    let backend = Mongodb::start().await;
    let store = look(&backend).await;
    assert_eq!(store.sweeps(10).await, Ok(Vec::new()));
    assert_eq!(store.failures(None, 10).await, Ok(Rows::default()));
    assert_eq!(store.keys(None, 10).await, Ok(Rows::default()));
    let database = crate::mongod::database(&backend.uri).await;
    let collections = database.list_collection_names().await.expect("the server answers");
    assert_eq!(collections, [""; 0]);
}

/// Servers try most upserts that race again by themselves. What they answer with E11000 all the same
/// is made here without a race: a unique value moves from one document to another in one batch, so
/// that the first update fails and succeeds once the second was made.
async fn an_upsert_that_came_too_early_is_tried_again<B: Backend>(backend: &B, uri: &str) {
    let store = open(backend).await;
    let write = |name: &str, text: &str| record(name, text, store.encoding());
    assert_eq!(
        store.write(&provenance("s1"), &[write("a", r#"{"isbn":1}"#)]).await,
        Ok(Vec::new())
    );
    let database = crate::mongod::database(uri).await;
    let unique = doc! { "key": { "isbn": 1 }, "name": "isbn", "unique": true, "sparse": true };
    let command = doc! { "createIndexes": "books", "indexes": [unique] };
    database.run_command(command).await.expect("an index");
    let batch = [write("b", r#"{"isbn":1}"#), write("a", r#"{"isbn":2}"#)];
    assert_eq!(store.write(&provenance("s2"), &batch).await, Ok(Vec::new()));
    assert_eq!(store.count_live().await, Ok(2));
    // Where it does not help the document is refused, and it alone.
    let batch = [write("c", r#"{"isbn":2}"#), write("d", r#"{"isbn":4}"#)];
    let rejections = store.write(&provenance("s2"), &batch).await.expect("the rest is written");
    assert_eq!(rejections.iter().map(|it| it.at).collect::<Vec<_>>(), [0], "{rejections:?}");
    assert!(rejections[0].reason.contains("E11000"), "{rejections:?}");
    assert_eq!(store.count_live().await, Ok(3));
}

#[tokio::test]
async fn d5_an_upsert_that_came_too_early_is_tried_again() {
    let backend = Mongodb::start().await;
    an_upsert_that_came_too_early_is_tried_again(&backend, &backend.uri).await;
}

#[tokio::test]
async fn d5_an_upsert_that_came_too_early_is_tried_again_in_an_adopted_collection() {
    let backend = Adopted::start().await;
    an_upsert_that_came_too_early_is_tried_again(&backend, &backend.0.uri).await;
}

/// What the server did, by its own record.
#[tokio::test]
async fn what_is_new_is_inserted_and_what_is_there_is_replaced() {
    let backend = Mongodb::start().await;
    let store = open(&backend).await;
    let database = crate::mongod::database(&backend.uri).await;
    database.run_command(doc! { "profile": 2 }).await.expect("a profile");
    let write = |name: &str, text: &str| record(name, text, store.encoding());
    for (text, named) in [(r#"{"v":1}"#, "d"), (r#"{"v":2}"#, "a")] {
        let plain = ["a", "b", "c"].map(|name| (name, text));
        let all = plain.into_iter().chain([(named, r#"{"$v":1}"#)]);
        let batch: Vec<_> = all.map(|(name, text)| write(name, text)).collect();
        assert_eq!(store.write(&provenance("s"), &batch).await, Ok(Vec::new()));
    }
    database.run_command(doc! { "profile": 0 }).await.expect("no profile");

    let done = done(&database).await;
    let ops: Vec<_> = done.iter().filter_map(|step| step.get_str("op").ok()).collect();
    let first = ["insert", "update"];
    let again = ["insert", "update", "update", "update", "update"];
    assert_eq!(ops, [first.as_slice(), &again].concat(), "{done:#?}");
    assert_eq!(done[0].get_i32("ninserted").ok(), Some(3), "{done:#?}");
    let stored = store.read(None, 10).await.expect("the store answers").found;
    let texts: Vec<_> = stored.iter().map(|stored| &*stored.text).collect();
    assert_eq!(texts, [r#"{"$v":1}"#, r#"{"v":2}"#, r#"{"v":2}"#, r#"{"$v":1}"#]);
}

/// A command does not carry it by itself.
#[tokio::test]
async fn what_is_asked_by_a_command_follows_the_read_concern_of_the_uri() {
    let backend = Mongodb::start().await;
    fill(&open(&backend).await, 2).await;
    let database = crate::mongod::database(&backend.uri).await;
    let mark = if backend.uri.contains('?') { '&' } else { '?' };
    let asks = Mongodb { uri: format!("{}{mark}readConcernLevel=majority", backend.uri) };
    let store = open(&asks).await;
    database.run_command(doc! { "profile": 2 }).await.expect("a profile");
    assert_eq!(store.count_live().await, Ok(2));
    database.run_command(doc! { "profile": 0 }).await.expect("no profile");
    let done = done(&database).await;
    let [count] = done.as_slice() else { panic!("{done:#?}") };
    let concern = count.get_document("command").and_then(|it| it.get_document("readConcern"));
    assert_eq!(concern.and_then(|it| it.get_str("level")).ok(), Some("majority"), "{count:#?}");
}

/// Who comes second finds the key there (E11000) and replaces.
#[tokio::test]
async fn d5_writers_that_race_for_keys_store_each_once() {
    let backend = Mongodb::start().await;
    let stores = futures_util::future::join_all((0..6).map(|_| open(&backend))).await;
    let provenance = provenance("s");
    let records: Vec<_> =
        (0..300).map(|key| record(&key.to_string(), "{}", stores[0].encoding())).collect();
    let writes = stores.iter().map(|store| store.write(&provenance, &records));
    for rejected in futures_util::future::join_all(writes).await {
        assert_eq!(rejected, Ok(Vec::new()));
    }
    assert_eq!(stores[0].count_live().await, Ok(300));
}

/// A collection whose ledger was dropped, or that was restored from a copy without one.
#[tokio::test]
async fn s13_numbers_go_on_where_the_ledger_is_gone() {
    let backend = Mongodb::start().await;
    let database = crate::mongod::database(&backend.uri).await;
    let mut last = 0;
    for round in 0..3 {
        let store = look(&backend).await;
        let begun = SweepEntry::begin("books", "books", "", gleaner::model::report::Kind::Full);
        let claim = Claim::new(SweepEntry { holder: Some(Holder::this()), ..begun });
        let fence = takes(&store, &claim).await;
        assert!(fence > last, "{fence} after {last}");
        last = fence;
        fill(&store, 3).await;
        let text = format!(r#"{{"v":{round}}}"#);
        let again = [record("0001", &text, store.encoding())];
        assert_eq!(store.write(&provenance("s"), &again).await, Ok(Vec::new()));
        let found = store.read(None, 10).await.expect("the store answers").found;
        assert_eq!(found[1].text, text);
        database.collection::<Document>("gleaner_sweeps").drop().await.expect("it is dropped");
    }
}
