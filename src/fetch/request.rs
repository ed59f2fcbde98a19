//! Requests, and the origin and hosts that they may go to.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use url::{Host, Url};

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// URL. It may hold credentials.
    pub url: Url,
    /// Additional headers. They are sent to this URL's origin only.
    pub headers: HeaderMap,
    /// Body, or `None`.
    pub body: Option<Body>,
    /// Purpose of the request. It is not sent.
    pub purpose: Purpose,
}

/// Purpose of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purpose {
    /// Task of the request, for the log; `None` if requests are not logged.
    pub task: Option<Box<str>>,
    /// Number of the attempt at the task.
    pub attempt: u32,
    /// True if a requested wait applies to this page alone, not to the whole host.
    pub waits_alone: bool,
    /// True if the body is kept as it is: a file that is packed with gzip is not unpacked.
    pub is_file: bool,
}

/// Body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// Value of the `Content-Type` header, unless the request's headers contain one.
    pub content_type: &'static str,
    /// Content.
    pub bytes: Bytes,
}

impl Request {
    /// Creates a GET request.
    pub fn get(url: Url) -> Request {
        let (method, headers, purpose) = (Method::GET, HeaderMap::new(), Purpose::default());
        Request { method, url, headers, body: None, purpose }
    }

    /// Returns the request to which a redirect with `status` leads. As in browsers, the method and
    /// body are repeated only if the status asks for it (307, 308). A redirect to another origin
    /// becomes a plain GET request without headers.
    pub(super) fn redirected(self, status: u16, to: Url) -> Request {
        if !same_origin(&self.url, &to) {
            return Request { purpose: self.purpose, ..Request::get(to) };
        }
        let keeps =
            matches!(status, 307 | 308) || matches!(self.method, Method::GET | Method::HEAD);
        if keeps {
            return Request { url: to, ..self };
        }
        Request { headers: self.headers, purpose: self.purpose, ..Request::get(to) }
    }
}

/// Origin of the site, and hosts that it may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// URL of the site. Credentials and headers are not sent elsewhere.
    pub site: Url,
    /// Other hosts that its pages may lead to: `host`, or `host:port` for a specific port.
    pub hosts: Vec<Box<str>>,
}

impl Home {
    /// Returns `true` if the site's URL names this machine.
    pub fn is_on_this_machine(&self) -> bool {
        match self.site.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Returns `true` if `url` is of the site's own origin, or of its https twin.
    pub fn is_own(&self, url: &Url) -> bool {
        same_origin(&self.site, url)
    }

    /// Returns `true` if a page may lead to `url`. Never true from https to http.
    pub fn allows(&self, url: &Url) -> bool {
        if self.is_own(url) {
            return true;
        }
        let Some(host) = url.host_str() else { return false };
        let place = match url.port() {
            None => host.to_owned(),
            Some(port) => format!("{host}:{port}"),
        };
        let scheme_holds =
            url.scheme() == "https" || url.scheme() == "http" && self.site.scheme() == "http";
        scheme_holds && self.hosts.iter().any(|allowed| **allowed == *place)
    }

    /// Changes `url` to https if the site itself uses https: lists of such sites often still link
    /// to pages by http.
    pub fn upgraded(&self, mut url: Url) -> Url {
        let is_plain = url.scheme() == "http" && url.port().is_none();
        let is_secure = self.site.scheme() == "https" && self.site.port().is_none();
        if is_plain && is_secure && url.host() == self.site.host() {
            // This fails only between schemes of different kinds.
            let _ = url.set_scheme("https");
        }
        url
    }

    /// Adds the site's user and password to `url` if it is of the site's own origin.
    pub fn with_credentials(&self, mut url: Url) -> Url {
        if self.is_own(&url) && url.username().is_empty() && url.password().is_none() {
            // This fails only for URLs without an authority, unlike http and https.
            let _ = url.set_username(self.site.username());
            let _ = url.set_password(self.site.password());
        }
        url
    }
}

/// Returns `true` if `to` is of the same origin as `from`, or of its https twin.
pub(super) fn same_origin(from: &Url, to: &Url) -> bool {
    let [from_origin, to_origin] =
        [from, to].map(|url| (url.scheme(), url.port_or_known_default()));
    let is_twin = from_origin == ("http", Some(80)) && to_origin == ("https", Some(443));
    from.host() == to.host() && (from_origin == to_origin || is_twin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(site: &str, hosts: &[&str]) -> Home {
        let hosts = hosts.iter().map(|host| (*host).into()).collect();
        Home { site: Url::parse(site).unwrap(), hosts }
    }

    #[test]
    fn w10_pages_lead_to_the_site_s_own_origin() {
        let allows = |from: &str, to: &str| home(from, &[]).allows(&Url::parse(to).unwrap());
        assert!(allows("http://h/a", "http://h/b/"));
        assert!(allows("http://h/a", "https://h/a"));
        assert!(!allows("https://h/a", "http://h/a"));
        assert!(!allows("http://h/a", "http://h:9200/a"));
        assert!(!allows("http://h:8080/a", "https://h/a"));
        assert!(!allows("http://h/a", "http://169.254.169.254/a"));
        assert!(!allows("http://h/a", "file:///etc/passwd"));
    }

    #[test]
    fn hosts_that_are_named_are_allowed_and_get_no_credentials() {
        let home = home("https://me:secret@h/", &["cdn.h", "other:8443"]);
        let with = |url: &str| home.with_credentials(Url::parse(url).unwrap()).to_string();
        for (url, allowed) in [
            ("https://cdn.h/a", true),
            ("https://cdn.h:444/a", false),
            ("https://other:8443/a", true),
            ("https://other/a", false),
            ("http://cdn.h/a", false),
            ("ftp://cdn.h/a", false),
        ] {
            assert_eq!(home.allows(&Url::parse(url).unwrap()), allowed, "{url}");
            assert_eq!(with(url), url);
        }
        assert_eq!(with("https://h/a"), "https://me:secret@h/a");
    }

    #[test]
    fn nothing_is_sent_twice_unless_the_site_asks() {
        let body = Some(Body { content_type: "text/plain", bytes: Bytes::from_static(b"x") });
        let post = Request {
            method: Method::POST,
            body,
            ..Request::get(Url::parse("http://h/a").unwrap())
        };
        let to = Url::parse("http://h/b").unwrap();
        for (status, method, has_body) in
            [(301, Method::GET, false), (303, Method::GET, false), (307, Method::POST, true)]
        {
            let request = post.clone().redirected(status, to.clone());
            assert_eq!((request.method, request.body.is_some()), (method, has_body), "{status}");
        }
    }
}
