//! Whether a host refuses for good: so many refusals in a row, or for long nothing but trouble.
//!
//! Refusals that were under way side by side are one refusal: the answers to a burst must not end
//! a run.

use std::time::Duration;

use tokio::time::Instant;

/// A host from which nothing but trouble comes for this long is given up.
const LONGEST_TROUBLE: Duration = Duration::from_secs(15 * 60);

/// See the module's text.
#[derive(Debug, Default)]
pub struct Mood {
    refusals: u32,
    last_refusal: Option<Instant>,
    /// Since the last success.
    first_trouble: Option<Instant>,
    gave_pages: bool,
}

/// A host has had its chances.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Blocked {
    /// It refuses.
    #[error(
        "the site refuses: {refusals} refusals in a row, the last with: {last}. Wait, or crawl with fewer --workers; a later run can go on (--block-after sets how many are borne)"
    )]
    Refused {
        /// So often in a row.
        refusals: u32,
        /// The last word.
        last: String,
    },
    /// It gives no page.
    #[error(
        "the site has given no page for {} minutes, the last with: {last}. A later run can go on",
        LONGEST_TROUBLE.as_secs() / 60
    )]
    Silent {
        /// The last word.
        last: String,
    },
}

impl Mood {
    /// A page came that is one.
    pub fn succeeded(&mut self) {
        self.refusals = 0;
        self.first_trouble = None;
        self.gave_pages = true;
    }

    /// Whether a page ever came.
    pub fn gave_pages(&self) -> bool {
        self.gave_pages
    }

    /// A request that left at `sent` came to nothing. Of refusals, so many as `most` in a row are
    /// too many.
    ///
    /// # Errors
    /// Where the host has had its chances.
    pub fn troubled(
        &mut self,
        sent: Instant,
        is_refusal: bool,
        message: &str,
        most: u32,
    ) -> Result<(), Blocked> {
        let now = Instant::now();
        if is_refusal && self.last_refusal.is_none_or(|last| last <= sent) {
            self.refusals += 1;
            self.last_refusal = Some(now);
        }
        let first = *self.first_trouble.get_or_insert(now);
        let last = || message.to_owned();
        if is_refusal && self.refusals >= most {
            return Err(Blocked::Refused { refusals: self.refusals, last: last() });
        }
        if now.duration_since(first) > LONGEST_TROUBLE {
            return Err(Blocked::Silent { last: last() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_refusals_is_one() {
        let mut mood = Mood::default();
        let sent = Instant::now();
        tokio::time::advance(Duration::from_millis(10)).await;
        for _ in 0..50 {
            assert_eq!(mood.troubled(sent, true, "429", 3), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn w3_refusals_in_a_row_are_a_block_and_a_success_starts_anew() {
        let mut mood = Mood::default();
        let refuse =
            |mood: &mut Mood| mood.troubled(Instant::now(), true, "the site answered 429", 3);
        assert!(refuse(&mut mood).is_ok() && refuse(&mut mood).is_ok());
        mood.succeeded();
        assert!(refuse(&mut mood).is_ok() && refuse(&mut mood).is_ok());
        let blocked = refuse(&mut mood).unwrap_err().to_string();
        assert!(blocked.contains("the last with: the site answered 429"), "{blocked}");
    }

    #[tokio::test(start_paused = true)]
    async fn w3_a_host_that_gives_no_page_for_long_is_given_up() {
        let mut mood = Mood::default();
        let trouble = |mood: &mut Mood| mood.troubled(Instant::now(), false, "no connection", 3);
        for _ in 0..15 {
            assert_eq!(trouble(&mut mood), Ok(()));
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        mood.succeeded();
        for _ in 0..16 {
            assert_eq!(trouble(&mut mood), Ok(()));
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        let blocked = trouble(&mut mood).unwrap_err().to_string();
        assert!(blocked.contains("no page for 15 minutes"), "{blocked}");
    }
}
