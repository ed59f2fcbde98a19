//! A request as it is to be made, and where it may lead.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use url::{Host, Url};

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// How.
    pub method: Method,
    /// What for; it may hold credentials.
    pub url: Url,
    /// Beside those that each request has. They go to this URL's origin only.
    pub headers: HeaderMap,
    /// What is sent along.
    pub body: Option<Body>,
    /// What it is for; nothing of that is sent.
    pub purpose: Purpose,
}

/// What a request is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purpose {
    /// Which task's it is, for the log; only where that is to be logged.
    pub task: Option<Box<str>>,
    /// Which attempt at the task.
    pub attempt: u32,
    /// Whether a wait that is asked for holds this page alone, and not the whole host.
    pub waits_alone: bool,
}

/// What is sent along with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// The header's value, unless another one is asked for.
    pub content_type: &'static str,
    /// What is sent.
    pub bytes: Bytes,
}

impl Request {
    /// A page is asked for, as nearly all are.
    pub fn get(url: Url) -> Request {
        let (method, headers, purpose) = (Method::GET, HeaderMap::new(), Purpose::default());
        Request { method, url, headers, body: None, purpose }
    }

    /// The request that an answer with `status` leads to. As browsers do, nothing is sent along a
    /// second time unless the answer (307, 308) asks for it; and nothing ever to another origin.
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

/// The site's own origin, and the hosts that it may lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Where the site is. Credentials and headers go nowhere else.
    pub site: Url,
    /// Others that its pages may lead to: `host`, or `host:port` for a port of its own.
    pub hosts: Vec<Box<str>>,
}

impl Home {
    /// Whether the site is on this machine, by what its URL says.
    pub fn is_on_this_machine(&self) -> bool {
        match self.site.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Whether `url` is of the site's own origin, or its https twin.
    pub fn is_own(&self, url: &Url) -> bool {
        same_origin(&self.site, url)
    }

    /// Whether a page may lead to `url`. Never from https to http.
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

    /// `url` by https where the site itself is asked so: lists of such sites often still name pages
    /// by http.
    pub fn upgraded(&self, mut url: Url) -> Url {
        let is_plain = url.scheme() == "http" && url.port().is_none();
        let is_secure = self.site.scheme() == "https" && self.site.port().is_none();
        if is_plain && is_secure && url.host() == self.site.host() {
            // Fails only between schemes of different kinds, which these are not.
            let _ = url.set_scheme("https");
        }
        url
    }

    /// `url` with the site's own user and password, where it is of the site's own origin.
    pub fn with_credentials(&self, mut url: Url) -> Url {
        if self.is_own(&url) && url.username().is_empty() && url.password().is_none() {
            // Fails only for URLs that cannot have user information, which http and https can.
            let _ = url.set_username(self.site.username());
            let _ = url.set_password(self.site.password());
        }
        url
    }
}

/// Whether a URL is of the same origin, or of its https twin.
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
