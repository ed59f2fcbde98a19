//! Marks: what on a page with the status of a page says that it is gone, or that the site failed.

use bson::raw::RawBsonRef;

use super::budget::LimitError;
use super::field::Scope;
use super::{PageError, Select};
use crate::site::Marks;

/// Refuses a page that bears a mark. A value of JSON that says "nothing" is none: null, false, 0 and
/// what is empty, since many sites send `"error": null` with each page.
///
/// # Errors
/// The first mark that it bears; or where the page is beyond a limit.
pub fn refuse_marked(marks: &Marks, scope: Scope<'_>) -> Result<(), PageError> {
    if let Some(mark) = first_of(&marks.error, scope)? {
        return Err(PageError::Failed(mark));
    }
    match first_of(&marks.missing, scope)? {
        Some(mark) => Err(PageError::Gone(mark)),
        None => Ok(()),
    }
}

fn first_of(selects: &[Select], scope: Scope<'_>) -> Result<Option<String>, LimitError> {
    for select in selects {
        let is_borne = match (select, scope) {
            (Select::Json(selector), Scope::Json { value, page }) => {
                let found = selector.select(value, page.budget())?;
                found.iter().any(|found| says_something(found.as_raw()))
            }
            (Select::Css(selector), Scope::Html(scope)) => selector.matches(scope)?,
            _ => false,
        };
        if is_borne {
            return Ok(Some(select.text().to_owned()));
        }
    }
    Ok(None)
}

/// Returns whether a value is more than null, false, 0 or something empty.
pub fn says_something(value: RawBsonRef<'_>) -> bool {
    match value {
        RawBsonRef::Null | RawBsonRef::Boolean(false) | RawBsonRef::Int32(0) => false,
        RawBsonRef::Int64(0) => false,
        RawBsonRef::String(text) => !text.trim().is_empty(),
        RawBsonRef::Array(list) => list.into_iter().next().is_some(),
        RawBsonRef::Document(object) => object.iter().next().is_some(),
        _ => true,
    }
}
