//! `gleaner check` on sites that fail for a while, on items that are not there, and on frequent mistakes
//! in site files.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::check::{checked, file, says};
use crate::served::{Answer, Served};

const LIST: &str = "[index]\nurl = \"/list\"\nitems = \"$.rows[*]\"\nkey = \"$.id\"\n";
const DETAIL: &str = "[detail]\nurl = \"/item/{key}\"\nrequire = [\"$.id\"]\n";
const NO_ROBOTS: [&str; 2] = ["--robots", "off"];

/// A list of three items, whose pages `item` answers, by their keys.
fn rows(item: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Served {
    Served::start(move |asked| match asked.path.strip_prefix("/item/") {
        Some(key) => item(key),
        None => Answer::json(&json!({ "rows": [{ "id": 1 }, { "id": 2 }, { "id": 3 }] })),
    })
}

#[test]
fn a_request_that_fails_for_now_is_retried() {
    let asked = AtomicUsize::new(0);
    let served = rows(move |key| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::text("busy".to_owned()).status(503),
        _ => Answer::json(&json!({ "id": key })),
    });
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &NO_ROBOTS).with(0);
    says(&ended, &["503 in", "mine fits"]);
    assert_eq!(served.count("/item/1"), 2);
}

#[test]
fn a_site_that_fails_is_exit_1_and_says_nothing_of_the_file() {
    let served = rows(|_| Answer::text("busy".to_owned()).status(503));
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &NO_ROBOTS).with(1);
    says(&ended, &["mine could not be checked: item 1: the site answered 503"]);
    assert!(!ended.out.contains("does not fit"), "{}", ended.out);
    assert_eq!(served.count("/item/"), 4, "three retries");
    let served =
        rows(|_| Answer::text("busy".to_owned()).status(503).header("retry-after", "3600"));
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &NO_ROBOTS).with(1);
    says(&ended, &["mine could not be checked"]);
    assert_eq!(served.count("/item/"), 1, "nobody waits for an hour");
    let json = ["--robots", "off", "--json"];
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &json).with(1);
    let facts: Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!(facts["misfit"], Value::Null);
    assert!(facts["failed"].as_str().is_some_and(|why| why.contains("503")), "{facts}");
}

#[test]
fn items_that_are_missing_by_a_mark_are_passed_over() {
    let marked = "[answers]\nmissing = [\"null\", \"$.gone\"]\n";
    let served = rows(|key| match key {
        "1" => Answer::json(&Value::Null),
        "2" => Answer::json(&json!({ "gone": true })),
        key => Answer::json(&json!({ "id": key })),
    });
    let ended = checked(&(file(LIST) + DETAIL + marked), served.url(), &NO_ROBOTS).with(0);
    says(&ended, &["document of 3", "item 1 is listed, but the page has nothing but `null`"]);
    says(&ended, &["item 2 is listed, but the page has $.gone", "a crawl counts it as missing"]);
    let served = rows(|_| Answer::json(&json!({ "gone": true })));
    let ended = checked(&(file(LIST) + DETAIL + marked), served.url(), &NO_ROBOTS).with(0);
    says(&ended, &["none of the items that were tried has its page", "with 4 warnings"]);
    let served = rows(|_| Answer::not_found());
    let ended = checked(&(file(LIST) + DETAIL + marked), served.url(), &NO_ROBOTS).with(3);
    says(&ended, &["mine does not fit: item 1: the site answered 404"]);
}

#[test]
fn a_redirect_that_leads_back_to_its_page_is_no_warning() {
    let served = Served::start(|asked| match asked.header("cookie").is_empty() {
        true => Answer::text(String::new())
            .status(302)
            .header("location", "/list")
            .header("set-cookie", "wall=0123456789; Path=/"),
        false => Answer::json(&json!({ "rows": [{ "id": 1 }] })),
    });
    let text = file(&format!("[session]\ncookies = true\n{LIST}"));
    let ended = checked(&text, served.url(), &NO_ROBOTS).with(0);
    assert!(ended.out.ends_with("mine fits\n"), "{}", ended.out);
}

#[test]
fn frequent_mistakes_are_named_with_what_to_write() {
    let cases = [
        (
            "format = \"xml\"\n[index]\nurl = \"/\"\nitems = \"b\"\nkey = \"id::text\"\n",
            "required for HTML and XML pages",
        ),
        (
            "[index]\nurl = \"/\"\nmerge = true\nitems = \"$[*]\"\nkey = \"$.id\"\n",
            "it belongs into `paging = { … }`",
        ),
        (
            "[index]\nurl = \"/\"\npaging = { by = \"next\", select = \"$.@odata.nextLink\" }\nitems = \"$[*]\"\nkey = \"$.id\"\n",
            "is written `['@odata.nextLink']`",
        ),
        (
            "[seeds]\nrange = \"2024-01-01..2024-02-30\"\n[index]\nurl = \"/{seed}\"\nitems = \"$[*]\"\nkey = \"$.id\"\n",
            "there is no day or month 2024-02-30",
        ),
    ];
    for (text, words) in cases {
        checked(&file(text), "http://127.0.0.1:9", &[]).with(2).tells(&["mine.toml:", words]);
    }
    let served = Served::start(|asked| match asked.path.as_str() {
        "/jsonp" => Answer::body("/**/callback({\"rows\": [{\"id\": 1}]});", "text/javascript"),
        _ => Answer::json(&json!({ "rows": [{ "id": 1, "type": "book" }] })),
    });
    let jsonp = LIST.replace("/list", "/jsonp");
    let ended = checked(&file(&jsonp), served.url(), &NO_ROBOTS).with(3);
    says(&ended, &["it looks like JSONP", "write `within = { regex = '^[^(]*\\((.*)' }`"]);
    let within = format!("{jsonp}within = {{ regex = '^[^(]*\\((.*)' }}\n");
    checked(&file(&within), served.url(), &NO_ROBOTS).with(0);
    let parts = LIST.replace("\"$.id\"", "[\"$.type\", \"$.id\"]");
    let ended = checked(&file(&parts), served.url(), &NO_ROBOTS).with(3);
    says(&ended, &["a key of several parts is `key = { join ="]);
}
