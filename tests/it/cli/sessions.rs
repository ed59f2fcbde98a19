//! Sites that want a login, from the command line: secrets from the environment, and where they may
//! be seen.

use std::path::Path;

use serde_json::{Value, json};

use super::program::{Ended, Program, gleaner};
use super::{folder, report, sqlite};
use crate::served::{Answer, Asked, Served};

/// Each secret holds this: those of the user, those of the site, and its cookies.
const SECRET: &str = "s3cret";

const SITE: &str = "name = 'mine'\nbase_url = 'http://127.0.0.1:9'\n\
    [session]\nurl = '/login'\ncookies = true\n\
    json = { user = '{env:GLEANER_SECRET_USER}', password = 'a:{env:GLEANER_SECRET_PASSWORD}' }\n\
    take = { token = '$.token' }\nheaders = { Authorization = 'Bearer {token}' }\n\
    [index]\nurl = '/list'\nquery = { k = '{env:GLEANER_SECRET_KEY}', page = '{page}' }\n\
    headers = { X-App = 'x {env:GLEANER_SECRET_KEY}' }\npaging = { by = 'page', last = 2 }\n\
    items = '$.rows[*]'\nkey = '$.id'\n\
    [detail]\nurl = '/item/{key}'\nrequire = ['$.name']\n";

/// A site that repeats everything it was sent and everything it gave out, on pages that fail.
fn site() -> Served {
    Served::start(|asked| match asked.path.as_str() {
        "/login" if asked.json() == json!({ "user": "s3cret-me", "password": "a:s3cret-pw" }) => {
            Answer::json(&json!({ "token": "s3cret/token" }))
                .header("set-cookie", "sid=s3cret-cookie; Path=/")
        }
        "/login" => echo(asked).status(401),
        _ if asked.header("authorization") != "Bearer s3cret/token"
            || asked.header("cookie") != "sid=s3cret-cookie" =>
        {
            echo(asked).status(401)
        }
        "/list" if asked.query["k"] == "s3cret-key" && asked.header("x-app") == "x s3cret-key" => {
            Answer::json(&json!({ "rows": [{ "id": "1" }, { "id": "2" }, { "id": "3" }] }))
        }
        "/item/1" => Answer::json(&json!({ "id": "1", "name": "n" })),
        // No page, no JSON, and a redirect.
        "/item/2" => echo(asked).status(400),
        "/item/3" => {
            let to = "http://elsewhere.test/?q=s3cret%2Ftoken".to_owned();
            echo(asked).status(302).header("location", &to)
        }
        _ => echo(asked),
    })
}

fn echo(asked: &Asked) -> Answer {
    let said = ["authorization", "cookie", "x-app"].map(|name| asked.header(name)).join(" ");
    let body = String::from_utf8_lossy(&asked.body).into_owned();
    Answer::html(format!("<p>{said} s3cret%2Ftoken {body} {}</p>", asked.raw_query))
}

fn with_secrets(program: Program) -> Program {
    program
        .env("GLEANER_SECRET_USER", "s3cret-me")
        .env("GLEANER_SECRET_PASSWORD", "s3cret-pw")
        .env("GLEANER_SECRET_KEY", "s3cret-key")
}

fn written(folder: &Path, text: &str) -> String {
    let path = folder.join("mine.toml");
    std::fs::write(&path, text).expect("the file is written");
    path.display().to_string()
}

fn keeps_quiet(ended: &Ended) {
    assert!(!ended.err.contains(SECRET), "{}", ended.err);
    assert!(!ended.out.contains(SECRET), "{}", ended.out);
}

fn folder_keeps_quiet(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("the file can be read");
        let found = bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        assert!(!found, "{} holds a secret", path.display());
    }
}

#[test]
fn x8_secrets_and_tokens_are_in_no_log_report_store_or_output() {
    let served = site();
    let (folder, store) = folder();
    let file = written(folder.path(), SITE);
    let in_folder = |name: &str| folder.path().join(name).display().to_string();
    let (at, store) = (["--base-url", served.url()], ["--store", &sqlite(&store)]);
    let said = ["--report", &in_folder("report.json"), "--log-file", &in_folder("log")];
    let crawl = gleaner(&["crawl", &file, "--retries", "0"]).args(&at).args(&store).args(&said);
    let ended = with_secrets(crawl).env("RUST_LOG", "trace").run().with(3);
    keeps_quiet(&ended);
    let items = report(Path::new(&in_folder("report.json")))["items"].clone();
    assert_eq!((&items["new"], &items["failed"]), (&json!(1), &json!(2)));
    let log = super::read(Path::new(&in_folder("log")));
    assert!(log.contains("logged in"), "{log}");
    folder_keeps_quiet(folder.path());
    // The failures, also without the secrets at hand.
    let failures = gleaner(&["failures", &file]).args(&store).run();
    keeps_quiet(&failures);
    assert!(failures.out.contains("/item/2"), "{}", failures.out);
    for command in ["check", "tune"] {
        let ended = with_secrets(gleaner(&[command, &file]).args(&at)).run();
        keeps_quiet(&ended);
    }
    let url = format!("{}/item/2", served.url());
    let fetch = gleaner(&["fetch", &url, "--site", &file]).args(&["--select", "i::text"]);
    // The site is another one by its file.
    let ended = with_secrets(fetch).run().with(2);
    ended.tells(&["--site: the URL is of another site"]);
}

#[test]
fn w29_fetch_makes_its_request_in_the_session_of_a_site_file() {
    let served = site();
    let (folder, _) = folder();
    let file = written(folder.path(), &SITE.replace("http://127.0.0.1:9", served.url()));
    let url = format!("{}/item/1", served.url());
    let ended = with_secrets(gleaner(&["fetch", &url, "--site", &file])).run().with(0);
    keeps_quiet(&ended);
    assert!(ended.out.contains("\"name\":\"n\""), "{}", ended.out);
    gleaner(&["fetch", &url]).run().with(3);
    gleaner(&["fetch", &url, "--site", &file]).run().with(2);
}

#[test]
fn x8_check_says_which_secrets_go_to_which_host_before_it_asks() {
    let served = site();
    let (folder, _) = folder();
    let elsewhere = SITE.replace("url = '/login'", "url = 'http://127.0.0.1:9/login'");
    let file = written(folder.path(), &elsewhere);
    let check = gleaner(&["check", &file, "--base-url", served.url(), "--json"]);
    let ended = with_secrets(check).run().with(1);
    keeps_quiet(&ended);
    let own = served.url().trim_start_matches("http://");
    let facts: Value = serde_json::from_str(&ended.out).expect("JSON");
    let secrets = json!({
        "127.0.0.1:9": ["GLEANER_SECRET_PASSWORD", "GLEANER_SECRET_USER"],
        own: ["GLEANER_SECRET_KEY"],
    });
    assert_eq!(facts["access"]["secrets"], secrets);
    assert_eq!(facts["access"]["headers"][own], json!(["authorization", "x-app"]));
    let rows: Vec<&str> = ended.err.lines().filter(|line| line.starts_with("secrets")).collect();
    assert_eq!(rows.len(), 2, "{}", ended.err);
    assert_eq!(served.count("/list"), 0, "without the session nothing is requested");
}

#[test]
fn x8_a_variable_that_is_not_set_is_a_usage_error_with_its_line() {
    let served = site();
    let (folder, store) = folder();
    let file = written(folder.path(), SITE);
    let store = sqlite(&store);
    for command in [
        &["crawl", &file, "--store", &store, "--base-url", served.url()][..],
        &["check", &file, "--base-url", served.url()],
        &["tune", &file, "--base-url", served.url()],
    ] {
        for value in [None, Some("")] {
            let program = gleaner(command).env("GLEANER_SECRET_USER", "s3cret-me");
            let program = value.iter().fold(program, |it, value| {
                it.env("GLEANER_SECRET_PASSWORD", value).env("GLEANER_SECRET_KEY", "x")
            });
            let ended = program.run().with(2);
            keeps_quiet(&ended);
            ended.tells(&[
                "mine.toml:6: the environment variable GLEANER_SECRET_PASSWORD is not set",
            ]);
        }
    }
    assert_eq!(served.count("/"), 0);
}

#[test]
fn w29_check_says_why_a_login_fails() {
    let served = site();
    let (folder, _) = folder();
    let file = written(folder.path(), SITE);
    let check = || gleaner(&["check", &file, "--base-url", served.url()]);
    let ended = with_secrets(check()).env("GLEANER_SECRET_PASSWORD", "s3cret-no").run().with(3);
    keeps_quiet(&ended);
    let flat = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("cannot log in at http"), "{flat}");
    assert!(flat.contains("the site answered 401"), "{flat}");
}
