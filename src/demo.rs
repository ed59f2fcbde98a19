//! The demo site: a book site with a JSON API on loopback, after spa5.scrape.center.
//!
//! For the tour without network (`gleaner demo`), for tests and for benchmarks. The same seed
//! gives the same site, byte for byte, on every machine. It answers
//!
//! - `GET /api/book/?limit=18&offset=N`: `{"count": …, "results": [rows]}`; a limit is held to
//!   1 to 1000, bad numbers fall back to the defaults, an offset past the end gives no rows;
//! - `GET /api/book/{id}/`: the document, or 404; without the last slash 301;
//! - anything else, `/robots.txt` too: 404.
//!
//! Faults are added with [`Demo::fault`], and items come, change and go while it runs. It serves
//! on a thread and a runtime of its own: sync and async callers may use it alike, and time paused
//! in the caller's runtime does not reach it. It binds to loopback only and must not be used to
//! serve anyone else. It must not need anything of the crawler, which it is there to test.

mod body;
mod books;
mod catalog;
mod chance;
mod churn;
mod counters;
mod faults;
mod ids;
mod mix;
mod routes;
mod server;
mod words;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use catalog::Catalog;
use routes::Manners;
use server::Site;

pub use churn::{Change, Churn, ChurnEvent};
pub use counters::{Seen, Stats};
pub use faults::Fault;
pub use mix::mixed_faults;

/// What kind of site to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Books listed at the start, 50,000,000 at most. Above 50,000 documents are made when they
    /// are asked for, which costs about 15 µs each, instead of being kept. Default 9,040.
    pub items: usize,
    /// Decides all content. Default 1.
    pub seed: u64,
    /// From the request to its answer; from 2 ms on true to about half a millisecond, below
    /// that a millisecond or so too long. Default none.
    pub latency: Duration,
    /// Default 0: a free one.
    pub port: u16,
    /// Bytes a second of all bodies together. Default `None`: as fast as they go.
    pub bandwidth: Option<u64>,
    /// Detail pages carry an `ETag` and answer `If-None-Match` with 304. Default false.
    pub etags: bool,
    /// Bodies are sent with gzip to clients that accept it; costs CPU for every answer. Default
    /// false.
    pub compress: bool,
    /// Changes a second, as [`Churn`] makes them, at even intervals. Default 0: none but those
    /// that the caller makes.
    pub churn: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            items: 9_040,
            seed: 1,
            latency: Duration::ZERO,
            port: 0,
            bandwidth: None,
            etags: false,
            compress: false,
            churn: 0.0,
        }
    }
}

/// A running site. Dropping it closes its connections and its port and ends its thread.
pub struct Demo {
    url: String,
    site: Arc<Site>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Demo {
    /// Makes the content and starts serving; it can be asked when this returns.
    ///
    /// # Errors
    /// When the port cannot be had, when there are no descriptors or threads left, or with more
    /// items than there are ids.
    pub fn start(options: Options) -> io::Result<Demo> {
        if options.items > ids::MOST_ITEMS {
            let text = format!("a demo site has {} items at most", ids::MOST_ITEMS);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let site = Arc::new(Site::new(
            Catalog::new(options.seed, options.items),
            options.latency,
            options.bandwidth,
            Manners { etags: options.etags, compress: options.compress },
        ));
        let (stop, stopped) = oneshot::channel();
        let (ready, readiness) = sync_channel(1);
        let shared = Arc::clone(&site);
        let thread = thread::Builder::new()
            .name("demo-site".to_owned())
            .spawn(move || run(shared, &options, &ready, stopped))?;
        let gone = |_| io::Error::other("the thread of the demo site ended");
        let address = readiness.recv().map_err(gone)??;
        let url = format!("http://{address}");
        Ok(Demo { url, site, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it is: `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Serves at most `most` requests at once from now on; above that it answers 503 at once.
    pub fn capacity(&self, most: u64) {
        self.site.set_capacity(most);
    }

    /// Requests that were refused because there were too many at once.
    pub fn refused(&self) -> u64 {
        self.site.refused()
    }

    /// Adds a rule after those there are; from the next request on.
    pub fn fault(&self, fault: Fault) {
        self.site.faults.add(fault);
    }

    /// Takes all rules away.
    pub fn clear_faults(&self) {
        self.site.faults.clear();
    }

    /// Starts to remember requests. Off by default, so that a benchmark does not pay for it.
    pub fn record(&self) {
        self.site.counters.record();
    }

    /// The requests since [`Demo::record`], in the order they came.
    pub fn requests(&self) -> Vec<Seen> {
        self.site.counters.log()
    }

    /// Counts so far.
    pub fn stats(&self) -> Stats {
        self.site.counters.stats()
    }

    /// Ids in the order of the list.
    pub fn keys(&self) -> Vec<String> {
        self.site.catalog().keys()
    }

    /// Whether the item is in the list.
    pub fn listed(&self, key: &str) -> bool {
        self.site.catalog().is_listed(key)
    }

    /// What the detail page says now; `None` where it says 404.
    pub fn document(&self, key: &str) -> Option<Value> {
        let detail = self.site.catalog().detail(key)?;
        serde_json::from_slice(&detail.body).ok()
    }

    /// Every version the item has had, oldest first, also of a removed one; empty for an id
    /// there never was.
    pub fn served(&self, key: &str) -> Vec<Value> {
        self.site.catalog().versions(key)
    }

    /// Puts a new item into the list at position `at`, or at the end where that is past it, and
    /// returns its id.
    pub fn insert(&self, at: usize) -> String {
        self.site.catalog_mut().insert(at)
    }

    /// Takes the item off the site: list and page. False when it was not there.
    pub fn remove(&self, key: &str) -> bool {
        self.site.catalog_mut().remove(key, true)
    }

    /// Takes the item off the list but leaves its page. False when it was not listed.
    pub fn unlist(&self, key: &str) -> bool {
        self.site.catalog_mut().remove(key, false)
    }

    /// Lists an item again that was removed or unlisted, as it was, at position `at`. False when
    /// it is listed or never was there.
    pub fn restore(&self, key: &str, at: usize) -> bool {
        self.site.catalog_mut().restore(key, at)
    }

    /// Gives the item its next version: another document with a later `updated_at`. False when
    /// it is not there.
    pub fn change(&self, key: &str) -> bool {
        self.site.catalog_mut().change(key)
    }

    /// Makes the next change of `churn`, and says what it was.
    pub fn churn(&self, churn: &mut Churn) -> Change {
        churn.step(&mut self.site.catalog_mut())
    }

    /// Closes connections and port and waits for the thread, which is a matter of milliseconds.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked and so has ended too.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demo").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The server's thread. Says through `ready` where it listens or why it cannot.
fn run(
    site: Arc<Site>,
    options: &Options,
    ready: &SyncSender<io::Result<SocketAddr>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let started = runtime.and_then(|runtime| {
        let listener = runtime.block_on(async { server::listen(options.port) })?;
        let address = listener.local_addr()?;
        Ok((runtime, listener, address))
    });
    match started {
        Ok((runtime, listener, address)) => {
            // The caller waits for this; should it have gone, `stopped` says so at once.
            let _ = ready.send(Ok(address));
            let changes = change(Arc::clone(&site), options.churn, Churn::new(options.seed));
            runtime.spawn(changes);
            runtime.block_on(server::serve(listener, site, stopped));
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

/// Makes `rate` changes a second until the runtime ends.
async fn change(site: Arc<Site>, rate: f64, mut churn: Churn) {
    let Ok(interval) = Duration::try_from_secs_f64(1.0 / rate) else { return };
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        churn.step(&mut site.catalog_mut());
    }
}
