//! The demo site on a socket: accepts connections, paces answers and does to them what the
//! faults say. What an answer holds is decided in `routes`.

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

/// Thousands of clients connect at once in some tests; a full queue costs them a second.
const BACKLOG: u32 = 4096;

/// All that the server and the caller's handle share.
pub(super) struct Site {
    pub(super) counters: Arc<Counters>,
    pub(super) faults: Faults,
    catalog: RwLock<Catalog>,
    latency: Duration,
    pacer: Option<Arc<Pacer>>,
    manners: Manners,
    /// Most requests served at once; above, 503.
    capacity: AtomicU64,
    serving: AtomicU64,
    refused: AtomicU64,
}

/// A request that is being served. Ends by drop, so that one whose client left is counted out too.
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

    /// Takes a request in, unless there are as many as can be served.
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

/// Serves until `stop` is sent or dropped. Connections live on the runtime and end with it.
pub(super) async fn serve(listener: TcpListener, site: Arc<Site>, mut stop: oneshot::Receiver<()>) {
    loop {
        tokio::select! {
            _ = &mut stop => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => connect(stream, &site),
                // Out of descriptors, as a rule: others must close first.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

fn connect(stream: TcpStream, site: &Arc<Site>) {
    site.counters.connected();
    // Without it answers are late, but not wrong.
    let _ = stream.set_nodelay(true);
    let site = Arc::clone(site);
    let service = service_fn(move |request| answer(Arc::clone(&site), request));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::spawn(async move {
        // Fails when a fault broke it off or the client left: both are nothing to report.
        let _ = connection.await;
    });
}

/// An error makes hyper close the connection without an answer.
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

/// Status, headers and body as the fault has them.
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

/// Puts the body on its way: at once, or in pieces where it must be slow, broken or false.
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
