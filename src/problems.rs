//! What the user should know of a run, in sentences, the same of many pages said once.
//!
//! A *gap* is something that is missing from the store or may be: with one the sweep is
//! incomplete. A *note* is not. No sentence shows a credential.

mod alike;

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};

use url::Url;

use crate::decoding::Decoding;
use crate::secret::shown;
use crate::wording::counted;

use crate::secret::Scrubber;
pub use alike::Alike;

/// What the user should know of a run, gathered while it goes on.
#[derive(Debug, Default)]
pub struct Problems {
    said: Mutex<Said>,
    scrubber: Scrubber,
}

#[derive(Debug, Default)]
struct Said {
    /// What is said of single pages.
    alike: Alike,
    /// What is said at the end, of the run as a whole.
    last: Vec<String>,
    gap: bool,
}

impl Problems {
    /// No problems as yet. Those that come are shown without what `scrubber` hides.
    pub fn new(scrubber: Scrubber) -> Problems {
        Problems { said: Mutex::default(), scrubber }
    }

    /// Something is missing or may be.
    pub fn gap(&self, sentence: impl AsRef<str>) {
        self.say("", sentence.as_ref(), true);
    }

    /// Something is missing or may be, at a place that is one of many.
    pub fn gap_at(&self, place: impl Display, what: impl AsRef<str>) {
        self.say(&place.to_string(), what.as_ref(), true);
    }

    /// Something is worth knowing.
    pub fn note(&self, sentence: impl AsRef<str>) {
        self.say("", sentence.as_ref(), false);
    }

    /// Something is worth knowing of a place that is one of many.
    pub fn note_at(&self, place: impl Display, what: impl AsRef<str>) {
        self.say(&place.to_string(), what.as_ref(), false);
    }

    /// Something is missing in the run as a whole: this is said however much was said before.
    pub fn last_gap(&self, sentence: impl AsRef<str>) {
        self.with(|said| said.gap = true);
        self.last_note(sentence);
    }

    /// Something is worth knowing of the run as a whole: this is said however much was said before.
    pub fn last_note(&self, sentence: impl AsRef<str>) {
        let sentence = self.scrubber.scrub_cut(sentence.as_ref());
        self.with(|said| said.last.push(sentence));
    }

    /// Whether anything is missing or may be.
    pub fn has_gap(&self) -> bool {
        self.with(|said| said.gap)
    }

    /// All sentences, in the order in which they were first said.
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

    fn say(&self, place: &str, what: &str, gap: bool) {
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

/// On how many pages each of the site file's fields was found: one that was found nowhere is a
/// problem, since the site may have been redesigned.
#[derive(Debug)]
pub struct FieldsFound {
    /// What they are looked for on.
    pages: &'static str,
    read: AtomicU64,
    found: Vec<(Box<str>, AtomicU64)>,
}

impl FieldsFound {
    /// Nothing was found yet of the fields of these names.
    /// `pages` says what they are looked for on.
    pub fn new(names: Vec<Box<str>>, pages: &'static str) -> FieldsFound {
        FieldsFound {
            pages,
            read: AtomicU64::new(0),
            found: names.into_iter().map(|name| (name, AtomicU64::new(0))).collect(),
        }
    }

    /// A page was read; says for each field, in their order, whether it was found.
    pub fn note(&self, matched: &[bool]) {
        self.read.fetch_add(1, Relaxed);
        for ((_, times), matched) in self.found.iter().zip(matched) {
            times.fetch_add(u64::from(*matched), Relaxed);
        }
    }

    /// Says which fields were found nowhere, where pages were read.
    pub fn say(&self, problems: &Problems) {
        let (read, pages) = (self.read.load(Relaxed), self.pages);
        for (name, times) in &self.found {
            if read > 0 && times.load(Relaxed) == 0 {
                problems.note(format!("the field {name} was found on none of {read} {pages}"));
            }
        }
    }
}

/// Pages whose bytes were not quite text: said once, whatever their number.
#[derive(Debug, Default)]
pub struct OddTexts {
    replaced: Pages,
    guessed: Pages,
}

/// Pages of a kind.
#[derive(Debug, Default)]
struct Pages {
    count: AtomicU64,
    first: OnceLock<String>,
}

impl OddTexts {
    /// Notes what was done to make text of the page at `url`.
    pub fn note(&self, url: &Url, decoding: Decoding) {
        let Decoding { replaced, is_guess } = decoding;
        for (pages, is_one) in [(&self.replaced, replaced > 0), (&self.guessed, is_guess)] {
            if is_one {
                pages.count.fetch_add(1, Relaxed);
                pages.first.get_or_init(|| shown(url));
            }
        }
    }

    /// Says so; `characters` is how many were replaced.
    pub fn say(&self, problems: &Problems, characters: u64) {
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
