//! `gleaner status`, on stores that real crawls have filled: what it shows, and whom it tells.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Options};
use serde_json::Value;

use super::program::{Ended, Program, crawl, gleaner};
use super::several::Folder;
use super::{folder, read, site, sqlite, start};
use crate::mongod::fresh_database;
use crate::served::{Answer, Asked, Served};

const VERSION_0_1_0: &[u8] = include_bytes!("version_0_1_0/store.sqlite");

fn status(store: &str) -> Program {
    gleaner(&["status", "--store", store])
}

/// The site `books` in the JSON output.
fn books(ended: &Ended) -> Value {
    let mut overview: Value = serde_json::from_str(&ended.out).expect("JSON");
    let sites = overview["sites"].as_array_mut().expect("sites");
    assert_eq!(sites.len(), 1, "{sites:#?}");
    sites.remove(0)
}

/// Rules of the alerts.
fn rules(site: &Value) -> Vec<&str> {
    let alerts = site["alerts"].as_array().expect("alerts");
    alerts.iter().map(|alert| alert["rule"].as_str().expect("a rule")).collect()
}

/// The built-in site at `demo`, with these expectations, as a site file.
fn expecting(folder: &Folder, demo: &Demo, expect: &str) -> String {
    let text = gleaner(&["sites", "books"]).run().with(0).out;
    let at = text.lines().find(|line| line.starts_with("base_url")).expect("a base URL");
    let text = text.replace(at, &format!("base_url = '{}'", demo.url()));
    folder.file("books", &format!("{text}\n[expect]\n{expect}\n"))
}

#[test]
fn sites_that_are_well_are_fine_by_exit_code_table_and_json() {
    let (_folder, path) = folder();
    for store in [sqlite(&path), fresh_database()] {
        let demo = site(12);
        crawl(demo.url(), &store, &[]).run().with(0);
        let ended = status(&store).run().with(0);
        let row = ended.out.lines().nth(1).expect("a row");
        for part in ["books", "fine", "12", "12/0/0", "█"] {
            assert!(row.contains(part), "nothing of {part}: {}", ended.out);
        }
        assert!(ended.out.lines().all(|line| line.chars().count() <= 80), "{}", ended.out);
        let site = books(&status(&store).args(&["--json"]).run().with(0));
        assert_eq!((&site["state"], &site["collection"]), (&"fine".into(), &"books".into()));
        assert_eq!((&site["last_complete"]["listed"], &site["running"]), (&12.into(), &().into()));
        assert_eq!(site["sweeps"][0]["items"]["new"], 12);
        status(&store).args(&["books"]).run().with(0);
        let missing = status(&store).args(&["books", "shop"]).run().with(3);
        missing.tells(&["no sweeps of shop in "]);
    }
}

#[test]
fn a_live_run_is_shown_with_its_progress_and_a_killed_one_has_failed() {
    let (_folder, path) = folder();
    for store in [sqlite(&path), fresh_database()] {
        let latency = Duration::from_millis(50);
        let demo = start(Options { items: 900, latency, ..Options::default() });
        let running = crawl(demo.url(), &store, &["--workers", "4"]).start();
        running.says("starting sweep");
        let deadline = Instant::now() + Duration::from_secs(30);
        let site = loop {
            let ended = status(&store).args(&["--json"]).run();
            if ended.out.contains("requests_per_s") {
                break books(&ended.with(0));
            }
            assert!(Instant::now() < deadline, "no progress: {ended:?}");
        };
        assert_eq!(site["state"], "running");
        let progress = &site["running"]["progress"];
        assert!(progress["requests"]["total"].as_u64() > Some(10), "{progress:#}");
        let table = status(&store).run().with(0).out;
        assert!(table.contains(" of 900 items after ") && table.contains(" left"), "{table}");
        running.signal("KILL");
        running.end().with(137);
        let ended = status(&store).run().with(3);
        assert!(ended.out.contains("! books: failing for "), "{}", ended.out);
        assert!(ended.out.contains("process died"), "{}", ended.out);
        let table = gleaner(&["sweeps", "books", "--store", &store, "--json"]).run().with(0).out;
        assert!(table.contains("requests_per_s"), "what was last known stays: {table}");
    }
}

#[test]
fn expectations_of_the_site_file_are_judged_without_it() {
    let folder = Folder::new();
    for store in [folder.store(), fresh_database()] {
        let demo = site(12);
        let expect = "every = '1h'\nmin_items = 50\nfields = { id = 100 }";
        let file = expecting(&folder, &demo, expect);
        gleaner(&["crawl", &file, "--store", &store]).run().with(0);
        std::fs::remove_file(&file).expect("it was there");
        let ended = status(&store).args(&["--json"]).run().with(3);
        let site = books(&ended);
        assert_eq!((&site["state"], rules(&site)), (&"suspect".into(), vec!["items_fell"]));
        assert_eq!(site["alerts"][0]["baseline"], 50.0);
        // The clock goes on, and no sweep comes.
        let later = status(&store).env("GLEANER_TEST_CLOCK_OFFSET", "11000");
        let site = books(&later.args(&["--json"]).run().with(3));
        assert_eq!((&site["state"], rules(&site)), (&"stale".into(), vec!["stale", "items_fell"]));
    }
}

#[test]
fn the_interval_of_every_is_what_is_expected() {
    let (_folder, path) = folder();
    let demo = site(3);
    let looped = crawl(demo.url(), &sqlite(&path), &["--every", "1h"]).start();
    looped.says("waiting for the next sweep");
    looped.signal("TERM");
    looped.end().with(0);
    status(&sqlite(&path)).run().with(0);
    let later = status(&sqlite(&path)).env("GLEANER_TEST_CLOCK_OFFSET", "11000").run().with(3);
    assert!(later.out.contains("stale") && later.out.contains("expected within 3h"), "{later:?}");
}

#[test]
fn status_never_writes_the_store_not_even_one_of_an_earlier_version() {
    let (_folder, path) = folder();
    std::fs::write(&path, VERSION_0_1_0).expect("the file is made");
    let far = status(&sqlite(&path)).args(&["--json"]).run();
    assert_eq!(books(&far)["site"], "books");
    assert_eq!(std::fs::read(&path).expect("it is there"), VERSION_0_1_0);
    // Tables that are not there are empty.
    let other = path.with_file_name("other.db");
    let connection = rusqlite::Connection::open(&other).expect("it opens");
    connection.execute_batch("CREATE TABLE mine (a)").expect("a table");
    drop(connection);
    let before = std::fs::read(&other).expect("it is there");
    status(&sqlite(&other)).run().with(3).tells(&["no sweeps in "]);
    assert_eq!(std::fs::read(&other).expect("it is there"), before);
}

/// What a killed crawl left in the journal is read, and stays there.
#[test]
fn status_reads_the_journal_and_leaves_it() {
    let (_folder, path) = folder();
    let latency = Duration::from_millis(20);
    let demo = start(Options { items: 300, latency, ..Options::default() });
    let running = crawl(demo.url(), &sqlite(&path), &["--workers", "4"]).start();
    running.says("starting sweep");
    running.signal("KILL");
    running.end().with(137);
    let journal = PathBuf::from(format!("{}-wal", path.display()));
    let before = (std::fs::read(&path).expect("a file"), std::fs::read(&journal).expect("one"));
    assert!(!before.1.is_empty());
    assert_eq!(rules(&books(&status(&sqlite(&path)).args(&["--json"]).run().with(3))), ["failing"]);
    assert_eq!((std::fs::read(&path).expect("it"), std::fs::read(&journal).expect("it")), before);
}

/// A program that appends its input to `heard`, then does what `then` says.
fn hook(folder: &Folder, then: &str) -> (String, PathBuf) {
    let (program, heard) = (folder.path("hook"), folder.path("heard"));
    let script = format!("#!/bin/sh\n/bin/cat >> {}\n{then}\n", heard.display());
    std::fs::write(&program, script).expect("it is written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).expect("it is ours");
    (program.display().to_string(), heard)
}

/// Kind and rule of each message that was heard.
fn heard(path: &Path) -> Vec<String> {
    let text = if path.exists() { read(path) } else { String::new() };
    let message = |line: &str| {
        let message: Value = serde_json::from_str(line).expect("JSON");
        let part = |name: &str| message[name].as_str().expect("a text").to_owned();
        format!("{} {}", part("kind"), part("rule"))
    };
    text.lines().map(message).collect()
}

/// Fills a store with two sweeps of the site `books` that list too few items.
fn with_alerts(folder: &Folder, demo: &Demo, store: &str) {
    let file = expecting(folder, demo, "min_items = 50");
    for _ in 0..2 {
        gleaner(&["crawl", &file, "--store", store]).run().with(0);
    }
}

#[test]
fn an_alert_is_told_once_and_its_end_too() {
    let (folder, demo) = (Folder::new(), site(12));
    let store = folder.store();
    let (program, said) = hook(&folder, "");
    let state = folder.named("state.json");
    let tell = || status(&store).args(&["--on-change", &program, "--state", &state]);
    let file = expecting(&folder, &demo, "min_items = 50");
    let crawl = |file: &str| gleaner(&["crawl", file, "--store", &store]).run().with(0);
    crawl(&file);
    tell().run().with(3);
    assert_eq!(heard(&said), [""; 0], "one sweep is no proof");
    crawl(&file);
    tell().run().with(3);
    tell().run().with(3);
    assert_eq!(heard(&said), ["alert items_fell"]);
    let message: Value = serde_json::from_str(read(&said).trim()).expect("JSON");
    assert_eq!((&message["site"], &message["in_a_row"]), (&"books".into(), &2.into()));
    assert!(message["text"].as_str().is_some_and(|text| text.contains("`min_items` is 50")));
    let day = tell().env("GLEANER_TEST_CLOCK_OFFSET", "90000").run();
    day.with(3);
    assert_eq!(heard(&said)[1..], ["again items_fell"]);
    crawl(&expecting(&folder, &demo, "min_items = 5"));
    tell().run().with(0);
    tell().run().with(0);
    assert_eq!(heard(&said)[2..], ["over items_fell"]);
}

#[test]
fn a_message_that_was_not_delivered_is_told_again_with_its_id() {
    let (folder, demo) = (Folder::new(), site(12));
    let store = folder.store();
    with_alerts(&folder, &demo, &store);
    let state = folder.named("state.json");
    let tell = |program: &str| status(&store).args(&["--on-change", program, "--state", &state]);
    let (program, said) = hook(&folder, "exit 7");
    tell(&program).run().with(3).tells(&["warning: ", "not delivered", "exit status: 7"]);
    let (program, _) = hook(&folder, "exec /bin/sleep 60");
    let begun = Instant::now();
    let hanging = tell(&program).env("GLEANER_TEST_HOOK", "500ms").run().with(3);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    hanging.tells(&["killed after 500ms"]);
    tell(&folder.named("nowhere")).run().with(3).tells(&["cannot be run"]);
    let (program, _) = hook(&folder, "");
    tell(&program).run().with(3);
    tell(&program).run().with(3);
    assert_eq!(heard(&said), ["alert items_fell"; 3]);
    let ids: std::collections::BTreeSet<String> = read(&said)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[test]
fn a_program_does_not_inherit_secrets() {
    let (folder, demo) = (Folder::new(), site(12));
    let store = folder.store();
    with_alerts(&folder, &demo, &store);
    let variables = folder.named("variables");
    let (program, _) = hook(&folder, &format!("/usr/bin/env > {variables}"));
    let state = folder.named("state.json");
    let told = status(&store).args(&["--on-change", &program, "--state", &state]);
    told.env("GLEANER_HEADERS", "X-Key: s3cret").env("MINE", "1").run().with(3);
    let variables = read(Path::new(&variables));
    assert!(variables.contains("MINE=1") && !variables.contains("GLEANER_"), "{variables}");
}

#[test]
fn messages_are_posted_at_most_three_times_and_the_url_is_never_shown() {
    let (folder, demo) = (Folder::new(), site(12));
    let store = folder.store();
    with_alerts(&folder, &demo, &store);
    let receiver = Served::start(|asked: &Asked| match asked.path.as_str() {
        "/s3cret/good" => Answer::text("ok".to_owned()),
        _ => Answer::text("no".to_owned()).status(500),
    });
    let state = folder.named("state.json");
    let tell = |url: &str| {
        status(&store).args(&["--state", &state]).env("GLEANER_NOTIFY_URL", url).run().with(3)
    };
    let url = |path: &str| format!("{}/s3cret/{path}", receiver.url());
    let failed = tell(&url("bad"));
    assert_eq!(receiver.count("/s3cret/bad"), 3);
    let away = tell("http://127.0.0.1:9/s3cret/away?token=s3cret");
    for said in [failed.tells(&["--notify-url: answered 500"]), away.tells(&["--notify-url: "])] {
        assert!(!said.err.contains("s3cret") && !said.out.contains("s3cret"), "{said:?}");
    }
    let good = tell(&url("good"));
    assert_eq!(good.err, "");
    assert!(!read(Path::new(&state)).contains("s3cret"));
    tell(&url("good"));
    assert_eq!(receiver.count("/s3cret/good"), 1);
    let asked = receiver.requests().into_iter().find(|it| it.path == "/s3cret/good");
    let asked = asked.expect("a request");
    assert_eq!((&*asked.method, asked.header("content-type")), ("POST", "application/json"));
    assert_eq!(
        (&asked.json()["rule"], &asked.json()["kind"]),
        (&"items_fell".into(), &"alert".into())
    );
}

#[test]
fn what_cannot_be_shown_or_told_is_refused() {
    let folder = Folder::new();
    let store = folder.store();
    status(&store).run().with(2).tells(&["does not exist"]);
    status("jsonl:-").run().with(2).tells(&["cannot be read back"]);
    let away = "mongodb://127.0.0.1:9/db?serverSelectionTimeoutMS=200";
    status(away).run().with(1).tells(&["error: "]);
    let demo = site(3);
    crawl(demo.url(), &store, &[]).run().with(0);
    status(&store).args(&["--on-change", "/bin/true"]).run().with(2).tells(&["--state"]);
    let ftp = status(&store).env("GLEANER_NOTIFY_URL", "ftp://s3cret@h").run().with(2);
    assert!(ftp.err.contains("GLEANER_NOTIFY_URL") && !ftp.err.contains("s3cret"), "{}", ftp.err);
    let database = folder.named("s.db");
    let told = status(&store).args(&["--on-change", "/bin/true", "--state", &database]);
    told.run().with(2).tells(&["--state", "not a state file"]);
    status(&store).args(&["--after", "0"]).run().with(2);
    status(&store).args(&["./no-such.toml"]).run().with(2).tells(&["no-such.toml"]);
}
