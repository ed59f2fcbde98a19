//! Exit codes. Supervisors and scripts rely on them.

use std::process::ExitCode;

use super::signals::StopSignal;
use super::streams::print_message;
use crate::model::report::Outcome;

/// How the program ends, with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: complete.
    Complete,
    /// 1: store unreachable, site blocked, …
    Failed,
    /// 2: the user has to change a flag, a variable or a file.
    Usage,
    /// 3: finished, but something is missing. In `gleaner fetch`: the response's status was 400 or
    /// above, or nothing matched.
    Incomplete,
    /// 4: another run holds the site lock.
    Held,
    /// 129, 130 or 143: interrupted by a signal; the sweep can be resumed.
    Interrupted(StopSignal),
    /// 141, as of a program ended by SIGPIPE: the reader of standard output closed it.
    ReaderGone,
}

impl Exit {
    /// Returns the exit of a crawl that ended with `outcome`. `signal` is the signal that stopped
    /// it, if any.
    pub fn of(outcome: Outcome, signal: Option<StopSignal>) -> Exit {
        match outcome {
            Outcome::Complete => Exit::Complete,
            Outcome::Incomplete => Exit::Incomplete,
            Outcome::Interrupted => Exit::Interrupted(signal.unwrap_or(StopSignal::Interrupt)),
            Outcome::Failed => Exit::Failed,
        }
    }

    /// Describes the exit in words.
    pub fn means(self) -> &'static str {
        match self {
            Exit::Complete => "the sweep is complete",
            Exit::Failed => "the sweep failed",
            Exit::Usage => "the settings are wrong",
            Exit::Incomplete => "the sweep is incomplete",
            Exit::Held => "another run holds the site lock",
            Exit::Interrupted(_) => "the sweep was interrupted",
            Exit::ReaderGone => "the reader of standard output closed it",
        }
    }

    /// Returns the exit of two runs: the first that occurs of usage error, failure, interruption, a
    /// site that another run holds, and incomplete.
    pub fn and(self, other: Exit) -> Exit {
        if other.rank() > self.rank() { other } else { self }
    }

    fn rank(self) -> u8 {
        match self {
            Exit::Usage => 6,
            Exit::Failed => 5,
            Exit::Interrupted(_) => 4,
            Exit::ReaderGone => 3,
            Exit::Held => 2,
            Exit::Incomplete => 1,
            Exit::Complete => 0,
        }
    }

    fn code(self) -> u8 {
        match self {
            Exit::Complete => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Incomplete => 3,
            Exit::Held => 4,
            Exit::Interrupted(StopSignal::HangUp) => 129,
            Exit::Interrupted(StopSignal::Interrupt) => 130,
            Exit::Interrupted(StopSignal::Terminate) => 143,
            Exit::ReaderGone => 141,
        }
    }
}

/// Prints why a command failed, and returns the exit code.
pub fn failed(error: &anyhow::Error) -> Exit {
    print_message(&format!("error: {error:#}\n"));
    Exit::Failed
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_the_exit_of_several_runs_is_the_first_that_occurs_of_2_1_signals_4_3_and_0() {
        let interrupted = Exit::Interrupted(StopSignal::Terminate);
        let order =
            [Exit::Usage, Exit::Failed, interrupted, Exit::Held, Exit::Incomplete, Exit::Complete];
        for (at, first) in order.iter().enumerate() {
            for other in order.iter().skip(at) {
                assert_eq!((first.and(*other), other.and(*first)), (*first, *first));
            }
        }
        // The first signal counts.
        assert_eq!(interrupted.and(Exit::Interrupted(StopSignal::Interrupt)), interrupted);
    }
}
