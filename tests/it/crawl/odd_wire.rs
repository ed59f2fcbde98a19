//! Answers that are odd, and which curl and browsers read all the same: so do we, within bounds.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use futures_util::future::join_all;
use gleaner::model::report::Outcome;

use super::bad_wire::crawled;
use super::raw::{BAD, ITEMS, RawSite, Step, document};
use super::rig::{Rig, books_at, ended};
use crate::store_contract::Ledger;
use crate::store_contract::backends::Sqlite;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// The answer to the odd item's page with this body, and more in its head.
fn page(head: impl AsRef<[u8]>, body: &[u8]) -> Vec<u8> {
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    [HEAD.as_bytes(), head.as_ref(), length.as_bytes(), body].concat()
}

/// Each answer is read at the first attempt.
async fn read_at_once(cases: Vec<(&'static str, Vec<Step>)>) {
    read_after(0, cases).await;
}

/// Each answer is read like any other, after so many requests that were made again.
async fn read_after(retried: u64, cases: Vec<(&'static str, Vec<Step>)>) {
    let each = cases.iter().map(async |(name, steps)| {
        eprintln!("{name}");
        let (report, failures) = crawled(steps, u32::MAX, Outcome::Complete).await;
        let read = (report.items.new, report.requests.retried, failures.len());
        assert_eq!(read, (u64::from(ITEMS), retried, 0), "{name}");
    });
    join_all(each).await;
}

/// Each answer is refused at the first attempt, for this reason.
async fn refused(cases: Vec<(&'static str, Vec<Step>)>, reason: &str, words: &str) {
    let each = cases.iter().map(async |(name, steps)| {
        eprintln!("{name}");
        let (_, failures) = crawled(steps, u32::MAX, Outcome::Incomplete).await;
        let failure = &failures[0];
        assert_eq!((failures.len(), &*failure.page, &*failure.reason), (1, BAD, reason), "{name}");
        assert!(failure.message.contains(words), "{name}: {}", failure.message);
    });
    join_all(each).await;
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).expect("packed");
    packer.finish().expect("packed")
}

#[tokio::test]
async fn w16_gzip_in_two_members_raw_deflate_and_x_gzip_are_read_whole() {
    let whole = document(BAD);
    let (begin, end) = whole.as_bytes().split_at(9);
    let members = [gzip(begin), gzip(end)].concat();
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
    packer.write_all(whole.as_bytes()).expect("packed");
    let raw = packer.finish().expect("packed");
    let sent = |coding: &str, body: &[u8]| {
        vec![Step::Send(page(format!("Content-Encoding: {coding}\r\n"), body)), Step::Keep]
    };
    let packet = page("Content-Encoding: gzip\r\n", &members);
    let (first, second) = packet.split_at(packet.len() - gzip(end).len());
    let pause = Duration::from_millis(20);
    let apart = vec![
        Step::Send(first.to_vec()),
        Step::Pause(pause),
        Step::Send(second.to_vec()),
        Step::Keep,
    ];
    let transfer = format!("{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n{:x}\r\n", members.len());
    let transfer = [transfer.as_bytes(), &members, b"\r\n0\r\n\r\n"].concat();
    read_at_once(vec![
        ("two members at once", sent("gzip", &members)),
        ("two members, one after the other", apart),
        ("x-gzip", sent("x-gzip", &members)),
        ("raw deflate", sent("deflate", &raw)),
        ("deflate within gzip", sent("deflate, gzip", &gzip(&raw))),
        ("zeros behind the last member", sent("gzip", &[members.clone(), vec![0; 9]].concat())),
        ("a charset as a coding", sent("utf-8", whole.as_bytes())),
        ("gzip as a transfer coding", vec![Step::Send(transfer), Step::Keep]),
    ])
    .await;
}

#[tokio::test]
async fn w16_a_second_member_that_is_cut_short_is_a_failure() {
    let whole = document(BAD);
    let (begin, end) = whole.as_bytes().split_at(9);
    let members = [gzip(begin), gzip(end)].concat();
    let cut = page("Content-Encoding: gzip\r\n", &members[..members.len() - 3]);
    refused(vec![("cut short", vec![Step::Send(cut), Step::Keep])], "body", "").await;
}

#[tokio::test]
async fn w17_heads_that_browsers_and_curl_read_are_read() {
    let whole = document(BAD);
    let with = |head: &[u8]| vec![Step::Send(page(head, whole.as_bytes())), Step::Keep];
    let bare = String::from_utf8(page("", whole.as_bytes())).expect("text").replace('\r', "");
    let length = whole.len();
    let twice = format!("Content-Length: {length}\r\n");
    let no_reason = format!("HTTP/1.1 200\r\nContent-Length: {length}\r\n\r\n{whole}");
    read_at_once(vec![
        ("60 KiB", with(format!("X-Long: {}\r\n", "x".repeat(60 << 10)).as_bytes())),
        ("a blank in a name", with(b"X Powered By: me\r\n")),
        ("a blank before the colon", with(b"X-Powered-By : me\r\n")),
        ("a tab before the colon", with(b"X-Powered-By\t: me\r\n")),
        ("a folded field", with(b"X-Long: one\r\n two\r\n\tthree\r\n")),
        ("a control character in a value", with(b"X-Note: a\x01b\r\n")),
        ("a line without a colon", with(b"nonsense\r\n")),
        ("no name", with(b": me\r\n")),
        ("bytes beyond ASCII in a name", with("X-Gr\u{fc}n: me\r\n".as_bytes())),
        ("bytes beyond ASCII in a value", with(b"X-Note: gr\xfcn\r\n")),
        ("the same length twice", with(twice.as_bytes())),
        ("line feeds alone", vec![Step::Send(bare.into()), Step::Keep]),
        ("a status without a reason", vec![Step::Send(no_reason.into()), Step::Keep]),
    ])
    .await;
}

/// Room for them is made when the first one comes, which is asked for once more.
#[tokio::test]
async fn w17_heads_of_many_fields_are_read_without_an_attempt() {
    let many = |count: u32| {
        let fields = (0..count).map(|number| format!("Server-Timing: part{number};dur=1\r\n"));
        let head: String = fields.collect();
        vec![Step::Send(page(head, document(BAD).as_bytes())), Step::Keep]
    };
    read_after(1, vec![("110 fields", many(110)), ("490 fields", many(490))]).await;
}

/// The length of a body is what its end is known by, whatever form it has.
#[tokio::test]
async fn w17_an_odd_length_is_the_length_all_the_same() {
    let whole = document(BAD);
    let with = |field: String| {
        let bytes = format!("{HEAD}{field}\r\n{whole}");
        vec![Step::Send(bytes.into()), Step::Keep]
    };
    let length = whole.len();
    read_at_once(vec![
        ("a blank before the colon", with(format!("Content-Length : {length}\r\n"))),
        ("folded", with(format!("Content-Length:\r\n {length}\r\n"))),
        (
            "a field that is passed over before it",
            with(format!("no field\r\nContent-Length: {length}\r\n")),
        ),
    ])
    .await;
}

#[tokio::test]
async fn x6_a_head_beyond_64_kib_is_refused() {
    let whole = document(BAD);
    let with = |head: String| vec![Step::Send(page(head, whole.as_bytes())), Step::Keep];
    let value = "x".repeat(10_000);
    let several: String = (0..7).map(|number| format!("X-{number}: {value}\r\n")).collect();
    refused(
        vec![
            ("one field", with(format!("X-Long: {}\r\n", "x".repeat(300_000)))),
            ("several fields", with(several)),
        ],
        "size",
        "more than 500 fields or 65536 bytes",
    )
    .await;
}

/// What is asked for after the odd item's page said `301` with this `Location`.
async fn followed(location: &[u8]) -> Vec<String> {
    let head = [b"HTTP/1.1 301 Moved\r\nLocation: ", location, b"\r\nContent-Length: 0\r\n\r\n"];
    let site = RawSite::start(&[Step::Send(head.concat()), Step::Keep], 1).await;
    let mut rig = Rig::<Sqlite>::new(1).await;
    rig.site = books_at(&site.url);
    rig.settings.pace.retries = 0;
    let crawled = rig.crawl().await;
    assert!(rig.backend.failures().await.is_empty(), "{:?}", rig.backend.failures().await);
    assert_eq!(ended(crawled, Outcome::Complete).items.new, u64::from(ITEMS));
    site.paths().into_iter().filter(|path| path.contains("/3/") && path.len() > 13).collect()
}

#[tokio::test]
async fn w18_raw_bytes_in_location_are_asked_for_as_they_are() {
    for (location, asked) in [
        ("/api/book/ä/3/".as_bytes(), "/api/book/%C3%A4/3/"),
        (b"/api/book/\xe4/3/", "/api/book/%E4/3/"),
        ("\u{e9}/3/".as_bytes(), "/api/book/3/%C3%A9/3/"),
        (b"/api/book/%E4\xe4/3/", "/api/book/%E4%E4/3/"),
        (b"/api/book/\xd6l und \xc4pfel/3/", "/api/book/%D6l%20und%20%C4pfel/3/"),
        ("/api/book/書/3/#\u{e9}".as_bytes(), "/api/book/%E6%9B%B8/3/"),
        (b"\t/api/book/plain/3/ ", "/api/book/plain/3/"),
    ] {
        assert_eq!(followed(location).await, [asked], "{location:?}");
    }
}
