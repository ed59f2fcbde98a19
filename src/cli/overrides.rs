//! Arguments that override the site file (collection, base URL, page size), and the store's URL.
//! Errors are printed for the user.

use super::exit::Exit;
use super::streams::print_message;
use super::usage::wrong;
use crate::model::text::secret::Secret;
use crate::site::{Site, parse_base_url};
use crate::store::{StoreUrl, is_valid_name};

/// Parses the URL of the store.
///
/// # Errors
/// Returns the exit code, after printing why the URL is wrong.
pub fn store_url(text: &str) -> Result<StoreUrl, Exit> {
    store_url_of("--store", "GLEANER_STORE", text)
}

/// Parses the URL of a store that this argument names.
///
/// # Errors
/// Returns the exit code, after printing why the URL is wrong.
pub fn store_url_of(flag: &str, variable: &str, text: &str) -> Result<StoreUrl, Exit> {
    text.parse().map_err(|error| {
        wrong(flag, variable, &format!("{error}; the value is {}", Secret::new(text)))
    })
}

/// Returns `site` if all variables that its file names are set: commands that make requests need
/// them.
///
/// # Errors
/// Returns the exit code, after printing which variable is not set.
pub fn with_secrets(site: Site) -> Result<Site, Exit> {
    match site.has_secrets() {
        Ok(()) => Ok(site),
        Err(error) => {
            print_message(&format!("error: {error}\n"));
            Err(Exit::Usage)
        }
    }
}

/// Returns `site` with the given collection, or unchanged if `name` is `None`.
///
/// # Errors
/// Returns the exit code, after printing why the name is not valid.
pub fn in_collection(site: Site, name: Option<&str>) -> Result<Site, Exit> {
    let Some(name) = name else { return Ok(site) };
    if !is_valid_name(name) {
        let message = format!(
            "`{name}` is not a valid collection name: use letters, digits, _ and -, and do not begin with gleaner_, sqlite_ or system."
        );
        return Err(wrong("--collection", "GLEANER_COLLECTION", &message));
    }
    Ok(Site { collection: name.into(), ..site })
}

/// Returns `site` with the given number of items per list page, or unchanged if `items` is `None`.
///
/// # Errors
/// Returns the exit code, after printing that the site's list takes no page size.
pub fn at_page_size(mut site: Site, items: Option<u64>) -> Result<Site, Exit> {
    let Some(items) = items else { return Ok(site) };
    if !site.index.takes_page_size() {
        let message = "this site's list has no page size: its request does not contain {limit}";
        return Err(wrong("--page-size", "GLEANER_PAGE_SIZE", message));
    }
    site.index.paging.set_limit(items);
    Ok(site)
}

/// Returns `site` with the given base URL, or unchanged if `base_url` is `None`.
///
/// # Errors
/// Returns the exit code, after printing why the URL is wrong.
pub fn at_base_url(site: Site, base_url: Option<&str>) -> Result<Site, Exit> {
    let Some(text) = base_url else { return Ok(site) };
    let base_url = parse_base_url(text).map_err(|error| {
        let message = format!("{error}; the value is {}", Secret::new(text));
        wrong("--base-url", "GLEANER_BASE_URL", &message)
    })?;
    Ok(Site { base_url, ..site })
}
