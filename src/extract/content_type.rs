//! Detects pages that are not HTML, by their `Content-Type`.
//!
//! Headers are often wrong, so the type is used only to reject a page. Without the check, plain
//! text would be parsed as HTML: `<a@b.example>` would be taken for a tag and silently lost.

/// Subtypes of `application` for text formats that are not HTML.
const NO_MARKUP: [&str; 4] = ["json", "javascript", "ecmascript", "yaml"];

/// Returns the type in the header if it cannot be HTML, else `None`.
pub fn other_than_html(content_type: &str) -> Option<&str> {
    let named = content_type.split(';').next().unwrap_or_default().trim();
    let small = named.to_ascii_lowercase();
    let (top, sub) = small.split_once('/')?;
    let is_markup = sub.contains("htm") || sub.contains("xml");
    let is_other = match top {
        "text" => !is_markup,
        "image" | "audio" | "video" | "font" => !is_markup,
        "application" => sub == "pdf" || NO_MARKUP.iter().any(|text| sub.contains(text)),
        _ => false,
    };
    is_other.then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_a_type_is_believed_where_it_contradicts_html() {
        for other in [
            "text/plain",
            "Text/Plain; charset=utf-8",
            "text/csv",
            "text/markdown",
            "application/json",
            "application/problem+json;charset=utf-8",
            "application/x-ndjson",
            "text/javascript",
            "application/pdf",
            "image/png",
        ] {
            let named = other.split(';').next();
            assert_eq!(other_than_html(other), named, "{other}");
        }
        for html in [
            "text/html",
            "TEXT/HTML; charset=x",
            "application/xhtml+xml",
            "application/xml",
            "text/xml",
            "text/x-server-parsed-html",
            "application/octet-stream",
            "image/svg+xml",
            "html",
            "",
        ] {
            assert_eq!(other_than_html(html), None, "{html}");
        }
    }
}
