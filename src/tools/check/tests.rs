//! The facts in words, and what is odd about them, from site files and pages at hand.

use bytes::Bytes;

use super::*;
use crate::extract::{self, Making};
use crate::fetch::HeaderMap;
use crate::model::task::{Content, IndexPage};
use crate::system::clock;

fn site(text: &str) -> Site {
    let head = "name = \"t\"\nbase_url = \"http://h\"\n";
    Site::parse(&format!("{head}{text}"), "t.toml").unwrap()
}

fn page(body: &str) -> Page {
    let url = url::Url::parse("http://h/list").unwrap();
    Page { url, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

/// Facts and warnings of a first page of JSON items.
fn listed(index: &str, body: &str) -> (ListFacts, Vec<String>) {
    let kinds = [("offset", "?o={offset}"), ("page", "?p={page}"), ("cursor", "?c={cursor}")];
    let kind = kinds.iter().find(|(kind, _)| index.contains(&format!("by = \"{kind}\"")));
    let query = kind.map_or("", |(_, query)| query);
    let site = site(&format!("[index]\nurl = \"/list{query}\"\nitems = \"$.r[*]\"\n{index}"));
    let listing = extract::index(&site, &crate::model::task::List::default(), &page(body)).unwrap();
    of_list(&site, &IndexPage::numbered(1, 1, 1), &listing)
}

const OFFSET: &str = "key = \"$.id\"\npaging = { by = \"offset\", limit = 2, total = \"$.n\" }";

#[test]
fn what_follows_is_said_for_each_way_of_paging() {
    let next = |paging: &str, body: &str| {
        listed(&format!("key = \"$.id\"\npaging = {{ {paging} }}"), body).0.next
    };
    let two = r#"{"n":2009,"next":"/list?p=2","c":"x","r":[{"id":1},{"id":2}]}"#;
    let offset = "by = \"offset\", limit = 2, total = \"$.n\"";
    assert_eq!(next(offset, two), "pages 2 to 1,005, concurrently");
    assert_eq!(next("by = \"offset\", limit = 2", two), "page 2, to see if the list continues");
    assert_eq!(next("by = \"page\", last = 2", two), "page 2");
    assert_eq!(next("by = \"page\", last = 1", two), "none: this is the last page");
    assert_eq!(next("by = \"next\", select = \"$.next\"", two), "http://h/list?p=2");
    assert_eq!(next("by = \"cursor\", select = \"$.c\"", two), "cursor \"x\"");
    assert_eq!(next(offset, r#"{"n":0,"r":[]}"#), "none: a page without items ends the list");
    let single = listed("key = \"$.id\"", two);
    assert_eq!((&*single.0.next, single.1.len()), ("none: this is the only page", 0));
}

#[test]
fn warnings_name_what_is_odd_about_a_list() {
    let one = |index: &str, body: &str, part: &str| {
        let (_, warnings) = listed(index, body);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(part), "{warnings:?}");
    };
    one(OFFSET, r#"{"n":2,"r":[{"id":1},{"id":1}]}"#, "2 items but 1 keys (1 is repeated)");
    one(OFFSET, r#"{"n":2,"r":[{"id":1},{"no":1}]}"#, "1 of 2 items have no key; the first:");
    one(
        OFFSET,
        r#"{"n":"many","r":[{"id":1},{"id":2}]}"#,
        "the count at $.n is a text that is not a whole number",
    );
    one(
        OFFSET,
        r#"{"n":9,"r":[{"id":1}]}"#,
        "1 of 9: the site limits the page size; set `limit = 1` or `step = \"items\"` in paging",
    );
    let more = r#"{"n":9,"r":[{"id":1},{"id":2},{"id":3}]}"#;
    one(OFFSET, more, "1 of them stand on every page, as pinned ones do, and `limit` is right");
    let by_items = OFFSET.replace("limit = 2", "limit = 2, step = \"items\"");
    one(&by_items, more, "`step = \"items\"` would skip as many others");
    assert_eq!(listed(&by_items, r#"{"n":9,"r":[{"id":1}]}"#).1, Vec::<String>::new());
    one(OFFSET, r#"{"n":9,"r":[{"id":1},{"id":2},{"id":3}]}"#, "set `limit = 3`");
    let next = "key = \"$.id\"\npaging = { by = \"next\", select = \"$.next\" }";
    one(next, r#"{"r":[{"id":1}]}"#, "names no next page (missing: a URL at `$.next`)");
    let cursor = "key = \"$.id\"\npaging = { by = \"cursor\", select = \"$.c\" }";
    one(cursor, r#"{"r":[{"id":1}]}"#, "names no cursor (missing: one at `$.c`)");
    let field = "key = \"$.id\"\n[index.fields]\nname = \"$.name\"\nold = \"$.old\"";
    let named = r#"{"r":[{"id":1,"name":"a"},{"id":2}]}"#;
    one(field, named, "index.fields.old: `$.old` matched nothing in any item");
    let number = "key = \"$.id\"\n[index.fields]\nid = { select = \"$.id\", as = \"integer\" }";
    one(number, r#"{"r":[{"id":"x"},{"id":2}]}"#, "1 of 2 items cannot be read; the first:");
    let link = "key = \"$.id\"\nrevision = \"$.v\"\n[detail]\nlink = \"$.url\"";
    let (_, warnings) = listed(link, r#"{"r":[{"id":1,"url":"/1"},{"id":2}]}"#);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("detail.link: 1 items have nothing at `$.url`"), "{warnings:?}");
    assert!(warnings[1].contains("index.revision: `$.v` matched nothing"), "{warnings:?}");
    assert_eq!(listed(OFFSET, r#"{"n":1,"r":[{"id":1}]}"#).1, Vec::<String>::new());
}

fn item(text: &str, body: &str) -> Result<Vec<String>, PageError> {
    let index = "[index]\nurl = \"/\"\nitems = \"$[*]\"\nkey = \"$.id\"\n[detail]\nurl = \"/{key}\"\nrequire = [\"$\"]\n";
    let site = site(&format!("ignore = [\"$.views\"]\n{index}{text}"));
    let content = Content::Nothing;
    let encoding = crate::model::document::Encoding::Text;
    let making = Making { listed: &content, ignore: &site.ignore, encoding };
    let rules = site.detail.as_ref().unwrap();
    let read = |rules: &DetailRules| extract::detail(rules, &page(body), making);
    match read(rules) {
        Err(error) => Ok(wrong_fields(rules, &error, |rules| read(rules).err())),
        Ok(detail) => {
            let crate::model::document::Body::Text(text) = &detail.document.body else {
                unreachable!()
            };
            let text = String::from_utf8(text.to_vec()).unwrap();
            Ok(of_item(&site, "7", &detail, &text))
        }
    }
}

#[test]
fn warnings_name_what_is_odd_about_an_item() {
    assert_eq!(item("", r#"{"id":7,"views":1}"#).unwrap(), Vec::<String>::new());
    let odd = item("", r#"{"id":8,"views":1}"#).unwrap();
    assert!(odd.len() == 1 && odd[0].contains("`id` in its document is 8"), "{odd:?}");
    let odd = item("", r#"{"id":7}"#).unwrap();
    assert!(odd.len() == 1 && odd[0].starts_with("ignore: `$.views` matched nothing"), "{odd:?}");
    let fields = "[detail.fields]\nviews = \"$.views\"\nname = \"$.name\"\n";
    let odd = item(fields, r#"{"views":1}"#).unwrap();
    assert!(odd.len() == 1 && odd[0].starts_with("detail.fields.name: `$.name`"), "{odd:?}");
}

#[test]
fn g6_require_is_advised_where_any_page_counts_as_the_item() {
    let advice = |detail: &str| {
        let index = "[index]\nurl = \"/\"\nitems = \"$[*]\"\nkey = \"$.id\"\n";
        nothing_required(&site(&format!("{index}{detail}")))
    };
    let detail = "[detail]\nurl = \"/{key}\"\n";
    assert!(advice(detail).is_some_and(|advice| advice.contains("`require`")));
    assert!(advice(&format!("{detail}fields = {{ a = \"$.a\" }}\n")).is_some());
    for told in [
        "require = [\"$.id\"]\n",
        "document = \"$.item\"\n",
        "fields = { a = { select = \"$.a\", required = true } }\n",
    ] {
        assert_eq!(advice(&format!("{detail}{told}")), None, "{told}");
    }
    assert_eq!(advice(""), None, "without pages there is nothing to tell apart");
}

#[test]
fn all_fields_that_cannot_be_converted_are_named() {
    let fields = "[detail.fields]\na = { select = \"$.a\", as = \"integer\" }\nb = \"$.b\"\n\
                  c = { select = \"$.c\", required = true }\nd = { select = \"$.d\", as = \"bool\" }\n";
    let wrong = item(fields, r#"{"a":"x","b":1,"d":"perhaps"}"#).unwrap();
    assert_eq!(wrong.len(), 3, "{wrong:?}");
    for (wrong, part) in wrong.iter().zip(["field a should be an integer", "has no c", "field d"]) {
        assert!(wrong.contains(part), "{wrong}");
    }
}

#[test]
fn the_report_fits_80_columns_and_cannot_drive_the_terminal() {
    let site = site("[index]\nurl = \"/list\"\nitems = \"$[*]\"\nkey = \"$.id\"\n");
    let mut facts = Check::of(&site, &[], clock::now());
    let asked = Asked {
        page: "index page 1".to_owned(),
        method: "GET".to_owned(),
        url: "http://h/list".to_owned(),
        ..Asked::default()
    };
    facts.requests.push(asked.answered(200, Duration::from_millis(12), 2048, &[]));
    facts.list = Some(ListFacts {
        items: 18,
        keys: (1..=5).map(|at| format!("{at}{}", "0".repeat(20))).collect(),
        declared: Some(9040),
        last: None,
        next: "pages 2 to 503, concurrently".to_owned(),
    });
    facts.key = Some("1".to_owned());
    facts.store("{\"id\":1,\"a\":\"b\\\"{,\u{9b}31m\",\"c\":[],\"d\":[1,{}]}");
    facts.warnings.push(format!("a \u{1b}[31m{}", "word ".repeat(30)));
    let text = facts.to_string();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text:?}");
    for part in [
        "index page 1\n          GET http://h/list\n          200 in 12 ms, 2.0 KiB\n",
        "items     18, the first: 100",
        "declared  9,040 items\n",
        "next      pages 2 to 503, concurrently\n",
        "{\n  \"id\": 1,\n  \"a\": \"b\\\"{,\\u009b31m\",\n  \"c\": [],\n  \"d\": [\n    1,\n    {}\n  ]\n}\n",
        "t fits, with 1 warning\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    facts.misfit = Some("no items".to_owned());
    assert!(facts.to_string().ends_with("t does not fit: no items\n"));
}

#[test]
fn p11_xml_that_is_read_as_html_is_a_warning() {
    let said = |format, body: &str| misread("index", format, &page(body)).is_some();
    assert!(said(Format::Html, "\u{feff} <?xml version='1.0'?><rss/>"));
    assert!(!said(Format::Xml, "<?xml version='1.0'?><rss/>"));
    assert!(!said(Format::Html, "<?xml version='1.0'?><!DOCTYPE html><HTML xmlns='x'>"));
    assert!(!said(Format::Html, "<html>") && !said(Format::Html, ""));
}
