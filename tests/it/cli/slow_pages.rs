//! Pages that are slow to read, or large: none is lost, what they take is bounded, and the program hears
//! its user meanwhile.
//!
//! `GLEANER_LARGE_PAGES` says how many pages of two megabytes there are (120, in a release build); without
//! it they are fewer and smaller, since a debug build takes seconds for one.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::program::{Running, gleaner};
use super::{folder, report, sqlite};
use crate::served::{Answer, Served};

/// Pages in all tests, their bytes, and what all of that may take at most.
const FEW: (usize, usize, usize) = (24, 256 << 10, 200 << 20);
/// Bytes of a page, and what all of that may take, where it is said how many there are.
const LARGE: (usize, usize) = (2 << 20, 400 << 20);
/// What a page of 3 MiB may take, whatever a path finds on it.
const MANY_PLACES: usize = 300 << 20;

/// A page of so many bytes of table rows.
fn table(key: &str, bytes: usize) -> String {
    let row = "<tr><td class=n><a href=/book/1/>A book's title</a><td>12.50 and words</tr>\n";
    format!("<h1>{key}</h1><table>{}</table>", row.repeat(bytes / row.len()))
}

fn packed(text: &[u8]) -> Answer {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text).expect("it is packed");
    let body = packer.finish().expect("it is packed");
    Answer::body(body, "application/json").header("content-encoding", "gzip")
}

/// A site file in a folder of its own, and the crawl of it.
fn crawl_of(served: &Served, file: &str, more: &[&str]) -> (tempfile::TempDir, Running) {
    let (folder, path) = folder();
    let site = folder.path().join("slow.toml");
    let text = format!("name = \"slow\"\nbase_url = \"{}\"\n{file}", served.url());
    std::fs::write(&site, text).expect("the file is written");
    let to = folder.path().join("report.json");
    let [site, to] = [&site, &to].map(|path| path.to_str().expect("UTF-8"));
    let store = sqlite(&path);
    let arguments = ["crawl", site, "--store", &store, "--report", to, "--robots", "off"];
    let running = gleaner(&arguments).args(more).start();
    (folder, running)
}

/// The most memory that the run ever had, in bytes, once it has ended.
fn peak_of(running: &mut Running, longest: Duration) -> usize {
    let (began, mut peak) = (Instant::now(), 0);
    while !running.has_ended() {
        assert!(began.elapsed() < longest, "it does not end");
        peak = super::million::highest(running.id()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(2));
    }
    peak
}

/// What a run told of its work until it ended with 0.
fn took(folder: &tempfile::TempDir, running: Running) -> serde_json::Value {
    running.end().with(0);
    report(&folder.path().join("report.json"))
}

#[test]
fn p9_large_html_pages_with_many_workers_are_all_stored_in_bounded_memory() {
    let asked_for = std::env::var("GLEANER_LARGE_PAGES").ok();
    let (pages, bytes, most) = asked_for
        .map_or(FEW, |pages| (pages.parse().expect("a number of pages"), LARGE.0, LARGE.1));
    let list: String = (0..pages).map(|key| format!("<a class=i href=/item/{key}>x</a>")).collect();
    let served = Served::start(move |asked| match asked.path.strip_prefix("/item/") {
        None => Answer::html(list.clone()),
        Some(key) => Answer::html(table(key, bytes)),
    });
    let file = "format = \"html\"\n[index]\nurl = \"/list\"\nitems = \"a.i\"\n\
        key = { select = \"::attr(href)\", regex = '(\\d+)$' }\n[detail]\nlink = \"::attr(href)\"\n\
        fields = { title = \"h1::text\", first = \"td.n::text\" }\n";
    let (folder, mut running) = crawl_of(&served, file, &["--workers", "50", "--retries", "0"]);
    let peak = peak_of(&mut running, Duration::from_secs(600));
    let report = took(&folder, running);
    assert_eq!((&report["items"]["new"], &report["items"]["failed"]), (&json!(pages), &json!(0)));
    let (size, peak) = (bytes >> 10, peak >> 20);
    eprintln!("{pages} pages of {size} KiB: {} s, peak {peak} MiB", report["elapsed_s"]);
    assert!(peak < most >> 20, "{peak} MiB");
}

/// A page of so many bytes, nearly all of them places deep down that `$..x` leads to.
fn deep(bytes: usize) -> Vec<u8> {
    let (open, close) = ("[".repeat(100), "]".repeat(100));
    let places = "{\"x\":1},".repeat(bytes / 8);
    format!("{{\"id\":1,\"y\":{open}{places}{{}}{close}}}").into_bytes()
}

#[test]
fn p9_a_path_that_finds_very_many_places_takes_bounded_memory() {
    let body = deep(3 << 20);
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!([{ "id": 1 }])),
        _ => packed(&body),
    });
    let list = "[index]\nurl = \"/list\"\nitems = \"$[*]\"\nkey = \"$.id\"\n[detail]\nurl = \"/d/{key}\"\n";
    let all = "[detail.fields]\nx = { select = \"$..x\", many = true }\n";
    for (ignore, fields) in
        [("ignore = [\"$..x\"]\n", ""), ("", all), ("", "[detail.fields]\nx = \"$..x\"\n")]
    {
        let (folder, mut running) = crawl_of(&served, &format!("{ignore}{list}{fields}"), &[]);
        let peak = peak_of(&mut running, Duration::from_secs(300));
        assert_eq!(took(&folder, running)["items"]["new"], 1);
        eprintln!("3 MiB, {ignore}{fields}: peak {} MiB", peak >> 20);
        assert!(peak < MANY_PLACES, "{ignore}{fields}: {} MiB", peak >> 20);
    }
}

#[test]
fn p9_two_interrupts_abort_while_slow_pages_are_read() {
    for bytes in [20 << 10, 0] {
        two_interrupts_end_the_program_at_once(&slow_page(bytes));
    }
}

/// A page that takes all the time it may, with so many bytes of blanks behind it.
fn slow_page(blanks: usize) -> String {
    format!("{}1{}{}", "[[1],".repeat(60), "]".repeat(60), " ".repeat(blanks))
}

#[test]
fn p9_check_is_interrupted_while_it_reads_a_slow_page() {
    let page = slow_page(0);
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!([{ "id": 1 }])),
        _ => Answer::body(page.clone(), "application/json"),
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("slow.toml");
    let text = format!("name = \"slow\"\nbase_url = \"{}\"\n{SLOW}", served.url());
    std::fs::write(&file, text).expect("the file is written");
    let running = gleaner(&["check", file.to_str().expect("UTF-8")]).start();
    while served.count("/d/") < 1 {
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(300));
    let told = Instant::now();
    running.signal("INT");
    running.end().with(130);
    assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
}

/// A list whose items have pages that a path makes slow: it descends, again and again, into what is deep.
const SLOW: &str = "[index]\nurl = \"/list\"\nitems = \"$[*]\"\nkey = \"$.id\"\n[detail]\nurl = \"/d/{key}\"\n\
    [detail.fields]\nx = \"$..*..*..*..*..*.none\"\n";

fn two_interrupts_end_the_program_at_once(body: &str) {
    let body = body.to_owned();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!((0..40).map(|id| json!({ "id": id })).collect::<Vec<_>>())),
        _ => Answer::body(body.clone(), "application/json"),
    });
    let (_folder, running) = crawl_of(&served, SLOW, &["--workers", "40"]);
    let began = Instant::now();
    while served.count("/d/") < 20 {
        assert!(began.elapsed() < Duration::from_secs(60), "the crawl does not get on");
        std::thread::sleep(Duration::from_millis(2));
    }
    running.signal("INT");
    running.says("signal again to abort");
    let second = Instant::now();
    running.signal("INT");
    running.end().with(130).tells(&["aborted"]);
    assert!(second.elapsed() < Duration::from_secs(1), "{:?}", second.elapsed());
}
