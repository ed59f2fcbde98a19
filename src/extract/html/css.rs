//! CSS selectors as Scrapy's users write them: with `::text` and `::attr(name)` at the end.
//!
//! Matching is done here and not by `scraper`'s iterators, because those look at no clock: on a
//! page made for it, `h2 ~ p` takes minutes. Within an item only what is below the item is found;
//! as in a browser the rest of the selector may match above it, and `:scope` is the item.

use std::borrow::Cow;
use std::ops::ControlFlow;

use cssparser::{ParseError, ParseErrorKind};
use scraper::ElementRef;
use scraper::selector::{Parser, Simple};
use selectors::context::{
    MatchingContext, MatchingForInvalidation, MatchingMode, NeedsSelectorFlags, QuirksMode,
    SelectorCaches,
};
use selectors::matching::matches_selector_list;
use selectors::parser::{ParseRelative, SelectorList, SelectorParseErrorKind as Kind};

use super::{HtmlScope, LimitError, text};

/// Elements between two looks at the clock.
const ELEMENTS_PER_LOOK: usize = 32;

/// A CSS selector and what it takes of the elements it selects. Two are equal where they are
/// written alike.
#[derive(Clone)]
pub struct CssSelector {
    text: Box<str>,
    /// Absent where the selector is `::text` or `::attr(…)` alone: the item itself.
    elements: Option<SelectorList<Simple>>,
    take: Take,
}

/// What of an element.
impl std::fmt::Debug for CssSelector {
    /// As it is written: digests of site files are made from this.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Take {
    Element,
    Text,
    Attribute(Box<str>),
}

/// A text is no CSS selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no CSS selector: {message}")]
pub struct CssError {
    text: String,
    message: String,
}

impl PartialEq for CssSelector {
    fn eq(&self, other: &CssSelector) -> bool {
        self.text == other.text
    }
}

impl Eq for CssSelector {}

impl CssSelector {
    /// Reads a selector.
    ///
    /// # Errors
    /// Where it is none; the error says what is wrong with it.
    pub fn parse(text: &str) -> Result<CssSelector, CssError> {
        let wrong = |message: String| CssError { text: text.to_owned(), message };
        if text.starts_with('$') {
            return Err(wrong("it is a JSONPath, which is for JSON pages".to_owned()));
        }
        let mut bases = Vec::new();
        let mut takes: Vec<Take> = Vec::new();
        for part in parts(text) {
            let (base, take) = split(part.trim()).map_err(wrong)?;
            // As in a browser's `:scope > a`, whose first half goes without saying.
            let is_relative = base.starts_with(['>', '+', '~']);
            bases.push(if is_relative { format!(":scope {base}") } else { base.to_owned() });
            takes.push(take);
        }
        let mut kinds = takes.into_iter();
        let take = kinds.next().unwrap_or(Take::Element);
        if kinds.any(|other| other != take) {
            return Err(wrong(
                "its parts between commas take different things; write `::text` or `::attr(…)` \
                 after each of them"
                    .to_owned(),
            ));
        }
        let elements = match bases.as_slice() {
            [base] if base.is_empty() && take != Take::Element => None,
            _ => Some(elements(&bases.join(", ")).map_err(|error| wrong(message(&error)))?),
        };
        Ok(CssSelector { text: text.into(), elements, take })
    }

    /// The selector as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says what to take of an element, as a field's selector has to: `::text` or
    /// `::attr(…)`.
    pub fn takes_text(&self) -> bool {
        self.take != Take::Element
    }

    /// Whether it takes what is a URL: `::attr(href)` or `::attr(src)`.
    pub fn takes_url(&self) -> bool {
        matches!(&self.take, Take::Attribute(name) if matches!(&**name, "href" | "src"))
    }

    /// The texts of all that it selects, in the order of the page: white space folded for `::text`
    /// (which is what a selector without either gives, too), trimmed for `::attr(…)`. An element
    /// without the attribute gives none.
    ///
    /// # Errors
    /// Where the page's time is over.
    pub fn select_texts(&self, scope: HtmlScope<'_>) -> Result<Vec<String>, LimitError> {
        let mut texts = Vec::new();
        self.each_text(scope, true, |text| {
            texts.push(text.into_owned());
            ControlFlow::Continue(())
        })?;
        Ok(texts)
    }

    /// All elements that it selects, in the order of the page, each as a place to select in.
    ///
    /// # Errors
    /// Where the page's time is over.
    pub fn select_elements<'a>(
        &self,
        scope: HtmlScope<'a>,
    ) -> Result<Vec<HtmlScope<'a>>, LimitError> {
        let mut items = Vec::new();
        self.each(scope, |element| {
            items.push(scope.within(element));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(items)
    }

    /// Whether it selects anything: an element, or one with the attribute.
    ///
    /// # Errors
    /// Where the page's time is over.
    pub fn matches(&self, scope: HtmlScope<'_>) -> Result<bool, LimitError> {
        let mut matched = false;
        self.each(scope, |element| {
            matched = match &self.take {
                Take::Attribute(name) => attribute(element, name).is_some(),
                Take::Text | Take::Element => true,
            };
            Ok(if matched { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(matched)
    }

    /// Hands the texts it selects to `take`, one by one until that breaks off; as the page has
    /// them where `trim` is off.
    ///
    /// # Errors
    /// Where the page's time is over.
    pub fn each_text<'a>(
        &self,
        scope: HtmlScope<'a>,
        trim: bool,
        mut take: impl FnMut(Cow<'a, str>) -> ControlFlow<()>,
    ) -> Result<(), LimitError> {
        self.each(scope, |element| {
            let text = match &self.take {
                Take::Attribute(name) => match attribute(element, name) {
                    Some(value) => Cow::Borrowed(if trim { value.trim() } else { value }),
                    None => return Ok(ControlFlow::Continue(())),
                },
                Take::Text | Take::Element if trim => Cow::Owned(text::folded(element)),
                Take::Text | Take::Element => Cow::Owned(text::raw(element)),
            };
            scope.page.count(&text)?;
            Ok(take(text))
        })
    }

    fn each<'a>(
        &self,
        scope: HtmlScope<'a>,
        mut found: impl FnMut(ElementRef<'a>) -> Result<ControlFlow<()>, LimitError>,
    ) -> Result<(), LimitError> {
        let clock = &scope.page.budget;
        let Some(list) = &self.elements else {
            clock.check()?;
            // One element: breaking off or not is all the same.
            return scope.element().map_or(Ok(()), |element| found(element).map(drop));
        };
        let mut caches = SelectorCaches::default();
        let mut context = MatchingContext::new(
            MatchingMode::Normal,
            None,
            &mut caches,
            QuirksMode::NoQuirks,
            NeedsSelectorFlags::No,
            MatchingForInvalidation::No,
        );
        context.scope_element = scope.item.map(|item| selectors::Element::opaque(&item));
        for (at, element) in scope.elements().enumerate() {
            if at % ELEMENTS_PER_LOOK == 0 {
                clock.check()?;
            }
            if matches_selector_list(list, &element, &mut context) {
                if found(element)?.is_break() {
                    break;
                }
                clock.check()?;
            }
        }
        clock.check()
    }
}

/// The attribute, its name compared as HTML does, without regard to case.
fn attribute<'a>(element: ElementRef<'a>, name: &str) -> Option<&'a str> {
    let mut attributes = element.value().attrs();
    attributes.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The parts of a selector between the commas that stand in no bracket and no quotes.
fn parts(text: &str) -> Vec<&str> {
    let (mut depth, mut quote, mut escaped) = (0_u32, None, false);
    let is_comma = |c: char| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        match (c, quote) {
            ('\\', _) => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            ('(' | '[', None) => depth += 1,
            (')' | ']', None) => depth = depth.saturating_sub(1),
            (',', None) => return depth == 0,
            _ => {}
        }
        false
    };
    text.split(is_comma).collect()
}

/// A part's selector for elements, and what it takes of them.
fn split(part: &str) -> Result<(&str, Take), String> {
    let (base, take, shown) = if let Some(base) = part.strip_suffix("::text") {
        (base, Take::Text, "::text")
    } else if let Some((base, name)) = part.strip_suffix(')').and_then(|part| {
        let at = part.rfind("::attr(")?;
        Some((&part[..at], &part[at + "::attr(".len()..]))
    }) {
        (base, Take::Attribute(attribute_name(name)?), "::attr(…)")
    } else {
        return Ok((part, Take::Element));
    };
    if base.ends_with(char::is_whitespace) {
        return Err(format!("there is a space before `{shown}`; write it right after the element"));
    }
    Ok((base, take))
}

fn attribute_name(name: &str) -> Result<Box<str>, String> {
    let name = name.trim();
    let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>/=()[]".contains(c);
    if name.is_empty() {
        return Err("`::attr()` names no attribute; write `::attr(href)`".to_owned());
    }
    if name.contains(odd) {
        return Err(format!("{name:?} is no attribute's name; write `::attr(href)`"));
    }
    Ok(name.to_ascii_lowercase().into())
}

fn elements(text: &str) -> Result<SelectorList<Simple>, ParseError<Kind>> {
    SelectorList::parse(&Parser, &mut cssparser::Parser::new(text), ParseRelative::No)
}

/// What is wrong, for people.
fn message(error: &ParseError<Kind>) -> String {
    let ParseErrorKind::Custom(kind) = &error.kind else {
        return "it is cut short or has a character that does not belong there".to_owned();
    };
    let words = match kind {
        Kind::EmptySelector => "it, or a part of it between commas, is empty",
        Kind::DanglingCombinator => "it ends with `>`, `+` or `~` and nothing after it",
        Kind::UnsupportedPseudoClassOrElement => {
            "it has a pseudo-class or pseudo-element that is not known; `::text` and \
             `::attr(name)` stand at the end"
        }
        Kind::NoIdentForPseudo
        | Kind::PseudoElementExpectedColon
        | Kind::PseudoElementExpectedIdent => "there is a `:` without a name after it",
        Kind::ClassNeedsIdent => "there is a `.` without the name of a class after it",
        Kind::NoQualifiedNameInAttributeSelector
        | Kind::UnexpectedTokenInAttributeSelector
        | Kind::ExpectedBarInAttr
        | Kind::BadValueInAttr
        | Kind::InvalidQualNameInAttr => "what stands in `[…]` is no test of an attribute",
        Kind::ExpectedNamespace | Kind::ExplicitNamespaceUnexpectedToken => {
            "it names a namespace, which pages have none of"
        }
        _ => "something in it is not where CSS allows it",
    };
    words.to_owned()
}

#[cfg(test)]
#[path = "css_tests.rs"]
mod tests;
