//! Formats a draft as a site file, with comments on what was found and what to check.

use std::fmt::Write;

use url::Url;

use super::detail::{Detail, Place};
use super::paging::{At, Count, End, NextAt, Onward, Paging};
use super::{Path, Shape, names};
use crate::text::secret::shown;
use crate::text::{count, is_unseen, plain, wrapped};

/// Content of a site file.
#[derive(Debug, Clone)]
pub struct Draft {
    /// URL of the list, as requested.
    pub url: Url,
    /// Position of the items in a page, and their key.
    pub shape: Shape,
    /// Number of items on the first page.
    pub items: usize,
    /// Number of items in the list, or `None` if the list does not declare it.
    pub total: Option<u64>,
    /// Kind of paging.
    pub paging: Paging,
    /// URL of a next page that the list names, but that led nowhere; `None` if there is no such
    /// URL.
    pub lost: Option<Url>,
    /// Pages of items, or `None` if none were found.
    pub detail: Option<Detail>,
}

impl Draft {
    /// Returns a name for the site.
    pub fn name(&self) -> String {
        names(&self.url).0
    }

    /// Formats the site file. `path` is its future path.
    pub fn text(&self, path: &str) -> String {
        let (name, collection) = names(&self.url);
        let origin = self.url.origin().ascii_serialization();
        let mut text = String::new();
        let _ = writeln!(text, "# Drafted by `gleaner sites new` from the list at");
        let _ = writeln!(text, "# {}", plain(&shown(&self.url)));
        let _ = writeln!(text, "# The comments say what was detected and what to check.");
        let _ = writeln!(text, "name = {}", quoted(&name));
        let _ = writeln!(text, "base_url = {}", quoted(&origin));
        let _ = writeln!(text, "collection = {}", quoted(&collection));
        let _ = writeln!(text, "format = \"json\"");
        self.index(&mut text);
        self.page_of_item(&mut text);
        let path = plain(path);
        let _ = writeln!(text, "\n# Next: gleaner check {path}, then gleaner crawl {path}");
        text
    }

    fn index(&self, text: &mut String) {
        let _ = writeln!(text, "\n[index]");
        let _ = writeln!(text, "url = {}", quoted(self.url.path()));
        if !self.url.username().is_empty() || self.url.password().is_some() {
            text.push_str(&comment(
                "User and password are not stored here: pass them with --base-url.",
            ));
        } else if shown(&self.url) != self.url.as_str() {
            text.push_str(&comment(
                "The query seems to contain a credential: keep this file private.",
            ));
        }
        let query = self.query();
        for line in self.found() {
            text.push_str(&comment(&line));
        }
        if !query.is_empty() {
            let pairs: Vec<String> = query
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), quoted(value)))
                .collect();
            let _ = writeln!(text, "query = {{ {} }}", pairs.join(", "));
        }
        if let Some(paging) = self.paging() {
            let _ = writeln!(text, "paging = {{ {paging} }}");
        }
        let _ = writeln!(text, "items = {}", quoted(&format!("{}[*]", self.shape.items)));
        text.push_str(&comment("Unique among the items of the page. Check that it never changes."));
        let _ =
            writeln!(text, "key = {}", quoted(&Path::default().join(&self.shape.key).to_string()));
    }

    /// Describes the kind of paging and the number of items, for the comments.
    fn found(&self) -> Vec<String> {
        let lost = self.lost.as_ref().map(|next| {
            format!("The page names a next page, {}, on another host or without new items: a crawl requests only this page.", shown(next))
        });
        let total = self.total.map_or_else(
            || "the list does not declare a total".to_owned(),
            |total| format!("the list declares {}", count(total)),
        );
        let here = format!("{} items on the page; {total}.", count(self.items as u64));
        let how = match &self.paging {
            Paging::Single => {
                "No paging was detected. Check that this page is the whole list.".to_owned()
            }
            Paging::Numbered { scheme, end, .. } => {
                let at = plain(&scheme.at);
                let names = match &scheme.size {
                    Some(size) => format!("`{at}` and `{}` lead", plain(size)),
                    None => format!("`{at}` leads"),
                };
                let end = match end {
                    End::Unknown => "; the list ends on an empty page",
                    _ => "; pages are requested concurrently",
                };
                format!("Tried: {names} to other pages{end}.")
            }
            Paging::InTurn { onward: Onward::Link(_), .. } => {
                "Tried: the link to the next page leads to other items.".to_owned()
            }
            Paging::InTurn { onward: Onward::Cursor(_, name), .. } => {
                format!("Tried: `{}` takes the cursor and leads to other items.", plain(name))
            }
        };
        [here, how].into_iter().chain(lost).collect()
    }

    /// Returns the query of the list's URL, with the placeholders of the paging.
    fn query(&self) -> Vec<(String, String)> {
        let mut query: Vec<(String, String)> = self.url.query_pairs().into_owned().collect();
        let mut set = |name: &str, value: String| {
            query.retain(|(other, _)| other != name);
            query.push((name.to_owned(), value));
        };
        match &self.paging {
            Paging::Single => {}
            Paging::Numbered { scheme, items, end, .. } => {
                let at = if scheme.by == At::Offset { "{offset}" } else { "{page}" };
                let knows_limit = scheme.by == At::Offset || matches!(end, End::Total(_));
                let size = if knows_limit { "{limit}".to_owned() } else { items.to_string() };
                set(&scheme.at, at.to_owned());
                if let Some(name) = &scheme.size {
                    set(name, size);
                }
            }
            Paging::InTurn { onward, size } => {
                if let Onward::Cursor(_, name) = onward {
                    set(name, "{cursor}".to_owned());
                }
                if let Some((name, items)) = size {
                    set(name, items.to_string());
                }
            }
        }
        query
    }

    fn paging(&self) -> Option<String> {
        let said = |count: &Count| match count {
            Count::Body(path) => quoted(&path.to_string()),
            Count::Header(name) => format!("{{ header = {} }}", quoted(name)),
        };
        match &self.paging {
            Paging::Single => None,
            Paging::Numbered { scheme, items, first, end } => {
                let first = if *first == 1 { String::new() } else { format!(", first = {first}") };
                Some(match (scheme.by, end) {
                    (At::Offset, End::Total(total)) => {
                        format!("by = \"offset\", limit = {items}, total = {}", said(total))
                    }
                    (At::Offset, _) => format!("by = \"offset\", limit = {items}"),
                    (At::Page, End::Total(total)) => {
                        format!("by = \"page\"{first}, size = {items}, total = {}", said(total))
                    }
                    (At::Page, End::Last(last)) => {
                        format!("by = \"page\"{first}, last = {}", said(last))
                    }
                    (At::Page, End::Unknown) => format!("by = \"page\"{first}"),
                })
            }
            Paging::InTurn { onward: Onward::Link(NextAt::Header), .. } => {
                Some("by = \"next\", link_header = true".to_owned())
            }
            Paging::InTurn { onward: Onward::Link(NextAt::Body(path)), .. } => {
                Some(format!("by = \"next\", select = {}", quoted(&path.to_string())))
            }
            Paging::InTurn { onward: Onward::Cursor(path, _), .. } => {
                Some(format!("by = \"cursor\", select = {}", quoted(&path.to_string())))
            }
        }
    }

    fn page_of_item(&self, text: &mut String) {
        let Some(Detail { place, document, says_more, looked_at }) = &self.detail else {
            let _ = writeln!(
                text,
                "\n# No page of an item was found: items are stored as they are in the list.\n\
                 # If items have pages of their own:\n\
                 # [detail]\n\
                 # url = {}\n\
                 # require = [{}]",
                quoted(&format!("{}/{{key}}", self.url.path().trim_end_matches('/'))),
                quoted(&Path::default().join(&self.shape.key).to_string())
            );
            return;
        };
        let _ = writeln!(text, "\n[detail]");
        text.push_str(&comment(&format!("{looked_at} contains the item's key.")));
        if !says_more {
            text.push_str(&comment("It has no more data than the list: without [detail] a crawl stores the same with fewer requests."));
        }
        match place {
            Place::Template(template) => drop(writeln!(text, "url = {}", quoted(template))),
            Place::Link(path) => drop(writeln!(text, "link = {}", quoted(&path.to_string()))),
        }
        if let Some(document) = document {
            let _ = writeln!(text, "document = {}", quoted(&document.to_string()));
        }
        let required = document.clone().unwrap_or_default().join(&self.shape.key);
        let _ = writeln!(text, "require = [{}]", quoted(&required.to_string()));
    }
}

fn comment(text: &str) -> String {
    wrapped("# ", "# ", text)
}

/// Formats a TOML string.
fn quoted(text: &str) -> String {
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

/// Formats a TOML key.
fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_bare { name.to_owned() } else { quoted(name) }
}
