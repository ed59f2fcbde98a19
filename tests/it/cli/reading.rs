//! `gleaner sweeps`, `failures` and `export`, on stores that real crawls have filled.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use gleaner::demo::{Fault, Options};
use jiff::Timestamp;
use mongodb::bson::{DateTime, Document, doc};
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ended, crawl, gleaner};
use super::{folder, read, site, sqlite, start};
use crate::mongod::fresh_database;

/// A store of each kind that can be read, without anything in it.
fn stores() -> (TempDir, [String; 2]) {
    let (folder, path) = folder();
    (folder, [sqlite(&path), fresh_database()])
}

/// A command on what is stored there.
fn on(store: &str, command: &str, more: &[&str]) -> Ended {
    gleaner(&[command, "books", "--store", store]).args(more).run().with(0)
}

fn export(store: &str, more: &[&str]) -> Ended {
    on(store, "export", more)
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.out.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

fn ids(ended: &Ended) -> Vec<String> {
    lines(ended).iter().map(|line| line["id"].as_str().expect("an id").to_owned()).collect()
}

fn mark_gone(store: &str, key: &str) {
    if let Some(path) = store.strip_prefix("sqlite:") {
        let connection = rusqlite::Connection::open(path).expect("the file opens");
        let sql = "UPDATE books SET gone_at = ?2 WHERE key = ?1";
        let now = format!("{:.3}", Timestamp::now());
        assert_eq!(connection.execute(sql, [key, &now]), Ok(1));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let database = crate::mongod::database(store).await;
        let gone = doc! { "$set": { "_gleaner.gone_at": DateTime::now() } };
        let books = database.collection::<Document>("books");
        let marked = books.update_one(doc! { "_id": key }, gone).await.expect("an answer");
        assert_eq!(marked.matched_count, 1);
    });
}

#[test]
fn an_export_is_what_was_served_in_the_order_of_keys() {
    let (_folder, stores) = stores();
    for store in &stores {
        let demo = site(1_100);
        crawl(demo.url(), store, &[]).run().with(0);
        let ended = export(store, &[]);
        let sorted: BTreeSet<String> = demo.keys().into_iter().collect();
        assert_eq!(ids(&ended), sorted.into_iter().collect::<Vec<_>>(), "{store}");
        for document in lines(&ended) {
            assert_eq!(demo.document(document["id"].as_str().expect("an id")), Some(document));
        }
        ended.tells(&["1,100 of 1,100 documents of books in"]);
        let meta = lines(&export(store, &["--meta"]));
        let names: Vec<&String> = meta[0].as_object().expect("an object").keys().collect();
        assert_eq!(names, ["key", "url", "fetched_at", "first_seen", "changed_at", "doc"]);
        assert_eq!((meta.len(), &meta[0]["key"]), (1_100, &meta[0]["doc"]["id"]));
        assert_eq!(meta[0]["first_seen"], meta[0]["changed_at"]);
    }
}

#[test]
fn csv_has_a_row_a_document_and_reads_back() {
    let (_folder, stores) = stores();
    for store in &stores {
        let demo = site(40);
        crawl(demo.url(), store, &[]).run().with(0);
        let ended = export(store, &["--format", "csv"]);
        let mut reader = csv::Reader::from_reader(ended.out.as_bytes());
        let titles = reader.headers().expect("a header").clone();
        assert_eq!(titles.get(0), Some("_key"));
        let mut rows = 0;
        for row in reader.records() {
            let row = row.expect("a row");
            let document = demo.document(&row[0]).expect("a book");
            let document = document.as_object().expect("an object");
            assert_eq!(
                titles.iter().skip(1).collect::<Vec<_>>(),
                document.keys().collect::<Vec<_>>()
            );
            for ((title, cell), value) in titles.iter().zip(&row).skip(1).zip(document.values()) {
                match value {
                    Value::Null => assert_eq!(cell, "", "{title}"),
                    Value::String(text) => assert_eq!(cell, text, "{title}"),
                    other => assert_eq!(&serde_json::from_str::<Value>(cell).expect(title), other),
                }
            }
            rows += 1;
        }
        assert_eq!(rows, 40, "{store}");
    }
}

#[test]
fn g6_o4_what_is_unlisted_and_what_left_since_a_day_can_be_exported() {
    let (_folder, stores) = stores();
    for store in &stores {
        let demo = site(40);
        crawl(demo.url(), store, &[]).run().with(0);
        let (unlisted, gone) = (demo.keys().remove(7), demo.keys().remove(9));
        assert!(demo.unlist(&unlisted) && demo.remove(&gone));
        crawl(demo.url(), store, &[]).run().with(0).tells(&["1 gone · 1 unlisted"]);
        let sweeps = on(store, "sweeps", &["--most", "1", "--json"]).out;
        let sweeps: Value = serde_json::from_str(&sweeps).expect("an array");
        assert_eq!(sweeps[0]["report"]["items"]["unlisted"], 1, "{store}");
        let ids = |more: &[&str]| ids(&export(store, more));
        assert_eq!(ids(&["--unlisted", "only"]), [unlisted.as_str()], "{store}");
        assert_eq!((ids(&[]).len(), ids(&["--unlisted", "with"]).len()), (39, 39));
        let without = ids(&["--unlisted", "without"]);
        assert!(without.len() == 38 && !without.contains(&unlisted));
        let today = Timestamp::now().to_string()[..10].to_owned();
        for since in ["yesterday", today.as_str(), "1h"] {
            // Around midnight UTC the day of the crawl is over.
            let left = ids(&["--gone", "only", "--since", since]);
            assert!(left == [gone.as_str()] || since == today, "{store}, {since}: {left:?}");
        }
        assert!(ids(&["--gone", "only", "--since", "2999-12-31"]).is_empty());
        gleaner(&["export", "--store", store, "--since", "2026-13-01"])
            .run()
            .with(2)
            .tells(&["--since", "2026-11-20"]);
    }
}

#[test]
fn exports_filter_new_changed_and_gone_documents() {
    let (_folder, stores) = stores();
    for store in &stores {
        let demo = site(60);
        crawl(demo.url(), store, &[]).run().with(0);
        let (changed, gone) = (demo.keys().remove(7), demo.keys().remove(9));
        let all: BTreeSet<String> = demo.keys().into_iter().collect();
        assert_eq!(ids(&export(store, &["--verdict", "new"])).len(), 60);
        assert!(ids(&export(store, &["--verdict", "changed"])).is_empty());
        let between = Timestamp::now().to_string();
        assert!(ids(&export(store, &["--since", &between])).is_empty());
        demo.change(&changed);
        let new = demo.insert(3);
        crawl(demo.url(), store, &[]).run().with(0);
        // A limited sweep is not the last full one.
        crawl(demo.url(), store, &["--limit", "5"]).run().with(0);
        mark_gone(store, &gone);
        assert_eq!(ids(&export(store, &["--verdict", "new"])), [&*new]);
        assert_eq!(ids(&export(store, &["--verdict", "changed"])), [&*changed]);
        let since: BTreeSet<String> =
            ids(&export(store, &["--since", &between])).into_iter().collect();
        assert_eq!(since, BTreeSet::from([new.clone(), changed]), "{store}");
        assert_eq!(ids(&export(store, &["--since", "1h"])).len(), 60);
        let with: BTreeSet<String> = ids(&export(store, &["--gone", "with"])).into_iter().collect();
        assert!(with.is_superset(&all) && with.contains(&new) && with.len() == 61);
        assert_eq!(ids(&export(store, &["--gone", "only"])), [&*gone]);
        let ended = export(store, &[]).tells(&["60 of 61 documents"]);
        assert!(!ids(&ended).contains(&gone));
        let meta = lines(&export(store, &["--gone", "only", "--meta"]));
        assert!(meta[0]["gone_at"].is_string(), "{meta:?}");
    }
}

#[test]
fn a_file_is_replaced_as_a_whole_or_not_at_all() {
    let (folder, path) = folder();
    let demo = site(20);
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    let to = folder.path().join("books.jsonl");
    std::fs::write(&to, "old").expect("the file is written");
    let output = ["--output", to.to_str().expect("UTF-8")];
    let files = || std::fs::read_dir(folder.path()).expect("the folder").count();
    let before = files();
    let broken = sqlite(&folder.path().join("books.jsonl"));
    let ended = gleaner(&["export", "books", "--store", &broken]).args(&output).run().with(2);
    assert_eq!((read(&to).as_str(), files()), ("old", before), "{ended:?}");
    assert_eq!(export(&sqlite(&path), &output).out, "");
    assert_eq!(read(&to).lines().count(), 20);
    assert_eq!(files(), before, "nothing half-written is left");
    export(&sqlite(&path), &["--output", "/dev/null"]);
    assert!(!Path::new("/dev/null").is_file(), "a device is written to, not replaced");
    let folder = folder.path().to_str().expect("UTF-8");
    for wrong in [folder, "no/such/folder/x", path.to_str().expect("UTF-8")] {
        let ended =
            gleaner(&["export", "books", "--store", &sqlite(&path), "--output", wrong]).run();
        ended.with(2).tells(&["--output"]);
    }
    assert_eq!(export(&sqlite(&path), &[]).out.lines().count(), 20);
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    let (_folder, path) = folder();
    let demo = site(3_000);
    demo.fault(Fault::on("/api/book/*").share(20.0, 1).status(400));
    crawl(demo.url(), &sqlite(&path), &["--retries", "0"]).run().with(3);
    for command in [
        &["export", "books"][..],
        &["failures", "books", "--json"],
        &["failures", "books", "--sample"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let program = gleaner(command).args(&["--store", &sqlite(&path)]).stdout(writer.into());
        let running = program.start();
        let mut reader = BufReader::with_capacity(16, reader);
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        drop(reader);
        let ended = running.end().with(141);
        assert_eq!((ended.err.as_str(), line.is_empty()), ("", false), "{command:?}");
    }
}

#[test]
fn failures_are_listed_with_samples() {
    let (_folder, stores) = stores();
    for store in &stores {
        let demo = site(620);
        let lost: BTreeSet<String> = demo.keys().into_iter().skip(10).collect();
        let odd = lost.first().expect("one").clone();
        for key in &lost {
            let fault = Fault::on(format!("/api/book/{key}/"));
            demo.fault(if *key == odd {
                fault.body("text/html", "<html>\u{202e}eltit</html>")
            } else {
                fault.status(400)
            });
        }
        let more = ["--retries", "0", "--block-after", "10000"];
        crawl(demo.url(), store, &more).run().with(3);
        let ended = on(store, "failures", &[]);
        assert!(ended.out.contains(&format!("detail/{odd}: ")), "{}", ended.out);
        assert!(!ended.out.contains("<html>"));
        assert!(ended.out.contains(&format!("{}/api/book/{odd}/", demo.url())));
        let heads = ended.out.lines().filter(|line| line.starts_with("detail/"));
        assert_eq!(heads.count(), 610, "{store}");
        ended.tells(&["610 failures of books in", "609 status"]);
        let sample = on(store, "failures", &["--sample"]).out;
        assert!(sample.contains("  | <html>\\u{202e}eltit</html>"), "{sample}");
        let controls =
            |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
        assert!(!controls(&sample));
        let json = on(store, "failures", &["--json", "--sample"]).out;
        assert!(!controls(&json));
        let rows: Vec<Value> = serde_json::from_str(&json).expect("an array");
        let pages: BTreeSet<String> =
            rows.iter().map(|row| row["page"].as_str().expect("a page").to_owned()).collect();
        assert_eq!(pages, lost);
        let odd = rows.iter().find(|row| row["page"] == odd.as_str()).expect("the odd one");
        assert_eq!(odd["sample"], "<html>\u{202e}eltit</html>");
        let other = rows.iter().find(|row| row["reason"] == "status").expect("another");
        assert_eq!((&other["status"], &other["attempts"]), (&400.into(), &1.into()));
        demo.clear_faults();
        crawl(demo.url(), store, &[]).run().with(0);
        let none = on(store, "failures", &["--json"]).tells(&["no failures of books in"]);
        assert_eq!(none.out, "[]\n");
    }
}

#[test]
fn sweeps_are_listed_with_their_counts() {
    let (_folder, stores) = stores();
    for store in &stores {
        let demo = site(30);
        crawl(demo.url(), store, &[]).run().with(0);
        demo.fault(Fault::on(format!("/api/book/{}/", demo.keys()[3])).status(400));
        crawl(demo.url(), store, &[]).run().with(3);
        crawl(demo.url(), store, &["--limit", "2"]).run().with(0);
        let table = on(store, "sweeps", &[]).out;
        let at = |text: &str| table.find(text).unwrap_or_else(|| panic!("no {text}: {table}"));
        assert!(at("2 same") < at("29 same, 1 failed") && at("1 failed") < at("30 new"), "{table}");
        assert!(at("limited") < at("incomplete"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        let rows: Vec<Value> =
            serde_json::from_str(&on(store, "sweeps", &["--json"]).out).expect("an array");
        let states: Vec<&str> = rows.iter().filter_map(|row| row["state"].as_str()).collect();
        assert_eq!(states, ["complete", "incomplete", "complete"], "{store}");
        assert_eq!((&rows[0]["limited"], &rows[2]["limited"]), (&true.into(), &false.into()));
        assert_eq!(rows[2]["report"]["items"]["new"], 30);
        for row in &rows {
            assert!(table.contains(row["id"].as_str().expect("an id")), "{table}");
        }
        let newest = on(store, "sweeps", &["--json", "--most", "1"]).out;
        let newest: Vec<Value> = serde_json::from_str(&newest).expect("an array");
        assert_eq!(newest, rows[..1]);
    }
}

#[test]
fn a_store_without_the_site_prints_nothing_and_says_so() {
    let (folder, stores) = stores();
    let demo = site(3);
    crawl(demo.url(), &stores[0], &["--collection", "others"]).run().with(0);
    for store in &stores {
        for more in [&["export"][..], &["export", "--format", "csv"]] {
            let ended = on(store, more[0], &more[1..]).tells(&["no documents of books"]);
            assert_eq!(ended.out, "");
        }
        let ended = export(store, &["--verdict", "new"]);
        assert_eq!(ended.tells(&["no full sweep of books"]).out, "");
        let ended = on(store, "sweeps", &[]).tells(&["no sweeps of books"]);
        assert_eq!(ended.out, "");
        assert_eq!(on(store, "sweeps", &["--json"]).out, "[]\n");
        assert_eq!(on(store, "failures", &[]).tells(&["no failures"]).out, "");
    }
    let others = export(&stores[0], &["--collection", "others"]);
    assert_eq!(ids(&others).len(), 3);
    others.tells(&["collection others"]);
    drop(folder);
}

#[test]
fn an_unreadable_store_is_exit_2_and_nothing_is_created() {
    let (folder, path) = folder();
    let lines = folder.path().join("books.jsonl");
    std::fs::write(&lines, "{}\n").expect("the file is written");
    let lines_store = format!("jsonl:{}", lines.display());
    for command in ["sweeps", "failures", "export"] {
        let fails = |store: &str, texts: &[&str]| {
            let ended = gleaner(&[command, "books", "--store", store]).run().with(2).tells(texts);
            assert_eq!(ended.out, "");
        };
        fails(&sqlite(&path), &["does not exist", "books.db"]);
        fails(&lines_store, &["cannot be read back"]);
        fails("jsonl:-", &["cannot be read back"]);
        fails("postgres://me:s3cret@h/db", &["GLEANER_STORE"]);
        assert_eq!(read(&lines), "{}\n");
        gleaner(&[command, "no-such-site"]).run().with(2).tells(&["no-such-site"]);
        gleaner(&[command, "books"]).env("GLEANER_COLLECTION", "system.x").run().with(2);
        let away = "mongodb://127.0.0.1:9/db?serverSelectionTimeoutMS=200";
        gleaner(&[command, "books", "--store", away]).run().with(1).tells(&["error: "]);
    }
    gleaner(&["export", "books", "--since", "soon"]).run().with(2).tells(&["--since", "24h"]);
    gleaner(&["sweeps", "books", "--most", "0"]).run().with(2);
    assert!(!path.exists());
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}

#[test]
fn a_store_is_read_while_a_crawl_is_under_way() {
    let (_folder, stores) = stores();
    for store in &stores {
        let latency = Duration::from_millis(20);
        let demo = start(Options { items: 400, latency, ..Options::default() });
        let more = ["--workers", "4", "--batch", "10"];
        let running = crawl(demo.url(), store, &more).start();
        running.says("starting sweep");
        let deadline = Instant::now() + Duration::from_secs(30);
        while demo.stats().requests < 100 {
            assert!(Instant::now() < deadline, "the crawl does not get on: {store}");
            std::thread::sleep(Duration::from_millis(2));
        }
        let rows = on(store, "sweeps", &["--json"]).out;
        let rows: Vec<Value> = serde_json::from_str(&rows).expect("an array");
        assert_eq!((rows.len(), &rows[0]["state"]), (1, &"running".into()), "{store}");
        assert!(rows[0]["silent_s"].is_number() && rows[0]["holder"]["pid"].is_number());
        let table = on(store, "sweeps", &[]).out;
        assert!(table.contains("process ") && table.contains("heartbeat "), "{table}");
        let some = ids(&export(store, &["--verdict", "new"])).len();
        assert!((1..400).contains(&some), "{some}");
        running.end().with(0);
        assert_eq!(ids(&export(store, &[])).len(), 400);
        let table = on(store, "sweeps", &[]).out;
        assert!(table.contains("complete") && table.contains("400 new"), "{table}");
    }
}

#[test]
fn a_killed_sweep_is_distinguished_from_a_running_one() {
    let (_folder, path) = folder();
    let latency = Duration::from_millis(20);
    let demo = start(Options { items: 400, latency, ..Options::default() });
    let running = crawl(demo.url(), &sqlite(&path), &["--workers", "4"]).start();
    running.says("starting sweep");
    running.signal("KILL");
    running.end().with(137);
    let table = on(&sqlite(&path), "sweeps", &[]).out;
    assert!(table.contains("running") && table.contains(", ended"), "{table}");
}

#[test]
fn reading_never_modifies_the_file() {
    use std::os::unix::fs::PermissionsExt;

    let demo = site(5);
    let (_folder, path) = folder();
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    let tables = || {
        let file = rusqlite::Connection::open(&path).expect("it opens");
        let names = "SELECT group_concat(name) FROM sqlite_master WHERE type = 'table'";
        file.query_row(names, [], |row| row.get::<_, String>(0)).expect("names")
    };
    let before = tables();
    for command in ["export", "sweeps", "failures"] {
        let wrong = [command, "books", "--store", &sqlite(&path), "--collection", "nope"];
        assert_eq!(gleaner(&wrong).run().with(0).out, "");
    }
    assert_eq!(tables(), before);
    let may = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
    may(0o444).expect("it is ours");
    assert_eq!(export(&sqlite(&path), &[]).out.lines().count(), 5);
}

#[test]
fn replacing_a_file_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;

    let demo = site(5);
    let (folder, path) = folder();
    let (report, output) = (folder.path().join("report"), folder.path().join("output"));
    for file in [&report, &output] {
        std::fs::write(file, "").expect("it is written");
        std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).expect("it is ours");
    }
    let to = |file: &Path| file.display().to_string();
    crawl(demo.url(), &sqlite(&path), &["--report", &to(&report)]).run().with(0);
    export(&sqlite(&path), &["--output", &to(&output)]);
    for file in [&report, &output] {
        let now = std::fs::metadata(file).expect("it is there");
        assert_eq!((now.permissions().mode() & 0o777, now.len() > 0), (0o600, true));
    }
}

/// Puts a row of others into the collection, which has nothing of gleaner's in it.
fn put_other(store: &str) {
    if let Some(path) = store.strip_prefix("sqlite:") {
        let connection = rusqlite::Connection::open(path).expect("the file opens");
        let sql = "INSERT INTO books (key, doc) VALUES ('other', x'00')";
        assert_eq!(connection.execute(sql, []), Ok(1));
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let database = crate::mongod::database(store).await;
        let books = database.collection::<Document>("books");
        books.insert_one(doc! { "_id": "other" }).await.expect("it is inserted");
    });
}

#[test]
fn d10_an_export_counts_skipped_documents_of_others() {
    let (_folder, stores) = stores();
    for store in &stores {
        let demo = site(5);
        crawl(demo.url(), store, &[]).run().with(0);
        put_other(store);
        let ended = export(store, &[]);
        assert_eq!(lines(&ended).len(), 5, "{store}");
        ended.tells(&["5 of 5 documents", "1 document skipped: not written by gleaner"]);
    }
}
