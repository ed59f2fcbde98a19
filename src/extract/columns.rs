//! Items that are lists of values, as objects: the page says elsewhere how the columns are named.

use std::collections::HashSet;
use std::ops::ControlFlow;

use bson::raw::RawBsonRef;

use super::PageError;
use crate::model::document::{value_to_text, write_name, write_value};
use crate::model::text::plain;
use crate::select::field::Scope;
use crate::select::{JsonPage, Match, NoKey};
use crate::site::ItemRules;

/// Returns the names of the columns, or `None` if the site file does not select them.
///
/// # Errors
/// Returns an error if a name is not a text, or is there twice.
pub fn names(rules: &ItemRules, page: Scope<'_>) -> Result<Option<Vec<String>>, PageError> {
    let ItemRules::Selected { columns: Some(columns), .. } = rules else { return Ok(None) };
    let (mut names, mut wrong) = (Vec::new(), None);
    columns.each(page, |found| {
        match found {
            Match::Text(text) => names.push(text.into_owned()),
            Match::Place(Scope::Json { value: RawBsonRef::String(text), .. }) => {
                names.push(text.to_owned());
            }
            Match::Place(Scope::Json { value, .. }) => {
                wrong = Some(format!("is {}, and no text", plain(&value_to_text(value))));
            }
            Match::Place(Scope::Html(_)) => {}
        }
        ControlFlow::Continue(())
    })?;
    let mut seen = HashSet::new();
    let twice = names.iter().find(|name| !seen.insert(name.as_str()));
    let twice = twice.map(|name| format!("is there twice: `{}`", plain(name)));
    match wrong.or(twice) {
        Some(what) => Err(PageError::Columns(format!("a name at `{}` {what}", columns.text()))),
        None => Ok(Some(names)),
    }
}

/// Passes an item to `take`: if it is a list and `names` are given, as an object.
///
/// # Errors
/// Returns an error if there are not as many values as names, and those of `take`.
pub fn named<T>(
    names: Option<&[String]>,
    item: Scope<'_>,
    take: impl FnOnce(Scope<'_>) -> Result<T, NoKey>,
) -> Result<T, NoKey> {
    let (Some(names), Scope::Json { value: RawBsonRef::Array(row), page }) = (names, item) else {
        return take(item);
    };
    page.budget().check().map_err(|error| NoKey::Page(error.to_string()))?;
    let (mut text, mut count) = (String::from("{"), 0);
    for value in row.into_iter().flatten() {
        if let Some(name) = names.get(count) {
            if count > 0 {
                text.push(',');
            }
            write_name(&mut text, name);
            write_value(&mut text, value);
        }
        count += 1;
    }
    text.push('}');
    if count != names.len() {
        let message = format!("it has {count} values, and there are {} columns", names.len());
        return Err(NoKey::Page(message));
    }
    match JsonPage::of_item(&text, page) {
        Ok(object) => take(object.scope()),
        Err(error) => Err(NoKey::Page(error.to_string())),
    }
}
