//! Request templates: URL, headers and body of a page's request.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::value::RawValue;
use url::Url;

use super::template::{JsonTemplate, NamedValue, Placeholder, Template, Values};
use super::variable::Variable;
use super::{DetailRules, IndexRules, SeedsPage};
use crate::fetch::{Body, HeaderMap, HeaderName, HeaderValue, Home, Method, Purpose, Request};
use crate::model::task::IndexPage;
use crate::model::text::secret::Credentials;
use crate::select::text::plain;

/// Template for requests of one kind of pages.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestTemplate {
    /// Method.
    pub method: Method,
    /// URL, or `None` if pages have the URL.
    pub url: Option<Template>,
    /// Query parameters.
    pub query: Vec<(String, Template)>,
    /// Headers.
    pub headers: Vec<(HeaderName, Template)>,
    /// Body.
    pub body: Option<BodyTemplate>,
}

/// Template for the body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyTemplate {
    /// Form fields: names and values.
    Form(Vec<(String, Template)>),
    /// JSON.
    Json(JsonTemplate),
}

/// Reason why there is no request for a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The template and its values do not make a URL.
    #[error("`{0}` is not a URL: {1}")]
    Url(String, url::ParseError),
    /// A placeholder becomes `.` or `..`, which would change the path.
    #[error("`{0}` has a dot segment, which would change the path")]
    DotSegment(String),
    /// The value is not valid in a header.
    #[error("the value of the header {0} contains characters that a header cannot")]
    Header(HeaderName),
    /// A link leads to another host.
    #[error(
        "it is at {0}, which is not the site's own host; `hosts` in the site file allows others"
    )]
    Host(String),
    /// The list has no URL for the page.
    #[error("the list has no link to it")]
    NoLink,
    /// The list has no value for the item's request.
    #[error("the list has no value `{0}` for it, which its request needs")]
    NoValue(Arc<str>),
    /// A category has no value for a request.
    #[error("its category has no value `{0}`, which this request needs")]
    NoSeedValue(Arc<str>),
    /// Neither the list nor the item's page has the value for the request of a part.
    #[error("neither its list nor its page has the value `{0}`, which this request needs")]
    NoPartValue(Arc<str>),
    /// A value from the page before has no place in the request.
    #[error(
        "the page before it has the value `{0}`, and the request has no place for it: write {{{0}}} where it belongs, or select an object, which becomes parameters"
    )]
    Unused(Arc<str>),
}

impl RequestTemplate {
    /// Returns the template of a plain request for what a page links to.
    pub fn plain() -> RequestTemplate {
        let (query, headers) = (Vec::new(), Vec::new());
        RequestTemplate { method: Method::GET, url: None, query, headers, body: None }
    }

    /// Returns the request for the page with these values.
    ///
    /// # Errors
    /// Returns an error if the template and its values do not make a valid request.
    pub fn request(&self, base: &Url, values: Values<'_>) -> Result<Request, RequestError> {
        let Some(template) = &self.url else { return Err(RequestError::NoLink) };
        let text = template.encoded(values);
        if template.varies() && has_dot_segment(&text) {
            return Err(RequestError::DotSegment(text));
        }
        let mut url = if template.is_absolute() { parsed(&text)? } else { below(base, &text) };
        let query = pairs(&self.query, values);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        for (_, json) in values.named {
            merge(&mut url, json);
        }
        self.at(url, values)
    }

    /// Checks that each value by name is sent. Objects always are: as query parameters.
    ///
    /// # Errors
    /// Returns an error that names a value without a place.
    pub fn takes(&self, values: Values<'_>) -> Result<(), RequestError> {
        let is_sent = |(name, json): &&NamedValue| {
            json.starts_with('{') || self.has(&Placeholder::Named(name.clone()))
        };
        match values.named.iter().find(|value| !is_sent(value)) {
            Some((name, _)) => Err(RequestError::Unused(name.clone())),
            None => Ok(()),
        }
    }

    /// Returns the request for a page at `url`, which another page named. The URL is used
    /// unchanged: the template's query is not added.
    ///
    /// # Errors
    /// Returns an error if the URL is not valid, or leads to a host that `home` does not allow.
    pub fn request_at(
        &self,
        home: &Home,
        url: &str,
        values: Values<'_>,
    ) -> Result<Request, RequestError> {
        let url = Url::parse(url).map_err(|error| RequestError::Url(url.to_owned(), error))?;
        let url = home.upgraded(url);
        if !home.allows(&url) {
            return Err(RequestError::Host(crate::model::text::secret::shown(&url)));
        }
        if !home.is_own(&url) {
            // Headers and credentials are for the site only, not for other hosts.
            return Ok(Request::get(url));
        }
        self.at(home.with_credentials(url), values)
    }

    /// Returns true if headers or the body contain this placeholder.
    pub fn has_beyond_url(&self, placeholder: &Placeholder) -> bool {
        self.headers.iter().any(|(_, header)| header.has(placeholder))
            || match &self.body {
                None => false,
                Some(BodyTemplate::Form(form)) => form.iter().any(|(_, it)| it.has(placeholder)),
                Some(BodyTemplate::Json(json)) => json.has(placeholder),
            }
    }

    /// Returns true if the template contains this placeholder anywhere.
    pub fn has(&self, placeholder: &Placeholder) -> bool {
        self.url.as_ref().is_some_and(|url| url.asks_for(placeholder))
            || self.query.iter().any(|(_, it)| it.has(placeholder))
            || self.has_beyond_url(placeholder)
    }

    /// Returns true if all its URLs are below the site's base URL.
    pub fn is_below_base(&self) -> bool {
        self.url.as_ref().is_some_and(|template| !template.is_absolute())
    }

    /// Returns the host that the URL template names, or `None` if it names none.
    pub fn host(&self) -> Option<Box<str>> {
        let template = self.url.as_ref().filter(|template| template.is_absolute())?;
        if template.varies_in_host() {
            return None;
        }
        let url = Url::parse(&template.plain(Values::default())).ok()?;
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Some(format!("{}{port}", url.host_str()?).into())
    }

    fn at(&self, url: Url, values: Values<'_>) -> Result<Request, RequestError> {
        let headers = headers(&self.headers, values)?;
        let body = self.body.as_ref().map(|body| body.render(values));
        let (method, purpose) = (self.method.clone(), Purpose::default());
        Ok(Request { method, url, headers, body, purpose })
    }
}

impl RequestTemplate {
    /// Adds the credentials in it, which are recognized by the names of headers and parameters.
    pub fn credentials(&self, into: &mut Credentials) {
        for (name, value) in &self.headers {
            into.header(name.as_str(), &value.to_string());
        }
        let form = match &self.body {
            Some(BodyTemplate::Form(form)) => form.as_slice(),
            _ => &[],
        };
        for (name, value) in self.query.iter().chain(form) {
            into.parameter(name, &value.to_string());
        }
        if let Some(url) = &self.url {
            into.url(&url.to_string());
        }
        self.variables().filter_map(Variable::value).for_each(|value| into.secret(value));
    }

    /// Returns the variables with secrets in it.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        let (form, json) = match &self.body {
            Some(BodyTemplate::Form(form)) => (form.as_slice(), None),
            Some(BodyTemplate::Json(json)) => (&[][..], Some(json)),
            None => (&[][..], None),
        };
        let headers = self.headers.iter().map(|(_, template)| template);
        let pairs = self.query.iter().chain(form).map(|(_, template)| template);
        let of_json = json.into_iter().flat_map(JsonTemplate::variables);
        headers.chain(pairs).flat_map(Template::variables).chain(of_json)
    }
}

impl IndexRules {
    /// Returns the request template for a page of the list.
    pub(super) fn request_of(&self, page: &IndexPage) -> &RequestTemplate {
        let is_first = page.number == 1 && page.place.is_none();
        let other = if is_first { &self.first } else { &self.later };
        other.as_deref().unwrap_or(&self.request)
    }

    /// Returns all request templates.
    pub(super) fn requests(&self) -> impl Iterator<Item = &RequestTemplate> {
        let others = [self.first.as_deref(), self.later.as_deref()];
        std::iter::once(&self.request).chain(others.into_iter().flatten())
    }

    /// Returns true if requests contain the number of items per page.
    pub fn takes_page_size(&self) -> bool {
        self.paging.limit().is_some() && self.request.has(&Placeholder::Limit)
    }

    /// Returns the URL template as written, or `None` if there is none.
    pub fn url(&self) -> Option<String> {
        self.request.url.as_ref().map(ToString::to_string)
    }
}

impl SeedsPage {
    /// Returns the URL template as written, or `None` if there is none.
    pub fn url(&self) -> Option<String> {
        self.request.url.as_ref().map(ToString::to_string)
    }
}

impl DetailRules {
    /// Returns the URL template as written, or `None` if the list has the URL.
    pub fn url(&self) -> Option<String> {
        self.request.url.as_ref().map(ToString::to_string)
    }
}

impl BodyTemplate {
    fn render(&self, values: Values<'_>) -> Body {
        match self {
            BodyTemplate::Form(form) => {
                let mut text = url::form_urlencoded::Serializer::new(String::new());
                let text = text.extend_pairs(pairs(form, values)).finish();
                Body { content_type: "application/x-www-form-urlencoded", bytes: text.into() }
            }
            BodyTemplate::Json(json) => {
                let text = json.render(values).to_string();
                Body { content_type: "application/json", bytes: text.into() }
            }
        }
    }
}

/// Returns headers, without those that are empty because their placeholder is, or that lack a value.
///
/// # Errors
/// Returns an error for a value that a header cannot hold.
pub fn headers<'t>(
    templates: impl IntoIterator<Item = &'t (HeaderName, Template)>,
    values: Values<'_>,
) -> Result<HeaderMap, RequestError> {
    let mut headers = HeaderMap::new();
    for (name, template) in templates {
        let text = template.plain(values);
        if text.is_empty() && template.varies() || !template.is_filled(values) {
            continue;
        }
        let value = HeaderValue::from_str(&text);
        let mut value = value.map_err(|_| RequestError::Header(name.clone()))?;
        value.set_sensitive(true);
        headers.append(name.clone(), value);
    }
    Ok(headers)
}

/// Returns names and values, without those that are empty because their placeholder is, or that lack a
/// value.
fn pairs<'t>(templates: &'t [(String, Template)], values: Values<'_>) -> Vec<(&'t String, String)> {
    let there = templates.iter().filter(|(_, template)| template.is_filled(values));
    let rendered = there.map(|(name, value)| (name, value, value.plain(values)));
    rendered
        .filter(|(_, template, text)| !text.is_empty() || !template.varies())
        .map(|(name, _, text)| (name, text))
        .collect()
}

/// Sets the members of a JSON object as query parameters, in place of those with the same names.
/// Other values change nothing.
fn merge(url: &mut Url, json: &str) {
    let Ok(members) = serde_json::from_str::<IndexMap<String, &RawValue>>(json) else { return };
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(name, _)| !members.contains_key(name)).collect();
    let set = members.into_iter().filter_map(|(name, it)| Some((name, plain(it.get())?.into())));
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(set.collect::<Vec<(_, String)>>());
}

/// Joins a path of the site file to `base`. Does not parse the result again, which was a twelfth of
/// the cost of a page.
fn below(base: &Url, path: &str) -> Url {
    let path = path.trim_end_matches(|end: char| end <= ' ');
    let (path, fragment) = parts(path, '#');
    let (path, query) = parts(path, '?');
    let (above, path) = (base.path().trim_end_matches('/'), path.trim_start_matches('/'));
    let mut url = base.clone();
    url.set_path(&format!("{above}/{path}"));
    url.set_query(query);
    url.set_fragment(fragment);
    url
}

/// Splits a text at a mark. Returns `None` for the second part if there is no mark.
fn parts(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(before, after)| (before, Some(after)))
}

fn parsed(url: &str) -> Result<Url, RequestError> {
    Url::parse(url).map_err(|error| RequestError::Url(url.to_owned(), error))
}

/// Returns true if a segment of the path is `.` or `..`.
fn has_dot_segment(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    path.contains('.') && path.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_below_the_base_is_what_both_together_are_as_a_url() {
        let bases = ["http://me:pw@h:81", "https://h/", "https://h/a/b", "http://[::1]/a//"];
        let paths = [
            "",
            "/",
            "x",
            "/api/book/7/",
            "//x/y",
            "/x?a=1&b=%20#f",
            "?a=b",
            "#f",
            "/a b/é?ü=ä'\"#ö",
            "/\\x/y",
            "/\t/x",
            "/%2e/%2F/%zz",
            "x ",
            "/x;p=1,2/@:y",
            "/?http://o/",
            "/a?b?c#d#e",
            "\n//x",
        ];
        for (base, path) in bases.iter().flat_map(|base| paths.map(|path| (base, path))) {
            let text = format!("{}/{}", base.trim_end_matches('/'), path.trim_start_matches('/'));
            let base = Url::parse(base).unwrap();
            assert_eq!(
                below(&base, path).as_str(),
                Url::parse(&text).unwrap().as_str(),
                "{path:?}"
            );
        }
    }
}
