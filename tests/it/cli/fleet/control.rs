//! Stopping, killing, reloading and supervising a fleet.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use gleaner::demo::{Demo, Options};
use gleaner::model::report::Outcome;
use gleaner::sweep::State;

use super::{Fleet, Place, demo_file, list, lists, until};
use crate::cli::documents_of;
use crate::cli::program::gleaner;

/// A demo site whose sweep takes some seconds.
fn slow(items: usize) -> Demo {
    let latency = Duration::from_millis(100);
    Demo::start(Options { items, latency, ..Options::default() }).expect("it starts")
}

/// Returns true while the process with this id runs.
fn lives(process: u64) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    text.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn process(fleet: &Fleet, name: &str) -> u64 {
    let running = fleet.until(name, "its process", |site| site["process"].is_u64());
    running["process"].as_u64().expect("an id")
}

#[test]
fn sigterm_stops_the_sweeps_gracefully_and_the_next_fleet_resumes_them() {
    let place = Place::new();
    let demo = slow(600);
    place.site("shop", &demo_file("shop", &demo, "every = '1h'"));
    let fleet = place.serve(&[]);
    let child = process(&fleet, "shop");
    until("pages were fetched", || demo.stats().requests > 30);
    let said = fleet.stop();
    assert!(!lives(child), "it ended before its parent");
    assert!(said.contains("stopping 1 sweep; "), "{said}");
    assert!(said.contains("shop.toml: interrupted (exit code 143) after "), "{said}");
    let sweeps = place.sweeps("shop");
    assert_eq!(sweeps[0].entry.state, State::Ended(Outcome::Interrupted));
    let fleet = place.serve(&[]);
    fleet.until("shop", "its end", |site| site["last"]["code"] == 0);
    fleet.stop();
    let resumed = place.sweeps("shop");
    assert_eq!((resumed.len(), resumed[0].entry.runs), (1, 2));
    assert_eq!(resumed[0].entry.id, sweeps[0].entry.id);
    let stored = documents_of("shop", &place.path("stores/shop.db"));
    assert_eq!(super::super::as_served(&stored, &demo), 600);
}

#[test]
fn a_sweep_that_does_not_stop_is_killed() {
    let place = Place::new();
    let demo = slow(3_000);
    place.site("shop", &demo_file("shop", &demo, "every = '1h'"));
    let fleet = Fleet::started(place.program(&[]).env("GLEANER_TEST_STOP", "1s"));
    let child = process(&fleet, "shop");
    until("it runs", || demo.stats().requests > 0);
    // A stopped process hears no SIGTERM.
    let stopped = std::process::Command::new("kill").args(["-STOP", &child.to_string()]).status();
    assert!(stopped.expect("kill runs").success());
    let said = fleet.stop();
    assert!(said.contains("shop.toml: killed by signal 9 after "), "{said}");
    assert!(!lives(child));
}

/// The sweeps outlive their parent; the next one finds them by their locks.
#[test]
fn kill_9_of_serve_neither_loses_nor_doubles_a_sweep() {
    let place = Place::new();
    let demos = [(); 3].map(|()| slow(400));
    for (name, demo) in ["a", "b", "c"].iter().zip(&demos) {
        place.site(name, &demo_file(name, demo, "every = '3s'"));
    }
    let mut children = Vec::new();
    for round in 0..4 {
        let fleet = place.serve(&["--at-once", "3"]);
        children.push(process(&fleet, ["a", "b", "c"][round % 3]));
        // Killed at different moments: at the start of sweeps, in the middle, between two.
        std::thread::sleep(Duration::from_millis(700 * round as u64));
        fleet.running.signal("KILL");
        assert_eq!(fleet.running.end().code, 137);
    }
    let fleet = place.serve(&["--at-once", "3"]);
    let before: Vec<usize> = ["a", "b", "c"].iter().map(|name| place.complete(name)).collect();
    for (name, before) in ["a", "b", "c"].iter().zip(before) {
        until("two more sweeps", || place.complete(name) >= before + 2);
    }
    fleet.stop();
    for (name, demo) in ["a", "b", "c"].iter().zip(&demos) {
        let sweeps = place.sweeps(name);
        for sweep in &sweeps[..sweeps.len() - 1] {
            let entry = &sweep.entry;
            assert_eq!(entry.state, State::Ended(Outcome::Complete), "{name}: {entry:?}");
            assert_eq!(entry.runs, 1, "{name}: none was interrupted");
        }
        for pair in sweeps.windows(2) {
            assert!(Some(pair[1].entry.started_at) > pair[0].entry.ended_at, "two at once");
        }
        let stored = documents_of(name, &place.path(&format!("stores/{name}.db")));
        assert_eq!(super::super::as_served(&stored, demo), 400);
    }
}

#[test]
fn sighup_reads_the_folder_and_a_broken_file_keeps_its_last_good_version() {
    let place = Place::new();
    let served = lists(Duration::ZERO);
    place.site("shop", &list("shop", served.url(), "every = '2s'"));
    place.site("twin", &list("shop", served.url(), "every = '2s'"));
    let fleet = place.serve(&[]);
    fleet.until("shop", "its end", |site| site["last"]["code"] == 0);
    fleet.until_why("twin", "shop.toml has a site of the same name");
    place.site("shop", "name = 'shop'\nnonsense");
    place.site("new", &list("new", served.url(), "every = '1h'"));
    std::fs::remove_file(place.path("sites/twin.toml")).expect("it was there");
    fleet.running.signal("HUP");
    let broken = fleet.until("shop", "its error", |site| site["error"].is_string());
    assert!(broken["error"].as_str().is_some_and(|it| it.contains("shop.toml:2: ")), "{broken:#}");
    assert!(fleet.address.get("/fleet").with(200).body.contains("shop.toml:2: "));
    let before = place.complete("shop");
    until("sweeps by the last good version", || place.complete("shop") >= before + 2);
    fleet.until("new", "its end", |site| site["last"]["code"] == 0);
    assert!(!fleet.shown().contains_key("twin.toml"));
    place.site("shop", &list("shop", served.url(), "every = '1h'"));
    fleet.running.signal("HUP");
    fleet.until("shop", "its new schedule", |site| {
        site["error"].is_null() && site["schedule"] == "every 1h"
    });
    let said = fleet.stop();
    assert!(said.contains("warning: ") && said.contains("shop.toml:2: "), "{said}");
}

#[test]
fn the_service_manager_is_told_that_it_is_ready_alive_and_stopping() {
    let place = Place::new();
    let served = lists(Duration::ZERO);
    place.site("shop", &list("shop", served.url(), "every = '1h'"));
    let path = place.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let program = place.program(&[]).env("NOTIFY_SOCKET", path.to_str().expect("UTF-8"));
    let fleet = Fleet::started(program.env("WATCHDOG_USEC", "400000"));
    let mut told = String::new();
    let mut hear = |text: &str| {
        let mut bytes = [0; 4_096];
        while !told.contains(text) {
            let length = socket.recv(&mut bytes).unwrap_or_else(|_| panic!("no {text}: {told}"));
            told += std::str::from_utf8(&bytes[..length]).expect("UTF-8");
        }
    };
    hear("READY=1\n");
    hear("WATCHDOG=1\nWATCHDOG=1\n");
    hear("; next is shop at ");
    hear("STATUS=0 of 1 sites run; next is shop at ");
    fleet.stop();
    hear("STOPPING=1\n");
}

#[test]
fn what_cannot_be_a_fleet_is_refused() {
    let place = Place::new();
    let missing = place.path("none");
    let missing = missing.to_str().expect("UTF-8");
    gleaner(&["serve", missing]).run().with(2).tells(&["none: No such file or directory"]);
    for (more, why) in [
        (["--at-once", "0"], "--at-once"),
        (["--min-free", "lots"], "--min-free"),
        (["--log-dir", missing], "--log-dir"),
    ] {
        gleaner(&["serve", &place.sites()]).args(&more).run().with(2).tells(&[why]);
        // Without a folder there is no fleet.
    }
    for more in [["--at-once", "2"], ["--min-free", "1GiB"], ["--log-dir", "."]] {
        gleaner(&["serve"]).args(&more).run().with(2).tells(&[more[0], "DIR"]);
    }
}

#[test]
fn each_site_logs_into_its_file_where_a_folder_is_given() {
    let place = Place::new();
    let served = lists(Duration::ZERO);
    place.site("shop", &list("shop", served.url(), "every = '1h'"));
    let logs = place.path("stores");
    let fleet = place.serve(&["--log-dir", logs.to_str().expect("UTF-8")]);
    fleet.until("shop", "its end", |site| site["last"]["code"] == 0);
    let said = fleet.stop();
    let log = std::fs::read_to_string(logs.join("shop.log")).expect("a log");
    assert!(log.contains("starting sweep") && !said.contains("starting sweep"), "{said}\n{log}");
    assert!(said.contains("shop: "), "its result: {said}");
}
