//! Sweep after sweep, as a process: times, signals, stores that go away, and what must not grow.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Fault};
use gleaner::model::report::Outcome;
use gleaner::store::{Place, StoreUrl};
use gleaner::sweep::{LedgerEntry, State};

use super::program::{Running, crawl, gleaner};
use super::{folder, read, report, site, sqlite, stored_as_served};
use crate::mongod::Mongod;

/// Longer than any of this takes, on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(60);

pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONGEST;
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The ledger, oldest first.
fn sweeps(store: &str) -> Vec<LedgerEntry> {
    let url: StoreUrl = store.parse().expect("a URL");
    let place =
        Place { site: "books".into(), collection: "books".into(), key_field: None, adopt: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let store = gleaner::store::open(&url, &place).await.expect("the store opens");
        let mut sweeps = store.sweeps(1_000).await.expect("the store answers");
        sweeps.reverse();
        store.close().await.expect("it closes");
        sweeps
    })
}

fn complete(store: &str) -> usize {
    let ended = |it: &&LedgerEntry| it.entry.state == State::Ended(Outcome::Complete);
    sweeps(store).iter().filter(ended).count()
}

fn every(demo: &Demo, store: &str, every: &str, more: &[&str]) -> Running {
    crawl(demo.url(), store, &["--every", every, "--progress", "off"]).args(more).start()
}

#[test]
fn sweeps_follow_one_another_from_start_to_start_and_a_signal_while_waiting_is_exit_0() {
    let demo = site(20);
    let (folder, path) = folder();
    let (store, to) = (sqlite(&path), folder.path().join("report.json"));
    let running = every(&demo, &store, "1s", &["--report", to.to_str().expect("UTF-8")]);
    until("the first report", || to.exists());
    let first = report(&to);
    until("another report", || report(&to)["sweep"] != first["sweep"]);
    until("a third sweep", || complete(&store) >= 3);
    running.says("waiting for the next sweep");
    let all = sweeps(&store);
    for pair in all.windows(2) {
        let apart = pair[1].entry.started_at.duration_since(pair[0].entry.started_at);
        let apart = apart.as_secs_f64();
        assert!((0.9..5.0).contains(&apart), "{apart} s from start to start");
        assert!(Some(pair[1].entry.started_at) > pair[0].entry.ended_at, "two at once");
    }
    // A loop that is started again keeps the time: its sweep is not due yet.
    running.signal("INT");
    let code = running.end().code;
    assert!(code == 0 || code == 130, "{code}");
    crawl(demo.url(), &store, &[]).run().with(0);
    let before = sweeps(&store).len();
    let waiting = every(&demo, &store, "1h", &[]);
    waiting.says("waiting for the next sweep");
    waiting.signal("TERM");
    waiting.end().with(0);
    assert_eq!(sweeps(&store).len(), before);
    assert_eq!(stored_as_served(&path, &demo), 20);
}

/// A loop whose sweep is under way, and slow.
fn in_mid_sweep(demo: &Demo, store: &str) -> Running {
    demo.fault(Fault::on("/api/book/*").delay(Duration::from_millis(100)));
    let running = every(demo, store, "1h", &["--workers", "2"]);
    until("the crawl gets on", || demo.stats().requests > 8);
    running
}

#[test]
fn a_signal_during_a_sweep_ends_the_loop_and_the_next_loop_resumes_at_once() {
    let demo = site(40);
    let (_folder, path) = folder();
    let store = sqlite(&path);
    let running = in_mid_sweep(&demo, &store);
    running.signal("TERM");
    running.end().with(143).tells(&["books: interrupted"]);
    demo.clear_faults();
    let running = every(&demo, &store, "1h", &[]);
    running.says("waiting for the next sweep");
    running.signal("INT");
    running.end().with(0).tells(&["resuming unfinished sweep", "books: complete"]);
    let sweeps = sweeps(&store);
    assert_eq!((sweeps.len(), sweeps[0].entry.runs), (1, 2));
}

#[test]
fn a_killed_sweep_is_resumed_when_the_loop_restarts() {
    let demo = site(40);
    let (_folder, path) = folder();
    let store = sqlite(&path);
    let running = in_mid_sweep(&demo, &store);
    running.signal("KILL");
    assert_eq!(running.end().code, 137);
    demo.clear_faults();
    let running = every(&demo, &store, "1h", &[]);
    running.says("books: complete");
    running.says("waiting for the next sweep");
    running.signal("INT");
    running.end().with(0).tells(&["resuming unfinished sweep"]);
}

#[test]
fn a_failed_sweep_does_not_end_the_loop_and_late_starts_are_skipped() {
    let demo = site(20);
    demo.fault(Fault::on("/api/book/?*").first(2).delay(Duration::from_millis(1_500)));
    demo.fault(Fault::on(format!("/api/book/{}/", demo.keys()[3])).first(1).status(400));
    let (_folder, path) = folder();
    let store = sqlite(&path);
    let running = every(&demo, &store, "1s", &[]);
    running.says("the sweep is incomplete; the next sweep starts as scheduled");
    running.says("skipping the starts");
    until("a sweep that is complete", || complete(&store) >= 1);
    running.signal("KILL");
    running.end();
    assert_eq!(sweeps(&store)[0].entry.state, State::Ended(Outcome::Incomplete));
    assert_eq!(stored_as_served(&path, &demo), 20);
}

#[test]
fn a_locked_site_is_retried_at_the_next_interval() {
    let demo = site(40);
    demo.fault(Fault::on("/api/book/*").delay(Duration::from_millis(150)));
    let (_folder, path) = folder();
    let store = sqlite(&path);
    let other = crawl(demo.url(), &store, &["--workers", "2"]).start();
    until("the other run gets on", || demo.stats().requests > 4);
    let running = every(&demo, &store, "500ms", &[]);
    running.says("another run holds the site lock; the next sweep starts as scheduled");
    other.end().with(0);
    running.says("books: complete");
    running.signal("KILL");
    running.end();
}

#[test]
fn d1_an_unavailable_store_is_retried_when_a_sweep_is_due() {
    let mut mongod = Mongod::start();
    let store = mongod.uri("every");
    let demo = site(20);
    let running = every(&demo, &store, "1s", &[]);
    until("a sweep", || complete(&store) >= 1);
    mongod.stop();
    running.says("store unavailable, retrying in 1s");
    mongod.restart();
    let before = complete(&store);
    until("another sweep", || complete(&store) > before);
    running.signal("KILL");
    running.end();
}

#[test]
fn a_permanent_error_ends_the_loop_at_the_start() {
    let demo = site(5);
    let (folder, path) = folder();
    let store = sqlite(&path);
    for (wrong, why) in
        [("0s", "longer than 0"), ("soon", "write a duration as"), ("9999d", "at most")]
    {
        crawl(demo.url(), &store, &["--every", wrong]).run().with(2).tells(&[why]);
    }
    let lines = format!("jsonl:{}", folder.path().join("x.jsonl").display());
    let why = ["--every (GLEANER_EVERY)", "no ledger"];
    crawl(demo.url(), &lines, &[]).env("GLEANER_EVERY", "1h").run().with(2).tells(&why);
    let nowhere = format!("sqlite:{}", folder.path().join("no/such/folder/x.db").display());
    crawl(demo.url(), &nowhere, &["--every", "1h"]).run().with(2).tells(&["there is no folder"]);
    let other = folder.path().join("other.toml");
    let text = read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/site/books.toml")));
    fs::write(&other, text.replace("name = \"books\"", "name = \"other\"")).expect("a file");
    crawl(demo.url(), &store, &[]).run().with(0);
    let other = other.to_str().expect("UTF-8");
    let more = ["crawl", other, "--base-url", demo.url(), "--store", &store, "--every", "1h"];
    gleaner(&more).run().with(2).tells(&["books"]);
}

/// What a process holds: open files, threads, and resident memory in KiB.
fn held(pid: u32) -> (usize, usize, u64) {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
    let status = read(Path::new(&format!("/proc/{pid}/status")));
    let number = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    };
    (files, number("Threads:") as usize, number("VmRSS:"))
}

/// After `warm` sweeps nothing grows for as many as follow. Looked at while it waits.
fn nothing_grows(store: &str, warm: usize, sweeps: usize) {
    let demo = site(60);
    let running = every(&demo, store, "300ms", &[]);
    let at = |sweeps: usize| {
        until("the sweeps", || complete(store) >= sweeps);
        // The least of some looks, since a look may fall into a sweep.
        let looks = (0..40).map(|_| {
            std::thread::sleep(Duration::from_millis(20));
            held(running.id())
        });
        looks.min_by_key(|(files, ..)| *files).expect("a look")
    };
    let (files, threads, memory) = at(warm);
    let (files_after, threads_after, memory_after) = at(warm + sweeps);
    running.signal("KILL");
    running.end();
    assert!(files_after <= files + 1, "files: {files} then {files_after}");
    assert!(threads_after <= threads + 1, "threads: {threads} then {threads_after}");
    let grown = memory_after.saturating_sub(memory);
    assert!(grown < 2_048, "memory: {memory} then {memory_after} KiB");
}

#[test]
fn z4_nothing_grows_from_sweep_to_sweep_in_sqlite() {
    let (_folder, path) = folder();
    nothing_grows(&sqlite(&path), 10, 40);
}

#[test]
fn z4_nothing_grows_from_sweep_to_sweep_in_mongodb() {
    nothing_grows(&crate::mongod::fresh_database(), 10, 30);
}
