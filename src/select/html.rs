//! HTML pages: parses bytes to a tree, and selects in it with CSS selectors.
//!
//! A page is decoded by its byte order mark, its `Content-Type`, or its own declaration
//! (`charset.rs`), and parsed under limits (`html/tree.rs`). Parsing and selecting together take no
//! more CPU time than [`Limits::time`], whatever the site sends.
//!
//! Broken HTML is repaired as browsers do it. A page that exceeds a limit is an error that names
//! the limit; it is never read in part. Nothing here fetches or runs scripts: the content of
//! `<noscript>` counts.
//!
//! A page cannot be sent to another thread: parse it and select in it on the same thread.

mod css;
mod element;
mod outline;
mod text;
mod tree;
mod xml;
pub mod xpath;

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use encoding_rs::{Encoding, UTF_8};
use scraper::{ElementRef, Html, Node};
use url::Url;

use super::Finds;
use super::budget::{self, Budget, LimitError};
pub use super::charset::decode as decoded;
use super::charset::{decode, queries};
use crate::model::decoding::Decoding;
pub use css::{CssError, CssSelector};
pub use outline::{Element, Outline};
pub use xml::XmlError;

/// Limits on reading one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// CPU time for parsing and for all that is selected on the page, together.
    pub time: Duration,
    /// Maximum depth of nested elements.
    pub depth: usize,
    /// Maximum number of elements, texts and comments. One takes about 200 bytes.
    pub nodes: usize,
    /// Maximum size of all texts selected on the page together, in bytes. A text counts once for
    /// each selected element that contains it.
    pub text: usize,
}

impl Default for Limits {
    /// Returns 5 seconds, a depth of 512 (as in browsers), 2,000,000 nodes, and 64 MiB of text.
    fn default() -> Limits {
        Limits { time: budget::TIME, depth: 512, nodes: 2_000_000, text: 64 * 1024 * 1024 }
    }
}

/// An HTML page as a tree.
pub struct HtmlPage {
    html: Html,
    /// Address of the page, or `None` if it is not known.
    url: Option<Url>,
    base: OnceCell<Option<Url>>,
    charset: &'static str,
    decoding: Cell<Decoding>,
    limits: Limits,
    budget: Budget,
    /// Bytes of text selected so far, for [`Limits::text`].
    taken: Cell<usize>,
}

/// Place to select in: a whole page, or one of its items.
#[derive(Clone, Copy)]
pub struct HtmlScope<'a> {
    page: &'a HtmlPage,
    item: Option<ElementRef<'a>>,
}

impl HtmlPage {
    /// Parses a page. `content_type` is the header's value, `url` the page's address.
    ///
    /// # Errors
    /// Returns an error if the page exceeds the default [`Limits`].
    pub fn parse(
        body: &[u8],
        content_type: Option<&str>,
        url: &Url,
    ) -> Result<HtmlPage, LimitError> {
        HtmlPage::parse_within(&Limits::default(), body, content_type, url)
    }

    /// Parses a page under the given limits.
    ///
    /// # Errors
    /// Returns an error if the page exceeds one of them.
    pub fn parse_within(
        limits: &Limits,
        body: &[u8],
        content_type: Option<&str>,
        url: &Url,
    ) -> Result<HtmlPage, LimitError> {
        let budget = Budget::of(limits.time);
        budget.check()?;
        let decoded = decode(body, content_type);
        let html = tree::parse(&decoded.text, limits, &budget)?;
        let page = HtmlPage::of(html, Some(url), decoded.charset, limits, budget);
        page.decoding.set(decoded.decoding);
        Ok(page)
    }

    /// Parses an XML page.
    ///
    /// # Errors
    /// Returns an error if the page is not XML, or exceeds the default [`Limits`].
    pub fn parse_xml(
        body: &[u8],
        content_type: Option<&str>,
        url: &Url,
    ) -> Result<HtmlPage, XmlError> {
        let limits = Limits::default();
        let budget = Budget::of(limits.time);
        budget.check()?;
        let decoded = decode(body, content_type);
        let html = xml::parse(&decoded.text, &limits, &budget)?;
        let page = HtmlPage::of(html, Some(url), decoded.charset, &limits, budget);
        page.decoding.set(decoded.decoding);
        Ok(page)
    }

    fn of(
        html: Html,
        url: Option<&Url>,
        charset: &'static str,
        limits: &Limits,
        budget: Budget,
    ) -> HtmlPage {
        HtmlPage {
            html,
            url: url.cloned(),
            base: OnceCell::new(),
            charset,
            decoding: Cell::new(Decoding::default()),
            limits: *limits,
            budget,
            taken: Cell::new(0),
        }
    }

    /// Parses HTML within a page with this budget, which has begun.
    ///
    /// # Errors
    /// Returns an error if the text exceeds one of the limits.
    pub(super) fn within(
        text: &str,
        limits: &Limits,
        base: Option<&Url>,
        charset: &'static str,
        budget: &Budget,
    ) -> Result<HtmlPage, LimitError> {
        let budget = budget.clone();
        let html = tree::parse_part(text, limits, &budget)?;
        Ok(HtmlPage::of(html, base, charset, limits, budget))
    }

    /// Returns the whole page as a place to select in.
    pub fn scope(&self) -> HtmlScope<'_> {
        let scope = HtmlScope { page: self, item: None };
        // All that a part of a page has is below an `<html>` that the parser adds.
        let is_part = self.html.tree.root().value().is_fragment();
        HtmlScope { item: scope.element().filter(|_| is_part), ..scope }
    }

    /// Returns `true` for an XML page.
    pub fn is_xml(&self) -> bool {
        self.scope().element().is_some_and(text::is_xml)
    }

    /// Returns the budget that everything selected on the page shares.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns the number of nodes of the tree.
    pub(super) fn nodes(&self) -> usize {
        self.html.tree.nodes().len()
    }

    /// Returns the name of the page's encoding.
    pub fn charset(&self) -> &'static str {
        self.charset
    }

    /// Returns how the page was decoded, including JSON within it.
    pub fn decoding(&self) -> Decoding {
        self.decoding.get()
    }

    /// Adds to the number of characters that were replaced, in JSON within the page.
    pub(super) fn replaced(&self, more: u64) {
        let Decoding { replaced, is_guess } = self.decoding.get();
        self.decoding.set(Decoding { replaced: replaced + more, is_guess });
    }

    /// Returns the URL that relative URLs on the page start from: `<base href>`, else the page's
    /// own, or `None` if that is not known.
    pub fn base(&self) -> Option<&Url> {
        self.base.get_or_init(|| self.declared_base().or_else(|| self.url.clone())).as_ref()
    }

    /// Returns the page's encoding.
    pub fn encoding(&self) -> &'static Encoding {
        Encoding::for_label(self.charset.as_bytes()).unwrap_or(UTF_8)
    }

    /// Resolves `text` relative to [`HtmlPage::base`], or returns `None` if it is not a URL. The
    /// result may have any scheme, for instance `mailto:`. As in browsers, paths are encoded in
    /// UTF-8 and queries in the page's encoding.
    pub fn resolve(&self, text: &str) -> Option<Url> {
        let encoding = queries(self.encoding());
        let options = Url::options().base_url(self.base());
        match text.is_ascii() {
            true => options.parse(text.trim()).ok(),
            false => options.encoding_override(Some(&encoding)).parse(text.trim()).ok(),
        }
    }

    fn declared_base(&self) -> Option<Url> {
        let mut elements = self.html.tree.root().descendants().filter_map(ElementRef::wrap);
        let href = elements.find_map(|element| match element.value().name() {
            "base" if !text::is_xml(element) => element.attr("href"),
            _ => None,
        })?;
        let base = self.url.as_ref()?.join(href.trim()).ok();
        base.filter(|base| matches!(base.scheme(), "http" | "https"))
    }

    /// Counts a selected text against [`Limits::text`].
    fn count(&self, text: &str) -> Result<(), LimitError> {
        self.taken.set(self.taken.get().saturating_add(text.len()));
        if self.taken.get() > self.limits.text {
            return Err(LimitError::Text(self.limits.text));
        }
        Ok(())
    }
}

impl std::fmt::Debug for HtmlPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The tree is left out: it would print unescaped text of the site.
        let mut shown = f.debug_struct("HtmlPage");
        shown.field("charset", &self.charset).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for HtmlScope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let item = self.item.map(|item| item.value().name());
        f.debug_struct("HtmlScope").field("item", &item).finish_non_exhaustive()
    }
}

impl<'a> HtmlScope<'a> {
    /// Returns the page that the scope is on.
    pub fn page(self) -> &'a HtmlPage {
        self.page
    }

    /// Returns the text of the item or the page, folded.
    pub fn text(self) -> String {
        self.element().map_or_else(String::new, text::folded)
    }

    /// Returns the item, or the page's `<html>` element.
    fn element(self) -> Option<ElementRef<'a>> {
        let top = || self.page.html.tree.root().children().find_map(ElementRef::wrap);
        self.item.or_else(top)
    }

    fn within(self, item: ElementRef<'a>) -> HtmlScope<'a> {
        HtmlScope { page: self.page, item: Some(item) }
    }

    /// Iterates over all elements below, in document order.
    fn elements(self) -> impl Iterator<Item = ElementRef<'a>> {
        let node: ego_tree::NodeRef<'a, Node> =
            self.item.map_or_else(|| self.page.html.tree.root(), |item| *item);
        node.descendants().skip(1).filter_map(ElementRef::wrap)
    }
}

#[cfg(test)]
mod tests;
