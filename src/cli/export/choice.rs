//! Which documents are exported: decided by what gleaner keeps of each.

use clap::ValueEnum;
use jiff::Timestamp;

use crate::record::Known;

/// What to do with documents that bear a mark: gone, or not listed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Marked {
    /// Export them like the others.
    With,
    /// Leave them out.
    Without,
    /// Export nothing else.
    Only,
}

/// What a sweep found a document to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verdict {
    /// It was not in the store before.
    New,
    /// It was, with another document, or marked gone.
    Changed,
}

/// Filter of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Only those that changed then or later; of those that are gone, where nothing else is exported,
    /// those that left then or later.
    pub since: Option<Timestamp>,
    /// What to do with those that are gone.
    pub gone: Marked,
    /// What to do with those that no list names any more, and that are not gone.
    pub unlisted: Marked,
    /// Only those that a sweep, which began then, found to be so.
    pub verdict: Option<(Verdict, Timestamp)>,
}

impl Choice {
    /// Whether a document is exported.
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

/// Whether it was then or later, in milliseconds, since stores keep no more.
fn is_since(time: Option<Timestamp>, then: Timestamp) -> bool {
    time.is_some_and(|time| time.as_millisecond() >= then.as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Key;

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
            revision: None,
            etag: None,
            last_modified: None,
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
