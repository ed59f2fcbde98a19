//! The state of one site of the fleet: what its ledger says, and the process that sweeps it.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::child::Ended;
use super::folder::{Good, SiteFile};
use super::plan::{Candidate, Standing, Wait};
use super::view::{self, LastRun};
use crate::store::SiteId;
use crate::sweep::LedgerEntry;
use crate::sweep::calendar::Schedule;
use crate::sweep::due::{Attempts, Due, due};

/// Number of entries of a ledger that are read, and of complete sweeps.
pub const ENTRIES: usize = 10;
/// Age at which what a ledger said is read again.
const STALE: Duration = Duration::from_secs(30);
/// The same while another run holds the site.
const STALE_WHILE_HELD: Duration = Duration::from_secs(5);
/// Exit codes of a sweep that reached its end: complete, and incomplete.
const REACHED_END: [i32; 2] = [0, 3];

/// The state of a site.
#[derive(Debug, Default)]
pub struct Member {
    /// Process that sweeps the site, or `None`.
    pub run: Option<Run>,
    /// Next start by the ledger, and when that was read.
    ledger: Option<(Instant, Result<Due, String>)>,
    /// Last process that ended.
    last: Option<LastRun>,
    /// True if that one is not judged by the ledger yet.
    is_unjudged: bool,
    /// Attempts in a row that failed.
    attempts: Option<Attempts>,
}

/// A process that sweeps the site.
#[derive(Debug)]
pub struct Run {
    id: SiteId,
    hosts: Vec<Box<str>>,
    process: Option<u32>,
    began_at: Timestamp,
}

impl Member {
    /// Forgets what was known by another version of the file.
    pub fn forget(&mut self) {
        (self.ledger, self.attempts, self.is_unjudged) = (None, None, false);
    }

    /// Returns true if the ledger is to be read.
    pub fn is_stale(&self) -> bool {
        let limit = |due: &Result<Due, String>| match due {
            Ok(Due::At(..)) => STALE,
            _ => STALE_WHILE_HELD,
        };
        let is_read = |(at, due): &(Instant, _)| at.elapsed() < limit(due);
        self.run.is_none() && !self.ledger.as_ref().is_some_and(is_read)
    }

    /// Returns true if a sweep is due.
    pub fn is_due(&self, now: Timestamp) -> bool {
        matches!(&self.ledger, Some((_, Ok(Due::At(at, _)))) if *at <= now) && self.run.is_none()
    }

    /// Takes what the ledger says. After a process that failed, or that left the site due as it was, the
    /// next attempt is later.
    pub fn note_ledger(
        &mut self,
        schedule: &Schedule,
        entries: &[LedgerEntry],
        seen: Timestamp,
        now: Timestamp,
    ) {
        let next = |attempts| due(schedule, entries, LedgerEntry::is_alive, seen, attempts, now);
        if let (true, Some(last)) = (self.is_unjudged, &self.last) {
            let reached_end = last.code.is_some_and(|code| REACHED_END.contains(&code));
            let is_due = matches!(next(None), Due::At(at, _) if at <= now);
            let count = self.attempts.map_or(0, |attempts| attempts.count).saturating_add(1);
            let attempts = Attempts { count, ended_at: last.ended_at };
            self.attempts = (!reached_end || is_due).then_some(attempts);
            self.is_unjudged = false;
        }
        self.ledger = Some((Instant::now(), Ok(next(self.attempts))));
    }

    /// Notes why the ledger cannot be read.
    pub fn note_trouble(&mut self, why: String) {
        self.ledger = Some((Instant::now(), Err(why)));
    }

    /// Notes that a process started.
    pub fn note_start(&mut self, process: Option<u32>, good: &Good, now: Timestamp) {
        let (id, hosts) = (good.id.clone(), good.hosts.clone());
        self.run = Some(Run { id, hosts, process, began_at: now });
    }

    /// Notes how the process ended, or why it could not be started. Returns how long it took, in words.
    pub fn note_end(&mut self, ended: Ended) -> String {
        let run = self.run.take();
        let began_at = run.map_or(ended.at, |run| run.began_at);
        let took = Duration::try_from(ended.at.duration_since(began_at)).unwrap_or_default();
        let Ended { at, code, last_lines } = ended;
        let meaning = view::said(code);
        self.last = Some(LastRun { began_at, ended_at: at, code, meaning, last_lines });
        (self.ledger, self.is_unjudged) = (None, true);
        format!(" after {}", humantime::format_duration(Duration::from_secs(took.as_secs())))
    }

    /// Returns the site for the choice of what starts. `twin` is an earlier file of the same site.
    pub fn candidate<'a>(
        &'a self,
        file: Option<&'a SiteFile>,
        twin: Option<&str>,
    ) -> Candidate<'a> {
        let good = file.and_then(|file| file.good.as_ref());
        let standing = match (&self.run, file) {
            (Some(_), _) => Standing::Runs,
            (None, None) => Standing::Cannot("its file is gone".to_owned()),
            (None, Some(file)) => self.standing(file, twin),
        };
        let (id, hosts) = match (&self.run, good) {
            (Some(run), _) => (Some(&run.id), &*run.hosts),
            (None, Some(good)) => (Some(&good.id), &*good.hosts),
            (None, None) => (None, &[][..]),
        };
        let schedule = good.and_then(|good| good.schedule.as_ref());
        Candidate {
            name: id.map_or("", |id| &id.site),
            hosts,
            interval: schedule.map(Schedule::interval).unwrap_or_default(),
            standing,
        }
    }

    fn standing(&self, file: &SiteFile, twin: Option<&str>) -> Standing {
        let cannot = |why: &str| Standing::Cannot(why.to_owned());
        let Some(good) = &file.good else { return cannot("its file is not valid") };
        if let Some(twin) = twin {
            return Standing::Cannot(format!("{twin} has a site of the same name"));
        }
        if good.schedule.is_none() {
            return cannot("its file has no [schedule]");
        }
        if let Some(why) = &file.refused {
            return cannot(why);
        }
        match &self.ledger {
            None => cannot("its ledger was not read yet"),
            Some((_, Err(why))) => Standing::Cannot(format!("its ledger cannot be read: {why}")),
            Some((_, Ok(due))) => Standing::Due(*due),
        }
    }

    /// Returns the site as others see it.
    pub fn view(&self, name: &str, file: Option<&SiteFile>, wait: Wait) -> view::FleetMember {
        let good = file.and_then(|file| file.good.as_ref());
        let id = self.run.as_ref().map(|run| &run.id).or(good.map(|good| &good.id));
        let schedule = good.and_then(|good| good.schedule.as_ref());
        let next_at = match &self.ledger {
            Some((_, Ok(Due::At(at, _)))) if self.run.is_none() => Some(*at),
            _ => None,
        };
        view::FleetMember {
            file: name.into(),
            id: id.cloned(),
            schedule: schedule.map(ToString::to_string),
            state: wait.state(),
            next_at,
            why: wait.to_string(),
            error: file.and_then(|file| file.error.clone()),
            process: self.run.as_ref().and_then(|run| run.process),
            attempts: self.attempts.map_or(0, |attempts| attempts.count),
            last: self.last.clone(),
        }
    }
}
