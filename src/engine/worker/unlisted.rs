//! Requests the pages of items that the store holds and no list names.

use super::attempt::{After, Attempt};
use super::context::WorkerContext;
use super::fate;
use crate::engine::error::CrawlError;
use crate::engine::lookup::KEYS_AT_ONCE;
use crate::engine::refresh::gone::{Listing, Sight, granted, refusal};
use crate::extract::{self, Making};
use crate::fetch;
use crate::model::record::Key;
use crate::model::report::Kind;
use crate::model::task::{Content, DetailPage, FollowUps, Listed};
use crate::model::text::secret::HIDDEN;
use crate::site::Paging;
use crate::store::{Live, Rows};

/// Submits the stored items that no list names, once all lists are read. Does nothing if a list may
/// be incomplete, or is meant to be.
pub async fn submit(context: &WorkerContext) -> Result<(), CrawlError> {
    let WorkerContext { site, scope, storage, findings, reports, .. } = context;
    let store = &storage.store;
    let knows_all = matches!(site.index.paging, Paging::Keys(_));
    let is_partial = scope.kind != Kind::Full || findings.lists.has_reached_limit() || knows_all;
    let index = reports.metrics.snapshot().index;
    let is_unsaid = index.listed == 0 && index.declared != Some(0);
    let has_none = store.was_empty() || is_unsaid;
    let is_whole = findings.lists.is_whole(site.index.total_exact) && !reports.problems.has_gap();
    if is_partial || has_none || !is_whole {
        return Ok(());
    }
    let mut candidates: Vec<Live> = Vec::new();
    let mut counted = None;
    let (mut page, mut is_end) = (Rows::default(), false);
    while !is_end {
        page = store.keys(page.next.as_ref(), KEYS_AT_ONCE).await?;
        is_end = page.next.is_none();
        candidates.extend(not_listed(context, std::mem::take(&mut page.found)).await?);
        // What was unlisted before says nothing of this list: only what it lacks for the first time
        // shows that it may have ended early. When that was is not asked: clocks are set.
        let newly = candidates.iter().filter(|it| it.unlisted_at.is_none());
        let newly = newly.count() as u64;
        if newly == 0 {
            continue;
        }
        let live = match counted {
            Some(live) => live,
            None => *counted.insert(store.count_live().await?),
        };
        if newly > granted(live, scope.gone_limit) {
            reports.problems.gap(refusal(newly, live, scope.gone_limit));
            return Ok(());
        }
    }
    for items in candidates.chunks(KEYS_AT_ONCE) {
        submit_candidates(context, items).await?;
    }
    Ok(())
}

/// Returns those of the keys' documents that no list named and that are not marked gone.
async fn not_listed(context: &WorkerContext, keys: Vec<Key>) -> Result<Vec<Live>, CrawlError> {
    let mut unlisted = keys;
    unlisted.retain(|key| !context.frontier.has_seen(key));
    Ok(match unlisted.is_empty() {
        true => Vec::new(),
        false => context.storage.store.live(&unlisted).await?,
    })
}

/// Requests the pages of unlisted items that have a URL without their list.
async fn submit_candidates(context: &WorkerContext, items: &[Live]) -> Result<(), CrawlError> {
    let mut details = Vec::new();
    for item in items {
        let listed = item.url.as_deref().and_then(Listed::at);
        let sight = match &context.site.detail {
            None => Some(Sight::NoPage),
            Some(_) if listed.is_some() => None,
            Some(_) if !context.site.takes_links() && !context.site.takes_values() => None,
            // The URL is known but was not stored in full. That it cannot be requested proves
            // nothing.
            Some(_) if item.url.as_deref().is_some_and(|url| url.contains(HIDDEN)) => {
                Some(Sight::Hidden)
            }
            Some(_) => Some(Sight::NoPage),
        };
        if let Some(sight) = sight {
            let noted_before = fate::was_noted_before(context, item.unlisted_at);
            fate::note(context, item.key.clone(), Listing::Unnamed { noted_before }, sight);
            continue;
        }
        details.push(DetailPage {
            listed: listed.map(Box::new),
            is_unlisted: true,
            ..DetailPage::of(item.key.clone())
        });
    }
    let keys: Vec<Key> = details.iter().map(|item| item.key.clone()).collect();
    let known = context.storage.lookup.known(keys).await?;
    for item in &mut details {
        item.known = known.get(&item.key).cloned();
    }
    context.frontier.submit(FollowUps { index: Vec::new(), details })?;
    Ok(())
}

/// Reads the page of an unlisted item. The stored document is kept, since a new one would lose what
/// the list said of the item.
pub async fn read_page(
    context: &WorkerContext,
    attempt: &mut Attempt,
    item: &DetailPage,
    page: fetch::Page,
) -> Result<After, CrawlError> {
    if context.pages.item_led_away(&item.key, attempt.task(), &page.url).is_some() {
        return fate::after_sight(context, attempt, Sight::Closed);
    }
    let encoding = context.storage.store.encoding();
    let (page, read) = context
        .pages
        .read(page, move |site, page| {
            let nothing = Content::Nothing;
            let making = Making { listed: &nothing, ignore: &[], encoding };
            site.detail.as_ref().map(|rules| extract::detail(rules, page, making))
        })
        .await;
    match read {
        Some(Err(error)) if fate::sight_of_page(&error) == Sight::Unclear => {
            fate::after_bad_page(context, attempt, error, &page)
        }
        _ => fate::after_sight(context, attempt, Sight::There),
    }
}
