//! The demo site: a book site with a JSON API on loopback, modelled on spa5.scrape.center.
//!
//! It serves the tour without network (`gleaner demo`), tests and benchmarks. The same seed gives
//! the same site, byte for byte, on every machine. Its routes:
//!
//! - `GET /api/book/?limit=18&offset=N`: `{"count": …, "results": [rows]}`. The limit is clamped to
//!   1 to 1000, bad numbers fall back to the defaults, an offset past the end returns no rows.
//! - `GET /api/book/{id}/`: the document, or 404. Without the trailing slash: 301.
//! - Anything else, including `/robots.txt`: 404.
//!
//! [`Demo::fault`] adds faults. Items can be added, changed and removed while it runs. It has its
//! own thread and runtime: sync and async callers may use it alike, and paused time in the caller's
//! runtime does not affect it. It binds to loopback only and must not serve anyone else. It must
//! not depend on the crawler, which it is there to test.

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

/// Options of a demo site.
#[derive(Debug, Clone)]
pub struct Options {
    /// Number of books listed at the start, at most 50,000,000. Default 9,040. Above 50,000,
    /// documents are not kept but generated on request, which takes about 15 µs each.
    pub items: usize,
    /// Random seed that determines all content. Default 1.
    pub seed: u64,
    /// Time from a request to its response. Default none. Accurate to about half a millisecond from
    /// 2 ms on; shorter latencies come out about a millisecond too long.
    pub latency: Duration,
    /// Port to listen on. Default 0: a free one.
    pub port: u16,
    /// Bandwidth of all bodies together, in bytes per second. Default `None`: unlimited.
    pub bandwidth: Option<u64>,
    /// True if detail pages have an `ETag` and answer `If-None-Match` with 304. Default false.
    pub etags: bool,
    /// True if bodies are compressed with gzip for clients that accept it. Costs CPU for every
    /// answer. Default false.
    pub compress: bool,
    /// Changes per second, made by [`Churn`] at even intervals. Default 0: only the caller makes
    /// changes.
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

/// A running demo site. Dropping it closes its connections and its port and ends its thread.
pub struct Demo {
    url: String,
    site: Arc<Site>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Demo {
    /// Creates the content and starts serving. The site answers requests when this returns.
    ///
    /// # Errors
    /// Returns an error if the port is not available, if there are no descriptors or threads left,
    /// or if there are more items than ids.
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

    /// Returns the base URL: `http://127.0.0.1:PORT`, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Limits the number of concurrent requests to `most`. Further requests get a 503 immediately.
    pub fn capacity(&self, most: u64) {
        self.site.set_capacity(most);
    }

    /// Returns the number of requests refused because of the limit on concurrent requests.
    pub fn refused(&self) -> u64 {
        self.site.refused()
    }

    /// Adds a fault after the existing ones. It takes effect with the next request.
    pub fn fault(&self, fault: Fault) {
        self.site.faults.add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.site.faults.clear();
    }

    /// Starts recording requests. Off by default, so that benchmarks do not pay for it.
    pub fn record(&self) {
        self.site.counters.record();
    }

    /// Returns the requests since [`Demo::record`], in order of arrival.
    pub fn requests(&self) -> Vec<Seen> {
        self.site.counters.log()
    }

    /// Returns the counts so far.
    pub fn stats(&self) -> Stats {
        self.site.counters.stats()
    }

    /// Returns the ids in list order.
    pub fn keys(&self) -> Vec<String> {
        self.site.catalog().keys()
    }

    /// Returns true if the item is in the list.
    pub fn listed(&self, key: &str) -> bool {
        self.site.catalog().is_listed(key)
    }

    /// Returns the current document of the detail page, or `None` if the page answers 404.
    pub fn document(&self, key: &str) -> Option<Value> {
        let detail = self.site.catalog().detail(key)?;
        serde_json::from_slice(&detail.body).ok()
    }

    /// Returns every version of the item, oldest first, also if it was removed. Empty for an
    /// unknown id.
    pub fn served(&self, key: &str) -> Vec<Value> {
        self.site.catalog().versions(key)
    }

    /// Inserts a new item into the list at position `at`, or at the end if `at` is past it. Returns
    /// its id.
    pub fn insert(&self, at: usize) -> String {
        self.site.catalog_mut().insert(at)
    }

    /// Removes the item from the list, and its page. Returns false if the item was not there.
    pub fn remove(&self, key: &str) -> bool {
        self.site.catalog_mut().remove(key, true)
    }

    /// Removes the item from the list, but keeps its page. Returns false if the item was not
    /// listed.
    pub fn unlist(&self, key: &str) -> bool {
        self.site.catalog_mut().remove(key, false)
    }

    /// Lists a removed or unlisted item again, unchanged, at position `at`. Returns false if the
    /// item is listed or unknown.
    pub fn restore(&self, key: &str, at: usize) -> bool {
        self.site.catalog_mut().restore(key, at)
    }

    /// Moves the item to its next version: a different document with a later `updated_at`. Returns
    /// false if the item is not there.
    pub fn change(&self, key: &str) -> bool {
        self.site.catalog_mut().change(key)
    }

    /// Makes the next change of `churn`, and returns it.
    pub fn churn(&self, churn: &mut Churn) -> Change {
        churn.step(&mut self.site.catalog_mut())
    }

    /// Closes all connections and the port, and waits for the thread, which takes milliseconds.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // An error means that the thread panicked, so it has ended, too.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demo").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Runs the server's thread. Sends its address, or the reason why it cannot start, through `ready`.
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
            // The caller waits for this. If it is gone, `stopped` resolves at once.
            let _ = ready.send(Ok(address));
            let changes = change(Arc::clone(&site), options.churn, Churn::new(options.seed));
            runtime.spawn(changes);
            runtime.block_on(server::serve(listener, site, stopped));
        }
        Err(error) => drop(ready.send(Err(error))),
    }
}

/// Makes `rate` changes per second until the runtime ends.
async fn change(site: Arc<Site>, rate: f64, mut churn: Churn) {
    let Ok(interval) = Duration::try_from_secs_f64(1.0 / rate) else { return };
    let mut ticks = tokio::time::interval(interval.max(Duration::from_millis(1)));
    loop {
        ticks.tick().await;
        churn.step(&mut site.catalog_mut());
    }
}
