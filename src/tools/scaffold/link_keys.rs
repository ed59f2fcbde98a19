//! Finds keys in the links of items: the last segment of the path, a query parameter, or the whole
//! link. Session ids and marks of campaigns are no part of a key.

use super::key::Key;
use super::markup::{are_distinct, first};
use crate::select::html::Outline;

/// Query parameters whose value changes with the session or the campaign, in small letters. Those
/// that begin with `utm_` are such, too.
const PASSING: [&str; 8] =
    ["sid", "phpsessid", "jsessionid", "sessionid", "session_id", "sessid", "gclid", "fbclid"];
/// Regular expression for the last segment of the path in a link.
const LAST_OF_LINK: &str = r"([^/?#]+)/?(?:[?#].*)?$";
/// The same, before a session id in the path: `/item/7;jsessionid=A1`.
const LAST_BEFORE_SESSION: &str = r"([^/?#;]+)(?:;[^/?#]*)?/?(?:[?#].*)?$";

/// Returns true if a query parameter of this name is a session id or the mark of a campaign.
fn is_passing(name: &str) -> bool {
    let small = name.to_ascii_lowercase();
    PASSING.contains(&&*small) || small.starts_with("utm_")
}

/// Returns the names and values of the query of a link.
fn pairs(link: &str) -> impl Iterator<Item = (&str, &str)> {
    let query = link.split('#').next().and_then(|it| it.split_once('?')).map_or("", |(_, it)| it);
    query.split(['&', ';']).filter_map(|pair| pair.split_once('='))
}

/// Returns the session id or the mark of a campaign that a key has in it, or `None`.
pub fn passing_in(key: &str) -> Option<&str> {
    let in_path = key.to_ascii_lowercase().contains(";jsessionid=").then_some("jsessionid");
    in_path.or_else(|| pairs(key).map(|(name, _)| name).find(|name| is_passing(name)))
}

/// Returns the keys in the link of each item, best first.
pub fn of_links(outline: &Outline, items: &[usize]) -> Vec<Key> {
    let own = items.iter().all(|at| outline.0.get(*at).is_some_and(|it| it.name == "a"));
    let select = if own { "::attr(href)" } else { "a::attr(href)" };
    let links: Vec<Option<String>> = items
        .iter()
        .map(|at| first(outline, *at, "a")?.attribute("href").map(str::to_owned))
        .collect();
    let leads =
        |link: &Option<String>| link.as_deref().is_some_and(|it| !it.starts_with(['#', '?']));
    if !links.iter().all(leads) {
        return Vec::new();
    }
    let has_session =
        links.iter().flatten().any(|it| it.to_ascii_lowercase().contains(";jsessionid="));
    let segment = |link: &Option<String>| {
        let path = link.as_deref()?.split(['?', '#']).next()?;
        let path = if has_session { path.split(';').next()? } else { path };
        path.trim_end_matches('/').rsplit('/').next().map(str::to_owned)
    };
    let mut keys = Vec::new();
    if are_distinct(&links.iter().map(segment).collect::<Vec<_>>()) {
        let regex = if has_session { LAST_BEFORE_SESSION } else { LAST_OF_LINK };
        keys.push(Key::Part(select.to_owned(), regex.to_owned()));
    }
    let has_passing = links.iter().flatten().any(|link| passing_in(link).is_some());
    if are_distinct(&links) && !has_passing {
        keys.push(Key::Select(select.to_owned()));
    }
    let is_plain =
        |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let names = links.iter().flatten().next().into_iter().flat_map(|link| pairs(link));
    for name in names.map(|(name, _)| name).filter(is_plain).filter(|name| !is_passing(name)) {
        let value = |link: &Option<String>| {
            pairs(link.as_deref()?).find(|(other, _)| *other == name).map(|(_, it)| it.to_owned())
        };
        let values: Vec<Option<String>> = links.iter().map(value).collect();
        let is_number = |it: &String| it.chars().all(|c| c.is_ascii_digit());
        if are_distinct(&values) {
            let value = if values.iter().flatten().all(is_number) { r"\d+" } else { "[^&;#]+" };
            keys.push(Key::Part(select.to_owned(), format!("[?&;]{name}=({value})")));
        }
    }
    if are_distinct(&links) && has_passing {
        keys.push(Key::Select(select.to_owned()));
    }
    keys
}
