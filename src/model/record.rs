//! The data to store: an item's key and document, and the verdict on it against what the store
//! knows.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::document::{Digest, Document};

/// Maximum length of a key, in bytes. Longer text is an accident, not an identity.
const LONGEST_KEY: usize = 1024;

/// An item's identity on its site, as text: `42` and `"42"` are one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Key(Arc<str>);

/// The reason why a text is not a valid key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, or only white space.
    #[error("the key is empty")]
    Empty,
    /// `.` or `..`, which would change the path of the item's URL.
    #[error("the key is a dot segment, which would change the path of the URL")]
    DotSegment,
    /// Longer than 1,024 bytes.
    #[error("the key is longer than {LONGEST_KEY} bytes")]
    TooLong,
}

/// Validators of a page, for a conditional request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Validators {
    /// Value of the `ETag` header.
    pub etag: Option<Box<str>>,
    /// Value of the `Last-Modified` header.
    pub last_modified: Option<Box<str>>,
}

impl Key {
    /// Creates a key in normal form: without white space around it.
    ///
    /// # Errors
    /// Returns an error if the text is empty, a dot segment or over 1,024 bytes.
    pub fn new(text: &str) -> Result<Key, KeyError> {
        match text.trim() {
            "" => Err(KeyError::Empty),
            "." | ".." => Err(KeyError::DotSegment),
            text if text.len() > LONGEST_KEY => Err(KeyError::TooLong),
            text => Ok(Key(text.into())),
        }
    }

    /// Returns the key, or `None` if the text is not a key in normal form.
    pub fn normal(text: &str) -> Option<Key> {
        Key::new(text).ok().filter(|key| key.as_str() == text)
    }

    /// Wraps the key of a stored row, for display. Other programs may have written an invalid key.
    pub fn as_stored(text: &str) -> Key {
        Key(text.into())
    }

    /// Returns the text of the key.
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

/// Prefix of the digests of site files in version 0.1.0. They cannot be compared with current ones.
pub const FIRST_FORM: &str = "1:";

/// The stored data of an item, looked up when the item is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Key of the item.
    pub key: Key,
    /// URL of the page, without credentials.
    pub url: Option<Box<str>>,
    /// Digest of the document, or `None` if gleaner did not write the document.
    pub digest: Option<Digest>,
    /// Id of the sweep that last fetched the item.
    pub sweep: Option<Box<str>>,
    /// Digest of the extraction rules that produced the document.
    pub rules: Option<Box<str>>,
    /// Version of the page that was last fetched.
    #[serde(flatten)]
    pub version: PageVersion,
    /// Time at which the item was first stored.
    pub first_seen: Option<Timestamp>,
    /// Time at which the item was last fetched.
    pub fetched_at: Option<Timestamp>,
    /// Time at which its document last changed.
    pub changed_at: Option<Timestamp>,
    /// Time at which the item was last listed.
    pub seen_at: Option<Timestamp>,
    /// Time from which the item is no longer listed.
    pub unlisted_at: Option<Timestamp>,
    /// Time at which the item was marked gone.
    pub gone_at: Option<Timestamp>,
}

impl Known {
    /// Returns true if the rules' digest has the form of version 0.1.0.
    pub fn has_first_rules(&self) -> bool {
        self.rules.as_deref().is_some_and(|rules| rules.starts_with(FIRST_FORM))
    }
}

/// The result of comparing a record with what the store knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The store does not have the item.
    New,
    /// The store has another document.
    Changed,
    /// The store has the same document. Only the metadata is written. It is not a [`Seen`], since
    /// the document is at hand: a store that has lost it, or holds another one, gets it without a
    /// second request. The item may also have a new URL, or be requested without its list.
    Same,
}

/// An item to store.
#[derive(Debug)]
pub struct Record {
    /// Key of the item.
    pub key: Key,
    /// URL of the page, without credentials.
    pub url: Box<str>,
    /// True if the list gave the item's URL and the store has another one.
    pub has_moved: bool,
    /// Document as the site gave it.
    pub document: Document,
    /// Version of the page.
    pub version: PageVersion,
    /// Time at which the page was fetched.
    pub fetched_at: Timestamp,
    /// Result of the comparison with the store.
    pub verdict: Verdict,
    /// Time at which the item was first stored: now, if it is new.
    pub first_seen: Timestamp,
    /// Time at which the document last changed: now, unless it is unchanged.
    pub changed_at: Timestamp,
    /// Time at which the item was last listed: now, unless it was requested without its list.
    pub seen_at: Timestamp,
    /// Time from which the item is no longer listed, if it was requested without its list.
    pub unlisted_at: Option<Timestamp>,
}

/// Values that are the same for all records of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Id of the sweep.
    pub sweep: Box<str>,
    /// Digest of the extraction rules.
    pub rules: Box<str>,
}

/// An item that was seen and whose document is kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Key of the item.
    pub key: Key,
    /// Time at which the item was listed or requested.
    pub at: Timestamp,
    /// Result of the request, if the item is unchanged. `None` if the item was skipped or missing,
    /// or if its page could not be fetched.
    pub fetched: Option<Fetched>,
}

/// The update to store for an unchanged item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fetched {
    /// Its validators are those that the store holds. One statement updates many such items.
    Same,
    /// Its validators differ; these replace the stored ones.
    With(PageVersion),
    /// The item was not requested. Its document counts as made by the current rules, though their
    /// digest has the form of an earlier version. Only the digest is updated.
    TakenOver,
}

/// Version of an item's page, as its validators and its revision tell it. In an update, `None` clears
/// the stored value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PageVersion {
    /// Revision of the item, as the list gave it: usually the date of its last change.
    pub revision: Option<Box<str>>,
    /// `ETag` for the next conditional request.
    pub etag: Option<Box<str>>,
    /// `Last-Modified` for the next conditional request.
    pub last_modified: Option<Box<str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_written_without_groups() {
        let version = PageVersion { etag: Some("e".into()), ..PageVersion::default() };
        let known = Known {
            key: Key::new("1").unwrap(),
            url: None,
            digest: None,
            sweep: Some("s".into()),
            rules: None,
            version,
            first_seen: Some(Timestamp::UNIX_EPOCH),
            fetched_at: None,
            changed_at: None,
            seen_at: None,
            unlisted_at: None,
            gone_at: None,
        };
        let text = serde_json::to_string(&known).unwrap();
        let expected = r#"{"key":"1","url":null,"digest":null,"sweep":"s","rules":null,"revision":null,"etag":"e","last_modified":null,"first_seen":"1970-01-01T00:00:00Z","fetched_at":null,"changed_at":null,"seen_at":null,"unlisted_at":null,"gone_at":null}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Known>(&text).unwrap(), known);
    }
}
