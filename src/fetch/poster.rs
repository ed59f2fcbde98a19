//! Posting messages to a URL that the user named for it: no site, so no pace, no robots.txt and no
//! log. The URL is a secret, and is in no error.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use url::Url;

use super::trust;
use crate::model::text::secret::Secret;

/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Posts JSON to a URL.
pub struct Poster {
    http: reqwest::Client,
    url: Secret,
}

impl Poster {
    /// Creates a poster to `url`.
    ///
    /// # Errors
    /// Returns an error if it is not an `http` or `https` URL, or no client can be made.
    pub fn new(url: &str) -> Result<Poster, String> {
        let is_web = |url: &Url| ["http", "https"].contains(&url.scheme()) && url.has_host();
        if !Url::parse(url).is_ok_and(|url| is_web(&url)) {
            return Err("must be a URL that begins with http:// or https://".to_owned());
        }
        let tls = trust::config().map_err(|error| error.to_string())?;
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("gleaner/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls)
            .build()
            .map_err(|error| format!("no HTTP client: {}", reasons(error)))?;
        Ok(Poster { http, url: Secret::new(url) })
    }

    /// Posts a JSON text.
    ///
    /// # Errors
    /// Returns an error if there is no answer, or one that is not from 200 to 299.
    pub async fn post(&self, json: String) -> Result<(), String> {
        let request = self.http.post(self.url.expose()).body(json);
        sent(request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"))).await
    }

    /// Asks for the URL, as a sign of life.
    ///
    /// # Errors
    /// Same as [`Poster::post`].
    pub async fn ping(&self) -> Result<(), String> {
        sent(self.http.get(self.url.expose())).await
    }
}

/// Sends a request, and expects an answer from 200 to 299.
async fn sent(request: reqwest::RequestBuilder) -> Result<(), String> {
    let status = request.send().await.map_err(reasons)?.status();
    if status.is_success() { Ok(()) } else { Err(format!("answered {}", status.as_u16())) }
}

impl std::fmt::Debug for Poster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Poster")
    }
}

/// Describes an error and its causes, without the URL.
fn reasons(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
