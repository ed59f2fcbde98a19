//! SIGINT, SIGTERM and SIGHUP.

use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::logging::LogFile;

/// Asks the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGHUP: the terminal was closed.
    HangUp,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a supervisor.
    Terminate,
}

/// Listens for as long as the program runs: a listener that was dropped would swallow what comes
/// after it.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// None where SIGHUP is to stay ignored.
    hang_up: Option<Signal>,
    log: Option<Arc<LogFile>>,
}

impl Signals {
    /// Begins to listen. SIGHUP stops the program, unless it was started so as to outlive its
    /// terminal (`nohup`).
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn listen() -> std::io::Result<Signals> {
        Signals::listen_with(None)
    }

    /// Begins to listen. Where there is a log file, SIGHUP reopens it instead, as whatever rotates
    /// logs expects of a program that runs for long.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn listen_with(log: Option<Arc<LogFile>>) -> std::io::Result<Signals> {
        let hears = log.is_some() || !ignores_hang_up();
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if hears { Some(signal(SignalKind::hangup())?) } else { None },
            log,
        })
    }

    /// Waits for the next one that asks to stop.
    pub async fn next(&mut self) -> StopSignal {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return StopSignal::Interrupt,
                _ = self.terminate.recv() => return StopSignal::Terminate,
                () = heard(&mut self.hang_up) => match &self.log {
                    Some(log) => log.reopen(),
                    None => return StopSignal::HangUp,
                },
            }
        }
    }
}

async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Returns whether the program was started with SIGHUP ignored. Only Linux says so without unsafe code;
/// elsewhere SIGHUP stops it.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status) & 1 == 1
}

/// The signals that are ignored by what `/proc/self/status` says, the first in the lowest bit.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s17_ignored_signals_are_read_from_the_status() {
        assert_eq!(ignored("Name:\tgleaner\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), 0x1001);
        assert_eq!(ignored("SigIgn:\tnonsense"), 0);
        assert_eq!(ignored(""), 0);
    }
}
