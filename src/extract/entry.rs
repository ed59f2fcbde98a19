//! Fingerprints of list entries, to tell two entries with the same key apart.

use bytes::Bytes;

use crate::model::document::Digest;
use crate::model::task::{Content, Listed};
use crate::select::JsonPage;
use crate::select::json::{self, Selector};

/// Returns a fingerprint of a list entry: of the item's URL, if the list has links, and of the kept
/// content without the ignored parts.
///
/// Never returns 0, which stands for an entry that is not compared.
pub fn print(listed: &Listed, has_links: bool, ignore: &[Selector]) -> u32 {
    let url = listed.url.as_deref().filter(|_| has_links).unwrap_or_default();
    let content = match &listed.content {
        Content::Nothing => Digest::of(b""),
        Content::Unreadable(text) => Digest::of(text.as_bytes()),
        Content::Object(text) if ignore.is_empty() => Digest::of(text.as_bytes()),
        Content::Object(text) => {
            Digest::of(kept(text, ignore).as_deref().unwrap_or(text).as_bytes())
        }
    };
    let bits = Digest::of(url.as_bytes()).bits().rotate_left(1) ^ content.bits();
    (bits as u32).max(1)
}

/// Returns the text without the ignored parts, or `None` if they cannot be removed.
fn kept(text: &str, ignore: &[Selector]) -> Option<String> {
    let page = JsonPage::parse(Bytes::copy_from_slice(text.as_bytes())).ok()?;
    json::without(ignore, page.value(), page.budget()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(url: &str, content: &str) -> Listed {
        Listed {
            url: Some(url.into()),
            content: Content::Object(content.into()),
            ..Listed::default()
        }
    }

    #[test]
    fn l11_entries_differ_by_their_link_and_by_what_is_kept_and_not_ignored() {
        let views = [Selector::parse("$.views").unwrap()];
        let one = listed("http://h/1", r#"{"id":1,"views":7}"#);
        let cases = [
            (listed("http://h/1", r#"{"id":1,"views":7}"#), true, &[][..], false),
            (listed("http://h/1", r#"{"id":1,"views":8}"#), true, &[][..], true),
            (listed("http://h/1", r#"{"id":1,"views":8}"#), true, &views[..], false),
            (listed("http://h/1", r#"{"id":2,"views":7}"#), true, &views[..], true),
            (listed("http://h/2", r#"{"id":1,"views":7}"#), true, &[][..], true),
            (listed("http://h/2", r#"{"id":1,"views":7}"#), false, &[][..], false),
        ];
        for (other, has_links, ignore, differs) in cases {
            let prints = [&one, &other].map(|it| print(it, has_links, ignore));
            assert_eq!(prints[0] != prints[1], differs, "{other:?} {has_links}");
        }
    }
}
