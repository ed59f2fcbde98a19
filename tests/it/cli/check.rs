//! `gleaner check`: what it says of sites that fit their file, and of those that do not; exit codes.

use std::net::TcpListener;
use std::time::Duration;

use gleaner::demo::Fault;
use serde_json::{Value, json};

use super::program::{Ended, gleaner};
use super::second_pages::BY_NEXT;
use super::{folder, site, start};
use crate::copies::{douban, examples, lists, movies};
use crate::served::{Answer, Served};

/// A site file of JSON pages, by its `[index]` and what follows.
pub fn file(rest: &str) -> String {
    format!("name = \"mine\"\nbase_url = \"http://127.0.0.1:9\"\n{rest}")
}

pub const LIST: &str = "[index]\nurl = \"/list\"\nitems = \"$.rows[*]\"\nkey = \"$.id\"\n";
const DETAIL: &str = "[detail]\nurl = \"/item/{key}\"\nrequire = [\"$.id\"]\n";

/// `check` of a file with this text, at `url`.
pub fn checked(text: &str, url: &str, more: &[&str]) -> Ended {
    let (folder, _) = folder();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, text).expect("the file is written");
    let path = path.to_str().expect("UTF-8");
    let ended = gleaner(&["check", path, "--base-url", url]).args(more).run();
    let left = std::fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 1, "something was written");
    fits_the_terminal(&ended.out);
    ended
}

fn fits_the_terminal(text: &str) {
    let rows = text.lines().filter(|line| !line.starts_with([' ', '{', '}']));
    rows.for_each(|line| assert!(line.chars().count() <= 80, "{line}"));
}

/// Three items at `/list`, each with a page; `broken` answers before.
fn rows(broken: impl Fn(&str) -> Option<Answer> + Send + Sync + 'static) -> Served {
    Served::start(move |asked| {
        broken(&asked.path).unwrap_or_else(|| match asked.path.strip_prefix("/item/") {
            Some(id) => Answer::json(&json!({ "id": id, "name": "n" })),
            None => Answer::json(&json!({ "rows": [{ "id": 1 }, { "id": 2 }, { "id": 3 }] })),
        })
    })
}

pub fn says(ended: &Ended, parts: &[&str]) {
    let flat = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(flat.contains(part), "nothing of `{part}` in: {}", ended.out);
    }
}

#[test]
fn the_demo_site_fits_the_built_in_file() {
    let demo = site(60);
    let ended = gleaner(&["check", "books", "--base-url", demo.url()]).run().with(0);
    says(&ended, &["items 18, the first:", "declared 60 items", "next pages 2 to 4, concurrently"]);
    says(&ended, &["books fits"]);
    assert_eq!(ended.err, "");
    assert_eq!(demo.stats().requests, 4, "robots.txt, the list, an item, the next page");
    let ended = gleaner(&["check", "books", "--base-url", demo.url(), "--json"]).run().with(0);
    let facts: Value = serde_json::from_str(&ended.out).expect("JSON");
    let key = facts["key"].as_str().expect("a key");
    assert_eq!(Some(&facts["document"]), demo.document(key).as_ref());
    assert_eq!(facts["list"]["keys"][0], key);
    assert_eq!((&facts["list"]["declared"], &facts["misfit"]), (&60.into(), &Value::Null));
    assert_eq!(facts["requests"][1]["status"], 200);
}

#[test]
fn the_other_built_in_sites_fit_their_copies() {
    let films = movies::movies(Duration::ZERO);
    let ended = gleaner(&["check", "movies", "--base-url", films.url()]).run().with(0);
    says(&ended, &["items 100, the first: 1, 2", "movies fits"]);
    says(&ended, &["the keys are known", "霸王别姬"]);
    assert_eq!((films.count("/detail/"), films.count("/page/")), (1, 0));
    let charts = douban::top250(&[], Duration::ZERO);
    let ended = gleaner(&["check", "douban-top250", "--base-url", charts.url()]).run().with(0);
    says(&ended, &["declared 250 items", "pages 2 to 10, concurrently", "douban-top250 fits"]);
}

#[test]
fn categories_sitemaps_and_cursors_are_followed_to_an_item() {
    let example = |name: &str| format!("{}/docs/sites/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let check = |name: &str, served: &Served| {
        gleaner(&["check", &example(name), "--base-url", served.url()]).run().with(0)
    };
    says(
        &check("shop-by-category", &examples::shop()),
        &["seeds", "\"name\":", "by-category fits"],
    );
    says(&check("sitemap", &examples::magazine(9)), &["sitemap fits", "\"title\":"]);
    says(&check("wordpress", &examples::blog(300)), &["pages 2 to 3, concurrently", "\"id\":"]);
    says(&check("releases", &examples::releases(9, 4)), &["next http://", "\"tag\":"]);
    let lists = lists::Lists { things: 60, size: 50, delay: Duration::ZERO }.serve();
    says(&check("graphql", &lists), &["POST http://", "next cursor \"", "\"motto\":"]);
}

#[test]
fn a_selector_that_matches_nothing_is_named() {
    let served = rows(|_| None);
    let text = file(LIST).replace("$.rows", "$.books") + DETAIL;
    let ended = checked(&text, served.url(), &[]).with(3);
    says(&ended, &["mine does not fit:", "index.items: `$.books[*]` matched nothing"]);
    let text = file(LIST).replace("$.id", "$.uuid") + DETAIL;
    let ended = checked(&text, served.url(), &[]).with(3);
    says(&ended, &["none of the 3 items", "the selector matched nothing"]);
    let text = file(LIST).replace("\"$.id\"", "{ select = \"$.id\", regex = \"x\" }") + DETAIL;
    let ended = checked(&text, served.url(), &[]).with(3);
    says(&ended, &["none of the 3 items", "the selector matched, but its `regex` did not"]);
    let text = file(LIST) + DETAIL + "[detail.fields]\nid = \"$.id\"\nold = \"$.old\"\n";
    let ended = checked(&text, served.url(), &[]).with(0);
    says(&ended, &["detail.fields.old: `$.old` matched nothing", "fits, with 1 warning"]);
    let text = file(LIST) + &DETAIL.replace("$.id\"]", "$.isbn\"]");
    says(&checked(&text, served.url(), &[]).with(3), &["the page has no $.isbn", "`require`"]);
    let text = file(LIST)
        + DETAIL
        + "[detail.fields]\na = { select = \"$.name\", as = \"integer\" }\nb = { select = \"$.b\", required = true }\n";
    let ended = checked(&text, served.url(), &[]).with(3);
    says(&ended, &["the field a should be an integer", "! the page has no b, which is required"]);
}

#[test]
fn keys_that_are_not_unique_are_a_warning() {
    let served = rows(|path| {
        (path == "/list").then(|| Answer::json(&json!({ "rows": [{ "id": 1 }, { "id": 1 }] })))
    });
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &[]).with(0);
    says(&ended, &["keys are not unique: the page has 2 items but 1 keys", "with 1 warning"]);
}

#[test]
fn a_redirect_is_a_warning_with_the_direct_url() {
    let demo = site(5);
    let (folder, _) = folder();
    let path = folder.path().join("mine.toml");
    let books = include_str!("../../../src/site/books.toml");
    std::fs::write(&path, books.replace("/{key}/", "/{key}")).expect("the file is written");
    let path = path.to_str().expect("UTF-8");
    let ended = gleaner(&["check", path, "--base-url", demo.url()]).run().with(0);
    says(&ended, &["redirected to http", "write `url = \"/api/book/{key}/\"` in [detail]"]);
}

#[test]
fn a_missing_or_non_json_page_does_not_fit() {
    let served = rows(|path| path.starts_with("/item/").then(Answer::not_found));
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &[]).with(3);
    says(&ended, &["item 1: the site answered 404; check `url` in the site file"]);
    assert_eq!(served.count("/item/"), 3);
    let served = rows(|path| (path == "/item/1").then(Answer::not_found));
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &[]).with(0);
    says(&ended, &["! item 1 is listed, but its page has status 404", "document of 2,"]);
    let page = "<h1>\u{1b}[31mHello</h1>";
    let served = rows(move |_| Some(Answer::html(page.to_owned())));
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &[]).with(3);
    says(&ended, &["the body is not JSON", "set `format = \"html\"`?", "It begins: <h1>"]);
    assert!(!ended.out.contains('\u{1b}'), "{:?}", ended.out);
    let served = rows(|_| Some(Answer::text("no".to_owned()).status(403)));
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &[]).with(3);
    says(&ended, &["index page 1: the site answered 403; the site refuses"]);
}

#[test]
fn another_host_has_to_be_allowed() {
    let other = rows(|_| None);
    let link = format!("{}/item/7", other.url());
    let served = rows(move |_| Some(Answer::json(&json!({ "rows": [{ "id": 7, "url": link }] }))));
    let text = file(LIST) + "[detail]\nlink = \"$.url\"\n";
    let ended = checked(&text, served.url(), &[]).with(3);
    let host = other.url().trim_start_matches("http://");
    says(&ended, &["item 7 cannot be requested", &format!("write `hosts = [\"{host}\"]`")]);
    let text = format!("hosts = [\"{host}\"]\n{text}");
    let ended = checked(&text, served.url(), &[]).with(0);
    says(&ended, &["\"name\": \"n\""]);
}

#[test]
fn a_page_size_limited_by_the_site_is_a_misfit_where_items_would_be_lost() {
    let demo = start(gleaner::demo::Options { items: 1_500, ..Default::default() });
    let arguments = ["check", "books", "--base-url", demo.url(), "--page-size", "1200"];
    let ended = gleaner(&arguments).run().with(3);
    says(&ended, &["requested 1200 items and received 1000 of 1500", "set `limit = 1000`"]);
    says(&ended, &["books does not fit: the first page of the list has 1000 of the 1200 items"]);
    let text = file(LIST);
    let ended = checked(&text, demo.url(), &["--page-size", "7"]).with(2);
    ended.tells(&["--page-size"]);
}

#[test]
fn a_list_without_details_shows_its_first_item() {
    let served = rows(|_| None);
    let ended = checked(&file(LIST), served.url(), &[]).with(0);
    says(&ended, &["document of 1, for the collection mine { \"id\": 1 } mine fits"]);
    assert_eq!((served.count("/list"), served.count("/item/")), (1, 0));
}

#[test]
fn a_bad_file_is_exit_2_and_a_site_out_of_reach_exit_1() {
    let ended = checked(&file("colour = 3\n"), "http://127.0.0.1:9", &[]).with(2);
    assert_eq!(ended.tells(&["mine.toml:3", "colour"]).out, "");
    gleaner(&["check", "no-such-site"]).run().with(2).tells(&["no-such-site", "books"]);
    gleaner(&["check"]).run().with(2).tells(&["SITE"]);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let ended = checked(&(file(LIST) + DETAIL), &format!("http://{port}"), &[]).with(1);
    says(&ended, &["mine could not be checked: robots.txt: no connection"]);
    let more = ["--robots", "off"];
    let ended = checked(&(file(LIST) + DETAIL), &format!("http://{port}"), &more).with(1);
    says(&ended, &["GET http://127.0.0.1", "no answer", "index page 1: no connection"]);
    let arguments = ["check", "books", "--proxy", "ftp://h"];
    gleaner(&arguments).run().with(2).tells(&["--proxy"]);
}

#[test]
fn a_page_forbidden_by_robots_txt_does_not_fit() {
    let served = rows(|path| {
        let rules = "User-agent: *\nDisallow: /item/\n".to_owned();
        (path == "/robots.txt").then(|| Answer::text(rules))
    });
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &[]).with(3);
    says(&ended, &["item 1: robots.txt asks crawlers to leave this page alone"]);
    assert_eq!(served.count("/item/"), 0);
    checked(&(file(LIST) + DETAIL), served.url(), &["--robots", "off"]).with(0);
    checked(&format!("robots = false\n{}{DETAIL}", file(LIST)), served.url(), &[]).with(0);
}

#[test]
fn a_redirect_to_another_host_has_to_be_allowed() {
    let other = rows(|_| None);
    let to = format!("{}/item/1", other.url());
    let served = rows(move |path| {
        (path == "/item/1").then(|| Answer::text(String::new()).status(302).header("location", &to))
    });
    let ended = checked(&(file(LIST) + DETAIL), served.url(), &[]).with(3);
    let host = other.url().trim_start_matches("http://");
    says(&ended, &["item 1: a redirect leads to", &format!("write `hosts = [\"{host}\"]`")]);
}

#[test]
fn an_interrupt_is_exit_130() {
    let demo = site(5);
    demo.fault(Fault::on("/api/book/*").stall(10));
    let running = gleaner(&["check", "books", "--base-url", demo.url()]).start();
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while demo.stats().requests == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing was requested");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal("INT");
    let out = running.end().with(130).out;
    assert_eq!(out, format!("requests  {}\n", demo.url().trim_start_matches("http://")));
}

/// A site file of somebody else's: what it reaches for is said before anything is asked for.
#[test]
fn x1_check_shows_hosts_files_and_headers_before_the_first_request() {
    let served = rows(|_| Some(Answer::not_found()));
    let inner = "http://127.0.0.1:9/_search";
    let list = format!(
        "[index]\nurl = '{inner}'\nheaders = {{ X-Inner = 'a' }}\nitems = '$[*]'\nkey = '$.id'\n"
    );
    let more = ["--header", "X-Mine: s3cret", "--header", "https://shop.example: X-Shop: s3cret"];
    let own = served.url().trim_start_matches("http://");
    let asks = format!("requests  {own}, 127.0.0.1:9");
    let ended = checked(&file(&(list.clone() + DETAIL)), served.url(), &more);
    let (reach, _) = ended.out.split_once("index page 1\n").expect("what was requested");
    let mut rows: Vec<&str> = reach.lines().collect();
    assert_eq!(rows.remove(0), asks);
    rows.sort_unstable();
    let mine = format!("sends     x-mine to {own}");
    assert_eq!(rows, ["sends     x-inner to 127.0.0.1:9", &mine]);
    assert!(!ended.out.contains("s3cret"));
    // Nobody answers at the inner place, so that nothing else was said.
    let json = checked(&file(&(list + DETAIL)), served.url(), &["--json", more[0], more[1]]);
    assert_eq!(json.err.lines().next(), Some(&*asks));
    let facts: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(facts["access"]["hosts"], json!([own, "127.0.0.1:9"]));
    assert_eq!(facts["access"]["headers"][own], json!(["x-mine"]));
}

#[test]
fn x1_check_names_the_file_that_a_site_file_reads() {
    let served = rows(|_| None);
    let (folder, _) = folder();
    let [path, keys] = ["mine.toml", "ids.txt"].map(|name| folder.path().join(name));
    let text = file(&("[index]\npaging = { by = 'keys', file = 'ids.txt' }\n".to_owned() + DETAIL));
    std::fs::write(&path, text).expect("the file is written");
    std::fs::write(&keys, "1\n2\n").expect("the file is written");
    let path = path.to_str().expect("UTF-8");
    let ended = gleaner(&["check", path, "--base-url", served.url()]).run().with(0);
    assert_eq!(ended.out.lines().nth(1), Some("reads     ids.txt"), "{}", ended.out);
}

#[test]
fn x1_keys_of_a_file_elsewhere_are_refused() {
    let paging = "[index]\npaging = { by = 'keys', file = '/etc/passwd' }\n";
    let ended = checked(&file(&(paging.to_owned() + DETAIL)), "http://127.0.0.1:9", &[]);
    let err = ended.with(2).err;
    assert!(err.contains("/etc/passwd is outside the folder of the site file"), "{err}");
}

#[test]
fn w27_a_proxy_variable_that_cannot_be_used_is_refused_like_the_argument() {
    let (folder, _) = folder();
    let path = folder.path().join("mine.toml");
    let text = file(&(LIST.to_owned() + DETAIL)).replace("127.0.0.1:9", "shop.test");
    std::fs::write(&path, text).expect("the file is written");
    let path = path.to_str().expect("UTF-8");
    let store = format!("sqlite:{}", folder.path().join("x.db").display());
    for arguments in [
        &["check", path][..],
        &["crawl", path, "--store", &store],
        &["fetch", "http://shop.test/"],
        &["tune", path],
    ] {
        for variable in ["HTTP_PROXY", "all_proxy"] {
            let ended = gleaner(arguments).env(variable, "ftp://me:s3cret@proxy.test:21").run();
            let err = ended.with(2).err;
            assert!(err.contains(variable) && err.contains("cannot be used"), "{err}");
            assert!(!err.contains("s3cret"), "{err}");
        }
    }
    assert!(!folder.path().join("x.db").exists(), "nothing was begun");
}

#[test]
fn a_next_page_is_not_called_a_sitemap() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!({ "rows": [], "next": "/more" })),
        _ => Answer::json(&json!({ "rows": [] })),
    });
    let ended = checked(&file(&format!("{LIST}{BY_NEXT}\n")), served.url(), &[]).with(3);
    says(&ended, &["index page 2 has no items"]);
    assert!(!ended.out.contains("sitemap"), "{}", ended.out);
}

#[test]
fn a_category_without_items_leads_to_the_next() {
    let served = Served::start(|asked| match asked.query.get("c").map(String::as_str) {
        Some("full") => Answer::json(&json!({ "rows": [{ "id": 1 }] })),
        _ => Answer::json(&json!({ "rows": [] })),
    });
    let text = file(&format!("{LIST}query = {{ c = \"{{seed}}\" }}\n"))
        + "[seeds]\nvalues = [\"empty\", \"full\"]\n";
    says(&checked(&text, served.url(), &[]).with(0), &["1 of empty has no items", "mine fits"]);
    let none = text.replace("\"full\"", "\"none\"");
    says(&checked(&none, served.url(), &[]).with(3), &["index page 1 of empty has no items"]);
}

#[test]
fn p11_check_refuses_plain_text_and_names_the_form_that_fits() {
    let html = file(
        "format = \"html\"\n[index]\nurl = \"/list\"\nitems = \"a\"\nkey = \"::text\"\n\
        [index.fields]\nname = \"::text\"\n",
    );
    let served = Served::start(|_| Answer::text("Ada <ada@example.org>".to_owned()));
    let ended = checked(&html, served.url(), &[]).with(3);
    says(&ended, &["text/plain by its Content-Type, and not HTML", "Ada <ada@example.org>"]);
    let served = Served::start(|_| Answer::json(&json!({ "rows": [{ "id": 1 }] })));
    let ended = checked(&html, served.url(), &[]).with(3);
    says(
        &ended,
        &["application/json by its Content-Type", "it is JSON: write `format = \"json\"`"],
    );
}

#[test]
fn p10_p12_check_reports_replaced_and_guessed_characters() {
    let body = "{\"rows\":[{\"id\":1,\"name\":\"cut \\ud83c\"}]}";
    let served = Served::start(move |_| Answer::body(body, "application/json"));
    let ended = checked(&file(LIST), served.url(), &[]).with(0);
    says(&ended, &["1 character could not be decoded and became U+FFFD"]);
    let html = file(
        "format = \"html\"\n[index]\nurl = \"/list\"\nitems = \"a\"\nkey = \"::text\"\n\
        [index.fields]\nname = \"::text\"\n",
    );
    let served = Served::start(|_| Answer::body(&b"<a>caf\xe9</a>"[..], "text/html"));
    says(&checked(&html, served.url(), &[]).with(0), &["it was read as windows-1252", "café"]);
}

#[test]
fn check_prints_what_is_expected_of_sweeps() {
    let served = rows(|_| None);
    let expect =
        "[expect]\nevery = \"6h\"\nmin_items = 100\nmax_drop = 20\nfields = { name = 95 }\n";
    let text = file(LIST) + DETAIL + "fields = { name = \"$.name\" }\n" + expect;
    let ended = checked(&text, served.url(), &[]).with(0);
    says(
        &ended,
        &["expects a sweep every 6h, at least 100 items, a drop of at most 20 %, name on 95 %"],
    );
}
