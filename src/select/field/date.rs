//! Dates and times of a page, as RFC 3339 writes them.

use jiff::civil::{Date, DateTime};
use jiff::fmt::{rfc2822, strtime};
use jiff::{Timestamp, Zoned};

/// Returns a date or time in RFC 3339: `2024-05-01`, `2024-05-01T12:00:00` where the page names no
/// time zone, or in UTC, `2024-05-01T10:00:00Z`. `format` is in the notation of `strftime`; without
/// it, ISO 8601 and RFC 2822 (as in feeds) are read. Returns `None` for another text.
pub fn text(text: &str, format: Option<&str>) -> Option<String> {
    let text = text.trim();
    match format {
        Some(format) => by_format(text, format),
        None => usual(text),
    }
}

fn by_format(text: &str, format: &str) -> Option<String> {
    let parts = strtime::parse(format, text).ok()?;
    if let Ok(time) = parts.to_timestamp() {
        return Some(time.to_string());
    }
    let date = parts.to_date().ok()?;
    let has_time = parts.hour().is_some();
    match parts.to_datetime() {
        Ok(time) if has_time => Some(time.to_string()),
        _ => Some(date.to_string()),
    }
}

fn usual(text: &str) -> Option<String> {
    let is_date = text.len() <= 10;
    if is_date {
        return text.parse::<Date>().ok().map(|date| date.to_string());
    }
    let time = || text.parse::<Timestamp>().ok();
    let zoned = || text.parse::<Zoned>().ok().map(|zoned| zoned.timestamp());
    let of_feed = || rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
    let found = time().or_else(zoned).or_else(of_feed).map(|time| time.to_string());
    found.or_else(|| text.parse::<DateTime>().ok().map(|time| time.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_rfc_3339() {
        for (given, format, expected) in [
            ("01.05.2024", Some("%d.%m.%Y"), Some("2024-05-01")),
            ("May 1, 2024", Some("%B %d, %Y"), Some("2024-05-01")),
            ("01/05/24 13:30", Some("%d/%m/%y %H:%M"), Some("2024-05-01T13:30:00")),
            ("2024-05-01 13:30 +0200", Some("%Y-%m-%d %H:%M %z"), Some("2024-05-01T11:30:00Z")),
            ("1714563000", Some("%s"), Some("2024-05-01T11:30:00Z")),
            ("32.05.2024", Some("%d.%m.%Y"), None),
            (" 2024-05-01 ", None, Some("2024-05-01")),
            ("2024-05-01T13:30:00+02:00", None, Some("2024-05-01T11:30:00Z")),
            ("Wed, 01 May 2024 13:30:00 +0200", None, Some("2024-05-01T11:30:00Z")),
            ("2024-05-01T13:30:00", None, Some("2024-05-01T13:30:00")),
            ("yesterday", None, None),
            ("", None, None),
        ] {
            assert_eq!(text(given, format).as_deref(), expected, "{given}");
        }
    }
}
