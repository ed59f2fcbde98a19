//! Finds lists in HTML and XML: elements that repeat, with a key in each.

use std::collections::{BTreeMap, HashSet};

use super::Shape;
use super::expr::{quoted, table};
use super::key::{Key, LAST_SEGMENT};
use super::link_keys::{of_links, passing_in};
use super::source::{Source, outline_of};
use crate::select::Format;
use crate::select::html::{Element, Outline};

/// Elements around a page's content, which hold no items.
const AROUND: [&str; 8] = ["nav", "header", "footer", "aside", "head", "form", "select", "svg"];
/// Elements that are never items.
const NO_ITEMS: [&str; 14] = [
    "script", "style", "link", "meta", "option", "br", "p", "span", "td", "th", "img", "i", "b",
    "head",
];
/// Attributes that hold the key of an item.
const KEYS: [&str; 7] =
    ["data-id", "data-key", "data-item-id", "data-product-id", "data-pk", "data-asin", "id"];
/// Regular expression for the number at the end of a text.
const LAST_NUMBER: &str = r"(\d+)$";
/// Elements of XML that hold the key of an item, best first.
const XML_KEYS: [&str; 8] = ["id", "guid", "identifier", "key", "uuid", "slug", "link", "url"];
/// Longest text that counts of an item, in characters.
const LONGEST_TEXT: usize = 200;

/// A group of elements that may be the items.
struct Group {
    select: String,
    at: Vec<usize>,
    score: usize,
    keys: Vec<Key>,
}

/// Returns the list in a text of HTML at the JSONPath `path`, or `None` if nothing repeats in it.
pub fn in_text(path: &str, text: &str) -> Option<Shape> {
    let outline = outline_of(text)?;
    let group = best(&outline)?;
    let note = format!("`{path}` is a text of HTML, in which `{}` repeats.", group.select);
    let items = vec![path.to_owned(), group.select.clone()];
    let mut shape = Shape::of(items, group.keys.clone(), group.at.len(), vec![note])?;
    shape.fields = fields(&outline, &group);
    Some(shape)
}

/// Returns the list of an HTML page, or `None` if nothing repeats on it.
pub fn in_html(outline: &Outline, source: &Source) -> Option<Shape> {
    let group = best(outline)?;
    let note = format!("`{}` repeats on the page, with a key in each.", group.select);
    let items = vec![group.select.clone()];
    let mut shape = Shape::of(items, group.keys.clone(), group.at.len(), vec![note])?;
    shape.source = source.clone();
    let parent = group.select.split(" > ").next().filter(|parent| parent.starts_with('#'));
    shape.require = parent.map(str::to_owned);
    shape.fields = fields(outline, &group);
    Some(shape)
}

fn best(outline: &Outline) -> Option<Group> {
    let mut groups: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
    for (at, element) in outline.0.iter().enumerate() {
        if NO_ITEMS.contains(&&*element.name) || is_around(outline, at) {
            continue;
        }
        let plain = |class: &&str| !class.contains(|c: char| c.is_ascii_digit()) && is_name(class);
        for class in element.classes().filter(plain) {
            groups.entry((element.name.clone(), format!(".{class}"))).or_default().push(at);
        }
        let parent = element.parent.and_then(|parent| outline.0.get(parent));
        let below = parent.map(place).unwrap_or_default();
        groups.entry((element.name.clone(), format!("\n{below}"))).or_default().push(at);
    }
    let groups = groups.into_iter().filter(|(_, at)| at.len() > 1);
    let groups = groups.filter_map(|((name, rest), at)| {
        let select = match rest.strip_prefix('\n') {
            Some("") => name,
            Some(parent) => format!("{parent} > {name}"),
            None => format!("{name}{rest}"),
        };
        let apart = at.windows(2).all(|two| !outline.below(two[0]).any(|(at, _)| at == two[1]));
        let texts = at.iter().map(|at| text_of(outline, *at));
        let score: usize = texts.map(|text| text.chars().count().min(LONGEST_TEXT)).sum();
        let keys = if apart && score > 0 { keys(outline, &at) } else { Vec::new() };
        (!keys.is_empty()).then_some(Group { select, at, score, keys })
    });
    // Of several with the same text, the one with a class says best what it selects.
    groups
        .max_by_key(|group| (group.score, !group.select.contains('>'), group.select.contains('.')))
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Returns a selector of an element by its id or first class, or an empty text.
fn place(element: &Element) -> String {
    let id = element.attribute("id").filter(|id| is_name(id)).map(|id| format!("#{id}"));
    let class =
        || element.classes().find(|it| is_name(it)).map(|it| format!("{}.{it}", element.name));
    let is_bare = matches!(&*element.name, "body" | "html");
    let name = || (!is_bare).then(|| element.name.clone());
    id.or_else(class).or_else(name).unwrap_or_default()
}

fn is_around(outline: &Outline, at: usize) -> bool {
    let mut up = Some(at);
    while let Some(element) = up.and_then(|at| outline.0.get(at)) {
        // Of Web Forms, all is in one form.
        let is_form = element.name == "form" && element.attribute("method") == Some("post");
        if AROUND.contains(&&*element.name) && !is_form {
            return true;
        }
        up = element.parent;
    }
    false
}

fn text_of(outline: &Outline, at: usize) -> String {
    let own = outline.0.get(at).into_iter();
    let below = outline.below(at).map(|(_, element)| element);
    let texts: Vec<&str> =
        own.chain(below).map(|it| &*it.text).filter(|it| !it.is_empty()).collect();
    texts.join(" ")
}

/// Returns the first element of an item with this name, or the item itself.
pub fn first<'a>(outline: &'a Outline, item: usize, name: &str) -> Option<&'a Element> {
    let own = outline.0.get(item).filter(|own| own.name == name);
    own.or_else(|| outline.below(item).map(|(_, it)| it).find(|it| it.name == name))
}

pub fn are_distinct(values: &[Option<String>]) -> bool {
    let distinct: HashSet<&String> = values.iter().flatten().collect();
    values.iter().all(|value| value.as_ref().is_some_and(|it| !it.is_empty()))
        && distinct.len() == values.len()
}

/// Returns what distinguishes the elements, best first: attributes, and parts of the link in each.
fn keys(outline: &Outline, items: &[usize]) -> Vec<Key> {
    let of_attribute = |name: &&str| {
        let of = |at: &usize| outline.0.get(*at)?.attribute(name).map(str::to_owned);
        let values: Vec<Option<String>> = items.iter().map(of).collect();
        let select = format!("::attr({name})");
        let number = |value: &Option<String>| {
            let value = value.as_deref()?;
            let digits = value.trim_start_matches(|c: char| !c.is_ascii_digit());
            let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit());
            is_number.then(|| digits.to_owned())
        };
        let numbers: Vec<Option<String>> = values.iter().map(number).collect();
        are_distinct(&values).then(|| match are_distinct(&numbers) && numbers != values {
            true => Key::Part(select, LAST_NUMBER.to_owned()),
            false => Key::Select(select),
        })
    };
    let mut keys: Vec<Key> = KEYS.iter().filter_map(of_attribute).collect();
    keys.extend(of_links(outline, items));
    keys
}

/// Returns fields that most items have: title, link, picture, price and date.
fn fields(outline: &Outline, group: &Group) -> Vec<(String, String)> {
    let has = |name: &str| {
        let with = group.at.iter().filter(|at| first(outline, **at, name).is_some()).count();
        with * 2 > group.at.len()
    };
    let own = |name: &str| {
        group.at.first().and_then(|at| outline.0.get(*at)).is_some_and(|it| it.name == name)
    };
    let mut fields = Vec::new();
    let mut add = |name: &str, value: String| fields.push((name.to_owned(), value));
    let heading = ["h1", "h2", "h3", "h4", "h5"].into_iter().find(|name| has(name));
    let title = match heading {
        Some(heading) => format!("{heading}::text"),
        None if has("a") && !own("a") => "a::text".to_owned(),
        None => "::text".to_owned(),
    };
    add("title", quoted(&title));
    let url = |select: &str| table(&[("select", quoted(select)), ("as", quoted("url"))]);
    // A link with a session id would change each item with each crawl.
    let link = group.at.first().and_then(|at| first(outline, *at, "a")?.attribute("href"));
    let is_lasting = link.is_some_and(|link| passing_in(link).is_none());
    if has("a") && is_lasting {
        add("link", url(if own("a") { "::attr(href)" } else { "a::attr(href)" }));
    }
    if has("img") {
        add("image", url("img::attr(src)"));
    }
    if has("time") {
        add("date", quoted("time::attr(datetime)"));
    }
    let priced = group.at.first().and_then(|at| {
        let mut below = outline.below(*at).map(|(_, it)| it);
        below.find_map(|it| it.classes().find(|class| class.contains("price") && is_name(class)))
    });
    if let Some(class) = priced {
        add("price", quoted(&format!(".{class}::text")));
    }
    fields
}

/// Returns true for a sitemap or an index of sitemaps.
pub fn is_sitemap(outline: &Outline) -> bool {
    outline.0.first().is_some_and(|root| matches!(&*root.name, "urlset" | "sitemapindex"))
}

/// Returns the list of an XML page, or `None` if nothing repeats on it.
pub fn in_xml(outline: &Outline, source: &Source) -> Option<Shape> {
    let mut groups: BTreeMap<(usize, &str), Vec<usize>> = BTreeMap::new();
    for (at, element) in outline.0.iter().enumerate() {
        if let Some(parent) = element.parent {
            groups.entry((parent, &element.name)).or_default().push(at);
        }
    }
    let size = |at: &usize| outline.below(*at).count();
    let groups = groups.into_iter().filter_map(|((parent, name), at)| {
        let score: usize = at.iter().map(size).sum();
        let is_list = score > 0 && (at.len() > 1 || matches!(name, "item" | "entry"));
        is_list.then_some((score, outline.0.get(parent)?, name, at))
    });
    let (_, parent, name, at) = groups.max_by_key(|(score, ..)| *score)?;
    let children = |at: usize| {
        outline.below(at).filter(move |(_, it)| it.parent == Some(at)).map(|(_, it)| it)
    };
    let mut names: Vec<&str> = Vec::new();
    for child in at.iter().flat_map(|at| children(*at)) {
        if !names.contains(&&*child.name) {
            names.push(&child.name);
        }
    }
    let text = |at: usize, name: &str| {
        let found = children(at).find(|child| child.name == name);
        found.map(|child| child.text.clone()).filter(|text| !text.is_empty())
    };
    let inner = |at: usize, name: &str| {
        let found = outline.below(at).map(|(_, it)| it).find(|it| it.name == name);
        found.map(|it| it.text.clone()).filter(|text| !text.is_empty())
    };
    let own = names.iter().copied();
    let first = at.first().copied().unwrap_or_default();
    let all: Vec<&str> = own.chain(outline.below(first).map(|(_, it)| it.name.as_str())).collect();
    let keys = XML_KEYS.iter().filter_map(|key| {
        let name = all.iter().find(|name| local(name).eq_ignore_ascii_case(key))?;
        let values = at.iter().map(|at| text(*at, name).or_else(|| inner(*at, name)));
        let values: Vec<Option<String>> = values.collect();
        let select = format!("{}::text", css(name));
        let is_link = matches!(*key, "link" | "url");
        let key =
            if is_link { Key::Part(select, LAST_SEGMENT.to_owned()) } else { Key::Select(select) };
        are_distinct(&values).then_some(key)
    });
    let keys: Vec<Key> = keys.collect();
    let select = format!("{} > {}", css(&parent.name), css(name));
    let note = format!("The page is XML, in which `{select}` repeats.");
    let mut shape = Shape::of(vec![select], keys, at.len(), vec![note])?;
    shape.source = source.clone();
    shape.require = outline.0.first().map(|root| css(&root.name));
    for name in all {
        let select = css(name);
        let child = at
            .iter()
            .find_map(|at| outline.below(*at).map(|(_, it)| it).find(|it| it.name == name));
        let href = child.is_some_and(|it| it.text.is_empty() && it.attribute("href").is_some());
        let has_text = at.iter().any(|at| text(*at, name).or_else(|| inner(*at, name)).is_some());
        let take = if href { "::attr(href)" } else { "::text" };
        if href || has_text {
            let field = local(name).replace('-', "_").to_ascii_lowercase();
            if shape.fields.iter().all(|(other, _)| *other != field) {
                shape.fields.push((field, quoted(&format!("{select}{take}"))));
            }
        }
    }
    Some(shape)
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

/// Returns the name of an element as a selector: a prefix stands before `|`.
fn css(name: &str) -> String {
    name.replace(':', "|")
}

/// Returns true if the pages of this format are elements.
pub fn is_markup(format: Format) -> bool {
    matches!(format, Format::Html | Format::Xml)
}
