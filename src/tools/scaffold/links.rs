//! Ways on that elements name: links to the next page, links to numbered pages, and, in XML, what
//! stands beside the items.

use serde_json::Value;
use url::Url;

use super::expr::quoted;
use super::{Paging, Seen};
use crate::extract::names::{Means, count_rank, says};
use crate::select::html::{Element, Outline};

/// Texts of links to the next page, in small letters.
const NEXT: [&str; 22] = [
    "next",
    "next page",
    "older",
    "older posts",
    "older entries",
    "more",
    "load more",
    "show more",
    "weiter",
    "nächste",
    "nächste seite",
    "suivant",
    "siguiente",
    "próxima",
    "avanti",
    "volgende",
    "下一页",
    "次へ",
    "다음",
    "»",
    "›",
    "→",
];

/// Something that an element says of the list.
#[derive(Debug, Clone)]
pub struct Said {
    /// Selector of the value.
    pub select: String,
    /// Name of the element or the attribute.
    pub name: String,
    /// The value.
    pub value: Value,
}

/// Returns what the elements of an XML page say beside its items, which are elements named `item`.
pub fn beside(outline: &Outline, item: &str) -> Vec<Said> {
    let is_in_item = |at: usize| {
        let mut up = Some(at);
        while let Some(element) = up.and_then(|at| outline.0.get(at)) {
            if element.name == item {
                return true;
            }
            up = element.parent;
        }
        false
    };
    let mut all = Vec::new();
    for (at, element) in outline.0.iter().enumerate().filter(|(at, _)| !is_in_item(*at)) {
        let local = element.name.rsplit(':').next().unwrap_or(&element.name);
        let select = element.name.replace(':', "|");
        let of = |take: String, name: &str, value: &str| Said {
            select: format!("{select}{take}"),
            name: name.to_owned(),
            value: Value::from(value),
        };
        let is_known = |name: &str| {
            let means = [Means::Next, Means::More, Means::Done, Means::Pages];
            count_rank(name).is_some() || means.iter().any(|means| says(name, *means))
        };
        let has_children = outline.0.get(at + 1).is_some_and(|next| next.parent == Some(at));
        if is_known(local) && !element.text.is_empty() && !has_children {
            all.push(of("::text".to_owned(), local, &element.text));
        }
        let attributes = element.attributes.iter().filter(|(name, _)| is_known(name));
        all.extend(attributes.map(|(name, value)| of(format!("::attr({name})"), name, value)));
    }
    all
}

/// Returns the text of a link in small letters, without arrows around words.
fn words(text: &str) -> String {
    let text = text.trim().to_lowercase();
    let bare = text.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
    if bare.is_empty() { text } else { bare }
}

fn is_next_text(text: &str) -> bool {
    NEXT.contains(&&*words(text))
}

/// Returns the link of an element, if it leads to a page.
fn href(element: &Element) -> Option<&str> {
    let href = element.attribute("href")?.trim();
    let small = href.to_ascii_lowercase();
    let leads = !href.is_empty() && !href.starts_with('#') && !small.starts_with("javascript:");
    leads.then_some(href)
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Returns true if an element is a link or a button to the next page, wherever it leads.
pub fn is_next(element: &Element) -> bool {
    let has = |name: &str| element.attribute(name).is_some_and(is_next_text);
    matches!(&*element.name, "a" | "button")
        && (is_next_text(&element.text)
            || has("aria-label")
            || has("title")
            || element.classes().any(is_next_text)
            || element.attribute("rel").is_some_and(|rel| rel.split(' ').any(|it| it == "next")))
}

/// Returns the selectors of links to the next page, best first.
fn next_links(outline: &Outline) -> Vec<String> {
    let mut ranked: Vec<(usize, String)> = Vec::new();
    for element in &outline.0 {
        let Some(_) = href(element) else { continue };
        let name = element.name.replace(':', "|");
        let rel = element.attribute("rel").unwrap_or_default();
        if rel.split_ascii_whitespace().any(|it| it == "next") {
            let of_head = usize::from(element.name != "a");
            ranked.push((of_head, format!("{name}[rel~=next]::attr(href)")));
        }
        if element.name != "a" {
            continue;
        }
        let named = |element: &Element| {
            let is_it = |class: &&str| class.to_lowercase().contains("next") && is_name(class);
            element.classes().find(is_it).map(str::to_owned)
        };
        if let Some(class) = named(element) {
            ranked.push((2, format!("a.{class}::attr(href)")));
        }
        let parent = element.parent.and_then(|at| outline.0.get(at));
        if let Some((parent, class)) = parent.and_then(|it| Some((it, named(it)?))) {
            ranked.push((3, format!("{}.{class} > a::attr(href)", parent.name)));
        }
        if let Some(label) = element.attribute("aria-label").filter(|it| is_next_text(it)) {
            ranked.push((4, format!("a[aria-label=\"{label}\"]::attr(href)")));
        }
        if is_next_text(&element.text) && !element.text.contains('"') {
            ranked.push((5, format!("a:contains(\"{}\")::attr(href)", element.text)));
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    let mut links: Vec<String> = Vec::new();
    for (_, select) in ranked {
        if !links.contains(&select) {
            links.push(select);
        }
    }
    links
}

/// Returns the ways on that links of a page name, to be tried, best first.
pub fn from_links(seen: &Seen) -> Vec<Paging> {
    let next = next_links(&seen.outline).into_iter().map(|select| Paging {
        says: vec![format!("Tried: the link `{select}` leads to other items.")],
        table: vec![("by", quoted("next")), ("select", quoted(&select))],
        ..Paging::default()
    });
    next.chain(numbered(seen)).collect()
}

/// Returns the paging by the number in a path, such as `/page/2/`.
fn numbered(seen: &Seen) -> Option<Paging> {
    let own = &seen.page.url;
    let links = seen.outline.0.iter().filter(|it| it.name == "a").filter_map(href);
    let urls = links.filter_map(|link| own.join(link).ok());
    let path = urls.filter(|url| url.origin() == own.origin()).find_map(|url| {
        let path = url.path().to_owned();
        let above = own.path().trim_end_matches('/');
        let rest = path.strip_prefix(above)?.to_owned();
        let parts: Vec<&str> = rest.split('/').collect();
        let at = parts.iter().position(|part| *part == "2")?;
        let is_page =
            at > 0 && parts.iter().take(at).all(|part| part.is_empty() || says_page(part));
        is_page.then(|| {
            let parts = parts.iter().enumerate();
            let rest: Vec<&str> =
                parts.map(|(i, part)| if i == at { "{page}" } else { part }).collect();
            format!("{above}{}", rest.join("/"))
        })
    })?;
    Some(Paging {
        says: vec![format!(
            "Tried: {path} is the path of further pages; the list ends on an empty or a missing page."
        )],
        table: vec![("by", quoted("page")), ("first_url", quoted(own.path()))],
        url: Some(path),
        ..Paging::default()
    })
}

fn says_page(part: &str) -> bool {
    let small = part.to_ascii_lowercase();
    ["page", "p", "seite", "pagina", "pg"].contains(&&*small)
}

/// Returns the URLs of the links of a page that may be further pages of the list: with a number in
/// their query.
pub fn numbered_urls(seen: &Seen) -> Vec<Url> {
    let own = &seen.page.url;
    let links = seen.outline.0.iter().filter(|it| it.name == "a").filter_map(href);
    let urls = links.filter_map(|link| own.join(link).ok());
    let is_it = |url: &Url| {
        url.path() == own.path() && url.query_pairs().any(|(_, value)| value.parse::<u32>().is_ok())
    };
    urls.filter(is_it).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::outline_of;
    use super::*;

    fn links(html: &str) -> Vec<String> {
        next_links(&outline_of(html).unwrap())
    }

    #[test]
    fn links_to_the_next_page_are_found_by_relation_class_label_and_text() {
        for (html, select) in [
            ("<a rel='next' href=/2>2</a>", "a[rel~=next]::attr(href)"),
            ("<link rel=next href=/2>", "link[rel~=next]::attr(href)"),
            ("<a class='page next' href=/2>2</a>", "a.next::attr(href)"),
            ("<ul><li class=pager-next><a href=/2>2</a></ul>", "li.pager-next > a::attr(href)"),
            ("<a aria-label=Next href=/2>2</a>", "a[aria-label=\"Next\"]::attr(href)"),
            ("<a href=/2>Older posts »</a>", "a:contains(\"Older posts »\")::attr(href)"),
            ("<a href=/2>下一页</a>", "a:contains(\"下一页\")::attr(href)"),
        ] {
            assert_eq!(links(html).first().map(String::as_str), Some(select), "{html}");
        }
        for none in [
            "<a href=/2>Next to nothing</a>",
            "<a class=next href='#'>x</a>",
            "<a class=next href='javascript:go()'>x</a>",
            "<a href=/2>2</a>",
        ] {
            assert!(links(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn a_button_for_more_is_seen_wherever_it_leads() {
        let has = |html: &str| outline_of(html).unwrap().0.iter().any(is_next);
        for html in
            ["<button>Load more</button>", "<a class=next href='#'>x</a>", "<a rel=next>x</a>"]
        {
            assert!(has(html), "{html}");
        }
        assert!(!has("<button>Search</button>") && !has("<p>More</p>"));
    }
}
