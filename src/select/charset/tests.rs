//! Encodings of pages, declared and not.

use super::*;
use encoding_rs::{EUC_KR, GBK, SHIFT_JIS};

/// `text` in `encoding`, with `head` before it.
fn body(head: &str, text: &str, encoding: &'static Encoding) -> Vec<u8> {
    let (bytes, _, lost) = encoding.encode(text);
    assert!(!lost);
    [head.as_bytes(), &bytes].concat()
}

fn read(body: &[u8], content_type: Option<&str>) -> (String, &'static str) {
    let decoded = decode(body, content_type);
    (decoded.text.into_owned(), decoded.charset)
}

#[test]
fn p3_the_header_names_the_encoding() {
    for (label, text, encoding) in [
        ("text/html; charset=gbk", "价格", GBK),
        ("text/html;charset=GB2312", "价格", GBK),
        ("text/html; Charset=\"Shift_JIS\"", "値段", SHIFT_JIS),
        ("text/html; boundary=x; charset='iso-8859-1'", "prix é", WINDOWS_1252),
        ("text/html; charset=euc-kr", "가격", EUC_KR),
        ("text/html; charset=gbk, text/html", "价格", GBK),
    ] {
        let body = body("<p>", text, encoding);
        assert_eq!(read(&body, Some(label)), (format!("<p>{text}"), encoding.name()));
    }
}

#[test]
fn p3_the_page_names_the_encoding() {
    let content = "<META content='text/html; charset=Shift_JIS' HTTP-EQUIV=Content-Type>";
    for (head, text, encoding) in [
        ("<html><head><meta charset=\"gbk\">", "价格", GBK),
        ("<!-- <meta charset=euc-kr> --><meta/charset = gbk >", "价格", GBK),
        ("<title a='<meta charset=euc-kr>'>t</title><META CHARSET='gb2312'/>", "价格", GBK),
        (content, "値段", SHIFT_JIS),
        ("<meta charset=none><meta charset=latin1>", "é", WINDOWS_1252),
        ("<?xml version='1.0' encoding=\"GBK\"?><html>", "价格", GBK),
        ("<meta charset=utf-16>", "é日", UTF_8),
    ] {
        let body = body(head, text, encoding);
        for content_type in [None, Some("text/html"), Some("text/html; charset=none")] {
            let expected = (format!("{head}{text}"), encoding.name());
            assert_eq!(read(&body, content_type), expected);
        }
    }
}

#[test]
fn p3_a_mark_goes_before_the_header_and_the_header_before_the_page() {
    let lies = "<meta charset=gbk>é";
    let marked = [b"\xef\xbb\xbf".as_slice(), lies.as_bytes()].concat();
    let header = Some("text/html; charset=shift_jis");
    assert_eq!(read(&marked, header), (lies.to_owned(), "UTF-8"));
    assert_eq!(read(lies.as_bytes(), Some("a/b; charset=utf-8")), (lies.to_owned(), "UTF-8"));
    let wide: Vec<u8> = "\u{feff}<p>é".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(read(&wide, header), ("<p>é".to_owned(), "UTF-16LE"));
}

#[test]
fn p3_without_a_word_it_is_utf_8_or_else_windows_1252() {
    assert_eq!(read("é日".as_bytes(), None), ("é日".to_owned(), "UTF-8"));
    assert_eq!(read(b"caf\xe9 \x80", None), ("café €".to_owned(), "windows-1252"));
    assert_eq!(read(b"", None), (String::new(), "UTF-8"));
}

#[test]
fn p10_a_declaration_counts_anywhere_in_the_head_and_nowhere_else() {
    let filler = "x".repeat(2 * HEAD);
    for head in [
        format!("<html><head><script>{filler}</script><meta charset=gbk>"),
        format!("<!--{filler}--><title>{filler}</title><META Charset='GBK'>"),
        format!(
            "<head><style a='>'>{filler}</style ><noscript><link></noscript><meta charset=gbk>"
        ),
        format!("<!doctype html>{filler}<meta charset=gbk>"),
        format!("<link x={filler}><script>'<meta charset=euc-kr>'</SCRIPT><meta charset=gbk>"),
    ] {
        let body = body(&head, "价格", GBK);
        assert_eq!(read(&body, Some("text/html")), (format!("{head}价格"), "GBK"), "{head}");
    }
    for no_head in [
        format!("<link x={filler}><body><meta charset=gbk>"),
        format!("<link x={filler}></head><meta charset=gbk>"),
        format!("<link x={filler}><p><meta charset=gbk>"),
        format!("<link x={filler}><script>'<meta charset=gbk>'"),
        format!("<link x={filler}><title><meta charset=gbk></title>"),
    ] {
        assert_eq!(read(&body(&no_head, "价格", GBK), None).1, "windows-1252", "{no_head}");
    }
}

#[test]
fn p10_undeclared_text_is_utf_8_where_under_1_percent_of_its_sequences_are_bad() {
    let text = |good: usize, bad: usize| {
        [&"é".repeat(good).into_bytes(), &b"\xff".repeat(bad)[..]].concat()
    };
    for (good, bad, charset, replaced) in [
        (100, 1, "UTF-8", 1),
        (1000, 9, "UTF-8", 9),
        (99, 1, "windows-1252", 0),
        (0, 1, "windows-1252", 0),
        (1000, 11, "windows-1252", 0),
        (5, 0, "UTF-8", 0),
    ] {
        let body = text(good, bad);
        let Decoded { text, charset: read, decoding } = decode(&body, None);
        assert_eq!((read, decoding.replaced), (charset, replaced), "{good} {bad}");
        assert_eq!(decoding.is_guess, charset != "UTF-8");
        let shown = text.chars().filter(|c| *c == '\u{fffd}').count() as u64;
        assert_eq!(shown, replaced);
        assert_eq!(
            nearly_utf8(&body).map(|(_, replaced)| replaced),
            (charset == "UTF-8").then_some(replaced)
        );
    }
    // What the site itself sent as U+FFFD is not counted.
    assert_eq!(decode("\u{fffd}".as_bytes(), None).decoding, Decoding::default());
    assert_eq!(
        decode("\u{fffd}\u{fffd}".as_bytes(), Some("a/b;charset=utf-8")).decoding.replaced,
        0
    );
}

#[test]
fn p10_json_follows_its_mark_then_its_header() {
    let read = |body: &[u8], header: Option<&str>| {
        let (text, replaced) = of_json(&Bytes::copy_from_slice(body), header);
        (String::from_utf8(text.to_vec()).ok(), replaced)
    };
    let text = |text: &str| (Some(text.to_owned()), 0);
    assert_eq!(
        read(&body("", "[\"价格\"]", GBK), Some("application/json; charset=GBK")),
        text("[\"价格\"]")
    );
    assert_eq!(read(b"[\"\xe9\"]", Some("a/b; charset=ISO-8859-1")), text("[\"é\"]"));
    let wide: Vec<u8> = "\u{feff}[\"é\"]".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(read(&wide, Some("application/json; charset=gbk")), text("[\"é\"]"));
    let marked = "\u{feff}[\"é\"]";
    assert_eq!(read(marked.as_bytes(), Some("a/b; charset=gbk")), text(marked));
    // Seven bits of another encoding are valid UTF-8, too.
    assert_eq!(read(b"[\"\x1b$B@5\x1b(B\"]", Some("a/b; charset=iso-2022-jp")), text("[\"正\"]"));
    assert_eq!(
        read(b"[\"a\xff\xff\"]", Some("a/b; charset=shift_jis")),
        (Some("[\"a\u{fffd}\u{fffd}\"]".into()), 2)
    );
    for undeclared in
        [None, Some("application/json"), Some("a/b; charset=none"), Some("a/b; charset=utf-8")]
    {
        assert_eq!(read("[\"é\"]".as_bytes(), undeclared), text("[\"é\"]"));
        assert_eq!(read(b"\xff", undeclared), (None, 0));
    }
}

#[test]
fn what_means_nothing_is_said() {
    let decoded = decode(b"a\xffb", Some("text/html; charset=utf-8"));
    assert_eq!((&*decoded.text, decoded.decoding.replaced), ("a\u{fffd}b", 1));
    assert_eq!(decode(b"ab", None).decoding, Decoding::default());
    // A name that means "do not decode" counts as none.
    assert_eq!(read(b"ab", Some("text/html; charset=hz-gb-2312")).1, "UTF-8");
}

#[test]
fn odd_beginnings_end() {
    for head in ["<", "<!--", "<meta ", "<meta charset", "<meta charset=", "<a '", "<a x='", "</"] {
        assert_eq!(read(head.as_bytes(), None).1, "UTF-8", "{head}");
    }
}
