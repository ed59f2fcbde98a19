//! What a page says of its list beside the items: counts, flags, next pages and tokens. By their
//! names, whatever object they stand in.

use serde_json::Value;
use url::Url;

use super::Seen;
use super::expr::{member, quoted, table};
use crate::extract::link_header;
use crate::extract::names::{Means, count_rank, plain, says};

/// Maximum depth of the members that are looked at.
const DEEPEST: usize = 5;
/// Names of tokens that lead on, without case and punctuation, beside those of next pages.
const TOKENS: [&str; 15] = [
    "cursor",
    "after",
    "endcursor",
    "aftercursor",
    "aftertoken",
    "bookmark",
    "nextcursormark",
    "scrollid",
    "marker",
    "lastid",
    "lastkey",
    "pagetoken",
    "continuetoken",
    "nextid",
    "offsettoken",
];
/// Names of what an object that is a link says of itself.
const OF_A_LINK: [&str; 6] = ["rel", "relation", "title", "type", "method", "name"];
/// Names of the URL within an object that is a next page.
const URLS: [&str; 5] = ["href", "url", "uri", "link", "target"];
const COUNT_HEADERS: [&str; 6] = [
    "x-total-count",
    "x-wp-total",
    "x-total",
    "x-count-total",
    "x-pagination-total-count",
    "total-count",
];
const PAGES_HEADERS: [&str; 3] = ["x-wp-totalpages", "x-total-pages", "x-pagination-page-count"];

/// A member of a page that is not within an item.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// Its JSONPath.
    pub path: String,
    /// Names on the way to it, the last one its own.
    pub names: Vec<String>,
    /// Its value.
    pub value: &'a Value,
}

/// Returns the members of a page without those of its items, which `container` holds.
pub fn members<'a>(page: &'a Value, container: &str) -> Vec<Member<'a>> {
    let mut all = Vec::new();
    let top = Member { path: "$".to_owned(), names: Vec::new(), value: page };
    collect(top, container, &mut all);
    all
}

fn collect<'a>(of: Member<'a>, container: &str, into: &mut Vec<Member<'a>>) {
    if of.names.len() > DEEPEST || of.path == container && !of.names.is_empty() {
        return;
    }
    let at = |path: String, name: &str, value: &'a Value| {
        let names = of.names.iter().cloned().chain([name.to_owned()]).collect();
        Member { path, names, value }
    };
    match of.value {
        Value::Object(object) => {
            for (name, value) in object {
                let inner = at(member(&of.path, name), name, value);
                into.push(inner.clone());
                collect(inner, container, into);
            }
        }
        Value::Array(links) if of.path != container => {
            let is_next = |link: &Value| {
                let of = |name: &str| link.get(name).and_then(Value::as_str);
                of("rel").or_else(|| of("relation")) == Some("next")
            };
            if let Some(link) = links.iter().find(|link| is_next(link)) {
                let by = if link.get("rel").is_some() { "rel" } else { "relation" };
                let path = format!("{}[?@.{by}=='next']", of.path);
                collect(at(path, "next", link), container, into);
            } else if let [link @ Value::Object(_)] = links.as_slice()
                && of.names.last().is_some_and(|name| says(name, Means::Next))
            {
                let inner = Member { path: format!("{}[0]", of.path), value: link, ..of.clone() };
                collect(inner, container, into);
            }
        }
        _ => {}
    }
}

impl Member<'_> {
    fn name(&self) -> &str {
        self.names.last().map_or("", String::as_str)
    }

    /// Returns true if the member, or an object that it is in, is named like a next page or a token.
    fn is_onward(&self) -> bool {
        let is_back = |name: &String| {
            plain(name).is_some_and(|it| it.starts_with("prev") || it.starts_with("before"))
        };
        let is_token = plain(self.name()).is_some_and(|name| TOKENS.contains(&&*name));
        !self.names.iter().any(is_back)
            && !OF_A_LINK.contains(&self.name())
            && (is_token
                || self.names.iter().any(|name| says(name, Means::Next))
                || self.name() == "offset" && self.value.is_string())
    }
}

/// Source of a number, or of the next page, as the site file writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    /// TOML of the selector.
    pub select: String,
    /// Name to show in comments.
    pub name: String,
    /// The value there.
    pub value: T,
}

/// A way to the next page that a page names.
#[derive(Debug, Clone, PartialEq)]
pub enum Onward {
    /// A URL in the page.
    Url(Said<Url>),
    /// A URL in the header `Link`.
    Header(Url),
    /// A token or a number.
    Token(Said<String>),
    /// An object, whose members are parameters.
    Parameters(Said<Value>),
}

impl Onward {
    /// Returns the name of the member or header.
    pub fn name(&self) -> &str {
        match self {
            Onward::Url(said) => &said.name,
            Onward::Header(_) => "Link",
            Onward::Token(said) => &said.name,
            Onward::Parameters(said) => &said.name,
        }
    }
}

fn shown(path: &str) -> String {
    path.trim_start_matches(['$', '.']).to_owned()
}

/// Returns a number that a site may write as a number or as text.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().replace(',', "").parse().ok(),
        Value::Object(object) => object.get("value").and_then(Value::as_u64),
        _ => None,
    }
}

/// Returns the places where a page may declare the number of items, the least ambiguous first:
/// numbers no smaller than the number of items on it.
pub fn counts(seen: &Seen) -> Vec<Said<u64>> {
    let mut found: Vec<(usize, Said<u64>)> = Vec::new();
    for member in seen.members() {
        let name = if member.name() == "value" { "" } else { member.name() };
        let rank = count_rank(name).or_else(|| rank_of_items(&member, seen));
        let Some(rank) = rank else { continue };
        found.extend(number(member.value).map(|value| (rank, said(&member, value))));
    }
    found.sort_by_key(|(rank, _)| *rank);
    let in_body = found.into_iter().map(|(_, said)| said);
    let in_headers = COUNT_HEADERS.iter().filter_map(|name| in_header(seen, name));
    let range = seen.page.header("content-range").and_then(|range| {
        let value = range.rsplit('/').next()?.trim().parse().ok()?;
        let select =
            table(&[("header", quoted("Content-Range")), ("regex", r"'/(\d+)$'".to_owned())]);
        Some(Said { select, name: "Content-Range".to_owned(), value })
    });
    let all = in_body.chain(in_headers).chain(range);
    all.filter(|said| said.value >= seen.keys.len() as u64 && said.value > 0).collect()
}

/// Returns the last rank if a member at the top of a page counts what the items are named:
/// `release-count` beside `releases`.
fn rank_of_items(member: &Member<'_>, seen: &Seen) -> Option<usize> {
    let name = plain(member.name()).filter(|_| member.names.len() == 1)?;
    let thing = name.strip_suffix("count").filter(|thing| thing.len() > 2)?;
    let last = seen.container.rsplit(['.', '[']).next()?;
    let items = plain(last.trim_matches(['\'', ']']))?;
    let is_it = items.trim_end_matches('s') == thing.trim_end_matches('s')
        || thing.strip_suffix('y').is_some_and(|stem| items == format!("{stem}ies"));
    is_it.then_some(usize::MAX)
}

/// Returns the places where a page may declare the number of the last page.
pub fn last_pages(seen: &Seen) -> Vec<Said<u64>> {
    let members = seen.members();
    let in_body = members.iter().filter(|member| says(member.name(), Means::Pages));
    let in_body = in_body.filter_map(|member| Some(said(member, number(member.value)?)));
    let in_headers = PAGES_HEADERS.iter().filter_map(|name| in_header(seen, name));
    in_body.chain(in_headers).filter(|said| said.value >= 1).collect()
}

fn said<T>(member: &Member<'_>, value: T) -> Said<T> {
    Said { select: quoted(&member.path), name: shown(&member.path), value }
}

fn in_header(seen: &Seen, name: &str) -> Option<Said<u64>> {
    let value = seen.page.header(name)?.trim().parse().ok()?;
    let select = table(&[("header", quoted(name))]);
    Some(Said { select, name: name.to_owned(), value })
}

/// Returns the number that a page says at the same place as `said`, or `None`.
pub fn again(said: &Said<u64>, seen: &Seen) -> Option<u64> {
    let same = |other: &Said<u64>| other.select == said.select;
    let found = counts(seen).into_iter().chain(last_pages(seen)).find(|it| same(it));
    found.map(|said| said.value)
}

/// Returns the flags that say that the list goes on: those that are true while it does, and those
/// that are false.
pub fn flags(seen: &Seen) -> Vec<Said<bool>> {
    let flag = |value: &Value| match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text == "true" => Some(true),
        Value::String(text) if text == "false" => Some(false),
        _ => None,
    };
    let members = seen.members();
    let flags = members.iter().filter_map(|member| {
        let number = says(member.name(), Means::More) && member.value.as_u64() == Some(1);
        let value = flag(member.value).or(number.then_some(true))?;
        let is_more = says(member.name(), Means::More);
        let goes_on = is_more && value || says(member.name(), Means::Done) && !value;
        goes_on.then(|| said(member, is_more))
    });
    flags.collect()
}

/// Returns what leads to the next page, URLs first.
pub fn onward(seen: &Seen) -> Vec<Onward> {
    let (mut urls, mut others) = (Vec::new(), Vec::new());
    let members = seen.members();
    for member in members.iter().filter(|member| member.is_onward()) {
        let in_parameters = |other: &Onward| matches!(other, Onward::Parameters(said) if shown(&member.path).starts_with(&said.name));
        match member.value {
            Value::String(text) if !text.trim().is_empty() => {
                let is_named = URLS.contains(&member.name());
                let is_url =
                    ["http://", "https://", "/", "?"].iter().any(|it| text.starts_with(it));
                let url = seen.page.url.join(text).ok().filter(|_| is_url || is_named);
                match url {
                    Some(url) => urls.push(Onward::Url(said(member, url))),
                    None if others.iter().any(in_parameters) => {}
                    None => others.push(Onward::Token(said(member, text.clone()))),
                }
            }
            Value::Number(number) if number.as_u64().is_some_and(|it| it > 0) => {
                let is_new = !others.iter().any(in_parameters);
                others.extend(is_new.then(|| Onward::Token(said(member, number.to_string()))));
            }
            Value::Object(object) if plain(member.name()).is_some_and(|it| it == "continue") => {
                let onward = || Onward::Parameters(said(member, member.value.clone()));
                others.extend((!object.is_empty()).then(onward));
            }
            _ => {}
        }
    }
    let header = link_header(&seen.page).ok().flatten().and_then(|url| Url::parse(&url).ok());
    urls.extend(header.map(Onward::Header));
    urls.extend(others);
    urls
}
