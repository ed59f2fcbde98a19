//! What the frontier promises.

mod begun;
mod crowd;
mod ending;
mod leases;
mod submission;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use gleaner::frontier::{Count, Frontier, Lease, Limits, Submitted};
use gleaner::model::task::{DetailPage, Done, FollowUps, IndexRun, Page};

use crate::records::key;

/// An empty frontier that hands out pages of the list while less than 1,000 details are there.
fn start() -> Arc<Frontier> {
    Frontier::new(Limits { low_water: 1_000, pages: u64::MAX, items: u64::MAX }, Arc::default())
}

/// Index pages `from..=to` of the first pass.
fn pages(from: u64, to: u64) -> FollowUps {
    FollowUps { index: vec![IndexRun::numbered(1, from, to)], details: Vec::new() }
}

fn details(names: &[&str]) -> FollowUps {
    let detail = |name: &&str| DetailPage::of(key(name));
    FollowUps { index: Vec::new(), details: names.iter().map(detail).collect() }
}

fn submit(frontier: &Arc<Frontier>, follow_ups: FollowUps) -> Submitted {
    frontier.submit(follow_ups).expect("it takes submissions")
}

/// The lease that is handed out at once.
fn lease(frontier: &Arc<Frontier>) -> Lease {
    match frontier.lease().now_or_never() {
        Some(Some(lease)) => lease,
        other => panic!("no lease at once but {other:?}"),
    }
}

/// A lease on this page, at once.
fn lease_of(frontier: &Arc<Frontier>, page: &str) -> Lease {
    let lease = lease(frontier);
    assert_eq!(lease.task().page.to_string(), page);
    lease
}

/// There is something to wait for.
fn nothing_yet(frontier: &Arc<Frontier>) {
    let leased = frontier.lease().now_or_never();
    assert!(leased.is_none(), "{leased:?}");
}

/// The end has come.
fn ended(frontier: &Arc<Frontier>) {
    let leased = frontier.lease().now_or_never();
    assert!(matches!(leased, Some(None)), "{leased:?}");
}

fn outstanding(frontier: &Arc<Frontier>) -> (u64, u64) {
    let Count { index, details } = frontier.outstanding();
    (index, details)
}

fn finish(frontier: &Arc<Frontier>, lease: Lease) {
    frontier.finish(lease, Done::Read);
}

fn number(lease: &Lease) -> u64 {
    match &lease.task().page {
        Page::Index(index) => index.number,
        Page::Detail(detail) => panic!("an item: {}", detail.key),
    }
}

/// What `future` comes to. Time is paused: where nothing more happens, the limit passes at once.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(1 << 20);
    tokio::time::timeout(limit, future).await.expect("someone waits for ever")
}
