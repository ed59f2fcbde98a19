//! One host: its rate and concurrency limits, its robots.txt, and whether it blocks us.
//!
//! A task enters with its lease. It gets a slot, or the lease is parked; no worker sleeps with it.
//! When a slot becomes free, a wait ends, or it is time for the next request, the first parked
//! lease is handed to an idle worker together with its slot.
//!
//! A slot's place becomes free once its response is read. The slot ends later, with the value of
//! the response. A failed request keeps its place for as long as a page usually takes, so that fast
//! errors do not lead to more requests.

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
use super::{FetchError, Fetcher, HostPolicy, Request, quota, retry, robots};
use crate::frontier::Lease;
use crate::model::task::Page;
use crate::observe::progress::HostLoad;
use crate::observe::waits::Waits;
pub use blocked::Blocked;
use refusals::Kind;
pub use refusals::Trouble;
use state::{Answered, State};

/// Delay after which an unused turn expires.
const LATE: Duration = Duration::from_millis(100);

/// A host: its slots, its robots.txt, its parked leases.
#[derive(Debug)]
pub struct Host {
    root: Url,
    policy: Arc<HostPolicy>,
    wake: Arc<Wake>,
    waits: Waits,
    rules: OnceCell<Result<robots::Rules, FetchError>>,
    is_opening: AtomicBool,
    /// True once a page asked to wait. Until then no lookup is needed.
    knows_waits: AtomicBool,
    state: Mutex<State>,
}

/// Channel for parked leases whose turn has come.
#[derive(Debug)]
pub struct Wake {
    /// Channel to idle workers.
    pub ready: async_channel::Sender<(Lease, Slot)>,
    /// Notifies the timekeeper that there is a time to wait for.
    pub keeper: Notify,
}

/// Permission for one request. Dropping it without [`Slot::end`] says nothing about the host.
#[derive(Debug)]
pub struct Slot {
    host: Arc<Host>,
    kind: Kind,
    sent: Sent,
    answered: Option<Answered>,
    has_ended: bool,
}

/// Outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<'a> {
    /// A valid page, or the response that it is unchanged.
    Page,
    /// The host says that the page does not exist.
    Absent,
    /// The request has no outcome, through no fault of the host.
    Unused {
        /// True if the request was sent.
        was_sent: bool,
    },
    /// The request failed.
    Trouble(Trouble<'a>),
}

impl Host {
    /// Creates the host at `root`. `is_home` is true for the site's own host.
    pub fn new(
        root: Url,
        is_home: bool,
        policy: Arc<HostPolicy>,
        wake: Arc<Wake>,
        waits: Waits,
    ) -> Host {
        // This part of the URL holds no credentials.
        let name = &root[url::Position::BeforeHost..url::Position::AfterPort];
        let state = Mutex::new(State::new(name, is_home, &policy, waits.clone()));
        Host {
            root,
            policy,
            wake,
            waits,
            rules: OnceCell::new(),
            is_opening: AtomicBool::new(false),
            knows_waits: AtomicBool::new(false),
            state,
        }
    }

    /// Returns the host's root URL.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// Returns the host's robots.txt rules, or `None` before they were requested.
    pub fn rules(&self) -> Option<&Result<robots::Rules, FetchError>> {
        self.rules.get()
    }

    /// Requests the host's robots.txt, once, and releases the leases that were parked for it.
    pub async fn open(self: &Arc<Self>, fetcher: &Fetcher) -> &Result<robots::Rules, FetchError> {
        self.open_with(robots::ask(fetcher, &self.root, &self.policy, &self.waits)).await
    }

    /// Opens the host with the rules that `asking` returns. A panic in it counts as an error.
    pub async fn open_with(
        self: &Arc<Self>,
        asking: impl Future<Output = Result<robots::Rules, FetchError>>,
    ) -> &Result<robots::Rules, FetchError> {
        let opening = Opening(self);
        let panicked = || Err(FetchError::Request("gleaner panicked, which is a bug".to_owned()));
        let asking = AssertUnwindSafe(asking).catch_unwind();
        let asking = asking.map(|rules| rules.unwrap_or_else(|_| panicked()));
        let rules = self.rules.get_or_init(|| asking).await;
        let own = self.policy.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let asked = rules.as_ref().ok().and_then(robots::Rules::delay).map(|(delay, _)| delay);
        let why = if own.max(asked) == own { "--rate" } else { "Crawl-delay in robots.txt" };
        self.with(|state| state.keep_pace(own.max(asked), why, Instant::now()));
        drop(opening);
        rules
    }

    /// Returns `true` to the first caller that finds the host unopened. That caller must open it.
    pub fn is_to_be_opened(&self) -> bool {
        self.rules.get().is_none() && !self.is_opening.swap(true, Relaxed)
    }

    /// Checks that a page may be requested.
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

    /// Returns a slot for a request that may leave now, or `None` after parking the lease.
    pub fn enter(self: &Arc<Self>, lease: Lease) -> Option<(Lease, Slot)> {
        let entered = self.with(|state| {
            // Checked under the lock: opening the host releases what is parked here afterwards.
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

    /// Waits until a follow-up request may leave: a redirect, or a retry on a closed connection.
    pub async fn take_turn(&self) {
        let at = self.with(|state| state.turn(Instant::now()));
        tokio::time::sleep_until(at).await;
    }

    /// Records the response to a request sent at `sent`, which may ask for a wait or report its
    /// remaining quota.
    pub fn heard(&self, request: &Request, sent: Instant, status: u16, headers: &HeaderMap) {
        let in_flight = self.with(|state| {
            state.reached(sent);
            state.in_flight()
        });
        let refused = quota::asked(status, headers, SystemTime::now()).map(retry::capped);
        let is_refusal = refused.is_some() || matches!(status, 429 | 503);
        if let Some(wait) = refused.filter(|_| !request.purpose.waits_alone) {
            let why = format!("the site answered {status} and asks to wait {} s", wait.as_secs());
            // The limit learns of the refusal when the slot ends.
            self.with(|state| state.refused_for(wait, &why, Instant::now()));
        }
        // Requests in flight may use up the rest of the quota.
        let spent = (!is_refusal).then(|| quota::spent(headers, in_flight)).flatten();
        if let Some(wait) = spent.map(retry::capped).filter(|wait| !wait.is_zero()) {
            let why = "its quota is spent";
            self.with(|state| state.leave_alone(wait, why, Instant::now()));
        }
    }

    /// Records a failed connection of a request sent at `sent`. Returns `true` if the host is
    /// retried.
    pub fn missed(&self, sent: Instant, why: &str) -> bool {
        self.with(|state| state.missed(sent, why, Instant::now()))
    }

    /// Hands parked leases that may leave now to idle workers. Returns the time of the next one, or
    /// `None`.
    ///
    /// Does nothing once the crawl has ended: nobody would take the slots, and each dropped slot
    /// would release the next one, recursively.
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
                // This fails only if the crawl has ended. Then the lease goes back.
                Ok((lease, sent)) => {
                    let slot = self.slot(&lease, sent);
                    let _ = self.wake.ready.try_send((lease, slot));
                }
            }
        }
    }

    /// Returns the concurrency that the host accepts, or `None` if it never refused more.
    pub fn bears(&self) -> Option<u32> {
        self.with(|state| state.bears())
    }

    /// Returns the load of the host.
    pub fn load(&self) -> HostLoad {
        self.with(|state| state.load())
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

/// Guard for the opening of a host. However it ends (success, panic, end of the crawl), the parked
/// leases continue: to the host, or back to their queue, from where they find the host unopened
/// again.
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
        // Dropped without the lock: a returned lease wakes workers.
        let parked = host.with(State::give_back);
        drop(parked);
    }
}

impl Slot {
    /// Returns the host.
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Returns the task and its slot if the slot is used in time, or its request may leave now
    /// anyway. Otherwise the turn has expired, because no worker was idle or the host now asks to
    /// wait: the task enters again, and the unused turn is not made up for.
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

    /// Returns `true` if waits that a page asks for apply to that page alone, not to the host.
    pub fn waits_alone(&self, page: impl FnOnce() -> u64) -> bool {
        let host = &self.host;
        host.knows_waits.load(Relaxed) && host.with(|state| state.waits_alone(page()))
    }

    /// Records that the whole response was read, so that the next request may leave. Call
    /// [`Slot::end`] with the outcome later.
    pub fn answered(&mut self) {
        self.answered = Some(self.host.with(|state| state.answered(self.sent)));
        self.release();
    }

    /// Records the outcome of the request, and returns its cost to the task.
    ///
    /// # Errors
    /// Returns [`Blocked`] if the host is given up.
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
            // The slot was not needed, or was dropped by a panic or with its worker.
            let _ = self.ended(End::Unused { was_sent: self.answered.is_some() });
        }
    }
}
