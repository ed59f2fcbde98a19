//! `gleaner sites new`: makes a few requests to a list and writes a first site file. What to request and
//! what the answers mean is decided in [`crate::tools::scaffold`].

mod asker;
mod ways;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use url::Url;

use super::super::check::fetcher;
use super::super::client::{ClientArgs, scrubber};
use super::super::exit::{Exit, failed};
use super::super::signals::Signals;
use super::super::streams::{Voice, print, print_message};
use super::super::usage::refused;
use crate::fetch::Home;
use crate::model::text::wrapped;
use crate::site::Site;
use crate::site::settings::Settings;
use crate::tools::scaffold::Given;
use asker::Asker;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
URL is a list: JSON, JSON lines, CSV, XML or HTML. Some 5 to 40 requests detect
the paging, the key of the items and the pages of the items, and read the next
pages by the drafted file; robots.txt is ignored. Comments in the file say what
was detected and what to check.

Exit codes: 0 drafted, 1 no answer, 2 usage, 3 could not draft a file, or one
that may not read the whole list: its comments name what is missing.";

/// Arguments of `gleaner sites new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// URL of the list
    url: String,

    /// Write to this file [default: standard output]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Replace an existing file
    #[arg(long, requires = "output")]
    force: bool,

    #[command(flatten)]
    client: ClientArgs,
}

/// Makes the requests, and writes the site file.
pub async fn run(arguments: NewArgs) -> Exit {
    try_run(arguments).await.unwrap_or_else(|exit| exit)
}

async fn try_run(arguments: NewArgs) -> Result<Exit, Exit> {
    let NewArgs { url, output, force, client } = arguments;
    let url = list_url(&url).map_err(|error| refused("URL", &error))?;
    if let Some(path) = output.as_deref().filter(|path| !force && path.exists()) {
        let message = format!("{} exists; use --force to replace it", path.display());
        return Err(refused("--output", &message));
    }
    let settings = client.apply(Settings::default())?;
    let agents = settings.client.user_agents.clone();
    let given = Given {
        user_agents: if agents == Settings::default().client.user_agents {
            Vec::new()
        } else {
            agents
        },
        headers: settings.client.headers.clone(),
    };
    let home = Home { site: url.clone(), hosts: Vec::new() };
    let voice = Voice(scrubber(&settings, |of_site| of_site.url(url.as_str())));
    let mut asker = Asker::new(fetcher(&settings, home)?, url, voice, given);
    let mut signals = Signals::listen().map_err(|error| failed(&error.into()))?;
    let draft = tokio::select! {
        draft = asker.draft() => draft?,
        signal = signals.next() => return Err(Exit::Interrupted(signal)),
    };
    let path = output
        .as_ref()
        .map_or_else(|| format!("{}.toml", draft.name()), |path| path.display().to_string());
    let text = asker.voice.0.scrub_cut(&draft.text(&path));
    if let Err(error) = Site::parse(&text, &path) {
        let message = "the draft is not a valid site file; write one by hand, starting from `gleaner sites books`";
        asker.voice.failed(&anyhow!(error).context(message));
        return Err(Exit::Incomplete);
    }
    match &output {
        None => print(text.as_bytes())?,
        Some(path) => {
            write(path, &text, force).map_err(|error| failed(&error))?;
            let path = path.display();
            print_message(&format!("wrote {path}; next: gleaner check {path}\n"));
        }
    }
    if draft.doubts.is_empty() {
        return Ok(Exit::Complete);
    }
    let mut message = wrapped("", "", "The draft is not finished: with it a crawl may miss items.");
    for doubt in &draft.doubts {
        message += &wrapped("- ", "  ", doubt);
    }
    asker.voice.print_message(&message);
    Ok(Exit::Incomplete)
}

fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if !force {
        options.create_new(true);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

fn list_url(text: &str) -> Result<Url, String> {
    let bad = |error: String| format!("{error}; write https://host/path");
    let mut url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("{}: is neither http nor https", url.scheme())));
    }
    url.set_fragment(None);
    Ok(url)
}
