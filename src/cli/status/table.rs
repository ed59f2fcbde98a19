//! The status of sites as a table, and a line for each alert and each running sweep.

use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use jiff::Timestamp;

use crate::model::report::Kind;
use crate::model::text::{age, clock, count, plain, seconds, wrapped};
use crate::observe::progress::Progress;
use crate::serve::overview::{Overview, RunningSweep, SiteStatus, SweepRow};

/// Width of the table in columns, on a terminal or not.
const WIDTH: u16 = 80;
/// Number of sweeps in the trend.
const TREND: usize = 8;
/// Bars of the trend, from the lowest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Formats an overview.
pub fn of(overview: &Overview) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["site", "state", "since", "complete", "items", "new/chg/gone", "trend"]);
    for site in &overview.sites {
        table.add_row(row(site, overview.at));
    }
    for column in 2..=5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt() + "\n";
    let notes: String = overview.sites.iter().map(|site| notes(site, overview.at)).collect();
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(&notes);
    }
    text
}

fn row(site: &SiteStatus, now: Timestamp) -> [String; 7] {
    let last = site.last_complete.as_ref();
    let items = last.and_then(|row| row.items.as_ref());
    let changes = items.map(|it| format!("{}/{}/{}", it.new, it.changed, it.gone));
    [
        name(site),
        site.state.name().to_owned(),
        site.since.map_or_else(|| "-".to_owned(), |since| age(since, now)),
        last.map_or_else(
            || "never".to_owned(),
            |row| age(row.ended_at.unwrap_or(row.started_at), now),
        ),
        last.and_then(|row| row.listed).map_or_else(|| "-".to_owned(), count),
        changes.unwrap_or_else(|| "-".to_owned()),
        trend(&site.sweeps),
    ]
}

fn name(site: &SiteStatus) -> String {
    let id = &site.id;
    match id.site == id.collection {
        true => plain(&id.site),
        false => format!("{} ({})", plain(&id.site), plain(&id.collection)),
    }
}

/// Draws the number of items that the last complete sweeps listed, the newest on the right.
fn trend(sweeps: &[SweepRow]) -> String {
    let whole = sweeps.iter().filter(|row| row.is_whole());
    let listed: Vec<u64> = whole.filter_map(|row| row.listed).take(TREND).collect();
    let most = listed.iter().copied().max().unwrap_or_default().max(1);
    let bar = |listed: &u64| {
        let height = (*listed as f64 / most as f64 * (BARS.len() - 1) as f64).round();
        BARS[(height as usize).min(BARS.len() - 1)]
    };
    listed.iter().rev().map(bar).collect()
}

/// Formats what runs and what is wrong.
fn notes(site: &SiteStatus, now: Timestamp) -> String {
    let mut text = String::new();
    if let Some(running) = &site.running {
        text += &wrapped("", "  ", &format!("{}: {}", name(site), shown(running)));
    }
    for alert in &site.alerts {
        let since = age(alert.since, now);
        let line = format!("{}: {} for {since}: {}", name(site), alert.rule.name(), alert.text);
        text += &wrapped("! ", "  ", &line);
    }
    if let Some(cause) = &site.cause {
        text += &wrapped("  likely cause: ", "  ", cause);
    }
    text
}

fn shown(running: &RunningSweep) -> String {
    if let Some(copy) = &running.copy {
        return format!("a {} runs", plain(copy));
    }
    let what = match running.kind {
        Kind::Full => "a sweep runs",
        Kind::Partial { .. } => "a sweep of what changed runs",
        Kind::Limited => "a part of the site is crawled",
    };
    let Some(progress) = &running.progress else { return format!("{what}, with no heartbeat yet") };
    let Progress { elapsed_s, items_per_s, requests_per_s, hosts, .. } = progress;
    let (done, expected) = (progress.items.settled(), progress.index.expected());
    let mut text = format!(
        "{what}: {} of {} items after {}, {items_per_s:.0} items/s, {requests_per_s:.0} requests/s",
        count(done),
        count(expected),
        seconds(*elapsed_s)
    );
    if *items_per_s > 0.1 && expected > done {
        let left = Duration::from_secs_f64((expected - done) as f64 / items_per_s);
        text += &format!(", {} left", clock(left));
    }
    for host in hosts {
        if let (Some(wait_s), Some(why)) = (host.wait_s, &host.why) {
            text += &format!("; waiting {} for {}: {}", seconds(wait_s), host.name, why);
        }
    }
    text
}
