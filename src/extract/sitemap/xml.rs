//! XML sitemaps, parsed in one pass.
//!
//! Elements are matched by their local name, without the prefix. A `loc` must be a direct child of
//! its entry and have the entry's prefix. Everything else is skipped but must be XML, except for a
//! common mistake: an `&` that does not begin a reference is taken literally.

use std::io::BufRead;

use encoding_rs::UTF_8;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use super::{ENTRIES, Entry, LONGEST, Sitemap, SitemapError, from_io, not_in, shown};

/// Parses `<urlset>` or `<sitemapindex>` in UTF-8.
pub(super) fn read(source: impl BufRead, most: usize) -> Result<Sitemap, SitemapError> {
    let mut reader = Reader::from_reader(source);
    reader.config_mut().allow_dangling_amp = true;
    let (mut walk, mut buffer) = (Walk::default(), Vec::new());
    loop {
        buffer.clear();
        let event = reader.read_event_into(&mut buffer);
        let event = event.map_err(|error| wrong(&error, reader.error_position(), most))?;
        walk.at = reader.buffer_position();
        match event {
            Event::Start(tag) => walk.open(tag.name().as_ref())?,
            Event::Empty(tag) => {
                walk.open(tag.name().as_ref())?;
                walk.close()?;
            }
            Event::End(_) => walk.close()?,
            Event::Text(text) => walk.text(&text)?,
            Event::CData(text) => walk.text(&text)?,
            Event::GeneralRef(name) => walk.reference(&name)?,
            Event::DocType(declared) => walk.has_entities = declared.contains("<!ENTITY"),
            Event::Eof => return walk.end(),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// Position in a sitemap, and what was found so far.
#[derive(Default)]
struct Walk {
    at: u64,
    /// True if the sitemap defines its own entities, which are not expanded.
    has_entities: bool,
    /// Number of open elements.
    depth: u64,
    /// Name of the entry elements, once the root element is known.
    item: Option<&'static str>,
    /// True if the element below the root is an entry. `prefix` is the prefix of its name.
    inside: bool,
    prefix: String,
    /// Open element of the entry (`loc` or `lastmod`). `text` is its text so far.
    element: Option<&'static str>,
    text: String,
    loc: Option<Box<str>>,
    last_modified: Option<Box<str>>,
    /// Reason why the entry cannot be used.
    fault: Option<String>,
    /// Number of entries that have begun.
    count: u64,
    entries: Vec<Entry>,
    unusable: Vec<String>,
}

impl Walk {
    fn open(&mut self, name: &str) -> Result<(), SitemapError> {
        self.depth += 1;
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        match (self.depth, self.item) {
            (1, None) => match local {
                "urlset" => self.item = Some("url"),
                "sitemapindex" => self.item = Some("sitemap"),
                _ => return Err(SitemapError::Root(shown(name))),
            },
            (1, Some(_)) => return Err(self.broken("there is a second root element")),
            (2, Some(item)) if item == local => {
                self.inside = true;
                self.count += 1;
                prefix.clone_into(&mut self.prefix);
            }
            // `<image:loc>` is not the location of the page.
            (3, _) if self.inside && prefix == self.prefix => {
                self.element = ["loc", "lastmod"].into_iter().find(|element| *element == local);
                self.text.clear();
            }
            (4, _) if let Some(element) = self.element => {
                self.spoil(&format!("has an element within its `{element}`"));
            }
            _ => {}
        }
        if self.count > ENTRIES { Err(SitemapError::TooMany) } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), SitemapError> {
        match self.depth {
            3 => {
                if let Some(element) = self.element.take() {
                    self.keep(element);
                }
            }
            2 if self.inside => {
                self.inside = false;
                let (loc, last_modified) = (self.loc.take(), self.last_modified.take());
                match self.fault.take() {
                    Some(fault) => self.unusable.push(fault),
                    None => self.entries.extend(loc.map(|loc| Entry { loc, last_modified })),
                }
            }
            _ => {}
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }

    fn keep(&mut self, element: &'static str) {
        let text = self.text.trim();
        if text.len() > LONGEST {
            return self.spoil(&format!("has a `{element}` of more than {LONGEST} bytes"));
        }
        let place = if element == "loc" { &mut self.loc } else { &mut self.last_modified };
        if !text.is_empty() && place.replace(text.into()).is_some() {
            self.spoil(&format!("has two `{element}`"));
        }
    }

    /// Records why the current entry cannot be used. Other entries are not affected.
    fn spoil(&mut self, why: &str) {
        self.fault.get_or_insert(format!("entry {} of the sitemap {why}", self.count));
    }

    fn text(&mut self, text: &str) -> Result<(), SitemapError> {
        if self.depth == 0 && !text.trim().is_empty() {
            return Err(self.broken("there is text outside of the root element"));
        }
        if self.element.is_some() {
            self.text.push_str(text);
        }
        Ok(())
    }

    /// Adds the text of a reference. One that is unknown in XML is kept as written: in a location
    /// it is most likely a parameter's name after an unescaped `&`.
    fn reference(&mut self, name: &BytesRef<'_>) -> Result<(), SitemapError> {
        match (name.resolve_char_ref(), resolve_xml_entity(name)) {
            (Ok(Some(character)), _) => self.text(character.encode_utf8(&mut [0; 4])),
            (_, Some(text)) => self.text(text),
            _ => {
                if self.element.is_some() && self.has_entities {
                    self.spoil(&format!(
                        "has the entity `&{};`, which is not expanded",
                        shown(name)
                    ));
                }
                self.text(&format!("&{};", &**name))
            }
        }
    }

    fn end(self) -> Result<Sitemap, SitemapError> {
        if self.depth > 0 {
            return Err(self.broken("it ends within an element"));
        }
        let with_loc = self.entries.len() + self.unusable.len();
        let without_loc = self.count - with_loc as u64;
        match self.item {
            None => Err(self.broken("there is no element in it")),
            Some("url") => {
                Ok(Sitemap::Entries { entries: self.entries, without_loc, unusable: self.unusable })
            }
            Some(_) => {
                let locations = self.entries.into_iter().map(|entry| entry.loc).collect();
                Ok(Sitemap::Index { locations, without_loc, unusable: self.unusable })
            }
        }
    }

    fn broken(&self, message: &str) -> SitemapError {
        SitemapError::Broken { at: self.at, message: message.to_owned() }
    }
}

fn wrong(error: &quick_xml::Error, at: u64, most: usize) -> SitemapError {
    match error {
        quick_xml::Error::Io(error) => from_io(error, most),
        quick_xml::Error::Encoding(_) => not_in(UTF_8),
        error => SitemapError::Broken { at, message: shown(&error.to_string()) },
    }
}
