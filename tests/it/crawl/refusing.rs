//! Sites that refuse: some pages, all of one kind, for a while, for ever.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use gleaner::demo::Fault;
use gleaner::engine::error::CrawlError;
use gleaner::fetch::Blocked;
use gleaner::model::report::{Finding, Outcome};
use gleaner::site::Site;
use serde_json::json;

use super::rig::{Rig, ended, says, settings};
use crate::served::{Answer, Served};
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

/// What most hosts are asked for at once before it is known what they bear.
const BURST: u64 = 8;

#[tokio::test]
async fn w24_items_that_are_refused_end_the_run_though_lists_answer() {
    let mut rig = Rig::<Sqlite>::new(200).await;
    (rig.settings.pace.block_after, rig.settings.pace.workers) = (4, 16);
    // Else there would be few at once after the refusals, too.
    rig.settings.pace.adaptive = false;
    for at in 20..200 {
        rig.demo.fault(Fault::on(rig.page(at)).status(429).header("Retry-After", "1"));
    }
    rig.demo.record();
    let begun = Instant::now();
    let ended = rig.crawl().await;
    let Some(CrawlError::Blocked(Blocked::Refused { refusals: 4, last, .. })) = ended.error else {
        panic!("{:?}", ended.error)
    };
    assert_eq!(ended.report.baseline.findings, [Finding::Blocked].into());
    assert!(last.contains("429") && last.contains(rig.demo.url()), "{last}");
    assert!(begun.elapsed() > Duration::from_secs(3), "{:?}", begun.elapsed());
    let stored = rig.documents().await.len() as u64;
    assert!((1..=20).contains(&stored), "{stored}: lists are read side by side");
    assert_eq!(rig.backend.failures().await.len(), 0, "nothing is given up for a wait");
    let refused: Vec<String> = (20..200).map(|at| rig.page(at)).collect();
    // A page that the site gives after a wait, such as one more of its lists, ends the caution.
    let requests = rig.demo.requests();
    let given = requests.split(|seen| !refused.contains(&seen.path));
    let in_a_row = given.map(<[_]>::len).max().unwrap_or_default();
    assert!(
        in_a_row <= rig.settings.pace.workers + 3,
        "{in_a_row}: after a wait one request shows whether it is over"
    );
}

#[tokio::test]
async fn w24_other_pages_than_were_asked_for_end_the_run_though_lists_answer() {
    let mut rig = Rig::<Sqlite>::new(200).await;
    (rig.settings.pace.block_after, rig.settings.pace.retries) = (5, 20);
    for at in 0..200 {
        rig.demo.fault(Fault::on(rig.page(at)).body("text/html", "<h1>Are you human?</h1>"));
    }
    let ended = rig.crawl().await;
    assert!(matches!(ended.error, Some(CrawlError::Blocked(_))), "{:?}", ended.error);
    says(&ended.report, "5 refusals in a row");
    assert!(rig.demo.stats().requests < 100, "{:?}", rig.demo.stats());
}

#[tokio::test]
async fn w24_what_is_refused_costs_few_requests_however_many_workers_there_are() {
    let refused = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&(0..400).map(|id| json!({ "id": id })).collect()),
        _ => Answer::text("no".to_owned()).status(403).later(Duration::from_millis(5)),
    });
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = listed_at(&refused, "");
    (rig.settings.pace.workers, rig.settings.pace.block_after) = (32, 20);
    let ended = rig.crawl().await;
    assert!(matches!(ended.error, Some(CrawlError::Blocked(_))), "{:?}", ended.error);
    let asked = refused.count("/item/");
    assert!(asked <= 2 * 32 + 20, "{asked}: after two bursts one request at a time");
}

/// A site of a list, and of items at `origin` or at home.
fn listed_at(site: &Served, origin: &str) -> Site {
    let text = format!(
        "name = 'books'\nbase_url = '{}'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n[detail]\nurl = '{origin}/item/{{key}}'\n",
        site.url()
    );
    Site::parse(&text, "test.toml").expect("a site")
}

#[tokio::test]
async fn w26_an_allowed_host_that_refuses_costs_its_own_pages_only() {
    for status in [403, 429] {
        let other = Served::start(move |asked| match asked.path.as_str() {
            "/robots.txt" => Answer::not_found(),
            _ => Answer::text("no".to_owned()).status(status).header("retry-after", "1"),
        });
        let list = other.url().to_owned();
        let site = Served::start(move |asked| match asked.path.as_str() {
            "/list" => {
                let row = |id: usize| {
                    let host = if id < 20 { asked.origin() } else { list.clone() };
                    json!({ "id": id, "link": format!("{host}/item/{id}") })
                };
                Answer::json(&(0..60).map(row).collect())
            }
            path => Answer::json(&json!({ "id": path })),
        });
        let text = format!(
            "name = 'books'\nbase_url = '{}'\nhosts = ['{}']\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n[detail]\nlink = '$.link'\n",
            site.url(),
            other.url().trim_start_matches("http://")
        );
        let mut rig = Rig::<Sqlite>::new(1).await;
        rig.site = Site::parse(&text, "test.toml").expect("a site");
        (rig.settings.pace.workers, rig.settings.pace.block_after) = (8, 3);
        let report = ended(rig.crawl().await, Outcome::Incomplete);
        assert_eq!((report.items.new, report.items.failed), (20, 40), "{status}: {report:#?}");
        assert!(other.count("/item/") < 40, "{}: the rest is not requested", other.count("/item/"));
        let failures = rig.backend.failures().await;
        let given_up = failures.iter().filter(|it| it.message.contains("times in a row"));
        assert!(given_up.count() > 0, "{failures:#?}");
    }
}

async fn w25_pages_that_always_ask_to_wait_are_failures<B: Ledger>(bad: &[usize]) {
    let mut rig = Rig::<B>::new(60).await;
    rig.settings.pace.retries = 1;
    for at in bad {
        rig.demo.fault(Fault::on(rig.page(*at)).status(503).header("Retry-After", "1"));
    }
    rig.demo.record();
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed), (60 - bad.len() as u64, bad.len() as u64));
    for failure in rig.backend.failures().await {
        assert_eq!((&*failure.reason, failure.status, failure.attempts), ("status", Some(503), 2));
    }
    let keys = rig.demo.keys();
    rig.lacks_only(&bad.iter().map(|at| keys[*at].as_str()).collect::<Vec<_>>()).await;
    let asked = rig.demo.requests();
    for at in bad {
        let times = asked.iter().filter(|seen| seen.path == rig.page(*at)).count();
        assert_eq!(times, 5 + 2, "five waits are free");
    }
}

#[tokio::test]
async fn w25_in_sqlite_a_page_that_always_asks_to_wait_is_that_page_s_failure() {
    w25_pages_that_always_ask_to_wait_are_failures::<Sqlite>(&[10]).await;
}

#[tokio::test]
async fn w25_in_mongodb_pages_that_always_ask_to_wait_are_failures_of_their_own() {
    w25_pages_that_always_ask_to_wait_are_failures::<Mongodb>(&[3, 59]).await;
}

/// A site of 30 items that refuses as `refuse` says for a while, once ten were asked for.
async fn penalized(time: Duration, refuse: fn(Answer) -> Answer) -> (Rig<Sqlite>, Served) {
    let (asked, since) = (Mutex::new(0), Mutex::new(None::<Instant>));
    let site = Served::start(move |it| {
        if it.path == "/list" {
            let rows: Vec<_> = (0..30).map(|id| json!({ "id": id })).collect();
            return Answer::json(&json!(rows));
        }
        let mut asked = asked.lock().expect("nobody panicked");
        *asked += 1;
        let mut since = since.lock().expect("nobody panicked");
        if *asked > 10 && since.get_or_insert(it.at).elapsed() < time {
            return refuse(Answer::text("slow down".to_owned()));
        }
        Answer::json(&json!({ "id": it.path.trim_start_matches("/item/") }))
    });
    let text = format!(
        "name = 'books'\nbase_url = '{}'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n[detail]\nurl = '/item/{{key}}'\n",
        site.url()
    );
    let mut rig = Rig::<Sqlite>::on(Sqlite::start().await, gleaner::demo::Options::default());
    rig.site = Site::parse(&text, "test.toml").expect("a site");
    rig.settings = settings().with(|it| it.pace.retries = 0);
    (rig, site)
}

#[tokio::test]
async fn w28_a_penalty_that_names_no_wait_costs_no_item() {
    let (rig, site) = penalized(Duration::from_millis(2_500), |it| it.status(429)).await;
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!(report.items.new, 30);
    let refused = site.count("/item/") as u64 - 30;
    assert!(refused <= BURST + 2, "{refused}");
}

#[tokio::test]
async fn w28_a_quota_that_is_spent_by_403_costs_no_item() {
    let refuse = |it: Answer| {
        it.status(403).header("x-ratelimit-remaining", "0").header("x-ratelimit-reset", "1")
    };
    let (rig, _site) = penalized(Duration::from_millis(900), refuse).await;
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!(report.items.new, 30);
}
