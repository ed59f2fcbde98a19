//! `gleaner status`: one look at the ledgers of a store, for people, scripts and monitoring. Tells
//! what changed since the last look, if hooks are given.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::exit::{Exit, failed};
use super::holdings::{DEFAULT_STORE, readable, report_error};
use super::overrides::store_url;
use super::streams::{print_message, show, show_json};
use super::usage::{refused, wrong};
use super::values;
use crate::fetch::Poster;
use crate::serve::overview::Overview;
use crate::serve::telling::{Hooks, Memory, Tact};
use crate::site::Site;
use crate::store::{self, SiteId, StoreUrl};
use crate::system::clock;

/// Default number of sweeps in a row after which an alert is told.
pub const AFTER: u32 = 2;
/// Default time after which an alert is told again.
pub const REPEAT: Duration = Duration::from_secs(24 * 3_600);

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

    /// Store to read: mongodb://HOST/DATABASE or sqlite:PATH
    #[arg(long, env = "GLEANER_STORE", value_name = "URL", hide_env_values = true)]
    store: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Program to run when an alert begins, goes on or is over
    ///
    /// It is run without a shell and without arguments, once for each message, with the message as
    /// JSON on standard input, and is killed after 30 s. It needs the flag --state as well.
    #[arg(long, env = "GLEANER_ON_CHANGE", value_name = "PATH")]
    on_change: Option<PathBuf>,

    /// URL to post the same messages to; it is treated as a secret
    ///
    /// A message is posted as JSON, at most 3 times until the answer is from 200 to 299. It needs
    /// the flag --state as well.
    #[arg(long, env = "GLEANER_NOTIFY_URL", value_name = "URL", hide_env_values = true)]
    notify_url: Option<String>,

    /// File that keeps what was told, so that nothing is told at each look
    #[arg(long, env = "GLEANER_STATE", value_name = "PATH")]
    state: Option<PathBuf>,

    /// Sweeps in a row that must be wrong before an alert is told
    ///
    /// The alerts nothing_listed, stale and canary are told at once.
    #[arg(long, env = "GLEANER_AFTER", value_name = "N", value_parser = values::count)]
    after: Option<u64>,

    /// Time after which an alert that goes on is told again
    #[arg(long, env = "GLEANER_REPEAT", value_name = "D", value_parser = values::timeout)]
    repeat: Option<Duration>,
}

/// The hooks, and the file of what was told.
struct Notifier {
    hooks: Hooks,
    memory: Memory,
    path: PathBuf,
    tact: Tact,
}

/// Prints the status of the sites, and tells what changed.
pub async fn run(arguments: StatusArgs) -> Exit {
    try_run(arguments).await.unwrap_or_else(|exit| exit)
}

async fn try_run(arguments: StatusArgs) -> Result<Exit, Exit> {
    let url = store_url(arguments.store.as_deref().unwrap_or(DEFAULT_STORE))?;
    readable(&url).map_err(|why| wrong("--store", "GLEANER_STORE", &why))?;
    let notifier = arguments.notifier()?;
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
    if let Some(notifier) = notifier {
        notifier.tell(&overview).await;
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

impl StatusArgs {
    /// Returns the notifier, or `None` if there are no hooks.
    fn notifier(&self) -> Result<Option<Notifier>, Exit> {
        let poster = self.notify_url.as_deref().map(Poster::new).transpose();
        let poster = poster.map_err(|why| wrong("--notify-url", "GLEANER_NOTIFY_URL", &why))?;
        let hooks = Hooks { program: self.on_change.clone(), poster };
        if hooks.is_empty() {
            return Ok(None);
        }
        let Some(path) = self.state.clone() else {
            let message = "needed by --on-change and --notify-url: a file that keeps what was told";
            return Err(refused("--state", message));
        };
        let memory = Memory::read(&path).map_err(|error| {
            wrong("--state", "GLEANER_STATE", &format!("{} {error}", path.display()))
        })?;
        let after = self.after.map_or(AFTER, |after| u32::try_from(after).unwrap_or(u32::MAX));
        let tact = Tact { after, repeat: self.repeat.unwrap_or(REPEAT) };
        Ok(Some(Notifier { hooks, memory, path, tact }))
    }
}

impl Notifier {
    /// Delivers the messages that are due. What fails is a warning, and is told at the next look.
    async fn tell(self, overview: &Overview) {
        let Notifier { hooks, mut memory, path, tact } = self;
        for message in memory.due(overview, tact) {
            match hooks.deliver(&message).await {
                Ok(()) => memory.note(&message, overview.at),
                Err(why) => {
                    print_message(&format!("warning: a message was not delivered: {why}\n"));
                    continue;
                }
            }
            // After each message: what was told must not be told again because of a later one.
            if let Err(error) = memory.write(&path) {
                print_message(&format!("warning: --state {}: {error}\n", path.display()));
            }
        }
    }
}
