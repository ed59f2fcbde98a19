//! `[detail] next`, `[detail.parts.NAME]` and `[detail.files]`: the further requests of an item.

use std::sync::Arc;

use indexmap::IndexMap;

use super::super::file::{AnswersTable, DetailTable, PagingBy, PartTable};
use super::super::paging::{NextPage, Paging};
use super::super::request::RequestTemplate;
use super::super::rules::{FileRule, Further, MediaType, PartRules};
use super::super::template::{Placeholder, is_value_name};
use super::super::written::{At, Short};
use super::reading::{Built, Read};
use super::request::{self, Asked};
use super::select::{self, fields, select};
use super::{Wrong, goes_on, heeds_hints, needed, needs, paging, refuse_names, wrong};
use crate::select::field::{From, Kind};
use crate::select::{FieldRule, Finds, Format};

/// Default maximum number of pages of one item.
const MOST_PAGES: u64 = 1_000;
/// Upper limit of `max_pages` in `[detail]`.
const CAP: u64 = 1_000_000;

/// Rules of the page of an item, on which those of its further requests depend.
pub struct Own<'a> {
    /// The table `[detail]`.
    pub table: &'a DetailTable,
    /// Kind of what the selectors of the page are applied to.
    pub on: Finds,
    /// Fields of the page.
    pub fields: &'a [(Box<str>, FieldRule)],
    /// Names of the values that the list has.
    pub of_list: Vec<Arc<str>>,
    /// Names of the fields that the list has.
    pub listed: Vec<Box<str>>,
}

impl Own<'_> {
    /// Returns true if a field of the list or of the page has this name.
    fn has(&self, name: &str) -> bool {
        self.fields.iter().map(|(name, _)| name).chain(&self.listed).any(|it| **it == *name)
    }
}

/// Builds the rules for the further requests of an item.
pub fn further(
    own: &Own<'_>,
    said: Option<&At<AnswersTable>>,
    usual: Format,
) -> Result<Further, Wrong> {
    let Own { table, on, fields: kept, .. } = own;
    let next = table.next.as_ref().map(|it| select::single("detail.next", it, *on)).transpose()?;
    let is_list = |rule: &FieldRule| rule.is_list();
    if let Some(next) = table.next.as_ref().filter(|_| !kept.iter().any(|(_, it)| is_list(it))) {
        let message = "it appends the values of lists, and there are none: give a field in [detail.fields] `many = true`";
        return Err(wrong(next, "detail.next", message));
    }
    if let Some((name, at)) = table.values.first().filter(|_| table.parts.is_empty()) {
        let message = "not valid here: values are for the requests of parts, and there are none";
        return Err(wrong(at, &format!("detail.values.{name}"), message));
    }
    refuse_names("detail.values", &table.values)?;
    let values = fields("detail.values", &table.values, *on)?;
    if let Some((name, rule)) = values.iter().find(|(_, rule)| !rule.is_of_page()) {
        let message = "on the page of an item, values are from the page or from a header";
        let at = table.values.get(&**name);
        return Err(at.map_or_else(
            || Wrong { at: None, key: rule.select.text().into(), message: message.into() },
            |at| wrong(at, &format!("detail.values.{name}"), message),
        ));
    }
    let parts = table.parts.iter().map(|(name, part)| build(name, part, own, said, usual));
    let parts: Vec<PartRules> = parts.collect::<Result<_, _>>()?;
    Ok(Further {
        most_pages: most_pages(table)?,
        next: next.map(|rule| Paging::Next(NextPage::Field(rule))),
        values: values.into_iter().map(|(name, rule)| (name.into(), rule)).collect(),
        files: files(own)?,
        parts,
    })
}

/// Builds the rules for the URLs of files.
fn files(own: &Own<'_>) -> Result<Vec<(Arc<str>, FileRule)>, Wrong> {
    let (mut files, mut types) = (Vec::new(), IndexMap::new());
    let mut table = own.table.files.clone();
    for (name, rule) in &mut table {
        let Short::Table(options) = &mut rule.value else { continue };
        let Some(written) = options.media_type.take() else { continue };
        let Some(media_type) = MediaType::parse(&written) else {
            let message =
                format!("`{written}` is not a media type; write image/* or application/pdf");
            return Err(wrong(rule, &format!("detail.files.{name}.type"), message));
        };
        types.insert(name.clone(), media_type);
    }
    for (name, rule) in fields("detail.files", &table, own.on)? {
        let key = format!("detail.files.{name}");
        let refused = |message| match own.table.files.get(&*name) {
            Some(at) => Err(wrong(at, &key, message)),
            None => Err(Wrong { at: None, key: key.clone(), message: String::from(message) }),
        };
        let is_url = matches!(rule.kind, None | Some(Kind::Url));
        let is_taken = own.table.parts.contains_key(&*name) || own.has(&name);
        match () {
            () if is_taken => return refused("another member of the document has this name"),
            () if !rule.fields.is_empty() => return refused("`items` is not valid for files"),
            () if !is_url => {
                return refused("a file is named by a URL: only `as = \"url\"` is valid");
            }
            () if !rule.is_of_page() => return refused("a file is named by the page of its item"),
            () if rule.default.is_some() => return refused("`default` is not valid for files"),
            () => {
                let media_type = types.get(&*name).cloned();
                let url = FieldRule { kind: Some(Kind::Url), ..rule };
                files.push((Arc::from(name), FileRule { url, media_type }));
            }
        }
    }
    Ok(files)
}

fn most_pages(table: &DetailTable) -> Result<u64, Wrong> {
    let Some(most) = &table.max_pages else { return Ok(MOST_PAGES) };
    let message = if table.next.is_none() && table.parts.is_empty() {
        "not valid here: without `next` and [detail.parts] an item has one page".to_owned()
    } else if (1..=CAP).contains(&most.value) {
        return Ok(most.value);
    } else {
        format!("must be a number from 1 to {CAP}")
    };
    Err(wrong(most, "detail.max_pages", message))
}

fn build(
    name: &str,
    written: &At<PartTable>,
    own: &Own<'_>,
    said: Option<&At<AnswersTable>>,
    usual: Format,
) -> Result<PartRules, Wrong> {
    let (table, key) = (&written.value, format!("detail.parts.{name}"));
    refuse_taken(name, written, own)?;
    let Built { reading, on, marks } = Read::part(&key, table, usual).build(said)?;
    let paged = paged(&key, table, on)?;
    let (request, values) = requested(&key, written, own, &paged)?;
    let require = table.require.iter().map(|it| select(&format!("{key}.require"), it, on));
    let items = select::items(&format!("{key}.items"), &table.items, on)?;
    // `::text` after an item's selector says nothing.
    let within = match items.finds() {
        Finds::Texts => items.reads(),
        finds => finds,
    };
    let kept = fields(&format!("{key}.fields"), &table.fields, within)?;
    if let Some((name, _)) = kept.iter().find(|(_, rule)| rule.from != From::Item) {
        let message = "within a part, values are taken from its entries only";
        return Err(wrong(written, &format!("{key}.fields.{name}"), message));
    }
    if kept.is_empty() && within != Finds::Values {
        let message = "required for HTML and XML pages: name the fields to keep";
        return Err(wrong(written, &format!("{key}.fields"), message));
    }
    Ok(PartRules {
        name: name.into(),
        request,
        values,
        reading,
        paging: paged,
        goes_on: goes_on(&format!("{key}.paging"), table.paging.as_ref(), on)?,
        more: heeds_hints(table.paging.as_ref()),
        require: require.collect::<Result<_, _>>()?,
        marks,
        may_be_missing: table.missing.is_some(),
        items,
        fields: kept,
    })
}

/// Rejects a name that a field has: only one of them could be the member.
fn refuse_taken(name: &str, written: &At<PartTable>, own: &Own<'_>) -> Result<(), Wrong> {
    if own.has(name) {
        let message = "a field has this name: both would be the same member of the document";
        return Err(wrong(written, &format!("detail.parts.{name}"), message));
    }
    Ok(())
}

fn paged(key: &str, table: &PartTable, on: Finds) -> Result<Paging, Wrong> {
    let (key, written) = (format!("{key}.paging"), table.paging.as_ref());
    if let Some(paging) = written {
        let message = match &paging.value {
            it if matches!(it.by, Some(PagingBy::Sitemap | PagingBy::Keys)) => {
                "the pages of a part are found by offset, page, next or cursor"
            }
            it if it.first_url.is_some() => "`first_url` is not valid for a part",
            it if it.merge => "`merge` is not valid for a part: its entries are all kept",
            _ => "",
        };
        if !message.is_empty() {
            return Err(wrong(paging, &key, message));
        }
    }
    paging::build(&key, written, on, std::path::Path::new(""))
}

/// Builds the request of a part, and the names of the values that it contains.
fn requested(
    key: &str,
    written: &At<PartTable>,
    own: &Own<'_>,
    paging: &Paging,
) -> Result<(RequestTemplate, Vec<Arc<str>>), Wrong> {
    let table = &written.value;
    let of_page = own.fields.iter().map(|(name, _)| &**name);
    let of_page = of_page.chain(own.table.values.keys().map(String::as_str));
    let of_page = of_page.filter(|name| is_value_name(name)).map(Arc::from);
    let names: Vec<Arc<str>> = of_page.chain(own.of_list.iter().cloned()).collect();
    let mut allowed = paging.placeholders();
    let handed = |name: &&Arc<str>| allowed.contains(&Placeholder::Named((**name).clone()));
    if let Some(name) = names.iter().find(handed) {
        let message = format!("`take` hands over {name}, and so is a value of the item named");
        return Err(wrong(written, &format!("{key}.paging.take.{name}"), message));
    }
    allowed.push(Placeholder::Key);
    allowed.extend(names.iter().cloned().map(Placeholder::Named));
    let request = request::build(&Asked::part(key, table), &allowed)?;
    if request.url.is_none() {
        let message = "missing: the URL of the part is required";
        return Err(wrong(written, &format!("{key}.url"), message));
    }
    needs(&request, needed(paging), written, key)?;
    let mut values: Vec<Arc<str>> = Vec::new();
    for name in names {
        if request.has(&Placeholder::Named(name.clone())) && !values.contains(&name) {
            values.push(name);
        }
    }
    if values.is_empty() {
        needs(&request, Some(Placeholder::Key), written, key)?;
    }
    Ok((request, values))
}

#[cfg(test)]
mod tests;
