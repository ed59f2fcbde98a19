//! The ledgers of a folder of SQLite files, one for each site: `NAME.db` holds the site NAME.
//!
//! A file is open only while it is read, however many there are.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::SqliteLedgers;
use crate::store::ledgers::{FailureCounts, Ledgers, SiteId};
use crate::store::{KeptFailure, StoreError};
use crate::sweep::LedgerEntry;

/// Ending of the files' names.
const ENDING: &str = "db";

/// A folder of SQLite files.
pub struct SqliteFolder {
    path: Box<Path>,
}

impl SqliteFolder {
    /// Creates the folder at `path`, which need not exist yet.
    pub fn new(path: &Path) -> SqliteFolder {
        SqliteFolder { path: path.into() }
    }

    /// Opens the file of a site, or returns `None` if there is none.
    async fn open(&self, site: &str) -> Result<Option<SqliteLedgers>, StoreError> {
        let path = self.path.join(format!("{site}.{ENDING}"));
        if path.exists() { SqliteLedgers::open(&path).await.map(Some) } else { Ok(None) }
    }
}

#[async_trait]
impl Ledgers for SqliteFolder {
    async fn sites(&self) -> Result<Vec<SiteId>, StoreError> {
        let names = match names(&self.path) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                let message = format!("{} cannot be read: {error}", self.path.display());
                return Err(StoreError::Failed(message));
            }
        };
        let mut sites = Vec::new();
        for name in names {
            let Some(file) = self.open(&name).await? else { continue };
            sites.extend(file.sites().await?.into_iter().filter(|id| *id.site == *name));
        }
        Ok(sites)
    }

    async fn entries(&self, site: &SiteId, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        match self.open(&site.site).await? {
            Some(file) => file.entries(site, most).await,
            None => Ok(Vec::new()),
        }
    }

    async fn entry(&self, site: &SiteId, id: &str) -> Result<Option<LedgerEntry>, StoreError> {
        match self.open(&site.site).await? {
            Some(file) => file.entry(site, id).await,
            None => Ok(None),
        }
    }

    async fn failures(&self, site: &SiteId, most: usize) -> Result<Vec<KeptFailure>, StoreError> {
        match self.open(&site.site).await? {
            Some(file) => file.failures(site, most).await,
            None => Ok(Vec::new()),
        }
    }

    async fn failure_counts(&self, site: &SiteId) -> Result<FailureCounts, StoreError> {
        match self.open(&site.site).await? {
            Some(file) => file.failure_counts(site).await,
            None => Ok(FailureCounts::new()),
        }
    }
}

/// Returns the names of the sites that have a file, in order.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
    }
    names.sort_unstable();
    Ok(names)
}
