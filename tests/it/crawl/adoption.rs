//! Collections that the two-phase script filled: ObjectId as `_id`, the item's id in a field, no
//! index.

use std::time::Duration;

use gleaner::demo::Options;
use gleaner::store::StoreError;
use mongodb::Collection;
use mongodb::bson::{Bson, Document, doc, oid::ObjectId, serialize_to_document};

use super::rig::Rig;
use crate::records::place;
use crate::store_contract::Backend;
use crate::store_contract::backends::Mongodb;

/// A site and a database whose collection the script has filled with the first items.
async fn filled(items: usize) -> (Rig<Mongodb>, Collection<Document>) {
    let rig = Rig::<Mongodb>::with(Options { items: 40, ..Options::default() }).await;
    let database = crate::mongod::database(&rig.backend.uri).await;
    let collection = database.collection("books");
    let mut documents = Vec::new();
    for key in rig.demo.keys().iter().take(items) {
        let document = rig.demo.document(key).expect("a document");
        documents.push(serialize_to_document(&document).expect("BSON"));
    }
    collection.insert_many(documents).await.expect("they are inserted");
    (rig, collection)
}

async fn find(collection: &Collection<Document>, key: &str) -> Document {
    let found = collection.find_one(doc! { "id": key }).await.expect("the query runs");
    found.unwrap_or_else(|| panic!("{key} is not there"))
}

#[tokio::test]
async fn d9_a_collection_of_the_scripts_is_carried_on_in_without_duplicates() {
    let (rig, collection) = filled(30).await;
    let keys = rig.demo.keys();
    let before: ObjectId = find(&collection, &keys[4]).await.get_object_id("_id").expect("an id");
    let gone = doc! { "$set": { "left_over": true } };
    collection.update_one(doc! { "id": &keys[4] }, gone).await.expect("it is changed");
    let report = rig.complete().await;
    assert_eq!((report.items.changed, report.items.new, report.items.same), (30, 10, 0));
    assert_eq!(collection.count_documents(doc! {}).await.expect("a count"), 40);
    let after = find(&collection, &keys[4]).await;
    assert_eq!(after.get_object_id("_id").ok(), Some(before));
    assert!(!after.contains_key("left_over"), "d6: {after}");
    let facts = after.get_document("_gleaner").expect("facts");
    assert_eq!(facts.get_str("key").ok(), Some(&*keys[4]));
    for key in &keys {
        let mut document = find(&collection, key).await;
        document.remove("_id");
        document.remove("_gleaner");
        let served = rig.demo.document(key).expect("a document");
        assert_eq!(serde_json::to_value(document).expect("JSON"), served, "{key}");
    }
    let indexes = collection.list_index_names().await.expect("indexes");
    assert!(indexes.iter().any(|name| name.contains("_gleaner.key")), "{indexes:?}");

    let report = rig.complete().await;
    assert_eq!((report.items.same, report.items.changed, report.items.new), (40, 0, 0));
    assert_eq!(collection.count_documents(doc! {}).await.expect("a count"), 40);
}

/// Adopted as well, but not to be marked: the server takes no such id for that.
#[tokio::test]
async fn d10_a_document_whose_id_is_null_is_passed_by() {
    let (rig, collection) = filled(30).await;
    let nameless = doc! { "_id": Bson::Null, "id": "nameless", "note": 1 };
    collection.insert_one(nameless).await.expect("it is inserted");
    collection.insert_one(doc! { "_id": true, "id": "other" }).await.expect("it is inserted");
    for marked in [1, 0] {
        let crawled = tokio::time::timeout(Duration::from_secs(60), rig.complete()).await;
        assert_eq!(crawled.expect("the crawl ends").items.gone, marked);
    }
    assert_eq!(find(&collection, "nameless").await.get_i32("note").ok(), Some(1));
}

#[tokio::test]
async fn d9_duplicate_ids_are_named_and_nothing_is_touched() {
    let (rig, collection) = filled(30).await;
    let keys = rig.demo.keys();
    let mut twice = Vec::new();
    for key in [&keys[3], &keys[3], &keys[8]] {
        let mut document = find(&collection, key).await;
        document.remove("_id");
        twice.push(document);
    }
    collection.insert_many(twice).await.expect("they are inserted");
    let Err(StoreError::Unusable(why)) = rig.backend.open(&place("books", "books")).await else {
        panic!("a collection with duplicates was opened");
    };
    assert!(why.contains(&format!("{} (3 times)", keys[3])), "{why}");
    assert!(why.contains(&format!("{} (2 times)", keys[8])), "{why}");
    assert!(!why.contains(&keys[5]), "{why}");
    let touched = doc! { "_gleaner": { "$exists": true } };
    assert_eq!(collection.count_documents(touched).await.expect("a count"), 0);
    assert_eq!(collection.count_documents(doc! {}).await.expect("a count"), 33);
}

#[tokio::test]
async fn a_collection_of_another_site_is_refused_by_name() {
    let rig = Rig::<Mongodb>::new(5).await;
    rig.complete().await;
    let Err(StoreError::Unusable(why)) = rig.backend.open(&place("films", "books")).await else {
        panic!("another site's collection was opened");
    };
    assert!(why.contains("films") && why.contains("books"), "{why}");
    rig.equals_the_site().await;
}

#[tokio::test]
async fn d9_an_adopted_document_is_found_by_index_not_by_looking_at_all() {
    let (rig, _) = filled(30).await;
    rig.store().await;
    let database = crate::mongod::database(&rig.backend.uri).await;
    for wanted in [doc! { "$eq": "1" }, doc! { "$in": ["1", "2"] }] {
        let find = doc! { "find": "books", "filter": { "_gleaner.key": wanted } };
        let explain = doc! { "explain": find, "verbosity": "queryPlanner" };
        let plan = database.run_command(explain).await.expect("a plan");
        let plan = plan.get_document("queryPlanner").expect("a plan").get("winningPlan");
        assert!(plan.expect("a plan").to_string().contains("IXSCAN"), "{plan:?}");
    }
}
