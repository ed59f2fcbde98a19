//! A sweep as a process of its own: `gleaner crawl FILE`. A site that panics or eats memory is its own
//! outcome alone.
//!
//! The process has its own process group, so that Ctrl-C reaches it by its parent only. If the
//! parent is killed, the process finishes its sweep; the next parent finds it by its lock.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

use crate::system::clock;
use crate::system::shutdown::Shutdown;

/// Time that a process has to end after SIGTERM, before it is killed. A crawl finishes its requests
/// within 30 s (`--grace`) and then writes what it has.
const GRACE: Duration = Duration::from_secs(60);
/// Time after the end of the process within which its last lines are read.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Longest line, in bytes. Longer ones are split.
const LONGEST_LINE: usize = 8_192;
/// Number of bytes that are read at once.
const PIECE: usize = 2_048;
/// Number of last lines that are kept.
const KEPT: usize = 3;
/// Beginning of the names of variables that are not inherited: settings and secrets of the parent.
const OWN: &str = "GLEANER_";
/// Variables by which the service manager knows the parent.
const OF_SERVICE: [&str; 6] = [
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
];

/// File, log and variables of a process to start.
pub struct Start<'a> {
    /// Program: that of this process.
    pub program: &'a Path,
    /// Site file.
    pub file: &'a Path,
    /// Log file, or `None` for standard error.
    pub log_file: Option<&'a Path>,
    /// Variables that are set.
    pub variables: Vec<(String, String)>,
}

/// A process that runs.
pub struct Running {
    child: Child,
    lines: Lines,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Time of the end.
    pub at: Timestamp,
    /// Exit code, or 128 and the number of the signal that ended it, as a shell shows it.
    pub code: Option<i32>,
    /// Its last lines on standard error.
    pub last_lines: Vec<String>,
}

impl Running {
    /// Starts the process.
    ///
    /// # Errors
    /// Returns an error if it cannot be started.
    pub fn start(start: Start<'_>) -> io::Result<Running> {
        let mut command = Command::new(start.program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with(OWN) || OF_SERVICE.contains(&&*name) {
                command.env_remove(&*name);
            }
        }
        command.args(["crawl", "--progress", "off"]);
        if let Some(path) = start.log_file {
            command.arg("--log-file").arg(path);
        }
        command.arg("--").arg(start.file).envs(start.variables);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let lines = Lines { pipe: child.stderr.take(), partial: Vec::new() };
        Ok(Running { child, lines })
    }

    /// Returns the process id, or `None` after its end.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the end, and passes each line to `on_line`. After `shutdown` the process is asked to
    /// end, and killed if it does not.
    pub async fn end(self, shutdown: Shutdown, mut on_line: impl FnMut(&str)) -> Ended {
        let Running { mut child, mut lines } = self;
        let grace = clock::limit("GLEANER_TEST_STOP", GRACE);
        let mut last_lines = VecDeque::new();
        let mut hear = |line: String| {
            on_line(&line);
            if last_lines.len() == KEPT {
                last_lines.pop_front();
            }
            last_lines.push_back(line);
        };
        let (mut asked, mut killed) = (false, false);
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                Some(heard) = lines.next() => heard.into_iter().for_each(&mut hear),
                _ = shutdown.requested(), if !asked => {
                    asked = true;
                    signal(&child, Signal::TERM);
                }
                () = shutdown.time_is_up(grace), if !killed => {
                    killed = true;
                    signal(&child, Signal::KILL);
                }
            }
        };
        let rest = async {
            while let Some(heard) = lines.next().await {
                heard.into_iter().for_each(&mut hear);
            }
        };
        // A process that it started may hold the pipe for longer.
        let _ = tokio::time::timeout(LAST_LINES, rest).await;
        let code = status.ok().and_then(code);
        Ended { at: clock::now(), code, last_lines: last_lines.into() }
    }
}

/// Sends a signal to a process whose end was not seen yet, so that its id is still its own.
fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(id) = id {
        let _ = kill_process(id, signal);
    }
}

fn code(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal))
}

/// Lines of a pipe.
struct Lines {
    /// The pipe, or `None` after its end.
    pipe: Option<ChildStderr>,
    partial: Vec<u8>,
}

impl Lines {
    /// Returns the lines that came, or `None` after the end of the pipe. Nothing is lost if this is
    /// dropped while it waits.
    async fn next(&mut self) -> Option<Vec<String>> {
        let pipe = self.pipe.as_mut()?;
        let mut piece = [0; PIECE];
        match pipe.read(&mut piece).await {
            Ok(length @ 1..) => Some(split(&mut self.partial, &piece[..length])),
            _ => {
                self.pipe = None;
                let last = std::mem::take(&mut self.partial);
                Some(if last.is_empty() { Vec::new() } else { vec![text(&last)] })
            }
        }
    }
}

/// Adds bytes to a line that is not complete, and takes the complete ones off.
fn split(partial: &mut Vec<u8>, piece: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    for part in piece.split_inclusive(|byte| *byte == b'\n') {
        partial.extend_from_slice(part);
        if partial.ends_with(b"\n") || partial.len() >= LONGEST_LINE {
            let line = std::mem::take(partial);
            lines.push(text(line.strip_suffix(b"\n").unwrap_or(&line)));
        }
    }
    lines
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_come() {
        let mut partial = Vec::new();
        assert_eq!(split(&mut partial, b"one\ntw"), ["one"]);
        assert_eq!(split(&mut partial, b"o"), [""; 0]);
        assert_eq!(split(&mut partial, b"\n\nthree\xff\nfour"), ["two", "", "three\u{fffd}"]);
        assert_eq!(partial, b"four");
        let long = split(&mut partial, &[b'x'; LONGEST_LINE]);
        assert_eq!((long.len(), partial.len()), (1, 0), "what has no end is split");
    }
}
