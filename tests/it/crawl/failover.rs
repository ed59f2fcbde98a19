//! A replica set that loses its primary in the middle of a crawl.

use std::time::{Duration, Instant};

use gleaner::demo::Options;
use gleaner::engine::crawl::View;
use gleaner::model::report::Outcome;
use gleaner::system::shutdown;

use super::rig::{Rig, ended, run, until};
use crate::mongod::Mongod;
use crate::mongod::replica_set::ReplicaSet;
use crate::store_contract::backends::Mongodb;

/// Ten seconds' work: on a machine that is busy a member takes a while to leave.
const ITEMS: usize = 2_000;

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the work is done")
}

async fn written(view: &View) -> u64 {
    view.now().0.store.written
}

/// The longest time in which nothing was written, until `is_over`.
async fn longest_silence(view: &View, is_over: impl Fn() -> bool) -> Duration {
    let (mut last, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
    while !is_over() {
        let now = written(view).await;
        if now > last {
            longest = longest.max(since.elapsed());
            (last, since) = (now, Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    longest
}

/// Crawls, and loses the primary by `how` in the middle of it. Says which member it was, and how
/// long nothing was written.
async fn crawled_without(set: ReplicaSet, how: fn(&mut Mongod)) -> (ReplicaSet, usize, Duration) {
    let options =
        Options { items: ITEMS, latency: Duration::from_millis(20), ..Options::default() };
    let mut rig = Rig::on(Mongodb { uri: set.uri("books") }, options);
    (rig.settings.pace.workers, rig.settings.store.batch) = (4, 10);
    let (mut set, primary) = blocking(move || {
        let primary = set.primary();
        (set, primary)
    })
    .await;
    let (_trigger, shutdown) = shutdown::channel();
    let crawl = rig.crawl_of(rig.store().await, shutdown);
    let view = crawl.view();
    let crawl = tokio::spawn(run(crawl));
    until("the crawl gets on", async || written(&view).await >= 20).await;
    let losing = tokio::task::spawn_blocking(move || {
        set.lose(primary, how);
        set
    });
    let silent = longest_silence(&view, || crawl.is_finished()).await;
    // Whether a call was made again says nothing: the driver itself may have waited for the next.
    assert!(losing.is_finished(), "the primary was to be lost in the middle");
    let report = ended(crawl.await.expect("no panic"), Outcome::Complete);
    rig.equals_the_site().await;
    assert_eq!((report.items.new, report.items.failed), (ITEMS as u64, 0), "{report:#?}");
    assert_eq!(report.requests.total, rig.demo.stats().requests);
    assert_eq!(report.requests.retried, 0, "the site need not know");
    crate::mongod::database(&rig.backend.uri).await.drop().await.expect("an empty database");
    (losing.await.expect("the member is lost"), primary, silent)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_a_replica_set_that_loses_its_primary_goes_on_with_another() {
    let set = blocking(ReplicaSet::start).await;
    let (mut set, lost, stopped) = crawled_without(set, Mongod::stop).await;
    let set = blocking(move || {
        set.bring_back(lost);
        set
    });
    let (_set, _, killed) = crawled_without(set.await, Mongod::kill).await;
    eprintln!("nothing was written for {stopped:?} (stopped) and {killed:?} (killed)");
}
