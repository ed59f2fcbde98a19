//! `gleaner serve`, over real sockets: what it shows, and whom it refuses.

pub mod asked;
mod described;
mod hardened;
mod telling;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::program::{Program, Running, crawl, gleaner};
use super::{folder, site, sqlite, start};
use crate::mongod::fresh_database;
use asked::{Answered, Asking};
use gleaner::demo::Options;

/// A running server.
struct Server {
    running: Running,
    address: Asking,
}

impl Server {
    fn of(store: &str) -> Server {
        Server::with(store, &[])
    }

    /// A server on a free port.
    fn with(store: &str, more: &[&str]) -> Server {
        let program = gleaner(&["serve", "--store", store, "--listen", "127.0.0.1:0"]);
        Server::started(program.args(more))
    }

    fn started(program: Program) -> Server {
        let running = program.start();
        let said = running.says_line("; stop with Ctrl-C");
        let (_, rest) = said.split_once("http://").expect("a URL");
        let (address, _) = rest.split_once(';').expect("an end");
        Server { address: Asking::Tcp(address.parse().expect("an address")), running }
    }

    fn get(&self, path: &str) -> Answered {
        self.address.get(path)
    }

    fn json(&self, path: &str) -> Value {
        self.get(path).with(200).json()
    }

    /// Ends it as a supervisor does.
    fn stop(self) {
        self.running.signal("TERM");
        self.running.end().with(0);
    }
}

/// Asks until the answer is as wanted.
fn until(server: &Server, path: &str, is_wanted: impl Fn(&Answered) -> bool) -> Answered {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answered = server.get(path);
        if is_wanted(&answered) {
            return answered;
        }
        assert!(Instant::now() < deadline, "{answered:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn all_sites_a_site_and_a_sweep_are_shown_as_pages_and_json() {
    let (_folder, path) = folder();
    for store in [sqlite(&path), fresh_database()] {
        let demo = site(12);
        crawl(demo.url(), &store, &[]).run().with(0);
        let server = Server::of(&store);
        let status = server.json("/api/v1/status");
        let printed = gleaner(&["status", "--store", &store, "--json"]).run().with(0).out;
        let printed: Value = serde_json::from_str(&printed).expect("JSON");
        let (mine, theirs) = (&status["sites"][0], &printed["sites"][0]);
        assert_eq!((&mine["sweeps"], &mine["state"]), (&theirs["sweeps"], &"fine".into()));
        let books = server.json("/api/v1/sites/books");
        assert_eq!(
            (&books["sweeps"][0]["items"]["new"], &books["state"]),
            (&12.into(), &"fine".into())
        );
        let id = books["sweeps"][0]["sweep"].as_str().expect("an id").to_owned();
        let sweep = server.json(&format!("/api/v1/sites/books/sweeps/{id}"));
        let listed = gleaner(&["sweeps", "books", "--store", &store, "--json"]).run().with(0).out;
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        assert_eq!(sweep, listed[0]);
        for (path, part) in [
            ("/", "books"),
            ("/sites/books", &*id),
            (&format!("/sites/books/sweeps/{id}"), "complete"),
        ] {
            let page = server.get(path).with(200);
            assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
            assert!(page.body.contains(part), "{path}: {}", page.body);
        }
        for path in ["/healthz", "/readyz"] {
            assert_eq!(server.get(path).with(200).body, "ok\n");
        }
        server.stop();
    }
}

#[test]
fn what_is_not_there_is_404_as_a_page_or_as_json() {
    let (_folder, path) = folder();
    let demo = site(3);
    crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    let server = Server::of(&sqlite(&path));
    for path in [
        "/sites",
        "/sites/films",
        "/sites/books/sweeps/nothing",
        "/sites/books?collection=films",
        "/sites/books/",
        "/../etc/passwd",
        "/sites/%2e%2e%2fetc",
        "/sites/%ff",
        "//",
    ] {
        let answered = server.get(path).with(404);
        assert!(answered.body.contains("<main"), "{path}: {}", answered.body);
        if path.starts_with("/sites/") && !path.ends_with('/') && path != "/sites/%ff" {
            let answered = server.get(&format!("/api/v1{path}")).with(404);
            assert!(answered.json()["error"].is_string(), "{path}");
        }
    }
    assert!(server.get("/api/v2/status").with(404).json()["error"].is_string());
    let strange = server.get("/sites/%3Cscript%3Ealert(1)%3C%2Fscript%3E").with(404);
    assert!(!strange.body.contains("<script>alert"), "{}", strange.body);
    server.stop();
}

#[test]
fn each_collection_of_a_site_is_found() {
    let (_folder, path) = folder();
    let store = sqlite(&path);
    let demo = site(3);
    crawl(demo.url(), &store, &["--collection", "one"]).run().with(0);
    let server = Server::of(&store);
    // The only one needs no name.
    assert_eq!(server.json("/api/v1/sites/books")["collection"], "one");
    crawl(demo.url(), &store, &["--collection", "two", "--limit", "1"]).run();
    until(&server, "/api/v1/status", |it| {
        it.json()["sites"].as_array().is_some_and(|it| it.len() == 2)
    });
    assert!(server.get("/sites/books").with(404).body.contains("?collection="));
    for collection in ["one", "two"] {
        let found = server.json(&format!("/api/v1/sites/books?collection={collection}"));
        assert_eq!(found["collection"], collection);
        let page = server.get("/").with(200).body;
        assert!(page.contains(&format!("href=\"/sites/books?collection={collection}\"")), "{page}");
    }
    crawl(demo.url(), &store, &[]).run().with(0);
    until(&server, "/api/v1/sites/books", |it| it.status == 200);
    assert_eq!(server.json("/api/v1/sites/books")["collection"], "books");
    server.stop();
}

#[test]
fn a_store_that_is_away_is_said_and_found_once_it_is_there() {
    let (_folder, path) = folder();
    let store = sqlite(&path);
    let server = Server::of(&store);
    server.get("/healthz").with(200);
    let away = server.get("/readyz").with(503);
    assert!(away.body.contains("books.db"), "{}", away.body);
    assert!(server.get("/").with(503).body.contains("books.db"));
    server.get("/api/v1/status").with(503);
    server.get("/sites/books").with(503);
    let demo = site(3);
    crawl(demo.url(), &store, &[]).run().with(0);
    until(&server, "/readyz", |it| it.status == 200);
    assert_eq!(server.json("/api/v1/sites/books")["state"], "fine");
    // A file that takes its place is read, and not the one that was opened.
    std::fs::remove_file(&path).expect("it is there");
    until(&server, "/readyz", |it| it.status == 503);
    assert!(server.get("/").with(503).body.contains("books"), "what was known stays");
    crawl(demo.url(), &store, &[]).run().with(0);
    until(&server, "/readyz", |it| it.status == 200);
    server.stop();
}

#[test]
fn a_running_sweep_is_shown_as_it_goes_on() {
    let (_folder, path) = folder();
    let latency = Duration::from_millis(50);
    let demo = start(Options { items: 900, latency, ..Options::default() });
    let running = crawl(demo.url(), &sqlite(&path), &["--workers", "4"]).start();
    running.says("starting sweep");
    let server = Server::of(&sqlite(&path));
    let done =
        |answered: &Answered| answered.json()["running"]["progress"]["requests"]["total"].as_u64();
    let first = until(&server, "/api/v1/sites/books", |it| it.status == 200 && done(it).is_some());
    until(&server, "/api/v1/sites/books", |it| done(it) > done(&first));
    assert_eq!(server.json("/api/v1/status")["sites"][0]["state"], "running");
    running.kill();
    server.stop();
}

#[test]
fn what_cannot_be_served_is_refused() {
    let serve = |more: &[&str]| gleaner(&["serve", "--store", "sqlite:x.db"]).args(more);
    let open = serve(&["--listen", "0.0.0.0:0"]).run().with(2);
    open.tells(&["--listen-host"]);
    serve(&["--listen", "[::]:0"]).run().with(2).tells(&["--listen-host"]);
    serve(&["--listen", "localhost"]).run().with(2).tells(&["127.0.0.1:9640", "unix:PATH"]);
    serve(&["--listen", "unix:"]).run().with(2).tells(&["path of a socket"]);
    for host in ["http://h", "h:1", "", "a b"] {
        serve(&["--listen-host", host]).run().with(2).tells(&["--listen-host"]);
    }
    gleaner(&["serve", "--store", "jsonl:-"]).run().with(2).tells(&["keep no ledger"]);
    let server = Server::of("sqlite:x.db");
    let Asking::Tcp(taken) = server.address else { panic!("a port") };
    let twice = serve(&["--listen", &taken.to_string()]).run().with(1);
    twice.tells(&["cannot listen on", &taken.to_string()]);
    server.running.signal("INT");
    server.running.end().with(0);
    assert!(!Path::new("x.db").exists());
}
