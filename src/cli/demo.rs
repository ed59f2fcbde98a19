//! `gleaner demo`: the demo book site on loopback, crawled by the crawler that crawls any site.

use std::io::Write;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;

use super::crawl::{CrawlArgs, run_site};
use super::exit::{Exit, failed};
use super::signals::Signals;
use super::values;
use crate::demo::{Demo, Options};
use crate::site::{Site, parse_base_url};

/// Arguments of `gleaner demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Books on the site [default: 9040]
    #[arg(long, value_name = "N")]
    items: Option<usize>,

    /// From a request to its answer [default: 0s]
    #[arg(long, value_name = "D", value_parser = values::duration)]
    latency: Option<Duration>,

    /// Decides what the books are [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only serve the site, print its URL, and crawl nothing
    #[arg(long)]
    serve: bool,

    /// Port to serve at [default: a free one]
    #[arg(long, value_name = "N")]
    port: Option<u16>,

    #[command(flatten)]
    crawl: CrawlArgs,
}

/// Starts the site and crawls it, or serves it until told to stop.
pub async fn run(arguments: DemoArgs) -> Exit {
    let DemoArgs { items, latency, seed, serve, port, crawl } = arguments;
    let default = Options::default();
    let options = Options {
        items: items.unwrap_or(default.items),
        latency: latency.unwrap_or(default.latency),
        seed: seed.unwrap_or(default.seed),
        port: port.unwrap_or(default.port),
        ..default
    };
    let demo = match Demo::start(options) {
        Ok(demo) => demo,
        Err(error) => return failed(&anyhow!(error).context("the demo site cannot start")),
    };
    if serve {
        return serve_until_told(&demo).await;
    }
    match site_at(demo.url()) {
        Ok(site) => run_site(site, &crawl.on_this_machine(), "sqlite:demo.db").await,
        Err(error) => failed(&error),
    }
}

fn site_at(url: &str) -> anyhow::Result<Site> {
    let base_url = parse_base_url(url).map_err(anyhow::Error::msg)?;
    Ok(Site { base_url, ..Site::load("books")? })
}

async fn serve_until_told(demo: &Demo) -> Exit {
    if writeln!(std::io::stdout(), "{}", demo.url()).is_err() {
        return Exit::ReaderGone;
    }
    match Signals::listen() {
        Ok(mut signals) => {
            signals.next().await;
            Exit::Complete
        }
        Err(error) => failed(&error.into()),
    }
}
