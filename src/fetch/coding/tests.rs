//! Bodies as servers pack them, and what is left of them when they are cut.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use reqwest::header::HeaderValue;

use super::*;

/// `{"a":"bbb…"}` by Google's own brotli.
const BROTLI: &[u8] = include_bytes!("tests/page.br");
const BROTLI_TEXT: &str = include_str!("tests/page.json");

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ::zstd::encode_all(text, 3).unwrap()
}

fn page() -> Vec<u8> {
    (0..2_000).flat_map(|n| format!("{{\"id\":{n}}}\n").into_bytes()).collect()
}

fn unpack(body: Vec<u8>, codings: &[Coding]) -> Result<Vec<u8>, FetchError> {
    unpacked(body.into(), codings, 1 << 20).map(|body| body.to_vec())
}

fn codings(values: &[(&'static str, &'static str)]) -> Result<Vec<Coding>, FetchError> {
    let mut headers = HeaderMap::new();
    for (name, value) in values {
        headers.append(*name, HeaderValue::from_static(value));
    }
    of(&headers)
}

#[test]
fn w16_each_form_of_a_coding_is_read_whole() {
    let page = page();
    let (begin, end) = page.split_at(999);
    let both = |pack: fn(&[u8]) -> Vec<u8>| [pack(begin), pack(end)].concat();
    for (name, body, coding) in [
        ("gzip", gzip(&page), Coding::Gzip),
        ("gzip in two members", both(gzip), Coding::Gzip),
        (
            "gzip in three members, one of them empty",
            [both(gzip), gzip(b"")].concat(),
            Coding::Gzip,
        ),
        ("gzip padded with zeros", [gzip(&page), vec![0; 512]].concat(), Coding::Gzip),
        ("gzip and a line break", [gzip(&page), b"\r\n".to_vec()].concat(), Coding::Gzip),
        ("zlib", zlib(&page), Coding::Deflate),
        ("raw deflate", deflate(&page), Coding::Deflate),
        ("raw deflate, stored", stored(&page), Coding::Deflate),
        ("zstd", zstd(&page), Coding::Zstd),
        ("zstd in two frames", both(zstd), Coding::Zstd),
        ("zstd with a frame to skip", [skippable(), zstd(&page)].concat(), Coding::Zstd),
    ] {
        assert_eq!(unpack(body, &[coding]).as_ref(), Ok(&page), "{name}");
    }
    assert_eq!(unpack(BROTLI.to_vec(), &[Coding::Brotli]).unwrap(), BROTLI_TEXT.as_bytes());
    assert_eq!(unpack(gzip(&gzip(&page)), &[Coding::Gzip; 2]).unwrap(), page);
    assert_eq!(unpack(Vec::new(), &[Coding::Gzip]), Ok(Vec::new()));
}

/// Deflate without compression: its first byte is zero.
fn stored(text: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::none());
    packer.write_all(text).unwrap();
    packer.finish().unwrap()
}

/// RFC 8878, 3.1.2: a frame of user data.
fn skippable() -> Vec<u8> {
    [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat()
}

#[test]
fn w16_what_is_cut_short_or_damaged_is_never_a_page() {
    let page = page();
    let (begin, end) = page.split_at(999);
    let half = |pack: fn(&[u8]) -> Vec<u8>| [pack(begin), pack(end)[..20].to_vec()].concat();
    for (name, body, coding) in [
        ("the second member of gzip", half(gzip), Coding::Gzip),
        ("the magic of the second member", [gzip(begin), vec![0x1f]].concat(), Coding::Gzip),
        ("the second frame of zstd", half(zstd), Coding::Zstd),
        ("no gzip at all", b"{\"id\":1}".to_vec(), Coding::Gzip),
        ("no deflate at all", b"{\"id\":1}".to_vec(), Coding::Deflate),
        ("no brotli at all", b"{\"id\":1}".to_vec(), Coding::Brotli),
        ("no zstd at all", b"{\"id\":1}".to_vec(), Coding::Zstd),
    ] {
        assert!(matches!(unpack(body, &[coding]), Err(FetchError::Body(_))), "{name}");
    }
    for (name, whole, coding) in [
        ("gzip", gzip(begin), Coding::Gzip),
        ("zlib", zlib(begin), Coding::Deflate),
        ("deflate", deflate(begin), Coding::Deflate),
        ("brotli", BROTLI.to_vec(), Coding::Brotli),
        ("zstd", zstd(begin), Coding::Zstd),
    ] {
        for length in 1..whole.len() {
            let cut = unpack(whole[..length].to_vec(), &[coding]);
            assert!(cut.is_err(), "{name}, {length} of {} bytes", whole.len());
        }
    }
    let mut damaged = gzip(&page);
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    assert!(unpack(damaged, &[Coding::Gzip]).is_err(), "a checksum");
}

#[test]
fn w9_no_coding_gives_more_than_the_limit() {
    let large = vec![b' '; 8 << 20];
    let in_members = gzip(&large[..600_000]).repeat(4);
    for (body, codings) in [
        (gzip(&large), &[Coding::Gzip][..]),
        (in_members, &[Coding::Gzip]),
        (zlib(&large), &[Coding::Deflate]),
        (zstd(&large), &[Coding::Zstd]),
        (gzip(&gzip(&large)), &[Coding::Gzip; 2]),
    ] {
        assert_eq!(unpack(body, codings).unwrap().len(), (1 << 20) + 1);
    }
}

#[test]
fn w16_names_of_codings_are_read_as_browsers_read_them() {
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    let content = |value: &'static str| codings(&[("content-encoding", value)]);
    for (value, expected) in [
        ("gzip", &[Gzip][..]),
        ("X-GZip", &[Gzip]),
        (" deflate ", &[Deflate]),
        ("br", &[Brotli]),
        ("zstd", &[Zstd]),
        ("deflate, gzip", &[Gzip, Deflate]),
        ("gzip,identity,", &[Gzip]),
        ("aws-chunked", &[]),
        ("gzip, aws-chunked", &[Gzip]),
        ("", &[]),
        ("none", &[]),
        ("UTF-8", &[]),
    ] {
        assert_eq!(content(value).as_deref(), Ok(expected), "{value}");
    }
    let twice = [("content-encoding", "deflate"), ("content-encoding", "gzip")];
    assert_eq!(codings(&twice), Ok(vec![Gzip, Deflate]));
    let sent = [("transfer-encoding", "gzip, chunked"), ("content-encoding", "br")];
    assert_eq!(codings(&sent), Ok(vec![Gzip, Brotli]));
    for value in ["compress", "gzip, x-odd", "gzip,gzip,gzip,gzip,gzip"] {
        assert!(content(value).is_err(), "{value}");
    }
}

#[test]
fn w8_a_file_that_is_packed_is_unpacked_within_the_limit_or_left_alone() {
    let packed = |text: &[u8]| {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        packer.write_all(text).unwrap();
        Bytes::from(packer.finish().unwrap())
    };
    let small = packed(b"[1]");
    assert_eq!(unpacked_file(&small, 3).as_deref(), Some(&b"[1]"[..]));
    assert_eq!(unpacked_file(&small, 2), None);
    assert_eq!(unpacked_file(&packed(&vec![b' '; 10 << 20]), 1 << 20), None);
    assert_eq!(unpacked_file(&small.slice(..small.len() - 4), 100), None);
    assert_eq!(unpacked_file(&Bytes::from_static(b"[1]"), 100), None);
    let both = [small, packed(b"[2]")].concat();
    assert_eq!(unpacked_file(&both.into(), 100).as_deref(), Some(&b"[1][2]"[..]));
}
