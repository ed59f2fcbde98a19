//! Items whose documents need several requests.

use gleaner::model::assembly::Assembly;
use gleaner::model::task::{IndexPage, List};

use super::*;

/// Makes a lease that of an item of which so many bytes were read.
fn begin(frontier: &Arc<Frontier>, mut lease: Lease, bytes: usize) {
    let list = List::Pages(lease.task().key().expect("an item").clone());
    let assembly = Assembly {
        document: "x".repeat(bytes).into(),
        parts: Vec::new(),
        files: Vec::new(),
        values: Box::default(),
        page: IndexPage { list, ..IndexPage::numbered(1, 2, 2) },
        pending: Vec::new(),
        read: 1,
        url: "u".into(),
        revision: None,
    };
    lease.assemble(|own| *own = Some(Arc::new(assembly)));
    frontier.carry_on(lease);
}

#[test]
fn an_item_that_was_begun_goes_before_those_that_were_not() {
    let frontier = start();
    submit(&frontier, details(&["a", "b"]));
    let first = lease_of(&frontier, "item a");
    begin(&frontier, first, 1);
    assert_eq!(outstanding(&frontier), (0, 2));
    let again = lease_of(&frontier, "page 2 of item a");
    assert_eq!((again.task().attempt, again.task().waits), (1, 0));
    finish(&frontier, again);
    let other = lease_of(&frontier, "item b");
    finish(&frontier, other);
    ended(&frontier);
}

#[test]
fn no_item_is_begun_while_those_that_were_hold_too_many_bytes() {
    let frontier = start();
    submit(&frontier, FollowUps { details: details(&["a", "b"]).details, ..pages(1, 1) });
    let first = lease_of(&frontier, "item a");
    begin(&frontier, first, 65 << 20);
    let begun = lease_of(&frontier, "page 2 of item a");
    assert!(frontier.is_full());
    nothing_yet(&frontier);
    // It goes back as it was, and is handed out again.
    drop(begun);
    let begun = lease_of(&frontier, "page 2 of item a");
    nothing_yet(&frontier);
    finish(&frontier, begun);
    assert!(!frontier.is_full());
    for page in ["item b", "index page 1"] {
        let lease = lease_of(&frontier, page);
        finish(&frontier, lease);
    }
    ended(&frontier);
}
