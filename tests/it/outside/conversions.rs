//! Documents made of fields: what goes in as text of a kind comes out as JSON of that kind.

use bytes::Bytes;
use gleaner::select::field::{self, Around, Kind, Scope};
use gleaner::select::html::{CssSelector, HtmlPage};
use gleaner::select::{FieldRule, JsonPage, Select, Selector};
use proptest::prelude::*;
use serde_json::Value;
use url::Url;

use super::noise::{json, text};
use super::{config, targets};

const KINDS: [Option<Kind>; 6] = [
    None,
    Some(Kind::Text),
    Some(Kind::Integer),
    Some(Kind::Number),
    Some(Kind::Bool),
    Some(Kind::Json),
];

/// Rules of every kind, one and many, trimmed and not.
fn rules(select: &Select) -> Vec<(String, FieldRule)> {
    let mut rules = Vec::new();
    for (number, kind) in KINDS.into_iter().enumerate() {
        for many in [false, true] {
            for trim in [false, true] {
                let rule = FieldRule { kind, many, trim, ..FieldRule::new(select.clone()) };
                rules.push((format!("\"{number} {many}é{trim}"), rule));
            }
        }
    }
    rules
}

/// What each rule makes of a scope. All together they are a document, whose digest knows no order.
fn made(select: &Select, scope: Scope<'_>) -> Vec<(FieldRule, Value)> {
    let mut fitting = Vec::new();
    for (name, rule) in rules(select) {
        match field::extract(&name, &rule, scope) {
            Ok(Some(text)) => {
                let value = serde_json::from_str(&text)
                    .unwrap_or_else(|error| panic!("{error}: {rule:?} made {text:?}"));
                fitting.push((name, rule, value));
            }
            Ok(None) => {}
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
        }
    }
    let rules: Vec<_> = fitting.iter().map(|(name, rule, _)| (name, rule.clone())).collect();
    let document =
        field::document(&rules, scope, Around::default()).expect("each of the fields is one");
    assert!(document.matched.iter().all(|matched| *matched));
    let parsed: Value = serde_json::from_str(&document.text).expect("a document is JSON");
    for (name, _, value) in &fitting {
        assert_eq!(&parsed[name], value, "{name:?}");
    }
    // A repeated key beside what BSON cannot hold is refused.
    if let Ok(digest) = targets::digest(&document.text) {
        let other = targets::digest(&targets::reversed(&document.text));
        assert_eq!(other.ok(), Some(digest), "{}", document.text);
    }
    fitting.into_iter().map(|(_, rule, value)| (rule, value)).collect()
}

/// A value is of the kind that was asked for.
fn is_of(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text | Kind::Url | Kind::Date => value.is_string(),
        // Beyond 64 bits serde_json has floats only.
        Kind::Integer => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Kind::Number => value.is_number(),
        Kind::Bool => value.is_boolean(),
        Kind::Json => true,
    }
}

fn right(made: &[(FieldRule, Value)]) {
    for (rule, value) in made {
        let values =
            if rule.many { value.as_array().expect("a list") } else { &vec![value.clone()] };
        let kind = rule.kind.unwrap_or(Kind::Json);
        assert!(values.iter().all(|value| is_of(kind, value)), "{value} is not {kind}");
    }
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn p5_a_value_of_a_page_keeps_its_value(value in json()) {
        let body = Bytes::from(format!("{{\"v\":{value}}}"));
        let Ok(page) = JsonPage::parse(body.clone()) else { return Ok(()) };
        // Half of a surrogate pair, or a number beyond a double, which no document may have.
        let Ok(as_sent) = serde_json::from_slice::<Value>(&body) else { return Ok(()) };
        let select = Select::Json(Selector::parse("$.v").expect("a selector"));
        right(&made(&select, page.scope()));
        let rule = FieldRule::new(select);
        if let Ok(Some(text)) = field::extract("v", &rule, page.scope()) {
            let kept: Value = serde_json::from_str(&text).expect("a field is JSON");
            prop_assert_eq!(kept, as_sent["v"].clone());
        }
    }

    #[test]
    fn p5_a_text_of_a_page_becomes_what_it_says(
        text in prop_oneof![text(), json(), "[+-]?[0-9]{0,30}[.,]?[0-9]{0,9}([eE]-?[0-9]{1,4})?"],
    ) {
        let json = Bytes::from(format!("{{\"v\":{}}}", Value::from(text.as_str())));
        let page = JsonPage::parse(json).expect("JSON");
        let select = Select::Json(Selector::parse("$.v").expect("a selector"));
        right(&made(&select, page.scope()));
        let url = Url::parse("https://h.test/").expect("a URL");
        let html = format!("<p>{}</p>", text.replace('&', "&amp;").replace('<', "&lt;"));
        let html = HtmlPage::parse(html.as_bytes(), None, &url).expect("a small page");
        let select = Select::Css(CssSelector::parse("p::text").expect("a selector"));
        right(&made(&select, Scope::Html(html.scope())));
    }
}
