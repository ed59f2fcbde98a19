//! Whether a task is tried again, and when: a function of what went wrong and the attempt.

use std::time::Duration;

use super::FetchError;
use crate::frontier::Retry;
use crate::task::Task;

/// The delay before the second attempt is up to this, doubled with each further one.
const BASE: Duration = Duration::from_millis(500);
/// Longest delay between attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// Longest wait that a site can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// A task that was set aside this often for nothing pays for further waits: a page that answers
/// "later" for ever is a failure in the end.
const FREE_WAITS: u32 = 100;

/// What is to become of a task that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It is tried again.
    Again(Retry),
    /// It is given up.
    GiveUp,
}

/// Decides on a request for `task` that failed, with `retries` further attempts allowed. `random`
/// is uniform in 0..1.
///
/// A wait that the site asks for (429 or 503 with Retry-After) costs no attempt, a hundred times.
pub fn after_error(error: &FetchError, task: &Task, retries: u32, random: f64) -> Decision {
    match error {
        FetchError::Status { status: 429 | 503, wait: Some(wait), .. }
            if task.waits < FREE_WAITS =>
        {
            let after = capped(*wait) + jitter(BASE, random);
            Decision::Again(Retry { after, costs_attempt: false })
        }
        error if is_passing(error) => again(task.attempt, retries, random),
        _ => Decision::GiveUp,
    }
}

/// Decides on a page that came but is not what it should be, which may be a passing state of the
/// site (maintenance, login).
pub fn after_bad_page(attempt: u32, retries: u32, random: f64) -> Decision {
    again(attempt, retries, random)
}

/// Decides on rules for crawlers that cannot be read now: the delay before the next attempt, or
/// nothing where there is none.
pub fn after_no_rules(
    error: &FetchError,
    attempt: u32,
    retries: u32,
    random: f64,
) -> Option<Duration> {
    match again(attempt, retries, random) {
        Decision::Again(retry) => Some(match error {
            FetchError::Status { wait: Some(wait), .. } => retry.after.max(capped(*wait)),
            _ => retry.after,
        }),
        Decision::GiveUp => None,
    }
}

/// Whether a host that answers so, or does not, is asked for too much at once.
pub fn is_overload(error: &FetchError) -> bool {
    matches!(
        error,
        FetchError::Status { status: 429 | 503 | 504 | 529, .. } | FetchError::Timeout(_)
    )
}

/// A wait that a site asks for, as far as it is granted.
pub fn capped(wait: Duration) -> Duration {
    wait.min(LONGEST_WAIT)
}

/// Exponential backoff with full jitter: uniform in 0..min(cap, base · 2ⁿ). After "Exponential
/// Backoff And Jitter", AWS Architecture Blog, 2015.
fn again(attempt: u32, retries: u32, random: f64) -> Decision {
    if attempt > retries {
        return Decision::GiveUp;
    }
    let longest = BASE.saturating_mul(1 << (attempt - 1).min(16)).min(LONGEST_DELAY);
    Decision::Again(Retry { after: jitter(longest, random), costs_attempt: true })
}

fn jitter(longest: Duration, random: f64) -> Duration {
    longest.mul_f64(random.clamp(0.0, 1.0))
}

/// Whether the same request may succeed later.
fn is_passing(error: &FetchError) -> bool {
    match error {
        FetchError::Status { status, .. } => {
            matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 507 | 520..=527 | 529)
        }
        FetchError::Connect(_)
        | FetchError::Timeout(_)
        | FetchError::Closed(_)
        | FetchError::Body(_) => true,
        FetchError::TooLarge(_)
        | FetchError::RedirectLoop
        | FetchError::RedirectRefused { .. }
        | FetchError::Forbidden
        | FetchError::NoRules(_)
        | FetchError::Request(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{IndexPage, Page};

    fn status(status: u16, wait: Option<u64>) -> FetchError {
        FetchError::Status { status, wait: wait.map(Duration::from_secs), sample: None }
    }

    fn task(attempt: u32, waits: u32) -> Task {
        let page = IndexPage::numbered(1, 1, 1);
        Task { page: Page::Index(page), attempt, waits }
    }

    fn delay(decision: Decision) -> Option<(u64, bool)> {
        match decision {
            Decision::Again(retry) => Some((retry.after.as_millis() as u64, retry.costs_attempt)),
            Decision::GiveUp => None,
        }
    }

    #[test]
    fn delays_double_up_to_the_cap_and_end() {
        let at =
            |attempt, random| delay(after_error(&status(500, None), &task(attempt, 0), 20, random));
        assert_eq!(at(1, 1.0), Some((500, true)));
        assert_eq!(at(2, 1.0), Some((1000, true)));
        assert_eq!(at(4, 0.5), Some((2000, true)));
        assert_eq!(at(20, 1.0), Some((60_000, true)));
        assert_eq!(at(3, 0.0), Some((0, true)));
        assert_eq!(at(21, 1.0), None);
    }

    #[test]
    fn w1_a_wait_that_is_asked_for_costs_nothing_and_is_capped() {
        assert_eq!(
            delay(after_error(&status(429, Some(7)), &task(99, 99), 4, 0.0)),
            Some((7000, false))
        );
        assert_eq!(
            delay(after_error(&status(503, Some(u64::MAX)), &task(1, 0), 4, 0.0)),
            Some((600_000, false))
        );
        assert_eq!(delay(after_error(&status(429, None), &task(5, 0), 4, 0.0)), None);
    }

    #[test]
    fn a_page_that_says_later_for_ever_is_given_up_in_the_end() {
        let later = status(503, Some(0));
        assert_eq!(delay(after_error(&later, &task(1, 100), 4, 0.0)), Some((0, true)));
        assert_eq!(delay(after_error(&later, &task(5, 100), 4, 0.0)), None);
    }

    #[test]
    fn what_cannot_pass_is_given_up_at_once() {
        for error in [
            status(404, None),
            status(403, None),
            status(301, None),
            FetchError::TooLarge(1),
            FetchError::RedirectLoop,
        ] {
            assert_eq!(after_error(&error, &task(1, 0), 4, 0.5), Decision::GiveUp, "{error}");
        }
    }
}
