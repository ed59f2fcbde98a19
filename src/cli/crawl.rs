//! `gleaner crawl`: one sweep of a site or of several, or repeated sweeps with `--every`.

mod adoption;
mod every;
mod parents;
pub mod report;
pub mod session;
mod several;

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
4 another run holds the site lock, 129, 130 or 143 interrupted (SIGHUP, SIGINT,
SIGTERM). With --every, 1, 3 and 4 do not end the program, and a signal between
sweeps ends it with 0. With --log-file, SIGHUP reopens the log instead.

Several sites are crawled one after the other. The exit code is the first that
occurs of 2, 1, 129, 130 or 143, 4, 3 and 0, and the report is an array.";

/// Arguments of a crawl.
#[derive(Debug, Args)]
pub struct CrawlArgs {
    #[command(flatten)]
    run: RunArgs,

    #[command(flatten)]
    sweep: SweepArgs,
}

/// Crawls the sites with these names, or of the site files at these paths, one after the other.
pub async fn run(names: &[String], arguments: CrawlArgs) -> Exit {
    // All are read before any is crawled.
    match names.iter().map(|name| Site::load(name)).collect::<Result<Vec<Site>, _>>() {
        Ok(sites) => run_sites(sites, &arguments, DEFAULT_STORE).await,
        Err(error) => {
            print_message(&format!("error: {error}\n"));
            Exit::Usage
        }
    }
}

/// Crawls `sites`. Stores in `default_store` unless the arguments name a store.
pub async fn run_sites(sites: Vec<Site>, arguments: &CrawlArgs, default_store: &str) -> Exit {
    try_run(sites, arguments, default_store).await.unwrap_or_else(|exit| exit)
}

async fn try_run(
    sites: Vec<Site>,
    arguments: &CrawlArgs,
    default_store: &str,
) -> Result<Exit, Exit> {
    let CrawlArgs { run, sweep } = arguments;
    several::check(&sites, run, &run.store(default_store)?)?;
    let (mut session, mut jobs) = Session::begin(sites, run, default_store)?;
    session.may_adopt = sweep.adopt;
    jobs.iter_mut().for_each(|job| job.sweep = sweep.apply_to(job.settings.clone()));
    match sweep.every {
        Some(every) => {
            if let StoreUrl::JsonLines(_) = session.store_url {
                let message = "JSON lines have no ledger to schedule sweeps by, and each sweep would replace the file; use SQLite or MongoDB";
                return Err(wrong("--every", "GLEANER_EVERY", message));
            }
            Ok(every::run(&mut session, jobs, every).await)
        }
        None => Ok(several::run(&mut session, &jobs).await),
    }
}

impl CrawlArgs {
    /// Returns the arguments for a site on this machine.
    pub fn on_this_machine(self) -> CrawlArgs {
        CrawlArgs { run: self.run.on_this_machine(), ..self }
    }
}
