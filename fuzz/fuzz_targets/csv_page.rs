//! Pages of CSV.
#![no_main]

#[expect(dead_code, unused_imports, reason = "each of the fuzzers has one of the targets")]
#[path = "../../tests/it/outside/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|case: &[u8]| targets::csv_page(case));
