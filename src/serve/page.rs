//! The web pages, rendered here; they need no script. What a site sent is shown as text only.

use hyper::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::answer::Answer;
use super::overview::SiteStatus;
use super::watcher::{Detail, Look};
use crate::model::text::plain;
use crate::store::SiteId;
use crate::sweep::LedgerEntry;

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/refresh.js");
const ICON: &str = include_str!("page/icon.svg");

/// Answers with the style sheet.
pub fn style() -> Answer {
    Answer::of("text/css; charset=utf-8", STYLE)
}

/// Answers with the script that refreshes the page.
pub fn script() -> Answer {
    Answer::of("text/javascript; charset=utf-8", SCRIPT)
}

/// Answers with the icon.
pub fn icon() -> Answer {
    Answer::of("image/svg+xml", ICON)
}

/// Answers with the page of all sites.
pub fn all(look: &Look) -> Answer {
    let sites = look.overview.iter().flat_map(|overview| &overview.sites);
    let main = html! {
        h1 { "Sites" }
        @if let Some(trouble) = &look.trouble { p { "The store cannot be read: " (plain(trouble)) } }
        ul { @for site in sites { li { a href=(link(&site.id)) { (plain(&site.id.site)) } " " (site.state.name()) } } }
    };
    let status = match look.trouble {
        None => StatusCode::OK,
        Some(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Answer::html(status, whole("Sites", &main))
}

/// Answers with the page of a site.
pub fn site(_look: &Look, site: &SiteStatus, detail: &Detail) -> Answer {
    let main = html! {
        h1 { (plain(&site.id.site)) }
        p { (site.state.name()) }
        ul {
            @for found in &detail.entries {
                li { a href=(sweep_link(&site.id, &found.entry.id)) { (found.entry.started_at) } " " (found.entry.state) }
            }
        }
    };
    Answer::html(StatusCode::OK, whole(&plain(&site.id.site), &main))
}

/// Answers with the page of a sweep.
pub fn sweep(_look: &Look, site: &SiteStatus, found: &LedgerEntry) -> Answer {
    let main = html! {
        h1 { (plain(&site.id.site)) ", sweep " (found.entry.id) }
        p { (found.entry.state) }
    };
    Answer::html(StatusCode::OK, whole(&plain(&site.id.site), &main))
}

/// Answers with a page that says what is wrong.
pub fn failed(status: StatusCode, why: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or("Error");
    Answer::html(status, whole(title, &html! { h1 { (title) } p { (plain(why)) } }))
}

fn whole(title: &str, main: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · gleaner" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
                script src="/refresh.js" defer {}
            }
            body { main id="main" { (main) } }
        }
    };
    page.into_string()
}

/// Returns the path of a site's page. The collection is named if it is not called like the site.
fn link(id: &SiteId) -> String {
    path(id, &[])
}

/// Returns the path of a sweep's page.
fn sweep_link(id: &SiteId, sweep: &str) -> String {
    path(id, &["sweeps", sweep])
}

fn path(id: &SiteId, rest: &[&str]) -> String {
    let encoded = |part: &str| {
        percent_encoding::utf8_percent_encode(part, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let mut path = format!("/sites/{}", encoded(&id.site));
    for part in rest {
        path = format!("{path}/{part}");
    }
    match id.site == id.collection {
        true => path,
        false => format!("{path}?collection={}", encoded(&id.collection)),
    }
}
