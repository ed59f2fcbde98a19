//! Formats documents as lines of JSON or rows of CSV. Keeps numbers, texts and the order of names
//! as the store has them.

use indexmap::{IndexMap, IndexSet};
use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::model::text::is_unseen;
use crate::store::Stored;

/// Maximum number of columns. They are held in memory, and a wider table is useless.
const MOST_COLUMNS: usize = 10_000;

/// Error: the documents have more names than a table can have columns.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the documents have more than {MOST_COLUMNS} names; --format jsonl takes any number")]
pub struct TooManyColumns;

/// Formats documents as JSON, one per line.
pub struct Lines {
    /// True if each line includes the key, URL and times of the document.
    pub meta: bool,
}

impl Lines {
    /// Appends a document to `text`.
    pub fn put(&self, stored: &Stored, text: &mut String) {
        if self.meta {
            let known = &stored.known;
            let json = |value: Option<String>| value.map_or(Value::Null, Value::from);
            text.push_str(&format!(
                r#"{{"key":{},"url":{},"fetched_at":{},"first_seen":{},"changed_at":{},"#,
                Value::from(known.key.as_str()),
                json(stored.known.url.as_deref().map(str::to_owned)),
                json(known.fetched_at.map(time)),
                json(known.first_seen.map(time)),
                json(known.changed_at.map(time)),
            ));
            if let Some(gone_at) = known.gone_at {
                text.push_str(&format!(r#""gone_at":"{}","#, time(gone_at)));
            }
            text.push_str(r#""doc":"#);
        }
        push_line(text, &stored.text);
        text.push_str(if self.meta { "}\n" } else { "\n" });
    }
}

/// Formats documents as a table. The columns are the key, with `meta` the URL and times, and each
/// top-level name of the documents.
pub struct Csv {
    meta: bool,
    /// True if texts that a spreadsheet would take for formulas are prefixed with an apostrophe.
    safe: bool,
    /// Column names, in the order of their first appearance.
    names: IndexSet<String>,
}

/// Top-level fields of a document. If a name appears twice, the last one counts, as in most JSON
/// parsers.
type Fields = IndexMap<String, Box<RawValue>>;

impl Csv {
    /// Creates a table without columns.
    pub fn new(meta: bool, safe: bool) -> Csv {
        Csv { meta, safe, names: IndexSet::new() }
    }

    /// Adds the names of a document to the columns.
    ///
    /// # Errors
    /// Returns an error if there are more names than a table can have columns.
    pub fn note_columns(&mut self, document: &str) -> Result<(), TooManyColumns> {
        for name in fields(document).into_keys() {
            self.names.insert(name);
        }
        if self.names.len() > MOST_COLUMNS { Err(TooManyColumns) } else { Ok(()) }
    }

    /// Returns the header row.
    pub fn header(&self) -> String {
        let own = self.own();
        // The site may use a name that is also one of gleaner's columns.
        let title = |name: &String| match own.contains(&name.as_str()) {
            true => format!("doc.{name}"),
            false => name.clone(),
        };
        let titles = own.iter().map(|name| (*name).to_owned());
        let titles = titles.chain(self.names.iter().map(title)).map(|title| self.text(title));
        table([titles.collect()])
    }

    /// Returns a row for each document, and the number of documents with names that have no column.
    pub fn rows(&self, documents: &[Stored]) -> (String, u64) {
        let mut cut = 0;
        let rows =
            documents.iter().map(|stored| {
                let fields = fields(&stored.text);
                cut += u64::from(fields.keys().any(|name| !self.names.contains(name)));
                let known = &stored.known;
                let times = [known.fetched_at, known.first_seen, known.changed_at, known.gone_at];
                let mut row = vec![self.text(known.key.as_str().to_owned())];
                if self.meta {
                    row.push(self.text(known.url.as_deref().unwrap_or_default().to_owned()));
                    row.extend(times.map(|at| at.map_or_else(String::new, time)));
                }
                row.extend(self.names.iter().map(|name| {
                    fields.get(name).map_or_else(String::new, |value| self.cell(value))
                }));
                row
            });
        let text = table(rows);
        (text, cut)
    }

    /// Formats a value: a text without its quotes, nothing for null, anything else as JSON.
    #[expect(clippy::borrowed_box, reason = "the map hands it out so")]
    fn cell(&self, value: &Box<RawValue>) -> String {
        let json = value.get();
        if json == "null" {
            return String::new();
        }
        let text = Some(json).filter(|json| json.starts_with('"'));
        if let Some(text) = text.and_then(|json| serde_json::from_str(json).ok()) {
            return self.text(text);
        }
        // A number, which no spreadsheet takes for a formula, or JSON that begins with a letter or
        // bracket.
        let mut line = String::with_capacity(json.len());
        push_line(&mut line, json);
        line
    }

    /// Returns a text from the site. If `safe` is set, prefixes formulas with an apostrophe.
    fn text(&self, text: String) -> String {
        if self.safe && is_formula(&text) { format!("'{text}") } else { text }
    }

    fn own(&self) -> &'static [&'static str] {
        let all = &["_key", "_url", "_fetched_at", "_first_seen", "_changed_at", "_gone_at"];
        if self.meta { all } else { &all[..1] }
    }
}

fn fields(document: &str) -> Fields {
    // Stores hold only objects, so this cannot fail.
    serde_json::from_str(document).unwrap_or_default()
}

/// Returns true if a spreadsheet may take the text for a formula (OWASP, CSV injection). Numbers
/// are not formulas.
fn is_formula(text: &str) -> bool {
    // Spreadsheets ignore invisible characters before a formula.
    let start = text
        .trim_start_matches(|c: char| c == ' ' || is_unseen(c) && !matches!(c, '\t' | '\r' | '\n'));
    let begins = start.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
    begins && !is_number
}

/// Appends JSON without line breaks. They occur only between tokens, where a space means the same.
fn push_line(line: &mut String, json: &str) {
    line.extend(json.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }));
}

fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        // Writing to memory cannot fail, and all rows have the same length.
        let _ = writer.write_record(&row);
    }
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{Key, Known, PageVersion};

    fn stored(key: &str, text: &str) -> Stored {
        let at = |text: &str| Some(text.parse().unwrap());
        Stored {
            known: Known {
                key: Key::new(key).unwrap(),
                url: Some("http://h.test/a".into()),
                digest: None,
                sweep: None,
                rules: None,
                version: PageVersion::default(),
                first_seen: at("2026-11-20T10:00:00Z"),
                fetched_at: at("2026-11-21T10:00:00.123456Z"),
                changed_at: None,
                seen_at: None,
                unlisted_at: None,
                gone_at: None,
            },
            text: text.to_owned(),
        }
    }

    fn csv(meta: bool, documents: &[Stored]) -> String {
        csv_with(Csv::new(meta, false), documents)
    }

    fn csv_with(mut csv: Csv, documents: &[Stored]) -> String {
        documents.iter().for_each(|stored| csv.note_columns(&stored.text).unwrap());
        let (rows, cut) = csv.rows(documents);
        assert_eq!(cut, 0);
        csv.header() + &rows
    }

    #[test]
    fn a_line_is_the_document_or_what_is_kept_with_it() {
        let lines = |meta, stored: &Stored| {
            let mut text = String::new();
            Lines { meta }.put(stored, &mut text);
            text
        };
        let mut document = stored("a\"b", "{\"n\":\r\n12345678901234567890.10}");
        assert_eq!(lines(false, &document), "{\"n\":  12345678901234567890.10}\n");
        let head = r#"{"key":"a\"b","url":"http://h.test/a","fetched_at":"2026-11-21T10:00:00.123Z","first_seen":"2026-11-20T10:00:00.000Z","changed_at":null,"#;
        let doc = "\"doc\":{\"n\":  12345678901234567890.10}}\n";
        assert_eq!(lines(true, &document), format!("{head}{doc}"));
        document.known.gone_at = document.known.first_seen;
        let gone = r#""gone_at":"2026-11-20T10:00:00.000Z","#;
        assert_eq!(lines(true, &document), format!("{head}{gone}{doc}"));
    }

    #[test]
    fn columns_stand_in_the_order_in_which_they_first_appear() {
        let documents = [
            stored("1", r#"{"b":"x, \"y\"\nz","n":12345678901234567890.10}"#),
            stored("2", "{\"a\":[1,\n{\"c\":\"ä\"}],\"b\":null,\"n\":true,\"n\":false}"),
        ];
        assert_eq!(
            csv(false, &documents),
            "_key,b,n,a\n1,\"x, \"\"y\"\"\nz\",12345678901234567890.10,\n2,,false,\"[1, {\"\"c\"\":\"\"ä\"\"}]\"\n"
        );
    }

    #[test]
    fn x5_safe_tables_mark_what_a_spreadsheet_would_run_and_leave_numbers() {
        let document = r#"{"=1+1":"=cmd|' /C calc'!A0","b":"+1+1","c":"-x","d":"@SUM(1)","e":"\t=1","f":"\r=1","g":"-1.5","h":-2,"i":"a=1","j":["=1"],"k":"＝1","l":" =1","m":"\u200b=1","n":"+49 30 1","o":"--","p":""}"#;
        let documents = [stored("-1 OR 1", document), stored("-7", "{}")];
        let safe = csv_with(Csv::new(false, true), &documents);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(safe.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!((&rows[0][0], &rows[0][1]), ("_key", "'=1+1"));
        let cells: Vec<&str> = rows[1].iter().collect();
        let marked =
            ["'-1 OR 1", "'=cmd|' /C calc'!A0", "'+1+1", "'-x", "'@SUM(1)", "'\t=1", "'\r=1"];
        assert_eq!(cells[..7], marked);
        let rest = [
            "-1.5",
            "-2",
            "a=1",
            "[\"=1\"]",
            "'＝1",
            "' =1",
            "'\u{200b}=1",
            "'+49 30 1",
            "'--",
            "",
        ];
        assert_eq!(cells[7..], rest);
        assert_eq!(&rows[2][0], "-7");
        assert!(csv(false, &documents).contains(",=cmd"), "texts are as sent where nobody asks");
    }

    #[test]
    fn a_site_may_use_our_names() {
        let documents = [stored("1", r#"{"_key":"own","_url":1}"#)];
        assert_eq!(csv(false, &documents), "_key,doc._key,_url\n1,own,1\n");
        assert_eq!(
            csv(true, &documents),
            "_key,_url,_fetched_at,_first_seen,_changed_at,_gone_at,doc._key,doc._url\n\
             1,http://h.test/a,2026-11-21T10:00:00.123Z,2026-11-20T10:00:00.000Z,,,own,1\n"
        );
    }

    #[test]
    fn what_comes_between_the_passes_is_counted() {
        let mut csv = Csv::new(false, false);
        csv.note_columns(r#"{"a":1}"#).unwrap();
        let (rows, cut) = csv.rows(&[stored("1", r#"{"z":1,"a":2}"#), stored("2", "{}")]);
        assert_eq!((rows.as_str(), cut), ("1,2\n2,\n", 1));
    }

    #[test]
    fn names_without_end_are_no_table() {
        let mut csv = Csv::new(false, false);
        let name = |at: usize| csv.note_columns(&format!("{{\"{at}\":1}}"));
        let ended = (0..=MOST_COLUMNS).map(name).position(|noted| noted.is_err());
        assert_eq!(ended, Some(MOST_COLUMNS));
    }
}
