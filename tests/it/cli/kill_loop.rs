//! The kill loop: runs of all kinds are killed at random moments, one after the other, while the site
//! changes, answers with pages of another kind, and clocks jump; what is left is compared with the
//! site, item by item.
//!
//! A *round* is one kill. Each run is drawn: its kind (of the whole site, `--every`, `--limit`,
//! `--pages`, `failures --retry`), its clock, the walls that it meets, and the moment at which it is
//! killed, or told to stop. After a run that came to its end, the ledger, the report and the exit code
//! have to agree, and the claims of [`crate::in_step`] to hold. Sweeps of the whole site are busy and
//! quiet by turns: in a busy one the site changes all the time, in a quiet one nothing changes, so that
//! it has to end equal to the site, but for what it says that it gave up. After the last round nothing
//! changes any more, no wall stands, and one more sweep ends complete and equal.
//!
//! `GLEANER_KILL_ROUNDS` and `GLEANER_KILL_SEED` set how many rounds and which draws
//! (`make kill-test ROUNDS=100 SEED=7`). The same seed makes the same changes and draws the same
//! runs and moments; where exactly in the program a kill falls is the machine's to say.

mod bounds;
mod figures;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fastrand::Rng;
use gleaner::demo::Options;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ended, Running};
use super::runs::{Cut, Kind, Moment};
use super::walls::{TRIES, Walls};
use super::{report, start};
use crate::in_step::{Churning, Clocks, Findings, Holdings, PAGE, Span, SpellId, Swept};
use figures::Figures;

const ITEMS: usize = 400;
const WORKERS: usize = 8;
const BATCH: usize = 10;
/// Refusals in a row after which a run ends as blocked: more than walls that pass can make.
const BLOCK_AFTER: usize = 8;
/// Changes a second, while there are any.
const CHURN: u64 = 40;
/// Rounds where nobody asks for more.
const ROUNDS: usize = 6;

/// A run that has ended.
#[derive(Debug)]
struct Ran {
    kind: Kind,
    /// By SIGKILL.
    is_killed: bool,
    is_blocked: bool,
    /// It was told to stop, and did.
    is_told: bool,
    walls: Walls,
    /// The first of its requests, and the first after it.
    requests: (usize, usize),
}

/// What is to happen to a run.
struct Plan {
    kind: Kind,
    cut: Option<Cut>,
    /// After so many requests its clock jumps.
    jump: Option<u64>,
    /// After so many requests a wall stands before everything.
    wall: Option<u64>,
}

/// See the module's text.
struct KillLoop {
    churning: Churning,
    clocks: Clocks,
    store: String,
    /// Of the report and the clock.
    folder: TempDir,
    rng: Rng,
    figures: Figures,
    /// Since when nothing changes.
    rests_since: Option<Timestamp>,
    /// Whether the last run that was looked at left failures.
    has_failures: bool,
    /// Runs since the last comparison with the site, and sweeps there were by then.
    runs: Vec<Ran>,
    sweeps: usize,
}

impl KillLoop {
    fn new(store: String, seed: u64) -> KillLoop {
        let (latency, etags) = (Duration::from_millis(8), seed.is_multiple_of(2));
        let options = Options { items: ITEMS, seed, latency, etags, ..Options::default() };
        let demo = start(options);
        demo.record();
        KillLoop {
            churning: Churning::begin(demo, seed),
            clocks: Clocks::new(seed),
            store,
            folder: tempfile::tempdir().expect("a folder"),
            rng: Rng::with_seed(seed),
            figures: Figures::default(),
            rests_since: None,
            has_failures: false,
            runs: Vec::new(),
            sweeps: 0,
        }
    }

    /// Kills `rounds` times.
    fn run(mut self, rounds: usize) -> Figures {
        for sweep in 0.. {
            self.change(if sweep % 2 == 0 { CHURN } else { 0 });
            let mut is_over = false;
            while !is_over {
                let plan = self.drawn(self.figures.kills < rounds);
                is_over = self.one_run(&plan);
            }
            if self.figures.kills >= rounds {
                break;
            }
        }
        self.change(0);
        let last = Plan { kind: Kind::Full, cut: None, jump: None, wall: None };
        let complete = self.figures.equal;
        // The sweep that was under way when the site came to rest may go first.
        let mut times = 0;
        while !self.one_run(&last) || self.figures.equal == complete {
            times += 1;
            assert!(times < 3, "undisturbed, and not complete");
        }
        self.figures.changes = self.churning.changes();
        self.figures.items = self.churning.demo.keys().len();
        self.figures.jumps = self.clocks.jumps();
        self.figures
    }

    fn change(&mut self, rate: u64) {
        self.churning.at(rate);
        self.rests_since = (rate == 0).then(Timestamp::now);
    }

    fn drawn(&mut self, may_kill: bool) -> Plan {
        let (rng, listed) = (&mut self.rng, self.churning.demo.keys().len());
        let kind = match Kind::drawn(rng, listed) {
            // There is nothing to go over, nor a store perhaps, before a sweep ended.
            Kind::Retry if self.figures.compared == 0 => Kind::Full,
            _ if self.has_failures && rng.bool() => Kind::Retry,
            kind => kind,
        };
        let requests = match kind {
            Kind::Full | Kind::Every => ITEMS + 60,
            Kind::Limit(items) => items + items / PAGE + 4,
            Kind::Pages(first, last) => (last - first + 1) * (PAGE + 1) + 2,
            Kind::Retry => PAGE,
        };
        let requests = requests.min(ITEMS + 60);
        let mut rarely = |times: u8| {
            let at = rng.u64(1..requests as u64);
            (rng.u8(0..times) == 0).then_some(at)
        };
        let (jump, wall) = (rarely(6), rarely(5));
        // Some come to their ends all the same: nobody starts a run of a part anew, and what a wall
        // does shows in the end.
        let is_spared = (kind.is_of_part() || wall.is_some()) && rng.bool();
        let cut = (may_kill && !is_spared).then(|| Cut::drawn(rng, requests));
        Plan { kind, cut, jump, wall }
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        (self.folder.path().join("report.json"), self.folder.path().join("clock"))
    }

    /// Makes a run, and checks what it leaves. Says whether a sweep of the whole site is over.
    fn one_run(&mut self, plan: &Plan) -> bool {
        let (to, clock) = self.files();
        // The one before may not have written any.
        let _ = std::fs::remove_file(&to);
        let demo = self.churning.demo.clone();
        demo.clear_faults();
        let walls = match plan.cut {
            None if self.figures.compared > 0 && plan.kind == Kind::Full => Walls::default(),
            _ => Walls::drawn(&demo, &mut self.rng),
        };
        let (first, began) = (demo.stats().requests as usize, Instant::now());
        let spell = self.clocks.set(&clock, plan.kind.is_of_part());
        let (workers, batch) = (WORKERS.to_string(), BATCH.to_string());
        let (retries, block) = ((TRIES - 1).to_string(), BLOCK_AFTER.to_string());
        let running = plan
            .kind
            .program(demo.url(), &self.store)
            .args(&["--workers", &workers, "--batch", &batch, "--flush", "20ms"])
            .args(&["--retries", &retries, "--block-after", &block])
            .args(&["--report", to.to_str().expect("UTF-8")])
            .env("GLEANER_TEST_CLOCK_OFFSET", clock.to_str().expect("UTF-8"))
            .start();
        let (ended, walls, spell) = self.until_its_end(plan, running, walls, spell);
        self.clocks.end(spell);
        let last = demo.stats().requests as usize;
        let said = to.exists().then(|| report(&to));
        let is_failed = said.as_ref().is_some_and(|it| it["outcome"] == "failed");
        let (is_killed, is_blocked) = (ended.code == 137, is_failed);
        let requests = (first, last);
        self.figures.note(plan, is_killed, is_blocked, &walls);
        let (kind, is_told) = (plan.kind, ended.code == 143);
        self.runs.push(Ran { kind, is_killed, is_blocked, is_told, walls, requests });
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        let is_over = self.look(plan.kind, &ended, said.as_ref());
        if is_over {
            self.figures.to_end.push(began.elapsed());
        }
        is_over
    }

    /// Lets a run go on until it ends by itself or is cut short; one that goes on for ever is ended after
    /// its first report. Its walls and its clock's spell may be others by then.
    fn until_its_end(
        &mut self,
        plan: &Plan,
        mut running: Running,
        mut walls: Walls,
        mut spell: SpellId,
    ) -> (Ended, Walls, SpellId) {
        let demo = self.churning.demo.clone();
        let (to, clock) = self.files();
        let (before, began) = (demo.stats().requests, Instant::now());
        let (mut made, mut last) = (0, None::<Instant>);
        let (mut jump, mut wall) = (plan.jump, plan.wall);
        loop {
            let now = demo.stats().requests - before;
            if now > made {
                (made, last) = (now, Some(Instant::now()));
            }
            if running.has_ended() {
                return (running.end(), walls, spell);
            }
            let since = last.map(|last| last.elapsed());
            if let Some(cut) = plan.cut.filter(|it| it.is_due(began.elapsed(), made, since)) {
                self.figures.while_still += usize::from(matches!(cut.moment, Moment::Late(_)));
                self.figures.before_the_first_request += usize::from(made == 0);
                running.signal(cut.signal);
                return (running.end(), walls, spell);
            }
            if plan.kind == Kind::Every && to.exists() {
                running.signal("TERM");
                return (running.end(), walls, spell);
            }
            if jump.take_if(|at| made >= *at).is_some() {
                let next = self.clocks.set(&clock, plan.kind.is_of_part());
                self.clocks.end(std::mem::replace(&mut spell, next));
            }
            if wall.take_if(|at| made >= *at).is_some() {
                walls.raise_everywhere(&demo, &mut self.rng);
            }
            assert!(began.elapsed() < Duration::from_secs(60), "a run that does not end");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Whether exit code, report and ledger of a run say the same, and the store is what it has to be.
    /// Answers whether a sweep of the whole site is over.
    fn look(&mut self, kind: Kind, ended: &Ended, said: Option<&Value>) -> bool {
        let outcome = said.map(|it| it["outcome"].as_str().expect("an outcome"));
        let is_agreed = match (ended.code, outcome) {
            // Killed, or told to stop before it could answer for anything.
            (137 | 143, None) => true,
            (143, Some("interrupted")) | (3, Some("incomplete")) | (0, Some("complete")) => true,
            (1, Some("failed")) => true,
            // Nothing was kept as a failure.
            (0, None) => kind == Kind::Retry || kind == Kind::Every,
            // It was told to stop while it waited for the next sweep.
            (0, Some("incomplete" | "failed")) => kind == Kind::Every,
            // The kill came after its last word, and before it had ended.
            (137, Some(_)) => true,
            _ => false,
        };
        assert!(is_agreed, "{kind:?} says {outcome:?} and ends so: {ended:#?}");
        let ran = self.runs.last().expect("the run");
        assert!(ended.code != 1 || ran.walls.may_cost(), "nobody refused {kind:?}: {ended:#?}");
        let Some(sweep) = said.filter(|_| ended.code != 137).and_then(|it| it["sweep"].as_str())
        else {
            return false;
        };
        let holdings = Holdings::of(&self.store).expect("no entry of the ledger is running");
        let (holdings, mut findings) = self.clocks.read(holdings);
        findings.add(Findings::of(&self.churning, &holdings));
        let last = holdings.sweeps.last().expect("a sweep").clone();
        let problems = said.map(|it| it["problems"].to_string()).unwrap_or_default();
        if problems.contains("does not add up") && self.runs.iter().any(|it| it.walls.slow_lists())
        {
            // Page by page the list was read at times far apart, in each of its walks.
            self.figures.slipped += std::mem::take(&mut findings.lost).len();
        }
        let as_said = (sweep, outcome.unwrap_or_default(), kind.is_of_part());
        assert_eq!((last.id.as_str(), last.state.as_str(), last.limited), as_said, "{last:?}");
        self.has_failures = !holdings.failures.is_empty();
        self.figures.findings.add(findings);
        self.figures.marks += holdings.documents.iter().filter(|it| it.gone_at.is_some()).count();
        if last.is_over() {
            match kind.is_of_part() {
                true => self.check_part(kind, &last, &holdings, &problems),
                false => self.compare(&last, &holdings, &problems),
            }
        }
        last.is_over() && !last.limited
    }

    /// A run of a part of the site came to its end: where nothing changed, it wrote what it was asked
    /// for.
    fn check_part(&mut self, kind: Kind, last: &Swept, holdings: &Holdings, problems: &str) {
        let demo = &self.churning.demo;
        let is_complete = last.state == "complete";
        self.figures.parts += 1;
        let ran = self.runs.last().expect("the run");
        if self.rests_since.is_none_or(|rests| last.started_at < rests) {
            return;
        }
        let may_be_short = ran.walls.may_cost();
        assert!(is_complete || may_be_short, "{kind:?} met nothing lasting: {problems}, {last:?}");
        if !is_complete {
            return;
        }
        let mut unequal = Vec::new();
        let written = holdings.documents.iter().filter(|held| held.sweep == last.id);
        for held in written.clone() {
            if demo.document(&held.key).as_ref() != Some(&held.document) {
                unequal.push(format!("{held:?} is another document by {last:?}"));
            }
        }
        let (written, listed) = (written.map(|held| held.key.clone()), demo.keys());
        let mut written: Vec<String> = written.collect();
        let is_all = match kind {
            Kind::Limit(items) => written.len() == items.min(listed.len()),
            Kind::Pages(first, last) => {
                let to = (last * PAGE).min(listed.len());
                let mut expected = listed[((first - 1) * PAGE).min(to)..to].to_vec();
                expected.sort();
                written.sort();
                written == expected
            }
            _ => holdings.failures.is_empty(),
        };
        if !is_all {
            unequal.push(format!("{kind:?} wrote {written:?}, by {last:?}"));
        }
        self.figures.parts_equal += 1;
        self.figures.findings.add(Findings { unequal, ..Findings::default() });
    }

    /// A sweep of the whole site is over: where nothing changed since it began, the store equals the
    /// site.
    fn compare(&mut self, last: &Swept, holdings: &Holdings, problems: &str) {
        let is_complete = last.state == "complete";
        let demo = &self.churning.demo;
        if self.rests_since.is_some_and(|rests| last.started_at >= rests) {
            let may_be_short = self.runs.iter().any(|ran| ran.walls.may_cost());
            assert!(is_complete || may_be_short, "nothing lasting stood: {problems}, {last:?}");
            // What may have left the list is asked for at the end: before a wall nothing is learned.
            let saw_all = self.runs.iter().all(|ran| ran.walls.everywhere.is_none());
            self.figures.findings.add(match is_complete && saw_all {
                true => Findings::equal(demo, holdings),
                false => Findings::documents_equal(demo, holdings),
            });
            self.figures.equal += usize::from(is_complete && saw_all);
            self.figures.equal_but_for_failures += usize::from(!(is_complete && saw_all));
        }
        let whole = self.runs.iter().filter(|ran| !ran.kind.is_of_part());
        // One that goes on for ever may have begun another sweep before it was told to stop.
        let most: usize = whole.map(|ran| 1 + usize::from(ran.kind == Kind::Every)).sum();
        assert!(last.runs as usize <= most, "{last:?} after {most} runs");
        self.figures.compared += 1;
        self.figures.complete += usize::from(is_complete);
        let since = &holdings.sweeps[self.sweeps..];
        let during = Span {
            from: since.iter().map(|it| it.started_at).min().expect("a sweep"),
            to: last.span().to,
        };
        self.count_requests(since, during);
        self.sweeps = holdings.sweeps.len();
        self.runs.clear();
    }
}

fn kill_loop(what: &str, store: String) {
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse().expect("a number"));
    let rounds = number("GLEANER_KILL_ROUNDS").map_or(ROUNDS, |rounds: u64| rounds as usize);
    let seed = number("GLEANER_KILL_SEED").unwrap_or_else(|| fastrand::u64(0..1_000_000));
    eprintln!("kill loop on {what}: {rounds} rounds, seed {seed}");
    let began = Instant::now();
    let figures = KillLoop::new(store, seed).run(rounds);
    eprintln!("{:#}", figures.said(what, seed, began.elapsed()));
    assert!(figures.findings.is_empty(), "seed {seed}: {:#?}", figures.findings);
}

#[test]
fn s1_s5_s12_kill_loop_in_sqlite() {
    let (_folder, path) = super::folder();
    kill_loop("SQLite", super::sqlite(&path));
}

#[test]
fn s1_s5_s12_kill_loop_in_mongodb() {
    kill_loop("MongoDB", crate::mongod::fresh_database());
}
