//! A client that sends what it is told to, right or wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

/// Longer than any answer takes.
const LONGEST: Duration = Duration::from_secs(60);

/// Where a server is asked.
#[derive(Debug, Clone)]
pub enum Asking {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// An answer.
#[derive(Debug)]
pub struct Answered {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Asking {
    pub fn get(&self, path: &str) -> Answered {
        self.request("GET", path, "Host: localhost\r\n")
    }

    /// A request with these headers, each with its line end.
    pub fn request(&self, method: &str, path: &str, headers: &str) -> Answered {
        self.send(&format!("{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
    }

    /// Sends this, and reads to the end.
    pub fn send(&self, text: &str) -> Answered {
        let mut bytes = Vec::new();
        // An error at the end is a connection that was closed on what was not read.
        let _ = match self {
            Asking::Tcp(address) => {
                let mut stream = TcpStream::connect(address).expect("it accepts");
                stream.set_read_timeout(Some(LONGEST)).expect("a timeout");
                let _ = stream.write_all(text.as_bytes());
                stream.read_to_end(&mut bytes)
            }
            Asking::Unix(path) => {
                let mut stream = UnixStream::connect(path).expect("it accepts");
                let _ = stream.write_all(text.as_bytes());
                stream.read_to_end(&mut bytes)
            }
        };
        let text = String::from_utf8(bytes).expect("UTF-8");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text}"));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        Answered { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// An open connection.
    pub fn connect(&self) -> TcpStream {
        let Asking::Tcp(address) = self else { panic!("no port") };
        let stream = TcpStream::connect(address).expect("it accepts");
        stream.set_read_timeout(Some(LONGEST)).expect("a timeout");
        stream
    }
}

impl Answered {
    pub fn with(self, status: u16) -> Answered {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        self
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/json", "{}", self.body);
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = headers.filter(|(it, _)| it.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value)
    }
}
