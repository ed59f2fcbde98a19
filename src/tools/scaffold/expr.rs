//! JSONPaths and TOML values, as text.

use std::fmt::Write;

use crate::model::text::is_unseen;

/// Returns the path of a member below `path`.
pub fn member(path: &str, name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty();
    match is_plain {
        true => format!("{path}.{name}"),
        false => format!("{path}['{}']", name.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

/// Returns `path`, which begins with `$`, as a path below `above`.
pub fn below(above: &str, path: &str) -> String {
    format!("{above}{}", path.trim_start_matches('$'))
}

/// Formats a TOML string.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if is_unseen(c) => drop(write!(quoted, "\\U{:08X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Formats a regular expression as a TOML string.
pub fn literal(regex: &str) -> String {
    let is_literal = !regex.contains('\'') && !regex.chars().any(is_unseen);
    if is_literal { format!("'{regex}'") } else { quoted(regex) }
}

/// Formats a selector: a string, or a list of steps.
pub fn steps(steps: &[String]) -> String {
    match steps {
        [only] => quoted(only),
        steps => {
            let steps: Vec<String> = steps.iter().map(|step| quoted(step)).collect();
            format!("[{}]", steps.join(", "))
        }
    }
}

/// Formats a TOML key.
pub fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { quoted(name) }
}

/// Formats an inline table. The values are TOML.
pub fn table<N: AsRef<str>>(entries: &[(N, String)]) -> String {
    let entries: Vec<String> =
        entries.iter().map(|(name, value)| format!("{} = {value}", key(name.as_ref()))).collect();
    format!("{{ {} }}", entries.join(", "))
}
