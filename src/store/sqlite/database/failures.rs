//! `gleaner_failures`: pages that were given up, one entry per page.

use rusqlite::{Error, Row, params};

use super::{Database, KEYS_AT_ONCE, Result, begin_held, collect};
use crate::model::failure::{Failure, PageId};
use crate::model::record::Provenance;
use crate::store::sqlite::error::Fault;
use crate::store::sqlite::row::{required_time, time};
use crate::store::{KeptFailure, Place, Position, Rows};

/// Parameters: site, collection, kind, page, then the failure's columns in order, with one time.
const KEEP: &str = "INSERT INTO gleaner_failures (site, collection, kind, page, url, \
     reason, message, status, attempts, sample, first_at, last_at, sweep) \
   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12) \
   ON CONFLICT (site, collection, kind, page) DO UPDATE SET url = excluded.url, \
     reason = excluded.reason, message = excluded.message, status = excluded.status, \
     attempts = excluded.attempts, sample = excluded.sample, last_at = excluded.last_at, \
     sweep = excluded.sweep";
/// Parameters: site, collection, JSON list of pairs of kind and page.
const CLEAR: &str = "DELETE FROM gleaner_failures WHERE site = ?1 AND collection = ?2 \
   AND (kind, page) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?3))";
/// Parameters: site, collection, limit.
const READ: &str = "SELECT kind, page, url, reason, message, status, attempts, sample, first_at, \
     last_at, sweep FROM gleaner_failures WHERE site = ?1 AND collection = ?2 \
     ORDER BY kind, page LIMIT ?3";
/// Parameters: site, collection, kind, page, limit.
const READ_ON: &str = "SELECT kind, page, url, reason, message, status, attempts, sample, first_at, \
     last_at, sweep FROM gleaner_failures WHERE site = ?1 AND collection = ?2 \
     AND (kind, page) > (?3, ?4) ORDER BY kind, page LIMIT ?5";

impl Database {
    /// Implements [`crate::store::Store::keep_failures`].
    pub fn keep_failures(
        &mut self,
        provenance: &Provenance,
        failures: &[Failure],
    ) -> Result<(), Fault> {
        let Place { site, collection, .. } = &self.place;
        let transaction = begin_held(&mut self.connection, self.held.as_ref())?;
        for failure in failures {
            let PageId { kind, name } = failure.id();
            let Failure { url, reason, message, status, attempts, sample, at, .. } = failure;
            transaction.prepare_cached(KEEP)?.execute(params![
                site,
                collection,
                kind,
                name,
                url,
                reason,
                message,
                status,
                attempts,
                sample,
                time(*at),
                provenance.sweep,
            ])?;
        }
        Ok(transaction.commit()?)
    }

    /// Implements [`crate::store::Store::clear_failures`].
    pub fn clear_failures(&mut self, pages: &[PageId]) -> Result<(), Fault> {
        let Place { site, collection, .. } = &self.place;
        let transaction = begin_held(&mut self.connection, self.held.as_ref())?;
        for pages in pages.chunks(KEYS_AT_ONCE) {
            let pairs = pages.iter().map(|page| vec![&*page.kind, &*page.name]);
            let pairs: serde_json::Value = pairs.collect();
            transaction.prepare_cached(CLEAR)?.execute((site, collection, pairs.to_string()))?;
        }
        Ok(transaction.commit()?)
    }

    /// Implements [`crate::store::Store::failures`].
    pub fn failures(&self, after: Option<&Position>, most: usize) -> Result<Rows<KeptFailure>> {
        let Place { site, collection, .. } = &self.place;
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        let sql = if after.is_some() { READ_ON } else { READ };
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = match after.map(Position::row) {
            Some([kind, page]) => statement.query(params![site, collection, kind, page, limit])?,
            _ => statement.query(params![site, collection, limit])?,
        };
        collect(&mut rows, most, 2, kept)
    }
}

/// Parses an entry, or returns `None` if another program wrote it and it cannot be parsed.
fn kept(row: &Row<'_>) -> Result<Option<KeptFailure>> {
    match read(row) {
        Err(Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..)) => Ok(None),
        kept => kept.map(Some),
    }
}

fn read(row: &Row<'_>) -> Result<KeptFailure> {
    Ok(KeptFailure {
        page: PageId { kind: row.get(0)?, name: row.get(1)? },
        url: row.get(2)?,
        reason: row.get(3)?,
        message: row.get(4)?,
        status: row.get(5)?,
        attempts: row.get(6)?,
        sample: row.get(7)?,
        first_at: required_time(row, 8)?,
        last_at: required_time(row, 9)?,
        sweep: row.get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{opened, plan};
    use super::*;

    #[test]
    fn failures_are_found_by_their_index() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database) = opened(&folder);
        for (sql, by) in [
            (CLEAR, "kind=? AND page=?"),
            (READ, "site=? AND collection=?"),
            (READ_ON, "(kind,page)>(?,?)"),
        ] {
            let plan = plan(&database, sql);
            assert!(plan.contains("SEARCH gleaner_failures USING") && plan.contains(by), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
