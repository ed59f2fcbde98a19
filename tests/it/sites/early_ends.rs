//! HTML lists of which nothing shows the end, and that end before they did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gleaner::model::report::{Outcome, Report};

use super::{crawl_into, crawl_served, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

const LIST: &str = "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[index]\nurl = '/l'\n\
                    query = { p = '{page}' }\npaging = { by = 'page' }\nitems = '.i'\n\
                    key = 'b::attr(id)'\n";
const PAGES: &str = "[detail]\nurl = '/p/{key}'\n[detail.fields]\ntitle = 'h1::text'\n";
const NO_PAGES: &str = "[index.fields]\nname = 'b::text'\n";

/// Fifty items, ten a page. In the second phase the list ends after 45, whose pages are there; in the
/// third the pages of the others are not.
fn shortened() -> (Served, Arc<AtomicU64>) {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let served = Served::start(move |asked| {
        let phase = now.load(Relaxed) as usize;
        let last = if phase == 1 { 50 } else { 45 };
        match asked.path.strip_prefix("/p/").and_then(|id| id.parse::<usize>().ok()) {
            Some(id) if id > 45 && phase == 3 => Answer::not_found(),
            Some(id) => Answer::html(format!("<h1>{id}</h1>")),
            None => {
                let page = asked.number("p").unwrap_or(1);
                let items = (page * 10 - 9..=page * 10).filter(|id| *id <= last);
                let row = |id| format!("<p class=i><b id={id}>{id}</b></p>");
                Answer::html(format!("<title>l</title>{}", items.map(row).collect::<String>()))
            }
        }
    });
    (served, phase)
}

fn early(report: &Report) {
    says(report, "names 45 items, and in the last complete sweep it named 50; 5 of those");
    says(report, "--accept-changes");
    assert_eq!(report.items.gone, 0);
}

async fn a_list_that_ends_early_is_incomplete<B: Backend>() {
    let (served, phase) = shortened();
    let site = || site_of(&format!("{LIST}{PAGES}"));
    let mut crawled = crawl_served::<B>(site(), &served).await;
    phase.store(2, Relaxed);
    for _ in 0..3 {
        crawled =
            crawl_into(crawled.backend, site(), &served, settings(), Outcome::Incomplete).await;
        early(&crawled.report);
        assert_eq!(crawled.report.items.unlisted, 5);
    }
    phase.store(3, Relaxed);
    let proven = crawl_into(crawled.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!(proven.report.items.gone, 5, "their own pages say so");
}

#[tokio::test]
async fn l10_an_html_list_that_ends_early_is_incomplete_in_sqlite() {
    a_list_that_ends_early_is_incomplete::<Sqlite>().await;
}

#[tokio::test]
async fn l10_an_html_list_that_ends_early_is_incomplete_in_mongodb() {
    a_list_that_ends_early_is_incomplete::<Mongodb>().await;
}

#[tokio::test]
async fn l10_without_pages_of_items_changes_have_to_be_accepted() {
    let (served, phase) = shortened();
    let site = || site_of(&format!("{LIST}{NO_PAGES}"));
    let mut crawled = crawl_served::<Sqlite>(site(), &served).await;
    phase.store(2, Relaxed);
    for _ in 0..2 {
        crawled =
            crawl_into(crawled.backend, site(), &served, settings(), Outcome::Incomplete).await;
        early(&crawled.report);
    }
    let accept = settings().with(|it| it.refresh.accept_changes = true);
    let accepted = crawl_into(crawled.backend, site(), &served, accept, Outcome::Complete).await;
    assert_eq!((accepted.report.items.unlisted, accepted.report.items.gone), (5, 0));
    let next = crawl_into(accepted.backend, site(), &served, settings(), Outcome::Complete).await;
    assert_eq!(next.report.items.gone, 5, "the second complete sweep that does not list them");
}

#[tokio::test]
async fn l10_where_the_list_shows_its_end_that_decides() {
    for shown in ["require = ['title']\n", "paging = { by = 'page', last = 5 }\n"] {
        let (served, phase) = shortened();
        let list = match shown.starts_with("paging") {
            true => LIST.replace("paging = { by = 'page' }\n", shown),
            false => format!("{LIST}{shown}"),
        };
        let site = || site_of(&format!("{list}{PAGES}"));
        let first = crawl_served::<Sqlite>(site(), &served).await;
        phase.store(2, Relaxed);
        let next = crawl_into(first.backend, site(), &served, settings(), Outcome::Complete).await;
        assert_eq!((next.report.items.unlisted, next.report.items.gone), (5, 0), "{shown}");
    }
}

/// Items that move from one category to another are where they are.
#[tokio::test]
async fn l10_by_category_only_the_sum_is_compared() {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let served = Served::start(move |asked| {
        let moved = now.load(Relaxed) == 2;
        let items: &[u64] = match (asked.query.get("c").map(String::as_str), moved) {
            (Some("a"), false) => &[1, 2, 3, 4],
            (Some("a"), true) => &[1],
            (Some("b"), false) => &[5],
            (Some("b"), true) => &[5, 2, 3, 4],
            _ => &[],
        };
        let row = |id: &u64| format!("<p class=i><b id={id}>{id}</b></p>");
        Answer::html(items.iter().map(row).collect())
    });
    let text = "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[seeds]\nvalues = ['a', 'b']\n\
                [index]\nurl = '/l'\nquery = { c = '{seed}' }\nitems = '.i'\nkey = 'b::attr(id)'\n\
                [index.fields]\nname = 'b::text'\n";
    let first = crawl_served::<Sqlite>(site_of(text), &served).await;
    phase.store(2, Relaxed);
    let next =
        crawl_into(first.backend, site_of(text), &served, settings(), Outcome::Complete).await;
    assert_eq!((next.report.items.same, next.report.items.unlisted), (5, 0));
}
