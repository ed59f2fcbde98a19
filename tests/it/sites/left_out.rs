//! What site files say of the last page, of items that are not there, and of parameters: nothing is
//! requested that is not there, and what lacks a value is left out.

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Settings;
use serde_json::{Value, json};

use super::{Crawled, crawl_with, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::Sqlite;

fn settings() -> Settings {
    super::settings().with(|it| it.pace.robots = false)
}

async fn crawled(site: Site, served: &Served, outcome: Outcome) -> Crawled<Sqlite> {
    crawl_with::<Sqlite>(site, served, settings(), outcome).await
}

fn list(index: &str, more: &str) -> Site {
    site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\nkey = '$.id'\n{index}\n{more}\n"
    ))
}

/// 47 items, ten a page, from page 0. A page after the last has this status.
fn spring(asked: &Asked, status: u16) -> Answer {
    let from = asked.number("page").unwrap_or(0) * 10;
    let list: Vec<Value> = (from..47.min(from + 10)).map(|id| json!({ "id": id })).collect();
    match list.is_empty() {
        true => Answer::json(&json!({ "m": "no such page" })).status(status),
        false => Answer::json(&json!({ "list": list, "totalPages": 5 })).header("x-pages", "5"),
    }
}

#[tokio::test]
async fn a_number_of_pages_plans_none_after_the_last_wherever_they_begin() {
    for (pages, status) in [("'$.totalPages'", 404), ("{ header = 'X-Pages' }", 400), ("5", 404)] {
        let served = Served::start(move |asked| spring(asked, status));
        let paging = format!(
            "query = {{ page = '{{page}}' }}\npaging = {{ by = 'page', first = 0, pages = {pages} }}"
        );
        let done = crawled(list(&paging, ""), &served, Outcome::Complete).await;
        assert_eq!((done.report.items.new, served.count("/list")), (47, 5), "{pages}");
    }
}

#[test]
fn a_number_of_pages_excludes_other_ends() {
    let of = |paging: &str| {
        let text = format!(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/{{page}}'\npaging = {{ {paging} }}\nitems = '$[*]'\nkey = '$.id'\n"
        );
        Site::parse(&text, "s.toml").expect_err("a bad file").to_string()
    };
    let both = of("by = 'page', pages = '$.p', last = '$.l'");
    assert!(both.contains("s.toml:5: index.paging: `pages` is not valid together"), "{both}");
    let none = of("by = 'page', pages = 0");
    assert!(none.contains("index.paging.pages: must be at least 1"), "{none}");
    let other = of("by = 'next', select = '$.n', pages = 3");
    assert!(other.contains("`pages` is not valid with `by = \"next\"`"), "{other}");
}

#[tokio::test]
async fn an_item_whose_page_is_null_is_missing_and_the_report_says_what_was_seen() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => {
            Answer::json(&json!({ "list": [{ "id": 1 }, { "id": 2 }, { "id": 3 }, { "id": 4 }] }))
        }
        "/item/2" => Answer::json(&Value::Null),
        "/item/3" => Answer::not_found(),
        path => Answer::json(&json!({ "id": path })),
    });
    let more = "[detail]\nurl = '/item/{key}'\nrequire = ['$.id']\n[answers]\nmissing = ['null']\n";
    let done = crawled(list("", more), &served, Outcome::Complete).await;
    assert_eq!((done.report.items.new, done.report.items.missing), (2, 2));
    says(
        &done.report,
        "it is listed, but the page has nothing but `null`, which means that it is gone",
    );
    says(&done.report, "it is listed, but its page answers 404");
}

#[test]
fn null_is_no_sign_of_an_error() {
    let text = "name = 'x'\nbase_url = 'http://h'\n[answers]\nerror = ['null']\n[index]\nurl = '/'\nitems = '$[*]'\nkey = '$.id'\n";
    let error = Site::parse(text, "s.toml").expect_err("a bad file").to_string();
    assert!(
        error.contains("s.toml:4: answers.error: `null` is valid in `missing` only"),
        "{error}"
    );
}

#[tokio::test]
async fn a_list_of_texts_repeats_a_parameter() {
    let answer = |_: &Asked| Answer::json(&json!({ "list": [{ "id": 1 }] }));
    let served = Served::start(answer);
    let query = "query = { 'fields[]' = ['id', 'title'], n = [1], q = 'x' }";
    crawled(list(query, ""), &served, Outcome::Complete).await;
    let asked = served.requests().remove(0);
    assert_eq!(asked.raw_query, "fields%5B%5D=id&fields%5B%5D=title&n=1&q=x");
    let served = Served::start(answer);
    let form = "form = { id = ['1', '2'], q = 'x' }";
    crawled(list(form, ""), &served, Outcome::Complete).await;
    assert_eq!(served.requests().remove(0).body, b"id=1&id=2&q=x");
}

#[test]
fn an_empty_list_is_no_parameter() {
    let text = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/'\nquery = { a = [] }\nitems = '$[*]'\nkey = '$.id'\n";
    let error = Site::parse(text, "s.toml").expect_err("a bad file").to_string();
    assert!(error.contains("the list is empty: leave the parameter out"), "{error}");
}

#[tokio::test]
async fn a_status_after_the_last_page_names_the_way_out() {
    let served = Served::start(|asked| spring(asked, 400));
    let paging = "query = { page = '{page}' }\npaging = { by = 'page', first = 0, more = false }";
    let done = crawled(list(paging, ""), &served, Outcome::Incomplete).await;
    let failure = done.backend.failures().await.remove(0);
    let hint = "if that is how the list ends, `[answers] end = [400]` in the site file says so";
    assert!(failure.message.contains(hint), "{}", failure.message);
    let served = Served::start(|asked| spring(asked, 400));
    let site = list(paging, "[answers]\nend = [400]\n");
    assert_eq!(crawled(site, &served, Outcome::Complete).await.report.items.new, 47);
}
