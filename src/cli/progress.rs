//! Progress: a line on a terminal, log lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tracing::info;

use super::arguments::Progress;
use crate::crawl::View;
use crate::status::{Pace, line};

/// Between two states of the line on a terminal.
const TERMINAL: Duration = Duration::from_millis(200);
/// Between two plain lines.
const PLAIN: Duration = Duration::from_secs(1);
/// Between two log lines.
const LOG: Duration = Duration::from_secs(10);

/// The progress display of a run.
pub struct ProgressView {
    form: Form,
    ticks: Interval,
    pace: Pace,
}

enum Form {
    Line(ProgressBar, MultiProgress),
    Plain,
    Log,
    None,
}

impl ProgressView {
    /// Progress as asked for; on a terminal it goes below what `lines` prints.
    pub fn new(when: Progress, lines: &MultiProgress) -> ProgressView {
        let (form, every) = match (when, std::io::stderr().is_terminal()) {
            (Progress::Off, _) => (Form::None, LOG),
            (_, true) => (Form::Line(lines.add(bar()), lines.clone()), TERMINAL),
            (Progress::On, false) => (Form::Plain, PLAIN),
            (Progress::Auto, false) => (Form::Log, LOG),
        };
        let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ProgressView { form, ticks, pace: Pace::default() }
    }

    /// Shows where the crawl is when the time has come. Dropping the future loses nothing.
    pub async fn show(&mut self, view: &View) {
        self.ticks.tick().await;
        let (snapshot, queued) = view.now().await;
        self.pace.update(&snapshot);
        let text = line(&snapshot, queued, &self.pace, view.waits().as_deref());
        match &self.form {
            Form::Line(bar, _) => {
                bar.set_length(snapshot.expected());
                bar.set_position(snapshot.settled());
                bar.set_message(text);
            }
            // Nobody may be reading any more, which is no reason to end.
            Form::Plain => drop(writeln!(std::io::stderr(), "{text}")),
            Form::Log => info!("{text}"),
            Form::None => {}
        }
    }

    /// Takes the line off the terminal.
    pub fn end(&self) {
        if let Form::Line(bar, lines) = &self.form {
            bar.finish_and_clear();
            lines.remove(bar);
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    // The template is a constant; were it wrong, the default would still show something.
    if let Ok(style) = ProgressStyle::with_template("{bar:16} {wide_msg}") {
        bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    }
    bar
}
