//! `gleaner serve`: the arguments of the server, and its wiring.

mod fleet;

use std::sync::Arc;

use clap::Args;

use super::exit::{Exit, failed};
use super::holdings::DEFAULT_STORE;
use super::overrides::store_url;
use super::signals::Signals;
use super::streams::print_message;
use super::telling::TellingArgs;
use super::usage::{refused, wrong};
use super::values;
use crate::fetch::Poster;
use crate::serve::{Address, Server};
use crate::store::StoreUrl;
use crate::system::{service, shutdown};
use fleet::FleetArgs;

pub use fleet::{AT_ONCE, MIN_FREE};

/// Default of `--listen`.
pub const LISTEN: &str = "127.0.0.1:9640";

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
The page is at /, the JSON API at /api/v1/status (described in OpenAPI at
/api/v1/openapi.json), metrics at /metrics, health at /healthz and /readyz.
Everything is read only. A store that is away is waited for; the page says so.
With DIR, the sites in it are crawled on their schedules; see /fleet.

Exit codes: 0 told to stop, 1 the address cannot be listened on, 2 usage.";

/// Arguments of `gleaner serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    fleet: FleetArgs,

    /// Store to read: mongodb://HOST/DATABASE, sqlite:PATH, or sqlite:DIR/ with a file for each site
    #[arg(long, env = "GLEANER_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<String>,

    /// Address to listen on: IP:PORT or unix:PATH
    ///
    /// An address that other machines can reach needs --listen-host. There is neither a login nor
    /// TLS: put a proxy in front of it that has both.
    #[arg(long, env = "GLEANER_LISTEN", value_name = "ADDRESS", value_parser = values::address)]
    listen: Option<Address>,

    /// Host name by which browsers ask for the server; may be repeated
    ///
    /// Requests that name another host are refused, so that no web page can read this one by a name
    /// that leads here. Names and addresses of loopback, and the address of --listen, are always
    /// known.
    #[arg(
        long,
        env = "GLEANER_LISTEN_HOST",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = values::host
    )]
    listen_host: Vec<String>,

    #[command(flatten)]
    telling: TellingArgs,

    /// URL to ask for each minute while the store can be read; it is treated as a secret
    ///
    /// A dead man's switch: if these requests stop, then this server, its machine or the store is down.
    #[arg(long, env = "GLEANER_PING_URL", value_name = "URL", hide_env_values = true)]
    ping_url: Option<String>,
}

/// Serves until it is told to stop.
pub async fn run(arguments: ServeArgs) -> Exit {
    Box::pin(try_run(arguments)).await.map_or_else(|exit| exit, |()| Exit::Complete)
}

async fn try_run(arguments: ServeArgs) -> Result<(), Exit> {
    let store = store_url(arguments.store.as_deref().unwrap_or(DEFAULT_STORE))?;
    if let StoreUrl::JsonLines(_) = store {
        let why = format!("{store}: JSON lines keep no ledger; crawl into SQLite or MongoDB");
        return Err(wrong("--store", "GLEANER_STORE", &why));
    }
    let address = match arguments.listen {
        Some(address) => address,
        None => values::address(LISTEN).map_err(|why| refused("--listen", &why))?,
    };
    let hosts = arguments.listen_host;
    if !address.is_local() && hosts.is_empty() {
        let why = "other machines can reach this address: name the host that they ask for with \
                   --listen-host";
        return Err(wrong("--listen", "GLEANER_LISTEN", why));
    }
    let notifier = arguments.telling.notifier()?;
    let ping = arguments.ping_url.as_deref().map(Poster::new).transpose();
    let ping = ping.map_err(|why| wrong("--ping-url", "GLEANER_PING_URL", &why))?;
    let fleet = arguments.fleet.fleet(&store)?;
    let signals = match fleet.clone() {
        Some(fleet) => Signals::listen_with(Some(Box::new(move || fleet.reload()))),
        None => Signals::listen(),
    };
    let mut signals = signals.map_err(|error| failed(&error.into()))?;
    let (trigger, shutdown) = shutdown::channel();
    let server = Server { store, address, hosts, notifier, ping, fleet };
    let url = server.store.to_string();
    let on_ready = |address: &Address| {
        print_message(&format!("serving {url} on {address}; stop with Ctrl-C\n"));
        service::ready();
    };
    let say = Arc::new(|line: &str| print_message(&format!("{line}\n")));
    let serving = server.run(shutdown, on_ready, say);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = &mut serving => ended,
        _ = signals.next() => {
            trigger.request();
            service::stopping();
            tokio::select! {
                ended = &mut serving => ended,
                // The second signal does not wait for responses.
                _ = signals.next() => Ok(()),
            }
        }
    };
    ended.map_err(|error| failed(&error.into()))
}
