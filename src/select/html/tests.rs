//! Whole pages: URLs, broken markup, large ones, random ones.

use super::*;
use crate::select::budget::used;
use proptest::prelude::*;

fn at(url: &str) -> Url {
    Url::parse(url).unwrap()
}

fn page(text: &str) -> HtmlPage {
    HtmlPage::parse(text.as_bytes(), None, &at("https://shop.test/list/?page=2")).unwrap()
}

fn texts(page: &HtmlPage, selector: &str) -> Vec<String> {
    CssSelector::parse(selector).unwrap().select_texts(page.scope()).unwrap()
}

fn resolved(page: &HtmlPage, text: &str) -> String {
    page.resolve(text).map_or("none".to_owned(), |url| url.to_string())
}

#[test]
fn urls_are_relative_to_the_page() {
    let plain = page("<a href=x>");
    for (text, expected) in [
        ("/book/1/", "https://shop.test/book/1/"),
        (" 2.html\n", "https://shop.test/list/2.html"),
        ("?page=3", "https://shop.test/list/?page=3"),
        ("//other.test/x", "https://other.test/x"),
        ("../up", "https://shop.test/up"),
        ("", "https://shop.test/list/?page=2"),
        ("http://[", "none"),
        ("mailto:a@b.c", "mailto:a@b.c"),
    ] {
        assert_eq!(resolved(&plain, text), expected, "{text:?}");
    }
}

#[test]
fn w19_queries_are_sent_in_the_page_s_charset_and_paths_in_utf_8() {
    let in_charset = |charset: &str, link: &str| {
        let kind = format!("text/html; charset={charset}");
        let url = at("https://shop.test/list/");
        resolved(&HtmlPage::parse(b"<p>", Some(&kind), &url).unwrap(), link)
    };
    for (charset, link, expected) in [
        ("gbk", "/s?q=中国&x=a b", "/s?q=%D6%D0%B9%FA&x=a%20b"),
        ("gbk", "/中/?q=中#中", "/%E4%B8%AD/?q=%D6%D0#%E4%B8%AD"),
        ("windows-1251", "/s?q=Книга", "/s?q=%CA%ED%E8%E3%E0"),
        ("shift_jis", "/s?q=日本", "/s?q=%93%FA%96{"),
        ("iso-2022-jp", "/s?q=日本", "/s?q=%1B$BF|K\\%1B(B"),
        ("windows-1251", "/s?q=a中b", "/s?q=a%26%2320013%3Bb"),
        ("windows-1251", "/s?q=%D0%9A+К", "/s?q=%D0%9A+%CA"),
        ("utf-16le", "/s?q=é", "/s?q=%C3%A9"),
        ("utf-8", "/s?q=é", "/s?q=%C3%A9"),
        ("gbk", "mailto:x@y.z?subject=中", ""),
    ] {
        let expected = match expected {
            "" => "mailto:x@y.z?subject=%E4%B8%AD".to_owned(),
            path => format!("https://shop.test{path}"),
        };
        assert_eq!(in_charset(charset, link), expected, "{charset} {link}");
    }
}

#[test]
fn urls_are_relative_to_the_base_where_there_is_one() {
    for (head, expected) in [
        ("<base href='/a/b/'>", "https://shop.test/a/b/x"),
        ("<base href='https://cdn.test/c/d'>", "https://cdn.test/c/x"),
        (
            "<base target=_blank><base href='/first/'><base href='/second/'>",
            "https://shop.test/first/x",
        ),
        ("<base href='javascript:0'>", "https://shop.test/list/x"),
        ("<base href='http://['>", "https://shop.test/list/x"),
    ] {
        assert_eq!(resolved(&page(head), "x"), expected, "{head}");
    }
}

#[test]
fn p3_a_page_in_another_encoding_is_read() {
    let (gbk, _, _) = encoding_rs::GBK.encode("<meta charset=gbk><h1>价格 &#26085;</h1>");
    let url = at("https://shop.test/");
    let page = HtmlPage::parse(&gbk, Some("text/html"), &url).unwrap();
    assert_eq!(texts(&page, "h1::text"), ["价格 日"]);
    assert_eq!((page.charset(), page.decoding().replaced), ("GBK", 0));
    let page = HtmlPage::parse(b"<h1>\xff</h1>", Some("a/b; charset=utf-8"), &url).unwrap();
    assert!(page.decoding().replaced > 0);
    // html5ever would take a mark off the front of any piece.
    let marks = "\u{feff}<p>a".to_owned() + &"\u{feff}".repeat(20_000);
    let page = HtmlPage::parse(marks.as_bytes(), None, &url).unwrap();
    assert_eq!(texts(&page, "p::text")[0].chars().count(), 20_001);
}

#[test]
fn p4_broken_markup_is_mended() {
    for (broken, selector, expected) in [
        ("<p>a<p>b", "p::text", vec!["a", "b"]),
        ("<b><i>x</b>y</i>", "i::text", vec!["x", "y"]),
        ("<li>a<li>b</ul>", "li::text", vec!["a", "b"]),
        ("<a href=x y>z", "a::attr(href)", vec!["x"]),
        ("<a href='x>z</a>", "a::text", vec![]),
        ("<table><td>1<td>2", "td::text", vec!["1", "2"]),
        ("<<p>a</p>", "p::text", vec!["a"]),
        ("a<br/>b</body></html><p>late", "p::text", vec!["late"]),
        ("<noscript><img src=x></noscript>", "img::attr(src)", vec!["x"]),
        ("<p>a\0b</p>", "p::text", vec!["ab"]),
        ("<template><p>t</p></template>", "p::text", vec!["t"]),
        ("<p id=a id=b>", "p::attr(id)", vec!["a"]),
        ("", "html::text", vec![""]),
    ] {
        assert_eq!(texts(&page(broken), selector), expected, "{broken}");
    }
}

#[test]
fn p4_twenty_megabytes_are_read_or_refused_in_time() {
    let row = "<tr><td class=n><a href=/book/1/>A book's title</a></td><td>12.50 and words</td>\
               <td>some more text that pages have</td></tr>\n";
    let table = |rows: usize| format!("<table>{}</table>", row.repeat(rows));
    let url = at("https://shop.test/");
    let rows = 20 * 1024 * 1024 / row.len();
    let start = used();
    let made = HtmlPage::parse(table(rows).as_bytes(), None, &url);
    let took = used() - start;
    eprintln!("20 MB: {took:?}, {:?}", made.as_ref().err());
    assert!(took < Duration::from_secs(20), "{took:?}");
    // A slow build refuses it, and then a smaller one has to do.
    let (page, rows) = match made {
        Ok(page) => (page, rows),
        Err(error) => {
            assert_eq!(error, LimitError::Time(Duration::from_secs(5)));
            (HtmlPage::parse(table(2000).as_bytes(), None, &url).unwrap(), 2000)
        }
    };
    let start = used();
    assert_eq!(texts(&page, "td.n > a::attr(href)").len(), rows);
    eprintln!("selecting {rows} links in it: {:?}", used() - start);
}

#[test]
fn the_errors_say_which_limit() {
    let words = |error: LimitError| error.to_string();
    assert!(words(LimitError::Time(Duration::from_secs(5))).contains("more than 5s"));
    assert!(words(LimitError::Depth(512)).contains("more than 512 elements within one another"));
    assert!(words(LimitError::Nodes(9)).contains("more than 9 elements and texts"));
    assert!(words(LimitError::Text(9)).contains("more than 9 bytes of text"));
}

fn tag() -> impl Strategy<Value = String> {
    let names = [
        "p",
        "b",
        "a",
        "i",
        "table",
        "tr",
        "td",
        "select",
        "option",
        "script",
        "style",
        "template",
        "svg",
        "math",
        "mi",
        "title",
        "textarea",
        "frameset",
        "body",
        "html",
        "head",
        "form",
        "li",
        "base",
        "meta",
        "noscript",
        "font",
        "nobr",
        "button",
        "h1",
        "foreignObject",
        "plaintext",
        "annotation-xml",
        "caption",
        "col",
        "br",
        "image",
        "ruby",
        "rt",
        "iframe",
        "object",
    ];
    let name = prop::sample::select(names.to_vec());
    prop_oneof![
        4 => (name.clone(), "[a-c]{0,3}").prop_map(|(name, value)| format!("<{name} href='{value}'>")),
        3 => name.clone().prop_map(|name| format!("</{name}>")),
        1 => name.prop_map(|name| format!("<{name}/")),
        2 => "[ a-zé日\u{0}&;#x0-9'\"=]{0,8}",
        1 => prop::sample::select(vec!["<!--", "-->", "<![CDATA[", "]]>", "<!doctype x>", "<?", "\u{feff}"])
            .prop_map(str::to_owned),
    ]
}

fn taken(body: &[u8], content_type: Option<&str>) {
    let start = used();
    let made = HtmlPage::parse(body, content_type, &at("https://shop.test/"));
    if let Ok(page) = made {
        for selector in ["::text", "a::attr(href)", "td > p::text", "*:nth-child(2)::text"] {
            texts(&page, selector);
        }
        let items = CssSelector::parse("p, td").unwrap().select_elements(page.scope()).unwrap();
        for item in items {
            CssSelector::parse("a::text").unwrap().select_texts(item).unwrap();
        }
        page.resolve("x");
    }
    assert!(used() - start < Duration::from_secs(20));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn p4_random_bytes_never_panic(
        body in prop::collection::vec(any::<u8>(), 0..3000),
        label in prop::option::of("text/html; charset=(utf-8|gbk|utf-16|shift_jis|x)"),
    ) {
        taken(&body, label.as_deref());
    }

    #[test]
    fn p4_tag_soup_never_panics(tags in prop::collection::vec(tag(), 0..300)) {
        taken(tags.concat().as_bytes(), None);
    }

    #[test]
    fn random_selectors_never_panic(text in "[a-c.#:>+~\\[\\]()'\", *=|\\\\]{0,16}(::text|::attr\\(x\\))?") {
        if let Ok(selector) = CssSelector::parse(&text) {
            let page = page("<a class=b x=1><b id=c>t</b></a>");
            selector.select_texts(page.scope()).unwrap();
        }
    }
}
