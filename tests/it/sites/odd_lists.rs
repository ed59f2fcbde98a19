//! Lists that lie, repeat themselves, or never end.

use gleaner::model::report::Outcome;
use gleaner::model::task::PageRange;
use serde_json::{Value, json};

use super::{crawl_served, crawl_with, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::Sqlite;

/// A list of items without pages of their own; `paging` and more of `[index]`.
fn list(index: &str) -> gleaner::site::Site {
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

const BY_PAGE: &str = "query = { page = '{page}' }\npaging = { by = 'page' }";

#[tokio::test]
async fn l2_a_list_that_repeats_a_page_for_ever_ends_and_is_incomplete() {
    let served = Served::start(|asked| {
        Answer::json(
            &json!({ "list": items(match page(asked) { 1 => 0..5, 2 => 5..10, _ => 5..10 }) }),
        )
    });
    let crawled =
        crawl_with::<Sqlite>(list(BY_PAGE), &served, settings(), Outcome::Incomplete).await;
    assert_eq!(
        (crawled.report.items.new, served.requests().len()),
        (10, 4),
        "robots.txt and three pages"
    );
    says(&crawled.report, "index page 3 brings nothing but the items of page 2 again");
}

#[tokio::test]
async fn l2_a_planned_list_that_repeats_itself_ends_after_three() {
    let served = Served::start(|_| Answer::json(&json!({ "total": 1000, "list": items(0..5) })));
    let site = list(
        "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 5, total = '$.total' }",
    );
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.report.items.new, 5);
    assert!(served.requests().len() < 30, "{} of 200 pages", served.requests().len());
    says(&crawled.report, "three pages in a row have the items of other pages");
}

#[tokio::test]
async fn l5_a_last_page_that_grows_is_followed() {
    let served = Served::start(|asked| {
        let page = page(asked);
        let last = if page < 3 { 3 } else { 4 };
        Answer::json(&json!({ "last": last, "list": items(page * 10..page * 10 + 5) }))
    });
    let site = list("query = { page = '{page}' }\npaging = { by = 'page', last = '$.last' }");
    assert_eq!(crawl_served::<Sqlite>(site, &served).await.report.items.new, 20);
}

#[tokio::test]
async fn l5_a_header_count_that_is_no_number_is_reported() {
    for (said, outcome, words) in [
        ("12", Outcome::Incomplete, "it declares 12 items and lists 10"),
        (
            "many",
            Outcome::Complete,
            "the count at x-total-count is a text that is not a whole number",
        ),
        (
            "-1",
            Outcome::Complete,
            "the count at x-total-count is a text that is not a whole number",
        ),
    ] {
        let served = Served::start(move |asked| {
            let ids = if page(asked) <= 2 { page(asked) * 10..page(asked) * 10 + 5 } else { 0..0 };
            Answer::json(&json!({ "list": items(ids) })).header("X-Total-Count", said)
        });
        let site = list(
            "query = { page = '{page}' }\npaging = { by = 'page', size = 5, total = { header = 'X-Total-Count' } }",
        );
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), outcome).await;
        assert_eq!(crawled.report.items.new, 10);
        says(&crawled.report, words);
    }
}

#[tokio::test]
async fn a_404_after_the_last_page_is_the_end_and_elsewhere_a_lost_page() {
    let answer = |asked: &Asked| match page(asked) {
        page @ 1..=3 => {
            Answer::json(&json!({ "total": 20, "list": items(page * 10..page * 10 + 5) }))
        }
        _ => Answer::not_found(),
    };
    let served = Served::start(answer);
    let by_page = "query = { page = '{page}' }\npaging = { by = 'page', more = false }";
    assert_eq!(crawl_served::<Sqlite>(list(by_page), &served).await.report.items.new, 15);
    let sized =
        "query = { page = '{page}' }\npaging = { by = 'page', size = 5, total = '$.total' }";
    let crawled = crawl_with::<Sqlite>(list(sized), &served, settings(), Outcome::Incomplete).await;
    says(&crawled.report, "1 page of the list was lost");
}

#[tokio::test]
async fn l7_next_links_in_a_circle_or_to_other_hosts_end_the_list() {
    for (next, words) in [
        ("/list?page=2", "index page 3 says that the next page is one that was read already"),
        ("http://169.254.169.254/latest", "1 page of the list was lost"),
        ("file:///etc/passwd", "1 page of the list was lost"),
    ] {
        let served = Served::start(move |asked| {
            let page = page(asked);
            let next = if page < 3 { format!("/list?page={}", page + 1) } else { next.to_owned() };
            Answer::json(&json!({ "list": items(page * 10..page * 10 + 5), "next": next }))
        });
        let site = list("paging = { by = 'next', select = '$.next' }");
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
        assert_eq!(crawled.report.items.new, 15, "{next}");
        says(&crawled.report, words);
    }
}

#[tokio::test]
async fn l8_a_list_without_end_stops_at_the_cap() {
    let endless = |asked: &Asked| {
        let page = page(asked);
        let next = format!("/list?page={}", page + 1);
        Answer::json(&json!({ "list": items([page]), "next": next }))
    };
    for paging in [BY_PAGE, "paging = { by = 'next', select = '$.next' }"] {
        let served = Served::start(endless);
        let site = list(&format!("{paging}\nmax_pages = 7"));
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
        assert_eq!((crawled.report.items.new, crawled.report.index.pages), (7, 7));
        says(&crawled.report, "the list continues after 7 pages");
    }
}

#[tokio::test]
async fn l9_a_list_in_which_nothing_is_found_is_never_complete() {
    let served = Served::start(|_| Answer::json(&json!({ "results": items(0..5) })));
    let crawled =
        crawl_with::<Sqlite>(list(BY_PAGE), &served, settings(), Outcome::Incomplete).await;
    says(&crawled.report, "the list is empty");
}

#[tokio::test]
async fn l4_a_lost_page_of_categories_is_a_gap() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/seeds" => Answer::json(&json!({ "all": ["a", "b"] })),
        "/list" if asked.query["of"] == "a" => {
            Answer::json(&json!({ "total": 2, "list": items(0..2) }))
        }
        "/robots.txt" => Answer::not_found(),
        _ => Answer::json(&json!({})).status(500),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[seeds]\nurl = '/seeds'\nselect = '$.all[*]'\n[index]\nurl = '/list'\n\
         query = { of = '{seed}' }\nitems = '$.list[*]'\nkey = '$.id'\n",
    );
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.report.items.new, 2);
    says(&crawled.report, "1 page of the list was lost");
}

#[tokio::test]
async fn counts_are_compared_category_by_category() {
    let served = Served::start(|asked| match asked.query.get("of").map(String::as_str) {
        // `a` lists an item twice and so misses one; `b` shares its items with `a`.
        Some("a") => Answer::json(&json!({ "total": 3, "list": items([1, 2, 2]) })),
        Some("b") => Answer::json(&json!({ "total": 2, "list": items([1, 2]) })),
        _ => Answer::not_found(),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[seeds]\nvalues = ['a', 'b']\n[index]\nurl = '/list'\n\
         query = { of = '{seed}', o = '{offset}' }\npaging = { by = 'offset', limit = 3, total = '$.total' }\n\
         items = '$.list[*]'\nkey = '$.id'\n",
    );
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.index.declared), (2, Some(5)));
    says(&crawled.report, "the list of a does not add up: it declares 3 items and lists 2");
    assert!(!crawled.report.problems.iter().any(|it| it.contains("list of b")));
}

#[tokio::test]
async fn a_range_of_pages_is_reached_by_following_the_links_before_it() {
    let served = Served::start(|asked| {
        let page = page(asked);
        let next = (page < 6).then(|| format!("/list?page={}", page + 1));
        Answer::json(&json!({ "list": items([page]), "next": next }))
    });
    let settings = settings().with(|it| it.scope.pages = Some(PageRange { from: 3, to: 4 }));
    let site = list("paging = { by = 'next', select = '$.next' }");
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Complete).await;
    let keys: Vec<&String> = crawled.documents.keys().collect();
    assert_eq!(keys, ["3", "4"]);
}

#[tokio::test]
async fn l5_a_count_that_is_far_too_high_does_not_cost_a_request_for_each_page() {
    let served = Served::start(|asked| {
        let ids = if page(asked) <= 3 { page(asked) * 10..page(asked) * 10 + 5 } else { 0..0 };
        Answer::json(&json!({ "list": items(ids), "count": 100_000 }))
    });
    let site =
        list("query = { page = '{page}' }\npaging = { by = 'page', size = 5, total = '$.count' }");
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.report.items.new, 15);
    says(&crawled.report, "it declares 100000 items and lists 15");
    let asked = served.count("/list");
    assert!(asked < 2_000, "{asked} requests for a plan of 20,000 pages, three times");
}

#[tokio::test]
async fn l3_an_empty_page_in_the_middle_that_declares_zero_is_requested_again() {
    let asked_for_2 = std::sync::atomic::AtomicU32::new(0);
    let served = Served::start(move |asked| {
        let is_hiccup =
            page(asked) == 2 && asked_for_2.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0;
        match is_hiccup {
            true => Answer::json(&json!({ "list": [], "count": 0 })),
            false => {
                let ids =
                    if page(asked) <= 3 { page(asked) * 10..page(asked) * 10 + 5 } else { 0..0 };
                Answer::json(&json!({ "list": items(ids), "count": 15 }))
            }
        }
    });
    let mut site =
        list("query = { page = '{page}' }\npaging = { by = 'page', size = 5, total = '$.count' }");
    site.index.total_exact = false;
    assert_eq!(crawl_served::<Sqlite>(site, &served).await.report.items.new, 15);
}
