//! State of a host: its slots, pace, pauses, and parked leases.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::backoff::Backoff;
use super::blocked::{Blocked, RefusalEnd};
use super::refusals::{Kind, RefusalTracker, Trouble};
use super::tempo::{PENALTY, Tempo};
use super::{End, HostPolicy};
use crate::fetch::limit::{Limit, Sent};
use crate::fetch::retry::{Fault, Toll};
use crate::frontier::Lease;
use crate::model::report::millis;
use crate::observe::progress::HostLoad;
use crate::observe::waits::Waits;

/// Maximum delay of a timer.
const LATE: Duration = Duration::from_millis(2);
/// Time for which a failed request keeps its place while the usual time of a request is unknown.
const UNKNOWN: Duration = Duration::from_millis(100);
/// First and longest pause of a host that is overloaded with a single request in flight.
const OVERLOADED: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(4)];
/// First and longest pause of a host that answers 429 and names no wait.
const LIMITED: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(64)];
/// First and longest pause of a host that cannot be reached.
const AWAY: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// Number of consecutive refusals after which a warning is logged each time.
const TELLS_EACH: u32 = 5;
/// Number of consecutive refusals from which on a single request at a time probes the host: a
/// burst counts once, so that each one more would be as many requests as there are workers.
const NARROWS_AT: u32 = 2;

/// State of one host.
#[derive(Debug)]
pub struct State {
    /// Name of the host in the log.
    name: Box<str>,
    /// True for the site's own host.
    is_home: bool,
    block_after: u32,
    site_wait: Duration,
    waits: Waits,
    limit: Limit,
    in_flight: u32,
    /// Places held by failed requests, by the time when they become free.
    held: BinaryHeap<Reverse<Instant>>,
    pace: Option<Pace>,
    tempo: Tempo,
    /// Earliest time of the next request while requests are spread, or `None`.
    spread: Option<Instant>,
    /// End of a pause. Reset by the first request after it.
    waits_until: Option<Instant>,
    /// Start of probing, during which one request at a time tests the host.
    probing: Option<Instant>,
    /// Time since which no connection succeeds.
    away_since: Option<Instant>,
    /// Parked leases. The first `begun` of them are further requests of items.
    parked: VecDeque<Lease>,
    begun: usize,
    refusals: RefusalTracker,
    /// Reason why no more of its pages are requested, if it is not the site's own host.
    given_up: Option<Box<str>>,
    overloaded: Backoff,
    limited: Backoff,
    away: Backoff,
}

/// Interval between requests, and the earliest time of the next one.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    next: Instant,
}

/// A request that is no longer in flight.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// Time that it took.
    took: Duration,
    /// True if another request would have left without the limit.
    was_reached: bool,
}

impl State {
    /// Creates the state of a host of which only the name is known.
    pub fn new(name: &str, is_home: bool, policy: &HostPolicy, waits: Waits) -> State {
        let backoff = |[first, longest]: [Duration; 2]| Backoff::new(first, longest);
        State {
            name: name.into(),
            is_home,
            block_after: policy.block_after,
            site_wait: policy.site_wait,
            waits,
            limit: Limit::new(policy.workers, policy.adaptive, policy.at_first),
            in_flight: 0,
            held: BinaryHeap::new(),
            pace: None,
            tempo: Tempo::default(),
            spread: None,
            waits_until: None,
            probing: None,
            away_since: None,
            parked: VecDeque::new(),
            begun: 0,
            refusals: RefusalTracker::default(),
            given_up: None,
            overloaded: backoff(OVERLOADED),
            limited: backoff(LIMITED),
            away: backoff(AWAY),
        }
    }

    /// Returns the number of requests in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Returns the concurrency that the host accepts, or `None` if it never refused more.
    pub fn bears(&self) -> Option<u32> {
        self.limit.ceiling().map(|_| self.limit.now())
    }

    /// Returns the load of the host.
    pub fn load(&self) -> HostLoad {
        let wait = self.waits.on(&self.name);
        HostLoad {
            name: self.name.clone(),
            in_flight: self.in_flight,
            limit: if self.probing.is_some() { 1 } else { self.limit.now() },
            parked: self.parked.len() as u64,
            interval_s: self.pace.as_ref().map(|pace| millis(pace.interval.as_secs_f64())),
            wait_s: wait.as_ref().map(|(left, _)| millis(left.as_secs_f64())),
            why: wait.map(|(_, why)| why),
        }
    }

    /// Sets the interval between requests from `now` on. Only the first call with an interval
    /// counts.
    pub fn keep_pace(&mut self, interval: Option<Duration>, why: &str, now: Instant) {
        if let (None, Some(interval)) = (&self.pace, interval) {
            self.waits.pace(&self.name, interval, why);
            self.pace = Some(Pace { interval, next: now });
        }
    }

    /// Takes all parked leases, for a host that could not be opened.
    pub fn give_back(&mut self) -> VecDeque<Lease> {
        self.begun = 0;
        std::mem::take(&mut self.parked)
    }

    /// Admits a task, or parks its lease and returns `None`. While the host is not open, the lease
    /// is always parked.
    pub fn enter(&mut self, lease: Lease, is_open: bool, now: Instant) -> Option<(Lease, Sent)> {
        // An item that was begun holds what was read of it, so it goes before those that were not.
        let is_begun = lease.task().is_begun();
        let is_first = if is_begun { self.begun == 0 } else { self.parked.is_empty() };
        if is_open && is_first && self.may_go(now) {
            return Some((lease, self.admit(now)));
        }
        if is_begun {
            self.parked.insert(self.begun, lease);
            self.begun += 1;
        } else {
            self.parked.push_back(lease);
        }
        None
    }

    /// Returns the first parked lease if it may leave now.
    pub fn hand_out(&mut self, now: Instant) -> Option<(Lease, Sent)> {
        if self.parked.is_empty() || !self.may_go(now) {
            return None;
        }
        let lease = self.parked.pop_front()?;
        self.begun = self.begun.saturating_sub(1);
        Some((lease, self.admit(now)))
    }

    /// Returns the time at which an admitted request may leave.
    pub fn turn(&mut self, now: Instant) -> Instant {
        let free = self.waits_until.map_or(now, |at| at.max(now));
        let Some(pace) = &mut self.pace else { return free };
        let at = pace.next.max(free);
        pace.next = at + pace.interval;
        at
    }

    /// Pauses the host for `wait`, then allows one request at a time until a page comes.
    pub fn refused_for(&mut self, wait: Duration, why: &str, now: Instant) {
        self.pause(wait, why, now);
        self.probing = Some(now);
    }

    /// Pauses the host for `wait`, then restarts at low concurrency.
    pub fn leave_alone(&mut self, wait: Duration, why: &str, now: Instant) {
        self.pause(wait, why, now);
        self.limit.restart(now);
    }

    /// Records a failed connection of a request sent at `sent`. Returns `true` if the host is
    /// retried: it must have given pages before, and the time for waiting must not be over.
    pub fn missed(&mut self, sent: Instant, why: &str, now: Instant) -> bool {
        if !self.refusals.gave_pages() {
            return false;
        }
        let since = *self.away_since.get_or_insert(now);
        let left = self.site_wait.saturating_sub(now - since);
        if left.is_zero() {
            return false;
        }
        self.refusals.away();
        if let Some(pause) = self.away.after(sent, now) {
            self.refused_for(pause.min(left), why, now);
        }
        true
    }

    /// Records that the host responded to a request sent at `sent`.
    pub fn reached(&mut self, sent: Instant) {
        if self.away_since.is_some_and(|since| sent > since) {
            self.away_since = None;
            self.away.passed(sent);
        }
    }

    /// Returns `true` if waits of this page apply to it alone, not to the host.
    pub fn waits_alone(&self, page: u64) -> bool {
        self.refusals.is_at_fault(page)
    }

    /// Returns the reason why no more of its pages are requested.
    pub fn given_up(&self) -> Option<&str> {
        self.given_up.as_deref()
    }

    /// Gives up the host. If it is the site's own, the run ends; otherwise only its pages fail, and
    /// no more of them are requested.
    fn give_up(&mut self, blocked: Blocked) -> Result<Toll, Blocked> {
        if self.is_home {
            return Err(blocked);
        }
        if self.given_up.is_none() {
            let why = blocked.of_other_host();
            warn!(why, "the pages of this host are given up");
            self.given_up = Some(why.into());
        }
        if self.waits_until.take().is_some() {
            self.waits.end(&self.name);
        }
        self.probing = None;
        Ok(Toll::Attempt)
    }

    fn pause(&mut self, wait: Duration, why: &str, now: Instant) {
        let until = self.waits_until.map_or(now + wait, |at| at.max(now + wait));
        self.waits_until = Some(until);
        self.waits.begin(&self.name, why, until);
    }

    fn may_go(&mut self, now: Instant) -> bool {
        while self.held.peek().is_some_and(|Reverse(until)| *until <= now) {
            self.held.pop();
        }
        self.waits_until.is_none_or(|until| until <= now)
            && self.has_room()
            && self.spread.is_none_or(|at| at <= now)
            && self.pace.as_ref().is_none_or(|pace| pace.next <= now)
    }

    fn has_room(&self) -> bool {
        let most = if self.probing.is_some() { 1 } else { self.limit.now() as usize };
        self.in_flight as usize + self.held.len() < most
    }

    fn admit(&mut self, now: Instant) -> Sent {
        self.in_flight += 1;
        if self.waits_until.take().is_some() {
            self.waits.end(&self.name);
        }
        if let Some(Pace { interval, next }) = &mut self.pace {
            // A late timer must not delay all later requests, but no more than its usual delay is
            // made up for.
            *next = (*next + *interval).max(now + *interval - LATE.min(*interval));
        }
        if let Some(spacing) = self.limit.spacing().max(self.tempo.interval()) {
            // Unused time is made up for, up to the usual delay of a timer.
            let made_up = now + spacing - LATE;
            self.spread = Some(self.spread.map_or(made_up, |at| (at + spacing).max(made_up)));
        }
        Sent { at: now, among: self.in_flight }
    }

    /// Returns the time when the next parked lease may leave, or `None` if that does not depend on
    /// time.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        if self.parked.is_empty() {
            return None;
        }
        let waits_until = self.waits_until.filter(|until| *until > now);
        let room = match self.has_room() {
            true => None,
            false => Some(self.held.peek()?.0),
        };
        let turn = self.pace.as_ref().map(|pace| pace.next);
        let spread = self.spread.filter(|at| *at > now);
        Some(waits_until.max(room).max(turn).max(spread).unwrap_or(now))
    }

    /// Returns `true` if an admitted request may leave at any time.
    pub fn is_at_leisure(&self, now: Instant) -> bool {
        self.pace.is_none() && self.waits_until.is_none_or(|until| until <= now)
    }

    /// Releases the place of an admitted request that did not leave.
    pub fn lapsed(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Records that a response was read, and releases its place.
    pub fn answered(&mut self, sent: Sent) -> Answered {
        let was_reached = !self.has_room();
        self.in_flight = self.in_flight.saturating_sub(1);
        Answered { took: sent.at.elapsed(), was_reached }
    }

    /// Records the outcome of a request, and returns its cost to the task.
    ///
    /// # Errors
    /// Returns [`Blocked`] if the host is given up.
    pub fn end(
        &mut self,
        sent: Sent,
        Answered { took, was_reached }: Answered,
        kind: Kind,
        end: End<'_>,
    ) -> Result<Toll, Blocked> {
        let now = Instant::now();
        match end {
            End::Page => {
                self.limit.succeeded(sent, took, was_reached, now);
                self.succeeded(sent.at, kind);
            }
            End::Absent => self.succeeded(sent.at, kind),
            End::Unused { was_sent } => {
                // Its turn goes to another request.
                if let Some(Pace { interval, next }) = self.pace.as_mut().filter(|_| !was_sent) {
                    *next = next.checked_sub(*interval).unwrap_or(*next);
                }
            }
            End::Trouble(trouble) => {
                let usual = self.limit.usual().unwrap_or(UNKNOWN);
                self.held.push(Reverse(sent.at + usual));
                return self.troubled(sent, kind, trouble, now);
            }
        }
        Ok(Toll::Attempt)
    }

    fn succeeded(&mut self, sent: Instant, kind: Kind) {
        self.refusals.succeeded(kind, sent);
        self.overloaded.passed(sent);
        match self.limited.passed(sent) {
            Some(pause) if pause >= PENALTY => self.tempo.penalized(),
            _ => self.tempo.succeeded(),
        }
        // Requests sent before the refusal say nothing about the present.
        self.probing = self.probing.filter(|since| sent <= *since);
    }

    fn troubled(
        &mut self,
        sent: Sent,
        kind: Kind,
        trouble: Trouble<'_>,
        now: Instant,
    ) -> Result<Toll, Blocked> {
        let Trouble { message, fault, wait, page, is_counted } = trouble;
        match fault {
            Fault::Away => return Ok(Toll::Free),
            Fault::Unreachable if self.is_home && self.away_since.is_some() => {
                let (host, waited, last) = (self.name.clone(), self.site_wait, message.to_owned());
                return Err(Blocked::Away { host, waited, last });
            }
            // A missing host costs only its own pages, never the run.
            Fault::Unreachable => return Ok(Toll::Attempt),
            _ => {}
        }
        // A refusal while trying a higher concurrency than known is not a penalty.
        let was_tried = sent.among > 1 && self.limit.is_tried(sent);
        let is_overload = matches!(fault, Fault::Limited | Fault::Overloaded);
        let is_first = is_overload && self.limit.refused(sent, self.in_flight, now);
        if is_overload && self.waits_until.is_some_and(|until| until > now) {
            self.limit.restart(now);
        }
        let told = self.refusals.in_a_row(kind);
        let judged = self.refusals.troubled(trouble, kind, sent.at, self.block_after, &self.name);
        let toll = match judged {
            Ok(toll) => toll,
            Err(blocked) => return self.give_up(blocked),
        };
        let is_hosts = toll == Toll::Free || !is_counted;
        if wait.is_none() && fault == Fault::Limited && is_hosts && !was_tried {
            if is_counted && self.limited.is_spent(sent.at) {
                if self.refusals.is_all_there_is(page) {
                    return Ok(Toll::Attempt);
                }
                let end = RefusalEnd::AfterPause(LIMITED[1]);
                return self.give_up(self.refusals.blocked(kind, trouble, end, &self.name));
            }
            if let Some(pause) = self.limited.after(sent.at, now) {
                self.refused_for(pause, message, now);
            }
        } else if wait.is_none()
            && is_first
            && sent.among == 1
            && let Some(pause) = self.overloaded.after(sent.at, now)
        {
            self.pause(pause, message, now);
        }
        if is_counted && fault.is_refusal() {
            self.refused(kind, told, trouble, now);
        }
        Ok(toll)
    }

    /// Handles a refusal after `told` consecutive refusals.
    fn refused(&mut self, kind: Kind, told: u32, trouble: Trouble<'_>, now: Instant) {
        let refusals = self.refusals.in_a_row(kind);
        if refusals >= NARROWS_AT && trouble.fault != Fault::Limited {
            self.probing.get_or_insert(now);
        }
        // The other refusals of a burst are not logged.
        if refusals > told && refusals.is_multiple_of(TELLS_EACH) {
            let wait_s = self.waits_until.map(|until| (until - now).as_secs_f64().round());
            let (host, block_after, last) = (&*self.name, self.block_after, trouble.message);
            warn!(host, refusals, block_after, wait_s, last, "the host refuses");
        }
    }
}
