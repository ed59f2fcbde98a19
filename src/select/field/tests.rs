//! Fields and keys of both formats.

use super::super::Selector;
use super::super::html::{CssSelector, HtmlPage};
use super::*;
use url::Url;

const BOOK: &str = r#"<article data-id="007"><h1> A &amp; B </h1>
    <a href="/book/a%20b%2Fc/">more</a> <p class=price>Price: 12.50 €</p> <p class=stock>yes</p>
    <ul><li>one</li><li> </li><li>two</li></ul> <span class=empty></span>
    <script type="application/ld+json">{"isbn": 12345678901234567890123, "n": [1]}</script>
    <i>1</i><i>x</i><i>3</i></article>"#;

fn html(text: &str) -> HtmlPage {
    let url = Url::parse("https://shop.test/").unwrap();
    HtmlPage::parse(text.as_bytes(), Some("text/html; charset=utf-8"), &url).unwrap()
}

fn css(selector: &str) -> FieldRule {
    FieldRule::new(Select::Css(CssSelector::parse(selector).unwrap()))
}

fn path(selector: &str) -> FieldRule {
    FieldRule::new(Select::Json(Selector::parse(selector).unwrap()))
}

fn regex(text: &str) -> Option<Pattern> {
    Some(Pattern::parse(text).unwrap())
}

fn of_html(rule: &FieldRule) -> Result<Option<String>, FieldError> {
    extract("field", rule, Scope::Html(html(BOOK).scope()))
}

fn json(text: &str) -> JsonPage {
    JsonPage::parse(bytes::Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

fn of_json(rule: &FieldRule, page: &str) -> Result<Option<String>, FieldError> {
    extract("field", rule, json(page).scope())
}

#[test]
fn fields_of_html() {
    let as_kind = |selector: &str, kind| FieldRule { kind: Some(kind), ..css(selector) };
    let many = |rule: FieldRule| FieldRule { many: true, ..rule };
    let number = FieldRule { regex: regex(r"([\d.]+)"), ..as_kind(".price::text", Kind::Number) };
    let digits = FieldRule { regex: regex(r"\d"), ..as_kind("i::text", Kind::Integer) };
    let json = "{\"isbn\": 12345678901234567890123, \"n\": [1]}";
    for (rule, expected) in [
        (css("h1::text"), Some("\"A & B\"")),
        (FieldRule { trim: false, ..css("h1::text") }, Some("\" A & B \"")),
        (css("li::text"), Some("\"one\"")),
        (many(css("li::text")), Some("[\"one\",\"two\"]")),
        (css(".empty::text"), None),
        (many(css(".empty::text")), None),
        (css("h2::text"), None),
        (as_kind("article::attr(data-id)", Kind::Integer), Some("7")),
        (as_kind(".stock::text", Kind::Bool), Some("true")),
        (as_kind(".empty::text", Kind::Integer), None),
        (number, Some("12.50")),
        (FieldRule { regex: regex("(none)"), ..css("h1::text") }, None),
        (digits.clone(), Some("1")),
        (many(digits), Some("[1,3]")),
        (as_kind("script::text", Kind::Json), Some(json)),
        // The first that the regex matches, not only the first.
        (FieldRule { regex: regex("^t.*"), ..css("li::text") }, Some("\"two\"")),
    ] {
        assert_eq!(of_html(&rule).unwrap().as_deref(), expected, "{rule:?}");
    }
}

#[test]
fn fields_of_json_stay_what_they_are() {
    let page = r#"{"t":" x ","i":18446744073709551616,"f":1.5,"b":true,"n":null,"l":[1,"a"],
        "o":{"a":1},"s":"42","j":"{\"a\":1}","w":5.0,"yes":"YES","e":""}"#;
    for (selector, kind, expected) in [
        ("$.t", None, Some("\" x \"")),
        ("$.i", None, Some("18446744073709551616")),
        ("$.f", None, Some("1.5")),
        ("$.n", None, Some("null")),
        ("$.l", None, Some("[1,\"a\"]")),
        ("$.e", None, Some("\"\"")),
        ("$.none", None, None),
        ("$.t", Some(Kind::Text), Some("\" x \"")),
        ("$.i", Some(Kind::Text), Some("\"18446744073709551616\"")),
        ("$.b", Some(Kind::Text), Some("\"true\"")),
        ("$.n", Some(Kind::Text), None),
        ("$.i", Some(Kind::Integer), Some("18446744073709551616")),
        ("$.s", Some(Kind::Integer), Some("42")),
        ("$.w", Some(Kind::Integer), Some("5")),
        ("$.f", Some(Kind::Number), Some("1.5")),
        ("$.s", Some(Kind::Number), Some("42")),
        ("$.b", Some(Kind::Bool), Some("true")),
        ("$.yes", Some(Kind::Bool), Some("true")),
        ("$.j", Some(Kind::Json), Some("{\"a\":1}")),
        ("$.o", Some(Kind::Json), Some("{\"a\":1}")),
    ] {
        let rule = FieldRule { kind, ..path(selector) };
        assert_eq!(of_json(&rule, page).unwrap().as_deref(), expected, "{selector} as {kind:?}");
    }
    for (selector, kind) in
        [("$.f", Kind::Integer), ("$.l", Kind::Text), ("$.o", Kind::Number), ("$.t", Kind::Bool)]
    {
        let rule = FieldRule { kind: Some(kind), ..path(selector) };
        assert!(of_json(&rule, page).is_err(), "{selector} as {kind}");
    }
    let every = FieldRule { many: true, ..path("$.l[*]") };
    assert_eq!(of_json(&every, page).unwrap().as_deref(), Some("[1,\"a\"]"));
    let part = FieldRule { regex: regex(r"^(\d\d)"), kind: Some(Kind::Integer), ..path("$.i") };
    assert_eq!(of_json(&part, page).unwrap().as_deref(), Some("18"));
}

#[test]
fn p7_a_required_field_is_named_when_it_is_missing() {
    for rule in [css("h2::text"), css(".empty::text"), FieldRule { many: true, ..css("h2::text") }]
    {
        assert_eq!(of_html(&rule), Ok(None));
        let error = of_html(&FieldRule { required: true, ..rule }).unwrap_err();
        assert_eq!(error, FieldError::Missing("field".to_owned()));
        assert_eq!(error.reason(), "require");
        assert!(error.to_string().contains("no field, which is required"));
    }
    assert!(of_json(&FieldRule { required: true, ..path("$.x") }, "{}").is_err());
}

#[test]
fn p8_a_failed_conversion_names_field_kind_and_value_without_control_characters() {
    let page = html("<p>\u{1b}[31m1\u{202e}2\u{9b}x</p>");
    let rule = FieldRule { kind: Some(Kind::Integer), ..css("p::text") };
    let error = extract("price", &rule, Scope::Html(page.scope())).unwrap_err();
    let words = error.to_string();
    assert_eq!(
        words,
        r#"the field price should be an integer but is "\u{1b}[31m1\u{202e}2\u{9b}x""#
    );
    let long = html(&format!("<p>{}</p>", "日".repeat(10_000)));
    let words = extract("p", &rule, Scope::Html(long.scope())).unwrap_err().to_string();
    assert!(words.ends_with("日…\"") && words.chars().count() < 120, "{words}");
}

#[test]
fn d13_a_number_that_bson_cannot_hold_is_taken_digit_by_digit() {
    let long = "9".repeat(40);
    let page =
        format!("{{\"a\":{long},\"b\\u0000\":1,\"c\":{{\"d\\u0000\":[-{long}]}},\"e\":-1e400}}");
    let as_kind = |kind, select| FieldRule { kind: Some(kind), ..path(select) };
    for (rule, expected) in [
        (path("$.a"), long.clone()),
        (as_kind(Kind::Integer, "$.a"), long.clone()),
        (as_kind(Kind::Number, "$.a"), long.clone()),
        (as_kind(Kind::Text, "$.a"), format!("\"{long}\"")),
        (path("$['b\\u0000']"), "1".to_owned()),
        (path("$.c"), format!("{{\"d\\u0000\":[-{long}]}}")),
        (path("$.c[*][0]"), format!("-{long}")),
        (path("$.e"), "-1e400".to_owned()),
        (
            FieldRule { many: true, ..path("$..*") },
            format!("[{long},1,{{\"d\\u0000\":[-{long}]}},-1e400,[-{long}],-{long}]"),
        ),
    ] {
        assert_eq!(of_json(&rule, &page).unwrap(), Some(expected), "{rule:?}");
    }
    assert_eq!(key(&path("$.a"), json(&page).scope(), UTF_8).unwrap().as_str(), long);
    assert!(matches!(
        key(&path("$.e"), json(&page).scope(), UTF_8),
        Err(NoKey::Kind("a fraction"))
    ));
}

#[test]
fn a_selector_for_the_other_format_is_an_error() {
    assert_eq!(of_html(&path("$.a")), Err(FieldError::Format("field".to_owned())));
    assert_eq!(of_json(&css("a::text"), "{}"), Err(FieldError::Format("field".to_owned())));
}

#[test]
fn a_document_has_its_fields_in_order_and_says_which_matched() {
    let fields = [
        ("title", css("h1::text")),
        ("none", css("h2::text")),
        ("data", FieldRule { kind: Some(Kind::Json), ..css("script::text") }),
        ("a\"b", FieldRule { kind: Some(Kind::Integer), ..css("article::attr(data-id)") }),
    ];
    let made = document(&fields, Scope::Html(html(BOOK).scope()), Around::default()).unwrap();
    assert_eq!(
        made.text,
        r#"{"title":"A & B","data":{"isbn": 12345678901234567890123, "n": [1]},"a\"b":7}"#
    );
    assert_eq!(made.matched, [true, false, true, true]);
    let read = crate::model::document::Json::parse(made.text.as_bytes()).unwrap();
    assert!(
        crate::model::document::value_to_text(read.value()).contains("12345678901234567890123")
    );
    let nothing =
        document(&fields[1..2], Scope::Html(html(BOOK).scope()), Around::default()).unwrap();
    assert_eq!((nothing.text.as_str(), nothing.matched), ("{}", vec![false]));
    let required = [("x", FieldRule { required: true, ..css("h2::text") })];
    assert!(document(&required, Scope::Html(html(BOOK).scope()), Around::default()).is_err());
}

#[test]
fn l6_keys_from_links_are_decoded_once() {
    let of = |rule: &FieldRule, page: &str| {
        let page = html(page);
        key(rule, Scope::Html(page.scope()), UTF_8).map(|key| key.as_str().to_owned())
    };
    let link = FieldRule { regex: regex("^/book/([^/]+)/$"), ..css("a::attr(href)") };
    assert_eq!(of(&link, BOOK), Ok("a b/c".to_owned()));
    let twice = "<a href='/book/50%2525/'>";
    assert_eq!(of(&link, twice), Ok("50%25".to_owned()));
    assert_eq!(of(&link, "<a href='/book/%ff/'>"), Err(NoKey::Encoding));
    let dots = of(&link, "<a href='/book/%2e%2e/'>").unwrap_err().to_string();
    assert!(dots.contains("dot segment"), "{dots}");
    assert_eq!(of(&link, "<a href='/x/'>"), Err(NoKey::Regex));
    // What is no URL is not decoded.
    assert_eq!(of(&css("a::attr(title)"), "<a title=' 50%25 '>"), Ok("50%25".to_owned()));
    assert_eq!(of(&css("b::text"), BOOK), Err(NoKey::Missing));
    assert!(matches!(of(&path("$.id"), BOOK), Err(NoKey::Page(_))));
}

#[test]
fn w19_a_plus_in_a_query_is_a_blank_and_elsewhere_a_plus() {
    let of = |pattern: &str, href: &str| {
        let page = html(&format!("<a href='{href}'>"));
        let rule = FieldRule { regex: regex(pattern), ..css("a::attr(href)") };
        let requested = for_requests("seeds.select", &rule, Scope::Html(page.scope())).unwrap();
        let key = key(&rule, Scope::Html(page.scope()), UTF_8).unwrap();
        let quoted = convert::quoted(key.as_str());
        assert_eq!(requested, [Some(quoted)], "{href}");
        key.as_str().to_owned()
    };
    for (pattern, href, expected) in [
        ("name=(.+)", "/shoe?name=red+shoe", "red shoe"),
        ("name=(.+)", "/shoe?name=C%2B%2B", "C++"),
        ("name=([^&]+)", "/shoe?a=b&name=a+%2B+b%20c&x=y+z", "a + b c"),
        (r"cat=([\w+]+)", "/shop?cat=home+garden", "home garden"),
        ("/(c[^/?]*)", "/c++?x=1", "c++"),
        ("#(.+)", "/a?b#c+d", "c+d"),
        (".+", "/shoe?name=red+shoe", "/shoe?name=red+shoe"),
    ] {
        assert_eq!(of(pattern, href), expected, "{href}");
    }
}

#[test]
fn w19_what_is_not_in_utf_8_is_in_the_page_s_charset_or_nothing() {
    let page = html("<a href='/item?n=%D6%D0%B9%FA'><a href='/item?n=%FF'>");
    let rule = FieldRule { regex: regex("n=(.+)"), ..css("a::attr(href)") };
    let scope = Scope::Html(page.scope());
    assert_eq!(key(&rule, scope, encoding_rs::GBK).unwrap().as_str(), "中国");
    assert_eq!(key(&rule, scope, UTF_8), Err(NoKey::Encoding));
    assert_eq!(for_requests("seeds.select", &rule, scope).unwrap(), [None, None]);
}

#[test]
fn l6_keys_of_json_are_texts_and_integers() {
    let of = |rule: &FieldRule, page: &str| {
        key(rule, json(page).scope(), UTF_8).map(|key| key.as_str().to_owned())
    };
    let id = path("$.id");
    let part = FieldRule { regex: regex(r"/(\d+)$"), ..path("$.id") };
    assert_eq!(of(&id, r#"{"id":42}"#), Ok("42".to_owned()));
    assert_eq!(of(&id, r#"{"id":" 42%25 "}"#), Ok("42%25".to_owned()));
    assert_eq!(of(&id, "{}"), Err(NoKey::Missing));
    assert_eq!(of(&id, r#"{"id":null}"#), Err(NoKey::Kind("null")));
    assert_eq!(of(&part, r#"{"id":"/book/42"}"#), Ok("42".to_owned()));
    assert_eq!(of(&part, r#"{"id":[1]}"#), Err(NoKey::Kind("a list")));
    assert_eq!(of(&part, r#"{"id":"x"}"#), Err(NoKey::Regex));
}
