//! What answers mean: statuses that are pages, that end a list, or that say "not yet", and pages that
//! say that they are none.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Settings;
use serde_json::{Value, json};

use super::{Crawled, crawl_with, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::Sqlite;
use crate::store_contract::{Backend, Ledger};

/// As for other sites; robots.txt is not asked for, so that a test's answers are to pages only.
fn settings() -> Settings {
    super::settings().with(|it| it.pace.robots = false)
}

async fn crawl_served<B: Backend>(site: Site, served: &Served) -> Crawled<B> {
    crawl_with::<B>(site, served, settings(), Outcome::Complete).await
}

const BY_PAGE: &str = "query = { page = '{page}' }\npaging = { by = 'page' }";
const DETAIL: &str = "[detail]\nurl = '/item/{key}'\n";

fn list(index: &str, more: &str) -> Site {
    site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n{index}\n{more}\n"
    ))
}

fn items(ids: impl IntoIterator<Item = usize>) -> Value {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

fn page(asked: &Asked) -> usize {
    asked.number("page").unwrap_or(1)
}

/// Two pages of two items, and behind them `end`.
fn two_pages(end: impl Fn() -> Answer + Send + Sync + 'static) -> Served {
    Served::start(move |asked| match page(asked) {
        page @ 1..=2 => Answer::json(&json!({ "list": items(page * 10..page * 10 + 2) })),
        _ => end(),
    })
}

#[tokio::test]
async fn w20_201_203_and_206_are_pages() {
    for status in [201, 203, 206] {
        let served = Served::start(move |asked| match asked.path.as_str() {
            "/list" => Answer::json(&json!({ "list": items(0..3) })).status(status),
            path => Answer::json(&json!({ "at": path })).status(status),
        });
        let crawled = crawl_served::<Sqlite>(list("", DETAIL), &served).await;
        assert_eq!(crawled.report.items.new, 3, "{status}");
    }
}

#[tokio::test]
async fn w20_a_status_that_the_file_leaves_out_is_no_page() {
    let served = Served::start(|_| Answer::json(&json!({ "list": items(0..3) })).status(203));
    let site = list("", "[answers]\nok = [200]");
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Failed).await;
    assert_eq!(crawled.backend.failures().await[0].status, Some(203));
}

/// The list and each item answer 202 at first, with this header or none.
fn not_yet(header: Option<(&'static str, &'static str)>, times: usize) -> Served {
    let seen = Mutex::new(Vec::<String>::new());
    Served::start(move |asked| {
        let mut seen = seen.lock().expect("nobody panicked");
        seen.push(asked.path.clone());
        if seen.iter().filter(|path| **path == asked.path).count() <= times {
            let answer = Answer::text("in the making".to_owned()).status(202);
            return header.into_iter().fold(answer, |it, (name, value)| it.header(name, value));
        }
        match asked.path.as_str() {
            "/list" => Answer::json(&json!({ "list": items(0..3) })),
            path => Answer::json(&json!({ "at": path })),
        }
    })
}

#[tokio::test]
async fn w20_a_202_without_a_wait_is_retried_and_costs_an_attempt() {
    let served = not_yet(None, 1);
    let crawled = crawl_served::<Sqlite>(list("", DETAIL), &served).await;
    assert_eq!(crawled.report.items.new, 3);
    let for_ever = not_yet(None, usize::MAX);
    crawl_with::<Sqlite>(list("", DETAIL), &for_ever, settings(), Outcome::Failed).await;
    assert_eq!(for_ever.count("/list"), 2, "one retry");
}

#[tokio::test]
async fn w20_a_202_with_a_wait_costs_no_attempt() {
    // More often than there are attempts.
    for (header, answers) in [(Some(("retry-after", "0")), ""), (None, "[answers]\nwait = '1s'")] {
        let served = not_yet(header, 3);
        let begun = Instant::now();
        let crawled =
            crawl_served::<Sqlite>(list("", &format!("{answers}\n{DETAIL}")), &served).await;
        assert_eq!(crawled.report.items.new, 3, "{answers}");
        let longest = Duration::from_secs(if answers.is_empty() { 0 } else { 3 });
        assert!(begun.elapsed() >= longest, "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn w20_a_202_for_ever_is_its_page_s_failure_after_five_waits_that_cost_nothing() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": items(0..30) })),
        "/item/1" => {
            Answer::text("in the making".to_owned()).status(202).header("retry-after", "1")
        }
        path => Answer::json(&json!({ "at": path })).later(Duration::from_millis(400)),
    });
    let mut settings = settings();
    (settings.pace.workers, settings.pace.retries, settings.pace.adaptive) = (1, 1, false);
    let crawled =
        crawl_with::<Sqlite>(list("", DETAIL), &served, settings, Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.failed), (29, 1));
    let asked = served.requests().iter().filter(|asked| asked.path == "/item/1").count();
    assert_eq!(asked, 5 + 2, "as with 503");
}

#[tokio::test]
async fn w20_206_with_a_part_of_the_page_is_no_page() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": items(0..4) })),
        path => {
            let range = match path {
                "/item/1" => "bytes 0-11/5000",
                "/item/2" => "bytes 0-19/20",
                "/item/3" => "items 0-9/5000",
                _ => "bytes 0-19/*",
            };
            Answer::json(&json!({ "at": path })).status(206).header("content-range", range)
        }
    });
    let crawled =
        crawl_with::<Sqlite>(list("", DETAIL), &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.failed), (3, 1));
    let failure = &crawled.backend.failures().await[0];
    assert!(failure.message.contains("a part of it came: bytes 0-11/5000"), "{failure:?}");
}

#[tokio::test]
async fn w20_a_page_with_a_missing_mark_is_missing() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": items(0..3) })),
        "/item/1" => Answer::json(&json!({ "gone": true, "error": null })),
        path => Answer::json(&json!({ "at": path, "gone": false, "error": {} })),
    });
    let marks = "[answers]\nmissing = ['$.gone']\nerror = ['$.error']\n";
    let crawled = crawl_served::<Sqlite>(list("", &format!("{marks}{DETAIL}")), &served).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.missing), (2, 1));
    assert_eq!(served.count("/item/1"), 2, "as with 404, believed the second time");
}

#[tokio::test]
async fn w20_an_html_page_with_a_missing_mark_is_missing() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::html("<a href='/p/1'>1</a><a href='/p/2'>2</a>".to_owned()),
        "/p/1" => Answer::html("<h1 class=gone>Removed</h1>".to_owned()),
        _ => Answer::html("<h1>Two</h1>".to_owned()),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[answers]\nmissing = ['h1.gone']\n[index]\nurl = '/list'\n\
         items = 'a'\nkey = { select = '::attr(href)', regex = '/p/(.+)' }\n[detail]\nlink = '::attr(href)'\n\
         [detail.fields]\ntitle = 'h1::text'\n",
    );
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.missing), (1, 1));
}

#[tokio::test]
async fn w20_a_page_with_an_error_mark_is_retried_and_then_fails() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": items(0..3) })),
        "/item/1" => Answer::json(&json!({ "at": 1, "error": { "code": 17 } })),
        path => Answer::json(&json!({ "at": path, "error": null })),
    });
    let site = list("", &format!("[answers]\nerror = ['$.error']\n{DETAIL}"));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, served.count("/item/1")), (2, 2));
    let failure = &crawled.backend.failures().await[0];
    assert_eq!(failure.reason, "answer");
}

#[tokio::test]
async fn l15_a_status_that_ends_lists_ends_them_where_the_page_was_a_guess() {
    for (status, answers) in [
        (204, ""),
        (404, ""),
        (410, ""),
        (400, "[answers]\nend = [400]"),
        (500, "[answers]\nend = [500]"),
    ] {
        let served = two_pages(move || Answer::text(String::new()).status(status));
        let crawled = crawl_served::<Sqlite>(list(BY_PAGE, answers), &served).await;
        assert_eq!(crawled.report.items.new, 4, "{status}");
        assert_eq!(served.count("/list"), 4, "{status}: requested twice before it is believed");
    }
}

#[tokio::test]
async fn l15_a_page_that_says_that_it_is_gone_ends_a_list() {
    let served = two_pages(|| Answer::json(&json!({ "error": "no such page" })));
    let site = list(BY_PAGE, "[answers]\nmissing = ['$.error']");
    assert_eq!(crawl_served::<Sqlite>(site, &served).await.report.items.new, 4);
}

#[tokio::test]
async fn l15_a_status_that_ends_no_lists_is_a_lost_page() {
    for (status, answers) in [(400, ""), (404, "[answers]\nend = [204]")] {
        let served = two_pages(move || Answer::text(String::new()).status(status));
        let site = list(BY_PAGE, answers);
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
        says(&crawled.report, "1 page of the list was lost");
    }
}

#[tokio::test]
async fn l15_an_announced_page_is_lost_whatever_the_status() {
    for status in [204, 404, 410] {
        let served = Served::start(move |asked| match page(asked) {
            1 => Answer::json(&json!({ "list": items(0..2), "next": "/list?page=2", "last": 2 })),
            _ => Answer::text(String::new()).status(status),
        });
        for paging in [
            "paging = { by = 'next', select = '$.next' }",
            "query = { page = '{page}' }\npaging = { by = 'page', last = '$.last' }",
        ] {
            let site = list(paging, "");
            let crawled =
                crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
            says(&crawled.report, "1 page of the list was lost");
        }
    }
}

#[tokio::test]
async fn l15_a_category_whose_first_page_is_not_there_is_empty() {
    let served = Served::start(|asked| match asked.query.get("of").map(String::as_str) {
        Some("a") => Answer::json(&json!({ "list": items(0..2) })),
        Some("b") => Answer::text(String::new()).status(204),
        _ => Answer::not_found(),
    });
    let seeds = "[seeds]\nvalues = ['a', 'b', 'c']";
    let crawled = crawl_served::<Sqlite>(list("query = { of = '{seed}' }", seeds), &served).await;
    assert_eq!(crawled.report.items.new, 2);
    says(&crawled.report, "the list of b is not there, and counts as empty");
    says(&crawled.report, "the list of c is not there, and counts as empty");
    // All of them: nothing was listed, which is never complete.
    let served = Served::start(|_| Answer::not_found());
    let site = list("query = { of = '{seed}' }", seeds);
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    says(&crawled.report, "the list is empty, and does not say that it should be");
}
