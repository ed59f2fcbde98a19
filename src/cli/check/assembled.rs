//! The further requests of a check: those of an item whose document is made from several.

use std::sync::Arc;

use super::trial::{Stop, Trial};
use crate::engine::assembling::{Assembling, Step};
use crate::engine::list_progress::ListProgress;
use crate::extract::{self, Detail, FirstPage, Making, PageError};
use crate::fetch::Page as Answered;
use crate::model::task::{DetailPage, List, Page, Place};
use crate::store::files::StoredFile;
use crate::tools::check;

impl Trial {
    /// Requests what an item needs after its page, and makes its document.
    ///
    /// # Errors
    /// Returns an error if a page cannot be had or read, or the document cannot be whole.
    pub async fn assembled(
        &mut self,
        mut item: DetailPage,
        first: FirstPage,
        page: &Answered,
        making: Making<'_>,
    ) -> Result<Result<Detail, PageError>, Stop> {
        let (site, lists) = (self.site().clone(), ListProgress::default());
        let assembling =
            Assembling { site: &site, lists: &lists, asks_again: false, most_files: usize::MAX };
        let (matched, revision) = (first.matched.clone(), first.revision.clone());
        let decoding = first.page.decoding;
        let (mut assembly, mut step) = assembling.begin(&item, first, Box::default(), None, page);
        let name = Page::Detail(item.clone());
        while step != Step::Whole {
            if let Step::Failed(why) | Step::OtherKind(why) = step {
                return Err(Stop::Misfit(format!("{name} would not be stored: {why}")));
            }
            item.assembly = Some(Arc::new(assembly.clone()));
            let task = Page::Detail(item.clone());
            let Some(request) = self.request(&task)? else { break };
            let answer = self.ask(&task, request).await?;
            let is_end = site.statuses.is_end(answer.status.as_u16());
            if is_end && assembly.page.may_be_missing() {
                step = assembling.absent(&mut assembly);
                continue;
            }
            if let List::Files(..) = &assembly.page.list {
                let Answered { body, .. } = answer.page.clone();
                let kind = answer.page.content_type().map(str::to_owned);
                let further = site.detail.as_ref().map(|rules| &rules.further);
                let expected = further.and_then(|it| it.type_of(&assembly.page.list));
                let other = match &assembly.page.place {
                    Some(Place::Url(url)) => extract::other_file(expected, url, &answer.page),
                    _ => None,
                };
                self.good(&task, answer)?;
                if let Some(why) = other {
                    return Err(Stop::Misfit(format!("{task}: {why}")));
                }
                let file = StoredFile::of(&body, kind.as_deref());
                let text = serde_json::to_string(&file).unwrap_or_default();
                step = assembling.store(&mut assembly, text.into());
                continue;
            }
            let answered = self.good(&task, answer)?;
            let read = site.detail.as_ref().map(|rules| {
                let read = extract::further(rules, &assembly, &answered);
                read.map_err(|error| {
                    Stop::Misfit(format!("{task}: {}", check::unreadable(&error, &answered)))
                })
            });
            let mut read = read.transpose()?.unwrap_or_default();
            self.facts.warnings.append(&mut read.odd);
            read.said.hints.asked_for = assembling.requested(&item, &read.said);
            step = assembling.take(&mut assembly, read, &answered);
        }
        let Some(rules) = &site.detail else { return Ok(Err(PageError::Nothing)) };
        let made = extract::assembled(rules, &assembly, making);
        Ok(made.map(|detail| Detail { matched, revision, decoding, ..detail }))
    }
}
