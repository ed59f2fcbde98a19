//! The names at the top of a JSON object that name something, read without keeping what that is.

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Hands over the names whose values are neither null nor a text without anything in it. `text` is an object, since it was read before.
pub fn of_text(text: &[u8], each: impl FnMut(&str)) {
    // An error is not possible here; what was handed over until then stays true.
    let _ = serde_json::Deserializer::from_slice(text).deserialize_map(Members(each));
}

struct Members<F>(F);

impl<'de, F: FnMut(&str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if map.next_value::<IsFilled>()?.0 {
                (self.0)(&name.0);
            }
        }
        Ok(())
    }
}

/// Whether a value is more than null or a text without anything in it.
struct IsFilled(bool);

impl<'de> serde::Deserialize<'de> for IsFilled {
    fn deserialize<D: Deserializer<'de>>(values: D) -> Result<IsFilled, D::Error> {
        values.deserialize_any(Filling).map(IsFilled)
    }
}

struct Filling;

impl<'de> Visitor<'de> for Filling {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_str<E>(self, text: &str) -> Result<bool, E> {
        Ok(!text.trim().is_empty())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| true)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_map(object).map(|_| true)
    }
}

/// Borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);
