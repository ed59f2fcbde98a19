//! What comes from outside (site files, bodies, headers, robots.txt): nothing of it panics, hangs
//! or leads away from home.
//!
//! `outside/targets.rs` says what is done with a case and what must hold. Here it is done with
//! random cases and with those of `fuzz/corpus`; `fuzz/` does it with what a fuzzer comes up with.

mod conversions;
mod corpus;
mod found;
mod noise;
mod pages;
mod site_files;
mod targets;

use proptest::prelude::ProptestConfig;

/// So many cases, and nothing kept of those that fail: the smallest of them belongs to
/// `fuzz/corpus`.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
