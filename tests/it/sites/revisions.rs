//! Revisions: what lists and pages say of when an item changed, and how far that is believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use jiff::Timestamp;
use serde_json::json;

use super::{crawl_into, crawl_served, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

const SITE: &str = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\n\
                    key = '$.id'\nrevision = '$.at'\n[detail]\nurl = '/item/{key}'\n";

/// Three items whose revisions and pages are those of the phase.
fn revised(
    listed: impl Fn(u64) -> String + Send + Sync + 'static,
    page: impl Fn(u64, usize) -> Answer + Send + Sync + 'static,
) -> (Arc<Served>, Arc<AtomicU64>) {
    let phase = Arc::new(AtomicU64::new(1));
    let (now, asked_for) = (phase.clone(), AtomicU64::new(0));
    let served = Served::start(move |asked| {
        let phase = now.load(Relaxed);
        match asked.path.as_str() {
            "/list" => {
                let row = |id| json!({ "id": id, "at": listed(phase) });
                Answer::json(&(1..=3).map(row).collect())
            }
            path if path.starts_with("/item/") => {
                page(phase, asked_for.fetch_add(1, Relaxed) as usize)
            }
            _ => Answer::not_found(),
        }
    });
    (Arc::new(served), phase)
}

fn version(phase: u64, _: usize) -> Answer {
    Answer::json(&json!({ "version": phase }))
}

async fn today_is_not_trusted<B: Backend>() {
    let today = || Timestamp::now().to_string()[..10].to_owned();
    for (revision, again) in [(today(), 3), ("2026-01-01".to_owned(), 0), ("r1".to_owned(), 0)] {
        let (served, phase) = revised(move |_| revision.clone(), version);
        let first = crawl_served::<B>(site_of(SITE), &served).await;
        phase.store(2, Relaxed);
        let next =
            crawl_into(first.backend, site_of(SITE), &served, settings(), Outcome::Complete).await;
        assert_eq!((next.report.items.changed, next.report.items.same), (again, 3 - again));
    }
}

/// Around midnight the day of the list may be over when its pages are asked for: then it is trusted.
#[tokio::test]
async fn g9_a_revision_of_the_day_of_the_fetch_is_not_trusted() {
    today_is_not_trusted::<Sqlite>().await;
    today_is_not_trusted::<Mongodb>().await;
}

#[tokio::test]
async fn g9_conditional_off_ignores_revisions() {
    let (served, phase) = revised(|_| "r1".to_owned(), version);
    let first = crawl_served::<Sqlite>(site_of(SITE), &served).await;
    phase.store(2, Relaxed);
    let off = settings().with(|it| it.refresh.conditional = false);
    let next = crawl_into(first.backend, site_of(SITE), &served, off, Outcome::Complete).await;
    assert_eq!(next.report.items.changed, 3, "the list stood still");
}

/// The page is behind its list, at first or for ever.
#[tokio::test]
async fn g9_a_page_older_than_its_list_is_asked_for_again() {
    let aged = || site_of(&format!("{SITE}revision = '$.at'\n"));
    let day = |phase: u64| format!("2026-11-0{phase}T10:00:00Z");
    let (served, phase) = revised(day, move |phase, asked| {
        // In the second phase each page is old when it is first asked for.
        let of = if phase == 2 && asked < 6 { 1 } else { phase.min(2) };
        Answer::json(&json!({ "at": day(of), "version": of }))
    });
    let first = crawl_served::<Sqlite>(aged(), &served).await;
    phase.store(2, Relaxed);
    let caught_up = crawl_into(first.backend, aged(), &served, settings(), Outcome::Complete).await;
    assert_eq!(caught_up.report.items.changed, 3, "{:#?}", caught_up.report);
    assert!(caught_up.documents.values().all(|it| it["version"] == 2));
    assert_eq!(served.count("/item/"), 3 + 6);
    // From the third phase on pages stay what they were: they are stored, said, and asked for again.
    phase.store(3, Relaxed);
    let behind =
        crawl_into(caught_up.backend, aged(), &served, settings(), Outcome::Complete).await;
    assert_eq!((behind.report.items.same, served.count("/item/")), (3, 9 + 6));
    says(&behind.report, "older than its list says");
    let again = crawl_into(behind.backend, aged(), &served, settings(), Outcome::Complete).await;
    assert_eq!((again.report.items.same, served.count("/item/")), (3, 15 + 6), "not for ever");
}

/// "Not modified" is no news where the list says that there is some.
#[tokio::test]
async fn g9_a_page_that_has_not_changed_though_its_list_has_is_asked_for_again() {
    let aged = || site_of(&format!("{SITE}revision = '$.at'\n"));
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let served = Served::start(move |asked| {
        let phase = now.load(Relaxed);
        // The page follows its list one phase later.
        let at = phase.saturating_sub(1).max(1);
        let tag = format!("\"{at}\"");
        match asked.path.as_str() {
            "/list" => Answer::json(&json!([{ "id": 1, "at": phase.min(2) }])),
            _ if asked.header("if-none-match") == tag => Answer::not_modified(),
            _ => Answer::json(&json!({ "at": at })).header("etag", &tag),
        }
    });
    let first = crawl_served::<Sqlite>(aged(), &served).await;
    phase.store(2, Relaxed);
    let behind = crawl_into(first.backend, aged(), &served, settings(), Outcome::Complete).await;
    assert_eq!(behind.report.items.same, 1);
    phase.store(3, Relaxed);
    let next = crawl_into(behind.backend, aged(), &served, settings(), Outcome::Complete).await;
    assert_eq!(next.report.items.changed, 1, "the list said no more than before");
}

const SITEMAP: &str = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/sitemap.xml'\n\
                       paging = { by = 'sitemap' }\nkey = '/item/(\\d+)'\n";

#[tokio::test]
async fn g9_lastmod_is_ignored_with_revision_false() {
    for (more, changed) in [("", 0), ("revision = false\n", 2)] {
        let phase = Arc::new(AtomicU64::new(1));
        let now = phase.clone();
        let served = Served::start(move |asked| match asked.path.as_str() {
            "/sitemap.xml" => {
                let entry = |id| {
                    let origin = asked.origin();
                    format!("<url><loc>{origin}/item/{id}</loc><lastmod>2020-01-01</lastmod></url>")
                };
                let entries: String = (1..=2).map(entry).collect();
                Answer::xml(format!("<urlset>{entries}</urlset>"))
            }
            _ => Answer::json(&json!({ "version": now.load(Relaxed) })),
        });
        let site = || site_of(&format!("{SITEMAP}{more}[detail]\n"));
        let first = crawl_served::<Sqlite>(site(), &served).await;
        phase.store(2, Relaxed);
        let next = crawl_into(first.backend, site(), &served, settings(), Outcome::Complete).await;
        assert_eq!(next.report.items.changed, changed, "{more}");
    }
}

#[test]
fn g9_a_revision_is_a_selector_or_false() {
    let parse = |text: String| Site::parse(&text, "t.toml").map_err(|error| error.to_string());
    let of = |revision: &str| parse(SITE.replace("'$.at'", revision));
    assert!(of("false").is_ok() && of("{ select = '$.at' }").is_ok());
    let error = of("true").expect_err("not valid here");
    assert!(error.contains("must be a selector or false"), "{error}");
    assert!(of("7").is_err() && of("'$.['").is_err());
    let sitemap = |more: &str| parse(format!("{SITEMAP}{more}[detail]\n"));
    assert!(sitemap("revision = false\n").is_ok());
    let error = sitemap("revision = '$.at'\n").expect_err("a sitemap has its own");
    assert!(error.contains("index.revision") && error.contains("sitemap"), "{error}");
    assert!(parse(format!("{SITE}revision = 'h1'\n")).is_err(), "it is not a JSONPath");
}
