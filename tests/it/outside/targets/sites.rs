//! The sites whose pages are read: the built-in ones, those of the documentation, and two that use
//! what those leave out.

use std::sync::LazyLock;

use gleaner::site::Site;

/// Names of site files, and what stands in them.
pub const FILES: [(&str, &str); 40] = [
    ("books", include_str!("../../../../src/site/books.toml")),
    ("movies", include_str!("../../../../src/site/movies.toml")),
    ("douban-top250", include_str!("../../../../src/site/douban-top250.toml")),
    ("graphql", include_str!("../../../../docs/sites/graphql.toml")),
    ("mixed", include_str!("../../../../docs/sites/mixed.toml")),
    ("releases", include_str!("../../../../docs/sites/releases.toml")),
    ("shop-by-category", include_str!("../../../../docs/sites/shop-by-category.toml")),
    ("department-tree", include_str!("../../../../docs/sites/department-tree.toml")),
    ("game-groups", include_str!("../../../../docs/sites/game-groups.toml")),
    ("sitemap", include_str!("../../../../docs/sites/sitemap.toml")),
    ("wordpress", include_str!("../../../../docs/sites/wordpress.toml")),
    ("every-json", include_str!("every-json.toml")),
    ("every-html", include_str!("every-html.toml")),
    ("every-steps", include_str!("every-steps.toml")),
    ("demo", include_str!("../../../../src/site/demo.toml")),
    ("airtable", include_str!("../../../../docs/sites/airtable.toml")),
    ("atom", include_str!("../../../../docs/sites/atom.toml")),
    ("discourse", include_str!("../../../../docs/sites/discourse.toml")),
    ("drupal", include_str!("../../../../docs/sites/drupal.toml")),
    ("earthquakes", include_str!("../../../../docs/sites/earthquakes.toml")),
    ("elasticsearch", include_str!("../../../../docs/sites/elasticsearch.toml")),
    ("github-issues", include_str!("../../../../docs/sites/github-issues.toml")),
    ("covers", include_str!("../../../../docs/sites/covers.toml")),
    ("long-articles", include_str!("../../../../docs/sites/long-articles.toml")),
    ("product-reviews", include_str!("../../../../docs/sites/product-reviews.toml")),
    ("gitlab", include_str!("../../../../docs/sites/gitlab.toml")),
    ("infinite-scroll", include_str!("../../../../docs/sites/infinite-scroll.toml")),
    ("json-ld", include_str!("../../../../docs/sites/json-ld.toml")),
    ("label-table", include_str!("../../../../docs/sites/label-table.toml")),
    ("mediawiki", include_str!("../../../../docs/sites/mediawiki.toml")),
    ("nextjs-shop", include_str!("../../../../docs/sites/nextjs-shop.toml")),
    ("notion", include_str!("../../../../docs/sites/notion.toml")),
    ("oai-pmh", include_str!("../../../../docs/sites/oai-pmh.toml")),
    ("rss", include_str!("../../../../docs/sites/rss.toml")),
    ("shopify", include_str!("../../../../docs/sites/shopify.toml")),
    ("solr", include_str!("../../../../docs/sites/solr.toml")),
    ("stripe", include_str!("../../../../docs/sites/stripe.toml")),
    ("webforms", include_str!("../../../../docs/sites/webforms.toml")),
    ("gh-archive", include_str!("../../../../docs/sites/gh-archive.toml")),
    ("hacker-news", include_str!("../../../../docs/sites/hacker-news.toml")),
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
