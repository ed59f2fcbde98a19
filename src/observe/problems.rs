//! The problems of a run to report to the user, as sentences. Problems that many pages share are
//! reported once.
//!
//! A *gap* is something that is missing from the store, or may be: it makes the sweep incomplete. A
//! *note* does not. No sentence shows a credential.

mod alike;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use url::Url;

use crate::model::decoding::Decoding;
use crate::model::report::Finding;
use crate::model::text::counted;
use crate::model::text::secret::shown;

use crate::model::text::secret::Scrubber;
pub use alike::Alike;

/// The problems of a run, collected while it runs.
#[derive(Debug, Default)]
pub struct Problems {
    said: Mutex<Said>,
    scrubber: Scrubber,
}

#[derive(Debug, Default)]
struct Said {
    /// Problems of single pages.
    alike: Alike,
    /// Problems of the run as a whole, found at its end.
    last: Vec<String>,
    findings: BTreeSet<Finding>,
    gap: bool,
}

impl Problems {
    /// Creates an empty collection. `scrubber` removes credentials from every sentence.
    pub fn new(scrubber: Scrubber) -> Problems {
        Problems { said: Mutex::default(), scrubber }
    }

    /// Adds a gap: something is missing or may be.
    pub fn gap(&self, sentence: impl AsRef<str>) {
        self.add("", sentence.as_ref(), true);
    }

    /// Adds a gap at a place that is one of many.
    pub fn gap_at(&self, place: impl Display, what: impl AsRef<str>) {
        self.add(&place.to_string(), what.as_ref(), true);
    }

    /// Adds a note: something is worth knowing.
    pub fn note(&self, sentence: impl AsRef<str>) {
        self.add("", sentence.as_ref(), false);
    }

    /// Adds a note about a place that is one of many.
    pub fn note_at(&self, place: impl Display, what: impl AsRef<str>) {
        self.add(&place.to_string(), what.as_ref(), false);
    }

    /// Adds a gap of the run as a whole. It is reported however many problems there were before.
    pub fn last_gap(&self, sentence: impl AsRef<str>) {
        self.with(|said| said.gap = true);
        self.last_note(sentence);
    }

    /// Adds a note about the run as a whole. It is reported however many problems there were
    /// before.
    pub fn last_note(&self, sentence: impl AsRef<str>) {
        let sentence = self.scrubber.scrub_cut(sentence.as_ref());
        self.with(|said| said.last.push(sentence));
    }

    /// Adds a finding about the site, which is reported beside its sentence.
    pub fn find(&self, finding: Finding) {
        self.with(|said| said.findings.insert(finding));
    }

    /// Returns the findings about the site.
    pub fn findings(&self) -> BTreeSet<Finding> {
        self.with(|said| said.findings.clone())
    }

    /// Returns true if anything is missing or may be.
    pub fn has_gap(&self) -> bool {
        self.with(|said| said.gap)
    }

    /// Returns all sentences, in the order in which they were first added.
    pub fn sentences(&self) -> Vec<String> {
        self.with(|said| {
            let mut sentences: Vec<String> =
                said.alike.sentences().map(|(sentence, _)| sentence).collect();
            if said.alike.unsaid() > 0 {
                sentences.push(format!("… and {} other problems", said.alike.unsaid()));
            }
            sentences.extend(said.last.iter().cloned());
            sentences
        })
    }

    fn add(&self, place: &str, what: &str, gap: bool) {
        let (place, what) = (self.scrubber.scrub_cut(place), self.scrubber.scrub_cut(what));
        self.with(|said| {
            said.gap |= gap;
            said.alike.note(&place, &what);
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Said) -> T) -> T {
        change(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Number of pages on which each field of the site file was found. A field that was found on no
/// page is a problem, since the site may have been redesigned.
#[derive(Debug)]
pub struct FieldsFound {
    /// Name of the pages that are searched, for messages.
    pages: &'static str,
    read: AtomicU64,
    found: Vec<(Box<str>, AtomicU64)>,
}

impl FieldsFound {
    /// Creates counters for fields of these names. `pages` names the pages that are searched.
    pub fn new(names: Vec<Box<str>>, pages: &'static str) -> FieldsFound {
        FieldsFound {
            pages,
            read: AtomicU64::new(0),
            found: names.into_iter().map(|name| (name, AtomicU64::new(0))).collect(),
        }
    }

    /// Counts a page that was read. `matched` says for each field, in order, if it was found.
    pub fn note(&self, matched: &[bool]) {
        self.read.fetch_add(1, Relaxed);
        for ((_, times), matched) in self.found.iter().zip(matched) {
            times.fetch_add(u64::from(*matched), Relaxed);
        }
    }

    /// Reports the fields that were found on no page, if any page was read.
    pub fn report_to(&self, problems: &Problems) {
        let (read, pages) = (self.read.load(Relaxed), self.pages);
        for (name, times) in &self.found {
            if read > 0 && times.load(Relaxed) == 0 {
                problems.note(format!("the field {name} was found on none of {read} {pages}"));
            }
        }
    }
}

/// Pages whose bytes could not be decoded cleanly, reported once, however many there are.
#[derive(Debug, Default)]
pub struct OddTexts {
    replaced: Pages,
    guessed: Pages,
}

/// Pages of one kind: their number, and the first one's URL.
#[derive(Debug, Default)]
struct Pages {
    count: AtomicU64,
    first: OnceLock<String>,
}

impl OddTexts {
    /// Notes how the page at `url` was decoded.
    pub fn note(&self, url: &Url, decoding: Decoding) {
        let Decoding { replaced, is_guess } = decoding;
        for (pages, is_one) in [(&self.replaced, replaced > 0), (&self.guessed, is_guess)] {
            if is_one {
                pages.count.fetch_add(1, Relaxed);
                pages.first.get_or_init(|| shown(url));
            }
        }
    }

    /// Reports the pages; `characters` is the number of replaced characters.
    pub fn report_to(&self, problems: &Problems, characters: u64) {
        if let Some(first) = self.replaced.first.get() {
            let characters = counted(characters, "character", "characters");
            let pages = counted(self.replaced.count.load(Relaxed), "page", "pages");
            problems.note(format!(
                "{characters} on {pages} could not be decoded and became U+FFFD; the first page: {first}"
            ));
        }
        if let Some(first) = self.guessed.first.get() {
            let pages = counted(self.guessed.count.load(Relaxed), "page", "pages");
            problems.note(format!(
                "{pages} without a declared encoding, not UTF-8, read as windows-1252; the first page: {first}"
            ));
        }
    }
}
