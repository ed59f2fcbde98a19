//! Texts and numbers as pages write them.

/// Returns a JSON text or number as text, numbers as they are written. Returns `None` for other
/// values.
pub fn plain(json: &str) -> Option<Box<str>> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.into()),
        _ => None,
    }
}

/// Parses a count as people write it: `1234`, `1,234`, `1 234` or `1'234`. A point is not accepted
/// as a separator, because it may start a fraction.
///
/// # Errors
/// Returns a description of the text if it is not a whole number.
pub fn whole_number(text: &str) -> Result<u64, &'static str> {
    digits_of(text.trim()).ok_or("a text that is not a whole number")
}

fn digits_of(text: &str) -> Option<u64> {
    let is_separator = |c: char| matches!(c, ',' | ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’');
    let mut groups = text.split(is_separator);
    let first = groups.next()?;
    let is_grouped = (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    match text.contains(is_separator) {
        false => text.parse().ok(),
        true if is_grouped => text.replace(is_separator, "").parse().ok(),
        true => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_a_count_is_read_as_people_write_it_and_nothing_is_guessed() {
        for (text, number) in
            [("1234", 1234), (" 7 ", 7), ("1,234", 1234), ("12 345 678", 12_345_678)]
        {
            assert_eq!(whole_number(text), Ok(number), "{text}");
        }
        for text in
            ["", "many", "-1", "1.234", "1,23", "1234,567", ",123", "1,,234", "1,2a4", "1.5"]
        {
            assert!(whole_number(text).is_err(), "{text}");
        }
    }
}
