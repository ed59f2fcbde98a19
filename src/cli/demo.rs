//! `gleaner demo`: serves the demo book site on loopback and crawls it like any other site.

use std::io;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::arguments::Switch;
use super::crawl::{CrawlArgs, run_sites};
use super::exit::{Exit, failed};
use super::signals::Signals;
use super::streams::print;
use super::values;
use crate::demo::{Demo, Options, mixed_faults};
use crate::site::{Site, parse_base_url};

/// Store of a demo that names no other.
pub const DEMO_STORE: &str = "sqlite:demo.db";

/// Arguments of `gleaner demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    #[command(flatten)]
    site: SiteArgs,

    /// Serve the site and print its URL; do not crawl
    #[arg(long)]
    serve: bool,

    #[command(flatten)]
    crawl: CrawlArgs,
}

/// Properties of the demo site.
#[derive(Debug, Args)]
struct SiteArgs {
    /// Number of books
    #[arg(long, value_name = "N")]
    items: Option<usize>,

    /// Latency of each response
    #[arg(long, value_name = "D", value_parser = values::duration)]
    latency: Option<Duration>,

    /// Random seed of books, faults and changes
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Bandwidth of all responses together, in bytes per second, such as 2MiB
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    bandwidth: Option<usize>,

    /// Send an ETag with each book, so that a second crawl fetches only changes
    #[arg(long, value_name = "ON|OFF")]
    etags: Option<Switch>,

    /// Compress responses with gzip
    #[arg(long)]
    compress: bool,

    /// Changes per second: books are added, changed, removed and restored
    #[arg(long, value_name = "R", value_parser = values::rate)]
    churn: Option<f64>,

    /// Share of requests that fail, in percent: errors, delays, broken connections, bad pages
    #[arg(long, value_name = "PCT", value_parser = values::percent)]
    faults: Option<f64>,

    /// Port to listen on
    #[arg(long, value_name = "N")]
    port: Option<u16>,
}

impl SiteArgs {
    fn start(&self) -> io::Result<Demo> {
        let default = Options::default();
        let options = Options {
            items: self.items.unwrap_or(default.items),
            latency: self.latency.unwrap_or(default.latency),
            seed: self.seed.unwrap_or(default.seed),
            port: self.port.unwrap_or(default.port),
            bandwidth: self.bandwidth.map(|bytes| bytes as u64),
            etags: self.etags.is_some_and(Switch::is_on),
            compress: self.compress,
            churn: self.churn.unwrap_or(default.churn),
        };
        let seed = options.seed;
        let demo = Demo::start(options)?;
        if let Some(percent) = self.faults.filter(|percent| *percent > 0.0) {
            mixed_faults(percent, seed).into_iter().for_each(|fault| demo.fault(fault));
        }
        Ok(demo)
    }
}

/// Starts the site and crawls it, or serves it until a signal arrives.
pub async fn run(arguments: DemoArgs) -> Exit {
    let DemoArgs { site, serve, crawl } = arguments;
    let demo = match site.start() {
        Ok(demo) => demo,
        Err(error) => return failed(&anyhow!(error).context("the demo site cannot start")),
    };
    if serve {
        return serve_until_told(&demo).await;
    }
    match site_at(demo.url()) {
        Ok(site) => run_sites(vec![site], &crawl.on_this_machine(), DEMO_STORE).await,
        Err(error) => failed(&error),
    }
}

fn site_at(url: &str) -> anyhow::Result<Site> {
    let base_url = parse_base_url(url).map_err(anyhow::Error::msg)?;
    Ok(Site { base_url, ..Site::load("demo")? })
}

async fn serve_until_told(demo: &Demo) -> Exit {
    if let Err(exit) = print(format!("{}\n", demo.url()).as_bytes()) {
        return exit;
    }
    match Signals::listen() {
        Ok(mut signals) => {
            signals.next().await;
            Exit::Complete
        }
        Err(error) => failed(&error.into()),
    }
}
