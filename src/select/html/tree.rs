//! Parses HTML text to a tree, under limits.
//!
//! html5ever searches all open elements for many tags, so its time grows with the square of the
//! depth: half a megabyte of nested tags can take a minute and a half. It has no limits of its own.
//! A guard between its tokenizer and its tree builder therefore checks the limits every few tokens.
//! The text is fed in pieces, because a single token can be slow as well, for instance a tag with
//! 100,000 attributes.

use std::cell::Cell;

use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::{
    BufferQueue, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use html5ever::tree_builder::{ElementFlags, TreeBuilder, TreeBuilderOpts, TreeSink};
use html5ever::{LocalName, Namespace, QualName};
use scraper::{Html, HtmlTreeSink};

use super::{Budget, LimitError, Limits};

/// Bytes to feed at once: few enough to finish soon even in the middle of an endless tag.
const PIECE: usize = 8 * 1024;
/// Number of tokens between two checks of the limits. One token adds about as many nodes as the
/// tree is deep at most, so a check comes after milliseconds.
const TOKENS_PER_LOOK: u32 = 16;
/// Namespace of HTML elements.
const HTML: &str = "http://www.w3.org/1999/xhtml";
/// Beginnings of texts that are whole pages.
const WHOLE: [&[u8]; 4] = [b"<!doctype", b"<html", b"<head", b"<body"];

type Builder = TreeBuilder<<HtmlTreeSink as TreeSink>::Handle, HtmlTreeSink>;

/// Parses the `text` of a page to a tree, within `limits` and `budget`.
pub fn parse(text: &str, limits: &Limits, budget: &Budget) -> Result<Html, LimitError> {
    let sink = HtmlTreeSink::new(Html::new_document());
    built(TreeBuilder::new(sink, options()), text, limits, budget)
}

/// Parses a part of a page, which may begin with any element, such as a row of a table.
pub fn parse_part(text: &str, limits: &Limits, budget: &Budget) -> Result<Html, LimitError> {
    if is_whole(text) {
        return parse(text, limits, budget);
    }
    let sink = HtmlTreeSink::new(Html::new_fragment());
    // A template may hold rows and cells; within `<body>` their tags would be dropped.
    let name = QualName::new(None, Namespace::from(HTML), LocalName::from("template"));
    let context = sink.create_element(name, Vec::new(), ElementFlags::default());
    built(TreeBuilder::new_for_fragment(sink, context, None, options()), text, limits, budget)
}

/// Returns `true` if a text is a page of its own.
fn is_whole(text: &str) -> bool {
    let start = text.trim_start().as_bytes();
    WHOLE.iter().any(|tag| {
        let after = start.get(tag.len());
        start.get(..tag.len()).is_some_and(|it| it.eq_ignore_ascii_case(tag))
            && after.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
    })
}

fn options() -> TreeBuilderOpts {
    TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() }
}

fn built(
    builder: Builder,
    text: &str,
    limits: &Limits,
    budget: &Budget,
) -> Result<Html, LimitError> {
    let guard = Guard { builder, limits, budget, tokens: Cell::new(0), beyond: Cell::new(None) };
    let tokenizer =
        Tokenizer::new(guard, TokenizerOpts { discard_bom: false, ..TokenizerOpts::default() });
    let queue = BufferQueue::default();
    for piece in pieces(text) {
        queue.push_back(StrTendril::from_slice(piece));
        feed(&tokenizer, &queue);
        tokenizer.sink.look();
        tokenizer.sink.verdict()?;
    }
    tokenizer.end();
    tokenizer.sink.verdict()?;
    Ok(tokenizer.sink.builder.sink.0.into_inner())
}

/// Feeds the queue to the end. The tokenizer stops at scripts and at encoding declarations; neither
/// matters here.
fn feed(tokenizer: &Tokenizer<Guard<'_>>, queue: &BufferQueue) {
    while !matches!(tokenizer.feed(queue), TokenizerResult::Done) {}
}

/// Splits `text` into pieces of about [`PIECE`] bytes.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut end = PIECE.min(rest.len());
        while !rest.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Passes tokens to the tree builder until a limit is exceeded, and drops the rest.
struct Guard<'l> {
    builder: Builder,
    limits: &'l Limits,
    budget: &'l Budget,
    tokens: Cell<u32>,
    beyond: Cell<Option<LimitError>>,
}

impl Guard<'_> {
    fn verdict(&self) -> Result<(), LimitError> {
        self.beyond.get().map_or(Ok(()), Err)
    }

    fn look(&self) {
        if self.beyond.get().is_some() {
            return;
        }
        let html = self.builder.sink.0.borrow();
        let mut nodes = html.tree.nodes();
        if nodes.len() > self.limits.nodes {
            self.beyond.set(Some(LimitError::Nodes(self.limits.nodes)));
        } else if let Err(error) = self.budget.check() {
            self.beyond.set(Some(error));
        } else if let Some(latest) = nodes.next_back()
            && latest.ancestors().count() > self.limits.depth
        {
            // The latest node is at the parser's position, so its depth is the one that costs time.
            self.beyond.set(Some(LimitError::Depth(self.limits.depth)));
        }
    }
}

impl TokenSink for Guard<'_> {
    type Handle = <Builder as TokenSink>::Handle;

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<Self::Handle> {
        let tokens = self.tokens.get().wrapping_add(1);
        self.tokens.set(tokens);
        if tokens.is_multiple_of(TOKENS_PER_LOOK) {
            self.look();
        }
        if self.beyond.get().is_some() {
            return TokenSinkResult::Continue;
        }
        self.builder.process_token(token, line)
    }

    fn end(&self) {
        self.builder.end();
    }

    fn adjusted_current_node_present_but_not_in_html_namespace(&self) -> bool {
        self.builder.adjusted_current_node_present_but_not_in_html_namespace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::select::budget::used;

    fn parsed(text: &str, limits: Limits) -> Result<Html, LimitError> {
        let budget = Budget::of(limits.time);
        budget.check()?;
        parse(text, &limits, &budget)
    }

    /// Ends soon, with a tree or an error; the limit is far from what an unguarded parser takes.
    fn timed(text: &str) -> Result<Html, LimitError> {
        let start = used();
        let made = parsed(text, Limits::default());
        let took = used() - start;
        let shown = text.chars().take(24).collect::<String>();
        eprintln!("{shown:?}… of {} bytes: {took:?}, {:?}", text.len(), made.as_ref().err());
        assert!(took < Duration::from_secs(20), "{shown:?} took {took:?}");
        made
    }

    #[test]
    fn a_guarded_tree_is_the_tree_of_the_plain_parser() {
        let page = "<!doctype html><title>t</title><p>a<b>b<p>c</b>d<table><tr><td>x</table>\
                    <template><p>t</template><script>if (a < b) {}</script><svg><![CDATA[x]]></svg>é日本"
            .repeat(200);
        let plain = Html::parse_document(&page);
        assert_eq!(parsed(&page, Limits::default()).unwrap().tree, plain.tree);
    }

    #[test]
    fn pieces_are_the_whole_text() {
        let text = "aé日🎉".repeat(5000);
        assert!(pieces(&text).all(|piece| piece.len() <= PIECE));
        assert_eq!(pieces(&text).collect::<String>(), text);
        assert_eq!(pieces("").count(), 0);
    }

    #[test]
    fn p4_half_a_megabyte_of_nested_tags_ends_soon() {
        let half = 512 * 1024;
        for tag in ["<div>", "<b>", "<table><tr><td>", "<a><div>"] {
            let error = timed(&tag.repeat(half / tag.len())).err();
            let known = matches!(error, Some(LimitError::Depth(512) | LimitError::Time(_)));
            assert!(known, "{tag}: {error:?}");
        }
        for closed in
            ["<table>", "<b></p>", "<p></b>", "<select><option>", "</x>", "<li>", "<!--", "<svg>"]
        {
            drop(timed(&closed.repeat(half / closed.len())));
        }
    }

    #[test]
    fn p4_other_ways_to_be_slow_end_soon() {
        let formats: String = (0..400).map(|at| format!("<b id=x{at}>")).collect();
        drop(timed(&format!("<p>{formats}</p>{}", "<p>x".repeat(150_000))));
        let attributes: String = (0..80_000).map(|at| format!(" a{at}")).collect();
        drop(timed(&format!("<p{attributes}>")));
        drop(timed(&"<font color=red><table>".repeat(20_000)));
    }

    #[test]
    fn each_limit_is_named() {
        let of = |text: &str, limits| parsed(text, limits).err();
        let limits = Limits::default();
        let deep = "<div>".repeat(600);
        assert_eq!(of(&deep, limits), Some(LimitError::Depth(512)));
        assert_eq!(of(&"<div>".repeat(450), limits), None);
        let wide = "<p>x".repeat(600);
        assert_eq!(of(&wide, Limits { nodes: 1000, ..limits }), Some(LimitError::Nodes(1000)));
        assert_eq!(of(&wide, limits), None);
        let none = Duration::ZERO;
        assert_eq!(of(&wide, Limits { time: none, ..limits }), Some(LimitError::Time(none)));
    }
}
