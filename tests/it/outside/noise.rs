//! Random cases: noise, and what is nearly right.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::corpus;

/// Texts that have led parsers astray.
const ODD: [&str; 28] = [
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[31m",
    "\r\n",
    "..",
    "%2e%2e%2f",
    "//h.test/",
    "\\u0000",
    "\\ud800",
    "1e400",
    "-0",
    "NaN",
    "18446744073709551616",
    "9007199254740993",
    "<template>",
    "</svg>",
    "<![CDATA[",
    "<!--",
    "&#0;",
    "&lol;",
    "<base href='//h.test'>",
    "<meta charset=utf-16>",
    "[[[[[[[[[[[[[[[[",
    "{\"id\":{\"id\":",
    "]]>",
    "null",
    "{key}",
];

/// Any bytes, also many of them.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        9 => prop::collection::vec(any::<u8>(), 0..2_000),
        1 => (any::<[u8; 6]>(), 1..10_000_usize).prop_map(|(unit, times)| unit.repeat(times)),
    ]
}

/// An odd text, or any.
pub fn text() -> impl Strategy<Value = String> {
    let odd = select(ODD.to_vec());
    prop_oneof![odd.prop_map(str::to_owned), ".{0,12}", any::<String>(), "[a-z0-9./ -]{1,8}"]
}

/// JSON text, with the names that the sites look for, numbers of any length and repeated names.
pub fn json() -> impl Strategy<Value = String> {
    let names = [
        "id", "count", "results", "data", "things", "edges", "node", "key", "title", "price",
        "seed", "total", "last", "link", "list", "tag_name", "views", "number", "flag", "inner",
        "$x", "a.b",
    ];
    let name = prop_oneof![8 => select(names.to_vec()).prop_map(str::to_owned), 1 => text()];
    let number = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has no such number", |number| number.is_finite())
            .prop_map(|number| Value::from(number).to_string()),
        "-?[1-9][0-9]{17,40}",
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?",
    ];
    let leaf = prop_oneof![
        3 => number,
        3 => text().prop_map(|text| Value::from(text).to_string()),
        1 => select(vec!["null", "true", "false"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        let member = (name.clone(), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|list| format!("[{}]", list.join(", "))),
            prop::collection::vec(member, 0..6).prop_map(|members| {
                let write = |(name, value)| format!("{}: {value}", Value::from(name));
                let members: Vec<String> = members.into_iter().map(write).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

/// Tags and texts in no order, of the elements that the sites look for and of those that parsers
/// treat in ways of their own.
pub fn soup() -> impl Strategy<Value = String> {
    let names = [
        "a",
        "div",
        "span",
        "li",
        "p",
        "h1",
        "h2",
        "ol",
        "table",
        "tr",
        "td",
        "b",
        "i",
        "em",
        "time",
        "title",
        "body",
        "head",
        "html",
        "template",
        "svg",
        "math",
        "script",
        "style",
        "textarea",
        "select",
        "option",
        "base",
        "meta",
        "noscript",
        "frameset",
        "plaintext",
        "article",
    ];
    let attributes = [
        "",
        " class=thing",
        " class='item'",
        " href='/thing/1'",
        " href=//h.test/x",
        " rel=next",
        " class=product href=product/7",
        " property='v:itemreviewed'",
        " id=info",
        " charset=gbk",
        " http-equiv=content-type content='text/html; charset=euc-kr'",
        " type=application/ld+json",
    ];
    let tag = (select(names.to_vec()), select(attributes.to_vec()));
    let piece = prop_oneof![
        5 => tag.clone().prop_map(|(name, attributes)| format!("<{name}{attributes}>")),
        3 => tag.prop_map(|(name, _)| format!("</{name}>")),
        2 => text(),
    ];
    prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
}

/// A case of a target's corpus with some of its bytes changed.
pub fn mutated(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let cases: Vec<Vec<u8>> = corpus::cases(target).into_iter().map(|(_, case)| case).collect();
    let change = (0..6_u8, any::<Index>(), any::<Index>(), text());
    (select(cases), prop::collection::vec(change, 1..6)).prop_map(|(mut case, changes)| {
        for (kind, from, to, text) in changes {
            let (from, to) = (from.index(case.len() + 1), to.index(case.len() + 1));
            let (from, to) = (from.min(to), from.max(to));
            let taken = case[from..to.min(from + 1_000)].to_vec();
            match kind {
                0 => drop(case.drain(from..from + taken.len())),
                1 => drop(case.splice(from..from, taken)),
                2 => drop(case.splice(from..from + taken.len().min(8), text.into_bytes())),
                3 => drop(case.splice(to..to, taken)),
                4 => case.truncate(to),
                _ => drop(case.splice(from..from, text.into_bytes())),
            }
        }
        case
    })
}
