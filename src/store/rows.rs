//! Reading passes: pages of rows in the order of the store's own primary key.
//!
//! Others may put rows beside gleaner's, with keys that are none of its own forms. So a pass goes on
//! after the primary key of the last row as the store holds it, never after a key that was read from
//! the row: each row comes once, and the pass ends.

use bson::raw::RawDocumentBuf;

/// A page of a reading pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<T> {
    /// The rows. There may be none of them on a page, and more behind it.
    pub found: Vec<T>,
    /// Rows on this page that others put there and that have nothing to be read.
    pub others: u64,
    /// Where the next page begins; absent at the end.
    pub next: Option<Position>,
}

/// A place in the order of a store's primary key.
#[derive(Debug, Clone, PartialEq)]
pub struct Position(pub(super) Mark);

/// The primary key of the last row of a page, as the store holds it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mark {
    /// The values of its columns in SQLite.
    Row(Vec<Cell>),
    /// The value of its indexed path in MongoDB.
    Document(RawDocumentBuf),
}

/// A value in SQLite. Text need not be UTF-8 there.
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
    /// A page of what was read of each row; `None` is a row of others.
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
    /// The values of a row's primary key in SQLite.
    pub(super) fn row(&self) -> &[Cell] {
        match &self.0 {
            Mark::Row(cells) => cells,
            Mark::Document(_) => unreachable!("a position is given back to the store it came from"),
        }
    }

    /// The indexed value of a document in MongoDB.
    pub(super) fn document(&self) -> &RawDocumentBuf {
        match &self.0 {
            Mark::Document(document) => document,
            Mark::Row(_) => unreachable!("a position is given back to the store it came from"),
        }
    }
}
