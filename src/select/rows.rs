//! Pages of rows, as JSON: CSV becomes a list of objects by its header line, JSON lines a list.
//!
//! A row of another length than the header stays a list, so that it is an item without a key: a
//! failure of its own, which costs no other row. A page that ends within a row's quotes was cut
//! short, and is an error.

use std::collections::HashSet;

use bytes::Bytes;
use csv::{ByteRecord, ReaderBuilder};

use super::budget::{Budget, LimitError};
use crate::model::document::{Json, JsonError};
use crate::model::text::plain;

/// Number of rows between two checks of the time.
const ROWS_PER_LOOK: u64 = 256;
/// Growth of a page of CSV as JSON that is allowed: names stand in each row.
const GROWTH: usize = 24;
/// Size up to which a page may grow in any case, in bytes.
const SMALL: usize = 16 << 20;

/// Reason why a page has no rows. Texts from the site are escaped.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The page exceeds a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The page is not CSV.
    #[error("the page is not CSV: {0}")]
    Csv(String),
    /// The page ends within a quoted value.
    #[error("the page ends within the quotes of a value: it was cut short")]
    Cut,
    /// The header line names a column twice.
    #[error("the header line names the column `{0}` twice")]
    Repeated(String),
    /// The page grows too much.
    #[error(
        "the page becomes more than {0} bytes of JSON, which is the limit: its header is long for its rows"
    )]
    Large(usize),
    /// A line is not JSON.
    #[error("line {line} of the page is not JSON{}", because(.error))]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// Reason.
        error: Option<JsonError>,
    },
}

fn because(error: &Option<JsonError>) -> String {
    let said = error.as_ref().map(|error| error.to_string());
    said.map_or_else(
        || ": it holds several values".to_owned(),
        |said| format!(": {}", said.trim_start_matches("the body is not JSON: ")),
    )
}

/// Returns the rows of a text in CSV as a JSON list.
///
/// # Errors
/// Returns an error if the text is not CSV or was cut short, or exceeds a limit.
pub fn of_csv(text: &str, delimiter: u8, budget: &Budget) -> Result<String, RowsError> {
    let most = text.len().saturating_mul(GROWTH).max(SMALL);
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut record = ByteRecord::new();
    let wrong = |error: csv::Error| RowsError::Csv(plain(&error.to_string()));
    let mut names: Vec<String> = Vec::new();
    let (mut json, mut rows, mut last) = (String::from("["), 0_u64, 0);
    while reader.read_byte_record(&mut record).map_err(wrong)? {
        if rows.is_multiple_of(ROWS_PER_LOOK) {
            budget.check()?;
        }
        rows += 1;
        last = record.position().map_or(0, |position| position.byte());
        let values = record.iter().map(|value| quoted(&String::from_utf8_lossy(value)));
        if rows == 1 {
            refuse_repeated(&record)?;
            names = values.collect();
            continue;
        }
        if rows > 2 {
            json.push(',');
        }
        write_row(&mut json, &names, values, record.len());
        if json.len() > most {
            return Err(RowsError::Large(most));
        }
    }
    let last = text.get(usize::try_from(last).unwrap_or(usize::MAX)..).unwrap_or_default();
    if is_open(last, delimiter) {
        return Err(RowsError::Cut);
    }
    json.push(']');
    Ok(json)
}

fn write_row(
    json: &mut String,
    names: &[String],
    values: impl Iterator<Item = String>,
    length: usize,
) {
    let is_whole = length == names.len();
    json.push(if is_whole { '{' } else { '[' });
    for (at, value) in values.enumerate() {
        if at > 0 {
            json.push(',');
        }
        if is_whole {
            json.push_str(&names[at]);
            json.push(':');
        }
        json.push_str(&value);
    }
    json.push(if is_whole { '}' } else { ']' });
}

fn refuse_repeated(header: &ByteRecord) -> Result<(), RowsError> {
    let mut seen = HashSet::new();
    match header.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(RowsError::Repeated(plain(&String::from_utf8_lossy(name)))),
        None => Ok(()),
    }
}

/// Returns `true` if a row ends within quotes. Quotes count only where a value begins with them.
fn is_open(row: &str, delimiter: u8) -> bool {
    let (mut is_quoted, mut begins) = (false, true);
    let mut bytes = row.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' if is_quoted && bytes.peek() == Some(&b'"') => {
                bytes.next();
            }
            b'"' if is_quoted => is_quoted = false,
            b'"' if begins => is_quoted = true,
            _ => {}
        }
        begins = !is_quoted && (byte == delimiter || matches!(byte, b'\r' | b'\n'));
    }
    is_quoted
}

/// Returns `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the lines of a text as a JSON list. Empty lines are skipped.
pub fn of_lines(text: &Bytes) -> Bytes {
    let mut list = Vec::with_capacity(text.len() + 2);
    list.push(b'[');
    for (at, line) in lines(text).enumerate() {
        if at > 0 {
            list.push(b',');
        }
        list.extend_from_slice(line);
    }
    list.push(b']');
    list.into()
}

/// Returns the number of lines.
pub fn count_lines(text: &[u8]) -> usize {
    lines(text).count()
}

/// Returns the first line that is not one JSON value.
pub fn wrong_line(text: &[u8]) -> RowsError {
    let all = text.split(|byte| *byte == b'\n').enumerate();
    for (at, line) in all.filter(|(_, line)| !cleaned(line).is_empty()) {
        if let Err(error) = Json::parse(cleaned(line)) {
            return RowsError::Line { line: at + 1, error: Some(error) };
        }
    }
    RowsError::Line { line: 1, error: None }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(cleaned).filter(|line| !line.is_empty())
}

/// Returns a line without white space, byte order mark and record separator around it.
fn cleaned(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    line.strip_prefix(b"\x1e").unwrap_or(line).trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<String, String> {
        of_csv(text, b',', &Budget::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_are_objects_by_the_header_line() {
        for (text, expected) in [
            (
                "id,name\n1,a\n2,\"b, \"\"c\"\"\nd\"\n",
                r#"[{"id":"1","name":"a"},{"id":"2","name":"b, \"c\"\nd"}]"#,
            ),
            ("id,name\r\n1,\r\n\r\n", r#"[{"id":"1","name":""}]"#),
            ("id\n5\" pipe\n", r#"[{"id":"5\" pipe"}]"#),
            ("id,name\n1\n2,b,c\n3,c", r#"[["1"],["2","b","c"],{"id":"3","name":"c"}]"#),
            ("id,name\n", "[]"),
            ("", "[]"),
        ] {
            assert_eq!(csv(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(
            of_csv("a;b\n1;\"2;3\"", b';', &Budget::default()).unwrap(),
            r#"[{"a":"1","b":"2;3"}]"#
        );
    }

    #[test]
    fn what_was_cut_short_or_cannot_be_told_apart_is_an_error() {
        for cut in
            ["id,name\n1,\"a", "id,name\n1,\"a\"\"", "id,name\n1,a\n2,\"b\n3,c\n4,d\n", "\"id"]
        {
            assert!(csv(cut).unwrap_err().contains("cut short"), "{cut:?}");
        }
        assert!(csv("id,name,id\n1,2,3\n").unwrap_err().contains("`id` twice"));
    }

    #[test]
    fn p9_a_long_header_does_not_grow_without_bounds() {
        let name = "n".repeat(1 << 20);
        let text = format!("{name}\n{}", "1\n".repeat(100_000));
        let error = csv(&text).unwrap_err();
        assert!(error.contains("bytes of JSON"), "{error}");
        let start = crate::select::budget::used();
        let over = of_csv(&"a,b\n".repeat(3_000_000), b',', &Budget::of(std::time::Duration::ZERO));
        assert!(matches!(over, Err(RowsError::Limit(_))), "{over:?}");
        assert!(crate::select::budget::used() - start < std::time::Duration::from_secs(5));
    }

    #[test]
    fn lines_are_a_list_and_a_bad_one_is_named() {
        let of = |text: &str| {
            let list = of_lines(&Bytes::copy_from_slice(text.as_bytes()));
            String::from_utf8(list.to_vec()).unwrap()
        };
        assert_eq!(of("\u{feff}{\"a\":1}\r\n\n {\"a\":\"x y\"} \n"), "[{\"a\":1},{\"a\":\"x y\"}]");
        assert_eq!(of(""), "[]");
        let wrong = |text: &str| wrong_line(text.as_bytes()).to_string();
        assert!(wrong("{}\n\n{\"a\":\n{}").starts_with("line 3 of the page is not JSON: EOF"));
        assert!(wrong("[\n{},\n]").starts_with("line 1 of the page is not JSON"));
    }
}
