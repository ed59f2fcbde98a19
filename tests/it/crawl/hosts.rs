//! Hosts that a site leads to: what they may be told, and where they may be.

use std::sync::Arc;
use std::time::Duration;

use gleaner::fetch::{FetchError, Fetcher, Home, Request};
use gleaner::metrics::Metrics;
use gleaner::settings::Settings;
use gleaner::sweep::Outcome;
use serde_json::json;
use url::Url;

use super::rig::{Rig, ended};
use crate::served::{Answer, Served};
use crate::store_contract::backends::Sqlite;

/// Asks for a page of `other` as a page of a site at `site` would lead to it.
async fn led_from(site: &str, other: &Url) -> Result<(), FetchError> {
    let host = format!("localhost:{}", other.port().expect("a port"));
    let home = Home { site: Url::parse(site).expect("a URL"), hosts: vec![host.into()] };
    let settings = Settings { connect_timeout: Duration::from_secs(2), ..Settings::default() };
    let mut options = settings.client_options(home.clone());
    options.system_proxy = false;
    let fetcher = Fetcher::new(&options, Arc::new(Metrics::new())).expect("a client");
    assert!(home.allows(other));
    fetcher.fetch(Request::get(other.clone())).await.map(drop)
}

#[tokio::test]
async fn w10_an_allowed_host_may_be_at_a_private_address_only_where_the_site_is() {
    let inner = Served::start(|_| Answer::text("the router's page".to_owned()));
    let inner_url = inner.url().replace("127.0.0.1", "localhost");
    let inner_url = Url::parse(&inner_url).expect("a URL");
    // An address for documentation (RFC 5737), where nobody is asked for anything.
    let Err(FetchError::Connect(why)) = led_from("http://203.0.113.1/", &inner_url).await else {
        panic!("it was not refused")
    };
    assert!(why.contains("localhost is ") && why.contains("a private address"), "{why}");
    assert_eq!(inner.count("/"), 0);
    led_from("http://127.0.0.1:9/", &inner_url).await.expect("the site is on this machine too");
    assert_eq!(inner.count("/"), 1);
}

#[tokio::test]
async fn w10_credentials_and_cookies_stay_with_the_site() {
    let pages = Served::start(|asked| {
        Answer::json(&json!({ "id": asked.path.trim_matches('/') })).header("set-cookie", "b=2")
    });
    let elsewhere = pages.url().to_owned();
    let site = Served::start(move |asked| match asked.path.as_str() {
        "/api/book/" => {
            let rows: Vec<_> = (1..=6).map(|id| json!({ "id": id })).collect();
            let list = Answer::json(&json!({ "count": 6, "results": rows }));
            list.header("set-cookie", "session=s3cret; Domain=127.0.0.1; Path=/")
        }
        path => {
            let key = path.trim_matches('/').rsplit('/').next().expect("a key");
            let to = format!("{elsewhere}/{key}/");
            Answer::text(String::new()).status(302).header("location", &to)
        }
    });
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = super::rig::books_at(&site.url().replace("http://", "http://me:s3cret@"));
    rig.site.hosts = vec![pages.url().trim_start_matches("http://").into()];
    rig.settings.headers = vec![("X-Api-Key".to_owned(), "s3cret".to_owned())];
    let report = ended(rig.crawl().await, Outcome::Complete);
    assert_eq!((report.items.new, report.requests.redirected), (6, 6));
    for asked in site.requests() {
        assert!(asked.header("authorization").starts_with("Basic "), "{asked:?}");
        assert_eq!(asked.header("x-api-key"), "s3cret");
        assert_eq!(asked.header("cookie"), "", "there is no store of cookies");
    }
    assert_eq!(pages.count("/"), 6);
    for asked in pages.requests() {
        let told = format!("{:?}", asked.headers);
        assert!(!told.contains("s3cret") && !told.contains("cookie"), "{told}");
        assert_eq!(asked.header("authorization"), "");
    }
}
