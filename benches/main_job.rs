//! The main job, measured: gleaner beside the straight line, on one site and one MongoDB server,
//! in one run. `make bench` runs it.
//!
//! The demo site is a process of its own. Clients take turns, so that whatever else the machine
//! does hits all alike; of three runs the median is told. CPU is user and system time of the
//! client (10 ms ticks), peak memory the kernel's high-water mark.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

const ITEMS: u64 = 9_040;
const PAGE: u64 = 18;
const RUNS: usize = 3;
/// Latency in milliseconds, requests in flight.
const CELLS: [(u64, u64); 3] = [(0, 50), (20, 50), (20, 200)];

/// One run of a client.
#[derive(Debug, Clone, Copy)]
struct Run {
    wall: f64,
    cpu: f64,
    peak_mib: f64,
}

/// A process that is stopped when it goes out of scope.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let gleaner = PathBuf::from(env!("CARGO_BIN_EXE_gleaner"));
    let straight_line = beside_this("straight_line")?;
    let (_mongod, mongodb) = start_mongod()?;
    let requests = ITEMS + ITEMS.div_ceil(PAGE);
    println!("{ITEMS} documents, {requests} requests, median of {RUNS} runs\n");
    println!(
        "| latency | workers | client | wall s | CPU µs a request | peak MiB | efficiency | wall × | CPU × |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (latency, workers) in CELLS {
        let (_site, base) = start_site(&gleaner, latency)?;
        let mut runs: [Vec<Run>; 3] = Default::default();
        for round in 0..RUNS {
            let uri = |client: &str| format!("{mongodb}/b{latency}_{workers}_{client}_{round}");
            let file =
                std::env::temp_dir().join(format!("gleaner-bench-{}.db", std::process::id()));
            let crawl = |store: &str| {
                let mut command = Command::new(&gleaner);
                command.args(["crawl", "books", "--progress", "off", "--base-url", &base]);
                command.args(["--store", store, "--workers", &workers.to_string()]);
                command
            };
            let mut straight = Command::new(&straight_line);
            straight.args([&base, &uri("s"), &workers.to_string()]);
            runs[0].push(measure(straight)?);
            runs[1].push(measure(crawl(&uri("g")))?);
            runs[2].push(measure(crawl(&format!("sqlite:{}", file.display())))?);
            for ending in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{ending}", file.display()));
            }
        }
        let [floor, ..] = &runs;
        let floor = median(floor);
        let names = ["straight line, MongoDB", "gleaner, MongoDB", "gleaner, SQLite"];
        for (name, runs) in names.iter().zip(&runs) {
            let run = median(runs);
            let ideal = requests.div_ceil(workers) as f64 * latency as f64 / 1e3;
            println!(
                "| {latency} ms | {workers} | {name} | {:.2} | {:.0} | {:.0} | {} | {:.2} | {:.2} |",
                run.wall,
                run.cpu * 1e6 / requests as f64,
                run.peak_mib,
                if latency == 0 { "–".to_owned() } else { format!("{:.3}", ideal / run.wall) },
                run.wall / floor.wall,
                run.cpu / floor.cpu,
            );
        }
    }
    Ok(())
}

fn median(runs: &[Run]) -> Run {
    let middle = |of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Run { wall: middle(|r| r.wall), cpu: middle(|r| r.cpu), peak_mib: middle(|r| r.peak_mib) }
}

/// Runs a client to its end.
fn measure(mut command: Command) -> Result<Run> {
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

fn start_site(gleaner: &Path, latency: u64) -> Result<(Server, String)> {
    let mut site = Command::new(gleaner)
        .args(["demo", "--serve", "--latency", &format!("{latency}ms")])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut base = String::new();
    BufReader::new(site.stdout.take().context("its output")?).read_line(&mut base)?;
    Ok((Server(site), base.trim().to_owned()))
}

/// The server that the tests use, on a port and a folder of its own.
fn start_mongod() -> Result<(Server, String)> {
    let local = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/mongod/mongod");
    let mongod = if local.exists() { local } else { PathBuf::from("mongod") };
    let folder = std::env::temp_dir().join(format!("gleaner-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let server = Command::new(mongod)
        .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "1"])
        .arg("--dbpath")
        .arg(&folder)
        .args(["--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .context("no mongod: run `make mongod`")?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < deadline, "mongod does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok((Server(server), format!("mongodb://127.0.0.1:{port}")))
}

/// Another bench of this package, built by the same command.
fn beside_this(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let folder = this.parent().context("a folder")?;
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            file.starts_with(&format!("{name}-")) && !file.contains('.')
        })
        .collect();
    found.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    match found.pop() {
        Some(path) => Ok(path),
        None => bail!("{name} was not built: run `make bench`"),
    }
}
