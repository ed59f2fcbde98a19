//! A JSON page: its bytes to text, and that to what is on it.
//!
//! A page in another encoding is read as its mark or its header says (`charset.rs`). One that is no
//! JSON as it stands is read once more with what many programs get wrong replaced: a few bytes that are
//! no UTF-8, halves of surrogate pairs, raw control characters. What was replaced is counted, and what
//! is kept of the page is the text as it was read.

use std::cell::Cell;

use bson::raw::RawBsonRef;
use bytes::Bytes;

use super::budget::Budget;
use super::charset;
use super::field::Scope;
use crate::decoding::Decoding;
use crate::document::{self, Json, JsonError};
use crate::fetch::Page;

/// A JSON page.
pub struct JsonPage {
    json: Json,
    text: Bytes,
    replaced: Cell<u64>,
    budget: Budget,
}

impl JsonPage {
    /// Reads a page, whatever its type says.
    ///
    /// # Errors
    /// Where it is no JSON, and cannot be mended.
    pub fn read(page: &Page) -> Result<JsonPage, JsonError> {
        let (text, replaced) = charset::of_json(&page.body, page.content_type());
        let read = JsonPage::parse(text)?;
        read.replaced(replaced);
        Ok(read)
    }

    /// Reads JSON text.
    ///
    /// # Errors
    /// Where it is no JSON, and cannot be mended.
    pub fn parse(text: Bytes) -> Result<JsonPage, JsonError> {
        let (json, text, replaced) = match Json::parse(&text) {
            Ok(json) => (json, text, 0),
            Err(error) => match mended(&text) {
                Some((text, replaced)) => (Json::parse(&text)?, text, replaced),
                None => return Err(error),
            },
        };
        Ok(JsonPage { json, text, replaced: Cell::new(replaced), budget: Budget::default() })
    }

    /// The page's value.
    pub fn value(&self) -> RawBsonRef<'_> {
        self.json.value()
    }

    /// The whole page as a place to select in.
    pub fn scope(&self) -> Scope<'_> {
        self.scope_of(self.value())
    }

    /// A value of the page as a place to select in.
    pub fn scope_of<'a>(&'a self, value: RawBsonRef<'a>) -> Scope<'a> {
        Scope::Json { value, page: self }
    }

    /// What is left to all that is selected on the page.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What was done to make text of the page, of JSON within its texts included.
    pub fn decoding(&self) -> Decoding {
        Decoding { replaced: self.replaced.get(), is_guess: false }
    }

    /// The page's value, and the text that it was read from.
    pub fn into_parts(self) -> (Json, Bytes) {
        (self.json, self.text)
    }

    /// So many characters more were replaced.
    pub(super) fn replaced(&self, more: u64) {
        self.replaced.set(self.replaced.get() + more);
    }
}

impl std::fmt::Debug for JsonPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values are left out: they would print the site's text raw.
        f.debug_struct("JsonPage").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// `text` with what is no UTF-8, or none of JSON's strings, replaced, and how many characters that were;
/// nothing where nothing was or too much is.
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
