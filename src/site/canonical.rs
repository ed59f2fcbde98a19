//! The canonical form of a site file, from which digests are computed.
//!
//! The form has its own names and values, so the same site file gives the same text even if the
//! types change. Absent keys and defaults are left out, so a key that is added later changes
//! nothing for files without it. Each struct is destructured member by member: whoever adds a
//! member must decide here whether it affects documents (`rules`), the sweep (`definition`) or
//! neither.
//!
//! Golden tests pin the digests. A changed digest makes every user fetch all documents again. So a
//! change of the form needs a new [`FORMAT`] and a way to accept documents with the previous number
//! ([`takes_over`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Site;
use super::levels::Levels;
use super::paging::{Handover, LastPage, NextPage, Paging, Said, Step, Taken};
use super::request::{BodyTemplate, RequestTemplate};
use super::rules::{
    DetailRules, Further, IndexRules, ItemRules, Keep, KeyRule, PartRules, Reading, SeedNames,
    Seeds, SeedsPage, Within,
};
use super::session::{LoginStep, Session};
use super::settings::OwnSettings;
use super::template::{JsonTemplate, Template};
use crate::model::document::Digest;
use crate::select::field::{From, Kind, Notation};
use crate::select::{COMMA, FieldRule, Finds, Format, Select, Selector, Step as SelectStep, Steps};

/// Version of the form. 1 was the `Debug` output of version 0.1.0.
const FORMAT: u32 = 2;
/// Version of reading HTML pages. 1 was that of 0.1.0, which decoded them differently.
const HTML_READING: u32 = 2;

/// Returns the digest of the rules that determine the documents. If it changes, all documents are
/// fetched again.
pub fn rules(site: &Site) -> String {
    digest(&Value::from_iter(rules_form(site)))
}

/// Returns the digest of what is crawled. If it changes, a new sweep starts.
pub fn definition(site: &Site) -> String {
    digest(&definition_form(site))
}

pub(super) fn definition_form(site: &Site) -> Value {
    let Site {
        base_url,
        collection,
        seeds,
        index:
            IndexRules {
                request,
                first,
                later,
                since,
                paging,
                goes_on,
                more,
                merge,
                require,
                total_exact: _,
                reading: _,
                marks: _,
                most_pages: _,
                items: _,
            },
        detail,
        ignore,
        name: _,
        description: _,
        hosts: _,
        own:
            OwnSettings {
                session,
                expect: _,
                schedule: _,
                workers: _,
                rate: _,
                robots: _,
                user_agents: _,
                missing: _,
            },
        statuses: _,
        descends: _,
    } = site;
    let mut form = Form::new();
    form.insert("base_url", base_url.as_str().into());
    form.insert("collection", (&**collection).into());
    some(&mut form, "seeds", levels_form(seeds));
    some(&mut form, "session", session.as_ref().map(session_form));
    form.insert("request", request_form(request));
    form.insert("paging", paging_form(paging));
    some(&mut form, "first", first.as_deref().map(request_form));
    some(&mut form, "later", later.as_deref().map(request_form));
    some(&mut form, "since", since.as_ref().map(|since| (&*since.format).into()));
    some(&mut form, "while", goes_on.as_ref().map(rule));
    some(&mut form, "more", (!more).then(|| false.into()));
    some(&mut form, "merge", merge.then(|| true.into()));
    list(&mut form, "require", require.iter().map(select));
    let detail = detail.iter().flat_map(|detail| &detail.require);
    list(&mut form, "detail_require", detail.map(select));
    let parts = site.detail.iter().flat_map(|detail| &detail.further.parts);
    list(&mut form, "parts_require", parts.flat_map(|part| &part.require).map(select));
    list(&mut form, "ignore", ignore.iter().map(Selector::text).map(Value::from));
    form.insert("rules", Value::from_iter(rules_form(site)));
    Value::from_iter(form)
}

/// Returns true if documents with rules in the previous form count as made by these rules. Digests
/// of different forms cannot be compared, so this is assumed once, and an upgrade fetches nothing
/// again. It is not assumed for documents made from HTML pages, which are now read differently.
pub fn takes_over(site: &Site) -> bool {
    let reads_html = |format: Format| format == Format::Html;
    !(site.detail.as_ref().is_some_and(|it| reads_html(it.reading.format))
        || items_are_html(&site.index))
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
    let IndexRules { reading, items, .. } = &site.index;
    form.insert("items", items_form(items));
    within(&mut form, reading);
    if let Some(detail) = &site.detail {
        let DetailRules {
            request,
            values: _,
            reading,
            document,
            fields,
            further,
            require: _,
            marks: _,
            revision: _,
        } = detail;
        let mut page = Form::new();
        page.insert("request", request_form(request));
        if reading.format == Format::Html {
            page.insert("html", true.into());
        }
        within(&mut page, reading);
        some(&mut page, "document", document.as_ref().map(document_form));
        list(&mut page, "fields", fields.iter().map(field));
        further_form(&mut page, further);
        form.insert("detail", Value::from_iter(page));
    }
    if !takes_over(site) {
        form.insert("reading", HTML_READING.into());
    }
    form
}

/// Adds the further requests of an item.
fn further_form(form: &mut Form, further: &Further) {
    let Further { next, most_pages: _, values, parts, files } = further;
    some(form, "next", next.as_ref().map(paging_form));
    list(form, "values", values.iter().map(|(name, it)| json!([&**name, rule(it)])));
    list(form, "parts", parts.iter().map(part_form));
    // The media type that is expected does not change what is stored.
    list(form, "files", files.iter().map(|(name, it)| json!([&**name, rule(&it.url)])));
}

fn part_form(part: &PartRules) -> Value {
    let PartRules { name, request, reading, paging, goes_on, more, items, fields, .. } = part;
    // The values are in the request; what is refused does not change what is stored.
    let PartRules { values: _, require: _, marks: _, may_be_missing: _, .. } = part;
    let mut form = Form::new();
    form.insert("name", (&**name).into());
    form.insert("request", request_form(request));
    form.insert("paging", paging_form(paging));
    within(&mut form, reading);
    some(&mut form, "while", goes_on.as_ref().map(rule));
    some(&mut form, "more", (!more).then(|| false.into()));
    form.insert("items", select(items));
    list(&mut form, "fields", fields.iter().map(field));
    Value::from_iter(form)
}

/// Returns the form of the selector of a document: a JSONPath is its text alone.
fn document_form(document: &Select) -> Value {
    match document {
        Select::Json(selector) => selector.text().into(),
        other => select(other),
    }
}

/// Returns true if the parts kept from the list are read from HTML.
fn items_are_html(index: &IndexRules) -> bool {
    let ItemRules::Selected { items, keep, .. } = &index.items else { return false };
    items.reads().are_elements() && *keep != Keep::Nothing
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
        ItemRules::Selected { items, columns, key, link, revision, values, keep } => {
            list(&mut form, "values", values.iter().map(|(name, it)| json!([&**name, rule(it)])));
            form.insert("items", select(items));
            some(&mut form, "columns", columns.as_ref().map(select));
            form.insert("key", key_form(key));
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

fn key_form(key: &KeyRule) -> Value {
    match key.only() {
        Some(only) => rule(only),
        None => {
            json!({ "join": key.parts.iter().map(rule).collect::<Vec<_>>(), "with": &*key.with })
        }
    }
}

fn field((name, value): &(Box<str>, FieldRule)) -> Value {
    json!([name, rule(value)])
}

fn rule(rule: &FieldRule) -> Value {
    let FieldRule { select: at, regex, kind, many, required, trim, .. } = rule;
    let FieldRule { all, notation, fields, from, path, default, .. } = rule;
    let Notation { format, decimal } = notation;
    let mut form = Form::new();
    form.insert("select", select(at));
    some(&mut form, "regex", regex.as_ref().map(|regex| regex.text().into()));
    let kind = kind.map(|kind| match kind {
        Kind::Text => "text",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Bool => "bool",
        Kind::Json => "json",
        Kind::Url => "url",
        Kind::Date => "date",
    });
    some(&mut form, "as", kind.map(Value::from));
    for (name, is, usual) in
        [("many", many, false), ("required", required, false), ("trim", trim, true)]
    {
        some(&mut form, name, (*is != usual).then(|| (*is).into()));
    }
    some(&mut form, "all", all.then(|| true.into()));
    some(&mut form, "format", format.as_deref().map(Value::from));
    some(&mut form, "decimal", decimal.map(|mark| mark.to_string().into()));
    list(&mut form, "fields", fields.iter().map(field));
    let from = match from {
        From::Item => None,
        From::Page => Some("page".into()),
        From::Parent => Some("parent".into()),
        From::Seed => Some("seed".into()),
        From::Level(level) => Some(json!({ "seed": *level })),
        From::SeedValue(name) => Some(json!({ "seed": &**name })),
        From::Name => Some("name".into()),
        From::Header(header) => Some(json!({ "header": &**header })),
    };
    some(&mut form, "from", from);
    some(&mut form, "path", path.as_deref().map(Value::from));
    some(&mut form, "default", default.as_deref().map(Value::from));
    Value::from_iter(form)
}

fn select(select: &Select) -> Value {
    match select {
        Select::Json(selector) => json!({ "json": selector.text() }),
        Select::Css(selector) => json!({ "css": selector.text() }),
        Select::Steps(steps) => steps_form(steps),
    }
}

fn steps_form(steps: &Steps) -> Value {
    let step = |step: &SelectStep| match step {
        SelectStep::Json(selector) => json!({ "json": selector.text() }),
        SelectStep::Css(selector) => json!({ "css": selector.text() }),
        SelectStep::Regex(pattern) => json!({ "regex": pattern.text() }),
        SelectStep::Read(Finds::Values) => json!("json"),
        SelectStep::Read(Finds::Nodes) => json!("xml"),
        SelectStep::Read(_) => json!("html"),
    };
    json!({ "steps": steps.steps().iter().map(step).collect::<Vec<_>>() })
}

/// Adds how a page is read, where that is neither JSON nor HTML as a whole.
fn within(form: &mut Form, reading: &Reading) {
    let Reading { format, delimiter, within } = reading;
    // JSON and HTML show in the selectors.
    let format = match format {
        Format::Json | Format::Html => None,
        Format::Xml => Some("xml"),
        Format::Csv => Some("csv"),
        Format::Jsonl => Some("jsonl"),
    };
    some(form, "format", format.map(Value::from));
    some(form, "delimiter", (*delimiter != COMMA).then(|| (*delimiter).into()));
    let select = within.as_deref().map(|Within { select, marks: _ }| steps_form(select));
    some(form, "within", select);
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

/// Returns the form of a JSON body. Each array begins with a kind, so that no text can look like a
/// value of another kind.
fn json_form(body: &JsonTemplate) -> Value {
    match body {
        JsonTemplate::Text(template) => json!(["text", text(template)]),
        JsonTemplate::Value(placeholder) => json!(["value", placeholder.text()]),
        JsonTemplate::Number(placeholder) => json!(["number", placeholder.text()]),
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

/// Returns the form of a paging, without the number of items per page.
fn paging_form(paging: &Paging) -> Value {
    let mut form = Form::new();
    let by = match paging {
        Paging::Single => "single",
        Paging::Offset { first, limit: _, total, step } => {
            some(&mut form, "first", (*first != 0).then(|| (*first).into()));
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
                LastPage::Pages(at) => some(&mut form, "pages", Some(said(at))),
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
        Paging::Cursor(handover) => {
            let Handover { take, start, is_cursor: _ } = handover;
            match handover.rule() {
                Some(at) => some(&mut form, "select", Some(rule(at))),
                None => list(&mut form, "take", take.iter().map(taken)),
            }
            list(&mut form, "start", start.iter().map(|(it, json)| json!([&**it, json])));
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

fn taken(taken: &Taken) -> Value {
    json!([&*taken.name, said(&taken.from)])
}

/// Returns the form of a session. It has the names of variables, never their values.
fn session_form(session: &Session) -> Value {
    let Session { steps, headers, again: _, cookies } = session;
    let step = |LoginStep { request, take }: &LoginStep| {
        json!([request_form(request), take.iter().map(taken).collect::<Vec<_>>()])
    };
    let mut form = Form::new();
    list(&mut form, "steps", steps.iter().map(step));
    list(&mut form, "headers", headers.iter().map(|(name, it)| json!([name.as_str(), text(it)])));
    some(&mut form, "cookies", cookies.then(|| true.into()));
    Value::from_iter(form)
}

/// Returns the form of categories, or `None` if there are none. One level is that level alone.
fn levels_form(Levels(levels): &Levels) -> Option<Value> {
    match levels.as_slice() {
        [] => None,
        [only] => Some(seeds_form(only)),
        several => Some(json!({ "levels": several.iter().map(seeds_form).collect::<Vec<_>>() })),
    }
}

fn seeds_form(seeds: &Seeds) -> Value {
    match seeds {
        Seeds::Listed(seeds) => seeds.iter().map(|seed| Value::from(&**seed)).collect(),
        Seeds::Range(range) => {
            let (range, step) = range.written();
            json!({ "range": range, "step": step })
        }
        Seeds::Items { site, changed: None } => json!({ "site": &**site }),
        Seeds::Items { site, changed: Some(_) } => json!({ "site": &**site, "changed": true }),
        Seeds::Page(page) => {
            let SeedsPage { request, reading, paging, goes_on, more, marks: _, names } = &**page;
            let mut form = Form::new();
            form.insert("request", request_form(request));
            form.insert("paging", paging_form(paging));
            some(&mut form, "while", goes_on.as_ref().map(rule));
            some(&mut form, "more", (!more).then(|| false.into()));
            match names {
                SeedNames::Texts(of) => form.insert("select", rule(of)),
                SeedNames::Entries { select: of, key, values } => {
                    form.insert("key", rule(key));
                    let value = |(name, it): &(Arc<str>, FieldRule)| json!([&**name, rule(it)]);
                    list(&mut form, "values", values.iter().map(value));
                    form.insert("select", select(of))
                }
            };
            within(&mut form, reading);
            Value::from_iter(form)
        }
    }
}
