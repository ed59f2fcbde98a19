//! Builds the categories of a site: listed, named by a page, or the items of another site.

use std::path::Path;

use super::incremental;
use super::reading::{Built, Read};
use super::request::{self, Asked};
use super::select::rule;
use super::{NAME_RULE, Wrong, at_key, first_url, goes_on, heeds_hints, needed, needs, paging};
use super::{refuse, wrong};
use crate::site::file::{SeedsTable, SiteFile};
use crate::site::paging::Paging;
use crate::site::written::At;
use crate::site::{SeedRange, Seeds, SeedsPage};
use crate::store::is_valid_name;

/// Builds the seeds of a site.
///
/// # Errors
/// Returns the first wrong value.
pub fn build(file: &SiteFile, written: &At<SeedsTable>) -> Result<Seeds, Wrong> {
    let table = &written.value;
    let (said, usual) = (file.answers.as_ref(), file.format);
    if let Some(parent) = &table.site {
        return of_parent(file, table, parent);
    }
    let of_parent = [
        table.changed.as_ref().map(|it| at_key(it, "seeds.changed")),
        table.full.as_ref().map(|it| at_key(it, "seeds.full")),
    ];
    let why = "it is for the items of another site, which `site` names";
    refuse(of_parent.into_iter().flatten().next(), why)?;
    if let Some(range) = &table.range {
        return of_range(table, range);
    }
    let step = table.step.as_ref().map(|it| at_key(it, "seeds.step"));
    refuse(step, "it is for `range`")?;
    match (&table.values, &table.url, &table.select) {
        (Some(values), None, None) if values.is_empty() => {
            Err(wrong(written, "seeds.values", "must contain at least one category"))
        }
        (Some(values), None, None) => {
            refuse(used(table), "the categories are listed in `values`")?;
            Ok(Seeds::Listed(values.iter().map(|value| value.as_str().into()).collect()))
        }
        (None, Some(_), Some(of)) => {
            let Built { reading, on, marks } = Read::seeds(table, usual).build(said)?;
            let paging = paging::build("seeds.paging", table.paging.as_ref(), on, Path::new(""))?;
            if matches!(paging, Paging::Keys(_) | Paging::Sitemap) {
                let message = "not valid for a page of categories";
                return Err(wrong(written, "seeds.paging", message));
            }
            let request = request::build(&Asked::seeds(table), &paging.placeholders())?;
            needs(&request, needed(&paging), written, "seeds")?;
            let goes_on = goes_on("seeds.paging", table.paging.as_ref(), on)?;
            if let Some(url) = first_url(table.paging.as_ref()) {
                let message = "it is for the list of items only";
                return Err(wrong(url, "seeds.paging.first_url", message));
            }
            let select = rule("seeds.select", of, on)?;
            let more = heeds_hints(table.paging.as_ref());
            let page = SeedsPage { request, reading, paging, goes_on, more, marks, select };
            Ok(Seeds::Page(Box::new(page)))
        }
        _ => Err(wrong(
            written,
            "seeds",
            "set `values`, or `range`, or `url` and `select`, or `site`",
        )),
    }
}

/// Builds the seeds that are the items of the site `parent`.
fn of_parent(file: &SiteFile, table: &SeedsTable, parent: &At<String>) -> Result<Seeds, Wrong> {
    let key = "seeds.site";
    if !is_valid_name(&parent.value) {
        let message = format!("`{}` is not the name of a site: {NAME_RULE}", parent.value);
        return Err(wrong(parent, key, message));
    }
    if parent.value == file.name.value {
        return Err(wrong(parent, key, "the items of a site cannot be its own seeds"));
    }
    let others = [
        table.values.as_ref().map(|_| at_key(parent, "seeds.values")),
        table.select.as_ref().map(|it| at_key(it, "seeds.select")),
        table.range.as_ref().map(|it| at_key(it, "seeds.range")),
        table.step.as_ref().map(|it| at_key(it, "seeds.step")),
        used(table),
    ];
    let why = "the categories are the items of the site that `site` names";
    refuse(others.into_iter().flatten().next(), why)?;
    Ok(Seeds::Items { site: parent.value.as_str().into(), changed: incremental::changed(table)? })
}

/// Builds the seeds that are a range.
fn of_range(table: &SeedsTable, range: &At<String>) -> Result<Seeds, Wrong> {
    let others = [
        table.values.as_ref().map(|_| at_key(range, "seeds.values")),
        table.select.as_ref().map(|it| at_key(it, "seeds.select")),
        used(table),
    ];
    refuse(others.into_iter().flatten().next(), "the categories are those of `range`")?;
    let step = table.step.as_ref();
    let built = SeedRange::parse(&range.value, step.map(|step| &*step.value));
    built.map(Seeds::Range).map_err(|(key, message)| {
        let at = step.filter(|_| key == "step").unwrap_or(range);
        wrong(at, &format!("seeds.{key}"), message)
    })
}

/// Returns the first key that is used for a page of categories, or `None`.
fn used(table: &SeedsTable) -> Option<Wrong> {
    let of_page = [
        table.paging.as_ref().map(|it| at_key(it, "seeds.paging")),
        table.within.as_ref().map(|it| at_key(it, "seeds.within")),
        table.delimiter.as_ref().map(|it| at_key(it, "seeds.delimiter")),
    ];
    request::first_used(&Asked::seeds(table), &[]).or(of_page.into_iter().flatten().next())
}
