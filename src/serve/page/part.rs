//! Small parts that several pages have: names, links, states, times, counts.

use jiff::Timestamp;
use maud::{Markup, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::report::{Finding, Kind};
use crate::model::text::{age, count, plain};
use crate::serve::overview::SiteStatus;
use crate::store::SiteId;
use crate::sweep::State;
use crate::sweep::expect::SiteState;

/// Characters that are escaped in a segment of a path and in a value of a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns the name of a site, with its collection if that has another name.
pub fn name(id: &SiteId) -> String {
    match id.site == id.collection {
        true => plain(&id.site),
        false => format!("{} ({})", plain(&id.site), plain(&id.collection)),
    }
}

/// Returns the path of a site's page.
pub fn site_path(id: &SiteId) -> String {
    path(id, "")
}

/// Returns the path of a sweep's page.
pub fn sweep_path(id: &SiteId, sweep: &str) -> String {
    path(id, &format!("/sweeps/{}", utf8_percent_encode(sweep, ESCAPED)))
}

/// Shows a sentence, in which names stand between backticks.
pub fn sentence(text: &str) -> Markup {
    let text = plain(text);
    // An odd number of pieces, if each backtick has its other.
    let pieces: Vec<&str> = text.split('`').collect();
    html! {
        @if pieces.len().is_multiple_of(2) { (text) } @else {
            @for (place, piece) in pieces.iter().enumerate() {
                @if place % 2 == 0 { (piece) } @else { code { (piece) } }
            }
        }
    }
}

fn path(id: &SiteId, rest: &str) -> String {
    let site = utf8_percent_encode(&id.site, ESCAPED);
    match id.site == id.collection {
        true => format!("/sites/{site}{rest}"),
        false => {
            let collection = utf8_percent_encode(&id.collection, ESCAPED);
            format!("/sites/{site}{rest}?collection={collection}")
        }
    }
}

/// Shows the state of a site.
pub fn state(state: SiteState) -> Markup {
    html! { span class={ "state " (state.name()) } { (state.name()) } }
}

/// Shows the state of a sweep.
pub fn sweep_state(state: State) -> Markup {
    html! { span class={ "state " (state) } { (state) } }
}

/// Shows the state of a site and since when it is in it.
pub fn state_since(site: &SiteStatus, now: Timestamp) -> Markup {
    html! {
        (state(site.state))
        @if let Some(since) = site.since { " " span.since { "for " (ago(since, now)) } }
    }
}

/// Shows a time in this form.
pub fn time(at: Timestamp, form: &str) -> Markup {
    html! { time datetime=(at.strftime("%FT%TZ")) { (at.strftime(form)) } }
}

/// Shows how long ago a time was.
pub fn ago(at: Timestamp, now: Timestamp) -> Markup {
    let full = at.strftime("%F %T UTC").to_string();
    html! { time datetime=(at.strftime("%FT%TZ")) title=(full) { (age(at, now)) } }
}

/// Shows a number, or a dash if it is not known.
pub fn number(number: Option<u64>) -> String {
    number.map_or_else(|| "–".to_owned(), count)
}

/// Returns the kind of a sweep in words.
pub fn kind(kind: Kind) -> String {
    match kind {
        Kind::Full => "full".to_owned(),
        Kind::Limited => "limited".to_owned(),
        Kind::Partial { since } => format!("changes since {}", since.strftime("%F %R")),
    }
}

/// Returns a finding in words.
pub fn finding(finding: Finding) -> &'static str {
    match finding {
        Finding::Blocked => "The site refused requests until the run gave up.",
        Finding::Redesigned => {
            "The site was redesigned: usual fields are missing, and nothing was replaced."
        }
        Finding::GoneRefused => {
            "Items left the list, but none was marked gone: that is not proven."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_the_collection_only_if_it_is_called_otherwise() {
        let id = |site: &str, collection: &str| SiteId {
            site: site.into(),
            collection: collection.into(),
        };
        assert_eq!(site_path(&id("books", "books")), "/sites/books");
        assert_eq!(
            sweep_path(&id("books", "a b&c"), "1-2"),
            "/sites/books/sweeps/1-2?collection=a%20b%26c"
        );
        assert_eq!(site_path(&id("../<é>", "../<é>")), "/sites/..%2F%3C%C3%A9%3E");
    }
}
