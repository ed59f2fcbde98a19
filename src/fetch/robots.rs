//! robots.txt (RFC 9309): pages that crawlers must not request, and the delay between requests.

use std::time::Duration;

use robotxt::Robots;
use tokio::time::Instant;
use tracing::warn;
use url::{Position, Url};

use super::{FetchError, Fetcher, Home, HostPolicy, Page, Request, retry};
use crate::observe::waits::Waits;

/// Maximum delay between requests that a site can ask for.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// Maximum number of bytes of robots.txt that are read, at least as many as RFC 9309 requires.
pub const LARGEST: usize = 500 << 10;
/// Name to match rules against if the User-Agent is a browser's.
const OWN_NAME: &str = "gleaner";

/// Rules of a site for a crawler.
#[derive(Debug, Clone)]
pub struct Rules(Robots);

/// Returns the request for a site's robots.txt, or `None` if its URL cannot have one.
pub fn request(home: &Home) -> Option<Request> {
    let url = robotxt::robots_url(&home.site).ok()?;
    Some(Request::get(home.with_credentials(url)))
}

/// Requests the robots.txt of the host at `root`. Retries with growing delays while it cannot be
/// read.
///
/// # Errors
/// Returns an error if the rules cannot be determined.
pub async fn ask(
    fetcher: &Fetcher,
    root: &Url,
    policy: &HostPolicy,
    waits: &Waits,
) -> Result<Rules, FetchError> {
    let url = policy.robots.then(|| robotxt::robots_url(root).ok()).flatten();
    let Some(url) = url else { return Ok(Rules::none()) };
    let mut attempt = 1;
    loop {
        let request = Request::get(fetcher.with_credentials(url.clone()));
        let answer = fetcher.rules(request, LARGEST).await;
        let error = match Rules::of(answer, name(&policy.user_agent)) {
            Ok(rules) => return Ok(rules),
            Err(error) => error,
        };
        let delay = retry::after_no_rules(&error, attempt, policy.retries, fastrand::f64());
        let Some(delay) = delay else { return Err(error) };
        let host = &root[Position::BeforeHost..Position::AfterPort];
        let again = Instant::now() + delay;
        if !waits.begin(host, &format!("robots.txt cannot be read: {error}"), again) {
            warn!(host, "robots.txt cannot be read ({error}); retrying in {delay:.1?}");
        }
        attempt += 1;
        fetcher.retried();
        tokio::time::sleep_until(again).await;
        waits.end(host);
    }
}

/// Returns the name to match rules against, for a crawler with this User-Agent: its product token.
pub fn name(user_agent: &str) -> &str {
    let end = user_agent.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'));
    match &user_agent[..end.unwrap_or(user_agent.len())] {
        "" | "Mozilla" | "Opera" => OWN_NAME,
        name => name,
    }
}

impl Rules {
    /// Returns rules that allow everything.
    pub fn none() -> Rules {
        Rules(Robots::allow_all())
    }

    /// Returns the rules for a crawler called `name`. A site that has none, or that answers with
    /// another page, allows everything.
    ///
    /// # Errors
    /// Returns an error if the rules are unknown, because the request failed or its redirect may
    /// not be followed. Unknown rules do not allow everything.
    pub fn of(answer: Result<Page, FetchError>, name: &str) -> Result<Rules, FetchError> {
        match answer {
            Ok(page) => Ok(Rules(Robots::parse(&page.body, name))),
            Err(FetchError::Status { status: 204 | 400..=406 | 408..=428 | 430..=499, .. }) => {
                Ok(Rules::none())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns `true` if a URL of the site may be requested.
    pub fn allow(&self, url: &Url) -> bool {
        self.0.always().unwrap_or_else(|| self.0.is_url_allowed(url))
    }

    /// Returns the requested delay between requests, limited to the maximum, and `true` if it was
    /// limited. Returns `None` if no delay is requested.
    pub fn delay(&self) -> Option<(Duration, bool)> {
        let asked = self.0.crawl_delay().filter(|delay| !delay.is_zero())?;
        Some((asked.min(LONGEST_DELAY), asked > LONGEST_DELAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::HeaderMap;

    fn rules(text: &str) -> Rules {
        let body = bytes::Bytes::copy_from_slice(text.as_bytes());
        let url = Url::parse("http://h/robots.txt").unwrap();
        Rules::of(Ok(Page { url, headers: HeaderMap::new(), body }), "gleaner").unwrap()
    }

    fn status(status: u16) -> Result<Rules, FetchError> {
        Rules::of(Err(FetchError::Status { status, wait: None, sample: None }), "gleaner")
    }

    #[test]
    fn w12_rules_are_obeyed_and_what_is_none_asks_nothing() {
        let url = |path: &str| Url::parse(&format!("http://h{path}")).unwrap();
        let own = rules("User-agent: *\nDisallow: /\n\nUser-agent: gleaner\nDisallow: /private\n");
        assert!(own.allow(&url("/a")) && !own.allow(&url("/private/a")));
        let all = rules("User-agent: *\nDisallow: /api/\nAllow: /api/book/\n");
        assert!(all.allow(&url("/api/book/1")) && !all.allow(&url("/api/user/1")));
        assert!(rules("<!doctype html><html><body>404</body></html>").allow(&url("/a")));
        let huge = format!("User-agent: *\n{}Disallow: /\n", "# much\n".repeat(200_000));
        assert!(rules(&huge).allow(&url("/a")), "what is behind 500 KiB is not looked at");
        assert!(status(404).unwrap().allow(&url("/a")));
        assert!(status(401).unwrap().allow(&url("/a")) && status(418).unwrap().allow(&url("/a")));
        // 407 comes from a proxy, and says nothing about the site.
        for later in [407, 429, 500, 503] {
            assert!(status(later).is_err(), "{later}");
        }
    }

    #[test]
    fn w13_a_delay_is_capped() {
        let delay = |text: &str| rules(&format!("User-agent: *\nCrawl-delay: {text}\n")).delay();
        assert_eq!(delay("2"), Some((Duration::from_secs(2), false)));
        assert_eq!(delay("0.5"), Some((Duration::from_millis(500), false)));
        assert_eq!(delay("3600"), Some((LONGEST_DELAY, true)));
        assert_eq!(delay("0"), None);
        assert_eq!(delay("soon"), None);
    }

    #[test]
    fn rules_are_looked_for_by_the_crawlers_own_name() {
        for (user_agent, expected) in [
            ("gleaner/0.1.0", "gleaner"),
            ("mybot (+http://h)", "mybot"),
            ("Mozilla/5.0 (X11)", "gleaner"),
            ("", "gleaner"),
        ] {
            assert_eq!(name(user_agent), expected);
        }
    }
}
