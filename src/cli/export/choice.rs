//! The filter of an export. It decides from the metadata that gleaner keeps of each document.

use clap::ValueEnum;
use jiff::Timestamp;

use crate::model::record::Known;

/// How to treat documents with a mark: gone or unlisted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Marked {
    /// Export them, too.
    With,
    /// Do not export them.
    Without,
    /// Export only them.
    Only,
}

/// Result of a sweep for a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verdict {
    /// The document was not in the store before.
    New,
    /// The document was in the store with another content, or was marked as gone.
    Changed,
}

/// Filter of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Only documents that changed at this time or later. With `gone` set to [`Marked::Only`],
    /// documents marked as gone at this time or later.
    pub since: Option<Timestamp>,
    /// How to treat documents that are marked as gone.
    pub gone: Marked,
    /// How to treat documents that are no longer listed, but not gone.
    pub unlisted: Marked,
    /// Only documents with this verdict in the sweep that started at this time.
    pub verdict: Option<(Verdict, Timestamp)>,
}

impl Choice {
    /// Returns true if the document is exported.
    pub fn takes(&self, known: &Known) -> bool {
        let is_gone = known.gone_at.is_some();
        let marks = self.gone.takes(is_gone)
            && self.unlisted.takes(known.unlisted_at.is_some() && !is_gone);
        let turned = match self.gone {
            Marked::Only => known.gone_at,
            Marked::With | Marked::Without => known.changed_at,
        };
        let since = self.since.is_none_or(|since| is_since(turned, since));
        let verdict = self.verdict.is_none_or(|(verdict, begin)| match verdict {
            Verdict::New => is_since(known.first_seen, begin),
            Verdict::Changed => {
                is_since(known.changed_at, begin) && !is_since(known.first_seen, begin)
            }
        });
        marks && since && verdict
    }
}

impl Marked {
    fn takes(self, is_marked: bool) -> bool {
        match self {
            Marked::With => true,
            Marked::Without => !is_marked,
            Marked::Only => is_marked,
        }
    }
}

/// Returns true if `time` is at or after `then`. Compares milliseconds, because stores keep no
/// finer times.
fn is_since(time: Option<Timestamp>, then: Timestamp) -> bool {
    time.is_some_and(|time| time.as_millisecond() >= then.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{Key, PageVersion};

    fn millis(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    fn known(first_seen: i64, changed_at: i64, gone_at: Option<i64>) -> Known {
        Known {
            key: Key::new("a").unwrap(),
            url: None,
            digest: None,
            sweep: None,
            rules: None,
            version: PageVersion::default(),
            first_seen: Some(millis(first_seen)),
            fetched_at: None,
            changed_at: Some(millis(changed_at)),
            seen_at: None,
            unlisted_at: None,
            gone_at: gone_at.map(millis),
        }
    }

    const ALL: Choice =
        Choice { since: None, gone: Marked::With, unlisted: Marked::With, verdict: None };

    #[test]
    fn gone_documents_are_left_out_taken_along_or_taken_alone() {
        let taken = |gone| {
            let choice = Choice { gone, ..ALL };
            (choice.takes(&known(1, 1, None)), choice.takes(&known(1, 1, Some(2))))
        };
        assert_eq!(taken(Marked::With), (true, true));
        assert_eq!(taken(Marked::Without), (true, false));
        assert_eq!(taken(Marked::Only), (false, true));
    }

    #[test]
    fn g6_unlisted_documents_are_taken_along_left_out_or_taken_alone() {
        let unlisted = Known { unlisted_at: Some(millis(2)), ..known(1, 1, None) };
        // What left the list before it was gone is gone.
        let gone = Known { unlisted_at: Some(millis(2)), ..known(1, 1, Some(3)) };
        let taken = |unlisted_too| {
            let choice = Choice { unlisted: unlisted_too, ..ALL };
            [&known(1, 1, None), &unlisted, &gone].map(|known| choice.takes(known))
        };
        assert_eq!(taken(Marked::With), [true, true, true]);
        assert_eq!(taken(Marked::Without), [true, false, true]);
        assert_eq!(taken(Marked::Only), [false, true, false]);
    }

    #[test]
    fn o4_what_left_since_goes_by_the_time_at_which_it_left() {
        let taken =
            |gone, known: &Known| Choice { gone, since: Some(millis(5)), ..ALL }.takes(known);
        let (left_since, left_before) = (known(1, 2, Some(6)), known(1, 6, Some(4)));
        assert!(taken(Marked::Only, &left_since) && !taken(Marked::Only, &left_before));
        // Beside others, documents go by their changes.
        assert!(!taken(Marked::With, &left_since) && taken(Marked::With, &left_before));
    }

    #[test]
    fn times_are_compared_in_milliseconds() {
        let since = Timestamp::from_microsecond(5_999).unwrap();
        let choice = Choice { since: Some(since), ..ALL };
        let taken = |changed_at| choice.takes(&known(1, changed_at, None));
        assert_eq!((taken(4), taken(5), taken(6)), (false, true, true));
        assert!(!choice.takes(&Known { changed_at: None, ..known(1, 9, None) }));
    }

    #[test]
    fn a_new_document_is_not_a_changed_one() {
        let taken = |first_seen, changed_at| {
            [Verdict::New, Verdict::Changed].map(|verdict| {
                let choice = Choice { verdict: Some((verdict, millis(5))), ..ALL };
                choice.takes(&known(first_seen, changed_at, None))
            })
        };
        assert_eq!(taken(5, 5), [true, false]);
        assert_eq!(taken(5, 6), [true, false]);
        assert_eq!(taken(4, 5), [false, true]);
        assert_eq!(taken(4, 4), [false, false]);
    }
}
