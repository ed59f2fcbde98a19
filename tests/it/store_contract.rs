//! What every store has to do, whichever it is. A store joins by a [`Backend`] (and a [`Ledger`],
//! where it keeps more than documents) in `backends.rs` and one line at the end of this file.

pub mod backends;
mod documents;
mod facts;
mod ledger;

use std::sync::Arc;

use gleaner::store::{Place, Store, StoreError};
use gleaner::sweep::SweepEntry;
use jiff::Timestamp;

/// A place where stores can be opened, and a way into it that does not go through them.
pub trait Backend {
    /// An empty one.
    async fn start() -> Self;

    async fn open(&self, place: &Place) -> Result<Arc<dyn Store>, StoreError>;

    /// Keys and JSON texts of all documents in a collection, in the order of the keys.
    async fn documents(&self, collection: &str) -> Vec<(String, String)>;
}

/// A backend that keeps facts, failures and sweeps.
pub trait Ledger: Backend {
    async fn failures(&self) -> Vec<KeptFailure>;

    async fn sweeps(&self) -> Vec<SweepEntry>;

    /// Marks a document as gone and not listed, as another run would.
    async fn mark_gone(&self, collection: &str, key: &str, at: Timestamp);

    /// Whether a document bears a mark of either kind.
    async fn is_marked(&self, collection: &str, key: &str) -> bool;

    /// Takes a document away, as another program would.
    async fn remove(&self, collection: &str, key: &str);
}

/// A failure as it is kept, in the order of site, collection, kind and page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptFailure {
    pub site: String,
    pub collection: String,
    pub kind: String,
    pub page: String,
    pub url: String,
    pub reason: String,
    pub message: String,
    pub status: Option<u16>,
    pub attempts: u32,
    pub sample: Option<String>,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub sweep: String,
}

/// The store for the site `books` in the collection `books`.
async fn books<B: Backend>(backend: &B) -> Arc<dyn Store> {
    backend.open(&crate::records::place("books", "books")).await.expect("the store opens")
}

macro_rules! checks {
    ($backend:ident, $part:ident: $($check:ident)+) => {
        $(
            #[tokio::test]
            async fn $check() {
                super::$part::$check::<super::backends::$backend>().await;
            }
        )+
    };
}

/// What stores do that only take documents.
macro_rules! document_checks {
    ($backend:ident) => {
        checks! { $backend, documents:
            what_is_written_is_read_back_equal
            d4_odd_keys_are_stored_as_sent
            p5_long_integers_and_fractions_are_kept
            deep_and_large_documents_are_kept
            a_batch_of_500_is_written
            d7_the_last_partial_batch_is_there_after_the_close
            d3_a_document_in_the_wrong_form_leaves_the_rest
            an_empty_batch_is_no_error
            after_the_close_nothing_is_taken
        }
    };
}

/// What stores do that keep all there is.
macro_rules! every_check {
    ($backend:ident) => {
        document_checks!($backend);
        checks! { $backend, facts:
            known_answers_what_was_written
            known_leaves_out_what_is_not_there
            known_takes_1000_keys_at_once
            d6_a_dropped_field_is_gone
            changed_replaces_the_document_and_keeps_first_seen
            same_leaves_the_document_and_writes_the_facts
            same_of_a_document_that_vanished_writes_it
            s2_writing_a_batch_twice_changes_nothing
            g4_what_comes_back_loses_its_marks
            reading_goes_on_after_a_key
            reopening_finds_what_was_written
            two_collections_are_apart
        }
        checks! { $backend, ledger:
            failures_are_kept_once_a_page_with_the_first_time
            failures_of_items_are_cleared_and_no_others
            sweeps_are_kept_and_replaced
            another_site_is_refused
        }
    };
}

mod mongodb {
    every_check!(Mongodb);
}

mod json_lines {
    document_checks!(JsonLines);
}

mod sqlite {
    every_check!(Sqlite);
}
