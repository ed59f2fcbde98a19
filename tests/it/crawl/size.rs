//! Much of everything: long pages, many known items.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gleaner::demo::Options;
use gleaner::model::record::Key;
use gleaner::model::report::Outcome;
use gleaner::site::Site;
use serde_json::json;
use tokio::sync::Semaphore;

use super::meddler::{Meddle, Meddler, Questions};
use super::rig::{Rig, ended, until};
use crate::served::{Answer, Served};
use crate::store_contract::backends::Sqlite;

/// Answers the second question and the third when it is told to: what comes meanwhile is gathered.
struct Held {
    questions: Questions,
    gate: Semaphore,
}

#[async_trait]
impl Meddle for Held {
    async fn known(&self, keys: &[Key]) {
        self.questions.known(keys).await;
        let number = self.questions.0.lock().expect("nobody panicked").len();
        if matches!(number, 2 | 3) {
            self.gate.acquire().await.expect("it stays open").forget();
        }
    }
}

/// With how many keys a refresh asks the store, which answers when the whole list was asked for.
async fn asked(pages: usize, page_size: u64) -> Vec<usize> {
    let items = pages * page_size as usize;
    let mut rig = Rig::<Sqlite>::new(items).await;
    rig.site.index.paging.set_limit(page_size);
    rig.settings.pace.workers = 30;
    assert_eq!(rig.complete().await.items.new, items as u64);
    let held = Arc::new(Held { questions: Questions::default(), gate: Semaphore::new(0) });
    let store = Meddler { store: rig.store().await, meddle: held.clone() };
    rig.demo.record();
    let lists = || rig.demo.requests().iter().filter(|it| it.path.contains("offset=")).count();
    let release = async {
        until("the list", async || lists() >= pages).await;
        held.gate.add_permits(2);
    };
    let (ended_as, ()) = tokio::join!(rig.crawl_into(Arc::new(store)), release);
    assert_eq!(ended(ended_as, Outcome::Complete).items.same, items as u64);
    let asked = held.questions.0.lock().expect("nobody panicked").clone();
    assert_eq!(asked.iter().sum::<usize>(), items);
    asked
}

#[tokio::test]
async fn pages_that_wait_for_the_store_ask_it_together() {
    let asked = asked(20, 18).await;
    assert!(asked.len() < 8, "{asked:?}");
}

#[tokio::test]
async fn z1_a_refresh_asks_for_what_is_known_by_a_thousand_at_most() {
    let asked = asked(8, 300).await;
    // And no page is cut in two.
    assert!(asked.iter().all(|keys| *keys <= 1000 && keys % 300 == 0), "{asked:?}");
}

/// A site whose host has fewer slots than there are workers: pages of its list do not all wait for one
/// at once, before items that were listed long ago.
#[tokio::test]
async fn z1_a_list_is_not_read_far_ahead_of_its_items() {
    let latency = Duration::from_millis(5);
    let mut rig = Rig::<Sqlite>::with(Options { items: 1000, latency, ..Options::default() }).await;
    (rig.settings.pace.workers, rig.settings.store.batch) = (12, 10);
    rig.demo.record();
    assert_eq!(rig.complete().await.items.new, 1000);
    let mark = 12 * 2 + 10 * 4;
    let (mut listed, mut asked, mut most) = (0_i32, 0, 0);
    for request in rig.demo.requests() {
        match request.path.contains("offset=") {
            true => listed += 18,
            false => asked += 1,
        }
        most = most.max(listed - asked);
    }
    // What is below the mark, and a page in each worker's hands.
    assert!(most <= mark + 12 * 18, "{most} items are listed and not requested");
}

#[tokio::test]
async fn z2_a_page_of_a_hundred_thousand_items_works() {
    const ITEMS: usize = 100_000;
    let rows: Vec<_> = (0..ITEMS).map(|id| json!({ "id": id })).collect();
    let page = json!({ "count": ITEMS, "rows": rows }).to_string();
    let served = Served::start(move |_| Answer::body(page.clone(), "application/json"));
    let mut rig = Rig::<Sqlite>::new(1).await;
    let file = format!(
        r#"
name = "books"
base_url = "{}"
collection = "books"
format = "json"
[index]
url = "/all"
items = "$.rows[*]"
key = "$.id"
"#,
        served.url()
    );
    rig.site = Site::parse(&file, "all.toml").expect("a site file");
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!((report.items.new, report.requests.total), (ITEMS as u64, 1));
    assert_eq!(rig.store().await.count_live().await, Ok(ITEMS as u64));
}
