//! Answers other than 200: what is tried again, what is waited for, what is given up, and when a
//! site has refused for good.

use std::time::{Duration, Instant};

use gleaner::demo::Fault;
use gleaner::engine::error::CrawlError;
use gleaner::model::report::Outcome;

use super::rig::{Rig, says};
use crate::store_contract::backends::{JsonLines, Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

const LIST: &str = "/api/book/?limit=18&offset=0";

#[tokio::test]
async fn what_passes_is_tried_again_until_it_has_passed() {
    let rig = Rig::<Sqlite>::new(30).await;
    for (at, status) in [(0, 500), (1, 503), (2, 429), (3, 408)] {
        rig.demo.fault(Fault::on(rig.page(at)).first(1).status(status));
    }
    rig.demo.fault(Fault::on(LIST).first(2).status(502));
    let report = rig.complete().await;
    assert_eq!((report.requests.retried, report.requests.given_up), (6, 0));
    rig.equals_the_site().await;
}

async fn what_does_not_pass_is_kept_as_a_failure<B: Ledger>() {
    let rig = Rig::<B>::new(30).await;
    let fault = Fault::on(rig.page(7)).status(500).body("text/html", "<h1>\u{1b}[31moh\u{7}</h1>");
    rig.demo.fault(fault);
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed), (29, 1));
    assert_eq!((report.requests.retried, report.requests.given_up), (2, 1));
    says(&report, "1 item could not be stored: gleaner failures says why");
    let key = rig.demo.keys().remove(7);
    rig.lacks_only(&[&key]).await;
    let failure = rig.the_failure().await;
    assert_eq!((&*failure.kind, &failure.page), ("detail", &key));
    assert_eq!((&*failure.reason, failure.status, failure.attempts), ("status", Some(500), 3));
    assert!(failure.message.contains("500"), "{failure:?}");
    assert_eq!(failure.url, format!("{}{}", rig.demo.url(), rig.page(7)));
    assert_eq!(failure.sample.as_deref(), Some("<h1>\u{fffd}[31moh\u{fffd}</h1>"));
    let sweeps = rig.backend.sweeps().await;
    assert_eq!(sweeps[0].state.to_string(), "incomplete");
}

#[tokio::test]
async fn in_sqlite_what_does_not_pass_is_kept_as_a_failure() {
    what_does_not_pass_is_kept_as_a_failure::<Sqlite>().await;
}

#[tokio::test]
async fn in_mongodb_what_does_not_pass_is_kept_as_a_failure() {
    what_does_not_pass_is_kept_as_a_failure::<Mongodb>().await;
}

#[tokio::test]
async fn in_json_lines_a_failure_is_a_problem_of_the_report() {
    let rig = Rig::<JsonLines>::new(30).await;
    rig.demo.fault(Fault::on(rig.page(7)).status(400));
    let report = rig.incomplete().await;
    let key = rig.demo.keys().remove(7);
    says(&report, &format!("item {key} at {}{}", rig.demo.url(), rig.page(7)));
    assert!(report.problems.iter().all(|it| !it.contains("gleaner failures")), "none are kept");
    rig.lacks_only(&[&key]).await;
}

#[tokio::test]
async fn what_cannot_pass_is_given_up_at_once() {
    let rig = Rig::<Sqlite>::new(20).await;
    rig.demo.fault(Fault::on(rig.page(3)).status(400));
    let report = rig.incomplete().await;
    assert_eq!((report.requests.retried, report.items.failed), (0, 1));
    assert_eq!(rig.the_failure().await.attempts, 1);
}

async fn g2_a_listed_item_that_is_not_there_is_missing<B: Backend>() {
    let rig = Rig::<B>::new(30).await;
    rig.demo.fault(Fault::on(rig.page(2)).status(404));
    rig.demo.fault(Fault::on(rig.page(5)).status(410));
    let report = rig.complete().await;
    assert_eq!((report.items.missing, report.items.new, report.items.failed), (2, 28, 0));
    says(&report, "2 items are listed but their pages are not there");
    let keys = rig.demo.keys();
    rig.lacks_only(&[&keys[2], &keys[5]]).await;
}

#[tokio::test]
async fn g2_in_sqlite_a_listed_item_that_is_not_there_is_missing() {
    g2_a_listed_item_that_is_not_there_is_missing::<Sqlite>().await;
}

#[tokio::test]
async fn g2_in_mongodb_a_listed_item_that_is_not_there_is_missing() {
    g2_a_listed_item_that_is_not_there_is_missing::<Mongodb>().await;
}

#[tokio::test]
async fn w1_a_wait_that_is_asked_for_is_kept_by_all_and_costs_no_attempt() {
    let mut rig = Rig::<Sqlite>::new(30).await;
    rig.settings.pace.retries = 0;
    rig.demo.record();
    rig.demo.fault(Fault::on(rig.page(4)).first(2).status(503).header("Retry-After", "1"));
    rig.demo.fault(Fault::on(LIST).first(1).status(429).header("Retry-After", "1"));
    rig.complete().await;
    rig.equals_the_site().await;
    let asked = rig.demo.requests();
    let times = |path: &str| -> Vec<Duration> {
        asked.iter().filter(|seen| seen.path == path).map(|seen| seen.at).collect()
    };
    let (list, page) = (times(LIST), times(&rig.page(4)));
    assert_eq!((list.len(), page.len()), (2, 3));
    for pair in list.windows(2).chain(page.windows(2)) {
        assert!(pair[1] - pair[0] >= Duration::from_secs(1), "{pair:?}");
    }
    // While the host asks to be left alone nobody asks it, but for what was under way.
    let alone = asked.iter().filter(|seen| {
        let since = |at: Duration| seen.at.checked_sub(at).unwrap_or_default();
        (Duration::from_millis(100)..Duration::from_secs(1)).contains(&since(page[0]))
    });
    assert_eq!(alone.count(), 0, "{page:?} {asked:?}");
}

#[tokio::test]
async fn w2_absurd_waits_are_ignored() {
    let rig = Rig::<Sqlite>::new(20).await;
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (at, wait) in ["-5", "soon", past, "", "0"].into_iter().enumerate() {
        let fault = Fault::on(rig.page(at)).first(1).status(429);
        rig.demo.fault(fault.header("Retry-After", wait));
    }
    let begun = Instant::now();
    rig.complete().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    rig.equals_the_site().await;
}

#[tokio::test]
async fn w3_refusals_for_ever_end_the_run_as_blocked() {
    let mut rig = Rig::<Sqlite>::new(30).await;
    rig.settings.pace.block_after = 3;
    rig.settings.pace.retries = 50;
    rig.demo.fault(Fault::on("/api/book/*").status(429));
    let begun = Instant::now();
    let ended = rig.crawl().await;
    assert!(matches!(ended.error, Some(CrawlError::Blocked(_))), "{:?}", ended.error);
    assert_eq!(ended.report.outcome, Outcome::Failed);
    says(&ended.report, "3 refusals in a row");
    // The task goes back, and another worker may have it before the run ends.
    assert!((3..=5).contains(&rig.demo.stats().requests), "{:?}", rig.demo.stats());
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(rig.backend.sweeps().await[0].state.to_string(), "failed");
}

#[tokio::test]
async fn w3_pages_of_items_refused_for_ever_leave_what_was_stored() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    rig.settings.pace.block_after = 3;
    for at in 0..60 {
        rig.demo.fault(Fault::on(rig.page(at)).status(403));
    }
    let ended = rig.crawl().await;
    let blocked = matches!(ended.error, Some(CrawlError::Blocked(_)));
    // A 403 is not tried again: a few are given up before the third in a row.
    assert!(blocked && ended.report.items.new == 0, "{ended:?}");
    assert_eq!(rig.documents().await.len(), 0);
}

#[tokio::test]
async fn l4_a_lost_page_of_the_list_is_a_failure_and_said() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    rig.settings.pace.retries = 1;
    rig.demo.fault(Fault::on("/api/book/?limit=18&offset=36").status(500));
    let report = rig.incomplete().await;
    says(&report, "1 page of the list was lost");
    says(&report, "it declares 60 items and lists 42");
    let failure = rig.the_failure().await;
    assert_eq!((&*failure.kind, &*failure.page, failure.attempts), ("index", "3", 2));
    let keys = rig.demo.keys();
    let lost: Vec<&str> = keys[36..54].iter().map(String::as_str).collect();
    rig.lacks_only(&lost).await;
}

#[tokio::test]
async fn l4_a_run_that_reads_no_page_of_the_list_has_failed_and_goes_on() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    rig.settings.pace.retries = 0;
    rig.demo.fault(Fault::on(rig.page(30)).status(403));
    rig.settings.pace.block_after = 1;
    let first = rig.crawl().await;
    assert!(matches!(first.error, Some(CrawlError::Blocked(_))), "{:?}", first.error);
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on(LIST).status(500));
    let second = rig.crawl().await;
    assert!(matches!(second.error, Some(CrawlError::NoList(_))), "{:?}", second.error);
    assert_eq!(second.report.outcome, Outcome::Failed);
    rig.demo.clear_faults();
    let third = rig.complete().await;
    assert_eq!((third.resumed, &third.sweep), (true, &first.report.sweep));
}

#[tokio::test]
async fn a_page_of_the_list_that_is_had_later_is_no_failure_any_more() {
    let rig = Rig::<Sqlite>::new(60).await;
    rig.demo.fault(Fault::on("/api/book/?limit=18&offset=36").status(500));
    rig.incomplete().await;
    assert_eq!(rig.the_failure().await.kind, "index");
    rig.demo.clear_faults();
    rig.complete().await;
    assert_eq!(rig.backend.failures().await.len(), 0);
}
