//! Requests of a check: the list (through the pages that lead to one), one item, and the second
//! page of the list. Collects the facts; reading and judging them is done elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::further::{self, First};
use super::missing::{Missing, cannot_be_asked, to_allow};
use crate::engine::list_progress::after_first_page;
use crate::extract::{self, Detail, Item, Listing, Making, PageError};
use crate::fetch::{
    Answer, FetchError, Fetcher, Page as Answered, Redirect, Request, retry, robots,
};
use crate::model::document::{Body, Encoding};
use crate::model::seed::{Seed, SeedPath};
use crate::model::task::{Content, DetailPage, IndexPage, IndexRun, List, Page, PageRange, Place};
use crate::model::text::secret::shown;
use crate::site::settings::Settings;
use crate::site::{DetailRules, ItemRules, Paging, Site};
use crate::system::clock;
use crate::tools::check::{self, Asked, Check, Named};

/// Maximum number of pages to request before the first list page with items: categories, sitemap
/// indexes, and empty lists.
const MOST_BEFORE_A_LIST: usize = 8;
/// Maximum number of missing items to skip.
const MOST_MISSING: usize = 5;
/// Maximum number of retries of a request.
const MOST_RETRIES: u32 = 3;
/// Maximum time to wait before a retry. A site that asks for more is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A check of a site file against the live site.
pub struct Trial {
    site: Site,
    fetcher: Fetcher,
    /// Categories whose list is requested, the outermost first. Below them it is the first list.
    seeds: Vec<Arc<str>>,
    /// Rules of the site's robots.txt.
    rules: robots::Rules,
    /// Results so far.
    pub facts: Check,
}

/// Reason why a check stopped early.
pub enum Stop {
    /// The live site does not match the site file.
    Misfit(String),
    /// The live site cannot be reached, or fails: nothing is known of the site file.
    Failed(String),
}

impl Trial {
    /// Creates a check that has made no request yet.
    pub fn new(site: Site, seeds: &[String], settings: &Settings, fetcher: Fetcher) -> Trial {
        let facts = Check::of(&site, &settings.client.headers, clock::now());
        let seeds = seeds.iter().map(|seed| seed.as_str().into()).collect();
        Trial { facts, site, fetcher, seeds, rules: robots::Rules::none() }
    }

    /// Requests robots.txt, the list, one item and the second page of the list.
    ///
    /// # Errors
    /// Returns an error if the site does not match the file, or cannot be reached.
    pub async fn run(&mut self, settings: &Settings) -> Result<(), Stop> {
        let request = robots::request(&self.site.home()).filter(|_| settings.pace.robots);
        if let Some(request) = request {
            let agent = settings.client.user_agents.first().map_or("", String::as_str);
            self.rules = self.rules(request, robots::name(agent)).await?;
        }
        let (index, listing, page) = self.list().await?;
        let (facts, warnings) = check::of_list(&self.site, &index, &listing);
        let items = facts.items;
        self.facts.list = Some(facts);
        self.facts.warnings.extend(warnings);
        let format = self.site.index.reading.format;
        let listed = page.as_ref().filter(|_| self.site.index.items.are_elements());
        let misread = listed.and_then(|page| check::misread("index", format, page));
        self.facts.warnings.extend(misread);
        let mut keyless = None;
        let mut keyed = Vec::new();
        for item in &listing.items {
            match item {
                Ok(item) => keyed.push(item.clone()),
                Err(error) => keyless = keyless.or(Some(error)),
            }
        }
        match keyless {
            _ if !keyed.is_empty() => {
                self.item(keyed).await?;
                if let Some(page) = &page {
                    let first = First { index: &index, listing: &listing, page };
                    further::counted_from_zero(self, first).await?;
                    further::second(self, first).await?;
                }
                let gap = |page| after_first_page(&self.site, &index, &listing, page);
                page.as_ref().and_then(gap).map_or(Ok(()), |why| Err(Stop::Misfit(why)))
            }
            Some(first) => Err(Stop::Misfit(format!(
                "none of the {items} items of {index} has a key: {first}{}",
                check::key_hint(&self.site)
            ))),
            None => {
                let hint = page.as_ref().and_then(|page| check::list_on(&self.site, page));
                Err(Stop::Misfit(self.nothing_on(&index) + &hint.unwrap_or_default()))
            }
        }
    }

    /// Requests robots.txt, and retries it as pages are.
    async fn rules(&self, request: Request, name: &str) -> Result<robots::Rules, Stop> {
        for attempt in 1.. {
            let answer = self.fetcher.rules(request.clone(), robots::LARGEST).await;
            let error = match robots::Rules::of(answer, name) {
                Ok(rules) => return Ok(rules),
                Err(error) => error,
            };
            let Some(delay) = delay(&error, attempt) else {
                return Err(stop(format!("robots.txt: {error}"), &error));
            };
            sleep(delay).await;
        }
        Ok(robots::Rules::none())
    }

    fn nothing_on(&self, index: &IndexPage) -> String {
        let items = match &self.site.index.items {
            ItemRules::Selected { items, .. } => {
                format!("index.items: `{}` matched nothing", items.text())
            }
            ItemRules::Sitemap { .. } => "index.key matches no location of the sitemap".to_owned(),
            ItemRules::Known => "there are no keys".to_owned(),
        };
        format!("{index} has no items; {items}")
    }

    /// Returns the first page that lists items, its listing, and the fetched page (`None` if the
    /// site has no list to request). If a category or sitemap is empty, continues with the next
    /// one.
    async fn list(&mut self) -> Result<(IndexPage, Listing, Option<Answered>), Stop> {
        let range = self.site.page_range(None);
        let mut runs = VecDeque::from(self.first(range));
        let mut empty = None;
        for _ in 0..MOST_BEFORE_A_LIST {
            let Some((index, _)) = runs.pop_front().map(IndexRun::split) else { break };
            let page = match self.request(&Page::Index(index.clone()))? {
                Some(request) => {
                    let task = Page::Index(index.clone());
                    let answer = self.ask(&task, request).await?;
                    let is_end = self.site.statuses.is_end(answer.status.as_u16());
                    if is_end && index.may_be_missing() && !runs.is_empty() {
                        let status = answer.status.as_u16();
                        let message =
                            format!("{index} has status {status}; a crawl counts it as empty");
                        self.facts.warnings.push(message);
                        continue;
                    }
                    self.good(&task, answer)?
                }
                None => {
                    let keys = self.site.known_keys(&index).unwrap_or_default();
                    return Ok((index, extract::known(keys, self.site.known_count()), None));
                }
            };
            if let List::Seeds(path) = &index.list {
                // What a page leads to comes before its siblings.
                let lists = self.categories(&index, path, &page, !runs.is_empty())?;
                lists.into_iter().rev().for_each(|run| runs.push_front(run));
                continue;
            }
            let listing = extract::index(&self.site, &index.list, &page);
            let listing = listing.map_err(|error| self.unreadable(&index, &error, &page))?;
            if !listing.items.is_empty() {
                return Ok((index, listing, Some(page)));
            }
            if listing.said.items > 0 || listing.said.places.is_empty() {
                if !runs.is_empty() {
                    self.facts.warnings.push(self.nothing_on(&index));
                }
                empty.get_or_insert((index, listing, Some(page)));
                continue;
            }
            let next = self.site.after(&index, &listing.said);
            let next = next.map_or_else(Vec::new, |next| next.runs);
            // A page whose list is elsewhere is to blame, and not the last one that was read.
            if check::list_on(&self.site, &page).is_some() {
                empty.get_or_insert((index.clone(), listing, Some(page)));
            }
            if self.site.index.paging == Paging::Sitemap {
                let urls = next.iter().filter_map(|run| match &run.place {
                    Some(Place::Url(url)) => Some(url.to_string()),
                    _ => None,
                });
                self.facts.named.push(Named::of("sitemaps", &urls.collect::<Vec<_>>()));
            }
            // The pages that it leads to come before its siblings.
            next.into_iter().rev().for_each(|run| runs.push_front(run));
        }
        empty.ok_or_else(no_list)
    }

    /// Returns the first pages of the check: of the lists of the categories that the user named, as far
    /// as these are known without a page.
    fn first(&self, range: PageRange) -> Vec<IndexRun> {
        let levels = self.site.seeds.0.iter();
        let known = self.seeds.iter().zip(levels).take_while(|(_, level)| !level.has_values());
        let mut known: Vec<Seed> = known.map(|(seed, _)| Seed::of(seed.clone())).collect();
        let Some(innermost) = known.pop() else { return self.site.begin(range) };
        let above = known.into_iter().fold(SeedPath::default(), |path, seed| path.with(seed));
        self.site.lists(&above, std::iter::once(innermost), range)
    }

    /// Returns the lists of the categories that a page names, or of the one that the user named. Another
    /// category may have some if this one `may_be_empty`.
    fn categories(
        &mut self,
        index: &IndexPage,
        path: &SeedPath,
        page: &Answered,
        may_be_empty: bool,
    ) -> Result<Vec<IndexRun>, Stop> {
        let Some(rules) = self.site.seeds.page_of(&index.list) else { return Ok(Vec::new()) };
        let found = extract::seeds(rules, page);
        let mut found = found.map_err(|error| self.unreadable(index, &error, page))?;
        let nothing = format!(
            "{index} names no category; seeds.select: `{}` matched nothing",
            rules.names.select().text()
        );
        let names: Vec<String> = found.seeds.iter().map(|seed| seed.text.to_string()).collect();
        self.facts.named.push(Named::of("seeds", &names));
        self.facts.warnings.extend(found.odd.into_iter().chain(found.gaps));
        if let Some(wanted) = self.seeds.get(path.levels()) {
            found.seeds.retain(|seed| seed.text == *wanted);
            if found.seeds.is_empty() {
                found.seeds.push(Seed::of(wanted.clone()));
            }
        }
        match names.is_empty() {
            true if may_be_empty => self.facts.warnings.push(nothing),
            true => return Err(Stop::Misfit(nothing)),
            false => {}
        }
        Ok(self.site.lists(path, found.seeds.into_iter(), self.site.page_range(None)))
    }

    /// Requests the page of the first item that has one, or takes the first item that needs none.
    /// Skips items that cannot be requested, and up to [`MOST_MISSING`] missing ones.
    async fn item(&mut self, items: Vec<Item>) -> Result<(), Stop> {
        let mut elsewhere: Option<String> = None;
        let mut missing: Vec<Missing> = Vec::new();
        for Item { key, listed, .. } in items {
            let content = listed.as_ref().map(|it| it.content.clone()).unwrap_or_default();
            let detail = DetailPage { listed: listed.map(Box::new), ..DetailPage::of(key.clone()) };
            let page = Page::Detail(detail);
            let request = match self.site.request(&page) {
                Ok(request) => request,
                Err(error) => {
                    elsewhere.get_or_insert_with(|| cannot_be_asked(key.as_str(), &error));
                    continue;
                }
            };
            let answer = match request {
                None => None,
                Some(request) => {
                    let answer = self.ask(&page, request).await?;
                    let status = answer.status.as_u16();
                    if matches!(status, 404 | 410) {
                        let why = Some(check::refused(status, &answer.page.body));
                        let saw = format!("its page has status {status}");
                        missing.push(Missing { key: key.to_string(), saw, why });
                        if missing.len() >= MOST_MISSING { break } else { continue }
                    }
                    Some(self.good(&page, answer)?)
                }
            };
            let Page::Detail(detail) = page else { return Ok(()) };
            if let Some(saw) = self.document(detail, content, answer.as_ref()).await? {
                missing.push(Missing { key: key.to_string(), saw, why: None });
                if missing.len() >= MOST_MISSING { break } else { continue }
            }
            self.facts.warnings.extend(elsewhere);
            self.facts.warnings.extend(missing.iter().map(Missing::warning));
            return Ok(());
        }
        let refused = missing.iter().find_map(|it| it.why.as_ref().map(|why| (&it.key, why)));
        match (refused, elsewhere) {
            (Some((key, why)), _) => Err(Stop::Misfit(format!("item {key}: {why}"))),
            (None, Some(elsewhere)) if missing.is_empty() => Err(Stop::Misfit(elsewhere)),
            (None, elsewhere) => {
                // The site file itself says that such pages are those of missing items.
                let none =
                    "none of the items that were tried has its page, so no document is shown";
                self.facts.warnings.extend(elsewhere);
                self.facts.warnings.extend(missing.iter().map(Missing::warning));
                self.facts.warnings.push(none.to_owned());
                Ok(())
            }
        }
    }

    /// Builds the document that a crawl would store of an item. Returns why the item is missing, if its
    /// page says so.
    async fn document(
        &mut self,
        item: DetailPage,
        content: Content,
        page: Option<&Answered>,
    ) -> Result<Option<String>, Stop> {
        let (key, ignore) = (&item.key.to_string(), self.site.ignore.clone());
        let making = Making { listed: &content, ignore: &ignore, encoding: Encoding::Text };
        let read = |rules: &DetailRules| match page {
            Some(page) => extract::detail(rules, page, making),
            None => extract::of_list(making),
        };
        let made = match (&self.site.detail, page) {
            (Some(rules), Some(page)) if self.site.assembles() => {
                match extract::first(rules, page) {
                    Ok(first) => Box::pin(self.assembled(item, first, page, making)).await?,
                    Err(error) => Err(error),
                }
            }
            (Some(rules), _) => read(rules),
            (None, _) => extract::of_list(making),
        };
        match made {
            Ok(Detail { document, matched, revision, decoding }) => {
                let Body::Text(text) = &document.body else { return Ok(None) };
                let text = String::from_utf8_lossy(text).into_owned();
                let detail = Detail { document, matched, revision, decoding };
                self.facts.warnings.extend(check::of_item(&self.site, key, &detail, &text));
                let rules = self.site.detail.as_ref();
                let misread = page
                    .zip(rules)
                    .and_then(|(page, rules)| check::misread("detail", rules.reading.format, page));
                self.facts.warnings.extend(misread);
                self.facts.key = Some(key.to_owned());
                self.facts.store(&text);
                Ok(None)
            }
            Err(error @ PageError::Gone(_)) => Ok(Some(error.to_string())),
            Err(error) => {
                let again = |rules: &DetailRules| read(rules).err();
                let rules = self.site.detail.as_ref();
                let mut wrong = rules
                    .map(|rules| check::wrong_fields(rules, &error, again))
                    .unwrap_or_default();
                let more = wrong.split_off(wrong.len().min(1));
                self.facts.warnings.extend(more);
                let why = match page {
                    Some(page) => check::unreadable(&error, page),
                    None => error.to_string(),
                };
                Err(Stop::Misfit(format!("item {key} would not be stored: {why}")))
            }
        }
    }

    /// Returns the site.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Returns the request for a page, or `None` if it needs none.
    ///
    /// # Errors
    /// Returns an error if the site file makes no valid request of it.
    pub fn request(&self, page: &Page) -> Result<Option<Request>, Stop> {
        self.site.request(page).map_err(|error| Stop::Misfit(format!("{page}: {error}")))
    }

    /// Returns the page of an answer.
    ///
    /// # Errors
    /// Returns an error if its status is not that of a page.
    pub fn good(&self, page: &Page, answer: Answer) -> Result<Answered, Stop> {
        let why = match (answer.status.as_u16(), answer.leads_to) {
            (_, Some(to)) => {
                let hint = to_allow(&to);
                format!("{}{hint}", FetchError::RedirectRefused { to })
            }
            (status, None) if self.site.statuses.is_ok(status) => {
                return Ok(self.fetcher.unpacked(answer.page));
            }
            (status, None) => check::refused(status, &answer.page.body),
        };
        Err(Stop::Misfit(format!("{page}: {why}")))
    }

    /// Makes a request and records it. One that fails for now is retried a few times.
    ///
    /// # Errors
    /// Returns an error if robots.txt forbids it, or it fails.
    pub async fn ask(&mut self, page: &Page, request: Request) -> Result<Answer, Stop> {
        let asked = Asked {
            page: page.to_string(),
            method: request.method.to_string(),
            url: shown(&request.url),
            ..Asked::default()
        };
        if !self.rules.allow(&request.url) {
            return Err(Stop::Misfit(format!("{page}: {}", FetchError::Forbidden)));
        }
        for attempt in 1.. {
            let (error, message) = match self.fetcher.answer(request.clone()).await {
                Ok(answer) => {
                    let failure = answer.failure(&self.site.statuses);
                    let is_end = self.site.statuses.is_end(answer.status.as_u16());
                    let failure = failure.filter(|error| retry::is_passing(error) && !is_end);
                    let (status, bytes) = (answer.status.as_u16(), answer.page.body.len());
                    let took = answer.body_after;
                    let row = asked.clone().answered(status, took, bytes, &answer.redirects);
                    self.facts.requests.push(row);
                    let Some(error) = failure else {
                        self.advise(page, &answer.redirects);
                        return Ok(answer);
                    };
                    (error, check::refused(status, &answer.page.body))
                }
                Err(error) => {
                    self.facts.requests.push(asked.clone());
                    let message = error.to_string();
                    (error, message)
                }
            };
            let Some(delay) = delay(&error, attempt) else {
                return Err(stop(format!("{page}: {message}"), &error));
            };
            sleep(delay).await;
        }
        Err(Stop::Failed(format!("{page}: no answer")))
    }

    /// Adds advice on the redirects of a page.
    fn advise(&mut self, page: &Page, redirects: &[Redirect]) {
        let template = self.template(page);
        let template = template.as_ref().map(|(key, template)| (*key, &**template));
        let advice = check::advice(&page.to_string(), &self.site.base_url, template, redirects);
        self.facts.warnings.extend(advice);
    }

    /// Returns the site file's table that holds the URL of a page, and the URL template. `None` if
    /// the URL is not from the file.
    fn template(&self, page: &Page) -> Option<(&'static str, String)> {
        let (table, url) = match page {
            Page::Index(IndexPage { place: Some(Place::Url(_)), .. }) => return None,
            Page::Index(IndexPage { list: list @ List::Seeds(_), .. }) => {
                ("[seeds]", self.site.seeds.page_of(list)?.url())
            }
            Page::Index(_) => ("[index]", self.site.index.url()),
            // The templates of further requests are not [detail]'s.
            Page::Detail(item) if item.assembly.is_some() => return None,
            Page::Detail(_) => ("[detail]", self.site.detail.as_ref()?.url()),
        };
        Some((table, url?))
    }

    /// Explains why a page of the list cannot be read.
    pub fn unreadable(&self, index: &IndexPage, error: &PageError, page: &Answered) -> Stop {
        Stop::Misfit(format!("{index}: {}", check::unreadable(error, page)))
    }
}

/// Returns the delay before a retry, or `None` if there is none.
fn delay(error: &FetchError, attempt: u32) -> Option<Duration> {
    let delay = retry::after_single(error, attempt, MOST_RETRIES, fastrand::f64());
    delay.filter(|delay| *delay <= LONGEST_WAIT)
}

/// Returns why a check ends after a request that failed.
fn stop(message: String, error: &FetchError) -> Stop {
    if retry::is_passing(error) { Stop::Failed(message) } else { Stop::Misfit(message) }
}

fn no_list() -> Stop {
    Stop::Misfit("no page of a list was found".to_owned())
}
