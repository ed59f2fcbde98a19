//! Decides whether and when to retry a task, as a pure function of the error and the attempt.

use std::time::Duration;

use super::FetchError;
use crate::frontier::Retry;
use crate::model::task::Task;

/// Maximum delay before the second attempt. It doubles with each further one.
const BASE: Duration = Duration::from_millis(500);
/// Maximum delay between attempts.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
/// Maximum wait that a site can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// Meaning of a failed request for its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The host limits the rate: 429, or 403 with a wait.
    Limited,
    /// The host refuses crawlers: 403, or another status for that.
    Refused,
    /// The host accepts a login, and then refuses its session.
    Session,
    /// Another page than requested, which may be the host's way to refuse.
    Unfit,
    /// The host is overloaded: 503, 504, 529, or a timeout.
    Overloaded,
    /// The connection failed.
    Unreachable,
    /// The connection failed, and the host is retried until it is back.
    Away,
    /// The failure says nothing about the host.
    Other,
}

impl Fault {
    /// Returns whether the host does not want us, or not so often.
    pub fn is_refusal(self) -> bool {
        matches!(self, Fault::Limited | Fault::Refused | Fault::Session | Fault::Unfit)
    }
}

/// Cost of a failed attempt to its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toll {
    /// No attempt: the task is retried after the host's wait.
    Free,
    /// One attempt.
    Attempt,
}

/// Decision on a task that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Retry the task.
    Again(Retry),
    /// Give up the task.
    GiveUp,
}

/// Decides on a failed request for `task`, with at most `retries` retries. `toll` is the cost that
/// the host charges, `random` is uniform in 0..1.
///
/// A wait that the site names is always kept, up to a maximum of 10 minutes.
pub fn after_error(
    error: &FetchError,
    task: &Task,
    toll: Toll,
    retries: u32,
    random: f64,
) -> Decision {
    let named = match error {
        FetchError::Status { wait, .. } | FetchError::Later { wait, .. } => {
            wait.map(capped).unwrap_or_default()
        }
        _ => Duration::ZERO,
    };
    if toll == Toll::Free {
        let after = named + jitter(BASE, random);
        return Decision::Again(Retry { after, costs_attempt: false });
    }
    match is_passing(error) {
        false => Decision::GiveUp,
        true => match again(task.attempt, retries, random) {
            Decision::Again(retry) => {
                Decision::Again(Retry { after: retry.after.max(named), ..retry })
            }
            Decision::GiveUp => Decision::GiveUp,
        },
    }
}

/// Decides on a page that has the wrong content, which may be temporary (maintenance, login).
pub fn after_bad_page(attempt: u32, retries: u32, random: f64) -> Decision {
    again(attempt, retries, random)
}

/// Decides on a robots.txt that cannot be read now. Returns the delay before the next attempt, or
/// `None` to give up.
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

/// Decides on a request of its own that failed, as a login does or a page of a check. Returns the delay
/// before the next attempt, or `None` to give up. One that was refused is not repeated: a site may lock
/// an account.
pub fn after_single(
    error: &FetchError,
    attempt: u32,
    retries: u32,
    random: f64,
) -> Option<Duration> {
    is_passing(error).then(|| after_no_rules(error, attempt, retries, random)).flatten()
}

/// Returns the meaning of a failed request for its host.
pub fn fault(error: &FetchError) -> Fault {
    match error {
        FetchError::Status { status: 429, .. }
        | FetchError::Status { status: 403, wait: Some(_), .. } => Fault::Limited,
        // Some large sites answer 418 and 999 to crawlers only.
        FetchError::Status { status: 401 | 403 | 418 | 999, .. } => Fault::Refused,
        FetchError::Status { status: 503 | 504 | 529, .. } | FetchError::Timeout(_) => {
            Fault::Overloaded
        }
        FetchError::SessionRefused { .. } => Fault::Session,
        FetchError::Connect(_) => Fault::Unreachable,
        FetchError::Away(_) => Fault::Away,
        _ => Fault::Other,
    }
}

/// Limits a wait that a site asks for to the maximum.
pub fn capped(wait: Duration) -> Duration {
    wait.min(LONGEST_WAIT)
}

/// Computes exponential backoff with full jitter: uniform in 0..min(cap, base · 2ⁿ). After
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
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

/// Returns `true` if the same request may succeed later.
pub fn is_passing(error: &FetchError) -> bool {
    match error {
        // A temporary refusal: some sites report a spent quota like this.
        FetchError::Status { status: 403, wait: Some(_), .. } => true,
        FetchError::Status { status, .. } => {
            // Server errors that are permanent by definition. An unknown status counts as 500
            // (RFC 9110, section 15).
            let lasts = matches!(status, 501 | 505 | 506 | 510 | 511);
            matches!(status, 408 | 421 | 425 | 429 | 500..=599) && !lasts
        }
        FetchError::Later { .. }
        | FetchError::SessionRefused { .. }
        | FetchError::Connect(_)
        | FetchError::Away(_)
        | FetchError::Timeout(_)
        | FetchError::Closed(_)
        | FetchError::Body(_) => true,
        FetchError::TooLarge(_)
        | FetchError::HeadTooLarge
        | FetchError::RedirectLoop(_)
        | FetchError::RedirectRefused { .. }
        | FetchError::Forbidden
        | FetchError::NoRules(_)
        | FetchError::Login(_)
        | FetchError::GivenUp(_)
        | FetchError::Request(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::task::{IndexPage, Page};

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

    fn after(error: &FetchError, attempt: u32, toll: Toll, random: f64) -> Option<(u64, bool)> {
        delay(after_error(error, &task(attempt, 0), toll, 4, random))
    }

    #[test]
    fn delays_double_up_to_the_cap_and_end() {
        let at = |attempt, random| {
            let task = task(attempt, 0);
            delay(after_error(&status(500, None), &task, Toll::Attempt, 20, random))
        };
        assert_eq!(at(1, 1.0), Some((500, true)));
        assert_eq!(at(2, 1.0), Some((1000, true)));
        assert_eq!(at(4, 0.5), Some((2000, true)));
        assert_eq!(at(20, 1.0), Some((60_000, true)));
        assert_eq!(at(3, 0.0), Some((0, true)));
        assert_eq!(at(21, 1.0), None);
    }

    #[test]
    fn w1_a_wait_that_is_asked_for_costs_nothing_and_is_capped() {
        assert_eq!(after(&status(429, Some(7)), 99, Toll::Free, 0.0), Some((7000, false)));
        assert_eq!(after(&status(503, Some(u64::MAX)), 1, Toll::Free, 0.0), Some((600_000, false)));
        assert_eq!(after(&status(429, None), 99, Toll::Free, 1.0), Some((500, false)));
    }

    #[test]
    fn w20_the_host_says_what_a_page_that_says_not_yet_pays() {
        let later = FetchError::Later { status: 202, wait: Some(Duration::from_secs(7)) };
        assert_eq!(after(&later, 1, Toll::Free, 0.0), Some((7000, false)));
        assert_eq!(after(&later, 1, Toll::Attempt, 0.0), Some((7000, true)));
        assert_eq!(after(&later, 5, Toll::Attempt, 0.0), None);
    }

    #[test]
    fn w25_a_wait_that_costs_an_attempt_is_kept_until_attempts_run_out() {
        let later = status(503, Some(60));
        assert_eq!(after(&later, 1, Toll::Attempt, 1.0), Some((60_000, true)));
        assert_eq!(after(&later, 5, Toll::Attempt, 1.0), None);
        assert_eq!(after(&status(403, Some(1)), 4, Toll::Attempt, 0.0), Some((1000, true)));
    }

    #[test]
    fn what_cannot_pass_is_given_up_at_once() {
        for error in [
            status(404, None),
            status(403, None),
            status(301, None),
            FetchError::TooLarge(1),
            FetchError::RedirectLoop(10),
        ] {
            assert_eq!(after(&error, 1, Toll::Attempt, 0.5), None, "{error}");
        }
    }

    #[test]
    fn w20_errors_of_a_server_pass_but_for_those_that_last() {
        let is_again = |code| after(&status(code, None), 1, Toll::Attempt, 0.5).is_some();
        for code in [408, 421, 425, 429, 500, 502, 503, 504, 507, 508, 509, 520, 527, 530, 598] {
            assert!(is_again(code), "{code}");
        }
        for code in [400, 401, 402, 404, 409, 418, 451, 499, 501, 505, 506, 510, 511, 600, 999] {
            assert!(!is_again(code), "{code}");
        }
    }

    #[test]
    fn w24_what_an_error_says_of_its_host() {
        for (error, expected) in [
            (status(429, None), Fault::Limited),
            (status(429, Some(1)), Fault::Limited),
            (status(403, Some(1)), Fault::Limited),
            (status(403, None), Fault::Refused),
            (status(401, None), Fault::Refused),
            (status(418, None), Fault::Refused),
            (status(999, None), Fault::Refused),
            (status(451, None), Fault::Other),
            (status(503, Some(1)), Fault::Overloaded),
            (FetchError::Timeout(String::new()), Fault::Overloaded),
            (FetchError::Connect(String::new()), Fault::Unreachable),
            (FetchError::Away(String::new()), Fault::Away),
            (status(500, None), Fault::Other),
            (FetchError::Body(String::new()), Fault::Other),
        ] {
            assert_eq!(fault(&error), expected, "{error}");
        }
    }
}
