//! URLs that may hold credentials: shown without them, everywhere.

use url::Url;

/// Query parameters whose values are credentials by their name.
const CREDENTIALS: [&str; 13] = [
    "access_token",
    "api_key",
    "apikey",
    "auth",
    "client_secret",
    "passwd",
    "password",
    "pwd",
    "secret",
    "sig",
    "signature",
    "token",
    "x-api-key",
];
const HIDDEN: &str = "***";

/// A URL as text that never shows its credentials, neither by `Display` nor by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a URL.
    pub fn new(url: &str) -> Secret {
        Secret(url.into())
    }

    /// The URL with its credentials, for whoever connects.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `message` without the URL's credentials, for errors of libraries that quote them.
    pub fn scrub(&self, message: &str) -> String {
        match self.user_info() {
            Some((_, user_info)) => {
                let password = user_info.split_once(':').map_or("", |(_, password)| password);
                let scrubbed = message.replace(user_info, HIDDEN);
                if password.len() < 3 { scrubbed } else { scrubbed.replace(password, HIDDEN) }
            }
            None => message.to_owned(),
        }
    }

    /// Where the user information begins, and the information without its `@`.
    fn user_info(&self) -> Option<(usize, &str)> {
        let start = self.0.find("://")? + 3;
        let authority = self.0[start..].split(['/', '?', '#']).next()?;
        let end = authority.rfind('@')?;
        Some((start, &authority[..end]))
    }
}

impl std::fmt::Display for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.user_info() {
            Some((start, user_info)) => {
                let rest = &self.0[start + user_info.len()..];
                write!(f, "{}{HIDDEN}{rest}", &self.0[..start])
            }
            None => f.write_str(&self.0),
        }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// `url` as it may be shown and stored: without user information, and with the values of query
/// parameters that are credentials by their name hidden.
pub fn shown(url: &Url) -> String {
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    if !has_credentials && !url.query().is_some_and(names_a_credential) {
        return url.as_str().to_owned();
    }
    let mut shown = url.clone();
    // Fails only for URLs that cannot have user information.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    if let Some(query) = url.query() {
        let pairs: Vec<String> = query.split('&').map(shown_pair).collect();
        shown.set_query(Some(&pairs.join("&")));
    }
    shown.into()
}

fn names_a_credential(query: &str) -> bool {
    query.split('&').any(|pair| shown_pair(pair) != pair)
}

fn shown_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if CREDENTIALS.contains(&name.to_ascii_lowercase().as_str()) => {
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
    }

    #[test]
    fn messages_are_scrubbed() {
        let secret = Secret::new("mongodb://me:hunter2@h,i/db");
        assert_eq!(secret.scrub("cannot use me:hunter2@h or hunter2"), "cannot use ***@h or ***");
        assert_eq!(secret.to_string(), "mongodb://***@h,i/db");
        assert_eq!(secret.expose(), "mongodb://me:hunter2@h,i/db");
    }
}
