//! What a running crawl shows of itself in the ledger, and what its report adds to that.

use std::sync::OnceLock;
use std::time::Duration;

use gleaner::demo::{Fault, Options};
use gleaner::model::report::{Answers, Outcome};
use gleaner::observe::progress::Progress;
use gleaner::system::shutdown;

use super::rig::{Rig, ended, run, until};
use crate::store_contract::Ledger;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// The progress in the ledger while a slow site is crawled.
async fn shown<B: Ledger>() -> Progress {
    let slow = Options { items: 400, latency: Duration::from_millis(60), ..Options::default() };
    let rig = Rig::<B>::with(slow).await;
    let (_trigger, shutdown) = shutdown::channel();
    let store = rig.store().await;
    let crawl = run(rig.crawl_of(store.clone(), shutdown));
    let reader = rig.store().await;
    let look = async {
        let seen = OnceLock::new();
        until("a heartbeat brings progress", async || {
            let sweeps = reader.sweeps(1).await.expect("the ledger answers");
            let progress = sweeps.into_iter().next().and_then(|it| it.progress);
            progress.is_some_and(|progress| seen.set(progress).is_ok())
        })
        .await;
        seen.into_inner()
    };
    let (crawled, seen) = tokio::join!(crawl, look);
    ended(crawled, Outcome::Complete);
    let last = reader.sweeps(1).await.expect("the ledger answers").remove(0);
    assert_eq!(last.progress, None, "the report has taken its place");
    assert!(last.entry.report.is_some());
    seen.expect("progress")
}

fn is_of_a_crawl_at_work(progress: &Progress) {
    let Progress { requests, index, outstanding, hosts, .. } = progress;
    assert!(requests.total > 10 && requests.answers.success > 10, "{progress:#?}");
    assert!(index.declared == Some(400) && *outstanding > 0, "{progress:#?}");
    assert!(progress.requests_per_s > 1.0 && progress.items_per_s > 1.0, "{progress:#?}");
    assert!((1.5..10.0).contains(&progress.elapsed_s), "{progress:#?}");
    let [home] = &**hosts else { panic!("{hosts:#?}") };
    assert!(home.name.starts_with("127.0.0.1:"), "{home:?}");
    assert!(home.limit > 0 && home.in_flight <= home.limit && home.wait_s.is_none(), "{home:?}");
}

#[tokio::test]
async fn a_running_crawl_shows_its_progress_in_the_ledger_in_sqlite() {
    is_of_a_crawl_at_work(&shown::<Sqlite>().await);
}

#[tokio::test]
async fn a_running_crawl_shows_its_progress_in_the_ledger_in_mongodb() {
    is_of_a_crawl_at_work(&shown::<Mongodb>().await);
}

/// A host that asks to wait, and why.
#[tokio::test]
async fn a_crawl_that_waits_says_for_whom_how_long_and_why() {
    let rig = Rig::<Sqlite>::new(20).await;
    rig.demo.fault(Fault::on(rig.page(7)).status(429).header("Retry-After", "4").first(1));
    let (_trigger, shutdown) = shutdown::channel();
    let crawl = run(rig.crawl_of(rig.store().await, shutdown));
    let reader = rig.store().await;
    let look = until("the host is shown to wait", async || {
        let sweeps = reader.sweeps(1).await.expect("the ledger answers");
        let progress = sweeps.into_iter().next().and_then(|it| it.progress);
        progress.is_some_and(|progress| {
            let home = &progress.hosts[0];
            home.limit == 1
                && home.wait_s.is_some_and(|wait| (0.1..4.0).contains(&wait))
                && home.why.as_ref().is_some_and(|why| why.contains("answered 429"))
        })
    });
    let (crawled, ()) = tokio::join!(crawl, look);
    ended(crawled, Outcome::Complete);
}

#[tokio::test]
async fn the_report_counts_answers_and_the_most_frequent_value_of_each_field() {
    let rig = Rig::<Sqlite>::new(60).await;
    rig.demo.fault(Fault::on(rig.page(3)).status(503).first(1));
    rig.demo.fault(Fault::on(rig.page(4)).status(404));
    rig.demo.fault(Fault::on(rig.page(5)).hang_up().first(1));
    let report = rig.complete().await;
    let Answers { success, redirect, refused, broken, none } = report.requests.answers;
    // A request on a connection that was just closed is made again.
    assert!(none >= 1 && success >= 59, "{report:#?}");
    assert_eq!((redirect, broken), (0, 1));
    assert!(refused >= 1, "{report:#?}");
    let fields = &report.baseline.fields;
    let id = fields["id"];
    assert_eq!((id.pages, id.found), (59, 59));
    assert_eq!(id.top, 1, "all differ: {id:?}");
    let constant = fields.values().filter(|it| it.top == it.found).count();
    assert!(constant < fields.len(), "{fields:#?}");
}
