//! Opens a page: reads it in its format, and cuts it down to the part that the site file selects.

use std::ops::ControlFlow;

use super::marks::refuse_marked;
use super::{PageError, content_type};
use crate::fetch::Page;
use crate::model::decoding::Decoding;
use crate::model::text;
use crate::select::field::Scope;
use crate::select::html::{XmlError, decoded};
use crate::select::{Finds, Format, Match, ReadError, RowsError, Tree};
use crate::site::{Reading, Within};

/// Reads a page, and passes it, or the part of it that is read, to `take`.
///
/// # Errors
/// Returns an error if the page cannot be read, or has no such part, and errors of `take`.
pub fn open<T>(
    reading: &Reading,
    page: &Page,
    take: impl FnOnce(Scope<'_>) -> Result<T, PageError>,
) -> Result<(T, Decoding), PageError> {
    let Some(within) = &reading.within else { return whole(reading, page, take) };
    if within.select.reads() != Finds::Texts {
        return whole(reading, page, |scope| cut(within, scope, take));
    }
    let text = decoded(&page.body, page.content_type());
    let (mut take, mut made) = (Some(take), None);
    let replaced =
        within.select.each_in_text(&text.text, text.charset, &page.url, &mut |found| {
            made = taken(found, &mut take);
            ControlFlow::Break(())
        })?;
    let Decoding { replaced: before, is_guess } = text.decoding;
    let decoding = Decoding { replaced: before + replaced, is_guess };
    Ok((made.ok_or_else(|| missing(within))??, decoding))
}

fn whole<T>(
    reading: &Reading,
    page: &Page,
    take: impl FnOnce(Scope<'_>) -> Result<T, PageError>,
) -> Result<(T, Decoding), PageError> {
    refuse_other(reading.format, page)?;
    let tree = Tree::read(reading.format, reading.delimiter, page)
        .map_err(|error| unread(error, reading.format, page))?;
    let made = take(tree.scope())?;
    Ok((made, tree.decoding()))
}

/// Refuses a page whose `Content-Type` contradicts its format.
fn refuse_other(format: Format, page: &Page) -> Result<(), PageError> {
    let Some(kind) = page.content_type() else { return Ok(()) };
    match content_type::contradicts(format, kind, &page.body) {
        None => Ok(()),
        Some(kind) => {
            let hint = content_type::hint(format, page);
            Err(PageError::OtherType { kind: text::plain(kind), format: format.name(), hint })
        }
    }
}

/// Returns the error for a page that cannot be read, with the format that it has.
fn unread(error: ReadError, format: Format, page: &Page) -> PageError {
    let hint = content_type::hint(format, page);
    match error {
        ReadError::Limit(error) => error.into(),
        ReadError::Xml(XmlError::Limit(error)) => error.into(),
        ReadError::Rows(RowsError::Limit(error)) => error.into(),
        ReadError::Json(error) if hint.is_empty() => error.into(),
        error => PageError::Unread { error: error.to_string(), hint },
    }
}

/// Passes the first part of a page that `within` selects to `take`.
fn cut<T>(
    within: &Within,
    scope: Scope<'_>,
    take: impl FnOnce(Scope<'_>) -> Result<T, PageError>,
) -> Result<T, PageError> {
    refuse_marked(&within.marks, scope)?;
    let (mut take, mut made) = (Some(take), None);
    within.select.each(scope, true, &mut |found| {
        made = taken(found, &mut take);
        ControlFlow::Break(())
    })?;
    made.ok_or_else(|| missing(within))?
}

fn taken<T>(
    found: Match<'_>,
    take: &mut Option<impl FnOnce(Scope<'_>) -> Result<T, PageError>>,
) -> Option<Result<T, PageError>> {
    match found {
        Match::Place(scope) => take.take().map(|take| take(scope)),
        Match::Text(_) => None,
    }
}

fn missing(within: &Within) -> PageError {
    PageError::NoWithin(within.select.text().to_owned())
}
