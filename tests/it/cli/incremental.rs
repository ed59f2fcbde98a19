//! Lists that are asked only for what changed: which sweeps are, what they ask for and what they may
//! conclude, on both stores, over kills, failures and clocks that jump.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gleaner::model::report::Kind;
use gleaner::store::{Place, StoreUrl};
use gleaner::sweep::SweepEntry;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::every::until;
use super::program::{Ended, Program, gleaner};
use super::report;
use super::several::{Folder, crawl};
use crate::mongod::fresh_database;
use crate::served::{Answer, Asked, Served};

/// Books by key, each with the time of its last change; their list can be asked for those that changed
/// since a time.
#[derive(Default)]
struct Shelf {
    books: BTreeMap<String, Timestamp>,
    /// Pages of books that fail.
    broken: Vec<String>,
    /// Status of the list, where nothing changed.
    empty: Option<u16>,
    delay: Duration,
}

struct Shop {
    served: Served,
    shelf: Arc<Mutex<Shelf>>,
}

const DAY: i64 = 86_400;

impl Shop {
    /// Opens a shop with these books, which are old.
    fn of(books: &[&str]) -> Shop {
        let books = books.iter().map(|key| (key.to_string(), Timestamp::UNIX_EPOCH)).collect();
        let shelf = Arc::new(Mutex::new(Shelf { books, ..Shelf::default() }));
        let own = Arc::clone(&shelf);
        let served = Served::start(move |asked| answer(&own.lock().expect("it is whole"), asked));
        Shop { served, shelf }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("it is whole")
    }

    /// Changes a book, or adds it.
    fn change(&self, key: &str) {
        self.shelf().books.insert(key.to_owned(), Timestamp::now());
    }

    fn file(&self, folder: &Folder, more: &str) -> String {
        let url = self.served.url();
        folder.file(
            "books",
            &format!(
                "name = 'books'\nbase_url = '{url}'\n{more}\n[index]\nurl = '/list'\nitems = '$.books[*]'\n\
                 key = '$.key'\nquery = {{ filter = 'changed>{{since}}', size = 9 }}\n\
                 since = {{ overlap = '10m', full = '7d' }}\n[detail]\nurl = '/book/{{key}}'\n"
            ),
        )
    }

    fn crawl(&self, folder: &Folder, store: &str) -> Program {
        crawl(&[&self.file(folder, "")], store).args(&["--gone-limit", "100"])
    }

    /// What the list was asked for, one text a request: the time, or nothing.
    fn asked(&self) -> Vec<Option<Timestamp>> {
        let requests = self.served.requests().into_iter().filter(|asked| asked.path == "/list");
        requests.map(|asked| since(&asked)).collect()
    }

    fn last_asked(&self) -> Option<Timestamp> {
        self.asked().pop().expect("a request")
    }
}

fn since(asked: &Asked) -> Option<Timestamp> {
    assert_eq!(asked.query.get("size").map(String::as_str), Some("9"));
    let filter = asked.query.get("filter")?;
    let time = filter.strip_prefix("changed>").expect("as the file says");
    Some(time.parse().expect("a time"))
}

fn answer(shelf: &Shelf, asked: &Asked) -> Answer {
    if let Some(key) = asked.path.strip_prefix("/book/") {
        let changed = shelf.books.get(key).filter(|_| !shelf.broken.iter().any(|it| it == key));
        return match changed {
            Some(changed) => Answer::json(&json!({ "key": key, "changed": changed.to_string() })),
            None if shelf.books.contains_key(key) => Answer::text("no".to_owned()).status(500),
            None => Answer::not_found(),
        };
    }
    let since = since(asked).unwrap_or(Timestamp::UNIX_EPOCH);
    let books = shelf.books.iter().filter(|(_, changed)| **changed >= since);
    let books: Vec<Value> = books.map(|(key, _)| json!({ "key": key })).collect();
    match shelf.empty.filter(|_| books.is_empty()) {
        Some(status) => Answer::json(&json!({ "none": true })).status(status),
        None => Answer::json(&json!({ "books": books })).later(shelf.delay),
    }
}

/// Runs a test on each store.
fn on_both(test: impl Fn(&str, &Folder)) {
    let folder = Folder::new();
    test(&folder.store(), &folder);
    test(&fresh_database(), &Folder::new());
}

/// The sweeps of the books, newest first, and the number of books that are not gone.
fn held(store: &str) -> (Vec<SweepEntry>, u64) {
    let url: StoreUrl = store.parse().expect("a URL");
    let place =
        Place { site: "books".into(), collection: "books".into(), key_field: None, adopt: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let store = gleaner::store::open_to_read(&url, &place).await.expect("the store opens");
        let sweeps = store.sweeps(100).await.expect("the ledger");
        let live = store.count_live().await.expect("a number");
        store.close().await.expect("it closes");
        (sweeps.into_iter().map(|it| it.entry).collect(), live)
    })
}

/// What a sweep after `base` asks for: the site writes times in seconds.
fn after(base: &SweepEntry) -> Option<Timestamp> {
    let since = base.started_at - SignedDuration::from_mins(10);
    Timestamp::from_second(since.as_second()).ok()
}

/// Runs it with a clock that is wrong by so many seconds.
fn at(program: Program, seconds: i64) -> Program {
    program.env("GLEANER_TEST_CLOCK_OFFSET", &seconds.to_string())
}

fn kinds(store: &str) -> Vec<&'static str> {
    held(store).0.iter().map(|entry| entry.kind.name()).collect()
}

#[test]
fn l19_a_sweep_asks_for_what_changed_since_the_last_complete_one_and_marks_nothing() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b", "c"]);
        shop.crawl(folder, store).run().with(0).tells(&["3 new", "starting sweep"]);
        assert_eq!(shop.asked(), [None]);
        let first = held(store).0.remove(0);
        // b leaves, c changes, d is new.
        shop.shelf().books.remove("b");
        ["c", "d"].iter().for_each(|key| shop.change(key));
        let to = folder.named("report.json");
        let ended = shop.crawl(folder, store).args(&["--report", &to]).run().with(0);
        ended.tells(&[
            "1 new",
            "1 changed",
            "starting partial sweep",
            "books: complete",
            "partial sweep",
        ]);
        assert_eq!(shop.last_asked(), after(&first));
        let (sweeps, live) = held(store);
        assert_eq!(live, 4, "b is not gone: it was not asked for");
        assert!(matches!(sweeps[0].kind, Kind::Partial { .. }), "{:?}", sweeps[0]);
        let report = report(&folder.path("report.json"));
        assert_eq!((&report["kind"], &report["limited"]), (&json!("partial"), &json!(true)));
        assert!(report["since"].is_string());
        let table = gleaner(&["sweeps", &shop.file(folder, ""), "--store", store]);
        assert!(table.run().with(0).out.contains("partial, since "));
        // The second one counts from the first, and the third from the second.
        shop.crawl(folder, store).run().with(0);
        assert_eq!(shop.last_asked(), after(&sweeps[0]));
        // A full one finds what left.
        at(shop.crawl(folder, store), 8 * DAY).run().with(0).tells(&["1 gone"]);
        assert_eq!((shop.last_asked(), held(store).1), (None, 3));
        assert_eq!(kinds(store), ["full", "partial", "partial", "full"]);
    });
}

#[test]
fn l19_an_empty_answer_says_that_nothing_changed() {
    let (shop, folder) = (Shop::of(&["a"]), Folder::new());
    let later = |seconds| at(shop.crawl(&folder, &folder.store()), seconds);
    later(0).run().with(0);
    for (status, code) in [(None, 0), (Some(204), 0), (Some(404), 1)] {
        shop.shelf().empty = status;
        later(DAY).run().with(code);
        assert!(shop.last_asked().is_some(), "{status:?}");
    }
    let site = shop.file(&folder, "[answers]\nmissing = ['$.none']\n");
    shop.shelf().empty = Some(200);
    let marked = || at(crawl(&[&site], &folder.store()), DAY);
    marked().run().with(0);
    assert!(shop.last_asked().is_some());
    shop.shelf().books.clear();
    shop.shelf().empty = Some(204);
    later(8 * DAY).run().with(1);
    assert_eq!(shop.last_asked(), None);
    shop.shelf().empty = None;
    later(8 * DAY).run().with(3).tells(&["the list is empty"]);
}

#[test]
fn l19_only_a_complete_sweep_advances_the_time() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b"]);
        shop.crawl(folder, store).run().with(0);
        let expected = after(&held(store).0[0]);
        let is_same = |what: &str| assert_eq!(shop.last_asked(), expected, "{what}");
        shop.change("a");
        shop.shelf().broken.push("a".to_owned());
        shop.crawl(folder, store).run().with(3).tells(&["1 failed"]);
        is_same("the one that is not complete");
        // Limited runs ask for everything, and count for nothing.
        shop.crawl(folder, store).args(&["--limit", "1"]).run();
        assert_eq!(shop.last_asked(), None);
        let retry = ["failures", &*shop.file(folder, ""), "--retry", "--robots", "off"];
        gleaner(&[&retry[..], &["--store", store]].concat()).run().with(3);
        shop.crawl(folder, store).run().with(3);
        is_same("after one that was not complete");
        // A killed one asks the same when it is resumed, whatever the clock says.
        shop.shelf().broken.clear();
        shop.shelf().delay = Duration::from_secs(30);
        let before = shop.asked().len();
        let running = shop.crawl(folder, store).start();
        until("asked", || shop.asked().len() > before);
        running.kill();
        is_same("before it was killed");
        shop.shelf().delay = Duration::ZERO;
        at(shop.crawl(folder, store), DAY).run().with(0).tells(&["resuming", "1 changed"]);
        is_same("resumed");
        let last = held(store).0.remove(0);
        assert_eq!((last.runs, last.kind.name()), (2, "partial"));
        at(shop.crawl(folder, store), DAY).run().with(0);
        assert_eq!(shop.last_asked(), after(&last));
    });
}

#[test]
fn l19_another_definition_a_clock_set_back_or_the_user_lead_to_a_full_sweep() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b"]);
        let is = |ended: Ended, full: bool| {
            ended.with(0);
            assert_eq!(shop.last_asked().is_none(), full);
        };
        at(shop.crawl(folder, store), DAY).run().with(0);
        is(shop.crawl(folder, store).run(), true);
        is(shop.crawl(folder, store).run(), false);
        is(shop.crawl(folder, store).args(&["--full"]).run(), true);
        is(shop.crawl(folder, store).args(&["--fresh"]).run(), false);
        let redefined = || crawl(&[&shop.file(folder, "ignore = ['$.seen']")], store);
        is(redefined().run(), true);
        is(redefined().run(), false);
        is(shop.crawl(folder, store).run(), true);
        // A killed partial sweep is not resumed where a full one is due.
        shop.shelf().delay = Duration::from_secs(30);
        let before = shop.asked().len();
        let running = shop.crawl(folder, store).start();
        until("asked", || shop.asked().len() > before);
        running.kill();
        shop.shelf().delay = Duration::ZERO;
        let ended = shop.crawl(folder, store).args(&["--full"]).run();
        assert!(ended.err.contains("it lists only what changed, and a full sweep is due"));
        is(ended, true);
        assert_eq!(held(store).0[0].runs, 1);
    });
}

#[test]
fn l19_an_empty_store_and_a_skipped_item_are_no_base() {
    let (shop, folder) = (Shop::of(&["a", "b"]), Folder::new());
    shop.crawl(&folder, &folder.store()).run().with(0);
    shop.change("a");
    let skipping = shop.crawl(&folder, &folder.store()).args(&["--max-age", "12h"]);
    skipping.run().with(0).tells(&["1 changed", "--max-age is not used"]);
    rusqlite::Connection::open(folder.path("s.db"))
        .expect("it opens")
        .execute("DELETE FROM books", [])
        .expect("rows");
    shop.crawl(&folder, &folder.store()).run().with(0).tells(&["2 new"]);
    assert_eq!(shop.last_asked(), None);
}
