//! MarkSql items without writing their documents: seen, not listed, gone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Result, params};

use super::paged::{KEYS_AT_ONCE, Paged, list};
use super::row::{self, time};
use crate::model::record::{Fetched, Key, PageVersion, Provenance, Seen};
use crate::store::{Live, Position, Rows};

/// Statements on the collection's table. Except for `keys` and `count`, the first parameter is a
/// JSON list of keys. The docs of the fields name the further ones.
pub struct MarkSql {
    /// Parameters: time.
    seen: String,
    /// Parameters: time, sweep, rules.
    fetched: String,
    /// Parameters: rules.
    taken_over: String,
    /// Parameters: ETag, Last-Modified, revision.
    versions: String,
    absent: String,
    keys: Paged,
    live: String,
    count: String,
    /// Parameters: time.
    unlisted: String,
    /// Parameters: time.
    gone: String,
}

impl MarkSql {
    /// Creates the statements for a table, whose name is quoted.
    pub fn on(table: &str) -> MarkSql {
        let keys = "key IN (SELECT value FROM json_each(?1))";
        // Documents marked gone keep their mark and its reason until they are stored again.
        let unless_gone = |column: &str, value: &str| {
            format!("{column} = CASE WHEN gone_at IS NULL THEN {value} ELSE {column} END")
        };
        let listed = format!("seen_at = ?2, {}", unless_gone("unlisted_at", "NULL"));
        let sweep = unless_gone("sweep", "?3");
        let rules = unless_gone("rules", "?4");
        let fetched_at = unless_gone("fetched_at", "?2");
        MarkSql {
            seen: format!("UPDATE {table} SET {listed} WHERE {keys}"),
            // One statement, because each update rewrites the row's page.
            fetched: format!(
                "UPDATE {table} SET {listed}, {sweep}, {rules}, {fetched_at} WHERE {keys}"
            ),
            taken_over: format!("UPDATE {table} SET rules = ?2 WHERE {keys} AND gone_at IS NULL"),
            versions: format!(
                "UPDATE {table} SET etag = ?2, last_modified = ?3, revision = ?4 \
                 WHERE {keys} AND gone_at IS NULL"
            ),
            absent: format!(
                "SELECT value FROM json_each(?1) WHERE NOT EXISTS \
                   (SELECT 1 FROM {table} WHERE key = value AND gone_at IS NULL)"
            ),
            keys: Paged::of(table, "key"),
            live: format!(
                "SELECT key, unlisted_at, first_seen, url, changed_at FROM {table} \
                 WHERE {keys} AND gone_at IS NULL"
            ),
            count: format!("SELECT count(*) FROM {table} WHERE gone_at IS NULL"),
            unlisted: format!(
                "UPDATE {table} SET unlisted_at = ?2 WHERE {keys} AND unlisted_at IS NULL"
            ),
            gone: format!(
                "UPDATE {table} SET gone_at = ?2 WHERE {keys} AND (gone_at IS NULL OR gone_at = ?2)"
            ),
        }
    }

    /// Implements [`crate::store::Documents::mark_seen`].
    pub fn mark_seen(
        &self,
        connection: &Connection,
        provenance: &Provenance,
        seen: &[Seen],
    ) -> Result<Vec<Key>> {
        let mut absent = Vec::new();
        for seen in seen.chunks(KEYS_AT_ONCE) {
            let (fetched, skipped): (Vec<&Seen>, Vec<&Seen>) = seen
                .iter()
                .partition(|seen| !matches!(seen.fetched, None | Some(Fetched::TakenOver)));
            self.mark_skipped(connection, provenance, &skipped)?;
            self.mark_fetched(connection, provenance, &fetched)?;
            let keys = list(seen.iter().map(|seen| &seen.key));
            let mut statement = connection.prepare_cached(&self.absent)?;
            for key in statement.query_map([keys], row::key)? {
                absent.push(key?);
            }
        }
        Ok(absent)
    }

    /// MarkSql items that were not fetched.
    fn mark_skipped(
        &self,
        connection: &Connection,
        provenance: &Provenance,
        skipped: &[&Seen],
    ) -> Result<()> {
        let taken_over = skipped.iter().filter(|seen| seen.fetched.is_some());
        let taken_over: Vec<&Key> = taken_over.map(|seen| &seen.key).collect();
        if !taken_over.is_empty() {
            let values = (list(taken_over), &provenance.rules);
            connection.prepare_cached(&self.taken_over)?.execute(values)?;
        }
        if let Some(last) = skipped.iter().map(|seen| seen.at).max() {
            let keys = list(skipped.iter().map(|seen| &seen.key));
            connection.prepare_cached(&self.seen)?.execute((keys, time(last)))?;
        }
        Ok(())
    }

    /// MarkSql items that were fetched and are unchanged. One statement covers all items of a page
    /// version.
    fn mark_fetched(
        &self,
        connection: &Connection,
        provenance: &Provenance,
        fetched: &[&Seen],
    ) -> Result<()> {
        let Some(last) = fetched.iter().map(|seen| seen.at).max() else { return Ok(()) };
        let keys = list(fetched.iter().map(|seen| &seen.key));
        let values = (keys, time(last), &provenance.sweep, &provenance.rules);
        connection.prepare_cached(&self.fetched)?.execute(values)?;
        let mut alike: BTreeMap<&PageVersion, Vec<&Key>> = BTreeMap::new();
        for seen in fetched {
            if let Some(Fetched::With(version)) = &seen.fetched {
                alike.entry(version).or_default().push(&seen.key);
            }
        }
        for (PageVersion { revision, etag, last_modified }, keys) in alike {
            let values = params![list(keys), etag, last_modified, revision];
            connection.prepare_cached(&self.versions)?.execute(values)?;
        }
        Ok(())
    }

    /// Implements [`crate::store::Documents::keys`].
    pub fn keys(
        &self,
        connection: &Connection,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<Key>> {
        self.keys.page(connection, after, most, row::normal_key)
    }

    /// Implements [`crate::store::Documents::live`].
    pub fn live(&self, connection: &Connection, keys: &[Key]) -> Result<Vec<Live>> {
        let mut statement = connection.prepare_cached(&self.live)?;
        let live = |row: &rusqlite::Row<'_>| {
            Ok(Live {
                key: row::key(row)?,
                unlisted_at: row::parsed(row, 1)?,
                first_seen: row::parsed(row, 2)?,
                url: row.get(3)?,
                changed_at: row::parsed(row, 4)?,
            })
        };
        statement.query_map([list(keys)], live)?.collect()
    }

    /// Implements [`crate::store::Documents::count_live`].
    pub fn count_live(&self, connection: &Connection) -> Result<u64> {
        let mut statement = connection.prepare_cached(&self.count)?;
        statement.query_row([], |row| row.get(0)).map(i64::unsigned_abs)
    }

    /// Implements [`crate::store::Documents::mark_unlisted`].
    pub fn mark_unlisted(
        &self,
        connection: &Connection,
        keys: &[Key],
        at: Timestamp,
    ) -> Result<()> {
        mark(connection, &self.unlisted, keys, at).map(drop)
    }

    /// Implements [`crate::store::Documents::mark_gone`].
    pub fn mark_gone(&self, connection: &Connection, keys: &[Key], at: Timestamp) -> Result<u64> {
        mark(connection, &self.gone, keys, at)
    }
}

/// Runs a statement that marks items since `at`. Returns the number of items that it changed.
fn mark(connection: &Connection, sql: &str, keys: &[Key], at: Timestamp) -> Result<u64> {
    let mut marked = 0;
    for keys in keys.chunks(KEYS_AT_ONCE) {
        marked += connection.prepare_cached(sql)?.execute((list(keys), time(at)))? as u64;
    }
    Ok(marked)
}

#[cfg(test)]
mod tests {
    use super::super::database::tests::{opened, plan};
    use super::*;

    #[test]
    fn documents_are_found_by_their_index() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database) = opened(&folder);
        let MarkSql {
            seen, fetched, taken_over, versions, absent, keys, live, unlisted, gone, ..
        } = &database.table.marks;
        for sql in [seen, fetched, taken_over, versions, absent, &keys.next, live, unlisted, gone] {
            let plan = plan(&database, sql);
            assert!(plan.contains("SEARCH books USING"), "{sql}: {plan}");
            assert!(!plan.contains("SCAN books") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
        for sql in [&keys.first, &keys.next] {
            assert!(plan(&database, sql).contains("COVERING INDEX"), "no row is read");
        }
    }
}
