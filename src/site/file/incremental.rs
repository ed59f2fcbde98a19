//! `[index] since`: lists that can be asked for what changed.

use serde::Deserialize;

use crate::site::written::At;

/// Rules for a list that is asked only for what changed, once a sweep of it was complete.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SinceTable {
    /// How the site writes the time, in the notation of `strftime`, in UTC; `%s` is Unix time in
    /// seconds, `%s%3f` in milliseconds. Default: `%Y-%m-%dT%H:%M:%SZ`.
    pub(in crate::site) format: Option<At<String>>,
    /// Time before the start of the last complete sweep that is asked for again, such as 10m. It must
    /// cover how far the clocks differ, and how late the site lists a change. Default: 10m.
    pub(in crate::site) overlap: Option<At<String>>,
    /// Interval between sweeps that list everything, which alone find what left the site. Default: 7d.
    pub(in crate::site) full: Option<At<String>>,
}
