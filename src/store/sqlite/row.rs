//! Records as rows, and rows as what is known.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Result};

use crate::document::Body;
use crate::record::{Key, Known, Record, Verdict};
use crate::store::Stored;

/// The columns that [`known`] reads, in its order.
pub const KNOWN: &str = "key, digest, sweep, rules, revision, etag, last_modified, first_seen, \
                         fetched_at, changed_at, seen_at, unlisted_at, gone_at, url";
/// The column that [`stored`] reads after those of [`KNOWN`].
pub const BESIDE: &str = "doc";

/// A record in a form that can go to another thread; its text is shared, not copied.
pub struct Row {
    /// Its place in the batch.
    pub at: usize,
    pub key: Key,
    pub url: Box<str>,
    pub text: Bytes,
    pub digest: String,
    pub etag: Option<Box<str>>,
    pub last_modified: Option<Box<str>>,
    pub revision: Option<Box<str>>,
    pub first_seen: String,
    pub fetched_at: String,
    pub changed_at: String,
    pub seen_at: String,
    pub unlisted_at: Option<String>,
    pub is_same: bool,
}

impl Row {
    /// The row of the record at place `at`, unless its document is not text.
    pub fn of(at: usize, record: &Record) -> Option<Row> {
        let Body::Text(text) = &record.document.body else { return None };
        Some(Row {
            at,
            key: record.key.clone(),
            url: record.url.clone(),
            text: text.clone(),
            digest: record.document.digest.to_string(),
            etag: record.etag.clone(),
            last_modified: record.last_modified.clone(),
            revision: record.revision.clone(),
            first_seen: time(record.first_seen),
            fetched_at: time(record.fetched_at),
            changed_at: time(record.changed_at),
            seen_at: time(record.seen_at),
            unlisted_at: record.unlisted_at.map(time),
            is_same: record.verdict == Verdict::Same,
        })
    }
}

/// RFC 3339 in UTC, always to the millisecond: so the text sorts as the time does, and the store
/// is as fine as MongoDB.
pub fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// What is known of an item, from the columns [`KNOWN`].
pub fn known(row: &rusqlite::Row<'_>) -> Result<Known> {
    Ok(Known {
        key: key(row)?,
        digest: parsed(row, 1)?,
        sweep: row.get(2)?,
        rules: row.get(3)?,
        revision: row.get(4)?,
        etag: row.get(5)?,
        last_modified: row.get(6)?,
        first_seen: parsed(row, 7)?,
        fetched_at: parsed(row, 8)?,
        changed_at: parsed(row, 9)?,
        seen_at: parsed(row, 10)?,
        unlisted_at: parsed(row, 11)?,
        gone_at: parsed(row, 12)?,
        url: row.get(13)?,
    })
}

/// A document, from the columns [`KNOWN`] and [`BESIDE`].
pub fn stored(row: &rusqlite::Row<'_>) -> Result<Stored> {
    Ok(Stored { known: known(row)?, text: row.get(14)? })
}

/// The key in the first column.
pub fn key(row: &rusqlite::Row<'_>) -> Result<Key> {
    let text = row.get_ref(0)?.as_str()?;
    Key::new(text).map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// A fact that does not read as one, such as a digest of another version, is as good as absent:
/// then the item is fetched as if it were new.
pub fn parsed<T: std::str::FromStr>(row: &rusqlite::Row<'_>, at: usize) -> Result<Option<T>> {
    let text = row.get_ref(at)?.as_str_or_null()?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// A time that has to be there.
pub fn required_time(row: &rusqlite::Row<'_>, at: usize) -> Result<Timestamp> {
    let text = row.get_ref(at)?.as_str()?;
    text.parse().map_err(|error: jiff::Error| {
        Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
    })
}
