//! What all workers of a crawl share, by subject.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::pages::PageReader;
use crate::engine::findings::Findings;
use crate::engine::lookup::Lookup;
use crate::engine::parent::ParentItems;
use crate::engine::refresh::Policy;
use crate::engine::retry_failures::Wanted;
use crate::fetch::{self, Fetcher, Hosts};
use crate::frontier::Frontier;
use crate::model::decoding::Decoding;
use crate::model::report::Kind;
use crate::model::task::PageRange;
use crate::observe::metrics::Metrics;
use crate::observe::problems::{FieldsFound, OddTexts, Problems};
use crate::site::Site;
use crate::store::Store;
use crate::store::files::Files;
use crate::system::shutdown::Shutdown;

/// The state that all workers share.
pub struct WorkerContext {
    /// Site to crawl.
    pub site: Arc<Site>,
    /// Part of the site that the run covers.
    pub scope: Scope,
    /// Decides which stored data counts. Also holds what is the same for all records.
    pub policy: Policy,
    /// Source of tasks, and destination of follow-ups.
    pub frontier: Arc<Frontier>,
    /// Rate limits and slots of the site's hosts.
    pub hosts: Arc<Hosts>,
    /// HTTP client.
    pub fetcher: Arc<Fetcher>,
    /// Reads pages that were fetched.
    pub pages: PageReader,
    /// Stored data, and stored failures.
    pub storage: Storage,
    /// Findings of the sweep about the site.
    pub findings: Arc<Findings>,
    /// Counters and problems.
    pub reports: Reports,
    /// Ends the loops.
    pub shutdown: Shutdown,
}

/// The part of the site that a run covers, and its limits.
pub struct Scope {
    /// Range of index pages that may be requested.
    pub range: PageRange,
    /// Kind of the sweep.
    pub kind: Kind,
    /// True if this run resumes a sweep.
    pub is_resumed: bool,
    /// Selects which of the listed items are requested.
    pub wanted: Wanted,
    /// Maximum number of retries of a task.
    pub retries: u32,
    /// Maximum number of files of one item.
    pub most_files: usize,
    /// Maximum share of the store's documents that may be marked gone at once, in percent.
    pub gone_limit: f64,
}

/// The store, as workers use it. Records go to the writer instead.
pub struct Storage {
    /// Store for failures of list pages, and source of the items that are not listed.
    pub store: Arc<dyn Store>,
    /// Looks up what the store knows of listed items.
    pub lookup: Lookup,
    /// Items of the site whose items are the seeds, or `None` if there is none.
    pub parent: Option<Arc<ParentItems>>,
    /// Folder of the files that items name, or `None` if there is none.
    pub files: Option<Files>,
    /// True if the store holds failures, which must be deleted when their pages are read.
    pub has_failures: AtomicBool,
}

/// Counters and problems, for the log and the report.
pub struct Reports {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Problems to report to the user.
    pub problems: Arc<Problems>,
    /// Counts in which items the list's fields were found.
    pub list_fields: FieldsFound,
    /// Counts on which item pages the fields were found.
    pub fields: FieldsFound,
    /// Pages that could not be decoded cleanly.
    pub texts: OddTexts,
}

impl Reports {
    /// Notes how a page was decoded.
    pub fn decoded(&self, page: &fetch::Page, decoding: Decoding) {
        if decoding != Decoding::default() {
            self.metrics.replaced(decoding.replaced);
            self.texts.note(&page.url, decoding);
        }
    }

    /// Turns what was odd about the pages that were read into problems, each thing once.
    pub fn sum_up(&self) {
        self.list_fields.report_to(&self.problems);
        self.fields.report_to(&self.problems);
        self.texts.report_to(&self.problems, self.metrics.snapshot().requests.replaced);
    }
}
