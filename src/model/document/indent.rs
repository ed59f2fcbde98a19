//! Indents JSON for people, token by token. Numbers, texts and the order of keys stay as they were
//! sent.

use serde::de::IgnoredAny;

use crate::model::text::{is_unseen, push_json_escape};

/// Maximum size of the indented text: a multiple of the input's length, plus a constant for short
/// texts. Without it, a page of brackets would fill the memory with spaces.
const LONGEST: (usize, usize) = (8, 1 << 16);

/// Indents `json`. Returns `None` if it is not JSON, or the result would be too large. Control
/// characters in texts are written as JSON escapes.
pub fn indented(json: &str) -> Option<String> {
    let most = json.len().saturating_mul(LONGEST.0).saturating_add(LONGEST.1);
    serde_json::from_str::<IgnoredAny>(json).ok()?;
    let mut text = Indented { text: String::with_capacity(json.len() * 2), depth: 0 };
    let mut rest = json.trim();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => text.string(rest),
            '{' | '[' => text.open(first, &rest[1..]),
            '}' | ']' => text.close(first),
            ',' => text.next(),
            ':' => text.push(": ", 1),
            c if c.is_ascii_whitespace() => 1,
            // A number, true, false or null.
            c => text.push(c.encode_utf8(&mut [0; 4]), c.len_utf8()),
        };
        rest = &rest[length..];
        if text.text.len() > most {
            return None;
        }
    }
    Some(text.text)
}

/// Text being indented. Each method takes the start of the remaining input, and returns the number
/// of bytes that it consumed.
struct Indented {
    text: String,
    depth: usize,
}

impl Indented {
    fn push(&mut self, text: &str, length: usize) -> usize {
        self.text.push_str(text);
        length
    }

    fn string(&mut self, rest: &str) -> usize {
        let mut escaped = false;
        for (at, c) in rest.char_indices() {
            if is_unseen(c) {
                push_json_escape(&mut self.text, c);
            } else {
                self.text.push(c);
            }
            match c {
                '"' if at > 0 && !escaped => return at + 1,
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        rest.len()
    }

    fn open(&mut self, bracket: char, inside: &str) -> usize {
        self.text.push(bracket);
        let white = inside.len() - inside.trim_ascii_start().len();
        if let Some(end) = inside[white..].chars().next().filter(|c| matches!(c, '}' | ']')) {
            self.text.push(end);
            return 1 + white + 1;
        }
        self.depth += 1;
        self.line();
        1
    }

    fn close(&mut self, bracket: char) -> usize {
        self.depth = self.depth.saturating_sub(1);
        self.line();
        self.text.push(bracket);
        1
    }

    fn next(&mut self) -> usize {
        self.text.push(',');
        self.line();
        1
    }

    fn line(&mut self) {
        self.text.push('\n');
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_indented_as_others_do_it() {
        let text = r#" {"b":[1,{"c":"x,\"{:"}],"a":{},"d":[ ],"e":null,"f":"\\"} "#;
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(indented(text), Some(serde_json::to_string_pretty(&value).unwrap()));
    }

    #[test]
    fn p5_numbers_keys_and_escapes_stay_as_they_were_sent() {
        let text = "[123456789012345678901234567890,1.10,1E+2,-0,{\"z\":1,\"a\":2,\"z\":3},\"\\u00e9\\/é\"]";
        let squeezed: String = indented(text).unwrap().split_whitespace().collect();
        assert_eq!(squeezed, text);
    }

    #[test]
    fn p8_control_characters_are_escaped_and_it_stays_json() {
        assert_eq!(indented("\"a\u{7f}\u{9b}\"").as_deref(), Some("\"a\\u007f\\u009b\""));
    }

    #[test]
    fn p2_what_is_not_json_or_too_deep_is_left_to_others() {
        for bad in ["", "{", "{\"a\":1} x", "[1,]", "<html>", "{\"a\":\"\n\"}"] {
            assert_eq!(indented(bad), None, "{bad}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(indented(&deep), None);
        let wide = format!("{}1{}{}", "[".repeat(100), ",1".repeat(100_000), "]".repeat(100));
        assert_eq!(indented(&wide), None);
        let usual = format!("[{}1{}]", "[".repeat(60), "]".repeat(60));
        assert!(indented(&usual).is_some());
    }
}
