//! HTTP clients: one for each combination of proxy and User-Agent in the rotation.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderName, HeaderValue};

use url::Url;

use super::address::Guard;
use super::request::same_origin;
use super::{ConnectClock, Home, coding, trust};
use crate::model::text::secret::Secret;

/// Time after which idle connections are closed: sooner than most servers do, since a request on a
/// connection that is being closed is lost. Their number is not limited: there are about as many as
/// workers, and a client that keeps none costs 2.5 times as much.
const IDLE: Duration = Duration::from_secs(20);

/// Maximum number of header fields over HTTP/1, once a response had more than the library's default
/// of 100. The library reserves room for all of them before each response, which costs 7 % of a
/// crawl's CPU time, so it is raised only on demand.
pub const MOST_FIELDS: usize = 500;
/// Maximum size of a response's head, names and values together, in bytes.
pub const LARGEST_HEAD: u32 = 64 << 10;

/// Environment variables that name the system's proxy.
const PROXY_VARIABLES: [[&str; 2]; 3] =
    [["HTTP_PROXY", "http_proxy"], ["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];

/// Options of the HTTP clients.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// Timeout of a whole request.
    pub timeout: Duration,
    /// Timeout of a connection attempt.
    pub connect_timeout: Duration,
    /// Maximum time without data.
    pub read_timeout: Duration,
    /// Maximum size of a decoded body, in bytes.
    pub max_body: usize,
    /// User-Agent headers to rotate; at least one.
    pub user_agents: Vec<String>,
    /// Proxies to rotate. If empty, the system's proxy is used.
    pub proxies: Vec<Secret>,
    /// True to use the system's proxy if none is given.
    pub system_proxy: bool,
    /// Additional headers.
    pub headers: Vec<Header>,
    /// Origin of the site, and hosts that requests may go to.
    pub home: Home,
    /// Clock for connection times, or `None`. Set it only if requests are made one at a time.
    pub connect_clock: Option<ConnectClock>,
}

/// A header that the user adds to requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The only origin to send it to, or `None` for the site's own.
    pub origin: Option<Url>,
    /// Name of the header.
    pub name: String,
    /// Value of the header.
    pub value: String,
}

/// Headers, grouped by the origin that they are sent to.
#[derive(Debug, Default)]
pub struct Headers(Vec<(Option<Url>, HeaderMap)>);

/// Reason why the HTTP client cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A proxy cannot be used: the flag or variable that names it, its URL, and the reason.
    #[error("{0} {1}: {2}")]
    Proxy(&'static str, Secret, String),
    /// A header is invalid: its name, and the reason.
    #[error("--header {0}: {1}")]
    Header(String, String),
    /// The system lacks something, for instance for TLS.
    #[error("no HTTP client: {0}")]
    Build(String),
}

impl ClientOptions {
    /// Checks that clients can be made with the user's options, before anything else is done.
    ///
    /// # Errors
    /// Returns an error for the first invalid proxy, header or User-Agent.
    pub fn check(&self) -> Result<(), ClientError> {
        Headers::of(&self.headers)?;
        self.proxies.iter().try_for_each(|it| proxy(it).map(drop))?;
        if self.proxies.is_empty() && self.system_proxy {
            check_variables(|name| std::env::var_os(name))?;
        }
        self.user_agents.iter().try_for_each(|it| user_agent(it).map(drop))
    }
}

/// A client, and the proxy that it was given.
#[derive(Debug)]
pub struct Client {
    /// Makes the requests.
    pub http: reqwest::Client,
    /// Not the system's.
    pub proxy: Option<Secret>,
}

/// Clients to rotate.
#[derive(Debug)]
pub struct Clients {
    options: ClientOptions,
    guard: Guard,
    usual: Vec<Client>,
    /// Clients for heads with many fields, made on demand.
    roomy: OnceLock<Vec<Client>>,
    turn: AtomicUsize,
}

impl Clients {
    /// Creates one client for each pair of a proxy and a User-Agent.
    pub fn new(options: ClientOptions, guard: Guard) -> Result<Clients, ClientError> {
        options.check()?;
        let usual = clients(&options, &guard, None)?;
        Ok(Clients { options, guard, usual, roomy: OnceLock::new(), turn: AtomicUsize::new(0) })
    }

    /// Returns the next client in the rotation.
    pub fn next(&self) -> &Client {
        self.at(self.take_turn())
    }

    /// Returns the number of clients.
    pub fn count(&self) -> usize {
        self.usual.len()
    }

    /// Returns the position of the next client in the rotation.
    pub fn take_turn(&self) -> usize {
        match self.usual.len() {
            1 => 0,
            clients => self.turn.fetch_add(1, Relaxed) % clients,
        }
    }

    /// Returns the client at this position.
    pub fn at(&self, turn: usize) -> &Client {
        &self.roomy.get().unwrap_or(&self.usual)[turn]
    }

    /// Switches to clients that accept heads of up to [`MOST_FIELDS`] fields.
    ///
    /// The usual clients stay if that fails, which it did not when they were built the same way.
    pub fn make_room(&self) {
        if self.roomy.get().is_some() {
            return;
        }
        if let Ok(clients) = clients(&self.options, &self.guard, Some(MOST_FIELDS)) {
            self.roomy.get_or_init(|| clients);
        }
    }
}

fn clients(
    options: &ClientOptions,
    guard: &Guard,
    most_fields: Option<usize>,
) -> Result<Vec<Client>, ClientError> {
    let tls = trust::config().map_err(|error| ClientError::Build(error.to_string()))?;
    let turns = turns(options.proxies.len(), options.user_agents.len());
    let built = turns.into_iter().map(|turn| {
        let builder = client(options, guard, &tls, turn)?;
        let builder = match most_fields {
            Some(most) => builder.http1_max_headers(most),
            None => builder,
        };
        let http = builder.build().map_err(|error| ClientError::Build(format!("{error:?}")))?;
        Ok(Client { http, proxy: options.proxies.get(turn.0).cloned() })
    });
    built.collect()
}

/// Returns each pair of a proxy and a User-Agent once, as indices. Both lists advance with each
/// request, so that every entry gets its share of any run of requests, and no User-Agent is tied to
/// one proxy.
fn turns(proxies: usize, names: usize) -> Vec<(usize, usize)> {
    let (proxies, names) = (proxies.max(1), names.max(1));
    // After this many requests, both lists would start again together.
    let round = proxies * names / gcd(proxies, names);
    (0..proxies * names).map(|turn| (turn % proxies, (turn + turn / round) % names)).collect()
}

fn gcd(one: usize, other: usize) -> usize {
    if other == 0 { one } else { gcd(other, one % other) }
}

fn client(
    options: &ClientOptions,
    guard: &Guard,
    tls: &rustls::ClientConfig,
    (proxy_turn, name_turn): (usize, usize),
) -> Result<reqwest::ClientBuilder, ClientError> {
    let mut tls = tls.clone();
    // With shared tickets, the site could tell that the clients in the rotation belong together.
    tls.resumption = rustls::client::Resumption::default();
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
        // Accept heads that curl and browsers accept. A line that is not a field is skipped.
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_ignore_invalid_headers_in_responses(true)
        .http2_max_header_list_size(LARGEST_HEAD)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false);
    if let Some(name) = options.user_agents.get(name_turn) {
        builder = builder.user_agent(user_agent(name)?);
    }
    if let Some(clock) = &options.connect_clock {
        builder = builder.connector_layer(clock.clone());
    }
    if let Some(secret) = options.proxies.get(proxy_turn) {
        builder = builder.proxy(proxy(secret)?);
    } else if !options.system_proxy {
        builder = builder.no_proxy();
    }
    Ok(builder)
}

fn user_agent(name: &str) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_str(name)
        .map_err(|error| ClientError::Header("User-Agent".to_owned(), error.to_string()))
}

/// Parses a proxy. The library accepts a URL with an unknown scheme, but then ignores it and
/// connects directly to the site.
fn proxy(secret: &Secret) -> Result<reqwest::Proxy, ClientError> {
    let wrong = |why: String| ClientError::Proxy("--proxy", secret.clone(), why);
    match Url::parse(secret.expose()) {
        Err(error) => Err(wrong(format!("{error}; write http://HOST:PORT"))),
        Ok(url) if ["http", "https", "socks5", "socks5h"].contains(&url.scheme()) => {
            reqwest::Proxy::all(secret.expose())
                .map_err(|error| wrong(secret.scrub(&error.to_string())))
        }
        Ok(url) => Err(wrong(format!("{}: is none of http, https, socks5", url.scheme()))),
    }
}

/// Rejects proxy variables that the library would ignore, because it would then connect directly to
/// the site. Of two spellings the first that is set counts, as in the library.
fn check_variables(read: impl Fn(&str) -> Option<OsString>) -> Result<(), ClientError> {
    for spellings in PROXY_VARIABLES {
        let set = spellings.iter().find_map(|name| Some((*name, read(name)?)));
        let Some((name, value)) = set.filter(|(_, value)| !value.is_empty()) else { continue };
        let value = value.to_string_lossy();
        if !is_usable(&value) {
            let why = "it cannot be used; write http://HOST:PORT, https or socks5, or unset it";
            return Err(ClientError::Proxy(name, Secret::new(&value), why.to_owned()));
        }
    }
    Ok(())
}

/// Returns `true` if the library understands a variable's value as written. It ignores a port that
/// is not a number.
fn is_usable(value: &str) -> bool {
    let anything = hyper::Uri::from_static("http://h/");
    let full = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    if !Url::parse(&full).is_ok_and(|url| url.has_host()) {
        return false;
    }
    Matcher::builder().all(value).build().intercept(&anything).is_some()
}

impl Headers {
    /// Parses headers and marks their values as sensitive, which keeps them out of logs.
    ///
    /// # Errors
    /// Returns an error if one of them is invalid.
    pub fn of(given: &[Header]) -> Result<Headers, ClientError> {
        let mut all = Headers::default();
        for Header { origin, name, value } in given {
            let error = |error: String| ClientError::Header(name.clone(), error);
            let key: HeaderName =
                name.parse().map_err(|_| error("not a header's name".to_owned()))?;
            let mut value = HeaderValue::from_str(value)
                .map_err(|_| error("the value holds what a header cannot".to_owned()))?;
            value.set_sensitive(true);
            let at = all.0.iter().position(|(known, _)| known == origin);
            let at = at.unwrap_or_else(|| {
                all.0.push((origin.clone(), HeaderMap::new()));
                all.0.len() - 1
            });
            all.0[at].1.append(key, value);
        }
        // Headers for one origin replace those for the site.
        all.0.sort_by_key(|(origin, _)| origin.is_some());
        Ok(all)
    }

    /// Returns the headers to send with a request for `url`.
    pub fn to(&self, url: &Url, home: &Home) -> impl Iterator<Item = &HeaderMap> {
        let goes = |origin: &Option<Url>| match origin {
            None => home.is_own(url),
            Some(origin) => same_origin(origin, url),
        };
        self.0.iter().filter(move |(origin, _)| goes(origin)).map(|(_, headers)| headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o11_proxies_and_names_take_turns_independently_and_evenly() {
        for (proxies, names) in [(0, 0), (0, 3), (1, 1), (2, 1), (2, 2), (3, 2), (4, 2), (4, 6)] {
            let turns = turns(proxies, names);
            let (proxies, names) = (proxies.max(1), names.max(1));
            let pairs: std::collections::BTreeSet<_> = turns.iter().collect();
            assert_eq!((turns.len(), pairs.len()), (proxies * names, proxies * names));
            let both = turns.iter().chain(&turns).collect::<Vec<_>>();
            // In any row of requests no entry has more than one above its share.
            for row in (1..=turns.len()).flat_map(|length| both.windows(length)) {
                for proxy in 0..proxies {
                    let had = row.iter().filter(|(it, _)| *it == proxy).count();
                    assert!(had <= row.len() / proxies + 1, "{proxies} {names}: {row:?}");
                }
                for name in 0..names {
                    let had = row.iter().filter(|(_, it)| *it == name).count();
                    assert!(had <= row.len() / names + 2, "{proxies} {names}: {row:?}");
                }
            }
        }
    }

    #[test]
    fn w27_a_proxy_variable_that_cannot_be_used_is_refused() {
        let check = |name: &'static str, value: &'static str| {
            check_variables(|asked| (asked == name).then(|| value.into()))
        };
        for value in ["", "http://p:3128", "p:3128", "p", "https://me:pw@p", "socks5h://p:1080"] {
            for name in PROXY_VARIABLES.concat() {
                assert_eq!(check(name, value), Ok(()), "{name} {value}");
            }
        }
        for value in ["ftp://p:21", "http://", "http://p:port", "://p", " ", "socks6://p"] {
            for name in PROXY_VARIABLES.concat() {
                let said = check(name, value).unwrap_err().to_string();
                assert!(
                    said.starts_with(name) && said.contains("write http://HOST:PORT"),
                    "{said}"
                );
            }
        }
        let secret = check("ALL_PROXY", "ftp://me:s3cret@p").unwrap_err().to_string();
        assert!(!secret.contains("s3cret"), "{secret}");
        // The other spelling is not looked at.
        let both = |name: &str| match name {
            "HTTP_PROXY" => Some("".into()),
            "http_proxy" => Some("ftp://p".into()),
            _ => None,
        };
        assert_eq!(check_variables(both), Ok(()));
    }
}
