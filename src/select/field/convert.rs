//! Converts texts and values of a page to JSON text of a field's type.
//!
//! Nothing is guessed or rounded. A number keeps the digits that the site wrote and is only brought
//! into JSON's syntax: no `+`, no leading zeros, digits on both sides of the decimal point. Use
//! `regex` for thousands separators, units and currencies.

use bson::raw::RawBsonRef;

use super::Kind;
use crate::model::document::{self, Json};

/// From here on, a double cannot represent every integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Converts `text` to JSON text of type `kind`, and counts the replaced characters. Returns `None`
/// if the text is not of that type.
pub fn text(kind: Kind, text: &str) -> Option<(String, u64)> {
    let made = match kind {
        Kind::Text => Some(quoted(text)),
        Kind::Integer => integer(text),
        Kind::Number => number(text),
        Kind::Bool => truth(text).map(|truth| truth.to_string()),
        Kind::Json => return json(text),
        // Need more than the text: the page's URL, and a format.
        Kind::Url | Kind::Date => None,
    };
    made.map(|made| (made, 0))
}

/// Reads JSON within a text, repaired in the same way as a page.
fn json(text: &str) -> Option<(String, u64)> {
    let text = text.trim_start_matches('\u{feff}').trim();
    let read = |text: &str| Json::parse(text.as_bytes()).ok().filter(|json| !json.is_beyond());
    if read(text).is_some() {
        return Some((text.to_owned(), 0));
    }
    let (mended, replaced) = document::mended(text);
    read(&mended).map(|_| (mended.into_owned(), replaced))
}

/// Returns a value of a JSON page as JSON text, or `None` if it is not of type `kind` already.
pub fn value_as_it_is(kind: Kind, value: RawBsonRef<'_>) -> Option<String> {
    let right = match (kind, value) {
        (Kind::Json, RawBsonRef::String(_)) => false,
        (Kind::Json, _)
        | (Kind::Text, RawBsonRef::String(_))
        | (Kind::Bool, RawBsonRef::Boolean(_))
        | (Kind::Number, RawBsonRef::Double(_))
        | (
            Kind::Number | Kind::Integer,
            RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Decimal128(_),
        )
        | (Kind::Number, RawBsonRef::Symbol(_)) => true,
        (Kind::Integer, RawBsonRef::Symbol(digits)) => return integer(digits),
        (Kind::Integer, RawBsonRef::Double(number)) => {
            let whole = number.fract() == 0.0 && number.abs() < EXACT;
            return whole.then(|| format!("{}", number + 0.0));
        }
        _ => false,
    };
    right.then(|| document::value_to_text(value))
}

/// Returns a value of a JSON page as text, or `None` if it is a list or an object. A fraction is
/// written as JSON writes it, so `12.50` becomes `12.5`.
pub fn plain(value: RawBsonRef<'_>) -> Option<String> {
    match value {
        RawBsonRef::String(text) => Some(text.to_owned()),
        RawBsonRef::Document(_) | RawBsonRef::Array(_) => None,
        value => Some(document::value_to_text(value)),
    }
}

/// Returns `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns a number with `mark` as its decimal mark as one with a point, without the separators of
/// its groups of three digits: a point or a comma, spaces and apostrophes. Returns `None` if a
/// separator is elsewhere.
pub fn without_groups(text: &str, mark: char) -> Option<String> {
    let text = text.trim();
    let (whole, fraction) = match text.split_once(mark) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let is_separator =
        |c: char| c != mark && matches!(c, '.' | ',' | ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’');
    let mut groups = whole.split(is_separator);
    let first = groups.next()?;
    let mut number = first.to_owned();
    for group in groups {
        let is_group = group.len() == 3 && are_digits(group);
        if !is_group || !first.ends_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        number.push_str(group);
    }
    if let Some(fraction) = fraction {
        number.push('.');
        number.push_str(fraction);
    }
    Some(number)
}

/// Splits a number into its sign and the rest.
fn signed(text: &str) -> (&'static str, &str) {
    match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Removes leading zeros.
fn without_zeros(digits: &str) -> &str {
    match digits.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    }
}

fn integer(text: &str) -> Option<String> {
    let (sign, digits) = signed(text.trim());
    if !are_digits(digits) {
        return None;
    }
    match without_zeros(digits) {
        // Integers have one zero, but JSON readers make a double of `-0`.
        "0" => Some("0".to_owned()),
        digits => Some(format!("{sign}{digits}")),
    }
}

fn number(text: &str) -> Option<String> {
    let (sign, rest) = signed(text.trim());
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let optional = |digits: &str| digits.is_empty() || are_digits(digits);
    let has_digits = are_digits(whole) || fraction.is_some_and(are_digits);
    if !has_digits || !optional(whole) || !fraction.is_none_or(optional) {
        return None;
    }
    let mut number = format!("{sign}{}", without_zeros(whole));
    if let Some(fraction) = fraction.filter(|digits| !digits.is_empty()) {
        number.push('.');
        number.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        if !are_digits(signed(exponent).1) {
            return None;
        }
        number.push('e');
        number.push_str(exponent);
    }
    let is_fraction = fraction.is_some() || exponent.is_some();
    // Reading the document would reject what a double cannot hold, with a less helpful error.
    let fits = !is_fraction || number.parse::<f64>().is_ok_and(f64::is_finite);
    fits.then_some(number)
}

fn truth(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_one_of = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(["true", "1", "yes"]) {
        return Some(true);
    }
    is_one_of(["false", "0", "no"]).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: Kind, cases: &[(&str, Option<&str>)]) {
        for (given, expected) in cases {
            let made = text(kind, given).map(|(made, _)| made);
            assert_eq!(made.as_deref(), *expected, "{kind} of {given:?}");
            if let Some(made) = made {
                assert!(Json::parse(made.as_bytes()).is_ok(), "{made} is not JSON");
            }
        }
    }

    #[test]
    fn p5_integers_keep_their_digits() {
        let long = "123456789012345678901234567890123456789012345";
        all(
            Kind::Integer,
            &[
                ("42", Some("42")),
                (" -7 ", Some("-7")),
                ("+7", Some("7")),
                ("007", Some("7")),
                ("-0", Some("0")),
                ("000", Some("0")),
                (long, Some(long)),
                ("18446744073709551616", Some("18446744073709551616")),
                ("1,000", None),
                ("1 000", None),
                ("1.0", None),
                ("1e3", None),
                ("--1", None),
                ("٣", None),
                ("-", None),
                ("", None),
                ("12 €", None),
            ],
        );
    }

    #[test]
    fn p5_numbers_keep_their_digits() {
        all(
            Kind::Number,
            &[
                ("12.50", Some("12.50")),
                ("-0", Some("-0")),
                ("+1.5e+3", Some("1.5e+3")),
                ("1E-3", Some("1e-3")),
                (".5", Some("0.5")),
                ("5.", Some("5")),
                ("-.5", Some("-0.5")),
                ("007.50", Some("7.50")),
                ("0.30000000000000004", Some("0.30000000000000004")),
                ("12345678901234567890123", Some("12345678901234567890123")),
                ("1e400", None),
                ("NaN", None),
                ("inf", None),
                ("0x10", None),
                ("1.2.3", None),
                ("1,5", None),
                ("1e", None),
                ("1e+", None),
                (".", None),
                ("-", None),
                ("e5", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn p5_marks_and_groups_of_digits_are_those_of_the_file() {
        for (text, mark, number) in [
            ("1.234,50", ',', Some("1234.50")),
            ("1 234 567", ',', Some("1234567")),
            ("12,5", ',', Some("12.5")),
            ("-1'000.5", '.', Some("-1000.5")),
            ("1,234", '.', Some("1234")),
            ("1,23", '.', None),
            ("1.23.456", ',', None),
            (",5", ',', Some(".5")),
            ("1.234.5", ',', None),
            (".123", ',', None),
        ] {
            assert_eq!(without_groups(text, mark).as_deref(), number, "{text}");
        }
    }

    #[test]
    fn truth_has_six_words() {
        let yes = ["true", "TRUE", " 1 ", "Yes"].map(|word| (word, Some("true")));
        let no = ["false", "False", "0", "NO"].map(|word| (word, Some("false")));
        all(Kind::Bool, &yes);
        all(Kind::Bool, &no);
        all(Kind::Bool, &["", "2", "on", "y", "wahr"].map(|word| (word, None)));
    }

    #[test]
    fn json_and_text() {
        all(
            Kind::Json,
            &[
                (" {\"a\": 12345678901234567890123} ", Some("{\"a\": 12345678901234567890123}")),
                ("[1, 1.50]", Some("[1, 1.50]")),
                ("\"x\"", Some("\"x\"")),
                ("null", Some("null")),
                ("{a: 1}", None),
                ("{} {}", None),
                ("1e400", None),
                ("", None),
            ],
        );
        assert_eq!(text(Kind::Json, &"[".repeat(100_000)), None);
        all(
            Kind::Text,
            &[("a\"\\\n\u{1b}é", Some("\"a\\\"\\\\\\n\\u001bé\"")), ("", Some("\"\""))],
        );
    }
}
