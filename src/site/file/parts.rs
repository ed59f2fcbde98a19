//! The tables `[detail.parts.NAME]` of a site file.

use serde::Deserialize;

use super::super::written::{At, Chain, Pairs, Params, Short};
use super::{PagingTable, RuleTable, Rules};
use crate::select::Format;

/// Meaning of a missing list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum MissingName {
    /// The item has none of its entries.
    None,
}

/// A list of an item's own, which becomes a member of its document: an array of its entries.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PartTable {
    /// URL of the list: a path below `base_url`, or an absolute URL. A template with `{key}`, the
    /// placeholders of the paging, values of `[index]`, and `fields` and `values` of `[detail]`.
    pub(in crate::site) url: Option<At<String>>,
    /// Query parameters; templates, or lists of them, which repeat the parameter. A parameter whose
    /// placeholder is empty is left out.
    #[serde(default)]
    pub(in crate::site) query: Params,
    /// Method: GET, POST or PUT. Default: GET, or POST with `form` or `json`.
    pub(in crate::site) method: Option<At<String>>,
    /// Request headers; templates.
    #[serde(default)]
    pub(in crate::site) headers: Pairs,
    /// Form to send as the body; values are templates.
    pub(in crate::site) form: Option<Params>,
    /// JSON to send as the body; its strings are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub(in crate::site) json: Option<At<toml::Value>>,
    /// Division of the list into pages: by offset, page, next or cursor. Default: a single page.
    pub(in crate::site) paging: Option<At<PagingTable>>,
    /// Format of the page. Default: the format of the site.
    pub(in crate::site) format: Option<Format>,
    /// Delimiter of CSV, a single character. Default: a comma.
    pub(in crate::site) delimiter: Option<At<String>>,
    /// Part of the page that all selectors of this table are applied to. Default: the whole page.
    pub(in crate::site) within: Option<At<Chain>>,
    /// Selectors that must match. A page on which one of them finds nothing is rejected.
    #[serde(default)]
    pub(in crate::site) require: Vec<At<Chain>>,
    /// `none` if it is usual that the list is missing (404, or what `[answers]` says): then it has no
    /// entries, and the report does not mention it. Default: the report mentions it.
    pub(in crate::site) missing: Option<MissingName>,
    /// Selector of the entries on a page.
    pub(in crate::site) items: At<Short<RuleTable>>,
    /// Fields to keep of an entry, by name. Default: the whole value; HTML needs fields.
    #[serde(default)]
    pub(in crate::site) fields: Rules,
}
