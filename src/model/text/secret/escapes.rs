//! Undoes escapes of URLs, JSON, scripts and HTML, and keeps the origin of each letter, so that a
//! credential is found however its letters are escaped.

use std::ops::Range;

/// Length of the longest escape, in bytes.
const LONGEST: usize = 12;
/// HTML names of characters that occur in credentials.
const NAMES: [(&str, char); 14] = [
    ("amp", '&'),
    ("apos", '\''),
    ("colon", ':'),
    ("commat", '@'),
    ("equals", '='),
    ("gt", '>'),
    ("lowbar", '_'),
    ("lt", '<'),
    ("num", '#'),
    ("percnt", '%'),
    ("period", '.'),
    ("plus", '+'),
    ("quot", '"'),
    ("sol", '/'),
];

/// A text with its escapes undone, once.
pub struct Unescaped {
    /// The text.
    pub text: String,
    /// Offset of each byte in the original text, and the length of that.
    origins: Vec<usize>,
}

impl Unescaped {
    /// Undoes the escapes of `text`, or returns `None` if it has none.
    pub fn of(text: &str) -> Option<Unescaped> {
        if !text.contains(['%', '\\', '&']) {
            return None;
        }
        let mut unescaped = Unescaped { text: String::new(), origins: Vec::new() };
        let mut at = 0;
        while let Some(next) = text[at..].chars().next() {
            let (letter, length) = escape(&text[at..]).unwrap_or((next, next.len_utf8()));
            unescaped.text.push(letter);
            unescaped.origins.resize(unescaped.text.len(), at);
            at += length;
        }
        unescaped.origins.push(at);
        (unescaped.text.len() < text.len()).then_some(unescaped)
    }

    /// Undoes one more level of escapes, or returns `None` if there are none left.
    pub fn again(&self) -> Option<Unescaped> {
        let mut again = Unescaped::of(&self.text)?;
        for origin in &mut again.origins {
            *origin = self.origins[*origin];
        }
        Some(again)
    }

    /// Returns the range of the original text that a part of this text was made of.
    pub fn origin(&self, part: Range<usize>) -> Range<usize> {
        self.origins[part.start]..self.origins[part.end]
    }
}

/// Returns the letter and length of the escape that `text` begins with. Only ASCII letters count,
/// since credentials are made of them.
fn escape(text: &str) -> Option<(char, usize)> {
    let code = |digits: &str, radix| {
        let is_number = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let code = u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?;
        u8::try_from(code).ok().filter(u8::is_ascii).map(char::from)
    };
    match text.as_bytes() {
        [b'%', ..] => Some((code(text.get(1..3)?, 16)?, 3)),
        [b'\\', b'u', ..] => Some((code(text.get(2..6)?, 16)?, 6)),
        [b'\\', b'x', ..] => Some((code(text.get(2..4)?, 16)?, 4)),
        [b'\\', sign @ (b'/' | b'"' | b'\\' | b'\''), ..] => Some((char::from(*sign), 2)),
        [b'&', ..] => {
            let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
            let name = &text[1..end];
            let letter = match name.strip_prefix('#') {
                Some(digits) => match digits.strip_prefix(['x', 'X']) {
                    Some(digits) => code(digits, 16)?,
                    None => code(digits, 10)?,
                },
                None => NAMES.iter().find(|(it, _)| *it == name)?.1,
            };
            Some((letter, end + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x2_escapes_are_undone_and_each_letter_knows_where_it_came_from() {
        for (text, expected) in [
            ("a%2Fb", Some("a/b")),
            ("\\u0061\\x62&#99;&#x64;&amp;e", Some("abcd&e")),
            ("%25%32%46", Some("%2F")),
            ("ü%41ü", Some("üAü")),
            ("%zz %4 % \\ \\u12 & &; &#; &#+5; &nbsp; %+1 \\u+123", None),
            ("%ff\\u20ac&#8364;", None),
            ("%ü\\uü\\xü&ü;", None),
            ("plain", None),
        ] {
            let unescaped = Unescaped::of(text);
            assert_eq!(unescaped.as_ref().map(|it| &*it.text), expected, "{text}");
        }
        let text = "x%2525y";
        let twice = Unescaped::of(text).unwrap().again().unwrap();
        assert_eq!((&*twice.text, twice.origin(0..1), twice.origin(1..2)), ("x%y", 0..1, 1..6));
    }
}
