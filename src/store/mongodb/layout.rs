//! Whose collection it is: one of ours, where `_id` is the key, or one that others filled.

use bson::doc;
use bson::raw::RawDocument;

use super::Connection;
use crate::store::{Place, StoreError};

/// Where a document's key is in the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `_id` is the key: one index less, and less work for the server than a second unique index.
    Own,
    /// `_id` is whatever others put there; `_gleaner.key` is the key.
    Adopted,
}

impl Layout {
    /// The path that holds the key.
    pub fn key_path(self) -> &'static str {
        match self {
            Layout::Own => "_id",
            Layout::Adopted => "_gleaner.key",
        }
    }

    /// The name by which the ledger keeps it.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Own => "own",
            Layout::Adopted => "adopted",
        }
    }
}

/// Whose collection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// One that gleaner made, that is empty, or that the ledger knows.
    Known(Layout),
    /// One that others filled and that no crawl was told to adopt.
    Others,
}

impl Whose {
    /// How its documents are found, once it is adopted where others filled it.
    pub fn layout(self) -> Layout {
        match self {
            Whose::Known(layout) => layout,
            Whose::Others => Layout::Adopted,
        }
    }
}

/// Whose the collection is: what the ledger says, or, where it says nothing, what its first document
/// looks like.
pub async fn of(
    connection: &Connection,
    place: &Place,
    first: Option<&RawDocument>,
) -> Result<Whose, StoreError> {
    let filter = doc! { "collection": &*place.collection, "layout": { "$exists": true } };
    if let Some(entry) = connection.find_one("gleaner_sweeps", filter).await? {
        let adopted = entry.get_str("layout").is_ok_and(|name| name == Layout::Adopted.name());
        return Ok(Whose::Known(if adopted { Layout::Adopted } else { Layout::Own }));
    }
    Ok(match first {
        Some(document) if !is_ours(document) => Whose::Others,
        _ => Whose::Known(Layout::Own),
    })
}

fn is_ours(document: &RawDocument) -> bool {
    let key = document.get_document("_gleaner").and_then(|facts| facts.get_str("key"));
    key.is_ok_and(|key| document.get_str("_id").is_ok_and(|id| id == key))
}
