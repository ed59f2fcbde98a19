//! Sample pages, and the site files made from them.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::fetch::{Header, HeaderMap, HeaderName, HeaderValue};
use crate::site::Site;

const URL: &str = "http://h/api/things/?kind=old";

fn page(url: &str, headers: &[(&str, &str)], body: &str) -> Page {
    let header = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    Page { url: Url::parse(url).unwrap(), headers, body: Bytes::from(body.to_owned()) }
}

fn seen(headers: &[(&str, &str)], body: &Value) -> (Shape, Seen) {
    list(&page(URL, headers, &body.to_string())).unwrap()
}

fn rows(from: u64, to: u64) -> Value {
    (from..to).map(|id| json!({ "id": id, "name": "same" })).collect()
}

fn keys(keys: &[u64]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

/// The items, the key and the keys of a page.
fn found(body: &str) -> (String, String, Vec<String>) {
    let (shape, seen) = list(&page(URL, &[], body)).unwrap_or_else(|why| panic!("{why}: {body}"));
    (shape.items.join(" | "), shape.keys[0].text(), seen.keys)
}

#[test]
fn the_largest_list_of_objects_is_the_list() {
    for (body, path) in [
        (rows(0, 3), "$[*]"),
        (json!({ "results": rows(0, 3), "tags": ["a", "b", "c", "d"] }), "$.results[*]"),
        (json!({ "data": { "items": rows(0, 3) }, "links": [{ "id": 1 }] }), "$.data.items[*]"),
        (json!({ "data": rows(0, 3), "included": rows(0, 9) }), "$.data[*]"),
        (json!({ "a-b": rows(0, 3), "facets": rows(0, 2) }), "$['a-b'][*]"),
        (json!({ "a": { "b": rows(0, 3) }, "c": rows(0, 3) }), "$.c[*]"),
        (json!({ "a": { "b": { "c": rows(0, 3) } } }), "$.a.b.c[*]"),
    ] {
        assert_eq!(found(&body.to_string()), (path.into(), "\"$.id\"".into(), keys(&[0, 1, 2])));
    }
    for body in ["{}", "[]", "{\"a\":[]}", "\"x\"", "[1]"] {
        assert!(matches!(list(&page(URL, &[], body)), Err(NoList::NoItems(_))), "{body}");
    }
    let root = json!({ "books": "http://h/api/books/", "n": 1 });
    let told = list(&page(URL, &[], &root.to_string())).unwrap_err().to_string();
    assert!(told.ends_with("it names these addresses: http://h/api/books/"), "{told}");
    let html = page(URL, &[("content-type", "text/html")], "<p>");
    assert_eq!(list(&html).unwrap_err(), NoList::Html);
    let error = list(&page(URL, &[], r#"{"error":{"message":"no where"}}"#)).unwrap_err();
    assert!(error.to_string().contains("no where"), "{error}");
}

#[test]
fn lists_in_other_forms_are_found() {
    for (body, items, key, keys) in [
        // Items in a wrapper, of an object with the key, and in groups.
        (
            r#"{"c":[{"kind":"t","data":{"id":1}},{"kind":"t","data":{"id":2}}]}"#,
            "$.c[*].data",
            "\"$.id\"",
            "1 2",
        ),
        (
            r#"[{"a":{"OBJECTID":1},"g":{"x":1}},{"a":{"OBJECTID":2},"g":{"x":1}}]"#,
            "$[*]",
            "\"$.a.OBJECTID\"",
            "1 2",
        ),
        (
            r#"{"g":[{"name":"A","items":[{"id":1},{"id":2}]},{"name":"B","items":[{"id":3}]}]}"#,
            "$.g[*].items[*]",
            "\"$.id\"",
            "1 2 3",
        ),
        (
            r#"[{"id":1,"variants":[{"id":7},{"id":8}]},{"id":2,"variants":[{"id":9}]}]"#,
            "$[*]",
            "\"$.id\"",
            "1 2",
        ),
        // Objects by their keys, rows with columns, and plain keys.
        (
            r#"{"items":{"7":{"a":1,"b":2},"8":{"a":1,"b":3}}}"#,
            "$.items.*",
            "{ from = \"name\" }",
            "7 8",
        ),
        (r#"{"columns":["id","t"],"rows":[[1,"a"],[2,"b"]]}"#, "$.rows[*]", "\"$.id\"", "1 2"),
        (
            r#"{"fields":[{"name":"id"},{"name":"t"}],"rows":[[1,"a"],[2,"b"]]}"#,
            "$.rows[*]",
            "\"$.id\"",
            "1 2",
        ),
        ("[11, 12]", "$[*]", "\"$\"", "11 12"),
        // A key of two parts, and the last segment of a path.
        (
            r#"[{"type":"a","id":1},{"type":"b","id":1}]"#,
            "$[*]",
            "{ join = [\"$.type\", \"$.id\"] }",
            "a:1 b:1",
        ),
        (
            r#"[{"name":"x/docs/1"},{"name":"x/docs/2"}]"#,
            "$[*]",
            "{ select = \"$.name\", regex = '([^/]+)/?$' }",
            "1 2",
        ),
        // JSON lines, CSV and JSONP.
        ("{\"id\":1}\n{\"id\":2}\n", "$[*]", "\"$.id\"", "1 2"),
        ("id;t\n1;a\n2;b\n", "$[*]", "\"$.id\"", "1 2"),
        ("/**/call({\"r\":[{\"id\":1},{\"id\":2}]});", "$.r[*]", "\"$.id\"", "1 2"),
        // HTML in JSON.
        (
            r#"{"html":"<li class=\"card\" data-id=\"1\">a</li><li class=\"card\" data-id=\"2\">b</li>"}"#,
            "$.html | li.card",
            "\"::attr(data-id)\"",
            "1 2",
        ),
    ] {
        let (found_items, found_key, found_keys) = found(body);
        assert_eq!(
            (&*found_items, &*found_key, &*found_keys.join(" ")),
            (items, key, keys),
            "{body}"
        );
    }
}

#[test]
fn lists_in_markup_are_found() {
    let html = |inner: &str| format!("<!doctype html><html><body>{inner}</body></html>");
    for (body, items, keys) in [
        (html("<nav><ul><li><a href=/x>aa</a><li><a href=/y>bb</a></ul></nav><ul><li class=p><h2>One</h2><a href=/p/1>go</a><li class=p><h2>Two</h2><a href=/p/2>go</a></ul>"), "li.p", "1 2"),
        (html("<div id=m><article id=post-7><a href=/a/x/>X</a></article><article id=post-8><a href=/a/y/>Y</a></article></div>"), "#m > article", "7 8"),
        (html("<script id=__NEXT_DATA__ type=application/json>{\"props\":{\"items\":[{\"id\":1},{\"id\":2}]}}</script>"), "$.props.items[*]", "1 2"),
        (html("<script>window.__STATE__ = {\"list\":[{\"id\":1},{\"id\":2}]};run()</script>"), "$.list[*]", "1 2"),
        ("<?xml version='1.0'?><rss><channel><title>f</title><item><guid>u1</guid><title>a</title></item><item><guid>u2</guid><title>b</title></item></channel></rss>".into(), "channel > item", "u1 u2"),
        ("<?xml version='1.0'?><feed><id>f</id><entry><id>u1</id><link href='/1'/></entry><entry><id>u2</id><link href='/2'/></entry></feed>".into(), "feed > entry", "u1 u2"),
    ] {
        let (found_items, _, found_keys) = found(&body);
        assert_eq!((&*found_items, &*found_keys.join(" ")), (items, keys), "{body}");
    }
}

#[test]
fn p10_p12_a_list_in_another_encoding_or_with_half_a_character_is_read_as_a_crawl_reads_it() {
    let kind = [("content-type", "application/json; charset=iso-8859-1")];
    let body = Bytes::from_static(b"[{\"id\":1,\"t\":\"caf\xe9\"},{\"id\":2,\"t\":\"\\ud83c\"}]");
    let (_, seen) = list(&Page { body, ..page(URL, &kind, "") }).unwrap();
    assert_eq!(seen.body, json!([{ "id": 1, "t": "café" }, { "id": 2, "t": "\u{fffd}" }]));
}

#[test]
fn the_key_is_a_field_with_a_value_of_its_own_in_each_item() {
    let key = |items: &[Value]| {
        key::keys(&items.iter().collect::<Vec<_>>()).first().map(|key| key.text())
    };
    let of = |text: &str| Some(format!("\"$.{text}\""));
    assert_eq!(key(&[json!({ "name": "a", "id": 1 }), json!({ "name": "b", "id": 2 })]), of("id"));
    assert_eq!(
        key(&[json!({ "id": 1, "slug": "a" }), json!({ "id": 1, "slug": "b" })]),
        of("slug")
    );
    assert_eq!(key(&[json!({ "id": null, "_id": "x" })]), of("_id"));
    assert_eq!(key(&[json!({ "Id": "x" })]), of("Id"));
    assert_eq!(key(&[json!({ "paid": 1, "book_id": 7 })]), of("book_id"));
    assert_eq!(key(&[json!({ "paid": 1, "bookId": 7 })]), of("bookId"));
    assert_eq!(key(&[json!({ "title": "a", "pageid": 7 })]), of("pageid"));
    assert_eq!(key(&[json!({ "name": "a" }), json!({ "name": "b" })]), of("name"));
    assert_eq!(key(&[json!({ "id": [1] }), json!({ "id": [2] })]), None);
    assert_eq!(key(&[json!({ "id": 1 }), json!({ "x": 2 })]), None);
    assert_eq!(key(&[json!({ "id": 1.5 })]), None);
}

#[test]
fn counts_are_found_in_body_and_headers_and_are_never_too_small() {
    let counts = |headers: &[(&str, &str)], more: Value| -> Vec<String> {
        let mut body = more;
        body["rows"] = rows(0, 3);
        counts(&seen(headers, &body).1).into_iter().map(|said| said.select).collect()
    };
    assert_eq!(counts(&[], json!({ "count": 9 })), ["\"$.count\""]);
    assert_eq!(counts(&[], json!({ "meta": { "total": "9" } })), ["\"$.meta.total\""]);
    assert_eq!(counts(&[], json!({ "a": { "@total_size": 9 } })), ["\"$.a['@total_size']\""]);
    assert!(counts(&[], json!({ "count": 2, "total": -1 })).is_empty());
    assert_eq!(counts(&[("X-WP-Total", "9")], json!({})), ["{ header = \"x-wp-total\" }"]);
    let range = counts(&[("Content-Range", "items 0-2/9")], json!({}));
    assert_eq!(range, ["{ header = \"Content-Range\", regex = '/(\\d+)$' }"]);
    let last = last_pages(&seen(&[], &json!({ "total_pages": 7, "rows": rows(0, 3) })).1);
    assert_eq!(last[0].select, "\"$.total_pages\"");
    let end = |name: &str| {
        let first = seen(&[], &json!({ name: 7, "rows": rows(0, 3) })).1;
        end(At::Page, &first, &[], &last_pages(&first), &[])
    };
    assert!(matches!(end("nbPages"), End::Pages(_)) && matches!(end("lastPage"), End::Last(_)));
}

#[test]
fn a_count_of_the_page_is_no_count_of_the_list() {
    let (_, first) = seen(&[], &json!({ "count": 3, "total": 9, "rows": rows(0, 3) }));
    let of_all = |other: Value| -> Vec<String> {
        let other = seen(&[], &other).1;
        of_all(counts(&first), &first, &other).into_iter().map(|said| said.name).collect()
    };
    let full = json!({ "count": 3, "total": 9, "rows": rows(3, 6) });
    assert_eq!(of_all(full), ["total"], "there are more items than `count` says");
    assert_eq!(of_all(json!({ "count": 1, "total": 9, "rows": rows(0, 1) })), ["total"]);
    assert_eq!(of_all(json!({ "count": 3, "rows": rows(1, 2) })), ["count"]);
}

/// What leads on from a page with these members: `kind name`.
fn leads(headers: &[(&str, &str)], more: Value) -> Vec<String> {
    let mut body = more;
    body["rows"] = rows(0, 3);
    let found = onward(&seen(headers, &body).1);
    let kind = |onward: &Onward| match onward {
        Onward::Url(said) => format!("{} {}", said.select, said.value),
        Onward::Header(url) => format!("header {url}"),
        Onward::Token(said) => format!("token {}", said.name),
        Onward::Parameters(said) => format!("parameters {}", said.name),
    };
    found.iter().map(kind).collect()
}

#[test]
fn next_pages_and_tokens_are_found_by_their_names() {
    let page2 = "http://h/api/things/?page=2";
    assert_eq!(leads(&[], json!({ "next": "?page=2" })), [format!("\"$.next\" {page2}")]);
    for (members, path) in [
        (json!({ "_links": { "next": { "href": "/x" } } }), "$._links.next.href"),
        (json!({ "links": [{ "rel": "next", "href": "/x" }] }), "$.links[?@.rel=='next'].href"),
        (json!({ "@links": { "next": [{ "uri": "/x" }] } }), "$['@links'].next[0].uri"),
        (json!({ "@odata.nextLink": "/x" }), "$['@odata.nextLink']"),
        (json!({ "nextRecordsUrl": "/x" }), "$.nextRecordsUrl"),
        (json!({ "list": { "more_topics_url": "/x" } }), "$.list.more_topics_url"),
    ] {
        assert_eq!(leads(&[], members), [format!("\"{path}\" http://h/x")]);
    }
    let header = leads(&[("link", "</y>; rel=\"next\"")], json!({}));
    assert_eq!(header, ["header http://h/y"]);
    for (members, name) in [
        (json!({ "nextPageToken": "ab" }), "nextPageToken"),
        (json!({ "meta": { "next_cursor": "ab" } }), "meta.next_cursor"),
        (json!({ "paging": { "next": { "after": "ab" } } }), "paging.next.after"),
        (json!({ "offset": "itr/1" }), "offset"),
        (json!({ "next_page": 2 }), "next_page"),
        (json!({ "pageInfo": { "endCursor": "ab" } }), "pageInfo.endCursor"),
        (json!({ "_scroll_id": "ab" }), "_scroll_id"),
    ] {
        assert_eq!(leads(&[], members), [format!("token {name}")]);
    }
    let wiki = json!({ "continue": { "apcontinue": "x", "continue": "-||" } });
    assert_eq!(leads(&[], wiki), ["parameters continue"]);
    for none in
        [json!({ "next": null }), json!({ "offset": 20 }), json!({ "prev": { "after": "x" } })]
    {
        assert!(leads(&[], none.clone()).is_empty(), "{none}");
    }
    let takers = |path: &str| tokens::takers(path).join(" ");
    assert_eq!(takers("nextPageToken"), "pageToken page_token nextPageToken cursor after");
    assert_eq!(takers("paging.next.after"), "after cursor token page");
    assert_eq!(takers("meta.next_group_key"), "group_key next_group_key cursor after token");
    assert_eq!(takers("NextContinuationToken::text").split(' ').next(), Some("continuation-token"));
}

#[test]
fn a_page_that_says_that_there_is_more_is_no_whole_list() {
    let url = Url::parse(URL).unwrap();
    let doubts = |headers: &[(&str, &str)], items: u64, more: Value| {
        let mut body = more;
        body["rows"] = rows(0, items);
        doubts(&seen(headers, &body).1, &Paging::default(), &url).join(" ")
    };
    for (more, name) in [
        (json!({ "has_more": true }), "`has_more` is true"),
        (json!({ "meta": { "is_end": false } }), "`meta.is_end` is false"),
        (json!({ "done": false }), "`done` is false"),
        (json!({ "bookmark": "x" }), "`bookmark` looks like"),
        (json!({ "next": "http://other/x" }), "`next` names a next page"),
        (json!({ "totalSize": 9 }), "`totalSize` counts 9 items, and the page has 3"),
        (json!({ "page_count": 9 }), "`page_count` says that there are 9 pages"),
    ] {
        let told = doubts(&[], 3, more);
        assert!(told.contains(name), "{name}: {told}");
    }
    assert_eq!(doubts(&[], 3, json!({ "has_more": false, "next": null, "total": 3 })), "");
    assert!(doubts(&[("X-Total-Count", "9")], 3, json!({})).contains("`x-total-count`"));
    assert!(doubts(&[], 20, json!({})).contains("has 20 items"));
    assert_eq!(doubts(&[], 20, json!({ "total": 20 })), "");
}

#[test]
fn the_list_s_own_parameters_are_tried_first() {
    let url = |text: &str| Url::parse(text).unwrap();
    let first = |own: &str, next: Option<&str>, more: Value| {
        let mut body = more;
        body["rows"] = rows(0, 3);
        let next: Vec<Url> = next.map(url).into_iter().collect();
        let scheme = schemes(&url(own), &seen(&[], &body).1, &next).remove(0);
        format!("{:?} {} {}", scheme.by, scheme.at, scheme.size.unwrap())
    };
    assert_eq!(first("http://h/a", None, json!({})), "Offset offset limit");
    assert_eq!(first("http://h/a", Some("http://h/a?page=2&size=9"), json!({})), "Page page size");
    assert_eq!(first("http://h/a?skip=0&take=5", None, json!({})), "Offset skip take");
    assert_eq!(first("http://h/a?$limit=5", None, json!({})), "Offset $offset $limit");
    let sru = json!({ "numberOfRecords": 9 });
    assert_eq!(first("http://h/a", None, sru), "Offset startRecord maximumRecords");
}

#[test]
fn an_answer_shows_whether_parameters_work() {
    let scheme = |by| Scheme { by, at: "at".to_owned(), size: Some("size".to_owned()) };
    let first = keys(&[1, 2, 3, 4, 5, 6]);
    let moved = |by, answered: &[u64]| {
        let probe = scheme(by).probe(first.len());
        scheme(by).moved(probe, &first, &keys(answered)).map(|it| (it.sized, it.first))
    };
    assert_eq!(moved(At::Offset, &[3, 4]), Some((true, Some(0))));
    assert_eq!(moved(At::Offset, &[2, 3]), Some((true, Some(1))));
    assert_eq!(moved(At::Offset, &[3, 4, 5, 6, 7, 8]), Some((false, Some(0))));
    assert_eq!(moved(At::Offset, &[2, 3, 4, 5, 6, 7]), Some((false, Some(1))));
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
fn pages_are_those_of_one_list_if_the_second_has_other_items() {
    let pages = |pages: &[&[u64]]| {
        let pages: Vec<Vec<String>> = pages.iter().map(|page| keys(page)).collect();
        are_pages(&keys(&[1, 2, 3, 4]), &pages, None)
    };
    assert!(pages(&[&[1, 2, 3, 4], &[5, 6, 7, 8], &[]]));
    assert!(pages(&[&[1, 2, 3, 4], &[4, 5, 6, 7]]), "one item moved to the next page");
    assert!(pages(&[&[1, 2, 3, 4, 5], &[]]), "a larger page has them all");
    assert!(pages(&[&[1, 2, 3, 4], &[], &[5, 6]]), "a page may be empty");
    assert!(!pages(&[&[1, 2, 3, 4], &[3, 4, 5, 6]]), "the second page begins too early");
    assert!(!pages(&[&[1, 2, 3, 4], &[5, 6, 7, 8], &[1, 2, 3, 4]]));
    assert!(!pages(&[&[1, 2, 3, 4], &[]]));
    assert!(!pages(&[&[1, 2, 3, 4]]), "nothing says that these are all");
    assert!(!pages(&[&[8, 9, 10, 11], &[12, 13]]), "another first page");
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
    assert_eq!(is_page_of(&page, "id", "7"), Some(Some("$.data".to_owned())));
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

fn draft(paging: Paging, detail: Option<Detail>, doubts: Vec<String>) -> Draft {
    let (shape, seen) = seen(&[], &json!({ "rows": rows(0, 3), "count": 1234 }));
    let given = Given::default();
    Draft { url: seen.page.url, given, shape, total: Some(1234), paging, detail, doubts }
}

fn text(draft: &Draft) -> String {
    let text = draft.text("a.toml");
    Site::parse(&text, "a.toml").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let is_short = |line: &str| !line.starts_with('#') || line.chars().count() <= 80;
    assert!(text.lines().all(is_short), "{text}");
    assert!(text.ends_with("# Next: gleaner check a.toml, then gleaner crawl a.toml\n"), "{text}");
    text
}

#[test]
fn every_way_on_makes_a_site_file() {
    let scheme = |by| Scheme { by, at: "at".to_owned(), size: Some("n".to_owned()) };
    let said =
        |name: &str| Said { select: format!("\"$.{name}\""), name: name.to_owned(), value: 9 };
    let more = json!({ "next_cursor": "x", "has_more": true, "rows": rows(0, 3) });
    let cursor = from_page(&seen(&[], &more).1, &onward(&seen(&[], &more).1)).remove(0);
    let kind = "kind = \"old\"";
    for (paging, query, line) in [
        (
            scheme(At::Offset).paging(50, 0, &End::Total(said("count"))),
            format!("query = {{ {kind}, at = \"{{offset}}\", n = \"{{limit}}\" }}"),
            "paging = { by = \"offset\", limit = 50, total = \"$.count\" }",
        ),
        (
            scheme(At::Page).paging(50, 0, &End::Total(said("count"))),
            format!("query = {{ {kind}, at = \"{{page}}\", n = \"{{limit}}\" }}"),
            "paging = { by = \"page\", first = 0, size = 50, total = \"$.count\" }",
        ),
        (
            scheme(At::Page).paging(50, 1, &End::Pages(said("pages"))),
            format!("query = {{ {kind}, at = \"{{page}}\", n = \"50\" }}"),
            "paging = { by = \"page\", pages = \"$.pages\" }",
        ),
        (
            scheme(At::Offset).paging(50, 1, &End::Unknown(None)),
            "n = \"{limit}\" }".to_owned(),
            "paging = { by = \"offset\", first = 1, limit = 50 }",
        ),
        (
            cursor,
            format!("query = {{ {kind}, cursor = \"{{cursor}}\" }}"),
            "paging = { by = \"cursor\", select = \"$.next_cursor\", while = \"$.has_more\" }",
        ),
        (Paging::default(), format!("query = {{ {kind} }}"), "# url = \"/api/things/{key}\""),
    ] {
        let text = text(&draft(paging, None, Vec::new()));
        assert!(text.contains(&query) && text.contains(line), "{query}\n{line}\n{text}");
    }
}

#[test]
fn credentials_and_doubts_are_said_and_not_stored() {
    let mut draft = draft(Paging::default(), None, vec!["`has_more` is true.".to_owned()]);
    assert!(
        text(&draft).contains("# NOT FINISHED") && text(&draft).contains("# - `has_more` is true.")
    );
    let header =
        |name: &str, value: &str| Header { origin: None, name: name.into(), value: value.into() };
    draft.given.headers = vec![header("X-Site", "de"), header("Authorization", "Bearer s3cret")];
    draft.given.user_agents = vec!["Mozilla/5.0".to_owned()];
    let with_headers = text(&draft);
    let line =
        "headers = { X-Site = \"de\", Authorization = \"{env:GLEANER_SECRET_AUTHORIZATION}\" }";
    assert!(with_headers.contains(line) && !with_headers.contains("s3cret"), "{with_headers}");
    assert!(with_headers.contains("user_agent = [\"Mozilla/5.0\"]"), "{with_headers}");
    draft.url = Url::parse("http://me:s3cret@h/list").unwrap();
    let with_user = text(&draft);
    assert!(!with_user.contains("s3cret") && with_user.contains("pass them with --base-url"));
    draft.url = Url::parse("http://h/list?f[]=id&f[]=t").unwrap();
    assert!(text(&draft).contains("query = { \"f[]\" = [\"id\", \"t\"] }"));
    draft.url = Url::parse("http://h/list?token=s3cret").unwrap();
    let with_token = text(&draft);
    assert!(with_token.contains("token=***") && !with_token.contains("s3cret"), "{with_token}");
    let line = "query = { token = \"{env:GLEANER_SECRET_TOKEN}\" }";
    assert!(with_token.contains(line), "{with_token}");
    assert!(draft.text_of_trial().contains("query = { token = \"s3cret\" }"));
}

#[test]
fn an_item_s_page_is_written_as_it_was_found() {
    let detail = |place, document: Option<&str>| {
        let looked_at = "http://h/\u{1b}[31m".to_owned();
        let document = document.map(str::to_owned);
        let detail = Detail { place, document, says_more: false, looked_at };
        text(&draft(Paging::default(), Some(detail), Vec::new()))
    };
    let text = detail(Place::Template("/t/{key}/".to_owned()), Some("$.data"));
    assert!(text.contains("[detail]\n# http://h/\\u{1b}[31m contains the item's key"), "{text}");
    let end = "url = \"/t/{key}/\"\ndocument = \"$.data\"\nrequire = [\"$.data.id\"]\n";
    assert!(text.contains(end), "{text}");
    let text = detail(Place::Link("$.links.self".to_owned()), None);
    assert!(text.contains("link = \"$.links.self\"\nrequire = [\"$.id\"]\n"), "{text}");
}
