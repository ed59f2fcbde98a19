//! The table `[session]`.

use indexmap::IndexMap;
use serde::Deserialize;

use super::SaidTable;
use crate::site::written::{At, Pairs, Params, Short};

/// Login, and headers and cookies that requests to the site's own origin carry.
/// `{env:GLEANER_SECRET_NAME}` stands for a secret in `headers`, `query`, `form` and `json` of every
/// table.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionTable {
    /// URL of the login: a path below `base_url`, or an absolute URL.
    pub url: Option<At<String>>,
    /// Query parameters of the login; templates.
    #[serde(default)]
    pub query: Params,
    /// Method: GET, POST or PUT. Default: GET, or POST with `form` or `json`.
    pub method: Option<At<String>>,
    /// Form to send to the login as the body; values are templates.
    pub form: Option<Params>,
    /// JSON to send to the login as the body; its strings are templates.
    #[cfg_attr(test, schemars(with = "Option<serde_json::Value>"))]
    pub json: Option<At<toml::Value>>,
    /// Page to request before the login.
    pub page: Option<At<SessionPageTable>>,
    /// Values on the response to the login, by name: JSONPath, CSS or headers. `{name}` stands for
    /// them in `headers`. A login without one of them has failed.
    #[serde(default)]
    pub take: IndexMap<String, At<Short<SaidTable>>>,
    /// Headers of all other requests to the site's own origin; templates.
    #[serde(default)]
    pub headers: Pairs,
    /// Statuses that mean that the session has ended and a new login is needed. Default: 401.
    pub again: Option<Vec<At<u64>>>,
    /// Keep the cookies that the site's own origin sets. Default: false.
    #[serde(default)]
    pub cookies: bool,
}

/// A page to request before the login, for values such as a CSRF token.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SessionPageTable {
    /// URL of the page: a path below `base_url`, or an absolute URL.
    pub url: At<String>,
    /// Values on the page, by name: JSONPath, CSS or headers. `{name}` stands for them in the login
    /// and in `headers`.
    pub take: IndexMap<String, At<Short<SaidTable>>>,
}
