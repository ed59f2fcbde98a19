//! The stored failures, before and after a sweep.

use crate::engine::error::CrawlError;
use crate::engine::retry_failures::Wanted;
use crate::frontier::Frontier;
use crate::observe::problems::Problems;
use crate::store::{KeptFailure, Rows, Store};

/// Number of failures to read from the store at once.
const AT_ONCE: usize = 1_000;

/// Returns all stored failures, without their samples.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn all(store: &dyn Store) -> Result<Vec<KeptFailure>, CrawlError> {
    let mut all: Vec<KeptFailure> = Vec::new();
    let mut after = None;
    loop {
        let Rows { found, next, .. } = store.failures(after.as_ref(), AT_ONCE).await?;
        // Samples are for people; a retry does not need them.
        all.extend(found.into_iter().map(|it| KeptFailure { sample: None, ..it }));
        match next {
            None => return Ok(all),
            next => after = next,
        }
    }
}

/// Deletes all stored failures. Called when nothing failed in a sweep over the whole site: the
/// failures that are left belong to items and pages that the site no longer has.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn forget(store: &dyn Store) -> Result<(), CrawlError> {
    let mut after = None;
    loop {
        let Rows { found, next, .. } = store.failures(after.as_ref(), AT_ONCE).await?;
        let pages: Vec<_> = found.into_iter().map(|failure| failure.page).collect();
        store.clear_failures(&pages).await?;
        match next {
            None => return Ok(()),
            next => after = next,
        }
    }
}

/// Reports how many of the failed items were not found on the list.
pub fn note_not_found(wanted: &Wanted, frontier: &Frontier, problems: &Problems) {
    let Wanted::Failed { keys, .. } = wanted else { return };
    let absent = keys.iter().filter(|key| !frontier.has_seen(key)).count();
    if absent > 0 && frontier.outstanding().is_zero() {
        let which = match absent {
            1 => "an item that failed is".to_owned(),
            absent => format!("{absent} items that failed are"),
        };
        problems.note(format!(
            "{which} not on the list any more; what failed and is not there is forgotten by the next sweep that is complete"
        ));
    }
}
