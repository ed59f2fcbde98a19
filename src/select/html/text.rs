//! Text of an element.
//!
//! In folded text, white space of any kind and length becomes one space, and is removed at both
//! ends. Elements that end a line on the screen (`<br>`, paragraphs, table cells) also end a word,
//! so that `<li>a</li><li>b</li>` becomes `a b`. The content of scripts and styles is left out,
//! unless the element itself is one: this is how JSON in a page is taken, and its white space is
//! kept.

use ego_tree::iter::Edge;
use scraper::node::Element;
use scraper::{ElementRef, Node};

use super::xml;

/// Returns the text of the element and its descendants, folded.
pub fn folded(element: ElementRef<'_>) -> String {
    if is_code(element) {
        return raw(element).trim().to_owned();
    }
    let mut text = Folded::default();
    walk(element, |part| match part {
        Part::Text(part) => text.push(part),
        Part::Break => text.gap = true,
    });
    text.text
}

/// Returns the text of the element and its descendants with all white space.
pub fn raw(element: ElementRef<'_>) -> String {
    let mut text = String::new();
    walk(element, |part| {
        if let Part::Text(part) = part {
            text.push_str(part);
        }
    });
    text
}

/// Returns the text of the element without that of its descendants, folded.
pub fn own(element: ElementRef<'_>) -> String {
    let mut text = Folded::default();
    for part in own_parts(element) {
        match part {
            Some(part) => text.push(part),
            None => text.gap = true,
        }
    }
    text.text
}

/// Returns the text of the element without that of its descendants, with all white space.
pub fn own_raw(element: ElementRef<'_>) -> String {
    own_parts(element).flatten().collect()
}

/// Iterates over the element's own texts. An element between two of them is `None`.
fn own_parts<'a>(element: ElementRef<'a>) -> impl Iterator<Item = Option<&'a str>> {
    element.children().filter_map(|child| match child.value() {
        Node::Text(text) => Some(Some(&**text)),
        Node::Element(_) => Some(None),
        _ => None,
    })
}

/// Returns a text with its white space folded.
pub fn folded_text(text: &str) -> String {
    let mut folded = Folded::default();
    folded.push(text);
    folded.text
}

/// Returns the markup within the element. That of a script is its text, as in browsers.
pub fn markup(element: ElementRef<'_>) -> String {
    let name = element.value().name();
    let is_raw = is_code_name(name)
        || matches!(name, "xmp" | "iframe" | "noembed" | "noframes" | "plaintext");
    match is_xml(element) {
        true => xml::markup(element),
        false if is_raw => raw(element),
        false => element.inner_html(),
    }
}

/// Iterates over the comments within the element.
pub fn comments<'a>(element: ElementRef<'a>) -> impl Iterator<Item = &'a str> {
    element.descendants().filter_map(|node| node.value().as_comment()).map(|comment| &**comment)
}

enum Part<'a> {
    Text(&'a str),
    Break,
}

#[derive(Default)]
struct Folded {
    text: String,
    gap: bool,
}

impl Folded {
    fn push(&mut self, part: &str) {
        self.gap |= part.starts_with(char::is_whitespace);
        for word in part.split_whitespace() {
            if self.gap && !self.text.is_empty() {
                self.text.push(' ');
            }
            self.text.push_str(word);
            self.gap = true;
        }
        // A word opens a gap. It stays open only if the part ends with white space.
        if part.ends_with(|c: char| !c.is_whitespace()) {
            self.gap = false;
        }
    }
}

fn walk<'a>(element: ElementRef<'a>, mut take: impl FnMut(Part<'a>)) {
    let mut skipped = None;
    for edge in element.traverse() {
        let (node, opens) = match edge {
            Edge::Open(node) => (node, true),
            Edge::Close(node) => (node, false),
        };
        if skipped.is_some() {
            if skipped == Some(node.id()) {
                skipped = None;
            }
            continue;
        }
        match node.value() {
            Node::Text(text) if opens => take(Part::Text(text)),
            Node::Element(inner) if node.id() != element.id() => {
                let is_code = is_code_name(inner.name()) && !is_of_xml(inner);
                if is_code && opens {
                    skipped = Some(node.id());
                } else if ends_a_line(inner.name()) && !is_of_xml(inner) {
                    take(Part::Break);
                }
            }
            _ => {}
        }
    }
}

fn is_code(element: ElementRef<'_>) -> bool {
    is_code_name(element.value().name()) && !is_xml(element)
}

/// Returns `true` for an element of an XML page.
pub fn is_xml(element: ElementRef<'_>) -> bool {
    is_of_xml(element.value())
}

/// In HTML, elements have the namespaces of HTML, SVG or MathML; in XML, their prefix.
fn is_of_xml(element: &Element) -> bool {
    !element.name.ns.starts_with("http://www.w3.org/")
}

fn is_code_name(name: &str) -> bool {
    matches!(name, "script" | "style")
}

fn ends_a_line(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "br"
            | "li"
            | "td"
            | "th"
            | "tr"
            | "dd"
            | "dt"
            | "dl"
            | "ul"
            | "ol"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "hr"
            | "pre"
            | "nav"
            | "main"
            | "form"
            | "aside"
            | "table"
            | "tbody"
            | "thead"
            | "tfoot"
            | "header"
            | "footer"
            | "figure"
            | "option"
            | "legend"
            | "caption"
            | "section"
            | "article"
            | "address"
            | "details"
            | "summary"
            | "fieldset"
            | "blockquote"
            | "figcaption"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use scraper::{Html, Selector};

    fn texts(page: &str) -> (String, String) {
        let html = Html::parse_document(page);
        let element = html.select(&Selector::parse("#x").unwrap()).next().unwrap();
        (folded(element), raw(element))
    }

    #[test]
    fn white_space_is_folded_and_trimmed() {
        let cases = [
            ("  a \n\t b  ", "a b"),
            ("a<b>b</b>c", "abc"),
            ("a <b> b</b> c", "a b c"),
            ("a<b> </b>c", "a c"),
            ("a&nbsp;&nbsp;b\u{2003}c", "a b c"),
            ("&lt;b&gt; &amp; &#233;&eacute;&#x1F600;", "<b> & éé😀"),
            ("日本 語", "日本 語"),
            (" \n ", ""),
            ("", ""),
            ("a<!-- c -->b", "ab"),
        ];
        for (inner, expected) in cases {
            assert_eq!(texts(&format!("<span id=x>{inner}</span>")).0, expected, "{inner:?}");
        }
    }

    #[test]
    fn words_end_with_lines() {
        for (inner, expected) in [
            ("a<br>b", "a b"),
            ("<p>a</p><p>b</p>c", "a b c"),
            ("<ul><li>a</li><li>b</li></ul>", "a b"),
            ("<table><tr><td>1</td><td>2</td></tr></table>", "1 2"),
            ("a<span>b</span><em>c</em>", "abc"),
        ] {
            assert_eq!(texts(&format!("<div id=x>{inner}</div>")).0, expected, "{inner:?}");
        }
    }

    #[test]
    fn code_is_no_text_but_where_it_is_asked_for() {
        let page = "<div id=x>a<script>var s;</script><style>b{}</style>b</div>";
        assert_eq!(texts(page), ("ab".to_owned(), "ab".to_owned()));
        let page = "<script id=x type='application/ld+json'> {\"a\": \"x  y\"} </script>";
        assert_eq!(texts(page).0, "{\"a\": \"x  y\"}");
    }

    #[test]
    fn raw_keeps_every_space() {
        assert_eq!(texts("<pre id=x>\n a\n  b </pre>").1, " a\n  b ");
    }
}
