//! Turns item pages and list entries into records for the writer.

use std::mem::take;

use url::Url;

use super::trouble::Trouble;
use super::{Attempt, WorkerContext};
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
use crate::model::record::{Ages, Fetched, Key, Known, Seen};
use crate::model::task::{Content, DetailPage, Listed, Page};
use crate::site::Site;
use crate::system::clock;
use crate::text::plain;

impl WorkerContext {
    /// Handles an item's page: sends its record to the writer, which ends the lease.
    pub(super) async fn detail_page(
        &self,
        mut attempt: Attempt<'_>,
        mut item: DetailPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        if item.is_unlisted {
            return Box::pin(self.unlisted_page(attempt, &item, page)).await;
        }
        if let Some(address) = self.led_away(&item.key, &attempt, &page.url) {
            match self.lead(&item.key, &address) {
                Lead::Alone => {}
                lead => return Box::pin(self.led_elsewhere(attempt, lead, address)).await,
            }
        }
        let encoding = self.store.encoding();
        let content =
            item.listed.as_mut().map(|listed| take(&mut listed.content)).unwrap_or_default();
        let read = self
            .read(page, move |site, page| {
                let making = Making { listed: &content, ignore: &site.ignore, encoding };
                match &site.detail {
                    Some(rules) => extract::detail(rules, page, making),
                    None => extract::of_list(making),
                }
            })
            .await;
        match read {
            (page, Err(error)) => Box::pin(self.bad_page(attempt, error, page)).await,
            (page, Ok(Detail { document, matched, revision, decoding })) => {
                self.decoded(&page, decoding);
                attempt.end(End::Page)?;
                let listed = item.listed.as_ref().and_then(|listed| listed.revision.clone());
                let is_older = is_older(revision.as_deref(), listed.as_deref());
                if is_older && let Some(retry) = self.again(&attempt, &revision) {
                    self.frontier.retry_later(attempt.lease, retry);
                    return Ok(());
                }
                self.fields.note(&matched);
                let origin = Origin {
                    url: self.place_of(&item, &page),
                    is_link: self.site.takes_links(),
                    etag: fetch::validator(&page.headers, ETAG).map(Into::into),
                    last_modified: fetch::validator(&page.headers, LAST_MODIFIED).map(Into::into),
                    // The revision of an older page makes the next sweep request the item again.
                    revision: if is_older { revision } else { listed },
                };
                self.deliver(attempt, item, origin, document).await
            }
        }
    }

    /// Returns the kind of address that an item was redirected to. A run that retries failures sees
    /// too few items to know that an address is not shared.
    fn lead(&self, key: &Key, address: &str) -> Lead {
        match self.redirects.note(key, address) {
            Lead::Alone if matches!(self.wanted, Wanted::Failed { .. }) => Lead::Shared,
            lead => lead,
        }
    }

    /// Handles a redirect to an address that may be shared. Nothing is stored before all other
    /// items were requested.
    async fn led_elsewhere(
        &self,
        mut attempt: Attempt<'_>,
        lead: Lead,
        address: Box<str>,
    ) -> Result<(), CrawlError> {
        attempt.end(End::Unused { was_sent: true })?;
        match lead {
            Lead::AskAgain => self.ask_at_the_end(attempt).await,
            Lead::Alone | Lead::Shared => self.give_up(attempt, Trouble::Led(address)).await,
        }
    }

    /// Returns the URL of an item: the one that its list gives, even if that redirects, or else the
    /// page's.
    fn place_of(&self, item: &DetailPage, page: &fetch::Page) -> Box<str> {
        let link = item.listed.as_deref().and_then(|listed| listed.url.as_deref());
        let link = link.filter(|_| self.site.takes_links()).and_then(|link| Url::parse(link).ok());
        self.policy.scrubber.url(link.as_ref().unwrap_or(&page.url)).into()
    }

    /// Handles an item that need not be requested.
    pub(super) async fn settled(&self, attempt: Attempt<'_>, plan: Plan) -> Result<(), CrawlError> {
        self.canary.unread(false);
        let is_recent = match plan {
            Plan::Done(verdict) => {
                self.metrics.settled(verdict);
                return self.finish(attempt).await;
            }
            Plan::Recent => true,
            Plan::Same | Plan::Fetch(_) => false,
        };
        let Attempt { lease, outbox, .. } = attempt;
        let Page::Detail(item) = &lease.task().page else { return Ok(()) };
        let known = item.known.as_deref();
        let is_taken_over = known.is_some_and(|known| is_taken_over(known, &self.policy));
        let fetched = is_taken_over.then_some(Fetched::TakenOver);
        let seen = Seen { key: item.key.clone(), at: clock::now(), fetched };
        outbox.deliver(lease, Outcome::Seen { seen: Box::new(seen), is_recent }).await
    }

    /// Handles a "not modified" answer.
    pub(super) async fn not_modified(
        &self,
        mut attempt: Attempt<'_>,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<(), CrawlError> {
        if let Page::Detail(DetailPage { key, is_unlisted: true, .. }) = &attempt.lease.task().page
        {
            let is_away = self.led_away(key, &attempt, url).is_some();
            let sight = if is_away { Sight::Closed } else { Sight::There };
            return Box::pin(self.seen(attempt, sight)).await;
        }
        if let Some(key) = attempt.lease.task().key()
            && let Some(address) = self.led_away(key, &attempt, url)
        {
            match self.lead(key, &address) {
                Lead::Alone => {}
                lead => return Box::pin(self.led_elsewhere(attempt, lead, address)).await,
            }
        }
        attempt.end(End::Page)?;
        let Page::Detail(item) = &attempt.lease.task().page else { return Ok(()) };
        let before = item.known.as_deref().map(Known::ages).unwrap_or_default();
        let listed = item.listed.as_ref().and_then(|listed| listed.revision.clone());
        // If pages have revisions of their own, an unmodified page has the same revision as before.
        let says_age = self.site.detail.as_ref().is_some_and(|rules| rules.revision.is_some());
        let is_older = says_age && is_older(before.revision.as_deref(), listed.as_deref());
        if is_older && let Some(retry) = self.again(&attempt, &before.revision) {
            self.frontier.retry_later(attempt.lease, retry);
            return Ok(());
        }
        self.canary.unread(true);
        let Attempt { lease, outbox, .. } = attempt;
        let Page::Detail(item) = &lease.task().page else { return Ok(()) };
        let now = |name: HeaderName| fetch::validator(headers, name).map(Box::<str>::from);
        let ages = Ages {
            etag: now(ETAG).or_else(|| before.etag.clone()),
            last_modified: now(LAST_MODIFIED).or_else(|| before.last_modified.clone()),
            revision: if is_older { before.revision.clone() } else { listed },
        };
        let fetched = if ages == before { Fetched::Same } else { Fetched::With(ages) };
        let key = item.key.clone();
        let seen = Seen { key, at: clock::now(), fetched: Some(fetched) };
        outbox.deliver(lease, Outcome::Seen { seen: Box::new(seen), is_recent: false }).await
    }

    /// Returns when to retry a page that is older than its list says. Returns `None`, and reports
    /// it, if there were enough attempts.
    fn again(&self, attempt: &Attempt<'_>, page: &Option<Box<str>>) -> Option<Retry> {
        let task = attempt.lease.task();
        match retry::after_bad_page(task.attempt, self.retries, fastrand::f64()) {
            Decision::Again(retry) => Some(retry),
            Decision::GiveUp => {
                let age = plain(page.as_deref().unwrap_or_default());
                let said = format!(
                    "its page is of {age}, which is older than its list says; the next sweep asks for it again"
                );
                self.problems.note_at(&task.page, said);
                None
            }
        }
    }

    /// Handles an item without a page of its own: its list entry is all there is.
    pub(super) async fn listed_item(
        &self,
        attempt: Attempt<'_>,
        mut item: DetailPage,
    ) -> Result<(), CrawlError> {
        let nothing = || Listed { url: None, revision: None, content: Content::Nothing };
        let Listed { url, revision, content } =
            item.listed.take().map_or_else(nothing, |listed| *listed);
        let encoding = self.store.encoding();
        let bytes = if let Content::Object(text) = &content { text.len() } else { 0 };
        let read = move |site: &Site| {
            extract::of_list(Making { listed: &content, ignore: &site.ignore, encoding })
        };
        match self.apart(bytes, read).await {
            Err(error) => self.give_up(attempt, Trouble::List(error)).await,
            Ok(Detail { document, .. }) => {
                // This URL is only stored, and never requested.
                let url = url.unwrap_or_default();
                let url = match Url::parse(&url) {
                    Ok(url) => self.policy.scrubber.url(&url).into(),
                    Err(_) => self.policy.scrubber.scrub(&url).into(),
                };
                let origin = Origin { url, revision, ..Origin::default() };
                self.deliver(attempt, item, origin, document).await
            }
        }
    }

    async fn deliver(
        &self,
        attempt: Attempt<'_>,
        item: DetailPage,
        origin: Origin,
        document: Document,
    ) -> Result<(), CrawlError> {
        self.canary.read(&document);
        let before = item.known.as_deref().and_then(|known| known.digest);
        let record = refresh::record(item, origin, document, clock::now());
        if let Some(other) = self.twins.as_ref().and_then(|twins| twins.of(&record, before)) {
            return Box::pin(self.give_up(attempt, Trouble::Twin(other))).await;
        }
        attempt.outbox.deliver(attempt.lease, Outcome::Record(Box::new(record))).await
    }
}

/// Returns true if a page is older than its list says, and both have a revision.
fn is_older(page: Option<&str>, list: Option<&str>) -> bool {
    page.zip(list).is_some_and(|(page, list)| revision::is_older(page, list))
}
