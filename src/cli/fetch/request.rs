//! Builds the request from the arguments.
//!
//! Values may be secrets, so errors do not quote them.

use std::io::Read;

use url::Url;

use super::FetchArgs;
use crate::cli::exit::Exit;
use crate::cli::usage::refused;
use crate::cli::values;
use crate::fetch::{Body, Method, Request};

const FORM: &str = "application/x-www-form-urlencoded";

/// Builds the request.
///
/// # Errors
/// Returns the exit code, after printing which argument is wrong.
pub fn of(arguments: &FetchArgs) -> Result<Request, Exit> {
    let mut url = values::url(&arguments.url).map_err(|error| refused("URL", &error))?;
    let params = pairs("--param", &arguments.param)?;
    if !params.is_empty() {
        url.query_pairs_mut().extend_pairs(params);
    }
    let body = body(arguments)?;
    let usual = if body.is_some() { Method::POST } else { Method::GET };
    let method = arguments.method.map_or(usual, Method::from);
    Ok(Request { method, body, ..Request::get(without_fragment(url)) })
}

/// Removes the fragment (`#…`): it is not sent, and the page is the same without it.
fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}

fn body(arguments: &FetchArgs) -> Result<Option<Body>, Exit> {
    if !arguments.form.is_empty() {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let text = form.extend_pairs(pairs("--form", &arguments.form)?).finish();
        return Ok(Some(Body { content_type: FORM, bytes: text.into() }));
    }
    if let Some(text) = &arguments.json {
        let bytes = contents("--json", text)?;
        serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).map_err(|error| {
            refused("--json", &format!("not valid JSON: {error}; use --data to send other bodies"))
        })?;
        return Ok(Some(Body { content_type: "application/json", bytes: bytes.into() }));
    }
    let Some(text) = &arguments.data else { return Ok(None) };
    Ok(Some(Body { content_type: FORM, bytes: contents("--data", text)?.into() }))
}

/// Returns the text, or the contents of the file (`@FILE`) or standard input (`@-`) that it names.
fn contents(flag: &str, text: &str) -> Result<Vec<u8>, Exit> {
    let Some(name) = text.strip_prefix('@') else { return Ok(text.as_bytes().to_vec()) };
    let read = if name == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(name)
    };
    let place = if name == "-" { "standard input" } else { name };
    read.map_err(|error| refused(flag, &format!("{place}: {error}")))
}

fn pairs(flag: &str, texts: &[String]) -> Result<Vec<(String, String)>, Exit> {
    let pair = |(at, text): (usize, &String)| {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            refused(flag, &format!("number {} is not in the form NAME=VALUE", at + 1))
        })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    texts.iter().enumerate().map(pair).collect()
}
