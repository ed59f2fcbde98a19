//! The server of the demo site: accepts connections, delays responses and applies faults. `routes`
//! decides the content of responses.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::body::{self, Body, Pacer, TIMER_LATE};
use super::catalog::Catalog;
use super::counters::{Busy, Counters, path};
use super::faults::{Effect, Ending, Faults};
use super::routes::{self, Manners};

/// Length of the queue of new connections. Some tests open thousands at once, and a full queue
/// costs each client a second.
const BACKLOG: u32 = 4096;

/// State shared by the server and the caller's handle.
pub(super) struct Site {
    pub(super) counters: Arc<Counters>,
    pub(super) faults: Faults,
    catalog: RwLock<Catalog>,
    latency: Duration,
    pacer: Option<Arc<Pacer>>,
    manners: Manners,
    /// Maximum number of concurrent requests; further ones get a 503.
    capacity: AtomicU64,
    serving: AtomicU64,
    refused: AtomicU64,
}

/// A request that is being served. It ends on drop, so a request whose client disconnected is
/// counted out, too.
struct Serving<'a>(&'a AtomicU64);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Site {
    pub(super) fn new(
        catalog: Catalog,
        latency: Duration,
        bandwidth: Option<u64>,
        manners: Manners,
    ) -> Site {
        Site {
            counters: Arc::new(Counters::new()),
            faults: Faults::default(),
            catalog: RwLock::new(catalog),
            latency,
            pacer: bandwidth.map(|bandwidth| Arc::new(Pacer::new(bandwidth))),
            manners,
            capacity: AtomicU64::new(u64::MAX),
            serving: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    pub(super) fn set_capacity(&self, most: u64) {
        self.capacity.store(most, Relaxed);
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Admits a request, or returns `None` if the limit is reached.
    fn serve(&self) -> Option<Serving<'_>> {
        let serving = Serving(&self.serving);
        if self.serving.fetch_add(1, Relaxed) < self.capacity.load(Relaxed) {
            return Some(serving);
        }
        self.refused.fetch_add(1, Relaxed);
        None
    }

    pub(super) fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens the port on loopback; 0 takes a free one. Must be called within a runtime.
pub(super) fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

/// Serves until `stop` is sent or dropped. Connections run on the runtime and end with it.
pub(super) async fn serve(listener: TcpListener, site: Arc<Site>, mut stop: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut stop => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, &site),
                // Usually out of descriptors: wait for other connections to close.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

fn connect(stream: TcpStream, site: &Arc<Site>) {
    site.counters.connected();
    // Without TCP_NODELAY, answers are late but correct.
    let _ = stream.set_nodelay(true);
    let site = Arc::clone(site);
    let service = service_fn(move |request| answer(Arc::clone(&site), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
        // Fails if a fault broke the connection or the client disconnected. Neither is worth
        // reporting.
        let _ = connection.await;
    });
}

/// Answers a request. On an error, hyper closes the connection without a response.
async fn answer(site: Arc<Site>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (request, _) = request.into_parts();
    let busy = Busy::enter(&site.counters, &request);
    let Some(_serving) = site.serve() else {
        let refusal = routes::notice(StatusCode::SERVICE_UNAVAILABLE, "Too many at once");
        return Ok(send(&site, &request, refusal, Ending::Whole, busy));
    };
    let effect = site.faults.strike(path(&request)).unwrap_or_default();
    pause(site.latency + effect.delay).await;
    if effect.ending == Ending::HangUp {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let usual = routes::respond(&site.catalog(), &request, site.manners);
    Ok(send(&site, &request, disturb(usual, &effect), effect.ending, busy))
}

async fn pause(time: Duration) {
    if time >= 2 * TIMER_LATE {
        sleep(time - TIMER_LATE).await;
    } else if !time.is_zero() {
        sleep(time).await;
    }
}

/// Applies a fault to the status, headers and body of a response.
fn disturb(mut response: Response<Bytes>, effect: &Effect) -> Response<Bytes> {
    if effect.no_rows {
        response = response.map(routes::without_rows);
    }
    if let Some((kind, body)) = &effect.body {
        response = Response::new(body.clone());
        response.headers_mut().insert(CONTENT_TYPE, kind.clone());
    } else if let Some(status) = effect.status {
        response = routes::notice(status, status.canonical_reason().unwrap_or("Unknown"));
    }
    if let Some(status) = effect.status {
        *response.status_mut() = status;
    }
    for (name, _) in &effect.headers {
        response.headers_mut().remove(name);
    }
    for (name, value) in &effect.headers {
        response.headers_mut().append(name, value.clone());
    }
    response
}

/// Builds the response. The body is sent at once, or in pieces if it is slow, broken or has a false
/// length.
fn send(
    site: &Site,
    request: &Parts,
    response: Response<Bytes>,
    ending: Ending,
    busy: Busy,
) -> Response<Body> {
    let (mut head, bytes) = response.into_parts();
    let bare = request.method == Method::HEAD
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let announced = head.headers.contains_key(CONTENT_LENGTH);
    if bare || (ending == Ending::Whole && site.pacer.is_none() && !announced) {
        return Response::from_parts(head, body::whole(bytes, &busy));
    }
    if ending != Ending::Endless && !announced {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    }
    Response::from_parts(head, body::pieces(bytes, ending, site.pacer.clone(), busy))
}
