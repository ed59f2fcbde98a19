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
use super::raw::{Element, Elements, Value};

/// Some object repeats a key.
#[derive(Debug, Clone, Copy)]
pub struct RepeatedKey;

/// The digest of `document`.
pub fn digest(document: &RawDocument) -> Result<Digest, RepeatedKey> {
    let mut form = Vec::with_capacity(document.as_bytes().len() * 5 / 4);
    write_object(&mut form, Elements::of(document))?;
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

fn write_object(form: &mut Vec<u8>, elements: Elements<'_>) -> Result<(), RepeatedKey> {
    let mut members: Vec<Element<'_>> = elements.collect();
    members.sort_by_key(|member| member.name);
    if members.windows(2).any(|pair| pair[0].name == pair[1].name) {
        return Err(RepeatedKey);
    }
    form.push(b'{');
    write_length(form, members.len());
    for Element { name, value } in members {
        write_text(form, name);
        write_value(form, value)?;
    }
    Ok(())
}

fn write_value(form: &mut Vec<u8>, value: Value<'_>) -> Result<(), RepeatedKey> {
    match value {
        Value::Document(elements) => write_object(form, elements)?,
        Value::Array(elements) => {
            form.push(b'[');
            for element in elements {
                write_value(form, element.value)?;
            }
            form.push(b']');
        }
        Value::Text(text) => {
            form.push(b'"');
            write_text(form, text);
        }
        Value::Integer(number) => {
            form.push(b'i');
            form.extend(number.to_le_bytes());
        }
        Value::Double(bytes) => {
            form.push(b'd');
            form.extend(bytes);
        }
        Value::Decimal(bytes) => {
            form.push(b'D');
            form.extend(bytes);
        }
        Value::Boolean(true) => form.push(b't'),
        Value::Boolean(false) => form.push(b'f'),
        Value::Null => form.push(b'0'),
    }
    Ok(())
}

fn write_text(form: &mut Vec<u8>, text: &[u8]) {
    write_length(form, text.len());
    form.extend(text);
}

fn write_length(form: &mut Vec<u8>, length: usize) {
    form.extend((length as u64).to_le_bytes());
}
