//! Categories that are ranges of numbers, days and months.

use gleaner::model::report::Outcome;
use serde_json::json;

use super::{crawl_with, settings, site_of};
use crate::served::{Answer, Served};
use crate::store_contract::backends::Sqlite;

async fn asked(seeds: &str) -> Vec<String> {
    let served = Served::start(|asked| match asked.path.strip_prefix("/archive/") {
        Some(day) => Answer::json(&json!([{ "id": format!("of {day}") }])),
        None => Answer::not_found(),
    });
    let site = site_of(&format!(
        "name = 'x'\nbase_url = 'http://h'\n[seeds]\n{seeds}\n[index]\nurl = '/archive/{{seed}}'\nitems = '$[*]'\nkey = '$.id'\n"
    ));
    let settings = settings().with(|it| it.pace.robots = false);
    let crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Complete).await;
    let mut asked: Vec<String> = served.requests().into_iter().map(|it| it.path).collect();
    asked.sort();
    assert_eq!(crawled.report.items.new, asked.len() as u64);
    asked
}

#[tokio::test]
async fn each_number_day_or_month_of_a_range_is_a_list() {
    assert_eq!(asked("range = '8..10'").await, ["/archive/10", "/archive/8", "/archive/9"]);
    let months = asked("range = '2024-01-01..2024-03-31'\nstep = '1 month'").await;
    assert_eq!(months, ["/archive/2024-01-01", "/archive/2024-02-01", "/archive/2024-03-01"]);
    let yesterday = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date().yesterday();
    let range = format!("range = '{}..today'", yesterday.expect("a day"));
    assert!(asked(&range).await.len() >= 2);
}
