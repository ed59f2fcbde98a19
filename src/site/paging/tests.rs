//! Pages that follow a page, by kinds of paging.

use super::*;
use crate::model::task::List;

fn numbered(number: u64, planned_to: u64) -> IndexPage {
    IndexPage::numbered(1, number, planned_to)
}

/// First and last page of what follows, and whether it is certain.
fn follow(paging: &Paging, page: &IndexPage, said: PageSaid) -> Option<(u64, u64, bool)> {
    let next = paging.after(page, &said, true)?;
    assert_eq!(next.runs.len(), 1);
    Some((next.runs[0].from, next.runs[0].to, next.certain))
}

fn after(number: u64, planned_to: u64, items: u64, declared: Option<u64>) -> Option<(u64, u64)> {
    let said = PageSaid { items, declared, ..PageSaid::default() };
    let offset = Paging::Offset { first: 0, limit: 18, total: None, step: Step::Limit };
    follow(&offset, &numbered(number, planned_to), said).map(|(from, to, _)| (from, to))
}

#[test]
fn the_first_page_plans_all_others() {
    assert_eq!(after(1, 1, 18, Some(9040)), Some((2, 503)));
    assert_eq!(after(1, 1, 5, Some(5)), None);
}

#[test]
fn pages_inside_the_plan_add_nothing() {
    assert_eq!(after(7, 503, 18, Some(20_000)), None);
}

#[test]
fn l5_the_page_that_reaches_the_end_sees_growth() {
    assert_eq!(after(503, 503, 4, Some(9041)), None);
    assert_eq!(after(503, 503, 18, Some(9072)), Some((504, 504)));
    assert_eq!(after(2, 2, 18, Some(35)), Some((3, 3)), "more than the total: it lies");
    assert_eq!(after(3, 3, 0, Some(36)), None);
}

#[test]
fn without_a_total_pages_follow_until_an_empty_one() {
    assert_eq!(after(1, 1, 18, None), Some((2, 2)));
    assert_eq!(after(2, 2, 3, None), Some((3, 3)));
    assert_eq!(after(3, 3, 0, None), None);
}

#[test]
fn numbered_pages_go_to_the_last_or_until_an_empty_one() {
    let after = |last, number, items, said_last| {
        let said = PageSaid { items, last: said_last, ..PageSaid::default() };
        follow(&Paging::Page { first: 0, last }, &numbered(number, number), said)
    };
    assert_eq!(after(LastPage::Number(9), 1, 25, None), Some((2, 10, true)));
    assert_eq!(after(LastPage::Number(9), 10, 25, None), None);
    assert_eq!(after(LastPage::Unknown, 1, 25, None), Some((2, 2, false)));
    assert_eq!(after(LastPage::Unknown, 2, 0, None), None);
    let said = || LastPage::Said(Said::Header { name: "x".into(), regex: None });
    assert_eq!(after(said(), 1, 25, Some(4)), Some((2, 5, true)));
    assert_eq!(after(said(), 5, 25, Some(4)), None);
    assert_eq!(after(said(), 5, 25, Some(7)), Some((6, 8, true)), "the list has grown");
    assert_eq!(after(said(), 1, 25, None), Some((2, 2, false)), "no page says the last");
    assert_eq!(after(said(), 1, 25, Some(u64::MAX)), Some((2, u64::MAX, true)));
}

#[test]
fn numbered_pages_with_a_total_end_where_it_says() {
    let last = LastPage::Total { size: 20, total: Said::Header { name: "x".into(), regex: None } };
    let after = |number, declared| {
        let said = PageSaid { items: 20, declared, ..PageSaid::default() };
        let paging = Paging::Page { first: 0, last: last.clone() };
        follow(&paging, &numbered(number, number), said)
    };
    assert_eq!(after(1, Some(60)), Some((2, 3, true)));
    assert_eq!(after(3, Some(60)), None, "behind the last page there is an error");
    assert_eq!(after(3, Some(61)), Some((4, 4, true)), "the list has grown");
    assert_eq!(after(3, None), Some((4, 4, false)));
}

#[test]
fn pages_that_say_where_the_next_is_follow_one_another() {
    let place = |name: &str| Place::Url(format!("http://h/{name}").into());
    let said = |items, places| PageSaid { items, places, ..PageSaid::default() };
    let page = numbered(4, 4);
    let next = Paging::Next(NextPage::LinkHeader);
    assert_eq!(follow(&next, &page, said(3, vec![place("a")])), Some((5, 5, true)));
    assert_eq!(follow(&next, &page, said(0, vec![place("a")])), Some((5, 5, true)));
    assert_eq!(follow(&next, &page, said(3, vec![])), None);
    let sitemaps = Paging::Sitemap.after(&page, &said(0, vec![place("a"), place("b")]), true);
    let runs = sitemaps.expect("a sitemap index has no items of its own").runs;
    let found: Vec<_> = runs.iter().map(|run| (run.from, run.to, run.place.clone())).collect();
    assert_eq!(found, [(5, 5, Some(place("a"))), (6, 6, Some(place("b")))]);
    assert_eq!(runs[0].list, List::default());
}
