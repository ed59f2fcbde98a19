//! The names at the top of a JSON object, read without keeping what they name.

use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

/// Hands over the names whose values are not null. `text` is an object, since it was read before.
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
            if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                (self.0)(&name.0);
            }
        }
        Ok(())
    }
}

/// Borrowed where nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);
