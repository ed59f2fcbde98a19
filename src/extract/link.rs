//! Parser of the `Link` header, after RFC 8288 (appendix B.2): spaces are allowed around `=`, and
//! what is not a link parameter is skipped. Values in single quotes, which the RFC does not know,
//! are accepted as other clients do.

use std::borrow::Cow;

/// A link of a `Link` header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link<'a> {
    /// Target of the link, as written.
    pub target: &'a str,
    /// Names and values of the parameters, in order.
    pub params: Vec<(&'a str, Cow<'a, str>)>,
}

/// Parses the value of a `Link` header, or returns `None` if it is malformed.
pub fn links(value: &str) -> Option<Vec<Link<'_>>> {
    let mut links = Vec::new();
    let mut rest = skip(value, ", \t");
    while !rest.is_empty() {
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (params, after) = params(after);
        links.push(Link { target, params });
        // Skip what is not a parameter.
        let end = after.find(',').unwrap_or(after.len());
        rest = skip(&after[end..], ", \t");
    }
    Some(links)
}

/// Parses the parameters at the start of a text, and returns them and the rest.
fn params(mut rest: &str) -> (Vec<(&str, Cow<'_, str>)>, &str) {
    let mut params = Vec::new();
    loop {
        rest = skip(rest, " \t");
        let Some(after) = rest.strip_prefix(';') else { return (params, rest) };
        let (name, after) = until(skip(after, " \t"), "=;,");
        let name = name.trim_end();
        let value;
        (value, rest) = match after.strip_prefix('=') {
            Some(after) => self::value(skip(after, " \t")),
            None => (Cow::Borrowed(""), after),
        };
        if !name.is_empty() {
            params.push((name, value));
        }
    }
}

/// Parses a parameter's value, and returns it and the rest.
fn value(text: &str) -> (Cow<'_, str>, &str) {
    if let Some(quoted) = text.strip_prefix('"') {
        return unquoted(quoted);
    }
    if let Some((value, rest)) = text.strip_prefix('\'').and_then(|text| text.split_once('\''))
        && skip(rest, " \t").chars().next().is_none_or(|next| ";,".contains(next))
    {
        return (Cow::Borrowed(value), rest);
    }
    let (value, rest) = until(text, ";,");
    (Cow::Borrowed(value.trim_end()), rest)
}

/// Reads a text up to its closing quote, and resolves `\` escapes.
fn unquoted(text: &str) -> (Cow<'_, str>, &str) {
    let mut value = String::new();
    let mut kept = 0;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' if value.is_empty() => return (Cow::Borrowed(&text[kept..at]), &text[at + 1..]),
            b'"' => return (Cow::Owned(value + &text[kept..at]), &text[at + 1..]),
            b'\\' => {
                value.push_str(&text[kept..at]);
                kept = at + 1;
                bytes.next();
            }
            _ => {}
        }
    }
    (Cow::Owned(value + &text[kept..]), "")
}

fn skip<'a>(text: &'a str, these: &str) -> &'a str {
    text.trim_start_matches(|c| these.contains(c))
}

fn until<'a>(text: &'a str, these: &str) -> (&'a str, &'a str) {
    text.split_at(text.find(|c| these.contains(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `target rel` of each link.
    fn rels(value: &str) -> Option<Vec<String>> {
        let rel = |link: &Link<'_>| {
            let rel = link.params.iter().find(|(name, _)| name.eq_ignore_ascii_case("rel"));
            rel.map_or_else(String::new, |(_, value)| value.to_string())
        };
        Some(links(value)?.iter().map(|link| format!("{} {}", link.target, rel(link))).collect())
    }

    #[test]
    fn w21_links_are_read_in_each_form_that_servers_write() {
        for (value, expected) in [
            (r#"</2>; rel="next""#, &["/2 next"][..]),
            (r#"</2>; rel ="next""#, &["/2 next"]),
            (r#"</2>; rel = "next""#, &["/2 next"]),
            ("</2>;rel=\t\"next\" ; title=x", &["/2 next"]),
            ("</2>; rel='next'", &["/2 next"]),
            ("</2>; rel='prev next', </9>; rel='last'", &["/2 prev next", "/9 last"]),
            ("</2>; title='a, b; c' ; rel='next'", &["/2 next"]),
            ("</2>; title='tis; rel=next", &["/2 next"]),
            ("</2>; rel=next", &["/2 next"]),
            ("</2>; Rel=NEXT; x", &["/2 NEXT"]),
            (r#"</2>; rel="next"; title="a, b; c""#, &["/2 next"]),
            (r#"</a,b>; title="\"x\", <y>"; rel=next,</3>;rel=prev"#, &["/a,b next", "/3 prev"]),
            (r#"</2>;; ;rel="next";"#, &["/2 next"]),
            (", </2>; rel=next, , ", &["/2 next"]),
            (r#"</2> rubbish; rel="prev", </3>; rel="next""#, &["/2 ", "/3 next"]),
            (r#"<>; rel="next"#, &[" next"]),
            ("", &[]),
        ] {
            let expected = expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
            assert_eq!(rels(value), Some(expected), "{value}");
        }
        for value in ["/2; rel=next", "</2; rel=next", "</2>; rel=next, rubbish"] {
            assert_eq!(rels(value), None, "{value}");
        }
    }

    #[test]
    fn w21_what_is_quoted_is_taken_as_it_is_meant() {
        let value = |text: &str| {
            let link = links(text).unwrap().remove(0);
            link.params.into_iter().map(|(_, value)| value.into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(value(r#"<a>; x="\"\\a\é""#), [r#""\aé"#]);
        assert_eq!(value(r#"<a>; x="\"#), [""]);
        assert_eq!(value(r#"<a>; x="\a"; y='b"#), ["a", "'b"]);
    }
}
