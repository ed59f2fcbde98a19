//! Selectors: one JSONPath, one CSS selector, or a list of steps, each applied to what the one
//! before it found (`selection/steps.rs`).

mod steps;

use std::borrow::Cow;
use std::ops::ControlFlow;

use bson::raw::RawBsonRef;

use super::budget::LimitError;
use super::field::{Pattern, PatternError, Scope, shown};
use super::html::{CssError, CssSelector};
use super::json::{Selector, SelectorError};

pub use steps::Steps;

/// Maximum number of steps. Each may hold a page of its own while the next ones are taken.
const MOST_STEPS: usize = 8;

/// A selector of values, elements or texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Select {
    /// Selector for JSON pages.
    Json(Selector),
    /// Selector for HTML pages.
    Css(CssSelector),
    /// Several steps.
    Steps(Steps),
}

/// A step of a selector, as the site file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A JSONPath if it begins with `$`, else a CSS selector.
    Selector(String),
    /// A regular expression.
    Regex(String),
}

/// A step of a selector.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Selects in a value, or in a text that is read as JSON.
    Json(Selector),
    /// Selects in an element, or in a text that is read as HTML.
    Css(CssSelector),
    /// Keeps a part of a text.
    Regex(Pattern),
    /// Takes values or elements whole, or reads a text as a page of them.
    Read(Finds),
}

/// Kind of the things that a selector finds, or that it is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finds {
    /// Values of a JSON page.
    Values,
    /// Elements of an HTML page.
    Elements,
    /// Elements of an XML page.
    Nodes,
    /// Texts.
    Texts,
}

/// Something that a selector found.
pub enum Match<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// A value or an element.
    Place(Scope<'a>),
}

/// Reason why something is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The only step is not a JSONPath.
    #[error(transparent)]
    Json(#[from] SelectorError),
    /// The only step is not a CSS selector.
    #[error(transparent)]
    Css(#[from] CssError),
    /// One of several steps is wrong.
    #[error("step {at}: {message}")]
    Step {
        /// Number of the step, from 1.
        at: usize,
        /// Description of the error.
        message: String,
    },
    /// There is no step.
    #[error("a selector has at least one step")]
    Empty,
    /// There are too many steps.
    #[error("a selector has at most {MOST_STEPS} steps")]
    TooMany,
}

/// Reason why a selector cannot be applied to a page. Texts from the site are shortened and
/// escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The page exceeds a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A text is not JSON.
    #[error("`{step}` reads a text as JSON, and {text} is none: {message}")]
    NoJson {
        /// The step.
        step: Box<str>,
        /// The text.
        text: String,
        /// Description of the error.
        message: String,
    },
    /// A value has another type than the step reads.
    #[error("`{step}` reads a text, and what is there is {kind}")]
    NoText {
        /// The step.
        step: Box<str>,
        /// Description of the value's kind.
        kind: &'static str,
    },
    /// A text is too long to search with a regex.
    #[error("a text is too long for the regex `{step}`")]
    TooLong {
        /// The step.
        step: Box<str>,
    },
    /// The selector is for pages of another format.
    #[error("the selector `{0}` is not for pages of this format")]
    Format(Box<str>),
}

impl Finds {
    /// Returns `true` for elements of any page.
    pub fn are_elements(self) -> bool {
        matches!(self, Finds::Elements | Finds::Nodes)
    }
}

impl Part {
    /// Returns `true` if the step is a JSONPath.
    pub fn is_path(&self) -> bool {
        matches!(self, Part::Selector(text) if text.trim_start().starts_with('$'))
    }
}

impl Select {
    /// Parses a selector that is applied to `on`.
    ///
    /// # Errors
    /// Returns an error if a step is not valid, or cannot be applied to what the one before it
    /// finds.
    pub fn parse(parts: &[Part], on: Finds) -> Result<Select, SelectError> {
        match (parts, on) {
            ([], _) => Err(SelectError::Empty),
            ([Part::Selector(text)], Finds::Values) => Ok(Select::Json(Selector::parse(text)?)),
            ([Part::Selector(text)], Finds::Elements) => Ok(Select::Css(CssSelector::parse(text)?)),
            ([Part::Selector(text)], Finds::Nodes) => {
                Ok(Select::Css(CssSelector::parse_xml(text)?))
            }
            (parts, _) if parts.len() > MOST_STEPS => Err(SelectError::TooMany),
            (parts, on) => Ok(Select::Steps(Steps::new(on, parsed(parts, on)?))),
        }
    }

    /// Returns the selector as it was written.
    pub fn text(&self) -> &str {
        match self {
            Select::Json(selector) => selector.text(),
            Select::Css(selector) => selector.text(),
            Select::Steps(steps) => steps.text(),
        }
    }

    /// Returns the selector with what it finds read as `finds`: values or elements.
    pub fn read_as(&self, finds: Finds) -> Steps {
        match self {
            Select::Json(selector) => Steps::new(Finds::Values, vec![Step::Json(selector.clone())]),
            Select::Css(selector) => {
                Steps::new(selector.selects_in(), vec![Step::Css(selector.clone())])
            }
            Select::Steps(steps) => steps.clone(),
        }
        .read_as(finds)
    }

    /// Returns the kind of what the selector is applied to.
    pub fn reads(&self) -> Finds {
        match self {
            Select::Json(_) => Finds::Values,
            Select::Css(selector) => selector.selects_in(),
            Select::Steps(steps) => steps.reads(),
        }
    }

    /// Returns the kind of what the selector finds.
    pub fn finds(&self) -> Finds {
        match self {
            Select::Json(_) => Finds::Values,
            Select::Css(css) if css.takes_text() => Finds::Texts,
            Select::Css(selector) => selector.selects_in(),
            Select::Steps(steps) => steps.finds(),
        }
    }

    /// Returns `true` if the selector takes a URL: `::attr(href)` or `::attr(src)`.
    pub fn takes_url(&self) -> bool {
        match self {
            Select::Json(_) => false,
            Select::Css(selector) => selector.takes_url(),
            Select::Steps(steps) => steps.takes_url(),
        }
    }

    /// Passes all that is found to `take` until that breaks. Elements are places, unless the
    /// selector takes their text.
    ///
    /// # Errors
    /// Returns an error if the selector cannot be applied, or the page exceeds a limit.
    pub fn each(
        &self,
        scope: Scope<'_>,
        mut take: impl FnMut(Match<'_>) -> ControlFlow<()>,
    ) -> Result<(), StepError> {
        match (self, scope) {
            (Select::Css(css), Scope::Html(scope)) if css.takes_text() => {
                Ok(css.each_text(scope, true, |text| take(Match::Text(text)))?)
            }
            (Select::Steps(steps), scope) => steps.each(scope, true, &mut take),
            (select, scope) => select.each_place(scope, |place| take(Match::Place(place))),
        }
    }

    /// Passes each value or element that is found to `take` until that breaks.
    ///
    /// # Errors
    /// Returns an error if the selector cannot be applied, or the page exceeds a limit.
    pub fn each_place(
        &self,
        scope: Scope<'_>,
        mut take: impl FnMut(Scope<'_>) -> ControlFlow<()>,
    ) -> Result<(), StepError> {
        match (self, scope) {
            (Select::Json(path), Scope::Json { value, page }) => {
                Ok(path.each(value, page.budget(), |found| take(page.scope_of(found.as_raw())))?)
            }
            (Select::Css(css), Scope::Html(scope)) => {
                Ok(css.each_element(scope, |element| take(Scope::Html(element)))?)
            }
            (Select::Steps(steps), scope) => steps.each(scope, true, &mut |found| match found {
                Match::Place(place) => take(place),
                Match::Text(_) => ControlFlow::Continue(()),
            }),
            _ => Err(StepError::Format(self.text().into())),
        }
    }

    /// Returns `true` if anything is found: a value that `counts`, a text that is not blank, or an
    /// element.
    ///
    /// # Errors
    /// Returns an error if the selector cannot be applied, or the page exceeds a limit.
    pub fn is_there(
        &self,
        scope: Scope<'_>,
        counts: impl Fn(RawBsonRef<'_>) -> bool,
    ) -> Result<bool, StepError> {
        let mut is_there = false;
        let mut take = |found: Match<'_>| {
            is_there = match found {
                Match::Place(Scope::Json { value, .. }) => counts(value),
                Match::Place(Scope::Html(_)) => true,
                Match::Text(text) => !text.trim().is_empty(),
            };
            if is_there { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        match (self, scope) {
            (Select::Json(path), Scope::Json { value, page }) => {
                path.each(value, page.budget(), |found| {
                    take(Match::Place(page.scope_of(found.as_raw())))
                })?;
            }
            (Select::Css(css), Scope::Html(scope)) => return Ok(css.matches(scope)?),
            (Select::Steps(steps), scope) => steps.each(scope, true, &mut take)?,
            _ => {}
        }
        Ok(is_there)
    }
}

/// Parses steps, the first of which is applied to `on`.
fn parsed(parts: &[Part], on: Finds) -> Result<Vec<Step>, SelectError> {
    let mut at_hand = on;
    let mut steps = Vec::with_capacity(parts.len());
    for (before, part) in parts.iter().enumerate() {
        let wrong = |message: String| SelectError::Step { at: before + 1, message };
        let step = match part {
            Part::Regex(_) if before == 0 && at_hand != Finds::Texts => {
                return Err(wrong("a regex reads a text; say before it where that is".to_owned()));
            }
            Part::Regex(text) => Step::Regex(
                Pattern::parse(text).map_err(|error: PatternError| wrong(error.to_string()))?,
            ),
            // The first step is for the format of the page, whatever it looks like.
            Part::Selector(text) if at_hand == Finds::Values && before == 0 || part.is_path() => {
                Step::Json(Selector::parse(text.trim()).map_err(|error| wrong(error.to_string()))?)
            }
            Part::Selector(text) if at_hand == Finds::Nodes => {
                Step::Css(CssSelector::parse_xml(text).map_err(|error| wrong(error.to_string()))?)
            }
            Part::Selector(text) => {
                Step::Css(CssSelector::parse(text).map_err(|error| wrong(error.to_string()))?)
            }
        };
        if at_hand.are_elements() && !matches!(step, Step::Css(_)) {
            let what = "it reads a text, and the step before it selects elements";
            return Err(wrong(format!("{what}; write `::text` or `::attr(…)` at the end of that")));
        }
        at_hand = step.finds();
        steps.push(step);
    }
    Ok(steps)
}

impl Step {
    /// Returns the step as it was written.
    pub fn text(&self) -> &str {
        match self {
            Step::Json(selector) => selector.text(),
            Step::Css(selector) => selector.text(),
            Step::Regex(pattern) => pattern.text(),
            Step::Read(Finds::Values) => "$",
            Step::Read(_) => ":root",
        }
    }

    fn finds(&self) -> Finds {
        match self {
            Step::Json(_) => Finds::Values,
            Step::Css(css) if !css.takes_text() => css.selects_in(),
            Step::Css(_) | Step::Regex(_) => Finds::Texts,
            Step::Read(finds) => *finds,
        }
    }

    fn no_text(&self, kind: &'static str) -> StepError {
        StepError::NoText { step: self.text().into(), kind }
    }

    fn no_json(&self, text: &str, message: &str) -> StepError {
        let message = message.trim_start_matches("the body is not JSON: ").to_owned();
        StepError::NoJson { step: self.text().into(), text: shown(text), message }
    }
}
