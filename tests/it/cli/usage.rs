//! What is wrong with what the user typed: exit 2, and where to look.

use std::time::{Duration, Instant};

use mongodb::bson::{Document, doc};

use super::program::{crawl, gleaner};
use super::{folder, site, sqlite, stored_as_served};
use crate::mongod::Mongod;

#[test]
fn an_unknown_flag_is_exit_2() {
    let ended = gleaner(&["crawl", "--no-such-flag"]).run().with(2).tells(&["--no-such-flag"]);
    assert_eq!(ended.out, "");
}

#[test]
fn o6_without_a_site_nothing_is_requested_and_the_error_shows_usage() {
    let demo = site(5);
    let (folder, path) = folder();
    for command in ["crawl", "failures", "sweeps", "export", "check", "tune"] {
        for more in [&[][..], &["--base-url", demo.url()], &["--no-such-flag"]] {
            let program = gleaner(&[command]).args(more).env("GLEANER_STORE", &sqlite(&path));
            let ended = program.env("GLEANER_BASE_URL", demo.url()).run().with(2);
            assert_eq!(ended.out, "");
            if more.is_empty() {
                let how = [&*format!("gleaner {command} mysite.toml"), "books, movies"];
                ended.tells(&how).tells(&["error: no SITE was given", "gleaner demo"]);
            }
        }
        // What a script passes on whose variable is not set.
        gleaner(&[command, ""]).env("GLEANER_BASE_URL", demo.url()).run().with(2);
    }
    gleaner(&["failures", "--retry", "--base-url", demo.url()]).run().with(2).tells(&["no SITE"]);
    assert_eq!(demo.stats().requests, 0);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn x7_an_unknown_variable_is_warned_about_where_the_log_goes() {
    let (demo, (folder, path)) = (site(5), folder());
    let said = "GLEANER_WORKER is unknown and ignored; did you mean GLEANER_WORKERS?";
    let crawl = |more: &[&str]| {
        let program = crawl(demo.url(), &sqlite(&path), more).env("GLEANER_WORKER", "s3cret");
        let ended = program.env("GLEANER_RETRIES", "1").run().with(0);
        assert!(!ended.err.contains("s3cret") && !ended.err.contains("GLEANER_RETRIES"));
        ended
    };
    crawl(&[]).tells(&[said, "WARN"]);
    let log = folder.path().join("log");
    crawl(&["--log-file", log.to_str().expect("UTF-8")])
        .tells(&[&format!("warning: the environment variable {said}")]);
    assert!(super::read(&log).contains(said));
    for line in crawl(&["--log-format", "json"]).tells(&[said]).err.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("nothing but the log");
    }
    let sweeps = gleaner(&["sweeps", "books", "--store", &sqlite(&path), "--json"]);
    let sweeps = sweeps
        .env("GLEANER_WORKER", "5")
        .run()
        .with(0)
        .tells(&[&format!("warning: the environment variable {said}")]);
    serde_json::from_str::<serde_json::Value>(&sweeps.out).expect("the result is JSON");
}

#[test]
fn a_bad_value_in_a_variable_names_the_variable() {
    for (variable, value) in [
        ("GLEANER_WORKERS", "many"),
        ("GLEANER_TIMEOUT", "5"),
        ("GLEANER_PAGES", "3..1"),
        ("GLEANER_MAX_BODY", "much"),
        ("GLEANER_STORE", "postgres://h/db"),
        ("GLEANER_BASE_URL", "ftp://h"),
        ("GLEANER_COLLECTION", "system.x"),
        ("GLEANER_HEADERS", "no colon"),
        ("GLEANER_LOG_FORMAT", "xml"),
        ("GLEANER_BLOCK_AFTER", "0"),
    ] {
        let ended = gleaner(&["crawl", "books"]).env(variable, value).run().with(2);
        assert!(ended.err.contains(variable), "{variable}: {}", ended.err);
        assert_eq!(ended.out, "");
    }
}

#[test]
fn a_bad_value_of_a_flag_names_the_flag() {
    for (flag, value) in [("--workers", "0"), ("--flush", "soon"), ("--limit", "-1")] {
        let argument = format!("{flag}={value}");
        gleaner(&["crawl", "books", &argument]).run().with(2).tells(&[flag, value]);
    }
}

#[test]
fn a_bad_site_file_names_file_and_line() {
    let (folder, _) = folder();
    let file = folder.path().join("mine.toml");
    let file = file.to_str().expect("UTF-8");
    std::fs::write(file, "name = \"mine\"\ncolour = 3\n").expect("the file is written");
    let place = format!("{file}:2:");
    gleaner(&["crawl", file]).run().with(2).tells(&[&place, "colour"]);
    gleaner(&["crawl", "no-such-site"]).run().with(2).tells(&["no-such-site", "books"]);
    gleaner(&["crawl", "no/such.toml"]).run().with(2).tells(&["no/such.toml"]);
    let url = "http://127.0.0.1:9/list";
    gleaner(&["check", url]).run().with(2).tells(&["SITE is a URL", "sites new URL"]);
}

#[test]
fn two_results_on_standard_output_are_refused() {
    let ended = gleaner(&["demo", "--items", "1", "--store", "jsonl:-", "--report", "-"]).run();
    assert_eq!(ended.with(2).tells(&["jsonl:-", "--report"]).out, "");
}

#[test]
fn s11_a_store_that_cannot_be_opened_is_named_and_leaves_no_files() {
    let (folder, _) = folder();
    let path = folder.path().join("no/such/folder/books.db");
    let ended = gleaner(&["demo", "--items", "1", "--store", &sqlite(&path)]).run();
    assert_ne!(ended.code, 0);
    ended.tells(&["no/such/folder/books.db"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 0);
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_default() {
    let demo = site(60);
    let (_folder, path) = folder();
    let crawl = |more: &[&str]| {
        let arguments = ["crawl", "books", "--store", &sqlite(&path), "--base-url", demo.url()];
        let program = gleaner(&arguments).args(more).env("GLEANER_LIMIT", "7");
        program.run().with(0);
        stored_as_served(&path, &demo)
    };
    assert_eq!(crawl(&[]), 7);
    assert_eq!(crawl(&["--limit", "11"]), 11);
}

#[test]
fn help_is_a_result() {
    for arguments in [&["--help"][..], &["crawl", "--help"], &["demo", "--help"], &["--version"]] {
        let ended = gleaner(arguments).run().with(0);
        assert!(ended.out.contains("gleaner") && ended.err.is_empty(), "{ended:?}");
    }
    assert!(gleaner(&["completions", "bash"]).run().with(0).out.contains("_gleaner"));
}

/// Does something with a database, as its administrator.
fn administer(uri: &str, command: Document) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let database = crate::mongod::database(uri).await;
        database.run_command(command).await.expect("the server does it");
    });
}

#[test]
fn a_broken_ledger_is_exit_2_at_once() {
    let (demo, uri) = (site(5), crate::mongod::fresh_database());
    administer(&uri, doc! { "create": "gleaner_sweeps", "viewOn": "others", "pipeline": [] });
    let begun = Instant::now();
    for more in [&[][..], &["--every", "1h"]] {
        crawl(demo.url(), &uri, more).run().with(2).tells(&["is a view"]);
    }
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_read_only_user_can_read_but_not_crawl() {
    let (demo, mongod) = (site(5), Mongod::with(&["--auth"]));
    let user = |name: &str, role: &str| doc! { "createUser": name, "pwd": "p", "roles": [role] };
    administer(&mongod.uri("admin"), user("root", "root"));
    let uri = |name: &str| mongod.uri("d").replace("//", &format!("//{name}:p@"));
    administer(&format!("{}?authSource=admin", uri("root")), user("reader", "read"));
    let said = "not authorized on d to execute command { update: \"gleaner_sweeps\", … } (code 13)";
    crawl(demo.url(), &uri("reader"), &[]).run().with(2).tells(&[said]);
    let sweeps = gleaner(&["sweeps", "books", "--store", &uri("reader")]).run();
    sweeps.with(0).tells(&["no sweeps of books"]);
}
