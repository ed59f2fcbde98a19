//! Items that come, change and go while the site runs.

use super::*;

#[tokio::test]
async fn items_come_and_go() {
    let demo = site(5);
    let keys = demo.keys();
    let new = demo.insert(2);
    assert!(!keys.contains(&new));
    assert_eq!(demo.keys()[2], new);
    assert_eq!(json(&demo, LIST).await["count"], 6);
    assert_eq!(json(&demo, &page_of(&new)).await["id"], *new);
    assert_eq!(demo.keys().last(), Some(&keys[4]));
    let last = demo.insert(usize::MAX);
    assert_eq!(demo.keys().last(), Some(&last));

    assert!(demo.remove(&keys[0]));
    assert!(!demo.remove(&keys[0]));
    assert!(!demo.change(&keys[0]));
    assert_eq!(status(&demo, &page_of(&keys[0])).await, 404);
    assert_eq!(demo.document(&keys[0]), None);
    assert_eq!(demo.served(&keys[0]).len(), 1);
    assert_eq!(demo.keys()[0], keys[1]);

    assert!(demo.unlist(&keys[1]));
    assert!(!demo.unlist(&keys[1]));
    assert!(!demo.listed(&keys[1]));
    assert_eq!(status(&demo, &page_of(&keys[1])).await, 200);

    assert!(demo.restore(&keys[0], 1));
    assert!(!demo.restore(&keys[0], 1));
    assert!(demo.listed(&keys[0]));
    assert_eq!(rows(&json(&demo, LIST).await)[1], keys[0]);
    for unknown in ["", "1", "no number", "99999999999"] {
        assert!(!demo.remove(unknown) && !demo.change(unknown) && !demo.restore(unknown, 0));
        assert!(demo.served(unknown).is_empty() && !demo.listed(unknown));
    }
}

#[tokio::test]
async fn every_version_is_another_document() {
    let demo = site(5);
    let key = &demo.keys()[3];
    let mut seen = vec![json(&demo, &page_of(key)).await];
    for _ in 0..40 {
        assert!(demo.change(key));
        seen.push(json(&demo, &page_of(key)).await);
    }
    assert_eq!(demo.served(key), seen);
    for pair in seen.windows(2) {
        assert!(pair[0]["updated_at"].as_str() < pair[1]["updated_at"].as_str());
        assert_ne!(pair[0]["introduction"], pair[1]["introduction"]);
        assert_eq!(pair[0]["name"], pair[1]["name"]);
    }
    let row = &json(&demo, LIST).await["results"][3];
    assert_eq!(row["score"], seen[40]["score"]);
    assert_eq!(demo.served(&demo.keys()[0]).len(), 1);
}

#[test]
fn the_same_seed_makes_the_same_changes_and_says_which() {
    let changed = |seed| {
        let (demo, mut churn) = (site(40), Churn::new(seed));
        let changes: Vec<Change> = (0..400).map(|_| demo.churn(&mut churn)).collect();
        (demo.keys(), changes, demo)
    };
    let (keys, changes, demo) = changed(3);
    let (same_keys, same_changes, _) = changed(3);
    assert_eq!((&keys, &changes), (&same_keys, &same_changes));
    assert_ne!(changed(4).1, changes);
    assert!((20..80).contains(&keys.len()), "the site keeps its size: {}", keys.len());
    let mut events: Vec<String> = changes.iter().map(|it| format!("{:?}", it.event)).collect();
    events.sort();
    events.dedup();
    assert_eq!(events, ["Added", "Changed", "Removed", "Restored", "Unlisted"]);
    for Change { key, .. } in &changes {
        let last =
            changes.iter().rev().find(|it| it.key == *key && it.event != ChurnEvent::Changed);
        let Some(last) = last else { continue };
        let is_on = matches!(last.event, ChurnEvent::Added | ChurnEvent::Restored);
        assert_eq!(demo.listed(key), is_on, "{key}");
        assert_eq!(demo.document(key).is_some(), last.event != ChurnEvent::Removed, "{key}");
    }
}

#[test]
fn a_site_may_change_by_itself() {
    let demo = Demo::start(Options { items: 40, churn: 200.0, ..Options::default() });
    let demo = demo.expect("the demo site starts");
    let before = demo.keys();
    let deadline = Instant::now() + Duration::from_secs(20);
    while demo.keys() == before {
        assert!(Instant::now() < deadline, "nothing changes");
        std::thread::sleep(Duration::from_millis(5));
    }
}
