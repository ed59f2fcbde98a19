//! The built-in sites: files like those of users.

use super::{Site, SiteError};

/// A site that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
}

impl BuiltIn {
    /// All of them.
    pub const ALL: [BuiltIn; 4] = [
        BuiltIn { name: "books", text: include_str!("books.toml") },
        BuiltIn { name: "movies", text: include_str!("movies.toml") },
        BuiltIn { name: "douban-top250", text: include_str!("douban-top250.toml") },
        BuiltIn { name: "demo", text: include_str!("demo.toml") },
    ];

    /// The one of that name.
    pub fn named(name: &str) -> Option<BuiltIn> {
        BuiltIn::ALL.into_iter().find(|site| site.name == name)
    }

    /// The site.
    ///
    /// # Errors
    /// Never for those that come with the program; a test reads each of them.
    pub fn site(self) -> Result<Site, SiteError> {
        Site::parse(self.text, &format!("built-in site {}", self.name))
    }
}
