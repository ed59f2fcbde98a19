//! The same host where it refuses, cannot be reached, or is never opened.

use futures_util::FutureExt;
use gleaner::fetch::Blocked;
use gleaner::fetch::robots::Rules;

use super::*;

/// So many requests at once.
async fn next_slots(rig: &Rig, number: usize) -> Vec<Slot> {
    let mut slots = Vec::new();
    for _ in 0..number {
        slots.push(rig.enter().await.expect("a slot"));
    }
    slots
}

/// The next request, once it may leave, and how long that took.
async fn next(rig: &Rig) -> (Slot, Duration) {
    let begun = Instant::now();
    if let Some(slot) = rig.enter().await {
        return (slot, Duration::ZERO);
    }
    loop {
        let at = rig.host().release();
        if let Some((_, slot)) = rig.hosts.ready_now() {
            return (slot, begun.elapsed());
        }
        tokio::time::sleep_until(at.expect("time alone brings the next")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn w28_a_host_that_answers_429_and_names_no_wait_is_left_alone_for_longer_and_longer() {
    for adaptive in [true, false] {
        let policy = HostPolicy { adaptive, block_after: 20, ..policy(8) };
        let rig = rig_with(policy).await;
        let mut page = next_slots(&rig, 8).await;
        let refused = page.split_off(5);
        tokio::time::advance(Duration::from_millis(10)).await;
        for (at, slot) in refused.into_iter().enumerate() {
            let page = at as u64;
            assert_eq!(slot.end(no_page(Fault::Limited, page)), Ok(Toll::Free));
        }
        for slot in page {
            assert!(slot.end(End::Page).is_ok(), "it left before the host refused");
        }
        let mut waited = Vec::new();
        for probe in 0..7 {
            let (slot, pause) = next(&rig).await;
            assert!(rig.enter().await.is_none(), "one at a time asks whether it is over");
            waited.push(pause.as_secs());
            tokio::time::advance(Duration::from_millis(10)).await;
            let ended = slot.end(no_page(Fault::Limited, 10 + probe));
            if probe < 6 {
                assert_eq!(ended, Ok(Toll::Free), "{probe}");
            } else {
                assert!(matches!(ended, Err(Blocked::Refused { .. })), "after the last pause");
            }
        }
        assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64], "adaptive: {adaptive}");
    }
}

#[tokio::test(start_paused = true)]
async fn w28_a_penalty_that_ends_is_forgotten() {
    let rig = rig_with(HostPolicy { block_after: 20, ..policy(8) }).await;
    for _ in 0..3 {
        for expected in [0, 1, 2] {
            let (slot, pause) = next(&rig).await;
            assert_eq!(pause.as_secs(), expected);
            tokio::time::advance(Duration::from_millis(10)).await;
            assert_eq!(slot.end(trouble(Fault::Limited)), Ok(Toll::Free));
        }
        let (slot, _) = next(&rig).await;
        assert!(slot.end(End::Page).is_ok());
        // What was parked meanwhile leaves as before.
        rig.arrived().into_iter().for_each(|slot| assert!(slot.end(End::Page).is_ok()));
    }
}

#[tokio::test(start_paused = true)]
async fn w28_what_is_tried_above_what_the_host_bears_is_no_penalty() {
    let rig = rig_that(100, None, true).await;
    let mut slots = next_slots(&rig, 8).await;
    tokio::time::advance(Duration::from_millis(20)).await;
    let last = slots.pop().expect("a slot");
    assert_eq!(last.end(trouble(Fault::Limited)), Ok(Toll::Free));
    slots.into_iter().for_each(|slot| assert!(slot.end(End::Page).is_ok()));
    tokio::time::advance(Duration::from_secs(2)).await;
    // It climbs back to where it was refused.
    for _ in 0..200 {
        let mut slots: Vec<Slot> = Vec::new();
        for _ in 0..10 {
            slots.extend(rig.enter().await);
            slots.extend(rig.arrived());
            tokio::time::advance(Duration::from_millis(2)).await;
        }
        if slots.len() >= 8 {
            let last = slots.pop().expect("a slot");
            assert_eq!(last.end(no_page(Fault::Limited, 1)), Ok(Toll::Free));
            drop(slots);
            tokio::time::advance(Duration::from_millis(120)).await;
            assert!(!rig.arrived().is_empty(), "nothing is paused");
            return;
        }
        for mut slot in slots {
            slot.answered();
            assert!(slot.end(End::Page).is_ok());
        }
    }
    panic!("it never climbed");
}

#[tokio::test(start_paused = true)]
async fn w26_a_host_that_cannot_be_reached_any_more_is_waited_for() {
    let rig = rig(8, None).await;
    let (first, second) = (rig.enter().await.expect("a slot"), rig.enter().await.expect("a slot"));
    assert!(!rig.host().missed(Instant::now(), "refused"), "it never gave a page");
    assert_eq!(first.end(trouble(Fault::Unreachable)), Ok(Toll::Attempt));
    assert!(second.end(End::Page).is_ok());
    tokio::time::advance(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let mut pauses = Vec::new();
    while begun.elapsed() < Duration::from_secs(560) {
        let (slot, pause) = next(&rig).await;
        pauses.push(pause.as_secs_f64().round() as u64);
        assert!(rig.host().missed(Instant::now(), "refused"), "{:?}", begun.elapsed());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(slot.end(trouble(Fault::Away)), Ok(Toll::Free));
    }
    assert_eq!(pauses[..7], [0, 1, 2, 4, 8, 16, 30]);
    let (slot, _) = next(&rig).await;
    assert_eq!(begun.elapsed().as_secs(), 600, "the last pause is no longer than what is left");
    assert!(!rig.host().missed(Instant::now(), "refused"), "ten minutes are over");
    let ended = slot.end(trouble(Fault::Unreachable));
    let Err(blocked @ Blocked::Away { .. }) = ended else { panic!("{ended:?}") };
    assert!(blocked.to_string().contains("no connection to h for 10m (--site-wait)"), "{blocked}");
}

#[tokio::test(start_paused = true)]
async fn w26_an_answer_of_any_kind_ends_the_wait_and_another_host_costs_its_own_pages() {
    let rig = rig(8, None).await;
    assert!(rig.enter().await.expect("a slot").end(End::Page).is_ok());
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(400)).await;
        assert!(rig.host().missed(Instant::now(), "refused"), "it was reached meanwhile");
        tokio::time::advance(Duration::from_secs(400)).await;
        rig.heard(500, "");
    }
    let url = Url::parse("http://other/").expect("a URL");
    let other = rig.hosts.of(&url);
    assert!(!other.missed(Instant::now(), "refused"));
    let (slot, _) = next(&rig).await;
    assert_eq!(slot.end(trouble(Fault::Unreachable)), Ok(Toll::Attempt));
    // One that gave pages is waited for, but what it costs in the end are its own pages, too.
    assert!(other.open_with(async { Ok(Rules::none()) }).await.is_ok());
    let enter = async || {
        let lease = rig.frontier.lease().await.expect("a task");
        let Entered::Go(_, slot) = rig.hosts.enter(&url, lease) else { panic!("no slot") };
        slot
    };
    assert!(enter().await.end(End::Page).is_ok());
    let slot = enter().await;
    assert!(other.missed(Instant::now(), "refused"));
    tokio::time::advance(Duration::from_secs(600)).await;
    assert!(!other.missed(Instant::now(), "refused"));
    assert_eq!(slot.end(trouble(Fault::Unreachable)), Ok(Toll::Attempt));
}

#[tokio::test(start_paused = true)]
async fn w25_the_sixth_wait_of_one_page_holds_nobody_else() {
    let rig = rig(8, None).await;
    let later = Trouble {
        message: "503",
        fault: Fault::Overloaded,
        wait: Some(Duration::from_secs(60)),
        page: 7,
        is_counted: true,
    };
    assert!(rig.enter().await.expect("a slot").end(End::Page).is_ok());
    for round in 0..6 {
        let (slot, _) = next(&rig).await;
        let mut request = Request::get(rig.host().root().clone());
        request.purpose.waits_alone = slot.waits_alone(|| 7);
        assert_eq!(request.purpose.waits_alone, round == 5);
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "60".parse().expect("a value"));
        tokio::time::advance(Duration::from_millis(1)).await;
        rig.host().heard(&request, Instant::now(), 503, &headers);
        let toll = if round < 5 { Toll::Free } else { Toll::Attempt };
        assert_eq!(slot.end(End::Trouble(later)), Ok(toll));
        let (slot, waited) = next(&rig).await;
        assert_eq!(waited.as_secs(), if round < 5 { 60 } else { 0 }, "{round}");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(slot.end(End::Page).is_ok());
    }
}

impl Rig {
    /// A task comes to a host that was not opened yet. Says whether its worker is to open it.
    async fn finds_it_closed(&self) -> bool {
        let lease = self.frontier.lease().await.expect("a task");
        match self.hosts.enter(self.host().root(), lease) {
            Entered::Unopened(_) => true,
            Entered::Parked => false,
            Entered::Go(..) => panic!("it is open"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn w28_after_a_penalty_requests_leave_a_quarter_of_a_second_apart() {
    let rig = rig_with(HostPolicy { block_after: 20, ..policy(8) }).await;
    for _ in 0..2 {
        let (slot, _) = next(&rig).await;
        tokio::time::advance(Duration::from_millis(10)).await;
        assert_eq!(slot.end(trouble(Fault::Limited)), Ok(Toll::Free));
    }
    let (slot, pause) = next(&rig).await;
    assert_eq!(pause.as_secs(), 2, "refused again after the first pause");
    tokio::time::advance(Duration::from_millis(10)).await;
    assert!(slot.end(End::Page).is_ok());
    let mut left = Vec::new();
    for _ in 0..6 {
        let (slot, _) = next(&rig).await;
        left.push(Instant::now());
        assert!(slot.end(End::Page).is_ok());
    }
    // A timer that rings late is made up for.
    let apart = |pair: &[Instant]| pair[1] - pair[0] >= Duration::from_millis(245);
    assert!(left[1..].windows(2).all(apart), "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn w20_a_202_makes_its_page_wait_and_not_its_host() {
    let rig = rig(8, None).await;
    rig.heard(202, "30");
    assert!(rig.enter().await.is_some());
    rig.heard(503, "30");
    assert!(rig.enter().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn s15_a_slot_that_a_panic_drops_gives_its_place_back() {
    let rig = rig(1, None).await;
    let slot = rig.enter().await.expect("a slot");
    let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _slot = slot;
        panic!("a test's own panic")
    }));
    assert!(work.is_err());
    assert!(rig.enter().await.is_some());
}

#[tokio::test]
async fn s15_a_panic_while_robots_txt_is_read_leaves_no_task_parked() {
    let rig = unopened(policy(8)).await;
    assert!(rig.finds_it_closed().await && !rig.finds_it_closed().await);
    let rules = rig.host().open_with(async { panic!("a test's own panic") }).await;
    assert!(rules.as_ref().is_err_and(|error| error.to_string().contains("panicked")));
    assert_eq!(rig.arrived().len(), 2);
    let allowed = rig.host().allows(rig.host().root());
    assert!(matches!(allowed, Err(FetchError::NoRules(_))), "{allowed:?}");
}

#[tokio::test]
async fn s15_an_opening_that_never_ends_gives_its_tasks_back_and_is_made_again() {
    let rig = unopened(policy(8)).await;
    assert!(rig.finds_it_closed().await && !rig.finds_it_closed().await);
    assert!(rig.host().open_with(std::future::pending()).now_or_never().is_none());
    assert!(rig.finds_it_closed().await, "it is to be opened again");
    assert!(rig.host().open_with(async { Ok(Rules::none()) }).await.is_ok());
    assert_eq!(rig.arrived().len(), 1);
    let mut attempts = Vec::new();
    while let Some(Some(lease)) = rig.frontier.lease().now_or_never() {
        attempts.push(lease.task().attempt);
        rig.frontier.finish(lease, Done::Read);
    }
    assert_eq!(attempts, [1; 200], "those that were parked are back, and paid nothing");
}
