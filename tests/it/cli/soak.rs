//! The soak: `gleaner crawl --every`, one process, on a site that changes and fails all the time, and
//! between its sweeps runs of other kinds by other processes; after each sweep the store is compared
//! with the site, item by item.
//!
//! The process says through its report that a sweep has ended; then the store is read at one
//! moment (a transaction in SQLite, a ledger that is the same before and after in MongoDB). Where
//! the next sweep is under way by then, that comparison is left out and counted. The site goes on
//! changing meanwhile, which does no harm: what it was when is written down.
//!
//! Between two sweeps are drawn: a jump of the process's clock; walls before some pages, or at some
//! moment of the next sweep before everything, so that it ends as blocked and the one after it
//! resumes it; and a run of another kind, with a clock of its own, which is refused with 4 where it
//! comes too late, or keeps the process from its next sweep.
//!
//! Memory and descriptors are looked at after each sweep: from the end of the warm-up on, no more
//! than [`MOST_GROWTH`] of memory and [`MOST_DESCRIPTORS`] may be added. In the end nothing
//! changes any more, though requests still fail, and one more sweep ends equal to the site.
//!
//! `GLEANER_SOAK_MINUTES` says how long, `GLEANER_SOAK_SEED` which draws (`make soak MINUTES=30`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fastrand::Rng;
use gleaner::demo::{Options, mixed_faults};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::program::{Running, crawl};
use super::runs::Kind;
use super::walls::Walls;
use super::{read, report, start};
use crate::in_step::{Churning, Clocks, Findings, Holdings, SpellId};

const WORKERS: &str = "8";
/// As many as there are workers.
const MOST_DESCRIPTORS: u64 = 8;
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
    clocks: Clocks,
    rng: Rng,
    seed: u64,
    store: String,
    /// Of reports and clocks.
    folder: PathBuf,
    running: Running,
    /// Of the process's clock.
    spell: SpellId,
    /// After so many requests, all in all, a wall stands before everything.
    wall: Option<u64>,
    /// The last report of a sweep.
    report: Value,
    seen: Figures,
}

/// What was seen.
#[derive(Debug, Default)]
struct Figures {
    findings: Findings,
    compared: usize,
    left_out: usize,
    complete: usize,
    failed: usize,
    retried: u64,
    given_up: u64,
    /// Runs of other processes by their exit codes, and how many of them were compared.
    others: BTreeMap<i32, usize>,
    others_compared: usize,
    sizes: Vec<Size>,
}

impl Soak {
    fn begin(plan: &Plan, store: &str, folder: &Path, seed: u64) -> Soak {
        let latency = Duration::from_millis(3);
        let site = Options { items: plan.items, seed, latency, etags: true, ..Options::default() };
        let demo = start(Options { compress: true, ..site });
        mixed_faults(FAULTS, seed).into_iter().for_each(|fault| demo.fault(fault));
        let churning = Churning::begin(demo, seed);
        let (mut clocks, clock) = (Clocks::new(seed), folder.join("clock"));
        let spell = clocks.set(&clock, false);
        let every = format!("{}s", plan.every.as_secs());
        let running =
            crawl(churning.demo.url(), store, &["--every", &every, "--gone-limit", "100"])
                .args(&settings(&folder.join("report.json")))
                .env("GLEANER_TEST_CLOCK_OFFSET", clock.to_str().expect("UTF-8"))
                .start();
        Soak {
            churning,
            clocks,
            rng: Rng::with_seed(seed),
            seed,
            store: store.to_owned(),
            folder: folder.to_owned(),
            running,
            spell,
            wall: None,
            report: Value::Null,
            seen: Figures::default(),
        }
    }

    /// Waits for the next sweep's report, and compares. Answers with what the store holds after it,
    /// where that could be read before the next one began.
    fn one_sweep(&mut self) -> Option<Holdings> {
        let deadline = Instant::now() + Duration::from_secs(120);
        let to = self.folder.join("report.json");
        self.report = loop {
            assert!(Instant::now() < deadline && !self.running.has_ended(), "no more sweeps");
            std::thread::sleep(Duration::from_millis(50));
            let demo = &self.churning.demo;
            if self.wall.take_if(|at| demo.stats().requests >= *at).is_some() {
                Walls::default().raise_everywhere(demo, &mut self.rng);
            }
            if to.exists() && report(&to) != self.report {
                break report(&to);
            }
        };
        let seen = &mut self.seen;
        seen.retried += self.report["requests"]["retried"].as_u64().expect("a count");
        seen.given_up += self.report["items"]["failed"].as_u64().expect("a count");
        seen.complete += usize::from(self.report["outcome"] == "complete");
        seen.failed += usize::from(self.report["outcome"] == "failed");
        let size = Size::of(self.running.id());
        let holdings = self.compare(&self.report["sweep"].clone(), false);
        // Where the next sweep had begun, that was the size of a process at work.
        self.seen.sizes.extend(holdings.iter().map(|_| size));
        self.seen.compared += usize::from(holdings.is_some());
        self.seen.left_out += usize::from(holdings.is_none());
        holdings
    }

    /// Compares the store with the site after a run of that sweep; nothing where another one has begun.
    fn compare(&mut self, sweep: &Value, is_of_part: bool) -> Option<Holdings> {
        let holdings = Holdings::of(&self.store)?;
        let (holdings, findings) = self.clocks.read(holdings);
        let last = holdings.sweeps.last().filter(|last| *sweep == last.id.as_str())?;
        assert_eq!(last.limited, is_of_part, "{last:?}");
        self.seen.findings.add(findings);
        self.seen.findings.add(Findings::of(&self.churning, &holdings));
        Some(holdings)
    }

    /// What happens between two sweeps, and to the next one.
    fn disturb(&mut self) {
        if self.rng.bool() || self.clocks.is_over(self.spell) {
            self.jump();
        }
        let demo = self.churning.demo.clone();
        demo.clear_faults();
        self.wall = None;
        let listed = demo.keys().len();
        match self.rng.u8(0..8) {
            0..2 => self.wall = Some(demo.stats().requests + self.rng.u64(1..listed as u64)),
            2..5 => drop(Walls::drawn(&demo, &mut self.rng)),
            _ => {}
        }
        self.fail();
        if self.rng.bool() {
            let kind = match self.rng.u8(0..4) {
                0 => Kind::Full,
                _ => Kind::part(&mut self.rng, listed),
            };
            self.another(kind);
        }
    }

    fn jump(&mut self) {
        let next = self.clocks.set(&self.folder.join("clock"), false);
        self.clocks.end(std::mem::replace(&mut self.spell, next));
    }

    /// From now on requests go wrong, beside what else is in force.
    fn fail(&mut self) {
        self.seed += 100;
        let faults = mixed_faults(FAULTS, self.seed);
        faults.into_iter().for_each(|fault| self.churning.demo.fault(fault));
    }

    /// A run by another process, with a clock of its own.
    fn another(&mut self, kind: Kind) {
        let (to, clock) = (self.folder.join("other.json"), self.folder.join("other-clock"));
        let _ = std::fs::remove_file(&to);
        let spell = self.clocks.set(&clock, kind.is_of_part());
        let ended = kind
            .program(self.churning.demo.url(), &self.store)
            .args(&settings(&to))
            .env("GLEANER_TEST_CLOCK_OFFSET", clock.to_str().expect("UTF-8"))
            .run();
        self.clocks.end(spell);
        *self.seen.others.entry(ended.code).or_default() += 1;
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        let said = to.exists().then(|| report(&to));
        let outcome = said.as_ref().map(|it| it["outcome"].as_str().expect("an outcome"));
        match (ended.code, outcome) {
            (0, Some("complete")) | (3, Some("incomplete")) | (1, Some("failed")) => {}
            // The process holds the site.
            (4, Some("failed")) => {
                let says_why = ended.err.contains("another run holds the site lock");
                assert!(says_why && said.as_ref().is_some_and(|it| it["sweep"].is_null()));
            }
            // Nothing was kept as a failure.
            (0, None) if kind == Kind::Retry => {}
            _ => panic!("{kind:?} says {outcome:?} and ends so: {ended:#?}"),
        }
        if let Some(said) = said.filter(|_| ended.code != 4) {
            let holdings = self.compare(&said["sweep"], kind.is_of_part());
            self.seen.others_compared += usize::from(holdings.is_some());
        }
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
            self.disturb();
        }
        self.churning.at(0);
        self.churning.demo.clear_faults();
        self.wall = None;
        self.fail();
        let rests_since = Timestamp::now();
        for _ in 0..4 {
            let holdings = self.one_sweep();
            if self.clocks.is_over(self.spell) {
                self.jump();
            }
            let Some(holdings) = holdings else { continue };
            let last = holdings.sweeps.last().expect("the sweep that was reported");
            if last.started_at < rests_since {
                continue;
            }
            let demo = &self.churning.demo;
            if last.state == "complete" {
                return self.seen.findings.add(Findings::equal(demo, &holdings));
            }
            // As often as a request goes wrong, once in a long while all tries of one do.
            assert!(!holdings.failures.is_empty(), "nothing changes any more: {last:?}");
            self.seen.findings.add(Findings::documents_equal(demo, &holdings));
        }
        panic!("no sweep was complete after the site came to rest");
    }
}

/// Settings of all runs, which report to this file.
fn settings(to: &Path) -> Vec<&str> {
    let to = to.to_str().expect("UTF-8");
    let tuned = ["--workers", WORKERS, "--read-timeout", "500ms", "--retries", "3"];
    [&tuned[..], &["--block-after", "8", "--report", to]].concat()
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
        None => Plan { items: 100, every: Duration::from_secs(2), lasts: Duration::from_secs(7) },
        Some(minutes) => Plan {
            items: 400,
            every: Duration::from_secs(10),
            lasts: Duration::from_secs_f64(minutes * 60.0),
        },
    };
    let folder = tempfile::tempdir().expect("a folder");
    let seed = std::env::var("GLEANER_SOAK_SEED").ok().map(|it| it.parse().expect("a number"));
    let seed = seed.unwrap_or_else(|| fastrand::u64(0..1_000_000));
    eprintln!("soak on {what}: seed {seed}");
    let mut soak = Soak::begin(&plan, store, folder.path(), seed);
    soak.run(&plan);
    soak.running.signal("TERM");
    let ended = soak.running.end();
    assert!([0, 143].contains(&ended.code), "{ended:?}");
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
    let seen = &soak.seen;
    let warm = seen.sizes[seen.sizes.len().min(WARM_UP + 1) - 1];
    let most = |size: fn(&Size) -> u64| seen.sizes.iter().skip(WARM_UP).map(size).max();
    let memory = most(|size| size.memory).unwrap_or(warm.memory);
    let descriptors = most(|size| size.descriptors).unwrap_or(warm.descriptors);
    let last = seen.sizes.last().expect("a sweep");
    let said = json!({
        "store": what,
        "seed": seed,
        "sweeps": {
            "compared": seen.compared, "left out": seen.left_out, "complete": seen.complete,
            "blocked": seen.failed,
        },
        "runs of other processes by exit code": seen.others,
        "of these compared": seen.others_compared,
        "jumps of clocks": soak.clocks.jumps(),
        "changes of the site": soak.churning.changes(),
        "requests": soak.churning.demo.stats().requests,
        "made again": seen.retried,
        "items given up": seen.given_up,
        "memory in KiB": { "after the warm-up": warm.memory, "last": last.memory, "most": memory },
        "descriptors": { "after the warm-up": warm.descriptors, "last": last.descriptors, "most": descriptors },
        "findings": seen.findings.counts(),
    });
    eprintln!("{said:#}");
    assert!(seen.findings.is_empty(), "seed {seed}: {:#?}", seen.findings);
    assert!(seen.compared > seen.left_out, "{said:#}");
    assert!(memory <= warm.memory + MOST_GROWTH, "memory grows: {:#?}", seen.sizes);
    assert!(descriptors <= warm.descriptors + MOST_DESCRIPTORS, "they grow: {:#?}", seen.sizes);
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
