//! Sitemaps, by the protocol of sitemaps.org: XML or a URL a line, packed with gzip or not.
//!
//! What it is shows in the bytes, never in the `Content-Type`. A sitemap is read in one pass and
//! unpacked as it is read; one in an encoding other than UTF-8 is unpacked as a whole first. What
//! is broken or beyond a limit is an error, never half a list; an entry that cannot be used is
//! named, and costs no other. Entities are only those of XML itself: what a document defines is not
//! expanded, and nothing outside of it is fetched.
//! Locations are as written: that they are URLs is checked only where nothing else marks a list.

mod xml;

use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};
use flate2::bufread::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;
use url::Url;

/// Entries of one sitemap. The protocol allows 50,000.
const ENTRIES: u64 = 1_000_000;
/// Bytes of a location or a date. The protocol allows 2,048.
const LONGEST: usize = 8 * 1024;
/// How much of the beginning is looked at for the format and the encoding, in bytes.
const HEAD: usize = 1024;
/// Characters of what the site sent that an error shows.
const SHOWN: usize = 80;

/// What a sitemap holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sitemap {
    /// It leads to further sitemaps.
    Index {
        /// Where they are, as written.
        locations: Vec<Box<str>>,
        /// How many had no location.
        without_loc: u64,
        /// What is wrong with each of those that cannot be used.
        unusable: Vec<String>,
    },
    /// It lists pages.
    Entries {
        /// The pages, in the order of the sitemap.
        entries: Vec<Entry>,
        /// How many more had no location.
        without_loc: u64,
        /// What is wrong with each of those that cannot be used.
        unusable: Vec<String>,
    },
}

/// A page that a sitemap lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, as written, without white space around it.
    pub loc: Box<str>,
    /// When it was changed, as written.
    pub last_modified: Option<Box<str>>,
}

/// Why a body is no sitemap. What the site sent is shown shortened and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SitemapError {
    /// Nothing, or white space.
    #[error("no sitemap: the body is empty")]
    Empty,
    /// Neither XML nor a list of URLs.
    #[error("no sitemap: it is not XML, and line {line} is no http(s) URL: {text}")]
    NoUrl {
        /// Counted from 1.
        line: u64,
        /// What the line says.
        text: String,
    },
    /// XML of another kind.
    #[error("no sitemap: the root element is `{0}`, neither `urlset` nor `sitemapindex`")]
    Root(String),
    /// XML that breaks the rules of XML.
    #[error("the sitemap is broken near byte {at}: {message}")]
    Broken {
        /// Counted in the unpacked text.
        at: u64,
        /// What is wrong.
        message: String,
    },
    /// The gzip data is damaged or cut short.
    #[error("the sitemap cannot be unpacked: {0}")]
    Packed(String),
    /// Bytes that mean nothing in the encoding, or an encoding that nobody knows.
    #[error("the sitemap cannot be read as {0}")]
    Encoding(String),
    /// More bytes than the caller allows.
    #[error("the sitemap has more than {0} bytes when unpacked, which is the limit")]
    TooLarge(usize),
    /// More entries than anybody should send.
    #[error("the sitemap has more than {ENTRIES} entries, which is the limit")]
    TooMany,
}

/// Reads a sitemap of at most `most` bytes when unpacked.
///
/// # Errors
/// Where it is none, is broken, or is beyond a limit: see [`SitemapError`].
pub fn parse(body: &[u8], most: usize) -> Result<Sitemap, SitemapError> {
    let unpacked: Box<dyn Read + '_> = match body {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(body)),
        _ => Box::new(body),
    };
    let mut source = Capped { inner: unpacked, left: most };
    let failed = |error: io::Error| from_io(&error, most);
    let mut head = Vec::new();
    source.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(failed)?;
    let (encoding, mark) = encoding_of(&head)?;
    let start = head.split_off(mark);
    let mut source = Cursor::new(start).chain(BufReader::new(source));
    if encoding == UTF_8 {
        return read(source, most);
    }
    let mut bytes = Vec::new();
    source.read_to_end(&mut bytes).map_err(failed)?;
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes);
    let text = text.ok_or_else(|| not_in(encoding))?;
    read(text.as_bytes(), most)
}

/// A source that fails with [`io::ErrorKind::FileTooLarge`] where it gives too much.
struct Capped<R> {
    inner: R,
    left: usize,
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

/// The encoding, and how many bytes of byte order mark there are.
fn encoding_of(head: &[u8]) -> Result<(&'static Encoding, usize), SitemapError> {
    if let Some(found) = Encoding::for_bom(head) {
        return Ok(found);
    }
    match head {
        [b'<', 0, ..] => return Ok((UTF_16LE, 0)),
        [0, b'<', ..] => return Ok((UTF_16BE, 0)),
        _ => {}
    }
    let mut reader = Reader::from_reader(head.trim_ascii_start());
    let mut buffer = Vec::new();
    let Ok(Event::Decl(declaration)) = reader.read_event_into(&mut buffer) else {
        return Ok((UTF_8, 0));
    };
    let Some(Ok(label)) = declaration.encoding() else { return Ok((UTF_8, 0)) };
    match Encoding::for_label(label.as_bytes()) {
        None => Err(SitemapError::Encoding(shown(&label))),
        Some(known) if known == REPLACEMENT => Err(SitemapError::Encoding(shown(&label))),
        // A declaration that can be read as ASCII is not in UTF-16, whatever it says.
        Some(known) if known == UTF_16LE || known == UTF_16BE => Ok((UTF_8, 0)),
        Some(known) => Ok((known, 0)),
    }
}

/// Reads a sitemap in UTF-8, whose beginning lies in the buffer of `source`.
fn read(mut source: impl BufRead, most: usize) -> Result<Sitemap, SitemapError> {
    let head = source.fill_buf().map_err(|error| from_io(&error, most))?;
    if head.trim_ascii_start().starts_with(b"<") {
        xml::read(source, most)
    } else {
        lines(source, most)
    }
}

fn lines(mut source: impl BufRead, most: usize) -> Result<Sitemap, SitemapError> {
    let (mut bytes, mut entries, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
    for line in 1.. {
        bytes.clear();
        if source.read_until(b'\n', &mut bytes).map_err(|error| from_io(&error, most))? == 0 {
            break;
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| not_in(UTF_8))?.trim();
        match text {
            "" => continue,
            _ if text.len() > LONGEST => {
                unusable.push(format!("line {line} of the sitemap has more than {LONGEST} bytes"));
            }
            _ if is_url(text) => entries.push(Entry { loc: text.into(), last_modified: None }),
            // What begins with anything else is no list of URLs at all.
            _ if entries.is_empty() => return Err(SitemapError::NoUrl { line, text: shown(text) }),
            _ => unusable.push(format!("line {line} of the sitemap is no URL: {}", shown(text))),
        }
        if (entries.len() + unusable.len()) as u64 > ENTRIES {
            return Err(SitemapError::TooMany);
        }
    }
    match entries.is_empty() {
        true => Err(SitemapError::Empty),
        false => Ok(Sitemap::Entries { entries, without_loc: 0, unusable }),
    }
}

fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    is_web && !text.contains(char::is_whitespace) && Url::parse(text).is_ok()
}

fn not_in(encoding: &'static Encoding) -> SitemapError {
    SitemapError::Encoding(encoding.name().to_owned())
}

fn from_io(error: &io::Error, most: usize) -> SitemapError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => SitemapError::TooLarge(most),
        io::ErrorKind::UnexpectedEof => SitemapError::Packed("it is cut short".to_owned()),
        _ => SitemapError::Packed(shown(&error.to_string())),
    }
}

/// `text` short and without what a terminal obeys.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(SHOWN) {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
