//! What pages say, in whatever order they come.

use super::*;

fn page(number: u64) -> IndexPage {
    IndexPage::numbered(1, number, 9)
}

fn of(seed: &str, number: u64) -> IndexPage {
    IndexPage { list: List::Items(Some(seed.into())), ..page(number) }
}

fn declared(declared: u64) -> PageSaid {
    PageSaid { declared: Some(declared), ..PageSaid::default() }
}

fn read(walk: &Walk, page: &IndexPage, names: &[&str]) -> Turn {
    walk.read(page, names.iter().copied(), &PageSaid::default())
}

#[test]
fn l2_a_page_is_repeated_where_it_has_the_keys_of_another() {
    let walk = Walk::default();
    let fresh = Turn { repeats: None, is_over: false };
    assert_eq!(read(&walk, &page(1), &["a", "b"]), fresh);
    assert_eq!(read(&walk, &page(1), &["a", "b"]), fresh, "the page itself, once more");
    assert_eq!(read(&walk, &page(2), &["b", "a"]), fresh);
    assert_eq!(read(&walk, &page(3), &[]), fresh);
    assert_eq!(read(&walk, &page(4), &[]), fresh, "empty pages have no keys to repeat");
    assert_eq!(read(&walk, &page(6), &["a", "b"]).repeats, Some(1));
    assert_eq!(read(&walk, &of("x", 2), &["a", "b"]), fresh, "another list");
}

#[test]
fn l2_three_in_a_row_end_a_list_in_whatever_order_they_come() {
    let walk = Walk::default();
    read(&walk, &page(1), &["a"]);
    for (number, is_over) in [(3, false), (5, false), (6, false), (4, true)] {
        assert_eq!(read(&walk, &page(number), &["a"]).is_over, is_over, "{number}");
    }
    assert!(walk.is_over(&page(9)));
    assert!(!walk.is_over(&of("x", 9)));
}

#[test]
fn counts_are_compared_list_by_list() {
    let walk = Walk::default();
    assert_eq!(walk.declared(), None);
    for (seed, names, says) in [("x", ["a", "b"], 2), ("y", ["b", "b"], 3)] {
        walk.read(&of(seed, 1), names.into_iter(), &declared(says));
        walk.listed(&of(seed, 1), names.into_iter(), 2, 0);
    }
    assert_eq!(walk.declared(), Some(5));
    let list = List::Items(Some("y".into()));
    let short =
        Mismatch { list, declared: 3, listed: 1, has_moved: false, is_short: true, is_cut: false };
    assert_eq!(walk.mismatches(), [short]);
    walk.listed(&of("y", 1), [].into_iter(), 0, 2);
    assert_eq!(walk.mismatches(), []);
    read(&walk, &of("z", 1), &["a"]);
    assert_eq!(walk.declared(), None, "one of them does not say");
}

#[test]
fn the_first_short_page_is_known_whatever_the_order() {
    let walk = Walk::default();
    assert_eq!(walk.first_short(&page(2), 5, 5), None);
    assert_eq!(walk.first_short(&page(4), 3, 5), Some(4));
    assert_eq!(walk.first_short(&page(3), 4, 5), Some(3));
    assert_eq!(walk.first_short(&page(1), 5, 5), Some(3));
}

#[test]
fn a_pass_ends_once_with_its_last_page() {
    let walk = Walk::default();
    walk.planned(1);
    walk.planned(3);
    walk.known_already(1);
    assert!(!walk.answered(&page(1), false), "two more are on their way");
    assert!(!walk.answered(&page(2), true));
    assert!(walk.answered(&page(3), false));
    assert_eq!(walk.lost(), 1);
    walk.planned(1);
    assert!(walk.answered(&IndexPage { pass: 2, ..page(2) }, false));
    assert_eq!(walk.lost(), 0, "another pass has it");
}

#[test]
fn counts_add_up_over_the_passes() {
    let walk = Walk::default();
    walk.read(&page(1), ["a"].into_iter(), &declared(3));
    walk.listed(&page(1), [].into_iter(), 2, 0);
    assert_eq!(walk.mismatches()[0].listed, 2);
    let again = IndexPage { pass: 2, ..page(1) };
    assert_eq!(walk.read(&again, ["a"].into_iter(), &declared(3)).repeats, None);
    walk.listed(&again, [].into_iter(), 1, 0);
    assert_eq!((walk.mismatches(), walk.found()), (vec![], vec![2, 1]));
}

#[test]
fn l1_a_list_that_moved_adds_up_by_a_pass_in_which_it_did_not() {
    let walk = Walk::default();
    let read = |pass: u32, number: u64, names: &[&str], says: u64, distinct: u64| {
        let page = IndexPage { pass, ..page(number) };
        walk.read(&page, names.iter().copied(), &declared(says));
        walk.listed(&page, names.iter().copied(), distinct, 0);
    };
    // Of a, b, c, d, e the first goes, and d moves to a page that was read: the sum is right, and
    // wrong.
    read(1, 1, &["a", "b", "c"], 5, 3);
    read(1, 2, &["e"], 4, 1);
    let moved = |listed| Mismatch {
        list: List::Items(None),
        declared: 4,
        listed,
        has_moved: true,
        is_short: false,
        is_cut: false,
    };
    assert_eq!(walk.mismatches(), [moved(4)]);
    assert!(!walk.is_whole(true));
    // d turns up, and one more comes meanwhile; the third pass is undisturbed.
    read(2, 1, &["b", "c", "d"], 4, 1);
    read(2, 2, &["e", "f"], 5, 1);
    assert_eq!(walk.mismatches(), [Mismatch { declared: 5, ..moved(6) }]);
    read(3, 1, &["b", "c", "d"], 5, 0);
    assert_ne!(walk.mismatches(), [], "one page is not all");
    read(3, 2, &["e", "f"], 5, 0);
    assert_eq!(walk.mismatches(), []);
    assert!(walk.is_whole(true));
}

#[test]
fn l1_a_walk_that_misses_items_by_itself_is_short_though_more_were_listed_before() {
    let walk = Walk::default();
    let read = |pass: u32, names: &[&str], distinct: u64| {
        let page = IndexPage { pass, ..page(1) };
        walk.read(&page, names.iter().copied(), &declared(3));
        walk.listed(&page, names.iter().copied(), distinct, 0);
        walk.mismatches().first().map(|it| (it.listed, it.is_short))
    };
    assert_eq!(read(1, &["a", "b", "c", "d"], 4), Some((4, false)), "it never says the truth");
    assert_eq!(read(2, &["b", "c"], 0), Some((4, true)));
    assert_eq!(read(3, &["b", "c", "e"], 1), None, "all that is on it now");
}

#[test]
fn l3_an_empty_page_is_not_believed_at_once() {
    let walk = Walk::default();
    assert!(walk.is_first_empty(&page(4)));
    assert!(!walk.is_first_empty(&page(4)));
    assert!(!walk.is_second_empty(&page(4)));
    assert!(walk.is_first_empty(&page(5)) && walk.is_second_empty(&page(5)));
}

#[test]
fn l5_absurd_counts_are_no_sum() {
    let walk = Walk::default();
    for seed in ["x", "y", "z"] {
        walk.read(&of(seed, 1), [].into_iter(), &declared(u64::MAX));
    }
    assert_eq!(walk.declared(), Some(MOST_DECLARED));
}

#[test]
fn pages_that_are_found_are_numbered_as_they_are_found() {
    let walk = Walk::default();
    assert_eq!(walk.numbers(&page(1), 3), 2);
    assert_eq!(walk.numbers(&page(2), 2), 5);
}
