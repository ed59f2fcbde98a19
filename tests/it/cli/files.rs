//! Files that runs make and replace: what becomes of them when a run fails or is killed, and who
//! may read them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gleaner::demo::{Demo, Fault, Options};

use super::program::{Program, crawl, gleaner};
use super::{folder, read, site, sqlite, start};

const OLD: &str = "of yesterday\n";

/// The files beside `path` that a run left unfinished.
fn partials(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().expect("a folder");
    let files = std::fs::read_dir(folder).expect("the folder");
    let files = files.map(|entry| entry.expect("an entry").path());
    files.filter(|file| file.extension().is_some_and(|it| it == "partial")).collect()
}

/// The one file beside `path` that a run left unfinished.
pub fn partial(path: &Path) -> PathBuf {
    let mut partials = partials(path);
    assert_eq!(partials.len(), 1, "{partials:?}");
    partials.remove(0)
}

/// An old file, and a crawl that is to replace it.
fn replacing(demo: &Demo, path: &Path) -> Program {
    std::fs::write(path, OLD).expect("the file is written");
    crawl(demo.url(), &format!("jsonl:{}", path.display()), &["--flush", "0s", "--workers", "4"])
}

fn jsonl() -> (tempfile::TempDir, PathBuf) {
    let (folder, _) = folder();
    let path = folder.path().join("books.jsonl");
    (folder, path)
}

fn slow() -> Demo {
    start(Options { items: 400, latency: Duration::from_millis(20), ..Options::default() })
}

/// Waits until something was written.
fn until_written(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_written = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|it| it.len() > 0);
    while !partials(path).iter().any(is_written) {
        assert!(Instant::now() < deadline, "nothing is written");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn d11_json_lines_replace_the_file_when_the_run_is_complete_or_incomplete() {
    let (demo, (_folder, path)) = (site(30), jsonl());
    replacing(&demo, &path).run().with(0);
    assert_eq!((read(&path).lines().count(), partials(&path).len()), (30, 0));
    demo.fault(Fault::on(format!("/api/book/{}/", demo.keys()[1])).status(400));
    replacing(&demo, &path).run().with(3);
    assert_eq!((read(&path).lines().count(), partials(&path).len()), (29, 0));
}

#[test]
fn d11_an_interrupted_run_keeps_the_old_json_lines_and_names_the_partial_file() {
    for (signals, code) in [(&["TERM"][..], 143), (&["INT"], 130), (&["INT", "INT"], 130)] {
        let (demo, (_folder, path)) = (slow(), jsonl());
        let running = replacing(&demo, &path).start();
        until_written(&path);
        for (signal, said) in signals.iter().zip(["finishing in-flight", "aborted"]) {
            running.signal(signal);
            running.says(said);
        }
        let ended = running.end().with(code);
        assert_eq!(read(&path), OLD, "{signals:?}");
        let partial = partial(&path);
        assert!(read(&partial).lines().count() > 0 && read(&partial).ends_with('\n'));
        let partial = partial.to_str().expect("UTF-8");
        assert!(ended.err.contains(partial), "{signals:?}: {}", ended.err);
    }
}

#[test]
fn d11_a_failed_run_keeps_the_old_json_lines() {
    let (demo, (_folder, path)) = (site(60), jsonl());
    let refuse = |key: &String| demo.fault(Fault::on(format!("/api/book/{key}/")).status(403));
    demo.keys().iter().for_each(refuse);
    let ended = replacing(&demo, &path).args(&["--block-after", "3", "--retries", "0"]).run();
    ended.with(1).tells(&["books.jsonl is as it was before this run, which fetched nothing"]);
    assert_eq!((read(&path).as_str(), partials(&path).len()), (OLD, 0));
}

#[test]
fn d11_a_killed_run_keeps_the_old_file_and_the_next_names_the_partial_one() {
    let (demo, (_folder, path)) = (slow(), jsonl());
    let running = replacing(&demo, &path).start();
    until_written(&path);
    running.kill().with(137);
    assert_eq!(read(&path), OLD);
    let left = partial(&path);
    let ended = replacing(&demo, &path).run().with(0);
    ended.tells(&["was killed and left this file", left.to_str().expect("UTF-8")]);
    assert_eq!((read(&path).lines().count(), partial(&path)), (400, left), "it is not deleted");
}

#[test]
fn d11_links_and_modes_are_kept() {
    let (demo, (folder, path)) = (site(10), jsonl());
    let far = folder.path().join("far.jsonl");
    std::os::unix::fs::symlink("far.jsonl", &path).expect("a link");
    let store = format!("jsonl:{}", path.display());
    crawl(demo.url(), &store, &[]).run().with(0);
    assert_eq!((mode(&far), read(&far).lines().count()), (0o600, 10), "a new file");
    std::fs::set_permissions(&far, Permissions::from_mode(0o664)).expect("it is ours");
    crawl(demo.url(), &store, &["--limit", "5"]).run().with(0);
    assert!(path.is_symlink());
    assert_eq!((mode(&far), read(&far).lines().count()), (0o664, 5));
}

#[test]
fn d11_a_loop_into_json_lines_is_refused_before_the_file_is_touched() {
    let (demo, (_folder, path)) = (site(5), jsonl());
    replacing(&demo, &path).args(&["--every", "1h"]).run().with(2).tells(&["--every"]);
    assert_eq!((read(&path).as_str(), partials(&path).len()), (OLD, 0));
}

fn mode(path: &Path) -> u32 {
    let file =
        std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.permissions().mode() & 0o777
}

#[test]
fn x3_new_databases_logs_and_reports_are_their_owner_s_and_old_ones_keep_their_modes() {
    let (demo, (folder, path)) = (slow(), folder());
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| at(name).display().to_string();
    let run = || {
        let more = ["--report", &text("report.json"), "--log-file", &text("log")];
        crawl(demo.url(), &sqlite(&path), &more)
    };
    let running = run().start();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !at("books.db-shm").exists() || demo.stats().requests < 20 {
        assert!(Instant::now() < deadline, "no database");
        std::thread::sleep(Duration::from_millis(2));
    }
    for name in ["books.db", "books.db-wal", "books.db-shm", "log"] {
        assert_eq!(mode(&at(name)), 0o600, "{name} while it runs");
    }
    running.end().with(0);
    assert_eq!((mode(&path), mode(&at("report.json"))), (0o600, 0o600));
    for (name, wanted) in [("books.db", 0o644), ("log", 0o640), ("report.json", 0o664)] {
        std::fs::set_permissions(at(name), Permissions::from_mode(wanted)).expect("it is ours");
    }
    run().run().with(0);
    assert_eq!((mode(&path), mode(&at("log")), mode(&at("report.json"))), (0o644, 0o640, 0o664));
    let lines = format!("jsonl:{}", text("books.jsonl"));
    crawl(site(5).url(), &lines, &[]).run().with(0);
    assert_eq!(mode(&at("books.jsonl")), 0o600);
}

#[test]
fn x3_a_planted_symlink_is_not_followed() {
    let (demo, (folder, path)) = (site(5), folder());
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "whole").expect("the file is written");
    let mut running = Vec::new();
    for name in ["report.json", "books.csv"] {
        // The names that 0.1.0 took, for as many processes as are likely to come next.
        let next = std::process::id();
        for id in next..next + 2_000 {
            let link = folder.path().join(format!("{name}.{id}.tmp"));
            std::os::unix::fs::symlink(&victim, link).expect("a link");
        }
        let file = folder.path().join(name).display().to_string();
        let crawled = crawl(demo.url(), &sqlite(&path), &["--report", &file]).run().with(0);
        running.push(crawled);
        let store = sqlite(&path);
        gleaner(&["export", "books", "--store", &store, "--output", &file]).run().with(0);
    }
    assert_eq!(read(&victim), "whole");
}
