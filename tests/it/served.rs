//! A site that a test makes up: a function from request to answer, served on loopback.
//!
//! It records what it was asked, with times, so that a test can say what a crawl may ask for and
//! what must run side by side. Like the demo site it has a thread and a runtime of its own. What
//! it cannot do (cut, stall) the demo site can.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::oneshot;

/// A running site. Dropping it closes its connections and its port and ends its thread.
pub struct Served {
    url: String,
    log: Arc<Log>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Without the query, as sent: nothing is decoded.
    pub path: String,
    /// The query as sent.
    pub raw_query: String,
    /// Decoded.
    pub query: BTreeMap<String, String>,
    /// Names in small letters.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub at: Instant,
}

/// What is answered.
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    delay: Duration,
    hangs_up: bool,
}

impl Served {
    /// Serves until it is dropped; it can be asked when this returns.
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Served {
        let log = Arc::new(Log::default());
        let site = Arc::new(Site { answer: Box::new(answer), log: Arc::clone(&log) });
        let (stop, stopped) = oneshot::channel();
        let (ready, readiness) = sync_channel(1);
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
                let listener = socket.listen(1024).expect("a port to listen on");
                ready.send(listener.local_addr().expect("an address")).expect("someone waits");
                let accept = async {
                    loop {
                        let (stream, _) = listener.accept().await.expect("a connection");
                        tokio::spawn(serve(stream, Arc::clone(&site)));
                    }
                };
                tokio::select! {
                    _ = stopped => {}
                    () = accept => {}
                }
            });
        });
        let address = readiness.recv().expect("the server starts");
        Served { url: format!("http://{address}"), log, stop: Some(stop), thread: Some(thread) }
    }

    /// Where it is: `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What was asked, in the order it came.
    pub fn requests(&self) -> Vec<Asked> {
        self.log.entries().iter().map(|entry| entry.asked.clone()).collect()
    }

    /// Requests for paths that begin like this.
    pub fn count(&self, path_prefix: &str) -> usize {
        self.log.entries().iter().filter(|entry| entry.asked.path.starts_with(path_prefix)).count()
    }

    /// Requests for paths that begin like this, at most, that waited for their answers at once.
    pub fn most_at_once(&self, path_prefix: &str) -> usize {
        let entries = self.log.entries();
        let of_these = entries.iter().filter(|entry| entry.asked.path.starts_with(path_prefix));
        // At one instant an end comes before a beginning.
        let mut edges: Vec<(Instant, isize)> = of_these
            .flat_map(|entry| {
                [Some((entry.asked.at, 1)), entry.answered.map(|at| (at, -1))].into_iter().flatten()
            })
            .collect();
        edges.sort();
        let (mut now, mut most) = (0, 0);
        for (_, step) in edges {
            now += step;
            most = most.max(now);
        }
        most.try_into().expect("as many ends as beginnings at most")
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked and so has ended too.
            let _ = thread.join();
        }
    }
}

impl Asked {
    /// A number of the query; nothing where it is not there or no number.
    pub fn number(&self, name: &str) -> Option<usize> {
        self.query.get(name)?.parse().ok()
    }

    /// A header; empty where it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// Where the site is, as the client sees it: for links that are absolute.
    pub fn origin(&self) -> String {
        format!("http://{}", self.header("host"))
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Answer {
    pub fn body(body: impl Into<Bytes>, content_type: &str) -> Answer {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Answer { status: 200, headers, body: body.into(), delay: Duration::ZERO, hangs_up: false }
    }

    pub fn json(value: &Value) -> Answer {
        Answer::body(value.to_string(), "application/json")
    }

    pub fn html(page: String) -> Answer {
        Answer::body(page, "text/html; charset=utf-8")
    }

    pub fn xml(text: String) -> Answer {
        Answer::body(text, "application/xml")
    }

    pub fn text(text: String) -> Answer {
        Answer::body(text, "text/plain; charset=utf-8")
    }

    pub fn not_modified() -> Answer {
        Answer::text(String::new()).status(304)
    }

    pub fn not_found() -> Answer {
        Answer::text("not found".to_owned()).status(404)
    }

    /// No answer: the connection is closed.
    pub fn hang_up() -> Answer {
        Answer { hangs_up: true, ..Answer::text(String::new()) }
    }

    /// With another status.
    pub fn status(self, status: u16) -> Answer {
        Answer { status, ..self }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Answer {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// So long after the request came.
    pub fn later(self, delay: Duration) -> Answer {
        Answer { delay, ..self }
    }
}

struct Site {
    answer: Box<dyn Fn(&Asked) -> Answer + Send + Sync>,
    log: Arc<Log>,
}

#[derive(Default)]
struct Log(Mutex<Vec<Entry>>);

struct Entry {
    asked: Asked,
    answered: Option<Instant>,
}

impl Log {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(stream: TcpStream, site: Arc<Site>) {
    // Without it answers are late, but not wrong.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| answer(Arc::clone(&site), request));
    // Fails where the client left: nothing to report.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    site: Arc<Site>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let at = Instant::now();
    let (head, body) = request.into_parts();
    let query = url::form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        raw_query: head.uri.query().unwrap_or_default().to_owned(),
        query: query.into_owned().collect(),
        headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: body.collect().await.map(|body| body.to_bytes().to_vec()).unwrap_or_default(),
        at,
    };
    let number = {
        let mut entries = site.log.entries();
        entries.push(Entry { asked: asked.clone(), answered: None });
        entries.len() - 1
    };
    let answer = (site.answer)(&asked);
    tokio::time::sleep_until((at + answer.delay).into()).await;
    site.log.entries()[number].answered = Some(Instant::now());
    if answer.hangs_up {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::new(answer.body)).expect("status and headers are some"))
}

#[tokio::test]
async fn what_was_asked_is_recorded_and_answered_as_told() {
    let delay = Duration::from_millis(100);
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/slow" => Answer::text(asked.query["q"].clone()).header("x-total", "7").later(delay),
        "/echo" => Answer::json(&asked.json()).status(201),
        _ => Answer::not_found(),
    });
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let get = |path: &str| client.get(format!("{}{path}", served.url())).send();
    let begun = Instant::now();
    let (one, two) = tokio::join!(get("/slow?q=%E5%A5%BD+1"), get("/slow?q=2"));
    assert!(begun.elapsed() >= delay);
    let one = one.expect("an answer");
    assert_eq!(one.headers()["x-total"], "7");
    assert_eq!(one.text().await.expect("a body"), "好 1");
    assert_eq!(two.expect("an answer").status(), 200);
    assert_eq!(get("/other").await.expect("an answer").status(), 404);
    let sent = client.post(format!("{}/echo", served.url())).body(r#"{"a":null}"#).send().await;
    assert_eq!(sent.expect("an answer").status(), 201);
    assert_eq!((served.count("/slow"), served.count("/")), (2, 4));
    assert_eq!((served.most_at_once("/slow"), served.most_at_once("/other")), (2, 1));
    let last = served.requests().pop().expect("a request");
    assert_eq!((last.method.as_str(), last.body.as_slice()), ("POST", &br#"{"a":null}"#[..]));
}
