//! Pages that are neither JSON nor HTML, each on a served site as services have them.

use std::io::Write;

use gleaner::model::report::Outcome;
use serde_json::{Value, json};

use super::{crawl_served, crawl_with, settings, site, site_of};
use crate::served::{Answer, Asked, Served};
use crate::store_contract::Ledger;
use crate::store_contract::backends::{Mongodb, Sqlite};

fn ids(asked: &Asked) -> std::ops::RangeInclusive<u64> {
    let page = asked.number("page").unwrap_or(1) as u64;
    (page * 10 - 9)..=(page * 10).min(25)
}

fn keyed(document: impl Fn(u64) -> Value) -> Vec<(String, Value)> {
    (1..=25).map(|id| (id.to_string(), document(id))).collect()
}

async fn failed_with<B: Ledger>(backend: &B, words: &str) {
    let failures = backend.failures().await;
    let is_one = failures.len() == 1 && failures[0].message.contains(words);
    assert!(is_one, "{words}: {failures:?}");
}

fn xml(text: String) -> Answer {
    Answer::body(format!("<?xml version=\"1.0\"?>\n{text}"), "text/xml")
}

#[tokio::test]
async fn an_xml_api_is_a_list_of_its_elements_and_cdata_is_text() {
    let served = Served::start(|asked| match asked.path.strip_prefix("/xmlapi/books/") {
        None => {
            let books = ids(asked).map(|id| {
                format!("<book><id>{id}</id><image/><link><![CDATA[http://x/{id}]]></link></book>")
            });
            xml(format!("<R total=\"25\"><books>{}</books></R>", books.collect::<String>())
                .replace("<R", "<GoodreadsResponse")
                .replace("</R>", "</GoodreadsResponse>"))
        }
        Some(id) => xml(format!(
            "<R><book><title><![CDATA[T <{id}> &amp;]]></title><num_pages>{id}</num_pages></book></R>"
        )),
    });
    let crawled = crawl_served::<Mongodb>(site("tests/it/sites/shapes/xmlapi.toml"), &served).await;
    crawled.holds(keyed(|id| json!({ "title": format!("T <{id}> &amp;"), "pages": id })));
    assert_eq!(served.count("/xmlapi/books?"), 0);
    assert_eq!(crawled.report.index.declared, Some(25));
}

/// Links in XML are text; names that differ in case or prefix are not one.
#[tokio::test]
async fn an_rss_feed_has_its_links_and_its_prefixes() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/feed" => {
            let items = (1..=25).map(|id| {
                format!(
                    "<item><title>media</title><link>{}/p/{id}</link><guid>{id}</guid><Title>no</Title>\
                     <dc:creator>A &amp; B</dc:creator><creator>no</creator>\
                     <content:encoded><![CDATA[<p>One <img src='/i/{id}.jpg'></p>]]></content:encoded></item>",
                    asked.origin()
                )
            });
            let items: String = items.collect();
            Answer::body(
                format!("<rss xmlns:dc='u'><channel>{items}</channel></rss>"),
                "application/rss+xml",
            )
        }
        path => Answer::html(format!("<h1>{}</h1>", path.trim_start_matches("/p/"))),
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nformat = 'xml'\nurl = '/feed'\nrequire = ['rss > channel']\n\
         items = 'item'\nkey = 'guid::text'\n[index.fields]\nauthor = 'dc|creator::text'\n\
         image = ['content|encoded::text', 'img::attr(src)']\nbody = 'content|encoded::text'\n\
         [detail]\nformat = 'html'\nlink = 'link::text'\nfields = { title = 'h1::text' }\n",
    );
    crawl_served::<Sqlite>(site, &served).await.holds(keyed(|id| {
        json!({
            "author": "A & B",
            "image": format!("/i/{id}.jpg"),
            "body": format!("<p>One <img src='/i/{id}.jpg'></p>"),
            "title": id.to_string(),
        })
    }));
}

/// A list in XML that was cut short is a lost page, not a short one.
#[tokio::test]
async fn l4_xml_csv_and_lines_that_are_cut_short_are_lost_pages() {
    for (format, items, kind, body, words) in [
        ("xml", "i", "text/xml", "<l><i>1</i><i>2</i>", "it ends within an element"),
        ("csv", "$[*]", "text/csv", "id,n\n1,a\n2,\"b", "it was cut short"),
        (
            "jsonl",
            "$[*]",
            "application/x-ndjson",
            "{\"id\":1}\n{\"id\":2",
            "line 2 of the page is not JSON",
        ),
    ] {
        let served = Served::start(move |_| Answer::body(body, kind));
        let key = if format == "xml" { "::text" } else { "$.id" };
        let detail = "[detail]\nformat = 'json'\nurl = '/d/{key}'\n";
        let site = site_of(&format!(
            "name = 'x'\nbase_url = 'http://h'\nformat = '{format}'\n[index]\nurl = '/l'\nitems = '{items}'\nkey = '{key}'\n{detail}"
        ));
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Failed).await;
        failed_with(&crawled.backend, words).await;
    }
}

#[tokio::test]
async fn csv_has_its_header_its_delimiter_and_its_charset() {
    let (latin, _, _) = encoding_rs::WINDOWS_1252.encode("id;Näme\r\n");
    let served = Served::start(move |_| {
        let mut body = latin.to_vec();
        for id in 1..=25 {
            let row = format!("{id};\"Stück; \"\"{id}\"\"\n2\"\r\n");
            body.extend_from_slice(&encoding_rs::WINDOWS_1252.encode(&row).0);
        }
        Answer::body(body, "text/csv; charset=iso-8859-1")
    });
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\n[index]\nformat = 'csv'\ndelimiter = ';'\nurl = '/l.csv'\n\
         items = '$[*]'\nkey = '$.id'\n",
    );
    crawl_served::<Sqlite>(site, &served)
        .await
        .holds(keyed(|id| json!({ "id": id.to_string(), "Näme": format!("Stück; \"{id}\"\n2") })));
}

/// One row that is too long costs no other one.
#[tokio::test]
async fn a_row_of_another_length_is_a_failure_of_its_own() {
    let served = Served::start(|_| Answer::body("id,name\n1,a\n2,b,c\n3\n4,d\n", "text/csv"));
    let site = site_of(
        "name = 'x'\nbase_url = 'http://h'\nformat = 'csv'\n[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n",
    );
    let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Incomplete).await;
    assert_eq!((crawled.report.items.new, crawled.report.items.failed), (2, 2));
}

#[tokio::test]
async fn lines_of_json_are_a_list_also_packed_as_a_file() {
    let lines: String =
        (1..=25).map(|id| format!("{{\"id\":{id},\"big\":12345678901234567890}}\r\n")).collect();
    for is_packed in [false, true] {
        let lines = lines.clone();
        let served = Served::start(move |_| match is_packed {
            false => Answer::body(format!("\u{feff}{lines}"), "application/x-ndjson"),
            true => {
                let mut packed =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packed.write_all(lines.as_bytes()).expect("a vector takes all");
                Answer::body(packed.finish().expect("a vector takes all"), "application/gzip")
            }
        });
        let crawled =
            crawl_served::<Sqlite>(site("tests/it/sites/shapes/ndjson.toml"), &served).await;
        crawled.holds(keyed(|id| json!({ "id": id, "big": 12345678901234567890u64 })));
    }
}

#[tokio::test]
async fn rows_that_are_lists_are_named_by_their_columns() {
    let served = Served::start(|asked| {
        let rows = ids(asked).map(|id| json!([id, { "a": [id] }, null])).collect::<Vec<_>>();
        Answer::json(&json!({ "columns": ["id", "x y", "n"], "rows": rows }))
    });
    let crawled = crawl_served::<Sqlite>(site("tests/it/sites/shapes/columns.toml"), &served).await;
    crawled.holds(keyed(|id| json!({ "id": id, "x y": { "a": [id] }, "n": null })));
}

#[tokio::test]
async fn columns_that_do_not_fit_are_failures() {
    for (page, outcome, failed) in [
        (
            json!({ "columns": ["id", "n"], "rows": [[1, 2], [3], [4, 5, 6]] }),
            Outcome::Incomplete,
            2,
        ),
        (json!({ "columns": ["id", "id"], "rows": [[1, 2]] }), Outcome::Failed, 0),
        (json!({ "columns": ["id", 7], "rows": [[1, 2]] }), Outcome::Failed, 0),
    ] {
        let served = Served::start(move |_| Answer::json(&page));
        let site = site_of(
            "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nitems = '$.rows[*]'\ncolumns = '$.columns[*]'\nkey = '$.id'\n",
        );
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), outcome).await;
        assert_eq!(crawled.report.items.failed, failed);
    }
}

#[tokio::test]
async fn p11_a_page_of_another_type_is_refused_with_the_format_that_fits() {
    for (format, kind, body, words) in [
        (
            "xml",
            "application/json",
            "[1]",
            "application/json by its Content-Type, and not XML; it is JSON: write `format = \"json\"`",
        ),
        (
            "csv",
            "text/html",
            "<!doctype html><p>",
            "text/html by its Content-Type, and not CSV; it is HTML",
        ),
        (
            "json",
            "text/plain",
            "{\"a\":1}\n{\"a\":2}",
            "it is JSON lines: write `format = \"jsonl\"`",
        ),
        ("json", "text/xml", "<?xml version='1.0'?><a/>", "it is XML: write `format = \"xml\"`"),
        ("jsonl", "text/plain", "[\n{}\n]", "line 1 of the page is not JSON"),
        ("html", "application/json", "[1]", "not HTML; it is JSON: write `format = \"json\"`"),
    ] {
        let served = Served::start(move |_| Answer::body(body, kind));
        let (items, key) = match format {
            "xml" | "html" => ("i", "::text"),
            _ => ("$[*]", "$.id"),
        };
        let site = site_of(&format!(
            "name = 'x'\nbase_url = 'http://h'\nformat = '{format}'\n[index]\nurl = '/l'\nitems = '{items}'\nkey = '{key}'\nfields = {{ a = '{key}' }}\n"
        ));
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), Outcome::Failed).await;
        failed_with(&crawled.backend, words).await;
    }
}

/// A list that is cut into parts is known by what it names, as in HTML.
#[tokio::test]
async fn l12_a_list_in_xml_that_names_a_further_part_is_not_taken_for_the_whole() {
    let further = [
        "<NextContinuationToken>t</NextContinuationToken>",
        "<resumptionToken cursor='0'>t</resumptionToken>",
        "<link rel='next' href='/2'/>",
    ];
    for (next, outcome) in further
        .map(|next| (next, Outcome::Incomplete))
        .into_iter()
        .chain([("<resumptionToken/>", Outcome::Complete)])
    {
        let served = Served::start(move |_| xml(format!("<l><i>1</i>{next}</l>")));
        let site = site_of(
            "name = 'x'\nbase_url = 'http://h'\nformat = 'xml'\n[index]\nurl = '/l'\nrequire = ['l']\n\
             items = 'i'\nkey = '::text'\nfields = { a = '::text' }\n",
        );
        let crawled = crawl_with::<Sqlite>(site, &served, settings(), outcome).await;
        assert_eq!(crawled.report.items.new, 1);
    }
}
