//! How long a connection takes: name, TCP, TLS and proxy together.
//!
//! A clock around the HTTP library's connector. It knows connections, not requests, so what it
//! says belongs to a request only where requests are made one at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tower_layer::Layer;
use tower_service::Service;

/// No connection was made.
const NONE: u64 = u64::MAX;

/// The time that the last connection took, shared by those who make it and those who ask.
#[derive(Debug, Clone)]
pub struct ConnectClock(Arc<AtomicU64>);

/// A connector with a clock.
#[derive(Debug, Clone)]
pub struct Timed<S> {
    connector: S,
    clock: ConnectClock,
}

impl ConnectClock {
    /// Forgets what was before, since a request begins.
    pub fn reset(&self) {
        self.0.store(NONE, Relaxed);
    }

    /// How long the connection took; nothing where none was made.
    pub fn read(&self) -> Option<Duration> {
        Some(self.0.load(Relaxed)).filter(|micros| *micros != NONE).map(Duration::from_micros)
    }

    fn note(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_micros()).unwrap_or(NONE - 1), Relaxed);
    }
}

impl Default for ConnectClock {
    fn default() -> ConnectClock {
        ConnectClock(Arc::new(AtomicU64::new(NONE)))
    }
}

impl<S> Layer<S> for ConnectClock {
    type Service = Timed<S>;

    fn layer(&self, connector: S) -> Timed<S> {
        Timed { connector, clock: self.clone() }
    }
}

impl<S, Target> Service<Target> for Timed<S>
where
    S: Service<Target>,
    S::Future: Send + 'static,
    S::Response: 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.connector.poll_ready(context)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let (clock, begun) = (self.clock.clone(), Instant::now());
        let connecting = self.connector.call(target);
        Box::pin(async move {
            let connected = connecting.await?;
            clock.note(begun.elapsed());
            Ok(connected)
        })
    }
}
