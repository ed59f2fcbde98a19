//! Sites whose lists say where the pages of their items are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gleaner::model::report::Outcome;
use gleaner::site::settings::Begin;
use serde_json::json;

use super::{crawl_into, crawl_served, crawl_with, settings, site_of};
use crate::crawl::rig::says;
use crate::records::place;
use crate::served::{Answer, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

const SITE: &str = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\n\
                    key = '$.id'\n[detail]\nlink = '$.url'\n";

/// Twelve items, whose pages are at `link` of the phase and the item, and nowhere else. From the
/// third phase on the last item is not listed. Each page has one entity tag, whatever the phase.
fn linked(link: fn(u64, u64) -> String) -> (Served, Arc<AtomicU64>) {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let served = Served::start(move |asked| {
        let phase = now.load(Relaxed);
        if asked.path == "/list" {
            let listed = if phase < 3 { 1..=12 } else { 1..=11 };
            let item = |id: u64| json!({ "id": id, "url": link(phase, id) });
            return Answer::json(&listed.map(item).collect());
        }
        let token = asked.query.get("token").map(|token| format!("?token={token}"));
        let there = asked.path.clone() + &token.unwrap_or_default();
        match (1..=12).find(|id| link(phase, *id) == there) {
            None => Answer::not_found(),
            Some(_) if asked.header("if-none-match") == "\"one\"" => Answer::not_modified(),
            Some(id) => Answer::json(&json!({ "id": id })).header("ETag", "\"one\""),
        }
    });
    (served, phase)
}

async fn pages_that_moved_are_asked_for_where_they_are<B: Backend>() {
    let (served, phase) = linked(|phase, id| match phase {
        1 => format!("/old/{id}"),
        _ => format!("/new/{id}"),
    });
    let first = crawl_served::<B>(site_of(SITE), &served).await;
    phase.store(2, Relaxed);
    let moved =
        crawl_into(first.backend, site_of(SITE), &served, settings(), Outcome::Complete).await;
    assert_eq!((moved.report.items.same, moved.report.requests.not_modified), (12, 0));
    let again =
        crawl_into(moved.backend, site_of(SITE), &served, settings(), Outcome::Complete).await;
    assert_eq!(again.report.requests.not_modified, 12, "the tags are those of the new pages");
    phase.store(3, Relaxed);
    let left =
        crawl_into(again.backend, site_of(SITE), &served, settings(), Outcome::Complete).await;
    assert_eq!(left.report.items.gone, 0, "its page is there");
    assert_eq!(served.count("/old/"), 12);
}

#[tokio::test]
async fn l1_pages_that_moved_are_asked_for_where_they_are_in_sqlite() {
    pages_that_moved_are_asked_for_where_they_are::<Sqlite>().await;
}

#[tokio::test]
async fn l1_pages_that_moved_are_asked_for_where_they_are_in_mongodb() {
    pages_that_moved_are_asked_for_where_they_are::<Mongodb>().await;
}

#[tokio::test]
async fn l1_a_page_whose_link_was_not_kept_whole_is_no_proof() {
    let (served, phase) = linked(|_, id| format!("/page/{id}?token=s3cret{id}"));
    let first = crawl_served::<Sqlite>(site_of(SITE), &served).await;
    phase.store(3, Relaxed);
    let left =
        crawl_into(first.backend, site_of(SITE), &served, settings(), Outcome::Complete).await;
    assert_eq!(left.report.items.gone, 0);
    let asked = served.requests();
    assert!(asked.iter().all(|asked| asked.query.get("token").is_none_or(|it| it != "***")));
    let mut backend = left.backend;
    for _ in 0..2 {
        let again =
            crawl_into(backend, site_of(SITE), &served, settings(), Outcome::Complete).await;
        let items = &again.report.items;
        assert_eq!(
            (items.unlisted, items.gone),
            (1, 0),
            "its page cannot be requested, so it is not gone"
        );
        backend = again.backend;
    }
}

/// Without a page of its own an item is what its list says.
#[tokio::test]
async fn g6_what_has_no_page_is_gone_when_a_second_sweep_does_not_list_it() {
    let (served, phase) = linked(|_, id| format!("/page/{id}"));
    let site = || site_of(SITE.split("[detail]").next().expect("a list"));
    let first = crawl_served::<Sqlite>(site(), &served).await;
    phase.store(3, Relaxed);
    let left = crawl_into(first.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!((left.report.items.unlisted, left.report.items.gone), (1, 0));
    let again = crawl_into(left.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!((again.report.items.unlisted, again.report.items.gone), (0, 1));
    assert_eq!(served.count("/page/"), 0);
}

/// Pages of which some stay where they were, some say that they are no item, and some lead to a page
/// that all of them lead to.
#[tokio::test]
async fn g6_g7_an_unlisted_page_is_the_item_where_it_has_what_is_required() {
    const REQUIRING: &str = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\n\
        items = '$[*]'\nkey = '$.id'\n[detail]\nurl = '/item/{key}'\nrequire = ['$.id']\n";
    let phase = Arc::new(AtomicU64::new(1));
    let seen = phase.clone();
    let served = Served::start(move |asked| {
        let id = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
        match (asked.path.as_str(), seen.load(Relaxed), id.as_str()) {
            ("/list", 1, _) => Answer::json(&(1..=20).map(|id| json!({ "id": id })).collect()),
            ("/list", _, _) => Answer::json(&(4..=20).map(|id| json!({ "id": id })).collect()),
            ("/", ..) => Answer::json(&json!({ "id": 0, "name": "home" })),
            (_, 2.., "2") => Answer::json(&json!({ "note": "sold out" })),
            (_, 2.., "3") => Answer::text(String::new()).status(302).header("location", "/"),
            _ => Answer::json(&json!({ "id": id })),
        }
    });
    let first = crawl_served::<Sqlite>(site_of(REQUIRING), &served).await;
    phase.store(2, Relaxed);
    let site = || site_of(REQUIRING);
    let left = crawl_into(first.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!((left.report.items.unlisted, left.report.items.gone), (2, 0), "{:#?}", left.report);
    says(&left.report, "it is not listed, and its page cannot be requested: the page has no $.id");
    let again = crawl_into(left.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!((again.report.items.unlisted, again.report.items.gone), (1, 1));
    assert_eq!(again.documents["3"], json!({ "id": "3" }), "it stays as it was");
    // Nothing is required: then any page counts as the item.
    let lax = || site_of(&REQUIRING.replace("require = ['$.id']\n", ""));
    let lax_first = crawl_into(again.backend, lax(), &served, settings(), Outcome::Complete).await;
    assert_eq!(lax_first.report.items.unlisted, 2, "{:#?}", lax_first.report);
}

#[tokio::test]
async fn l4_lost_pages_that_differ_only_in_credentials_are_distinct() {
    let served = Served::start(|asked| {
        let part = asked.query.get("token").map(String::as_str);
        let origin = asked.origin();
        let map = |entries: &[String]| {
            let entries: String =
                entries.iter().map(|loc| format!("<url><loc>{loc}</loc></url>")).collect();
            Answer::xml(format!("<urlset>{entries}</urlset>"))
        };
        match (asked.path.as_str(), part) {
            ("/sitemap.xml", _) => {
                let parts = ["a", "b"].map(|part| {
                    format!("<sitemap><loc>{origin}/part?token={part}</loc></sitemap>")
                });
                Answer::xml(format!("<sitemapindex>{}</sitemapindex>", parts.concat()))
            }
            ("/part", Some("b")) => {
                map(&[format!("{origin}/item/1")]).later(std::time::Duration::from_millis(300))
            }
            ("/item/1", _) => Answer::json(&json!({ "id": 1 })),
            _ => Answer::not_found(),
        }
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/sitemap.xml'\npaging = { by = 'sitemap' }\nkey = '/item/(\\d+)'\n[detail]\n",
    );
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!(crawled.report.items.new, 1);
    says(&crawled.report, "1 page of the list was lost");
}

/// Pages that lead elsewhere: some to their own place under another name, some to one place.
fn leading(to: fn(usize, usize) -> Option<String>) -> (Served, Arc<AtomicU64>) {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let served = Served::start(move |asked| {
        let phase = now.load(Relaxed) as usize;
        let id = asked.path.strip_prefix("/item/").and_then(|id| id.parse().ok());
        match (asked.path.as_str(), id) {
            ("/list", _) => Answer::json(&(1..=8).map(|id| json!({ "id": id })).collect()),
            (_, Some(id)) => match to(phase, id) {
                Some(to) => Answer::text(String::new()).status(302).header("location", &to),
                None => Answer::json(&json!({ "id": id, "at": "item" })),
            },
            (path, None) => Answer::json(&json!({ "at": path })),
        }
    });
    (served, phase)
}

const LEADING: &str = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\n\
                       key = '$.id'\n[detail]\nurl = '/item/{key}'\n";

async fn pages_that_lead_to_one_address_replace_nothing<B: Backend>() {
    let (served, phase) = leading(|phase, id| match (phase, id) {
        // Nobody else is led there.
        (2, 1) => Some("/discontinued".to_owned()),
        (2, 2) => Some("/new-name/2".to_owned()),
        (2, 3 | 4) | (3, 3) => Some("/home?from=list".to_owned()),
        (2 | 3, 5 | 6) => Some(format!("/login?next=%2Fitem%2F{id}")),
        _ => None,
    });
    let site = || site_of(LEADING);
    let first = crawl_served::<B>(site(), &served).await;
    phase.store(2, Relaxed);
    let led = crawl_into(first.backend, site(), &served, settings(), Outcome::Incomplete).await;
    let items = &led.report.items;
    assert_eq!((items.failed, items.changed, items.same), (4, 2, 2), "{:#?}", led.report);
    assert_eq!(led.documents["1"], json!({ "at": "/discontinued" }));
    assert_eq!(led.documents["2"], json!({ "at": "/new-name/2" }));
    for id in [3, 4, 5, 6] {
        assert_eq!(led.documents[&id.to_string()], json!({ "id": id, "at": "item" }), "{id}");
    }
    // The failures name the address, once for all that lead there.
    let failures = led.backend.open(&place("books", "books")).await.expect("it opens");
    let failures = failures.failures(None, 10).await.expect("an answer").found;
    let told: Vec<_> = failures.iter().map(|it| (&*it.reason, it.message.to_string())).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told.iter().all(|(reason, _)| *reason == "redirect"), "{told:?}");
    let naming = |path: &str| told.iter().filter(|(_, message)| message.contains(path)).count();
    assert_eq!((naming("/home?from=list,"), naming("/login,")), (2, 2), "{told:?}");
    // Asked for by itself one is led alone: that tells nothing.
    phase.store(3, Relaxed);
    let again = settings().with(|it| it.scope.begin = Begin::Failures);
    let again = crawl_into(led.backend, site(), &served, again, Outcome::Incomplete).await;
    assert_eq!(again.report.items.failed, 3, "{:#?}", again.report);
    assert_eq!(again.documents["3"], json!({ "id": 3, "at": "item" }));
    phase.store(4, Relaxed);
    let back = crawl_into(again.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!((back.report.items.changed, back.report.items.same), (2, 6));
}

#[tokio::test]
async fn g8_pages_that_lead_to_one_address_replace_nothing_in_sqlite() {
    pages_that_lead_to_one_address_replace_nothing::<Sqlite>().await;
}

#[tokio::test]
async fn g8_pages_that_lead_to_one_address_replace_nothing_in_mongodb() {
    pages_that_lead_to_one_address_replace_nothing::<Mongodb>().await;
}

/// A site that only hides where its pages are loses nothing by it.
#[tokio::test]
async fn g8_pages_that_lead_to_addresses_of_their_own_are_stored() {
    let (served, _) = leading(|_, id| Some(format!("/hidden/{}", "abcdefgh".split_at(id).0)));
    let first = crawl_served::<Sqlite>(site_of(LEADING), &served).await;
    assert_eq!(first.report.items.new, 8);
    let (served, _) = leading(|_, id| Some(format!("/book/{id}-a-name")));
    let first = crawl_served::<Sqlite>(site_of(LEADING), &served).await;
    assert_eq!((first.report.items.new, served.count("/item/")), (8, 8), "requested once");
}

/// A page that says "not modified" of a place where others are led, too, says nothing of the item.
#[tokio::test]
async fn g8_a_shared_address_that_has_not_changed_confirms_nothing() {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let served = Served::start(move |asked| {
        let is_led = now.load(Relaxed) == 2;
        match asked.path.as_str() {
            "/list" => Answer::json(&(1..=4).map(|id| json!({ "id": id })).collect()),
            "/home" if !asked.header("if-modified-since").is_empty() => Answer::not_modified(),
            "/item/1" | "/item/2" if is_led => {
                Answer::text(String::new()).status(302).header("location", "/home")
            }
            path => Answer::json(&json!({ "at": path }))
                .header("last-modified", "Sat, 28 Nov 2026 10:00:00 GMT"),
        }
    });
    let first = crawl_served::<Sqlite>(site_of(LEADING), &served).await;
    phase.store(2, Relaxed);
    let led =
        crawl_into(first.backend, site_of(LEADING), &served, settings(), Outcome::Incomplete).await;
    assert_eq!((led.report.items.failed, led.report.items.same), (2, 2), "{:#?}", led.report);
}

/// Nor of an item that no list names any more.
#[tokio::test]
async fn g7_a_shared_address_that_has_not_changed_is_no_page_of_what_is_not_listed() {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let served = Served::start(move |asked| {
        let from = now.load(Relaxed);
        match asked.path.as_str() {
            "/list" => Answer::json(&(from..=8).map(|id| json!({ "id": id })).collect()),
            "/home" if !asked.header("if-modified-since").is_empty() => Answer::not_modified(),
            "/item/1" if from == 2 => {
                Answer::text(String::new()).status(302).header("location", "/home")
            }
            path => Answer::json(&json!({ "at": path }))
                .header("last-modified", "Sat, 28 Nov 2026 10:00:00 GMT"),
        }
    });
    let mut crawled = crawl_served::<Sqlite>(site_of(LEADING), &served).await;
    phase.store(2, Relaxed);
    for marked in [(1, 0), (0, 1)] {
        let (backend, site) = (crawled.backend, site_of(LEADING));
        crawled = crawl_into(backend, site, &served, settings(), Outcome::Complete).await;
        let items = &crawled.report.items;
        assert_eq!((items.unlisted, items.gone), marked, "{:#?}", crawled.report);
    }
}
