//! `[detail]`: the page of an item.

use std::sync::Arc;

use super::super::Levels;
use super::super::file::{AnswersTable, DetailTable};
use super::super::paging::Paging;
use super::super::rules::{DetailRules, IndexRules};
use super::super::template::Placeholder;
use super::super::written::At;
use super::parts::{self, Own};
use super::reading::{Built, Read, document};
use super::request::{self, Asked};
use super::select::{self, fields, select};
use super::{Wrong, at_key, needs, refuse, wrong};
use crate::select::{Finds, Format};

/// Rules of the lists that name the items.
#[derive(Clone, Copy)]
pub struct Lists<'a> {
    /// Rules of the list.
    pub index: &'a IndexRules,
    /// Its categories.
    pub seeds: &'a Levels,
}

impl Lists<'_> {
    /// Returns the names of the values that requests of items' pages can contain.
    fn value_names(&self) -> Vec<Arc<str>> {
        self.index.value_names().chain(self.seeds.value_names().cloned()).collect()
    }
}

/// Builds the rules for the page of an item, which `lists` name.
pub fn build(
    written: &At<DetailTable>,
    said: Option<&At<AnswersTable>>,
    usual: Format,
    lists: Lists<'_>,
) -> Result<DetailRules, Wrong> {
    let (table, index, names) = (&written.value, lists.index, lists.value_names());
    let Built { reading, on, marks } = Read::detail(table, usual).build(said)?;
    let mut allowed = vec![Placeholder::Key];
    allowed.extend(names.iter().cloned().map(Placeholder::Named));
    let request = request::build(&Asked::detail(table), &allowed)?;
    let names_pages = table.link.is_some() || matches!(index.paging, Paging::Sitemap);
    match (&table.url, &table.link) {
        (None, None) if !names_pages => {
            return Err(wrong(
                written,
                "detail.url",
                "missing: set it, or set `link` to take it from the list",
            ));
        }
        (Some(url), Some(_)) => {
            return Err(wrong(url, "detail.url", "not valid together with `link`"));
        }
        (Some(_), None) if index.value_names().any(|it| request.has(&Placeholder::Named(it))) => {}
        (Some(_), None) => needs(&request, Some(Placeholder::Key), written, "detail")?,
        (None, _) => {
            let query = table.query.values().next().map(|it| at_key(it, "detail.query"));
            refuse(query, "the URL of the page comes from the list and is used unchanged")?;
        }
    }
    let require = table.require.iter().map(|steps| select("detail.require", steps, on));
    let page = on;
    let revision = table.revision.as_ref();
    let revision = revision.map(|it| select::single("detail.revision", it, on));
    let document = table.document.as_ref().map(|it| document(it, on)).transpose()?;
    // What a document is selected for is values.
    let on = if document.is_some() { Finds::Values } else { on };
    let fields = fields("detail.fields", &table.fields, on)?;
    if let Some((name, _)) = fields.iter().find(|(_, rule)| !rule.is_of_page()) {
        let message = "on the page of an item, values are from the page or from a header";
        return Err(wrong(written, &format!("detail.fields.{name}"), message));
    }
    if fields.is_empty() && on != Finds::Values {
        let message = "required for HTML and XML pages: name the fields to keep";
        return Err(wrong(written, "detail.fields", message));
    }
    let own = Own {
        table,
        on: page,
        fields: &fields,
        of_list: names.clone(),
        listed: index.items.kept().iter().map(|(name, _)| name.clone()).collect(),
    };
    let further = parts::further(&own, said, usual)?;
    let values = names.into_iter().filter(|it| request.has(&Placeholder::Named(it.clone())));
    Ok(DetailRules {
        values: values.collect(),
        request,
        reading,
        require: require.collect::<Result<_, _>>()?,
        marks,
        revision: revision.transpose()?,
        document,
        fields,
        further,
    })
}
