//! XML pages: parses text to the tree that HTML pages have, with the names as they are written.
//!
//! The namespace of an element or attribute is its prefix: selectors name it as the page does
//! (`dc|creator`). CDATA is text. XML's own entities and characters by number are expanded; no
//! others, and nothing is fetched. A page that defines entities is read unless it uses them.
//!
//! An `&` that does not begin a reference stands for itself, as in sitemaps. Everything else has to
//! be well-formed, so that a page that was cut short is an error.

use ego_tree::NodeMut;
use html5ever::tendril::StrTendril;
use html5ever::{Attribute, LocalName, Namespace, Prefix, QualName};
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};
use scraper::node::{Comment, Element, Text};
use scraper::{Html, Node};

use super::{Budget, LimitError, Limits};
use crate::model::text::plain;

/// Number of events between two checks of the limits.
const EVENTS_PER_LOOK: u32 = 64;
/// Maximum length of a reference, in bytes.
const LONGEST_REFERENCE: usize = 64;

/// Reason why a page is not XML. Texts from the site are escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// The page exceeds a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The page is malformed.
    #[error("the page is not XML near byte {at}: {message}")]
    Broken {
        /// Offset in the text, in bytes.
        at: u64,
        /// Description of the fault.
        message: String,
    },
    /// The page uses an entity of its own.
    #[error("the page uses the entity `&{0};`, which it defines itself; such are not expanded")]
    Entity(String),
}

/// Parses `text` to a tree, within `limits` and `budget`.
pub fn parse(text: &str, limits: &Limits, budget: &Budget) -> Result<Html, XmlError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    let mut html = Html::new_document();
    let mut building = Building { depth: 0, had_root: false, has_entities: false };
    let mut at = html.tree.root().id();
    for number in 0_u32.. {
        let broken = |message: &str| {
            let message = plain(message);
            XmlError::Broken { at: 0, message }
        };
        let event = reader.read_event().map_err(|error| broken(&error.to_string()));
        let position = reader.buffer_position();
        let here = |error: XmlError| match error {
            XmlError::Broken { message, .. } => XmlError::Broken { at: position, message },
            error => error,
        };
        let event = event.map_err(here)?;
        if number.is_multiple_of(EVENTS_PER_LOOK) {
            budget.check().map_err(XmlError::Limit)?;
        }
        if html.tree.nodes().len() > limits.nodes {
            return Err(LimitError::Nodes(limits.nodes).into());
        }
        let Some(mut node) = html.tree.get_mut(at) else { break };
        match event {
            Event::Eof if building.depth > 0 => {
                return Err(here(broken("it ends within an element")));
            }
            Event::Eof if !building.had_root => {
                return Err(here(broken("there is no element in it")));
            }
            Event::Eof => break,
            Event::End(_) => {
                building.depth = building.depth.saturating_sub(1);
                at = node.parent().map_or(at, |parent| parent.id());
            }
            Event::Start(tag) => {
                at = building.open(&mut node, &tag, limits).map_err(here)?;
                building.depth += 1;
            }
            Event::Empty(tag) => {
                building.open(&mut node, &tag, limits).map_err(here)?;
            }
            Event::Text(text) => building.text(&mut node, &text).map_err(here)?,
            Event::CData(text) => building.text(&mut node, &text).map_err(here)?,
            Event::GeneralRef(name) => {
                let text = building.reference(&name)?;
                building.text(&mut node, &text).map_err(here)?;
            }
            Event::Comment(text) => {
                node.append(Node::Comment(Comment { comment: tendril(&text) }));
            }
            Event::DocType(declared) => building.has_entities = declared.contains("<!ENTITY"),
            Event::Decl(_) | Event::PI(_) => {}
        }
    }
    Ok(html)
}

/// State of a page that is being parsed.
struct Building {
    depth: usize,
    had_root: bool,
    /// True if the page defines entities of its own.
    has_entities: bool,
}

impl Building {
    /// Appends an element, and returns its id.
    fn open(
        &mut self,
        node: &mut NodeMut<'_, Node>,
        tag: &BytesStart<'_>,
        limits: &Limits,
    ) -> Result<ego_tree::NodeId, XmlError> {
        if self.depth == 0 && std::mem::replace(&mut self.had_root, true) {
            let message = "there is a second root element".to_owned();
            return Err(XmlError::Broken { at: 0, message });
        }
        if self.depth >= limits.depth {
            return Err(LimitError::Depth(limits.depth).into());
        }
        let mut attributes = Vec::new();
        // The check for repeated names would take the square of their number.
        for attribute in tag.attributes().with_checks(false) {
            let attribute = attribute
                .map_err(|error| XmlError::Broken { at: 0, message: plain(&error.to_string()) })?;
            let value = tendril(&self.references(&attribute.value)?);
            attributes.push(Attribute { name: name(attribute.key.as_ref()), value });
        }
        let element = Element::new(name(tag.name().as_ref()), attributes);
        Ok(node.append(Node::Element(element)).id())
    }

    /// Appends text. One that follows another is one with it.
    fn text(&self, node: &mut NodeMut<'_, Node>, text: &str) -> Result<(), XmlError> {
        if self.depth == 0 {
            // A byte order mark may stand before the declaration.
            return match text.trim_matches('\u{feff}').trim().is_empty() {
                true => Ok(()),
                false => {
                    let message = "there is text outside of the root element".to_owned();
                    Err(XmlError::Broken { at: 0, message })
                }
            };
        }
        if let Some(mut last) = node.last_child()
            && let Node::Text(before) = last.value()
        {
            before.text.push_slice(text);
            return Ok(());
        }
        node.append(Node::Text(Text { text: tendril(text) }));
        Ok(())
    }

    /// Returns the text that a reference stands for. One that XML does not know stands for itself.
    fn reference(&self, name: &str) -> Result<String, XmlError> {
        if let Some(number) = name.strip_prefix('#') {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            if let Some(character) = code.ok().and_then(char::from_u32) {
                return Ok(character.to_string());
            }
        }
        match resolve_xml_entity(name) {
            Some(text) => Ok(text.to_owned()),
            None if self.has_entities => Err(XmlError::Entity(plain(name))),
            None => Ok(format!("&{name};")),
        }
    }

    /// Returns a text with its references replaced.
    fn references(&self, text: &str) -> Result<String, XmlError> {
        let mut parts = text.split('&');
        let mut made = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_name = |name: &&str| {
                (1..=LONGEST_REFERENCE).contains(&name.len())
                    && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"#_-.:".contains(&it))
            };
            match part.split_once(';').filter(|(name, _)| is_name(name)) {
                Some((name, rest)) => {
                    made.push_str(&self.reference(name)?);
                    made.push_str(rest);
                }
                None => {
                    made.push('&');
                    made.push_str(part);
                }
            }
        }
        Ok(made)
    }
}

fn tendril(text: &str) -> StrTendril {
    StrTendril::from_slice(text)
}

/// Returns a name whose namespace is its prefix.
fn name(written: &str) -> QualName {
    let (prefix, local) = match written.split_once(':') {
        Some((prefix, local)) if !prefix.is_empty() && !local.is_empty() => (prefix, local),
        _ => ("", written),
    };
    let named = (!prefix.is_empty()).then(|| Prefix::from(prefix));
    QualName::new(named, Namespace::from(prefix), LocalName::from(local))
}

/// Writes the markup within an element of an XML page.
pub fn markup(element: scraper::ElementRef<'_>) -> String {
    use ego_tree::iter::Edge;
    let mut made = String::new();
    for edge in element.traverse() {
        match edge {
            Edge::Open(node) if node.id() == element.id() => {}
            Edge::Close(node) if node.id() == element.id() => {}
            Edge::Open(node) => match node.value() {
                Node::Element(inner) => {
                    made.push('<');
                    made.push_str(&written(&inner.name));
                    for (name, value) in &inner.attrs {
                        made.push(' ');
                        made.push_str(&written(name));
                        made.push_str("=\"");
                        escape(&mut made, value, true);
                        made.push('"');
                    }
                    made.push_str(if node.has_children() { ">" } else { "/>" });
                }
                Node::Text(text) => escape(&mut made, text, false),
                Node::Comment(comment) => {
                    made.push_str("<!--");
                    made.push_str(comment);
                    made.push_str("-->");
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Some(inner) = node.value().as_element().filter(|_| node.has_children()) {
                    made.push_str("</");
                    made.push_str(&written(&inner.name));
                    made.push('>');
                }
            }
        }
    }
    made
}

/// Returns a name as the page has it.
fn written(name: &QualName) -> String {
    match &name.prefix {
        Some(prefix) => format!("{prefix}:{}", name.local),
        None => name.local.to_string(),
    }
}

fn escape(made: &mut String, text: &str, is_quoted: bool) {
    for c in text.chars() {
        match c {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' if is_quoted => made.push_str("&quot;"),
            c => made.push(c),
        }
    }
}

#[cfg(test)]
mod tests;
