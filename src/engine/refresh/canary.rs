//! Tells a redesign of the site from its first pages, before anything is replaced.
//!
//! Each sweep counts on how many pages it found each field: a member at the top of a document, other
//! than null and empty text: a page that is filled by a script has the elements, and nothing in them. The ledger keeps the counts. A field that was on nearly all pages of the last complete
//! sweep and is on none of the first pages of this one was not dropped by all these items at once: the
//! site has changed its pages, and the site file finds nothing there any more. Until that is known the
//! writer holds back what would replace a document; what is new is written.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::frequent::Frequent;
use crate::model::document::{Document, Encoding, Json};
use crate::model::report::{Coverage, Fields};

/// Number of pages after which the check is made.
pub const FIRST: u64 = 20;
/// Minimum number of pages for the check at the end of a short run: one or two items may lose a
/// field that all others keep.
const FEWEST: u64 = 3;
/// Maximum number of field names that are counted. A document with more is a map whose names are
/// not fields.
const MOST_FIELDS: usize = 1_000;
/// Number of pages of which all values are counted.
const ALL_VALUES: u64 = 1_000;
/// Of later pages, the values of one in so many are counted: hashing and counting those of each page
/// takes 2 % of the CPU time of a crawl.
const ONE_IN: u64 = 8;
/// Maximum length of a counted name, in bytes.
const LONGEST_NAME: usize = 256;

/// The decision on whether documents may be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Undecided: too few pages were read.
    Pending,
    /// Yes: the pages have their usual fields, or there is nothing to compare them with.
    Sound,
    /// No: usual fields are on none of the first pages.
    Redesigned(Redesign),
}

/// The evidence that a site was redesigned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the site may have been redesigned: {} on over 90 % of the pages of the last complete sweep, and on none of the first {pages} of this one. No document was replaced. Mend the site file, or go ahead with --accept-changes", named(.fields)
)]
pub struct Redesign {
    /// Names of the missing fields.
    pub fields: Vec<Box<str>>,
    /// Number of pages on which they are missing.
    pub pages: u64,
}

fn named(fields: &[Box<str>]) -> String {
    match fields {
        [field] => format!("the field {field} was"),
        fields => format!("the fields {} were", fields.join(", ")),
    }
}

/// Counts fields, and compares the first pages with an earlier sweep.
#[derive(Debug, Default)]
pub struct Canary(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    pages: u64,
    found: HashMap<Box<str>, Found>,
    /// Number of items for which the site confirmed that they are unchanged.
    confirmed: u64,
    /// Number of all items whose documents are kept without reading a page.
    unread: u64,
    /// Hashes of the values by which fields count as not found.
    defaults: HashMap<Box<str>, u64>,
    /// Counts of the earlier sweep.
    before: Fields,
    /// True while the check of the first pages is still to be made.
    is_pending: bool,
    redesign: Option<Redesign>,
}

/// The pages on which a field was found.
#[derive(Debug, Default)]
struct Found {
    pages: u64,
    values: Frequent,
}

impl Found {
    /// Counts a page, and the value with this hash if the page is one of the sample.
    fn count(&mut self, is_sample: bool, hash: &dyn Fn() -> u64) {
        self.pages += 1;
        if is_sample {
            self.values.add(hash());
        }
    }
}

impl Canary {
    /// Sets the counts of an earlier sweep to compare the first pages with.
    pub fn compare_with(&self, before: Fields) {
        let mut state = self.state();
        state.is_pending = before.values().any(|it| it.is_usual());
        state.before = before;
    }

    /// Sets the values by which a field counts as not found: an object, as JSON text.
    pub fn ignore(&self, defaults: &str, encoding: Encoding) {
        let text = Bytes::copy_from_slice(defaults.as_bytes());
        let made = Json::parse(&text).ok().and_then(|it| Document::new(it, &text, encoding).ok());
        let Some(document) = made else { return };
        let state = &mut *self.state();
        document.members(|name, hash| {
            state.defaults.insert(name.into(), hash());
        });
    }

    /// Counts the fields of a document that was read.
    pub fn read(&self, document: &Document) {
        let state = &mut *self.state();
        state.pages += 1;
        let is_sample = state.pages <= ALL_VALUES || state.pages.is_multiple_of(ONE_IN);
        document.members(|name, hash| {
            // The ledger cannot store a name with NUL.
            if name.len() > LONGEST_NAME || name.contains('\0') {
                return;
            }
            // Such a value may also be the site's own: rather too few are counted than too many.
            if state.defaults.get(name).is_some_and(|default| *default == hash()) {
                return;
            }
            if let Some(found) = state.found.get_mut(name) {
                found.count(is_sample, hash);
            } else if state.found.len() < MOST_FIELDS {
                state.found.entry(name.into()).or_default().count(is_sample, hash);
            }
        });
        if state.pages == FIRST {
            state.judge();
        }
    }

    /// Counts an item whose document is kept without reading a page. `is_confirmed` is true if the
    /// site confirmed that the item is unchanged.
    pub fn unread(&self, is_confirmed: bool) {
        let mut state = self.state();
        state.unread += 1;
        state.confirmed += u64::from(is_confirmed);
    }

    /// Returns whether documents may be replaced. `is_last` is true if no further page will be
    /// read.
    pub fn verdict(&self, is_last: bool) -> Verdict {
        let mut state = self.state();
        if is_last && state.is_pending {
            let is_enough = state.pages >= FEWEST && state.pages > state.confirmed;
            if is_enough { state.judge() } else { state.is_pending = false }
        }
        match (&state.redesign, state.is_pending) {
            (Some(redesign), _) => Verdict::Redesigned(redesign.clone()),
            (None, true) => Verdict::Pending,
            (None, false) => Verdict::Sound,
        }
    }

    /// Returns the counts of this sweep. Documents that are kept without reading a page count as in
    /// the earlier sweep, so that a sweep that reads few pages has the same weight as one that
    /// reads all.
    pub fn fields(&self) -> Fields {
        let state = self.state();
        let coverage = |it: &Found| {
            let Found { pages: found, values } = it;
            let top = values.top() * found / values.seen().max(1);
            Coverage { pages: state.pages, found: *found, top }
        };
        let now = state.found.iter().map(|(name, found)| (name.clone(), coverage(found)));
        carried(now.collect(), state.pages, &state.before, state.unread)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Compares the pages read so far with the earlier sweep, once.
    fn judge(&mut self) {
        if !std::mem::take(&mut self.is_pending) {
            return;
        }
        let usual = self.before.iter().filter(|(_, coverage)| coverage.is_usual());
        let lost = usual.filter(|(name, _)| !self.found.contains_key(*name));
        let fields: Vec<Box<str>> = lost.map(|(name, _)| name.clone()).collect();
        self.redesign = (!fields.is_empty()).then_some(Redesign { fields, pages: self.pages });
    }
}

/// Returns the counts of a sweep that read `pages` pages, and kept `unread` documents with the
/// counts of the sweep `before`.
fn carried(mut now: Fields, pages: u64, before: &Fields, unread: u64) -> Fields {
    let kept = |it: &Coverage| unread.min(it.pages.saturating_sub(pages));
    let most = before.values().map(kept).max().unwrap_or_default();
    for (name, earlier) in before {
        let share = |number: u64| number * kept(earlier) / earlier.pages.max(1);
        let coverage = now.entry(name.clone()).or_default();
        coverage.found += share(earlier.found);
        coverage.top += share(earlier.top);
    }
    now.values_mut().for_each(|coverage| coverage.pages = pages + most);
    now.retain(|_, coverage| coverage.found > 0);
    now
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::model::document::{Encoding, Json};

    fn document(text: &str, encoding: Encoding) -> Document {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        Document::new(Json::parse(&bytes).unwrap(), &bytes, encoding).unwrap()
    }

    fn fields(counts: &[(&str, u64, u64)]) -> Fields {
        let coverage = |(name, pages, found): &(&str, u64, u64)| {
            ((*name).into(), Coverage { pages: *pages, found: *found, top: *found })
        };
        counts.iter().map(coverage).collect()
    }

    /// The verdict after so many pages with only the field `a`, and the last of a run.
    fn judged(before: &[(&str, u64, u64)], pages: u64, confirmed: u64) -> [Verdict; 2] {
        let canary = Canary::default();
        canary.compare_with(fields(before));
        (0..confirmed).for_each(|_| canary.unread(true));
        for at in 0..pages {
            let encoding = if at % 2 == 0 { Encoding::Bson } else { Encoding::Text };
            canary.read(&document(r#"{"a":1,"price":null}"#, encoding));
        }
        [canary.verdict(false), canary.verdict(true)]
    }

    #[test]
    fn p13_a_usual_field_on_none_of_the_first_pages_is_a_redesign() {
        use Verdict::{Pending, Sound};
        let lost = |pages| Verdict::Redesigned(Redesign { fields: vec!["price".into()], pages });
        let usual = [("a", 100, 100), ("price", 100, 91)];
        let cases: [(&[_], u64, u64, [Verdict; 2]); 9] = [
            (&usual, 20, 0, [lost(20), lost(20)]),
            // Later pages change nothing.
            (&usual, 25, 0, [lost(20), lost(20)]),
            (&usual, 20, 900, [lost(20), lost(20)]),
            (&usual, 19, 0, [Pending, lost(19)]),
            (&usual, 3, 0, [Pending, lost(3)]),
            // A few items that changed beside many that did not.
            (&usual, 3, 3, [Pending, Sound]),
            (&usual, 2, 0, [Pending, Sound]),
            (&[("a", 100, 100), ("price", 100, 90)], 20, 0, [Sound, Sound]),
            (&[], 20, 0, [Sound, Sound]),
        ];
        for (before, pages, confirmed, verdicts) in cases {
            assert_eq!(judged(before, pages, confirmed), verdicts, "{pages} pages, {confirmed}");
        }
        let told = lost(20);
        let Verdict::Redesigned(redesign) = told else { unreachable!() };
        assert!(redesign.to_string().contains("the field price was on over 90 %"), "{redesign}");
    }

    #[test]
    fn p13_what_is_null_or_empty_text_is_not_found_and_what_is_nested_is_no_field() {
        for encoding in [Encoding::Bson, Encoding::Text] {
            let canary = Canary::default();
            canary.read(&document(r#"{"a":{"b":1},"n":null,"c":[],"d":""}"#, encoding));
            canary.read(&document(r#"{"a":2}"#, encoding));
            let mut expected = fields(&[("a", 2, 2), ("c", 2, 1)]);
            expected.entry("a".into()).and_modify(|it| it.top = 1);
            assert_eq!(canary.fields(), expected);
        }
    }

    #[test]
    fn values_of_many_pages_are_counted_by_a_sample() {
        for encoding in [Encoding::Bson, Encoding::Text] {
            let canary = Canary::default();
            let (same, other) =
                (document(r#"{"a":1}"#, encoding), document(r#"{"a":2}"#, encoding));
            (0..3_000).for_each(|at| canary.read(if at % 5 == 0 { &other } else { &same }));
            let a = canary.fields()["a"];
            assert_eq!((a.pages, a.found), (3_000, 3_000));
            assert!((2_300..2_500).contains(&a.top), "four fifths: {a:?}");
        }
    }

    #[test]
    fn p13_a_sweep_that_reads_little_keeps_what_was_counted() {
        let before = fields(&[("a", 100, 100), ("b", 100, 50)]);
        // Nothing was read.
        assert_eq!(carried(Fields::new(), 0, &before, 100), before);
        // A tenth was read, in which all have b and a new field.
        let now = fields(&[("a", 10, 10), ("b", 10, 10), ("c", 10, 10)]);
        let merged = fields(&[("a", 100, 100), ("b", 100, 55), ("c", 100, 10)]);
        assert_eq!(carried(now.clone(), 10, &before, 90), merged);
        // The site has become smaller, and all of it was read.
        assert_eq!(carried(now.clone(), 10, &before, 0), now);
        assert_eq!(carried(now.clone(), 10, &Fields::new(), 5), now);
    }
}
