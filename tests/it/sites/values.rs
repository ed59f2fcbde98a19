//! Values of a list in the requests of its items, keys of several parts, values from elsewhere than
//! the item, conversions, and lists of objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Begin;
use serde_json::{Value, json};

use super::{Crawled, crawl_into, crawl_served, crawl_with, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Served};
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

const HEAD: &str = "name = 'x'\nbase_url = 'http://h'\n";

/// Crawls a page of JSON, and returns the documents as one object.
async fn of_json(index: &str, page: Value) -> Value {
    let served = Served::start(move |_| Answer::json(&page).header("x-tag", "a, b; c"));
    let site = site_of(&format!("{HEAD}[index]\nurl = '/l'\n{index}"));
    documents(crawl_served::<Sqlite>(site, &served).await)
}

fn documents<B>(crawled: Crawled<B>) -> Value {
    Value::Object(crawled.documents.into_iter().collect())
}

fn slugs(asked: &crate::served::Asked) -> Answer {
    match asked.path.as_str() {
        "/l" => Answer::json(&json!({ "rows": [
            { "id": 1, "year": 2024, "slug": "a b" },
            { "id": 2, "year": 2025, "slug": "c/d" },
        ] })),
        "/2024/a%20b.json" => Answer::json(&json!({ "name": "one" })),
        "/2025/c%2Fd.json" => Answer::json(&json!({ "name": "two" })),
        _ => Answer::not_found(),
    }
}

const SLUGS: &str = "[index]\nurl = '/l'\nitems = '$.rows[*]'\nkey = '$.id'\n\
                     [index.values]\nyear = '$.year'\nslug = '$.slug'\n\
                     [detail]\nurl = '/{year}/{slug}.json'\nrequire = ['$.name']\n";

#[tokio::test]
async fn w12_values_of_the_list_make_the_request_of_an_item() {
    let served = Served::start(slugs);
    let crawled = crawl_served::<Sqlite>(site_of(&format!("{HEAD}{SLUGS}")), &served).await;
    assert_eq!(documents(crawled), json!({ "1": { "name": "one" }, "2": { "name": "two" } }));
    // A field of the list can be used in the same way; it is stored.
    let fields = SLUGS
        .replace("[index.values]\nyear = '$.year'", "fields = { year = '$.year' }\n[index.values]");
    let served = Served::start(slugs);
    let crawled = crawl_served::<Sqlite>(site_of(&format!("{HEAD}{fields}")), &served).await;
    let expected =
        json!({ "1": { "year": 2024, "name": "one" }, "2": { "year": 2025, "name": "two" } });
    assert_eq!(documents(crawled), expected);
}

/// An item that left the list is looked for where it was, and is marked only if it is not there.
async fn an_item_that_left<B: Ledger>() {
    let listed = Arc::new(AtomicBool::new(true));
    let all = listed.clone();
    let served = Served::start(move |asked| {
        let ids = if all.load(Relaxed) { 0..20 } else { 2..20 };
        let row = |id: i32| json!({ "id": id, "slug": format!("s{id}") });
        match asked.path.as_str() {
            "/l" => Answer::json(&json!({ "rows": ids.map(row).collect::<Vec<_>>() })),
            "/p/s0" if !all.load(Relaxed) => Answer::not_found(),
            path => Answer::json(&json!({ "name": path })),
        }
    });
    let site = || {
        site_of(&format!(
            "{HEAD}[index]\nurl = '/l'\nitems = '$.rows[*]'\nkey = '$.id'\n[index.values]\nslug = '$.slug'\n\
             [detail]\nurl = '/p/{{slug}}'\nrequire = ['$.name']\n"
        ))
    };
    let crawled = crawl_served::<B>(site(), &served).await;
    listed.store(false, Relaxed);
    let crawled = crawl_into(crawled.backend, site(), &served, settings(), Outcome::Complete).await;
    let items = &crawled.report.items;
    assert_eq!((items.same, items.gone, items.unlisted), (18, 1, 1), "{:#?}", crawled.report);
}

#[tokio::test]
async fn g4_an_item_whose_request_has_values_of_the_list_is_found_without_it_in_sqlite() {
    an_item_that_left::<Sqlite>().await;
}

#[tokio::test]
async fn g4_an_item_whose_request_has_values_of_the_list_is_found_without_it_in_mongodb() {
    an_item_that_left::<Mongodb>().await;
}

/// The URL is the same for all items: an answer to it says nothing of the one that left the list.
#[tokio::test]
async fn g6_an_item_whose_request_has_values_in_its_body_is_not_shown_to_be_gone() {
    let left = Arc::new(AtomicBool::new(false));
    let has_left = left.clone();
    let served = Served::start(move |asked| {
        let first = if has_left.load(Relaxed) { 1 } else { 0 };
        let row = |id: i32| json!({ "id": id, "slug": format!("s{id}") });
        match (asked.path.as_str(), asked.json()["slug"].as_str()) {
            ("/l", _) => Answer::json(&json!({ "rows": (first..20).map(row).collect::<Vec<_>>() })),
            (_, Some(slug)) => Answer::json(&json!({ "name": slug })),
            _ => Answer::not_found(),
        }
    });
    let site = || {
        site_of(&format!(
            "{HEAD}[index]\nurl = '/l'\nitems = '$.rows[*]'\nkey = '$.id'\n[index.values]\nslug = '$.slug'\n\
             [detail]\nurl = '/d/{{slug}}'\njson = {{ slug = '{{slug}}' }}\nrequire = ['$.name']\n"
        ))
    };
    let crawled = crawl_served::<Sqlite>(site(), &served).await;
    left.store(true, Relaxed);
    let crawled = crawl_into(crawled.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!(crawled.report.items.gone, 0, "{:#?}", crawled.report);
    assert_eq!(crawled.documents.len(), 20);
    says(&crawled.report, "item 0: it is not listed, and its page cannot be requested");
}

#[tokio::test]
async fn a_value_that_the_list_lacks_is_a_failure_of_its_item() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/l" => Answer::json(
            &json!({ "rows": [{ "id": 1, "slug": "a", "year": 1 }, { "id": 2, "slug": "b" }] }),
        ),
        _ => Answer::json(&json!({ "name": "n" })),
    });
    let site = site_of(&format!("{HEAD}{SLUGS}"));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.documents.len(), 1);
    let failures = crawled.backend.failures().await;
    assert!(failures[0].message.contains("no value `year`"), "{failures:?}");
    says(&crawled.report, "1 item");
}

#[tokio::test]
async fn l11_a_key_of_several_parts_tells_items_apart() {
    let page =
        json!({ "rows": [{ "t": "a", "id": 1 }, { "t": "b", "id": 1 }, { "t": "a", "id": 2 }] });
    let index = "items = '$.rows[*]'\nkey = { join = ['$.t', '$.id'] }\nfields = { t = '$.t' }\n";
    let expected = json!({ "a:1": { "t": "a" }, "a:2": { "t": "a" }, "b:1": { "t": "b" } });
    assert_eq!(of_json(index, page.clone()).await, expected);
    let index = "items = '$.rows[*]'\nkey = { join = ['$.t', { select = '$.id' }], with = '' }\nfields = { t = '$.t' }\n";
    assert_eq!(of_json(index, page).await["b1"], json!({ "t": "b" }));
}

#[tokio::test]
async fn l11_the_name_of_a_member_is_a_key() {
    let page = json!({ "rows": { "x y": { "n": 1 }, "z": { "n": 2 }, "0": { "n": null } } });
    let index = "items = '$.rows[*]'\nkey = { from = 'name' }\nfields = { n = '$.n', id = { from = 'name' } }\n";
    let expected = json!({
        "x y": { "n": 1, "id": "x y" }, "z": { "n": 2, "id": "z" }, "0": { "n": null, "id": "0" },
    });
    assert_eq!(of_json(index, page).await, expected);
}

#[tokio::test]
async fn values_come_from_the_page_the_seed_and_headers() {
    let page = json!({
        "data": [{ "id": "1", "author": "9" }, { "id": "2", "author": "it's" }, { "id": "3" }],
        "included": [{ "id": "9", "name": "Nine" }, { "id": "it's", "name": "Quote" }],
        "year": 2024,
    });
    let index = "items = '$.data[*]'\nkey = '$.id'\n[index.values]\nauthor = '$.author'\n[index.fields]\n\
                 by = { from = 'page', select = \"$.included[?@.id == '{author}'].name\" }\n\
                 year = { from = 'page', select = '$.year' }\n\
                 nine = { from = 'page', select = \"$.included[?search(@.name, 'N.{2}e')].id\" }\n\
                 tags = { header = 'X-Tag', regex = '\\w', all = true }\n";
    let tags = json!(["a", "b", "c"]);
    let expected = json!({
        "1": { "by": "Nine", "year": 2024, "nine": "9", "tags": tags },
        "2": { "by": "Quote", "year": 2024, "nine": "9", "tags": tags },
        "3": { "year": 2024, "nine": "9", "tags": tags },
    });
    assert_eq!(of_json(index, page).await, expected);

    let served = Served::start(|asked| {
        let of = &asked.path[1..];
        Answer::json(&json!([{ "id": format!("{of}-1") }]))
    });
    let site = site_of(&format!(
        "{HEAD}[seeds]\nvalues = ['a', 'b']\n[index]\nurl = '/{{seed}}'\nitems = '$[*]'\nkey = '$.id'\n\
         fields = {{ of = {{ from = 'seed' }} }}\n"
    ));
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    assert_eq!(documents(crawled), json!({ "a-1": { "of": "a" }, "b-1": { "of": "b" } }));
}

#[tokio::test]
async fn p5_urls_dates_and_numbers_are_converted_as_the_file_says() {
    let page = json!([{
        "id": 1, "link": "../a?b=1#c", "on": "01.05.2024", "at": "Wed, 01 May 2024 13:30:00 +0200",
        "price": "1.234,50 €", "count": "12 345", "text": "ISBN 1, ISBN 22; isbn 3",
    }]);
    let index = "items = '$[*]'\nkey = '$.id'\n[index.fields]\n\
                 link = { select = '$.link', as = 'url' }\n\
                 on = { select = '$.on', as = 'date', format = '%d.%m.%Y' }\n\
                 at = { select = '$.at', as = 'date' }\n\
                 price = { select = '$.price', regex = '[\\d.,]+', as = 'number', decimal = ',' }\n\
                 count = { select = '$.count', as = 'integer', decimal = '.' }\n\
                 isbn = { select = '$.text', regex = 'ISBN (\\d+)', all = true, as = 'integer' }\n";
    let found = of_json(index, page).await["1"].clone();
    assert!(
        found["link"]
            .as_str()
            .is_some_and(|it| it.starts_with("http://127.0.0.1:") && it.ends_with("/a?b=1#c")),
        "{found}"
    );
    assert_eq!(found["on"], "2024-05-01");
    assert_eq!(found["at"], "2024-05-01T11:30:00Z");
    assert_eq!(
        (&found["price"], &found["count"], &found["isbn"]),
        (&json!(1234.5), &json!(12345), &json!([1, 22]))
    );
}

#[tokio::test]
async fn p5_a_value_that_is_no_date_or_number_of_that_form_is_a_failure() {
    for (rule, value) in [
        ("as = 'date', format = '%d.%m.%Y'", "2024-05-01"),
        ("as = 'number', decimal = ','", "1.23,4"),
        ("as = 'date'", "soon"),
    ] {
        let served = Served::start(move |_| Answer::json(&json!([{ "id": 1, "v": value }])));
        let site = site_of(&format!(
            "{HEAD}[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\nfields = {{ v = {{ select = '$.v', {rule} }} }}\n"
        ));
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
        assert!(crawled.documents.is_empty(), "{rule}");
    }
}

#[tokio::test]
async fn repeated_blocks_become_lists_of_objects_to_any_depth() {
    let served = Served::start(|asked| {
        match asked.path.as_str() {
        "/l" => Answer::html("<a href=/p/1>1</a>".to_owned()),
        _ => Answer::html(
            "<h1>One</h1><div class=r><b>A</b><i>5</i><p>x</p><p>y</p></div><div class=r><b>B</b></div><div class=r></div>"
                .to_owned(),
        ),
    }
    });
    let site = site_of(&format!(
        "{HEAD}format = 'html'\n[index]\nurl = '/l'\nitems = 'a'\nkey = '::text'\n[detail]\nlink = '::attr(href)'\n\
         [detail.fields]\ntitle = {{ select = 'h1::text', required = true }}\n\
         [detail.fields.reviews]\nitems = 'div.r'\n\
         [detail.fields.reviews.fields]\nwho = 'b::text'\nstars = {{ select = 'i::text', as = 'integer' }}\n\
         [detail.fields.reviews.fields.parts]\nitems = 'p'\nfields = {{ text = '::text' }}\n"
    ));
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    let reviews = json!([
        { "who": "A", "stars": 5, "parts": [{ "text": "x" }, { "text": "y" }] },
        { "who": "B" },
    ]);
    assert_eq!(documents(crawled), json!({ "1": { "title": "One", "reviews": reviews } }));
}

#[tokio::test]
async fn a_placeholder_in_a_body_is_a_number_where_it_is_asked_for() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/l" => Answer::json(&json!([{ "id": "7" }, { "id": "x8" }])),
        _ => Answer::json(&json!({ "sent": asked.json() })),
    });
    let site = site_of(&format!(
        "{HEAD}[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n[detail]\nurl = '/d'\n\
         json = {{ id = '{{key:number}}', text = '{{key}}' }}\n"
    ));
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    let expected = json!({
        "7": { "sent": { "id": 7, "text": "7" } }, "x8": { "sent": { "id": "x8", "text": "x8" } },
    });
    assert_eq!(documents(crawled), expected);
}

#[test]
fn o8_values_that_cannot_be_taken_are_refused_by_line_and_key() {
    for (index, said) in [
        ("[index.values]\n'a b' = '$.x'", "a value's name is a word"),
        ("[index.values]\nkey = '$.x'", "a value's name is a word"),
        ("fields = { a = { select = '$.a', all = true } }", "`all` needs `regex`"),
        ("fields = { a = { select = '$.a', format = '%d' } }", "`format` needs `as = \"date\"`"),
        ("fields = { a = { select = '$.a', decimal = ',' } }", "`decimal` needs"),
        (
            "fields = { a = { select = '$.a', as = 'number', decimal = ';' } }",
            "`decimal` is `,` or `.`",
        ),
        ("fields = { a = { from = 'seed', select = '$.a' } }", "`select` is not valid"),
        ("fields = { a = { from = 'page' } }", "missing: `select`"),
        ("fields = { a = { header = 'x y' } }", "is not a header name"),
        ("fields = { a = { items = '$.a[*]' } }", "`items` needs `fields`"),
        ("fields = { a = { select = '$.a', fields = { b = '$.b' } } }", "`fields` needs `items`"),
        ("fields = { a = { join = ['$.a', '$.b'] } }", "valid for a key only"),
        ("revision = { from = 'seed' }", "not valid here"),
        (
            "fields = { a = { from = 'page', select = '$.x.{athor}' } }",
            "unknown placeholder {athor}",
        ),
        ("[detail]\nurl = '/d/{nothing}'", "unknown placeholder {nothing}"),
        (
            "[detail]\nurl = '/d/{key}'\nfields = { a = { from = 'seed' } }",
            "on the page of an item",
        ),
    ] {
        let key = if index.contains("key = {") { "" } else { "key = '$.id'\n" };
        let text = format!("{HEAD}[index]\nurl = '/l'\nitems = '$[*]'\n{key}{index}\n");
        let error = Site::parse(&text, "x.toml").expect_err(index).to_string();
        assert!(error.contains(said) && error.contains("x.toml:"), "{index}: {error}");
    }
    for (key, said) in [
        ("{ join = ['$.a'] }", "two selectors or more"),
        ("{ join = ['$.a', '$.b'], select = '$.c' }", "only `with` is valid"),
        ("{ select = '$.a', many = true }", "`many` is not valid here"),
    ] {
        let text = format!("{HEAD}[index]\nurl = '/l'\nitems = '$[*]'\nkey = {key}\n");
        let error = Site::parse(&text, "x.toml").expect_err(key).to_string();
        assert!(error.contains(said), "{key}: {error}");
    }
}

/// An item that failed is retried by the values that its list gives.
async fn a_retry_by_values<B: Backend>() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = is_away.clone();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/2025/c%2Fd.json" if away.load(Relaxed) => Answer::text("no".to_owned()).status(500),
        _ => slugs(asked),
    });
    let site = || site_of(&format!("{HEAD}{SLUGS}"));
    let first = crawl_with::<B>(site(), &served, settings(), Outcome::Incomplete).await;
    assert_eq!(first.report.items.failed, 1, "{:#?}", first.report);
    is_away.store(false, Relaxed);
    let retry = settings().with(|it| it.scope.begin = Begin::Failures);
    let again = crawl_into(first.backend, site(), &served, retry, Outcome::Complete).await;
    assert_eq!(again.report.items.new, 1, "{:#?}", again.report);
    assert_eq!(served.count("/2024/"), 1, "the other one is not requested again");
    assert_eq!(documents(again), json!({ "1": { "name": "one" }, "2": { "name": "two" } }));
}

#[tokio::test]
async fn an_item_that_failed_is_retried_by_values_of_its_list_in_sqlite() {
    a_retry_by_values::<Sqlite>().await;
}

#[tokio::test]
async fn an_item_that_failed_is_retried_by_values_of_its_list_in_mongodb() {
    a_retry_by_values::<Mongodb>().await;
}
