//! Marks: parts of a page with status 200 that say that the item is gone, or that the site failed.

use bson::raw::RawBsonRef;

use super::PageError;
use crate::select::field::Scope;
use crate::select::{Select, StepError};
use crate::site::Marks;

/// Checks that a page has no mark. JSON values that are null, false, 0 or empty do not count: many
/// sites send `"error": null` on each page.
///
/// # Errors
/// Returns an error for the first mark on the page, or if the page exceeds a limit.
pub fn refuse_marked(marks: &Marks, scope: Scope<'_>) -> Result<(), PageError> {
    if let Some(mark) = first_of(&marks.error, scope)? {
        return Err(PageError::Failed(mark));
    }
    if let Scope::Json { value: RawBsonRef::Null, .. } = scope
        && marks.null_is_missing
    {
        return Err(PageError::Gone("nothing but `null`".to_owned()));
    }
    match first_of(&marks.missing, scope)? {
        Some(mark) => Err(PageError::Gone(mark)),
        None => Ok(()),
    }
}

fn first_of(selects: &[Select], scope: Scope<'_>) -> Result<Option<String>, StepError> {
    for select in selects {
        if select.is_there(scope, says_something)? {
            return Ok(Some(select.text().to_owned()));
        }
    }
    Ok(None)
}

/// Returns `true` if a value is not null, false, 0 or empty.
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
