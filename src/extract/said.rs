//! What a page of a list says of the list: how many items, the last page, where the next one is.

use super::field::{self, FieldError, FieldRule, Scope};
use super::{PageError, Select};
use crate::fetch::Page;
use crate::site::{NextPage, PageSaid, Paging, Said};
use crate::task::Place;

/// What `page` says for the paging plan; and, in sentences, what is odd about it.
///
/// # Errors
/// Where it says where the next page is, but not in a form that leads there.
pub fn of_page(
    paging: &Paging,
    page: &Page,
    scope: Scope<'_>,
    items: usize,
) -> Result<(PageSaid, Vec<String>), PageError> {
    let mut odd = Vec::new();
    let mut number = |said: Option<&Said>, what: &str| {
        let (number, wrong) = number(said?, what, page, scope);
        odd.extend(wrong);
        number
    };
    let declared = number(paging.total(), "count");
    let last = number(paging.last(), "number of the last page");
    let next = match paging {
        Paging::Next(NextPage::Field(rule)) => {
            let link = text("paging.select", rule, scope)?.filter(|link| !link.is_empty());
            link.map(|link| url(&link, page, scope)).transpose()?.map(Place::Url)
        }
        Paging::Next(NextPage::LinkHeader) => link_header(page)?.map(Place::Url),
        Paging::Cursor(rule) => {
            let cursor = field::extract("paging.select", rule, scope)?;
            let cursor = cursor.filter(|cursor| !["null", "\"\"", "false"].contains(&&**cursor));
            match cursor {
                Some(cursor) if plain(&cursor).is_none() => {
                    return Err(PageError::NoCursor(field::shown(&cursor)));
                }
                cursor => cursor.map(|cursor| Place::Cursor(cursor.into())),
            }
        }
        _ => None,
    };
    let places = next.into_iter().collect();
    Ok((PageSaid { items: items as u64, declared, last, places }, odd))
}

/// What a rule selects as text; nothing where it selects nothing, null or no text.
///
/// # Errors
/// Where it is not what the rule says.
pub fn text(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Option<Box<str>>, FieldError> {
    Ok(field::extract(name, rule, scope)?.and_then(|json| plain(&json)))
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

/// The URL that the `Link` header (RFC 8288) names as the next one.
pub fn link_header(page: &Page) -> Result<Option<Box<str>>, PageError> {
    for value in page.headers.get_all("link") {
        let broken = || PageError::LinkHeader;
        let text = value.to_str().map_err(|_| broken())?;
        let links = nom_rfc8288::complete::link_lenient(text).map_err(|_| broken())?;
        for link in links.into_iter().flatten() {
            let is_next = link.params.iter().any(|param| {
                param.key.eq_ignore_ascii_case("rel")
                    && param.val.as_deref().is_some_and(|rel| {
                        rel.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
                    })
            });
            if is_next {
                let url = page
                    .url
                    .join(link.url)
                    .map_err(|_| PageError::NoUrl(field::shown(link.url)))?;
                return Ok(Some(url.to_string().into()));
            }
        }
    }
    Ok(None)
}

/// A number that a page says, or what is odd about it.
fn number(said: &Said, what: &str, page: &Page, scope: Scope<'_>) -> (Option<u64>, Option<String>) {
    let (place, found) = match said {
        Said::Header(name) => (&**name, Ok(page.header(&**name).map(whole_number))),
        Said::Field(rule) => (rule.select.text(), counted(rule, scope)),
    };
    match found {
        Ok(Some(Ok(number))) => (Some(number), None),
        Ok(Some(Err(kind))) => (
            None,
            Some(format!(
                "the {what} at {place} is {kind}, which counts nothing; the list itself decides"
            )),
        ),
        Ok(None) => (
            None,
            Some(format!("a page of the list has no {what} at {place}; the list itself decides")),
        ),
        Err(error) => (None, Some(error.to_string())),
    }
}

/// The number that a rule finds, or the kind of what it finds instead.
fn counted(
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Option<Result<u64, &'static str>>, FieldError> {
    match (&rule.select, scope, &rule.regex) {
        (Select::Json(selector), Scope::Json { value, .. }, None) => {
            let found = selector.select(value);
            Ok(found.first().map(|value| value.count().ok_or_else(|| value.kind())))
        }
        _ => Ok(text("total", rule, scope)?.map(|text| whole_number(&text))),
    }
}

fn whole_number(text: &str) -> Result<u64, &'static str> {
    text.trim().parse().map_err(|_| "no whole number")
}
