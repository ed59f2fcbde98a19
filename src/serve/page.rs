//! The web pages, rendered here; they need no script. What a site sent is shown as text only.
//!
//! Each part of a page has an id, so that the script can replace those that changed.

mod all;
mod chart;
mod fleet;
mod part;
mod site;
mod sweep;

use hyper::StatusCode;
use maud::{DOCTYPE, Markup, html};

use super::answer::Answer;
use super::watcher::Look;
use crate::model::text::plain;

pub use all::all;
pub use fleet::fleet;
pub use site::site;
pub use sweep::sweep;

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

/// Answers with a page that says what is wrong.
pub fn failed(status: StatusCode, why: &str) -> Answer {
    let title = status.canonical_reason().unwrap_or("Error");
    let main = html! {
        h1 { (title) }
        p id="why" { (plain(why)) }
        p id="back" { a href="/" { "All sites" } }
    };
    Frame { title, crumbs: &[], look: None }.answer(status, &main)
}

/// The parts of a page around its content.
struct Frame<'a> {
    /// Title of the page, in plain text.
    title: &'a str,
    /// Pages above this one, by path and name.
    crumbs: &'a [(String, String)],
    /// Look that the page shows, if it shows one.
    look: Option<&'a Look>,
}

impl Frame<'_> {
    /// Answers with a page of the look: with 503 if the store could not be read.
    fn show(&self, main: &Markup) -> Answer {
        let is_away = self.look.is_some_and(|look| look.trouble.is_some());
        let status = if is_away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        self.answer(status, main)
    }

    fn answer(&self, status: StatusCode, main: &Markup) -> Answer {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · gleaner" }
                    link rel="icon" href="/icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="/style.css";
                    script src="/refresh.js" defer {}
                }
                body {
                    a.skip href="#main" { "Skip to content" }
                    header { (self.header()) }
                    p #lost role="status" hidden {
                        "The server does not answer. This page shows what was last known."
                    }
                    main #main tabindex="-1" {
                        (self.trouble())
                        (main)
                    }
                    footer {
                        nav aria-label="For programs" {
                            a href="/api/v1/status" { "JSON" }
                            a href="/api/v1/openapi.json" { "OpenAPI" }
                            a href="/metrics" { "Metrics" }
                        }
                        p { "gleaner " (env!("CARGO_PKG_VERSION")) ", read only" }
                    }
                }
            }
        };
        Answer::html(status, page.into_string())
    }

    fn header(&self) -> Markup {
        html! {
            nav aria-label="Breadcrumb" {
                a.brand href="/" { img src="/icon.svg" alt="" width="20" height="20"; "gleaner" }
                @for (path, name) in self.crumbs {
                    span aria-hidden="true" { "/" }
                    a href=(path) { (name) }
                }
            }
            @if let Some(overview) = self.look.and_then(|look| look.overview.as_ref()) {
                p #seen { "Seen at " (part::time(overview.at, "%H:%M:%S UTC")) }
            }
        }
    }

    fn trouble(&self) -> Markup {
        let trouble = self.look.and_then(|look| look.trouble.as_deref());
        html! {
            @if let Some(trouble) = trouble {
                section #trouble.banner aria-label="Store" {
                    h2 { "The store cannot be read" }
                    p { (plain(trouble)) }
                    @if self.look.is_some_and(|look| look.overview.is_some()) {
                        p { "Below is what was last read." }
                    }
                }
            }
        }
    }
}
