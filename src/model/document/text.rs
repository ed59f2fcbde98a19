//! Formats BSON as JSON text, for documents whose original text cannot be kept.

use bson::raw::{RawBsonRef, RawDocument};

use super::parse::is_number;
use super::raw::members;

/// Formats `document` as compact JSON, with its keys in their order.
pub fn from_bson(document: &RawDocument) -> String {
    let mut text = String::with_capacity(document.as_bytes().len());
    write_object(&mut text, document);
    text
}

/// Formats `value` as compact JSON.
pub fn from_value(value: RawBsonRef<'_>) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_object(text: &mut String, document: &RawDocument) {
    text.push('{');
    for (at, (key, value)) in members(document).enumerate() {
        if at > 0 {
            text.push(',');
        }
        write_name(text, key);
        write_value(text, value);
    }
    text.push('}');
}

/// Writes a member's name and the colon after it.
pub fn write_name(text: &mut String, name: &str) {
    write_string(text, name);
    text.push(':');
}

/// Writes `value` as compact JSON.
pub fn write_value(text: &mut String, value: RawBsonRef<'_>) {
    match value {
        RawBsonRef::Document(inner) => write_object(text, inner),
        RawBsonRef::Array(inner) => {
            text.push('[');
            for (at, value) in inner.into_iter().flatten().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                write_value(text, value);
            }
            text.push(']');
        }
        RawBsonRef::String(string) => write_string(text, string),
        RawBsonRef::Symbol(digits) if is_number(digits) => text.push_str(digits),
        RawBsonRef::Symbol(other) => write_string(text, other),
        RawBsonRef::Int32(number) => text.push_str(&number.to_string()),
        RawBsonRef::Int64(number) => text.push_str(&number.to_string()),
        RawBsonRef::Double(number) => {
            text.push_str(&serde_json::Value::from(number).to_string());
        }
        RawBsonRef::Decimal128(number) => text.push_str(&number.to_string()),
        RawBsonRef::Boolean(flag) => text.push_str(if flag { "true" } else { "false" }),
        RawBsonRef::Null | RawBsonRef::Undefined => text.push_str("null"),
        RawBsonRef::ObjectId(id) => write_string(text, &id.to_hex()),
        RawBsonRef::DateTime(date) => {
            write_string(text, &date.try_to_rfc3339_string().unwrap_or_default());
        }
        other => write_string(text, &format!("{other:?}")),
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push_str(&serde_json::Value::from(string).to_string());
}
