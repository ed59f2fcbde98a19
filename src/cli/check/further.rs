//! Further pages of the list in a check: the second one, what lies between it and the first, and the
//! page that tells a number of pages from the number of the last.

use std::collections::HashSet;

use super::trial::{Stop, Trial};
use crate::engine::list_progress::{Rules, between, differing, ends_by_status, too_few};
use crate::extract::{self, Listing};
use crate::fetch::{Answer, Page as Answered};
use crate::model::task::{IndexPage, IndexRun, Page, Place};
use crate::site::{LastPage, Next, Paging};
use crate::tools::check;
use crate::tools::check::second::Read;

/// The first page of the list.
#[derive(Clone, Copy)]
pub struct First<'a> {
    /// Page of the list.
    pub index: &'a IndexPage,
    /// Items and declarations on it.
    pub listing: &'a Listing,
    /// Page as received.
    pub page: &'a Answered,
}

/// Requests the second page of the list, if there is one, and compares it with the first: a site file
/// may match the first page only.
///
/// # Errors
/// Returns an error if it shows that a crawl would be incomplete, or cannot be had.
pub async fn second(trial: &mut Trial, first: First<'_>) -> Result<(), Stop> {
    let First { index, listing, page } = first;
    tells_apart(trial, &[listing])?;
    let most = trial.site().page_range(None).to;
    let Some(Next { runs, certain }) = trial.site().after(index, &listing.said) else {
        return adds_up(trial, first, 0);
    };
    let run = runs.into_iter().next().filter(|run| run.from <= most);
    let Some((second, _)) = run.map(IndexRun::split) else { return Ok(()) };
    let Some((task, answer)) = asked(trial, &second).await? else { return Ok(()) };
    let status = answer.status.as_u16();
    if !certain && trial.site().statuses.is_end(status) {
        says_no_more(trial, first, "is not there", &second)?;
        return beyond_short_page(trial, first).await;
    }
    if let Some(hint) = ends_by_status(trial.site(), &second, status) {
        let why = check::refused(status, &answer.page.body);
        return Err(Stop::Misfit(format!("{task}: {why}{hint}")));
    }
    let answered = trial.good(&task, answer)?;
    let found = extract::index(trial.site(), &second.list, &answered);
    let found = found.map_err(|error| trial.unreadable(&second, &error, &answered))?;
    let one = Read { index, listing, page };
    let two = Read { index: &second, listing: &found, page: &answered };
    if let Some(why) = check::second::disproved(trial.site(), one, two) {
        return Err(Stop::Misfit(why));
    }
    if found.items.is_empty() && found.said.places.is_empty() {
        says_no_more(trial, first, "has no items", &second)?;
    }
    if certain {
        let warning = check::second::unexpected_end(index, &second, &found);
        trial.facts.warnings.extend(warning);
    }
    tells_apart(trial, &[listing, &found])?;
    let rules = Rules::of(trial.site(), &index.list, true, true);
    let gap = between(&rules, &second, &found.said, Some(listing.said.items));
    if let Some(why) = gap {
        return Err(Stop::Misfit(why));
    }
    adds_up(trial, first, found.said.items)?;
    match found.said.items {
        0 if !certain => beyond_short_page(trial, first).await,
        _ => behind_short_page(trial, &second, &found).await,
    }
}

/// Checks that the first page does not say that the list has more items than it, where the second page
/// lists none.
fn says_no_more(
    trial: &Trial,
    first: First<'_>,
    lacks: &str,
    second: &IndexPage,
) -> Result<(), Stop> {
    let said = check::second::says_more(trial.site(), first.index, first.listing);
    said.map_or(Ok(()), |said| Err(Stop::Misfit(format!("{second} {lacks}, and {said}"))))
}

/// Checks that entries with one key are the same.
fn tells_apart(trial: &Trial, listings: &[&Listing]) -> Result<(), Stop> {
    let items = listings.iter().flat_map(|it| &it.items);
    differing(trial.site(), items).map_or(Ok(()), |why| Err(Stop::Misfit(why)))
}

/// Checks that the list can have as many items as it declares, if its second page has `second` of them:
/// no page has more than are requested.
fn adds_up(trial: &Trial, first: First<'_>, second: u64) -> Result<(), Stop> {
    let (paging, said) = (trial.site().paging_of(&first.index.list), &first.listing.said);
    let counts = paging.limit().zip(said.declared).filter(|_| trial.site().index.total_exact);
    let Some((limit, declared)) = counts.filter(|_| paging.is_counted()) else { return Ok(()) };
    if !paging.is_numbered() || !(1..limit).contains(&said.items) || first.index.number > 1 {
        return Ok(());
    }
    let further = declared.div_ceil(limit).saturating_sub(2).saturating_mul(limit);
    let most = said.items.saturating_add(second).saturating_add(further);
    let is_short = most < declared;
    is_short.then(|| Stop::Misfit(too_few(paging, Some(said.items)))).map_or(Ok(()), Err)
}

/// Requests what follows the items of a first page that has fewer of them than requested, if the second
/// page is empty: items there lie between the two.
async fn beyond_short_page(trial: &mut Trial, first: First<'_>) -> Result<(), Stop> {
    let (paging, said) = (trial.site().paging_of(&first.index.list).clone(), &first.listing.said);
    let is_short = paging.limit().is_some_and(|limit| (1..limit).contains(&said.items));
    if !is_short || !paging.steps_by_limit() || said.declared.is_some() {
        return Ok(());
    }
    let has_more = has_new(trial, first.index, said.items, first.listing).await?;
    has_more.then(|| Stop::Misfit(too_few(&paging, Some(said.items)))).map_or(Ok(()), Err)
}

/// Requests what follows the items of a second page that has fewer of them than requested.
async fn behind_short_page(
    trial: &mut Trial,
    second: &IndexPage,
    found: &Listing,
) -> Result<(), Stop> {
    let (paging, said) = (trial.site().paging_of(&second.list).clone(), &found.said);
    let Some(limit) = paging.limit().filter(|limit| (1..*limit).contains(&said.items)) else {
        return Ok(());
    };
    // A declared count shows by itself whether the list is whole.
    if !paging.steps_by_limit() || second.place.is_some() || said.declared.is_some() {
        return Ok(());
    }
    let seen = limit.saturating_add(said.items);
    let has_more = has_new(trial, second, seen, found).await?;
    has_more
        .then(|| {
            Stop::Misfit(format!(
                "{second} has {} of the {limit} items requested, and further items follow them, which lie between it and the next page: write `step = \"items\"` in paging, so that each page begins where the one before it ended",
                said.items
            ))
        })
        .map_or(Ok(()), Err)
}

/// Returns true if the page after the first `seen` items lists items that `before` does not.
async fn has_new(
    trial: &mut Trial,
    index: &IndexPage,
    seen: u64,
    before: &Listing,
) -> Result<bool, Stop> {
    let guess = Next::guess_at(index, Place::Offset(seen));
    let run = guess.runs.into_iter().next();
    let Some((page, _)) = run.map(IndexRun::split) else { return Ok(false) };
    let found = listed(trial, &page).await?;
    let known = keys(before);
    Ok(found.is_some_and(|found| keys(&found).difference(&known).next().is_some()))
}

/// Tells the number of pages from the number of the last one, where pages are counted from 0 and one of
/// the two is read as the other: requests the page with that number.
///
/// # Errors
/// Returns an error if the site file reads the one as the other.
pub async fn counted_from_zero(trial: &mut Trial, first: First<'_>) -> Result<(), Stop> {
    let (said, is_count) = match &trial.site().index.paging {
        Paging::Page { first: 0, last: LastPage::Said(said) } => (said.text().to_owned(), false),
        Paging::Page { first: 0, last: LastPage::Pages(said) } => (said.text().to_owned(), true),
        _ => return Ok(()),
    };
    let Some(last) = first.listing.said.last.filter(|last| *last > 0 || is_count) else {
        return Ok(());
    };
    // The page with the declared number, as the site counts: the last of all, or the one after it.
    let named = if is_count { last.saturating_add(1) } else { last };
    let (index, most) = (first.index, trial.site().page_range(None).to);
    let at = |named: u64| IndexPage { number: named.saturating_add(1), ..index.clone() };
    if first.index.place.is_some() || at(named).number > most {
        return Ok(());
    }
    let found = listed(trial, &at(named)).await?;
    let found = found.filter(|found| found.said.items > 0);
    let why = match (found, is_count) {
        (None, false) => Some(format!(
            "by `last`, the last page is number {named}, and it is not there: `{said}` is the number of pages, and the first page is number 0, so write `pages` in place of `last`"
        )),
        (Some(found), true) => {
            // Some sites repeat the last page for each number after it.
            let before = if named > 1 { listed(trial, &at(last)).await? } else { None };
            let before = before.as_ref().unwrap_or(first.listing);
            let is_new = keys(&found).difference(&keys(before)).next().is_some();
            is_new.then(|| format!(
                "by `pages`, the last page is number {last}, and page number {named} has further items: `{said}` is the number of the last page, so write `last` in place of `pages`"
            ))
        }
        _ => None,
    };
    why.map_or(Ok(()), |why| Err(Stop::Misfit(why)))
}

/// Returns what a page lists, or `None` if it is not there or is not a page of the list.
async fn listed(trial: &mut Trial, index: &IndexPage) -> Result<Option<Listing>, Stop> {
    let Some((task, answer)) = asked(trial, index).await? else { return Ok(None) };
    if answer.leads_to.is_some() || !trial.site().statuses.is_ok(answer.status.as_u16()) {
        return Ok(None);
    }
    let page = trial.good(&task, answer)?;
    Ok(extract::index(trial.site(), &index.list, &page).ok())
}

async fn asked(trial: &mut Trial, index: &IndexPage) -> Result<Option<(Page, Answer)>, Stop> {
    let task = Page::Index(index.clone());
    let Some(request) = trial.request(&task)? else { return Ok(None) };
    let answer = trial.ask(&task, request).await?;
    Ok(Some((task, answer)))
}

fn keys(listing: &Listing) -> HashSet<&str> {
    listing.items.iter().flatten().map(|item| item.key.as_str()).collect()
}
