//! Runs the protocol under a model checker: workers, a writer that batches, and the frontier's own
//! code, in thousands of interleavings. Operations on channels and maps are atomic steps. Between
//! any two steps, and at every change of the count, the checker may switch to another worker. If a
//! worker waits for something that never comes, the checker reports a deadlock with its schedule.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shuttle::future;
use shuttle::rand::Rng;

use super::{Frontier, Lease, Limits, Retry, steps};
use crate::model::record::{Key, Verdict};
use crate::model::task::{DetailPage, Done, FollowUps, IndexRun, Page};
use crate::observe::metrics::Metrics;

const ROUNDS: usize = 3_000;
const STEPS: usize = 20_000;

/// A site, and the workers that crawl it.
#[derive(Clone, Copy)]
struct Scenario {
    workers: usize,
    low_water: u64,
    /// Last index page that the first page plans. A later page may find one more.
    planned_to: u64,
    goes_on_to: u64,
    details_a_page: u64,
    batch: usize,
    /// Share of leases that are retried at once, retried at the end, or dropped.
    mishaps: f64,
}

const SCENARIO: Scenario = Scenario {
    workers: 3,
    low_water: 3,
    planned_to: 2,
    goes_on_to: 3,
    details_a_page: 2,
    batch: 2,
    mishaps: 0.2,
};

/// Number of times that each page was finished.
type Finished = Arc<Mutex<HashMap<String, u32>>>;

fn follow_ups(scenario: Scenario, number: u64) -> FollowUps {
    let index = match number {
        1 if scenario.planned_to > 1 => vec![IndexRun::numbered(1, 2, scenario.planned_to)],
        last if last == scenario.planned_to && scenario.goes_on_to > last => {
            vec![IndexRun::numbered(1, last + 1, scenario.goes_on_to)]
        }
        _ => Vec::new(),
    };
    // Every page also lists the item before its first: a duplicate must cost nothing.
    let first = (number - 1) * scenario.details_a_page;
    let details = (first.saturating_sub(1)..first + scenario.details_a_page)
        .map(|item| DetailPage::of(Key::new(&item.to_string()).unwrap()))
        .collect();
    FollowUps { index, details }
}

async fn work(
    scenario: Scenario,
    frontier: Arc<Frontier>,
    writer: async_channel::Sender<Lease>,
    held: Finished,
) {
    while let Some(lease) = frontier.lease().await {
        let page = lease.task().page.to_string();
        let holders = change(&held, &page, |holders| *holders += 1);
        assert_eq!(holders, 1, "{page} was handed out twice");
        steps::point();
        change(&held, &page, |holders| *holders -= 1);
        if shuttle::rand::thread_rng().gen_bool(scenario.mishaps) {
            mishap(&frontier, lease);
            continue;
        }
        match &lease.task().page {
            Page::Index(index) => {
                frontier.submit(follow_ups(scenario, index.number)).unwrap();
                frontier.finish(lease, Done::Read);
            }
            Page::Detail(_) => writer.send(lease).await.unwrap(),
        }
    }
}

fn mishap(frontier: &Frontier, lease: Lease) {
    let is_first_time = lease.task().waits == 0;
    match (shuttle::rand::thread_rng().gen_range(0..3), &lease.task().page) {
        (0, Page::Detail(_)) if is_first_time => frontier.retry_at_the_end(lease),
        (0 | 1, _) => {
            let retry = Retry { after: Duration::ZERO, costs_attempt: true };
            frontier.retry_later(lease, retry);
        }
        _ => drop(lease),
    }
}

/// Writes batches by count, and after a timeout that may come at any moment.
async fn write(
    scenario: Scenario,
    frontier: Arc<Frontier>,
    leases: async_channel::Receiver<Lease>,
    finished: Finished,
) {
    let mut batch = Vec::new();
    loop {
        let time_is_up = !batch.is_empty() && shuttle::rand::thread_rng().r#gen::<bool>();
        let next = match leases.try_recv() {
            Ok(lease) => Some(lease),
            Err(_) if time_is_up || leases.is_closed() && leases.is_empty() => None,
            Err(_) if batch.is_empty() => leases.recv().await.ok(),
            Err(_) => {
                future::yield_now().await;
                continue;
            }
        };
        let ended = next.is_none() && batch.is_empty();
        batch.extend(next);
        if ended {
            return;
        }
        if time_is_up || batch.len() == scenario.batch || leases.is_closed() {
            for lease in batch.drain(..) {
                change(&finished, &lease.task().page.to_string(), |times| *times += 1);
                frontier.finish(lease, Done::Stored(Verdict::New));
            }
        }
    }
}

fn change(counts: &Finished, page: &str, change: impl FnOnce(&mut u32)) -> u32 {
    let mut counts = counts.lock().unwrap();
    let count = counts.entry(page.to_owned()).or_default();
    change(count);
    *count
}

fn crawl(scenario: Scenario) {
    let (metrics, limits) = (
        Arc::new(Metrics::new()),
        Limits { low_water: scenario.low_water, pages: 1, items: u64::MAX },
    );
    let frontier = Frontier::new(limits, metrics.clone());
    let (finished, held) = (Finished::default(), Finished::default());
    future::block_on(async {
        let seed = FollowUps { index: vec![IndexRun::numbered(1, 1, 1)], details: vec![] };
        frontier.submit(seed).unwrap();
        let (to_writer, leases) = async_channel::bounded(scenario.batch);
        let workers: Vec<_> = (0..scenario.workers)
            .map(|_| {
                future::spawn(work(scenario, frontier.clone(), to_writer.clone(), held.clone()))
            })
            .collect();
        drop(to_writer);
        let writer = future::spawn(write(scenario, frontier.clone(), leases, finished.clone()));
        for worker in workers {
            worker.await.unwrap();
        }
        writer.await.unwrap();
        assert!(frontier.outstanding().is_zero(), "ended with tasks left");
    });
    let finished = finished.lock().unwrap();
    let items = scenario.goes_on_to.max(scenario.planned_to) * scenario.details_a_page;
    assert_eq!(finished.len() as u64, items, "an item was lost: {finished:?}");
    assert_eq!(metrics.snapshot().items.new, items, "counted as often as finished");
    assert!(finished.values().all(|&times| times == 1), "finished twice: {finished:?}");
}

fn check(scenario: Scenario) {
    let config = || {
        let mut config = shuttle::Config::default();
        config.max_steps = shuttle::MaxSteps::FailAfter(STEPS);
        config
    };
    let random = shuttle::scheduler::RandomScheduler::new_from_seed(7, ROUNDS);
    shuttle::Runner::new(random, config()).run(move || crawl(scenario));
    let depth = 3;
    let priorities = shuttle::scheduler::PctScheduler::new_from_seed(7, depth, ROUNDS);
    shuttle::Runner::new(priorities, config()).run(move || crawl(scenario));
}

#[test]
fn every_item_is_finished_once_and_the_end_is_exact() {
    check(SCENARIO);
}

#[test]
fn the_lowest_low_water_mark_makes_no_deadlock() {
    check(Scenario { low_water: 1, ..SCENARIO });
}

#[test]
fn one_worker_and_a_long_plan_end() {
    check(Scenario { workers: 1, planned_to: 5, goes_on_to: 5, ..SCENARIO });
}

#[test]
fn many_workers_and_one_item_end() {
    let lone = Scenario { workers: 5, planned_to: 1, goes_on_to: 1, details_a_page: 1, ..SCENARIO };
    check(lone);
}
