//! Copying a site from one store to another: the reading pass over all documents, and the trait
//! that writes what another store holds with everything that is known of it.

use async_trait::async_trait;

use super::{Documents, KeptFailure, Position, Rejection, Rows, StoreError, Stored};
use crate::model::document::Document;
use crate::model::record::Known;
use crate::sweep::{LedgerEntry, SweepEntry};

/// Number of documents on the first page of a pass.
const FIRST: usize = 10;
/// Maximum number of documents on a page.
const MOST: usize = 500;
/// Size of a page in bytes at which the next one gets fewer documents.
const BYTES: usize = 8 << 20;

/// A document as another store holds it.
#[derive(Debug)]
pub struct DocumentCopy {
    /// Metadata of the document, which is written as it is.
    pub known: Known,
    /// The document, in the encoding of the store that it is written to.
    pub document: Document,
}

/// Writes what another store holds. Nothing is decided or computed: each value is written as it is.
///
/// All calls are idempotent, and replace what an earlier call wrote. They need the site's lock, as
/// any other write.
#[async_trait]
pub trait Restore: Send + Sync {
    /// Writes documents with their metadata. Returns the documents that could not be stored.
    ///
    /// # Errors
    /// Returns an error if the batch as a whole failed; parts of it may have been written.
    async fn restore_documents(
        &self,
        copies: &[DocumentCopy],
    ) -> Result<Vec<Rejection>, StoreError>;

    /// Writes entries of the ledger, which are no running sweeps, with their lock numbers.
    ///
    /// # Errors
    /// Returns an error if the write failed, or another site has a sweep with one of the ids; parts
    /// may have been written.
    async fn restore_sweeps(&self, entries: &[LedgerEntry]) -> Result<(), StoreError>;

    /// Writes failures with the times of their first and last attempt.
    ///
    /// # Errors
    /// Returns an error if the write failed; parts may have been written.
    async fn restore_failures(&self, failures: &[KeptFailure]) -> Result<(), StoreError>;

    /// Returns at most `most` sweeps of this site and collection that are older than `entry`, the
    /// newest first.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried.
    async fn sweeps_before(
        &self,
        entry: &SweepEntry,
        most: usize,
    ) -> Result<Vec<LedgerEntry>, StoreError>;
}

/// A pass over all documents of a store, page by page. Pages of large documents have fewer of
/// them, so that memory use does not depend on the store.
pub struct Pages<'s> {
    store: &'s dyn Documents,
    after: Option<Position>,
    most: usize,
    is_end: bool,
}

impl<'s> Pages<'s> {
    /// Begins a pass over `store`.
    pub fn of(store: &'s dyn Documents) -> Pages<'s> {
        Pages { store, after: None, most: FIRST, is_end: false }
    }

    /// Returns the next page, or `None` at the end. The first page is never missing.
    ///
    /// # Errors
    /// Returns an error if the store cannot be queried, or cannot be read back.
    pub async fn next(&mut self) -> Result<Option<Rows<Stored>>, StoreError> {
        if self.is_end {
            return Ok(None);
        }
        let page = self.store.read(self.after.as_ref(), self.most).await?;
        self.most = fitting(self.most, page.found.iter().map(|stored| stored.text.len()).sum());
        self.after = page.next.clone();
        self.is_end = page.next.is_none();
        Ok(Some(page))
    }
}

/// Returns the number of documents on the page after one of at most `most` documents that had
/// `bytes` in all. It grows at most twofold.
fn fitting(most: usize, bytes: usize) -> usize {
    let wanted = most.saturating_mul(BYTES) / bytes.max(1);
    wanted.clamp(1, most.saturating_mul(2)).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_large_documents_have_fewer_of_them() {
        assert_eq!(fitting(50, 0), 100, "it grows twofold");
        assert_eq!(fitting(500, 1 << 20), MOST);
        assert_eq!(fitting(500, 16 << 20), 250);
        assert_eq!(fitting(50, 800 << 20), 1, "one is always read");
        assert_eq!(fitting(1, BYTES / 2), 2);
    }
}
