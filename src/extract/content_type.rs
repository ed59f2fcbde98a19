//! Detects pages of another format than the site file says, by their `Content-Type`, and the format
//! that a page has, by its content.
//!
//! Headers are often wrong, so the type is used only to reject a page. Without the check, plain
//! text would be parsed as HTML: `<a@b.example>` would be taken for a tag and silently lost.

use url::Url;

use crate::fetch::Page;
use crate::select::field::shown;
use crate::select::{COMMA, Format, Tree};
use crate::site::MediaType;

/// Subtypes of `application` for text formats that are not HTML.
const NO_MARKUP: [&str; 4] = ["json", "javascript", "ecmascript", "yaml"];

/// Media types of HTML.
const HTML: [&str; 2] = ["text/html", "application/xhtml+xml"];
/// Extensions of files that are not HTML.
const FILES: [&str; 48] = [
    "jpg", "jpeg", "png", "gif", "webp", "avif", "svg", "bmp", "ico", "tif", "tiff", "heic", "mp3",
    "ogg", "oga", "wav", "flac", "m4a", "aac", "opus", "mp4", "m4v", "webm", "mkv", "mov", "avi",
    "pdf", "epub", "mobi", "djvu", "ps", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "ods",
    "zip", "gz", "bz2", "xz", "7z", "tar", "csv", "json", "woff2",
];

/// Returns the type in the header if it cannot be HTML, else `None`.
pub fn other_than_html(content_type: &str) -> Option<&str> {
    let named = content_type.split(';').next().unwrap_or_default().trim();
    let small = named.to_ascii_lowercase();
    let (top, sub) = small.split_once('/')?;
    let is_markup = sub.contains("htm") || sub.contains("xml");
    let is_other = match top {
        "text" => !is_markup,
        "image" | "audio" | "video" | "font" => !is_markup,
        "application" => sub == "pdf" || NO_MARKUP.iter().any(|text| sub.contains(text)),
        _ => false,
    };
    is_other.then_some(named)
}

/// Returns the type in the header if it contradicts the format, else `None`. JSON is told by its
/// content alone. A page that begins like XML is XML, and one that does not begin with `<` may be CSV,
/// though a server that knows no better calls it HTML.
pub fn contradicts<'t>(format: Format, content_type: &'t str, body: &[u8]) -> Option<&'t str> {
    let named = content_type.split(';').next().unwrap_or_default().trim();
    let small = named.to_ascii_lowercase();
    let (top, sub) = small.split_once('/')?;
    let is_binary = matches!(top, "image" | "audio" | "video" | "font") || sub == "pdf";
    let is_json = sub.contains("json") || sub.contains("javascript");
    let is_markup = sub.contains("htm") || sub.contains("xml");
    let is_other = match format {
        Format::Json | Format::Jsonl => false,
        Format::Html => return other_than_html(content_type),
        Format::Xml => {
            let is_xml = start(body).starts_with(b"<?xml") || sub.contains("xml");
            !is_xml && (is_binary || is_json || sub == "csv" || sub == "html")
        }
        Format::Csv => is_binary || is_json || (is_markup && start(body).starts_with(b"<")),
    };
    is_other.then_some(named)
}

/// Returns why a response is not the file that was asked for, or `None` if it may be: its type is another
/// than `expected`, or it is HTML, such as a login, where `url` has the extension of another file.
pub fn other_file(expected: Option<&MediaType>, url: &str, page: &Page) -> Option<String> {
    let named = page.content_type().map(|it| it.split(';').next().unwrap_or_default().trim());
    let begins = |tag: &[u8]| {
        start(&page.body).get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag))
    };
    let begins_as_html = begins(b"<!doctype html") || begins(b"<html");
    let is_html = |named: &&str| HTML.iter().any(|html| named.eq_ignore_ascii_case(html));
    let Some(expected) = expected else {
        let is_other = begins_as_html || named.as_ref().is_some_and(is_html);
        let path = Url::parse(url).map(|url| url.path().to_ascii_lowercase()).unwrap_or_default();
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        return (is_other && FILES.contains(&extension))
            .then(|| format!("it is HTML, and the file is .{extension} by its URL"));
    };
    // A server that knows no better says nothing by this.
    let is_unknown = |named: &&str| named.to_ascii_lowercase().ends_with("/octet-stream");
    if let Some(named) = named.filter(|it| !is_unknown(it) && !expected.includes(it)) {
        return Some(format!("it is {}, and not {expected}", shown(named)));
    }
    let may_be_html = HTML.iter().any(|html| expected.includes(html));
    (begins_as_html && !may_be_html)
        .then(|| format!("it begins as HTML does, and is not {expected}"))
}

/// Returns advice to write the format that a page has, or an empty text if it is this one or not
/// known.
pub fn hint(format: Format, page: &Page) -> &'static str {
    let body = start(&page.body);
    let is = |other: Format| format != other && Tree::read(other, COMMA, page).is_ok();
    let is_page = |tag: &[u8]| body.get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag));
    // HTML may be well-formed, too.
    let is_declared =
        body.starts_with(b"<?xml") || page.content_type().is_some_and(|kind| kind.contains("xml"));
    match body.first() {
        Some(0x1f) if body.starts_with(&[0x1f, 0x8b]) => {
            "; it is packed with gzip, and damaged or larger than --max-body when unpacked"
        }
        // That may be an error page, and no advice helps against those.
        Some(b'<') if is_page(b"<!doctype html") || is_page(b"<html") => match format {
            Format::Html | Format::Json => "",
            _ => "; it is HTML",
        },
        Some(b'<') if is_declared && is(Format::Xml) => "; it is XML: write `format = \"xml\"`",
        Some(b'{' | b'[') if is(Format::Json) => "; it is JSON: write `format = \"json\"`",
        Some(b'{' | b'[') if is(Format::Jsonl) => "; it is JSON lines: write `format = \"jsonl\"`",
        _ => "",
    }
}

/// Returns the body without byte order mark and white space before it.
fn start(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{HeaderMap, HeaderName, HeaderValue};

    #[test]
    fn a_file_of_another_kind_is_told_by_its_type_by_its_beginning_and_by_its_url() {
        let said = |expected: Option<&str>, url: &str, kind: Option<&str>, body: &'static str| {
            let mut headers = HeaderMap::new();
            let kind = kind.map(|kind| HeaderValue::from_str(kind).unwrap());
            headers.extend(kind.map(|kind| (HeaderName::from_static("content-type"), kind)));
            let (url, body) =
                (format!("http://h{url}"), bytes::Bytes::from_static(body.as_bytes()));
            let page = Page { url: Url::parse(&url).unwrap(), headers, body };
            let expected = expected.map(|text| MediaType::parse(text).unwrap());
            other_file(expected.as_ref(), &url, &page)
        };
        let html = " <!DOCTYPE html><title>Log in</title>";
        let (png, any) = ("image/png", "application/octet-stream");
        for (expected, url, kind, body, is_other) in [
            (None, "/a.png", Some("text/html; charset=utf-8"), "x", true),
            (None, "/a.PNG?v=2", Some(png), html, true),
            (None, "/a.png", None, html, true),
            (None, "/a.png", Some("text/plain"), "x", false),
            (None, "/a.svg", Some("image/svg+xml"), "<svg>", false),
            (None, "/picture?id=1", Some("text/html"), html, false),
            (None, "/a.html", Some("text/html"), html, false),
            (Some("image/*"), "/picture?id=1", Some("text/html"), "x", true),
            (Some("image/*"), "/picture?id=1", Some(any), html, true),
            (Some("image/*"), "/picture?id=1", Some(any), "x", false),
            (Some("image/*"), "/picture?id=1", Some("IMAGE/PNG; a=b"), "x", false),
            (Some("image/png"), "/a.png", Some("image/jpeg"), "x", true),
            (Some("text/*"), "/a.txt", Some("text/html"), html, false),
        ] {
            let other = said(expected, url, kind, body);
            assert_eq!(other.is_some(), is_other, "{expected:?} {url} {kind:?} {body}: {other:?}");
        }
        assert!(
            ["image", "image/", "/png", "*/*", "a b/c"]
                .iter()
                .all(|it| MediaType::parse(it).is_none())
        );
    }

    #[test]
    fn p11_a_type_that_contradicts_the_format_is_believed() {
        for (format, kind, body, contradicts) in [
            (Format::Xml, "application/json", "<?x", true),
            (Format::Xml, "text/html", "<html>", true),
            (Format::Xml, "text/html; charset=x", " <?xml version='1.0'?>", false),
            (Format::Xml, "application/rss+xml", "<rss>", false),
            (Format::Xml, "text/plain", "<rss>", false),
            (Format::Xml, "text/csv", "a,b", true),
            (Format::Csv, "text/csv", "a,b", false),
            (Format::Csv, "text/html", "a,b", false),
            (Format::Csv, "text/html", "<!doctype html>", true),
            (Format::Csv, "application/json", "{}", true),
            (Format::Csv, "application/vnd.ms-excel", "a,b", false),
            (Format::Json, "text/html", "{}", false),
            (Format::Jsonl, "text/html", "{}", false),
            (Format::Html, "text/csv", "a,b", true),
        ] {
            let said = super::contradicts(format, kind, body.as_bytes());
            assert_eq!(said.is_some(), contradicts, "{format:?} {kind} {body}");
        }
    }

    #[test]
    fn p11_a_type_is_believed_where_it_contradicts_html() {
        for other in [
            "text/plain",
            "Text/Plain; charset=utf-8",
            "text/csv",
            "text/markdown",
            "application/json",
            "application/problem+json;charset=utf-8",
            "application/x-ndjson",
            "text/javascript",
            "application/pdf",
            "image/png",
        ] {
            let named = other.split(';').next();
            assert_eq!(other_than_html(other), named, "{other}");
        }
        for html in [
            "text/html",
            "TEXT/HTML; charset=x",
            "application/xhtml+xml",
            "application/xml",
            "text/xml",
            "text/x-server-parsed-html",
            "application/octet-stream",
            "image/svg+xml",
            "html",
            "",
        ] {
            assert_eq!(other_than_html(html), None, "{html}");
        }
    }
}
