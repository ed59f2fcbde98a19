//! Watching all sites in a store: the overview by their ledgers, telling people what changed, and the
//! read-only server of `gleaner serve`.
//!
//! The server is one task that reads the store, one that tells, and one for each connection. Whatever
//! it serves comes from `Watcher`, and nothing that it serves changes anything.

mod answer;
mod api;
mod fleet;
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
use crate::system::service;
use crate::system::shutdown::Shutdown;
pub use fleet::{Fleet, FleetMember, FleetOptions, FleetView, Say};
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
    /// Fleet that runs beside, or `None`.
    pub fleet: Option<Arc<Fleet>>,
}

impl Server {
    /// Serves until `shutdown` is requested. Calls `on_ready` with the bound address once requests
    /// are accepted, and `say` for what fails and what the fleet does. The sweeps of the fleet have ended
    /// when this returns.
    ///
    /// # Errors
    /// Returns an error if the address cannot be listened on. A store that is unavailable is no
    /// error: the page says so.
    pub async fn run(
        self,
        shutdown: Shutdown,
        on_ready: impl FnOnce(&Address),
        say: Say,
    ) -> Result<(), ServeError> {
        let Server { store, address, hosts, notifier, ping, fleet } = self;
        let listener = Listener::bind(&address).await;
        let listener = listener.map_err(|error| ServeError::Listen(address, error))?;
        let guard = Guard::new(listener.address(), hosts);
        let watcher = Arc::new(Watcher::new(store));
        let routes = Arc::new(Routes::new(guard, watcher.clone(), fleet.clone()));
        on_ready(listener.address());
        // All that goes on beside the connections is joined here. None of it ends by itself.
        let background = async {
            let warn = |text: &str| say(&format!("warning: {text}"));
            let told = rounds::tell(notifier, &watcher, &warn);
            let pinged = rounds::ping(ping, &watcher, &warn);
            let status = || fleet.as_ref().map(|fleet| fleet.view().line()).unwrap_or_default();
            tokio::join!(watcher.run(), told, pinged, service::keep_telling(status)).0
        };
        let served = async {
            tokio::select! {
                () = listener.serve(routes, shutdown.clone()) => {}
                never = background => match never {},
            }
        };
        let swept = async {
            if let Some(fleet) = &fleet {
                fleet.run(shutdown.clone(), say.clone()).await;
            }
        };
        tokio::join!(served, swept);
        Ok(())
    }
}
