//! Services whose pages hand values to the next one.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::{ITEMS, next, page};
use crate::served::{Answer, Asked};

fn refused(reason: &str) -> Answer {
    Answer::json(&json!({ "message": reason })).status(400)
}

/// The place that a cursor of the form `PREFIX{place}` stands for; the first where there is none.
fn place(cursor: Option<&str>, prefix: &str) -> Option<usize> {
    match cursor {
        None => Some(0),
        Some(cursor) => cursor.strip_prefix(prefix)?.parse().ok(),
    }
}

fn in_query<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    asked.query.get(name).map(String::as_str)
}

/// Hands over an object whose members are parameters, and answers 200 for articles that are not there.
pub fn mediawiki(asked: &Asked) -> Answer {
    if asked.path != "/w/api.php" {
        return Answer::not_found();
    }
    if let Some(at) = asked.number("pageids") {
        if asked.number("formatversion") != Some(2) {
            return refused("formatversion");
        }
        return Answer::json(
            &json!({ "batchcomplete": true, "query": { "pages": [article(at)] } }),
        );
    }
    let is_later = asked.query.contains_key("continue");
    let Some(from) = place(in_query(asked, "apcontinue"), "P") else {
        return refused("badcontinue");
    };
    if is_later != (from > 0) || asked.query.contains_key("pageids") {
        return refused("badcontinue");
    }
    let listed: Value =
        page(from).map(|at| json!({ "pageid": at, "ns": 0, "title": format!("Ü {at}") })).collect();
    let mut answer = json!({ "batchcomplete": "", "query": { "allpages": listed } });
    if let Some(next) = next(from) {
        answer["continue"] = json!({ "apcontinue": format!("P{next}"), "continue": "-||" });
    }
    Answer::json(&answer)
}

fn article(at: usize) -> Value {
    let main = json!({ "contentmodel": "wikitext", "content": format!("'''Ü {at}''' is…") });
    json!({
        "pageid": at, "ns": 0, "title": format!("Ü {at}"),
        "revisions": [{ "timestamp": "2026-11-01T10:00:00Z", "slots": { "main": main } }],
    })
}

pub fn mediawiki_kept(at: usize) -> (String, Value) {
    (at.to_string(), article(at))
}

/// The next page begins after the last item of this one.
pub fn stripe(asked: &Asked) -> Answer {
    let after = in_query(asked, "starting_after");
    let Some(from) = place(after, "cus_").map(|last| last + usize::from(after.is_some())) else {
        return refused("No such customer");
    };
    if asked.path != "/v1/customers" || asked.number("limit") != Some(100) {
        return Answer::not_found();
    }
    let data: Value = page(from).map(|at| stripe_kept(at).1).collect();
    let has_more = next(from).is_some();
    Answer::json(
        &json!({ "object": "list", "url": "/v1/customers", "has_more": has_more, "data": data }),
    )
}

pub fn stripe_kept(at: usize) -> (String, Value) {
    let id = format!("cus_{at}");
    (id.clone(), json!({ "id": id, "object": "customer", "email": null, "balance": 0 }))
}

/// A body that must not have a cursor of null; files are signed anew in each answer.
pub fn notion(asked: &Asked) -> Answer {
    static SIGNED: AtomicUsize = AtomicUsize::new(0);
    let body = asked.json();
    let is_right = asked.method == "POST" && asked.header("notion-version") == "2022-06-28";
    let cursor = body.get("start_cursor").map(|it| it.as_str().unwrap_or("null"));
    let Some(from) = place(cursor, "n-") else { return refused("start_cursor") };
    if asked.path != "/v1/search" || !is_right || body["page_size"] != 100 {
        return refused("validation_error");
    }
    let result = |at| {
        let mut result = notion_kept(at).1;
        let signed = SIGNED.fetch_add(1, Ordering::Relaxed);
        result["icon"]["file"] = json!({ "url": format!("https://s3/{at}?signature={signed}") });
        result
    };
    let results: Value = page(from).map(result).collect();
    let cursor = next(from).map(|next| format!("n-{next}"));
    Answer::json(&json!({
        "object": "list", "results": results, "has_more": cursor.is_some(), "next_cursor": cursor,
    }))
}

/// Without the file of the icon, which is another one in each answer.
pub fn notion_kept(at: usize) -> (String, Value) {
    let id = format!("59833787-{at}");
    let title = json!([{ "plain_text": format!("Page {at}") }]);
    let properties = json!({ "Name": { "id": "title", "title": title } });
    let page = json!({
        "object": "page", "id": id, "last_edited_time": "2026-11-01T10:00:00.000Z",
        "icon": { "type": "file" }, "properties": properties,
    });
    (id, page)
}

/// A token that the last page leaves out.
pub fn airtable(asked: &Asked) -> Answer {
    let Some(from) = place(in_query(asked, "offset"), "itr/rec") else { return refused("offset") };
    if asked.path != "/v0/appEXAMPLE/Books" || asked.number("pageSize") != Some(100) {
        return Answer::not_found();
    }
    let records: Value = page(from).map(|at| airtable_kept(at).1).collect();
    let mut answer = json!({ "records": records });
    if let Some(next) = next(from) {
        answer["offset"] = format!("itr/rec{next}").into();
    }
    Answer::json(&answer)
}

pub fn airtable_kept(at: usize) -> (String, Value) {
    let id = format!("rec{at}");
    let fields = json!({ "Name": format!("Book {at}"), "Pages": at });
    (id.clone(), json!({ "id": id, "createdTime": "2026-11-01T10:00:00.000Z", "fields": fields }))
}

/// Sort values that are sent back as they came; the list ends with a page of no hits.
pub fn elasticsearch(asked: &Asked) -> Answer {
    let body = asked.json();
    let from = match body.get("search_after") {
        None => 0,
        Some(sort) => match sort[1].as_u64() {
            Some(id) if sort[0] == 1_700_000_000_000_u64 + id => id as usize + 1,
            _ => return refused("search_after"),
        },
    };
    if asked.path != "/books/_search" || asked.method != "POST" || body["size"] != 1000 {
        return refused("parsing_exception");
    }
    let hit = |at: usize| {
        json!({
            "_index": "books", "_id": format!("b{at}"), "_score": null,
            "_source": { "title": format!("Book {at}"), "date": "2026-11-01", "id": at },
            "sort": [1_700_000_000_000_u64 + at as u64, at],
        })
    };
    let hits: Value = page(from).map(hit).collect();
    let total = json!({ "value": ITEMS, "relation": "eq" });
    let hits = json!({ "total": total, "max_score": null, "hits": hits });
    Answer::json(&json!({ "took": 3, "timed_out": false, "hits": hits }))
}

pub fn elasticsearch_kept(at: usize) -> (String, Value) {
    (format!("b{at}"), json!({ "title": format!("Book {at}"), "date": "2026-11-01" }))
}

/// A first mark of `*`; past the last page the same mark comes back.
pub fn solr(asked: &Asked) -> Answer {
    let from = match in_query(asked, "cursorMark") {
        Some("*") => 0,
        mark => match place(mark.or(Some("")), "AoE=") {
            Some(from) => from,
            None => return refused("Unable to parse 'cursorMark'"),
        },
    };
    if asked.path != "/solr/books/select" || !asked.raw_query.contains("sort=id") {
        return refused("sort");
    }
    let docs: Value = page(from).map(|at| solr_kept(at).1).collect();
    let mark = format!("AoE={}", page(from).end);
    let response = json!({ "numFound": ITEMS, "start": 0, "numFoundExact": true, "docs": docs });
    Answer::json(&json!({
        "responseHeader": { "status": 0, "QTime": 1 }, "response": response, "nextCursorMark": mark,
    }))
}

pub fn solr_kept(at: usize) -> (String, Value) {
    let id = format!("b {at}");
    (id.clone(), json!({ "id": id, "title": [format!("Book {at}")], "_version_": 1_800_000_000 }))
}
