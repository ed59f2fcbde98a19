//! Paths and queries on pages, against the library that says what a JSONPath is.

use bytes::Bytes;

use super::*;
use crate::model::document::Json;
use crate::select::JsonPage;

const PAGES: [&str; 6] = [
    r#"{"a":{"b":[{"id":1},{"id":"x"},{"no":2}]},"c":[10,20],"id":7,"id":8}"#,
    r#"[0,1,2,3,4,5,[6,7,[8]],{"id":9,"a":[{"id":10}]},null,true,"text",1.5]"#,
    r#"{"items":[{"type":"book","n":1,"sub":{"type":"x"}},{"type":"film","n":2},{"n":3}],"want":"film"}"#,
    r#"{"a b":1,"it's":{"\"q\"":[1]},"é":2,"\u0001\\":3,"a.b":{"$":4},"":[{"":5}]}"#,
    r#"{"a":{"a":{"a":[{"a":1},[[{"a":2}]]]}},"b":-1}"#,
    "7",
];

const PATHS: [&str; 66] = [
    "$",
    "$.a",
    "$.id",
    "$['id']",
    "$[\"id\"]",
    "$ ['a'] ['b']",
    "$.a.b[*].id",
    "$['a']['b'][*]['id']",
    "$.c[1]",
    "$.c[9]",
    "$.c[-1]",
    "$.c[-3]",
    "$.a[*]",
    "$.*",
    "$[*]",
    "$..*",
    "$..id",
    "$..['id']",
    "$..[0]",
    "$..a",
    "$..a..a",
    "$..*..a",
    "$.a..*",
    "$..b[*]",
    "$..[*].id",
    "$['a','id']",
    "$['id','id']",
    "$[0,2]",
    "$[0, -1, 'a', *]",
    "$[1:3]",
    "$[:2]",
    "$[2:]",
    "$[:]",
    "$[::2]",
    "$[::-1]",
    "$[5:1:-2]",
    "$[-3:]",
    "$[:-9]",
    "$[-2:-9:-1]",
    "$[0:3:0]",
    "$[1:2,0]",
    "$..[1:]",
    "$..[-1]",
    "$[6][2][0]",
    "$.items[?@.type == 'film']",
    "$.items[?@.type == $.want].n",
    "$.items[?(@.n > 1 && @.type)].n",
    "$.items[?!@.type]",
    "$..[?@.type]",
    "$..[?@.n == 2 || @.type == \"x\"]",
    "$[?@.n]",
    "$[?@ > 3]",
    "$[?@[0] == 6]",
    "$[?@ == $[1]]",
    "$.items[?length(@.type) == 4]",
    "$.items[?match(@.type, 'b.*')]",
    "$.items[?count(@.*) == 3]",
    "$.items[?@['type'] == 'a]b,c$']",
    "$.items[?@.type=='book',0]",
    "$['a b']",
    "$['it\\'s']['\"q\"'][0]",
    "$[\"it's\"]",
    "$.é",
    "$['\\u0001\\\\']",
    "$['a.b']['$']",
    "$[''][0]['']",
];

fn parsed(path: &str) -> Selector {
    Selector::parse(path).unwrap_or_else(|error| panic!("{error}"))
}

fn found(path: &str, page: &str) -> Vec<String> {
    let page = Json::parse(page.as_bytes()).unwrap();
    let found = parsed(path).select(page.value(), &Budget::default()).unwrap();
    found.iter().map(|found| tree(found.as_raw()).to_string()).collect()
}

#[test]
fn paths_lead_where_the_library_says_and_in_its_order() {
    for page in PAGES {
        let whole = tree(Json::parse(page.as_bytes()).unwrap().value());
        for path in PATHS {
            let library = JsonPath::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
            let expected: Vec<String> =
                library.query(&whole).iter().map(|it| it.to_string()).collect();
            assert_eq!(found(path, page), expected, "{path} in {page}");
            let json = Json::parse(page.as_bytes()).unwrap();
            let first = parsed(path).first(json.value(), &Budget::default()).unwrap();
            let first = first.map(|first| tree(first.as_raw()).to_string());
            assert_eq!(first.as_ref(), expected.first(), "{path} in {page}");
        }
    }
}

/// `page` without what the library finds there.
fn library_without(path: &str, page: &Value) -> Value {
    let library = JsonPath::parse(path).unwrap();
    let mut places: Vec<String> =
        library.query_located(page).locations().map(|place| place.to_json_pointer()).collect();
    places.sort();
    places.dedup();
    // Dropping a member drops all below it; of a list the last item is dropped first.
    let mut page = page.clone();
    places.sort_by_key(|place| {
        let steps = place.split('/').map(|step| step.parse::<usize>().unwrap_or(0));
        std::cmp::Reverse(steps.collect::<Vec<_>>())
    });
    for place in places {
        let Some((above, last)) = place.rsplit_once('/') else { continue };
        match page.pointer_mut(above) {
            Some(Value::Object(object)) => {
                object.shift_remove(&last.replace("~1", "/").replace("~0", "~"));
            }
            Some(Value::Array(list)) => drop(list.remove(last.parse().unwrap())),
            _ => {}
        }
    }
    page
}

#[test]
fn what_is_ignored_is_what_the_library_finds() {
    for page in PAGES {
        let json = Json::parse(page.as_bytes()).unwrap();
        for path in PATHS {
            let kept = without(&[parsed(path)], json.value(), &Budget::default()).unwrap();
            // The text may repeat a key, as the page does.
            let kept = tree(Json::parse(kept.as_bytes()).unwrap().value());
            assert_eq!(kept, library_without(path, &tree(json.value())), "{path} in {page}");
        }
        let several = [parsed("$..id"), parsed("$.a"), parsed("$..[0]")];
        let kept = without(&several, json.value(), &Budget::default()).unwrap();
        let each = several.iter().map(Selector::text);
        let kept = tree(Json::parse(kept.as_bytes()).unwrap().value());
        if page.starts_with('{') {
            let expected = each.fold(tree(json.value()), |page, path| library_without(path, &page));
            assert_eq!(kept, expected, "{page}");
        }
    }
}

#[test]
fn what_is_ignored_leaves_numbers_whole() {
    let page = r#"{"x":1,"big":123456789012345678901234567890,"f":-0.0,"y":[{"x":2,"n":1e300}]}"#;
    let json = Json::parse(page.as_bytes()).unwrap();
    let kept = without(&[parsed("$..x")], json.value(), &Budget::default()).unwrap();
    assert_eq!(kept, r#"{"big":123456789012345678901234567890,"f":-0.0,"y":[{"n":1e+300}]}"#);
}

#[test]
fn p9_a_path_that_leads_to_very_many_places_is_an_error_and_the_first_is_not() {
    let page = JsonPage::parse(Bytes::from(format!("[{}0]", "0,".repeat(PLACES)))).unwrap();
    let every = parsed("$[*]");
    let error = every.select(page.value(), page.budget()).unwrap_err();
    assert_eq!(error, LimitError::Places(PLACES));
    assert!(every.first(page.value(), page.budget()).unwrap().is_some());
    let fits = parsed("$[1:]").select(page.value(), page.budget()).unwrap();
    assert_eq!(fits.len(), PLACES);
}

#[test]
fn p9_a_path_that_is_slow_ends_with_the_time_of_the_page() {
    let deep = format!("{}1{}", "[[1],".repeat(60), "]".repeat(60));
    let json = Json::parse(deep.as_bytes()).unwrap();
    let limit = std::time::Duration::from_millis(100);
    let slow = parsed("$..*..*..*..*..*.none");
    let error = slow.select(json.value(), &Budget::of(limit)).unwrap_err();
    assert_eq!(error, LimitError::Time(limit));
    // A part that is left out is visited once, even if several paths select it.
    let kept = without(&[slow], json.value(), &Budget::of(limit * 50)).unwrap();
    assert_eq!(kept, deep);
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
fn the_field_that_a_path_names() {
    assert_eq!(parsed("$.id").field(), Some("id"));
    assert_eq!(parsed("$['product-name']").field(), Some("product-name"));
    for other in ["$", "$.a.b", "$..id", "$[0]", "$['a','b']", "$.*"] {
        assert_eq!(parsed(other).field(), None, "{other}");
    }
}

#[test]
fn what_is_no_path_says_so() {
    for bad in ["", "id", "$.", "$.a[", "$[?]"] {
        assert!(Selector::parse(bad).is_err(), "{bad}");
    }
}
