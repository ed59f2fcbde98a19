//! Sitemaps, by the protocol of sitemaps.org: XML, or one URL a line; plain or packed with gzip.
//!
//! The format is detected from the bytes, never from the `Content-Type`. A sitemap is unpacked and
//! parsed in one pass; one that is not in UTF-8 is unpacked as a whole first.
//!
//! A sitemap that is broken or exceeds a limit is an error, never a partial list. An entry that
//! cannot be used is reported and does not affect others. Only XML's own entities are expanded, not
//! those that a document defines, and nothing external is fetched.
//!
//! Locations are returned as written. They are checked to be URLs only in the plain text format,
//! where nothing else identifies a sitemap.

mod xml;

use std::io::{self, BufRead, BufReader, Cursor, Read};

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};
use flate2::bufread::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;
use url::Url;

/// Maximum number of entries of one sitemap. The protocol allows 50,000.
const ENTRIES: u64 = 1_000_000;
/// Maximum length of a location or a date, in bytes. The protocol allows 2,048.
const LONGEST: usize = 8 * 1024;
/// Number of bytes at the start that are examined for the format and the encoding.
const HEAD: usize = 1024;
/// Maximum number of characters from the site that an error shows.
const SHOWN: usize = 80;

/// Content of a sitemap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sitemap {
    /// A list of further sitemaps.
    Index {
        /// Their locations, as written.
        locations: Vec<Box<str>>,
        /// Number of sitemaps without a location.
        without_loc: u64,
        /// Reasons why sitemaps cannot be used, one for each.
        unusable: Vec<String>,
    },
    /// A list of pages.
    Entries {
        /// The pages, in the order of the sitemap.
        entries: Vec<Entry>,
        /// Number of entries without a location.
        without_loc: u64,
        /// Reasons why entries cannot be used, one for each.
        unusable: Vec<String>,
    },
}

/// A page that a sitemap lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Location, as written, trimmed.
    pub loc: Box<str>,
    /// Date of the last change, as written, or `None`.
    pub last_modified: Option<Box<str>>,
}

/// Reason why a body is not a sitemap. Text from the site is shortened and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SitemapError {
    /// The body is empty or white space.
    #[error("no sitemap: the body is empty")]
    Empty,
    /// The body is neither XML nor a list of URLs.
    #[error("not a sitemap: it is not XML, and line {line} is not an http(s) URL: {text}")]
    NoUrl {
        /// Line number, counted from 1.
        line: u64,
        /// Content of the line.
        text: String,
    },
    /// The body is XML, but not a sitemap.
    #[error("no sitemap: the root element is `{0}`, neither `urlset` nor `sitemapindex`")]
    Root(String),
    /// The XML is malformed.
    #[error("the sitemap is broken near byte {at}: {message}")]
    Broken {
        /// Offset in the unpacked text, in bytes.
        at: u64,
        /// Description of the fault.
        message: String,
    },
    /// The gzip data is damaged or cut short.
    #[error("the sitemap cannot be unpacked: {0}")]
    Packed(String),
    /// The encoding is unknown, or some bytes are invalid in it.
    #[error("the sitemap cannot be read as {0}")]
    Encoding(String),
    /// The unpacked sitemap is larger than the caller allows.
    #[error("the sitemap has more than {0} bytes when unpacked, which is the limit")]
    TooLarge(usize),
    /// The sitemap has too many entries.
    #[error("the sitemap has more than {ENTRIES} entries, which is the limit")]
    TooMany,
}

/// Parses a sitemap of at most `most` bytes when unpacked.
///
/// # Errors
/// Returns a [`SitemapError`] if the body is not a sitemap, is broken, or exceeds a limit.
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

/// A reader that fails with [`io::ErrorKind::FileTooLarge`] after too many bytes.
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

/// Returns the encoding, and the length of the byte order mark in bytes.
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
        // A declaration that is readable as ASCII cannot be in UTF-16.
        Some(known) if known == UTF_16LE || known == UTF_16BE => Ok((UTF_8, 0)),
        Some(known) => Ok((known, 0)),
    }
}

/// Parses a sitemap in UTF-8 whose start is in the buffer of `source`.
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
        let is_first = entries.is_empty() && unusable.is_empty();
        match text {
            "" => continue,
            // If the first line is not a URL, the body is not a list of URLs.
            _ if !is_url(text) && is_first => {
                return Err(SitemapError::NoUrl { line, text: shown(text) });
            }
            _ if !is_url(text) => {
                unusable.push(format!("line {line} of the sitemap is not a URL: {}", shown(text)));
            }
            _ if text.len() > LONGEST => {
                unusable.push(format!("line {line} of the sitemap has more than {LONGEST} bytes"));
            }
            _ => entries.push(Entry { loc: text.into(), last_modified: None }),
        }
        if (entries.len() + unusable.len()) as u64 > ENTRIES {
            return Err(SitemapError::TooMany);
        }
    }
    match entries.is_empty() && unusable.is_empty() {
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

/// Returns `text` shortened and without control characters.
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
