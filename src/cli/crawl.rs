//! `gleaner crawl`: one sweep of a site, or repeated sweeps with `--every`.

mod adoption;
mod every;
pub mod report;
pub mod session;

use clap::Args;

use super::arguments::{RunArgs, SweepArgs};
use super::exit::Exit;
use super::holdings::DEFAULT_STORE;
use super::streams::print_message;
use super::usage::wrong;
use crate::site::Site;
use crate::store::StoreUrl;
use session::Session;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
Exit codes: 0 complete, 1 failed, 2 usage or configuration error, 3 incomplete,
4 another run holds the site, 129, 130 or 143 interrupted (SIGHUP, SIGINT,
SIGTERM). With --every, 1, 3 and 4 do not end the program, and a signal between
sweeps ends it with 0. With --log-file, SIGHUP reopens the log instead.";

/// Arguments of a crawl.
#[derive(Debug, Args)]
pub struct CrawlArgs {
    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    sweep: SweepArgs,
}

/// Crawls the site with this name, or of the site file at this path.
pub async fn run(name: &str, arguments: CrawlArgs) -> Exit {
    match Site::load(name) {
        Ok(site) => run_site(site, &arguments, DEFAULT_STORE).await,
        Err(error) => {
            print_message(&format!("error: {error}\n"));
            Exit::Usage
        }
    }
}

/// Crawls `site`. Stores in `default_store` unless the arguments name a store.
pub async fn run_site(site: Site, arguments: &CrawlArgs, default_store: &str) -> Exit {
    try_run(site, arguments, default_store).await.unwrap_or_else(|exit| exit)
}

async fn try_run(site: Site, arguments: &CrawlArgs, default_store: &str) -> Result<Exit, Exit> {
    let CrawlArgs { run, sweep } = arguments;
    let mut session = Session::begin(site, run, default_store)?;
    session.may_adopt = sweep.adopt;
    let settings = sweep.apply_to(session.settings.clone());
    match sweep.every {
        Some(every) => {
            if let StoreUrl::JsonLines(_) = session.store_url {
                let message = "JSON lines have no ledger to schedule sweeps by, and each sweep would replace the file; use SQLite or MongoDB";
                return Err(wrong("--every", "GLEANER_EVERY", message));
            }
            Ok(every::run(&mut session, settings, every).await)
        }
        None => match session.open().await {
            Ok(store) => Ok(session.run(store, settings).await.exit),
            Err(error) => Err(adoption::report_unopened(&mut session, error).await),
        },
    }
}

impl CrawlArgs {
    /// Returns the arguments for a site on this machine.
    pub fn on_this_machine(self) -> CrawlArgs {
        CrawlArgs { run: self.run.on_this_machine(), ..self }
    }
}
