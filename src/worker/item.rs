//! Items: their pages, or what the list says of them, become records for the writer.

use jiff::Timestamp;

use super::trouble::Trouble;
use super::{Attempt, Crew};
use crate::crawl::CrawlError;
use crate::document::Document;
use crate::extract::{self, Detail, Format, Making};
use crate::fetch;
use crate::refresh::{self, Origin};
use crate::secret::shown;
use crate::task::{Content, DetailPage, Listed};
use crate::writer::Outcome;

impl Crew {
    /// The page of an item: its record goes to the writer, which ends the lease.
    pub(super) async fn detail_page(
        &self,
        attempt: Attempt<'_>,
        item: DetailPage,
        page: fetch::Page,
    ) -> Result<(), CrawlError> {
        let encoding = self.store.encoding();
        let content = item.listed.as_ref().map(|listed| listed.content.clone()).unwrap_or_default();
        let is_html = self.site.detail.as_ref().is_some_and(|it| it.format == Format::Html);
        let read = self
            .read(page, is_html, move |site, page| {
                let making = Making { listed: &content, ignore: &site.ignore, encoding };
                match &site.detail {
                    Some(rules) => extract::detail(rules, page, making),
                    None => extract::of_list(making),
                }
            })
            .await;
        match read {
            (page, Err(error)) => self.bad_page(attempt, error, page).await,
            (page, Ok(Detail { document, matched })) => {
                self.host.succeeded();
                self.fields.note(&matched);
                let origin = Origin {
                    url: shown(&page.url).into(),
                    etag: page.header("etag").map(Into::into),
                    last_modified: page.header("last-modified").map(Into::into),
                    revision: item.listed.as_ref().and_then(|listed| listed.revision.clone()),
                };
                self.deliver(attempt, item, origin, document).await
            }
        }
    }

    /// An item that has no page of its own: all there is to it stands on the list.
    pub(super) async fn listed_item(
        &self,
        attempt: Attempt<'_>,
        item: DetailPage,
    ) -> Result<(), CrawlError> {
        let nothing = || Listed { url: None, revision: None, content: Content::Nothing };
        let Listed { url, revision, content } =
            item.listed.as_deref().cloned().unwrap_or_else(nothing);
        let encoding = self.store.encoding();
        let making = Making { listed: &content, ignore: &self.site.ignore, encoding };
        match extract::of_list(making) {
            Err(error) => self.give_up(attempt, Trouble::List(error)).await,
            Ok(Detail { document, .. }) => {
                let url = url.unwrap_or_default();
                let origin = Origin { url, etag: None, last_modified: None, revision };
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
        let DetailPage { key, known, .. } = item;
        let record = refresh::record(key, origin, document, known.as_deref(), Timestamp::now());
        attempt.outbox.deliver(attempt.lease, Outcome::Record(Box::new(record))).await
    }
}
