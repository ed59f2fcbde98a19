//! The tables `[[seeds]]` of a site file.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::super::written::{At, Chain, Pairs, Params, Short};
use super::{PagingTable, RuleTable, Rules};
use crate::select::Format;

/// Categories. Each is the value of `{seed}` in the list's request. Set either `values`, or
/// `range`, or `url` and `select` of a page that names them, or `site`. Below another level, the
/// request may contain the categories above: `{seed}` is the one just above, `{seed.1}` the outermost.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SeedsTable {
    /// List of categories. With `url` and `key`, a table: values of a category, by name; selectors
    /// within an entry. `{name}` stands for them in `[index]`, in `[detail]` and in the levels below.
    pub(in crate::site) values: Option<At<Values>>,
    /// Name of another site in the same store, the parent: the keys of its items are the categories.
    pub(in crate::site) site: Option<At<String>>,
    /// site: true if only items that changed since the last complete sweep are categories; such a sweep
    /// is partial. Default: false.
    pub(in crate::site) changed: Option<At<bool>>,
    /// changed: interval between sweeps over all items, such as 30d. Default: 7d.
    pub(in crate::site) full: Option<At<String>>,
    /// Range of numbers, days or months, both ends included: `1..100`, `2024-01-01..2024-12-31`,
    /// `2024-01..today`. Today is the day in UTC on which a sweep begins.
    pub(in crate::site) range: Option<At<String>>,
    /// range: distance between two categories, such as `10`, `7 days` or `1 month`. Default: one number,
    /// day or month.
    pub(in crate::site) step: Option<At<String>>,
    /// Selector of the categories on the page at `url`; with `key`, of their entries.
    pub(in crate::site) select: Option<At<Short<RuleTable>>>,
    /// Selector of the category within an entry, if entries have `values`.
    pub(in crate::site) key: Option<At<Short<RuleTable>>>,
    /// Format of the page. Default: the format of the site.
    pub(in crate::site) format: Option<Format>,
    /// Delimiter of CSV, a single character. Default: a comma.
    pub(in crate::site) delimiter: Option<At<String>>,
    /// Part of the page that all selectors of this table are applied to. Default: the whole page.
    pub(in crate::site) within: Option<At<Chain>>,
    /// Paging, if the categories are on several pages.
    pub(in crate::site) paging: Option<At<PagingTable>>,
    /// URL of the page with the categories: a path below `base_url`, or an absolute URL.
    pub(in crate::site) url: Option<At<String>>,
    /// Query parameters; templates.
    #[serde(default)]
    pub(in crate::site) query: Params,
    /// Method: GET, POST or PUT. Default: GET, or POST with `form` or `json`.
    pub(in crate::site) method: Option<At<String>>,
    /// Request headers; templates.
    #[serde(default)]
    pub(in crate::site) headers: Pairs,
    /// Form to send as the body; values are templates.
    pub(in crate::site) form: Option<Params>,
    /// JSON to send as the body; its strings are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub(in crate::site) json: Option<At<toml::Value>>,
}

/// Categories, or values of a category by name.
#[derive(Debug)]
pub enum Values {
    /// The categories.
    Listed(Vec<String>),
    /// Selectors within an entry.
    Named(Rules),
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of categories, or a table of selectors")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Values, A::Error> {
                Rules::deserialize(MapAccessDeserializer::new(map)).map(Values::Named)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Values, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Values::Listed)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Rules, Values};

    impl JsonSchema for Values {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "SeedValues".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let (listed, named) =
                (generator.subschema_for::<Vec<String>>(), generator.subschema_for::<Rules>());
            json_schema!({ "anyOf": [listed, named] })
        }
    }
}
