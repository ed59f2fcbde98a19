//! The ways to tell: a program that gets the message on standard input, and a URL that it is posted
//! to. A hook that fails is the caller's warning.

use std::io::{Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Message;
use crate::fetch::Poster;
use crate::system::clock;

/// Time after which a program is killed.
const LONGEST: Duration = Duration::from_secs(30);
/// Number of attempts to post a message.
const TRIES: u32 = 3;
/// Time before the second attempt. It doubles with each further one.
const BETWEEN: Duration = Duration::from_secs(1);
/// Beginning of the names of variables that a program does not inherit: they may hold secrets.
const OWN: &str = "GLEANER_";

/// The hooks that a message is delivered by.
#[derive(Debug, Default)]
pub struct Hooks {
    /// Program to run for each message.
    pub program: Option<PathBuf>,
    /// URL to post each message to.
    pub poster: Option<Poster>,
}

impl Hooks {
    /// Returns true if there is no hook.
    pub fn is_empty(&self) -> bool {
        self.program.is_none() && self.poster.is_none()
    }

    /// Delivers a message by all hooks.
    ///
    /// # Errors
    /// Returns why one of them failed; then the message must be delivered again.
    pub async fn deliver(&self, message: &Message) -> Result<(), String> {
        let text = serde_json::to_string(message).map_err(|error| error.to_string())? + "\n";
        let ran = match &self.program {
            Some(program) => {
                run(program, &text).await.map_err(|why| format!("{}: {why}", program.display()))
            }
            None => Ok(()),
        };
        let posted = match &self.poster {
            Some(poster) => post(poster, &text).await.map_err(|why| format!("--notify-url: {why}")),
            None => Ok(()),
        };
        ran.and(posted)
    }
}

/// Runs a program with `text` on its standard input. It is killed after 30 s.
async fn run(program: &PathBuf, text: &str) -> Result<(), String> {
    // A file instead of a pipe: a program that does not read it cannot block us.
    let input = || {
        let mut file = tempfile::tempfile()?;
        file.write_all(text.as_bytes())?;
        file.seek(SeekFrom::Start(0))?;
        Ok::<_, std::io::Error>(file)
    };
    let input = input().map_err(|error| format!("no temporary file for its input: {error}"))?;
    let mut command = Command::new(program);
    command.stdin(Stdio::from(input)).stdout(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(OWN) {
            command.env_remove(name);
        }
    }
    let limit = clock::limit("GLEANER_TEST_HOOK", LONGEST);
    match tokio::time::timeout(limit, command.status()).await {
        Err(_) => Err(format!("killed after {}", humantime::format_duration(limit))),
        Ok(Err(error)) => Err(format!("cannot be run: {error}")),
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(status.to_string()),
    }
}

async fn post(poster: &Poster, text: &str) -> Result<(), String> {
    let mut between = BETWEEN;
    let mut tries = 1;
    loop {
        match poster.post(text.to_owned()).await {
            Err(_) if tries < TRIES => {}
            Err(why) => return Err(format!("{why}, after {tries} attempts")),
            Ok(()) => return Ok(()),
        }
        tokio::time::sleep(between).await;
        (between, tries) = (between * 2, tries + 1);
    }
}
