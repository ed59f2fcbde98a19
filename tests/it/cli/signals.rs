//! SIGINT, SIGTERM and SIGHUP in the middle of a crawl.

use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Fault, Options};

use super::program::{Program, Running, crawl, gleaner, gleaner_after, started_by};
use super::{folder, read, report, sqlite, start, stored_as_served};

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
    running.says("finishing in-flight requests");
    let asked = demo.stats().requests;
    running.end().with(code).tells(&["books: interrupted", "The same command resumes this sweep."]);
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
fn s3_an_interrupt_finishes_in_flight_requests_and_exits_130() {
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
    running.says("signal again to abort");
    running
}

#[test]
fn s4_a_second_interrupt_aborts() {
    let demo = slow_site();
    let (_folder, path) = folder();
    let running = drains_for_long(&demo, &sqlite(&path), &[]);
    let second = Instant::now();
    running.signal("INT");
    running.end().with(130).tells(&["aborted"]);
    assert!(second.elapsed() < Duration::from_secs(2), "{:?}", second.elapsed());
    let stored = stored_as_served(&path, &demo);
    assert!(stored <= 400, "{stored}");
}

#[test]
fn s3_requests_are_aborted_after_the_grace_time() {
    let demo = slow_site();
    let (_folder, path) = folder();
    let running = drains_for_long(&demo, &sqlite(&path), &["--grace", "300ms"]);
    let told = Instant::now();
    running.end().with(130).tells(&["books: interrupted", "are dropped"]);
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    let stored = stored_as_served(&path, &demo);
    assert!((1..400).contains(&stored), "{stored}");
}

/// The program as a terminal starts it, whatever the tests were started with.
fn on_a_terminal(arguments: &[&str]) -> Program {
    started_by("/usr/bin/env", &["--default-signal=HUP"], arguments)
}

#[test]
fn s17_a_closed_terminal_stops_the_crawl_gracefully_and_exits_129() {
    let demo = slow_site();
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let store = sqlite(&path);
    let arguments = ["crawl", "books", "--base-url", demo.url(), "--store", &store];
    let more = ["--workers", "4", "--report", to.to_str().expect("UTF-8")];
    let running = on_a_terminal(&[&arguments[..], &more[..]].concat()).start();
    asked(&demo, 60);
    running.signal("HUP");
    running.end().with(129).tells(&["finishing in-flight requests", "books: interrupted"]);
    assert_eq!(report(&to)["outcome"], "interrupted");
    let stored = stored_as_served(&path, &demo);
    assert!((1..400).contains(&stored), "{stored}");
    let sweeps = gleaner(&["sweeps", "books", "--json", "--store", &store]).run().with(0).out;
    assert!(sweeps.contains("\"interrupted\"") && !sweeps.contains("\"running\""), "{sweeps}");
    crawl(demo.url(), &store, &[]).run().with(0).tells(&["run=2"]);
}

#[test]
fn s17_a_crawl_under_nohup_survives_sighup() {
    let demo = slow_site();
    let (_folder, path) = folder();
    let store = sqlite(&path);
    let arguments = ["crawl", "books", "--base-url", demo.url(), "--store", &store];
    let running = gleaner_after("trap '' HUP", &arguments).start();
    asked(&demo, 60);
    running.signal("HUP");
    running.end().with(0);
    assert_eq!(stored_as_served(&path, &demo), 400);
}

#[test]
fn s17_with_a_log_file_sighup_reopens_it_and_the_crawl_continues() {
    let demo = slow_site();
    let (folder, path) = folder();
    let (log, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let store = sqlite(&path);
    let arguments = ["crawl", "books", "--base-url", demo.url(), "--store", &store, "--log-file"];
    let running = on_a_terminal(&arguments).args(&[log.to_str().expect("UTF-8")]).start();
    asked(&demo, 60);
    std::fs::rename(&log, &old).expect("as logrotate does");
    running.signal("HUP");
    // Before another line is written: what rotates may compress the old file now.
    wait_until(&demo, |_| log.exists());
    running.end().with(0);
    assert_eq!(stored_as_served(&path, &demo), 400);
    let (old, log) = (read(&old), read(&log));
    assert!(old.contains("sweep=") && !old.contains("outcome="), "{old}");
    assert!(log.contains("outcome=complete") && !log.contains(" url="), "{log}");
}

#[test]
fn s17_a_log_file_that_is_deleted_is_made_anew_without_a_signal() {
    let demo = slow_site();
    let (folder, path) = folder();
    let log = folder.path().join("log");
    let file = log.to_str().expect("UTF-8");
    let running = crawl(demo.url(), &sqlite(&path), &["--log-file", file]).start();
    asked(&demo, 60);
    std::fs::remove_file(&log).expect("it is there");
    running.end().with(0);
    assert!(read(&log).contains("outcome=complete"), "{}", read(&log));
}
