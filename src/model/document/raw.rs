//! BSON as bytes: a writer that fills one buffer front to back, and an iterator that does not
//! validate again what was validated when it was made.
//!
//! The `bson` library copies nested documents once per level when it builds them, and validates
//! each text again when it iterates. Together that was a quarter of a crawl's instructions. A BSON
//! document is its length in four bytes, its elements, and a zero byte. An element is its type, its
//! name with a zero byte, and its value, which does not depend on its position (bsonspec.org,
//! version 1.1).

use bson::raw::{CStr, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::spec::ElementType;

/// A document being written.
#[derive(Debug, Default)]
pub struct Writing {
    bytes: Vec<u8>,
}

/// Position of a value: a member of a document, or an element of a list.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Member with this name.
    Member(&'a CStr),
    /// List element at this index.
    Element(usize),
}

impl Writing {
    /// Starts a document. `bytes` is its expected size.
    pub fn with_capacity(bytes: usize) -> Writing {
        let mut writing = Writing { bytes: Vec::with_capacity(bytes) };
        writing.open();
        writing
    }

    /// Writes a scalar: a JSON scalar or a time.
    pub fn put(&mut self, place: Place<'_>, value: RawBsonRef<'_>) {
        self.begin(place, value.element_type());
        let bytes = &mut self.bytes;
        match value {
            RawBsonRef::Boolean(value) => bytes.push(u8::from(value)),
            RawBsonRef::Int32(value) => bytes.extend_from_slice(&value.to_le_bytes()),
            RawBsonRef::Int64(value) => bytes.extend_from_slice(&value.to_le_bytes()),
            RawBsonRef::Double(value) => bytes.extend_from_slice(&value.to_le_bytes()),
            RawBsonRef::DateTime(time) => {
                bytes.extend_from_slice(&time.timestamp_millis().to_le_bytes())
            }
            RawBsonRef::Decimal128(value) => bytes.extend_from_slice(&value.bytes()),
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => {
                bytes.extend_from_slice(&length(text.len() + 1));
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
            }
            // The only other JSON scalar is null, which has no content.
            _ => {}
        }
    }

    /// Writes an embedded document, with the elements that `write` adds.
    pub fn document(&mut self, place: Place<'_>, write: impl FnOnce(&mut Writing)) {
        let start = self.nest(place, ElementType::EmbeddedDocument);
        write(self);
        self.close(start);
    }

    /// Writes a list, with the elements that `write` adds.
    pub fn array(&mut self, place: Place<'_>, write: impl FnOnce(&mut Writing)) {
        let start = self.nest(place, ElementType::Array);
        write(self);
        self.close(start);
    }

    /// Starts an embedded document or a list, and returns its position for [`Writing::close`].
    pub fn nest(&mut self, place: Place<'_>, kind: ElementType) -> usize {
        self.begin(place, kind);
        self.open()
    }

    /// Starts a member whose `name` contains NUL. BSON names cannot, so the name becomes the code
    /// of a JavaScript value, and the member's value goes into its scope under an empty name.
    /// Returns the positions for [`Writing::release`].
    pub fn hold(&mut self, name: &str) -> [usize; 2] {
        self.begin(Place::Member(cstr!("\\0")), ElementType::JavaScriptCodeWithScope);
        let start = self.open();
        self.bytes.extend_from_slice(&length(name.len() + 1));
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        [start, self.open()]
    }

    /// Ends a member that [`Writing::hold`] started.
    pub fn release(&mut self, [start, scope]: [usize; 2]) {
        self.close(scope);
        self.set_length(start);
    }

    /// Appends the elements of `document` to the current document.
    pub fn splice(&mut self, document: &RawDocument) {
        self.bytes.extend_from_slice(elements_of(document.as_bytes()));
    }

    /// Ends the document or list that starts at `start`.
    pub fn close(&mut self, start: usize) {
        self.bytes.push(0);
        self.set_length(start);
    }

    fn set_length(&mut self, start: usize) {
        let length = length(self.bytes.len() - start);
        self.bytes[start..start + 4].copy_from_slice(&length);
    }

    /// Returns the finished document.
    ///
    /// # Errors
    /// Returns an error if it is larger than 2 GiB.
    pub fn end(mut self) -> Result<RawDocumentBuf, bson::error::Error> {
        self.close(0);
        RawDocumentBuf::from_bytes(self.bytes)
    }

    fn begin(&mut self, place: Place<'_>, kind: ElementType) {
        self.bytes.push(kind as u8);
        match place {
            Place::Member(name) => self.bytes.extend_from_slice(name.as_str().as_bytes()),
            Place::Element(number) => {
                self.bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            }
        }
        self.bytes.push(0);
    }

    fn open(&mut self) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        start
    }
}

/// Encodes a length. Beyond 2 GiB it is wrong, and the document is rejected when it is finished;
/// the limit on bodies prevents that size.
fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_le_bytes()
}

/// Iterator over the elements of a document or list that was made from JSON. It ends early at a
/// type that JSON does not have.
#[derive(Debug, Clone, Copy, Hash)]
pub struct Elements<'d>(&'d [u8]);

/// An element of a document or list.
#[derive(Debug, Clone, Copy)]
pub struct Element<'d> {
    /// Name, in UTF-8.
    pub name: &'d [u8],
    /// Value.
    pub value: Value<'d>,
}

/// Value of an element.
#[derive(Debug, Clone, Copy, Hash)]
pub enum Value<'d> {
    /// Elements of an embedded document.
    Document(Elements<'d>),
    /// Elements of a list.
    Array(Elements<'d>),
    /// Text in UTF-8.
    Text(&'d [u8]),
    /// Integer of 32 or 64 bits.
    Integer(i64),
    /// Bytes of a double.
    Double(&'d [u8]),
    /// Bytes of a decimal number.
    Decimal(&'d [u8]),
    /// Digits of a number that BSON cannot hold.
    Digits(&'d [u8]),
    /// True or false.
    Boolean(bool),
    /// Null.
    Null,
}

impl<'d> Elements<'d> {
    /// Returns the elements of a document.
    pub fn of(document: &'d RawDocument) -> Elements<'d> {
        Elements(elements_of(document.as_bytes()))
    }

    fn take(&mut self, bytes: usize) -> Option<&'d [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    /// Takes a text: four bytes of length, the text, and a zero byte.
    fn take_text(&mut self) -> Option<&'d [u8]> {
        match self.take_long(4)? {
            [_, _, _, _, text @ .., 0] => Some(text),
            _ => None,
        }
    }

    /// Takes a value that begins with its length. The length does not include `more` further bytes.
    fn take_long(&mut self, more: usize) -> Option<&'d [u8]> {
        let length = self.0.first_chunk()?;
        let length = usize::try_from(i32::from_le_bytes(*length)).ok()?;
        self.take(length.checked_add(more)?)
    }
}

/// Returns the members of a document that was made from JSON, with their original names.
pub fn members(document: &RawDocument) -> impl Iterator<Item = (&str, RawBsonRef<'_>)> {
    document.iter().flatten().map(|(name, value)| member(name.as_str(), value))
}

/// Returns the original name and value of a member. They differ from the stored ones for names with
/// NUL; see [`Writing::hold`].
pub fn member<'d>(name: &'d str, value: RawBsonRef<'d>) -> (&'d str, RawBsonRef<'d>) {
    match value {
        // A code value in a document that another program stored contains no NUL.
        RawBsonRef::JavaScriptCodeWithScope(held) if held.code.contains('\0') => {
            let value = held.scope.iter().flatten().next();
            (held.code, value.map_or(RawBsonRef::Null, |(_, value)| value))
        }
        value => (name, value),
    }
}

impl<'d> Iterator for Elements<'d> {
    type Item = Element<'d>;

    fn next(&mut self) -> Option<Element<'d>> {
        let (kind, rest) = self.0.split_first()?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (name, rest) = rest.split_at(end);
        self.0 = rest.get(1..)?;
        let value = match ElementType::from(*kind)? {
            ElementType::EmbeddedDocument => {
                Value::Document(Elements(elements_of(self.take_long(0)?)))
            }
            ElementType::Array => Value::Array(Elements(elements_of(self.take_long(0)?))),
            ElementType::String => Value::Text(self.take_text()?),
            ElementType::Symbol => Value::Digits(self.take_text()?),
            ElementType::JavaScriptCodeWithScope => {
                let mut held = Elements(self.take_long(0)?.get(4..)?);
                let name = held.take_text()?;
                let value = Elements(elements_of(held.0)).next()?.value;
                return Some(Element { name, value });
            }
            ElementType::Int32 => {
                let bytes = self.take(4)?.first_chunk()?;
                Value::Integer(i32::from_le_bytes(*bytes).into())
            }
            ElementType::Int64 => Value::Integer(i64::from_le_bytes(*self.take(8)?.first_chunk()?)),
            ElementType::Double => Value::Double(self.take(8)?),
            ElementType::Decimal128 => Value::Decimal(self.take(16)?),
            ElementType::Boolean => Value::Boolean(self.take(1)? != [0]),
            ElementType::Null => Value::Null,
            _ => return None,
        };
        Some(Element { name, value })
    }
}

/// Returns the bytes between a document's length and its final zero byte.
fn elements_of(document: &[u8]) -> &[u8] {
    match document {
        [_, _, _, _, elements @ .., 0] => elements,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use bson::raw::{RawArrayBuf, RawBson, cstr};

    use super::*;

    fn library() -> RawDocumentBuf {
        let mut inner = RawDocumentBuf::new();
        inner.append(cstr!("é"), "text");
        inner.append(cstr!(""), RawBson::Null);
        let mut list = RawArrayBuf::new();
        list.push(1);
        list.push(i64::MAX);
        list.push(inner.clone());
        let mut document = RawDocumentBuf::new();
        document.append(cstr!("a"), true);
        document.append(cstr!("b"), 1.5);
        document.append(cstr!("c"), list);
        document.append(cstr!("d"), inner);
        document
    }

    #[test]
    fn what_is_written_is_what_the_library_writes() {
        let mut writing = Writing::with_capacity(0);
        writing.put(Place::Member(cstr!("a")), RawBsonRef::Boolean(true));
        writing.put(Place::Member(cstr!("b")), RawBsonRef::Double(1.5));
        let list = writing.nest(Place::Member(cstr!("c")), ElementType::Array);
        writing.put(Place::Element(0), RawBsonRef::Int32(1));
        writing.put(Place::Element(1), RawBsonRef::Int64(i64::MAX));
        let inner = writing.nest(Place::Element(2), ElementType::EmbeddedDocument);
        writing.put(Place::Member(cstr!("é")), RawBsonRef::String("text"));
        writing.put(Place::Member(cstr!("")), RawBsonRef::Null);
        writing.close(inner);
        writing.close(list);
        let inner = writing.nest(Place::Member(cstr!("d")), ElementType::EmbeddedDocument);
        let written = library();
        writing.splice(written.get_document("d").unwrap());
        writing.close(inner);
        assert_eq!(writing.end().unwrap(), written);
    }

    #[test]
    fn a_walk_meets_what_the_library_meets() {
        let document = library();
        let names: Vec<_> = Elements::of(&document).map(|element| element.name).collect();
        assert_eq!(names, [b"a", b"b", b"c", b"d"]);
        let nested = Elements::of(&document).filter_map(|element| match element.value {
            Value::Array(inner) | Value::Document(inner) => Some(inner.count()),
            _ => None,
        });
        assert_eq!(nested.collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn a_walk_over_what_is_cut_ends() {
        let whole = library();
        for length in 0..whole.as_bytes().len() {
            let elements = Elements(elements_of(&whole.as_bytes()[..length]));
            assert!(elements.count() <= 4);
        }
    }
}
