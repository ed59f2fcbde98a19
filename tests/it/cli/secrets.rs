//! Passwords and tokens go to where they belong and nowhere else.

use std::path::Path;

use base64::Engine;
use gleaner::demo::{Demo, Fault};

use super::program::{Ended, Program, crawl, gleaner};
use super::{folder, site, sqlite};
use crate::served::{Answer, Served};

/// Each of them holds this.
const SECRET: &str = "s3cret";

fn keeps_quiet(ended: &Ended) {
    assert!(!ended.err.contains(SECRET), "{}", ended.err);
    assert!(!ended.out.contains(SECRET), "{}", ended.out);
}

/// No file in the folder holds a secret, whatever it is: reports, logs, databases, journals.
fn folder_keeps_quiet(folder: &Path) {
    let mut files = 0;
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("the file can be read");
        let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        assert!(!found, "{} holds a secret", path.display());
        files += 1;
    }
    assert!(files >= 3, "{files} files");
}

/// The demo site as a proxy: it answers whatever host it is asked for. A few requests fail, so
/// that errors, samples and redirects are told of.
fn proxy() -> Demo {
    let demo = site(30);
    let page = |at: usize| format!("/api/book/{}/", demo.keys()[at]);
    demo.fault(Fault::on(page(1)).status(400));
    demo.fault(Fault::on(page(2)).hang_up());
    demo.fault(Fault::on(page(3)).redirect(&format!("{}?again", page(3))));
    demo.fault(Fault::on(page(4)).redirect("http://me:other@elsewhere.test/"));
    demo.fault(Fault::on(page(5)).body("text/html", "<html>log in</html>"));
    demo.record();
    demo
}

#[test]
fn secrets_reach_the_site_and_the_proxy_and_no_log_report_or_store() {
    let demo = proxy();
    let (folder, path) = folder();
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    let proxy = demo.url().replace("http://", "http://me:s3cret-proxy@");
    let (report, log) = (in_folder("report.json"), in_folder("log"));
    let more = ["--proxy", &proxy, "--header", "X-Token: s3cret-header", "--retries", "0"];
    let program = crawl("http://me:s3cret-site@books.test", &sqlite(&path), &more)
        .args(&["--report", &report, "--log-file", &log])
        .env("RUST_LOG", "trace");
    let ended = program.run().with(3);
    keeps_quiet(&ended);
    folder_keeps_quiet(folder.path());
    let requests = demo.requests();
    let first = &requests[0].headers;
    let header = |name: &str| first.iter().find(|(at, _)| at == name).map(|(_, value)| &**value);
    assert_eq!(header("x-token"), Some("s3cret-header"));
    // me:s3cret-site and me:s3cret-proxy
    assert_eq!(header("authorization"), Some("Basic bWU6czNjcmV0LXNpdGU="));
    assert_eq!(header("proxy-authorization"), Some("Basic bWU6czNjcmV0LXByb3h5"));
}

#[test]
fn the_log_on_standard_error_keeps_them_too() {
    let demo = proxy();
    let (_folder, path) = folder();
    let proxy = demo.url().replace("http://", "http://me:s3cret-proxy@");
    let program = crawl("http://me:s3cret-site@books.test", &sqlite(&path), &["--retries", "0"])
        .env("GLEANER_PROXY", &proxy)
        .env("GLEANER_HEADERS", "X-Token: s3cret-header\nX-Other: s3cret-too");
    let ended = program.env("RUST_LOG", "trace").run().with(3);
    assert!(ended.err.contains("books.test"), "{}", ended.err);
    keeps_quiet(&ended);
}

#[test]
fn an_error_about_a_secret_does_not_show_it() {
    for (flag, value) in [
        ("--store", "mongodb://me:s3cret@h"),
        ("--store", "mongodb://me:s3cret@h/db?w=0"),
        ("--store", "mongodb://me:s3cret@h:nonsense/db"),
        ("--store", "mongodb://me:s3cret@h/db?no=such"),
        ("--store", "postgres://me:s3cret@h/db"),
        ("--base-url", "ftp://me:s3cret@h"),
        ("--base-url", "http://me:s3cret@h:nonsense"),
        ("--header", "s3cret without a colon"),
        ("--header", "Bad Name: s3cret"),
        ("--header", "Name: s3cret\u{7f}"),
        ("--proxy", "nonsense://me:s3cret@h"),
        ("--proxy", "http://me:s3cret@h:nonsense"),
    ] {
        let (_folder, path) = folder();
        let mut program = gleaner(&["crawl", "books", flag, value]);
        let store = sqlite(&path);
        for usual in [["--store", &store], ["--base-url", "http://127.0.0.1:9"]] {
            program = if usual[0] == flag { program } else { program.args(&usual) };
        }
        let ended = program.run();
        assert!(ended.code == 2, "{flag} {value}: {ended:?}");
        assert!(!ended.err.is_empty() && !ended.err.contains("panicked"), "{}", ended.err);
        keeps_quiet(&ended);
    }
}

#[test]
fn help_does_not_show_values_of_variables() {
    let mut program = gleaner(&["crawl", "--help"]);
    for variable in ["GLEANER_STORE", "GLEANER_BASE_URL", "GLEANER_PROXY", "GLEANER_HEADERS"] {
        program = program.env(variable, "https://me:s3cret@h/db");
    }
    let ended = program.run().with(0);
    assert!(ended.out.contains("GLEANER_PROXY"));
    keeps_quiet(&ended);
}

/// What the tests below send and hear again, each 8 characters or more.
const ECHOED: [(&str, &str); 4] = [
    ("authorization", "Bearer s3cret/Bearer+token=="),
    ("x-api-key", "s3cret-\"key\"-of-header"),
    ("cookie", "lang=en; sid=s3cret-cookie"),
    ("x-session-token", "S3CRETSESSIONVALUE"),
];

/// All that may stand for one of them, in small letters: as it is, percent-encoded, in base64.
fn forms() -> Vec<String> {
    let raw = ["s3cret", "s3cretsessionvalue"].map(str::to_owned);
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let whole = ECHOED.map(|(_, value)| encode(value).trim_end_matches('=').to_owned());
    let basic = ["me:s3cret-site", "me:s3cret-proxy"].map(encode);
    raw.into_iter().chain(whole).chain(basic).map(|form| form.to_ascii_lowercase()).collect()
}

fn tells_nothing(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text).to_ascii_lowercase();
    for form in forms() {
        let at = text.find(&form).unwrap_or(0);
        let around: String = text[at.saturating_sub(80)..].chars().take(200).collect();
        assert!(!text.contains(&form), "{what} has {form}: …{around}");
    }
}

/// Small letters in the escapes, as some servers write them.
fn percent_encoded(text: &str) -> String {
    let byte = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02x}"),
    };
    text.bytes().map(byte).collect()
}

/// A site that repeats what it was sent wherever it can.
fn echo() -> Served {
    Served::start(|asked| {
        let names = ["authorization", "x-api-key", "cookie", "x-session-token"];
        let sent: Vec<&str> = names.iter().map(|name| asked.header(name)).collect();
        let (raw, in_url) = (sent.join(" "), percent_encoded(&sent.join("&")));
        let in_base64 = base64::engine::general_purpose::STANDARD.encode(format!("you sent {raw}"));
        let one = percent_encoded(sent[1]);
        match asked.path.as_str() {
            "/robots.txt" => Answer::not_found(),
            "/l" => {
                let keys = [
                    "away", "own", "error", "html", "type", "coding", "field", "json", "base64",
                    "cut", "loop",
                ];
                let items = keys.map(|key| serde_json::json!({ "id": key }));
                Answer::json(
                    &serde_json::json!({ "r": items, "next": format!("/more?seen={one}") }),
                )
            }
            "/more" => {
                Answer::json(&serde_json::json!({ "r": [{ "id": { "a": raw } }], "next": null }))
            }
            "/d/away" => Answer::text(raw)
                .status(302)
                .header("location", &format!("http://other.test/{in_url}?{one}")),
            "/d/own" => Answer::text(raw)
                .status(302)
                .header("location", &format!("/x/{one}?jwt={one}&q={in_url}")),
            "/d/loop" => {
                Answer::text(raw).status(302).header("location", &format!("/d/loop?{one}"))
            }
            "/d/error" => Answer::text(format!("you sent {raw}")).status(500),
            "/d/html" => Answer::html(format!("<html>{raw}")),
            "/d/type" => Answer::body(raw, &format!("text/{}", sent[3])),
            "/d/coding" => Answer::text(raw.clone()).header("content-encoding", sent[3]),
            "/d/field" => Answer::json(&serde_json::json!({ "n": raw })),
            "/d/json" => Answer::body(format!("{{{raw}"), "application/json"),
            "/d/base64" => Answer::text(in_base64).status(500),
            // The sample ends in the middle of a credential.
            "/d/cut" => Answer::text(format!("{}{}", "x".repeat(2048 - 12), sent[3])).status(500),
            _ => Answer::text(raw).status(500),
        }
    })
}

fn echo_file(folder: &Path, url: &str) -> String {
    let file = folder.join("echo.toml");
    let url = url.replace("http://", "http://me:s3cret-site@");
    let text = format!(
        "name = \"echo\"\nbase_url = \"{url}\"\nformat = \"json\"\n[index]\nurl = \"/l\"\nitems = \"$.r[*]\"\nkey = \"$.id\"\npaging = {{ by = \"next\", select = \"$.next\" }}\n[detail]\nurl = \"/d/{{key}}\"\n[detail.fields]\nn = {{ select = \"$.n\", as = \"integer\", required = true }}\n"
    );
    std::fs::write(&file, text).expect("the file is written");
    file.display().to_string()
}

fn with_headers(program: Program) -> Program {
    let lines = ECHOED.map(|(name, value)| format!("{name}: {value}"));
    program.env("GLEANER_HEADERS", &lines.join("\n")).env("RUST_LOG", "trace")
}

#[test]
fn x2_a_site_that_echoes_requests_leaks_no_credential() {
    let (site, out) = (echo(), tempfile::tempdir().expect("a folder"));
    let (settings, _) = folder();
    let file = echo_file(settings.path(), site.url());
    let at = |name: &str| out.path().join(name).display().to_string();
    let store = format!("sqlite:{}", at("echo.db"));
    let run = ["crawl", &file, "--store", &store, "--retries", "0", "--block-after", "1000"];
    let files = ["--report", &at("report.json"), "--log-file", &at("log")];
    let ended = with_headers(gleaner(&run).args(&files)).run().with(3);
    let sent = site.requests();
    assert!(sent.iter().any(|it| it.header("x-api-key") == ECHOED[1].1), "{sent:?}");
    tells_nothing("standard error", ended.err.as_bytes());
    for form in ["text", "json"] {
        let ended = with_headers(gleaner(&run).args(&["--fresh", "--log-format", form])).run();
        tells_nothing(form, ended.with(3).err.as_bytes());
    }
    for entry in std::fs::read_dir(out.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        tells_nothing(&path.display().to_string(), &std::fs::read(&path).expect("a file"));
    }
    let failures = gleaner(&["failures", &file, "--store", &store, "--sample"]).run().with(0);
    assert!(failures.out.contains("***"), "{}", failures.out);
    for more in [&["check", &file][..], &["check", &file, "--json"]] {
        let ended = with_headers(gleaner(more)).run();
        tells_nothing(more[0], (ended.out + &ended.err).as_bytes());
    }
    for page in ["away", "own", "type", "coding", "error", "loop"] {
        let url = format!("{}/d/{page}", site.url().replace("http://", "http://me:s3cret-site@"));
        let ended = with_headers(gleaner(&["fetch", &url])).run();
        tells_nothing(page, ended.err.as_bytes());
        let ended = with_headers(gleaner(&["tune", &url, "--max-requests", "40"])).run();
        tells_nothing(page, (ended.out + &ended.err).as_bytes());
    }
}

#[test]
fn x2_a_key_that_repeats_a_credential_is_kept_as_it_is_and_not_printed() {
    let site = Served::start(|asked| match asked.path.as_str() {
        "/robots.txt" => Answer::not_found(),
        "/l" => Answer::json(&serde_json::json!({ "r": [{ "id": format!("k{}", ECHOED[1].1) }] })),
        _ => Answer::text("no".to_owned()).status(500),
    });
    let (folder, path) = folder();
    let file = echo_file(folder.path(), site.url());
    let store = sqlite(&path);
    let run = ["crawl", &file, "--store", &store, "--retries", "0"];
    with_headers(gleaner(&run)).run();
    for more in [&[][..], &["--json"], &["--sample"]] {
        let list = ["failures", &file, "--store", &store];
        let ended = with_headers(gleaner(&list)).args(more).run().with(0);
        assert!(ended.out.contains("k***"), "{}", ended.out);
        tells_nothing("failures", (ended.out + &ended.err).as_bytes());
    }
}

#[test]
fn x2_a_proxy_that_echoes_requests_leaks_no_credential() {
    let proxy = Served::start(|asked| {
        let sent = asked.header("proxy-authorization");
        Answer::text(format!("denied: {sent} {}", percent_encoded(sent))).status(407)
    });
    let url = proxy.url().replace("http://", "http://me:s3cret-proxy@");
    for in_environment in [false, true] {
        let (folder, path) = folder();
        let to = folder.path().join("report.json").display().to_string();
        let more = ["--retries", "0", "--robots", "off", "--report", &to];
        let program = crawl("http://books.test", &sqlite(&path), &more).env("RUST_LOG", "trace");
        let ended = match in_environment {
            false => program.args(&["--proxy", &url]).run(),
            true => program.env("HTTP_PROXY", &url).run(),
        };
        assert!(proxy.requests().iter().all(|it| it.header("proxy-authorization").len() > 9));
        tells_nothing("standard error", ended.err.as_bytes());
        for entry in std::fs::read_dir(folder.path()).expect("the folder") {
            let file = entry.expect("an entry").path();
            tells_nothing(&file.display().to_string(), &std::fs::read(&file).expect("a file"));
        }
    }
}

#[test]
fn x2_documents_are_stored_as_sent_though_they_repeat_a_credential() {
    let site = Served::start(|asked| match asked.path.as_str() {
        "/l" => Answer::json(&serde_json::json!({ "r": [{ "id": 1 }] })),
        _ => Answer::json(&serde_json::json!({ "n": 1, "m": asked.header("x-api-key") })),
    });
    let (folder, path) = folder();
    let file = echo_file(folder.path(), site.url());
    let text =
        super::read(file.as_ref()).replace("[detail.fields]", "[detail.fields]\nm = \"$.m\"");
    let text = text.replace("paging = { by = \"next\", select = \"$.next\" }\n", "");
    std::fs::write(&file, text).expect("the file is written");
    let store = sqlite(&path);
    with_headers(gleaner(&["crawl", &file, "--store", &store])).run().with(0);
    let exported = gleaner(&["export", &file, "--store", &store]).run().with(0).out;
    let document: serde_json::Value = serde_json::from_str(&exported).expect("a document");
    assert_eq!(document["m"], ECHOED[1].1);
}

#[test]
fn x2_urls_that_are_stored_have_no_credential() {
    let site = Served::start(|asked| {
        let one = percent_encoded(asked.header("x-api-key"));
        let item = |id: u32| serde_json::json!({ "id": id, "n": id });
        match asked.path.as_str() {
            "/l" => Answer::json(
                &serde_json::json!({ "r": [item(1)], "next": format!("/more?seen={one}") }),
            ),
            "/more" => Answer::json(&serde_json::json!({ "r": [item(2)], "next": null })),
            path @ ("/d/1" | "/d/2") => Answer::text(String::new())
                .status(302)
                .header("location", &format!("{path}/{one}?seen={one}")),
            _ => Answer::json(&item(3)),
        }
    });
    let (settings, _) = folder();
    let file = echo_file(settings.path(), site.url());
    let text = super::read(file.as_ref());
    let (of_list, _) = text.split_once("[detail]").expect("a detail");
    for (text, hidden) in [(&*text, 2), (of_list, 1)] {
        std::fs::write(&file, text).expect("the file is written");
        let (folder, path) = folder();
        let store = sqlite(&path);
        with_headers(gleaner(&["crawl", &file, "--store", &store])).run().with(0);
        let exported = gleaner(&["export", &file, "--store", &store, "--meta"]).run().with(0).out;
        let urls = exported.lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).expect("a document");
            line["url"].as_str().expect("a URL").to_owned()
        });
        let urls: Vec<String> = urls.collect();
        assert_eq!(urls.iter().filter(|url| url.contains("***")).count(), hidden, "{urls:?}");
        for entry in std::fs::read_dir(folder.path()).expect("the folder") {
            let path = entry.expect("an entry").path();
            tells_nothing(&path.display().to_string(), &std::fs::read(&path).expect("a file"));
        }
    }
}

#[test]
fn x2_errors_contain_no_credentials() {
    let site = Served::start(|asked| {
        let one = percent_encoded(asked.header("x-api-key"));
        let away = format!("http://other.test/{one}?seen={one}");
        Answer::text(String::new()).status(302).header("location", &away)
    });
    let (settings, _) = folder();
    let file = echo_file(settings.path(), site.url());
    let (folder, path) = folder();
    let to = folder.path().join("report.json");
    let program = gleaner(&["crawl", &file, "--store", &sqlite(&path), "--robots", "off"]);
    let ended = with_headers(program.args(&["--report", to.to_str().expect("UTF-8")])).run();
    let ended = ended.with(1);
    let last = ended.err.lines().last().expect("a line");
    assert!(last.contains("a redirect leads to http://other.test/***"), "{last}");
    tells_nothing("standard error", ended.err.as_bytes());
    for entry in std::fs::read_dir(folder.path()).expect("the folder") {
        let path = entry.expect("an entry").path();
        tells_nothing(&path.display().to_string(), &std::fs::read(&path).expect("a file"));
    }
}
