//! Fetches the page of a task: one request, its redirects and its body, in the steps of
//! [`Fetcher::fetch`].
//!
//! Failures are [`FetchError`]s. Pure functions in [`retry`] decide whether to retry. Only `fetch/`
//! knows the HTTP library.

mod address;
mod client;
mod coding;
mod connect;
mod cookies;
mod error;
mod host;
mod hosts;
mod limit;
mod page;
mod poster;
mod quota;
mod reach;
mod request;
pub mod retry;
pub mod robots;
mod session;
mod statuses;
mod trust;
mod validators;

use std::sync::Arc;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;
use tracing::debug;
use url::Url;

use crate::model::record::Validators;
use crate::model::text::secret::shown;
use crate::observe::metrics::Metrics;

use address::Guard;
use client::Headers;
pub use client::{ClientError, ClientOptions, Header};
use coding::Coding;
pub use connect::ConnectClock;
pub use error::{FetchError, Sample};
pub use host::{Blocked, End, Host, Slot, Trouble};
pub use hosts::{Entered, HostPolicy, Hosts};
pub use page::{Answer, Fetched, Page, Redirect, url_text};
pub use poster::Poster;
use reach::Reach;
use request::same_origin;
pub use request::{Body, Home, Purpose, Request};
pub use reqwest::Method;
pub use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED};
use session::Pass;
pub use session::{Login, LoginState, SessionRules};
pub use statuses::Statuses;
pub use validators::of as validator;

/// Maximum size of an error's body, in bytes. Reading more would cost more than a new connection.
const LARGEST_REFUSAL: usize = 64 << 10;

/// Makes the requests of a crawl. Create one for a whole crawl.
#[derive(Debug)]
pub struct Fetcher {
    clients: client::Clients,
    home: Home,
    guard: Guard,
    /// Headers that the user adds.
    headers: Headers,
    max_body: usize,
    connect_clock: Option<ConnectClock>,
    metrics: Arc<Metrics>,
    first_redirect: OnceLock<Redirect>,
    /// Rate limits of the site's hosts, or `None` if requests are not paced here.
    hosts: Option<Arc<Hosts>>,
    statuses: Statuses,
    /// Sessions of the clients, or `None` if the site has none.
    sessions: Option<session::Sessions>,
}

/// A response whose body is not read yet.
struct Exchange {
    request: Request,
    response: Response,
    sent: Instant,
    redirects: Vec<Redirect>,
    /// Target of a redirect that may not be followed, or `None`.
    leads_to: Option<String>,
    /// True if the response says that the session has ended.
    has_ended_session: bool,
}

/// Target of a response.
enum Lead {
    Nowhere,
    To(Url),
    /// To a target that may not be followed.
    Away(String),
}

impl Fetcher {
    /// Creates a fetcher that counts in `metrics`.
    ///
    /// # Errors
    /// Returns an error if the HTTP client cannot be made, for instance because of a proxy's URL.
    pub fn new(options: &ClientOptions, metrics: Arc<Metrics>) -> Result<Fetcher, ClientError> {
        let guard = Guard::of(&options.home);
        Ok(Fetcher {
            clients: client::Clients::new(options.clone(), guard.clone())?,
            guard,
            home: options.home.clone(),
            headers: Headers::of(&options.headers)?,
            max_body: options.max_body,
            connect_clock: options.connect_clock.clone(),
            metrics,
            first_redirect: OnceLock::new(),
            hosts: None,
            statuses: Statuses::default(),
            sessions: None,
        })
    }

    /// Paces follow-up requests (redirects, and retries on closed connections) by `hosts`, and
    /// reports all responses to them. The caller paces the first request.
    pub fn paced(self, hosts: Arc<Hosts>) -> Fetcher {
        Fetcher { hosts: Some(hosts), ..self }
    }

    /// Sets the meaning of the site's statuses.
    pub fn reading(self, statuses: Statuses) -> Fetcher {
        Fetcher { statuses, ..self }
    }

    /// Fetches a page, unless it is unchanged by its `validators` (RFC 9110, section 13).
    ///
    /// # Errors
    /// Returns the same errors as [`Fetcher::fetch`].
    pub async fn fetch_if_modified(
        &self,
        mut request: Request,
        validators: &Validators,
    ) -> Result<Fetched, FetchError> {
        request.headers.extend(validators::conditions(validators));
        let mut exchange = self.exchange(request, self.hosts.as_deref()).await?;
        if exchange.response.status() == StatusCode::NOT_MODIFIED {
            self.metrics.not_modified(exchange.sent.elapsed());
            exchange.log(0);
            let headers = std::mem::take(exchange.response.headers_mut());
            return Ok(Fetched::NotModified { url: exchange.request.url, headers });
        }
        self.page(exchange).await.map(Fetched::Page)
    }

    /// Fetches a page and reads its whole body.
    ///
    /// # Errors
    /// Returns a [`FetchError`] if there is no response, or its status is not that of a page.
    pub async fn fetch(&self, request: Request) -> Result<Page, FetchError> {
        let exchange = self.exchange(request, self.hosts.as_deref()).await?;
        self.page(exchange).await
    }

    async fn page(&self, mut exchange: Exchange) -> Result<Page, FetchError> {
        if let Some(to) = exchange.leads_to.take() {
            exchange.log(0);
            return Err(FetchError::RedirectRefused { to });
        }
        if !self.statuses.is_ok(exchange.response.status().as_u16()) {
            return Err(self.refusal(exchange).await);
        }
        self.read(exchange).await
    }

    /// Reads the body of a response that is a page.
    async fn read(&self, mut exchange: Exchange) -> Result<Page, FetchError> {
        if let Some(part) = page::part(exchange.response.headers()) {
            exchange.log(0);
            return Err(FetchError::Body(format!("no more than a part of it came: {part}")));
        }
        let body = match coding::of(exchange.response.headers()) {
            Ok(codings) => body(&mut exchange.response, &codings, self.max_body).await,
            Err(error) => Err(error),
        };
        exchange.log(body.as_ref().map_or(0, Bytes::len));
        let Exchange { request, mut response, sent, .. } = exchange;
        let body = body?;
        self.metrics.received(sent.elapsed(), body.len());
        let headers = std::mem::take(response.headers_mut());
        let page = Page { url: request.url, headers, body };
        Ok(if request.purpose.is_file { page } else { page.unpacked(self.max_body) })
    }

    /// Fetches a host's robots.txt, and reads at most `most` bytes of it. Redirects are followed to
    /// any host. The request is not paced, since the pace is not known before.
    ///
    /// # Errors
    /// Returns the same errors as [`Fetcher::fetch`].
    pub async fn rules(&self, request: Request, most: usize) -> Result<Page, FetchError> {
        let mut exchange = self.follow(request, Reach::Anywhere, None, None).await?;
        if let Some(to) = exchange.leads_to.take() {
            exchange.log(0);
            return Err(FetchError::RedirectRefused { to });
        }
        let is_page = Statuses::default().is_ok(exchange.response.status().as_u16());
        if !is_page || page::part(exchange.response.headers()).is_some() {
            return Err(self.refusal(exchange).await);
        }
        let codings = coding::of(exchange.response.headers())?;
        let body = sent(&mut exchange.response, most).await?;
        exchange.log(body.len());
        // Cutting the body here is safe: unpacking stops before the cut.
        let mut body = coding::unpacked(body, &codings, most)?;
        body.truncate(most);
        let headers = std::mem::take(exchange.response.headers_mut());
        Ok(Page { url: exchange.request.url, headers, body })
    }

    /// Makes a request and returns the response whatever its status, for people to look at. A
    /// redirect to another host is returned, not followed.
    ///
    /// # Errors
    /// Returns an error if there is no response, or its body cannot be read.
    pub async fn answer(&self, request: Request) -> Result<Answer, FetchError> {
        let mut exchange = self.exchange(request, None).await?;
        let head_after = exchange.sent.elapsed();
        let connect = self.connect_clock.as_ref().and_then(ConnectClock::read);
        // A body with unknown codings is shown as received.
        let codings = coding::of(exchange.response.headers()).unwrap_or_default();
        let body = body(&mut exchange.response, &codings, self.max_body).await?;
        let body_after = exchange.sent.elapsed();
        exchange.log(body.len());
        let Exchange { request: Request { url, .. }, mut response, redirects, leads_to, .. } =
            exchange;
        self.metrics.received(body_after, body.len());
        let version = format!("{:?}", response.version());
        let page = Page { url, headers: std::mem::take(response.headers_mut()), body };
        let status = response.status();
        Ok(Answer { status, version, page, redirects, leads_to, connect, head_after, body_after })
    }

    /// Unpacks a page of an [`Answer`] if it is a file packed with gzip, as [`Fetcher::fetch`] does.
    pub fn unpacked(&self, page: Page) -> Page {
        page.unpacked(self.max_body)
    }

    /// Adds the site's user and password to `url` if it is of the site's own origin.
    pub fn with_credentials(&self, url: Url) -> Url {
        self.home.with_credentials(url)
    }

    /// Counts a retry.
    pub(super) fn retried(&self) {
        self.metrics.retried();
    }

    /// Returns the first redirect that was followed, or `None`.
    pub fn first_redirect(&self) -> Option<&Redirect> {
        self.first_redirect.get()
    }

    /// Makes a request and follows its redirects.
    async fn follow(
        &self,
        mut request: Request,
        reach: Reach,
        hosts: Option<&Hosts>,
        pass: Option<&Pass>,
    ) -> Result<Exchange, FetchError> {
        let mut redirects = Vec::new();
        let most = reach.most_redirects();
        for _ in 0..=most {
            if let Some(clock) = &self.connect_clock {
                clock.reset();
            }
            let (response, sent) = self.send(&request, hosts, pass).await?;
            let status = response.status().as_u16();
            if let Some(hosts) = hosts {
                hosts.of(&request.url).heard(&request, sent, status, response.headers());
            }
            let own = pass.filter(|_| self.home.is_own(&request.url));
            own.inspect(|pass| pass.keep(&request.url, response.headers()));
            let is_over = reach != Reach::Login && own.is_some_and(|it| it.is_refusal(status));
            let (target, leads_to) = match self.lead(&request.url, &response, reach).await {
                _ if is_over => (None, None),
                Lead::To(target) => (Some(target), None),
                Lead::Away(to) => (None, Some(to)),
                Lead::Nowhere => (None, None),
            };
            let Some(target) = target else {
                let has_ended_session = false;
                return Ok(Exchange {
                    request,
                    response,
                    sent,
                    redirects,
                    leads_to,
                    has_ended_session,
                });
            };
            log(&request, sent, Some(status), 0, None);
            redirects.push(self.note_redirect(status, &request.url, &target));
            request = request.redirected(status, target);
            if let Some(hosts) = hosts {
                match reach {
                    Reach::Login => hosts.of(&request.url).take_turn().await,
                    _ => hosts.follow(&request.url, self).await?,
                }
            }
        }
        Err(FetchError::RedirectLoop(most))
    }

    /// Sends a request. Sends it once more if a kept-alive connection turned out to be closed, or
    /// if the response had too many header fields. Returns the response and the time of sending.
    async fn send(
        &self,
        request: &Request,
        hosts: Option<&Hosts>,
        pass: Option<&Pass>,
    ) -> Result<(Response, Instant), FetchError> {
        match self.send_once(request, hosts, pass).await {
            Err(FetchError::Closed(_)) => {}
            Err(FetchError::HeadTooLarge) => self.clients.make_room(),
            sent => return sent,
        }
        self.metrics.retried();
        if let Some(hosts) = hosts {
            hosts.of(&request.url).take_turn().await;
        }
        self.send_once(request, hosts, pass).await
    }

    async fn send_once(
        &self,
        request: &Request,
        hosts: Option<&Hosts>,
        pass: Option<&Pass>,
    ) -> Result<(Response, Instant), FetchError> {
        let Request { method, url, headers, body, purpose: _ } = request;
        let own = pass.filter(|_| self.home.is_own(url));
        let client = match pass {
            Some(pass) => self.clients.at(pass.turn),
            None => self.clients.next(),
        };
        let mut sending = client.http.request(method.clone(), url.clone());
        if let Some(Body { content_type, bytes }) = body {
            sending = sending.header(CONTENT_TYPE, *content_type).body(bytes.clone());
        }
        if !headers.is_empty() {
            sending = sending.headers(headers.clone());
        }
        let mut given = headers.get(COOKIE);
        for headers in own.map(Pass::headers).into_iter().chain(self.headers.to(url, &self.home)) {
            sending = sending.headers(headers.clone());
            given = headers.get(COOKIE).or(given);
        }
        if let Some(cookies) = own.and_then(|pass| pass.cookies(url, given)) {
            sending = sending.headers(cookies);
        }
        self.metrics.sent();
        let sent = Instant::now();
        let answer = sending.send().await;
        self.metrics.answered(answer.as_ref().ok().map(|response| response.status().as_u16()));
        let error = match answer {
            Ok(response) if size(response.headers()) <= client::LARGEST_HEAD as usize => {
                return Ok((response, sent));
            }
            Ok(_) => FetchError::HeadTooLarge,
            Err(error) => FetchError::sending(&error).by_way_of(client.proxy.as_ref()),
        };
        log(request, sent, None, 0, Some(&error));
        Err(match error {
            FetchError::Connect(why) if hosts.is_some_and(|it| it.of(url).missed(sent, &why)) => {
                FetchError::Away(why)
            }
            error => error,
        })
    }

    /// Makes the error for a response that is not a page. Its body is only a sample: a body that
    /// breaks off or is too large must not hide the status.
    async fn refusal(&self, mut exchange: Exchange) -> FetchError {
        let response = &mut exchange.response;
        let status = response.status().as_u16();
        let is_later = self.statuses.is_later(status);
        let wait = page::asked_wait(&self.statuses, status, response.headers());
        let codings = coding::of(response.headers()).unwrap_or_default();
        let body = body(response, &codings, LARGEST_REFUSAL).await.unwrap_or_default();
        exchange.log(body.len());
        if is_later {
            return FetchError::Later { status, wait };
        }
        let sample = Sample::of(&body);
        match exchange.has_ended_session {
            true => FetchError::SessionRefused { status, sample },
            false => FetchError::Status { status, wait, sample },
        }
    }

    /// Returns the target of a response. A target out of reach is not followed.
    async fn lead(&self, url: &Url, response: &Response, reach: Reach) -> Lead {
        let redirects = [301, 302, 303, 307, 308].contains(&response.status().as_u16());
        let location = response.headers().get(LOCATION).filter(|_| redirects);
        let Some(location) = location else { return Lead::Nowhere };
        let Ok(target) = url.join(&url_text(location.as_bytes())) else {
            return Lead::Away("something that is not a URL".to_owned());
        };
        let is_downgrade = url.scheme() == "https" && target.scheme() != "https";
        let stays = same_origin(url, &target) || self.home.allows(&target);
        let is_followed = match reach {
            _ if stays && !is_downgrade => true,
            Reach::Site | Reach::Login => false,
            Reach::Anywhere => self.guard.allows(&target).await,
        };
        match is_followed {
            true => Lead::To(self.home.with_credentials(target)),
            false => Lead::Away(shown(&target)),
        }
    }

    fn note_redirect(&self, status: u16, from: &Url, to: &Url) -> Redirect {
        self.metrics.redirected();
        let redirect = Redirect { status, from: shown(from), to: shown(to) };
        // A page that leads to itself, as for a cookie, has no URL that leads straight to it.
        if redirect.from != redirect.to {
            self.first_redirect.get_or_init(|| redirect.clone());
        }
        redirect
    }
}

impl Exchange {
    fn log(&self, bytes: usize) {
        log(&self.request, self.sent, Some(self.response.status().as_u16()), bytes, None);
    }
}

/// Logs one line for a request. Nothing is computed unless it is logged.
fn log(
    request: &Request,
    sent: Instant,
    status: Option<u16>,
    bytes: usize,
    error: Option<&FetchError>,
) {
    let Request { method, url, purpose, .. } = request;
    debug!(
        %method, url = shown(url), status, ms = sent.elapsed().as_millis() as u64, bytes,
        attempt = purpose.attempt.max(1), page = purpose.task.as_deref(),
        error = error.map(tracing::field::display), "request"
    );
}

/// Returns the size of a response's head, names and values, in bytes.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// Reads a body of at most `most` bytes, both packed and unpacked.
async fn body(
    response: &mut Response,
    codings: &[Coding],
    most: usize,
) -> Result<Bytes, FetchError> {
    let mut body = sent(response, most).await?;
    if body.len() <= most && !codings.is_empty() {
        body = coding::unpacked(body, codings, most)?;
    }
    if body.len() > most { Err(FetchError::TooLarge(most)) } else { Ok(body) }
}

/// Reads a body as it was sent, and stops once it has more than `most` bytes.
async fn sent(response: &mut Response, most: usize) -> Result<Bytes, FetchError> {
    let mut chunk = async || response.chunk().await.map_err(|error| FetchError::reading(&error));
    let Some(first) = chunk().await? else { return Ok(Bytes::new()) };
    if first.len() > most {
        return Ok(first);
    }
    let Some(second) = chunk().await? else { return Ok(first) };
    let mut body = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(part) = next {
        body.extend_from_slice(&part);
        if body.len() > most {
            break;
        }
        next = chunk().await?;
    }
    Ok(body.freeze())
}
