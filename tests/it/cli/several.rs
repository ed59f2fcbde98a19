//! Several sites in one command: their order, exit code, reports and log, and what is refused.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::every::until;
use super::program::{Program, gleaner};
use super::{documents_of, read, report};
use crate::mongod::fresh_database;
use crate::served::{Answer, Asked, Served};

/// A folder of site files.
pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Path of a file in it, as an argument.
    pub fn named(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    /// Writes a site file and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.path(&format!("{name}.toml"));
        std::fs::write(&path, text).expect("the file is written");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Writes the file of a site whose list is at `/NAME`.
    pub fn list(&self, name: &str, base_url: &str, more: &str) -> String {
        self.file(name, &list(name, base_url, more))
    }

    pub fn store(&self) -> String {
        format!("sqlite:{}", self.named("s.db"))
    }
}

/// A site file for the list at `/NAME`.
pub fn list(name: &str, base_url: &str, more: &str) -> String {
    format!(
        "name = '{name}'\nbase_url = '{base_url}'\n{more}\n[index]\nurl = '/{name}'\nitems = '$[*]'\nkey = '$.id'\n"
    )
}

/// `gleaner crawl` of these files, without robots.txt and with little patience.
pub fn crawl(files: &[&str], store: &str) -> Program {
    gleaner(&["crawl"]).args(files).args(&[
        "--store",
        store,
        "--robots",
        "off",
        "--retries",
        "1",
        "--progress",
        "off",
    ])
}

/// Keys of a table of an SQLite file.
pub fn keys(path: &Path, table: &str) -> BTreeSet<String> {
    documents_of(table, path).into_iter().map(|(key, _)| key).collect()
}

/// A server on which each list has three items, but for those that `other` answers.
fn lists(other: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Served {
    let items = |name: &str| json!([1, 2, 3].map(|id| json!({ "id": format!("{name}{id}") })));
    Served::start(move |asked| {
        other(asked).unwrap_or_else(|| Answer::json(&items(asked.path.trim_start_matches('/'))))
    })
}

fn names(report: &Value) -> Vec<&str> {
    let reports = report.as_array().expect("an array");
    reports.iter().map(|report| report["site"].as_str().expect("a name")).collect()
}

#[test]
fn c1_several_sites_are_crawled_in_order_each_into_its_collection() {
    let served = lists(|_| None);
    let (folder, to) = (Folder::new(), "report.json");
    let [b, a] = ["b", "a"].map(|name| folder.list(name, served.url(), ""));
    let ended = crawl(&[&b, &a], &folder.store()).args(&["--report", &folder.named(to)]).run();
    ended.with(0).tells(&["b: complete", "a: complete", "crawl{site=\"b\"}", "crawl{site=\"a\"}"]);
    let asked: Vec<String> = served.requests().into_iter().map(|asked| asked.path).collect();
    assert_eq!(asked, ["/b", "/a"]);
    assert_eq!(names(&report(&folder.path(to))), ["b", "a"]);
    for (name, expected) in [("b", ["b1", "b2", "b3"]), ("a", ["a1", "a2", "a3"])] {
        assert_eq!(keys(&folder.path("s.db"), name), expected.map(String::from).into());
    }
    // On standard output too: one array. One site: an object, and a log that names no site.
    let printed = crawl(&[&b, &a], &folder.store()).args(&["--report", "-"]).run().with(0);
    assert_eq!(names(&serde_json::from_str(&printed.out).expect("JSON")), ["b", "a"]);
    let one = crawl(&[&a], &folder.store()).args(&["--report", "-"]).run().with(0);
    assert_eq!(serde_json::from_str::<Value>(&one.out).expect("JSON")["site"], "a");
    assert!(!one.err.contains("crawl{"), "{}", one.err);
    let lines = ["--log-format", "json"];
    let logged = crawl(&[&b, &a], &folder.store()).args(&lines).run().with(0);
    for line in logged.err.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(line["span"]["site"].is_string(), "{line}");
    }
}

#[tokio::test]
async fn c1_several_sites_share_a_mongodb_database() {
    let served = lists(|_| None);
    let folder = Folder::new();
    let [a, b] = ["a", "b"].map(|name| folder.list(name, served.url(), ""));
    let store = fresh_database();
    crawl(&[&a, &b], &store).run().with(0);
    let database = crate::mongod::database(&store).await;
    for name in ["a", "b"] {
        let found = database.collection::<bson::Document>(name);
        assert_eq!(found.count_documents(bson::doc! {}).await.expect("a count"), 3);
    }
}

#[test]
fn c1_the_exit_code_is_that_of_the_worst_run_and_the_others_are_made() {
    // A list that says that it goes on is incomplete; one that answers 500 fails.
    let served = lists(|asked| match asked.path.as_str() {
        "/failed" => Some(Answer::text("no".to_owned()).status(500)),
        "/part" => Some(Answer::json(&json!([{ "id": 1 }, { "no": 1 }]))),
        _ => None,
    });
    let url = served.url();
    for (names, code) in [
        (["part", "whole"], 3),
        (["whole", "part"], 3),
        (["failed", "part"], 1),
        (["part", "failed"], 1),
        (["failed", "whole"], 1),
    ] {
        let folder = Folder::new();
        let files = names.map(|name| folder.list(name, url, ""));
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let more = ["--report", &folder.named("report.json")];
        let ended = crawl(&files, &folder.store()).args(&more).run().with(code);
        assert_eq!(self::names(&report(&folder.path("report.json"))), names, "{ended:?}");
    }
}

#[test]
fn c1_what_does_not_go_together_is_refused_before_anything_is_fetched() {
    let (served, other) = (lists(|_| None), lists(|_| None));
    let folder = Folder::new();
    let a = folder.list("a", served.url(), "");
    let b = folder.list("b", served.url(), "");
    let elsewhere = folder.list("elsewhere", other.url(), "");
    let same_name = folder.file("copy", &list("a", served.url(), "collection = 'c'"));
    let same_collection = folder.list("thief", served.url(), "collection = 'a'");
    let wrong = folder.file("wrong", "name = 'wrong'\nbase_url = 'x'\n");
    let (store, missing) = (folder.store(), folder.named("missing.toml"));
    let jsonl = format!("jsonl:{}", folder.named("out.jsonl"));
    let files = |files: &[&str]| crawl(files, &store);
    for (run, said) in [
        (files(&[&a, &missing]), "missing.toml"),
        (files(&[&a, &wrong]), "wrong.toml"),
        (files(&[&a, &a]), "two sites have the name a"),
        (files(&[&a, &same_name]), "two sites have the name a"),
        (files(&[&a, &same_collection]), "have the same collection, a"),
        (files(&[&a, &b]).args(&["--collection", "c"]), "--collection"),
        (files(&[&a, &b]).env("GLEANER_COLLECTION", "c"), "GLEANER_COLLECTION"),
        (files(&[&a, &elsewhere]).args(&["--base-url", served.url()]), "--base-url"),
        (files(&[&a, &elsewhere]).args(&["--page-size", "7"]), "--page-size"),
        (crawl(&[&a, &b], &jsonl), "JSON lines"),
        (crawl(&[&a, &b], "jsonl:-"), "JSON lines"),
    ] {
        let ended = run.run().with(2);
        assert!(ended.err.contains(said), "{said}: {}", ended.err);
    }
    assert_eq!((served.requests().len(), other.requests().len()), (0, 0));
    assert!(!folder.path("out.jsonl").exists() && !folder.path("s.db").exists());
    // Where all are at one host, another copy of it holds all of them.
    crawl(&[&a, &b], &store).args(&["--base-url", other.url()]).run().with(0);
    assert_eq!((served.requests().len(), other.requests().len()), (0, 2));
}

#[test]
fn c1_a_signal_ends_the_run_and_begins_no_other() {
    let served = lists(|asked| {
        let answer = Answer::json(&json!([{ "id": 1 }]));
        (asked.path == "/a").then(|| answer.later(Duration::from_secs(1)))
    });
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = Folder::new();
        let [a, b] = ["a", "b"].map(|name| folder.list(name, served.url(), ""));
        let before = served.count("/a");
        let to = folder.named("report.json");
        let running = crawl(&[&a, &b], &folder.store()).args(&["--report", &to]).start();
        until("the first list is requested", || served.count("/a") > before);
        running.signal(signal);
        // The request in flight is finished, so the first site may even be complete.
        running.end().with(code);
        assert_eq!(served.count("/b"), 0);
        assert_eq!(names(&report(&folder.path("report.json"))), ["a"]);
    }
}

#[test]
fn c1_rounds_of_several_sites_follow_one_another() {
    let served =
        lists(|asked| (asked.path == "/a").then(|| Answer::text("no".to_owned()).status(500)));
    let folder = Folder::new();
    let [a, b] = ["a", "b"].map(|name| folder.list(name, served.url(), ""));
    let to = folder.named("report.json");
    let more = ["--every", "1s", "--report", &to];
    let running = crawl(&[&a, &b], &folder.store()).args(&more).start();
    // A site that fails ends neither the round nor the loop.
    until("three rounds", || served.count("/b") >= 3);
    running.says("the next sweep starts as scheduled");
    running.signal("TERM");
    let code = running.end().code;
    assert!(code == 0 || code == 143, "{code}");
    let mut asked: Vec<String> = served.requests().into_iter().map(|asked| asked.path).collect();
    // A page that failed is asked for once more.
    asked.dedup();
    let in_turn = asked.iter().zip(["/a", "/b"].into_iter().cycle());
    assert!(in_turn.clone().all(|(asked, turn)| asked == turn), "{asked:?}");
    assert!(read(&folder.path("report.json")).starts_with('['));
    // Begun again, it waits for the time that is due, which the ledger has.
    crawl(&[&b], &folder.store()).run().with(0);
    let before = served.count("/b");
    let waiting = crawl(&[&b], &folder.store()).args(&["--every", "1h"]).start();
    waiting.says("waiting for the next sweep");
    waiting.signal("TERM");
    waiting.end().with(0);
    assert_eq!(served.count("/b"), before);
}
