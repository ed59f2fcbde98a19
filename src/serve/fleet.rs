//! The fleet: runs the site files of a folder on their schedules, each sweep as a process of its own.
//!
//! One loop looks at the folder, reads the ledgers of its sites, and starts what is due. The ledger is
//! the truth for when a site last ran, so there is no state to keep: after a restart, or a crash, the
//! loop starts what a loop that never stopped would start. Whether a sweep may run is decided by the
//! site lock alone; a run that something else started is waited for.
//!
//! The fleet itself requests nothing and writes to no store.

mod child;
mod folder;
mod member;
mod plan;
mod room;
mod variables;
mod view;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::model::text::counted;
use crate::store::{self, Ledgers, StoreError, StoreUrl};
use crate::system::clock;
use crate::system::shutdown::Shutdown;
use child::{Ended, Running, Start};
use folder::Folder;
use member::Member;
use plan::{Candidate, Limits, Verdict, Wait, plan};
pub use view::{FleetMember, FleetView};

/// Time between two looks at the folder.
const LOOK: Duration = Duration::from_secs(30);
/// Time between two decisions.
const TICK: Duration = Duration::from_secs(1);

/// Settings of the fleet.
#[derive(Debug)]
pub struct FleetOptions {
    /// Folder of the site files.
    pub folder: PathBuf,
    /// Store of all sites.
    pub store: StoreUrl,
    /// Program that crawls.
    pub program: PathBuf,
    /// Maximum number of sweeps that run at once.
    pub at_once: usize,
    /// Free space below which no sweep starts, in bytes.
    pub min_free: u64,
    /// Folder of the logs, one file for each site, or `None` for standard error.
    pub log_folder: Option<PathBuf>,
}

/// Prints a line for people.
pub type Say = Arc<dyn Fn(&str) + Send + Sync>;

/// The fleet, as others see it while it runs.
#[derive(Debug)]
pub struct Fleet {
    options: FleetOptions,
    views: watch::Sender<Arc<FleetView>>,
    reload: Notify,
}

impl Fleet {
    /// Creates the fleet. Nothing runs yet.
    pub fn new(options: FleetOptions) -> Fleet {
        let (views, _) = watch::channel(Arc::default());
        Fleet { options, views, reload: Notify::new() }
    }

    /// Returns what each site of the fleet does or waits for.
    pub fn view(&self) -> Arc<FleetView> {
        self.views.borrow().clone()
    }

    /// Looks at the folder now.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Runs the sweeps until `shutdown` is requested and all of them have ended.
    pub async fn run(&self, shutdown: Shutdown, say: Say) {
        let mut control = Control::new(&self.options, say, shutdown.clone());
        let mut looked: Option<Instant> = None;
        while !shutdown.is_requested() {
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
                control.look();
                looked = Some(Instant::now());
            }
            let verdicts = control.step().await;
            self.views.send_replace(Arc::new(control.view(&verdicts)));
            tokio::select! {
                ended = control.children.join_next(), if !control.children.is_empty() => {
                    control.note_end(ended);
                }
                () = self.reload.notified() => looked = None,
                _ = shutdown.requested() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
        control.say_stopping();
        while let Some(ended) = control.children.join_next().await {
            control.note_end(Some(ended));
        }
    }
}

/// Result of a task that waits for the process of the file with this name.
type Joined = Option<Result<(Box<str>, Ended), tokio::task::JoinError>>;

/// The state of the loop.
struct Control<'a> {
    options: &'a FleetOptions,
    say: Say,
    shutdown: Shutdown,
    folder: Folder,
    /// State by the name of the file. A file that is gone stays while its sweep runs.
    members: BTreeMap<Box<str>, Member>,
    children: JoinSet<(Box<str>, Ended)>,
    ledgers: Option<Arc<dyn Ledgers>>,
    /// Folder for copies of last good versions, once one was needed.
    copies: Option<tempfile::TempDir>,
    since: Timestamp,
    last_spread: Option<Timestamp>,
}

impl<'a> Control<'a> {
    fn new(options: &'a FleetOptions, say: Say, shutdown: Shutdown) -> Control<'a> {
        Control {
            options,
            say,
            shutdown,
            folder: Folder::new(options.folder.clone()),
            members: BTreeMap::new(),
            children: JoinSet::new(),
            ledgers: None,
            copies: None,
            since: clock::now(),
            last_spread: None,
        }
    }

    /// Looks at the folder.
    fn look(&mut self) {
        let trouble = self.folder.trouble.clone();
        let changed = self.folder.look(clock::now());
        if let Some(why) = self.folder.trouble.as_ref().filter(|_| trouble != self.folder.trouble) {
            (self.say)(&format!("warning: {why}"));
        }
        for name in changed {
            let Some(file) = self.folder.files.get(&name) else { continue };
            for why in file.error.iter().chain(&file.refused) {
                (self.say)(&format!("warning: {why}"));
            }
            self.members.entry(name).or_default().forget();
        }
        let files = &self.folder.files;
        self.members.retain(|name, member| member.run.is_some() || files.contains_key(name));
    }

    /// Starts what is due. Returns the decisions, by the names of the files.
    async fn step(&mut self) -> Vec<(Box<str>, Verdict)> {
        self.read_ledgers().await;
        let mut verdicts = self.decide();
        let starts = |(name, verdict): &(Box<str>, Verdict)| match verdict {
            Verdict::Start { spread } => Some((name.clone(), *spread)),
            Verdict::Wait(_) => None,
        };
        let starts: Vec<(Box<str>, bool)> = verdicts.iter().filter_map(starts).collect();
        for (name, spread) in &starts {
            if self.is_still_due(name).await {
                self.start(name);
                if *spread {
                    self.last_spread = Some(clock::now());
                }
            }
        }
        if !starts.is_empty() {
            verdicts = self.decide();
        }
        verdicts
    }

    fn decide(&self) -> Vec<(Box<str>, Verdict)> {
        let candidates: Vec<Candidate<'_>> = self
            .members
            .iter()
            .map(|(name, member)| {
                member.candidate(self.folder.files.get(name), self.folder.twin(name))
            })
            .collect();
        let folder = self.options.store.directory();
        let limits = Limits {
            at_once: self.options.at_once,
            since: self.since,
            last_spread: self.last_spread,
            no_room: room::missing(folder.as_deref(), self.options.min_free),
        };
        let verdicts = plan(&candidates, &limits, clock::now());
        self.members.keys().cloned().zip(verdicts).collect()
    }

    /// Reads the ledgers that were not read for a while.
    async fn read_ledgers(&mut self) {
        let stale = self.members.iter().filter(|(_, member)| member.is_stale());
        let stale: Vec<Box<str>> = stale.map(|(name, _)| name.clone()).collect();
        for name in stale {
            if self.shutdown.is_requested() {
                return;
            }
            self.read_ledger(&name).await;
        }
    }

    async fn read_ledger(&mut self, name: &str) {
        let Some(file) = self.folder.files.get(name) else { return };
        let (Some(good), seen) = (file.good.clone(), file.seen) else { return };
        let Some(schedule) = good.schedule else { return };
        let entries = match self.ledgers().await {
            Ok(Some(ledgers)) => ledgers.entries(&good.id, member::ENTRIES).await,
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let Some(member) = self.members.get_mut(name) else { return };
        match entries {
            Ok(entries) => member.note_ledger(&schedule, &entries, seen, clock::now()),
            Err(error) => {
                self.ledgers = None;
                member.note_trouble(error.to_string());
            }
        }
    }

    /// Opens the ledgers. Returns `None` if there is no store yet.
    async fn ledgers(&mut self) -> Result<Option<Arc<dyn Ledgers>>, StoreError> {
        if let Some(ledgers) = &self.ledgers {
            return Ok(Some(ledgers.clone()));
        }
        if let StoreUrl::Sqlite(path) = &self.options.store
            && !path.exists()
        {
            return Ok(None);
        }
        let opened = store::open_ledgers(&self.options.store).await?;
        Ok(Some(self.ledgers.insert(opened).clone()))
    }

    /// Looks at the file and the ledger of a site once more, just before it starts: either may have
    /// changed since they were read.
    async fn is_still_due(&mut self, name: &str) -> bool {
        let Some(file) = self.folder.files.get_mut(name) else { return false };
        if file.look() {
            if let Some(member) = self.members.get_mut(name) {
                member.forget();
            }
            return false;
        }
        self.read_ledger(name).await;
        self.members.get(name).is_some_and(|member| member.is_due(clock::now()))
    }

    fn start(&mut self, name: &str) {
        match self.try_start(name) {
            Ok(id) => {
                let id = id.map_or_else(String::new, |id| format!(", process {id}"));
                (self.say)(&format!("{name}: sweep started{id}"));
            }
            Err(why) => {
                (self.say)(&format!("warning: {name}: cannot start its sweep: {why}"));
                if let Some(member) = self.members.get_mut(name) {
                    let last_lines = vec![why];
                    member.note_end(Ended { at: clock::now(), code: None, last_lines });
                }
            }
        }
    }

    fn try_start(&mut self, name: &str) -> Result<Option<u32>, String> {
        let copies = match &mut self.copies {
            Some(copies) => copies,
            none => {
                let made = tempfile::tempdir().map_err(|error| error.to_string())?;
                none.insert(made)
            }
        };
        let (Some(file), Some(member)) = (self.folder.files.get(name), self.members.get_mut(name))
        else {
            return Err("its file is gone".to_owned());
        };
        let Some(good) = &file.good else { return Err("its file is not valid".to_owned()) };
        let mut variables = file.variables()?;
        let path = file.to_crawl(copies.path())?;
        variables
            .push(("GLEANER_STORE".to_owned(), self.options.store.of_site(&good.id.site).expose()));
        let log_file = self.options.log_folder.as_deref();
        let log_file = log_file.map(|folder| folder.join(format!("{}.log", good.id.site)));
        let start = Start {
            program: &self.options.program,
            file: &path,
            log_file: log_file.as_deref(),
            variables,
        };
        let running = Running::start(start).map_err(|error| error.to_string())?;
        let id = running.id();
        member.note_start(id, good, clock::now());
        let (say, shutdown, site) = (self.say.clone(), self.shutdown.clone(), good.id.site.clone());
        let name: Box<str> = name.into();
        self.children.spawn(async move {
            let ended = running.end(shutdown, |line| say(&format!("{site}: {line}"))).await;
            (name, ended)
        });
        Ok(id)
    }

    fn note_end(&mut self, joined: Joined) {
        let Some(Ok((name, ended))) = joined else { return };
        let Some(member) = self.members.get_mut(&name) else { return };
        let took = member.note_end(ended.clone());
        (self.say)(&format!("{name}: {}{took}", view::said(ended.code)));
        if !self.folder.files.contains_key(&name) {
            self.members.remove(&name);
        }
    }

    fn say_stopping(&self) {
        if !self.children.is_empty() {
            let running = counted(self.children.len() as u64, "sweep", "sweeps");
            (self.say)(&format!("stopping {running}; what is left is for the next start"));
        }
    }

    fn view(&self, verdicts: &[(Box<str>, Verdict)]) -> FleetView {
        let wait = |verdict: &Verdict| match verdict {
            Verdict::Start { .. } => Wait::Runs,
            Verdict::Wait(wait) => wait.clone(),
        };
        let sites = verdicts.iter().filter_map(|(name, verdict)| {
            let member = self.members.get(name)?;
            Some(member.view(name, self.folder.files.get(name), wait(verdict)))
        });
        FleetView {
            folder: self.options.folder.display().to_string(),
            trouble: self.folder.trouble.clone(),
            at_once: self.options.at_once,
            sites: sites.collect(),
        }
    }
}
