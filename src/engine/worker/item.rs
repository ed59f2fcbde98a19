//! Turns item pages and list entries into records for the writer.

use std::mem::take;

use url::Url;

use super::attempt::{After, Attempt};
use super::context::WorkerContext;
use super::trouble::Trouble;
use super::{fate, parts, unlisted};
use crate::engine::error::CrawlError;
use crate::engine::refresh::gone::Sight;
use crate::engine::refresh::redirect::Lead;
use crate::engine::refresh::{self, Origin, Plan, is_taken_over, revision};
use crate::engine::retry_failures::Wanted;
use crate::engine::writer::Outcome;
use crate::extract::{self, Detail, Making};
use crate::fetch::retry::{self, Decision};
use crate::fetch::{self, ETAG, End, HeaderMap, HeaderName, LAST_MODIFIED};
use crate::frontier::Retry;
use crate::model::document::Document;
use crate::model::record::{Fetched, Key, PageVersion, Seen};
use crate::model::task::{Content, DetailPage, Done, Listed, Page};
use crate::model::text::plain;
use crate::site::Site;
use crate::system::clock;

/// Reads an item's page into a record.
pub async fn read_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    mut item: DetailPage,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    if item.assembly.is_some() {
        return Box::pin(parts::read_page(context, attempt, item, page)).await;
    }
    if item.is_unlisted {
        return Box::pin(unlisted::read_page(context, attempt, &item, page)).await;
    }
    if let Some(after) = after_redirect(context, attempt, &item.key, &page.url)? {
        return Ok(after);
    }
    if context.site.assembles() {
        return Box::pin(parts::begin(context, attempt, item, page)).await;
    }
    let encoding = context.storage.store.encoding();
    let content = item.listed.as_mut().map(|listed| take(&mut listed.content)).unwrap_or_default();
    let read = context
        .pages
        .read(page, move |site, page| {
            let making = Making { listed: &content, ignore: &site.ignore, encoding };
            match &site.detail {
                Some(rules) => extract::detail(rules, page, making),
                None => extract::of_list(making),
            }
        })
        .await;
    let (page, Detail { document, matched, revision, decoding }) = match read {
        (page, Ok(detail)) => (page, detail),
        (page, Err(error)) => return fate::after_bad_page(context, attempt, error, &page),
    };
    context.reports.decoded(&page, decoding);
    attempt.end(End::Page)?;
    let listed = item.listed.as_ref().and_then(|listed| listed.revision.clone());
    let is_older = is_older(revision.as_deref(), listed.as_deref());
    if is_older && let Some(retry) = retry_older(context, attempt, &revision) {
        return Ok(After::Retry(retry));
    }
    context.reports.fields.note(&matched);
    let origin = Origin {
        url: place_of(context, &item, &page),
        is_link: context.site.takes_links(),
        version: PageVersion {
            etag: fetch::validator(&page.headers, ETAG).map(Into::into),
            last_modified: fetch::validator(&page.headers, LAST_MODIFIED).map(Into::into),
            // The revision of an older page makes the next sweep request the item again.
            revision: if is_older { revision } else { listed },
        },
    };
    Ok(record(context, item, origin, document))
}

/// Handles a redirect of an item's request to an address that is not the item's own. Returns `None`
/// if there was none, or the address may be the item's: then the response counts.
fn after_redirect(
    context: &WorkerContext,
    attempt: &mut Attempt,
    key: &Key,
    to: &Url,
) -> Result<Option<After>, CrawlError> {
    let Some(address) = context.pages.item_led_away(key, attempt.task(), to) else {
        return Ok(None);
    };
    // A run that retries failures sees too few items to know that an address is not shared.
    let is_retry = matches!(context.scope.wanted, Wanted::Failed { .. });
    let after = match context.findings.redirects.note(key, &address) {
        Lead::Alone if !is_retry => return Ok(None),
        // Nothing is stored before all other items were requested.
        Lead::AskAgain => After::RetryAtTheEnd,
        Lead::Alone | Lead::Shared => After::GiveUp(Trouble::Led(address)),
    };
    attempt.end(End::Unused { was_sent: true })?;
    Ok(Some(after))
}

/// Returns the URL of an item: the one that its list gives, even if that redirects, or else the
/// page's.
pub fn place_of(context: &WorkerContext, item: &DetailPage, page: &fetch::Page) -> Box<str> {
    let link = item.listed.as_deref().and_then(|listed| listed.url.as_deref());
    let link = link.filter(|_| context.site.takes_links()).and_then(|link| Url::parse(link).ok());
    context.policy.scrubber.url(link.as_ref().unwrap_or(&page.url)).into()
}

/// Ends an item that need not be requested.
pub fn settled(context: &WorkerContext, item: &DetailPage, plan: Plan) -> After {
    context.findings.canary.unread(false);
    let is_recent = match plan {
        Plan::Done(verdict) => return After::Done(Done::Kept(verdict)),
        Plan::Recent => true,
        Plan::Same | Plan::Fetch(_) => false,
    };
    let known = item.known.as_deref();
    let is_taken_over = known.is_some_and(|known| is_taken_over(known, &context.policy));
    let fetched = is_taken_over.then_some(Fetched::TakenOver);
    seen(item, fetched, is_recent)
}

/// Handles a "not modified" response.
pub fn not_modified(
    context: &WorkerContext,
    attempt: &mut Attempt,
    url: &Url,
    headers: &HeaderMap,
) -> Result<After, CrawlError> {
    // Only items are requested conditionally.
    let Page::Detail(item) = &attempt.task().page else { return Ok(After::Done(Done::Read)) };
    let key = item.key.clone();
    if item.is_unlisted {
        let is_away = context.pages.item_led_away(&key, attempt.task(), url).is_some();
        let sight = if is_away { Sight::Closed } else { Sight::There };
        return fate::after_sight(context, attempt, sight);
    }
    if let Some(after) = after_redirect(context, attempt, &key, url)? {
        return Ok(after);
    }
    attempt.end(End::Page)?;
    let Page::Detail(item) = &attempt.task().page else { return Ok(After::Done(Done::Read)) };
    let before = item.known.as_deref().map(|known| known.version.clone()).unwrap_or_default();
    let listed = item.listed.as_ref().and_then(|listed| listed.revision.clone());
    // If pages have revisions of their own, an unmodified page has the same revision as before.
    let says_age = context.site.detail.as_ref().is_some_and(|rules| rules.revision.is_some());
    let is_older = says_age && is_older(before.revision.as_deref(), listed.as_deref());
    if is_older && let Some(retry) = retry_older(context, attempt, &before.revision) {
        return Ok(After::Retry(retry));
    }
    context.findings.canary.unread(true);
    let now = |name: HeaderName| fetch::validator(headers, name).map(Box::<str>::from);
    let version = PageVersion {
        etag: now(ETAG).or_else(|| before.etag.clone()),
        last_modified: now(LAST_MODIFIED).or_else(|| before.last_modified.clone()),
        revision: if is_older { before.revision.clone() } else { listed },
    };
    let fetched = if version == before { Fetched::Same } else { Fetched::With(version) };
    Ok(seen(item, Some(fetched), false))
}

/// Returns when to retry a page that is older than its list says. Returns `None`, and reports it,
/// if there were enough attempts.
pub fn retry_older(
    context: &WorkerContext,
    attempt: &Attempt,
    revision: &Option<Box<str>>,
) -> Option<Retry> {
    let task = attempt.task();
    match retry::after_bad_page(task.attempt, context.scope.retries, fastrand::f64()) {
        Decision::Again(retry) => Some(retry),
        Decision::GiveUp => {
            let age = plain(revision.as_deref().unwrap_or_default());
            let said = format!(
                "its page is of {age}, which is older than its list says; the next sweep asks for it again"
            );
            context.reports.problems.note_at(&task.page, said);
            None
        }
    }
}

/// Turns an item without a page of its own into a record: its list entry is all there is.
pub async fn read_entry(context: &WorkerContext, mut item: DetailPage) -> After {
    let nothing = Listed::default;
    let Listed { url, revision, content, .. } =
        item.listed.take().map_or_else(nothing, |listed| *listed);
    let encoding = context.storage.store.encoding();
    let bytes = if let Content::Object(text) = &content { text.len() } else { 0 };
    let read = move |site: &Site| {
        extract::of_list(Making { listed: &content, ignore: &site.ignore, encoding })
    };
    match context.pages.work(bytes, read).await {
        Err(error) => After::GiveUp(Trouble::List(error)),
        Ok(Detail { document, .. }) => {
            // This URL is only stored, and never requested.
            let url = url.unwrap_or_default();
            let scrubber = &context.policy.scrubber;
            let url = match Url::parse(&url) {
                Ok(url) => scrubber.url(&url).into(),
                Err(_) => scrubber.scrub(&url).into(),
            };
            let version = PageVersion { revision, ..PageVersion::default() };
            let origin = Origin { url, version, ..Origin::default() };
            record(context, item, origin, document)
        }
    }
}

/// Makes the record of an item.
pub fn record(
    context: &WorkerContext,
    item: DetailPage,
    origin: Origin,
    document: Document,
) -> After {
    context.findings.canary.read(&document);
    let before = item.known.as_deref().and_then(|known| known.digest);
    let record = refresh::record(item, origin, document, clock::now());
    match context.findings.twins.as_ref().and_then(|twins| twins.of(&record, before)) {
        Some(other) => After::GiveUp(Trouble::Twin(other)),
        None => After::Deliver(Outcome::Record(Box::new(record))),
    }
}

/// Makes the note that an item was seen on its list, and that its document is still good.
fn seen(item: &DetailPage, fetched: Option<Fetched>, is_recent: bool) -> After {
    let seen = Seen { key: item.key.clone(), at: clock::now(), fetched };
    After::Deliver(Outcome::Seen { seen: Box::new(seen), is_recent })
}

/// Returns true if a page is older than its list says, and both have a revision.
pub fn is_older(page: Option<&str>, list: Option<&str>) -> bool {
    page.zip(list).is_some_and(|(page, list)| revision::is_older(page, list))
}
