//! More workers than descriptors.

use std::path::Path;
use std::time::Duration;

use super::program::{Running, gleaner, gleaner_after};
use super::{folder, report, site, sqlite, stored_as_served};

/// From a request to its answer.
const LATENCY: &str = "300ms";

/// A slow site in a process of its own, which has its own descriptors.
fn slow_site(items: usize) -> (Running, String) {
    let items = items.to_string();
    let server = gleaner(&["demo", "--serve", "--items", &items, "--latency", LATENCY]).start();
    let url = server.first_line();
    (server, url)
}

/// What a crawl did that ended well.
struct Told {
    log: String,
    /// Descriptors that it had open at once, at most.
    most: usize,
}

/// Crawls `items` items with so many workers, after a shell set the limit. Everything is stored, and
/// no request failed for want of a descriptor.
fn crawled(limit: &str, items: usize, workers: usize) -> Told {
    let (server, url) = slow_site(items);
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let workers = workers.to_string();
    let arguments = ["crawl", "books", "--base-url", &url, "--workers", &workers, "--page-size"];
    let store = sqlite(&path);
    let more = ["1000", "--store", &store, "--report", to.to_str().expect("UTF-8")];
    // All workers ask at once, instead of as many as the site seems to bear.
    let eager = ["--adaptive", "off", "--robots", "off"];
    let patient = ["--connect-timeout", "50s", "--read-timeout", "50s", "--timeout", "55s"];
    let all = [&arguments[..], &more[..], &eager[..], &patient[..]].concat();
    let mut running = gleaner_after(limit, &all).start();
    let mut most = 0;
    while !running.has_ended() {
        let open = std::fs::read_dir(format!("/proc/{}/fd", running.id())).map(Iterator::count);
        most = most.max(open.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    }
    let ended = running.end().with(0);
    server.signal("TERM");
    server.end().with(0);
    all_went_well(&to, items);
    assert_eq!(stored_as_served(&path, &site(items)), items);
    let said = &report(&to)["problems"];
    let warned = ended.err.contains("WARN") && ended.err.contains("instead of");
    assert_eq!(warned, said.to_string().contains("instead of"), "{said}\n{}", ended.err);
    Told { log: ended.err, most }
}

/// Where descriptors run out, a request fails at once, and so does each further try until others have
/// ended: most would be tried again. A few are lost to a machine that is too busy to answer thousands
/// at once.
fn all_went_well(to: &Path, items: usize) {
    let report = report(to);
    let retried = report["requests"]["retried"].as_u64().expect("a number");
    assert!(retried < items as u64 / 50, "{report:#}");
    assert_eq!(report["items"]["failed"], 0);
}

#[test]
fn z3_five_thousand_workers_on_a_slow_site() {
    let told = crawled("true", 5000, 5000);
    assert!(!told.log.contains("instead of"), "{}", told.log);
    assert!(told.most > 4000, "{} descriptors at once", told.most);
}

#[test]
fn w15_z3_a_low_descriptor_limit_reduces_workers_with_a_warning() {
    let told = crawled("ulimit -n 256", 300, 5000);
    let said = "96 workers instead of 5000: the system allows this process 256 open files";
    assert!(told.log.contains(said), "{}", told.log);
    assert!((96..=256).contains(&told.most), "{} descriptors at once", told.most);
}

#[test]
fn w15_the_soft_descriptor_limit_is_raised() {
    let told = crawled("ulimit -Sn 100", 300, 300);
    assert!(!told.log.contains("instead of"), "{}", told.log);
    assert!(told.most > 100, "{} descriptors at once", told.most);
}
