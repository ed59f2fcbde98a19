//! The HTTP clients: one for each proxy or User-Agent that takes its turn.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};

use super::address::Guard;
use super::{ConnectClock, Home, coding, trust};
use crate::secret::Secret;

/// Idle connections are let go before usual servers close them, since a request on a connection
/// that is just being closed is lost. They are never closed for being many: there are about as
/// many as workers, and a client that keeps none costs 2.5 times as much.
const IDLE: Duration = Duration::from_secs(20);

/// Fields of an answer's head over HTTP/1. The library makes room for all of them before it reads a
/// head; this much is still cheap.
const MOST_FIELDS: usize = 500;
/// Bytes of an answer's head, names and values together.
pub const LARGEST_HEAD: u32 = 64 << 10;

/// How requests are made.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// For a whole request.
    pub timeout: Duration,
    /// For a connection.
    pub connect_timeout: Duration,
    /// Longest silence.
    pub read_timeout: Duration,
    /// Largest body, decoded, in bytes.
    pub max_body: usize,
    /// Taken in turn; at least one.
    pub user_agents: Vec<String>,
    /// Taken in turn; where there are none, the system's.
    pub proxies: Vec<Secret>,
    /// Whether the system's proxy is used where none is given.
    pub system_proxy: bool,
    /// Sent with each request to the site's own host.
    pub headers: Vec<(String, String)>,
    /// Where requests may lead.
    pub home: Home,
    /// Set by who makes one request at a time and wants to know how long connections take.
    pub connect_clock: Option<ConnectClock>,
}

/// Why there is no HTTP client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A proxy's URL is none.
    #[error("--proxy {0}: {1}")]
    Proxy(Secret, String),
    /// A header is none.
    #[error("--header {0}: {1}")]
    Header(String, String),
    /// Something of the system's: TLS, say.
    #[error("no HTTP client: {0}")]
    Build(String),
}

impl ClientOptions {
    /// Whether clients can be made with what the user gave: known before anything else is done.
    ///
    /// # Errors
    /// The first proxy, header or name that is none.
    pub fn check(&self) -> Result<(), ClientError> {
        headers(&self.headers)?;
        self.proxies.iter().try_for_each(|it| proxy(it).map(drop))?;
        self.user_agents.iter().try_for_each(|it| user_agent(it).map(drop))
    }
}

/// Clients that take turns.
#[derive(Debug)]
pub struct Clients {
    clients: Vec<reqwest::Client>,
    turn: AtomicUsize,
}

impl Clients {
    /// As many clients as the longer of the lists has entries; the shorter begins anew.
    pub fn new(options: &ClientOptions) -> Result<Clients, ClientError> {
        let turns = options.user_agents.len().max(options.proxies.len()).max(1);
        let guard = Guard::of(&options.home);
        let tls = trust::config().map_err(|error| ClientError::Build(error.to_string()))?;
        let clients = (0..turns).map(|turn| client(options, &guard, &tls, turn));
        Ok(Clients { clients: clients.collect::<Result<_, _>>()?, turn: AtomicUsize::new(0) })
    }

    /// The client whose turn it is.
    pub fn next(&self) -> &reqwest::Client {
        match self.clients.as_slice() {
            [only] => only,
            clients => &clients[self.turn.fetch_add(1, Relaxed) % clients.len()],
        }
    }
}

fn client(
    options: &ClientOptions,
    guard: &Guard,
    tls: &rustls::ClientConfig,
    turn: usize,
) -> Result<reqwest::Client, ClientError> {
    let mut tls = tls.clone();
    // Else the site could tell by a ticket that those who take turns are one.
    tls.resumption = rustls::client::Resumption::default();
    let in_turn = |list: &[String]| list.get(turn % list.len().max(1)).cloned();
    let accepted = HeaderValue::from_static(coding::ACCEPTED);
    let mut builder = reqwest::Client::builder()
        .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, accepted)]))
        .timeout(options.timeout)
        .connect_timeout(options.connect_timeout)
        .read_timeout(options.read_timeout)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .dns_resolver(guard.clone())
        .tls_backend_preconfigured(tls)
        // Heads that curl and browsers read. A line that is no field is passed over.
        .http1_max_headers(MOST_FIELDS)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http2_max_header_list_size(LARGEST_HEAD)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    if let Some(name) = in_turn(&options.user_agents) {
        builder = builder.user_agent(user_agent(&name)?);
    }
    if let Some(clock) = &options.connect_clock {
        builder = builder.connector_layer(clock.clone());
    }
    if let Some(secret) = options.proxies.get(turn % options.proxies.len().max(1)) {
        builder = builder.proxy(proxy(secret)?);
    } else if !options.system_proxy {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| ClientError::Build(format!("{error:?}")))
}

fn user_agent(name: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(name)
        .map_err(|error| ClientError::Header("User-Agent".to_owned(), error.to_string()))
}

/// The library takes a proxy of a kind that it does not know and then goes past it, straight to
/// the site.
fn proxy(secret: &Secret) -> Result<reqwest::Proxy, ClientError> {
    let wrong = |why: String| ClientError::Proxy(secret.clone(), why);
    match url::Url::parse(secret.expose()) {
        Err(error) => Err(wrong(format!("{error}; write http://HOST:PORT"))),
        Ok(url) if ["http", "https", "socks5", "socks5h"].contains(&url.scheme()) => {
            reqwest::Proxy::all(secret.expose())
                .map_err(|error| wrong(secret.scrub(&error.to_string())))
        }
        Ok(url) => Err(wrong(format!("{}: is none of http, https, socks5", url.scheme()))),
    }
}

/// Pairs of name and value as headers whose values are kept out of logs.
///
/// # Errors
/// Where one of them is none.
pub fn headers(pairs: &[(String, String)]) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let error = |error: String| ClientError::Header(name.clone(), error);
        let key: HeaderName = name.parse().map_err(|_| error("not a header's name".to_owned()))?;
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| error("the value holds what a header cannot".to_owned()))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}
