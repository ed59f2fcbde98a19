//! The demo site, asked over the wire: that it says what it promises, repeats itself, and fails
//! exactly when told to.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use gleaner::demo::{Change, Churn, ChurnEvent, Demo, Fault, Options, mixed_faults};
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, redirect::Policy};
use serde_json::Value;

mod churn;
mod content;
mod faults;
mod headers;
mod pace;

const LIST: &str = "/api/book/";

fn start(options: Options) -> Demo {
    Demo::start(options).expect("the demo site starts")
}

fn site(items: usize) -> Demo {
    start(Options { items, ..Options::default() })
}

fn client() -> Client {
    Client::builder().no_proxy().no_gzip().redirect(Policy::none()).build().expect("a client")
}

async fn get(demo: &Demo, path: &str) -> Response {
    client().get(format!("{}{path}", demo.url())).send().await.expect("an answer")
}

async fn try_get(demo: &Demo, path: &str) -> reqwest::Result<(u16, HeaderMap, Vec<u8>)> {
    let response = client().get(format!("{}{path}", demo.url())).send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok((status, headers, response.bytes().await?.to_vec()))
}

async fn status(demo: &Demo, path: &str) -> u16 {
    get(demo, path).await.status().as_u16()
}

async fn json(demo: &Demo, path: &str) -> Value {
    let (_, headers, body) = try_get(demo, path).await.expect("an answer");
    assert_eq!(headers["content-type"], "application/json");
    serde_json::from_slice(&body).expect("JSON")
}

fn rows(page: &Value) -> Vec<&str> {
    let ids = page["results"].as_array().expect("results").iter().map(|row| &row["id"]);
    ids.map(|id| id.as_str().expect("a text id")).collect()
}

fn page_of(key: &str) -> String {
    format!("{LIST}{key}/")
}

/// Waits for what the server does a moment after the client saw its answer.
async fn soon(what: impl Fn() -> bool) -> bool {
    for _ in 0..200 {
        if what() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    false
}

#[tokio::test]
async fn the_list_has_every_item_once_in_order() {
    let demo = site(50);
    let keys = demo.keys();
    let mut listed = Vec::new();
    for offset in [0, 18, 36] {
        let page = json(&demo, &format!("/api/book/?limit=18&offset={offset}")).await;
        assert_eq!(page["count"], 50);
        listed.extend(rows(&page).into_iter().map(str::to_owned));
    }
    assert_eq!(listed, keys);
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 50);
    assert!(!keys.is_sorted());
    assert!(keys.iter().all(|key| (5..=8).contains(&key.len())));
}

#[tokio::test]
async fn limit_and_offset_are_forgiving() {
    let demo = site(1_100);
    for (query, expected) in [
        ("", 18),
        ("?limit=5", 5),
        ("?limit=0", 1),
        ("?limit=5000", 1_000),
        ("?limit=many&offset=-3", 18),
        ("?limit=-1", 18),
        ("?offset=1095", 5),
        ("?offset=1100", 0),
        ("?offset=18446744073709551615&limit=1000", 0),
    ] {
        let page = json(&demo, &format!("{LIST}{query}")).await;
        assert_eq!(rows(&page).len(), expected, "{query}");
        assert_eq!(page["count"], 1_100);
    }
}

#[tokio::test]
async fn a_row_agrees_with_its_document() {
    let demo = site(20);
    let page = json(&demo, LIST).await;
    for row in page["results"].as_array().expect("results") {
        let key = row["id"].as_str().expect("an id");
        let document = json(&demo, &page_of(key)).await;
        assert_eq!(demo.document(key).as_ref(), Some(&document));
        for field in ["id", "name", "authors", "cover", "score"] {
            assert_eq!(row[field], document[field], "{field} of {key}");
        }
        assert_eq!(document.as_object().expect("an object").len(), 17);
    }
}

#[tokio::test]
async fn missing_slashes_and_unknown_paths() {
    let demo = site(3);
    let key = &demo.keys()[0];
    for (path, location) in [
        (format!("/api/book/{key}"), format!("/api/book/{key}/")),
        ("/api/book?limit=2".to_owned(), "/api/book/?limit=2".to_owned()),
    ] {
        let response = get(&demo, &path).await;
        assert_eq!(response.status(), 301);
        assert_eq!(response.headers()["location"].to_str().expect("text"), location);
    }
    for path in [
        "/robots.txt",
        "/",
        "/api/book/1/",
        "/api/book/0123456/",
        "/api/book/1/2/",
        "/api/bookish/",
    ] {
        let response = get(&demo, path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.text().await.expect("a body"), r#"{"detail":"Not found."}"#);
    }
    let posted = client().post(format!("{}{LIST}", demo.url())).send().await.expect("an answer");
    assert_eq!(posted.status(), 405);
    let asked = client().head(format!("{}{LIST}", demo.url())).send().await.expect("an answer");
    assert_eq!(asked.status(), 200);
    assert_ne!(asked.headers()["content-length"], "0");
}

#[tokio::test]
async fn requests_are_counted_and_remembered_when_asked() {
    let latency = Duration::from_millis(50);
    let demo = start(Options { items: 20, latency, ..Options::default() });
    let (_, _, body) = try_get(&demo, LIST).await.expect("an answer");
    assert!(demo.requests().is_empty());
    let before = demo.stats();
    assert_eq!((before.requests, before.in_flight, before.max_in_flight), (1, 0, 1));
    assert_eq!((before.connections, before.body_bytes), (1, body.len() as u64));

    demo.record();
    let request = client().get(format!("{}/robots.txt?a=b", demo.url())).header("X-Who", "me");
    let (answer, _, _) = tokio::join!(request.send(), status(&demo, LIST), status(&demo, LIST));
    answer.expect("an answer");
    assert_eq!(demo.stats().max_in_flight, 3);
    assert!(soon(|| demo.stats().in_flight == 0).await);
    let seen = demo.requests();
    assert_eq!(seen.len(), 3);
    let robots = seen.iter().find(|it| it.path == "/robots.txt?a=b").expect("the request");
    assert_eq!(robots.method, "GET");
    assert!(robots.headers.contains(&("x-who".to_owned(), "me".to_owned())));
    assert!(robots.at >= latency);
    assert!(seen.is_sorted_by_key(|it| it.at));
}

#[tokio::test]
async fn a_site_that_stops_is_gone_and_its_port_is_free() {
    let demo = site(3);
    let url = demo.url().to_owned();
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let taken = Demo::start(Options { items: 3, port, ..Options::default() });
    assert_eq!(taken.expect_err("in use").kind(), std::io::ErrorKind::AddrInUse);
    demo.fault(Fault::on(LIST).stall(1));
    let mut held = get(&demo, LIST).await;
    held.chunk().await.expect("a chunk");
    demo.stop();
    assert!(held.chunk().await.is_err());
    assert!(client().get(&url).send().await.expect_err("nobody there").is_connect());
    let again = start(Options { items: 3, port, ..Options::default() });
    assert_eq!(again.url(), url);
    let most = Options { items: usize::MAX, ..Options::default() };
    assert!(Demo::start(most).is_err());
}
