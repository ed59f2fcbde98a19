//! What arguments say instead of a site file: the collection, the base URL, the size of a page; and
//! where the store is. What is wrong with them is told to the user.

use super::exit::Exit;
use super::usage::wrong;
use crate::secret::Secret;
use crate::site::{Site, parse_base_url};
use crate::store::{StoreUrl, is_valid_name};

/// Where the store is.
pub fn store_url(text: &str) -> Result<StoreUrl, Exit> {
    text.parse().map_err(|error| {
        wrong("--store", "GLEANER_STORE", &format!("{error}; it says {}", Secret::new(text)))
    })
}

/// `site`, stored in the collection that is asked for.
pub fn in_collection(site: Site, name: Option<&str>) -> Result<Site, Exit> {
    let Some(name) = name else { return Ok(site) };
    if !is_valid_name(name) {
        let message = format!(
            "`{name}` is no name of a collection: letters, digits, _ and -, not beginning with gleaner_, sqlite_ or system."
        );
        return Err(wrong("--collection", "GLEANER_COLLECTION", &message));
    }
    Ok(Site { collection: name.into(), ..site })
}

/// `site`, with the number of items on a page of its list that is asked for.
pub fn at_page_size(mut site: Site, items: Option<u64>) -> Result<Site, Exit> {
    let Some(items) = items else { return Ok(site) };
    if !site.index.takes_page_size() {
        let message = "the list of this site is not asked for by a number of items: there is no {limit} in its request";
        return Err(wrong("--page-size", "GLEANER_PAGE_SIZE", message));
    }
    site.index.paging.set_limit(items);
    Ok(site)
}

/// `site`, or its copy at the base URL that is asked for.
pub fn at_base_url(site: Site, base_url: Option<&str>) -> Result<Site, Exit> {
    let Some(text) = base_url else { return Ok(site) };
    let base_url = parse_base_url(text).map_err(|error| {
        let message = format!("{error}; it says {}", Secret::new(text));
        wrong("--base-url", "GLEANER_BASE_URL", &message)
    })?;
    Ok(Site { base_url, ..site })
}
