//! Listening, and the connections: at most so many at a time, each for a limited time.

use std::convert::Infallible;
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::routes::Routes;
use crate::system::clock;
use crate::system::shutdown::Shutdown;

/// Maximum number of connections. Further ones wait until one of them is closed.
const MOST_CONNECTIONS: usize = 256;
/// Maximum size of the head of a request, in bytes.
const LARGEST_HEAD: usize = 8 << 10;
/// Time within which the head of a request must have arrived, the wait for it included.
const HEAD: Duration = Duration::from_secs(10);
/// Time after which a connection is closed once its current response is sent.
const LIFE: Duration = Duration::from_secs(60);
/// Time for that response. A reader that is slower is cut off.
const LAST_RESPONSE: Duration = Duration::from_secs(5);

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a socket.
    Unix(PathBuf),
}

impl Address {
    /// Returns true if only this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Tcp(address) => address.ip().is_loopback(),
            Address::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.is_empty() {
                true => Err("unix: needs the path of a socket".to_owned()),
                false => Ok(Address::Unix(path.into())),
            };
        }
        text.parse().map(Address::Tcp).map_err(|_| {
            "must be an IP address with a port, such as 127.0.0.1:9640, or unix:PATH".to_owned()
        })
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "http://{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A connection, of whatever kind.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The open socket.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The file of a Unix socket. It is deleted on drop.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nobody is left to be told; the next server replaces the file.
        let _ = fs::remove_file(&self.0);
    }
}

/// A socket that accepts connections.
pub struct Listener {
    socket: Socket,
    address: Address,
    /// File of the socket, which lives as long as the listener.
    _file: Option<SocketFile>,
}

impl Listener {
    /// Opens the socket.
    ///
    /// # Errors
    /// Returns an error if the address is in use or cannot be bound.
    pub async fn bind(address: &Address) -> io::Result<Listener> {
        Ok(match address {
            Address::Tcp(address) => {
                let socket = TcpListener::bind(address).await?;
                let address = Address::Tcp(socket.local_addr()?);
                Listener { socket: Socket::Tcp(socket), address, _file: None }
            }
            Address::Unix(path) => {
                let socket = bind_unix(path).await?;
                let (socket, address) = (Socket::Unix(socket), address.clone());
                Listener { socket, address, _file: Some(SocketFile(path.clone())) }
            }
        })
    }

    /// Returns the address that is listened on.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Serves until `shutdown` is requested, then lets the current responses finish.
    pub async fn serve(self, routes: Arc<Routes>, shutdown: Shutdown) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                _ = shutdown.requested() => break,
                Some(_) = connections.join_next() => {}
                accepted = self.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                    Ok(stream) => {
                        connections.spawn(connect(stream, routes.clone(), shutdown.clone()));
                    }
                    // Usually out of descriptors: wait for other connections to close.
                    Err(_) => sleep(Duration::from_millis(10)).await,
                },
            }
        }
        drop(self);
        while connections.join_next().await.is_some() {}
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.socket {
            Socket::Tcp(socket) => {
                let (stream, _) = socket.accept().await?;
                // Without TCP_NODELAY, answers are late but correct.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Socket::Unix(socket) => Ok(Box::new(socket.accept().await?.0)),
        }
    }
}

/// Binds a Unix socket for its owner and group. Replaces the file that a killed server left.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let socket = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            match UnixStream::connect(path).await {
                Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path)?;
                    UnixListener::bind(path)?
                }
                _ => return Err(error),
            }
        }
        bound => bound?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(socket)
}

/// Serves one connection to its end.
async fn connect(stream: Box<dyn Stream>, routes: Arc<Routes>, shutdown: Shutdown) {
    let service = service_fn(move |request| answer(routes.clone(), request));
    let connection = http1::Builder::new()
        .max_header_size(LARGEST_HEAD)
        .max_buf_size(2 * LARGEST_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(clock::limit("GLEANER_TEST_SERVE", HEAD))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // Fails if the client disconnected or sent no HTTP, which is not worth reporting.
        _ = connection.as_mut() => return,
        _ = shutdown.requested() => {}
        () = sleep(clock::limit("GLEANER_TEST_SERVE", LIFE)) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_RESPONSE, connection).await;
}

async fn answer(
    routes: Arc<Routes>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (request, _) = request.into_parts();
    Ok(routes.answer(&request).await.into_response())
}
