//! Evaluates `--select` on a page, with the crawler's selectors.

use std::fmt;

use anyhow::bail;

use crate::fetch::Page;
use crate::model::document::value_to_text;
use crate::select::html::{CssSelector, HtmlPage};
use crate::select::{Format, JsonPage, Select, Selector};

/// A JSONPath or a CSS selector.
#[derive(Debug)]
pub struct Expression(Select);

impl Expression {
    /// Parses an expression. One that begins with `$` is a JSONPath.
    ///
    /// # Errors
    /// Returns the reason, in words, if the expression is not valid.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.trim_start().starts_with('$') {
            let selector = Selector::parse(text.trim()).map_err(|error| error.to_string())?;
            return Ok(Expression(Select::Json(selector)));
        }
        let selector = CssSelector::parse(text).map_err(|error| error.to_string())?;
        Ok(Expression(Select::Css(selector)))
    }

    /// Returns all matches: values as compact JSON, texts without quotes. `format` overrides the
    /// format that the page declares.
    ///
    /// # Errors
    /// Returns an error if the page cannot be parsed or has another format than the expression.
    pub fn find(&self, page: &Page, format: Option<Format>) -> anyhow::Result<Vec<String>> {
        match (&self.0, format.unwrap_or_else(|| format_of(page))) {
            (Select::Json(selector), Format::Json) => {
                let json = JsonPage::read(page)?;
                let found = selector.select(json.value(), json.budget())?;
                Ok(found.iter().map(|found| value_to_text(found.as_raw())).collect())
            }
            (Select::Css(selector), Format::Html) => {
                let html = HtmlPage::parse(&page.body, page.content_type(), &page.url)?;
                Ok(selector.select_texts(html.scope())?)
            }
            (Select::Json(_), Format::Html) => bail!(
                "{self} is a JSONPath, but the page is treated as HTML; use --format json to read it as JSON"
            ),
            (Select::Css(_), Format::Json) => bail!(
                "{self} is a CSS selector (a JSONPath begins with $), but the page is treated as JSON; use --format html to read it as HTML"
            ),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.text())
    }
}

/// Returns the format of the page: by its `Content-Type`, else by its first byte.
fn format_of(page: &Page) -> Format {
    let said = page.content_type().unwrap_or_default().to_ascii_lowercase();
    if said.contains("json") {
        return Format::Json;
    }
    if said.contains("html") || said.contains("xml") {
        return Format::Html;
    }
    let body = page.body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&page.body);
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[' | b'"' | b'-' | b'0'..=b'9') => Format::Json,
        _ => Format::Html,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::HeaderMap;

    fn page(content_type: Option<&str>, body: &str) -> Page {
        let mut headers = HeaderMap::new();
        if let Some(text) = content_type {
            headers.insert("content-type", text.parse().unwrap());
        }
        let url = "http://h/a".parse().unwrap();
        Page { url, headers, body: body.to_owned().into() }
    }

    fn found(expression: &str, page: &Page, format: Option<Format>) -> Result<String, String> {
        let found = Expression::parse(expression)?.find(page, format);
        found.map(|found| found.join("|")).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_compact_json_and_texts_are_texts() {
        let json = page(
            Some("application/json"),
            r#"{"a": [{"id": 1, "b": "x y"}, {"id": 123456789012345678901234567890}]}"#,
        );
        let html = page(None, "<p class=x>a <b>b</b></p><p><a href=' /c '>c</a></p>");
        for (expression, page, expected) in [
            ("$.a[*].id", &json, "1|123456789012345678901234567890"),
            (" $.a[0]", &json, r#"{"id":1,"b":"x y"}"#),
            ("$.a[?@.id == 1].b", &json, r#""x y""#),
            ("$.none", &json, ""),
            ("p", &html, "a b|c"),
            ("p.x::text", &html, "a b"),
            ("a::attr(href)", &html, "/c"),
        ] {
            assert_eq!(found(expression, page, None).as_deref(), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn the_page_says_what_it_is_unless_somebody_knows_better() {
        let json = "{\"a\":1}";
        for (content_type, body, is_json) in [
            (Some("text/html"), json, false),
            (Some("application/problem+json"), "<p>", true),
            (Some("text/plain"), json, true),
            (None, " \n[1]", true),
            (None, "\u{feff}{}", true),
            (None, "<html>", false),
        ] {
            let said = format_of(&page(content_type, body)) == Format::Json;
            assert_eq!(said, is_json, "{content_type:?} {body}");
        }
        let lies = page(Some("text/html"), json);
        assert!(found("$.a", &lies, None).unwrap_err().contains("--format json"));
        assert_eq!(found("$.a", &lies, Some(Format::Json)).as_deref(), Ok("1"));
        assert!(found("a", &page(None, json), None).unwrap_err().contains("--format html"));
    }

    #[test]
    fn p5_numbers_keep_their_digits() {
        let page = page(None, &format!("{{\"a\":{}}}", "9".repeat(40)));
        assert_eq!(found("$.a", &page, None), Ok("9".repeat(40)));
    }

    #[test]
    fn what_is_no_expression_says_so() {
        assert!(Expression::parse("$.[").unwrap_err().contains("JSONPath"));
        assert!(Expression::parse("p >").unwrap_err().contains("CSS"));
    }
}
