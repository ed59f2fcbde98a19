//! Output of a body: its bytes in a pipe, readable text on a terminal.

use std::borrow::Cow;

use crate::fetch::Page;
use crate::model::document::indented;
use crate::model::text::{plain, plain_lines};
use crate::select::decode;

/// Number of bytes to search for NUL, which only binary bodies contain.
const HEAD: usize = 8192;

/// Output for a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    /// Bytes to print.
    Bytes(Cow<'a, [u8]>),
    /// Description to print instead of a binary body.
    Described(String),
}

/// Returns the output for the page's body.
pub fn shown(page: &Page, on_terminal: bool) -> Shown<'_> {
    let body = &*page.body;
    if !on_terminal || body.is_empty() {
        return Shown::Bytes(Cow::Borrowed(body));
    }
    let said = page.content_type().unwrap_or_default();
    let decoded = decode(body, page.content_type());
    if is_binary(said, body, decoded.charset) {
        let size = bytesize::ByteSize(body.len() as u64).display().iec().to_string();
        let kind = if said.is_empty() { "of no stated type".to_owned() } else { plain(said) };
        return Shown::Described(format!(
            "a binary body of {size} ({kind}) is not shown on a terminal; redirect it to a file with >"
        ));
    }
    // JSON is UTF-8, even if the header names another charset.
    let json = std::str::from_utf8(body).ok();
    let json = json.map(|text| text.trim_start_matches('\u{feff}'));
    let is_json = said.contains("json") || json.is_some_and(|text| begins_as_json(text.trim()));
    let mut text = match json.filter(|_| is_json).and_then(indented) {
        Some(json) => json,
        None => printable(&decoded.text),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Shown::Bytes(Cow::Owned(text.into_bytes()))
}

/// Returns `text` for a terminal: keeps lines and tabs, escapes other control characters.
pub fn printable(text: &str) -> String {
    plain_lines(&text.replace("\r\n", "\n"))
}

fn begins_as_json(text: &str) -> bool {
    text.starts_with(['{', '['])
}

/// Returns true if the body is not text: it has a NUL near its start (and is not UTF-16), or it has
/// no text type and is not UTF-8.
fn is_binary(content_type: &str, body: &[u8], charset: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = ["json", "xml", "html", "javascript", "urlencoded", "yaml"];
    let is_named = kind.starts_with("text/") || text.iter().any(|text| kind.contains(text));
    let has_nul = body[..body.len().min(HEAD)].contains(&0) && !charset.starts_with("UTF-16");
    has_nul || !is_named && std::str::from_utf8(body).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::HeaderMap;

    fn on_terminal(content_type: Option<&str>, body: &[u8]) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        if let Some(text) = content_type {
            headers.insert("content-type", text.parse().unwrap());
        }
        let url = "http://h/a".parse().unwrap();
        let page = Page { url, headers, body: body.to_vec().into() };
        assert_eq!(shown(&page, false), Shown::Bytes(Cow::Borrowed(body)), "in a pipe");
        match shown(&page, true) {
            Shown::Bytes(bytes) => Ok(String::from_utf8(bytes.into_owned()).unwrap()),
            Shown::Described(text) => Err(text),
        }
    }

    #[test]
    fn json_is_indented_whatever_it_is_called() {
        for content_type in [Some("application/json; charset=latin1"), Some("text/plain"), None] {
            let shown = on_terminal(content_type, "\u{feff} {\"é\":1}".as_bytes());
            assert_eq!(shown.as_deref(), Ok("{\n  \"é\": 1\n}\n"), "{content_type:?}");
        }
        let broken = on_terminal(Some("application/json"), b"{\"a\":");
        assert_eq!(broken.as_deref(), Ok("{\"a\":\n"));
    }

    #[test]
    fn p3_text_is_decoded_as_the_crawler_reads_it() {
        let gbk = on_terminal(Some("text/html; charset=gbk"), b"<p>\xbc\xdb\xb8\xf1\n");
        assert_eq!(gbk.as_deref(), Ok("<p>价格\n"));
        assert_eq!(on_terminal(Some("text/plain"), b"caf\xe9").as_deref(), Ok("café\n"));
    }

    #[test]
    fn p8_control_characters_are_shown_instead_of_sent() {
        let shown = on_terminal(Some("text/html"), b"a\tb\r\n\x1b[31mred\x07\rx\xc2\x9b2J");
        assert_eq!(shown.as_deref(), Ok("a\tb\n\\u{1b}[31mred\\u{7}\\rx\\u{9b}2J\n"));
    }

    #[test]
    fn p8_a_binary_body_is_described() {
        let png = on_terminal(Some("image/png"), b"\x89PNG\r\n\x1a\n\0\0").unwrap_err();
        assert!(png.contains("10 B (image/png)"), "{png}");
        assert!(on_terminal(None, b"\xff\xfe\x00\x01\xff").is_err());
        assert!(on_terminal(Some("text/plain"), b"a\0b").is_err());
        assert_eq!(on_terminal(Some("image/svg+xml"), b"<svg/>").as_deref(), Ok("<svg/>\n"));
        assert_eq!(on_terminal(None, b"").as_deref(), Ok(""));
    }
}
