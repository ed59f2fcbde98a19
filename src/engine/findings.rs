//! What a sweep finds out about the site, beside the documents that it stores. Workers add to it,
//! and the end of the sweep is decided by it.

use crate::engine::list_progress::ListProgress;
use crate::engine::refresh::canary::Canary;
use crate::engine::refresh::gone::GoneCandidates;
use crate::engine::refresh::redirect::Redirects;
use crate::engine::refresh::twins::Twins;

/// The findings of a sweep about the site.
#[derive(Debug, Default)]
pub struct Findings {
    /// Progress over the lists.
    pub lists: ListProgress,
    /// Progress over the lists of items whose documents are being made.
    pub parts: ListProgress,
    /// Items that may have left the site.
    pub gone_candidates: GoneCandidates,
    /// Counts the fields of documents, and detects a redesign.
    pub canary: Canary,
    /// Redirects of item requests.
    pub redirects: Redirects,
    /// Documents that changed, kept where any page counts as an item's.
    pub twins: Option<Twins>,
}
