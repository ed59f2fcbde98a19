//! `gleaner sites`: the built-in ones, and first files for others, with which a crawl stores all
//! that the site has.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use gleaner::site::{BuiltIn, Site};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::program::{Ended, gleaner};
use super::{folder, read, site, sqlite};
use crate::copies::{examples, lists};
use crate::served::{Answer, Asked, Served};

const THINGS: usize = 23;

#[test]
fn the_built_in_sites_are_listed_and_printed() {
    let table = gleaner(&["sites"]).run().with(0).out;
    assert_eq!(table.lines().count(), BuiltIn::ALL.len(), "{table}");
    for site in BuiltIn::ALL {
        assert!(table.contains(site.name), "{table}");
        assert_eq!(gleaner(&["sites", site.name]).run().with(0).out, site.text);
    }
    let schema = gleaner(&["sites", "--schema"]).run().with(0).out;
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    assert!(schema["properties"]["index"].is_object());
    let ended = gleaner(&["sites", "boks"]).run().with(2).tells(&["`boks`", "mean `books`?"]);
    assert_eq!(ended.out, "");
    let ended = gleaner(&["sites", "something-else"]).run().with(2).tells(&["movies"]);
    assert!(!ended.err.contains("did you mean"), "{}", ended.err);
    gleaner(&["sites", "books", "--schema"]).run().with(2);
}

/// Keys and documents of a table.
fn stored(path: &Path, table: &str) -> BTreeMap<String, Value> {
    let connection = Connection::open(path).expect("the file opens");
    let mut rows = connection.prepare(&format!("SELECT key, doc FROM {table}")).expect("the table");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)));
    let rows = rows.expect("the query runs").map(|row| row.expect("a row"));
    rows.map(|(key, text)| (key, serde_json::from_str(&text).expect("JSON"))).collect()
}

/// The file made for `url`, and what a crawl by it stores in `table`. `check` has no complaint.
fn made(url: &str, table: &str) -> (String, BTreeMap<String, Value>) {
    let (folder, store) = folder();
    let file = folder.path().join("mine.toml");
    let path = file.to_str().expect("UTF-8");
    let ended = gleaner(&["sites", "new", url, "--output", path]).run().with(0);
    assert_eq!(ended.tells(&["gleaner check"]).out, "");
    let text = read(&file);
    let checked = gleaner(&["check", path]).run().with(0);
    let crawled = gleaner(&["crawl", path, "--store", &sqlite(&store)]).run().with(0);
    let pages = crawled.err;
    assert!(pages.contains("complete"), "{pages}\n{text}");
    assert!(checked.out.contains(" fits"), "{}\n{text}", checked.out);
    (text, stored(&store, table))
}

fn has(text: &str, lines: &[&str]) {
    lines.iter().for_each(|line| assert!(text.contains(line), "{line}\n{text}"));
}

#[test]
fn the_demo_site_s_file_is_made_and_crawls_it_whole() {
    let demo = site(250);
    let (text, stored) = made(&format!("{}/api/book/", demo.url()), "book");
    has(&text, &["limit = 100, total = \"$.count\"", "url = \"/api/book/{key}/\"", "$.results[*]"]);
    assert_eq!(stored.len(), 250);
    for (key, document) in stored {
        assert_eq!(Some(document), demo.document(&key));
    }
    let before = demo.stats().requests;
    let url = format!("{}/api/book", demo.url());
    let out = gleaner(&["sites", "new", &url]).run().with(0).out;
    has(&out, &["url = \"/api/book/\"", "name = \"127-0-0-1-"]);
    assert!(Site::parse(&out, "x.toml").is_ok(), "{out}");
    assert!(out.lines().last().is_some_and(|line| line.starts_with("# Next: gleaner check 127-")));
    assert!(demo.stats().requests - before <= 10, "{}", demo.stats().requests - before);
}

/// Things with numbers as keys, told as `list` says, with a page each where there is one.
fn things(list: impl Fn(&Asked, &[Value]) -> Answer + Send + Sync + 'static, page: bool) -> Served {
    let all: Vec<Value> = (0..THINGS).map(|at| json!({ "id": 100 + at, "name": "x" })).collect();
    Served::start(move |asked| match asked.path.strip_prefix("/v1/things") {
        Some("" | "/") => list(asked, &all),
        Some(rest) if page => {
            let found = all.iter().find(|thing| rest == format!("/{}", thing["id"]));
            let whole = |thing: &Value| {
                let mut whole = thing.clone();
                whole["text"] = "more".into();
                Answer::json(&json!({ "data": whole }))
            };
            found.map_or_else(Answer::not_found, whole)
        }
        _ => Answer::not_found(),
    })
}

fn part(all: &[Value], start: usize, size: usize) -> &[Value] {
    &all[start.min(all.len())..(start + size).min(all.len())]
}

fn all_stored(served: &Served, details: bool) -> String {
    let (text, stored) = made(&format!("{}/v1/things", served.url()), "things");
    let keys: Vec<String> = (0..THINGS).map(|at| (100 + at).to_string()).collect();
    assert_eq!(stored.keys().cloned().collect::<Vec<_>>(), keys, "{text}");
    assert!(stored.values().all(|thing| thing["text"].is_string() == details), "{text}");
    assert_eq!(text.contains("\n[detail]"), details, "{text}");
    text
}

#[test]
fn numbered_pages_with_a_total_are_detected() {
    let served = things(
        |asked, all| {
            let size = asked.number("page_size").unwrap_or(5).min(10);
            let page = asked.number("page").unwrap_or(1);
            let rows = part(all, (page - 1) * size, size);
            if rows.is_empty() {
                return Answer::not_found();
            }
            Answer::json(&json!({ "meta": { "total": all.len() }, "data": rows }))
        },
        true,
    );
    let text = all_stored(&served, true);
    has(&text, &["by = \"page\", size = 10, total = \"$.meta.total\"", "page_size = \"{limit}\""]);
    has(&text, &["url = \"/v1/things/{key}\"", "document = \"$.data\"", "[\"$.data.id\"]"]);
}

#[test]
fn pages_from_0_of_a_fixed_size_are_detected() {
    let served = things(
        |asked, all| {
            let rows = part(all, asked.number("page").unwrap_or(0) * 5, 5);
            Answer::json(&json!({ "count": rows.len(), "total_pages": 5, "things": rows }))
        },
        false,
    );
    // `count` is that of the page, and its last one has fewer.
    has(&all_stored(&served, false), &["by = \"page\", first = 0, pages = \"$.total_pages\""]);
}

#[test]
fn a_total_in_a_header_is_detected() {
    let served = things(
        |asked, all| {
            let (start, limit) = (asked.number("_start"), asked.number("_limit"));
            let rows = part(all, start.unwrap_or(0), limit.unwrap_or(8));
            let total = all.len().to_string();
            Answer::json(&rows.into()).header("x-total-count", &total)
        },
        false,
    );
    let text = all_stored(&served, false);
    has(&text, &["total = { header = \"x-total-count\" }", "items = \"$[*]\"", "\"{offset}\""]);
}

#[test]
fn a_next_link_is_detected() {
    let next = |asked: &Asked, all: &[Value]| {
        let at = asked.number("after").unwrap_or(0);
        let next =
            (at + 5 < all.len()).then(|| format!("{}/v1/things?after={}", asked.origin(), at + 5));
        (part(all, at, 5).to_vec(), next)
    };
    let served = things(
        move |asked, all| {
            let (rows, next) = next(asked, all);
            Answer::json(&json!({ "items": rows, "links": { "next": next } }))
        },
        false,
    );
    has(&all_stored(&served, false), &["by = \"next\", select = \"$.links.next\""]);
    let served = things(
        move |asked, all| {
            let (rows, next) = next(asked, all);
            let link = next.map_or(String::new(), |next| format!("<{next}>; rel=\"next\""));
            Answer::json(&rows.into()).header("link", &link)
        },
        true,
    );
    has(&all_stored(&served, true), &["by = \"next\", link_header = true"]);
}

#[test]
fn a_cursor_is_detected() {
    let served = lists::Lists { things: THINGS, size: 5, delay: Duration::ZERO }.serve();
    let (text, stored) = made(&format!("{}/json/cursor", served.url()), "cursor");
    has(&text, &["by = \"cursor\", select = \"$.next_cursor\"", "cursor = \"{cursor}\"", "$.key"]);
    let things = (0..THINGS).map(|at| (lists::key(at), lists::thing(at)));
    assert_eq!(stored, things.collect());
}

#[test]
fn a_blog_api_is_detected() {
    let served = examples::blog(230);
    let (text, stored) = made(&format!("{}/wp-json/wp/v2/posts", served.url()), "posts");
    has(&text, &["size = 100, total = { header = \"x-wp-total\" }", "per_page = \"{limit}\""]);
    assert_eq!(stored.len(), 230);
}

#[test]
fn a_single_page_list_is_drafted_without_paging() {
    let served = things(|_, all| Answer::json(&all.into()), true);
    let text = all_stored(&served, true);
    assert!(!text.contains("\npaging"), "{text}");
    assert!(text.contains("Check that this page is the whole list"), "{text}");
}

#[test]
fn pages_that_the_list_links_are_taken() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => {
            let row = |id: usize| json!({ "id": id, "url": format!("{}/x/{id}", asked.origin()) });
            Answer::json(&json!({ "rows": [row(1), row(2)], "total": 2 }))
        }
        path => match path.strip_prefix("/x/").and_then(|id| id.parse::<usize>().ok()) {
            Some(id) => Answer::json(&json!({ "id": id, "name": "n" })),
            None => Answer::not_found(),
        },
    });
    let (text, stored) = made(&format!("{}/list", served.url()), "list");
    has(&text, &["link = \"$.url\"", "require = [\"$.id\"]"]);
    assert_eq!(stored["2"], json!({ "id": 2, "name": "n" }));
}

#[test]
fn an_unrecognized_list_is_exit_3_with_a_hint() {
    let told = |answer: fn() -> Answer| -> Ended {
        let served = Served::start(move |_| answer());
        let ended = gleaner(&["sites", "new", served.url()]).run().with(3);
        assert_eq!(ended.out, "");
        ended.err.lines().filter(|line| !line.contains("gleaner fetch")).for_each(|line| {
            assert!(line.chars().count() <= 80, "{line}");
        });
        let err = ended.err.split_whitespace().collect::<Vec<_>>().join(" ");
        Ended { err, ..ended }.tells(&["gleaner sites ", "gleaner fetch "])
    };
    told(|| Answer::html("<ul><li>a</ul>".to_owned())).tells(&["HTML", "--select"]);
    told(|| Answer::text("hello".to_owned())).tells(&["neither JSON nor HTML"]);
    told(|| Answer::json(&json!({ "a": 1 }))).tells(&["without a list of objects"]);
    told(|| Answer::json(&json!([{ "a": null }]))).tells(&["no field with a unique value"]);
    told(Answer::not_found).tells(&["it has status 404, expected 200"]);
    gleaner(&["sites", "new", "http://127.0.0.1:9/"]).run().with(1).tells(&["no connection"]);
    gleaner(&["sites", "new", "example.com"]).run().with(2).tells(&["write https://host/path"]);
    gleaner(&["sites", "new", "ftp://h/"]).run().with(2).tells(&["neither http nor https"]);
    gleaner(&["sites", "new"]).run().with(2);
}

#[test]
fn an_existing_output_file_is_not_overwritten() {
    let demo = site(5);
    let (folder, _) = folder();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "mine").expect("the file is written");
    let url = format!("{}/api/book/", demo.url());
    let path_text = path.to_str().expect("UTF-8");
    let new =
        |more: &[&str]| gleaner(&["sites", "new", &url, "--output", path_text]).args(more).run();
    new(&[]).with(2).tells(&["exists; use --force"]);
    assert_eq!((&*read(&path), demo.stats().requests), ("mine", 0));
    new(&["--force"]).with(0);
    assert!(read(&path).contains("[detail]"));
}
