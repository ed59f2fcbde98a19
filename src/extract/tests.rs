//! Pages to items and documents.

use bytes::Bytes;

use super::*;
use crate::fetch::{HeaderMap, Page};
use crate::model::document::Encoding;
use crate::model::task::{Content, List};
use crate::site::Site;

fn page(body: &str, content_type: &str) -> Page {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", content_type.parse().unwrap());
    let body = Bytes::copy_from_slice(body.as_bytes());
    Page { url: "http://h/a".parse().unwrap(), headers, body }
}

fn listing(body: &str) -> Listing {
    index(&Site::load("books").unwrap(), &List::default(), &page(body, "application/json")).unwrap()
}

#[test]
fn l6_keys_have_one_normal_form_and_the_rest_says_why() {
    let page = listing(
        r#"{"count":11,"results":[{"id":42},{"id":" 42 "},{"id":"a/b?c"},{},{"id":null},
           {"id":""},{"id":".."},{"id":[1]},{"id":true},{"id":18446744073709551615}]}"#,
    );
    let texts: Vec<String> = page
        .items
        .iter()
        .map(|item| match item {
            Ok(item) => item.key.to_string(),
            Err(error) => format!("! {error}"),
        })
        .collect();
    assert_eq!(texts[0], "42");
    assert_eq!(texts[1], "42");
    assert_eq!(texts[2], "a/b?c");
    assert_eq!(texts[9], "18446744073709551615");
    for (at, words) in [
        (3, "matched nothing"),
        (4, "null"),
        (5, "empty"),
        (6, "dot"),
        (7, "a list"),
        (8, "a truth value"),
    ] {
        assert!(texts[at].starts_with("! ") && texts[at].contains(words), "{}", texts[at]);
    }
    assert_eq!((page.said.items, page.said.declared), (10, Some(11)));
}

#[test]
fn l5_a_count_that_counts_nothing_is_said() {
    for (count, words) in [("-3", "a negative number"), ("\"many\"", "text"), ("null", "null")] {
        let page = listing(&format!(r#"{{"count":{count},"results":[]}}"#));
        assert_eq!(page.said.declared, None);
        assert!(page.odd[0].contains(words));
    }
    assert_eq!(listing(r#"{"count":"12","results":[]}"#).said.declared, Some(12));
    assert_eq!(listing(r#"{"count":"9,040","results":[]}"#).said.declared, Some(9040));
    assert!(listing(r#"{"results":[]}"#).odd[0].contains("no count"));
}

#[test]
fn a_page_without_what_is_required_is_refused() {
    let rules = Site::load("books").unwrap().detail.unwrap();
    let making = Making { listed: &Content::Nothing, ignore: &[], encoding: Encoding::Text };
    let read = |body: &str| detail(&rules, &page(body, "application/json"), making);
    assert!(read(r#"{"id":1}"#).is_ok());
    let error = read(r#"{"name":"x"}"#).unwrap_err();
    assert_eq!(error.reason(), "require");
    assert!(error.to_string().contains("$.id"));
    assert_eq!(read("<html>").unwrap_err().reason(), "page");
    // As APIs answer that say 200 and mean an error.
    assert_eq!(read(r#"{"id":null,"errors":["rate limit"]}"#).unwrap_err().reason(), "require");
}

/// A site whose list has these lines in its table.
fn site(index: &str) -> Site {
    let text = format!(
        "name = 's'\nbase_url = 'http://h'\ncollection = 's'\n[index]\nurl = '/a'\n{index}"
    );
    Site::parse(&text, "s.toml").unwrap()
}

#[test]
fn a_required_field_that_is_null_is_missing_and_another_one_is_null() {
    let with = |field: &str| {
        let site = site(&format!("items = '$[*]'\nkey = '$.id'\n[index.fields]\nx = {field}"));
        let read =
            index(&site, &List::default(), &page(r#"[{"id":1,"x":null}]"#, "application/json"))
                .unwrap();
        match read.items.into_iter().next() {
            Some(Ok(Item { listed: Some(listed), .. })) => listed.content,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(with("'$.x'"), Content::Object(r#"{"x":null}"#.into()));
    assert!(matches!(with("{ select = '$.x', required = true }"), Content::Unreadable(_)));
}

#[test]
fn an_empty_link_is_none() {
    let site = site("items = '$[*]'\nkey = '$.id'\n[detail]\nlink = '$.url'");
    let body = r#"[{"id":1,"url":"/x/1"},{"id":2,"url":""},{"id":3,"url":" "},{"id":4}]"#;
    let read = index(&site, &List::default(), &page(body, "application/json")).unwrap();
    let urls = read.items.into_iter().map(|item| item.unwrap().listed.unwrap().url);
    let urls: Vec<Option<Box<str>>> = urls.collect();
    assert_eq!(urls, [Some("http://h/x/1".into()), None, None, None]);
}

#[test]
fn a_next_link_that_leads_nowhere_is_a_gap_and_no_page() {
    let site = site(
        "format = 'html'\nitems = 'li'\nkey = 'a::text'\npaging = { by = 'next', select = 'a::attr(href)' }\n\
         fields = { a = 'a::text' }",
    );
    let read = |href: &str| {
        let body = format!("<li>1<a href='{href}'>next</a>");
        index(&site, &List::default(), &page(&body, "text/html")).unwrap()
    };
    for nowhere in ["#", "#top", "javascript:void(0)", " JavaScript:;"] {
        let page = read(nowhere);
        assert!(page.said.places.is_empty() && page.items.len() == 1, "{page:?}");
        assert!(page.gaps.len() == 1 && page.gaps[0].contains("leads nowhere"), "{page:?}");
    }
    assert!(read("").said.places.is_empty() && read("").gaps.is_empty());
    assert_eq!(read("?page=2").said.places.len(), 1);
    assert_eq!(read("/a:b").said.places.len(), 1);
}

#[test]
fn l16_a_next_that_is_no_text_or_no_url_is_a_gap_and_nothing_is_the_end() {
    let site = site("items = '$.r[*]'\nkey = '$.id'\npaging = { by = 'next', select = '$.next' }");
    let read = |next: &str| {
        let body = format!(r#"{{"r":[{{"id":1}}],"next":{next}}}"#);
        let listing = index(&site, &List::default(), &page(&body, "application/json")).unwrap();
        assert_eq!(listing.items.len(), 1, "{next}");
        (listing.said.places.len(), listing.gaps)
    };
    for strange in
        [r#"{"href":"/b"}"#, r#"["/b"]"#, "true", r#""http://host%3A1/""#, r#""http://[::1/?p=2""#]
    {
        let (places, gaps) = read(strange);
        assert_eq!((places, gaps.len()), (0, 1), "{strange}");
        assert!(gaps[0].ends_with("is not a URL"), "{gaps:?}");
    }
    for (next, places) in [("null", 0), ("false", 0), ("\"\"", 0), ("\"/b\"", 1)] {
        assert_eq!(read(next), (places, Vec::new()), "{next}");
    }
}

#[test]
fn a_cursor_of_zero_is_the_end() {
    let site = site(
        "items = '$.r[*]'\nkey = '$.id'\nquery = { c = '{cursor}' }\npaging = { by = 'cursor', select = '$.c' }",
    );
    let places = |cursor: &str| {
        let body = format!(r#"{{"r":[{{"id":1}}],"c":{cursor}}}"#);
        index(&site, &List::default(), &page(&body, "application/json")).unwrap().said.places.len()
    };
    assert_eq!(["0", "\"0\"", "null", "\"\"", "false"].map(places), [0; 5]);
    assert_eq!(["10", "\"00\"", "\"a\""].map(places), [1; 3]);
}

#[test]
fn of_a_link_header_the_first_relation_counts_and_only_of_the_page_itself() {
    let next = |header: &[u8]| {
        let mut page = page("[]", "application/json");
        page.headers.insert("link", crate::fetch::HeaderValue::from_bytes(header).unwrap());
        link_header(&page).unwrap().map(String::from)
    };
    let own = Some("http://h/b".to_owned());
    assert_eq!(next(b"</b>; rel=\"next\""), own);
    assert_eq!(next(b"</x>; rel=next; anchor=\"/other\", </b>; rel=next"), own);
    assert_eq!(next(b"</b>; rel=next; anchor=\"/a\""), own);
    assert_eq!(next(b"</x>; rel=prev; rel=next, </b>; rel=\"last Next\""), own);
    assert_eq!(next(b"</c>; rel=author; title=\"caf\xe9\", </b>; rel=next"), own);
    assert_eq!(next("</é>; rel=next".as_bytes()), Some("http://h/%C3%A9".to_owned()));
    assert_eq!(next(b"</x>; rel=prev"), None);
}

#[test]
fn a_count_in_a_header_may_stand_among_others() {
    let site = site(
        "items = '$[*]'\nkey = '$.id'\nquery = { o = '{offset}' }\n\
         paging = { by = 'offset', limit = 9, total = { header = 'Content-Range', regex = '/(\\d+)$' } }",
    );
    let mut page = page("[]", "application/json");
    page.headers.insert("content-range", "items 0-9/25".parse().unwrap());
    assert_eq!(index(&site, &List::default(), &page).unwrap().said.declared, Some(25));
}

#[test]
fn categories_from_links_are_decoded_once() {
    let site = site(
        "items = '$[*]'\nkey = '$.id'\nquery = { c = '{seed}' }\n\
         [seeds]\nurl = '/c'\nformat = 'html'\nselect = { select = 'a::attr(href)', regex = '/c/(.+)' }",
    );
    let (_, rules) = site.seeds.pages().next().unwrap();
    let body = "<a href='/c/caf%C3%A9'></a><a href='/c/sci%20fi'></a><a href='/c/%ff'></a>";
    let found = seeds(rules, &page(body, "text/html")).unwrap();
    assert_eq!(found.seeds.iter().map(|seed| &*seed.text).collect::<Vec<_>>(), ["café", "sci fi"]);
    assert_eq!(found.gaps.len(), 1, "{:?}", found.gaps);
}
