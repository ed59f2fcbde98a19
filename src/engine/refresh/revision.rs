//! How far an item's revision can be trusted: what list and page say of when the item changed.
//!
//! A revision is text that the site chooses. If it is a date without a time, or a time in the
//! future, the item may change again without a new revision. A list may also be ahead of its pages,
//! since a cache may still serve their old versions.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Date formats. If a text fits several, the latest date counts.
const DATES: [&str; 16] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%a, %d %b %Y",
    "%a %d %b %Y",
    "%a, %b %d, %Y",
    "%A, %B %d, %Y",
];
/// How far the day may be behind UTC.
const BEHIND: SignedDuration = SignedDuration::from_hours(12);
/// Words of times that are relative to the time of reading.
const RELATIVE: [&str; 5] = ["ago", "today", "yesterday", "now", "tonight"];
/// Characters of a time of day.
const LONGEST_TIME: usize = 8;
/// Suffixes that programs write after a date whose time is unknown.
const MIDNIGHTS: [&str; 7] = [
    "T00:00:00Z",
    "T00:00:00+00:00",
    "T00:00:00.000Z",
    "T00:00:00",
    "T00:00Z",
    " 00:00:00",
    "T00:00",
];

/// Returns true if a page that was fetched at that time, while the list showed this `revision`,
/// cannot have changed since without a new revision. A date without a time counts only if that day
/// was over everywhere on Earth, a time only if it had passed, and words like `3 hours ago` never.
pub fn is_final(revision: &str, fetched_at: Option<Timestamp>) -> bool {
    if let Some(last) = last_day(revision) {
        return fetched_at.is_some_and(|at| last < day_of(at - BEHIND));
    }
    let Some(passed) = passed(revision) else { return !is_relative(revision) };
    fetched_at.is_none_or(|at| passed <= at)
}

/// Returns the moment at which the time in a text has passed, even if the text leaves out seconds,
/// or `None` if the text is not a time.
fn passed(revision: &str) -> Option<Timestamp> {
    let text = revision.trim();
    // Numbers are the most common revisions, and no times.
    let (_, clock) = text.split_once(['T', ' ']).filter(|_| text.contains(':'))?;
    let has_seconds = clock.bytes().take(6).filter(|byte| *byte == b':').count() > 1;
    let most = if has_seconds { SignedDuration::ZERO } else { SignedDuration::from_secs(59) };
    moment(text)?.checked_add(most).ok()
}

/// Returns true if a text is relative to the time of reading: a time of today, or some time ago.
fn is_relative(revision: &str) -> bool {
    let text = revision.trim().to_ascii_lowercase();
    let has = |word: &&str| text.split(|c: char| !c.is_ascii_alphabetic()).any(|it| it == *word);
    RELATIVE.iter().any(has)
        || text.len() <= LONGEST_TIME && text.contains(':') && text.parse::<Time>().is_ok()
}

/// Returns true if a page's own revision is older than the list's. Texts that are neither times nor
/// numbers cannot be compared, and count as not older.
pub fn is_older(page: &str, list: &str) -> bool {
    if let (Ok(page), Ok(list)) = (page.trim().parse::<i128>(), list.trim().parse::<i128>()) {
        return page < list;
    }
    if let (Some(page), Some(list)) = (moment(page), moment(list)) {
        return page < list;
    }
    // One of them has no time, so compare the days.
    let day = |text: &str| last_day(text).or_else(|| moment(text).map(day_of));
    matches!((day(page), day(list)), (Some(page), Some(list)) if page < list)
}

fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// Returns the last day that a date without a time can mean, or `None` if the text is not such a
/// date.
fn last_day(revision: &str) -> Option<Date> {
    let text = revision.trim();
    let text = MIDNIGHTS.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
    // A quick exit: times and large numbers are most common, and are not dates.
    if text.contains(':') || text.len() > 30 {
        return None;
    }
    let days = DATES.iter().filter_map(|form| Date::strptime(form, text).ok());
    let months = || Date::strptime("%Y-%m-%d", format!("{text}-01")).ok().map(Date::last_of_month);
    days.max().or_else(months)
}

/// Parses a time, in UTC if it has no zone. Returns `None` for a date without a time.
fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if last_day(text).is_some() {
        return None;
    }
    let in_utc = || {
        let time: DateTime = text.parse().ok()?;
        time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
    };
    let mailed = || jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp());
    text.parse().ok().or_else(in_utc).or_else(mailed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g9_a_revision_is_final_where_its_day_or_its_time_was_over() {
        let fetched: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let cases = [
            ("2026-11-27", true),
            // It is still the 28th where the day is twelve hours behind.
            ("2026-11-28", false),
            ("2026-11-29", false),
            ("2026-11-30", false),
            (" 2026-11-29 ", false),
            ("2026/11/29", false),
            ("20261129", false),
            ("29.11.2026", false),
            ("27.11.2026", true),
            ("Sun, 29 Nov 2026", false),
            ("Friday, November 27, 2026", true),
            ("Nov 29, 2026", false),
            ("29 November 2026", false),
            // The 4th of December or the 12th of April: the later counts.
            ("04/12/2026", false),
            ("2026-11", false),
            ("2026-10", true),
            ("2026-11-29T00:00:00Z", false),
            ("2026-11-29 00:00:00", false),
            ("2026-11-27T00:00:00+00:00", true),
            // A time in the past, and one in the future.
            ("2026-11-29T09:59:00Z", true),
            ("2026-11-29T10:00:00Z", true),
            ("2026-11-29T09:59Z", true),
            ("2026-11-29T10:00Z", false),
            ("2026-11-29T10:00:01Z", false),
            ("2026-11-29T12:00:00Z", false),
            ("2026-11-29T12:00:00+02:00", true),
            ("2026-11-29 12:00", false),
            ("Sun, 29 Nov 2026 11:00:00 GMT", false),
            // Relative to the time of reading.
            ("3 hours ago", false),
            ("Yesterday, 10:32", false),
            ("10:32", false),
            // Text that is not a time is trusted as the site's revision.
            ("7", true),
            ("1764410400", true),
            ("v1.2.3", true),
            ("\"etag\"", true),
            ("", true),
        ];
        for (revision, expected) in cases {
            assert_eq!(is_final(revision, Some(fetched)), expected, "{revision}");
        }
        assert!(!is_final("2020-01-01", None), "nobody knows when it was fetched");
    }

    #[test]
    fn g9_a_page_is_older_where_its_time_or_number_is() {
        let cases = [
            ("2026-11-29T10:00:00Z", "2026-11-29T10:00:01Z", true),
            ("2026-11-29T10:00:00Z", "2026-11-29T12:00:00+02:00", false),
            ("2026-11-29T11:00:00Z", "2026-11-29T10:00:00Z", false),
            ("2026-11-29 09:00:00", "2026-11-29T10:00:00Z", true),
            ("Sun, 29 Nov 2026 10:00:00 GMT", "2026-11-29T10:00:00Z", false),
            ("2026-11-28", "2026-11-29", true),
            ("2026-11-29", "2026-11-29T10:00:00Z", false),
            ("2026-11-28T10:00:00Z", "2026-11-29", true),
            ("7", "8", true),
            ("10", "9", false),
            ("a", "b", false),
            ("7", "2026-11-29", false),
        ];
        for (page, list, older) in cases {
            assert_eq!(is_older(page, list), older, "{page} against {list}");
        }
    }
}
