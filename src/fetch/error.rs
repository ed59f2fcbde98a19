//! What can go wrong between a request and its page, told apart as far as it matters to a
//! decision or to a person.

use std::error::Error;
use std::time::Duration;

use super::client::LARGEST_HEAD;
use crate::secret::Secret;

/// Longest sample of a body that is kept.
const SAMPLE: usize = 2048;

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The site answered with a status that is not that of a page.
    #[error("{}{}", answered(*status), asked_to_wait(*wait))]
    Status {
        /// The status.
        status: u16,
        /// How long the site asks to wait.
        wait: Option<Duration>,
        /// The beginning of the body.
        sample: Option<Sample>,
    },
    /// The site answered that it has no page yet.
    #[error("the site answered {status}, not yet{}", asked_to_wait(*wait))]
    Later {
        /// The status.
        status: u16,
        /// How long to wait, by the site or the site file.
        wait: Option<Duration>,
    },
    /// No connection: refused, no such host, TLS.
    #[error("no connection: {0}")]
    Connect(String),
    /// No connection to a host that gave pages before, and is waited for.
    #[error("no connection: {0}")]
    Away(String),
    /// The time for the whole request, or the longest silence, has passed.
    #[error("no answer in time: {0}")]
    Timeout(String),
    /// The connection was closed before an answer came.
    #[error("the connection was closed before an answer came: {0}")]
    Closed(String),
    /// The body broke off or could not be decoded.
    #[error("the body broke off: {0}")]
    Body(String),
    /// The body is larger than what is accepted.
    #[error("the body is larger than {0} bytes (--max-body)")]
    TooLarge(usize),
    /// The head of the answer is larger than what is accepted.
    #[error("the head of the answer is larger than {} bytes", LARGEST_HEAD)]
    HeadTooLarge,
    /// One redirect too many.
    #[error("more than {0} redirects in a row")]
    RedirectLoop(usize),
    /// A redirect to another host, or from https to http.
    #[error("a redirect leads to {to}, which is not the site's own host")]
    RedirectRefused {
        /// Where it leads.
        to: String,
    },
    /// The site asks crawlers to leave the page alone.
    #[error("robots.txt asks crawlers to leave this page alone (--robots off passes over that)")]
    Forbidden,
    /// What the host asks of crawlers is not known.
    #[error("robots.txt of this page's host cannot be read, so that it is left alone: {0}")]
    NoRules(String),
    /// The page's host, which is not the site's own, refuses or gives no pages.
    #[error("not asked for: {0}")]
    GivenUp(String),
    /// The request could not be made at all.
    #[error("the request cannot be made: {0}")]
    Request(String),
}

/// The beginning of a body, at most 2 KiB, as text for people: no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample(Box<str>);

impl Sample {
    /// The sample of a body; none of an empty one.
    pub fn of(body: &[u8]) -> Option<Sample> {
        let text = String::from_utf8_lossy(&body[..body.len().min(SAMPLE)]);
        let plain = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
        let text: String = text.chars().map(plain).collect();
        (!text.trim().is_empty()).then(|| Sample(text.into()))
    }

    /// The text.
    pub fn into_text(self) -> Box<str> {
        self.0
    }
}

impl FetchError {
    /// The reason as one word, as failures are kept by.
    pub fn reason(&self) -> &'static str {
        match self {
            FetchError::Status { .. } | FetchError::Later { .. } => "status",
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

    /// The status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            FetchError::Status { status, .. } | FetchError::Later { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The error of a request that got no answer.
    pub(super) fn sending(error: &reqwest::Error) -> FetchError {
        let cause = root_cause(error);
        if error.is_connect() {
            // Where packets vanish, that a connection was waited for is all that is known.
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

    /// The same, of a request by way of this proxy: it may be the proxy that there is no connection to.
    pub(super) fn by_way_of(self, proxy: Option<&Secret>) -> FetchError {
        match (self, proxy) {
            (FetchError::Connect(why), Some(proxy)) => {
                FetchError::Connect(format!("{why} (by way of the proxy {proxy})"))
            }
            (error, _) => error,
        }
    }

    /// The error of a body that was not read to its end.
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

/// The innermost cause, which is the one that says something. It names no URL, so no secret.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error).last().map_or_else(String::new, ToString::to_string)
}

/// An error and its causes, from the outside in.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
}

/// Whether an answer had more fields, or longer ones, than the library had room for.
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
