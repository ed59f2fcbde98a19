//! Standard output carries results only; the log, progress and summary go to standard error.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use gleaner::demo::Options;
use serde_json::Value;

use super::program::{crawl, gleaner};
use super::{folder, read, report, site, sqlite, start};

/// The report of the design, whose fields others build on.
const REPORT: &str = r#"
{"site":"books","sweep":"…","kind":"full","limited":false,"outcome":"complete","resumed":false,"started_at":"2026-11-20T10:00:00Z","elapsed_s":4.2,
 "requests":{"total":9543,"retried":0,"redirected":0,"not_modified":0,"given_up":0,"failed":0,"answers":{"2xx":9543,"3xx":0,"4xx":0,"5xx":0,"none":0},"bytes":28000000,"replaced":0,"p50_ms":2.1,"p95_ms":4.0,"p99_ms":9.3},
 "index":{"pages":503,"declared":9040,"listed":9040,"passes":1},
 "items":{"new":9040,"changed":0,"same":0,"skipped":0,"missing":0,"failed":0,"gone":0,"unlisted":0},
 "store":{"batches":20,"written":9040,"retries":0,"waited_s":0.0,"blocked_s":0.0},
 "rules":"2:…","fields":{},
 "problems":[]}"#;

/// Every field with its path and kind.
fn shape(value: &Value, path: &str, shape: &mut BTreeSet<String>) {
    match value {
        // The site's own names.
        Value::Object(_) if path == ".fields" => assert!(shape.insert(format!("{path}: map"))),
        Value::Object(fields) => {
            for (name, value) in fields {
                self::shape(value, &format!("{path}.{name}"), shape);
            }
        }
        Value::Null => assert!(shape.insert(format!("{path}: null"))),
        Value::Bool(_) => assert!(shape.insert(format!("{path}: bool"))),
        Value::Number(_) => assert!(shape.insert(format!("{path}: number"))),
        Value::String(_) => assert!(shape.insert(format!("{path}: text"))),
        Value::Array(_) => assert!(shape.insert(format!("{path}: list"))),
    }
}

fn shape_of(text: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    shape(&serde_json::from_str(text).expect("JSON"), "", &mut fields);
    fields
}

#[test]
fn json_lines_on_standard_output_are_nothing_else() {
    let demo = site(40);
    let ended = crawl(demo.url(), "jsonl:-", &[]).run().with(0);
    let mut keys = BTreeSet::new();
    for line in ended.out.lines() {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let names: Vec<&String> = line.as_object().expect("an object").keys().collect();
        assert_eq!(names, ["key", "url", "fetched_at", "doc"]);
        let key = line["key"].as_str().expect("a key");
        assert_eq!(Some(&line["doc"]), demo.document(key).as_ref());
        assert_eq!(line["url"], format!("{}/api/book/{key}/", demo.url()));
        keys.insert(key.to_owned());
    }
    assert_eq!(keys, demo.keys().into_iter().collect());
    assert_eq!(ended.out.lines().count(), 40);
}

#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    let demo = start(Options { items: 3_000, ..Options::default() });
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let running = crawl(demo.url(), "jsonl:-", &["--batch", "10"]).stdout(writer.into()).start();
    let mut reader = BufReader::new(reader);
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    assert!(line.starts_with("{\"key\":"), "{line}");
    drop(reader);
    let ended = running.end().with(141);
    for line in ended.err.lines() {
        assert!(line.contains(" INFO "), "more than the log: {}", ended.err);
    }
}

#[test]
fn a_report_on_a_closed_pipe_does_not_panic() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let (_folder, path) = folder();
    let arguments = ["demo", "--items", "5", "--store", &sqlite(&path), "--report", "-"];
    gleaner(&arguments).stdout(writer.into()).run().with(141);
    gleaner(&["demo", "--help"]).stdout(Stdio::null()).run().with(0);
}

#[test]
fn the_report_has_the_documented_fields_in_file_and_on_standard_output() {
    let demo = site(20);
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    std::fs::write(&to, "old").expect("the file is written");
    let more = ["--report", to.to_str().expect("UTF-8")];
    let ended = crawl(demo.url(), &sqlite(&path), &more).run().with(0);
    assert_eq!(ended.out, "");
    assert_eq!(shape_of(&read(&to)), shape_of(REPORT));
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder").collect();
    assert!(left.len() <= 4, "something half-written is left: {left:?}");
    let ended = crawl(demo.url(), &sqlite(&path), &["--report", "-"]).run().with(0);
    assert_eq!(shape_of(&ended.out), shape_of(REPORT));
    let (first, second): (Value, Value) =
        (report(&to), serde_json::from_str(&ended.out).expect("JSON"));
    assert_eq!((&first["items"]["new"], &second["items"]["same"]), (&20.into(), &20.into()));
    assert_eq!(second["requests"]["total"], 23, "robots.txt, two pages of the list, the books");
}

#[test]
fn the_log_is_json_where_it_is_asked_for_and_rust_log_sets_its_level() {
    let (folder, path) = folder();
    let log = folder.path().join("log");
    let demo = |form: &str, level: &str| {
        let _ = std::fs::remove_file(&log);
        let arguments = ["demo", "--items", "5", "--store", &sqlite(&path), "--log-file"];
        let program = gleaner(&arguments).args(&[log.to_str().expect("UTF-8")]);
        program.args(&["--log-format", form]).env("RUST_LOG", level).run().with(0);
        read(&log)
    };
    let lines = demo("json", "info");
    assert!(lines.lines().count() >= 2, "{lines}");
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
        assert!(line["message"].is_string(), "{line}");
    }
    assert!(demo("text", "info").contains("INFO starting sweep"));
    assert_eq!(demo("text", "error"), "");
}

#[test]
fn json_goes_to_standard_error_where_no_file_is_named() {
    let (_folder, path) = folder();
    let arguments = ["demo", "--items", "5", "--store", &sqlite(&path), "--log-format", "json"];
    let ended = gleaner(&arguments).run().with(0);
    let log: Result<Vec<Value>, _> = ended.err.lines().map(serde_json::from_str).collect();
    let log = log.unwrap_or_else(|error| panic!("{error}: {}", ended.err));
    let came_to = log.iter().find(|line| line["message"] == "run finished");
    let came_to = came_to.unwrap_or_else(|| panic!("{log:#?}"));
    assert_eq!((&came_to["outcome"], &came_to["new"]), (&"complete".into(), &5.into()));
    let arguments = ["crawl", "books", "--store", "sqlite:/nowhere/x.db", "--log-format", "json"];
    let ended = gleaner(&arguments).run().with(2);
    let said: Value = serde_json::from_str(&ended.err).expect("one line of JSON");
    assert!(said["message"].as_str().is_some_and(|it| it.contains("/nowhere/x.db")), "{said}");
}

#[test]
fn the_log_file_has_the_result_and_the_error() {
    let (folder, path) = folder();
    let log = folder.path().join("log");
    let file = log.to_str().expect("a path");
    let site = crate::served::Served::start(|_| crate::served::Answer::not_found());
    crawl(site.url(), &sqlite(&path), &["--log-file", file]).run().with(1);
    gleaner(&["crawl", "books", "--store", "sqlite:/nowhere/x.db", "--log-file", file])
        .run()
        .with(2);
    let said = std::fs::read_to_string(&log).expect("a log");
    for words in ["outcome=failed", "no page of the list could be read", "/nowhere/x.db"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn invalid_client_settings_are_refused_before_anything_is_created() {
    let (_folder, path) = folder();
    let longest = ["--grace", "300000000000y"];
    crawl("http://127.0.0.1:1", &sqlite(&path), &longest).run().with(2);
    for wrong in [["--proxy", "foo"], ["--header", "a b: c"]] {
        let said = crawl("http://127.0.0.1:1", &sqlite(&path), &wrong).run().with(2).err;
        assert!(said.starts_with(&format!("error: {}", wrong[0])), "{said}");
        assert!(!path.exists() && !said.contains("sweep"), "{said}");
    }
    crawl("http://127.0.0.1:1", &sqlite(&path), &["--report", &path.display().to_string()])
        .run()
        .with(2);
}

#[test]
fn a_full_device_on_stdout_and_stderr_does_not_panic() {
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("a device");
    let program = || std::process::Command::new(env!("CARGO_BIN_EXE_gleaner"));
    for (arguments, code) in [(["completions", "bash"], 1), (["crawl", "nope"], 2)] {
        let ended = program().args(arguments).stdout(full()).stderr(full()).status();
        assert_eq!(ended.expect("it runs").code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn no_colours_without_a_terminal() {
    let (_folder, path) = folder();
    let arguments = ["demo", "--items", "5", "--store", &sqlite(&path)];
    let ended = gleaner(&arguments).env("TERM", "xterm-256color").run().with(0);
    assert!(ended.err.contains("INFO"), "{}", ended.err);
    assert!(!ended.err.contains('\u{1b}') && !ended.err.contains('\r'), "{:?}", ended.err);
}

#[test]
fn progress_is_lines_where_it_is_asked_for() {
    let options = Options { items: 60, latency: Duration::from_millis(60), ..Options::default() };
    let demo = start(options);
    let progress = |when: &str| {
        let (_folder, path) = folder();
        let more = ["--workers", "2", "--progress", when];
        crawl(demo.url(), &sqlite(&path), &more).run().with(0).err
    };
    let on = progress("on");
    let lines: Vec<&str> = on.lines().filter(|line| line.contains(" of 60 · ")).collect();
    assert!(!lines.is_empty() && lines.iter().all(|line| line.contains("/s · ")), "{on}");
    assert!(!progress("off").contains(" of 60 · "));
}

#[test]
fn a_report_into_a_pipe_is_written_and_the_pipe_stays() {
    let demo = site(5);
    let (folder, path) = folder();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs");
    assert!(made.success());
    // Both ends, so that nobody waits for the other.
    let open = std::fs::File::options().read(true).write(true).open(&pipe).expect("the pipe opens");
    crawl(demo.url(), &sqlite(&path), &["--report", pipe.to_str().expect("UTF-8")]).run().with(0);
    drop(open);
    let kind = std::fs::metadata(&pipe).expect("it is there").file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind), "{kind:?}");
}

/// A site of so many items, all but ten of whose pages are lost, each for a reason of its own words.
fn failing(items: usize) -> gleaner::demo::Demo {
    let demo = site(items);
    for (at, key) in demo.keys().iter().enumerate().skip(10) {
        let page = gleaner::demo::Fault::on(format!("/api/book/{key}/"));
        let text = format!("{{\"id\": {at}, ");
        demo.fault(match at % 2 {
            0 => page.status(400),
            _ => page.body("application/json", text),
        });
    }
    demo
}

#[test]
fn o3_a_hundred_failures_of_a_kind_are_four_lines_of_the_log() {
    let demo = failing(110);
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let more = ["--retries", "0", "--block-after", "1000", "--report", to.to_str().expect("UTF-8")];
    let ended = crawl(demo.url(), &sqlite(&path), &more).run().with(3);
    let lines = |words: &str| ended.err.lines().filter(|line| line.contains(words)).count();
    assert_eq!(lines("given up: the site answered 400"), 3, "{}", ended.err);
    assert_eq!((lines("given up"), lines("and 49 more like it, such as item ")), (8, 2));
    assert_eq!(report(&to)["items"]["failed"], 100);
    let debug = crawl(demo.url(), &sqlite(&path), &more).args(&["--fresh"]);
    let debug = debug.env("RUST_LOG", "gleaner=debug").run().with(3).err;
    assert_eq!(debug.lines().filter(|line| line.contains("given up")).count(), 102, "{debug}");
}

#[test]
fn o3_a_store_without_failures_has_each_in_the_log_and_one_sentence_in_the_report() {
    let demo = failing(110);
    let (folder, _) = folder();
    let to = folder.path().join("report.json");
    let more = ["--retries", "0", "--block-after", "1000", "--report", to.to_str().expect("UTF-8")];
    let ended = crawl(demo.url(), "jsonl:-", &more).run().with(3);
    let each = ended
        .err
        .lines()
        .filter(|line| line.contains("given up") && !line.contains("more like it"));
    assert_eq!(each.count(), 100, "they are kept nowhere else");
    let problems = &report(&to)["problems"];
    let alike = problems.as_array().expect("a list").iter().filter_map(Value::as_str);
    assert_eq!(alike.filter(|it| it.contains("and 49 more like it")).count(), 2, "{problems:#}");
    assert!(ended.err.lines().filter(|line| line.starts_with("  ! ")).count() <= 4);
}
