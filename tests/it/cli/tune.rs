//! `gleaner tune`: on sites whose limits are known.

use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gleaner::demo::{Fault, Options};
use serde_json::Value;

use super::program::{Program, gleaner};
use super::{folder, site, start};
use crate::served::{Answer, Served};

/// Of an answer.
const TAKES: Duration = Duration::from_millis(40);

fn tune(target: &str, more: &[&str]) -> Program {
    gleaner(&["tune", target]).args(more)
}

fn measured(target: &str, more: &[&str]) -> Value {
    let ended = tune(target, more).args(&["--json"]).run().with(0);
    serde_json::from_str(&ended.out).expect("one object")
}

fn levels(result: &Value) -> Vec<u64> {
    let levels = result["levels"].as_array().expect("a list").iter();
    levels.map(|level| level["level"].as_u64().expect("a number")).collect()
}

/// A site that answers `most` requests at once and refuses more.
fn refuses_above(most: usize) -> Served {
    let ends: Mutex<Vec<Instant>> = Mutex::default();
    Served::start(move |asked| {
        let mut ends = ends.lock().expect("nobody panicked");
        ends.retain(|end| *end > asked.at);
        if ends.len() >= most {
            return Answer::text("busy".to_owned()).status(503);
        }
        ends.push(asked.at + TAKES);
        Answer::text("here".to_owned()).later(TAKES)
    })
}

/// A site that answers one request after the other.
fn one_by_one() -> Served {
    let free_at: Mutex<Option<Instant>> = Mutex::default();
    Served::start(move |asked| {
        let mut free_at = free_at.lock().expect("nobody panicked");
        let end = free_at.map_or(asked.at, |at| at.max(asked.at)) + TAKES / 2;
        *free_at = Some(end);
        Answer::text("here".to_owned()).later(end - asked.at)
    })
}

/// A site that serves `most` requests at once and lets more queue.
fn queues_above(most: usize) -> Served {
    let free_at: Mutex<Vec<Instant>> = Mutex::new(vec![Instant::now(); most]);
    Served::start(move |asked| {
        let mut free_at = free_at.lock().expect("nobody panicked");
        let first = free_at.iter_mut().min().expect("a place");
        *first = asked.at.max(*first) + TAKES;
        Answer::text("here".to_owned()).later(*first - asked.at)
    })
}

#[test]
fn o10_a_site_with_a_capacity_of_twenty_gets_about_twenty_recommended() {
    for served in [refuses_above(20), queues_above(20)] {
        let result = measured(served.url(), &[]);
        let workers = result["workers"].as_u64().expect("a number");
        assert!((18..=22).contains(&workers), "{result}");
    }
}

#[test]
fn a_site_that_refuses_more_than_ten_gets_ten_recommended() {
    let served = refuses_above(10);
    let result = measured(served.url(), &[]);
    assert_eq!(levels(&result), [1, 3, 5, 10, 20], "{result}");
    assert_eq!((&result["stopped"], &result["workers"]), (&"errors".into(), &10.into()));
    assert!(
        result["why"].as_str().is_some_and(|why| why.contains("at concurrency 20")),
        "{result}"
    );
    let errors: Vec<&Value> =
        result["levels"].as_array().expect("a list").iter().map(|level| &level["errors"]).collect();
    assert!(errors[..4].iter().all(|errors| **errors == 0) && *errors[4] != 0, "{result}");
    assert_eq!(served.most_at_once("/"), 20);
}

#[test]
fn a_serial_site_gets_a_low_recommendation() {
    let served = one_by_one();
    let result = measured(served.url(), &[]);
    assert_eq!(result["stopped"], "slow", "{result}");
    // A second one may wait at the door while the first one's answer is on its way.
    assert!(levels(&result).len() <= 3 && result["workers"].as_u64() <= Some(3), "{result}");
}

#[test]
fn max_requests_is_an_upper_bound() {
    let served = Served::start(|_| Answer::text("here".to_owned()).later(TAKES));
    let ended = tune(served.url(), &["--max-requests", "100"]).run().with(0);
    assert_eq!(served.count("/"), 91);
    let ended = ended.tells(&["requesting http://127.0.0.1", "1 concurrent: 30 requests"]);
    for line in ended.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(ended.out.starts_with(" level  requests"), "{}", ended.out);
    assert!(ended.out.contains("stopped: --max-requests leaves too few requests"), "{}", ended.out);
    assert!(ended.out.ends_with("GLEANER_WORKERS=5\n"), "{}", ended.out);
    tune(served.url(), &["--max-requests", "9"]).run().with(2).tells(&["--max-requests"]);
}

#[test]
fn the_items_of_a_site_are_requested_in_turn() {
    let demo = start(Options { items: 40, latency: TAKES, ..Options::default() });
    demo.record();
    let more = ["--base-url", demo.url(), "--max-requests", "70"];
    let result = measured("books", &more);
    assert_eq!(levels(&result), [1, 3], "{result}");
    let requests = demo.requests();
    assert_eq!(requests[0].path, "/api/book/?limit=18&offset=0");
    let keys = demo.keys();
    for (at, request) in requests[2..].iter().enumerate().take(30) {
        assert_eq!(request.path, format!("/api/book/{}/", keys[at % 18]));
    }
    assert_eq!(requests.len(), 62);
}

#[test]
fn a_site_without_item_pages_is_measured_by_its_list() {
    let served = Served::start(|_| Answer::text(r#"[{"id":1}]"#.to_owned()).later(TAKES));
    let (folder, _) = folder();
    let file = folder.path().join("mine.toml");
    let text = format!(
        "name = \"mine\"\nbase_url = \"{}\"\ncollection = \"mine\"\nformat = \"json\"\n\n\
         [index]\nurl = \"/list\"\nitems = \"$[*]\"\nkey = \"$.id\"\n",
        served.url()
    );
    std::fs::write(&file, text).expect("the file is written");
    measured(file.to_str().expect("UTF-8"), &["--max-requests", "40"]);
    assert_eq!((served.count("/list"), served.count("/")), (32, 32));
}

#[test]
fn an_unreachable_site_is_not_measured() {
    let demo = site(3);
    demo.fault(Fault::on("/busy").status(503));
    demo.fault(Fault::on("/away").redirect("http://elsewhere.test/"));
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    for (url, told) in [
        (format!("http://{port}/"), "no connection"),
        (format!("{}/none", demo.url()), "answered 404"),
        (format!("{}/busy", demo.url()), "answered 503"),
        (format!("{}/away", demo.url()), "http://elsewhere.test/"),
    ] {
        let ended = tune(&url, &[]).run().with(1).tells(&[told]);
        assert_eq!(ended.out, "");
    }
    assert_eq!(demo.stats().requests, 3);
    tune("no-such-site", &[]).run().with(2).tells(&["no-such-site", "https://"]);
    tune("ftp://h/", &[]).run().with(2).tells(&["neither http nor https"]);
}

#[test]
fn s3_an_interrupt_prints_the_results_so_far() {
    let served = Served::start(|asked| {
        let late = asked.query.contains_key("x");
        let answer = Answer::text("here".to_owned());
        if late { answer.later(Duration::from_millis(100)) } else { answer }
    });
    let running = tune(&format!("{}/?x", served.url()), &["--json"]).start();
    running.says("1 concurrent: ");
    let told = Instant::now();
    running.signal("INT");
    let ended = running.end().with(130);
    assert!(told.elapsed() < Duration::from_secs(2), "{:?}", told.elapsed());
    let result: Value = serde_json::from_str(&ended.out).expect("one object");
    assert_eq!(result["stopped"], "interrupted");
    assert!(levels(&result).contains(&1) && result["workers"].is_u64(), "{result}");
}
