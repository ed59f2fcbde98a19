//! A document that is made from several requests, while it is being made.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::task::{IndexPage, IndexRun};

/// The content of an item that was read so far, and the page to request next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assembly {
    /// JSON object made of the item's own pages, without the list's fields.
    pub document: Box<str>,
    /// The parts that were read, in the order of the site file. The last one may lack pages.
    pub parts: Vec<Part>,
    /// Files that the item names.
    pub files: Vec<Files>,
    /// Values for the requests of the parts, by name, as JSON texts.
    pub values: Box<[(Arc<str>, Box<str>)]>,
    /// Page to request. Its list is that of the item's own pages, or that of a part.
    pub page: IndexPage,
    /// Pages of the same list that come after it.
    pub pending: Vec<IndexRun>,
    /// Number of pages that were read.
    pub read: u64,
    /// URL of the item, without credentials.
    pub url: Box<str>,
    /// Revision of the item.
    pub revision: Option<Box<str>>,
}

/// Files that become a member of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// Name of the member.
    pub name: Arc<str>,
    /// True if the member is a list.
    pub is_list: bool,
    /// URLs of the files.
    pub urls: Vec<Box<str>>,
    /// Descriptions of the first of these files, which are stored, as JSON texts.
    pub stored: Vec<Box<str>>,
}

/// A part of a document: a list of the item's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Name of the member that it becomes.
    pub name: Arc<str>,
    /// Its entries as JSON texts, separated by commas.
    pub entries: String,
    /// Number of entries.
    pub count: u64,
}

impl Assembly {
    /// Returns the number of bytes that were read.
    pub fn size(&self) -> usize {
        let parts = self.parts.iter().map(|part| part.entries.len());
        let texts = self.files.iter().flat_map(|files| files.urls.iter().chain(&files.stored));
        self.document.len() + parts.chain(texts.map(|it| it.len())).sum::<usize>()
    }
}

impl Part {
    /// Creates a part without entries.
    pub fn new(name: Arc<str>) -> Part {
        Part { name, entries: String::new(), count: 0 }
    }

    /// Adds an entry, a JSON text.
    pub fn push(&mut self, entry: &str) {
        if self.count > 0 {
            self.entries.push(',');
        }
        self.entries.push_str(entry);
        self.count += 1;
    }
}
