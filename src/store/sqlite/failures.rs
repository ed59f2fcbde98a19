//! `gleaner_failures`: pages that were given up, one entry per page.

use rusqlite::{Connection, Error, Result, Row, params};

use super::paged::{KEYS_AT_ONCE, collect, limit};
use super::row::{required_time, time};
use crate::model::failure::{Failure, PageId};
use crate::model::record::Provenance;
use crate::store::{FailureCounts, KeptFailure, Place, Position, Rows};

/// Parameters: site, collection, kind, page, then the failure's columns in order, with one time.
const KEEP: &str = "INSERT INTO gleaner_failures (site, collection, kind, page, url, \
     reason, message, status, attempts, sample, first_at, last_at, sweep) \
   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12) \
   ON CONFLICT (site, collection, kind, page) DO UPDATE SET url = excluded.url, \
     reason = excluded.reason, message = excluded.message, status = excluded.status, \
     attempts = excluded.attempts, sample = excluded.sample, last_at = excluded.last_at, \
     sweep = excluded.sweep";
/// Parameters: site, collection, kind, page, then the failure's columns in order.
const RESTORE: &str = "INSERT OR REPLACE INTO gleaner_failures (site, collection, kind, page, url, \
     reason, message, status, attempts, sample, first_at, last_at, sweep) \
   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
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

/// Parameters: site, collection.
const COUNTS: &str = "SELECT reason, count(*) FROM gleaner_failures WHERE site = ?1 \
     AND collection = ?2 GROUP BY reason";

/// Implements [`crate::store::Ledgers::failure_counts`].
pub fn counts(connection: &Connection, place: &Place) -> Result<FailureCounts> {
    let mut statement = connection.prepare_cached(COUNTS)?;
    let count = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs()));
    statement.query_map((&place.site, &place.collection), count)?.collect()
}

/// Implements [`crate::store::Failures::keep_failures`].
pub fn keep(
    connection: &Connection,
    place: &Place,
    provenance: &Provenance,
    failures: &[Failure],
) -> Result<()> {
    let Place { site, collection, .. } = place;
    for failure in failures {
        let PageId { kind, name } = failure.id();
        let Failure { url, reason, message, status, attempts, sample, at, .. } = failure;
        connection.prepare_cached(KEEP)?.execute(params![
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
    Ok(())
}

/// Implements [`crate::store::Restore::restore_failures`].
pub fn restore(connection: &Connection, place: &Place, failures: &[KeptFailure]) -> Result<()> {
    let Place { site, collection, .. } = place;
    for failure in failures {
        let PageId { kind, name } = &failure.page;
        connection.prepare_cached(RESTORE)?.execute(params![
            site,
            collection,
            kind,
            name,
            failure.url,
            failure.reason,
            failure.message,
            failure.status,
            failure.attempts,
            failure.sample,
            time(failure.first_at),
            time(failure.last_at),
            failure.sweep,
        ])?;
    }
    Ok(())
}

/// Implements [`crate::store::Failures::clear_failures`].
pub fn clear(connection: &Connection, place: &Place, pages: &[PageId]) -> Result<()> {
    let Place { site, collection, .. } = place;
    for pages in pages.chunks(KEYS_AT_ONCE) {
        let pairs = pages.iter().map(|page| vec![&*page.kind, &*page.name]);
        let pairs: serde_json::Value = pairs.collect();
        connection.prepare_cached(CLEAR)?.execute((site, collection, pairs.to_string()))?;
    }
    Ok(())
}

/// Implements [`crate::store::Failures::failures`].
pub fn read(
    connection: &Connection,
    place: &Place,
    after: Option<&Position>,
    most: usize,
) -> Result<Rows<KeptFailure>> {
    let Place { site, collection, .. } = place;
    let sql = if after.is_some() { READ_ON } else { READ };
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = match after.map(Position::row) {
        Some([kind, page]) => {
            statement.query(params![site, collection, kind, page, limit(most)])?
        }
        _ => statement.query(params![site, collection, limit(most)])?,
    };
    collect(&mut rows, most, 2, kept)
}

/// Parses an entry, or returns `None` if another program wrote it and it cannot be parsed.
fn kept(row: &Row<'_>) -> Result<Option<KeptFailure>> {
    match failure(row) {
        Err(Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..)) => Ok(None),
        kept => kept.map(Some),
    }
}

fn failure(row: &Row<'_>) -> Result<KeptFailure> {
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
    use super::super::database::tests::{opened, plan};
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
