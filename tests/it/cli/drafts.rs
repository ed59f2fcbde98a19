//! `gleaner sites new` on lists as services have them: a draft with exit code 0 lists everything, and
//! one with exit code 3 names what is missing.

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::program::gleaner;
use super::{folder, read, sqlite};
use crate::served::{Answer, Asked, Served};

const THINGS: usize = 47;

fn thing(at: usize) -> Value {
    json!({ "id": 1000 + at, "title": format!("Thing {at}"), "account": { "id": 3 } })
}

fn part(from: usize, size: usize) -> Vec<Value> {
    (from..(from + size).min(THINGS)).map(thing).collect()
}

/// Shopify: the next page is in `Link`, and its parameter allows no others.
fn shopify(asked: &Asked) -> Answer {
    let info = asked.query.get("page_info");
    if info.is_some() && asked.query.keys().any(|name| name != "page_info" && name != "limit") {
        return Answer::json(&json!({ "errors": "only page_info" })).status(400);
    }
    let from: usize = info.map_or(0, |info| info.trim_start_matches('n').parse().unwrap_or(0));
    let answer = Answer::json(&json!({ "products": part(from, 10) }));
    match from + 10 < THINGS {
        true => {
            let next = format!("<{}/list?limit=10&page_info=n{}>", asked.origin(), from + 10);
            answer.header("link", &format!("{next}; rel=\"next\""))
        }
        false => answer,
    }
}

/// Zendesk: each page names a next one, and a flag says whether there is one.
fn zendesk(asked: &Asked) -> Answer {
    let after = asked.query.get("page[after]");
    let from: usize = after.map_or(0, |it| it.trim_start_matches("cur").parse().unwrap_or(0));
    let cursor = format!("cur{}", (from + 10).min(THINGS));
    let next = format!("{}/list?page[size]=10&page[after]={cursor}", asked.origin());
    let meta = json!({ "has_more": from + 10 < THINGS, "after_cursor": cursor });
    Answer::json(&json!({ "tickets": part(from, 10), "meta": meta, "links": { "next": next } }))
}

/// Notion: a token with a parameter of another name; an unknown parameter is an error.
fn notion(asked: &Asked) -> Answer {
    if asked.query.keys().any(|name| name != "start_cursor" && name != "page_size") {
        return Answer::json(&json!({ "object": "error", "status": 400 })).status(400);
    }
    let from: usize = asked.query.get("start_cursor").map_or(0, |it| it[1..].parse().unwrap_or(0));
    let next = (from + 10 < THINGS).then(|| format!("c{}", from + 10));
    let more = next.is_some();
    Answer::json(
        &json!({ "object": "list", "results": part(from, 10), "next_cursor": next, "has_more": more }),
    )
}

/// Mastodon: a bare list, the next page in `Link`, by the last id.
fn mastodon(asked: &Asked) -> Answer {
    let max = asked.number("max_id").unwrap_or(1000 + THINGS);
    let mut all: Vec<Value> = (0..THINGS).rev().map(thing).collect();
    all.retain(|it| it["id"].as_u64().is_some_and(|id| id < max as u64));
    all.truncate(20);
    let last = all.last().map(|it| it["id"].to_string());
    let answer = Answer::json(&all.into());
    match last {
        Some(last) => {
            let to = |name: &str, id: &str| format!("<{}/list?{name}={id}>", asked.origin());
            let link = format!(
                "{}; rel=\"next\", {}; rel=\"prev\"",
                to("max_id", &last),
                to("min_id", "9")
            );
            answer.header("link", &link)
        }
        None => answer,
    }
}

fn page_of(asked: &Asked) -> usize {
    let in_path =
        asked.path.rsplit("/page/").next().and_then(|rest| rest.trim_matches('/').parse().ok());
    in_path.or(asked.number("page")).or(asked.number("paged")).unwrap_or(1)
}

/// The archive of a WordPress blog: HTML, with a link to older posts.
fn blog(asked: &Asked) -> Answer {
    let page = page_of(asked);
    let article = |it: Value| {
        let id = &it["id"];
        format!(
            "<article id=\"post-{id}\" class=\"post post-{id} hentry\"><h2 class=entry-title><a href=\"/blog/thing-{id}/\">{}</a></h2><time datetime=\"2024-01-01\">Jan 1</time><p>Text</p></article>",
            it["title"]
        )
    };
    let articles: String = part((page - 1) * 10, 10).into_iter().map(article).collect();
    if articles.is_empty() {
        return Answer::not_found();
    }
    let next = if page * 10 < THINGS {
        format!("<a class=\"next page-numbers\" href=\"/list/page/{}/\">Older →</a>", page + 1)
    } else {
        String::new()
    };
    Answer::html(format!(
        "<!doctype html><html><body><nav><ul><li class=menu-item><a href=/a>About us</a><li class=menu-item><a href=/b>Contact</a></ul></nav><main>{articles}</main><nav class=pagination>{next}</nav><aside><ul><li><a href=/c/x>Category</a><li><a href=/c/y>Another</a></ul></aside></body></html>"
    ))
}

/// A feed of WordPress: RSS, with further pages by a parameter that nothing names.
fn feed(asked: &Asked) -> Answer {
    let from = (page_of(asked) - 1) * 10;
    let item = |it: Value| {
        format!(
            "<item><title>{}</title><link>http://blog.example/{1}/</link><guid isPermaLink=\"false\">http://blog.example/?p={1}</guid></item>",
            it["title"], it["id"]
        )
    };
    let items: String = part(from, 10).into_iter().map(item).collect();
    if items.is_empty() || asked.query.contains_key("page") {
        return Answer::not_found();
    }
    Answer::xml(format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>Blog</title><link>http://blog.example</link>{items}</channel></rss>"
    ))
}

/// A shop: HTML, with `rel=next`, and the ids in attributes.
fn shop(asked: &Asked) -> Answer {
    let page = page_of(asked);
    let card = |it: Value| {
        format!(
            "<li class=\"product\" data-product-id=\"{}\"><a href=\"/p?v={}\"><h3>{}</h3></a><span class=price>9 €</span></li>",
            it["id"], it["account"]["id"], it["title"]
        )
    };
    let cards: String = part((page - 1) * 12, 12).into_iter().map(card).collect();
    let next = if page * 12 < THINGS {
        format!("<link rel=next href=\"/list?page={}\">", page + 1)
    } else {
        String::new()
    };
    Answer::html(format!(
        "<!doctype html><html><head><title>Shop</title>{next}</head><body><ul class=grid>{cards}</ul></body></html>"
    ))
}

/// A page made by a script, with its data in it, by numbered pages with a count.
fn app(asked: &Asked) -> Answer {
    let page = page_of(asked);
    let data = json!({ "props": { "pageProps": { "items": part((page - 1) * 10, 10), "total": THINGS } } });
    Answer::html(format!(
        "<!doctype html><html><body><div id=app></div><script id=\"__NEXT_DATA__\" type=\"application/json\">{data}</script></body></html>"
    ))
}

/// An export: CSV with semicolons, in one page.
fn export(asked: &Asked) -> Answer {
    let _ = asked;
    let rows: String =
        part(0, THINGS).into_iter().map(|it| format!("{};{}\n", it["id"], it["title"])).collect();
    Answer::body(format!("id;title\n{rows}"), "text/csv")
}

/// Stripe: the next page begins after the last item, and only a flag says that there is one.
fn stripe(asked: &Asked) -> Answer {
    let from = asked.number("starting_after").map_or(0, |id| id - 999);
    Answer::json(&json!({ "data": part(from, 10), "has_more": from + 10 < THINGS }))
}

/// Keys of a table.
fn keys(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("the file opens");
    let mut rows = connection.prepare("SELECT key FROM list ORDER BY key").expect("the table");
    let rows = rows.query_map([], |row| row.get(0)).expect("the query runs");
    rows.map(|row| row.expect("a row")).collect()
}

/// Drafts a file for `/list` of a service, and crawls with it. Returns the file and the keys.
fn drafted(answer: fn(&Asked) -> Answer) -> (String, Vec<String>) {
    let served = Served::start(move |asked| match asked.path.starts_with("/list") {
        true => answer(asked),
        false => Answer::not_found(),
    });
    let (folder, store) = folder();
    let file = folder.path().join("mine.toml");
    let path = file.to_str().expect("UTF-8");
    let url = format!("{}/list", served.url());
    gleaner(&["sites", "new", &url, "--output", path]).run().with(0);
    let text = read(&file);
    gleaner(&["check", path]).run().with(0);
    let ended = gleaner(&["crawl", path, "--store", &sqlite(&store)]).run();
    assert_eq!(ended.code, 0, "{}\n{text}", ended.err);
    (text, keys(&store))
}

/// Spring: pages from 0 with their number; behind the last one there is an error.
fn spring(asked: &Asked) -> Answer {
    let rows = part(asked.number("page").unwrap_or(0) * 10, 10);
    match rows.is_empty() {
        true => Answer::not_found(),
        false => Answer::json(&json!({ "content": rows, "totalPages": 5 })),
    }
}

#[test]
fn a_number_of_pages_is_not_that_of_the_last_where_pages_begin_with_0() {
    lists_everything(spring, &["first = 0, pages = \"$.totalPages\""]);
}

fn lists_everything(answer: fn(&Asked) -> Answer, lines: &[&str]) {
    let (text, keys) = drafted(answer);
    for line in lines {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let ids: Vec<String> = (1000..1000 + THINGS).map(|id| id.to_string()).collect();
    let has = |id: &&String| keys.iter().any(|key| key.ends_with(&***id));
    assert_eq!((keys.len(), ids.iter().filter(has).count()), (THINGS, THINGS), "{text}");
}

#[test]
fn next_pages_in_headers_and_members_are_followed() {
    lists_everything(shopify, &["link_header = true", "require = [\"$.products\"]"]);
    lists_everything(zendesk, &["select = \"$.links.next\", while = \"$.meta.has_more\""]);
    lists_everything(mastodon, &["link_header = true", "items = \"$[*]\""]);
}

#[test]
fn tokens_and_last_keys_are_tried_with_the_parameters_of_services() {
    lists_everything(notion, &["start_cursor = \"{cursor}\"", "while = \"$.has_more\""]);
    lists_everything(
        stripe,
        &["starting_after = \"{last}\"", "take = { last = \"$.data[-1].id\" }"],
    );
}

#[test]
fn lists_in_html_and_in_scripts_are_drafted() {
    lists_everything(blog, &["a.next::attr(href)", "regex = '(\\d+)$'", "title = \"h2::text\""]);
    lists_everything(shop, &["rel~=next", "items = \"li.product\"", "data-product-id", "price = "]);
    lists_everything(
        app,
        &["within = \"script#__NEXT_DATA__::text\"", "total = \"$.props.pageProps.total\""],
    );
}

#[test]
fn lists_in_xml_and_csv_are_drafted() {
    lists_everything(
        feed,
        &["format = \"xml\"", "paged = \"{page}\"", "items = \"channel > item\""],
    );
    lists_everything(export, &["format = \"csv\"", "delimiter = \";\""]);
}

/// A forum of phpBB: links with a session id of each request, and an announcement on top of each page.
fn forum(asked: &Asked) -> Answer {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static SESSION: AtomicUsize = AtomicUsize::new(7);
    let sid = format!("{:032x}", SESSION.fetch_add(1, Ordering::Relaxed));
    let from = asked.number("start").unwrap_or(0);
    let topic = |it: Value| {
        format!(
            "<li class=row><a class=topictitle href=\"./view.php?f=2&amp;t={}&amp;sid={sid}\">{}</a> <time datetime=\"2024-01-01\">1</time></li>",
            it["id"], it["title"]
        )
    };
    // The last thing is the announcement.
    let all = part(from, 10).into_iter().filter(|it| *it != thing(THINGS - 1));
    let topics: String = [thing(THINGS - 1)].into_iter().chain(all).map(topic).collect();
    let next = match from + 10 < THINGS {
        true => {
            format!("<a rel=next href=\"/list?f=2&amp;sid={sid}&amp;start={}\">Next</a>", from + 10)
        }
        false => String::new(),
    };
    Answer::html(format!("<!doctype html><html><body><ul>{topics}</ul>{next}</body></html>"))
}

/// Crossref: the first page has a cursor of its own, and each answer names the next one.
fn works(asked: &Asked) -> Answer {
    let work = |it: Value| {
        let doi = format!("10.10{}/x;{}", &it["id"].to_string()[3..], it["id"]);
        json!({ "URL": format!("https://doi.org/{doi}"), "DOI": doi, "title": [it["title"]] })
    };
    let rows = |from| part(from, 10).into_iter().map(work).collect::<Vec<_>>();
    let answer = |message: Value| Answer::json(&json!({ "status": "ok", "message": message }));
    match asked.query.get("cursor").map(String::as_str) {
        None => answer(json!({ "items": rows(0), "total-results": THINGS })),
        Some("*") => {
            answer(json!({ "items": rows(0), "total-results": THINGS, "next-cursor": "c10" }))
        }
        Some(cursor) => match cursor.trim_start_matches('c').parse::<usize>() {
            Ok(from) => answer(
                json!({ "items": rows(from), "total-results": THINGS, "next-cursor": format!("c{}", from + 10) }),
            ),
            Err(_) => Answer::not_found(),
        },
    }
}

/// MusicBrainz: the count has the name of the items. Here the answers have status 206.
fn releases(asked: &Asked) -> Answer {
    let from = asked.number("offset").unwrap_or(0);
    let size = asked.number("limit").unwrap_or(10).min(25);
    Answer::json(&json!({ "release-count": THINGS, "releases": part(from, size) })).status(206)
}

/// USAJobs: parameters and counts in capital letters.
fn jobs(asked: &Asked) -> Answer {
    let size = asked.number("ResultsPerPage").unwrap_or(25).min(25);
    let from = (asked.number("Page").unwrap_or(1) - 1) * size;
    let items = part(from, size);
    Answer::json(&json!({ "SearchResult": {
        "SearchResultCount": items.len(), "SearchResultCountAll": THINGS, "SearchResultItems": items,
        "UserArea": { "NumberOfPages": THINGS.div_ceil(size).to_string() },
    } }))
}

/// Drafts a file for a list, with the exit code.
fn draft_of(answer: fn(&Asked) -> Answer, query: &str, code: i32) -> String {
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => answer(asked),
        _ => Answer::not_found(),
    });
    gleaner(&["sites", "new", &format!("{}/list{query}", served.url())]).run().with(code).out
}

#[test]
fn a_key_that_differs_between_two_requests_of_a_page_is_not_taken() {
    lists_everything(forum, &["regex = '[?&;]t=(\\d+)'"]);
    // Without a stable part, the draft is not finished.
    let random = |_: &Asked| {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static NOW: AtomicUsize = AtomicUsize::new(0);
        let now = NOW.fetch_add(3, Ordering::Relaxed);
        Answer::json(&json!([{ "id": now }, { "id": now + 1 }, { "id": now + 2 }]))
    };
    let text = draft_of(random, "", 3);
    assert!(text.contains("# NOT FINISHED") && text.contains("The values of the key"), "{text}");
    let session = |_: &Asked| {
        Answer::html("<html><body><ul><li class=i><a href='/v?sid=a1&f=2#1'>Some one</a><li class=i><a href='/v?sid=a1&f=2#2'>Some two</a></ul></body></html>".to_owned())
    };
    let text = draft_of(session, "", 3);
    assert!(text.contains("# NOT FINISHED") && text.contains("contains `sid`"), "{text}");
}

#[test]
fn whole_identifiers_come_before_parts_of_links_and_cursors_have_a_first_value() {
    let text = draft_of(works, "?cursor=*", 0);
    let line = "take = { cursor = \"$.message['next-cursor']\" }, start = { cursor = \"*\" }";
    assert!(text.contains("key = \"$.DOI\"") && text.contains(line), "{text}");
}

#[test]
fn counts_named_after_the_items_and_pages_with_status_206_are_read() {
    lists_everything(releases, &["total = \"$['release-count']\""]);
    let total = "total = \"$.SearchResult.SearchResultCountAll\"";
    lists_everything(jobs, &["ResultsPerPage = \"{limit}\"", total]);
}

#[test]
fn items_under_dates_and_credentials_of_the_query_are_written_for_every_run() {
    let feed = |asked: &Asked| match asked.query.get("api_key").map(String::as_str) {
        Some("DEMO_KEY") => Answer::json(&json!({ "objects": { "2024-01-02": part(0, 3) } })),
        _ => Answer::not_found(),
    };
    let text = draft_of(feed, "?api_key=DEMO_KEY", 0);
    for line in [
        "items = \"$.objects.*[*]\"",
        "require = [\"$.objects\"]",
        "query = { api_key = \"{env:GLEANER_SECRET_API_KEY}\" }",
        "set the variable",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("DEMO_KEY"), "{text}");
}

#[test]
fn a_draft_that_may_miss_items_is_exit_3_and_names_what_is_missing() {
    let told = |answer: fn(&Asked) -> Answer, names: &[&str]| {
        let served = Served::start(answer);
        let ended = gleaner(&["sites", "new", &format!("{}/list", served.url())]).run().with(3);
        let words =
            |text: &str| text.replace("\n#", "\n").split_whitespace().collect::<Vec<_>>().join(" ");
        for name in names {
            assert!(
                words(&ended.out).contains(name) && words(&ended.err).contains(name),
                "{name}\n{}{}",
                ended.out,
                ended.err
            );
        }
        gleaner::site::Site::parse(&ended.out, "x.toml").unwrap_or_else(|error| panic!("{error}"));
    };
    told(
        |_| Answer::json(&json!({ "items": part(0, 7), "cursor": "abc" })),
        &["`cursor` looks like"],
    );
    told(
        |_| Answer::json(&json!({ "items": part(0, 7), "hits": { "total": 90 } })),
        &["`hits.total` counts 90 items"],
    );
    told(|_| Answer::json(&json!({ "items": part(0, 7), "done": false })), &["`done` is false"]);
    told(|_| Answer::json(&json!(part(0, 20))), &["20 items, as a page of a longer list"]);
    told(
        |_| {
            Answer::html("<html><body><ul><li class=i><a href=/a/1>Some one</a><li class=i><a href=/a/2>Some two</a></ul><button>Load more</button></body></html>".to_owned())
        },
        &["“Load more”"],
    );
    // Behind the last page the site repeats it, or refuses.
    told(
        |asked| Answer::json(&json!(part((page_of(asked).min(5) - 1) * 10, 10))),
        &["the site repeats a page"],
    );
    told(
        |asked| match page_of(asked) {
            page @ 1..=5 => Answer::json(&json!(part((page - 1) * 10, 10))),
            _ => Answer::json(&json!({ "error": "no such page" })).status(400),
        },
        &["end = [204, 404, 410, 400]"],
    );
}

#[test]
fn headers_go_into_the_draft_and_credentials_do_not() {
    let served =
        Served::start(|asked| match (asked.header("x-site"), asked.header("authorization")) {
            ("de", "Bearer s3cret-token") => Answer::json(&json!(part(0, 7))),
            _ => Answer::text("who are you?".to_owned()).status(401),
        });
    let url = format!("{}/list", served.url());
    let given = ["--header", "X-Site: de", "--header", "Authorization: Bearer s3cret-token"];
    let text = gleaner(&["sites", "new", &url]).args(&given).run().with(0).out;
    assert!(text.contains("X-Site = \"de\""), "{text}");
    assert!(text.contains("Authorization = \"{env:GLEANER_SECRET_AUTHORIZATION}\""), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    gleaner(&["sites", "new", &url]).run().with(3).tells(&["status 401", "--header"]);
}

#[test]
fn check_blames_the_selector_of_items_and_names_the_list() {
    let served = Served::start(|asked| {
        let page = asked.number("page").unwrap_or(1);
        let next = format!("{}/list?page={}", asked.origin(), page + 1);
        Answer::json(&json!({ "results": part((page - 1) * 10, 10), "next": next }))
    });
    let (folder, _) = folder();
    let file = folder.path().join("mine.toml");
    let says = |items: &str, words: &[&str]| {
        let site = format!(
            "name = \"x\"\nbase_url = \"{}\"\n[index]\nurl = \"/list\"\npaging = {{ by = \"next\", select = \"$.next\" }}\nitems = \"{items}\"\nkey = \"$.id\"\n",
            served.url()
        );
        std::fs::write(&file, site).expect("the file is written");
        let ended = gleaner(&["check", file.to_str().expect("UTF-8")]).run();
        let all = (ended.out + &ended.err).split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(all.contains(word), "{word}\n{all}");
        }
        ended.code
    };
    let list = ["index page 1 has no items", "the page has 10 items at `$.results[*]`"];
    assert_eq!(says("$.items[*]", &list), 3);
    assert_eq!(says("$.results", &["the item is a list", "`$.results[*]`?"]), 3);
    assert_eq!(says("//li/a", &["it looks like an XPath"]), 2);
    assert_eq!(says("$.results == 3", &["it does not compare"]), 2);
    assert_eq!(says("results[*]", &["a path begins with `$`"]), 2);
}

#[test]
fn a_list_that_fails_after_its_first_request_is_not_finished() {
    let once = |_: &Asked| {
        use std::sync::atomic::{AtomicBool, Ordering};
        static WAS_ASKED: AtomicBool = AtomicBool::new(false);
        match WAS_ASKED.swap(true, Ordering::Relaxed) {
            false => Answer::json(&json!(part(0, 7))),
            true => Answer::text("too many".to_owned()).status(429),
        }
    };
    let text = draft_of(once, "", 3);
    let said = ["# NOT FINISHED", "did not answer a second time"];
    assert!(said.iter().all(|said| text.contains(said)), "{text}");
}
