//! Results of requests: pages, and responses of any status for people to look at.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use percent_encoding::{AsciiSet, percent_encode};
use reqwest::StatusCode;
use reqwest::header::{AsHeaderName, CONTENT_RANGE, CONTENT_TYPE, HeaderMap};
use url::Url;

use super::{FetchError, Statuses, coding, quota};

/// A page as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Final URL, after redirects. It may hold credentials.
    pub url: Url,
    /// Headers of the response.
    pub headers: HeaderMap,
    /// Decoded body.
    pub body: Bytes,
}

/// A response of any status, for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// HTTP version, such as `HTTP/1.1`.
    pub version: String,
    /// URL, headers and body.
    pub page: Page,
    /// Redirects that were followed.
    pub redirects: Vec<Redirect>,
    /// Target of a redirect that was not followed, as it may be shown, or `None`.
    pub leads_to: Option<String>,
    /// Time to connect for the last request. `None` if the connection existed before, or
    /// [`ClientOptions::connect_clock`](super::ClientOptions::connect_clock) is not set.
    pub connect: Option<Duration>,
    /// Time from the last request to the head of its response, including the connection.
    pub head_after: Duration,
    /// Time from the last request to the end of the body.
    pub body_after: Duration,
}

impl Answer {
    /// Returns the error that a fetch makes of this response, or `None` if it is a page or leads away.
    pub fn failure(&self, statuses: &Statuses) -> Option<FetchError> {
        let status = self.status.as_u16();
        if self.leads_to.is_some() || statuses.is_ok(status) {
            return None;
        }
        let wait = asked_wait(statuses, status, &self.page.headers);
        Some(match statuses.is_later(status) {
            true => FetchError::Later { status, wait },
            false => FetchError::Status { status, wait, sample: None },
        })
    }
}

/// Returns the wait that a response which is no page asks for, or `None`.
pub fn asked_wait(statuses: &Statuses, status: u16, headers: &HeaderMap) -> Option<Duration> {
    let named = match statuses.is_later(status) {
        true => quota::wait(headers, SystemTime::now()),
        false => quota::asked(status, headers, SystemTime::now()),
    };
    statuses.wait(status, named)
}

/// Result of a conditional request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The page has changed.
    Page(Page),
    /// The page is unchanged.
    NotModified {
        /// Final URL, after redirects. It may hold credentials.
        url: Url,
        /// Headers of the response.
        headers: HeaderMap,
    },
}

/// A redirect that was followed. Both URLs are as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// Status of the response.
    pub status: u16,
    /// Requested URL.
    pub from: String,
    /// Target URL.
    pub to: String,
}

/// Converts a header's value that holds a URL to text. Non-ASCII bytes are percent-encoded
/// unchanged, as in browsers and curl: a site that sends Latin-1 expects Latin-1 back.
pub fn url_text(value: &[u8]) -> String {
    percent_encode(value, &AsciiSet::EMPTY).to_string()
}

/// Returns the byte range of a response that holds only part of the page, which was not requested.
/// Other units are private to a site and describe lists.
pub fn part(headers: &HeaderMap) -> Option<&str> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
    let (span, whole) = range.strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let [first, last, whole] = [first, last, whole].map(|it| it.trim().parse::<u64>().ok());
    let is_whole = first? == 0 && whole.is_none_or(|whole| last.is_some_and(|it| it + 1 >= whole));
    (!is_whole).then_some(range)
}

impl Page {
    /// Returns the page unpacked, if its body is a file that is packed with gzip. One that is damaged, or
    /// larger than `most` bytes when unpacked, stays packed.
    pub fn unpacked(self, most: usize) -> Page {
        let body = coding::unpacked_file(&self.body, most);
        Page { body: body.unwrap_or(self.body), ..self }
    }

    /// Returns the first header with this name, or `None` if it is missing or not text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the `Content-Type` header, or `None`.
    pub fn content_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE)
    }
}
