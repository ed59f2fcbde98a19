//! `gleaner sweeps`: prints the ledger, as a table for people or a JSON array for programs.

use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use jiff::Timestamp;

use super::exit::{Exit, failed};
use super::holdings::{HoldingsArgs, report_error};
use super::streams::{print_message, show, show_json};
use super::values;
use crate::model::report::{Kind, Report};
use crate::model::text::{count, plain, seconds};
use crate::sweep::{LedgerEntry, Life, State};
use crate::system::clock;

/// Default maximum number of sweeps to list.
pub const MOST: usize = 20;
/// Width of the table in columns, on a terminal or not.
const WIDTH: u16 = 80;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
Newest first; times are UTC. A sweep of several runs took from the start of the
first to the end of the last; its requests are those of the last run.

Exit codes: 0 listed, 1 the store cannot be reached, 2 usage.";

/// Arguments of `gleaner sweeps`.
#[derive(Debug, Args)]
pub struct SweepsArgs {
    #[command(flatten)]
    holdings: HoldingsArgs,

    /// Maximum number of sweeps
    #[arg(long, value_name = "N", value_parser = values::count)]
    most: Option<u64>,

    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

/// Prints the ledger.
pub async fn run(arguments: SweepsArgs) -> Exit {
    try_run(arguments).await.map_or_else(|exit| exit, |()| Exit::Complete)
}

async fn try_run(arguments: SweepsArgs) -> Result<(), Exit> {
    let holdings = arguments.holdings.open().await?;
    let most =
        arguments.most.map_or(MOST, |most| usize::try_from(most).unwrap_or(i32::MAX as usize));
    let sweeps = holdings.store.sweeps(most).await.map_err(|error| report_error(&error))?;
    if sweeps.is_empty() {
        print_message(&format!("no sweeps of {}\n", holdings.what));
    }
    holdings.close().await;
    match arguments.json {
        true => show_json(&json(&sweeps)?),
        false if sweeps.is_empty() => Ok(()),
        false => show(&table(&sweeps, clock::now())),
    }
}

fn json(sweeps: &[LedgerEntry]) -> Result<String, Exit> {
    // By way of a value, in which a member stands once.
    let rows: Result<Vec<serde_json::Value>, _> = sweeps.iter().map(serde_json::to_value).collect();
    let text = rows.and_then(|rows| serde_json::to_string_pretty(&rows));
    Ok(text.map_err(|error| failed(&error.into()))? + "\n")
}

fn table(sweeps: &[LedgerEntry], now: Timestamp) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["started (UTC)", "took", "state", "items, requests, sweep"]);
    for sweep in sweeps {
        let entry = &sweep.entry;
        let took = entry.ended_at.unwrap_or(now).duration_since(entry.started_at);
        table.add_row([
            entry.started_at.strftime("%Y-%m-%d %H:%M").to_string(),
            seconds(took.as_secs_f64().max(0.0)),
            entry.state.to_string(),
            details(sweep),
        ]);
    }
    if let Some(took) = table.column_mut(1) {
        took.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt() + "\n"
}

/// Formats the last column: counts, notes on the runs, and the sweep's id.
fn details(sweep: &LedgerEntry) -> String {
    let entry = &sweep.entry;
    let mut lines: Vec<String> = entry.report.as_ref().map(counts).into_iter().collect();
    let mut notes = Vec::new();
    match entry.kind.since() {
        Some(since) => {
            notes.push(format!("partial, since {}", since.strftime("%Y-%m-%d %H:%M:%S")))
        }
        None => match entry.copy() {
            Some(copy) => notes.push(plain(copy)),
            None if entry.kind == Kind::Limited => notes.push("limited".to_owned()),
            None => {}
        },
    }
    if entry.runs > 1 {
        notes.push(format!("{} runs", entry.runs));
    }
    if !notes.is_empty() {
        lines.push(notes.join(", "));
    }
    if entry.state == State::Running {
        lines.push(holder(sweep));
    }
    lines.push(plain(&entry.id));
    lines.join("\n")
}

/// Describes the holder of a running sweep: whether it is known to have ended, or the age of its
/// last heartbeat.
fn holder(sweep: &LedgerEntry) -> String {
    let Some(holder) = &sweep.entry.holder else { return "no holder".to_owned() };
    let name = plain(&holder.to_string());
    match (holder.life(), sweep.silent_for) {
        (Life::Dead, _) => format!("{name}, ended"),
        (_, Some(silent)) => {
            format!("{name}, heartbeat {} ago", seconds(silent.as_secs_f64()))
        }
        (_, None) => format!("{name}, with a heartbeat in the future"),
    }
}

/// Formats the counts of items, without those that are zero, and the number of requests.
fn counts(report: &Report) -> String {
    let items = &report.items;
    let all = [
        (items.new, "new"),
        (items.changed, "changed"),
        (items.same, "same"),
        (items.skipped, "skipped"),
        (items.missing, "missing"),
        (items.failed, "failed"),
        (items.gone, "gone"),
        (items.unlisted, "unlisted"),
        (report.requests.total, "requests"),
    ];
    let some = all.iter().filter(|(number, name)| *number > 0 || *name == "requests");
    some.map(|(number, name)| format!("{} {name}", count(*number))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::report::{Items, Outcome};
    use crate::model::text::plain_json;
    use crate::observe::metrics::Metrics;
    use crate::sweep::Holder;
    use crate::sweep::SweepEntry;

    fn running(host: &str) -> LedgerEntry {
        let mut entry = SweepEntry::begin("books", "books", "1:d", Kind::Limited);
        entry.started_at = "2026-11-20T10:00:00Z".parse().unwrap();
        entry.runs = 3;
        entry.holder = Some(Holder {
            boot: "b".into(),
            namespace: "n".into(),
            pid: 4_194_304,
            started: 1,
            host: host.into(),
        });
        LedgerEntry { entry, silent_for: Some(Duration::from_millis(75_250)), progress: None }
    }

    fn ended() -> LedgerEntry {
        let LedgerEntry { mut entry, .. } = running("h");
        entry.kind = Kind::Partial { since: Timestamp::UNIX_EPOCH };
        let mut entry = entry.end(Outcome::Interrupted, &Metrics::new().snapshot(), Vec::new());
        let most = 123_456_789;
        let items = Items {
            new: most,
            changed: most,
            same: most,
            skipped: most,
            missing: most,
            failed: most,
            gone: most,
            unlisted: most,
        };
        entry.report.iter_mut().for_each(|report| report.items = items.clone());
        entry.ended_at = Some("2026-12-20T10:00:00Z".parse().unwrap());
        LedgerEntry { entry, silent_for: None, progress: None }
    }

    #[test]
    fn it_fits_80_columns_whatever_stands_in_the_ledger() {
        let host = format!("\u{1b}[31m{}", "long-name.".repeat(20));
        let sweeps = [running(&host), ended(), running("h")];
        let text = table(&sweeps, "2026-11-20T10:01:05Z".parse().unwrap());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        for sweep in &sweeps {
            assert!(text.contains(&*sweep.entry.id), "an id can be copied: {text}");
        }
        for part in [
            "partial, since 1970",
            "720:00:00",
            "1:05",
            "heartbeat 1:15 ago",
            "3 runs",
            "123,456,789 gone",
        ] {
            assert!(text.contains(part), "nothing of {part}: {text}");
        }
    }

    #[test]
    fn programs_get_the_entries_and_how_long_their_holders_are_silent() {
        let text = plain_json(&json(&[running("h\u{9b}"), ended()]).unwrap());
        assert!(!text.contains('\u{9b}'), "{text}");
        let rows: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&rows[0]["state"], &rows[0]["silent_s"]), (&"running".into(), &75.25.into()));
        assert_eq!(rows[0]["holder"]["host"], "h\u{9b}");
        assert_eq!((&rows[1]["state"], &rows[1]["silent_s"]), (&"interrupted".into(), &().into()));
        assert_eq!(rows[1]["report"]["items"]["gone"], 123_456_789);
    }
}
