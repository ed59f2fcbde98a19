//! Adaptive limit on the concurrent requests to one host.
//!
//! Additive increase, multiplicative decrease, as in TCP's congestion control (Jacobson and Karels,
//! "Congestion Avoidance and Control", 1988) and in Vector's adaptive request concurrency. The
//! limit starts low and grows by one with each success, which doubles it in each round trip, until
//! the host refuses or slows down. Then:
//!
//! - **Refusal** (429, 503, timeouts): the limit drops to 95 % of the number in flight when the
//!   first refused request was sent; that number is the *ceiling*. Further refusals of the same
//!   burst lower the ceiling to one more than are still in flight, since those are being served. If
//!   requests are refused again at the lower limit, it is halved.
//! - **Slowness**: if the median time of a round exceeds twice the usual time, the limit drops to
//!   75 %. If that does not make the host faster, we are not the cause, and the new time becomes
//!   the usual one.
//! - **Recovery**: the limit grows fast to 95 % of the ceiling, then by one in each round. To retry
//!   the ceiling itself takes patience: with each refusal there, the number of successes needed
//!   doubles, so that a host at its capacity is not tested again and again. If the host sustains
//!   the ceiling for a round, the ceiling is dropped and growth starts again.
//!
//! After the first refusal, requests are spread over at least half of a round trip.
//!
//! Only successes at the limit make it grow: fast errors never do. The limit is a pure function of
//! its input and reads no clock.

use std::time::Duration;

use tokio::time::Instant;

/// Limit at which growth starts again after a wait.
const START: u32 = 8;
/// Factor of the concurrency after a refusal.
const AFTER_REFUSAL: f64 = 0.95;
/// Factor of the concurrency after a refusal that follows another one.
const AFTER_ANOTHER: f64 = 0.5;
/// Factor of the limit after the host has slowed down.
const AFTER_SLOWNESS: f64 = 0.75;
/// Minimum number of successes in a round, so that a median is meaningful.
const LEAST_ROUND: u32 = 10;
/// Maximum number of successes before a ceiling is tried again.
const MOST_PATIENCE: u32 = 200;
/// Maximum number of rounds before a ceiling is tried again, if they have more successes than that.
const MOST_ROUNDS: u32 = 8;
/// Allowance on top of twice the usual time. Delays below it are harmless and mostly our own.
const SLACK: Duration = Duration::from_millis(20);

/// Adaptive limit on concurrent requests to one host.
#[derive(Debug)]
pub struct Limit {
    most: u32,
    now: u32,
    /// True if the limit adapts to the host.
    is_adaptive: bool,
    /// Number of requests in flight at the last refusal or slowdown.
    ceiling: Option<u32>,
    /// Number of successes before the ceiling is tried.
    patience: u32,
    /// Number of successes since the limit last changed.
    calm: u32,
    changed_at: Option<Instant>,
    /// Time of the last decrease. Requests sent before it are accounted for.
    lowered_at: Option<Instant>,
    /// True if the last change was a decrease.
    was_lowered: bool,
    /// Times of this round's requests, each with the number in flight when it was sent.
    round: Vec<(Duration, u32)>,
    /// Number of requests in this round.
    round_of: u32,
    /// Usual time of a request: the lowest median of a round.
    usual: Option<Duration>,
    /// Median that led to a decrease, while it is unknown whether that helped.
    slow: Option<Duration>,
}

/// A request that was sent.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// Time of sending.
    pub at: Instant,
    /// Number of requests in flight at that time, including itself.
    pub among: u32,
}

impl Limit {
    /// Creates a limit of at most `most` requests. It starts with `at_first` if it is adaptive,
    /// else it is always `most`.
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

    /// Returns the current maximum of requests in flight.
    pub fn now(&self) -> u32 {
        self.now
    }

    /// Returns the number in flight when the host last refused or slowed down, or `None`.
    pub fn ceiling(&self) -> Option<u32> {
        self.ceiling
    }

    /// Returns the usual time of a request, or `None` if it is unknown.
    pub fn usual(&self) -> Option<Duration> {
        self.usual
    }

    /// Returns the minimum time between two requests at a host that has refused, or `None`: half of
    /// what it would be if requests were spread evenly. Responses come in bursts. If each were
    /// replaced at once, a whole burst would be refused before the first refusal is known.
    pub fn spacing(&self) -> Option<Duration> {
        self.ceiling.and(self.usual).map(|usual| usual / (2 * self.now))
    }

    /// Records a success that took `took`. `was_reached` is true if another request would have left
    /// without the limit.
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

    /// Returns `true` if a request was sent at or above the ceiling, to test what the host accepts.
    pub fn is_tried(&self, sent: Sent) -> bool {
        self.ceiling.is_some_and(|ceiling| sent.among >= ceiling)
    }

    /// Records a refusal or a timeout of a request, with `served` others in flight. Returns `true`
    /// if it is the first of its burst.
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

    /// Restarts growth after a wait, but keeps the ceiling.
    pub fn restart(&mut self, now: Instant) {
        if self.is_adaptive {
            self.lower(START, now);
        }
    }

    fn grow(&mut self, speaks_for_now: bool, now: Instant) {
        if self.slow.is_some() {
            // It is not known yet whether fewer requests help.
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

    /// Records a time, and evaluates the median at the end of a round.
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
        // Halfway between no improvement and the improvement expected from fewer requests.
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
    // The product is neither negative nor larger than `of`, so the cast is safe.
    ((f64::from(of) * share) as u32).max(1)
}

#[cfg(test)]
mod tests;
