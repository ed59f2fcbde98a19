//! What pages that were read by a draft show of it: whether they are pages of one list, and whether
//! the key is unique among their items.

use std::collections::HashSet;

use super::members::{Said, again};
use super::{Seen, Shape};
use crate::extract::Listing;
use crate::fetch::Page;

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

/// Puts the first key before the others that is unique among the items of all `pages`. Returns false
/// if there is none.
pub fn settle_key(shape: &mut Shape, pages: &[&Page]) -> bool {
    let is_unique = |shape: &Shape| {
        let read = pages.iter().filter_map(|page| shape.read((*page).clone()));
        let keys: Vec<String> = read.flat_map(|seen| seen.keys).collect();
        keys.len() == keys.iter().collect::<HashSet<_>>().len()
    };
    let unique = (0..shape.keys.len()).find(|at| {
        let mut other = shape.clone();
        other.keys.swap(0, *at);
        is_unique(&other)
    });
    if let Some(at) = unique {
        shape.keys.swap(0, at);
    }
    unique.is_some()
}
