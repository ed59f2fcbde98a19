//! Requests: the keys shared by `[session]`, `[seeds]`, `[index]` and `[detail]`.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::super::file::{
    DetailTable, IndexTable, NextTable, PartTable, SeedsTable, SessionPageTable, SessionTable,
};
use super::super::request::{BodyTemplate, RequestTemplate};
use super::super::template::{JsonTemplate, Placeholder, Template};
use super::super::written::{At, Pairs, Params, Scalar, Scalars};
use super::{Wrong, wrong};
use crate::fetch::{HeaderName, HeaderValue, Method};

/// Keys of a table that describe its request.
pub struct Asked<'f> {
    table: Cow<'f, str>,
    url: Option<&'f At<String>>,
    query: &'f Params,
    method: Option<&'f At<String>>,
    headers: &'f Pairs,
    form: Option<&'f Params>,
    json: Option<&'f At<toml::Value>>,
}

/// Takes the keys of a request from a table that also has other keys.
macro_rules! asked {
    ($name:expr, $table:expr) => {
        Asked {
            table: $name.into(),
            url: $table.url.as_ref(),
            query: &$table.query,
            method: $table.method.as_ref(),
            headers: &$table.headers,
            form: $table.form.as_ref(),
            json: $table.json.as_ref(),
        }
    };
}

impl<'f> Asked<'f> {
    /// Returns the keys of a level of `[[seeds]]`, the table with this name.
    pub fn seeds(name: &'f str, table: &'f SeedsTable) -> Asked<'f> {
        asked!(name, table)
    }

    /// Returns the keys of `[index]`.
    pub fn index(table: &'f IndexTable) -> Asked<'f> {
        asked!("index", table)
    }

    /// Returns the keys of `[index.next]`, and those of `[index]` that it does not set.
    pub fn next(index: &'f IndexTable, table: &'f NextTable) -> Asked<'f> {
        let has_body = table.form.is_some() || table.json.is_some();
        let other =
            |own: Option<&'f Params>, of_index| own.or(if has_body { None } else { of_index });
        Asked {
            table: "index.next".into(),
            url: table.url.as_ref().or(index.url.as_ref()),
            query: table.query.as_ref().unwrap_or(&index.query),
            method: table.method.as_ref().or(index.method.as_ref()),
            headers: &index.headers,
            form: other(table.form.as_ref(), index.form.as_ref()),
            json: table.json.as_ref().or(if has_body { None } else { index.json.as_ref() }),
        }
    }

    /// Returns the keys with another URL.
    pub fn at(self, url: &'f At<String>) -> Asked<'f> {
        Asked { url: Some(url), ..self }
    }

    /// Returns the keys of `[detail]`.
    pub fn detail(table: &'f DetailTable) -> Asked<'f> {
        asked!("detail", table)
    }

    /// Returns the keys of a part, the table with this name.
    pub fn part(name: &'f str, table: &'f PartTable) -> Asked<'f> {
        asked!(name, table)
    }

    /// Returns the keys of `[session]`. Its headers are those of other requests.
    pub fn session(table: &'f SessionTable) -> Asked<'f> {
        asked!("session", table)
    }

    /// Returns the keys of `[session.page]`. `none` and `no_headers` are empty.
    pub fn session_page(
        table: &'f SessionPageTable,
        none: &'f Params,
        no_headers: &'f Pairs,
    ) -> Asked<'f> {
        Asked {
            table: "session.page".into(),
            url: Some(&table.url),
            query: none,
            method: None,
            headers: no_headers,
            form: None,
            json: None,
        }
    }

    /// Returns the keys with other headers.
    pub fn with_headers(self, headers: &'f Pairs) -> Asked<'f> {
        Asked { headers, ..self }
    }

    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.table)
    }
}

/// Builds a request template, which may contain only the `allowed` placeholders.
pub fn build(asked: &Asked<'_>, allowed: &[Placeholder]) -> Result<RequestTemplate, Wrong> {
    let body = match (asked.form, asked.json) {
        (None, None) => None,
        (Some(form), None) => {
            Some(BodyTemplate::Form(templates(&asked.key("form"), form, allowed)?))
        }
        (None, Some(json)) => Some(BodyTemplate::Json(json_template(asked, json, allowed)?)),
        (Some(_), Some(json)) => {
            return Err(wrong(json, &asked.key("json"), "not valid together with `form`"));
        }
    };
    let url = asked.url.map(|url| {
        let template = template(&asked.key("url"), url, &url.value, allowed)?;
        if template.is_absolute() && template.varies_in_host() {
            let message = "a placeholder must not be part of the host: write a `/` after the host";
            return Err(wrong(url, &asked.key("url"), message));
        }
        let scheme = url.value.split_once("://").map(|(scheme, _)| scheme);
        match scheme.filter(|_| template.is_absolute()) {
            Some("http" | "https") | None => Ok(template),
            Some(scheme) => {
                let message = format!("{scheme}: is neither http nor https");
                Err(wrong(url, &asked.key("url"), message))
            }
        }
    });
    Ok(RequestTemplate {
        method: method(asked, body.is_some())?,
        url: url.transpose()?,
        query: templates(&asked.key("query"), asked.query, allowed)?,
        headers: headers(asked, allowed)?,
        body,
    })
}

/// Parses the URL template at `key`.
fn template<T>(
    key: &str,
    at: &At<T>,
    text: &str,
    allowed: &[Placeholder],
) -> Result<Template, Wrong> {
    Template::parse(text, allowed).map_err(|error| wrong(at, key, error.to_string()))
}

/// Parses the template of a query, header or form value at `key`.
fn text_template(key: &str, text: &At<Scalar>, allowed: &[Placeholder]) -> Result<Template, Wrong> {
    let parsed = Template::parse_text(&text.value.0, allowed);
    parsed.map_err(|error| wrong(text, key, error.to_string()))
}

/// Converts a TOML value to JSON, with dates as texts. Returns `None` if it contains a number that
/// JSON does not have.
pub fn to_json(value: &toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => text.as_str().into(),
        toml::Value::Integer(number) => (*number).into(),
        toml::Value::Float(number) => Number::from_f64(*number)?.into(),
        toml::Value::Boolean(flag) => (*flag).into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(list) => Value::Array(list.iter().map(to_json).collect::<Option<_>>()?),
        toml::Value::Table(table) => {
            let members = table.iter().map(|(name, value)| Some((name.clone(), to_json(value)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
    })
}

/// Returns the first key of a request that is present, except those in `but`, as an error without a
/// message. Called for tables that make no request.
pub fn first_used(asked: &Asked<'_>, but: &[&str]) -> Option<Wrong> {
    let first = |pairs: &Params| pairs.values().next().map(|text| text.at);
    let there = [
        ("url", asked.url.map(|url| url.at)),
        ("query", first(asked.query)),
        ("method", asked.method.map(|method| method.at)),
        ("headers", asked.headers.values().next().map(|text| text.at)),
        ("form", asked.form.and_then(first)),
        ("json", asked.json.map(|json| json.at)),
    ];
    let (name, at) = there.into_iter().find(|(name, at)| at.is_some() && !but.contains(name))?;
    Some(Wrong { at, key: asked.key(name), message: String::new() })
}

fn method(asked: &Asked<'_>, has_body: bool) -> Result<Method, Wrong> {
    let Some(written) = asked.method else {
        return Ok(if has_body { Method::POST } else { Method::GET });
    };
    match written.value.as_str() {
        "GET" if has_body => {
            let message = "GET has no body: remove `form` and `json`, or set POST";
            Err(wrong(written, &asked.key("method"), message))
        }
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        other => {
            let message = format!("`{other}` is not supported; use GET, POST or PUT");
            Err(wrong(written, &asked.key("method"), message))
        }
    }
}

fn templates(
    key: &str,
    pairs: &Params,
    allowed: &[Placeholder],
) -> Result<Vec<(String, Template)>, Wrong> {
    let all = pairs.iter().flat_map(|(name, At { at, value: Scalars(texts) })| {
        texts.iter().map(move |text| (name, At { at: *at, value: text.clone() }))
    });
    all.map(|(name, text)| {
        Ok((name.clone(), text_template(&format!("{key}.{name}"), &text, allowed)?))
    })
    .collect()
}

/// Builds the templates of headers.
pub fn headers(
    asked: &Asked<'_>,
    allowed: &[Placeholder],
) -> Result<Vec<(HeaderName, Template)>, Wrong> {
    let header = |(name, text): (&String, &At<Scalar>)| {
        let key = asked.key(&format!("headers.{name}"));
        let parsed: HeaderName =
            name.parse().map_err(|_| wrong(text, &key, "not a valid header name"))?;
        if HeaderValue::from_str(&text.value.0).is_err() {
            return Err(wrong(text, &key, "the value contains characters that a header cannot"));
        }
        Ok((parsed, text_template(&key, text, allowed)?))
    };
    asked.headers.iter().map(header).collect()
}

fn json_template(
    asked: &Asked<'_>,
    json: &At<toml::Value>,
    allowed: &[Placeholder],
) -> Result<JsonTemplate, Wrong> {
    let key = asked.key("json");
    let value = to_json(&json.value).ok_or_else(|| {
        wrong(json, &key, "a number that is infinite or not a number cannot be sent as JSON")
    })?;
    JsonTemplate::parse(value, allowed).map_err(|error| wrong(json, &key, error.to_string()))
}
