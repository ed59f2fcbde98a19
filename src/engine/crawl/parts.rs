//! The parts of a crawl that its workers and its writer share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use futures_util::future::BoxFuture;

use super::{Crawl, failures, hosts};
use crate::engine::error::CrawlError;
use crate::engine::parent::ParentItems;
use crate::engine::refresh::Policy;
use crate::engine::retry_failures::Wanted;
use crate::engine::together::help::Helper;
use crate::engine::together::lend::Lender;
use crate::engine::worker::{Reports, Scope, WorkerContext};
use crate::engine::writer::{Destination, Outbox};
use crate::fetch::HostPolicy;
use crate::model::record::Provenance;
use crate::model::share::Share;
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

    /// Returns what this run does beside its workers in a sweep that several machines share. It ends
    /// only with an error.
    pub(super) fn beside<'c>(
        &self,
        entry: &SweepEntry,
        context: &'c Arc<WorkerContext>,
        outbox: &Outbox,
        helper: Option<&'c Helper>,
    ) -> BoxFuture<'c, CrawlError> {
        let HostPolicy { workers: most, rate, .. } = self.settings.host_policy();
        let (outbox, members) = (outbox.clone(), self.members.clone());
        match helper {
            Some(helper) => Box::pin(helper.run(context)),
            None if self.settings.scope.together => {
                let whole = Share { most, rate };
                let lender = Lender::new(entry, whole, context.clone(), outbox, members);
                Box::pin(lender.run())
            }
            None => Box::pin(std::future::pending()),
        }
    }

    /// Reports what was odd about the pages, hosts and requests of a run whose workers have ended.
    pub(super) async fn sum_up(
        &self,
        context: &WorkerContext,
        problems: &Problems,
        is_sound: bool,
    ) {
        context.reports.sum_up();
        if let Some(parent) = &context.storage.parent {
            parent.close().await;
        }
        hosts::note_limits(&context.hosts, problems);
        if is_sound {
            failures::note_not_found(&context.scope.wanted, &self.frontier, problems);
        }
    }

    /// Returns the policy for all items of a sweep that began at `began`.
    pub(super) fn policy(&self, provenance: Provenance, began: Timestamp) -> Policy {
        let RefreshSettings { conditional, max_age, .. } = self.settings.refresh;
        let begin = self.settings.scope.begin;
        Policy {
            scrubber: self.settings.scrubber.clone(),
            provenance,
            takes_over: self.site.takes_over(),
            ahead_ms: Arc::default(),
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
