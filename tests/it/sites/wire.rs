//! Links and answers as real sites write them: queries, `Link` headers, entity tags.

use gleaner::model::report::Outcome;
use serde_json::{Value, json};

use super::{crawl_into, crawl_served, crawl_with, settings, site_of};
use crate::served::{Answer, Served};
use crate::store_contract::backends::{Mongodb, Sqlite};

/// A site of HTML pages by its `[index]` and what follows.
fn html(rest: &str) -> String {
    let head = "name = 'shop'\nbase_url = 'http://h'\nformat = 'html'\n";
    format!("{head}{rest}\n[detail.fields]\ntitle = 'h1::text'\n")
}

/// The page of an item that is called so.
fn titled(title: &str) -> Answer {
    Answer::html(format!("<h1>{title}</h1>"))
}

#[tokio::test]
async fn w19_a_plus_in_the_query_of_a_link_is_asked_for_as_a_blank() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => {
            let links = ["/shoe?name=red+shoe", "/shoe?name=C%2B%2B", "/shoe?name=a%20b"];
            Answer::html(links.map(|link| format!("<a class=i href='{link}'>x</a>")).concat())
        }
        "/shoe" => titled(&asked.query["name"]),
        _ => Answer::not_found(),
    });
    let site = site_of(&html(
        "[index]\nurl = '/list'\nitems = 'a.i'\nkey = { select = '::attr(href)', regex = 'name=(.+)' }\n\
         [detail]\nurl = '/shoe'\nquery = { name = '{key}' }",
    ));
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    let names = ["red shoe", "C++", "a b"];
    crawled.holds(names.map(|name| (name.to_owned(), json!({ "title": name }))));
}

#[tokio::test]
async fn w19_a_plus_in_the_link_of_a_category_or_a_cursor_is_a_blank() {
    let served = Served::start(|asked| {
        match (asked.path.as_str(), asked.raw_query.as_str()) {
        ("/cats", _) => Answer::html(
            "<a class=c href='/shop?cat=home+garden'>H</a><a class=c href='/shop?cat=50%25+off'>T</a>"
                .to_owned(),
        ),
        ("/shop", _) => {
            let (cat, after) = (&asked.query["cat"], asked.query.get("after").map(String::as_str));
            let (number, next) = match (cat.as_str(), after) {
                ("home garden", None) => (1, "<a class=n href='?after=x+y%2Bz%3D'>"),
                ("home garden", Some("x y+z=")) => (2, ""),
                ("50% off", None) => (3, ""),
                _ => return Answer::html(String::new()),
            };
            Answer::html(format!("<a class=i href='/item/{number}'>x</a>{next}"))
        }
        (path, _) => titled(path),
    }
    });
    let site = site_of(&html(
        "[seeds]\nurl = '/cats'\nselect = { select = 'a.c::attr(href)', regex = 'cat=(.+)' }\n\
         [index]\nurl = '/shop'\nquery = { cat = '{seed}', after = '{cursor}' }\nitems = 'a.i'\n\
         paging = { by = 'cursor', select = { select = 'a.n::attr(href)', regex = 'after=(.+)' } }\n\
         key = { select = '::attr(href)', regex = '(\\d+)$' }\n[detail]\nlink = '::attr(href)'",
    ));
    let crawled = crawl_served::<Mongodb>(site, &served).await;
    crawled.holds((1..=3).map(|n| (n.to_string(), json!({ "title": format!("/item/{n}") }))));
}

/// As browsers do it: the query in what the page is in, the path in UTF-8.
#[tokio::test]
async fn w19_the_query_of_a_link_on_a_page_in_another_charset_is_sent_in_that_charset() {
    let served = Served::start(|asked| match (asked.path.as_str(), asked.raw_query.as_str()) {
        ("/list", "") => {
            let page = "<a class=i href='/книга?имя=Книга'>x</a><a class=i href='/книга?имя=%CA+%CA'>y</a>\
                        <a class=n href='/list?стр=2'>";
            let (page, _, _) = encoding_rs::WINDOWS_1251.encode(page);
            Answer::body(page.into_owned(), "text/html; charset=windows-1251")
        }
        ("/list", "%F1%F2%F0=2") => {
            let page = "<a class=i href='/%D0%BA%D0%BD%D0%B8%D0%B3%D0%B0?имя=Том'>x</a>";
            let (page, _, _) = encoding_rs::WINDOWS_1251.encode(page);
            Answer::body(page.into_owned(), "text/html; charset=windows-1251")
        }
        ("/%D0%BA%D0%BD%D0%B8%D0%B3%D0%B0", query) => titled(query),
        _ => Answer::not_found(),
    });
    let site = site_of(&html(
        "[index]\nurl = '/list'\nitems = 'a.i'\nkey = { select = '::attr(href)', regex = '=(.+)' }\n\
         paging = { by = 'next', select = 'a.n::attr(href)' }\n[detail]\nlink = '::attr(href)'",
    ));
    let crawled = crawl_served::<Sqlite>(site, &served).await;
    let items = [
        ("Книга", "%E8%EC%FF=%CA%ED%E8%E3%E0"),
        ("К К", "%E8%EC%FF=%CA+%CA"),
        ("Том", "%E8%EC%FF=%D2%EE%EC"),
    ];
    crawled.holds(items.map(|(key, query)| (key.to_owned(), json!({ "title": query }))));
}

/// Asked for in UTF-8 it would be another item: better a failure than a wrong page.
#[tokio::test]
async fn w19_a_key_that_is_not_in_utf_8_and_would_be_sent_is_a_failure() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::html("<a class=i href='/item?n=%D6%D0'>x</a>".to_owned()),
        _ => Answer::not_found(),
    });
    let site = site_of(&html(
        "[index]\nurl = '/list'\nitems = 'a.i'\nkey = { select = '::attr(href)', regex = 'n=(.+)' }\n\
         [detail]\nurl = '/item'\nquery = { n = '{key}' }",
    ));
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.failed, served.count("/item")), (1, 0));
}

#[tokio::test]
async fn w21_link_headers_with_single_quotes_and_blanks_are_followed() {
    for form in ["rel='next'", "rel =\"next\"", "rel\t= next", "title='a, b'; rel='prev next'"] {
        let served = Served::start(move |asked| {
            let page = asked.number("page").unwrap_or(1);
            let answer = Answer::json(&json!([{ "id": page }]));
            match page {
                1 | 2 => answer.header("link", &format!("</list?page={}>; {form}", page + 1)),
                _ => answer,
            }
        });
        let site = site_of(
            "name = 'l'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n\
             paging = { by = 'next', link_header = true }\n",
        );
        let crawled = crawl_served::<Sqlite>(site, &served).await;
        crawled.holds((1..=3).map(|id| (id.to_string(), json!({ "id": id }))));
    }
}

/// As Apache with mod_deflate: what it sends is not what it knows.
#[tokio::test]
async fn w23_an_etag_altered_in_transit_still_gives_304() {
    for (sent, known) in
        [("\"{}-gzip\"", "\"{}\""), ("W/\"{}\"", "\"{}\""), ("\"{};br\"", "\"{}\"")]
    {
        let served = Served::start(move |asked| match asked.path.strip_prefix("/item/") {
            None => Answer::json(&json!([{ "id": 1 }, { "id": 2 }])),
            Some(id) => {
                let known = known.replace("{}", &format!("tag{id}"));
                let asked_for = asked.header("if-none-match");
                match asked_for.split(", ").any(|tag| tag == known) {
                    true => Answer::not_modified(),
                    false => Answer::json(&json!({ "id": id }))
                        .header("etag", &sent.replace("{}", &format!("tag{id}"))),
                }
            }
        });
        let site = || {
            site_of(
                "name = 'e'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n\
                 [detail]\nurl = '/item/{key}'\n",
            )
        };
        let first = crawl_served::<Sqlite>(site(), &served).await;
        assert_eq!(first.report.items.new, 2);
        let then = crawl_into(first.backend, site(), &served, settings(), Outcome::Complete).await;
        assert_eq!((then.report.items.same, then.report.requests.not_modified), (2, 2), "{sent}");
    }
}

#[tokio::test]
async fn x6_an_entity_tag_beyond_a_kilobyte_is_neither_kept_nor_sent() {
    let served = Served::start(|asked| match asked.path.strip_prefix("/item/") {
        None => Answer::json(&json!([{ "id": 1 }, { "id": 2 }])),
        Some(id) => {
            let length = if id == "1" { 1_000 } else { 30_000 };
            let tag = format!("\"{}\"", "x".repeat(length));
            Answer::json(&json!({ "id": id })).header("etag", &tag)
        }
    });
    let site = || {
        site_of(
            "name = 'e'\nbase_url = 'http://h'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n\
             [detail]\nurl = '/item/{key}'\n",
        )
    };
    let first = crawl_served::<Sqlite>(site(), &served).await;
    crawl_into(first.backend, site(), &served, settings(), Outcome::Complete).await;
    let sent: Vec<(String, usize)> = served.requests()[..]
        .iter()
        .map(|asked| (asked.path.clone(), asked.header("if-none-match").len()))
        .filter(|(_, length)| *length > 0)
        .collect();
    assert_eq!(sent, [("/item/1".to_owned(), 1_002)]);
    let _: Vec<&Value> = first.documents.values().collect();
}
