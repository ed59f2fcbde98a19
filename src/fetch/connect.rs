//! Measures the time of a connection: DNS, TCP, TLS and proxy together.
//!
//! The clock wraps the HTTP library's connector. It sees connections, not requests, so its value
//! belongs to a request only if requests are made one at a time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tower_layer::Layer;
use tower_service::Service;

/// Value that means that no connection was made.
const NONE: u64 = u64::MAX;

/// Time that the last connection took, shared by the connector and its readers.
#[derive(Debug, Clone)]
pub struct ConnectClock(Arc<AtomicU64>);

/// A connector that measures its time.
#[derive(Debug, Clone)]
pub struct Timed<S> {
    connector: S,
    clock: ConnectClock,
}

impl ConnectClock {
    /// Clears the time, at the start of a request.
    pub fn reset(&self) {
        self.0.store(NONE, Relaxed);
    }

    /// Returns the time of the connection, or `None` if none was made.
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
