//! Pages of the formats beside JSON and HTML.

use std::sync::LazyLock;

use gleaner::fetch::HeaderMap;
use gleaner::site::Site;

use super::page::{detail, index, page};

static XML: LazyLock<Site> = LazyLock::new(|| site("every-xml", include_str!("every-xml.toml")));
static CSV: LazyLock<Site> = LazyLock::new(|| site("every-csv", include_str!("every-csv.toml")));
static LINES: LazyLock<Site> =
    LazyLock::new(|| site("every-jsonl", include_str!("every-jsonl.toml")));

fn site(name: &str, text: &str) -> Site {
    Site::parse(text, name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The body of a page of XML.
pub fn xml_page(body: &[u8]) {
    read(&XML, body);
}

/// The body of a page of CSV.
pub fn csv_page(body: &[u8]) {
    read(&CSV, body);
}

/// The body of a page of JSON lines.
pub fn jsonl_page(body: &[u8]) {
    read(&LINES, body);
}

fn read(site: &Site, body: &[u8]) {
    let page = page(site, HeaderMap::new(), body);
    index(site, &page);
    if let Some(rules) = &site.detail {
        detail(site, rules, &page);
    }
}
