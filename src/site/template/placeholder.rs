//! The placeholders of templates, and their names.

use std::sync::Arc;

use super::super::variable::Variable;
use super::{TemplateError, unknown};

/// A placeholder between braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placeholder {
    /// `{key}`: key of the item.
    Key,
    /// `{seed}`: innermost category of the list.
    Seed,
    /// `{seed.1}` and so on: category of the list at a level, from 1, the outermost.
    Level(usize),
    /// `{offset}`: number of items before the page.
    Offset,
    /// `{limit}`: number of items per page.
    Limit,
    /// `{page}`: number of the page.
    Page,
    /// `{cursor}`: cursor from the previous page.
    Cursor,
    /// A value that the site file names.
    Named(Arc<str>),
    /// `{env:GLEANER_SECRET_NAME}`: a secret from the environment.
    Secret(Variable),
}

impl Placeholder {
    const ALL: [(&'static str, Placeholder); 11] = [
        ("key", Placeholder::Key),
        ("seed", Placeholder::Seed),
        ("seed.1", Placeholder::Level(1)),
        ("seed.2", Placeholder::Level(2)),
        ("seed.3", Placeholder::Level(3)),
        ("seed.4", Placeholder::Level(4)),
        ("seed.5", Placeholder::Level(5)),
        ("offset", Placeholder::Offset),
        ("limit", Placeholder::Limit),
        ("page", Placeholder::Page),
        ("cursor", Placeholder::Cursor),
    ];

    /// Returns the placeholders of the categories of so many levels.
    pub fn of_seeds(levels: usize) -> impl Iterator<Item = Placeholder> {
        let seed = (levels > 0).then_some(Placeholder::Seed);
        seed.into_iter().chain((1..=levels).map(Placeholder::Level))
    }

    /// Returns the placeholder with this name: one of those that are valid here, or one of gleaner's
    /// own.
    pub(super) fn named(name: &str, allowed: &[Placeholder]) -> Option<Placeholder> {
        let own = || Placeholder::own(name);
        allowed.iter().find(|it| it.name() == name).cloned().or_else(own)
    }

    /// Parses the text between two braces. Returns `None` if it is no placeholder.
    ///
    /// # Errors
    /// Returns an error for a placeholder that is not `allowed`, and for a variable that must not be
    /// read.
    pub(super) fn between(
        text: &str,
        allowed: &[Placeholder],
    ) -> Result<Option<Placeholder>, TemplateError> {
        match Variable::parse(text) {
            Some(variable) => {
                variable.map(Placeholder::Secret).map(Some).map_err(TemplateError::Variable)
            }
            None => match Placeholder::named(text, allowed) {
                Some(placeholder) => placeholder.among(allowed).map(Some),
                None if is_level(text) => Err(unknown(text, allowed)),
                None => Ok(None),
            },
        }
    }

    /// Returns gleaner's own placeholder with this name, or `None`.
    pub fn own(name: &str) -> Option<Placeholder> {
        let own = Placeholder::ALL.iter().find(|(known, _)| *known == name);
        own.map(|(_, placeholder)| placeholder.clone())
    }

    /// Returns the placeholder as written, with braces.
    pub fn text(&self) -> String {
        format!("{{{}}}", self.name())
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Placeholder::Named(name) => name,
            Placeholder::Secret(variable) => variable.text(),
            own => Placeholder::ALL.iter().find(|(_, it)| it == own).map_or("", |(name, _)| name),
        }
    }

    pub(super) fn among(self, allowed: &[Placeholder]) -> Result<Placeholder, TemplateError> {
        if allowed.contains(&self) { Ok(self) } else { Err(unknown(self.name(), allowed)) }
    }
}

/// Returns true if a text between braces is meant to be the category of a level.
fn is_level(text: &str) -> bool {
    let level = text.strip_prefix("seed.").unwrap_or_default();
    !level.is_empty() && level.chars().all(|c| c.is_ascii_digit())
}
