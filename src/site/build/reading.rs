//! How the pages of a table are read: their format, and `within`.

use std::borrow::Cow;

use super::super::file::{AnswersTable, DetailTable, IndexTable, PartTable, SeedsTable, SiteFile};
use super::super::rules::{Marks, Reading, Within};
use super::super::written::{At, Chain};
use super::select::{select, written};
use super::{Wrong, answers, wrong};
use crate::select::{COMMA, Finds, Format, Part, Select};

/// Keys of a table that say how its pages are read.
pub struct Read<'f> {
    /// Name of the table.
    table: Cow<'f, str>,
    format: Format,
    delimiter: Option<&'f At<String>>,
    within: Option<&'f At<Chain>>,
    /// A selector of the table, or `None` if it has none.
    selector: Option<Chain>,
}

/// How to read a page, and what follows from that for the other keys of its table.
pub struct Built {
    /// How to read the page.
    pub reading: Reading,
    /// Kind of what the table's selectors are applied to.
    pub on: Finds,
    /// Marks of a missing or failed page, looked for on what is read.
    pub marks: Marks,
}

impl<'f> Read<'f> {
    /// Returns what a level of `[[seeds]]` says, the table with this name.
    pub fn seeds(name: &'f str, table: &'f SeedsTable, usual: Format) -> Read<'f> {
        Read {
            table: name.into(),
            format: table.format.unwrap_or(usual),
            delimiter: table.delimiter.as_ref(),
            within: table.within.as_ref(),
            selector: table.select.as_ref().and_then(|it| written(&it.value)),
        }
    }

    /// Returns what `[index]` says.
    pub fn index(table: &'f IndexTable, usual: Format) -> Read<'f> {
        Read {
            table: "index".into(),
            format: table.format.unwrap_or(usual),
            delimiter: table.delimiter.as_ref(),
            within: table.within.as_ref(),
            selector: table.items.as_ref().and_then(|it| written(&it.value)),
        }
    }

    /// Returns what `[detail]` says.
    pub fn detail(table: &'f DetailTable, usual: Format) -> Read<'f> {
        let field = || table.fields.values().next().and_then(|it| written(&it.value));
        let required = || table.require.first().map(|it| it.value.clone());
        let revision = || table.revision.as_ref().and_then(|it| written(&it.value));
        let document = table.document.as_ref().map(|it| it.value.clone());
        Read {
            table: "detail".into(),
            format: table.format.unwrap_or(usual),
            delimiter: table.delimiter.as_ref(),
            within: table.within.as_ref(),
            selector: document.or_else(field).or_else(required).or_else(revision),
        }
    }

    /// Returns what a part says, the table with this name.
    pub fn part(name: &'f str, table: &'f PartTable, usual: Format) -> Read<'f> {
        Read {
            table: name.into(),
            format: table.format.unwrap_or(usual),
            delimiter: table.delimiter.as_ref(),
            within: table.within.as_ref(),
            selector: written(&table.items.value),
        }
    }

    /// Returns the kinds of what is selected on the pages, as they come and as they are read.
    pub fn held(&self) -> Vec<Finds> {
        let Some(within) = self.within else { return vec![self.format.holds()] };
        match self.start(within) {
            Finds::Texts => vec![self.selected()],
            start => vec![start, self.selected()],
        }
    }

    /// Returns the kind of what `within` is applied to: a regex, to the text of the page.
    fn start(&self, within: &At<Chain>) -> Finds {
        match within.value.0.first() {
            Some(Part::Regex(_)) => Finds::Texts,
            _ => self.format.holds(),
        }
    }

    /// Returns the kind of what the table's selectors are for, by what they look like.
    fn selected(&self) -> Finds {
        self.selector.as_ref().map_or(Finds::Values, answers::reads)
    }

    /// Builds the rules for reading the page.
    pub fn build(&self, said: Option<&At<AnswersTable>>) -> Result<Built, Wrong> {
        let (format, delimiter) = (self.format, self.delimiter()?);
        let Some(within) = self.within else {
            let on = format.holds();
            let marks = answers::marks(said, on)?;
            return Ok(Built { reading: Reading { format, delimiter, within: None }, on, marks });
        };
        let key = format!("{}.within", self.table);
        let start = self.start(within);
        let part = select(&key, within, start)?;
        let on = match (part.finds(), self.selected()) {
            (Finds::Elements | Finds::Nodes, Finds::Values) => {
                let message = "it selects elements, and the selectors of this table are JSONPaths; \
                               write `::text` or `::attr(…)` at its end";
                return Err(wrong(within, &key, message));
            }
            (Finds::Nodes, _) => Finds::Nodes,
            (_, on) => on,
        };
        let none = Marks::default;
        let before = if start == Finds::Texts { none() } else { answers::marks(said, start)? };
        let is_alike = start != Finds::Texts && start.are_elements() == on.are_elements();
        let after = if is_alike { none() } else { answers::marks(said, on)? };
        let within = Some(Box::new(Within { select: part.read_as(on), marks: before }));
        Ok(Built { reading: Reading { format, delimiter, within }, on, marks: after })
    }

    fn delimiter(&self) -> Result<u8, Wrong> {
        let Some(written) = self.delimiter else { return Ok(COMMA) };
        let key = format!("{}.delimiter", self.table);
        if self.format != Format::Csv {
            let message = "not valid here: the pages are not CSV";
            return Err(wrong(written, &key, message));
        }
        match written.value.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
            _ => Err(wrong(written, &key, "a single character is wanted, such as `;` or `\\t`")),
        }
    }
}

/// Builds the selector of the names of columns, which is applied to `page`.
pub fn columns(written: &At<Chain>, page: Finds, items: Finds) -> Result<Select, Wrong> {
    if items != Finds::Values {
        let message = "not valid here: the items are not lists of values";
        return Err(wrong(written, "index.columns", message));
    }
    let columns = select("index.columns", written, page)?;
    if columns.finds().are_elements() {
        let message = "it selects elements, not values; append ::text or ::attr(name)";
        return Err(wrong(written, "index.columns", message));
    }
    Ok(columns)
}

/// Builds the selector of the part of a page that is the document.
pub fn document(written: &At<Chain>, on: Finds) -> Result<Select, Wrong> {
    let is_value = written.value.0.last().is_some_and(Part::is_path);
    if on != Finds::Values && !is_value {
        let message = "not valid for HTML pages; steps may lead to JSON on them";
        return Err(wrong(written, "detail.document", message));
    }
    let document = select("detail.document", written, on)?;
    if document.finds() != Finds::Values {
        let message = "a document is a JSON object: the last step has to be a JSONPath";
        return Err(wrong(written, "detail.document", message));
    }
    Ok(document)
}

/// Returns the kinds of what is selected on the site's pages.
pub fn held(file: &SiteFile) -> Vec<Finds> {
    let usual = file.format;
    let seeds = file.seeds.iter().flat_map(|seeds| &seeds.value.0);
    let seeds = seeds.map(|level| &level.value).filter(|level| level.url.is_some());
    let seeds = seeds.map(|level| Read::seeds("seeds", level, usual));
    let tables = [
        Some(Read::index(&file.index.value, usual)),
        file.detail.as_ref().map(|detail| Read::detail(&detail.value, usual)),
    ];
    let parts = file.detail.iter().flat_map(|detail| &detail.value.parts);
    let parts = parts.map(|(name, part)| Read::part(name, &part.value, usual));
    tables.into_iter().flatten().chain(seeds).chain(parts).flat_map(|read| read.held()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::Site;

    fn site(head: &str, index: &str, detail: &str) -> Result<Site, String> {
        let text = format!(
            "name = 's'\nbase_url = 'http://h'\n{head}\n[index]\nurl = '/'\nkey = '$'\n{index}\n{detail}"
        );
        Site::parse(&text, "s.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn steps_that_cannot_be_are_refused_with_line_and_key() {
        let items = "items = '$[*]'";
        for (head, index, detail, expected) in [
            (
                "",
                "items = ['$.html', 'li >']",
                "",
                "s.toml:7: index.items: step 2: `li >` is not a CSS selector",
            ),
            (
                "",
                "items = [{ regex = 'x' }, 'li']",
                "",
                "s.toml:7: index.items: step 1: a regex reads a text",
            ),
            (
                "",
                "items = ['$.html', { regex = 'x' }]",
                "",
                "s.toml:7: index.items: items are values or elements",
            ),
            ("", "items = []", "", "s.toml:7: index.items: a selector has at least one step"),
            ("", "items = ['$.a', { regx = 'x' }]", "", "unknown field `regx`"),
            ("", "items = ['$.a', 1]", "", "a selector or { regex = '…' }"),
            (
                "",
                "within = 'li'\nitems = '$[*]'",
                "",
                "s.toml:7: index.within: `li` is not a JSONPath",
            ),
            (
                "format = 'html'",
                "within = 'li'\nitems = '$[*]'",
                "",
                "s.toml:7: index.within: it selects elements, and the selectors of this table are JSONPaths",
            ),
            (
                "",
                "within = { regex = '(' }\nitems = '$[*]'",
                "",
                "s.toml:7: index.within: step 1: `(` is not a regular expression",
            ),
            (
                "",
                items,
                "[detail]\nurl = '/{key}'\ndocument = ['$.html', 'b::text']",
                "detail.document: a document is a JSON object",
            ),
            (
                "",
                items,
                "[detail]\nurl = '/{key}'\nrequire = [['$.html', '$.[']]",
                "s.toml:10: detail.require: step 2: `$.[` is not a JSONPath",
            ),
            (
                "",
                items,
                "[detail]\nurl = '/{key}'\nformat = 'html'\nfields = { a = ['script', '$.a'] }",
                "detail.fields.a: step 2: it reads a text, and the step before it selects elements",
            ),
            (
                "",
                items,
                "[detail]\nurl = '/{key}'\nfields = { a = ['$.html', 'li'] }",
                "detail.fields.a: it selects elements, not values",
            ),
        ] {
            let error = site(head, index, detail).unwrap_err();
            assert!(error.contains(expected), "{index} {detail}: {error}");
        }
    }

    #[test]
    fn p9_pages_that_are_selected_on_by_steps_are_never_read_on_the_networks_thread() {
        let query = "query = { c = '{cursor}', p = '{page}' }";
        let plain = "items = '$[*]'";
        assert!(!site("", plain, "").unwrap().descends);
        for (head, index, detail) in [
            ("", "items = ['$.html', '$[*]']".to_owned(), ""),
            ("", "items = '$[*]'\nwithin = '$.d'".to_owned(), ""),
            ("", "items = '$[*]'\nrequire = [['$.d', '$.e']]".to_owned(), ""),
            ("[answers]\nerror = [['$.d', '$.e']]", plain.to_owned(), ""),
            (
                "",
                format!(
                    "{plain}\n{}\npaging = {{ by = 'cursor', select = ['$.d', '$.e'] }}",
                    query.replace(", p = '{page}'", "")
                ),
                "",
            ),
            (
                "",
                format!(
                    "{plain}\n{}\npaging = {{ by = 'page', last = ['$.d', '$.e'] }}",
                    query.replace("c = '{cursor}', ", "")
                ),
                "",
            ),
            ("", format!("{plain}\npaging = {{ by = 'next', select = ['$.d', '$.e'] }}"), ""),
            ("", plain.to_owned(), "[detail]\nurl = '/{key}'\ndocument = ['$.d', '$.e']"),
            ("", plain.to_owned(), "[detail]\nurl = '/{key}'\nfields = { a = ['$.d', '$.e'] }"),
        ] {
            assert!(site(head, &index, detail).unwrap().descends, "{head} {index} {detail}");
        }
    }

    #[test]
    fn s16_a_selector_of_one_step_has_the_digest_that_it_had() {
        let digest = |index: &str, detail: &str| {
            let site = site("", index, detail).unwrap();
            (site.rules(), site.definition())
        };
        let detail = |name: &str| format!("[detail]\nurl = '/{{key}}'\nfields = {{ a = {name} }}");
        let plain = digest("items = '$[*]'", &detail("{ select = '$.a', regex = 'b' }"));
        for (items, field) in [
            ("items = ['$[*]']", "{ select = ['$.a'], regex = 'b' }"),
            ("items = { select = '$[*]' }", "['$.a', { regex = 'b' }]"),
        ] {
            assert_eq!(digest(items, &detail(field)), plain, "{items} {field}");
        }
        for (index, field) in [
            ("items = ['$', '$[*]']", "['$.a', { regex = 'b' }]"),
            ("items = '$[*]'\nwithin = '$'", "['$.a', { regex = 'b' }]"),
            ("items = '$[*]'", "['$.a', '$', { regex = 'b' }]"),
        ] {
            assert_ne!(digest(index, &detail(field)).0, plain.0, "{index} {field}");
        }
    }
}
