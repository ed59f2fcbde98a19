//! JSON pages: decodes and parses the bytes, and repairs common mistakes.
//!
//! A page in another encoding is decoded by its byte order mark or its header (`charset.rs`). A
//! page that is not valid JSON is parsed once more with the mistakes that many programs make
//! replaced: a few bytes that are not UTF-8, unpaired surrogates, raw control characters. The
//! replacements are counted, and the repaired text is the one that is kept.

use std::cell::Cell;

use bson::raw::RawBsonRef;
use bytes::Bytes;
use url::Url;

use super::budget::Budget;
use super::charset;
use super::field::Scope;
use crate::fetch::Page;
use crate::model::decoding::Decoding;
use crate::model::document::{self, Json, JsonError};

/// A JSON page.
pub struct JsonPage {
    json: Json,
    text: Bytes,
    replaced: Cell<u64>,
    /// True if the encoding was guessed.
    is_guess: bool,
    budget: Budget,
    /// URL that relative ones on the page start from, or `None` if it is not known.
    base: Option<Url>,
}

impl JsonPage {
    /// Parses a page, whatever its `Content-Type` says.
    ///
    /// # Errors
    /// Returns an error if the page is not JSON and cannot be repaired.
    pub fn read(page: &Page) -> Result<JsonPage, JsonError> {
        let (text, replaced) = charset::of_json(&page.body, page.content_type());
        let read = JsonPage::parse(text)?;
        read.replaced(replaced);
        Ok(JsonPage { base: Some(page.url.clone()), ..read })
    }

    /// Parses JSON text.
    ///
    /// # Errors
    /// Returns an error if the text is not JSON and cannot be repaired.
    pub fn parse(text: Bytes) -> Result<JsonPage, JsonError> {
        let (json, text, replaced) = match Json::parse(&text) {
            Ok(json) => (json, text, 0),
            Err(error) => match mended(&text) {
                Some((text, replaced)) => (Json::parse(&text)?, text, replaced),
                None => return Err(error),
            },
        };
        let budget = Budget::default();
        let replaced = Cell::new(replaced);
        Ok(JsonPage { json, text, replaced, is_guess: false, budget, base: None })
    }

    /// Parses JSON within a page with this budget, which has begun.
    ///
    /// # Errors
    /// Returns an error if the text is not JSON and cannot be repaired.
    pub(super) fn within(
        text: &str,
        base: Option<&Url>,
        budget: &Budget,
    ) -> Result<JsonPage, JsonError> {
        let text = text.trim_start_matches('\u{feff}').trim();
        let (json, replaced) = match Json::parse(text.as_bytes()) {
            Ok(json) => (json, 0),
            Err(error) => match document::mended(text) {
                (_, 0) => return Err(error),
                (text, replaced) => (Json::parse(text.as_bytes())?, replaced),
            },
        };
        let (budget, base) = (budget.clone(), base.cloned());
        let (text, replaced) = (Bytes::new(), Cell::new(replaced));
        Ok(JsonPage { json, text, replaced, is_guess: false, budget, base })
    }

    /// Returns the page with this URL, from which relative ones start.
    pub(super) fn at(self, url: &Url) -> JsonPage {
        JsonPage { base: Some(url.clone()), ..self }
    }

    /// Returns the page with how the text that it was made from was decoded.
    pub(super) fn decoded(self, decoding: Decoding) -> JsonPage {
        self.replaced(decoding.replaced);
        JsonPage { is_guess: decoding.is_guess, ..self }
    }

    /// Returns the number of values in the page, or `None` if it is no list.
    pub(super) fn length(&self) -> Option<usize> {
        match self.value() {
            RawBsonRef::Array(list) => Some(list.into_iter().count()),
            _ => None,
        }
    }

    /// Parses an item that was made of the values of a page.
    ///
    /// # Errors
    /// Returns an error if the text is not JSON.
    pub fn of_item(text: &str, page: &JsonPage) -> Result<JsonPage, JsonError> {
        JsonPage::within(text, page.base(), page.budget())
    }

    /// Returns the page's value.
    pub fn value(&self) -> RawBsonRef<'_> {
        self.json.value()
    }

    /// Returns the whole page as a place to select in.
    pub fn scope(&self) -> Scope<'_> {
        self.scope_of(self.value())
    }

    /// Returns a value of the page as a place to select in.
    pub fn scope_of<'a>(&'a self, value: RawBsonRef<'a>) -> Scope<'a> {
        Scope::Json { value, page: self }
    }

    /// Returns the URL that relative ones on the page start from, or `None` if it is not known.
    pub fn base(&self) -> Option<&Url> {
        self.base.as_ref()
    }

    /// Returns the budget that everything selected on the page shares.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns how the page was decoded, including JSON within its texts.
    pub fn decoding(&self) -> Decoding {
        Decoding { replaced: self.replaced.get(), is_guess: self.is_guess }
    }

    /// Returns the page's value, and the text that it was parsed from.
    pub fn into_parts(self) -> (Json, Bytes) {
        (self.json, self.text)
    }

    /// Adds to the number of replaced characters.
    pub(super) fn replaced(&self, more: u64) {
        self.replaced.set(self.replaced.get() + more);
    }
}

impl std::fmt::Debug for JsonPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are left out: they would print unescaped text of the site.
        f.debug_struct("JsonPage").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// Replaces what is not UTF-8 or not allowed in JSON strings, and counts the replaced characters.
/// Returns `None` if nothing needed replacing, or too much.
fn mended(text: &[u8]) -> Option<(Bytes, u64)> {
    let (text, no_utf8) = charset::nearly_utf8(text)?;
    let (text, no_json) = document::mended(&text);
    let replaced = no_utf8 + no_json;
    (replaced > 0).then(|| (Bytes::from(text.into_owned()), replaced))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &[u8]) -> Result<(String, u64), JsonError> {
        let page = JsonPage::parse(Bytes::copy_from_slice(text))?;
        let replaced = page.decoding().replaced;
        Ok((String::from_utf8(page.into_parts().1.to_vec()).unwrap(), replaced))
    }

    #[test]
    fn p12_what_many_programs_get_wrong_is_mended_and_counted_and_what_is_no_json_is_not() {
        let long = "é".repeat(200);
        let bad = [format!("[\"{long}").as_bytes(), b"\xff\",\"\\ud83c\"]"].concat();
        let mended = format!("[\"{long}\u{fffd}\",\"\u{fffd}\"]");
        assert_eq!(parsed(&bad).unwrap(), (mended, 2));
        assert_eq!(parsed(b"[\"a\nb\"]").unwrap(), ("[\"a\u{fffd}b\"]".to_owned(), 1));
        assert_eq!(parsed(b"[\"a\\nb\"]").unwrap(), ("[\"a\\nb\"]".to_owned(), 0));
        let errors: [&[u8]; 4] =
            [b"[\"\xff\"]", b"[\"\\ud83c\"", b"<html>\n</html>", b"[\"a\"\"b\n\"]"];
        for text in errors {
            assert!(parsed(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }
}
