//! Several steps: a JSONPath that is applied to a text reads it as JSON, a CSS selector reads it as
//! HTML, a regular expression keeps a part of it.
//!
//! A text that is read as a page is read within what is left of the outer page's limits: its CPU
//! time, its nodes and its text. A text that is not JSON where a JSONPath is applied to it is an
//! error. Null is nothing, as it is for the conversions of fields.

use std::ops::ControlFlow;

use bson::raw::RawBsonRef;
use url::Url;

use super::{Finds, Match, Step, StepError};
use crate::select::JsonPage;
use crate::select::budget::{Budget, LimitError};
use crate::select::field::{Pattern, Scope, plain_text};
use crate::select::html::{CssSelector, HtmlPage, HtmlScope, Limits};
use crate::select::json::Selector;

/// Maximum number of places that all steps together may lead to.
const PLACES: usize = 1_000_000;

/// The steps of a selector. Two are equal if they are written alike.
#[derive(Clone, PartialEq)]
pub struct Steps {
    /// Kind of what the first step is applied to.
    on: Finds,
    steps: Box<[Step]>,
    text: Box<str>,
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Steps {
    /// Creates a selector of steps that fit each other.
    pub(super) fn new(on: Finds, steps: Vec<Step>) -> Steps {
        let written = steps.iter().filter(|step| !matches!(step, Step::Read(_)));
        let written = written.map(|step| match step {
            Step::Regex(pattern) => format!("{{ regex = '{}' }}", pattern.text()),
            step => format!("\"{}\"", step.text()),
        });
        let text = match written.collect::<Vec<_>>().as_slice() {
            [one] => one.as_str().into(),
            several => format!("[{}]", several.join(", ")).into(),
        };
        Steps { on, steps: steps.into(), text }
    }

    /// Returns the steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the steps as they were written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the steps up to the last but one, and the last one, or `None` if there is one step.
    pub fn parent(&self) -> Option<(Steps, Steps)> {
        let (last, before) = self.steps.split_last().filter(|(_, before)| !before.is_empty())?;
        let parent = Steps::new(self.on, before.to_vec());
        let last = Steps::new(parent.finds(), vec![last.clone()]);
        Some((parent, last))
    }

    /// Returns the kind of what the first step is applied to.
    pub fn reads(&self) -> Finds {
        self.on
    }

    /// Returns the kind of what the last step finds.
    pub fn finds(&self) -> Finds {
        self.steps.last().map_or(Finds::Texts, Step::finds)
    }

    /// Returns the same steps, with all that they find read as `finds`.
    pub(super) fn read_as(&self, finds: Finds) -> Steps {
        let mut steps = self.steps.to_vec();
        steps.push(Step::Read(finds));
        Steps::new(self.on, steps)
    }

    /// Returns `true` if the last step that is no regex takes a URL.
    pub fn takes_url(&self) -> bool {
        let last = self.steps.iter().rev().find(|step| !matches!(step, Step::Regex(_)));
        matches!(last, Some(Step::Css(selector)) if selector.takes_url())
    }

    /// Returns `true` if the page has what the other steps are applied to, or `None` if that has no
    /// fixed place.
    ///
    /// # Errors
    /// Returns an error if the page exceeds a limit.
    pub fn has_source(&self, scope: Scope<'_>) -> Result<Option<bool>, LimitError> {
        let reads_json = || self.steps.iter().any(|step| matches!(step, Step::Json(_)));
        match (self.steps.first(), scope) {
            (Some(Step::Json(path)), Scope::Json { value, .. }) => {
                Ok(path.source().map(|source| source.of(value).is_some()))
            }
            (Some(Step::Css(css)), Scope::Html(scope)) if css.takes_text() && reads_json() => {
                css.matches(scope).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Passes all that is found in `scope` to `take` until that breaks. If `trim` is false, texts
    /// are passed as they are on the page.
    ///
    /// # Errors
    /// Returns an error if a step cannot be applied, or the page exceeds a limit.
    pub fn each(
        &self,
        scope: Scope<'_>,
        trim: bool,
        take: &mut dyn FnMut(Match<'_>) -> ControlFlow<()>,
    ) -> Result<(), StepError> {
        let around = Around::of(scope);
        let found = Match::Place(scope);
        let replaced = self.walk(Limits::default(), found, &around, trim, take)?;
        scope.replaced(replaced);
        Ok(())
    }

    /// Passes all that is found in the text of the page at `url` to `take`. Returns how many
    /// characters were replaced.
    ///
    /// # Errors
    /// Returns an error if a step cannot be applied, or the page exceeds a limit.
    pub fn each_in_text(
        &self,
        text: &str,
        charset: &'static str,
        url: &Url,
        take: &mut dyn FnMut(Match<'_>) -> ControlFlow<()>,
    ) -> Result<u64, StepError> {
        let budget = Budget::default();
        let around = Around { base: Some(url), charset, budget: &budget };
        self.walk(Limits::default(), Match::Text(text.into()), &around, true, take)
    }

    fn walk(
        &self,
        mut limits: Limits,
        found: Match<'_>,
        around: &Around<'_>,
        trim: bool,
        take: &mut dyn FnMut(Match<'_>) -> ControlFlow<()>,
    ) -> Result<u64, StepError> {
        around.budget.check()?;
        if let Match::Place(Scope::Html(scope)) = &found {
            limits.nodes = limits.nodes.saturating_sub(scope.page().nodes());
        }
        let mut walk = Walk { steps: &self.steps, trim, limits, places: 0, replaced: 0, take };
        match walk.take(0, found, around) {
            ControlFlow::Break(Some(error)) => Err(error),
            _ => Ok(walk.replaced),
        }
    }
}

/// Properties of the page that texts were found on.
struct Around<'a> {
    /// URL that relative ones start from.
    base: Option<&'a Url>,
    charset: &'static str,
    budget: &'a Budget,
}

impl<'a> Around<'a> {
    fn of(scope: Scope<'a>) -> Around<'a> {
        match scope {
            Scope::Json { page, .. } => {
                Around { base: page.base(), charset: "UTF-8", budget: page.budget() }
            }
            Scope::Html(scope) => {
                let page = scope.page();
                Around { base: page.base(), charset: page.charset(), budget: page.budget() }
            }
        }
    }
}

/// A walk along the steps. It breaks with an error, or without one if `take` breaks.
struct Walk<'w> {
    steps: &'w [Step],
    trim: bool,
    /// Limits for texts that are read as pages, as far as they are left.
    limits: Limits,
    places: usize,
    replaced: u64,
    take: &'w mut dyn FnMut(Match<'_>) -> ControlFlow<()>,
}

type Flow = ControlFlow<Option<StepError>>;

/// Breaks with an error.
fn failed(error: impl Into<StepError>) -> Flow {
    ControlFlow::Break(Some(error.into()))
}

fn cut(flow: &Flow) -> ControlFlow<()> {
    if flow.is_break() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

impl Walk<'_> {
    /// Applies the step `at` and those after it to what was found.
    fn take(&mut self, at: usize, found: Match<'_>, around: &Around<'_>) -> Flow {
        let steps = self.steps;
        let Some(step) = steps.get(at) else { return (self.take)(found).map_break(|()| None) };
        self.places += 1;
        if self.places > PLACES {
            return failed(LimitError::Places(PLACES));
        }
        match (step, found) {
            (step, Match::Place(scope @ Scope::Html(_))) => self.within(at, step, scope, around),
            (step, Match::Text(text)) => self.text(at, step, &text, around),
            (step, Match::Place(scope @ Scope::Json { value, .. })) => match (value, step) {
                (RawBsonRef::String(text), step) if at > 0 => self.text(at, step, text, around),
                (_, Step::Json(_) | Step::Read(Finds::Values)) => {
                    self.within(at, step, scope, around)
                }
                (RawBsonRef::Null, _) => ControlFlow::Continue(()),
                (RawBsonRef::Document(_), _) => failed(step.no_text("an object")),
                (RawBsonRef::Array(_), _) => failed(step.no_text("a list")),
                (value, _) => match plain_text(value) {
                    Some(text) => self.text(at, step, &text, around),
                    None => ControlFlow::Continue(()),
                },
            },
        }
    }

    /// Applies the step `at` to a value or an element.
    fn within(&mut self, at: usize, step: &Step, scope: Scope<'_>, around: &Around<'_>) -> Flow {
        match (step, scope) {
            (Step::Json(path), Scope::Json { value, page }) => {
                self.path(at, path, value, page, around)
            }
            (Step::Css(css), Scope::Html(scope)) => self.css(at, css, scope, around),
            (Step::Read(Finds::Values), Scope::Json { .. })
            | (Step::Read(Finds::Elements | Finds::Nodes), Scope::Html(_)) => {
                self.take(at + 1, Match::Place(scope), around)
            }
            (step, _) => failed(step.no_text("an element")),
        }
    }

    /// Applies the step `at` to a text.
    fn text(&mut self, at: usize, step: &Step, text: &str, around: &Around<'_>) -> Flow {
        match step {
            Step::Json(_) | Step::Read(Finds::Values) => self.json(at, step, text, around),
            Step::Css(_) | Step::Read(Finds::Elements | Finds::Nodes) => {
                self.html(at, step, text, around)
            }
            Step::Read(Finds::Texts) => self.take(at + 1, Match::Text(text.into()), around),
            Step::Regex(pattern) => match self.kept(at, pattern, text, around) {
                Err(error) => failed(error),
                Ok(None) => ControlFlow::Continue(()),
                Ok(Some(kept)) => self.take(at + 1, Match::Text(kept.into()), around),
            },
        }
    }

    /// Returns the part of a text that the regex `at` keeps. If it is read as JSON, it goes on to the
    /// end of the text: the value ends where it ends, and not where a regex finds a brace.
    fn kept<'t>(
        &self,
        at: usize,
        pattern: &Pattern,
        text: &'t str,
        around: &Around<'_>,
    ) -> Result<Option<&'t str>, StepError> {
        match self.steps.get(at + 1) {
            Some(Step::Json(_) | Step::Read(Finds::Values)) => {
                let start = pattern.start(text, around.budget)?;
                Ok(start.map(|start| &text[start..]))
            }
            _ => pattern.find(text).map_err(|_| StepError::TooLong { step: pattern.text().into() }),
        }
    }

    /// Applies the step `at` to a text as JSON.
    fn json(&mut self, at: usize, step: &Step, text: &str, around: &Around<'_>) -> Flow {
        if text.trim().is_empty() {
            return ControlFlow::Continue(());
        }
        self.count(text, around)?;
        let is_cut_out = at > 0 && matches!(self.steps[at - 1], Step::Regex(_));
        let text = if is_cut_out { first_value(text) } else { text };
        match JsonPage::within(text, around.base, around.budget) {
            Err(error) => failed(step.no_json(text, &error.to_string())),
            Ok(page) => {
                let flow = self.within(at, step, page.scope(), &Around::of(page.scope()));
                self.replaced += page.decoding().replaced;
                flow
            }
        }
    }

    /// Applies the step `at` to a text as HTML.
    fn html(&mut self, at: usize, step: &Step, text: &str, around: &Around<'_>) -> Flow {
        self.count(text, around)?;
        let before = self.limits;
        let page = HtmlPage::within(text, &before, around.base, around.charset, around.budget);
        let page = match page {
            Err(error) => return failed(error),
            Ok(page) => page,
        };
        self.limits.nodes = before.nodes.saturating_sub(page.nodes());
        let scope = Scope::Html(page.scope());
        let flow = self.within(at, step, scope, &Around::of(scope));
        self.limits.nodes = before.nodes;
        flow
    }

    fn path(
        &mut self,
        at: usize,
        path: &Selector,
        value: RawBsonRef<'_>,
        page: &JsonPage,
        around: &Around<'_>,
    ) -> Flow {
        let mut flow = ControlFlow::Continue(());
        let walked = path.each(value, page.budget(), |found| {
            flow = self.take(at + 1, Match::Place(page.scope_of(found.as_raw())), around);
            cut(&flow)
        });
        walked.map_or_else(failed, |()| flow)
    }

    fn css(
        &mut self,
        at: usize,
        css: &CssSelector,
        scope: HtmlScope<'_>,
        around: &Around<'_>,
    ) -> Flow {
        let mut flow = ControlFlow::Continue(());
        let walked = if css.takes_text() {
            // What is read on keeps its blanks: they may stand within a string.
            let is_read_on = |step: &Step| !matches!(step, Step::Regex(_));
            let folds = self.trim && !self.steps[at + 1..].iter().any(is_read_on);
            css.each_text(scope, folds, |text| {
                flow = self.take(at + 1, Match::Text(text), around);
                cut(&flow)
            })
        } else {
            css.each_element(scope, |element| {
                flow = self.take(at + 1, Match::Place(Scope::Html(element)), around);
                cut(&flow)
            })
        };
        walked.map_or_else(failed, |()| flow)
    }

    /// Counts a text that is read as a page.
    fn count(&mut self, text: &str, around: &Around<'_>) -> Flow {
        match self.limits.text.checked_sub(text.len()) {
            None => return failed(LimitError::Text(Limits::default().text)),
            Some(left) => self.limits.text = left,
        }
        around.budget.check().map_or_else(failed, ControlFlow::Continue)
    }
}

/// Returns the JSON value at the start of a text, without what follows it.
fn first_value(text: &str) -> &str {
    let text = text.trim_start();
    let (mut depth, mut is_quoted, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if is_quoted {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_quoted = false,
                _ => continue,
            }
            if is_quoted || depth > 0 {
                continue;
            }
            return &text[..=at];
        }
        match byte {
            b'"' => is_quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return &text[..=at],
            byte if depth == 0 && !byte.is_ascii_alphanumeric() && !b"+-.".contains(&byte) => {
                return if at == 0 { text } else { &text[..at] };
            }
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests;
