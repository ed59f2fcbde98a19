//! Site files to requests.

use super::*;
use crate::record::Key;
use crate::task::DetailPage;

fn books() -> Site {
    Site::load("books").expect("the built-in site is one")
}

fn detail(site: &Site, key: &str) -> String {
    let key = Key::new(key).unwrap();
    site.request(&Page::Detail(DetailPage::of(key))).unwrap().unwrap().url.to_string()
}

#[test]
fn urls_of_the_book_site() {
    let site = books();
    let page = Page::Index(IndexPage::numbered(1, 3, 503));
    assert_eq!(
        site.request(&page).unwrap().unwrap().url.as_str(),
        "https://spa5.scrape.center/api/book/?limit=18&offset=36"
    );
    assert_eq!(detail(&site, "42"), "https://spa5.scrape.center/api/book/42/");
}

#[test]
fn l6_keys_cannot_leave_their_place_in_the_url() {
    let mut site = books();
    site.base_url = Url::parse("http://h:1/pre/").unwrap();
    assert_eq!(detail(&site, "../x?y#z w"), "http://h:1/pre/api/book/..%2Fx%3Fy%23z%20w/");
}

#[test]
fn errors_name_file_and_line_or_key() {
    let text = BuiltIn::named("books").unwrap().text;
    let error = |text: &str| Site::parse(text, "my.toml").unwrap_err().to_string();
    let unknown = text.replace("items =", "itmes =");
    assert!(
        error(&unknown).starts_with("my.toml:12: index.itmes: unknown field `itmes`"),
        "{}",
        error(&unknown)
    );
    let name = text.replace("name = \"books\"", "name = \"system.x\"");
    assert!(error(&name).starts_with("my.toml:2: name: `system.x` is no name"));
    let path = text.replace("$.results[*]", "$.results[");
    assert!(error(&path).starts_with("my.toml:12: index.items: "), "{}", error(&path));
    let limit = text.replace("limit = 18", "limit = 0");
    assert!(error(&limit).starts_with("my.toml:11: index.paging.limit: "));
}

#[test]
fn what_is_no_site_says_what_there_is() {
    let error = Site::load("boks").unwrap_err().to_string();
    assert!(error.contains("built in: books"), "{error}");
    assert!(Site::load("no/such.toml").unwrap_err().to_string().contains("no/such.toml"));
}

#[test]
fn the_definition_knows_no_page_size() {
    let mut site = books();
    let before = site.definition();
    site.index.paging.set_limit(100);
    assert_eq!(site.definition(), before);
    site.base_url = Url::parse("http://h").unwrap();
    assert_ne!(site.definition(), before);
}
