//! The fleet as people and programs see it.

use jiff::Timestamp;
use serde::Serialize;

use super::plan::Wait;
use crate::store::SiteId;

/// The sites of the fleet.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FleetView {
    /// Folder of the site files.
    pub folder: String,
    /// Reason why the folder could not be read last, or `None`.
    pub trouble: Option<String>,
    /// Maximum number of sweeps that run at once.
    pub at_once: usize,
    /// Site files, ordered by name.
    pub sites: Vec<FleetMember>,
}

/// A site file of the fleet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetMember {
    /// Name of the file.
    pub file: Box<str>,
    /// Name of the site and its collection, or `None` if no version of the file was valid.
    #[serde(flatten)]
    pub id: Option<SiteId>,
    /// Schedule, in words.
    pub schedule: Option<String>,
    /// State of the site.
    pub state: State,
    /// Time of the next start, or `None` if it is not known. It is in the past if the start is overdue.
    pub next_at: Option<Timestamp>,
    /// Explanation of the state: the reason why it waits, in words.
    pub why: String,
    /// Error of the present version of the file, or `None` if it is valid.
    pub error: Option<String>,
    /// Id of the process that sweeps it.
    pub process: Option<u32>,
    /// Number of attempts in a row that failed.
    pub attempts: u32,
    /// Last sweep that this fleet started and that ended.
    pub last: Option<LastRun>,
}

/// The state of a site of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A sweep runs.
    Running,
    /// It waits for its next start.
    Scheduled,
    /// It is due and waits for something else.
    Waiting,
    /// It cannot start.
    Stuck,
}

/// A process that ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastRun {
    /// Time at which it began.
    pub began_at: Timestamp,
    /// Time at which it ended.
    pub ended_at: Timestamp,
    /// Exit code, or 128 and the number of the signal that ended it. `None` if it could not be started.
    pub code: Option<i32>,
    /// Meaning of the exit code.
    pub meaning: String,
    /// Last lines on its standard error.
    pub last_lines: Vec<String>,
}

impl State {
    /// Returns the state's name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Scheduled => "scheduled",
            State::Waiting => "waiting",
            State::Stuck => "stuck",
        }
    }
}

impl Wait {
    pub(super) fn state(&self) -> State {
        match self {
            Wait::Runs | Wait::Held => State::Running,
            Wait::NotDue(..) => State::Scheduled,
            Wait::Slots(_) | Wait::Host(..) | Wait::Spread(_) | Wait::NoRoom(_) => State::Waiting,
            Wait::Cannot(_) => State::Stuck,
        }
    }
}

impl FleetView {
    /// Describes the fleet in one line.
    pub fn line(&self) -> String {
        let count = |state: State| self.sites.iter().filter(|site| site.state == state).count();
        let next = self.sites.iter().filter(|site| site.state == State::Scheduled);
        let next = next.filter_map(|site| Some((site.next_at?, &site.id.as_ref()?.site))).min();
        let next =
            next.map_or_else(String::new, |(at, site)| format!("; next is {site} at {at:.0}"));
        let mut line = format!("{} of {} sites run", count(State::Running), self.sites.len());
        for (state, what) in [(State::Waiting, "wait"), (State::Stuck, "cannot start")] {
            if count(state) > 0 {
                line += &format!(", {} {what}", count(state));
            }
        }
        line + &next
    }
}

/// Says what an exit code means.
pub fn said(code: Option<i32>) -> String {
    let meaning = match code {
        None => return "not started".to_owned(),
        Some(0) => "complete",
        Some(1) => "failed",
        Some(2) => "wrong settings",
        Some(3) => "incomplete",
        Some(4) => "another run holds the site lock",
        Some(101) => "crashed",
        Some(129 | 130 | 143) => "interrupted",
        Some(code) if code > 128 => return format!("killed by signal {}", code - 128),
        Some(_) => "unknown",
    };
    format!("{meaning} (exit code {})", code.unwrap_or_default())
}
