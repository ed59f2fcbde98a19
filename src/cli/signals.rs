//! Handling of SIGINT, SIGTERM and SIGHUP.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that asks the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopSignal {
    /// SIGHUP: the terminal was closed.
    HangUp,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: a supervisor.
    Terminate,
}

/// Listens for signals. Keep it for as long as the program runs: once a handler is installed,
/// signals that nobody listens for are lost.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Listener for SIGHUP, or `None` if SIGHUP stays ignored.
    hang_up: Option<Signal>,
    on_hang_up: Option<OnHangUp>,
}

/// Called on each SIGHUP.
pub type OnHangUp = Box<dyn Fn() + Send + Sync>;

impl Signals {
    /// Starts to listen. SIGHUP stops the program, unless it was started with SIGHUP ignored
    /// (`nohup`).
    ///
    /// # Errors
    /// Returns an error if a signal handler cannot be installed.
    pub fn listen() -> std::io::Result<Signals> {
        Signals::listen_with(None)
    }

    /// Starts to listen. If `on_hang_up` is given, SIGHUP calls it instead of stopping the program: it
    /// reopens the log or reads files again, as is expected of programs that run for long.
    ///
    /// # Errors
    /// Returns an error if a signal handler cannot be installed.
    pub fn listen_with(on_hang_up: Option<OnHangUp>) -> std::io::Result<Signals> {
        let hears = on_hang_up.is_some() || !ignores_hang_up();
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if hears { Some(signal(SignalKind::hangup())?) } else { None },
            on_hang_up,
        })
    }

    /// Waits for the next signal that asks to stop.
    pub async fn next(&mut self) -> StopSignal {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return StopSignal::Interrupt,
                _ = self.terminate.recv() => return StopSignal::Terminate,
                () = heard(&mut self.hang_up) => match &self.on_hang_up {
                    Some(on_hang_up) => on_hang_up(),
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

/// Returns true if the program was started with SIGHUP ignored. Without unsafe code only Linux can
/// tell; elsewhere SIGHUP stops the program.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored(&status) & 1 == 1
}

/// Returns the mask of ignored signals from the text of `/proc/self/status`. The lowest bit is
/// signal 1 (SIGHUP).
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
