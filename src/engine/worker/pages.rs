//! Reads pages that were fetched: small ones at once, large ones on separate threads.

use std::sync::Arc;

use url::Url;

use super::readers::Readers;
use crate::engine::refresh::redirect;
use crate::fetch::{self, Fetcher};
use crate::model::record::Key;
use crate::model::task::Task;
use crate::model::text::secret::shown;
use crate::site::Site;

/// Size in bytes from which a page is read on a separate thread.
const LARGE: usize = 16 << 10;

/// Reads pages of a site, and tells where their requests were redirected to.
pub struct PageReader {
    site: Arc<Site>,
    fetcher: Arc<Fetcher>,
    threads: Readers,
}

impl PageReader {
    /// Creates a reader of the pages of `site` that `fetcher` fetches.
    pub fn new(site: Arc<Site>, fetcher: Arc<Fetcher>) -> PageReader {
        PageReader { site, fetcher, threads: Readers::default() }
    }

    /// Returns true if so many large pages wait to be read that no further one should be requested.
    pub fn is_behind(&self) -> bool {
        self.threads.is_behind()
    }

    /// Waits until [`PageReader::is_behind`] is false.
    pub async fn caught_up(&self) {
        self.threads.caught_up().await;
    }

    /// Reads a page.
    pub async fn read<T: Send + 'static>(
        &self,
        page: fetch::Page,
        read: impl FnOnce(&Site, &fetch::Page) -> T + Send + 'static,
    ) -> (fetch::Page, T) {
        let bytes = page.body.len();
        let read = move |site: &Site| {
            let read = read(site, &page);
            (page, read)
        };
        self.work(bytes, read).await
    }

    /// Runs work on a page of `bytes` bytes. Long work runs on a separate thread, so that it does
    /// not block the network.
    pub async fn work<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Site) -> T + Send + 'static,
    ) -> T {
        if bytes < LARGE && !self.site.descends {
            return work(&self.site);
        }
        let site = self.site.clone();
        self.threads.read(bytes, move || work(&site)).await
    }

    /// Runs work that waits for a disk, on a separate thread.
    pub async fn aside<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        self.threads.read(bytes, work).await
    }

    /// Returns the address that the request for an item was redirected to, or `None` if it is the
    /// item's own.
    pub fn item_led_away(&self, key: &Key, task: &Task, to: &Url) -> Option<Box<str>> {
        redirect::leads_away(key, &self.redirected_from(task)?, to)
    }

    /// Returns the address that the request for a list page was redirected to, or `None` if that
    /// has the same host and path.
    pub fn list_led_away(&self, task: &Task, to: &Url) -> Option<Box<str>> {
        redirect::is_elsewhere(&self.redirected_from(task)?, to).then(|| shown(to).into())
    }

    /// Returns the URL that was requested for a task, or `None` if it cannot have been redirected.
    fn redirected_from(&self, task: &Task) -> Option<Url> {
        // A quick exit: most sites redirect nothing.
        self.fetcher.first_redirect()?;
        Some(self.site.request(&task.page).ok().flatten()?.url)
    }
}
