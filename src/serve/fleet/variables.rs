//! The file with the variables of a site, `NAME.env` beside `NAME.toml`: its secrets, and settings of
//! its crawl.
//!
//! The values are read when a sweep starts, and are not kept. Errors name the line, never a value.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Maximum size of the file, in bytes.
const LARGEST: u64 = 1 << 20;
/// Permissions that nobody but the owner may have.
const OF_OTHERS: u32 = 0o077;
/// Variables that would make a sweep of the fleet something else, and why.
const REFUSED: [(&str, &str); 2] = [
    ("GLEANER_STORE", "all sites are in the store of `gleaner serve`"),
    ("GLEANER_EVERY", "`[schedule]` in the site file says when sweeps start"),
];

/// Reads the variables in the file at `path`: none if there is no file.
///
/// # Errors
/// Returns, in words, why the file is refused: others may read it, or a line is wrong.
pub fn read(path: &Path) -> Result<Vec<(String, String)>, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let text = match text(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{name}: {error}")),
    };
    parse(&text).map_err(|(line, why)| format!("{name}:{line}: {why}"))
}

fn text(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OF_OTHERS != 0 {
        let message = format!("others may read it (mode {mode:04o}): set it to 0600");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    if metadata.len() > LARGEST {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    let mut text = String::new();
    file.by_ref().take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// Parses lines `NAME=VALUE`. Blank lines and lines that begin with `#` are skipped; quotes around a
/// value are removed. Returns the line of an error.
fn parse(text: &str) -> Result<Vec<(String, String)>, (usize, String)> {
    let mut variables = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: String| (at + 1, why);
        let pair = line.split_once('=').map(|(name, value)| (name.trim_end(), value.trim()));
        let Some((name, value)) = pair.filter(|(name, _)| is_name(name)) else {
            return Err(wrong(
                "a line must be NAME=VALUE, with a name such as GLEANER_SECRET_KEY".into(),
            ));
        };
        if let Some((name, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
            return Err(wrong(format!("{name} is not valid here: {why}")));
        }
        if value.contains('\0') {
            return Err(wrong(format!("the value of {name} contains a zero byte")));
        }
        variables.push((name.to_owned(), unquoted(value).to_owned()));
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values_with_or_without_quotes() {
        let text = "# secrets\n\nGLEANER_SECRET_KEY=abc=def \n A = 'b c'\nE=\nQ=\"x\nD=\"d\"\n";
        let parsed = parse(text).unwrap();
        let parsed: Vec<(&str, &str)> = parsed.iter().map(|(a, b)| (&**a, &**b)).collect();
        let expected =
            [("GLEANER_SECRET_KEY", "abc=def"), ("A", "b c"), ("E", ""), ("Q", "\"x"), ("D", "d")];
        assert_eq!(parsed, expected);
    }

    #[test]
    fn a_wrong_line_is_named_without_its_text() {
        for (text, line, why) in [
            ("A=1\nhunter2", 2, "a line must be NAME=VALUE"),
            ("export A=hunter2", 1, "a line must be NAME=VALUE"),
            ("1A=hunter2", 1, "a line must be NAME=VALUE"),
            ("=hunter2", 1, "a line must be NAME=VALUE"),
            ("A=hunter2\0", 1, "the value of A contains a zero byte"),
            ("GLEANER_STORE=hunter2", 1, "GLEANER_STORE is not valid here: all sites"),
            ("\nGLEANER_EVERY=hunter2", 2, "GLEANER_EVERY is not valid here: `[schedule]`"),
        ] {
            let (at, error) = parse(text).unwrap_err();
            assert_eq!(at, line, "{text}");
            assert!(error.contains(why) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused_and_none_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.env");
        assert_eq!(read(&path), Ok(Vec::new()));
        std::fs::write(&path, "A=b\n").unwrap();
        for mode in [0o644, 0o640, 0o604, 0o610] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err();
            let expected =
                format!("shop.env: others may read it (mode {mode:04o}): set it to 0600");
            assert_eq!(error, expected);
        }
        for mode in [0o600, 0o400] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path), Ok(vec![("A".to_owned(), "b".to_owned())]));
        }
        std::fs::create_dir(folder.path().join("dir.env")).unwrap();
        assert!(read(&folder.path().join("dir.env")).is_err());
    }
}
