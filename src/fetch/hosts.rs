//! All hosts of a site: its own, and those that it leads to. Each has its own state, so that one
//! host that must wait does not delay the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use url::Url;

use super::host::{Host, Slot, Wake};
use super::{FetchError, Fetcher, Home};
use crate::frontier::Lease;
use crate::observe::waits::Waits;

/// Policy for requests, the same for each host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostPolicy {
    /// Maximum number of concurrent requests.
    pub workers: u32,
    /// True to lower the concurrency while a host struggles.
    pub adaptive: bool,
    /// Maximum number of requests per second, or `None` for no limit.
    pub rate: Option<f64>,
    /// True to obey robots.txt.
    pub robots: bool,
    /// User-Agent that robots.txt rules are matched against.
    pub user_agent: String,
    /// Number of retries of robots.txt.
    pub retries: u32,
    /// Number of consecutive refusals after which a host counts as blocking us.
    pub block_after: u32,
    /// Maximum time to wait for a host that cannot be reached.
    pub site_wait: Duration,
    /// Initial concurrency, if it is adaptive.
    pub at_first: u32,
}

/// All hosts of a site.
#[derive(Debug)]
pub struct Hosts {
    policy: Arc<HostPolicy>,
    home: Arc<Host>,
    /// Other hosts, by host and port.
    others: Mutex<HashMap<String, Arc<Host>>>,
    wake: Arc<Wake>,
    waits: Waits,
    ready: async_channel::Receiver<(Lease, Slot)>,
}

/// Result of entering a host with a task.
#[derive(Debug)]
pub enum Entered {
    /// The request may leave.
    Go(Lease, Slot),
    /// The lease is parked until a worker gets it.
    Parked,
    /// The lease is parked and the host's robots.txt was not requested yet. The caller must open
    /// the host.
    Unopened(Arc<Host>),
}

impl Hosts {
    /// Creates the hosts of the site at `home`. Their waits are reported through `waits`.
    pub fn new(home: &Home, policy: HostPolicy, waits: Waits) -> Hosts {
        let (ready, taken) = async_channel::unbounded();
        let wake = Arc::new(Wake { ready, keeper: Notify::new() });
        let policy = Arc::new(policy);
        let site = home.site.clone();
        let home = Host::new(site, true, policy.clone(), wake.clone(), waits.clone());
        let home = Arc::new(home);
        Hosts { policy, home, others: Mutex::default(), wake, waits, ready: taken }
    }

    /// Returns the site's own host.
    pub fn home(&self) -> &Arc<Host> {
        &self.home
    }

    /// Returns the host of a URL.
    pub fn of(&self, url: &Url) -> Arc<Host> {
        let home = self.home.root();
        if url.host_str() == home.host_str()
            && url.port_or_known_default() == home.port_or_known_default()
        {
            return self.home.clone();
        }
        let name = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = others.get(name) {
            return host.clone();
        }
        let mut root = url.clone();
        root.set_path("/");
        root.set_query(None);
        root.set_fragment(None);
        let (policy, wake, waits) = (self.policy.clone(), self.wake.clone(), self.waits.clone());
        let host = Arc::new(Host::new(root, false, policy, wake, waits));
        others.insert(name.to_owned(), host.clone());
        host
    }

    /// Returns all known hosts, the site's own first.
    pub fn all(&self) -> Vec<Arc<Host>> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.home).chain(others.values()).cloned().collect()
    }

    /// Enters the host of `url` with a task.
    pub fn enter(&self, url: &Url, lease: Lease) -> Entered {
        let host = self.of(url);
        match host.enter(lease) {
            Some((lease, slot)) => Entered::Go(lease, slot),
            None if host.is_to_be_opened() => Entered::Unopened(host),
            None => Entered::Parked,
        }
    }

    /// Waits until a follow-up request, such as a redirect, may leave.
    ///
    /// # Errors
    /// Returns an error if robots.txt forbids the page, or could not be read.
    pub async fn follow(&self, url: &Url, fetcher: &Fetcher) -> Result<(), FetchError> {
        let host = self.of(url);
        if host.rules().is_none() {
            Box::pin(host.open(fetcher)).await;
        }
        host.allows(url)?;
        host.take_turn().await;
        Ok(())
    }

    /// Returns a task whose turn has come, or `None` if there is none now.
    pub fn ready_now(&self) -> Option<(Lease, Slot)> {
        loop {
            let (lease, slot) = self.ready.try_recv().ok()?;
            if let Some(ready) = slot.in_time(lease) {
                return Some(ready);
            }
        }
    }

    /// Waits for the next task whose turn has come.
    pub async fn ready(&self) -> (Lease, Slot) {
        loop {
            match self.ready.recv().await {
                Ok((lease, slot)) => {
                    if let Some(ready) = slot.in_time(lease) {
                        return ready;
                    }
                }
                // Cannot happen: both ends of the channel are held here.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Hands out parked tasks on time. Never returns; drop it with the crawl.
    pub async fn keep_time(&self) -> std::convert::Infallible {
        loop {
            let next = self.all().iter().filter_map(|host| host.release()).min();
            let notified = self.wake.keeper.notified();
            match next {
                None => notified.await,
                Some(next) => tokio::select! {
                    () = tokio::time::sleep_until(next) => {}
                    () = notified => {}
                },
            }
        }
    }
}

impl Drop for Hosts {
    /// Drains the channel. A slot in it holds its host, which holds the channel: the cycle is
    /// broken here.
    fn drop(&mut self) {
        self.ready.close();
        while self.ready.try_recv().is_ok() {}
    }
}
