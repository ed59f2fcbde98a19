//! Every way in which a list goes on, on JSON and on HTML pages: the whole list comes, nothing is
//! asked for that need not be, and pages are asked for side by side where they are known.

use std::time::Duration;

use gleaner::site::Site;
use serde_json::json;

use super::{crawl_served, nothing_twice_but, site_at, site_of};
use crate::copies::lists::{Lists, key, thing};
use crate::copies::sitemaps;
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

const LISTS: Lists = Lists { things: 23, size: 5, delay: Duration::from_millis(20) };
const PAGES: usize = 5;
/// Things, so that the last page is full.
const FULL: Lists = Lists { things: 20, ..LISTS };

const HEAD: &str = r#"
name = "lists"
base_url = "http://127.0.0.1:8000"
collection = "things"
"#;
const JSON_ROWS: &str = r#"
items = "$.rows[*]"
key = "$.key"
"#;
const HTML_ROWS: &str = r#"
items = "li.thing"
key = { select = "a::attr(href)", regex = '/thing/(.+)' }
"#;
const JSON_DETAIL: &str = r#"
[detail]
url = "/json/thing/{key}"
require = ["$.key"]
"#;
const HTML_FIELDS: &str = r#"
[detail.fields]
key = "code::text"
title = { select = "h1::text", required = true }
motto = "q::text"
price = { select = "b::text", regex = '([\d.]+)', as = "number" }
"#;

/// A site of JSON pages, by what is special about its list.
fn json_site(index: &str) -> Site {
    site_of(&format!("{HEAD}format = \"json\"\n[index]\n{index}{JSON_ROWS}{JSON_DETAIL}"))
}

/// A site of HTML pages, by what is special about its list.
fn html_site(index: &str) -> Site {
    let detail = "\n[detail]\nurl = \"/html/thing/{key}\"\nrequire = [\"#thing\"]\n";
    site_of(&format!("{HEAD}format = \"html\"\n[index]\n{index}{HTML_ROWS}{detail}{HTML_FIELDS}"))
}

/// How the list's pages may be asked for.
#[derive(Clone, Copy)]
enum Pages {
    /// The first one says how many there are.
    SideBySide,
    /// Each one leads to the next.
    InTurn,
}

/// All of the list, from so many pages, the empty ones among them, that begin with `path`.
async fn walk<B: Backend>(
    lists: Lists,
    site: Site,
    path: &str,
    (listing, empty): (usize, usize),
    pages: Pages,
) {
    let served = lists.serve();
    let crawled = crawl_served::<B>(site, &served).await;
    crawled.holds((0..lists.things).map(|at| (key(at), thing(at))));
    nothing_twice_but(empty, &served);
    assert_eq!(served.count(path), listing + 2 * empty, "requests for {path}");
    let most = served.most_at_once(path);
    match pages {
        Pages::SideBySide => assert!(most > 1, "one after another, though they were known"),
        Pages::InTurn => assert!(most <= 1, "{most} at once, though none was known"),
    }
}

/// A test for a way of paging, with each store.
macro_rules! ways {
    ($($name:ident: $site:expr, $path:literal, $requests:expr, $pages:ident;)+) => {
        $(
            mod $name {
                use super::*;

                #[tokio::test]
                async fn into_sqlite() {
                    walk::<Sqlite>(LISTS, $site, $path, $requests, Pages::$pages).await;
                }

                #[tokio::test]
                async fn into_mongodb() {
                    walk::<Mongodb>(LISTS, $site, $path, $requests, Pages::$pages).await;
                }
            }
        )+
    };
}

// How many pages list something, and how many nothing: without a total the list ends on an empty
// page.
ways! {
    json_offset_with_total: json_site(
        r#"url = "/json/offset"
query = { start = "{offset}", limit = "{limit}" }
paging = { by = "offset", limit = 5, total = "$.count" }"#
    ), "/json/offset", (PAGES, 0), SideBySide;
    json_offset_with_total_in_a_header: json_site(
        r#"url = "/json/offset?start={offset}&limit={limit}"
paging = { by = "offset", limit = 5, total = { header = "X-Total-Count" } }"#
    ), "/json/offset", (PAGES, 0), SideBySide;
    json_offset: json_site(
        r#"url = "/json/offset"
query = { start = "{offset}", limit = "{limit}" }
paging = { by = "offset", limit = 5 }"#
    ), "/json/offset", (PAGES, 1), InTurn;
    html_offset_with_total: html_site(
        r#"url = "/html/offset"
query = { start = "{offset}", limit = "{limit}" }
paging = { by = "offset", limit = 5, total = { select = ".count::text", regex = '(\d+)' } }"#
    ), "/html/offset", (PAGES, 0), SideBySide;
    html_offset: html_site(
        r#"url = "/html/offset"
query = { start = "{offset}", limit = "{limit}" }
paging = { by = "offset", limit = 5 }"#
    ), "/html/offset", (PAGES, 1), InTurn;

    json_pages_to_a_number: json_site(
        r#"url = "/json/page"
query = { page = "{page}" }
paging = { by = "page", first = 1, last = 5 }"#
    ), "/json/page", (PAGES, 0), SideBySide;
    json_pages_to_the_last_one_named: json_site(
        r#"url = "/json/page"
query = { page = "{page}" }
paging = { by = "page", last = "$.pages" }"#
    ), "/json/page", (PAGES, 0), SideBySide;
    json_pages_to_the_last_one_in_a_header: json_site(
        r#"url = "/json/page"
query = { page = "{page}" }
paging = { by = "page", last = { header = "x-wp-totalpages" } }"#
    ), "/json/page", (PAGES, 0), SideBySide;
    json_pages_by_size_and_total: json_site(
        r#"url = "/json/page"
query = { page = "{page}" }
paging = { by = "page", size = 5, total = "$.total" }"#
    ), "/json/page", (PAGES, 0), SideBySide;
    html_pages_to_the_last_one_linked: html_site(
        r#"url = "/html/page"
query = { page = "{page}" }
paging = { by = "page", last = { select = "a.last::attr(href)", regex = 'page=(\d+)' } }"#
    ), "/html/page", (PAGES, 0), SideBySide;
    html_pages_by_size_and_total: html_site(
        r#"url = "/html/page"
query = { page = "{page}" }
paging = { by = "page", size = 5, total = { select = ".count::text", regex = '(\d+)' } }"#
    ), "/html/page", (PAGES, 0), SideBySide;

    json_next: json_site(
        r#"url = "/json/next"
query = { only = "first" }
paging = { by = "next", select = "$.next" }"#
    ), "/json/next", (PAGES, 0), InTurn;
    html_next: html_site(
        r#"url = "/html/next"
paging = { by = "next", select = "a[rel=next]::attr(href)" }"#
    ), "/html/next", (PAGES, 0), InTurn;
    html_next_in_a_header: html_site(
        r#"url = "/html/link"
paging = { by = "next", link_header = true }"#
    ), "/html/link", (PAGES, 0), InTurn;

    json_cursor: json_site(
        r#"url = "/json/cursor"
query = { cursor = "{cursor}" }
paging = { by = "cursor", select = "$.next_cursor" }"#
    ), "/json/cursor", (PAGES, 0), InTurn;
    html_cursor: html_site(
        r#"url = "/html/cursor"
query = { cursor = "{cursor}" }
paging = { by = "cursor", select = "button::attr(data-cursor)" }"#
    ), "/html/cursor", (PAGES, 0), InTurn;
}

/// Where an empty cursor is an error, none is sent with the first request; the last page has a
/// cursor too, and the page after it is empty.
#[tokio::test]
async fn a_cursor_in_a_posted_body_ends_on_an_empty_page() {
    let index = r#"url = "/graphql"
method = "POST"
json = { query = "{ things }", variables = { after = "{cursor}", first = 5 } }
paging = { by = "cursor", select = "$.data.things.pageInfo.endCursor" }
items = "$.data.things.edges[*].node"
key = "$.key""#;
    let text = format!("{HEAD}format = \"json\"\n[index]\n{index}\n{JSON_DETAIL}");
    walk::<Sqlite>(LISTS, site_of(&text), "/graphql", (PAGES, 1), Pages::InTurn).await;
}

#[tokio::test]
async fn a_bare_list_follows_the_link_header() {
    let index = r#"url = "/json/link"
paging = { by = "next", link_header = true }
items = "$[*]"
key = "$.key""#;
    let text = format!("{HEAD}format = \"json\"\n[index]\n{index}\n{JSON_DETAIL}");
    walk::<Sqlite>(LISTS, site_of(&text), "/json/link", (PAGES, 0), Pages::InTurn).await;
}

#[tokio::test]
async fn a_page_past_a_full_last_one_is_not_needed() {
    let site = || {
        json_site(
            r#"url = "/json/page"
query = { page = "{page}" }
paging = { by = "page", last = { header = "X-WP-TotalPages" } }"#,
        )
    };
    walk::<Sqlite>(FULL, site(), "/json/page", (4, 0), Pages::SideBySide).await;
}

fn sitemap(form: &str, name: &str) -> Site {
    let index = format!(
        "url = \"/{form}/{name}\"\npaging = {{ by = \"sitemap\" }}\nkey = '/thing/([^/]+)$'\n"
    );
    let detail = match form {
        "json" => "\n[detail]\nrequire = [\"$.key\"]\n".to_owned(),
        _ => format!("\n[detail]\nrequire = [\"#thing\"]\n{HTML_FIELDS}"),
    };
    site_of(&format!("{HEAD}format = \"{form}\"\n[index]\n{index}{detail}"))
}

async fn an_index_of_sitemaps_leads_to_all<B: Backend>(form: &str) {
    let served = LISTS.serve();
    let crawled = crawl_served::<B>(sitemap(form, "sitemap.xml"), &served).await;
    crawled.holds((0..LISTS.things).map(|at| (key(at), thing(at))));
    nothing_twice_but(0, &served);
    assert_eq!(served.count(&format!("/{form}/thing/")), LISTS.things);
    let sitemaps =
        served.count(&format!("/{form}/sitemap.xml")) + served.count(&format!("/{form}/things-"));
    assert_eq!(sitemaps, sitemaps::PAGES);
}

#[tokio::test]
async fn json_documents_of_sitemaps_go_into_sqlite() {
    an_index_of_sitemaps_leads_to_all::<Sqlite>("json").await;
}

#[tokio::test]
async fn html_pages_of_sitemaps_go_into_mongodb() {
    an_index_of_sitemaps_leads_to_all::<Mongodb>("html").await;
}

#[tokio::test]
async fn entries_of_a_sitemap_that_the_key_does_not_match_are_no_items() {
    let served = LISTS.serve();
    let crawled = crawl_served::<Sqlite>(sitemap("html", "sitemap-others.xml"), &served).await;
    crawled.holds((0..LISTS.things / 3).map(|at| (key(at), thing(at))));
    assert_eq!(served.count("/about"), 0);
}

/// Keys that are known beforehand: no list is asked for.
async fn known_keys_lead_to_their_pages<B: Backend>(form: &str, keys: &str) {
    known_keys_of_a_file_lead_to_their_pages::<B>(form, keys, "test.toml").await;
}

/// The site file stands at `origin`.
async fn known_keys_of_a_file_lead_to_their_pages<B: Backend>(
    form: &str,
    keys: &str,
    origin: &str,
) {
    let detail = match form {
        "json" => JSON_DETAIL.to_owned(),
        _ => format!("\n[detail]\nurl = \"/html/thing/{{key}}\"\n{HTML_FIELDS}"),
    };
    let index = format!("[index]\npaging = {{ by = \"keys\", {keys} }}\n");
    let served = LISTS.serve();
    let site = site_at(&format!("{HEAD}format = \"{form}\"\n{index}{detail}"), origin);
    let crawled = crawl_served::<B>(site, &served).await;
    crawled.holds([3, 7].map(|at| (key(at), thing(at))));
    // One of the keys leads nowhere.
    assert_eq!(crawled.report.items.missing, 1);
    assert_eq!(crawled.report.index.listed, 3);
    let (details, all) = (served.count(&format!("/{form}/thing/")), served.count("/"));
    assert!(details >= 3 && all - details <= served.count("/robots.txt"), "{details} of {all}");
}

fn list_of_keys() -> String {
    format!("keys = {}", json!([key(3), "none", key(7), key(3)]))
}

#[tokio::test]
async fn json_documents_of_known_keys_go_into_mongodb() {
    known_keys_lead_to_their_pages::<Mongodb>("json", &list_of_keys()).await;
}

#[tokio::test]
async fn html_pages_of_known_keys_go_into_sqlite() {
    known_keys_lead_to_their_pages::<Sqlite>("html", &list_of_keys()).await;
}

#[tokio::test]
async fn keys_stand_in_a_file_one_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.txt");
    let text = format!("{}\r\n\n  none\n{}", key(3), key(7));
    std::fs::write(&path, text).expect("a file is written");
    let origin = folder.path().join("test.toml");
    let origin = origin.to_str().expect("UTF-8");
    let keys = "file = \"keys.txt\"";
    known_keys_of_a_file_lead_to_their_pages::<Sqlite>("json", keys, origin).await;
}

#[tokio::test]
async fn html_lists_without_pages_of_their_own_are_kept_from_the_list() {
    let text = format!(
        "{HEAD}format = \"html\"\n[index]\nurl = \"/html/next\"\n\
         paging = {{ by = \"next\", select = \"a[rel=next]::attr(href)\" }}\n{HTML_ROWS}\n\
         [index.fields]\ntitle = \"a::text\"\nmotto = \"q::text\"\n"
    );
    let served = LISTS.serve();
    let crawled = crawl_served::<Mongodb>(site_of(&text), &served).await;
    let kept = |at: usize| json!({ "title": thing(at)["title"], "motto": thing(at)["motto"] });
    crawled.holds((0..LISTS.things).map(|at| (key(at), kept(at))));
    assert_eq!((served.count("/html/next"), served.count("/html/thing/")), (PAGES, 0));
}
