//! Task to page: one request, its redirects, its body, in steps that [`Fetcher::fetch`] shows.
//!
//! What went wrong is a [`FetchError`]; whether it is worth another try is decided in
//! [`retry`], by a function of values. `fetch/` is the only place that knows the HTTP library.

mod client;
mod error;
mod host;
pub mod retry;

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION};
use reqwest::{Response, StatusCode};
use url::Url;

use crate::metrics::Metrics;
use crate::secret::shown;

pub use client::{ClientError, ClientOptions};
pub use error::{FetchError, Sample};
pub use host::{Blocked, Host};

/// Redirects followed before a chain of them is called a loop.
const MOST_REDIRECTS: usize = 10;

/// Bytes of an error's body that are read; more would cost more than the connection is worth.
const LARGEST_REFUSAL: usize = 64 << 10;

/// Makes requests. One for a whole crawl.
#[derive(Debug)]
pub struct Fetcher {
    clients: client::Clients,
    max_body: usize,
    metrics: Arc<Metrics>,
    first_redirect: OnceLock<Redirect>,
}

/// A page as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it came from in the end; it may hold credentials.
    pub url: Url,
    /// The header, where there is one.
    pub content_type: Option<Box<str>>,
    /// Decoded.
    pub body: Bytes,
    /// The header, where there is one.
    pub etag: Option<Box<str>>,
    /// The header, where there is one.
    pub last_modified: Option<Box<str>>,
}

/// A redirect that was followed, both ends as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// What was asked for.
    pub from: String,
    /// Where it led.
    pub to: String,
}

impl Fetcher {
    /// A fetcher whose counters are `metrics`'.
    ///
    /// # Errors
    /// Where the HTTP client cannot be made, for instance because of a proxy's URL.
    pub fn new(options: &ClientOptions, metrics: Arc<Metrics>) -> Result<Fetcher, ClientError> {
        Ok(Fetcher {
            clients: client::Clients::new(options)?,
            max_body: options.max_body,
            metrics,
            first_redirect: OnceLock::new(),
        })
    }

    /// Asks for a page and reads it to its end.
    ///
    /// # Errors
    /// Whatever is not a page with status 200: see [`FetchError`].
    pub async fn fetch(&self, url: &Url) -> Result<Page, FetchError> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let started = Instant::now();
            let mut response = self.send(&url).await?;
            if let Some(target) = redirect_target(&url, &response)? {
                self.note_redirect(&url, &target);
                url = target;
                continue;
            }
            if response.status() != StatusCode::OK {
                return Err(self.refusal(response).await);
            }
            let body = body(&mut response, self.max_body).await?;
            self.metrics.received(started.elapsed(), body.len());
            return Ok(page(&url, response.headers(), body));
        }
        Err(FetchError::RedirectLoop)
    }

    /// The first redirect that was followed, where there was one.
    pub fn first_redirect(&self) -> Option<&Redirect> {
        self.first_redirect.get()
    }

    /// Sends the request, once more where a kept-alive connection turned out to be closed.
    async fn send(&self, url: &Url) -> Result<Response, FetchError> {
        let client = self.clients.next();
        self.metrics.sent();
        match client.get(url.clone()).send().await.map_err(|error| FetchError::sending(&error)) {
            Err(FetchError::Closed(_)) => {
                self.metrics.retried();
                self.metrics.sent();
                client.get(url.clone()).send().await.map_err(|error| FetchError::sending(&error))
            }
            sent => sent,
        }
    }

    /// What an answer other than 200 says. Its body is but a sample: that it breaks off or is too
    /// large must not hide the status.
    async fn refusal(&self, mut response: Response) -> FetchError {
        let status = response.status().as_u16();
        let wait = retry_after(response.headers(), SystemTime::now());
        let body = body(&mut response, LARGEST_REFUSAL).await.unwrap_or_default();
        FetchError::Status { status, wait, sample: Sample::of(&body) }
    }

    fn note_redirect(&self, from: &Url, to: &Url) {
        self.metrics.redirected();
        self.first_redirect.get_or_init(|| Redirect { from: shown(from), to: shown(to) });
    }
}

/// Reads a body of at most `most` bytes. Decoded bytes are counted as they come, so a decompression
/// bomb is cut.
async fn body(response: &mut Response, most: usize) -> Result<Bytes, FetchError> {
    let too_large = || FetchError::TooLarge(most);
    let mut chunk = async || response.chunk().await.map_err(|error| FetchError::reading(&error));
    let Some(first) = chunk().await? else { return Ok(Bytes::new()) };
    let Some(second) = chunk().await? else {
        return if first.len() > most { Err(too_large()) } else { Ok(first) };
    };
    let mut body = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(part) = next {
        if body.len() + part.len() > most {
            return Err(too_large());
        }
        body.extend_from_slice(&part);
        next = chunk().await?;
    }
    Ok(body.freeze())
}

/// Where an answer leads, if it leads elsewhere. Other hosts are refused.
fn redirect_target(url: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    let redirects = [301, 302, 303, 307, 308].contains(&response.status().as_u16());
    let location = response.headers().get(LOCATION).filter(|_| redirects);
    let Some(location) = location else { return Ok(None) };
    let refused = |to: String| FetchError::RedirectRefused { to };
    let target = location.to_str().ok().and_then(|location| url.join(location).ok());
    let Some(target) = target else { return Err(refused("something that is no URL".to_owned())) };
    if !stays(url, &target) {
        return Err(refused(shown(&target)));
    }
    let mut target = target;
    // Fails only for URLs that cannot have user information, which http and https can.
    let _ = target.set_username(url.username());
    let _ = target.set_password(url.password());
    Ok(Some(target))
}

/// Whether a redirect leads to the same origin, or to its https twin. Headers and credentials
/// follow it, so nothing else will do.
fn stays(from: &Url, to: &Url) -> bool {
    let origin = |url: &Url| (url.scheme().to_owned(), url.port_or_known_default());
    let twin = origin(from) == ("http".to_owned(), Some(80))
        && origin(to) == ("https".to_owned(), Some(443));
    from.host() == to.host() && (origin(from) == origin(to) || twin)
}

fn page(url: &Url, headers: &HeaderMap, body: Bytes) -> Page {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(Into::into);
    Page {
        url: url.clone(),
        content_type: text(CONTENT_TYPE),
        body,
        etag: text(ETAG),
        last_modified: text(LAST_MODIFIED),
    }
}

/// How long the site asks to wait: `Retry-After` in seconds or as an HTTP date (RFC 9110,
/// section 10.2.3). What is past or no time at all asks for nothing.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(reqwest::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are as long as can be; the policy caps them.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", text.parse().unwrap());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        retry_after(&headers, now)
    }

    #[test]
    fn w10_redirects_stay_with_the_origin() {
        let stays =
            |from: &str, to: &str| stays(&Url::parse(from).unwrap(), &Url::parse(to).unwrap());
        assert!(stays("http://h/a", "http://h/b/"));
        assert!(stays("http://h/a", "https://h/a"));
        assert!(!stays("https://h/a", "http://h/a"));
        assert!(!stays("http://h/a", "http://h:9200/a"));
        assert!(!stays("http://h:8080/a", "https://h/a"));
        assert!(!stays("http://h/a", "http://169.254.169.254/a"));
    }

    #[test]
    fn w2_retry_after_is_seconds_or_a_date_and_nothing_else() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:49:27 GMT"), None, "past");
        assert_eq!(wait("-5"), None);
        assert_eq!(wait("soon"), None);
        assert_eq!(wait(""), None);
        assert_eq!(wait("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
    }
}
