//! The nouns: tasks, records, documents, failures, and the report of a run; texts for people, with
//! credentials hidden. No I/O.

pub mod assembly;
pub mod decoding;
pub mod document;
pub mod failure;
pub mod record;
pub mod report;
pub mod seed;
pub mod task;
pub mod text;
