//! Going over what failed, and nothing else; and what is noted of items that cannot be had.

use std::collections::BTreeMap;

use gleaner::demo::{Fault, Options};
use gleaner::engine::error::CrawlError;
use gleaner::model::report::{Outcome, Report};
use gleaner::site::settings::Begin;
use gleaner::site::{Site, parse_base_url};
use gleaner::store::Stored;
use gleaner::sweep::State;
use serde_json::json;

use super::rig::{Rig, ended, says};
use crate::served::{Answer, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// Goes over what failed.
async fn again<B: Ledger>(rig: &mut Rig<B>, outcome: Outcome) -> Report {
    rig.settings.scope.begin = Begin::Failures;
    let report = ended(rig.crawl().await, outcome);
    rig.settings.scope.begin = Begin::List;
    report
}

async fn stored<B: Ledger>(rig: &Rig<B>) -> BTreeMap<String, Stored> {
    let stored = rig.store().await.read(None, 10_000).await.expect("the store answers").found;
    stored.into_iter().map(|it| (it.known.key.to_string(), it)).collect()
}

/// Three items fail for good; two of them can be had later, one is not there any more.
async fn what_failed_is_crawled_and_nothing_else<B: Ledger>() {
    let mut rig = Rig::<B>::new(40).await;
    let keys = rig.demo.keys();
    [3, 20, 21].iter().for_each(|at| rig.demo.fault(Fault::on(rig.page(*at)).status(400)));
    assert_eq!(rig.incomplete().await.items.failed, 3);
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on(rig.page(20)).status(400));
    rig.demo.remove(&keys[21]);
    let before = rig.demo.stats().requests;
    let report = again(&mut rig, Outcome::Incomplete).await;
    let items = &report.items;
    assert_eq!((items.new, items.failed, items.missing, report.index.listed), (1, 1, 1, 3));
    assert_eq!(rig.demo.stats().requests - before, 4, "three pages, one of them twice");
    assert_eq!(rig.the_failure().await.page, keys[20], "what is not there is not a failure");
    rig.demo.clear_faults();
    let report = again(&mut rig, Outcome::Complete).await;
    assert_eq!((report.items.new, report.requests.total), (1, 1));
    assert_eq!(rig.backend.failures().await, []);
    rig.equals_the_site().await;
    // They are runs of their own, which are no sweeps over the site.
    let sweeps = rig.backend.sweeps().await;
    let seen: Vec<_> = sweeps
        .iter()
        .map(|entry| (entry.kind == gleaner::model::report::Kind::Limited, entry.state))
        .collect();
    let incomplete = State::Ended(Outcome::Incomplete);
    let complete = State::Ended(Outcome::Complete);
    assert_eq!(seen, [(false, incomplete), (true, incomplete), (true, complete)]);
}

#[tokio::test]
async fn what_failed_is_crawled_and_nothing_else_in_sqlite() {
    what_failed_is_crawled_and_nothing_else::<Sqlite>().await;
}

#[tokio::test]
async fn what_failed_is_crawled_and_nothing_else_in_mongodb() {
    what_failed_is_crawled_and_nothing_else::<Mongodb>().await;
}

/// An item that is asked for without its list was last listed when it was listed; and what the list
/// leaves out stays so.
async fn what_is_asked_for_without_its_list_is_not_noted_as_listed<B: Ledger>() {
    let mut rig = Rig::<B>::with(Options { items: 40, etags: true, ..Options::default() }).await;
    let keys = rig.demo.keys();
    rig.demo.fault(Fault::on(rig.page(3)).status(400));
    rig.incomplete().await;
    let failed_at = rig.the_failure().await.first_at;
    rig.demo.clear_faults();
    again(&mut rig, Outcome::Complete).await;
    assert_eq!(stored(&rig).await[&keys[3]].known.seen_at, Some(failed_at), "when it was listed");
    let failing = [5, 6, 7].map(|at| rig.page(at));
    failing.iter().for_each(|page| rig.demo.fault(Fault::on(page).status(400)));
    rig.incomplete().await;
    // One changes, one is left out of the list, and so it fails once more only of the first.
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on(&failing[0]).status(400));
    rig.demo.fault(Fault::on(&failing[1]).status(400));
    rig.demo.unlist(&keys[7]);
    rig.incomplete().await;
    rig.demo.clear_faults();
    rig.demo.change(&keys[5]);
    let before = stored(&rig).await;
    assert!(before[&keys[7]].known.unlisted_at.is_some(), "{:?}", before[&keys[7]]);
    let items = again(&mut rig, Outcome::Complete).await.items;
    assert_eq!((items.changed, items.same), (1, 2));
    let after = stored(&rig).await;
    for key in &keys[5..8] {
        let (was, is) = (&before[key].known, &after[key].known);
        assert!(is.fetched_at > was.fetched_at, "{is:?}");
        assert_eq!((is.seen_at, is.unlisted_at), (was.seen_at, was.unlisted_at), "{key}");
    }
    let items = rig.complete().await.items;
    assert_eq!((items.unlisted, items.gone), (1, 0), "its page is there");
}

#[tokio::test]
async fn what_is_asked_for_without_its_list_is_not_noted_as_listed_in_sqlite() {
    what_is_asked_for_without_its_list_is_not_noted_as_listed::<Sqlite>().await;
}

#[tokio::test]
async fn what_is_asked_for_without_its_list_is_not_noted_as_listed_in_mongodb() {
    what_is_asked_for_without_its_list_is_not_noted_as_listed::<Mongodb>().await;
}

#[tokio::test]
async fn a_page_of_the_list_is_asked_again_and_what_is_not_stored_is_crawled() {
    let mut rig = Rig::<Sqlite>::new(90).await;
    rig.demo.fault(Fault::on("/api/book/?limit=18&offset=36").status(400));
    let report = rig.incomplete().await;
    assert_eq!(report.items.new, 72);
    rig.demo.clear_faults();
    let report = again(&mut rig, Outcome::Complete).await;
    assert_eq!((report.index.pages, report.items.new, report.requests.total), (1, 18, 19));
    assert_eq!(rig.backend.failures().await, []);
    rig.equals_the_site().await;
}

#[tokio::test]
async fn a_first_page_that_was_lost_leads_to_the_whole_list() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    rig.demo.fault(Fault::on("/api/book/?limit=18&offset=0").status(400));
    let lost = rig.crawl().await;
    assert!(matches!(lost.error, Some(CrawlError::NoList(_))), "{:?}", lost.error);
    rig.demo.clear_faults();
    assert_eq!(again(&mut rig, Outcome::Complete).await.items.new, 60);
    rig.equals_the_site().await;
    assert_eq!(rig.backend.failures().await, []);
}

#[tokio::test]
async fn what_failed_in_an_empty_store_is_cleared_when_it_is_had() {
    let mut rig = Rig::<Sqlite>::new(5).await;
    (0..5).for_each(|at| rig.demo.fault(Fault::on(rig.page(at)).status(400)));
    assert_eq!(rig.incomplete().await.items.failed, 5);
    rig.demo.clear_faults();
    assert_eq!(again(&mut rig, Outcome::Complete).await.items.new, 5);
    assert_eq!(rig.backend.failures().await, []);
}

#[tokio::test]
async fn a_complete_sweep_leaves_no_failures_behind() {
    let rig = Rig::<Sqlite>::new(40).await;
    let keys = rig.demo.keys();
    rig.demo.fault(Fault::on(rig.page(39)).status(400));
    rig.demo.fault(Fault::on("/api/book/?limit=18&offset=18").status(400));
    rig.incomplete().await;
    assert_eq!(rig.backend.failures().await.len(), 2);
    // The item leaves, and is not listed: nothing asks for it any more.
    rig.demo.clear_faults();
    rig.demo.remove(&keys[39]);
    rig.complete().await;
    assert_eq!(rig.backend.failures().await, []);
}

/// A site whose items have no pages of their own, or whose documents hold parts of the list.
async fn looked_for_on_the_list(detail: &str) -> (Vec<String>, Report) {
    let bad = std::sync::atomic::AtomicBool::new(true);
    let fixed = std::sync::Arc::new(bad);
    let is_bad = fixed.clone();
    let served = Served::start(move |asked| {
        let bad = is_bad.load(std::sync::atomic::Ordering::SeqCst);
        match asked.path.as_str() {
            "/list" => {
                let n = |at: usize| if bad && at == 2 { json!("two") } else { json!(at) };
                let items: Vec<_> =
                    (0..4).map(|at| json!({"id": format!("k{at}"), "n": n(at)})).collect();
                Answer::json(&json!(items))
            }
            path if path.starts_with("/item/") => Answer::json(&json!({"path": path})),
            _ => Answer::not_found(),
        }
    });
    let text = format!(
        "name = \"books\"\nbase_url = \"http://h.test\"\nformat = \"json\"\n[index]\nurl = \"/list\"\nitems = \"$[*]\"\nkey = \"$.id\"\nfields = {{ id = \"$.id\", n = {{ select = \"$.n\", as = \"integer\", required = true }} }}\n{detail}"
    );
    let site = Site::parse(&text, "s.toml").expect("a site file");
    let mut rig = Rig::<Sqlite>::with(Options { items: 1, ..Options::default() }).await;
    rig.site = Site { base_url: parse_base_url(served.url()).expect("a URL"), ..site };
    rig.settings.pace.retries = 0;
    let report = ended(rig.crawl().await, Outcome::Incomplete);
    assert_eq!((report.items.new, report.items.failed), (3, 1), "{report:#?}");
    fixed.store(false, std::sync::atomic::Ordering::SeqCst);
    let before = served.requests().len();
    let report = again(&mut rig, Outcome::Complete).await;
    assert_eq!(rig.backend.failures().await, []);
    assert_eq!(stored(&rig).await.len(), 4);
    let asked = served.requests().split_off(before);
    (asked.into_iter().map(|asked| asked.path).collect(), report)
}

#[tokio::test]
async fn an_item_without_a_page_is_looked_for_on_the_list_and_taken_alone() {
    let (asked, report) = looked_for_on_the_list("").await;
    assert_eq!(asked, ["/list"]);
    assert_eq!((report.items.new, report.index.listed), (1, 1));
}

#[tokio::test]
async fn an_item_that_takes_fields_of_the_list_is_looked_for_on_it() {
    let detail = "[detail]\nurl = \"/item/{key}\"\nfields = { path = \"$.path\" }\n";
    let (asked, report) = looked_for_on_the_list(detail).await;
    assert_eq!(asked, ["/list", "/item/k2"]);
    assert_eq!((report.items.new, report.index.listed), (1, 1));
}

#[tokio::test]
async fn an_item_that_left_the_list_is_said_to_have_left() {
    let left = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let has_left = left.clone();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" if has_left.load(std::sync::atomic::Ordering::SeqCst) => {
            Answer::json(&json!([{"id": "a", "n": 1}]))
        }
        "/list" => Answer::json(&json!([{"id": "a", "n": 1}, {"id": "b"}])),
        _ => Answer::not_found(),
    });
    let text = "name = \"books\"\nbase_url = \"http://h.test\"\nformat = \"json\"\n[index]\nurl = \"/list\"\nitems = \"$[*]\"\nkey = \"$.id\"\nfields = { n = { select = \"$.n\", required = true } }\n";
    let site = Site::parse(text, "s.toml").expect("a site file");
    let mut rig = Rig::<Sqlite>::with(Options { items: 1, ..Options::default() }).await;
    rig.site = Site { base_url: parse_base_url(served.url()).expect("a URL"), ..site };
    rig.settings.pace.retries = 0;
    ended(rig.crawl().await, Outcome::Incomplete);
    left.store(true, std::sync::atomic::Ordering::SeqCst);
    let report = again(&mut rig, Outcome::Complete).await;
    says(&report, "an item that failed is not on the list any more");
    assert_eq!(rig.backend.failures().await.len(), 1);
    ended(rig.crawl().await, Outcome::Complete);
    assert_eq!(rig.backend.failures().await, []);
}

/// Of items that are listed, but fail or are missing, it is noted that they were listed, and
/// nothing else.
async fn what_is_listed_is_noted_though_it_cannot_be_had<B: Ledger>() {
    let rig = Rig::<B>::new(30).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    let before = stored(&rig).await;
    rig.demo.fault(Fault::on(rig.page(4)).status(400));
    rig.demo.fault(Fault::on(rig.page(5)).status(404));
    let report = rig.incomplete().await;
    assert_eq!((report.items.failed, report.items.missing, report.items.gone), (1, 1, 1));
    let after = stored(&rig).await;
    for key in &keys[4..6] {
        let (before, after) = (&before[key], &after[key]);
        let (was, is) = (&before.known, &after.known);
        assert!(is.seen_at > was.seen_at, "{after:?}");
        assert!(is.seen_at >= Some(report.started_at), "{after:?}");
        assert_eq!((&was.sweep, was.fetched_at), (&is.sweep, is.fetched_at), "{key}");
        assert_eq!((&was.digest, was.changed_at), (&is.digest, is.changed_at), "{key}");
    }
    assert_eq!(after[&keys[4]].known.gone_at, None);
    assert!(after[&keys[5]].known.gone_at.is_some());
}

#[tokio::test]
async fn what_is_listed_is_noted_though_it_cannot_be_had_in_sqlite() {
    what_is_listed_is_noted_though_it_cannot_be_had::<Sqlite>().await;
}

#[tokio::test]
async fn what_is_listed_is_noted_though_it_cannot_be_had_in_mongodb() {
    what_is_listed_is_noted_though_it_cannot_be_had::<Mongodb>().await;
}
