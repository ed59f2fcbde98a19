//! Services whose items need several requests.

use serde_json::{Value, json};

use super::{ITEMS, at_path, page};
use crate::served::{Answer, Asked};

/// Articles over one to three pages.
pub fn long_articles(asked: &Asked) -> Answer {
    if asked.path == "/articles" {
        let from = asked.number("page").map_or(0, |number| (number - 1) * 10);
        let entry = |at| format!("<li class=article><a href='/articles/a-{at}'>x</a>");
        return Answer::html(format!("<ul>{}</ul>", page(from).map(entry).collect::<String>()));
    }
    let Some(at) = at_path(&asked.path, "/articles/a-", "") else { return Answer::not_found() };
    let number = asked.number("page").unwrap_or(1);
    let next = match number <= at % 3 {
        true => format!("<a rel=next href='?page={}'>on</a>", number + 1),
        false => String::new(),
    };
    let text = format!("<p>{at} &amp; {number}a</p><p>{number}b</p>");
    Answer::html(format!("<h1>Title {at}</h1><article>{text}</article>{next}"))
}

pub fn long_articles_kept(at: usize) -> (String, Value) {
    let page = |number| [format!("{at} & {number}a"), format!("{number}b")];
    let text: Value = (1..at % 3 + 2).flat_map(page).collect();
    (format!("a-{at}"), json!({ "title": format!("Title {at}"), "text": text }))
}

/// Products with pages of reviews by number, and of offers by a cursor.
pub fn product_reviews(asked: &Asked) -> Answer {
    let from = |size| asked.number("page").map_or(0, |number| (number - 1) * size);
    if asked.path == "/api/products" {
        let products: Value = page(from(10)).map(|at| json!({ "id": at })).collect();
        return Answer::json(&json!({ "products": products, "total": ITEMS }));
    }
    if let Some(at) = at_path(&asked.path, "/api/products/", "/reviews") {
        let reviews: Value = (from(5)..at.min(from(5) + 5)).map(review).collect();
        return Answer::json(&json!({ "reviews": reviews, "total": at }));
    }
    if let Some(at) = at_path(&asked.path, "/api/sellers/s", "/offers") {
        let product = asked.number("product");
        let from = asked.query.get("cursor").map_or(0, |cursor| cursor.len() - 1);
        let next = (from < 2).then(|| "c".repeat(from + 2));
        let offer = json!({ "seller": at, "product": product, "price": from + 1 });
        return Answer::json(&json!({ "offers": [offer], "next": next }));
    }
    match at_path(&asked.path, "/api/products/", "") {
        Some(at) => Answer::json(&product(at)),
        None => Answer::not_found(),
    }
}

fn product(at: usize) -> Value {
    json!({ "id": at, "title": format!("P{at}"), "seller": { "id": format!("s{}", at % 4) } })
}

fn review(at: usize) -> Value {
    json!({ "id": at, "user": { "name": format!("U{at}") }, "stars": at % 5 })
}

pub fn product_reviews_kept(at: usize) -> (String, Value) {
    let mut kept = product(at);
    let review = |at| json!({ "who": format!("U{at}"), "stars": at % 5 });
    kept["reviews"] = (0..at).map(review).collect();
    let offer = |price| json!({ "seller": at % 4, "product": at, "price": price });
    kept["offers"] = (1..4).map(offer).collect();
    (at.to_string(), kept)
}
