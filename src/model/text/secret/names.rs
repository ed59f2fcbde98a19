//! Recognizes names of headers and query parameters whose values are credentials.

/// Words that make a name that of a credential, at any position.
const SECRET: [&str; 25] = [
    "accesskey",
    "apikey",
    "apitoken",
    "accesstoken",
    "auth",
    "authentication",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jsessionid",
    "jwt",
    "oauth",
    "passphrase",
    "passwd",
    "password",
    "phpsessid",
    "pwd",
    "secret",
    "session",
    "sessionid",
    "sig",
    "signature",
    "xsrf",
];

/// Words before `key` that make it a credential. Otherwise only a `key` alone is one.
const OF_A_KEY: [&str; 12] = [
    "access",
    "api",
    "app",
    "auth",
    "client",
    "encryption",
    "license",
    "private",
    "service",
    "signing",
    "subscription",
    "user",
];

/// Words before `token` that make it a paging position, not a credential.
const OF_A_PLACE: [&str; 9] =
    ["continuation", "cursor", "next", "page", "prev", "previous", "resumption", "skip", "sync"];

/// Returns true if a value of this name is a credential. It compares whole words, however they are
/// joined (`api-key`, `apiKey`, `X-API-Key`).
pub fn names_a_credential(name: &str) -> bool {
    let words = words(name);
    let before = |at: usize| at.checked_sub(1).map_or("", |at| words[at].as_str());
    words.iter().enumerate().any(|(at, word)| match word.as_str() {
        "key" => words.len() == 1 || OF_A_KEY.contains(&before(at)),
        "token" => !OF_A_PLACE.contains(&before(at)),
        word => SECRET.contains(&word),
    })
}

/// Splits a name into lower-case words: `X-Amz-Signature`, `accessToken`, `session_id`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        let is_joint = !c.is_alphanumeric();
        if is_joint || c.is_uppercase() && was_small {
            words.push(String::new());
        }
        if let (false, Some(word)) = (is_joint, words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        was_small = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x2_names_of_credentials_match_by_whole_words() {
        for name in [
            "key",
            "KEY",
            "api-key",
            "api_key",
            "apiKey",
            "apikey",
            "X-Api-Key",
            "signature",
            "X-Amz-Signature",
            "X-Amz-Credential",
            "jwt",
            "session",
            "session_id",
            "sessionId",
            "JSESSIONID",
            "access_token",
            "accessToken",
            "token",
            "token[]",
            "auth",
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "client_secret",
            "passwd",
            "sig",
            "x-csrf-token",
            "subscription-key",
            "oauth_token",
        ] {
            assert!(names_a_credential(name), "{name}");
        }
        for name in [
            "product_key",
            "productKey",
            "keyword",
            "keys",
            "author",
            "page_token",
            "pageToken",
            "next_token",
            "tokens_used",
            "passenger",
            "design",
            "monkey",
            "q",
            "",
            "-",
            "id",
            "Accept",
            "Accept-Language",
            "sort_key",
            "sessions",
        ] {
            assert!(!names_a_credential(name), "{name}");
        }
    }
}
