//! One sweep on several machines: real processes, a real MongoDB server, and what they leave.

mod random;

use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Fault, Options};
use mongodb::bson::{Document, doc};
use serde_json::Value;
use tempfile::TempDir;

use super::program::{Ended, Program, Running, crawl};
use super::{report, start};
use crate::in_step::{Findings, Holdings};
use crate::mongod::{self, fresh_database};

const ITEMS: usize = 900;
/// Of the sweep as a whole.
const WORKERS: u64 = 8;
const BATCH: u64 = 10;
/// Pages of the list.
const LIST: u64 = ITEMS as u64 / 18;
/// Longer than anything here takes on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// A site, a store, and a folder for reports.
struct Fleet {
    demo: Demo,
    store: String,
    folder: TempDir,
}

impl Fleet {
    fn new(options: Options) -> Fleet {
        let folder = tempfile::tempdir().expect("a folder");
        Fleet { demo: start(options), store: fresh_database(), folder }
    }

    fn slow() -> Fleet {
        Fleet::at(Duration::from_millis(30))
    }

    /// A site that takes so long for each answer.
    fn at(latency: Duration) -> Fleet {
        Fleet::new(Options { items: ITEMS, latency, ..Options::default() })
    }

    /// A run on the machine of this name, which writes a report of that name.
    fn member(&self, name: &str) -> Program {
        let report = self.folder.path().join(name);
        let (workers, batch) = (WORKERS.to_string(), BATCH.to_string());
        crawl(self.demo.url(), &self.store, &["--together", "--workers", &workers])
            .args(&["--batch", &batch, "--flush", "20ms"])
            .args(&["--report", report.to_str().expect("UTF-8")])
    }

    /// A run that owns the sweep.
    fn owner(&self, name: &str) -> Running {
        let owner = self.member(name).start();
        owner.says("starting sweep");
        owner
    }

    /// A run that helps.
    fn helper(&self, name: &str) -> Running {
        let helper = self.member(name).start();
        helper.says("helping with the sweep");
        helper
    }

    fn report(&self, name: &str) -> Value {
        report(&self.folder.path().join(name))
    }

    /// Waits until the site has been asked so many times.
    fn asked(&self, times: u64) {
        let deadline = Instant::now() + LONGEST;
        while self.demo.stats().requests < times {
            assert!(Instant::now() < deadline, "{} requests", self.demo.stats().requests);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// All documents of the site are stored, as it serves them.
    fn is_stored(&self) {
        let holdings = Holdings::of(&self.store).expect("a store");
        let findings = Findings::documents_equal(&self.demo, &holdings);
        assert!(findings.is_empty(), "{:?}", findings.counts());
    }

    /// Number of members that the mailbox still has.
    fn members_left(&self) -> u64 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let database = mongod::database(&self.store).await;
            let members = database.collection::<Document>("gleaner_members");
            members.count_documents(doc! {}).await.expect("a count")
        })
    }
}

fn count(report: &Value, group: &str, name: &str) -> u64 {
    report[group][name].as_u64().unwrap_or_else(|| panic!("{group}.{name} in {report}"))
}

/// Role, end and number of items of each member.
fn members(report: &Value) -> Vec<(String, String, u64)> {
    let text = |member: &Value, name: &str| member[name].as_str().unwrap_or("none").to_owned();
    let all = report["members"].as_array().expect("members").iter();
    all.map(|it| (text(it, "role"), text(it, "left"), it["items"].as_u64().unwrap())).collect()
}

fn ended_well(ended: Ended) -> Ended {
    ended.with(0)
}

#[test]
fn t1_machines_share_a_sweep_and_each_item_is_requested_once() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let (one, two) = (fleet.helper("one"), fleet.helper("two"));
    ended_well(owner.end()).tells(&["another run joined the sweep", "others help"]);
    ended_well(one.end());
    ended_well(two.end());
    fleet.is_stored();
    assert_eq!(fleet.demo.stats().requests, ITEMS as u64 + LIST + 3, "robots.txt for each");
    let report = fleet.report("owner");
    assert_eq!((count(&report, "items", "new"), count(&report, "index", "listed")), (900, 900));
    assert_eq!(count(&report, "requests", "total"), fleet.demo.stats().requests);
    let members = members(&report);
    assert_eq!(members.len(), 3, "{members:?}");
    assert_eq!(members[0].0, "owner");
    assert!(members.iter().all(|(_, left, items)| left == "end" && *items > 100), "{members:?}");
    assert_eq!(members.iter().map(|(.., items)| items).sum::<u64>(), 900);
    // The report of each member is the sweep's.
    assert_eq!((fleet.report("one"), fleet.report("two")), (report.clone(), report));
    assert_eq!(fleet.members_left(), 0);
}

#[test]
fn t1_a_helper_that_is_killed_again_and_again_loses_nothing() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let mut kills = 0;
    for at in [150, 300, 500, 650] {
        let helper = fleet.helper("helper");
        fleet.asked(at);
        helper.signal("KILL");
        assert_eq!(helper.end().code, 137);
        kills += 1;
    }
    ended_well(owner.end()).tells(&["lost a run that helped"]);
    fleet.is_stored();
    let report = fleet.report("owner");
    assert_eq!((count(&report, "items", "new"), count(&report, "items", "failed")), (900, 0));
    let lost = members(&report).into_iter().filter(|(_, left, _)| left == "lost").count();
    assert_eq!(lost, kills);
    // What a kill found in the hands of workers, in the channel, and in the batches in flight.
    let held = WORKERS + 4 * BATCH + 1;
    let most = ITEMS as u64 + LIST + 1 + kills as u64 * held;
    let requests = fleet.demo.stats().requests;
    assert!(requests <= most, "{requests} of at most {most}");
}

#[test]
fn t3_where_the_owner_is_killed_a_helper_goes_on() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let (one, two) = (fleet.helper("one"), fleet.helper("two"));
    fleet.asked(300);
    owner.signal("KILL");
    assert_eq!(owner.end().code, 137);
    let (one, two) = (ended_well(one.end()), ended_well(two.end()));
    let resumed = [&one, &two].map(|it| it.err.matches("resuming unfinished sweep").count());
    assert_eq!(resumed.iter().sum::<usize>(), 1, "{}\n{}", one.err, two.err);
    fleet.is_stored();
    let report = fleet.report("one");
    assert_eq!(report, fleet.report("two"));
    assert_eq!((count(&report, "items", "new"), &report["resumed"]), (900, &Value::Bool(true)));
    let sweeps = super::program::gleaner(&["sweeps", "books", "--json", "--store", &fleet.store]);
    let sweeps: Value = serde_json::from_str(&sweeps.run().with(0).out).expect("JSON");
    let sweeps = sweeps.as_array().expect("an array");
    assert_eq!((sweeps.len(), &sweeps[0]["runs"]), (1, &Value::from(2)));
    let most = ITEMS as u64 + 2 * LIST + 3 * (WORKERS + 4 * BATCH) + 6;
    let requests = fleet.demo.stats().requests;
    assert!(requests <= most, "{requests} of at most {most}");
}

#[test]
fn t7_a_helper_that_is_told_to_stop_gives_back_what_it_has() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let helper = fleet.helper("helper");
    fleet.asked(300);
    helper.signal("TERM");
    helper.end().with(143);
    ended_well(owner.end()).tells(&["a run that helped has left the sweep"]);
    fleet.is_stored();
    assert_eq!(fleet.demo.stats().requests, ITEMS as u64 + LIST + 2);
    let report = fleet.report("owner");
    assert_eq!(count(&report, "items", "new"), 900);
    assert_eq!(count(&report, "requests", "total"), fleet.demo.stats().requests);
    assert_eq!(members(&report)[1].1, "stopped");
    assert_eq!(fleet.members_left(), 0);
}

#[test]
fn t7_where_the_owner_is_told_to_stop_a_helper_goes_on_at_once() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let helper = fleet.helper("helper");
    fleet.asked(300);
    owner.signal("TERM");
    owner.end().with(143).tells(&["finishing in-flight requests"]);
    ended_well(helper.end()).tells(&["the sweep's owner was stopped", "resuming unfinished sweep"]);
    fleet.is_stored();
    assert_eq!(count(&fleet.report("helper"), "items", "new"), 900);
    let (most, requests) = (ITEMS as u64 + 2 * LIST + 8, fleet.demo.stats().requests);
    assert!(requests <= most, "{requests} of at most {most}");
}

#[test]
fn t7_a_helper_that_is_told_twice_aborts_and_loses_nothing() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let helper = fleet.helper("helper");
    fleet.asked(200);
    fleet.demo.fault(Fault::on("/api/book/*").stall(10).first(1));
    std::thread::sleep(Duration::from_millis(100));
    helper.signal("TERM");
    helper.says("finishing in-flight requests");
    helper.signal("TERM");
    helper.end().with(143);
    fleet.demo.clear_faults();
    ended_well(owner.end());
    fleet.is_stored();
}

#[test]
fn t8_only_runs_that_share_and_have_the_same_definition_share() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let alone = crawl(fleet.demo.url(), &fleet.store, &[]).run();
    alone.with(4).tells(&["another run holds the site lock"]);
    let other = fleet.folder.path().join("other.toml");
    let text = format!(
        "name = \"books\"\nbase_url = \"{}\"\nformat = \"json\"\n[index]\nurl = \"/x\"\nitems = \"$[*]\"\nkey = \"$.id\"\n",
        fleet.demo.url()
    );
    std::fs::write(&other, text).expect("a file");
    let other = other.to_str().expect("UTF-8");
    let other =
        super::program::gleaner(&["crawl", other, "--store", &fleet.store, "--together"]).run();
    other.with(2).tells(&["cannot help with the sweep", "has another site file"]);
    ended_well(owner.end());
    // A run that does not share is not joined.
    let alone = crawl(fleet.demo.url(), &fleet.store, &[]).start();
    alone.says("starting sweep");
    fleet.member("late").run().with(4);
    ended_well(alone.end());
}

#[test]
fn t8_only_mongodb_is_shared_and_only_whole_sweeps() {
    let (_folder, path) = super::folder();
    let sqlite = super::sqlite(&path);
    let jsonl = format!("jsonl:{}", path.with_extension("jsonl").display());
    for store in [&sqlite, &jsonl] {
        let refused = crawl("http://127.0.0.1:9", store, &["--together"]).run();
        refused.with(2).tells(&["--together", "through MongoDB only"]);
    }
    let mongodb = "mongodb://127.0.0.1:9/x";
    for part in [["--limit", "3"], ["--pages", "1..2"]] {
        let refused = crawl("http://127.0.0.1:9", mongodb, &["--together"]).args(&part).run();
        refused.with(2).tells(&["not valid with --limit or --pages"]);
    }
}

/// Requests in each second, from the first to the last.
fn seconds(demo: &Demo) -> Vec<usize> {
    let times: Vec<Duration> = demo.requests().into_iter().map(|seen| seen.at).collect();
    let in_second = |from: &Duration| {
        let to = *from + Duration::from_secs(1);
        times.iter().filter(|at| **at >= *from && **at < to).count()
    };
    times.iter().map(in_second).collect()
}

#[test]
fn t9_the_rate_and_the_workers_are_those_of_all_machines_together() {
    let latency = Duration::from_millis(100);
    let fleet = Fleet::new(Options { items: 200, latency, ..Options::default() });
    fleet.demo.record();
    let rate = ["--rate", "30"];
    let owner = fleet.member("owner").args(&rate).start();
    owner.says("starting sweep");
    let helper = |name| {
        let helper = fleet.member(name).args(&["--rate", "1000"]).start();
        helper.says("helping with the sweep");
        helper
    };
    let helpers = [helper("one"), helper("two")];
    ended_well(owner.end());
    helpers.into_iter().for_each(|it| drop(ended_well(it.end())));
    fleet.is_stored();
    let most = fleet.demo.stats().max_in_flight;
    assert!(most <= WORKERS, "{most} in flight");
    // Each of three may be one ahead, and robots.txt is asked for beside the pace.
    let most = seconds(&fleet.demo).into_iter().max().expect("requests");
    assert!(most <= 30 + 3 + 3, "{most} in a second");
    let report = fleet.report("owner");
    assert!(members(&report).iter().all(|(.., items)| *items > 20), "{report}");
}

#[test]
fn t9_a_wait_that_one_machine_is_asked_for_holds_for_all() {
    let fleet = Fleet::slow();
    fleet.demo.record();
    let owner = fleet.owner("owner");
    let helpers = [fleet.helper("one"), fleet.helper("two")];
    fleet.asked(200);
    let wait = Fault::on("/api/book/*").status(429).header("Retry-After", "2");
    fleet.demo.fault(wait.first(1).share(1.0, 3));
    ended_well(owner.end());
    helpers.into_iter().for_each(|it| drop(ended_well(it.end())));
    fleet.is_stored();
    // The longest pause in which nobody asked anything is nearly as long as was asked for.
    let times: Vec<Duration> = fleet.demo.requests().into_iter().map(|seen| seen.at).collect();
    let pause = times.windows(2).map(|two| two[1].saturating_sub(two[0])).max().expect("requests");
    assert!(pause >= Duration::from_millis(1_400), "{pause:?}");
}

/// The time after which a silent member is dead, for tests of that.
const SILENCE: [(&str, &str); 2] =
    [("GLEANER_TEST_MEMBER_SILENCE", "2s"), ("GLEANER_TEST_SILENCE", "3s")];

fn impatient(program: Program) -> Program {
    SILENCE.iter().fold(program, |program, (name, value)| program.env(name, value))
}

#[test]
fn t2_a_helper_that_was_stopped_for_long_is_fenced_and_joins_anew() {
    let fleet = Fleet::at(Duration::from_millis(80));
    let owner = impatient(fleet.member("owner")).start();
    owner.says("starting sweep");
    let helper = impatient(fleet.member("helper")).start();
    helper.says("helping with the sweep");
    fleet.asked(150);
    helper.signal("STOP");
    owner.says("lost a run that helped");
    helper.signal("CONT");
    helper.says("joining anew");
    ended_well(owner.end());
    ended_well(helper.end());
    fleet.is_stored();
    let report = fleet.report("owner");
    assert_eq!(count(&report, "items", "new"), 900);
    let ends: Vec<String> = members(&report).into_iter().map(|(_, left, _)| left).collect();
    assert_eq!(ends, ["end", "lost", "end"]);
    let (most, requests) = (ITEMS as u64 + LIST + 4 + 5 * BATCH, fleet.demo.stats().requests);
    assert!(requests <= most, "{requests} of at most {most}");
}

#[test]
fn t3_an_owner_that_was_stopped_for_long_loses_the_sweep() {
    let fleet = Fleet::at(Duration::from_millis(80));
    let owner = impatient(fleet.member("owner")).start();
    owner.says("starting sweep");
    let helper = impatient(fleet.member("helper")).start();
    helper.says("helping with the sweep");
    fleet.asked(150);
    owner.signal("STOP");
    helper.says("resuming unfinished sweep");
    owner.signal("CONT");
    owner.end().with(1).tells(&["lost the site lock"]);
    ended_well(helper.end());
    fleet.is_stored();
    assert_eq!(count(&fleet.report("helper"), "items", "new"), 900);
}

#[test]
fn t4_where_the_store_is_killed_and_comes_back_nobody_is_dead() {
    let mut server = mongod::Mongod::start();
    let fleet = Fleet { store: server.uri("books"), ..Fleet::at(Duration::from_millis(50)) };
    let owner = impatient(fleet.member("owner")).start();
    owner.says("starting sweep");
    let helper = impatient(fleet.member("helper")).start();
    helper.says("helping with the sweep");
    fleet.asked(200);
    server.kill();
    owner.says("waiting on");
    std::thread::sleep(Duration::from_secs(4));
    server.restart();
    let owner = ended_well(owner.end());
    ended_well(helper.end());
    assert!(!owner.err.contains("lost a run"), "{}", owner.err);
    fleet.is_stored();
    let report = fleet.report("owner");
    assert_eq!((count(&report, "items", "new"), members(&report).len()), (900, 2));
    assert_eq!(fleet.demo.stats().requests, ITEMS as u64 + LIST + 2);
}

#[test]
fn t5_a_mailbox_that_is_emptied_costs_requests_and_nothing_else() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let helper = fleet.helper("helper");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let database = mongod::database(&fleet.store).await;
        let lent = database.collection::<Document>("gleaner_lent");
        while fleet.demo.stats().requests < 600 {
            lent.delete_many(doc! {}).await.expect("an answer");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    });
    ended_well(owner.end());
    ended_well(helper.end());
    fleet.is_stored();
    assert_eq!(count(&fleet.report("owner"), "items", "new"), 900);
}

#[test]
fn t6_clocks_that_differ_by_minutes_change_no_verdict() {
    let fleet = Fleet::slow();
    let owner = fleet.owner("owner");
    let helper = |name, offset| {
        let helper = fleet.member(name).env("GLEANER_TEST_CLOCK_OFFSET", offset).start();
        helper.says("helping with the sweep");
        helper
    };
    let helpers = [helper("early", "-600"), helper("late", "600")];
    fleet.asked(300);
    // What they wrote is looked up, and is new.
    for helper in helpers {
        helper.says("this machine's clock is");
        helper.signal("KILL");
        helper.end();
    }
    ended_well(owner.end());
    fleet.is_stored();
    let report = fleet.report("owner");
    assert_eq!((count(&report, "items", "new"), count(&report, "items", "same")), (900, 0));
}
