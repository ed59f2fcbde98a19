//! Site files against copies of their sites: crawled whole, and checked document by document and
//! request by request.

mod answers;
mod built_in;
mod early_ends;
mod emptied;
mod examples;
mod format;
mod formats;
mod forms;
mod handed_over;
mod left_out;
mod links;
mod lists_that_go_on;
mod lists_with_more;
mod odd_lists;
mod odd_pages;
mod other_words;
mod paging;
mod parts;
mod proven_ends;
mod ranges;
mod revisions;
mod services;
mod sessions;
mod steps;
mod values;
mod wire;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gleaner::engine::crawl::{Crawl, Ended};
use gleaner::model::report::{Outcome, Report};
use gleaner::site::settings::Settings;
use gleaner::site::{Site, parse_base_url};
use gleaner::system::shutdown;
use serde_json::Value;

use crate::crawl::rig::{adds_up, run};
use crate::records::place;
use crate::served::Served;
use crate::store_contract::Backend;

/// A crawl that came to its end, and what is stored after it.
struct Crawled<B> {
    backend: B,
    report: Report,
    documents: BTreeMap<String, Value>,
    took: Duration,
}

/// A file of this repository.
fn text(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The site of a file of this repository.
fn site(path: &str) -> Site {
    site_of(&text(path))
}

/// The site of a text.
fn site_of(text: &str) -> Site {
    site_at(text, "test.toml")
}

/// The site of a file that stands there.
fn site_at(text: &str, origin: &str) -> Site {
    Site::parse(text, origin).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// For a site on the same machine: little patience.
fn settings() -> Settings {
    Settings::default().with(|it| {
        it.pace.workers = 8;
        it.store.flush = Duration::from_millis(20);
        it.pace.retries = 1;
    })
}

/// A complete crawl.
async fn crawl_served<B: Backend>(site: Site, served: &Served) -> Crawled<B> {
    crawl_with::<B>(site, served, settings(), Outcome::Complete).await
}

/// A crawl into an empty store that comes to its end with `outcome`.
async fn crawl_with<B: Backend>(
    site: Site,
    served: &Served,
    settings: Settings,
    outcome: Outcome,
) -> Crawled<B> {
    crawl_into(B::start().await, site, served, settings, outcome).await
}

/// A crawl that comes to its end with `outcome`.
async fn crawl_into<B: Backend>(
    backend: B,
    site: Site,
    served: &Served,
    settings: Settings,
    outcome: Outcome,
) -> Crawled<B> {
    let crawled = crawl_to_its_end(backend, site, served, settings).await;
    assert_eq!(crawled.report.outcome, outcome, "{:#?}", crawled.report);
    crawled
}

/// A crawl that comes to its end, whatever that is.
fn crawl_to_its_end<B: Backend>(
    backend: B,
    mut site: Site,
    served: &Served,
    settings: Settings,
) -> impl Future<Output = Crawled<B>> {
    // A site by value would make large futures.
    Box::pin(async move {
        site.base_url = parse_base_url(served.url()).expect("a base URL");
        // The names under which the tests' own backends look.
        site.name = "books".into();
        site.collection = "books".into();
        let store = backend.open(&place("books", "books")).await.expect("the store opens");
        let (_trigger, shutdown) = shutdown::channel();
        let begun = Instant::now();
        let crawl = Crawl::new(site, settings, store, "the store".into(), shutdown);
        let Ended { report, error } = run(crawl).await;
        let took = begun.elapsed();
        assert_eq!(error.is_some(), report.outcome == Outcome::Failed, "{error:?}");
        // A run that was blocked has listed more than it settled.
        if report.outcome != Outcome::Failed {
            adds_up(&report);
        }
        let documents = backend.documents("books").await.into_iter();
        let parsed = |text: &str| serde_json::from_str(text).expect("a document is JSON");
        let documents = documents.map(|(key, text)| (key, parsed(&text))).collect();
        Crawled { backend, report, documents, took }
    })
}

impl<B> Crawled<B> {
    /// These documents are stored, and no others; all of them were new.
    fn holds(&self, expected: impl IntoIterator<Item = (String, Value)>) {
        let expected: BTreeMap<String, Value> = expected.into_iter().collect();
        let keys = |documents: &BTreeMap<String, Value>| documents.keys().cloned().collect();
        let (stored, wanted): (Vec<_>, Vec<_>) = (keys(&self.documents), keys(&expected));
        assert_eq!(stored, wanted);
        for (key, document) in &expected {
            assert_eq!(&self.documents[key], document, "{key}");
        }
        assert_eq!(self.report.items.new, expected.len() as u64, "{:#?}", self.report);
    }
}

/// Nothing was asked for twice but so many pages without items: such a page may be a hiccup, and
/// ends the list, so it is asked for once more.
fn nothing_twice_but(empty_pages: usize, served: &Served) {
    let asked = served.requests().into_iter().map(|asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        format!("{} {} {:?} {body}", asked.method, asked.path, asked.query)
    });
    let mut counts = BTreeMap::<String, usize>::new();
    asked.for_each(|asked| *counts.entry(asked).or_default() += 1);
    counts.retain(|_, count| *count > 1);
    assert!(counts.len() == empty_pages && counts.values().all(|count| *count == 2), "{counts:?}");
}
