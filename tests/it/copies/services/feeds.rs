//! Services that answer in XML.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{ITEMS, next, page};
use crate::served::{Answer, Asked};

fn xml(text: String, content_type: &str) -> Answer {
    Answer::body(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"), content_type)
}

/// A token that may come with the verb only, and a record that was deleted on each page.
pub fn oai_pmh(asked: &Asked) -> Answer {
    let token = asked.query.get("resumptionToken");
    let from = token.and_then(|it| it.strip_prefix('t')).and_then(|it| it.parse().ok());
    let is_first = asked.query.contains_key("metadataPrefix");
    let is_time = |text: &String| text.len() == 20 && text.parse::<Timestamp>().is_ok();
    let is_asked = asked.query.get("from").is_none_or(|it| is_first && is_time(it));
    let verb = asked.query.get("verb").map(String::as_str);
    if asked.path != "/oai"
        || verb != Some("ListRecords")
        || is_first == from.is_some()
        || !is_asked
    {
        let error = "<OAI-PMH><error code=\"badArgument\">no</error></OAI-PMH>";
        return xml(error.to_owned(), "text/xml");
    }
    let from = from.unwrap_or(0);
    let record = |at| {
        format!(
            "<record><header><identifier>oai:lib:{at}</identifier><datestamp>2026-11-01</datestamp></header>\
             <metadata><oai_dc:dc><dc:title>Book {at} &amp; more</dc:title><dc:creator>Ada</dc:creator>\
             <dc:creator>Bob</dc:creator></oai_dc:dc></metadata></record>"
        )
    };
    let deleted = format!(
        "<record><header status=\"deleted\"><identifier>oai:lib:gone{from}</identifier></header></record>"
    );
    let token = match next(from) {
        Some(next) => format!("<resumptionToken cursor=\"{from}\">t{next}</resumptionToken>"),
        None => format!("<resumptionToken cursor=\"{from}\"/>"),
    };
    let records: String = page(from).map(record).collect();
    xml(
        format!(
            "<OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\"><ListRecords>\
             {records}{deleted}{token}</ListRecords></OAI-PMH>"
        ),
        "text/xml; charset=utf-8",
    )
}

pub fn oai_pmh_kept(at: usize) -> (String, Value) {
    let title = format!("Book {at} & more");
    let kept = json!({ "changed": "2026-11-01", "title": title, "creators": ["Ada", "Bob"] });
    (format!("oai:lib:{at}"), kept)
}

/// The next page is named among other links; entries have several links, too.
pub fn atom(asked: &Asked) -> Answer {
    let from = asked.number("start-index").unwrap_or(1) - 1;
    let entry = |at| {
        format!(
            "<entry><id>tag:blogger.com,1999:blog-1.post-{at}</id><published>2026-11-01T10:00:00.000-08:00</published>\
             <category scheme=\"http://www.blogger.com/atom/ns#\" term=\"web\"/><title type=\"text\">Post {at}</title>\
             <content type=\"html\">&lt;p&gt;One &amp;amp; two&lt;/p&gt;</content>\
             <link rel=\"replies\" href=\"http://b/r\"/>\
             <link rel=\"alternate\" type=\"text/html\" href=\"http://b/{at}.html\"/></entry>"
        )
    };
    let entries: String = page(from).map(entry).collect();
    let next = next(from).map(|next| {
        let at = format!("{}?start-index={}&amp;max-results=10", asked.path, next + 1);
        format!(
            "<link rel=\"next\" type=\"application/atom+xml\" href=\"{}{at}\"/>",
            asked.origin()
        )
    });
    xml(
        format!(
            "<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>Blog</title><link rel=\"self\" href=\"/x\"/>{}{entries}</feed>",
            next.unwrap_or_default()
        ),
        "application/atom+xml; charset=UTF-8",
    )
}

pub fn atom_kept(at: usize) -> (String, Value) {
    let kept = json!({
        "title": format!("Post {at}"), "link": format!("http://b/{at}.html"),
        "published": "2026-11-01T18:00:00Z", "text": "One & two", "tags": ["web"],
    });
    (at.to_string(), kept)
}

/// Numbered pages of a feed; past the last one there is none.
pub fn rss(asked: &Asked) -> Answer {
    let from = asked.number("paged").unwrap_or(1) * 10 - 10;
    if asked.path != "/news/feed/" || from >= ITEMS {
        return Answer::html("<h1>Not found</h1>".to_owned()).status(404);
    }
    let item = |at| {
        format!(
            "<item><title>News {at}</title><link>http://b/{at}/</link><dc:creator><![CDATA[Ada & Bob]]></dc:creator>\
             <pubDate>Sun, 01 Nov 2026 10:00:00 +0000</pubDate><category><![CDATA[Releases]]></category>\
             <guid isPermaLink=\"false\">http://b/?p={at}</guid>\
             <content:encoded><![CDATA[<p>See <img src=\"/i/{at}.png\"></p>]]></content:encoded></item>"
        )
    };
    let items: String = page(from).map(item).collect();
    xml(
        format!(
            "<rss version=\"2.0\" xmlns:dc=\"u:dc\" xmlns:content=\"u:c\"><channel><title>News</title>\
             <link>http://b</link>{items}</channel></rss>"
        ),
        "application/rss+xml; charset=UTF-8",
    )
}

pub fn rss_kept(at: usize) -> (String, Value) {
    let kept = json!({
        "title": format!("News {at}"), "link": format!("http://b/{at}/"), "author": "Ada & Bob",
        "published": "2026-11-01T10:00:00Z", "image": format!("/i/{at}.png"), "tags": ["Releases"],
    });
    (at.to_string(), kept)
}
