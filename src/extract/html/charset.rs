//! Bytes of a page to text.
//!
//! What the encoding is: the byte order mark; else the `charset` of the `Content-Type` header;
//! else what the page's first 1,024 bytes say (`<meta charset>`, `<meta http-equiv>`, or the
//! declaration of an XML page), found as the HTML standard's prescan finds it; else UTF-8, or
//! windows-1252 where the bytes are no UTF-8. A name that nobody knows counts as none.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How much of a page is looked through for a declaration, as the standard has it.
const HEAD: usize = 1024;

/// A page's text.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Without byte order mark.
    pub text: Cow<'a, str>,
    /// Name of the encoding.
    pub charset: &'static str,
    /// Whether some bytes meant nothing in it.
    pub damaged: bool,
}

/// The text of `body`.
pub fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    let (encoding, mark) = Encoding::for_bom(body).unwrap_or_else(|| {
        let declared = content_type.and_then(from_header).or_else(|| from_page(body));
        (declared.unwrap_or_else(|| guess(body)), 0)
    });
    let (text, damaged) = encoding.decode_without_bom_handling(&body[mark..]);
    Decoded { text, charset: encoding.name(), damaged }
}

fn guess(body: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(body).is_ok() { UTF_8 } else { WINDOWS_1252 }
}

/// The encoding of that name. "replacement" stands for encodings that nobody should decode.
fn named(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(label).filter(|encoding| *encoding != REPLACEMENT)
}

fn from_header(content_type: &str) -> Option<&'static Encoding> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        let value = value.trim().trim_matches(['"', '\'']);
        if is_charset { named(value.as_bytes()) } else { None }
    })
}

fn from_page(body: &[u8]) -> Option<&'static Encoding> {
    let head = &body[..body.len().min(HEAD)];
    let said = from_xml(head).or_else(|| Scan { bytes: head, at: 0 }.encoding())?;
    // A declaration that can be read as ASCII is not in UTF-16, whatever it says.
    Some(if said == UTF_16LE || said == UTF_16BE { UTF_8 } else { said })
}

fn from_xml(head: &[u8]) -> Option<&'static Encoding> {
    let rest = head.strip_prefix(b"<?xml")?;
    let end = find(rest, b">")?;
    let mut scan = Scan { bytes: &rest[..end], at: 0 };
    while let Some((name, value)) = scan.attribute() {
        if name == b"encoding" {
            return named(&value);
        }
    }
    None
}

/// The `charset=…` within the `content` of a `<meta http-equiv="Content-Type">`.
fn from_content(content: &[u8]) -> Option<&'static Encoding> {
    let mut rest = content;
    loop {
        rest = &rest[find(rest, b"charset")? + b"charset".len()..];
        let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") else { continue };
        let value = value.trim_ascii_start();
        let value = match value.first() {
            Some(quote @ (b'"' | b'\'')) => value[1..].split(|byte| byte == quote).next(),
            _ => value.split(|byte| *byte == b';' || byte.is_ascii_whitespace()).next(),
        };
        return named(value?);
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A place in the bytes of a page's beginning.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    fn encoding(&mut self) -> Option<&'static Encoding> {
        loop {
            self.at += self.rest().iter().position(|byte| *byte == b'<')?;
            let rest = self.rest();
            let is_meta = rest.get(1..5).is_some_and(|name| name.eq_ignore_ascii_case(b"meta"));
            match rest {
                [b'<', b'!', b'-', b'-', ..] => self.at += find(&rest[2..], b"-->")? + 5,
                [_, _, _, _, _, after, ..]
                    if is_meta && (after.is_ascii_whitespace() || *after == b'/') =>
                {
                    self.at += 5;
                    if let Some(encoding) = self.meta() {
                        return Some(encoding);
                    }
                }
                [b'<', b'/', letter, ..] | [b'<', letter, ..] if letter.is_ascii_alphabetic() => {
                    let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
                    self.at += rest.iter().position(ends)?;
                    while self.attribute().is_some() {}
                }
                [b'<', b'!' | b'/' | b'?', ..] => self.at += find(rest, b">")? + 1,
                _ => self.at += 1,
            }
        }
    }

    /// The encoding that a `<meta>` names; the place is after its name.
    fn meta(&mut self) -> Option<&'static Encoding> {
        let (mut charset, mut content, mut is_type) = (None, None, false);
        while let Some((name, value)) = self.attribute() {
            match name.as_slice() {
                b"charset" => charset = charset.or(named(&value)),
                b"content" => content = content.or(from_content(&value)),
                b"http-equiv" => is_type |= value == b"content-type",
                _ => {}
            }
        }
        charset.or(content.filter(|_| is_type))
    }

    /// The next attribute of a tag, in lower case; nothing at the tag's end.
    fn attribute(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b'/');
        if *self.rest().first()? == b'>' {
            return None;
        }
        // A `=` that comes first belongs to the name.
        let first = self.at;
        self.at += 1;
        self.skip(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'/' | b'>' | b'='));
        let name = self.bytes[first..self.at].to_ascii_lowercase();
        self.skip(|byte| byte.is_ascii_whitespace());
        if self.rest().first() != Some(&b'=') {
            return Some((name, Vec::new()));
        }
        self.at += 1;
        self.skip(|byte| byte.is_ascii_whitespace());
        let value = match self.rest() {
            [quote @ (b'"' | b'\''), rest @ ..] => {
                let length = rest.iter().position(|byte| byte == quote)?;
                self.at += length + 2;
                &rest[..length]
            }
            rest => {
                let from = self.at;
                self.skip(|byte| !byte.is_ascii_whitespace() && byte != b'>');
                &rest[..self.at - from]
            }
        };
        Some((name, value.to_ascii_lowercase()))
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn skip(&mut self, passes: impl Fn(u8) -> bool) {
        let rest = self.rest();
        self.at += rest.iter().position(|byte| !passes(*byte)).unwrap_or(rest.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{EUC_KR, GBK, SHIFT_JIS};

    /// `text` in `encoding`, with `head` before it.
    fn body(head: &str, text: &str, encoding: &'static Encoding) -> Vec<u8> {
        let (bytes, _, lost) = encoding.encode(text);
        assert!(!lost);
        [head.as_bytes(), &bytes].concat()
    }

    fn read(body: &[u8], content_type: Option<&str>) -> (String, &'static str) {
        let decoded = decode(body, content_type);
        (decoded.text.into_owned(), decoded.charset)
    }

    #[test]
    fn p3_the_header_names_the_encoding() {
        for (label, text, encoding) in [
            ("text/html; charset=gbk", "价格", GBK),
            ("text/html;charset=GB2312", "价格", GBK),
            ("text/html; Charset=\"Shift_JIS\"", "値段", SHIFT_JIS),
            ("text/html; boundary=x; charset='iso-8859-1'", "prix é", WINDOWS_1252),
            ("text/html; charset=euc-kr", "가격", EUC_KR),
        ] {
            let body = body("<p>", text, encoding);
            assert_eq!(read(&body, Some(label)), (format!("<p>{text}"), encoding.name()));
        }
    }

    #[test]
    fn p3_the_page_names_the_encoding() {
        let content = "<META content='text/html; charset=Shift_JIS' HTTP-EQUIV=Content-Type>";
        for (head, text, encoding) in [
            ("<html><head><meta charset=\"gbk\">", "价格", GBK),
            ("<!-- <meta charset=euc-kr> --><meta/charset = gbk >", "价格", GBK),
            ("<title a='<meta charset=euc-kr>'>t</title><META CHARSET='gb2312'/>", "价格", GBK),
            (content, "値段", SHIFT_JIS),
            ("<meta charset=none><meta charset=latin1>", "é", WINDOWS_1252),
            ("<?xml version='1.0' encoding=\"GBK\"?><html>", "价格", GBK),
            ("<meta charset=utf-16>", "é日", UTF_8),
        ] {
            let body = body(head, text, encoding);
            for content_type in [None, Some("text/html"), Some("text/html; charset=none")] {
                let expected = (format!("{head}{text}"), encoding.name());
                assert_eq!(read(&body, content_type), expected);
            }
        }
    }

    #[test]
    fn p3_a_mark_goes_before_the_header_and_the_header_before_the_page() {
        let lies = "<meta charset=gbk>é";
        let marked = [b"\xef\xbb\xbf".as_slice(), lies.as_bytes()].concat();
        let header = Some("text/html; charset=shift_jis");
        assert_eq!(read(&marked, header), (lies.to_owned(), "UTF-8"));
        assert_eq!(read(lies.as_bytes(), Some("a/b; charset=utf-8")), (lies.to_owned(), "UTF-8"));
        let wide: Vec<u8> = "\u{feff}<p>é".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&wide, header), ("<p>é".to_owned(), "UTF-16LE"));
    }

    #[test]
    fn p3_without_a_word_it_is_utf_8_or_else_windows_1252() {
        assert_eq!(read("é日".as_bytes(), None), ("é日".to_owned(), "UTF-8"));
        assert_eq!(read(b"caf\xe9 \x80", None), ("café €".to_owned(), "windows-1252"));
        let late = [vec![b' '; HEAD], b"<meta charset=gbk>\xe9".to_vec()].concat();
        assert_eq!(read(&late, None).1, "windows-1252");
        assert_eq!(read(b"", None), (String::new(), "UTF-8"));
    }

    #[test]
    fn what_means_nothing_is_said() {
        let decoded = decode(b"a\xffb", Some("text/html; charset=utf-8"));
        assert_eq!((&*decoded.text, decoded.damaged), ("a\u{fffd}b", true));
        assert!(!decode(b"ab", None).damaged);
        // A name that means "do not decode" counts as none.
        assert_eq!(read(b"ab", Some("text/html; charset=hz-gb-2312")).1, "UTF-8");
    }

    #[test]
    fn odd_beginnings_end() {
        for head in
            ["<", "<!--", "<meta ", "<meta charset", "<meta charset=", "<a '", "<a x='", "</"]
        {
            assert_eq!(read(head.as_bytes(), None).1, "UTF-8", "{head}");
        }
    }
}
