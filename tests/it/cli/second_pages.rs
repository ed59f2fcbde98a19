//! `gleaner check`: what the second page of a list disproves, and what a first page lacks.

use serde_json::{Value, json};

use super::check::{LIST, checked, file, says};
use super::program::Ended;
use crate::served::{Answer, Served};

/// A list of two pages, whose second one `second` answers; `paging` is what the file says of it.
fn two_pages(paging: &str, next: &Value, second: Answer) -> Ended {
    let (first, second) = (json!({ "rows": [{ "id": 1 }, { "id": 2 }], "next": next }), second);
    let second = std::sync::Mutex::new(Some(second));
    let served = Served::start(move |asked| {
        let is_first =
            asked.path == "/list" && asked.query.values().all(|it| it == "1" || it.is_empty());
        match second
            .lock()
            .expect("nobody panicked")
            .take_if(|_| !is_first && asked.path == "/list")
        {
            Some(second) => second,
            None if asked.path == "/list" => Answer::json(&first),
            None => Answer::not_found(),
        }
    });
    checked(&file(&format!("{LIST}{paging}\n")), served.url(), &[])
}

const BY_PAGE: &str = "query = { page = \"{page}\" }\npaging = { by = \"page\" }";
const BY_CURSOR: &str =
    "query = { c = \"{cursor}\" }\npaging = { by = \"cursor\", select = \"$.next\" }";
pub const BY_NEXT: &str = "paging = { by = \"next\", select = \"$.next\" }";

#[test]
fn o5_check_reports_contradictions_on_the_second_page() {
    let page = |ids: [u32; 2], next: Value| {
        Answer::json(&json!({ "rows": ids.map(|id| json!({ "id": id })), "next": next }))
    };
    for (paging, next, second, words) in [
        (BY_PAGE, json!(null), page([2, 1], json!(null)), "the same items as index page 1"),
        (BY_CURSOR, json!("abc"), page([3, 4], json!("abc")), "names the same cursor at `$.next`"),
        (BY_NEXT, json!("/list?p=2"), page([3, 4], json!("/list?p=2")), "names the same next page"),
        (
            BY_PAGE,
            json!(null),
            Answer::json(&json!({ "error": "x" })),
            "has no `$.rows`, unlike index page 1",
        ),
        (BY_NEXT, json!("/list?p=2"), Answer::html("<p>hi".to_owned()), "the body is not JSON"),
        (BY_NEXT, json!("/list?p=2"), Answer::not_found(), "the site answered 404"),
        (
            BY_CURSOR,
            json!("abc"),
            Answer::json(&json!({ "rows": [{}], "next": null })),
            "none of the items of index page 2 has a key",
        ),
    ] {
        let ended = two_pages(paging, &next, second).with(3);
        says(&ended, &["mine does not fit:", "index page 2", words]);
    }
}

#[test]
fn o5_a_second_page_that_fits_or_ends_the_list_is_accepted() {
    let page = |ids: &[u32], next: Value| {
        let rows: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
        Answer::json(&json!({ "rows": rows, "next": next }))
    };
    for (paging, next, second) in [
        (BY_PAGE, json!(null), page(&[2, 3], json!(null))),
        (BY_PAGE, json!(null), page(&[], json!(null))),
        (BY_PAGE, json!(null), Answer::not_found()),
        (BY_CURSOR, json!("abc"), page(&[3], json!("def"))),
        (BY_NEXT, json!("/list?p=2"), page(&[3], json!(null))),
    ] {
        let ended = two_pages(paging, &next, second).with(0);
        assert!(ended.out.ends_with("mine fits\n"), "{}", ended.out);
    }
    let ended = two_pages(BY_NEXT, &json!("/list?p=2"), page(&[], json!(null))).with(0);
    says(
        &ended,
        &["! index page 2 has no items, although index page 1 says that the list continues"],
    );
}

#[test]
fn o5_a_list_that_ends_after_its_first_page_though_its_count_says_more_does_not_fit() {
    let rows = json!({ "rows": [{ "id": 1 }, { "id": 2 }], "total": 5 });
    let by_total = "query = { page = \"{page}\" }\npaging = { by = \"page\", size = 2, total = \"$.total\" }\n";
    let by_hint = "query = { page = \"{page}\" }\npaging = { by = \"page\" }\n";
    for paging in [by_total, by_hint] {
        for is_missing in [true, false] {
            let rows = rows.clone();
            let served = Served::start(move |asked| match asked.number("page") {
                Some(2..) if is_missing => Answer::not_found(),
                Some(2..) => Answer::json(&json!({ "rows": [], "total": 5 })),
                _ => Answer::json(&rows),
            });
            let ended = checked(&file(&format!("{LIST}{paging}")), served.url(), &[]).with(3);
            says(&ended, &["mine does not fit:", "page 2"]);
        }
    }
    // A total that is only about right proves nothing.
    let served = Served::start(move |asked| match asked.number("page") {
        Some(2..) => Answer::json(&json!({ "rows": [], "total": 5 })),
        _ => Answer::json(&rows),
    });
    let about = file(&format!("total_exact = false\n{LIST}{by_total}"));
    checked(&about, served.url(), &[]).with(0);
}

#[test]
fn o5_an_html_list_without_required_parts_is_a_warning() {
    let html = |more: &str| {
        file(&format!(
            "format = \"html\"\n[index]\nurl = \"/list\"\nquery = {{ page = \"{{page}}\" }}\n{more}\n\
             items = \"a\"\nkey = \"::text\"\n[index.fields]\nname = \"::text\"\n"
        ))
    };
    let served = Served::start(|asked| {
        let page = asked.number("page").unwrap_or(1);
        Answer::html(format!("<h1>All</h1><a>{page}</a><i>9</i>"))
    });
    let warned = "an error or login page would count as the end of the list";
    let ended = checked(&html("paging = { by = \"page\" }"), served.url(), &[]).with(0);
    says(&ended, &[warned, "with 1 warning"]);
    for told in [
        "paging = { by = \"page\" }\nrequire = [\"h1\"]",
        "paging = { by = \"page\", last = \"i::text\" }",
        "paging = { by = \"page\", size = 1, total = \"i::text\" }",
    ] {
        let ended = checked(&html(told), served.url(), &[]).with(0);
        assert!(!ended.out.contains("an error or login page"), "{}", ended.out);
    }
}
