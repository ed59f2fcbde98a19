//! Watching all sites in a store: the overview by their ledgers, telling people what changed, and the
//! read-only server of `gleaner serve`.
//!
//! The server is one task that reads the store, one that tells, and one for each connection. Whatever
//! it serves comes from [`Watcher`], and nothing that it serves changes anything.

mod answer;
mod api;
mod guard;
mod history;
mod listener;
mod metrics;
pub mod overview;
mod page;
mod rounds;
mod routes;
mod tally;
pub mod telling;
mod watcher;

use std::io;
use std::sync::Arc;

use crate::fetch::Poster;
use crate::store::StoreUrl;
use crate::system::shutdown::Shutdown;
pub use guard::Guard;
pub use listener::Address;
use listener::Listener;
use routes::Routes;
use telling::Notifier;
use watcher::Watcher;

/// Reason why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(Address, io::Error),
}

/// The server of the page, the JSON API and the metrics.
#[derive(Debug)]
pub struct Server {
    /// Store whose sites are shown.
    pub store: StoreUrl,
    /// Address to listen on.
    pub address: Address,
    /// Further host names by which the server may be asked.
    pub hosts: Vec<String>,
    /// Hooks that tell people what changed, or `None` if there are none.
    pub notifier: Option<Notifier>,
    /// URL to ask for each minute while all is well with the server, or `None`.
    pub ping: Option<Poster>,
}

impl Server {
    /// Serves until `shutdown` is requested. Calls `on_ready` with the bound address once requests
    /// are accepted, and `warn` for what fails meanwhile.
    ///
    /// # Errors
    /// Returns an error if the address cannot be listened on. A store that is unavailable is no
    /// error: the page says so.
    pub async fn run(
        self,
        shutdown: Shutdown,
        on_ready: impl FnOnce(&Address),
        warn: impl Fn(&str),
    ) -> Result<(), ServeError> {
        let Server { store, address, hosts, notifier, ping } = self;
        let listener = Listener::bind(&address).await;
        let listener = listener.map_err(|error| ServeError::Listen(address, error))?;
        let guard = Guard::new(listener.address(), hosts);
        let watcher = Arc::new(Watcher::new(store));
        let routes = Arc::new(Routes::new(guard, watcher.clone()));
        on_ready(listener.address());
        // All that goes on beside the connections is joined here. None of it ends by itself.
        let background = async {
            let told = rounds::tell(notifier, &watcher, &warn);
            let pinged = rounds::ping(ping, &watcher, &warn);
            tokio::join!(watcher.run(), told, pinged).0
        };
        tokio::select! {
            () = listener.serve(routes, shutdown) => Ok(()),
            never = background => match never {},
        }
    }
}
