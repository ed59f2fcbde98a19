//! Hides credentials in URLs, and in texts that may repeat them.

mod escapes;
mod names;
mod scrubber;

use percent_encoding::percent_decode_str;
use url::Url;

pub use names::names_a_credential;
pub use scrubber::{Credentials, Scrubber};

/// Replacement for a credential.
pub const HIDDEN: &str = "***";
/// Minimum length of a password to hide: shorter text cannot be told from ordinary words of a
/// message.
const SHORT: usize = 3;
/// Minimum length of an option's value to hide.
const LONG: usize = 8;

/// A URL whose `Display` and `Debug` never show its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a URL.
    pub fn new(url: &str) -> Secret {
        Secret(url.into())
    }

    /// Returns the URL with its credentials, for a connection.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Removes the URL's credentials from `message`, for errors of libraries that quote them.
    pub fn scrub(&self, message: &str) -> String {
        let password = self.user_info().split_once(':').map_or("", |(_, password)| password);
        let decoded = percent_decode_str(password).decode_utf8_lossy();
        let options = self.options().split('&').filter_map(|option| option.split_once('='));
        let values = options.map(|(_, value)| value).filter(|value| value.len() >= LONG);
        let mut scrubbed = message.replace(&*self.0, &self.to_string());
        for secret in [self.user_info(), password, &decoded].into_iter().chain(values) {
            if secret.len() >= SHORT {
                scrubbed = scrubbed.replace(secret, HIDDEN);
            }
        }
        scrubbed
    }

    /// Returns the position after the scheme.
    fn after_scheme(&self) -> usize {
        self.0.find("://").map_or(0, |at| at + 3)
    }

    /// Returns everything before the last `@`: a password that was not encoded may contain
    /// anything.
    fn user_info(&self) -> &str {
        let rest = &self.0[self.after_scheme()..];
        rest.rfind('@').map_or("", |end| &rest[..end])
    }

    /// Returns the hosts and the path, which follow the last `@`.
    fn place(&self) -> &str {
        let rest = &self.0[self.after_scheme()..];
        let place = rest.rfind('@').map_or(rest, |end| &rest[end + 1..]);
        place.split(['?', '#']).next().unwrap_or_default()
    }

    /// Returns the options, which follow the path: they may be credentials too.
    fn options(&self) -> &str {
        self.0.rsplit('@').next().and_then(|rest| rest.split_once('?')).map_or("", |(_, rest)| rest)
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0[..self.after_scheme()])?;
        if !self.user_info().is_empty() {
            write!(f, "{HIDDEN}@")?;
        }
        f.write_str(self.place())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Returns `url` in a form that may be shown and stored: without user information, and with the
/// values of query and fragment parameters hidden if their names say that they are credentials.
pub fn shown(url: &Url) -> String {
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let mut parts = [url.query(), url.fragment()].into_iter().flatten();
    if !has_credentials && !parts.any(has_credential) {
        return url.as_str().to_owned();
    }
    let mut shown = url.clone();
    // This fails only for URLs that cannot have user information.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_query(url.query().map(shown_pairs).as_deref());
    shown.set_fragment(url.fragment().map(shown_pairs).as_deref());
    shown.into()
}

fn has_credential(query: &str) -> bool {
    query.contains('=') && shown_pairs(query) != query
}

fn shown_pairs(query: &str) -> String {
    query.split('&').map(shown_pair).collect::<Vec<_>>().join("&")
}

fn shown_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if names_a_credential(&percent_decode_str(name).decode_utf8_lossy()) => {
            format!("{name}={HIDDEN}")
        }
        _ => pair.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_hidden_and_nothing_else() {
        let shown = |text: &str| shown(&Url::parse(text).unwrap());
        assert_eq!(shown("http://a:b@h/p?x=1"), "http://h/p?x=1");
        assert_eq!(shown("http://h/p?x=1&Token=abc&y"), "http://h/p?x=1&Token=***&y");
        assert_eq!(shown("http://h/p?x=1"), "http://h/p?x=1");
        assert_eq!(shown("http://h/p?X-Amz-Signature=abc#a"), "http://h/p?X-Amz-Signature=***#a");
        assert_eq!(shown("http://h/#access%5Ftoken=abc&x=1"), "http://h/#access%5Ftoken=***&x=1");
        assert_eq!(
            shown("http://h/?product_key=1&page_token=2"),
            "http://h/?product_key=1&page_token=2"
        );
    }

    #[test]
    fn what_is_written_wrongly_hides_its_credentials_all_the_same() {
        for (text, shown) in [
            ("mongodb://me:pa/ss@h/db", "mongodb://***@h/db"),
            ("mongodb://me:pa?ss@h/db?x=y", "mongodb://***@h/db"),
            ("me:pw@h/db", "***@h/db"),
            ("sqlite:a@b.db", "***@b.db"),
        ] {
            assert_eq!(Secret::new(text).to_string(), shown);
        }
    }

    #[test]
    fn messages_are_scrubbed() {
        let secret = Secret::new("mongodb://me:hunter2@h,i/db");
        assert_eq!(secret.scrub("cannot use me:hunter2@h or hunter2"), "cannot use ***@h or ***");
        assert_eq!(secret.to_string(), "mongodb://***@h,i/db");
        let encoded =
            Secret::new("mongodb://me:p%40ss@h/db?tlsCertificateKeyFilePassword=opensesame");
        assert_eq!(encoded.to_string(), "mongodb://***@h/db");
        assert_eq!(encoded.scrub("p@ss and opensesame"), "*** and ***");
        assert_eq!(secret.expose(), "mongodb://me:hunter2@h,i/db");
    }
}
