//! The list of `lists.rs` as sitemaps: `/json/sitemap.xml` and `/html/sitemap.xml` are indexes of
//! two zipped XML sitemaps (one zipped by name, one by its bytes only) and one of text.
//!
//! A third of the things stands in each. Entries are absolute URLs and, in XML, have a `lastmod`.
//! `/…/sitemap-others.xml` also holds pages that are no things.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::escaped;
use super::lists::{in_path, key};
use crate::served::{Answer, Asked};

/// The revision that the sitemap tells of the thing at a place; in the text there is none.
pub fn last_modified(at: usize) -> String {
    format!("2026-11-{:02}T10:00:00+08:00", 1 + at % 28)
}

/// Sitemaps asked for when all are read.
pub const PAGES: usize = 4;

pub fn answer(things: usize, form: &str, name: &str, asked: &Asked) -> Answer {
    let part = |number: usize| (things * number / 3)..(things * (number + 1) / 3);
    let url = |at: usize| format!("{}/{form}/thing/{}", asked.origin(), in_path(&key(at)));
    let entry = |at: usize| {
        let (url, date) = (escaped(&url(at)), last_modified(at));
        format!("<url>\n <loc>\n{url} </loc><lastmod>{date}</lastmod></url>\n")
    };
    let entries = |number: usize| part(number).map(entry).collect::<String>();
    match name {
        "sitemap.xml" => {
            let parts = ["things-0.xml.gz", "things-1.xml", "things-2.txt"];
            Answer::xml(index(&parts.map(|name| format!("{}/{form}/{name}", asked.origin()))))
        }
        "things-0.xml.gz" => Answer::body(zipped(&url_set(&entries(0))), "application/gzip"),
        // Zipped, though nothing says so but its first bytes.
        "things-1.xml" => Answer::body(zipped(&url_set(&entries(1))), "application/xml"),
        "things-2.txt" => Answer::text(part(2).map(|at| url(at) + "\r\n").collect()),
        "sitemap-others.xml" => {
            let origin = asked.origin();
            let others = format!("<url><loc>{origin}/about?a=1&amp;b=2</loc></url>");
            Answer::xml(url_set(&(others + &entries(0))))
        }
        _ => Answer::not_found(),
    }
}

fn index(urls: &[String]) -> String {
    let entries: String = urls
        .iter()
        .map(|url| format!("<sitemap><loc>{url}</loc><lastmod>2026-11-20</lastmod></sitemap>\n"))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{entries}</sitemapindex>"
    )
}

fn url_set(entries: &str) -> String {
    format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!-- made by hand -->\n\
         <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{entries}</urlset>"
    )
}

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
