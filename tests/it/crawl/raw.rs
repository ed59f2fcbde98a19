//! A site made of bare sockets, which says whatever bytes a test wants it to: for what no HTTP
//! library would send.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Items of the site: `1` to `6`.
pub const ITEMS: u32 = 6;
/// The one whose page is answered badly.
pub const BAD: &str = "3";

/// What is done to a connection instead of an answer. Once all of it is done it is closed.
#[derive(Clone)]
pub enum Step {
    Send(Vec<u8>),
    /// A byte at a time, with a pause after each.
    Slowly(Vec<u8>, Duration),
    /// Over and over.
    ForEver(Vec<u8>),
    /// Nothing more until the client leaves.
    Wait,
    Pause(Duration),
    /// Closed with RST, as a host does that knows nothing of the connection.
    Reset,
    /// The next request on the same connection is answered as if nothing had been.
    Keep,
}

/// A running site. Dropping it closes its port.
pub struct RawSite {
    pub url: String,
    site: Arc<Badly>,
    accepting: JoinHandle<()>,
}

struct Badly {
    steps: Vec<Step>,
    /// So many times, and then well.
    times: u32,
    asked: AtomicU32,
    paths: Mutex<Vec<String>>,
}

impl RawSite {
    /// A site whose bad page is answered by `steps` the first `times` times.
    pub async fn start(steps: &[Step], times: u32) -> RawSite {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = AtomicU32::new(0);
        let badly = Badly { steps: steps.to_vec(), times, asked, paths: Mutex::default() };
        let badly = Arc::new(badly);
        let site = badly.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, badly.clone()));
            }
        });
        RawSite { url, site, accepting }
    }

    /// What was asked for, as it was sent.
    pub fn paths(&self) -> Vec<String> {
        self.site.paths.lock().expect("a log").clone()
    }
}

impl Drop for RawSite {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// A whole answer.
pub fn answer(body: &str) -> Vec<u8> {
    let kind = "Content-Type: application/json";
    format!("HTTP/1.1 200 OK\r\n{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
}

/// An item's document.
pub fn document(key: &str) -> String {
    format!(r#"{{"id":"{key}","name":"the book {key}"}}"#)
}

fn list() -> String {
    let rows: Vec<String> = (1..=ITEMS).map(|key| format!(r#"{{"id":"{key}"}}"#)).collect();
    format!(r#"{{"count":{ITEMS},"results":[{}]}}"#, rows.join(","))
}

async fn serve(mut stream: TcpStream, badly: Arc<Badly>) {
    while let Some(path) = asked_for(&mut stream).await {
        badly.paths.lock().expect("a log").push(path.clone());
        let key = path.strip_prefix("/api/book/").and_then(|rest| rest.strip_suffix('/'));
        // Redirects lead to folders below.
        let key = key.and_then(|key| key.rsplit('/').next());
        let body = match key {
            None => list(),
            Some(BAD) if badly.asked.fetch_add(1, Relaxed) < badly.times => {
                match play(&mut stream, &badly.steps).await {
                    Some(()) => continue,
                    None => return,
                }
            }
            Some(key) => document(key),
        };
        if stream.write_all(&answer(&body)).await.is_err() {
            return;
        }
    }
}

/// Reads a request's head; nothing where the client left.
async fn asked_for(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    head.split_whitespace().nth(1).map(str::to_owned)
}

/// Says whether the connection goes on.
async fn play(stream: &mut TcpStream, steps: &[Step]) -> Option<()> {
    for step in steps {
        match step {
            Step::Send(bytes) => stream.write_all(bytes).await.ok()?,
            Step::Slowly(bytes, pause) => {
                for byte in bytes {
                    stream.write_u8(*byte).await.ok()?;
                    tokio::time::sleep(*pause).await;
                }
            }
            Step::ForEver(bytes) => loop {
                stream.write_all(bytes).await.ok()?;
                // One runtime serves and asks.
                tokio::task::yield_now().await;
            },
            Step::Wait => {
                let _ = stream.read(&mut [0]).await;
                return None;
            }
            Step::Pause(time) => tokio::time::sleep(*time).await,
            Step::Reset => {
                let _ = stream.set_zero_linger();
                return None;
            }
            Step::Keep => return Some(()),
        }
    }
    let _ = stream.shutdown().await;
    None
}
