//! Smallest cases of what random cases and the corpus led to, once.

use std::process::Command;

use bytes::Bytes;
use gleaner::extract;
use gleaner::fetch::{HeaderMap, Page, Request};
use gleaner::model::record::Key;
use gleaner::model::seed::SeedPath;
use gleaner::model::task::{DetailPage, IndexPage, List, Page as Asked, Place};
use gleaner::site::{PageSaid, Site};

use super::targets;

/// A JSON site with these lines, the last of them in a table of their own.
fn site(lines: &str) -> Site {
    let text = format!("name = \"x\"\nbase_url = \"http://h.test\"\n{lines}");
    Site::parse(&text, "x.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

const LIST: &str = "[index]\nitems = \"$[*]\"\nkey = \"$.id\"\n";

fn page(body: &str) -> Page {
    let url = "http://h.test/l".parse().expect("a URL");
    Page { url, headers: HeaderMap::new(), body: Bytes::copy_from_slice(body.as_bytes()) }
}

fn asked(site: &Site, page: IndexPage) -> Request {
    site.request(&Asked::Index(page)).expect("a request").expect("that is needed")
}

/// A byte order mark before JSON within a text is taken for a part of JSON.
#[test]
fn json_in_a_text_may_begin_with_a_mark() {
    targets::detail_page(b"<script type=application/ld+json>\xef\xbb\xbf{\"a\":1}</script>");
    targets::index_page(b"{\"data\":[{\"id\":1,\"inner\":\"\\ufeff{}\"}]}");
}

/// A category that is a dot segment changes the path, as a key must not.
#[test]
fn l6_categories_and_cursors_keep_the_form_of_a_path() {
    let by_seed = site(&format!("[seeds]\nvalues = [\"..\"]\n{LIST}url = \"/c/{{seed}}/x\"\n"));
    let paging = "paging = { by = \"cursor\", select = \"$.next\" }";
    let by_cursor = site(&format!("{LIST}url = \"/c/{{cursor}}/x\"\n{paging}\n"));
    let list = List::Items(SeedPath::of(".."));
    let seed = IndexPage { list, ..IndexPage::numbered(1, 1, 1) };
    let place = Some(Place::Cursor("\"..\"".into()));
    let cursor = IndexPage { place, ..IndexPage::numbered(1, 2, 2) };
    for (site, page) in [(by_seed, seed), (by_cursor, cursor)] {
        if let Ok(Some(request)) = site.request(&Asked::Index(page)) {
            assert!(request.url.path().starts_with("/c/"), "{}", request.url);
        }
    }
}

fn item(url: &str, key: &str) -> Option<String> {
    let site = site(&format!("{LIST}url = \"/l\"\n[detail]\nurl = \"{url}\"\n"));
    let page = DetailPage::of(Key::new(key).expect("a key"));
    let request = site.request(&Asked::Detail(page)).ok()??;
    assert!(site.home().allows(&request.url), "{url} led to {}", request.url);
    Some(request.url.into())
}

#[test]
fn a_path_may_hold_a_url_in_its_query() {
    let made = item("/go?to=https://x.test/{key}", "7");
    assert_eq!(made.as_deref(), Some("http://h.test/go?to=https://x.test/7"));
}

/// What the list says must not be part of the host.
#[test]
fn a_key_in_the_place_of_a_host_leads_nowhere_else() {
    let text = format!(
        "name = 'x'\nbase_url = 'http://h.test'\n{LIST}url = '/l'\n[detail]\nurl = 'https://{{key}}/x'\n"
    );
    let error = Site::parse(&text, "x.toml").expect_err("it is refused").to_string();
    assert!(error.contains("must not be part of the host"), "{error}");
    assert_eq!(
        item("{key}://evil.test/x", "https").as_deref(),
        Some("http://h.test/https://evil.test/x")
    );
}

#[test]
fn the_last_page_there_can_be_leads_nowhere() {
    let site = site(&format!("{LIST}url = \"/{{page}}\"\npaging = {{ by = \"page\" }}\n"));
    let said = PageSaid { items: 1, ..PageSaid::default() };
    assert_eq!(site.after(&IndexPage::numbered(1, u64::MAX, u64::MAX), &said), None);
}

/// What BSON cannot hold stands for the digest as a text, and is taken for that text.
#[test]
fn p5_a_digest_tells_a_long_integer_from_its_text() {
    let digest = |text: &str| targets::digest(text).expect("a document");
    let digits = "9".repeat(40);
    assert_ne!(digest(&format!("{{\"a\":{digits}}}")), digest(&format!("{{\"a\":\"{digits}\"}}")));
    assert_ne!(digest("{\"a\\u0000b\":1}"), digest("{\"a\\\\0b\":1}"));
    // Two such things in one document, in either order.
    let both = |first: &str, second: &str| digest(&format!("{{{first},{second}}}"));
    let (long, nul) = (format!("\"x\":{digits}"), "\"\\u0000\":1");
    assert_eq!(both(&long, nul), both(nul, &long));
}

/// Revisions, categories and cursors that are numbers keep their digits.
#[test]
fn p5_numbers_that_are_no_documents_keep_their_digits() {
    const LONG: &str = "18446744073709551617";
    let lists = site(&format!("{LIST}url = \"/l\"\nrevision = \"$.r\"\n"));
    let listing =
        extract::index(&lists, &List::default(), &page(&format!("[{{\"id\":1,\"r\":{LONG}}}]")));
    let items = listing.expect("a list").items;
    let listed = items[0].as_ref().expect("an item").listed.as_ref().expect("a revision");
    let categories =
        site(&format!("[seeds]\nurl = \"/s\"\nselect = \"$[*]\"\n{LIST}url = \"/{{seed}}\"\n"));
    let (_, rules) = categories.seeds.pages().next().expect("a page of categories");
    let found = extract::seeds(rules, &page(&format!("[{LONG}]"))).expect("categories");
    let paging = "paging = { by = \"cursor\", select = \"$.next\" }";
    let cursors = site(&format!("{LIST}url = \"/{{cursor}}\"\n{paging}\n"));
    let place = Some(Place::Cursor(LONG.into()));
    let request = asked(&cursors, IndexPage { place, ..IndexPage::numbered(1, 2, 2) });
    let kept = (listed.revision.as_deref(), &*found.seeds[0].text, request.url.path());
    assert_eq!(kept, (Some(LONG), LONG, format!("/{LONG}").as_str()));
}

#[test]
fn a_date_in_a_body_is_a_text() {
    let site = site(&format!("{LIST}url = \"/l\"\njson = {{ since = 2024-01-31 }}\n"));
    let body = asked(&site, IndexPage::numbered(1, 1, 1)).body.expect("a body").bytes;
    assert_eq!(body, "{\"since\":\"2024-01-31\"}");
}

/// Selectors that are no plain paths take time by the square of what they find.
#[test]
fn a_list_of_many_items_is_read_in_time() {
    targets::index_page(format!("{{\"data\":[{}]}}", ["{\"id\":1}"; 4_000].join(",")).as_bytes());
}

/// A filter within a filter doubles the time that the selector takes to be read.
#[test]
fn a_selector_of_filters_within_filters_is_read_in_time() {
    let selector = "[?@".repeat(18) + &"]".repeat(18);
    let text = format!("name = \"x\"\nbase_url = \"http://h.test\"\n{LIST}url = \"/l\"\n");
    targets::site_file(text.replace("$[*]", &format!("${selector}")).as_bytes());
}

/// The stack ends before the brackets do. In a process of its own, since it aborts.
#[test]
fn a_selector_of_many_brackets_is_an_error() {
    let selector = format!("$[?{}@.a{}]", "(".repeat(20_000), ")".repeat(20_000));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep.toml");
    let list = LIST.replace("$[*]", &selector);
    let text = format!("name = \"x\"\nbase_url = \"http://127.0.0.1:9\"\n{list}url = \"/l\"\n");
    std::fs::write(&path, text).expect("a site file");
    let mut program = Command::new(env!("CARGO_BIN_EXE_gleaner"));
    let program = program.args(["crawl", "--store", "jsonl:-"]).arg(&path);
    let output = program.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(2), "{:?}", output.status);
}
