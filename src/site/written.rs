//! Types for values that the site file may write in several forms.

mod scalars;

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use crate::select::Part;
pub use scalars::{Pairs, Params, Scalar, Scalars};

/// A value with its position in the file.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    /// Offset of its first byte.
    pub at: usize,
    /// The value.
    pub value: T,
}

/// A table, or a text or number as its short form.
#[derive(Debug, Clone, PartialEq)]
pub enum Short<T> {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// A list of steps.
    Steps(Chain),
    /// The table.
    Table(T),
}

/// A [`Short`], or `false` to turn a default off.
#[derive(Debug, Clone)]
pub enum OrOff<T> {
    /// `false`.
    Off,
    /// Replacement of the default.
    On(Short<T>),
}

impl<T: Clone> OrOff<T> {
    /// Returns the replacement of the default, or `None` if it is turned off.
    pub fn on(written: &At<OrOff<T>>) -> Option<At<Short<T>>> {
        match &written.value {
            OrOff::Off => None,
            OrOff::On(value) => Some(At { at: written.at, value: value.clone() }),
        }
    }
}

/// A selector: a text, or a list of steps. A regular expression is a step only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chain(pub Vec<Part>);

impl Chain {
    /// Parses a selector outside of a site file: a text, or a TOML list of steps.
    ///
    /// # Errors
    /// Returns what is wrong with the list, in words.
    pub fn parse(text: &str) -> Result<Chain, String> {
        let is_list = text.trim_start().strip_prefix('[').map(str::trim_start);
        if !is_list.is_some_and(|rest| rest.starts_with(['"', '\'', '{', ']'])) {
            return Ok(Chain(vec![Part::Selector(text.trim().to_owned())]));
        }
        #[derive(Deserialize)]
        struct Line {
            steps: Chain,
        }
        let line: Result<Line, _> = toml::from_str(&format!("steps = {text}"));
        line.map(|line| line.steps)
            .map_err(|error| format!("it is not a TOML list of steps: {}", error.message()))
    }
}

/// A table, or a list of tables.
#[derive(Debug)]
pub struct Tables<T>(pub Vec<At<T>>);

/// One text or several.
#[derive(Debug, Clone)]
pub struct OneOrMany(pub Vec<String>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<T>::deserialize(deserializer)?;
        Ok(At { at: spanned.span().start, value: spanned.into_inner() })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Short<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a selector or a table with one")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Short<T>, E> {
                Ok(Short::Text(text.to_owned()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Short<T>, E> {
                let number = u64::try_from(number);
                number.map(Short::Number).map_err(|_| E::custom("the number is negative"))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Short<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Short::Table)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Short<T>, A::Error> {
                steps(list).map(Short::Steps)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

fn steps<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Chain, A::Error> {
    let mut steps = Vec::new();
    while let Some(step) = list.next_element()? {
        steps.push(step);
    }
    Ok(Chain(steps))
}

/// A step that is a regular expression.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegexTable {
    regex: String,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfStep;
        impl<'de> Visitor<'de> for OfStep {
            type Value = Part;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a selector or { regex = '…' }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Part, E> {
                Ok(Part::Selector(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part, A::Error> {
                let table = RegexTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Part::Regex(table.regex))
            }
        }
        deserializer.deserialize_any(OfStep)
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfSteps;
        impl<'de> Visitor<'de> for OfSteps {
            type Value = Chain;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a selector or a list of steps")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Chain, E> {
                Ok(Chain(vec![Part::Selector(text.to_owned())]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Chain, A::Error> {
                let step = Part::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Chain(vec![step]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Chain, A::Error> {
                steps(list)
            }
        }
        deserializer.deserialize_any(OfSteps)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrOff<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OrOff<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a selector, a table with one, or false")
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<OrOff<T>, E> {
                match flag {
                    false => Ok(OrOff::Off),
                    true => Err(E::custom("must be a selector or false")),
                }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OrOff<T>, E> {
                Ok(OrOff::On(Short::Text(text.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OrOff<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Short::Table).map(OrOff::On)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<OrOff<T>, A::Error> {
                steps(list).map(Short::Steps).map(OrOff::On)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Tables<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Tables<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table or a list of tables")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Tables<T>, A::Error> {
                // Its position is that of the whole value.
                let value = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Tables(vec![At { at: 0, value }]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tables<T>, A::Error> {
                let mut tables = Vec::new();
                while let Some(table) = list.next_element()? {
                    tables.push(table);
                }
                Ok(Tables(tables))
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

#[cfg(test)]
mod schema {
    //! What the JSON Schema says of these forms.

    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{At, Chain, OneOrMany, OrOff, Scalar, Scalars, Short, Tables};
    use crate::select::Part;

    impl<T: JsonSchema> JsonSchema for At<T> {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            T::schema_name()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            generator.subschema_for::<T>()
        }
    }

    impl<T: JsonSchema> JsonSchema for Short<T> {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            format!("Short{}", T::schema_name()).into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let table = generator.subschema_for::<T>();
            let steps = generator.subschema_for::<Vec<Part>>();
            json_schema!({ "anyOf": [{ "type": ["string", "integer"] }, steps, table] })
        }
    }

    impl<T: JsonSchema> JsonSchema for Tables<T> {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            format!("Tables{}", T::schema_name()).into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let table = generator.subschema_for::<T>();
            json_schema!({ "anyOf": [table, { "type": "array", "items": table, "minItems": 1 }] })
        }
    }

    impl<T: JsonSchema> JsonSchema for OrOff<T> {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            format!("OrOff{}", T::schema_name()).into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let table = generator.subschema_for::<T>();
            let steps = generator.subschema_for::<Vec<Part>>();
            json_schema!({ "anyOf": [{ "type": "string" }, { "const": false }, steps, table] })
        }
    }

    impl JsonSchema for Part {
        fn schema_name() -> Cow<'static, str> {
            "Step".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "description": "A step of a selector: a JSONPath, a CSS selector or a regular expression, applied to what the step before it found.",
                "anyOf": [{ "type": "string" }, {
                    "type": "object",
                    "properties": { "regex": { "type": "string" } },
                    "required": ["regex"],
                    "additionalProperties": false,
                }],
            })
        }
    }

    impl JsonSchema for Chain {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Selector".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let step = generator.subschema_for::<Part>();
            json_schema!({ "anyOf": [step, { "type": "array", "items": step, "minItems": 1 }] })
        }
    }

    impl JsonSchema for OneOrMany {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "OneOrMany".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            let texts = json_schema!({ "type": "array", "items": { "type": "string" } });
            json_schema!({ "anyOf": [{ "type": "string" }, texts] })
        }
    }

    impl JsonSchema for Scalars {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Scalars".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let one = generator.subschema_for::<Scalar>();
            json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
        }
    }

    impl JsonSchema for Scalar {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Scalar".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({ "type": ["string", "number", "boolean"] })
        }
    }
}
