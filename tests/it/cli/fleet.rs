//! Schedules of site files, and `gleaner serve DIR`, which runs them: real processes, site servers and
//! signals.

mod control;
mod minute;
mod starts;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gleaner::demo::Demo;
use gleaner::store::SiteId;
use gleaner::sweep::{LedgerEntry, State};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::check::{checked, file, says};
use super::program::{Program, Running, gleaner};
use super::serve::asked::Asking;
use crate::served::{Answer, Served};

/// Longer than any of this takes, on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(90);
const LIST: &str = "[index]\nurl = \"/list\"\nitems = \"$.rows[*]\"\nkey = \"$.id\"\n";

/// A folder of site files, a store and what else a fleet needs.
struct Place {
    folder: TempDir,
    store: String,
}

impl Place {
    /// A place with a store for each site.
    fn new() -> Place {
        Place::with(|folder| format!("sqlite:{}/stores/", folder.display()))
    }

    /// A place with one store.
    fn shared() -> Place {
        Place::with(|folder| format!("sqlite:{}/all.db", folder.display()))
    }

    fn with(store: impl Fn(&Path) -> String) -> Place {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["sites", "stores"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let store = store(folder.path());
        Place { folder, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sites(&self) -> String {
        self.path("sites").to_str().expect("UTF-8").to_owned()
    }

    /// Writes a site file at once, as an editor does.
    fn site(&self, name: &str, text: &str) {
        let beside = self.path("new");
        std::fs::write(&beside, text).expect("the file is written");
        std::fs::rename(beside, self.path(&format!("sites/{name}.toml"))).expect("it is moved");
    }

    fn variables(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(&format!("sites/{name}.env"));
        std::fs::write(&path, text).expect("the file is written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("its mode");
    }

    /// `gleaner serve` of the folder.
    fn program(&self, more: &[&str]) -> Program {
        let sites = self.sites();
        gleaner(&["serve", &sites, "--store", &self.store, "--listen", "127.0.0.1:0"])
            .env("GLEANER_MIN_FREE", "1")
            .args(more)
    }

    fn serve(&self, more: &[&str]) -> Fleet {
        Fleet::started(self.program(more))
    }

    /// The ledger of a site, oldest first.
    fn sweeps(&self, name: &str) -> Vec<LedgerEntry> {
        let url = self.store.parse().expect("a URL");
        let id = SiteId { site: name.into(), collection: name.into() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut sweeps = runtime.expect("a runtime").block_on(async {
            let ledgers = gleaner::store::open_ledgers(&url).await.expect("it opens");
            ledgers.entries(&id, 1_000).await.expect("the store answers")
        });
        sweeps.reverse();
        sweeps
    }

    /// How many sweeps ended as they should.
    fn complete(&self, name: &str) -> usize {
        let complete = |it: &&LedgerEntry| {
            it.entry.state == State::Ended(gleaner::model::report::Outcome::Complete)
        };
        self.sweeps(name).iter().filter(complete).count()
    }
}

/// A running fleet.
struct Fleet {
    running: Running,
    address: Asking,
}

impl Fleet {
    fn started(program: Program) -> Fleet {
        let running = program.start();
        let said = running.says_line("; stop with Ctrl-C");
        let (_, rest) = said.split_once("http://").expect("a URL");
        let (address, _) = rest.split_once(';').expect("an end");
        Fleet { address: Asking::Tcp(address.parse().expect("an address")), running }
    }

    /// What the API shows of the files, by their names.
    fn shown(&self) -> BTreeMap<String, Value> {
        let fleet = self.address.get("/api/v1/fleet").with(200).json();
        let sites = fleet["sites"].as_array().expect("sites").iter();
        sites.map(|it| (it["file"].as_str().expect("a name").to_owned(), it.clone())).collect()
    }

    /// What it shows of a site, once that is as wanted.
    fn until(&self, name: &str, what: &str, so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LONGEST;
        loop {
            let shown = self.shown();
            let site = shown.get(&format!("{name}.toml")).unwrap_or(&Value::Null);
            if so(site) {
                return site.clone();
            }
            assert!(Instant::now() < deadline, "never: {what}: {site:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn until_why(&self, name: &str, why: &str) -> Value {
        self.until(name, why, |site| site["why"].as_str().is_some_and(|it| it.contains(why)))
    }

    /// Ends it as a supervisor does.
    fn stop(self) -> String {
        self.running.signal("TERM");
        self.running.end().with(0).err
    }
}

/// A site file of a list at `/NAME` that has this schedule.
fn list(name: &str, url: &str, schedule: &str) -> String {
    super::several::list(name, url, &format!("robots = false\n[schedule]\n{schedule}\n"))
}

/// The site file of a demo site, under another name.
fn demo_file(name: &str, demo: &Demo, schedule: &str) -> String {
    let text = gleaner(&["sites", "books"]).run().with(0).out;
    let lines = text.lines().filter(|line| !line.starts_with("collection"));
    let lines = lines.map(|line| match line.split(' ').next() {
        Some("name") => format!("name = '{name}'"),
        Some("base_url") => format!("base_url = '{}'", demo.url()),
        _ => line.to_owned(),
    });
    let lines: Vec<String> = lines.collect();
    format!("{}\n[schedule]\n{schedule}\n", lines.join("\n"))
}

/// A server of lists of three items, after `delay`.
fn lists(delay: Duration) -> Served {
    Served::start(move |_| {
        Answer::json(&json!([1, 2, 3].map(|id| json!({ "id": id })))).later(delay)
    })
}

fn until(what: &str, so: impl FnMut() -> bool) {
    super::every::until(what, so);
}

#[test]
fn the_schedule_is_shown_by_check_with_the_next_start() {
    let served = Served::start(|_| Answer::json(&json!({ "rows": [{ "id": 1 }, { "id": 2 }] })));
    let at = "[schedule]\nat = ['03:15']\ntimezone = 'Europe/Berlin'\ndays = ['mon', 'fri']\n";
    let ended = checked(&file(&format!("{LIST}{at}")), served.url(), &[]).with(0);
    says(&ended, &["schedule at 03:15 Europe/Berlin on mon, fri; next on 20", "at 03:15 CE"]);
    let every = file(&format!("{LIST}[schedule]\nevery = '6h'\n"));
    let facts = checked(&every, served.url(), &["--json"]).with(0).out;
    let facts: Value = serde_json::from_str(&facts).expect("JSON");
    assert_eq!(facts["schedule"], "every 6h");
    let both = file(&format!("{LIST}[schedule]\nevery = '6h'\nat = ['03:15']\n"));
    checked(&both, served.url(), &[]).with(2).tells(&["mine.toml:9: schedule.at: not valid"]);
}
