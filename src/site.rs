//! A site: what a TOML file says of where the list is, how to find items on it, and what to keep.
//!
//! A [`Site`] is plain values: it makes requests from tasks and says how pages are read, but never
//! asks for anything. The built-in sites are files like those of users and read by the same code.

mod build;
mod file;
mod paging;
mod template;

use std::path::Path;

use url::Url;

use crate::document::Digest;
use crate::extract::{FieldRule, Format, Select};
use crate::fetch::Home;
use crate::task::{IndexPage, IndexRun, Page};
use template::{Placeholder, Template, TemplateError, Values};

pub use paging::{Next, PageRange, PageRangeError, PageSaid, Paging};

/// Pages asked for where the site file sets no cap.
const MOST_PAGES: u64 = 100_000;
/// Name and text of each built-in site.
const BUILT_IN: [(&str, &str); 1] = [("books", include_str!("site/books.toml"))];

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Site {
    /// Name, by which ledger and lock go.
    pub name: Box<str>,
    /// Collection or table that the documents go to.
    pub collection: Box<str>,
    /// Where the site is.
    pub base_url: Url,
    /// How the list is read.
    pub index: IndexRules,
    /// How the page of an item is read.
    pub detail: DetailRules,
    /// Whether a declared count is to be met exactly.
    pub total_exact: bool,
}

/// How the list is read.
#[derive(Debug, Clone)]
pub struct IndexRules {
    request: RequestTemplate,
    /// How the list is divided into pages.
    pub paging: Paging,
    /// Pages asked for at most.
    pub most_pages: u64,
    /// The items on a page.
    pub items: Select,
    /// The key within an item.
    pub key: FieldRule,
}

/// How the page of an item is read.
#[derive(Debug, Clone)]
pub struct DetailRules {
    request: RequestTemplate,
    /// What the page is made of.
    pub format: Format,
    /// What a page must have to be one.
    pub require: Vec<Select>,
    /// What is kept of the page, by name; where nothing is named, all of a JSON page.
    pub fields: Vec<(Box<str>, FieldRule)>,
}

#[derive(Debug, Clone, PartialEq)]
struct RequestTemplate {
    url: Template,
    query: Vec<(String, Template)>,
}

/// Why a site cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// Neither a built-in site nor a file.
    #[error(
        "no built-in site and no file is called `{0}`; built in: {1}; a path must end in .toml or contain a slash"
    )]
    Unknown(String, String),
    /// The file cannot be read.
    #[error("{origin}: {error}")]
    Unreadable {
        /// The file.
        origin: String,
        /// Why.
        error: std::io::Error,
    },
    /// Not TOML, or not the format of site files.
    #[error("{origin}:{line}: {message}")]
    Syntax {
        /// The file.
        origin: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value is wrong.
    #[error("{origin}: {key}: {message}")]
    Value {
        /// The file.
        origin: String,
        /// The key, with its table.
        key: String,
        /// What is wrong.
        message: String,
    },
}

impl Site {
    /// The built-in site of that name, or the site of the file at that path.
    ///
    /// # Errors
    /// Where there is none, or the file is no site file.
    pub fn load(name_or_path: &str) -> Result<Site, SiteError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == name_or_path) {
            return Site::parse(text, &format!("built-in site {name}"));
        }
        let path = Path::new(name_or_path);
        if !path.exists() && !name_or_path.contains('/') && !name_or_path.ends_with(".toml") {
            let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
            return Err(SiteError::Unknown(name_or_path.to_owned(), names.join(", ")));
        }
        let text = std::fs::read_to_string(path)
            .map_err(|error| SiteError::Unreadable { origin: name_or_path.to_owned(), error })?;
        Site::parse(&text, name_or_path)
    }

    /// The site that `text` describes; `origin` is the file's name in errors.
    ///
    /// # Errors
    /// Where it is no site file.
    pub fn parse(text: &str, origin: &str) -> Result<Site, SiteError> {
        build::site(file::parse(text, origin)?).map_err(|(key, message)| SiteError::Value {
            origin: origin.to_owned(),
            key,
            message,
        })
    }

    /// The URL of a page.
    ///
    /// # Errors
    /// Where template and values make none.
    pub fn url(&self, page: &Page) -> Result<Url, url::ParseError> {
        match page {
            Page::Detail(detail) => {
                self.detail.request.url(&self.base_url, Values::Detail(&detail.key))
            }
            Page::Index(index) => {
                let limit = self.index.paging.limit().unwrap_or(0);
                let before = index.number - 1;
                let first = match self.index.paging {
                    Paging::Page { first, .. } => first,
                    Paging::Single | Paging::Offset { .. } => 1,
                };
                let (offset, page) = (before.saturating_mul(limit), first.saturating_add(before));
                self.index.request.url(&self.base_url, Values::Index { offset, limit, page })
            }
        }
    }

    /// Where requests may lead.
    pub fn home(&self) -> Home {
        Home { site: self.base_url.clone(), hosts: Vec::new() }
    }

    /// The page that the list begins with, as a plan within `range`.
    pub fn seed(&self, range: PageRange) -> IndexRun {
        IndexRun { pass: 1, from: range.from, to: range.from }
    }

    /// The index pages that follow `page`, whatever the range allows.
    pub fn after(&self, page: &IndexPage, said: PageSaid) -> Option<Next> {
        self.index.paging.after(page, said)
    }

    /// The index pages that `asked` (all, where nothing was asked) and the site's cap allow.
    pub fn page_range(&self, asked: Option<PageRange>) -> PageRange {
        let PageRange { from, to } = asked.unwrap_or(PageRange { from: 1, to: u64::MAX });
        PageRange { from, to: to.min(from.saturating_add(self.index.most_pages - 1)) }
    }

    /// Another page size.
    pub fn set_page_size(&mut self, size: u64) {
        match &mut self.index.paging {
            Paging::Single | Paging::Page { .. } => {}
            Paging::Offset { limit, .. } => *limit = size,
        }
    }

    /// The field of a document that holds its key, where the key is a field.
    pub fn key_field(&self) -> Option<Box<str>> {
        match &self.index.key.select {
            Select::Json(selector) => selector.field().map(Into::into),
            Select::Css(_) => None,
        }
    }

    /// Digest of what makes documents what they are: another one makes all of them anew.
    pub fn rules(&self) -> String {
        let DetailRules { format, require, fields, .. } = &self.detail;
        Digest::of(format!("{format:?} {require:?} {fields:?}").as_bytes()).to_string()
    }

    /// Digest of what is crawled: another one is another sweep.
    pub fn definition(&self) -> String {
        let Site { base_url, collection, index, detail, .. } = self;
        let selectors = (index.items.text(), &index.key);
        let parts = format!(
            "{base_url} {collection} {:?} {:?} {selectors:?} {}",
            index.request,
            detail.request,
            self.rules()
        );
        Digest::of(parts.as_bytes()).to_string()
    }
}

impl RequestTemplate {
    fn new(url: &str, query: &toml::Table, allowed: &[Placeholder]) -> Result<Self, TemplateError> {
        let text = |value: &toml::Value| {
            Some(match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                toml::Value::Datetime(time) => time.to_string(),
                toml::Value::Array(_) | toml::Value::Table(_) => return None,
            })
        };
        let query = query
            .iter()
            .map(|(name, value)| {
                let value = text(value).ok_or_else(|| TemplateError::NoText(name.clone()))?;
                Ok((name.clone(), Template::parse(&value, allowed)?))
            })
            .collect::<Result<_, TemplateError>>()?;
        Ok(RequestTemplate { url: Template::parse(url, allowed)?, query })
    }

    fn url(&self, base: &Url, values: Values<'_>) -> Result<Url, url::ParseError> {
        let path = self.url.encoded(values);
        let mut url = if path.contains("://") {
            Url::parse(&path)?
        } else {
            let base = base.as_str().trim_end_matches('/');
            Url::parse(&format!("{base}/{}", path.trim_start_matches('/')))?
        };
        if !self.query.is_empty() {
            let mut pairs = url.query_pairs_mut();
            for (name, value) in &self.query {
                pairs.append_pair(name, &value.plain(values));
            }
        }
        Ok(url)
    }
}

/// A base URL.
///
/// # Errors
/// Says what is wrong where it is not one.
pub fn parse_base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write https://host"))?;
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => Ok(url),
        "http" | "https" => Err("a base URL has neither query nor fragment".to_owned()),
        scheme => Err(format!("{scheme}: is neither http nor https")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Key;
    use crate::task::DetailPage;

    fn books() -> Site {
        Site::load("books").expect("the built-in site is one")
    }

    fn detail(site: &Site, key: &str) -> String {
        let key = Key::new(key).unwrap();
        site.url(&Page::Detail(DetailPage { key, known: None })).unwrap().to_string()
    }

    #[test]
    fn urls_of_the_book_site() {
        let site = books();
        let page = Page::Index(IndexPage { pass: 1, number: 3, planned_to: 503 });
        assert_eq!(
            site.url(&page).unwrap().as_str(),
            "https://spa5.scrape.center/api/book/?limit=18&offset=36"
        );
        assert_eq!(detail(&site, "42"), "https://spa5.scrape.center/api/book/42/");
    }

    #[test]
    fn l6_keys_cannot_leave_their_place_in_the_url() {
        let mut site = books();
        site.base_url = Url::parse("http://h:1/pre/").unwrap();
        assert_eq!(detail(&site, "../x?y#z w"), "http://h:1/pre/api/book/..%2Fx%3Fy%23z%20w/");
    }

    #[test]
    fn errors_name_file_and_line_or_key() {
        let text = BUILT_IN[0].1;
        let error = |text: &str| Site::parse(text, "my.toml").unwrap_err().to_string();
        let unknown = text.replace("items =", "itmes =");
        assert!(
            error(&unknown).starts_with("my.toml:11: unknown field `itmes`"),
            "{}",
            error(&unknown)
        );
        let name = text.replace("name = \"books\"", "name = \"system.x\"");
        assert!(error(&name).starts_with("my.toml: name: `system.x` is no name"));
        let path = text.replace("$.results[*]", "$.results[");
        assert!(error(&path).starts_with("my.toml: index.items: "), "{}", error(&path));
        let limit = text.replace("limit = 18", "limit = 0");
        assert!(error(&limit).starts_with("my.toml: index.paging.limit: "));
    }

    #[test]
    fn what_is_no_site_says_what_there_is() {
        let error = Site::load("boks").unwrap_err().to_string();
        assert!(error.contains("built in: books"), "{error}");
        assert!(Site::load("no/such.toml").unwrap_err().to_string().contains("no/such.toml"));
    }

    #[test]
    fn the_definition_knows_no_page_size() {
        let mut site = books();
        let before = site.definition();
        site.set_page_size(100);
        assert_eq!(site.definition(), before);
        site.base_url = Url::parse("http://h").unwrap();
        assert_ne!(site.definition(), before);
    }
}
