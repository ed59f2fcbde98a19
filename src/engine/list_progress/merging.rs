//! Items in parts: some services list an item on several pages that follow one another, each with a
//! part of its fields.

use indexmap::IndexMap;
use serde_json::value::RawValue;

use crate::extract::Item;
use crate::model::record::Key;
use crate::model::task::{Content, Listed};

/// The items of a page of which the next page may hold further parts.
#[derive(Debug, Default)]
pub struct HeldItems(IndexMap<Key, Item>);

impl HeldItems {
    /// Returns the number of items that are held.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes the items of a page. Returns the items that are whole: those that the page has no part
    /// of, and all of them if the page is the last one.
    pub fn take(&mut self, items: Vec<Item>, is_last: bool) -> Vec<Item> {
        let before = std::mem::take(&mut self.0);
        for item in items {
            match self.0.get_mut(&item.key) {
                Some(own) => merge(own, item),
                None => drop(self.0.insert(item.key.clone(), item)),
            }
        }
        let mut whole = Vec::new();
        for (key, earlier) in before {
            match self.0.get_mut(&key) {
                Some(later) => {
                    let later = std::mem::replace(later, earlier);
                    // It is there: it was just replaced.
                    if let Some(item) = self.0.get_mut(&key) {
                        merge(item, later);
                    }
                }
                None => whole.push(earlier),
            }
        }
        if is_last {
            whole.extend(std::mem::take(&mut self.0).into_values());
        }
        whole
    }
}

/// Adds a part of an item: lists are appended, other values replaced.
fn merge(item: &mut Item, part: Item) {
    let Item { listed, matched, .. } = part;
    for (is_there, also) in item.matched.iter_mut().zip(matched) {
        *is_there |= also;
    }
    let (Some(own), Some(part)) = (&mut item.listed, listed) else { return };
    match (&own.content, part) {
        (_, Listed { content: content @ Content::Unreadable(_), .. }) => own.content = content,
        (Content::Object(before), Listed { content: Content::Object(later), .. }) => {
            own.content = merged(before, &later).unwrap_or_else(|| {
                Content::Unreadable("its parts are not objects that can be merged".into())
            });
        }
        _ => {}
    }
}

/// Merges two objects. Values stay as they are written, so that numbers keep their digits.
fn merged(before: &str, later: &str) -> Option<Content> {
    type Members = IndexMap<String, Box<RawValue>>;
    let mut members: Members = serde_json::from_str(before).ok()?;
    for (name, value) in serde_json::from_str::<Members>(later).ok()? {
        let list = members.get(&name).and_then(|list| appended(list, &value));
        members.insert(name, list.unwrap_or(value));
    }
    Some(Content::Object(serde_json::to_string(&members).ok()?.into()))
}

/// Returns a list with the elements of both, or `None` if one of them is not a list.
fn appended(list: &RawValue, more: &RawValue) -> Option<Box<RawValue>> {
    let mut all: Vec<Box<RawValue>> = serde_json::from_str(list.get()).ok()?;
    all.extend(serde_json::from_str::<Vec<Box<RawValue>>>(more.get()).ok()?);
    serde_json::value::to_raw_value(&all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, content: &str) -> Item {
        let listed = Listed { content: Content::Object(content.into()), ..Listed::default() };
        Item { key: Key::new(key).unwrap(), listed: Some(listed), matched: vec![false, true] }
    }

    fn shown(items: &[Item]) -> Vec<String> {
        let content = |item: &Item| match &item.listed.as_ref().unwrap().content {
            Content::Object(text) => format!("{} {text}", item.key),
            other => format!("{other:?}"),
        };
        let mut shown: Vec<String> = items.iter().map(content).collect();
        shown.sort();
        shown
    }

    #[test]
    fn parts_on_pages_that_follow_one_another_become_one_item() {
        let mut held = HeldItems::default();
        let first = vec![item("a", r#"{"n":1,"c":[1]}"#), item("b", r#"{"n":2}"#)];
        assert!(held.take(first, false).is_empty());
        let second = vec![item("b", r#"{"c":[7]}"#), item("a", r#"{"c":[2,3],"n":9}"#)];
        assert!(held.take(second, false).is_empty());
        let third = vec![item("x", r#"{"n":3}"#), item("x", r#"{"m":4}"#)];
        let whole = held.take(third, false);
        assert_eq!(shown(&whole), [r#"a {"n":9,"c":[1,2,3]}"#, r#"b {"n":2,"c":[7]}"#]);
        assert_eq!(shown(&held.take(Vec::new(), true)), [r#"x {"n":3,"m":4}"#]);
        assert!(held.take(Vec::new(), true).is_empty());
    }

    #[test]
    fn p5_numbers_in_parts_keep_their_digits() {
        let mut held = HeldItems::default();
        held.take(vec![item("a", r#"{"n":123456789012345678901234567890,"c":[1.10]}"#)], false);
        let whole = held.take(vec![item("a", r#"{"c":[12345678901234567890123,null]}"#)], true);
        let all =
            r#"a {"n":123456789012345678901234567890,"c":[1.10,12345678901234567890123,null]}"#;
        assert_eq!(shown(&whole), [all]);
    }

    #[test]
    fn a_part_that_cannot_be_read_makes_its_item_unreadable() {
        let mut held = HeldItems::default();
        let broken = Listed { content: Content::Unreadable("no".into()), ..Listed::default() };
        held.take(vec![item("a", "{}")], false);
        let part = Item { listed: Some(broken), ..item("a", "{}") };
        let whole = held.take(vec![part], true);
        assert_eq!(shown(&whole), [r#"Unreadable("no")"#]);
    }
}
