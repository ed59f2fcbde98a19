//! `gleaner check` on lists of which the first page shows that a crawl would be incomplete.

use serde_json::{Value, json};

use super::check::{checked, file, says};
use super::folder;
use super::program::gleaner;
use crate::served::{Answer, Asked, Served};

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

/// A list of pages with ten items each, from page 0, of which page 5 is not there.
fn spring(asked: &Asked) -> Answer {
    match asked.number("page").unwrap_or(0) {
        page @ 0..5 => {
            let rows: Value = (page * 10..page * 10 + 10).map(|id| json!({ "id": id })).collect();
            Answer::json(&json!({ "rows": rows, "totalPages": 5, "lastPage": 4 }))
        }
        _ => Answer::not_found(),
    }
}

const ROWS: &str = "[index]\nurl = \"/list\"\nitems = \"$.rows[*]\"\nkey = \"$.id\"\n";

#[test]
fn the_number_of_pages_and_that_of_the_last_are_told_apart_where_pages_begin_with_0() {
    let served = Served::start(spring);
    let check = |paging: &str| {
        let text = format!(
            "{ROWS}query = {{ page = \"{{page}}\" }}\npaging = {{ by = \"page\", first = 0, {paging} }}\n"
        );
        checked(&file(&text), served.url(), &["--robots", "off"])
    };
    let ended = check("last = \"$.totalPages\"").with(3);
    says(&ended, &["the last page is number 5, and it is not there", "write `pages` in place of"]);
    let ended = check("pages = \"$.lastPage\"").with(3);
    says(&ended, &["page number 4 has further items", "write `last` in place of `pages`"]);
    assert!(check("pages = \"$.totalPages\"").with(0).out.ends_with("mine fits\n"));
    assert!(check("last = \"$.lastPage\"").with(0).out.ends_with("mine fits\n"));
}

#[test]
fn keys_of_entries_that_differ_are_a_misfit_as_in_a_crawl() {
    let rows = json!([{ "id": 1, "type": "book" }, { "id": 1, "type": "film" }]);
    let page = json!({ "m": { "rows": rows } });
    both_refuse("", page, "1 entries of the list have the key of another entry");
}

/// Checks and crawls a list by offset of `all` items. Both end with exit code 3 and the same words.
fn both_refuse_offsets(paging: &str, answer: fn(usize) -> (usize, Option<usize>), words: &str) {
    let served = Served::start(move |asked| {
        let from = asked.number("offset").unwrap_or(0);
        let (items, total) = answer(from);
        let rows: Value = (from..from + items).map(|id| json!({ "id": id })).collect();
        Answer::json(&json!({ "rows": rows, "total": total }))
    });
    let text = file(&format!(
        "{ROWS}query = {{ offset = \"{{offset}}\", limit = \"{{limit}}\" }}\n{paging}\n"
    ));
    says(&checked(&text, served.url(), &[]).with(3), &["mine does not fit:", words]);
    let (folder, store) = folder();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, text).expect("the file is written");
    let (path, store) = (path.to_str().expect("UTF-8"), format!("sqlite:{}", store.display()));
    gleaner(&["crawl", path, "--base-url", served.url(), "--store", &store]).run().with(3);
}

#[test]
fn pages_by_offset_that_are_shorter_than_requested_are_a_misfit_as_in_a_crawl() {
    let paging = "paging = { by = \"offset\", limit = 100 }";
    // The site has 47 items and gives ten at most.
    let capped = |from: usize| (47_usize.saturating_sub(from).min(10), None);
    both_refuse_offsets(paging, capped, "write `step = \"items\"` in paging");
    // It has 250.
    let capped = |from: usize| (250_usize.saturating_sub(from).min(10), None);
    both_refuse_offsets(paging, capped, "has 10 of the 100 items requested");
    // Its second page is short.
    let paging = "paging = { by = \"offset\", limit = 10 }";
    let varying = |from: usize| {
        let size = if from == 0 { 10 } else { 7 };
        (47_usize.saturating_sub(from).min(size), None)
    };
    both_refuse_offsets(paging, varying, "write `step = \"items\"` in paging");
}

#[test]
fn a_declared_number_of_items_that_the_pages_cannot_reach_is_a_misfit_as_in_a_crawl() {
    let paging = "paging = { by = \"offset\", limit = 100, total = \"$.total\" }";
    let capped = |from: usize| (47_usize.saturating_sub(from).min(10), Some(47));
    both_refuse_offsets(paging, capped, "has 10 of the 100 items requested");
    let capped = |from: usize| (250_usize.saturating_sub(from).min(10), Some(250));
    both_refuse_offsets(paging, capped, "has 10 of the 100 items requested");
}

#[test]
fn a_status_after_the_last_page_names_the_way_out() {
    let served = Served::start(|asked| match asked.number("page") {
        Some(1) => Answer::json(&json!({ "rows": [{ "id": 1 }] })),
        _ => Answer::json(&json!({ "code": "rest_post_invalid_page_number" })).status(400),
    });
    let text =
        file(&format!("{ROWS}query = {{ page = \"{{page}}\" }}\npaging = {{ by = \"page\" }}\n"));
    let more = ["--robots", "off"];
    let ended = checked(&text, served.url(), &more).with(3);
    says(&ended, &["the site answered 400", "how the list ends, `[answers] end = [400]`"]);
    checked(&(text + "[answers]\nend = [400]\n"), served.url(), &more).with(0);
}
