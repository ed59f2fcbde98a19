//! What is reported of a run: how it ended, and what it counted.
//!
//! These are values; [`Metrics`](crate::metrics::Metrics) counts, and
//! [`SweepEntry::end`](crate::sweep::SweepEntry::end) makes the report.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Pages on which each field was found.
pub type Fields = BTreeMap<Box<str>, Coverage>;

/// On how many pages a field was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Pages read.
    pub pages: u64,
    /// Pages that had the field.
    pub found: u64,
}

impl Coverage {
    /// Returns whether nearly all pages had the field: over 90 %.
    pub fn is_usual(self) -> bool {
        self.found * 10 > self.pages * 9
    }
}

/// How a run of a sweep ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything listed was fetched and stored, and the list adds up.
    Complete,
    /// It came to its end, but something is missing; the problems say what.
    Incomplete,
    /// It was told to stop, and can go on.
    Interrupted,
    /// It could not go on.
    Failed,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Outcome::Complete => "complete",
            Outcome::Incomplete => "incomplete",
            Outcome::Interrupted => "interrupted",
            Outcome::Failed => "failed",
        })
    }
}

/// The report of a run, as `--report` writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the site.
    pub site: Box<str>,
    /// Id of the sweep, as the ledger has it. Nothing where the run could not begin.
    pub sweep: Option<Box<str>>,
    /// How the run ended.
    pub outcome: Outcome,
    /// Whether an earlier run of the same sweep went before.
    pub resumed: bool,
    /// When the run began.
    pub started_at: Timestamp,
    /// How long it took, in seconds.
    pub elapsed_s: f64,
    /// What was asked of the site.
    pub requests: Requests,
    /// What the list said.
    pub index: Index,
    /// What became of the items.
    pub items: Items,
    /// What the store did.
    pub store: Writes,
    /// Digest of the rules by which pages were read.
    #[serde(default)]
    pub rules: Box<str>,
    /// On how many pages each field of the documents was found.
    #[serde(default)]
    pub fields: Fields,
    /// Categories whose lists were not there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<Box<str>>,
    /// What the user should know, in sentences.
    pub problems: Vec<String>,
}

/// What was asked of the site.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Requests made, redirects and retries included.
    pub total: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Answers that led elsewhere.
    pub redirected: u64,
    /// Answers without a body, since nothing had changed.
    pub not_modified: u64,
    /// Tasks given up.
    pub failed: u64,
    /// Bytes of bodies, decoded.
    pub bytes: u64,
    /// Characters of pages that meant nothing in their encoding, or were half of one, and stand as
    /// U+FFFD in what was kept.
    #[serde(default)]
    pub replaced: u64,
    /// Time to the end of the body in milliseconds: half of the requests took no longer.
    pub p50_ms: f64,
    /// … 95 of 100 …
    pub p95_ms: f64,
    /// … 99 of 100 took no longer.
    pub p99_ms: f64,
}

/// What the list said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Index pages read.
    pub pages: u64,
    /// How many items the list says there are.
    pub declared: Option<u64>,
    /// Distinct keys listed, and items without a key.
    pub listed: u64,
    /// How often the list was walked.
    pub passes: u32,
}

/// What became of the items. The fields add up to [`Index::listed`], but for `gone` and `unlisted`,
/// which were not listed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Items {
    /// Not in the store before.
    pub new: u64,
    /// In the store, with another document.
    pub changed: u64,
    /// In the store, with the very document.
    pub same: u64,
    /// Not asked for, because fetched recently.
    pub skipped: u64,
    /// Listed, but its page is not there.
    pub missing: u64,
    /// Given up.
    pub failed: u64,
    /// Marked gone.
    pub gone: u64,
    /// In the store and not listed, but not gone: their own pages are still there, or could not be
    /// asked for.
    #[serde(default)]
    pub unlisted: u64,
}

/// What the store did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Writes {
    /// Batches written.
    pub batches: u64,
    /// Documents written; those that are the same are not.
    pub written: u64,
    /// Calls to the store that were made again.
    pub retries: u64,
    /// How long the store was waited for, in seconds.
    pub blocked_s: f64,
}

/// Seconds rounded to milliseconds.
pub fn millis(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
