//! The crawl: workers, writer, lookup, and the decisions between list and store.

pub mod assembling;
pub mod crawl;
pub mod descriptors;
pub mod error;
pub mod findings;
pub mod list_progress;
pub mod lock;
pub mod lookup;
pub mod parent;
pub mod refresh;
pub mod retry_failures;
pub mod worker;
pub mod writer;
