//! Dry run before a collection of another program is adopted: shows what a crawl would write and
//! what that would replace.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::Store;
use super::jsonl::JsonLines;
use super::sink::WriteOnly;
use crate::model::record::Key;

/// Records of a crawl that are kept in memory.
#[derive(Debug, Clone, Default)]
pub struct Sample(Arc<Mutex<Vec<u8>>>);

/// An item that a crawl would write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// Key of the item.
    pub key: Key,
    /// Names of the top-level fields of its document.
    pub names: Vec<String>,
}

/// Data that a crawl would replace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// Number of sampled items that exist in the collection.
    pub held: usize,
    /// Fields of their documents that the site does not provide, in the order of first appearance.
    pub fields: Vec<String>,
}

impl Sample {
    /// Creates a store for a crawl whose items are only looked at.
    ///
    /// # Errors
    /// Returns an error if no thread can be started.
    pub fn store(&self) -> Result<Arc<dyn Store>, super::StoreError> {
        Ok(Arc::new(WriteOnly(JsonLines::into_memory(self.0.clone())?)))
    }

    /// Returns the items written so far.
    pub fn items(&self) -> Vec<Sampled> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = lines.split(|byte| *byte == b'\n');
        let read = |line: &[u8]| {
            let line: Value = serde_json::from_slice(line).ok()?;
            let key = Key::new(line.get("key")?.as_str()?).ok()?;
            let names = line.get("doc")?.as_object()?.keys().cloned().collect();
            Some(Sampled { key, names })
        };
        lines.filter_map(read).collect()
    }
}

impl Losses {
    /// Adds a document that `sampled` would replace, given the names of its fields.
    pub(super) fn note<'n>(&mut self, sampled: &Sampled, names: impl Iterator<Item = &'n str>) {
        self.held += 1;
        for name in names {
            let is_given = sampled.names.iter().any(|given| given == name);
            if !is_given && !self.fields.iter().any(|field| field == name) {
                self.fields.push(name.to_owned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d12_fields_that_the_site_does_not_give_are_lost() {
        let sampled = |names: &[&str]| Sampled {
            key: Key::new("1").unwrap(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let mut losses = Losses::default();
        losses.note(&sampled(&["id", "email"]), ["id", "email", "role"].into_iter());
        losses.note(&sampled(&["id"]), ["id", "role", "email"].into_iter());
        losses.note(&sampled(&[]), [].into_iter());
        let fields = ["role", "email"].map(str::to_owned).to_vec();
        assert_eq!(losses, Losses { held: 3, fields });
    }
}
