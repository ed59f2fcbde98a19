//! Commands that write many documents, each built directly in the buffer that is sent.

use bson::Document as Bson;
use bson::raw::{CStr, RawBsonRef, RawDocumentBuf, cstr};

use super::layout::Layout;
use super::{Connection, MongodbStore};
use crate::model::document::raw::{Place, Writing};
use crate::store::StoreError;

/// Maximum overhead of an entry, besides its document and key, in bytes.
pub const ENTRY_BYTES: usize = 128;
/// Usual overhead of a command, besides its entries, in bytes.
const COMMAND_AROUND: usize = 1_024;

/// Command to write documents with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Insert, if there is no such key. It takes the server less than half the time of an upsert.
    Insert,
    /// Update, if there is or may be such a key: the document is replaced or changed.
    Update,
}

/// Target of commands.
#[derive(Clone, Copy)]
pub struct Target<'s> {
    /// Name of the collection.
    pub collection: &'s str,
    /// Layout of the collection.
    pub layout: Layout,
    /// Number of the lock under which documents are written.
    pub fence: i64,
    /// Write concern of the commands.
    pub write_concern: &'s Bson,
}

impl<'s> Target<'s> {
    /// Returns the collection of `store`, under the lock that it holds.
    ///
    /// # Errors
    /// Returns an error if the lock is not held.
    pub fn of(store: &'s MongodbStore) -> Result<Target<'s>, StoreError> {
        let fence = store.lock()?.fence;
        let MongodbStore { connection: Connection { write_concern, .. }, place, layout, .. } =
            store;
        Ok(Target { collection: &place.collection, layout: *layout, fence, write_concern })
    }
}

/// Builds a command of about `bytes` bytes with these entries, directly in the buffer that is sent.
pub fn command_of(
    target: Target<'_>,
    way: Way,
    bytes: usize,
    entries: impl FnOnce(&mut Writing),
) -> RawDocumentBuf {
    let (name, list) = match way {
        Way::Insert => (cstr!("insert"), cstr!("documents")),
        Way::Update => (cstr!("update"), cstr!("updates")),
    };
    let mut command = Writing::with_capacity(bytes + COMMAND_AROUND);
    command.put(Place::Member(name), RawBsonRef::String(target.collection));
    command.array(Place::Member(list), entries);
    command.put(Place::Member(cstr!("ordered")), RawBsonRef::Boolean(false));
    let concern = RawDocumentBuf::try_from(target.write_concern).unwrap_or_default();
    command.document(Place::Member(cstr!("writeConcern")), |into| into.splice(&concern));
    // This fails only over 2 GiB. Commands are much smaller.
    command.end().unwrap_or_default()
}

/// Returns the field that holds a document's key.
pub fn key_field(layout: Layout) -> &'static CStr {
    match layout {
        Layout::Own => cstr!("_id"),
        Layout::Adopted => cstr!("_gleaner.key"),
    }
}
