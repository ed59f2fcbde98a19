//! `docs/reliability.md` against the code: each fault has a row, each row tests that are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Families of faults, and how many there are of each.
const FAULTS: [(char, usize); 10] = [
    ('S', 19),
    ('D', 14),
    ('L', 19),
    ('G', 9),
    ('W', 29),
    ('P', 13),
    ('Z', 4),
    ('X', 8),
    ('O', 11),
    ('C', 6),
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page() -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md"))
}

/// Names of all functions that could be tests.
fn functions() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = vec![root.join("src"), root.join("tests")];
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = read(&path);
                let after =
                    text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
                names.extend(after.map(str::to_owned));
            }
        }
    }
    names
}

/// Whether a test's name carries this id, in small letters.
fn carries(name: &str, id: &str) -> bool {
    name.split('_').any(|part| part == id.to_lowercase())
}

#[test]
fn each_fault_has_a_row_with_tests_that_are_there_or_a_reason() {
    let page = page();
    let functions = functions();
    let mut said = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 6)
    {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let id = cells[0];
        if !id.ends_with(|last: char| last.is_ascii_digit()) {
            continue;
        }
        assert!(said.insert(id.to_owned()), "{id} is there twice");
        let tests: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        assert!(tests.iter().any(|test| carries(test, id)), "{id} has no test of its own");
        for test in tests {
            assert!(functions.contains(test), "{id}: there is no test {test}");
        }
    }
    let missing = page.split("\n## Not shown").nth(1).expect("a section on what is not shown");
    for line in missing.lines().filter_map(|line| line.strip_prefix("- **")) {
        let id = line.split("**").next().expect("an id");
        assert!(said.insert(id.to_owned()), "{id} has a row already");
    }
    let all =
        FAULTS.iter().flat_map(|(family, count)| (1..=*count).map(move |n| format!("{family}{n}")));
    assert_eq!(said, all.collect());
}
