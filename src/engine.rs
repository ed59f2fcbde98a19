//! The crawl: workers, writer, lookup, and the decisions between list and store. Copies of a site,
//! which take its lock as a crawl does.

pub mod assembling;
pub mod copy;
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
