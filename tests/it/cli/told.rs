//! What an operator hears: why nothing could be read, what is waited for, what was asked.

use std::time::Duration;

use gleaner::demo::{Demo, Fault, Options};
use serde_json::json;

use super::program::{crawl, gleaner};
use super::{folder, site, sqlite, start};
use crate::served::{Answer, Served};

const LIST: &str = "/api/book/?limit=18&offset=0";

/// The last line that is told of a crawl of `demo`, which reads nothing.
fn last_line(demo: &Demo) -> String {
    let (_folder, path) = folder();
    let ended = crawl(demo.url(), &sqlite(&path), &["--retries", "0"]).run().with(1);
    ended.err.lines().last().expect("a line").to_owned()
}

#[test]
fn o1_a_run_that_reads_no_page_of_the_list_is_exit_1_and_says_url_and_reason() {
    let maintenance = |it: Fault| it.body("text/html", "<h1>Down for maintenance</h1>");
    let moved = |it: Fault| it.redirect("https://moved.example/");
    let ways: [(&str, &dyn Fn(Fault) -> Fault); 6] = [
        ("the site answered 403", &|it| it.status(403)),
        ("the site answered 404", &|it| it.status(404)),
        ("the site answered 500", &|it| it.status(500)),
        ("the site answered 503", &|it| it.status(503)),
        ("a redirect leads to https://moved.example/", &moved),
        ("JSON", &maintenance),
    ];
    for (reason, fault) in ways {
        let demo = site(30);
        demo.fault(fault(Fault::on("/api/book/*")));
        let last = last_line(&demo);
        assert!(last.contains(reason), "{reason}: {last}");
        assert!(last.contains(&format!("{}{LIST}", demo.url())), "{reason}: {last}");
        assert!(last.contains("no page of the list could be read"), "{last}");
    }
}

#[test]
fn o1_robots_txt_that_cannot_be_read_and_a_block_say_url_and_reason() {
    let demo = site(30);
    demo.fault(Fault::on("/robots.txt").status(503));
    let last = last_line(&demo);
    assert!(last.contains("the site answered 503"), "{last}");
    assert!(last.contains(&format!("{}/robots.txt", demo.url())), "{last}");
    let demo = site(30);
    demo.fault(Fault::on("/api/book/*").status(429));
    let (_folder, path) = folder();
    let ended = crawl(demo.url(), &sqlite(&path), &["--block-after", "2"]).run().with(1);
    let last = ended.err.lines().last().expect("a line");
    assert!(last.contains("the site answered 429"), "{last}");
    assert!(last.contains(&format!("{}{LIST}", demo.url())), "{last}");
}

#[test]
fn o1_a_list_that_was_read_and_is_empty_is_no_failure() {
    let demo = site(30);
    demo.fault(Fault::on("/api/book/*").no_rows());
    let (folder, path) = folder();
    crawl(demo.url(), &sqlite(&path), &[]).run().with(3).tells(&["nothing was listed"]);
    // One that does not say how many items there are.
    let served = Served::start(|_| Answer::json(&json!([])));
    let file = folder.path().join("mine.toml");
    let text = format!(
        "name = 'mine'\nbase_url = '{}'\n[index]\nurl = '/'\nitems = '$[*]'\nkey = '$.id'\n",
        served.url()
    );
    std::fs::write(&file, text).expect("the file is written");
    let file = file.to_str().expect("UTF-8");
    let ended = gleaner(&["crawl", file, "--store", &sqlite(&path)]).run().with(3);
    ended.tells(&["the list is empty, and does not say that it should be"]);
}

#[test]
fn o1_a_run_that_read_one_page_of_the_list_and_no_item_is_incomplete() {
    let demo = site(30);
    demo.fault(Fault::on(LIST.replace("offset=0", "offset=18")).status(500));
    demo.keys()
        .iter()
        .for_each(|key| demo.fault(Fault::on(format!("/api/book/{key}/")).status(500)));
    let (_folder, path) = folder();
    let ended = crawl(demo.url(), &sqlite(&path), &["--retries", "0"]).run().with(3);
    ended.tells(&["18 items could not be stored", "1 page of the list was lost"]);
}

#[test]
fn w24_every_fifth_refusal_is_a_line_with_host_status_and_wait() {
    let demo = site(30);
    for key in demo.keys() {
        let page = Fault::on(format!("/api/book/{key}/"));
        demo.fault(page.status(429).header("Retry-After", "1"));
    }
    let (_folder, path) = folder();
    let ended = crawl(demo.url(), &sqlite(&path), &["--block-after", "6"]).run().with(1);
    let told: Vec<_> = ended.err.lines().filter(|line| line.contains("the host refuses")).collect();
    let [line] = told[..] else { panic!("{}", ended.err) };
    let host = format!("host=\"{}\"", demo.url().trim_start_matches("http://"));
    for part in [&*host, "refusals=5", "block_after=6", "wait_s=1", "the site answered 429"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[test]
fn o7_the_log_names_missing_items_too() {
    let demo = site(30);
    let keys = demo.keys();
    (0..25).for_each(|at| demo.fault(Fault::on(format!("/api/book/{}/", keys[at])).status(404)));
    let (_folder, path) = folder();
    let ended = crawl(demo.url(), &sqlite(&path), &[]).run().with(0);
    let told = ended.err.lines().filter(|line| line.contains("reason=\"missing\""));
    let is_named = |line: &&str| {
        let names = |key: &String| {
            line.contains(&format!("page=item {key} "))
                && line.contains(&format!("url={}/api/book/{key}/ ", demo.url()))
        };
        keys[..25].iter().any(names)
    };
    assert_eq!(told.filter(is_named).count(), 20, "{}", ended.err);
}

#[test]
fn o2_a_long_wait_is_logged_at_start_and_end_and_shown_in_progress() {
    // Those that are asked for at once are refused together, and told of together.
    let latency = Duration::from_millis(100);
    let demo = start(Options { items: 30, latency, ..Options::default() });
    for key in &demo.keys()[..8] {
        let page = format!("/api/book/{key}/");
        demo.fault(Fault::on(page).first(1).status(429).header("Retry-After", "6"));
    }
    demo.fault(Fault::on("/robots.txt").first(1).status(503).header("Retry-After", "6"));
    let (_folder, path) = folder();
    let ended = crawl(demo.url(), &sqlite(&path), &["--progress", "on"]).run().with(0);
    let host = demo.url().trim_start_matches("http://");
    let line = |text: &str| {
        let line = ended.err.lines().find(|line| line.contains(text));
        line.unwrap_or_else(|| panic!("nothing of {text}: {}", ended.err))
    };
    let waits: Vec<&str> = ended.err.lines().filter(|line| line.contains("WARN waiting")).collect();
    let [rules, item] = waits[..] else { panic!("{}", ended.err) };
    for part in [host, "wait_s=6", "the site answered 429"] {
        assert!(item.contains(part), "{part}: {item}");
    }
    assert!(rules.contains("robots.txt cannot be read: the site answered 503"), "{rules}");
    assert_eq!(ended.err.matches("INFO wait ended").count(), 2, "{}", ended.err);
    let waiting = format!("queued · waiting 0:03 for {host}: the site answered 429");
    assert!(line(&waiting).contains("of 30"), "{}", ended.err);
}

#[test]
fn o2_a_slow_pace_is_logged_once() {
    let demo = site(3);
    let rules = "User-agent: *\nCrawl-delay: 1\n";
    demo.fault(Fault::on("/robots.txt").body("text/plain", rules));
    let (_folder, path) = folder();
    let ended = crawl(demo.url(), &sqlite(&path), &["--progress", "on"]).run().with(0);
    assert_eq!(ended.err.matches("pacing requests").count(), 1, "{}", ended.err);
    ended.tells(&["interval_s=1", "Crawl-delay in robots.txt", "a request each 1s to 127.0.0.1"]);
}

#[test]
fn o8_each_request_and_each_batch_is_a_line_at_debug_and_none_at_info() {
    let demo = site(20);
    let page = format!("/api/book/{}/", demo.keys()[4]);
    demo.fault(Fault::on(page.clone()).first(1).status(500));
    let away = format!("/api/book/{}/", demo.keys()[5]);
    demo.fault(Fault::on(away.clone()).first(1).redirect(&format!("{away}?token=s3cret")));
    let broken = format!("/api/book/{}/", demo.keys()[6]);
    demo.fault(Fault::on(broken.clone()).first(1).hang_up());
    let (_folder, path) = folder();
    let lines = |level: &str| {
        let base = demo.url().replace("http://", "http://me:s3cret@");
        let program = crawl(&base, &sqlite(&path), &["--fresh"]).env("RUST_LOG", level);
        program.run().with(0).err
    };
    let asked = demo.stats().requests;
    let log = lines("gleaner=debug");
    let requests: Vec<&str> = log.lines().filter(|line| line.contains("DEBUG request ")).collect();
    assert_eq!(requests.len() as u64, demo.stats().requests - asked, "{log}");
    assert!(!log.contains("s3cret"), "{log}");
    let of =
        |text: &str| -> Vec<&&str> { requests.iter().filter(|line| line.contains(text)).collect() };
    let item = format!("item {}\"", demo.keys()[4]);
    let [first, second] = of(&item)[..] else { panic!("{log}") };
    for part in ["method=GET", &page, "status=500", "ms=", "bytes=", "attempt=1"] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(second.contains("status=200") && second.contains("attempt=2"), "{second}");
    assert!(!second.contains("bytes=0 "), "{second}");
    let failed = of(&broken);
    assert!(failed[0].contains(" error=") && !failed[0].contains("status="), "{failed:?}");
    assert_eq!(of(&away).len(), 2, "the redirect and where it leads; {log}");
    assert_eq!(of("index page").len(), 2, "{log}");
    assert_eq!(of("/robots.txt").len(), 1, "{log}");
    assert!(log.contains("DEBUG batch written="), "{log}");
    assert!(!lines("info").contains("DEBUG"));
}

#[test]
fn o9_workers_that_were_asked_for_start_at_once() {
    let latency = Duration::from_millis(400);
    for (workers, expected) in [(Some("10"), 10), (Some("40"), 16), (None, 8)] {
        let demo = start(Options { items: 17, latency, ..Options::default() });
        demo.record();
        let (_folder, path) = folder();
        let base = ["crawl", "books", "--base-url", demo.url(), "--store"];
        let mut program = gleaner(&base).args(&[&sqlite(&path)]);
        if let Some(workers) = workers {
            program = program.env("GLEANER_WORKERS", workers);
        }
        program.run().with(0).tells(&["17 new"]);
        let asked = demo.requests();
        let items: Vec<_> =
            asked.iter().filter(|it| it.path != LIST && it.path != "/robots.txt").collect();
        let first = items.iter().filter(|it| it.at < items[0].at + latency / 2).count();
        assert_eq!(first, expected, "{workers:?}: {asked:?}");
    }
}
