//! Secrets of the user, which site files name and never hold: `{env:GLEANER_SECRET_NAME}`.

use std::fmt;
use std::sync::Arc;

/// Beginning of the names of variables that a site file may read. A shared file must not read
/// others, such as `AWS_SECRET_ACCESS_KEY`.
pub const PREFIX: &str = "GLEANER_SECRET_";

/// A variable of the environment that a site file names, and its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Placeholder without its braces: `env:` and the name.
    text: Arc<str>,
    /// Value, or `None` if the variable is not set, empty, or not in UTF-8.
    value: Option<Arc<str>>,
}

/// A variable that a site file needs and that is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Name or path of the site file.
    pub origin: String,
    /// Line that names the variable, from 1.
    pub line: usize,
    /// Name of the variable.
    pub name: String,
}

impl Variable {
    /// Parses the text between two braces. Returns `None` if it names no variable.
    ///
    /// # Errors
    /// Returns the name of a variable that a site file must not read.
    pub fn parse(text: &str) -> Option<Result<Variable, String>> {
        let name = text.strip_prefix("env:")?.trim();
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        // `{env:prod}` may be part of a query in another language.
        let is_meant = is_name && (name.contains('_') || name.starts_with("GLEANER"));
        if !is_meant {
            return None;
        }
        if name.len() == PREFIX.len() || !name.starts_with(PREFIX) {
            return Some(Err(name.to_owned()));
        }
        let value = std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Ok(Variable { text: format!("env:{name}").into(), value: value.map(Into::into) }))
    }

    /// Returns the placeholder without its braces.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the name of the variable.
    pub fn name(&self) -> &str {
        self.text.split_once(':').map_or("", |(_, name)| name)
    }

    /// Returns the value, or `None` if it is not set.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl Missing {
    /// Finds the first line of a site file that names the variable.
    pub fn of(variable: &Variable, text: &str, origin: &str) -> Missing {
        let is_it =
            |line: &str| !line.trim_start().starts_with('#') && line.contains(variable.name());
        let line = text.lines().position(is_it).map_or(1, |at| at + 1);
        Missing { origin: origin.to_owned(), line, name: variable.name().to_owned() }
    }
}

/// Shows no value.
impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x8_only_variables_for_secrets_of_gleaner_are_read() {
        let parsed = |text: &str| Variable::parse(text).map(|it| it.map(|it| it.name().to_owned()));
        let ok = |name: &str| Some(Ok(name.to_owned()));
        let refused = |name: &str| Some(Err(name.to_owned()));
        for (text, expected) in [
            ("env:GLEANER_SECRET_A", ok("GLEANER_SECRET_A")),
            ("env:GLEANER_SECRET_", refused("GLEANER_SECRET_")),
            ("env:GLEANER_STORE", refused("GLEANER_STORE")),
            ("env:gleaner_secret_a", refused("gleaner_secret_a")),
            ("env:AWS_SECRET_ACCESS_KEY", refused("AWS_SECRET_ACCESS_KEY")),
            ("env:PATH", None),
            ("env:prod", None),
            ("env: {a", None),
            ("ENV:GLEANER_SECRET_A", None),
            ("key", None),
        ] {
            assert_eq!(parsed(text), expected, "{text}");
        }
    }
}
