//! Sweeps of the very process that wants the site: one that it did not end, and one that still runs.

use std::time::{Duration, Instant};

use gleaner::demo::Options;
use gleaner::engine::error::CrawlError;
use gleaner::model::report::Outcome;
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{Holder, SweepEntry};
use gleaner::system::shutdown;

use super::rig::{Rig, ended, run, until};
use crate::store_contract::Ledger;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// A process that runs crawls one after the other (`--every`) could not record that one ended. Its
/// next crawl does not wait for a heartbeat of itself.
async fn left_running<B: Ledger>() {
    let rig = Rig::<B>::new(40).await;
    let (site, holder) = (&rig.site, Some(Holder::this()));
    let left = SweepEntry::begin(
        &site.name,
        &site.collection,
        &site.definition(),
        gleaner::model::report::Kind::Full,
    );
    let claim = Claim::new(SweepEntry { holder, ..left });
    rig.store().await.take_lock(&claim).await.expect("the ledger answers").expect("the lock");

    let began = Instant::now();
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(report.sweep, Some(claim.entry.id));
    assert!(report.resumed);
    rig.equals_the_site().await;
}

#[tokio::test]
async fn s14_a_sweep_that_this_process_did_not_end_is_resumed_at_once_in_sqlite() {
    left_running::<Sqlite>().await;
}

#[tokio::test]
async fn s14_a_sweep_that_this_process_did_not_end_is_resumed_at_once_in_mongodb() {
    left_running::<Mongodb>().await;
}

/// A process that crawls a site twice at once holds it once: its own running sweep is alive.
async fn still_running<B: Ledger>() {
    let slow = Options { items: 300, latency: Duration::from_millis(20), ..Options::default() };
    let rig = Rig::<B>::with(slow).await;
    let (_trigger, shutdown) = shutdown::channel();
    let first = run(rig.crawl_of(rig.store().await, shutdown.clone()));
    let second = async {
        until("the first crawl asks for items", async || rig.demo.stats().requests > 20).await;
        run(rig.crawl_of(rig.store().await, shutdown)).await
    };
    let (first, second) = tokio::join!(first, second);
    let Some(CrawlError::Held(held)) = second.error else { panic!("{:?}", second.error) };
    let report = ended(first, Outcome::Complete);
    assert_eq!(report.sweep, Some(held.entry.id));
    rig.equals_the_site().await;
}

#[tokio::test]
async fn s14_a_sweep_that_runs_in_this_process_is_alive_in_sqlite() {
    still_running::<Sqlite>().await;
}

#[tokio::test]
async fn s14_a_sweep_that_runs_in_this_process_is_alive_in_mongodb() {
    still_running::<Mongodb>().await;
}
