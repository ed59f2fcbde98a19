//! The parts of a crawl that its workers and its writer share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::Crawl;
use crate::engine::error::CrawlError;
use crate::engine::parent::ParentItems;
use crate::engine::refresh::Policy;
use crate::engine::retry_failures::Wanted;
use crate::engine::worker::{Reports, Scope};
use crate::engine::writer::Destination;
use crate::model::record::Provenance;
use crate::model::task::PageRange;
use crate::observe::problems::{FieldsFound, OddTexts, Problems};
use crate::site::settings::{Begin, RefreshSettings};
use crate::store::Patience;
use crate::sweep::SweepEntry;

impl Crawl {
    /// Opens the parent's items, if the seeds are those.
    pub(super) async fn open_parent(&self) -> Result<Option<Arc<ParentItems>>, CrawlError> {
        let Some(parent) = &self.parent else { return Ok(None) };
        let patience = Patience(self.settings.store.wait);
        let opened = parent.open(patience, self.metrics.clone(), self.waits.clone()).await?;
        Ok(Some(Arc::new(opened)))
    }

    /// Returns the part of the site that the run covers.
    pub(super) fn scope(&self, entry: &SweepEntry, range: PageRange, wanted: Wanted) -> Scope {
        Scope {
            range,
            kind: entry.kind,
            is_resumed: entry.is_resumed(),
            wanted,
            most_files: self.settings.files.most,
            retries: self.settings.pace.retries,
            gone_limit: self.settings.refresh.gone_limit,
        }
    }

    /// Returns a warning if `--max-age` is not used.
    pub(super) fn unused_age(&self) -> Option<String> {
        self.settings.refresh.max_age.filter(|_| self.site.incremental().is_some())?;
        let why = "an item that is skipped would not be listed again until it changes";
        Some(format!("--max-age is not used where a sweep lists only what changed: {why}"))
    }

    /// Returns the policy for all items of a sweep that began at `began`.
    pub(super) fn policy(&self, provenance: Provenance, began: Timestamp) -> Policy {
        let RefreshSettings { conditional, max_age, .. } = self.settings.refresh;
        let begin = self.settings.scope.begin;
        Policy {
            scrubber: self.settings.scrubber.clone(),
            provenance,
            takes_over: self.site.takes_over(),
            began,
            takes_links: self.site.takes_links(),
            // Retries are unconditional: a 304 has no document, and so says nothing about the list.
            conditional: conditional && begin == Begin::List,
            max_age: max_age.filter(|_| self.site.incremental().is_none()),
        }
    }

    /// Returns the counters and problems that workers add to.
    pub(super) fn reports(&self, problems: &Arc<Problems>) -> Reports {
        Reports {
            metrics: self.metrics.clone(),
            problems: problems.clone(),
            list_fields: FieldsFound::new(self.site.list_fields(), "items of the list"),
            fields: FieldsFound::new(self.site.detail_fields(), "pages"),
            texts: OddTexts::default(),
        }
    }

    /// Returns the destination of the writer's batches.
    pub(super) fn destination(
        &self,
        has_failures: bool,
        provenance: Provenance,
        problems: &Arc<Problems>,
    ) -> Destination {
        Destination {
            store: self.store.clone(),
            has_failures,
            frontier: self.frontier.clone(),
            metrics: self.metrics.clone(),
            problems: problems.clone(),
            scrubber: self.settings.scrubber.clone(),
            alike: Mutex::default(),
            absent: AtomicU64::default(),
            findings: self.findings.clone(),
            provenance,
        }
    }
}
