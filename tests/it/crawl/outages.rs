//! Stores that are slow, or go away in the middle of a crawl.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use gleaner::demo::{Demo, Options};
use gleaner::engine::crawl::{Ended, View};
use gleaner::engine::error::CrawlError;
use gleaner::model::record::Record;
use gleaner::model::report::Outcome;
use gleaner::store::{StoreError, StoreUrl};
use gleaner::system::shutdown;
use tokio::task::JoinHandle;

use super::meddler::{Meddle, Meddler};
use super::rig::{Rig, ended, run, says, until};
use crate::mongod::Mongod;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// Takes its time, and looks how much was asked for and not yet written.
struct Slow {
    demo: Arc<Demo>,
    written: AtomicU64,
    most: AtomicU64,
}

#[async_trait]
impl Meddle for Slow {
    async fn before_write(&self, _: &[Record]) -> Result<(), StoreError> {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let in_hands = self.demo.stats().requests - self.written.load(Relaxed);
        self.most.fetch_max(in_hands, Relaxed);
        Ok(())
    }

    async fn after_write(&self, records: &[Record]) {
        self.written.fetch_add(records.len() as u64, Relaxed);
    }
}

#[tokio::test]
async fn d8_a_slow_store_holds_up_the_crawl_and_memory_stays_flat() {
    let mut rig = Rig::<Sqlite>::new(1).await;
    let options = Options { items: 400, ..Options::default() };
    let demo = Arc::new(Demo::start(options).expect("the demo site starts"));
    rig.site = super::rig::books_at(demo.url());
    (rig.settings.pace.workers, rig.settings.store.batch) = (4, 10);
    let slow = Slow { demo: demo.clone(), written: AtomicU64::new(0), most: AtomicU64::new(0) };
    let slow = Arc::new(slow);
    let store = Meddler { store: rig.store().await, meddle: slow.clone() };
    let report = ended(rig.crawl_into(Arc::new(store)).await, Outcome::Complete);
    assert_eq!(report.items.new, 400);
    for (key, document) in rig.documents().await {
        assert_eq!(Some(document), demo.document(&key), "{key}");
    }
    // In workers' hands, read and not yet read, in the channel, in the batch in the making and in
    // two in flight.
    let bound = 2 * 4 + 10 + 10 + 2 * 10;
    let most = slow.most.load(Relaxed) - report.index.pages.min(slow.most.load(Relaxed));
    assert!(most <= bound, "{most} records at once");
    assert!(slow.most.load(Relaxed) > 20, "the store was no bottleneck");
}

/// A server of the test's own, and a crawl into it that is slow enough to be disturbed.
fn with_own_server() -> (Mongod, Rig<Mongodb>) {
    let server = Mongod::start();
    let options = Options { items: 400, latency: Duration::from_millis(5), ..Options::default() };
    let mut rig = Rig::on(Mongodb { uri: server.uri("books") }, options);
    (rig.settings.pace.workers, rig.settings.store.batch) = (4, 10);
    (server, rig)
}

/// A crawl whose server was stopped in the middle of it.
struct Orphaned {
    server: Mongod,
    view: View,
    crawl: JoinHandle<Ended>,
    _trigger: shutdown::Trigger,
}

impl Orphaned {
    async fn of(rig: &Rig<Mongodb>, mut server: Mongod) -> Orphaned {
        let (trigger, shutdown) = shutdown::channel();
        let crawl = rig.crawl_of(rig.store().await, shutdown);
        let view = crawl.view();
        let crawl = tokio::spawn(run(crawl));
        until("the crawl gets on", async || view.now().0.items.new >= 50).await;
        let server = blocking(move || {
            server.stop();
            server
        });
        Orphaned { server: server.await, view, crawl, _trigger: trigger }
    }
}

async fn restarted(mut server: Mongod) -> Mongod {
    let server = blocking(move || {
        server.restart();
        server
    });
    server.await
}

/// For how long the server is away beyond what it takes to be missed; in all tests not at all.
fn outage() -> Duration {
    let seconds = std::env::var("GLEANER_OUTAGE_SECONDS").ok();
    Duration::from_secs(seconds.map_or(0, |it| it.parse().expect("a number of seconds")))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the work is done")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_mongodb_that_stops_and_comes_back_loses_nothing() {
    let (server, rig) = blocking(with_own_server).await;
    let Orphaned { server, view, crawl, _trigger } = Orphaned::of(&rig, server).await;
    until("the store is missed", async || view.now().0.store.retries > 0).await;
    let waits = view.waits().unwrap_or_default();
    assert!(waits.contains("for the store: "), "O2: {waits}");
    tokio::time::sleep(outage()).await;
    let (now, asked) = (view.now().0, rig.demo.stats().requests);
    assert!(now.items.new < 400);
    let in_hands = asked - now.items.new - now.index.pages;
    assert!(in_hands <= 2 * 4 + 10 + 10 + 2 * 10, "{in_hands} records at once");
    let _server = restarted(server).await;
    let report = ended(crawl.await.expect("no panic"), Outcome::Complete);
    rig.equals_the_site().await;
    assert_eq!(report.items.new, 400);
    assert!(report.store.retries > 0 && report.store.waited_s > 0.0, "{report:#?}");
    assert_eq!(report.requests.total, rig.demo.stats().requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d2_mongodb_that_never_comes_back_ends_the_run_in_stated_time() {
    let (server, mut rig) = blocking(with_own_server).await;
    rig.settings.store.wait = Duration::from_secs(1);
    let Orphaned { server, crawl, _trigger, .. } = Orphaned::of(&rig, server).await;
    let stopped = Instant::now();
    let ended = crawl.await.expect("no panic");
    assert!(stopped.elapsed() < Duration::from_secs(20), "{:?}", stopped.elapsed());
    let Some(CrawlError::Store(StoreError::Failed(why))) = ended.error else {
        panic!("{:?}", ended.error)
    };
    assert!(why.contains("was unavailable for 1s (--store-wait)"), "{why}");
    assert_eq!(ended.report.outcome, Outcome::Failed);
    says(&ended.report, "was unavailable for");
    // What was acknowledged is there, and the next run brings the rest.
    let _server = restarted(server).await;
    assert!(rig.documents().await.len() as u64 >= ended.report.store.written);
    rig.complete().await;
    rig.equals_the_site().await;
}

#[tokio::test]
async fn d2_a_store_that_is_away_from_the_start_is_said_in_time() {
    let url: StoreUrl = "mongodb://me:s3cret@127.0.0.1:1/books".parse().expect("a URI");
    let begun = Instant::now();
    let opened = gleaner::store::open(&url, &crate::records::place("books", "books")).await;
    let Err(StoreError::Unavailable(why)) = opened else { panic!("it opened, or is unusable") };
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(why.contains("cannot be reached") && !why.contains("s3cret"), "{why}");
}
