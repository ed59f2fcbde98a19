//! The recipes of docs/operations.md that change or copy a store, taken from the page and followed.

use std::path::Path;
use std::time::Duration;

use gleaner::demo::{Demo, Options};
use mongodb::bson::{Document, doc};
use rusqlite::Connection;
use serde_json::Value;

use super::program::{crawl, gleaner};
use super::{folder, read, report, site, sqlite, start, stored_as_served};
use crate::mongod::fresh_database;

const ITEMS: usize = 200;

/// The page of recipes.
fn page() -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md"))
}

/// The statements that the section of this title gives to `sqlite3`.
fn statements(title: &str) -> String {
    let page = page();
    let section = page.split(&format!("\n## {title}\n")).nth(1).expect("the section");
    let section = section.split("\n## ").next().expect("its end");
    let script = section.split("<<'EOF'\n").nth(1).expect("statements");
    script.split("\nEOF").next().expect("their end").to_owned()
}

/// The built-in book site as a site file, with these texts replaced.
fn site_file(folder: &Path, demo: &Demo, replaced: &[(&str, &str)]) -> String {
    let mut text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/site/books.toml"));
    let url = format!("base_url = \"{}\"", demo.url());
    let base = ("base_url = \"https://spa5.scrape.center\"", &*url);
    for (old, new) in replaced.iter().copied().chain([base]) {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    let path = folder.join("site.toml");
    std::fs::write(&path, text).expect("it is written");
    path.display().to_string()
}

/// Crawls by a site file. Returns the exit code and the numbers of items.
fn crawled(folder: &Path, file: &str, store: &str) -> (i32, Value) {
    let to = folder.join("report.json");
    let path = to.to_str().expect("UTF-8");
    let code = gleaner(&["crawl", file, "--store", store, "--report", path]).run().code;
    (code, report(&to)["items"].clone())
}

const RENAMED: [(&str, &str); 2] = [
    ("name = \"books\"", "name = \"novels\""),
    ("collection = \"books\"", "collection = \"novels\""),
];

#[test]
fn a_backup_that_is_taken_during_a_crawl_is_restored_and_resumed() {
    let latency = Duration::from_millis(20);
    let demo = start(Options { items: 600, latency, ..Options::default() });
    let (folder, path) = folder();
    let backup = folder.path().join("backup.db");
    let tuned = ["--workers", "4", "--batch", "10", "--flush", "20ms"];
    let running = crawl(demo.url(), &sqlite(&path), &tuned).start();
    let made = format!("VACUUM INTO '{}'", backup.display());
    assert!(page().contains("\"VACUUM INTO 'backup/books.db'\""));
    while demo.stats().requests < 150 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Connection::open(&path).expect("it opens").execute_batch(&made).expect("a backup");
    running.signal("KILL");
    running.end();
    let held = super::documents(&backup).len();
    assert!((1..600).contains(&held), "{held} items are in the backup");
    for file in ["books.db", "books.db-wal", "books.db-shm"] {
        let _ = std::fs::remove_file(path.with_file_name(file));
    }
    std::fs::copy(&backup, &path).expect("it is restored");
    let before = demo.stats().requests;
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0).tells(&["resuming unfinished sweep"]);
    let asked = demo.stats().requests - before;
    assert!(asked < 600 + 40 - held as u64 + 10, "{asked} requests, with {held} items at hand");
    assert_eq!(stored_as_served(&path, &demo), 600);
}

#[test]
fn a_store_in_an_older_state_is_in_sync_after_the_next_sweep() {
    let demo = site(ITEMS);
    let (folder, path) = folder();
    let store = sqlite(&path);
    let file = site_file(folder.path(), &demo, &[]);
    assert_eq!(crawled(folder.path(), &file, &store).0, 0);
    let old = std::fs::read(&path).expect("the file");
    let keys = demo.keys();
    assert!(demo.change(&keys[0]) && demo.change(&keys[1]) && demo.remove(&keys[2]));
    demo.insert(0);
    let (code, later) = crawled(folder.path(), &file, &store);
    assert_eq!(
        (code, &later["new"], &later["changed"], &later["gone"]),
        (0, &1.into(), &2.into(), &1.into())
    );
    for other in ["books.db-wal", "books.db-shm"] {
        let _ = std::fs::remove_file(path.with_file_name(other));
    }
    std::fs::write(&path, old).expect("it is restored");
    assert_eq!(
        crawled(folder.path(), &file, &store),
        (0, later),
        "what had happened happens again"
    );
}

#[test]
fn a_site_that_is_renamed_in_sqlite_finds_all_items_the_same() {
    let demo = site(ITEMS);
    let (folder, path) = folder();
    let store = sqlite(&path);
    crawl(demo.url(), &store, &[]).run().with(0);
    let file = site_file(folder.path(), &demo, &RENAMED);
    Connection::open(&path)
        .and_then(|db| db.execute_batch(&statements("Rename a site or a collection")))
        .expect("the statements run");
    let (code, items) = crawled(folder.path(), &file, &store);
    assert_eq!((code, &items["same"], &items["new"]), (0, &ITEMS.into(), &0.into()));
    let ledger = gleaner(&["sweeps", &file, "--store", &store, "--json"]).run().with(0).out;
    let sweeps: Value = serde_json::from_str(&ledger).expect("JSON");
    let sites: Vec<&Value> =
        sweeps.as_array().expect("an array").iter().map(|it| &it["site"]).collect();
    assert_eq!(sites, ["novels", "novels"]);
}

#[tokio::test]
async fn a_site_that_is_renamed_in_mongodb_finds_all_items_the_same() {
    let demo = site(ITEMS);
    let folder = tempfile::tempdir().expect("a folder");
    let store = fresh_database();
    crawl(demo.url(), &store, &[]).run().with(0);
    let page = page();
    for recipe in [
        "db.books.renameCollection(\"novels\")",
        "db.gleaner_sweeps.updateMany({ site: \"books\", collection: \"books\" }, { $set: { site: \"novels\", collection: \"novels\" } })",
        "db.gleaner_failures.deleteMany({ site: \"books\", collection: \"books\" })",
    ] {
        assert!(page.contains(recipe), "{recipe}");
    }
    let database = crate::mongod::database(&store).await;
    let (from, to) = (format!("{}.books", database.name()), format!("{}.novels", database.name()));
    let renamed = doc! { "renameCollection": from, "to": to };
    database.client().database("admin").run_command(renamed).await.expect("it is renamed");
    let of_books = doc! { "site": "books", "collection": "books" };
    let sweeps = database.collection::<Document>("gleaner_sweeps");
    let names = doc! { "$set": { "site": "novels", "collection": "novels" } };
    sweeps.update_many(of_books.clone(), names).await.expect("they are renamed");
    let failures = database.collection::<Document>("gleaner_failures");
    failures.delete_many(of_books).await.expect("they are deleted");
    let file = site_file(folder.path(), &demo, &RENAMED);
    let (code, items) = crawled(folder.path(), &file, &store);
    assert_eq!((code, &items["same"], &items["new"]), (0, &ITEMS.into(), &0.into()));
}

#[test]
fn a_key_that_is_changed_in_the_store_keeps_all_that_is_known() {
    let demo = site(ITEMS);
    let (folder, path) = folder();
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    let other = sqlite(&folder.path().join("other.db"));
    std::fs::copy(&path, folder.path().join("other.db")).expect("a copy");
    let parts = "key = { join = [\"$.id\", \"$.name\"] }";
    assert!(page().contains("{ join = [\"$.id\", \"$.name\"] }"));
    let rekeyed = [
        ("key = \"$.id\"", parts),
        ("[detail]\n", "[index.values]\nid = \"$.id\"\n\n[detail]\n"),
        ("/api/book/{key}/", "/api/book/{id}/"),
    ];
    let file = site_file(folder.path(), &demo, &rekeyed);
    Connection::open(&path)
        .and_then(|db| db.execute_batch(&statements("Change the key of a site")))
        .expect("the statements run");
    let (code, items) = crawled(folder.path(), &file, &sqlite(&path));
    assert_eq!((code, &items["same"], &items["new"]), (0, &ITEMS.into(), &0.into()));
    // As the page says of a store that was left as it is.
    let (code, items) = crawled(folder.path(), &file, &other);
    assert_eq!((code, &items["new"], &items["gone"]), (3, &ITEMS.into(), &0.into()));
}

#[test]
fn the_logrotate_file_is_the_one_on_the_page() {
    let file = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/gleaner.logrotate"));
    let rules: String = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(page().contains(&rules));
}
