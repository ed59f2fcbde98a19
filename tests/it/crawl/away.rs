//! Sites that cannot be reached: any more, ever, or one of several hosts.

use std::net::TcpListener;
use std::time::Duration;

use gleaner::demo::{Demo, Options};
use gleaner::engine::error::CrawlError;
use gleaner::fetch::Blocked;
use gleaner::model::report::Outcome;
use gleaner::site::Site;
use gleaner::system::shutdown;
use serde_json::json;

use super::rig::{Rig, ended, run, says, until};
use crate::served::{Answer, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::Sqlite;

const ITEMS: usize = 300;

fn slow(port: u16) -> Options {
    Options { items: ITEMS, latency: Duration::from_millis(5), port, ..Options::default() }
}

/// A crawl whose site becomes unreachable in mid-crawl, and comes back after `away`, or when the crawl has
/// ended.
async fn disturbed(
    away: Option<Duration>,
    site_wait: Duration,
) -> (Rig<Sqlite>, gleaner::engine::crawl::Ended) {
    let mut rig = Rig::<Sqlite>::with(slow(0)).await;
    (rig.settings.pace.retries, rig.settings.pace.site_wait) = (0, site_wait);
    let port = rig.demo.url().rsplit(':').next().and_then(|it| it.parse().ok()).expect("a port");
    let (_trigger, shutdown) = shutdown::channel();
    let crawl = tokio::spawn(run(rig.crawl_of(rig.store().await, shutdown)));
    until("the crawl gets on", async || rig.demo.stats().requests >= 100).await;
    let Rig { demo, backend, site, settings } = rig;
    // Those in flight are answered before the port is closed.
    let gone = tokio::task::spawn_blocking(|| drop(demo));
    gone.await.expect("it stops");
    let back = || Demo::start(slow(port)).expect("the port is free again");
    let (ended, demo) = match away {
        None => (crawl.await.expect("no panic"), back()),
        Some(time) => {
            tokio::time::sleep(time).await;
            let demo = back();
            (crawl.await.expect("no panic"), demo)
        }
    };
    (Rig { demo, backend, site, settings }, ended)
}

#[tokio::test]
async fn w26_a_site_that_is_away_for_a_while_is_waited_for() {
    let (rig, run) = disturbed(Some(Duration::from_secs(2)), Duration::from_secs(60)).await;
    let lost = run.report.items.failed;
    // With no retries what was in flight when connections broke may be lost, and nothing else.
    assert!(lost <= rig.settings.pace.workers as u64 * 2, "{:#?}", run.report);
    assert_eq!(run.report.index.listed, ITEMS as u64);
    for failure in rig.backend.failures().await {
        assert!(["closed", "body"].contains(&&*failure.reason), "{failure:?}");
    }
    assert_eq!(rig.documents().await.len() as u64, ITEMS as u64 - lost);
}

#[tokio::test]
async fn w26_a_site_that_does_not_come_back_ends_the_run_which_can_go_on() {
    let (mut rig, first) = disturbed(None, Duration::from_millis(1_500)).await;
    let Some(CrawlError::Blocked(Blocked::Away { .. })) = first.error else {
        panic!("{:?}", first.error)
    };
    says(&first.report, "(--site-wait)");
    says(&first.report, rig.demo.url());
    assert_eq!(first.report.outcome, Outcome::Failed);
    rig.settings.pace.retries = 2;
    let second = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!((second.resumed, &second.sweep), (true, &first.report.sweep));
    rig.equals_the_site().await;
}

#[tokio::test]
async fn w26_an_allowed_host_that_is_dead_costs_its_own_pages_only() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let site = Served::start(move |asked| match asked.path.as_str() {
        "/list" => {
            let own = asked.origin();
            let row = |id: usize| {
                let host =
                    if id.is_multiple_of(2) { own.clone() } else { format!("http://{port}") };
                json!({ "id": id, "link": format!("{host}/{id}") })
            };
            Answer::json(&json!((0..40).map(row).collect::<Vec<_>>()))
        }
        path => Answer::json(&json!({ "id": path.trim_matches('/') })),
    });
    let text = format!(
        "name = 'books'\nbase_url = '{}'\nhosts = ['{port}']\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n[detail]\nlink = '$.link'\n",
        site.url()
    );
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = Site::parse(&text, "test.toml").expect("a site");
    (rig.settings.pace.retries, rig.settings.pace.block_after) = (1, 3);
    for robots in [false, true] {
        rig.settings.pace.robots = robots;
        rig.settings.scope.fresh = true;
        let report = ended(rig.crawl().await, Outcome::Incomplete);
        assert_eq!(report.items.failed, 20, "{report:#?}");
        assert_eq!(rig.documents().await.len(), 20);
    }
}
