//! Marks items without writing their documents: seen, not listed, gone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::params;

use super::{Database, KEYS_AT_ONCE, Result, begin_held, list};
use crate::model::record::{Fetched, Key, PageVersion, Provenance, Seen};
use crate::store::sqlite::error::Fault;
use crate::store::sqlite::row::{self, time};
use crate::store::sqlite::statements::Paged;
use crate::store::{Live, Position, Rows};

/// Statements on the collection's table. Except for `keys` and `count`, the first parameter is a
/// JSON list of keys. The docs of the fields name the further ones.
pub struct Marks {
    /// Parameters: time.
    seen: String,
    /// Parameters: time, sweep, rules.
    fetched: String,
    /// Parameters: rules.
    taken_over: String,
    /// Parameters: ETag, Last-Modified, revision.
    aged: String,
    absent: String,
    keys: Paged,
    live: String,
    count: String,
    /// Parameters: time.
    unlisted: String,
    /// Parameters: time.
    gone: String,
}

impl Marks {
    /// Creates the statements for a table, whose name is quoted.
    pub fn on(table: &str) -> Marks {
        let keys = "key IN (SELECT value FROM json_each(?1))";
        // Documents marked gone keep their mark and its reason until they are stored again.
        let unless_gone = |column: &str, value: &str| {
            format!("{column} = CASE WHEN gone_at IS NULL THEN {value} ELSE {column} END")
        };
        let listed = format!("seen_at = ?2, {}", unless_gone("unlisted_at", "NULL"));
        let sweep = unless_gone("sweep", "?3");
        let rules = unless_gone("rules", "?4");
        let fetched_at = unless_gone("fetched_at", "?2");
        Marks {
            seen: format!("UPDATE {table} SET {listed} WHERE {keys}"),
            // One statement, because each update rewrites the row's page.
            fetched: format!(
                "UPDATE {table} SET {listed}, {sweep}, {rules}, {fetched_at} WHERE {keys}"
            ),
            taken_over: format!("UPDATE {table} SET rules = ?2 WHERE {keys} AND gone_at IS NULL"),
            aged: format!(
                "UPDATE {table} SET etag = ?2, last_modified = ?3, revision = ?4 \
                 WHERE {keys} AND gone_at IS NULL"
            ),
            absent: format!(
                "SELECT value FROM json_each(?1) WHERE NOT EXISTS \
                   (SELECT 1 FROM {table} WHERE key = value AND gone_at IS NULL)"
            ),
            keys: Paged::of(table, "key"),
            live: format!(
                "SELECT key, unlisted_at, first_seen, url FROM {table} \
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
}

impl Database {
    /// Implements [`crate::store::Store::mark_seen`].
    pub fn mark_seen(&mut self, provenance: &Provenance, seen: &[Seen]) -> Result<Vec<Key>, Fault> {
        let transaction = begin_held(&mut self.connection, self.held.as_ref())?;
        let sql = &self.marks;
        let mut absent = Vec::new();
        for seen in seen.chunks(KEYS_AT_ONCE) {
            let (fetched, skipped): (Vec<&Seen>, Vec<&Seen>) = seen
                .iter()
                .partition(|seen| !matches!(seen.fetched, None | Some(Fetched::TakenOver)));
            let taken_over = skipped.iter().filter(|seen| seen.fetched.is_some());
            let taken_over: Vec<&Key> = taken_over.map(|seen| &seen.key).collect();
            if !taken_over.is_empty() {
                let values = (list(taken_over), &provenance.rules);
                transaction.prepare_cached(&sql.taken_over)?.execute(values)?;
            }
            if let Some(last) = skipped.iter().map(|seen| seen.at).max() {
                let keys = list(skipped.iter().map(|seen| &seen.key));
                transaction.prepare_cached(&sql.seen)?.execute((keys, time(last)))?;
            }
            if let Some(last) = fetched.iter().map(|seen| seen.at).max() {
                let keys = list(fetched.iter().map(|seen| &seen.key));
                let values = (keys, time(last), &provenance.sweep, &provenance.rules);
                transaction.prepare_cached(&sql.fetched)?.execute(values)?;
            }
            let mut alike: BTreeMap<&PageVersion, Vec<&Key>> = BTreeMap::new();
            for seen in fetched {
                if let Some(Fetched::With(version)) = &seen.fetched {
                    alike.entry(version).or_default().push(&seen.key);
                }
            }
            for (PageVersion { etag, last_modified, revision }, keys) in alike {
                let keys = list(keys);
                transaction.prepare_cached(&sql.aged)?.execute(params![
                    keys,
                    etag,
                    last_modified,
                    revision
                ])?;
            }
            let keys = list(seen.iter().map(|seen| &seen.key));
            let mut statement = transaction.prepare_cached(&sql.absent)?;
            for key in statement.query_map([keys], row::key)? {
                absent.push(key?);
            }
        }
        transaction.commit()?;
        Ok(absent)
    }

    /// Implements [`crate::store::Store::keys`].
    pub fn keys(&self, after: Option<&Position>, most: usize) -> Result<Rows<Key>> {
        self.page(&self.marks.keys, after, most, row::normal_key)
    }

    /// Implements [`crate::store::Store::live`].
    pub fn live(&self, keys: &[Key]) -> Result<Vec<Live>> {
        let mut statement = self.connection.prepare_cached(&self.marks.live)?;
        let live = |row: &rusqlite::Row<'_>| {
            Ok(Live {
                key: row::key(row)?,
                unlisted_at: row::parsed(row, 1)?,
                first_seen: row::parsed(row, 2)?,
                url: row.get(3)?,
            })
        };
        statement.query_map([list(keys)], live)?.collect()
    }

    /// Implements [`crate::store::Store::count_live`].
    pub fn count_live(&self) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(&self.marks.count)?;
        statement.query_row([], |row| row.get(0)).map(i64::unsigned_abs)
    }

    /// Implements [`crate::store::Store::mark_unlisted`].
    pub fn mark_unlisted(&mut self, keys: &[Key], at: Timestamp) -> Result<(), Fault> {
        let transaction = begin_held(&mut self.connection, self.held.as_ref())?;
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let mut statement = transaction.prepare_cached(&self.marks.unlisted)?;
            statement.execute((list(keys), time(at)))?;
        }
        Ok(transaction.commit()?)
    }

    /// Implements [`crate::store::Store::mark_gone`].
    pub fn mark_gone(&mut self, keys: &[Key], at: Timestamp) -> Result<u64, Fault> {
        let transaction = begin_held(&mut self.connection, self.held.as_ref())?;
        let mut marked = 0;
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let mut statement = transaction.prepare_cached(&self.marks.gone)?;
            marked += statement.execute((list(keys), time(at)))? as u64;
        }
        transaction.commit()?;
        Ok(marked)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{opened, plan};
    use super::*;

    #[test]
    fn documents_are_found_by_their_index() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database) = opened(&folder);
        let Marks { seen, fetched, taken_over, aged, absent, keys, live, count: _, unlisted, gone } =
            &database.marks;
        for sql in [seen, fetched, taken_over, aged, absent, &keys.next, live, unlisted, gone] {
            let plan = plan(&database, sql);
            assert!(plan.contains("SEARCH books USING"), "{sql}: {plan}");
            assert!(!plan.contains("SCAN books") && !plan.contains("TEMP B-TREE"), "{plan}");
        }
        for sql in [&keys.first, &keys.next] {
            assert!(plan(&database, sql).contains("COVERING INDEX"), "no row is read");
        }
        let read = plan(&database, &database.sql.read.first);
        assert!(read.contains("USING INDEX") && !read.contains("TEMP B-TREE"), "{read}");
    }
}
