//! Paths and queries on pages.

use super::*;
use crate::document::Json;

fn found(path: &str, page: &str) -> Vec<String> {
    let page = Json::parse(page.as_bytes()).unwrap();
    let found = Selector::parse(path).unwrap();
    found.select(page.value()).iter().map(|found| tree(found.as_raw()).to_string()).collect()
}

#[test]
fn the_functions_of_rfc_9535_are_there_and_a_slip_is_told_where() {
    let page = r#"["a1","b2"]"#;
    assert_eq!(found("$[?match(@, 'a.')]", page), ["\"a1\""]);
    assert_eq!(found("$[?search(@, '2')]", page), ["\"b2\""]);
    assert_eq!(found("$[?length(@) == 2]", page).len(), 2);
    let error = Selector::parse("$.product-name").unwrap_err().to_string();
    assert!(error.contains("after character 9; a name with a hyphen"), "{error}");
}

#[test]
fn plain_paths_and_queries_agree() {
    let page = r#"{"a":{"b":[{"id":1},{"id":"x"},{"no":2}]},"c":[10,20],"id":7,"id":8}"#;
    for (plain, query) in [
        ("$.a.b[*].id", "$['a']['b'][*]['id']"),
        ("$.c[1]", "$['c'][1]"),
        ("$.c[9]", "$['c'][9]"),
        ("$.a[*]", "$['a'][*]"),
        ("$", "$[?@.x == 1]"),
        ("$.id", "$['id']"),
    ] {
        let is_plain = |path| Selector::parse(path).unwrap().steps.is_some();
        assert!(is_plain(plain) && !is_plain(query));
        if plain != "$" {
            assert_eq!(found(plain, page), found(query, page), "{plain}");
        }
    }
    assert_eq!(found("$.id", page), ["8"]);
    assert_eq!(found("$..id", page), ["8", "1", "\"x\""]);
}

#[test]
fn what_is_no_path_says_so() {
    for bad in ["", "id", "$.", "$.a[", "$[?]"] {
        assert!(Selector::parse(bad).is_err(), "{bad}");
    }
}
