//! `gleaner copy`: sites that real crawls have filled, moved between stores of both kinds.

use std::path::Path;
use std::time::Duration;

use gleaner::demo::{Demo, Fault, Options};
use gleaner::store::{self, KeptFailure, Place, Stored};
use gleaner::sweep::{LedgerEntry, State};

use super::program::{Ended, Program, crawl, gleaner};
use super::{folder, report, sqlite, start};
use crate::mongod::fresh_database;

const ITEMS: usize = 400;

fn copy(from: &str, to: &str, more: &[&str]) -> Program {
    gleaner(&["copy", "books", "--from", from, "--to", to]).args(more)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// All that a store holds of a site, but for the entries of copies.
#[derive(Debug, PartialEq)]
struct Everything {
    documents: Vec<Stored>,
    failures: Vec<KeptFailure>,
    sweeps: Vec<LedgerEntry>,
}

fn everything(store: &str, site: &str) -> Everything {
    block_on(async {
        let place =
            Place { site: site.into(), collection: site.into(), key_field: None, adopt: false };
        let url = store.parse().expect("a URL");
        let store = store::open_to_read(&url, &place).await.expect("the store opens");
        let mut documents = store.read(None, usize::MAX).await.expect("documents").found;
        for stored in &mut documents {
            // SQLite keeps the text as it was sent, MongoDB its values.
            let value: serde_json::Value = serde_json::from_str(&stored.text).expect("JSON");
            stored.text = value.to_string();
        }
        let failures = store.failures(None, 10_000).await.expect("failures").found;
        let sweeps = store.sweeps(10_000).await.expect("the ledger");
        let sweeps = sweeps.into_iter().filter(|sweep| sweep.entry.copy().is_none()).collect();
        store.close().await.expect("it closes");
        Everything { documents, failures, sweeps }
    })
}

fn export(store: &str, more: &[&str]) -> String {
    let arguments = ["export", "books", "--store", store, "--gone", "with", "--meta"];
    gleaner(&arguments).args(more).run().with(0).out
}

/// A site, and a store with all that a ledger and documents may hold of it: items that are gone or not
/// listed, failures, changes, sweeps of each outcome, and one that was killed.
fn lived_in(store: &str) -> Demo {
    let demo = start(Options { items: ITEMS, etags: true, ..Options::default() });
    let run = |more: &[&str]| crawl(demo.url(), store, &["--retries", "1"]).args(more).run();
    run(&[]).with(0);
    let keys = demo.keys();
    for key in &keys[..12] {
        assert!(demo.change(key));
    }
    for key in &keys[12..20] {
        assert!(demo.remove(key), "its page is gone as well");
    }
    for key in &keys[20..30] {
        assert!(demo.unlist(key), "its page is still there");
    }
    demo.fault(Fault::on(format!("/api/book/{}/", keys[40])).status(500));
    run(&[]).with(3);
    run(&["--limit", "5"]);
    let slow = Fault::on("/*").delay(Duration::from_millis(20));
    demo.fault(slow);
    let running = crawl(demo.url(), store, &["--workers", "4", "--batch", "10", "--flush", "20ms"]);
    let running = running.env("GLEANER_TEST_HEARTBEAT", "100ms");
    let (before, running) = (demo.stats().requests, running.start());
    while demo.stats().requests < before + 150 {
        std::thread::sleep(Duration::from_millis(1));
    }
    running.signal("KILL");
    running.end();
    demo.clear_faults();
    demo
}

/// Resumes the sweep that was killed, then refreshes. Returns the reports of both, and the number of
/// pages that were sent in full in the latter.
fn refreshed(demo: &Demo, store: &str) -> [serde_json::Value; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("report.json");
    let run = || {
        let arguments = ["--report", to.to_str().expect("UTF-8")];
        let ended: Ended = crawl(demo.url(), store, &arguments).run();
        assert!(matches!(ended.code, 0 | 3), "{ended:?}");
        report(&to)
    };
    [run(), run()]
}

#[test]
fn s19_a_copy_there_and_back_is_equal_and_a_crawl_continues_from_either() {
    let (folder, path) = folder();
    let (first, second) = (sqlite(&path), fresh_database());
    let third = sqlite(&folder.path().join("back.db"));
    let demo = lived_in(&first);
    let out = copy(&first, &second, &[]).run().with(0);
    out.tells(&["400 documents", "books in sqlite:", "copied to books in mongodb:"]);
    let before = everything(&first, "books");
    assert_eq!(before.documents.len(), ITEMS);
    let marked = |mark: fn(&Stored) -> bool| before.documents.iter().any(mark);
    assert!(marked(|it| it.known.gone_at.is_some()), "something is gone");
    assert!(marked(|it| it.known.unlisted_at.is_some()), "something is not listed");
    assert_eq!((before.failures.len(), before.sweeps.len()), (1, 4));
    assert!(before.sweeps[0].progress.is_some(), "the sweep that was killed");
    copy(&second, &third, &[]).run().with(0);
    assert_eq!(everything(&second, "books"), before);
    assert_eq!(everything(&third, "books"), before);
    let exported = export(&first, &[]);
    assert!(exported.lines().count() == ITEMS);
    assert_eq!(export(&second, &[]), exported, "byte for byte");
    assert_eq!(export(&third, &[]), exported, "byte for byte");
    assert_eq!(export(&third, &["--format", "csv"]), export(&first, &["--format", "csv"]));

    let [resumed, refresh] = refreshed(&demo, &second);
    assert_eq!(resumed["resumed"], true, "{resumed}");
    let items = &refresh["items"];
    assert_eq!(
        (&items["new"], &items["changed"], &items["gone"]),
        (&0.into(), &0.into(), &0.into())
    );
    assert_eq!(items["same"], (ITEMS - 18) as u64, "{refresh}");
    let by_status = &refresh["requests"];
    // The same from the copy of the copy, and from the store that was left as it is.
    for store in [&third, &first] {
        let [other, second] = refreshed(&demo, store);
        assert_eq!(other["items"], resumed["items"], "{other}");
        assert_eq!(
            (&second["items"], second["requests"]["not_modified"].clone()),
            (items, by_status["not_modified"].clone())
        );
    }
    let fences: Vec<i64> =
        everything(&second, "books").sweeps.iter().map(|sweep| sweep.entry.fence).collect();
    assert!(fences.is_sorted_by(|a, b| a > b), "{fences:?}");
}

#[test]
fn s19_a_copy_that_is_killed_is_finished_by_the_same_command() {
    let (folder, path) = folder();
    let first = sqlite(&path);
    let demo = start(Options { items: 3_000, ..Options::default() });
    crawl(demo.url(), &first, &[]).run().with(0);
    for target in [fresh_database(), sqlite(&folder.path().join("other.db"))] {
        let counted = || block_on(count(&target));
        let mut kills = 0;
        for at in [0, 200, 1_200, 2_500] {
            let mut running = copy(&first, &target, &[]).start();
            while counted() <= at && !running.has_ended() {
                std::thread::sleep(Duration::from_millis(1));
            }
            kills += u32::from(!running.has_ended());
            running.kill();
            if at > 0 && !is_complete(&target) {
                let crawled = crawl(demo.url(), &target, &[]).run().with(2);
                crawled.tells(&["holds an unfinished copy of books in sqlite:", "gleaner copy"]);
                let other = sqlite(&path.with_file_name("third.db"));
                copy(&target, &other, &[]).run().with(2).tells(&["unfinished copy"]);
            }
        }
        assert!(kills > 1, "{kills}");
        if !is_complete(&target) {
            copy(&first, &target, &[]).run().with(0);
        }
        assert_eq!(everything(&target, "books"), everything(&first, "books"));
        copy(&first, &target, &[])
            .run()
            .with(2)
            .tells(&["the target holds books", ", copied at 20"]);
    }
}

async fn count(store: &str) -> u64 {
    let place =
        Place { site: "books".into(), collection: "books".into(), key_field: None, adopt: false };
    let url = store.parse().expect("a URL");
    if store.strip_prefix("sqlite:").is_some_and(|path| !Path::new(path).exists()) {
        return 0;
    }
    let store = store::open_to_read(&url, &place).await.expect("the store opens");
    let count = store.count_live().await.expect("a number");
    store.close().await.expect("it closes");
    count
}

fn is_complete(store: &str) -> bool {
    let ended = gleaner(&["sweeps", "books", "--store", store, "--json"]).run().with(0);
    let sweeps: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let rows = sweeps.as_array().expect("an array");
    let copies = rows.iter().filter(|row| row["definition"].to_string().contains("copy of"));
    copies.into_iter().any(|copy| copy["state"] == "complete")
}

#[test]
fn s19_ctrl_c_ends_a_copy_between_two_batches() {
    let (_folder, path) = folder();
    let (first, second) = (sqlite(&path), fresh_database());
    let demo = start(Options { items: 3_000, ..Options::default() });
    crawl(demo.url(), &first, &[]).run().with(0);
    let running = copy(&first, &second, &["--progress", "on"]).start();
    while block_on(count(&second)) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    running.signal("INT");
    running.end().with(130).tells(&["interrupted; the same command finishes the copy"]);
    let sweeps = gleaner(&["sweeps", "books", "--store", &second]).run().with(0).out;
    assert!(sweeps.contains("interrupted") && sweeps.contains("copy of books in"), "{sweeps}");
    copy(&first, &second, &[]).run().with(0);
    assert_eq!(everything(&second, "books"), everything(&first, "books"));
    let ledger = gleaner(&["sweeps", "books", "--store", &second]).run().with(0).out;
    assert!(ledger.contains("2 runs"), "{ledger}");
}

#[test]
fn s19_a_copy_and_a_crawl_keep_each_other_out() {
    let (folder, path) = folder();
    let (first, second) = (sqlite(&path), sqlite(&folder.path().join("other.db")));
    let latency = Duration::from_millis(10);
    let demo = start(Options { items: 600, latency, ..Options::default() });
    let running = crawl(demo.url(), &first, &["--workers", "4"]).start();
    running.says("starting sweep");
    copy(&first, &second, &[])
        .run()
        .with(4)
        .tells(&["another run holds the site lock books: process"]);
    running.end().with(0);
    // The other store was opened, and holds nothing.
    copy(&first, &second, &[]).run().with(0);
    assert_eq!(everything(&second, "books"), everything(&first, "books"));
}

#[test]
fn d3_documents_that_the_target_cannot_store_are_failures_and_exit_3() {
    let (_folder, path) = folder();
    let (first, second) = (sqlite(&path), fresh_database());
    let demo = start(Options { items: 30, ..Options::default() });
    crawl(demo.url(), &first, &[]).run().with(0);
    let keys = demo.keys();
    let connection = rusqlite::Connection::open(&path).expect("the file opens");
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(17 << 20));
    let long = format!("{{\"n\":{}}}", "9".repeat(40));
    let odd = [(&*long, &keys[3]), (&*large, &keys[7])];
    for (document, key) in odd {
        let sql = "UPDATE books SET doc = ?1 WHERE key = ?2";
        assert_eq!(connection.execute(sql, [document, key]), Ok(1));
    }
    drop(connection);
    let out = copy(&first, &second, &[]).run().with(3);
    out.tells(&["28 documents", "2 not copied: the target cannot store them"]);
    let failures = everything(&second, "books").failures;
    let mut pages: Vec<&str> = failures.iter().map(|failure| &*failure.page.name).collect();
    pages.sort_unstable();
    let mut expected = [&*keys[3], &*keys[7]];
    expected.sort_unstable();
    assert_eq!(pages, expected);
    assert!(failures.iter().all(|it| it.message.starts_with("the document cannot be stored: it ")));
    // A copy that came to its end is not finished again, and a crawl goes on.
    copy(&first, &second, &[]).run().with(2).tells(&["the target holds books"]);
    crawl(demo.url(), &second, &[]).run().with(0);
}

#[test]
fn a_site_gets_another_name_on_the_way_to_another_store() {
    let (folder, path) = folder();
    let (first, second) = (sqlite(&path), sqlite(&folder.path().join("other.db")));
    let demo = lived_in(&first);
    copy(&first, &second, &["--as", "novels"]).run().with(0);
    let renamed = everything(&second, "novels");
    let mut expected = everything(&first, "books");
    for sweep in &mut expected.sweeps {
        sweep.entry.scope.site = "novels".into();
        sweep.entry.scope.collection = "novels".into();
    }
    assert_eq!(renamed, expected);
    copy(&first, &second, &["--as", "novels"]).run().with(2).tells(&["the target holds novels"]);
    drop(demo);
}

#[test]
fn c1_what_cannot_be_copied_is_told_before_anything_is_made() {
    let (folder, path) = folder();
    let (first, second) = (sqlite(&path), sqlite(&folder.path().join("other.db")));
    copy(&first, &second, &[]).run().with(2).tells(&["--from (GLEANER_FROM)", "does not exist"]);
    let demo = start(Options { items: 5, ..Options::default() });
    crawl(demo.url(), &first, &[]).run().with(0);
    copy(&first, &first, &[])
        .run()
        .with(2)
        .tells(&["--to (GLEANER_TO): this is the store of --from"]);
    let twice = copy(&first, &first, &["--as", "novels"]).run().with(2);
    twice.tells(&["this is the store of --from"]);
    let link = folder.path().join("link.db");
    std::fs::hard_link(&path, &link).expect("a link");
    copy(&first, &sqlite(&link), &["--as", "novels"])
        .run()
        .with(2)
        .tells(&["with the same sweeps"]);
    let lines = format!("jsonl:{}", folder.path().join("books.jsonl").display());
    copy(&first, &lines, &[]).run().with(2).tells(&["JSON lines keep no metadata"]);
    copy(&lines, &first, &[]).run().with(2).tells(&["--from", "JSON lines cannot be read back"]);
    let other = ["--collection", "films"];
    copy(&first, &second, &other).run().with(2).tells(&["there is nothing to copy: no books in"]);
    let named = copy(&first, &second, &["--as", "gleaner_x"]).run().with(2);
    named.tells(&["--as: `gleaner_x` is not a valid name"]);
    gleaner(&["copy", "books", "--from", &first]).run().with(2).tells(&["--to"]);
    assert!(!folder.path().join("other.db").exists(), "nothing was made");
    // A collection that others filled.
    let mongodb = fresh_database();
    block_on(async {
        let books = crate::mongod::database(&mongodb).await.collection("books");
        let foreign = mongodb::bson::doc! { "title": "of somebody else" };
        books.insert_one(foreign).await.expect("it is inserted");
    });
    copy(&first, &mongodb, &[])
        .run()
        .with(2)
        .tells(&["holds documents that gleaner did not write"]);
    let states = everything(&first, "books").sweeps;
    assert!(states.iter().all(|sweep| sweep.entry.state != State::Running));
}
