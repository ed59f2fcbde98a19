//! The TOML file as it is written: its tables and keys, and errors that name file and line.

use serde::Deserialize;
use toml::value::Table;

use super::SiteError;

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

/// What pages are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Json,
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
    pub items: String,
    pub key: String,
}

/// `paging = { by = … }`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagingTable {
    pub by: PagingBy,
    pub limit: u64,
    pub total: Option<String>,
}

/// The kinds of paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PagingBy {
    Offset,
}

/// `[detail]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailTable {
    pub url: String,
    #[serde(default)]
    pub query: Table,
    #[serde(default)]
    pub require: Vec<String>,
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
