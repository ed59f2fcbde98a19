//! Passwords and tokens go to where they belong and nowhere else.

use std::path::Path;

use gleaner::demo::{Demo, Fault};

use super::program::{Ended, crawl, gleaner};
use super::{folder, site, sqlite};

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
fn help_does_not_show_what_stands_in_variables() {
    let mut program = gleaner(&["crawl", "--help"]);
    for variable in ["GLEANER_STORE", "GLEANER_BASE_URL", "GLEANER_PROXY", "GLEANER_HEADERS"] {
        program = program.env(variable, "https://me:s3cret@h/db");
    }
    let ended = program.run().with(0);
    assert!(ended.out.contains("GLEANER_PROXY"));
    keeps_quiet(&ended);
}
