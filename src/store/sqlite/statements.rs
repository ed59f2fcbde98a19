//! SQL statements that are run repeatedly. [`super::database`] passes their parameters in this
//! order.

use super::row;

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
}

/// Statements on the collection's table. The statement cache finds them by their text.
pub struct Statements {
    pub known: String,
    pub put: String,
    pub refresh: String,
    pub read: Paged,
}

impl Statements {
    /// Creates the statements for a table, whose name is quoted.
    ///
    /// `put` and `refresh` take the same parameters, but `refresh` uses fewer. It also checks the
    /// digest: if the stored document differs from the one found unchanged, the row is replaced.
    pub fn on(table: &str) -> Statements {
        let (known, beside) = (row::KNOWN, row::BESIDE);
        Statements {
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
            read: Paged::of(table, &format!("{known}, {beside}")),
        }
    }
}
