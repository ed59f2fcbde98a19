//! Connections that break the protocol, byte by byte. Whatever comes, the other items are stored
//! as the site has them, the bad one never is, and the reason says what was wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use gleaner::engine::error::CrawlError;
use gleaner::model::report::{Outcome, Report};

use super::raw::{BAD, ITEMS, RawSite, Step, answer, document};
use super::rig::{Rig, books_at, ended};
use crate::store_contract::backends::Sqlite;
use crate::store_contract::{KeptFailure, Ledger};
use crate::tls::Tls;

/// A way to break it, and reason and words of the failure that is kept where it is never mended.
struct Case {
    name: &'static str,
    steps: Vec<Step>,
    reason: &'static str,
    words: &'static str,
}

fn case(name: &'static str, steps: Vec<Step>, reason: &'static str, words: &'static str) -> Case {
    Case { name, steps, reason, words }
}

fn send(bytes: impl Into<Vec<u8>>) -> Step {
    Step::Send(bytes.into())
}

/// Time for a whole request where silence is to end it.
const LONG: Duration = Duration::from_secs(20);
/// Longer than two attempts take, and shorter than one of them where it has to wait for the other
/// limit than the one that it is about.
const IN_TIME: Duration = Duration::from_secs(15);

/// The site crawled, the bad page being bad the first `times` times.
pub(super) async fn crawled(
    steps: &[Step],
    times: u32,
    outcome: Outcome,
) -> (Report, Vec<KeptFailure>) {
    crawled_within(LONG, steps, times, outcome).await
}

/// The same, with so much time for a whole request.
async fn crawled_within(
    timeout: Duration,
    steps: &[Step],
    times: u32,
    outcome: Outcome,
) -> (Report, Vec<KeptFailure>) {
    let site = RawSite::start(steps, times).await;
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = books_at(&site.url);
    rig.settings.pace.retries = 1;
    rig.settings.client.read_timeout = Duration::from_secs(1);
    rig.settings.client.timeout = timeout;
    rig.settings.client.max_body = 64 << 10;
    let crawled = rig.crawl().await;
    let failures = rig.backend.failures().await;
    assert_eq!(crawled.report.outcome, outcome, "{failures:#?}");
    let report = ended(crawled, outcome);
    let is_stored = |key: &String| outcome == Outcome::Complete || key != BAD;
    let keys = (1..=ITEMS).map(|key| key.to_string()).filter(is_stored);
    let served: BTreeMap<String, serde_json::Value> = keys
        .map(|key| (key.clone(), serde_json::from_str(&document(&key)).expect("JSON")))
        .collect();
    assert_eq!(rig.documents().await, served);
    (report, failures)
}

/// Each case once mended at the second attempt, and once never.
async fn hold(cases: Vec<Case>) {
    hold_within(LONG, cases).await;
}

/// The same, with so much time for a whole request.
async fn hold_within(timeout: Duration, cases: Vec<Case>) {
    let each = cases.iter().map(async |Case { name, steps, reason, words }| {
        eprintln!("{name}");
        let (report, failures) =
            crawled_within(timeout, steps, u32::MAX, Outcome::Incomplete).await;
        assert!(report.elapsed_s < IN_TIME.as_secs_f64(), "{name}: {} s", report.elapsed_s);
        assert_eq!((failures.len(), report.items.failed), (1, 1), "{name}: {failures:?}");
        let KeptFailure { page, reason: why, message, attempts, .. } = &failures[0];
        assert_eq!((page.as_str(), *attempts), (BAD, 2), "{name}: {message}");
        assert_eq!(why, reason, "{name}: {message}");
        assert!(message.contains(words), "{name}: {message}");
        let (report, failures) = crawled_within(timeout, steps, 1, Outcome::Complete).await;
        assert_eq!((failures.len(), report.items.new), (0, u64::from(ITEMS)), "{name}");
        assert!(report.requests.retried >= 1, "{name}: {report:#?}");
    });
    join_all(each).await;
}

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

#[tokio::test]
async fn w6_connections_that_are_reset_are_tried_again() {
    hold(vec![
        case("reset before an answer", vec![Step::Reset], "closed", "reset"),
        case("reset in the head", vec![send(HEAD), Step::Reset], "closed", "reset"),
        case(
            "reset in the body",
            vec![
                send(format!("{HEAD}Content-Length: 50\r\n\r\n{{\"id\":")),
                Step::Pause(Duration::from_millis(50)),
                Step::Reset,
            ],
            "body",
            "",
        ),
    ])
    .await;
}

#[tokio::test]
async fn w7_what_stalls_or_trickles_ends_in_time() {
    let pause = Duration::from_millis(50);
    hold(vec![
        case("stalls before the head", vec![Step::Wait], "timeout", ""),
        case(
            "stalls in the head",
            vec![send("HTTP/1.1 200 OK\r\nCont"), Step::Wait],
            "timeout",
            "",
        ),
        case(
            "stalls in the body",
            vec![send(format!("{HEAD}Content-Length: 50\r\n\r\n{{\"id\":")), Step::Wait],
            "timeout",
            "",
        ),
        case(
            "one byte at a time",
            vec![Step::Slowly(answer(&document(BAD)), pause)],
            "timeout",
            "",
        ),
        case(
            "interim answers for ever",
            vec![Step::ForEver(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".to_vec())],
            "timeout",
            "",
        ),
    ])
    .await;
}

/// Never silent for long, and so ended by the time for the whole request.
#[tokio::test]
async fn w7_a_body_that_trickles_ends_in_time() {
    let head = send(format!("{HEAD}Content-Length: 900\r\n\r\n"));
    let trickle = Step::Slowly(vec![b' '; 900], Duration::from_millis(50));
    let case = case("a body that trickles", vec![head, trickle], "timeout", "");
    hold_within(Duration::from_secs(2), vec![case]).await;
}

#[tokio::test]
async fn w7_what_is_slow_but_comes_is_stored() {
    let steps = [Step::Slowly(answer(&document(BAD)), Duration::from_millis(1)), Step::Keep];
    let (report, _) = crawled(&steps, u32::MAX, Outcome::Complete).await;
    assert_eq!((report.items.new, report.requests.retried), (u64::from(ITEMS), 0));
}

#[tokio::test]
async fn w8_bodies_that_break_off_are_never_stored() {
    let chunked = |rest: &str| send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{rest}"));
    let whole = document(BAD);
    let length = whole.len();
    hold(vec![
        case(
            "shorter than announced",
            vec![send(format!("{HEAD}Content-Length: 500\r\n\r\n{whole}"))],
            "body",
            "",
        ),
        case(
            "a chunk without a size",
            vec![chunked(&format!("zz\r\n{whole}\r\n0\r\n\r\n"))],
            "body",
            "",
        ),
        case("a chunk of no size at all", vec![chunked("ffffffffffffffffff\r\n{}")], "body", ""),
        case("no last chunk", vec![chunked(&format!("{length:x}\r\n{whole}\r\n"))], "body", ""),
        case(
            "a chunk cut short",
            vec![chunked(&format!("{:x}\r\n{whole}", length + 9))],
            "body",
            "",
        ),
    ])
    .await;
}

#[tokio::test]
async fn w9_what_has_no_end_is_cut() {
    let endless = |head: &str, piece: &str| {
        vec![send(format!("{HEAD}{head}\r\n")), Step::ForEver(piece.as_bytes().to_vec())]
    };
    let mut cases = Vec::new();
    for (name, steps, reason) in [
        ("until the end of the connection", endless("", &" ".repeat(4096)), "size"),
        (
            "in chunks",
            endless("Transfer-Encoding: chunked\r\n", &format!("400\r\n{}\r\n", " ".repeat(1024))),
            "size",
        ),
        (
            "as long as announced",
            endless("Content-Length: 99999999999\r\n", &" ".repeat(4096)),
            "size",
        ),
    ] {
        cases.push(async move {
            let (_, failures) = crawled(&steps, u32::MAX, Outcome::Incomplete).await;
            assert_eq!((&*failures[0].reason, failures[0].attempts), (reason, 1), "{name}");
        });
    }
    join_all(cases).await;
}

#[tokio::test]
async fn w9_a_head_without_end_is_cut() {
    let header = |length: usize| format!("{HEAD}X-Long: {}\r\n", "x".repeat(length));
    let many: String = (0..2000).map(|number| format!("X-{number}: 1\r\n")).collect();
    let cases = [
        ("a header of a megabyte", vec![send(header(1 << 20)), Step::Wait]),
        ("thousands of headers", vec![send(format!("{HEAD}{many}\r\n")), Step::Wait]),
        ("headers for ever", vec![send(HEAD), Step::ForEver(b"X-More: 1\r\n".repeat(500))]),
    ];
    let each = cases.iter().map(async |(name, steps)| {
        eprintln!("{name}");
        let (_, failures) = crawled(steps, u32::MAX, Outcome::Incomplete).await;
        let failure = &failures[0];
        assert_eq!((failures.len(), &*failure.page, &*failure.reason), (1, BAD, "size"), "{name}");
        assert!(failure.message.contains("more than 500 fields or 65536 bytes"), "{failure:?}");
        let (report, failures) = crawled(steps, 1, Outcome::Complete).await;
        assert_eq!((failures.len(), report.items.new), (0, u64::from(ITEMS)), "{name}");
    });
    join_all(each).await;
}

#[tokio::test]
async fn w8_what_is_no_answer_is_no_answer() {
    hold(vec![
        case("noise", vec![send([0, 159, 146, 150, 13, 10, 13, 10])], "closed", ""),
        case("a page without a head", vec![send(document(BAD))], "closed", ""),
        case("another protocol", vec![send("SSH-2.0-OpenSSH_9.6\r\n\r\n")], "closed", ""),
        case("a status of letters", vec![send("HTTP/1.1 abc OK\r\n\r\n")], "closed", ""),
        case("a version of its own", vec![send("HTTP/9.9 200 OK\r\n\r\n")], "closed", ""),
        case("a TLS alert", vec![send([21, 3, 3, 0, 2, 2, 40])], "closed", ""),
        case(
            "two lengths",
            vec![send(format!("{HEAD}Content-Length: 2\r\nContent-Length: 9\r\n\r\n{{}}"))],
            "closed",
            "",
        ),
        case("nothing", Vec::new(), "closed", ""),
    ])
    .await;
}

/// A second answer behind the one that was asked for is nobody's: not that of the next request.
#[tokio::test]
async fn w8_what_comes_unasked_for_is_no_answer_to_the_next_request() {
    let unasked = answer(r#"{"id":"666","name":"unasked for"}"#);
    let good = answer(&document(BAD));
    let at_once = vec![send([good.clone(), unasked.clone()].concat()), Step::Keep];
    let later = vec![send(good), Step::Pause(Duration::from_millis(1)), send(unasked), Step::Keep];
    for steps in [at_once, later] {
        let (report, failures) = crawled(&steps, 1, Outcome::Complete).await;
        assert_eq!((report.items.new, failures.len()), (u64::from(ITEMS), 0));
    }
}

/// What is kept of the list of a site that cannot be reached.
async fn out_of_reach(url: &str) -> KeptFailure {
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = books_at(url);
    rig.settings.pace.retries = 1;
    let ended = rig.crawl().await;
    assert!(matches!(ended.error, Some(CrawlError::NoList(_))), "{:?}", ended.error);
    rig.the_failure().await
}

#[tokio::test]
async fn w6_a_name_that_nobody_knows_is_a_failure_that_says_so() {
    // A name that there never is (RFC 6761).
    let failure = out_of_reach("http://no-such-host.invalid").await;
    assert_eq!((&*failure.reason, failure.attempts), ("connect", 2), "{failure:?}");
    assert!(failure.message.contains("lookup address"), "{failure:?}");
}

#[tokio::test]
async fn w6_what_speaks_no_tls_is_a_failure_that_says_so() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let noise = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let failure = out_of_reach(&url).await;
    noise.abort();
    assert_eq!((&*failure.reason, failure.attempts), ("connect", 2), "{failure:?}");
    assert!(failure.message.contains("InvalidContentType"), "{failure:?}");
}

#[tokio::test]
async fn w6_a_certificate_that_nobody_vouches_for_is_a_failure_that_says_so() {
    let failure = out_of_reach(&Tls::start("{}").url).await;
    assert_eq!((&*failure.reason, failure.attempts), ("connect", 2), "{failure:?}");
    assert!(failure.message.contains("UnknownIssuer"), "{failure:?}");
}
