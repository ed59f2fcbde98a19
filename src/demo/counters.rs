//! Counters and the request log of the demo site.
//!
//! Counters are atomics and always on. The log allocates memory, and is kept only after a call to
//! `record`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::http::request::Parts;

/// Counts since the start of the site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Number of requests whose head was read.
    pub requests: u64,
    /// Number of requests being answered now, including stalled ones.
    pub in_flight: u64,
    /// Highest value of `in_flight` so far.
    pub max_in_flight: u64,
    /// Number of accepted connections.
    pub connections: u64,
    /// Bytes of bodies handed to the network, after compression.
    pub body_bytes: u64,
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Method, usually `GET`.
    pub method: String,
    /// Path with query.
    pub path: String,
    /// All headers in order of arrival, with names in lower case. Bytes that are not UTF-8 are
    /// replaced.
    pub headers: Vec<(String, String)>,
    /// Time since the start of the site.
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

/// Returns the path with query.
pub(super) fn path(request: &Parts) -> &str {
    request.uri.path_and_query().map_or("/", |it| it.as_str())
}

/// A request in flight. It ends on drop, so a request whose client disconnected is counted out,
/// too.
pub(super) struct Busy(Arc<Counters>);

impl Busy {
    /// Counts a request in, and records it if recording is on.
    pub(super) fn enter(counters: &Arc<Counters>, request: &Parts) -> Busy {
        counters.requests.fetch_add(1, Relaxed);
        let now = counters.in_flight.fetch_add(1, Relaxed) + 1;
        counters.max_in_flight.fetch_max(now, Relaxed);
        if counters.recording.load(Relaxed) {
            counters.note(request);
        }
        Busy(Arc::clone(counters))
    }

    /// Adds to the bytes of bodies sent.
    pub(super) fn sent(&self, bytes: usize) {
        self.0.sent(bytes);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
