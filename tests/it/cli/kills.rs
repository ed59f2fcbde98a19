//! Runs that are killed, and runs side by side.

use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Fault, Options};

use super::program::{Program, crawl, gleaner};
use super::{folder, report, site, sqlite, start, stored_as_served};

const ITEMS: usize = 600;
const WORKERS: u64 = 8;
const BATCH: u64 = 20;

fn slow_site() -> Demo {
    start(Options { items: ITEMS, latency: Duration::from_millis(10), ..Options::default() })
}

fn run(demo: &Demo, store: &str, more: &[&str]) -> Program {
    let (workers, batch) = (WORKERS.to_string(), BATCH.to_string());
    let tuned = ["--workers", &workers, "--batch", &batch, "--flush", "20ms"];
    crawl(demo.url(), store, &tuned).args(more)
}

/// Killed at several moments and started again until it is complete: nothing is lost, nothing is
/// there twice, and little is asked for twice.
fn killed_again_and_again(store: &str, stored: impl Fn(&Demo) -> usize) {
    let demo = slow_site();
    let mut kills = 0;
    for at in [30, 150, 152, 330, 480, 900] {
        let before = demo.stats().requests;
        let running = run(&demo, store, &[]).start();
        let deadline = Instant::now() + Duration::from_secs(30);
        while demo.stats().requests < before + at / 3 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        running.signal("KILL");
        assert_eq!(running.end().code, 137);
        kills += 1;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("report.json");
    run(&demo, store, &["--report", to.to_str().expect("UTF-8")])
        .run()
        .with(0)
        .tells(&["resuming unfinished sweep"]);
    let requests = demo.stats().requests;
    assert_eq!(stored(&demo), ITEMS);
    let report = report(&to);
    assert_eq!(
        (&report["resumed"], &report["items"]["new"]),
        (&true.into(), &(ITEMS as u64).into())
    );
    // One clean run, the list (and robots.txt) again each time, and what a kill found in the hands
    // of workers, in the channel, and in the batches in flight.
    let pages = ITEMS as u64 / 18 + 3;
    let held = WORKERS + BATCH + 3 * BATCH;
    let most = ITEMS as u64 + (kills + 1) * pages + kills * held;
    assert!(requests <= most, "{requests} of at most {most}");
}

#[test]
fn s1_s5_a_killed_run_is_resumed_in_sqlite() {
    let (_folder, path) = folder();
    killed_again_and_again(&sqlite(&path), |demo| stored_as_served(&path, demo));
}

#[test]
fn s1_s5_a_killed_run_is_resumed_in_mongodb() {
    let mongod = crate::mongod::fresh_database();
    killed_again_and_again(&mongod, |demo| {
        // A refresh that finds all of it the same says that all of it is there.
        let folder = tempfile::tempdir().expect("a folder");
        let to = folder.path().join("report.json");
        run(demo, &mongod, &["--report", to.to_str().expect("UTF-8")]).run().with(0);
        let same = report(&to)["items"]["same"].as_u64().expect("a number");
        usize::try_from(same).expect("a count")
    });
}

#[test]
fn s8_a_second_run_is_exit_4_and_says_who_holds_the_site() {
    let demo = slow_site();
    demo.record();
    let asked_for_rules = |times| {
        let asked = demo.requests().into_iter().filter(|request| request.path == "/robots.txt");
        assert_eq!(asked.count(), times, "the site is asked by who holds the lock");
    };
    let (_folder, path) = folder();
    let first = run(&demo, &sqlite(&path), &[]).start();
    first.says("starting sweep");
    let second = run(&demo, &sqlite(&path), &[]).run().with(4);
    let who = "another run holds the site lock books: process";
    second.tells(&[who, ", since 20", ", silent for ", "; free when that run ends, or in "]);
    asked_for_rules(1);
    // One that resumes a sweep has not held the site since that began.
    first.signal("KILL");
    first.end();
    let resumed_at = jiff::Timestamp::now();
    let first = run(&demo, &sqlite(&path), &[]).start();
    first.says("resuming unfinished sweep");
    let second = run(&demo, &sqlite(&path), &[]).run().with(4).err;
    let since = second.split_once(", since ").expect("it says since when").1;
    let since: jiff::Timestamp = since.split_once(',').expect("a list").0.parse().expect("a time");
    assert!(since >= resumed_at - jiff::SignedDuration::from_secs(1), "{second}");
    asked_for_rules(2);
    first.end().with(0);
    assert_eq!(stored_as_served(&path, &demo), ITEMS);
}

#[test]
fn s8_a_run_on_a_locked_site_writes_its_report() {
    let demo = slow_site();
    let (folder, path) = folder();
    let first = run(&demo, &sqlite(&path), &[]).start();
    first.says("starting sweep");
    let to = folder.path().join("report.json");
    let more = ["--report", to.to_str().expect("UTF-8")];
    run(&demo, &sqlite(&path), &more).run().with(4);
    let report = report(&to);
    assert_eq!(report["outcome"], "failed");
    assert!(report["sweep"].is_null(), "{report}");
    let said = report["problems"][0].as_str().expect("a sentence");
    assert!(said.starts_with("another run holds the site lock books"), "{said}");
    first.signal("KILL");
    first.end();
}

#[test]
fn a_new_sweep_begins_where_the_last_was_complete_or_fresh_is_asked_for() {
    let demo = start(Options { items: 30, ..Options::default() });
    let (_folder, path) = folder();
    let program = |more: &[&str]| crawl(demo.url(), &sqlite(&path), more).run().with(0);
    assert!(!program(&[]).err.contains("resuming"));
    assert!(!program(&[]).err.contains("resuming"));
    assert!(!program(&["--fresh"]).err.contains("resuming"));
}

/// Stopped before its first page was read: what goes on then is not taken to be finished.
fn stopped_before_the_first_page(signal: &str, code: i32) {
    let demo = site(40);
    demo.fault(Fault::on("/api/book/?limit=18&offset=0").first(1).delay(Duration::from_secs(40)));
    demo.record();
    let (folder, path) = folder();
    let (store, to) = (sqlite(&path), folder.path().join("report.json"));
    let running = crawl(demo.url(), &store, &["--grace", "100ms"]).start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !demo.requests().iter().any(|seen| seen.path.contains("offset=0")) {
        assert!(Instant::now() < deadline, "the first page is never requested");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(signal);
    assert_eq!(running.end().code, code);
    let more = ["--report", to.to_str().expect("UTF-8")];
    crawl(demo.url(), &store, &more).run().with(0).tells(&["resuming unfinished sweep", "40 new"]);
    let report = report(&to);
    assert_eq!((&report["resumed"], &report["index"]["listed"]), (&true.into(), &40.into()));
    assert_eq!(stored_as_served(&path, &demo), 40);
}

#[test]
fn s6_a_sweep_killed_before_its_first_page_is_not_finished() {
    stopped_before_the_first_page("KILL", 137);
}

#[test]
fn s6_a_sweep_interrupted_before_its_first_page_is_not_finished() {
    stopped_before_the_first_page("INT", 130);
}

/// Ctrl-C of a full run, then `kill -9` of a limited one.
fn interrupted_and_a_part_of_it_killed(store: &str) {
    let demo = slow_site();
    let full = run(&demo, store, &["--grace", "100ms"]).start();
    full.says("starting sweep");
    let stored_some = Instant::now() + Duration::from_secs(30);
    while demo.stats().requests < 200 && Instant::now() < stored_some {
        std::thread::sleep(Duration::from_millis(1));
    }
    full.signal("INT");
    full.end().with(130);
    let limited = run(&demo, store, &["--limit", "300"]).start();
    limited.says("starting sweep");
    limited.signal("KILL");
    assert_eq!(limited.end().code, 137);
    let asked = demo.stats().requests;
    run(&demo, store, &[]).run().with(0).tells(&["resuming unfinished sweep", "complete"]);
    assert!(demo.stats().requests - asked < ITEMS as u64, "what was stored is not requested again");
    let sweeps = gleaner(&["sweeps", "books", "--store", store]).run().with(0);
    assert!(!sweeps.out.contains("running"), "{}", sweeps.out);
    run(&demo, store, &[]).run().with(0);
}

#[test]
fn s12_a_killed_limited_run_does_not_prevent_resuming_in_sqlite() {
    let (_folder, path) = folder();
    interrupted_and_a_part_of_it_killed(&sqlite(&path));
}

#[test]
fn s12_a_killed_limited_run_does_not_prevent_resuming_in_mongodb() {
    interrupted_and_a_part_of_it_killed(&crate::mongod::fresh_database());
}

/// A run that was killed, as if it had run on another machine and given its last heartbeat so many
/// seconds ago.
fn killed_elsewhere(demo: &Demo, path: &std::path::Path, seconds: i64) {
    let running = run(demo, &sqlite(path), &[]).start();
    running.says("starting sweep");
    running.signal("KILL");
    assert_eq!(running.end().code, 137);
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    let sql = "UPDATE gleaner_sweeps SET heartbeat_at = ?1, \
        holder = json_set(holder, '$.boot', 'other', '$.host', 'other')";
    let store = rusqlite::Connection::open(path).expect("the file opens");
    assert_eq!(store.execute(sql, [format!("{at:.3}")]).expect("the change is made"), 1);
}

#[test]
fn s14_a_remote_holder_without_heartbeats_is_watched_and_then_evicted() {
    let demo = start(Options { items: 30, ..Options::default() });
    let (_folder, path) = folder();
    killed_elsewhere(&demo, &path, 50);
    let began = Instant::now();
    let next = run(&demo, &sqlite(&path), &[]).run().with(0).err;
    let waited = began.elapsed();
    assert!(
        next.contains("waiting up to 20 s for a heartbeat") && next.contains(" on other, since")
    );
    assert!(next.contains("resuming unfinished sweep"), "{next}");
    assert!(waited >= Duration::from_secs(19) && waited < Duration::from_secs(50), "{waited:?}");
    assert_eq!(stored_as_served(&path, &demo), 30);
}

/// Half of the items leave the list while the clock is an hour ahead; then it is set right. That they
/// were not listed before is known all the same, in a new sweep and in a resumed one.
fn noted_by_a_clock_that_was_ahead(store: &str) {
    let demo = start(Options { items: 40, ..Options::default() });
    let keys = demo.keys();
    run(&demo, store, &[]).run().with(0);
    assert!(keys[..20].iter().all(|key| demo.unlist(key)));
    demo.fault(Fault::on(format!("/api/book/{}/", keys[0])).status(403));
    let ahead = run(&demo, store, &["--gone-limit", "60"]);
    ahead.env("GLEANER_TEST_CLOCK_OFFSET", "3600").run().with(0).tells(&["20 unlisted"]);
    // What neither shows itself nor is listed is gone the second time.
    run(&demo, store, &[]).run().with(0).tells(&["1 gone", "19 unlisted"]);
    demo.fault(Fault::on("/api/book/?*").first(9).delay(Duration::from_millis(300)));
    let before = demo.stats().requests;
    let told = run(&demo, store, &[]).start();
    while demo.stats().requests < before + 2 {
        std::thread::sleep(Duration::from_millis(1));
    }
    told.signal("TERM");
    told.end().with(143);
    run(&demo, store, &[]).run().with(0).tells(&["resuming unfinished sweep"]);
}

#[test]
fn s14_marks_made_by_a_fast_clock_count_as_earlier_in_sqlite() {
    let (_folder, path) = folder();
    noted_by_a_clock_that_was_ahead(&sqlite(&path));
}

#[test]
fn s14_marks_made_by_a_fast_clock_count_as_earlier_in_mongodb() {
    noted_by_a_clock_that_was_ahead(&crate::mongod::fresh_database());
}

#[test]
fn s18_a_signal_before_the_start_stops_at_once_without_a_sweep() {
    let demo = start(Options { items: 30, ..Options::default() });
    let (folder, path) = folder();
    killed_elsewhere(&demo, &path, -3_600);
    let asked = demo.stats().requests;
    let to = folder.path().join("report.json");
    let next = run(&demo, &sqlite(&path), &["--report", to.to_str().expect("UTF-8")]).start();
    next.says("waiting up to 60 s for a heartbeat");
    next.signal("INT");
    let told = Instant::now();
    let next = next.end().with(130).err;
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());
    assert!(next.contains("with a heartbeat in the future; free when"), "{next}");
    assert!(next.contains("(no sweep)") && !next.contains("sweep ended"), "{next}");
    assert_eq!(report(&to)["sweep"], serde_json::Value::Null);
    assert_eq!(demo.stats().requests, asked, "the site is requested nothing");
    let listed = gleaner(&["sweeps", "books", "--store", &sqlite(&path)]).run().with(0);
    assert!(listed.out.contains("with a heartbeat in"), "{}", listed.out);
}
