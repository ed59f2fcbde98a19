//! Parts of statements: pages of a table, and lists of keys.

use rusqlite::{Connection, Result, params};

use super::row;
use crate::model::record::Key;
use crate::store::rows::Mark;
use crate::store::{Position, Rows};

/// Maximum number of keys in one statement.
pub const KEYS_AT_ONCE: usize = 1_000;

/// Statements that read the first and the following pages of a table. Rows without a key, which a
/// table of another program may have, are skipped.
pub struct Paged {
    /// Parameters: limit.
    pub first: String,
    /// Parameters: stored key of the last row, limit.
    pub next: String,
}

impl Paged {
    /// Creates statements that read these columns, of which the first is the key.
    pub fn of(table: &str, columns: &str) -> Paged {
        let first = format!("SELECT {columns} FROM {table} WHERE key IS NOT NULL");
        let next = format!("SELECT {columns} FROM {table} WHERE key > ?1");
        Paged {
            first: format!("{first} ORDER BY key LIMIT ?1"),
            next: format!("{next} ORDER BY key LIMIT ?2"),
        }
    }

    /// Returns a page of rows after the stored key of the last row.
    pub fn page<T>(
        &self,
        connection: &Connection,
        after: Option<&Position>,
        most: usize,
        read: impl Fn(&rusqlite::Row<'_>) -> Result<Option<T>>,
    ) -> Result<Rows<T>> {
        let limit = limit(most);
        let mut statement = match after {
            None => connection.prepare_cached(&self.first)?,
            Some(_) => connection.prepare_cached(&self.next)?,
        };
        let mut rows = match after {
            None => statement.query([limit])?,
            Some(after) => statement.query(params![after.row().first(), limit])?,
        };
        collect(&mut rows, most, 1, read)
    }
}

/// Collects the rows of a page. The first `key` columns are the primary key.
pub fn collect<T>(
    rows: &mut rusqlite::Rows<'_>,
    most: usize,
    key: usize,
    read: impl Fn(&rusqlite::Row<'_>) -> Result<Option<T>>,
) -> Result<Rows<T>> {
    let (mut found, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
        if found.len() == most {
            let cells = (0..key).map(|at| Ok(row::cell(row.get_ref(at)?)));
            last = Some(Mark::Row(cells.collect::<Result<_>>()?));
        }
    }
    Ok(Rows::of(found, last))
}

/// Returns a limit for SQL.
pub fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}

/// Returns keys as a JSON list.
pub fn list<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    let keys: serde_json::Value = keys.into_iter().map(Key::as_str).collect();
    keys.to_string()
}
