//! What the status of an answer means: a page, the end of a list, "not yet", or none of these.
//!
//! Sites differ, so that a site file may say it (`[answers]`). This holds the values and classifies a
//! status; what follows from it is decided by whoever asked.

use std::time::Duration;

/// Statuses that are always asked again: no site file can say otherwise.
pub const ALWAYS_LATER: [u16; 2] = [429, 503];

/// The statuses that mean something, by meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses {
    /// Answers with these hold the page.
    pub ok: Vec<u16>,
    /// Where a page of a list was only a guess, these are the end of the list.
    pub end: Vec<u16>,
    /// Asked again, as with 429 and 503.
    pub later: Vec<u16>,
    /// How long to wait before an answer that says "later" is asked for again, where no header says.
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
    /// Returns whether an answer with this status holds the page.
    pub fn is_ok(&self, status: u16) -> bool {
        self.ok.contains(&status)
    }

    /// Returns whether this status is the end of a list, where the page was only a guess.
    pub fn is_end(&self, status: u16) -> bool {
        self.end.contains(&status)
    }

    /// Returns whether the site file says that this status means "not yet".
    pub fn is_later(&self, status: u16) -> bool {
        self.later.contains(&status)
    }

    /// The wait that goes with a status whose headers name `named`.
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
