//! Rules for reading the pages of a site.

use std::sync::Arc;

use super::Site;
use super::incremental::Since;
use super::paging::Paging;
use super::range::SeedRange;
use super::request::RequestTemplate;
use super::template::is_value_name;
use crate::model::task::List;
use crate::select::field::{From, Pattern};
use crate::select::{FieldRule, Format, Select, Steps};
use crate::sweep::incremental::Incremental;

/// Marks on a page which show that it is not the requested one, although its status is normal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marks {
    /// A page with one of these is missing, like one with status 404.
    pub missing: Vec<Select>,
    /// True if a page that is the JSON value null is missing, too.
    pub null_is_missing: bool,
    /// A page with one of these is a failure of the site, and is retried.
    pub error: Vec<Select>,
}

/// How to read a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Format of the page.
    pub format: Format,
    /// Delimiter of CSV.
    pub delimiter: u8,
    /// Part of the page to read, or `None` if it is read as a whole.
    pub within: Option<Box<Within>>,
}

/// Part of a page that all selectors of a table are applied to.
#[derive(Debug, Clone, PartialEq)]
pub struct Within {
    /// Selector of the part.
    pub select: Steps,
    /// Marks of a missing or failed page, looked for on the whole page.
    pub marks: Marks,
}

/// Categories, each with its own list of items.
#[derive(Debug, Clone, PartialEq)]
pub enum Seeds {
    /// Categories from the site file.
    Listed(Vec<Arc<str>>),
    /// Categories that a page of the site names.
    Page(Box<SeedsPage>),
    /// Categories that are a range. In the site of a sweep they are listed.
    Range(SeedRange),
    /// Keys of the items of another site, the parent. They are read from the store.
    Items {
        /// Name of the parent.
        site: Box<str>,
        /// When all items are seeds, if otherwise only those are that changed.
        changed: Option<Incremental>,
    },
}

/// A page that names categories.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedsPage {
    pub(super) request: RequestTemplate,
    /// How to read the page.
    pub reading: Reading,
    /// Paging of the page.
    pub paging: Paging,
    /// Rule for a value that must mean yes for the list to continue.
    pub goes_on: Option<FieldRule>,
    /// True if hints to further pages count, in addition to the paging.
    pub more: bool,
    /// Marks of a missing or failed page.
    pub marks: Marks,
    /// Rules for the categories on it.
    pub names: SeedNames,
}

/// Rules for the categories on a page.
#[derive(Debug, Clone, PartialEq)]
pub enum SeedNames {
    /// Each value that the rule takes is a category.
    Texts(FieldRule),
    /// Each entry is a category.
    Entries {
        /// Selector of the entries.
        select: Select,
        /// Rule for the category within an entry.
        key: FieldRule,
        /// Values of the category within an entry, by name.
        values: Vec<(Arc<str>, FieldRule)>,
    },
}

impl Seeds {
    /// Returns `true` if the categories have values beside their texts.
    pub fn has_values(&self) -> bool {
        matches!(self, Seeds::Page(page) if !page.names.values().is_empty())
    }
}

impl SeedNames {
    /// Returns the selector of the categories, or of their entries.
    pub fn select(&self) -> &Select {
        match self {
            SeedNames::Texts(rule) => &rule.select,
            SeedNames::Entries { select, .. } => select,
        }
    }

    /// Returns the values of a category, by name.
    pub fn values(&self) -> &[(Arc<str>, FieldRule)] {
        match self {
            SeedNames::Texts(_) => &[],
            SeedNames::Entries { values, .. } => values,
        }
    }

    fn selects(&self) -> Vec<&Select> {
        let key = match self {
            SeedNames::Texts(_) => None,
            SeedNames::Entries { key, .. } => Some(&key.select),
        };
        let values = self.values().iter().flat_map(|(_, rule)| rule.selects());
        values.chain(key).chain([self.select()]).collect()
    }
}

/// Rules for the list.
#[derive(Debug, Clone)]
pub struct IndexRules {
    pub(super) request: RequestTemplate,
    /// Request of the first page, if it differs.
    pub(super) first: Option<Box<RequestTemplate>>,
    /// Request of later pages, if it differs.
    pub(super) later: Option<Box<RequestTemplate>>,
    /// How it is asked for what changed, or `None` if it always lists everything.
    pub since: Option<Since>,
    /// How to read a page.
    pub reading: Reading,
    /// Paging of the list.
    pub paging: Paging,
    /// Rule for a value that must mean yes for the list to continue.
    pub goes_on: Option<FieldRule>,
    /// True if hints to further pages count, in addition to the paging.
    pub more: bool,
    /// True if pages that follow one another hold parts of the same items.
    pub merge: bool,
    /// True if a total that a list declares must match the number of its items exactly.
    pub total_exact: bool,
    /// Maximum number of pages of a list.
    pub most_pages: u64,
    /// Selectors that must match; otherwise the page is rejected.
    pub require: Vec<Select>,
    /// Marks of a missing or failed page.
    pub marks: Marks,
    /// Rules for the items on a page.
    pub items: ItemRules,
}

/// Rule for the key of an item, in one part or several.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyRule {
    /// Rules for the parts.
    pub parts: Vec<FieldRule>,
    /// Text between two parts.
    pub with: Box<str>,
}

impl IndexRules {
    /// Returns the names of the values that requests of items' pages can contain.
    pub fn value_names(&self) -> impl Iterator<Item = Arc<str>> {
        let (values, fields): (&[_], &[_]) = match &self.items {
            ItemRules::Selected { values, keep: Keep::Fields(fields), .. } => (values, fields),
            ItemRules::Selected { values, .. } => (values, &[]),
            ItemRules::Sitemap { .. } | ItemRules::Known => (&[], &[]),
        };
        let fields = fields.iter().map(|(name, _)| Arc::from(&**name));
        let names = values.iter().map(|(name, _)| name.clone()).chain(fields);
        names.filter(|name| is_value_name(name))
    }
}

impl KeyRule {
    /// Returns the rule of a key with one part, or `None` if there are several.
    pub fn only(&self) -> Option<&FieldRule> {
        match self.parts.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }
}

/// Rules for the items on a list page.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one a site")]
pub enum ItemRules {
    /// Items found by selectors.
    Selected {
        /// Selector of the items on a page.
        items: Select,
        /// Selector of the names of the columns, for items that are lists of values.
        columns: Option<Select>,
        /// Rule for the key of an item.
        key: KeyRule,
        /// Rule for the URL of the item's page within an item, or `None` if the list does not have
        /// it.
        link: Option<FieldRule>,
        /// Rule for the revision within an item: a value that changes with the item.
        revision: Option<FieldRule>,
        /// Values for the requests of items' pages, by name.
        values: Vec<(Arc<str>, FieldRule)>,
        /// Parts of an item to keep.
        keep: Keep,
    },
    /// Entries of a sitemap.
    Sitemap {
        /// Pattern of the key in an entry's location.
        key: Pattern,
        /// True if an entry's `lastmod` is the item's revision.
        has_revision: bool,
    },
    /// No items on pages: the keys are known.
    Known,
}

impl Reading {
    fn has_steps(&self) -> bool {
        self.within.is_some()
    }
}

/// Returns `true` if a selector has several steps.
pub(super) fn has_steps(site: &Site) -> bool {
    let IndexRules { reading, paging, goes_on, require, marks, items, .. } = &site.index;
    let mut all: Vec<&Select> = require.iter().chain(marks.all()).collect();
    all.extend(paging.selects().chain(goes_on.iter().map(|rule| &rule.select)));
    let mut reads_part = reading.has_steps();
    for (_, page) in site.seeds.pages() {
        all.extend(page.names.selects());
        all.extend(page.paging.selects().chain(page.goes_on.iter().map(|rule| &rule.select)));
        all.extend(page.marks.all());
        reads_part |= page.reading.has_steps();
    }
    if let ItemRules::Selected { items, columns, key, link, revision, values, keep } = items {
        let rules = key.parts.iter().chain(link).chain(revision);
        let rules = rules.chain(values.iter().map(|(_, rule)| rule));
        let fields = match keep {
            Keep::Fields(fields) => fields.as_slice(),
            Keep::Nothing | Keep::Whole => &[],
        };
        all.push(items);
        all.extend(columns);
        all.extend(rules.chain(fields.iter().map(|(_, rule)| rule)).flat_map(FieldRule::selects));
    }
    if let Some(detail) = &site.detail {
        all.extend(detail.require.iter().chain(detail.marks.all()).chain(&detail.document));
        let fields = detail.fields.iter().map(|(_, rule)| rule);
        all.extend(fields.chain(&detail.revision).flat_map(FieldRule::selects));
        all.extend(detail.further.selects());
        reads_part |= detail.reading.has_steps();
        reads_part |= detail.further.parts.iter().any(|part| part.reading.has_steps());
    }
    reads_part || all.into_iter().any(|select| matches!(select, Select::Steps(_)))
}

impl Marks {
    fn all(&self) -> impl Iterator<Item = &Select> {
        self.missing.iter().chain(&self.error)
    }
}

impl ItemRules {
    /// Returns `true` if the names of members that are items are taken.
    pub fn takes_names(&self) -> bool {
        self.takes_from(&From::Name)
    }

    /// Returns `true` if values of what holds an item are taken.
    pub fn takes_parents(&self) -> bool {
        self.takes_from(&From::Parent)
    }

    fn takes_from(&self, source: &From) -> bool {
        let ItemRules::Selected { key, values, .. } = self else { return false };
        let fields = self.kept();
        let rules = key.parts.iter().chain(values.iter().map(|(_, rule)| rule));
        rules.chain(fields.iter().map(|(_, rule)| rule)).any(|rule| rule.from == *source)
    }

    /// Returns the fields that are kept of the list.
    pub fn kept(&self) -> &[(Box<str>, FieldRule)] {
        match self {
            ItemRules::Selected { keep: Keep::Fields(fields), .. } => fields,
            _ => &[],
        }
    }

    /// Returns `true` if the items are selected on HTML.
    pub fn are_elements(&self) -> bool {
        matches!(self, ItemRules::Selected { items, .. } if items.reads().are_elements())
    }
}

/// Parts of an item on the list to keep for its document.
#[derive(Debug, Clone, PartialEq)]
pub enum Keep {
    /// Nothing except the key.
    Nothing,
    /// The whole item: it is the document.
    Whole,
    /// Fields with these names and rules.
    Fields(Vec<(Box<str>, FieldRule)>),
}

/// Rules for the page of an item.
#[derive(Debug, Clone)]
pub struct DetailRules {
    pub(super) request: RequestTemplate,
    /// Names of the list's values that the request contains.
    pub values: Vec<Arc<str>>,
    /// How to read the page.
    pub reading: Reading,
    /// Selectors that must match; otherwise the page is rejected.
    pub require: Vec<Select>,
    /// Marks of a missing or failed page.
    pub marks: Marks,
    /// Rule for the revision on the page.
    pub revision: Option<FieldRule>,
    /// Selector of the document within the page, or `None` if it is the whole page.
    pub document: Option<Select>,
    /// Fields to keep, by name. If empty, the whole JSON page is kept.
    pub fields: Vec<(Box<str>, FieldRule)>,
    /// Further requests of an item.
    pub further: Further,
}

/// Further requests of an item, beside the one for its page.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Further {
    /// Paging of the item's own pages, or `None` if there is one.
    pub next: Option<Paging>,
    /// Maximum number of pages of one item.
    pub most_pages: u64,
    /// Values of the item's page for the requests of its parts, by name.
    pub values: Vec<(Arc<str>, FieldRule)>,
    /// Lists of their own that become members of the document.
    pub parts: Vec<PartRules>,
    /// Rules for files, by the name of the member that describes them.
    pub files: Vec<(Arc<str>, FileRule)>,
}

/// Rule for files that an item names.
#[derive(Debug, Clone, PartialEq)]
pub struct FileRule {
    /// Rule for their URLs.
    pub url: FieldRule,
    /// Media type that they must have, or `None` if the extension of the URL tells it.
    pub media_type: Option<MediaType>,
}

/// A media type that is expected, such as `image/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType(Box<str>);

impl MediaType {
    /// Parses a media type. Returns `None` if the text is none.
    pub fn parse(text: &str) -> Option<MediaType> {
        let text = text.trim().to_ascii_lowercase();
        let (of, name) = text.split_once('/')?;
        let is_word = |it: &str| {
            !it.is_empty() && it.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
        };
        (is_word(of) && (name == "*" || is_word(name))).then(|| MediaType(text.into()))
    }

    /// Returns `true` if the value of a Content-Type header is of this type.
    pub fn includes(&self, content_type: &str) -> bool {
        let given = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match self.0.strip_suffix('*') {
            Some(of) => given.starts_with(of),
            None => given == *self.0,
        }
    }
}

/// Formats the type as it was written.
impl std::fmt::Display for MediaType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Rules for a list of an item's own, which becomes a member of the document.
#[derive(Debug, Clone, PartialEq)]
pub struct PartRules {
    /// Name of the member.
    pub name: Arc<str>,
    pub(super) request: RequestTemplate,
    /// Names of the values that the request contains.
    pub values: Vec<Arc<str>>,
    /// How to read a page.
    pub reading: Reading,
    /// Paging of the list.
    pub paging: Paging,
    /// Rule for a value that must mean yes for the list to continue.
    pub goes_on: Option<FieldRule>,
    /// True if hints to further pages count, in addition to the paging.
    pub more: bool,
    /// Selectors that must match; otherwise the page is rejected.
    pub require: Vec<Select>,
    /// Marks of a missing or failed page.
    pub marks: Marks,
    /// True if it is usual that the list is missing.
    pub may_be_missing: bool,
    /// Selector of the entries on a page.
    pub items: Select,
    /// Fields to keep of an entry, by name. If empty, the whole value is kept.
    pub fields: Vec<(Box<str>, FieldRule)>,
}

impl DetailRules {
    /// Returns the rules of the part that a list is of, or `None` if it is of no part.
    pub fn part_of(&self, list: &List) -> Option<&PartRules> {
        let List::Part(_, name) = list else { return None };
        self.further.parts.iter().find(|part| part.name == *name)
    }

    /// Returns the names of the list's values that requests for an item contain.
    pub(crate) fn values_of_list(&self) -> impl Iterator<Item = &Arc<str>> {
        let is_own = |name: &&Arc<str>| {
            let fields = self.fields.iter().map(|(name, _)| &**name);
            let own = self.further.values.iter().map(|(name, _)| &**name);
            !fields.chain(own).any(|it| *it == ***name)
        };
        let of_parts = self.further.parts.iter().flat_map(|part| &part.values).filter(is_own);
        self.values.iter().chain(of_parts)
    }
}

impl Further {
    /// Returns the media type that the files of a list must have, or `None` if none is named.
    pub fn type_of(&self, list: &List) -> Option<&MediaType> {
        let List::Files(_, name) = list else { return None };
        self.files.iter().find(|(of, _)| of == name)?.1.media_type.as_ref()
    }

    /// Returns the selectors of the values and of the parts.
    fn selects(&self) -> Vec<&Select> {
        let files = self.files.iter().map(|(_, rule)| &rule.url);
        let values = self.values.iter().map(|(_, rule)| rule).chain(files);
        let values = values.flat_map(FieldRule::selects);
        let next = self.next.iter().flat_map(Paging::selects);
        let parts = self.parts.iter().flat_map(|part| {
            let fields = part.fields.iter().map(|(_, rule)| rule);
            let rules = fields.chain(&part.goes_on).flat_map(FieldRule::selects);
            let pages = part.paging.selects().chain(&part.require).chain(part.marks.all());
            rules.chain(pages).chain([&part.items]).collect::<Vec<_>>()
        });
        values.chain(next).chain(parts).collect()
    }
}
