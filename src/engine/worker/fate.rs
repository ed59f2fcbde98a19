//! Decides what becomes of items whose own pages do not answer with the item.

use jiff::Timestamp;

use super::attempt::{After, Attempt};
use super::context::WorkerContext;
use super::trouble;
use crate::engine::error::CrawlError;
use crate::engine::refresh::gone::{Fate, Listing, Sight, fate};
use crate::engine::writer::Outcome;
use crate::extract::PageError;
use crate::fetch::{self, End, FetchError};
use crate::model::record::Key;
use crate::model::task::{DetailPage, Done, Page};
use crate::model::text::plain;
use crate::select::field::FieldError;

/// Decides what becomes of an item whose request failed: it is missing, retried, or given up.
pub fn after_error(
    context: &WorkerContext,
    attempt: &mut Attempt,
    error: FetchError,
) -> Result<After, CrawlError> {
    let sight = sight_of_error(&error);
    if sight == Sight::Absent || attempt.task().is_unlisted() && sight == Sight::Closed {
        let saw = error.status().map(|status| format!("its page answers {status}"));
        return after(context, attempt, sight, saw.unwrap_or_default());
    }
    trouble::after_error(context, attempt, error)
}

/// Decides what becomes of an item whose page cannot be read.
pub fn after_bad_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    error: PageError,
    page: &fetch::Page,
) -> Result<After, CrawlError> {
    match error {
        PageError::Gone(_) => after(context, attempt, Sight::Absent, error.to_string()),
        error => trouble::after_bad_page(context, attempt, error, page),
    }
}

/// Decides what becomes of an item whose page gave this result.
pub fn after_sight(
    context: &WorkerContext,
    attempt: &mut Attempt,
    sight: Sight,
) -> Result<After, CrawlError> {
    after(context, attempt, sight, String::new())
}

/// Decides what becomes of an item whose page gave this result. `saw` is what a page that does not exist
/// answers, as a part of a sentence.
fn after(
    context: &WorkerContext,
    attempt: &mut Attempt,
    sight: Sight,
    saw: String,
) -> Result<After, CrawlError> {
    attempt.end(if sight == Sight::There { End::Page } else { End::Absent })?;
    let Page::Detail(item) = &attempt.task().page else { return Ok(After::Done(Done::Read)) };
    let listing = listing_of(context, item);
    match fate(listing, sight) {
        Fate::AskAgain => return Ok(After::RetryAtTheEnd),
        Fate::Missing => {
            // An item that is already marked gone is not marked again.
            if item.known.as_ref().is_some_and(|known| known.gone_at.is_none()) {
                note(context, item.key.clone(), listing, sight);
            }
            let url = trouble::url_of(context, attempt.task());
            return Ok(After::Deliver(Outcome::Missing { url, saw: saw.into() }));
        }
        Fate::Gone | Fate::Unlisted | Fate::Unknown => {
            note(context, item.key.clone(), listing, sight);
        }
        Fate::Kept | Fate::Failed => {}
    }
    Ok(After::Done(Done::Read))
}

/// Gives up an item that no list names. Nothing is known of it, so nothing is changed, and it does
/// not count as failed.
pub fn give_up_unlisted(context: &WorkerContext, item: &DetailPage, message: &str) {
    let name = format!("item {}", plain(item.key.as_str()));
    let said = format!("it is not listed, and its page cannot be requested: {message}");
    context.reports.problems.note_at(name, said);
    note(context, item.key.clone(), listing_of(context, item), Sight::Unclear);
}

/// Notes what becomes of an item that the store holds.
pub fn note(context: &WorkerContext, key: Key, listing: Listing, sight: Sight) {
    let fate = fate(listing, sight);
    if fate == Fate::Unlisted {
        context.reports.metrics.unlisted();
    }
    context.findings.gone_candidates.note(key, listing, fate);
}

/// Returns the reason why this sweep requested an item whose page was answered.
fn listing_of(context: &WorkerContext, item: &DetailPage) -> Listing {
    if item.is_unlisted {
        let noted_at = item.known.as_deref().and_then(|known| known.unlisted_at);
        return Listing::Unnamed { noted_before: was_noted_before(context, noted_at) };
    }
    Listing::Named { asked_before: context.findings.gone_candidates.was_absent(&item.key) }
}

/// Returns true if an earlier sweep did not list an item that was noted then. Where this one is
/// resumed, an earlier run of it may have noted the item and been killed before its end, which is
/// no second witness: there only what was noted before the sweep began counts.
pub fn was_noted_before(context: &WorkerContext, noted_at: Option<Timestamp>) -> bool {
    // Stores keep times to the millisecond.
    let began = context.policy.began.as_millisecond();
    noted_at.is_some_and(|at| !context.scope.is_resumed || at.as_millisecond() < began)
}

/// Returns what a failed request says about its item.
fn sight_of_error(error: &FetchError) -> Sight {
    match error {
        FetchError::Status { status: 404 | 410, .. } => Sight::Absent,
        // A refusal with a `Retry-After` is only temporary.
        FetchError::Status { status: 401 | 403, wait: None, .. }
        | FetchError::RedirectRefused { .. }
        | FetchError::RedirectLoop(_) => Sight::Closed,
        _ => Sight::Unclear,
    }
}

/// Returns what an unreadable page says about its item. Only what the site file requires tells an
/// item's page from any other page: if nothing is required, any page counts as the item.
pub fn sight_of_page(error: &PageError) -> Sight {
    match error {
        PageError::Nothing | PageError::Field(FieldError::Conversion { .. }) => Sight::There,
        _ => Sight::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_what_an_answer_says_of_an_item() {
        let status = |status| FetchError::Status { status, wait: None, sample: None };
        let cases = [
            (status(404), Sight::Absent),
            (status(410), Sight::Absent),
            (status(401), Sight::Closed),
            (status(403), Sight::Closed),
            (FetchError::RedirectRefused { to: "https://login.h/".to_owned() }, Sight::Closed),
            (FetchError::RedirectLoop(10), Sight::Closed),
            (status(429), Sight::Unclear),
            (status(500), Sight::Unclear),
            (FetchError::Timeout(String::new()), Sight::Unclear),
            (FetchError::Forbidden, Sight::Unclear),
        ];
        for (error, sight) in cases {
            assert_eq!(sight_of_error(&error), sight, "{error}");
        }
    }

    #[test]
    fn g6_only_what_is_required_tells_an_item_from_another_page() {
        let cases = [
            (PageError::Require("h1".to_owned()), Sight::Unclear),
            (PageError::Field(FieldError::Missing("title".to_owned())), Sight::Unclear),
            (PageError::NoDocument("$.item".to_owned()), Sight::Unclear),
            (PageError::Nothing, Sight::There),
        ];
        for (error, sight) in cases {
            assert_eq!(sight_of_page(&error), sight, "{error}");
        }
    }
}
