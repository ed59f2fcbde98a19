//! Very many items that the store knows already: what a refresh holds of them, how long it takes
//! for each, and what it asks.
//!
//! The store is filled through the library, as a crawl by the same rules would have left it but for
//! the documents, which are small since nobody asks for them; the list says that nothing has changed
//! since. Then the program refreshes it, in a process of its own beside the site's: its highest
//! memory (`VmHWM`), less that of a refresh of few items, is what the others take. Another refresh,
//! by the library, counts the questions to the store.
//!
//! `GLEANER_MILLION_ITEMS` says how many (`make million ITEMS=1000000`); a twentieth of that is then
//! what memory is compared with, a hundredth what time is.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gleaner::engine::crawl::Crawl;
use gleaner::model::record::{PageVersion, Provenance, Record};
use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Settings;
use gleaner::store::{Store, StoreUrl};
use gleaner::system::shutdown;
use serde_json::json;
use tempfile::TempDir;

use super::program::gleaner;
use super::report;
use crate::crawl::meddler::{Meddler, Questions};
use crate::crawl::rig::ended;
use crate::records::{hold, place, record, release};
use crate::served::{Answer, Asked, Served};

/// Items on a page of the list.
const PAGE: usize = 1_000;
/// Items of the refresh that the large one is compared with.
const FEW: usize = 5_000;
/// Items of the large one in all tests: enough to tell what is held of each from what is held anyway.
const MANY: usize = 30_000;
/// Bytes that an item may add. The seen set takes 27 to 29 of them; a key alone would take as much again,
/// all that is known of an item ten times as much.
const MOST_BYTES: usize = 40;
/// Bytes by which two runs may differ anyway: a page in the hands of each of 16 workers, where few
/// items have but five.
const SLACK: usize = 12 << 20;
/// Longer than a million items take, on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A site, and a store that holds all of it.
struct InStep {
    items: usize,
    served: Served,
    store: String,
    file: PathBuf,
    folder: TempDir,
}

/// What a refresh took.
#[derive(Debug, Clone, Copy)]
struct Took {
    /// The most memory it ever had, in bytes.
    peak: usize,
    time: Duration,
}

fn site_file(base_url: &str) -> String {
    format!(
        r#"
name = "books"
base_url = "{base_url}"
collection = "books"
format = "json"
[index]
url = "/list"
query = {{ limit = "{{limit}}", offset = "{{offset}}" }}
paging = {{ by = "offset", limit = {PAGE}, total = "$.count" }}
items = "$.rows[*]"
key = "$.id"
revision = "$.updated_at"
[detail]
url = "/item/{{key}}"
"#
    )
}

/// Keys in no order, each but once.
fn name(at: usize) -> u32 {
    (at as u32).wrapping_mul(2_654_435_761)
}

fn updated_at(at: usize) -> String {
    format!("2025-{:02}-{:02}T01:02:03Z", 1 + at % 12, 1 + at % 28)
}

fn list(items: usize, asked: &Asked) -> Answer {
    if asked.path != "/list" {
        return Answer::not_found();
    }
    let (offset, limit) = (asked.number("offset").unwrap_or(0), asked.number("limit"));
    let to = items.min(offset + limit.unwrap_or(PAGE));
    let row = |at| format!(r#"{{"id":{},"updated_at":"{}"}}"#, name(at), updated_at(at));
    let rows: Vec<String> = (offset..to).map(row).collect();
    let page = format!(r#"{{"count":{items},"rows":[{}]}}"#, rows.join(","));
    Answer::body(page, "application/json")
}

fn blocking<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

impl InStep {
    fn with(items: usize, store: String) -> InStep {
        let served = Served::start(move |asked| list(items, asked));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("books.toml");
        std::fs::write(&file, site_file(served.url())).expect("it is written");
        let in_step = InStep { items, served, store, file, folder };
        blocking(in_step.fill());
        in_step
    }

    fn site(&self) -> Site {
        Site::parse(&site_file(self.served.url()), "books.toml").expect("a site file")
    }

    async fn open(&self) -> Arc<dyn Store> {
        let url: StoreUrl = self.store.parse().expect("a URL");
        gleaner::store::open(&url, &place("books", "books")).await.expect("the store opens")
    }

    async fn fill(&self) {
        let store = self.open().await;
        hold(&*store, &place("books", "books")).await;
        let provenance = Provenance { sweep: "before".into(), rules: self.site().rules().into() };
        for from in (0..self.items).step_by(PAGE) {
            let record = |at| {
                let name = name(at).to_string();
                let record = record(&name, &format!(r#"{{"id":{name}}}"#), store.encoding());
                let revision = Some(updated_at(at).into());
                Record { version: PageVersion { revision, ..record.version }, ..record }
            };
            let records: Vec<Record> = (from..self.items.min(from + PAGE)).map(record).collect();
            assert_eq!(store.write(&provenance, &records).await, Ok(Vec::new()));
        }
        assert_eq!(store.count_live().await, Ok(self.items as u64));
        release(&*store, &place("books", "books")).await;
        store.close().await.expect("it closes");
    }

    /// Pages of the list.
    fn pages(&self) -> usize {
        self.items.div_ceil(PAGE)
    }

    /// Refreshes, as a process.
    fn refreshed(&self) -> Took {
        let (before, began) = (self.served.count("/"), Instant::now());
        let to = self.folder.path().join("report.json");
        let [file, to_report] = [&self.file, &to].map(|path| path.to_str().expect("UTF-8"));
        let arguments = ["crawl", file, "--store", &self.store, "--report", to_report];
        let mut running = gleaner(&arguments).args(&["--robots", "off"]).start();
        let mut peak = 0;
        while !running.has_ended() {
            assert!(began.elapsed() < LONGEST, "it does not end");
            peak = highest(running.id()).unwrap_or(peak);
            std::thread::sleep(Duration::from_millis(2));
        }
        let time = began.elapsed();
        running.end().with(0);
        let report = report(&to);
        assert_eq!(report["items"]["same"], self.items, "{report:#}");
        assert_eq!(report["store"]["written"], 0, "{report:#}");
        // The list, which ends with the page that reaches its total, and no page of an item.
        let asked = self.served.count("/") - before;
        assert_eq!(report["requests"]["total"], asked, "{report:#}");
        assert_eq!((self.served.count("/item"), asked), (0, self.pages()), "{report:#}");
        Took { peak, time }
    }

    /// Refreshes by the library. Answers with how many keys the store was asked for each time.
    fn questions(&self) -> Vec<usize> {
        let questions = Arc::new(Questions::default());
        let settings = Settings::default().with(|it| it.pace.robots = false);
        let report = blocking(async {
            let store = Arc::new(Meddler { store: self.open().await, meddle: questions.clone() });
            let (_trigger, shutdown) = shutdown::channel();
            Crawl::new(self.site(), settings, store, "the store".into(), shutdown).run().await
        });
        assert_eq!(ended(report, Outcome::Complete).items.same, self.items as u64);
        questions.0.lock().expect("nobody panicked").clone()
    }
}

/// The most memory that a process ever had, in bytes; nothing where it has ended.
pub fn highest(pid: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes << 10)
}

/// Refreshes few and many items in stores that `fresh` makes.
fn holds_no_more_than_the_seen_set(what: &str, fresh: impl Fn() -> String) {
    let asked_for = std::env::var("GLEANER_MILLION_ITEMS").ok();
    let many = asked_for.as_ref().map_or(MANY, |it| it.parse().expect("a number of items"));
    // What memory is compared with, and what time is.
    let (few, fewest) = if asked_for.is_some() { (many / 20, many / 100) } else { (FEW, FEW) };
    let [with_few, with_fewest] =
        [few, fewest].map(|items| InStep::with(items, fresh()).refreshed());
    let in_step = InStep::with(many, fresh());
    let asked = in_step.questions();
    assert!(asked.iter().all(|keys| *keys <= PAGE), "{asked:?}");
    assert_eq!((asked.len(), asked.iter().sum()), (in_step.pages(), many));
    let took = in_step.refreshed();
    let added = took.peak.saturating_sub(with_few.peak);
    let mebibytes = |took: Took| (took.peak as f64 / f64::from(1 << 20) * 10.0).round() / 10.0;
    let micros = |took: Took, items| (took.time.as_secs_f64() * 1e6 / items as f64).round();
    let said = json!({
        "store": what,
        "items": [few, many],
        "questions": asked.len(),
        "peak in MiB": [mebibytes(with_few), mebibytes(took)],
        "bytes an item": added / (many - few),
        "µs an item": [micros(with_fewest, fewest), micros(took, many)],
    });
    eprintln!("{said:#}");
    assert!(added <= MOST_BYTES * (many - few) + SLACK, "{said:#}");
}

#[test]
fn z1_a_refresh_holds_no_more_than_the_seen_set_in_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let fresh = || format!("sqlite:{}/{}.db", folder.path().display(), uuid::Uuid::now_v7());
    holds_no_more_than_the_seen_set("SQLite", fresh);
}

#[test]
fn z1_a_refresh_holds_no_more_than_the_seen_set_in_mongodb() {
    holds_no_more_than_the_seen_set("MongoDB", crate::mongod::fresh_database);
}
