//! Guesses the cause of an alert from the last report and the failures.

use crate::model::report::{Answers, Report};
use crate::store::KeptFailure;

/// Returns the likely cause, or `None` if the counts do not point to one.
pub fn likely(report: Option<&Report>, failures: &[KeptFailure]) -> Option<String> {
    let statuses = most_frequent(failures.iter().filter_map(|failure| failure.status));
    let reason = most_frequent(failures.iter().map(|failure| &*failure.reason));
    let messages = |part: &str| failures.iter().any(|failure| failure.message.contains(part));
    if let Some(report) = report {
        let Answers { success, redirect, refused, broken, none } = report.requests.answers;
        let half = (success + redirect + refused + broken + none) / 2;
        let moved = redirect.saturating_sub(report.requests.not_modified);
        if none > half {
            let what = if messages("dns") { "its name was not found" } else { "no answer came" };
            return Some(format!("most requests failed before an answer: {what}"));
        }
        if refused > half {
            return Some(match statuses {
                Some(404 | 410) => "most pages do not exist (404 or 410)".to_owned(),
                Some(status @ (401 | 403 | 429)) => format!("the site refuses requests ({status})"),
                _ => "most requests were answered with a status from 400 to 499".to_owned(),
            });
        }
        if broken > half {
            return Some("the site's server fails (status 500 or above)".to_owned());
        }
        if moved > half {
            return Some("most requests were only redirected".to_owned());
        }
        if success > half && report.index.listed == 0 {
            let what = "pages are answered with 200, but the site file finds no items on them";
            return Some(what.to_owned());
        }
    }
    match (statuses, reason) {
        (Some(status), Some("status")) => {
            Some(format!("most failed pages were answered with {status}"))
        }
        (_, Some("twin")) => {
            Some("pages of several items are one and the same, as a captcha or a login".to_owned())
        }
        (_, Some("require")) => {
            Some("most failed pages lack what the site file requires".to_owned())
        }
        (_, Some("redirect")) => {
            Some("most failed pages lead to an address that is not theirs".to_owned())
        }
        (_, Some(reason)) => Some(format!("most failed pages have the reason `{reason}`")),
        _ => None,
    }
}

/// Returns the value that more than half of all have.
fn most_frequent<T: PartialEq + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let values: Vec<T> = values.collect();
    let times = |value: &T| values.iter().filter(|other| *other == value).count();
    values.iter().copied().find(|value| times(value) * 2 > values.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::PageId;
    use crate::model::report::Outcome;
    use crate::observe::metrics::Metrics;
    use crate::system::clock;

    fn failure(reason: &str, status: Option<u16>, message: &str) -> KeptFailure {
        KeptFailure {
            page: PageId { kind: "detail".into(), name: "1".into() },
            url: "http://h/1".into(),
            reason: reason.into(),
            message: message.into(),
            status,
            attempts: 1,
            sample: None,
            first_at: clock::now(),
            last_at: clock::now(),
            sweep: "s".into(),
        }
    }

    #[test]
    fn the_likely_cause_is_what_most_answers_have_in_common() {
        let cause = |answers: Answers, failures: &[KeptFailure]| {
            let mut report =
                Metrics::new().snapshot().report("s", Outcome::Failed, clock::now(), Vec::new());
            report.requests.answers = answers;
            likely(Some(&report), failures).unwrap_or_default()
        };
        let answers = Answers { success: 5, ..Answers::default() };
        let many = 9;
        let none = Answers { none: many, ..answers };
        let dns = failure("connect", None, "no connection: dns error");
        assert!(cause(none, &[dns]).ends_with("its name was not found"));
        assert!(cause(none, &[]).ends_with("no answer came"));
        let refused = Answers { refused: many, ..answers };
        let status = |status| failure("status", Some(status), "");
        assert_eq!(cause(refused, &[status(403)]), "the site refuses requests (403)");
        assert!(cause(refused, &[status(404)]).contains("do not exist"));
        assert!(cause(Answers { broken: many, ..answers }, &[]).contains("500"));
        assert!(cause(Answers { redirect: many, ..answers }, &[]).contains("redirected"));
        assert!(cause(answers, &[]).contains("finds no items"));
        let mixed = Answers { refused: 5, ..answers };
        assert_eq!(cause(mixed, &[]), "");
        assert!(cause(mixed, &[failure("parse", None, "")]).contains("`parse`"));
        let twin = [failure("twin", Some(200), ""), failure("twin", Some(200), "")];
        assert!(cause(mixed, &twin).contains("one and the same"));
    }
}
