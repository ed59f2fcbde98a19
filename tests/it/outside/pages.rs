//! Bodies, headers and robots.txt.

use proptest::prelude::*;

use super::noise::{bytes, json, mutated, soup, text};
use super::{config, targets};

/// Bytes of a page that is read within a second.
const LARGE: usize = 64 * 1024;

/// The lines of a head, and what comes after it.
fn head() -> impl Strategy<Value = String> {
    let link = prop_oneof![
        (text(), text()).prop_map(|(url, rel)| format!("Link: <{url}>; rel=\"{rel}\"")),
        text().prop_map(|url| format!("Link: <https://h.test/{url}>; rel=next, <x>; rel=prev")),
        text().prop_map(|text| format!("Link: {text}")),
        "Link: [<>;,=\"' a-z]{0,40}",
    ];
    let count = prop_oneof!["-?[0-9]{0,25}", "[0-9 .,+e-]{0,8}", text()];
    let label = prop_oneof!["(utf-8|gbk|utf-16|shift_jis|iso-2022-jp|x)", text()];
    let line = prop_oneof![
        link,
        count.clone().prop_map(|count| format!("X-WP-Total: {count}")),
        count.prop_map(|count| format!("X-Total-Count: {count}")),
        label.prop_map(|label| format!("Content-Type: text/html; charset={label}")),
        text(),
    ];
    prop::collection::vec(line, 0..4).prop_map(|lines| lines.join("\n"))
}

/// Lines of a robots.txt, right and wrong.
fn robots_txt() -> impl Strategy<Value = Vec<u8>> {
    let path = prop_oneof!["[/a-z*$%?]{0,30}", text()];
    let line = prop_oneof![
        (r"(Dis|dis|)[aA]llow ?:", path).prop_map(|(rule, path)| format!("{rule} {path}")),
        "(User-agent|USER-AGENT): (\\*|gleaner|Gleaner|other|)",
        "Crawl-delay: (-?[0-9]{0,25}(\\.[0-9]{0,9})?|1e[0-9]{1,4}|NaN|inf)",
        text(),
    ];
    let end = prop::sample::select(vec!["\n", "\r\n", "\r", "\u{0}"]);
    prop::collection::vec((line, end), 0..40).prop_map(|lines| {
        lines.into_iter().flat_map(|(line, end)| (line + end).into_bytes()).collect()
    })
}

proptest! {
    #![proptest_config(config(30))]

    #[test]
    fn p2_any_bytes_are_a_page_or_an_error(body in bytes()) {
        targets::index_page(&body);
        targets::detail_page(&body);
    }

    #[test]
    fn p4_any_soup_is_a_page_or_an_error(body in soup()) {
        targets::index_page(body.as_bytes());
        targets::detail_page(body.as_bytes());
    }

    #[test]
    fn pages_with_some_bytes_changed(list in mutated("index_page"), item in mutated("detail_page")) {
        targets::index_page(&list);
        targets::detail_page(&item);
    }
}

proptest! {
    #![proptest_config(config(6))]

    #[test]
    fn p4_a_large_page_is_read_in_time(unit in soup()) {
        let times = LARGE / unit.len().max(1);
        targets::index_page(unit.repeat(times).as_bytes());
        targets::detail_page(unit.repeat(times).as_bytes());
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn p5_any_json_is_kept_as_it_is_or_an_error(body in json()) {
        targets::detail_page(body.as_bytes());
        targets::index_page(body.as_bytes());
    }

    #[test]
    fn any_headers_lead_nowhere_else(head in head(), changed in mutated("headers")) {
        targets::headers(head.as_bytes());
        targets::headers(&changed);
    }

    #[test]
    fn w12_any_rules_for_crawlers_are_rules(
        lines in robots_txt(), body in bytes(), changed in mutated("robots"),
    ) {
        targets::robots(&lines);
        targets::robots(&body);
        targets::robots(&changed);
    }
}
