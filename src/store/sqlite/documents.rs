//! Documents: looked up, written and read back, in the collection's table.

use rusqlite::{Connection, Result, params};

use super::error;
use super::paged::{KEYS_AT_ONCE, Paged, list};
use super::row::{self, CopiedRow, Row, Times, time};
use crate::model::record::{Key, Known, PageVersion, Provenance};
use crate::store::{Position, Rejection, Rows, Stored};

/// Statements on the collection's table. The statement cache finds them by their text.
pub struct DocumentSql {
    is_empty: String,
    known: String,
    put: String,
    refresh: String,
    restore: String,
    read: Paged,
}

impl DocumentSql {
    /// Creates the statements for a table, whose name is quoted.
    ///
    /// `put` and `refresh` take the same parameters, but `refresh` uses fewer. It also checks the
    /// digest: if the stored document differs from the one found unchanged, the row is replaced.
    pub fn on(table: &str) -> DocumentSql {
        let (known, beside) = (row::KNOWN, row::BESIDE);
        DocumentSql {
            is_empty: format!("SELECT NOT EXISTS (SELECT 1 FROM {table})"),
            known: format!(
                "SELECT {known} FROM {table} WHERE key IN (SELECT value FROM json_each(?1))"
            ),
            put: format!(
                "INSERT INTO {table} (key, sweep, rules, etag, last_modified, fetched_at, seen_at, \
                   changed_at, digest, url, first_seen, doc, revision, unlisted_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?13, ?7, ?8, ?9, ?10, ?11, ?12, ?14) \
                 ON CONFLICT (key) DO UPDATE SET sweep = excluded.sweep, rules = excluded.rules, \
                   etag = excluded.etag, last_modified = excluded.last_modified, \
                   fetched_at = excluded.fetched_at, seen_at = excluded.seen_at, \
                   changed_at = excluded.changed_at, digest = excluded.digest, \
                   url = excluded.url, first_seen = coalesce(first_seen, excluded.first_seen), \
                   doc = excluded.doc, revision = excluded.revision, \
                   unlisted_at = excluded.unlisted_at, gone_at = NULL"
            ),
            refresh: format!(
                "UPDATE {table} SET sweep = ?2, rules = ?3, etag = ?4, last_modified = ?5, \
                   fetched_at = ?6, changed_at = ?7, revision = ?12, seen_at = ?13, \
                   unlisted_at = ?14, url = ?9, gone_at = NULL WHERE key = ?1 AND digest = ?8"
            ),
            restore: restore(table),
            read: Paged::of(table, &format!("{known}, {beside}")),
        }
    }

    /// Returns `true` if the collection has no document.
    pub fn is_empty(&self, connection: &Connection) -> Result<bool> {
        connection.query_row(&self.is_empty, [], |row| row.get(0))
    }

    /// Implements [`crate::store::Documents::known`].
    pub fn known(&self, connection: &Connection, keys: &[Key]) -> Result<Vec<Known>> {
        let mut statement = connection.prepare_cached(&self.known)?;
        let mut known = Vec::new();
        for keys in keys.chunks(KEYS_AT_ONCE) {
            for row in statement.query_map([list(keys)], row::known)? {
                known.push(row?);
            }
        }
        Ok(known)
    }

    /// Writes all rows, except those that SQLite refuses because of their content.
    pub fn write(
        &self,
        connection: &Connection,
        provenance: &Provenance,
        rows: &[Row],
    ) -> Result<Vec<Rejection>> {
        let put = |row: &Row, text: &str| self.put(connection, provenance, row, text);
        unless_refused(rows.iter().map(|row| (row.at, &*row.text, row)), put)
    }

    /// Writes documents of another store with their metadata, except those that SQLite refuses.
    pub fn restore(&self, connection: &Connection, rows: &[CopiedRow]) -> Result<Vec<Rejection>> {
        let put = |row: &CopiedRow, text: &str| {
            let known = &row.known;
            let PageVersion { revision, etag, last_modified } = &known.version;
            let values = params![
                known.key.as_str(),
                known.digest.map(|digest| digest.to_string()),
                known.sweep,
                known.rules,
                revision,
                etag,
                last_modified,
                known.first_seen.map(time),
                known.fetched_at.map(time),
                known.changed_at.map(time),
                known.seen_at.map(time),
                known.unlisted_at.map(time),
                known.gone_at.map(time),
                known.url,
                text,
            ];
            connection.prepare_cached(&self.restore)?.execute(values).map(drop)
        };
        unless_refused(rows.iter().map(|row| (row.at, &*row.text, row)), put)
    }

    fn put(
        &self,
        connection: &Connection,
        provenance: &Provenance,
        row: &Row,
        text: &str,
    ) -> Result<()> {
        let Row { key, url, digest, version, times, .. } = row;
        let PageVersion { revision, etag, last_modified } = version;
        let Times { first_seen, fetched_at, changed_at, seen_at, unlisted_at } = times;
        let values = params![
            key.as_str(),
            provenance.sweep,
            provenance.rules,
            etag,
            last_modified,
            fetched_at,
            changed_at,
            digest,
            url,
            first_seen,
            text,
            revision,
            seen_at,
            unlisted_at,
        ];
        if row.is_same && connection.prepare_cached(&self.refresh)?.execute(values)? > 0 {
            return Ok(());
        }
        connection.prepare_cached(&self.put)?.execute(values)?;
        Ok(())
    }

    /// Implements [`crate::store::Documents::read`].
    pub fn read(
        &self,
        connection: &Connection,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Rows<Stored>> {
        self.read.page(connection, after, most, row::stored)
    }
}

/// Returns the statement that writes all columns of a document, in the order of [`row::KNOWN`] and
/// [`row::BESIDE`].
fn restore(table: &str) -> String {
    let columns = format!("{}, {}", row::KNOWN, row::BESIDE);
    let names: Vec<&str> = columns.split(", ").collect();
    let places: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
    let sets: Vec<String> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO {table} ({columns}) VALUES ({}) ON CONFLICT (key) DO UPDATE SET {}",
        places.join(", "),
        sets.join(", ")
    )
}

/// Writes each row by `put`. Returns those that are not text, or that SQLite refuses because of
/// their content. Takes rows with their index in the batch and their document.
fn unless_refused<'r, T: 'r>(
    rows: impl Iterator<Item = (usize, &'r [u8], &'r T)>,
    put: impl Fn(&T, &str) -> Result<()>,
) -> Result<Vec<Rejection>> {
    let mut rejections = Vec::new();
    for (at, document, row) in rows {
        let reason = match simdutf8::compat::from_utf8(document) {
            Ok(text) => match put(row, text) {
                Ok(()) => continue,
                Err(error) => error::rejection(&error).ok_or(error)?,
            },
            Err(error) => format!("the document is not UTF-8: {error}"),
        };
        rejections.push(Rejection { at, reason });
    }
    Ok(rejections)
}

#[cfg(test)]
mod tests {
    use super::super::database::tests::{opened, plan};

    #[test]
    fn documents_are_read_in_the_order_of_their_index() {
        let folder = tempfile::tempdir().unwrap();
        let (_, database) = opened(&folder);
        let plan = plan(&database, &database.table.documents.read.first);
        assert!(plan.contains("USING INDEX") && !plan.contains("TEMP B-TREE"), "{plan}");
    }
}
