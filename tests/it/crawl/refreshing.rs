//! Crawls of a site that was crawled before: what was not finished goes on, what did not change is
//! not fetched again, and one run at a time holds the site.

use std::time::{Duration, Instant};

use gleaner::demo::{Fault, Options};
use gleaner::engine::error::CrawlError;
use gleaner::model::report::Outcome;
use gleaner::store::StoreError;
use gleaner::sweep::lock::Claim;
use gleaner::sweep::{Holder, State, SweepEntry};
use gleaner::system::shutdown;

use super::rig::{Rig, adds_up, ended, run, until};
use crate::records::{place, provenance, record};
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::lock::begun;
use crate::store_contract::lock::takes;
use crate::store_contract::{Backend, Ledger};

/// A rig whose crawl was told to stop after so many requests.
async fn stopped_after<B: Backend>(items: usize, requests: u64) -> (Rig<B>, u64) {
    let options = Options { items, latency: Duration::from_millis(5), ..Options::default() };
    let rig = Rig::<B>::with(options).await;
    let (trigger, shutdown) = shutdown::channel();
    let crawl = rig.crawl_of(rig.store().await, shutdown);
    let stop = async {
        until("requests", async || rig.demo.stats().requests >= requests).await;
        trigger.request();
    };
    let (first, ()) = tokio::join!(run(crawl), stop);
    assert_eq!(first.report.outcome, Outcome::Interrupted, "{:#?}", first.report);
    let asked = rig.demo.stats().requests;
    (rig, asked)
}

async fn an_interrupted_sweep_goes_on<B: Backend>() {
    let (rig, asked) = stopped_after::<B>(120, 60).await;
    let first = rig.documents().await.len() as u64;
    let report = rig.complete().await;
    assert!(report.resumed);
    assert_eq!((report.items.new, report.items.same), (120, 0), "the items are the sweep's");
    assert_eq!(report.store.written, 120 - first, "what was written is not written again");
    let again = rig.demo.stats().requests - asked;
    assert_eq!(again, report.index.pages + (120 - first), "the list, and what was not fetched");
    rig.equals_the_site().await;
    let next = rig.complete().await;
    assert!(!next.resumed);
    assert_eq!((next.items.same, next.items.new), (120, 0));
}

#[tokio::test]
async fn s5_an_interrupted_sweep_goes_on_in_sqlite() {
    an_interrupted_sweep_goes_on::<Sqlite>().await;
}

#[tokio::test]
async fn s5_an_interrupted_sweep_goes_on_in_mongodb() {
    an_interrupted_sweep_goes_on::<Mongodb>().await;
}

#[tokio::test]
async fn s7_another_site_file_begins_anew_and_so_does_fresh() {
    let (mut rig, _) = stopped_after::<Sqlite>(60, 30).await;
    rig.site.index.total_exact = true;
    rig.settings.scope.fresh = true;
    let report = rig.complete().await;
    assert!(!report.resumed);
    assert!(report.items.new < 60 && report.items.new + report.items.same == 60, "{report:#?}");
    let (mut rig, _) = stopped_after::<Sqlite>(60, 30).await;
    rig.site.ignore = vec![gleaner::select::Selector::parse("$.score").expect("a path")];
    assert!(!rig.complete().await.resumed);
}

#[tokio::test]
async fn a_limited_run_is_never_gone_on_with() {
    let (mut rig, _) = stopped_after::<Sqlite>(60, 30).await;
    rig.settings.scope.limit = Some(5);
    let limited = ended(rig.crawl().await, Outcome::Complete);
    assert!(!limited.resumed);
    rig.settings.scope.limit = None;
    assert!(rig.complete().await.resumed, "the full one before it still is");
}

#[tokio::test]
async fn s8_of_two_runs_at_once_the_second_refuses_and_says_who_holds_the_site() {
    let options = Options { items: 60, latency: Duration::from_millis(20), ..Options::default() };
    let rig = Rig::<Sqlite>::with(options).await;
    let (_trigger, shutdown) = shutdown::channel();
    let first = rig.crawl_of(rig.store().await, shutdown);
    let second = async {
        until("the first is under way", async || rig.demo.stats().requests > 2).await;
        rig.crawl().await
    };
    let (first, second) = tokio::join!(run(first), second);
    ended(first, Outcome::Complete);
    let Some(CrawlError::Held(holder)) = &second.error else { panic!("{:?}", second.error) };
    assert_eq!(holder.entry.holder.as_ref().map(|holder| holder.pid), Some(std::process::id()));
    let message = second.error.as_ref().map(ToString::to_string).unwrap_or_default();
    assert!(
        message.contains("another run holds the site lock books: process ")
            && message.contains(", since 2"),
        "{message}"
    );
    rig.equals_the_site().await;
}

async fn etags_save_bodies<B: Backend>() {
    let rig = Rig::<B>::with(Options { items: 40, etags: true, ..Options::default() }).await;
    let first = rig.complete().await;
    let before = rig.known().await;
    let second = rig.complete().await;
    assert_eq!((second.items.same, second.requests.not_modified), (40, 40));
    assert_eq!(second.store.written, 0, "nothing is replaced");
    assert!(second.requests.bytes * 5 < first.requests.bytes, "{second:#?}");
    let after = rig.known().await;
    for (key, known) in &after {
        let was = &before[key];
        assert_eq!((known.first_seen, known.changed_at), (was.first_seen, was.changed_at));
        assert!(known.fetched_at > was.fetched_at && known.sweep != was.sweep);
        assert_eq!((&known.version, known.digest), (&was.version, was.digest));
    }
    let key = rig.demo.keys()[3].clone();
    rig.demo.change(&key);
    let third = rig.complete().await;
    assert_eq!((third.items.changed, third.items.same, third.requests.not_modified), (1, 39, 39));
    rig.equals_the_site().await;
}

#[tokio::test]
async fn a_refresh_by_etag_fetches_only_what_changed_into_sqlite() {
    etags_save_bodies::<Sqlite>().await;
}

#[tokio::test]
async fn a_refresh_by_etag_fetches_only_what_changed_into_mongodb() {
    etags_save_bodies::<Mongodb>().await;
}

#[tokio::test]
async fn other_rules_fetch_everything_and_so_does_conditional_off() {
    let mut rig =
        Rig::<Sqlite>::with(Options { items: 20, etags: true, ..Options::default() }).await;
    rig.complete().await;
    rig.settings.refresh.conditional = false;
    assert_eq!(rig.complete().await.requests.not_modified, 0);
    rig.settings.refresh.conditional = true;
    let text = "name = 'books'\nbase_url = 'http://h'\n[index]\nurl = '/api/book/'\nquery = { limit = '{limit}', offset = '{offset}' }\n\
                paging = { by = 'offset', limit = 18, total = '$.count' }\nitems = '$.results[*]'\nkey = '$.id'\n[detail]\n\
                url = '/api/book/{key}/'\n[detail.fields]\nname = '$.name'\n";
    let site = gleaner::site::Site::parse(text, "x.toml").expect("a site");
    rig.site = gleaner::site::Site { base_url: rig.site.base_url.clone(), ..site };
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!(
        (report.requests.not_modified, report.items.changed),
        (0, 20),
        "a new field reaches all"
    );
}

#[tokio::test]
async fn what_was_fetched_recently_is_skipped() {
    let mut rig = Rig::<Mongodb>::new(25).await;
    rig.complete().await;
    rig.settings.refresh.max_age = Some(Duration::from_secs(3600));
    let before = rig.demo.stats().requests;
    let report = rig.complete().await;
    assert_eq!((report.items.skipped, report.items.same), (25, 0));
    assert_eq!(rig.demo.stats().requests - before, report.index.pages);
}

#[tokio::test]
async fn an_item_that_left_the_store_meanwhile_is_fetched_in_full() {
    let rig = Rig::<Sqlite>::with(Options { items: 20, etags: true, ..Options::default() }).await;
    rig.complete().await;
    let lost = rig.demo.keys()[7].clone();
    // While its page is being asked for, somebody deletes the document.
    rig.demo.fault(
        Fault::on(format!("/api/book/{lost}/")).attempts(1..=1).delay(Duration::from_millis(700)),
    );
    let delete = async {
        tokio::time::sleep(Duration::from_millis(350)).await;
        rig.backend.remove("books", &lost).await;
    };
    let (report, ()) = tokio::join!(rig.crawl(), delete);
    adds_up(&report.report);
    assert_eq!(report.report.outcome, Outcome::Complete, "{:#?}", report.report);
    rig.equals_the_site().await;
}

/// A crawl that another one takes the lock from, once it has made so many requests.
async fn loses_the_lock_after(requests: u64, rig: &Rig<Sqlite>) {
    let take_over = async {
        until("it is under way", async || rig.demo.stats().requests >= requests).await;
        let store = rig.store().await;
        until("it has the lock", async || !store.sweeps(1).await.expect("a ledger").is_empty())
            .await;
        let over = store.sweeps(1).await.expect("the ledger").remove(0).entry;
        let holder =
            over.holder.clone().map(|it| Holder { host: "elsewhere".into(), pid: 7, ..it });
        let entry = SweepEntry { holder, ..over.clone() };
        takes(&store, &Claim::resume(entry, over)).await;
    };
    let (ended, ()) = tokio::join!(rig.crawl(), take_over);
    assert!(matches!(ended.error, Some(CrawlError::LockLost)), "{:?}", ended.error);
    assert_eq!(ended.report.outcome, Outcome::Failed);
    let entry = rig.store().await.sweeps(1).await.expect("the ledger").remove(0).entry;
    assert_eq!(entry.state, State::Running, "the other one's sweep continues");
    assert_eq!(ended.report.sweep, Some(entry.id), "what is said is said of that sweep");
}

#[tokio::test]
async fn s8_a_run_that_lost_the_lock_says_so_and_ends_nothing() {
    let options = Options { items: 40, latency: Duration::from_millis(20), ..Options::default() };
    loses_the_lock_after(4, &Rig::with(options).await).await;
}

#[tokio::test]
async fn s8_a_run_that_lost_the_lock_writes_nothing_any_more() {
    let mut rig = Rig::with(Options { items: 60, ..Options::default() }).await;
    // All is in hand until the loss is noticed.
    let flush = Duration::from_secs(60);
    rig.settings.pace.rate = Some(4.0);
    rig.settings.store.flush = flush;
    loses_the_lock_after(4, &rig).await;
    assert_eq!(rig.documents().await.len(), 0);
}

#[tokio::test]
async fn s8_who_lost_the_lock_in_its_sleep_finds_out_before_it_writes() {
    let backend = Sqlite::start().await;
    let store = backend.open(&place("books", "books")).await.expect("the store opens");
    takes(&store, &Claim::new(begun(1))).await;
    let write = || [record("1", "{}", store.encoding())];
    assert_eq!(store.write(&provenance("s"), &write()).await, Ok(Vec::new()));
    let thief = backend.open(&place("books", "books")).await.expect("the store opens");
    let over = thief.sweeps(1).await.expect("the ledger").remove(0).entry;
    let other = SweepEntry { holder: begun(7).holder, ..over.clone() };
    takes(&thief, &Claim::resume(other, over)).await;
    assert_eq!(store.write(&provenance("s"), &write()).await, Err(StoreError::LockLost));
}

#[tokio::test]
async fn s8_a_run_whose_site_is_slow_to_say_what_it_asks_for_keeps_the_lock_meanwhile() {
    let mut rig = Rig::<Sqlite>::new(5).await;
    rig.settings.pace.robots = true;
    rig.demo.fault(Fault::on("/robots.txt").delay(Duration::from_secs(40)));
    let begun = Instant::now();
    loses_the_lock_after(1, &rig).await;
    assert!(begun.elapsed() < Duration::from_secs(14), "{:?}", begun.elapsed());
    assert_eq!(rig.demo.stats().requests, 1);
}
