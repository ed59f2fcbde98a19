//! Why a host is asked no more, in words that say what to do.

use std::time::Duration;

use super::refusals::LONGEST_TROUBLE;
use crate::fetch::retry::Fault;

/// A host has had its chances.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// It refuses.
    #[error(
        "the site refuses: {refusals} refusals in a row by {host}{}, the last with: {last}. {}; a later run can go on{}",
        end.when(), advice(*fault), end.setting()
    )]
    Refused {
        /// Who.
        host: Box<str>,
        /// So often in a row.
        refusals: u32,
        /// The limit that was reached.
        end: RefusalEnd,
        /// Last refusal.
        fault: Fault,
        /// The last word.
        last: String,
    },
    /// It gives no page.
    #[error(
        "the site has given no page for {} minutes: {host}, the last with: {last}. A later run can go on",
        LONGEST_TROUBLE.as_secs() / 60
    )]
    Silent {
        /// Who.
        host: Box<str>,
        /// The last word.
        last: String,
    },
    /// It cannot be reached.
    #[error(
        "the site cannot be reached: no connection to {host} for {} (--site-wait), the last with: {last}. A later run can go on",
        humantime::format_duration(*waited)
    )]
    Away {
        /// Who.
        host: Box<str>,
        /// For so long.
        waited: Duration,
        /// The last word.
        last: String,
    },
}

/// The limit on refusals that a host reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalEnd {
    /// As many in a row as are borne.
    InARow,
    /// Nothing else for this long.
    Long(Duration),
    /// One more after the longest pause.
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

    /// The setting that the measure has.
    fn setting(self) -> &'static str {
        match self {
            RefusalEnd::InARow => " (--block-after sets how many are borne)",
            RefusalEnd::Long(_) | RefusalEnd::AfterPause(_) => "",
        }
    }
}

fn advice(fault: Fault) -> &'static str {
    match fault {
        Fault::Unfit => {
            "The site shows another page than before, such as a login or a captcha, or was redesigned: gleaner fetch shows it"
        }
        _ => "Wait, or crawl with fewer --workers",
    }
}

impl Blocked {
    /// The same, with the page that the last word was about.
    pub fn at(mut self, url: &str) -> Blocked {
        let last = self.last_mut();
        *last = format!("{last} ({url})");
        self
    }

    /// Why the host is asked no more, where it is not the site's own.
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
