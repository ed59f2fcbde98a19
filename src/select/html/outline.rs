//! Outline of a page: its elements as plain values, for code that looks for repeated parts.

use scraper::ElementRef;

use super::HtmlPage;

/// The elements of a page, in document order.
#[derive(Debug, Clone, Default)]
pub struct Outline(pub Vec<Element>);

/// An element of a page.
#[derive(Debug, Clone, Default)]
pub struct Element {
    /// Index of the parent in the outline, or `None` for the topmost element.
    pub parent: Option<usize>,
    /// Name of the tag; in XML with its prefix.
    pub name: String,
    /// Attributes, by name.
    pub attributes: Vec<(String, String)>,
    /// Text of the element without that of its descendants, white space folded.
    pub text: String,
}

impl Element {
    /// Returns the value of an attribute, or `None` if the element does not have it.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the classes of the element.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.attribute("class").unwrap_or_default().split_ascii_whitespace()
    }
}

impl Outline {
    /// Returns the elements below `at`, with their indices, in document order.
    pub fn below(&self, at: usize) -> impl Iterator<Item = (usize, &Element)> {
        let inside = move |from: usize| {
            let mut up = self.0.get(from).and_then(|it| it.parent);
            while let Some(parent) = up.filter(|parent| *parent > at) {
                up = self.0.get(parent).and_then(|it| it.parent);
            }
            up == Some(at)
        };
        let further = self.0.iter().enumerate().skip(at + 1);
        further.take_while(move |(from, _)| inside(*from))
    }
}

impl HtmlPage {
    /// Returns the outline of the page.
    pub fn outline(&self) -> Outline {
        let mut indices = std::collections::HashMap::new();
        let mut elements = Vec::new();
        for element in self.html.tree.root().descendants().filter_map(ElementRef::wrap) {
            let parent = element.parent().and_then(|parent| indices.get(&parent.id()).copied());
            indices.insert(element.id(), elements.len());
            let own = element.children().filter_map(|child| child.value().as_text());
            let text: String = own.map(|text| &**text).collect::<Vec<&str>>().join(" ");
            let (value, name) = (element.value(), &element.value().name);
            let name = match &name.prefix {
                Some(prefix) if !prefix.is_empty() => format!("{prefix}:{}", name.local),
                _ => name.local.to_string(),
            };
            elements.push(Element {
                parent,
                name,
                attributes: value.attrs().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
                text: text.split_whitespace().collect::<Vec<_>>().join(" "),
            });
        }
        Outline(elements)
    }
}
