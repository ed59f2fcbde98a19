//! The requests of a site's pages, made of templates and of what other pages gave.

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use super::request::{RequestError, RequestTemplate};
use super::template::{NamedValue, Placeholder, Values};
use super::{Paging, Session, Site, page_size};
use crate::fetch::Request;
use crate::model::assembly::Assembly;
use crate::model::seed::SeedPath;
use crate::model::task::{DetailPage, IndexPage, List, Page, Place};

impl Site {
    /// Returns the request for a page, or `None` if the content of the page is known without one.
    ///
    /// # Errors
    /// Returns an error if the site file and the values from the list do not make a valid and
    /// allowed request.
    pub fn request(&self, page: &Page) -> Result<Option<Request>, RequestError> {
        match page {
            page if self.template(page).is_none() => Ok(None),
            Page::Detail(detail) => match &detail.assembly {
                None => self.detail_request(detail),
                Some(assembly) => self.further_request(detail, assembly),
            },
            Page::Index(index) => self.index_request(index).map(Some),
        }
    }

    /// Returns the number of items that the request for a page of the list asks for, or `None` if it
    /// does not say.
    pub fn requested_items(&self, page: &IndexPage) -> Option<u64> {
        self.asked_for(&Page::Index(page.clone()))
    }

    /// Returns the number of items that the request for a page asks for, or `None` if it does not
    /// say.
    pub fn asked_for(&self, page: &Page) -> Option<u64> {
        page_size::of_request(&self.request(page).ok().flatten()?)
    }

    /// Returns a URL with the host that a page is requested from: the site's own, unless a link or
    /// a template leads to another host. `None` if the page needs no request.
    pub fn host(&self, page: &Page) -> Option<Cow<'_, Url>> {
        let template = self.template(page)?;
        let home = Cow::Borrowed(&self.base_url);
        let place = match page {
            Page::Index(index) => index.place.as_ref(),
            Page::Detail(item) => item.assembly.as_deref().and_then(|it| it.page.place.as_ref()),
        };
        let is_linked = matches!(place, Some(Place::Url(_)));
        if template.is_below_base() && !is_linked {
            return Some(home);
        }
        // A page that makes no valid request fails wherever it waits.
        let request = self.request(page).ok().flatten();
        Some(request.map_or(home, |request| Cow::Owned(request.url)))
    }

    /// Returns the request templates for all kinds of pages, and of the login.
    pub fn requests(&self) -> impl Iterator<Item = &RequestTemplate> {
        let seeds = self.seeds.pages().map(|(_, page)| &page.request);
        let detail = self.detail.as_ref().map(|it| &it.request);
        let parts = self.detail.iter().flat_map(|it| &it.further.parts).map(|part| &part.request);
        let login = self.own.session.iter().flat_map(Session::requests);
        login.chain(seeds).chain(self.index.requests()).chain(detail).chain(parts)
    }

    /// Returns the request template for a page, or `None` if it needs no request.
    fn template(&self, page: &Page) -> Option<&RequestTemplate> {
        match page {
            Page::Detail(item) => self.detail.as_ref().map(|detail| {
                let part = item.assembly.as_deref().and_then(|it| detail.part_of(&it.page.list));
                part.map_or(&detail.request, |part| &part.request)
            }),
            Page::Index(_) if matches!(self.index.paging, Paging::Keys(_)) => None,
            Page::Index(index) => match &index.list {
                List::Seeds(path) if path.is_empty() && self.parent().is_some() => None,
                _ => Some(self.template_of(index)),
            },
        }
    }

    fn template_of(&self, page: &IndexPage) -> &RequestTemplate {
        let seeds = self.seeds.page_of(&page.list).map(|seeds| &seeds.request);
        seeds.unwrap_or_else(|| self.index.request_of(page))
    }

    fn detail_request(&self, page: &DetailPage) -> Result<Option<Request>, RequestError> {
        let Some(rules) = &self.detail else { return Ok(None) };
        let listed = page.listed.as_deref();
        let named = listed.map_or(&[][..], |listed| &listed.values);
        let values = Values { key: Some(page.key.as_str()), named, ..Values::default() };
        let lacking = rules.values.iter().find(|name| !named.iter().any(|(it, _)| it == *name));
        // An item that no list names is requested where it was last, unless its URL is not all that
        // told it from others: another response must not count as its own.
        let named = |name: &Arc<str>| Placeholder::Named(name.clone());
        let in_url = !rules.values.iter().any(|it| rules.request.has_beyond_url(&named(it)));
        let is_placed =
            rules.request.url.is_none() || page.is_unlisted && lacking.is_some() && in_url;
        if !is_placed {
            return match lacking {
                Some(name) => Err(RequestError::NoValue(name.clone())),
                None => rules.request.request(&self.base_url, values).map(Some),
            };
        }
        let link = listed.and_then(|listed| listed.url.as_deref());
        let link = link.ok_or(RequestError::NoLink)?;
        rules.request.request_at(&self.home(), link, values).map(Some)
    }

    /// Returns the request that an item needs after that of its page: for a further page of it, or
    /// for a page of one of its parts.
    fn further_request(
        &self,
        item: &DetailPage,
        assembly: &Assembly,
    ) -> Result<Option<Request>, RequestError> {
        let Some(rules) = &self.detail else { return Ok(None) };
        let key = Some(item.key.as_str());
        if let List::Files(..) = &assembly.page.list {
            let plain = RequestTemplate::plain();
            let mut request =
                self.paged(&plain, &Paging::Single, &assembly.page, Values::default())?;
            request.purpose.is_file = true;
            return Ok(Some(request));
        }
        let Some(part) = rules.part_of(&assembly.page.list) else {
            let values = Values { key, named: &assembly.values, ..Values::default() };
            return self.paged(&rules.request, &Paging::Single, &assembly.page, values).map(Some);
        };
        let has = |name: &Arc<str>| assembly.values.iter().any(|(it, _)| it == name);
        if let Some(name) = part.values.iter().find(|name| !has(name)) {
            return Err(RequestError::NoPartValue(name.clone()));
        }
        let own = assembly.values.iter().filter(|(name, _)| part.values.contains(name));
        let own: Vec<NamedValue> = own.cloned().collect();
        let values = Values { key, named: &own, ..Values::default() };
        let values = numbered(&part.paging, &assembly.page, values);
        self.paged(&part.request, &part.paging, &assembly.page, values).map(Some)
    }

    fn index_request(&self, page: &IndexPage) -> Result<Request, RequestError> {
        let (request, paging) = (self.template_of(page), self.paging_of(&page.list));
        let mut values = numbered(paging, page, Values::default());
        let (path, is_items) = match &page.list {
            List::Seeds(path) => (path, false),
            List::Items(path) => (path, true),
            _ => return self.paged(request, paging, page, values),
        };
        if page.number == 1 && is_items && self.index.first.is_some() {
            (values.offset, values.page) = (None, None);
        }
        let named = self.values_of(path, request)?;
        let seed_is_key = self.parent().is_some();
        let values = Values { seeds: Some(path), seed_is_key, named: &named, ..values };
        self.paged(request, paging, page, values)
    }

    /// Returns the values of categories that a request contains.
    fn values_of(
        &self,
        path: &SeedPath,
        request: &RequestTemplate,
    ) -> Result<Vec<NamedValue>, RequestError> {
        let names = (0..path.levels()).flat_map(|level| self.seeds.value_names_of(level));
        let used = names.filter(|name| request.has(&Placeholder::Named((*name).clone())));
        let value = |name: &Arc<str>| match path.value(name) {
            Some(json) => Ok((name.clone(), json.into())),
            None => Err(RequestError::NoSeedValue(name.clone())),
        };
        used.map(value).collect()
    }

    /// Returns the request for a page of a list, at the place that it has.
    fn paged(
        &self,
        request: &RequestTemplate,
        paging: &Paging,
        page: &IndexPage,
        values: Values<'_>,
    ) -> Result<Request, RequestError> {
        match (&page.place, paging) {
            (Some(Place::Url(url)), _) => request.request_at(&self.home(), url, values),
            (Some(Place::Offset(items)), _) => {
                let offset = Some(paging.first_offset().saturating_add(*items));
                request.request(&self.base_url, Values { offset, ..values })
            }
            (place, Paging::Cursor(handover)) => {
                let mut named = handover.values(place.as_ref());
                if handover.is_cursor {
                    let cursor = named.first().map(|(_, cursor)| &**cursor);
                    return request.request(&self.base_url, Values { cursor, ..values });
                }
                named.extend_from_slice(values.named);
                let values = Values { named: &named, ..values };
                request.takes(values)?;
                request.request(&self.base_url, values)
            }
            _ => request.request(&self.base_url, values),
        }
    }
}

/// Adds the numbers that the request of a page may contain.
fn numbered<'a>(paging: &Paging, page: &IndexPage, values: Values<'a>) -> Values<'a> {
    let before = page.number - 1;
    let limit = paging.limit();
    let offset = |items: u64| paging.first_offset().saturating_add(items);
    Values {
        offset: limit.map(|limit| offset(before.saturating_mul(limit))),
        limit,
        page: Some(paging.first().saturating_add(before)),
        ..values
    }
}
