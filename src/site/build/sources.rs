//! Checks where the values of a list's items come from.

use super::super::Levels;
use super::super::file::IndexTable;
use super::super::written::At;
use super::{Wrong, wrong};
use crate::select::field::From;
use crate::select::{FieldRule, Select};

/// Checks that the categories that values come from are there. Rules have the names of their tables and
/// their own.
///
/// # Errors
/// Returns the first value whose source is not there.
pub fn check<'r>(
    written: &At<IndexTable>,
    rules: impl Iterator<Item = (&'static str, &'r str, &'r FieldRule)>,
    items: &Select,
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
            From::Parent => match no_parent(items) {
                Some(message) => message,
                None => continue,
            },
            _ => continue,
        };
        return Err(wrong(written, &format!("{table}.{name}"), message));
    }
    Ok(())
}

/// Returns why items have no parent, or `None` if they have.
fn no_parent(items: &Select) -> Option<String> {
    let parts = match items {
        Select::Steps(steps) => steps.parent(),
        _ => None,
    };
    if let Some((parent, item)) = parts {
        let fits = parent.finds() == item.finds();
        return (!fits).then(|| {
            "the step before the last of `items` must find what the last one is applied to, not a text".to_owned()
        });
    }
    let written = items.text();
    let example = match items {
        Select::Json(_) => match written.trim_end_matches("[*]").rsplit_once("[*].") {
            Some((group, items)) => format!("[\"{group}[*]\", \"$.{items}[*]\"]"),
            None => "[\"$.groups[*]\", \"$.items[*]\"]".to_owned(),
        },
        _ => format!("[\"section\", \"{written}\"]"),
    };
    Some(format!(
        "the parent is what the step before the last of `items` finds: write them as steps, such as {example}"
    ))
}
