//! The command line. Holds the clap types, one file per command; no other module knows clap or
//! these types.

mod arguments;
mod check;
mod client;
mod copy;
mod crawl;
mod defaults;
mod demo;
mod exit;
mod export;
mod failures;
mod fetch;
mod holdings;
mod logging;
mod overrides;
mod progress;
mod serve;
mod signals;
mod sites;
mod status;
mod streams;
mod sweeps;
mod telling;
mod tune;
mod usage;
mod values;
mod variables;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crawl::CrawlArgs;

use streams::print_message;

pub use exit::Exit;

/// Keeps a database in sync with a web site that lists items and has a page for each of them.
#[derive(Debug, Parser)]
#[command(name = "gleaner", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 complete, 1 failed, 2 usage or configuration error, 3 incomplete,
4 another run holds the site lock, 129, 130 or 143 interrupted.

To try it without a network or a database: gleaner demo";

#[derive(Debug, Subcommand)]
enum Command {
    /// Crawl a site and store every item
    #[command(
        after_help = crawl::AFTER_HELP,
        long_about = "Crawls a site and stores every item. SITE is the path of a site file or the name of a built-in site (gleaner sites lists them). Several sites are crawled one after the other."
    )]
    Crawl {
        /// Built-in site, or path of a site file; several are crawled in this order
        #[arg(required = true, value_name = "SITE")]
        sites: Vec<String>,
        #[command(flatten)]
        crawl: CrawlArgs,
    },
    /// Test a site file on two pages of its list and one item; stores nothing
    #[command(after_help = check::AFTER_HELP)]
    Check(check::CheckArgs),
    /// Start a demo site on this machine and crawl it; needs no network
    Demo(demo::DemoArgs),
    /// List built-in sites, print one, or draft a file for another site
    Sites(sites::SitesArgs),
    /// Make one request as a crawl would, and show the response
    #[command(after_help = fetch::AFTER_HELP)]
    Fetch(fetch::FetchArgs),
    /// Measure how many concurrent requests a site handles; this loads the site
    #[command(after_help = tune::AFTER_HELP)]
    Tune(tune::TuneArgs),
    /// Show whether all is well with the sites in a store, and tell what changed
    #[command(after_help = status::AFTER_HELP)]
    Status(status::StatusArgs),
    /// Serve a web page, a JSON API and metrics of all sites in a store; run a folder of sites
    #[command(after_help = serve::AFTER_HELP)]
    Serve(serve::ServeArgs),
    /// List past sweeps of a site and their counts
    #[command(after_help = sweeps::AFTER_HELP)]
    Sweeps(sweeps::SweepsArgs),
    /// List failures of a site, or retry them
    #[command(after_help = failures::AFTER_HELP)]
    Failures(failures::FailuresArgs),
    /// Export the documents of a site as JSON lines or CSV
    #[command(after_help = export::AFTER_HELP)]
    Export(export::ExportArgs),
    /// Copy sites to another store, with all that is known of them
    #[command(after_help = copy::AFTER_HELP)]
    Copy(copy::CopyArgs),
    /// Print shell completions
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Returns true if the command keeps a log, which then also receives its warnings.
    fn logs(&self) -> bool {
        match self {
            Command::Crawl { .. } | Command::Demo(_) => true,
            Command::Failures(failures) => failures.crawls(),
            _ => false,
        }
    }
}

/// Parses the command line. Prints the error, or the requested help.
///
/// # Errors
/// Returns the exit code if there is no command to run: after a usage error, or after printing
/// help.
pub fn parse() -> Result<Cli, Exit> {
    let mut command = defaults::shown(Cli::command());
    let parsed = command.try_get_matches_from_mut(std::env::args_os());
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| usage::tell(&error, &command))
}

/// Runs a command and returns its exit code.
pub async fn run(cli: Cli) -> Exit {
    if !cli.command.logs() {
        variables::unknown().iter().for_each(|why| print_message(&format!("warning: {why}\n")));
    }
    match cli.command {
        Command::Crawl { sites, crawl } => Box::pin(crawl::run(&sites, crawl)).await,
        Command::Check(check) => check::run(check).await,
        Command::Demo(demo) => Box::pin(demo::run(demo)).await,
        Command::Sites(sites) => sites::run(sites).await,
        Command::Fetch(arguments) => Box::pin(fetch::run(arguments)).await,
        Command::Tune(arguments) => Box::pin(tune::run(arguments)).await,
        Command::Status(status) => Box::pin(status::run(status)).await,
        Command::Serve(serve) => Box::pin(serve::run(serve)).await,
        Command::Sweeps(sweeps) => sweeps::run(sweeps).await,
        Command::Failures(failures) => Box::pin(failures::run(failures)).await,
        Command::Export(export) => Box::pin(export::run(export)).await,
        Command::Copy(copy) => Box::pin(copy::run(copy)).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = defaults::shown(Cli::command());
            clap_complete::generate(shell, &mut command, "gleaner", &mut script);
            streams::print(&script).map_or_else(|exit| exit, |()| Exit::Complete)
        }
    }
}
