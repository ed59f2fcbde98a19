//! Decides which request an item needs after each of its pages, until its document is whole.
//!
//! An item's own pages, and each of its parts, are lists: what proves the end of a list proves
//! theirs, too. What proves nothing makes the item fail, so that no document is cut short silently.

use std::sync::Arc;

use super::list_progress::{Answer, ListProgress, Rules, Turn, between, is_probe, left_out};
use crate::extract::{FirstPage, FurtherPage};
use crate::fetch;
use crate::model::assembly::{Assembly, Part};
use crate::model::document::Digest;
use crate::model::record::Key;
use crate::model::task::{DetailPage, IndexPage, IndexRun, List, Page, Place};
use crate::site::{PartRules, Site};

/// Maximum size of what is read of one item, in bytes.
const LARGEST: usize = 64 << 20;
/// Maximum number of passes over a part whose count does not add up.
const MOST_PASSES: u32 = 3;

/// The rules by which items are assembled.
#[derive(Clone, Copy)]
pub struct Assembling<'a> {
    /// Site of the items.
    pub site: &'a Site,
    /// Progress over the lists of items that are being read.
    pub lists: &'a ListProgress,
    /// True if an empty page is requested again before it counts as empty.
    pub asks_again: bool,
    /// Maximum number of files of one item.
    pub most_files: usize,
}

/// The action after a page of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Request the page again before its answer counts.
    AskAgain,
    /// Retry the page: it is not the requested one, for this reason.
    OtherKind(String),
    /// Retry the page: it is missing, though it should exist.
    Lost,
    /// Request the page that the assembly now names.
    Onward,
    /// Store the document: it is whole.
    Whole,
    /// Give the item up: its document cannot be whole, for this reason.
    Failed(String),
}

impl Assembling<'_> {
    /// Takes the first page of an item, `answer`, and decides what follows. `url` is the item's,
    /// without credentials.
    pub fn begin(
        &self,
        item: &DetailPage,
        first: FirstPage,
        url: Box<str>,
        revision: Option<Box<str>>,
        answer: &fetch::Page,
    ) -> (Assembly, Step) {
        let FirstPage { document, mut values, files, page: read, .. } = first;
        let listed = item.listed.iter().flat_map(|listed| &listed.values);
        for (name, value) in listed {
            if !values.iter().any(|(own, _)| own == name) {
                values.push((name.clone(), value.clone()));
            }
        }
        let mut assembly = Assembly {
            document,
            parts: Vec::new(),
            files,
            values: values.into(),
            page: first_page(List::Pages(item.key.clone()), 1),
            pending: Vec::new(),
            read: 0,
            url,
            revision,
        };
        let files: usize = assembly.files.iter().map(|files| files.urls.len()).sum();
        if files > self.most_files {
            let most = self.most_files;
            let why = format!("it names {files} files, of which --max-files takes {most} an item");
            return (assembly, Step::Failed(why));
        }
        let step = self.take(&mut assembly, read, answer);
        (assembly, step)
    }

    /// Takes the page that `assembly` names, and decides what follows.
    pub fn take(
        &self,
        assembly: &mut Assembly,
        mut read: FurtherPage,
        answer: &fetch::Page,
    ) -> Step {
        let (index, said) = (&assembly.page, &mut read.said);
        let rules = self.rules(&index.list);
        let is_part = matches!(index.list, List::Part(..));
        if said.items == 0 && index.number > 1 {
            // Some sites declare the number of items on the page instead, which is 0 here.
            said.declared = said.declared.filter(|declared| *declared > 0);
        }
        if let Some(place) = said.hints.led_to.as_ref().filter(|_| said.hints.tells_kind) {
            return Step::OtherKind(format!("it leads to {place}, which has no entries"));
        }
        let body = Digest::of(&answer.body).to_string();
        let names: Vec<&str> = match is_part {
            true => read.entries.iter().map(String::as_str).collect(),
            false => vec![&body],
        };
        let said = Answer::Page(&read.said);
        let turn = self.lists.take(&rules, index, said, answer.content_type(), names.into_iter());
        self.after(assembly, turn, Some(read))
    }

    /// Takes a file that was stored, and decides what follows. `stored` describes it, as JSON text.
    pub fn store(&self, assembly: &mut Assembly, stored: Box<str>) -> Step {
        let List::Files(key, name) = assembly.page.list.clone() else { return Step::Lost };
        let files = assembly.files.iter_mut().find(|files| files.name == name);
        files.into_iter().for_each(|files| files.stored.push(stored.clone()));
        next_file(assembly, &key)
    }

    /// Takes the answer that the page that `assembly` names does not exist.
    pub fn absent(&self, assembly: &mut Assembly) -> Step {
        let rules = self.rules(&assembly.page.list);
        let nothing = std::iter::empty();
        let turn = self.lists.take(&rules, &assembly.page, Answer::Absent, None, nothing);
        self.after(assembly, turn, None)
    }

    /// Returns the number of entries that the request of the first page of a part asks for, or
    /// `None` if it does not say or does not matter.
    pub fn requested(&self, item: &DetailPage, said: &crate::site::PageSaid) -> Option<u64> {
        let page = &item.assembly.as_deref()?.page;
        let paging = self.site.paging_of(&page.list);
        let matters = page.number == 1 && said.places.is_empty() && !paging.is_counted();
        let matters = matters && matches!(page.list, List::Part(..));
        matters.then(|| self.site.asked_for(&Page::Detail(item.clone())))?
    }

    fn rules(&self, list: &List) -> Rules<'_> {
        Rules {
            paging: self.site.paging_of(list),
            total_exact: self.site.index.total_exact,
            asks_again: self.asks_again,
            heeds_hints: self.site.heeds_hints(list),
        }
    }

    fn after(&self, assembly: &mut Assembly, turn: Turn, read: Option<FurtherPage>) -> Step {
        let is_end = turn == Turn::End;
        let next = match turn {
            Turn::AskAgain => return Step::AskAgain,
            Turn::OtherKind(why) => return Step::OtherKind(why),
            Turn::Lost => return Step::Lost,
            Turn::Gap(why) => return Step::Failed(why),
            Turn::Inside | Turn::End => Vec::new(),
            Turn::Onward(next) => next.runs,
        };
        if let Some(read) = read
            && let Err(why) = self.add(assembly, read, is_end)
        {
            return Step::Failed(why);
        }
        if assembly.size() > LARGEST {
            let most = LARGEST >> 20;
            return Step::Failed(format!("its pages together have over {most} MiB"));
        }
        assembly.read += 1;
        assembly.pending.extend(next);
        self.next(assembly)
    }

    /// Adds what is on a page.
    fn add(&self, assembly: &mut Assembly, read: FurtherPage, is_end: bool) -> Result<(), String> {
        let Assembly { document, parts, page, .. } = assembly;
        let rules = self.rules(&page.list);
        if let Some(why) = read.gap {
            return Err(why);
        }
        let is_repeat = self.lists.is_repeat(page);
        let Some(part) = parts.last_mut() else {
            if is_repeat {
                return Err(format!("{page} is the same as a page before it"));
            }
            read.document.into_iter().for_each(|read| *document = read);
            return Ok(());
        };
        let names = read.entries.iter().map(String::as_str);
        let new = self.lists.listed(page, names, 0, 0);
        if is_probe(rules.paging, page) {
            return left_out(rules.paging, page, new).map_or(Ok(()), Err);
        }
        if is_repeat {
            // Behind the end, some sites repeat the last page. Elsewhere, pages are missing.
            let why = || format!("{page} has the entries of another page again");
            return if is_end { Ok(()) } else { Err(why()) };
        }
        let first_entries = self.lists.first_items(page);
        if let Some(why) = between(&rules, page, &read.said, first_entries) {
            return Err(why);
        }
        read.entries.iter().for_each(|entry| part.push(entry));
        Ok(())
    }

    /// Names the next page of the list, or the first one of the next part.
    fn next(&self, assembly: &mut Assembly) -> Step {
        if self.lists.is_over(&assembly.page) {
            assembly.pending.clear();
        }
        if !assembly.pending.is_empty() {
            let (page, rest) = assembly.pending.remove(0).split();
            rest.into_iter().for_each(|rest| assembly.pending.insert(0, rest));
            return self.onward(assembly, page);
        }
        if let Some(part) = assembly.parts.last_mut() {
            let (page, is_exact) = (&assembly.page, self.site.index.total_exact);
            if let Some(why) = self.lists.shortfall(page, part.count, is_exact) {
                if let Some(next) = self.lists.beyond_of(page) {
                    assembly.pending = next.runs;
                    return self.next(assembly);
                }
                // Entries may have moved between the pages meanwhile.
                let again = first_page(page.list.clone(), page.pass + 1);
                if again.pass > MOST_PASSES {
                    return Step::Failed(why);
                }
                *part = Part::new(part.name.clone());
                return self.onward(assembly, again);
            }
        }
        self.lists.forget(&assembly.page.list);
        let key = match &assembly.page.list {
            List::Pages(key) | List::Part(key, _) | List::Files(key, _) => key.clone(),
            List::Seeds(_) | List::Items(_) => return Step::Whole,
        };
        let mut parts = self.site.detail.iter().flat_map(|rules| &rules.further.parts);
        let Some(PartRules { name, .. }) = parts.nth(assembly.parts.len()) else {
            return next_file(assembly, &key);
        };
        assembly.parts.push(Part::new(name.clone()));
        self.onward(assembly, first_page(List::Part(key, Arc::clone(name)), 1))
    }

    fn onward(&self, assembly: &mut Assembly, page: IndexPage) -> Step {
        let most = self.site.detail.as_ref().map_or(0, |rules| rules.further.most_pages);
        if assembly.read >= most {
            return Step::Failed(format!(
                "it has over {most} pages, with those of its parts: `max_pages` in [detail] sets how many are followed"
            ));
        }
        assembly.page = page;
        Step::Onward
    }
}

/// Names the next file to request.
fn next_file(assembly: &mut Assembly, key: &Key) -> Step {
    let open = assembly.files.iter().find(|files| files.stored.len() < files.urls.len());
    let Some(files) = open else { return Step::Whole };
    let number = files.stored.len();
    let place = files.urls.get(number).cloned().map(Place::Url);
    let list = List::Files(key.clone(), files.name.clone());
    assembly.page = IndexPage { place, number: number as u64 + 1, ..first_page(list, 1) };
    Step::Onward
}

fn first_page(list: List, pass: u32) -> IndexPage {
    IndexRun { list, pass, ..IndexRun::numbered(1, 1, 1) }.split().0
}
