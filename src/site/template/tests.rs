//! Templates, filled in and refused.

use serde_json::json;

use super::*;
use crate::model::seed::Seed;

#[test]
fn placeholders_are_filled_in_and_encoded() {
    let template = Template::parse("/b/{key}/x", &[Placeholder::Key]).unwrap();
    let values = Values { key: Some("a/b?c#é .."), ..Values::default() };
    assert_eq!(template.encoded(values), "/b/a%2Fb%3Fc%23%C3%A9%20../x");
    assert_eq!(template.plain(values), "/b/a/b?c#é ../x");
    let template = Template::parse("/c/{seed}", &[Placeholder::Seed]).unwrap();
    let path = SeedPath::of("home/living room");
    let values = Values { seeds: Some(&path), ..Values::default() };
    assert_eq!(template.encoded(values), "/c/home/living%20room");
    let levels: Vec<Placeholder> = Placeholder::of_seeds(2).collect();
    let template = Template::parse("/c/{seed.1}/{seed.2}/{seed}", &levels).unwrap();
    let path = path.with(Seed::of("a/b"));
    let values = Values { seeds: Some(&path), ..Values::default() };
    assert_eq!(template.encoded(values), "/c/home/living%20room/a/b/a/b");
    // The key of an item is one segment; a category below it need not be.
    let values = Values { seed_is_key: true, ..values };
    assert_eq!(template.encoded(values), "/c/home%2Fliving%20room/a/b/a/b");
    for slip in ["{seed.3}", "{seed.0}", "{seed.17}"] {
        let error = Template::parse_text(slip, &levels).unwrap_err().to_string();
        assert!(error.contains("valid here: {seed}, {seed.1}, {seed.2}"), "{error}");
    }
    let slips = ["{Offset}", "{page_size}", "{sed}"];
    assert!(slips.iter().all(|slip| Template::parse_text(slip, &[Placeholder::Page]).is_err()));
    assert!(Template::parse_text("{a: 1}{ page }{}", &[Placeholder::Page]).is_ok());
}

#[test]
fn what_is_no_placeholder_is_an_error() {
    assert_eq!(Template::parse("{key", &[]), Err(TemplateError::Open));
    let error =
        |allowed: &[Placeholder]| Template::parse("{offset}", allowed).unwrap_err().to_string();
    assert_eq!(error(&[Placeholder::Key]), "unknown placeholder {offset}; valid here: {key}");
    assert_eq!(
        error(&[Placeholder::Page, Placeholder::Seed]),
        "unknown placeholder {offset}; valid here: {page}, {seed}"
    );
    assert_eq!(error(&[]), "unknown placeholder {offset}; none is valid here");
}

#[test]
fn a_body_keeps_its_braces_and_its_types() {
    let allowed = [Placeholder::Limit, Placeholder::Cursor];
    let body = json!({
        "query": "query($n: Int) { books(first: {limit}) {id} { title } }",
        "variables": { "n": "{limit}", "after": "{cursor}", "flag": true, "more": ["{limit}!"] },
    });
    let template = JsonTemplate::parse(body, &allowed).unwrap();
    let mut values = Values { limit: Some(20), ..Values::default() };
    let first = template.render(values);
    assert_eq!(first["query"], "query($n: Int) { books(first: 20) {id} { title } }");
    assert_eq!(
        first["variables"],
        json!({ "n": 20, "after": null, "flag": true, "more": ["20!"] })
    );
    for (cursor, expected) in [("\"abc\"", json!("abc")), ("17", json!(17))] {
        values.cursor = Some(cursor);
        assert_eq!(template.render(values)["variables"]["after"], expected);
    }
    let error = JsonTemplate::parse(json!(["{key}"]), &allowed).unwrap_err();
    assert!(error.to_string().contains("{limit}, {cursor}"), "{error}");
}
