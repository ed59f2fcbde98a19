//! What reading an HTML page costs beside the bare parser: the same selectors on the same page,
//! through a site file's fields and straight through `scraper`, turn by turn in one process.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gleaner::extract::{self, Making};
use gleaner::fetch::{HeaderMap, Page};
use gleaner::model::document::Encoding;
use gleaner::model::task::Content;
use gleaner::site::Site;
use scraper::{Html, Selector};

const SITE: &str = r#"
name = "page"
base_url = "http://h"
format = "html"
[index]
url = "/"
items = "a"
key = "::attr(href)"
[detail]
url = "/{key}"
[detail.fields]
name = "h1 > span::text"
year = "span.year::text"
score = "strong.rating_num::text"
director = "a[rel='v:directedBy']::text"
genre = "span[property='v:genre']::text"
cover = "div.cover img::attr(src)"
runtime = "span.runtime::text"
votes = "a.rating_people span::text"
summary = "div.related p::text"
last = "ul.comments li.last::text"
"#;
const BARE: [(&str, Option<&str>); 10] = [
    ("h1 > span", None),
    ("span.year", None),
    ("strong.rating_num", None),
    ("a[rel='v:directedBy']", None),
    ("span[property='v:genre']", None),
    ("div.cover img", Some("src")),
    ("span.runtime", None),
    ("a.rating_people span", None),
    ("div.related p", None),
    ("ul.comments li.last", None),
];
const ROUNDS: usize = 7;
const PAGES: usize = 100;

/// A page of 50 KB, most of it what nobody asks for.
fn page() -> Bytes {
    let head = "<html><head><title>t</title></head><body><h1><span>Name</span> <span class=year>(1994)</span></h1>\
                <div class=cover><img src=/c.jpg></div><strong class='ll rating_num'>9.7</strong>\
                <a class=rating_people><span>123</span></a><a rel='v:directedBy'>A</a><span property='v:genre'>g</span>\
                <span class=runtime>142</span><div class=related><p>text of the film</p></div><ul class=comments>";
    let mut text = head.to_owned();
    while text.len() < 50 << 10 {
        text.push_str("<li class='comment odd'><a href='/u/1' title='user'>user</a><p>words &amp; words, <b>some</b> of them</p></li>\n");
    }
    text.push_str("<li class=last>last</li></ul></body></html>");
    text.into()
}

fn bare(selectors: &[(Selector, Option<&str>)], body: &[u8]) -> usize {
    let html = Html::parse_document(&String::from_utf8_lossy(body));
    let texts = selectors.iter().filter_map(|(selector, attribute)| {
        let element = html.select(selector).next()?;
        Some(match attribute {
            Some(name) => element.attr(name)?.to_owned(),
            None => element.text().collect::<String>(),
        })
    });
    texts.map(|text| text.trim().len()).sum()
}

fn time(mut work: impl FnMut()) -> Duration {
    let begun = Instant::now();
    (0..PAGES).for_each(|_| work());
    begun.elapsed()
}

fn main() {
    let site = Site::parse(SITE, "page.toml").expect("a site file");
    let rules = site.detail.as_ref().expect("pages of items");
    let url = "http://h/1".parse().expect("a URL");
    let page = Page { url, headers: HeaderMap::new(), body: page() };
    let selectors = BARE.map(|(text, attribute)| (Selector::parse(text).expect(text), attribute));
    let making = || Making { listed: &Content::Nothing, ignore: &[], encoding: Encoding::Text };
    let read = extract::detail(rules, &page, making()).expect("a document");
    assert!(read.matched.iter().all(|matched| *matched), "{:?}", read.matched);
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let ours = time(|| {
                std::hint::black_box(extract::detail(rules, &page, making()).is_ok());
            });
            let theirs = time(|| {
                std::hint::black_box(bare(&selectors, &page.body));
            });
            ours.as_secs_f64() / theirs.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let [least, median, most] = [ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]];
    let line = format!(
        "an HTML page of {} KB with ten fields, beside the bare parser: {median:.2} ({least:.2} to {most:.2})\n",
        page.body.len() >> 10
    );
    let _ = std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes());
}
