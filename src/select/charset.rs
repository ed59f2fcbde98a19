//! Decodes the bytes of a page to text.
//!
//! The encoding is determined in this order:
//!
//! 1. the byte order mark;
//! 2. the `charset` of the `Content-Type` header;
//! 3. for HTML, the declaration in the page's head (`<meta charset>`, `<meta http-equiv>`, or the
//!    XML declaration), searched first by the HTML standard's prescan of 1,024 bytes, then in the
//!    whole head, as browsers do;
//! 4. UTF-8.
//!
//! Unknown names are ignored. HTML that declares nothing and is not UTF-8 is read as windows-1252,
//! the standard's fallback. JSON that declares nothing is UTF-8 or an error.
//!
//! A few malformed bytes neither fail the page nor change its encoding: they become U+FFFD and are
//! counted, if they are less than 1 % of the non-ASCII characters.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::{
    DecoderResult, EncoderResult, Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252,
};

use crate::model::decoding::Decoding;

/// Number of bytes that the standard's prescan reads.
const HEAD: usize = 1024;
/// Elements of a head whose content is not markup.
const RAW: [&[u8]; 5] = [b"script", b"style", b"title", b"template", b"noframes"];
/// Other elements that a head may contain.
const IN_HEAD: [&[u8]; 6] = [b"html", b"head", b"meta", b"link", b"base", b"noscript"];

/// Text of a page.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// The text, without byte order mark.
    pub text: Cow<'a, str>,
    /// Name of the encoding.
    pub charset: &'static str,
    /// How the text was decoded.
    pub decoding: Decoding,
}

/// Decodes an HTML or XML page.
pub fn decode<'a>(body: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    decoded_as(body, content_type, || from_page(body))
}

/// Decodes a page that declares no encoding itself.
pub fn decode_plain<'a>(body: &'a [u8], content_type: Option<&str>) -> Decoded<'a> {
    decoded_as(body, content_type, || None)
}

fn decoded_as<'a>(
    body: &'a [u8],
    content_type: Option<&str>,
    from_page: impl FnOnce() -> Option<&'static Encoding>,
) -> Decoded<'a> {
    let declared = Encoding::for_bom(body).or_else(|| {
        let declared = content_type.and_then(from_header).or_else(from_page);
        declared.map(|encoding| (encoding, 0))
    });
    if let Some((encoding, mark)) = declared {
        let (text, replaced) = decoded(encoding, &body[mark..]);
        let decoding = Decoding { replaced, is_guess: false };
        return Decoded { text, charset: encoding.name(), decoding };
    }
    let (text, replaced) = decoded(UTF_8, body);
    if is_plausible(&text, replaced) {
        let decoding = Decoding { replaced, is_guess: false };
        return Decoded { text, charset: UTF_8.name(), decoding };
    }
    let (text, replaced) = decoded(WINDOWS_1252, body);
    let decoding = Decoding { replaced, is_guess: true };
    Decoded { text, charset: WINDOWS_1252.name(), decoding }
}

/// Returns a function that encodes the query of a link on a page in `encoding`.
pub fn queries(encoding: &'static Encoding) -> impl Fn(&str) -> Cow<'_, [u8]> {
    let encoding = encoding.output_encoding();
    move |text| match encoding == UTF_8 {
        true => Cow::Borrowed(text.as_bytes()),
        false => Cow::Owned(encoded(encoding, text)),
    }
}

/// Encodes `text`. Characters that the encoding lacks become numeric references (URL Standard,
/// "percent-encode after encoding").
fn encoded(encoding: &'static Encoding, text: &str) -> Vec<u8> {
    let mut encoder = encoding.new_encoder();
    let (mut bytes, mut rest) = (Vec::new(), text);
    loop {
        let room = encoder.max_buffer_length_from_utf8_without_replacement(rest.len());
        bytes.reserve(room.unwrap_or(rest.len()));
        let (result, read) =
            encoder.encode_from_utf8_to_vec_without_replacement(rest, &mut bytes, true);
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => return bytes,
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(c) => {
                bytes.extend_from_slice(format!("%26%23{}%3B", u32::from(c)).as_bytes());
            }
        }
    }
}

/// Returns the text of a JSON page in UTF-8, and the number of replaced characters. A body that is
/// in UTF-8, by its byte order mark, its header or by default, is returned unchanged.
pub fn of_json(body: &Bytes, content_type: Option<&str>) -> (Bytes, u64) {
    let marked = Encoding::for_bom(body);
    let declared = || content_type.and_then(from_header).map(|encoding| (encoding, 0));
    match marked.or_else(declared) {
        Some((encoding, mark)) if encoding != UTF_8 => {
            let (text, replaced) = decoded(encoding, &body[mark..]);
            (Bytes::from(text.into_owned()), replaced)
        }
        _ => (body.clone(), 0),
    }
}

/// Decodes `bytes` as UTF-8, and counts the replaced characters. Returns `None` if there are too
/// many for the bytes to be UTF-8.
pub fn nearly_utf8(bytes: &[u8]) -> Option<(Cow<'_, str>, u64)> {
    let (text, replaced) = decoded(UTF_8, bytes);
    is_plausible(&text, replaced).then_some((text, replaced))
}

/// Returns `true` if less than 1 % of the non-ASCII characters were replaced.
fn is_plausible(text: &str, replaced: u64) -> bool {
    let beyond_ascii = || text.chars().filter(|c| !c.is_ascii()).count() as u64;
    replaced == 0 || replaced.saturating_mul(100) < beyond_ascii()
}

/// Decodes `bytes`, and counts the replaced characters.
fn decoded<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> (Cow<'a, str>, u64) {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.map_or_else(|| counted(encoding, bytes), |text| (text, 0))
}

fn counted<'a>(encoding: &'static Encoding, bytes: &[u8]) -> (Cow<'a, str>, u64) {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let (mut text, mut rest, mut replaced) = (String::new(), bytes, 0);
    loop {
        text.reserve(rest.len() + 16);
        let (result, read) = decoder.decode_to_string_without_replacement(rest, &mut text, true);
        rest = &rest[read..];
        match result {
            DecoderResult::InputEmpty => return (Cow::Owned(text), replaced),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                replaced += 1;
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
    }
}

/// Returns the encoding with this name, or `None` if it is unknown or "replacement", which stands
/// for encodings that must not be decoded.
fn named(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label(label).filter(|encoding| *encoding != REPLACEMENT)
}

fn from_header(content_type: &str) -> Option<&'static Encoding> {
    // Two fields in one, as a proxy joins them, are told apart by a comma.
    content_type.split([';', ',']).skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        let value = value.trim().trim_matches(['"', '\'']);
        if is_charset { named(value.as_bytes()) } else { None }
    })
}

fn from_page(body: &[u8]) -> Option<&'static Encoding> {
    let start = &body[..body.len().min(HEAD)];
    let prescan = || Scan { bytes: start, at: 0, within_head: false }.encoding();
    let head = || Scan { bytes: body, at: 0, within_head: true }.encoding();
    let said = from_xml(start).or_else(prescan).or_else(head)?;
    // A declaration that is readable as ASCII cannot be in UTF-16.
    Some(if said == UTF_16LE || said == UTF_16BE { UTF_8 } else { said })
}

fn from_xml(head: &[u8]) -> Option<&'static Encoding> {
    let rest = head.strip_prefix(b"<?xml")?;
    let end = find(rest, b">")?;
    let mut scan = Scan { bytes: &rest[..end], at: 0, within_head: false };
    while let Some((name, value)) = scan.attribute() {
        if name == b"encoding" {
            return named(&value);
        }
    }
    None
}

/// Returns the encoding in the `content` of a `<meta http-equiv="Content-Type">`.
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

/// Position in the bytes at the start of a page.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// True to stop at the end of the head and to skip content that is not markup. The standard's
    /// prescan does neither.
    within_head: bool,
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
                    if self.within_head {
                        self.pass_raw()?;
                    }
                    let rest = self.rest();
                    let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'>';
                    self.at += rest.iter().position(ends)?;
                    while self.attribute().is_some() {}
                }
                [b'<', b'!' | b'/' | b'?', ..] => self.at += find(rest, b">")? + 1,
                _ => self.at += 1,
            }
        }
    }

    /// Skips an element whose content is not markup, up to its closing tag. Returns `None` if the
    /// head ends at the current tag.
    fn pass_raw(&mut self) -> Option<()> {
        let is_closing = self.rest().starts_with(b"</");
        let tag = &self.rest()[if is_closing { 2 } else { 1 }..];
        let length = tag.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let is = |name: &&&[u8]| tag[..length].eq_ignore_ascii_case(name);
        match (RAW.iter().find(is), IN_HEAD.iter().find(is)) {
            (_, Some(&b"head")) if is_closing => None,
            (Some(name), _) if !is_closing => {
                let closes =
                    |at: &[u8]| at.starts_with(b"</") && at[2..].eq_ignore_ascii_case(name);
                self.at += self.rest().windows(name.len() + 2).position(closes)?;
                Some(())
            }
            (None, None) => None,
            _ => Some(()),
        }
    }

    /// Reads the attributes of a `<meta>`, from the position after its name, and returns the
    /// encoding that it declares.
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

    /// Returns name and value of the tag's next attribute, in lower case, or `None` at the end of
    /// the tag.
    fn attribute(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        self.skip(|byte| byte.is_ascii_whitespace() || byte == b'/');
        if *self.rest().first()? == b'>' {
            return None;
        }
        // A leading `=` belongs to the name.
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
mod tests;
