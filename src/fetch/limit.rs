//! How many requests may be in flight at one host: as many as it bears.
//!
//! Additive increase, multiplicative decrease, in the manner of TCP's congestion control (Jacobson
//! and Karels, "Congestion Avoidance and Control", 1988) and of Vector's adaptive request
//! concurrency. It begins low and climbs by one with each success, which doubles it in a round
//! trip, until the host refuses or slows down. From then on:
//!
//! - **Refused** (429, 503, time-outs): a twentieth less than were in flight when the request left
//!   that was refused first; that number is the *ceiling*. After further refusals of the same
//!   burst it is one above what is still in flight: those are served. Where fewer are refused again,
//!   half.
//! - **Slower**: the median of a round of requests lies above twice the usual: a quarter less. Where
//!   that does not make the host faster, it is not we who make it slow, and its new pace is the
//!   usual one.
//! - **Afterwards** it climbs fast to a twentieth below the ceiling, then by one a round. At the ceiling
//!   itself patience is needed: each time that the host refuses there again, twice as many successes
//!   are waited for, so that a host that bears no more is not asked again and again. Where it bears
//!   it for a round, it is a ceiling no more, and the climb begins anew.
//!
//! Once it has refused, requests are spread over at least half of a round trip.
//!
//! Only successes that came while the limit was reached make it grow: a fast error never does. A
//! function of what it is told; it reads no clock.

use std::time::Duration;

use tokio::time::Instant;

/// Where the climb begins again after a wait.
const START: u32 = 8;
/// What is left of the requests in flight after a refusal.
const AFTER_REFUSAL: f64 = 0.95;
/// The same, where a refusal follows although there were fewer already.
const AFTER_ANOTHER: f64 = 0.5;
/// What is left of the limit where the host has slowed down.
const AFTER_SLOWNESS: f64 = 0.75;
/// Least successes in a round, so that a median says something.
const LEAST_ROUND: u32 = 10;
/// Most successes that are waited for before a ceiling is tried again.
const MOST_PATIENCE: u32 = 200;
/// The same in rounds: where so many rounds have more successes, those are waited for.
const MOST_ROUNDS: u32 = 8;
/// What comes on top of twice the usual time: below that nobody suffers, and much of it is our own.
const SLACK: Duration = Duration::from_millis(20);

/// Adaptive limit on concurrent requests to one host.
#[derive(Debug)]
pub struct Limit {
    most: u32,
    now: u32,
    /// Whether it follows what the host bears.
    is_adaptive: bool,
    /// So many in flight were refused last.
    ceiling: Option<u32>,
    /// Successes that are waited for before the ceiling is tried.
    patience: u32,
    /// Successes at this limit since it last changed.
    calm: u32,
    changed_at: Option<Instant>,
    /// Requests that left before this have been answered for.
    lowered_at: Option<Instant>,
    /// Whether the last change was that to fewer.
    was_lowered: bool,
    /// Times of this round's requests, and how many were in flight with each.
    round: Vec<(Duration, u32)>,
    /// So many requests make this round.
    round_of: u32,
    /// The usual time of a request: the least median of a round.
    usual: Option<Duration>,
    /// The median that led to fewer requests, while it is not known whether that helped.
    slow: Option<Duration>,
}

/// A request that left.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// When.
    pub at: Instant,
    /// How many were in flight then, itself included.
    pub among: u32,
}

impl Limit {
    /// A limit of at most `most` requests; of just as many where it is not to be adaptive.
    /// It begins with `at_first`.
    pub fn new(most: u32, is_adaptive: bool, at_first: u32) -> Limit {
        let most = most.max(1);
        Limit {
            most,
            now: if is_adaptive { at_first.clamp(1, most) } else { most },
            is_adaptive,
            ceiling: None,
            patience: LEAST_ROUND,
            calm: 0,
            changed_at: None,
            lowered_at: None,
            was_lowered: false,
            round: Vec::new(),
            round_of: LEAST_ROUND,
            usual: None,
            slow: None,
        }
    }

    /// So many requests may be in flight.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// So many were in flight when the host last refused or slowed down, where it did.
    pub fn ceiling(&self) -> Option<u32> {
        self.ceiling
    }

    /// The usual time of a request, once there is one.
    pub fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// So long lies between two requests at a host that has refused: half of what would be if they
    /// were spread evenly. Answers come in bursts, and where each were replaced at once, a burst would
    /// be refused before the first refusal is heard of.
    pub fn spacing(&self) -> Option<Duration> {
        self.ceiling.and(self.usual).map(|usual| usual / (2 * self.now))
    }

    /// A request succeeded, which took `took`. `was_reached` says whether another would have left
    /// but for the limit.
    pub fn succeeded(&mut self, sent: Sent, took: Duration, was_reached: bool, now: Instant) {
        if !self.is_adaptive {
            return;
        }
        let since = |at: Option<Instant>| at.is_none_or(|at| sent.at >= at);
        let speaks_for_now = since(self.changed_at);
        if speaks_for_now {
            self.note_time(took, sent.among, now);
        }
        if was_reached && since(self.lowered_at) {
            self.grow(speaks_for_now, now);
        }
    }

    /// Returns whether a request left to try how many the host bears: more than, or as many as, were refused.
    pub fn is_tried(&self, sent: Sent) -> bool {
        self.ceiling.is_some_and(|ceiling| sent.among >= ceiling)
    }

    /// The host refused a request, or did not answer it in time, while `served` others were in
    /// flight. Says whether it is the first of its burst.
    pub fn refused(&mut self, sent: Sent, served: u32, now: Instant) -> bool {
        if !self.is_adaptive {
            return false;
        }
        if self.lowered_at.is_some_and(|at| sent.at < at) {
            if let Some(ceiling) = &mut self.ceiling {
                *ceiling = (*ceiling).min(served + 1);
                self.now = self.now.min(share(*ceiling, AFTER_REFUSAL));
            }
            return false;
        }
        let was_tried = self.is_tried(sent);
        let most = MOST_PATIENCE.max(sent.among * MOST_ROUNDS);
        self.patience = if was_tried { (self.patience * 2).min(most) } else { LEAST_ROUND };
        let left = if self.was_lowered { AFTER_ANOTHER } else { AFTER_REFUSAL };
        self.ceiling = Some(sent.among);
        self.lower(share(sent.among, left), now);
        true
    }

    /// After a wait the climb begins anew, but remembers how far it went.
    pub fn restart(&mut self, now: Instant) {
        if self.is_adaptive {
            self.lower(START, now);
        }
    }

    fn grow(&mut self, speaks_for_now: bool, now: Instant) {
        if self.slow.is_some() {
            // First it has to show that fewer requests help.
            return;
        }
        self.calm += u32::from(speaks_for_now);
        let round = self.now.max(LEAST_ROUND);
        let Some(ceiling) = self.ceiling else {
            self.now = (self.now + 1).min(self.most);
            return;
        };
        let safe = share(ceiling, AFTER_REFUSAL);
        if self.now < safe {
            self.now = (self.now + 1).min(self.most);
            self.was_lowered = false;
        } else if self.now >= ceiling && self.calm >= round {
            self.ceiling = None;
            self.patience = LEAST_ROUND;
        } else if self.now < ceiling {
            let needed =
                if self.now + 1 < ceiling { self.now } else { self.patience.max(self.now) };
            if self.calm >= needed && self.now < self.most {
                self.now += 1;
                self.was_lowered = false;
                self.changed(now);
            }
        }
    }

    /// Takes a time in; at the end of a round, looks at its median.
    fn note_time(&mut self, took: Duration, among: u32, now: Instant) {
        if self.round.is_empty() {
            self.round_of = self.now.max(LEAST_ROUND);
        }
        self.round.push((took, among));
        if self.round.len() < self.round_of as usize {
            return;
        }
        let middle = self.round.len() / 2;
        let (median, among) = *self.round.select_nth_unstable(middle).1;
        self.round.clear();
        let usual = *self.usual.get_or_insert(median);
        if median <= usual * 2 + SLACK {
            self.slow = None;
            self.usual = Some(median.min(usual));
            return;
        }
        // Between what it was and what fewer requests would have made of it.
        let helped = |before: Duration| median < before.mul_f64((1.0 + AFTER_SLOWNESS) / 2.0);
        if self.now == 1 || self.slow.is_some_and(|before| !helped(before)) {
            self.usual = Some(median);
            self.slow = None;
            self.ceiling = None;
            return;
        }
        self.slow = Some(median);
        self.ceiling = Some(among);
        self.patience = LEAST_ROUND;
        self.lower(share(among, AFTER_SLOWNESS), now);
    }

    fn lower(&mut self, to: u32, now: Instant) {
        self.now = self.now.min(to).max(1);
        self.lowered_at = Some(now);
        self.was_lowered = true;
        self.changed(now);
    }

    fn changed(&mut self, now: Instant) {
        self.calm = 0;
        self.changed_at = Some(now);
        self.round.clear();
    }
}

fn share(of: u32, share: f64) -> u32 {
    // A share of a count is not negative and not larger than it.
    ((f64::from(of) * share) as u32).max(1)
}

#[cfg(test)]
mod tests;
