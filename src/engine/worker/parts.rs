//! Reads the pages of items whose documents are made from several requests.
//!
//! Each page is a request of its own: after it the lease goes back to the frontier with what was
//! read so far, so that the next request waits at its host as any other, and is retried by itself.

use std::sync::Arc;

use super::attempt::{After, Attempt};
use super::context::WorkerContext;
use super::item::{self, is_older, retry_older};
use super::trouble::{self, Trouble};
use super::{fate, list};
use crate::engine::assembling::{Assembling, Step};
use crate::engine::error::CrawlError;
use crate::engine::refresh::Origin;
use crate::extract::{self, Detail, Making, PageError};
use crate::fetch::{self, ETAG, End, FetchError, LAST_MODIFIED};
use crate::model::assembly::Assembly;
use crate::model::record::{PageVersion, Validators};
use crate::model::task::{DetailPage, Done, IndexPage, List, Page, Place, Task};
use crate::store::files::{FileAt, StoredFile};

/// Reads the first page of an item.
pub async fn begin(
    context: &WorkerContext,
    attempt: &mut Attempt,
    item: DetailPage,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    let read = |site: &crate::site::Site, page: &fetch::Page| {
        site.detail.as_ref().map(|rules| extract::first(rules, page))
    };
    let (page, first) = match context.pages.read(page, read).await {
        (page, Some(Ok(first))) => (page, first),
        (page, Some(Err(error))) => return fate::after_bad_page(context, attempt, error, &page),
        (_, None) => return Ok(After::Done(Done::Read)),
    };
    context.reports.decoded(&page, first.page.decoding);
    let listed = item.listed.as_ref().and_then(|listed| listed.revision.clone());
    let is_older = is_older(first.revision.as_deref(), listed.as_deref());
    if is_older && let Some(retry) = retry_older(context, attempt, &first.revision) {
        attempt.end(End::Page)?;
        return Ok(After::Retry(retry));
    }
    context.reports.fields.note(&first.matched);
    let revision = if is_older { first.revision.clone() } else { listed };
    let url = item::place_of(context, &item, &page);
    let (assembly, step) = assembling(context).begin(&item, first, url, revision, &page);
    attempt.lease.assemble(|own| *own = Some(Arc::new(assembly)));
    taken(context, attempt, item, step, &page).await
}

/// Reads a further page of an item.
pub async fn read_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    mut item: DetailPage,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    let Some(assembly) = item.assembly.clone() else { return Ok(After::Done(Done::Read)) };
    if let List::Files(..) = assembly.page.list {
        return read_file(context, attempt, item, page).await;
    }
    let led_to = match assembly.page.list {
        List::Part(..) => context.pages.list_led_away(attempt.task(), &page.url),
        _ => context.pages.item_led_away(&item.key, attempt.task(), &page.url),
    };
    if let (List::Pages(_), Some(address)) = (&assembly.page.list, &led_to) {
        let why = format!("it leads to {address}, which is not the item's own page");
        return trouble::after_bad_page(context, attempt, PageError::OtherKind(why), &page);
    }
    let read = move |site: &crate::site::Site, page: &fetch::Page| {
        site.detail.as_ref().map(|rules| extract::further(rules, &assembly, page))
    };
    let (page, mut read) = match context.pages.read(page, read).await {
        (page, Some(Ok(read))) => (page, read),
        (page, Some(Err(error))) => {
            return after_bad_page(context, attempt, item, error, &page).await;
        }
        (_, None) => return Ok(After::Done(Done::Read)),
    };
    context.reports.decoded(&page, read.decoding);
    read.odd.drain(..).for_each(|odd| context.reports.problems.note(odd));
    read.said.hints.led_to = led_to.filter(|_| read.said.items == 0);
    read.said.hints.asked_for = assembling(context).requested(&item, &read.said);
    // The lease holds the only other reference: nothing is copied when it is changed.
    item.assembly = None;
    let assembling = assembling(context);
    let step = attempt.lease.assemble(|own| {
        let own = own.as_mut().map(Arc::make_mut);
        own.map_or(Step::Lost, |own| assembling.take(own, read, &page))
    });
    taken(context, attempt, item, step, &page).await
}

/// Returns the validators for a further request: a file that is stored need not be sent again.
pub fn validators(context: &WorkerContext, item: &DetailPage) -> Option<Validators> {
    let is_conditional = context.policy.conditional;
    let (files, url) = (context.storage.files.as_ref()?, file_url(item)?);
    files.last_at(&url).filter(|_| is_conditional)?.validators()
}

/// Stores a file that an item names.
async fn read_file(
    context: &WorkerContext,
    attempt: &mut Attempt,
    item: DetailPage,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    let (Some(files), Some(url)) = (context.storage.files.clone(), file_url(&item)) else {
        return Ok(After::GiveUp(Trouble::Parts("there is no folder for its files".to_owned())));
    };
    if let Some(why) = other_type(context, &item, &url, &page) {
        return trouble::after_bad_page(context, attempt, PageError::OtherKind(why), &page);
    }
    let bytes = page.body.len();
    let kept = context.pages.aside(bytes, move || {
        let validator = |name| fetch::validator(&page.headers, name).map(Into::into);
        let file = StoredFile::of(&page.body, page.content_type());
        let (etag, last_modified) = (validator(ETAG), validator(LAST_MODIFIED));
        let known = FileAt { file, etag, last_modified };
        files.keep(&url, &page.body, &known).map(|()| known.file)
    });
    let file = kept.await.map_err(CrawlError::Files)?;
    attempt.end(End::Page)?;
    context.reports.metrics.file_stored(bytes);
    stored(context, attempt, item, &file).await
}

/// Returns why a response is not the file that was asked for, or `None` if it may be.
fn other_type(
    context: &WorkerContext,
    item: &DetailPage,
    url: &str,
    page: &fetch::Page,
) -> Option<String> {
    let further = &context.site.detail.as_ref()?.further;
    let expected = further.type_of(&item.assembly.as_deref()?.page.list);
    // The URL that the item names tells what it is, not the one that a redirect leads to.
    extract::other_file(expected, url, page)
}

/// Takes the answer that a file has not changed since it was stored.
pub async fn unchanged(
    context: &WorkerContext,
    attempt: &mut Attempt,
) -> Result<After, CrawlError> {
    let Page::Detail(item) = attempt.task().page.clone() else {
        return Ok(After::Done(Done::Read));
    };
    let files = context.storage.files.as_ref();
    let known = files.zip(file_url(&item)).and_then(|(files, url)| files.last_at(&url));
    attempt.end(End::Page)?;
    // Without the file, the request is made again, and without its validators.
    let Some(known) = known else { return Ok(list::once_more()) };
    context.reports.metrics.file_unchanged();
    stored(context, attempt, item, &known.file).await
}

async fn stored(
    context: &WorkerContext,
    attempt: &mut Attempt,
    mut item: DetailPage,
    file: &StoredFile,
) -> Result<After, CrawlError> {
    item.assembly = None;
    let (assembling, text) = (assembling(context), serde_json::to_string(file));
    let text = text.map_err(|error| CrawlError::Files(error.into()))?;
    let step = attempt.lease.assemble(|own| {
        let own = own.as_mut().map(Arc::make_mut);
        own.map_or(Step::Lost, |own| assembling.store(own, text.into()))
    });
    stepped(context, attempt, item, step).await
}

/// Returns the URL of the file that an item needs next, or `None` if it needs none.
fn file_url(item: &DetailPage) -> Option<Box<str>> {
    match &item.assembly.as_deref()?.page {
        IndexPage { list: List::Files(..), place: Some(Place::Url(url)), .. } => Some(url.clone()),
        _ => None,
    }
}

/// Decides what becomes of an item of which a further request failed.
pub async fn after_error(
    context: &WorkerContext,
    attempt: &mut Attempt,
    item: DetailPage,
    error: FetchError,
) -> Result<After, CrawlError> {
    let is_end = error.status().is_some_and(|status| context.site.statuses.is_end(status));
    match absent(context, attempt, item, is_end).await? {
        Some(after) => Ok(after),
        None => trouble::after_error(context, attempt, error),
    }
}

async fn after_bad_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    item: DetailPage,
    error: PageError,
    page: &fetch::Page,
) -> Result<After, CrawlError> {
    let is_gone = matches!(error, PageError::Gone(_));
    match absent(context, attempt, item, is_gone).await? {
        Some(after) => Ok(after),
        None => trouble::after_bad_page(context, attempt, error, page),
    }
}

/// Handles a page that does not exist and may be missing, as the first one of a part that has no
/// entries. Returns `None` if the page should exist.
async fn absent(
    context: &WorkerContext,
    attempt: &mut Attempt,
    mut item: DetailPage,
    is_absent: bool,
) -> Result<Option<After>, CrawlError> {
    let Some(assembly) = item.assembly.take().filter(|_| is_absent) else { return Ok(None) };
    let page = assembly.page.clone();
    if let List::Files(..) = page.list {
        return Ok(None);
    }
    drop(assembly);
    let assembling = assembling(context);
    let step = attempt.lease.assemble(|own| {
        let own = own.as_mut().map(Arc::make_mut);
        own.map_or(Step::Lost, |own| assembling.absent(own))
    });
    if step == Step::Lost {
        return Ok(None);
    }
    attempt.end(End::Absent)?;
    let is_usual = || {
        let part = context.site.detail.as_ref().and_then(|rules| rules.part_of(&page.list));
        part.is_some_and(|part| part.may_be_missing)
    };
    if let (List::Part(_, name), false, true) = (&page.list, page.is_guess, step != Step::AskAgain)
        && !is_usual()
    {
        let said = format!("the list of its `{name}` is not there, and counts as empty");
        context.reports.problems.note_at(&attempt.task().page, said);
    }
    stepped(context, attempt, item, step).await.map(Some)
}

/// Reports a page to its host, and continues its item. A page of another kind is retried.
async fn taken(
    context: &WorkerContext,
    attempt: &mut Attempt,
    item: DetailPage,
    step: Step,
    page: &fetch::Page,
) -> Result<After, CrawlError> {
    if let Step::OtherKind(why) = step {
        return trouble::after_bad_page(context, attempt, PageError::OtherKind(why), page);
    }
    attempt.end(End::Page)?;
    stepped(context, attempt, item, step).await
}

async fn stepped(
    context: &WorkerContext,
    attempt: &mut Attempt,
    item: DetailPage,
    step: Step,
) -> Result<After, CrawlError> {
    Ok(match step {
        Step::AskAgain => list::once_more(),
        Step::Onward => After::Onward,
        Step::Whole => match attempt.lease.assemble(Option::take) {
            Some(assembly) => whole(context, item, assembly).await,
            None => After::Done(Done::Read),
        },
        Step::Failed(why) => After::GiveUp(Trouble::Parts(why)),
        // Neither follows from a page that was taken.
        Step::OtherKind(why) => After::GiveUp(Trouble::Parts(why)),
        Step::Lost => After::GiveUp(Trouble::Parts("a page of it is missing".to_owned())),
    })
}

/// Makes the record of an item whose pages were all read. No page's version is that of the whole.
async fn whole(context: &WorkerContext, mut item: DetailPage, assembly: Arc<Assembly>) -> After {
    let version = PageVersion { revision: assembly.revision.clone(), ..PageVersion::default() };
    let is_link = context.site.takes_links();
    let origin = Origin { url: assembly.url.clone(), is_link, version };
    let content = item.listed.as_mut().map(|it| std::mem::take(&mut it.content));
    let (content, encoding) = (content.unwrap_or_default(), context.storage.store.encoding());
    let made = context.pages.work(assembly.size(), move |site| {
        let making = Making { listed: &content, ignore: &site.ignore, encoding };
        site.detail.as_ref().map(|rules| extract::assembled(rules, &assembly, making))
    });
    // Only items with pages are assembled.
    let Some(made) = made.await else { return After::Done(Done::Read) };
    match made {
        Ok(Detail { document, .. }) => item::record(context, item, origin, document),
        Err(error) => After::GiveUp(Trouble::List(error)),
    }
}

/// Drops what is known of the lists of an item that is given up.
pub fn forget(context: &WorkerContext, task: &Task) {
    let Page::Detail(DetailPage { assembly: Some(assembly), .. }) = &task.page else { return };
    context.findings.parts.forget(&assembly.page.list);
}

fn assembling(context: &WorkerContext) -> Assembling<'_> {
    Assembling {
        site: &context.site,
        lists: &context.findings.parts,
        asks_again: context.scope.retries > 0,
        most_files: context.scope.most_files,
    }
}
