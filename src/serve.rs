//! Watching all sites in a store: the overview by their ledgers, telling people what changed, and the
//! read-only server of `gleaner serve`.
//!
//! The server is one task that reads the store, one that tells, and one for each connection. Whatever
//! it serves comes from [`Watcher`], and nothing that it serves changes anything.

mod answer;
mod api;
mod guard;
mod listener;
pub mod overview;
mod page;
mod routes;
pub mod telling;
mod watcher;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use crate::store::StoreUrl;
use crate::system::shutdown::Shutdown;
pub use guard::Guard;
pub use listener::Address;
use listener::Listener;
use routes::Routes;
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
}

impl Server {
    /// Serves until `shutdown` is requested. Calls `on_ready` with the bound address once requests
    /// are accepted.
    ///
    /// # Errors
    /// Returns an error if the address cannot be listened on. A store that is unavailable is no
    /// error: the page says so.
    pub async fn run(
        self,
        shutdown: Shutdown,
        on_ready: impl FnOnce(&Address),
    ) -> Result<(), ServeError> {
        let Server { store, address, hosts } = self;
        let listener = Listener::bind(&address).await;
        let listener = listener.map_err(|error| ServeError::Listen(address, error))?;
        let guard = Guard::new(listener.address(), hosts);
        let watcher = Arc::new(Watcher::new(store));
        let routes = Arc::new(Routes::new(guard, watcher.clone()));
        on_ready(listener.address());
        // All that goes on beside the connections is joined here. None of it ends by itself.
        let background = async {
            let never: Infallible = watcher.run().await;
            match never {}
        };
        tokio::select! {
            () = listener.serve(routes, shutdown) => Ok(()),
            never = background => never,
        }
    }
}
