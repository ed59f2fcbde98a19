//! `gleaner export`: writes the documents of a site as JSON lines or CSV, in the order of the
//! store's primary key.
//!
//! The store is read in pages, so memory use does not depend on its size. CSV takes two passes: the
//! first collects the columns.

mod choice;
mod form;
mod output;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::exit::{Exit, failed};
use super::holdings::{Holdings, HoldingsArgs, report_error};
use super::signals::Signals;
use super::streams::print_message;
use super::usage::refused;
use super::values;
use crate::model::report::Kind;
use crate::model::text::{count, counted};
use crate::store::{Pages, Rows, Stored};
use choice::{Choice, Marked, Verdict};
use form::{Csv, Lines, TooManyColumns};
use output::Output;

/// Maximum number of sweeps to search for the last full one.
const SWEEPS: usize = 1_000;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
CSV has a column _key and one for each top-level field, in the order in which
they first appear. Nested values are JSON.

Exit codes: 0 written, 1 the store or the output failed, 2 usage, 129, 130 or
143 interrupted, 141 the reader of standard output closed it.";

/// Arguments of `gleaner export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    holdings: HoldingsArgs,

    /// Output format [default: jsonl]
    #[arg(long, value_name = "FORM")]
    format: Option<Format>,

    /// Write to PATH, which is replaced when the export is complete [default: standard output]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// Only documents that changed at or after this time (with --gone only: that were marked as
    /// gone): 24h (before now), 2026-11-20T10:00:00Z, 2026-11-20 (its start in UTC) or yesterday
    #[arg(long, value_name = "D|TIME", value_parser = values::since)]
    since: Option<Timestamp>,

    /// How to treat documents marked as gone [default: without]
    #[arg(long, value_name = "HOW")]
    gone: Option<Marked>,

    /// How to treat documents that are no longer listed but not marked as gone [default: with]
    #[arg(long, value_name = "HOW")]
    unlisted: Option<Marked>,

    /// Only documents with this verdict in the last full sweep
    #[arg(long, value_name = "WHAT")]
    verdict: Option<Verdict>,

    /// Include key, URL and times of each document
    #[arg(long)]
    meta: bool,

    /// Prefix text that a spreadsheet would run as a formula with ' (CSV only)
    #[arg(long)]
    csv_safe: bool,
}

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// One document per line.
    #[default]
    Jsonl,
    /// A table.
    Csv,
}

/// Exports the documents.
pub async fn run(arguments: ExportArgs) -> Exit {
    try_run(arguments).await.map_or_else(|exit| exit, |()| Exit::Complete)
}

async fn try_run(arguments: ExportArgs) -> Result<(), Exit> {
    if arguments.csv_safe && arguments.format.unwrap_or_default() != Format::Csv {
        return Err(refused("--csv-safe", "only valid with --format csv"));
    }
    let to_file = arguments.output.as_deref().filter(|path| path.as_os_str() != "-");
    let Some(path) = to_file else {
        // No signal handler: a signal ends the process at once, even while a write blocks.
        return export(&arguments, Output::stdout()).await;
    };
    let mut signals = Signals::listen().map_err(|error| failed(&error.into()))?;
    let output = Output::replacing(path).map_err(|error| refused("--output", &error))?;
    tokio::select! {
        exported = export(&arguments, output) => exported,
        signal = signals.next() => Err(Exit::Interrupted(signal)),
    }
}

async fn export(arguments: &ExportArgs, output: Output) -> Result<(), Exit> {
    let holdings = arguments.holdings.open().await?;
    if output.replaces(&holdings.url) {
        return Err(refused("--output", "this is the file of the store"));
    }
    let Some(choice) = choice(arguments, &holdings).await? else {
        print_message(&format!("no full sweep of {}\n", holdings.what));
        return output.finish();
    };
    let ExportArgs { meta, csv_safe, .. } = *arguments;
    let export = Export { holdings: &holdings, choice, meta, csv_safe };
    let counted = match arguments.format.unwrap_or_default() {
        Format::Jsonl => export.lines(output).await?,
        Format::Csv => export.csv(output).await?,
    };
    print_message(&counted.sentence(&holdings.what));
    holdings.close().await;
    Ok(())
}

/// Builds the filter, or returns `None` if `--verdict` was given and there was no sweep over the list.
async fn choice(arguments: &ExportArgs, holdings: &Holdings) -> Result<Option<Choice>, Exit> {
    let mut choice = Choice {
        since: arguments.since,
        gone: arguments.gone.unwrap_or(Marked::Without),
        unlisted: arguments.unlisted.unwrap_or(Marked::With),
        verdict: None,
    };
    if let Some(verdict) = arguments.verdict {
        let sweeps = holdings.store.sweeps(SWEEPS).await.map_err(|error| report_error(&error))?;
        let Some(last) = sweeps.iter().find(|sweep| sweep.entry.kind != Kind::Limited) else {
            return Ok(None);
        };
        choice.verdict = Some((verdict, last.entry.started_at));
    }
    Ok(Some(choice))
}

struct Export<'a> {
    holdings: &'a Holdings,
    choice: Choice,
    meta: bool,
    csv_safe: bool,
}

/// Numbers of documents in the store and of exported ones.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    all: u64,
    written: u64,
    /// Documents in the same collection that gleaner did not write.
    others: u64,
    /// Documents exported without fields that appeared between the two passes.
    cut: u64,
}

impl Export<'_> {
    async fn lines(&self, mut output: Output) -> Result<Counted, Exit> {
        let lines = Lines { meta: self.meta };
        let counted = self
            .each_page(|chosen| {
                let mut text = String::new();
                for stored in chosen {
                    lines.put(stored, &mut text);
                }
                output.put_json(&text)
            })
            .await?;
        output.finish()?;
        Ok(counted)
    }

    async fn csv(&self, mut output: Output) -> Result<Counted, Exit> {
        let mut csv = Csv::new(self.meta, self.csv_safe);
        let first = self
            .each_page(|chosen| {
                let noted = chosen.iter().try_for_each(|stored| csv.note_columns(&stored.text));
                noted.map_err(|error| match error {
                    TooManyColumns => refused("--format csv", &TooManyColumns.to_string()),
                })
            })
            .await?;
        if first.written == 0 {
            output.finish()?;
            return Ok(first);
        }
        output.put_csv(&csv.header())?;
        let mut cut = 0;
        let counted = self
            .each_page(|chosen| {
                let (rows, without) = csv.rows(chosen);
                cut += without;
                output.put_csv(&rows)
            })
            .await?;
        output.finish()?;
        Ok(Counted { cut, ..counted })
    }

    /// Reads the store page by page, and passes the documents that match the filter to `take`.
    async fn each_page(
        &self,
        mut take: impl FnMut(&[Stored]) -> Result<(), Exit>,
    ) -> Result<Counted, Exit> {
        let mut counted = Counted::default();
        let mut pages = Pages::of(&*self.holdings.store);
        while let Some(page) = pages.next().await.map_err(|error| report_error(&error))? {
            let Rows { found: mut page, others, .. } = page;
            counted.all += page.len() as u64;
            counted.others += others;
            page.retain(|stored| self.choice.takes(&stored.known));
            counted.written += page.len() as u64;
            take(&page)?;
        }
        Ok(counted)
    }
}

impl Counted {
    fn sentence(&self, what: &str) -> String {
        let (written, all) = (count(self.written), count(self.all));
        let mut text = match self.all {
            0 => format!("no documents of {what}\n"),
            _ => format!("{written} of {all} documents of {what}\n"),
        };
        if self.others > 0 {
            let others = counted(self.others, "document", "documents");
            text.push_str(&format!("{others} skipped: not written by gleaner\n"));
        }
        if self.cut > 0 {
            let cut = count(self.cut);
            text.push_str(&format!(
                "{cut} of them changed during the export: their new fields are omitted\n"
            ));
        }
        text
    }
}
