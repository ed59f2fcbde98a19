//! What a page means for what the store holds: new, changed or the same. A function of values.

use jiff::Timestamp;

use crate::document::{Digest, Document};
use crate::record::{Key, Known, Record, Verdict};

/// Where a document came from, and what the site says of its age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The URL, without credentials.
    pub url: Box<str>,
    /// Validator.
    pub etag: Option<Box<str>>,
    /// Validator.
    pub last_modified: Option<Box<str>>,
    /// The list's word on when the item changed.
    pub revision: Option<Box<str>>,
}

/// The verdict on a document with `digest`, against what the store knew.
pub fn verdict(known: Option<&Known>, digest: Digest) -> Verdict {
    match known {
        None => Verdict::New,
        Some(known) if known.digest == Some(digest) => Verdict::Same,
        Some(_) => Verdict::Changed,
    }
}

/// The record of an item that was fetched at `now`.
pub fn record(
    key: Key,
    origin: Origin,
    document: Document,
    known: Option<&Known>,
    now: Timestamp,
) -> Record {
    let verdict = verdict(known, document.digest);
    let back = known.is_some_and(|known| known.gone_at.is_some());
    let unchanged = known.filter(|_| verdict == Verdict::Same && !back);
    Record {
        key,
        url: origin.url,
        document,
        etag: origin.etag,
        last_modified: origin.last_modified,
        revision: origin.revision,
        fetched_at: now,
        verdict,
        first_seen: known.and_then(|known| known.first_seen).unwrap_or(now),
        changed_at: unchanged.and_then(|known| known.changed_at).unwrap_or(now),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::document::{Encoding, Json};

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn known(digest: Option<Digest>, gone_at: Option<Timestamp>) -> Known {
        Known {
            key: Key::new("1").unwrap(),
            digest,
            sweep: None,
            rules: None,
            revision: None,
            etag: None,
            last_modified: None,
            first_seen: Some(seconds(1)),
            fetched_at: Some(seconds(2)),
            changed_at: Some(seconds(2)),
            unlisted_at: None,
            gone_at,
        }
    }

    fn made(known: Option<&Known>) -> (Verdict, i64, i64) {
        let text = Bytes::from_static(br#"{"a":1}"#);
        let document = Document::new(&Json::parse(&text).unwrap(), &text, Encoding::Text).unwrap();
        let key = Key::new("1").unwrap();
        let record = record(key, Origin::default(), document, known, seconds(9));
        (record.verdict, record.first_seen.as_second(), record.changed_at.as_second())
    }

    #[test]
    fn times_tell_when_something_happened() {
        let digest = Digest::of(b"");
        let same = {
            let text = Bytes::from_static(br#"{"a":1}"#);
            Document::new(&Json::parse(&text).unwrap(), &text, Encoding::Text).unwrap().digest
        };
        assert_eq!(made(None), (Verdict::New, 9, 9));
        assert_eq!(made(Some(&known(Some(digest), None))), (Verdict::Changed, 1, 9));
        assert_eq!(made(Some(&known(Some(same), None))), (Verdict::Same, 1, 2));
        assert_eq!(made(Some(&known(None, None))), (Verdict::Changed, 1, 9), "adopted");
        assert_eq!(made(Some(&known(Some(same), Some(seconds(5))))), (Verdict::Same, 1, 9), "back");
    }
}
