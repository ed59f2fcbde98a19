//! Documents made from several requests, as the program makes them: killed, resumed, retried.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};

use super::documents_of;
use super::program::gleaner;
use super::several::{Folder, crawl, list};
use crate::served::{Answer, Asked, Served};

const ITEMS: u64 = 60;

fn answer(asked: &Asked) -> Answer {
    let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["books"] => Answer::json(&(0..ITEMS).map(|id| json!({ "id": id })).collect()),
        ["item", key] => Answer::json(&json!({ "id": key.parse::<u64>().expect("a number") })),
        ["item", key, "notes"] => {
            let page = asked.number("page").unwrap_or(1);
            let note = json!({ "of": key, "page": page });
            Answer::json(&if page < 4 { json!([note]) } else { json!([]) })
        }
        _ => Answer::not_found(),
    }
}

fn file(folder: &Folder, served: &Served) -> String {
    let detail = "[detail]\nurl = '/item/{key}'\n[detail.parts.notes]\nurl = '/item/{key}/notes'\n\
                  query = { page = '{page}' }\npaging = { by = 'page' }\nitems = '$[*]'\n";
    folder.file("books", &(list("books", served.url(), "") + detail))
}

/// Every document that is stored is whole.
fn whole(folder: &Folder) -> u64 {
    let documents = documents_of("books", &folder.path("s.db"));
    for (key, document) in &documents {
        let notes: Value = (1..4).map(|page| json!({ "of": key, "page": page })).collect();
        assert_eq!(document["notes"], notes, "{key}");
    }
    documents.len() as u64
}

#[test]
fn s5_a_killed_run_leaves_no_part_of_a_document_and_is_resumed() {
    let served = Served::start(|asked| answer(asked).later(Duration::from_millis(3)));
    let folder = Folder::new();
    let (file, store) = (file(&folder, &served), folder.store());
    let run =
        || crawl(&[&file], &store).args(&["--workers", "4", "--batch", "5", "--flush", "5ms"]);
    for at in [40, 90, 140] {
        run().killed_after(&served, at);
        whole(&folder);
    }
    run().run().with(0).tells(&["resuming unfinished sweep"]);
    assert_eq!(whole(&folder), ITEMS);
}

#[test]
fn an_item_of_which_a_part_failed_is_retried_by_itself() {
    let is_away = Arc::new(AtomicBool::new(true));
    let away = is_away.clone();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/item/7/notes" if away.load(Relaxed) && asked.number("page") == Some(2) => {
            Answer::text("no".to_owned()).status(500)
        }
        _ => answer(asked),
    });
    let folder = Folder::new();
    let (file, store) = (file(&folder, &served), folder.store());
    crawl(&[&file], &store).run().with(3);
    assert_eq!(whole(&folder), ITEMS - 1);
    let failures = gleaner(&["failures", &file, "--store", &store]).run().with(0);
    assert!(failures.out.contains("/item/7/notes?page=2"), "{}", failures.out);
    is_away.store(false, Relaxed);
    let before = served.count("/");
    let retry = ["failures", &file, "--store", &store, "--retry", "--robots", "off"];
    gleaner(&retry).run().with(0);
    assert_eq!(whole(&folder), ITEMS);
    // Its page, and its four pages of notes, the last of them twice.
    assert_eq!(served.count("/") - before, 6);
}

#[test]
fn a_limited_run_takes_whole_items_and_a_check_shows_one() {
    let served = Served::start(answer);
    let folder = Folder::new();
    let (file, store) = (file(&folder, &served), folder.store());
    let checked = gleaner(&["check", &file, "--robots", "off"]).run().with(0);
    for shown in ["page 4 of `notes` of item 0", "\"page\": 3"] {
        assert!(checked.out.contains(shown), "{shown}: {}", checked.out);
    }
    crawl(&[&file], &store).args(&["--limit", "5"]).run();
    assert_eq!(whole(&folder), 5);
}
