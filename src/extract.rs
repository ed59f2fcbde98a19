//! Pages to items and documents: what the site file selects, taken from what came.
//!
//! Everything here is a function of the rules and the bytes. Nothing is fetched or stored.

mod json;

use bytes::Bytes;

use crate::document::{Document, Encoding, Json, JsonError};
use crate::record::{Key, KeyError};
use crate::site::{DetailRules, IndexRules, PageSaid};

pub use json::{Selector, SelectorError};

/// What an index page holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The keys of its items, or why an item has none.
    pub keys: Vec<Result<Key, NoKey>>,
    /// What it says for the paging plan.
    pub said: PageSaid,
    /// What is odd about the declared count, where something is.
    pub odd_count: Option<String>,
}

/// Why an item has no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The selector matched nothing in it.
    #[error("an item has no key: the selector matched nothing in it")]
    Missing,
    /// The selector matched null, a truth value, a list, an object or a fraction.
    #[error("an item's key is {0}, which is no identity")]
    Kind(&'static str),
    /// The text is no key.
    #[error("an item has no key: {0}")]
    Text(#[from] KeyError),
}

/// Why a page is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not JSON, or not an object where one is due.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// What the site file requires is not there.
    #[error("the page has no {0}, which `require` in the site file asks for")]
    Require(String),
}

impl PageError {
    /// The reason as one word.
    pub fn reason(&self) -> &'static str {
        match self {
            PageError::Json(_) => "page",
            PageError::Require(_) => "require",
        }
    }
}

/// Reads an index page.
///
/// # Errors
/// Where it is not JSON.
pub fn index(rules: &IndexRules, body: &Bytes) -> Result<Listing, PageError> {
    let page = Json::parse(body)?;
    let items = rules.items.select(page.value());
    let keys: Vec<_> = items
        .iter()
        .map(|item| {
            let found = rules.key.select(item.as_raw());
            found.first().ok_or(NoKey::Missing).and_then(|key| key.key())
        })
        .collect();
    let (declared, odd_count) = declared(rules, &page);
    let said = PageSaid { items: keys.len() as u64, declared };
    Ok(Listing { keys, said, odd_count })
}

/// Reads the page of an item.
///
/// # Errors
/// Where it is no JSON object, or lacks what is required.
pub fn detail(
    rules: &DetailRules,
    body: &Bytes,
    encoding: Encoding,
) -> Result<Document, PageError> {
    let page = Json::parse(body)?;
    for selector in &rules.require {
        if selector.select(page.value()).is_empty() {
            return Err(PageError::Require(selector.text().to_owned()));
        }
    }
    Ok(Document::new(&page, body, encoding)?)
}

fn declared(rules: &IndexRules, page: &Json) -> (Option<u64>, Option<String>) {
    let Some(total) = rules.paging.total() else { return (None, None) };
    let found = total.select(page.value());
    match found.first().map(|count| (count.count(), count.kind())) {
        Some((Some(count), _)) => (Some(count), None),
        Some((None, kind)) => {
            (None, Some(format!("the count at {} is {kind}, which counts nothing", total.text())))
        }
        None => (None, Some(format!("a page of the list has no count at {}", total.text()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Site;

    fn listing(body: &str) -> Listing {
        index(&Site::load("books").unwrap().index, &Bytes::copy_from_slice(body.as_bytes()))
            .unwrap()
    }

    #[test]
    fn l6_keys_have_one_normal_form_and_the_rest_says_why() {
        let page = listing(
            r#"{"count":9,"results":[{"id":42},{"id":" 42 "},{"id":"a/b?c"},{},{"id":null},
               {"id":""},{"id":".."},{"id":[1]},{"id":true},{"id":18446744073709551615}]}"#,
        );
        let texts: Vec<String> = page
            .keys
            .iter()
            .map(|key| match key {
                Ok(key) => key.to_string(),
                Err(error) => format!("! {error}"),
            })
            .collect();
        assert_eq!(texts[0], "42");
        assert_eq!(texts[1], "42");
        assert_eq!(texts[2], "a/b?c");
        assert_eq!(texts[9], "18446744073709551615");
        for (at, words) in [
            (3, "matched nothing"),
            (4, "null"),
            (5, "empty"),
            (6, "dot"),
            (7, "a list"),
            (8, "a truth value"),
        ] {
            assert!(texts[at].starts_with("! ") && texts[at].contains(words), "{}", texts[at]);
        }
        assert_eq!(page.said, PageSaid { items: 10, declared: Some(9) });
    }

    #[test]
    fn l5_a_count_that_counts_nothing_is_said() {
        for (count, words) in [("-3", "a negative number"), ("\"many\"", "text"), ("null", "null")]
        {
            let page = listing(&format!(r#"{{"count":{count},"results":[]}}"#));
            assert_eq!(page.said.declared, None);
            assert!(page.odd_count.unwrap().contains(words));
        }
        assert_eq!(listing(r#"{"count":"12","results":[]}"#).said.declared, Some(12));
        assert!(listing(r#"{"results":[]}"#).odd_count.unwrap().contains("no count"));
    }

    #[test]
    fn a_page_without_what_is_required_is_refused() {
        let rules = Site::load("books").unwrap().detail;
        let read = |body: &'static str| detail(&rules, &Bytes::from(body), Encoding::Text);
        assert!(read(r#"{"id":1}"#).is_ok());
        let error = read(r#"{"name":"x"}"#).unwrap_err();
        assert_eq!(error.reason(), "require");
        assert!(error.to_string().contains("$.id"));
        assert_eq!(read("<html>").unwrap_err().reason(), "page");
    }
}
