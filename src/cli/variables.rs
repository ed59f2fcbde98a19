//! Warnings about environment variables that look like gleaner's settings but are unknown. Without
//! a warning, a misspelled setting would be ignored silently.

use clap::{Command, CommandFactory};

use super::Cli;
use crate::model::text::plain;
use crate::site::PREFIX_OF_SECRETS;

/// Prefix of all of gleaner's variables.
const PREFIX: &str = "GLEANER_";

/// Variables of the project's own tests and tools; the program does not read them.
const OF_TESTS: [&str; 20] = [
    "GLEANER_FLEET_MINUTES",
    "GLEANER_FLEET_SITES",
    "GLEANER_KILL_ROUNDS",
    "GLEANER_KILL_SEED",
    "GLEANER_LARGE_PAGES",
    "GLEANER_MILLION_ITEMS",
    "GLEANER_OUTAGE_SECONDS",
    "GLEANER_SOAK_MINUTES",
    "GLEANER_SOAK_SEED",
    "GLEANER_TAKEOVER_ROUNDS",
    "GLEANER_TEST_HOOK",
    "GLEANER_TEST_CALL",
    "GLEANER_TEST_CLOCK_OFFSET",
    "GLEANER_TEST_HEARTBEAT",
    "GLEANER_TEST_MONGODB_URI",
    "GLEANER_TEST_SERVE",
    "GLEANER_TEST_SILENCE",
    "GLEANER_TEST_STOP",
    "GLEANER_WRITE_DOCS",
    "GLEANER_WRITE_SCHEMA",
];

/// Returns a sentence for each unknown variable of the environment. Never shows values.
pub fn unknown() -> Vec<String> {
    let set = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    unknown_of(set, &known(&Cli::command()))
}

fn unknown_of(set: impl Iterator<Item = String>, known: &[String]) -> Vec<String> {
    let is_ours = |name: &String| {
        name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
    };
    let is_known = |name: &String| {
        // Site files name these.
        let is_secret = name.starts_with(PREFIX_OF_SECRETS);
        is_secret || known.contains(name) || OF_TESTS.contains(&name.as_str())
    };
    let mut names: Vec<String> = set.filter(|name| is_ours(name) && !is_known(name)).collect();
    names.sort();
    names.iter().map(|name| sentence(name, known)).collect()
}

/// Returns the variables of all commands: a variable for a crawl is not a mistake while an
/// export runs.
fn known(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| argument.get_env());
    let own = own.map(|name| name.to_string_lossy().into_owned());
    own.chain(command.get_subcommands().flat_map(known)).collect()
}

fn sentence(name: &str, known: &[String]) -> String {
    let upper = name.to_ascii_uppercase();
    let distance = |known: &&String| {
        strsim::damerau_levenshtein(&upper[PREFIX.len()..], &known[PREFIX.len()..])
    };
    let is_near = |it: &&String| distance(it) <= (it.len() - PREFIX.len()).div_ceil(2);
    let name = plain(name);
    match known.iter().min_by_key(distance).filter(is_near) {
        Some(near) => {
            format!("the environment variable {name} is unknown and ignored; did you mean {near}?")
        }
        None => format!(
            "the environment variable {name} is unknown and ignored; gleaner crawl --help lists the known ones"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str]) -> Vec<String> {
        let known = known(&Cli::command());
        unknown_of(names.iter().map(|name| (*name).to_owned()), &known)
    }

    #[test]
    fn x7_a_misspelt_variable_is_named_with_the_nearest_one() {
        for (name, near) in [
            ("GLEANER_WORKER", "GLEANER_WORKERS"),
            ("GLEANER_HEADER", "GLEANER_HEADERS"),
            ("GLEANER_STROE", "GLEANER_STORE"),
            ("gleaner_store", "GLEANER_STORE"),
            ("GLEANER_BASEURL", "GLEANER_BASE_URL"),
        ] {
            let said = said(&[name]).concat();
            assert!(said.contains(&format!(" {name} is unknown")), "{said}");
            assert!(said.ends_with(&format!("did you mean {near}?")), "{said}");
        }
        let far = said(&["GLEANER_XYZZY_PLUGH_FROTZ\u{1b}[31m"]).concat();
        assert!(far.contains("crawl --help") && far.contains("\\u{1b}[31m"), "{far}");
    }

    #[test]
    fn x7_every_variable_that_the_project_names_is_known() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![root.join("src"), root.join("tests"), root.join("benches")];
        let mut texts = vec![std::fs::read_to_string(root.join("Makefile")).unwrap()];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with(file!())
                {
                    texts.push(std::fs::read_to_string(path).unwrap());
                }
            }
        }
        let name = regex::Regex::new("\\bGLEANER_[A-Z_]+[A-Z]\\b").unwrap();
        let mut names: Vec<&str> = texts
            .iter()
            .flat_map(|text| name.find_iter(text))
            .map(|found| found.as_str())
            .collect();
        // Those that the tests of this warning set.
        names.retain(|name| *name != "GLEANER_WORKER");
        assert!(names.len() > 50, "{names:?}");
        assert_eq!(said(&names), [""; 0], "add it to `OF_TESTS`");
    }

    #[test]
    fn x7_known_variables_and_those_of_others_are_not_mentioned() {
        let mut known = known(&Cli::command());
        assert!(known.len() > 30, "{known:?}");
        known.extend(OF_TESTS.map(str::to_owned));
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        assert_eq!(said(&known), [""; 0]);
        assert_eq!(said(&["PATH", "GLEAN", "", "GLEANÉR_X", "MY_GLEANER_STORE"]), [""; 0]);
    }
}
