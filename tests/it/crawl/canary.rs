//! A site that is redesigned: fields that all items had are on none of the first pages of a sweep.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use gleaner::engine::crawl::{Crawl, Ended};
use gleaner::engine::error::CrawlError;
use gleaner::model::report::{Finding, Outcome};
use gleaner::site::settings::Settings;
use gleaner::site::{Site, parse_base_url};
use gleaner::system::shutdown;
use serde_json::{Value, json};

use super::rig::{run, says, settings};
use crate::records::place;
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

const SITE: &str = "name = 'books'\nbase_url = 'http://h'\n[index]\nurl = '/list'\n\
                    items = '$[*]'\nkey = '$.id'\n[detail]\nurl = '/item/{key}'\n";

/// A site whose items a test makes up, phase by phase, crawled into one store.
struct Shop<B> {
    served: Served,
    phase: Arc<AtomicUsize>,
    backend: B,
    site: String,
    settings: Settings,
}

impl<B: Backend> Shop<B> {
    /// `items` says how many items there are in a phase, `item` what the page of one answers.
    async fn open(
        items: fn(usize) -> usize,
        item: impl Fn(usize, usize, &Asked) -> Answer + Send + Sync + 'static,
    ) -> Shop<B> {
        let phase = Arc::new(AtomicUsize::new(1));
        let now = phase.clone();
        let served = Served::start(move |asked| {
            let phase = now.load(Relaxed);
            match asked.path.strip_prefix("/item/").and_then(|id| id.parse().ok()) {
                Some(id) => item(phase, id, asked),
                None => Answer::json(&(1..=items(phase)).map(|id| json!({ "id": id })).collect()),
            }
        });
        let settings = settings().with(|it| it.refresh.gone_limit = 100.0);
        Shop { served, phase, backend: B::start().await, site: SITE.to_owned(), settings }
    }

    async fn crawl_of(&self, shutdown: shutdown::Shutdown) -> Crawl {
        let mut site = Site::parse(&self.site, "t.toml").expect("a site");
        site.base_url = parse_base_url(self.served.url()).expect("a base URL");
        let store = self.backend.open(&place("books", "books")).await.expect("the store opens");
        Crawl::new(site, self.settings.clone(), store, "the store".into(), shutdown)
    }

    async fn crawl(&self) -> Ended {
        let (_trigger, shutdown) = shutdown::channel();
        run(self.crawl_of(shutdown).await).await
    }

    async fn complete(&self) -> gleaner::model::report::Report {
        let Ended { report, error } = self.crawl().await;
        assert!(error.is_none(), "{error:?}");
        assert_eq!(report.outcome, Outcome::Complete, "{report:#?}");
        report
    }

    /// The run ends, since the field is lost.
    async fn refused(&self, field: &str) -> gleaner::model::report::Report {
        let Ended { report, error } = self.crawl().await;
        assert!(matches!(error, Some(CrawlError::Redesigned(_))), "{error:?} {report:#?}");
        assert_eq!(report.baseline.findings, [Finding::Redesigned].into());
        assert_eq!(report.outcome, Outcome::Failed);
        says(&report, &format!("the field {field} was on over 90 %"));
        says(&report, "--accept-changes");
        report
    }

    fn turn(&self, phase: usize) {
        self.phase.store(phase, Relaxed);
    }

    /// What is stored, by key.
    async fn stored(&self) -> Vec<(usize, Value)> {
        let documents = self.backend.documents("books").await.into_iter();
        let parse = |text: String| serde_json::from_str(&text).expect("a document");
        let mut all: Vec<(usize, Value)> =
            documents.map(|(key, text)| (key.parse().expect("a number"), parse(text))).collect();
        all.sort_by_key(|(key, _)| *key);
        all
    }
}

/// In the first phase items have a price, from the second on they have it no more, and more of them
/// are there.
fn priced(phase: usize, id: usize) -> Value {
    match phase {
        1 => json!({ "id": id, "price": id, "name": "old" }),
        _ => json!({ "id": id, "name": "new" }),
    }
}

async fn a_redesign_replaces_nothing<B: Backend>() {
    let items = |phase| if phase == 1 { 60 } else { 65 };
    let mut shop = Shop::<B>::open(items, |phase, id, _| Answer::json(&priced(phase, id))).await;
    let first = shop.complete().await;
    assert_eq!(first.baseline.fields["price"].found, 60);
    assert_eq!(first.baseline.fields["price"].pages, 60);
    shop.turn(2);
    let before = shop.stored().await;
    for _ in 0..2 {
        let report = shop.refused("price").await;
        assert_eq!((report.items.changed, report.items.gone), (0, 0));
        let now = shop.stored().await;
        assert_eq!(now[..60], before, "no document was replaced");
        assert!(now[60..].iter().all(|(id, document)| *document == priced(2, *id)));
        assert!(shop.served.requests().len() < 2 * 65, "it ends early");
    }
    shop.settings.refresh.accept_changes = true;
    let accepted = shop.complete().await;
    assert!(accepted.resumed, "the sweep that failed");
    assert_eq!(accepted.items.changed, 60);
    let stored = shop.stored().await;
    assert!(stored.len() == 65 && stored.iter().all(|(id, it)| *it == priced(2, *id)));
    // What was accepted is what the next sweep goes by.
    shop.settings.refresh.accept_changes = false;
    assert_eq!(shop.complete().await.items.same, 65);
}

#[tokio::test]
async fn p13_a_redesign_replaces_nothing_in_sqlite() {
    a_redesign_replaces_nothing::<Sqlite>().await;
}

#[tokio::test]
async fn p13_a_redesign_replaces_nothing_in_mongodb() {
    a_redesign_replaces_nothing::<Mongodb>().await;
}

/// As pages do whose values a script fills in.
#[tokio::test]
async fn p13_a_field_that_is_empty_on_all_pages_is_lost() {
    for empty in [json!(""), json!(" ")] {
        let shop = Shop::<Sqlite>::open(
            |_| 25,
            move |phase, id, _| match phase {
                1 => Answer::json(&json!({ "id": id, "price": "7", "note": "" })),
                _ => Answer::json(&json!({ "id": id, "price": empty, "note": "" })),
            },
        )
        .await;
        assert!(
            !shop.complete().await.baseline.fields.contains_key("note"),
            "it never said anything"
        );
        let before = shop.stored().await;
        shop.turn(2);
        shop.refused("price").await;
        assert_eq!(shop.stored().await, before);
    }
}

/// Fewer pages than decide: the end of the run does, also where a page that is not there waits for it.
#[tokio::test]
async fn p13_a_small_site_is_judged_at_the_end_of_the_run() {
    let shop = Shop::<Sqlite>::open(
        |_| 6,
        |phase, id, _| match (phase, id) {
            (2.., 3) => Answer::not_found(),
            (3, _) => Answer::json(&json!({ "id": id, "price": 7, "name": "third" })),
            _ => Answer::json(&priced(phase, id)),
        },
    )
    .await;
    shop.complete().await;
    let before = shop.stored().await;
    shop.turn(2);
    shop.refused("price").await;
    assert_eq!(shop.stored().await, before);
    // All but one changed, and all have what they had.
    shop.turn(3);
    let report = shop.complete().await;
    assert_eq!((report.items.changed, report.items.missing, report.items.gone), (5, 1, 1));
}

/// One item of many may lose a field: that is no redesign.
#[tokio::test]
async fn p13_an_item_that_changes_alone_is_stored() {
    let shop = Shop::<Sqlite>::open(
        |_| 30,
        |phase, id, asked| {
            let phase = if id > 4 { 1 } else { phase };
            let tag = format!("\"{phase}\"");
            match asked.header("if-none-match") == tag {
                true => Answer::not_modified().header("etag", &tag),
                false => Answer::json(&priced(phase, id)).header("etag", &tag),
            }
        },
    )
    .await;
    shop.complete().await;
    // A sweep that reads nothing counts what it left.
    let same = shop.complete().await;
    assert_eq!((same.items.same, same.requests.not_modified), (30, 30));
    assert_eq!(
        (same.baseline.fields["price"].pages, same.baseline.fields["price"].found),
        (30, 30)
    );
    shop.turn(2);
    let report = shop.complete().await;
    assert_eq!((report.items.changed, report.items.same), (4, 26));
    assert_eq!(
        (report.baseline.fields["price"].pages, report.baseline.fields["price"].found),
        (30, 26)
    );
}

#[tokio::test]
async fn p13_other_rules_a_part_of_the_site_and_accepted_changes_are_not_judged() {
    let open = || Shop::<Sqlite>::open(|_| 30, |phase, id, _| Answer::json(&priced(phase, id)));
    let mut shop = open().await;
    shop.complete().await;
    shop.turn(2);
    shop.settings.scope.limit = Some(25);
    assert_eq!(shop.complete().await.items.changed, 25, "a part of the site");
    let mut shop = open().await;
    shop.complete().await;
    shop.turn(2);
    shop.site.push_str("fields = { id = '$.id', name = '$.name' }\n");
    assert_eq!(shop.complete().await.items.changed, 30, "other rules");
    // The first sweep by these rules was complete: the next is judged by it.
    shop.turn(1);
    assert_eq!(shop.complete().await.items.changed, 30);
    let mut shop = open().await;
    shop.settings.refresh.accept_changes = true;
    shop.complete().await;
    shop.turn(2);
    assert_eq!(shop.complete().await.items.changed, 30, "accepted");
}

/// What is held back takes no room from the pages that decide.
#[tokio::test]
async fn p13_large_documents_that_are_held_back_do_not_block() {
    let shop = Shop::<Sqlite>::open(
        |_| 22,
        |phase, id, _| {
            let text = "x".repeat(if phase == 2 { 2 << 20 } else { 1 });
            Answer::json(&json!({ "id": id, "price": id, "text": text }))
        },
    )
    .await;
    shop.complete().await;
    shop.turn(2);
    assert_eq!(shop.complete().await.items.changed, 22);
}

/// Told to stop before it is known, a run replaces nothing, and the next goes on.
#[tokio::test]
async fn p13_what_is_held_back_when_the_run_is_stopped_is_fetched_again() {
    let reached = Arc::new(AtomicUsize::new(0));
    let seen = reached.clone();
    let mut shop = Shop::<Sqlite>::open(
        |_| 30,
        move |phase, id, _| {
            if phase == 2 {
                seen.fetch_add(1, Relaxed);
            }
            let phase = if phase == 3 { 2 } else { phase };
            Answer::json(&json!({ "id": id, "price": id, "name": phase }))
        },
    )
    .await;
    shop.settings.pace.workers = 1;
    shop.complete().await;
    let before = shop.stored().await;
    shop.turn(2);
    let (trigger, shutdown) = shutdown::channel();
    let stop = async {
        super::rig::until("pages", async || reached.load(Relaxed) >= 5).await;
        trigger.request();
    };
    let (ended, ()) = tokio::join!(run(shop.crawl_of(shutdown).await), stop);
    assert_eq!(ended.report.outcome, Outcome::Interrupted, "{:?}", ended.report);
    assert!(reached.load(Relaxed) < 20, "it was not known yet");
    assert_eq!(shop.stored().await, before);
    shop.turn(3);
    let resumed = shop.complete().await;
    assert_eq!((resumed.resumed, resumed.items.changed), (true, 30));
}
