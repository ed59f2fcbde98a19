//! The site files of `docs/sites`, each against a copy of the site that it is for.

use std::time::Duration;

use gleaner::model::report::Outcome;
use serde_json::{Value, json};

use super::{
    crawl_into, crawl_served, crawl_with, nothing_twice_but, settings, site, site_of, text,
};
use crate::copies::{examples, lists};
use crate::served::{Answer, Served};
use crate::store_contract::Backend;
use crate::store_contract::backends::{Mongodb, Sqlite};

#[tokio::test]
async fn covers_are_stored_as_files() {
    let served = Served::start(|asked| {
        match asked.path.as_str() {
        "/books" => Answer::html("<li class=book><a href='/books/7'>x</a>".to_owned()),
        "/books/7" => Answer::html(
            "<h1>B</h1><img class=cover src=/c.png><a class=scan href=/1>1</a><a class=scan href=/2>2</a>".to_owned(),
        ),
        "/c.png" => Answer::body("abc", "image/png"),
        "/1" | "/2" => Answer::body(asked.path.clone(), "image/jpeg"),
        _ => Answer::not_found(),
    }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let with_files = settings().with(|it| it.files.folder = Some(folder.path().to_owned()));
    let site = site("docs/sites/covers.toml");
    let crawled = crawl_with::<Sqlite>(site, &served, with_files, Outcome::Complete).await;
    let book = &crawled.documents["7"];
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(book["cover"], json!({ "sha256": digest, "size": 3, "type": "image/png" }));
    assert_eq!(book["pages"].as_array().map(Vec::len), Some(2));
    assert_eq!(std::fs::read(folder.path().join("ba").join(digest)).expect("a file"), b"abc");
}

/// Each check with each store.
macro_rules! into_each_store {
    ($($check:ident: $sqlite:ident, $mongodb:ident;)+) => {
        $(
            #[tokio::test]
            async fn $sqlite() {
                $check::<Sqlite>().await;
            }

            #[tokio::test]
            async fn $mongodb() {
                $check::<Mongodb>().await;
            }
        )+
    };
}

into_each_store! {
    wordpress: posts_of_a_blog_go_into_sqlite, posts_of_a_blog_go_into_mongodb;
    full_blog: a_blog_s_full_last_page_is_the_last_with_sqlite,
        a_blog_s_full_last_page_is_the_last_with_mongodb;
    releases: releases_by_link_header_go_into_sqlite, releases_by_link_header_go_into_mongodb;
    graphql: things_by_graphql_go_into_sqlite, things_by_graphql_go_into_mongodb;
    sitemap: articles_of_a_sitemap_go_into_sqlite, articles_of_a_sitemap_go_into_mongodb;
    readme: readme_shop_is_crawled_into_sqlite, readme_shop_is_crawled_into_mongodb;
    shop: products_by_category_go_into_sqlite, products_by_category_go_into_mongodb;
}

fn posts(many: usize) -> impl Iterator<Item = (String, Value)> {
    (0..many).map(examples::post).map(|post| (post["id"].to_string(), post))
}

async fn wordpress<B: Backend>() {
    let served = examples::blog(457);
    let crawled = crawl_served::<B>(site("docs/sites/wordpress.toml"), &served).await;
    crawled.holds(posts(457));
    assert_eq!((crawled.report.index.declared, crawled.report.index.pages), (Some(457), 5));
    nothing_twice_but(0, &served);
    assert_eq!(served.count("/wp-json/"), 5);
    let asked = served.requests().into_iter().find(|asked| asked.path.starts_with("/wp-json/"));
    let query = asked.expect("a request").query;
    assert_eq!((&*query["page"], &*query["per_page"], &*query["orderby"]), ("1", "100", "id"));
}

/// A page past the last one is an error there, and must not be asked for to look what it holds, or
/// must not count.
async fn full_blog<B: Backend>() {
    let served = examples::blog(300);
    let crawled = crawl_served::<B>(site("docs/sites/wordpress.toml"), &served).await;
    crawled.holds(posts(300));
    assert_eq!(crawled.report.index.declared, Some(300));
}

async fn releases<B: Backend>() {
    let served = examples::releases(57, 10);
    let crawled = crawl_served::<B>(site("docs/sites/releases.toml"), &served).await;
    crawled.holds((0..57).map(examples::kept_of_release));
    assert_eq!((crawled.report.index.declared, crawled.report.index.pages), (None, 6));
    nothing_twice_but(0, &served);
    // Links are taken whole: nothing of `query` is added to them.
    assert_eq!((served.count("/repos/"), served.count("/repositories/")), (1, 5));
    for asked in served.requests().iter().filter(|asked| asked.path.starts_with("/repo")) {
        assert_eq!(asked.header("accept"), "application/vnd.github+json");
        let first = asked.path.starts_with("/repos/");
        assert_eq!(asked.query.contains_key("per_page"), first, "{:?}", asked.query);
    }
}

async fn graphql<B: Backend>() {
    let lists = lists::Lists { things: 120, size: 50, delay: Duration::ZERO };
    let served = lists.serve();
    let crawled = crawl_served::<B>(site("docs/sites/graphql.toml"), &served).await;
    crawled.holds((0..120).map(|at| (lists::key(at), lists::thing(at))));
    nothing_twice_but(0, &served);
    assert_eq!(served.count("/graphql"), 3);
    for asked in served.requests().iter().filter(|asked| asked.path == "/graphql") {
        assert_eq!((&*asked.method, asked.header("content-type")), ("POST", "application/json"));
        let query = asked.json()["query"].as_str().expect("a query").to_owned();
        let whole = "things(first: 50, after: $after) { edges { node { key title motto price } }";
        assert!(query.contains(whole), "{query}");
    }
}

async fn sitemap<B: Backend>() {
    let served = examples::magazine(60);
    let crawled = crawl_served::<B>(site("docs/sites/sitemap.toml"), &served).await;
    crawled.holds((0..60).map(|at| (at.to_string(), examples::article(at))));
    nothing_twice_but(0, &served);
    assert_eq!((served.count("/sitemap.xml"), served.count("/articles/")), (1, 60));
    assert!(served.requests().iter().any(|asked| asked.path == "/articles/7-title-7/"));
    let site = site("docs/sites/sitemap.toml");
    let again = crawl_into(crawled.backend, site, &served, settings(), Outcome::Complete).await;
    assert_eq!((again.report.items.same, again.report.items.new), (60, 0));
}

async fn shop<B: Backend>() {
    let served = examples::shop();
    let crawled = crawl_served::<B>(site("docs/sites/shop-by-category.toml"), &served).await;
    let numbers = examples::product_numbers();
    crawled.holds(numbers.iter().map(|at| (at.to_string(), examples::product(*at))));
    assert_eq!(crawled.report.index.listed, numbers.len() as u64);
    nothing_twice_but(1, &served);
    assert_eq!(served.count("/product/"), numbers.len());
    // Three pages of 23 products, one of 10, and twice the one of none.
    assert_eq!(served.count("/shop"), 6);
    let requests = served.requests();
    for (category, _) in examples::SHELVES {
        let first = requests.iter().find(|asked| {
            asked.query.get("category").is_some_and(|name| name == category)
                && !asked.query.contains_key("page")
        });
        assert!(first.is_some(), "the first page of {category} was not requested");
    }
}

/// The site file in the README is complete: as it stands it crawls such a shop.
async fn readme<B: Backend>() {
    const PRODUCTS: usize = 30;
    let served = Served::start(|asked| match asked.path.strip_prefix("/product/") {
        Some(id) => Answer::html(format!(
            "<h1> Product {id} </h1><p class=price>from $ {id}.50</p>\
             <img class=cover src='/covers/{id}.png'><a class=tag>new</a> <a class=tag>red</a>"
        )),
        None => {
            let page = asked.number("page").unwrap_or(1);
            let item = |id| format!("<li class=product><a href='/product/{id}?from=list'>{id}</a>");
            let items: String = (page * 12 - 11..=PRODUCTS.min(page * 12)).map(item).collect();
            let next = format!("<a rel=next href='?page={}'>next</a>", page + 1);
            let next = if page * 12 < PRODUCTS { next } else { String::new() };
            Answer::html(format!("<ul class=products>{items}</ul>{next}"))
        }
    });
    let readme = text("README.md");
    let file = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next());
    let crawled = crawl_served::<B>(site_of(file.expect("a site file")), &served).await;
    crawled.holds((1..=PRODUCTS).map(|id| {
        let product = json!({
            "title": format!("Product {id}"),
            "price": id as f64 + 0.5,
            "tags": ["new", "red"],
            "image": format!("/covers/{id}.png"),
        });
        (id.to_string(), product)
    }));
    assert_eq!((served.count("/products"), served.count("/product/")), (3, PRODUCTS));
}

#[tokio::test]
async fn categories_that_are_named_in_the_file_are_not_asked_for() {
    let file = text("docs/sites/shop-by-category.toml");
    let select = "url = \"/\"\nselect = \"select[name=category] option::attr(value)\"\n";
    assert!(file.contains(select), "{file}");
    let file = file.replace(select, "values = [\"books\", \"tea & coffee\"]\n");
    let served = examples::shop();
    let crawled = crawl_served::<Sqlite>(site_of(&file), &served).await;
    let numbers = examples::product_numbers();
    crawled.holds(numbers.iter().map(|at| (at.to_string(), examples::product(*at))));
    nothing_twice_but(0, &served);
    assert!(served.requests().iter().all(|asked| asked.path != "/"));
    assert_eq!(served.count("/shop"), 4);
}
