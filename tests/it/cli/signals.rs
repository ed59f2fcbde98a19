//! SIGINT and SIGTERM in the middle of a crawl.

use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Fault, Options};

use super::program::{Running, crawl};
use super::{folder, report, sqlite, start, stored_as_served};

const WORKERS: u64 = 4;

fn slow_site() -> Demo {
    start(Options { items: 400, latency: Duration::from_millis(20), ..Options::default() })
}

/// Waits until the site was asked so often.
fn asked(demo: &Demo, requests: u64) {
    wait_until(demo, |demo| demo.stats().requests >= requests);
}

fn wait_until(demo: &Demo, so: impl Fn(&Demo) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so(demo) {
        assert!(Instant::now() < deadline, "the crawl does not get on: {:?}", demo.stats());
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn stops(name: &str, code: i32) {
    let demo = slow_site();
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let more = ["--workers", "4", "--report", to.to_str().expect("UTF-8")];
    let running = crawl(demo.url(), &sqlite(&path), &more).start();
    asked(&demo, 60);
    running.signal(name);
    running.says("stopping");
    let asked = demo.stats().requests;
    running.end().with(code).tells(&["books: interrupted"]);
    let requests = demo.stats().requests;
    assert!(requests <= asked + WORKERS, "{requests} after {asked}: new ones were begun");
    let report = report(&to);
    assert_eq!(report["outcome"], "interrupted");
    assert_eq!(report["requests"]["total"], requests);
    let pages = report["index"]["pages"].as_u64().expect("a number");
    let stored = stored_as_served(&path, &demo) as u64;
    assert_eq!(stored, requests - pages - 1, "all that was fetched is written");
    assert!((1..400).contains(&stored), "{stored}");
}

#[test]
fn s3_an_interrupt_brings_home_what_is_in_flight_and_exits_130() {
    stops("INT", 130);
}

#[test]
fn s3_a_supervisor_gets_143() {
    stops("TERM", 143);
}

fn drains_for_long(demo: &Demo, store: &str, more: &[&str]) -> Running {
    let stalls: Vec<String> =
        demo.keys().iter().skip(40).map(|key| format!("/api/book/{key}/")).collect();
    stalls.iter().for_each(|page| demo.fault(Fault::on(page).stall(10)));
    demo.record();
    let running = crawl(demo.url(), store, &["--workers", "4"]).args(more).start();
    let stalled = |demo: &Demo| {
        demo.requests().iter().filter(|seen| stalls.contains(&seen.path)).count() as u64
    };
    wait_until(demo, |demo| stalled(demo) == WORKERS);
    running.signal("INT");
    running.says("once more stops at once");
    running
}

#[test]
fn s4_a_second_interrupt_ends_it_at_once() {
    let demo = slow_site();
    let (_folder, path) = folder();
    let running = drains_for_long(&demo, &sqlite(&path), &[]);
    let second = Instant::now();
    running.signal("INT");
    running.end().with(130).tells(&["stopped at once"]);
    assert!(second.elapsed() < Duration::from_secs(2), "{:?}", second.elapsed());
    let stored = stored_as_served(&path, &demo);
    assert!(stored <= 400, "{stored}");
}

#[test]
fn s3_the_grace_time_ends_what_does_not_end_by_itself() {
    let demo = slow_site();
    let (_folder, path) = folder();
    let running = drains_for_long(&demo, &sqlite(&path), &["--grace", "300ms"]);
    let told = Instant::now();
    running.end().with(130).tells(&["books: interrupted", "are dropped"]);
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    let stored = stored_as_served(&path, &demo);
    assert!((1..400).contains(&stored), "{stored}");
}
