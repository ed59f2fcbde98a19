//! More workers than descriptors.

use std::path::Path;

use super::program::{Running, gleaner, gleaner_after};
use super::{folder, report, site, sqlite, stored_as_served};

/// A slow site in a process of its own, which has its own descriptors.
fn slow_site(items: usize) -> (Running, String) {
    let items = items.to_string();
    let server = gleaner(&["demo", "--serve", "--items", &items, "--latency", "1s"]).start();
    let url = server.first_line();
    (server, url)
}

/// Crawls `items` items with so many workers, after a shell set the limit. Says what it told.
fn crawled(limit: &str, items: usize, workers: usize) -> String {
    let (server, url) = slow_site(items);
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let workers = workers.to_string();
    let arguments = ["crawl", "books", "--base-url", &url, "--workers", &workers, "--page-size"];
    let store = sqlite(&path);
    let more = ["1000", "--store", &store, "--report", to.to_str().expect("UTF-8")];
    let patient = ["--connect-timeout", "50s", "--read-timeout", "50s", "--timeout", "55s"];
    let ended =
        gleaner_after(limit, &[&arguments[..], &more[..], &patient[..]].concat()).run().with(0);
    server.signal("TERM");
    server.end().with(0);
    all_went_well(&to, items);
    assert_eq!(stored_as_served(&path, &site(items)), items);
    let said = &report(&to)["problems"];
    let warned = ended.err.contains("WARN") && ended.err.contains("instead of");
    assert_eq!(warned, said.to_string().contains("instead of"), "{said}\n{}", ended.err);
    ended.err
}

/// No connection failed for want of a descriptor: each of those would be tried again and again. Some
/// are lost to a machine that is too busy to answer thousands at once in time.
fn all_went_well(to: &Path, items: usize) {
    let report = report(to);
    let retried = report["requests"]["retried"].as_u64().expect("a number");
    assert!(retried < items as u64 / 10, "{report:#}");
    assert_eq!(report["items"]["failed"], 0);
}

#[test]
fn z3_five_thousand_workers_on_a_slow_site() {
    crawled("true", 5000, 5000);
}

#[test]
fn w15_z3_where_the_limit_stays_low_there_are_fewer_workers_and_it_is_said() {
    let told = crawled("ulimit -n 256", 300, 5000);
    let said = "96 workers instead of 5000: the system allows this process 256 open files";
    assert!(told.contains(said), "{told}");
}

#[test]
fn w15_a_limit_that_may_be_raised_is_raised() {
    let told = crawled("ulimit -Sn 100", 300, 300);
    assert!(!told.contains("instead of"), "{told}");
}
