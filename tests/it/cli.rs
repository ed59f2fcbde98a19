//! The program as its users have it: a process with flags, variables, standard streams, signals
//! and an exit code.

mod adopting;
mod check;
mod check_answers;
mod children;
mod copies;
mod descriptors;
mod downloads;
mod drafts;
mod every;
mod exits;
mod fetch;
mod files;
mod first_pages;
mod fleet;
mod full_disk;
mod incremental;
mod kill_loop;
mod kills;
mod million;
mod output;
mod parts;
mod program;
mod reading;
mod recipes;
mod runs;
mod second_pages;
mod secrets;
mod serve;
mod sessions;
mod several;
mod signals;
mod sites;
mod slow_pages;
mod soak;
mod status;
mod takeover;
mod terminal;
mod told;
mod trees;
mod tune;
mod upgrade;
mod usage;
mod usual;
mod walls;

use std::path::{Path, PathBuf};

use gleaner::demo::{Demo, Options};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

/// A demo site of so many items.
fn site(items: usize) -> Demo {
    start(Options { items, ..Options::default() })
}

fn start(options: Options) -> Demo {
    Demo::start(options).expect("the demo site starts")
}

/// A folder and the path of an SQLite file in it that is not there yet.
fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("books.db");
    (folder, path)
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn report(path: &Path) -> Value {
    serde_json::from_str(&read(path)).expect("a report")
}

/// Keys and documents of the table `books`, from a file that is whole.
fn documents(path: &Path) -> Vec<(String, Value)> {
    documents_of("books", path)
}

/// Keys and documents of a table, from a file that is whole.
fn documents_of(table: &str, path: &Path) -> Vec<(String, Value)> {
    let connection = Connection::open(path).expect("the file opens");
    let sound: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("an answer");
    assert_eq!(sound, "ok");
    let mut statement =
        connection.prepare(&format!("SELECT key, doc FROM {table}")).expect("the table");
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .expect("the query runs");
    let parse = |text: String| serde_json::from_str(&text).expect("a document is JSON");
    rows.map(|row| row.expect("a row")).map(|(key, text)| (key, parse(text))).collect()
}

/// How many documents are stored, all of which equal the site's.
fn stored_as_served(path: &Path, demo: &Demo) -> usize {
    as_served(&documents(path), demo)
}

/// How many documents there are, all of which equal the site's.
fn as_served(documents: &[(String, Value)], demo: &Demo) -> usize {
    for (key, document) in documents {
        assert_eq!(Some(document), demo.document(key).as_ref(), "{key}");
    }
    documents.len()
}
