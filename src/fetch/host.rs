//! One host: how fast it is asked, whether it asks to be left alone, and whether it refuses for good.
//!
//! Whoever wants to ask it enters with the lease of the task. There is a slot, or the lease is
//! parked: nobody sleeps with it. When a slot is free, a wait is over, or it is time for the next
//! request, the first that was parked is handed to a worker that is idle, with its slot.
//!
//! A slot ends with what came of its request. What failed keeps its place for as long as a page
//! usually takes, so that fast errors do not make for more requests.

mod mood;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;
use tracing::debug;
use url::Url;

use super::limit::{Limit, Sent};
use super::{FetchError, Fetcher, Manners, quota, retry, robots};
use crate::frontier::Lease;
pub use mood::Blocked;
use mood::Mood;

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
pub struct Host {
    root: Url,
    manners: Arc<Manners>,
    wake: Arc<Wake>,
    rules: OnceCell<Result<robots::Rules, FetchError>>,
    is_opening: AtomicBool,
    state: Mutex<State>,
}

/// Where parked leases go when their time has come.
#[derive(Debug)]
pub struct Wake {
    /// To idle workers.
    pub ready: async_channel::Sender<(Lease, Slot)>,
    /// There is a time to wait for.
    pub keeper: Notify,
}

/// A request that may leave or has left. Dropped, it says nothing of the host.
#[derive(Debug)]
pub struct Slot {
    host: Arc<Host>,
    sent: Sent,
    took: Option<Duration>,
    has_ended: bool,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// A page that is one, or the word that it has not changed.
    Page,
    /// The page is not there, says the host.
    Absent,
    /// Nothing came of it, for no fault of the host's.
    Unused {
        /// Whether it was asked at all.
        was_sent: bool,
    },
    /// No page, for this reason.
    Trouble {
        /// Why, for people.
        message: &'a str,
        /// Whether the host is asked for too much: 429, 503, no answer in time.
        is_overload: bool,
        /// Whether the host does not want us: 429, 403, something else where pages should be.
        is_refusal: bool,
    },
}

#[derive(Debug)]
struct State {
    limit: Limit,
    in_flight: u32,
    /// Places of requests that failed, until then.
    held: BinaryHeap<Reverse<Instant>>,
    pace: Option<Pace>,
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

impl Host {
    /// The host at `root`, of which nothing is known.
    pub fn new(root: Url, manners: Arc<Manners>, wake: Arc<Wake>) -> Host {
        let state = State {
            limit: Limit::new(manners.workers, manners.adaptive),
            in_flight: 0,
            held: BinaryHeap::new(),
            pace: None,
            waits_until: None,
            parked: VecDeque::new(),
            mood: Mood::default(),
            pause: FIRST_PAUSE,
        };
        Host {
            root,
            manners,
            wake,
            rules: OnceCell::new(),
            is_opening: AtomicBool::new(false),
            state: Mutex::new(state),
        }
    }

    /// Where the host is.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// What the host asks of crawlers, once it was asked.
    pub fn rules(&self) -> Option<&Result<robots::Rules, FetchError>> {
        self.rules.get()
    }

    /// Asks the host once what it asks of crawlers. What was parked for that goes on.
    pub async fn open(self: &Arc<Self>, fetcher: &Fetcher) -> &Result<robots::Rules, FetchError> {
        let rules =
            self.rules.get_or_init(|| robots::ask(fetcher, &self.root, &self.manners)).await;
        let own = self.manners.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let asked = rules.as_ref().ok().and_then(robots::Rules::delay).map(|(delay, _)| delay);
        self.with(|state| {
            let interval = own.max(asked);
            let pace = || interval.map(|interval| Pace { interval, next: Instant::now() });
            state.pace = state.pace.take().or_else(pace);
        });
        if self.release().is_some() {
            self.wake.keeper.notify_one();
        }
        rules
    }

    /// Whether the caller is the first who finds that the host was not asked yet, and is to do it.
    pub fn is_to_be_opened(&self) -> bool {
        self.rules.get().is_none() && !self.is_opening.swap(true, Relaxed)
    }

    /// Whether a page may be asked for.
    ///
    /// # Errors
    /// Where robots.txt forbids it, or could not be read.
    pub fn allows(&self, url: &Url) -> Result<(), FetchError> {
        match self.rules.get() {
            Some(Ok(rules)) if !rules.allow(url) => Err(FetchError::Forbidden),
            Some(Err(error)) => Err(FetchError::NoRules(error.to_string())),
            _ => Ok(()),
        }
    }

    /// A slot for a request that may leave now. Where none may, the lease is parked.
    pub fn enter(self: &Arc<Self>, lease: Lease) -> Option<(Lease, Slot)> {
        let entered = self.with(|state| {
            // Looked at under the lock: whoever opens the host releases what is parked afterwards.
            let is_open = self.rules.initialized();
            let now = Instant::now();
            if is_open && state.parked.is_empty() && state.may_go(now) {
                return Ok((lease, state.admit(now)));
            }
            state.parked.push_back(lease);
            Err(is_open && state.next(now).is_some())
        });
        match entered {
            Ok((lease, sent)) => Some((lease, self.slot(sent))),
            Err(is_to_be_kept) => {
                if is_to_be_kept {
                    self.wake.keeper.notify_one();
                }
                None
            }
        }
    }

    /// Waits until a request that follows another one (a redirect, a connection that turned out
    /// to be closed) may leave.
    pub async fn take_turn(&self) {
        let at = self.with(|state| {
            let now = Instant::now();
            let free = state.waits_until.map_or(now, |at| at.max(now));
            match &mut state.pace {
                None => free,
                Some(pace) => {
                    let at = pace.next.max(free);
                    pace.next = at + pace.interval;
                    at
                }
            }
        });
        tokio::time::sleep_until(at).await;
    }

    /// The host has answered: it may ask for a wait, or say how much more it allows.
    pub fn heard(&self, status: u16, headers: &HeaderMap) {
        let wait = match status {
            429 | 503 => quota::wait(headers, std::time::SystemTime::now()),
            // Those in flight may take what is left.
            _ => quota::spent(headers, self.with(|state| state.in_flight)),
        };
        if let Some(wait) = wait.map(retry::capped).filter(|wait| !wait.is_zero()) {
            // Its URL may hold credentials; its name does not.
            debug!(host = self.root.host_str(), ?wait, "the host asks to wait");
            self.wait(wait);
        }
    }

    /// Leaves the host alone for `wait`, and begins low afterwards.
    fn wait(&self, wait: Duration) {
        self.with(|state| {
            let now = Instant::now();
            let until = now + wait;
            state.waits_until = Some(state.waits_until.map_or(until, |at| at.max(until)));
            state.limit.restart(now);
        });
    }

    /// Hands what was parked and may leave now to idle workers. Says when there will be more.
    pub fn release(self: &Arc<Self>) -> Option<Instant> {
        if !self.rules.initialized() {
            return None;
        }
        loop {
            let released = self.with(|state| {
                let now = Instant::now();
                if state.parked.is_empty() || !state.may_go(now) {
                    return Err(state.next(now));
                }
                Ok(state.parked.pop_front().map(|lease| (lease, state.admit(now))))
            });
            match released {
                Err(next) => return next,
                Ok(None) => return None,
                // Fails only where the crawl has ended; then the lease goes back.
                Ok(Some((lease, sent))) => {
                    let _ = self.wake.ready.try_send((lease, self.slot(sent)));
                }
            }
        }
    }

    /// In words: that it bears no more than so many requests at once, where that is known.
    pub fn bears(&self) -> Option<u32> {
        self.with(|state| state.limit.ceiling().map(|_| state.limit.now()))
    }

    fn slot(self: &Arc<Self>, sent: Sent) -> Slot {
        Slot { host: self.clone(), sent, took: None, has_ended: false }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn may_go(&mut self, now: Instant) -> bool {
        while self.held.peek().is_some_and(|Reverse(until)| *until <= now) {
            self.held.pop();
        }
        self.waits_until.is_none_or(|until| until <= now)
            && self.has_room()
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
        Sent { at: now, among: self.in_flight }
    }

    /// When the next of those that are parked may leave, where time alone decides that.
    fn next(&self, now: Instant) -> Option<Instant> {
        if self.parked.is_empty() {
            return None;
        }
        let waits_until = self.waits_until.filter(|until| *until > now);
        let room = match self.has_room() {
            true => None,
            false => Some(self.held.peek()?.0),
        };
        let turn = self.pace.as_ref().map(|pace| pace.next);
        Some(waits_until.max(room).max(turn).unwrap_or(now))
    }

    /// What a request came to.
    fn end(&mut self, sent: Sent, took: Duration, end: End<'_>, most: u32) -> Result<(), Blocked> {
        let now = Instant::now();
        let was_reached = !self.has_room();
        self.in_flight = self.in_flight.saturating_sub(1);
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
            End::Trouble { message, is_overload, is_refusal } => {
                let usual = self.limit.usual().unwrap_or(UNKNOWN);
                self.held.push(Reverse(sent.at + usual));
                if is_overload && self.limit.refused(sent, now) && sent.among == 1 {
                    let until = now + self.pause;
                    self.waits_until = Some(self.waits_until.map_or(until, |at| at.max(until)));
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
                self.mood.troubled(sent.at, is_refusal, message, most)
            }
        }
    }
}

impl Slot {
    /// The host.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The whole answer is there; what it is worth is still to be seen.
    pub fn answered(&mut self) {
        self.took = Some(self.sent.at.elapsed());
    }

    /// What came of the request.
    ///
    /// # Errors
    /// Where the host refuses for good.
    pub fn end(mut self, end: End<'_>) -> Result<(), Blocked> {
        self.ended(end)
    }

    fn ended(&mut self, end: End<'_>) -> Result<(), Blocked> {
        self.has_ended = true;
        let took = self.took.unwrap_or_else(|| self.sent.at.elapsed());
        let most = self.host.manners.block_after;
        let ended = self.host.with(|state| state.end(self.sent, took, end, most));
        if self.host.release().is_some() {
            self.host.wake.keeper.notify_one();
        }
        ended
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.has_ended {
            // Not needed, or dropped with its worker.
            let _ = self.ended(End::Unused { was_sent: self.took.is_some() });
        }
    }
}
