//! The coverage of fields over the past sweeps.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::model::report::{Coverage, Kind, Report};
use crate::model::text::plain;
use crate::serve::page::chart;
use crate::serve::watcher::Detail;

/// Maximum number of fields that are shown.
const MOST: usize = 60;

/// Shows the share of pages that had each field, by the full sweeps that read pages.
pub fn section(detail: &Detail) -> Markup {
    let reports = detail.entries.iter().filter(|it| it.entry.kind == Kind::Full);
    let reports: Vec<&Report> = reports
        .filter_map(|it| it.entry.report.as_ref())
        .filter(|report| !report.baseline.fields.is_empty())
        .take(30)
        .collect();
    let names = reports.iter().flat_map(|report| report.baseline.fields.keys());
    let names: BTreeSet<&str> = names.map(|name| &**name).collect();
    html! {
        @if !names.is_empty() {
            section #fields aria-labelledby="fields-title" {
                h2 #fields-title { "Fields" }
                div.wide tabindex="0" role="region" aria-labelledby="fields-title" {
                    table.fields {
                        caption { "Share of the pages that had each field, over the sweeps that read pages" }
                        thead {
                            tr {
                                th scope="col" { "Field" }
                                th.number scope="col" { "Last" }
                                th.number scope="col" { "Lowest" }
                                th.trend scope="col" { "0 to 100 %" }
                            }
                        }
                        tbody { @for name in names.iter().take(MOST) { (row(name, &reports)) } }
                    }
                }
                @if names.len() > MOST { p { "And " (names.len() - MOST) " more." } }
            }
        }
    }
}

fn row(name: &str, reports: &[&Report]) -> Markup {
    let shares: Vec<f64> = reports.iter().rev().map(|report| share(report, name)).collect();
    let last = shares.last().copied().unwrap_or(0.0);
    let lowest = shares.iter().copied().fold(100.0, f64::min);
    let steps = (shares.len().max(2) - 1) as f64;
    let place = |(at, share): (usize, &f64)| (at as f64 / steps, *share);
    let mut points: Vec<(f64, f64)> = shares.iter().enumerate().map(place).collect();
    if let [only] = points[..] {
        points.push((1.0, only.1));
    }
    let label = format!("{} sweeps, from {lowest:.0} %, last {last:.0} %", shares.len());
    html! {
        tr {
            th scope="row" { (plain(name)) }
            td.number { (format!("{last:.0} %")) }
            td.number { (format!("{lowest:.0} %")) }
            td.trend {
                div.sparkline role="img" aria-label=(label) {
                    (chart::lines(&[chart::Line { name: "share", points }], 100.0))
                }
            }
        }
    }
}

/// Returns the share of pages that had a field, in percent.
fn share(report: &Report, name: &str) -> f64 {
    let fields = &report.baseline.fields;
    let pages = fields.values().map(|it: &Coverage| it.pages).max().unwrap_or(0).max(1);
    fields.get(name).map_or(0, |it| it.found) as f64 * 100.0 / pages as f64
}
