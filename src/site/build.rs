//! From what stands in the file to what is needed: selectors and templates read, numbers checked.

use super::file;
use super::template::Placeholder;
use super::{DetailRules, IndexRules, MOST_PAGES, Paging, RequestTemplate, Site, parse_base_url};
use crate::extract::field::{Kind, Pattern};
use crate::extract::html::CssSelector;
use crate::extract::{FieldRule, Format, Select, Selector};
use crate::store::is_valid_name;

/// The key of a wrong value, and what is wrong with it.
pub type Wrong = (String, String);

/// The site that a file describes.
///
/// # Errors
/// The key whose value is wrong, and what is wrong with it.
pub fn site(file: file::SiteFile) -> Result<Site, Wrong> {
    let base_url = parse_base_url(&file.base_url).map_err(|error| wrong("base_url", error))?;
    let name_rule = "letters, digits, `_` and `-`, beginning with a letter or digit, at most 64 long, and not beginning with `gleaner_`, `sqlite_` or `system.`";
    for (key, name) in [("name", &file.name), ("collection", &file.collection)] {
        if !is_valid_name(name) {
            return Err(wrong(key, format!("`{name}` is no name: {name_rule}")));
        }
    }
    Ok(Site {
        name: file.name.into(),
        collection: file.collection.into(),
        base_url,
        index: build_index(&file.index, file.format)?,
        detail: build_detail(&file.detail, file.format)?,
        total_exact: file.total_exact,
    })
}

fn build_index(table: &file::IndexTable, usual: Format) -> Result<IndexRules, Wrong> {
    let format = table.format.unwrap_or(usual);
    let paging = match &table.paging {
        None => Paging::Single,
        Some(paging) => build_paging(paging, format)?,
    };
    let allowed: &[Placeholder] = match paging {
        Paging::Single => &[],
        Paging::Offset { .. } => &[Placeholder::Offset, Placeholder::Limit],
        Paging::Page { .. } => &[Placeholder::Page],
    };
    let request = RequestTemplate::new(&table.url, &table.query, allowed)
        .map_err(|error| wrong("index.url or index.query", error.to_string()))?;
    let most_pages = table.max_pages.unwrap_or(MOST_PAGES);
    if most_pages == 0 {
        return Err(wrong("index.max_pages", "at least 1 page has to be asked for"));
    }
    Ok(IndexRules {
        request,
        paging,
        most_pages,
        items: select("index.items", &table.items, format)?,
        key: rule("index.key", &table.key, format)?,
    })
}

fn build_paging(table: &file::PagingTable, format: Format) -> Result<Paging, Wrong> {
    let file::PagingTable { by, limit, first, last, total } = table;
    let total = total.as_ref().map(|total| rule("index.paging.total", total, format));
    let unused = |key: &str, kind: &str| {
        Err(wrong("index.paging", format!("`{key}` says nothing where paging is by {kind}")))
    };
    match by {
        file::PagingBy::Offset if first.or(*last).is_some() => unused("first or last", "offset"),
        file::PagingBy::Offset => match limit {
            None => {
                Err(wrong("index.paging", "paging by offset needs `limit`, the items on a page"))
            }
            Some(0) => Err(wrong("index.paging.limit", "a page has at least 1 item")),
            Some(limit) => Ok(Paging::Offset { limit: *limit, total: total.transpose()? }),
        },
        file::PagingBy::Page if limit.is_some() || total.is_some() => {
            unused("limit or total", "page")
        }
        file::PagingBy::Page => {
            let first = first.unwrap_or(1);
            if last.is_some_and(|last| last < first) {
                return Err(wrong("index.paging.last", "the last page comes before the first"));
            }
            Ok(Paging::Page { first, last: *last })
        }
    }
}

fn build_detail(table: &file::DetailTable, usual: Format) -> Result<DetailRules, Wrong> {
    let format = table.format.unwrap_or(usual);
    let request = RequestTemplate::new(&table.url, &table.query, &[Placeholder::Key])
        .map_err(|error| wrong("detail.url or detail.query", error.to_string()))?;
    let require = table.require.iter().map(|text| select("detail.require", text, format));
    let fields = table.fields.iter().map(|(name, value)| {
        Ok((name.as_str().into(), rule(&format!("detail.fields.{name}"), value, format)?))
    });
    let fields: Vec<_> = fields.collect::<Result<_, Wrong>>()?;
    if fields.is_empty() && format == Format::Html {
        return Err(wrong("detail.fields", "an HTML page is no document: say what is kept of it"));
    }
    Ok(DetailRules { request, format, require: require.collect::<Result<_, _>>()?, fields })
}

fn select(key: &str, text: &str, format: Format) -> Result<Select, Wrong> {
    match format {
        Format::Json => {
            Selector::parse(text).map(Select::Json).map_err(|error| wrong(key, error.to_string()))
        }
        Format::Html => {
            CssSelector::parse(text).map(Select::Css).map_err(|error| wrong(key, error.to_string()))
        }
    }
}

fn rule(key: &str, value: &toml::Value, format: Format) -> Result<FieldRule, Wrong> {
    let table = file::RuleTable::of(value).map_err(|error| wrong(key, error))?;
    let select = select(key, &table.select, format)?;
    if let Select::Css(selector) = &select
        && !selector.takes_text()
    {
        let message = "it selects elements; say what of them: ::text or ::attr(name)";
        return Err(wrong(key, message));
    }
    let regex = table.regex.as_deref().map(Pattern::parse).transpose();
    Ok(FieldRule {
        select,
        regex: regex.map_err(|error| wrong(key, error.to_string()))?,
        kind: table.kind.map(|kind| match kind {
            file::KindName::Text => Kind::Text,
            file::KindName::Integer => Kind::Integer,
            file::KindName::Number => Kind::Number,
            file::KindName::Bool => Kind::Bool,
            file::KindName::Json => Kind::Json,
        }),
        many: table.many,
        required: table.required,
        trim: table.trim,
    })
}

fn wrong(key: &str, message: impl Into<String>) -> Wrong {
    (key.to_owned(), message.into())
}
