//! Requests of `gleaner sites new`: the list, further pages of it, and the page of an item.

use std::collections::HashMap;

use url::Url;

use super::super::super::exit::Exit;
use super::super::super::streams::Voice;
use crate::extract::{self, Listing};
use crate::fetch::{Answer, FetchError, Fetcher, Home, Page, Request, Statuses};
use crate::model::task::{self, IndexPage, IndexRun};
use crate::model::text::secret::shown;
use crate::model::text::{plain, wrapped};
use crate::site::Site;
use crate::tools::check;
use crate::tools::check::second::Read;
use crate::tools::scaffold::{self, Detail, Draft, Given, NoList, Paging, Seen, Shape};

/// Maximum number of requests that search for an item's page.
const DETAIL_PROBES: usize = 3;
/// Number of pages with items that are read by the drafted file.
const PAGES: usize = 3;
/// Maximum number of pages to read, if some are empty.
const MOST_PAGES: usize = 8;
/// Number of a page far behind the last one.
const FAR: u64 = 50_000;

/// Makes the requests.
pub struct Asker {
    fetcher: Fetcher,
    /// URL of the list.
    pub url: Url,
    /// Prints without credentials.
    pub voice: Voice,
    given: Given,
    /// Answers to requests for URLs, so that none is requested twice.
    answers: HashMap<Url, Option<Answer>>,
}

/// A page that was read by a drafted file.
struct ReadPage {
    index: IndexPage,
    listing: Listing,
    page: Page,
}

/// Returns true if a crawl takes an answer with this status for a page.
fn is_page(answer: &Answer) -> bool {
    Statuses::default().is_ok(answer.status.as_u16())
}

impl ReadPage {
    fn keys(&self) -> Vec<String> {
        self.listing.items.iter().flatten().map(|item| item.key.to_string()).collect()
    }
}

impl Asker {
    /// Creates an asker that has made no request yet.
    pub fn new(fetcher: Fetcher, url: Url, voice: Voice, given: Given) -> Asker {
        Asker { fetcher, url, voice, given, answers: HashMap::new() }
    }

    /// Makes the requests, and returns what to write.
    ///
    /// # Errors
    /// Returns the exit code, after printing why nothing can be drafted.
    pub async fn draft(&mut self) -> Result<Draft, Exit> {
        let (mut shape, mut seen) = self.list().await?;
        let varies = self.again(&mut shape, &mut seen).await;
        let (paging, total) = self.paging(&shape, &seen).await;
        let mut doubts = shape.doubts.clone();
        doubts.extend(varies);
        doubts.extend(scaffold::doubts(&seen, &paging, &self.url));
        let first = self.answers.get(&self.url);
        let is_part = matches!(first, Some(Some(answer)) if answer.status.as_u16() == 206);
        if is_part && paging.is_single() {
            doubts.push("The page has status 206, so that it is a part of the list; its headers may say how to request the next part.".to_owned());
        }
        let read = self.read(&shape, &paging).await;
        if read.is_none() {
            doubts.push("The list could not be read once more by this file, so that it is not tried: a request failed, or a page was not one of the list.".to_owned());
        }
        let read = read.unwrap_or_default();
        let pages: Vec<&Page> = read.iter().map(|read| &read.page).collect();
        if !scaffold::settle_key(&mut shape, &pages) {
            doubts.push("The key is not unique: items on several pages share one.".to_owned());
        }
        if doubts.is_empty() {
            doubts.extend(self.end(&mut shape, &paging).await);
        }
        let detail = self.detail(&shape, &seen).await;
        Ok(Draft { total, detail, doubts, ..self.drafted(&shape, &paging) })
    }

    /// Requests the first page, and finds the list on it.
    async fn list(&mut self) -> Result<(Shape, Seen), Exit> {
        let answer = self.fetcher.answer(Request::get(self.url.clone())).await;
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        if !is_page(&answer) {
            let status = answer.status.as_u16();
            let hint = match status {
                401 | 403 => {
                    "; --header sends what the site may ask for, and `[session]` in a site file logs in"
                }
                _ => "",
            };
            return Err(self.cannot_tell(&format!(
                "it has status {status}, expected 200, 201, 203 or 206{hint}"
            )));
        }
        // If the list has moved, the file gets its new URL.
        self.url.clone_from(&answer.page.url);
        self.answers.insert(self.url.clone(), Some(answer.clone()));
        let page = self.fetcher.unpacked(answer.page);
        let mut list = scaffold::list(&page);
        if let Err(NoList::Error(message)) = &list
            && let Some(parameters) = scaffold::remedy(message)
        {
            let url = scaffold::with_query(&self.url, &parameters);
            if let Some(answer) = self.good(url.clone()).await {
                list = scaffold::list(&self.fetcher.unpacked(answer.page));
                self.url = url;
                let names: Vec<String> =
                    parameters.iter().map(|(it, _)| format!("`{it}`")).collect();
                let note = format!("Added {}, which the site asked for.", names.join(" and "));
                list.iter_mut().for_each(|(shape, _)| shape.notes.insert(0, note.clone()));
            }
        }
        list.map_err(|why| match why {
            NoList::Html => self.is_html(),
            why => self.cannot_tell(&why.to_string()),
        })
    }

    /// Requests the first page once more, and takes a key that is the same on both. Returns a doubt
    /// if there is none, or if the page cannot be requested again.
    async fn again(&mut self, shape: &mut Shape, seen: &mut Seen) -> Option<String> {
        let answer = self.fetcher.answer(Request::get(self.url.clone())).await;
        let Some(answer) = answer.ok().filter(is_page) else {
            return Some(
                "The page did not answer a second time, so that it is not known whether its keys stay the same.".to_owned(),
            );
        };
        let again = self.fetcher.unpacked(answer.page);
        let doubt = scaffold::settle_stable(shape, &seen.page, &again);
        if let Some(read) = shape.read(seen.page.clone()) {
            *seen = read;
        }
        doubt
    }

    fn drafted(&self, shape: &Shape, paging: &Paging) -> Draft {
        Draft {
            url: self.url.clone(),
            given: self.given.clone(),
            shape: shape.clone(),
            total: None,
            paging: paging.clone(),
            detail: None,
            doubts: Vec::new(),
        }
    }

    fn site(&self, shape: &Shape, paging: &Paging) -> Option<Site> {
        Site::parse(&self.drafted(shape, paging).text_of_trial(), "draft.toml").ok()
    }

    /// Returns true if pages of the list can be read by this paging: the second one has other items.
    pub async fn is_proven(&mut self, shape: &Shape, seen: &Seen, paging: &Paging) -> bool {
        let Some(site) = self.site(shape, paging) else { return false };
        let Some(pages) = self.read(shape, paging).await else { return false };
        let read = |it: &'_ ReadPage| -> bool { it.listing.said.items > 0 };
        let is_disproved = pages.windows(2).any(|two| match two {
            [one, two] if read(two) => {
                let [one, two] = [one, two].map(|it| Read {
                    index: &it.index,
                    listing: &it.listing,
                    page: &it.page,
                });
                check::second::disproved(&site, one, two).is_some()
            }
            _ => false,
        });
        let keys: Vec<Vec<String>> = pages.iter().map(ReadPage::keys).collect();
        let listing = pages.first().map(|it| &it.listing);
        !is_disproved && scaffold::are_pages(&seen.keys, &keys, listing)
    }

    /// Reads the first pages of the list by a drafted file. `None` if one cannot be read.
    async fn read(&mut self, shape: &Shape, paging: &Paging) -> Option<Vec<ReadPage>> {
        let site = self.site(shape, paging)?;
        let mut run = site.begin(site.page_range(None)).into_iter().next();
        let mut pages: Vec<ReadPage> = Vec::new();
        while let Some((index, _)) = run.take().map(IndexRun::split) {
            let filled = pages.iter().filter(|it| it.listing.said.items > 0).count();
            if filled == PAGES || pages.len() == MOST_PAGES {
                break;
            }
            let request = site.request(&task::Page::Index(index.clone())).ok()??;
            let answer = self.answer(request).await?;
            // A page that is only a guess may be behind the end.
            if index.is_guess && pages.len() > 1 && answer.status.is_client_error() {
                break;
            }
            if !is_page(&answer) {
                return None;
            }
            let page = self.fetcher.unpacked(answer.page);
            let listing = extract::index(&site, &index.list, &page).ok()?;
            run = site.after(&index, &listing.said).and_then(|next| next.runs.into_iter().next());
            pages.push(ReadPage { index, listing, page });
        }
        Some(pages)
    }

    /// Returns a doubt if a counted list does not end as lists do: with a missing or an empty page.
    /// An empty page may lack what `require` asks for; then that is left out.
    async fn end(&mut self, shape: &mut Shape, paging: &Paging) -> Option<String> {
        let mut keys = Vec::new();
        for number in [FAR, FAR - 1] {
            let site = self.site(shape, paging).filter(|_| paging.is_guessed())?;
            let first = site.begin(site.page_range(None)).into_iter().next()?.split().0;
            let far = IndexPage { number, is_guess: true, ..first };
            let request = site.request(&task::Page::Index(far.clone())).ok()??;
            let Some(answer) = self.answer(request).await else {
                return Some(
                    "Behind the last page the site does not answer, so that the end of the list is not known.".to_owned(),
                );
            };
            match answer.status.as_u16() {
                204 | 404 | 410 => return None,
                _ if is_page(&answer) => {}
                status => {
                    return Some(format!(
                        "Behind the last page the site answers with status {status}, which a crawl takes for a failure. If this is how the list ends, write `[answers] end = [204, 404, 410, {status}]`; but some sites refuse pages beyond a limit in the same way."
                    ));
                }
            }
            let page = self.fetcher.unpacked(answer.page);
            let read = |site: &Site| extract::index(site, &far.list, &page);
            let listing = read(&site).or_else(|error| {
                shape.require = None;
                self.site(shape, paging).map_or(Err(error), |site| read(&site))
            });
            let listing = match listing {
                Ok(listing) => listing,
                Err(error) => {
                    return Some(format!(
                        "Behind the last page the site answers with what is no page of the list: {error}. `[answers] missing` can name what such a page has."
                    ));
                }
            };
            let found = ReadPage { index: far, listing, page }.keys();
            if found.is_empty() {
                return None;
            }
            keys.push(found);
        }
        (keys.first() == keys.last()).then(|| {
            "Behind the last page the site repeats a page, so that the end of the list cannot be told: look for a count or a link to the next page.".to_owned()
        })
    }

    async fn detail(&mut self, shape: &Shape, seen: &Seen) -> Option<Detail> {
        let (item, key) = (shape.first(seen)?, seen.keys.first()?);
        let field = shape.keys.first()?.field()?.to_owned();
        let candidates = scaffold::candidates(&self.url, item, key);
        for (place, url) in candidates.into_iter().take(DETAIL_PROBES) {
            let Some(answer) = self.good(url.clone()).await else { continue };
            // A page that is reached by a redirect has another URL, which is tried as well.
            if !answer.redirects.is_empty() {
                continue;
            }
            let Some(body) = scaffold::object(&answer.page) else { continue };
            let Some(document) = scaffold::is_page_of(&body, &field, key) else { continue };
            let whole = document.as_ref().and_then(|path| scaffold::at(&body, path));
            let says_more = scaffold::says_more(whole.unwrap_or(&body), item);
            return Some(Detail { place, document, says_more, looked_at: shown(&url) });
        }
        None
    }

    /// Fetches a further page of the list.
    pub async fn page(&mut self, shape: &Shape, url: Url) -> Option<Seen> {
        let answer = self.good(url).await?;
        shape.read(self.fetcher.unpacked(answer.page))
    }

    /// Makes a request. Returns the answer if it is a page, or `None` otherwise.
    async fn good(&mut self, url: Url) -> Option<Answer> {
        let answer = self.answer(Request::get(url)).await?;
        is_page(&answer).then_some(answer)
    }

    async fn answer(&mut self, request: Request) -> Option<Answer> {
        let is_plain = request.body.is_none();
        if let Some(known) = self.answers.get(&request.url).filter(|_| is_plain) {
            return known.clone();
        }
        let url = request.url.clone();
        let answer = self.fetcher.answer(request).await.ok();
        if is_plain {
            self.answers.insert(url, answer.clone());
        }
        answer
    }

    /// Returns true if a URL is of the site's own origin.
    pub fn is_own(&self, url: &Url) -> bool {
        Home { site: self.url.clone(), hosts: Vec::new() }.is_own(url)
    }

    fn no_answer(&self, error: &FetchError) -> Exit {
        let exit = self.cannot_tell(&error.to_string());
        if check::is_unreachable(error) { Exit::Failed } else { exit }
    }

    fn is_html(&self) -> Exit {
        let url = shown(&self.url);
        let hint = "The site's pages may use an API that answers JSON: look for it in the network tab of a browser. Otherwise write the file by hand, starting from `gleaner sites douban-top250`; this command shows what a selector matches:";
        let command = format!("gleaner fetch '{url}' --select 'a::attr(href)'");
        self.report_no_file(&NoList::Html.to_string(), hint, &command)
    }

    fn cannot_tell(&self, why: &str) -> Exit {
        let hint = "Write the file by hand, starting from `gleaner sites books`; this command shows the site's answer:";
        let command = format!("gleaner fetch '{}'", shown(&self.url));
        self.report_no_file(why, hint, &command)
    }

    fn report_no_file(&self, why: &str, hint: &str, command: &str) -> Exit {
        let first = format!("could not draft a site file from {}: {why}", shown(&self.url));
        let (first, hint) = (wrapped("error: ", "  ", &first), wrapped("", "", hint));
        self.voice.print_message(&format!("{first}{hint}  {}\n", plain(command)));
        Exit::Incomplete
    }
}
