//! What is kept beside a document, and what each verdict does to both.

use std::sync::Arc;

use gleaner::model::record::{Known, PageVersion, Record};
use gleaner::store::{Rows, Store, Stored};
use serde_json::{Value, json};

use super::{Ledger, writing};
use crate::records::{at, changed, etag, hold, key, keys, place, provenance, record, same};

async fn write(store: &Arc<dyn Store>, sweep: &str, records: &[Record]) {
    assert_eq!(store.write(&provenance(sweep), records).await, Ok(Vec::new()));
}

async fn known(store: &Arc<dyn Store>, key: &str) -> Known {
    let known = store.known(&keys(&[key])).await.expect("the store answers");
    let [known] = known.try_into().expect("one item");
    known
}

/// The one document there is, by the store's own word.
async fn stored(store: &Arc<dyn Store>) -> Stored {
    let stored = store.read(None, 10).await.expect("the store answers").found;
    let [stored] = <[Stored; 1]>::try_from(stored).expect("one document");
    stored
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

pub async fn known_answers_what_was_written<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let last_modified = Some("Fri, 20 Nov 2026 10:00:00 GMT".into());
    let version = PageVersion { last_modified, ..etag("\"42\"") };
    let record = Record {
        version: version.clone(),
        fetched_at: at(2),
        changed_at: at(1),
        seen_at: at(3),
        ..record("42", r#"{"id":42}"#, store.encoding())
    };
    write(&store, "s1", std::slice::from_ref(&record)).await;
    let expected = Known {
        key: key("42"),
        url: Some("http://127.0.0.1/item/42".into()),
        digest: Some(record.document.digest),
        sweep: Some("s1".into()),
        rules: Some("1:rules".into()),
        version,
        first_seen: Some(at(0)),
        fetched_at: Some(at(2)),
        changed_at: Some(at(1)),
        seen_at: Some(at(3)),
        unlisted_at: None,
        gone_at: None,
    };
    assert_eq!(known(&store, "42").await, expected);
    let stored = stored(&store).await;
    assert_eq!(stored.known, expected);
    assert_eq!(stored.known.url.as_deref(), Some("http://127.0.0.1/item/42"));
    assert_eq!(value(&stored.text), json!({"id": 42}));
}

pub async fn known_leaves_out_what_is_not_there<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let odd = ["a", "it's", "\"quoted\"", "a.b/c?d#e", "ключ", "42", "a\u{0}b", "$oid"];
    let records = odd.map(|key| record(key, "{}", store.encoding()));
    write(&store, "s1", &records).await;
    let asked = [&odd[..], &["b", "A", "4", "042", "%", "_"][..]].concat();
    let known = store.known(&keys(&asked)).await.expect("the store answers");
    let mut found: Vec<&str> = known.iter().map(|known| known.key.as_str()).collect();
    found.sort_unstable();
    let mut expected = odd;
    expected.sort_unstable();
    assert_eq!(found, expected);
}

pub async fn known_takes_1000_keys_at_once<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    // Of the greatest length, so that statements and messages are as long as they get.
    let name = |at: usize| format!("{at:0>1024}");
    for batch in [0..500, 500..1000] {
        let records: Vec<Record> =
            batch.map(|at| record(&name(at), "{}", store.encoding())).collect();
        write(&store, "s1", &records).await;
    }
    let asked: Vec<_> = (0..1000).map(|at| key(&name(at))).collect();
    let mut found: Vec<_> = store
        .known(&asked)
        .await
        .expect("the store answers")
        .into_iter()
        .map(|known| known.key)
        .collect();
    found.sort_unstable();
    assert_eq!(found, asked);
}

pub async fn d6_a_dropped_field_is_gone<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    write(&store, "s1", &[record("1", r#"{"id":1,"a":{"b":1,"c":2},"d":3}"#, store.encoding())])
        .await;
    let text = r#"{"id":1,"a":{"c":4}}"#;
    write(&store, "s2", &[changed("1", text, store.encoding(), 60)]).await;
    assert_eq!(value(&backend.documents("books").await[0].1), value(text));
    // A repeated first write replaces as well.
    write(&store, "s3", &[record("1", r#"{"id":1}"#, store.encoding())]).await;
    assert_eq!(value(&backend.documents("books").await[0].1), json!({"id": 1}));
}

pub async fn changed_replaces_the_document_and_keeps_first_seen<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    write(&store, "s1", &[record("1", r#"{"v":1}"#, store.encoding())]).await;
    let second = Record {
        version: PageVersion::default(),
        ..changed("1", r#"{"v":2}"#, store.encoding(), 60)
    };
    write(&store, "s2", std::slice::from_ref(&second)).await;
    let expected = Known {
        key: key("1"),
        url: Some("http://127.0.0.1/item/1".into()),
        digest: Some(second.document.digest),
        sweep: Some("s2".into()),
        rules: Some("1:rules".into()),
        version: PageVersion::default(),
        first_seen: Some(at(0)),
        fetched_at: Some(at(60)),
        changed_at: Some(at(60)),
        seen_at: Some(at(60)),
        unlisted_at: None,
        gone_at: None,
    };
    assert_eq!(known(&store, "1").await, expected);
    assert_eq!(value(&stored(&store).await.text), json!({"v": 2}));
}

pub async fn same_leaves_the_document_and_writes_the_facts<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let first = record("1", r#"{"a":1,"b":2}"#, store.encoding());
    write(&store, "s1", std::slice::from_ref(&first)).await;
    let before = backend.documents("books").await;
    // The same document to the digest, with its keys in another order.
    let version = PageVersion { last_modified: Some("now".into()), ..etag("\"new\"") };
    let again =
        Record { version: version.clone(), ..same("1", r#"{"b":2,"a":1}"#, store.encoding(), 60) };
    assert_eq!(again.document.digest, first.document.digest);
    write(&store, "s2", &[again]).await;
    assert_eq!(backend.documents("books").await, before);
    let expected = Known {
        key: key("1"),
        url: Some("http://127.0.0.1/item/1".into()),
        digest: Some(first.document.digest),
        sweep: Some("s2".into()),
        rules: Some("1:rules".into()),
        version,
        first_seen: Some(at(0)),
        fetched_at: Some(at(60)),
        changed_at: Some(at(0)),
        seen_at: Some(at(60)),
        unlisted_at: None,
        gone_at: None,
    };
    assert_eq!(known(&store, "1").await, expected);
}

pub async fn same_of_a_document_that_vanished_writes_it<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let texts = [("1", r#"{"v":1}"#), ("2", r#"{"v":2}"#), ("3", r#"{"v":3}"#)];
    let first = texts.map(|(key, text)| record(key, text, store.encoding()));
    write(&store, "s1", &first).await;
    backend.remove("books", "2").await;
    let again = texts.map(|(key, text)| same(key, text, store.encoding(), 60));
    write(&store, "s2", &again).await;
    let mut documents = backend.documents("books").await;
    documents.sort_unstable();
    let found: Vec<Value> = documents.iter().map(|(_, text)| value(text)).collect();
    assert_eq!(found, [json!({"v": 1}), json!({"v": 2}), json!({"v": 3})]);
    let found = known(&store, "2").await;
    assert_eq!(found.digest, Some(first[1].document.digest));
    assert_eq!((found.sweep.as_deref(), found.first_seen), (Some("s2"), Some(at(0))));
}

pub async fn s2_writing_a_batch_twice_changes_nothing<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let first =
        [record("1", r#"{"v":1}"#, store.encoding()), record("2", r#"{"v":1}"#, store.encoding())];
    write(&store, "s1", &first).await;
    let after_one = store.read(None, 10).await.expect("the store answers").found;
    write(&store, "s1", &first).await;
    assert_eq!(store.read(None, 10).await.expect("the store answers").found, after_one);

    let batch = [
        changed("1", r#"{"v":2}"#, store.encoding(), 60),
        same("2", r#"{"v":1}"#, store.encoding(), 60),
        record("3", r#"{"v":1}"#, store.encoding()),
    ];
    write(&store, "s2", &batch).await;
    let after_one = store.read(None, 10).await.expect("the store answers").found;
    write(&store, "s2", &batch).await;
    assert_eq!(store.read(None, 10).await.expect("the store answers").found, after_one);
    assert_eq!(after_one.len(), 3);
}

pub async fn g4_what_comes_back_loses_its_marks<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let text = r#"{"v":1}"#;
    let first = ["1", "2", "3"].map(|key| record(key, text, store.encoding()));
    write(&store, "s1", &first).await;
    for key in ["1", "2", "3"] {
        backend.mark_gone("books", key, at(30)).await;
        assert_eq!(known(&store, key).await.gone_at, Some(at(30)));
    }
    let back = Record { changed_at: at(60), ..same("1", text, store.encoding(), 60) };
    let records = [
        back,
        changed("2", r#"{"v":2}"#, store.encoding(), 60),
        record("3", text, store.encoding()),
    ];
    write(&store, "s2", &records).await;
    for (key, changed_at) in [("1", at(60)), ("2", at(60)), ("3", at(0))] {
        let found = known(&store, key).await;
        assert!(!backend.is_marked("books", key).await, "{key}");
        let times = (found.gone_at, found.first_seen, found.changed_at);
        assert_eq!(times, (None, Some(at(0)), Some(changed_at)), "{key}");
    }
}

pub async fn reading_goes_on_after_a_page<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let names = ["b", "ä", "10", "9", "B", "a.b", "a"];
    let records = names.map(|key| record(key, "{}", store.encoding()));
    write(&store, "s1", &records).await;
    let (mut page, mut found) = (Rows::default(), Vec::new());
    loop {
        page = store.read(page.next.as_ref(), 3).await.expect("the store answers");
        assert!(page.found.len() <= 3);
        found.extend(page.found.iter().map(|stored| stored.known.key.to_string()));
        if page.next.is_none() {
            break;
        }
    }
    // The primary key is the key itself, or what others put there.
    found.sort_unstable();
    assert_eq!(found, ["10", "9", "B", "a", "a.b", "b", "ä"]);
}

pub async fn reopening_finds_what_was_written<B: Ledger>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    assert!(store.was_empty());
    write(&store, "s1", &[record("1", r#"{"v":1}"#, store.encoding())]).await;
    assert!(store.was_empty(), "it was, when it was opened");
    let before = stored(&store).await;
    assert_eq!(store.close().await, Ok(()));
    let store = writing(&backend).await;
    assert!(!store.was_empty());
    assert_eq!(stored(&store).await, before);
}

pub async fn two_collections_are_apart<B: Ledger>() {
    let backend = B::start().await;
    let books = writing(&backend).await;
    let open = backend.open(&place("films", "the-films")).await;
    let films = open.expect("the store opens");
    hold(&*films, &place("films", "the-films")).await;
    write(&books, "s1", &[record("1", r#"{"book":1}"#, books.encoding())]).await;
    assert_eq!(films.known(&keys(&["1"])).await, Ok(Vec::new()));
    write(&films, "s2", &[record("1", r#"{"film":1}"#, films.encoding())]).await;
    assert_eq!(value(&stored(&books).await.text), json!({"book": 1}));
    assert_eq!(value(&stored(&films).await.text), json!({"film": 1}));
    assert_eq!(known(&books, "1").await.sweep.as_deref(), Some("s1"));
}
