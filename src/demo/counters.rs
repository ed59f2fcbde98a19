//! What the demo site counts and remembers of its requests.
//!
//! Counters are atomics and always on. The log of requests costs allocations and is kept only
//! once it was asked for.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::http::request::Parts;

/// Counts since the site started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Requests whose head was read.
    pub requests: u64,
    /// Requests being answered now, stalled ones included.
    pub in_flight: u64,
    /// The highest `in_flight` has been.
    pub max_in_flight: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Bytes of bodies handed to the network, as sent (compressed where they were).
    pub body_bytes: u64,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, as a rule.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// All headers, names in lower case, in the order they came; bytes that are not UTF-8 are
    /// replaced.
    pub headers: Vec<(String, String)>,
    /// Since the site started.
    pub at: Duration,
}

pub(super) struct Counters {
    started: Instant,
    requests: AtomicU64,
    in_flight: AtomicU64,
    max_in_flight: AtomicU64,
    connections: AtomicU64,
    body_bytes: AtomicU64,
    recording: AtomicBool,
    log: Mutex<Vec<Seen>>,
}

impl Counters {
    pub(super) fn new() -> Counters {
        Counters {
            started: Instant::now(),
            requests: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            max_in_flight: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            body_bytes: AtomicU64::new(0),
            recording: AtomicBool::new(false),
            log: Mutex::default(),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            requests: self.requests.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
            max_in_flight: self.max_in_flight.load(Relaxed),
            connections: self.connections.load(Relaxed),
            body_bytes: self.body_bytes.load(Relaxed),
        }
    }

    pub(super) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.body_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn record(&self) {
        self.recording.store(true, Relaxed);
    }

    pub(super) fn log(&self) -> Vec<Seen> {
        self.entries().clone()
    }

    fn note(&self, request: &Parts) {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let seen = Seen {
            method: request.method.to_string(),
            path: path(request).to_owned(),
            headers: request
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value.as_bytes())))
                .collect(),
            at: self.started.elapsed(),
        };
        self.entries().push(seen);
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Path with query.
pub(super) fn path(request: &Parts) -> &str {
    request.uri.path_and_query().map_or("/", |it| it.as_str())
}

/// A request in flight. Ends by drop, so that one whose client left is counted out as well.
pub(super) struct Busy(Arc<Counters>);

impl Busy {
    /// Counts the request in and, when asked to, records it.
    pub(super) fn enter(counters: &Arc<Counters>, request: &Parts) -> Busy {
        counters.requests.fetch_add(1, Relaxed);
        let now = counters.in_flight.fetch_add(1, Relaxed) + 1;
        counters.max_in_flight.fetch_max(now, Relaxed);
        if counters.recording.load(Relaxed) {
            counters.note(request);
        }
        Busy(Arc::clone(counters))
    }

    /// Counts bytes of the body of this request's answer.
    pub(super) fn sent(&self, bytes: usize) {
        self.0.sent(bytes);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
