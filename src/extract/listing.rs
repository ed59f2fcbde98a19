//! List pages: the items on them, and their statements about the list itself.

use std::ops::ControlFlow;
use std::sync::Arc;

use bson::raw::RawBsonRef;
use encoding_rs::{Encoding, UTF_8};
use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::PageError;
use super::columns;
use super::detail::require;
use super::hints;
use super::marks::refuse_marked;
use super::opened::open;
use super::said::{self, Heard};
use super::sitemap::{self, Entry, Sitemap};
use crate::fetch::Page;
use crate::model::decoding::Decoding;
use crate::model::document;
use crate::model::record::Key;
use crate::model::seed::{Seed, SeedPath};
use crate::model::task::{Content, List, Listed, Place};
use crate::select::field::{self, Around, FieldError, Fields, From, Scope};
use crate::select::text::plain;
use crate::select::{FieldRule, Match, NoKey, Select, Steps};
use crate::site::{ItemRules, Keep, KeyRule, NamedValue, PageSaid, Paging};
use crate::site::{SeedNames, SeedsPage, Site};

/// Maximum size of an unpacked sitemap, in bytes. The protocol allows 50 MB.
const LARGEST_SITEMAP: usize = 64 << 20;

/// Content of a list page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// The items. An item without a key is an error.
    pub items: Vec<Result<Item, NoKey>>,
    /// Statements of the page for the paging plan.
    pub said: PageSaid,
    /// Odd statements of the page, as sentences.
    pub odd: Vec<String>,
    /// Missing parts of the page, as sentences.
    pub gaps: Vec<String>,
    /// How the page was decoded.
    pub decoding: Decoding,
}

/// An item on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Key of the item.
    pub key: Key,
    /// Data of the list about the item, or `None` if it is not needed.
    pub listed: Option<Listed>,
    /// For each field of the list, in order, true if the item has it.
    pub matched: Vec<bool>,
}

/// Categories that a page names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeedsFound {
    /// The categories.
    pub seeds: Vec<Seed>,
    /// Statements of the page for the paging plan.
    pub said: PageSaid,
    /// Odd statements of the page, as sentences.
    pub odd: Vec<String>,
    /// Missing parts of the page, as sentences.
    pub gaps: Vec<String>,
    /// How the page was decoded.
    pub decoding: Decoding,
}

/// Reads a list page.
///
/// # Errors
/// Returns an error if the page is not JSON or not a sitemap, whichever is expected, if HTML
/// exceeds a limit, or if the page is not a page of the list.
pub fn index(site: &Site, list: &List, page: &Page) -> Result<Listing, PageError> {
    let seeds = match list {
        List::Items(path) => Some(path),
        _ => None,
    };
    match &site.index.items {
        ItemRules::Known => Ok(Listing::default()),
        ItemRules::Sitemap { key, has_revision } => of_sitemap(key, *has_revision, page),
        ItemRules::Selected { items, .. } => {
            let read = |scope: Scope<'_>| selected(site, page, items, seeds, scope);
            let (listing, decoding) = open(&site.index.reading, page, read)?;
            Ok(Listing { decoding, ..listing })
        }
    }
}

/// Reads a page that names categories.
///
/// # Errors
/// Returns an error if the page is not JSON, or if HTML exceeds a limit.
pub fn seeds(rules: &SeedsPage, page: &Page) -> Result<SeedsFound, PageError> {
    let found = |scope: Scope<'_>| -> Result<SeedsFound, PageError> {
        refuse_marked(&rules.marks, scope)?;
        let (seeds, strange) = named(rules, page, scope)?;
        let strange = (strange > 0).then(|| {
            format!("{strange} categories are neither texts nor numbers, or not in UTF-8")
        });
        let Heard { mut said, odd, gap } =
            said::of_page(&rules.paging, rules.goes_on.as_ref(), page, scope, seeds.len())?;
        let is_html = matches!(scope, Scope::Html(_));
        let list = hints::List {
            paging: &rules.paging,
            items: rules.names.select(),
            has_require: false,
            // On a home page without paging, the next page is not that of the menu.
            more: rules.more && !(is_html && rules.paging == Paging::Single),
        };
        said.hints = hints::of_page(list, page, scope, &said)?;
        let gaps = strange.into_iter().chain(gap).collect();
        Ok(SeedsFound { seeds, said, odd, gaps, decoding: Decoding::default() })
    };
    let (found, decoding) = open(&rules.reading, page, found)?;
    Ok(SeedsFound { decoding, ..found })
}

/// Returns the categories on a page, and the number of those that have no text.
fn named(
    rules: &SeedsPage,
    page: &Page,
    scope: Scope<'_>,
) -> Result<(Vec<Seed>, usize), PageError> {
    let (mut seeds, mut strange) = (Vec::new(), 0);
    match &rules.names {
        SeedNames::Texts(rule) => {
            let found = field::for_requests("seeds.select", rule, scope)?;
            // Values are parsed one by one, so that numbers keep their digits.
            let texts = found.into_iter().map(|json| json.and_then(|json| plain(&json)));
            texts.for_each(|text| match text {
                Some(text) => seeds.push(Seed::of(text)),
                None => strange += 1,
            });
        }
        SeedNames::Entries { select, key, values } => {
            let mut wrong = None;
            select.each_place(scope, |entry| {
                match valued(key, values, page, entry) {
                    Ok(Some(seed)) => seeds.push(seed),
                    Ok(None) => strange += 1,
                    Err(error) => wrong = Some(error),
                }
                if wrong.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            wrong.map_or(Ok(()), Err)?;
        }
    }
    // The first entry of a selection box is often empty and stands for all categories.
    seeds.retain(|seed| !seed.text.trim().is_empty());
    Ok((seeds, strange))
}

/// Returns the category of an entry with its values, or `None` if it has no text.
fn valued(
    key: &FieldRule,
    rules: &[(Arc<str>, FieldRule)],
    page: &Page,
    entry: Scope<'_>,
) -> Result<Option<Seed>, FieldError> {
    let found = field::for_requests("seeds.key", key, entry)?.into_iter().next().flatten();
    let Some(text) = found.and_then(|json| plain(&json)) else { return Ok(None) };
    let around = Around { response: Some(page), ..Around::default() };
    let mut values: Vec<NamedValue> = Vec::new();
    for (name, rule) in rules {
        let value = field::value(name, rule, entry, around, &values)?;
        values.extend(value.map(|value| (name.clone(), value.into())));
    }
    Ok(Some(Seed { text: text.into(), values: values.into() }))
}

fn selected(
    site: &Site,
    page: &Page,
    of_items: &Select,
    seeds: Option<&SeedPath>,
    whole: Scope<'_>,
) -> Result<Listing, PageError> {
    refuse_marked(&site.index.marks, whole)?;
    require(&site.index.require, whole)?;
    let mut items = Vec::new();
    let names = columns::names(&site.index.items, whole)?;
    let around = Around { response: Some(page), page: Some(whole), seeds, ..Around::default() };
    each_item(site, of_items, whole, |name, parent, scope| {
        let around = Around { name, parent, ..around };
        items
            .push(columns::named(names.as_deref(), scope, |scope| item(site, page, scope, around)));
    })?;
    let rules = &site.index;
    let Heard { mut said, odd, gap } =
        said::of_page(&rules.paging, rules.goes_on.as_ref(), page, whole, items.len())?;
    let list = hints::List {
        paging: &rules.paging,
        items: of_items,
        has_require: !rules.require.is_empty(),
        more: rules.more,
    };
    said.hints = hints::of_page(list, page, whole, &said)?;
    let gaps = gap.into_iter().collect();
    Ok(Listing { items, said, odd, gaps, decoding: Decoding::default() })
}

/// Passes each item to `take`, with the name of the member that it is and with what holds it, if the
/// site file asks for these.
fn each_item(
    site: &Site,
    items: &Select,
    whole: Scope<'_>,
    mut take: impl FnMut(Option<&str>, Option<Scope<'_>>, Scope<'_>),
) -> Result<(), PageError> {
    let container = match items {
        Select::Json(items) if site.index.items.takes_names() => items.container(),
        _ => None,
    };
    if let (Some(container), Scope::Json { value, page }) = (container, whole)
        && let Some(RawBsonRef::Document(members)) = container.of(value)
    {
        for (name, value) in members.iter().flatten() {
            take(Some(name.as_str()), None, page.scope_of(value));
        }
        return Ok(());
    }
    if let (Select::Steps(steps), true) = (items, site.index.items.takes_parents())
        && let Some((parents, items)) = steps.parent()
    {
        return within_parents(&parents, &items, whole, |parent, item| {
            take(None, Some(parent), item);
        });
    }
    items.each_place(whole, |scope| {
        take(None, None, scope);
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Passes each item to `take`, with what holds it.
fn within_parents(
    parents: &Steps,
    items: &Steps,
    whole: Scope<'_>,
    mut take: impl FnMut(Scope<'_>, Scope<'_>),
) -> Result<(), PageError> {
    let mut wrong = None;
    let walked = parents.each(whole, true, &mut |found| {
        let Match::Place(parent) = found else { return ControlFlow::Continue(()) };
        let within = items.each(parent, true, &mut |found| {
            if let Match::Place(item) = found {
                take(parent, item);
            }
            ControlFlow::Continue(())
        });
        match within {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                wrong = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    walked?;
    wrong.map_or(Ok(()), |error| Err(error.into()))
}

fn item(site: &Site, page: &Page, scope: Scope<'_>, around: Around<'_>) -> Result<Item, NoKey> {
    let ItemRules::Selected { key, link, revision, keep, values, .. } = &site.index.items else {
        return Err(NoKey::Missing);
    };
    let key = key_of(key, scope, around, charset(site, scope));
    let key = key.map_err(|error| is_list(site, scope).unwrap_or(error))?;
    let has_values = !values.is_empty() || site.takes_values();
    if link.is_none() && revision.is_none() && *keep == Keep::Nothing && !has_values {
        return Ok(Item { key, listed: None, matched: Vec::new() });
    }
    let mut matched = Vec::new();
    let listed = listed(site, page, scope, around, &mut matched);
    let listed = listed.unwrap_or_else(|error| Listed {
        content: Content::Unreadable(error.to_string().into()),
        ..Listed::default()
    });
    Ok(Item { key, listed: Some(listed), matched })
}

/// Returns the error for an item that is a list, if its selector is a single path.
fn is_list(site: &Site, scope: Scope<'_>) -> Option<NoKey> {
    let ItemRules::Selected { items: Select::Json(items), columns: None, .. } = &site.index.items
    else {
        return None;
    };
    let is_list = matches!(scope, Scope::Json { value: RawBsonRef::Array(_), .. });
    is_list.then(|| NoKey::IsList(format!("{}[*]", items.text()).into()))
}

/// Returns the key of an item, its parts joined.
fn key_of(
    rule: &KeyRule,
    scope: Scope<'_>,
    around: Around<'_>,
    charset: &'static Encoding,
) -> Result<Key, NoKey> {
    let mut parts = rule.parts.iter().map(|part| match part.from {
        From::Item => field::key(part, scope, charset),
        _ => {
            let found = field::taken("key", part, scope, around, &[]);
            let found = found.map_err(|error| NoKey::Page(error.to_string()))?;
            Ok(Key::new(&found.and_then(|json| plain(&json)).ok_or(NoKey::Missing)?)?)
        }
    });
    if rule.only().is_some() {
        return parts.next().unwrap_or(Err(NoKey::Missing));
    }
    let parts: Vec<Key> = parts.collect::<Result<_, NoKey>>()?;
    let texts: Vec<&str> = parts.iter().map(Key::as_str).collect();
    Ok(Key::new(&texts.join(&rule.with))?)
}

/// Returns the encoding of keys that are not UTF-8: the page's encoding, as for its links. If keys
/// become requests, it is UTF-8, because requests would send such keys in UTF-8 and ask for
/// something else.
fn charset(site: &Site, scope: Scope<'_>) -> &'static Encoding {
    match scope {
        Scope::Html(scope) if !site.sends_keys() => scope.page().encoding(),
        _ => UTF_8,
    }
}

/// Returns the list's data about an item beside its key.
fn listed(
    site: &Site,
    page: &Page,
    scope: Scope<'_>,
    around: Around<'_>,
    matched: &mut Vec<bool>,
) -> Result<Listed, PageError> {
    let ItemRules::Selected { link, revision, keep, values: rules, .. } = &site.index.items else {
        return Ok(Listed::default());
    };
    let mut values: Vec<NamedValue> = Vec::new();
    for (name, rule) in rules {
        let value = field::value(name, rule, scope, around, &values)?;
        values.extend(value.map(|value| (name.clone(), value.into())));
    }
    let content = match keep {
        Keep::Nothing => Content::Nothing,
        Keep::Whole => Content::Object(whole(scope)?),
        Keep::Fields(rules) => {
            let around = Around { values: &values, ..around };
            let Fields { text, matched: found } = field::document(rules, scope, around)?;
            *matched = found;
            Content::Object(text.into())
        }
    };
    if let (Content::Object(text), Keep::Fields(_)) = (&content, keep) {
        values.extend(kept_values(site, text));
    }
    values.extend(seed_values(site, around));
    let url = match link.as_ref() {
        None => Some(crate::model::text::secret::shown(&page.url).into()),
        Some(link) => match said::text("detail.link", link, scope)? {
            None => None,
            Some(text) => Some(said::url(&text, page, scope)?),
        },
    };
    let revision =
        revision.as_ref().map(|rule| said::text("index.revision", rule, scope)).transpose()?;
    Ok(Listed { url, revision: revision.flatten(), content, values: values.into() })
}

/// Returns those fields of a list entry that the request of its page contains.
fn kept_values(site: &Site, text: &str) -> Vec<NamedValue> {
    let Some(detail) = site.detail.as_ref().filter(|_| site.takes_values()) else {
        return Vec::new();
    };
    let members: IndexMap<Box<str>, &RawValue> = serde_json::from_str(text).unwrap_or_default();
    let wanted = detail.values_of_list();
    wanted.filter_map(|name| Some((name.clone(), members.get(&**name)?.get().into()))).collect()
}

/// Returns those values of the list's categories that requests for an item contain.
fn seed_values(site: &Site, around: Around<'_>) -> Vec<NamedValue> {
    let Some(detail) = &site.detail else { return Vec::new() };
    let names =
        site.seeds.value_names().filter(|name| detail.values_of_list().any(|it| it == *name));
    let value = |name: &Arc<str>| Some((name.clone(), around.seeds?.value(name)?.into()));
    names.filter_map(value).collect()
}

/// Returns an item of a JSON page as JSON text.
fn whole(scope: Scope<'_>) -> Result<Box<str>, PageError> {
    let Scope::Json { value, .. } = scope else {
        return Err(FieldError::Format("items".to_owned()).into());
    };
    Ok(document::value_to_text(value).into())
}

fn of_sitemap(key: &field::Pattern, has_revision: bool, page: &Page) -> Result<Listing, PageError> {
    match sitemap::parse(&page.body, LARGEST_SITEMAP)? {
        Sitemap::Index { locations, without_loc, unusable } => {
            let mut gaps = unusable;
            let mut places = Vec::with_capacity(locations.len());
            for location in locations {
                match page.url.join(&location) {
                    Ok(url) => places.push(Place::Url(url.to_string().into())),
                    Err(_) => gaps.push(format!("{} is not a URL", field::shown(&location))),
                }
            }
            let without = || format!("{without_loc} sitemaps have no location");
            gaps.extend((without_loc > 0).then(without));
            let said = PageSaid { places, ..PageSaid::default() };
            Ok(Listing { said, gaps, ..Listing::default() })
        }
        Sitemap::Entries { entries, without_loc, unusable } => {
            // Unusable entries count as well: the sitemap is not empty.
            let all = (entries.len() + unusable.len()) as u64 + without_loc;
            let said = PageSaid { items: all, ..PageSaid::default() };
            let revised = |entry: Entry| {
                let last_modified = entry.last_modified.filter(|_| has_revision);
                Entry { last_modified, ..entry }
            };
            let items = entries.into_iter().map(revised);
            let items = items.filter_map(|entry| of_entry(key, page, entry));
            let unusable = unusable.into_iter().map(|why| Err(NoKey::Page(why)));
            let without = (0..without_loc).map(|_| Err(NoKey::Missing));
            let items = items.chain(unusable).chain(without).collect();
            Ok(Listing { items, said, ..Listing::default() })
        }
    }
}

/// Returns the item of a sitemap entry, or `None` if its location is not that of an item, for
/// instance on a sitemap of all pages of a site.
fn of_entry(key: &field::Pattern, page: &Page, entry: Entry) -> Option<Result<Item, NoKey>> {
    let key = field::key_of_location(key, &entry.loc).transpose()?;
    let url = page.url.join(&entry.loc).ok().map(|url| url.to_string().into());
    let listed = Listed { url, revision: entry.last_modified, ..Listed::default() };
    Some(key.map(|key| Item { key, listed: Some(listed), matched: Vec::new() }))
}

/// Makes a list of keys that are known without a request.
pub fn known(keys: Vec<String>, count: Option<u64>) -> Listing {
    let item = |key: String| {
        let key = Key::new(&key)?;
        Ok(Item { key, listed: None, matched: Vec::new() })
    };
    let items: Vec<_> = keys.into_iter().map(item).collect();
    let said = PageSaid { items: items.len() as u64, declared: count, ..PageSaid::default() };
    Listing { items, said, ..Listing::default() }
}
