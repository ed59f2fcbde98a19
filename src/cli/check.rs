//! `gleaner check`: tests a site file on two pages of the live site's list and one item. Stores
//! nothing.

mod assembled;
mod further;
mod missing;
mod trial;

use std::sync::Arc;

use clap::Args;

use super::arguments::Switch;
use super::client::{ClientArgs, no_client, scrubber};
use super::exit::{Exit, failed};
use super::overrides::{at_base_url, at_page_size, with_secrets};
use super::streams::{Voice, print_message};
use super::usage::refused;
use super::values;
use crate::extract;
use crate::fetch::{Fetcher, Home};
use crate::model::report::Kind;
use crate::model::text::counted;
use crate::observe::metrics::Metrics;
use crate::site::Site;
use crate::site::settings::Settings;
use crate::system::clock;
use trial::{Stop, Trial};

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
Prints the hosts, files, headers and secrets that the site file uses, and what
its [expect] says. Then logs in if it has a [session], and requests: a page of
categories for each level of [[seeds]], down to the first list that has items;
the first page of this list; the page of its first item, with its further pages,
its parts and its files; and the second page of the list. Prints what was found,
what a crawl would request next, what it would store, and warnings. A list does
not fit if a crawl of it would be incomplete: if the second page contradicts the
paging, or nothing follows although the list says that it has more. Stores
nothing, neither documents nor files. With --json, the first part goes to
standard error.

Exit codes: 0 the site fits the file, 1 the site cannot be reached or fails, also
after retries, 2 usage or a bad file, 3 the site does not fit.";

/// Arguments of `gleaner check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Built-in site, or path of a site file
    site: String,

    /// Print a JSON object
    #[arg(long)]
    json: bool,

    /// Base URL of another copy of the site
    #[arg(long, env = "GLEANER_BASE_URL", value_name = "URL", hide_env_values = true)]
    base_url: Option<String>,

    /// Items to request per page of the list
    #[arg(long, env = "GLEANER_PAGE_SIZE", value_name = "N", value_parser = values::count)]
    page_size: Option<u64>,

    /// Category whose list to test; for items of another site, the key of one of them; repeatable: a
    /// category of each level of a tree, the outermost first
    #[arg(long, value_name = "TEXT")]
    seed: Vec<String>,

    /// Obey robots.txt
    #[arg(long, env = "GLEANER_ROBOTS", value_name = "ON|OFF")]
    robots: Option<Switch>,

    #[command(flatten)]
    client: ClientArgs,
}

/// Checks the site file against the live site and prints the result.
pub async fn run(arguments: CheckArgs) -> Exit {
    try_run(arguments).await.unwrap_or_else(|exit| exit)
}

async fn try_run(arguments: CheckArgs) -> Result<Exit, Exit> {
    let site = Site::load(&arguments.site).map_err(|error| {
        print_message(&format!("error: {error}\n"));
        Exit::Usage
    })?;
    let site = with_secrets(site)?;
    let site = at_base_url(site, arguments.base_url.as_deref())?;
    let site = at_page_size(site, arguments.page_size)?.of_sweep(Kind::Full, clock::now());
    let own = site.settings();
    let robots = arguments.robots.map_or(own.pace.robots, Switch::is_on);
    let settings = arguments.client.apply(own.with(|it| it.pace.robots = robots))?;
    let voice = Voice(scrubber(&settings, |of_site| site.credentials(of_site)));
    let settings = Settings { scrubber: voice.0.clone(), ..settings };
    let fetcher = fetcher(&settings, site.home())?;
    let fetcher = fetcher.in_sessions(extract::sessions(&site, &settings));
    let lacks_seed = lacks_seed(&site, &arguments.seed)?;
    let mut trial = Trial::new(site, &arguments.seed, &settings, fetcher);
    // Shown before the first request: the site file may come from somebody else.
    let access = trial.facts.access.to_string();
    match arguments.json {
        false => voice.show(&access)?,
        true => voice.print_message(&access),
    }
    if let Some(why) = lacks_seed {
        return Err(refused("--seed", &why));
    }
    // No signal is listened to: nothing has to be finished, and a page that takes long to read would
    // keep one from being heard.
    let exit = match trial.run(&settings).await {
        Ok(()) => Exit::Complete,
        Err(Stop::Misfit(message)) => {
            trial.facts.misfit = Some(message);
            Exit::Incomplete
        }
        Err(Stop::Failed(message)) => {
            trial.facts.failed = Some(message);
            Exit::Failed
        }
    };
    match arguments.json {
        false => voice.show(&trial.facts.to_string())?,
        true => {
            let json = serde_json::to_string_pretty(&trial.facts);
            voice.show_json(&(json.map_err(|error| failed(&error.into()))? + "\n"))?;
        }
    }
    Ok(exit)
}

/// Returns why the list cannot be tested without `seed`, or `None` if it can.
///
/// # Errors
/// Returns the exit code, after printing that the site has no categories.
fn lacks_seed(site: &Site, seeds: &[String]) -> Result<Option<String>, Exit> {
    match (seeds, site.parent()) {
        ([_, ..], _) if site.seeds.is_empty() => {
            Err(refused("--seed", "this site has no [seeds]: its list is one"))
        }
        (seeds, _) if seeds.len() > site.seeds.0.len() => {
            let levels = site.seeds.0.len();
            let levels = counted(levels as u64, "level", "levels");
            Err(refused("--seed", &format!("this site has {levels} of categories")))
        }
        ([], Some(parent)) => Ok(Some(format!(
            "missing: the seeds of {} are the items of {parent}, which are in a store, and a check reads none; give the key of one of them",
            site.name
        ))),
        _ => Ok(None),
    }
}

/// Builds the HTTP client.
///
/// # Errors
/// Returns the exit code, after printing why the client cannot be built.
pub fn fetcher(settings: &Settings, home: Home) -> Result<Fetcher, Exit> {
    let options = settings.client_options(home);
    Fetcher::new(&options, Arc::new(Metrics::new())).map_err(no_client)
}
