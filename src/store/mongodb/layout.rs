//! Layout of a collection: one of ours, with `_id` as key, or one that another program filled.

use bson::doc;
use bson::raw::RawDocument;

use super::Connection;
use crate::store::{Place, StoreError};

/// Place of a document's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `_id` is the key, which saves a second unique index and work for the server.
    Own,
    /// `_id` is another program's; `_gleaner.key` is the key.
    Adopted,
}

impl Layout {
    /// Returns the path of the key.
    pub fn key_path(self) -> &'static str {
        match self {
            Layout::Own => "_id",
            Layout::Adopted => "_gleaner.key",
        }
    }

    /// Returns the name that the ledger stores.
    pub fn name(self) -> &'static str {
        match self {
            Layout::Own => "own",
            Layout::Adopted => "adopted",
        }
    }
}

/// Owner of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The collection is empty, made by gleaner, or known to the ledger.
    Known(Layout),
    /// Another program filled the collection, and no crawl has adopted it.
    Others,
}

impl Whose {
    /// Returns the layout, which for another program's collection is the one after adoption.
    pub fn layout(self) -> Layout {
        match self {
            Whose::Known(layout) => layout,
            Whose::Others => Layout::Adopted,
        }
    }
}

/// Determines the owner of the collection: by the ledger or, if that does not know it, by its first
/// document.
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
