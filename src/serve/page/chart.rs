//! Charts as SVG. They show shapes only; numbers and names stand beside them as text, since a chart
//! is stretched to its place.

use maud::{Markup, html};

use crate::model::report::Outcome;
use crate::model::text::{age, count};
use crate::serve::overview::SweepRow;
use crate::sweep::State;

/// Height of a chart, in its own units. Its width is 100.
const HEIGHT: f64 = 40.0;
/// Least height of what is not zero.
const LEAST: f64 = 1.0;
/// Least number of sweeps that a chart has room for.
const FEWEST: usize = 6;
/// Number of sweeps in a chart.
const SWEEPS: usize = 30;

/// A line of a chart.
pub struct Line<'a> {
    /// Name of the line, and its class.
    pub name: &'a str,
    /// Points from the left, each with its place from 0 to 1.
    pub points: Vec<(f64, f64)>,
}

/// A chart with its caption.
pub struct Figure<'a> {
    /// Caption, which says what is shown.
    pub caption: &'a str,
    /// Description of the shape, for those who cannot see it.
    pub label: String,
    /// Text beside the highest value.
    pub highest: String,
    /// Texts below the left and the right end.
    pub ends: [String; 2],
    /// Names of the colours, if there are several.
    pub legend: &'a [&'a str],
    /// The chart.
    pub svg: Markup,
}

impl Figure<'_> {
    /// Shows the chart.
    pub fn show(&self) -> Markup {
        html! {
            figure.chart {
                figcaption {
                    span { (self.caption) }
                    @if !self.legend.is_empty() {
                        span.legend {
                            @for name in self.legend { span class={ "key " (name) } { (name) } }
                        }
                    }
                }
                div.plot role="img" aria-label=(self.label) {
                    span.highest aria-hidden="true" { (self.highest) }
                    (self.svg)
                }
                div.ends aria-hidden="true" { span { (self.ends[0]) } span { (self.ends[1]) } }
            }
        }
    }
}

fn canvas(content: &Markup) -> Markup {
    html! {
        svg viewBox={ "0 0 100 " (HEIGHT) } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            (content)
        }
    }
}

/// Draws bars for `sweeps`, the newest first, on the right. `parts` returns the parts of a bar from
/// below, with their classes.
fn bars(sweeps: &[&SweepRow], parts: impl Fn(&SweepRow) -> Vec<(&'static str, f64)>) -> Markup {
    let shown: Vec<Vec<(&str, f64)>> = sweeps.iter().take(SWEEPS).map(|row| parts(row)).collect();
    let sum = |parts: &Vec<(&str, f64)>| parts.iter().map(|(_, value)| value).sum::<f64>();
    let most = shown.iter().map(sum).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let width = 100.0 / shown.len().max(FEWEST) as f64;
    let mut rects = Vec::new();
    for (place, parts) in shown.iter().enumerate() {
        let mut floor = HEIGHT;
        for (class, value) in parts.iter().filter(|(_, value)| *value > 0.0) {
            let height = (value / most * HEIGHT).max(LEAST).min(floor);
            floor -= height;
            let left = 100.0 - (place + 1) as f64 * width + width * 0.1;
            rects.push((*class, left, floor, height));
        }
    }
    canvas(&html! {
        @for (class, left, top, height) in rects {
            rect class=(class) x=(short(left)) y=(short(top)) width=(short(width * 0.8)) height=(short(height)) {}
        }
    })
}

/// Draws lines over the same width. `most` is the value at the top.
pub fn lines(lines: &[Line<'_>], most: f64) -> Markup {
    let most = if most > 0.0 { most } else { 1.0 };
    let points = |line: &Line<'_>| {
        let point = |(x, y): &(f64, f64)| {
            format!("{},{}", short(x * 100.0), short(HEIGHT - y / most * (HEIGHT - 1.0) - 0.5))
        };
        line.points.iter().map(point).collect::<Vec<String>>().join(" ")
    };
    canvas(&html! {
        @for line in lines { polyline class=(line.name) points=(points(line)) {} }
    })
}

/// Formats a coordinate.
fn short(value: f64) -> String {
    format!("{}", (value * 100.0).round() / 100.0)
}

/// Shows how many items the last sweeps listed, coloured by their outcomes.
pub fn sparkline(sweeps: &[SweepRow]) -> Markup {
    let rows: Vec<&SweepRow> = sweeps.iter().collect();
    let most = rows.iter().take(SWEEPS).filter_map(|row| row.listed).max().unwrap_or(0).max(1);
    let svg = bars(&rows, |row| {
        // A sweep that listed nothing is seen, too.
        let listed = row.listed.unwrap_or(0) as f64;
        vec![(class(row.state), listed.max(most as f64 / HEIGHT * 2.0))]
    });
    let listed: Vec<u64> = rows.iter().rev().filter_map(|row| row.listed).collect();
    let label = match (listed.iter().min(), listed.iter().max(), listed.last()) {
        (Some(least), Some(most), Some(last)) => format!(
            "{} sweeps listed {} to {} items, the last one {}",
            listed.len(),
            count(*least),
            count(*most),
            count(*last)
        ),
        _ => "no sweep listed items yet".to_owned(),
    };
    html! { div.sparkline role="img" aria-label=(label) { (svg) } }
}

fn class(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Ended(Outcome::Complete) => "complete",
        State::Ended(Outcome::Incomplete) => "incomplete",
        State::Ended(Outcome::Interrupted) => "interrupted",
        State::Ended(Outcome::Failed) => "failed",
    }
}

/// Shows the items of past sweeps by result.
pub fn items(sweeps: &[SweepRow], now: jiff::Timestamp) -> Markup {
    let rows: Vec<&SweepRow> = sweeps.iter().filter(|row| row.items.is_some()).collect();
    let parts = |row: &SweepRow| {
        let Some(items) = &row.items else { return Vec::new() };
        let value = |number: u64| number as f64;
        vec![
            ("same", value(items.same + items.skipped)),
            ("changed", value(items.changed)),
            ("new", value(items.new)),
            ("gone", value(items.gone)),
            ("failed", value(items.failed + items.missing)),
        ]
    };
    let sum = |row: &&SweepRow| parts(row).iter().map(|(_, value)| *value as u64).sum::<u64>();
    let most = rows.iter().take(SWEEPS).map(sum).max().unwrap_or(0);
    Figure {
        caption: "Items by result",
        label: format!("Items of the last {}, at most {}", some_sweeps(&rows), count(most)),
        highest: count(most),
        ends: ends(&rows, now),
        legend: &["new", "changed", "same", "gone", "failed"],
        svg: bars(&rows, parts),
    }
    .show()
}

/// Shows how long past sweeps took.
pub fn durations(sweeps: &[SweepRow], now: jiff::Timestamp) -> Markup {
    let rows: Vec<&SweepRow> = sweeps.iter().filter(|row| row.ended_at.is_some()).collect();
    let most = rows.iter().take(SWEEPS).filter_map(|row| row.took_s()).fold(0.0, f64::max);
    let highest = crate::model::text::seconds(most);
    Figure {
        caption: "Duration",
        label: format!("Duration of the last {}, at most {highest}", some_sweeps(&rows)),
        ends: ends(&rows, now),
        highest,
        legend: &[],
        svg: bars(&rows, |row| vec![(class(row.state), row.took_s().unwrap_or(0.0))]),
    }
    .show()
}

fn some_sweeps(rows: &[&SweepRow]) -> String {
    match rows.len().min(SWEEPS) {
        1 => "sweep".to_owned(),
        number => format!("{number} sweeps"),
    }
}

/// Returns the ages of the oldest and the newest sweep that are shown.
fn ends(rows: &[&SweepRow], now: jiff::Timestamp) -> [String; 2] {
    let ago = |row: &&SweepRow| format!("{} ago", age(row.started_at, now));
    match (rows.get(rows.len().min(SWEEPS).saturating_sub(1)), rows.first()) {
        (Some(oldest), Some(newest)) if rows.len() >= FEWEST => [ago(oldest), ago(newest)],
        (_, Some(newest)) => [String::new(), ago(newest)],
        _ => [String::new(), String::new()],
    }
}
