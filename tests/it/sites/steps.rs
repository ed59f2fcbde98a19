//! Selectors of several steps and `within`, each on a served site as services have them.

use gleaner::model::report::Outcome;
use serde_json::{Value, json};

use super::{crawl_served, crawl_with, settings, site, site_of};
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::{Mongodb, Sqlite};

/// The things of page `page`, ten on each of three.
fn things(asked: &Asked) -> Vec<Value> {
    let page = asked.number("page").unwrap_or(1) as u64;
    let ids = (page * 10 - 9)..=(page * 10).min(25);
    ids.map(|id| json!({ "id": id, "title": format!("Thing </b> \"{id}\" & é}};") })).collect()
}

fn keyed(document: impl Fn(u64) -> Value) -> Vec<(String, Value)> {
    (1..=25).map(|id| (id.to_string(), document(id))).collect()
}

fn title(id: u64) -> String {
    format!("Thing </b> \"{id}\" & é}};")
}

/// A text as JSON in a script: browsers end it at `</`.
fn in_script(value: &Value) -> String {
    value.to_string().replace("</", "<\\/")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

async fn failed_with<B: Ledger>(backend: &B, words: &str) {
    let failures = backend.failures().await;
    assert!(failures.len() == 1 && failures[0].message.contains(words), "{failures:?}");
}

#[tokio::test]
async fn an_api_that_answers_with_a_fragment_of_html_is_a_list_of_its_elements() {
    let served = Served::start(|asked| {
        let items = things(asked);
        let cards = items.iter().map(|it| {
            let title = escaped(it["title"].as_str().expect("a title"));
            format!("<li class=card data-id={}><a href=x>{title}</a></li>", it["id"])
        });
        let html: String = cards.collect();
        Answer::json(
            &json!({ "html": format!("<li>ad</li>{html}"), "has_more": items.len() == 10 }),
        )
    });
    let crawled =
        crawl_served::<Sqlite>(site("tests/it/sites/shapes/fragment.toml"), &served).await;
    crawled.holds(keyed(|id| json!({ "title": title(id) })));
}

/// A page of another kind has none of the fragment, and is no end of the list.
#[tokio::test]
async fn l10_an_error_instead_of_the_fragment_loses_the_page() {
    let served = Served::start(|asked| match asked.number("page") {
        Some(1) => Answer::json(&json!({ "html": "<li class=card data-id=1>x</li>" })),
        _ => Answer::json(&json!({ "notice": "we are working on it" })),
    });
    let site = site("tests/it/sites/shapes/fragment.toml");
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.report.items.new, 1);
}

#[tokio::test]
async fn the_state_of_a_next_js_page_is_read_as_the_page() {
    for path in ["nextdata", "initstate"] {
        let served = Served::start(move |asked| {
            let items = things(asked);
            let script = match path {
                "nextdata" => format!(
                    "<script id=__NEXT_DATA__ type=application/json>{}</script>",
                    in_script(
                        &json!({ "props": { "pageProps": { "items": items, "total": 25 } } })
                    )
                ),
                _ => format!(
                    "<script>var x;</script><script>window.__INITIAL_STATE__ = {};(function(){{}}());</script>",
                    in_script(&json!({ "list": items }))
                ),
            };
            Answer::html(format!("<!doctype html><body><div id=app></div>{script}</body>"))
        });
        let site = site(&format!("tests/it/sites/shapes/{path}.toml"));
        let crawled = crawl_served::<Mongodb>(site, &served).await;
        crawled.holds(keyed(|id| json!({ "id": id, "title": title(id) })));
        let declared = (path == "nextdata").then_some(25);
        assert_eq!(crawled.report.index.declared, declared);
    }
}

#[tokio::test]
async fn a_page_that_calls_a_function_with_json_is_that_json() {
    let served = Served::start(|asked| {
        let page = json!({ "data": { "list": things(asked), "page": { "count": 25 } } });
        Answer::body(format!("/**/cb({page});"), "application/javascript")
    });
    let crawled = crawl_served::<Sqlite>(site("tests/it/sites/shapes/jsonp.toml"), &served).await;
    crawled.holds(keyed(|id| json!({ "id": id, "title": title(id) })));
    // Ended by its count: no page past the last is asked for.
    assert_eq!(served.count("/jsonp/list"), 3);
}

#[tokio::test]
async fn within_gives_a_document_and_answers_look_at_the_whole_page() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "d": json!({ "rows": [1, 2, 3, 4] }).to_string() })),
        "/page/2" => Answer::html("<h1 class=gone>Gone</h1>".to_owned()),
        "/page/3" => Answer::html("<h1>Log in</h1>".to_owned()),
        _ => Answer::html(format!(
            "<h1>One</h1><script type=x>{}</script>",
            in_script(&json!({ "id": 1, "deep": { "big": 12345678901234567890u64 }, "views": 3 }))
        )),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\nignore = ['$.views']\n[answers]\nmissing = ['h1.gone']\n\
         [index]\nurl = '/list'\nwithin = '$.d'\nitems = '$.rows[*]'\nkey = '$'\n\
         [detail]\nformat = 'html'\nurl = '/page/{key}'\nwithin = 'script::text'\nrequire = ['$.id']\n",
    );
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    let document = json!({ "id": 1, "deep": { "big": 12345678901234567890u64 }, "views": 3 });
    let stored: Vec<_> = crawled.documents.iter().map(|(key, it)| (&**key, it)).collect();
    assert_eq!(stored, [("1", &document), ("4", &document)]);
    assert_eq!(crawled.report.items.failed, 1);
    failed_with(
        &crawled.backend,
        "the page has no \"script::text\", which is the part of it to read by `within`",
    )
    .await;
}

#[tokio::test]
async fn fields_links_and_requirements_may_take_steps() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => {
            let item =
                |id: u64| json!({ "html": format!("<a href='/page/{id}?a=1&amp;b=2'>x</a>") });
            Answer::json(&json!({ "list": (1..=25).map(item).collect::<Vec<_>>() }))
        }
        "/robots.txt" => Answer::not_found(),
        _ => {
            assert_eq!(asked.raw_query, "a=1&b=2");
            let id = asked.path.trim_start_matches("/page/");
            let state =
                in_script(&json!({ "book": { "name": format!("N {id}"), "tags": ["a", "b"] } }));
            Answer::html(format!(
                "<script>S = {state}; T = 1;</script><div data-more='{}'></div>",
                json!({ "price": 12 })
            ))
        }
    });
    let state = "'script::text', { regex = 'S = (.*)' }";
    let site = site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$.list[*]'\n\
         key = {{ select = ['$.html', 'a::attr(href)'], regex = '/page/(\\d+)' }}\n\
         [detail]\nformat = 'html'\nlink = ['$.html', 'a::attr(href)']\nrequire = [[{state}, '$.book']]\n\
         revision = [{state}, '$.none']\n[detail.fields]\n\
         name = [{state}, '$.book.name']\ntags = {{ select = [{state}, '$.book.tags[*]'], many = true }}\n\
         price = {{ select = ['div::attr(data-more)', '$.price'], as = 'integer', required = true }}\n"
    ));
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    crawled
        .holds(keyed(|id| json!({ "name": format!("N {id}"), "tags": ["a", "b"], "price": 12 })));
}

#[tokio::test]
async fn a_text_that_is_no_json_is_a_failure_that_says_so() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!([1])),
        _ => Answer::html("<script>S = {a: 1};</script>".to_owned()),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$'\n\
         [detail]\nformat = 'html'\nurl = '/page/{key}'\n[detail.fields]\n\
         a = ['script::text', { regex = 'S = (.*)' }, '$.a']\n",
    );
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    failed_with(&crawled.backend, "`$.a` reads a text as JSON, and \"{a: 1}\" is none").await;
}

#[tokio::test]
async fn a_document_of_an_html_page_may_be_json_on_it() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::html("<i data-c='{\"ids\":[7]}'></i>".to_owned()),
        _ => Answer::html("<script>{\"book\":{\"id\":7}}</script>".to_owned()),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n\
         [index]\nurl = '/list'\nitems = ['i::attr(data-c)', '$.ids[*]']\nkey = '$'\n\
         [detail]\nurl = '/page/{key}'\ndocument = ['script::text', '$.book']\n",
    );
    crawl_served::<Sqlite>(site, &served).await.holds([("7".to_owned(), json!({ "id": 7 }))]);
}

/// Each site file of the imitated services is one.
#[test]
fn the_files_of_imitated_services_are_site_files() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sites/shapes");
    let files = std::fs::read_dir(folder).expect("a folder");
    let read = |file: std::io::Result<std::fs::DirEntry>| {
        let path = file.expect("a file").path();
        super::site_at(&std::fs::read_to_string(&path).expect("text"), &path.display().to_string())
    };
    assert!(files.map(read).count() > 5);
}
