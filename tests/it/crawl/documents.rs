//! A healthy site: what is stored equals it, whichever the store; and what a second crawl says.

use std::collections::BTreeSet;

use gleaner::demo::{Fault, Options};
use gleaner::model::task::PageRange;
use gleaner::site::Site;

use super::rig::{Rig, says};
use crate::store_contract::backends::{JsonLines, Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

const ITEMS: u64 = 75;
const PAGES: u64 = 5;

async fn every_document_equals_the_sites<B: Backend>() {
    let rig = Rig::<B>::new(75).await;
    let report = rig.complete().await;
    rig.equals_the_site().await;
    assert_eq!(report.items.new, ITEMS);
    assert_eq!((report.index.pages, report.index.declared), (PAGES, Some(ITEMS)));
    assert_eq!(report.requests.total, ITEMS + PAGES);
    assert_eq!((report.requests.retried, report.requests.given_up), (0, 0));
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test]
async fn in_sqlite_every_document_equals_the_sites() {
    every_document_equals_the_sites::<Sqlite>().await;
}

#[tokio::test]
async fn in_mongodb_every_document_equals_the_sites() {
    every_document_equals_the_sites::<Mongodb>().await;
}

#[tokio::test]
async fn in_json_lines_every_document_equals_the_sites() {
    every_document_equals_the_sites::<JsonLines>().await;
}

async fn a_second_crawl_tells_same_from_changed_and_new<B: Ledger>() {
    let mut rig = Rig::<B>::new(75).await;
    rig.settings.store.batch = 10;
    rig.complete().await;
    let first = rig.known().await;
    let report = rig.complete().await;
    assert_eq!((report.items.same, report.items.new, report.items.changed), (ITEMS, 0, 0));
    let second = rig.known().await;
    for (key, known) in &second {
        let before = &first[key];
        assert_eq!(known.first_seen, before.first_seen, "{key}");
        assert_eq!(known.changed_at, before.changed_at, "{key}");
        assert_eq!(known.digest, before.digest, "{key}");
        assert!(known.fetched_at > before.fetched_at && known.sweep != before.sweep, "{key}");
    }
    rig.equals_the_site().await;

    let changed: Vec<String> = rig.demo.keys().into_iter().step_by(20).collect();
    assert!(changed.iter().all(|key| rig.demo.change(key)));
    let added = rig.demo.insert(30);
    let report = rig.complete().await;
    let items = &report.items;
    assert_eq!((items.changed, items.new, items.same), (changed.len() as u64, 1, ITEMS - 4));
    rig.equals_the_site().await;
    let third = rig.known().await;
    for (key, known) in third.iter().filter(|(key, _)| **key != added) {
        assert_eq!(known.first_seen, first[key].first_seen, "{key}");
        let is_changed = known.changed_at != first[key].changed_at;
        assert_eq!(is_changed, changed.contains(key), "{key}");
    }
    let sweeps: BTreeSet<_> = rig.backend.sweeps().await.into_iter().map(|it| it.id).collect();
    assert_eq!(sweeps.len(), 3);
}

#[tokio::test]
async fn in_sqlite_a_second_crawl_tells_same_from_changed_and_new() {
    a_second_crawl_tells_same_from_changed_and_new::<Sqlite>().await;
}

#[tokio::test]
async fn in_mongodb_a_second_crawl_tells_same_from_changed_and_new() {
    a_second_crawl_tells_same_from_changed_and_new::<Mongodb>().await;
}

#[tokio::test]
async fn a_limit_takes_so_many_distinct_items() {
    for limit in [5, 25] {
        let mut rig = Rig::<Sqlite>::new(75).await;
        rig.settings.scope.limit = Some(limit);
        let report = rig.complete().await;
        assert_eq!((report.items.new, report.index.listed), (limit, limit));
        let stored: Vec<String> = rig.documents().await.into_keys().collect();
        assert_eq!(stored.len() as u64, limit);
        if limit == 5 {
            let first: BTreeSet<String> = rig.demo.keys().into_iter().take(5).collect();
            assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), first);
        }
        assert!(report.requests.total <= limit + PAGES);
    }
}

#[tokio::test]
async fn pages_and_page_size_say_which_part_of_the_list() {
    let mut rig = Rig::<Sqlite>::new(75).await;
    rig.settings.scope.pages = Some(PageRange { from: 2, to: 3 });
    rig.site.index.paging.set_limit(20);
    rig.demo.record();
    let report = rig.complete().await;
    let stored: BTreeSet<String> = rig.documents().await.into_keys().collect();
    let wanted: BTreeSet<String> = rig.demo.keys().into_iter().skip(20).take(40).collect();
    assert_eq!(stored, wanted);
    assert_eq!(report.index.pages, 2);
    let requests = rig.demo.requests();
    let lists: BTreeSet<&str> = requests
        .iter()
        .map(|request| request.path.as_str())
        .filter(|path| path.contains("offset="))
        .collect();
    let expected = ["/api/book/?limit=20&offset=20", "/api/book/?limit=20&offset=40"];
    assert_eq!(lists, expected.into());
}

/// The built-in site file, changed.
fn site_file(url: &str, from: &str, to: &str) -> Site {
    let text = include_str!("../../../src/site/books.toml");
    assert!(text.contains(from));
    let text = text.replace("https://spa5.scrape.center", url).replace(from, to);
    Site::parse(&text, "test.toml").expect("a site")
}

#[tokio::test]
async fn a_list_without_a_total_is_walked_to_its_end() {
    let mut rig = Rig::<Sqlite>::new(75).await;
    rig.site = site_file(rig.demo.url(), ", total = \"$.count\"", "");
    let report = rig.complete().await;
    rig.equals_the_site().await;
    assert_eq!(report.index.declared, None);
    assert_eq!(report.index.pages, PAGES + 1, "the last one is empty");
}

#[tokio::test]
async fn w11_slash_redirects_are_followed_and_said() {
    let mut rig = Rig::<Sqlite>::new(20).await;
    rig.site = site_file(rig.demo.url(), "{key}/", "{key}");
    let report = rig.complete().await;
    rig.equals_the_site().await;
    assert_eq!(report.requests.redirected, 20);
    assert_eq!(report.requests.total, 2 + 2 * 20);
    says(&report, "20 of 42 requests were redirected");
    says(&report, "straight to the page");
}

#[tokio::test]
async fn compressed_answers_are_the_same_documents() {
    let rig = Rig::<Mongodb>::with(Options { items: 40, compress: true, ..Options::default() });
    let rig = rig.await;
    let report = rig.complete().await;
    rig.equals_the_site().await;
    assert!(rig.demo.stats().body_bytes * 2 < report.requests.bytes, "{report:#?}");
}

#[tokio::test]
async fn l9_an_empty_list_is_complete_only_where_the_site_says_so() {
    let mut rig = Rig::<Sqlite>::new(0).await;
    assert_eq!(rig.complete().await.index.declared, Some(0));
    let empty = r#"{"count":9,"results":[]}"#;
    rig.demo.fault(Fault::on("/api/book/*").body("application/json", empty));
    says(&rig.incomplete().await, "nothing was listed, though the list declares 9 items");
    let silent = r#"{"results":[]}"#;
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on("/api/book/*").body("application/json", silent));
    says(&rig.incomplete().await, "the list is empty, and does not say that it should be");
    rig.settings.pace.retries = 0;
    let report = rig.incomplete().await;
    assert_eq!((report.requests.total, report.requests.given_up), (1, 0), "{report:#?}");
}

#[tokio::test]
async fn l6_items_without_a_key_are_failures_and_are_counted() {
    let rig = Rig::<Sqlite>::new(3).await;
    let keys = rig.demo.keys();
    let list = serde_json::json!({
        "count": 5,
        "results": [{"id": keys[0]}, {"id": null}, {"id": keys[1]}, {"no": "id"}, {"id": keys[2]}],
    });
    rig.demo.fault(
        Fault::on("/api/book/?limit=18&offset=0").body("application/json", list.to_string()),
    );
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed, report.index.listed), (3, 2, 5));
    says(&report, "2 items without a key");
    let failure = rig.the_failure().await;
    assert_eq!((&*failure.kind, &*failure.reason), ("index", "key"));
    rig.equals_the_site().await;
}
