//! Pages whose bytes are not quite what they should be: other encodings, half characters, values that a
//! store cannot hold, and types that say something else.

use std::time::Duration;

use gleaner::model::report::Outcome;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use super::{Crawled, crawl_served, crawl_with, settings, site_of};
use crate::crawl::rig::says;
use crate::served::{Answer, Served};
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

/// A JSON list whose items have no pages of their own.
const LIST: &str =
    "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n";
/// An HTML list with an HTML page for each item.
const HTML: &str = "name = 'x'\nbase_url = 'http://h'\nformat = 'html'\n[index]\nurl = '/list'\n\
    items = 'a.i'\nkey = { select = '::attr(href)', regex = '(\\d+)$' }\n[detail]\n\
    link = '::attr(href)'\nfields = { title = 'h1::text' }\n";

/// A list of these bytes, of this type.
fn list(kind: &'static str, body: impl Into<Vec<u8>>) -> Served {
    let body = body.into();
    Served::start(move |_| Answer::body(body.clone(), kind))
}

/// An HTML list of two items; the second one's page has these bytes, of this type.
fn pages(kind: &'static str, second: impl Into<Vec<u8>>) -> Served {
    let second = second.into();
    Served::start(move |asked| match asked.path.as_str() {
        "/list" => {
            Answer::body("<a class=i href=/item/1>x</a><a class=i href=/item/2>x</a>", "text/html")
        }
        "/item/1" => Answer::body("<h1>é</h1>", "text/html; charset=utf-8"),
        _ => Answer::body(second.clone(), kind),
    })
}

fn titles<B>(crawled: &Crawled<B>) -> Vec<&str> {
    crawled.documents.values().filter_map(|document| document["title"].as_str()).collect()
}

#[tokio::test]
async fn p12_half_a_surrogate_pair_costs_a_character_and_not_the_page() {
    let body = r#"[{"id":1,"t":"a"},{"id":2,"t":"party \ud83c"},{"id":3,"t":"\ud83c\udf89"}]"#;
    for kind in ["application/json", "text/plain"] {
        let crawled = crawl_served::<Sqlite>(site_of(LIST), &list(kind, body)).await;
        crawled.holds([
            ("1".to_owned(), json!({ "id": 1, "t": "a" })),
            ("2".to_owned(), json!({ "id": 2, "t": "party \u{fffd}" })),
            ("3".to_owned(), json!({ "id": 3, "t": "🎉" })),
        ]);
        assert_eq!(crawled.report.requests.replaced, 1);
        says(&crawled.report, "1 character on 1 page could not be decoded");
    }
}

#[tokio::test]
async fn p12_control_characters_on_an_items_page_are_replaced_and_said_once() {
    let served = Served::start(|asked| match asked.path.strip_prefix("/page/") {
        None => Answer::json(&json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }])),
        Some(id) => Answer::body(format!("{{\"id\":{id},\"t\":\"a\nb\tc\"}}"), "application/json"),
    });
    let site = site_of(&format!("{LIST}[detail]\nurl = '/page/{{key}}'\n"));
    let crawled = crawl_served::<Mongodb>(site, &served).await;
    let document = |id: u32| (id.to_string(), json!({ "id": id, "t": "a\u{fffd}b\u{fffd}c" }));
    crawled.holds([document(1), document(2), document(3)]);
    assert_eq!(crawled.report.requests.replaced, 6);
    says(&crawled.report, "6 characters on 3 pages could not be decoded");
    let said = crawled.report.problems.iter().filter(|it| it.contains("U+FFFD")).count();
    assert_eq!(said, 1, "{:#?}", crawled.report.problems);
}

#[tokio::test]
async fn p12_json_within_an_html_page_is_mended_and_counted() {
    let page = "<h1>b</h1><script type='application/ld+json'>{\"t\":\"cut \\ud83d\"}</script>";
    let served = pages("text/html", page);
    let site = HTML.replace("title = 'h1::text'", "d = { select = 'script::text', as = 'json' }");
    let crawled = crawl_with::<Sqlite>(site_of(&site), &served, settings(), Outcome::Incomplete);
    let crawled = crawled.await;
    assert_eq!(crawled.documents["2"], json!({ "d": { "t": "cut \u{fffd}" } }));
    assert_eq!(crawled.report.requests.replaced, 1);
}

/// A list with values that BSON, or every store, cannot hold.
fn unfit() -> Served {
    let long = "1234567890".repeat(4);
    let body = format!(
        r#"[{{"id":1,"n":7}},{{"id":2,"n":{long}}},{{"id":3,"a\u0000b":[{{"\u0000":{long}}}]}},{{"id":4,"n":1e400}},{{"id":5}}]"#
    );
    list("application/json", body)
}

#[tokio::test]
async fn d13_a_value_that_bson_cannot_hold_is_a_failure_of_its_item_in_mongodb() {
    let crawled =
        crawl_with::<Mongodb>(site_of(LIST), &unfit(), settings(), Outcome::Incomplete).await;
    crawled.holds([
        ("1".to_owned(), json!({ "id": 1, "n": 7 })),
        ("5".to_owned(), json!({ "id": 5 })),
    ]);
    let mut failures = crawled.backend.failures().await;
    failures.sort_by(|a, b| a.page.cmp(&b.page));
    let said: Vec<(&str, &str)> =
        failures.iter().map(|it| (it.page.as_str(), it.message.as_str())).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    for ((page, message), (key, words)) in
        said.into_iter().zip([("2", "34 digits"), ("3", "BSON"), ("4", "double")])
    {
        assert!(page == key && message.contains(words), "{page}: {message}");
    }
}

#[tokio::test]
async fn d13_a_store_that_holds_text_holds_long_integers_and_nul_as_they_are() {
    let crawled =
        crawl_with::<Sqlite>(site_of(LIST), &unfit(), settings(), Outcome::Incomplete).await;
    let long = "1234567890".repeat(4);
    let texts = crawled.backend.documents("books").await;
    let expected = [
        ("1", r#"{"id":1,"n":7}"#.to_owned()),
        ("2", format!(r#"{{"id":2,"n":{long}}}"#)),
        ("3", format!(r#"{{"id":3,"a\u0000b":[{{"\u0000":{long}}}]}}"#)),
        ("5", r#"{"id":5}"#.to_owned()),
    ];
    assert_eq!(texts, expected.map(|(key, text)| (key.to_owned(), text)));
    let failure = crawled.backend.failures().await.remove(0);
    assert!(failure.page == "4" && failure.message.contains("double"), "{failure:?}");
    // What was written stays what it is.
    let (served, site) = (unfit(), site_of(LIST));
    let again = super::crawl_into(crawled.backend, site, &served, settings(), Outcome::Incomplete);
    assert_eq!(again.await.report.items.same, 4);
}

#[tokio::test]
async fn d13_only_what_is_kept_of_an_item_counts() {
    let fields = format!("{LIST}[index.fields]\nid = '$.id'\n");
    let crawled = crawl_served::<Mongodb>(site_of(&fields), &unfit()).await;
    crawled.holds((1..=5).map(|id| (id.to_string(), json!({ "id": id }))));
}

#[tokio::test]
async fn p10_a_meta_behind_the_first_kib_counts() {
    let (title, ..) = encoding_rs::GBK.encode("<h1>价格</h1>");
    let head = format!("<html><head><script>{}</script><meta charset=gbk>", "x".repeat(1500));
    let page = [head.as_bytes(), &title].concat();
    let crawled = crawl_served::<Sqlite>(site_of(HTML), &pages("text/html", page)).await;
    assert_eq!(titles(&crawled), ["é", "价格"]);
    assert_eq!((crawled.report.requests.replaced, crawled.report.problems.len()), (0, 0));
}

#[tokio::test]
async fn p10_undeclared_utf_8_with_one_bad_byte_is_utf_8() {
    let good = "é".repeat(150);
    let page = [format!("<h1>{good}").as_bytes(), b"\xff</h1>"].concat();
    let crawled = crawl_served::<Sqlite>(site_of(HTML), &pages("text/html", page)).await;
    assert_eq!(titles(&crawled), ["é", &format!("{good}\u{fffd}")]);
    assert_eq!(crawled.report.requests.replaced, 1);
    says(&crawled.report, "became U+FFFD");
    let served = pages("text/html", b"<h1>caf\xe9</h1>");
    let crawled = crawl_served::<Sqlite>(site_of(HTML), &served).await;
    assert_eq!(titles(&crawled), ["é", "café"]);
    says(&crawled.report, "1 page without a declared encoding");
}

#[tokio::test]
async fn p10_json_follows_its_mark_and_then_its_header() {
    let text = r#"[{"id":"é","t":"prix é"}]"#;
    let wide: Vec<u8> =
        format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    for (kind, body) in [
        ("application/json; charset=ISO-8859-1", latin),
        ("application/json; charset=GBK", encoding_rs::GBK.encode(text).0.into_owned()),
        ("application/json; charset=gbk", wide),
        ("application/json; charset=utf-8", text.into()),
    ] {
        let crawled = crawl_served::<Sqlite>(site_of(LIST), &list(kind, body)).await;
        crawled.holds([("é".to_owned(), json!({ "id": "é", "t": "prix é" }))]);
        assert_eq!(crawled.report.requests.replaced, 0);
    }
}

#[tokio::test]
async fn p11_plain_text_and_json_where_html_is_due_are_failures() {
    for (kind, body, words) in [
        ("text/plain", "<h1>b</h1> write to <a@b.example>", "text/plain by its Content-Type"),
        ("application/json; charset=utf-8", r#"{"t":1}"#, "write `format = \"json\"`"),
        ("text/csv", "a,b\n", "text/csv"),
    ] {
        let (served, site) = (pages(kind, body), site_of(HTML));
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
        assert_eq!(titles(&crawled), ["é"]);
        let failure = crawled.backend.failures().await.remove(0);
        assert_eq!((&*failure.page, &*failure.reason), ("2", "page"));
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}

#[tokio::test]
async fn p11_json_is_accepted_whatever_its_type_says() {
    let body = r#"[{"id":1},{"id":2}]"#;
    for kind in ["text/html", "text/plain", "application/octet-stream", "image/png"] {
        let crawled = crawl_served::<Sqlite>(site_of(LIST), &list(kind, body)).await;
        crawled.holds([1, 2].map(|id| (id.to_string(), json!({ "id": id }) as Value)));
    }
}

#[tokio::test]
async fn p9_the_network_thread_is_responsive_while_slow_pages_are_read() {
    // Below each list there is another: a path that descends again and again has no end of ways.
    let body = format!("{}1{}{}", "[[1],".repeat(60), "]".repeat(60), " ".repeat(20 << 10));
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!([{ "id": 1 }, { "id": 2 }])),
        _ => Answer::body(body.clone(), "application/json"),
    });
    let site = site_of(&format!(
        "{LIST}[detail]\nurl = '/d/{{key}}'\n[detail.fields]\nx = '$..*..*..*..*..*.none'\n"
    ));
    let settings = settings().with(|it| it.pace.retries = 0);
    let mut latest = Duration::ZERO;
    let ticking = async {
        let mut clock = tokio::time::interval(Duration::from_millis(20));
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = clock.tick().await;
            latest = latest.max(due.elapsed());
        }
    };
    let crawled = tokio::select! {
        crawled = crawl_with::<Sqlite>(site, &served, settings, Outcome::Incomplete) => crawled,
        never = ticking => never,
    };
    let failures = crawled.backend.failures().await;
    assert_eq!(failures.len(), 2);
    assert!(failures.iter().all(|it| it.message.contains("more than 5s to read")), "{failures:?}");
    eprintln!("late by {latest:?} at most");
    assert!(latest < Duration::from_secs(2), "{latest:?}");
}
