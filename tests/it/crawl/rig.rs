//! A site, a store and settings, ready to be crawled; and what is true of every crawl.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Options};
use gleaner::engine::crawl::{Crawl, Ended};
use gleaner::model::record::{Key, Known};
use gleaner::model::report::{Answers, Outcome, Report};
use gleaner::site::settings::Settings;
use gleaner::site::{Site, parse_base_url};
use gleaner::store::Store;
use gleaner::system::shutdown::{self, Shutdown};
use serde_json::Value;

use crate::records::place;
use crate::store_contract::{Backend, KeptFailure, Ledger};

/// Longer than any of these crawls takes, on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(60);

/// The demo site, a store and a site file for one test.
pub struct Rig<B> {
    pub demo: Demo,
    pub backend: B,
    pub site: Site,
    pub settings: Settings,
}

/// The built-in site, at `url`.
pub fn books_at(url: &str) -> Site {
    let base_url = parse_base_url(url).expect("a base URL");
    Site { base_url, ..Site::load("books").expect("the built-in site") }
}

/// Settings for a site on the same machine: little patience, few workers.
pub fn settings() -> Settings {
    let usual = Settings::default();
    usual.with(|it| {
        it.pace.workers = 6;
        it.pace.retries = 2;
        it.store.flush = Duration::from_millis(20);
        it.pace.robots = false;
    })
}

impl<B: Backend> Rig<B> {
    pub async fn new(items: usize) -> Rig<B> {
        Rig::with(Options { items, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Rig<B> {
        Rig::on(B::start().await, options)
    }

    pub fn on(backend: B, options: Options) -> Rig<B> {
        let demo = Demo::start(options).expect("the demo site starts");
        let site = books_at(demo.url());
        Rig { demo, backend, site, settings: settings() }
    }

    pub async fn store(&self) -> Arc<dyn Store> {
        self.backend.open(&place("books", "books")).await.expect("the store opens")
    }

    /// A crawl that nobody stops.
    pub async fn crawl(&self) -> Ended {
        self.crawl_into(self.store().await).await
    }

    pub async fn crawl_into(&self, store: Arc<dyn Store>) -> Ended {
        let (_trigger, shutdown) = shutdown::channel();
        run(self.crawl_of(store, shutdown)).await
    }

    pub fn crawl_of(&self, store: Arc<dyn Store>, shutdown: Shutdown) -> Crawl {
        Crawl::new(self.site.clone(), self.settings.clone(), store, "the store".into(), shutdown)
    }

    /// A crawl that ends complete, adds up, and asked the site what it says it asked.
    pub async fn complete(&self) -> Report {
        let before = self.demo.stats().requests;
        let report = ended(self.crawl().await, Outcome::Complete);
        self.accounts_for(&report, before);
        report
    }

    /// A crawl that comes to its end and finds something missing.
    pub async fn incomplete(&self) -> Report {
        let before = self.demo.stats().requests;
        let report = ended(self.crawl().await, Outcome::Incomplete);
        self.accounts_for(&report, before);
        report
    }

    /// The report says how often the site was asked since it had been asked `before` times. A
    /// request on a connection that the site had just closed never reaches it; it is made again.
    fn accounts_for(&self, report: &Report, before: u64) {
        let (said, seen) = (report.requests.total, self.demo.stats().requests - before);
        let again = report.requests.retried;
        assert!(
            said == seen || said > seen && said - seen <= again,
            "{said}, the site says {seen}"
        );
        let Answers { success, redirect, refused, broken, none } = report.requests.answers;
        assert_eq!(success + redirect + refused + broken + none, said, "each has one answer");
    }

    /// What is stored.
    pub async fn documents(&self) -> BTreeMap<String, Value> {
        let documents = self.backend.documents("books").await;
        let count = documents.len();
        let parse = |text: &str| serde_json::from_str(text).expect("a document is JSON");
        let documents: BTreeMap<String, Value> =
            documents.into_iter().map(|(key, text)| (key, parse(&text))).collect();
        assert_eq!(documents.len(), count, "a key is stored twice");
        documents
    }

    /// What the site has.
    pub fn served(&self) -> BTreeMap<String, Value> {
        let keys = self.demo.keys().into_iter();
        keys.filter_map(|key| self.demo.document(&key).map(|document| (key, document))).collect()
    }

    /// The store holds what the site has, item by item, and nothing else.
    pub async fn equals_the_site(&self) {
        let (stored, served) = (self.documents().await, self.served());
        let keys = |documents: &BTreeMap<String, Value>| documents.keys().cloned().collect();
        let (stored_keys, served_keys): (Vec<_>, Vec<_>) = (keys(&stored), keys(&served));
        assert_eq!(stored_keys, served_keys);
        for (key, document) in &served {
            assert_eq!(&stored[key], document, "{key}");
        }
    }

    /// The store holds everything but these items, and nothing that the site does not have.
    pub async fn lacks_only(&self, lacking: &[&str]) {
        let (stored, mut served) = (self.documents().await, self.served());
        for key in lacking {
            served.remove(*key);
        }
        for (key, document) in &stored {
            assert_eq!(served.remove(key).as_ref(), Some(document), "{key}");
        }
        assert_eq!(served.keys().collect::<Vec<_>>(), Vec::<&String>::new(), "not stored");
    }

    pub async fn known(&self) -> BTreeMap<String, Known> {
        let store = self.store().await;
        let keys: Vec<Key> =
            self.demo.keys().iter().map(|key| Key::new(key).expect("a key")).collect();
        let known = store.known(&keys).await.expect("the store answers");
        known.into_iter().map(|known| (known.key.to_string(), known)).collect()
    }

    /// The path of an item's page.
    pub fn page(&self, at: usize) -> String {
        format!("/api/book/{}/", self.demo.keys()[at])
    }
}

impl<B: Ledger> Rig<B> {
    /// The one failure that is kept.
    pub async fn the_failure(&self) -> KeptFailure {
        let mut failures = self.backend.failures().await;
        assert_eq!(failures.len(), 1, "{failures:?}");
        failures.remove(0)
    }
}

/// Runs a crawl, but not for ever.
pub async fn run(crawl: Crawl) -> Ended {
    tokio::time::timeout(LONGEST, crawl.run()).await.expect("the crawl ends")
}

/// The report of a crawl that ended with `outcome` and of which everything is accounted for.
pub fn ended(ended: Ended, outcome: Outcome) -> Report {
    let Ended { report, error } = ended;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(report.outcome, outcome, "{report:#?}");
    adds_up(&report);
    report
}

pub fn adds_up(report: &Report) {
    let items = &report.items;
    let sum = items.new + items.changed + items.same + items.skipped + items.missing + items.failed;
    assert_eq!(sum, report.index.listed, "{report:#?}");
    // What is the same is not written: a note that it was seen is enough.
    let (written, other) = (report.store.written, items.new + items.changed);
    assert!(written == other || report.resumed && written < other, "{report:#?}");
}

/// Whether one of the report's problems says this.
pub fn says(report: &Report, text: &str) {
    assert!(report.problems.iter().any(|it| it.contains(text)), "{text}: {:#?}", report.problems);
}

/// Waits until something is so.
pub async fn until(what: &str, so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + LONGEST;
    while !so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
