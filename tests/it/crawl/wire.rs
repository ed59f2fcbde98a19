//! The wire: connections, bodies and redirects that go wrong.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use gleaner::demo::Fault;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::rig::{Rig, books_at, says};
use crate::store_contract::backends::{Mongodb, Sqlite};

/// A crawl of 20 items, of which number 3 fails as `fault` says each time it is asked for. Says
/// reason and message of the failure that is kept.
async fn given_up(fault: impl FnOnce(Fault) -> Fault, retries: u32) -> (String, String) {
    let mut rig = Rig::<Sqlite>::new(20).await;
    rig.settings.pace.retries = retries;
    rig.settings.client.read_timeout = Duration::from_millis(300);
    rig.settings.client.max_body = 1 << 20;
    rig.demo.fault(fault(Fault::on(rig.page(3))));
    let report = rig.incomplete().await;
    assert_eq!((report.items.new, report.items.failed), (19, 1));
    assert!(report.requests.retried >= u64::from(retries), "{report:#?}");
    let key = rig.demo.keys().remove(3);
    rig.lacks_only(&[&key]).await;
    let failure = rig.the_failure().await;
    assert_eq!((failure.page, failure.attempts), (key, retries + 1));
    (failure.reason, failure.message)
}

/// A crawl of 20 items, of which number 3 fails as `fault` says when it is first asked for.
async fn comes_through(fault: impl FnOnce(Fault) -> Fault) {
    let mut rig = Rig::<Mongodb>::new(20).await;
    rig.settings.client.read_timeout = Duration::from_millis(300);
    rig.demo.fault(fault(Fault::on(rig.page(3)).first(1)));
    let report = rig.complete().await;
    assert!(report.requests.retried >= 1, "{report:#?}");
    rig.equals_the_site().await;
}

#[tokio::test]
async fn w6_a_refused_connection_is_a_failure_that_says_so() {
    let mut rig = Rig::<Sqlite>::new(1).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    rig.site = books_at(&format!("http://{address}"));
    rig.settings.pace.retries = 1;
    let ended = rig.crawl().await;
    assert_eq!(ended.report.outcome.to_string(), "failed");
    says(&ended.report, &format!("http://{address}/api/book/?limit=18&offset=0: no connection"));
    let failure = rig.the_failure().await;
    assert_eq!((&*failure.reason, failure.status, failure.attempts), ("connect", None, 2));
    assert!(failure.message.contains("refused"), "{failure:?}");
}

#[tokio::test]
async fn w6_a_connection_that_is_hung_up_is_tried_again() {
    comes_through(Fault::hang_up).await;
    assert_eq!(given_up(Fault::hang_up, 1).await.0, "closed");
}

#[tokio::test]
async fn w7_a_body_that_stalls_ends_by_the_idle_timeout() {
    let begun = Instant::now();
    comes_through(|fault| fault.stall(50)).await;
    assert_eq!(given_up(|fault| fault.stall(50), 0).await.0, "timeout");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn w7_an_answer_that_does_not_come_is_a_timeout() {
    let late = Duration::from_secs(60);
    assert_eq!(given_up(|fault| fault.delay(late), 0).await.0, "timeout");
}

#[tokio::test]
async fn w8_a_cut_body_is_retried_and_never_stored() {
    for bytes in [0, 1, 200] {
        comes_through(|fault| fault.cut(bytes)).await;
    }
    assert_eq!(given_up(|fault| fault.cut(200), 1).await.0, "body");
}

#[tokio::test]
async fn w8_a_body_shorter_than_announced_is_retried_and_never_stored() {
    // Whole JSON, but the head announces more.
    let body = |fault: Fault| fault.body("application/json", r#"{"id":"x"}"#).cut(1_000);
    let longer = |fault: Fault| body(fault).header("Content-Length", "5000");
    comes_through(longer).await;
    assert_eq!(given_up(longer, 0).await.0, "body");
}

#[tokio::test]
async fn w8_truncated_gzip_is_retried_and_never_stored() {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    let text = format!(r#"{{"id":"x","text":"{}"}}"#, "words and more words, ".repeat(100));
    packer.write_all(text.as_bytes()).expect("packed");
    let mut packed = packer.finish().expect("packed");
    // All that was packed is there; what ends it and proves it is not.
    packed.truncate(packed.len() - 6);
    let broken = |fault: Fault| {
        let fault = fault.body("application/json", packed.clone());
        fault.header("Content-Encoding", "gzip")
    };
    comes_through(broken).await;
    assert_eq!(given_up(broken, 0).await.0, "body");
}

#[tokio::test]
async fn w9_an_endless_body_is_cut_at_the_cap() {
    let endless = |fault: Fault| fault.body("application/json", " ".repeat(10_000)).endless();
    let (reason, message) = given_up(endless, 0).await;
    assert_eq!(reason, "size");
    assert!(message.contains("1048576 bytes"), "{message}");
}

#[tokio::test]
async fn w9_a_decompression_bomb_is_cut_at_the_cap() {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(&vec![b' '; 8 << 20]).expect("packed");
    let packed = packer.finish().expect("packed");
    assert!(packed.len() < 20_000);
    let bomb = |fault: Fault| {
        fault.body("application/json", packed.clone()).header("Content-Encoding", "gzip")
    };
    assert_eq!(given_up(bomb, 0).await.0, "size");
}

#[tokio::test]
async fn w10_a_redirect_loop_is_bounded() {
    // To itself: an empty reference.
    let (reason, message) = given_up(|fault| fault.redirect(""), 0).await;
    assert_eq!((&*reason, &*message), ("redirect", "more than 10 redirects in a row"));
}

#[tokio::test]
async fn w10_redirects_elsewhere_are_refused() {
    for to in ["http://elsewhere.test/", "//10.0.0.1/", "http://localhost/", "file:///etc/passwd"] {
        let (reason, message) = given_up(|fault| fault.redirect(to), 0).await;
        assert_eq!(reason, "redirect", "{message}");
        let host = to.trim_end_matches('/').rsplit("//").next().expect("a host");
        assert!(message.contains(host), "{message}");
    }
}

/// Answers one request on each connection as if more were welcome, then closes it.
async fn answer_and_close(mut stream: TcpStream, upstream: String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).expect("UTF-8");
    let path = head.split_whitespace().nth(1).expect("a path");
    let answer = reqwest::get(format!("{upstream}{path}")).await.expect("an answer");
    let body = answer.text().await.expect("a body");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: keep-alive\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

#[tokio::test]
async fn w14_connections_closed_behind_our_back_cost_no_attempt() {
    let mut rig = Rig::<Sqlite>::new(60).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    rig.site = books_at(&format!("http://{}", listener.local_addr().expect("an address")));
    rig.settings.pace.retries = 0;
    let upstream = rig.demo.url().to_owned();
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_and_close(stream, upstream.clone()));
        }
    });
    let ended = rig.crawl().await;
    server.abort();
    assert_eq!(ended.report.outcome.to_string(), "complete", "{:#?}", ended.report);
    assert_eq!(ended.report.items.failed, 0);
    rig.equals_the_site().await;
}
