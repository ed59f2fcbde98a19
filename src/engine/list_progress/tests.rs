//! Results of pages, in any order of arrival.

use super::*;
use crate::model::seed::SeedPath;
use crate::select::{FieldRule, Select, Selector};
use crate::site::{Hints, LastPage, Paging};

fn page(number: u64) -> IndexPage {
    IndexPage::numbered(1, number, 9)
}

fn of(seed: &str, number: u64) -> IndexPage {
    IndexPage { list: List::Items(SeedPath::of(seed)), ..page(number) }
}

fn declared(declared: u64) -> PageSaid {
    PageSaid { declared: Some(declared), ..PageSaid::default() }
}

/// Takes in a page that says this.
fn take(progress: &ListProgress, page: &IndexPage, names: &[&str], said: PageSaid) -> Turn {
    let paging = Paging::Page { first: 1, last: LastPage::Unknown };
    let list = Rules { paging: &paging, total_exact: true, asks_again: true, heeds_hints: true };
    let said = PageSaid { items: names.len() as u64, ..said };
    progress.take(&list, page, Answer::Page(&said), None, names.iter().copied())
}

fn read(progress: &ListProgress, page: &IndexPage, names: &[&str]) -> Turn {
    take(progress, page, names, PageSaid::default())
}

#[test]
fn l2_a_page_is_repeated_where_it_has_the_keys_of_another() {
    let progress = ListProgress::default();
    let last = |number| IndexPage::numbered(1, number, number);
    let is_repeated = |page: &IndexPage, names: &[&str]| match read(&progress, page, names) {
        Turn::Gap(why) => why.contains("page 1 again"),
        _ => false,
    };
    assert!(!is_repeated(&last(1), &["a", "b"]));
    assert!(!is_repeated(&last(1), &["a", "b"]), "the page itself, once more");
    assert!(!is_repeated(&last(2), &["a", "c"]));
    assert!(!is_repeated(&last(3), &[]));
    assert!(!is_repeated(&last(4), &[]), "empty pages have no keys to repeat");
    assert!(is_repeated(&last(6), &["b", "a"]), "in another order");
    let other = IndexPage { list: List::Items(SeedPath::of("x")), ..last(2) };
    assert!(!is_repeated(&other, &["a", "b"]), "another list");
}

#[test]
fn l2_three_in_a_row_end_a_list_in_whatever_order_they_come() {
    let progress = ListProgress::default();
    read(&progress, &page(1), &["a"]);
    for (number, is_over) in [(3, false), (5, false), (6, false), (4, true)] {
        read(&progress, &page(number), &["a"]);
        assert_eq!(progress.is_over(&page(9)), is_over, "{number}");
    }
    assert!(!progress.is_over(&of("x", 9)));
}

#[test]
fn counts_are_compared_list_by_list() {
    let progress = ListProgress::default();
    assert_eq!(progress.declared(), None);
    for (seed, names, says) in [("x", ["a", "b"], 2), ("y", ["b", "b"], 3)] {
        take(&progress, &of(seed, 1), &names, declared(says));
        progress.listed(&of(seed, 1), names.into_iter(), 2, 0);
    }
    assert_eq!(progress.declared(), Some(5));
    let list = List::Items(SeedPath::of("y"));
    let short = Mismatch {
        list,
        declared: 3,
        listed: 1,
        has_moved: false,
        is_short: true,
        is_cut: false,
        hinted_by: None,
        first_items: Some(2),
    };
    assert_eq!(progress.mismatches(), [short]);
    progress.listed(&of("y", 1), [].into_iter(), 0, 2);
    assert_eq!(progress.mismatches(), []);
    read(&progress, &of("z", 1), &["a"]);
    assert_eq!(progress.declared(), None, "one of them does not say");
}

#[test]
fn a_pass_ends_once_with_its_last_page() {
    let progress = ListProgress::default();
    progress.planned(1);
    progress.planned(3);
    progress.known_already(1);
    assert!(!progress.answered(&page(1), false), "two more are on their way");
    assert!(!progress.answered(&page(2), true));
    assert!(progress.answered(&page(3), false));
    assert_eq!(progress.lost(), 1);
    progress.planned(1);
    assert!(progress.answered(&IndexPage { pass: 2, ..page(2) }, false));
    assert_eq!(progress.lost(), 0, "another pass has it");
}

#[test]
fn counts_add_up_over_the_passes() {
    let progress = ListProgress::default();
    take(&progress, &page(1), &["a"], declared(3));
    progress.listed(&page(1), [].into_iter(), 2, 0);
    assert_eq!(progress.mismatches()[0].listed, 2);
    let again = IndexPage { pass: 2, ..page(1) };
    assert_eq!(take(&progress, &again, &["a"], declared(3)), Turn::Inside, "it repeats nothing");
    progress.listed(&again, [].into_iter(), 1, 0);
    assert_eq!((progress.mismatches(), progress.found()), (vec![], vec![2, 1]));
}

#[test]
fn l1_a_list_that_moved_adds_up_by_a_pass_in_which_it_did_not() {
    let progress = ListProgress::default();
    let read = |pass: u32, number: u64, names: &[&str], says: u64, distinct: u64| {
        let page = IndexPage { pass, ..page(number) };
        take(&progress, &page, names, declared(says));
        progress.listed(&page, names.iter().copied(), distinct, 0);
    };
    // Of a, b, c, d, e the first goes, and d moves to a page that was read: the sum is right, and
    // wrong.
    read(1, 1, &["a", "b", "c"], 5, 3);
    read(1, 2, &["e"], 4, 1);
    let moved = |listed| Mismatch {
        list: List::default(),
        declared: 4,
        listed,
        has_moved: true,
        is_short: false,
        is_cut: false,
        hinted_by: None,
        first_items: Some(3),
    };
    assert_eq!(progress.mismatches(), [moved(4)]);
    assert!(!progress.is_whole(true));
    // d turns up, and one more comes meanwhile; the third pass is undisturbed.
    read(2, 1, &["b", "c", "d"], 4, 1);
    read(2, 2, &["e", "f"], 5, 1);
    assert_eq!(progress.mismatches(), [Mismatch { declared: 5, ..moved(6) }]);
    read(3, 1, &["b", "c", "d"], 5, 0);
    assert_ne!(progress.mismatches(), [], "one page is not all");
    read(3, 2, &["e", "f"], 5, 0);
    assert_eq!(progress.mismatches(), []);
    assert!(progress.is_whole(true));
}

#[test]
fn l1_a_walk_that_misses_items_by_itself_is_short_though_more_were_listed_before() {
    let progress = ListProgress::default();
    let read = |pass: u32, names: &[&str], distinct: u64| {
        let page = IndexPage { pass, ..page(1) };
        take(&progress, &page, names, declared(3));
        progress.listed(&page, names.iter().copied(), distinct, 0);
        progress.mismatches().first().map(|it| (it.listed, it.is_short))
    };
    assert_eq!(read(1, &["a", "b", "c", "d"], 4), Some((4, false)), "it never says the truth");
    assert_eq!(read(2, &["b", "c"], 0), Some((4, true)));
    assert_eq!(read(3, &["b", "c", "e"], 1), None, "all that is on it now");
}

#[test]
fn l3_an_empty_page_is_not_believed_at_once() {
    let progress = ListProgress::default();
    for number in [4, 5] {
        assert_eq!(read(&progress, &page(number), &[]), Turn::AskAgain, "{number}");
        assert!(!progress.is_over(&page(number)), "one empty page does not end a plan");
        assert_eq!(read(&progress, &page(number), &[]), Turn::Inside, "{number}");
    }
    assert!(progress.is_over(&page(6)), "more was planned than there is");
}

#[test]
fn l13_what_an_empty_page_names_is_new_only_once() {
    let progress = ListProgress::default();
    let cursor = FieldRule::new(Select::Json(Selector::parse("$.next").unwrap()));
    let paging = Paging::Cursor(crate::site::Handover::cursor(cursor));
    let list = Rules { paging: &paging, total_exact: true, asks_again: false, heeds_hints: true };
    let turn = |number: u64, items: u64, cursor: &str| {
        let places = vec![Place::Cursor(cursor.into())];
        let said = PageSaid { items, places, ..PageSaid::default() };
        let page = IndexPage::numbered(1, number, number);
        let names = (0..items).map(|_| cursor);
        progress.take(&list, &page, Answer::Page(&said), None, names)
    };
    assert!(matches!(turn(1, 2, "a"), Turn::Onward(_)));
    assert!(matches!(turn(2, 0, "b"), Turn::Onward(_)));
    assert_eq!(turn(3, 0, "b"), Turn::End, "itself");
    assert_eq!(turn(4, 0, "a"), Turn::End, "one that was followed");
}

#[test]
fn l12_a_count_above_what_is_listed_is_a_mismatch_where_the_list_declares_none() {
    let progress = ListProgress::default();
    let counted = |count: u64| {
        let hints = Hints { count: Some(("total".into(), count)), ..Hints::default() };
        PageSaid { hints, ..PageSaid::default() }
    };
    take(&progress, &page(1), &["a", "b"], counted(3));
    progress.listed(&page(1), ["a", "b"].into_iter(), 2, 0);
    let mismatches = progress.mismatches();
    assert_eq!((mismatches[0].declared, mismatches[0].hinted_by.as_deref()), (3, Some("total")));
    assert!(!progress.is_whole(true) && progress.is_whole(false));
    progress.listed(&page(2), ["c", "d"].into_iter(), 2, 0);
    assert_eq!(progress.mismatches(), [], "more than it says is not a gap");
}

#[test]
fn l5_absurd_counts_are_no_sum() {
    let progress = ListProgress::default();
    for seed in ["x", "y", "z"] {
        take(&progress, &of(seed, 1), &["a"], declared(u64::MAX));
    }
    assert_eq!(progress.declared(), Some(MOST_DECLARED));
}

#[test]
fn pages_that_are_found_are_numbered_as_they_are_found() {
    let progress = ListProgress::default();
    assert_eq!(progress.numbers(&page(1), 3), 2);
    assert_eq!(progress.numbers(&page(2), 2), 5);
}
