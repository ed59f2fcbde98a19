//! A disk that fills up in the middle of a crawl, as far as one who is not root can make one: a
//! limit on the size of files, whose signal is ignored, so that writing fails; and `/dev/full`.

use gleaner::demo::Options;

use super::program::{crawl, gleaner_after};
use super::{folder, report, sqlite, start, stored_as_served};

const ITEMS: usize = 600;
/// In units of 512 bytes, of which 600 documents need about 4,000.
const LIMIT: &str = "trap '' XFSZ && ulimit -f 1200";

#[test]
fn s11_a_full_disk_is_exit_1_and_the_next_run_resumes() {
    let demo = start(Options { items: ITEMS, ..Options::default() });
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let to = ["--report", to.to_str().expect("UTF-8"), "--batch", "20"];
    let arguments = ["crawl", "books", "--base-url", demo.url(), "--store", &sqlite(&path)];
    let ended = gleaner_after(LIMIT, &[&arguments[..], &to[..]].concat()).run().with(1);
    let file = path.display().to_string();
    ended.tells(&["the store failed", &file, "cannot be read or written", "failed"]);
    let first = report(to[1].as_ref());
    let stored = stored_as_served(&path, &demo);
    assert!((20..ITEMS).contains(&stored), "{stored}");
    assert_eq!(first["outcome"], "failed");
    assert!(first["store"]["written"].as_u64().expect("a number") <= stored as u64);
    let before = demo.stats().requests;
    crawl(demo.url(), &sqlite(&path), &to).run().with(0).tells(&["resuming unfinished sweep"]);
    assert_eq!(stored_as_served(&path, &demo), ITEMS);
    let (second, again) = (report(to[1].as_ref()), demo.stats().requests - before);
    assert_eq!(second["items"]["new"], ITEMS);
    // The list, robots.txt, and what was not stored.
    assert!(again <= (ITEMS - stored + ITEMS / 18 + 3) as u64, "{again} requests, {stored} stored");
}

#[test]
fn s11_json_lines_on_a_full_disk_are_whole_lines_and_exit_1() {
    let demo = start(Options { items: ITEMS, ..Options::default() });
    let full = crawl(demo.url(), "jsonl:/dev/full", &[]).run().with(1);
    full.tells(&["/dev/full cannot be written", "No space left", "failed"]);
    let (folder, _) = folder();
    let path = folder.path().join("books.jsonl");
    let store = format!("jsonl:{}", path.display());
    let arguments = ["crawl", "books", "--base-url", demo.url(), "--store", &store];
    let more = ["--batch", "20"];
    std::fs::write(&path, "of yesterday\n").expect("the file is written");
    let ended = gleaner_after(LIMIT, &[&arguments[..], &more[..]].concat()).run().with(1);
    let ended = ended.tells(&["books.jsonl cannot be written", "failed", "is as it was before"]);
    assert_eq!(super::read(&path), "of yesterday\n");
    let partial = super::files::partial(&path);
    assert!(ended.err.contains(partial.to_str().expect("UTF-8")), "{}", ended.err);
    let text = super::read(&partial);
    assert!(text.ends_with('\n'), "half a line: {:?}", text.lines().last());
    let lines = text.lines().count();
    assert!((20..ITEMS).contains(&lines), "{lines}");
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("a record");
        let key = record["key"].as_str().expect("a key");
        assert_eq!(Some(&record["doc"]), demo.document(key).as_ref(), "{key}");
    }
}
