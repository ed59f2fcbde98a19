//! Indices from the end in the comparisons of a filter.
//!
//! RFC 9535 allows `[?@.tags[-1] == 'x']`, but the library finds nothing at a negative index of a
//! path that is compared. The same is written here with a slice, which it follows: a path of one
//! value, `@.tags[-1]`, becomes `value(@.tags[-1:])`.

use super::characters;

/// Returns a filter in which no path that is compared has a negative index.
pub fn rewritten(filter: &str) -> String {
    let plain: Vec<(usize, char)> = characters(filter)
        .filter(|(_, _, is_quoted)| !is_quoted)
        .map(|(at, c, _)| (at, c))
        .collect();
    let (mut made, mut done) = (String::new(), 0);
    for (at, c) in plain {
        if at < done || !matches!(c, '@' | '$') {
            continue;
        }
        let (query, counts_back) = single(&filter[at..]);
        if counts_back && is_compared(&filter[..at], &filter[at + query.len()..]) {
            made.push_str(&filter[done..at]);
            made.push_str("value(");
            made.push_str(&with_slices(query));
            made.push(')');
            done = at + query.len();
        }
    }
    made.push_str(&filter[done..]);
    made
}

/// Returns the path of one value at the start of a text, and true if it has a negative index.
fn single(text: &str) -> (&str, bool) {
    let (mut end, mut counts_back) = (1, false);
    loop {
        let rest = &text[end..];
        let step = rest.trim_start();
        let blank = rest.len() - step.len();
        let length = match step.as_bytes() {
            [b'.', b'.' | b'*', ..] => None,
            [b'.', ..] => {
                let is_name = |c: char| c.is_alphanumeric() || c == '_' || !c.is_ascii();
                Some(1 + step[1..].find(|c| !is_name(c)).unwrap_or(step.len() - 1))
            }
            [b'[', ..] => bracket(step),
            _ => None,
        };
        let Some(length) = length else { return (&text[..end], counts_back) };
        counts_back |= index(&step[..length]).is_some_and(|index| index < 0);
        end += blank + length;
    }
}

/// Returns the length of a bracket with one name or index in it, or `None` if it holds anything
/// else.
fn bracket(text: &str) -> Option<usize> {
    let (end, _, _) = characters(text).find(|(_, c, is_quoted)| *c == ']' && !is_quoted)?;
    let inside = text[1..end].trim();
    let is_name = inside.len() > 1
        && inside.starts_with(['\'', '"'])
        && characters(inside).all(|(_, _, is_quoted)| is_quoted);
    (is_name || inside.parse::<i64>().is_ok()).then_some(end + 1)
}

/// Returns the index in a bracket, or `None` if there is none.
fn index(bracket: &str) -> Option<i64> {
    bracket.strip_prefix('[')?.strip_suffix(']')?.trim().parse().ok()
}

/// Returns `true` if an operator that compares stands before or after a path.
fn is_compared(before: &str, after: &str) -> bool {
    let (before, after) = (before.trim_end(), after.trim_start());
    before.ends_with(['=', '<', '>'])
        || ["==", "!=", "<", ">"].iter().any(|operator| after.starts_with(operator))
}

/// Writes the negative indices of a path as slices of one element.
fn with_slices(query: &str) -> String {
    let (mut made, mut rest) = (String::new(), query);
    while let Some(at) = characters(rest).find(|(_, c, quoted)| *c == '[' && !quoted) {
        let (before, step) = rest.split_at(at.0);
        let Some(length) = bracket(step) else { break };
        made.push_str(before);
        match index(&step[..length]).filter(|index| *index < 0) {
            Some(-1) => made.push_str("[-1:]"),
            Some(index) => made.push_str(&format!("[{index}:{}]", index + 1)),
            None => made.push_str(&step[..length]),
        }
        rest = &step[length..];
    }
    made.push_str(rest);
    made
}

#[cfg(test)]
mod tests {
    use super::super::super::{Budget, Selector};
    use super::rewritten;
    use crate::model::document::{Json, value_to_text};

    #[test]
    fn an_index_from_the_end_is_written_as_a_slice_where_it_is_compared() {
        for (filter, expected) in [
            ("?@.a[-1] == 'x'", "?value(@.a[-1:]) == 'x'"),
            ("?'x' != @.a[ -2 ].b", "?'x' != value(@.a[-2:-1].b)"),
            (
                "?@['a[-1]'][-1]['b'] < $.c[-3][0]",
                "?value(@['a[-1]'][-1:]['b']) < value($.c[-3:-2][0])",
            ),
            ("?@.a[0] == 1 && !@.b[-1]", "?@.a[0] == 1 && !@.b[-1]"),
            ("?@.a == '@.b[-1]'", "?@.a == '@.b[-1]'"),
            ("?@.a[-1:] || @..b[-1]", "?@.a[-1:] || @..b[-1]"),
        ] {
            assert_eq!(rewritten(filter), expected, "{filter}");
        }
    }

    #[test]
    fn filters_compare_with_what_stands_at_the_end() {
        let page =
            r#"{"d":[{"id":1,"t":["a","b"]},{"id":2,"t":["b","a"]},{"id":3,"t":["b"]},{"id":4}]}"#;
        let page = Json::parse(page.as_bytes()).unwrap();
        for (path, expected) in [
            ("$.d[?@.t[-1] == 'b'].id", "1 3"),
            ("$.d[?@.t[-2] == 'b'].id", "2"),
            ("$.d[?@.id == $.d[-1].id].id", "4"),
            ("$.d[?@.id < $.d[-2]['id']].id", "1 2"),
            ("$.d[?@.t[-1]].id", "1 2 3"),
            ("$.d[?@.t[-1] != 'b'].id", "2 4"),
            ("$.d[-1].id", "4"),
        ] {
            let found = Selector::parse(path).unwrap().select(page.value(), &Budget::default());
            let found = found.unwrap().into_iter().map(|it| value_to_text(it.as_raw()));
            assert_eq!(found.collect::<Vec<_>>().join(" "), expected, "{path}");
        }
    }
}
