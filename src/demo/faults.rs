//! Faults on demand: rules that select requests and say what goes wrong with their responses.
//!
//! Deciding and acting are separate: [`Faults::strike`] returns the effect, the server applies it.
//! Each rule counts its requests, so the same requests in the same order meet the same faults.
//! Without rules, a request costs one atomic read here.

use std::collections::HashMap;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue, LOCATION};

use super::chance::Chance;

/// A rule: selects requests and says what happens to their responses. Without an effect the response
/// is the normal one. The first matching rule decides; later ones only count.
///
/// ```
/// # use gleaner::demo::Fault;
/// let busy = Fault::on("/api/book/?limit=18&offset=36").first(2).status(503);
/// let busy = busy.header("retry-after", "1");
/// let broken = Fault::on("/api/book/*").share(5.0, 1).cut(100);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a fault does nothing until it is given to Demo::fault"]
pub struct Fault {
    path: String,
    prefix: bool,
    attempts: (Bound<u32>, Bound<u32>),
    every: u32,
    share: Option<(f64, u64)>,
    effect: Effect,
}

/// Effect of a fault on one response.
#[derive(Debug, Clone, Default)]
pub(super) struct Effect {
    pub(super) status: Option<StatusCode>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) delay: Duration,
    pub(super) body: Option<(HeaderValue, Bytes)>,
    pub(super) no_rows: bool,
    pub(super) ending: Ending,
}

/// How the body ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Ending {
    #[default]
    Whole,
    Cut(usize),
    Stall(usize),
    Endless,
    HangUp,
}

impl Fault {
    /// Creates a rule for requests with exactly this path and query
    /// (`/api/book/?limit=18&offset=36`) or, with a trailing `*`, for all that begin with it
    /// (`/api/book/*`).
    pub fn on(path: impl Into<String>) -> Fault {
        let mut path = path.into();
        let prefix = path.ends_with('*');
        if prefix {
            path.pop();
        }
        Fault {
            path,
            prefix,
            attempts: (Bound::Unbounded, Bound::Unbounded),
            every: 1,
            share: None,
            effect: Effect::default(),
        }
    }

    /// Limits the rule to a range of attempts: requests for the same path and query, counted from 1
    /// since the rule was added. Default: all.
    pub fn attempts(mut self, range: impl RangeBounds<u32>) -> Fault {
        self.attempts = (range.start_bound().cloned(), range.end_bound().cloned());
        self
    }

    /// Limits the rule to the first `n` requests for the same path and query.
    pub fn first(self, n: u32) -> Fault {
        self.attempts(..=n)
    }

    /// Limits the rule to every `n`th request that it would hit, over all paths together. 0 counts
    /// as 1.
    pub fn every(mut self, n: u32) -> Fault {
        self.every = n.max(1);
        self
    }

    /// Limits the rule to about `percent` (0 to 100) of the requests. The choice depends on seed,
    /// path and attempt, not on the order of the requests.
    pub fn share(mut self, percent: f64, seed: u64) -> Fault {
        self.share = Some((percent, seed));
        self
    }

    /// Answers with this status, and with a short JSON body unless another body is set.
    ///
    /// # Panics
    /// Panics if `code` is not within 200 to 999: a response cannot end with such a status.
    pub fn status(mut self, code: u16) -> Fault {
        let status = StatusCode::from_u16(code).ok().filter(|it| !it.is_informational());
        assert!(status.is_some(), "{code} cannot be the status of an answer");
        self.effect.status = status;
        self
    }

    /// Sets a header of the response, in place of the normal one with that name. Can be called
    /// several times, also with the same name. A false `Content-Length` is sent as given.
    ///
    /// # Panics
    /// Panics if the name or the value is not valid in a header.
    pub fn header(mut self, name: &str, value: &str) -> Fault {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => self.effect.headers.push((name, value)),
            _ => panic!("{name:?}: {value:?} cannot be a header"),
        }
        self
    }

    /// Delays the response, in addition to the latency of the site.
    pub fn delay(mut self, delay: Duration) -> Fault {
        self.effect.delay = delay;
        self
    }

    /// Announces the full body, but closes the connection after `bytes` bytes of it.
    pub fn cut(mut self, bytes: usize) -> Fault {
        self.effect.ending = Ending::Cut(bytes);
        self
    }

    /// Announces the full body, sends `bytes` bytes of it, and then nothing until the client
    /// disconnects.
    pub fn stall(mut self, bytes: usize) -> Fault {
        self.effect.ending = Ending::Stall(bytes);
        self
    }

    /// Sends the body over and over, chunked, until the client disconnects.
    pub fn endless(mut self) -> Fault {
        self.effect.ending = Ending::Endless;
        self
    }

    /// Closes the connection without a response.
    pub fn hang_up(mut self) -> Fault {
        self.effect.ending = Ending::HangUp;
        self
    }

    /// Answers 200, or the status that is set, with this body. The body is never compressed.
    ///
    /// # Panics
    /// Panics if `content_type` is not valid in a header.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Fault {
        let Ok(kind) = HeaderValue::try_from(content_type) else {
            panic!("{content_type:?} cannot be a content type");
        };
        self.effect.body = Some((kind, body.into()));
        self
    }

    /// Answers with a list that has its count, but no items.
    pub fn no_rows(mut self) -> Fault {
        self.effect.no_rows = true;
        self
    }

    /// Answers 302, or the status that is set, with this `Location`.
    ///
    /// # Panics
    /// Panics if `to` is not valid in a header.
    pub fn redirect(mut self, to: &str) -> Fault {
        self.effect.status.get_or_insert(StatusCode::FOUND);
        self.header(LOCATION.as_str(), to)
    }

    fn is_on(&self, path: &str) -> bool {
        if self.prefix { path.starts_with(&self.path) } else { path == self.path }
    }
}

/// The active rules.
#[derive(Default)]
pub(super) struct Faults {
    any: AtomicBool,
    rules: Mutex<Vec<Rule>>,
}

struct Rule {
    fault: Fault,
    /// Number of requests so far, by path and query.
    seen: HashMap<String, u32>,
    /// Number of requests so far that match all conditions but `every`.
    hits: u32,
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        let mut rules = self.rules();
        rules.push(Rule { fault, seen: HashMap::new(), hits: 0 });
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        let mut rules = self.rules();
        rules.clear();
        self.any.store(false, Ordering::Release);
    }

    /// Counts this request, and returns the effect of the first rule that hits it, or `None`.
    pub(super) fn strike(&self, path: &str) -> Option<Effect> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let mut effect = None;
        for rule in self.rules().iter_mut().filter(|rule| rule.fault.is_on(path)) {
            let attempt = rule.count(path);
            if effect.is_none() && rule.hits(path, attempt) {
                effect = Some(rule.fault.effect.clone());
            }
        }
        effect
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rule {
    fn count(&mut self, path: &str) -> u32 {
        let seen = self.seen.entry(path.to_owned()).or_default();
        *seen += 1;
        *seen
    }

    fn hits(&mut self, path: &str, attempt: u32) -> bool {
        if !self.fault.attempts.contains(&attempt) {
            return false;
        }
        if let Some((percent, seed)) = self.fault.share
            && lot(seed, path, attempt) * 100.0 >= percent
        {
            return false;
        }
        self.hits += 1;
        self.hits.is_multiple_of(self.fault.every)
    }
}

/// Returns a number in `0.0..1.0` that depends on all three arguments.
fn lot(seed: u64, path: &str, attempt: u32) -> f64 {
    let parts: Vec<u64> =
        [seed, attempt.into()].into_iter().chain(path.bytes().map(u64::from)).collect();
    Chance::new(&parts).unit()
}
