//! The ledgers of all sites in an SQLite file, on a read-only connection.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, Result};

use super::{database, error, failures, ledger, schema};
use crate::store::ledgers::{FailureCounts, Ledgers, SiteId, merged};
use crate::store::thread::{Ended, Owner};
use crate::store::{KeptFailure, StoreError};
use crate::sweep::LedgerEntry;

const SITES: &str =
    "SELECT DISTINCT site, collection FROM gleaner_sweeps ORDER BY site, collection";

/// The ledgers in an SQLite file.
pub struct SqliteLedgers {
    connection: Owner<Connection>,
    path: Box<Path>,
    /// Device and number of the file that is open.
    file: (u64, u64),
}

/// Returns the device and the number of the file at `path`.
fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl SqliteLedgers {
    /// Opens the file at `path` for reading.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a database.
    pub async fn open(path: &Path) -> Result<SqliteLedgers, StoreError> {
        let failed =
            |why: String| StoreError::Failed(format!("{} cannot be opened: {why}", path.display()));
        let identity = identity(path).map_err(|error| failed(error.to_string()))?;
        let file = path.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            let connection = database::reader(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let bridged = schema::bridge(&connection);
            bridged.map_err(|error| error::explain_opening(&file, &error))?;
            Ok(connection)
        });
        let connection = opening.await.map_err(|error| failed(error.to_string()))??;
        let connection = Owner::of(connection, "gleaner-ledgers");
        let connection = connection.map_err(|error| failed(error.to_string()))?;
        Ok(SqliteLedgers { connection, path: path.into(), file: identity })
    }

    async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Connection) -> Result<R> + Send + 'static,
    ) -> Result<R, StoreError> {
        match self.connection.run(move |connection| look(connection)).await {
            Ok(found) => found.map_err(|error| error::explain(&self.path, &error)),
            Err(Ended) => Err(StoreError::Failed(format!("{} is closed", self.path.display()))),
        }
    }
}

#[async_trait]
impl Ledgers for SqliteLedgers {
    async fn sites(&self) -> Result<Vec<SiteId>, StoreError> {
        // A deleted file that is still open would answer for ever, and nothing in it would change.
        if identity(&self.path).ok() != Some(self.file) {
            let path = self.path.display();
            return Err(StoreError::Unavailable(format!("{path} was deleted or replaced")));
        }
        self.look(|connection| {
            let mut statement = connection.prepare_cached(SITES)?;
            let site =
                |row: &rusqlite::Row<'_>| Ok(SiteId { site: row.get(0)?, collection: row.get(1)? });
            statement.query_map([], site)?.collect()
        })
        .await
    }

    async fn entries(&self, site: &SiteId, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let place = site.place();
        self.look(move |connection| {
            let latest = ledger::sweeps(connection, &place, most)?;
            Ok(merged(latest, ledger::whole(connection, &place, most)?))
        })
        .await
    }

    async fn entry(&self, site: &SiteId, id: &str) -> Result<Option<LedgerEntry>, StoreError> {
        let (place, id) = (site.place(), Box::<str>::from(id));
        self.look(move |connection| ledger::sweep(connection, &place, &id)).await
    }

    async fn failures(&self, site: &SiteId, most: usize) -> Result<Vec<KeptFailure>, StoreError> {
        let place = site.place();
        self.look(move |connection| Ok(failures::read(connection, &place, None, most)?.found)).await
    }

    async fn failure_counts(&self, site: &SiteId) -> Result<FailureCounts, StoreError> {
        let place = site.place();
        self.look(move |connection| failures::counts(connection, &place)).await
    }
}
