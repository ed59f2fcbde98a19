//! CSS selectors in Scrapy's syntax, with what to take of an element at the end: `::text`,
//! `::own-text`, `::attr(name)`, `::html` or `::comment`.
//!
//! Matching is done here, not by `scraper`'s iterators, because those cannot stop at a time limit:
//! on a page made for it, `h2 ~ p` takes minutes.
//!
//! Within an item, only elements below the item are selected. As in browsers, the rest of the
//! selector may match above it, and `:scope` is the item.

use std::borrow::Cow;
use std::ops::ControlFlow;

use cssparser::{ParseError, ParseErrorKind};
use html5ever::QualName;
use html5ever::tendril::StrTendril;
use scraper::ElementRef;
use selectors::context::{
    MatchingContext, MatchingForInvalidation, MatchingMode, NeedsSelectorFlags, QuirksMode,
    SelectorCaches,
};
use selectors::matching::matches_selector_list;
use selectors::parser::{ParseRelative, SelectorList, SelectorParseErrorKind as Kind};

use super::Finds;
use super::element::{Clock, Css, Node, Parser};
use super::{HtmlScope, LimitError, text};

/// Number of elements between two checks of the time.
const ELEMENTS_PER_LOOK: usize = 32;
/// Ends of selectors that say what to take of an element.
const TAKES: [(&str, Take); 4] = [
    ("::text", Take::Text),
    ("::own-text", Take::OwnText),
    ("::html", Take::Html),
    ("::comment", Take::Comments),
];

/// A CSS selector, and what to take of the elements that it selects. Two are equal if they are
/// written alike.
#[derive(Clone)]
pub struct CssSelector {
    text: Box<str>,
    /// Selector of the elements, or `None` for `::text` or `::attr(…)` alone, which select the item
    /// itself.
    elements: Option<SelectorList<Css>>,
    take: Take,
    /// True for XML pages.
    is_xml: bool,
}

impl std::fmt::Debug for CssSelector {
    /// Writes the selector as it was written: digests of site files depend on this.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

/// Part of a selected element to take.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Take {
    Element,
    Text,
    /// The text of the element without that of its descendants.
    OwnText,
    Attribute(Box<str>),
    /// The markup within the element.
    Html,
    /// Each comment within the element.
    Comments,
}

/// Error for a text that is not a CSS selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a CSS selector: {message}")]
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
    /// Parses a selector.
    ///
    /// # Errors
    /// Returns an error that says what is wrong with the text.
    pub fn parse(text: &str) -> Result<CssSelector, CssError> {
        CssSelector::of(text, false)
    }

    /// Parses a selector for XML pages: names have prefixes, as in `dc|creator`, and their case counts.
    ///
    /// # Errors
    /// Returns an error that says what is wrong with the text.
    pub fn parse_xml(text: &str) -> Result<CssSelector, CssError> {
        CssSelector::of(text, true)
    }

    fn of(text: &str, is_xml: bool) -> Result<CssSelector, CssError> {
        let wrong = |message: String| CssError { text: text.to_owned(), message };
        if text.starts_with('$') {
            return Err(wrong("it is a JSONPath, which is for JSON pages".to_owned()));
        }
        if text.trim_start().starts_with('/') {
            return Err(wrong(match super::xpath::as_css(text) {
                Some(css) => format!("it is an XPath; in CSS it is written `{css}`"),
                None => "it looks like an XPath; selectors of HTML and XML are CSS, such as `div.item > a::attr(href)`".to_owned(),
            }));
        }
        let mut bases = Vec::new();
        let mut takes: Vec<Take> = Vec::new();
        for part in parts(text) {
            let (base, take) = split(part.trim(), is_xml).map_err(wrong)?;
            // As in browsers, a selector that begins with a combinator is relative to `:scope`.
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
            _ => Some(elements(&bases.join(", "), is_xml).map_err(|error| wrong(message(&error)))?),
        };
        Ok(CssSelector { text: text.into(), elements, take, is_xml })
    }

    /// Returns the selector as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the kind of elements that the selector is applied to.
    pub fn selects_in(&self) -> Finds {
        if self.is_xml { Finds::Nodes } else { Finds::Elements }
    }

    /// Returns `true` if the selector says what to take of an element (`::text` or `::attr(…)`), as
    /// a field's selector must.
    pub fn takes_text(&self) -> bool {
        self.take != Take::Element
    }

    /// Returns `true` if the selector takes a URL: `::attr(href)` or `::attr(src)`.
    pub fn takes_url(&self) -> bool {
        matches!(&self.take, Take::Attribute(name) if matches!(&**name, "href" | "src"))
    }

    /// Returns the texts of all selected elements, in document order. White space is folded for
    /// `::text`, which is also the default, and trimmed for `::attr(…)`. Elements without the
    /// attribute are skipped.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up.
    pub fn select_texts(&self, scope: HtmlScope<'_>) -> Result<Vec<String>, LimitError> {
        let mut texts = Vec::new();
        self.each_text(scope, true, |text| {
            texts.push(text.into_owned());
            ControlFlow::Continue(())
        })?;
        Ok(texts)
    }

    /// Returns all selected elements, in document order, each as a place to select in.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up.
    pub fn select_elements<'a>(
        &self,
        scope: HtmlScope<'a>,
    ) -> Result<Vec<HtmlScope<'a>>, LimitError> {
        let mut items = Vec::new();
        self.each_element(scope, |item| {
            items.push(item);
            ControlFlow::Continue(())
        })?;
        Ok(items)
    }

    /// Passes each selected element to `take` until that breaks.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up.
    pub fn each_element<'a>(
        &self,
        scope: HtmlScope<'a>,
        mut take: impl FnMut(HtmlScope<'a>) -> ControlFlow<()>,
    ) -> Result<(), LimitError> {
        self.each(scope, |element| Ok(take(scope.within(element))))
    }

    /// Returns `true` if anything is selected: an element, or one with the attribute.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up.
    pub fn matches(&self, scope: HtmlScope<'_>) -> Result<bool, LimitError> {
        let mut matched = false;
        self.each(scope, |element| {
            matched = match &self.take {
                Take::Attribute(name) => attribute(element, name).is_some(),
                Take::Comments => text::comments(element).next().is_some(),
                Take::Text | Take::OwnText | Take::Html | Take::Element => true,
            };
            Ok(if matched { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(matched)
    }

    /// Passes each selected text to `take` until that breaks. If `trim` is false, the texts are
    /// passed as they are on the page.
    ///
    /// # Errors
    /// Returns an error if the page's time is used up, or the selected text exceeds the limit.
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
                Take::OwnText if trim => Cow::Owned(text::own(element)),
                Take::OwnText => Cow::Owned(text::own_raw(element)),
                Take::Html => Cow::Owned(text::markup(element)),
                Take::Comments => {
                    for comment in text::comments(element) {
                        scope.page.count(comment)?;
                        scope.page.budget.step()?;
                        if take(Cow::Borrowed(comment)).is_break() {
                            return Ok(ControlFlow::Break(()));
                        }
                    }
                    return Ok(ControlFlow::Continue(()));
                }
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
            // There is only one element, so the result of `found` does not matter.
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
        context.extra_data = Clock(Some(clock));
        for (at, element) in scope.elements().enumerate() {
            if at % ELEMENTS_PER_LOOK == 0 {
                clock.check()?;
            }
            if matches_selector_list(list, &Node(element), &mut context) {
                if found(element)?.is_break() {
                    break;
                }
                clock.check()?;
            }
        }
        clock.check()
    }
}

/// Returns the value of an attribute. Names are compared case-insensitively, as in HTML, but not in
/// XML, where they have a prefix.
fn attribute<'a>(element: ElementRef<'a>, name: &str) -> Option<&'a str> {
    if text::is_xml(element) {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        let mut attributes = element.value().attrs.iter();
        let is_it = |(key, _): &&(QualName, StrTendril)| &*key.ns == prefix && &*key.local == local;
        return attributes.find(is_it).map(|(_, value)| &**value);
    }
    let mut attributes = element.value().attrs();
    attributes.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Splits a selector at the commas that are outside of brackets and quotes.
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

/// Splits a part into its selector of elements and what to take of them.
fn split(part: &str, is_xml: bool) -> Result<(&str, Take), String> {
    let plain = TAKES.iter().find_map(|(end, take)| Some((part.strip_suffix(end)?, take, end)));
    let (base, take, shown) = if let Some((base, take, shown)) = plain {
        (base, take.clone(), *shown)
    } else if let Some((base, name)) = part.strip_suffix(')').and_then(|part| {
        let at = part.rfind("::attr(")?;
        Some((&part[..at], &part[at + "::attr(".len()..]))
    }) {
        (base, Take::Attribute(attribute_name(name, is_xml)?), "::attr(…)")
    } else {
        return Ok((part, Take::Element));
    };
    if base.ends_with(char::is_whitespace) {
        return Err(format!("there is a space before `{shown}`; write it right after the element"));
    }
    Ok((base, take))
}

fn attribute_name(name: &str, is_xml: bool) -> Result<Box<str>, String> {
    let name = name.trim();
    let odd = |c: char| c.is_whitespace() || c.is_control() || "\"'`<>/=()[]".contains(c);
    if name.is_empty() {
        return Err("`::attr()` names no attribute; write `::attr(href)`".to_owned());
    }
    if name.contains(odd) {
        return Err(format!("{name:?} is not the name of an attribute; write `::attr(href)`"));
    }
    // The prefix is written with either sign.
    Ok(if is_xml { name.replace('|', ":").into() } else { name.to_ascii_lowercase().into() })
}

fn elements(text: &str, is_xml: bool) -> Result<SelectorList<Css>, ParseError<Kind>> {
    SelectorList::parse(&Parser { is_xml }, &mut cssparser::Parser::new(text), ParseRelative::No)
}

/// Returns the error as a message for users.
fn message(error: &ParseError<Kind>) -> String {
    let ParseErrorKind::Custom(kind) = &error.kind else {
        return "it is cut short or has a character that does not belong there".to_owned();
    };
    let words = match kind {
        Kind::EmptySelector => "it, or a part of it between commas, is empty",
        Kind::DanglingCombinator => "it ends with `>`, `+` or `~` and nothing after it",
        Kind::UnsupportedPseudoClassOrElement => {
            "it has a pseudo-class or pseudo-element that is not known; `::text`, `::own-text`, \
             `::html`, `::comment` and `::attr(name)` stand at the end"
        }
        Kind::NoIdentForPseudo
        | Kind::PseudoElementExpectedColon
        | Kind::PseudoElementExpectedIdent => "there is a `:` without a name after it",
        Kind::ClassNeedsIdent => "there is a `.` without the name of a class after it",
        Kind::NoQualifiedNameInAttributeSelector
        | Kind::UnexpectedTokenInAttributeSelector
        | Kind::ExpectedBarInAttr
        | Kind::BadValueInAttr
        | Kind::InvalidQualNameInAttr => "`[…]` does not hold a test of an attribute",
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
