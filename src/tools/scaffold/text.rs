//! Formats a draft as a site file, with comments on what was found and what to check.

use std::fmt::Write;

use indexmap::IndexMap;
use url::Url;

use super::detail::{Detail, Place};
use super::expr::{key, quoted, steps, table};
use super::{Paging, Shape, names};
use crate::fetch::Header;
use crate::model::text::secret::{names_a_credential, shown};
use crate::model::text::{count, plain, wrapped};
use crate::select::{COMMA, Format};
use crate::site::PREFIX_OF_SECRETS;

/// Headers that the user gave for the requests.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// User-Agent headers.
    pub user_agents: Vec<String>,
    /// Other headers.
    pub headers: Vec<Header>,
}

/// Content of a site file.
#[derive(Debug, Clone)]
pub struct Draft {
    /// URL of the list, as requested.
    pub url: Url,
    /// Headers that the user gave.
    pub given: Given,
    /// Position of the items, and their key.
    pub shape: Shape,
    /// Number of items in the list, or `None` if the list does not declare it.
    pub total: Option<u64>,
    /// Way from one page to the next.
    pub paging: Paging,
    /// Pages of items, or `None` if none were found.
    pub detail: Option<Detail>,
    /// Sentences on what could not be told.
    pub doubts: Vec<String>,
}

/// Returns parameters with each name once: one that is repeated has a list of its values.
fn repeated(query: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut all = IndexMap::<String, Vec<String>>::new();
    query.into_iter().for_each(|(name, value)| all.entry(name).or_default().push(value));
    let one = |values: Vec<String>| match values.as_slice() {
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    all.into_iter().map(|(name, values)| (name, one(values))).collect()
}

/// Returns a site file that reads pages of a list by `shape`.
pub fn of_shape(shape: &Shape) -> String {
    let mut text = "name = \"draft\"\nbase_url = \"http://localhost\"\n".to_owned();
    format(&mut text, shape);
    text.push_str("\n[index]\nurl = \"/\"\n");
    items(&mut text, shape, false);
    text
}

fn format(text: &mut String, shape: &Shape) {
    let name = match shape.source.format {
        Format::Json => "json",
        Format::Html => "html",
        Format::Xml => "xml",
        Format::Csv => "csv",
        Format::Jsonl => "jsonl",
    };
    let _ = writeln!(text, "format = {}", quoted(name));
}

fn items(text: &mut String, shape: &Shape, with_comments: bool) {
    if shape.source.format == Format::Csv && shape.source.delimiter != COMMA {
        let delimiter = char::from(shape.source.delimiter).to_string();
        let _ = writeln!(text, "delimiter = {}", quoted(&delimiter));
    }
    if let Some(cut) = &shape.source.within {
        let _ = writeln!(text, "within = {}", cut.text());
    }
    if let Some(require) = &shape.require {
        let _ = writeln!(text, "require = [{}]", quoted(require));
    }
    for note in shape.notes.iter().filter(|_| with_comments) {
        text.push_str(&comment(note));
    }
    let _ = writeln!(text, "items = {}", steps(&shape.items));
    if let Some(columns) = &shape.columns {
        let _ = writeln!(text, "columns = {}", quoted(columns));
    }
    if with_comments {
        text.push_str(&comment(
            "Unique among the items that were seen. Check that it never changes.",
        ));
    }
    if let Some(key) = shape.keys.first() {
        let _ = writeln!(text, "key = {}", key.text());
    }
    if !shape.fields.is_empty() {
        let _ = writeln!(text, "\n[index.fields]");
        if with_comments {
            text.push_str(&comment("What is kept of each item. Add what else you need."));
        }
        for (name, value) in &shape.fields {
            let _ = writeln!(text, "{} = {value}", key(name));
        }
    }
}

impl Draft {
    /// Returns a name for the site.
    pub fn name(&self) -> String {
        names(&self.url).0
    }

    /// Formats the site file. `path` is its future path.
    pub fn text(&self, path: &str) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "# Drafted by `gleaner sites new` from the list at");
        let _ = writeln!(text, "# {}", plain(&shown(&self.url)));
        let _ = writeln!(text, "# The comments say what was detected and what to check.");
        if !self.doubts.is_empty() {
            text.push_str("#\n");
            text.push_str(&comment("NOT FINISHED: with this file a crawl may miss items."));
            for doubt in &self.doubts {
                text.push_str(&wrapped("# - ", "#   ", doubt));
            }
            text.push_str("#\n");
        }
        self.body(&mut text, true);
        let path = plain(path);
        let _ = writeln!(text, "\n# Next: gleaner check {path}, then gleaner crawl {path}");
        text
    }

    /// Formats the site file for requests with the headers that were given on the command line.
    pub fn text_of_trial(&self) -> String {
        let mut text = String::new();
        self.body(&mut text, false);
        text
    }

    fn body(&self, text: &mut String, with_given: bool) {
        let (name, collection) = names(&self.url);
        let origin = self.url.origin().ascii_serialization();
        let _ = writeln!(text, "name = {}", quoted(&name));
        let _ = writeln!(text, "base_url = {}", quoted(&origin));
        let _ = writeln!(text, "collection = {}", quoted(&collection));
        format(text, &self.shape);
        if with_given {
            self.given(text);
        }
        self.index(text, with_given);
        if with_given {
            self.page_of_item(text);
        }
    }

    /// Writes user agents and headers. Credentials are variables.
    fn given(&self, text: &mut String) {
        match self.given.user_agents.as_slice() {
            [] => {}
            agents => {
                let agents: Vec<String> = agents.iter().map(|agent| quoted(agent)).collect();
                let _ = writeln!(text, "user_agent = [{}]", agents.join(", "));
            }
        }
        let of_site: Vec<&Header> =
            self.given.headers.iter().filter(|it| it.origin.is_none()).collect();
        if of_site.is_empty() {
            return;
        }
        let _ = writeln!(text, "\n[session]");
        let mut headers = Vec::new();
        for header in of_site {
            let is_secret = names_a_credential(&header.name);
            let value = match is_secret {
                true => format!("{{env:{}}}", variable(&header.name)),
                false => header.value.clone(),
            };
            if is_secret {
                text.push_str(&not_stored(&header.name));
            }
            headers.push((header.name.clone(), quoted(&value)));
        }
        let _ = writeln!(text, "headers = {}", table(&headers));
    }

    fn index(&self, text: &mut String, with_given: bool) {
        let _ = writeln!(text, "\n[index]");
        let url = self.paging.url.clone().unwrap_or_else(|| self.url.path().to_owned());
        let _ = writeln!(text, "url = {}", quoted(&url));
        if !self.url.username().is_empty() || self.url.password().is_some() {
            text.push_str(&comment(
                "User and password are not stored here: pass them with --base-url.",
            ));
        }
        let query = self.query(with_given);
        let names = self.url.query_pairs().map(|(name, _)| name.into_owned());
        for name in names.filter(|it| with_given && names_a_credential(it)) {
            let value = quoted(&format!("{{env:{}}}", variable(&name)));
            if query.contains(&(name.clone(), value)) {
                text.push_str(&not_stored(&name));
            }
        }
        for line in self.found() {
            text.push_str(&comment(&line));
        }
        if !query.is_empty() {
            let _ = writeln!(text, "query = {}", table(&repeated(query)));
        }
        if !self.paging.is_single() {
            let _ = writeln!(text, "paging = {}", table(&self.paging.table));
        }
        items(text, &self.shape, true);
        if !self.paging.next.is_empty() {
            let next: Vec<(&str, String)> = self
                .paging
                .next
                .iter()
                .map(|(name, value)| (name.as_str(), quoted(value)))
                .collect();
            let _ = writeln!(text, "\n[index.next]\nquery = {}", table(&next));
        }
    }

    /// Describes the way on and the number of items, for the comments.
    fn found(&self) -> Vec<String> {
        let total = self.total.map_or_else(
            || "the list does not declare a total".to_owned(),
            |total| format!("the list declares {}", count(total)),
        );
        let here = format!("{} items on the page; {total}.", count(self.shape.count as u64));
        let single = self
            .paging
            .is_single()
            .then(|| "No paging was detected. Check that this page is the whole list.".to_owned());
        let says = self.paging.says.iter().map(|line| plain(line));
        std::iter::once(here).chain(single).chain(says).collect()
    }

    /// Returns the query of the list's URL, with the placeholders of the paging.
    /// Credentials are variables, except for a trial.
    fn query(&self, with_variables: bool) -> Vec<(String, String)> {
        let set = &self.paging.query;
        let own = self.url.query_pairs().into_owned();
        let kept = own.filter(|(name, _)| set.iter().all(|(other, _)| other != name));
        let kept = kept.map(|(name, value)| match with_variables && names_a_credential(&name) {
            true => (name.clone(), format!("{{env:{}}}", variable(&name))),
            false => (name, value),
        });
        kept.chain(set.iter().cloned()).map(|(name, value)| (name, quoted(&value))).collect()
    }

    fn page_of_item(&self, text: &mut String) {
        let field = self.shape.keys.first().and_then(|key| key.field());
        let Some(Detail { place, document, says_more, looked_at }) = &self.detail else {
            text.push_str("\n# No page of an item was found: items are stored as they are in the list.\n# If items have pages of their own:\n# [detail]\n");
            match markup(&self.shape) {
                true if self.shape.items.last().is_some_and(|it| it.starts_with("a.")) => text.push_str("# link = \"::attr(href)\"\n# [detail.fields]\n# title = { select = \"h1::text\", required = true }\n"),
                true => text.push_str("# link = \"a::attr(href)\"\n# [detail.fields]\n# title = { select = \"h1::text\", required = true }\n"),
                false => {
                    let path = self.url.path().trim_end_matches('/');
                    let (stem, ending) = match path.rsplit_once('.') {
                        Some((stem, ending)) if !ending.contains('/') => (stem, format!(".{ending}")),
                        _ => (path, String::new()),
                    };
                    let url = format!("{stem}/{{key}}{ending}");
                    let required = format!("$.{}", field.unwrap_or("id"));
                    let _ = writeln!(text, "# url = {}\n# require = [{}]", quoted(&url), quoted(&required));
                }
            }
            return;
        };
        let _ = writeln!(text, "\n[detail]");
        text.push_str(&comment(&format!("{} contains the item's key.", plain(looked_at))));
        if !says_more {
            text.push_str(&comment("It has no more data than the list: without [detail] a crawl stores the same with fewer requests."));
        }
        match place {
            Place::Template(template) => drop(writeln!(text, "url = {}", quoted(template))),
            Place::Link(path) => drop(writeln!(text, "link = {}", quoted(path))),
        }
        if let Some(document) = document {
            let _ = writeln!(text, "document = {}", quoted(document));
        }
        let above = document.as_deref().unwrap_or("$");
        let required = super::expr::member(above, field.unwrap_or("id"));
        let _ = writeln!(text, "require = [{}]", quoted(&required));
    }
}

/// Returns the variable for the value of a header or parameter.
fn variable(name: &str) -> String {
    let name = name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("{PREFIX_OF_SECRETS}{name}")
}

fn not_stored(name: &str) -> String {
    comment(&format!(
        "The value of {} is not stored here: set the variable {} to it.",
        plain(name),
        variable(name)
    ))
}

/// Returns true if the items are elements.
fn markup(shape: &Shape) -> bool {
    shape.items.last().is_some_and(|step| !step.starts_with('$'))
}

fn comment(text: &str) -> String {
    wrapped("# ", "# ", text)
}
