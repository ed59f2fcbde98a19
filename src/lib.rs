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
//! 1. Done means written: a task ends when the store has acknowledged its record, or, for a list
//!    page, when its follow-ups are in the frontier.
//! 2. The end is exact: one count, changed in one place; no idle timers.
//! 3. Submitting never blocks; list pages are handed out only while few items are outstanding.
//! 4. Backpressure is one channel, from the workers to the writer.
//! 5. Decisions are pure functions: retry, paging, templates, extraction, verdict.
//! 6. [`crawl`](engine::crawl) is the only place that spawns tasks.
//! 7. Log, report, ledger and exit code are made from one snapshot.
//!
//! `docs/architecture.md` is the map. The binary is [`cli`]; a program that crawls by itself
//! begins with [`Crawl`](engine::crawl::Crawl).

pub mod cli;
pub mod demo;
pub mod engine;
pub mod extract;
pub mod fetch;
pub mod frontier;
pub mod model;
pub mod observe;
pub mod select;
pub mod serve;
pub mod site;
pub mod store;
pub mod sweep;
pub mod system;
pub mod tools;
