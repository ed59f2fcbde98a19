//! The hooks of the server: the same as those of `gleaner status`, and a sign of life.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::program::{crawl, gleaner};
use super::super::several::Folder;
use super::super::{folder, read, site, sqlite};
use super::{Server, until};
use crate::served::{Answer, Asked, Served};

/// A program that appends its input to a file, and then does what `then` says.
fn hook(folder: &Folder, then: &str) -> (String, PathBuf) {
    let (program, heard) = (folder.path("hook"), folder.path("heard"));
    let script = format!("#!/bin/sh\n/bin/cat >> {}\n{then}\n", heard.display());
    std::fs::write(&program, script).expect("it is written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).expect("it is ours");
    (program.display().to_string(), heard)
}

/// Waits until the file has so many messages, and returns kind and rule of each.
fn heard(path: &std::path::Path, number: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        let text = if path.exists() { read(path) } else { String::new() };
        if text.lines().count() >= number {
            let message = |line: &str| {
                let message: Value = serde_json::from_str(line).expect("JSON");
                let part = |name: &str| message[name].as_str().expect("a text").to_owned();
                format!("{} {}", part("kind"), part("rule"))
            };
            return text.lines().map(message).collect();
        }
        assert!(Instant::now() < deadline, "not {number} messages: {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A site file with these expectations.
fn expecting(folder: &Folder, url: &str, expect: &str) -> String {
    let text = gleaner(&["sites", "books"]).run().with(0).out;
    let at = text.lines().find(|line| line.starts_with("base_url")).expect("a base URL");
    let text = text.replace(at, &format!("base_url = '{url}'"));
    folder.file("books", &format!("{text}\n[expect]\n{expect}\n"))
}

#[test]
fn an_alert_and_its_end_are_told_once_though_the_server_starts_again() {
    let (folder, demo) = (Folder::new(), site(12));
    let store = folder.store();
    let (program, said) = hook(&folder, "");
    let state = folder.named("state.json");
    let tell = ["--on-change", &*program, "--state", &*state, "--after", "1"];
    let file = expecting(&folder, demo.url(), "min_items = 50");
    let server = Server::with(&store, &tell);
    gleaner(&["crawl", &file, "--store", &store]).run().with(0);
    assert_eq!(heard(&said, 1), ["alert items_fell"]);
    // Between a message and the note of it a kill has it told again, with its id.
    let noted = || std::fs::read_to_string(&state).is_ok_and(|text| text.contains("items_fell"));
    let deadline = Instant::now() + Duration::from_secs(40);
    while !noted() {
        assert!(Instant::now() < deadline, "the message is not noted");
        std::thread::sleep(Duration::from_millis(20));
    }
    server.running.signal("KILL");
    server.running.end().with(137);
    let server = Server::with(&store, &tell);
    until(&server, "/readyz", |it| it.status == 200);
    let file = expecting(&folder, demo.url(), "min_items = 5");
    gleaner(&["crawl", &file, "--store", &store]).run().with(0);
    assert_eq!(heard(&said, 2), ["alert items_fell", "over items_fell"]);
    // `gleaner status` keeps the same memory.
    gleaner(&["status", "--store", &store]).args(&tell).run().with(0);
    assert_eq!(heard(&said, 2).len(), 2);
    server.stop();
}

#[test]
fn a_hook_that_hangs_stops_no_page_and_one_that_fails_is_a_warning() {
    let (folder, demo) = (Folder::new(), site(12));
    let store = folder.store();
    let (program, said) = hook(&folder, "exec /bin/sleep 60");
    let state = folder.named("state.json");
    let file = expecting(&folder, demo.url(), "min_items = 50");
    gleaner(&["crawl", &file, "--store", &store]).run().with(0);
    let arguments = ["serve", "--store", &*store, "--listen", "127.0.0.1:0"];
    let tell = ["--on-change", &*program, "--state", &*state, "--after", "1"];
    let program = gleaner(&arguments).args(&tell).env("GLEANER_TEST_HOOK", "5s");
    let server = Server::started(program.env("GLEANER_TEST_SERVE", "10s"));
    heard(&said, 1);
    let begun = Instant::now();
    for path in ["/", "/sites/books", "/api/v1/status", "/metrics"] {
        server.get(path).with(200);
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    server.running.says("warning: a message was not delivered: ");
    server.running.says("killed after 5s");
    server.stop();
}

#[test]
fn a_sign_of_life_is_given_while_the_store_can_be_read_and_its_url_is_a_secret() {
    let (_folder, path) = folder();
    let watched = Served::start(|asked: &Asked| match asked.path.as_str() {
        "/s3cret/ping" => Answer::text("ok".to_owned()),
        _ => Answer::text("no".to_owned()).status(500),
    });
    let ping = |path: &str| format!("{}/s3cret/{path}", watched.url());
    let store = sqlite(&path);
    let arguments = ["serve", "--store", &*store, "--listen", "127.0.0.1:0"];
    let serve = |url: &str| {
        let program = gleaner(&arguments).env("GLEANER_PING_URL", url);
        Server::started(program.env("GLEANER_TEST_SERVE", "1s"))
    };
    let server = serve(&ping("ping"));
    until(&server, "/readyz", |it| it.status == 503);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(watched.count("/s3cret/ping"), 0, "the store is away");
    crawl(site(3).url(), &store, &[]).run().with(0);
    let deadline = Instant::now() + Duration::from_secs(30);
    while watched.count("/s3cret/ping") < 2 {
        assert!(Instant::now() < deadline, "no sign of life");
        std::thread::sleep(Duration::from_millis(50));
    }
    server.stop();
    let server = serve(&ping("bad"));
    server.running.says("warning: --ping-url: answered 500");
    for path in ["/", "/sites/books", "/api/v1/status", "/metrics", "/api/v1/openapi.json"] {
        assert!(!server.get(path).body.contains("s3cret"), "{path}");
    }
    server.running.signal("TERM");
    let ended = server.running.end().with(0);
    assert!(!ended.err.contains("s3cret") && ended.err.matches("answered 500").count() == 1);
    let wrong = gleaner(&arguments).env("GLEANER_PING_URL", "ftp://s3cret@h").run().with(2);
    assert!(!wrong.err.contains("s3cret"), "{}", wrong.err);
}
