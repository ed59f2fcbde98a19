//! One list of things, told in every way in which lists go on, as JSON and as HTML.
//!
//! `/json/…` and `/html/…` list the same things: `offset` (`?start=&limit=`), `page` (`?page=`,
//! how many in body and headers; a page past the last is 400, as WordPress has it), `next` (a link
//! in the page), `link` (a link in the header `Link`), `cursor` (`?cursor=`); `/graphql` is asked
//! with POST and takes `variables.after`. Their own pages are `/json/thing/…`, `/html/thing/…`.
//! Cursors and links are sealed: what was not handed out is 400. Sitemaps are in `sitemaps.rs`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{escaped, sitemaps};
use crate::served::{Answer, Asked, Served};

/// How many things there are, how many a page lists, and how late each answer is.
#[derive(Debug, Clone, Copy)]
pub struct Lists {
    pub things: usize,
    pub size: usize,
    pub delay: Duration,
}

/// Key of the thing at a place (from 0): a text that needs encoding in a URL.
pub fn key(at: usize) -> String {
    format!("t {at:03}/ü")
}

/// The thing at a place.
pub fn thing(at: usize) -> Value {
    json!({
        "key": key(at),
        "title": format!("Thing No. {at}"),
        "motto": format!("“{at} × 好” & <mehr> 🎈"),
        "price": at as f64 + 0.5,
    })
}

/// `text` as it stands in a URL's path.
pub fn in_path(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

impl Lists {
    /// The site.
    pub fn serve(self) -> Served {
        Served::start(move |asked| self.answer(asked).later(self.delay))
    }

    /// Pages that list something.
    pub fn pages(&self) -> usize {
        self.things.div_ceil(self.size)
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if asked.path == "/graphql" {
            return self.graphql(asked);
        }
        let Some((form, rest)) = asked.path[1..].split_once('/') else {
            return Answer::not_found();
        };
        let html = match form {
            "json" => false,
            "html" => true,
            _ => return Answer::not_found(),
        };
        match rest {
            "offset" => self.by_offset(asked, html),
            "page" => self.by_page(asked, html),
            "next" => self.by_next(asked, html),
            "link" => self.by_link(asked, html),
            "cursor" => self.by_cursor(asked, html),
            _ => match rest.strip_prefix("thing/") {
                Some(segment) => self.detail(segment, html),
                None => sitemaps::answer(self.things, form, rest, asked),
            },
        }
    }

    fn detail(&self, segment: &str, html: bool) -> Answer {
        let at = (0..self.things).find(|at| {
            let sent = percent_encoding::percent_decode_str(segment).decode_utf8_lossy();
            sent == key(*at)
        });
        match at {
            None => Answer::not_found(),
            Some(at) if html => Answer::html(detail_page(at)),
            Some(at) => Answer::json(&thing(at)),
        }
    }

    fn by_offset(&self, asked: &Asked, html: bool) -> Answer {
        let start = asked.number("start").unwrap_or(0);
        let limit = asked.number("limit").unwrap_or(self.size);
        let list = self.list(start, limit, html, json!({ "count": self.things }), "");
        list.header("x-total-count", &self.things.to_string())
    }

    fn by_page(&self, asked: &Asked, html: bool) -> Answer {
        let page = asked.number("page").unwrap_or(1);
        if page == 0 || page > self.pages() {
            let body =
                json!({ "code": "rest_post_invalid_page_number", "data": { "status": 400 } });
            return Answer::json(&body).status(400);
        }
        let more = json!({ "total": self.things, "pages": self.pages() });
        let pager = format!("<a class=last href='?page={}'>Ende</a>", self.pages());
        self.list((page - 1) * self.size, self.size, html, more, &pager)
            .header("x-wp-total", &self.things.to_string())
            .header("x-wp-totalpages", &self.pages().to_string())
    }

    /// Every second link is absolute.
    fn by_next(&self, asked: &Asked, html: bool) -> Answer {
        let Some(page) = sealed_page(asked, "after") else { return refused() };
        let origin = if page % 2 == 0 { asked.origin() } else { String::new() };
        let next = (page + 1 < self.pages())
            .then(|| format!("{origin}{}?after={}&x=a%20b", asked.path, seal(page + 1)));
        let link =
            next.as_deref().map(|next| format!("<a rel=next href=\"{}\">»</a>", escaped(next)));
        let more = json!({ "next": next });
        self.list(page * self.size, self.size, html, more, &link.unwrap_or_default())
    }

    /// A bare list; the header holds more links than one.
    fn by_link(&self, asked: &Asked, html: bool) -> Answer {
        let Some(page) = sealed_page(asked, "after") else { return refused() };
        let list = match html {
            true => self.list(page * self.size, self.size, true, json!({}), ""),
            false => {
                let (from, to) = self.range(page * self.size, self.size);
                Answer::json(&(from..to).map(thing).collect())
            }
        };
        let url = |page| format!("<{}{}?after={}>", asked.origin(), asked.path, seal(page));
        let first = format!("{}; rel=\"first\"", url(0));
        let link = match page + 1 < self.pages() {
            true => format!("{first}, {}; title=\"a, b; c\"; rel=\"next\"", url(page + 1)),
            false => first,
        };
        list.header("link", &link)
    }

    fn by_cursor(&self, asked: &Asked, html: bool) -> Answer {
        let Some(page) = sealed_page(asked, "cursor") else { return refused() };
        let next = (page + 1 < self.pages()).then(|| seal(page + 1));
        let button =
            next.as_deref().map(|next| format!("<button data-cursor='{next}'>mehr</button>"));
        let more = json!({ "next_cursor": next });
        self.list(page * self.size, self.size, html, more, &button.unwrap_or_default())
    }

    /// After Relay's rules for connections: `endCursor` is there wherever there are edges, also on
    /// the last page, and null on an empty one. As with GitHub, an empty cursor is an error.
    fn graphql(&self, asked: &Asked) -> Answer {
        let body = asked.json();
        let is_json = asked.header("content-type").starts_with("application/json");
        if asked.method != "POST" || !is_json || !body["query"].is_string() {
            return Answer::json(&json!({ "errors": [{ "message": "no query" }] })).status(400);
        }
        let page = match &body["variables"]["after"] {
            Value::Null => Some(0),
            after => after.as_str().and_then(unseal),
        };
        let Some(page) = page else {
            let message = "that does not appear to be a valid cursor";
            return Answer::json(&json!({ "data": null, "errors": [{ "message": message }] }));
        };
        let (from, to) = self.range(page * self.size, self.size);
        let edges: Vec<Value> = (from..to).map(|at| json!({ "node": thing(at) })).collect();
        let info = json!({
            "endCursor": (from < to).then(|| seal(page + 1)),
            "hasNextPage": to < self.things,
        });
        Answer::json(&json!({ "data": { "things": { "edges": edges, "pageInfo": info } } }))
    }

    fn range(&self, start: usize, limit: usize) -> (usize, usize) {
        (start.min(self.things), (start + limit).min(self.things))
    }

    /// A page of the list: as JSON with `more` beside the rows, as HTML with `pager` below them.
    fn list(&self, start: usize, limit: usize, html: bool, mut more: Value, pager: &str) -> Answer {
        let (from, to) = self.range(start, limit);
        if html {
            let rows: String = (from..to).map(row).collect();
            let total = self.things;
            return Answer::html(format!(
                "<!doctype html><p class=count>{total} things</p><ul id=list>{rows}</ul>{pager}"
            ));
        }
        more["rows"] = (from..to).map(thing).collect();
        Answer::json(&more)
    }
}

fn row(at: usize) -> String {
    let (thing, link) = (thing(at), in_path(&key(at)));
    let text = |name: &str| escaped(thing[name].as_str().expect("a text"));
    format!(
        "\n<li class=thing><a href='/html/thing/{link}'>{}</a>\n <q>{}</q> <b>€ {}</b>",
        text("title"),
        text("motto"),
        thing["price"]
    )
}

fn detail_page(at: usize) -> String {
    let thing = thing(at);
    let text = |name: &str| escaped(thing[name].as_str().expect("a text"));
    format!(
        "<!doctype html><main id=thing>\n<h1>\n  {}\n</h1><code>{}</code><q>{}</q><b>€ {}</b></main>",
        text("title"),
        text("key"),
        text("motto"),
        thing["price"]
    )
}

/// A page's number so that it can be handed out but not guessed.
fn seal(page: usize) -> String {
    format!("{:x}==", page * 7919 + 0xA5_1234)
}

fn unseal(text: &str) -> Option<usize> {
    let number = usize::from_str_radix(text.strip_suffix("==")?, 16).ok()?;
    let page = number.checked_sub(0xA5_1234)?;
    (page % 7919 == 0).then_some(page / 7919)
}

/// The page that the query asks for; the first where it does not say.
fn sealed_page(asked: &Asked, name: &str) -> Option<usize> {
    asked.query.get(name).map_or(Some(0), |sealed| unseal(sealed))
}

fn refused() -> Answer {
    Answer::text("no such page was ever handed out".to_owned()).status(400)
}
