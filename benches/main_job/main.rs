//! The main job, measured: gleaner beside the same libraries in a straight line and beside wrk, on
//! one site and one MongoDB server, in one run. `make bench` runs it; with the argument `refresh` it
//! measures refreshes alone, with `count` (`make count`) it counts instructions, with `peers`
//! (`make bench-peers`) it measures other crawlers.
//!
//! Site and server are processes of their own. Clients take turns, so that whatever else the
//! machine does hits all alike, and of the runs the median is told. The figures go to stdout as
//! tables, to `target/bench.json`, and as charts to `docs/main-job-chart.svg` and `docs/peers.svg`.
//! The argument `runs=N` sets the number of runs, `items=N` the documents of the peers' job.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod chart;
mod clients;
mod count;
mod peers;
mod refresh;
mod servers;
mod straight_line;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::json;

use chart::{Bar, Chart, Group};
use clients::{Run, gleaner, median};
use servers::{SiteKind, start_mongod, start_site};

/// Documents of the whole job.
const ITEMS: u64 = 9_040;
const PAGE: u64 = 18;
/// Documents, latency in milliseconds, requests in flight. Fewer documents where one run would
/// take long.
const CELLS: [(u64, u64, u64); 6] = [
    (ITEMS, 0, 50),
    (1_000, 20, 5),
    (ITEMS, 20, 50),
    (ITEMS, 20, 200),
    (2_000, 200, 50),
    (ITEMS, 200, 200),
];
/// Round trips before all workers are busy: robots.txt, the first page, and the climb.
const CLIMB: u64 = 5;
/// wrk runs for so many seconds.
const WRK: u64 = 4;
const NAMES: [&str; 4] = ["wrk", "straight line, MongoDB", "gleaner, MongoDB", "gleaner, SQLite"];

/// A client in a cell.
#[derive(Serialize)]
struct Row {
    documents: u64,
    latency_ms: u64,
    workers: u64,
    client: &'static str,
    run: Run,
    cpu_us_a_request: f64,
    /// `(ceil(requests / workers) + 5) × latency / wall`; of wrk, which does not climb, without the 5.
    efficiency: Option<f64>,
    wall_times: f64,
    cpu_times: f64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((mode, rest)) if mode == "site" => servers::serve_site(rest),
        Some((mode, rest)) if mode == "straight-line" => run_straight(rest),
        _ if arguments.iter().any(|argument| argument == "--bench") => bench(),
        _ => Ok(()),
    }
}

/// Returns the number in the argument `NAME=NUMBER`, or the default.
fn number(name: &str, default: u64) -> u64 {
    let value = |argument: String| argument.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    std::env::args().find_map(value).unwrap_or(default)
}

/// Returns the number of runs of which the median is taken.
fn rounds() -> u64 {
    number("runs", 3)
}

/// Returns the words for the figures in titles.
fn statistic() -> String {
    match rounds() {
        1 => "one run".to_owned(),
        rounds => format!("medians of {rounds} runs"),
    }
}

fn run_straight(arguments: &[String]) -> Result<()> {
    let [base, uri, workers] = arguments else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(straight_line::crawl(base, uri, workers.parse()?))
}

/// The straight line in a process of its own, which is this program again.
fn straight(base: &str, store: &str, workers: u64) -> Result<Command> {
    let mut straight = Command::new(std::env::current_exe()?);
    straight.args(["straight-line", base, store, &workers.to_string()]);
    Ok(straight)
}

fn bench() -> Result<()> {
    let is_asked_for = |what: &str| std::env::args().any(|argument| argument == what);
    let folder = std::env::temp_dir().join(format!("gleaner-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (mongod, mongodb) = start_mongod(&folder)?;
    let all = match (is_asked_for("count"), is_asked_for("peers")) {
        (true, _) => json!({ "counts": count::measure(&folder, &mongodb)? }),
        (_, true) => json!({ "runs": rounds(), "peers": peers::measure(&mongodb)? }),
        _ => main_job(&folder, &mongodb, is_asked_for("refresh"))?,
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench.json");
    std::fs::write(path, serde_json::to_vec_pretty(&all)?)?;
    drop(mongod);
    std::fs::remove_dir_all(folder).context("the bench's folder")
}

fn main_job(folder: &Path, mongodb: &str, refreshes_alone: bool) -> Result<serde_json::Value> {
    println!("{}\n", statistic());
    println!(
        "| documents | latency | workers | client | wall s | CPU µs a request | peak MiB | efficiency | wall × | CPU × |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut rows = Vec::new();
    for cell in CELLS.into_iter().filter(|_| !refreshes_alone) {
        rows.extend(measure_cell(folder, mongodb, cell)?);
    }
    if !rows.is_empty() {
        chart_of(&rows).save("main-job-chart.svg")?;
    }
    let refreshes = refresh::measure(folder, mongodb)?;
    Ok(json!({ "runs": rounds(), "cells": rows, "refreshes": refreshes }))
}

fn measure_cell(
    folder: &Path,
    mongodb: &str,
    (items, latency, workers): (u64, u64, u64),
) -> Result<Vec<Row>> {
    let requests = items + items.div_ceil(PAGE);
    let (_site, base) = start_site(SiteKind { items, latency, etags: false, bandwidth: 0 })?;
    let pages = pages_of(folder, &base, items)?;
    let mut runs: [Vec<Run>; 4] = Default::default();
    for round in 0..rounds() {
        let name = |client: &str| format!("b{items}_{latency}_{workers}_{client}_{round}");
        let uri = |client: &str| format!("{mongodb}/{}", name(client));
        let file = format!("sqlite:{}", folder.join(name("q")).display());
        let straight = straight(&base, &uri("s"), workers)?;
        runs[0].extend(clients::wrk(&base, &pages, workers, requests, WRK));
        runs[1].push(clients::measure(straight)?);
        runs[2].push(clients::measure(gleaner("books", &base, &uri("g"), workers))?);
        runs[3].push(clients::measure(gleaner("books", &base, &file, workers))?);
    }
    let floor = median(&runs[1]);
    let measured = NAMES.iter().zip(&runs).filter(|(_, runs)| !runs.is_empty());
    let rows: Vec<Row> = measured
        .map(|(client, runs)| {
            let run = median(runs);
            let climb = if *client == "wrk" { 0 } else { CLIMB };
            let ideal = (requests.div_ceil(workers) + climb) as f64 * latency as f64 / 1e3;
            Row {
                documents: items,
                latency_ms: latency,
                workers,
                client,
                run,
                cpu_us_a_request: run.cpu * 1e6 / requests as f64,
                efficiency: (latency > 0).then_some(ideal / run.wall),
                wall_times: run.wall / floor.wall,
                cpu_times: run.cpu / floor.cpu,
            }
        })
        .collect();
    rows.iter().for_each(print);
    Ok(rows)
}

/// Returns the chart of wall time and CPU as ratios to the straight line.
fn chart_of(rows: &[Row]) -> Chart {
    let cell = |row: &Row| (row.documents, row.latency_ms, row.workers);
    let groups = rows.chunk_by(|one, other| cell(one) == cell(other)).map(|rows| {
        let (documents, latency, workers) = cell(&rows[0]);
        let name = format!("{documents} documents, latency {latency} ms, {workers} workers");
        let bar = |row: &Row| Bar {
            name: row.client.to_owned(),
            values: [row.wall_times, row.cpu_times],
        };
        Group { name, bars: rows.iter().map(bar).collect() }
    });
    Chart {
        title: format!("The main job, {}; straight line = 1", statistic()),
        columns: ["wall time ×", "CPU time ×"],
        groups: groups.collect(),
    }
}

fn print(row: &Row) {
    let Row { documents, latency_ms, workers, client, run, .. } = row;
    let efficiency = row.efficiency.map_or_else(|| "–".to_owned(), |it| format!("{it:.3}"));
    println!(
        "| {documents} | {latency_ms} ms | {workers} | {client} | {:.2} | {:.0} | {:.0} | {efficiency} | {:.2} | {:.2} |",
        run.wall, row.cpu_us_a_request, run.peak_mib, row.wall_times, row.cpu_times,
    );
}

/// The paths of all pages of the site, a line each, for wrk.
fn pages_of(folder: &Path, base: &str, items: u64) -> Result<PathBuf> {
    let records = folder.join("records.jsonl");
    clients::measure(gleaner("books", base, &format!("jsonl:{}", records.display()), 200))?;
    let mut paths: Vec<String> = (0..items.div_ceil(PAGE))
        .map(|page| format!("/api/book/?limit={PAGE}&offset={}", page * PAGE))
        .collect();
    for line in std::fs::read_to_string(records)?.lines() {
        let record: serde_json::Value = serde_json::from_str(line)?;
        let key = record.get("key").and_then(serde_json::Value::as_str).context("a key")?;
        paths.push(format!("/api/book/{key}/"));
    }
    let pages = folder.join("pages.txt");
    std::fs::write(&pages, paths.join("\n") + "\n")?;
    Ok(pages)
}
