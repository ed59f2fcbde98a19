//! The limit against sites with a maximum concurrency: a simulation, event by event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;

/// From a request to its response.
const LATENCY: u64 = 20_000;
/// From a request to its refusal.
const REFUSAL: u64 = 300;

/// A site that serves so many at once, by the number of requests so far.
struct Bears<'a> {
    bears: &'a dyn Fn(u64) -> u32,
    /// How far its times are from the mean, in thousandths: with few, answers come in bursts.
    spread: u64,
}

/// Times differ by a tenth, unless a test says otherwise.
const SPREAD: u64 = 100;
/// Answers come one by one, in bunches, and all at once.
const SPREADS: [u64; 3] = [SPREAD, 20, 2];

/// What came of it: requests, those refused, the time in microseconds, most in flight.
#[derive(Debug)]
struct Run {
    requests: u64,
    refused: u64,
    elapsed: u64,
    most: u32,
    last: u32,
}

/// What a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Page,
    Refusal,
    /// The place of a refused request is free again: it is held for as long as a response takes.
    Free,
}

impl Bears<'_> {
    /// Requests `pages` pages. Above the capacity of the site, `answer` decides the time and the
    /// result of a request from the number in service.
    fn run(&self, mut limit: Limit, pages: u64, answer: impl Fn(u32, u32) -> (u64, Answer)) -> Run {
        let began = Instant::now();
        let at = |time: u64| began + Duration::from_micros(time);
        let mut run = Run { requests: 0, refused: 0, elapsed: 0, most: 0, last: 0 };
        let mut events = BinaryHeap::new();
        let mut chance = fastrand::Rng::with_seed(1);
        let (mut now, mut in_flight, mut held, mut serving, mut done) = (0, 0_u32, 0, 0_u32, 0);
        while done < pages {
            while in_flight + held < limit.now() {
                in_flight += 1;
                run.requests += 1;
                run.most = run.most.max(in_flight);
                let (time, what) = answer(serving + 1, (self.bears)(run.requests));
                serving += u32::from(what == Answer::Page);
                let time = time * chance.u64(1_000 - self.spread..1_000 + self.spread) / 1_000;
                events.push(Reverse((now + time, run.requests, what, now, in_flight)));
            }
            let Some(Reverse((time, _, what, sent, among))) = events.pop() else { break };
            let was_reached = in_flight + held >= limit.now();
            now = time;
            if what == Answer::Free {
                held -= 1;
                continue;
            }
            in_flight -= 1;
            let sent_at = Sent { at: at(sent), among };
            match what {
                Answer::Page => {
                    serving -= 1;
                    done += 1;
                    let took = Duration::from_micros(time - sent);
                    limit.succeeded(sent_at, took, was_reached, at(now));
                }
                Answer::Refusal => {
                    run.refused += 1;
                    limit.refused(sent_at, in_flight, at(now));
                    held += 1;
                    events.push(Reverse((sent + LATENCY, 0, Answer::Free, sent, among)));
                }
                Answer::Free => {}
            }
        }
        run.elapsed = now;
        run.last = limit.now();
        run
    }
}

fn refuses(serving: u32, bears: u32) -> (u64, Answer) {
    if serving > bears { (REFUSAL, Answer::Refusal) } else { (LATENCY, Answer::Page) }
}

fn refusing(workers: u32, pages: u64, bears: &dyn Fn(u64) -> u32) -> Run {
    Bears { bears, spread: SPREAD }.run(Limit::new(workers, true, START), pages, refuses)
}

#[test]
fn it_finds_what_a_site_bears_and_is_seldom_refused() {
    for (bears, spread) in [4, 20, 100].into_iter().flat_map(|bears| SPREADS.map(|by| (bears, by)))
    {
        let run =
            Bears { bears: &|_| bears, spread }.run(Limit::new(200, true, START), 9_000, refuses);
        let best = 9_000 / u64::from(bears) * LATENCY;
        assert!(run.refused * 50 < run.requests, "{bears}: {run:?}");
        assert!(run.elapsed as f64 <= best as f64 * 1.15, "{bears}: {run:?}, best {best}");
    }
}

#[test]
fn it_follows_a_site_that_bears_more_or_less_than_before() {
    let changes = [(4, 100), (100, 4), (20, 100), (100, 20)];
    for ((before, after), spread) in
        changes.into_iter().flat_map(|change| SPREADS.map(|by| (change, by)))
    {
        let bears = |requests| if requests < 4_500 { before } else { after };
        let run = Bears { bears: &bears, spread }.run(Limit::new(200, true, START), 9_000, refuses);
        let best = (4_500 / u64::from(before) + 4_500 / u64::from(after)) * LATENCY;
        assert!(run.refused * 50 < run.requests, "{before} {after}: {run:?}");
        assert!(run.elapsed as f64 <= best as f64 * 1.15, "{before} {after}: {run:?}, best {best}");
    }
}

#[test]
fn it_climbs_to_the_workers_in_a_few_round_trips_and_never_above() {
    let run = refusing(200, 4_000, &|_| u32::MAX);
    assert_eq!((run.most, run.last, run.refused), (200, 200, 0));
    assert!(run.elapsed <= (4_000 / 200 + 5) * LATENCY, "{run:?}");
    assert_eq!(refusing(3, 100, &|_| u32::MAX).most, 3);
}

#[test]
fn a_site_that_refuses_at_random_is_not_left_to_one_request_at_a_time() {
    let run = Bears { bears: &|_| 0, spread: SPREAD }.run(Limit::new(50, true, START), 9_000, {
        let chance = std::cell::RefCell::new(fastrand::Rng::with_seed(1));
        move |_, _| match chance.borrow_mut().f64() < 0.02 {
            true => (REFUSAL, Answer::Refusal),
            false => (LATENCY, Answer::Page),
        }
    });
    assert!(run.elapsed < 9_000 / 12 * LATENCY, "as fast as with 12 in flight: {run:?}");
}

#[test]
fn a_site_that_queues_is_not_made_to_queue_much() {
    // With more than 20 in service each takes as much longer.
    let queues = |serving: u32, _| (LATENCY * 5 * u64::from(serving.max(20)) / 20, Answer::Page);
    let run =
        Bears { bears: &|_| 0, spread: SPREAD }.run(Limit::new(200, true, START), 9_000, queues);
    assert!(run.last < 80, "{run:?}");
    assert!(run.elapsed as f64 <= (9_000 / 20 * LATENCY * 5) as f64 * 1.2, "{run:?}");
}

#[test]
fn a_site_that_becomes_slow_by_itself_is_asked_as_before() {
    let slow = |requests: u64| if requests < 3_000 { 1 } else { 5 };
    let run = Bears { bears: &slow, spread: SPREAD }.run(
        Limit::new(50, true, START),
        9_000,
        |_, times| (LATENCY * u64::from(times), Answer::Page),
    );
    assert!(run.last >= 45, "{run:?}");
}

#[test]
fn without_adaptation_it_stays_as_it_is() {
    let run =
        Bears { bears: &|_| 4, spread: SPREAD }.run(Limit::new(50, false, START), 500, refuses);
    assert_eq!((run.most, run.last), (50, 50));
}

#[test]
fn w5_after_a_wait_it_begins_low_and_climbs() {
    let mut limit = Limit::new(200, true, START);
    let now = Instant::now();
    let sent = Sent { at: now, among: 1 };
    (0..500).for_each(|_| limit.succeeded(sent, Duration::from_millis(20), true, now));
    assert_eq!(limit.now(), 200);
    limit.restart(now);
    assert_eq!(limit.now(), START);
    (0..500).for_each(|_| limit.succeeded(sent, Duration::from_millis(20), true, now));
    assert_eq!(limit.now(), 200);
}

#[test]
fn w4_nothing_but_a_success_at_the_limit_makes_it_grow() {
    let mut limit = Limit::new(200, true, START);
    let now = Instant::now();
    let sent = Sent { at: now, among: 1 };
    (0..500).for_each(|_| limit.succeeded(sent, Duration::from_millis(20), false, now));
    assert_eq!(limit.now(), START, "nobody waited");
    assert!(limit.refused(Sent { at: now, among: 8 }, 7, now));
    assert_eq!(limit.now(), 7);
}
