//! Reads the number of items per page from the parameters of a request.

use serde_json::Value;
use url::form_urlencoded;

use crate::fetch::Request;

/// Names of parameters for the number of items per page, in lower case, letters and digits only.
const SIZES: [&str; 17] = [
    "perpage",
    "ps",
    "limit",
    "rows",
    "count",
    "size",
    "pagesize",
    "top",
    "maxresults",
    "maxkeys",
    "hitsperpage",
    "resultrecordcount",
    "maximumrecords",
    "num",
    "take",
    "first",
    "results",
];

/// Returns the number of items that a request asks for, or `None` if its parameters do not say.
pub fn of_request(request: &Request) -> Option<u64> {
    let of_body = || {
        let body = &request.body.as_ref()?.bytes;
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => of_json(&value),
            Err(_) => of_pairs(body),
        }
    };
    of_pairs(request.url.query().unwrap_or_default().as_bytes()).or_else(of_body)
}

fn of_pairs(text: &[u8]) -> Option<u64> {
    form_urlencoded::parse(text).find_map(|(name, value)| named(&name, &value))
}

fn of_json(value: &Value) -> Option<u64> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| match value {
            Value::Number(number) => named(name, &number.to_string()),
            Value::String(text) => named(name, text).or_else(|| of_text(text)),
            value => of_json(value),
        }),
        Value::Array(values) => values.iter().find_map(of_json),
        _ => None,
    }
}

/// Searches a query within a text: `a=b&hitsPerPage=10`, or `things(first: 50)` in GraphQL.
fn of_text(text: &str) -> Option<u64> {
    if text.contains('=') && !text.contains(char::is_whitespace) {
        return of_pairs(text.as_bytes());
    }
    text.split(['(', ',', '{']).find_map(|part| {
        let (name, value) = part.split_once(':')?;
        let end = value.find(|c: char| !c.is_ascii_digit() && c != ' ').unwrap_or(value.len());
        named(name.trim(), value.get(..end)?.trim())
    })
}

fn named(name: &str, value: &str) -> Option<u64> {
    let name: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = name.to_ascii_lowercase();
    let is_size = SIZES.contains(&&*name)
        || ["limit", "pagesize", "perpage"].iter().any(|end| name.ends_with(end));
    value.trim().parse().ok().filter(|number| is_size && *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l12_a_request_says_how_many_items_it_asks_for() {
        for (text, size) in [
            ("limit=10&page=3", Some(10)),
            ("page=3&page%5Bsize%5D=20", Some(20)),
            ("%24top=5", Some(5)),
            ("gaplimit=7", Some(7)),
            ("rows=0", None),
            ("year=2024&category=10", None),
            ("limit=many", None),
        ] {
            assert_eq!(of_pairs(text.as_bytes()), size, "{text}");
        }
        for (text, size) in [
            (r#"{"query": {"from": 3, "size": 10}}"#, Some(10)),
            (r#"{"params": "query=&hitsPerPage=9"}"#, Some(9)),
            (r#"{"query": "{ things(after: $a, first: 50) { id } }"}"#, Some(50)),
            (r#"{"query": "{ things { id } }", "n": 3}"#, None),
        ] {
            assert_eq!(of_json(&serde_json::from_str(text).unwrap()), size, "{text}");
        }
    }
}
