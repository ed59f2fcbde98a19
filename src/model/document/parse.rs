//! Parses JSON text to BSON in one pass, without an intermediate value.
//!
//! serde_json returns integers beyond 64 bits as floats without saying so, and rejects a text with
//! a number beyond the range of a double. In these rare cases a second pass uses the number tokens
//! of the text. This module uses the raw interface of `bson`, because its serde interface gives
//! some keys a special meaning.

use std::borrow::Cow;
use std::str::FromStr;

use bson::raw::{CStr, RawBson, RawBsonRef, RawDocument, RawDocumentBuf, cstr};
use bson::spec::ElementType;
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use simdutf8::compat::from_utf8;

use super::raw::{Place, Writing};

/// From this value on, a float may be an integer that did not fit into 64 bits.
const PERHAPS_AN_INTEGER: f64 = 9_223_372_036_854_775_808.0;
const LONG_INTEGER: &str = "an integer of more than 34 digits";
const NUL_IN_KEY: &str = "a NUL character in a key";

/// A parsed JSON page: any JSON value, held as BSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Json {
    root: RawDocumentBuf,
    /// True if the root is the page's value. Otherwise the value is in the root under an empty key,
    /// because BSON has only documents at the top.
    is_object: bool,
    unfit: Option<&'static str>,
    is_beyond: bool,
}

/// Reason why bytes are not a document.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The text is not JSON.
    #[error("the body is not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// The text is JSON but not an object.
    #[error("the body is JSON but not an object")]
    NoObject,
    /// A number is too large for a double, such as `1e400`.
    #[error("the body has a number that is too large for a double, which no store holds")]
    Beyond,
}

impl Json {
    /// Parses a body. Ignores a byte order mark, and white space around the value.
    ///
    /// # Errors
    /// Returns an error if the body is not JSON in UTF-8, or is nested more than 127 levels deep.
    pub fn parse(body: &[u8]) -> Result<Json, JsonError> {
        // Validates UTF-8 once for the whole body, which costs a fraction of checking each text.
        let text = from_utf8(without_mark(body)).map_err(serde_json::Error::custom)?;
        let mut walk = Walk::default();
        let mut root = walk.run(text);
        if root.is_err() || walk.needs_tokens {
            let tokens = number_tokens(text.as_bytes());
            let readable = without_numbers_beyond(text, &tokens);
            if root.is_ok() || readable.is_some() {
                walk = Walk { tokens: Some(tokens.into_iter()), ..Walk::default() };
                root = walk.run(readable.as_deref().unwrap_or(text));
            }
        }
        let (is_object, Walk { unfit, is_beyond, .. }) = (is_object(text), walk);
        Ok(Json { root: root?, is_object, unfit, is_beyond })
    }

    /// Returns the page's value.
    pub fn value(&self) -> RawBsonRef<'_> {
        match self.object() {
            Some(object) => RawBsonRef::Document(object),
            None => self.root.get("").ok().flatten().unwrap_or(RawBsonRef::Null),
        }
    }

    /// Returns the page's value if it is an object, or `None` otherwise.
    pub fn object(&self) -> Option<&RawDocument> {
        self.is_object.then_some(&*self.root)
    }

    /// Returns the page's value as an owned object, or `None` if it is not an object.
    pub fn into_object(self) -> Option<RawDocumentBuf> {
        if !self.is_object {
            return None;
        }
        let mut bytes = self.root.into_bytes();
        // The reserved capacity is more than most pages need.
        bytes.shrink_to_fit();
        RawDocumentBuf::from_bytes(bytes).ok()
    }

    /// Returns true if the page has a number that no store can hold.
    pub fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// Describes a value of the page that BSON cannot hold, or returns `None`. For its form in the
    /// page see `document/raw.rs`.
    pub fn unfit(&self) -> Option<&'static str> {
        self.unfit
    }
}

/// Returns true if a JSON text is an object.
fn is_object(text: &str) -> bool {
    text.trim_ascii_start().starts_with('{')
}

/// Returns `body` without byte order mark and white space around it. Shares its memory.
pub fn trimmed(body: &Bytes) -> Bytes {
    body.slice_ref(without_mark(body).trim_ascii())
}

fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// Returns the number tokens of a JSON text in their order.
fn number_tokens(text: &[u8]) -> Vec<&str> {
    let is_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let rest = &text[at..];
        at += match byte {
            b'"' => string_length(rest),
            b'0'..=b'9' | b'-' => {
                let length = rest.iter().take_while(|byte| is_number(byte)).count();
                tokens.extend(std::str::from_utf8(&rest[..length]));
                length
            }
            _ => 1,
        };
    }
    tokens
}

/// Replaces numbers that a double cannot hold with zeros, padded with spaces to keep positions.
/// Returns `None` if there are none.
fn without_numbers_beyond(text: &str, tokens: &[&str]) -> Option<String> {
    let mut readable = None;
    for token in tokens.iter().filter(|token| is_beyond(token)) {
        let at = token.as_ptr().addr() - text.as_ptr().addr();
        let zero = format!("0{:1$}", "", token.len() - 1);
        readable.get_or_insert_with(|| text.to_owned()).replace_range(at..at + token.len(), &zero);
    }
    readable
}

/// Returns true if a number in JSON's syntax is too large for a double. Integers never are, because
/// they can have any number of digits.
fn is_beyond(token: &str) -> bool {
    !is_integer(token) && token.parse::<f64>().is_ok_and(f64::is_infinite)
}

fn is_integer(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

/// Returns true if a text is a number in JSON's syntax.
pub fn is_number(text: &str) -> bool {
    text.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Returns the length of the string literal that `text` begins with, including its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// State of one pass over a text.
#[derive(Default)]
struct Walk<'t> {
    writing: Writing,
    tokens: Option<std::vec::IntoIter<&'t str>>,
    needs_tokens: bool,
    unfit: Option<&'static str>,
    is_beyond: bool,
}

impl<'t> Walk<'t> {
    fn run(&mut self, text: &str) -> Result<RawDocumentBuf, serde_json::Error> {
        // Element names in BSON take a little more space than JSON's commas.
        self.writing = Writing::with_capacity(text.len() + text.len() / 8 + 64);
        let mut json = serde_json::Deserializer::from_str(text);
        if is_object(text) {
            json.deserialize_map(Members(self))?;
        } else {
            Put { walk: self, place: Place::Member(cstr!("")) }.deserialize(&mut json)?;
        }
        json.end()?;
        std::mem::take(&mut self.writing).end().map_err(Error::custom)
    }

    fn token(&mut self) -> Option<&'t str> {
        self.tokens.as_mut().and_then(Iterator::next)
    }

    fn float(&mut self, value: f64) -> RawBson {
        let token = self.token();
        if value.abs() < PERHAPS_AN_INTEGER {
            return RawBson::Double(value);
        }
        match token {
            None => {
                self.needs_tokens = true;
                RawBson::Double(value)
            }
            Some(token) if is_integer(token) => self.long_integer(token),
            Some(_) => RawBson::Double(value),
        }
    }

    /// Returns the value that replaces a number too large for a double.
    fn beyond(&mut self, token: &str) -> RawBson {
        self.is_beyond = true;
        RawBson::Symbol(token.to_owned())
    }

    fn long_integer(&mut self, digits: &str) -> RawBson {
        match bson::Decimal128::from_str(digits) {
            Ok(decimal) if digits.trim_start_matches('-').len() <= 34 => {
                RawBson::Decimal128(decimal)
            }
            _ => {
                self.unfit = Some(LONG_INTEGER);
                RawBson::Symbol(digits.to_owned())
            }
        }
    }
}

struct Put<'a, 'w, 't> {
    walk: &'w mut Walk<'t>,
    place: Place<'a>,
}

impl Put<'_, '_, '_> {
    fn put<E>(self, value: RawBsonRef<'_>) -> Result<(), E> {
        self.walk.writing.put(self.place, value);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Put<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Put<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.put(RawBsonRef::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.put(RawBsonRef::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        if let Some(token) = self.walk.token().filter(|token| is_beyond(token)) {
            let value = self.walk.beyond(token);
            return self.put(value.as_raw_bson_ref());
        }
        match i32::try_from(value) {
            Ok(value) => self.put(RawBsonRef::Int32(value)),
            Err(_) => self.put(RawBsonRef::Int64(value)),
        }
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.visit_i64(value),
            Err(_) => {
                self.walk.token();
                let value = self.walk.long_integer(&value.to_string());
                self.put(value.as_raw_bson_ref())
            }
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        let value = self.walk.float(value);
        self.put(value.as_raw_bson_ref())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.put(RawBsonRef::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let walk = self.walk;
        let start = walk.writing.nest(self.place, ElementType::Array);
        for number in 0.. {
            let place = Place::Element(number);
            if list.next_element_seed(Put { walk: &mut *walk, place })?.is_none() {
                break;
            }
        }
        walk.writing.close(start);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let walk = self.walk;
        let start = walk.writing.nest(self.place, ElementType::EmbeddedDocument);
        Members(&mut *walk).visit_map(map)?;
        walk.writing.close(start);
        Ok(())
    }
}

/// Writes the members of an object into the current document.
struct Members<'w, 't>(&'w mut Walk<'t>);

impl<'de> Visitor<'de> for Members<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Members(walk) = self;
        while let Some(key) = map.next_key_seed(KeyText)? {
            if let Ok(name) = <&CStr>::try_from(&*key) {
                map.next_value_seed(Put { walk: &mut *walk, place: Place::Member(name) })?;
                continue;
            }
            walk.unfit = Some(NUL_IN_KEY);
            let held = walk.writing.hold(&key);
            map.next_value_seed(Put { walk: &mut *walk, place: Place::Member(cstr!("")) })?;
            walk.writing.release(held);
        }
        Ok(())
    }
}

/// Deserializes a key, borrowed from the text if it has no escapes.
struct KeyText;

impl<'de> DeserializeSeed<'de> for KeyText {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Cow<'de, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeyText {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}
