//! What is done with one case from outside: the same for a fuzzer (`fuzz/`) and for the tests.
//!
//! Each function takes the bytes as they could come and holds what came of them to what is
//! promised: no panic, an end in time, documents that are JSON, URLs that stay at home.

#[path = "targets/formats.rs"]
mod formats;
#[path = "targets/headers.rs"]
mod headers;
#[path = "targets/page.rs"]
mod page;
#[path = "targets/robots.rs"]
mod robots;
#[path = "targets/site_file.rs"]
mod site_file;
#[path = "targets/sites.rs"]
mod sites;
#[path = "targets/time.rs"]
mod time;

pub use formats::{csv_page, jsonl_page, xml_page};
pub use headers::headers;
pub use page::{detail_page, digest, index_page, reversed};
pub use robots::robots;
pub use site_file::{Said, pages, site_file};
pub use sites::{FILES, all};
