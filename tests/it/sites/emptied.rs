//! What was there in the last sweep and is suddenly empty, or one and the same for all: a list that says so
//! (L9), a category that is not there (L15), pages of items (G8).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::site::settings::Settings;
use serde_json::{Value, json};

use super::{Crawled, crawl_into, crawl_served, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::Sqlite;

/// A site that answers by phase.
fn phases(
    answer: impl Fn(u64, &Asked) -> Answer + Send + Sync + 'static,
) -> (Served, Arc<AtomicU64>) {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    (Served::start(move |asked| answer(now.load(Relaxed), asked)), phase)
}

async fn again(
    crawled: Crawled<Sqlite>,
    site: Site,
    served: &Served,
    settings: Settings,
    outcome: Outcome,
) -> Crawled<Sqlite> {
    crawl_into(crawled.backend, site, served, settings, outcome).await
}

fn page_of(asked: &Asked) -> &str {
    asked.query.get("page").map_or("", |page| page)
}

fn json_text(text: &str) -> Answer {
    Answer::body(text.to_owned(), "application/json")
}

fn items(ids: impl IntoIterator<Item = u64>) -> Value {
    ids.into_iter().map(|id| json!({ "id": id })).collect()
}

#[tokio::test]
async fn l9_a_list_that_declares_itself_empty_is_compared_with_the_last_sweep() {
    let site = || {
        site_of(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nquery = { p = '{page}' }\n\
             paging = { by = 'page', size = 50, total = '$.total' }\nitems = '$.list[*]'\nkey = '$.id'\n",
        )
    };
    let (served, phase) = phases(|phase, _| match phase {
        1 => Answer::json(&json!({ "total": 5, "list": items(1..=5) })),
        _ => Answer::json(&json!({ "total": 0, "list": [] })),
    });
    let mut crawled = crawl_served::<Sqlite>(site(), &served).await;
    phase.store(2, Relaxed);
    for _ in 0..2 {
        crawled = again(crawled, site(), &served, settings(), Outcome::Incomplete).await;
        says(&crawled.report, "5 or more of 5 items in the store are not on the list any more");
    }
    let granted = || settings().with(|it| it.refresh.gone_limit = 100.0);
    crawled = again(crawled, site(), &served, granted(), Outcome::Complete).await;
    assert_eq!((crawled.report.items.unlisted, crawled.report.items.gone), (5, 0));
    crawled = again(crawled, site(), &served, granted(), Outcome::Complete).await;
    assert_eq!(crawled.report.items.gone, 5, "the second complete sweep that does not list them");
    again(crawled, site(), &served, settings(), Outcome::Complete).await;
}

/// Ten categories of five; in the second phase `b` is not there, in the third the pages of its items are
/// not either. `z` was never there.
fn categories() -> (Served, Arc<AtomicU64>) {
    phases(|phase, asked| {
        let category = asked.query.get("c").map_or("", String::as_str);
        let first = (category.bytes().next().unwrap_or_default() as u64) * 5;
        match asked.path.strip_prefix("/p/").and_then(|id| id.parse::<u64>().ok()) {
            Some(id) if phase == 3 && id / 5 == u64::from(b'b') => Answer::not_found(),
            Some(id) => Answer::json(&json!({ "id": id })),
            None if category == "z" || category == "b" && phase > 1 => Answer::not_found(),
            None => Answer::json(&json!({ "list": items(first..first + 5) })),
        }
    })
}

const CATEGORIES: &str = "name = 'x'\nbase_url = 'http://h'\n[seeds]\n\
    values = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'z']\n[index]\nurl = '/l'\n\
    query = { c = '{seed}' }\nitems = '$.list[*]'\nkey = '$.id'\n";

#[tokio::test]
async fn l15_a_known_category_is_not_accepted_as_empty() {
    for pages in ["", "[detail]\nurl = '/p/{key}'\nrequire = ['$.id']\n"] {
        let site = || site_of(&format!("{CATEGORIES}{pages}"));
        let (served, phase) = categories();
        let mut crawled = crawl_served::<Sqlite>(site(), &served).await;
        assert!(crawled.report.baseline.absent.iter().eq([&Box::<str>::from("z")]));
        phase.store(2, Relaxed);
        for _ in 0..3 {
            crawled = again(crawled, site(), &served, settings(), Outcome::Incomplete).await;
            says(
                &crawled.report,
                "the list of b is not there, which it was in the last complete sweep",
            );
            assert_eq!(crawled.report.items.gone, 0);
        }
        let accept = settings().with(|it| it.refresh.accept_changes = true);
        crawled = again(crawled, site(), &served, accept, Outcome::Complete).await;
        assert_eq!((crawled.report.items.unlisted, crawled.report.items.gone), (5, 0));
        again(crawled, site(), &served, settings(), Outcome::Complete).await;
    }
}

#[tokio::test]
async fn l15_a_category_that_is_gone_with_the_pages_of_its_items_is_complete() {
    let site =
        || site_of(&format!("{CATEGORIES}[detail]\nurl = '/p/{{key}}'\nrequire = ['$.id']\n"));
    let (served, phase) = categories();
    let crawled = crawl_served::<Sqlite>(site(), &served).await;
    phase.store(3, Relaxed);
    let crawled = again(crawled, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!(crawled.report.items.gone, 5);
}

/// A next page that leads to a login has not ended the list.
#[tokio::test]
async fn l16_a_named_page_that_leads_elsewhere_and_has_no_items_is_lost() {
    let site = || {
        site_of(
            "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[index]\nurl = '/l'\n\
             paging = { by = 'next', select = '.n::attr(href)' }\nitems = '.i'\nkey = '::text'\n\
             [index.fields]\nname = '::text'\n",
        )
    };
    let (served, phase) = phases(|phase, asked| match (asked.path.as_str(), phase) {
        ("/l", _) => Answer::html("<b class=i>1</b><a class=n href='/l/2'>n</a>".to_owned()),
        ("/l/2", 1) => {
            Answer::html(String::new()).status(302).header("location", "/login?next=/l/2")
        }
        // In another spelling it is the same place.
        ("/l/2", _) => Answer::html(String::new()).status(301).header("location", "/l/2/?p=2"),
        _ => Answer::html("<form></form>".to_owned()),
    });
    let crawled = crawl_into(
        Sqlite::start().await,
        site(),
        &served,
        settings().with(|it| it.pace.robots = false),
        Outcome::Incomplete,
    )
    .await;
    says(&crawled.report, "1 page of the list was lost");
    phase.store(2, Relaxed);
    again(crawled, site(), &served, settings(), Outcome::Complete).await;
}

const SHOP: &str = "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[index]\nurl = '/l'\n\
    items = 'a'\nkey = { select = '::attr(href)', regex = '(\\d+)$' }\nrequire = ['nav']\n[detail]\n\
    url = '/p/{key}'\n[detail.fields]\n";

/// Twenty items. From the second phase on the pages of twelve of them are one and the same, but for a
/// token, whether they answer it themselves or lead there.
fn shop(leads: bool) -> (Served, Arc<AtomicU64>) {
    phases(move |phase, asked| match asked.path.strip_prefix("/p/") {
        Some(id) if phase == 2 && id.parse::<u64>().is_ok_and(|id| id <= 12) => match leads {
            true => Answer::html(String::new())
                .status(302)
                .header("location", &format!("/consent?id={id}")),
            false => Answer::html(format!("<h1>Are you human?</h1><p>{id}</p>")),
        },
        Some(id) => Answer::html(format!("<h1>Thing {id}</h1>")),
        None if asked.path == "/consent" => Answer::html("<h1>Are you human?</h1>".to_owned()),
        None => {
            let row = |id: u64| format!("<a href='/p/{id}'>x</a>");
            Answer::html(format!("<nav></nav>{}", (1..=20).map(row).collect::<String>()))
        }
    })
}

#[tokio::test]
async fn g8_pages_that_become_equal_replace_no_second_document() {
    let site = || site_of(&format!("{SHOP}title = 'h1::text'\n"));
    for leads in [false, true] {
        let (served, phase) = shop(leads);
        let crawled = crawl_served::<Sqlite>(site(), &served).await;
        phase.store(2, Relaxed);
        let next = again(crawled, site(), &served, settings(), Outcome::Incomplete).await;
        assert_eq!((next.report.items.changed, next.report.items.failed), (1, 11));
        let replaced = next.documents.values().filter(|it| it["title"] == "Are you human?").count();
        assert_eq!(replaced, 1, "the first of them cannot be told from a change");
        phase.store(3, Relaxed);
        let next = again(next, site(), &served, settings(), Outcome::Complete).await;
        assert_eq!((next.report.items.changed, next.report.items.same), (1, 19));
    }
}

/// A required heading is on a captcha, too. The documents that the store holds tell items apart.
#[tokio::test]
async fn g8_pages_that_become_equal_are_refused_though_they_have_what_is_required() {
    let site = || site_of(&format!("{SHOP}title = {{ select = 'h1::text', required = true }}\n"));
    let (served, phase) = shop(false);
    let crawled = crawl_served::<Sqlite>(site(), &served).await;
    phase.store(2, Relaxed);
    let next = again(crawled, site(), &served, settings(), Outcome::Incomplete).await;
    assert_eq!((next.report.items.changed, next.report.items.failed), (1, 11));
    phase.store(3, Relaxed);
    let next = again(next, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!((next.report.items.changed, next.report.items.same), (1, 19));
}

/// Some answers of an API mean that it failed, and some have the name of such an answer.
#[tokio::test]
async fn l10_a_page_that_only_says_that_the_site_failed_is_no_item() {
    let site = || {
        site_of(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nitems = '$.items[*]'\nkey = '$.id'\n\
             [detail]\nurl = '/p/{key}'\n",
        )
    };
    for failed in [
        r#"{"error":{"code":17,"message":"busy"}}"#,
        r#"{"success":false,"data":null,"msg":"try later"}"#,
        r#"{"status":"error","request_id":"a7"}"#,
    ] {
        let (served, phase) = phases(move |phase, asked| match asked.path.strip_prefix("/p/") {
            Some("2") if phase == 2 => json_text(failed),
            // A job that failed is an item.
            Some(id) => Answer::json(
                &json!({ "id": id, "name": format!("job {id}"), "status": "error", "error": "full" }),
            ),
            None => Answer::json(&json!({ "items": items(1..=3) })),
        });
        let crawled = crawl_served::<Sqlite>(site(), &served).await;
        phase.store(2, Relaxed);
        let next = again(crawled, site(), &served, settings(), Outcome::Incomplete).await;
        assert_eq!((next.report.items.same, next.report.items.failed), (2, 1), "{failed}");
        assert_eq!(next.documents["2"]["name"], "job 2", "{failed}");
    }
}

#[tokio::test]
async fn l10_an_object_is_no_page_of_a_list_whose_pages_are_lists() {
    let site = || {
        site_of(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nquery = { page = '{page}' }\n\
             paging = { by = 'page' }\nitems = '$[*]'\nkey = '$.id'\n",
        )
    };
    let failures = AtomicU64::new(0);
    let (served, _) = phases(move |_, asked| match page_of(asked) {
        "2" if failures.fetch_add(1, Relaxed) == 0 => {
            json_text(r#"{"error":{"message":"rate limited"}}"#)
        }
        "1" => Answer::json(&items(1..=2)),
        "2" => Answer::json(&items(3..=4)),
        _ => Answer::json(&json!([])),
    });
    let crawled = crawl_served::<Sqlite>(site(), &served).await;
    assert_eq!(crawled.documents.len(), 4);
    // Where all pages are objects, the members of these are the items.
    let (served, _) = phases(|_, asked| match page_of(asked) {
        "1" => json_text(r#"{"a":{"id":1},"b":{"id":2}}"#),
        "2" => json_text(r#"{"c":{"id":3}}"#),
        _ => json_text("{}"),
    });
    assert_eq!(crawl_served::<Sqlite>(site(), &served).await.documents.len(), 3);
}

#[tokio::test]
async fn g8_equal_items_are_stored_with_accept_changes_or_where_others_were_equal() {
    let site = || site_of(&format!("{SHOP}title = 'h1::text'\n"));
    let (served, phase) = shop(false);
    let crawled = crawl_served::<Sqlite>(site(), &served).await;
    phase.store(2, Relaxed);
    let accept = settings().with(|it| it.refresh.accept_changes = true);
    let next = again(crawled, site(), &served, accept, Outcome::Complete).await;
    assert_eq!(next.report.items.changed, 12);
    // Prices are often the same by accident.
    let (served, phase) = phases(|phase, asked| match asked.path.strip_prefix("/p/") {
        Some(id) => {
            let price = id.parse::<u64>().unwrap_or_default() % 15 + phase;
            Answer::html(format!("<h1>{price} $</h1>"))
        }
        None => {
            let row = |id: u64| format!("<a href='/p/{id}'>x</a>");
            Answer::html(format!("<nav></nav>{}", (1..=20).map(row).collect::<String>()))
        }
    });
    let priced = || site_of(&format!("{SHOP}price = {{ select = 'h1::text', required = true }}\n"));
    let crawled = crawl_served::<Sqlite>(priced(), &served).await;
    phase.store(2, Relaxed);
    let next = again(crawled, priced(), &served, settings(), Outcome::Complete).await;
    assert_eq!(next.report.items.changed, 20);
    // New items may be alike, and so may those that were.
    let (served, _) = phases(|_, asked| match asked.path.as_str() {
        "/l" => Answer::html("<nav></nav><a href='/p/1'>x</a><a href='/p/2'>x</a>".to_owned()),
        _ => Answer::html("<h1>Untitled</h1>".to_owned()),
    });
    let site = || site_of(&format!("{SHOP}title = 'h1::text'\n"));
    let crawled = crawl_served::<Sqlite>(site(), &served).await;
    let next = again(crawled, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!(next.report.items.same, 2);
}
