//! A site: where its list is, how to find items on it, and what to keep, as described by a TOML
//! file.
//!
//! A [`Site`] is plain data. It builds requests from tasks and says how to read pages, but makes no
//! requests. The built-in sites are site files like those of users, and are parsed by the same
//! code.

mod asking;
mod base_url;
mod build;
mod built_in;
mod canonical;
mod error;
mod file;
mod incremental;
mod keys;
mod levels;
mod page_size;
mod paging;
mod range;
mod request;
mod rules;
mod session;
pub mod settings;
mod template;
mod variable;
mod written;

use std::path::Path;

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::value::RawValue;
use url::Url;

use crate::fetch::{Home, Statuses};
use crate::model::report::Kind;
use crate::model::seed::{Seed, SeedPath};
use crate::model::task::{IndexPage, IndexRun, List, PageRange};
use crate::model::text::secret::Credentials;
use crate::select::field::From;
use crate::select::{FieldRule, Select, Selector};
use crate::site::settings::{OwnSettings, PaceSettings, Settings};
use crate::sweep::incremental::Incremental;
use request::RequestTemplate;
use variable::Missing;

pub use base_url::parse_base_url;
pub use built_in::BuiltIn;
pub use error::SiteError;
pub use incremental::Since;
pub use levels::Levels;
pub use paging::{Handover, Hints, LastPage, Next, NextPage, PageSaid, Paging, Said, Step, Taken};
pub use range::SeedRange;
pub use request::RequestError;
pub use rules::{
    DetailRules, FileRule, Further, IndexRules, ItemRules, Keep, KeyRule, Marks, MediaType,
    PartRules, Reading, SeedNames, Seeds, SeedsPage, Within,
};
pub use session::{LoginStep, Session};
pub use template::NamedValue;
pub use variable::{PREFIX as PREFIX_OF_SECRETS, Variable};
pub use written::Chain;

/// Default maximum number of pages of a list.
const MOST_PAGES: u64 = 100_000;
/// JSON Schema of site files, for editors.
pub const SCHEMA: &str = include_str!("site/schema.json");

/// A site as its file describes it, with all defaults filled in.
#[derive(Debug, Clone)]
pub struct Site {
    /// Name of the site. The ledger and the lock use it.
    pub name: Box<str>,
    /// Description in one line; may be empty.
    pub description: Box<str>,
    /// Collection or table for the documents.
    pub collection: Box<str>,
    /// Base URL of the site.
    pub base_url: Url,
    /// Other hosts that its pages may lead to.
    pub hosts: Vec<Box<str>>,
    /// Settings that the file makes for its crawls.
    pub own: OwnSettings,
    /// Meaning of statuses.
    pub statuses: Statuses,
    /// Categories of the items.
    pub seeds: Levels,
    /// Rules for the list.
    pub index: IndexRules,
    /// Rules for the page of an item, or `None` if documents are made from the list alone.
    pub detail: Option<DetailRules>,
    /// Parts of a document that do not count as changes.
    pub ignore: Vec<Selector>,
    /// True if a path may descend (`..`) more than once, or a selector has several steps: then reading
    /// even a small page may take long.
    pub descends: bool,
}

impl Site {
    /// Loads the built-in site with this name, or the site of the file at this path.
    ///
    /// # Errors
    /// Returns an error if there is neither, or the file is not a valid site file.
    pub fn load(name_or_path: &str) -> Result<Site, SiteError> {
        if let Some(site) = BuiltIn::named(name_or_path) {
            return site.site();
        }
        let path = Path::new(name_or_path);
        if !path.exists() && !name_or_path.contains('/') && !name_or_path.ends_with(".toml") {
            return Err(SiteError::unknown(name_or_path));
        }
        if name_or_path.starts_with("http://") || name_or_path.starts_with("https://") {
            return Err(SiteError::IsUrl);
        }
        Site::parse(&Site::read(name_or_path)?, name_or_path)
    }

    /// Reads the text of the site file at `path`.
    ///
    /// # Errors
    /// Returns an error if there is no such file, or it is too large or not text.
    pub fn read(path: &str) -> Result<String, SiteError> {
        let unreadable = |error| SiteError::Unreadable { origin: path.to_owned(), error };
        file::read(Path::new(path)).map_err(unreadable)
    }

    /// Parses a site file. `origin` is its path: it appears in errors, and relative paths in the
    /// file start at its folder.
    ///
    /// # Errors
    /// Returns an error if `text` is not a valid site file.
    pub fn parse(text: &str, origin: &str) -> Result<Site, SiteError> {
        let folder = Path::new(origin).parent().unwrap_or(Path::new(""));
        let site = build::site(file::parse(text, origin)?, folder);
        let mut site = site.map_err(|wrong| SiteError::Value {
            origin: origin.to_owned(),
            line: wrong.at.map(|at| file::line_of(text, at)),
            key: wrong.key,
            message: wrong.message,
        })?;
        site.own.missing = site.first_missing(text, origin);
        let descends = text.lines().any(|line| line.matches("..").count() > 1);
        Ok(Site { descends: descends || rules::has_steps(&site), ..site })
    }

    /// Returns the settings of the file, with defaults for the others.
    pub fn settings(&self) -> Settings {
        let OwnSettings { workers, rate, robots, user_agents, .. } = &self.own;
        Settings::default().with(|settings| {
            let pace = settings.pace.with_workers(*workers);
            let (rate, robots) = (rate.or(pace.rate), robots.unwrap_or(pace.robots));
            settings.pace = PaceSettings { rate, robots, ..pace };
            settings.expect.clone_from(&self.own.expect);
            if !user_agents.is_empty() {
                settings.client.user_agents.clone_from(user_agents);
            }
        })
    }

    /// Returns the hosts that requests may go to: the site's own host, those that the file allows,
    /// and those that its templates name.
    pub fn home(&self) -> Home {
        let named = self.requests().filter_map(RequestTemplate::host);
        let hosts = self.hosts.iter().cloned().chain(named).collect();
        Home { site: self.base_url.clone(), hosts }
    }

    /// Returns how the site is swept incrementally, or `None` if each sweep lists everything.
    pub fn incremental(&self) -> Option<Incremental> {
        match self.seeds.0.first() {
            Some(Seeds::Items { changed: Some(incremental), .. }) => Some(*incremental),
            _ => self.index.since.as_ref().map(|since| since.incremental),
        }
    }

    /// Returns the site as a sweep of this kind requests it that began at `began`: `{since}` is the
    /// time since which a partial sweep lists what changed. In other sweeps the entries with it are
    /// left out.
    pub fn of_sweep(mut self, kind: Kind, began: Timestamp) -> Site {
        incremental::bind(&mut self.index, kind.since());
        self.seeds = self.seeds.at(began);
        self
    }

    /// Returns the name of the site whose items are the seeds, or `None` if there is none.
    pub fn parent(&self) -> Option<&str> {
        self.seeds.parent()
    }

    /// Returns the name of the file that the keys are read from, or `None` if there is no such
    /// file.
    pub fn keys_file(&self) -> Option<&str> {
        match &self.index.paging {
            Paging::Keys(keys) => keys.file_name(),
            _ => None,
        }
    }

    /// Adds the credentials of the site file: user, password, and headers and parameters with names
    /// of credentials.
    pub fn credentials(&self, into: &mut Credentials) {
        into.url(self.base_url.as_str());
        self.requests().for_each(|request| request.credentials(into));
        self.own.session.iter().for_each(|session| session.credentials(into));
    }

    /// Checks that all variables that the file names are set. Commands that make requests need them.
    ///
    /// # Errors
    /// Returns an error for the first variable that is not set, with its line.
    pub fn has_secrets(&self) -> Result<(), SiteError> {
        self.own.missing.clone().map_or(Ok(()), |missing| Err(SiteError::Variable(missing)))
    }

    fn first_missing(&self, text: &str, origin: &str) -> Option<Missing> {
        let of_session = self.own.session.iter().flat_map(Session::variables);
        let variables = self.requests().flat_map(RequestTemplate::variables).chain(of_session);
        let missing = variables.filter(|variable| variable.value().is_none());
        let missing = missing.map(|it| Missing::of(it, text, origin));
        missing.min_by_key(|missing| missing.line)
    }

    /// Returns the keys on a page of a list that needs no request, or `None` for other lists.
    pub fn known_keys(&self, page: &IndexPage) -> Option<Vec<String>> {
        match &self.index.paging {
            Paging::Keys(keys) => Some(keys.page(page.number)),
            _ => None,
        }
    }

    /// Returns true if an item cannot be crawled without its list entry: it has no page of its own,
    /// or its document includes parts of the list.
    pub fn needs_list(&self) -> bool {
        let keeps = match &self.index.items {
            ItemRules::Selected { keep, .. } => *keep != Keep::Nothing,
            ItemRules::Sitemap { .. } | ItemRules::Known => false,
        };
        keeps || self.detail.is_none() || self.takes_values()
    }

    /// Returns true if nothing on the list proves where it ends: its pages are HTML without
    /// required parts, and declare neither the number of items nor that of pages.
    pub fn has_open_end(&self) -> bool {
        self.index.items.are_elements()
            && self.index.require.is_empty()
            && !self.index.paging.tells_its_end()
    }

    /// Returns whether any page counts as an item's: nothing that it must have is named.
    pub fn takes_any_page(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| {
            let has_required = detail.fields.iter().any(|(_, rule)| rule.required);
            detail.require.is_empty() && detail.document.is_none() && !has_required
        })
    }

    /// Returns an object of the values that fields have where nothing was found, as JSON text, or `None`
    /// if no field has one.
    pub fn defaults(&self) -> Option<String> {
        let of_pages = self.detail.iter().flat_map(|detail| &detail.fields);
        let defaults = self.index.items.kept().iter().chain(of_pages).filter_map(|(name, rule)| {
            let value = serde_json::from_str::<&RawValue>(rule.default.as_deref()?).ok()?;
            Some((name, value.to_owned()))
        });
        let defaults: IndexMap<&Box<str>, Box<RawValue>> = defaults.collect();
        serde_json::to_string(&defaults).ok().filter(|_| !defaults.is_empty())
    }

    /// Returns true if requests for items, or for their parts, contain values of the list.
    pub fn takes_values(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.values_of_list().next().is_some())
    }

    /// Returns true if items name files to store.
    pub fn has_files(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| !detail.further.files.is_empty())
    }

    /// Returns true if a document is made from several requests.
    pub fn assembles(&self) -> bool {
        let further = self.detail.as_ref().map(|detail| &detail.further);
        further.is_some_and(|it| it.next.is_some() || !it.parts.is_empty()) || self.has_files()
    }

    /// Returns true if the list has the URLs of items' pages.
    pub fn takes_links(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.request.url.is_none())
    }

    /// Returns true if requests for items contain their keys.
    pub fn sends_keys(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.request.has(&template::Placeholder::Key))
    }

    /// Returns the number of keys if they are known in advance, or `None` otherwise.
    pub fn known_count(&self) -> Option<u64> {
        match &self.index.paging {
            Paging::Keys(keys) => Some(keys.count()),
            _ => None,
        }
    }

    /// Returns the first pages of a walk over the site, limited to `range`.
    pub fn begin(&self, range: PageRange) -> Vec<IndexRun> {
        self.seeds.first().into_iter().filter_map(|list| self.list(list, range)).collect()
    }

    /// Returns the first pages of the lists of these categories, which are all in the categories of
    /// `path`, limited to `range`.
    pub fn lists(
        &self,
        path: &SeedPath,
        seeds: impl Iterator<Item = Seed>,
        range: PageRange,
    ) -> Vec<IndexRun> {
        let lists = self.seeds.lists(path, seeds).into_iter();
        lists.filter_map(|list| self.list(list, range)).collect()
    }

    /// Returns the first pages of another walk over a list, or `None` if `range` excludes them.
    pub fn again(&self, list: List, pass: u32, range: PageRange) -> Option<IndexRun> {
        self.list(list, range).map(|run| IndexRun { pass, ..run })
    }

    fn list(&self, list: List, range: PageRange) -> Option<IndexRun> {
        let (from, to) = match &self.index.paging {
            _ if matches!(list, List::Seeds(_)) => (1, 1),
            Paging::Keys(keys) => (range.from, keys.pages().min(range.to)),
            Paging::Single if range.from > 1 => return None,
            paging if paging.is_numbered() => (range.from, range.from),
            _ => (1, 1),
        };
        (from <= to).then(|| IndexRun { list, ..IndexRun::numbered(1, from, to) })
    }

    /// Returns the list pages that follow `page`, not limited to a range.
    pub fn after(&self, page: &IndexPage, said: &PageSaid) -> Option<Next> {
        self.paging_of(&page.list).after(page, said, self.index.total_exact)
    }

    /// Returns the paging of a list.
    pub fn paging_of(&self, list: &List) -> &Paging {
        match list {
            List::Pages(_) | List::Part(..) | List::Files(..) => {
                self.detail.as_ref().map_or(&Paging::Single, |it| {
                    let part = it.part_of(list).map(|part| &part.paging);
                    part.or(it.further.next.as_ref()).unwrap_or(&Paging::Single)
                })
            }
            list => self.seeds.page_of(list).map_or(&self.index.paging, |page| &page.paging),
        }
    }

    /// Returns true if hints to further pages on the pages of a list count, in addition to its
    /// paging.
    pub fn heeds_hints(&self, list: &List) -> bool {
        match list {
            List::Pages(_) | List::Part(..) | List::Files(..) => {
                self.detail.as_ref().and_then(|it| it.part_of(list)).is_none_or(|part| part.more)
            }
            list => self.seeds.page_of(list).map_or(self.index.more, |page| page.more),
        }
    }

    /// Returns the range of list pages to crawl: `asked` (all if `None`), limited by `max_pages` of
    /// the site.
    pub fn page_range(&self, asked: Option<PageRange>) -> PageRange {
        let PageRange { from, to } = asked.unwrap_or(PageRange { from: 1, to: u64::MAX });
        match self.index.paging {
            // The keys are in the file, so the list cannot go on forever.
            Paging::Keys(_) => PageRange { from, to },
            _ => PageRange { from, to: to.min(from.saturating_add(self.index.most_pages - 1)) },
        }
    }

    /// Returns the names of the fields that are taken from the list.
    pub fn list_fields(&self) -> Vec<Box<str>> {
        names(self.index.items.kept())
    }

    /// Returns the names of the fields that are taken from an item's page.
    pub fn detail_fields(&self) -> Vec<Box<str>> {
        self.detail.as_ref().map_or_else(Vec::new, |detail| names(&detail.fields))
    }

    /// Returns the field of a document that holds its key, or `None` if the key is not a field.
    pub fn key_field(&self) -> Option<Box<str>> {
        match &self.index.items {
            ItemRules::Selected { key, .. } => match key.only()? {
                FieldRule { select: Select::Json(selector), from: From::Item, .. } => {
                    selector.field().map(Into::into)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the digest of the rules that determine the documents. If it changes, all documents
    /// are fetched again.
    pub fn rules(&self) -> String {
        canonical::rules(self)
    }

    /// Returns the digest of what is crawled. If it changes, a new sweep starts.
    pub fn definition(&self) -> String {
        canonical::definition(self)
    }

    /// Returns true if documents with rules in the form of version 0.1.0 count as made by these
    /// rules.
    pub fn takes_over(&self) -> bool {
        canonical::takes_over(self)
    }
}

fn names(fields: &[(Box<str>, FieldRule)]) -> Vec<Box<str>> {
    fields.iter().map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
mod tests;
