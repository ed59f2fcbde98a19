//! The progress line and the summary of a crawl.
//!
//! They are made from snapshots and reports only. Control characters in text from the site are
//! escaped.

use std::fmt::Write;
use std::time::Duration;

use crate::model::report::{Files, Kind, Report};
use crate::model::text::{clock, count, counted, plain, seconds};
use crate::observe::metrics::Snapshot;

/// Weight of the newest reading in the average speed.
const NEWEST: f64 = 0.2;

/// Speed at which items are done, smoothed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    elapsed: Duration,
    settled: u64,
    per_second: Option<f64>,
}

impl Pace {
    /// Adds a reading.
    pub fn update(&mut self, snapshot: &Snapshot) {
        let seconds = snapshot.elapsed.saturating_sub(self.elapsed).as_secs_f64();
        if seconds < 1e-3 {
            return;
        }
        let settled = snapshot.settled();
        let now = settled.saturating_sub(self.settled) as f64 / seconds;
        self.per_second =
            Some(self.per_second.map_or(now, |before| before + NEWEST * (now - before)));
        (self.elapsed, self.settled) = (snapshot.elapsed, settled);
    }

    /// Returns the number of items per second.
    pub fn per_second(&self) -> f64 {
        self.per_second.unwrap_or_default()
    }

    /// Returns the time until `items` more are done, or `None` while no item is done.
    fn time_for(&self, items: u64) -> Option<Duration> {
        let seconds = items as f64 / self.per_second.filter(|pace| *pace > 1e-3)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// Returns the progress line: done of total (unknown until the first page of the list is read), per second, failed, queued; then the current wait or
/// the time left.
pub fn line(snapshot: &Snapshot, queued: u64, pace: &Pace, waits: Option<&str>) -> String {
    let (settled, expected) = (snapshot.settled(), snapshot.expected());
    let mut line = match expected {
        0 => "reading the list".to_owned(),
        expected => format!("{} of {}", count(settled), count(expected)),
    };
    let _ = write!(line, " · {}/s", count(pace.per_second().round() as u64));
    if snapshot.items.failed > 0 {
        let _ = write!(line, " · {} failed", count(snapshot.items.failed));
    }
    if snapshot.items.unlisted > 0 {
        let _ = write!(line, " · {} unlisted", count(snapshot.items.unlisted));
    }
    let _ = write!(line, " · {} queued", count(queued));
    if let Some(waits) = waits {
        let _ = write!(line, " · {waits}");
    } else if let Some(left) = pace.time_for(expected.saturating_sub(settled)) {
        let _ = write!(line, " · {} left", clock(left));
    }
    line
}

/// Returns the summary of a run.
pub fn summary(report: &Report, store: &str) -> String {
    let Report { requests, index, items, store: writes, .. } = report;
    let mut text = format!(
        "{}: {} in {} ({})\n",
        report.site,
        report.outcome,
        seconds(report.elapsed_s),
        sweep(report)
    );
    let mut row = |name: &str, parts: &[String]| {
        let _ = writeln!(text, "  {name:<9} {}", parts.join(" · "));
    };
    let named = |number: u64, name: &str| format!("{} {name}", count(number));
    let some = |number: u64, name: &str| (number > 0).then(|| named(number, name));
    let mut parts =
        vec![named(items.new, "new"), named(items.changed, "changed"), named(items.same, "same")];
    parts.extend(some(items.skipped, "skipped"));
    parts.extend(some(items.missing, "missing"));
    parts.extend(some(items.gone, "gone"));
    parts.extend(some(items.unlisted, "unlisted"));
    parts.push(named(items.failed, "failed"));
    row("items", &parts);
    let declared = index.declared.map_or("not declared".to_owned(), |n| named(n, "declared"));
    row("list", &[named(index.listed, "listed"), declared, counted(index.pages, "page", "pages")]);
    let mut parts = vec![named(requests.total, "made")];
    parts.extend(some(requests.not_modified, "not modified"));
    parts.extend(some(requests.retried, "retried"));
    parts.extend(some(requests.redirected, "redirected"));
    parts.push(bytesize::ByteSize(requests.bytes).display().iec().to_string());
    parts.push(format!(
        "half within {} ms, 99 % within {} ms",
        short(requests.p50_ms),
        short(requests.p99_ms)
    ));
    row("requests", &parts);
    if !writes.files.is_empty() {
        let Files { stored, unchanged, bytes } = writes.files;
        let size = bytesize::ByteSize(bytes).display().iec().to_string();
        row("files", &[named(stored, "stored"), named(unchanged, "unchanged"), size]);
    }
    let batches = counted(writes.batches, "batch", "batches");
    let mut parts = vec![named(writes.written, "written"), batches, store.to_owned()];
    parts.extend((writes.waited_s > 0.0).then(|| format!("waited {}", seconds(writes.waited_s))));
    row("store", &parts);
    for problem in &report.problems {
        let _ = writeln!(text, "  ! {}", plain(problem));
    }
    text
}

/// Names the sweep and its kind.
fn sweep(report: &Report) -> String {
    let Some(sweep) = &report.sweep else { return "no sweep".to_owned() };
    match report.baseline.kind {
        Some(Kind::Partial { since }) => format!("partial sweep {sweep}, since {since:.0}"),
        Some(Kind::Limited) => format!("limited sweep {sweep}"),
        Some(Kind::Full) | None => format!("sweep {sweep}"),
    }
}

fn short(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::Verdict;
    use crate::model::task::Done;
    use crate::observe::metrics::Metrics;

    #[test]
    fn the_line_says_that_the_list_is_read_first() {
        let line = line(&Metrics::new().snapshot(), 1, &Pace::default(), None);
        assert_eq!(line, "reading the list · 0/s · 1 queued");
    }

    #[test]
    fn the_line_says_done_speed_failed_queued_and_left() {
        let metrics = Metrics::new();
        metrics.listed(2000, Some(9040));
        (0..1500).for_each(|_| metrics.done(Done::Stored(Verdict::New), true));
        metrics.done(Done::GivenUp, true);
        let mut snapshot = metrics.snapshot();
        snapshot.elapsed = Duration::from_secs(10);
        let mut pace = Pace::default();
        pace.update(&snapshot);
        let waiting = line(&snapshot, 612, &pace, Some("waiting 0:42 for h: 429"));
        let expected = "1,501 of 9,040 · 150/s · 1 failed · 612 queued · waiting 0:42 for h: 429";
        assert_eq!(waiting, expected);
        let line = line(&snapshot, 612, &pace, None);
        assert_eq!(line, "1,501 of 9,040 · 150/s · 1 failed · 612 queued · 0:50 left");
        assert!(line.chars().count() < 64, "it fits beside the bar on 80 columns");
    }
}
