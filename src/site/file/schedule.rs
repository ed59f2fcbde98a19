//! The table `[schedule]`: when `gleaner serve` starts sweeps.

use serde::Deserialize;

use crate::site::written::{At, OneOrMany};

/// When `gleaner serve` starts sweeps of this site: set either `every` or `at`. Other commands do not
/// start sweeps by it.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScheduleTable {
    /// Time from the start of a sweep to the start of the next one, such as 6h; from 1s to 366d.
    pub every: Option<At<String>>,
    /// Times of the day, such as 03:15.
    pub at: Option<At<OneOrMany>>,
    /// at: time zone, such as Europe/Berlin. Default: UTC.
    pub timezone: Option<At<String>>,
    /// at: days of the week: mon, tue, wed, thu, fri, sat, sun. Default: all.
    pub days: Option<At<OneOrMany>>,
}
