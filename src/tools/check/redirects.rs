//! Advice on redirects: how to change the site file so that requests are not redirected.

use url::Url;

use crate::fetch::Redirect;

/// Returns advice in a sentence, or `None` if the request was not redirected. `template` is the
/// site file's table and its URL template, or `None` if the URL comes from the site's own pages.
pub fn advice(
    page: &str,
    base_url: &Url,
    template: Option<(&str, &str)>,
    redirects: &[Redirect],
) -> Option<String> {
    let (first, last) = (redirects.first()?, redirects.last()?);
    let (from, to) = (Url::parse(&first.from).ok()?, Url::parse(&last.to).ok()?);
    if from == to {
        // It leads to itself, as for a cookie: no URL leads straight there.
        return None;
    }
    let led = format!("{page} was redirected to {to}, as each of its kind will be");
    let Some((key, template)) = template else {
        return Some(format!("{led}; the site's own links lead there"));
    };
    if from.origin() != to.origin() && !template.contains("://") {
        let mut base = to.clone();
        base.set_path(base_url.path().trim_end_matches('/'));
        base.set_query(None);
        let base = base.as_str().trim_end_matches('/');
        return Some(format!("{led}; write `base_url = \"{base}\"`"));
    }
    let slash = |a: &Url, b: &Url| *a.path() == format!("{}/", b.path());
    let better = match template {
        template if template.contains('?') => None,
        template if slash(&to, &from) => Some(format!("{template}/")),
        template if slash(&from, &to) => template.strip_suffix('/').map(str::to_owned),
        _ => None,
    };
    Some(match better {
        Some(better) => format!("{led}; write `url = \"{better}\"` in {key}"),
        None => format!("{led}; let `url` in {key} lead there"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(base: &str, template: Option<&str>, from: &str, to: &str) -> String {
        let redirect = Redirect { status: 301, from: from.to_owned(), to: to.to_owned() };
        let base = Url::parse(base).unwrap();
        let template = template.map(|template| ("[detail]", template));
        advice("item 7", &base, template, &[redirect]).unwrap()
    }

    #[test]
    fn the_url_that_avoids_a_redirect_is_named() {
        let slash = told("http://h", Some("/b/{key}"), "http://h/b/7", "http://h/b/7/");
        assert!(slash.contains("http://h/b/7/"), "{slash}");
        assert!(slash.ends_with("write `url = \"/b/{key}/\"` in [detail]"), "{slash}");
        let bare = told("http://h", Some("/b/{key}/"), "http://h/b/7/", "http://h/b/7");
        assert!(bare.ends_with("write `url = \"/b/{key}\"` in [detail]"), "{bare}");
        let twin = told("http://h/api", Some("/b"), "http://h/api/b", "https://www.h/api/b");
        assert!(twin.ends_with("write `base_url = \"https://www.h/api\"`"), "{twin}");
        let other = told("http://h", Some("/b/{key}"), "http://h/b/7", "http://h/books/7");
        assert!(other.ends_with("let `url` in [detail] lead there"), "{other}");
        let link = told("http://h", None, "http://h/b/7", "http://h/books/7");
        assert!(link.ends_with("own links lead there"), "{link}");
        let base = Url::parse("http://h").unwrap();
        assert_eq!(advice("item 7", &base, None, &[]), None);
        let own = Redirect { status: 302, from: "http://h/b/7".into(), to: "http://h/b/7".into() };
        assert_eq!(advice("item 7", &base, Some(("[detail]", "/b/{key}")), &[own]), None);
    }
}
