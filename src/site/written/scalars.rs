//! Texts of requests: parameters, headers and forms. Numbers and booleans are converted to text.

use std::fmt;

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use super::At;

/// A text. Numbers and booleans are converted to text.
#[derive(Debug, Clone)]
pub struct Scalar(pub String);

/// One or several [`Scalar`]s: a parameter that is sent once for each.
#[derive(Debug, Clone)]
pub struct Scalars(pub Vec<Scalar>);

/// Names of parameters with their texts, in the order of the file.
pub type Params = IndexMap<String, At<Scalars>>;

/// Names with texts, in the order of the file.
pub type Pairs = IndexMap<String, At<Scalar>>;

impl<'de> Deserialize<'de> for Scalars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Scalars;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number, true or false, or a list of these")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalars, E> {
                Ok(Scalars(vec![Scalar(text.to_owned())]))
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalars, E> {
                Ok(Scalars(vec![Scalar(flag.to_string())]))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalars, E> {
                Ok(Scalars(vec![Scalar(number.to_string())]))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalars, E> {
                Ok(Scalars(vec![Scalar(number.to_string())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalars, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element()? {
                    texts.push(text);
                }
                match texts.is_empty() {
                    false => Ok(Scalars(texts)),
                    true => Err(A::Error::custom("the list is empty: leave the parameter out")),
                }
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or true or false")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar, E> {
                Ok(Scalar(flag.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}
