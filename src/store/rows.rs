//! Paged reading, in the order of the store's own primary key.
//!
//! Other programs may add rows whose keys are not valid for gleaner. The next page therefore starts
//! after the stored primary key of the last row, never after a parsed key: each row is returned
//! once, and the reading ends.

use bson::raw::RawDocumentBuf;

/// A page of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    /// The rows. A page may be empty even if more pages follow.
    pub found: Vec<T>,
    /// Number of rows on this page that other programs added and that cannot be read.
    pub others: u64,
    /// Position of the next page, or `None` at the end.
    pub next: Option<Position>,
}

/// A position in the order of a store's primary key.
#[derive(Debug, Clone, PartialEq)]
pub struct Position(pub(super) Mark);

/// Primary key of the last row of a page, as stored.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    /// Values of the key columns in SQLite.
    Row(Vec<Cell>),
    /// Value of the indexed path in MongoDB.
    Document(RawDocumentBuf),
}

/// A value in SQLite. Its text may not be UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    Blob(Vec<u8>),
}

impl<T> Default for Rows<T> {
    fn default() -> Rows<T> {
        Rows { found: Vec::new(), others: 0, next: None }
    }
}

impl<T> Rows<T> {
    /// Makes a page of parsed rows; `None` stands for a row that cannot be read.
    pub(super) fn of(rows: impl IntoIterator<Item = Option<T>>, next: Option<Mark>) -> Rows<T> {
        let mut page = Rows { next: next.map(Position), ..Rows::default() };
        for row in rows {
            match row {
                Some(row) => page.found.push(row),
                None => page.others += 1,
            }
        }
        page
    }
}

impl Position {
    /// Returns the values of a row's primary key in SQLite.
    pub(super) fn row(&self) -> &[Cell] {
        match &self.0 {
            Mark::Row(cells) => cells,
            Mark::Document(_) => unreachable!("a position is given back to the store it came from"),
        }
    }

    /// Returns the indexed value of a document in MongoDB.
    pub(super) fn document(&self) -> &RawDocumentBuf {
        match &self.0 {
            Mark::Document(document) => document,
            Mark::Row(_) => unreachable!("a position is given back to the store it came from"),
        }
    }
}
