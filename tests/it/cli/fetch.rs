//! `gleaner fetch`: the request as asked for, the answer as it came, and an exit code.

use std::fs::File;
use std::net::TcpListener;

use gleaner::demo::Fault;
use serde_json::{Value, json};

use super::program::{Ended, Program, gleaner};
use super::{folder, site};
use crate::served::{Answer, Served};
use crate::tls::Tls;

fn fetch(url: &str, more: &[&str]) -> Program {
    gleaner(&["fetch", url]).args(more)
}

/// A site that answers with what it was asked.
fn mirror() -> Served {
    Served::start(|asked| {
        let text = String::from_utf8_lossy(&asked.body);
        Answer::json(&json!({
            "method": asked.method, "path": asked.path, "query": asked.query, "body": text,
            "type": asked.header("content-type"), "agent": asked.header("user-agent"),
            "token": asked.header("x-token"),
        }))
    })
}

fn mirrored(url: &str, more: &[&str]) -> Value {
    serde_json::from_str(&fetch(url, more).run().with(0).out).expect("JSON")
}

#[test]
fn the_answer_goes_to_standard_output_byte_by_byte_and_the_rest_elsewhere() {
    let body = "{\"b\": 12345678901234567890123, \"a\":1.10}\n";
    let served = Served::start(move |_| {
        let cookies = Answer::body(body, "application/json").header("set-cookie", "a=1");
        cookies.header("set-cookie", "b=\u{e9}2")
    });
    let url = format!("{}/x?y=1", served.url());
    let ended = fetch(&url, &[]).run().with(0);
    assert_eq!(ended.out, body);
    let first = format!("GET {url}\nHTTP/1.1 200 OK\n  content-type: application/json\n");
    let ended = ended.tells(&[&first, "  set-cookie: a=1\n", "  set-cookie: b=é2\n"]);
    ended.tells(&["connection ", " ms · head after ", &format!("{} bytes decoded", body.len())]);
    let quiet = fetch(&url, &["-q"]).run().with(0);
    assert_eq!((&*quiet.out, &*quiet.err), (body, ""));
}

#[test]
fn p8_what_the_site_sends_does_not_reach_the_terminal_raw() {
    let served = Served::start(|_| Answer::text("\u{1b}[2J".to_owned()).header("x-a", "\u{9b}2J"));
    let ended = fetch(served.url(), &[]).run().with(0);
    assert!(ended.err.contains("x-a: \\u{9b}2J"), "{}", ended.err);
    assert!(ended.out.contains('\u{1b}'), "a pipe gets the bytes");
}

#[test]
fn the_request_is_what_the_arguments_say() {
    let served = mirror();
    let url = format!("{}/a?x=1#part", served.url());
    let got = mirrored(&url, &["--param", "q=a b&c", "--param", "q2=ü=", "--header", "X-Token: t"]);
    assert_eq!(got["query"], json!({"x": "1", "q": "a b&c", "q2": "ü="}));
    assert_eq!(
        (&got["method"], &got["token"], &got["body"]),
        (&"GET".into(), &"t".into(), &"".into())
    );
    assert!(got["agent"].as_str().is_some_and(|agent| agent.starts_with("gleaner/")), "{got}");
    let got = mirrored(&url, &["--form", "a=1", "--form", "b=x y", "--user-agent", "me"]);
    let form = "application/x-www-form-urlencoded";
    assert_eq!((&got["method"], &got["type"]), (&"POST".into(), &form.into()));
    assert_eq!((&got["body"], &got["agent"]), (&"a=1&b=x+y".into(), &"me".into()));
    let got = mirrored(&url, &["--json", "{\"a\": 1.0}", "--method", "put"]);
    assert_eq!((&got["method"], &got["type"]), (&"PUT".into(), &"application/json".into()));
    assert_eq!(got["body"], "{\"a\": 1.0}");
    let got = mirrored(&url, &["--data", "<x/>", "--header", "Content-Type: text/xml"]);
    assert_eq!((&got["type"], &got["body"]), (&"text/xml".into(), &"<x/>".into()));
    let head = fetch(&url, &["--method", "HEAD"]).run().with(0);
    assert!(head.out.is_empty() && served.requests().last().is_some_and(|it| it.method == "HEAD"));
}

#[test]
fn a_body_may_come_from_a_file_or_standard_input() {
    let served = mirror();
    let (folder, _) = folder();
    let path = folder.path().join("body");
    std::fs::write(&path, "[1,\n2]\n").expect("the file is written");
    let name = format!("@{}", path.display());
    assert_eq!(mirrored(served.url(), &["--json", &name])["body"], "[1,\n2]\n");
    let stdin = File::open(&path).expect("the file opens").into();
    let ended = fetch(served.url(), &["--data", "@-"]).stdin(stdin).run().with(0);
    assert!(ended.out.contains(r#""body":"[1,\n2]\n""#), "{}", ended.out);
    fetch(served.url(), &["--data", "@no/such"]).run().with(2).tells(&["--data: no/such: "]);
}

#[test]
fn redirects_are_shown_and_other_hosts_are_not_requested() {
    let demo = site(3);
    let key = demo.keys().remove(0);
    let url = format!("{}/api/book/{key}", demo.url());
    let ended = fetch(&url, &[]).run().with(0).tells(&[&format!("  301 {url} → {url}/\n")]);
    assert!(ended.out.contains(&key));
    demo.fault(Fault::on("/away").redirect("http://elsewhere.test/there?token=s3cret"));
    let ended = fetch(&format!("{}/away", demo.url()), &["-q"]).run().with(0);
    ended.tells(&[
        "redirect to http://elsewhere.test/there?token=*** not followed",
        "fetch that URL directly",
    ]);
    demo.fault(Fault::on("/round").redirect("/round"));
    fetch(&format!("{}/round", demo.url()), &[]).run().with(1).tells(&["10 redirects"]);
}

#[test]
fn exit_codes_tell_an_answer_from_none() {
    let demo = site(1);
    let missing = fetch(&format!("{}/none", demo.url()), &["-q"]).run().with(3);
    assert_eq!(missing.out, "{\"detail\":\"Not found.\"}");
    assert_eq!(missing.err, "error: the site answered 404 Not Found\n");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    fetch(&format!("http://{port}/"), &[]).run().with(1).tells(&["no connection", "refused"]);
    demo.fault(Fault::on("/slow").delay(std::time::Duration::from_secs(30)));
    let slow = format!("{}/slow", demo.url());
    fetch(&slow, &["--timeout", "200ms"]).run().with(1).tells(&["no answer in time"]);
    fetch(&slow, &["--timeout", "soon"]).run().with(2).tells(&["--timeout"]);
}

#[test]
fn each_match_is_printed_on_a_line() {
    let demo = site(3);
    demo.fault(Fault::on("/page").body("text/html", "<p>a <b>b</b><p><a href=/c>c</a>"));
    let at = |path: &str, more: &[&str]| fetch(&format!("{}{path}", demo.url()), more);
    let ids: String = demo.keys().iter().map(|key| format!("\"{key}\"\n")).collect();
    let ended = at("/api/book/", &["--select", "$.results[*].id"]).run().with(0);
    assert_eq!(ended.tells(&["3 found\n"]).out, ids);
    assert_eq!(at("/page", &["--select", "p"]).run().with(0).out, "a b\nc\n");
    let links = at("/page", &["-q", "--select", "a::attr(href)"]).run().with(0);
    assert_eq!((&*links.out, &*links.err), ("/c\n", ""));
    at("/page", &["--select", "h1"]).run().with(3).tells(&["nothing matches h1"]);
    at("/page", &["--select", "$.a"]).run().with(3).tells(&["--format json"]);
    at("/page", &["--select", "$.["]).run().with(2).tells(&["--select", "JSONPath"]);
    let head = at("/page", &["--select", "p", "--method", "HEAD"]).run();
    head.with(2).tells(&["no body"]);
}

#[test]
fn an_invalid_request_is_a_usage_error() {
    for (arguments, told) in [
        (&["example.com/x"][..], "write https://example.com/x"),
        (&["localhost:80/x"], "write https://localhost:80/x"),
        (&["ftp://h/"], "neither http nor https"),
        (&["http://h/", "--json", "{a"], "--json: not valid JSON"),
        (&["http://h/", "--json", "{}", "--data", "x"], "--data"),
        (&["http://h/", "--form", "a=1", "--json", "{}"], "--form"),
        (&["http://h/", "--form", "a"], "--form: number 1"),
        (&["http://h/", "--header", "no colon"], "--header"),
        (&["http://h/", "--proxy", "ftp://h"], "--proxy"),
        (&["http://h/", "--method", "BREW"], "--method"),
    ] {
        gleaner(&["fetch"]).args(arguments).run().with(2).tells(&[told]);
    }
}

#[test]
fn secrets_are_sent_and_not_shown() {
    let served = mirror();
    let keeps_quiet = |ended: &Ended| assert!(!ended.err.contains("s3cret"), "{}", ended.err);
    let url = served.url().replace("http://", "http://me:s3cret@");
    let url = format!("{url}/x?token=s3cret");
    let more = ["--header", "X-Token: s3cret", "--param", "api_key=s3cret", "--data", "s3cret"];
    for level in ["info", "trace"] {
        let ended = fetch(&url, &more).env("RUST_LOG", level).run().with(0);
        keeps_quiet(&ended);
    }
    let asked = served.requests().remove(0);
    assert_eq!((asked.header("x-token"), &*asked.query["api_key"]), ("s3cret", "s3cret"));
    assert!(asked.header("authorization").starts_with("Basic "));
    for bad in ["me:s3cret@h/x", "ftp://me:s3cret@h", "http://me:s3cret@h:port/"] {
        keeps_quiet(&gleaner(&["fetch", bad]).run().with(2));
    }
    for bad in ["--param", "--form", "--json"] {
        keeps_quiet(&fetch("http://h/", &[bad, "s3cret"]).run().with(2));
    }
}

#[test]
fn a_closed_stdout_ends_the_command_quietly() {
    let demo = site(1);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let ended = fetch(&format!("{}/api/book/", demo.url()), &["-q"]).stdout(writer.into()).run();
    assert_eq!(ended.with(141).err, "");
}

#[test]
fn tls_trusts_whom_the_system_does_and_asks_it_only_then() {
    let ((folder, _), site) = (folder(), Tls::start(r#"{"a":1}"#));
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let (vouched, none) = (write("own.pem", &site.certificate), write("none.pem", ""));
    let trusting =
        |url: &str, certificates: &str| fetch(url, &[]).env("SSL_CERT_FILE", certificates);
    let ended = trusting(&site.url, &vouched).run().with(0);
    assert_eq!(ended.out, r#"{"a":1}"#);
    let compiled_in = "no certificates of its own; the compiled-in ones are used";
    trusting(&site.url, &none).run().with(1).tells(&[compiled_in, "UnknownIssuer"]);
    let ended = trusting(mirror().url(), &none).run().with(0);
    assert!(!ended.err.contains(compiled_in), "{}", ended.err);
}
