//! Stopping in two stages: what is under way is brought home, or dropped where it stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gleaner::demo::{Demo, Fault, Options, Seen};
use gleaner::engine::crawl::Ended;
use gleaner::model::record::Record;
use gleaner::model::report::Outcome;
use gleaner::store::{Store, StoreError};
use gleaner::system::shutdown;

use super::meddler::{Meddle, Meddler};
use super::rig::{Rig, run, until};
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

fn slow() -> Options {
    Options { items: 300, latency: Duration::from_millis(10), ..Options::default() }
}

/// When a crawl is stopped.
enum At {
    /// So many requests were made.
    Requests(u64),
    /// Every worker waits for an answer that does not come.
    Stuck,
}

impl At {
    fn is_reached(&self, demo: &Demo) -> bool {
        match self {
            At::Requests(requests) => demo.stats().requests >= *requests,
            At::Stuck => {
                let stalls: Vec<String> = demo.keys().split_off(FIRST_STALLED);
                let stalled = |seen: &&Seen| stalls.iter().any(|key| seen.path.contains(key));
                demo.requests().iter().filter(stalled).count() == WORKERS
            }
        }
    }
}

/// Items from here on stall in the middle of their page.
const FIRST_STALLED: usize = 40;
const WORKERS: usize = 6;

async fn stalling() -> Rig<Sqlite> {
    let mut rig = Rig::<Sqlite>::with(slow()).await;
    rig.settings.pace.workers = WORKERS;
    rig.demo.record();
    for at in FIRST_STALLED..300 {
        rig.demo.fault(Fault::on(rig.page(at)).stall(10));
    }
    rig
}

/// Crawls until the time has come, then requests the shutdown. Returns how long it took from then
/// on.
async fn stop<B: Backend>(rig: &Rig<B>, store: Arc<dyn Store>, at: At) -> (Ended, Duration) {
    let (trigger, shutdown) = shutdown::channel();
    let told = async {
        until("the crawl gets on", async || at.is_reached(&rig.demo)).await;
        trigger.request();
        Instant::now()
    };
    let (ended, told) = tokio::join!(run(rig.crawl_of(store, shutdown)), told);
    assert!(ended.error.is_none(), "{:?}", ended.error);
    assert_eq!(ended.report.outcome, Outcome::Interrupted, "{:#?}", ended.report);
    (ended, told.elapsed())
}

async fn s3_draining_writes_all_that_was_fetched<B: Ledger>() {
    let rig = Rig::<B>::with(slow()).await;
    let (ended, _) = stop(&rig, rig.store().await, At::Requests(80)).await;
    let report = ended.report;
    let requests = rig.demo.stats().requests;
    assert!(requests < 150, "new requests were begun: {requests}");
    assert_eq!(report.requests.total, requests);
    let documents = rig.documents().await;
    assert_eq!(documents.len() as u64, requests - report.index.pages);
    assert_eq!(documents.len() as u64, report.items.new);
    for (key, document) in documents {
        assert_eq!(Some(document), rig.demo.document(&key), "{key}");
    }
    assert_eq!(rig.backend.sweeps().await[0].state.to_string(), "interrupted");
}

#[tokio::test]
async fn s3_in_sqlite_draining_writes_all_that_was_fetched() {
    s3_draining_writes_all_that_was_fetched::<Sqlite>().await;
}

#[tokio::test]
async fn s3_in_mongodb_draining_writes_all_that_was_fetched() {
    s3_draining_writes_all_that_was_fetched::<Mongodb>().await;
}

#[tokio::test]
async fn s3_the_grace_time_is_kept() {
    let mut rig = stalling().await;
    rig.settings.grace = Duration::from_millis(400);
    let (_, took) = stop(&rig, rig.store().await, At::Stuck).await;
    let kept = Duration::from_millis(390)..Duration::from_secs(3);
    assert!(kept.contains(&took), "{took:?}");
}

/// A store that went away and does not come back.
struct Away;

#[async_trait]
impl Meddle for Away {
    async fn before_write(&self, _: &[Record]) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("away".to_owned()))
    }

    async fn finish_sweep(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn s3_a_store_that_is_away_does_not_hold_up_the_stop() {
    let mut rig = Rig::<Sqlite>::with(slow()).await;
    rig.settings.grace = Duration::from_millis(100);
    let store = Meddler { store: rig.store().await, meddle: Arc::new(Away) };
    let (ended, took) = stop(&rig, Arc::new(store), At::Requests(40)).await;
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert_eq!(ended.report.store.written, 0);
}

/// A store that goes away with its ledger, once it has taken the first entry.
#[derive(Default)]
struct AllAway(std::sync::atomic::AtomicBool);

#[async_trait]
impl Meddle for AllAway {
    async fn before_write(&self, _: &[Record]) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("away".to_owned()))
    }

    async fn finish_sweep(&self) -> Result<(), StoreError> {
        match self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            false => Ok(()),
            true => Err(StoreError::Unavailable("away".to_owned())),
        }
    }
}

#[tokio::test]
async fn s3_a_ledger_that_is_away_does_not_hold_up_the_stop() {
    let mut rig = Rig::<Sqlite>::with(slow()).await;
    rig.settings.grace = Duration::from_millis(100);
    let store = Meddler { store: rig.store().await, meddle: Arc::new(AllAway::default()) };
    let (trigger, shutdown) = shutdown::channel();
    let told = async {
        until("the crawl gets on", async || rig.demo.stats().requests >= 40).await;
        trigger.request();
        Instant::now()
    };
    let (ended, told) = tokio::join!(run(rig.crawl_of(Arc::new(store), shutdown)), told);
    assert!(told.elapsed() < Duration::from_secs(15), "{:?}", told.elapsed());
    assert_eq!(ended.report.store.written, 0);
}
