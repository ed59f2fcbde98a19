//! The TOML file as it is written: its tables and keys, and errors that name file and line.

use serde::Deserialize;
use toml::Value;
use toml::value::Table;

use super::SiteError;
use crate::extract::Format;

/// A site file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteFile {
    pub name: String,
    pub base_url: String,
    pub collection: String,
    pub format: Format,
    #[serde(default = "yes")]
    pub total_exact: bool,
    pub index: IndexTable,
    pub detail: DetailTable,
}

/// `{ select = …, … }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTable {
    pub select: String,
    pub regex: Option<String>,
    #[serde(rename = "as")]
    pub kind: Option<KindName>,
    #[serde(default)]
    pub many: bool,
    #[serde(default)]
    pub required: bool,
    #[serde(default = "yes")]
    pub trim: bool,
}

/// `as = …`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    Text,
    Integer,
    Number,
    Bool,
    Json,
}

impl RuleTable {
    /// A rule as it is written: a selector, or a table with more to say.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn of(value: &Value) -> Result<RuleTable, String> {
        match value {
            Value::String(select) => Ok(RuleTable {
                select: select.clone(),
                regex: None,
                kind: None,
                many: false,
                required: false,
                trim: true,
            }),
            Value::Table(table) => table
                .clone()
                .try_into()
                .map_err(|error: toml::de::Error| error.message().to_owned()),
            _ => {
                Err("a selector, or a table { select, regex, as, many, required, trim }".to_owned())
            }
        }
    }
}

/// `[index]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexTable {
    pub url: String,
    #[serde(default)]
    pub query: Table,
    pub paging: Option<PagingTable>,
    pub max_pages: Option<u64>,
    pub format: Option<Format>,
    pub items: String,
    pub key: Value,
}

/// `paging = { by = … }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagingTable {
    pub by: PagingBy,
    pub limit: Option<u64>,
    pub first: Option<u64>,
    pub last: Option<u64>,
    pub total: Option<Value>,
}

/// The kinds of paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PagingBy {
    Offset,
    Page,
}

/// `[detail]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailTable {
    pub url: String,
    #[serde(default)]
    pub query: Table,
    pub format: Option<Format>,
    #[serde(default)]
    pub require: Vec<String>,
    #[serde(default)]
    pub fields: Table,
}

fn yes() -> bool {
    true
}

/// Reads a site file; `origin` is its name in errors.
pub fn parse(text: &str, origin: &str) -> Result<SiteFile, SiteError> {
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text[..at.min(text.len())].matches('\n').count() + 1;
        SiteError::Syntax { origin: origin.into(), line, message: error.message().to_owned() }
    })
}
