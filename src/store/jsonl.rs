//! The store as JSON lines, for pipes and for a look at what a site gives: one record a line.
//!
//! Promises: each line is `{"key":…,"url":…,"fetched_at":…,"doc":{…}}` with the document as the
//! site sent it; a batch is written out when [`Store::write`] is done. Nothing is read back: it
//! knows no item, keeps neither ledger nor failures, and a batch written twice is there twice.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, Stdout, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::thread::{Ended, Owner};
use super::{KeptFailure, Live, Position, Rejection, Rows, Store, StoreError, Stored};
use crate::document::{Body, Encoding};
use crate::failure::{Failure, PageId};
use crate::record::{Key, Known, Record, Seen, Stamp};
use crate::sweep::lock::Claim;
use crate::sweep::{LedgerEntry, SweepEntry};

/// See the module's text.
pub struct JsonLinesStore {
    /// On a thread of its own: a pipe blocks for as long as its reader pleases.
    output: Owner<Output>,
    name: Box<str>,
}

enum Output {
    Stdout(Stdout),
    File(File),
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl JsonLinesStore {
    /// Opens the file, emptying it; none is standard output.
    ///
    /// # Errors
    /// Where the file cannot be made or emptied.
    pub fn open(target: &Option<PathBuf>) -> Result<JsonLinesStore, StoreError> {
        let (name, output) = match target {
            None => ("standard output".into(), Output::Stdout(io::stdout())),
            Some(path) => {
                let name: Box<str> = path.display().to_string().into();
                let file = File::create(path).map_err(|error| {
                    StoreError::Unusable(format!(
                        "{name} cannot be written ({error}): name a file in a folder that is \
                         there and writable"
                    ))
                })?;
                (name, Output::File(file))
            }
        };
        JsonLinesStore::of(name, output)
    }

    /// A store whose lines stay in memory.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub fn into_memory(lines: Arc<Mutex<Vec<u8>>>) -> Result<JsonLinesStore, StoreError> {
        JsonLinesStore::of("memory".into(), Output::Memory(lines))
    }

    fn of(name: Box<str>, output: Output) -> Result<JsonLinesStore, StoreError> {
        let output = Owner::of(output, "gleaner-jsonl").map_err(|error| explain(&name, &error))?;
        Ok(JsonLinesStore { output, name })
    }
}

#[async_trait]
impl Store for JsonLinesStore {
    fn encoding(&self) -> Encoding {
        Encoding::Text
    }

    fn was_empty(&self) -> bool {
        true
    }

    fn keeps_failures(&self) -> bool {
        false
    }

    async fn known(&self, _: &[Key]) -> Result<Vec<Known>, StoreError> {
        Ok(Vec::new())
    }

    async fn write(&self, _: &Stamp, records: &[Record]) -> Result<Vec<Rejection>, StoreError> {
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
            Ok(Ok(())) => Ok(rejections),
            Ok(Err(error)) => Err(explain(&self.name, &error)),
            Err(Ended) => Err(StoreError::Failed(format!("{} is closed", self.name))),
        }
    }

    async fn mark_seen(&self, _: &Stamp, _: &[Seen]) -> Result<Vec<Key>, StoreError> {
        Ok(Vec::new())
    }

    async fn keys(&self, _: Option<&Position>, _: usize) -> Result<Rows<Key>, StoreError> {
        Ok(Rows::default())
    }

    async fn live(&self, _: &[Key]) -> Result<Vec<Live>, StoreError> {
        Ok(Vec::new())
    }

    async fn count_live(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn mark_unlisted(&self, _: &[Key], _: Timestamp) -> Result<(), StoreError> {
        Ok(())
    }

    async fn mark_gone(&self, _: &[Key], _: Timestamp) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn keep_failures(&self, _: &Stamp, _: &[Failure]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn clear_failures(&self, _: &[PageId]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn failures(
        &self,
        _: Option<&Position>,
        _: usize,
    ) -> Result<Rows<KeptFailure>, StoreError> {
        Ok(Rows::default())
    }

    async fn sweeps(&self, _: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn latest_sweeps(&self) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(Vec::new())
    }

    async fn take_lock(&self, _: &Claim) -> Result<Option<i64>, StoreError> {
        Ok(Some(1))
    }

    async fn renew_lock(&self, _: &SweepEntry) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn keep_sweep(&self, _: &SweepEntry) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn read(&self, _: Option<&Position>, _: usize) -> Result<Rows<Stored>, StoreError> {
        Err(StoreError::Failed(format!(
            "{}: JSON lines are written, not read back; use an SQLite file or MongoDB",
            self.name
        )))
    }

    async fn close(&self) -> Result<(), StoreError> {
        match self.output.end(Output::close).await {
            Ok(closed) => closed.map_err(|error| explain(&self.name, &error)),
            // Closed before; nothing is left to do.
            Err(Ended) => Ok(()),
        }
    }
}

impl Output {
    fn put(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Output::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(lines)?;
                stdout.flush()
            }
            Output::File(file) if file.metadata()?.is_file() => {
                let whole = file.stream_position()?;
                file.write_all(lines).inspect_err(|_| {
                    // A full disk takes half a line; where that cannot be taken back it stays.
                    let _ = file.set_len(whole);
                })
            }
            Output::File(file) => file.write_all(lines),
            Output::Memory(memory) => {
                memory.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(lines);
                Ok(())
            }
        }
    }

    fn close(self) -> io::Result<()> {
        match self {
            // What is no file, such as a pipe, cannot be synchronised.
            Output::File(file) if file.metadata()?.is_file() => file.sync_all(),
            _ => Ok(()),
        }
    }
}

fn put_line(lines: &mut Vec<u8>, record: &Record, text: &[u8]) {
    let (key, url) = (Value::from(record.key.as_str()), Value::from(&*record.url));
    let head =
        format!(r#"{{"key":{key},"url":{url},"fetched_at":"{:.3}","doc":"#, record.fetched_at);
    lines.extend_from_slice(head.as_bytes());
    // A line break in JSON text stands between tokens only, where a space means the same.
    lines.extend(text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    lines.extend_from_slice(b"}\n");
}

fn explain(name: &str, error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::BrokenPipe => StoreError::Closed,
        _ => StoreError::Failed(format!("{name} cannot be written: {error}")),
    }
}
