//! Sites of HTML pages, and mixed ones: crawled from a copy on loopback, and checked field by field.

use gleaner::demo::{Demo, Fault, Options};
use gleaner::model::report::{Outcome, Report};
use gleaner::site::{Site, parse_base_url};
use serde_json::{Value, json};

use crate::crawl::rig::{Rig, adds_up, says, settings};
use crate::store_contract::backends::{Mongodb, Sqlite};
use crate::store_contract::{Backend, Ledger};

/// Films on the copy of the charts.
const FILMS: usize = 60;

/// An HTML list with an HTML page for each entry.
const CHARTS: &str = "tests/it/html_sites/charts.toml";
const MIXED: &str = "docs/sites/mixed.toml";

/// The site of a file, served by `demo`.
async fn rig<B: Backend>(path: &str, demo: Demo) -> Rig<B> {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let site = Site::load(&path).expect("the example is a site file");
    let base_url = parse_base_url(demo.url()).expect("a base URL");
    // The names under which the test's own backends look.
    let site = Site { base_url, name: "books".into(), collection: "books".into(), ..site };
    Rig { demo, backend: B::start().await, site, settings: settings() }
}

fn html(demo: &Demo, path: &str, body: &str) {
    demo.fault(Fault::on(path).body("text/html; charset=utf-8", body.to_owned()));
}

/// The charts: broken markup, relative links, white space and scripts as such pages have them.
fn charts() -> Demo {
    let demo = Demo::start(Options { items: 1, ..Options::default() }).expect("the site starts");
    for start in (0..FILMS + 25).step_by(25) {
        let rows: String = (start..FILMS.min(start + 25))
            .map(|film| {
                format!("<li><div class=hd><a href='/subject/{film}/?from=top'>x</a></div>")
            })
            .collect();
        let page = format!("<title>top</title><ol class='grid_view x'>{rows}</ol>");
        html(&demo, &format!("/top250?start={start}"), &page);
    }
    for film in 0..FILMS {
        let page = format!(
            "<h1>\n  <span>片名 &amp; {film}\n</span> <i>(1994)</i></h1><script>var a='<h1>';</script>\
             <strong class=\"ll rating_num\"> 9.{} </strong><div id=info>\
             导演: <a rel='v:directedBy'>A {film}</a> / <a rel='v:directedBy'>B</a><br>\
             <span class=pl>语言:</span> 英语<br>片长: 142",
            film % 10
        );
        html(&demo, &format!("/subject/{film}/"), &page);
    }
    demo
}

fn film(number: usize) -> Value {
    json!({
        "name": format!("片名 & {number}"),
        "score": format!("9.{}", number % 10).parse::<f64>().expect("a number"),
        "directors": [format!("A {number}"), "B"],
        "language": "英语",
    })
}

async fn ended<B: Backend>(rig: &Rig<B>, outcome: Outcome) -> Report {
    let ended = rig.crawl().await;
    assert!(ended.error.is_none(), "{:?}", ended.error);
    assert_eq!(ended.report.outcome, outcome, "{:#?}", ended.report);
    adds_up(&ended.report);
    ended.report
}

async fn charts_are_stored_field_by_field<B: Backend>() {
    let rig = rig::<B>(CHARTS, charts()).await;
    let report = ended(&rig, Outcome::Complete).await;
    assert_eq!((report.items.new, report.index.declared), (FILMS as u64, None));
    let stored = rig.documents().await;
    assert_eq!(stored.len(), FILMS);
    for number in 0..FILMS {
        assert_eq!(stored[&number.to_string()], film(number));
    }
}

#[tokio::test]
async fn charts_go_into_sqlite_field_by_field() {
    charts_are_stored_field_by_field::<Sqlite>().await;
}

#[tokio::test]
async fn charts_go_into_mongodb_field_by_field() {
    charts_are_stored_field_by_field::<Mongodb>().await;
}

#[tokio::test]
async fn an_html_page_that_is_gone_is_counted_and_does_not_stop_the_crawl() {
    let demo = charts();
    demo.clear_faults();
    let list = "<ol class=grid_view><li><div class=hd><a href='/subject/7/'>x</a></div>\
                <li><div class=hd><a href='/subject/8/'>x</a></div></ol>";
    html(&demo, "/top250?start=0", list);
    html(&demo, "/top250?start=25", "<p>nothing");
    html(&demo, "/subject/8/", "<h1><span>Eight</span></h1>");
    let rig = rig::<Sqlite>(CHARTS, demo).await;
    let report = ended(&rig, Outcome::Complete).await;
    assert_eq!((report.items.new, report.items.missing), (1, 1));
    assert_eq!(rig.documents().await["8"], json!({"name": "Eight"}));
    says(&report, "the field score was found on none of 1 pages");
}

#[tokio::test]
async fn p7_a_required_field_that_is_missing_is_a_failure_that_names_it() {
    let demo = charts();
    demo.clear_faults();
    let list = "<ol class=grid_view><li><div class=hd><a href='/subject/7/'>x</a></div></ol>";
    html(&demo, "/top250?start=0", list);
    html(&demo, "/top250?start=25", "<p>nothing");
    html(&demo, "/subject/7/", "<h1>no span here</h1>");
    let rig = rig::<Sqlite>(CHARTS, demo).await;
    ended(&rig, Outcome::Incomplete).await;
    let failure = rig.backend.failures().await.remove(0);
    assert_eq!(failure.reason, "require");
    assert!(failure.message.contains("name"), "{}", failure.message);
    assert!(failure.sample.is_some_and(|sample| sample.contains("no span here")));
}

#[tokio::test]
async fn p3_pages_in_other_charsets_are_decoded() {
    let demo = charts();
    demo.clear_faults();
    let list = "<ol class=grid_view><li><div class=hd><a href='/subject/7/'>x</a></div></ol>";
    html(&demo, "/top250?start=0", list);
    html(&demo, "/top250?start=25", "<p>nothing");
    // 霸王别姬 in GBK.
    let name = b"\xb0\xd4\xcd\xf5\xb1\xf0\xbc\xa7";
    let page = [&b"<meta charset=gbk><h1><span>"[..], name, b"</span></h1>"].concat();
    demo.fault(Fault::on("/subject/7/").body("text/html", page));
    let rig = rig::<Sqlite>(CHARTS, demo).await;
    ended(&rig, Outcome::Complete).await;
    assert_eq!(rig.documents().await["7"], json!({"name": "霸王别姬"}));
}

#[tokio::test]
async fn a_large_html_page_is_read_beside_the_others() {
    let demo = charts();
    let filler = "<p>filler</p>".repeat(20_000);
    html(&demo, "/subject/60/", "unused");
    demo.clear_faults();
    let list = "<ol class=grid_view><li><div class=hd><a href='/subject/7/'>x</a></div></ol>";
    html(&demo, "/top250?start=0", list);
    html(&demo, "/top250?start=25", "<p>nothing");
    html(&demo, "/subject/7/", &format!("{filler}<h1><span>Large</span></h1>"));
    let rig = rig::<Sqlite>(CHARTS, demo).await;
    ended(&rig, Outcome::Complete).await;
    assert_eq!(rig.documents().await["7"], json!({"name": "Large"}));
}

#[tokio::test]
async fn numbered_html_pages_lead_to_json_documents() {
    let demo = Demo::start(Options { items: 1, ..Options::default() }).expect("the site starts");
    for page in 1..=3 {
        let link = |n: u32| format!("<a class=thing href='/thing/t%20{}'>x</a>", page * 10 + n);
        html(&demo, &format!("/list/{page}"), &(link(1) + &link(2)));
    }
    for thing in [11, 12, 21, 22, 31, 32] {
        let body = json!({"data": {"id": thing, "title": "T", "price": "¥ 12.50 元"}, "more": 1});
        let path = format!("/api/thing/t%20{thing}");
        demo.fault(Fault::on(path).body("application/json", body.to_string()));
    }
    let rig = rig::<Sqlite>(MIXED, demo).await;
    let report = ended(&rig, Outcome::Complete).await;
    assert_eq!((report.items.new, report.index.pages), (6, 3));
    let stored = rig.documents().await;
    assert_eq!(stored["t 31"], json!({"id": 31, "title": "T", "price": 12.5}));
}

#[test]
fn site_files_of_html_say_what_is_wrong_with_them() {
    let path = format!("{}/{CHARTS}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the example");
    let error = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        Site::parse(&text.replace(from, to), "my.toml").expect_err(to).to_string()
    };
    for (from, to, words) in [
        ("h1 > span::text", "h1 > span", "detail.fields.name: it selects elements"),
        ("h1 > span::text", "h1 >> span::text", "detail.fields.name: "),
        (
            "as = \"number\"",
            "as = \"nmber\"",
            "detail.fields.score.as: unknown variant `nmber`, expected one of `text`, `integer`, `number`, `bool`, `json`, `url`, `date`; did you mean `number`?",
        ),
        ("regex = '语言:", "regex = '(语言:", "detail.fields.language: "),
        ("many = true", "may = true", "detail.fields.directors.may: unknown field `may`"),
        (
            "limit = 25",
            "limit = 25, last = 3",
            "my.toml:10: index.paging: `last` is not valid with `by = \"offset\"`",
        ),
        ("by = \"offset\", limit = 25", "by = \"page\"", "index.query.start: "),
        ("[detail.fields]", "[detail.felds]", "detail.felds: unknown field `felds`"),
    ] {
        assert!(error(from, to).contains(words), "{to}: {}", error(from, to));
    }
}
