//! How close the adaptive number of requests in flight comes to the best fixed one, on a site that
//! serves so many at once and answers 503 above: with 200 workers against just as many workers as
//! it bears, in one process; where what it bears changes half-way, as the least it bears.
//!
//! `cargo bench --bench pacing`: a table, medians of three runs of the adaptive number.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Options};
use gleaner::engine::crawl::Crawl;
use gleaner::model::report::Outcome;
use gleaner::site::settings::Settings;
use gleaner::site::{Site, parse_base_url};
use gleaner::store::{self, Place};
use gleaner::system::shutdown;

const RUNS: usize = 3;
const WORKERS: usize = 200;
const LATENCY: Duration = Duration::from_millis(20);

/// What a site bears before and after half of the requests, and how many books it has.
const SITES: [(u64, u64, usize); 7] = [
    (4, 4, 1_200),
    (20, 20, 4_000),
    (100, 100, 9_040),
    (20, 100, 9_040),
    (100, 20, 9_040),
    (4, 100, 9_040),
    (100, 4, 9_040),
];

/// What came of a crawl.
#[derive(Debug, Clone, Copy)]
struct Run {
    elapsed: f64,
    /// Share of the requests that were refused, in percent.
    refused: f64,
    most: u64,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!(
        "| bears, before → after | books | refused | most in flight | wall beside the best fixed |"
    );
    println!("|---|---|---|---|---|");
    for (before, after, books) in SITES {
        let run =
            |workers, adaptive| runtime.block_on(crawl((before, after), books, workers, adaptive));
        let mut runs: Vec<Run> = (0..RUNS).map(|_| run(WORKERS, true)).collect();
        runs.sort_by(|a, b| a.elapsed.total_cmp(&b.elapsed));
        let adapted = runs[RUNS / 2];
        // More would be refused all the time; what it takes hardly varies.
        let best = before.min(after);
        let fixed = run(best as usize, false);
        println!(
            "| {before} → {after} | {books} | {:.2} % | {} | {:.2} / {:.2} s = {:.2} ({best}) |",
            adapted.refused,
            adapted.most,
            adapted.elapsed,
            fixed.elapsed,
            adapted.elapsed / fixed.elapsed,
        );
    }
}

/// Crawls a site that bears so many, into a new file.
async fn crawl(bears: (u64, u64), books: usize, workers: usize, adaptive: bool) -> Run {
    let options = Options { items: books, latency: LATENCY, ..Options::default() };
    let demo = Demo::start(options).expect("the site starts");
    demo.capacity(bears.0);
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("books.db").display());
    let base_url = parse_base_url(demo.url()).expect("a URL");
    let site = Site { base_url, ..Site::load("books").expect("built in") };
    let place = Place {
        site: site.name.clone(),
        collection: site.collection.clone(),
        key_field: None,
        adopt: false,
    };
    let store = store::open(&url.parse().expect("a store"), &place).await.expect("it opens");
    // What is refused is asked for again until it is had.
    let settings = Settings::default().with(|it| {
        it.pace.workers = workers;
        it.pace.adaptive = adaptive;
        it.pace.robots = false;
        it.pace.retries = 100;
        it.pace.block_after = u32::MAX;
    });
    let (_trigger, shutdown) = shutdown::channel();
    let crawl = Crawl::new(site, settings, store, url, shutdown);
    let begun = Instant::now();
    let changes = async {
        while demo.stats().requests < books as u64 / 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        demo.capacity(bears.1);
    };
    let (ended, ()) = tokio::join!(crawl.run(), changes);
    assert_eq!(ended.report.outcome, Outcome::Complete, "{:?}", ended.error);
    let stats = demo.stats();
    Run {
        elapsed: begun.elapsed().as_secs_f64(),
        refused: demo.refused() as f64 / stats.requests as f64 * 100.0,
        most: stats.max_in_flight,
    }
}
