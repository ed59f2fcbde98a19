//! What a host is told to have refused, with time that stands still until it is moved.

use super::*;

fn refusal(page: u64, wait: Option<u64>) -> Trouble<'static> {
    let (message, fault) = ("the site answered 429", Fault::Limited);
    let wait = wait.map(Duration::from_secs);
    Trouble { message, fault, wait, page, is_counted: true }
}

fn item(tracker: &mut RefusalTracker, trouble: Trouble<'_>) -> Result<Toll, Blocked> {
    tracker.troubled(trouble, Kind::Item, Instant::now(), 3, "h")
}

async fn later(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_refusals_is_one() {
    let mut tracker = RefusalTracker::default();
    let sent = Instant::now();
    later(1).await;
    for page in 0..50 {
        let toll = tracker.troubled(refusal(page, None), Kind::Item, sent, 3, "h");
        assert_eq!(toll, Ok(Toll::Free));
    }
    assert_eq!(tracker.in_a_row(Kind::Item), 1);
}

#[tokio::test(start_paused = true)]
async fn w3_refusals_in_a_row_are_a_block_and_a_success_starts_anew() {
    let mut tracker = RefusalTracker::default();
    assert!(item(&mut tracker, refusal(1, None)).is_ok());
    assert!(item(&mut tracker, refusal(2, None)).is_ok());
    tracker.succeeded(Kind::Item, Instant::now());
    assert!(item(&mut tracker, refusal(3, None)).is_ok());
    assert!(item(&mut tracker, refusal(4, None)).is_ok());
    let blocked = item(&mut tracker, refusal(5, None)).unwrap_err().at("http://h/5");
    let blocked = blocked.to_string();
    assert!(blocked.contains("3 refusals in a row by h"), "{blocked}");
    assert!(blocked.contains("the site answered 429 (http://h/5)"), "{blocked}");
}

#[tokio::test(start_paused = true)]
async fn w24_lists_that_answer_do_not_hide_that_items_are_refused() {
    let mut tracker = RefusalTracker::default();
    for page in 0..2 {
        tracker.succeeded(Kind::List, Instant::now());
        assert!(item(&mut tracker, refusal(page, None)).is_ok());
    }
    tracker.succeeded(Kind::List, Instant::now());
    assert!(item(&mut tracker, refusal(2, None)).is_err());
    let other = tracker.troubled(refusal(3, None), Kind::List, Instant::now(), 3, "h");
    assert_eq!(other, Ok(Toll::Free), "lists are counted by themselves");
}

#[tokio::test(start_paused = true)]
async fn w24_requests_made_again_count_and_named_waits_do_not() {
    let mut tracker = RefusalTracker::default();
    let refuse = |tracker: &mut RefusalTracker, page, wait| {
        tracker.troubled(refusal(page, wait), Kind::Item, Instant::now(), 20, "h")
    };
    tracker.succeeded(Kind::Item, Instant::now());
    for round in 0..19 {
        assert!(refuse(&mut tracker, round % 2, Some(600)).is_ok(), "{round}");
        later(600).await;
    }
    assert!(refuse(&mut tracker, 1, Some(600)).is_err(), "the twentieth, of the same pages");
    // Two minutes of nothing but refusals, and eight at least.
    for (refusals, seconds) in [(9, 14), (7, 60)] {
        let mut tracker = RefusalTracker::default();
        for round in 0..refusals {
            assert!(refuse(&mut tracker, round, None).is_ok(), "{round} of {refusals}");
            later(seconds).await;
        }
        assert!(refuse(&mut tracker, refusals, None).is_err(), "{refusals}");
    }
    let mut tracker = RefusalTracker::default();
    for round in 0..9 {
        assert!(refuse(&mut tracker, round, None).is_ok(), "{round}");
        let broken = Trouble { fault: Fault::Other, ..refusal(round, None) };
        assert!(tracker.troubled(broken, Kind::Item, Instant::now(), 20, "h").is_ok());
        later(14).await;
    }
    assert!(refuse(&mut tracker, 9, None).is_ok(), "there was more than refusals");
}

#[tokio::test(start_paused = true)]
async fn w25_a_page_that_always_asks_to_wait_pays_once_others_got_through() {
    let mut tracker = RefusalTracker::default();
    tracker.succeeded(Kind::Item, Instant::now());
    let later_page = Trouble { fault: Fault::Overloaded, ..refusal(7, Some(60)) };
    for (round, expected) in [Toll::Free; 5].into_iter().chain([Toll::Attempt; 9]).enumerate() {
        assert_eq!(item(&mut tracker, later_page), Ok(expected), "{round}");
        later(60).await;
        tracker.succeeded(Kind::Item, Instant::now());
    }
    assert!(tracker.is_at_fault(7) && !tracker.is_at_fault(8));
}

#[tokio::test(start_paused = true)]
async fn w25_a_host_that_asks_to_wait_for_all_its_pages_makes_none_pay() {
    let mut tracker = RefusalTracker::default();
    let stragglers = Instant::now();
    later(1).await;
    for round in 0..5 * 50 {
        let trouble = Trouble { fault: Fault::Overloaded, ..refusal(round % 50, Some(2)) };
        assert_eq!(item(&mut tracker, trouble), Ok(Toll::Free), "{round}");
        // Answers to requests that left before it began.
        tracker.last_page = Some(stragglers);
        later(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn w25_the_last_pages_left_are_no_failure_of_the_host() {
    let mut tracker = RefusalTracker::default();
    tracker.succeeded(Kind::Item, Instant::now());
    for round in 0..20 {
        for page in [3, 59] {
            later(60).await;
            let trouble = Trouble { fault: Fault::Overloaded, ..refusal(page, Some(60)) };
            let toll = item(&mut tracker, trouble);
            // The one knows of the other's fifth wait only once it was made.
            let expected = if round < 5 { Toll::Free } else { Toll::Attempt };
            assert!(toll == Ok(expected) || round == 5 && page == 3, "{round} {page}: {toll:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn w25_the_last_page_left_is_no_failure_of_the_host() {
    let mut tracker = RefusalTracker::default();
    tracker.succeeded(Kind::List, Instant::now());
    for round in 0..40 {
        later(60).await;
        let trouble = Trouble { fault: Fault::Overloaded, ..refusal(7, Some(60)) };
        let expected = if round < 5 { Toll::Free } else { Toll::Attempt };
        assert_eq!(item(&mut tracker, trouble), Ok(expected), "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn w24_one_item_that_is_always_refused_is_no_block() {
    let mut tracker = RefusalTracker::default();
    tracker.succeeded(Kind::Item, Instant::now());
    for round in 0..10 {
        later(1).await;
        assert!(item(&mut tracker, refusal(7, None)).is_ok(), "{round}");
    }
    later(1).await;
    assert!(item(&mut tracker, refusal(8, None)).is_err());
    let mut tracker = RefusalTracker::default();
    tracker.succeeded(Kind::Item, Instant::now());
    let one = tracker.troubled(refusal(7, None), Kind::Item, Instant::now(), 1, "h");
    assert!(one.is_err(), "where one refusal is too many");
}

#[tokio::test(start_paused = true)]
async fn w28_no_item_pays_for_a_penalty_of_the_host() {
    let mut tracker = RefusalTracker::default();
    for penalty in 0..3 {
        tracker.succeeded(Kind::Item, Instant::now());
        for probe in 0..2 {
            later(1).await;
            let toll = item(&mut tracker, refusal(7, None));
            assert_eq!(toll, Ok(Toll::Free), "{penalty} {probe}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn w24_what_no_list_names_counts_for_no_block_and_does_not_wait_for_ever() {
    let mut tracker = RefusalTracker::default();
    let unlisted = |page| Trouble { is_counted: false, ..refusal(page, Some(1)) };
    for page in 0..50 {
        later(1).await;
        assert_eq!(item(&mut tracker, unlisted(page)), Ok(Toll::Free));
    }
    assert_eq!(tracker.in_a_row(Kind::Item), 0);
    let tolls = (0..5).map(|_| item(&mut tracker, unlisted(0)).unwrap());
    let [free @ .., last] = &tolls.collect::<Vec<_>>()[..] else { unreachable!() };
    assert_eq!((free, *last), (&[Toll::Free; 4][..], Toll::Attempt));
    let unnamed = Trouble { wait: None, ..unlisted(0) };
    assert_eq!(item(&mut tracker, unnamed), Ok(Toll::Attempt));
}

#[tokio::test(start_paused = true)]
async fn w3_a_host_that_gives_no_page_for_long_is_given_up() {
    let mut tracker = RefusalTracker::default();
    let trouble = |tracker: &mut RefusalTracker, page| {
        item(tracker, Trouble { fault: Fault::Other, message: "500", ..refusal(page, None) })
    };
    for page in 0..15 {
        assert!(trouble(&mut tracker, page).is_ok());
        later(60).await;
    }
    tracker.succeeded(Kind::Item, Instant::now());
    for page in 0..16 {
        assert!(trouble(&mut tracker, page).is_ok());
        later(60).await;
    }
    let blocked = trouble(&mut tracker, 16).unwrap_err().to_string();
    assert!(blocked.contains("no page for 15 minutes"), "{blocked}");
}

#[test]
fn w24_a_block_says_what_to_do() {
    let said = |fault, end| {
        let (host, last) = ("h".into(), "the last word".to_owned());
        Blocked::Refused { host, refusals: 8, end, fault, last }.to_string()
    };
    let minutes = RefusalEnd::Long(LONGEST_REFUSAL);
    let pause = RefusalEnd::AfterPause(Duration::from_secs(64));
    for (said, has, has_not) in [
        (
            said(Fault::Limited, RefusalEnd::InARow),
            "fewer --workers; a later run resumes (--block-after",
            "page",
        ),
        (said(Fault::Unfit, RefusalEnd::InARow), "such as a login or a captcha", "--workers"),
        (said(Fault::Refused, minutes), "for over 2 minutes, the last with", "--block-after"),
        (said(Fault::Limited, pause), "and after a pause of 64 s, the last with", "--block-after"),
    ] {
        assert!(said.contains(has) && !said.contains(has_not), "{said}");
        assert!(said.contains("8 refusals in a row by h"), "{said}");
    }
}
