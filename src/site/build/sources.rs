//! Checks where the values of a list's items come from.

use super::super::Levels;
use super::super::file::IndexTable;
use super::super::written::At;
use super::{Wrong, wrong};
use crate::select::FieldRule;
use crate::select::field::From;

/// Checks that the categories that values come from are there. Rules have the names of their tables and
/// their own.
///
/// # Errors
/// Returns the first value whose source is not there.
pub fn check<'r>(
    written: &At<IndexTable>,
    rules: impl Iterator<Item = (&'static str, &'r str, &'r FieldRule)>,
    seeds: &Levels,
) -> Result<(), Wrong> {
    let count = seeds.0.len();
    for (table, name, rule) in rules {
        let message = match &rule.from {
            From::Level(level) if !(1..=count).contains(level) => {
                format!("there is no level {level}: the site has {count} [[seeds]]")
            }
            From::SeedValue(of) if !seeds.value_names().any(|it| **it == **of) => {
                format!("no [seeds.values] has the name `{of}`")
            }
            _ => continue,
        };
        return Err(wrong(written, &format!("{table}.{name}"), message));
    }
    Ok(())
}
