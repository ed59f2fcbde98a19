//! A site: what a TOML file says of where the list is, how to find items on it, and what to keep.
//!
//! A [`Site`] is plain values: it makes requests from tasks and says how pages are read, but never
//! asks for anything. The built-in sites are files like those of users and read by the same code.

mod asked_for;
mod build;
mod built_in;
mod canonical;
mod error;
mod file;
mod keys;
mod paging;
mod request;
mod rules;
mod template;
mod written;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use url::Url;

use crate::extract::{FieldRule, Select, Selector};
use crate::fetch::{Home, Request, Statuses};
use crate::secret::Credentials;
use crate::settings::Settings;
use crate::task::{DetailPage, IndexPage, IndexRun, List, Page, PageRange, Place};
use request::RequestTemplate;
use template::Values;

pub use built_in::BuiltIn;
pub use error::SiteError;
pub use paging::{Hints, LastPage, Next, NextPage, PageSaid, Paging, Said, Step};
pub use request::RequestError;
pub use rules::{DetailRules, IndexRules, ItemRules, Keep, Marks, Seeds, SeedsPage};

/// Pages asked for where the site file sets no cap.
const MOST_PAGES: u64 = 100_000;
/// JSON Schema of site files, for editors.
pub const SCHEMA: &str = include_str!("site/schema.json");

/// A site as its file describes it, with all defaults filled in.
#[derive(Debug, Clone)]
pub struct Site {
    /// Name, by which ledger and lock go.
    pub name: Box<str>,
    /// What the site is, in one line; may be empty.
    pub description: Box<str>,
    /// Collection or table that the documents go to.
    pub collection: Box<str>,
    /// Where the site is.
    pub base_url: Url,
    /// Other hosts that its pages may lead to.
    pub hosts: Vec<Box<str>>,
    /// Most requests in flight, where the file says it.
    pub workers: Option<usize>,
    /// Most requests a second, where the file says it.
    pub rate: Option<f64>,
    /// Whether robots.txt is obeyed, where the file says it.
    pub robots: Option<bool>,
    /// Names to go by, in turn; none where the file says none.
    pub user_agents: Vec<String>,
    /// What statuses mean.
    pub statuses: Statuses,
    /// Categories by which the items are listed, where they are.
    pub seeds: Option<Seeds>,
    /// How the list is read.
    pub index: IndexRules,
    /// How the page of an item is read; without one, the list says all there is.
    pub detail: Option<DetailRules>,
    /// Parts of a document that play no part in whether it changed.
    pub ignore: Vec<Selector>,
    /// Whether a declared count is to be met exactly.
    pub total_exact: bool,
    /// Whether a path may descend (`..`) more than once, so that a small page may take long.
    pub descends: bool,
}

impl Site {
    /// The built-in site of that name, or the site of the file at that path.
    ///
    /// # Errors
    /// Where there is none, or the file is no site file.
    pub fn load(name_or_path: &str) -> Result<Site, SiteError> {
        if let Some(site) = BuiltIn::named(name_or_path) {
            return site.site();
        }
        let path = Path::new(name_or_path);
        if !path.exists() && !name_or_path.contains('/') && !name_or_path.ends_with(".toml") {
            return Err(SiteError::unknown(name_or_path));
        }
        let text = file::read(path)
            .map_err(|error| SiteError::Unreadable { origin: name_or_path.to_owned(), error })?;
        Site::parse(&text, name_or_path)
    }

    /// The site that `text` describes; `origin` is the file's path in errors, and where paths in
    /// it begin.
    ///
    /// # Errors
    /// Where it is no site file.
    pub fn parse(text: &str, origin: &str) -> Result<Site, SiteError> {
        let folder = Path::new(origin).parent().unwrap_or(Path::new(""));
        let site = build::site(file::parse(text, origin)?, folder);
        let site = site.map_err(|wrong| SiteError::Value {
            origin: origin.to_owned(),
            line: wrong.at.map(|at| file::line_of(text, at)),
            key: wrong.key,
            message: wrong.message,
        })?;
        let descends = text.lines().any(|line| line.matches("..").count() > 1);
        Ok(Site { descends, ..site })
    }

    /// The settings that the file asks for, and the usual ones.
    pub fn settings(&self) -> Settings {
        let usual = Settings::default();
        let own = Some(self.user_agents.clone()).filter(|names| !names.is_empty());
        let usual = usual.with_workers(self.workers);
        Settings {
            rate: self.rate.or(usual.rate),
            robots: self.robots.unwrap_or(usual.robots),
            user_agents: own.unwrap_or(usual.user_agents),
            ..usual
        }
    }

    /// Where requests may lead: the site's own host, those that the file allows, and those that
    /// its templates name.
    pub fn home(&self) -> Home {
        let named = self.requests().filter_map(RequestTemplate::host);
        let hosts = self.hosts.iter().cloned().chain(named).collect();
        Home { site: self.base_url.clone(), hosts }
    }

    /// The name of the file that its keys are read from, where they are.
    pub fn keys_file(&self) -> Option<&str> {
        match &self.index.paging {
            Paging::Keys(keys) => keys.file_name(),
            _ => None,
        }
    }

    /// Adds the credentials that the site file holds: user, password, and what it sends in headers
    /// and parameters named like credentials.
    pub fn credentials(&self, into: &mut Credentials) {
        into.url(self.base_url.as_str());
        self.requests().for_each(|request| request.credentials(into));
    }

    /// The request for a page; nothing where none is needed, since what the page would say is
    /// known.
    ///
    /// # Errors
    /// Where the site file and what the list said make none that may be made.
    pub fn request(&self, page: &Page) -> Result<Option<Request>, RequestError> {
        match page {
            page if self.template(page).is_none() => Ok(None),
            Page::Detail(detail) => self.detail_request(detail),
            Page::Index(index) => self.index_request(index).map(Some),
        }
    }

    /// A URL of the host that a page is asked of: the site's own, unless a link or a template leads
    /// elsewhere. Nothing where the page need not be asked for.
    pub fn host(&self, page: &Page) -> Option<Cow<'_, Url>> {
        let template = self.template(page)?;
        let home = Cow::Borrowed(&self.base_url);
        let is_linked =
            matches!(page, Page::Index(index) if matches!(index.place, Some(Place::Url(_))));
        if template.is_below_base() && !is_linked {
            return Some(home);
        }
        // What makes no request makes trouble wherever it waits.
        let request = self.request(page).ok().flatten();
        Some(request.map_or(home, |request| Cow::Owned(request.url)))
    }

    /// How the pages of each kind are asked for.
    pub fn requests(&self) -> impl Iterator<Item = &RequestTemplate> {
        let seeds = match &self.seeds {
            Some(Seeds::Page(page)) => Some(&page.request),
            _ => None,
        };
        let detail = self.detail.as_ref().map(|it| &it.request);
        [seeds, Some(&self.index.request), detail].into_iter().flatten()
    }

    /// How a page is asked for; nothing where it need not be.
    fn template(&self, page: &Page) -> Option<&RequestTemplate> {
        match page {
            Page::Detail(_) => self.detail.as_ref().map(|detail| &detail.request),
            Page::Index(_) if matches!(self.index.paging, Paging::Keys(_)) => None,
            Page::Index(index) => Some(self.rules_of(&index.list).0),
        }
    }

    fn detail_request(&self, page: &DetailPage) -> Result<Option<Request>, RequestError> {
        let Some(rules) = &self.detail else { return Ok(None) };
        let values = Values { key: Some(page.key.as_str()), ..Values::default() };
        if rules.request.url.is_some() {
            return rules.request.request(&self.base_url, values).map(Some);
        }
        let link = page.listed.as_deref().and_then(|listed| listed.url.as_deref());
        let link = link.ok_or(RequestError::NoLink)?;
        rules.request.request_at(&self.home(), link, values).map(Some)
    }

    fn index_request(&self, page: &IndexPage) -> Result<Request, RequestError> {
        let (request, paging) = self.rules_of(&page.list);
        let before = page.number - 1;
        let limit = paging.limit();
        let mut values = Values {
            offset: limit.map(|limit| before.saturating_mul(limit)),
            limit,
            page: Some(paging.first().saturating_add(before)),
            ..Values::default()
        };
        if let List::Items(Some(seed)) = &page.list {
            values.seed = Some(seed);
        }
        match &page.place {
            Some(Place::Url(url)) => request.request_at(&self.home(), url, values),
            Some(Place::Cursor(cursor)) => {
                values.cursor = Some(cursor);
                request.request(&self.base_url, values)
            }
            Some(Place::Offset(offset)) => {
                values.offset = Some(*offset);
                request.request(&self.base_url, values)
            }
            None => request.request(&self.base_url, values),
        }
    }

    /// How the pages of a list are asked for and divided.
    fn rules_of(&self, list: &List) -> (&RequestTemplate, &Paging) {
        match (list, &self.seeds) {
            (List::Seeds, Some(Seeds::Page(page))) => (&page.request, &page.paging),
            _ => (&self.index.request, &self.index.paging),
        }
    }

    /// The keys on a page of a list that need not be asked for.
    pub fn known_keys(&self, page: &IndexPage) -> Option<Vec<String>> {
        match &self.index.paging {
            Paging::Keys(keys) => Some(keys.page(page.number)),
            _ => None,
        }
    }

    /// Whether an item cannot be had without its list: it has no page of its own, or its document
    /// holds parts of the list.
    pub fn needs_list(&self) -> bool {
        let keeps = match &self.index.items {
            ItemRules::Selected { keep, .. } => *keep != Keep::Nothing,
            ItemRules::Sitemap { .. } | ItemRules::Known => false,
        };
        keeps || self.detail.is_none()
    }

    /// Whether nothing on the list shows where it ends: its pages are HTML of which nothing is required,
    /// and say neither how many items nor how many pages there are.
    pub fn has_open_end(&self) -> bool {
        let is_html =
            matches!(&self.index.items, ItemRules::Selected { items: Select::Css(_), .. });
        is_html && self.index.require.is_empty() && !self.index.paging.tells_its_end()
    }

    /// Whether any page counts as an item's: nothing that it must have is named.
    pub fn takes_any_page(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| {
            let has_required = detail.fields.iter().any(|(_, rule)| rule.required);
            detail.require.is_empty() && detail.document.is_none() && !has_required
        })
    }

    /// Whether the list says where an item's page is.
    pub fn takes_links(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.request.url.is_none())
    }

    /// Returns whether requests are made of keys.
    pub fn sends_keys(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.request.has(template::Placeholder::Key))
    }

    /// How many keys there are, where they are known.
    pub fn known_count(&self) -> Option<u64> {
        match &self.index.paging {
            Paging::Keys(keys) => Some(keys.count()),
            _ => None,
        }
    }

    /// The pages that a walk over the site begins with, as far as `range` allows.
    pub fn begin(&self, range: PageRange) -> Vec<IndexRun> {
        match &self.seeds {
            None => self.list(List::Items(None), range).into_iter().collect(),
            Some(Seeds::Listed(seeds)) => self.lists(seeds.iter().cloned(), range),
            Some(Seeds::Page(_)) => {
                vec![IndexRun { list: List::Seeds, ..IndexRun::numbered(1, 1, 1) }]
            }
        }
    }

    /// The pages that the lists of these categories begin with, as far as `range` allows.
    pub fn lists(&self, seeds: impl Iterator<Item = Arc<str>>, range: PageRange) -> Vec<IndexRun> {
        seeds.filter_map(|seed| self.list(List::Items(Some(seed)), range)).collect()
    }

    /// The pages that another walk over a list begins with.
    pub fn again(&self, list: List, pass: u32, range: PageRange) -> Option<IndexRun> {
        let run = match list {
            List::Seeds => Some(IndexRun { list, ..IndexRun::numbered(1, 1, 1) }),
            list => self.list(list, range),
        };
        run.map(|run| IndexRun { pass, ..run })
    }

    fn list(&self, list: List, range: PageRange) -> Option<IndexRun> {
        let (from, to) = match &self.index.paging {
            Paging::Keys(keys) => (range.from, keys.pages().min(range.to)),
            Paging::Single if range.from > 1 => return None,
            paging if paging.is_numbered() => (range.from, range.from),
            _ => (1, 1),
        };
        (from <= to).then(|| IndexRun { list, ..IndexRun::numbered(1, from, to) })
    }

    /// The index pages that follow `page`, whatever the range allows.
    pub fn after(&self, page: &IndexPage, said: &PageSaid) -> Option<Next> {
        self.paging_of(&page.list).after(page, said, self.total_exact)
    }

    /// How a list is divided into pages.
    pub fn paging_of(&self, list: &List) -> &Paging {
        self.rules_of(list).1
    }

    /// Returns whether what the pages of a list say of further pages counts, beside what the paging names.
    pub fn heeds_hints(&self, list: &List) -> bool {
        match (list, &self.seeds) {
            (List::Seeds, Some(Seeds::Page(page))) => page.more,
            _ => self.index.more,
        }
    }

    /// The index pages that `asked` (all, where nothing was asked) and the site's cap allow.
    pub fn page_range(&self, asked: Option<PageRange>) -> PageRange {
        let PageRange { from, to } = asked.unwrap_or(PageRange { from: 1, to: u64::MAX });
        match self.index.paging {
            // The keys are in the file: there is nothing that could go on for ever.
            Paging::Keys(_) => PageRange { from, to },
            _ => PageRange { from, to: to.min(from.saturating_add(self.index.most_pages - 1)) },
        }
    }

    /// Names of the fields that are taken from the list.
    pub fn list_fields(&self) -> Vec<Box<str>> {
        match &self.index.items {
            ItemRules::Selected { keep: Keep::Fields(fields), .. } => names(fields),
            _ => Vec::new(),
        }
    }

    /// Names of the fields that are taken from an item's page.
    pub fn detail_fields(&self) -> Vec<Box<str>> {
        self.detail.as_ref().map_or_else(Vec::new, |detail| names(&detail.fields))
    }

    /// The field of a document that holds its key, where the key is a field.
    pub fn key_field(&self) -> Option<Box<str>> {
        match &self.index.items {
            ItemRules::Selected {
                key: FieldRule { select: Select::Json(selector), .. }, ..
            } => selector.field().map(Into::into),
            _ => None,
        }
    }

    /// Digest of what makes documents what they are: another one makes all of them anew.
    pub fn rules(&self) -> String {
        canonical::rules(self)
    }

    /// Digest of what is crawled: another one is another sweep.
    pub fn definition(&self) -> String {
        canonical::definition(self)
    }

    /// Returns whether documents whose rules bear the number of version 0.1.0 are taken to be made by these
    /// rules.
    pub fn takes_over(&self) -> bool {
        canonical::takes_over(self)
    }
}

fn names(fields: &[(Box<str>, FieldRule)]) -> Vec<Box<str>> {
    fields.iter().map(|(name, _)| name.clone()).collect()
}

/// A base URL.
///
/// # Errors
/// Says what is wrong where it is not one.
pub fn parse_base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write https://host"))?;
    // What URLs allow in a name and nobody can ask for, such as a variable that was not filled in.
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c);
    if url.domain().is_some_and(|name| name.contains(is_odd)) {
        return Err("its host is no name that can be asked for; write https://host".to_owned());
    }
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => Ok(url),
        "http" | "https" => Err("a base URL has neither query nor fragment".to_owned()),
        scheme => Err(format!("{scheme}: is neither http nor https")),
    }
}

#[cfg(test)]
mod tests;
