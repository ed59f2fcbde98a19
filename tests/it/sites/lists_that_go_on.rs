//! Where a list ends, and where it only seems to.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use serde_json::{Value, json};

use super::{crawl_served, crawl_with, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::Sqlite;

fn list(index: &str) -> Site {
    site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n{index}\n"
    ))
}

fn items(ids: impl IntoIterator<Item = usize>) -> Value {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

fn page(asked: &Asked) -> usize {
    asked.number("page").unwrap_or(1)
}

/// The first answer to each path and query is this one; then the site answers as it does.
fn at_first(
    first: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    then: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> Served {
    let seen = Mutex::new(Vec::<String>::new());
    Served::start(move |asked| {
        let name = format!("{} {:?}", asked.path, asked.query);
        let mut seen = seen.lock().expect("nobody panicked");
        let is_first = !seen.contains(&name);
        seen.push(name);
        first(asked).filter(|_| is_first).unwrap_or_else(|| then(asked))
    })
}

const BY_PAGE: &str = "query = { page = '{page}' }\npaging = { by = 'page' }";
const BY_NEXT: &str = "paging = { by = 'next', select = '$.next' }";

#[tokio::test]
async fn l3_an_empty_page_that_names_a_next_one_is_not_the_end() {
    let served = Served::start(|asked| {
        let page = page(asked);
        let ids = if page == 2 { 0..0 } else { page * 10..page * 10 + 2 };
        let next = (page < 3).then(|| format!("/list?page={}", page + 1));
        Answer::json(&json!({ "list": items(ids), "next": next }))
    });
    let crawled = crawl_served::<Sqlite>(list(BY_NEXT), &served).await;
    assert_eq!(crawled.report.items.new, 4);
}

#[tokio::test]
async fn l3_l13_an_empty_page_that_names_one_that_was_read_is_the_end() {
    let served = Served::start(|asked| {
        let page = page(asked);
        let ids = if page > 1 { 0..0 } else { 1..3 };
        Answer::json(&json!({ "list": items(ids), "next": format!("/list?page={}", page.max(2)) }))
    });
    let crawled = crawl_served::<Sqlite>(list(BY_NEXT), &served).await;
    assert_eq!((crawled.report.items.new, served.count("/list")), (2, 3));
}

#[tokio::test]
async fn l3_one_empty_page_does_not_end_the_list_at_the_next() {
    let asked_for_2 = Mutex::new(0);
    let served = Served::start(move |asked| {
        let page = page(asked);
        let mut asked_for_2 = asked_for_2.lock().expect("nobody panicked");
        *asked_for_2 += u32::from(page == 2);
        let is_hiccup = page == 2 && *asked_for_2 == 1;
        let ids = if page == 3 || is_hiccup { 0..0 } else { page * 10..page * 10 + 2 };
        let next = (page < 5).then(|| format!("/list?page={}", page + 1));
        Answer::json(&json!({ "list": items(ids), "next": next }))
    });
    let crawled = crawl_served::<Sqlite>(list(BY_NEXT), &served).await;
    assert_eq!(crawled.report.items.new, 8);
}

#[tokio::test]
async fn l3_an_empty_page_after_an_error_is_not_believed_either() {
    let empty = Mutex::new(0);
    let served = at_first(
        |asked| (page(asked) == 2).then(|| Answer::json(&json!({})).status(503)),
        move |asked| {
            let page = page(asked);
            let mut empty = empty.lock().expect("nobody panicked");
            *empty += u32::from(page == 2);
            let is_hiccup = page == 2 && *empty == 1;
            let ids = if page > 3 || is_hiccup { 0..0 } else { page * 10..page * 10 + 2 };
            Answer::json(&json!({ "list": items(ids) }))
        },
    );
    let crawled = crawl_served::<Sqlite>(list(BY_PAGE), &served).await;
    assert_eq!(crawled.report.items.new, 6);
}

#[tokio::test]
async fn l3_a_404_after_the_last_page_is_requested_twice() {
    let served = at_first(
        |asked| (page(asked) == 2).then(Answer::not_found),
        |asked| match page(asked) {
            page @ 1..=3 => Answer::json(&json!({ "list": items(page * 10..page * 10 + 2) })),
            _ => Answer::not_found(),
        },
    );
    let crawled = crawl_served::<Sqlite>(list(BY_PAGE), &served).await;
    assert_eq!(crawled.report.items.new, 6);
}

#[tokio::test]
async fn a_page_that_was_only_a_guess_may_be_missing() {
    // A full last page: whether the list goes on is seen on the next one.
    let full = Served::start(|asked| match asked.number("o").unwrap_or(0) {
        o @ 0..10 => Answer::json(&json!({ "total": 10, "list": items(o..o + 5) })),
        _ => Answer::not_found(),
    });
    let site = list(
        "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 5, total = '$.total' }",
    );
    assert_eq!(crawl_served::<Sqlite>(site, &full).await.report.items.new, 10);
    // One page only, which does not say so.
    let single = Served::start(|asked| match page(asked) {
        1 => Answer::json(&json!({ "list": items(0..5) })),
        _ => Answer::not_found(),
    });
    let site = list("query = { page = '{page}' }\npaging = { by = 'page', last = '$.last' }");
    assert_eq!(crawl_served::<Sqlite>(site, &single).await.report.items.new, 5);
}

#[tokio::test]
async fn l1_a_list_that_shifts_while_it_is_walked_is_walked_again() {
    // While the first pass is under way, items move from page 2 to page 1, which was read.
    let served = at_first(
        |asked| match page(asked) {
            1 => Some(Answer::json(&json!({ "total": 10, "list": items(0..5) }))),
            2 => Some(Answer::json(&json!({ "total": 10, "list": items([3, 4, 7, 8, 9]) }))),
            _ => None,
        },
        |asked| {
            let from = (page(asked) - 1) * 5;
            Answer::json(&json!({ "total": 10, "list": items(from..from + 5) }))
        },
    );
    let site =
        list("query = { page = '{page}' }\npaging = { by = 'page', size = 5, total = '$.total' }");
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    assert_eq!((crawled.report.items.new, crawled.report.index.passes), (10, 2));
    says(&crawled.report, "items found, pass by pass: 8, 2");
}

#[tokio::test]
async fn l1_a_list_that_stays_short_is_walked_three_times_and_incomplete() {
    let served = Served::start(|_| Answer::json(&json!({ "total": 7, "list": items(0..5) })));
    let site =
        list("query = { page = '{page}' }\npaging = { by = 'page', size = 10, total = '$.total' }");
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.index.passes, served.count("/list")), (3, 3));
    says(&crawled.report, "the list does not add up: it declares 7 items and lists 5");
}

#[tokio::test]
async fn a_server_that_gives_fewer_than_asked_is_noticed_without_an_exact_count() {
    let served = Served::start(|asked| {
        let o = asked.number("o").unwrap_or(0);
        let ids = if o < 20 { o..o + 5 } else { 0..0 };
        Answer::json(&json!({ "total": 21, "list": items(ids) }))
    });
    let text = "total_exact = false\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\nquery = { o = '{offset}' }\n\
                paging = { by = 'offset', limit = 10, total = '$.total' }";
    let site = site_of(&format!("name = 'x'\nbase_url = 'http://h'\n{text}\n"));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    says(&crawled.report, "has 5 of the 10 items requested");
}

#[tokio::test]
async fn pages_beyond_the_limit_do_not_wait_for_the_rate() {
    let served = Served::start(|asked| {
        let from = asked.number("o").unwrap_or(0);
        Answer::json(&json!({ "total": 400, "list": items(from..from + 10) }))
    });
    let site = list(
        "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 10, total = '$.total' }",
    );
    let settings = settings().with(|it| {
        it.scope.limit = Some(15);
        it.pace.rate = Some(4.0);
        it.pace.robots = false;
    });
    let begun = Instant::now();
    crawl_with::<Sqlite>(site, &served, settings, Outcome::Complete).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?} for 40 pages", begun.elapsed());
}

#[tokio::test]
async fn redirects_are_paced_too() {
    let served = Served::start(|asked| match asked.path.strip_suffix('/') {
        None if asked.path.starts_with("/page") => {
            Answer::text(String::new()).status(301).header("location", &format!("{}/", asked.path))
        }
        Some(path) => Answer::json(&json!({ "id": path.trim_start_matches("/page/") })),
        None => Answer::json(&json!({ "list": items(0..5) })),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n[detail]\nurl = '/page/{key}'\n",
    );
    let settings = settings().with(|it| {
        it.pace.rate = Some(20.0);
        it.pace.robots = false;
    });
    let begun = Instant::now();
    crawl_with::<Sqlite>(site, &served, settings, Outcome::Complete).await;
    let requests = served.requests().len() as u32;
    assert_eq!(requests, 11);
    assert!(begun.elapsed() >= Duration::from_millis(48) * (requests - 2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_field_that_never_fits_is_no_refusal_of_the_site() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": items(0..60) })),
        _ => Answer::json(&json!({ "n": "n/a" })),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n[detail]\nurl = '/page/{key}'\n\
         [detail.fields]\nn = { select = '$.n', as = 'number' }\n",
    );
    let settings = settings().with(|it| it.pace.retries = 0);
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Incomplete).await;
    assert_eq!(crawled.report.items.failed, 60);
}

fn sitemap(entries: impl IntoIterator<Item = String>, of: &str) -> Answer {
    let outer = if of == "url" { "urlset" } else { "sitemapindex" };
    let entries: String =
        entries.into_iter().map(|loc| format!("<{of}><loc>{loc}</loc></{of}>")).collect();
    Answer::xml(format!(
        "<?xml version='1.0'?><{outer} xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{entries}</{outer}>"
    ))
}

const SITEMAP: &str = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/sitemap.xml'\npaging = { by = 'sitemap' }\nkey = '/p/(\\d+)'\n[detail]\n";

#[tokio::test]
async fn sitemaps_may_name_the_same_pages() {
    let served = Served::start(|asked| {
        let origin = asked.origin();
        match asked.path.as_str() {
            "/sitemap.xml" => sitemap(
                ["en", "de", "fr", "es", "xx"].map(|it| format!("{origin}/{it}.xml")),
                "sitemap",
            ),
            "/xx.xml" => sitemap((5..10).map(|id| format!("{origin}/p/{id}")), "url"),
            path if path.ends_with(".xml") => {
                sitemap((0..5).map(|id| format!("{origin}/p/{id}")), "url")
            }
            path if path.starts_with("/p/") => Answer::json(&json!({ "at": path })),
            _ => Answer::not_found(),
        }
    });
    let crawled = crawl_served::<Sqlite>(site_of(SITEMAP), &served).await;
    assert_eq!(crawled.report.items.new, 10);
}

#[tokio::test]
async fn l8_sitemaps_of_sitemaps_without_end_stop_at_the_cap() {
    let served = Served::start(|asked| {
        let deeper =
            (0..3).map(|at| format!("{}{}{at}/", asked.origin(), asked.path.replace(".xml", "/")));
        sitemap(deeper, "sitemap")
    });
    let site = site_of(&SITEMAP.replace("[detail]", "max_pages = 12\n[detail]"));
    let settings = settings().with(|it| it.pace.robots = false);
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Incomplete).await;
    assert_eq!(served.requests().len(), 12);
    says(&crawled.report, "the list continues after 12 pages");
}

#[tokio::test]
async fn l6_a_page_of_items_without_keys_is_not_retried_forever() {
    let served = Served::start(|_| Answer::json(&json!({ "list": [{ "no": 1 }, { "no": 2 }] })));
    let crawled =
        crawl_with::<Sqlite>(list(BY_PAGE), &served, settings(), Outcome::Incomplete).await;
    assert!(served.count("/list") < 5, "{}", served.count("/list"));
    says(&crawled.report, "2 items without a key");
}

#[tokio::test]
async fn invalid_categories_and_their_counts_are_reported() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/seeds" => Answer::json(&json!({ "n": 6, "all": ["a", null, { "x": 1 }] })),
        _ => Answer::json(&json!({ "list": items(0..2) })),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[seeds]\nurl = '/seeds?o={offset}'\nselect = '$.all[*]'\n\
         paging = { by = 'offset', limit = 10, total = '$.n' }\n[index]\nurl = '/list'\nquery = { of = '{seed}' }\n\
         items = '$.list[*]'\nkey = '$.id'\n",
    );
    let settings = settings().with(|it| it.pace.robots = false);
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Incomplete).await;
    says(&crawled.report, "2 categories are neither texts nor numbers");
    says(
        &crawled.report,
        "the list of categories does not add up: it declares 6 items and lists 1",
    );
}

#[tokio::test]
async fn a_range_of_pages_beyond_a_single_page_is_nothing() {
    let served = Served::start(|_| Answer::json(&json!({ "list": items(0..5) })));
    let settings = settings().with(|it| {
        it.scope.pages = "2..5".parse().ok();
        it.pace.robots = false;
    });
    crawl_with::<Sqlite>(list(""), &served, settings, Outcome::Incomplete).await;
    assert_eq!(served.requests().len(), 0);
}

#[tokio::test]
async fn l6_a_failure_of_one_pass_is_not_undone_by_another() {
    let served = Served::start(|asked| match (asked.path.as_str(), page(asked)) {
        ("/list", 1) => Answer::json(&json!({ "total": 4, "list": [{ "id": 1 }, { "no": 2 }] })),
        ("/list", _) => Answer::json(&json!({})).status(500),
        _ => Answer::not_found(),
    });
    let site =
        list("query = { page = '{page}' }\npaging = { by = 'page', size = 2, total = '$.total' }");
    let settings = settings().with(|it| it.pace.retries = 0);
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Incomplete).await;
    assert_eq!(crawled.report.index.passes, 3);
    let failures = crawled.backend.failures().await;
    let reasons: Vec<&str> = failures.iter().map(|failure| failure.reason.as_str()).collect();
    assert!(reasons.contains(&"key") && reasons.contains(&"status"), "{reasons:?}");
}
