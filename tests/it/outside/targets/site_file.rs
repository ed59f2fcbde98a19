//! Site files, and the requests that a site makes of what its pages say.

use gleaner::fetch::{Home, Request};
use gleaner::model::record::Key;
use gleaner::model::seed::SeedPath;
use gleaner::model::task::PageRange;
use gleaner::model::task::{DetailPage, IndexPage, IndexRun, List, Listed, Page, Place};
use gleaner::site::{PageSaid, Site};

use super::time::in_time;

/// What pages say.
#[derive(Debug, Clone, Copy)]
pub struct Said<'s> {
    /// A key; also a link.
    pub key: &'s str,
    /// A category.
    pub seed: &'s str,
    /// JSON text; also where it is none.
    pub cursor: &'s str,
    /// The number of a page, of items, of a last page.
    pub number: u64,
}

/// Said of each site file that can be read.
const ODD: [Said<'_>; 3] = [
    Said { key: "x", seed: "x", cursor: "\"x\"", number: 1 },
    Said {
        key: "../?a=b#c/%2e%2e\\\u{0}é\r\n{key}",
        seed: "a/../@h:1\t&=",
        cursor: "{\"a\":[1e300,\"../\"]}",
        number: MOST,
    },
    Said {
        key: "//evil.test/",
        seed: "http://evil.test/\u{202e}",
        cursor: "not JSON",
        number: u64::MAX / 7,
    },
];

/// The largest number that pages are given.
const MOST: u64 = u64::MAX - 1_000;

/// The text of a site file.
pub fn site_file(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    if reads_a_file(text) {
        return;
    }
    let site = in_time("site file", body.len(), || Site::parse(text, "outside.toml"));
    match site {
        Ok(site) => ODD.iter().for_each(|said| pages(&site, said)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A file of keys may be the standard input, or a device without end.
fn reads_a_file(text: &str) -> bool {
    let is_key = |after: &str| after.trim_start_matches(['"', '\'', ' ', '\t']).starts_with('=');
    text.split("file").skip(1).any(is_key)
}

/// The requests and plans of a site for pages that say this.
pub fn pages(site: &Site, said: &Said<'_>) {
    let usual = Said { key: "x", seed: "x", cursor: "\"x\"", number: said.number };
    let _ = (site.settings(), site.rules(), site.definition(), site.list_fields());
    let _ = (site.detail_fields(), site.key_field(), site.known_count());
    for place in [None, Some("https://h.test/x"), Some(said.key)] {
        let made = detail(site, said.key, place);
        let plain = detail(site, usual.key, place);
        same_form(made.as_ref(), plain.as_ref(), said.key);
    }
    begin(site);
    let seed = SeedPath::of(said.seed);
    let top = List::Seeds(SeedPath::default());
    for list in [top, List::Seeds(seed.clone()), List::default(), List::Items(seed)] {
        for place in [
            None,
            Some(Place::Url(said.key.into())),
            Some(Place::Url("https://h.test/a?b".into())),
            Some(Place::Cursor(said.cursor.into())),
            Some(Place::Offset(said.number)),
        ] {
            let number = said.number.max(1);
            let page = IndexPage { list: list.clone(), place, ..IndexPage::numbered(1, number, 1) };
            index(site, &page);
            let _ = site.known_keys(&page);
            after(site, &page, said);
        }
    }
}

fn begin(site: &Site) {
    for asked in [None, Some(PageRange { from: MOST, to: u64::MAX })] {
        let range = site.page_range(asked);
        assert!(range.from <= range.to, "{range:?}");
        for run in site.begin(range).into_iter().take(3) {
            assert!(run.from <= run.to, "{run:?}");
            index(site, &run.split().0);
        }
    }
}

fn after(site: &Site, page: &IndexPage, said: &Said<'_>) {
    let places = vec![Place::Url(said.key.into()), Place::Cursor(said.cursor.into())];
    for number in [None, Some(0), Some(said.number), Some(u64::MAX)] {
        let items = number.unwrap_or(1);
        let (declared, last, places) = (number, number, places.clone());
        let said = PageSaid { items, declared, last, places, ..PageSaid::default() };
        follow(site, page, &said);
    }
}

/// The pages that a page leads to, and the requests for them.
pub fn follow(site: &Site, page: &IndexPage, said: &PageSaid) {
    let runs = site.after(page, said).map_or_else(Vec::new, |next| next.runs);
    for run in runs.into_iter().take(5) {
        assert!(page.number < run.from && run.from <= run.to, "{page:?} leads to {run:?}");
        runs_on(site, run);
    }
}

/// A run of pages of a list.
pub fn runs_on(site: &Site, run: IndexRun) {
    let clipped = site.page_range(None).clip(run.clone());
    assert!(clipped.is_none_or(|clipped| clipped.from <= clipped.to), "{run:?}");
    index(site, &run.split().0);
}

fn index(site: &Site, page: &IndexPage) {
    if let Ok(Some(request)) = site.request(&Page::Index(page.clone())) {
        stays_at_home(&site.home(), &request);
    }
}

/// The request for an item's page; nothing where there is none.
pub fn detail(site: &Site, key: &str, link: Option<&str>) -> Option<Request> {
    let listed = Listed { url: link.map(Into::into), ..Listed::default() };
    let page = DetailPage { listed: Some(Box::new(listed)), ..DetailPage::of(Key::new(key).ok()?) };
    let request = site.request(&Page::Detail(page)).ok()??;
    stays_at_home(&site.home(), &request);
    Some(request)
}

fn stays_at_home(home: &Home, request: &Request) {
    let Request { url, headers, .. } = request;
    assert!(home.allows(url), "{url} is not at home: {home:?}");
    let is_bare = headers.is_empty() && url.username().is_empty() && url.password().is_none();
    assert!(home.is_own(url) || is_bare, "{url} is told what is the site's own: {headers:?}");
}

/// A key changes neither the host nor the form of a path.
fn same_form(made: Option<&Request>, plain: Option<&Request>, key: &str) {
    let (Some(made), Some(plain)) = (made, plain) else { return };
    let form = |request: &Request| {
        let url = &request.url;
        let segments = url.path_segments().map(Iterator::count);
        (url.origin(), segments, url.query().is_some(), url.fragment().is_some())
    };
    assert_eq!(form(made), form(plain), "the key {key:?} made {} of {}", made.url, plain.url);
}
