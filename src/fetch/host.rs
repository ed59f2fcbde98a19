//! One host: how fast it is asked, whether it asks to be left alone, and whether it refuses for good.
//!
//! Whoever wants to ask it enters with the lease of the task. There is a slot, or the lease is
//! parked: nobody sleeps with it. When a slot is free, a wait is over, or it is time for the next
//! request, the first that was parked is handed to a worker that is idle, with its slot.
//!
//! A slot's place is another's once a page is there; the slot ends with what that was worth. What
//! failed keeps its place for as long as a page usually takes, so that fast errors do not make for
//! more requests.

mod mood;
mod state;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderMap;
use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;
use tracing::debug;
use url::Url;

use super::limit::Sent;
use super::{FetchError, Fetcher, Manners, quota, retry, robots};
use crate::frontier::Lease;
pub use mood::Blocked;
use state::{Answered, State};

/// A turn that is used no sooner than this after it came is over.
const LATE: Duration = Duration::from_millis(100);

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
    answered: Option<Answered>,
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
        /// Whether the page was asked for before.
        is_again: bool,
    },
}

impl Host {
    /// The host at `root`, of which nothing is known.
    pub fn new(root: Url, manners: Arc<Manners>, wake: Arc<Wake>) -> Host {
        let state = Mutex::new(State::new(&manners));
        Host {
            root,
            manners,
            wake,
            rules: OnceCell::new(),
            is_opening: AtomicBool::new(false),
            state,
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
        self.with(|state| state.keep_pace(own.max(asked), Instant::now()));
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
            state.enter(lease, is_open, now).ok_or_else(|| is_open && state.next(now).is_some())
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
        let at = self.with(|state| state.turn(Instant::now()));
        tokio::time::sleep_until(at).await;
    }

    /// The host has answered: it may ask for a wait, or say how much more it allows.
    pub fn heard(&self, status: u16, headers: &HeaderMap) {
        let is_refusal = matches!(status, 429 | 503);
        let wait = match is_refusal {
            true => quota::wait(headers, SystemTime::now()),
            // Those in flight may take what is left.
            false => quota::spent(headers, self.with(|state| state.in_flight())),
        };
        if let Some(wait) = wait.map(retry::capped).filter(|wait| !wait.is_zero()) {
            // Its URL may hold credentials; its name does not.
            debug!(host = self.root.host_str(), ?wait, "the host asks to wait");
            self.with(|state| match is_refusal {
                // What the refusal says of the limit is taken in when it ends.
                true => state.pause_until(Instant::now() + wait),
                false => state.leave_alone(wait, Instant::now()),
            });
        }
    }

    /// Hands what was parked and may leave now to idle workers. Says when there will be more. Not
    /// once the crawl has ended: a slot that nobody takes is dropped, which releases the next, and so
    /// on, one within another.
    pub fn release(self: &Arc<Self>) -> Option<Instant> {
        if !self.rules.initialized() || self.wake.ready.is_closed() {
            return None;
        }
        loop {
            let released = self.with(|state| {
                let now = Instant::now();
                state.hand_out(now).ok_or_else(|| state.next(now))
            });
            match released {
                Err(next) => return next,
                // Fails only where the crawl has ended; then the lease goes back.
                Ok((lease, sent)) => {
                    let _ = self.wake.ready.try_send((lease, self.slot(sent)));
                }
            }
        }
    }

    /// How many requests at once it bears, where it bears less than was tried.
    pub fn bears(&self) -> Option<u32> {
        self.with(|state| state.bears())
    }

    fn slot(self: &Arc<Self>, sent: Sent) -> Slot {
        Slot { host: self.clone(), sent, answered: None, has_ended: false }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Slot {
    /// The host.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// The task and its slot, where it leaves about when it was to, or may as well leave now. Else, when
    /// no worker was idle for long, its turn is over, or the host asks to wait by now: the task enters
    /// anew, and what was not used is not caught up.
    pub fn in_time(mut self, lease: Lease) -> Option<(Lease, Slot)> {
        let now = Instant::now();
        if now - self.sent.at < LATE {
            return Some((lease, self));
        }
        if self.host.with(|state| state.is_at_leisure(now)) {
            self.sent.at = now;
            return Some((lease, self));
        }
        let host = self.host.clone();
        self.has_ended = true;
        host.with(|state| state.lapsed());
        host.enter(lease)
    }

    /// The whole answer is there: the next request may leave. What the answer is worth is still to
    /// be seen.
    pub fn answered(&mut self) {
        self.answered = Some(self.host.with(|state| state.answered(self.sent)));
        self.release();
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
        let most = self.host.manners.block_after;
        let ended = self.host.with(|state| {
            let answered = self.answered.unwrap_or_else(|| state.answered(self.sent));
            state.end(self.sent, answered, end, most)
        });
        self.release();
        ended
    }

    fn release(&self) {
        if self.host.release().is_some() {
            self.host.wake.keeper.notify_one();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.has_ended {
            // Not needed, or dropped by a panic or with its worker.
            let _ = self.ended(End::Unused { was_sent: self.answered.is_some() });
        }
    }
}
