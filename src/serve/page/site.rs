//! The page of a site: what is wrong, what runs, and its past.

mod fields;
mod hosts;

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use super::{Frame, chart, part};
use crate::model::text::{clock, count, plain, plain_lines, seconds};
use crate::observe::progress::Progress;
use crate::serve::answer::Answer;
use crate::serve::history::Moment;
use crate::serve::overview::{RunningSweep, SiteStatus, SweepRow};
use crate::serve::watcher::{Detail, Look};
use crate::store::KeptFailure;

/// Maximum length of the sample of a response, in characters.
const LONGEST_SAMPLE: usize = 2_000;

/// Answers with the page. `moments` are what was seen of the running sweep.
pub fn site(look: &Look, site: &SiteStatus, detail: &Detail, moments: &[Moment]) -> Answer {
    let name = part::name(&site.id);
    let now = look.overview.as_ref().map_or_else(crate::system::clock::now, |it| it.at);
    let last = detail.entries.iter().find(|it| it.entry.report.is_some());
    let main = html! {
        h1 { (name) }
        p #state.lead { (part::state_since(site, now)) }
        @if !site.alerts.is_empty() {
            section #alerts aria-labelledby="alerts-title" {
                h2 #alerts-title { "Needs attention" }
                div class={ "card " (site.state.name()) } { (alerts(site, now)) }
            }
        }
        @if let Some(running) = &site.running {
            section #running aria-labelledby="running-title" {
                h2 #running-title { "Running sweep" }
                (live(site, running, moments))
            }
        }
        section #past aria-labelledby="past-title" {
            h2 #past-title { "Past sweeps" }
            @if site.sweeps.iter().any(|row| row.items.is_some()) {
                div.charts { (chart::items(&site.sweeps, now)) (chart::durations(&site.sweeps, now)) }
            }
            div.wide tabindex="0" role="region" aria-labelledby="past-title" { (sweeps(site, now)) }
        }
        (fields::section(detail))
        @if let Some(report) = last.and_then(|it| it.entry.report.as_ref()) {
            (said(&report.problems, report.baseline.findings.iter().map(|it| part::finding(*it)).collect()))
        }
        (failures(&detail.failures))
    };
    Frame { title: &name, crumbs: &[(part::site_path(&site.id), name.clone())], look: Some(look) }
        .show(&main)
}

/// Shows the alerts of a site and their likely cause.
pub fn alerts(site: &SiteStatus, now: Timestamp) -> Markup {
    html! {
        ul.alerts {
            @for alert in &site.alerts {
                li {
                    span.rule { (alert.rule.name()) } " " (part::sentence(&alert.text)) " "
                    span.since { "for " (part::ago(alert.since, now)) }
                }
            }
            @if let Some(cause) = &site.cause {
                li { span.rule { "likely cause" } " " (part::sentence(cause)) }
            }
        }
    }
}

/// Shows the progress of a running sweep: a bar, and a line of numbers.
pub fn progress(name: &str, running: &RunningSweep) -> Markup {
    let Some(progress) = &running.progress else {
        return html! { p { "A sweep began; it has not been heard of yet." } };
    };
    let (done, expected) = (progress.items.settled(), progress.index.expected());
    let label = format!("Items of {name} that are done");
    html! {
        @if expected > 0 {
            progress max=(expected) value=(done.min(expected)) aria-label=(label) {}
        } @else {
            progress aria-label=(label) {}
        }
        p.numbers {
            span { strong { (count(done)) } " of " (count(expected)) " items" }
            span { (format!("{:.0}", progress.items_per_s)) " items/s" }
            span { (format!("{:.0}", progress.requests_per_s)) " requests/s" }
            span { "for " (clock(Duration::from_secs_f64(progress.elapsed_s.max(0.0)))) }
            @if let Some(left) = left(progress) { span { (clock(left)) " left" } }
        }
        @for host in &progress.hosts {
            @if let (Some(wait_s), Some(why)) = (host.wait_s, &host.why) {
                p.waits { "Waits " (seconds(wait_s)) " for " (plain(&host.name)) ": " (plain(why)) }
            }
        }
    }
}

/// Returns the time that is left at the present rate, or `None` if that cannot be told.
fn left(progress: &Progress) -> Option<Duration> {
    let rest = progress.index.expected().checked_sub(progress.items.settled())?;
    (progress.items_per_s > 0.1 && rest > 0)
        .then(|| Duration::from_secs_f64(rest as f64 / progress.items_per_s))
}

fn live(site: &SiteStatus, running: &RunningSweep, moments: &[Moment]) -> Markup {
    html! {
        div.card.running {
            (progress(&part::name(&site.id), running))
            p.numbers {
                span { (part::kind(running.kind)) }
                @if let Some(holder) = &running.holder { span { (plain(&holder.to_string())) } }
                @if let Some(silent) = running.silent_s { span { "heard of " (seconds(silent)) " ago" } }
                span { a href=(part::sweep_path(&site.id, &running.sweep)) { "this sweep" } }
            }
        }
        @if moments.len() > 1 { div.charts { (rates(moments)) (latencies(moments)) } }
        @if let Some(progress) = &running.progress {
            (hosts::table(&progress.hosts, progress.more_hosts))
            @if !progress.problems.is_empty() {
                h3 { "Last problems" }
                ul.problems { @for problem in &progress.problems { li { (part::sentence(problem)) } } }
            }
        }
    }
}

fn rates(moments: &[Moment]) -> Markup {
    let most = moments.iter().map(|it| it.requests_per_s).fold(0.0, f64::max);
    let line =
        |name, value: fn(&Moment) -> f64| chart::Line { name, points: points(moments, value) };
    let drawn = [line("requests", |it| it.requests_per_s), line("items", |it| it.items_per_s)];
    let latest = moments.last().map_or(0.0, |it| it.requests_per_s);
    chart::Figure {
        caption: "Per second",
        label: format!("Requests per second: {latest:.0} now, {most:.0} at most"),
        highest: format!("{most:.0}"),
        ends: ends(moments),
        legend: &["requests", "items"],
        svg: chart::lines(&drawn, most),
    }
    .show()
}

fn latencies(moments: &[Moment]) -> Markup {
    let most = moments.iter().map(|it| it.p95_ms).fold(0.0, f64::max);
    let line =
        |name, value: fn(&Moment) -> f64| chart::Line { name, points: points(moments, value) };
    let drawn = [line("p95", |it| it.p95_ms), line("median", |it| it.p50_ms)];
    let latest = moments.last().map_or(0.0, |it| it.p50_ms);
    chart::Figure {
        caption: "Latency since the start",
        label: format!("Median latency {latest:.0} ms; 95th percentile {most:.0} ms at most"),
        highest: format!("{most:.0} ms"),
        ends: ends(moments),
        legend: &["median", "p95"],
        svg: chart::lines(&drawn, most),
    }
    .show()
}

/// Returns the points of a line over the time of the moments.
fn points(moments: &[Moment], value: fn(&Moment) -> f64) -> Vec<(f64, f64)> {
    let (Some(first), Some(last)) = (moments.first(), moments.last()) else { return Vec::new() };
    let length = (last.elapsed_s - first.elapsed_s).max(1e-3);
    moments.iter().map(|it| ((it.elapsed_s - first.elapsed_s) / length, value(it))).collect()
}

fn ends(moments: &[Moment]) -> [String; 2] {
    let at = |moment: Option<&Moment>| {
        moment.map_or_else(String::new, |it| clock(Duration::from_secs_f64(it.elapsed_s.max(0.0))))
    };
    [at(moments.first()), at(moments.last())]
}

fn sweeps(site: &SiteStatus, now: Timestamp) -> Markup {
    html! {
        table {
            caption { "The newest first; times are UTC" }
            thead {
                tr {
                    th scope="col" { "Started" }
                    th scope="col" { "State" }
                    th scope="col" { "Kind" }
                    th.number scope="col" { "Took" }
                    @for name in ["Listed", "New", "Changed", "Same", "Gone", "Failed", "Requests"] {
                        th.number scope="col" { (name) }
                    }
                }
            }
            tbody { @for row in &site.sweeps { (sweep_row(site, row, now)) } }
        }
    }
}

fn sweep_row(site: &SiteStatus, row: &SweepRow, now: Timestamp) -> Markup {
    let items = row.items.as_ref();
    let counts = [
        row.listed,
        items.map(|it| it.new),
        items.map(|it| it.changed),
        items.map(|it| it.same + it.skipped),
        items.map(|it| it.gone),
        items.map(|it| it.failed + it.missing),
        row.requests,
    ];
    let age = format!("{} ago", crate::model::text::age(row.started_at, now));
    html! {
        tr {
            th scope="row" {
                a href=(part::sweep_path(&site.id, &row.sweep)) title=(age) {
                    (part::time(row.started_at, "%Y-%m-%d %H:%M"))
                }
            }
            td { (part::sweep_state(row.state)) }
            td { (part::kind(row.kind)) }
            td.number { (row.took_s().map_or_else(|| "–".to_owned(), seconds)) }
            @for number in counts { td.number { (part::number(number)) } }
        }
    }
}

/// Shows the findings and problems of a report, if there are any.
pub fn said(problems: &[String], findings: Vec<&str>) -> Markup {
    html! {
        @if !problems.is_empty() || !findings.is_empty() {
            section #problems aria-labelledby="problems-title" {
                h2 #problems-title { "Problems of the last report" }
                ul.problems {
                    @for finding in findings { li.finding { (finding) } }
                    @for problem in problems { li { (part::sentence(problem)) } }
                }
            }
        }
    }
}

fn failures(failures: &[KeptFailure]) -> Markup {
    html! {
        section #failures aria-labelledby="failures-title" {
            h2 #failures-title { "Failures" }
            @if failures.is_empty() {
                p { "No page has failed that was not read since." }
            } @else {
                p { "The first " (failures.len()) " pages by name; " code { "gleaner failures" } " lists all." }
                ul.failures { @for (place, failure) in failures.iter().enumerate() { li { (one(place, failure)) } } }
            }
        }
    }
}

/// Shows a failure by its URL. Its key is not shown: it may repeat a credential, and is stored as it is.
fn one(place: usize, failure: &KeptFailure) -> Markup {
    html! {
        h3 { (plain(&failure.url)) " " span.reason { (plain(&failure.reason)) } }
        p { (plain(&failure.message)) }
        @if let Some(sample) = &failure.sample {
            details id={ "sample-" (place) } {
                summary { "Beginning of the response" }
                pre tabindex="0" {
                    (plain_lines(&sample.chars().take(LONGEST_SAMPLE).collect::<String>()))
                }
            }
        }
    }
}
