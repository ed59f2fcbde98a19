//! The canonical form of a document, from which its digest is computed.
//!
//! Every value is written as a type byte and its content, with a length before anything that can be
//! long. The members of an object are sorted by key. So two documents have the same form exactly if
//! they differ only in the order of keys. This is version 1; a change of the form changes the
//! version in [`Digest`]'s text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bson::raw::{CStr, RawArray, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

use super::Digest;
use super::raw::{Element, Elements, Value, member};

/// Initial capacity for members. Most documents have fewer at a time, including nested ones.
const MEMBERS: usize = 32;

/// Error: an object repeats a key.
#[derive(Debug, Clone, Copy)]
pub struct RepeatedKey;

/// A canonical form being written.
struct Form<'d> {
    bytes: Vec<u8>,
    /// Stack of members: those of the current object, after those of the objects that contain it.
    members: Vec<Element<'d>>,
}

/// Returns the digest of `document`.
///
/// # Errors
/// Returns an error if an object repeats a key.
pub fn digest(document: &RawDocument) -> Result<Digest, RepeatedKey> {
    let bytes = Vec::with_capacity(document.as_bytes().len() * 5 / 4);
    let mut form = Form { bytes, members: Vec::with_capacity(MEMBERS) };
    form.object(Elements::of(document))?;
    Ok(Digest::of(&form.bytes))
}

/// Returns `document` with the last value of each repeated key, in the position of the first.
pub fn last_wins(document: &RawDocument) -> RawDocumentBuf {
    let mut members: Vec<(&CStr, RawBsonRef<'_>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (key, value) in document.iter().flatten() {
        match places.entry(member(key.as_str(), value).0) {
            Entry::Occupied(place) => members[*place.get()].1 = value,
            Entry::Vacant(place) => {
                place.insert(members.len());
                members.push((key, value));
            }
        }
    }
    let mut kept = RawDocumentBuf::new();
    for (key, value) in members {
        match value {
            RawBsonRef::Document(inner) => kept.append(key, last_wins(inner)),
            RawBsonRef::Array(inner) => kept.append(key, last_wins_in(inner)),
            value => kept.append(key, value),
        }
    }
    kept
}

fn last_wins_in(array: &RawArray) -> RawArrayBuf {
    let mut kept = RawArrayBuf::new();
    for value in array.into_iter().flatten() {
        match value {
            RawBsonRef::Document(inner) => kept.push(last_wins(inner)),
            RawBsonRef::Array(inner) => kept.push(last_wins_in(inner)),
            value => kept.push(value),
        }
    }
    kept
}

impl<'d> Form<'d> {
    fn object(&mut self, elements: Elements<'d>) -> Result<(), RepeatedKey> {
        let start = self.members.len();
        self.members.extend(elements);
        let own = &mut self.members[start..];
        own.sort_unstable_by_key(|member| member.name);
        if own.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(RepeatedKey);
        }
        let end = self.members.len();
        self.bytes.push(b'{');
        self.length(end - start);
        for at in start..end {
            let Element { name, value } = self.members[at];
            self.text(name);
            self.value(value)?;
        }
        self.members.truncate(start);
        Ok(())
    }

    fn value(&mut self, value: Value<'d>) -> Result<(), RepeatedKey> {
        match value {
            Value::Document(elements) => self.object(elements)?,
            Value::Array(elements) => {
                self.bytes.push(b'[');
                for element in elements {
                    self.value(element.value)?;
                }
                self.bytes.push(b']');
            }
            Value::Text(text) => {
                self.bytes.push(b'"');
                self.text(text);
            }
            Value::Integer(number) => self.scalar(b'i', &number.to_le_bytes()),
            Value::Double(bytes) => self.scalar(b'd', bytes),
            Value::Decimal(bytes) => self.scalar(b'D', bytes),
            Value::Digits(digits) => {
                self.bytes.push(b'n');
                self.text(digits);
            }
            Value::Boolean(true) => self.bytes.push(b't'),
            Value::Boolean(false) => self.bytes.push(b'f'),
            Value::Null => self.bytes.push(b'0'),
        }
        Ok(())
    }

    fn scalar(&mut self, kind: u8, bytes: &[u8]) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &[u8]) {
        self.length(text.len());
        self.bytes.extend_from_slice(text);
    }

    fn length(&mut self, length: usize) {
        self.bytes.extend_from_slice(&(length as u64).to_le_bytes());
    }
}
