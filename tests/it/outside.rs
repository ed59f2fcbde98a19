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
use proptest::test_runner::RngSeed;

/// So many cases, and nothing kept of those that fail: the smallest of them belongs to
/// `fuzz/corpus`.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    // The same cases each time, so that what one change turns red is its own; `PROPTEST_RNG_SEED`
    // and the fuzzer look for others.
    let usual = ProptestConfig::default();
    let rng_seed = match usual.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        asked => asked,
    };
    ProptestConfig { cases, failure_persistence: None, rng_seed, ..usual }
}
