//! Chooses which sweeps start now, and says why the others wait. A pure function of what is due, what
//! runs and the time.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::sweep::due::{Cause, Due};

/// Longest time between two first starts.
const LONGEST_GAP: Duration = Duration::from_secs(10);
/// Fraction of the interval of a site that the time between its first start and the one before it is
/// at most.
const SHARE: u32 = 10;

/// A site of the fleet, as the choice sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<'a> {
    /// Name of the site.
    pub name: &'a str,
    /// Hosts that its requests may go to.
    pub hosts: &'a [Box<str>],
    /// Longest time between two of its starts.
    pub interval: Duration,
    /// Run or next start of the site.
    pub standing: Standing,
}

/// The run of a site, or its next start.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// A sweep of this fleet runs.
    Runs,
    /// Its next start.
    Due(Due),
    /// It cannot start: the reason, in words.
    Cannot(String),
}

/// The limits of starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Maximum number of sweeps that run at once.
    pub at_once: usize,
    /// Time since which the fleet is watched: starts that were due before it are spread.
    pub since: Timestamp,
    /// Time of the last start that was spread.
    pub last_spread: Option<Timestamp>,
    /// Reason why no sweep may start, in words: too little free space.
    pub no_room: Option<String>,
}

/// The decision on a site.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Start its sweep now. `spread` is true if the next first start is to keep a distance to it.
    Start {
        /// True if this is one of the first starts.
        spread: bool,
    },
    /// Wait.
    Wait(Wait),
}

/// The reason why a site waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// Its sweep runs, started by this fleet.
    Runs,
    /// Another run holds the site.
    Held,
    /// It is not time yet.
    NotDue(Timestamp, Cause),
    /// As many sweeps run as may run at once.
    Slots(usize),
    /// The sweep of another site, named second, uses this host.
    Host(Box<str>, Box<str>),
    /// The first starts are spread: it waits until then.
    Spread(Timestamp),
    /// There is too little free space.
    NoRoom(String),
    /// It cannot start.
    Cannot(String),
}

/// Decides on each site, in their order. Unfinished sweeps start first, then those that are due the
/// longest.
pub fn plan(sites: &[Candidate<'_>], limits: &Limits, now: Timestamp) -> Vec<Verdict> {
    let mut free = Free::of(sites, limits, now);
    let mut verdicts: Vec<Verdict> = sites.iter().map(|site| Verdict::Wait(site.waits())).collect();
    let mut due: Vec<(bool, Timestamp, usize)> = Vec::new();
    for (at, site) in sites.iter().enumerate() {
        if let Standing::Due(Due::At(time, cause)) = site.standing
            && time <= now
        {
            due.push((cause != Cause::Unfinished, time, at));
        }
    }
    due.sort_unstable();
    for (_, _, at) in due {
        verdicts[at] = free.take(&sites[at], limits, now);
    }
    verdicts
}

/// Slots and hosts that are free for starts.
struct Free<'a> {
    slots: usize,
    /// Hosts that are in use, with the site that uses them.
    busy: HashMap<&'a str, &'a str>,
    /// Time of the last start that was spread.
    last_spread: Option<Timestamp>,
}

impl<'a> Free<'a> {
    fn of(sites: &[Candidate<'a>], limits: &Limits, now: Timestamp) -> Free<'a> {
        let slots = limits.at_once;
        // A time in the future is that of a clock that was set back.
        let last_spread = limits.last_spread.filter(|last| *last <= now);
        let mut free = Free { slots, busy: HashMap::new(), last_spread };
        for site in sites {
            if matches!(site.standing, Standing::Runs | Standing::Due(Due::AfterRun)) {
                free.occupy(site);
            }
        }
        free
    }

    fn occupy(&mut self, site: &Candidate<'a>) {
        self.slots = self.slots.saturating_sub(1);
        self.busy.extend(site.hosts.iter().map(|host| (&**host, site.name)));
    }

    /// Decides on a site that is due.
    fn take(&mut self, site: &Candidate<'a>, limits: &Limits, now: Timestamp) -> Verdict {
        if let Some(why) = &limits.no_room {
            return Verdict::Wait(Wait::NoRoom(why.clone()));
        }
        let mut hosts = site.hosts.iter();
        if let Some((host, by)) = hosts.find_map(|host| self.busy.get_key_value(&**host)) {
            return Verdict::Wait(Wait::Host((*host).into(), (*by).into()));
        }
        if self.slots == 0 {
            return Verdict::Wait(Wait::Slots(limits.at_once));
        }
        let spread = site.is_spread(limits.since);
        let gap = LONGEST_GAP.min(site.interval / SHARE);
        let until = self.last_spread.filter(|_| spread).map(|last| later(last, gap));
        if let Some(until) = until.filter(|until| *until > now) {
            return Verdict::Wait(Wait::Spread(until));
        }
        self.occupy(site);
        if spread {
            self.last_spread = Some(now);
        }
        Verdict::Start { spread }
    }
}

impl Candidate<'_> {
    /// Returns why the site waits, if it is not due.
    fn waits(&self) -> Wait {
        match &self.standing {
            Standing::Runs => Wait::Runs,
            Standing::Cannot(why) => Wait::Cannot(why.clone()),
            Standing::Due(Due::AfterRun) => Wait::Held,
            Standing::Due(Due::At(at, cause)) => Wait::NotDue(*at, *cause),
        }
    }

    /// Returns true if many sites may be due for the same reason: they are new, or nothing ran.
    fn is_spread(&self, since: Timestamp) -> bool {
        match self.standing {
            Standing::Due(Due::At(_, Cause::First)) => true,
            Standing::Due(Due::At(at, Cause::Scheduled | Cause::Retry)) => at < since,
            _ => false,
        }
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

impl Display for Wait {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Wait::Runs => f.write_str("its sweep runs"),
            Wait::Held => f.write_str("another run holds the site lock"),
            Wait::NotDue(_, Cause::Retry) => f.write_str("the last attempt failed"),
            Wait::NotDue(..) => f.write_str("it is not due"),
            Wait::Slots(most) => write!(f, "all slots are in use (--at-once {most})"),
            Wait::Host(host, site) => write!(f, "the sweep of {site} uses {host}"),
            Wait::Spread(_) => f.write_str("first starts are spread"),
            Wait::NoRoom(why) | Wait::Cannot(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests;
