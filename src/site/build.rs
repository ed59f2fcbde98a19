//! From what stands in the file to what is needed: selectors and templates read, numbers checked.

mod paging;
mod request;
mod select;

use std::path::Path;

use super::file::{DetailTable, IndexTable, SeedsTable, SiteFile};
use super::paging::Paging;
use super::parse_base_url;
use super::template::Placeholder;
use super::written::{At, OneOrMany, Short};
use super::{DetailRules, IndexRules, ItemRules, Keep, MOST_PAGES, Seeds, SeedsPage, Site};
use crate::extract::{Format, Selector};
use crate::settings::{MOST_WORKERS, RATE_RULE, is_rate};
use crate::store::is_valid_name;
use request::Asked;
use select::{fields, rule, select, selector};

/// A wrong value.
#[derive(Debug)]
pub struct Wrong {
    /// The byte of the file that it begins with; nothing where it is missing.
    pub at: Option<usize>,
    /// Its key, with its table.
    pub key: String,
    /// What is wrong with it.
    pub message: String,
}

const NAME_RULE: &str = "letters, digits, `_` and `-`, beginning with a letter or digit, at most 64 long, and not beginning with `gleaner_`, `sqlite_` or `system.`";

/// The site that a file describes; paths in it begin at `folder`.
///
/// # Errors
/// What is wrong with it.
pub fn site(file: SiteFile, folder: &Path) -> Result<Site, Wrong> {
    let base_url = parse_base_url(&file.base_url.value)
        .map_err(|error| wrong(&file.base_url, "base_url", error))?;
    let collection = file.collection.as_ref().unwrap_or(&file.name);
    for (key, name) in [("name", &file.name), ("collection", collection)] {
        if !is_valid_name(&name.value) {
            return Err(wrong(name, key, format!("`{}` is no name: {NAME_RULE}", name.value)));
        }
    }
    let ignore = file.ignore.iter().map(|path| selector("ignore", path));
    let has_seeds = file.seeds.is_some();
    let detail = file.detail.as_ref();
    let index = index(&file.index, detail, file.format, has_seeds, folder)?;
    let detail = detail.map(|table| build_detail(table, file.format, &index)).transpose()?;
    let has_keys = matches!(index.paging, Paging::Keys(_));
    if has_keys && (has_seeds || detail.is_none()) {
        let message = "the keys are known, so there is nothing but [detail] to ask for: no [seeds]";
        return Err(missing("index.paging", message));
    }
    let hosts = file.hosts.iter().map(host).collect::<Result<_, _>>()?;
    let (workers, rate) = (workers(&file)?, rate(&file)?);
    Ok(Site {
        collection: collection.value.as_str().into(),
        name: file.name.value.into(),
        description: file.description.unwrap_or_default().into(),
        base_url,
        hosts,
        workers,
        rate,
        robots: file.robots,
        user_agents: file.user_agent.map_or_else(Vec::new, |OneOrMany(names)| names),
        seeds: file.seeds.map(|table| seeds(&table, file.format)).transpose()?,
        index,
        detail,
        ignore: ignore.collect::<Result<Vec<Selector>, Wrong>>()?,
        total_exact: file.total_exact.unwrap_or(!has_keys),
    })
}

fn host(host: &At<String>) -> Result<Box<str>, Wrong> {
    if host.value.contains('/') || url::Url::parse(&format!("http://{}", host.value)).is_err() {
        let message = format!("`{}` is no host; write example.com or example.com:8080", host.value);
        return Err(wrong(host, "hosts", message));
    }
    Ok(host.value.to_ascii_lowercase().into())
}

fn workers(file: &SiteFile) -> Result<Option<usize>, Wrong> {
    let Some(workers) = &file.workers else { return Ok(None) };
    match usize::try_from(workers.value) {
        Ok(count) if (1..=MOST_WORKERS).contains(&count) => Ok(Some(count)),
        _ => Err(wrong(workers, "workers", format!("a number from 1 to {MOST_WORKERS} is wanted"))),
    }
}

fn rate(file: &SiteFile) -> Result<Option<f64>, Wrong> {
    let Some(rate) = &file.rate else { return Ok(None) };
    if !is_rate(rate.value) {
        return Err(wrong(rate, "rate", format!("it is how many requests a second: {RATE_RULE}")));
    }
    Ok(Some(rate.value))
}

fn seeds(table: &SeedsTable, usual: Format) -> Result<Seeds, Wrong> {
    let format = table.format.unwrap_or(usual);
    match (&table.values, &table.url, &table.select) {
        (Some(values), None, None) if values.is_empty() => {
            Err(missing("seeds.values", "there is no category in it"))
        }
        (Some(values), None, None) => {
            Ok(Seeds::Listed(values.iter().map(|value| value.as_str().into()).collect()))
        }
        (None, Some(_), Some(rule_of)) => {
            let paging =
                paging::build("seeds.paging", table.paging.as_ref(), format, Path::new(""))?;
            if matches!(paging, Paging::Keys(_) | Paging::Sitemap) {
                return Err(missing("seeds.paging", "a page of categories has no such paging"));
            }
            let request = request::build(&Asked::seeds(table), paging.placeholders())?;
            let select = rule("seeds.select", rule_of, format)?;
            Ok(Seeds::Page(Box::new(SeedsPage { request, paging, select })))
        }
        _ => Err(missing("seeds", "it needs either `values`, or `url` and `select`")),
    }
}

fn index(
    table: &IndexTable,
    detail: Option<&DetailTable>,
    usual: Format,
    has_seeds: bool,
    folder: &Path,
) -> Result<IndexRules, Wrong> {
    let format = table.format.unwrap_or(usual);
    let paging = paging::build("index.paging", table.paging.as_ref(), format, folder)?;
    let mut allowed = paging.placeholders().to_vec();
    if has_seeds {
        allowed.push(Placeholder::Seed);
    }
    let request = request::build(&Asked::index(table), &allowed)?;
    let needs_url = !matches!(paging, Paging::Keys(_));
    if needs_url && request.url.is_none() {
        return Err(missing("index.url", "it is missing: where is the list?"));
    }
    let most_pages = match &table.max_pages {
        None => MOST_PAGES,
        Some(At { value: 0, .. }) => {
            return Err(missing("index.max_pages", "at least 1 page has to be asked for"));
        }
        Some(most) => most.value,
    };
    let link = detail.and_then(|detail| detail.link.as_ref());
    let items = match &paging {
        Paging::Keys(_) | Paging::Sitemap => bare_items(table, &paging)?,
        _ => {
            let required = "it is missing, and a list needs it";
            let items = table.items.as_ref().ok_or_else(|| missing("index.items", required))?;
            let key = table.key.as_ref().ok_or_else(|| missing("index.key", required))?;
            let optional = |name: &str, value: &Option<At<Short<_>>>| {
                value.as_ref().map(|value| rule(name, value, format)).transpose()
            };
            let keep = match fields("index.fields", &table.fields, format)? {
                fields if !fields.is_empty() => Keep::Fields(fields),
                _ if detail.is_some() => Keep::Nothing,
                _ if format == Format::Json => Keep::Whole,
                _ => {
                    return Err(missing(
                        "index.fields",
                        "an HTML page is no document: say what is kept of it, here or in [detail.fields]",
                    ));
                }
            };
            ItemRules::Selected {
                items: select("index.items", items, format)?,
                key: rule("index.key", key, format)?,
                link: link.map(|link| rule("detail.link", link, format)).transpose()?,
                revision: optional("index.revision", &table.revision)?,
                keep,
            }
        }
    };
    let require = table.require.iter().map(|text| select("index.require", text, format));
    let require = require.collect::<Result<_, _>>()?;
    Ok(IndexRules { request, paging, most_pages, require, items })
}

/// The items of a sitemap, or of no list at all.
fn bare_items(table: &IndexTable, paging: &Paging) -> Result<ItemRules, Wrong> {
    let is_sitemap = matches!(paging, Paging::Sitemap);
    let unused = [
        ("index.items", table.items.is_some()),
        ("index.require", !table.require.is_empty()),
        ("index.revision", table.revision.is_some()),
        ("index.fields", !table.fields.is_empty()),
        ("index.key", table.key.is_some() && !is_sitemap),
        ("index.url", table.url.is_some() && !is_sitemap),
    ];
    if let Some((key, _)) = unused.iter().find(|(_, is_there)| *is_there) {
        let kind = if is_sitemap { "sitemap" } else { "keys" };
        return Err(missing(key, format!("it says nothing where paging is by {kind}")));
    }
    match &table.key {
        Some(key) => Ok(ItemRules::Sitemap { key: select::location("index.key", key)? }),
        None if is_sitemap => {
            Err(missing("index.key", "a regular expression on the entries' locations is needed"))
        }
        None => Ok(ItemRules::Known),
    }
}

fn build_detail(
    table: &DetailTable,
    usual: Format,
    index: &IndexRules,
) -> Result<DetailRules, Wrong> {
    let format = table.format.unwrap_or(usual);
    let request = request::build(&Asked::detail(table), &[Placeholder::Key])?;
    let names_pages = table.link.is_some() || matches!(index.paging, Paging::Sitemap);
    match (&table.url, &table.link) {
        (None, None) if !names_pages => {
            return Err(missing("detail.url", "it is missing; `link` takes it from the list"));
        }
        (Some(url), Some(_)) => {
            return Err(wrong(url, "detail.url", "`link` says already where the page is"));
        }
        _ => {}
    }
    let require = table.require.iter().map(|text| select("detail.require", text, format));
    let fields = fields("detail.fields", &table.fields, format)?;
    if fields.is_empty() && format == Format::Html {
        return Err(missing(
            "detail.fields",
            "an HTML page is no document: say what is kept of it",
        ));
    }
    let document = table.document.as_ref();
    if let Some(path) = document.filter(|_| format == Format::Html) {
        return Err(wrong(path, "detail.document", "an HTML page has no part that is a document"));
    }
    Ok(DetailRules {
        request,
        format,
        require: require.collect::<Result<_, _>>()?,
        document: document.map(|path| selector("detail.document", path)).transpose()?,
        fields,
    })
}

fn wrong<T>(value: &At<T>, key: &str, message: impl Into<String>) -> Wrong {
    Wrong { at: Some(value.at), key: key.to_owned(), message: message.into() }
}

/// What is wrong with something that is not there, or with a table as a whole.
fn missing(key: &str, message: impl Into<String>) -> Wrong {
    Wrong { at: None, key: key.to_owned(), message: message.into() }
}
