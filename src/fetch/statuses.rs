//! Meaning of a status: a page, the end of a list, "not yet", or none of these.
//!
//! Sites differ, so the site file can set the meanings (`[answers]`). This type classifies a
//! status; its callers decide what follows.

use std::time::Duration;

/// Statuses that always mean "try again later". A site file cannot change them.
pub const ALWAYS_LATER: [u16; 2] = [429, 503];

/// Statuses by meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses {
    /// Statuses of responses that hold the page.
    pub ok: Vec<u16>,
    /// Statuses that mean the end of a list, for a list page that was only a guess.
    pub end: Vec<u16>,
    /// Further statuses that mean "try again later", as 429 and 503 do.
    pub later: Vec<u16>,
    /// Wait before a retry if the status means "later" and no header names one, or `None`.
    pub wait: Option<Duration>,
}

impl Default for Statuses {
    fn default() -> Statuses {
        Statuses {
            ok: vec![200, 201, 203, 206],
            end: vec![204, 404, 410],
            later: vec![202],
            wait: None,
        }
    }
}

impl Statuses {
    /// Returns `true` if a response with this status holds the page.
    pub fn is_ok(&self, status: u16) -> bool {
        self.ok.contains(&status)
    }

    /// Returns `true` if this status means the end of a list, for a page that was only a guess.
    pub fn is_end(&self, status: u16) -> bool {
        self.end.contains(&status)
    }

    /// Returns `true` if the site file says that this status means "not yet".
    pub fn is_later(&self, status: u16) -> bool {
        self.later.contains(&status)
    }

    /// Returns the wait for a status whose headers name `named`, or `None`.
    pub fn wait(&self, status: u16, named: Option<Duration>) -> Option<Duration> {
        let is_later = self.is_later(status) || ALWAYS_LATER.contains(&status);
        named.or(self.wait.filter(|_| is_later))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w20_the_wait_of_the_site_file_holds_where_no_header_names_one() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let statuses = Statuses { wait: seconds(30), ..Statuses::default() };
        let cases = [
            (202, None, seconds(30)),
            (202, seconds(5), seconds(5)),
            (429, None, seconds(30)),
            (503, None, seconds(30)),
            (500, None, None),
            (500, seconds(5), seconds(5)),
        ];
        for (status, named, wait) in cases {
            assert_eq!(statuses.wait(status, named), wait, "{status} {named:?}");
        }
        assert_eq!(Statuses::default().wait(202, None), None);
    }
}
