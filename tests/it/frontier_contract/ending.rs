//! The end: when nothing is queued, leased or set aside, and only then.

use std::time::Duration;

use gleaner::frontier::{FrontierError, Retry};
use tokio::time::Instant;

use super::*;

/// Workers that wait for a lease, and what they hear.
async fn waiting(
    frontier: &Arc<dyn Frontier>,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Option<Lease>>> {
    let wait = |frontier: Arc<dyn Frontier>| async move { frontier.lease().await.expect("heard") };
    let waiting: Vec<_> = (0..count).map(|_| tokio::spawn(wait(frontier.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(waiting.iter().all(|worker| !worker.is_finished()), "an early end");
    waiting
}

pub async fn s9_the_end_comes_to_all_who_wait_at_once<B: Backend>() {
    let frontier = start::<B>();
    submit(&frontier, FollowUps { details: details(&["a"]).details, ..pages(1, 1) }).await;
    let (item, page) = (lease(&frontier), lease(&frontier));
    let workers = waiting(&frontier, 50).await;
    finish(&frontier, item).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(workers.iter().all(|worker| !worker.is_finished()), "an early end");
    let begun = Instant::now();
    finish(&frontier, page).await;
    for worker in workers {
        assert!(worker.await.expect("no panic").is_none());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    ended(&frontier);
}

pub async fn s9_what_is_leased_or_set_aside_is_no_end<B: Backend>() {
    let frontier = start::<B>();
    submit(&frontier, details(&["a"])).await;
    let item = lease(&frontier);
    let mut workers = waiting(&frontier, 3).await;
    let retry = Retry { after: Duration::from_secs(600), costs_attempt: true };
    frontier.retry_later(item, retry).await.expect("it is set aside");
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert!(workers.iter().all(|worker| !worker.is_finished()), "an early end");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let at = workers.iter().position(|worker| worker.is_finished()).expect("one has it");
    let item = workers.remove(at).await.expect("no panic").expect("no end");
    assert!(workers.iter().all(|worker| !worker.is_finished()), "an early end");
    finish(&frontier, item).await;
    for worker in workers {
        assert!(worker.await.expect("no panic").is_none());
    }
}

pub async fn s9_follow_ups_of_the_last_task_are_no_end<B: Backend>() {
    let frontier = start::<B>();
    submit(&frontier, pages(1, 1)).await;
    let page = lease(&frontier);
    let workers = waiting(&frontier, 2).await;
    submit(&frontier, details(&["a", "b"])).await;
    finish(&frontier, page).await;
    for worker in workers {
        let item = worker.await.expect("no panic").expect("no end");
        finish(&frontier, item).await;
    }
    ended(&frontier);
}

pub async fn a_submission_after_the_end_is_an_error<B: Backend>() {
    let frontier = start::<B>();
    submit(&frontier, details(&["a"])).await;
    let item = lease(&frontier);
    finish(&frontier, item).await;
    assert_eq!(frontier.submit(details(&["b"])).await, Err(FrontierError::Ended));
    assert_eq!(frontier.submit(pages(1, 1)).await, Err(FrontierError::Ended));
    assert_eq!(outstanding(&frontier).await, (0, 0));
    ended(&frontier);
}

pub async fn a_page_without_follow_ups_is_the_end<B: Backend>() {
    let frontier = start::<B>();
    submit(&frontier, pages(1, 1)).await;
    let page = lease(&frontier);
    assert_eq!(submit(&frontier, FollowUps::default()).await, Submitted::default());
    finish(&frontier, page).await;
    ended(&frontier);
}

pub async fn a_drop_is_no_end<B: Backend>() {
    let frontier = start::<B>();
    submit(&frontier, details(&["a"])).await;
    let item = lease(&frontier);
    let workers = waiting(&frontier, 3).await;
    drop(item);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (done, left): (Vec<_>, Vec<_>) = workers.into_iter().partition(|it| it.is_finished());
    assert_eq!((done.len(), left.len()), (1, 2));
    for worker in done {
        let item = worker.await.expect("no panic").expect("no end");
        finish(&frontier, item).await;
    }
    for worker in left {
        assert!(worker.await.expect("no panic").is_none());
    }
}
