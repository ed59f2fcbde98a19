//! Where a crawl is and how it ended, in words: the progress line and the summary.
//!
//! Made from snapshots and reports alone. What came from the site is shown without control
//! characters.

use std::fmt::Write;
use std::time::Duration;

use crate::metrics::Snapshot;
use crate::sweep::Report;

/// Columns of a line that is wrapped.
const WIDTH: usize = 80;
/// Weight of the newest reading in the speed that is shown.
const NEWEST: f64 = 0.2;

/// How fast items are settled, smoothed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    elapsed: Duration,
    settled: u64,
    per_second: Option<f64>,
}

impl Pace {
    /// Takes a reading.
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

    /// Items a second.
    pub fn per_second(&self) -> f64 {
        self.per_second.unwrap_or_default()
    }

    /// Time until `items` more are settled; none while nothing moves.
    fn time_for(&self, items: u64) -> Option<Duration> {
        let seconds = items as f64 / self.per_second.filter(|pace| *pace > 1e-3)?;
        Duration::try_from_secs_f64(seconds).ok()
    }
}

/// The progress line: done of total, per second, failed, queued, time left.
pub fn line(snapshot: &Snapshot, queued: u64, pace: &Pace) -> String {
    let (settled, expected) = (snapshot.settled(), snapshot.expected());
    let mut line = format!("{} of {}", count(settled), count(expected));
    let _ = write!(line, " · {}/s", count(pace.per_second().round() as u64));
    if snapshot.items.failed > 0 {
        let _ = write!(line, " · {} failed", count(snapshot.items.failed));
    }
    let _ = write!(line, " · {} queued", count(queued));
    if let Some(left) = pace.time_for(expected.saturating_sub(settled)) {
        let _ = write!(line, " · {} left", clock(left));
    }
    line
}

/// The summary at the end of a run.
pub fn summary(report: &Report, store: &str) -> String {
    let Report { requests, index, items, store: writes, .. } = report;
    let mut text = format!(
        "{}: {} in {} (sweep {})\n",
        report.site,
        report.outcome,
        seconds(report.elapsed_s),
        report.sweep
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
    parts.push(named(items.failed, "failed"));
    row("items", &parts);
    let declared = index.declared.map_or("not declared".to_owned(), |n| named(n, "declared"));
    row("list", &[named(index.listed, "listed"), declared, counted(index.pages, "page", "pages")]);
    let mut parts = vec![named(requests.total, "made")];
    parts.extend(some(requests.retried, "retried"));
    parts.extend(some(requests.redirected, "redirected"));
    parts.push(bytesize::ByteSize(requests.bytes).display().iec().to_string());
    parts.push(format!(
        "half within {} ms, 99 % within {} ms",
        short(requests.p50_ms),
        short(requests.p99_ms)
    ));
    row("requests", &parts);
    let batches = counted(writes.batches, "batch", "batches");
    let mut parts = vec![named(writes.written, "written"), batches, store.to_owned()];
    parts.extend((writes.blocked_s > 0.0).then(|| format!("waited {}", seconds(writes.blocked_s))));
    row("store", &parts);
    for problem in &report.problems {
        let _ = writeln!(text, "  ! {}", plain(problem));
    }
    text
}

/// `text` with control characters shown instead of sent to the terminal.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if turns_direction(c) => plain.extend(c.escape_unicode()),
            c if c.is_control() => plain.extend(c.escape_default()),
            c => plain.push(c),
        }
    }
    plain
}

/// JSON text that says the same without control characters but for line breaks and tabs, which can
/// only stand between its tokens.
pub fn plain_json(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => plain.push(c),
            '\r' => plain.push(' '),
            c if turns_direction(c) || c.is_control() => {
                // Writing to a text cannot fail.
                let _ = write!(plain, "\\u{:04x}", u32::from(c));
            }
            c => plain.push(c),
        }
    }
    plain
}

/// Whether it is a mark that turns the direction of what follows; terminals obey those, too.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` in lines of 80 columns: `first` before the first line, `further` before the others. A
/// word that is longer than a line has one of its own: a URL in two pieces cannot be copied.
pub fn wrapped(first: &str, further: &str, text: &str) -> String {
    let mut lines = String::new();
    let mut line = first.to_owned();
    let mut is_begun = false;
    for word in plain(text).split(' ').filter(|word| !word.is_empty()) {
        if is_begun && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = further.to_owned();
            is_begun = false;
        }
        if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    lines + line.trim_end() + "\n"
}

/// A time as `3.4 ms`.
pub fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// A number with its thousands apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number and what there is so many of.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

fn short(number: f64) -> String {
    if number < 10.0 { format!("{number:.1}") } else { format!("{number:.0}") }
}

/// A time in seconds as `4.2 s`, from a minute on as `m:ss` or `h:mm:ss`.
pub fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        return format!("{seconds:.1} s");
    }
    clock(Duration::from_secs_f64(seconds))
}

/// `m:ss` or `h:mm:ss`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::record::Verdict;

    #[test]
    fn the_line_says_done_speed_failed_queued_and_left() {
        let metrics = Metrics::new();
        metrics.listed(2000, Some(9040));
        (0..1500).for_each(|_| metrics.stored(Verdict::New));
        metrics.given_up(true);
        let mut snapshot = metrics.snapshot();
        snapshot.elapsed = Duration::from_secs(10);
        let mut pace = Pace::default();
        pace.update(&snapshot);
        let line = line(&snapshot, 612, &pace);
        assert_eq!(line, "1,501 of 9,040 · 150/s · 1 failed · 612 queued · 0:50 left");
        assert!(line.chars().count() < 64, "it fits beside the bar on 80 columns");
    }

    #[test]
    fn p8_what_the_site_sent_cannot_drive_the_terminal() {
        assert_eq!(plain("a\x1b[31mb\r\n"), "a\\u{1b}[31mb\\r\\n");
        assert_eq!(plain("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(plain_json("[\r\n\t\"\u{9b}1m\u{202e}ä\"]"), "[ \n\t\"\\u009b1m\\u202eä\"]");
    }

    #[test]
    fn long_texts_are_wrapped_between_words() {
        let words = "word ".repeat(40);
        let text = wrapped("a: ", "   ", &words);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.lines().nth(1).map(|line| line.starts_with("   word")), Some(true));
        assert_eq!(wrapped("a: ", "", &"x".repeat(99)), format!("a: {}\n", "x".repeat(99)));
        assert_eq!(wrapped("a: ", "", "b\u{1b} c"), "a: b\\u{1b} c\n");
        assert_eq!(wrapped("a: ", "", ""), "a:\n");
    }

    #[test]
    fn times_and_numbers_read_well() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(12), "12");
        assert_eq!(counted(1, "page", "pages"), "1 page");
        assert_eq!(counted(1_200, "page", "pages"), "1,200 pages");
        assert_eq!(clock(Duration::from_secs(3_725)), "1:02:05");
        assert_eq!(seconds(4.21), "4.2 s");
        assert_eq!(seconds(75.0), "1:15");
    }
}
