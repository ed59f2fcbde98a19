//! Reads list pages: submits their items and the pages that follow them to the frontier.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::attempt::{After, Attempt};
use super::context::WorkerContext;
use super::{passes, trouble};
use crate::engine::error::CrawlError;
use crate::engine::list_progress::{Answer, Rules, Turn, between, left_out};
use crate::engine::retry_failures::Wanted;
use crate::extract::{self, Item, Listing, PageError, SeedsFound};
use crate::fetch::{self, End, FetchError, Sample};
use crate::frontier::{Retry, Submitted};
use crate::model::document::Digest;
use crate::model::failure::{Failure, PageId};
use crate::model::record::Key;
use crate::model::report::Kind;
use crate::model::seed::SeedPath;
use crate::model::task::{DetailPage, Done, Entry, FollowUps, IndexPage, List, Task};
use crate::model::text::counted;
use crate::model::text::secret::shown;
use crate::select::NoKey;
use crate::site::{PageSaid, Site};
use crate::system::clock;

/// Status of an answer without content.
const NO_CONTENT: u16 = 204;
/// Number of listed items that are submitted at once.
const AT_ONCE: usize = 10_000;
/// Maximum delay of a free retry; the delay is random.
const SPREAD: Duration = Duration::from_secs(1);

/// Reads a list page.
pub async fn read_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    index: IndexPage,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    match &index.list {
        List::Seeds(path) => read_seeds(context, attempt, &index, path, page).await,
        _ => read_items(context, attempt, index, page).await,
    }
}

/// Reads a page that names categories: each leads to a list of its own.
async fn read_seeds(
    context: &WorkerContext,
    attempt: &mut Attempt,
    index: &IndexPage,
    path: &SeedPath,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    let list = index.list.clone();
    let read = move |site: &Site, page: &fetch::Page| seeds_on(site, &list, page);
    let (page, found) = context.pages.read(page, read).await;
    let SeedsFound { seeds, mut said, odd, gaps, decoding } = match found {
        Ok(found) => found,
        Err(error) => return after_bad_page(context, attempt, index, error, &page).await,
    };
    let names = || seeds.iter().map(|seed| &*seed.text);
    let turn = match turn_after(context, index, &mut said, &page, names()) {
        Turn::OtherKind(why) => {
            let error = PageError::OtherKind(why);
            return after_bad_page(context, attempt, index, error, &page).await;
        }
        turn => turn,
    };
    attempt.end(End::Page)?;
    if turn == Turn::AskAgain {
        return Ok(once_more());
    }
    report_oddities(context, index, odd, gaps);
    on_page_read(context, attempt.task(), index, true).await?;
    context.reports.decoded(&page, decoding);
    context.findings.lists.listed(index, names(), 0, 0);
    let lists = context.site.lists(path, seeds.iter().cloned(), context.scope.range);
    passes::submit(context, lists)?;
    passes::follow(context, index, turn)?;
    done(context, index).await
}

async fn read_items(
    context: &WorkerContext,
    attempt: &mut Attempt,
    index: IndexPage,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    let list = index.list.clone();
    let read = move |site: &Site, page: &fetch::Page| extract::index(site, &list, page);
    let (page, listing) = context.pages.read(page, read).await;
    let mut listing = match listing {
        Ok(listing) => listing,
        Err(error) => return after_bad_page(context, attempt, &index, error, &page).await,
    };
    let Listing { items, said, .. } = &mut listing;
    if said.items == 0 {
        said.hints.led_to = context.pages.list_led_away(attempt.task(), &page.url);
    }
    let keys = || items.iter().flatten().map(|item| item.key.as_str());
    let by_body = keys().next().is_none() || context.site.index.merge;
    let turn = if !context.site.index.paging.is_sequence() {
        turn_after(context, &index, said, &page, std::iter::empty())
    } else if said.items > 0 && by_body {
        // Pages whose items have no keys, or parts of the same items, are compared by their bodies.
        let body = Digest::of(&page.body).to_string();
        turn_after(context, &index, said, &page, std::iter::once(body.as_str()))
    } else {
        turn_after(context, &index, said, &page, keys())
    };
    if let Turn::OtherKind(why) = turn {
        let error = PageError::OtherKind(why);
        return after_bad_page(context, attempt, &index, error, &page).await;
    }
    attempt.end(End::Page)?;
    if turn == Turn::AskAgain {
        return Ok(once_more());
    }
    context.reports.decoded(&page, listing.decoding);
    let is_whole = listing.items.iter().all(Result::is_ok);
    on_page_read(context, attempt.task(), &index, is_whole).await?;
    take_in(context, attempt.task(), index, listing, turn, Some(&page)).await
}

/// Returns the action after a list page that was read.
fn turn_after<'k>(
    context: &WorkerContext,
    index: &IndexPage,
    said: &mut PageSaid,
    page: &fetch::Page,
    names: impl Iterator<Item = &'k str>,
) -> Turn {
    let rules = rules_of(context, &index.list);
    rules.complete(&context.site, index, said);
    let answer = Answer::Page(said);
    context.findings.lists.take(&rules, index, answer, page.content_type(), names)
}

fn rules_of<'c>(context: &'c WorkerContext, list: &List) -> Rules<'c> {
    let WorkerContext { site, scope, .. } = context;
    Rules::of(site, list, scope.retries > 0, scope.kind != Kind::Limited)
}

/// Takes in a page of keys that are known without a request.
pub async fn read_known_keys(
    context: &WorkerContext,
    task: &Task,
    index: IndexPage,
) -> Result<After, CrawlError> {
    let keys = context.site.known_keys(&index).unwrap_or_default();
    let listing = extract::known(keys, context.site.known_count());
    let (rules, said) = (rules_of(context, &index.list), Answer::Page(&listing.said));
    let turn = context.findings.lists.take(&rules, &index, said, None, std::iter::empty());
    take_in(context, task, index, listing, turn, None).await
}

/// Submits the items of a page and the pages that follow it.
async fn take_in(
    context: &WorkerContext,
    task: &Task,
    index: IndexPage,
    listing: Listing,
    turn: Turn,
    page: Option<&fetch::Page>,
) -> Result<After, CrawlError> {
    let WorkerContext { scope, findings, reports, .. } = context;
    let lists = &findings.lists;
    let Listing { items, said, odd, gaps, .. } = listing;
    report_oddities(context, &index, odd, gaps);
    let (items, keyless): (Vec<_>, Vec<_>) = items.into_iter().partition(Result::is_ok);
    let items: Vec<Item> = items.into_iter().flatten().collect();
    let items = match context.site.index.merge {
        true => merged(context, &index, items, &turn),
        false => items,
    };
    let keyless: Vec<NoKey> = keyless.into_iter().filter_map(Result::err).collect();
    let first_items = lists.first_items(&index);
    let between = between(&rules_of(context, &index.list), &index, &said, first_items);
    between.into_iter().for_each(|gap| reports.problems.gap(gap));
    let names: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let names = || names.iter().map(Key::as_str);
    items.iter().for_each(|item| reports.list_fields.note(&item.matched));
    // Items without keys are only counted in the first pass: a later pass could not tell them apart.
    let is_counted = index.pass == 1 && index.number >= scope.range.from;
    let keyless = if is_counted { keyless } else { Vec::new() };
    let without_key = keyless.len() as u64;
    keep_keyless(context, task, page, keyless).await?;
    // Pages before the range are only read because they lead to pages in it.
    let items = if index.number < scope.range.from { Vec::new() } else { items };
    let submitted = submit_items(context, &index, items).await?;
    if submitted.limited {
        lists.reach_limit();
    }
    lists.differ(&index, &submitted.differing, names());
    let new = lists.listed(&index, names(), submitted.details, without_key);
    // A limited run, or one that retries failures, does not see all items, so its pages may seem to
    // have no new ones.
    let is_all = scope.kind != Kind::Limited && matches!(scope.wanted, Wanted::All);
    if is_all && said.items > 0 && !context.site.index.merge {
        lists.brought(&index, new);
        let left_out = left_out(context.site.paging_of(&index.list), &index, new);
        left_out.into_iter().for_each(|gap| reports.problems.gap(gap));
    }
    reports.metrics.listed(submitted.details, lists.declared());
    if !submitted.limited {
        passes::follow(context, &index, turn)?;
    }
    done(context, &index).await
}

/// Merges the items of a page with those of the pages before it, and returns those that are whole. The
/// items of a page after which the list stops, but does not end, may lack parts: they are not stored.
fn merged(context: &WorkerContext, index: &IndexPage, items: Vec<Item>, turn: &Turn) -> Vec<Item> {
    let lists = &context.findings.lists;
    let whole = lists.merge(index, items, matches!(turn, Turn::End | Turn::Inside));
    let goes_on = matches!(turn, Turn::Onward(_)) && index.number < context.scope.range.to;
    let held = if goes_on { 0 } else { lists.held(index) };
    if held > 0 {
        context.reports.problems.gap(format!(
            "{} of {index} not stored: further parts may be on the next page, which is not requested",
            counted(held as u64, "item", "items")
        ));
    }
    whole
}

/// Ends the task of a list page after all its follow-ups were submitted.
pub async fn done(context: &WorkerContext, index: &IndexPage) -> Result<After, CrawlError> {
    passes::page_done(context, index, false).await?;
    Ok(After::Done(Done::Read))
}

/// Notes that a list page was read, and deletes its stored failure. The failure is kept if items of
/// the page have no key, or if an earlier pass stored it for the page's content.
async fn on_page_read(
    context: &WorkerContext,
    task: &Task,
    index: &IndexPage,
    is_whole: bool,
) -> Result<(), CrawlError> {
    context.reports.metrics.page_read();
    let may_have_failed = index.pass == 1 || context.findings.lists.is_lost(index);
    if is_whole && may_have_failed && context.storage.has_failures.load(Relaxed) {
        let page = task.page.hidden(&context.policy.scrubber);
        context.storage.store.clear_failures(&[PageId::from(&*page)]).await?;
    }
    Ok(())
}

/// Decides what becomes of a list page whose request failed: its list may end there.
pub async fn after_error(
    context: &WorkerContext,
    attempt: &mut Attempt,
    index: &IndexPage,
    error: FetchError,
) -> Result<After, CrawlError> {
    if error.status() == Some(NO_CONTENT) && may_be_unchanged(context, index) {
        return nothing_changed(context, attempt, index).await;
    }
    let is_end = error.status().is_some_and(|status| context.site.statuses.is_end(status));
    if is_end && let Some(after) = no_such_page(context, attempt, index).await? {
        return Ok(after);
    }
    trouble::after_error(context, attempt, error)
}

/// Decides what becomes of a list page that cannot be read: its list may end there.
async fn after_bad_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    index: &IndexPage,
    error: PageError,
    page: &fetch::Page,
) -> Result<After, CrawlError> {
    let is_gone = matches!(error, PageError::Gone(_));
    if is_gone && may_be_unchanged(context, index) {
        return nothing_changed(context, attempt, index).await;
    }
    if is_gone && let Some(after) = no_such_page(context, attempt, index).await? {
        return Ok(after);
    }
    trouble::after_bad_page(context, attempt, error, page)
}

/// Returns true if a page may say that nothing has changed: the first one of a list that is asked only
/// for that.
fn may_be_unchanged(context: &WorkerContext, index: &IndexPage) -> bool {
    let is_first =
        index.number == 1 && index.place.is_none() && matches!(index.list, List::Items(_));
    is_first && context.scope.kind.since().is_some() && context.site.index.since.is_some()
}

/// Takes in the answer that nothing has changed: no content, or what the site file names as missing.
/// Not a status such as 404, which a list that has moved answers, too.
async fn nothing_changed(
    context: &WorkerContext,
    attempt: &mut Attempt,
    index: &IndexPage,
) -> Result<After, CrawlError> {
    attempt.end(End::Page)?;
    on_page_read(context, attempt.task(), index, true).await?;
    let (rules, said) = (rules_of(context, &index.list), PageSaid::default());
    context.findings.lists.take(&rules, index, Answer::Page(&said), None, std::iter::empty());
    done(context, index).await
}

/// Handles a list page that does not exist and may be missing: its list ends before it, once the
/// site has said so twice. Returns `None` if the page should exist.
async fn no_such_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    index: &IndexPage,
) -> Result<Option<After>, CrawlError> {
    let lists = &context.findings.lists;
    let rules = rules_of(context, &index.list);
    let turn = lists.take(&rules, index, Answer::Absent, None, std::iter::empty());
    if turn == Turn::Lost {
        return Ok(None);
    }
    attempt.end(End::Absent)?;
    if turn == Turn::AskAgain {
        return Ok(Some(once_more()));
    }
    if !index.is_guess {
        // That an item of the parent has no children is nothing to compare sweeps by.
        if context.storage.parent.is_none() {
            lists.note_absent(&index.list);
        }
        context.reports.problems.note(format!("{} is not there, and counts as empty", index.list));
    }
    passes::follow(context, index, turn)?;
    done(context, index).await.map(Some)
}

/// Requests a page again, at no cost.
pub fn once_more() -> After {
    After::Retry(Retry { after: SPREAD.mul_f64(fastrand::f64()), costs_attempt: false })
}

fn report_oddities(
    context: &WorkerContext,
    index: &IndexPage,
    odd: Vec<String>,
    gaps: Vec<String>,
) {
    let problems = &context.reports.problems;
    odd.into_iter().for_each(|odd| problems.note(odd));
    gaps.into_iter().for_each(|gap| problems.gap_at(index, gap));
}

/// Submits the listed items in chunks, so that a million of them do not block other tasks.
async fn submit_items(
    context: &WorkerContext,
    index: &IndexPage,
    items: Vec<Item>,
) -> Result<Submitted, CrawlError> {
    let (mut all, mut items) = (Submitted::default(), items.into_iter());
    while items.len() > 0 {
        let chunk = items.by_ref().take(AT_ONCE).collect();
        let details = wanted_details(context, index, chunk).await?;
        let submitted = context.frontier.submit(FollowUps { index: Vec::new(), details })?;
        all.details += submitted.details;
        all.limited |= submitted.limited;
        all.differing.extend(submitted.differing);
        if items.len() > 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(all)
}

/// Returns the listed items that are wanted, with what the store knows of them.
async fn wanted_details(
    context: &WorkerContext,
    index: &IndexPage,
    items: Vec<Item>,
) -> Result<Vec<DetailPage>, CrawlError> {
    let keys: Vec<Key> = items.iter().map(|item| item.key.clone()).collect();
    let known = context.storage.lookup.known(keys).await?;
    if let Some(twins) = &context.findings.twins {
        // Before any of them is read: what is stored tells whether equal documents are an accident.
        let stored = items.iter().filter_map(|item| known.get(&item.key)).map(|known| &**known);
        twins.stored(stored, &context.policy.provenance.sweep);
    }
    let (has_links, ignore) = (context.site.takes_links(), &context.site.ignore);
    let detail = |Item { key, listed, .. }| {
        let known = known.get(&key).cloned();
        let wanted = context.scope.wanted.takes(&key, known.is_some());
        let print = listed.as_ref().map(|it| extract::entry::print(it, has_links, ignore));
        let entry = print.map_or_else(Entry::default, |print| Entry::new(index.pass, print));
        let listed = listed.map(Box::new);
        wanted.then_some(DetailPage { known, listed, entry, ..DetailPage::of(key) })
    };
    Ok(items.into_iter().filter_map(detail).collect())
}

/// Keeps the items of a page that have no key as one failure of the page.
async fn keep_keyless(
    context: &WorkerContext,
    task: &Task,
    page: Option<&fetch::Page>,
    keyless: Vec<NoKey>,
) -> Result<(), CrawlError> {
    let Some(first) = keyless.first() else { return Ok(()) };
    let message = format!("{} items without a key, the first: {first}", keyless.len());
    context.reports.problems.gap_at(&task.page, &message);
    let failure = Failure {
        page: task.page.clone(),
        url: page.map_or_else(String::new, |page| shown(&page.url)).into(),
        reason: "key",
        message,
        status: page.map(|_| 200),
        attempts: task.attempt,
        sample: page.and_then(|page| Sample::of(&page.body)).map(Sample::into_text),
        at: clock::now(),
    };
    for _ in keyless {
        context.reports.metrics.listed_without_key();
    }
    let failure = failure.hidden(&context.policy.scrubber);
    Ok(context.storage.store.keep_failures(&context.policy.provenance, &[failure]).await?)
}

fn seeds_on(site: &Site, list: &List, page: &fetch::Page) -> Result<SeedsFound, PageError> {
    match site.seeds.page_of(list) {
        Some(rules) => extract::seeds(rules, page),
        None => Ok(SeedsFound::default()),
    }
}
