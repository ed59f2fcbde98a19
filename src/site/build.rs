//! Converts a site file to a [`Site`]: parses selectors and templates, checks numbers.

mod answers;
mod detail;
mod expect;
mod incremental;
mod paging;
mod parts;
mod reading;
mod request;
mod schedule;
mod seeds;
mod select;
mod session;
mod sources;

use std::path::Path;
use std::sync::Arc;

use super::file::{DetailTable, IndexTable, PagingTable, RuleTable, Rules, SiteFile};
use super::paging::Paging;
use super::parse_base_url;
use super::request::RequestTemplate;
use super::template::{self, Placeholder};
use super::written::{At, OneOrMany, OrOff, Short};
use super::{IndexRules, ItemRules, Keep, Levels, MOST_PAGES, Since, Site};
use crate::fetch::HeaderValue;
use crate::select::{Finds, Selector};
use crate::site::settings::{MOST_WORKERS, OwnSettings, RATE_RULE, is_rate};
use crate::store::is_valid_name;
use reading::{Built, Read, columns};
use request::Asked;
use select::{fields, select, selector};

/// A wrong value in a site file.
#[derive(Debug)]
pub struct Wrong {
    /// Offset of its first byte in the file, or of its table if the value is missing.
    pub at: Option<usize>,
    /// Key, with its table.
    pub key: String,
    /// Description of the error.
    pub message: String,
}

/// Upper limit of `max_pages`: no list is longer.
const CAP_OF_CAPS: u64 = 1_000_000_000;
const NAME_RULE: &str = "use at most 64 letters, digits, `_` and `-`, begin with a letter or digit, and do not begin with `gleaner_`, `sqlite_` or `system.`";

/// Builds the site that a file describes. Relative paths in it start at `folder`.
///
/// # Errors
/// Returns the first wrong value.
pub fn site(file: SiteFile, folder: &Path) -> Result<Site, Wrong> {
    let base_url = parse_base_url(&file.base_url.value)
        .map_err(|error| wrong(&file.base_url, "base_url", error))?;
    let collection = file.collection.as_ref().unwrap_or(&file.name);
    for (key, name) in [("name", &file.name), ("collection", collection)] {
        if !is_valid_name(&name.value) {
            return Err(wrong(
                name,
                key,
                format!("`{}` is not a valid name: {NAME_RULE}", name.value),
            ));
        }
    }
    let ignore = file.ignore.iter().map(|path| selector("ignore", path));
    let detail = file.detail.as_ref();
    let said = file.answers.as_ref();
    answers::refuse_unused(said, &reading::held(&file))?;
    let seeds = seeds::build(&file)?;
    let index = index(&file, folder, &seeds)?;
    let lists = detail::Lists { index: &index, seeds: &seeds };
    let detail = detail.map(|table| detail::build(table, said, file.format, lists)).transpose()?;
    let is_known = matches!(index.paging, Paging::Keys(_));
    if let Some(seeds) = file.seeds.as_ref().filter(|_| is_known) {
        return Err(wrong(seeds, "seeds", "not valid with paging by keys: there is no list"));
    }
    incremental::check_seeds(&file.index.value, &seeds)?;
    let hosts = file.hosts.iter().map(host).collect::<Result<_, _>>()?;
    let (workers, rate, user_agents) = (workers(&file)?, rate(&file)?, user_agents(&file)?);
    let statuses = answers::statuses(said)?;
    let session =
        file.session.as_ref().map(|table| session::session(table, &statuses)).transpose()?;
    let robots = file.robots;
    let expect = file.expect.as_ref();
    let expect = expect.map(|it| expect::build(&it.value, &index, detail.as_ref())).transpose()?;
    let schedule = file.schedule.as_ref().map(schedule::build).transpose()?;
    let expect = expect::by_schedule(expect.unwrap_or_default(), schedule.as_ref());
    let missing = None;
    let own =
        OwnSettings { workers, rate, robots, user_agents, session, expect, schedule, missing };
    Ok(Site {
        collection: collection.value.as_str().into(),
        name: file.name.value.into(),
        description: file.description.unwrap_or_default().into(),
        base_url,
        hosts,
        own,
        statuses,
        seeds,
        index,
        detail,
        ignore: ignore.collect::<Result<Vec<Selector>, Wrong>>()?,
        descends: false,
    })
}

/// Normalizes a host as URLs do: lower case, ASCII name, no default port.
fn host(host: &At<String>) -> Result<Box<str>, Wrong> {
    let url = url::Url::parse(&format!("https://{}", host.value));
    let is_bare = |url: &url::Url| {
        url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && !host.value.ends_with('/')
            && !host.value.contains('*')
    };
    match url.ok().filter(is_bare) {
        Some(url) => {
            let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
            Ok(format!("{}{port}", url.host_str().unwrap_or_default()).into())
        }
        None => {
            let given = &host.value;
            let message = format!("`{given}` is not a host; write example.com or example.com:8080");
            Err(wrong(host, "hosts", message))
        }
    }
}

fn user_agents(file: &SiteFile) -> Result<Vec<String>, Wrong> {
    let Some(At { value: OneOrMany(names), .. }) = &file.user_agent else { return Ok(Vec::new()) };
    match (names.iter().find(|name| HeaderValue::from_str(name).is_err()), &file.user_agent) {
        (Some(name), Some(at)) => Err(wrong(
            at,
            "user_agent",
            format!("{name:?} contains characters that a header cannot"),
        )),
        _ => Ok(names.clone()),
    }
}

fn workers(file: &SiteFile) -> Result<Option<usize>, Wrong> {
    let Some(workers) = &file.workers else { return Ok(None) };
    match usize::try_from(workers.value) {
        Ok(count) if (1..=MOST_WORKERS).contains(&count) => Ok(Some(count)),
        _ => Err(wrong(workers, "workers", format!("must be a number from 1 to {MOST_WORKERS}"))),
    }
}

fn rate(file: &SiteFile) -> Result<Option<f64>, Wrong> {
    let Some(rate) = &file.rate else { return Ok(None) };
    if !is_rate(rate.value) {
        return Err(wrong(rate, "rate", format!("requests per second must be {RATE_RULE}")));
    }
    Ok(Some(rate.value))
}

fn index(file: &SiteFile, folder: &Path, seeds: &Levels) -> Result<IndexRules, Wrong> {
    let SiteFile { index: written, detail, .. } = file;
    let detail = detail.as_ref();
    let table = &written.value;
    let read = Read::index(table, file.format).build(file.answers.as_ref())?;
    let Built { reading, on, marks } = read;
    let paging = paging::build("index.paging", table.paging.as_ref(), on, folder)?;
    let mut allowed = paging.placeholders();
    if let Some(name) = seeds.value_names().find(|it| allowed.contains(&named(it))) {
        let message = format!("`take` hands over {name}, and so is a value of [seeds] named");
        return Err(wrong(written, &format!("index.paging.take.{name}"), message));
    }
    allowed.extend(seeds::placeholders(seeds));
    let since = incremental::since(table, &paging)?;
    allowed.extend(since.as_ref().map(|_| Since::placeholder()));
    let request = request::build(&Asked::index(table), &allowed)?;
    let first = first_request(table, &allowed)?;
    let later = later_request(table, &allowed, &paging)?;
    incremental::check_request(table, &request, &[first.as_deref(), later.as_deref()])?;
    let is_known = matches!(paging, Paging::Keys(_));
    if is_known {
        let used = request::first_used(&Asked::index(table), &["url"]);
        refuse(used, "paging is by keys, so no list is requested")?;
    } else if request.url.is_none() {
        return Err(wrong(written, "index.url", "missing: the URL of the list is required"));
    } else {
        needs(later.as_deref().unwrap_or(&request), needed(&paging), written, "index")?;
        seeds::check_request(seeds, &request, file)?;
    }
    let most_pages = match &table.max_pages {
        None => MOST_PAGES,
        Some(most) if is_known => {
            return Err(wrong(
                most,
                "index.max_pages",
                "not valid with paging by keys: all keys are requested",
            ));
        }
        Some(most) if !(1..=CAP_OF_CAPS).contains(&most.value) => {
            let message = format!("must be a number from 1 to {CAP_OF_CAPS}");
            return Err(wrong(most, "index.max_pages", message));
        }
        Some(most) => most.value,
    };
    let items = match &paging {
        Paging::Keys(_) | Paging::Sitemap => bare_items(written, detail, &paging)?,
        _ => selected(written, detail, on, seeds)?,
    };
    let require = table.require.iter().map(|steps| select("index.require", steps, on));
    let require = require.collect::<Result<_, _>>()?;
    let more = heeds_hints(table.paging.as_ref());
    let goes_on = goes_on("index.paging", table.paging.as_ref(), on)?;
    let total_exact = file.total_exact.unwrap_or(!is_known);
    Ok(IndexRules {
        request,
        reading,
        first,
        later,
        since,
        paging,
        goes_on,
        more,
        merge: merge(table, detail)?,
        total_exact,
        most_pages,
        require,
        marks,
        items,
    })
}

/// Builds the request of the first page, if it has a URL of its own.
fn first_request(
    table: &IndexTable,
    allowed: &[Placeholder],
) -> Result<Option<Box<RequestTemplate>>, Wrong> {
    let Some(url) = first_url(table.paging.as_ref()) else { return Ok(None) };
    let request = request::build(&Asked::index(table).at(url), allowed)?;
    let numbered = [Placeholder::Page, Placeholder::Offset, Placeholder::Cursor];
    let of_url = |it: &&Placeholder| request.url.as_ref().is_some_and(|url| url.has(it));
    if let Some(placeholder) = numbered.iter().find(of_url) {
        let message = format!("the first page has no {}", placeholder.text());
        return Err(wrong(url, "index.paging.first_url", message));
    }
    Ok(Some(Box::new(request)))
}

/// Builds the request of later pages, if `[index.next]` says what differs.
fn later_request(
    table: &IndexTable,
    allowed: &[Placeholder],
    paging: &Paging,
) -> Result<Option<Box<RequestTemplate>>, Wrong> {
    let Some(next) = &table.next else { return Ok(None) };
    if !matches!(paging, Paging::Cursor(_) | Paging::Page { .. } | Paging::Offset { .. }) {
        let message =
            "it is for paging by cursor, page or offset: else pages name the URL of the next";
        return Err(wrong(next, "index.next", message));
    }
    request::build(&Asked::next(table, &next.value), allowed).map(|it| Some(Box::new(it)))
}

/// Builds the rule for the value that must mean yes for a list to continue.
fn goes_on(
    key: &str,
    paging: Option<&At<PagingTable>>,
    on: Finds,
) -> Result<Option<crate::select::FieldRule>, Wrong> {
    let written = paging.and_then(|paging| paging.value.goes_on.as_ref());
    written.map(|it| select::single(&format!("{key}.while"), it, on)).transpose()
}

/// Returns whether pages hold parts of the same items, which must be documents by themselves then.
fn merge(table: &IndexTable, detail: Option<&At<DetailTable>>) -> Result<bool, Wrong> {
    let paging = table.paging.as_ref();
    let has_default = |rule: &At<Short<RuleTable>>| matches!(&rule.value, Short::Table(it) if it.default.is_some());
    match (paging.filter(|paging| paging.value.merge), detail) {
        (Some(paging), None) if table.fields.values().any(has_default) => {
            let message =
                "not valid with `default` in [index.fields]: another part may have the value";
            Err(wrong(paging, "index.paging.merge", message))
        }
        (Some(paging), Some(_)) => {
            let message = "only documents that are made from the list alone are merged";
            Err(wrong(paging, "index.paging.merge", message))
        }
        (paging, _) => Ok(paging.is_some()),
    }
}

fn first_url(paging: Option<&At<PagingTable>>) -> Option<&At<String>> {
    paging.and_then(|paging| paging.value.first_url.as_ref())
}

fn selected(
    written: &At<IndexTable>,
    detail: Option<&At<DetailTable>>,
    on: Finds,
    seeds: &Levels,
) -> Result<ItemRules, Wrong> {
    let table = &written.value;
    let missing = |key: &str| wrong(written, key, "missing: required for a list");
    let of_items = table.items.as_ref().ok_or_else(|| missing("index.items"))?;
    let of_key = table.key.as_ref().ok_or_else(|| missing("index.key"))?;
    let link = detail.and_then(|detail| detail.value.link.as_ref());
    let revision = table.revision.as_ref().and_then(OrOff::on);
    let page = on;
    let items = select::items("index.items", of_items, on)?;
    // `::text` after an item's selector says nothing.
    let on = match items.finds() {
        Finds::Texts => items.reads(),
        finds => finds,
    };
    let columns = table.columns.as_ref().map(|it| columns(it, page, on)).transpose()?;
    let keep = match fields("index.fields", &table.fields, on)? {
        fields if !fields.is_empty() => Keep::Fields(fields),
        _ if detail.is_some() => Keep::Nothing,
        _ if on == Finds::Values => Keep::Whole,
        _ => {
            let message = "required for HTML and XML pages: name the fields to keep, here or in [detail.fields]";
            return Err(wrong(written, "index.fields", message));
        }
    };
    let values = fields("index.values", &table.values, on)?;
    let values: Vec<_> = values.into_iter().map(|(name, it)| (Arc::from(name), it)).collect();
    refuse_names("index.values", &table.values)?;
    let kept = if let Keep::Fields(fields) = &keep { fields.as_slice() } else { &[] };
    let of_values = values.iter().map(|(name, rule)| ("index.values", &**name, rule));
    let of_fields = kept.iter().map(|(name, rule)| ("index.fields", &**name, rule));
    refuse_unknown(written, of_values.clone().chain(of_fields.clone()))?;
    let key = select::key("index.key", of_key, on)?;
    let of_key = key.parts.iter().map(|rule| ("index", "key", rule));
    sources::check(written, of_values.chain(of_fields).chain(of_key), &items, seeds)?;
    Ok(ItemRules::Selected {
        items,
        columns,
        values,
        key,
        link: link.map(|link| select::single("detail.link", link, on)).transpose()?,
        revision: revision.map(|it| select::single("index.revision", &it, on)).transpose()?,
        keep,
    })
}

/// Rejects a path with a placeholder that is not the name of a value or field before it.
fn refuse_unknown<'r>(
    written: &At<IndexTable>,
    rules: impl Iterator<Item = (&'static str, &'r str, &'r crate::select::FieldRule)>,
) -> Result<(), Wrong> {
    let mut before = Vec::new();
    for (table, name, rule) in rules {
        let path = rule.path.as_deref().unwrap_or_default();
        template::Template::parse_text(path, &before)
            .map_err(|error| wrong(written, &format!("{table}.{name}"), error.to_string()))?;
        before.push(Placeholder::Named(name.into()));
    }
    Ok(())
}

fn named(name: &Arc<str>) -> Placeholder {
    Placeholder::Named(name.clone())
}

/// Rejects names that cannot be those of placeholders.
fn refuse_names(key: &str, rules: &Rules) -> Result<(), Wrong> {
    match rules.iter().find(|(name, _)| !template::is_value_name(name)) {
        None => Ok(()),
        Some((name, at)) => Err(wrong(at, &format!("{key}.{name}"), template::NO_VALUE_NAME)),
    }
}

/// Builds the rules for the items of a sitemap, or for known keys.
fn bare_items(
    written: &At<IndexTable>,
    detail: Option<&At<DetailTable>>,
    paging: &Paging,
) -> Result<ItemRules, Wrong> {
    let table = &written.value;
    let is_sitemap = matches!(paging, Paging::Sitemap);
    let kind = if is_sitemap { "sitemap" } else { "keys" };
    let unused = [
        table.items.as_ref().map(|it| at_key(it, "index.items")),
        table.within.as_ref().map(|it| at_key(it, "index.within")),
        table.columns.as_ref().map(|it| at_key(it, "index.columns")),
        table.require.first().map(|it| at_key(it, "index.require")),
        table
            .revision
            .as_ref()
            .filter(|it| !is_sitemap || OrOff::on(it).is_some())
            .map(|it| at_key(it, "index.revision")),
        table.fields.values().next().map(|it| at_key(it, "index.fields")),
        table.values.values().next().map(|it| at_key(it, "index.values")),
        table.key.as_ref().filter(|_| !is_sitemap).map(|it| at_key(it, "index.key")),
        table.url.as_ref().filter(|_| !is_sitemap).map(|it| at_key(it, "index.url")),
    ];
    refuse(unused.into_iter().flatten().next(), &format!("paging is by {kind}"))?;
    let Some(detail) = detail else {
        let message =
            format!("[detail] is required with paging by {kind}: nothing else can be stored");
        return Err(wrong(written, "detail", message));
    };
    if let Some(link) = &detail.value.link {
        return Err(wrong(
            link,
            "detail.link",
            format!("not valid with paging by {kind}: there are no items with links"),
        ));
    }
    match &table.key {
        Some(key) => Ok(ItemRules::Sitemap {
            key: select::location("index.key", key)?,
            has_revision: table.revision.is_none(),
        }),
        None if is_sitemap => {
            let message =
                "missing: a regular expression for the locations of the entries is required";
            Err(wrong(written, "index.key", message))
        }
        None => Ok(ItemRules::Known),
    }
}

/// Returns true if hints to further pages count, in addition to the paging.
fn heeds_hints(paging: Option<&At<PagingTable>>) -> bool {
    paging.and_then(|paging| paging.value.more).unwrap_or(true)
}

/// Returns the placeholder that distinguishes the pages of a list, or `None` if paging does not
/// need one.
fn needed(paging: &Paging) -> Option<Placeholder> {
    match paging {
        Paging::Offset { .. } => Some(Placeholder::Offset),
        Paging::Page { .. } => Some(Placeholder::Page),
        Paging::Cursor(handover) if handover.is_cursor => Some(Placeholder::Cursor),
        // A value may be an object, which becomes parameters: that is seen with the page.
        Paging::Cursor(_) => None,
        Paging::Single | Paging::Next(_) | Paging::Sitemap | Paging::Keys(_) => None,
    }
}

/// Rejects a request template without `placeholder`: all its requests would be the same.
fn needs<T>(
    request: &RequestTemplate,
    placeholder: Option<Placeholder>,
    table: &At<T>,
    name: &str,
) -> Result<(), Wrong> {
    match placeholder.filter(|placeholder| !request.has(placeholder)) {
        None => Ok(()),
        Some(placeholder) => {
            let text = placeholder.text();
            let message = format!(
                "the request template must contain {text}; without it all requests would be the same"
            );
            Err(wrong(table, name, message))
        }
    }
}

/// Rejects a key that has no effect here. Otherwise the mistake would be ignored silently.
fn refuse(used: Option<Wrong>, why: &str) -> Result<(), Wrong> {
    match used {
        None => Ok(()),
        Some(used) => Err(Wrong { message: format!("not valid here: {why}"), ..used }),
    }
}

fn at_key<T>(value: &At<T>, key: &str) -> Wrong {
    wrong(value, key, "")
}

fn wrong<T>(value: &At<T>, key: &str, message: impl Into<String>) -> Wrong {
    Wrong { at: Some(value.at), key: key.to_owned(), message: message.into() }
}
