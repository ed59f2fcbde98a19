//! Groups sentences that differ only in their page: each group is one sentence with a count and a
//! few examples.

use indexmap::IndexMap;

/// Maximum number of examples beside the first one.
const EXAMPLES: usize = 3;

/// Maximum number of different sentences; further ones are only counted.
const MOST: usize = 200;

/// Sentences, grouped by their common shape.
#[derive(Debug, Default)]
pub struct Alike {
    groups: IndexMap<String, Group>,
    unsaid: u64,
}

#[derive(Debug)]
struct Group {
    first: String,
    times: u64,
    /// Differences of the other sentences from the first.
    others: Vec<String>,
}

impl Alike {
    /// Adds a sentence about `place`, which may be empty, and returns how often its group was added
    /// so far. An identical sentence counts once. When there are too many groups, a sentence of a
    /// new kind is only counted, and the result is 1.
    pub fn note(&mut self, place: &str, what: &str) -> u64 {
        let sentence = if place.is_empty() { what.to_owned() } else { format!("{place}: {what}") };
        let shape = shape(what);
        if self.groups.len() >= MOST && !self.groups.contains_key(&shape) {
            self.unsaid += 1;
            return 1;
        }
        let group = self.groups.entry(shape).or_insert_with(|| Group {
            first: sentence.clone(),
            times: 0,
            others: Vec::new(),
        });
        let other = difference(&sentence, &group.first);
        let is_new = group.times == 0 || sentence != group.first && !group.others.contains(&other);
        if is_new {
            group.times += 1;
            if group.times > 1 && group.others.len() < EXAMPLES {
                group.others.push(other);
            }
        }
        group.times
    }

    /// Returns the number of sentences that are not shown.
    pub fn unsaid(&self) -> u64 {
        self.unsaid
    }

    /// Returns a sentence and its count for each group, in the order in which they were first
    /// added.
    pub fn sentences(&self) -> impl Iterator<Item = (String, u64)> {
        self.groups.values().map(|group| (group.sentence(), group.times))
    }
}

impl Group {
    fn sentence(&self) -> String {
        let Group { first, times, others } = self;
        if *times == 1 {
            return first.clone();
        }
        let such = if others.len() as u64 + 1 < *times { ", such as " } else { ": " };
        format!("{first} (and {} more like it{such}{})", times - 1, others.join("; "))
    }
}

/// Returns the sentence without numbers, URLs and quoted values, which is the same for all
/// sentences of a kind.
fn shape(sentence: &str) -> String {
    let mut shape = String::with_capacity(sentence.len());
    for (at, part) in sentence.split('"').enumerate() {
        if at % 2 == 1 {
            shape.push_str("\"\"");
            continue;
        }
        for word in part.split(' ') {
            if word.contains("://") {
                shape.push('@');
            } else {
                word.chars().for_each(|c| match c.is_ascii_digit() {
                    true if shape.ends_with('#') => {}
                    true => shape.push('#'),
                    false => shape.push(c),
                });
            }
            shape.push(' ');
        }
    }
    shape
}

/// Returns the words of `sentence` without the ending that it shares with `first`.
fn difference(sentence: &str, first: &str) -> String {
    let words: Vec<&str> = sentence.split(' ').collect();
    let same = words.iter().rev().zip(first.rsplit(' ')).take_while(|(one, other)| *one == other);
    let differs = words.len() - same.count();
    let start = if differs == 0 { words.len() } else { differs };
    words[..start].join(" ").trim_end_matches(':').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(noted: &[(&str, &str)]) -> Vec<String> {
        let mut alike = Alike::default();
        for (place, what) in noted {
            alike.note(place, what);
        }
        alike.sentences().map(|(sentence, _)| sentence).collect()
    }

    #[test]
    fn o3_the_same_of_many_pages_is_one_sentence_with_a_count_and_examples() {
        let places: Vec<String> =
            (1..=174).map(|at| format!("item {at} at http://h/{at}")).collect();
        let noted: Vec<(&str, &str)> =
            places.iter().map(|place| (place.as_str(), "the site answered 500")).collect();
        let one = "item 1 at http://h/1: the site answered 500 (and 173 more like it, such as item 2 \
                   at http://h/2; item 3 at http://h/3; item 4 at http://h/4)";
        assert_eq!(said(&noted), [one]);
        assert_eq!(said(&noted[..1]), ["item 1 at http://h/1: the site answered 500"]);
        let two = "item 1 at http://h/1: the site answered 500 (and 1 more like it: item 2 at http://h/2)";
        assert_eq!(said(&noted[..2]), [two]);
    }

    #[test]
    fn o3_numbers_urls_and_quoted_values_do_not_tell_problems_apart() {
        let noted = [
            ("item 1", "the field n should be an integer but is \"a b\""),
            ("item 2", "the field n should be an integer but is \"c\""),
            ("", "page 3 of the list names http://h/3 twice"),
            ("", "page 41 of the list names http://h/x/y twice"),
            ("item 1", "the field m should be an integer but is \"c\""),
        ];
        let said = said(&noted);
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].ends_with(
            "\"a b\" (and 1 more like it: item 2: the field n should be an integer but is \"c\")"
        ));
        assert!(
            said[1].ends_with("twice (and 1 more like it: page 41 of the list names http://h/x/y)")
        );
    }

    #[test]
    fn o3_more_different_problems_than_anybody_reads_are_counted() {
        let mut alike = Alike::default();
        let word = |at: usize| "x".repeat(at + 1);
        for at in 0..MOST + 5 {
            assert_eq!(alike.note("", &word(at)), 1);
        }
        assert_eq!(alike.note("item 1", &word(0)), 2, "those that are known go on being counted");
        assert_eq!((alike.sentences().count(), alike.unsaid()), (MOST, 5));
    }

    #[test]
    fn o3_the_very_same_sentence_is_said_once_and_not_counted() {
        let noted = [("", "the list repeats itself"), ("", "the list repeats itself")];
        assert_eq!(said(&noted), ["the list repeats itself"]);
    }
}
