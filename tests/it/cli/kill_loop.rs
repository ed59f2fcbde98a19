//! The kill loop: gleaner is killed at random moments and started again, while the site changes;
//! after each sweep the store is compared with the site, item by item.
//!
//! A *round* is one kill. Sweeps are busy and quiet by turns: in a busy one the site changes all
//! the time, in a quiet one nothing changes, so that it has to end complete and equal. A run is
//! killed with SIGKILL at a moment drawn beforehand, and the next one started, until a run comes
//! to its end before its moment: then the sweep is over. After the last round nothing changes any
//! more, and one more sweep ends equal to the site.
//!
//! `GLEANER_KILL_ROUNDS` and `GLEANER_KILL_SEED` set how many rounds and which draws
//! (`make kill-test ROUNDS=100 SEED=7`). The same seed makes the same changes and draws the same
//! moments; where exactly in the program a kill falls is the machine's to say.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use gleaner::demo::{Options, Seen};
use serde_json::{Value, json};

use super::program::{Program, crawl};
use super::start;
use crate::in_step::{Churning, Findings, Holdings, Span};

const ITEMS: usize = 400;
const WORKERS: usize = 8;
const BATCH: usize = 10;
const PAGE: usize = 18;
/// Changes a second, while there are any.
const CHURN: u64 = 40;
/// The list is walked so often at most in one run.
const MOST_PASSES: usize = 3;
/// Rounds where nobody asks for more.
const ROUNDS: usize = 8;
/// Without a request for this long, a run is near its end or waits for something.
const STILL: Duration = Duration::from_millis(12);

/// When a run is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// So long after its start: it opens the store, takes the lock, reads robots.txt.
    Early(Duration),
    /// Once it has made so many requests.
    Requests(u64),
    /// So long after its requests have ceased: it writes the last batch, marks what is gone, ends
    /// the sweep.
    Late(Duration),
}

impl Moment {
    fn drawn(rng: &mut Rng) -> Moment {
        match rng.u8(0..10) {
            0..2 => Moment::Early(Duration::from_millis(rng.u64(0..100))),
            2..7 => Moment::Requests(rng.u64(1..ITEMS as u64 + 60)),
            _ => Moment::Late(Duration::from_millis(rng.u64(0..20))),
        }
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Figures {
    kills: usize,
    before_the_first_request: usize,
    while_still: usize,
    runs: usize,
    complete: usize,
    incomplete: usize,
    details: usize,
    again: usize,
    again_at_most: usize,
    lists: usize,
    lists_at_most: usize,
    /// From the start after a kill to the first request, and to the end of the sweep.
    to_first_request: Vec<Duration>,
    to_end: Vec<Duration>,
    marked_gone: usize,
    findings: Findings,
}

/// See the module's text.
struct KillLoop {
    churning: Churning,
    store: String,
    rng: Rng,
    figures: Figures,
    /// Requests, sweeps, kills and runs that were there at the last comparison.
    compared: (usize, usize, usize, usize),
}

impl KillLoop {
    fn new(store: String, seed: u64) -> KillLoop {
        let (latency, etags) = (Duration::from_millis(8), seed.is_multiple_of(2));
        let options = Options { items: ITEMS, seed, latency, etags, ..Options::default() };
        let demo = start(options);
        demo.record();
        KillLoop {
            churning: Churning::begin(demo, seed),
            store,
            rng: Rng::with_seed(seed),
            figures: Figures::default(),
            compared: (0, 0, 0, 0),
        }
    }

    /// Kills `rounds` times, and checks what is left each time a sweep has ended. Says also how
    /// many changes there were, and how many items there are in the end.
    fn run(mut self, rounds: usize) -> (Figures, u64, usize) {
        let mut sweeps = 0;
        while self.figures.kills < rounds {
            let is_busy = sweeps % 2 == 0;
            self.churning.at(if is_busy { CHURN } else { 0 });
            let mut ended = None;
            while ended.is_none() {
                let moment = Moment::drawn(&mut self.rng);
                let moment = (self.figures.kills < rounds).then_some(moment);
                ended = self.one_run(moment);
            }
            let rests = if is_busy { None } else { ended };
            self.compare(ended, rests.is_some());
            sweeps += 1;
        }
        self.churning.at(0);
        let ended = self.one_run(None);
        self.compare(ended, true);
        (self.figures, self.churning.changes(), self.churning.demo.keys().len())
    }

    fn program(&self) -> Program {
        let (workers, batch) = (WORKERS.to_string(), BATCH.to_string());
        let tuned = ["--workers", &workers, "--batch", &batch, "--flush", "20ms"];
        crawl(self.churning.demo.url(), &self.store, &tuned).args(&["--gone-limit", "50"])
    }

    /// A run that is killed at `moment`. The exit code, where it came to its end before.
    fn one_run(&mut self, moment: Option<Moment>) -> Option<i32> {
        let requests = || self.churning.demo.stats().requests;
        let is_recovery = self.figures.kills > self.compared.2;
        let before = requests();
        let mut running = self.program().start();
        let began = Instant::now();
        let (mut made, mut last) = (0, None);
        let is_due = |made: u64, last: Option<Instant>| match moment {
            None => false,
            Some(Moment::Early(after)) => began.elapsed() >= after,
            Some(Moment::Requests(most)) => made >= most,
            Some(Moment::Late(after)) => {
                last.is_some_and(|last: Instant| last.elapsed() >= STILL + after)
            }
        };
        let mut first = None;
        while !running.has_ended() && !is_due(made, last) {
            let now = requests() - before;
            if now > made {
                (made, last) = (now, Some(Instant::now()));
                first.get_or_insert_with(|| began.elapsed());
            }
            assert!(began.elapsed() < Duration::from_secs(60), "a run that does not end");
            std::thread::sleep(Duration::from_micros(500));
        }
        let ended = running.kill();
        self.figures.runs += 1;
        self.figures.to_first_request.extend(first.filter(|_| is_recovery));
        if ended.code == 137 {
            self.figures.kills += 1;
            self.figures.before_the_first_request += usize::from(made == 0);
            self.figures.while_still += usize::from(matches!(moment, Some(Moment::Late(_))));
            return None;
        }
        assert!([0, 3].contains(&ended.code), "{ended:?}");
        self.figures.to_end.extend(is_recovery.then(|| began.elapsed()));
        Some(ended.code)
    }

    /// Compares the store with the site, after a run that ended with this code.
    fn compare(&mut self, code: Option<i32>, is_equal: bool) {
        let holdings = Holdings::of(&self.store).expect("no sweep is under way");
        let mut findings = Findings::of(&self.churning, &holdings);
        if is_equal {
            findings.add(Findings::equal(&self.churning.demo, &holdings));
            assert_eq!(code, Some(0), "nothing changed, so it has to be complete");
        }
        let last = holdings.sweeps.last().expect("a sweep");
        let state = if code == Some(0) { "complete" } else { "incomplete" };
        assert_eq!((last.state.as_str(), last.ended_at.is_some()), (state, true), "{last:?}");
        let figures = &mut self.figures;
        match code {
            Some(0) => figures.complete += 1,
            _ => figures.incomplete += 1,
        }
        let kills = figures.kills - self.compared.2;
        assert!(last.runs as usize <= kills + 1, "{last:?} after {kills} kills");
        figures.findings.add(findings);
        figures.marked_gone += holdings.documents.iter().filter(|it| it.gone_at.is_some()).count();
        self.count_requests(&holdings);
    }

    /// Row S5: what was asked for since the last comparison, and what may have been.
    ///
    /// With `S` sweeps in `R` runs, `K` of which were killed:
    ///
    /// - items: each may be asked for `S` times; one that was off the list at some time `2·R` times
    ///   more (in each run twice where it was listed and answers 404, or once as a candidate).
    ///   Requests beyond that, of all items together, are at most `K·(workers + 4·batch)`: what a
    ///   kill finds in the hands of workers, in the channel, in the batch that is made up, and in
    ///   the two in flight;
    /// - the rest: `R·(1 + passes·(P + E))`: robots.txt and the list's `P` pages, of which `E` may
    ///   be empty by now and are asked for again.
    fn count_requests(&mut self, holdings: &Holdings) {
        let log = self.churning.demo.requests();
        let (seen, sweeps, kills, runs) = self.compared;
        let (mut lists, mut details) = (0, HashMap::new());
        for Seen { path, .. } in &log[seen..] {
            match path.strip_prefix("/api/book/").and_then(|rest| rest.strip_suffix('/')) {
                Some(key) => *details.entry(key).or_insert(0) += 1,
                None => lists += 1,
            }
        }
        let figures = &mut self.figures;
        let (kills, runs) = (figures.kills - kills, figures.runs - runs);
        let since = &holdings.sweeps[sweeps..];
        let during = Span { from: since[0].span().from, to: since[since.len() - 1].span().to };
        let chronicle = self.churning.chronicle();
        let allowed = |key: &str| match chronicle.is_listed_throughout(key, during) {
            true => since.len(),
            false => since.len() + 2 * runs,
        };
        let beyond = details.iter().map(|(key, times)| usize::saturating_sub(*times, allowed(key)));
        let beyond: usize = beyond.sum();
        let (least, most) = chronicle.counts(during);
        let (pages, empty) = (most.div_ceil(PAGE), most.div_ceil(PAGE) - least / PAGE);
        let most_beyond = kills * (WORKERS + 4 * BATCH);
        let most_lists = runs * (1 + MOST_PASSES * (pages + empty));
        assert!(beyond <= most_beyond, "{beyond} items again, of {most_beyond} with {kills} kills");
        assert!(lists <= most_lists, "{lists} pages of lists of {most_lists} in {runs} runs");
        figures.details += details.values().sum::<usize>();
        figures.again += beyond;
        figures.again_at_most += most_beyond;
        figures.lists += lists;
        figures.lists_at_most += most_lists;
        self.compared = (log.len(), holdings.sweeps.len(), figures.kills, figures.runs);
    }
}

/// The middle one and the longest, in milliseconds.
fn times(mut times: Vec<Duration>) -> Value {
    times.sort();
    let millis = |time: Option<&Duration>| time.map(|time| time.as_millis() as u64);
    json!({ "median": millis(times.get(times.len() / 2)), "most": millis(times.last()) })
}

fn kill_loop(what: &str, store: String) {
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse().expect("a number"));
    let rounds = number("GLEANER_KILL_ROUNDS").map_or(ROUNDS, |rounds: u64| rounds as usize);
    let seed = number("GLEANER_KILL_SEED").unwrap_or_else(|| fastrand::u64(0..1_000_000));
    eprintln!("kill loop on {what}: {rounds} rounds, seed {seed}");
    let began = Instant::now();
    let kill_loop = KillLoop::new(store, seed);
    let (figures, changes, items) = kill_loop.run(rounds);
    let findings = &figures.findings;
    let said = json!({
        "store": what,
        "seed": seed,
        "kills": {
            "all": figures.kills,
            "before the first request": figures.before_the_first_request,
            "after requests ceased": figures.while_still,
        },
        "runs": figures.runs,
        "sweeps": { "complete": figures.complete, "incomplete": figures.incomplete },
        "changes of the site": changes,
        "items at the end": items,
        "requests for items": figures.details,
        "of these beyond one a sweep": { "requests": figures.again, "at most": figures.again_at_most },
        "requests for lists": { "requests": figures.lists, "at most": figures.lists_at_most },
        "ms from start to first request": times(figures.to_first_request),
        "ms from last start to end": times(figures.to_end),
        "marks of gone checked": figures.marked_gone,
        "lost": findings.lost.len(),
        "not served": findings.not_served.len(),
        "twice": findings.twice.len(),
        "wrongly gone": findings.wrongly_gone.len(),
        "unequal": findings.unequal.len(),
        "ledger": findings.ledger.len(),
        "seconds": began.elapsed().as_secs(),
    });
    eprintln!("{said:#}");
    assert!(findings.is_empty(), "seed {seed}: {findings:#?}");
}

#[test]
fn s1_s5_kill_loop_in_sqlite() {
    let (_folder, path) = super::folder();
    kill_loop("SQLite", super::sqlite(&path));
}

#[test]
fn s1_s5_kill_loop_in_mongodb() {
    kill_loop("MongoDB", crate::mongod::fresh_database());
}
