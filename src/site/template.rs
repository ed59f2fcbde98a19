//! Templates: texts with `{placeholders}`, and JSON that contains such texts.

mod bound;
mod placeholder;

use std::borrow::Cow;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Number, Value};

use super::variable::{PREFIX, Variable};
use crate::model::seed::SeedPath;
use crate::select::text::plain;
pub use placeholder::Placeholder;

/// Characters that are percent-encoded in a path segment: all except RFC 3986's unreserved ones.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, except for the slash between segments.
const SEGMENTS: &AsciiSet = &SEGMENT.remove(b'/');

/// Initial capacity of a rendered text, in bytes. Most are shorter.
const USUAL: usize = 64;

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// JSON whose strings are templates. Its keys are not.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    /// A text with placeholders.
    Text(Template),
    /// A text that is exactly one placeholder. `{offset}`, `{limit}` and `{page}` become numbers,
    /// `{cursor}` the value from the previous page (null for the first page), a value by name what
    /// it is (without it, the member or element is left out), the others texts.
    Value(Placeholder),
    /// A text that is exactly `{name:number}`: the value as a number, if it is one.
    Number(Placeholder),
    /// Any other value.
    Literal(Value),
    /// A list.
    List(Vec<JsonTemplate>),
    /// An object.
    Object(Vec<(String, JsonTemplate)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Placeholder(Placeholder),
}

/// Values of placeholders. A placeholder without a value becomes empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// Key of the item.
    pub key: Option<&'a str>,
    /// Categories of the list.
    pub seeds: Option<&'a SeedPath>,
    /// True if the outermost category is the key of another site's item.
    pub seed_is_key: bool,
    /// Number of items before the page.
    pub offset: Option<u64>,
    /// Number of items per page.
    pub limit: Option<u64>,
    /// Number of the page, as the site counts.
    pub page: Option<u64>,
    /// Cursor from the previous page, as JSON text.
    pub cursor: Option<&'a str>,
    /// Values that the site file names, as JSON texts.
    pub named: &'a [NamedValue],
}

/// A value that the site file names, and its JSON text.
pub type NamedValue = (Arc<str>, Box<str>);

/// Reason why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `{` without `}`.
    #[error("`{{` without `}}`")]
    Open,
    /// The text between braces is not a placeholder, or not one that is valid here.
    #[error("unknown placeholder {{{0}}}; {1}")]
    Unknown(String, String),
    /// A variable that site files must not read.
    #[error(
        "the variable {0} is not read: only variables whose names begin with {PREFIX} can stand in a site file, so that a file from somebody else reads no others"
    )]
    Variable(String),
    /// A secret in a URL.
    #[error(
        "a URL is shown and kept, so it holds no secret: write it into `query`, `headers`, `form` or `json`"
    )]
    SecretInUrl,
}

impl Template {
    /// Parses a URL template, which may contain only the `allowed` placeholders.
    ///
    /// # Errors
    /// Returns an error if a brace is not closed, or encloses anything but an allowed placeholder.
    pub fn parse(text: &str, allowed: &[Placeholder]) -> Result<Template, TemplateError> {
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').ok_or(TemplateError::Open)?;
            if Variable::parse(name).is_some() {
                return Err(TemplateError::SecretInUrl);
            }
            Placeholder::named(name, allowed).ok_or_else(|| unknown(name, allowed))?;
            rest = after;
        }
        Template::parse_body(text, allowed)
    }

    /// Parses a template of a query, header or form value. Braces may be literal there, but a word
    /// between braces must be a placeholder: otherwise it is probably misspelled.
    ///
    /// # Errors
    /// Returns an error if a word between braces is not an allowed placeholder.
    pub fn parse_text(text: &str, allowed: &[Placeholder]) -> Result<Template, TemplateError> {
        for between in text.split('{').skip(1).filter_map(|rest| rest.split_once('}')) {
            let (name, _) = between;
            let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if is_word && Placeholder::named(name, allowed).is_none() {
                return Err(unknown(name, allowed));
            }
        }
        Template::parse_body(text, allowed)
    }

    /// Parses a template of a body text, where braces are often literal. Text between braces that
    /// is not the name of a placeholder stays unchanged.
    ///
    /// # Errors
    /// Returns an error if it contains a placeholder that is not `allowed`.
    fn parse_body(text: &str, allowed: &[Placeholder]) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let (mut kept, mut at) = (0, 0);
        while let Some(open) = text[at..].find('{').map(|found| at + found) {
            at = open + 1;
            let close = text[at..].find('}').map(|found| at + found);
            let Some(close) = close else { continue };
            if let Some(placeholder) = Placeholder::between(&text[at..close], allowed)? {
                push(&mut parts, &text[kept..open]);
                parts.push(Part::Placeholder(placeholder));
                (kept, at) = (close + 1, close + 1);
            }
        }
        push(&mut parts, &text[kept..]);
        Ok(Template(parts))
    }

    /// Renders the template with values percent-encoded for a path segment. A category may contain
    /// slashes (`home/kitchen`), which stay; the key of a parent's item may not.
    pub fn encoded(&self, values: Values<'_>) -> String {
        self.render(|text, placeholder| {
            let has_segments = values.is_category(placeholder);
            let kept = if has_segments { SEGMENTS } else { SEGMENT };
            text.extend(utf8_percent_encode(&values.text(placeholder), kept));
        })
    }

    /// Renders the template with unencoded values.
    pub fn plain(&self, values: Values<'_>) -> String {
        self.render(|text, placeholder| text.push_str(&values.text(placeholder)))
    }

    /// Returns true if the template contains a placeholder.
    pub fn varies(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Placeholder(_)))
    }

    /// Returns true if the template is an absolute URL.
    pub fn is_absolute(&self) -> bool {
        matches!(self.0.first(), Some(Part::Text(text)) if is_whole(text))
    }

    /// Returns true if the host of an absolute URL contains a placeholder.
    pub fn varies_in_host(&self) -> bool {
        let Some(Part::Text(first)) = self.0.first() else { return false };
        let rest = first.split_once("://").map_or("", |(_, rest)| rest);
        !rest.contains(['/', '?', '#']) && self.varies()
    }

    /// Returns true if this placeholder is part of the URL that is sent, which ends at `#`.
    pub fn asks_for(&self, placeholder: &Placeholder) -> bool {
        let is_end = |part: &&Part| matches!(part, Part::Text(text) if text.contains('#'));
        self.0.iter().take_while(|part| !is_end(part)).any(|it| it.is(placeholder))
    }

    /// Returns the variables in the template.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter().filter_map(|part| match part {
            Part::Placeholder(Placeholder::Secret(variable)) => Some(variable),
            _ => None,
        })
    }

    /// Returns true if each value by name in the template is there, and each number of a page.
    pub fn is_filled(&self, values: Values<'_>) -> bool {
        self.0.iter().all(|part| match part {
            Part::Placeholder(placeholder) => values.has(placeholder),
            Part::Text(_) => true,
        })
    }

    /// Returns true if the template contains this placeholder.
    pub fn has(&self, placeholder: &Placeholder) -> bool {
        self.0.iter().any(|part| part.is(placeholder))
    }

    fn render(&self, put: impl Fn(&mut String, &Placeholder)) -> String {
        let mut text = String::with_capacity(USUAL);
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Placeholder(placeholder) => put(&mut text, placeholder),
            }
        }
        text
    }
}

/// Formats the template as it was written.
impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.render(|text, placeholder| text.push_str(&placeholder.text())))
    }
}

impl JsonTemplate {
    /// Parses a JSON value whose strings are templates.
    ///
    /// # Errors
    /// Returns an error if it contains a placeholder that is not `allowed`.
    pub fn parse(value: Value, allowed: &[Placeholder]) -> Result<JsonTemplate, TemplateError> {
        Ok(match value {
            Value::String(text) => {
                if let Some(placeholder) = number_placeholder(&text, allowed) {
                    return Ok(JsonTemplate::Number(placeholder.among(allowed)?));
                }
                let template = Template::parse_body(&text, allowed)?;
                match template.0.as_slice() {
                    [Part::Placeholder(only)] => JsonTemplate::Value(only.clone()),
                    _ => JsonTemplate::Text(template),
                }
            }
            Value::Array(list) => {
                let parsed = list.into_iter().map(|value| JsonTemplate::parse(value, allowed));
                JsonTemplate::List(parsed.collect::<Result<_, _>>()?)
            }
            Value::Object(object) => {
                let parsed = object
                    .into_iter()
                    .map(|(name, value)| Ok((name, JsonTemplate::parse(value, allowed)?)));
                JsonTemplate::Object(parsed.collect::<Result<_, _>>()?)
            }
            literal => JsonTemplate::Literal(literal),
        })
    }

    /// Returns true if the value contains this placeholder.
    pub fn has(&self, placeholder: &Placeholder) -> bool {
        match self {
            JsonTemplate::Text(template) => template.has(placeholder),
            JsonTemplate::Value(only) | JsonTemplate::Number(only) => only == placeholder,
            JsonTemplate::Literal(_) => false,
            JsonTemplate::List(list) => list.iter().any(|value| value.has(placeholder)),
            JsonTemplate::Object(object) => object.iter().any(|(_, value)| value.has(placeholder)),
        }
    }

    /// Returns the variables in the value.
    pub fn variables(&self) -> Vec<&Variable> {
        match self {
            JsonTemplate::Text(template) => template.variables().collect(),
            JsonTemplate::Value(Placeholder::Secret(variable)) => vec![variable],
            JsonTemplate::Value(_) | JsonTemplate::Number(_) | JsonTemplate::Literal(_) => {
                Vec::new()
            }
            JsonTemplate::List(list) => list.iter().flat_map(JsonTemplate::variables).collect(),
            JsonTemplate::Object(object) => {
                object.iter().flat_map(|(_, value)| value.variables()).collect()
            }
        }
    }
}

impl<'a> Values<'a> {
    fn text<'v>(self, placeholder: &'v Placeholder) -> Cow<'v, str>
    where
        'a: 'v,
    {
        let number = |number: Option<u64>| number.map(|number| number.to_string().into());
        let text = match placeholder {
            Placeholder::Key => self.key.map(Cow::Borrowed),
            Placeholder::Seed | Placeholder::Level(_) => self.seed(placeholder).map(Cow::Borrowed),
            Placeholder::Offset => number(self.offset),
            Placeholder::Limit => number(self.limit),
            Placeholder::Page => number(self.page),
            Placeholder::Cursor => {
                self.cursor.and_then(plain).map(|text| String::from(text).into())
            }
            // A list or an object is sent as its JSON text.
            Placeholder::Named(name) => self.of_name(name).map(|json| {
                plain(json).map_or(Cow::Borrowed(json), |text| String::from(text).into())
            }),
            Placeholder::Secret(variable) => variable.value().map(Cow::Borrowed),
        };
        text.unwrap_or_default()
    }

    /// Returns the value as a number, or as a text if it is none.
    fn number(self, placeholder: &Placeholder) -> Value {
        let text = self.text(placeholder);
        let number = text.trim().parse::<Number>();
        number.map_or_else(|_| Value::from(&*text), Value::Number)
    }

    /// Returns the category that a placeholder stands for.
    fn seed(self, placeholder: &Placeholder) -> Option<&'a str> {
        match placeholder {
            Placeholder::Seed => self.seeds?.innermost(),
            Placeholder::Level(level) => self.seeds?.at(*level),
            _ => None,
        }
    }

    /// Returns true if the placeholder stands for a category that is not the key of an item.
    fn is_category(self, placeholder: &Placeholder) -> bool {
        let levels = self.seeds.map_or(0, SeedPath::levels);
        match placeholder {
            Placeholder::Seed => !self.seed_is_key || levels > 1,
            Placeholder::Level(level) => !self.seed_is_key || *level > 1,
            _ => false,
        }
    }

    /// Returns true if the value of a placeholder is there. The cursor of the first page is empty.
    fn has(self, placeholder: &Placeholder) -> bool {
        match placeholder {
            Placeholder::Named(name) => self.of_name(name).is_some(),
            Placeholder::Offset => self.offset.is_some(),
            Placeholder::Page => self.page.is_some(),
            _ => true,
        }
    }

    fn of_name(self, name: &str) -> Option<&'a str> {
        self.named.iter().find(|(known, _)| **known == *name).map(|(_, json)| &**json)
    }

    fn value(self, placeholder: &Placeholder) -> Value {
        match placeholder {
            Placeholder::Key => self.key.into(),
            Placeholder::Seed | Placeholder::Level(_) => self.seed(placeholder).into(),
            Placeholder::Offset => self.offset.into(),
            Placeholder::Limit => self.limit.into(),
            Placeholder::Page => self.page.into(),
            Placeholder::Cursor => {
                let text = self.cursor.and_then(plain);
                let number = self.cursor.and_then(|cursor| cursor.parse::<i64>().ok());
                // A number beyond 64 bits is sent as text, which keeps its digits.
                number.map_or_else(
                    || text.map_or(Value::Null, |it| String::from(it).into()),
                    Value::from,
                )
            }
            Placeholder::Named(name) => {
                let json = self.of_name(name).unwrap_or("null");
                serde_json::from_str(json).unwrap_or_else(|_| json.into())
            }
            Placeholder::Secret(variable) => variable.value().into(),
        }
    }
}

/// Error for a name that a value cannot have.
pub const NO_VALUE_NAME: &str = "a value's name is a word of letters, digits and `_`, and none of key, seed, offset, limit, page, cursor";

/// Returns `true` if a value of the site file can have this name.
pub fn is_value_name(name: &str) -> bool {
    let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_word && Placeholder::own(name).is_none()
}

/// Returns the placeholder of a text that is exactly `{name:number}`, or `None` for another text.
fn number_placeholder(text: &str, allowed: &[Placeholder]) -> Option<Placeholder> {
    let name = text.strip_prefix('{')?.strip_suffix(":number}")?;
    Placeholder::named(name, allowed)
}

impl Part {
    fn is(&self, placeholder: &Placeholder) -> bool {
        matches!(self, Part::Placeholder(own) if own == placeholder)
    }
}

fn push(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.into()));
    }
}

fn unknown(name: &str, allowed: &[Placeholder]) -> TemplateError {
    let names: Vec<String> = allowed.iter().map(|it| format!("{{{}}}", it.name())).collect();
    let offered = match names.as_slice() {
        [] => "none is valid here".to_owned(),
        [only] => format!("valid here: {only}"),
        several => format!("valid here: {}", several.join(", ")),
    };
    TemplateError::Unknown(name.to_owned(), offered)
}

/// Returns true if a text is an absolute URL: it begins with a scheme.
fn is_whole(text: &str) -> bool {
    text.split_once(':').is_some_and(|(scheme, rest)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        rest.starts_with("//") && !scheme.is_empty() && scheme.chars().all(plain)
    })
}

#[cfg(test)]
mod tests;
