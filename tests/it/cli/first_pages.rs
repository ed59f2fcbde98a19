//! `gleaner check` on lists of which the first page shows that a crawl would be incomplete.

use serde_json::{Value, json};

use super::check::{checked, file, says};
use super::folder;
use super::program::gleaner;
use crate::served::{Answer, Served};

/// Checks and crawls a list with this first page. Both end with exit code 3 and the same sentence.
fn both_refuse(index: &str, first: Value, sentence: &str) {
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&first),
        _ => Answer::not_found(),
    });
    let text = file(&format!(
        "[index]\nurl = \"/list\"\nitems = \"$.m.rows[*]\"\nkey = \"$.id\"\n{index}"
    ));
    let ended = checked(&text, served.url(), &[]).with(3);
    says(&ended, &["mine does not fit:", sentence]);
    let (folder, store) = folder();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, text).expect("the file is written");
    let (path, store) = (path.to_str().expect("UTF-8"), format!("sqlite:{}", store.display()));
    let crawled = gleaner(&["crawl", path, "--base-url", served.url(), "--store", &store]).run();
    let report = crawled.with(3);
    let said = format!("{}{}", report.out, report.err);
    assert!(said.contains(sentence), "nothing of `{sentence}` in: {said}");
}

fn rows(count: usize) -> Value {
    (0..count).map(|id| json!({ "id": id })).collect()
}

#[test]
fn a_next_page_that_the_file_does_not_read_is_a_misfit_as_in_a_crawl() {
    let page = json!({ "m": { "rows": rows(3), "next-cursor": "x" } });
    both_refuse("", page, "index page 1 says by `next-cursor` that the list continues");
    let page = json!({ "links": { "next": "/list?p=2" }, "m": { "rows": rows(3) } });
    both_refuse("", page, "index page 1 says by `next` that the list continues");
}

#[test]
fn a_count_above_the_items_of_the_only_page_is_a_misfit_as_in_a_crawl() {
    let page = json!({ "m": { "rows": rows(3), "total-results": 58 } });
    both_refuse("", page, "by `total-results` there are 58 items, and it lists 3");
}

#[test]
fn a_full_page_without_a_cursor_is_a_misfit_as_in_a_crawl() {
    let page = json!({ "m": { "rows": rows(20) } });
    let index = "query = { rows = 20, cursor = \"{cursor}\" }\n\
                 paging = { by = \"cursor\", select = \"$.m['next-cursor']\" }\n";
    both_refuse(index, page, "index page 1 is as full as its request asks for (20 items)");
}

#[test]
fn hints_that_the_file_passes_over_fit() {
    let page = json!({ "m": { "rows": rows(3), "total-results": 58, "next-cursor": "x" } });
    let served = Served::start(move |_| Answer::json(&page));
    let text = file(
        "[index]\nurl = \"/list\"\nitems = \"$.m.rows[*]\"\nkey = \"$.id\"\npaging = { more = false }\n",
    );
    assert!(checked(&text, served.url(), &[]).with(0).out.ends_with("mine fits\n"));
}
