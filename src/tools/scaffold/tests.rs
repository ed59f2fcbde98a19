//! Sample pages, and the site files made from them.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::fetch::{HeaderMap, HeaderName, HeaderValue};
use crate::site::Site;

const URL: &str = "http://h/api/things/?kind=old";

fn page(url: &str, headers: &[(&str, &str)], body: &Value) -> Page {
    let header = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    Page { url: Url::parse(url).unwrap(), headers, body: Bytes::from(body.to_string()) }
}

fn seen(headers: &[(&str, &str)], body: &Value) -> (Shape, Seen) {
    list(page(URL, headers, body)).unwrap()
}

fn rows(from: u64, to: u64) -> Value {
    (from..to).map(|id| json!({ "id": id, "name": "same" })).collect()
}

fn keys(keys: &[u64]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

#[test]
fn the_largest_list_of_objects_is_the_list() {
    for (body, path) in [
        (rows(0, 3), "$"),
        (json!({ "results": rows(0, 3), "tags": ["a", "b", "c", "d"] }), "$.results"),
        (json!({ "data": { "items": rows(0, 3) }, "links": [{ "id": 1 }] }), "$.data.items"),
        (json!({ "a-b": rows(0, 3), "facets": rows(0, 2) }), "$['a-b']"),
        (json!({ "a": { "b": rows(0, 3) }, "c": rows(0, 3) }), "$.c"),
        (json!({ "a": { "b": { "c": rows(0, 3) } } }), "$.a.b.c"),
    ] {
        let (shape, seen) = seen(&[], &body);
        assert_eq!(shape.items.to_string(), path);
        assert_eq!((&*shape.key, seen.keys), ("id", keys(&[0, 1, 2])));
    }
    let none = [json!({}), json!([]), json!([1, 2]), json!({ "a": [] }), json!("x")];
    for body in none {
        assert!(matches!(list(page(URL, &[], &body)), Err(NoList::NoItems(_))), "{body}");
    }
    let root = json!({ "books": "http://h/api/books/", "n": 1 });
    let told = list(page(URL, &[], &root)).unwrap_err().to_string();
    assert!(told.ends_with("it names these addresses: http://h/api/books/"), "{told}");
    let html = page(URL, &[("content-type", "text/html")], &json!("x"));
    assert!(list(html.clone()).is_err());
    assert_eq!(list(Page { body: "<p>".into(), ..html }).unwrap_err(), NoList::Html);
}

#[test]
fn p10_p12_a_list_in_another_encoding_or_with_half_a_character_is_read_as_a_crawl_reads_it() {
    let kind = [("content-type", "application/json; charset=iso-8859-1")];
    let body = Bytes::from_static(b"[{\"id\":1,\"t\":\"caf\xe9\"},{\"id\":2,\"t\":\"\\ud83c\"}]");
    let (_, seen) = list(Page { body, ..page(URL, &kind, &json!(0)) }).unwrap();
    assert_eq!(seen.body, json!([{ "id": 1, "t": "café" }, { "id": 2, "t": "\u{fffd}" }]));
}

#[test]
fn the_key_is_a_field_with_a_value_of_its_own_in_each_item() {
    let key = |items: &[Value]| key(&items.iter().collect::<Vec<_>>());
    let of = |text: &str| Some(text.to_owned());
    assert_eq!(key(&[json!({ "name": "a", "id": 1 }), json!({ "name": "b", "id": 2 })]), of("id"));
    assert_eq!(
        key(&[json!({ "id": 1, "slug": "a" }), json!({ "id": 1, "slug": "b" })]),
        of("slug")
    );
    assert_eq!(key(&[json!({ "id": null, "_id": "x" })]), of("_id"));
    assert_eq!(key(&[json!({ "paid": 1, "book_id": 7 })]), of("book_id"));
    assert_eq!(key(&[json!({ "paid": 1, "bookId": 7 })]), of("bookId"));
    assert_eq!(key(&[json!({ "name": "a" }), json!({ "name": "b" })]), of("name"));
    assert_eq!(key(&[json!({ "id": [1] }), json!({ "id": [2] })]), None);
    assert_eq!(key(&[json!({ "id": 1 }), json!({ "x": 2 })]), None);
    assert_eq!(key(&[json!({ "id": 1.5 })]), None);
}

#[test]
fn counts_are_found_in_body_and_headers_and_are_never_too_small() {
    let counts = |headers: &[(&str, &str)], more: Value| {
        let mut body = more;
        body["rows"] = rows(0, 3);
        counts(&seen(headers, &body).1)
    };
    let at = |name: &str| Count::Body(Path::of(name));
    assert_eq!(counts(&[], json!({ "count": 9 })), [at("count")]);
    assert_eq!(counts(&[], json!({ "meta": { "total": "9" } })), [at("meta.total")]);
    assert_eq!(counts(&[], json!({ "count": 2, "total": -1 })), []);
    assert_eq!(counts(&[("X-WP-Total", "9")], json!({})), [Count::Header("x-wp-total")]);
    let last = last_pages(&seen(&[], &json!({ "total_pages": 7, "rows": rows(0, 3) })).1);
    assert_eq!(last, [at("total_pages")]);
}

#[test]
fn a_count_of_the_page_is_no_count_of_the_list() {
    let (_, first) = seen(&[], &json!({ "count": 3, "total": 9, "rows": rows(0, 3) }));
    let is_of_all = |name: &str, other: Value| {
        is_of_all(&Count::Body(Path::of(name)), &first, &seen(&[], &other).1)
    };
    let full = json!({ "count": 3, "total": 9, "rows": rows(3, 6) });
    assert!(is_of_all("total", full.clone()));
    assert!(!is_of_all("count", full), "there are more items than it says");
    assert!(!is_of_all("count", json!({ "count": 1, "total": 9, "rows": rows(0, 1) })));
    assert!(is_of_all("count", json!({ "count": 3, "rows": rows(1, 2) })));
}

#[test]
fn next_links_and_cursors_are_found() {
    let link = |headers: &[(&str, &str)], more: Value| {
        let mut body = more;
        body["rows"] = rows(0, 3);
        next_link(&seen(headers, &body).1).map(|(at, url)| (at, url.to_string()))
    };
    let at = |name: &str| NextAt::Body(Path::of(name));
    let next = Some((at("next"), "http://h/api/things/?page=2".to_owned()));
    assert_eq!(link(&[], json!({ "next": "?page=2" })), next);
    assert_eq!(link(&[], json!({ "next": null })), None);
    assert_eq!(link(&[], json!({ "next": "abc" })), None);
    let href = link(&[], json!({ "_links": { "next": { "href": "/x" } } }));
    assert_eq!(href, Some((at("_links.next.href"), "http://h/x".to_owned())));
    let header = link(&[("link", "</y>; rel=\"next\"")], json!({}));
    assert_eq!(header, Some((NextAt::Header, "http://h/y".to_owned())));
    let found = cursor(&seen(&[], &json!({ "nextPageToken": "ab", "rows": rows(0, 3) })).1);
    let (path, value, names) = found.unwrap();
    assert_eq!((path, &*value), (Path::of("nextPageToken"), "ab"));
    assert_eq!(names, ["pageToken", "cursor", "after"]);
}

#[test]
fn the_list_s_own_parameters_are_tried_first() {
    let url = |text: &str| Url::parse(text).unwrap();
    let first = |own: &str, next: Option<&str>| {
        let next = next.map(url);
        let scheme = schemes(&url(own), next.as_ref()).remove(0);
        (scheme.by, scheme.at, scheme.size.unwrap())
    };
    let of = |by, at: &str, size: &str| (by, at.to_owned(), size.to_owned());
    assert_eq!(first("http://h/a", None), of(At::Offset, "offset", "limit"));
    let next = Some("http://h/a?page=2&size=9");
    assert_eq!(first("http://h/a", next), of(At::Page, "page", "size"));
    assert_eq!(first("http://h/a?skip=0&take=5", None), of(At::Offset, "skip", "take"));
}

#[test]
fn an_answer_shows_whether_parameters_work() {
    let scheme = |by| Scheme { by, at: "at".to_owned(), size: Some("size".to_owned()) };
    let first = keys(&[1, 2, 3, 4, 5, 6]);
    let moved = |by, answered: &[u64]| {
        let probe = scheme(by).probe(first.len());
        scheme(by).moved(probe, &first, &keys(answered)).map(|it| (it.sized, it.first))
    };
    assert_eq!(moved(At::Offset, &[3, 4]), Some((true, Some(1))));
    assert_eq!(moved(At::Offset, &[3, 4, 5, 6, 7, 8]), Some((false, Some(1))));
    assert_eq!(moved(At::Offset, &[1, 2]), None, "only the number of items counts");
    assert_eq!(moved(At::Offset, &[1, 2, 3, 4, 5, 6]), None);
    assert_eq!(moved(At::Offset, &[7, 8]), None);
    assert_eq!(moved(At::Page, &[3, 4]), Some((true, Some(1))));
    assert_eq!(moved(At::Page, &[5, 6]), Some((true, Some(0))));
    assert_eq!(moved(At::Page, &[7, 8, 9, 10, 11, 12]), Some((false, None)));
    assert_eq!(moved(At::Page, &[1, 2, 3, 4, 5, 6]), None);
    assert_eq!(moved(At::Page, &[]), None);
}

#[test]
fn items_pages_are_looked_for_as_the_list_writes_its_own() {
    let item = json!({ "id": "a b", "url": "/api/things/a%20b", "self": "http://other/x" });
    let places = |list: &str, item: &Value| -> Vec<String> {
        let found = candidates(&Url::parse(list).unwrap(), item, "a b");
        found
            .into_iter()
            .map(|(place, url)| match place {
                Place::Template(template) => format!("{template} {}", url.path()),
                Place::Link(path) => format!("{path} {}", url.path()),
            })
            .collect()
    };
    let slash = "/api/things/{key}/ /api/things/a%20b/";
    let bare = "/api/things/{key} /api/things/a%20b";
    assert_eq!(places("http://h/api/things/?x=1", &json!({})), [slash, bare]);
    assert_eq!(places("http://h/api/things", &json!({})), [bare, slash]);
    assert_eq!(places("http://h/api/things/", &item), [bare, slash], "the list's own link says so");
    let elsewhere = json!({ "href": "/thing/7" });
    assert_eq!(places("http://h/t", &elsewhere)[2], "$.href /thing/7");
    assert_eq!(places("http://h/t.json", &json!({}))[0], "/t/{key}.json /t/a%20b.json");
    let page = json!({ "data": { "id": 7 } });
    assert_eq!(is_page_of(&json!({ "id": 7 }), "id", "7"), Some(None));
    assert_eq!(is_page_of(&page, "id", "7"), Some(Some(Path::of("data"))));
    assert_eq!(is_page_of(&page, "id", "8"), None);
    assert!(says_more(&json!({ "a": 1, "b": 2 }), &json!({ "a": 1 })));
    assert!(!says_more(&json!({ "a": 1 }), &json!({ "a": 1, "b": 2 })));
}

#[test]
fn names_are_valid() {
    let of = |url: &str| names(&Url::parse(url).unwrap());
    let pair = |name: &str, collection: &str| (name.to_owned(), collection.to_owned());
    assert_eq!(of("https://www.Example.com/api/Book/"), pair("example-com", "book"));
    assert_eq!(of("http://127.0.0.1:8018/a/b-c.json?x"), pair("127-0-0-1-8018", "b_c"));
    assert_eq!(of("http://[::1]/"), pair("1", "items"));
    assert_eq!(of("http://h/gleaner_x"), pair("h", "items"));
}

fn draft(paging: Paging, detail: Option<Detail>) -> String {
    let (shape, seen) = seen(&[], &json!({ "rows": rows(0, 3), "count": 1234 }));
    let url = seen.page.url.clone();
    let draft = Draft { url, shape, items: 3, total: Some(1234), paging, lost: None, detail };
    let text = draft.text("a.toml");
    Site::parse(&text, "a.toml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.ends_with("# Next: gleaner check a.toml, then gleaner crawl a.toml\n"), "{text}");
    text
}

#[test]
fn every_way_of_going_on_makes_a_site_file() {
    let scheme = |by| Scheme { by, at: "at".to_owned(), size: Some("n".to_owned()) };
    let body = |name: &str| Count::Body(Path::of(name));
    let numbered = |by, end| Paging::Numbered { scheme: scheme(by), items: 50, first: 0, end };
    let in_turn = |onward| Paging::InTurn { onward, size: Some(("n".to_owned(), 100)) };
    let kind = "kind = \"old\"";
    for (paging, lines) in [
        (
            numbered(At::Offset, End::Total(body("count"))),
            [
                format!("query = {{ {kind}, at = \"{{offset}}\", n = \"{{limit}}\" }}"),
                "paging = { by = \"offset\", limit = 50, total = \"$.count\" }".to_owned(),
            ],
        ),
        (
            numbered(At::Page, End::Total(Count::Header("x-total"))),
            [
                format!("query = {{ {kind}, at = \"{{page}}\", n = \"{{limit}}\" }}"),
                "paging = { by = \"page\", first = 0, size = 50, total = { header = \"x-total\" } }"
                    .to_owned(),
            ],
        ),
        (
            numbered(At::Page, End::Last(body("pages"))),
            [
                format!("query = {{ {kind}, at = \"{{page}}\", n = \"50\" }}"),
                "paging = { by = \"page\", first = 0, last = \"$.pages\" }".to_owned(),
            ],
        ),
        (
            numbered(At::Page, End::Unknown),
            ["n = \"50\" }".to_owned(), "paging = { by = \"page\", first = 0 }".to_owned()],
        ),
        (
            in_turn(Onward::Link(NextAt::Header)),
            [
                format!("query = {{ {kind}, n = \"100\" }}"),
                "paging = { by = \"next\", link_header = true }".to_owned(),
            ],
        ),
        (
            in_turn(Onward::Cursor(Path::of("next_cursor"), "after[x]".to_owned())),
            [
                format!("query = {{ {kind}, \"after[x]\" = \"{{cursor}}\", n = \"100\" }}"),
                "paging = { by = \"cursor\", select = \"$.next_cursor\" }".to_owned(),
            ],
        ),
        (Paging::Single, [format!("query = {{ {kind} }}"), "# url = \"/api/things/{key}\"".into()]),
    ] {
        let text = draft(paging, None);
        for line in lines {
            assert!(text.contains(&line), "{line}\n{text}");
        }
    }
}

#[test]
fn what_is_left_out_is_said() {
    let (shape, seen) = seen(&[], &json!({ "rows": rows(0, 3) }));
    let draft = |url: &str| Draft {
        url: Url::parse(url).unwrap(),
        shape: shape.clone(),
        items: seen.keys.len(),
        total: None,
        paging: Paging::Single,
        lost: Url::parse("http://other/list?page=2").ok(),
        detail: None,
    };
    let text = draft("http://me:s3cret@h/list").text("a.toml");
    assert!(!text.contains("s3cret") && text.contains("pass them with --base-url"), "{text}");
    assert!(text.contains("# The page names a next page, http://other/list?page=2,"), "{text}");
    let text = draft("http://h/list?token=s3cret").text("a.toml");
    assert!(text.contains("seems to contain a credential") && text.contains("token=***"), "{text}");
    assert!(text.contains("query = { token = \"s3cret\" }"), "{text}");
}

#[test]
fn an_item_s_page_is_written_as_it_was_found() {
    let detail = |place, document: Option<&str>| Detail {
        place,
        document: document.map(Path::of),
        says_more: false,
        looked_at: "http://h/\u{1b}[31m".to_owned(),
    };
    let template = Place::Template("/t/{key}/".to_owned());
    let text = draft(Paging::Single, Some(detail(template, Some("data"))));
    assert!(text.contains("[detail]\n# http://h/\\u{1b}[31m contains the item's key"), "{text}");
    let end = "url = \"/t/{key}/\"\ndocument = \"$.data\"\nrequire = [\"$.data.id\"]\n";
    assert!(text.contains(end), "{text}");
    let text = draft(Paging::Single, Some(detail(Place::Link(Path::of("links.self")), None)));
    assert!(text.contains("link = \"$.links.self\"\nrequire = [\"$.id\"]\n"), "{text}");
}
