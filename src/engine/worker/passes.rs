//! Plans list pages: those that follow a page, and another pass where the lists do not add up.

use super::context::WorkerContext;
use super::unlisted;
use crate::engine::error::CrawlError;
use crate::engine::list_progress::{Differing, Turn, same_key};
use crate::engine::retry_failures::Wanted;
use crate::model::report::Kind;
use crate::model::task::{FollowUps, IndexPage, IndexRun, List, PageRange};
use crate::observe::problems::Problems;
use crate::site::Next;

/// Maximum number of passes over the lists.
const MOST_PASSES: u32 = 3;

/// Submits the pages that follow a page, or reports why its list may go on without them.
pub fn follow(context: &WorkerContext, index: &IndexPage, turn: Turn) -> Result<(), CrawlError> {
    let Next { mut runs, certain } = match turn {
        Turn::Onward(next) => next,
        Turn::Gap(why) => {
            context.reports.problems.gap(why);
            return Ok(());
        }
        _ => return Ok(()),
    };
    let is_placed = runs.iter().any(|run| run.place.is_some());
    let is_retry = matches!(context.scope.wanted, Wanted::Failed { .. });
    if is_retry && certain && !is_placed && index.number > 1 {
        // The first page planned the pages after it, and they were requested.
        return Ok(());
    }
    if is_placed && !context.site.paging_of(&index.list).is_numbered() {
        let first = context.findings.lists.numbers(index, runs.len() as u64);
        for (number, run) in (first..).zip(&mut runs) {
            (run.from, run.to) = (number, number);
        }
    }
    let runs: Vec<IndexRun> = runs.into_iter().filter_map(|run| clip(context, run)).collect();
    submit(context, runs)?;
    Ok(())
}

/// Submits list pages, and returns the number of new ones.
pub fn submit(context: &WorkerContext, runs: Vec<IndexRun>) -> Result<u64, CrawlError> {
    let lists = &context.findings.lists;
    let pages = runs.iter().map(IndexRun::pages).sum();
    lists.planned(pages);
    let submitted = context.frontier.submit(FollowUps { index: runs, details: Vec::new() })?;
    lists.known_already(pages - submitted.index);
    Ok(submitted.index)
}

/// Notes that a list page is done: all its follow-ups were submitted, or it is lost. Ends the pass
/// if it was the last page of it, while that page is still leased.
pub async fn page_done(
    context: &WorkerContext,
    index: &IndexPage,
    is_lost: bool,
) -> Result<(), CrawlError> {
    if context.findings.lists.answered(index, is_lost) {
        pass_ended(context, index.pass).await?;
    }
    Ok(())
}

/// Ends a pass. Lists that are short of their counts, or that moved meanwhile, are read once more,
/// since items may have moved between pages.
async fn pass_ended(context: &WorkerContext, pass: u32) -> Result<(), CrawlError> {
    let WorkerContext { site, scope, findings, reports, .. } = context;
    let may_walk = scope.kind != Kind::Limited && site.index.total_exact;
    if may_walk {
        // A declared count that the number of pages reaches, but not the number of items, does not
        // prove the end.
        let beyond = findings.lists.beyond(pass).into_iter().flat_map(|next| next.runs);
        let beyond: Vec<IndexRun> = beyond.filter_map(|run| clip(context, run)).collect();
        if !beyond.is_empty() && submit(context, beyond)? > 0 {
            return Ok(());
        }
    }
    let doubtful = findings.lists.mismatches().into_iter();
    let doubtful = doubtful.filter(|it| (it.is_short || it.has_moved) && !it.is_cut);
    let doubtful = doubtful.filter(|it| it.hinted_by.is_none());
    let again = doubtful.filter_map(|it| site.again(it.list, pass + 1, scope.range));
    let may_walk = may_walk && pass < MOST_PASSES;
    let again: Vec<IndexRun> = if may_walk { again.collect() } else { Vec::new() };
    if again.is_empty() {
        report_differing(findings.lists.differing(), &reports.problems);
        return unlisted::submit(context).await;
    }
    reports.metrics.pass();
    submit(context, again)?;
    Ok(())
}

/// Reports entries that share their key with a different one, once all lists are read.
fn report_differing(differing: Option<Differing>, problems: &Problems) {
    if let Some(differing) = differing {
        problems.gap(same_key(&differing));
    }
}

/// Returns the part of a run that may be requested, or `None`. If `max_pages` cuts it, that is a
/// gap.
fn clip(context: &WorkerContext, run: IndexRun) -> Option<IndexRun> {
    let range = match run.list {
        List::Seeds(_) => PageRange { from: 1, to: context.site.index.most_pages },
        _ => context.scope.range,
    };
    if run.to > range.to && context.scope.kind != Kind::Limited {
        context
            .reports
            .problems
            .gap(format!("the list continues after {} pages, where `max_pages` ends it", range.to));
    }
    range.clip(run)
}
