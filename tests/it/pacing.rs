//! One host, with time that stands still until it is moved: who may ask it, and when.

mod refusing;

use std::sync::Arc;
use std::time::Duration;

use gleaner::fetch::retry::{Fault, Toll};
use gleaner::fetch::{
    End, Entered, FetchError, Fetcher, HeaderMap, Home, Host, HostPolicy, Hosts, Request, Slot,
    Trouble,
};
use gleaner::frontier::{Frontier, Limits};
use gleaner::model::record::Key;
use gleaner::model::task::{DetailPage, Done, FollowUps};
use gleaner::observe::metrics::Metrics;
use gleaner::observe::waits::Waits;
use gleaner::site::settings::Settings;
use tokio::time::Instant;
use url::Url;

/// What failed keeps its place for so long where no page came yet.
const UNKNOWN: Duration = Duration::from_millis(100);

/// A host that forbids nothing, and tasks.
struct Rig {
    hosts: Hosts,
    frontier: Arc<Frontier>,
}

async fn rig(workers: u32, rate: Option<f64>) -> Rig {
    rig_that(workers, rate, false).await
}

async fn rig_that(workers: u32, rate: Option<f64>, adaptive: bool) -> Rig {
    rig_with(HostPolicy { rate, adaptive, ..policy(workers) }).await
}

fn policy(workers: u32) -> HostPolicy {
    HostPolicy {
        workers,
        adaptive: false,
        rate: None,
        robots: false,
        user_agent: String::new(),
        retries: 0,
        block_after: 3,
        site_wait: Duration::from_secs(600),
        at_first: 8,
    }
}

async fn rig_with(policy: HostPolicy) -> Rig {
    let rig = unopened(policy).await;
    let options = Settings::default().client_options(home());
    let fetcher = Fetcher::new(&options, Arc::new(Metrics::new())).expect("a client");
    assert!(rig.host().open(&fetcher).await.is_ok());
    rig
}

fn home() -> Home {
    Home { site: Url::parse("http://h/").expect("a URL"), hosts: Vec::new() }
}

async fn unopened(policy: HostPolicy) -> Rig {
    let hosts = Hosts::new(&home(), policy, Waits::default());
    let frontier = Frontier::new(
        Limits { low_water: 1_000, pages: u64::MAX, items: u64::MAX },
        Arc::default(),
    );
    let item = |n: u32| DetailPage::of(Key::new(&n.to_string()).expect("a key"));
    let details = (0..200).map(item).collect();
    frontier.submit(FollowUps { index: Vec::new(), details }).expect("submitted");
    Rig { hosts, frontier }
}

impl Rig {
    fn host(&self) -> &Arc<Host> {
        self.hosts.home()
    }

    /// A task comes: its slot, where there is one at once.
    async fn enter(&self) -> Option<Slot> {
        let lease = self.frontier.lease().await.expect("a task");
        match self.hosts.enter(self.host().root(), lease) {
            Entered::Go(_, slot) => Some(slot),
            Entered::Parked => None,
            other => panic!("{other:?}"),
        }
    }

    /// Slots of parked tasks whose time has come by now.
    fn arrived(&self) -> Vec<Slot> {
        self.host().release();
        std::iter::from_fn(|| self.hosts.ready_now()).map(|(_, slot)| slot).collect()
    }

    fn heard(&self, status: u16, seconds: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", seconds.parse().expect("a value"));
        let request = Request::get(self.host().root().clone());
        self.host().heard(&request, Instant::now(), status, &headers);
    }
}

/// A page that is not had, for this reason.
fn trouble(fault: Fault) -> End<'static> {
    no_page(fault, 0)
}

fn no_page(fault: Fault, page: u64) -> End<'static> {
    End::Trouble(Trouble { message: "no page", fault, wait: None, page, is_counted: true })
}

/// `time` from now, as exactly as clocks are.
fn is_in(at: Option<Instant>, time: Duration) {
    assert_eq!(at.map(|at| at - Instant::now()), Some(time));
}

#[tokio::test(start_paused = true)]
async fn requests_leave_one_interval_apart_and_none_is_saved_up() {
    let rig = rig(50, Some(10.0)).await;
    let mut slots = vec![rig.enter().await.expect("the first")];
    for _ in 0..6 {
        assert!(rig.enter().await.is_none());
    }
    is_in(rig.host().release(), Duration::from_millis(100));
    tokio::time::advance(Duration::from_millis(99)).await;
    assert_eq!(rig.arrived().len(), 0);
    for wait in [Duration::from_millis(1), Duration::from_secs(5), Duration::from_millis(100)] {
        tokio::time::advance(wait).await;
        let arrived = rig.arrived();
        assert_eq!(arrived.len(), 1, "after {wait:?}: what was not used is not caught up");
        slots.extend(arrived);
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_not_used_is_the_next_ones() {
    let rig = rig(50, Some(10.0)).await;
    let unused = rig.enter().await;
    assert!(rig.enter().await.is_none());
    drop(unused);
    assert_eq!(rig.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn w1_the_longest_wait_counts() {
    let rig = rig(50, None).await;
    rig.heard(429, "5");
    rig.heard(503, "1");
    rig.heard(200, "60");
    assert!(rig.enter().await.is_none());
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(rig.arrived().len(), 0);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(rig.arrived().len(), 1);
    rig.heard(429, "99999999999");
    assert!(rig.enter().await.is_none());
    is_in(rig.host().release(), Duration::from_secs(600));
}

#[tokio::test(start_paused = true)]
async fn who_was_parked_first_goes_first_when_a_slot_is_free() {
    let rig = rig(2, None).await;
    let (first, second) = (rig.enter().await, rig.enter().await);
    assert!(first.is_some() && second.is_some());
    assert!(rig.enter().await.is_none() && rig.enter().await.is_none());
    assert_eq!(rig.host().release(), None, "time alone does not bring a slot");
    assert!(first.expect("a slot").end(End::Page).is_ok());
    let (lease, _slot) = rig.hosts.ready_now().expect("one that was parked");
    assert_eq!(lease.task().key().map(Key::as_str), Some("2"));
    assert!(rig.hosts.ready_now().is_none());
}

#[tokio::test(start_paused = true)]
async fn w4_what_failed_keeps_its_place_for_a_while() {
    let rig = rig(1, None).await;
    let slot = rig.enter().await.expect("a slot");
    assert!(rig.enter().await.is_none());
    tokio::time::advance(Duration::from_millis(3)).await;
    assert_eq!(slot.end(trouble(Fault::Other)), Ok(Toll::Attempt));
    assert_eq!(rig.arrived().len(), 0);
    is_in(rig.host().release(), UNKNOWN - Duration::from_millis(3));
    tokio::time::advance(UNKNOWN).await;
    assert_eq!(rig.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn w3_refusals_in_a_row_end_it() {
    let rig = rig(1, None).await;
    for borne in [true, true, false] {
        tokio::time::advance(Duration::from_secs(1)).await;
        let slot = rig.enter().await.expect("a slot");
        assert_eq!(slot.end(trouble(Fault::Refused)).is_ok(), borne);
    }
}

#[tokio::test(start_paused = true)]
async fn w4_a_burst_of_answers_makes_for_no_burst_at_a_host_that_has_refused() {
    let rig = rig_that(100, None, true).await;
    let answered = |slots: &mut Vec<Slot>| {
        for mut slot in slots.drain(..) {
            slot.answered();
            assert!(slot.end(End::Page).is_ok());
        }
    };
    let mut slots: Vec<Slot> = Vec::new();
    for _ in 0..200 {
        slots.extend(rig.enter().await);
    }
    for most in [8, 16, 32] {
        assert_eq!(slots.len(), most, "twice as many as before");
        tokio::time::advance(Duration::from_millis(20)).await;
        answered(&mut slots);
        slots.extend(rig.arrived());
    }
    tokio::time::advance(Duration::from_millis(20)).await;
    let refused = slots.pop().expect("one").end(trouble(Fault::Overloaded));
    assert_eq!(refused, Ok(Toll::Attempt));
    answered(&mut slots);
    let mut on_their_way = rig.arrived();
    let at_once = on_their_way.len();
    assert!((1..20).contains(&at_once), "{at_once} at once");
    for _ in 0..10 {
        tokio::time::advance(Duration::from_millis(1)).await;
        on_their_way.extend(rig.arrived());
    }
    assert!(on_their_way.len() >= 50, "{at_once} at once, {} in 10 ms", on_their_way.len());
}

#[tokio::test(start_paused = true)]
async fn what_no_worker_took_in_time_is_not_caught_up() {
    let rig = rig(50, Some(10.0)).await;
    let _first = rig.enter().await.expect("the first");
    for _ in 0..30 {
        assert!(rig.enter().await.is_none());
    }
    // All workers wait for the store, while time goes on.
    for _ in 0..10 {
        tokio::time::advance(Duration::from_millis(100)).await;
        rig.host().release();
    }
    tokio::time::advance(Duration::from_millis(500)).await;
    let mut left = rig.arrived();
    left.extend(rig.arrived());
    assert_eq!(left.len(), 1, "all turns but one are over");
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(rig.arrived().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_waited_long_for_a_worker_leaves_at_once_where_nothing_stands_against_it() {
    let rig = rig(3, None).await;
    let first = [rig.enter().await, rig.enter().await, rig.enter().await];
    for _ in 0..3 {
        assert!(rig.enter().await.is_none());
    }
    drop(first);
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(rig.arrived().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn w1_a_wait_that_began_meanwhile_holds_for_what_no_worker_took_yet() {
    let rig = rig(3, None).await;
    let first = [rig.enter().await, rig.enter().await, rig.enter().await];
    assert!(rig.enter().await.is_none());
    drop(first);
    rig.heard(429, "5");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(rig.arrived().len(), 0);
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(rig.arrived().len(), 1);
}

#[tokio::test]
async fn s3_what_is_parked_at_the_end_is_given_back_one_after_another() {
    let rig = rig(1, None).await;
    let item = |n: u32| DetailPage::of(Key::new(&format!("more {n}")).expect("a key"));
    let details = (0..100_000).map(item).collect();
    rig.frontier.submit(FollowUps { index: Vec::new(), details }).expect("submitted");
    let slot = rig.enter().await.expect("a slot");
    for _ in 0..100_000 {
        assert!(rig.enter().await.is_none());
    }
    let Rig { hosts, frontier } = rig;
    drop(hosts);
    drop(slot);
    assert_eq!(frontier.outstanding().details, 100_200);
}

#[tokio::test(start_paused = true)]
async fn w1_a_refusal_that_asks_to_wait_says_how_much_is_borne_too() {
    let rig = rig_that(100, None, true).await;
    let slot = rig.enter().await.expect("a slot");
    tokio::time::advance(Duration::from_millis(20)).await;
    rig.heard(429, "1");
    assert_eq!(slot.end(trouble(Fault::Limited)), Ok(Toll::Free));
    assert!(rig.host().bears().is_some());
}

#[tokio::test(start_paused = true)]
async fn g1_one_page_that_is_always_refused_is_no_block_where_the_host_gives_others() {
    let rig = rig(1, None).await;
    for _ in 0..10 {
        for end in [End::Page, no_page(Fault::Refused, 7), no_page(Fault::Refused, 7)] {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(rig.enter().await.expect("a slot").end(end).is_ok());
        }
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let another = rig.enter().await.expect("a slot").end(no_page(Fault::Refused, 8));
    assert!(another.is_err(), "three in a row, and not all of one page");
}
