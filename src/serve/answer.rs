//! The answers of the server, with the headers that all of them have.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::model::text::plain_json;

/// Policy of what a page may load: styles, the script, pictures and parts of the page from here,
/// nothing from elsewhere, and nothing that stands in the page itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers of all answers.
const ALWAYS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Media type of JSON.
const JSON: &str = "application/json";

/// An answer to a request.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    media_type: &'static str,
    body: Bytes,
    /// True if the connection must be closed, since the rest of the request is not read.
    is_last: bool,
}

/// An error, as the JSON API answers it.
#[derive(Serialize)]
struct Trouble<'a> {
    error: &'a str,
}

impl Answer {
    /// Creates an answer with status 200.
    pub fn of(media_type: &'static str, body: impl Into<Bytes>) -> Answer {
        Answer { status: StatusCode::OK, media_type, body: body.into(), is_last: false }
    }

    /// Creates an HTML page.
    pub fn html(status: StatusCode, text: String) -> Answer {
        Answer::of("text/html; charset=utf-8", text).with(status)
    }

    /// Creates a text.
    pub fn text(status: StatusCode, text: &str) -> Answer {
        Answer::of("text/plain; charset=utf-8", format!("{text}\n")).with(status)
    }

    /// Creates a JSON document. Invisible characters in it are escaped.
    pub fn json(value: &impl Serialize) -> Answer {
        match serde_json::to_string(value) {
            Ok(text) => Answer::of(JSON, plain_json(&text) + "\n"),
            Err(error) => Answer::trouble(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        }
    }

    /// Creates a JSON document that says what is wrong.
    pub fn trouble(status: StatusCode, error: &str) -> Answer {
        let text = serde_json::to_string(&Trouble { error }).unwrap_or_default();
        Answer::of(JSON, plain_json(&text) + "\n").with(status)
    }

    /// Sets the status.
    pub fn with(self, status: StatusCode) -> Answer {
        Answer { status, ..self }
    }

    /// Closes the connection after the answer.
    pub fn last(self) -> Answer {
        Answer { is_last: true, ..self }
    }

    /// Returns the response.
    pub fn into_response(self) -> Response<Full<Bytes>> {
        let Answer { status, media_type, body, is_last } = self;
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        for (name, value) in ALWAYS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if is_last {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
