//! The site file as TOML: its tables and keys, and errors with file name and line.
//!
//! The docs of the fields document the format: the JSON Schema is generated from them
//! (`site/schema.json`, `gleaner sites --schema`).

mod advice;
mod expect;
mod incremental;
mod paging;
mod parts;
mod schedule;
mod seeds;
mod session;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::SiteError;
use super::written::{At, Chain, OneOrMany, OrOff, Pairs, Params, Short, Tables};
use crate::select::Format;
use advice::{place_of, with_nearest};
pub use expect::ExpectTable;
pub use incremental::SinceTable;
pub use paging::{PagingBy, PagingTable, StepName};
pub use parts::PartTable;
pub use schedule::ScheduleTable;
pub use seeds::{SeedsTable, Values};
pub use session::{SessionPageTable, SessionTable};

/// Bytes of a site file, with its list of keys.
const LARGEST: u64 = 16 << 20;

/// A site file of gleaner: a web site that lists items, and how to read its list and items' pages.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SiteFile {
    /// Name of the site. The store keeps its sweeps under this name.
    pub(super) name: At<String>,
    /// Description of the site, in one line.
    pub(super) description: Option<String>,
    /// Base URL of the site, such as https://example.com.
    pub(super) base_url: At<String>,
    /// Collection or table for the documents. Default: the site's name.
    pub(super) collection: Option<At<String>>,
    /// Format of the pages, unless a table sets its own. Default: json.
    #[serde(default = "json")]
    pub(super) format: Format,
    /// Other hosts that links, next pages and redirects may lead to: `host` or `host:port`.
    #[serde(default)]
    pub(super) hosts: Vec<At<String>>,
    /// Maximum concurrent requests.
    pub(super) workers: Option<At<u64>>,
    /// Maximum requests per second, such as 20 or 0.5. Default: unlimited.
    pub(super) rate: Option<At<f64>>,
    /// Obey robots.txt. Default: true.
    pub(super) robots: Option<bool>,
    /// User-Agent header, or several to rotate.
    pub(super) user_agent: Option<At<OneOrMany>>,
    /// JSONPaths of parts of a document that do not count as changes, such as a view counter.
    #[serde(default)]
    pub(super) ignore: Vec<At<String>>,
    /// Treat declared totals as exact. Set to false if they are approximate: then they are not
    /// compared with the number of items. Default: true, or false with paging by keys.
    pub(super) total_exact: Option<bool>,
    /// Meaning of responses, if the site uses statuses in its own way.
    pub(super) answers: Option<At<AnswersTable>>,
    /// Expectations of each sweep, for `gleaner status`.
    pub(super) expect: Option<At<ExpectTable>>,
    /// When `gleaner serve` starts sweeps.
    pub(super) schedule: Option<At<ScheduleTable>>,
    /// Login, and headers and cookies that requests to the site's own origin carry.
    pub session: Option<At<SessionTable>>,
    /// Categories, each with its own list of items. Several tables `[[seeds]]` are levels of a tree, the
    /// outermost first.
    pub(super) seeds: Option<At<Tables<SeedsTable>>>,
    /// The list of items.
    pub(super) index: At<IndexTable>,
    /// The page of an item. Without it, documents are made from the list alone.
    pub(super) detail: Option<At<DetailTable>>,
}

/// Meaning of responses: of statuses, and of marks on pages with a normal status.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnswersTable {
    /// Statuses of normal pages. Default: 200, 201, 203, 206.
    pub(super) ok: Option<Vec<At<u64>>>,
    /// Statuses that end a list if its next page was only a guess, or that mean an empty list on
    /// the first page of a category. Default: 204, 404, 410.
    pub(super) end: Option<Vec<At<u64>>>,
    /// Statuses to retry later, like 429 and 503. Default: 202.
    pub(super) later: Option<Vec<At<u64>>>,
    /// Time to wait before that retry if no header sets it, such as 30s; from 1s to 10m.
    pub(super) wait: Option<At<String>>,
    /// Selectors (JSONPath or CSS). A page that matches one of them is missing, as with status 404. `null`
    /// in place of a selector: a page that is the JSON value null.
    #[serde(default)]
    pub(super) missing: Vec<At<Chain>>,
    /// Selectors (JSONPath or CSS). A page that matches one of them is a failure, and is retried.
    #[serde(default)]
    pub(super) error: Vec<At<Chain>>,
}

/// The list of items.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct IndexTable {
    /// URL of the list: a path below `base_url`, or an absolute URL. A template with `{seed}` (with
    /// `{seed.1}` and so on for the levels of a tree), values of `[seeds]`, and the placeholders of the
    /// paging: `{offset}`, `{limit}`, `{page}`, `{cursor}`.
    pub(super) url: Option<At<String>>,
    /// Query parameters; templates, or lists of them, which repeat the parameter. A parameter whose
    /// placeholder is empty is left out.
    #[serde(default)]
    pub(super) query: Params,
    /// Method: GET, POST or PUT. Default: GET, or POST with `form` or `json`.
    pub(super) method: Option<At<String>>,
    /// Request headers; templates.
    #[serde(default)]
    pub(super) headers: Pairs,
    /// Form to send as the body; values are templates.
    pub(super) form: Option<Params>,
    /// JSON to send as the body; its strings are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub(super) json: Option<At<toml::Value>>,
    /// Division of the list into pages. Default: a single page.
    pub(super) paging: Option<At<PagingTable>>,
    /// Differences of the requests of all pages but the first.
    pub(super) next: Option<At<NextTable>>,
    /// Ask only for what changed, once a sweep was complete: `{since}` stands for the time in `query`,
    /// `headers`, `form` and `json`. Entries with it are left out where everything is listed.
    pub(super) since: Option<At<SinceTable>>,
    /// Maximum number of pages of a list. Default: 100,000.
    pub(super) max_pages: Option<At<u64>>,
    /// Format of the page. Default: the format of the site.
    pub(super) format: Option<Format>,
    /// Delimiter of CSV, a single character. Default: a comma.
    pub(super) delimiter: Option<At<String>>,
    /// Part of the page that all selectors of this table are applied to. Default: the whole page.
    pub(super) within: Option<At<Chain>>,
    /// Selectors that must match. A page on which one of them finds nothing is rejected.
    #[serde(default)]
    pub(super) require: Vec<At<Chain>>,
    /// Selector of the items on a page.
    pub(super) items: Option<At<Short<RuleTable>>>,
    /// Selector of the names of the columns, if items are lists of values: they become objects.
    pub(super) columns: Option<At<Chain>>,
    /// Selector of the key within an item. For a sitemap: a regular expression on the location.
    pub(super) key: Option<At<Short<RuleTable>>>,
    /// Selector of the revision within an item: a value that changes with the item, such as
    /// `$.updated_at`. `false` ignores the `lastmod` of a sitemap.
    pub(super) revision: Option<At<OrOff<RuleTable>>>,
    /// Fields to keep from the list, by name; selectors within an item.
    #[serde(default)]
    pub(super) fields: Rules,
    /// Values for the request of the item's page, by name; selectors within an item. They are not
    /// stored. `{name}` stands for them in `[detail]`, and so it does for `fields`.
    #[serde(default)]
    pub(super) values: Rules,
}

/// Differences of the requests of all pages of a list but the first. Keys that are not set are as
/// in `[index]`; `form` and `json` replace either.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NextTable {
    /// URL template.
    pub(super) url: Option<At<String>>,
    /// Query parameters; templates, or lists of them, which repeat the parameter. They replace all those of `[index]`.
    pub(super) query: Option<Params>,
    /// Method: GET, POST or PUT.
    pub(super) method: Option<At<String>>,
    /// Form to send as the body; values are templates.
    pub(super) form: Option<Params>,
    /// JSON to send as the body; its strings are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub(super) json: Option<At<toml::Value>>,
}

/// The page of an item.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DetailTable {
    /// URL of the page: a path below `base_url`, or an absolute URL. A template with `{key}`.
    pub(super) url: Option<At<String>>,
    /// Selector of the page's URL within an item of the list, instead of `url`.
    pub(super) link: Option<At<Short<RuleTable>>>,
    /// Query parameters; templates, or lists of them, which repeat the parameter.
    #[serde(default)]
    pub(super) query: Params,
    /// Method: GET, POST or PUT. Default: GET, or POST with `form` or `json`.
    pub(super) method: Option<At<String>>,
    /// Request headers; templates.
    #[serde(default)]
    pub(super) headers: Pairs,
    /// Form to send as the body; values are templates.
    pub(super) form: Option<Params>,
    /// JSON to send as the body; its strings are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub(super) json: Option<At<toml::Value>>,
    /// Format of the page. Default: the format of the site.
    pub(super) format: Option<Format>,
    /// Delimiter of CSV, a single character. Default: a comma.
    pub(super) delimiter: Option<At<String>>,
    /// Part of the page that all selectors of this table are applied to. Default: the whole page.
    pub(super) within: Option<At<Chain>>,
    /// Selectors that must match. A page on which one of them finds nothing is rejected.
    #[serde(default)]
    pub(super) require: Vec<At<Chain>>,
    /// Selector of the revision on the page. A page with an older revision than in the list is
    /// requested again.
    pub(super) revision: Option<At<Short<RuleTable>>>,
    /// JSONPath of the document within the page, or steps that lead to it. Default: the whole page.
    pub(super) document: Option<At<Chain>>,
    /// Fields to keep from the page, by name. Default: all of a JSON page; HTML needs fields.
    #[serde(default)]
    pub(super) fields: Rules,
    /// Selector of the URL of the item's next page. Fields that are lists are appended, others keep
    /// the value of the first page that has them.
    pub(super) next: Option<At<Short<RuleTable>>>,
    /// Maximum number of pages of one item, with those of its parts. Default: 1,000.
    pub(super) max_pages: Option<At<u64>>,
    /// Values for the requests of parts, by name; selectors on the page. They are not stored.
    #[serde(default)]
    pub(super) values: Rules,
    /// Lists of the item's own, by the name of the member that each becomes.
    #[serde(default)]
    pub(super) parts: indexmap::IndexMap<String, At<PartTable>>,
    /// URLs of files to store in the folder `--files`, by the name of the member that describes
    /// them; selectors on the page.
    #[serde(default)]
    pub(super) files: Rules,
}

/// A selector with options.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    /// JSONPath, or CSS with `::text` or `::attr(name)`, or a list of steps.
    #[serde(default)]
    pub(super) select: Chain,
    /// Source of the value. Default: item.
    pub(super) from: Option<FromName>,
    /// Value of the field if nothing matches; it counts as not found. Default: the field is left out.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub(super) default: Option<toml::Value>,
    /// detail.files: media type that the file must have, such as `image/*` or `application/pdf`.
    #[serde(rename = "type")]
    pub(super) media_type: Option<String>,
    /// seed: name of a value of the category, from `[seeds.values]`. Default: the category itself.
    pub(super) name: Option<String>,
    /// seed: level of the category, from 1, the outermost. Default: the innermost.
    pub(super) level: Option<u64>,
    /// Name of a header of the response, instead of a selector.
    pub(super) header: Option<String>,
    /// Regular expression. Keeps its first group, or the whole match; values without a match are
    /// skipped.
    pub(super) regex: Option<String>,
    /// Take all matches of `regex`, as a list. Default: false.
    #[serde(default)]
    pub(super) all: bool,
    /// date: how the page writes it, in the notation of `strftime`, such as `%d.%m.%Y`.
    pub(super) format: Option<String>,
    /// number, integer: decimal mark, `,` or `.`. With it, groups of three digits may be separated.
    pub(super) decimal: Option<String>,
    /// Selector of repeated parts. The field is a list of objects, made of `fields`.
    pub(super) items: Option<Chain>,
    /// Fields of each of these objects.
    #[serde(default)]
    pub(super) fields: Rules,
    /// key: parts of a key, each a selector.
    pub(super) join: Option<Vec<At<Short<RuleTable>>>>,
    /// key: text between the parts. Default: `:`.
    pub(super) with: Option<String>,
    /// Type to convert the text to.
    #[serde(rename = "as")]
    pub(super) kind: Option<KindName>,
    /// Take all values, as a list. Default: the first one.
    #[serde(default)]
    pub(super) many: bool,
    /// Treat a page without this value as a failure. Default: false.
    #[serde(default)]
    pub(super) required: bool,
    /// Trim and fold white space in texts of HTML pages. Default: true.
    pub(super) trim: Option<bool>,
}

/// Source of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum FromName {
    /// The item, or the page that is read.
    Item,
    /// The whole page that lists the item. `{name}` in the JSONPath stands for a value that was
    /// taken before.
    Page,
    /// Value that the step before the last of `items` found, such as the group of the item.
    Parent,
    /// The category of the list.
    Seed,
    /// The name of the member that is the item, in an object whose members are the items.
    Name,
}

/// Source of a number in a response: a selector or a header.
#[derive(Debug, Clone, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SaidTable {
    /// Name of a header, such as X-Total-Count or, with `regex = '/(\d+)$'`, Content-Range.
    pub(super) header: Option<String>,
    /// JSONPath, or CSS with `::text` or `::attr(name)`, or a list of steps.
    pub(super) select: Option<Chain>,
    /// Regular expression. Keeps its first group, or the whole match; values without a match are
    /// skipped.
    pub(super) regex: Option<String>,
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    /// Text.
    Text,
    /// Integer of any length.
    Integer,
    /// Number.
    Number,
    /// Boolean: true, false, 1, 0, yes or no.
    Bool,
    /// JSON within the text.
    Json,
    /// Absolute URL; a relative one is resolved against the page's.
    Url,
    /// Date or time, as RFC 3339 writes it. `format` says how the page writes it. Default: ISO 8601 or
    /// RFC 2822.
    Date,
}

/// Fields by name, in the order of the file.
pub type Rules = indexmap::IndexMap<String, At<Short<RuleTable>>>;

fn json() -> Format {
    Format::Json
}

/// Advice about a `key` in `[detail]`.
const KEY_OF_LIST: &str = "an item's key comes from the list: write `key` in [index]";

/// Parses a site file. `origin` is its name in errors.
///
/// # Errors
/// Returns an error if the text is not TOML, or not in the format of site files.
pub fn parse(text: &str, origin: &str) -> Result<SiteFile, SiteError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let message = with_nearest(error.message());
        // A key that is missing at the top level is not an error in the first key.
        let is_of_file = at == 0 && error.message().starts_with("missing field");
        let message = match key_at(text, at).filter(|_| !is_of_file) {
            Some(key) if key == "detail.key" => format!("{key}: {message}; {KEY_OF_LIST}"),
            Some(key) => format!("{key}: {message}{}", place_of(&key, error.message())),
            None => message,
        };
        SiteError::Syntax { origin: origin.into(), line: line_of(text, at), message }
    })
}

/// Returns the key whose value contains the byte at `at`, with its tables, or `None`.
fn key_at(text: &str, at: usize) -> Option<String> {
    fn within(table: &DeTable<'_>, at: usize) -> Option<String> {
        table.iter().find_map(|(key, value)| {
            let name = key.get_ref();
            let below = match value.get_ref() {
                DeValue::Table(table) => within(table, at),
                DeValue::Array(list) if list.len() == 1 => in_list(&list[0], at),
                DeValue::Array(list) => {
                    let mut tables = (1..).zip(list.iter());
                    tables.find_map(|(number, it)| Some(format!("{number}.{}", in_list(it, at)?)))
                }
                _ => None,
            };
            let is_here = value.span().contains(&at) || key.span().contains(&at);
            below
                .map(|below| format!("{name}.{below}"))
                .or_else(|| is_here.then(|| name.to_string()))
        })
    }
    fn in_list(value: &Spanned<DeValue<'_>>, at: usize) -> Option<String> {
        match value.get_ref() {
            DeValue::Table(table) => within(table, at),
            _ => None,
        }
    }
    within(DeTable::parse(text).ok()?.get_ref(), at)
}

/// Returns the line of the byte at `at`, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
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
        false => {
            Err(io::Error::other(format!("not a site file: it is larger than {LARGEST} bytes")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schema that editors are given is that of the types here.
    #[test]
    fn x1_a_device_that_never_ends_is_no_site_file() {
        let said = read(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(said.contains("not a site file"), "{said}");
    }

    #[test]
    fn the_json_schema_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/site/schema.json");
        let made = serde_json::to_string_pretty(&schemars::schema_for!(SiteFile)).unwrap() + "\n";
        if std::env::var_os("GLEANER_WRITE_SCHEMA").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let kept = std::fs::read_to_string(path).unwrap();
        assert!(kept == made, "src/site/schema.json is out of date; `make docs` writes it");
    }
}
