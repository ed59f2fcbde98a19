//! The HTTP clients: one for each proxy or User-Agent that takes its turn.

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
use crate::secret::Secret;

/// Idle connections are let go before usual servers close them, since a request on a connection
/// that is just being closed is lost. They are never closed for being many: there are about as
/// many as workers, and a client that keeps none costs 2.5 times as much.
const IDLE: Duration = Duration::from_secs(20);

/// Fields of an answer's head over HTTP/1, where a head had more than the library's 100. It makes
/// room for all of them before it reads a head, which costs 7 % of the CPU of a whole crawl: so
/// only who meets such a head pays for it.
const MOST_FIELDS: usize = 500;
/// Bytes of an answer's head, names and values together.
pub const LARGEST_HEAD: u32 = 64 << 10;

/// Where the system says which proxy is to be used.
const PROXY_VARIABLES: [[&str; 2]; 3] =
    [["HTTP_PROXY", "http_proxy"], ["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]];

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
    /// Sent along.
    pub headers: Vec<Header>,
    /// Where requests may lead.
    pub home: Home,
    /// Set by who makes one request at a time and wants to know how long connections take.
    pub connect_clock: Option<ConnectClock>,
}

/// A header that the user sends along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The only origin that it is for; where there is none, it is for the site's own.
    pub origin: Option<Url>,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Headers by where they go.
#[derive(Debug, Default)]
pub struct Headers(Vec<(Option<Url>, HeaderMap)>);

/// Why there is no HTTP client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// A proxy cannot be used: by what it was given, which, and why.
    #[error("{0} {1}: {2}")]
    Proxy(&'static str, Secret, String),
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

/// Clients that take turns.
#[derive(Debug)]
pub struct Clients {
    options: ClientOptions,
    guard: Guard,
    usual: Vec<Client>,
    /// Those for heads of many fields, once there was one.
    roomy: OnceLock<Vec<Client>>,
    turn: AtomicUsize,
}

impl Clients {
    /// A client for each pair of a proxy and a name.
    pub fn new(options: ClientOptions, guard: Guard) -> Result<Clients, ClientError> {
        options.check()?;
        let usual = clients(&options, &guard, None)?;
        Ok(Clients { options, guard, usual, roomy: OnceLock::new(), turn: AtomicUsize::new(0) })
    }

    /// The client whose turn it is.
    pub fn next(&self) -> &Client {
        match self.roomy.get().unwrap_or(&self.usual).as_slice() {
            [only] => only,
            clients => &clients[self.turn.fetch_add(1, Relaxed) % clients.len()],
        }
    }

    /// From here on heads of up to [`MOST_FIELDS`] fields can be read.
    pub fn make_room(&self) {
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

/// Each pair of one of so many proxies and one of so many names, once, so that with each request both
/// lists go on by one: in any row of requests each entry has its share, and no proxy has a name of
/// its own.
fn turns(proxies: usize, names: usize) -> Vec<(usize, usize)> {
    let (proxies, names) = (proxies.max(1), names.max(1));
    // After so many requests both lists would begin anew together.
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
    // Else the site could tell by a ticket that those who take turns are one.
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
        // Heads that curl and browsers read. A line that is no field is passed over.
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

/// The library takes a proxy of a kind that it does not know and then goes past it, straight to
/// the site.
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

/// Refuses what the library would pass over, to ask the site directly. Of two spellings the first
/// that is set counts, as for the library.
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

/// Returns whether the library makes the proxy of a variable's value that the value says: it takes a port
/// that is no number for none.
fn is_usable(value: &str) -> bool {
    let anything = hyper::Uri::from_static("http://h/");
    let full = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    if !Url::parse(&full).is_ok_and(|url| url.has_host()) {
        return false;
    }
    Matcher::builder().all(value).build().intercept(&anything).is_some()
}

impl Headers {
    /// Headers whose values are kept out of logs.
    ///
    /// # Errors
    /// Where one of them is none.
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
        // Those for one origin take the place of those for the site.
        all.0.sort_by_key(|(origin, _)| origin.is_some());
        Ok(all)
    }

    /// Those that go along with a request for `url`.
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
