//! The site files of `docs/sites` for services that many sites use, each against an imitation:
//! checked, crawled, crawled again, and crawled while answers fail.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Mutex;

use gleaner::model::report::Outcome;
use serde_json::Value;

use super::{crawl_into, crawl_served, settings, site, text};
use crate::copies::services::{self, ITEMS};
use crate::served::{Answer, Asked, Served};
use crate::store_contract::backends::Sqlite;

type Answers = fn(&Asked) -> Answer;
type Kept = fn(usize) -> (String, Value);

/// A test for each file, and the names of all.
macro_rules! services {
    ($($test:ident: $file:literal, $answer:ident, $kept:ident;)+) => {
        $(
            #[tokio::test]
            async fn $test() {
                fits($file, services::$answer, services::$kept).await;
            }
        )+

        const FILES: &[&str] = &[$($file),+];
    };
}

services! {
    shopify: "shopify", shopify, shopify_kept;
    discourse: "discourse", discourse, discourse_kept;
    mediawiki: "mediawiki", mediawiki, mediawiki_kept;
    github_issues: "github-issues", github_issues, github_issues_kept;
    gitlab: "gitlab", gitlab, gitlab_kept;
    drupal: "drupal", drupal, drupal_kept;
    earthquakes: "earthquakes", earthquakes, earthquakes_kept;
    gh_archive: "gh-archive", gh_archive, gh_archive_kept;
    hacker_news: "hacker-news", hacker_news, hacker_news_kept;
    stripe: "stripe", stripe, stripe_kept;
    notion: "notion", notion, notion_kept;
    airtable: "airtable", airtable, airtable_kept;
    elasticsearch: "elasticsearch", elasticsearch, elasticsearch_kept;
    solr: "solr", solr, solr_kept;
    oai_pmh: "oai-pmh", oai_pmh, oai_pmh_kept;
    atom: "atom", atom, atom_kept;
    rss: "rss", rss, rss_kept;
    nextjs_shop: "nextjs-shop", nextjs_shop, nextjs_shop_kept;
    json_ld: "json-ld", json_ld, json_ld_kept;
    infinite_scroll: "infinite-scroll", infinite_scroll, infinite_scroll_kept;
    label_table: "label-table", label_table, label_table_kept;
    webforms: "webforms", webforms, webforms_kept;
    long_articles: "long-articles", long_articles, long_articles_kept;
    product_reviews: "product-reviews", product_reviews, product_reviews_kept;
}

async fn fits(name: &str, answers: Answers, kept: Kept) {
    let file = format!("docs/sites/{name}.toml");
    let served = Served::start(move |asked| without_rules(asked, answers));
    checked(&file, served.url());
    let crawled = crawl_served::<Sqlite>(site(&file), &served).await;
    holds(crawled.documents, kept, served.url());
    assert_eq!(crawled.report.items.new, ITEMS as u64);

    let again =
        crawl_into(crawled.backend, site(&file), &served, settings(), Outcome::Complete).await;
    let items = &again.report.items;
    assert_eq!((items.same, items.new, items.changed), (ITEMS as u64, 0, 0), "{items:?}");

    let served = Served::start(each_second_fails_once(answers));
    let crawled = crawl_served::<Sqlite>(site(&file), &served).await;
    holds(crawled.documents, kept, served.url());
}

fn without_rules(asked: &Asked, answers: Answers) -> Answer {
    if asked.path == "/robots.txt" { Answer::not_found() } else { answers(asked) }
}

/// Of the pages that are asked for, each second fails the first time: by turns with a status of
/// 503 and with a connection that is closed.
fn each_second_fails_once(answers: Answers) -> impl Fn(&Asked) -> Answer {
    let seen = Mutex::new(BTreeSet::new());
    move |asked| {
        let mut seen = seen.lock().expect("nobody panicked");
        let page = (asked.path.clone(), asked.raw_query.clone(), asked.body.clone());
        let is_first = asked.path != "/robots.txt" && seen.insert(page);
        match seen.len() % 4 {
            1 if is_first => Answer::text("busy".to_owned()).status(503),
            3 if is_first => Answer::hang_up(),
            _ => without_rules(asked, answers),
        }
    }
}

fn checked(file: &str, url: &str) {
    let path = format!("{}/{file}", env!("CARGO_MANIFEST_DIR"));
    let check = ["check", &path, "--base-url", url];
    let checked = Command::new(env!("CARGO_BIN_EXE_gleaner")).args(check).output();
    let checked = checked.expect("the program runs");
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{said}");
}

/// All documents are there, as they are to be. What refers to the site's own place has it.
fn holds(documents: impl IntoIterator<Item = (String, Value)>, kept: Kept, url: &str) {
    let mut stored: Vec<(String, Value)> = documents.into_iter().collect();
    let placed = |(key, value): (String, Value)| {
        let text = value.to_string().replace("\"ORIGIN/", &format!("\"{url}/"));
        (key, serde_json::from_str(&text).expect("JSON"))
    };
    let mut expected: Vec<(String, Value)> = (0..ITEMS).map(kept).map(placed).collect();
    expected.sort_by(|one, other| one.0.cmp(&other.0));
    // A file that is signed anew for each answer is no part of what is compared.
    for (_, document) in &mut stored {
        if let Some(icon) = document.get_mut("icon").and_then(Value::as_object_mut) {
            assert!(icon.remove("file").is_some());
        }
    }
    assert_eq!(stored, expected);
}

/// Each file is run by a test: here, or in one of those that are named.
#[test]
fn every_file_of_the_documentation_is_run() {
    let elsewhere = ["sites/examples.rs", "html_sites.rs", "cli/trees.rs", "cli/usual.rs"];
    let elsewhere = elsewhere.map(|name| text(&format!("tests/it/{name}"))).concat();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sites");
    for file in std::fs::read_dir(folder).expect("a folder") {
        let path = file.expect("a file").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_run =
            FILES.contains(&&*name) || elsewhere.contains(&format!("docs/sites/{name}.toml\""));
        assert!(is_run, "no test runs {name}.toml");
    }
}
