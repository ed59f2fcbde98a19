//! How far an item's revision can be trusted: what list and page say of when the item changed.
//!
//! A revision is a text of the site's own. Where it is a date without a time, the item may change once
//! more on that day, and the date stands still. And a list may be ahead of its pages, which a cache may
//! still give as they were.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// Ways to write a date. One text may fit several; then the latest counts.
const DATES: [&str; 12] = [
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
];
/// What stands behind a date where a program wrote a time that nobody knew.
const MIDNIGHTS: [&str; 7] = [
    "T00:00:00Z",
    "T00:00:00+00:00",
    "T00:00:00.000Z",
    "T00:00:00",
    "T00:00Z",
    " 00:00:00",
    "T00:00",
];

/// Whether a page that was fetched then, when the list said this `revision`, cannot have changed since
/// without another revision. A date without a time says so only where it lies before the day of the
/// fetch, in UTC.
pub fn is_final(revision: &str, fetched_at: Option<Timestamp>) -> bool {
    let Some(last) = last_day(revision) else { return true };
    fetched_at.is_some_and(|at| last < at.to_zoned(TimeZone::UTC).date())
}

/// Whether a page's own revision is older than the one that its list says. Texts that are neither times
/// nor numbers cannot be compared, and are not older.
pub fn is_older(page: &str, list: &str) -> bool {
    if let (Ok(page), Ok(list)) = (page.trim().parse::<i128>(), list.trim().parse::<i128>()) {
        return page < list;
    }
    if let (Some(page), Some(list)) = (moment(page), moment(list)) {
        return page < list;
    }
    // One of them has no time: then the days are compared.
    let day = |text: &str| last_day(text).or_else(|| moment(text).map(day_of));
    matches!((day(page), day(list)), (Some(page), Some(list)) if page < list)
}

fn day_of(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

/// The last day that a date without a time may mean; nothing where the text is no such date.
fn last_day(revision: &str) -> Option<Date> {
    let text = revision.trim();
    let text = MIDNIGHTS.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
    // Times and large numbers are most common, and no dates.
    if text.contains(':') || text.len() > 20 {
        return None;
    }
    let days = DATES.iter().filter_map(|form| Date::strptime(form, text).ok());
    let months = || Date::strptime("%Y-%m-%d", format!("{text}-01")).ok().map(Date::last_of_month);
    days.max().or_else(months)
}

/// The time that a text is; where it has no zone, in UTC.
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
    fn g9_a_date_without_a_time_is_final_only_before_the_day_of_the_fetch() {
        let fetched: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let cases = [
            ("2026-11-28", true),
            ("2026-11-29", false),
            ("2026-11-30", false),
            (" 2026-11-29 ", false),
            ("2026/11/29", false),
            ("20261129", false),
            ("29.11.2026", false),
            ("28.11.2026", true),
            ("Nov 29, 2026", false),
            ("29 November 2026", false),
            // The 4th of December or the 12th of April: the later counts.
            ("04/12/2026", false),
            ("2026-11", false),
            ("2026-10", true),
            ("2026-11-29T00:00:00Z", false),
            ("2026-11-29 00:00:00", false),
            ("2026-11-28T00:00:00+00:00", true),
            // Times and what is no time at all are the site's word.
            ("2026-11-29T09:59:00Z", true),
            ("2026-11-29T12:00:00Z", true),
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
