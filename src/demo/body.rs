//! Bodies of responses: normal ones, and those that are slow, truncated or endless.
//!
//! A normal body is one `Bytes` and costs nothing. All others are sent in pieces, and keep the
//! request in flight until they end or the client disconnects.

use std::future::pending;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::Frame;
use tokio::time::{Instant, sleep, sleep_until};

use super::counters::Busy;
use super::faults::Ending;

pub(super) type Body = Either<Full<Bytes>, UnsyncBoxBody<Bytes, io::Error>>;

/// Correction for tokio's timer. It counts whole milliseconds and fires late: a sleep of 1 ms takes
/// 2.2 ms as seen by a client on loopback. With sleeps shortened by this much, 5, 10 and 100 ms
/// take 5.3, 10.3 and 100.5 ms (medians).
pub(super) const TIMER_LATE: Duration = Duration::from_millis(1);

/// Time for hyper to write its buffer before the connection breaks.
const FLUSH: Duration = Duration::from_millis(2);

/// Bytes per piece. Small enough that connections share the bandwidth evenly.
const PIECE: usize = 4 * 1024;

/// Returns a body that is sent at once.
pub(super) fn whole(bytes: Bytes, busy: &Busy) -> Body {
    busy.sent(bytes.len());
    Either::Left(Full::new(bytes))
}

/// Returns a body that is sent in pieces, as fast as `pacer` allows, and ends as `ending` says.
pub(super) fn pieces(bytes: Bytes, ending: Ending, pacer: Option<Arc<Pacer>>, busy: Busy) -> Body {
    let rest = match ending {
        Ending::Cut(most) | Ending::Stall(most) => bytes.slice(..most.min(bytes.len())),
        _ => bytes.clone(),
    };
    let pieces = Pieces { bytes, rest, ending, pacer, busy };
    Either::Right(StreamBody::new(stream::unfold(pieces, Pieces::next)).boxed_unsync())
}

struct Pieces {
    bytes: Bytes,
    rest: Bytes,
    ending: Ending,
    pacer: Option<Arc<Pacer>>,
    busy: Busy,
}

impl Pieces {
    async fn next(mut self) -> Option<(io::Result<Frame<Bytes>>, Pieces)> {
        if self.rest.is_empty() {
            match self.ending {
                Ending::Whole | Ending::HangUp => return None,
                Ending::Cut(_) => {
                    sleep(FLUSH).await;
                    return Some((Err(io::ErrorKind::ConnectionAborted.into()), self));
                }
                Ending::Endless if !self.bytes.is_empty() => self.rest = self.bytes.clone(),
                Ending::Stall(_) | Ending::Endless => pending().await,
            }
        }
        let piece = self.rest.split_to(PIECE.min(self.rest.len()));
        if let Some(pacer) = &self.pacer {
            pacer.wait(piece.len()).await;
        }
        self.busy.sent(piece.len());
        Some((Ok(Frame::data(piece)), self))
    }
}

/// Limits the bandwidth: each piece gets a time slot after that of the previous one.
pub(super) struct Pacer {
    bytes_per_second: f64,
    /// End of the last reserved time slot.
    paid: Mutex<Instant>,
}

impl Pacer {
    pub(super) fn new(bytes_per_second: u64) -> Pacer {
        Pacer { bytes_per_second: bytes_per_second.max(1) as f64, paid: Mutex::new(Instant::now()) }
    }

    async fn wait(&self, bytes: usize) {
        let due = self.reserve(bytes);
        let early = due.checked_sub(TIMER_LATE).unwrap_or(due);
        if early > Instant::now() {
            sleep_until(early).await;
        }
    }

    fn reserve(&self, bytes: usize) -> Instant {
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        *paid = (*paid).max(Instant::now()) + cost;
        *paid
    }
}
