//! Selectors against pages.

use super::super::Budget;
use super::super::{HtmlPage, Limits};
use super::*;
use crate::select::budget::used;
use std::time::Duration;
use url::Url;

fn page(text: &str) -> HtmlPage {
    let url = Url::parse("https://shop.test/list/?page=2").unwrap();
    HtmlPage::parse(text.as_bytes(), Some("text/html; charset=utf-8"), &url).unwrap()
}

fn css(text: &str) -> CssSelector {
    CssSelector::parse(text).unwrap()
}

fn texts(selector: &str, text: &str) -> Vec<String> {
    css(selector).select_texts(page(text).scope()).unwrap()
}

const LIST: &str = r#"<ul>
    <li class="item" data-id="1"><a href="/1" title="One &amp; only">One</a> <i>12 €</i></li>
    <li class="item" data-id="2"><a HREF="2.html">Two <b>!</b></a></li>
    <li class="ad"><a>no link</a></li></ul>"#;

#[test]
fn texts_and_attributes() {
    for (selector, expected) in [
        ("li.item > a::text", vec!["One", "Two !"]),
        ("li.item > a::attr(href)", vec!["/1", "2.html"]),
        ("li a::attr(HREF)", vec!["/1", "2.html"]),
        ("a::attr( title )", vec!["One & only"]),
        ("li.item::attr(data-id)", vec!["1", "2"]),
        ("li:nth-child(2) b::text", vec!["!"]),
        ("li:not(.item) a::text", vec!["no link"]),
        ("li:has(i)::attr(data-id)", vec!["1"]),
        ("i::text, b::text", vec!["12 €", "!"]),
        ("a[title='One & only, '], a[href*=\",\"]", vec![]),
        ("a[href='2.html']::text", vec!["Two !"]),
        ("li:is(.ad, .none)::text", vec!["no link"]),
        ("h1::text", vec![]),
        ("::attr(lang)", vec![]),
    ] {
        assert_eq!(texts(selector, LIST), expected, "{selector}");
    }
}

#[test]
fn what_is_taken_of_an_element() {
    let page = r#"<div id=a> A <b>in <i>deep</i></b> , B&amp;C<br>D<!-- one --><p><!--two--></p></div>
        <table><tr><th>Language <th>x<tr><th> <b>No</b><td>1</table><dl><dt>Pages: </dt><dd>9</dd></dl>
        <script>var x = "Product &amp;";</script>"#;
    for (selector, expected) in [
        ("#a::own-text", vec!["A , B&C D"]),
        ("b::own-text", vec!["in", "No"]),
        ("b::html", vec!["in <i>deep</i>", "No"]),
        ("#a > p::html", vec!["<!--two-->"]),
        ("#a::comment", vec![" one ", "two"]),
        ("p::comment", vec!["two"]),
        ("b::comment", vec![]),
        ("th:contains('Language')::text", vec!["Language"]),
        ("th:contains(\"Language \")::text", vec!["Language"]),
        ("th:contains('No')::text", vec![]),
        ("th:has(b:contains('No')) + td::text", vec!["1"]),
        ("dt:contains('Pages') + dd::text", vec!["9"]),
        ("dd:not(:contains('x'))::text", vec!["9"]),
        ("script:contains('Product')::html", vec!["var x = \"Product &amp;\";"]),
        ("#a:contains('A , B&C')::attr(id)", vec!["a"]),
    ] {
        assert_eq!(texts(selector, page), expected, "{selector}");
    }
    let page = self::page(page);
    for (selector, expected) in [("#a::comment", true), ("b::comment", false), ("b::html", true)] {
        assert_eq!(css(selector).matches(page.scope()), Ok(expected), "{selector}");
    }
    assert!(css("a::html").takes_text() && css("a::comment").takes_text());
}

#[test]
fn items_are_places_to_select_in() {
    let page = page(LIST);
    let items = css("li").select_elements(page.scope()).unwrap();
    assert_eq!(items.len(), 3);
    let of = |selector: &str| -> Vec<Vec<String>> {
        let found = items.iter().map(|item| css(selector).select_texts(*item).unwrap());
        found.collect()
    };
    assert_eq!(of("::attr(data-id)"), [vec!["1"], vec!["2"], vec![]]);
    assert_eq!(of("::text"), [["One 12 €"], ["Two !"], ["no link"]]);
    assert_eq!(of("a::attr(href)"), [vec!["/1"], vec!["2.html"], vec![]]);
    assert_eq!(of(":scope > i::text"), [vec!["12 €"], vec![], vec![]]);
    assert_eq!(of("> i::text"), [vec!["12 €"], vec![], vec![]]);
    // Elements above the item may match, as in a browser, but are not selected.
    assert_eq!(of("ul > li > i::text"), [vec!["12 €"], vec![], vec![]]);
    assert_eq!(of("li::text"), [vec![] as Vec<&str>, vec![], vec![]]);
}

#[test]
fn nested_items_hold_their_own() {
    let page = page("<div class=q id=a><b>1</b><div class=q id=b><b>2</b></div></div>");
    let items = css("div.q").select_elements(page.scope()).unwrap();
    let own: Vec<_> =
        items.iter().map(|item| css(":scope > b::text").select_texts(*item).unwrap()).collect();
    assert_eq!(own, [["1"], ["2"]]);
    let below = css("div.q").select_elements(items[0]).unwrap();
    assert_eq!(below.len(), 1);
    assert_eq!(css("::attr(id)").select_texts(below[0]).unwrap(), ["b"]);
}

#[test]
fn the_order_is_that_of_the_page() {
    // What is misplaced in a table is moved before it, though it came later.
    assert_eq!(texts("i::text", "<table><tr><td><i>1</i></td></tr><i>2</i></table>"), ["2", "1"]);
}

#[test]
fn a_selector_matches_or_not() {
    let page = page(LIST);
    for (selector, expected) in
        [("li", true), ("h1", false), ("a::attr(title)", true), ("li::attr(title)", false)]
    {
        assert_eq!(css(selector).matches(page.scope()), Ok(expected), "{selector}");
    }
}

#[test]
fn what_it_takes_is_known() {
    assert!(css("a::attr(href)").takes_url() && css("img::attr(SRC)").takes_url());
    assert!(!css("a::attr(title)").takes_url() && !css("a::text").takes_url());
    assert!(css("a::text").takes_text() && !css("a").takes_text());
    assert_eq!(css("a::text"), css("a::text"));
    assert_ne!(css("a::text"), css("a ,b"));
    fn shared<T: Send + Sync>() {}
    shared::<CssSelector>();
}

#[test]
fn what_is_no_selector_says_what_is_wrong() {
    for (bad, words) in [
        ("", "empty"),
        ("a, ", "empty"),
        ("a >", "nothing after it"),
        ("> ::text", "space before `::text`"),
        ("div ::text", "space before `::text`"),
        ("a::attr()", "names no attribute"),
        ("a::attr(a b)", "not the name of an attribute"),
        ("a::text, b", "different things"),
        ("a::text, b::attr(href)", "different things"),
        ("a::text b", "at the end"),
        ("a:hover", "not known"),
        ("a:", "cut short"),
        ("a:[x]", "without a name"),
        ("a..b", "name of a class"),
        ("a[", "cut short"),
        ("a[=x]", "test of an attribute"),
        ("a)", "does not belong"),
        ("a:contains(b)", "does not belong"),
        ("a:contains()", "cut short"),
        ("a ::html", "space before `::html`"),
        ("a::text, b::own-text", "different things"),
        ("dc|title", "namespace"),
        ("$.results", "JSONPath"),
    ] {
        let error = CssSelector::parse(bad).unwrap_err().to_string();
        assert!(error.contains(words), "{bad}: {error}");
        assert!(error.contains(&format!("`{bad}`")));
    }
}

#[test]
fn p4_a_slow_selector_ends_with_the_time_of_the_page() {
    let url = Url::parse("https://shop.test/").unwrap();
    let limits = Limits { time: Duration::from_secs(30), ..Limits::default() };
    let text = "<p>x".repeat(60_000);
    let mut page = HtmlPage::parse_within(&limits, text.as_bytes(), None, &url).unwrap();
    page.budget = Budget::of(Duration::from_millis(300));
    let start = used();
    let error = css("h2 ~ p::text").select_texts(page.scope()).unwrap_err();
    assert_eq!(error, LimitError::Time(Duration::from_millis(300)));
    assert!(used() - start < Duration::from_secs(5), "{:?}", used() - start);
    // And there is none left for the next one.
    assert!(css("p").matches(page.scope()).is_err());
}

#[test]
fn p9_a_text_that_is_searched_again_and_again_ends_with_the_time_of_the_page() {
    let url = Url::parse("https://shop.test/").unwrap();
    let limits = Limits { time: Duration::from_secs(30), ..Limits::default() };
    let text = format!("<b>{}</b>{}", "x ".repeat(200_000), "<p>x</p>".repeat(20_000));
    let mut page = HtmlPage::parse_within(&limits, text.as_bytes(), None, &url).unwrap();
    page.budget = Budget::of(Duration::from_millis(300));
    let start = used();
    let error = css("b:contains('y') ~ p::text").select_texts(page.scope()).unwrap_err();
    assert_eq!(error, LimitError::Time(Duration::from_millis(300)));
    assert!(used() - start < Duration::from_secs(5), "{:?}", used() - start);
}

#[test]
fn p4_text_taken_again_and_again_is_bounded() {
    let url = Url::parse("https://shop.test/").unwrap();
    let text = format!("{}{}", "<div>".repeat(400), "x".repeat(1000));
    let limits = Limits { text: 300_000, ..Limits::default() };
    let page = HtmlPage::parse_within(&limits, text.as_bytes(), None, &url).unwrap();
    let error = css("div::text").select_texts(page.scope()).unwrap_err();
    assert_eq!(error, LimitError::Text(300_000));
    // An element alone counts as well.
    assert!(css("::text").select_texts(page.scope()).is_err());
}
