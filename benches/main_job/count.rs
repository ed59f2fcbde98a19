//! Instructions a request, counted by callgrind: the same on a busy machine and on a quiet one, so
//! that a change of a few hundredths shows. What a run costs anyway (certificates, connections) falls
//! out, since what is told is the difference of a long run and a short one.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use serde::Serialize;

use super::clients::gleaner;
use super::servers::{SiteKind, start_site};
use super::{PAGE, straight};

/// Documents of the two runs.
const FEW: u64 = 500;
const MANY: u64 = 2_500;
const WORKERS: u64 = 50;

/// What a client takes for a request.
#[derive(Debug, Serialize)]
pub struct Count {
    client: &'static str,
    instructions_a_request: u64,
    times_straight_line: f64,
}

/// Counts, and prints a table.
pub fn measure(folder: &Path, mongodb: &str) -> Result<Vec<Count>> {
    println!("\n| client | instructions a request | × straight line |\n|---|---|---|");
    let mut counts: Vec<Count> = Vec::new();
    for client in ["straight line, MongoDB", "gleaner, MongoDB", "gleaner, SQLite"] {
        let run = |items: u64| -> Result<i64> {
            let kind = SiteKind { items, latency: 0, etags: false, bandwidth: 0 };
            let (_site, base) = start_site(kind)?;
            let name = format!("count{items}_{}", counts.len());
            let command = match client {
                "straight line, MongoDB" => straight(&base, &format!("{mongodb}/{name}"), WORKERS)?,
                "gleaner, MongoDB" => {
                    gleaner("books", &base, &format!("{mongodb}/{name}"), WORKERS)
                }
                _ => {
                    let file = folder.join(name);
                    gleaner("books", &base, &format!("sqlite:{}", file.display()), WORKERS)
                }
            };
            instructions(&command)
        };
        let requests = MANY + MANY.div_ceil(PAGE) - FEW - FEW.div_ceil(PAGE);
        let each = (run(MANY)? - run(FEW)?) as f64 / requests as f64;
        let floor = counts.first().map_or(each, |it| it.instructions_a_request as f64);
        let count = Count {
            client,
            instructions_a_request: each as u64,
            times_straight_line: each / floor,
        };
        println!("| {client} | {each:.0} | {:.2} |", count.times_straight_line);
        counts.push(count);
    }
    Ok(counts)
}

/// How many instructions a command takes.
fn instructions(command: &Command) -> Result<i64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(command.get_program())
        .args(command.get_args())
        .stdout(Stdio::null())
        .output()
        .context("valgrind is missing: install it to count instructions")?;
    let text = String::from_utf8_lossy(&output.stderr);
    // `==123== Collected : 278054518`
    let line = text.lines().find(|line| line.contains("Collected : "));
    let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
    count.with_context(|| format!("{command:?} under valgrind: {text}"))
}
