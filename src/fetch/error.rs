//! Errors between a request and its page, as far as decisions or people need to tell them apart.

use std::error::Error;
use std::time::Duration;

use super::client::{LARGEST_HEAD, MOST_FIELDS};
use crate::model::text::secret::Secret;

/// Maximum size of a sample of a body, in bytes.
const SAMPLE: usize = 2048;

/// Reason why a request gave no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The response's status is not that of a page.
    #[error("{}{}", answered(*status), asked_to_wait(*wait))]
    Status {
        /// HTTP status.
        status: u16,
        /// Time that the site asks to wait, or `None`.
        wait: Option<Duration>,
        /// Beginning of the body, or `None` if it is empty.
        sample: Option<Sample>,
    },
    /// The response says that the page is not ready yet.
    #[error("the site answered {status}, not yet{}", asked_to_wait(*wait))]
    Later {
        /// HTTP status.
        status: u16,
        /// Time to wait, by the site or the site file, or `None`.
        wait: Option<Duration>,
    },
    /// The response says that the session has ended, and a new login does not help.
    #[error(
        "the site answered {status}, which a new login does not change: look at `take`, `headers` and `cookies` in [session], and at what the account may read"
    )]
    SessionRefused {
        /// HTTP status.
        status: u16,
        /// Beginning of the body, or `None` if it is empty.
        sample: Option<Sample>,
    },
    /// The login failed for good: its URL, and the reason. No page can be had without it.
    #[error(
        "cannot log in{0}. Look at the request in [session], and at the variables that it names"
    )]
    Login(String),
    /// The connection failed: refused, unknown host, TLS.
    #[error("no connection: {0}")]
    Connect(String),
    /// The connection failed to a host that gave pages before. It is retried until `--site-wait`
    /// ends.
    #[error("no connection: {0}")]
    Away(String),
    /// The request exceeded its total timeout or its read timeout.
    #[error("no answer in time: {0}")]
    Timeout(String),
    /// The connection was closed before a response came.
    #[error("the connection was closed before an answer came: {0}")]
    Closed(String),
    /// The body broke off or could not be decoded.
    #[error("the body broke off: {0}")]
    Body(String),
    /// The body is larger than `--max-body`.
    #[error("the body is larger than {0} bytes (--max-body)")]
    TooLarge(usize),
    /// The head of the response is larger than 64 KiB.
    #[error(
        "the head of the answer has more than {} fields or {} bytes",
        MOST_FIELDS,
        LARGEST_HEAD
    )]
    HeadTooLarge,
    /// There were too many redirects in a row.
    #[error("more than {0} redirects in a row")]
    RedirectLoop(usize),
    /// A redirect leads to another host, or from https to http.
    #[error("a redirect leads to {to}, which is not the site's own host")]
    RedirectRefused {
        /// Target of the redirect.
        to: String,
    },
    /// The site's robots.txt forbids the page.
    #[error("robots.txt asks crawlers to leave this page alone (--robots off passes over that)")]
    Forbidden,
    /// The host's robots.txt could not be read.
    #[error("robots.txt of this page's host cannot be read, so that it is left alone: {0}")]
    NoRules(String),
    /// The page's host, which is not the site's own, refuses or gives no pages.
    #[error("not requested: {0}")]
    GivenUp(String),
    /// The request is invalid and was not sent.
    #[error("the request cannot be made: {0}")]
    Request(String),
}

/// Beginning of a body as text, at most 2 KiB, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample(Box<str>);

impl Sample {
    /// Returns the sample of a body, or `None` if it is blank.
    pub fn of(body: &[u8]) -> Option<Sample> {
        let text = String::from_utf8_lossy(&body[..body.len().min(SAMPLE)]);
        let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
        let text: String = text.chars().map(plain).collect();
        (!text.trim().is_empty()).then(|| Sample(text.into()))
    }

    /// Returns the text.
    pub fn into_text(self) -> Box<str> {
        self.0
    }
}

impl FetchError {
    /// Returns the reason as one word, by which failures are stored.
    pub fn reason(&self) -> &'static str {
        match self {
            FetchError::Status { .. } | FetchError::Later { .. } => "status",
            FetchError::SessionRefused { .. } | FetchError::Login(_) => "session",
            FetchError::Connect(_) | FetchError::Away(_) => "connect",
            FetchError::Timeout(_) => "timeout",
            FetchError::Closed(_) => "closed",
            FetchError::Body(_) => "body",
            FetchError::TooLarge(_) | FetchError::HeadTooLarge => "size",
            FetchError::RedirectLoop(_) | FetchError::RedirectRefused { .. } => "redirect",
            FetchError::Forbidden | FetchError::NoRules(_) => "robots",
            FetchError::GivenUp(_) => "host",
            FetchError::Request(_) => "request",
        }
    }

    /// Returns the status, or `None` if there was no response.
    pub fn status(&self) -> Option<u16> {
        match self {
            FetchError::Status { status, .. }
            | FetchError::Later { status, .. }
            | FetchError::SessionRefused { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Converts the error of a request that got no response.
    pub(super) fn sending(error: &reqwest::Error) -> FetchError {
        let cause = root_cause(error);
        if error.is_connect() {
            // If packets are dropped, all that is known is that connecting timed out.
            FetchError::Connect(if error.is_timeout() { "timed out".into() } else { cause })
        } else if error.is_timeout() {
            FetchError::Timeout(cause)
        } else if error.is_builder() {
            FetchError::Request(cause)
        } else if causes(error).any(is_large_head) {
            FetchError::HeadTooLarge
        } else {
            FetchError::Closed(cause)
        }
    }

    /// Names the proxy in a connection error, since the proxy may be what cannot be reached.
    pub(super) fn by_way_of(self, proxy: Option<&Secret>) -> FetchError {
        match (self, proxy) {
            (FetchError::Connect(why), Some(proxy)) => {
                FetchError::Connect(format!("{why} (by way of the proxy {proxy})"))
            }
            (error, _) => error,
        }
    }

    /// Converts the error of a body that was not read completely.
    pub(super) fn reading(error: &reqwest::Error) -> FetchError {
        let cause = root_cause(error);
        if error.is_timeout() { FetchError::Timeout(cause) } else { FetchError::Body(cause) }
    }
}

fn answered(status: u16) -> String {
    match status {
        407 => "the proxy asks for credentials (407): write --proxy http://USER:PASSWORD@HOST:PORT"
            .to_owned(),
        _ => format!("the site answered {status}"),
    }
}

fn asked_to_wait(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(" and asks to wait {} s", wait.as_secs()))
}

/// Returns the innermost cause, which is the most specific. It contains no URL and so no secret.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// Iterates over an error and its causes, from the outside in.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
}

/// Returns `true` if a response's head had more or longer fields than the library accepts.
fn is_large_head(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse_too_large)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_samples_hold_no_control_characters() {
        let sample = Sample::of(b"\x1b[31mred\x07 \xff\n\ttab").unwrap().into_text();
        assert_eq!(&*sample, "\u{fffd}[31mred\u{fffd} \u{fffd}\n\ttab");
        assert_eq!(Sample::of(&[b'x'; 5000]).unwrap().into_text().len(), SAMPLE);
        assert_eq!(Sample::of(b" \n"), None);
    }
}
