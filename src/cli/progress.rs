//! Progress display: a status line on a terminal, log lines elsewhere.

use std::io::{IsTerminal, Write};
use std::pin::Pin;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::time::{Interval, MissedTickBehavior, interval_at};
use tracing::info;

use super::arguments::Progress;
use super::signals::{Signals, StopSignal};
use crate::engine::crawl::View;
use crate::observe::status::{Pace, line};

/// Interval between updates of the status line on a terminal.
const TERMINAL: Duration = Duration::from_millis(200);
/// Interval between plain lines.
const PLAIN: Duration = Duration::from_secs(1);
/// Interval between log lines.
const LOG: Duration = Duration::from_secs(10);

/// The progress display of a run.
pub struct ProgressView {
    form: Form,
    /// Name of the site before each line that the log does not name it for, or empty.
    prefix: String,
    ticks: Interval,
    pace: Pace,
}

/// Source of the progress that is shown.
#[derive(Clone, Copy)]
pub enum Shown<'a> {
    /// View of a crawl, with a bar.
    Crawl(&'a View),
    /// Text, without a bar.
    Text(&'a dyn Fn() -> String),
}

enum Form {
    Line(ProgressBar, MultiProgress),
    Plain,
    Log,
    None,
}

impl ProgressView {
    /// Creates the progress display. On a terminal, the status line stays below what `lines`
    /// prints. The lines begin with `name`, if there is one.
    pub fn new(when: Progress, lines: &MultiProgress, name: Option<&str>) -> ProgressView {
        let (form, every) = match (when, std::io::stderr().is_terminal()) {
            (Progress::Off, _) => (Form::None, LOG),
            (_, true) => (Form::Line(lines.add(bar()), lines.clone()), TERMINAL),
            (Progress::On, false) => (Form::Plain, PLAIN),
            (Progress::Auto, false) => (Form::Log, LOG),
        };
        let mut ticks = interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let prefix = name.map_or_else(String::new, |name| format!("{name}: "));
        ProgressView { form, prefix, ticks, pace: Pace::default() }
    }

    /// Waits for `running`, and shows its progress meanwhile. The first signal calls `stop`, which is to
    /// end it gracefully. Returns its result, and that signal if there was one.
    ///
    /// # Errors
    /// Returns the second signal, which aborts it.
    pub async fn during<R>(
        mut self,
        mut running: Pin<&mut impl Future<Output = R>>,
        shown: Shown<'_>,
        signals: &mut Signals,
        stop: impl Fn(),
    ) -> Result<(R, Option<StopSignal>), StopSignal> {
        let mut told = None;
        let ended = loop {
            tokio::select! {
                ended = &mut running => break Ok((ended, told)),
                signal = signals.next() => {
                    if told.replace(signal).is_some() {
                        break Err(signal);
                    }
                    stop();
                }
                () = self.show(shown) => {}
            }
        };
        self.end();
        ended
    }

    /// Waits for the next tick, then shows the current progress. Cancel safe: dropping the future
    /// loses nothing.
    async fn show(&mut self, shown: Shown<'_>) {
        self.ticks.tick().await;
        let text = match shown {
            Shown::Crawl(view) => self.of_crawl(view),
            Shown::Text(text) => {
                if let Form::Line(bar, _) = &self.form {
                    bar.set_style(style("{wide_msg}"));
                }
                text()
            }
        };
        self.draw(&text);
    }

    fn of_crawl(&mut self, view: &View) -> String {
        let (snapshot, queued) = view.now();
        self.pace.update(&snapshot);
        if let Form::Line(bar, _) = &self.form {
            // A bar of length 0 would be drawn full before the list is read.
            bar.set_length(snapshot.expected().max(1));
            bar.set_position(snapshot.settled());
        }
        line(&snapshot, queued, &self.pace, view.waits().as_deref())
    }

    fn draw(&self, text: &str) {
        match &self.form {
            Form::Line(bar, _) => bar.set_message(self.prefix.clone() + text),
            // A closed standard error does not end the run.
            Form::Plain => drop(writeln!(std::io::stderr(), "{}{text}", self.prefix)),
            Form::Log => info!("{text}"),
            Form::None => {}
        }
    }

    /// Removes the status line from the terminal.
    fn end(&self) {
        if let Form::Line(bar, lines) = &self.form {
            bar.finish_and_clear();
            lines.remove(bar);
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    bar.set_style(style("{bar:16} {wide_msg}").progress_chars("█▉▊▋▌▍▎▏ "));
    bar
}

/// Returns a style by its template, which is a constant. If it were wrong, the default style would
/// still show something.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
