//! Lists whose pages hand values to the request of the next one: by several values at once, by any
//! JSON value, in headers, from a form, and with requests that differ after the first.

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use serde_json::{Value, json};

use super::{crawl_served, crawl_with, nothing_twice_but, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::Sqlite;

/// Items, ten a page: the last page has seven.
const ITEMS: usize = 27;

fn items(from: usize) -> Vec<Value> {
    (from..ITEMS.min(from + 10)).map(|id| json!({ "id": id, "name": format!("n{id}") })).collect()
}

fn site(index: &str) -> Site {
    let head = "name = 'x'\nbase_url = 'http://h'\n[index]\nitems = '$.rows[*]'\nkey = '$.id'\n";
    site_of(&format!("{head}{index}"))
}

/// Crawls the whole list, and returns the queries and bodies of its requests, in order. So many
/// empty pages are asked for twice.
async fn whole(
    index: &str,
    empty: usize,
    answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> Vec<String> {
    let served = Served::start(answer);
    let crawled = crawl_served::<Sqlite>(site(index), &served).await;
    crawled.holds(
        (0..ITEMS).map(|id| (id.to_string(), json!({ "id": id, "name": format!("n{id}") }))),
    );
    nothing_twice_but(empty, &served);
    let asked = |asked: Asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        format!("{}?{}{body}", asked.path, asked.raw_query)
    };
    served.requests().into_iter().map(asked).filter(|it| !it.contains("robots")).collect()
}

#[tokio::test]
async fn start_gives_the_first_cursor_of_the_short_form() {
    let index = "url = '/l'\nquery = { mark = '{cursor}' }\n\
                 paging = { by = 'cursor', select = '$.nextMark', start = { cursor = '*' } }\n";
    let asked = whole(index, 0, |asked| match asked.query.get("mark").map(String::as_str) {
        Some("*") => Answer::json(&json!({ "rows": items(0), "nextMark": "m10" })),
        Some("m10") => Answer::json(&json!({ "rows": items(10), "nextMark": "m20" })),
        Some("m20") => Answer::json(&json!({ "rows": items(20), "nextMark": null })),
        _ => Answer::json(&json!({ "rows": [] })),
    });
    assert_eq!(asked.await, ["/l?mark=*", "/l?mark=m10", "/l?mark=m20"]);
}

#[tokio::test]
async fn l12_the_same_value_again_is_the_end_and_start_is_for_the_first_page() {
    let index = "url = '/l'\nquery = { mark = '{mark}' }\n\
                 paging = { by = 'cursor', take = { mark = '$.nextMark' }, start = { mark = '*' } }\n";
    let asked = whole(index, 1, |asked| {
        let from = match asked.query.get("mark").map_or("*", String::as_str) {
            "*" => 0,
            mark => mark[1..].parse().expect("a mark"),
        };
        let next = (from + 10).min(ITEMS);
        Answer::json(&json!({ "rows": items(from), "nextMark": format!("m{next}") }))
    });
    let asked = asked.await;
    assert_eq!(asked[0], "/l?mark=*");
    assert_eq!(asked[1], "/l?mark=m10");
    assert_eq!(asked.len(), 5, "the empty page twice: {asked:?}");
}

#[tokio::test]
async fn l12_a_flag_ends_a_list_whose_cursor_is_that_of_the_last_item() {
    let index = "url = '/l'\nquery = { after = '{c}' }\n\
                 paging = { by = 'cursor', take = { c = '$.rows[-1].id' }, while = '$.has_more' }\n";
    let asked = whole(index, 0, |asked| match asked.query.get("after").map(String::as_str) {
        Some("") => Answer::text("an empty cursor".into()).status(400),
        after => {
            let from = after.map_or(0, |after| after.parse::<usize>().expect("an id") + 1);
            Answer::json(&json!({ "rows": items(from), "has_more": from + 10 < ITEMS }))
        }
    });
    assert_eq!(asked.await, ["/l?", "/l?after=9", "/l?after=19"]);
}

#[tokio::test]
async fn l12_any_json_value_is_handed_over_in_a_body_and_left_out_on_the_first_page() {
    let index = "url = '/l'\njson = { size = 10, search_after = '{s}', seen = ['{s}', 1] }\n\
                 paging = { by = 'cursor', take = { s = '$.sort' } }\n";
    let asked = whole(index, 1, |asked| {
        let body = asked.json();
        let from = match body.get("search_after") {
            None => 0,
            Some(Value::Array(sort)) => sort[1].as_u64().expect("an id") as usize + 1,
            Some(other) => return Answer::json(&json!({ "error": other })).status(400),
        };
        let rows = items(from);
        let sort = rows.last().map(|it| json!([1_700_000_000_000_u64, it["id"]]));
        Answer::json(&json!({ "rows": rows, "sort": sort }))
    });
    let asked = asked.await;
    assert_eq!(asked[0], r#"/l?{"size":10,"seen":[1]}"#);
    let second = r#"/l?{"size":10,"search_after":[1700000000000,9],"seen":[[1700000000000,9],1]}"#;
    assert_eq!(asked[1], second);
}

#[tokio::test]
async fn l12_an_object_becomes_parameters() {
    let index = "url = '/l'\nquery = { list = 'all', continue = 'no' }\n\
                 paging = { by = 'cursor', take = { c = '$.continue' } }\n";
    let asked = whole(index, 0, |asked| {
        let from = asked.number("from").unwrap_or(0);
        let mut page = json!({ "rows": items(from) });
        if from + 10 < ITEMS {
            page["continue"] = json!({ "from": from + 10, "continue": "-||" });
        }
        Answer::json(&page)
    });
    assert_eq!(
        asked.await,
        [
            "/l?list=all&continue=no",
            "/l?list=all&from=10&continue=-%7C%7C",
            "/l?list=all&from=20&continue=-%7C%7C"
        ]
    );
}

#[tokio::test]
async fn l12_later_pages_ask_otherwise() {
    let index = "url = '/l'\nquery = { verb = 'List', prefix = 'dc' }\n\
                 paging = { by = 'cursor', take = { t = '$.token' } }\n\
                 [index.next]\nquery = { verb = 'List', token = '{t}' }\n";
    let asked = whole(index, 0, |asked| {
        if asked.query.contains_key("prefix") == asked.query.contains_key("token") {
            return Answer::text("one of both".into()).status(400);
        }
        let from = asked.number("token").unwrap_or(0);
        let token = if from + 10 < ITEMS { json!(from + 10) } else { Value::Null };
        Answer::json(&json!({ "rows": items(from), "token": token }))
    });
    assert_eq!(
        asked.await,
        ["/l?verb=List&prefix=dc", "/l?verb=List&token=10", "/l?verb=List&token=20"]
    );
}

#[tokio::test]
async fn l12_a_header_hands_over_and_a_later_page_may_be_elsewhere() {
    let index = "url = '/l'\n\
                 paging = { by = 'cursor', take = { t = { header = 'X-Next', regex = 'p(\\d+)' } } }\n\
                 [index.next]\nurl = '/more/{t}'\n";
    let asked = whole(index, 0, |asked| {
        let from = asked.path.strip_prefix("/more/").map_or(0, |it| it.parse().expect("a number"));
        let page = Answer::json(&json!({ "rows": items(from) }));
        if from + 10 < ITEMS { page.header("x-next", &format!("p{}", from + 10)) } else { page }
    });
    assert_eq!(asked.await, ["/l?", "/more/10?", "/more/20?"]);
}

#[tokio::test]
async fn l14_offsets_may_begin_at_one_and_a_first_page_may_have_no_number() {
    let index = "url = '/l'\nquery = { start = '{offset}', max = '{limit}' }\n\
                 paging = { by = 'offset', limit = 10, first = 1, total = '$.count' }\n";
    let asked = whole(index, 0, |asked| match asked.number("start") {
        Some(start @ 1..) => Answer::json(&json!({ "rows": items(start - 1), "count": ITEMS })),
        _ => Answer::text("start is from 1".into()).status(400),
    });
    assert_eq!(asked.await, ["/l?start=1&max=10", "/l?start=11&max=10", "/l?start=21&max=10"]);

    let index =
        "url = '/l/page/{page}'\npaging = { by = 'page', first_url = '/l', while = '$.more' }\n";
    let asked = whole(index, 0, |asked| {
        let page = asked.path.strip_prefix("/l/page/").map_or(1, |it| it.parse().expect("a page"));
        if asked.path.ends_with("/1") {
            return Answer::not_found();
        }
        Answer::json(&json!({ "rows": items(page * 10 - 10), "more": page < 3 }))
    });
    assert_eq!(asked.await, ["/l?", "/l/page/2?", "/l/page/3?"]);
}

#[tokio::test]
async fn l12_two_values_of_a_form_are_handed_over() {
    let served = Served::start(|asked| {
        let form: Vec<(String, String)> =
            url::form_urlencoded::parse(&asked.body).into_owned().collect();
        let of = |name: &str| form.iter().find(|(it, _)| it == name).map(|(_, it)| it.as_str());
        let from = match (of("__STATE"), of("__CHECK"), asked.method.as_str()) {
            (None, None, "GET") => 0,
            (Some(state), Some(check), "POST") if check == format!("c+{state}=") => {
                state.parse().expect("a state")
            }
            other => return Answer::text(format!("{other:?}")).status(500),
        };
        let next = from + 10;
        let row = |id: usize| format!("<li id={id}>n{id}</li>");
        let rows: String = (from..ITEMS.min(next)).map(row).collect();
        let hidden = format!("<input id=s value='{next}'><input id=c value='c+{next}='>");
        let form = if next < ITEMS { &*hidden } else { "" };
        Answer::html(format!("<ul>{rows}</ul>{form}"))
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[index]\nurl = '/l'\n\
         items = 'li'\nkey = '::attr(id)'\nrequire = ['ul']\n\
         paging = { by = 'cursor', take = { s = '#s::attr(value)', c = '#c::attr(value)' } }\n\
         [index.next]\nform = { __STATE = '{s}', __CHECK = '{c}' }\n\
         [index.fields]\nname = '::text'\n",
    );
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    crawled.holds((0..ITEMS).map(|id| (id.to_string(), json!({ "name": format!("n{id}") }))));
    nothing_twice_but(0, &served);
}

/// Crawls a list that cannot be read to its end, and returns what is said of it.
async fn incomplete(index: &str, page: Value, stored: usize, said: &str) {
    let served = Served::start(move |_| Answer::json(&page));
    let crawled = crawl_with::<Sqlite>(site(index), &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.documents.len(), stored, "{:#?}", crawled.report);
    says(&crawled.report, said);
}

#[tokio::test]
async fn l12_a_flag_that_says_more_without_a_value_is_a_gap() {
    let index = "url = '/l'\nquery = { c = '{c}' }\n\
                 paging = { by = 'cursor', take = { c = '$.next' }, while = '$.has_more' }\n";
    incomplete(index, json!({ "rows": items(0), "has_more": true }), 10, "`while`").await;
}

#[tokio::test]
async fn l12_a_value_without_a_place_in_the_request_is_said() {
    let index = "url = '/l'\npaging = { by = 'cursor', take = { c = '$.next' } }\n";
    let page = json!({ "rows": items(0), "next": "abc" });
    incomplete(index, page, 10, "1 page of the list was lost").await;
}

#[test]
fn o8_values_that_cannot_be_are_refused_by_line_and_key() {
    let refused = |paging: &str| {
        let text = format!(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n{paging}\n"
        );
        Site::parse(&text, "x.toml").expect_err(paging).to_string()
    };
    for (paging, said) in [
        ("paging = { by = 'cursor', take = { page = '$.n' } }", "a value's name is a word"),
        ("paging = { by = 'cursor', take = { 'a b' = '$.n' } }", "a value's name is a word"),
        (
            "paging = { by = 'cursor', take = { a = '$.n' }, start = { b = 1 } }",
            "`take` has no value b",
        ),
        ("paging = { by = 'cursor', take = { a = '$.n' }, select = '$.n' }", "either `select`"),
        ("paging = { by = 'cursor', select = '$.n', start = { b = 1 } }", "no value b"),
        (
            "paging = { by = 'cursor', select = { header = 'Next-Range' } }",
            "write `take = { cursor = { header = \"Next-Range\" } }`",
        ),
        ("paging = { by = 'page', size = 25 }", "leave out `size` and write the number in `query`"),
        ("paging = { by = 'page', total = '$.n' }", "`total` needs `size`"),
        ("[detail]\nurl = '/{key}'\nkey = '$.id'", "x.toml:9: detail.key: unknown field `key`"),
        ("[detail]\nurl = '/{key}'\nkey = '$.id'", "write `key` in [index]"),
        ("paging = { by = 'page', take = { a = '$.n' } }", "`take` is not valid"),
        ("paging = { by = 'keys', range = '1..3', while = '$.n' }", "`while` is not valid"),
        ("paging = { by = 'next', select = '$.n' }\n[index.next]\nurl = '/m'", "index.next"),
        (
            "query = { p = '{page}' }\npaging = { by = 'page', first_url = '/l/{page}' }",
            "the first page has no {page}",
        ),
    ] {
        let error = refused(paging);
        assert!(error.contains(said) && error.contains("x.toml:"), "{paging}: {error}");
    }
}

/// Two pages for each ten items: one with their names, one with tags.
fn in_parts(asked: &Asked) -> Answer {
    let from = asked.number("from").unwrap_or(0);
    let tags = asked.query.contains_key("tags");
    let part = |id: usize| match tags {
        false => json!({ "id": id, "name": format!("n{id}"), "tags": ["a"] }),
        true => json!({ "id": id, "tags": [format!("b{id}")] }),
    };
    let rows: Vec<Value> = (from..ITEMS.min(from + 10)).map(part).collect();
    let mut page = json!({ "rows": rows });
    match tags {
        false => page["continue"] = json!({ "tags": "|", "from": from }),
        true if from + 10 < ITEMS => page["continue"] = json!({ "from": from + 10 }),
        true => {}
    }
    Answer::json(&page)
}

const IN_PARTS: &str = "url = '/l'\npaging = { by = 'cursor', take = { c = '$.continue' }, merge = true }\n\
                        [index.fields]\nname = '$.name'\ntags = { select = '$.tags[*]', many = true }\n";

#[tokio::test]
async fn l12_items_in_parts_on_several_pages_are_merged() {
    let served = Served::start(in_parts);
    let crawled = crawl_served::<Sqlite>(site(IN_PARTS), &served).await;
    let whole = |id: usize| json!({ "name": format!("n{id}"), "tags": ["a", format!("b{id}")] });
    crawled.holds((0..ITEMS).map(|id| (id.to_string(), whole(id))));
    nothing_twice_but(0, &served);
}

#[tokio::test]
async fn l12_items_whose_further_parts_are_lost_are_not_stored() {
    let served = Served::start(|asked| match asked.number("from") {
        Some(20) if asked.query.contains_key("tags") => Answer::text("no".into()).status(500),
        _ => in_parts(asked),
    });
    let crawled =
        crawl_with::<Sqlite>(site(IN_PARTS), &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.documents.len(), 20, "{:#?}", crawled.report);
    assert!(
        crawled.documents.values().all(|it| it["tags"].as_array().is_some_and(|it| it.len() == 2))
    );
    says(&crawled.report, "1 page of the list was lost");
}

#[tokio::test]
async fn l2_a_site_that_ignores_the_values_or_echoes_them_proves_no_end() {
    for start in ["", ", start = { m = 'm10' }"] {
        let index = format!(
            "url = '/l'\nquery = {{ wrong = '{{m}}' }}\n\
             paging = {{ by = 'cursor', take = {{ m = '$.mark' }}{start} }}\n"
        );
        let page = json!({ "rows": items(0), "mark": "m10" });
        incomplete(&index, page, 10, "the site may ignore them").await;
    }
}

#[tokio::test]
async fn l12_a_limited_run_says_which_items_in_parts_it_does_not_store() {
    let served = Served::start(in_parts);
    let pages = gleaner::model::task::PageRange { from: 1, to: 3 };
    let limited = settings().with(|it| it.scope.pages = Some(pages));
    let crawled = crawl_with::<Sqlite>(site(IN_PARTS), &served, limited, Outcome::Incomplete).await;
    assert_eq!(crawled.documents.len(), 10, "{:#?}", crawled.report);
    says(&crawled.report, "10 items of index page 3 not stored");
}

#[tokio::test]
async fn an_entry_is_left_out_as_a_whole_on_the_first_page() {
    let index = "url = '/l'\nquery = { n = 10, startkey = '\"{last}\"' }\n\
                 headers = { X-Mark = 'm-{last}' }\n\
                 paging = { by = 'cursor', take = { last = '$.rows[9].id' } }\n\
                 [index.json]\nnote = 'after {last}'\nsearch_after = ['{last}']\nsize = 10\n";
    let asked = whole(index, 0, |asked| {
        let from = asked.json()["search_after"][0].as_u64().map_or(0, |last| last as usize + 1);
        let is_first = from == 0;
        assert_eq!(asked.header("x-mark").is_empty(), is_first, "a header without its value");
        Answer::json(&json!({ "rows": items(from) }))
    });
    let asked = asked.await;
    assert_eq!(asked[0], r#"/l?n=10{"size":10}"#);
    assert_eq!(
        asked[1],
        r#"/l?n=10&startkey=%229%22{"note":"after 9","search_after":[9],"size":10}"#
    );
    assert_eq!(asked.len(), 3);
}
