//! The names at the top of a JSON object that name something, and hashes of their values.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::FixedState;
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

/// Hands over the names whose values are neither null nor a text without anything in it, each with a
/// function that hashes its value. `text` is an object, since it was read before.
pub fn of_text(text: &[u8], each: impl FnMut(&str, &dyn Fn() -> u64)) {
    // Neither can fail, because the text was parsed before. From bytes, serde_json would check that
    // each value is UTF-8, one by one: more slowly than this check of the whole.
    let Ok(text) = simdutf8::basic::from_utf8(text) else { return };
    let _ = serde_json::Deserializer::from_str(text).deserialize_map(Members(each));
}

/// Hashes a value. Sites can make two values with one hash on purpose; they gain nothing by it.
pub fn hash(value: impl Hash) -> u64 {
    FixedState::default().hash_one(value)
}

struct Members<F>(F);

impl<'de, F: FnMut(&str, &dyn Fn() -> u64)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name<'de>>()? {
            let value = map.next_value::<&RawValue>()?;
            if is_filled(value) {
                (self.0)(&name.0, &|| hash(value.get()));
            }
        }
        Ok(())
    }
}

/// Returns whether a value is more than null or a text without anything in it. Its text is only looked at.
fn is_filled(value: &RawValue) -> bool {
    let text = value.get();
    let is_text = text.starts_with('"');
    text != "null" && !(is_text && text.trim_matches('"').trim().is_empty())
}

/// A name, borrowed if it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);
