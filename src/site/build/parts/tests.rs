//! Site files with further requests of items.

use super::super::super::Site;

const LIST: &str = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nitems = '$[*]'\n\
                    key = '$.id'\nfields = { a = '$.a' }\n[detail]\nurl = '/d/{key}'\n";
const PART: &str = "[detail.parts.r]\nurl = '/d/{key}/r'\nitems = '$[*]'\n";

fn site(detail: &str) -> Result<Site, String> {
    Site::parse(&format!("{LIST}{detail}"), "s.toml").map_err(|error| error.to_string())
}

#[test]
fn parts_that_can_never_work_are_refused_with_line_and_key() {
    let with = |more: &str| format!("{PART}{more}");
    let lists = "[detail.fields]\nt = '$.t'\nl = { select = '$.l[*]', many = true }\n";
    for (detail, words) in [
        (
            PART.replace("'/d/{key}/r'", "'/d/r'"),
            "s.toml:10: detail.parts.r: the request template must contain {key}",
        ),
        (PART.replace("url = '/d/{key}/r'\n", ""), "s.toml:10: detail.parts.r.url: missing"),
        (PART.replace("items = '$[*]'\n", ""), "missing field `items`"),
        (
            PART.replace("/r'", "/{b}'"),
            "detail.parts.r.url: unknown placeholder {b}; valid here: {key}, {a}",
        ),
        (PART.replace("parts.r", "parts.a"), "detail.parts.a: a field has this name"),
        (
            with("paging = { by = 'keys', range = '1..2' }\n"),
            "s.toml:13: detail.parts.r.paging: the pages of a part",
        ),
        (
            with("paging = { by = 'page', first_url = '/x' }\n"),
            "`first_url` is not valid for a part",
        ),
        (
            with("paging = { by = 'next', select = '$.n', merge = true }\n"),
            "`merge` is not valid for a part",
        ),
        (
            with("paging = { by = 'page' }\n"),
            "detail.parts.r: the request template must contain {page}",
        ),
        (
            with("paging = { by = 'cursor', take = { a = '$.n' } }\n"),
            "`take` hands over a, and so is a value",
        ),
        (with("itmes = 1\n"), "detail.parts.r.itmes: unknown field `itmes`"),
        (
            with("format = 'html'\n").replace("$[*]", "li"),
            "detail.parts.r.fields: required for HTML and XML pages",
        ),
        (with("fields = { x = { from = 'seed' } }\n"), "values are taken from its entries only"),
        (
            "next = '$.n'\n".to_owned(),
            "s.toml:10: detail.next: it appends the values of lists, and there are none",
        ),
        ("max_pages = 5\n".to_owned(), "s.toml:10: detail.max_pages: not valid here"),
        (
            format!("max_pages = 0\nnext = '$.n'\n{lists}"),
            "detail.max_pages: must be a number from 1",
        ),
        ("[detail.values]\nv = '$.v'\n".to_owned(), "s.toml:11: detail.values.v: not valid here"),
        (format!("[detail.values]\nkey = '$.v'\n{PART}"), "detail.values.key: a value's name"),
        (format!("next = '$.n'\n{lists}"), ""),
        ("[detail.files]\na = '$.f'\n".to_owned(), "s.toml:11: detail.files.a: another member"),
        (
            "[detail.files]\nf = { select = '$.f', as = 'text' }\n".to_owned(),
            "only `as = \"url\"` is valid",
        ),
        ("[detail.files]\nf = { from = 'seed' }\n".to_owned(), "named by the page of its item"),
        ("[detail.files]\nf = { select = '$.f[*]', many = true }\n".to_owned(), ""),
        (with("paging = { by = 'page', size = 5, total = '$.n' }\nquery = { p = '{page}' }\n"), ""),
        (PART.replace("{key}", "{a}"), ""),
        (format!("[detail.values]\nv = '$.v'\n{}", PART.replace("{key}", "{v}")), ""),
    ] {
        match site(&detail) {
            Ok(_) => assert!(words.is_empty(), "{detail}: {words}"),
            Err(error) => assert!(!words.is_empty() && error.contains(words), "{detail}: {error}"),
        }
    }
}

#[test]
fn s16_the_digest_covers_what_the_parts_store_and_no_caps() {
    let rules = |detail: &str| site(detail).unwrap().rules();
    let (none, part) = (rules(""), rules(PART));
    assert_ne!(none, part);
    assert_eq!(part, rules(&format!("max_pages = 9\n{PART}")));
    for changed in [
        PART.replace("/r'", "/q'"),
        PART.replace("$[*]", "$.r[*]"),
        PART.replace("parts.r", "parts.q"),
        format!("{PART}fields = {{ t = '$.t' }}\n"),
        format!("{PART}query = {{ p = '{{page}}' }}\npaging = {{ by = 'page' }}\n"),
    ] {
        assert_ne!(rules(&changed), part, "{changed}");
    }
    let lists = "[detail.fields]\nl = { select = '$.l[*]', many = true }\n";
    assert_ne!(rules(lists), rules(&format!("next = '$.n'\n{lists}")));
}

#[test]
fn an_item_whose_part_needs_the_list_is_retried_by_its_list() {
    let of_list = PART.replace("{key}", "{a}");
    assert!(site(&of_list).unwrap().takes_values());
    assert!(!site(PART).unwrap().takes_values());
}
