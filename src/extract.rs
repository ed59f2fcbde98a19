//! Pages to items and documents: what the site file selects, taken from what came.
//!
//! Everything here is a function of the rules and the bytes. Nothing is fetched or stored.

pub mod field;
pub mod html;
mod json;

use bytes::Bytes;
use serde::Deserialize;

use crate::document::{Document, Encoding, Json, JsonError};
use crate::fetch::Page;
use crate::record::{Key, KeyError};
use crate::site::{DetailRules, IndexRules, PageSaid};
use field::{FieldError, Scope};
use html::{HtmlError, HtmlPage, HtmlScope};

pub use field::{FieldRule, Select};
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
    /// It is percent-encoded, but not in UTF-8.
    #[error("an item's key is percent-encoded, but not in UTF-8")]
    Encoding,
    /// The selector is for pages of the other format, or the page or the text is beyond a limit.
    #[error("an item has no key: {0}")]
    Page(String),
}

/// Why a page is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Not JSON, or not an object where one is due.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// An HTML page is beyond a limit.
    #[error(transparent)]
    Html(#[from] HtmlError),
    /// A field is missing or not what it should be.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// What the site file requires is not there.
    #[error("the page has no {0}, which `require` in the site file asks for")]
    Require(String),
}

impl PageError {
    /// The reason as one word.
    pub fn reason(&self) -> &'static str {
        match self {
            PageError::Json(_) | PageError::Html(_) => "page",
            PageError::Field(error) => error.reason(),
            PageError::Require(_) => "require",
        }
    }
}

/// A document, and which of the site file's fields its page had.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    /// The document.
    pub document: Document,
    /// For each of the fields, in their order.
    pub matched: Vec<bool>,
}

/// Reads an index page.
///
/// # Errors
/// Where it is not JSON, or HTML beyond a limit.
pub fn index(rules: &IndexRules, page: &Page) -> Result<Listing, PageError> {
    match &rules.items {
        Select::Json(items) => {
            let json = Json::parse(&page.body)?;
            let items = items.select(json.value());
            let scopes = items.iter().map(|item| Scope::Json { value: item.as_raw(), unfit: None });
            let keys = scopes.map(|scope| field::key(&rules.key, scope)).collect();
            Ok(listing(rules, keys, Scope::page(&json)))
        }
        Select::Css(items) => {
            let html = html_page(page)?;
            let items: Vec<HtmlScope<'_>> = items.select_elements(html.scope())?;
            let scopes = items.into_iter().map(Scope::Html);
            let keys = scopes.map(|scope| field::key(&rules.key, scope)).collect();
            Ok(listing(rules, keys, Scope::Html(html.scope())))
        }
    }
}

/// Reads the page of an item.
///
/// # Errors
/// Where it cannot be read, or lacks what is required.
pub fn detail(rules: &DetailRules, page: &Page, encoding: Encoding) -> Result<Detail, PageError> {
    match rules.format {
        Format::Html => {
            let html = html_page(page)?;
            require(rules, Scope::Html(html.scope()))?;
            of_fields(rules, Scope::Html(html.scope()), encoding)
        }
        Format::Json => {
            let json = Json::parse(&page.body)?;
            require(rules, Scope::page(&json))?;
            if !rules.fields.is_empty() {
                return of_fields(rules, Scope::page(&json), encoding);
            }
            let document = Document::new(&json, &page.body, encoding)?;
            Ok(Detail { document, matched: Vec::new() })
        }
    }
}

/// What a page is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON.
    Json,
    /// HTML.
    Html,
}

fn html_page(page: &Page) -> Result<HtmlPage, PageError> {
    Ok(HtmlPage::parse(&page.body, page.content_type(), &page.url)?)
}

fn require(rules: &DetailRules, scope: Scope<'_>) -> Result<(), PageError> {
    for select in &rules.require {
        let matches = match (select, scope) {
            (Select::Json(selector), Scope::Json { value, .. }) => {
                !selector.select(value).is_empty()
            }
            (Select::Css(selector), Scope::Html(scope)) => selector.matches(scope)?,
            _ => false,
        };
        if !matches {
            return Err(PageError::Require(select.text().to_owned()));
        }
    }
    Ok(())
}

/// The document that the site file's fields make.
fn of_fields(
    rules: &DetailRules,
    scope: Scope<'_>,
    encoding: Encoding,
) -> Result<Detail, PageError> {
    let fields = field::document(&rules.fields, scope)?;
    let text = Bytes::from(fields.text);
    let document = Document::new(&Json::parse(&text)?, &text, encoding)?;
    Ok(Detail { document, matched: fields.matched })
}

fn listing(rules: &IndexRules, keys: Vec<Result<Key, NoKey>>, page: Scope<'_>) -> Listing {
    let (declared, odd_count) = match rules.paging.total() {
        None => (None, None),
        Some(total) => declared(total, page),
    };
    let said = PageSaid { items: keys.len() as u64, declared };
    Listing { keys, said, odd_count }
}

fn declared(total: &FieldRule, page: Scope<'_>) -> (Option<u64>, Option<String>) {
    let place = total.select.text();
    let none = || (None, Some(format!("a page of the list has no count at {place}")));
    let odd =
        |what: &str| (None, Some(format!("the count at {place} is {what}, which counts nothing")));
    match (&total.select, page) {
        (Select::Json(selector), Scope::Json { value, .. }) if total.regex.is_none() => {
            let found = selector.select(value);
            match found.first().map(|count| (count.count(), count.kind())) {
                Some((Some(count), _)) => (Some(count), None),
                Some((None, kind)) => odd(kind),
                None => none(),
            }
        }
        _ => match field::extract("total", total, page) {
            Ok(Some(text)) => match text.trim_matches('"').trim().parse() {
                Ok(count) => (Some(count), None),
                Err(_) => odd("no whole number"),
            },
            Ok(None) => none(),
            Err(error) => (None, Some(error.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::HeaderMap;
    use crate::site::Site;

    fn page(body: &str, content_type: &str) -> Page {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", content_type.parse().unwrap());
        let body = Bytes::copy_from_slice(body.as_bytes());
        Page { url: "http://h/a".parse().unwrap(), headers, body }
    }

    fn listing(body: &str) -> Listing {
        index(&Site::load("books").unwrap().index, &page(body, "application/json")).unwrap()
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
        let read = |body: &str| detail(&rules, &page(body, "application/json"), Encoding::Text);
        assert!(read(r#"{"id":1}"#).is_ok());
        let error = read(r#"{"name":"x"}"#).unwrap_err();
        assert_eq!(error.reason(), "require");
        assert!(error.to_string().contains("$.id"));
        assert_eq!(read("<html>").unwrap_err().reason(), "page");
    }
}
