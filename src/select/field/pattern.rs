//! The `regex` of a field: linear time in the text, limited in size.

use regex::{Regex, RegexBuilder};

use crate::select::budget::{Budget, LimitError};

/// Maximum size of a compiled pattern, in bytes. Search time grows with it.
const LARGEST: usize = 8 * 1024 * 1024;
/// Maximum length of a searched text, in bytes.
const LONGEST: usize = 1024 * 1024;
/// Bytes that two parts of a longer text have in common: a match is found if it begins with less.
const OVERLAP: usize = 64 * 1024;

/// A regular expression. Two are equal if they are written alike.
#[derive(Clone)]
pub struct Pattern(Regex);

/// Error for a text that is not a valid regular expression, or too large a one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a regular expression: {message}")]
pub struct PatternError {
    text: String,
    message: String,
}

/// Error for a text that is too long to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl std::fmt::Debug for Pattern {
    /// Writes the pattern as it was written: digests of site files depend on this.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self.text(), f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Pattern {
    /// Parses a regular expression.
    ///
    /// # Errors
    /// Returns an error if the text is not valid, or takes more than 8 MiB when compiled.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let wrong = |message: String| PatternError { text: text.to_owned(), message };
        match RegexBuilder::new(text).size_limit(LARGEST).build() {
            Ok(regex) => Ok(Pattern(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                Err(wrong("it is too large; repeat less in it, or use [0-9] for \\d".to_owned()))
            }
            Err(error) => Err(wrong(last_line(&error.to_string()))),
        }
    }

    /// Returns the expression as it was written.
    pub fn text(&self) -> &str {
        self.0.as_str()
    }

    /// Returns the offset of what [`Pattern::find`] would keep, in a text of any length. The end of a
    /// match does not count: a long text is searched in parts, which overlap.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up.
    pub fn start(&self, text: &str, budget: &Budget) -> Result<Option<usize>, LimitError> {
        let (mut from, mut to) = (0, floor(text, LONGEST));
        loop {
            budget.check()?;
            if let Some(found) = self.0.captures_at(&text[..to], from) {
                let kept = found.get(if self.0.captures_len() > 1 { 1 } else { 0 });
                return Ok(kept.map(|kept| kept.start()));
            }
            if to == text.len() {
                return Ok(None);
            }
            from = floor(text, to - OVERLAP);
            to = floor(text, to.saturating_add(LONGEST));
        }
    }

    /// Returns what [`Pattern::find`] keeps of each match.
    ///
    /// # Errors
    /// Returns `TooLong` if the text is longer than 1 MiB.
    pub fn find_all<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, TooLong> {
        if text.len() > LONGEST {
            return Err(TooLong);
        }
        let group = if self.0.captures_len() > 1 { 1 } else { 0 };
        let kept = self.0.captures_iter(text).filter_map(|found| found.get(group));
        Ok(kept.map(|kept| kept.as_str()).collect())
    }

    /// Returns the first group of the first match, or the whole match if the pattern has no group.
    /// Returns `None` if nothing matches, or the group is not part of the match.
    ///
    /// # Errors
    /// Returns `TooLong` if the text is longer than 1 MiB.
    pub fn find<'t>(&self, text: &'t str) -> Result<Option<&'t str>, TooLong> {
        if text.len() > LONGEST {
            return Err(TooLong);
        }
        if self.0.captures_len() == 1 {
            return Ok(self.0.find(text).map(|all| all.as_str()));
        }
        let captures = self.0.captures(text);
        Ok(captures.and_then(|captures| captures.get(1)).map(|group| group.as_str()))
    }
}

/// Returns the last place that is between characters and not after `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns the last line of an error of `regex`. The lines before it draw the expression.
fn last_line(message: &str) -> String {
    let last = message.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_first_group_is_kept() {
        for (pattern, text, expected) in [
            (r"(\d+) of (\d+)", "page 3 of 12", Some("3")),
            (r"\d+", "page 3 of 12", Some("3")),
            (r"(?:ISBN )(\d+)", "ISBN 978", Some("978")),
            (r"(?i)preis: (\S+)", "PREIS: 5€", Some("5€")),
            (r"a(x)?b", "ab", None),
            (r"\d", "none", None),
            (r"价格：(\d+)", "价格：42", Some("42")),
        ] {
            assert_eq!(Pattern::parse(pattern).unwrap().find(text), Ok(expected), "{pattern}");
        }
    }

    #[test]
    fn the_start_is_found_in_a_text_of_any_length() {
        let budget = Budget::default();
        for before in [0, LONGEST - 5, 3 * LONGEST + 7] {
            let text = format!("{}é; S = {{1}};", "é".repeat(before / 2));
            let start = Pattern::parse(r"S = (.*)").unwrap().start(&text, &budget).unwrap();
            assert_eq!(start.map(|at| &text[at..]), Some("{1};"), "{before}");
            assert_eq!(Pattern::parse(r"^S = ").unwrap().start(&text, &budget), Ok(None));
            assert_eq!(Pattern::parse(r"S = \{|(x)").unwrap().start(&text, &budget), Ok(None));
            let whole = Pattern::parse(r"S =").unwrap().start(&text, &budget).unwrap();
            assert_eq!(whole.map(|at| &text[at..at + 3]), Some("S ="));
        }
        let spent = Budget::of(Duration::ZERO);
        spent.check().ok();
        let long = "a".repeat(64 * LONGEST);
        let said = Pattern::parse("(a+)+b").unwrap().start(&long, &spent);
        assert_eq!(said, Err(LimitError::Time(Duration::ZERO)));
    }

    #[test]
    fn what_is_no_pattern_says_so() {
        for (bad, words) in
            [("(", "unclosed group"), (r"\w{1000}{1000}", "too large"), ("*", "repe")]
        {
            let error = Pattern::parse(bad).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains('\n'), "{error}");
        }
        assert!(Pattern::parse(r"\w{1,40}\s\p{L}{1,20}").is_ok());
    }

    #[test]
    fn p4_a_pathological_pattern_is_linear_and_a_long_text_refused() {
        let pattern = Pattern::parse(r"(a+)+$").unwrap();
        let start = Instant::now();
        assert_eq!(pattern.find(&format!("{}b", "a".repeat(200_000))), Ok(None));
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert_eq!(pattern.find(&"a".repeat(LONGEST + 1)), Err(TooLong));
    }
}
