//! The soak: `gleaner crawl --every`, one process, on a site that changes and fails all the time;
//! after each sweep the store is compared with the site, item by item.
//!
//! The process says through its report that a sweep has ended; then the store is read at one
//! moment (a transaction in SQLite, a ledger that is the same before and after in MongoDB). Where
//! the next sweep is under way by then, that comparison is left out and counted. The site goes on
//! changing meanwhile, which does no harm: what it was when is written down.
//!
//! Memory and descriptors are looked at after each sweep: from the end of the warm-up on, no more
//! than [`MOST_GROWTH`] of memory and [`WORKERS`] descriptors may be added. In the end nothing
//! changes any more, though requests still fail, and one more sweep ends equal to the site.
//!
//! `GLEANER_SOAK_MINUTES` says how long (`make soak MINUTES=30`).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gleaner::demo::{Options, mixed_faults};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::program::{Running, crawl};
use super::{read, start};
use crate::in_step::{Churning, Findings, Holdings};

const WORKERS: u64 = 8;
/// Percent of requests that go wrong.
const FAULTS: f64 = 5.0;
/// Changes a second.
const CHURN: u64 = 4;
/// Sweeps before memory is called flat: pools fill, and the allocator learns.
const WARM_UP: usize = 3;
/// In KiB.
const MOST_GROWTH: u64 = 6 << 10;

/// How long, and how often.
struct Plan {
    items: usize,
    every: Duration,
    lasts: Duration,
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// In KiB.
    memory: u64,
    descriptors: u64,
}

/// See the module's text.
struct Soak {
    churning: Churning,
    store: String,
    report: PathBuf,
    running: Running,
    findings: Findings,
    /// The last sweep that was reported.
    sweep: String,
    compared: usize,
    left_out: usize,
    complete: usize,
    retried: u64,
    given_up: u64,
    sizes: Vec<Size>,
}

impl Soak {
    fn begin(plan: &Plan, store: &str, folder: &Path, seed: u64) -> Soak {
        let latency = Duration::from_millis(3);
        let site = Options { items: plan.items, seed, latency, etags: true, ..Options::default() };
        let demo = start(Options { compress: true, ..site });
        mixed_faults(FAULTS, seed).into_iter().for_each(|fault| demo.fault(fault));
        let churning = Churning::begin(demo, seed);
        let report = folder.join("report.json");
        let every = format!("{}s", plan.every.as_secs());
        let running = crawl(churning.demo.url(), store, &["--every", &every])
            .args(&["--workers", &WORKERS.to_string(), "--read-timeout", "500ms"])
            .args(&["--gone-limit", "50", "--report", report.to_str().expect("UTF-8")])
            .start();
        Soak {
            churning,
            store: store.to_owned(),
            report,
            running,
            findings: Findings::default(),
            sweep: String::new(),
            compared: 0,
            left_out: 0,
            complete: 0,
            retried: 0,
            given_up: 0,
            sizes: Vec::new(),
        }
    }

    /// Waits for the next sweep's report, and compares. Answers with what the store holds after it,
    /// where that could be read before the next one began.
    fn one_sweep(&mut self) -> Option<Holdings> {
        let deadline = Instant::now() + Duration::from_secs(120);
        let report = loop {
            assert!(Instant::now() < deadline && !self.running.has_ended(), "no more sweeps");
            std::thread::sleep(Duration::from_millis(50));
            if self.report.exists() {
                let report: Value = serde_json::from_str(&read(&self.report)).expect("a report");
                if report["sweep"] != self.sweep.as_str() {
                    break report;
                }
            }
        };
        self.sweep = report["sweep"].as_str().expect("a sweep").to_owned();
        self.retried += report["requests"]["retried"].as_u64().expect("a count");
        self.given_up += report["items"]["failed"].as_u64().expect("a count");
        self.complete += usize::from(report["outcome"] == "complete");
        self.sizes.push(Size::of(self.running.id()));
        let is_of_it =
            |holdings: &Holdings| holdings.sweeps.last().is_some_and(|last| last.id == self.sweep);
        let Some(holdings) = Holdings::of(&self.store).filter(is_of_it) else {
            self.left_out += 1;
            return None;
        };
        self.findings.add(Findings::of(&self.churning, &holdings));
        self.compared += 1;
        Some(holdings)
    }

    /// Until the time is over; then nothing changes any more, and the store equals the site after
    /// the first sweep that begins later.
    fn run(&mut self, plan: &Plan) {
        let began = Instant::now();
        // What slips from page to page is noted where the store knows it: it has to know them.
        self.one_sweep();
        self.churning.at(CHURN);
        while began.elapsed() < plan.lasts {
            self.one_sweep();
        }
        self.churning.at(0);
        let rests_since = Timestamp::now();
        for _ in 0..4 {
            let Some(holdings) = self.one_sweep() else { continue };
            let last = holdings.sweeps.last().expect("the sweep that was reported");
            if last.started_at >= rests_since {
                assert_eq!(last.state, "complete", "nothing changes any more");
                return self.findings.add(Findings::equal(&self.churning.demo, &holdings));
            }
        }
        panic!("no sweep could be compared after the site came to rest");
    }
}

impl Size {
    fn of(pid: u32) -> Size {
        let status = read(Path::new(&format!("/proc/{pid}/status")));
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let memory = memory.and_then(|line| line.split_whitespace().next()?.parse().ok());
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
        Size { memory: memory.expect("a size"), descriptors: descriptors as u64 }
    }
}

fn soak(what: &str, store: &str) {
    let minutes = std::env::var("GLEANER_SOAK_MINUTES").ok();
    let minutes: Option<f64> = minutes.map(|it| it.parse().expect("a number of minutes"));
    let plan = match minutes {
        None => Plan { items: 100, every: Duration::from_secs(2), lasts: Duration::from_secs(9) },
        Some(minutes) => Plan {
            items: 400,
            every: Duration::from_secs(10),
            lasts: Duration::from_secs_f64(minutes * 60.0),
        },
    };
    let folder = tempfile::tempdir().expect("a folder");
    let seed = 1;
    let mut soak = Soak::begin(&plan, store, folder.path(), seed);
    soak.run(&plan);
    soak.running.signal("TERM");
    let ended = soak.running.end();
    assert!([0, 143].contains(&ended.code), "{ended:?}");
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    let warm = soak.sizes[soak.sizes.len().min(WARM_UP + 1) - 1];
    let most = |size: fn(&Size) -> u64| soak.sizes.iter().skip(WARM_UP).map(size).max();
    let memory = most(|size| size.memory).unwrap_or(warm.memory);
    let descriptors = most(|size| size.descriptors).unwrap_or(warm.descriptors);
    let last = soak.sizes.last().expect("a sweep");
    let findings = &soak.findings;
    let said = json!({
        "store": what,
        "sweeps": { "compared": soak.compared, "left out": soak.left_out, "complete": soak.complete },
        "changes of the site": soak.churning.changes(),
        "requests": soak.churning.demo.stats().requests,
        "made again": soak.retried,
        "items given up": soak.given_up,
        "memory in KiB": { "after the warm-up": warm.memory, "last": last.memory, "most": memory },
        "descriptors": { "after the warm-up": warm.descriptors, "last": last.descriptors, "most": descriptors },
        "lost": findings.lost.len(),
        "not served": findings.not_served.len(),
        "twice": findings.twice.len(),
        "wrongly gone": findings.wrongly_gone.len(),
        "ledger": findings.ledger.len(),
        "unequal": findings.unequal.len(),
    });
    eprintln!("{said:#}");
    assert!(findings.is_empty(), "{findings:#?}");
    assert!(soak.compared > soak.left_out, "{said:#}");
    assert!(memory <= warm.memory + MOST_GROWTH, "memory grows: {:#?}", soak.sizes);
    assert!(descriptors <= warm.descriptors + WORKERS, "descriptors grow: {:#?}", soak.sizes);
}

#[test]
fn z4_soak_in_sqlite() {
    let (_folder, path) = super::folder();
    soak("SQLite", &super::sqlite(&path));
}

#[test]
fn z4_soak_in_mongodb() {
    soak("MongoDB", &crate::mongod::fresh_database());
}
