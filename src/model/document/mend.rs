//! Repairs text that is nearly JSON: errors that many programs write and accept, but the grammar or
//! Unicode forbids.
//!
//! Programs that cut texts by UTF-16 units write half of a surrogate pair (`\\ud83c`); others leave
//! raw control characters in strings. Each becomes U+FFFD and is counted; nothing else is changed.

use std::borrow::Cow;

/// Replacement for an invalid character.
const REPLACEMENT: &str = "\u{fffd}";
/// Length of `\uXXXX`.
const ESCAPE: usize = 6;

/// Replaces each half of a surrogate pair and each raw control character in the strings of `text`.
/// Returns the result and the number of replacements.
pub fn mended(text: &str) -> (Cow<'_, str>, u64) {
    let bytes = text.as_bytes();
    let (mut mended, mut count) = (String::new(), 0);
    let (mut at, mut kept, mut in_string) = (0, 0, false);
    while let Some(&byte) = bytes.get(at) {
        let (length, is_wrong) = match byte {
            b'"' => {
                in_string = !in_string;
                (1, false)
            }
            b'\\' if in_string => escape(&bytes[at..]),
            0..0x20 if in_string => (1, true),
            _ => (1, false),
        };
        if is_wrong {
            mended.push_str(&text[kept..at]);
            mended.push_str(REPLACEMENT);
            kept = at + length;
            count += 1;
        }
        at += length;
    }
    match count {
        0 => (Cow::Borrowed(text), 0),
        _ => (Cow::Owned(mended + &text[kept..]), count),
    }
}

/// Returns the length of the escape that `text` begins with, and true if it is half of a surrogate
/// pair.
fn escape(text: &[u8]) -> (usize, bool) {
    match unit(text) {
        Some(0xd800..0xdc00) => match text.get(ESCAPE..).and_then(unit) {
            Some(0xdc00..0xe000) => (2 * ESCAPE, false),
            _ => (ESCAPE, true),
        },
        Some(0xdc00..0xe000) => (ESCAPE, true),
        _ => (2, false),
    }
}

/// Returns the UTF-16 unit of the `\uXXXX` escape that `text` begins with, or `None`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_halves_and_control_characters_are_replaced_and_the_rest_is_kept() {
        for (given, expected, count) in [
            (r#"{"a":"party \ud83c"}"#, "{\"a\":\"party \u{fffd}\"}", 1),
            (r#"["\udf89\ud83c\ud83c\udf89"]"#, "[\"\u{fffd}\u{fffd}\\ud83c\\udf89\"]", 2),
            (r#"["\uD83Cx\u00e9","\\ud83c"]"#, "[\"\u{fffd}x\\u00e9\",\"\\\\ud83c\"]", 1),
            ("{\n\"a\tb\":\"c\u{1}é\n\"}\r\n", "{\n\"a\u{fffd}b\":\"c\u{fffd}é\u{fffd}\"}\r\n", 3),
            (r#"{"a\ud800":1}"#, "{\"a\u{fffd}\":1}", 1),
            (r#"["\"\ud83c", "\ud83d\ude00"]"#, "[\"\\\"\u{fffd}\", \"\\ud83d\\ude00\"]", 1),
            (r#"["\ud83"#, r#"["\ud83"#, 0),
            (r#"["\é\u+d83"]"#, r#"["\é\u+d83"]"#, 0),
            (r#"{"a":1}"#, r#"{"a":1}"#, 0),
        ] {
            let (mended, replaced) = mended(given);
            assert_eq!((&*mended, replaced), (expected, count), "{given}");
        }
    }
}
