//! The built-in sites. Their files are like those of users.

use super::{Site, SiteError};

/// A site that comes with the program.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// Name of the site.
    pub name: &'static str,
    /// Text of the site file.
    pub text: &'static str,
}

impl BuiltIn {
    /// All built-in sites.
    pub const ALL: [BuiltIn; 4] = [
        BuiltIn { name: "books", text: include_str!("books.toml") },
        BuiltIn { name: "movies", text: include_str!("movies.toml") },
        BuiltIn { name: "douban-top250", text: include_str!("douban-top250.toml") },
        BuiltIn { name: "demo", text: include_str!("demo.toml") },
    ];

    /// Returns the built-in site with this name, or `None` if there is none.
    pub fn named(name: &str) -> Option<BuiltIn> {
        BuiltIn::ALL.into_iter().find(|site| site.name == name)
    }

    /// Parses the site.
    ///
    /// # Errors
    /// Returns an error if the file is not valid. A test parses each built-in site, so this does
    /// not happen.
    pub fn site(self) -> Result<Site, SiteError> {
        Site::parse(self.text, &format!("built-in site {}", self.name))
    }
}
