//! A fleet for a minute, or longer by hand (`make fleet-test`): most sites are well, one hangs, one has
//! a broken file, one crashes, and one refuses.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Options};
use serde_json::Value;

use super::{Fleet, Place, demo_file, list};
use crate::cli::program::gleaner;
use crate::served::{Answer, Served};

/// Most memory of `serve`, in KiB.
const MOST_MEMORY: u64 = 40 << 10;
/// Sites that are not well: one that hangs, one with a broken file, one that crashes, one that refuses.
const UNWELL: usize = 4;

fn asked_for(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

/// What goes on beside the fleet.
struct Watch<'a> {
    place: &'a Place,
    fleet: &'a Fleet,
    /// Site of the sweeps that crash, and how often it was asked before the last crash.
    crashing: &'a Served,
    asked: Cell<usize>,
    tell: String,
    state: String,
}

impl Watch<'_> {
    /// Crashes the sweep of `crashes`, once it has asked for a page.
    fn crash(&self) {
        let asked = self.crashing.count("/");
        if asked == self.asked.replace(asked) {
            return;
        }
        let shown = self.fleet.shown();
        if let Some(process) = shown["crashes.toml"]["process"].as_u64() {
            // It may have ended meanwhile.
            let _ = Command::new("kill").args(["-ABRT", &process.to_string()]).output();
        }
    }

    /// Tells what changed, and returns the states of the sites.
    fn tell(&self) -> BTreeMap<String, Value> {
        let status = gleaner(&["status", "--store", &self.place.store, "--json"])
            .args(&["--on-change", &self.tell, "--state", &self.state])
            .run();
        let overview: Value = serde_json::from_str(&status.out).expect("JSON");
        let sites = overview["sites"].as_array().expect("sites").iter();
        sites.map(|it| (it["site"].as_str().expect("a name").to_owned(), it.clone())).collect()
    }

    /// Memory of `serve` at most, in KiB. A debug build maps many megabytes of its own file, which do not
    /// count.
    fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.fleet.running.id());
        let status = std::fs::read_to_string(status).expect("it runs");
        let name = if cfg!(debug_assertions) { "RssAnon:" } else { "VmHWM:" };
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")).map(str::parse);
        number.expect("a line").expect("a number")
    }
}

/// Messages by site and rule, and how many there were of each kind.
fn messages(text: &str) -> BTreeMap<(String, String, String), usize> {
    let mut messages = BTreeMap::new();
    for line in text.lines() {
        let message: Value = serde_json::from_str(line).expect("JSON");
        let part = |name: &str| message[name].as_str().expect("a text").to_owned();
        *messages.entry((part("site"), part("rule"), part("kind"))).or_default() += 1;
    }
    messages
}

/// Path of a program that adds each message to the file `told`.
fn teller(place: &Place, told: &Path) -> String {
    let path = place.path("tell");
    let script = format!("#!/bin/sh\ncat >> '{}'\n", told.display());
    std::fs::write(&path, script).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    path.to_str().expect("UTF-8").to_owned()
}

fn a_fleet_in(place: &Place) {
    let sites = usize::try_from(asked_for("GLEANER_FLEET_SITES", 10)).expect("few");
    let length = Duration::from_secs(60 * asked_for("GLEANER_FLEET_MINUTES", 1));
    let demo = || Demo::start(Options { items: 20, ..Options::default() }).expect("it starts");
    let demos: Vec<Demo> = (UNWELL..sites).map(|_| demo()).collect();
    // Only the site that hangs is to be stale.
    let every = "every = '5s'\n[expect]\nfresh = '1h'";
    for (at, demo) in demos.iter().enumerate() {
        let name = format!("well{at}");
        place.site(&name, &demo_file(&name, demo, every));
    }
    let hanging = Served::start(|_| Answer::text(String::new()).later(Duration::from_secs(3_600)));
    let slow =
        Served::start(|_| Answer::json(&serde_json::json!([])).later(Duration::from_millis(1_500)));
    let refusing = Served::start(|_| Answer::text("no".to_owned()).status(403));
    let broken = demo();
    place.site("hangs", &list("hangs", hanging.url(), "every = '5s'"));
    place.site("crashes", &list("crashes", slow.url(), every));
    place.site("refuses", &list("refuses", refusing.url(), every));
    let text = demo_file("broken", &broken, every);
    place.site("broken", &text);
    let told = place.path("told");
    let fleet = place.serve(&["--at-once", "4"]);
    let (asked, crashing, tell) = (Cell::new(0), &slow, teller(place, &told));
    let state = place.path("state").to_str().expect("UTF-8").to_owned();
    let watch = Watch { place, fleet: &fleet, crashing, asked, tell, state };
    let until = Instant::now() + length;
    let mut looked = Instant::now();
    let mut is_broken = false;
    while Instant::now() < until {
        watch.crash();
        if looked.elapsed() > Duration::from_secs(2) {
            looked = Instant::now();
            watch.tell();
        }
        if !is_broken && until - Instant::now() < length * 2 / 3 {
            place.site("broken", &text.replace("[index]", "[indx]"));
            fleet.running.signal("HUP");
            is_broken = true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let (memory, shown, states) = (watch.memory(), fleet.shown(), watch.tell());
    fleet.stop();
    let state = |name: &str| states[name]["state"].as_str().expect("a state");
    let least = usize::try_from(length.as_secs()).expect("few") / 5 / 4;
    let mut least_sweeps = usize::MAX;
    for at in 0..demos.len() {
        let name = format!("well{at}");
        assert!(["fine", "running"].contains(&state(&name)), "{name}: {:#}", states[&name]);
        let sweeps = place.complete(&name);
        least_sweeps = least_sweeps.min(sweeps);
        assert!(sweeps >= least.min(3), "{name} was swept {sweeps} times");
        for pair in place.sweeps(&name).windows(2) {
            assert!(Some(pair[1].entry.started_at) > pair[0].entry.ended_at, "two at once");
        }
    }
    // A sweep gives up after some time without an answer, and the next one begins.
    assert!(["stale", "failing"].contains(&state("hangs")), "{:#}", states["hangs"]);
    let failing = |name: &str| ["failing", "running"].contains(&state(name));
    assert!(failing("crashes") && failing("refuses"), "{states:#?}");
    assert!(["fine", "running"].contains(&state("broken")));
    assert!(shown["broken.toml"]["error"].is_string() && shown["well0.toml"]["error"].is_null());
    let text = std::fs::read_to_string(&told).expect("something was told");
    let begun = |site: &str, rule: &str| (site.to_owned(), rule.to_owned(), "alert".to_owned());
    let expected = [("crashes", "failing"), ("refuses", "failing"), ("hangs", "stale")];
    let expected = expected.map(|(site, rule)| (begun(site, rule), 1));
    let mut messages = messages(&text);
    let of_hanging = messages.remove(&begun("hangs", "failing"));
    assert!(of_hanging.is_none_or(|times| times == 1), "{text}");
    assert_eq!(messages, expected.into(), "{text}");
    eprintln!("{sites} sites, {length:?}: {memory} KiB, at least {least_sweeps} sweeps of each");
    assert!(memory <= MOST_MEMORY, "{memory} KiB");
}

#[test]
fn a_fleet_for_a_minute_with_a_store_for_each_site() {
    a_fleet_in(&Place::new());
}

#[test]
fn a_fleet_for_a_minute_with_one_sqlite_file() {
    a_fleet_in(&Place::shared());
}
