//! What speaks against a draft that reads one page only: everything on the page that says that the
//! list goes on.

use serde_json::Value;
use url::Url;

use super::members::{Onward, counts, flags, last_pages, onward};
use super::{Paging, Seen, links};
use crate::extract::names::{Means, says};
use crate::model::text::plain;
use crate::select::html::Outline;

/// Names of what is counted on pages of HTML.
const NOUNS: [&str; 16] = [
    "results",
    "result",
    "items",
    "products",
    "entries",
    "records",
    "matches",
    "articles",
    "posts",
    "ergebnisse",
    "ergebnissen",
    "treffer",
    "artikel",
    "produkte",
    "résultats",
    "produits",
];
/// Words before a count.
const OF: [&str; 7] = ["of", "total", "found", "von", "sur", "de", "insgesamt"];
/// Maximum length of a text that gives a count, in characters.
const LONGEST: usize = 120;
/// Numbers of items that are usual for a page.
const USUAL_SIZES: [usize; 12] = [10, 12, 20, 24, 25, 30, 50, 100, 200, 250, 500, 1000];

/// Returns true if a page has as many items as are usual for a page of a longer list.
pub fn is_usual_size(items: usize) -> bool {
    USUAL_SIZES.contains(&items)
}

/// Returns what says that the list goes on, in sentences for the user, if `paging` reads one page.
pub fn doubts(seen: &Seen, paging: &Paging, url: &Url) -> Vec<String> {
    if !paging.is_single() {
        return Vec::new();
    }
    let items = seen.keys.len() as u64;
    let mut doubts = Vec::new();
    for flag in flags(seen) {
        let value = if flag.value { "true" } else { "false" };
        doubts.push(format!("`{}` is {value}, so the list goes on.", plain(&flag.name)));
    }
    for onward in onward(seen) {
        let name = plain(onward.name());
        doubts.push(match onward {
            Onward::Url(said) => {
                format!("`{name}` names a next page, {}, on another host or without new items.", crate::model::text::secret::shown(&said.value))
            }
            Onward::Header(url) => {
                format!("The header `Link` names a next page, {}, on another host or without new items.", crate::model::text::secret::shown(&url))
            }
            Onward::Token(_) | Onward::Parameters(_) => {
                format!("`{name}` looks like what the request of the next page needs, but no parameter that was tried takes it.")
            }
        });
    }
    let all = counts(seen);
    if let Some(count) = all.iter().find(|count| count.value > items) {
        doubts.push(format!(
            "`{}` counts {} items, and the page has {items}.",
            plain(&count.name),
            count.value
        ));
    }
    if let Some(last) = last_pages(seen).iter().find(|last| last.value > 1) {
        doubts.push(format!("`{}` says that there are {} pages.", plain(&last.name), last.value));
    }
    if let Some((text, count)) = counted(&seen.outline).filter(|(_, count)| *count > items) {
        doubts.push(format!("“{}” counts {count} items, and the page has {items}.", plain(&text)));
    }
    doubts.extend(button(seen));
    let is_feed = seen.outline.0.iter().any(|it| matches!(&*it.name, "rss" | "feed" | "rdf:RDF"));
    if doubts.is_empty() && is_feed {
        doubts.push("A feed has the newest items only, unless it names a next page; no parameter that was tried leads to older ones.".to_owned());
    }
    let is_whole = all.iter().any(|count| count.value == items);
    let asked = url.query_pairs().any(|(_, value)| value.parse() == Ok(items));
    if doubts.is_empty() && !is_whole && (asked || is_usual_size(seen.keys.len())) {
        doubts.push(format!("The page has {items} items, as a page of a longer list would have, and nothing on it says that these are all; no parameter that was tried leads to more."));
    }
    doubts
}

/// Returns the highest number of items that a text of a page of HTML gives, and the text, such as “Showing
/// 1–20 of 345 results”, or `None`.
fn counted(outline: &Outline) -> Option<(String, u64)> {
    let texts = outline.0.iter().enumerate().filter_map(|(at, element)| {
        // The numbers may stand in elements of their own.
        let numbers = outline.below(at).map(|(_, below)| &*below.text);
        let text = std::iter::once(&*element.text).chain(numbers).collect::<Vec<_>>().join(" ");
        let small = element.text.to_lowercase();
        let words = || small.split(|c: char| !c.is_alphanumeric());
        let is_count = words().any(|word| NOUNS.contains(&word))
            && (words().any(|word| OF.contains(&word)) || small.starts_with(char::is_numeric));
        (is_count && text.chars().count() <= LONGEST).then_some(text)
    });
    texts
        .filter_map(|text| Some((numbers(&text).max()?, text)))
        .max()
        .map(|(count, text)| (text, count))
}

/// Returns the integers in a text, without the marks between groups of digits.
fn numbers(text: &str) -> impl Iterator<Item = u64> {
    let words = text.split(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',' | '\''));
    words.filter_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_digit());
        let mut groups = word.split(['.', ',', '\'']).skip(1);
        groups
            .all(|group| group.len() == 3)
            .then(|| word.replace(['.', ',', '\''], ""))?
            .parse()
            .ok()
    })
}

/// Returns a doubt if a page of HTML has a link or a button to the next page.
fn button(seen: &Seen) -> Option<String> {
    let found = seen.outline.0.iter().find(|element| links::is_next(element))?;
    let text = if found.text.is_empty() { "next" } else { &found.text };
    Some(format!(
        "The page has a link or button “{}”, which leads to no page that could be read.",
        plain(text)
    ))
}

/// Returns the message of a page that reports an error, or `None`.
pub fn error_in(page: &Value) -> Option<String> {
    let members = page.as_object()?;
    let (_, error) = members.iter().find(|(name, _)| says(name, Means::Error))?;
    let text = error.to_string();
    (!matches!(error, Value::Null | Value::Bool(false)))
        .then(|| plain(&text.chars().take(300).collect::<String>()))
}

/// Returns the parameters that an error message asks for, where services of its kind take the same
/// ones for all items.
pub fn remedy(message: &str) -> Option<Vec<(&'static str, String)>> {
    let is_where = message.contains("where") && message.contains("not specified");
    is_where.then(|| vec![("where", "1=1".to_owned()), ("outFields", "*".to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::html::Element;

    #[test]
    fn counts_in_texts_of_html_are_found() {
        let element = |parent: Option<usize>, text: &str| Element {
            parent,
            name: "p".to_owned(),
            attributes: Vec::new(),
            text: text.to_owned(),
        };
        let count = |texts: &[(Option<usize>, &str)]| {
            let all = texts.iter().map(|(parent, text)| element(*parent, text)).collect();
            counted(&Outline(all)).map(|(_, count)| count)
        };
        for (text, expected) in [
            ("Showing 1–20 of 345 results", Some(345)),
            ("1.234 Treffer", Some(1234)),
            ("Produkte 1-12 von 12'345", Some(12_345)),
            ("Results: 2,048 found", Some(2048)),
            ("© 2026 the products company", None),
            ("Version 1.2 of 2 results", Some(2)),
            ("nothing", None),
        ] {
            assert_eq!(count(&[(None, text)]), expected, "{text}");
        }
        let parted = [(None, "Showing of results"), (Some(0), "1–20"), (Some(0), "345")];
        assert_eq!(count(&parted), Some(345));
    }
}
