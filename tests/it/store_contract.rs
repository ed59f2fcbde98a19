//! What every store has to do, whichever it is. A store joins by a [`Backend`] (and a [`Ledger`],
//! where it keeps more than documents) in `backends.rs` and one line at the end of this file.

mod adopted;
pub mod backends;
mod copies;
mod documents;
mod facts;
mod fence;
mod ledger;
pub mod lock;
mod marks;

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

    /// Sets the last sign of life of a sweep's holder back, as if it had been silent for so long.
    async fn silence(&self, sweep: &str, seconds: i64);

    /// Leaves entries that run, as earlier versions wrote them and left them when they were killed.
    async fn leave_running(&self, sweeps: &[&str]);

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

/// The same store, which may be written to.
async fn writing<B: Backend>(backend: &B) -> Arc<dyn Store> {
    let store = books(backend).await;
    crate::records::hold(&*store, &crate::records::place("books", "books")).await;
    store
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

/// What stores do that keep facts beside documents.
macro_rules! fact_checks {
    ($backend:ident) => {
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
            reading_goes_on_after_a_page
            reopening_finds_what_was_written
            two_collections_are_apart
        }
        checks! { $backend, marks:
            what_was_listed_is_marked_seen
            what_was_asked_for_without_its_list_is_not_noted_as_listed
            what_was_not_modified_is_marked_fetched
            s16_what_is_taken_over_bears_the_rules_of_today_and_keeps_the_rest
            what_is_not_there_is_named
            g4_what_is_marked_gone_is_named_and_stays_gone
            marking_a_batch_twice_changes_nothing
            many_are_marked_at_once
            keys_go_on_after_one_and_live_leaves_out_what_is_gone
            what_is_not_listed_keeps_its_first_time
            what_is_gone_keeps_everything_else
        }
        checks! { $backend, fence:
            s13_without_the_lock_nothing_is_written
            s13_a_run_that_lost_the_lock_changes_nothing_that_the_next_one_wrote
            s13_what_is_inserted_after_the_loss_is_replaced_by_the_holder
            s13_a_lock_of_the_same_process_is_told_apart_by_its_number
        }
    };
}

/// What stores do that keep all there is.
macro_rules! every_check {
    ($backend:ident) => {
        document_checks!($backend);
        fact_checks!($backend);
        checks! { $backend, ledger:
            failures_are_kept_once_a_page_with_the_first_time
            failures_are_cleared_page_by_page
            failures_are_read_in_the_order_of_their_pages
            p13_whole_sweeps_are_found_behind_any_number_of_others
            sweeps_are_kept_and_read_back
            the_progress_of_a_running_sweep_comes_with_its_heartbeats
            s14_sweeps_are_read_newest_first_by_the_number_of_the_lock
            what_a_run_has_to_know_stands_behind_any_number_of_others
            entries_of_earlier_versions_are_read
            another_site_is_refused
        }
        checks! { $backend, copies:
            documents_are_restored_with_all_facts_as_they_are
            failures_are_restored_with_both_times
            sweeps_are_restored_with_the_numbers_of_their_locks
            sweeps_of_another_site_are_not_replaced
            s13_without_the_lock_nothing_is_restored
        }
        checks! { $backend, lock:
            s8_of_twenty_who_try_at_once_one_takes_the_lock
            s8_of_twenty_who_try_over_a_dead_holder_one_takes_the_lock
            s8_of_twenty_who_go_on_with_a_sweep_one_takes_the_lock
            s12_a_dead_limited_run_is_evicted_and_the_interrupted_sweep_resumed
            s14_each_lock_has_a_higher_number_than_all_before
            s12_a_claim_of_which_one_part_is_outdated_takes_nothing
            s8_a_lock_that_is_held_is_refused
            s8_a_lost_lock_can_neither_be_renewed_nor_end_the_sweep
            s8_a_holder_who_gave_a_sign_of_life_is_not_dead
            s8_the_silence_of_a_holder_is_told
            s1_a_sweep_that_ended_can_be_gone_on_with
            what_was_done_can_be_done_again_by_its_holder
            what_was_never_begun_cannot_be_ended
            sweeps_that_earlier_versions_left_are_ended
        }
    };
}

mod mongodb {
    every_check!(Mongodb);
}

/// Collections that others filled, where `_id` is not the key.
mod mongodb_adopted {
    fact_checks!(Adopted);
}

mod json_lines {
    document_checks!(JsonLines);
}

mod sqlite {
    every_check!(Sqlite);
}
