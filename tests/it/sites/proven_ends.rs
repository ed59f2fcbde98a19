//! The end of a list is proven: by pages of the list's own kind that say so, not by whatever else came.

use std::sync::Mutex;

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Settings;
use serde_json::{Value, json};

use super::{Crawled, crawl_with, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::Sqlite;

const BY_PAGE: &str = "query = { page = '{page}' }\npaging = { by = 'page' }";
const BY_NEXT: &str = "paging = { by = 'next', select = '$.next' }";
const BY_CURSOR: &str =
    "query = { at = '{cursor}' }\npaging = { by = 'cursor', select = '$.cursor' }";
const BY_OFFSET: &str =
    "query = { o = '{offset}', limit = '{limit}' }\npaging = { by = 'offset', limit = 10 }";

fn list(index: &str) -> Site {
    site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n{index}\n"
    ))
}

/// An HTML list of `a.i` elements; `more` of `[index]`.
fn html_list(more: &str) -> Site {
    site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[index]\nurl = '/list'\nitems = 'a.i'\n\
         key = {{ select = '::attr(href)', regex = '(\\d+)$' }}\n{more}\n[index.fields]\nname = '::text'\n"
    ))
}

fn items(ids: impl IntoIterator<Item = usize>) -> Value {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

fn links(ids: impl IntoIterator<Item = usize>) -> String {
    ids.into_iter().map(|id| format!("<a class=i href='/i/{id}'>{id}</a>")).collect()
}

fn page(asked: &Asked) -> usize {
    asked.number("page").unwrap_or(1)
}

fn at(asked: &Asked) -> usize {
    asked.number("at").unwrap_or(0)
}

fn settings() -> Settings {
    super::settings().with(|it| it.pace.robots = false)
}

async fn complete(site: Site, served: &Served) -> Crawled<Sqlite> {
    crawl_with::<Sqlite>(site, served, settings(), Outcome::Complete).await
}

/// A crawl that is incomplete, and says why.
async fn incomplete(site: Site, served: &Served, why: &str) -> Crawled<Sqlite> {
    let crawled = crawl_with::<Sqlite>(site, served, settings(), Outcome::Incomplete).await;
    says(&crawled.report, why);
    crawled
}

/// Five pages of two items, of which page `bad` is this; behind them an empty page.
fn with_a_bad_page(bad: usize, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Served {
    Served::start(move |asked| match page(asked) {
        page if page == bad => answer(),
        page @ 1..=5 => Answer::json(&json!({ "list": items(page * 10..page * 10 + 2) })),
        _ => Answer::json(&json!({ "list": [] })),
    })
}

#[tokio::test]
async fn l10_an_error_with_200_is_no_end_of_a_list_but_a_lost_page() {
    let error = || Answer::json(&json!({ "error": { "code": "BACKEND_TIMEOUT" } }));
    let beside = || Answer::json(&json!({ "error": "too many requests", "list": [] }));
    let null = || Answer::json(&json!({ "list": null, "errors": [{ "message": "boom" }] }));
    let captcha = || Answer::html("<h1>One moment, please show that you are human</h1>".to_owned());
    let answers: [fn() -> Answer; 4] = [error, beside, null, captcha];
    for bad in [3, 5, 6] {
        for answer in answers {
            let served = with_a_bad_page(bad, answer);
            let crawled = incomplete(list(BY_PAGE), &served, "1 page of the list was lost").await;
            assert_eq!(crawled.report.items.new as usize, 2 * (bad - 1));
            let asked = served.requests().iter().filter(|asked| page(asked) == bad).count();
            assert_eq!(asked, 2, "tried again, then lost");
        }
    }
}

#[tokio::test]
async fn l10_a_transient_error_is_no_gap() {
    let seen = Mutex::new(0);
    let served = Served::start(move |asked| match page(asked) {
        3 => {
            let mut seen = seen.lock().expect("nobody panicked");
            *seen += 1;
            match *seen {
                1 => Answer::json(&json!({ "error": "busy" })),
                _ => Answer::json(&json!({ "list": items(30..32) })),
            }
        }
        page @ 1..=5 => Answer::json(&json!({ "list": items(page * 10..page * 10 + 2) })),
        _ => Answer::json(&json!({ "list": [] })),
    });
    assert_eq!(complete(list(BY_PAGE), &served).await.report.items.new, 10);
}

#[tokio::test]
async fn l10_require_alone_decides_where_it_is_given() {
    let served = Served::start(|asked| match page(asked) {
        page @ 1..=2 => Answer::json(&json!({ "ok": 1, "list": items(page * 10..page * 10 + 2) })),
        _ => Answer::json(&json!({ "ok": 1 })),
    });
    let site = list(&format!("{BY_PAGE}\nrequire = ['$.ok']"));
    assert_eq!(complete(site, &served).await.report.items.new, 4);
    incomplete(list(BY_PAGE), &served, "1 page of the list was lost").await;
}

#[tokio::test]
async fn l10_an_empty_list_may_be_null_and_a_bare_array_may_not_be_an_object() {
    let served = with_a_bad_page(6, || Answer::json(&json!({ "list": null })));
    assert_eq!(complete(list(BY_PAGE), &served).await.report.items.new, 10);
    let text =
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n";
    let site = site_of(&format!("{text}{BY_PAGE}\n"));
    let served = Served::start(|asked| match page(asked) {
        page @ 1..=2 => Answer::json(&items(page * 10..page * 10 + 2)),
        _ => Answer::json(&json!({})),
    });
    incomplete(site, &served, "1 page of the list was lost").await;
}

#[tokio::test]
async fn l10_an_error_where_categories_are_named_is_a_lost_page() {
    let served = Served::start(|asked| match (asked.path.as_str(), page(asked)) {
        ("/seeds", 1) => Answer::json(&json!({ "all": ["a", "b"] })),
        ("/seeds", _) => Answer::json(&json!({ "fault": "quota" })),
        _ => Answer::json(&json!({ "list": items(0..2) })),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[seeds]\nurl = '/seeds?page={page}'\nselect = '$.all[*]'\n\
         paging = { by = 'page' }\n[index]\nurl = '/list?of={seed}'\nitems = '$.list[*]'\nkey = '$.id'\n",
    );
    incomplete(site, &served, "1 page of the list was lost").await;
}

#[tokio::test]
async fn l13_empty_pages_that_name_new_ones_are_followed() {
    // As services do that filter after paging, and leave empty arrays out.
    let served = Served::start(|asked| {
        let at = at(asked);
        let mut answer = json!({});
        if [0, 6, 8].contains(&at) {
            answer["list"] = items(at..at + 2);
        }
        if at < 8 {
            answer["cursor"] = json!(at + 1);
        }
        Answer::json(&answer)
    });
    assert_eq!(complete(list(BY_CURSOR), &served).await.report.items.new, 6);
}

#[tokio::test]
async fn l13_an_empty_page_that_names_nothing_new_is_the_end() {
    // Its cursor is the one that it was asked for with; or one that was followed before.
    for back in [5, 2] {
        let served = Served::start(move |asked| {
            let at = at(asked);
            let ids = if at < 5 { at * 10..at * 10 + 2 } else { 0..0 };
            Answer::json(
                &json!({ "list": items(ids), "cursor": if at < 5 { at + 1 } else { back } }),
            )
        });
        assert_eq!(complete(list(BY_CURSOR), &served).await.report.items.new, 10);
    }
}

#[tokio::test]
async fn l13_a_thousand_empty_pages_in_a_row_are_enough() {
    let served = Served::start(|asked| {
        let at = at(asked);
        let ids = if at == 0 { 0..2 } else { 0..0 };
        Answer::json(&json!({ "list": items(ids), "cursor": at + 1 }))
    });
    // Empty pages are not asked for again.
    let settings = settings().with(|it| it.pace.retries = 0);
    let crawled =
        crawl_with::<Sqlite>(list(BY_CURSOR), &served, settings, Outcome::Incomplete).await;
    says(&crawled.report, "is the 1000th in a row that is empty");
    assert_eq!(served.count("/list"), 1001);
}

#[tokio::test]
async fn l13_an_empty_numbered_page_with_has_more_is_no_end() {
    let served = Served::start(|asked| {
        let page = page(asked);
        let ids = if [2, 3].contains(&page) || page > 5 { 0..0 } else { page * 10..page * 10 + 2 };
        Answer::json(&json!({ "list": items(ids), "has_more": page < 5 }))
    });
    assert_eq!(complete(list(BY_PAGE), &served).await.report.items.new, 6);
}

#[tokio::test]
async fn l16_a_named_page_of_another_kind_is_lost() {
    let json_next = Served::start(|asked| match page(asked) {
        1 => Answer::json(&json!({ "list": items(0..2), "next": "/list?page=2" })),
        _ => Answer::json(&json!({ "articles": items(2..4) })),
    });
    incomplete(list(BY_NEXT), &json_next, "1 page of the list was lost").await;
    let html_next = Served::start(|asked| match page(asked) {
        1 => Answer::html(format!("{}<a rel=next href='?page=2'>next</a>", links(0..2))),
        _ => Answer::xml("<error code='badArgument'>no</error>".to_owned()),
    });
    let site = || html_list("paging = { by = 'next', select = 'a[rel=next]::attr(href)' }");
    let crawled = incomplete(site(), &html_next, "1 page of the list was lost").await;
    assert_eq!(crawled.backend.failures().await[0].reason, "kind");
    // An empty page of the same kind is the end.
    let same_kind = Served::start(|asked| match page(asked) {
        1 => Answer::html(format!("{}<a rel=next href='?page=2'>next</a>", links(0..2))),
        _ => Answer::html("<p>no more</p>".to_owned()),
    });
    assert_eq!(complete(site(), &same_kind).await.report.items.new, 2);
}

#[tokio::test]
async fn l14_a_short_page_in_the_middle_is_none_where_the_first_was_full() {
    let served = Served::start(|asked| {
        let ids = match asked.number("o").unwrap_or(0) {
            0 => 0..10,
            10 => 10..14,
            20 => 20..30,
            _ => 0..0,
        };
        Answer::json(&json!({ "list": items(ids) }))
    });
    assert_eq!(complete(list(BY_OFFSET), &served).await.report.items.new, 24);
    let by_page = Served::start(|asked| {
        let ids = match page(asked) {
            1 | 3 => page(asked) * 10..page(asked) * 10 + 2,
            2 => 20..21,
            _ => 0..0,
        };
        Answer::json(&json!({ "list": items(ids) }))
    });
    assert_eq!(complete(list(BY_PAGE), &by_page).await.report.items.new, 5);
}

/// Thirty items, of which no more than seven come at once.
fn capped() -> Served {
    Served::start(|asked| {
        let offset = asked.number("o").unwrap_or(0);
        Answer::json(&json!({ "list": items(offset..(offset + 7).min(30).max(offset)) }))
    })
}

#[tokio::test]
async fn l14_a_short_first_page_by_offset_is_a_gap_where_the_list_goes_on() {
    let served = capped();
    let crawled = incomplete(list(BY_OFFSET), &served, "write `step = \"items\"` in paging").await;
    assert!(crawled.report.items.new < 30);
    // All of it is shorter than a page is asked to be: nothing comes at the next offset.
    let long = "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 100 }";
    let crawled = incomplete(list(long), &capped(), "write `step = \"items\"` in paging").await;
    assert!(crawled.report.items.new < 30);
}

/// A hundred items, ten at once, but fewer from the offset `from` on. Of each page of the site's own
/// one item may be hidden.
fn capped_later(from: usize, cap: usize, hides: bool) -> Served {
    Served::start(move |asked| {
        let offset = asked.number("o").unwrap_or(0).min(100);
        let most = if offset < from { 10 } else { cap };
        let ids = (offset..(offset + most).min(100)).filter(|id| !hides || id % 10 != 3);
        let rows: Vec<Value> = ids.map(|id| json!({ "id": id })).collect();
        Answer::json(&json!({ "list": rows }))
    })
}

#[tokio::test]
async fn l14_pages_that_become_shorter_in_the_middle_are_a_gap() {
    for (from, cap) in [(20, 5), (50, 9), (90, 4)] {
        let served = capped_later(from, cap, false);
        let said = "fewer items than requested";
        let last_is_short = from == 90;
        if last_is_short {
            // Nothing shows that the last page is not all.
            assert_eq!(complete(list(BY_OFFSET), &served).await.report.items.new, 94);
        } else {
            incomplete(list(BY_OFFSET), &served, said).await;
        }
    }
    // A page with a hidden item comes first; the site cuts its pages later.
    incomplete(list(BY_OFFSET), &capped_later(40, 5, true), "lie between it and the next page")
        .await;
}

#[tokio::test]
async fn l14_pages_with_hidden_items_cost_one_more_request_and_are_complete() {
    let served = capped_later(100, 10, true);
    // The first page, too, has a hidden item: then nothing tells the site from one that cuts pages.
    let crawled = incomplete(list(BY_OFFSET), &served, "step = \"items\"").await;
    assert_eq!(crawled.report.items.new, 90);
    let served = Served::start(|asked| {
        let offset = asked.number("o").unwrap_or(0).min(100);
        let ids = (offset..(offset + 10).min(100)).filter(|id| *id < 10 || id % 10 != 3);
        let rows: Vec<Value> = ids.map(|id| json!({ "id": id })).collect();
        Answer::json(&json!({ "list": rows }))
    });
    let crawled = complete(list(BY_OFFSET), &served).await;
    assert_eq!(crawled.report.items.new, 91);
    let of_list = served.count("/list");
    assert_eq!(of_list, 10 + 2 + 1, "ten pages, the empty one twice, one probe");
}

#[tokio::test]
async fn l10_a_guess_that_leads_to_a_login_is_no_end() {
    let served = |login: &'static str| {
        Served::start(move |asked| match (asked.path.as_str(), page(asked)) {
            ("/list", 1 | 2) => Answer::html(links(page(asked) * 10..page(asked) * 10 + 3)),
            ("/list", _) => Answer::text(String::new()).status(302).header("location", login),
            _ => Answer::html("<form>Log in</form>".to_owned()),
        })
    };
    let site = || html_list("query = { page = '{page}' }\npaging = { by = 'page' }");
    let crawled = incomplete(site(), &served("/login"), "1 page of the list was lost").await;
    assert_eq!(crawled.backend.failures().await[0].reason, "kind");
    assert_eq!(crawled.report.items.new, 6);
    // The list's own address without the number is a page of the list.
    let own = served("/list?page=2");
    assert_eq!(
        crawl_with::<Sqlite>(site(), &own, settings(), Outcome::Incomplete).await.report.items.new,
        6
    );
}

#[tokio::test]
async fn l14_steps_of_items_leave_nothing_out() {
    for limit in [10, 100] {
        let paging = format!(
            "query = {{ o = '{{offset}}', limit = '{{limit}}' }}\npaging = {{ by = 'offset', limit = {limit}, step = 'items' }}"
        );
        let served = capped();
        assert_eq!(complete(list(&paging), &served).await.report.items.new, 30);
        assert!(served.most_at_once("/list") == 1);
    }
}

#[tokio::test]
async fn l14_a_list_that_is_shorter_than_a_page_is_complete() {
    for rounds in [false, true] {
        let served = Served::start(move |asked| {
            let offset = asked.number("o").unwrap_or(0);
            let offset = if rounds { offset / 10 * 10 } else { offset };
            Answer::json(&json!({ "list": items(offset.min(4)..4) }))
        });
        assert_eq!(complete(list(BY_OFFSET), &served).await.report.items.new, 4, "{rounds}");
    }
}

#[tokio::test]
async fn l14_an_exact_total_that_is_reached_proves_the_end() {
    let served = Served::start(|asked| {
        let ids = match asked.number("o").unwrap_or(0) {
            0 => 0..8,
            10 => 10..20,
            _ => 0..0,
        };
        Answer::json(&json!({ "list": items(ids), "total": 18 }))
    });
    let paging =
        "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 10, total = '$.total' }";
    assert_eq!(complete(list(paging), &served).await.report.items.new, 18);
    let short = Served::start(|asked| {
        let offset = asked.number("o").unwrap_or(0);
        Answer::json(&json!({ "list": items(offset..(offset + 7).min(30)), "total": 30 }))
    });
    incomplete(list(paging), &short, "write `step = \"items\"` in paging").await;
}

#[tokio::test]
async fn l17_an_unreached_total_is_reported_once_with_a_hint() {
    let served = Served::start(|asked| {
        let offset = asked.number("o").unwrap_or(0);
        let ids = if offset < 20 { offset..offset + 10 } else { 0..0 };
        Answer::json(&json!({ "list": items(ids), "total": 35 }))
    });
    let paging =
        "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 10, total = '$.total' }";
    let crawled =
        incomplete(list(paging), &served, "it declares 35 items and lists 20; where a site").await;
    let about = crawled.report.problems.iter().filter(|it| it.contains("35 items"));
    assert_eq!(about.count(), 1, "{:#?}", crawled.report.problems);
    says(&crawled.report, "`total_exact = false` at the top of the site file says so");
    let mut site = list(paging);
    site.index.total_exact = false;
    complete(site, &served).await;
}

#[tokio::test]
async fn l18_a_page_after_the_last_is_requested_if_items_are_missing() {
    // Places are counted from 1, and what is below 1 is taken for 1 (RFC 7644, 3.4.2.4): the pages
    // overlap by one.
    let served = Served::start(|asked| {
        let from = asked.number("o").unwrap_or(0).max(1);
        Answer::json(&json!({ "list": items(from.min(31)..(from + 10).min(31)), "total": 30 }))
    });
    let paging =
        "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 10, total = '$.total' }";
    let crawled = complete(list(paging), &served).await;
    assert_eq!((crawled.report.items.new, crawled.report.index.passes), (30, 1));
    assert_eq!(served.count("/list"), 4);
}

#[tokio::test]
async fn l18_no_page_is_requested_after_a_full_last_page() {
    let served = Served::start(|asked| {
        let offset = asked.number("o").unwrap_or(0);
        Answer::json(&json!({ "list": items(offset.min(30)..(offset + 10).min(30)), "total": 30 }))
    });
    let paging =
        "query = { o = '{offset}' }\npaging = { by = 'offset', limit = 10, total = '$.total' }";
    assert_eq!(complete(list(paging), &served).await.report.items.new, 30);
    assert_eq!(served.count("/list"), 3);
}
