//! Commands that write many documents, each in the one buffer that it is sent from.

use bson::Document as Bson;
use bson::raw::{CStr, RawBsonRef, RawDocumentBuf, cstr};

use super::layout::Layout;
use super::{Connection, MongodbStore};
use crate::document::raw::{Place, Writing};
use crate::store::StoreError;

/// Bytes that an entry has around its document and its key, at most.
pub const ENTRY_BYTES: usize = 128;
/// Bytes that a command usually has around its entries.
const COMMAND_AROUND: usize = 1_024;

/// By which command documents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// There is none of that key. It takes the server less than half as long as an upsert.
    Insert,
    /// There is one, or there may be: it is replaced or changed.
    Update,
}

/// What commands are made for.
#[derive(Clone, Copy)]
pub struct Target<'s> {
    /// The collection.
    pub collection: &'s str,
    /// How documents are found in it.
    pub layout: Layout,
    /// The number of the lock under which they are written.
    pub fence: i64,
    /// When a write is done.
    pub write_concern: &'s Bson,
}

impl<'s> Target<'s> {
    /// The collection of `store`, under the lock that it took.
    ///
    /// # Errors
    /// Where the lock is not held.
    pub fn of(store: &'s MongodbStore) -> Result<Target<'s>, StoreError> {
        let fence = store.lock()?.fence;
        let MongodbStore { connection: Connection { write_concern, .. }, place, layout, .. } =
            store;
        Ok(Target { collection: &place.collection, layout: *layout, fence, write_concern })
    }
}

/// The command with these entries of about so many bytes, in the one buffer that it is sent from.
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
    // Fails only over 2 GiB, and a command is cut long before.
    command.end().unwrap_or_default()
}

/// What documents are found by.
pub fn key_field(layout: Layout) -> &'static CStr {
    match layout {
        Layout::Own => cstr!("_id"),
        Layout::Adopted => cstr!("_gleaner.key"),
    }
}
