//! Files in the first edition's form and their translation into the second one store the same,
//! whatever the site says.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::{crawl_to_its_end, settings, site_of};
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::Sqlite;

const HEAD: &str = "name = 'x'\nbase_url = 'http://h'\n";

/// The same list of JSON pages, in the form of the first edition and in that of the second.
const JSON: [&str; 2] = [
    "[index]\nurl = '/list'\nquery = { c = '{cursor}' }\n\
     paging = { by = 'cursor', select = '$.meta.next' }\n\
     items = '$.data.rows[*]'\nkey = '$.id'\n\
     fields = { name = { select = '$.name', regex = '^(\\w+)' }, tags = { select = '$.tags[*]', many = true } }\n\
     [detail]\nurl = '/item/{key}'\ndocument = '$.item'\nrequire = ['$.item.id']\n",
    "[index]\nurl = '/list'\nquery = { c = '{mark}' }\n\
     paging = { by = 'cursor', take = { mark = ['$.meta', '$.next'] } }\n\
     items = ['$.data', '$.rows[*]']\nkey = ['$.id']\n\
     fields = { name = { select = ['$.name', { regex = '^(\\w+)' }] }, tags = { select = ['$.tags[*]'], many = true } }\n\
     [detail]\nurl = '/item/{key}'\nwithin = '$.item'\nrequire = ['$.id']\n",
];

/// The same list of HTML pages in both forms.
const HTML: [&str; 2] = [
    "format = 'html'\n[index]\nurl = '/list'\nquery = { p = '{page}' }\n\
     paging = { by = 'page' }\n\
     items = 'ul li'\nkey = { select = 'a::attr(href)', regex = '/item/(\\d+)' }\n\
     [detail]\nurl = '/item/{key}'\nrequire = ['h1']\n\
     [detail.fields]\nname = 'h1::text'\n\
     score = { select = 'p::text', regex = 'Score: (\\d+)', as = 'number' }\n",
    "format = 'html'\n[index]\nurl = '/list'\nquery = { p = '{page}' }\n\
     paging = { by = 'page', first = 1 }\nwithin = 'ul'\n\
     items = ['li']\nkey = ['a::attr(href)', { regex = '/item/(\\d+)' }]\n\
     [detail]\nurl = '/item/{key}'\nwithin = 'main'\nrequire = ['h1']\n\
     [detail.fields]\nname = ['h1::text']\n\
     score = { select = ['p::text', { regex = 'Score: (\\d+)' }], as = 'number' }\n",
];

fn value() -> impl Strategy<Value = Value> {
    let texts = [
        "",
        "Ägypten 7",
        "a b",
        " x",
        "<b>&amp;",
        "999999999999999999999999999999",
        "null",
        "{key}",
    ];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (10..1_000_u64).prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        select(texts.to_vec()).prop_map(Value::from),
        Just(json!([1, "two", null])),
        Just(json!({ "a": { "b": [] } })),
    ]
}

/// An item: its members, of which some may be missing or of another type.
fn item() -> impl Strategy<Value = Map<String, Value>> {
    let names = select(vec!["name", "tags", "score", "x"]);
    prop::collection::vec((names, value()), 0..4)
        .prop_map(|members| members.into_iter().map(|(name, it)| (name.to_owned(), it)).collect())
}

fn with_id(at: usize, item: &Map<String, Value>) -> Value {
    let mut item = item.clone();
    item.insert("id".to_owned(), json!(at));
    Value::Object(item)
}

/// Serves `items` as JSON, `size` a page, each page with the number of the next one.
fn as_json(items: &[Map<String, Value>], size: usize, asked: &Asked) -> Answer {
    if asked.path == "/list" {
        let from = asked.number("c").unwrap_or_default();
        let rows: Vec<_> = items
            .iter()
            .enumerate()
            .skip(from)
            .take(size)
            .map(|(at, it)| with_id(at, it))
            .collect();
        let next = (from + size < items.len()).then_some(from + size);
        return Answer::json(&json!({ "data": { "rows": rows }, "meta": { "next": next } }));
    }
    let at = asked.path.strip_prefix("/item/").and_then(|at| at.parse::<usize>().ok());
    match at.and_then(|at| Some((at, items.get(at)?))) {
        Some((at, item)) => Answer::json(&json!({ "item": with_id(at, item) })),
        None => Answer::not_found(),
    }
}

/// Serves `items` as HTML, `size` a page.
fn as_html(items: &[Map<String, Value>], size: usize, asked: &Asked) -> Answer {
    if asked.path == "/list" {
        let from = (asked.number("p").unwrap_or(1) - 1) * size;
        let row = |at: usize| format!("<li><a href=/item/{at}>{at}</a>");
        let rows: String = (from..items.len()).take(size).map(row).collect();
        return Answer::html(format!("<ul>{rows}</ul>"));
    }
    let at = asked.path.strip_prefix("/item/").and_then(|at| at.parse::<usize>().ok());
    let Some(item) = at.and_then(|at| items.get(at)) else { return Answer::not_found() };
    let shown = |name: &str| item.get(name).map(ToString::to_string).unwrap_or_default();
    Answer::html(format!("<main><h1>{}</h1><p>Score: {}</p></main>", shown("name"), shown("score")))
}

/// What a crawl by this file stores and reports.
async fn stored(file: &str, served: &Served) -> String {
    let site = site_of(&format!("{HEAD}{file}"));
    let crawled = crawl_to_its_end(Sqlite::start().await, site, served, settings()).await;
    let items = &crawled.report.items;
    format!("{:?} {items:?}\n{:#?}", crawled.report.outcome, crawled.documents)
}

fn same(files: [&str; 2], answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> String {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let served = Served::start(answer);
        let [first, second] = [stored(files[0], &served).await, stored(files[1], &served).await];
        assert_eq!(first, second);
        first
    })
}

proptest! {
    #![proptest_config(crate::outside::config(10))]

    #[test]
    fn both_forms_of_a_file_store_the_same_of_json(
        items in prop::collection::vec(item(), 1..30), size in 1_usize..12,
    ) {
        let stored = same(JSON, move |asked| as_json(&items, size, asked));
        prop_assert!(stored.starts_with("Complete") || stored.starts_with("Incomplete"), "{stored}");
    }

    #[test]
    fn both_forms_of_a_file_store_the_same_of_html(
        items in prop::collection::vec(item(), 1..30), size in 1_usize..12,
    ) {
        let stored = same(HTML, move |asked| as_html(&items, size, asked));
        prop_assert!(stored.starts_with("Complete") || stored.starts_with("Incomplete"), "{stored}");
    }
}
