//! Decides whether an item has to be requested, and whether its page is new, changed or the same as
//! in the store. Pure functions.

pub mod canary;
mod frequent;
pub mod gone;
pub mod redirect;
pub mod revision;
pub mod twins;

use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use crate::model::document::{Digest, Document};
use crate::model::record::{Known, PageVersion, Provenance, Record, Validators, Verdict};
use crate::model::task::{Content, DetailPage, Listed};
use crate::model::text::secret::Scrubber;

/// The source of a document, and its version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// URL without credentials.
    pub url: Box<str>,
    /// True if the list gave the URL, so that it may be another one the next time.
    pub is_link: bool,
    /// Version of the page.
    pub version: PageVersion,
}

/// Settings that are the same for all items of a run.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Removes credentials from the URLs that are stored.
    pub scrubber: Scrubber,
    /// Id of the sweep and digest of the rules.
    pub provenance: Provenance,
    /// True if documents made by rules with a digest of version 0.1.0 count as made by the current
    /// rules.
    pub takes_over: bool,
    /// Time at which the sweep began, in whichever run.
    pub began: Timestamp,
    /// True if the list gives the URLs of its items' pages.
    pub takes_links: bool,
    /// True if requests are conditional.
    pub conditional: bool,
    /// Age below which an item is not requested again.
    pub max_age: Option<Duration>,
}

/// The action for a listed item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// None: an earlier run of the same sweep wrote the item, with this verdict.
    Done(Verdict),
    /// No request: by the list's revision the item is unchanged.
    Same,
    /// No request: the item was fetched recently.
    Recent,
    /// A request. It is conditional if there are validators.
    Fetch(Option<Validators>),
}

/// Decides what to do about an item at `now`, from what the store knows and what the list says.
///
/// What the store holds counts only if the same rules made it, so that a new field in the site file
/// reaches every document. It does not count if the document has parts from the list, which may
/// have changed though the page did not.
pub fn plan(
    known: Option<&Known>,
    listed: Option<&Listed>,
    policy: &Policy,
    now: Timestamp,
) -> Plan {
    let Some(known) = known else { return Plan::Fetch(None) };
    if !is_ours(known, policy) || known.gone_at.is_some() {
        return Plan::Fetch(None);
    }
    if known.sweep.as_ref() == Some(&policy.provenance.sweep) {
        return Plan::Done(written(known, policy.began));
    }
    if listed.is_some_and(|listed| listed.content != Content::Nothing) {
        return Plan::Fetch(None);
    }
    // Validators of one URL say nothing about another.
    let link = listed.filter(|_| policy.takes_links).and_then(|listed| listed.url.as_deref());
    let link = link.and_then(|url| Url::parse(url).ok());
    if link.is_some_and(|link| known.url.as_deref() != Some(&*policy.scrubber.url(&link))) {
        return Plan::Fetch(None);
    }
    // A fetch time in the future proves nothing: the clock was ahead.
    let fetched_at = known.fetched_at.filter(|at| *at <= now);
    let revision = listed.and_then(|listed| listed.revision.as_ref());
    if let Some(revision) = revision.filter(|_| policy.conditional)
        && known.version.revision.as_ref() == Some(revision)
        && revision::is_final(revision, fetched_at)
    {
        return Plan::Same;
    }
    let age = known.fetched_at.map(|at| now.duration_since(at));
    let is_recent =
        |most: Duration| age.is_some_and(|age| age.unsigned_abs() < most && !age.is_negative());
    if policy.max_age.is_some_and(is_recent) {
        return Plan::Recent;
    }
    Plan::Fetch(validators(known, policy))
}

/// Returns the validators for a conditional request, or `None` if the request is unconditional: if
/// conditional requests are off, other rules made the document, or there are no validators.
pub fn validators(known: &Known, policy: &Policy) -> Option<Validators> {
    let PageVersion { etag, last_modified, .. } = &known.version;
    let validators = Validators { etag: etag.clone(), last_modified: last_modified.clone() };
    let can_tell =
        policy.conditional && is_ours(known, policy) && validators != Validators::default();
    can_tell.then_some(validators)
}

/// Returns true if gleaner made the store's document with the same rules.
fn is_ours(known: &Known, policy: &Policy) -> bool {
    let is_made_by_these = known.rules.as_ref() == Some(&policy.provenance.rules);
    known.digest.is_some() && (is_made_by_these || is_taken_over(known, policy))
}

/// Returns true if a document counts as made by the current rules, though their digest has the form
/// of an earlier version.
pub fn is_taken_over(known: &Known, policy: &Policy) -> bool {
    policy.takes_over && known.has_first_rules()
}

/// Returns the verdict on an item that was written in the sweep that began at `began`. Stores keep
/// times to the millisecond.
fn written(known: &Known, began: Timestamp) -> Verdict {
    let since =
        |at: Option<Timestamp>| at.is_some_and(|at| at.as_millisecond() >= began.as_millisecond());
    if since(known.first_seen) {
        Verdict::New
    } else if since(known.changed_at) {
        Verdict::Changed
    } else {
        Verdict::Same
    }
}

/// Returns the verdict on a document with `digest`, compared with what the store knows. An item
/// that was marked gone and is back counts as changed, even with the same document.
pub fn verdict(known: Option<&Known>, digest: Digest) -> Verdict {
    match known {
        None => Verdict::New,
        Some(known) if known.digest == Some(digest) && known.gone_at.is_none() => Verdict::Same,
        Some(_) => Verdict::Changed,
    }
}

/// Builds the record of an item that was fetched at `now`.
pub fn record(item: DetailPage, origin: Origin, document: Document, now: Timestamp) -> Record {
    let DetailPage { key, known, seen_at, .. } = item;
    let known = known.as_deref();
    let verdict = verdict(known, document.digest);
    let unchanged = known.filter(|_| verdict == Verdict::Same);
    Record {
        key,
        has_moved: origin.is_link
            && known.is_some_and(|known| known.url.as_deref() != Some(&*origin.url)),
        url: origin.url,
        document,
        version: origin.version,
        fetched_at: now,
        verdict,
        first_seen: known.and_then(|known| known.first_seen).unwrap_or(now),
        changed_at: unchanged.and_then(|known| known.changed_at).unwrap_or(now),
        seen_at: seen_at.unwrap_or(now),
        unlisted_at: seen_at.and(known).and_then(|known| known.unlisted_at),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::model::document::{Encoding, Json};
    use crate::model::record::Key;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn known(digest: Option<Digest>, gone_at: Option<Timestamp>) -> Known {
        Known {
            key: Key::new("1").unwrap(),
            url: None,
            digest,
            sweep: None,
            rules: None,
            version: PageVersion::default(),
            first_seen: Some(seconds(1)),
            fetched_at: Some(seconds(2)),
            changed_at: Some(seconds(2)),
            seen_at: Some(seconds(2)),
            unlisted_at: None,
            gone_at,
        }
    }

    fn made(known: Option<&Known>) -> (Verdict, i64, i64) {
        let text = Bytes::from_static(br#"{"a":1}"#);
        let document = Document::new(Json::parse(&text).unwrap(), &text, Encoding::Text).unwrap();
        let known = known.cloned().map(Arc::new);
        let item = DetailPage { known, ..DetailPage::of(Key::new("1").unwrap()) };
        let record = record(item, Origin::default(), document, seconds(9));
        (record.verdict, record.first_seen.as_second(), record.changed_at.as_second())
    }

    #[test]
    fn times_tell_when_something_happened() {
        let digest = Digest::of(b"");
        let same = {
            let text = Bytes::from_static(br#"{"a":1}"#);
            Document::new(Json::parse(&text).unwrap(), &text, Encoding::Text).unwrap().digest
        };
        assert_eq!(made(None), (Verdict::New, 9, 9));
        assert_eq!(made(Some(&known(Some(digest), None))), (Verdict::Changed, 1, 9));
        assert_eq!(made(Some(&known(Some(same), None))), (Verdict::Same, 1, 2));
        assert_eq!(made(Some(&known(None, None))), (Verdict::Changed, 1, 9), "adopted");
        assert_eq!(
            made(Some(&known(Some(same), Some(seconds(5))))),
            (Verdict::Changed, 1, 9),
            "back"
        );
    }

    fn policy() -> Policy {
        let provenance = Provenance { sweep: "now".into(), rules: "r".into() };
        Policy {
            scrubber: Scrubber::default(),
            provenance,
            takes_over: false,
            began: seconds(100),
            takes_links: false,
            conditional: true,
            max_age: None,
        }
    }

    fn version(etag: Option<&str>, revision: Option<&str>) -> PageVersion {
        let (etag, revision) = (etag.map(Into::into), revision.map(Into::into));
        PageVersion { etag, revision, ..PageVersion::default() }
    }

    fn ours() -> Known {
        let before = Known {
            sweep: Some("before".into()),
            rules: Some("r".into()),
            ..known(Some(Digest::of(b"")), None)
        };
        Known { version: version(Some("e"), Some("7")), ..before }
    }

    fn listed(revision: &str, content: Content) -> Listed {
        Listed { revision: Some(revision.into()), content, ..Listed::default() }
    }

    #[test]
    fn s16_a_document_of_version_0_1_0_keeps_its_validators_where_it_is_taken_over() {
        let known = Known {
            rules: Some("1:abc".into()),
            version: version(Some("e"), None),
            ..known(Some(Digest::of(b"a")), None)
        };
        let taken_over = Policy { takes_over: true, ..policy() };
        let etag = Validators { etag: Some("e".into()), ..Validators::default() };
        assert!(matches!(
            plan(Some(&known), None, &taken_over, seconds(200)),
            Plan::Fetch(Some(validators)) if validators.etag == etag.etag
        ));
        assert_eq!(plan(Some(&known), None, &policy(), seconds(200)), Plan::Fetch(None));
        let today = Known { rules: Some("2:abc".into()), ..known };
        assert_eq!(plan(Some(&today), None, &taken_over, seconds(200)), Plan::Fetch(None));
    }

    #[test]
    fn what_the_store_holds_decides_what_is_asked() {
        let etag = Plan::Fetch(Some(Validators { etag: Some("e".into()), last_modified: None }));
        let (known, all) = (ours(), Plan::Fetch(None));
        let no_etag = Known { version: version(None, Some("7")), ..ours() };
        let plan = |known: &Known, listed: Option<&Listed>, policy: &Policy| {
            plan(Some(known), listed, policy, seconds(10))
        };
        assert_eq!(super::plan(None, None, &policy(), seconds(10)), all, "not known");
        assert_eq!(plan(&known, None, &policy()), etag);
        assert_eq!(plan(&no_etag, None, &policy()), all);
        assert_eq!(plan(&known, None, &Policy { conditional: false, ..policy() }), all);
        let other_rules = Known { rules: Some("other".into()), ..ours() };
        assert_eq!(plan(&other_rules, Some(&listed("7", Content::Nothing)), &policy()), all);
        let gone = Known { gone_at: Some(seconds(3)), ..ours() };
        assert_eq!(plan(&gone, None, &policy()), all);
        assert_eq!(plan(&known, Some(&listed("7", Content::Nothing)), &policy()), Plan::Same);
        assert_eq!(plan(&known, Some(&listed("8", Content::Nothing)), &policy()), etag);
        let off = Policy { conditional: false, ..policy() };
        assert_eq!(
            plan(&known, Some(&listed("7", Content::Nothing)), &off),
            all,
            "it is requested"
        );
        // Fetched on the day that the revision names, the page may have changed again.
        let dated = |day: &str| Known { version: version(Some("e"), Some(day)), ..ours() };
        let on = |day: &str| plan(&dated(day), Some(&listed(day, Content::Nothing)), &policy());
        assert_eq!((on("1969-12-30"), on("1969-12-31")), (Plan::Same, etag.clone()));
        let kept = Content::Object("{}".into());
        assert_eq!(plan(&known, Some(&listed("7", kept)), &policy()), all, "the list may differ");
        let recent = |age| Policy { max_age: Some(Duration::from_secs(age)), ..policy() };
        assert_eq!(plan(&known, None, &recent(9)), Plan::Recent, "fetched 8 s ago");
        assert_eq!(plan(&known, None, &recent(8)), etag);
    }

    #[test]
    fn s14_a_fetch_by_a_clock_that_was_ahead_says_nothing_of_a_revision() {
        let ahead = Known {
            version: version(Some("e"), Some("1969-12-30")),
            fetched_at: Some(seconds(99)),
            ..ours()
        };
        let listed = listed("1969-12-30", Content::Nothing);
        let at = |now| plan(Some(&ahead), Some(&listed), &policy(), seconds(now));
        assert_eq!(at(99), Plan::Same);
        assert!(matches!(at(98), Plan::Fetch(Some(_))), "the day of the fetch is not known");
    }

    #[test]
    fn s5_what_an_earlier_run_of_the_sweep_wrote_is_done() {
        let at = |first: i64, changed: i64| {
            let known = Known {
                sweep: Some("now".into()),
                first_seen: Some(seconds(first)),
                changed_at: Some(seconds(changed)),
                ..ours()
            };
            plan(Some(&known), None, &policy(), seconds(200))
        };
        assert_eq!(at(100, 100), Plan::Done(Verdict::New));
        assert_eq!(at(1, 101), Plan::Done(Verdict::Changed));
        assert_eq!(at(1, 99), Plan::Done(Verdict::Same));
    }
}
