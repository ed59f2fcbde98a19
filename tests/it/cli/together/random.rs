//! Members of a sweep, the owner among them, are killed, stopped for a while, and told to stop, and so is
//! the server of their store, at random.
//! `GLEANER_TOGETHER_ROUNDS` and `GLEANER_TOGETHER_SEED` set how many sweeps and which draws
//! (`make together-test ROUNDS=100 SEED=7`).

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Fleet, ITEMS, LONGEST, impatient};
use crate::cli::program::{Running, gleaner};
use crate::mongod::Mongod;

/// A number from the environment, or this one.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

/// One sweep in which members, the owner among them, are killed, stopped for a while, or told to stop.
fn random_round(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut server = Mongod::start();
    let fleet = Fleet { store: server.uri("books"), ..Fleet::slow() };
    let start = |at: usize| impatient(fleet.member(&format!("m{at}"))).start();
    let mut running: Vec<(usize, Running)> = (0..3).map(|at| (at, start(at))).collect();
    let mut next = running.len();
    let deadline = Instant::now() + 2 * LONGEST;
    let mut disturbances = rng.usize(2..7);
    while !running.is_empty() {
        assert!(Instant::now() < deadline, "seed {seed} does not end");
        std::thread::sleep(Duration::from_millis(rng.u64(100..700)));
        let (ended, still): (Vec<_>, Vec<_>) = running
            .into_iter()
            .map(|(at, mut run)| (run.has_ended(), at, run))
            .partition(|(has_ended, ..)| *has_ended);
        running = still.into_iter().map(|(_, at, run)| (at, run)).collect();
        for (_, at, run) in ended {
            let ended = run.end();
            // One that was stopped may have lost its sweep.
            assert!([0, 1].contains(&ended.code), "seed {seed}, m{at}: {}", ended.err);
        }
        if disturbances == 0 || running.is_empty() {
            continue;
        }
        disturbances -= 1;
        if rng.u8(..3) == 0 {
            server.kill();
            std::thread::sleep(Duration::from_millis(rng.u64(100..2_000)));
            server.restart();
            continue;
        }
        let (at, run) = running.swap_remove(rng.usize(..running.len()));
        match rng.u8(..3) {
            0 => drop(run.kill()),
            1 => {
                run.signal("STOP");
                std::thread::sleep(Duration::from_millis(rng.u64(200..4_500)));
                run.signal("CONT");
                running.push((at, run));
                continue;
            }
            _ => {
                run.signal("TERM");
                run.end();
            }
        }
        running.push((next, start(next)));
        next += 1;
    }
    fleet.is_stored();
    let sweeps = gleaner(&["sweeps", "books", "--json", "--store", &fleet.store]);
    let sweeps: Value = serde_json::from_str(&sweeps.run().with(0).out).expect("JSON");
    for sweep in sweeps.as_array().expect("an array") {
        let (report, state) = (&sweep["report"], &sweep["state"]);
        assert_eq!(state, "complete", "seed {seed}: {sweep}");
        let items = report["items"].as_object().expect("counts");
        let listed = ["new", "changed", "same", "skipped", "missing", "failed"];
        let settled: u64 = listed.iter().map(|it| items[*it].as_u64().expect("a count")).sum();
        assert_eq!((settled, items["failed"].as_u64()), (ITEMS as u64, Some(0)), "seed {seed}");
    }
}

#[test]
fn t11_random_kills_and_stops_lose_nothing() {
    let seed = number("GLEANER_TOGETHER_SEED", 1);
    (0..number("GLEANER_TOGETHER_ROUNDS", 2)).for_each(|round| random_round(seed + round));
}
