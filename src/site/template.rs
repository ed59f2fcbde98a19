//! URL templates: text with `{placeholders}`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::record::Key;

/// What stays as it is in a path segment: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Placeholder(Placeholder),
}

/// What can stand between braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// `{key}`: the item.
    Key,
    /// `{offset}`: items before the page.
    Offset,
    /// `{limit}`: items on a page.
    Limit,
    /// `{page}`: number of the page.
    Page,
}

/// What placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// On a detail page.
    Detail(&'a Key),
    /// On an index page.
    Index {
        /// Items before the page.
        offset: u64,
        /// Items on a page.
        limit: u64,
        /// Number of the page, as the site counts.
        page: u64,
    },
}

/// A template is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `{` without `}`.
    #[error("`{{` without `}}`")]
    Open,
    /// A list or a table where a text is due.
    #[error("{0} is a list or a table; write a text, a number or true or false")]
    NoText(String),
    /// Something else between braces.
    #[error("no placeholder {{{0}}} here; there {1}")]
    Unknown(String, &'static str),
}

impl Template {
    /// Reads a template in which only `allowed` placeholders may stand.
    ///
    /// # Errors
    /// Where a brace is not closed, or something else stands between braces.
    pub fn parse(text: &str, allowed: &[Placeholder]) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateError::Open)?;
            let placeholder = Placeholder::named(name)
                .filter(|placeholder| allowed.contains(placeholder))
                .ok_or_else(|| TemplateError::Unknown(name.to_owned(), offered(allowed)))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.into()));
            }
            parts.push(Part::Placeholder(placeholder));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Ok(Template(parts))
    }

    /// The text with what the placeholders stand for, percent-encoded for a path segment.
    pub fn encoded(&self, values: Values<'_>) -> String {
        self.render(|placeholder| utf8_percent_encode(&values.of(placeholder), SEGMENT).to_string())
    }

    /// The text with what the placeholders stand for, as it is.
    pub fn plain(&self, values: Values<'_>) -> String {
        self.render(|placeholder| values.of(placeholder))
    }

    fn render(&self, value: impl Fn(Placeholder) -> String) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Placeholder(placeholder) => text.push_str(&value(*placeholder)),
            }
        }
        text
    }
}

impl Placeholder {
    fn named(name: &str) -> Option<Placeholder> {
        match name {
            "key" => Some(Placeholder::Key),
            "offset" => Some(Placeholder::Offset),
            "limit" => Some(Placeholder::Limit),
            "page" => Some(Placeholder::Page),
            _ => None,
        }
    }
}

impl Values<'_> {
    fn of(self, placeholder: Placeholder) -> String {
        match (self, placeholder) {
            (Values::Detail(key), Placeholder::Key) => key.to_string(),
            (Values::Index { offset, .. }, Placeholder::Offset) => offset.to_string(),
            (Values::Index { limit, .. }, Placeholder::Limit) => limit.to_string(),
            (Values::Index { page, .. }, Placeholder::Page) => page.to_string(),
            // Refused when the template was read.
            _ => String::new(),
        }
    }
}

fn offered(allowed: &[Placeholder]) -> &'static str {
    match allowed {
        [] => "are none",
        [Placeholder::Key] => "is {key}",
        [Placeholder::Page] => "is {page}",
        _ => "are {offset} and {limit}",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_encoded() {
        let template = Template::parse("/b/{key}/x", &[Placeholder::Key]).unwrap();
        let key = Key::new("a/b?c#é ..").unwrap();
        assert_eq!(template.encoded(Values::Detail(&key)), "/b/a%2Fb%3Fc%23%C3%A9%20../x");
        assert_eq!(template.plain(Values::Detail(&key)), "/b/a/b?c#é ../x");
    }

    #[test]
    fn what_is_no_placeholder_is_an_error() {
        assert_eq!(Template::parse("{key", &[]), Err(TemplateError::Open));
        let error = Template::parse("{offset}", &[Placeholder::Key]).unwrap_err();
        assert_eq!(error.to_string(), "no placeholder {offset} here; there is {key}");
    }
}
