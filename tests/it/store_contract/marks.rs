//! What is noted of items whose documents stay as they are: seen, not listed, gone.

use std::sync::Arc;

use gleaner::model::record::{Fetched, Known, PageVersion, Record, Seen};
use gleaner::store::{Live, Rows, Store, Stored};

use super::{Ledger, writing};
use crate::records::{at, key, keys, provenance, record};

/// A store with these items, written at time 0 by the sweep `s1`, each with an ETag.
async fn filled<B: Ledger>(backend: &B, names: &[&str]) -> Arc<dyn Store> {
    let store = writing(backend).await;
    let records: Vec<Record> =
        names.iter().map(|key| record(key, r#"{"v":1}"#, store.encoding())).collect();
    assert_eq!(store.write(&provenance("s1"), &records).await, Ok(Vec::new()));
    store
}

fn listed(name: &str, seconds: i64) -> Seen {
    Seen { key: key(name), at: at(seconds), fetched: None }
}

fn not_modified(name: &str, seconds: i64, fetched: Fetched) -> Seen {
    Seen { fetched: Some(fetched), ..listed(name, seconds) }
}

async fn all(store: &Arc<dyn Store>) -> Vec<Stored> {
    store.read(None, 10_000).await.expect("the store answers").found
}

async fn live(store: &Arc<dyn Store>) -> Vec<String> {
    let keys = store.keys(None, 1_000).await.expect("the store answers").found;
    let live = store.live(&keys).await.expect("the store answers");
    let mut live: Vec<String> = live.into_iter().map(|live| live.key.to_string()).collect();
    live.sort();
    live
}

fn noted(stored: Stored) -> Stored {
    Stored { known: Known { seen_at: Some(at(60)), ..stored.known }, ..stored }
}

pub async fn what_was_listed_is_marked_seen<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2", "3"]).await;
    let before = all(&store).await;
    assert_eq!(store.mark_unlisted(&keys(&["1", "3"]), at(30)).await, Ok(()));
    let seen = [listed("1", 60), listed("2", 60)];
    assert_eq!(store.mark_seen(&provenance("s2"), &seen).await, Ok(Vec::new()));
    let [one, two, three] = <[Stored; 3]>::try_from(before).expect("three documents");
    let known = Known { unlisted_at: Some(at(30)), ..three.known.clone() };
    assert_eq!(all(&store).await, [noted(one), noted(two), Stored { known, ..three }]);
}

pub async fn what_was_asked_for_without_its_list_is_not_noted_as_listed<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2"]).await;
    assert_eq!(store.mark_unlisted(&keys(&["1", "2"]), at(30)).await, Ok(()));
    let encoding = store.encoding();
    let not_listed = |record| Record { seen_at: at(0), unlisted_at: Some(at(30)), ..record };
    let text = all(&store).await.remove(0).text;
    let records = [
        not_listed(crate::records::same("1", &text, encoding, 60)),
        not_listed(crate::records::changed("2", r#"{"v":2}"#, encoding, 60)),
        Record { seen_at: at(50), ..crate::records::changed("3", "{}", encoding, 60) },
    ];
    assert_eq!(store.write(&provenance("s2"), &records).await, Ok(Vec::new()));
    let found: Vec<_> = all(&store)
        .await
        .into_iter()
        .map(|it| (it.known.fetched_at, it.known.seen_at, it.known.unlisted_at))
        .collect();
    let times = |seen, unlisted: Option<i64>| (Some(at(60)), Some(at(seen)), unlisted.map(at));
    assert_eq!(found, [times(0, Some(30)), times(0, Some(30)), times(50, None)]);
}

/// What was skipped stays fetched when it was, by the sweep that it was.
pub async fn s16_what_is_taken_over_bears_the_rules_of_today_and_keeps_the_rest<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2"]).await;
    let before = all(&store).await;
    let seen = [not_modified("1", 60, Fetched::TakenOver), listed("2", 60)];
    let provenance =
        gleaner::model::record::Provenance { rules: "2:new".into(), ..provenance("s2") };
    assert_eq!(store.mark_seen(&provenance, &seen).await, Ok(Vec::new()));
    let expected: Vec<Stored> = before.into_iter().map(noted).collect();
    let mut taken_over = expected.clone();
    taken_over[0].known.rules = Some("2:new".into());
    assert_eq!(all(&store).await, taken_over);
}

pub async fn what_was_not_modified_is_marked_fetched<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2", "3", "4", "5"]).await;
    let before = all(&store).await;
    assert!(
        before.iter().all(|stored| stored.known.version.etag.is_some()),
        "an ETag to keep or lose"
    );
    assert_eq!(store.mark_unlisted(&keys(&["1"]), at(30)).await, Ok(()));
    let named = Fetched::With(PageVersion {
        etag: Some("\"new\"".into()),
        last_modified: Some("now".into()),
        revision: Some("7".into()),
    });
    let bare = Fetched::With(PageVersion::default());
    let seen = [
        not_modified("1", 60, named),
        not_modified("2", 60, bare.clone()),
        listed("3", 60),
        not_modified("4", 60, bare),
        not_modified("5", 60, Fetched::Same),
    ];
    let provenance =
        gleaner::model::record::Provenance { rules: "1:new".into(), ..provenance("s2") };
    assert_eq!(store.mark_seen(&provenance, &seen).await, Ok(Vec::new()));
    let expected = |stored: &Stored, fetched: &Option<Fetched>| {
        let mut stored = noted(stored.clone());
        if let Some(fetched) = fetched.clone() {
            let (sweep, rules) = (Some("s2".into()), Some("1:new".into()));
            stored.known = Known { sweep, rules, fetched_at: Some(at(60)), ..stored.known };
            if let Fetched::With(version) = fetched {
                stored.known.version = version;
            }
        }
        stored
    };
    let expected: Vec<Stored> =
        before.iter().zip(&seen).map(|(stored, seen)| expected(stored, &seen.fetched)).collect();
    assert_eq!(all(&store).await, expected);
}

pub async fn what_is_not_there_is_named<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2", "a\u{0}b"]).await;
    backend.remove("books", "2").await;
    let etag = Fetched::With(PageVersion { etag: Some("\"1\"".into()), ..PageVersion::default() });
    let seen = [
        not_modified("1", 60, etag.clone()),
        not_modified("2", 60, etag),
        listed("a\u{0}b", 60),
        listed("never", 60),
    ];
    let mut absent = store.mark_seen(&provenance("s2"), &seen).await.expect("they are marked");
    absent.sort();
    assert_eq!(absent, keys(&["2", "never"]));
    let found: Vec<_> = all(&store)
        .await
        .into_iter()
        .map(|it| (it.known.key, it.known.sweep, it.known.seen_at))
        .collect();
    let sweep = |id: &str| Some(Box::from(id));
    let expected =
        [(key("1"), sweep("s2"), Some(at(60))), (key("a\u{0}b"), sweep("s1"), Some(at(60)))];
    assert_eq!(found, expected, "nothing was made");
}

pub async fn g4_what_is_marked_gone_is_named_and_stays_gone<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2", "3"]).await;
    assert_eq!(store.mark_unlisted(&keys(&["1", "2"]), at(20)).await, Ok(()));
    assert_eq!(store.mark_gone(&keys(&["1", "2"]), at(30)).await, Ok(2));
    let seen = [
        not_modified("1", 60, Fetched::Same),
        listed("2", 60),
        not_modified("3", 60, Fetched::Same),
    ];
    let mut named = store.mark_seen(&provenance("s2"), &seen).await.expect("they are marked");
    named.sort();
    assert_eq!(named, keys(&["1", "2"]));
    for stored in &all(&store).await[..2] {
        let Known { sweep, fetched_at, version, gone_at, unlisted_at, seen_at, .. } = &stored.known;
        assert_eq!((sweep.as_deref(), *fetched_at), (Some("s1"), Some(at(0))), "not fetched");
        assert!(version.etag.is_some());
        assert_eq!(
            (*gone_at, *unlisted_at, *seen_at),
            (Some(at(30)), Some(at(20)), Some(at(60))),
            "what it was marked by stays with the mark"
        );
    }
}

pub async fn marking_a_batch_twice_changes_nothing<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2"]).await;
    // An item can stand twice in a batch: its list page was read again.
    let seen =
        [not_modified("1", 60, Fetched::Same), listed("2", 60), listed("2", 60), listed("3", 60)];
    assert_eq!(store.mark_seen(&provenance("s2"), &seen).await, Ok(keys(&["3"])));
    let after_one = all(&store).await;
    assert_eq!(store.mark_seen(&provenance("s2"), &seen).await, Ok(keys(&["3"])));
    assert_eq!(store.mark_seen(&provenance("s2"), &[]).await, Ok(Vec::new()));
    assert_eq!(all(&store).await, after_one);
}

pub async fn many_are_marked_at_once<B: Ledger>() {
    let backend = B::start().await;
    let names: Vec<String> = (0..2500).map(|at| format!("{at:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let store = filled(&backend, &names).await;
    let etag = |name: &str| {
        Fetched::With(PageVersion { etag: Some(name.into()), ..PageVersion::default() })
    };
    let seen: Vec<Seen> = names.iter().map(|name| not_modified(name, 60, etag(name))).collect();
    assert_eq!(store.mark_seen(&provenance("s2"), &seen).await, Ok(Vec::new()));
    for stored in all(&store).await {
        assert_eq!(stored.known.version.etag.as_deref(), Some(stored.known.key.as_str()));
        let Known { sweep, seen_at, .. } = &stored.known;
        assert_eq!((sweep.as_deref(), *seen_at), (Some("s2"), Some(at(60))));
    }
    let keys = keys(&names);
    assert_eq!(store.mark_unlisted(&keys, at(70)).await, Ok(()));
    for keys in keys.chunks(1_000) {
        let unlisted = store.live(keys).await.expect("the store answers");
        assert_eq!(unlisted.len(), keys.len());
        assert!(unlisted.iter().all(|live| live.unlisted_at == Some(at(70))));
    }
    assert_eq!(store.mark_gone(&keys, at(80)).await, Ok(2500));
    assert_eq!(store.count_live().await, Ok(0));
    let seen: Vec<Seen> = names.iter().map(|name| listed(name, 90)).collect();
    assert_eq!(store.mark_seen(&provenance("s3"), &seen).await, Ok(keys));
}

pub async fn keys_go_on_after_one_and_live_leaves_out_what_is_gone<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["b", "ä", "10", "9", "B", "a.b", "a"]).await;
    assert_eq!(store.count_live().await, Ok(7));
    assert_eq!(store.mark_unlisted(&keys(&["a", "9"]), at(30)).await, Ok(()));
    assert_eq!(store.mark_gone(&keys(&["B", "10", "b"]), at(40)).await, Ok(3));
    assert_eq!(store.count_live().await, Ok(4));
    let (mut page, mut all) = (Rows::default(), Vec::new());
    loop {
        page = store.keys(page.next.as_ref(), 2).await.expect("the store answers");
        assert!(page.found.len() <= 2);
        all.append(&mut page.found);
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(all, keys(&["10", "9", "B", "a", "a.b", "b", "ä"]));
    all.push(key("never"));
    let mut found = store.live(&all).await.expect("the store answers");
    found.sort_by(|one, other| one.key.cmp(&other.key));
    let expected = |name: &str| Live {
        key: key(name),
        unlisted_at: ["a", "9"].contains(&name).then(|| at(30)),
        first_seen: Some(at(0)),
        changed_at: Some(at(0)),
        url: Some(format!("http://127.0.0.1/item/{name}").into()),
    };
    assert_eq!(found, ["9", "a", "a.b", "ä"].map(expected));
}

pub async fn what_is_not_listed_keeps_its_first_time<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2", "3"]).await;
    assert_eq!(store.mark_unlisted(&keys(&["1", "never"]), at(30)).await, Ok(()));
    assert_eq!(store.mark_unlisted(&keys(&["1", "2"]), at(60)).await, Ok(()));
    let known = store.known(&keys(&["1", "2", "3"])).await.expect("the store answers");
    let mut times: Vec<_> = known.into_iter().map(|it| (it.key, it.unlisted_at)).collect();
    times.sort();
    let expected = [(key("1"), Some(at(30))), (key("2"), Some(at(60))), (key("3"), None)];
    assert_eq!(times, expected);
    // What comes with a document of its own is listed.
    let again = crate::records::same("1", r#"{"v":1}"#, store.encoding(), 90);
    assert_eq!(store.write(&provenance("s2"), &[again]).await, Ok(Vec::new()));
    assert_eq!(all(&store).await[0].known.unlisted_at, None);
}

pub async fn what_is_gone_keeps_everything_else<B: Ledger>() {
    let backend = B::start().await;
    let store = filled(&backend, &["1", "2", "3"]).await;
    assert_eq!(store.mark_unlisted(&keys(&["1"]), at(20)).await, Ok(()));
    let before = all(&store).await;
    assert_eq!(store.mark_gone(&keys(&["1"]), at(30)).await, Ok(1));
    assert_eq!(store.mark_gone(&keys(&["1", "2", "never"]), at(60)).await, Ok(1));
    assert_eq!(store.mark_gone(&keys(&["1", "2"]), at(60)).await, Ok(1), "as the first time");
    assert_eq!(store.mark_gone(&[], at(60)).await, Ok(0));
    let gone = [Some(at(30)), Some(at(60)), None];
    let expected: Vec<Stored> = before
        .into_iter()
        .zip(gone)
        .map(|(stored, gone_at)| Stored { known: Known { gone_at, ..stored.known }, ..stored })
        .collect();
    assert_eq!(all(&store).await, expected);
    assert_eq!(live(&store).await, ["3"]);
}
