//! Documents made from several requests: the pages of one article, and lists of an item's own.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gleaner::model::report::Outcome;
use serde_json::{Value, json};

use super::{crawl_into, crawl_served, crawl_with, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

const ITEMS: u64 = 12;
const LIST: &str =
    "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n";
/// Two parts: numbered pages with a count, and pages by a cursor.
const PARTS: &str = "[detail]\nurl = '/item/{key}'\n[detail.values]\nowner = '$.owner.id'\n\
    [detail.parts.reviews]\nurl = '/item/{key}/reviews'\nquery = { page = '{page}' }\n\
    paging = { by = 'page', size = 5, total = '$.total' }\nitems = '$.reviews[*]'\n\
    [detail.parts.owned]\nurl = '/owners/{owner}'\nquery = { after = '{last}' }\n\
    paging = { by = 'cursor', take = { last = '$.rows[-1].id' }, while = '$.more' }\n\
    items = '$.rows[*]'\nfields = { n = '$.name' }\n";

fn listed() -> Answer {
    Answer::json(&(0..ITEMS).map(|id| json!({ "id": id })).collect())
}

/// Returns the key of an item, and what comes after it in a path below `/item/`.
fn at(path: &str) -> Option<(u64, &str)> {
    let rest = path.strip_prefix("/item/")?;
    let (key, rest) = rest.split_once('/').unwrap_or((rest, ""));
    Some((key.parse().ok().filter(|key| *key < ITEMS)?, rest))
}

fn review(item: u64, at: u64) -> Value {
    json!({ "rid": format!("{item}-{at}"), "text": "the same", "stars": 4.5 })
}

/// An item has as many reviews as its number, so that some have none.
fn parts(asked: &Asked) -> Answer {
    if asked.path == "/list" {
        return listed();
    }
    if let Some(owner) = asked.path.strip_prefix("/owners/") {
        let after = asked.number("after").map_or(0, |last| last as u64 + 1);
        let rows: Vec<Value> = (after..7.min(after + 3))
            .map(|id| json!({ "id": id, "name": format!("{owner}/{id}") }))
            .collect();
        return Answer::json(&json!({ "rows": rows, "more": after + 3 < 7 }));
    }
    match at(&asked.path) {
        Some((key, "")) => Answer::json(
            &json!({ "id": key, "title": format!("T{key}"), "owner": { "id": key * 7 } }),
        ),
        Some((key, "reviews")) => {
            let from = (asked.number("page").expect("a number") as u64 - 1) * 5;
            let page: Value = (from..key.min(from + 5)).map(|at| review(key, at)).collect();
            Answer::json(&json!({ "reviews": page, "total": key }))
        }
        _ => Answer::not_found(),
    }
}

fn kept(key: u64) -> (String, Value) {
    let owned: Value = (0..7).map(|id| json!({ "n": format!("{}/{id}", key * 7) })).collect();
    let reviews: Value = (0..key).map(|at| review(key, at)).collect();
    let document = json!({
        "id": key, "title": format!("T{key}"), "owner": { "id": key * 7 }, "reviews": reviews, "owned": owned,
    });
    (key.to_string(), document)
}

fn is_unchanged(items: &gleaner::model::report::Items, count: u64) {
    assert_eq!((items.same, items.new, items.changed, items.failed), (count, 0, 0, 0), "{items:?}");
}

/// Each page fails the first time: with a status of 503, or with a connection that is closed.
fn each_fails_once(
    answers: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
) -> impl Fn(&Asked) -> Answer + Send + Sync + 'static {
    let seen = Mutex::new(BTreeSet::new());
    move |asked| {
        let mut seen = seen.lock().expect("nobody panicked");
        let is_first = seen.insert((asked.path.clone(), asked.raw_query.clone()));
        match (is_first, seen.len() % 2) {
            (true, 0) => Answer::text("busy".to_owned()).status(503),
            (true, _) => Answer::hang_up(),
            _ => answers(asked),
        }
    }
}

async fn both_parts<B: Backend>() {
    let site = || site_of(&format!("{LIST}{PARTS}"));
    let served = Served::start(parts);
    let crawled = crawl_served::<B>(site(), &served).await;
    crawled.holds((0..ITEMS).map(kept));
    let asked = served.count("/item/") + served.count("/owners/");

    let again = crawl_into(crawled.backend, site(), &served, settings(), Outcome::Complete).await;
    is_unchanged(&again.report.items, ITEMS);
    assert_eq!(served.count("/item/") + served.count("/owners/"), 2 * asked);

    // Only the request that failed is repeated.
    let served = Served::start(each_fails_once(parts));
    let crawled = crawl_served::<B>(site(), &served).await;
    crawled.holds((0..ITEMS).map(kept));
    // Some pages are asked for twice anyway: those that were empty.
    assert!(served.count("/item/") + served.count("/owners/") <= 2 * asked);
}

#[tokio::test]
async fn parts_become_members_in_sqlite() {
    both_parts::<Sqlite>().await;
}

#[tokio::test]
async fn parts_become_members_in_mongodb() {
    both_parts::<Mongodb>().await;
}

#[tokio::test]
async fn a_changed_part_is_a_changed_document_though_its_page_is_not() {
    let text = Arc::new(AtomicU64::new(0));
    let now = text.clone();
    let served = Served::start(move |asked| match at(&asked.path) {
        // A page that is not modified says nothing of its part.
        Some((_, "")) if !asked.header("if-none-match").is_empty() => Answer::not_modified(),
        Some((key, "")) => Answer::json(&json!({ "id": key })).header("etag", "\"same\""),
        Some((3, _)) => Answer::json(&json!([{ "text": now.load(Relaxed) }])),
        Some(_) => Answer::json(&json!([{ "text": "same" }])),
        None => listed(),
    });
    let file = format!(
        "{LIST}[detail]\nurl = '/item/{{key}}'\n[detail.parts.notes]\nurl = '/item/{{key}}/notes'\nitems = '$[*]'\n"
    );
    let first = crawl_served::<Sqlite>(site_of(&file), &served).await;
    let next = crawl_into(first.backend, site_of(&file), &served, settings(), Outcome::Complete);
    let next = next.await;
    is_unchanged(&next.report.items, ITEMS);
    text.store(1, Relaxed);
    let next = crawl_into(next.backend, site_of(&file), &served, settings(), Outcome::Complete);
    let next = next.await;
    assert_eq!((next.report.items.changed, next.report.items.same), (1, ITEMS - 1));
    assert_eq!(next.documents["3"], json!({ "id": 3, "notes": [{ "text": 1 }] }));
}

#[tokio::test]
async fn a_revision_of_the_list_covers_all_parts() {
    let served = Served::start(|asked| match at(&asked.path) {
        Some((key, "")) => Answer::json(&json!({ "id": key })),
        Some(_) => Answer::json(&json!([])),
        None => Answer::json(&(0..ITEMS).map(|id| json!({ "id": id, "at": "r1" })).collect()),
    });
    let list = format!("{LIST}revision = '$.at'\n");
    let file = format!(
        "{list}[detail]\nurl = '/item/{{key}}'\n[detail.parts.notes]\nurl = '/item/{{key}}/notes'\nitems = '$[*]'\n"
    );
    let first = crawl_served::<Sqlite>(site_of(&file), &served).await;
    let asked = served.count("/item/");
    let next = crawl_into(first.backend, site_of(&file), &served, settings(), Outcome::Complete);
    is_unchanged(&next.await.report.items, ITEMS);
    assert_eq!(served.count("/item/"), asked);
}

const ARTICLES: &str = "[detail]\nformat = 'html'\nurl = '/item/{key}'\nnext = 'a.next::attr(href)'\n\
    [detail.fields]\ntitle = { select = 'h1::text', required = true }\n\
    text = { select = 'p::text', many = true }\nfooter = 'i::text'\n";

/// An article over three pages, of which only the first has a title and only the last a footer.
fn article(asked: &Asked) -> Answer {
    let Some((key, _)) = at(&asked.path) else { return listed() };
    let page = asked.number("page").unwrap_or(1);
    let title = if page == 1 { format!("<h1>A{key}</h1>") } else { String::new() };
    let next = match page {
        1 | 2 => format!("<a class=next href='?page={}'>on</a>", page + 1),
        _ => "<i>end</i>".to_owned(),
    };
    Answer::html(format!("{title}<p>{page}a</p><p>{page}b</p>{next}"))
}

#[tokio::test]
async fn the_pages_of_an_article_are_followed_and_their_lists_appended() {
    let kept = |key: u64| {
        let text = ["1a", "1b", "2a", "2b", "3a", "3b"];
        (key.to_string(), json!({ "title": format!("A{key}"), "text": text, "footer": "end" }))
    };
    let site = || site_of(&format!("{LIST}{ARTICLES}"));
    let served = Served::start(article);
    let crawled = crawl_served::<Sqlite>(site(), &served).await;
    crawled.holds((0..ITEMS).map(kept));
    assert_eq!(served.count("/item/"), 3 * ITEMS as usize);
    let next = crawl_into(crawled.backend, site(), &served, settings(), Outcome::Complete).await;
    is_unchanged(&next.report.items, ITEMS);
    let served = Served::start(each_fails_once(article));
    crawl_served::<Sqlite>(site(), &served).await.holds((0..ITEMS).map(kept));
    assert_eq!(served.count("/item/"), 6 * ITEMS as usize);
}

/// What is wrong with item 5 makes it a failure with the URL of the page that is at fault; the others
/// are stored.
async fn fails(file: &str, answers: fn(&Asked) -> Answer, url: &str, why: &str) {
    let served = Served::start(answers);
    let site = site_of(&format!("{LIST}{file}"));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    let items = &crawled.report.items;
    assert_eq!((items.new, items.failed), (ITEMS - 1, 1), "{:#?}", crawled.report);
    let failures = crawled.backend.failures().await;
    let said: Vec<String> =
        failures.iter().map(|it| format!("{} {}", it.url, it.message)).collect();
    assert!(said.len() == 1 && said[0].contains(url) && said[0].contains(why), "{said:?}");
    assert!(!crawled.documents.contains_key("5"));
}

#[tokio::test]
async fn pages_of_an_article_in_a_circle_make_the_item_fail() {
    let circle: fn(&Asked) -> Answer = |asked| match (at(&asked.path), asked.number("page")) {
        (Some((5, _)), Some(3)) => {
            Answer::html("<p>3</p><a class=next href='?page=2'>on</a>".into())
        }
        _ => article(asked),
    };
    fails(ARTICLES, circle, "/item/5?page=3", "was read already").await;
    let same: fn(&Asked) -> Answer = |asked| match (at(&asked.path), asked.number("page")) {
        (Some((5, _)), Some(2..)) => {
            Answer::html("<p>2</p><a class=next href='?page=3'>on</a>".into())
        }
        _ => article(asked),
    };
    fails(ARTICLES, same, "/item/5?page=", "page").await;
}

#[tokio::test]
async fn an_article_without_end_makes_the_item_fail_at_a_stated_number_of_pages() {
    let endless: fn(&Asked) -> Answer = |asked| match (at(&asked.path), asked.number("page")) {
        (Some((5, _)), page) => {
            let page = page.unwrap_or(1);
            let next = format!("<a class=next href='?page={}'>on</a>", page + 1);
            Answer::html(format!("<h1>t</h1><p>{page}</p>{next}"))
        }
        _ => article(asked),
    };
    let file = ARTICLES.replace("next =", "max_pages = 40\nnext =");
    fails(&file, endless, "/item/5?page=40", "over 40 pages").await;
}

#[tokio::test]
async fn a_page_of_an_article_that_is_missing_or_has_nothing_makes_the_item_fail() {
    let missing: fn(&Asked) -> Answer = |asked| match (at(&asked.path), asked.number("page")) {
        (Some((5, _)), Some(2)) => Answer::not_found(),
        _ => article(asked),
    };
    fails(ARTICLES, missing, "/item/5?page=2", "404").await;
    let nothing: fn(&Asked) -> Answer = |asked| match (at(&asked.path), asked.number("page")) {
        (Some((5, _)), Some(2)) => Answer::html("<div>Log in</div>".to_owned()),
        _ => article(asked),
    };
    fails(ARTICLES, nothing, "/item/5?page=2", "none of the fields").await;
}

#[tokio::test]
async fn a_part_that_cannot_be_whole_makes_the_item_fail() {
    let refused: fn(&Asked) -> Answer = |asked| match at(&asked.path) {
        Some((5, "reviews")) => Answer::text("no".to_owned()).status(500),
        _ => parts(asked),
    };
    fails(PARTS, refused, "/item/5/reviews?page=1", "500").await;
    let short: fn(&Asked) -> Answer = |asked| match (at(&asked.path), asked.number("page")) {
        (Some((5, "reviews")), Some(1)) => {
            Answer::json(&json!({ "reviews": [review(5, 0)], "total": 5 }))
        }
        (Some((5, "reviews")), _) => Answer::json(&json!({ "reviews": [], "total": 5 })),
        _ => parts(asked),
    };
    fails(PARTS, short, "/item/5/reviews", "`reviews` of item 5").await;
    let ignored: fn(&Asked) -> Answer = |asked| match at(&asked.path) {
        Some((5, "reviews")) => {
            let page: Value = (0..5).map(|at| review(5, at)).collect();
            Answer::json(&json!({ "reviews": page, "total": 10 }))
        }
        _ => parts(asked),
    };
    fails(PARTS, ignored, "/item/5/reviews?page=2", "`reviews` of item 5").await;
    let error: fn(&Asked) -> Answer = |asked| match (at(&asked.path), asked.number("page")) {
        (Some((5, "reviews")), _) => Answer::json(&json!({ "error": "busy" })),
        _ => parts(asked),
    };
    fails(PARTS, error, "/item/5/reviews?page=1", "").await;
    let goes_on: fn(&Asked) -> Answer = |asked| match asked.path.as_str() {
        "/owners/35" => Answer::json(&json!({ "rows": [{ "name": "x" }], "more": true })),
        _ => parts(asked),
    };
    fails(PARTS, goes_on, "/owners/35", "says by `while`").await;
}

#[tokio::test]
async fn a_part_of_which_no_first_page_is_there_is_empty() {
    let served = Served::start(|asked| match at(&asked.path) {
        Some((5, "reviews")) => Answer::not_found(),
        _ => parts(asked),
    });
    let site = site_of(&format!("{LIST}{PARTS}"));
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    assert_eq!(crawled.documents["5"]["reviews"], json!([]));
    says(&crawled.report, "the list of its `reviews` is not there, and counts as empty");

    // Where such an answer is none of `[answers] end`, it is a failure.
    let strict: fn(&Asked) -> Answer = |asked| match at(&asked.path) {
        Some((5, "reviews")) => Answer::not_found(),
        _ => parts(asked),
    };
    let file = format!("{PARTS}[answers]\nend = [204]\n");
    fails(&file, strict, "/item/5/reviews?page=1", "404").await;
}

#[tokio::test]
async fn a_part_on_another_host_is_asked_there_without_credentials() {
    let other = Served::start(|asked| match asked.path.strip_prefix("/notes/") {
        Some(key) => Answer::json(&json!([{ "of": key, "login": asked.header("authorization") }])),
        None => Answer::not_found(),
    });
    let served = Served::start(|asked| match at(&asked.path) {
        Some((key, "")) => Answer::json(&json!({ "id": key })),
        _ => listed(),
    });
    let file = format!(
        "{LIST}[detail]\nurl = '/item/{{key}}'\n[detail.parts.notes]\nurl = '{}/notes/{{key}}'\nitems = '$[*]'\n[session]\nheaders = {{ Authorization = 'Bearer x' }}\n",
        other.url()
    );
    let crawled = crawl_served::<Sqlite>(site_of(&file), &served).await;
    let kept = |key: u64| {
        let note = json!({ "of": key.to_string(), "login": "" });
        (key.to_string(), json!({ "id": key, "notes": [note] }))
    };
    crawled.holds((0..ITEMS).map(kept));
    assert_eq!(other.count("/notes/"), ITEMS as usize);
}

/// With one request at a time and many items, what was begun is finished before more is begun.
#[tokio::test]
async fn paced_parts_hold_no_worker_and_few_items_are_begun_at_once() {
    let served = Served::start(|asked| parts(asked).later(Duration::from_millis(2)));
    let narrow = settings().with(|it| {
        it.pace.workers = 1;
        it.pace.rate = Some(400.0);
    });
    let site = site_of(&format!("{LIST}{PARTS}"));
    let crawled = crawl_with::<Sqlite>(site, &served, narrow, Outcome::Complete).await;
    crawled.holds((0..ITEMS).map(kept));
    let (mut begun, mut most) = (BTreeSet::new(), 0);
    for asked in served.requests() {
        match (at(&asked.path), asked.path.strip_prefix("/owners/")) {
            (Some((key, "")), _) => drop(begun.insert(key)),
            // The last page of the last part.
            (_, Some(owner)) if asked.number("after") == Some(5) => {
                begun.remove(&(owner.parse::<u64>().expect("a number") / 7));
            }
            _ => {}
        }
        most = most.max(begun.len());
    }
    assert!(most <= 3, "{most} items were begun at once");
}

#[tokio::test]
async fn a_missing_item_with_parts_is_missing() {
    let served = Served::start(|asked| match at(&asked.path) {
        Some((5, "")) => Answer::not_found(),
        _ => parts(asked),
    });
    let site = site_of(&format!("{LIST}{PARTS}"));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Complete).await;
    let items = &crawled.report.items;
    assert_eq!((items.new, items.missing, items.failed), (ITEMS - 1, 1, 0), "{items:?}");
}
