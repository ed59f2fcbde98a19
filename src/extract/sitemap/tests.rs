//! Sitemaps as sites send them, whole and broken.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

const MOST: usize = 4 * 1024 * 1024;
const FULL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="x">
  <!-- made by hand -->
  <url><loc> https://a.example/?x=1&amp;y=2 </loc><lastmod>2024-05-01</lastmod></url>
  <url><image:image><image:loc>https://a.example/i.png</image:loc></image:image>
    <image:loc>https://a.example/j.png</image:loc><loc><![CDATA[https://a.example/b?c&d]]></loc>
    <priority>0.5</priority></url>
  <url><lastmod>2024</lastmod><xhtml:link href="/de"/></url>
</urlset>"#;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What was found: what it is, locations with dates, how many had no location, what was unusable.
fn found(body: &[u8]) -> String {
    match parse(body, MOST) {
        Ok(Sitemap::Index { locations, without_loc, unusable }) => {
            assert_eq!(unusable, [""; 0]);
            format!("index {} -{without_loc}", locations.join(" "))
        }
        Ok(Sitemap::Entries { entries, without_loc, unusable }) => {
            let dated = |entry: &Entry| match &entry.last_modified {
                Some(date) => format!("{}@{date}", entry.loc),
                None => entry.loc.to_string(),
            };
            let entries: Vec<String> = entries.iter().map(dated).collect();
            let unusable: String = unusable.iter().map(|why| format!(" {why}")).collect();
            format!("entries {} -{without_loc}{unusable}", entries.join(" "))
        }
        Err(error) => error.to_string(),
    }
}

fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes).collect()
}

#[test]
fn sitemaps_are_read_as_sites_write_them() {
    for (body, expected) in [
        (FULL, "entries https://a.example/?x=1&y=2@2024-05-01 https://a.example/b?c&d -1"),
        ("<urlset/>", "entries  -0"),
        ("\u{feff}\n <urlset>\n</urlset >\n", "entries  -0"),
        ("<s:urlset><s:url><s:loc>u</s:loc><loc>v</loc></s:url></s:urlset>", "entries u -0"),
        (
            "<urlset><url xmlns=''><loc>\n/&#x61;&#98;<!-- -->c\n</loc></url></urlset>",
            "entries /abc -0",
        ),
        ("<urlset><url><x><loc>v</loc></x><loc/></url><a><loc>w</loc></a></urlset>", "entries  -1"),
        ("<urlset><url><lastmod>1</lastmod></url><url><loc>u</loc></url></urlset>", "entries u -1"),
        (
            "<!DOCTYPE sitemapindex><sitemapindex><sitemap><loc>a.xml</loc><lastmod>1</lastmod>\
             </sitemap><sitemap/><url><loc>c</loc></url></sitemapindex>",
            "index a.xml -1",
        ),
        ("\u{feff}http://a/1\r\n\r\n  HTTPS://a/2?q=ü \n", "entries http://a/1 HTTPS://a/2?q=ü -0"),
    ] {
        assert_eq!(found(body.as_bytes()), expected, "{body}");
        assert_eq!(found(&packed(body.as_bytes())), expected, "packed: {body}");
    }
}

#[test]
fn members_of_gzip_and_encodings_are_read() {
    let (first, second) = FULL.as_bytes().split_at(FULL.len() / 2);
    assert_eq!(found(&[packed(first), packed(second)].concat()), found(FULL.as_bytes()));
    let entry = "<urlset><url><loc>/é€</loc></url></urlset>";
    let declared = format!("<?xml version='1.0' encoding='utf-16'?>{entry}");
    let latin = [
        b"\n<?xml version='1.0' encoding='ISO-8859-1'?><!-- ".as_slice(),
        b"\xe9 --><urlset><url><loc>/\xe9\x80</loc></url></urlset>",
    ];
    for body in [
        utf16(&format!("\u{feff}{declared}"), u16::to_le_bytes),
        utf16(&format!("\u{feff}{declared}"), u16::to_be_bytes),
        utf16(&declared, u16::to_le_bytes),
        utf16(&declared, u16::to_be_bytes),
        format!("\u{feff}<?xml version='1.0' encoding='latin1'?>{entry}").into_bytes(),
        declared.into_bytes(),
        latin.concat(),
        packed(&latin.concat()),
    ] {
        assert_eq!(found(&body), "entries /é€ -0", "{}", String::from_utf8_lossy(&body));
    }
    let text = utf16("\u{feff}http://a/1\nhttp://a/2\n", u16::to_be_bytes);
    assert_eq!(found(&text), "entries http://a/1 http://a/2 -0");
}

#[test]
fn p1_what_is_no_sitemap_says_what_it_is() {
    for (body, words) in [
        ("", "the body is empty"),
        (" \r\n\t", "the body is empty"),
        ("\u{feff}", "the body is empty"),
        ("<!doctype html>\n<html><head><meta></head>", "the root element is `html`, neither"),
        ("<rss version='2.0'/>", "the root element is `rss`, neither `urlset` nor `sitemapindex`"),
        ("<rdf:RDF/>", "the root element is `rdf:RDF`"),
        ("<\u{1b}[31m>", "`\\u{1b}[31m`"),
        ("{\"urlset\": []}", "line 1 is not an http(s) URL: {\"urlset\": []}"),
        ("http://a/1 2", "line 1 is no"),
        ("ftp://a/1", "line 1 is no"),
        ("http:/a?b=http://c", "line 1 is no"),
        ("http://", "line 1 is no"),
    ] {
        assert!(found(body.as_bytes()).contains(words), "{body}: {}", found(body.as_bytes()));
    }
}

#[test]
fn p2_what_is_broken_is_never_half_a_list() {
    for (tail, words) in [
        ("", "it ends within an element"),
        ("<url><loc>h</lo", "not closed"),
        ("<url></urlset>", "expected `</url>`"),
        ("</urlset></urlset>", "does not match"),
        ("</urlset><urlset/>", "a second root element"),
        ("</urlset>Warning: x", "text outside"),
    ] {
        let body = format!("<!DOCTYPE u><urlset><url><loc>u</loc></url>{tail}");
        let said = found(body.as_bytes());
        assert!(said.contains("broken near byte") && said.contains(words), "{tail}: {said}");
    }
    for end in 1..FULL.len() {
        assert!(parse(&FULL.as_bytes()[..end], MOST).is_err(), "{end}");
    }
    let whole = packed(FULL.as_bytes());
    for end in 0..whole.len() {
        assert!(parse(&whole[..end], MOST).is_err(), "{end} of gzip");
    }
    assert_eq!(found(&whole[..60]), "the sitemap cannot be unpacked: it is cut short");
    assert!(found(b"<urlset>\xff</urlset>").ends_with("read as UTF-8"));
    assert!(found(b"http://a/\xff").ends_with("read as UTF-8"));
    assert!(found(b"<?xml version='1.0' encoding='x\x1b'?><urlset/>").ends_with("as x\\u{1b}"));
    assert!(found(b"<?xml version='1.0'?><!-- -->").contains("no element"));
}

#[test]
fn d13_what_is_not_escaped_or_cannot_be_used_costs_no_other_entry() {
    let own = "<!DOCTYPE u [<!ENTITY c 'd'>]>";
    for (doctype, entry, expected) in [
        ("", "<loc>/?a=1&b=2&c</loc>", "u /?a=1&b=2&c v -0"),
        ("", "<loc>/?a&copy;b&&amp;c& d</loc>", "u /?a&copy;b&&c& d v -0"),
        ("", "<loc>/&#0;&#x110000;&#;&;</loc>", "u /&#0;&#x110000;&#;&; v -0"),
        ("", "<loc>w</loc><c>caf&eacute; & bar</c>", "u w v -0"),
        (own, "<loc>w</loc><c>&c;</c>", "u w v -0"),
        (
            own,
            "<loc>&c;</loc>",
            "u v -0 entry 2 of the sitemap has the entity `&c;`, which is not expanded",
        ),
        (
            "",
            "<loc>a<b>c</b></loc>",
            "u v -0 entry 2 of the sitemap has an element within its `loc`",
        ),
        ("", "<loc>a</loc><loc>b</loc>", "u v -0 entry 2 of the sitemap has two `loc`"),
    ] {
        let (first, last) = ("<url><loc>u</loc></url>", "<url><loc>v</loc></url>");
        let body = format!("{doctype}<urlset>{first}<url>{entry}</url>{last}</urlset>");
        assert_eq!(found(body.as_bytes()), format!("entries {expected}"), "{body}");
    }
    let lines = found(b"http://a/1\n/2\nWarning: x\nhttp://a/3");
    let (second, third) = (
        "line 2 of the sitemap is not a URL: /2",
        "line 3 of the sitemap is not a URL: Warning: x",
    );
    assert_eq!(lines, format!("entries http://a/1 http://a/3 -0 {second} {third}"));
}

#[test]
fn d13_a_line_that_is_too_long_is_no_empty_sitemap_and_no_other_kind_of_text() {
    let long = format!("http://a/{}", "x".repeat(LONGEST));
    let why = format!("line 1 of the sitemap has more than {LONGEST} bytes");
    assert_eq!(found(long.as_bytes()), format!("entries  -0 {why}"));
    let more = format!("{long}\n/2\nhttp://a/3");
    let second = "line 2 of the sitemap is not a URL: /2";
    assert_eq!(found(more.as_bytes()), format!("entries http://a/3 -0 {why} {second}"));
    // One long line of something else.
    let json = format!("{{\"urls\":[\"{long}\"]}}");
    assert!(
        found(json.as_bytes()).contains("line 1 is not an http(s) URL"),
        "{}",
        found(json.as_bytes())
    );
}

#[test]
fn w9_limits_hold_and_are_named() {
    let bomb = packed(&vec![b' '; 3 * MOST]);
    assert_eq!(parse(&bomb, MOST), Err(SitemapError::TooLarge(MOST)));
    assert_eq!(parse(FULL.as_bytes(), FULL.len() - 1), Err(SitemapError::TooLarge(FULL.len() - 1)));
    assert!(parse(FULL.as_bytes(), FULL.len()).is_ok());
    let long = "x".repeat(LONGEST - 7);
    for (length, fits) in [(LONGEST - 7, true), (LONGEST - 6, false)] {
        let url = format!("http://{}", &format!("{long}x")[..length]);
        let body = format!("<urlset><url/><url><loc> {url} </loc></url></urlset>");
        assert_eq!(
            found(body.as_bytes()).contains("entry 2 of the sitemap has a `loc` of more"),
            !fits
        );
        assert_eq!(found(format!("http://a\n{url}").as_bytes()).contains("line 2 of"), !fits);
    }
    let many = "<url/>".repeat(ENTRIES as usize + 1);
    let body = format!("<urlset>{many}</urlset>");
    assert_eq!(parse(body.as_bytes(), usize::MAX), Err(SitemapError::TooMany));
}

#[test]
fn p4_pathological_sitemaps_end_quickly() {
    for piece in
        ["<a>", "<!--", "<![CDATA[", "<!DOCTYPE a [<!ENTITY b \"", "<a b='", "&", "<?", "]]>"]
    {
        let body = format!("<urlset><url><loc>{}", piece.repeat(1_000_000 / piece.len()));
        let start = Instant::now();
        assert!(parse(body.as_bytes(), MOST).is_err(), "{piece}");
        assert!(parse(piece.repeat(100_000).as_bytes(), MOST).is_err(), "{piece} alone");
        assert!(start.elapsed() < Duration::from_secs(5), "{piece}: {:?}", start.elapsed());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    #[test]
    fn p2_random_and_mutated_bytes_never_panic(
        noise in prop::collection::vec(any::<u8>(), 0..2000),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        pieces in prop::collection::vec(prop::sample::select(vec![
            "<urlset>", "<url>", "<loc>", "</loc>", "</url>", "</urlset>",
            "<?xml encoding='utf-16'?>", "<![CDATA[", "]]>", "<!DOCTYPE", "[", "&amp;", "&", ";", "<!--", "-->", "<", ">", "/>", "é", " ", "'",
        ]), 0..60),
    ) {
        let start = Instant::now();
        let (mut plain, mut gzip) = (FULL.as_bytes().to_vec(), packed(FULL.as_bytes()));
        for (place, byte) in changes {
            *place.get_mut(&mut plain) = byte;
            *place.get_mut(&mut gzip) = byte;
        }
        let soup = pieces.concat().into_bytes();
        let marked = [b"\x1f\x8b\x08".as_slice(), &noise].concat();
        let wide = [b"\xff\xfe".as_slice(), &noise].concat();
        for body in [noise, plain, gzip, soup, marked, wide] {
            let _ = parse(&body, MOST);
        }
        prop_assert!(start.elapsed() < Duration::from_secs(5));
    }
}
