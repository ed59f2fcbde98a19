//! The rules of the house, as tests: sizes, module docs, who may use what, names of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Longest file, in lines, its tests included.
const LONGEST_FILE: usize = 500;
/// Most fields of a struct that are seen outside its room.
const MOST_FIELDS: usize = 12;
/// Longest function, in lines.
const LONGEST_FUNCTION: usize = 75;
/// Most modules at the top of `src`: a stranger reads their names as the map.
const MOST_ROOMS: usize = 15;
/// What may be used where: a text, and the beginnings of the paths that may hold it.
const ONLY_IN: [(&str, &[&str]); 9] = [
    ("reqwest", &["fetch"]),
    ("rustls::", &["fetch"]),
    ("mongodb::", &["store/mongodb", "store.rs"]),
    ("rusqlite", &["store/sqlite"]),
    ("clap", &["cli"]),
    ("tokio::spawn(", &["engine/crawl.rs", "demo"]),
    (
        ".spawn(",
        &[
            "engine/crawl.rs",
            "store/thread.rs",
            "store/mongodb/driver.rs",
            "engine/worker/readers.rs",
            "serve/listener.rs",
            "serve/fleet.rs",
            "serve/fleet/child.rs",
            "demo",
        ],
    ),
    ("anyhow", &["main.rs", "cli"]),
    ("process::exit", &["main.rs"]),
];
/// Names that say nothing.
const EMPTY_NAMES: [&str; 6] = ["mod", "utils", "util", "common", "helpers", "misc"];

struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The text without its unit tests.
    fn product(&self) -> &str {
        if self.path.ends_with("tests.rs") {
            return "";
        }
        self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let path = path.strip_prefix(&root).expect("below the root");
                sources.push(Source { path: path.display().to_string(), text });
            }
        }
    }
    assert!(sources.len() > 5, "no sources in {folder}");
    sources
}

fn everything() -> Vec<Source> {
    [sources("src"), sources("tests")].into_iter().flatten().collect()
}

fn assert_none(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn files_are_read_in_one_go() {
    let long = |source: &Source| source.text.lines().count() > LONGEST_FILE;
    let files = everything().into_iter().filter(long);
    assert_none(files.map(|file| format!("{}: over {LONGEST_FILE} lines", file.path)).collect());
}

#[test]
fn functions_are_seen_at_once() {
    let mut wrong = Vec::new();
    for source in everything() {
        let mut open: Vec<(usize, usize, String)> = Vec::new();
        for (number, line) in source.text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let code = line.trim_start();
            let declares = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(super) fn "];
            if declares.iter().any(|start| code.starts_with(start)) && !code.ends_with(';') {
                open.push((indent, number, code.to_owned()));
            }
            if code == "}" && open.last().is_some_and(|(at, ..)| *at == indent) {
                let (_, from, name) = open.pop().expect("an open function");
                if number - from >= LONGEST_FUNCTION {
                    wrong.push(format!("{}:{}: {name}", source.path, from + 1));
                }
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn modules_say_what_they_are_for() {
    let silent = |source: &Source| !source.text.starts_with("//!");
    let files = everything().into_iter().filter(silent);
    assert_none(files.map(|file| format!("{}: no module documentation", file.path)).collect());
}

#[test]
fn files_are_named_after_what_they_hold() {
    let empty = |source: &Source| {
        let stem = Path::new(&source.path).file_stem().and_then(|stem| stem.to_str());
        stem.is_some_and(|stem| EMPTY_NAMES.contains(&stem))
    };
    assert_none(everything().into_iter().filter(empty).map(|file| file.path).collect());
}

#[test]
fn libraries_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for source in sources("src") {
        for (text, places) in ONLY_IN {
            if places.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            for (number, line) in source.product().lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if code.contains(text) {
                    wrong.push(format!("{}:{}: {text}", source.path, number + 1));
                }
            }
        }
    }
    assert_none(wrong);
}

/// Returns whether a file is not in a room: the program's and the library's roots.
fn is_root(source: &Source) -> bool {
    ["main.rs", "lib.rs"].contains(&source.path.as_str())
}

/// The rooms that `source` uses, by their names in `lib.rs`.
fn used_by(source: &Source) -> impl Iterator<Item = String> {
    let code = source.product().lines().filter_map(|line| line.split("//").next());
    code.flat_map(|code| code.split("crate::").skip(1)).map(|path| {
        path.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect::<String>()
    })
}

#[test]
fn rooms_are_few_and_use_each_other_in_no_circle() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources("src").iter().filter(|source| !is_root(source)) {
        let room = source.path.split(['/', '.']).next().unwrap_or_default().to_owned();
        let used = used_by(source).filter(|used| !used.is_empty() && *used != room);
        let used: Vec<String> = used.collect();
        uses.entry(room).or_default().extend(used);
    }
    assert!(uses.len() <= MOST_ROOMS, "{:?}", uses.keys());
    assert!(uses["cli"].contains("engine") && uses["engine"].contains("store"), "{uses:?}");
    // Taken off from the ground up: what uses nothing that is still there.
    while let Some(room) = uses.iter().find(|(_, used)| used.is_empty()).map(|(room, _)| room) {
        let room = room.clone();
        uses.remove(&room);
        uses.values_mut().for_each(|used| used.retain(|used| *used != room));
    }
    assert_none(uses.iter().map(|(room, used)| format!("{room} uses {used:?}")).collect());
}

/// Types of two rooms may have one name.
#[test]
fn the_impl_of_a_type_stands_in_two_files_at_most() {
    let mut places = BTreeMap::<(String, String), BTreeSet<String>>::new();
    for source in sources("src") {
        let room = source.path.split(['/', '.']).next().unwrap_or_default().to_owned();
        for line in source.product().lines().filter(|line| line.starts_with("impl")) {
            // `impl<'a, T: Read> Type<'a, T> {`, and not `impl Trait for Type {`.
            let head = line.split('{').next().unwrap_or_default();
            let name = if head.starts_with("impl<") {
                head.split_once("> ").map_or("", |(_, name)| name)
            } else {
                head.trim_start_matches("impl ")
            };
            let name: String = name.chars().take_while(|c| c.is_alphanumeric()).collect();
            if !head.contains(" for ") && !name.is_empty() {
                places.entry((room.clone(), name)).or_default().insert(source.path.clone());
            }
        }
    }
    assert!(places.len() > 100, "impls are not found any more");
    let spread = places.into_iter().filter(|(_, files)| files.len() > 2);
    assert_none(spread.map(|((_, name), files)| format!("{name}: {files:?}")).collect());
}

/// Fields that are visible outside their room count.
#[test]
fn structs_show_few_fields() {
    let (mut wrong, mut structs) = (Vec::new(), 0);
    for source in sources("src") {
        let (mut name, mut fields) = (None::<String>, 0);
        for line in source.product().lines() {
            if let Some((_, rest)) =
                line.split_once("struct ").filter(|(at, _)| at.starts_with("pub"))
            {
                (name, fields) = (Some(rest.to_owned()), 0);
                structs += 1;
            } else if (line.starts_with("    pub ") || line.starts_with("    pub(crate) "))
                && !line.contains(" fn ")
            {
                fields += 1;
            } else if line == "}" && fields > MOST_FIELDS {
                let name = name.take().unwrap_or_default();
                wrong.push(format!("{}: {name} {fields} fields", source.path));
            }
            if line == "}" {
                fields = 0;
            }
        }
    }
    assert!(structs > 100, "structs are not found any more");
    assert_none(wrong);
}

#[test]
fn nothing_is_unwrapped_on_what_comes_from_outside() {
    let mut wrong = Vec::new();
    // The demo site serves what it made itself.
    let product = sources("src").into_iter().filter(|source| !source.path.starts_with("demo"));
    for source in product.filter(|source| source.path != "frontier/model.rs") {
        for (number, line) in source.product().lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let sure = code.contains(".expect(\"the task leaves only")
                || code.contains(".expect(\"the bounds are in order");
            let unwraps = [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("];
            if !sure && unwraps.iter().any(|text| code.contains(text)) {
                wrong.push(format!("{}:{}: {}", source.path, number + 1, code.trim()));
            }
        }
    }
    assert_none(wrong);
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    let mut wrong = Vec::new();
    for source in everything() {
        for (number, line) in source.text.lines().enumerate() {
            let silenced = line.trim_start().starts_with(concat!("#", "[allow("))
                || line.trim_start().starts_with(concat!("#", "![allow("));
            if silenced {
                wrong.push(format!("{}:{}", source.path, number + 1));
            }
        }
    }
    assert_none(wrong);
}

/// Item docs begin with a verb or a noun, so that they can be read without the item's name.
#[test]
fn docs_of_items_say_what_an_item_is() {
    let questions = ["What ", "Who ", "Whom ", "Whether ", "Where ", "Which ", "See the module"];
    let mut wrong = Vec::new();
    for source in sources("src") {
        let mut is_first = true;
        for (number, line) in source.product().lines().enumerate() {
            let doc = line.trim_start().strip_prefix("/// ");
            if let Some(doc) = doc.filter(|_| is_first)
                && questions.iter().any(|question| doc.starts_with(question))
            {
                wrong.push(format!("{}:{}: {doc}", source.path, number + 1));
            }
            is_first = !line.trim_start().starts_with("///");
        }
    }
    assert_none(wrong);
}
