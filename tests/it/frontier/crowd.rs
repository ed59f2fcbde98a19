//! Many workers on several threads, with mishaps: no task is lost, none is done twice.

use std::collections::HashMap;
use std::sync::Mutex;

use gleaner::frontier::Retry;

use super::*;

const PAGES: u64 = 200;
const ON_A_PAGE: u64 = 50;
const WORKERS: usize = 64;

/// What a page of the list lists; each also lists the last item of the one before.
fn listed(number: u64) -> FollowUps {
    let first = (number - 1) * ON_A_PAGE;
    let names: Vec<String> =
        (first.saturating_sub(1)..first + ON_A_PAGE).map(|item| item.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let runs = if number == 1 { vec![IndexRun::numbered(1, 2, PAGES)] } else { Vec::new() };
    FollowUps { index: runs, ..details(&names) }
}

async fn work(frontier: Arc<Frontier>, done: Arc<Mutex<HashMap<String, u32>>>) {
    while let Some(lease) = frontier.lease().await {
        tokio::task::yield_now().await;
        match fastrand::u32(..20) {
            0 => {
                drop(lease);
                continue;
            }
            1 => {
                let after = Duration::from_millis(fastrand::u64(..3));
                let retry = Retry { after, costs_attempt: fastrand::bool() };
                frontier.retry_later(lease, retry);
                continue;
            }
            _ => {}
        }
        match &lease.task().page {
            Page::Index(index) => {
                frontier.submit(listed(index.number)).expect("no end yet");
            }
            Page::Detail(detail) => {
                let name = detail.key.to_string();
                *done.lock().expect("nobody panicked").entry(name).or_default() += 1;
            }
        }
        frontier.finish(lease, Done::Read);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_crowd_finishes_every_item_once() {
    let frontier =
        Frontier::new(Limits { low_water: 100, pages: u64::MAX, items: u64::MAX }, Arc::default());
    submit(&frontier, pages(1, 1));
    let done = Arc::new(Mutex::new(HashMap::new()));
    let workers: Vec<_> =
        (0..WORKERS).map(|_| tokio::spawn(work(frontier.clone(), done.clone()))).collect();
    for worker in workers {
        let ended = tokio::time::timeout(Duration::from_secs(60), worker).await;
        ended.expect("it ends").expect("no panic");
    }
    assert_eq!(outstanding(&frontier), (0, 0));
    let done = done.lock().expect("nobody panicked");
    assert_eq!(done.len() as u64, PAGES * ON_A_PAGE);
    assert!(done.values().all(|times| *times == 1), "an item was finished twice");
}
