//! Converts records to rows, and rows to metadata and documents.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::types::{ToSql, ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Result};

use crate::model::document::Body;
use crate::model::record::{Key, Known, PageVersion, Record, Verdict};
use crate::store::rows::Cell;
use crate::store::{DocumentCopy, Stored};

/// Columns that [`known`] reads, in order.
pub const KNOWN: &str = "key, digest, sweep, rules, revision, etag, last_modified, first_seen, \
                         fetched_at, changed_at, seen_at, unlisted_at, gone_at, url";
/// Column that [`stored`] reads after those of [`KNOWN`].
pub const BESIDE: &str = "doc";

/// A record that can be sent to another thread. Its text is shared, not copied.
pub struct Row {
    /// Index of the record in the batch.
    pub at: usize,
    pub key: Key,
    pub url: Box<str>,
    pub text: Bytes,
    pub digest: String,
    pub version: PageVersion,
    pub times: Times,
    pub is_same: bool,
}

/// Times of a record, as the columns hold them.
pub struct Times {
    pub first_seen: String,
    pub fetched_at: String,
    pub changed_at: String,
    pub seen_at: String,
    pub unlisted_at: Option<String>,
}

impl Row {
    /// Returns the row of the record at index `at`, or `None` if its document is not text.
    pub fn of(at: usize, record: &Record) -> Option<Row> {
        let Body::Text(text) = &record.document.body else { return None };
        Some(Row {
            at,
            key: record.key.clone(),
            url: record.url.clone(),
            text: text.clone(),
            digest: record.document.digest.to_string(),
            version: record.version.clone(),
            times: Times {
                first_seen: time(record.first_seen),
                fetched_at: time(record.fetched_at),
                changed_at: time(record.changed_at),
                seen_at: time(record.seen_at),
                unlisted_at: record.unlisted_at.map(time),
            },
            is_same: record.verdict == Verdict::Same,
        })
    }
}

/// A document of another store that can be sent to another thread. Its text is shared, not copied.
pub struct CopiedRow {
    /// Index of the document in the batch.
    pub at: usize,
    pub known: Known,
    pub text: Bytes,
}

impl CopiedRow {
    /// Returns the row of the document at index `at`, or `None` if it is not text.
    pub fn of(at: usize, copy: &DocumentCopy) -> Option<CopiedRow> {
        let Body::Text(text) = &copy.document.body else { return None };
        Some(CopiedRow { at, known: copy.known.clone(), text: text.clone() })
    }
}

/// Copies a value that was read.
pub fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(bytes) => Cell::Text(bytes.to_vec()),
        ValueRef::Blob(bytes) => Cell::Blob(bytes.to_vec()),
    }
}

impl ToSql for Cell {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Cell::Null => ValueRef::Null,
            Cell::Integer(number) => ValueRef::Integer(*number),
            Cell::Real(number) => ValueRef::Real(*number),
            Cell::Text(bytes) => ValueRef::Text(bytes),
            Cell::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// Formats a time as RFC 3339 in UTC, to the millisecond, as precise as MongoDB. The text sorts in
/// the order of time.
pub fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// Reads an item's metadata from the columns [`KNOWN`].
pub fn known(row: &rusqlite::Row<'_>) -> Result<Known> {
    known_of(key(row)?, row)
}

fn known_of(key: Key, row: &rusqlite::Row<'_>) -> Result<Known> {
    Ok(Known {
        key,
        digest: parsed(row, 1)?,
        sweep: row.get(2)?,
        rules: row.get(3)?,
        version: PageVersion {
            revision: row.get(4)?,
            etag: row.get(5)?,
            last_modified: row.get(6)?,
        },
        first_seen: parsed(row, 7)?,
        fetched_at: parsed(row, 8)?,
        changed_at: parsed(row, 9)?,
        seen_at: parsed(row, 10)?,
        unlisted_at: parsed(row, 11)?,
        gone_at: parsed(row, 12)?,
        url: row.get(13)?,
    })
}

/// Reads a document from the columns [`KNOWN`] and [`BESIDE`], whatever other programs stored as
/// its key. Returns `None` if the row cannot be read as a document.
pub fn stored(row: &rusqlite::Row<'_>) -> Result<Option<Stored>> {
    let key = match row.get_ref(0)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes),
        ValueRef::Integer(number) => number.to_string().into(),
        ValueRef::Real(number) => number.to_string().into(),
        ValueRef::Null => return Ok(None),
    };
    let known = known_of(Key::as_stored(&key), row);
    let stored = known.and_then(|known| Ok(Stored { known, text: row.get(14)? }));
    match stored {
        Err(Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..)) => Ok(None),
        stored => stored.map(Some),
    }
}

/// Reads the key in the first column, or returns `None` if it is not in normal form.
pub fn normal_key(row: &rusqlite::Row<'_>) -> Result<Option<Key>> {
    Ok(row.get_ref(0)?.as_str().ok().and_then(Key::normal))
}

/// Reads the key in the first column.
pub fn key(row: &rusqlite::Row<'_>) -> Result<Key> {
    let text = row.get_ref(0)?.as_str()?;
    Key::new(text).map_err(|error| Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

/// Reads a value, or returns `None` if it cannot be parsed, for instance a digest of another
/// version. Then the item is fetched as if it were new.
pub fn parsed<T: std::str::FromStr>(row: &rusqlite::Row<'_>, at: usize) -> Result<Option<T>> {
    let text = row.get_ref(at)?.as_str_or_null()?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Reads a time that must be present.
pub fn required_time(row: &rusqlite::Row<'_>, at: usize) -> Result<Timestamp> {
    let text = row.get_ref(at)?.as_str()?;
    text.parse().map_err(|error: jiff::Error| {
        Error::FromSqlConversionFailure(at, Type::Text, Box::new(error))
    })
}
