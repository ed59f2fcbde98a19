//! JSON lines, one record per line: for pipes, and to look at a site's data.
//!
//! Each line is `{"key":…,"url":…,"fetched_at":…,"doc":{…}}`, with the document as the site sent
//! it. A batch is flushed when [`Sink::write`] returns.
//!
//! A file replaces the previous one only when its sweep has finished. Pipes and devices are written
//! directly. Nothing is read back, and a batch that is written twice appears twice.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, Stdout, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::Value;
use tracing::warn;

use super::sink::Sink;
use super::thread::{Ended, Owner};
use super::{Rejection, StoreError};
use crate::model::document::{Body, Encoding};
use crate::model::record::Record;
use crate::model::report::Outcome;
use crate::sweep::State;
use crate::system::replacement::{self, Readers, Replacement, Unfinished};

/// An output with one line per record.
pub struct JsonLines {
    /// Output, on its own thread: writing to a pipe blocks until its reader reads.
    output: Owner<Output>,
    name: Box<str>,
    /// File that holds the lines until the sweep has finished, or `None` for pipes and devices.
    partial: Option<Box<Path>>,
    has_written: AtomicBool,
}

enum Output {
    Stdout(Stdout),
    /// A pipe or a device.
    Stream(File),
    Memory(Arc<Mutex<Vec<u8>>>),
    File(Lines),
}

/// Lines of a file that is not complete yet.
struct Lines {
    file: Replacement,
    /// True if the sweep has finished, so that the file replaces the previous one.
    is_whole: bool,
}

impl JsonLines {
    /// Opens a pipe or device, or a new file that will replace the one at the path. `None` is
    /// standard output.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created or opened.
    pub fn open(target: &Option<PathBuf>) -> Result<JsonLines, StoreError> {
        let (name, output): (Box<str>, _) = match target {
            None => ("standard output".into(), Output::Stdout(io::stdout())),
            Some(path) => {
                let name: Box<str> = path.display().to_string().into();
                let output = Output::to(path).map_err(|error| {
                    StoreError::Unusable(format!(
                        "{name} cannot be written ({error}): name a file in a folder that is \
                         there and writable"
                    ))
                })?;
                (name, output)
            }
        };
        JsonLines::of(name, output)
    }

    /// Creates an output that keeps its lines in memory.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub fn into_memory(lines: Arc<Mutex<Vec<u8>>>) -> Result<JsonLines, StoreError> {
        JsonLines::of("memory".into(), Output::Memory(lines))
    }

    fn of(name: Box<str>, output: Output) -> Result<JsonLines, StoreError> {
        let partial = match &output {
            Output::File(lines) => Some(lines.file.path().into()),
            Output::Stdout(_) | Output::Stream(_) | Output::Memory(_) => None,
        };
        let output = Owner::of(output, "gleaner-jsonl").map_err(|error| explain(&name, &error))?;
        Ok(JsonLines { output, name, partial, has_written: AtomicBool::new(false) })
    }
}

#[async_trait]
impl Sink for JsonLines {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        "JSON lines"
    }

    fn encoding(&self) -> Encoding {
        Encoding::Text
    }

    async fn write(&self, records: &[Record]) -> Result<Vec<Rejection>, StoreError> {
        let mut rejections = Vec::new();
        let mut lines = Vec::with_capacity(records.iter().map(|it| it.document.size() + 256).sum());
        for (at, record) in records.iter().enumerate() {
            match &record.document.body {
                Body::Text(text) => put_line(&mut lines, record, text),
                Body::Bson(_) => {
                    rejections.push(Rejection { at, reason: "the document is not text".into() });
                }
            }
        }
        match self.output.run(move |output| output.put(&lines)).await {
            Ok(Ok(())) => {
                self.has_written.store(true, Relaxed);
                Ok(rejections)
            }
            Ok(Err(error)) => Err(explain(&self.name, &error)),
            Err(Ended) => Err(StoreError::Failed(format!("{} is closed", self.name))),
        }
    }

    async fn end_sweep(&self, state: State) -> Result<(), StoreError> {
        let is_whole = matches!(state, State::Ended(Outcome::Complete | Outcome::Incomplete));
        let noted = self.output.run(move |output| {
            if let Output::File(lines) = output {
                lines.is_whole = is_whole;
            }
        });
        noted.await.map_err(|Ended| StoreError::Failed(format!("{} is closed", self.name)))
    }

    fn left_unfinished(&self) -> Option<String> {
        let partial = self.partial.as_deref()?;
        let name = &self.name;
        Some(match self.has_written.load(Relaxed) {
            true => format!(
                "{name} is as it was before this run; what this run fetched is in {}",
                partial.display()
            ),
            false => format!("{name} is as it was before this run, which fetched nothing"),
        })
    }

    async fn close(&self) -> Result<(), StoreError> {
        match self.output.end(Output::close).await {
            Ok(closed) => closed.map_err(|error| {
                match (explain(&self.name, &error), self.left_unfinished()) {
                    (StoreError::Failed(why), Some(left)) => {
                        StoreError::Failed(format!("{why}; {left}"))
                    }
                    (error, _) => error,
                }
            }),
            // It was closed before.
            Err(Ended) => Ok(()),
        }
    }
}

impl Output {
    fn to(path: &Path) -> io::Result<Output> {
        let Some(file) = Replacement::of(path, Readers::Owner, Unfinished::Kept)? else {
            return File::options().write(true).open(path).map(Output::Stream);
        };
        for left in replacement::left_behind(path) {
            warn!(
                file = %left.display(),
                "an earlier run into {} was killed and left this file; delete it if it is not needed",
                path.display()
            );
        }
        Ok(Output::File(Lines { file, is_whole: false }))
    }

    fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Output::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Output::Stream(file) => file.write_all(lines),
            Output::File(Lines { file, .. }) => {
                let file = file.file();
                let whole = file.stream_position()?;
                file.write_all(lines).inspect_err(|_| {
                    // A full disk may accept half a line. If that cannot be undone, it stays.
                    let _ = file.set_len(whole);
                })
            }
            Output::Memory(memory) => {
                memory.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(lines);
                Ok(())
            }
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            Output::File(Lines { file, is_whole: true }) => file.finish(),
            Output::File(Lines { file, is_whole: false }) => file.abandon(),
            // Pipes cannot be synced.
            Output::Stdout(_) | Output::Stream(_) | Output::Memory(_) => Ok(()),
        }
    }
}

fn put_line(lines: &mut Vec<u8>, record: &Record, text: &[u8]) {
    let (key, url) = (Value::from(record.key.as_str()), Value::from(&*record.url));
    let head =
        format!(r#"{{"key":{key},"url":{url},"fetched_at":"{:.3}","doc":"#, record.fetched_at);
    lines.extend_from_slice(head.as_bytes());
    // In JSON text, line breaks occur only between tokens, where a space is equivalent.
    lines.extend(text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    lines.extend_from_slice(b"}\n");
}

fn explain(name: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::BrokenPipe => StoreError::Closed,
        _ => StoreError::Failed(format!("{name} cannot be written: {error}")),
    }
}
