//! Formats texts, numbers and times for people.
//!
//! Control characters in text from the site are escaped, so that it cannot control a terminal.

pub mod secret;

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

/// Maximum width of a wrapped line, in columns.
const WIDTH: usize = 80;

/// Escapes invisible characters in `text`.
pub fn plain(text: &str) -> String {
    escaped(text, |_| false)
}

/// Escapes invisible characters in `text`, except line breaks and tabs.
pub fn plain_lines(text: &str) -> String {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// Escapes invisible characters in JSON text, without changing its meaning. Line breaks and tabs
/// are kept: they can only stand between tokens.
pub fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => plain.push(c),
            '\r' => plain.push(' '),
            c if is_unseen(c) => push_json_escape(&mut plain, c),
            c => plain.push(c),
        }
    }
    plain
}

/// Appends `c` as an ASCII escape sequence of JSON.
pub fn push_json_escape(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

/// Returns true if a terminal interprets the character or shows nothing for it: control characters,
/// and characters that change the text direction, break lines, hide in words, or only mark. U+200C
/// and U+200D, which join letters, are not included: Persian and emoji need them.
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if stays(c) || !is_unseen(c) => plain.push(c),
            c if c.is_control() => plain.extend(c.escape_default()),
            c => plain.extend(c.escape_unicode()),
        }
    }
    plain
}

/// Wraps `text` at 80 columns, with `first` before the first line and `further` before the others.
/// A word longer than a line gets its own line: a URL in two pieces cannot be copied.
pub fn wrapped(first: &str, further: &str, text: &str) -> String {
    let text = plain(text);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    // textwrap leaves out the indent of an empty text.
    if words.is_empty() {
        return first.trim_end().to_owned() + "\n";
    }
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(further)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    textwrap::fill(&words.join(" "), options) + "\n"
}

/// Formats a time as `3.4 ms`.
pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Formats a number with thousands separators.
pub fn count(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

/// Formats a number with its unit, in singular or plural.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Formats seconds as `4.2 s`, or as `m:ss` or `h:mm:ss` from a minute on.
pub fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    clock(Duration::from_secs_f64(seconds))
}

/// Formats a time as `m:ss` or `h:mm:ss`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// Formats the time since `from` in its largest unit, or in two.
pub fn age(from: Timestamp, now: Timestamp) -> String {
    let passed = Duration::try_from(now.duration_since(from)).unwrap_or_default().as_secs();
    let (days, hours, minutes) = (passed / 86_400, passed / 3_600 % 24, passed / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{passed}s"),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h{minutes:02}m"),
        (1..10, hours, _) => format!("{days}d{hours:02}h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p8_what_the_site_sent_cannot_drive_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\r\n"), "a\\u{1b}[31mb\\r\\n");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(plain_json("[\r\n\t\"\u{9b}1m\u{202e}ä\"]"), "[ \n\t\"\\u009b1m\\u202eä\"]");
    }

    #[test]
    fn x5_characters_that_are_not_seen_are_escaped_and_those_that_join_letters_stay() {
        for c in ['\u{61c}', '\u{200b}', '\u{2028}', '\u{2029}', '\u{2064}', '\u{feff}', '\u{ad}'] {
            let code = u32::from(c);
            assert_eq!(plain(&format!("a{c}b")), format!("a\\u{{{code:x}}}b"));
            assert_eq!(plain_lines(&format!("a\n{c}\tb\r")), format!("a\n\\u{{{code:x}}}\tb\\r"));
            let json = plain_json(&format!("\"{c}\""));
            assert_eq!(json, format!("\"\\u{code:04x}\""));
        }
        let tag = plain_json("\"\u{e0041}\"");
        assert_eq!(tag, r#""\udb40\udc41""#);
        assert_eq!(serde_json::from_str::<String>(&tag).unwrap(), "\u{e0041}");
        let words = "می‌خواهم 👩‍💻 naïve日本";
        assert_eq!((plain(words), plain_json(words)), (words.to_owned(), words.to_owned()));
    }

    #[test]
    fn long_texts_are_wrapped_between_words() {
        let words = "word ".repeat(40);
        let text = wrapped("a: ", "   ", &words);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.lines().nth(1).map(|line| line.starts_with("   word")), Some(true));
        assert_eq!(wrapped("a: ", "", &"x".repeat(99)), format!("a: {}\n", "x".repeat(99)));
        assert_eq!(wrapped("a: ", "", "b\u{1b} c"), "a: b\\u{1b} c\n");
        assert_eq!(wrapped("a: ", "", ""), "a:\n");
    }

    #[test]
    fn times_and_numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(counted(1, "page", "pages"), "1 page");
        assert_eq!(counted(1_200, "page", "pages"), "1,200 pages");
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
        assert_eq!(seconds(4.21), "4.2 s");
        assert_eq!(seconds(75.0), "1:15");
    }
}
