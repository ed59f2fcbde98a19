//! gleaner keeps a database in step with a web site that lists things and has a page for each.
//!
//! ```text
//!             ┌──────────── follow-ups, deduplicated ────────────┐
//!             ▼                                                  │
//! site ─▶ frontier ─ lease ─▶ worker × N:  fetch ─▶ extract ─────┤
//!             ▲                                                  │ records (bounded: items and bytes)
//!             │                                                  ▼
//!             └────── lease released after the commit ──────── writer ─ batches ─▶ store
//! ```
//!
//! 1. Done means written: a task ends when the store has acknowledged its record, or, on a page
//!    of the list, when its follow-ups are in the frontier.
//! 2. The end is exact: one count, changed in one place; no idle timers.
//! 3. No lane is bounded by waiting; pages of the list are handed out only while items are few.
//! 4. Backpressure is one channel, from the workers to the writer.
//! 5. Decisions are functions of values: retry, paging, templates, extraction, verdict.
//! 6. [`crawl`] is the only place that spawns tasks.
//! 7. Log, report, ledger and exit code are made from one snapshot.
//!
//! `docs/architecture.md` is the map. The binary is [`cli`]; a program that crawls by itself
//! begins with [`Crawl`](crawl::Crawl).

pub mod again;
pub mod check;
pub mod cli;
pub mod clock;
pub mod crawl;
pub mod decoding;
pub mod demo;
pub mod descriptors;
pub mod document;
pub mod draft;
pub mod error;
pub mod extract;
pub mod failure;
pub mod fetch;
pub mod frontier;
pub mod lock;
pub mod lookup;
pub mod memory;
pub mod metrics;
pub mod problems;
pub mod record;
pub mod refresh;
pub mod replacement;
pub mod report;
pub mod secret;
pub mod settings;
pub mod shutdown;
pub mod site;
pub mod status;
pub mod store;
pub mod sweep;
pub mod task;
pub mod tune;
pub mod waits;
pub mod walk;
pub mod wording;
pub mod worker;
pub mod writer;
