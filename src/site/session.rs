//! Rules for sessions: the requests that log in, what to take from their responses, and the headers
//! that all other requests carry.

use url::Url;

use super::paging::Taken;
use super::request::{self, RequestError, RequestTemplate};
use super::template::{NamedValue, Template, Values};
use super::variable::Variable;
use crate::fetch::{HeaderMap, HeaderName, Request};
use crate::model::text::secret::Credentials;

/// Rules for the session of a site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Session {
    /// Requests that log in, in order; empty if no login is needed.
    pub steps: Vec<LoginStep>,
    pub(super) headers: Vec<(HeaderName, Template)>,
    /// Statuses that mean that the session has ended.
    pub again: Vec<u16>,
    /// True if cookies are kept.
    pub cookies: bool,
}

/// A request of a login.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginStep {
    pub(super) request: RequestTemplate,
    /// Values to take from its response. All of them are required.
    pub take: Vec<Taken>,
}

impl LoginStep {
    /// Returns the request, made with the values taken so far.
    ///
    /// # Errors
    /// Returns an error if template and values do not make a valid request.
    pub fn request(&self, base: &Url, values: &[NamedValue]) -> Result<Request, RequestError> {
        self.request.request(base, Values { named: values, ..Values::default() })
    }
}

impl Session {
    /// Returns the headers of requests to the site, except those made of values that are not taken
    /// yet.
    ///
    /// # Errors
    /// Returns an error for a value that a header cannot hold.
    pub fn headers(&self, values: &[NamedValue]) -> Result<HeaderMap, RequestError> {
        let values = Values { named: values, ..Values::default() };
        let filled = self.headers.iter().filter(|(_, template)| template.is_filled(values));
        request::headers(filled, values)
    }

    /// Returns the names of the headers of requests to the site.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// Returns the variables with secrets in its headers.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.headers.iter().flat_map(|(_, template)| template.variables())
    }

    pub(super) fn requests(&self) -> impl Iterator<Item = &RequestTemplate> {
        self.steps.iter().map(|step| &step.request)
    }

    /// Adds the secrets in its headers.
    pub(super) fn credentials(&self, into: &mut Credentials) {
        for (name, template) in &self.headers {
            into.header(name.as_str(), &template.to_string());
        }
        self.variables().filter_map(Variable::value).for_each(|value| into.secret(value));
    }
}
