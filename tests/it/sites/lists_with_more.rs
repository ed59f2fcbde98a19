//! Lists that go on without saying where (L12), and keys that do not tell items apart (L11).

use gleaner::model::report::Outcome;
use gleaner::model::task::PageRange;
use gleaner::site::Site;
use serde_json::{Value, json};

use super::{Crawled, crawl_with, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::Sqlite;

const CURSOR: &str = "query = { at = '{cursor}' }\npaging = { by = 'cursor', select = '$.cursor' }";

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

async fn crawl(site: Site, served: &Served, outcome: Outcome) -> Crawled<Sqlite> {
    let settings = super::settings().with(|it| it.pace.robots = false);
    crawl_with::<Sqlite>(site, served, settings, outcome).await
}

async fn incomplete(site: Site, served: &Served, why: &str) {
    let crawled = crawl(site, served, Outcome::Incomplete).await;
    says(&crawled.report, why);
}

fn always(answer: Value) -> Served {
    Served::start(move |_| Answer::json(&answer))
}

#[tokio::test]
async fn l12_a_hint_to_more_pages_without_a_place_is_a_gap() {
    let pages = [
        json!({ "list": items(0..3), "has_more": true }),
        json!({ "list": items(0..3), "done": false }),
        json!({ "list": items(0..3), "paging": { "is_end": false } }),
        json!({ "list": items(0..3), "pageInfo": { "hasNextPage": true } }),
        json!({ "list": items(0..3), "continue": { "from": "x" } }),
        json!({ "list": items(0..3), "next": "/list?page=2" }),
        json!({ "list": items(0..3), "links": [{ "rel": "self" }, { "rel": "next", "href": "/x" }] }),
        json!({ "list": items(0..3), "_links": { "next": { "href": "/x" } } }),
        json!({ "list": items(0..3), "meta": { "next_token": "x" } }),
        json!({ "list": items(0..3), "offset": "itr/rec" }),
    ];
    for page in pages {
        let served = always(page.clone());
        for paging in ["", CURSOR] {
            incomplete(list(paging), &served, "the list continues").await;
        }
        let off = CURSOR.replace("'$.cursor'", "'$.cursor', more = false");
        for paging in ["paging = { more = false }", &off] {
            crawl(list(paging), &served, Outcome::Complete).await;
        }
    }
}

#[tokio::test]
async fn l12_a_limited_run_ignores_hints_to_more_pages() {
    let served = always(json!({ "list": items(0..3), "has_more": true }));
    let pages = Some(PageRange { from: 1, to: 1 });
    let settings = super::settings().with(|it| {
        it.pace.robots = false;
        it.scope.pages = pages;
    });
    crawl_with::<Sqlite>(list(""), &served, settings, Outcome::Complete).await;
}

#[tokio::test]
async fn l12_hints_beside_the_container_count() {
    let site = |more: &str| {
        site_of(&format!(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.data.things.edges[*].node'\nkey = '$.id'\n{more}\n"
        ))
    };
    let of = |info: Value, count: usize| {
        let edges: Vec<Value> = (0..3).map(|id| json!({ "node": { "id": id } })).collect();
        json!({ "data": { "things": { "edges": edges, "pageInfo": info, "totalCount": count } } })
    };
    let served = always(of(json!({ "hasNextPage": true }), 3));
    incomplete(site(""), &served, "by `hasNextPage`").await;
    let served = always(of(json!({ "hasNextPage": false, "endCursor": "abc" }), 3));
    crawl(site(""), &served, Outcome::Complete).await;
    let served = always(of(json!({}), 4));
    incomplete(site(""), &served, "by `totalCount` there are 4 items, and it lists 3").await;
    crawl(site("paging = { more = false }"), &served, Outcome::Complete).await;
}

#[tokio::test]
async fn l12_hints_at_any_object_around_the_container_count() {
    let deep = || {
        site_of(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.data.list.rows[*]'\nkey = '$.id'\n",
        )
    };
    let page = |data: Value| {
        let mut page = json!({ "data": { "list": { "rows": items(0..3) } }, "offset": "3" });
        page["data"]
            .as_object_mut()
            .expect("an object")
            .extend(data.as_object().expect("one").clone());
        always(page)
    };
    incomplete(deep(), &page(json!({ "page": { "pn": 1, "ps": 3, "count": 47 } })), "47 items")
        .await;
    incomplete(deep(), &page(json!({ "has_more": true })), "the list continues").await;
    // An offset that is a number is where the page begins.
    crawl(deep(), &page(json!({ "page": { "count": 3 } })), Outcome::Complete).await;
}

#[tokio::test]
async fn l12_pages_that_say_that_the_list_ends_are_no_gap() {
    for page in [
        json!({ "list": items(0..3), "has_more": false, "next": null, "next_cursor": "" }),
        json!({ "list": items(0..3), "done": true, "links": { "self": "/list", "next": null } }),
        json!({ "list": items(0..3), "count": 3, "total": "3", "cursor": null, "endCursor": "x" }),
        json!({ "list": items(0..3), "start": 0, "count": 100, "total": 3 }),
        json!({ "list": items(0..3), "meta": { "has_more": false }, "links": { "next": "/x" } }),
        json!({ "list": items(0..3), "pageInfo": { "totalResults": 1_000_000 } }),
    ] {
        for paging in ["", CURSOR] {
            crawl(list(paging), &always(page.clone()), Outcome::Complete).await;
        }
    }
}

#[tokio::test]
async fn l12_a_count_above_what_was_listed_is_a_gap_whatever_the_paging() {
    for paging in ["", CURSOR, "query = { page = '{page}' }\npaging = { by = 'page' }"] {
        let served = Served::start(|asked| {
            let ids = if page(asked) == 1 { 0..3 } else { 0..0 };
            Answer::json(&json!({ "list": items(ids), "total": 47 })).header("X-Total-Count", "47")
        });
        incomplete(list(paging), &served, "by `total` there are 47 items, and it lists 3").await;
        assert!(served.count("/list") <= 3, "it is not walked again for that");
    }
    let served = Served::start(|_| {
        Answer::json(&json!({ "list": items(0..3) })).header("X-Total-Count", "4")
    });
    incomplete(list(""), &served, "by `x-total-count` there are 4 items").await;
    let mut inexact = list("");
    inexact.index.total_exact = false;
    crawl(inexact, &served, Outcome::Complete).await;
}

#[tokio::test]
async fn l12_a_first_page_as_full_as_its_request_asks_for_needs_a_cursor() {
    let served = Served::start(|asked| match asked.query.get("null") {
        None => Answer::json(&json!({ "list": items(0..3) })),
        Some(_) => Answer::json(&json!({ "list": items(0..3), "cursor": null })),
    });
    let by = |query: &str| list(&CURSOR.replace("query = { ", &format!("query = {{ {query}, ")));
    incomplete(by("limit = 3"), &served, "is as full as its request asks for (3 items)").await;
    incomplete(by("per_page = 3"), &served, "is as full as").await;
    crawl(by("limit = 4"), &served, Outcome::Complete).await;
    crawl(by("limit = 3, null = 1"), &served, Outcome::Complete).await;
    incomplete(list("query = { limit = 3 }"), &served, "is as full as").await;
    let off = "query = { limit = 3 }\npaging = { more = false }";
    crawl(list(off), &served, Outcome::Complete).await;
}

#[tokio::test]
async fn l12_html_and_headers_name_a_next_page_too() {
    let html = |head: &'static str| {
        Served::start(move |_| Answer::html(format!("{head}<a class=i href='/i/1'>one</a>")))
    };
    let site = |more: &str| {
        site_of(&format!(
            "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[index]\nurl = '/list'\nitems = 'a.i'\n\
             key = {{ select = '::attr(href)', regex = '(\\d+)$' }}\n{more}\n[index.fields]\nname = '::text'\n"
        ))
    };
    let next = html("<link rel=next href='/list?page=2'>");
    incomplete(site(""), &next, "by `[rel~=next]` that the list continues").await;
    crawl(site("paging = { more = false }"), &next, Outcome::Complete).await;
    let token = html("<resumptionToken completeListSize=47>rt10</resumptionToken>");
    incomplete(site(""), &token, "by `resumptiontoken`").await;
    for end in ["<resumptionToken/></resumptionToken>", "<a rel=next href='#'>x</a>", ""] {
        crawl(site(""), &html(end), Outcome::Complete).await;
    }
    let header = Served::start(|_| {
        Answer::json(&json!({ "list": items(0..3) })).header("link", "</list?page=2>; rel=\"next\"")
    });
    incomplete(list(""), &header, "by `Link` that the list continues").await;
}

/// Films and series, whose numbers are the same.
fn entry(kind: &str, id: usize) -> Value {
    json!({ "type": kind, "id": id, "views": id })
}

#[tokio::test]
async fn l11_entries_with_one_key_that_are_not_the_same_are_counted() {
    let on_one_page = Served::start(|_| {
        let both = (0..4).flat_map(|id| [entry("film", id), entry("series", id)]);
        Answer::json(&json!({ "list": both.collect::<Vec<_>>() }))
    });
    incomplete(list(""), &on_one_page, "4 entries of the list have the key of another entry").await;
    let on_two = Served::start(|asked| {
        let of = |kind: &str| (0..4).map(|id| entry(kind, id)).collect::<Vec<_>>();
        let entries = match page(asked) {
            1 => of("film"),
            2 => of("series"),
            _ => Vec::new(),
        };
        Answer::json(&json!({ "list": entries }))
    });
    let by_page = "query = { page = '{page}' }\npaging = { by = 'page' }";
    // They have the same keys, so that the second page seems to be the first one again.
    let shifted = Served::start(|asked| {
        let entries: Vec<Value> = match page(asked) {
            1 => (0..4).map(|id| entry("film", id)).collect(),
            2 => (1..6).map(|id| entry("series", id)).collect(),
            _ => Vec::new(),
        };
        Answer::json(&json!({ "list": entries }))
    });
    incomplete(list(by_page), &shifted, "3 entries of the list").await;
    incomplete(list(by_page), &on_two, "4 entries of the list").await;
}

#[tokio::test]
async fn l11_entries_of_two_categories_count_too() {
    let served = Served::start(|asked| {
        let kind = asked.query.get("of").map_or("", String::as_str);
        Answer::json(&json!({ "list": (0..3).map(|id| entry(kind, id)).collect::<Vec<_>>() }))
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[seeds]\nvalues = ['film', 'series']\n[index]\nurl = '/list?of={seed}'\n\
         items = '$.list[*]'\nkey = '$.id'\n",
    );
    incomplete(site, &served, "3 entries of the list").await;
}

#[tokio::test]
async fn l11_links_are_compared_where_the_list_has_them() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": [
            { "id": 1, "url": "/film/1" }, { "id": 1, "url": "/series/1" }, { "id": 2, "url": "/film/2" }
        ] })),
        path => Answer::json(&json!({ "at": path })),
    });
    let linked = list("[detail]\nlink = '$.url'");
    incomplete(linked, &served, "1 entries of the list").await;
    let by_key = list("[detail]\nurl = '/film/{key}'");
    crawl(by_key, &served, Outcome::Complete).await;
}

#[tokio::test]
async fn l11_items_that_shift_or_are_pinned_or_change_what_is_ignored_are_none() {
    let by_page = "query = { page = '{page}' }\npaging = { by = 'page' }";
    // One that is pinned, and one that moved to the next page while its views were counted.
    let served = Served::start(|asked| {
        let pinned = entry("film", 99);
        let entries = match page(asked) {
            1 => vec![pinned, entry("film", 1), entry("film", 2)],
            2 => vec![pinned, json!({ "type": "film", "id": 2, "views": 7 }), entry("film", 3)],
            _ => Vec::new(),
        };
        Answer::json(&json!({ "list": entries }))
    });
    let text = |ignore: &str| {
        format!(
            "name = 'x'\nbase_url = 'http://h'\n{ignore}[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n{by_page}\n"
        )
    };
    crawl(site_of(&text("ignore = ['$.views']\n")), &served, Outcome::Complete).await;
    incomplete(site_of(&text("")), &served, "1 entries of the list").await;
}

#[tokio::test]
async fn l11_an_item_that_moved_where_the_count_did_is_none() {
    let first = std::sync::atomic::AtomicBool::new(true);
    let served = Served::start(move |asked| {
        let is_first = first.load(std::sync::atomic::Ordering::Relaxed);
        let of = |ids: std::ops::Range<usize>, views: usize| {
            ids.map(|id| json!({ "id": id, "views": views })).collect::<Vec<_>>()
        };
        // While the first pass is under way one comes in front, and all behind it move.
        match (page(asked), is_first) {
            (1, true) => Answer::json(&json!({ "list": of(1..4, 0), "total": 5 })),
            (2, true) => {
                first.store(false, std::sync::atomic::Ordering::Relaxed);
                Answer::json(&json!({ "list": of(3..6, 1), "total": 6 }))
            }
            (1, false) => Answer::json(&json!({ "list": of(0..3, 2), "total": 6 })),
            _ => Answer::json(&json!({ "list": of(3..6, 2), "total": 6 })),
        }
    });
    let site =
        list("query = { page = '{page}' }\npaging = { by = 'page', size = 3, total = '$.total' }");
    let crawled = crawl(site, &served, Outcome::Complete).await;
    assert_eq!((crawled.report.items.new, crawled.report.index.passes), (6, 2));
}
