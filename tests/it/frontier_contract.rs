//! What every frontier has to do, whichever it is. A frontier joins by a [`Backend`] and one line
//! at the end of this file.

mod crowd;
mod ending;
mod leases;
mod submission;

use std::sync::Arc;

use futures_util::FutureExt;
use gleaner::frontier::{Count, Frontier, Lease, Limits, MemoryFrontier, Submitted};
use gleaner::model::task::{DetailPage, FollowUps, IndexRun, Page};

use crate::records::key;

/// Where frontiers come from.
pub trait Backend: 'static {
    fn start(limits: Limits) -> Arc<dyn Frontier>;
}

/// The frontier of one process.
struct Memory;

impl Backend for Memory {
    fn start(limits: Limits) -> Arc<dyn Frontier> {
        Arc::new(MemoryFrontier::new(limits))
    }
}

/// An empty frontier that hands out pages of the list while less than 1,000 details are there.
fn start<B: Backend>() -> Arc<dyn Frontier> {
    B::start(Limits { low_water: 1_000, pages: u64::MAX, items: u64::MAX })
}

/// Index pages `from..=to` of the first pass.
fn pages(from: u64, to: u64) -> FollowUps {
    FollowUps { index: vec![IndexRun::numbered(1, from, to)], details: Vec::new() }
}

fn details(names: &[&str]) -> FollowUps {
    let detail = |name: &&str| DetailPage::of(key(name));
    FollowUps { index: Vec::new(), details: names.iter().map(detail).collect() }
}

async fn submit(frontier: &Arc<dyn Frontier>, follow_ups: FollowUps) -> Submitted {
    frontier.submit(follow_ups).await.expect("it takes submissions")
}

/// The lease that is handed out at once.
fn lease(frontier: &Arc<dyn Frontier>) -> Lease {
    match frontier.lease().now_or_never() {
        Some(Ok(Some(lease))) => lease,
        other => panic!("no lease at once but {other:?}"),
    }
}

/// A lease on this page, at once.
fn lease_of(frontier: &Arc<dyn Frontier>, page: &str) -> Lease {
    let lease = lease(frontier);
    assert_eq!(lease.task().page.to_string(), page);
    lease
}

/// There is something to wait for.
fn nothing_yet(frontier: &Arc<dyn Frontier>) {
    let leased = frontier.lease().now_or_never();
    assert!(leased.is_none(), "{leased:?}");
}

/// The end has come.
fn ended(frontier: &Arc<dyn Frontier>) {
    let leased = frontier.lease().now_or_never();
    assert!(matches!(leased, Some(Ok(None))), "{leased:?}");
}

async fn outstanding(frontier: &Arc<dyn Frontier>) -> (u64, u64) {
    let Count { index, details } = frontier.outstanding().await.expect("a count");
    (index, details)
}

async fn finish(frontier: &Arc<dyn Frontier>, lease: Lease) {
    frontier.finish(lease).await.expect("the lease ends");
}

fn number(lease: &Lease) -> u64 {
    match &lease.task().page {
        Page::Index(index) => index.number,
        Page::Detail(detail) => panic!("an item: {}", detail.key),
    }
}

macro_rules! checks {
    ($backend:ident, $part:ident: $($check:ident)+) => {
        $(
            #[tokio::test(start_paused = true)]
            async fn $check() {
                // Time is paused: where nothing more happens, this passes at once.
                let check = super::$part::$check::<super::$backend>();
                let ended = tokio::time::timeout(std::time::Duration::from_secs(1 << 20), check);
                ended.await.expect("someone waits for ever");
            }
        )+
    };
}

/// The whole suite.
macro_rules! every_check {
    ($backend:ident) => {
        checks! { $backend, submission:
            what_was_seen_costs_nothing
            details_go_first
            pages_of_the_list_wait_until_details_are_few
            few_pages_of_the_list_are_leased_at_once
            the_lowest_mark_lets_pages_through_one_by_one
            a_limit_holds_for_distinct_items
            a_long_run_is_handed_out_lazily_and_in_order
            overlapping_runs_leave_out_what_was_seen
            passes_are_apart
            what_is_known_of_an_item_travels_with_it
        }
        checks! { $backend, leases:
            nothing_is_handed_out_twice
            what_is_dropped_is_given_back_as_it_was
            s10_what_a_panic_drops_has_one_attempt_less
            what_is_set_aside_comes_back_when_its_time_has_come
            w1_a_retry_that_costs_nothing_costs_nothing
            whoever_waits_hears_of_what_is_due_earlier
            what_is_due_together_comes_in_the_order_of_its_time
            a_lease_that_is_waited_for_and_dropped_takes_nothing_along
            a_wake_up_is_passed_on
            a_lease_that_takes_long_can_be_extended
            what_is_for_the_end_comes_when_nothing_else_is_left
            what_is_for_the_end_does_not_hold_up_the_list
        }
        checks! { $backend, ending:
            s9_the_end_comes_to_all_who_wait_at_once
            s9_what_is_leased_or_set_aside_is_no_end
            s9_follow_ups_of_the_last_task_are_no_end
            a_submission_after_the_end_is_an_error
            a_page_without_follow_ups_is_the_end
            a_drop_is_no_end
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn a_crowd_finishes_every_item_once() {
            super::crowd::a_crowd_finishes_every_item_once::<super::$backend>().await;
        }
    };
}

mod memory {
    every_check!(Memory);
}
