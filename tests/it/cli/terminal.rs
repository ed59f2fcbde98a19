//! What a terminal or a spreadsheet would obey, in what sites, files and users say.

use serde_json::{Value, json};

use super::program::{Ended, gleaner};
use super::{folder, read, sqlite};
use crate::served::{Answer, Served};

/// Moves the cursor, sets the clipboard, turns and hides text, forges a line of the log.
const EVIL: &str = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[31m\u{9b}2J\u{202e}x\u{2028}\u{2066}\u{200f}\u{61c}\u{200b}\u{feff}\u{ad}\u{e0041}\r\n2026-01-01T00:00:00Z  INFO sweep ended\u{8}\u{7f}";

/// Whether a terminal obeys it, written down anew: not the program's own table.
fn is_obeyed(c: char) -> bool {
    c.is_control() && c != '\n'
        || matches!(u32::from(c), 0xad | 0x61c | 0x200b | 0x200e | 0x200f | 0x2028..=0x202e)
        || matches!(u32::from(c), 0x2060..=0x206f | 0xfeff | 0xe0000..=0xe007f)
}

fn is_clean(what: &str, text: &str) {
    let found: Vec<char> = text.chars().filter(|c| is_obeyed(*c)).collect();
    assert!(found.is_empty(), "{what}: {found:?} in {text:?}");
    let forged = text.lines().find(|line| line.starts_with("2026-01-01"));
    assert!(forged.is_none(), "{what}: {text}");
}

fn clean(what: &str, ended: Ended) -> Ended {
    is_clean(what, &ended.err);
    is_clean(what, &ended.out);
    ended
}

/// A site that says evil things wherever it can.
fn evil() -> Served {
    let header = format!("text/html; charset={}", EVIL.replace(|c: char| c.is_ascii_control(), ""));
    Served::start(move |asked| match asked.path.as_str() {
        "/l" => {
            let keys = ["type", "text", "json", "field", "redirect", EVIL];
            let mut items: Vec<Value> = keys.iter().map(|key| json!({ "id": key })).collect();
            items.push(json!({ "id": { EVIL: EVIL } }));
            Answer::json(&json!({ "r": items }))
        }
        "/d/type" => Answer::body(EVIL, &header),
        "/d/text" => Answer::text(EVIL.to_owned()).status(500),
        "/d/json" => Answer::body(format!("{{{EVIL}"), "application/json"),
        "/d/redirect" => Answer::text(String::new())
            .status(302)
            .header("location", "http://e\u{61c}vil.test/\u{2028}"),
        _ => Answer::json(&json!({ "n": EVIL, "m": EVIL })),
    })
}

fn site_file(url: &str) -> String {
    format!(
        "name = \"x\"\nbase_url = \"{url}\"\nformat = \"json\"\n[index]\nurl = \"/l\"\nitems = \"$.r[*]\"\nkey = \"$.id\"\n[detail]\nurl = \"/d/{{key}}\"\n[detail.fields]\nn = {{ select = \"$.n\", as = \"integer\", required = true }}\nm = \"$.m\"\n"
    )
}

#[test]
fn x5_what_a_site_sends_reaches_no_terminal_raw() {
    let site = evil();
    let (folder, path) = folder();
    let file = folder.path().join("x.toml");
    std::fs::write(&file, site_file(site.url())).expect("the file is written");
    let (file, store) = (file.to_str().expect("UTF-8"), sqlite(&path));
    let crawl = ["crawl", file, "--store", &store, "--retries", "0"];
    for (level, form) in [("info", "text"), ("trace", "text"), ("trace", "json")] {
        let program = gleaner(&crawl).args(&["--fresh", "--log-format", form]);
        let ended = clean(level, program.env("RUST_LOG", level).run().with(3));
        if form == "json" {
            for line in ended.err.lines() {
                serde_json::from_str::<Value>(line)
                    .unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }
    for command in [
        &["failures", file, "--sample"][..],
        &["failures", file, "--sample", "--json"],
        &["sweeps", file],
        &["sweeps", file, "--json"],
    ] {
        let ended = clean(command[0], gleaner(command).args(&["--store", &store]).run().with(0));
        if command.contains(&"--json") {
            serde_json::from_str::<Value>(&ended.out).expect("JSON");
        }
    }
    clean("check", gleaner(&["check", file]).run());
    let json = clean("check --json", gleaner(&["check", file, "--json"]).run());
    serde_json::from_str::<Value>(&json.out).expect("JSON");
    for page in ["type", "redirect"] {
        let url = format!("{}/d/{page}", site.url());
        is_clean(page, &gleaner(&["fetch", &url]).run().err);
    }
}

#[test]
fn x5_escapes_in_a_site_file_its_name_and_arguments_never_reach_the_terminal() {
    let (folder, _) = folder();
    let wrong = [
        "\"\\u001b[31m\\u061c\" = 1\n",
        "\u{1b}[31m = 1\n",
        "collection = \"a\\u001b[2J\\u2028\"\n",
        "items = \"$[\\u202e\"\n",
    ];
    for (at, line) in wrong.iter().enumerate() {
        let file = folder.path().join(format!("{at}\u{1b}[31m\u{61c}.toml"));
        std::fs::write(&file, format!("name = \"x\"\nbase_url = \"http://h.test\"\n{line}"))
            .expect("written");
        let file = file.to_str().expect("UTF-8");
        for command in ["check", "crawl", "sweeps"] {
            clean(line, gleaner(&[command, file]).run().with(2)).tells(&["\\u{1b}"]);
        }
    }
    for arguments in [
        &["crawl", "b\u{1b}[31m\u{202e}"][..],
        &["crawl", "books", "--workers", "\u{1b}[31m\u{61c}"],
        &["crawl", "books", "--\u{1b}[31m"],
        &["crawl", "books", "--store", "\u{1b}[31m\u{2028}"],
        &["sites", "\u{1b}[31m"],
        &["fetch", "http://h:\u{1b}[31m/"],
    ] {
        clean(arguments[1], gleaner(arguments).run().with(2));
    }
    let crawl = gleaner(&["crawl", "books"]).env("GLEANER_RETRIES", "\u{1b}[31m\u{61c}");
    clean("variable", crawl.run().with(2)).tells(&["\\u{61c}", "GLEANER_RETRIES"]);
}

#[test]
fn x5_csv_safe_is_for_csv_and_marks_formulas() {
    let site = Served::start(|asked| match asked.path.as_str() {
        "/l" => Answer::json(&json!({ "r": [{ "id": "=k" }, { "id": "-7" }] })),
        _ => Answer::json(&json!({ "n": -1, "m": "=cmd|' /C calc'!A0" })),
    });
    let (folder, path) = folder();
    let (file, to) = (folder.path().join("x.toml"), folder.path().join("x.csv"));
    std::fs::write(&file, site_file(site.url())).expect("the file is written");
    let (file, store) = (file.to_str().expect("UTF-8"), sqlite(&path));
    gleaner(&["crawl", file, "--store", &store]).run().with(0);
    let export = ["export", file, "--store", &store, "--csv-safe"];
    gleaner(&export).run().with(2).tells(&["--csv-safe", "--format csv"]);
    let csv = ["--format", "csv", "--output", to.to_str().expect("UTF-8")];
    gleaner(&export).args(&csv).run().with(0);
    assert_eq!(read(&to), "_key,n,m\n-7,-1,'=cmd|' /C calc'!A0\n'=k,-1,'=cmd|' /C calc'!A0\n");
    let raw = gleaner(&export[..4]).args(&csv[..2]).run().with(0);
    assert!(raw.out.contains("\n=k,-1,=cmd"), "{}", raw.out);
}
