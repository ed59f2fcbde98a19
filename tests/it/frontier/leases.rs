//! What becomes of a task in a worker's hands.

use std::pin::pin;

use futures_util::poll;
use gleaner::frontier::Retry;
use tokio::time::{Instant, advance};

use super::*;

fn after(seconds: u64, costs_attempt: bool) -> Retry {
    Retry { after: Duration::from_secs(seconds), costs_attempt }
}

fn set_aside(frontier: &Arc<Frontier>, lease: Lease, retry: Retry) {
    frontier.retry_later(lease, retry);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_handed_out_twice() {
    let frontier = start();
    submit(&frontier, FollowUps { details: details(&["a"]).details, ..pages(1, 1) });
    let held = [lease(&frontier), lease(&frontier)];
    nothing_yet(&frontier);
    submit(&frontier, FollowUps { details: details(&["a"]).details, ..pages(1, 1) });
    nothing_yet(&frontier);
    advance(Duration::from_secs(3_600)).await;
    nothing_yet(&frontier);
    for lease in held {
        finish(&frontier, lease);
    }
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn what_is_dropped_is_given_back_as_it_was() {
    let frontier = start();
    submit(&frontier, FollowUps { details: details(&["a"]).details, ..pages(4, 4) });
    for page in ["item a", "index page 4"] {
        let dropped = lease_of(&frontier, page);
        let task = dropped.task().clone();
        drop(dropped);
        let again = lease_of(&frontier, page);
        assert_eq!(again.task(), &task);
        finish(&frontier, again);
    }
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn s10_what_a_panic_drops_has_one_attempt_less() {
    let frontier = start();
    submit(&frontier, details(&["a"]));
    for attempt in 1..=3 {
        let frontier = frontier.clone();
        let worker = tokio::spawn(async move {
            let lease = lease_of(&frontier, "item a");
            assert_ne!(lease.task().attempt, attempt, "a test's own panic");
        });
        assert!(worker.await.expect_err("it panics").is_panic());
    }
    assert_eq!(lease_of(&frontier, "item a").task().attempt, 4);
    assert_eq!(outstanding(&frontier), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_set_aside_comes_back_when_its_time_has_come() {
    let frontier = start();
    submit(&frontier, details(&["a"]));
    let first = lease(&frontier);
    set_aside(&frontier, first, after(10, true));
    assert_eq!(outstanding(&frontier), (0, 1));
    nothing_yet(&frontier);
    advance(Duration::from_millis(9_990)).await;
    nothing_yet(&frontier);
    advance(Duration::from_millis(10)).await;
    let again = lease_of(&frontier, "item a");
    assert_eq!(again.task().attempt, 2);
    // Whoever waits is woken then, not sooner and not much later.
    set_aside(&frontier, again, after(10, true));
    let begun = Instant::now();
    let again = soon(frontier.lease()).await.expect("no end");
    assert_eq!(again.task().attempt, 3);
    let waited = begun.elapsed().as_millis();
    assert!((10_000..10_010).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn w1_a_retry_that_costs_nothing_costs_nothing() {
    let frontier = start();
    submit(&frontier, pages(1, 1));
    for waits in 0..3 {
        let page = lease_of(&frontier, "index page 1");
        assert_eq!((page.task().attempt, page.task().waits), (1, waits));
        set_aside(&frontier, page, after(5, false));
        advance(Duration::from_secs(5)).await;
    }
    let page = lease(&frontier);
    set_aside(&frontier, page, after(0, true));
    assert_eq!(lease(&frontier).task().attempt, 2);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_hears_of_what_is_due_earlier() {
    let frontier = start();
    submit(&frontier, details(&["a", "b"]));
    let (a, b) = (lease(&frontier), lease(&frontier));
    set_aside(&frontier, a, after(60, false));
    let mut waiting = pin!(frontier.lease());
    assert!(poll!(waiting.as_mut()).is_pending());
    let begun = Instant::now();
    set_aside(&frontier, b, after(1, false));
    let lease = soon(waiting).await.expect("no end");
    assert_eq!(lease.task().page.to_string(), "item b");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_due_together_comes_in_the_order_of_its_time() {
    let frontier = start();
    submit(&frontier, details(&["a", "b", "c"]));
    let leased: Vec<Lease> = (0..3).map(|_| lease(&frontier)).collect();
    for (lease, seconds) in leased.into_iter().zip([30, 10, 20]) {
        set_aside(&frontier, lease, after(seconds, false));
    }
    advance(Duration::from_secs(25)).await;
    let held = [lease_of(&frontier, "item b"), lease_of(&frontier, "item c")];
    nothing_yet(&frontier);
    advance(Duration::from_secs(5)).await;
    lease_of(&frontier, "item a");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_waited_for_and_dropped_takes_nothing_along() {
    let frontier = start();
    submit(&frontier, details(&["a"]));
    let held = lease(&frontier);
    for _ in 0..20 {
        nothing_yet(&frontier);
    }
    submit(&frontier, details(&["b"]));
    // Ready, but never looked at.
    drop(frontier.lease());
    let held = [held, lease_of(&frontier, "item b")];
    for lease in held {
        finish(&frontier, lease);
    }
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn a_wake_up_is_passed_on() {
    let frontier = start();
    submit(&frontier, details(&["a"]));
    let held = lease(&frontier);
    let (mut first, mut second) = (Box::pin(frontier.lease()), Box::pin(frontier.lease()));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    submit(&frontier, details(&["b"]));
    drop(first);
    let lease = tokio::time::timeout(Duration::from_secs(1), second).await;
    let lease = lease.expect("the other hears of it").expect("no end");
    assert_eq!(lease.task().page.to_string(), "item b");
    // A lease that is given back wakes somebody, too.
    let mut third = Box::pin(frontier.lease());
    assert!(poll!(&mut third).is_pending());
    drop(held);
    let lease = tokio::time::timeout(Duration::from_secs(1), third).await;
    let lease = lease.expect("it is heard").expect("no end");
    assert_eq!(lease.task().page.to_string(), "item a");
}

#[tokio::test(start_paused = true)]
async fn what_is_for_the_end_comes_when_nothing_else_is_left() {
    let frontier = start();
    submit(&frontier, details(&["a", "b", "c"]));
    for page in ["item a", "item b"] {
        let lease = lease_of(&frontier, page);
        frontier.retry_at_the_end(lease);
    }
    set_aside(&frontier, lease_of(&frontier, "item c"), after(1, true));
    nothing_yet(&frontier);
    assert_eq!(outstanding(&frontier), (0, 3));
    advance(Duration::from_secs(1)).await;
    let last = lease_of(&frontier, "item c");
    nothing_yet(&frontier);
    let mut waiting = pin!(frontier.lease());
    assert!(poll!(waiting.as_mut()).is_pending());
    finish(&frontier, last);
    let first = soon(waiting).await.expect("a task");
    assert_eq!((first.task().attempt, first.task().waits), (1, 1), "it costs nothing");
    finish(&frontier, first);
    finish(&frontier, lease_of(&frontier, "item b"));
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn what_is_for_the_end_does_not_hold_up_the_list() {
    let frontier =
        Frontier::new(Limits { low_water: 2, pages: u64::MAX, items: u64::MAX }, Arc::default());
    submit(&frontier, FollowUps { details: details(&["a", "b", "c"]).details, ..pages(1, 1) });
    for page in ["item a", "item b", "item c"] {
        let lease = lease_of(&frontier, page);
        frontier.retry_at_the_end(lease);
    }
    finish(&frontier, lease_of(&frontier, "index page 1"));
    for page in ["item a", "item b", "item c"] {
        finish(&frontier, lease_of(&frontier, page));
    }
    ended(&frontier);
}
