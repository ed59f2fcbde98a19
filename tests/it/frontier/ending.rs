//! The end: when nothing is queued, leased or set aside, and only then.

use gleaner::frontier::{FrontierError, Retry};
use tokio::time::Instant;

use super::*;

/// Workers that wait for a lease, and what they hear.
async fn waiting(
    frontier: &Arc<Frontier>,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Option<Lease>>> {
    let wait = |frontier: Arc<Frontier>| async move { soon(frontier.lease()).await };
    let waiting: Vec<_> = (0..count).map(|_| tokio::spawn(wait(frontier.clone()))).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(waiting.iter().all(|worker| !worker.is_finished()), "an early end");
    waiting
}

#[tokio::test(start_paused = true)]
async fn s9_the_end_comes_to_all_who_wait_at_once() {
    let frontier = start();
    submit(&frontier, FollowUps { details: details(&["a"]).details, ..pages(1, 1) });
    let (item, page) = (lease(&frontier), lease(&frontier));
    let workers = waiting(&frontier, 50).await;
    finish(&frontier, item);
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(workers.iter().all(|worker| !worker.is_finished()), "an early end");
    let begun = Instant::now();
    finish(&frontier, page);
    for worker in workers {
        assert!(worker.await.expect("no panic").is_none());
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn s9_what_is_leased_or_set_aside_is_no_end() {
    let frontier = start();
    submit(&frontier, details(&["a"]));
    let item = lease(&frontier);
    let mut workers = waiting(&frontier, 3).await;
    let retry = Retry { after: Duration::from_secs(600), costs_attempt: true };
    frontier.retry_later(item, retry);
    tokio::time::sleep(Duration::from_secs(599)).await;
    assert!(workers.iter().all(|worker| !worker.is_finished()), "an early end");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let at = workers.iter().position(|worker| worker.is_finished()).expect("one has it");
    let item = workers.remove(at).await.expect("no panic").expect("no end");
    assert!(workers.iter().all(|worker| !worker.is_finished()), "an early end");
    finish(&frontier, item);
    for worker in workers {
        assert!(worker.await.expect("no panic").is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn s9_follow_ups_of_the_last_task_are_no_end() {
    let frontier = start();
    submit(&frontier, pages(1, 1));
    let page = lease(&frontier);
    let workers = waiting(&frontier, 2).await;
    submit(&frontier, details(&["a", "b"]));
    finish(&frontier, page);
    for worker in workers {
        let item = worker.await.expect("no panic").expect("no end");
        finish(&frontier, item);
    }
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn a_submission_after_the_end_is_an_error() {
    let frontier = start();
    submit(&frontier, details(&["a"]));
    let item = lease(&frontier);
    finish(&frontier, item);
    assert_eq!(frontier.submit(details(&["b"])), Err(FrontierError::Ended));
    assert_eq!(frontier.submit(pages(1, 1)), Err(FrontierError::Ended));
    assert_eq!(outstanding(&frontier), (0, 0));
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_follow_ups_is_the_end() {
    let frontier = start();
    submit(&frontier, pages(1, 1));
    let page = lease(&frontier);
    assert_eq!(submit(&frontier, FollowUps::default()), Submitted::default());
    finish(&frontier, page);
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn a_drop_is_no_end() {
    let frontier = start();
    submit(&frontier, details(&["a"]));
    let item = lease(&frontier);
    let workers = waiting(&frontier, 3).await;
    drop(item);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (done, left): (Vec<_>, Vec<_>) = workers.into_iter().partition(|it| it.is_finished());
    assert_eq!((done.len(), left.len()), (1, 2));
    for worker in done {
        let item = worker.await.expect("no panic").expect("no end");
        finish(&frontier, item);
    }
    for worker in left {
        assert!(worker.await.expect("no panic").is_none());
    }
}
