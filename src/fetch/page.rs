//! What comes back: a page, or for somebody who wants to look at it, an answer of any kind.

use std::time::Duration;

use bytes::Bytes;
use percent_encoding::{AsciiSet, percent_encode};
use reqwest::StatusCode;
use reqwest::header::{AsHeaderName, CONTENT_RANGE, CONTENT_TYPE, HeaderMap};
use url::Url;

/// A page as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it came from in the end; it may hold credentials.
    pub url: Url,
    /// As they came.
    pub headers: HeaderMap,
    /// Decoded.
    pub body: Bytes,
}

/// An answer of any status, as people look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Of HTTP, such as `HTTP/1.1`.
    pub version: String,
    /// What came.
    pub page: Page,
    /// What was followed to get there.
    pub redirects: Vec<Redirect>,
    /// Where it leads, as it may be shown, where that was not followed: to another host.
    pub leads_to: Option<String>,
    /// How long the last request's connection took. Nothing where it was made before, and where
    /// [`ClientOptions::connect_clock`](super::ClientOptions::connect_clock) is not set.
    pub connect: Option<Duration>,
    /// From the last request to the head of its answer, its connection included.
    pub head_after: Duration,
    /// From the last request to the end of the body.
    pub body_after: Duration,
}

/// What came of asking for a page if it is not what the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// It came.
    Page(Page),
    /// It is what the store holds.
    NotModified {
        /// Where it came from in the end; it may hold credentials.
        url: Url,
        /// What came instead.
        headers: HeaderMap,
    },
}

/// A redirect that was followed, both ends as they may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The answer's status.
    pub status: u16,
    /// What was asked for.
    pub from: String,
    /// Where it led.
    pub to: String,
}

/// A header's value that holds a URL, as text. Bytes beyond ASCII are percent-encoded as they are,
/// as browsers and curl do: a site that sends Latin-1 expects Latin-1 back.
pub fn url_text(value: &[u8]) -> String {
    percent_encode(value, &AsciiSet::EMPTY).to_string()
}

/// Returns the range that an answer holds, where it is a part of the page in bytes: nobody asked for
/// one. Other units are a site's own, of lists.
pub fn part(headers: &HeaderMap) -> Option<&str> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?.trim();
    let (span, whole) = range.strip_prefix("bytes")?.trim_start().split_once('/')?;
    let (first, last) = span.split_once('-')?;
    let [first, last, whole] = [first, last, whole].map(|it| it.trim().parse::<u64>().ok());
    let is_whole = first? == 0 && whole.is_none_or(|whole| last.is_some_and(|it| it + 1 >= whole));
    (!is_whole).then_some(range)
}

impl Page {
    /// The first header of that name, where it is text.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// What the site says that the body is.
    pub fn content_type(&self) -> Option<&str> {
        self.header(CONTENT_TYPE)
    }
}
