//! The end of a crawl: not while anything may still bring work.

use std::time::{Duration, Instant};

use gleaner::demo::{Fault, Options};
use gleaner::model::report::Outcome;

use super::rig::Rig;
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

const LATE: Duration = Duration::from_millis(1200);

/// All else is done long before the last page of the list comes, which brings four more items.
async fn a_slow_last_page<B: Backend>(fault: impl FnOnce(Fault) -> Fault) {
    let rig = Rig::<B>::with(Options { items: 40, ..Options::default() }).await;
    rig.demo.fault(fault(Fault::on("/api/book/?limit=18&offset=36")));
    let begun = Instant::now();
    let report = rig.complete().await;
    assert!(begun.elapsed() >= LATE, "{:?}", begun.elapsed());
    assert_eq!(report.items.new, 40);
    rig.equals_the_site().await;
}

#[tokio::test]
async fn s9_a_last_answer_that_is_slow_and_brings_links_is_no_end() {
    a_slow_last_page::<Sqlite>(|last| last.delay(LATE)).await;
    a_slow_last_page::<Mongodb>(|last| last.first(1).status(503).delay(LATE)).await;
}

#[tokio::test]
async fn s9_a_last_request_that_fails_and_is_tried_again_is_no_end() {
    for fault in [Fault::hang_up, |fault: Fault| fault.status(500), |fault: Fault| fault.cut(20)] {
        let rig = Rig::<Sqlite>::new(40).await;
        // Twice, since a connection that is hung up is tried again at once for free.
        rig.demo.fault(fault(Fault::on(rig.page(39)).first(2).delay(LATE / 2)));
        let report = rig.complete().await;
        assert!(report.requests.retried >= 2, "{report:#?}");
        rig.equals_the_site().await;
    }
}

#[tokio::test]
async fn s6_a_sweep_that_never_got_past_its_first_page_starts_over() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    rig.settings.pace.block_after = 2;
    rig.demo.fault(Fault::on("/api/book/*").status(429));
    let first = rig.crawl().await.report;
    assert_eq!((first.outcome, first.index.listed), (Outcome::Failed, 0), "{first:#?}");
    rig.demo.clear_faults();
    let report = rig.complete().await;
    assert_eq!((report.resumed, report.items.new), (true, 40));
    rig.equals_the_site().await;
}

/// The last to end is a page of the list, in a worker's hands: the writer, which has the rest, is told.
#[tokio::test]
async fn what_is_left_with_the_writer_does_not_wait_for_its_time() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    let (flush, max_age) = (Duration::from_secs(30), Some(Duration::from_secs(3600)));
    rig.settings.store.flush = flush;
    rig.settings.refresh.max_age = max_age;
    let begun = Instant::now();
    assert_eq!(rig.complete().await.items.new, 40);
    assert_eq!(rig.complete().await.items.skipped, 40);
    assert!(begun.elapsed() < flush, "{:?}", begun.elapsed());
}
