//! What a site's owner asks for: robots.txt, and no more requests than the settings allow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gleaner::demo::{Demo, Fault, Options};
use gleaner::engine::error::CrawlError;
use gleaner::model::report::Outcome;
use gleaner::store::StoreError;

use super::meddler::{Meddle, Meddler};
use super::rig::{Rig, books_at, ended, says};
use crate::store_contract::backends::Sqlite;

async fn rig(items: usize, robots: &str) -> Rig<Sqlite> {
    let mut rig = Rig::new(items).await;
    rig.settings.pace.robots = true;
    rig.demo.fault(Fault::on("/robots.txt").body("text/plain", robots.to_owned()));
    rig
}

#[tokio::test]
async fn w12_what_robots_txt_forbids_is_not_asked_for() {
    let rig = rig(20, "").await;
    let forbidden = rig.page(3);
    rig.demo.clear_faults();
    let rules = format!("User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: {forbidden}\n");
    rig.demo.fault(Fault::on("/robots.txt").body("text/plain", rules));
    let before = rig.demo.stats().requests;
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed), (19, 1));
    let failure = rig.the_failure().await;
    assert_eq!(failure.reason, "robots");
    assert_eq!(rig.demo.stats().requests - before, 1 + 2 + 19, "rules, list, the other pages");
}

#[tokio::test]
async fn w12_rules_that_cannot_be_read_now_are_waited_for() {
    let rig = rig(5, "").await;
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on("/robots.txt").attempts(1..=2).status(503));
    let report = rig.complete().await;
    assert_eq!((report.items.new, report.requests.retried), (5, 2));
}

#[tokio::test]
async fn w12_rules_that_can_never_be_read_end_the_run_and_say_how_to_go_on() {
    let rig = rig(5, "").await;
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on("/robots.txt").status(500));
    let ended = rig.crawl().await;
    assert!(matches!(ended.error, Some(CrawlError::Robots { .. })), "{:?}", ended.error);
    assert_eq!(ended.report.outcome, Outcome::Failed);
    says(&ended.report, "--robots off");
    assert_eq!(rig.demo.stats().requests, 3, "nothing but the rules was requested");
}

#[tokio::test]
async fn w13_the_delay_that_is_asked_for_lies_between_requests() {
    let rig = rig(8, "User-agent: gleaner\nCrawl-delay: 0.05\n").await;
    let begun = Instant::now();
    let report = rig.complete().await;
    // The list's page, another that shows that it is over where it is full, and the items.
    let paced = report.requests.total - 1;
    assert!(
        begun.elapsed() >= Duration::from_millis(50) * (paced as u32 - 1),
        "{:?}",
        begun.elapsed()
    );
    says(&report, "robots.txt asks for 50ms between requests");
}

#[tokio::test]
async fn no_more_requests_leave_than_the_rate_allows() {
    let mut rig = Rig::<Sqlite>::new(30).await;
    rig.settings.pace.rate = Some(100.0);
    rig.settings.pace.workers = 20;
    let begun = Instant::now();
    let report = rig.complete().await;
    let elapsed = begun.elapsed();
    let least = Duration::from_millis(10) * (report.requests.total as u32 - 1);
    assert!(elapsed >= least, "{elapsed:?} for {}", report.requests.total);
    assert!(elapsed < least * 3, "{elapsed:?}: the rate is kept, not undercut");
}

#[tokio::test]
async fn a_crawl_that_is_told_to_stop_does_not_wait_for_its_turn() {
    let mut rig = Rig::<Sqlite>::new(30).await;
    rig.settings.pace.rate = Some(0.01);
    let (trigger, shutdown) = gleaner::system::shutdown::channel();
    let crawl = rig.crawl_of(rig.store().await, shutdown);
    let begun = Instant::now();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        trigger.request();
    };
    let (ended, ()) = tokio::join!(super::rig::run(crawl), stop);
    assert_eq!(ended.report.outcome, Outcome::Interrupted);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// A ledger that takes its first entry when the site has been asked for something.
struct Slow(Arc<Demo>);

#[async_trait]
impl Meddle for Slow {
    async fn finish_sweep(&self) -> Result<(), StoreError> {
        let begun = Instant::now();
        while self.0.requests().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(10), "the site is not asked");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(self.0.requests()[0].path, "/robots.txt");
        Ok(())
    }
}

#[tokio::test]
async fn what_the_site_asks_for_is_read_while_the_lock_is_taken() {
    let mut rig = rig(5, "").await;
    let demo = Arc::new(Demo::start(Options { items: 5, ..Options::default() }).expect("a site"));
    demo.record();
    rig.site = books_at(demo.url());
    let store = Meddler { store: rig.store().await, meddle: Arc::new(Slow(demo)) };
    let report = ended(rig.crawl_into(Arc::new(store)).await, Outcome::Complete);
    assert_eq!(report.items.new, 5);
}
