//! What a refresh costs in which nothing changed, against the first crawl in the same run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::Value;

use super::clients::{self, Run, gleaner, median};
use super::servers::{SiteKind, start_site};
use super::{ITEMS, rounds};

const WORKERS: u64 = 50;
/// A slow site, in bytes a second.
const SLOW: u64 = 2 << 20;
/// By what it is known that nothing changed; whether the site sends `ETag`s, how many bytes a
/// second, and its latency in milliseconds.
const WAYS: [(&str, bool, u64, u64); 5] = [
    ("ETag", true, 0, 0),
    ("ETag, 20 ms", true, 0, 20),
    ("ETag, 2 MiB/s", true, SLOW, 0),
    ("revision", false, 0, 0),
    ("revision, 20 ms", false, 0, 20),
];

/// A refresh against its first crawl, medians of the runs.
#[derive(Debug, Serialize)]
pub struct Refresh {
    by: &'static str,
    store: &'static str,
    first: Run,
    refresh: Run,
    /// Documents that the refresh found new or changed.
    replaced: u64,
    wall_times: f64,
    cpu_times: f64,
    bytes_times: f64,
    requests_times: f64,
}

/// A crawl, and what it says of itself.
struct Crawled {
    run: Run,
    bytes: u64,
    requests: u64,
    replaced: u64,
}

/// Measures all ways, with both stores, and prints a row for each.
pub fn measure(folder: &Path, mongodb: &str) -> Result<Vec<Refresh>> {
    println!("\n| by | store | replaced | body bytes × | requests × | CPU × | wall × | wall s |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut refreshes = Vec::new();
    for (by, etags, bandwidth, latency) in WAYS {
        let site = site_file(folder, by.starts_with("revision"))?;
        let kind = SiteKind { items: ITEMS, latency, etags, bandwidth };
        let (_site, base) = start_site(kind)?;
        for store in ["MongoDB", "SQLite"] {
            let mut pairs = Vec::new();
            for round in 0..rounds() {
                let name = format!("r{}_{round}", refreshes.len());
                let url = match store {
                    "MongoDB" => format!("{mongodb}/{name}"),
                    _ => format!("sqlite:{}", folder.join(name).display()),
                };
                let crawl = || crawl(folder, &site, &base, &url);
                pairs.push((crawl()?, crawl()?));
            }
            let refresh = summary(by, store, &pairs);
            println!(
                "| {by} | {store} | {} | {:.3} | {:.3} | {:.2} | {:.2} | {:.2} → {:.2} |",
                refresh.replaced,
                refresh.bytes_times,
                refresh.requests_times,
                refresh.cpu_times,
                refresh.wall_times,
                refresh.first.wall,
                refresh.refresh.wall,
            );
            refreshes.push(refresh);
        }
    }
    Ok(refreshes)
}

/// The built-in site; or one whose list says of each item when it changed: a new version of a
/// book has another score.
fn site_file(folder: &Path, has_revision: bool) -> Result<PathBuf> {
    let mut text = include_str!("../../src/site/books.toml").to_owned();
    if has_revision {
        text = text.replace("[detail]", "revision = \"$.score\"\n\n[detail]");
    }
    let path = folder.join(if has_revision { "revision.toml" } else { "books.toml" });
    std::fs::write(&path, text)?;
    Ok(path)
}

fn crawl(folder: &Path, site: &Path, base: &str, store: &str) -> Result<Crawled> {
    let report = folder.join("report.json");
    let mut command = gleaner(&site.to_string_lossy(), base, store, WORKERS);
    command.arg("--report").arg(&report);
    let run = clients::measure(command)?;
    let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
    let count = |path: &str| report.pointer(path).and_then(Value::as_u64).context(path.to_owned());
    Ok(Crawled {
        run,
        bytes: count("/requests/bytes")?,
        requests: count("/requests/total")?,
        replaced: count("/items/new")? + count("/items/changed")?,
    })
}

fn summary(by: &'static str, store: &'static str, pairs: &[(Crawled, Crawled)]) -> Refresh {
    let first = median(&pairs.iter().map(|(first, _)| first.run).collect::<Vec<_>>());
    let refresh = median(&pairs.iter().map(|(_, refresh)| refresh.run).collect::<Vec<_>>());
    let times = |of: fn(&Crawled) -> u64| {
        let sum = |crawls: &mut dyn Iterator<Item = u64>| crawls.sum::<u64>() as f64;
        sum(&mut pairs.iter().map(|(_, refresh)| of(refresh)))
            / sum(&mut pairs.iter().map(|(first, _)| of(first)))
    };
    Refresh {
        by,
        store,
        first,
        refresh,
        replaced: pairs.iter().map(|(_, refresh)| refresh.replaced).max().unwrap_or_default(),
        wall_times: refresh.wall / first.wall,
        cpu_times: refresh.cpu / first.cpu,
        bytes_times: times(|crawl| crawl.bytes),
        requests_times: times(|crawl| crawl.requests),
    }
}
