//! The sites whose pages are read: the built-in ones, those of the documentation, and two that use
//! what those leave out.

use std::sync::LazyLock;

use gleaner::site::Site;

/// Names of site files, and what stands in them.
pub const FILES: [(&str, &str); 13] = [
    ("books", include_str!("../../../../src/site/books.toml")),
    ("movies", include_str!("../../../../src/site/movies.toml")),
    ("douban-top250", include_str!("../../../../src/site/douban-top250.toml")),
    ("graphql", include_str!("../../../../docs/sites/graphql.toml")),
    ("mixed", include_str!("../../../../docs/sites/mixed.toml")),
    ("releases", include_str!("../../../../docs/sites/releases.toml")),
    ("shop-by-category", include_str!("../../../../docs/sites/shop-by-category.toml")),
    ("sitemap", include_str!("../../../../docs/sites/sitemap.toml")),
    ("wordpress", include_str!("../../../../docs/sites/wordpress.toml")),
    ("every-json", include_str!("every-json.toml")),
    ("every-html", include_str!("every-html.toml")),
    ("every-steps", include_str!("every-steps.toml")),
    ("demo", include_str!("../../../../src/site/demo.toml")),
];

/// The sites of [`FILES`].
pub fn all() -> &'static [Site] {
    static SITES: LazyLock<Vec<Site>> = LazyLock::new(|| {
        let site = |(name, text): (&str, &str)| {
            Site::parse(text, name).unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        FILES.into_iter().map(site).collect()
    });
    &SITES
}
