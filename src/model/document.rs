//! A document: the JSON object of an item, as the site sent it.
//!
//! One pass over the bytes of a response makes BSON (`document/parse.rs`), from which the digest is
//! computed (`document/canonical.rs`). Nothing is changed on the way: integers of any length,
//! negative zero, and keys with dots or dollar signs stay as they are. Values that a store cannot
//! hold are reported in [`Document::unfit`] and never rounded. Of a repeated key the last value
//! wins. Text that is not quite JSON is repaired (`document/mend.rs`) only by callers that report
//! it.

mod canonical;
mod indent;
mod members;
mod mend;
mod parse;
pub mod raw;
mod text;

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use indent::indented;
pub use mend::mended;
pub use parse::{Json, JsonError};
pub use text::{write_name, write_value};

/// Digest of a document, independent of the order of its keys: the first 128 bits of blake3 over
/// the canonical form. Written as `1:` (the version of the form) and 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Box<str>", into = "String")]
pub struct Digest(u128);

/// Form in which a store keeps documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// BSON bytes.
    Bson,
    /// JSON text as sent by the site.
    Text,
}

/// Body of a [`Document`] in the form that its store needs.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// The document as BSON.
    Bson(RawDocumentBuf),
    /// The document as JSON text in UTF-8: an object, without white space around it.
    Text(Bytes),
}

/// A JSON object with its digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The object.
    pub body: Body,
    /// Digest of the object.
    pub digest: Digest,
    /// Description of a value in it that BSON cannot hold, or `None`. JSON text can hold it.
    pub unfit: Option<&'static str>,
}

impl Document {
    /// Creates a document from `page`. `text` holds the bytes that `page` was parsed from.
    ///
    /// # Errors
    /// Returns an error if the page is valid JSON but not an object, or has a number that no store
    /// can hold.
    pub fn new(page: Json, text: &Bytes, encoding: Encoding) -> Result<Document, JsonError> {
        if page.is_beyond() {
            return Err(JsonError::Beyond);
        }
        let unfit = page.unfit();
        let object = page.into_object().ok_or(JsonError::NoObject)?;
        match canonical::digest(&object) {
            Ok(digest) => {
                let body = match encoding {
                    Encoding::Bson => Body::Bson(object),
                    Encoding::Text => Body::Text(parse::trimmed(text)),
                };
                Ok(Document { body, digest, unfit })
            }
            // Rare case: an object in it repeats a key, so different readers would interpret the
            // text as sent differently.
            Err(canonical::RepeatedKey) => {
                let text = Bytes::from(text::from_bson(&canonical::last_wins(&object)));
                Document::new(Json::parse(&text)?, &text, encoding)
            }
        }
    }

    /// Hands over the names at the top of the document whose values are neither null nor empty text,
    /// each with a function that hashes its value. Hashes are comparable within one process, between
    /// documents of one encoding.
    pub fn members(&self, mut each: impl FnMut(&str, &dyn Fn() -> u64)) {
        match &self.body {
            Body::Bson(bson) => {
                for raw::Element { name, value } in raw::Elements::of(bson) {
                    if let Some(name) = std::str::from_utf8(name).ok().filter(|_| is_filled(&value))
                    {
                        each(name, &|| members::hash(value));
                    }
                }
            }
            Body::Text(text) => members::of_text(text, each),
        }
    }

    /// Returns the size of the document in memory, in bytes.
    pub fn size(&self) -> usize {
        match &self.body {
            Body::Bson(bson) => bson.as_bytes().len(),
            Body::Text(text) => text.len(),
        }
    }
}

/// Returns whether a value is more than null or a text without anything in it.
fn is_filled(value: &raw::Value<'_>) -> bool {
    match value {
        raw::Value::Null => false,
        raw::Value::Text(text) => !text.trim_ascii().is_empty(),
        _ => true,
    }
}

/// Formats `document` as compact JSON, with its keys in their order. Types that JSON does not have
/// become text.
pub fn to_text(document: &RawDocument) -> String {
    text::from_bson(document)
}

/// Formats `value` as compact JSON, as [`to_text`] does.
pub fn value_to_text(value: RawBsonRef<'_>) -> String {
    text::from_value(value)
}

impl Digest {
    /// Returns the digest of some bytes, such as a canonical form.
    pub fn of(bytes: &[u8]) -> Digest {
        let hash = blake3::hash(bytes);
        let (first, _) = hash.as_bytes().split_at(16);
        Digest(first.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)))
    }

    /// Returns the 128 bits.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "1:{:032x}", self.0)
    }
}

impl std::str::FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Digest, DigestError> {
        let hex = text.strip_prefix("1:").ok_or(DigestError)?;
        u128::from_str_radix(hex, 16).map(Digest).map_err(|_| DigestError)
    }
}

/// Error: the text is not a digest of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a digest of version 1")]
pub struct DigestError;

impl TryFrom<Box<str>> for Digest {
    type Error = DigestError;

    fn try_from(text: Box<str>) -> Result<Digest, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str, encoding: Encoding) -> Result<Document, JsonError> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        Document::new(Json::parse(&bytes)?, &bytes, encoding)
    }

    fn text(text: &str) -> String {
        match document(text, Encoding::Text).expect("a document").body {
            Body::Text(text) => String::from_utf8(text.to_vec()).expect("UTF-8"),
            Body::Bson(_) => unreachable!("text was requested"),
        }
    }

    fn bson(text: &str) -> RawDocumentBuf {
        match document(text, Encoding::Bson).expect("a document").body {
            Body::Bson(bson) => bson,
            Body::Text(_) => unreachable!("BSON was requested"),
        }
    }

    fn digest(text: &str) -> Digest {
        document(text, Encoding::Bson).expect("a document").digest
    }

    #[test]
    fn digest_knows_no_order_of_keys_but_every_value() {
        assert_eq!(digest(r#"{"a":1,"b":{"c":2,"d":3}}"#), digest(r#"{"b":{"d":3,"c":2},"a":1}"#));
        let different = [
            r#"{"a":1}"#,
            r#"{"a":2}"#,
            r#"{"a":"1"}"#,
            r#"{"a":1.0}"#,
            r#"{"a":-0.0}"#,
            r#"{"a":0.0}"#,
            r#"{"a":null}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"a":[[1],2]}"#,
            r#"{"a":{"0":1}}"#,
            r#"{"a":true}"#,
            r#"{"ab":1}"#,
            r#"{"a":{"b":1},"c":2}"#,
            r#"{"a":{"b":1,"c":2}}"#,
            r#"{"a":18446744073709551615}"#,
            r#"{"a":18446744073709551616}"#,
            r#"{"a":1e300}"#,
        ];
        let digests: std::collections::HashSet<Digest> =
            different.iter().map(|text| digest(text)).collect();
        assert_eq!(digests.len(), different.len());
    }

    #[test]
    fn digest_round_trips_as_text() {
        let digest = digest(r#"{"a":1}"#);
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!("2:00".parse::<Digest>().is_err());
    }

    #[test]
    fn p5_integers_of_any_length_are_kept_or_said_to_be_unfit() {
        let text_as_sent = r#"{"a":9223372036854775808,"b":-9223372036854775809,"c":1e300,"d":-0,"e":12345678901234567890123456789012345678}"#;
        assert_eq!(text(text_as_sent), text_as_sent);
        let page =
            bson(r#"{"a":9223372036854775808,"b":-9223372036854775809,"c":1e300,"d":[-0.0,7]}"#);
        let decimal = |key| match page.get(key).unwrap().unwrap() {
            RawBsonRef::Decimal128(number) => number.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(decimal("a"), "9223372036854775808");
        assert_eq!(decimal("b"), "-9223372036854775809");
        assert_eq!(page.get_f64("c").unwrap(), 1e300);
        let long = document(text_as_sent, Encoding::Bson).unwrap();
        assert_eq!(long.unfit, Some("an integer of more than 34 digits"));
    }

    #[test]
    fn p5_what_is_no_number_is_an_error() {
        for bad in [r#"{"a":1e400}"#, r#"{"a":NaN}"#, r#"{"a":-}"#, r#"{"a":01}"#, r#"{"a":+1}"#] {
            assert!(document(bad, Encoding::Text).is_err(), "{bad}");
        }
    }

    #[test]
    fn p6_the_last_of_a_repeated_key_wins() {
        assert_eq!(text(r#"{"a":1,"b":{"c":1,"c":[2]},"a":"x"}"#), r#"{"a":"x","b":{"c":[2]}}"#);
        assert_eq!(digest(r#"{"a":1,"a":2}"#), digest(r#"{"a":2}"#));
    }

    #[test]
    fn d4_odd_keys_are_kept() {
        let odd = r#"{"a.b":1,"$x":2,"":3,"$oid":"5","é":4}"#;
        assert_eq!(text::from_bson(&bson(odd)), odd);
        let nul = document(r#"{"a\u0000b":1}"#, Encoding::Bson).unwrap();
        assert_eq!(nul.unfit, Some("a NUL character in a key"));
    }

    #[test]
    fn p2_a_mark_and_white_space_around_are_taken_off() {
        assert_eq!(text("\u{feff} {\"a\":1}\r\n"), r#"{"a":1}"#);
    }

    #[test]
    fn p2_broken_bodies_are_errors() {
        let deep = "[".repeat(100_000);
        let bad: [&[u8]; 8] = [
            b"",
            b"  ",
            b"{",
            b"[1]",
            b"{\"a\":\"\xff\"}",
            b"{\"a\":1} x",
            b"<html>",
            deep.as_bytes(),
        ];
        for bad in bad {
            let bytes = Bytes::copy_from_slice(bad);
            let made =
                Json::parse(&bytes).and_then(|page| Document::new(page, &bytes, Encoding::Text));
            assert!(made.is_err(), "{}", String::from_utf8_lossy(&bad[..bad.len().min(20)]));
        }
    }
}
