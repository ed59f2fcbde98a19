//! Services that many sites use, for the files in `docs/sites`: each imitated in one function that
//! answers, and one that says what is to be stored of an item. What a file must not send is 400.

mod apis;
mod assembled;
mod cursors;
mod feeds;
mod pages;

pub use apis::*;
pub use assembled::*;
pub use cursors::*;
pub use feeds::*;
pub use pages::*;

use std::ops::Range;

/// How many items each service has. The last page holds five.
pub const ITEMS: usize = 25;

const PAGE: usize = 10;

/// The items of the page that begins at `from`.
fn page(from: usize) -> Range<usize> {
    from.min(ITEMS)..ITEMS.min(from + PAGE)
}

/// The place at which the page after the one at `from` begins, if there is one.
fn next(from: usize) -> Option<usize> {
    (from + PAGE < ITEMS).then_some(from + PAGE)
}

/// The item whose page is asked for, by what stands between two parts of the path.
fn at_path(path: &str, before: &str, after: &str) -> Option<usize> {
    let number = path.strip_prefix(before)?.strip_suffix(after)?;
    number.parse().ok().filter(|at| *at < ITEMS)
}
