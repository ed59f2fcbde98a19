//! Exit codes 0, 1 and 3, and what is said with them. 2 is in `usage`, 130 and 143 in `signals`.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gleaner::demo::Fault;
use serde_json::json;

use super::program::{crawl, gleaner};
use crate::served::{Answer, Served};

use super::{as_served, documents_of, folder, read, report, site, sqlite, stored_as_served};

#[test]
fn the_tour_stores_every_book_and_exits_0() {
    let (_folder, path) = folder();
    let ended = gleaner(&["demo", "--items", "60", "--store", &sqlite(&path)]).run().with(0);
    assert_eq!(as_served(&documents_of("demo", &path), &site(60)), 60);
    assert_eq!(ended.out, "");
    ended.tells(&["demo: complete", "60 new"]);
}

#[test]
fn a_served_demo_is_crawled_by_another_process_and_ends_when_told() {
    let server = gleaner(&["demo", "--serve", "--port", "0", "--items", "40"]).start();
    let url = server.first_line();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    let (_folder, path) = folder();
    crawl(&url, &sqlite(&path), &[]).run().with(0).tells(&["40 new"]);
    crawl(&url, &sqlite(&path), &[]).run().with(0).tells(&["40 same"]);
    assert_eq!(stored_as_served(&path, &site(40)), 40);
    server.signal("TERM");
    assert_eq!(server.end().with(0).out, format!("{url}\n"));
}

#[test]
fn a_failed_item_is_exit_3_and_in_the_report() {
    let demo = site(30);
    let lost = demo.keys().remove(4);
    demo.fault(Fault::on(format!("/api/book/{lost}/")).status(400));
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let more = ["--report", to.to_str().expect("UTF-8")];
    crawl(demo.url(), &sqlite(&path), &more).run().with(3).tells(&["incomplete", "1 failed"]);
    let report = report(&to);
    assert_eq!(report["outcome"], "incomplete");
    assert_eq!(report["items"]["failed"], 1);
    assert_eq!(stored_as_served(&path, &demo), 29);
}

#[test]
fn p13_a_redesign_is_exit_1_and_accepted_changes_are_exit_0() {
    let is_new = Arc::new(AtomicBool::new(false));
    let now = is_new.clone();
    let served = Served::start(move |asked| match asked.path.strip_prefix("/item/") {
        Some(id) if now.load(Relaxed) => Answer::json(&json!({ "id": id })),
        Some(id) => Answer::json(&json!({ "id": id, "price": 1 })),
        None => Answer::json(&(1..=25).map(|id| json!({ "id": id })).collect()),
    });
    let (folder, path) = folder();
    let file = folder.path().join("shop.toml");
    let text = "name = 'shop'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\n\
                key = '$.id'\n[detail]\nurl = '/item/{key}'\n";
    std::fs::write(&file, text).expect("the file is written");
    let (file, store) = (file.to_str().expect("UTF-8"), sqlite(&path));
    let arguments = ["crawl", file, "--base-url", served.url(), "--store", &store];
    gleaner(&arguments).run().with(0);
    is_new.store(true, Relaxed);
    gleaner(&arguments).run().with(1).tells(&["the field price was", "--accept-changes"]);
    gleaner(&arguments).args(&["--accept-changes"]).run().with(0).tells(&["25 changed"]);
    gleaner(&arguments).env("GLEANER_ACCEPT_CHANGES", "true").run().with(0);
}

#[test]
fn d2_a_store_out_of_reach_is_exit_1_within_5_s() {
    // Taken and let go of again: nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let store = format!("mongodb://me:s3cret@{port}/books");
    let begun = Instant::now();
    let demo = site(1);
    let ended = crawl(demo.url(), &store, &[]).run().with(1).tells(&["cannot be reached"]);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(!ended.err.contains("s3cret"), "{}", ended.err);
    assert_eq!(demo.stats().requests, 0);
}

#[test]
fn w6_a_site_out_of_reach_is_not_complete() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let (_folder, path) = folder();
    let site = format!("http://{port}");
    let ended = crawl(&site, &sqlite(&path), &["--retries", "0"]).run();
    ended.with(1).tells(&["robots.txt cannot be read: no connection", "failed"]);
    let more = ["--retries", "0", "--robots", "off"];
    let ended = crawl(&site, &sqlite(&path), &more).run();
    ended.with(1).tells(&["no connection", "failed"]);
}

#[test]
fn w3_a_site_that_refuses_for_good_is_exit_1() {
    let demo = site(30);
    demo.fault(Fault::on("/api/book/*").status(429));
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let more = ["--block-after", "2", "--report", to.to_str().expect("UTF-8")];
    crawl(demo.url(), &sqlite(&path), &more)
        .run()
        .with(1)
        .tells(&["blocked by the site", "failed"]);
    assert!(read(&to).contains("blocked by the site"));
}

#[test]
fn a_collection_of_another_site_is_exit_2() {
    let demo = site(5);
    let (folder, path) = folder();
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    let file = folder.path().join("other.toml");
    let text = gleaner_site(demo.url()).replace("name = \"books\"", "name = \"other\"");
    std::fs::write(&file, text).expect("the file is written");
    let file = file.to_str().expect("UTF-8");
    let ended = gleaner(&["crawl", file, "--store", &sqlite(&path)]).run().with(2);
    ended.tells(&["books", "other"]);
    assert_eq!(stored_as_served(&path, &demo), 5);
}

/// The built-in site file, for the site at `url`.
fn gleaner_site(url: &str) -> String {
    let text = include_str!("../../../src/site/books.toml");
    text.replace("https://spa5.scrape.center", url)
}

#[test]
fn failures_retry_crawls_only_the_failures() {
    let demo = site(30);
    let page = format!("/api/book/{}/", demo.keys()[4]);
    demo.fault(Fault::on(&page).status(400));
    let (folder, path) = folder();
    let store = sqlite(&path);
    crawl(demo.url(), &store, &[]).run().with(3);
    let again = ["failures", "books", "--retry", "--base-url", demo.url(), "--store", &store];
    gleaner(&again).run().with(3).tells(&["retrying failures", "1 failed"]);
    demo.clear_faults();
    gleaner(&again).run().with(0).tells(&["books: complete", "1 new"]);
    assert_eq!(stored_as_served(&path, &demo), 30);
    let requests = demo.stats().requests;
    gleaner(&again).run().with(0).tells(&["no failures of books"]);
    assert_eq!(demo.stats().requests, requests, "there is nothing to ask for");
    gleaner(&again).args(&["--json"]).run().with(2).tells(&["cannot be used with"]);
    let nowhere = format!("sqlite:{}", folder.path().join("other.db").display());
    gleaner(&["failures", "books", "--retry", "--store", &nowhere])
        .run()
        .with(2)
        .tells(&["a crawl creates it", "Name the store of your crawl"]);
}
