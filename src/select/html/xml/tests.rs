//! XML pages: names, references, what is refused, what it costs.

use std::time::Duration;

use super::super::{CssSelector, HtmlPage};
use super::*;
use crate::select::budget::used;
use url::Url;

const FEED: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<!-- a feed -->
<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<Item ID="1" id="2" xlink:href="/x"><title>A &amp; B &#xE9;</title><dc:Title>dc</dc:Title>
<link>https://shop.test/1</link><body><![CDATA[<p class="x">In &amp; out</p>]]></body>
<h>H<sub>2</sub>O</h><style>Jazz</style><empty/></Item>
<item><dc:creator>Ann</dc:creator><dc:creator>Bo</dc:creator></item></channel></rss>"#;

fn page(text: &str) -> Result<HtmlPage, XmlError> {
    let url = Url::parse("https://shop.test/feed").unwrap();
    HtmlPage::parse_xml(text.as_bytes(), Some("application/xml"), &url)
}

fn texts(selector: &str, text: &str) -> Vec<String> {
    let page = page(text).unwrap();
    CssSelector::parse_xml(selector).unwrap().select_texts(page.scope()).unwrap()
}

#[test]
fn names_keep_their_case_and_their_prefix() {
    for (selector, expected) in [
        ("Item > title::text", vec!["A & B é"]),
        ("ITEM::text", vec![]),
        ("Title::text", vec!["dc"]),
        ("dc|Title::text", vec!["dc"]),
        ("dc|creator::text", vec!["Ann", "Bo"]),
        ("item > dc|creator:nth-child(2)::text", vec!["Bo"]),
        ("x|creator::text", vec![]),
        ("Item::attr(ID)", vec!["1"]),
        ("Item::attr(id)", vec!["2"]),
        ("Item::attr(Id)", vec![]),
        ("Item::attr(xlink|href)", vec!["/x"]),
        ("Item::attr(xlink:href)", vec!["/x"]),
        ("[xlink|href]::attr(ID)", vec!["1"]),
        ("Item[ID='1'] > link::text", vec!["https://shop.test/1"]),
        ("body::text", vec!["<p class=\"x\">In &amp; out</p>"]),
        ("h::text", vec!["H2O"]),
        ("style::text", vec!["Jazz"]),
        ("h::html", vec!["H<sub>2</sub>O"]),
        ("Item > dc|Title:contains('dc')::text", vec!["dc"]),
        ("rss > channel > Item::attr(version)", vec![]),
        (":root::attr(version)", vec!["2.0"]),
    ] {
        assert_eq!(texts(selector, FEED), expected, "{selector}");
    }
    let inner = texts("item::html", FEED);
    assert_eq!(inner, ["<dc:creator>Ann</dc:creator><dc:creator>Bo</dc:creator>"]);
    let odd = "<a><b x=\"1 &lt; &quot;2&quot;\">a &lt; b</b><c/></a>";
    assert_eq!(texts("a::html", odd), ["<b x=\"1 &lt; &quot;2&quot;\">a &lt; b</b><c/>"]);
}

#[test]
fn references_are_those_of_xml_and_no_others() {
    for (text, expected) in [
        ("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x41;</a>", "<>&\"'AA"),
        ("<a>x & y &b; z</a>", "x & y &b; z"),
        ("<a>&nbsp;</a>", "&nbsp;"),
        ("<a>a<!-- c -->b<![CDATA[c & d]]></a>", "abc & d"),
    ] {
        assert_eq!(texts("a::text", text), [expected], "{text}");
    }
    assert_eq!(texts("a::attr(b)", "<a b='1 &amp; 2 & &x; &#51;'/>"), ["1 & 2 & &x; 3"]);
}

#[test]
fn p9_entities_of_the_page_are_neither_expanded_nor_fetched() {
    let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
    assert_eq!(page(laughs).unwrap_err(), XmlError::Entity("b".to_owned()));
    let file = "<!DOCTYPE l [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><l x='&x;'/>";
    assert_eq!(page(file).unwrap_err(), XmlError::Entity("x".to_owned()));
    let unused = "<!DOCTYPE l [<!ENTITY x \"y\">]><l>&amp;</l>";
    assert_eq!(texts("l::text", unused), ["&"]);
}

#[test]
fn what_is_cut_short_or_malformed_is_an_error() {
    for (broken, words) in [
        ("<a><b>", "it ends within an element"),
        ("<a><b></a>", "near byte"),
        ("", "there is no element in it"),
        ("  plain text", "text outside of the root element"),
        ("<a/><b/>", "second root element"),
        ("<a/>x", "text outside of the root element"),
        ("<a b=1/>", "near byte"),
        ("<a><![CDATA[x</a>", "near byte"),
        ("<!doctype html><html><br><p>x</html>", "near byte"),
    ] {
        let error = page(broken).unwrap_err().to_string();
        assert!(error.contains(words), "{broken}: {error}");
    }
}

#[test]
fn charsets_are_those_of_mark_header_and_declaration() {
    let url = Url::parse("https://shop.test/").unwrap();
    let text = |body: &[u8], kind: &str| {
        let page = HtmlPage::parse_xml(body, Some(kind), &url).unwrap();
        CssSelector::parse_xml("a::text").unwrap().select_texts(page.scope()).unwrap().remove(0)
    };
    let (gbk, _, _) = encoding_rs::GBK.encode("<?xml version='1.0' encoding='GBK'?><a>价格</a>");
    assert_eq!(text(&gbk, "text/xml"), "价格");
    let (sjis, _, _) = encoding_rs::SHIFT_JIS.encode("<a>値段</a>");
    assert_eq!(text(&sjis, "text/xml; charset=shift_jis"), "値段");
    let wide: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(text(&wide, "text/xml; charset=gbk"), "é");
    assert_eq!(text("\u{feff}<?xml version='1.0'?><a>é</a>".as_bytes(), "text/xml"), "é");
}

#[test]
fn p9_hostile_xml_ends_within_the_limits() {
    let deep = format!("{}{}", "<a>".repeat(600), "</a>".repeat(600));
    assert_eq!(page(&deep).unwrap_err(), XmlError::Limit(LimitError::Depth(512)));
    let limits = Limits { nodes: 1000, ..Limits::default() };
    let many = format!("<a>{}</a>", "<b/>".repeat(2000));
    let error = parse(&many, &limits, &Budget::default()).unwrap_err();
    assert_eq!(error, XmlError::Limit(LimitError::Nodes(1000)));
    for text in [
        format!("<a {}/>", (0..200_000).map(|at| format!("b{at}='' ")).collect::<String>()),
        format!("<a>{}</a>", "&amp;".repeat(1_000_000)),
        format!("<a b='{}'/>", "&amp;&".repeat(1_000_000)),
        format!("<a>{}</a>", "<![CDATA[]]>".repeat(500_000)),
        format!("<a>{}", "<!-- -->".repeat(500_000)),
    ] {
        let start = used();
        let made = page(&text);
        let took = used() - start;
        assert!(took < Duration::from_secs(20), "{}: {took:?} {made:?}", &text[..20]);
    }
}
