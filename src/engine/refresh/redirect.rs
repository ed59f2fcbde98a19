//! Decides whether a redirect leads to an item's own page, or to one that many items share: a home
//! page, a login, a consent form.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use percent_encoding::percent_decode_str;
use url::{Position, Url};

use crate::model::document::Digest;
use crate::model::record::Key;
use crate::model::text::secret::shown;

/// Returns the address that the request for `asked` was redirected to, or `None` if it may be the
/// item's own: the same place, or an address whose path or query names the key. Query parameters
/// that only hold the way back are removed, so that `/login?next=/item/1` and `/login?next=/item/2`
/// are the same address.
pub fn leads_away(key: &Key, asked: &Url, to: &Url) -> Option<Box<str>> {
    if is_same_place(asked, to) {
        return None;
    }
    let place = &asked[Position::BeforePath..Position::AfterQuery];
    let is_way_back = |value: &str| {
        let value = decoded(value);
        value.contains(place) || asked.path().len() > 1 && value.contains(asked.path())
    };
    let pairs: Vec<(String, String)> =
        to.query_pairs().into_owned().filter(|(_, value)| !is_way_back(value)).collect();
    let has_key = |value: &String| value == key.as_str();
    if names(&decoded(to.path()), key.as_str()) || pairs.iter().map(|(_, value)| value).any(has_key)
    {
        return None;
    }
    let mut address = to.clone();
    address.set_fragment(None);
    address.set_query(None);
    if !pairs.is_empty() {
        address.query_pairs_mut().extend_pairs(pairs);
    }
    Some(shown(&address).into())
}

/// Returns whether the request for a page of a list was led to another path or host.
pub fn is_elsewhere(asked: &Url, to: &Url) -> bool {
    let without_query = |url: &Url| {
        let mut url = url.clone();
        url.set_query(None);
        url
    };
    !is_same_place(&without_query(asked), &without_query(to))
}

/// Returns true if two URLs differ only in scheme, user, `www.`, trailing slash and fragment.
fn is_same_place(one: &Url, other: &Url) -> bool {
    let host =
        |url: &Url| url.host_str().map(|host| host.strip_prefix("www.").unwrap_or(host).to_owned());
    let path = |url: &Url| url.path().trim_end_matches('/').to_owned();
    host(one) == host(other) && path(one) == path(other) && one.query() == other.query()
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Returns true if `path` contains `key` as a whole word: `42` is in `/item/42-a-name`, not in
/// `/item/421`.
fn names(path: &str, key: &str) -> bool {
    let is_apart = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    path.match_indices(key).any(|(at, key)| {
        is_apart(path[..at].chars().next_back()) && is_apart(path[at + key.len()..].chars().next())
    })
}

/// Redirects of item requests during a sweep.
#[derive(Debug, Default)]
pub struct Redirects(Mutex<Seen>);

/// Redirects by digest: there may be as many keys and addresses as items.
#[derive(Debug, Default)]
struct Seen {
    /// Address that each item was redirected to last.
    items: HashMap<u128, u128>,
    /// Item that was redirected to each address, or `None` if several were.
    addresses: HashMap<u128, Option<u128>>,
}

/// The kind of address that an item was redirected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// It is not yet known whether other items are redirected there.
    AskAgain,
    /// No other item is redirected there: it may be the item's page.
    Alone,
    /// Other items are redirected there, or the item is redirected to another address each time.
    Shared,
}

impl Redirects {
    /// Notes that the request for an item was redirected to an address that does not name it.
    pub fn note(&self, key: &Key, address: &str) -> Lead {
        let [key, address] = [key.as_str(), address].map(|it| Digest::of(it.as_bytes()).bits());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let visitor = seen.addresses.entry(address).or_insert(Some(key));
        if *visitor != Some(key) {
            *visitor = None;
        }
        let is_alone = visitor.is_some();
        match seen.items.insert(key, address) {
            None => Lead::AskAgain,
            Some(before) if before == address && is_alone => Lead::Alone,
            Some(_) => Lead::Shared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g8_an_address_is_an_items_own_where_no_other_item_is_led_there() {
        let redirects = Redirects::default();
        let note = |key: &str, address| redirects.note(&Key::new(key).unwrap(), address);
        for (key, address) in [("1", "/home"), ("2", "/home"), ("3", "/three"), ("4", "/in?a")] {
            assert_eq!(note(key, address), Lead::AskAgain, "{key}");
        }
        assert_eq!(note("1", "/home"), Lead::Shared);
        assert_eq!(note("2", "/home"), Lead::Shared);
        assert_eq!(note("3", "/three"), Lead::Alone);
        assert_eq!(note("4", "/in?b"), Lead::Shared, "another address each time");
    }

    #[test]
    fn g8_a_redirect_leads_away_where_the_address_does_not_name_the_key() {
        let cases = [
            // The same place in another spelling.
            ("42", "http://h/i/42", "https://www.h/i/42/", None),
            ("x", "http://h/a-book", "http://h/a-book/", None),
            ("x", "http://h/a-book", "http://www.h/a-book", None),
            // Names the key.
            ("42", "http://h/i/42", "http://h/item/42-a-name.html", None),
            ("42", "http://h/i/42", "http://h/item?id=42", None),
            ("a b", "http://h/i/a%20b", "http://h/item/a%20b/", None),
            ("a/b", "http://h/i/a%2Fb", "http://h/item/a/b", None),
            // Another place.
            ("42", "http://h/i/42", "http://h/", Some("http://h/")),
            ("42", "http://h/i/42", "http://h/i/421", Some("http://h/i/421")),
            ("42", "http://h/i/42", "http://h/i/142", Some("http://h/i/142")),
            ("42", "http://h/i/42", "http://h/i/?ref=x#top", Some("http://h/i/?ref=x")),
            // A return URL does not name the item.
            ("42", "http://h/i/42", "http://h/login?next=%2Fi%2F42", Some("http://h/login")),
            (
                "42",
                "http://h/i/42",
                "http://h/consent?lang=en&continue=http%3A%2F%2Fh%2Fi%2F42",
                Some("http://h/consent?lang=en"),
            ),
            ("42", "http://h/?id=42", "http://h/in?to=%2F%3Fid%3D42", Some("http://h/in")),
            ("42", "http://h/i?id=42", "http://h/", Some("http://h/")),
        ];
        for (key, asked, to, address) in cases {
            let [asked, to] = [asked, to].map(|url| Url::parse(url).unwrap());
            let found = leads_away(&Key::new(key).unwrap(), &asked, &to);
            assert_eq!(found.as_deref(), address, "{key}: {asked} to {to}");
        }
    }
}
