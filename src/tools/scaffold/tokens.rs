//! The parameters that take a token of a page, by its name.

use crate::extract::names::plain;

/// Names of tokens, without case and punctuation, and the parameters that usually take them.
const TAKERS: [(&str, &[&str]); 16] = [
    ("nextpagetoken", &["pageToken", "page_token"]),
    ("nexttoken", &["next_token", "nextToken", "pagination_token", "token"]),
    ("nextcursor", &["cursor", "after", "start_cursor"]),
    ("nextcursormark", &["cursorMark"]),
    ("nextpage", &["page"]),
    ("nextoffset", &["offset"]),
    ("nextstart", &["start"]),
    ("nextmarker", &["marker"]),
    ("endcursor", &["after", "cursor"]),
    ("aftercursor", &["page[after]", "after"]),
    ("after", &["after", "cursor"]),
    ("offset", &["offset"]),
    ("bookmark", &["bookmark"]),
    ("resumptiontoken", &["resumptionToken"]),
    ("nextcontinuationtoken", &["continuation-token", "continuationToken"]),
    ("scrollid", &["scroll_id", "scrollId"]),
];
/// Maximum number of parameters to try for one token.
const MOST_TAKERS: usize = 5;

/// Returns the parameters that may take the token at a dotted path, the likeliest first.
pub fn takers(path: &str) -> Vec<String> {
    let mut takers: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !name.is_empty() && takers.iter().all(|other| other != name) {
            takers.push(name.to_owned());
        }
    };
    let names: Vec<&str> = path
        .split("::")
        .next()
        .into_iter()
        .flat_map(|path| path.split(['.', '[', ']', '\'']))
        .filter(|it| !it.is_empty())
        .collect();
    for name in names.iter().rev().take(2) {
        let small = plain(name).unwrap_or_default();
        let known = TAKERS.iter().find(|(known, _)| *known == small);
        known.iter().for_each(|(_, takers)| takers.iter().for_each(|it| add(it)));
        let Some(rest) = small.strip_prefix("next").filter(|rest| !rest.is_empty()) else {
            continue;
        };
        // `nextPageKey` is taken by `pageKey`, `next_page_key` by `page_key`.
        let own = name.trim_start_matches(['n', 'e', 'x', 't', 'N']).trim_start_matches(['_', '-']);
        let own = match own.chars().next() {
            Some(first) if plain(own).as_deref() == Some(rest) => {
                format!("{}{}", first.to_ascii_lowercase(), own.chars().skip(1).collect::<String>())
            }
            _ => String::new(),
        };
        add(&own);
    }
    names.last().iter().for_each(|name| add(name));
    ["cursor", "after", "token", "page"].iter().for_each(|name| add(name));
    takers.truncate(MOST_TAKERS);
    takers
}
