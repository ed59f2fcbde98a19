//! What a site file can say beside its paging, each on a served site.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gleaner::model::report::Outcome;
use serde_json::{Value, json};

use super::{crawl_into, crawl_served, crawl_with, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// Three items on one page, and a page for each.
fn three(
    item: impl Fn(u64) -> Value + Send + Sync + 'static,
    page: impl Fn(u64) -> Value + Send + Sync + 'static,
) -> Served {
    Served::start(move |asked| match asked.path.strip_prefix("/page/") {
        None => Answer::json(&json!({ "list": (1..=3).map(&item).collect::<Vec<_>>() })),
        Some(number) => Answer::json(&page(number.parse().expect("a number"))),
    })
}

fn by(more: &str) -> String {
    format!(
        "name = 'x'\nbase_url = 'http://h'\n{more}\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n"
    )
}

fn keyed(document: impl Fn(u64) -> Value) -> Vec<(String, Value)> {
    (1..=3).map(|id| (id.to_string(), document(id))).collect()
}

#[tokio::test]
async fn a_part_of_the_page_is_the_document_and_the_list_adds_its_fields() {
    let served = three(
        |id| json!({ "id": id, "rank": 10 - id, "price": 99 }),
        |id| json!({ "data": { "id": id, "price": 1.50, "big": 12345678901234567890u64 }, "more": 1 }),
    );
    let site = by("")
        + "[index.fields]\nrank = '$.rank'\nprice = '$.price'\n[detail]\nurl = '/page/{key}'\ndocument = '$.data'\n";
    let expected =
        |id| json!({ "rank": 10 - id, "price": 1.5, "id": id, "big": 12345678901234567890u64 });
    crawl_served::<Sqlite>(site_of(&site), &served).await.holds(keyed(expected));
}

#[tokio::test]
async fn fields_are_taken_within_the_document() {
    let served =
        three(|id| json!({ "id": id }), |id| json!({ "data": { "id": id, "x": { "y": "z" } } }));
    let site = by("")
        + "[detail]\nurl = '/page/{key}'\ndocument = '$.data'\n[detail.fields]\ny = '$.x.y'\n";
    crawl_served::<Sqlite>(site_of(&site), &served).await.holds(keyed(|_| json!({ "y": "z" })));
}

#[tokio::test]
async fn a_page_without_its_document_is_a_failure() {
    let served = three(
        |id| json!({ "id": id }),
        |id| if id == 2 { json!({}) } else { json!({ "data": { "id": id } }) },
    );
    let site = by("") + "[detail]\nurl = '/page/{key}'\ndocument = '$.data'\n";
    let crawled =
        crawl_with::<Sqlite>(site_of(&site), &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.failed), (2, 1));
}

async fn ignored_parts_are_no_change<B: Backend>() {
    let views = Arc::new(AtomicU64::new(0));
    let served = three(
        |id| json!({ "id": id }),
        move |id| {
            let views = views.fetch_add(1, Relaxed);
            json!({ "id": id, "views": views, "list": [{ "n": id, "score": views }] })
        },
    );
    let site =
        || site_of(&(by("ignore = ['$.views', '$..score']") + "[detail]\nurl = '/page/{key}'\n"));
    let first = crawl_served::<B>(site(), &served).await;
    let again = crawl_into(first.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!((again.report.items.same, again.report.items.changed), (3, 0));
    let all = site_of(&(by("") + "[detail]\nurl = '/page/{key}'\n"));
    let other = crawl_into(again.backend, all, &served, settings(), Outcome::Complete).await;
    assert_eq!(other.report.items.changed, 3);
}

#[tokio::test]
async fn ignored_parts_are_no_change_in_sqlite() {
    ignored_parts_are_no_change::<Sqlite>().await;
}

#[tokio::test]
async fn ignored_parts_are_no_change_in_mongodb() {
    ignored_parts_are_no_change::<Mongodb>().await;
}

/// What the list says to be as it was is not asked for, under the same rules.
async fn a_revision_saves_the_request<B: Backend>() {
    let second_at = Arc::new(AtomicU64::new(1));
    let at = second_at.clone();
    let served = three(
        move |id| json!({ "id": id, "at": if id == 2 { at.load(Relaxed) } else { 1 } }),
        |id| json!({ "id": id, "name": "n" }),
    );
    let site = |rest: &str| {
        site_of(&(by("") + "revision = '$.at'\n[detail]\nurl = '/page/{key}'\n" + rest))
    };
    let first = crawl_served::<B>(site(""), &served).await;
    assert_eq!(served.count("/page/"), 3);
    let again = crawl_into(first.backend, site(""), &served, settings(), Outcome::Complete).await;
    assert_eq!((again.report.items.same, served.count("/page/")), (3, 3), "none is requested");
    second_at.store(2, Relaxed);
    let third = crawl_into(again.backend, site(""), &served, settings(), Outcome::Complete).await;
    assert_eq!((third.report.items.same, served.count("/page/")), (3, 4), "its page is the same");
    let rules = site("fields = { name = '$.name' }\n");
    let other = crawl_into(third.backend, rules, &served, settings(), Outcome::Complete).await;
    assert_eq!((other.report.items.changed, served.count("/page/")), (3, 7), "by other rules");
    assert_eq!(other.documents, keyed(|_| json!({ "name": "n" })).into_iter().collect());
}

#[tokio::test]
async fn a_revision_saves_the_request_in_sqlite() {
    a_revision_saves_the_request::<Sqlite>().await;
}

#[tokio::test]
async fn a_revision_saves_the_request_in_mongodb() {
    a_revision_saves_the_request::<Mongodb>().await;
}

#[tokio::test]
async fn l7_links_to_other_hosts_are_refused_unless_the_file_allows_them() {
    let other = Served::start(|asked| {
        assert!(!asked.headers.contains_key("x-token"), "headers stay at home");
        match asked.path.trim_start_matches('/').parse::<u64>() {
            Ok(id) => Answer::json(&json!({ "id": id })),
            // It is asked for its rules, too.
            Err(_) => Answer::not_found(),
        }
    });
    let host = other.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let link = format!("http://{host}");
    let served =
        three(move |id| json!({ "id": id, "link": format!("{link}/{id}") }), |_| Value::Null);
    let site = |more: &str| {
        site_of(
            &(by(more)
                + "headers = { X-Token = 's3cret' }\n[detail]\nlink = '$.link'\nheaders = { X-Token = 's3cret' }\n"),
        )
    };
    let refused = crawl_with::<Sqlite>(site(""), &served, settings(), Outcome::Incomplete).await;
    assert_eq!((refused.report.items.failed, other.requests().len()), (3, 0));
    let allowed = crawl_served::<Sqlite>(site(&format!("hosts = ['{host}']")), &served).await;
    allowed.holds(keyed(|id| json!({ "id": id })));
    let own: Vec<Asked> = served.requests();
    assert!(
        own.iter()
            .filter(|asked| asked.path == "/list")
            .all(|asked| asked.header("x-token") == "s3cret")
    );
}

#[tokio::test]
async fn an_item_without_a_link_is_a_failure() {
    let served = three(
        |id| {
            if id == 2 {
                json!({ "id": id })
            } else {
                json!({ "id": id, "link": format!("/page/{id}") })
            }
        },
        |id| json!({ "id": id }),
    );
    let site = by("") + "[detail]\nlink = '$.link'\n";
    let crawled =
        crawl_with::<Sqlite>(site_of(&site), &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.failed), (2, 1));
}

#[tokio::test]
async fn a_list_field_that_fails_fails_only_its_item() {
    let served = three(
        |id| if id == 2 { json!({ "id": id, "n": "many" }) } else { json!({ "id": id, "n": "7" }) },
        |_| Value::Null,
    );
    let site =
        by("") + "[index.fields]\nn = { select = '$.n', as = 'integer' }\nnever = '$.never'\n";
    let crawled =
        crawl_with::<Sqlite>(site_of(&site), &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.failed), (2, 1));
    assert_eq!(crawled.documents["1"], json!({ "n": 7 }));
    says(&crawled.report, "the field never was found on none of 3 items of the list");
    assert_eq!(served.requests().iter().filter(|asked| asked.path == "/list").count(), 1);
}

#[tokio::test]
async fn a_form_is_sent_with_its_placeholders() {
    let served = Served::start(|asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        match (asked.path.as_str(), asked.method.as_str()) {
            ("/search", "POST") => {
                let ids = if body == "q=a%26b&page=1" {
                    vec![1, 2]
                } else if body == "q=a%26b&page=2" {
                    vec![3]
                } else {
                    vec![]
                };
                Answer::json(
                    &json!({ "list": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() }),
                )
            }
            ("/show", "PUT") => Answer::json(&serde_json::from_str::<Value>(&body).expect("JSON")),
            _ => Answer::not_found(),
        }
    });
    let site = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/search'\nform = { q = 'a&b', page = '{page}' }\npaging = { by = 'page' }\n\
                items = '$.list[*]'\nkey = '$.id'\n[detail]\nurl = '/show'\nmethod = 'PUT'\njson = { id = '{key}', deep = [{ k = 'no {key}!' }] }\n";
    let expected =
        |id: u64| json!({ "id": id.to_string(), "deep": [{ "k": format!("no {id}!") }] });
    crawl_served::<Sqlite>(site_of(site), &served).await.holds(keyed(expected));
    let form =
        served.requests().into_iter().find(|asked| asked.path == "/search").expect("the search");
    assert_eq!(form.header("content-type"), "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn keys_come_from_a_file_and_a_bad_one_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ids.txt"), "1\n 2\n..\n3\n1\n").expect("the file");
    let path = folder.path().join("x.toml");
    let text = "name = 'x'\nbase_url = 'http://h'\n[index]\npaging = { by = 'keys', file = 'ids.txt' }\n[detail]\nurl = '/page/{key}'\n";
    std::fs::write(&path, text).expect("the site file");
    let site = gleaner::site::Site::load(path.to_str().expect("UTF-8")).expect("a site");
    let served = three(|_| Value::Null, |id| json!({ "id": id }));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.failed), (3, 1));
    assert_eq!((crawled.report.index.pages, crawled.report.index.listed), (0, 4));
    says(&crawled.report, "the key is a dot segment");
}

#[tokio::test]
async fn l10_an_error_that_comes_as_an_empty_list_is_refused_with_and_without_require() {
    let served = Served::start(|asked| match asked.query.get("cursor").map(String::as_str) {
        None => Answer::json(&json!({ "data": { "list": [{ "id": 1 }], "next": "b" } })),
        _ => Answer::json(&json!({ "errors": ["overloaded"], "data": null })),
    });
    let site = |require: &str| {
        site_of(&format!(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/q'\nquery = {{ cursor = '{{cursor}}' }}\n\
             paging = {{ by = 'cursor', select = '$.data.next' }}\nitems = '$.data.list[*]'\nkey = '$.id'\n{require}"
        ))
    };
    let trusting = crawl_with::<Sqlite>(site(""), &served, settings(), Outcome::Incomplete).await;
    assert_eq!(trusting.report.items.new, 1);
    let careful = crawl_with::<Sqlite>(
        site("require = ['$.data.list']"),
        &served,
        settings(),
        Outcome::Incomplete,
    )
    .await;
    assert_eq!(careful.report.items.new, 1);
}

#[tokio::test]
async fn p1_a_page_without_any_field_replaces_no_document() {
    let is_well = Arc::new(AtomicU64::new(1));
    let now = is_well.clone();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": [{ "id": 1 }] })),
        _ if now.load(Relaxed) == 1 => Answer::html("<h1>One</h1>".to_owned()),
        _ => Answer::html(String::new()),
    });
    let site = || {
        site_of(
            &(by("")
                + "[detail]\nformat = 'html'\nurl = '/page/{key}'\n[detail.fields]\nname = 'h1::text'\n"),
        )
    };
    let first = crawl_served::<Sqlite>(site(), &served).await;
    is_well.store(0, Relaxed);
    let then = crawl_into(first.backend, site(), &served, settings(), Outcome::Incomplete).await;
    assert_eq!(then.report.items.failed, 1);
    assert_eq!(then.documents.values().collect::<Vec<_>>(), [&json!({ "name": "One" })]);
}

#[tokio::test]
async fn w8_a_body_in_an_encoding_that_is_not_known_is_a_failure() {
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "list": [{ "id": 1 }] })),
        "/page/1" => Answer::json(&json!({ "id": 1 })).header("Content-Encoding", "X-Odd"),
        _ => Answer::not_found(),
    });
    let site = site_of(&(by("") + "[detail]\nurl = '/page/{key}'\n"));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.report.items.failed, 1);
}
