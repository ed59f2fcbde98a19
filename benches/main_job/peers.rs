//! Other crawlers on the same job, site and server. `make bench-peers` installs what it can of them
//! into `target/peers`; what is not there is passed over, and said.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use super::chart::{Bar, Chart, Group};
use super::clients::{self, Run, gleaner, median};
use super::servers::{SiteKind, start_site};
use super::{ITEMS, PAGE, number, rounds, statistic};

/// Latency in milliseconds, and requests in flight.
const CELLS: [(u64, u64); 2] = [(0, 50), (20, 50)];
/// Name, what runs it (below `target/peers`, or a program), and its script.
const PEERS: [(&str, &str, &str); 4] = [
    ("aiohttp, two phases, an update each", "venv/bin/python", "aiohttp_books.py"),
    ("Scrapy, batches of 500", "venv/bin/python", "scrapy_books.py"),
    ("dlt (rest_api), batches of 500", "dlt/bin/python", "dlt_books.py"),
    ("Crawlee, batches of 500", "node_modules/@crawlee/http", "crawlee_books.mjs"),
];

/// A peer beside gleaner.
#[derive(Debug, Serialize)]
pub struct Beside {
    client: &'static str,
    latency_ms: u64,
    run: Run,
    cpu_us_a_request: f64,
    wall_times_gleaner: f64,
    cpu_times_gleaner: f64,
}

/// Measures those that are installed, and prints a table.
pub fn measure(mongodb: &str) -> Result<Vec<Beside>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = |peer: &&(&str, &str, &str)| {
        let is_there = root.join("target/peers").join(peer.1).exists();
        if !is_there {
            println!("not installed, so not measured: {}", peer.0);
        }
        is_there
    };
    let peers: Vec<_> = PEERS.iter().filter(installed).collect();
    println!("\n| latency | client | wall s | CPU µs a request | peak MiB | wall × | CPU × |");
    println!("|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    let items = number("items", ITEMS);
    for (latency, workers) in CELLS {
        let kind = SiteKind { items, latency, etags: false, bandwidth: 0 };
        let (_site, base) = start_site(kind)?;
        let mut measured: Vec<Vec<Run>> = vec![Vec::new(); peers.len() + 1];
        for round in 0..rounds() {
            let uri = |name: &str| format!("{mongodb}/p{latency}_{round}_{name}");
            let own = gleaner("books", &base, &uri("gleaner"), workers);
            measured[0].push(clients::measure(own)?);
            for (number, (_, runner, script)) in peers.iter().enumerate() {
                let script = root.join("benches/peers").join(script);
                let peer =
                    command(root, runner, &script, &base, &uri(&number.to_string()), workers)?;
                measured[number + 1].push(clients::measure(peer)?);
            }
        }
        let requests = (items + items.div_ceil(PAGE)) as f64;
        let own = median(&measured[0]);
        let names = std::iter::once("gleaner").chain(peers.iter().map(|peer| peer.0));
        for (client, run) in names.zip(measured.iter().map(|runs| median(runs))) {
            let beside = Beside {
                client,
                latency_ms: latency,
                run,
                cpu_us_a_request: run.cpu * 1e6 / requests,
                wall_times_gleaner: run.wall / own.wall,
                cpu_times_gleaner: run.cpu / own.cpu,
            };
            println!(
                "| {latency} ms | {client} | {:.2} | {:.0} | {:.0} | {:.1} | {:.1} |",
                run.wall,
                beside.cpu_us_a_request,
                run.peak_mib,
                beside.wall_times_gleaner,
                beside.cpu_times_gleaner,
            );
            all.push(beside);
        }
    }
    chart_of(&all, items).save("peers.svg")?;
    Ok(all)
}

/// Returns the chart of wall and CPU seconds.
fn chart_of(all: &[Beside], items: u64) -> Chart {
    let groups = all.chunk_by(|one, other| one.latency_ms == other.latency_ms).map(|clients| {
        let name = format!("latency {} ms, 50 workers", clients[0].latency_ms);
        let bar = |beside: &Beside| Bar {
            name: beside.client.to_owned(),
            values: [beside.run.wall, beside.run.cpu],
        };
        Group { name, bars: clients.iter().map(bar).collect() }
    });
    Chart {
        title: format!("{items} JSON documents into MongoDB, {}", statistic()),
        columns: ["wall time, s", "CPU time, s"],
        groups: groups.collect(),
    }
}

fn command(
    root: &Path,
    runner: &str,
    script: &Path,
    base: &str,
    uri: &str,
    workers: u64,
) -> Result<Command> {
    let peers: PathBuf = root.join("target/peers");
    let is_node = script.extension().is_some_and(|extension| extension == "mjs");
    let mut command = if is_node {
        // Modules are looked for beside the script.
        let copy = peers.join(script.file_name().unwrap_or_default());
        std::fs::copy(script, &copy)?;
        let mut node = Command::new("node");
        node.arg(copy);
        node
    } else {
        let mut python = Command::new(peers.join(runner));
        python.arg(script);
        python
    };
    command.args([base, uri, &workers.to_string()]);
    Ok(command)
}
