//! The table `paging` of a site file.

use serde::Deserialize;

use super::super::written::{At, Pairs, Short};
use super::{RuleTable, SaidTable};

/// Division of a list into pages.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PagingTable {
    /// Kind of paging. Default: a single page.
    pub(in crate::site) by: Option<PagingBy>,
    /// offset: number of items to request per page.
    pub(in crate::site) limit: Option<At<u64>>,
    /// offset: step to the next offset. Default: limit.
    pub(in crate::site) step: Option<StepName>,
    /// page: number of the first page. Default: 1. offset: offset of the first item. Default: 0.
    pub(in crate::site) first: Option<At<u64>>,
    /// offset, page, cursor: URL of the first page, if it is not made of the same template.
    pub(in crate::site) first_url: Option<At<String>>,
    /// page: number of the last page, or a selector or header that has it.
    pub(in crate::site) last: Option<At<Short<SaidTable>>>,
    /// page: number of pages, or a selector or header that has it. Unlike `last`, it does not depend on
    /// the number of the first page.
    pub(in crate::site) pages: Option<At<Short<SaidTable>>>,
    /// page: number of items per page; needed with `total`.
    pub(in crate::site) size: Option<At<u64>>,
    /// offset, page: selector or header with the number of items in the list.
    pub(in crate::site) total: Option<At<Short<SaidTable>>>,
    /// next: selector of the next page's URL. cursor: selector of the next cursor.
    pub(in crate::site) select: Option<At<Short<RuleTable>>>,
    /// next: take the next page's URL from the `Link` header.
    pub(in crate::site) link_header: Option<bool>,
    /// cursor: values that each page hands to the request of the next one, by name: selectors or
    /// headers. `{name}` stands for them in the request; an object becomes query parameters. The
    /// list ends where a page has none of them, or, without items, the same ones as its own request.
    #[serde(default)]
    pub(in crate::site) take: indexmap::IndexMap<String, At<Short<SaidTable>>>,
    /// cursor: those values for the first page. Default: what is made of them is left out there.
    #[serde(default)]
    pub(in crate::site) start: Pairs,
    /// offset, page, next, cursor: selector of a value that must mean yes for the list to continue,
    /// such as `$.has_more`. No value, null, false, 0 and an empty text mean no.
    #[serde(rename = "while")]
    pub(in crate::site) goes_on: Option<At<Short<RuleTable>>>,
    /// next, cursor: pages that follow one another hold parts of the same items, which are merged: lists
    /// are appended, other values replaced. Default: false.
    #[serde(default)]
    pub(in crate::site) merge: bool,
    /// Heed hints to further pages, such as `has_more` or a count. Default: true.
    pub(in crate::site) more: Option<bool>,
    /// keys: range of numbers, both ends included, such as `1..100`.
    pub(in crate::site) range: Option<At<String>>,
    /// keys: list of keys.
    pub(in crate::site) keys: Option<At<Vec<String>>>,
    /// keys: file with one key per line, beside the site file or below it; `-` is standard input.
    pub(in crate::site) file: Option<At<String>>,
}

/// Step from one offset to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StepName {
    /// The number of requested items.
    Limit,
    /// The number of received items: each page begins where the previous one ended.
    Items,
}

/// Kind of paging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum PagingBy {
    /// By `{offset}` and `{limit}`.
    Offset,
    /// By `{page}`.
    Page,
    /// Each page has the URL of the next one.
    Next,
    /// By `{cursor}`: each page has the cursor of the next one.
    Cursor,
    /// A sitemap, or an index of sitemaps.
    Sitemap,
    /// No list: the keys are known.
    Keys,
}
