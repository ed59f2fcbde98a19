//! The page of the fleet: each site file, its next start and why it waits.

use hyper::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};

use super::Frame;
use crate::model::text::plain;
use crate::serve::answer::Answer;
use crate::serve::{FleetMember, FleetView};

/// Answers with the page of the fleet.
pub fn fleet(view: &FleetView) -> Answer {
    let crumbs = [("/".to_owned(), "Sites".to_owned())];
    Frame { title: "Fleet", crumbs: &crumbs, look: None }.answer(StatusCode::OK, &content(view))
}

fn content(view: &FleetView) -> Markup {
    html! {
        h1 { "Fleet" }
        p id="fleet" { (plain(&view.line())) ". Site files of " code { (plain(&view.folder)) } "." }
        @if let Some(trouble) = &view.trouble { p id="trouble" { (plain(trouble)) } }
        div.wide id="members" {
            table {
                thead { tr {
                    th scope="col" { "File" }
                    th scope="col" { "Schedule" }
                    th scope="col" { "State" }
                    th scope="col" { "Next start" }
                    th scope="col" { "Last run" }
                } }
                tbody { @for member in &view.sites { (row(member)) } }
            }
        }
    }
}

fn row(member: &FleetMember) -> Markup {
    let last = member.last.as_ref();
    html! {
        tr {
            th scope="row" {
                (plain(&member.file))
                @if let Some(error) = &member.error {
                    p {
                        "Not valid" @if member.id.is_some() { ", the last good version is used" } ": "
                        (plain(error))
                    }
                }
            }
            td { (member.schedule.as_deref().map(plain).unwrap_or_default()) }
            td { (member.state.name()) ": " (plain(&member.why)) }
            td { @if let Some(at) = member.next_at { (time(at)) } }
            td {
                @if let Some(last) = last {
                    (plain(&last.meaning)) ", " (time(last.ended_at))
                    @if last.code != Some(0) {
                        @for line in &last.last_lines { p { code { (plain(line)) } } }
                    }
                }
            }
        }
    }
}

fn time(at: Timestamp) -> Markup {
    let text = format!("{at:.0}");
    html! { time datetime=(text) { (text) } }
}
