//! Removes credentials from texts in which a site may repeat what it was sent.

use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{
    AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode,
};
use url::Url;

use super::escapes::Unescaped;
use super::{HIDDEN, names_a_credential, shown};

/// Minimum length of a credential to hide; shorter text cannot be told from ordinary words.
const SHORTEST: usize = 8;
/// Minimum length of a value to hide that the site file itself calls a secret.
const SHORTEST_SECRET: usize = 4;
/// Minimum length of a truncated credential to hide; fewer characters reveal nothing.
const SHORTEST_CUT: usize = 4;
/// Maximum number of credentials of sessions to hide, the latest ones.
const MOST_LEARNED: usize = 64;
/// Maximum length of a credential of a session that is hidden in base64, too: long ones change
/// often, and their forms cost time.
const LONGEST_IN_BASE64: usize = 64;
/// Maximum number of nested escapes that are decoded.
const MOST_LAYERS: usize = 3;
/// Characters that browsers encode in a component of a URL.
const COMPONENT: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');
/// Characters that must be encoded in a query.
const QUERY: AsciiSet = CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>');
/// Characters that must be encoded in a path.
const PATH: AsciiSet = QUERY.add(b'?').add(b'`').add(b'{').add(b'}');

/// Hides credentials anywhere in a text: as they are, percent-encoded, in base64, escaped for JSON
/// or HTML, in lower or upper case.
///
/// It is created once, from the settings, and used in each place where texts leave the program.
/// Copies share what they learn later. Documents are not scrubbed.
#[derive(Clone, Default)]
pub struct Scrubber {
    /// Credentials that are known from the start.
    known: Option<Arc<Forms>>,
    /// Credentials that the site gives out during the run.
    learned: Arc<RwLock<Learned>>,
}

/// Credentials of sessions.
#[derive(Default)]
struct Learned {
    /// The latest ones, the last one last.
    credentials: VecDeque<String>,
    /// Their forms, or `None` after a change.
    forms: Option<Arc<Forms>>,
}

struct Forms {
    finder: AhoCorasick,
    /// Forms of the credentials, in lower case.
    texts: Vec<String>,
}

/// A collection of the credentials of a run.
#[derive(Default)]
pub struct Credentials(BTreeSet<String>);

impl Credentials {
    /// Adds the credentials of a request header.
    pub fn header(&mut self, name: &str, value: &str) {
        if !names_a_credential(name) {
            return;
        }
        self.add(value);
        // `Bearer TOKEN`, `Basic BASE64`, `token=TOKEN`
        if let Some((_, credential)) = value.trim().split_once(' ') {
            let credential = credential.trim();
            self.add(credential);
            if let Some(user) = decoded(credential) {
                self.user_info(&user);
            }
        }
        for (_, value) in value.split([';', ',']).filter_map(|pair| pair.split_once('=')) {
            self.add(value.trim().trim_matches('"'));
        }
    }

    /// Adds the credentials of a URL: user, password, and query parameters whose names say that
    /// they are credentials.
    pub fn url(&mut self, url: &str) {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        if let Some((user_info, _)) = rest.rsplit_once('@') {
            self.user_info(user_info);
            self.user_info(&percent_decode_str(user_info).decode_utf8_lossy());
        }
        let query = url.split_once('?').map_or("", |(_, query)| query);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            self.parameter(&name, &value);
        }
    }

    /// Adds a query parameter if its name says that it is a credential.
    pub fn parameter(&mut self, name: &str, value: &str) {
        if names_a_credential(name) {
            self.add(value);
        }
    }

    /// Adds the user with the password, and the password alone if it is long enough.
    fn user_info(&mut self, user_info: &str) {
        if let Some((_, password)) = user_info.split_once(':') {
            self.add(password);
        }
        self.add(user_info);
    }

    /// Adds a value that the site file calls a secret.
    pub fn secret(&mut self, value: &str) {
        if value.len() >= SHORTEST_SECRET {
            self.0.insert(value.to_owned());
        }
    }

    fn add(&mut self, credential: &str) {
        if credential.len() >= SHORTEST && !credential.contains(HIDDEN) {
            self.0.insert(credential.to_owned());
        }
    }

    /// Returns a scrubber that hides these credentials.
    pub fn scrubber(self) -> Scrubber {
        let known = Forms::of(self.0.iter().flat_map(|it| forms(it)).collect());
        Scrubber { known: known.map(Arc::new), learned: Arc::default() }
    }
}

impl Scrubber {
    /// Returns `text` without credentials. If there are none, nothing is copied.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut spans: Vec<_> = self.forms().flat_map(|forms| forms.spans(text)).collect();
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        spans.sort_unstable_by_key(|span| span.start);
        let (mut scrubbed, mut end) = (String::with_capacity(text.len()), 0);
        for span in spans {
            if span.start >= end {
                scrubbed.push_str(&text[end..span.start]);
                scrubbed.push_str(HIDDEN);
            }
            end = end.max(span.end);
        }
        scrubbed.push_str(&text[end..]);
        Cow::Owned(scrubbed)
    }

    /// Returns `url` in a form that may be shown and stored, see [`shown`], without credentials.
    pub fn url(&self, url: &Url) -> String {
        let shown = shown(url);
        match self.scrub(&shown) {
            Cow::Borrowed(_) => shown,
            Cow::Owned(scrubbed) => scrubbed,
        }
    }

    /// Returns `text` without credentials. The text may be truncated at its end or at each `…`: the
    /// beginning of a credential is hidden there too.
    pub fn scrub_cut(&self, text: &str) -> String {
        let text = self.scrub(text).into_owned();
        self.forms().fold(text, |text, forms| {
            let pieces = text.split('…').map(|piece| forms.without_cut(piece));
            pieces.collect::<Vec<_>>().join("…")
        })
    }

    /// Returns this scrubber, which learns what `other` learns, and the other way round.
    pub fn learning_with(self, other: &Scrubber) -> Scrubber {
        Scrubber { learned: other.learned.clone(), ..self }
    }

    /// Hides this text from now on, too: a token or a cookie of a session. Only the latest
    /// `MOST_LEARNED` are kept.
    pub fn learn(&self, credential: &str) {
        let is_known = |learned: &Learned| learned.credentials.iter().any(|it| it == credential);
        let read = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        if credential.len() < SHORTEST_SECRET || is_known(&read) {
            return;
        }
        drop(read);
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if learned.credentials.len() == MOST_LEARNED {
            learned.credentials.pop_front();
        }
        learned.credentials.push_back(credential.to_owned());
        learned.forms = None;
    }

    /// Returns the forms of all credentials.
    fn forms(&self) -> impl Iterator<Item = Arc<Forms>> {
        self.known.clone().into_iter().chain(self.learned())
    }

    /// Returns the forms of the credentials of sessions. They are put together when a text is
    /// scrubbed, since cookies may change more often.
    fn learned(&self) -> Option<Arc<Forms>> {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        if learned.credentials.is_empty() || learned.forms.is_some() {
            return learned.forms.clone();
        }
        drop(learned);
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        let forms = Forms::of(learned.credentials.iter().flat_map(|it| few_forms(it)).collect());
        learned.forms = forms.map(Arc::new);
        learned.forms.clone()
    }
}

/// Shows no credential.
impl fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrubber").finish_non_exhaustive()
    }
}

impl Forms {
    /// Builds the finder of these texts, or returns `None` if there are none.
    fn of(texts: BTreeSet<String>) -> Option<Forms> {
        let texts: Vec<String> = texts.into_iter().collect();
        let finder = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(&texts);
        // This fails only for more patterns than any machine can hold.
        let finder = finder.ok().filter(|_| !texts.is_empty())?;
        Some(Forms { finder, texts })
    }

    /// Finds credentials in `text`, even if some or all of their letters are escaped.
    fn spans(&self, text: &str) -> Vec<Range<usize>> {
        let mut spans: Vec<_> = self.found(text).collect();
        let mut layer = Unescaped::of(text);
        for _ in 0..MOST_LAYERS {
            let Some(unescaped) = layer else { break };
            let found = self.found(&unescaped.text);
            spans.extend(found.map(|span| unescaped.origin(span)));
            layer = unescaped.again();
        }
        spans
    }

    /// Finds them unescaped, with the `=` that base64 ends with.
    fn found<'t>(&self, text: &'t str) -> impl Iterator<Item = Range<usize>> + use<'t, '_> {
        self.finder.find_iter(text).map(|found| {
            let rest = &text[found.end()..];
            // A last digit that holds bits of what follows.
            let digits = rest.bytes().take(1).filter(u8::is_ascii_alphanumeric).count();
            let padding = rest[digits..].bytes().take(2).take_while(|byte| *byte == b'=').count();
            found.start()..found.end() + if padding > 0 { digits + padding } else { 0 }
        })
    }

    /// Returns `text` without the beginning of a credential at its end.
    fn without_cut(&self, text: &str) -> String {
        let small = text.to_ascii_lowercase();
        let longest = self.texts.iter().filter_map(|form| {
            let lengths = (SHORTEST_CUT..form.len()).rev();
            lengths.filter(|at| form.is_char_boundary(*at)).find(|at| small.ends_with(&form[..*at]))
        });
        match longest.max() {
            Some(length) => format!("{}{HIDDEN}", &text[..text.len() - length]),
            None => text.to_owned(),
        }
    }
}

/// Returns all forms in which a site may repeat a credential, in lower case.
fn forms(credential: &str) -> Vec<String> {
    let mut forms = vec![credential.to_owned()];
    forms.extend(
        [NON_ALPHANUMERIC, &COMPONENT, &QUERY, &PATH]
            .map(|set| utf8_percent_encode(credential, set).to_string()),
    );
    forms.push(url::form_urlencoded::byte_serialize(credential.as_bytes()).collect());
    let json = serde_json::Value::from(credential).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    let html = credential.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    forms.push(html.replace('"', "&quot;"));
    forms.extend(in_base64(credential.as_bytes()));
    forms.iter().map(|form| form.to_ascii_lowercase()).collect()
}

/// Returns the forms of a credential of a session: as it is, and in base64 if it is short. Escapes
/// are undone anyway.
fn few_forms(credential: &str) -> Vec<String> {
    let base64 = (credential.len() <= LONGEST_IN_BASE64).then(|| in_base64(credential.as_bytes()));
    let forms = std::iter::once(credential.to_owned()).chain(base64.into_iter().flatten());
    forms.map(|form| form.to_ascii_lowercase()).collect()
}

/// Returns the parts of the credential's base64 that are the same at any position in the encoded
/// text.
fn in_base64(credential: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let bytes = [&b"\0\0"[..before], credential].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&bytes);
            // Leave out digits that also hold bits of neighboring bytes.
            let (first, last) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            forms.push(text[first..last].to_owned());
        }
    }
    forms.retain(|form| form.len() >= SHORTEST);
    forms
}

fn decoded(base64: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber() -> Scrubber {
        let mut credentials = Credentials::default();
        credentials.header("Authorization", "Bearer tok/en+\"1234=");
        credentials.header("Accept", "application/json");
        credentials.header("Cookie", "a=short; sid=cookie-value");
        credentials.header("X-Other", "not a secret");
        credentials.url("https://me:pa%20ss-word@h/list?apiKey=querysecret&page=12345678");
        credentials.url("mongodb://u:abc@h/db");
        credentials.scrubber()
    }

    #[test]
    fn x2_credentials_are_hidden_in_all_their_forms() {
        let scrubber = scrubber();
        for text in [
            "tok/en+\"1234=",
            "TOK/EN+\"1234=",
            "tok%2Fen%2B%221234%3D",
            "tok%2fen%2b%221234%3d",
            "tok/en+%221234=",
            "tok/en+\\\"1234=",
            "tok/en+&quot;1234=",
            "cookie-value",
            "cookie%2Dvalue",
            "%63%6f%6F%6b%69%65%2d%76%61%6C%75%65",
            "cookie%252Dvalue",
            "c%25256fokie-value",
            "\\u0063ookie-\\u0076alue",
            "c\\x6fokie-value",
            "&#99;&#x6f;ok&#X69;e-v&#097;lue",
            "tok\\/en+\\u00221234=",
            "tok\\u002fen&#43;&quot;1234%3D",
            "tok&sol;en&plus;&#34;1234&equals;",
            "dG9rL2VuKyIxMjM0PQ%3D%3D",
            "pa ss-word",
            "pa%20ss-word",
            "pa+ss-word",
            "querysecret",
            "u:abc",
        ] {
            let said = format!("it said {text}!");
            let scrubbed = scrubber.scrub(&said);
            if text == "u:abc" {
                assert_eq!(scrubbed, said, "five letters are ordinary words");
            } else {
                assert_eq!(scrubbed, "it said ***!", "{text}");
            }
        }
    }

    #[test]
    fn x2_base64_is_hidden_wherever_the_credential_stands_in_it() {
        let scrubber = scrubber();
        for around in ["", "a", "ab", "abc", "me:", "Authorization: Bearer "] {
            let plain = format!("{around}pa ss-word{around}");
            for engine in [&STANDARD, &base64::engine::general_purpose::URL_SAFE] {
                let text = engine.encode(&plain);
                let scrubbed = scrubber.scrub(&text);
                assert!(
                    scrubbed.contains(HIDDEN) && scrubbed.len() < text.len(),
                    "{plain}: {scrubbed}"
                );
                let rest = scrubbed.replace(HIDDEN, "");
                assert!(rest.len() <= text.len() - 11, "{plain}: {scrubbed} of {text}");
            }
        }
    }

    #[test]
    fn x2_what_is_no_credential_stays_and_is_not_copied() {
        let scrubber = scrubber();
        for text in ["application/json", "12345678", "not a secret", "short", "h/db", "me", ""] {
            assert!(matches!(scrubber.scrub(text), Cow::Borrowed(_)), "{text}");
        }
        assert!(matches!(Scrubber::default().scrub("querysecret"), Cow::Borrowed(_)));
        assert_eq!(Scrubber::default().scrub_cut("querysecret…"), "querysecret…");
    }

    #[test]
    fn x2_a_credential_that_was_cut_off_is_hidden_too() {
        let scrubber = scrubber();
        assert_eq!(scrubber.scrub_cut("it is \"QuerySe…\", and quer"), "it is \"***…\", and ***");
        assert_eq!(scrubber.scrub_cut("it is \"que…\" querysecret"), "it is \"que…\" ***");
        assert_eq!(scrubber.scrub_cut("tok%2Fen%2B%2"), "***");
    }

    #[test]
    fn x8_credentials_of_a_session_are_hidden_as_soon_as_they_are_learned() {
        let scrubber = Scrubber::default();
        let copy = scrubber.clone();
        assert_eq!(copy.scrub("token abcd/1234"), "token abcd/1234");
        scrubber.learn("abcd/1234");
        scrubber.learn("abc");
        for text in ["abcd/1234", "ABCD%2f1234", "abcd\\/1234", "YWJjZC8xMjM0"] {
            assert_eq!(copy.scrub(&format!("token {text}")), "token ***", "{text}");
        }
        assert_eq!(copy.scrub_cut("abc and abcd/1"), "abc and ***");
        (0..MOST_LEARNED).for_each(|at| scrubber.learn(&format!("cookie-{at:04}")));
        assert_eq!(copy.scrub("abcd/1234 cookie-0000 cookie-0063"), "abcd/1234 *** ***");
        assert!(!format!("{copy:?}").contains("cookie"));
    }

    #[test]
    fn x2_basic_credentials_are_taken_apart() {
        let mut credentials = Credentials::default();
        credentials.header("authorization", "Basic bWU6czNjcmV0LXNpdGU=");
        let scrubber = credentials.scrubber();
        assert_eq!(scrubber.scrub("user me, password s3cret-site"), "user me, password ***");
        assert_eq!(scrubber.scrub("got bWU6czNjcmV0LXNpdGU="), "got ***");
    }
}
