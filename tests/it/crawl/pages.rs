//! Pages with status 200 that are not what they should be.

use gleaner::demo::Fault;
use gleaner::engine::error::CrawlError;

use super::rig::{Rig, says};
use crate::store_contract::backends::{JsonLines, Mongodb, Sqlite};
use crate::store_contract::{KeptFailure, Ledger};

/// What is kept of an item whose page is `body`; everything else is stored.
async fn kept<B: Ledger>(kind: &str, body: impl Into<Vec<u8>>) -> KeptFailure {
    let mut rig = Rig::<B>::new(20).await;
    rig.settings.pace.retries = 0;
    rig.demo.fault(Fault::on(rig.page(6)).body(kind, body.into()));
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed), (19, 1));
    let key = rig.demo.keys().remove(6);
    rig.lacks_only(&[&key]).await;
    let failure = rig.the_failure().await;
    assert_eq!((&failure.page, failure.status), (&key, Some(200)));
    failure
}

#[tokio::test]
async fn p1_html_where_json_is_due_is_a_failure_with_a_sample() {
    let page = "<html><title>Are you a robot?</title></html>";
    let failure = kept::<Sqlite>("text/html", page).await;
    assert_eq!((&*failure.reason, failure.sample.as_deref()), ("page", Some(page)));
    let failure = kept::<Mongodb>("application/json", page).await;
    assert_eq!((&*failure.reason, failure.sample.as_deref()), ("page", Some(page)));
}

#[tokio::test]
async fn p1_a_passing_wall_is_tried_again() {
    let rig = Rig::<Sqlite>::new(20).await;
    rig.demo.fault(Fault::on(rig.page(6)).first(1).body("text/html", "<html>back soon</html>"));
    assert_eq!(rig.complete().await.requests.retried, 1);
    rig.equals_the_site().await;
}

#[tokio::test]
async fn p1_walls_in_a_row_end_the_run_as_blocked() {
    let mut rig = Rig::<JsonLines>::new(60).await;
    rig.settings.pace.block_after = 3;
    for at in 0..60 {
        rig.demo.fault(Fault::on(rig.page(at)).body("text/html", "<html>log in</html>"));
    }
    let ended = rig.crawl().await;
    assert!(matches!(ended.error, Some(CrawlError::Blocked(_))), "{:?}", ended.error);
    says(&ended.report, "not JSON");
    assert_eq!(rig.documents().await.len(), 0);
}

#[tokio::test]
async fn p2_broken_bodies_are_failures_with_what_came() {
    let deep = format!(r#"{{"id":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 7] = [
        b"",
        b"{\"id\":\"x\"",
        b"{\"id\":\"\xff\xfe\"}",
        b"\xff\xfe{\0}\0",
        b"[{\"id\":\"x\"}]",
        b"{\"id\":1e400}",
        deep.as_bytes(),
    ];
    for body in bodies {
        let failure = kept::<Sqlite>("application/json", body).await;
        let start = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        let reason = &*failure.reason;
        // A list, and an object in UTF-16 by its mark, are pages without what is required.
        let is_other = body.starts_with(b"[") || body.starts_with(b"\xff\xfe");
        assert_eq!(reason, if is_other { "require" } else { "page" }, "{failure:?}");
        assert_eq!(failure.sample.is_some(), !body.is_empty(), "{start}");
        assert!(failure.sample.is_none_or(|sample| sample.len() <= 3 * 2048), "{start}");
    }
}

#[tokio::test]
async fn p2_a_byte_order_mark_and_space_around_are_no_fault() {
    let rig = Rig::<Mongodb>::new(5).await;
    let key = rig.demo.keys().remove(2);
    let document = rig.demo.document(&key).expect("a document");
    let body = format!("\u{feff}\r\n {document} \n");
    rig.demo.fault(Fault::on(rig.page(2)).body("application/json", body));
    rig.complete().await;
    rig.equals_the_site().await;
}

#[tokio::test]
async fn p2_a_broken_page_of_the_list_is_tried_again_and_then_lost() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    rig.settings.pace.retries = 1;
    let second = "/api/book/?limit=18&offset=18";
    rig.demo.fault(Fault::on(second).first(1).body("application/json", "{\"count\":40,\"resu"));
    assert_eq!(rig.complete().await.requests.retried, 1);
    rig.equals_the_site().await;
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on(second).body("application/json", "{\"count\":40,\"resu"));
    let report = rig.incomplete().await;
    says(&report, "1 page of the list was lost");
    assert_eq!((report.items.same, report.index.listed), (22, 22));
    rig.equals_the_site().await;
}

#[tokio::test]
async fn p7_a_page_without_what_is_required_names_it() {
    let failure = kept::<Sqlite>("application/json", r#"{"name":"no id"}"#).await;
    assert_eq!(failure.reason, "require");
    assert!(failure.message.contains("$.id"), "{failure:?}");
}
