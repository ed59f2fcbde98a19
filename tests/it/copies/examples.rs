//! The sites that the files in `docs/sites` are about, as small as they can be: posts of a blog,
//! releases of a project, articles in a sitemap, a shop by category. The site of `graphql.toml`
//! is in `lists.rs`.

use serde_json::{Value, json};

use super::escaped;
use crate::served::{Answer, Asked, Served};

/// A blog with so many posts, after WordPress: a bare list, the totals in headers, and past the
/// last page 400.
pub fn blog(posts: usize) -> Served {
    Served::start(move |asked| {
        let size = asked.number("per_page").unwrap_or(10);
        let page = asked.number("page").unwrap_or(1);
        let pages = posts.div_ceil(size).max(1);
        if asked.path != "/wp-json/wp/v2/posts" {
            return Answer::not_found();
        }
        if page == 0 || page > pages || size > 100 {
            let body =
                json!({ "code": "rest_post_invalid_page_number", "data": { "status": 400 } });
            return Answer::json(&body).status(400);
        }
        let list = ((page - 1) * size..(page * size).min(posts)).map(post).collect();
        Answer::json(&list)
            .header("X-WP-Total", &posts.to_string())
            .header("X-WP-TotalPages", &pages.to_string())
    })
}

/// A post, as it is listed and stored.
pub fn post(at: usize) -> Value {
    json!({
        "id": 1000 + at,
        "modified_gmt": format!("2026-11-{:02}T10:00:00", 1 + at % 28),
        "slug": format!("post-{at}"),
        "title": { "rendered": format!("Über &#8220;Post {at}&#8221;") },
        "categories": [1, 2 + at % 3],
        "_links": { "self": [{ "href": format!("https://blog/wp-json/wp/v2/posts/{}", 1000 + at) }] },
    })
}

/// The releases of a project, after GitHub: the next page is named in a header only, and its
/// address is another one than the first page's. A page lists `size` of them, whatever is asked.
pub fn releases(releases: usize, size: usize) -> Served {
    Served::start(move |asked| {
        let page = asked.number("page").unwrap_or(1);
        if !["/repos/rust-lang/rust/releases", "/repositories/724712/releases"]
            .contains(&asked.path.as_str())
        {
            return Answer::not_found();
        }
        let from = (page - 1) * size;
        let list = (from..(from + size).min(releases)).map(release).collect();
        let at = |page| format!("<{}/repositories/724712/releases?page={page}>", asked.origin());
        let last = format!("{}; rel=\"last\"", at(releases.div_ceil(size)));
        let link = match from + size < releases {
            true => format!("{}; rel=\"next\", {last}", at(page + 1)),
            false => format!("{}; rel=\"prev\"", at(page - 1)),
        };
        Answer::json(&list).header("Link", &link)
    })
}

fn release(at: usize) -> Value {
    let assets: Vec<Value> = (0..at % 3)
        .map(|number| json!({ "id": number, "browser_download_url": format!("https://dl/{at}/{number}.gz") }))
        .collect();
    json!({
        "id": 90_000_000_000_u64 + at as u64,
        "tag_name": format!("1.{at}.0"),
        "name": Value::Null,
        "draft": false,
        "published_at": "2026-11-20T10:00:00Z",
        "assets": assets,
    })
}

/// What `docs/sites/releases.toml` keeps of a release, and its key.
pub fn kept_of_release(at: usize) -> (String, Value) {
    let release = release(at);
    let assets = release["assets"].as_array().expect("a list").iter();
    let assets: Vec<Value> = assets.map(|asset| asset["browser_download_url"].clone()).collect();
    let mut kept = json!({
        "tag": release["tag_name"],
        "published": release["published_at"],
    });
    if !assets.is_empty() {
        kept["assets"] = assets.into();
    }
    (release["id"].to_string(), kept)
}

/// A magazine whose sitemap names all articles.
pub fn magazine(articles: usize) -> Served {
    Served::start(move |asked| {
        let number = || asked.path.strip_prefix("/articles/")?.split('-').next()?.parse().ok();
        match asked.path.as_str() {
            "/sitemap.xml" => Answer::xml(magazine_sitemap(articles, asked)),
            _ => match number().filter(|at| *at < articles) {
                Some(at) => Answer::html(article_page(at)),
                None => Answer::not_found(),
            },
        }
    })
}

fn magazine_sitemap(articles: usize, asked: &Asked) -> String {
    let entry = |at: usize| {
        format!(
            "<url><loc>{}/articles/{at}-title-{at}/</loc><lastmod>2026-11-{:02}</lastmod></url>\n",
            asked.origin(),
            1 + at % 28
        )
    };
    let entries: String = (0..articles).map(entry).collect();
    format!(
        "<?xml version=\"1.0\"?>\n\
         <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">{entries}</urlset>"
    )
}

fn article_page(at: usize) -> String {
    let article = article(at);
    let text = |name: &str| escaped(article[name].as_str().expect("a text"));
    let tags: String = article["tags"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|tag| format!("<li><a rel=tag href=#>{}</a>", tag.as_str().expect("a text")))
        .collect();
    format!(
        "<!doctype html><title>x</title><article>\n <h1> {}\n </h1>\n\
         <a rel=author href=/people/1>{}</a><time datetime='{}'>gestern</time>\
         <ul>{tags}</ul><div class=body><p>{}</p></div></article><footer><h1>no</h1></footer>",
        text("title"),
        text("author"),
        text("published"),
        text("text"),
    )
}

/// What `docs/sites/sitemap.toml` keeps of an article; its key is its number.
pub fn article(at: usize) -> Value {
    json!({
        "title": format!("Titel {at} – & mehr"),
        "author": format!("Ada Ñ. {at}"),
        "published": format!("2026-11-{:02}T10:00:00Z", 1 + at % 28),
        "tags": ["Käse", format!("tag-{at}")],
        "text": format!("Es war einmal <{at}>."),
    })
}

/// Categories of the shop, as it names them, and how many products each lists.
pub const SHELVES: [(&str, usize); 3] = [("books", 23), ("tea & coffee", 10), ("empty", 0)];

/// A shop that lists its products by category, ten on a page, the next page behind a link.
/// Products whose number is divisible by 5 stand in the first two categories alike.
pub fn shop() -> Served {
    Served::start(|asked| match asked.path.as_str() {
        "/" => Answer::html(shop_window()),
        "/shop" => shelf(asked),
        _ => match asked.path.strip_prefix("/product/").and_then(|name| name.parse().ok()) {
            Some(number) if product_numbers().contains(&number) => {
                Answer::html(product_page(number))
            }
            _ => Answer::not_found(),
        },
    })
}

fn shop_window() -> String {
    let options: String = SHELVES
        .iter()
        .map(|(name, _)| format!("<option value=\"{}\">{name}</option>", escaped(name)))
        .collect();
    format!("<form><select name=category><option value=''>all</option>{options}</select></form>")
}

/// Numbers of the products on a shelf, in its order.
fn on_shelf(shelf: usize) -> Vec<usize> {
    let (_, many) = SHELVES[shelf];
    match shelf {
        0 => (0..many).collect(),
        _ => (0..many).map(|at| if at < 5 { at * 5 } else { 100 * shelf + at }).collect(),
    }
}

/// Numbers of all products, each once.
pub fn product_numbers() -> Vec<usize> {
    let mut all: Vec<usize> = (0..SHELVES.len()).flat_map(on_shelf).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn shelf(asked: &Asked) -> Answer {
    let category = asked.query.get("category").map_or("", String::as_str);
    let Some(shelf) = SHELVES.iter().position(|(name, _)| *name == category) else {
        return Answer::not_found();
    };
    let (page, products) = (asked.number("page").unwrap_or(1), on_shelf(shelf));
    let cards: String = products
        .iter()
        .skip((page - 1) * 10)
        .take(10)
        .map(|number| format!("<li class=product><a href='product/{number}'>{number}</a>\n"))
        .collect();
    // Relative to the page it stands on, and the query is all there is to it.
    let query =
        escaped(&format!("?page={}&category={}", page + 1, super::lists::in_path(category)));
    let next = format!("<a class=pager rel=next href=\"{query}\">more</a>");
    let next = if page * 10 < products.len() { next } else { String::new() };
    Answer::html(format!("<ul>{cards}</ul>{next}"))
}

fn product_page(number: usize) -> String {
    format!("<h1>Product {number} &trade;</h1><p class=price>€\u{a0}{number}.90</p>")
}

/// What `docs/sites/shop-by-category.toml` keeps of a product; its key is its number.
pub fn product(number: usize) -> Value {
    let price = format!("{number}.90").parse::<f64>().expect("a number");
    json!({ "name": format!("Product {number} ™"), "price": price })
}
