//! Builds the categories of a site, level by level: listed, named by a page, or the items of another
//! site.

use std::path::Path;
use std::sync::Arc;

use super::incremental;
use super::reading::{Built, Read};
use super::request::{self, Asked};
use super::select::{self, fields, rule};
use super::{NAME_RULE, Wrong, at_key, first_url, goes_on, heeds_hints, needed, needs, paging};
use super::{refuse, refuse_names, wrong};
use crate::select::field::From;
use crate::select::{FieldRule, Finds};
use crate::site::file::{SeedsTable, SiteFile, Values};
use crate::site::paging::Paging;
use crate::site::range::MOST;
use crate::site::request::RequestTemplate;
use crate::site::template::Placeholder;
use crate::site::written::{At, Tables};
use crate::site::{Levels, SeedNames, SeedRange, Seeds, SeedsPage};
use crate::store::is_valid_name;
use crate::system::clock;

/// Maximum number of levels.
const MOST_LEVELS: usize = 5;

/// A level of categories.
struct Level<'a> {
    file: &'a SiteFile,
    /// Name of the table.
    key: String,
    written: &'a At<SeedsTable>,
    /// Levels above it.
    above: &'a Levels,
}

/// Builds the levels of a site's categories.
///
/// # Errors
/// Returns the first wrong value.
pub fn build(file: &SiteFile) -> Result<Levels, Wrong> {
    let mut levels = Levels::default();
    let Some(At { at, value: Tables(tables) }) = &file.seeds else { return Ok(levels) };
    if tables.is_empty() || tables.len() > MOST_LEVELS {
        let at = At { at: *at, value: () };
        return Err(wrong(
            &at,
            "seeds",
            format!("there are 1 to {MOST_LEVELS} levels of categories"),
        ));
    }
    for (number, written) in (1..).zip(tables) {
        let key = match tables.len() {
            1 => "seeds".to_owned(),
            _ => format!("seeds.{number}"),
        };
        let built = Level { file, key, written, above: &levels }.build()?;
        levels.0.push(built);
        few_enough(&levels, written)?;
    }
    Ok(levels)
}

impl Level<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.key)
    }

    fn build(&self) -> Result<Seeds, Wrong> {
        let table = &self.written.value;
        if let Some(parent) = &table.site {
            return self.of_parent(parent);
        }
        let of_parent = [
            table.changed.as_ref().map(|it| at_key(it, &self.key("changed"))),
            table.full.as_ref().map(|it| at_key(it, &self.key("full"))),
        ];
        let why = "it is for the items of another site, which `site` names";
        refuse(of_parent.into_iter().flatten().next(), why)?;
        if let Some(range) = &table.range {
            return self.of_range(range);
        }
        let step = table.step.as_ref().map(|it| at_key(it, &self.key("step")));
        refuse(step, "it is for `range`")?;
        match (&table.values, &table.url) {
            (Some(At { at, value: Values::Listed(values) }), _) => {
                refuse(self.used(), "the categories are listed in `values`")?;
                if values.is_empty() {
                    let at = At { at: *at, value: () };
                    let message = "must contain at least one category";
                    return Err(wrong(&at, &self.key("values"), message));
                }
                Ok(Seeds::Listed(values.iter().map(|value| value.as_str().into()).collect()))
            }
            (_, Some(_)) if table.select.is_some() => self.of_page(),
            _ => Err(wrong(
                self.written,
                &self.key,
                "set `values`, or `range`, or `url` and `select`, or `site`",
            )),
        }
    }

    /// Builds the categories that a page names.
    fn of_page(&self) -> Result<Seeds, Wrong> {
        let table = &self.written.value;
        let (said, usual) = (self.file.answers.as_ref(), self.file.format);
        let Built { reading, on, marks } = Read::seeds(&self.key, table, usual).build(said)?;
        let (key, written) = (self.key("paging"), table.paging.as_ref());
        let paging = paging::build(&key, written, on, Path::new(""))?;
        if matches!(paging, Paging::Keys(_) | Paging::Sitemap) {
            let message = "not valid for a page of categories";
            return Err(wrong(self.written, &key, message));
        }
        if let Some(url) = first_url(written) {
            let message = "it is for the list of items only";
            return Err(wrong(url, &format!("{key}.first_url"), message));
        }
        let goes_on = goes_on(&key, written, on)?;
        let names = self.names(on)?;
        self.refuse_twice(&paging, names.values())?;
        let mut allowed = paging.placeholders();
        allowed.extend(placeholders(self.above));
        let request = request::build(&Asked::seeds(&self.key, table), &allowed)?;
        needs(&request, needed(&paging), self.written, &self.key)?;
        let level = self.above.0.len();
        if level > 0 && !contains(&request, self.above, level, level) {
            let wanted = wanted(self.above, level);
            let message = format!(
                "the request template must contain {wanted}: the category above; without it all requests would be the same"
            );
            return Err(wrong(self.written, &self.key, message));
        }
        let more = heeds_hints(written);
        let page = SeedsPage { request, reading, paging, goes_on, more, marks, names };
        Ok(Seeds::Page(Box::new(page)))
    }

    /// Builds the rules for the categories on a page.
    fn names(&self, on: Finds) -> Result<SeedNames, Wrong> {
        let table = &self.written.value;
        let Some(of) = &table.select else {
            return Err(wrong(self.written, &self.key("select"), "missing"));
        };
        let key = self.key("select");
        let Some(of_key) = &table.key else {
            if let Some(values) = &table.values {
                let message =
                    "needs `key`, the selector of the category within what `select` finds";
                return Err(wrong(values, &self.key("values"), message));
            }
            let rule = rule(&key, of, on)?;
            if rule.default.is_some() || rule.from != From::Item {
                let message = "`default`, `from` and `header` are not valid here: categories are found on the page";
                return Err(wrong(of, &key, message));
            }
            return Ok(SeedNames::Texts(rule));
        };
        let select = select::items(&key, of, on)?;
        let within = match select.finds() {
            Finds::Texts => select.reads(),
            finds => finds,
        };
        let mut values = Vec::new();
        if let Some(At { value: Values::Named(rules), .. }) = &table.values {
            let key = self.key("values");
            refuse_names(&key, rules)?;
            for (name, rule) in fields(&key, rules, within)? {
                if !rule.is_of_page() {
                    let message = "values of a category are from its entry or from a header";
                    let key = format!("{key}.{name}");
                    return Err(wrong(rules.get(&*name).map_or(of, |at| at), &key, message));
                }
                values.push((Arc::from(name), rule));
            }
        }
        let key = select::single(&self.key("key"), of_key, within)?;
        Ok(SeedNames::Entries { select, key, values })
    }

    /// Rejects a value whose name another one has.
    fn refuse_twice(&self, paging: &Paging, values: &[(Arc<str>, FieldRule)]) -> Result<(), Wrong> {
        for (name, _) in values {
            let handed = paging.placeholders().contains(&Placeholder::Named(name.clone()));
            if handed || self.above.value_names().any(|it| it == name) {
                let other = if handed { "`take` hands over" } else { "a level above has" };
                let message = format!("{other} a value with this name; name it otherwise");
                return Err(wrong(self.written, &self.key(&format!("values.{name}")), message));
            }
        }
        Ok(())
    }

    /// Builds the seeds that are the items of the site `parent`.
    fn of_parent(&self, parent: &At<String>) -> Result<Seeds, Wrong> {
        let (table, key) = (&self.written.value, self.key("site"));
        if !self.above.is_empty() {
            let message = "only the first of [[seeds]] can be the items of another site: those are not the categories of one above";
            return Err(wrong(parent, &key, message));
        }
        if !is_valid_name(&parent.value) {
            let message = format!("`{}` is not the name of a site: {NAME_RULE}", parent.value);
            return Err(wrong(parent, &key, message));
        }
        if parent.value == self.file.name.value {
            return Err(wrong(parent, &key, "the items of a site cannot be its own seeds"));
        }
        let others = [
            table.values.as_ref().map(|it| at_key(it, &self.key("values"))),
            table.range.as_ref().map(|it| at_key(it, &self.key("range"))),
            table.step.as_ref().map(|it| at_key(it, &self.key("step"))),
            self.used(),
        ];
        let why = "the categories are the items of the site that `site` names";
        refuse(others.into_iter().flatten().next(), why)?;
        let changed = incremental::changed(&self.key, table)?;
        Ok(Seeds::Items { site: parent.value.as_str().into(), changed })
    }

    /// Builds the seeds that are a range.
    fn of_range(&self, range: &At<String>) -> Result<Seeds, Wrong> {
        let table = &self.written.value;
        let values = table.values.as_ref().map(|it| at_key(it, &self.key("values")));
        refuse(values.or_else(|| self.used()), "the categories are those of `range`")?;
        let step = table.step.as_ref();
        let built = SeedRange::parse(&range.value, step.map(|step| &*step.value));
        built.map(Seeds::Range).map_err(|(key, message)| {
            let at = step.filter(|_| key == "step").unwrap_or(range);
            wrong(at, &self.key(key), message)
        })
    }

    /// Returns the first key that is used for a page of categories, or `None`.
    fn used(&self) -> Option<Wrong> {
        let table = &self.written.value;
        let of_page = [
            table.select.as_ref().map(|it| at_key(it, &self.key("select"))),
            table.key.as_ref().map(|it| at_key(it, &self.key("key"))),
            table.paging.as_ref().map(|it| at_key(it, &self.key("paging"))),
            table.within.as_ref().map(|it| at_key(it, &self.key("within"))),
            table.delimiter.as_ref().map(|it| at_key(it, &self.key("delimiter"))),
        ];
        let asked = request::first_used(&Asked::seeds(&self.key, table), &[]);
        asked.or(of_page.into_iter().flatten().next())
    }
}

/// Returns the placeholders that stand for these levels: for categories and for their values.
pub fn placeholders(levels: &Levels) -> impl Iterator<Item = Placeholder> {
    let values = levels.value_names().cloned().map(Placeholder::Named);
    Placeholder::of_seeds(levels.0.len()).chain(values)
}

/// Checks that the request of the list depends on all levels, be it by the categories in it.
///
/// # Errors
/// Returns the first level whose lists would all be the same.
pub fn check_request(
    levels: &Levels,
    request: &RequestTemplate,
    file: &SiteFile,
) -> Result<(), Wrong> {
    let count = levels.0.len();
    for level in 1..=count {
        let below = || {
            levels
                .pages()
                .any(|(at, page)| at >= level && contains(&page.request, levels, level, at))
        };
        // What a page names differs by its category: that need not be said twice.
        if contains(request, levels, level, count) || level < count && below() {
            continue;
        }
        let text = wanted(levels, level);
        let message = format!(
            "the request template must contain {text}; without it all requests would be the same"
        );
        return Err(wrong(&file.index, "index", message));
    }
    Ok(())
}

/// Returns `true` if a request contains the category of a level, from 1, or a value of it. The request
/// stands below so many levels: `{seed}` is the category of the last of them.
fn contains(request: &RequestTemplate, levels: &Levels, level: usize, above: usize) -> bool {
    let named = |name: &Arc<str>| request.has(&Placeholder::Named(name.clone()));
    request.has(&Placeholder::Level(level))
        || level == above && request.has(&Placeholder::Seed)
        || levels.value_names_of(level - 1).any(named)
}

/// Returns the placeholder that a request lacks.
fn wanted(levels: &Levels, level: usize) -> String {
    let is_innermost = level == levels.0.len();
    let own = if is_innermost { Placeholder::Seed } else { Placeholder::Level(level) };
    own.text()
}

/// Rejects listed levels that make too many lists together.
fn few_enough(levels: &Levels, written: &At<SeedsTable>) -> Result<(), Wrong> {
    let listed = levels.0.iter().rev().map_while(|seeds| match seeds {
        Seeds::Listed(seeds) => Some(seeds.len()),
        Seeds::Range(range) => Some(range.at(clock::now()).count()),
        Seeds::Page(_) | Seeds::Items { .. } => None,
    });
    if listed.fold(1_usize, usize::saturating_mul) > MOST {
        let message = format!("with the levels above it there are more than {MOST} categories");
        return Err(wrong(written, "seeds", message));
    }
    Ok(())
}
