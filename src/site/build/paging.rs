//! `paging = { by = … }`: the keys that each kind of paging needs, and those that it does not
//! allow.

use std::path::Path;

use indexmap::IndexMap;
use serde_json::Value;

use super::super::file::{PagingBy, PagingTable, RuleTable, SaidTable, StepName};
use super::super::keys::KeyList;
use super::super::paging::{Handover, LastPage, NextPage, Paging, Said, Step, Taken};
use super::super::template::{NO_VALUE_NAME, NamedValue, is_value_name};
use super::super::written::{At, Chain, Short};
use super::select::rule;
use super::select::single;
use super::{Wrong, wrong};
use crate::fetch::HeaderName;
use crate::select::field::Pattern;
use crate::select::{Finds, Part};

/// Builds the paging at `key`. Relative paths start at `folder`.
pub fn build(
    key: &str,
    written: Option<&At<PagingTable>>,
    on: Finds,
    folder: &Path,
) -> Result<Paging, Wrong> {
    let Some(written) = written else { return Ok(Paging::Single) };
    let table = &written.value;
    refuse_unused(key, written)?;
    let Some(by) = table.by else { return Ok(Paging::Single) };
    let needs = |what: &str| wrong(written, key, format!("paging by {} needs {what}", name(by)));
    match by {
        PagingBy::Offset => match &table.limit {
            None => Err(needs("`limit`, the items on a page")),
            Some(limit) => Ok(Paging::Offset {
                first: table.first.as_ref().map_or(0, |first| first.value),
                limit: at_least_one(&format!("{key}.limit"), limit)?,
                total: said(&format!("{key}.total"), table.total.as_ref(), on)?,
                step: match table.step {
                    Some(StepName::Items) => Step::Items,
                    Some(StepName::Limit) | None => Step::Limit,
                },
            }),
        },
        PagingBy::Page => {
            let first = table.first.as_ref().map_or(1, |first| first.value);
            Ok(Paging::Page { first, last: last_page(key, written, first, on)? })
        }
        PagingBy::Next => match (&table.select, table.link_header) {
            (Some(select), None | Some(false)) => {
                Ok(Paging::Next(NextPage::Field(next_rule(key, select, on)?)))
            }
            (None, Some(true)) => Ok(Paging::Next(NextPage::LinkHeader)),
            _ => Err(needs("either `select`, the URL of the next page, or `link_header = true`")),
        },
        PagingBy::Cursor => match &table.select {
            Some(select) if table.take.is_empty() => {
                refuse_header(key, select)?;
                let start = start(key, table)?;
                Ok(Paging::Cursor(Handover {
                    start,
                    ..Handover::cursor(next_rule(key, select, on)?)
                }))
            }
            None if !table.take.is_empty() => handover(key, table, on).map(Paging::Cursor),
            _ => Err(needs("either `select`, the cursor of the next page, or `take`")),
        },
        PagingBy::Sitemap => Ok(Paging::Sitemap),
        PagingBy::Keys => {
            let (range, keys, file) = (&table.range, &table.keys, &table.file);
            let made = match (range, keys, file) {
                (Some(range), None, None) => KeyList::range(&range.value),
                (None, Some(keys), None) => KeyList::listed(&keys.value),
                (None, None, Some(file)) => KeyList::file(&file.value, folder),
                _ => return Err(needs("one of `range`, `keys` and `file`")),
            };
            made.map(Paging::Keys).map_err(|error| wrong(written, key, error))
        }
    }
}

/// Builds the values that a page hands to the request of the next one.
fn handover(key: &str, table: &PagingTable, on: Finds) -> Result<Handover, Wrong> {
    let take = taken(&format!("{key}.take"), &table.take, |_| on)?;
    let start = start(key, table)?;
    Ok(Handover { take, start, is_cursor: false })
}

/// Builds the values for the first page. The short form with `select` has `cursor` alone.
fn start(key: &str, table: &PagingTable) -> Result<Vec<NamedValue>, Wrong> {
    let is_short = table.take.is_empty();
    let mut start = Vec::new();
    for (name, text) in &table.start {
        let is_known = if is_short { name == "cursor" } else { table.take.contains_key(name) };
        if !is_known {
            let message = match is_short {
                true => format!("`select` gives `cursor` alone, and no value {name}"),
                false => format!("`take` has no value {name}"),
            };
            return Err(wrong(text, &format!("{key}.start.{name}"), message));
        }
        start.push((name.as_str().into(), Value::from(&*text.value.0).to_string().into()));
    }
    Ok(start)
}

/// Rejects `select = { header = … }`, with what to write instead.
fn refuse_header(key: &str, select: &At<Short<RuleTable>>) -> Result<(), Wrong> {
    let Short::Table(RuleTable { header: Some(name), .. }) = &select.value else { return Ok(()) };
    let message = format!(
        "`header` is not valid here; for a cursor in a header, write `take = {{ cursor = {{ header = \"{name}\" }} }}` instead of `select`"
    );
    Err(wrong(select, &format!("{key}.select"), message))
}

/// Builds values to take from a response, by name. `on` returns the kind of what a value is selected
/// in.
pub fn taken(
    key: &str,
    table: &IndexMap<String, At<Short<SaidTable>>>,
    on: impl Fn(&Short<SaidTable>) -> Finds,
) -> Result<Vec<Taken>, Wrong> {
    let mut take = Vec::new();
    for (name, at) in table {
        let key = format!("{key}.{name}");
        if !is_value_name(name) && name != "cursor" {
            return Err(wrong(at, &key, NO_VALUE_NAME));
        }
        let from = said(&key, Some(at), on(&at.value))?;
        take.extend(from.map(|from| Taken { name: name.as_str().into(), from }));
    }
    Ok(take)
}

fn last_page(
    key: &str,
    written: &At<PagingTable>,
    first: u64,
    on: Finds,
) -> Result<LastPage, Wrong> {
    let table = &written.value;
    if let Some(pages) = &table.pages {
        return match (&table.last, &table.size, &table.total) {
            (None, None, None) => last_of_pages(&format!("{key}.pages"), pages, first, on),
            _ => Err(wrong(
                written,
                key,
                "`pages` is not valid together with `last`, or with `size` and `total`",
            )),
        };
    }
    match (&table.last, &table.size, &table.total) {
        (None, None, None) => Ok(LastPage::Unknown),
        (Some(At { value: Short::Number(last), at }), None, None) if *last < first => {
            let at = At { at: *at, value: () };
            Err(wrong(&at, &format!("{key}.last"), "the last page comes before the first"))
        }
        (Some(At { value: Short::Number(last), .. }), None, None) => Ok(LastPage::Number(*last)),
        (Some(last), None, None) => {
            let said = said(&format!("{key}.last"), Some(last), on)?;
            Ok(said.map_or(LastPage::Unknown, LastPage::Said))
        }
        (None, Some(size), Some(total)) => {
            let size = at_least_one(&format!("{key}.size"), size)?;
            let total = said(&format!("{key}.total"), Some(total), on)?;
            Ok(total.map_or(LastPage::Unknown, |total| LastPage::Total { size, total }))
        }
        (Some(_), ..) => {
            Err(wrong(written, key, "`last` is not valid together with `size` and `total`"))
        }
        (None, Some(_), None) => Err(wrong(
            written,
            key,
            "`size` goes with `total`; without a count, leave out `size` and write the number in `query`",
        )),
        (None, None, Some(_)) => {
            Err(wrong(written, key, "`total` needs `size`, the items on a page"))
        }
    }
}

/// Builds how the last page is known where their number is.
fn last_of_pages(
    key: &str,
    pages: &At<Short<SaidTable>>,
    first: u64,
    on: Finds,
) -> Result<LastPage, Wrong> {
    match pages.value {
        Short::Number(0) => Err(wrong(pages, key, "must be at least 1")),
        Short::Number(pages) => Ok(LastPage::Number(first.saturating_add(pages - 1))),
        _ => Ok(said(key, Some(pages), on)?.map_or(LastPage::Unknown, LastPage::Pages)),
    }
}

/// Builds the source of a number in a response, or returns `None` if there is none.
fn said(
    key: &str,
    written: Option<&At<Short<SaidTable>>>,
    on: Finds,
) -> Result<Option<Said>, Wrong> {
    let Some(written) = written else { return Ok(None) };
    let table = match &written.value {
        Short::Text(select) => {
            let select = Some(Chain(vec![Part::Selector(select.clone())]));
            SaidTable { select, ..SaidTable::default() }
        }
        Short::Steps(steps) => SaidTable { select: Some(steps.clone()), ..SaidTable::default() },
        Short::Table(table) => table.clone(),
        Short::Number(_) => {
            return Err(wrong(written, key, "must be a selector, or { header = \"…\" }"));
        }
    };
    match table {
        SaidTable { header: Some(name), select: None, regex } => {
            let Ok(name) = name.parse::<HeaderName>() else {
                return Err(wrong(written, key, format!("`{name}` is not a valid header name")));
            };
            let regex = regex.as_deref().map(Pattern::parse).transpose();
            let regex = regex.map_err(|error| wrong(written, key, error.to_string()))?;
            Ok(Some(Said::Header { name: name.as_str().into(), regex }))
        }
        SaidTable { header: None, select: Some(select), regex } => {
            let table = RuleTable { select, regex, ..RuleTable::default() };
            let value = At { at: written.at, value: Short::Table(table) };
            Ok(Some(Said::Field(rule(key, &value, on)?)))
        }
        _ => Err(wrong(written, key, "set either a selector, or { header = \"…\" }")),
    }
}

fn next_rule(
    key: &str,
    select: &At<Short<RuleTable>>,
    on: Finds,
) -> Result<crate::select::FieldRule, Wrong> {
    single(&format!("{key}.select"), select, on)
}

fn at_least_one(key: &str, number: &At<u64>) -> Result<u64, Wrong> {
    match number.value {
        0 => Err(wrong(number, key, "must be at least 1")),
        number => Ok(number),
    }
}

/// Rejects keys that belong to another kind of paging. Otherwise the mistake would be ignored
/// silently.
fn refuse_unused(key: &str, written: &At<PagingTable>) -> Result<(), Wrong> {
    let PagingTable { by, limit, step, first, last, size, total, select, link_header, .. } =
        &written.value;
    let PagingTable {
        pages, range, keys, file, more, first_url, take, start, goes_on, merge, ..
    } = &written.value;
    if by.is_none() && more.is_none() {
        return Err(wrong(written, key, "`by` is missing: the kind of paging is required"));
    }
    let used: &[&str] = by.map_or(&[], |by| match by {
        PagingBy::Offset => &["limit", "first", "first_url", "step", "total", "while", "more"],
        PagingBy::Page => {
            &["first", "first_url", "last", "pages", "size", "total", "while", "more"]
        }
        PagingBy::Next => &["select", "link_header", "merge", "while", "more"],
        PagingBy::Cursor => &["select", "take", "start", "first_url", "merge", "while", "more"],
        PagingBy::Sitemap => &[],
        PagingBy::Keys => &["range", "keys", "file"],
    });
    let used = if by.is_none() { &["more"] } else { used };
    let there = [
        ("limit", limit.is_some()),
        ("step", step.is_some()),
        ("first", first.is_some()),
        ("last", last.is_some()),
        ("pages", pages.is_some()),
        ("size", size.is_some()),
        ("total", total.is_some()),
        ("select", select.is_some()),
        ("link_header", link_header.is_some()),
        ("more", more.is_some()),
        ("first_url", first_url.is_some()),
        ("take", !take.is_empty()),
        ("start", !start.is_empty()),
        ("while", goes_on.is_some()),
        ("merge", *merge),
        ("range", range.is_some()),
        ("keys", keys.is_some()),
        ("file", file.is_some()),
    ];
    match there.iter().find(|(name, is_there)| *is_there && !used.contains(name)) {
        None => Ok(()),
        Some((unused, _)) => {
            let kind =
                by.map_or("without `by`".to_owned(), |by| format!("with `by = \"{}\"`", name(by)));
            let offered = match used {
                [] => "no other key is valid".to_owned(),
                used => format!("valid are {}", used.join(", ")),
            };
            let message = format!("`{unused}` is not valid {kind}; {offered}");
            Err(wrong(written, key, message))
        }
    }
}

fn name(by: PagingBy) -> &'static str {
    match by {
        PagingBy::Offset => "offset",
        PagingBy::Page => "page",
        PagingBy::Next => "next",
        PagingBy::Cursor => "cursor",
        PagingBy::Sitemap => "sitemap",
        PagingBy::Keys => "keys",
    }
}
