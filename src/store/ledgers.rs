//! The ledgers of all sites in a store, read by a process that crawls none of them.
//!
//! Reading changes nothing: no table is created or upgraded, and no lock is taken.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{KeptFailure, Place, StoreError};
use crate::sweep::{LedgerEntry, SweepEntry};

/// Numbers of failures, by reason.
pub type FailureCounts = BTreeMap<Box<str>, u64>;

/// A site, and the collection of its items.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SiteId {
    /// Name of the site.
    pub site: Box<str>,
    /// Name of the collection or table.
    pub collection: Box<str>,
}

/// The ledgers in a store. Every call sees the latest entries.
#[async_trait]
pub trait Ledgers: Send + Sync {
    /// Returns the sites that have entries, ordered by name.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried, or is not the one that was opened: it must be
    /// opened again.
    async fn sites(&self) -> Result<Vec<SiteId>, StoreError>;

    /// Returns the latest `most` entries of a site and, however many came after them, its latest
    /// `most` complete full sweeps, the newest first.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn entries(&self, site: &SiteId, most: usize) -> Result<Vec<LedgerEntry>, StoreError>;

    /// Returns the entry of a site with this id, or `None` if there is none.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn entry(&self, site: &SiteId, id: &str) -> Result<Option<LedgerEntry>, StoreError>;

    /// Returns at most `most` failures of a site, ordered by page.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn failures(&self, site: &SiteId, most: usize) -> Result<Vec<KeptFailure>, StoreError>;

    /// Returns the number of failures of a site by their reasons.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn failure_counts(&self, site: &SiteId) -> Result<FailureCounts, StoreError>;
}

impl SiteId {
    /// Returns the place of the site in its store.
    pub(super) fn place(&self) -> Place {
        let SiteId { site, collection } = self.clone();
        Place { site, collection, key_field: None, adopt: false }
    }
}

/// Adds complete sweeps to the latest entries, and returns all, the newest first.
pub(super) fn merged(mut latest: Vec<LedgerEntry>, whole: Vec<SweepEntry>) -> Vec<LedgerEntry> {
    let known: HashSet<Box<str>> = latest.iter().map(|it| it.entry.id.clone()).collect();
    let older = whole.into_iter().filter(|entry| !known.contains(&entry.id));
    latest.extend(older.map(|entry| LedgerEntry { entry, silent_for: None, progress: None }));
    latest.sort_by(|a, b| (b.entry.fence, &b.entry.id).cmp(&(a.entry.fence, &a.entry.id)));
    latest
}
