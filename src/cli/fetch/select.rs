//! Evaluates `--select` on a page, with the crawler's selectors.

use std::fmt;
use std::ops::ControlFlow;

use anyhow::bail;

use crate::fetch::Page;
use crate::model::document::value_to_text;
use crate::select::field::Scope;
use crate::select::{COMMA, Finds, Format, Match, Part, Select, Tree};
use crate::site::Chain as Steps;

/// A selector: a JSONPath, a CSS selector, or a list of steps.
#[derive(Debug)]
pub struct Expression(Select);

impl Expression {
    /// Parses an expression. One that begins with `$` is a JSONPath, one that is a TOML list has
    /// steps, as in a site file.
    ///
    /// # Errors
    /// Returns the reason, in words, if the expression is not valid.
    pub fn parse(text: &str, format: Option<Format>) -> Result<Expression, String> {
        let steps = Steps::parse(text)?;
        let is_path = steps.0.first().is_some_and(Part::is_path);
        let on = match format {
            _ if is_path => Finds::Values,
            Some(Format::Xml) => Finds::Nodes,
            _ => Finds::Elements,
        };
        let select = Select::parse(&steps.0, on).map_err(|error| error.to_string())?;
        Ok(Expression(select))
    }

    /// Returns all matches: values as compact JSON, texts without quotes. `format` overrides the
    /// format that the page declares.
    ///
    /// # Errors
    /// Returns an error if the page cannot be parsed or has another format than the expression.
    pub fn find(&self, page: &Page, format: Option<Format>) -> anyhow::Result<Vec<String>> {
        let format = format.unwrap_or_else(|| format_of(page));
        match (self.0.reads(), format.holds()) {
            (Finds::Values, holds) if holds.are_elements() => bail!(
                "{self} is a JSONPath, but the page is treated as {}; use --format json to read it as JSON",
                format.name()
            ),
            (reads, Finds::Values) if reads.are_elements() => bail!(
                "{self} is a CSS selector (a JSONPath begins with $), but the page is treated as {}; use --format html to read it as HTML",
                format.name()
            ),
            _ => self.found(Tree::read(format, COMMA, page)?.scope()),
        }
    }

    fn found(&self, scope: Scope<'_>) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        self.0.each(scope, |one| {
            found.push(match one {
                Match::Text(text) => text.into_owned(),
                Match::Place(Scope::Json { value, .. }) => value_to_text(value),
                Match::Place(Scope::Html(element)) => element.text(),
            });
            ControlFlow::Continue(())
        })?;
        Ok(found)
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
        let found = Expression::parse(expression, format)?.find(page, format);
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
            (r#"["p", "b"]"#, &html, "b"),
            (r#"["p.x", "::text", { regex = "^(.)" }]"#, &html, "a"),
            (r#"["$.a[0].b", { regex = '(\S)$' }]"#, &json, "y"),
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
        assert!(Expression::parse("$.[", None).unwrap_err().contains("JSONPath"));
        assert!(Expression::parse("p >", None).unwrap_err().contains("CSS"));
        assert!(
            Expression::parse(r#"["p", "$.a"]"#, None)
                .unwrap_err()
                .contains("step 2: it reads a text")
        );
        assert!(
            Expression::parse(r#"["p", 1]"#, None).unwrap_err().contains("a selector or { regex")
        );
        assert!(Expression::parse(r#"["p""#, None).unwrap_err().contains("steps"));
    }
}
