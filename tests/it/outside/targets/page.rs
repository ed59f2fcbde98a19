//! Pages of lists and of items, read as each of the sites reads them.

use bytes::Bytes;
use gleaner::extract::{self, Making};
use gleaner::fetch::{HeaderMap, Page};
use gleaner::model::document::{self, Body, Digest, Document, Encoding, Json, JsonError};
use gleaner::model::seed::SeedPath;
use gleaner::model::task::{Content, IndexPage, List};
use gleaner::site::{DetailRules, Site};
use indexmap::IndexMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::site_file::{detail as detail_request, follow, runs_on};
use super::sites::all;
use super::time::in_time;

/// The body of a page of a list, or of one that names categories.
pub fn index_page(body: &[u8]) {
    for site in all() {
        index(site, &page(site, HeaderMap::new(), body));
    }
}

/// The body of an item's page.
pub fn detail_page(body: &[u8]) {
    for site in all() {
        if let Some(rules) = &site.detail {
            detail(site, rules, &page(site, HeaderMap::new(), body));
        }
    }
}

/// A page of a site.
pub fn page(site: &Site, headers: HeaderMap, body: &[u8]) -> Page {
    let url = site.base_url.join("list/1?page=1").expect("a URL below the base");
    Page { url, headers, body: Bytes::copy_from_slice(body) }
}

/// Reads a page as one of a list.
pub fn index(site: &Site, page: &Page) {
    let size = page.body.len();
    for (_, rules) in site.seeds.pages().filter(|(level, _)| *level == 0) {
        let top = SeedPath::default();
        match in_time(&site.name, size, || extract::seeds(rules, page)) {
            Ok(found) => {
                let seeds = found.seeds.iter().take(3).cloned();
                for run in site.lists(&top, seeds, site.page_range(None)) {
                    runs_on(site, run);
                }
                let first = IndexPage { list: List::Seeds(top), ..IndexPage::numbered(1, 1, 1) };
                reads_plainly(found.odd.iter());
                follow(site, &first, &found.said);
            }
            Err(error) => reads_plainly([error.to_string()].iter()),
        }
    }
    match in_time(&site.name, size, || extract::index(site, &List::default(), page)) {
        Err(error) => reads_plainly([error.to_string()].iter()),
        Ok(listing) => {
            reads_plainly(listing.odd.iter());
            follow(site, &IndexPage::numbered(1, 1, 1), &listing.said);
            for item in listing.items.iter().flatten() {
                let key = item.key.as_str();
                assert!(!matches!(key, "" | "." | "..") && key.len() <= 1024, "{key:?}");
                let Some(listed) = &item.listed else { continue };
                detail_request(site, key, listed.url.as_deref());
                if let Content::Object(text) = &listed.content {
                    is_object(text);
                }
            }
            let wrong = listing.items.iter().filter_map(|item| item.as_ref().err());
            reads_plainly(wrong.map(ToString::to_string).collect::<Vec<_>>().iter());
        }
    }
}

pub fn detail(site: &Site, rules: &DetailRules, page: &Page) {
    let contents = [Content::Nothing, Content::Object("{\"listed\":[true]}".into())];
    for listed in &contents {
        let made = [Encoding::Text, Encoding::Bson].map(|encoding| {
            let making = Making { listed, ignore: &site.ignore, encoding };
            in_time(&site.name, page.body.len(), || extract::detail(rules, page, making))
        });
        let ([text, bson], replaced) = match made {
            [Ok(text), Ok(bson)] => ([text.document, bson.document], text.decoding.replaced),
            [Err(text), Err(bson)] => {
                assert_eq!(text.to_string(), bson.to_string());
                reads_plainly([text.to_string()].iter());
                continue;
            }
            [text, bson] => panic!("{}: text is {text:?}, BSON is {bson:?}", site.name),
        };
        assert_eq!((text.digest, text.unfit), (bson.digest, bson.unfit), "{}", site.name);
        let (Body::Text(body), Body::Bson(raw)) = (&text.body, &bson.body) else {
            panic!("{}: not in the form that was requested", site.name);
        };
        let body = std::str::from_utf8(body).expect("a document is UTF-8");
        same_whatever_its_order(body);
        if site.ignore.is_empty() {
            assert_eq!(digest(body).ok(), Some(text.digest), "{body}");
        }
        assert_eq!(digest(&document::to_text(raw)).ok(), digest(body).ok(), "{body}");
        let is_whole = rules.document.is_none() && rules.fields.is_empty();
        let is_utf8 = std::str::from_utf8(&page.body).is_ok();
        if is_whole && *listed == Content::Nothing && replaced == 0 && is_utf8 {
            let sent = page.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&page.body);
            let sent: Value = serde_json::from_slice(sent).expect("the page was read");
            assert_eq!(is_object(body), sent, "the document is what the site sent");
        }
    }
}

/// A document, whose digest knows no order of keys.
fn same_whatever_its_order(text: &str) {
    is_object(text);
    let other = reversed(text);
    assert_eq!(digest(text).ok(), digest(&other).ok(), "{text} and {other}");
}

/// The digest of a document as it is, nothing ignored.
pub fn digest(text: &str) -> Result<Digest, JsonError> {
    let bytes = Bytes::copy_from_slice(text.as_bytes());
    Ok(Document::new(Json::parse(&bytes)?, &bytes, Encoding::Text)?.digest)
}

/// JSON text with the members of all its objects the other way round. No key may be repeated.
pub fn reversed(text: &str) -> String {
    if let Ok(members) = serde_json::from_str::<IndexMap<String, &RawValue>>(text) {
        let members = members.iter().rev();
        let written = members
            .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), reversed(value.get())));
        return format!("{{{}}}", written.collect::<Vec<_>>().join(","));
    }
    match serde_json::from_str::<Vec<&RawValue>>(text) {
        Ok(list) => {
            let written: Vec<_> = list.iter().map(|value| reversed(value.get())).collect();
            format!("[{}]", written.join(","))
        }
        Err(_) => text.to_owned(),
    }
}

fn is_object(text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert!(value.is_object(), "{text} is not an object");
    value
}

/// What people read has nothing in it that a terminal obeys.
fn reads_plainly<'t>(texts: impl Iterator<Item = &'t String>) {
    for text in texts {
        assert!(!text.contains(char::is_control), "{text:?} is not plain");
        assert!(!text.contains("secret"), "{text:?} tells a password");
    }
}
