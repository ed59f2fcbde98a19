//! One host: how fast it is asked, whether it asks to be left alone, and whether it refuses for good.
//!
//! Whoever wants to ask it enters with the lease of the task. There is a slot, or the lease is
//! parked: nobody sleeps with it. When a slot is free, a wait is over, or it is time for the next
//! request, the first that was parked is handed to a worker that is idle, with its slot.
//!
//! A slot's place is another's once a page is there; the slot ends with what that was worth. What
//! failed keeps its place for as long as a page usually takes, so that fast errors do not make for
//! more requests.

mod backoff;
mod blocked;
mod refusals;
mod state;
mod tempo;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use reqwest::header::HeaderMap;
use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;
use url::Url;

use super::limit::Sent;
use super::retry::Toll;
use super::{FetchError, Fetcher, Manners, Request, quota, retry, robots};
use crate::frontier::Lease;
use crate::task::Page;
use crate::waits::Waits;
pub use blocked::Blocked;
use refusals::Kind;
pub use refusals::Trouble;
use state::{Answered, State};

/// A turn that is used no sooner than this after it came is over.
const LATE: Duration = Duration::from_millis(100);

/// A host: its slots, its rules for crawlers, what is parked for it.
#[derive(Debug)]
pub struct Host {
    root: Url,
    manners: Arc<Manners>,
    wake: Arc<Wake>,
    waits: Waits,
    rules: OnceCell<Result<robots::Rules, FetchError>>,
    is_opening: AtomicBool,
    /// Whether a page asked to wait: else there is nothing to look up.
    knows_waits: AtomicBool,
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
    kind: Kind,
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
    /// No page.
    Trouble(Trouble<'a>),
}

impl Host {
    /// The host at `root`, of which nothing is known. `is_home` says whether it is the site's own.
    pub fn new(
        root: Url,
        is_home: bool,
        manners: Arc<Manners>,
        wake: Arc<Wake>,
        waits: Waits,
    ) -> Host {
        // The URL may hold credentials; this part of it does not.
        let name = &root[url::Position::BeforeHost..url::Position::AfterPort];
        let state = Mutex::new(State::new(name, is_home, &manners, waits.clone()));
        Host {
            root,
            manners,
            wake,
            waits,
            rules: OnceCell::new(),
            is_opening: AtomicBool::new(false),
            knows_waits: AtomicBool::new(false),
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
        self.open_with(robots::ask(fetcher, &self.root, &self.manners, &self.waits)).await
    }

    /// The same, with what `asking` finds out. A panic in it is no answer.
    pub async fn open_with(
        self: &Arc<Self>,
        asking: impl Future<Output = Result<robots::Rules, FetchError>>,
    ) -> &Result<robots::Rules, FetchError> {
        let opening = Opening(self);
        let panicked = || Err(FetchError::Request("gleaner panicked, which is a bug".to_owned()));
        let asking = AssertUnwindSafe(asking).catch_unwind();
        let asking = asking.map(|rules| rules.unwrap_or_else(|_| panicked()));
        let rules = self.rules.get_or_init(|| asking).await;
        let own = self.manners.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let asked = rules.as_ref().ok().and_then(robots::Rules::delay).map(|(delay, _)| delay);
        let why = if own.max(asked) == own { "--rate" } else { "Crawl-delay in robots.txt" };
        self.with(|state| state.keep_pace(own.max(asked), why, Instant::now()));
        drop(opening);
        rules
    }

    /// Whether the caller is the first who finds that the host was not asked yet, and is to do it.
    pub fn is_to_be_opened(&self) -> bool {
        self.rules.get().is_none() && !self.is_opening.swap(true, Relaxed)
    }

    /// Whether a page may be asked for.
    ///
    /// # Errors
    /// Where robots.txt forbids it or could not be read, or the host was given up.
    pub fn allows(&self, url: &Url) -> Result<(), FetchError> {
        if let Some(why) = self.with(|state| state.given_up().map(str::to_owned)) {
            return Err(FetchError::GivenUp(why));
        }
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
            Ok((lease, sent)) => {
                let slot = self.slot(&lease, sent);
                Some((lease, slot))
            }
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

    /// The host has answered a request that left at `sent`: it may ask for a wait, or say how much
    /// more it allows.
    pub fn heard(&self, request: &Request, sent: Instant, status: u16, headers: &HeaderMap) {
        let in_flight = self.with(|state| {
            state.reached(sent);
            state.in_flight()
        });
        let refused = quota::asked(status, headers, SystemTime::now()).map(retry::capped);
        let is_refusal = refused.is_some() || matches!(status, 429 | 503);
        if let Some(wait) = refused.filter(|_| !request.purpose.waits_alone) {
            let why = format!("the site answered {status} and asks to wait {} s", wait.as_secs());
            // What the refusal says of the limit is taken in when it ends.
            self.with(|state| state.refused_for(wait, &why, Instant::now()));
        }
        // Those in flight may take what is left.
        let spent = (!is_refusal).then(|| quota::spent(headers, in_flight)).flatten();
        if let Some(wait) = spent.map(retry::capped).filter(|wait| !wait.is_zero()) {
            let why = "its quota is spent";
            self.with(|state| state.leave_alone(wait, why, Instant::now()));
        }
    }

    /// A request that left at `sent` found no connection. Says whether the host is waited for.
    pub fn missed(&self, sent: Instant, why: &str) -> bool {
        self.with(|state| state.missed(sent, why, Instant::now()))
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
                    let slot = self.slot(&lease, sent);
                    let _ = self.wake.ready.try_send((lease, slot));
                }
            }
        }
    }

    /// How many requests at once it bears, where it bears less than was tried.
    pub fn bears(&self) -> Option<u32> {
        self.with(|state| state.bears())
    }

    fn slot(self: &Arc<Self>, lease: &Lease, sent: Sent) -> Slot {
        let kind = match lease.task().page {
            Page::Index(_) => Kind::List,
            Page::Detail(_) => Kind::Item,
        };
        Slot { host: self.clone(), kind, sent, answered: None, has_ended: false }
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The opening of a host. Whatever ends it, a panic or the crawl's end, what was parked for it goes
/// on: to the host, or back to where it came from, from where it finds the host unopened again.
struct Opening<'a>(&'a Arc<Host>);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let Opening(host) = self;
        if host.rules.initialized() {
            if host.release().is_some() {
                host.wake.keeper.notify_one();
            }
            return;
        }
        host.is_opening.store(false, Relaxed);
        // Dropped without the lock: a lease that goes back wakes workers.
        let parked = host.with(State::give_back);
        drop(parked);
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

    /// Returns whether the waits that a page asks for are its own and not the host's.
    pub fn waits_alone(&self, page: impl FnOnce() -> u64) -> bool {
        let host = &self.host;
        host.knows_waits.load(Relaxed) && host.with(|state| state.waits_alone(page()))
    }

    /// The whole answer is there: the next request may leave. What the answer is worth is still to
    /// be seen.
    pub fn answered(&mut self) {
        self.answered = Some(self.host.with(|state| state.answered(self.sent)));
        self.release();
    }

    /// What came of the request, and what that costs its task.
    ///
    /// # Errors
    /// Where the host has had its chances.
    pub fn end(mut self, end: End<'_>) -> Result<Toll, Blocked> {
        self.ended(end)
    }

    fn ended(&mut self, end: End<'_>) -> Result<Toll, Blocked> {
        self.has_ended = true;
        let ended = self.host.with(|state| {
            let answered = self.answered.unwrap_or_else(|| state.answered(self.sent));
            state.end(self.sent, answered, self.kind, end)
        });
        if ended == Ok(Toll::Free) {
            self.host.knows_waits.store(true, Relaxed);
        }
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
