//! The TOML file as it is written: its tables and keys, and errors that name file and line.
//!
//! The documentation of the fields is that of the format: the JSON Schema is made from it
//! (`site/schema.json`, `gleaner sites --schema`).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};

use super::SiteError;
use super::written::{At, OneOrMany, OrOff, Pairs, Short};
use crate::extract::Format;

/// Bytes of a site file, with its list of keys.
const LARGEST: u64 = 16 << 20;

/// A web site that lists things and has a page for each of them, as gleaner crawls it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SiteFile {
    /// Name of the site, by which its sweeps are kept.
    pub name: At<String>,
    /// What the site is, in one line.
    pub description: Option<String>,
    /// Where the site is, such as https://example.com.
    pub base_url: At<String>,
    /// Collection or table that the documents go to; by default the site's name.
    pub collection: Option<At<String>>,
    /// What the pages are made of, unless `[index]` and `[detail]` say it themselves.
    #[serde(default = "json")]
    pub format: Format,
    /// Other hosts that the site's pages may lead to: `host` or `host:port`.
    #[serde(default)]
    pub hosts: Vec<At<String>>,
    /// Most requests in flight.
    pub workers: Option<At<u64>>,
    /// Most requests a second, such as 20 or 0.5.
    pub rate: Option<At<f64>>,
    /// Whether robots.txt is obeyed; by default it is.
    pub robots: Option<bool>,
    /// Names to go by, which take turns.
    pub user_agent: Option<At<OneOrMany>>,
    /// JSONPaths of what is left out of the comparison with the stored document, such as a view
    /// counter.
    #[serde(default)]
    pub ignore: Vec<At<String>>,
    /// Whether a declared count is exact. By default it is.
    pub total_exact: Option<bool>,
    /// What answers mean, where a site has its own way with statuses.
    pub answers: Option<At<AnswersTable>>,
    /// Categories by which the items are listed.
    pub seeds: Option<At<SeedsTable>>,
    /// The list.
    pub index: At<IndexTable>,
    /// The page of an item. Without it, what the list says is stored.
    pub detail: Option<At<DetailTable>>,
}

/// What answers mean: statuses, and pages with the status of a page that are none.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnswersTable {
    /// Statuses of pages; by default 200, 201, 203 and 206.
    pub ok: Option<Vec<At<u64>>>,
    /// Statuses that end a list, where its next page was only a guess, or where it is the first page
    /// of a category; by default 204, 404 and 410.
    pub end: Option<Vec<At<u64>>>,
    /// Statuses that are asked again, as 429 and 503 are; by default 202.
    pub later: Option<Vec<At<u64>>>,
    /// How long to wait before that where no header says it, such as 30s; at most 10m.
    pub wait: Option<At<String>>,
    /// Selectors, JSONPath or CSS: a page that has one of these is gone, as with status 404.
    #[serde(default)]
    pub missing: Vec<At<String>>,
    /// Selectors, JSONPath or CSS: a page that has one of these failed, and is asked for again.
    #[serde(default)]
    pub error: Vec<At<String>>,
}

/// Categories: each gives `{seed}` to the list's request. Either `values`, or a page that names
/// them.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SeedsTable {
    /// The categories.
    pub values: Option<Vec<String>>,
    /// Selects the categories on the page at `url`.
    pub select: Option<At<Short<RuleTable>>>,
    /// What the page is made of.
    pub format: Option<Format>,
    /// How the page is divided, where it is.
    pub paging: Option<At<PagingTable>>,
    /// Where the page is.
    pub url: Option<At<String>>,
    /// Appended to the URL.
    #[serde(default)]
    pub query: Pairs,
    /// By default GET, or POST where something is sent along.
    pub method: Option<At<String>>,
    /// Sent with the request.
    #[serde(default)]
    pub headers: Pairs,
    /// Sent along as a form.
    pub form: Option<Pairs>,
    /// Sent along as JSON.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub json: Option<At<toml::Value>>,
}

/// The list.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IndexTable {
    /// Where the list is: a path below `base_url`, or a URL. A template: `{offset}`, `{limit}`,
    /// `{page}`, `{cursor}` as the paging has them, and `{seed}`.
    pub url: Option<At<String>>,
    /// Appended to the URL; templates. What is empty because of its placeholder is left out.
    #[serde(default)]
    pub query: Pairs,
    /// By default GET, or POST where something is sent along.
    pub method: Option<At<String>>,
    /// Sent with the request; templates.
    #[serde(default)]
    pub headers: Pairs,
    /// Sent along as a form; templates.
    pub form: Option<Pairs>,
    /// Sent along as JSON; its texts are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub json: Option<At<toml::Value>>,
    /// How the list is divided into pages; without it there is one.
    pub paging: Option<At<PagingTable>>,
    /// Pages asked for at most; by default 100,000.
    pub max_pages: Option<At<u64>>,
    /// What the page is made of.
    pub format: Option<Format>,
    /// Selectors that must match: a page without one of them is refused.
    #[serde(default)]
    pub require: Vec<At<String>>,
    /// Selects the items on a page.
    pub items: Option<At<Short<RuleTable>>>,
    /// Selects the key within an item; for a sitemap, a regular expression on the location.
    pub key: Option<At<Short<RuleTable>>>,
    /// Selects, within an item, what changes with it, such as `$.updated_at`. `false` passes over the
    /// `lastmod` of a sitemap.
    pub revision: Option<At<OrOff<RuleTable>>>,
    /// What is kept of the list, by name; selectors within an item.
    #[serde(default)]
    pub fields: Rules,
}

/// The page of an item.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DetailTable {
    /// Where the page is: a path below `base_url`, or a URL. A template: `{key}`.
    pub url: Option<At<String>>,
    /// Selects the page's URL within an item of the list, instead of `url`.
    pub link: Option<At<Short<RuleTable>>>,
    /// Appended to the URL; templates.
    #[serde(default)]
    pub query: Pairs,
    /// By default GET, or POST where something is sent along.
    pub method: Option<At<String>>,
    /// Sent with the request; templates.
    #[serde(default)]
    pub headers: Pairs,
    /// Sent along as a form; templates.
    pub form: Option<Pairs>,
    /// Sent along as JSON; its texts are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub json: Option<At<toml::Value>>,
    /// What the page is made of.
    pub format: Option<Format>,
    /// Selectors that must match: a page without one of them is refused.
    #[serde(default)]
    pub require: Vec<At<String>>,
    /// Selects what the page says of when its item changed: a page older than its list says is asked for
    /// again.
    pub revision: Option<At<Short<RuleTable>>>,
    /// JSONPath of the part of the page that is the document.
    pub document: Option<At<String>>,
    /// What is kept of the page, by name. Without it, all of a JSON page.
    #[serde(default)]
    pub fields: Rules,
}

/// How a list is divided into pages.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PagingTable {
    /// The kind; without it there is one page.
    pub by: Option<PagingBy>,
    /// offset: items asked for on a page.
    pub limit: Option<At<u64>>,
    /// offset: what the next offset is counted by; by default the limit.
    pub step: Option<StepName>,
    /// page: number of the first page; by default 1.
    pub first: Option<At<u64>>,
    /// page: number of the last page, or where a page says it.
    pub last: Option<At<Short<SaidTable>>>,
    /// page: items on a page, where there is a total.
    pub size: Option<At<u64>>,
    /// offset, page: where a page says how many items there are.
    pub total: Option<At<Short<SaidTable>>>,
    /// next: selects the URL of the next page. cursor: selects the next cursor.
    pub select: Option<At<Short<RuleTable>>>,
    /// next: the URL of the next page stands in the `Link` header.
    pub link_header: Option<bool>,
    /// Whether what pages say of further pages counts, such as `has_more` or a count; by default it does.
    pub more: Option<bool>,
    /// keys: numbers, such as `1..100`, both ends included.
    pub range: Option<At<String>>,
    /// keys: the keys.
    pub keys: Option<At<Vec<String>>>,
    /// keys: a file of keys, one a line, beside the site file; `-` is standard input.
    pub file: Option<At<String>>,
}

/// `step = …`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StepName {
    /// The items that were asked for.
    Limit,
    /// The items that came: each page begins where the one before it ended.
    Items,
}

/// The kinds of paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PagingBy {
    /// `{offset}` and `{limit}`.
    Offset,
    /// `{page}`.
    Page,
    /// Each page says where the next one is.
    Next,
    /// `{cursor}`: each page says the cursor of the next one.
    Cursor,
    /// A sitemap, or an index of sitemaps.
    Sitemap,
    /// No list: the keys are known.
    Keys,
}

/// A selector with more to say.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    /// JSONPath, or CSS with `::text` or `::attr(name)`.
    pub select: String,
    /// Keeps the first group of this regular expression, or all that it matches.
    pub regex: Option<String>,
    /// What the text is to become.
    #[serde(rename = "as")]
    pub kind: Option<KindName>,
    /// Whether all values are taken, as a list.
    #[serde(default)]
    pub many: bool,
    /// Whether a page without it is a failure.
    #[serde(default)]
    pub required: bool,
    /// Whether white space around it is taken off; by default it is.
    pub trim: Option<bool>,
}

/// Where a page says a number: a selector with more to say, or a header.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidTable {
    /// Name of a header, such as X-Total-Count or, with `regex = '/(\d+)$'`, Content-Range.
    pub header: Option<String>,
    /// JSONPath, or CSS with `::text` or `::attr(name)`.
    pub select: Option<String>,
    /// Keeps the first group of this regular expression, or all that it matches.
    pub regex: Option<String>,
}

/// `as = …`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    /// A text.
    Text,
    /// An integer of any length.
    Integer,
    /// A number.
    Number,
    /// true, false, 1, 0, yes or no.
    Bool,
    /// JSON within the text.
    Json,
}

/// Fields by name, in the order of the file.
pub type Rules = indexmap::IndexMap<String, At<Short<RuleTable>>>;

fn json() -> Format {
    Format::Json
}

/// Reads a site file; `origin` is its name in errors.
pub fn parse(text: &str, origin: &str) -> Result<SiteFile, SiteError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = with_nearest(error.message());
        // What the file as a whole lacks is not its first key's fault.
        let is_of_file = at == 0 && error.message().starts_with("missing field");
        let message = match key_at(text, at).filter(|_| !is_of_file) {
            Some(key) => format!("{key}: {message}"),
            None => message,
        };
        SiteError::Syntax { origin: origin.into(), line: line_of(text, at), message }
    })
}

/// The key, with its tables, whose value a byte is in.
fn key_at(text: &str, at: usize) -> Option<String> {
    fn within(table: &DeTable<'_>, at: usize) -> Option<String> {
        table.iter().find_map(|(key, value)| {
            let name = key.get_ref();
            let below = match value.get_ref() {
                DeValue::Table(table) => within(table, at),
                _ => None,
            };
            let is_here = value.span().contains(&at) || key.span().contains(&at);
            below
                .map(|below| format!("{name}.{below}"))
                .or_else(|| is_here.then(|| name.to_string()))
        })
    }
    within(DeTable::parse(text).ok()?.get_ref(), at)
}

/// The line that a byte is on, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

/// Serde's "unknown field `x`, expected one of `a`, `b`" with the nearest of them named.
fn with_nearest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_name = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(wrong) = quoted.next().filter(|_| is_name) else { return message.to_owned() };
    let distance = |known: &&str| strsim::damerau_levenshtein(wrong, known);
    match quoted.min_by_key(distance).filter(|known| distance(known) <= known.len().div_ceil(2)) {
        Some(nearest) => format!("{message}; did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}

/// Reads a site file. A device never ends, and is none.
///
/// # Errors
/// Where it cannot be read, or is larger than any site file.
pub fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 <= LARGEST {
        true => Ok(text),
        false => Err(io::Error::other(format!("it is no site file: it has over {LARGEST} bytes"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema that editors are given is that of the types here.
    #[test]
    fn x1_a_device_that_never_ends_is_no_site_file() {
        let said = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(said.contains("it is no site file"), "{said}");
    }

    #[test]
    fn the_json_schema_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/site/schema.json");
        let made = serde_json::to_string_pretty(&schemars::schema_for!(SiteFile)).unwrap() + "\n";
        if std::env::var_os("GLEANER_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap();
        assert!(kept == made, "write it anew: GLEANER_WRITE_SCHEMA=1 cargo test schema");
    }
}
