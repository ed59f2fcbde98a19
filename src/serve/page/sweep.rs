//! The page of a sweep: its report, whole.

use maud::{Markup, html};

use super::{Frame, part, site};
use crate::model::report::{Report, Requests};
use crate::model::text::{count, plain, seconds};
use crate::serve::answer::Answer;
use crate::serve::overview::{SiteStatus, SweepRow, by_result};
use crate::serve::watcher::Look;
use crate::sweep::LedgerEntry;

/// Answers with the page.
pub fn sweep(look: &Look, status: &SiteStatus, found: &LedgerEntry) -> Answer {
    let entry = &found.entry;
    let (name, row) = (part::name(&status.id), SweepRow::of(found));
    let started = entry.started_at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let title = format!("{name}, {started}");
    let main = html! {
        h1 { "Sweep of " (started) }
        p #state.lead { (part::sweep_state(entry.state)) }
        section #facts aria-labelledby="facts-title" {
            h2 #facts-title { "This sweep" }
            (facts(&row, found))
        }
        @if let Some(report) = &entry.report {
            (counts(report))
            (site::said(&report.problems, report.baseline.findings.iter().map(|it| part::finding(*it)).collect()))
            (fields(report))
        } @else {
            p #report { "There is no report: the sweep runs, or its process died." }
        }
    };
    let here = (part::sweep_path(&status.id, &entry.id), started);
    let crumbs = [(part::site_path(&status.id), name), here];
    Frame { title: &title, crumbs: &crumbs, look: Some(look) }.show(&main)
}

fn facts(row: &SweepRow, found: &LedgerEntry) -> Markup {
    let entry = &found.entry;
    html! {
        dl.facts {
            dt { "Id" } dd { code { (plain(&entry.id)) } }
            dt { "Kind" } dd { (part::kind(entry.kind)) }
            dt { "Started" } dd { (part::time(entry.started_at, "%F %T UTC")) }
            @if let Some(resumed) = entry.resumed_at {
                dt { "Last run began" } dd { (part::time(resumed, "%F %T UTC")) ", run " (entry.runs) }
            }
            @if let Some(ended) = entry.ended_at {
                dt { "Ended" } dd { (part::time(ended, "%F %T UTC")) }
            }
            @if let Some(took) = row.took_s() { dt { "Took" } dd { (seconds(took)) } }
            @if let Some(holder) = &entry.holder { dt { "Process" } dd { (plain(&holder.to_string())) } }
            @if let Some(silent) = found.silent_for {
                dt { "Last heartbeat" } dd { (seconds(silent.as_secs_f64())) " ago" }
            }
            dt { "Definition" } dd { code { (plain(&entry.scope.definition)) } }
        }
    }
}

fn counts(report: &Report) -> Markup {
    let items: Vec<(&str, String)> =
        by_result(&report.items).into_iter().map(|(name, value)| (name, count(value))).collect();
    let index = &report.index;
    let list = vec![
        ("listed", count(index.listed)),
        ("declared", part::number(index.declared)),
        ("pages", count(index.pages)),
        ("passes", count(index.passes.into())),
    ];
    let store = &report.store;
    let writes = vec![
        ("written", count(store.written)),
        ("batches", count(store.batches)),
        ("retries", count(store.retries)),
        ("waited", seconds(store.waited_s)),
        ("files", count(store.files.stored)),
    ];
    html! {
        section #counts aria-labelledby="counts-title" {
            h2 #counts-title { "Counts" }
            div.groups {
                (group("Items", &items))
                (group("List", &list))
                (group("Requests", &requests(&report.requests)))
                (group("Answers", &answers(&report.requests)))
                (group("Store", &writes))
            }
        }
    }
}

fn requests(requests: &Requests) -> Vec<(&'static str, String)> {
    let time = |millis: f64| format!("{millis:.1} ms");
    vec![
        ("total", count(requests.total)),
        ("retried", count(requests.retried)),
        ("redirected", count(requests.redirected)),
        ("not modified", count(requests.not_modified)),
        ("given up", count(requests.given_up)),
        ("bytes", bytesize::ByteSize(requests.bytes).to_string()),
        ("median", time(requests.p50_ms)),
        ("95th percentile", time(requests.p95_ms)),
        ("99th percentile", time(requests.p99_ms)),
    ]
}

fn answers(requests: &Requests) -> Vec<(&'static str, String)> {
    let answers = requests.answers;
    vec![
        ("2xx", count(answers.success)),
        ("3xx", count(answers.redirect)),
        ("4xx", count(answers.refused)),
        ("5xx", count(answers.broken)),
        ("none", count(answers.none)),
    ]
}

fn group(name: &str, values: &[(&str, String)]) -> Markup {
    html! {
        table {
            caption { (name) }
            tbody {
                @for (name, value) in values { tr { th scope="row" { (name) } td.number { (value) } } }
            }
        }
    }
}

fn fields(report: &Report) -> Markup {
    let fields = &report.baseline.fields;
    html! {
        @if !fields.is_empty() {
            section #fields aria-labelledby="fields-title" {
                h2 #fields-title { "Fields" }
                div.wide tabindex="0" role="region" aria-labelledby="fields-title" {
                    table {
                        caption { "Pages on which each field was found" }
                        thead {
                            tr {
                                th scope="col" { "Field" }
                                th.number scope="col" { "Pages" }
                                th.number scope="col" { "Found" }
                                th.number scope="col" { "Most frequent value" }
                            }
                        }
                        tbody {
                            @for (name, coverage) in fields {
                                tr {
                                    th scope="row" { (plain(name)) }
                                    td.number { (count(coverage.pages)) }
                                    td.number { (count(coverage.found)) }
                                    td.number { (count(coverage.top)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
