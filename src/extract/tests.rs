//! Pages to items and documents.

use bytes::Bytes;

use super::*;
use crate::document::Encoding;
use crate::fetch::HeaderMap;
use crate::site::{PageSaid, Site};
use crate::task::Content;

fn page(body: &str, content_type: &str) -> Page {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", content_type.parse().unwrap());
    let body = Bytes::copy_from_slice(body.as_bytes());
    Page { url: "http://h/a".parse().unwrap(), headers, body }
}

fn listing(body: &str) -> Listing {
    index(&Site::load("books").unwrap(), &page(body, "application/json")).unwrap()
}

#[test]
fn l6_keys_have_one_normal_form_and_the_rest_says_why() {
    let page = listing(
        r#"{"count":9,"results":[{"id":42},{"id":" 42 "},{"id":"a/b?c"},{},{"id":null},
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
    assert_eq!(page.said, PageSaid { items: 10, declared: Some(9), ..PageSaid::default() });
}

#[test]
fn l5_a_count_that_counts_nothing_is_said() {
    for (count, words) in [("-3", "a negative number"), ("\"many\"", "text"), ("null", "null")] {
        let page = listing(&format!(r#"{{"count":{count},"results":[]}}"#));
        assert_eq!(page.said.declared, None);
        assert!(page.odd[0].contains(words));
    }
    assert_eq!(listing(r#"{"count":"12","results":[]}"#).said.declared, Some(12));
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
}
