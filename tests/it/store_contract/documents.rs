//! Documents go in and are there, whatever is in them.

use gleaner::model::document::Encoding;
use gleaner::model::record::Record;
use gleaner::store::StoreError;
use serde_json::Value;

use super::{Backend, writing};
use crate::records::{provenance, record};

/// Writes `texts` under keys that count from 0, and answers with what is there then.
async fn written<B: Backend>(texts: &[String]) -> Vec<String> {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let record = |(at, text): (usize, &String)| record(&format!("{at:04}"), text, store.encoding());
    let records: Vec<Record> = texts.iter().enumerate().map(record).collect();
    assert_eq!(store.write(&provenance("s1"), &records).await, Ok(Vec::new()));
    let documents = backend.documents("books").await;
    assert_eq!(documents.len(), texts.len());
    for (at, (key, _)) in documents.iter().enumerate() {
        assert_eq!(*key, format!("{at:04}"));
    }
    documents.into_iter().map(|(_, text)| text).collect()
}

/// Texts that hold no numbers which [`Value`] cannot.
async fn assert_kept<B: Backend>(texts: &[String]) {
    let value = |text: &String| serde_json::from_str::<Value>(text).expect("JSON");
    let found: Vec<Value> = written::<B>(texts).await.iter().map(value).collect();
    let sent: Vec<Value> = texts.iter().map(value).collect();
    assert_eq!(found, sent);
}

pub async fn what_is_written_is_read_back_equal<B: Backend>() {
    let texts = [
        r#"{"id":7,"title":"A Book","authors":["A","B"],"price":12.5,"sold":true,"note":null}"#,
        "{}",
        r#"{"title":"紅樓夢 — café 👩‍🚀 \u0000 \" \\ \n \ud83d\ude00"}"#,
        "{\n  \"pretty\": [\n    1,\r\n    2\n  ]\n}",
        r#"{"nulls":[null,null],"empty":{},"none":[],"text":""}"#,
        r#"{"date":"2026-11-20T10:00:00Z","number":"42","bool":"true"}"#,
    ];
    assert_kept::<B>(&texts.map(str::to_owned)).await;
}

pub async fn d4_odd_keys_are_stored_as_sent<B: Backend>() {
    let texts = [
        r#"{"a.b":1,"a":{"b.c":2},".":3}"#,
        r#"{"$set":{"x":1},"$x":2,"a":{"$inc":3}}"#,
        r#"{"":1,"a":{"":{"":2}}}"#,
        r#"{"$oid":"0123456789abcdef01234567"}"#,
        r#"{"when":{"$date":0},"id":{"$oid":"x"},"n":{"$numberLong":"1"}}"#,
        r#"{"_id":"theirs","_gleaner":{"key":"theirs"},"key":1,"doc":2}"#,
        r#"{"\u00e9":1,"\ud83d\ude00":2," ":3}"#,
    ];
    assert_kept::<B>(&texts.map(str::to_owned)).await;
}

pub async fn p5_long_integers_and_fractions_are_kept<B: Backend>() {
    let texts = [
        r#"{"a":9223372036854775807}"#,
        r#"{"a":-9223372036854775808}"#,
        r#"{"a":9223372036854775808}"#,
        r#"{"a":-9223372036854775809}"#,
        r#"{"a":18446744073709551616}"#,
        r#"{"a":123456789012345678901234567890}"#,
    ]
    .map(str::to_owned);
    let spaceless = |text: &String| text.replace(' ', "");
    let found: Vec<String> = written::<B>(&texts).await.iter().map(spaceless).collect();
    assert_eq!(found, texts);
    assert_kept::<B>(&[r#"{"a":[0.1,1e300,-2.5e-8,9007199254740993,1.0]}"#.to_owned()]).await;
}

pub async fn deep_and_large_documents_are_kept<B: Backend>() {
    let deep = format!("{}1{}", r#"{"a":["#.repeat(45), "]}".repeat(45));
    let large = format!(r#"{{"text":"{}"}}"#, "é".repeat(1024 * 1024));
    let many: Vec<String> = (0..20_000).map(|at| format!(r#""k{at}":{at}"#)).collect();
    assert_kept::<B>(&[deep, large, format!("{{{}}}", many.join(","))]).await;
}

pub async fn a_batch_of_500_is_written<B: Backend>() {
    let texts: Vec<String> = (0..500).map(|at| format!(r#"{{"id":{at}}}"#)).collect();
    assert_kept::<B>(&texts).await;
}

pub async fn d7_the_last_partial_batch_is_there_after_the_close<B: Backend>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    for (at, batch) in [3, 3, 1].into_iter().enumerate() {
        let record = |i| record(&format!("{at}-{i}"), "{}", store.encoding());
        let records: Vec<Record> = (0..batch).map(record).collect();
        assert_eq!(store.write(&provenance("s1"), &records).await, Ok(Vec::new()));
    }
    assert_eq!(store.close().await, Ok(()));
    assert_eq!(backend.documents("books").await.len(), 7);
}

pub async fn d3_a_document_in_the_wrong_form_leaves_the_rest<B: Backend>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    let (right, wrong) = match store.encoding() {
        Encoding::Text => (Encoding::Text, Encoding::Bson),
        Encoding::Bson => (Encoding::Bson, Encoding::Text),
    };
    let records = [record("a", "{}", right), record("b", "{}", wrong), record("c", "{}", right)];
    let rejections = store.write(&provenance("s1"), &records).await.expect("the batch is written");
    assert_eq!(rejections.len(), 1);
    assert_eq!(rejections[0].at, 1);
    assert!(!rejections[0].reason.is_empty());
    let keys: Vec<String> =
        backend.documents("books").await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["a", "c"]);
}

pub async fn an_empty_batch_is_no_error<B: Backend>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    assert!(store.was_empty());
    assert_eq!(store.write(&provenance("s1"), &[]).await, Ok(Vec::new()));
    assert_eq!(store.keep_failures(&provenance("s1"), &[]).await, Ok(()));
    assert_eq!(store.clear_failures(&[]).await, Ok(()));
    assert_eq!(store.known(&[]).await, Ok(Vec::new()));
}

pub async fn after_the_close_nothing_is_taken<B: Backend>() {
    let backend = B::start().await;
    let store = writing(&backend).await;
    assert_eq!(store.close().await, Ok(()));
    assert_eq!(store.close().await, Ok(()), "closing once more is not an error");
    let written = store.write(&provenance("s1"), &[record("a", "{}", store.encoding())]).await;
    assert!(matches!(written, Err(StoreError::Failed(_))), "{written:?}");
}
