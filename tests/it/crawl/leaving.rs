//! Items that leave the site, and come back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use gleaner::demo::{Demo, Fault, Options};
use gleaner::engine::crawl::Crawl;
use gleaner::model::record::{Key, Known};
use gleaner::model::report::{Finding, Outcome};
use gleaner::site::settings::Begin;
use gleaner::store::StoreError;
use gleaner::system::shutdown;

use super::meddler::{Meddle, Meddler};
use super::rig::{Rig, ended, run, says};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// Keys of what is marked gone.
async fn gone<B: Backend>(rig: &Rig<B>, keys: &[String]) -> BTreeSet<String> {
    let known = facts(rig, keys).await.into_iter();
    known.filter(|known| known.gone_at.is_some()).map(|known| known.key.to_string()).collect()
}

async fn facts<B: Backend>(rig: &Rig<B>, keys: &[String]) -> Vec<Known> {
    let keys: Vec<_> = keys.iter().map(|key| crate::records::key(key)).collect();
    rig.store().await.known(&keys).await.expect("the store answers")
}

fn set(keys: &[&String]) -> BTreeSet<String> {
    keys.iter().map(|key| (*key).clone()).collect()
}

async fn what_left_is_marked_and_what_comes_back_is_not<B: Backend>() {
    let rig = Rig::<B>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    let first_seen = facts(&rig, &keys[5..6]).await[0].first_seen;
    rig.demo.remove(&keys[5]);
    rig.demo.remove(&keys[6]);
    let report = rig.complete().await;
    assert_eq!((report.items.same, report.items.gone, report.index.listed), (38, 2, 38));
    assert_eq!(gone(&rig, &keys).await, set(&[&keys[5], &keys[6]]));
    assert_eq!(rig.documents().await.len(), 40, "what is gone stays, and is marked");
    let again = rig.complete().await;
    assert_eq!(again.items.gone, 0, "once is enough");
    rig.demo.restore(&keys[5], 3);
    let back = rig.complete().await;
    assert_eq!((back.items.gone, back.index.listed), (0, 39));
    assert_eq!(gone(&rig, &keys).await, set(&[&keys[6]]));
    assert_eq!(facts(&rig, &keys[5..6]).await[0].first_seen, first_seen);
}

#[tokio::test]
async fn g4_what_left_is_marked_and_what_comes_back_is_not_in_sqlite() {
    what_left_is_marked_and_what_comes_back_is_not::<Sqlite>().await;
}

#[tokio::test]
async fn g4_what_left_is_marked_and_what_comes_back_is_not_in_mongodb() {
    what_left_is_marked_and_what_comes_back_is_not::<Mongodb>().await;
}

async fn what_is_not_listed_but_there_is_unlisted_and_never_gone<B: Backend>() {
    let rig = Rig::<B>::with(Options { items: 40, etags: true, ..Options::default() }).await;
    let keys = rig.demo.keys();
    let page = rig.page(7);
    rig.complete().await;
    let stored = rig.documents().await[&keys[7]].clone();
    rig.demo.unlist(&keys[7]);
    rig.demo.record();
    for (before, changes) in [false, false, true, false].into_iter().enumerate() {
        if changes {
            rig.demo.change(&keys[7]);
        }
        let report = rig.complete().await;
        assert_eq!((report.items.unlisted, report.items.gone), (1, 0), "{report:#?}");
        let asked = rig.demo.requests();
        let times = asked.iter().filter(|asked| asked.path == page).count();
        assert_eq!(times, before + 1, "once a sweep");
    }
    assert!(facts(&rig, &keys[7..8]).await[0].unlisted_at.is_some());
    assert_eq!(rig.documents().await[&keys[7]], stored, "what the list said of it stays");
    rig.demo.restore(&keys[7], 3);
    let back = rig.complete().await;
    assert_eq!((back.items.unlisted, back.items.changed), (0, 1));
    assert_eq!(facts(&rig, &keys[7..8]).await[0].unlisted_at, None);
}

#[tokio::test]
async fn l1_what_is_not_listed_but_there_is_unlisted_and_never_gone_in_sqlite() {
    what_is_not_listed_but_there_is_unlisted_and_never_gone::<Sqlite>().await;
}

#[tokio::test]
async fn l1_what_is_not_listed_but_there_is_unlisted_and_never_gone_in_mongodb() {
    what_is_not_listed_but_there_is_unlisted_and_never_gone::<Mongodb>().await;
}

#[tokio::test]
async fn g6_unlisted_items_are_asked_for_with_their_validators() {
    let rig = Rig::<Sqlite>::with(Options { items: 40, etags: true, ..Options::default() }).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    rig.demo.unlist(&keys[7]);
    let report = rig.complete().await;
    assert_eq!((report.items.unlisted, report.requests.not_modified), (1, 40));
}

/// Else a site whose items stay after they left the list would be incomplete for ever.
#[tokio::test]
async fn g6_items_unlisted_before_do_not_count_towards_the_limit() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    assert!(keys[..20].iter().all(|key| rig.demo.unlist(key)));
    says(&rig.incomplete().await, "--gone-limit");
    rig.settings.refresh.gone_limit = 60.0;
    assert_eq!(rig.complete().await.items.unlisted, 20);
    rig.settings.refresh.gone_limit = 20.0;
    assert_eq!(rig.complete().await.items.unlisted, 20);
    // All of them leave at once: that is more than is granted, whatever was noted before.
    assert!(keys[..20].iter().all(|key| rig.demo.remove(key)));
    let report = rig.incomplete().await;
    assert_eq!(report.items.gone, 0);
    says(&report, "--gone-limit");
    assert_eq!(report.baseline.findings, [Finding::GoneRefused].into());
}

async fn what_is_not_listed_and_closed_is_gone_the_second_time<B: Backend>(
    fault: fn(&str) -> Fault,
) {
    let mut rig = Rig::<B>::new(40).await;
    rig.settings.pace.block_after = 1;
    let keys = rig.demo.keys();
    rig.complete().await;
    (5..8).for_each(|at| rig.demo.fault(fault(&rig.page(at))));
    assert!(keys[5..8].iter().all(|key| rig.demo.unlist(key)));
    let report = rig.complete().await;
    assert_eq!((report.items.unlisted, report.items.gone), (3, 0), "{report:#?}");
    let report = rig.complete().await;
    assert_eq!((report.items.unlisted, report.items.gone), (0, 3), "{report:#?}");
    assert_eq!(gone(&rig, &keys).await, set(&[&keys[5], &keys[6], &keys[7]]));
    let before = rig.demo.stats().requests;
    rig.complete().await;
    assert_eq!(rig.demo.stats().requests - before, 37 + 3, "they are not requested any more");
}

/// Whatever is answered for them, it is no block: one refusal would be, of an item that is listed.
#[tokio::test]
async fn g7_what_is_not_listed_and_refused_is_gone_the_second_time() {
    what_is_not_listed_and_closed_is_gone_the_second_time::<Sqlite>(|page| {
        Fault::on(page).status(403)
    })
    .await;
    what_is_not_listed_and_closed_is_gone_the_second_time::<Mongodb>(|page| {
        Fault::on(page).status(401)
    })
    .await;
}

#[tokio::test]
async fn g7_what_is_not_listed_and_leads_elsewhere_is_gone_the_second_time() {
    what_is_not_listed_and_closed_is_gone_the_second_time::<Sqlite>(|page| {
        Fault::on(page).status(302).header("location", "https://login.test/")
    })
    .await;
}

/// Other pages than were asked for are refusals, where the items are listed.
#[tokio::test]
async fn g7_refusals_of_what_is_not_listed_are_no_block() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    (rig.settings.pace.block_after, rig.settings.pace.retries) = (1, 0);
    let keys = rig.demo.keys();
    rig.complete().await;
    let captcha = |page: String| Fault::on(page).body("text/html", "<h1>Are you human?</h1>");
    (5..8).for_each(|at| rig.demo.fault(captcha(rig.page(at))));
    assert!(keys[5..8].iter().all(|key| rig.demo.unlist(key)));
    let report = rig.complete().await;
    assert_eq!((report.items.gone, report.items.failed), (0, 0), "{report:#?}");
    rig.demo.fault(captcha(rig.page(9)));
    assert_eq!(rig.crawl().await.report.outcome, Outcome::Failed, "it is listed");
}

#[tokio::test]
async fn g7_refusals_of_what_is_listed_are_still_a_block() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    rig.settings.pace.block_after = 1;
    rig.complete().await;
    rig.demo.fault(Fault::on(rig.page(5)).status(403));
    assert_eq!(rig.crawl().await.report.outcome, Outcome::Failed);
}

#[tokio::test]
async fn o7_missing_items_are_named_with_key_and_url() {
    let rig = Rig::<Sqlite>::new(40).await;
    let (keys, url) = (rig.demo.keys(), rig.demo.url().to_owned());
    (0..25).for_each(|at| rig.demo.fault(Fault::on(rig.page(at)).status(404)));
    let report = rig.complete().await;
    assert_eq!((report.items.missing, report.items.new), (25, 15));
    let named = report.problems.iter().filter(|it| it.contains("is missing: it is listed"));
    assert_eq!(named.count(), 20);
    let is_named = |key: &String| {
        let sentence = format!("item {key} at {url}/api/book/{key}/ is missing");
        report.problems.iter().any(|problem| problem.starts_with(&sentence))
    };
    assert_eq!(keys[..25].iter().filter(|key| is_named(key)).count(), 20, "{report:#?}");
    says(&report, "25 items are listed but their pages are not there");
}

#[tokio::test]
async fn o7_a_list_of_which_no_item_has_its_page_is_not_complete() {
    let rig = Rig::<Sqlite>::new(12).await;
    (0..12).for_each(|at| rig.demo.fault(Fault::on(rig.page(at)).status(404)));
    let report = ended(rig.crawl().await, Outcome::Incomplete);
    assert_eq!((report.items.missing, report.items.new), (12, 0));
    says(&report, "not one of the listed items has its page");
}

/// The ledger's last word is not written, as when a run is killed just before.
#[derive(Default)]
struct NoLastWord(AtomicU32);

#[async_trait]
impl Meddle for NoLastWord {
    async fn finish_sweep(&self) -> Result<(), StoreError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(StoreError::Failed("gone".to_owned())),
        }
    }
}

#[tokio::test]
async fn l1_the_second_time_is_not_the_same_sweep_once_more() {
    let rig = Rig::<Sqlite>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    rig.demo.fault(Fault::on(rig.page(7)).status(403));
    rig.demo.unlist(&keys[7]);
    let meddler = Meddler { store: rig.store().await, meddle: Arc::<NoLastWord>::default() };
    let killed = rig.crawl_into(Arc::new(meddler)).await;
    assert_eq!(killed.report.outcome, Outcome::Failed);
    assert!(facts(&rig, &keys[7..8]).await[0].unlisted_at.is_some(), "noted before the end");
    let resumed = rig.complete().await;
    assert_eq!((resumed.resumed, resumed.items.gone), (true, 0));
    assert_eq!(rig.complete().await.items.gone, 1);
}

#[tokio::test]
async fn l1_what_is_listed_again_starts_anew() {
    let rig = Rig::<Mongodb>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    rig.demo.unlist(&keys[7]);
    rig.complete().await;
    rig.demo.restore(&keys[7], 3);
    rig.complete().await;
    assert_eq!(facts(&rig, &keys[7..8]).await[0].unlisted_at, None);
    rig.demo.unlist(&keys[7]);
    assert_eq!(rig.complete().await.items.gone, 0);
}

#[tokio::test]
async fn g3_more_than_the_share_that_is_granted_is_refused_and_says_how_to_go_ahead() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    assert!(keys[..20].iter().all(|key| rig.demo.remove(key)));
    let before = rig.demo.stats().requests;
    let report = rig.incomplete().await;
    says(&report, "nothing was marked gone");
    says(&report, "--gone-limit");
    assert_eq!(gone(&rig, &keys).await, BTreeSet::new());
    assert!(rig.demo.stats().requests - before < 25, "they are not even requested");
    rig.settings.refresh.gone_limit = 100.0;
    assert_eq!(rig.complete().await.items.gone, 20);
}

/// Not of what is not listed, nor of what is listed and not there; also where the part that is asked
/// for is as large as the site.
#[tokio::test]
async fn g5_a_limited_run_marks_nothing() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    let failing = rig.page(8);
    rig.demo.fault(Fault::on(&failing).status(400));
    rig.incomplete().await;
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on(&failing).status(404));
    rig.demo.remove(&keys[5]);
    let usual = rig.settings.clone();
    for settings in [
        usual.clone().with(|it| it.scope.begin = Begin::Failures),
        usual.clone().with(|it| it.scope.limit = Some(10)),
        usual.clone().with(|it| it.scope.limit = Some(1_000)),
        usual.clone().with(|it| it.scope.pages = "1..2".parse().ok()),
        usual.clone().with(|it| it.scope.pages = "1..99".parse().ok()),
    ] {
        rig.settings = settings;
        let items = ended(rig.crawl().await, Outcome::Complete).items;
        assert_eq!((items.missing, items.gone), (1, 0), "{:?}", rig.settings);
        assert_eq!(gone(&rig, &keys).await, BTreeSet::new());
    }
    rig.settings = usual;
    assert_eq!(rig.complete().await.items.gone, 2);
}

#[tokio::test]
async fn g1_what_cannot_be_asked_for_is_not_gone() {
    for status in [500, 429] {
        let mut rig = Rig::<Sqlite>::new(40).await;
        rig.settings.pace.retries = 1;
        let keys = rig.demo.keys();
        rig.complete().await;
        rig.demo.unlist(&keys[5]);
        rig.demo.fault(Fault::on(format!("/api/book/{}/", keys[5])).status(status));
        let report = ended(rig.crawl().await, Outcome::Complete);
        assert_eq!((report.items.gone, report.items.failed), (0, 0), "{status}");
        says(&report, "is not listed, and its page cannot be requested");
        let known = &facts(&rig, &keys[5..6]).await[0];
        assert_eq!((known.gone_at, known.unlisted_at), (None, None));
    }
}

#[tokio::test]
async fn l4_after_a_lost_page_of_the_list_nothing_is_marked() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    rig.settings.refresh.gone_limit = 100.0;
    let keys = rig.demo.keys();
    rig.complete().await;
    rig.demo.remove(&keys[5]);
    rig.demo.fault(Fault::on("/api/book/?limit=18&offset=36").status(500));
    rig.incomplete().await;
    assert_eq!(gone(&rig, &keys).await, BTreeSet::new());
}

#[tokio::test]
async fn g2_what_is_listed_but_not_there_is_asked_for_twice_and_then_missing_and_gone() {
    let rig = Rig::<Mongodb>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    let page = format!("/api/book/{}/", keys[9]);
    rig.demo.fault(Fault::on(&page).attempts(1..=1).status(404));
    let report = rig.complete().await;
    assert_eq!((report.items.missing, report.items.gone), (0, 0), "a hiccup");
    rig.demo.clear_faults();
    rig.demo.fault(Fault::on(&page).status(410));
    let report = rig.complete().await;
    assert_eq!((report.items.missing, report.items.gone, report.items.same), (1, 1, 39));
    assert_eq!(gone(&rig, &keys).await, set(&[&keys[9]]));
}

/// An item of the first page leaves once that page is read.
struct OneLeaves {
    demo: Demo,
    key: String,
}

#[async_trait]
impl Meddle for OneLeaves {
    async fn known(&self, _keys: &[Key]) {
        self.demo.remove(&self.key);
    }
}

#[tokio::test]
async fn l1_what_slips_to_a_page_that_was_read_is_found_though_the_sum_is_right() {
    let rig = Rig::<Sqlite>::new(40).await;
    rig.complete().await;
    let keys = rig.demo.keys();
    // First on the second page, until one before it leaves: then it is the last of the first.
    let slips = rig.demo.insert(18);
    let store = rig.store().await;
    let Rig { demo, backend, site, settings } = rig;
    let meddle = Arc::new(OneLeaves { demo, key: keys[3].clone() });
    let meddler = Arc::new(Meddler { store, meddle: meddle.clone() });
    let (_trigger, shutdown) = shutdown::channel();
    let crawl = Crawl::new(site, settings, meddler, "the store".to_owned(), shutdown);
    let report = ended(run(crawl).await, Outcome::Complete);
    assert_eq!(
        (report.index.declared, report.index.listed, report.index.passes),
        (Some(40), 41, 2)
    );
    says(&report, "changed while it was walked");
    let stored = backend.documents("books").await;
    assert!(stored.iter().any(|(key, _)| *key == slips));
    assert!(!meddle.demo.listed(&keys[3]) && meddle.demo.listed(&slips));
}

#[tokio::test]
async fn g3_what_is_marked_already_does_not_count_again() {
    let mut rig = Rig::<Sqlite>::new(40).await;
    let keys = rig.demo.keys();
    rig.complete().await;
    for key in &keys[..10] {
        rig.demo.fault(Fault::on(format!("/api/book/{key}/")).status(404));
    }
    rig.settings.refresh.gone_limit = 30.0;
    assert_eq!(rig.complete().await.items.gone, 10);
    // A tenth more: a quarter is gone already.
    rig.settings.refresh.gone_limit = 20.0;
    rig.demo.fault(Fault::on(format!("/api/book/{}/", keys[20])).status(404));
    let report = rig.complete().await;
    assert_eq!((report.items.missing, report.items.gone), (11, 1), "{report:#?}");
}

#[tokio::test]
async fn g2_a_page_that_is_not_there_is_asked_for_again_at_the_end() {
    for retries in [0, 1] {
        let mut rig = Rig::<Sqlite>::new(40).await;
        let keys = rig.demo.keys();
        rig.complete().await;
        let page = format!("/api/book/{}/", keys[0]);
        rig.demo.fault(Fault::on(&*page).attempts(1..=1).status(404));
        rig.demo.record();
        // Longer than anything is tried again after.
        rig.settings.pace.retries = retries;
        rig.settings.pace.rate = Some(20.0);
        let report = rig.complete().await;
        assert_eq!((report.items.missing, report.items.gone), (0, 0), "{report:#?}");
        let asked = rig.demo.requests();
        assert_eq!(asked.last().map(|seen| &*seen.path), Some(&*page), "nothing else was left");
    }
}
