//! Decides whether a list continues after a page, and where: one pure function for all kinds of
//! paging.
//!
//! An end must be proven, not assumed. The proof is the last page of the site's own plan, a page
//! that says that it is the last, or an empty page of the list's own kind that was empty twice. A
//! page of another kind proves nothing and is an error. A page that says that the list continues,
//! but not where, proves nothing and is a gap.

use std::collections::HashMap;

use super::MOST_STALE;
use crate::model::task::{IndexPage, List, Place};
use crate::model::text::counted;
use crate::site::{Next, PageSaid, Paging, Site};

/// Maximum number of empty pages in a row that are followed if each names a new next page.
pub const MOST_EMPTY: u64 = 1000;

/// Maximum number of empty pages in a row after which the next page is requested only because the
/// page names it, in lists paged by counting: some services name a next page forever.
const MOST_NAMED: u64 = 2;

/// Evidence that a page is not one of the list.
const NO_CONTAINER: &str = "it lacks what holds the items on other pages of the list";
/// Advice where a page is not one of the list.
const WAYS: &str =
    "if it ends the list, `require` or `[answers] missing` in the site file can say so";

/// The rules for reading a list.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// Paging of the list.
    pub paging: &'a Paging,
    /// True if a declared count is exact.
    pub total_exact: bool,
    /// True if an empty page is requested again before it counts as empty.
    pub asks_again: bool,
    /// True if hints on pages about further pages count, in addition to the configured paging.
    pub heeds_hints: bool,
}

impl<'a> Rules<'a> {
    /// Returns the rules of a list of `site`. `is_whole` is false if only a part of the list is read,
    /// which need not be complete.
    pub fn of(site: &'a Site, list: &List, asks_again: bool, is_whole: bool) -> Rules<'a> {
        Rules {
            paging: site.paging_of(list),
            total_exact: site.index.total_exact,
            asks_again,
            heeds_hints: site.heeds_hints(list) && is_whole,
        }
    }

    /// Completes the statements of a page by those of its request.
    pub fn complete(&self, site: &Site, page: &IndexPage, said: &mut PageSaid) {
        if page.number > 1 && said.items == 0 {
            // Some sites declare the number of items on the page instead, which is 0 here.
            said.declared = said.declared.filter(|declared| *declared > 0);
        }
        if page.number == 1 && said.places.is_empty() && !self.paging.is_counted() {
            said.hints.asked_for = site.requested_items(page);
        }
    }
}

/// The result of requesting a page.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// A page with this content.
    Page(&'a PageSaid),
    /// The site says that the page does not exist.
    Absent,
}

/// The state of the list before the page, in the same pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// True if the page was empty or missing at the first request.
    pub was_empty: bool,
    /// Number of empty pages in a row just before it.
    pub empty_in_a_row: u64,
    /// Number of the page whose items it repeats.
    pub repeats: Option<u64>,
    /// True if so many pages are repeated that the list is not followed any further.
    pub is_over: bool,
    /// True if an earlier page had the container of the items.
    pub had_container: bool,
    /// True if its content type differs from that of the first page.
    pub is_other_type: bool,
    /// True if pages declare different counts.
    pub has_moved: bool,
    /// True if every place that it names was named before.
    pub names_nothing_new: bool,
    /// Number of items on the first page.
    pub first_items: Option<u64>,
    /// True if as many items as the list declares were listed before.
    pub has_all: bool,
    /// True if so many pages in a row listed nothing new that the list is not followed any further.
    pub is_stale: bool,
    /// Status code that all pages with items have in common, if they have one.
    pub code: Option<i64>,
}

/// The action after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Request the page again before its response counts.
    AskAgain,
    /// Retry the page: it is not a page of this list, for this reason.
    OtherKind(String),
    /// Retry the page: it is missing, though it should exist.
    Lost,
    /// Do nothing: the page is inside a planned range.
    Inside,
    /// Continue with these pages.
    Onward(Next),
    /// End the list, which is proven to end here.
    End,
    /// Stop, although the list may go on, for this reason.
    Gap(String),
}

impl Turn {
    /// Returns the turn that also requests `probe`, unless the page is not taken.
    pub fn and(self, probe: Next) -> Turn {
        match self {
            Turn::Inside | Turn::End => Turn::Onward(probe),
            Turn::Onward(mut next) => {
                next.runs.extend(probe.runs);
                Turn::Onward(next)
            }
            other => other,
        }
    }
}

/// Decides what follows a page.
pub fn decide(list: &Rules<'_>, page: &IndexPage, answer: Answer<'_>, before: &Before) -> Turn {
    let nothing = PageSaid::default();
    let said = match answer {
        Answer::Page(said) => said,
        Answer::Absent if page.may_be_missing() => &nothing,
        Answer::Absent => return Turn::Lost,
    };
    if before.is_over && before.has_all {
        return Turn::End;
    }
    if before.is_over {
        return Turn::Gap(format!(
            "{page}: three pages in a row have the items of other pages; the rest of the list was not requested"
        ));
    }
    let is_exact = list.total_exact && !before.has_moved;
    let next = list.paging.after(page, said, is_exact);
    if !list.paging.is_sequence() && !said.places.is_empty() {
        // A sitemap has no items of its own. It may name only sitemaps that were named before.
        return next.map_or(Turn::End, Turn::Onward);
    }
    let is_placed = next.as_ref().is_some_and(Next::is_placed);
    let is_cycle = is_placed && before.names_nothing_new;
    let next = next.filter(|_| !is_cycle);
    match said.items {
        0 => after_nothing(list, page, answer, said, before, next),
        _ if is_cycle => {
            Turn::Gap(format!("{page} says that the next page is one that was read already"))
        }
        _ => after_items(list, page, said, before, next),
    }
}

/// Decides what follows a page that has no items or does not exist.
fn after_nothing(
    list: &Rules<'_>,
    page: &IndexPage,
    answer: Answer<'_>,
    said: &PageSaid,
    before: &Before,
    next: Option<Next>,
) -> Turn {
    if let (Answer::Page(said), None) = (answer, &next)
        && let Some(why) = other_kind(page, said, before)
    {
        return Turn::OtherKind(why);
    }
    // An empty list may declare zero items, but not in its middle.
    let says_so = said.declared == Some(0) && page.number == 1;
    if list.asks_again && !before.was_empty && !says_so {
        return Turn::AskAgain;
    }
    if next.is_some() && before.empty_in_a_row + 1 >= MOST_EMPTY {
        return Turn::Gap(format!(
            "{page} is the {MOST_EMPTY}th in a row that is empty, and names a further one; the rest of the list was not requested"
        ));
    }
    let next = next.or_else(|| probe(list.paging, page, said, before));
    let may_name = said.declared.is_none() && before.empty_in_a_row + 1 < MOST_NAMED;
    match next.or_else(|| named(list, page, said).filter(|_| may_name)) {
        Some(next) => Turn::Onward(next),
        None => end(list, page, said),
    }
}

fn after_items(
    list: &Rules<'_>,
    page: &IndexPage,
    said: &PageSaid,
    before: &Before,
    next: Option<Next>,
) -> Turn {
    if said.hints.container == Some(false) && before.had_container {
        return Turn::OtherKind(format!("{NO_CONTAINER}; {WAYS}"));
    }
    if is_probe(list.paging, page) {
        // The probe starts at the number of items seen: new items on it mean that the page before
        // it skipped some.
        return match before.repeats {
            Some(_) => Turn::End,
            None => Turn::Gap(too_few(list.paging, before.first_items)),
        };
    }
    let named = || named(list, page, said).filter(|_| before.repeats.is_none());
    let next = next.or_else(named).or_else(|| behind(list, page, before));
    let Some(next) = next else {
        // A page with items that hands over its own values is no end: the site may ignore them.
        return match list.paging.hands_over(said) && said.goes_on != Some(false) {
            true => Turn::Gap(format!(
                "{page} has items, and hands over the values that it was requested with: the site may ignore them"
            )),
            false => end(list, page, said),
        };
    };
    if before.is_stale && (next.is_placed() || !next.certain) {
        return Turn::Gap(format!(
            "{page}: {MOST_STALE} pages in a row list nothing that other pages do not list; the rest of the list was not requested"
        ));
    }
    let Some(repeated) = before.repeats.filter(|_| next.is_placed() || !next.certain) else {
        return Turn::Onward(next);
    };
    // Some sites repeat the last page, or the first, forever.
    match said.declared {
        Some(_) => Turn::End,
        None => Turn::Gap(format!(
            "{page} brings nothing but the items of page {repeated} again, and does not say that it is the last"
        )),
    }
}

/// Decides how the list ends if the paging has no next page.
fn end(list: &Rules<'_>, page: &IndexPage, said: &PageSaid) -> Turn {
    if list.paging.is_numbered() && page.number < page.planned_to {
        return Turn::Inside;
    }
    match said.goes_on {
        Some(false) => return Turn::End,
        Some(true) => {
            return Turn::Gap(format!(
                "{page} says by `while` that the list continues, but has nothing for the request of a next page"
            ));
        }
        None => {}
    }
    let hints = &said.hints;
    let off = "`more = false` in paging passes over that";
    if let Some(name) = hints.goes_on_after(page.number).filter(|_| list.heeds_hints) {
        return Turn::Gap(format!(
            "{page} says by `{name}` that the list continues, but the site file finds no next page there ({off})"
        ));
    }
    let is_first = page.number == 1 && !list.paging.is_counted();
    let is_full = hints.asked_for.is_some_and(|asked_for| said.items >= asked_for);
    if list.heeds_hints && is_first && is_full && !hints.says_last {
        return Turn::Gap(format!(
            "{page} is as full as its request asks for ({} items), and does not say that it is the last ({off})",
            said.items
        ));
    }
    Turn::End
}

/// Returns why a page without items is not a page of this list, or `None` if nothing shows that.
fn other_kind(page: &IndexPage, said: &PageSaid, before: &Before) -> Option<String> {
    let hints = &said.hints;
    if let Some(name) = &hints.error {
        return Some(format!("it has no items but `{name}`; {WAYS}"));
    }
    if hints.container == Some(false) && before.had_container {
        return Some(format!("{NO_CONTAINER}; {WAYS}"));
    }
    if let (Some((name, now)), Some(usual)) = (&hints.code, before.code)
        && *now != usual
    {
        return Some(format!(
            "it has no items, and its `{name}` is {now}, which is {usual} on other pages of the list; {WAYS}"
        ));
    }
    let is_named = page.place.is_some() && !page.is_guess;
    // The first page of a category without items may lead to the category above it.
    let is_later = is_named || page.number > 1;
    if let Some(place) = hints.led_to.as_ref().filter(|_| is_later && hints.tells_kind) {
        let by = if is_named { "it was named as the next page, and" } else { "it" };
        return Some(format!("{by} leads to {place}, which has no items; {WAYS}"));
    }
    (is_named && before.is_other_type && hints.tells_kind).then(|| {
        "it has no items, and another content type than the first page of the list".to_owned()
    })
}

/// The page behind the last one of a plan by a count that is not exact, where pages have fewer items than
/// the site file says: then there may be more of them.
fn behind(list: &Rules<'_>, page: &IndexPage, before: &Before) -> Option<Next> {
    let is_inexact = list.paging.total().is_some() && !list.total_exact;
    let is_short = before.first_items.zip(list.paging.limit()).is_some_and(|(it, of)| it < of);
    let is_last = page.place.is_none() && page.number >= page.planned_to;
    let may_follow = is_inexact && is_short && is_last && !list.paging.steps_by_limit();
    list.paging.one_more(page).filter(|_| may_follow && before.repeats.is_none())
}

/// Returns the page after the last one of a plan if the last one names a next page: the count may
/// be wrong.
fn named(list: &Rules<'_>, page: &IndexPage, said: &PageSaid) -> Option<Next> {
    let is_last = page.place.is_none() && page.number >= page.planned_to;
    let is_named = list.heeds_hints && said.hints.names_next.is_some() && said.goes_on.is_none();
    list.paging.one_more(page).filter(|_| is_last && is_named)
}

/// Returns a probe page, or `None` if none is needed. With paging by offset, the second page may be
/// empty although the first one had fewer items than requested. Either that was all, or the site
/// limits the number of items per page. The page at the offset of the items seen shows which.
fn probe(paging: &Paging, page: &IndexPage, said: &PageSaid, before: &Before) -> Option<Next> {
    let limit = paging.limit().filter(|_| paging.steps_by_limit() && page.place.is_none())?;
    let items = before.first_items.filter(|items| (1..limit).contains(items))?;
    let is_second = page.number == 2 && page.is_guess && said.declared.is_none();
    is_second.then(|| Next::guess_at(page, Place::Offset(items)))
}

/// Returns true if a page only shows whether items lie between other pages.
pub fn is_probe(paging: &Paging, page: &IndexPage) -> bool {
    paging.steps_by_limit() && matches!(page.place, Some(Place::Offset(_)))
}

/// Finds short pages in the middle of a list by offset, and the probes that show whether the site
/// left items out between them and the next page.
///
/// A short page may be one of which the site hides items after it has cut the page, or one that the
/// site cut shorter than asked for. The page at the offset of the items seen shows which: it has
/// nothing new in the first case, and the items between the pages in the second.
#[derive(Debug, Default)]
pub struct ShortPages {
    /// Numbers of pages and their items.
    sizes: HashMap<u64, u64>,
    /// Number of items of the shortest page that was probed.
    probed: Option<u64>,
}

impl ShortPages {
    /// Adds a page, and returns the probe that it makes necessary. Pages of one size are probed
    /// once; a page is probed once the page after it is known to have items.
    pub fn probe(&mut self, list: &Rules<'_>, page: &IndexPage, said: &PageSaid) -> Option<Next> {
        let paging = list.paging;
        let limit = paging.limit().filter(|_| paging.steps_by_limit() && page.place.is_none())?;
        let is_proven = said.declared.is_some() && list.total_exact;
        if is_proven || said.items == 0 || !list.heeds_hints {
            return None;
        }
        self.sizes.insert(page.number, said.items);
        let is_short = |number: &u64| {
            let items = self.sizes.get(number).copied().filter(|it| *it < limit)?;
            let is_new = self.probed.is_none_or(|probed| items < probed);
            // A short first page is a gap of its own.
            (*number > 1 && is_new && self.sizes.contains_key(&(number + 1))).then_some(items)
        };
        let pages = [page.number - 1, page.number].into_iter();
        let (number, items) = pages.filter_map(|it| Some((it, is_short(&it)?))).next()?;
        self.probed = Some(items);
        let offset = (number - 1).saturating_mul(limit).saturating_add(items);
        Some(Next::guess_at(page, Place::Offset(offset)))
    }

    /// Returns true if a page is such a probe.
    pub fn has_probed(&self, paging: &Paging, page: &IndexPage) -> bool {
        self.probed.is_some() && is_probe(paging, page)
    }
}

/// Returns the gap that a probe shows by `new` items on it.
pub fn left_out(paging: &Paging, page: &IndexPage, new: u64) -> Option<String> {
    let is_shown = new > 0 && is_probe(paging, page);
    is_shown.then(|| {
        format!(
            "a page in the middle of the list has fewer items than requested, and {} between it and the next page: write `step = \"items\"` in paging, so that each page begins where the one before it ended",
            counted(new, "item lies", "items lie")
        )
    })
}

/// Returns a gap if the first page of a counted list had fewer items than requested, but the list
/// continues: items may lie between the pages. Returns `None` if an exact count can prove the list
/// complete.
pub fn between(
    list: &Rules<'_>,
    page: &IndexPage,
    said: &PageSaid,
    first_items: Option<u64>,
) -> Option<String> {
    // Where pages are counted, nothing lies between them.
    let limit = list.paging.limit().filter(|_| list.paging.steps_by_limit())?;
    let is_short = first_items.is_some_and(|items| items < limit);
    // A page at the offset of the items seen cannot skip any.
    let goes_on = page.number > 1 && said.items > 0 && page.place.is_none();
    let is_proven = said.declared.is_some() && list.total_exact;
    (is_short && goes_on && !is_proven && list.paging.is_numbered())
        .then(|| too_few(list.paging, first_items))
}

/// Describes what to do if the site returns fewer items per page than requested.
pub fn too_few(paging: &Paging, first_items: Option<u64>) -> String {
    let (limit, items) = (paging.limit().unwrap_or(0), first_items.unwrap_or(0));
    let remedy = match paging.steps_by_limit() {
        true => {
            "write `step = \"items\"` in paging, so that each page begins where the one before it ended"
        }
        false => "write in `size` how many there are on a page",
    };
    format!(
        "the first page of the list has {items} of the {limit} items requested, and the list continues, so that items may lie between its pages: {remedy}"
    )
}

#[cfg(test)]
mod tests;
