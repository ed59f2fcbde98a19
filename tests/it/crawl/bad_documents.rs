//! Documents that a store cannot hold, among those that it can.

use gleaner::demo::Fault;
use mongodb::bson::doc;

use super::rig::{Rig, says};
use crate::store_contract::Ledger;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// Bodies that BSON, or MongoDB, cannot hold.
fn bad() -> [String; 3] {
    let large = format!(r#"{{"id":"large","text":"{}"}}"#, "x".repeat(17 << 20));
    let nul = r#"{"id":"nul","a\u0000b":1}"#.to_owned();
    let long = format!(r#"{{"id":"long","n":{}}}"#, "1234567890".repeat(4));
    [large, nul, long]
}

fn serve_bad(rig: &Rig<impl Ledger>) -> Vec<String> {
    let mut keys = Vec::new();
    for (at, body) in bad().into_iter().enumerate() {
        keys.push(rig.demo.keys().remove(at * 7));
        rig.demo.fault(Fault::on(rig.page(at * 7)).body("application/json", body));
    }
    keys
}

#[tokio::test]
async fn d3_mongodb_keeps_what_it_cannot_hold_as_failures_and_writes_the_rest() {
    let rig = Rig::<Mongodb>::new(40).await;
    let keys = serve_bad(&rig);
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed), (37, 3));
    says(&report, "3 items could not be stored");
    let lacking: Vec<&str> = keys.iter().map(String::as_str).collect();
    rig.lacks_only(&lacking).await;
    let failures = rig.backend.failures().await;
    assert_eq!(failures.len(), 3);
    for failure in &failures {
        assert_eq!((&*failure.kind, &*failure.reason), ("detail", "store"));
        let word = match keys.iter().position(|key| *key == failure.page) {
            Some(0) => "16",
            Some(1) => "NUL",
            Some(2) => "digits",
            _ => panic!("{failure:?}"),
        };
        assert!(failure.message.contains(word), "{}", failure.message);
    }
}

#[tokio::test]
async fn d3_sqlite_holds_them_as_they_are() {
    let rig = Rig::<Sqlite>::new(40).await;
    let keys = serve_bad(&rig);
    rig.complete().await;
    let texts = crate::store_contract::Backend::documents(&rig.backend, "books").await;
    for (key, body) in keys.iter().zip(bad()) {
        let stored = texts.iter().find(|(at, _)| at == key).expect("it is stored");
        assert!(stored.1 == body, "{key}");
    }
}

#[tokio::test]
async fn d3_a_validator_refuses_one_and_the_rest_is_written() {
    let rig = Rig::<Mongodb>::new(40).await;
    let refused = rig.demo.keys().remove(11);
    let database = crate::mongod::database(&rig.backend.uri).await;
    let create = doc! { "create": "books", "validator": { "id": { "$ne": &refused } } };
    database.run_command(create).await.expect("the collection is made");
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed), (39, 1));
    rig.lacks_only(&[&refused]).await;
    let failure = rig.the_failure().await;
    assert_eq!((&failure.page, &*failure.reason), (&refused, "store"));
    assert!(failure.message.contains("validation"), "{}", failure.message);
}

#[tokio::test]
async fn d4_keys_with_dots_and_dollars_come_through_on_insert_and_on_replacement() {
    let rig = Rig::<Mongodb>::new(5).await;
    let odd = |version: u32| {
        format!(
            r#"{{"$x":{version},"id":"o","a.b":1,"":{{"$set":2,"c..d":[]}},"_id":7,"$oid":""}}"#
        )
    };
    for version in 1..=2 {
        rig.demo.clear_faults();
        rig.demo.fault(Fault::on(rig.page(1)).body("application/json", odd(version)));
        rig.complete().await;
        let stored = crate::store_contract::Backend::documents(&rig.backend, "books").await;
        let key = rig.demo.keys().remove(1);
        let (_, text) = stored.into_iter().find(|(at, _)| *at == key).expect("it is stored");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        assert_eq!(parse(&text), parse(&odd(version)));
    }
}
