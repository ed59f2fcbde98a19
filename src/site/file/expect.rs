//! The table `[expect]`: by what `gleaner status` judges sweeps.

use indexmap::IndexMap;
use serde::Deserialize;

use crate::site::written::At;

/// Expectations of each sweep, for `gleaner status`. They change nothing that is crawled or stored.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ExpectTable {
    /// Time from the start of a sweep to the next one, such as 6h. Default: that of
    /// `[schedule]`, or of `--every`. The
    /// site is stale after three times this without a complete sweep.
    pub every: Option<At<String>>,
    /// Age of the last complete sweep from which on the site is stale, such as 1d, instead of three
    /// times `every`.
    pub fresh: Option<At<String>>,
    /// Minimum number of items that a sweep lists.
    pub min_items: Option<At<u64>>,
    /// Allowed drop of the number of items below the usual one, in percent. Default: 30.
    pub max_drop: Option<At<u64>>,
    /// Minimum share of items that have a field, in percent, by the field's name.
    #[serde(default)]
    pub fields: IndexMap<String, At<u64>>,
}
