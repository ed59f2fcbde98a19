//! Decides which requests are answered at all.
//!
//! A page of another origin can make a browser ask a server on loopback by a name that the page's
//! owner lets resolve to 127.0.0.1 (DNS rebinding), and would then read the answer. So a request must
//! name a host that is known to mean this server.

use std::net::{IpAddr, Ipv6Addr};

use hyper::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::answer::Answer;
use super::listener::Address;

/// Checks requests before they are answered.
#[derive(Debug)]
pub struct Guard {
    /// Names by which the server may be asked, beside those of loopback, in lower case.
    names: Vec<String>,
}

impl Guard {
    /// Creates the guard of a server at `address` that may also be asked by the names `hosts`.
    pub fn new(address: &Address, hosts: Vec<String>) -> Guard {
        let own = match address {
            Address::Tcp(address) if !address.ip().is_unspecified() => Some(address.ip()),
            _ => None,
        };
        let own = own.map(|ip| ip.to_string());
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase());
        Guard { names: own.into_iter().chain(hosts).collect() }
    }

    /// Returns the refusal of a request, or `None` if it may be answered.
    pub fn refuse(&self, request: &Parts) -> Option<Answer> {
        let hosts: Vec<Option<&str>> = request
            .headers
            .get_all(HOST)
            .iter()
            .map(|value| value.to_str().ok())
            .chain(request.uri.authority().map(|it| Some(it.as_str())))
            .collect();
        if request.headers.get_all(HOST).iter().count() != 1 {
            let why = "a request must have one Host header";
            return Some(Answer::text(StatusCode::BAD_REQUEST, why).last());
        }
        if !hosts.into_iter().all(|host| host.is_some_and(|host| self.knows(host))) {
            let why = "this server is not known by the name in the Host header; \
                       start it with --listen-host NAME to allow it";
            return Some(Answer::text(StatusCode::MISDIRECTED_REQUEST, why).last());
        }
        if ![Method::GET, Method::HEAD].contains(&request.method) {
            let why = "this server only shows; use GET or HEAD";
            return Some(Answer::text(StatusCode::METHOD_NOT_ALLOWED, why).last());
        }
        let length = request.headers.get(CONTENT_LENGTH);
        let has_body = length.is_some_and(|length| length.as_bytes() != b"0")
            || request.headers.contains_key(TRANSFER_ENCODING);
        has_body.then(|| {
            Answer::text(StatusCode::PAYLOAD_TOO_LARGE, "a request must have no body").last()
        })
    }

    /// Returns true if `host` is a name of this server. The port is not compared: it may be
    /// forwarded.
    fn knows(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        let name = name.to_ascii_lowercase();
        name == "localhost"
            || ip(&name).is_some_and(|ip| ip.is_loopback())
            || self
                .names
                .iter()
                .any(|known| *known == name || ip(known).is_some_and(|it| Some(it) == ip(&name)))
    }
}

/// Returns the IP address that a host is, with or without brackets.
fn ip(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare {
        Some(bare) => bare.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

/// Returns a host without its port, or `None` if it is not a host with an optional port.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    (is_whole && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn status(guard: &Guard, request: Request<()>) -> Option<u16> {
        let refusal = guard.refuse(&request.into_parts().0);
        refusal.map(|answer| answer.into_response().status().as_u16())
    }

    fn asked(guard: &Guard, host: &str) -> Option<u16> {
        status(guard, Request::get("/").header(HOST, host).body(()).unwrap())
    }

    #[test]
    fn only_names_of_this_server_are_answered() {
        let address = Address::Tcp("192.0.2.7:9640".parse().unwrap());
        let guard = Guard::new(&address, vec!["Watch.Example".to_owned()]);
        for known in [
            "localhost",
            "LOCALHOST:9640",
            "localhost:8080",
            "127.0.0.1:9640",
            "127.1.2.3",
            "[::1]:9640",
            "192.0.2.7:9640",
            "watch.example",
            "WATCH.example:443",
        ] {
            assert_eq!(asked(&guard, known), None, "{known}");
        }
        for strange in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:9640",
            "192.0.2.8",
            "0.0.0.0",
            "localhost:9640:1",
            "localhost:port",
            "me@localhost",
            "localhost/",
            "[::1",
            "",
            ":9640",
        ] {
            assert_eq!(asked(&guard, strange), Some(421), "{strange}");
        }
        let no_host = Request::get("/").body(()).unwrap();
        assert_eq!(status(&guard, no_host), Some(400));
        let two = Request::get("/").header(HOST, "localhost").header(HOST, "localhost");
        assert_eq!(status(&guard, two.body(()).unwrap()), Some(400));
        let absolute = Request::get("http://evil.example/").header(HOST, "localhost");
        assert_eq!(status(&guard, absolute.body(()).unwrap()), Some(421));
    }

    #[test]
    fn requests_that_could_change_something_are_refused() {
        let guard = Guard::new(&Address::Unix("/run/gleaner".into()), Vec::new());
        let request = |method: &str| Request::builder().method(method).header(HOST, "localhost");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "GETS"] {
            assert_eq!(status(&guard, request(method).body(()).unwrap()), Some(405), "{method}");
        }
        assert_eq!(status(&guard, request("HEAD").body(()).unwrap()), None);
        let empty = request("GET").header(CONTENT_LENGTH, 0).body(()).unwrap();
        assert_eq!(status(&guard, empty), None);
        let long = request("GET").header(CONTENT_LENGTH, 1).body(()).unwrap();
        assert_eq!(status(&guard, long), Some(413));
        let chunked = request("GET").header(TRANSFER_ENCODING, "chunked").body(()).unwrap();
        assert_eq!(status(&guard, chunked), Some(413));
    }
}
