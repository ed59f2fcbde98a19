//! One run of a client, measured: wall time, CPU (user and system, 10 ms ticks), peak memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

/// What a run cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Run {
    /// Seconds.
    pub wall: f64,
    /// Seconds, user and system.
    pub cpu: f64,
    /// The kernel's high-water mark.
    pub peak_mib: f64,
}

/// Runs a client to its end.
pub fn measure(mut command: Command) -> Result<Run> {
    let before = cpu_of_children()?;
    let started = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut peak_mib = 0.0;
    let status = loop {
        peak_mib = peak(child.id()).unwrap_or(peak_mib);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    ensure!(status.success(), "{command:?}: {status}");
    let wall = started.elapsed().as_secs_f64();
    Ok(Run { wall, cpu: cpu_of_children()? - before, peak_mib })
}

/// Each figure's median by itself.
pub fn median(runs: &[Run]) -> Run {
    let middle = |of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Run { wall: middle(|r| r.wall), cpu: middle(|r| r.cpu), peak_mib: middle(|r| r.peak_mib) }
}

/// gleaner, crawling the `site` at `base`.
pub fn gleaner(site: &str, base: &str, store: &str, workers: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gleaner"));
    command.args(["crawl", site, "--progress", "off", "--base-url", base, "--store", store]);
    command.args(["--workers", &workers.to_string()]);
    command
}

/// How long wrk, which counts bytes and no more, takes for as many requests of the same pages.
/// It cannot stop after a number of requests: it runs for `seconds`, and its figures are scaled.
/// Nothing where it is not installed.
pub fn wrk(base: &str, pages: &Path, workers: u64, requests: u64, seconds: u64) -> Option<Run> {
    let script = pages.with_extension("lua");
    let text = "local paths, at = {}, 0\n\
        init = function(args) for line in io.lines(args[1]) do paths[#paths + 1] = wrk.format('GET', line) end end\n\
        request = function() at = at % #paths + 1 return paths[at] end\n";
    std::fs::write(&script, text).ok()?;
    let before = cpu_of_children().ok()?;
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{workers}"), &format!("-d{seconds}")])
        .arg("-s")
        .arg(script)
        .args([base, "--"])
        .arg(pages)
        .output()
        .ok()?;
    let cpu = cpu_of_children().ok()? - before;
    let text = String::from_utf8_lossy(&output.stdout);
    // `  12345 requests in 5.00s, 30.1MB read`
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    let mut words = line.split_whitespace();
    let made: f64 = words.next()?.parse().ok()?;
    let took: f64 = words.nth(2)?.trim_end_matches(['s', ',']).parse().ok()?;
    let share = requests as f64 / made;
    Some(Run { wall: took * share, cpu: cpu * share, peak_mib: 0.0 })
}

/// User and system seconds of the children that were waited for.
fn cpu_of_children() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().context("fields")?.split_whitespace().skip(13);
    let ticks: Vec<f64> = fields.take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

fn peak(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
