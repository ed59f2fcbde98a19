//! What pages that were read by a draft show of it: whether they are pages of one list, and whether
//! the key is unique among their items.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::link_keys::passing_in;
use super::members::{Said, again};
use super::{Seen, Shape};
use crate::extract::{Item, Listing};
use crate::fetch::Page;
use crate::model::task::Content;

/// Returns true if `pages`, by the keys of their items, are pages of the list whose first page has
/// the keys `first`: the first page is the same, and the second one has other items, unless the first
/// one has more now than it had. `listing` is
/// what the draft reads on the first page; it may say that there are no more items.
pub fn are_pages(first: &[String], pages: &[Vec<String>], listing: Option<&Listing>) -> bool {
    let [one, further @ ..] = pages else { return false };
    let shared = one.iter().filter(|key| first.contains(key)).count();
    if shared * 2 < one.len().min(first.len()) {
        return false;
    }
    let mut seen: HashSet<&String> = one.iter().collect();
    // A page that is filtered may be empty, and the next one not.
    let is_whole = |page: &&Vec<String>| !page.is_empty();
    for page in further.iter().filter(is_whole) {
        // A list may change between two requests, so that a few items are on two pages.
        let again = page.iter().filter(|key| seen.contains(key)).count();
        if again * 4 > page.len() {
            return false;
        }
        seen.extend(page);
    }
    let is_all = |listing: &Listing| {
        let said = &listing.said;
        said.declared == Some(said.items) || said.last == Some(1)
    };
    let has_other = further.iter().any(|page| !page.is_empty());
    has_other || one.len() > first.len() || further.is_empty() && listing.is_some_and(is_all)
}

/// Returns those counts that are of all items, and not of those on a page: two pages of different
/// items say the same, and no less than they have.
pub fn of_all(counts: Vec<Said<u64>>, first: &Seen, other: &Seen) -> Vec<Said<u64>> {
    let more = other.keys.iter().filter(|key| !first.keys.contains(key)).count();
    let seen = (first.keys.len() + more) as u64;
    let is_of_all =
        |count: &Said<u64>| count.value >= seen && again(count, other) == Some(count.value);
    counts.into_iter().filter(is_of_all).collect()
}

/// Returns the values of an item that are no links, as text. Links may have session ids in them.
pub fn content(item: &Item) -> String {
    let Some(Content::Object(text)) = item.listed.as_ref().map(|listed| &listed.content) else {
        return String::new();
    };
    let is_link = |value: &Value| value.as_str().is_some_and(|it| it.contains(['?', '/']));
    match serde_json::from_str(text) {
        Ok(Value::Object(mut members)) => {
            members.retain(|_, value| !is_link(value));
            Value::Object(members).to_string()
        }
        _ => text.to_string(),
    }
}

/// Puts the first key before the others that is unique among the items of all `pages`. Returns false
/// if there is none. An item may be on several pages, as announcements of forums are.
pub fn settle_key(shape: &mut Shape, pages: &[&Page]) -> bool {
    settle(shape, |shape| {
        let read: Vec<Seen> = pages.iter().filter_map(|page| shape.read((*page).clone())).collect();
        let mut known: HashMap<&String, &String> = HashMap::new();
        read.iter().all(|seen| {
            let own: HashSet<&String> = seen.keys.iter().collect();
            own.len() == seen.keys.len()
                && seen.keys.iter().zip(&seen.contents).all(|(key, content)| {
                    let is_same = known.get(key).is_none_or(|other| *other == content);
                    known.insert(key, content);
                    is_same
                })
        })
    })
}

/// Puts the first key before the others that has the same values in `again`, which is the first page
/// of the list, requested once more. Returns a doubt if there is none.
pub fn settle_stable(shape: &mut Shape, first: &Page, again: &Page) -> Option<String> {
    let read = |shape: &Shape, page: &Page| shape.read(page.clone()).map(|seen| seen.keys);
    let mut session = None;
    let is_settled = settle(shape, |shape| {
        let (Some(first), Some(again)) = (read(shape, first), read(shape, again)) else {
            return false;
        };
        let is_short = first.is_empty() || again.is_empty();
        // A list may change between two requests, so that a few items are other ones.
        let shared = first.iter().filter(|key| again.contains(key)).count();
        let passing = first.first().and_then(|key| passing_in(key));
        session = session.take().or(passing.map(str::to_owned));
        is_short || passing.is_none() && shared * 2 >= first.len().min(again.len())
    });
    let key = shape.keys.first().filter(|_| !is_settled)?.text();
    Some(match session {
        Some(name) => format!(
            "The key, {key}, contains `{name}`, which changes with the session, and nothing else distinguishes the items: take another key, or each crawl stores all items anew."
        ),
        None => format!(
            "The values of the key, {key}, differ between two requests of the same page, and nothing else distinguishes the items: take another key, or each crawl stores all items anew."
        ),
    })
}

/// Puts the first key before the others that passes a test. Returns false if there is none.
fn settle(shape: &mut Shape, mut passes: impl FnMut(&Shape) -> bool) -> bool {
    let found = (0..shape.keys.len()).find(|at| {
        let mut other = shape.clone();
        other.keys.swap(0, *at);
        passes(&other)
    });
    if let Some(at) = found {
        shape.keys.swap(0, at);
    }
    found.is_some()
}
