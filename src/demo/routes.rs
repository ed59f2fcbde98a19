//! Normal responses of the demo site: from a request and the catalog to a response. Pure, except
//! that it reads the catalog; knows no faults, clock or sockets.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_NONE_MATCH, LOCATION, VARY,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::catalog::{Catalog, Detail};

const BOOKS: &str = "/api/book";
const LIMIT: usize = 18;
const MOST: usize = 1000;

/// Optional features of the site.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    pub(super) etags: bool,
    pub(super) compress: bool,
}

/// Returns the response to a request.
pub(super) fn respond(catalog: &Catalog, request: &Parts, manners: Manners) -> Response<Bytes> {
    let response = route(catalog, request, manners.etags);
    if manners.compress && accepts_gzip(&request.headers) { compress(response) } else { response }
}

/// Returns a response with this status and a short JSON body that explains it.
pub(super) fn notice(status: StatusCode, detail: &str) -> Response<Bytes> {
    // Answers with these two statuses have no body (RFC 9110).
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return with_status(status, Response::new(Bytes::new()));
    }
    with_status(status, json(serde_json::json!({ "detail": detail }).to_string().into()))
}

/// Removes the rows of a list's body and keeps its count. Returns any other body unchanged.
pub(super) fn without_rows(body: Bytes) -> Bytes {
    let mut list: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    match list.get_mut("results") {
        Some(rows) => {
            *rows = serde_json::Value::Array(Vec::new());
            list.to_string().into()
        }
        None => body,
    }
}

fn route(catalog: &Catalog, request: &Parts, etags: bool) -> Response<Bytes> {
    if request.method != Method::GET && request.method != Method::HEAD {
        let detail = format!("Method \"{}\" not allowed.", request.method);
        let response = notice(StatusCode::METHOD_NOT_ALLOWED, &detail);
        return with(response, ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    let query = request.uri.query().unwrap_or_default();
    match request.uri.path().strip_prefix(BOOKS) {
        Some("/") => list(catalog, query),
        Some("") => to_slash(request),
        Some(rest) => match rest.strip_prefix('/').map(|id| (id, id.strip_suffix('/'))) {
            Some((_, Some(id))) if !id.contains('/') => detail(catalog, id, request, etags),
            Some((id, None)) if !id.contains('/') => to_slash(request),
            _ => not_found(),
        },
        None => not_found(),
    }
}

fn list(catalog: &Catalog, query: &str) -> Response<Bytes> {
    let limit = number(query, "limit").unwrap_or(LIMIT).clamp(1, MOST);
    let offset = number(query, "offset").unwrap_or(0);
    let mut body = format!("{{\"count\":{},\"results\":[", catalog.count()).into_bytes();
    body.reserve(limit.min(catalog.count()) * 300);
    for (place, row) in catalog.rows(offset, limit).enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&row);
    }
    body.extend_from_slice(b"]}");
    json(body.into())
}

fn detail(catalog: &Catalog, id: &str, request: &Parts, etags: bool) -> Response<Bytes> {
    let Some(Detail { body, tag }) = catalog.detail(id) else {
        return not_found();
    };
    let tag = etags.then(|| HeaderValue::try_from(format!("\"{tag}\"")).ok()).flatten();
    let Some(tag) = tag else { return json(body) };
    let response = if has_tag(&request.headers, &tag) {
        notice(StatusCode::NOT_MODIFIED, "")
    } else {
        json(body)
    };
    with(response, ETAG, tag)
}

/// Redirects to the path with a trailing slash, as Django does.
fn to_slash(request: &Parts) -> Response<Bytes> {
    let query = request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let response = with_status(StatusCode::MOVED_PERMANENTLY, Response::new(Bytes::new()));
    match HeaderValue::try_from(format!("{}/{query}", request.uri.path())) {
        Ok(location) => with(response, LOCATION, location),
        Err(_) => not_found(),
    }
}

fn not_found() -> Response<Bytes> {
    notice(StatusCode::NOT_FOUND, "Not found.")
}

fn json(body: Bytes) -> Response<Bytes> {
    with(Response::new(body), CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

fn with(mut response: Response<Bytes>, name: HeaderName, value: HeaderValue) -> Response<Bytes> {
    response.headers_mut().insert(name, value);
    response
}

fn with_status(status: StatusCode, mut response: Response<Bytes>) -> Response<Bytes> {
    *response.status_mut() = status;
    response
}

/// Returns the last value of that name, as Django does, or `None` if it is not a natural number.
fn number(query: &str, name: &str) -> Option<usize> {
    let pairs = query.rsplit('&').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(key, _)| *key == name)?.1.parse().ok()
}

/// Returns true if `If-None-Match` contains the tag. Compares weakly (RFC 9110).
fn has_tag(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').map(str::trim).any(|candidate| {
            candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == *tag
        })
    })
}

/// Returns true if the client accepts gzip with a quality above 0.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let quality = quality.trim().strip_prefix("q=").and_then(|it| it.parse().ok());
        name.trim() == "gzip" && quality.is_some_and(|quality: f32| quality > 0.0)
    })
}

fn compress(response: Response<Bytes>) -> Response<Bytes> {
    let (mut head, body) = response.into_parts();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(&body).and_then(|()| encoder.finish());
    let Some(packed) = packed.ok().filter(|packed| packed.len() < body.len()) else {
        return Response::from_parts(head, body);
    };
    // The tag is that of the plain body. For the compressed bytes it is only a weak one.
    if let Some(tag) = head.headers.get(ETAG).and_then(|tag| tag.to_str().ok())
        && let Ok(weak) = HeaderValue::try_from(format!("W/{tag}"))
    {
        head.headers.insert(ETAG, weak);
    }
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(head, Bytes::from(packed))
}
