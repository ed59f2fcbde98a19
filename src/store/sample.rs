//! A look at what a crawl would bring, and at what that would replace, before a collection of others is
//! adopted: nothing is written.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::Store;
use super::jsonl::JsonLinesStore;
use crate::record::Key;

/// What was written to a store that keeps it in memory.
#[derive(Debug, Clone, Default)]
pub struct Sample(Arc<Mutex<Vec<u8>>>);

/// An item that a crawl would bring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sampled {
    /// The item.
    pub key: Key,
    /// The names at the top of its document.
    pub names: Vec<String>,
}

/// What a crawl would replace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Losses {
    /// How many of the sampled items the collection has.
    pub held: usize,
    /// Fields of their documents that the site does not give, in the order of their first appearance.
    pub fields: Vec<String>,
}

impl Sample {
    /// A store for a crawl whose items are looked at, and not kept.
    ///
    /// # Errors
    /// Where the system has no thread to give.
    pub fn store(&self) -> Result<Arc<dyn Store>, super::StoreError> {
        Ok(Arc::new(JsonLinesStore::into_memory(self.0.clone())?))
    }

    /// What was brought so far.
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
    /// Takes in a document of the collection that `sampled` would replace, by its fields' names.
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
