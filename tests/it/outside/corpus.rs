//! The cases of `fuzz/corpus`, each done as a fuzzer does it.

use std::path::Path;

use super::targets;

/// Names and bytes of a target's cases.
pub fn cases(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut cases: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("a case"))
        })
        .collect();
    cases.sort();
    cases
}

const TARGETS: [&str; 8] = [
    "site_file",
    "index_page",
    "detail_page",
    "xml_page",
    "csv_page",
    "jsonl_page",
    "headers",
    "robots",
];

fn replay(target: &str, run: fn(&[u8])) {
    let cases = cases(target);
    assert!(cases.len() >= 10, "{} cases for {target}", cases.len());
    for (name, case) in cases {
        // Where it panics, this says on what.
        eprintln!("{target}/{name}");
        run(&case);
    }
}

#[test]
fn site_files_of_the_corpus() {
    replay("site_file", targets::site_file);
}

#[test]
fn index_pages_of_the_corpus() {
    replay("index_page", targets::index_page);
}

#[test]
fn detail_pages_of_the_corpus() {
    replay("detail_page", targets::detail_page);
}

#[test]
fn xml_pages_of_the_corpus() {
    replay("xml_page", targets::xml_page);
}

#[test]
fn csv_pages_of_the_corpus() {
    replay("csv_page", targets::csv_page);
}

#[test]
fn jsonl_pages_of_the_corpus() {
    replay("jsonl_page", targets::jsonl_page);
}

#[test]
fn headers_of_the_corpus() {
    replay("headers", targets::headers);
}

#[test]
fn robots_of_the_corpus() {
    replay("robots", targets::robots);
}

/// A fuzzer has the targets that the corpus has, and they are run as here.
#[test]
fn every_target_has_a_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let manifest = std::fs::read_to_string(folder.join("../Cargo.toml")).expect("a manifest");
    for target in TARGETS {
        let text = std::fs::read_to_string(folder.join(format!("{target}.rs"))).expect("a target");
        assert!(text.contains(&format!("targets::{target}(")), "{target}");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
    }
    assert_eq!(std::fs::read_dir(folder).expect("a folder").count(), TARGETS.len());
}

/// The sites that pages are read by are all there are.
#[test]
fn every_site_file_reads_the_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sites");
    let built_in = gleaner::site::BuiltIn::ALL.map(|site| site.name.to_owned());
    let documented = std::fs::read_dir(folder).expect("a folder").map(|entry| {
        let path = entry.expect("an entry").path();
        path.file_stem().expect("a name").to_string_lossy().into_owned()
    });
    for name in built_in.into_iter().chain(documented) {
        assert!(targets::FILES.iter().any(|(file, _)| *file == name), "{name} reads no page");
    }
}
