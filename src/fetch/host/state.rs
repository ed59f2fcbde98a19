//! What a host is known to bear: its slots, its pace, its waits, and who waits for it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::mood::{Blocked, Mood};
use super::{End, Manners};
use crate::fetch::limit::{Limit, Sent};
use crate::frontier::Lease;

/// How late a timer may ring.
const LATE: Duration = Duration::from_millis(2);
/// What failed keeps its place for so long where the usual time is not known yet.
const UNKNOWN: Duration = Duration::from_millis(100);
/// Wait after a refusal where no more than one request was in flight, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// Longest such wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// See the module's text.
#[derive(Debug)]
pub struct State {
    limit: Limit,
    in_flight: u32,
    /// Places of requests that failed, until then.
    held: BinaryHeap<Reverse<Instant>>,
    pace: Option<Pace>,
    /// Where requests are spread, the next leaves not before this.
    spread: Option<Instant>,
    waits_until: Option<Instant>,
    parked: VecDeque<Lease>,
    mood: Mood,
    /// The pause after the next refusal of a single request.
    pause: Duration,
}

/// A request leaves, and the next one not before its time.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    next: Instant,
}

/// A request that is in flight no more.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// How long it was.
    took: Duration,
    /// Whether another would have left but for the limit.
    was_reached: bool,
}

impl State {
    /// Of a host of which nothing is known.
    pub fn new(manners: &Manners) -> State {
        State {
            limit: Limit::new(manners.workers, manners.adaptive),
            in_flight: 0,
            held: BinaryHeap::new(),
            pace: None,
            spread: None,
            waits_until: None,
            parked: VecDeque::new(),
            mood: Mood::default(),
            pause: FIRST_PAUSE,
        }
    }

    /// How many requests are in flight.
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// How many it bears at once, where that is known.
    pub fn bears(&self) -> Option<u32> {
        self.limit.ceiling().map(|_| self.limit.now())
    }

    /// From `now` on a request leaves each `interval`, where there is one. The first word holds.
    pub fn keep_pace(&mut self, interval: Option<Duration>, now: Instant) {
        let pace = || interval.map(|interval| Pace { interval, next: now });
        self.pace = self.pace.take().or_else(pace);
    }

    /// A task wants to leave: it does, or is parked, which it always is where the host `is_open`
    /// not yet.
    pub fn enter(&mut self, lease: Lease, is_open: bool, now: Instant) -> Option<(Lease, Sent)> {
        if is_open && self.parked.is_empty() && self.may_go(now) {
            return Some((lease, self.admit(now)));
        }
        self.parked.push_back(lease);
        None
    }

    /// The first that was parked, where it may leave now.
    pub fn hand_out(&mut self, now: Instant) -> Option<(Lease, Sent)> {
        if self.parked.is_empty() || !self.may_go(now) {
            return None;
        }
        let lease = self.parked.pop_front()?;
        Some((lease, self.admit(now)))
    }

    /// When a request that has its place may leave.
    pub fn turn(&mut self, now: Instant) -> Instant {
        let free = self.waits_until.map_or(now, |at| at.max(now));
        let Some(pace) = &mut self.pace else { return free };
        let at = pace.next.max(free);
        pace.next = at + pace.interval;
        at
    }

    /// Nothing leaves for `wait`, and little at once afterwards.
    pub fn leave_alone(&mut self, wait: Duration, now: Instant) {
        self.pause_until(now + wait);
        self.limit.restart(now);
    }

    /// Nothing leaves until then.
    pub fn pause_until(&mut self, until: Instant) {
        self.waits_until = Some(self.waits_until.map_or(until, |at| at.max(until)));
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
        self.in_flight as usize + self.held.len() < self.limit.now() as usize
    }

    fn admit(&mut self, now: Instant) -> Sent {
        self.in_flight += 1;
        if let Some(Pace { interval, next }) = &mut self.pace {
            // A timer that rang late must not slow down all that follow; nor is more than that made
            // up for.
            *next = (*next + *interval).max(now + *interval - LATE.min(*interval));
        }
        if let Some(spacing) = self.limit.spacing() {
            // What was not used is made up for, up to what a late timer loses.
            let made_up = now + spacing - LATE;
            self.spread = Some(self.spread.map_or(made_up, |at| (at + spacing).max(made_up)));
        }
        Sent { at: now, among: self.in_flight }
    }

    /// When the next of those that are parked may leave, where time alone decides that.
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

    /// Whether a request that has its place may leave whenever it is ready.
    pub fn is_at_leisure(&self, now: Instant) -> bool {
        self.pace.is_none() && self.waits_until.is_none_or(|until| until <= now)
    }

    /// A request did not leave when it might have.
    pub fn lapsed(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// A request is answered, and its place is another's.
    pub fn answered(&mut self, sent: Sent) -> Answered {
        let was_reached = !self.has_room();
        self.in_flight = self.in_flight.saturating_sub(1);
        Answered { took: sent.at.elapsed(), was_reached }
    }

    /// What a request that was answered came to; `most` refusals in a row are a block.
    ///
    /// # Errors
    /// Where the host refuses for good.
    pub fn end(
        &mut self,
        sent: Sent,
        Answered { took, was_reached }: Answered,
        end: End<'_>,
        most: u32,
    ) -> Result<(), Blocked> {
        let now = Instant::now();
        match end {
            End::Page => {
                self.limit.succeeded(sent, took, was_reached, now);
                self.pause = FIRST_PAUSE;
                self.mood.succeeded();
                Ok(())
            }
            End::Absent => {
                self.mood.succeeded();
                Ok(())
            }
            End::Unused { was_sent } => {
                // Its turn is another's.
                if let Some(Pace { interval, next }) = self.pace.as_mut().filter(|_| !was_sent) {
                    *next = next.checked_sub(*interval).unwrap_or(*next);
                }
                Ok(())
            }
            End::Trouble { message, is_overload, is_refusal, is_again } => {
                let usual = self.limit.usual().unwrap_or(UNKNOWN);
                self.held.push(Reverse(sent.at + usual));
                let is_first = is_overload && self.limit.refused(sent, self.in_flight, now);
                if is_overload && self.waits_until.is_some_and(|until| until > now) {
                    self.limit.restart(now);
                } else if is_first && sent.among == 1 {
                    self.pause_until(now + self.pause);
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                // One page that is always refused is one refusal, where the host gives others.
                let is_refusal = is_refusal && !(is_again && self.mood.gave_pages());
                self.mood.troubled(sent.at, is_refusal, message, most)
            }
        }
    }
}
