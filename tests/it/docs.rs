//! The documentation says what the program does: settings against `--help`, links against files.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use gleaner::site::Site;
use gleaner::store::{Place, StoreUrl};
use rusqlite::Connection;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn help(command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gleaner"))
        .args(command.split(' ').chain(["--help"]))
        .env("COLUMNS", "200")
        .output()
        .expect("the program runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Flags of a command that are not those of a crawl.
fn flags_of_its_own(command: &str) -> BTreeSet<String> {
    let flags = |command: &str| -> BTreeSet<String> {
        let help = help(command);
        let lines = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
        let flags =
            lines.filter_map(|line| line.split_whitespace().find(|it| it.starts_with("--")));
        flags.map(str::to_owned).collect()
    };
    let of_the_client = flags("crawl");
    flags(command).into_iter().filter(|flag| !of_the_client.contains(flag)).collect()
}

#[test]
fn the_tools_are_documented_with_all_their_flags() {
    let docs = read("docs/working-out-a-site.md");
    let rows = docs.lines().filter_map(|line| line.strip_prefix("| `--"));
    let named = |row: &str| row.split([' ', '`']).next().map(|name| format!("--{name}"));
    let named: BTreeSet<String> = rows.filter_map(named).collect();
    let mut flags = flags_of_its_own("fetch");
    for command in ["check", "sites new", "tune", "demo"] {
        flags.extend(flags_of_its_own(command));
    }
    assert!(flags.len() > 8, "{flags:?}");
    // A crawl has it as well.
    flags.insert("--base-url".to_owned());
    assert_eq!(named, flags);
}

#[test]
fn commands_that_read_a_store_are_documented_with_all_flags() {
    let docs = read("docs/reading.md");
    for command in ["status", "serve", "sweeps", "failures", "export"] {
        let section = docs.split("\n## gleaner ").find(|section| section.starts_with(command));
        let section = section.unwrap_or_else(|| panic!("no section on {command}"));
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `--"));
        let named: BTreeSet<String> = rows
            .filter_map(|row| row.split([' ', '`']).next())
            .map(|it| format!("--{it}"))
            .collect();
        assert_eq!(named, flags_of_its_own(command), "{command}");
    }
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    for command in [
        "crawl",
        "check",
        "fetch",
        "tune",
        "sites",
        "sites new",
        "demo",
        "status",
        "serve",
        "sweeps",
        "failures",
        "export",
        "completions",
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_gleaner"))
            .args(command.split(' ').chain(["--help"]))
            .env("COLUMNS", "80")
            .output()
            .expect("the program runs");
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    for page in [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/configuration.md",
        "docs/operations.md",
        "docs/performance.md",
        "docs/politeness.md",
        "docs/reading.md",
        "docs/reliability.md",
        "docs/sites.md",
        "docs/working-out-a-site.md",
    ] {
        let text = read(page);
        let folder = Path::new(page).parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.starts_with("http") {
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(file);
                let is_there = file.is_empty() || path.exists();
                let linked = if file.is_empty() { text.clone() } else { String::new() };
                let mut anchors = linked.lines().filter_map(anchor_of);
                let is_named = linked.is_empty() || anchors.any(|it| it == anchor);
                assert!(is_there && is_named, "{page}: {target}");
            }
        }
    }
}

/// Returns the name by which links lead to a heading, or `None` for another line.
fn anchor_of(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn the_map_names_files_that_exist() {
    let map = read("docs/architecture.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named: Vec<&str> = map.split('`').filter(|name| name.ends_with(".rs")).collect();
    for name in &named {
        assert!(root.join("src").join(name).exists() || root.join(name).exists(), "{name}");
    }
    assert!(named.len() > 20, "{named:?}");
    for page in ["CONTRIBUTING.md", "docs/politeness.md"] {
        let text = read(page);
        for name in
            text.split('`').filter(|name| name.starts_with("src/") && !name.contains("yours"))
        {
            assert!(root.join(name).exists(), "{page}: {name}");
        }
    }
}

/// The TOML examples of a page.
fn examples(page: &str) -> Vec<String> {
    let text = read(page);
    let blocks = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

#[test]
fn the_book_site_in_the_documentation_is_the_built_in_one() {
    let built_in = read("src/site/books.toml");
    let body: String = built_in
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(examples("docs/sites.md").contains(&body));
}

#[test]
fn every_example_of_a_site_file_is_one() {
    let examples = examples("docs/sites.md");
    assert!(examples.len() > 8, "{}", examples.len());
    for example in examples {
        Site::parse(&example, "docs/sites.md").unwrap_or_else(|error| panic!("{error}\n{example}"));
    }
}

/// An SQLite file as a crawl leaves it.
async fn made_by_a_store(path: &Path) -> Connection {
    let url: StoreUrl = format!("sqlite:{}", path.display()).parse().expect("a URL");
    let place =
        Place { site: "books".into(), collection: "books".into(), key_field: None, adopt: false };
    let store = gleaner::store::open(&url, &place).await.expect("the store opens");
    store.close().await.expect("it closes");
    Connection::open(path).expect("SQLite opens it")
}

#[tokio::test]
async fn the_columns_of_a_store_are_documented() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = made_by_a_store(&folder.path().join("a.db")).await;
    let docs = read("docs/operations.md");
    let all = docs.clone() + &read("docs/reading.md");
    for table in ["books", "gleaner_sweeps", "gleaner_failures"] {
        let rows = file.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        assert!(rows.column_count() > 8, "{table}");
        for name in rows.column_names() {
            assert!(all.contains(&format!("`{name}`")), "nothing on {table}.{name}");
        }
    }
    let asked = docs.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next());
    file.execute_batch(asked.expect("statements")).expect("SQL");
    // Times are text, and are compared with text of the same form.
    let form = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 0, 'unixepoch')";
    let zero: String = file.query_row(form, [], |row| row.get(0)).expect("a time");
    assert_eq!(zero, format!("{:.3}", jiff::Timestamp::UNIX_EPOCH));
    let ours = "gone_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-7 days')";
    assert!(docs.contains(ours));
}

/// A service that fails for a reason that does not pass must not ask the site for ever.
#[test]
fn o1_services_that_restart_have_a_start_limit() {
    let docs = read("docs/operations.md");
    let units = docs.split("```ini\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut starting_again = 0;
    for unit in units.filter(|unit| unit.contains("\nRestart=")) {
        let (head, _) = unit.split_once("[Service]").expect("a service");
        let value = |text: &str, name: &str| {
            let start = format!("{name}=");
            let line = text.lines().find_map(|line| line.strip_prefix(&start));
            line.unwrap_or_else(|| panic!("no {name}: {unit}")).to_owned()
        };
        let time = |text: &str, name: &str| {
            humantime::parse_duration(&value(text, name)).expect("a duration")
        };
        let starts: u32 = value(head, "StartLimitBurst").parse().expect("a number");
        // Else so many starts never fall into the time.
        let interval = time(head, "StartLimitIntervalSec");
        assert!(time(unit, "RestartSec") * starts < interval, "{unit}");
        starting_again += 1;
    }
    assert_eq!(starting_again, 3);
}
