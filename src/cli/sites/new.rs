//! `gleaner sites new`: makes a few requests to a list and writes a first site file. What to request and
//! what the answers mean is decided in [`crate::tools::scaffold`].

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use url::Url;

use super::super::check::fetcher;
use super::super::client::{ClientArgs, scrubber};
use super::super::exit::{Exit, failed};
use super::super::signals::Signals;
use super::super::streams::{Voice, print, print_message};
use super::super::usage::refused;
use crate::fetch::{Answer, FetchError, Fetcher, Home, Request};
use crate::site::Site;
use crate::site::settings::Settings;
use crate::text::secret::shown;
use crate::text::{plain, wrapped};
use crate::tools::check;
use crate::tools::scaffold::{
    self, At, Count, Detail, Draft, End, Moved, NoList, Onward, Paging, Probe, Scheme, Seen, Shape,
};

/// Maximum number of requests that determine the kind of paging.
const PAGING_PROBES: usize = 5;
/// Maximum number of requests that search for an item's page.
const DETAIL_PROBES: usize = 3;
/// Number of items to request per page.
const PAGE_SIZE: u64 = 100;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
URL is a list in the site's own API: JSON with a list of objects. About ten
requests detect the paging, the key of the items and the pages of the items;
robots.txt is ignored. Comments in the file say what was detected and what to
check.

Exit codes: 0 drafted, 1 no answer, 2 usage, 3 could not draft a file.";

/// Arguments of `gleaner sites new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// URL of the list
    url: String,

    /// Write to this file [default: standard output]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Replace an existing file
    #[arg(long, requires = "output")]
    force: bool,

    #[command(flatten)]
    client: ClientArgs,
}

/// Makes the requests, and writes the site file.
pub async fn run(arguments: NewArgs) -> Exit {
    try_run(arguments).await.unwrap_or_else(|exit| exit)
}

async fn try_run(arguments: NewArgs) -> Result<Exit, Exit> {
    let NewArgs { url, output, force, client } = arguments;
    let url = list_url(&url).map_err(|error| refused("URL", &error))?;
    if let Some(path) = output.as_deref().filter(|path| !force && path.exists()) {
        let message = format!("{} exists; use --force to replace it", path.display());
        return Err(refused("--output", &message));
    }
    let settings = client.apply(Settings::default())?;
    let home = Home { site: url.clone(), hosts: Vec::new() };
    let voice = Voice(scrubber(&settings, |of_site| of_site.url(url.as_str())));
    let mut asker = Asker { fetcher: fetcher(&settings, home)?, url, voice };
    let mut signals = Signals::listen().map_err(|error| failed(&error.into()))?;
    let draft = tokio::select! {
        draft = asker.draft() => draft?,
        signal = signals.next() => return Err(Exit::Interrupted(signal)),
    };
    let path = output
        .as_ref()
        .map_or_else(|| format!("{}.toml", draft.name()), |path| path.display().to_string());
    let text = asker.voice.0.scrub_cut(&draft.text(&path));
    if let Err(error) = Site::parse(&text, &path) {
        let message = "the draft is not a valid site file; write one by hand, starting from `gleaner sites books`";
        asker.voice.failed(&anyhow!(error).context(message));
        return Err(Exit::Incomplete);
    }
    match output {
        None => print(text.as_bytes())?,
        Some(path) => {
            write(&path, &text, force).map_err(|error| failed(&error))?;
            let path = path.display();
            print_message(&format!("wrote {path}; next: gleaner check {path}\n"));
        }
    }
    Ok(Exit::Complete)
}

fn write(path: &Path, text: &str, force: bool) -> anyhow::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    if !force {
        options.create_new(true);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("{} cannot be written", path.display()))
}

fn list_url(text: &str) -> Result<Url, String> {
    let bad = |error: String| format!("{error}; write https://host/path");
    let mut url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad(format!("{}: is neither http nor https", url.scheme())));
    }
    url.set_fragment(None);
    Ok(url)
}

/// Makes the requests.
struct Asker {
    fetcher: Fetcher,
    /// URL of the list.
    url: Url,
    voice: Voice,
}

/// A paging scheme that works, how it moves through the list, and the answer that showed it.
struct Found {
    scheme: Scheme,
    moved: Moved,
    answer: Seen,
}

impl Asker {
    async fn draft(&mut self) -> Result<Draft, Exit> {
        let answer = self.fetcher.answer(Request::get(self.url.clone())).await;
        let answer = answer.map_err(|error| self.no_answer(&error))?;
        if answer.status.as_u16() != 200 {
            let status = answer.status.as_u16();
            let hint = match status {
                401 | 403 => {
                    "; --header sends what the site may ask for, and `[session]` in a site file logs in"
                }
                _ => "",
            };
            return Err(self.cannot_tell(&format!("it has status {status}, expected 200{hint}")));
        }
        // If the list has moved, the file gets its new URL.
        self.url.clone_from(&answer.page.url);
        let list = scaffold::list(answer.page).map_err(|why| match why {
            NoList::Html => self.is_html(),
            why => self.cannot_tell(&why.to_string()),
        });
        let (shape, seen) = list?;
        let counts = scaffold::counts(&seen);
        let (paging, counts) = self.paging(&shape, &seen, counts).await;
        let total = counts.first().and_then(|count| count.on(&seen));
        let detail = self.detail(&shape, &seen).await;
        let is_single = paging == Paging::Single;
        let lost = scaffold::next_link(&seen).map(|(_, url)| url).filter(|_| is_single);
        let (url, items) = (self.url.clone(), seen.keys.len());
        Ok(Draft { url, shape, items, total, paging, lost, detail })
    }

    /// Returns the kind of paging, and those of the counts that are of the whole list.
    async fn paging(
        &self,
        shape: &Shape,
        seen: &Seen,
        mut counts: Vec<Count>,
    ) -> (Paging, Vec<Count>) {
        let last_pages = scaffold::last_pages(seen);
        let next = scaffold::next_link(seen).filter(|(_, url)| self.is_own(url));
        let cursor = scaffold::cursor(seen);
        let is_numbered = !counts.is_empty() || !last_pages.is_empty();
        let mut numbered = None;
        if is_numbered || next.is_none() && cursor.is_none() {
            let schemes = scaffold::schemes(&self.url, next.as_ref().map(|(_, url)| url));
            if let Some(found) = self.scheme(shape, seen, schemes).await {
                counts.retain(|count| scaffold::is_of_all(count, seen, &found.answer));
                numbered = self.numbered(shape, seen, found, &counts, &last_pages).await;
            }
        }
        let is_certain =
            matches!(&numbered, Some(Paging::Numbered { end, .. }) if *end != End::Unknown);
        if !is_certain {
            if let Some(paging) = self.in_turn(shape, seen, next).await {
                return (paging, counts);
            }
            if let Some(paging) = self.by_cursor(shape, seen, cursor).await {
                return (paging, counts);
            }
        }
        (numbered.unwrap_or(Paging::Single), counts)
    }

    /// Returns the first scheme that works. Prefers one that also sets the number of items per
    /// page.
    async fn scheme(&self, shape: &Shape, seen: &Seen, schemes: Vec<Scheme>) -> Option<Found> {
        let mut best: Option<Found> = None;
        let mut unknown: Vec<String> = Vec::new();
        let mut probes = 0;
        for scheme in schemes {
            let is_other = best.as_ref().is_some_and(|best| best.scheme.at != scheme.at);
            if is_other || unknown.contains(&scheme.at) || probes == PAGING_PROBES {
                continue;
            }
            probes += 1;
            let probe = scheme.probe(seen.keys.len());
            let answer = self.page(shape, scheme.url(&self.url, probe)).await;
            // The site may answer with an error to only one of the two parameters.
            let Some(answer) = answer else { continue };
            match scheme.moved(probe, &seen.keys, &answer.keys) {
                Some(moved) if moved.sized => return Some(Found { scheme, moved, answer }),
                Some(moved) if best.is_none() => best = Some(Found { scheme, moved, answer }),
                Some(_) => {}
                None => unknown.push(scheme.at),
            }
        }
        best.map(|found| Found { scheme: Scheme { size: None, ..found.scheme }, ..found })
    }

    /// Returns the paging by a scheme that works, with as many items per page as the site allows.
    async fn numbered(
        &self,
        shape: &Shape,
        seen: &Seen,
        found: Found,
        counts: &[Count],
        last_pages: &[Count],
    ) -> Option<Paging> {
        let Found { scheme, moved, .. } = found;
        let first = match moved.first {
            Some(first) => first,
            None => self.first_page(shape, seen, &scheme).await?,
        };
        let mut items = seen.keys.len() as u64;
        if moved.sized {
            let at = if scheme.by == At::Page { first } else { 0 };
            let probe = Probe { at, size: PAGE_SIZE };
            if let Some(large) = self.page(shape, scheme.url(&self.url, probe)).await {
                let same = counts.iter().all(|count| count.on(&large) == count.on(seen));
                let goes_on = large.keys.starts_with(&seen.keys);
                let many = large.keys.len() as u64;
                if same && goes_on && many > items && many <= PAGE_SIZE {
                    items = many;
                }
            }
        }
        let end = match (counts.first(), last_pages.first()) {
            (Some(total), _) => End::Total(total.clone()),
            (None, Some(last)) if scheme.by == At::Page => End::Last(last.clone()),
            _ => End::Unknown,
        };
        Some(Paging::Numbered { scheme, items, first, end })
    }

    /// Returns the number of the first page, 0 or 1.
    async fn first_page(&self, shape: &Shape, seen: &Seen, scheme: &Scheme) -> Option<u64> {
        let probe = Probe { at: 1, size: PAGE_SIZE };
        let answer = self.page(shape, scheme.url(&self.url, probe)).await?;
        Some(if answer.keys == seen.keys { 1 } else { 0 })
    }

    async fn in_turn(
        &self,
        shape: &Shape,
        seen: &Seen,
        next: Option<(scaffold::NextAt, Url)>,
    ) -> Option<Paging> {
        let (at, url) = next?;
        let answer = self.page(shape, url.clone()).await?;
        if !is_other(seen, &answer) {
            return None;
        }
        let size = match scaffold::size_of_next(&url) {
            Some(name) => self.larger(shape, seen, name).await,
            None => None,
        };
        Some(Paging::InTurn { onward: Onward::Link(at), size })
    }

    async fn by_cursor(
        &self,
        shape: &Shape,
        seen: &Seen,
        cursor: Option<(scaffold::Path, String, Vec<&'static str>)>,
    ) -> Option<Paging> {
        let (path, value, names) = cursor?;
        for name in names {
            let url = scaffold::with_query(&self.url, &[(name, value.clone())]);
            let answer = self.page(shape, url).await;
            if answer.is_some_and(|answer| is_other(seen, &answer)) {
                let onward = Onward::Cursor(path, name.to_owned());
                let size = self.larger(shape, seen, "limit".to_owned()).await;
                return Some(Paging::InTurn { onward, size });
            }
        }
        None
    }

    /// Returns the parameter and the page size if it brings more items on the first page, or `None`
    /// otherwise.
    async fn larger(&self, shape: &Shape, seen: &Seen, name: String) -> Option<(String, u64)> {
        let url = scaffold::with_query(&self.url, &[(&name, PAGE_SIZE.to_string())]);
        let answer = self.page(shape, url).await?;
        let is_larger = answer.keys.len() > seen.keys.len() && answer.keys.starts_with(&seen.keys);
        is_larger.then_some((name, PAGE_SIZE))
    }

    async fn detail(&self, shape: &Shape, seen: &Seen) -> Option<Detail> {
        let (item, key) = (shape.first(seen)?, seen.keys.first()?);
        let candidates = scaffold::candidates(&self.url, item, key);
        for (place, url) in candidates.into_iter().take(DETAIL_PROBES) {
            let Some(answer) = self.good(url.clone()).await else { continue };
            // A page that is reached by a redirect has another URL, which is tried as well.
            if !answer.redirects.is_empty() {
                continue;
            }
            let Some(body) = scaffold::object(&answer.page) else { continue };
            let Some(document) = scaffold::is_page_of(&body, &shape.key, key) else { continue };
            let whole = document.as_ref().and_then(|path| path.find(&body)).unwrap_or(&body);
            let says_more = scaffold::says_more(whole, item);
            return Some(Detail { place, document, says_more, looked_at: shown(&url) });
        }
        None
    }

    /// Fetches a further page of the list.
    async fn page(&self, shape: &Shape, url: Url) -> Option<Seen> {
        shape.read(self.good(url).await?.page)
    }

    /// Makes a request. Returns the answer if its status is 200, or `None` otherwise.
    async fn good(&self, url: Url) -> Option<Answer> {
        let answer = self.fetcher.answer(Request::get(url)).await.ok()?;
        (answer.status.as_u16() == 200).then_some(answer)
    }

    fn is_own(&self, url: &Url) -> bool {
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

fn is_other(first: &Seen, answer: &Seen) -> bool {
    !answer.keys.is_empty() && answer.keys.iter().all(|key| !first.keys.contains(key))
}
