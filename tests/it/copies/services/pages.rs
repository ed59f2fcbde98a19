//! Sites of HTML pages, and of scripts that fetch HTML.

use serde_json::{Value, json};

use super::{ITEMS, at_path, next, page};
use crate::served::{Answer, Asked};

/// A page of an application: what it shows stands in a script.
fn next_page(props: &Value) -> Answer {
    let state = json!({ "props": { "pageProps": props }, "buildId": "x" });
    let state = state.to_string().replace("</", "<\\/");
    Answer::html(format!(
        "<!doctype html><div id=__next></div><script>var x = 1;</script>\
         <script id=__NEXT_DATA__ type=application/json>{state}</script>"
    ))
}

pub fn nextjs_shop(asked: &Asked) -> Answer {
    if let Some(at) = at_path(&asked.path, "/products/tee-", "") {
        return next_page(&json!({ "product": nextjs_shop_kept(at).1 }));
    }
    match (asked.path.as_str(), asked.number("page")) {
        ("/products", Some(number @ 1..)) => {
            let product = |at| json!({ "id": 500 + at, "slug": format!("tee-{at}") });
            let products: Value = page(number * 10 - 10).map(product).collect();
            next_page(&json!({ "products": products, "total": ITEMS }))
        }
        _ => Answer::not_found(),
    }
}

pub fn nextjs_shop_kept(at: usize) -> (String, Value) {
    let id = 500 + at;
    (id.to_string(), json!({ "id": id, "name": format!("Tee </b> {at}"), "sizes": ["S", "M"] }))
}

/// What search engines are told of a product, beside what they are told of the shop.
pub fn json_ld(asked: &Asked) -> Answer {
    if asked.path == "/sitemap.xml" {
        let entry = |path: String| format!("<url><loc>{}{path}</loc></url>", asked.origin());
        let products = (0..ITEMS).map(|at| format!("/products/{at}"));
        let entries: String =
            products.chain(["/about".to_owned(), "/products".to_owned()]).map(entry).collect();
        return Answer::xml(format!("<urlset>{entries}</urlset>"));
    }
    let Some(at) = at_path(&asked.path, "/products/", "") else { return Answer::not_found() };
    let shop = json!({ "@context": "https://schema.org", "@type": "Organization", "name": "Shop" });
    let product = json!({
        "@context": "https://schema.org", "@type": "Product", "name": format!("Tee & {at}"),
        "sku": format!("S{at}"), "image": format!("/i/{at}.jpg"),
        "offers": { "@type": "Offer", "price": "19.90", "priceCurrency": "EUR" },
    });
    let script = |value: &Value| format!("<script type=\"application/ld+json\">{value}</script>");
    Answer::html(format!("<title>x</title>{}{}<h1>Tee</h1>", script(&shop), script(&product)))
}

pub fn json_ld_kept(at: usize) -> (String, Value) {
    let name = format!("Tee & {at}");
    let image = format!("ORIGIN/i/{at}.jpg");
    (
        at.to_string(),
        json!({ "name": name, "sku": format!("S{at}"), "price": 19.9, "image": image }),
    )
}

/// Cards of HTML within JSON, an advertisement among them.
pub fn infinite_scroll(asked: &Asked) -> Answer {
    let by_script = asked.header("x-requested-with") == "XMLHttpRequest";
    let from = asked.number("page").unwrap_or(0).max(1) * 10 - 10;
    if asked.path != "/ajax/load-more" || !by_script || from >= ITEMS {
        return Answer::not_found();
    }
    let card = |at| {
        format!(
            "<li class=\"card\" data-id=\"{at}\"><h3>Picture &lt;{at}&gt;</h3><img src=\"/p/{at}.jpg\"></li>"
        )
    };
    let cards: String = page(from).map(card).collect();
    let html = format!("<li class=\"ad\">Buy!</li>{cards}");
    Answer::json(&json!({ "html": html, "has_more": next(from).is_some() }))
}

pub fn infinite_scroll_kept(at: usize) -> (String, Value) {
    let image = format!("ORIGIN/p/{at}.jpg");
    (at.to_string(), json!({ "title": format!("Picture <{at}>"), "image": image }))
}

/// Tables of labels and values, in another order on every other page.
pub fn label_table(asked: &Asked) -> Answer {
    if let Some(at) = at_path(&asked.path, "/books/", "") {
        let rows = [
            ("Publisher", format!("Press {at}")),
            ("Pages", (at + 100).to_string()),
            ("Price (new)", "1.012,50 €".to_owned()),
            ("Published", "01.11.2026".to_owned()),
        ];
        let row = |(label, value): &(&str, String)| {
            format!("<tr><th> {label}:</th><td>{value}</td></tr>")
        };
        let mut rows: Vec<String> = rows.iter().map(row).collect();
        if at % 2 == 1 {
            rows.reverse();
        }
        return Answer::html(format!(
            "<h1>Book {at} <small>new</small></h1><table class=facts>{}</table>\
             <div class=review><b>Ada</b><p>Good.</p></div><div class=review><b>Bob</b></div>",
            rows.concat()
        ));
    }
    let from = asked.number("from").unwrap_or(0);
    if asked.path != "/books" {
        return Answer::not_found();
    }
    let items: String =
        page(from).map(|at| format!("<li><a href='books/{at}'>Book {at}</a>")).collect();
    let next = next(from).map(|next| format!("<a class=next href='/books?from={next}'>»</a>"));
    Answer::html(format!("<ul class=books>{items}</ul>{}", next.unwrap_or_default()))
}

pub fn label_table_kept(at: usize) -> (String, Value) {
    let kept = json!({
        "title": format!("Book {at}"), "publisher": format!("Press {at}"), "pages": at + 100,
        "price": 1012.5, "published": "2026-11-01",
        "reviews": [{ "who": "Ada", "text": "Good." }, { "who": "Bob" }],
    });
    (at.to_string(), kept)
}

/// A form that is sent back to have the next page, with both of its hidden values.
pub fn webforms(asked: &Asked) -> Answer {
    let sent: Vec<(String, String)> =
        url::form_urlencoded::parse(&asked.body).into_owned().collect();
    let of = |name: &str| sent.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str());
    let state = (of("__VIEWSTATE"), of("__EVENTVALIDATION"), of("__EVENTTARGET"));
    let from = match (asked.method.as_str(), state) {
        ("GET", _) => 0,
        ("POST", (Some(state), Some(check), Some("next"))) if check == format!("{state}+/=") => {
            let from = state.strip_prefix("/wE").and_then(|it| it.parse().ok());
            from.expect("a state that was handed out")
        }
        _ => return Answer::html("<h1>Validation of viewstate failed</h1>".to_owned()).status(500),
    };
    let row = |at| {
        format!("<tr class=row><td class=id>{at}</td><td class=name>Firm &amp; {at}</td></tr>")
    };
    let rows: String = page(from).map(row).collect();
    let state = format!("/wE{}", from + 10);
    let link = "<a id=next href=\"javascript:__doPostBack('next','')\">next</a>";
    let link = next(from).map_or("<span>next</span>", |_| link);
    Answer::html(format!(
        "<form method=post><input id=__VIEWSTATE value='{state}'><input id=__EVENTVALIDATION value='{state}+/='>\
         <table id=grid><tr><th>Id</th><th>Name</th></tr>{rows}</table>{link}</form>"
    ))
}

pub fn webforms_kept(at: usize) -> (String, Value) {
    (at.to_string(), json!({ "name": format!("Firm & {at}") }))
}
