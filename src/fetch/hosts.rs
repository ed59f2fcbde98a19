//! All hosts of a site: its own, and those that it leads to. One object each, so that one that has
//! to wait does not hold up the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use url::Url;

use super::host::{Host, Slot, Wake};
use super::{FetchError, Fetcher, Home};
use crate::frontier::Lease;
use crate::waits::Waits;

/// How hosts are asked: the same for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Manners {
    /// Most requests in flight.
    pub workers: u32,
    /// Whether there are fewer while a host struggles.
    pub adaptive: bool,
    /// Most requests a second.
    pub rate: Option<f64>,
    /// Whether robots.txt is obeyed.
    pub robots: bool,
    /// The name to go by.
    pub user_agent: String,
    /// Further tries to read robots.txt.
    pub retries: u32,
    /// Refusals in a row before a host is taken to have blocked us.
    pub block_after: u32,
    /// How long a host that cannot be reached is waited for.
    pub site_wait: Duration,
    /// Requests in flight at the start, where it is adaptive.
    pub at_first: u32,
}

/// All hosts of a site.
#[derive(Debug)]
pub struct Hosts {
    manners: Arc<Manners>,
    home: Arc<Host>,
    /// By host and port.
    others: Mutex<HashMap<String, Arc<Host>>>,
    wake: Arc<Wake>,
    waits: Waits,
    ready: async_channel::Receiver<(Lease, Slot)>,
}

/// What becomes of a task that asks a host for a page.
#[derive(Debug)]
pub enum Entered {
    /// It may leave.
    Go(Lease, Slot),
    /// It waits for its time. A worker will be given it.
    Parked,
    /// The same; and the host was not asked for its rules yet, which the caller is to do.
    Unopened(Arc<Host>),
}

impl Hosts {
    /// The hosts of a site at `home`, whose waits are told through `waits`.
    pub fn new(home: &Home, manners: Manners, waits: Waits) -> Hosts {
        let (ready, taken) = async_channel::unbounded();
        let wake = Arc::new(Wake { ready, keeper: Notify::new() });
        let manners = Arc::new(manners);
        let site = home.site.clone();
        let home = Host::new(site, true, manners.clone(), wake.clone(), waits.clone());
        let home = Arc::new(home);
        Hosts { manners, home, others: Mutex::default(), wake, waits, ready: taken }
    }

    /// The site's own host.
    pub fn home(&self) -> &Arc<Host> {
        &self.home
    }

    /// The host of a URL.
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
        let (manners, wake, waits) = (self.manners.clone(), self.wake.clone(), self.waits.clone());
        let host = Arc::new(Host::new(root, false, manners, wake, waits));
        others.insert(name.to_owned(), host.clone());
        host
    }

    /// All hosts so far, the site's own first.
    pub fn all(&self) -> Vec<Arc<Host>> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::once(&self.home).chain(others.values()).cloned().collect()
    }

    /// A task wants to ask for a page of the host that `url` is of.
    pub fn enter(&self, url: &Url, lease: Lease) -> Entered {
        let host = self.of(url);
        match host.enter(lease) {
            Some((lease, slot)) => Entered::Go(lease, slot),
            None if host.is_to_be_opened() => Entered::Unopened(host),
            None => Entered::Parked,
        }
    }

    /// Waits until a request that follows another one may leave: a redirect, say.
    ///
    /// # Errors
    /// Where it leads to a page that may not be asked for.
    pub async fn follow(&self, url: &Url, fetcher: &Fetcher) -> Result<(), FetchError> {
        let host = self.of(url);
        if host.rules().is_none() {
            Box::pin(host.open(fetcher)).await;
        }
        host.allows(url)?;
        host.take_turn().await;
        Ok(())
    }

    /// A task whose time has come, where there is one now.
    pub fn ready_now(&self) -> Option<(Lease, Slot)> {
        loop {
            let (lease, slot) = self.ready.try_recv().ok()?;
            if let Some(ready) = slot.in_time(lease) {
                return Some(ready);
            }
        }
    }

    /// The next task whose time has come.
    pub async fn ready(&self) -> (Lease, Slot) {
        loop {
            match self.ready.recv().await {
                Ok((lease, slot)) => {
                    if let Some(ready) = slot.in_time(lease) {
                        return ready;
                    }
                }
                // Both ends are held here.
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// Hands out tasks when it is time for them. Never ends; is to be dropped with the crawl.
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
    /// What is still on its way to a worker holds its host, which holds the way: a circle that is
    /// broken here.
    fn drop(&mut self) {
        self.ready.close();
        while self.ready.try_recv().is_ok() {}
    }
}
