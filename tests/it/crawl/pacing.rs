//! How many requests at once a site is asked: what it bears, and no more than the settings allow.
//!
//! Times are compared within one test, and leniently, since these machines are busy;
//! `cargo bench --bench pacing` measures them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Fault, Options};
use gleaner::model::report::{Outcome, Report};

use super::meddler::{Meddle, Meddler};
use super::rig::{Rig, books_at, ended};
use crate::store_contract::backends::Sqlite;

const LATENCY: Duration = Duration::from_millis(20);

async fn rig(items: usize, workers: usize) -> Rig<Sqlite> {
    let options = Options { items, latency: LATENCY, ..Options::default() };
    let mut rig = Rig::with(options).await;
    rig.settings.pace.workers = workers;
    rig.settings.pace.retries = 10;
    rig
}

/// Crawls a site that bears so many at once, with many workers and then with just as many: what
/// came of the first, and how much longer it took.
async fn adapted(items: usize, bears: u64) -> (Report, u64, f64) {
    let many = rig(items, 200).await;
    many.demo.capacity(bears);
    let begun = Instant::now();
    let report = many.complete().await;
    let took = begun.elapsed();
    many.equals_the_site().await;
    let mut best = rig(items, bears as usize).await;
    best.settings.pace.adaptive = false;
    best.demo.capacity(bears);
    let begun = Instant::now();
    best.complete().await;
    (report, many.demo.refused(), took.as_secs_f64() / begun.elapsed().as_secs_f64())
}

#[tokio::test]
async fn w4_a_site_that_bears_four_at_once_is_asked_by_about_as_many() {
    let (report, refused, ratio) = adapted(1_200, 4).await;
    assert!(refused * 10 < report.requests.total, "{refused} of {}", report.requests.total);
    assert!(ratio < 2.0, "{ratio}");
}

#[tokio::test]
async fn w4_a_site_that_bears_twenty_at_once_is_asked_by_about_as_many() {
    let (report, refused, ratio) = adapted(2_500, 20).await;
    assert!(refused * 10 < report.requests.total, "{refused} of {}", report.requests.total);
    assert!(ratio < 2.0, "{ratio}");
}

#[tokio::test]
async fn w4_a_site_that_bears_less_than_before_is_asked_less() {
    let rig = rig(2_000, 100).await;
    rig.demo.capacity(50);
    let less = async {
        while rig.demo.stats().requests < 1_000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        rig.demo.capacity(8);
    };
    let (report, ()) = tokio::join!(rig.complete(), less);
    let refused = rig.demo.refused();
    assert!(refused * 10 < report.requests.total, "{refused} of {}", report.requests.total);
    rig.equals_the_site().await;
}

#[tokio::test]
async fn the_first_requests_are_few_and_the_workers_are_never_exceeded() {
    let rig = rig(1_500, 60).await;
    rig.demo.record();
    rig.complete().await;
    assert!(rig.demo.stats().max_in_flight <= 60, "{:?}", rig.demo.stats());
    // It begins with 8. How far it climbs in so few requests depends on how busy the machine is.
    assert!(rig.demo.stats().max_in_flight > 24, "{:?}: it climbs", rig.demo.stats());
    let asked = rig.demo.requests();
    let first = asked[1].at;
    let early = asked.iter().filter(|seen| seen.at > first && seen.at < first + LATENCY / 2);
    assert!(early.count() <= 8, "no burst of all workers");
}

#[tokio::test]
async fn w4_fast_errors_do_not_make_for_more_requests() {
    let rig = rig(600, 16).await;
    rig.demo.record();
    // Answered at once, where pages take 20 ms.
    for at in 100..500 {
        rig.demo.fault(Fault::on(rig.page(at)).status(400));
    }
    let begun = Instant::now();
    let report = rig.incomplete().await;
    assert_eq!(report.items.failed, 400);
    let least = LATENCY * (report.requests.total as u32 / 16);
    assert!(begun.elapsed() >= least.mul_f64(0.9), "{:?} {least:?}", begun.elapsed());
}

#[tokio::test]
async fn w5_after_a_wait_there_is_no_burst() {
    let rig = rig(1_000, 60).await;
    rig.demo.record();
    let busy = rig.page(500);
    rig.demo.fault(Fault::on(busy).first(1).status(429).header("Retry-After", "1"));
    rig.complete().await;
    let asked = rig.demo.requests();
    // What was under way when it asked for the wait may still come; then nothing does.
    let (gap, resumed) = asked
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at, pair[1].at))
        .max()
        .expect("it was asked often");
    assert!(gap > Duration::from_millis(700), "{gap:?}");
    let early = |at: Duration| at >= resumed && at < resumed + LATENCY / 2;
    let burst = asked.iter().filter(|seen| early(seen.at)).count();
    assert!(burst <= 10, "{burst} requests at once");
}

#[tokio::test]
async fn w1_a_spent_quota_is_waited_for() {
    let rig = rig(60, 4).await;
    rig.demo.record();
    let last = rig.page(20);
    let fault = Fault::on(last.clone()).first(1).header("RateLimit", "\"default\";r=0;t=1");
    rig.demo.fault(fault);
    let report = rig.complete().await;
    assert_eq!(report.requests.retried, 0, "nothing was refused");
    let asked = rig.demo.requests();
    let spent = asked.iter().find(|seen| seen.path == last).expect("it was requested").at;
    let alone = asked.iter().filter(|seen| {
        seen.at > spent + LATENCY * 3 && seen.at < spent + Duration::from_millis(950)
    });
    assert_eq!(alone.count(), 0);
}

#[tokio::test]
async fn w3_a_site_that_refuses_everything_is_left_alone_more_and_more() {
    let mut rig = rig(60, 16).await;
    rig.settings.pace.block_after = 5;
    for at in 0..60 {
        rig.demo.fault(Fault::on(rig.page(at)).status(429));
    }
    let begun = Instant::now();
    let ended = rig.crawl().await;
    assert!(ended.report.problems.iter().any(|it| it.contains("blocked by the site")), "{ended:?}");
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// Waits, when an item's page is read, for the site to have been asked for the next one.
struct LooksAhead {
    demo: Arc<Demo>,
    items: u64,
    read: AtomicU64,
    alone: AtomicU64,
}

impl Meddle for LooksAhead {
    fn encoding(&self) {
        let read = self.read.fetch_add(1, Relaxed) + 1;
        // The list, the pages read, and the next one; the last has none.
        let asked = 1 + (read + 1).min(self.items);
        let begun = Instant::now();
        while self.demo.stats().requests < asked {
            if begun.elapsed() > Duration::from_secs(1) {
                self.alone.fetch_add(1, Relaxed);
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[tokio::test]
async fn a_page_is_read_while_the_next_request_is_under_way() {
    let mut rig = rig(17, 1).await;
    let demo = Arc::new(Demo::start(Options { items: 17, ..Options::default() }).expect("a site"));
    rig.site = books_at(demo.url());
    let (read, alone) = (AtomicU64::new(0), AtomicU64::new(0));
    let meddle = Arc::new(LooksAhead { demo: demo.clone(), items: 17, read, alone });
    let store = Arc::new(Meddler { store: rig.store().await, meddle: meddle.clone() });
    let report = ended(rig.crawl_into(store).await, Outcome::Complete);
    assert_eq!((report.items.new, meddle.read.load(Relaxed)), (17, 17));
    // The first may be: its connection was not idle again yet, and another takes a while.
    assert!(meddle.alone.load(Relaxed) <= 1, "{} pages", meddle.alone.load(Relaxed));
    // Whatever is read, one request is in flight.
    assert_eq!(demo.stats().max_in_flight, 1);
}
