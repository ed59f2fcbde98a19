//! What follows from a page, kind by kind: a table of cases.

use super::*;
use crate::model::seed::SeedPath;
use crate::model::task::List;
use crate::select::{FieldRule, Select, Selector};
use crate::site::{Hints, LastPage, NextPage, Step};

const OFFSET: Paging = Paging::Offset { first: 0, limit: 10, total: None, step: Step::Limit };
const ITEMS: Paging = Paging::Offset { first: 0, limit: 10, total: None, step: Step::Items };
const PAGES: Paging = Paging::Page { first: 1, last: LastPage::Unknown };
const LINKS: Paging = Paging::Next(NextPage::LinkHeader);

fn cursor() -> Paging {
    Paging::Cursor(crate::site::Handover::cursor(FieldRule::new(Select::Json(
        Selector::parse("$.next").unwrap(),
    ))))
}

fn place(cursor: &str) -> Place {
    Place::Cursor(cursor.into())
}

/// Page `number`, which is a guess unless it is the first.
fn guess(number: u64) -> IndexPage {
    IndexPage { is_guess: number > 1, ..IndexPage::numbered(1, number, number) }
}

/// Page `number`, which the one before it named.
fn named(number: u64) -> IndexPage {
    IndexPage { place: Some(place("here")), ..IndexPage::numbered(1, number, number) }
}

fn said(items: u64) -> PageSaid {
    let hints = Hints { tells_kind: true, ..Hints::default() };
    PageSaid { items, hints, ..PageSaid::default() }
}

fn names(items: u64, cursor: &str) -> PageSaid {
    PageSaid { places: vec![place(cursor)], ..said(items) }
}

fn hints(items: u64, hint: impl FnOnce(&mut Hints)) -> PageSaid {
    let mut said = said(items);
    hint(&mut said.hints);
    said
}

/// The second look at what was empty at the first.
fn again() -> Before {
    Before { was_empty: true, ..Before::default() }
}

/// The turn in a word, with where it leads.
fn turn(paging: &Paging, page: &IndexPage, said: &PageSaid, before: &Before) -> String {
    of(paging, page, Answer::Page(said), before)
}

fn of(paging: &Paging, page: &IndexPage, answer: Answer<'_>, before: &Before) -> String {
    let list = Rules { paging, total_exact: true, asks_again: true, heeds_hints: true };
    match decide(&list, page, answer, before) {
        Turn::AskAgain => "again".to_owned(),
        Turn::OtherKind(_) => "other".to_owned(),
        Turn::Lost => "lost".to_owned(),
        Turn::Inside => "inside".to_owned(),
        Turn::End => "end".to_owned(),
        Turn::Gap(_) => "gap".to_owned(),
        Turn::Onward(next) => match &next.runs[0].place {
            Some(Place::Offset(offset)) => format!("offset {offset}"),
            Some(_) => "placed".to_owned(),
            None => format!("{}..{}", next.runs[0].from, next.runs[0].to),
        },
    }
}

#[test]
fn l3_an_empty_page_is_asked_for_again_and_then_the_end_whatever_the_paging() {
    for (paging, page) in [
        (&OFFSET, guess(3)),
        (&PAGES, guess(3)),
        (&LINKS, named(3)),
        (&cursor(), named(3)),
        (&ITEMS, named(3)),
        (&Paging::Single, guess(1)),
    ] {
        assert_eq!(turn(paging, &page, &said(0), &Before::default()), "again", "{paging:?}");
        assert_eq!(turn(paging, &page, &said(0), &again()), "end", "{paging:?}");
    }
    let says_so = PageSaid { declared: Some(0), ..said(0) };
    assert_eq!(turn(&OFFSET, &guess(1), &says_so, &Before::default()), "end");
    assert_eq!(turn(&OFFSET, &guess(2), &says_so, &Before::default()), "again", "in the middle");
}

#[test]
fn l13_an_empty_page_leads_on_where_it_names_a_new_page_and_ends_the_list_where_it_does_not() {
    let cursor = cursor();
    let page = named(4);
    assert_eq!(turn(&cursor, &page, &names(0, "new"), &again()), "placed");
    let known = Before { names_nothing_new: true, ..again() };
    assert_eq!(turn(&cursor, &page, &names(0, "here"), &known), "end");
    assert_eq!(turn(&cursor, &page, &names(3, "here"), &known), "gap", "with items on it");
    let many = |empty_in_a_row| Before { empty_in_a_row, ..again() };
    assert_eq!(turn(&cursor, &page, &names(0, "new"), &many(MOST_EMPTY - 2)), "placed");
    assert_eq!(turn(&cursor, &page, &names(0, "new"), &many(MOST_EMPTY - 1)), "gap");
    // A service that counts pages, and filters them.
    let more = hints(0, |it| it.goes_on = Some("has_more".into()));
    assert_eq!(turn(&PAGES, &guess(4), &more, &again()), "5..5");
    assert_eq!(turn(&PAGES, &guess(4), &more, &many(MOST_EMPTY - 1)), "gap");
}

#[test]
fn l10_a_page_of_another_kind_is_no_end() {
    let without = hints(0, |it| it.container = Some(false));
    let had = |before| Before { had_container: true, ..before };
    for before in [Before::default(), again()] {
        assert_eq!(turn(&PAGES, &guess(3), &without, &had(before)), "other");
    }
    assert_eq!(turn(&PAGES, &guess(1), &without, &again()), "end", "no earlier page had it");
    let error = hints(0, |it| (it.container, it.error) = (Some(true), Some("error".into())));
    assert_eq!(turn(&PAGES, &guess(3), &error, &again()), "other");
    let unknown = said(0);
    assert_eq!(turn(&PAGES, &guess(3), &unknown, &had(again())), "end", "`require` decides");
    // Services that leave empty arrays out name a new page.
    let leads_on = PageSaid { places: vec![place("new")], ..without.clone() };
    assert_eq!(turn(&cursor(), &named(3), &leads_on, &had(again())), "placed");
    let known = Before { names_nothing_new: true, ..had(again()) };
    assert_eq!(turn(&cursor(), &named(3), &leads_on, &known), "other");
}

#[test]
fn l16_a_named_page_of_another_content_type_is_lost() {
    let other = Before { is_other_type: true, ..again() };
    assert_eq!(turn(&LINKS, &named(3), &said(0), &other), "other");
    assert_eq!(turn(&LINKS, &named(3), &said(2), &other), "end", "it has items");
    assert_eq!(turn(&PAGES, &guess(3), &said(0), &other), "end", "a guess may be anything");
    let required = PageSaid { hints: Hints::default(), ..said(0) };
    assert_eq!(turn(&LINKS, &named(3), &required, &other), "end", "`require` decides alone");
}

#[test]
fn l12_a_list_that_goes_on_without_saying_where_has_a_gap() {
    let more = hints(10, |it| it.goes_on = Some("has_more".into()));
    let full = hints(10, |it| it.asked_for = Some(10));
    for (paging, page) in [(&Paging::Single, guess(1)), (&cursor(), guess(1))] {
        assert_eq!(turn(paging, &page, &more, &Before::default()), "gap", "{paging:?}");
        assert_eq!(turn(paging, &page, &full, &Before::default()), "gap", "{paging:?}");
    }
    let few = hints(9, |it| it.asked_for = Some(10));
    assert_eq!(turn(&cursor(), &guess(1), &few, &Before::default()), "end");
    let null = hints(10, |it| (it.asked_for, it.says_last) = (Some(10), true));
    assert_eq!(turn(&cursor(), &guess(1), &null, &Before::default()), "end", "it says so");
    assert_eq!(turn(&cursor(), &named(3), &full, &Before::default()), "end", "a full last page");
    let off =
        Rules { paging: &Paging::Single, total_exact: true, asks_again: true, heeds_hints: false };
    for said in [more, full] {
        assert_eq!(decide(&off, &guess(1), Answer::Page(&said), &Before::default()), Turn::End);
    }
}

#[test]
fn l14_by_offset_a_short_first_page_is_no_proof_of_an_end() {
    let short = Before { first_items: Some(3), ..again() };
    assert_eq!(turn(&OFFSET, &guess(2), &said(0), &short), "offset 3", "was that all?");
    assert_eq!(of(&OFFSET, &guess(2), Answer::Absent, &short), "offset 3");
    let probe = IndexPage { place: Some(Place::Offset(3)), ..guess(3) };
    assert_eq!(turn(&OFFSET, &probe, &said(0), &short), "end", "it was");
    assert_eq!(turn(&OFFSET, &probe, &said(2), &short), "gap", "it was not");
    let repeats = Before { repeats: Some(1), ..short.clone() };
    assert_eq!(turn(&OFFSET, &probe, &said(3), &repeats), "end", "it rounds offsets");
    let full = Before { first_items: Some(10), ..again() };
    assert_eq!(turn(&OFFSET, &guess(2), &said(0), &full), "end");
}

#[test]
fn l14_items_fall_between_pages_where_the_first_is_short_and_the_list_goes_on() {
    let rules =
        |paging, total_exact| Rules { paging, total_exact, asks_again: true, heeds_hints: true };
    let with = |declared| PageSaid { declared, ..said(10) };
    let gap = |paging, exact, number, declared, first| {
        between(&rules(paging, exact), &guess(number), &with(declared), first).is_some()
    };
    assert!(gap(&OFFSET, true, 2, None, Some(3)));
    assert!(!gap(&OFFSET, true, 1, None, Some(3)), "the first page itself");
    assert!(!gap(&OFFSET, true, 3, None, Some(10)), "a short page in the middle is none");
    assert!(!gap(&OFFSET, true, 2, Some(20), Some(3)), "the count tells");
    assert!(gap(&OFFSET, false, 2, Some(20), Some(3)), "the count is none");
    assert!(!gap(&ITEMS, false, 2, None, Some(3)));
    assert!(!gap(&PAGES, false, 2, None, Some(3)));
}

#[test]
fn l14_with_steps_of_items_each_page_begins_where_the_one_before_it_ended() {
    let at = |offset| IndexPage { place: Some(Place::Offset(offset)), ..guess(2) };
    let with = |items, declared| PageSaid { declared, ..said(items) };
    let fresh = Before::default();
    assert_eq!(turn(&ITEMS, &guess(1), &with(3, None), &fresh), "offset 3");
    assert_eq!(turn(&ITEMS, &at(3), &with(10, None), &fresh), "offset 13");
    assert_eq!(turn(&ITEMS, &at(13), &with(4, Some(17)), &fresh), "end", "all that it declares");
    assert_eq!(turn(&ITEMS, &at(13), &with(4, Some(18)), &fresh), "offset 17");
    assert_eq!(turn(&ITEMS, &at(10), &with(10, Some(20)), &fresh), "end", "a full last page");
}

#[test]
fn l15_a_page_that_is_not_there_ends_the_list_where_it_was_a_guess() {
    let first_of_category = IndexPage { list: List::Items(SeedPath::of("a")), ..guess(1) };
    for page in [guess(3), first_of_category] {
        assert_eq!(of(&PAGES, &page, Answer::Absent, &Before::default()), "again");
        assert_eq!(of(&PAGES, &page, Answer::Absent, &again()), "end");
    }
    let planned = IndexPage::numbered(1, 3, 9);
    for page in [guess(1), named(3), planned] {
        assert_eq!(of(&PAGES, &page, Answer::Absent, &again()), "lost", "{page:?}");
    }
}

#[test]
fn l18_nothing_is_asked_for_behind_a_full_last_page_where_the_total_is_reached() {
    let with = |declared| PageSaid { declared: Some(declared), ..said(10) };
    let fresh = Before::default();
    let moved = Before { has_moved: true, ..Before::default() };
    assert_eq!(turn(&OFFSET, &guess(2), &with(20), &fresh), "end");
    assert_eq!(turn(&OFFSET, &guess(2), &with(20), &moved), "3..3", "pages do not agree");
    assert_eq!(
        turn(&OFFSET, &guess(1), &with(10), &fresh),
        "2..2",
        "the items on the page, perhaps"
    );
    assert_eq!(turn(&OFFSET, &guess(2), &with(19), &fresh), "3..3", "the total is too low");
    let list = Rules { paging: &OFFSET, total_exact: false, asks_again: true, heeds_hints: true };
    let inexact = decide(&list, &guess(2), Answer::Page(&with(20)), &fresh);
    assert!(matches!(inexact, Turn::Onward(_)), "{inexact:?}");
}

#[test]
fn l2_a_page_that_repeats_another_is_no_end_that_the_list_declares() {
    let repeats = Before { repeats: Some(1), ..Before::default() };
    assert_eq!(turn(&PAGES, &guess(3), &said(5), &repeats), "gap");
    assert_eq!(turn(&cursor(), &named(3), &names(5, "new"), &repeats), "gap");
    let over = Before { is_over: true, ..Before::default() };
    assert_eq!(turn(&PAGES, &guess(5), &said(5), &over), "gap");
    let planned = IndexPage::numbered(1, 2, 9);
    assert_eq!(turn(&PAGES, &planned, &said(5), &repeats), "inside");
}
