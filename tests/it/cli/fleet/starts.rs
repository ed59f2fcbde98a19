//! What starts when, and what each sweep gets from its parent.

use std::time::Duration;

use gleaner::demo::{Demo, Options};
use serde_json::json;

use super::{Fleet, Place, demo_file, list, lists, until};
use crate::cli::program::{Program, gleaner};
use crate::served::{Answer, Served};

#[test]
fn sites_are_swept_on_their_schedules_into_stores_of_their_own() {
    let place = Place::new();
    let demo = Demo::start(Options { items: 12, ..Options::default() }).expect("it starts");
    let served = lists(Duration::ZERO);
    place.site("shop", &demo_file("shop", &demo, "every = '2s'"));
    place.site("list", &list("list", served.url(), "every = '1h'"));
    place.site("plain", &super::super::several::list("plain", served.url(), ""));
    let fleet = place.serve(&[]);
    until("three sweeps", || place.path("stores/shop.db").exists() && place.complete("shop") >= 3);
    let once = fleet.until("list", "its end", |site| site["last"]["code"] == 0);
    assert_eq!((&once["state"], &once["schedule"]), (&"scheduled".into(), &"every 1h".into()));
    assert!(once["next_at"].is_string() && once["error"].is_null(), "{once:#}");
    fleet.until_why("plain", "its file has no [schedule]");
    let said = fleet.stop();
    assert!(said.contains("shop.toml: sweep started, process "), "{said}");
    assert!(said.contains("shop.toml: complete (exit code 0) after "), "{said}");
    assert!(
        said.contains("shop: ") && said.contains("starting sweep"),
        "lines of the sweep: {said}"
    );
    assert_eq!(place.complete("list"), 1);
    assert!(!place.path("stores/plain.db").exists());
    for pair in place.sweeps("shop").windows(2) {
        let apart = pair[1].entry.started_at.duration_since(pair[0].entry.started_at);
        assert!(apart.as_secs_f64() > 1.99, "{apart} from start to start");
        assert!(Some(pair[1].entry.started_at) > pair[0].entry.ended_at, "two at once");
    }
    // A new fleet knows from the ledger that `list` is not due.
    let fleet = place.serve(&[]);
    fleet.until_why("list", "it is not due");
    fleet.stop();
    assert_eq!(place.complete("list"), 1);
    let status = gleaner(&["status", "--store", &place.store, "--json"]).run().with(0).out;
    assert!(
        status.contains("\"site\": \"shop\"") && status.contains("\"site\": \"list\""),
        "{status}"
    );
}

#[test]
fn sites_of_one_host_take_turns_and_so_do_more_than_may_run_at_once() {
    let place = Place::new();
    let shared = lists(Duration::from_millis(500));
    for name in ["a", "b", "c"] {
        place.site(name, &list(name, shared.url(), "every = '20s'"));
    }
    let others = [(); 3].map(|()| lists(Duration::from_millis(500)));
    for (name, served) in ["d", "e", "f"].iter().zip(&others) {
        place.site(name, &list(name, served.url(), "every = '20s'"));
    }
    let fleet = place.serve(&["--at-once", "2"]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        fleet.until(name, "its end", |site| site["last"]["code"] == 0);
    }
    fleet.stop();
    assert_eq!(shared.most_at_once("/"), 1);
    let mut runs: Vec<_> = ["a", "b", "c", "d", "e", "f"]
        .iter()
        .flat_map(|name| place.sweeps(name))
        .flat_map(|it| [(it.entry.started_at, 1), (it.entry.ended_at.expect("its end"), -1)])
        .collect();
    runs.sort();
    let (mut now, mut most) = (0, 0);
    for (_, step) in runs {
        now += step;
        most = most.max(now);
    }
    assert!(most <= 2, "{most} at once");
}

/// Only what is in its file, and what is not gleaner's, reaches a sweep.
#[test]
fn a_sweep_gets_the_variables_of_its_file_and_none_of_its_parent() {
    let place = Place::new();
    let served = lists(Duration::ZERO);
    let secret = "headers = { X-Token = '{env:GLEANER_SECRET_TOKEN}' }\n";
    let text = list("shop", served.url(), "every = '1h'");
    let text = text.replace("url = '/shop'\n", &format!("url = '/shop'\n{secret}"));
    place.site("shop", &text);
    place.variables("shop", "GLEANER_SECRET_TOKEN=hunter2\n", 0o640);
    let of_parent = |program: Program| {
        program
            .env("GLEANER_HEADERS", "X-Parent: yes")
            .env("GLEANER_SECRET_TOKEN", "of-the-parent")
            .env("GLEANER_LIMIT", "1")
            .env("GLEANER_BASE_URL", "http://127.0.0.1:9")
    };
    let fleet = Fleet::started(of_parent(place.program(&[])));
    let refused = fleet.until_why("shop", "shop.env: others may read it (mode 0640)");
    assert_eq!(refused["state"], "stuck");
    assert_eq!(served.requests().len(), 0);
    place.variables("shop", "GLEANER_SECRET_TOKEN=hunter2\n", 0o600);
    fleet.running.signal("HUP");
    fleet.until("shop", "its end", |site| site["last"]["code"] == 0);
    let asked = served.requests();
    assert!(!asked.is_empty());
    for request in &asked {
        assert_eq!(request.header("x-token"), "hunter2");
        assert_eq!(request.header("x-parent"), "");
    }
    let page =
        fleet.address.get("/fleet").with(200).body + &fleet.address.get("/api/v1/fleet").body;
    let said = fleet.stop();
    assert!(!page.contains("hunter2") && !said.contains("hunter2"), "{said}");
    assert_eq!(place.complete("shop"), 1, "not limited");
    let stored = crate::cli::several::keys(&place.path("stores/shop.db"), "shop");
    assert_eq!(stored.len(), 3);
}

#[test]
fn without_free_space_no_sweep_begins_and_the_page_says_so() {
    let place = Place::new();
    let served = lists(Duration::ZERO);
    place.site("shop", &list("shop", served.url(), "every = '1s'"));
    let fleet = place.serve(&["--min-free", "1000TiB"]);
    let shown = fleet.until_why("shop", "free; --min-free is 1000.0 TiB");
    assert_eq!((&shown["state"], &shown["last"]), (&"waiting".into(), &().into()));
    assert!(fleet.address.get("/fleet").with(200).body.contains("--min-free is 1000.0 TiB"));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(served.requests().len(), 0);
    fleet.stop();
}

/// Wrong settings, and a site that fails: the next attempt is later, and the page says why.
#[test]
fn what_fails_is_shown_with_its_exit_code_and_tried_again_later() {
    let place = Place::new();
    let refusing = Served::start(|_| Answer::text("no".to_owned()).status(403));
    let served = lists(Duration::ZERO);
    place.site("refused", &list("refused", refusing.url(), "every = '1h'"));
    let secret = "headers = { X-Token = '{env:GLEANER_SECRET_TOKEN}' }\n";
    let text = list("wrong", served.url(), "every = '1h'");
    place.site("wrong", &text.replace("url = '/wrong'\n", &format!("url = '/wrong'\n{secret}")));
    let fleet = place.serve(&[]);
    let wrong = fleet.until_why("wrong", "the last attempt failed");
    assert_eq!((&wrong["last"]["code"], &wrong["attempts"]), (&2.into(), &1.into()));
    let lines = wrong["last"]["last_lines"].to_string();
    assert!(lines.contains("GLEANER_SECRET_TOKEN is not set"), "{lines}");
    let refused = fleet.until_why("refused", "the last attempt failed");
    assert_eq!((&refused["last"]["code"], &refused["state"]), (&1.into(), &"scheduled".into()));
    // A change of its variables is tried at once.
    place.variables("wrong", "GLEANER_SECRET_TOKEN=x\n", 0o600);
    fleet.running.signal("HUP");
    fleet.until("wrong", "its end", |site| site["last"]["code"] == 0);
    fleet.stop();
    assert_eq!(place.sweeps("refused").len(), 1);
}

/// A run that something else started is waited for, and counts.
#[test]
fn a_sweep_by_hand_is_waited_for_and_moves_the_next_start() {
    let place = Place::new();
    let served = Served::start(|asked| {
        let delay = if asked.path == "/shop" { 3_000 } else { 0 };
        Answer::json(&json!([{ "id": 1 }])).later(Duration::from_millis(delay))
    });
    place.site("shop", &list("shop", served.url(), "every = '1h'"));
    let file = place.path("sites/shop.toml");
    let store = format!("sqlite:{}", place.path("stores/shop.db").display());
    let file = file.to_str().expect("UTF-8");
    let by_hand = gleaner(&["crawl", file, "--store", &store]).start();
    by_hand.says("starting sweep");
    let fleet = place.serve(&[]);
    let held = fleet.until_why("shop", "another run holds the site lock");
    assert_eq!((&held["state"], &held["process"]), (&"running".into(), &().into()));
    by_hand.end().with(0);
    fleet.until_why("shop", "it is not due");
    fleet.stop();
    assert_eq!(served.count("/shop"), 1);
}
