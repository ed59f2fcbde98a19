//! The content of chunks and messages, as JSON. Owner and helpers of a sweep have the same format
//! (`sweep::FORMAT`).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::refresh::canary::Counted;
use crate::frontier::Returned;
use crate::observe::metrics::Made;
use crate::observe::problems::{FieldCounts, TextCounts};

/// A chunk that a helper brings back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Brought {
    /// Ends of its tasks, in their order.
    pub ends: Vec<Returned>,
    /// Counts of the helper so far. One chunk of those that are brought together has it.
    pub so_far: Option<Box<SoFar>>,
}

/// Everything that a helper did since it joined, so that a lost chunk loses nothing of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct SoFar {
    /// Number of these counts, which increases.
    pub number: u64,
    /// Requests and writes.
    pub made: Made,
    /// Fields of documents.
    pub counted: Counted,
    /// Fields of the site file.
    pub fields: FieldCounts,
    /// Pages that could not be decoded cleanly.
    pub texts: TextCounts,
}

/// Writes a value as the content of a chunk. Nothing here fails to be written.
pub fn content(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// Reads the content of a chunk, or returns `None` if it is not that of a run of this format.
pub fn read<T: DeserializeOwned>(content: &[u8]) -> Option<T> {
    serde_json::from_slice(content).ok()
}
