//! The headers of a page of a list.

use gleaner::fetch::{HeaderMap, HeaderName, HeaderValue};
use gleaner::select::html::HtmlPage;

use super::page::{index, page};
use super::sites::all;
use super::time::in_time;

/// Headers read at most.
const MOST: usize = 100;
/// The body where the case has none: a page that both kinds of sites can read.
const BODY: &[u8] = br#"[{"id":1,"tag_name":"<title>x</title>"}]"#;

/// Headers, one a line, and after an empty line the body.
pub fn headers(case: &[u8]) {
    let (head, body) = match case.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&case[..at], &case[at + 2..]),
        None => (case, BODY),
    };
    let mut headers = HeaderMap::new();
    for line in head.split(|byte| *byte == b'\n').take(MOST) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    for site in all() {
        let page = page(site, headers.clone(), body);
        index(site, &page);
        in_time("charset", body.len(), || {
            if let Ok(html) = HtmlPage::parse(&page.body, page.content_type(), &page.url) {
                assert!(
                    !html.charset().is_empty() && html.base().is_some_and(|base| base.has_host())
                );
            }
        });
    }
}
