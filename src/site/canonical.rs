//! The canonical form of what a site file asks for and keeps, from which digests are made.
//!
//! Its names and values are its own: however the types change, what a site file says stays the same
//! text. What is absent or usual is left out, so that a key which is added later changes nothing for
//! files without it. Each type is taken apart member by member, so that whoever adds one decides
//! here whether it makes other documents (`rules`), another sweep (`definition`) or neither.
//!
//! Golden tests hold the digests. One that changes makes all documents of all users anew: a change of
//! the form needs a new [`FORMAT`] and a way for documents of the number before
//! ([`takes_over`]).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Site;
use super::paging::{LastPage, NextPage, Paging, Said, Step};
use super::request::{BodyTemplate, RequestTemplate};
use super::rules::{DetailRules, IndexRules, ItemRules, Keep, Seeds, SeedsPage};
use super::template::{JsonTemplate, Template};
use crate::document::Digest;
use crate::extract::field::Kind;
use crate::extract::{FieldRule, Format, Select, Selector};

/// Number of the form. 1 was the `Debug` output of version 0.1.0.
const FORMAT: u32 = 2;
/// How HTML pages are read: decoded otherwise than by 0.1.0, which was 1.
const HTML_READING: u32 = 2;

/// Digest of what makes documents what they are: another one makes all of them anew.
pub fn rules(site: &Site) -> String {
    digest(&Value::from_iter(rules_form(site)))
}

/// Digest of what is crawled: another one is another sweep.
pub fn definition(site: &Site) -> String {
    let Site {
        base_url,
        collection,
        seeds,
        index: IndexRules { request, paging, more, require, marks: _, most_pages: _, items: _ },
        detail,
        ignore,
        name: _,
        description: _,
        hosts: _,
        workers: _,
        rate: _,
        robots: _,
        user_agents: _,
        statuses: _,
        total_exact: _,
        descends: _,
    } = site;
    let mut form = Form::new();
    form.insert("base_url", base_url.as_str().into());
    form.insert("collection", (&**collection).into());
    some(&mut form, "seeds", seeds.as_ref().map(seeds_form));
    form.insert("request", request_form(request));
    form.insert("paging", paging_form(paging));
    some(&mut form, "more", (!more).then(|| false.into()));
    list(&mut form, "require", require.iter().map(select));
    let detail = detail.iter().flat_map(|detail| &detail.require);
    list(&mut form, "detail_require", detail.map(select));
    list(&mut form, "ignore", ignore.iter().map(Selector::text).map(Value::from));
    form.insert("rules", Value::from_iter(rules_form(site)));
    digest(&Value::from_iter(form))
}

/// Returns whether documents whose rules bear the number before are taken to be made by these rules: digests
/// of another form cannot be compared. That is believed once, so that an upgrade fetches nothing
/// anew; but not where documents are made of HTML pages, which are read otherwise since.
pub fn takes_over(site: &Site) -> bool {
    let reads_html = |format: Format| format == Format::Html;
    !(site.detail.as_ref().is_some_and(|it| reads_html(it.format)) || items_are_html(&site.index))
}

type Form = BTreeMap<&'static str, Value>;

fn digest(form: &Value) -> String {
    let digest = Digest::of(form.to_string().as_bytes()).to_string();
    let hex = digest.split_once(':').map_or(&*digest, |(_, hex)| hex);
    format!("{FORMAT}:{hex}")
}

fn some(form: &mut Form, name: &'static str, value: Option<Value>) {
    form.extend(value.map(|value| (name, value)));
}

fn list(form: &mut Form, name: &'static str, values: impl Iterator<Item = Value>) {
    let values: Vec<Value> = values.collect();
    some(form, name, (!values.is_empty()).then(|| values.into()));
}

fn rules_form(site: &Site) -> Form {
    let mut form = Form::new();
    form.insert("items", items_form(&site.index.items));
    if let Some(detail) = &site.detail {
        let DetailRules { request, format, document, fields, require: _, marks: _, revision: _ } =
            detail;
        let mut page = Form::new();
        page.insert("request", request_form(request));
        if *format == Format::Html {
            page.insert("html", true.into());
        }
        some(&mut page, "document", document.as_ref().map(|it| it.text().into()));
        list(&mut page, "fields", fields.iter().map(field));
        form.insert("detail", Value::from_iter(page));
    }
    if !takes_over(site) {
        form.insert("reading", HTML_READING.into());
    }
    form
}

/// Returns whether what is kept of the list is read from HTML.
fn items_are_html(index: &IndexRules) -> bool {
    let ItemRules::Selected { items, keep, .. } = &index.items else { return false };
    matches!(items, Select::Css(_)) && *keep != Keep::Nothing
}

fn items_form(items: &ItemRules) -> Value {
    let mut form = Form::new();
    match items {
        ItemRules::Known => {
            form.insert("by", "keys".into());
        }
        ItemRules::Sitemap { key, has_revision: _ } => {
            form.insert("by", "sitemap".into());
            form.insert("key", key.text().into());
        }
        ItemRules::Selected { items, key, link, revision, keep } => {
            form.insert("items", select(items));
            form.insert("key", rule(key));
            some(&mut form, "link", link.as_ref().map(rule));
            some(&mut form, "revision", revision.as_ref().map(rule));
            match keep {
                Keep::Nothing => {}
                Keep::Whole => some(&mut form, "whole", Some(true.into())),
                Keep::Fields(fields) => list(&mut form, "fields", fields.iter().map(field)),
            }
        }
    }
    Value::from_iter(form)
}

fn field((name, value): &(Box<str>, FieldRule)) -> Value {
    json!([name, rule(value)])
}

fn rule(rule: &FieldRule) -> Value {
    let FieldRule { select: at, regex, kind, many, required, trim } = rule;
    let mut form = Form::new();
    form.insert("select", select(at));
    some(&mut form, "regex", regex.as_ref().map(|regex| regex.text().into()));
    let kind = kind.map(|kind| match kind {
        Kind::Text => "text",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Bool => "bool",
        Kind::Json => "json",
    });
    some(&mut form, "as", kind.map(Value::from));
    for (name, is, usual) in
        [("many", many, false), ("required", required, false), ("trim", trim, true)]
    {
        some(&mut form, name, (*is != usual).then(|| (*is).into()));
    }
    Value::from_iter(form)
}

fn select(select: &Select) -> Value {
    match select {
        Select::Json(selector) => json!({ "json": selector.text() }),
        Select::Css(selector) => json!({ "css": selector.text() }),
    }
}

fn request_form(request: &RequestTemplate) -> Value {
    let RequestTemplate { method, url, query, headers, body } = request;
    let mut form = Form::new();
    form.insert("method", method.as_str().into());
    some(&mut form, "url", url.as_ref().map(text));
    list(&mut form, "query", query.iter().map(pair));
    list(&mut form, "headers", headers.iter().map(|(name, it)| json!([name.as_str(), text(it)])));
    match body {
        None => {}
        Some(BodyTemplate::Form(pairs)) => list(&mut form, "form", pairs.iter().map(pair)),
        Some(BodyTemplate::Json(body)) => some(&mut form, "json", Some(json_form(body))),
    }
    Value::from_iter(form)
}

fn pair((name, value): &(String, Template)) -> Value {
    json!([name, text(value)])
}

fn text(template: &Template) -> Value {
    template.to_string().into()
}

/// A list names its kind, so that no text can look like another kind's value.
fn json_form(body: &JsonTemplate) -> Value {
    match body {
        JsonTemplate::Text(template) => json!(["text", text(template)]),
        JsonTemplate::Value(placeholder) => json!(["value", placeholder.text()]),
        JsonTemplate::Literal(value) => json!(["literal", value]),
        JsonTemplate::List(values) => {
            json!(["list", values.iter().map(json_form).collect::<Vec<_>>()])
        }
        JsonTemplate::Object(members) => {
            let members = members.iter().map(|(name, value)| json!([name, json_form(value)]));
            json!(["object", members.collect::<Vec<_>>()])
        }
    }
}

/// Without the number of items on a page.
fn paging_form(paging: &Paging) -> Value {
    let mut form = Form::new();
    let by = match paging {
        Paging::Single => "single",
        Paging::Offset { limit: _, total, step } => {
            some(&mut form, "step", (*step == Step::Items).then(|| "items".into()));
            some(&mut form, "total", total.as_ref().map(said));
            "offset"
        }
        Paging::Page { first, last } => {
            some(&mut form, "first", (*first != 1).then(|| (*first).into()));
            match last {
                LastPage::Unknown => {}
                LastPage::Number(number) => some(&mut form, "last", Some((*number).into())),
                LastPage::Said(at) => some(&mut form, "last", Some(said(at))),
                LastPage::Total { size: _, total } => some(&mut form, "total", Some(said(total))),
            }
            "page"
        }
        Paging::Next(NextPage::Field(at)) => {
            form.insert("select", rule(at));
            "next"
        }
        Paging::Next(NextPage::LinkHeader) => {
            form.insert("link_header", true.into());
            "next"
        }
        Paging::Cursor(at) => {
            form.insert("select", rule(at));
            "cursor"
        }
        Paging::Sitemap => "sitemap",
        Paging::Keys(keys) => {
            form.insert("keys", (&*keys.origin()).into());
            "keys"
        }
    };
    form.insert("by", by.into());
    Value::from_iter(form)
}

fn said(said: &Said) -> Value {
    match said {
        Said::Field(at) => rule(at),
        Said::Header { name, regex } => {
            let mut form = Form::new();
            form.insert("header", (&**name).into());
            some(&mut form, "regex", regex.as_ref().map(|regex| regex.text().into()));
            Value::from_iter(form)
        }
    }
}

fn seeds_form(seeds: &Seeds) -> Value {
    match seeds {
        Seeds::Listed(seeds) => seeds.iter().map(|seed| Value::from(&**seed)).collect(),
        Seeds::Page(page) => {
            let SeedsPage { request, paging, more, marks: _, select } = &**page;
            let mut form = Form::new();
            form.insert("request", request_form(request));
            form.insert("paging", paging_form(paging));
            some(&mut form, "more", (!more).then(|| false.into()));
            form.insert("select", rule(select));
            Value::from_iter(form)
        }
    }
}
