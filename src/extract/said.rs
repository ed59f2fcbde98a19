//! Statements of a list page about the list: number of items, last page, next page.

use super::{PageError, link};
use crate::fetch::{Page, url_text};
use crate::model::task::Place;
use crate::select::Select;
use crate::select::field::{self, FieldError, FieldRule, Pattern, Scope};
use crate::select::json::Found;
use crate::select::text::{plain, whole_number};
use crate::site::{Handover, Hints, NamedValue, NextPage, PageSaid, Paging, Said, Taken};

/// Statements of a page about its list.
#[derive(Debug)]
pub struct Heard {
    /// Statements for the paging plan.
    pub said: PageSaid,
    /// Odd statements, as sentences.
    pub odd: Vec<String>,
    /// Missing part of the page, as a sentence.
    pub gap: Option<String>,
}

/// Values of `while` that mean no.
const NO: [&str; 7] = ["", "null", "false", "no", "0", "[]", "{}"];
/// Values of a cursor that mean that there is no next page.
const NO_CURSOR: [&str; 5] = ["null", "\"\"", "false", "0", "\"0\""];

/// Returns the statements of `page`, which has `items` items, about its list.
///
/// # Errors
/// Returns an error if the rule for the next page cannot be applied to the page.
pub fn of_page(
    paging: &Paging,
    goes_on: Option<&FieldRule>,
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
    let pages = heard(paging.pages(), "number of pages");
    let last = last.or(pages.map(|pages| paging.last_of(pages)));
    let is_too_few = declared.is_some_and(|declared| declared < items as u64);
    if is_too_few {
        let what = "a page of the list has more items than the count on it says there are in all";
        odd.push(format!("{what}; the list itself decides"));
    }
    let declared = declared.filter(|_| !is_too_few);
    let next = next_place(paging, page, scope, &mut says_last).or_else(|error| match error {
        // The items of the page are good nevertheless.
        PageError::NoUrl(_)
        | PageError::NoCursor(_)
        | PageError::LinkHeader
        | PageError::Nowhere(_) => {
            gap = Some(format!("the next page of the list is unknown: {error}"));
            Ok(None)
        }
        error => Err(error),
    })?;
    let places = next.into_iter().collect();
    let goes_on = goes_on.map(|rule| holds(rule, scope)).transpose()?;
    let hints = Hints { says_last, ..Hints::default() };
    let said = PageSaid { items: items as u64, declared, last, places, goes_on, hints };
    Ok(Heard { said, odd, gap })
}

/// Returns true if `while` holds: it selects a value that means yes.
fn holds(rule: &FieldRule, scope: Scope<'_>) -> Result<bool, PageError> {
    let found = field::extract("paging.while", rule, scope)?;
    let text = found.as_deref().map(|json| plain(json).unwrap_or_else(|| json.trim().into()));
    let text = text.map(|text| text.trim().to_ascii_lowercase());
    Ok(text.is_some_and(|text| !NO.contains(&&*text)))
}

/// Returns the place of the next page that the page itself names. Returns `None` if it names none,
/// or the site file does not select it.
///
/// Sets `says_last` to true if the link or cursor is present but says that there is no next page.
///
/// # Errors
/// Returns an error if the named place is not a page.
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
        Paging::Cursor(handover) => taken(handover, page, scope, says_last),
        _ => Ok(None),
    }
}

/// Returns the place of the page for which `page` has the values, or `None` if it has none of them.
/// Sets `says_last` to true if they are present but say that there is no next page.
///
/// # Errors
/// Returns an error if a value cannot be sent.
fn taken(
    handover: &Handover,
    page: &Page,
    scope: Scope<'_>,
    says_last: &mut bool,
) -> Result<Option<Place>, PageError> {
    let mut values: Vec<NamedValue> = Vec::new();
    for Taken { name, from } in &handover.take {
        let Some(json) = value(from, page, scope)? else { continue };
        if NO_CURSOR.contains(&&*json) {
            *says_last = true;
        } else if handover.is_cursor && plain(&json).is_none() {
            return Err(PageError::NoCursor(field::shown(&json)));
        } else {
            values.push((name.clone(), json));
        }
    }
    *says_last &= values.is_empty();
    Ok((!values.is_empty()).then(|| handover.place(&values)))
}

/// Returns the value that a page hands to the next request, as JSON text, or `None` if it has none.
pub fn value(from: &Said, page: &Page, scope: Scope<'_>) -> Result<Option<Box<str>>, PageError> {
    let not_text = || PageError::NoCursor("what is not in UTF-8".to_owned());
    match from {
        Said::Field(rule) => {
            let found = field::for_requests("paging.select", rule, scope)?.into_iter().next();
            let found = found.map(|it| it.ok_or_else(not_text)).transpose()?;
            Ok(found.map(Into::into))
        }
        Said::Header { name, regex } => {
            let kept = in_header(name, regex.as_ref(), page)?;
            Ok(kept.map(|text| serde_json::Value::from(text).to_string().into()))
        }
    }
}

/// Returns `true` if a link is for a script or for decoration: it points into the same page, or its
/// scheme is not that of a page.
pub fn leads_nowhere(link: &str) -> bool {
    let link = link.trim();
    let scheme = link.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    link.starts_with('#')
        || matches!(scheme.as_deref(), Some("javascript" | "data" | "mailto" | "tel"))
}

/// Returns the message for a next page that leads nowhere. It is unknown whether this is the
/// last page, or whether its button needs a script.
fn nowhere(select: &str, link: &str) -> String {
    format!(
        "the link to the next page, `{select}`, is {}, which leads nowhere. Where the last page has \
         such a link, let paging.select pass it over: {{ select = \"…\", regex = '^[^#].*' }}, say",
        field::shown(link)
    )
}

/// Returns the link to the next page, or `None` if there is none. Sets `says_last` if the link is
/// present but empty.
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

/// Returns the selected value as text, or `None` if nothing is selected or the value is null,
/// blank, or neither a text nor a number.
///
/// # Errors
/// Returns an error if the value cannot be converted, or a required one is missing.
pub fn text(
    name: &str,
    rule: &FieldRule,
    scope: Scope<'_>,
) -> Result<Option<Box<str>>, FieldError> {
    let text = field::extract(name, rule, scope)?.and_then(|json| plain(&json));
    Ok(text.filter(|text| !text.trim().is_empty()))
}

/// Resolves a URL on a page to an absolute one.
///
/// # Errors
/// Returns an error if it is not a URL.
pub fn url(text: &str, page: &Page, scope: Scope<'_>) -> Result<Box<str>, PageError> {
    let url = match scope {
        Scope::Html(scope) => scope.page().resolve(text),
        Scope::Json { page: json, .. } => json.base().unwrap_or(&page.url).join(text.trim()).ok(),
    };
    url.map(|url| url.to_string().into()).ok_or_else(|| PageError::NoUrl(field::shown(text)))
}

/// Returns the next page that the `Link` header (RFC 8288) names, or `None`. The first of several
/// `rel` parameters counts (3.3). A link whose `anchor` is another page is skipped (3.2).
///
/// # Errors
/// Returns an error if the header is malformed, or the target is not a URL.
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

/// Returns the number that a page states, or a sentence about what is wrong with it.
fn number(said: &Said, what: &str, page: &Page, scope: Scope<'_>) -> (Option<u64>, Option<String>) {
    let (place, found) = match said {
        Said::Header { name, regex } => {
            (&**name, in_header(name, regex.as_ref(), page).map(|it| it.map(whole_number)))
        }
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

/// A count, or the kind of the value found instead. The value itself is left out: it may differ on
/// each page.
type Counted = Result<u64, &'static str>;

/// Returns the text in a header, or `None` if the header or the match is missing.
pub fn in_header<'p>(
    name: &str,
    regex: Option<&Pattern>,
    page: &'p Page,
) -> Result<Option<&'p str>, FieldError> {
    let Some(text) = page.header(name) else { return Ok(None) };
    match regex {
        None => Ok(Some(text)),
        Some(regex) => regex.find(text).map_err(|_| FieldError::TooLong(name.to_owned())),
    }
}

/// Returns the number that a rule selects, or `None` if it selects nothing.
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
