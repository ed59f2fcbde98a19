//! Formats the results in rows of 80 columns. Control characters from the site are escaped.

use std::fmt::{self, Display, Formatter, Write};

use super::{Asked, Check, ListFacts, Named};
use crate::model::document::indented;
use crate::model::text::{count, plain, wrapped};

/// Width of the column with a row's name.
const NAME: usize = 10;

impl Display for Check {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(schedule) = &self.schedule {
            row(f, "schedule", schedule)?;
        }
        for asked in &self.requests {
            row(f, &asked.page, &format!("{} {}", asked.method, asked.url))?;
            row(f, "", &answer(asked))?;
        }
        for Named { what, count: names, first } in &self.named {
            row(f, what, &listing(*names as u64, first))?;
        }
        if let Some(ListFacts { items, keys, declared, last, next }) = &self.list {
            row(f, "items", &listing(*items, keys))?;
            let declared = declared.map(|number| format!("{} items", count(number)));
            let last = last.map(|number| format!("last page {}", count(number)));
            let said: Vec<String> = declared.into_iter().chain(last).collect();
            if !said.is_empty() {
                row(f, "declared", &said.join(", "))?;
            }
            row(f, "next", next)?;
        }
        if let (Some(key), Some(document)) = (&self.key, &self.document) {
            row(f, "document", &format!("of {key}, for the collection {}", self.collection))?;
            let text = document.get();
            writeln!(f, "{}", indented(text).unwrap_or_else(|| plain(text)))?;
        }
        for warning in &self.warnings {
            f.write_str(&wrapped("! ", "  ", warning))?;
        }
        match (&self.misfit, &self.failed) {
            (_, Some(failed)) => {
                let begin = format!("{} could not be checked: ", self.site);
                f.write_str(&wrapped(&begin, "  ", failed))
            }
            (Some(misfit), None) => {
                f.write_str(&wrapped(&format!("{} does not fit: ", self.site), "  ", misfit))
            }
            (None, None) => writeln!(f, "{} fits{}", self.site, warned(self.warnings.len())),
        }
    }
}

fn warned(warnings: usize) -> String {
    match warnings {
        0 => String::new(),
        1 => ", with 1 warning".to_owned(),
        several => format!(", with {several} warnings"),
    }
}

fn answer(asked: &Asked) -> String {
    let Asked { status, ms, bytes, redirected_to, .. } = asked;
    let (Some(status), Some(ms), Some(bytes)) = (status, ms, bytes) else {
        return "no answer".to_owned();
    };
    let size = bytesize::ByteSize(*bytes as u64).display().iec();
    let mut text = format!("{status} in {} ms, {size}", count(*ms));
    if let Some(to) = redirected_to {
        let _ = write!(text, ", redirected to {to}");
    }
    text
}

fn listing(number: u64, first: &[String]) -> String {
    match first {
        [] => count(number),
        all if all.len() as u64 == number => format!("{}: {}", count(number), all.join(", ")),
        some => format!("{}, the first: {}", count(number), some.join(", ")),
    }
}

pub(super) fn row(f: &mut Formatter<'_>, name: &str, text: &str) -> fmt::Result {
    let (name, further) = (plain(name), " ".repeat(NAME));
    if name.chars().count() < NAME {
        return f.write_str(&wrapped(&format!("{name:<NAME$}"), &further, text));
    }
    writeln!(f, "{name}")?;
    f.write_str(&wrapped(&further, &further, text))
}
