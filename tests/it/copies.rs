//! Copies of sites, each with what is to be stored of it: sites that are publicly described, and
//! made-up ones for each way in which lists go on.

pub mod douban;
pub mod examples;
pub mod lists;
pub mod movies;
pub mod services;
pub mod sitemaps;

/// What is text, written into HTML or XML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
