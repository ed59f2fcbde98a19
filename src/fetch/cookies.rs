//! Cookies of a session (RFC 6265). They are kept from the site's own origin only, and sent there
//! only, so that the `Domain` attribute decides nothing but whether a cookie is valid.

use std::time::{Duration, SystemTime};

use reqwest::header::{HeaderMap, SET_COOKIE};
use url::Url;

/// Maximum size of all cookies together, in bytes. The oldest ones are dropped: servers refuse
/// longer heads.
const LARGEST_JAR: usize = 6 << 10;

/// Cookies of a session, the oldest first.
#[derive(Debug, Default)]
pub struct Jar(Vec<Cookie>);

struct Cookie {
    name: String,
    value: String,
    path: String,
    is_secure: bool,
    expires: Option<SystemTime>,
}

/// Shows no value.
impl std::fmt::Debug for Cookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Jar {
    /// Keeps the cookies that the response from `url` sets, and removes those that it lets expire.
    /// Returns the values that are new.
    pub fn keep(&mut self, url: &Url, headers: &HeaderMap, now: SystemTime) -> Vec<String> {
        let mut new = Vec::new();
        for header in headers.get_all(SET_COOKIE) {
            let Ok(text) = std::str::from_utf8(header.as_bytes()) else { continue };
            let Some(cookie) = Cookie::parse(text, url, now) else { continue };
            let is_same = |it: &Cookie| it.name == cookie.name && it.path == cookie.path;
            let at = self.0.iter().position(is_same);
            if cookie.expires.is_some_and(|expires| expires <= now) {
                at.map(|at| self.0.remove(at));
                continue;
            }
            if at.is_none_or(|at| self.0[at].value != cookie.value) {
                new.push(cookie.value.clone());
            }
            match at {
                Some(at) => self.0[at] = cookie,
                None => self.0.push(cookie),
            }
        }
        while self.0.iter().map(Cookie::size).sum::<usize>() > LARGEST_JAR {
            self.0.remove(0);
        }
        new
    }

    /// Returns the value of the `Cookie` header for a request to `url`, or `None` if there are no
    /// cookies for it. Those of longer paths come first.
    pub fn header(&self, url: &Url, now: SystemTime) -> Option<String> {
        let mut sent: Vec<&Cookie> = self.0.iter().filter(|it| it.goes_to(url, now)).collect();
        sent.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs = sent.iter().map(|Cookie { name, value, .. }| format!("{name}={value}"));
        Some(pairs.collect::<Vec<_>>().join("; ")).filter(|text| !text.is_empty())
    }
}

impl Cookie {
    /// Parses a `Set-Cookie` header. Returns `None` for one that a browser would ignore.
    fn parse(text: &str, url: &Url, now: SystemTime) -> Option<Cookie> {
        let mut parts = text.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let mut cookie = Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            path: usual_path(url),
            is_secure: false,
            expires: None,
        };
        let mut has_age = false;
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "secure" => cookie.is_secure = true,
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "domain" if !is_within(url.host_str()?, value.trim()) => return None,
                "max-age" => {
                    let Ok(seconds) = value.trim().parse::<i64>() else { continue };
                    has_age = true;
                    let age = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                    cookie.expires = now.checked_add(age);
                }
                "expires" if !has_age => {
                    cookie.expires = httpdate::parse_http_date(&value.replace('-', " ")).ok();
                }
                _ => {}
            }
        }
        let is_plain = !text.contains(|c: char| c.is_ascii_control());
        let fits = cookie.size() <= LARGEST_JAR;
        (is_plain && fits && !cookie.name.is_empty()).then_some(cookie)
    }

    fn goes_to(&self, url: &Url, now: SystemTime) -> bool {
        let rest = url.path().strip_prefix(&*self.path);
        let is_below = rest.is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        });
        let is_safe = !self.is_secure || url.scheme() == "https" || is_on_this_machine(url);
        is_below && is_safe && self.expires.is_none_or(|expires| expires > now)
    }

    fn size(&self) -> usize {
        self.name.len() + self.value.len() + 3
    }
}

/// Returns the path of a cookie that names none: the folder of the page that sets it.
fn usual_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        None | Some(("", _)) => "/".to_owned(),
        Some((folder, _)) => folder.to_owned(),
    }
}

/// Returns true if the `Domain` attribute names the host or a domain above it. No value means the
/// host.
fn is_within(host: &str, domain: &str) -> bool {
    let domain = domain.strip_prefix('.').unwrap_or(domain).to_ascii_lowercase();
    let above = || host.strip_suffix(&*domain).is_some_and(|rest| rest.ends_with('.'));
    domain.is_empty() || host == domain || above()
}

/// Returns true for loopback, where browsers, too, send secure cookies without TLS.
fn is_on_this_machine(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(jar: &mut Jar, url: &str, set: &[&str]) -> Vec<String> {
        let set = set.iter().map(|it| (SET_COOKIE, it.parse().unwrap()));
        jar.keep(&url.parse().unwrap(), &HeaderMap::from_iter(set), SystemTime::now())
    }

    fn sent(jar: &Jar, url: &str) -> String {
        jar.header(&url.parse().unwrap(), SystemTime::now()).unwrap_or_default()
    }

    fn with(set: &[&str]) -> Jar {
        let mut jar = Jar::default();
        set.iter().for_each(|set| drop(kept(&mut jar, "https://a.h.example/x/login", &[set])));
        jar
    }

    #[test]
    fn w29_cookies_go_where_browsers_send_them() {
        for (set, url, expected) in [
            ("a=1", "https://a.h.example/x/y", "a=1"),
            ("a=1", "https://a.h.example/x", "a=1"),
            ("a=1", "https://a.h.example/xy", ""),
            ("a=1; Path=/", "https://a.h.example/", "a=1"),
            ("a=1; path=/x/; HttpOnly; SameSite=Lax", "https://a.h.example/x/z", "a=1"),
            ("a=1; Path=nonsense", "https://a.h.example/x/z", "a=1"),
            ("a=b=c==; Path=/", "https://a.h.example/", "a=b=c=="),
            (" a = 1 ;Path=/", "https://a.h.example/", "a=1"),
            ("a=; Path=/", "https://a.h.example/", "a="),
            ("a=1; Path=/; Secure", "http://a.h.example/", ""),
            ("a=1; Path=/; Secure", "http://127.0.0.1/", "a=1"),
            ("a=1; Path=/; Domain=.h.EXAMPLE", "https://a.h.example/", "a=1"),
            ("a=1; Path=/; Domain=other.example", "https://a.h.example/", ""),
            ("a=1; Path=/; Domain=b.a.h.example", "https://a.h.example/", ""),
            (
                "a=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                "https://a.h.example/",
                "a=1",
            ),
            ("a=1; Path=/; Max-Age=0", "https://a.h.example/", ""),
            ("a=1; Path=/; Max-Age=99999999999999999", "https://a.h.example/", "a=1"),
            ("a=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "https://a.h.example/", ""),
            ("a=1; Path=/; Expires=soon", "https://a.h.example/", "a=1"),
            ("=1; Path=/", "https://a.h.example/", ""),
            ("a; Path=/", "https://a.h.example/", ""),
            ("a=1\u{9}2; Path=/", "https://a.h.example/", ""),
        ] {
            assert_eq!(sent(&with(&[set]), url), expected, "{set} {url}");
        }
    }

    #[test]
    fn w29_cookies_replace_each_other_and_expire() {
        let jar = with(&["a=1; Path=/", "b=2", "a=3; Path=/", "c=4; Path=/"]);
        assert_eq!(sent(&jar, "https://a.h.example/x/y"), "b=2; a=3; c=4");
        let jar = with(&["a=1; Path=/", "a=; Path=/; Max-Age=-1"]);
        assert_eq!(sent(&jar, "https://a.h.example/"), "");
        let mut jar = with(&["a=1; Path=/"]);
        assert!(kept(&mut jar, "https://a.h.example/", &["a=1; Path=/"]).is_empty());
        assert_eq!(kept(&mut jar, "https://a.h.example/", &["a=2; Path=/"]), ["2"]);
    }

    #[test]
    fn w29_a_site_that_sets_ever_new_cookies_fills_no_memory() {
        let mut jar = Jar::default();
        for at in 0..10_000 {
            kept(&mut jar, "https://h/", &[&format!("c{at}={}; Path=/", "x".repeat(at % 700))]);
        }
        let sent = sent(&jar, "https://h/");
        assert!(sent.len() <= LARGEST_JAR && sent.contains("c9999="), "{}", sent.len());
        assert!(kept(&mut jar, "https://h/", &[&format!("big={}", "x".repeat(9000))]).is_empty());
    }
}
