//! What is to be stored: an item's key and document, the verdict on it, and what could not be had.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::document::{Digest, Document};

/// Longest key in bytes; what is longer is no identity but an accident.
const LONGEST_KEY: usize = 1024;

/// An item's identity on its site, as text: `42` and `"42"` are one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Key(Arc<str>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing, or nothing but white space.
    #[error("the key is empty")]
    Empty,
    /// `.` or `..`, which would change the path of the item's URL.
    #[error("the key is a dot segment, which would change the path of the URL")]
    DotSegment,
    /// More than 1,024 bytes.
    #[error("the key is longer than {LONGEST_KEY} bytes")]
    TooLong,
}

/// Validators that a page came with, by which the site can tell whether it changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// The entity tag.
    pub etag: Option<Box<str>>,
    /// The time.
    pub last_modified: Option<Box<str>>,
}

impl Key {
    /// The key in its one normal form: white space around it taken off.
    ///
    /// # Errors
    /// Where the text is empty, a dot segment or over 1,024 bytes.
    pub fn new(text: &str) -> Result<Key, KeyError> {
        match text.trim() {
            "" => Err(KeyError::Empty),
            "." | ".." => Err(KeyError::DotSegment),
            text if text.len() > LONGEST_KEY => Err(KeyError::TooLong),
            text => Ok(Key(text.into())),
        }
    }

    /// The key, if the text is one in its normal form.
    pub fn normal(text: &str) -> Option<Key> {
        Key::new(text).ok().filter(|key| key.as_str() == text)
    }

    /// What stands where a row has its key, to be shown: others may have put there what is no key.
    pub fn as_stored(text: &str) -> Key {
        Key(text.into())
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let text = String::deserialize(deserializer)?;
        Key::new(&text).map_err(serde::de::Error::custom)
    }
}

/// The number that digests of site files bore in version 0.1.0: they cannot be compared with those of
/// today.
pub const FIRST_FORM: &str = "1:";

/// What the store holds of an item, asked for when the item was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The item.
    pub key: Key,
    /// Where it was fetched, without credentials.
    pub url: Option<Box<str>>,
    /// The document's digest; absent where the document was not written by gleaner.
    pub digest: Option<Digest>,
    /// The sweep that last fetched it.
    pub sweep: Option<Box<str>>,
    /// Digest of the extraction rules that made the document.
    pub rules: Option<Box<str>>,
    /// The list's word on when the item changed.
    pub revision: Option<Box<str>>,
    /// Validator for a conditional request.
    pub etag: Option<Box<str>>,
    /// Validator for a conditional request.
    pub last_modified: Option<Box<str>>,
    /// When it was first stored.
    pub first_seen: Option<Timestamp>,
    /// When it was last fetched.
    pub fetched_at: Option<Timestamp>,
    /// When its document last changed.
    pub changed_at: Option<Timestamp>,
    /// When it was last listed.
    pub seen_at: Option<Timestamp>,
    /// Since when the list leaves it out.
    pub unlisted_at: Option<Timestamp>,
    /// Since when it is marked gone.
    pub gone_at: Option<Timestamp>,
}

impl Known {
    /// Returns whether the digest of the rules that made the document is of version 0.1.0's form.
    pub fn has_first_rules(&self) -> bool {
        self.rules.as_deref().is_some_and(|rules| rules.starts_with(FIRST_FORM))
    }

    /// What the page came with when it was last fetched.
    pub fn ages(&self) -> Ages {
        let Known { etag, last_modified, revision, .. } = self;
        Ages {
            etag: etag.clone(),
            last_modified: last_modified.clone(),
            revision: revision.clone(),
        }
    }
}

/// A record against what the store knew of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The store did not have it.
    New,
    /// The store had another document.
    Changed,
    /// The store has the very document.
    Same,
}

/// An item to be stored.
#[derive(Debug)]
pub struct Record {
    /// The item.
    pub key: Key,
    /// Where it was fetched, without credentials.
    pub url: Box<str>,
    /// Whether the store has it from another page, as its list said then.
    pub has_moved: bool,
    /// The document as the site gave it.
    pub document: Document,
    /// Validator the page came with.
    pub etag: Option<Box<str>>,
    /// Validator the page came with.
    pub last_modified: Option<Box<str>>,
    /// The list's word on when the item changed.
    pub revision: Option<Box<str>>,
    /// When the page was fetched.
    pub fetched_at: Timestamp,
    /// Against what the store knew.
    pub verdict: Verdict,
    /// When it was first stored: now, where the verdict is new.
    pub first_seen: Timestamp,
    /// When the document last changed: now, unless the verdict is same.
    pub changed_at: Timestamp,
    /// When it was last listed: now, unless it was asked for without its list.
    pub seen_at: Timestamp,
    /// Since when the list leaves it out, where it was asked for without its list.
    pub unlisted_at: Option<Timestamp>,
}

/// What is the same for all records of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Id of the sweep.
    pub sweep: Box<str>,
    /// Digest of the extraction rules.
    pub rules: Box<str>,
}

/// An item that was listed and whose document stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The item.
    pub key: Key,
    /// When it was listed, or asked for.
    pub at: Timestamp,
    /// What its page said, where it was asked for and said that nothing has changed; nothing where
    /// the item was skipped or missing, or where its page could not be had.
    pub fetched: Option<Fetched>,
}

/// What is kept of a page that said that nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fetched {
    /// It came with what the store holds, which stays: one statement notes this of many items.
    Same,
    /// It came with these instead.
    With(Ages),
    /// It was not asked for, but its document is taken to be made by the rules of today: those that
    /// made it bear the number of an earlier version. Nothing else is noted.
    TakenOver,
}

/// What tells one age of an item from another: what is absent is taken off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ages {
    /// Validator for the next conditional request.
    pub etag: Option<Box<str>>,
    /// Validator for the next conditional request.
    pub last_modified: Option<Box<str>>,
    /// The list's word on when the item changed.
    pub revision: Option<Box<str>>,
}
