//! What a page of a list says of the list: how many items, the last page, where the next one is.

use super::field::{self, FieldError, FieldRule, Pattern, Scope};
use super::json::Found;
use super::{PageError, Select, link};
use crate::fetch::{Page, url_text};
use crate::site::{Hints, NextPage, PageSaid, Paging, Said};
use crate::task::Place;

/// What a page says of its list.
#[derive(Debug)]
pub struct Heard {
    /// What it says for the paging plan.
    pub said: PageSaid,
    /// What is odd about it, in sentences.
    pub odd: Vec<String>,
    /// What is missing on it, in a sentence.
    pub gap: Option<String>,
}

/// What a cursor is where there is no further page.
const NO_CURSOR: [&str; 5] = ["null", "\"\"", "false", "0", "\"0\""];

/// What `page`, with so many items on it, says of its list.
///
/// # Errors
/// Where the rule for the next page cannot be used on it.
pub fn of_page(
    paging: &Paging,
    page: &Page,
    scope: Scope<'_>,
    items: usize,
) -> Result<Heard, PageError> {
    let (mut odd, mut gap, mut says_last) = (Vec::new(), None, false);
    let mut heard = |said: Option<&Said>, what: &str| {
        let (number, wrong) = number(said?, what, page, scope);
        odd.extend(wrong);
        number
    };
    let declared = heard(paging.total(), "count");
    let last = heard(paging.last(), "number of the last page");
    let is_too_few = declared.is_some_and(|declared| declared < items as u64);
    if is_too_few {
        let what = "a page of the list has more items than the count on it says there are in all";
        odd.push(format!("{what}; the list itself decides"));
    }
    let declared = declared.filter(|_| !is_too_few);
    let next = next_place(paging, page, scope, &mut says_last).or_else(|error| match error {
        // What the page lists is good all the same.
        PageError::NoUrl(_)
        | PageError::NoCursor(_)
        | PageError::LinkHeader
        | PageError::Nowhere(_) => {
            gap = Some(format!("how the list goes on is not known: {error}"));
            Ok(None)
        }
        error => Err(error),
    })?;
    let places = next.into_iter().collect();
    let hints = Hints { says_last, ..Hints::default() };
    Ok(Heard { said: PageSaid { items: items as u64, declared, last, places, hints }, odd, gap })
}

/// Where the next page is, as the page itself says; nothing where it names none, or where the site
/// file does not ask the page. `says_last` becomes true where the place of the link or cursor is
/// there and says that there is none.
///
/// # Errors
/// Where what it names leads to no page.
fn next_place(
    paging: &Paging,
    page: &Page,
    scope: Scope<'_>,
    says_last: &mut bool,
) -> Result<Option<Place>, PageError> {
    match paging {
        Paging::Next(NextPage::Field(rule)) => match next_link(rule, scope, says_last)? {
            Some(link) if leads_nowhere(&link) => {
                Err(PageError::Nowhere(nowhere(rule.select.text(), &link)))
            }
            link => Ok(link.map(|link| url(&link, page, scope)).transpose()?.map(Place::Url)),
        },
        Paging::Next(NextPage::LinkHeader) => Ok(link_header(page)?.map(Place::Url)),
        Paging::Cursor(rule) => {
            let cursor = field::for_requests("paging.select", rule, scope)?.into_iter().next();
            let not_text = || PageError::NoCursor("what is not in UTF-8".to_owned());
            let Some(cursor) = cursor.map(|it| it.ok_or_else(not_text)).transpose()? else {
                return Ok(None);
            };
            *says_last = NO_CURSOR.contains(&&*cursor);
            match plain(&cursor) {
                _ if *says_last => Ok(None),
                None => Err(PageError::NoCursor(field::shown(&cursor))),
                Some(_) => Ok(Some(Place::Cursor(cursor.into()))),
            }
        }
        _ => Ok(None),
    }
}

/// Whether a link is there for a script, or for looks: it names a place on the page, or is no
/// address of a page at all.
pub fn leads_nowhere(link: &str) -> bool {
    let link = link.trim();
    let scheme = link.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    link.starts_with('#')
        || matches!(scheme.as_deref(), Some("javascript" | "data" | "mailto" | "tel"))
}

/// What is to be said of a next page that is nowhere: whether it is the last page, which such a link
/// stands on, or one whose button needs a script, cannot be told.
fn nowhere(select: &str, link: &str) -> String {
    format!(
        "the link to the next page, `{select}`, is {}, which leads nowhere. Where the last page has \
         such a link, let paging.select pass it over: {{ select = \"…\", regex = '^[^#].*' }}, say",
        field::shown(link)
    )
}

/// The link to the next page; nothing where there is none, which its place may say.
fn next_link(
    rule: &FieldRule,
    scope: Scope<'_>,
    says_last: &mut bool,
) -> Result<Option<Box<str>>, PageError> {
    let Some(found) = field::extract("paging.select", rule, scope)? else { return Ok(None) };
    let link = match &*found {
        "null" | "false" => None,
        json => Some(plain(json).ok_or_else(|| PageError::NoUrl(field::shown(json)))?),
    };
    let link = link.filter(|link| !link.trim().is_empty());
    *says_last = link.is_none();
    Ok(link)
}

/// What a rule selects as text; nothing where it selects nothing, null, no text or white space.
///
/// # Errors
/// Where it is not what the rule says.
pub fn text(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Option<Box<str>>, FieldError> {
    let text = field::extract(name, rule, scope)?.and_then(|json| plain(&json));
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// A text or a number of JSON as text: numbers as they are written. Nothing where it is neither.
pub fn plain(json: &str) -> Option<Box<str>> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'-' | b'0'..=b'9' => Some(json.into()),
        _ => None,
    }
}

/// A URL that stands on a page, as a whole one.
///
/// # Errors
/// Where it is none.
pub fn url(text: &str, page: &Page, scope: Scope<'_>) -> Result<Box<str>, PageError> {
    let url = match scope {
        Scope::Html(scope) => scope.page().resolve(text),
        Scope::Json { .. } => page.url.join(text.trim()).ok(),
    };
    url.map(|url| url.to_string().into()).ok_or_else(|| PageError::NoUrl(field::shown(text)))
}

/// The URL that the `Link` header (RFC 8288) names as the next one. Of several `rel` the first one
/// counts (3.3), and a link with an `anchor` speaks of another page (3.2).
///
/// # Errors
/// Where it is no such header, or what it names is no URL.
pub fn link_header(page: &Page) -> Result<Option<Box<str>>, PageError> {
    for value in page.headers.get_all("link") {
        let text = url_text(value.as_bytes());
        for link in link::links(&text).ok_or(PageError::LinkHeader)? {
            let param = |name: &str| {
                let found = link.params.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
                found.map(|(_, value)| &**value)
            };
            let is_own =
                param("anchor").is_none_or(|at| page.url.join(at).is_ok_and(|at| at == page.url));
            let mut relations = param("rel").unwrap_or_default().split_ascii_whitespace();
            if is_own && relations.any(|relation| relation.eq_ignore_ascii_case("next")) {
                let url = page
                    .url
                    .join(link.target)
                    .map_err(|_| PageError::NoUrl(field::shown(link.target)))?;
                return Ok(Some(url.to_string().into()));
            }
        }
    }
    Ok(None)
}

/// A number that a page says, or what is odd about it.
fn number(said: &Said, what: &str, page: &Page, scope: Scope<'_>) -> (Option<u64>, Option<String>) {
    let (place, found) = match said {
        Said::Header { name, regex } => (&**name, in_header(name, regex.as_ref(), page)),
        Said::Field(rule) => (rule.select.text(), counted(rule, scope)),
    };
    match found {
        Ok(Some(Ok(number))) => (Some(number), None),
        Ok(Some(Err(instead))) => (
            None,
            Some(format!(
                "the {what} at {place} is {instead}, which counts nothing; the list itself decides"
            )),
        ),
        Ok(None) => (
            None,
            Some(format!("a page of the list has no {what} at {place}; the list itself decides")),
        ),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// A count, or the kind of what stands there instead: not the very text, which may be another one
/// on each page.
type Counted = Result<u64, &'static str>;

/// The number in a header.
fn in_header(
    name: &str,
    regex: Option<&Pattern>,
    page: &Page,
) -> Result<Option<Counted>, FieldError> {
    let Some(text) = page.header(name) else { return Ok(None) };
    let kept = match regex {
        None => Some(text),
        Some(regex) => regex.find(text).map_err(|_| FieldError::TooLong(name.to_owned()))?,
    };
    Ok(kept.map(whole_number))
}

/// The number that a rule finds.
fn counted(rule: &FieldRule, scope: Scope<'_>) -> Result<Option<Counted>, FieldError> {
    match (&rule.select, scope, &rule.regex) {
        (Select::Json(selector), Scope::Json { value, page }, None) => {
            let found = selector
                .first(value, page.budget())
                .map_err(|source| FieldError::Page { name: "total".to_owned(), source })?;
            Ok(found.map(Found::count))
        }
        _ => {
            let text = text("total", rule, scope)?;
            Ok(text.map(|text| whole_number(&text)))
        }
    }
}

/// A count as people write it: `1234`, `1,234`, `1 234` or `1'234`. A point may stand before a
/// fraction, so it separates nothing.
///
/// # Errors
/// What the text is then, in words.
pub fn whole_number(text: &str) -> Result<u64, &'static str> {
    digits_of(text.trim()).ok_or("a text that is no whole number")
}

fn digits_of(text: &str) -> Option<u64> {
    let is_separator = |c: char| matches!(c, ',' | ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’');
    let mut groups = text.split(is_separator);
    let first = groups.next()?;
    let is_grouped = (1..=3).contains(&first.len())
        && groups.all(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()));
    match text.contains(is_separator) {
        false => text.parse().ok(),
        true if is_grouped => text.replace(is_separator, "").parse().ok(),
        true => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l5_a_count_is_read_as_people_write_it_and_nothing_is_guessed() {
        for (text, number) in
            [("1234", 1234), (" 7 ", 7), ("1,234", 1234), ("12 345 678", 12_345_678)]
        {
            assert_eq!(whole_number(text), Ok(number), "{text}");
        }
        for text in
            ["", "many", "-1", "1.234", "1,23", "1234,567", ",123", "1,,234", "1,2a4", "1.5"]
        {
            assert!(whole_number(text).is_err(), "{text}");
        }
    }
}
