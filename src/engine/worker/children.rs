//! Reads the seeds that are the items of another site: each leads to a list of its own.

use super::attempt::After;
use super::context::WorkerContext;
use super::{list, passes};
use crate::engine::error::CrawlError;
use crate::engine::parent::{ParentItems, SeedKeys};
use crate::engine::retry_failures::Wanted;
use crate::model::seed::{Seed, SeedPath};
use crate::model::task::{IndexPage, IndexRun, List};
use crate::model::text::plain;

/// Takes in a page of seeds from the store, and plans the next one behind their lists, so that the
/// lists of one page of seeds at a time are in memory.
pub async fn read_seeds(
    context: &WorkerContext,
    parent: &ParentItems,
    index: IndexPage,
) -> Result<After, CrawlError> {
    let is_all = matches!(context.scope.wanted, Wanted::All);
    if index.number == 1 && is_all && !parent.was_complete().await? {
        let name = plain(parent.site());
        context.reports.problems.gap(format!(
            "{name}, whose items are the seeds, has not been crawled completely yet: there may be more of them. Crawl {name} until a sweep of it is complete"
        ));
    }
    let SeedKeys { keys, is_last } = parent.page(index.number, context.scope.kind.since()).await?;
    let (top, seeds) = (SeedPath::default(), keys.into_iter().map(Seed::of));
    let mut runs = context.site.lists(&top, seeds, context.scope.range);
    if !is_last {
        let next = index.number + 1;
        let list = List::Seeds(top);
        runs.push(IndexRun { list, ..IndexRun::numbered(index.pass, next, next) });
    }
    passes::submit(context, runs)?;
    list::done(context, &index).await
}
