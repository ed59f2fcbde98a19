//! The canonical form of a document, which its digest is taken from.
//!
//! Every value is written as a type byte and its content, with lengths before whatever can be
//! long, and the members of an object in the order of their keys. So two documents have the same
//! form exactly where they differ in nothing but the order of keys. Version 1; a change to the
//! form changes the version in [`Digest`]'s text.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bson::raw::{CStr, RawArray, RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};

use super::Digest;

/// Some object repeats a key.
#[derive(Debug, Clone, Copy)]
pub struct RepeatedKey;

/// The digest of `document`.
pub fn digest(document: &RawDocument) -> Result<Digest, RepeatedKey> {
    let mut form = Vec::with_capacity(document.as_bytes().len() * 5 / 4);
    write_object(&mut form, document)?;
    Ok(Digest::of(&form))
}

/// `document` with the last value of each repeated key, in the place of the first.
pub fn last_wins(document: &RawDocument) -> RawDocumentBuf {
    let mut members: Vec<(&CStr, RawBsonRef<'_>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (key, value) in document.iter().flatten() {
        match places.entry(key.as_str()) {
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

fn write_object(form: &mut Vec<u8>, document: &RawDocument) -> Result<(), RepeatedKey> {
    let mut members: Vec<(&str, RawBsonRef<'_>)> =
        document.iter().flatten().map(|(key, value)| (key.as_str(), value)).collect();
    members.sort_by_key(|(key, _)| *key);
    if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(RepeatedKey);
    }
    form.push(b'{');
    write_length(form, members.len());
    for (key, value) in members {
        write_text(form, key);
        write_value(form, value)?;
    }
    Ok(())
}

fn write_value(form: &mut Vec<u8>, value: RawBsonRef<'_>) -> Result<(), RepeatedKey> {
    match value {
        RawBsonRef::Document(inner) => write_object(form, inner)?,
        RawBsonRef::Array(inner) => {
            form.push(b'[');
            for value in inner.into_iter().flatten() {
                write_value(form, value)?;
            }
            form.push(b']');
        }
        RawBsonRef::String(text) => {
            form.push(b'"');
            write_text(form, text);
        }
        RawBsonRef::Int32(number) => write_integer(form, number.into()),
        RawBsonRef::Int64(number) => write_integer(form, number),
        RawBsonRef::Double(number) => {
            form.push(b'd');
            form.extend(number.to_le_bytes());
        }
        RawBsonRef::Decimal128(number) => {
            form.push(b'D');
            form.extend(number.bytes());
        }
        RawBsonRef::Boolean(true) => form.push(b't'),
        RawBsonRef::Boolean(false) => form.push(b'f'),
        // JSON has no other types, so nothing else comes here than null.
        _ => form.push(b'0'),
    }
    Ok(())
}

fn write_integer(form: &mut Vec<u8>, number: i64) {
    form.push(b'i');
    form.extend(number.to_le_bytes());
}

fn write_text(form: &mut Vec<u8>, text: &str) {
    write_length(form, text.len());
    form.extend(text.as_bytes());
}

fn write_length(form: &mut Vec<u8>, length: usize) {
    form.extend((length as u64).to_le_bytes());
}
