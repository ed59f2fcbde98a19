//! Values that a page hands to the request of the next one, such as a cursor.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::template::NamedValue;
use super::Said;
use crate::model::task::Place;
use crate::select::FieldRule;

/// Values that a page hands to the request of the next one.
#[derive(Debug, Clone, PartialEq)]
pub struct Handover {
    /// Values to take from a page. The list ends where a page has none of them, or the same ones
    /// as its own request.
    pub take: Vec<Taken>,
    /// Values for the first page.
    pub start: Vec<NamedValue>,
    /// True if there is a single value, `{cursor}`.
    pub is_cursor: bool,
}

/// A value that is taken from a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Name of its placeholder.
    pub name: Arc<str>,
    /// Source of the value on a page.
    pub from: Said,
}

/// Name of the only value of a short form.
const CURSOR: &str = "cursor";

impl Handover {
    /// Creates the short form: a single value, `{cursor}`.
    pub fn cursor(rule: FieldRule) -> Handover {
        let only = Taken { name: CURSOR.into(), from: Said::Field(rule) };
        Handover { take: vec![only], start: Vec::new(), is_cursor: true }
    }

    /// Returns the rule of the short form, or `None` for values by name.
    pub fn rule(&self) -> Option<&FieldRule> {
        match self.take.as_slice() {
            [Taken { from: Said::Field(rule), .. }] if self.is_cursor => Some(rule),
            _ => None,
        }
    }

    /// Returns the selectors, for messages.
    pub fn text(&self) -> String {
        let texts: Vec<&str> = self.take.iter().map(|it| it.from.text()).collect();
        texts.join("`, `")
    }

    /// Returns the place of the page for which these values were taken. The short form has the
    /// cursor alone; otherwise the place is a JSON object.
    pub fn place(&self, values: &[NamedValue]) -> Place {
        if self.is_cursor
            && let [(_, value)] = values
        {
            return Place::Cursor(value.clone());
        }
        let members = values.iter().map(|(name, json)| format!("{}:{json}", Value::from(&**name)));
        Place::Cursor(format!("{{{}}}", members.collect::<Vec<_>>().join(",")).into())
    }

    /// Returns the values for the request of a page, from its place.
    pub fn values(&self, place: Option<&Place>) -> Vec<NamedValue> {
        let text = match place {
            Some(Place::Cursor(text)) => text,
            _ => return self.start.clone(),
        };
        if self.is_cursor {
            return vec![(CURSOR.into(), text.clone())];
        }
        let members: IndexMap<Box<str>, &RawValue> = serde_json::from_str(text).unwrap_or_default();
        members.into_iter().map(|(name, json)| (Arc::from(name), json.get().into())).collect()
    }

    /// Returns true if the page at `next` would have the values of the page at `own`.
    pub(super) fn is_same(&self, own: Option<&Place>, next: &Place) -> bool {
        !self.is_cursor && self.place(&self.values(own)) == *next
    }
}
