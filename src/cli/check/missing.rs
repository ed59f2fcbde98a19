//! Items whose pages cannot be had, in words.

use crate::site::RequestError;

/// A listed item whose page is not there.
pub struct Missing {
    /// Its key.
    pub key: String,
    /// Answer of its page, as a part of a sentence.
    pub saw: String,
    /// Why the site file may be wrong, unless it names such pages itself.
    pub why: Option<String>,
}

impl Missing {
    /// Returns what to say of the item.
    pub fn warning(&self) -> String {
        let Missing { key, saw, .. } = self;
        format!("item {key} is listed, but {saw}; a crawl counts it as missing")
    }
}

/// Explains why an item cannot be requested.
pub fn cannot_be_asked(key: &str, error: &RequestError) -> String {
    let hint = match error {
        RequestError::Host(url) => to_allow(url),
        _ => String::new(),
    };
    format!("item {key} cannot be requested: {error}{hint}")
}

/// Returns a hint for allowing the host of `url` in the site file.
pub fn to_allow(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else { return String::new() };
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let host = url.host_str().unwrap_or_default();
    format!("; write `hosts = [\"{host}{port}\"]`")
}
