//! The result of `gleaner tune`: a table and bars for people, a JSON object for programs.
//!
//! Contains only numbers and gleaner's own words; nothing comes from the site.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::model::report::millis as rounded;
use crate::model::text::millis;
use crate::tools::tune::{Level, Stop, workers};

/// Length of the longest bar in characters.
const LONGEST: usize = 56;

#[derive(Serialize)]
struct Report {
    levels: Vec<Row>,
    stopped: Stop,
    why: String,
    workers: Option<usize>,
}

#[derive(Serialize)]
struct Row {
    level: usize,
    requests: usize,
    time_s: f64,
    per_second: f64,
    median_ms: f64,
    p95_ms: f64,
    errors: usize,
}

/// Formats the result as one line of JSON.
pub fn json(levels: &[Level], stopped: Stop) -> String {
    let ms = |time: Duration| rounded(time.as_secs_f64() * 1e3);
    let row = |level: &Level| Row {
        level: level.at_once,
        requests: level.requests,
        time_s: rounded(level.elapsed.as_secs_f64()),
        per_second: rounded(level.per_second),
        median_ms: ms(level.median),
        p95_ms: ms(level.p95),
        errors: level.errors,
    };
    let report = Report {
        levels: levels.iter().map(row).collect(),
        stopped,
        why: stopped.sentence(levels),
        workers: workers(levels),
    };
    // Serializing numbers and texts cannot fail.
    serde_json::to_string(&report).unwrap_or_default() + "\n"
}

/// Formats the result as a table and bars.
pub fn text(levels: &[Level], stopped: Stop) -> String {
    let mut text = String::new();
    if !levels.is_empty() {
        let _ = writeln!(text, "{}\n\n{}\n", table(levels), bars(levels));
    }
    let _ = writeln!(text, "stopped: {}", stopped.sentence(levels));
    if let Some(workers) = workers(levels) {
        let _ = writeln!(text, "GLEANER_WORKERS={workers}");
    }
    text
}

/// Formats one level as a progress line.
pub fn line(level: &Level) -> String {
    let Level { at_once, requests, per_second, errors, .. } = level;
    format!(
        "{at_once} concurrent: {requests} requests, {per_second:.1} per second, median {}, {errors} errors",
        millis(level.median)
    )
}

fn table(levels: &[Level]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["level", "requests", "time", "per second", "median", "p95", "errors"]);
    for level in levels {
        table.add_row([
            level.at_once.to_string(),
            level.requests.to_string(),
            format!("{:.2} s", level.elapsed.as_secs_f64()),
            format!("{:.1}", level.per_second),
            millis(level.median),
            millis(level.p95),
            level.errors.to_string(),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// Formats the throughput per level as bars, in steps of an eighth of a character.
fn bars(levels: &[Level]) -> String {
    let most = levels.iter().map(|level| level.per_second).fold(f64::MIN_POSITIVE, f64::max);
    let bar = |level: &Level| {
        let eighths = (level.per_second / most * (LONGEST * 8) as f64).round() as usize;
        let last = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8];
        let bar = format!("{}{last}", "█".repeat(eighths / 8));
        format!("{:>6} {} {:.1}/s", level.at_once, bar.trim_end(), level.per_second)
    };
    levels.iter().map(bar).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(at_once: usize, per_second: f64) -> Level {
        let (median, p95) = (Duration::from_micros(12_345), Duration::from_millis(60_000));
        let elapsed = Duration::from_secs(60);
        Level { at_once, requests: 1000, elapsed, per_second, median, p95, errors: 1000 }
    }

    #[test]
    fn it_fits_80_columns_whatever_is_measured() {
        let levels = [level(1, 0.0), level(500, 123_456.78), level(300, 60_000.0)];
        let text = text(&levels, Stop::Errors);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("level") && text.ends_with("GLEANER_WORKERS=1\n"), "{text}");
        let bars: Vec<&str> = text.lines().filter(|line| line.ends_with("/s")).collect();
        assert_eq!(bars[0], "     1  0.0/s");
        assert_eq!(bars[1].matches('█').count(), LONGEST);
    }

    #[test]
    fn what_programs_read_is_one_object_a_line() {
        let text = json(&[level(1, 10.0 / 3.0)], Stop::Top);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((text.lines().count(), &value["stopped"]), (1, &"top".into()));
        assert_eq!(value["levels"][0]["per_second"], 3.333);
        let none: serde_json::Value = serde_json::from_str(&json(&[], Stop::Interrupted)).unwrap();
        assert_eq!((&none["workers"], &none["stopped"]), (&().into(), &"interrupted".into()));
        assert_eq!(super::text(&[], Stop::Interrupted), "stopped: interrupted\n");
    }
}
