//! What is reported of a run: how it ended, and what it counted.
//!
//! These are values; [`Metrics`](crate::observe::metrics::Metrics) counts, and
//! [`SweepEntry::end`](crate::sweep::SweepEntry::end) makes the report.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Coverage of each field, by name.
pub type Fields = BTreeMap<Box<str>, Coverage>;

/// The number of pages on which a field was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Number of pages read.
    pub pages: u64,
    /// Number of pages that had the field.
    pub found: u64,
    /// Number of pages that had the field's most frequent value, as far as a sample of many pages
    /// tells. Rather too low if the field has many values; 0 if that is not known.
    #[serde(default)]
    pub top: u64,
}

impl Coverage {
    /// Returns true if nearly all pages had the field: over 90 %.
    pub fn is_usual(self) -> bool {
        self.found * 10 > self.pages * 9
    }
}

/// A finding about the site that a later reader of the ledger acts on, beside the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// The site refused requests until the run gave up.
    Blocked,
    /// Usual fields are on none of the first pages, so that no document was replaced.
    Redesigned,
    /// Items left the list, but it is not proven that they are gone: none was marked.
    GoneRefused,
}

/// The outcome of a run of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Everything listed was fetched and stored, and the list adds up.
    Complete,
    /// The sweep reached its end, but something is missing; the problems say what.
    Incomplete,
    /// The run was stopped, and can be resumed.
    Interrupted,
    /// The run ended with an error.
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

/// How much of a site a sweep covers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WrittenKind", from = "WrittenKind")]
pub enum Kind {
    /// The whole site. Only such a sweep can tell what left the site, and only such sweeps are compared
    /// with one another.
    #[default]
    Full,
    /// A part that the user chose: some pages, some items, or what had failed.
    Limited,
    /// The items that changed since this time, as far as the site or the parent's items tell it.
    Partial {
        /// Start of the last complete sweep, less the overlap.
        since: Timestamp,
    },
}

/// A kind as it is stored and reported. For programs that do not know partial sweeps, such a sweep
/// is limited: they never resume it, nor compare a full one with it.
#[derive(Serialize, Deserialize)]
struct WrittenKind {
    #[serde(skip_deserializing)]
    kind: &'static str,
    limited: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
}

impl Kind {
    /// Returns the kind of a sweep with these stored values.
    pub fn stored(limited: bool, since: Option<Timestamp>) -> Kind {
        match (limited, since) {
            (_, Some(since)) => Kind::Partial { since },
            (true, None) => Kind::Limited,
            (false, None) => Kind::Full,
        }
    }

    /// Returns the name of the kind, in one word.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Full => "full",
            Kind::Limited => "limited",
            Kind::Partial { .. } => "partial",
        }
    }

    /// Returns the time since which a partial sweep covers what changed, or `None` for other kinds.
    pub fn since(self) -> Option<Timestamp> {
        match self {
            Kind::Partial { since } => Some(since),
            Kind::Full | Kind::Limited => None,
        }
    }
}

impl From<Kind> for WrittenKind {
    fn from(kind: Kind) -> WrittenKind {
        WrittenKind { kind: kind.name(), limited: kind != Kind::Full, since: kind.since() }
    }
}

impl From<WrittenKind> for Kind {
    fn from(written: WrittenKind) -> Kind {
        Kind::stored(written.limited, written.since)
    }
}

/// The report of a run, as `--report` writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the site.
    pub site: Box<str>,
    /// Id of the sweep in the ledger, or `None` if the run could not begin.
    pub sweep: Option<Box<str>>,
    /// Outcome of the run.
    pub outcome: Outcome,
    /// True if the run resumed a sweep.
    pub resumed: bool,
    /// Time at which the run began.
    pub started_at: Timestamp,
    /// Duration of the run, in seconds.
    pub elapsed_s: f64,
    /// Counters of requests to the site.
    pub requests: Requests,
    /// Counters of the list.
    pub index: Index,
    /// Counters of the items, by result.
    pub items: Items,
    /// Counters of writes to the store.
    pub store: Writes,
    /// Results that later sweeps are compared with.
    #[serde(flatten)]
    pub baseline: Baseline,
    /// Problems to report to the user, as sentences.
    pub problems: Vec<String>,
}

/// Results of a sweep that later sweeps are compared with, to notice a site that changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Kind of the sweep, or `None` if no sweep began, or an earlier version reported it. Only full
    /// sweeps are compared.
    #[serde(flatten)]
    pub kind: Option<Kind>,
    /// Digest of the extraction rules.
    #[serde(default)]
    pub rules: Box<str>,
    /// Number of pages on which each field of the documents was found.
    #[serde(default)]
    pub fields: Fields,
    /// Categories whose lists were not there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub absent: BTreeSet<Box<str>>,
    /// Findings about the site.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub findings: BTreeSet<Finding>,
}

/// Numbers of requests by their answers, redirects and retries included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// Statuses from 200 to 299.
    #[serde(rename = "2xx")]
    pub success: u64,
    /// Statuses from 300 to 399: redirects, and "not modified".
    #[serde(rename = "3xx")]
    pub redirect: u64,
    /// Statuses from 400 to 499.
    #[serde(rename = "4xx")]
    pub refused: u64,
    /// Statuses from 500 on.
    #[serde(rename = "5xx")]
    pub broken: u64,
    /// No answer: no connection, a timeout, or a connection that broke off.
    pub none: u64,
}

/// Counters of requests to the site.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Requests {
    /// Number of requests, including redirects and retries.
    pub total: u64,
    /// Number of attempts after the first.
    pub retried: u64,
    /// Number of redirects.
    pub redirected: u64,
    /// Number of "not modified" responses, which have no body.
    pub not_modified: u64,
    /// Number of tasks given up.
    #[serde(default)]
    pub given_up: u64,
    /// The same number under its old name. The next version drops it.
    #[serde(default)]
    pub failed: u64,
    /// Number of requests by their answers.
    #[serde(default)]
    pub answers: Answers,
    /// Number of bytes in bodies, decoded.
    pub bytes: u64,
    /// Number of characters replaced by U+FFFD because their bytes are invalid or incomplete.
    #[serde(default)]
    pub replaced: u64,
    /// Median time from a request to the end of its body, in milliseconds.
    pub p50_ms: f64,
    /// 95th percentile of that time, in milliseconds.
    pub p95_ms: f64,
    /// 99th percentile of that time, in milliseconds.
    pub p99_ms: f64,
}

/// Counters of files that items name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Number of files that were downloaded and stored.
    pub stored: u64,
    /// Number of files that the site said are unchanged.
    pub unchanged: u64,
    /// Number of bytes in the downloaded files.
    pub bytes: u64,
}

impl Files {
    /// Returns true if there were no files.
    pub fn is_empty(&self) -> bool {
        *self == Files::default()
    }
}

/// Counters of the list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Number of index pages read.
    pub pages: u64,
    /// Number of items that the list declares, or `None` if it declares none.
    pub declared: Option<u64>,
    /// Number of distinct keys listed, plus items without a key.
    pub listed: u64,
    /// Number of passes over the list.
    pub passes: u32,
}

/// Counters of the items, by result. They add up to [`Index::listed`], except `gone` and
/// `unlisted`, whose items were not listed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Items {
    /// Number of items that were not in the store.
    pub new: u64,
    /// Number of items whose document changed.
    pub changed: u64,
    /// Number of items whose document is unchanged.
    pub same: u64,
    /// Number of items not requested because they were fetched recently.
    pub skipped: u64,
    /// Number of listed items whose page does not exist.
    pub missing: u64,
    /// Number of items given up.
    pub failed: u64,
    /// Number of items marked gone.
    pub gone: u64,
    /// Number of stored items that are no longer listed and not gone: their pages still exist, or
    /// could not be requested.
    #[serde(default)]
    pub unlisted: u64,
}

impl Index {
    /// Returns the number of items that are expected, as far as is known: what the list declares, or
    /// the number listed if that is larger.
    pub fn expected(&self) -> u64 {
        self.declared.unwrap_or(0).max(self.listed)
    }
}

impl Items {
    /// Returns the number of listed items that are done, with success or without.
    pub fn settled(&self) -> u64 {
        let Items { new, changed, same, skipped, missing, failed, gone: _, unlisted: _ } = self;
        new + changed + same + skipped + missing + failed
    }
}

/// Counters of writes to the store.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Writes {
    /// Number of batches written.
    pub batches: u64,
    /// Number of documents written; unchanged ones are not written.
    pub written: u64,
    /// Number of retried calls to the store.
    pub retries: u64,
    /// Files that items name.
    #[serde(default, skip_serializing_if = "Files::is_empty")]
    pub files: Files,
    /// Time spent waiting for the store, in seconds.
    #[serde(default)]
    pub waited_s: f64,
    /// The same time under its old name. The next version drops it.
    #[serde(default)]
    pub blocked_s: f64,
}

/// Rounds seconds to milliseconds.
pub fn millis(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
