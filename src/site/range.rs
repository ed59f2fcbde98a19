//! Categories that are a range: of numbers, days or months.

use jiff::civil::Date;
use jiff::{Span, Timestamp, tz::TimeZone};

/// Maximum number of categories in a range. Each is a list of its own, planned at once.
pub const MOST: usize = 100_000;
/// End of a range that is the day on which a sweep begins.
const TODAY: &str = "today";

/// A range of categories, both ends included.
#[derive(Debug, Clone)]
pub struct SeedRange {
    /// The range as the site file has it.
    text: Box<str>,
    /// The step as the site file has it, or `None` for the default.
    step: Option<Box<str>>,
    ends: Ends,
}

#[derive(Debug, Clone)]
enum Ends {
    /// Numbers, padded with zeros to a width.
    Numbers { from: u64, to: u64, step: u64, width: usize },
    /// Days, or months if they are written without a day. Without an end the last one is today.
    Dates { from: Date, to: Option<Date>, step: Span, is_of_months: bool },
}

/// Two ranges are equal if the site file says the same.
impl PartialEq for SeedRange {
    fn eq(&self, other: &SeedRange) -> bool {
        (&self.text, &self.step) == (&other.text, &other.step)
    }
}

impl SeedRange {
    /// Parses a range, such as `1..100`, `2024-01-01..today` or `2024-01..2024-12`, and its step.
    ///
    /// # Errors
    /// Returns the key that is wrong, and why, in words.
    pub fn parse(text: &str, step: Option<&str>) -> Result<SeedRange, (&'static str, String)> {
        let wrong = || {
            if let Some(none) = text.split("..").map(str::trim).find(|end| is_no_day(end)) {
                return (
                    "range",
                    format!("`{text}` is not a range: there is no day or month {none}"),
                );
            }
            let message = format!(
                "`{text}` is not a range; write 1..100, 2024-01-01..2024-12-31, 2024-01..2024-12 or 2024-01-01..today, both ends included"
            );
            ("range", message)
        };
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        let (from, to) = (from.trim(), to.trim());
        let ends = match (from.parse::<u64>(), to.parse::<u64>()) {
            (Ok(first), Ok(last)) => {
                let width = if from.starts_with('0') { from.len() } else { 0 };
                Ends::Numbers { from: first, to: last, step: number(step)?, width }
            }
            _ => {
                let (first, is_of_months) = date(from).ok_or_else(wrong)?;
                let last = match to {
                    TODAY => None,
                    to => Some(date(to).filter(|it| it.1 == is_of_months).ok_or_else(wrong)?.0),
                };
                let step = span(step, is_of_months)?;
                Ends::Dates { from: first, to: last, step, is_of_months }
            }
        };
        let is_empty = match &ends {
            Ends::Numbers { from, to, .. } => from > to,
            Ends::Dates { from, to, .. } => to.is_some_and(|to| *from > to),
        };
        if is_empty {
            return Err(("range", format!("`{text}` ends before it begins")));
        }
        let range = SeedRange { text: text.into(), step: step.map(Into::into), ends };
        if range.all(crate::system::clock::now()).nth(MOST).is_some() {
            return Err(("range", format!("`{text}` has more than {MOST} categories")));
        }
        Ok(range)
    }

    /// Returns the range and its step as the site file has them.
    pub fn written(&self) -> (&str, Option<&str>) {
        (&self.text, self.step.as_deref())
    }

    /// Returns true if the range grows by itself.
    pub fn grows(&self) -> bool {
        matches!(self.ends, Ends::Dates { to: None, .. })
    }

    /// Returns the categories of a sweep that began at `began`. Today is a day in UTC.
    pub fn at(&self, began: Timestamp) -> impl Iterator<Item = String> {
        // A process may run for years.
        self.all(began).take(MOST)
    }

    fn all(&self, began: Timestamp) -> Box<dyn Iterator<Item = String> + '_> {
        match &self.ends {
            Ends::Numbers { from, to, step, width } => {
                let (step, width) = (usize::try_from(*step).unwrap_or(usize::MAX), *width);
                Box::new((*from..=*to).step_by(step).map(move |it| format!("{it:0width$}")))
            }
            Ends::Dates { from, to, step, is_of_months } => {
                let last = to.unwrap_or_else(|| began.to_zoned(TimeZone::UTC).date());
                // Steps are counted from the start, so that the 31st stays the 31st where there is one.
                let nth = move |n: i64| from.checked_add(step.checked_mul(n).ok()?).ok();
                let dates = (0..).map_while(nth).take_while(move |date| *date <= last);
                let format = if *is_of_months { "%Y-%m" } else { "%Y-%m-%d" };
                Box::new(dates.map(move |date| date.strftime(format).to_string()))
            }
        }
    }
}

fn number(step: Option<&str>) -> Result<u64, (&'static str, String)> {
    let Some(text) = step else { return Ok(1) };
    let number = text.trim().parse::<u64>().ok().filter(|step| *step > 0);
    number.ok_or_else(|| ("step", format!("`{text}` is not a number from 1")))
}

/// Parses a day, or a month without one.
fn date(text: &str) -> Option<(Date, bool)> {
    match text.len() {
        7 => Some((format!("{text}-01").parse().ok()?, true)),
        10 => Some((text.parse().ok()?, false)),
        _ => None,
    }
}

/// Returns true if a text is written like a day or a month that no calendar has.
fn is_no_day(text: &str) -> bool {
    let like = "0000-00-00";
    let is_like = |text: &str| {
        let same = |(a, b): (char, char)| if b == '0' { a.is_ascii_digit() } else { a == b };
        matches!(text.len(), 7 | 10) && text.chars().zip(like.chars()).all(same)
    };
    is_like(text) && date(text).is_none()
}

fn span(step: Option<&str>, is_of_months: bool) -> Result<Span, (&'static str, String)> {
    let Some(text) = step else {
        return Ok(if is_of_months { Span::new().months(1) } else { Span::new().days(1) });
    };
    let has_days = |span: &Span| span.get_days() != 0 || span.get_weeks() != 0;
    let is_usable = |span: &Span| {
        let start = Date::constant(2000, 1, 1);
        let next = start.checked_add(*span).ok();
        next.is_some_and(|next| next > start) && !(is_of_months && has_days(span))
    };
    let span = text.parse::<Span>().ok().filter(is_usable);
    span.ok_or_else(|| {
        let such = if is_of_months { "3 months or 1 year" } else { "7 days or 1 month" };
        ("step", format!("`{text}` is not a step of this range; write {such}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(range: &str, step: Option<&str>) -> Vec<String> {
        let began = "2024-03-02T01:00:00Z".parse().unwrap();
        SeedRange::parse(range, step).unwrap().at(began).collect()
    }

    #[test]
    fn ranges_have_both_ends_and_steps_from_their_start() {
        assert_eq!(all("1..3", None), ["1", "2", "3"]);
        assert_eq!(all("08..12", Some("2")), ["08", "10", "12"]);
        assert_eq!(all("2024-02-28..2024-03-01", None), ["2024-02-28", "2024-02-29", "2024-03-01"]);
        assert_eq!(all("2024-02-29..today", None), ["2024-02-29", "2024-03-01", "2024-03-02"]);
        assert_eq!(
            all("2024-01-31..2024-04-01", Some("1 month")),
            ["2024-01-31", "2024-02-29", "2024-03-31"]
        );
        assert_eq!(all("2023-12..today", None), ["2023-12", "2024-01", "2024-02", "2024-03"]);
        assert_eq!(all("2023-01..2024-01", Some("6 months")), ["2023-01", "2023-07", "2024-01"]);
        assert_eq!(all("2024-03-03..today", None), Vec::<String>::new(), "not yet");
    }

    #[test]
    fn a_range_that_is_none_is_refused() {
        for (range, step, expected) in [
            ("1", None, "is not a range"),
            ("a..b", None, "is not a range"),
            ("2024-01-01..2024-02", None, "is not a range"),
            ("2024-02-30..today", None, "is not a range: there is no day or month 2024-02-30"),
            ("2024-01..2024-13", None, "there is no day or month 2024-13"),
            ("1..today", None, "is not a range"),
            ("5..2", None, "ends before it begins"),
            ("2024-01-02..2024-01-01", None, "ends before it begins"),
            ("1..100001", None, "more than 100000 categories"),
            ("1..5", Some("0"), "is not a number from 1"),
            ("1..5", Some("1 day"), "is not a number from 1"),
            ("2024-01-01..today", Some("2 hours"), "7 days or 1 month"),
            ("2024-01-01..today", Some("-1 day"), "7 days or 1 month"),
            ("2024-01..today", Some("1 week"), "3 months or 1 year"),
        ] {
            let (_, said) = SeedRange::parse(range, step).unwrap_err();
            assert!(said.contains(expected), "{range}: {said}");
        }
        assert!(SeedRange::parse("1..100000", None).is_ok());
    }
}
