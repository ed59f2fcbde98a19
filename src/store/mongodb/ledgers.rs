//! The ledgers of all sites in a MongoDB database.

use async_trait::async_trait;
use bson::doc;

use super::{Connection, LONGEST_CALL, OPENING, failures, ledger};
use crate::model::text::secret::Secret;
use crate::store::ledgers::{FailureCounts, Ledgers, SiteId, merged};
use crate::store::{KeptFailure, StoreError};
use crate::sweep::LedgerEntry;

/// The ledgers in a MongoDB database.
pub struct MongodbLedgers {
    connection: Connection,
}

impl MongodbLedgers {
    /// Connects to the database. Nothing is written.
    ///
    /// # Errors
    /// Returns an error if the server cannot be reached within 5 s.
    pub async fn open(uri: &Secret) -> Result<MongodbLedgers, StoreError> {
        let late = |_| StoreError::Unavailable(format!("{uri} does not answer in time"));
        let connection =
            tokio::time::timeout(OPENING, Connection::open(uri)).await.map_err(late)??;
        Ok(MongodbLedgers { connection })
    }
}

#[async_trait]
impl Ledgers for MongodbLedgers {
    async fn sites(&self) -> Result<Vec<SiteId>, StoreError> {
        let id = doc! { "site": "$site", "collection": "$collection" };
        let pipeline = vec![
            doc! { "$group": { "_id": id } },
            doc! { "$sort": { "_id.site": 1, "_id.collection": 1 } },
        ];
        let found = self.connection.aggregate(LONGEST_CALL, ledger::SWEEPS, pipeline).await?;
        let site = |found: &bson::Document| {
            let id = found.get_document("_id").ok()?;
            let name = |key| id.get_str(key).ok().map(Box::from);
            Some(SiteId { site: name("site")?, collection: name("collection")? })
        };
        Ok(found.iter().filter_map(site).collect())
    }

    async fn entries(&self, site: &SiteId, most: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        let place = site.place();
        let latest = ledger::sweeps(&self.connection, &place, most).await?;
        Ok(merged(latest, ledger::whole(&self.connection, &place, most).await?))
    }

    async fn entry(&self, site: &SiteId, id: &str) -> Result<Option<LedgerEntry>, StoreError> {
        ledger::sweep(&self.connection, &site.place(), id).await
    }

    async fn failures(&self, site: &SiteId, most: usize) -> Result<Vec<KeptFailure>, StoreError> {
        Ok(failures::read(&self.connection, &site.place(), None, most).await?.found)
    }

    async fn failure_counts(&self, site: &SiteId) -> Result<FailureCounts, StoreError> {
        failures::counts(&self.connection, &site.place()).await
    }
}
