//! The base URL of a site.

use url::Url;

/// Parses a base URL.
///
/// # Errors
/// Returns what is wrong, in words.
pub fn parse_base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{error}; write https://host"))?;
    // Characters that URLs allow in a host name but DNS does not, as in an unfilled variable.
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c);
    if url.domain().is_some_and(|name| name.contains(is_odd)) {
        return Err("its host is not a valid name; write https://host".to_owned());
    }
    match url.scheme() {
        "http" | "https" if url.query().is_none() && url.fragment().is_none() => Ok(url),
        "http" | "https" => Err("a base URL must not have a query or fragment".to_owned()),
        scheme => Err(format!("{scheme}: is neither http nor https")),
    }
}
