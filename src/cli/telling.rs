//! Arguments of the hooks that tell people what changed, shared by `gleaner status` and
//! `gleaner serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::exit::Exit;
use super::usage::{refused, wrong};
use super::values;
use crate::fetch::Poster;
use crate::serve::telling::{Hooks, Memory, Notifier, Tact};

/// Default number of sweeps in a row after which an alert is told.
pub const AFTER: u32 = 2;
/// Default time after which an alert is told again.
pub const REPEAT: Duration = Duration::from_secs(24 * 3_600);

/// Arguments of the hooks.
#[derive(Debug, Args)]
pub struct TellingArgs {
    /// Program to run when an alert begins, is repeated or ends
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

    /// Interval at which an alert that lasts is told again
    #[arg(long, env = "GLEANER_REPEAT", value_name = "D", value_parser = values::timeout)]
    repeat: Option<Duration>,
}

impl TellingArgs {
    /// Returns the notifier, or `None` if there are no hooks.
    ///
    /// # Errors
    /// Returns the exit code, after printing which argument is wrong.
    pub fn notifier(&self) -> Result<Option<Notifier>, Exit> {
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
        Ok(Some(Notifier::new(hooks, memory, path, tact)))
    }
}
