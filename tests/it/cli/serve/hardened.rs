//! Whom the server refuses, and what it bears.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::super::program::{crawl, gleaner};
use super::super::{folder, site, sqlite};
use super::Server;
use super::asked::Asking;
use crate::served::{Answer, Served};

/// All paths of a server whose store has the site `books`.
const PATHS: [&str; 10] = [
    "/",
    "/sites/books",
    "/api/v1/status",
    "/api/v1/sites/books",
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/v1/openapi.json",
    "/style.css",
    "/nothing",
];

#[test]
fn a_strange_host_is_refused_on_every_path() {
    let (_folder, path) = folder();
    let server = Server::with(&sqlite(&path), &["--listen-host", "watch.example"]);
    for path in PATHS {
        for (headers, status) in [
            ("Host: evil.example\r\n", 421),
            ("Host: evil.example:9640\r\n", 421),
            ("Host: \r\n", 421),
            ("", 400),
            ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ] {
            let answered = server.address.request("GET", path, headers).with(status);
            assert!(!answered.body.contains("books"), "{path} {headers}: {}", answered.body);
        }
    }
    let absolute = server.address.request("GET", "http://evil.example/", "Host: localhost\r\n");
    absolute.with(421);
    for host in ["watch.example", "Watch.Example:80", "localhost:1", "127.0.0.1", "[::1]:9640"] {
        server.address.request("GET", "/healthz", &format!("Host: {host}\r\n")).with(200);
    }
    server.stop();
}

#[test]
fn only_get_and_head_without_a_body_are_answered() {
    let (_folder, path) = folder();
    let server = Server::of(&sqlite(&path));
    for path in PATHS {
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"] {
            let answered = server.address.request(method, path, "Host: localhost\r\n").with(405);
            assert_eq!(answered.header("allow"), "GET, HEAD", "{method} {path}");
        }
        let head = server.address.request("HEAD", path, "Host: localhost\r\n");
        let get = server.get(path);
        assert_eq!((head.status, &*head.body), (get.status, ""), "{path}");
    }
    let length = "Host: localhost\r\nContent-Length: 1000000000\r\n";
    server.address.request("GET", "/", length).with(413);
    let chunked = "Host: localhost\r\nTransfer-Encoding: chunked\r\n";
    server.address.request("GET", "/", chunked).with(413);
    server.stop();
}

#[test]
fn every_answer_has_the_headers_that_keep_a_browser_strict() {
    let (_folder, path) = folder();
    crawl(site(3).url(), &sqlite(&path), &[]).run().with(0);
    let server = Server::of(&sqlite(&path));
    for path in PATHS {
        let host = ["Host: localhost\r\n", "Host: evil.example\r\n"];
        for (method, headers) in [("GET", host[0]), ("POST", host[0]), ("GET", host[1])] {
            let headers = format!("{headers}Origin: http://evil.example\r\n");
            let answered = server.address.request(method, path, &headers);
            let policy = answered.header("content-security-policy");
            assert!(policy.starts_with("default-src 'none'; "), "{path}: {policy}");
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
            assert_eq!(answered.header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(answered.header("cache-control"), "no-store", "{path}");
            assert_eq!(answered.header("referrer-policy"), "no-referrer", "{path}");
            let head = answered.head.to_ascii_lowercase();
            assert!(!head.contains("access-control") && !head.contains("set-cookie"), "{head}");
        }
    }
    server.stop();
}

#[test]
fn a_head_of_over_8_kib_is_refused() {
    let (_folder, path) = folder();
    let server = Server::of(&sqlite(&path));
    let headers = |length: usize| format!("Host: localhost\r\nX-Long: {}\r\n", "x".repeat(length));
    server.address.request("GET", "/healthz", &headers(7_000)).with(200);
    server.address.request("GET", "/healthz", &headers(9_000)).with(431);
    server.address.request("GET", "/healthz", &headers(10_000_000)).with(431);
    let many: String = (0..500).map(|at| format!("X-{at}: 1\r\n")).collect();
    server.address.request("GET", "/healthz", &format!("Host: localhost\r\n{many}")).with(431);
    let long = format!("/{}", "x".repeat(9_000));
    let answered = server.get(&long);
    assert!([414, 431].contains(&answered.status), "{answered:?}");
    server.get("/healthz").with(200);
    server.stop();
}

/// Sends a request, byte for byte, slower than it may.
#[test]
fn connections_that_say_nothing_or_too_slowly_are_closed() {
    let (_folder, path) = folder();
    let program = gleaner(&["serve", "--store", &sqlite(&path), "--listen", "127.0.0.1:0"]);
    let server = Server::started(program.env("GLEANER_TEST_SERVE", "500ms"));
    let mut silent = server.address.connect();
    let mut slow = server.address.connect();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: loc").expect("it is taken");
    let mut kept = server.address.connect();
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("it is taken");
    let begun = Instant::now();
    let mut all = Vec::new();
    for stream in [&mut silent, &mut slow, &mut kept] {
        let _ = stream.read_to_end(&mut all);
    }
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(String::from_utf8_lossy(&all).contains("200 OK"), "an answer comes before");
    server.stop();
}

#[test]
fn a_thousand_connections_are_borne_and_others_are_answered_after_them() {
    let (_folder, path) = folder();
    let program = gleaner(&["serve", "--store", &sqlite(&path), "--listen", "127.0.0.1:0"]);
    let server = Server::started(program.env("GLEANER_TEST_SERVE", "2s"));
    // The queue of the socket holds some; to connect to a full one takes long.
    let Asking::Tcp(address) = server.address else { panic!("a port") };
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(20)).ok();
    let streams: Vec<_> = (0..1_000).filter_map(|_| connect()).collect();
    assert!(streams.len() > 256, "{}", streams.len());
    let descriptors = format!("/proc/{}/fd", server.running.id());
    let open = std::fs::read_dir(descriptors).expect("a process").count();
    assert!(open < 300, "{open} descriptors");
    let begun = Instant::now();
    server.get("/healthz").with(200);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    drop(streams);
    server.get("/").with(503);
    server.stop();
}

#[test]
fn a_socket_in_the_file_system_is_served_and_what_a_killed_server_left_is_replaced() {
    let (folder, path) = folder();
    let socket = folder.path().join("gleaner.sock");
    let listen = format!("unix:{}", socket.display());
    let start = || {
        let program = gleaner(&["serve", "--store", &sqlite(&path), "--listen", &listen]);
        let running = program.start();
        running.says("; stop with Ctrl-C");
        Server { running, address: Asking::Unix(socket.clone()) }
    };
    let server = start();
    server.get("/healthz").with(200);
    server.address.request("GET", "/healthz", "Host: evil.example\r\n").with(421);
    let twice = gleaner(&["serve", "--store", &sqlite(&path), "--listen", &listen]);
    twice.run().with(1).tells(&["cannot listen on", "gleaner.sock"]);
    server.running.signal("KILL");
    server.running.end().with(137);
    assert!(socket.exists());
    let server = start();
    server.get("/healthz").with(200);
    server.stop();
    assert!(!socket.exists());
}

/// The site repeats the credential in everything that it answers.
#[test]
fn x2_a_credential_is_on_no_path() {
    let key = "s3cret-api-key-1234567890";
    let site = Served::start(move |asked| match asked.path.as_str() {
        "/robots.txt" => Answer::not_found(),
        "/l" => Answer::json(&serde_json::json!({ "r": [{ "id": format!("k{key}") }] })),
        _ => Answer::text(format!("<script>alert('{key}')</script>")).status(500),
    });
    let (folder, path) = folder();
    let file = folder.path().join("echo.toml");
    let text = format!(
        "name = \"echo\"\nbase_url = \"{}\"\n[index]\nurl = \"/l\"\nitems = \"$.r[*]\"\n\
         key = \"$.id\"\n[detail]\nurl = \"/d/{{key}}?token={key}\"\n",
        site.url()
    );
    std::fs::write(&file, text).expect("it is written");
    let store = sqlite(&path);
    let run = gleaner(&["crawl", &file.display().to_string(), "--store", &store]);
    run.args(&["--retries", "0"]).env("GLEANER_HEADERS", &format!("X-Api-Key: {key}")).run();
    let server = Server::of(&store);
    let page = super::until(&server, "/sites/echo", |it| it.status == 200).body;
    assert!(page.contains("***") && page.contains("&lt;script&gt;alert"), "{page}");
    let site = server.json("/api/v1/sites/echo");
    let id = site["sweeps"][0]["sweep"].as_str().expect("an id").to_owned();
    for path in [
        "/",
        "/sites/echo",
        &format!("/sites/echo/sweeps/{id}"),
        "/api/v1/status",
        "/api/v1/sites/echo",
        &format!("/api/v1/sites/echo/sweeps/{id}"),
        "/metrics",
        "/readyz",
        "/nothing",
    ] {
        let answered = server.get(path);
        let all = format!("{}\n{}", answered.head, answered.body);
        assert!(!all.contains("s3cret"), "{path}: {all}");
        // JSON is told as such: browsers run nothing in it.
        let is_json = answered.head.contains("content-type: application/json");
        assert!(is_json || !all.contains("<script>alert"), "{path}: {all}");
    }
    server.stop();
}
