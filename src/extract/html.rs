//! HTML pages: bytes to a tree, and what CSS selectors find in it.
//!
//! A page is decoded by its byte order mark, its `Content-Type`, or what it says itself
//! (`charset.rs`), and parsed under limits (`html/tree.rs`): parsing and all selecting on one page
//! together take no more of a processor's time than [`Limits::time`], whatever the site sent. What is broken is
//! mended as browsers do it; a page beyond a limit is an error that names the limit, never a page
//! with something missing. Nothing here fetches, and nothing runs scripts: `<noscript>` counts.
//!
//! A page cannot be sent to another thread: parse it and take from it in one place.

mod css;
mod text;
mod tree;

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use encoding_rs::{Encoding, UTF_8};
use scraper::{ElementRef, Html, Node};
use url::Url;

use super::budget::{self, Budget, LimitError};
use super::charset::{decode, queries};
use crate::decoding::Decoding;
pub use css::{CssError, CssSelector};

/// How much one page may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For parsing and for all that is selected on the page, together.
    pub time: Duration,
    /// Elements within one another.
    pub depth: usize,
    /// Elements, texts and comments; one takes about 200 bytes.
    pub nodes: usize,
    /// Bytes of all the texts that are selected on the page, together: a text counts for each of
    /// the elements around it that is selected.
    pub text: usize,
}

impl Default for Limits {
    /// 5 seconds, 512 deep (where browsers stop, too), 2,000,000 nodes, 64 MiB of text.
    fn default() -> Limits {
        Limits { time: budget::TIME, depth: 512, nodes: 2_000_000, text: 64 * 1024 * 1024 }
    }
}

/// An HTML page as a tree.
pub struct HtmlPage {
    html: Html,
    url: Url,
    base: OnceCell<Url>,
    charset: &'static str,
    decoding: Cell<Decoding>,
    limits: Limits,
    budget: Budget,
    /// Of the limit on text.
    taken: Cell<usize>,
}

/// Where on a page to select: all of it, or one of its items.
#[derive(Clone, Copy)]
pub struct HtmlScope<'a> {
    page: &'a HtmlPage,
    item: Option<ElementRef<'a>>,
}

impl HtmlPage {
    /// Reads a page. `content_type` is the header's value, `url` where the page came from.
    ///
    /// # Errors
    /// Where it is beyond the default [`Limits`].
    pub fn parse(
        body: &[u8],
        content_type: Option<&str>,
        url: &Url,
    ) -> Result<HtmlPage, LimitError> {
        HtmlPage::parse_within(&Limits::default(), body, content_type, url)
    }

    /// Reads a page under other limits.
    ///
    /// # Errors
    /// Where it is beyond one of them.
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
        Ok(HtmlPage {
            html,
            url: url.clone(),
            base: OnceCell::new(),
            charset: decoded.charset,
            decoding: Cell::new(decoded.decoding),
            limits: *limits,
            budget,
            taken: Cell::new(0),
        })
    }

    /// The whole page as a place to select in.
    pub fn scope(&self) -> HtmlScope<'_> {
        HtmlScope { page: self, item: None }
    }

    /// The name of the encoding that the page was read in.
    pub fn charset(&self) -> &'static str {
        self.charset
    }

    /// What was done to make text of the page, of JSON within it included.
    pub fn decoding(&self) -> Decoding {
        self.decoding.get()
    }

    /// So many characters more were replaced, in JSON within the page.
    pub(super) fn replaced(&self, more: u64) {
        let Decoding { replaced, is_guess } = self.decoding.get();
        self.decoding.set(Decoding { replaced: replaced + more, is_guess });
    }

    /// The URL that relative ones on the page start from: `<base href>`, else the page's own.
    pub fn base(&self) -> &Url {
        self.base.get_or_init(|| self.declared_base().unwrap_or_else(|| self.url.clone()))
    }

    /// The encoding that the page was read in.
    pub fn encoding(&self) -> &'static Encoding {
        Encoding::for_label(self.charset.as_bytes()).unwrap_or(UTF_8)
    }

    /// `text` as a URL, relative to [`HtmlPage::base`]. Of any scheme: `mailto:` is a URL, too. As
    /// browsers do it, paths are sent in UTF-8 and queries in what the page is in.
    pub fn resolve(&self, text: &str) -> Option<Url> {
        let encoding = queries(self.encoding());
        let options = Url::options().base_url(Some(self.base()));
        match text.is_ascii() {
            true => options.parse(text.trim()).ok(),
            false => options.encoding_override(Some(&encoding)).parse(text.trim()).ok(),
        }
    }

    fn declared_base(&self) -> Option<Url> {
        let mut elements = self.html.tree.root().descendants().filter_map(ElementRef::wrap);
        let href = elements.find_map(|element| match element.value().name() {
            "base" => element.attr("href"),
            _ => None,
        })?;
        self.url.join(href.trim()).ok().filter(|base| matches!(base.scheme(), "http" | "https"))
    }

    /// Counts a text that was taken.
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
        // The tree is left out: it would print the site's text raw.
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
    /// The page that the scope is on.
    pub fn page(self) -> &'a HtmlPage {
        self.page
    }

    /// The item, or the page's `<html>` element.
    fn element(self) -> Option<ElementRef<'a>> {
        let top = || self.page.html.tree.root().children().find_map(ElementRef::wrap);
        self.item.or_else(top)
    }

    fn within(self, item: ElementRef<'a>) -> HtmlScope<'a> {
        HtmlScope { page: self.page, item: Some(item) }
    }

    /// All elements below, in the order of the page.
    fn elements(self) -> impl Iterator<Item = ElementRef<'a>> {
        let node: ego_tree::NodeRef<'a, Node> =
            self.item.map_or_else(|| self.page.html.tree.root(), |item| *item);
        node.descendants().skip(1).filter_map(ElementRef::wrap)
    }
}

#[cfg(test)]
mod tests;
