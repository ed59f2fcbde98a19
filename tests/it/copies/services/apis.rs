//! Services whose pages are numbered, or name the next one.

use std::io::Write;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ITEMS, at_path, next, page};
use crate::served::{Answer, Asked};

fn bad_request() -> Answer {
    Answer::json(&json!({ "message": "bad request" })).status(400)
}

/// Numbered pages; the one past the last is empty.
pub fn shopify(asked: &Asked) -> Answer {
    match (asked.path.as_str(), asked.number("page"), asked.number("limit")) {
        ("/products.json", Some(number @ 1..), Some(250)) => {
            let products: Value = page(number * 10 - 10).map(shopify_product).collect();
            Answer::json(&json!({ "products": products }))
        }
        _ => bad_request(),
    }
}

fn shopify_product(at: usize) -> Value {
    let variants: Value = (0..=at % 3)
        .map(|it| json!({ "id": 90 + it, "sku": format!("S-{at}-{it}"), "price": "12.50" }))
        .collect();
    json!({
        "id": 7_000_000_000_000_u64 + at as u64,
        "title": format!("Tee {at}"),
        "handle": format!("tee-{at}"),
        "body_html": if at.is_multiple_of(4) { Value::Null } else { "<p>Soft &amp; <b>warm</b></p>".into() },
        "vendor": "Ada & Co",
        "updated_at": "2026-11-01T10:00:00-04:00",
        "variants": variants,
        "images": [{ "id": 1, "src": format!("https://cdn.shop/{at}.jpg") }],
    })
}

pub fn shopify_kept(at: usize) -> (String, Value) {
    let variants: Value =
        (0..=at % 3).map(|it| json!({ "sku": format!("S-{at}-{it}"), "price": 12.5 })).collect();
    let mut kept = json!({
        "title": format!("Tee {at}"),
        "vendor": "Ada & Co",
        "updated": "2026-11-01T14:00:00Z",
        "images": [format!("https://cdn.shop/{at}.jpg")],
        "variants": variants,
    });
    if !at.is_multiple_of(4) {
        kept["text"] = "Soft & warm".into();
    }
    ((7_000_000_000_000_u64 + at as u64).to_string(), kept)
}

/// Pages from 0, whose sign of a further one leads to HTML.
pub fn discourse(asked: &Asked) -> Answer {
    if let Some(at) = at_path(&asked.path, "/t/", ".json") {
        let post = |who: &str| json!({ "id": at, "username": who, "cooked": "<p>It&#39;s</p>" });
        return Answer::json(&json!({
            "id": at, "title": format!("Topic {at}"), "tags": ["rust"], "views": 7,
            "post_stream": { "posts": [post("ada"), post("bob")], "stream": [1, 2] },
        }));
    }
    let sorted = asked.query.get("order").is_some_and(|it| it == "created");
    let Some(from) = asked.number("page").map(|number| number * 10) else { return bad_request() };
    if asked.path != "/latest.json" || !sorted || from >= ITEMS {
        return bad_request();
    }
    let topic = |at| json!({ "id": at, "views": 7, "bumped_at": "2026-11-01T10:00:00.000Z" });
    let topics: Value = page(from).map(topic).collect();
    let mut list = json!({ "per_page": 10, "topics": topics });
    if let Some(next) = next(from) {
        list["more_topics_url"] = format!("/latest?order=created&page={}", next / 10).into();
    }
    Answer::json(&json!({ "users": [], "topic_list": list }))
}

pub fn discourse_kept(at: usize) -> (String, Value) {
    let post = |who: &str| json!({ "who": who, "text": "It's" });
    let posts = json!([post("ada"), post("bob")]);
    (at.to_string(), json!({ "title": format!("Topic {at}"), "tags": ["rust"], "posts": posts }))
}

/// The next page's number in a header, which the last page has, but empty.
pub fn gitlab(asked: &Asked) -> Answer {
    let from = match asked.query.get("page").map(|it| it.parse::<usize>()) {
        None => 0,
        Some(Ok(number @ 2..)) => number * 10 - 10,
        Some(_) => return bad_request(),
    };
    if asked.path != "/api/v4/groups/gitlab-org/projects" || from >= ITEMS {
        return bad_request();
    }
    let projects = page(from).map(|at| {
        json!({
            "id": at, "path_with_namespace": format!("gitlab-org/p{at}"), "description": null,
            "topics": ["ci"], "star_count": 3,
        })
    });
    let next = next(from).map(|next| (next / 10 + 1).to_string()).unwrap_or_default();
    Answer::json(&projects.collect()).header("X-Next-Page", &next)
}

pub fn gitlab_kept(at: usize) -> (String, Value) {
    let path = format!("gitlab-org/p{at}");
    (at.to_string(), json!({ "path": path, "description": null, "topics": ["ci"] }))
}

/// Linked in a header; a pull request on each page. Any may have changed.
pub fn github_issues(asked: &Asked) -> Answer {
    let since = asked.query.get("since").map(|it| it.parse::<Timestamp>());
    let (from, is_whole) = match asked.number("page") {
        None => (0, asked.query.get("state").is_some_and(|it| it == "all")),
        Some(number) => (number * 10 - 10, true),
    };
    let is_path = asked.path == "/repos/rust-lang/cargo/issues";
    if !is_path || !is_whole || matches!(since, Some(Err(_))) || from >= ITEMS {
        return bad_request();
    }
    let mut issues: Vec<Value> = page(from).map(github_issue).collect();
    issues.push(json!({ "number": 900 + from, "title": "a change", "pull_request": {} }));
    let answer = Answer::json(&issues.into());
    let Some(next) = next(from) else { return answer };
    let query = asked.raw_query.split("&page=").next().unwrap_or_default();
    let next = format!("<{}{}?{query}&page={}>", asked.origin(), asked.path, next / 10 + 1);
    answer.header("Link", &format!("{next}; rel=\"next\""))
}

fn github_issue(at: usize) -> Value {
    json!({
        "number": at, "title": format!("Issue {at}"), "state": "open",
        "labels": [{ "id": 1, "name": "C-bug" }], "updated_at": "2026-11-01T10:00:00Z",
    })
}

pub fn github_issues_kept(at: usize) -> (String, Value) {
    let kept = json!({
        "title": format!("Issue {at}"), "state": "open", "labels": ["C-bug"],
        "changed": "2026-11-01T10:00:00Z",
    });
    (at.to_string(), kept)
}

/// What articles refer to stands beside them; the next page is named by a whole URL.
pub fn drupal(asked: &Asked) -> Answer {
    let accepts = asked.header("accept") == "application/vnd.api+json";
    let is_later = asked.query.contains_key("page[offset]");
    if asked.path != "/jsonapi/node/article"
        || !asked.query.contains_key("include")
        || !(accepts || is_later)
    {
        return bad_request();
    }
    let from = asked.number("page[offset]").unwrap_or(0);
    let author = |at: usize| format!("author-{}", at % 2);
    let article = |at| {
        let uid = json!({ "data": { "type": "user--user", "id": author(at) } });
        let body = json!({ "processed": "<p>It was &amp; is.</p>" });
        json!({
            "type": "node--article", "id": format!("0f-{at}"),
            "attributes": { "title": format!("Article {at}"), "body": body },
            "relationships": { "uid": uid },
        })
    };
    let user = |at| {
        let attributes = json!({ "display_name": format!("Ada {at}") });
        json!({ "type": "user--user", "id": author(at), "attributes": attributes })
    };
    let articles: Value = page(from).map(article).collect();
    let mut answer = json!({ "data": articles, "included": [user(0), user(1)], "links": {} });
    if let Some(next) = next(from) {
        let href = format!("{}{}?include=uid&page%5Boffset%5D={next}", asked.origin(), asked.path);
        answer["links"]["next"] = json!({ "href": href });
    }
    Answer::body(answer.to_string(), "application/vnd.api+json")
}

pub fn drupal_kept(at: usize) -> (String, Value) {
    let (title, author) = (format!("Article {at}"), format!("Ada {}", at % 2));
    let kept = json!({ "title": title, "text": "It was & is.", "author": author });
    (format!("node--article/0f-{at}"), kept)
}

/// A table that is one file, with a magnitude missing here and there.
pub fn earthquakes(_: &Asked) -> Answer {
    let row = |at: usize| {
        let magnitude = if at.is_multiple_of(5) { String::new() } else { format!("{}.5", at % 5) };
        format!("2026-11-01T10:00:00.000Z,38.1,{magnitude},us{at},\"{at} km SE of Lima, Peru\"\r\n")
    };
    let rows: String = (0..ITEMS).map(row).collect();
    Answer::body(format!("time,latitude,mag,id,place\r\n{rows}"), "text/csv; charset=utf-8")
}

pub fn earthquakes_kept(at: usize) -> (String, Value) {
    let place = format!("{at} km SE of Lima, Peru");
    let mut kept = json!({ "place": place, "time": "2026-11-01T10:00:00Z" });
    if !at.is_multiple_of(5) {
        kept["magnitude"] = ((at % 5) as f64 + 0.5).into();
    }
    (format!("us{at}"), kept)
}

/// A file of JSON lines that is packed.
pub fn gh_archive(asked: &Asked) -> Answer {
    let event = |at: usize| {
        let repo = json!({ "id": 1, "name": format!("ada/r{at}") });
        let time = "2026-01-01T15:00:00Z";
        let event =
            json!({ "id": at.to_string(), "type": "PushEvent", "repo": repo, "created_at": time });
        format!("{event}\n")
    };
    if asked.path != "/2026-01-01-15.json.gz" {
        return Answer::not_found();
    }
    let lines: String = (0..ITEMS).map(event).collect();
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(lines.as_bytes()).expect("a vector takes all");
    Answer::body(packed.finish().expect("a vector takes all"), "application/gzip")
}

pub fn gh_archive_kept(at: usize) -> (String, Value) {
    let repository = format!("ada/r{at}");
    let kept =
        json!({ "type": "PushEvent", "repository": repository, "time": "2026-01-01T15:00:00Z" });
    (at.to_string(), kept)
}

/// A list of numbers, and a page for each.
pub fn hacker_news(asked: &Asked) -> Answer {
    match (asked.path.as_str(), at_path(&asked.path, "/v0/item/", ".json")) {
        ("/v0/newstories.json", _) => Answer::json(&(0..ITEMS).rev().collect()),
        (_, Some(at)) => Answer::json(&hacker_news_kept(at).1),
        _ => Answer::json(&Value::Null),
    }
}

pub fn hacker_news_kept(at: usize) -> (String, Value) {
    let title = format!("Show HN: {at}");
    (at.to_string(), json!({ "id": at, "by": "ada", "score": 3, "kids": [1, 2], "title": title }))
}
