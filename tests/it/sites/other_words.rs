//! The same faults of lists in the words of other services: other names (L12), other errors (L10), other
//! empty pages (L13), counts that mean something else (L5), and lists that are the same again (L2).

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use serde_json::{Value, json};

use super::{Crawled, crawl_with, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::Sqlite;

const BY_PAGE: &str = "query = { page = '{page}' }\npaging = { by = 'page' }";
const BY_TOTAL: &str =
    "query = { page = '{page}' }\npaging = { by = 'page', size = 3, total = '$.total' }";

fn list(index: &str) -> Site {
    site_of(&text_of(index))
}

fn text_of(index: &str) -> String {
    format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n{index}\n"
    )
}

fn items(ids: impl IntoIterator<Item = usize>) -> Value {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

fn page(asked: &Asked) -> usize {
    asked.number("page").unwrap_or(1)
}

/// The items of a page of three, of so many.
fn three(page: usize, of: usize) -> Vec<usize> {
    (0..of).skip((page - 1) * 3).take(3).collect()
}

async fn crawl(site: Site, served: &Served, outcome: Outcome) -> Crawled<Sqlite> {
    let settings = super::settings().with(|it| it.pace.robots = false);
    crawl_with::<Sqlite>(site, served, settings, outcome).await
}

async fn stores(
    site: Site,
    served: &Served,
    outcome: Outcome,
    documents: usize,
) -> Crawled<Sqlite> {
    let crawled = crawl(site, served, outcome).await;
    assert_eq!(crawled.documents.len(), documents);
    crawled
}

fn always(answer: Value) -> Served {
    Served::start(move |_| Answer::json(&answer))
}

/// An object with the members of both.
fn with(list: Value, more: &Value) -> Value {
    let mut object = json!({ "list": list });
    for (name, value) in more.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
    object
}

#[tokio::test]
async fn l12_hints_to_more_pages_by_other_names_are_recognized() {
    for more in [
        json!({ "hasNext": true }),
        json!({ "has_next": true }),
        json!({ "hasMore": 1 }),
        json!({ "isLast": false }),
        json!({ "last": false, "number": 0 }),
        json!({ "IsTruncated": true }),
        json!({ "NextToken": "x" }),
        json!({ "LastEvaluatedKey": { "id": 3 } }),
        json!({ "odata.nextLink": "x" }),
        json!({ "next_page_url": "/list?page=2" }),
        json!({ "continuation_token": "x" }),
        json!({ "next_offset": 3 }),
        json!({ "page": 1, "pages": 5 }),
        json!({ "totalPages": 5, "currentPage": 1 }),
        json!({ "current_page": 1, "last_page": 5 }),
        json!({ "meta": { "pagination": { "total_pages": 5 } } }),
        json!({ "totalItems": 47 }),
        json!({ "hydra:totalItems": 47 }),
        json!({ "paging": { "total": 47 } }),
        json!({ "page": { "totalElements": 47 } }),
        json!({ "timed_out": true }),
        json!({ "incomplete_results": true, "total_count": 3 }),
    ] {
        let crawled = crawl(list(""), &always(with(items(0..3), &more)), Outcome::Incomplete).await;
        says(&crawled.report, "`more = false` in paging passes over that");
    }
    let served = Served::start(|_| {
        Answer::json(&json!({ "list": [{ "id": 1 }] })).header("X-WP-TotalPages", "5")
    });
    says(&crawl(list(""), &served, Outcome::Incomplete).await.report, "by `x-wp-totalpages`");
}

#[tokio::test]
async fn l12_similar_names_are_no_hints() {
    for more in [
        json!({ "page": 1, "pages": 1, "totalPages": 1, "last_page": 1, "last": true }),
        json!({ "pages": ["a", "b"], "last": 12, "next_update": "2026-12-01", "more": 0 }),
        json!({ "paging": { "start": 0, "count": 100 }, "rate": { "total": 5000 } }),
        json!({ "hasNext": false, "nextPage": 2, "totalPages": 5 }),
        json!({ "timed_out": false, "incomplete_results": false, "partial": true }),
    ] {
        crawl(list(""), &always(with(items(0..3), &more)), Outcome::Complete).await;
    }
}

#[tokio::test]
async fn l10_an_empty_list_with_another_services_error_is_a_lost_page() {
    for (usual, failed) in [
        (json!({ "success": true }), json!({ "success": false, "message": "busy" })),
        (json!({ "ok": true }), json!({ "ok": false })),
        (json!({ "status": "success" }), json!({ "status": "error" })),
        (json!({ "code": 0, "msg": "ok" }), json!({ "code": 509, "msg": "too fast" })),
        (json!({ "ret": "0" }), json!({ "ret": "-100" })),
        (json!({}), json!({ "fault": { "text": "quota" } })),
        (json!({}), json!({ "Error": { "Code": "SlowDown" } })),
        (json!({}), json!({ "error_message": "OVER_QUERY_LIMIT" })),
        (json!({ "timed_out": false }), json!({ "timed_out": true })),
    ] {
        let served = Served::start(move |asked| match page(asked) {
            1 | 2 => Answer::json(&with(items(three(page(asked), 9)), &usual)),
            _ => Answer::json(&with(items([]), &failed)),
        });
        let crawled = stores(list(BY_PAGE), &served, Outcome::Incomplete, 6).await;
        says(&crawled.report, "1 page of the list was lost");
    }
    for empty in [json!({ "list": "error" }), json!({ "list": true })] {
        let served = Served::start(move |asked| match page(asked) {
            1 => Answer::json(&json!({ "list": items(0..3) })),
            _ => Answer::json(&empty),
        });
        stores(list(BY_PAGE), &served, Outcome::Incomplete, 3).await;
    }
}

#[tokio::test]
async fn l10_an_error_beside_the_container_counts_too() {
    let site = site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.data.list[*]'\nkey = '$.id'\n{BY_PAGE}\n"
    ));
    let served = Served::start(|asked| match page(asked) {
        1 => Answer::json(&json!({ "data": { "list": items(0..3) } })),
        _ => Answer::json(&json!({ "data": { "list": [], "error": "x" } })),
    });
    stores(site, &served, Outcome::Incomplete, 3).await;
}

#[tokio::test]
async fn l10_an_empty_page_without_an_error_is_the_end() {
    for (usual, end) in [
        (json!({ "success": true, "page": 1 }), json!({ "success": true, "page": 4, "count": 0 })),
        (json!({ "status": 200 }), json!({ "status": 404, "message": "no more" })),
        (json!({ "errors": [], "error": null }), json!({ "errors": [], "error": false })),
        (json!({ "error": "", "code": 0 }), json!({ "error": "ok", "code": 0 })),
        (json!({ "status": "OK" }), json!({ "status": "ZERO_RESULTS" })),
    ] {
        let served = Served::start(move |asked| {
            let ids = three(page(asked), 6);
            let more = if ids.is_empty() { &end } else { &usual };
            Answer::json(&with(items(ids), more))
        });
        stores(list(BY_PAGE), &served, Outcome::Complete, 6).await;
    }
    // Pages with items have no number in common.
    let served = Served::start(|asked| {
        let code = json!({ "code": page(asked) });
        Answer::json(&with(items(three(page(asked), 6)), &code))
    });
    stores(list(BY_PAGE), &served, Outcome::Complete, 6).await;
}

#[tokio::test]
async fn l13_an_empty_numbered_page_that_names_more_is_no_end() {
    for more in [json!({ "total_pages": 4 }), json!({ "next": "/list?page=3" })] {
        let served = Served::start(move |asked| match page(asked) {
            2 => Answer::json(&with(items([]), &more)),
            number => Answer::json(&json!({ "list": items(three(number, 9)) })),
        });
        stores(list(BY_PAGE), &served, Outcome::Complete, 6).await;
    }
    // A service that names a next page for ever costs one page more.
    let served = Served::start(|asked| {
        let next = json!({ "next": format!("/list?page={}", page(asked) + 1) });
        Answer::json(&with(items(three(page(asked), 6)), &next))
    });
    stores(list(BY_PAGE), &served, Outcome::Complete, 6).await;
    assert!(served.count("/list") <= 6, "{}", served.count("/list"));
}

#[tokio::test]
async fn l5_a_count_that_is_less_than_what_is_there_ends_nothing() {
    // None at all, that of the page, and one that the last page of its own plan contradicts.
    for total in ["none", "page", "low"] {
        let served = Served::start(move |asked| {
            let ids = three(page(asked), 9);
            let (total, next) = match total {
                "none" => (0, Value::Null),
                "page" => (ids.len(), Value::Null),
                _ => (6, if page(asked) < 3 { json!("/list?page=3") } else { Value::Null }),
            };
            Answer::json(&with(items(ids), &json!({ "total": total, "next": next })))
        });
        let outcome = if total == "none" { Outcome::Complete } else { Outcome::Incomplete };
        stores(list(BY_TOTAL), &served, outcome, 9).await;
    }
}

/// Two of fifteen items are hidden, or the site gives two on a page where the file says three.
#[tokio::test]
async fn l17_pages_that_are_short_of_a_count_that_is_not_exact_are_read_to_their_end() {
    let site = || {
        let text = format!("total_exact = false\n{}", text_of(BY_TOTAL));
        site_of(&text)
    };
    let hidden = Served::start(|asked| {
        let ids = three(page(asked), 15).into_iter().filter(|id| !matches!(id, 1 | 7));
        Answer::json(&json!({ "list": items(ids), "total": 15 }))
    });
    stores(site(), &hidden, Outcome::Complete, 13).await;
    let fewer = Served::start(|asked| {
        let ids = (0..15).skip((page(asked) - 1) * 2).take(2);
        Answer::json(&json!({ "list": items(ids), "total": 15 }))
    });
    stores(site(), &fewer, Outcome::Complete, 15).await;
}

#[tokio::test]
async fn l2_a_list_in_another_order_each_time_is_the_same_list() {
    let served = Served::start(|asked| {
        let turn = page(asked) % 7;
        Answer::json(&json!({ "list": items((0..7).map(|id| (id + turn) % 7)) }))
    });
    let crawled = stores(list(BY_PAGE), &served, Outcome::Incomplete, 7).await;
    says(&crawled.report, "nothing but the items of page 1 again");
    assert!(served.count("/list") <= 3);
}

#[tokio::test]
async fn l2_pages_that_list_nothing_new_end_a_list_that_goes_on_for_ever() {
    for index in [BY_PAGE, "paging = { by = 'next', select = '$.next' }"] {
        let served = Served::start(|asked| {
            let number = page(asked);
            // Three of seven, others each time.
            let ids = (0..3).map(|at| (number + at * (1 + number / 7)) % 7);
            let next = format!("/list?page={}", number + 1);
            Answer::json(&json!({ "list": items(ids), "next": next }))
        });
        let crawled = stores(list(index), &served, Outcome::Incomplete, 7).await;
        assert!(served.count("/list") < 40, "{}", served.count("/list"));
        let problems = crawled.report.problems.join("; ");
        assert!(problems.contains("again") || problems.contains("list nothing that"), "{problems}");
    }
}

#[tokio::test]
async fn l2_a_list_that_comes_whole_on_each_page_is_complete_by_its_count() {
    let served = always(json!({ "list": items(0..12), "total": 12 }));
    stores(list(BY_TOTAL), &served, Outcome::Complete, 12).await;
}
