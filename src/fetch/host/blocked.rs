//! Why a run or a host is given up as blocked, with advice for the user.

use std::time::Duration;

use super::refusals::LONGEST_TROUBLE;
use crate::fetch::retry::Fault;

/// Reason for which no further requests are made to a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// The host refuses requests.
    #[error(
        "blocked by the site: {refusals} refusals in a row by {host}{}, the last with: {last}. {}; a later run resumes{}",
        end.when(), advice(*fault), end.setting()
    )]
    Refused {
        /// Name of the host.
        host: Box<str>,
        /// Number of consecutive refusals.
        refusals: u32,
        /// The limit that was reached.
        end: RefusalEnd,
        /// Kind of the last refusal.
        fault: Fault,
        /// Message of the last refusal.
        last: String,
    },
    /// The host has given no page for long.
    #[error(
        "the site has given no page for {} minutes: {host}, the last with: {last}. A later run resumes",
        LONGEST_TROUBLE.as_secs() / 60
    )]
    Silent {
        /// Name of the host.
        host: Box<str>,
        /// Message of the last failure.
        last: String,
    },
    /// The host cannot be reached.
    #[error(
        "the site cannot be reached: no connection to {host} for {} (--site-wait), the last with: {last}. A later run resumes",
        humantime::format_duration(*waited)
    )]
    Away {
        /// Name of the host.
        host: Box<str>,
        /// Time for which it was waited for.
        waited: Duration,
        /// Message of the last failure.
        last: String,
    },
}

/// The limit on refusals that a host reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalEnd {
    /// The number of consecutive refusals that `--block-after` sets.
    InARow,
    /// Nothing but refusals for this long.
    Long(Duration),
    /// A refusal after the longest pause.
    AfterPause(Duration),
}

impl RefusalEnd {
    fn when(self) -> String {
        match self {
            RefusalEnd::InARow => String::new(),
            RefusalEnd::Long(time) => format!(" for over {} minutes", time.as_secs() / 60),
            RefusalEnd::AfterPause(pause) => {
                format!(" and after a pause of {} s", pause.as_secs())
            }
        }
    }

    /// Names the setting of this limit, if it has one.
    fn setting(self) -> &'static str {
        match self {
            RefusalEnd::InARow => " (--block-after sets this number)",
            RefusalEnd::Long(_) | RefusalEnd::AfterPause(_) => "",
        }
    }
}

fn advice(fault: Fault) -> &'static str {
    match fault {
        Fault::Unfit => {
            "The site shows another page than before, such as a login or a captcha, or was redesigned: gleaner fetch shows it"
        }
        Fault::Session => {
            "The login succeeds, but the site refuses its session: look at `take`, `headers` and `cookies` in [session]"
        }
        _ => "Wait, or crawl with fewer --workers",
    }
}

impl Blocked {
    /// Adds the URL of the page that was refused last.
    pub fn at(mut self, url: &str) -> Blocked {
        let last = self.last_mut();
        *last = format!("{last} ({url})");
        self
    }

    /// Describes the reason for a host that is not the site's own, whose pages fail.
    pub fn of_other_host(mut self) -> String {
        let last = std::mem::take(self.last_mut());
        match self {
            Blocked::Refused { host, refusals, .. } => {
                format!("{host} refused {refusals} times in a row, the last with: {last}")
            }
            Blocked::Silent { host, .. } | Blocked::Away { host, .. } => {
                format!("{host} gave no page for long, the last with: {last}")
            }
        }
    }

    fn last_mut(&mut self) -> &mut String {
        let (Blocked::Refused { last, .. }
        | Blocked::Silent { last, .. }
        | Blocked::Away { last, .. }) = self;
        last
    }
}
