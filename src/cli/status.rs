//! `gleaner status`: one look at the ledgers of a store, for people, scripts and monitoring. Tells
//! what changed since the last look, if hooks are given.

mod table;

use clap::Args;

use super::exit::{Exit, failed};
use super::holdings::{DEFAULT_STORE, readable, report_error};
use super::overrides::store_url;
use super::streams::{print_message, show, show_json};
use super::telling::TellingArgs;
use super::usage::wrong;
use crate::serve::overview::Overview;
use crate::site::Site;
use crate::store::{self, SiteId, StoreUrl};
use crate::system::clock;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
Ages are those of the state and of the last complete sweep; the counts are that
sweep's: items listed, new, changed and gone. The trend is the number of items
listed by the last complete sweeps, the newest on the right.

Exit codes: 0 all is fine, 3 something is not, 1 the store cannot be reached,
2 usage.";

/// Arguments of `gleaner status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Sites to show: names, or paths of site files. Default: all sites in the store
    #[arg(value_name = "SITE")]
    sites: Vec<String>,

    /// Store to read: mongodb://HOST/DATABASE, sqlite:PATH, or sqlite:DIR/ with a file for each site
    #[arg(long, env = "GLEANER_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    telling: TellingArgs,
}

/// Prints the status of the sites, and tells what changed.
pub async fn run(arguments: StatusArgs) -> Exit {
    try_run(arguments).await.unwrap_or_else(|exit| exit)
}

async fn try_run(arguments: StatusArgs) -> Result<Exit, Exit> {
    let url = store_url(arguments.store.as_deref().unwrap_or(DEFAULT_STORE))?;
    readable(&url).map_err(|why| wrong("--store", "GLEANER_STORE", &why))?;
    let notifier = arguments.telling.notifier()?;
    let names = arguments.sites.iter().map(|site| name(site)).collect::<Result<Vec<_>, Exit>>()?;
    let is_wanted = |id: &SiteId| names.is_empty() || names.contains(&id.site);
    let ledgers = store::open_ledgers(&url).await.map_err(|error| report_error(&error))?;
    let overview = Overview::read(&*ledgers, is_wanted, clock::now()).await;
    let overview = overview.map_err(|error| report_error(&error))?;
    let missing = report_missing(&names, &overview, &url);
    match arguments.json {
        true => {
            let text = serde_json::to_string_pretty(&overview);
            show_json(&(text.map_err(|error| failed(&error.into()))? + "\n"))?;
        }
        false if overview.sites.is_empty() => {}
        false => show(&table::of(&overview))?,
    }
    if let Some(mut notifier) = notifier {
        for warning in notifier.tell(&overview).await {
            print_message(&format!("warning: {warning}\n"));
        }
    }
    Ok(if overview.is_fine() && !missing { Exit::Complete } else { Exit::Incomplete })
}

/// Returns the name of a site: of the file at this path, or the argument itself.
fn name(site: &str) -> Result<Box<str>, Exit> {
    if !site.contains('/') && !site.ends_with(".toml") {
        return Ok(site.into());
    }
    Site::load(site).map(|site| site.name).map_err(|error| {
        print_message(&format!("error: {error}\n"));
        Exit::Usage
    })
}

/// Reports what is not in the store. Returns true if there is something.
fn report_missing(names: &[Box<str>], overview: &Overview, url: &StoreUrl) -> bool {
    let has = |name: &str| overview.sites.iter().any(|site| *site.id.site == *name);
    let missing: Vec<&str> = names.iter().map(|name| &**name).filter(|name| !has(name)).collect();
    missing.iter().for_each(|name| print_message(&format!("no sweeps of {name} in {url}\n")));
    if names.is_empty() && overview.sites.is_empty() {
        print_message(&format!("no sweeps in {url}\n"));
        return true;
    }
    !missing.is_empty()
}
