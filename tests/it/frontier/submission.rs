//! What is taken in, and in which order it is handed out.

use std::time::Instant;

use super::*;

use gleaner::frontier::Retry;
use gleaner::model::record::Known;

fn added(index: u64, details: u64) -> Submitted {
    Submitted { index, details, ..Submitted::default() }
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_costs_nothing() {
    let frontier = start();
    assert_eq!(submit(&frontier, details(&["a", "b", "a"])), added(0, 2));
    assert_eq!(submit(&frontier, details(&["b", " a "])), added(0, 0));
    assert_eq!(submit(&frontier, pages(1, 2)), added(2, 0));
    assert_eq!(submit(&frontier, pages(1, 2)), added(0, 0));
    assert_eq!(outstanding(&frontier), (2, 2));
    // What is done was seen, too.
    let done = lease_of(&frontier, "item a");
    finish(&frontier, done);
    assert_eq!(submit(&frontier, details(&["a"])), added(0, 0));
    assert_eq!(outstanding(&frontier), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn details_go_first() {
    let frontier = start();
    submit(&frontier, FollowUps { details: details(&["a", "b"]).details, ..pages(1, 2) });
    let leased: Vec<Lease> = (0..4).map(|_| lease(&frontier)).collect();
    let pages: Vec<String> = leased.iter().map(|it| it.task().page.to_string()).collect();
    assert_eq!(pages, ["item a", "item b", "index page 1", "index page 2"]);
}

#[tokio::test(start_paused = true)]
async fn pages_of_the_list_wait_until_details_are_few() {
    let frontier =
        Frontier::new(Limits { low_water: 3, pages: u64::MAX, items: u64::MAX }, Arc::default());
    submit(&frontier, FollowUps { details: details(&["a", "b", "c", "d"]).details, ..pages(1, 3) });
    // Leased ones count.
    let mut leased: Vec<Lease> = (0..4).map(|_| lease(&frontier)).collect();
    nothing_yet(&frontier);
    finish(&frontier, leased.remove(0));
    nothing_yet(&frontier);
    // Those set aside count.
    let retry = Retry { after: Duration::from_secs(60), costs_attempt: false };
    frontier.retry_later(leased.remove(0), retry);
    nothing_yet(&frontier);
    finish(&frontier, leased.remove(0));
    let page = lease_of(&frontier, "index page 1");
    // Queued ones count.
    submit(&frontier, details(&["e"]));
    let queued = lease_of(&frontier, "item e");
    nothing_yet(&frontier);
    drop(queued);
    let queued = lease_of(&frontier, "item e");
    finish(&frontier, queued);
    // A page that is leased is no detail.
    assert_eq!(number(&lease(&frontier)), 2);
    drop(page);
    assert_eq!(outstanding(&frontier), (3, 2));
}

/// Leases may wait for their host: then few are handed out, however few details there are.
#[tokio::test(start_paused = true)]
async fn few_pages_of_the_list_are_leased_at_once() {
    let frontier =
        Frontier::new(Limits { low_water: 1_000, pages: 2, items: u64::MAX }, Arc::default());
    submit(&frontier, pages(1, 9));
    let (first, second) = (lease(&frontier), lease(&frontier));
    nothing_yet(&frontier);
    // Details are no pages.
    submit(&frontier, details(&["a"]));
    let item = lease_of(&frontier, "item a");
    nothing_yet(&frontier);
    finish(&frontier, item);
    nothing_yet(&frontier);
    let waiting = frontier.lease();
    finish(&frontier, first);
    let third = waiting.now_or_never().expect("at once").expect("a task");
    assert_eq!(number(&third), 3);
    nothing_yet(&frontier);
    // One that is set aside, or given back, is not leased.
    let retry = Retry { after: Duration::from_secs(60), costs_attempt: false };
    frontier.retry_later(second, retry);
    assert_eq!(number(&lease(&frontier)), 4, "and given back at once");
    let _pages = [lease(&frontier)];
    nothing_yet(&frontier);
    drop(third);
    let _third = lease(&frontier);
    nothing_yet(&frontier);
}

#[tokio::test(start_paused = true)]
async fn the_lowest_mark_lets_pages_through_one_by_one() {
    let frontier =
        Frontier::new(Limits { low_water: 0, pages: u64::MAX, items: u64::MAX }, Arc::default());
    submit(&frontier, pages(1, 2));
    for at in 1..=2 {
        let page = lease(&frontier);
        assert_eq!(number(&page), at);
        submit(&frontier, details(&[["a", "b"][at as usize - 1]]));
        finish(&frontier, page);
        let item = lease(&frontier);
        if at == 1 {
            nothing_yet(&frontier);
        }
        finish(&frontier, item);
    }
    ended(&frontier);
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_for_distinct_items() {
    let frontier =
        Frontier::new(Limits { low_water: 9, pages: u64::MAX, items: 3 }, Arc::default());
    assert_eq!(submit(&frontier, details(&["a", "b", "a"])), added(0, 2));
    // What was seen is not over the limit, and the last place is one.
    assert_eq!(submit(&frontier, details(&["a", "c", "b"])), added(0, 1));
    assert_eq!(submit(&frontier, details(&["c", "a"])), added(0, 0));
    let more = Submitted { index: 1, limited: true, ..Submitted::default() };
    assert_eq!(
        submit(&frontier, FollowUps { details: details(&["d", "e"]).details, ..pages(1, 1) }),
        more
    );
    assert_eq!(outstanding(&frontier), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_long_run_is_handed_out_lazily_and_in_order() {
    const LAST: u64 = 1_000_000;
    let frontier = start();
    let begun = Instant::now();
    assert_eq!(submit(&frontier, pages(1, LAST)), added(LAST, 0));
    // A page by itself takes a microsecond or more, and memory.
    assert!(begun.elapsed().as_millis() < 100, "{:?}", begun.elapsed());
    for expected in 1..=1_000 {
        let page = lease(&frontier);
        let Page::Index(index) = &page.task().page else { panic!("no index page") };
        assert_eq!((index.pass, index.number, index.planned_to), (1, expected, LAST));
        finish(&frontier, page);
    }
    assert_eq!(submit(&frontier, pages(2, LAST)), added(0, 0), "all of them were seen");
    assert_eq!(outstanding(&frontier), (LAST - 1_000, 0));
}

#[tokio::test(start_paused = true)]
async fn overlapping_runs_leave_out_what_was_seen() {
    let frontier = start();
    assert_eq!(submit(&frontier, pages(3, 4)), added(2, 0));
    assert_eq!(submit(&frontier, pages(7, 7)), added(1, 0));
    assert_eq!(submit(&frontier, pages(1, 9)), added(6, 0));
    assert_eq!(submit(&frontier, pages(9, 10)), added(1, 0));
    assert_eq!(submit(&frontier, pages(2, 8)), added(0, 0));
    let leased: Vec<Lease> = (0..10).map(|_| lease(&frontier)).collect();
    let mut numbers: Vec<u64> = leased.iter().map(number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    nothing_yet(&frontier);
}

#[tokio::test(start_paused = true)]
async fn passes_are_apart() {
    let frontier = start();
    let walk = |pass| FollowUps {
        index: vec![IndexRun::numbered(pass, 1, 3)],
        details: details(&["a"]).details,
    };
    assert_eq!(submit(&frontier, walk(1)), added(3, 1));
    assert_eq!(submit(&frontier, walk(2)), added(3, 0), "an item is one in all passes");
    assert_eq!(submit(&frontier, walk(1)), added(0, 0));
    assert_eq!(submit(&frontier, walk(2)), added(0, 0));
    assert_eq!(outstanding(&frontier), (6, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_known_of_an_item_travels_with_it() {
    let known = Known {
        key: key("a"),
        url: None,
        digest: None,
        sweep: Some("s".into()),
        rules: None,
        version: crate::records::etag("\"e\""),
        first_seen: Some(crate::records::at(1)),
        fetched_at: None,
        changed_at: None,
        seen_at: None,
        unlisted_at: None,
        gone_at: None,
    };
    let page = DetailPage { known: Some(Arc::new(known)), ..DetailPage::of(key("a")) };
    let frontier = start();
    submit(&frontier, FollowUps { index: Vec::new(), details: vec![page.clone()] });
    let leased = lease(&frontier);
    assert_eq!((&leased.task().page, leased.task().attempt), (&Page::Detail(page), 1));
}
