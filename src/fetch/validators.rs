//! Validators of conditional requests (RFC 9110, sections 8.8 and 13).

use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};

use crate::model::record::Validators;

/// Maximum length of a validator, in bytes. Longer ones are ignored, since each is stored with its
/// document and sent with each request.
const LONGEST: usize = 1 << 10;
/// Suffixes that servers add to an entity tag when they compress: Apache, Jetty, and others like
/// them.
const MARKS: [&str; 9] =
    ["-gzip", "--gzip", ";gzip", ":gzip", "-gzip-gzip", "-br", ";br", "-deflate", "-zstd"];

/// Returns the validator in the header `name`, or `None` if it is missing or too long.
pub fn of(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let value = headers.get(&name)?.to_str().ok()?;
    (value.len() <= LONGEST && (name != ETAG || is_tag(value))).then_some(value)
}

/// Returns true if this is a single entity tag, in quotes or, as some servers write it, without.
/// Anything else would have another meaning in a request: `*` matches any page, so that no page
/// would ever change.
fn is_tag(value: &str) -> bool {
    let strong = value.strip_prefix("W/").or(value.strip_prefix("w/")).unwrap_or(value);
    match strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(opaque) => !opaque.contains('"'),
        None => !strong.is_empty() && !strong.contains(['"', ',', '*', ' ', '\t']),
    }
}

/// Returns the headers that request a page only if it has changed.
pub fn conditions(validators: &Validators) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let Validators { etag, last_modified } = validators;
    let kept = |value: &Option<Box<str>>| {
        value.as_deref().filter(|value| value.len() <= LONGEST).map(str::to_owned)
    };
    let tags =
        kept(etag).filter(|tag| is_tag(tag)).map(|tag| (IF_NONE_MATCH, forms(&tag).join(", ")));
    let time = kept(last_modified).map(|time| (IF_MODIFIED_SINCE, time));
    // A value that a header cannot hold is not a validator.
    let header = |(name, value): (HeaderName, String)| {
        HeaderValue::from_str(&value).ok().map(|value| (name, value))
    };
    tags.into_iter().chain(time).filter_map(header)
}

/// Returns an entity tag in all forms that the origin may know. A server that compresses the
/// response alters the tag, and many of them do not recognize their own form when it is sent back.
fn forms(tag: &str) -> Vec<String> {
    let mut forms = vec![tag.to_owned()];
    let strong = tag.strip_prefix("W/").unwrap_or(tag);
    let Some(opaque) = strong.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return forms;
    };
    let plain = MARKS.iter().filter_map(|mark| opaque.strip_suffix(mark)).min_by_key(|it| it.len());
    if strong != tag {
        forms.push(strong.to_owned());
    }
    if let Some(plain) = plain.filter(|plain| !plain.is_empty()) {
        forms.push(format!("\"{plain}\""));
        if strong != tag {
            forms.push(format!("W/\"{plain}\""));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w23_the_unaltered_form_of_an_entity_tag_is_sent_along() {
        for (tag, expected) in [
            (r#""x""#, r#""x""#),
            (r#""x-gzip""#, r#""x-gzip", "x""#),
            (r#""x;gzip""#, r#""x;gzip", "x""#),
            (r#""x--gzip""#, r#""x--gzip", "x""#),
            (r#""x-br""#, r#""x-br", "x""#),
            (r#""a-b-zstd""#, r#""a-b-zstd", "a-b""#),
            (r#"W/"x""#, r#"W/"x", "x""#),
            (r#"W/"x-gzip""#, r#"W/"x-gzip", "x-gzip", "x", W/"x""#),
            // No tags by the book: as they came, and nothing made of them.
            ("x-gzip", "x-gzip"),
            (r#""-gzip""#, r#""-gzip""#),
        ] {
            let etag = Some(tag.into());
            let validators = Validators { etag, last_modified: None };
            let sent: Vec<_> = conditions(&validators).collect();
            assert_eq!(sent, [(IF_NONE_MATCH, HeaderValue::from_str(expected).unwrap())], "{tag}");
        }
    }

    #[test]
    fn w23_what_is_not_one_entity_tag_is_no_validator() {
        for tag in [
            "*",
            "",
            " ",
            "W/",
            "W/*",
            "\"",
            r#""a", "b-gzip""#,
            r#""a"b""#,
            "a, *",
            "a b",
            r#""x"#,
        ] {
            let headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_str(tag).unwrap())]);
            assert_eq!(of(&headers, ETAG), None, "{tag}");
            // One that an earlier version kept is not sent back.
            let validators = Validators { etag: Some(tag.into()), last_modified: None };
            assert_eq!(conditions(&validators).count(), 0, "{tag}");
        }
        for tag in [r#""""#, r#""a,b""#, r#""*""#, r#"w/"x""#, "abc", "5f-1a:2;br"] {
            let headers = HeaderMap::from_iter([(ETAG, HeaderValue::from_str(tag).unwrap())]);
            assert_eq!(of(&headers, ETAG), Some(tag));
        }
    }

    #[test]
    fn x6_a_validator_beyond_a_kilobyte_is_none() {
        let tag = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
        for (length, is_kept) in [(100, true), (1024, true), (1025, false), (300_000, false)] {
            let mut headers = HeaderMap::new();
            headers.insert("etag", HeaderValue::from_str(&tag(length)).unwrap());
            assert_eq!(of(&headers, ETAG).is_some(), is_kept, "{length}");
            // One that an earlier version kept is not sent back.
            let etag = Some(tag(length).into());
            let validators = Validators { etag, last_modified: None };
            assert_eq!(conditions(&validators).count(), usize::from(is_kept), "{length}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("last-modified", HeaderValue::from_str(&tag(2000)).unwrap());
        assert_eq!(of(&headers, reqwest::header::LAST_MODIFIED), None);
    }
}
