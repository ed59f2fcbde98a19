//! The earlier sweep that a sweep is compared with.

use std::collections::BTreeSet;

use crate::engine::error::CrawlError;
use crate::model::report::{Fields, Report};
use crate::store::Store;

/// Complete sweeps among which the last one by the same rules is looked for.
const SWEEPS: usize = 5;

/// Facts about earlier complete sweeps over the whole site. Empty if there was none, or if the sweep
/// is not to be compared.
#[derive(Debug, Default)]
pub struct EarlierSweep {
    /// Number of items that the last one listed.
    pub listed: Option<u64>,
    /// Share of the requests that were redirected in it.
    pub redirected: Option<f64>,
    /// Categories whose lists were not there in it.
    pub absent: Option<BTreeSet<Box<str>>>,
    /// Fields that the last one by the same rules found in documents.
    pub fields: Option<Fields>,
}

impl EarlierSweep {
    /// Reads what the store's ledger says. `rules` is the digest of the rules of this sweep.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn read(store: &dyn Store, rules: &str) -> Result<EarlierSweep, CrawlError> {
        let whole = store.whole_sweeps(SWEEPS).await?.into_iter();
        let whole: Vec<Report> = whole.filter_map(|entry| entry.report).collect();
        let last = whole.first();
        let listed = last.map(|it| it.index.listed);
        let redirected =
            last.map(|it| it.requests.redirected as f64 / it.requests.total.max(1) as f64);
        let absent = last.map(|it| it.baseline.absent.clone());
        let mut baselines = whole.into_iter().map(|it| it.baseline);
        let comparable = baselines.find(|it| *it.rules == *rules && !it.fields.is_empty());
        Ok(EarlierSweep { listed, redirected, absent, fields: comparable.map(|it| it.fields) })
    }
}
