//! Items of one site as the seeds of another: parents and children in one command, on both stores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use gleaner::model::record::Key;
use gleaner::store::{Place, StoreUrl};
use gleaner::sweep::SweepEntry;
use serde_json::{Value, json};

use super::every::until;
use super::program::{Program, gleaner};
use super::report;
use super::several::{Folder, crawl, list};
use crate::mongod::fresh_database;
use crate::served::{Answer, Asked, Served};

/// Books at `/books`, the reviews of each at `/items/KEY/reviews`, and the votes on a review at
/// `/votes/KEY`.
#[derive(Default)]
struct Shelf {
    books: Vec<String>,
    /// Reviews by book; the list of any other book is not there.
    reviews: BTreeMap<String, Vec<String>>,
    /// What the list of the books answers instead.
    instead: Option<u16>,
    /// True if a book has no key, so that no sweep of the books is complete.
    has_keyless: bool,
    /// Time that the list of reviews takes.
    delay: Duration,
    /// Time that the list of books takes.
    books_delay: Duration,
}

struct Shop {
    served: Served,
    shelf: Arc<Mutex<Shelf>>,
}

impl Shop {
    /// Opens a shop with these books, each of which has two reviews.
    fn of(books: &[&str]) -> Shop {
        let reviews = books.iter().map(|book| (book.to_string(), two(book)));
        let books = books.iter().map(ToString::to_string).collect();
        let shelf = Shelf { books, reviews: reviews.collect(), ..Shelf::default() };
        let shelf = Arc::new(Mutex::new(shelf));
        let own = Arc::clone(&shelf);
        let served = Served::start(move |asked| answer(&own.lock().expect("it is whole"), asked));
        Shop { served, shelf }
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("it is whole")
    }

    fn books(&self, folder: &Folder) -> String {
        folder.file("books", &list("books", self.served.url(), "").replace("$[*]", "$.list[*]"))
    }

    fn reviews(&self, folder: &Folder) -> String {
        folder
            .file("reviews", &child("reviews", "books", self.served.url(), "/items/{seed}/reviews"))
    }

    /// Number of requests for lists of reviews.
    fn asked(&self) -> usize {
        self.served.count("/items/")
    }
}

fn two(book: &str) -> Vec<String> {
    vec![format!("{book}-1"), format!("{book}-2")]
}

/// A site file whose seeds are the items of `parent`.
fn child(name: &str, parent: &str, base_url: &str, url: &str) -> String {
    let seeds = format!("[seeds]\nsite = '{parent}'");
    list(name, base_url, &seeds).replace(&format!("url = '/{name}'"), &format!("url = '{url}'"))
}

fn answer(shelf: &Shelf, asked: &Asked) -> Answer {
    let of = |ids: &[String]| ids.iter().map(|id| json!({ "id": id })).collect::<Vec<Value>>();
    let path = percent_encoding::percent_decode_str(&asked.path).decode_utf8_lossy().into_owned();
    if let Some(status) = shelf.instead.filter(|_| path == "/books") {
        return Answer::text("no".to_owned()).status(status);
    }
    if path == "/books" {
        let mut books = of(&shelf.books);
        books.extend(shelf.has_keyless.then(|| json!({ "no": "key" })));
        return Answer::json(&json!({ "list": books })).later(shelf.books_delay);
    }
    if let Some(review) = path.strip_prefix("/votes/") {
        return Answer::json(&json!(of(&[format!("{review}-vote")])));
    }
    let book = path.strip_prefix("/items/").and_then(|path| path.strip_suffix("/reviews"));
    match book.and_then(|book| shelf.reviews.get(book)) {
        Some(reviews) => Answer::json(&json!(of(reviews))).later(shelf.delay),
        None => Answer::not_found(),
    }
}

#[test]
fn c6_only_items_that_changed_are_seeds_and_the_sweep_is_partial() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b", "c"]);
        let url = shop.served.url();
        let file = child("reviews", "books", url, "/items/{seed}/reviews");
        let file = folder.file(
            "reviews",
            &file.replace("site = 'books'", "site = 'books'\nchanged = true\nfull = '7d'"),
        );
        let books = shop.books(folder);
        let run = || crawl(&[&books, &file], store).args(&["--gone-limit", "60"]);
        run().run().with(0);
        let asked = shop.asked();
        assert_eq!(asked, 3);
        // A review that only a full sweep finds, and one of a book that is new.
        shop.shelf().reviews.insert("a".to_owned(), vec!["a-1".to_owned(), "a-3".to_owned()]);
        shop.shelf().books.push("d".to_owned());
        shop.shelf().reviews.insert("d".to_owned(), two("d"));
        run().run().with(0).tells(&["starting partial sweep", "2 new"]);
        assert_eq!(shop.asked(), asked + 1, "the list of d");
        let expected = set(&["a-1", "a-2", "b-1", "b-2", "c-1", "c-2", "d-1", "d-2"]);
        assert_eq!(live(store, "reviews"), expected);
        assert_eq!(held(store, "reviews").1.len(), 1, "only full sweeps are whole");
        run().run().with(0).tells(&["starting partial sweep"]);
        assert_eq!(shop.asked(), asked + 1, "no book changed");
        // A book that leaves is no seed; one that comes back has changed.
        shop.shelf().books.retain(|book| book != "b");
        for _ in 0..2 {
            run().run().with(0);
        }
        assert!(!live(store, "books").contains("b"));
        shop.shelf().books.push("b".to_owned());
        run().run().with(0);
        assert_eq!(shop.asked(), asked + 2, "the list of b");
        let late = (8 * 86_400).to_string();
        run().env("GLEANER_TEST_CLOCK_OFFSET", &late).run().with(0);
        assert_eq!(shop.asked(), asked + 6, "all four lists");
        assert!(live(store, "reviews").contains("a-3"));
    });
}

/// Runs a test on each store.
fn on_both(test: impl Fn(&str, &Folder)) {
    let folder = Folder::new();
    test(&folder.store(), &folder);
    test(&fresh_database(), &Folder::new());
}

fn set(keys: &[&str]) -> BTreeSet<String> {
    keys.iter().map(ToString::to_string).collect()
}

/// Keys of the items of a site that are not marked gone, and its complete sweeps, the newest first.
fn held(store: &str, site: &str) -> (BTreeSet<String>, Vec<SweepEntry>) {
    let url: StoreUrl = store.parse().expect("a URL");
    let place = Place { site: site.into(), collection: site.into(), key_field: None, adopt: false };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let store = gleaner::store::open_to_read(&url, &place).await.expect("the store opens");
        let mut keys = BTreeSet::new();
        let mut after = None;
        loop {
            let page = store.keys(after.as_ref(), 1_000).await.expect("keys");
            let live = store.live(&page.found).await.expect("metadata");
            keys.extend(live.into_iter().map(|it| Key::to_string(&it.key)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let whole = store.whole_sweeps(100).await.expect("the ledger");
        store.close().await.expect("it closes");
        (keys, whole)
    })
}

fn live(store: &str, site: &str) -> BTreeSet<String> {
    held(store, site).0
}

fn both(shop: &Shop, folder: &Folder, store: &str) -> Program {
    crawl(&[&shop.books(folder), &shop.reviews(folder)], store).args(&["--gone-limit", "60"])
}

#[test]
fn c2_the_items_of_one_site_are_the_seeds_of_another() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b", "c", "d"]);
        shop.shelf().reviews.remove("c");
        let to = folder.named("report.json");
        let ended = both(&shop, folder, store).args(&["--report", &to]).run().with(0);
        ended.tells(&["books: complete", "reviews: complete", "is not there, and counts as empty"]);
        let expected = set(&["a-1", "a-2", "b-1", "b-2", "d-1", "d-2"]);
        assert_eq!(live(store, "reviews"), expected);
        let reports = report(&folder.path("report.json"));
        assert_eq!(
            (&reports[1]["site"], &reports[1]["index"]["listed"]),
            (&json!("reviews"), &json!(6))
        );
        assert_eq!(held(store, "reviews").1.len(), 1, "a ledger of its own");
        // Each list once, and the one that is not there once more.
        assert_eq!(shop.asked(), 5);
        both(&shop, folder, store).run().with(0).tells(&["6 same"]);
        assert_eq!(live(store, "reviews"), expected);
    });
}

#[test]
fn c2_children_may_have_children() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b"]);
        let url = shop.served.url();
        let votes = folder.file("votes", &child("votes", "reviews", url, "/votes/{seed}"));
        let files = [&*shop.books(folder), &*shop.reviews(folder), &*votes];
        crawl(&files, store).run().with(0);
        let expected = ["a-1-vote", "a-2-vote", "b-1-vote", "b-2-vote"];
        assert_eq!(live(store, "votes"), set(&expected));
        // A failed parent skips all that is below it, and nothing else.
        shop.shelf().instead = Some(500);
        let asked = (shop.asked(), shop.served.count("/votes/"));
        let other = folder.file("other", &list("other", url, "").replace("/other", "/votes/x"));
        let ended = crawl(&[&files[..], &[&*other]].concat(), store).run().with(1);
        ended.tells(&[
            "reviews is skipped: its seeds are the items of books, and the sweep failed",
            "votes is skipped: its seeds are the items of reviews, and its sweep was skipped",
            "other: complete",
        ]);
        assert_eq!((shop.asked(), shop.served.count("/votes/")), (asked.0, asked.1 + 1));
        assert_eq!(live(store, "votes"), set(&expected));
    });
}

#[test]
fn c2_a_parent_that_another_run_holds_skips_its_children() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a"]);
        both(&shop, folder, store).run().with(0);
        shop.shelf().books_delay = Duration::from_secs(5);
        let (asked, books) = (shop.asked(), shop.served.count("/books"));
        let first = crawl(&[&shop.books(folder)], store).start();
        until("the list is requested", || shop.served.count("/books") > books);
        let second = both(&shop, folder, store).run().with(4);
        second.tells(&["reviews is skipped", "another run holds the site lock"]);
        assert_eq!((shop.asked(), shop.served.count("/books")), (asked, books + 1));
        first.end().with(0);
    });
}

#[test]
fn c2_what_leaves_the_parent_takes_its_children_along_by_the_usual_proof() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b", "c"]);
        let run = || both(&shop, folder, store).run().with(0);
        run();
        // An item without a page of its own is gone when two complete sweeps do not list it.
        shop.shelf().books.pop();
        run();
        assert_eq!((live(store, "books").len(), live(store, "reviews").len()), (3, 6));
        run();
        assert_eq!((live(store, "books").len(), live(store, "reviews").len()), (2, 6));
        let asked = shop.asked();
        run();
        assert_eq!(shop.asked(), asked + 2, "what is gone is not a seed");
        assert_eq!(live(store, "reviews"), set(&["a-1", "a-2", "b-1", "b-2"]));
        // It comes back, with its children.
        shop.shelf().books.push("c".to_owned());
        run();
        assert_eq!(live(store, "reviews").len(), 6);
        // A list that is no longer there is an empty one: its items go by the same proof.
        shop.shelf().reviews.remove("a");
        run();
        assert_eq!(live(store, "reviews").len(), 6);
        run();
        assert_eq!(live(store, "reviews"), set(&["b-1", "b-2", "c-1", "c-2"]));
    });
}

#[test]
fn c3_children_are_incomplete_until_their_parent_was_complete_once() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b"]);
        shop.shelf().has_keyless = true;
        let said = "books, whose items are the seeds, has not been crawled completely yet";
        for _ in 0..2 {
            both(&shop, folder, store).run().with(3).tells(&["reviews: incomplete", said]);
            assert_eq!(live(store, "reviews").len(), 4, "what is there is crawled");
        }
        // Nothing is gone by such a sweep, however often the lists lack it.
        shop.shelf().reviews.remove("a");
        for _ in 0..3 {
            both(&shop, folder, store).run().with(3);
        }
        assert_eq!(live(store, "reviews").len(), 4);
        // A sweep over a part of the parent is no complete one either.
        shop.shelf().has_keyless = false;
        crawl(&[&shop.books(folder)], store).args(&["--limit", "1"]).run().with(0);
        let reviews = [&*shop.reviews(folder)];
        let alone = || crawl(&reviews, store).args(&["--allow-seeds", "books"]);
        alone().run().with(3).tells(&[said]);
        both(&shop, folder, store).run().with(0).tells(&["reviews: complete"]);
        // From now on the parent's own trouble is its own.
        shop.shelf().has_keyless = true;
        both(&shop, folder, store).run().with(3).tells(&["books: incomplete", "reviews: complete"]);
        alone().run().with(0);
    });
}

#[test]
fn c3_a_parent_that_was_never_crawled_has_no_children_and_is_not_complete() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a"]);
        let reviews = shop.reviews(folder);
        let ended = crawl(&[&reviews], store).args(&["--allow-seeds", "books"]).run().with(3);
        ended.tells(&["has not been crawled completely yet"]);
        assert_eq!(shop.asked(), 0);
    });
}

#[test]
fn c4_a_file_of_somebody_else_gets_no_keys_that_the_user_does_not_name() {
    on_both(|store, folder| {
        let shop = Shop::of(&["secret-a", "secret-b"]);
        let books = shop.books(folder);
        crawl(&[&books], store).run().with(0);
        // The host of a stranger, and a child that asks for the keys of books.
        let stranger = Served::start(|_| Answer::json(&json!([])));
        let url = stranger.url();
        let evil = folder.file("evil", &child("evil", "books", url, "/collect/{seed}"));
        let collection = "collection = 'books'";
        let thief = folder.file("thief", &list("thief", url, collection));
        let of_thief = folder.file("late", &child("late", "thief", url, "/collect/{seed}"));
        let own = folder.file("own", &child("own", "own", url, "/collect/{seed}"));
        let one = folder.file("one", &child("one", "two", url, "/collect/{seed}"));
        let two = folder.file("two", &child("two", "one", url, "/collect/{seed}"));
        for (run, said) in [
            (crawl(&[&evil], store), "--allow-seeds books"),
            (crawl(&[&evil], store).args(&["--allow-seeds", "others"]), "--allow-seeds books"),
            (crawl(&[&evil], store).args(&["--allow-seeds", "book"]), "--allow-seeds books"),
            (crawl(&[&evil], store).args(&["--allow-seeds", "$cmd"]), "not the name of a site"),
            (crawl(&[&evil], store).args(&["--allow-seeds", "./no.toml"]), "no.toml"),
            (crawl(&[&evil, &books], store), "name books first"),
            (crawl(&[&own], store), "cannot be its own seeds"),
            (crawl(&[&one, &two], store), "name two first"),
            (crawl(&[&two, &one], store), "name one first"),
            (crawl(&[&evil], "jsonl:-").args(&["--allow-seeds", "books"]), "JSON lines"),
            (gleaner(&["failures", &evil, "--retry", "--store", store]), "--allow-seeds books"),
            // The collection of books belongs to books, whoever else claims it.
            (crawl(&[&thief, &of_thief], store), "late is skipped"),
        ] {
            let ended = run.run().with(2);
            assert!(ended.err.contains(said), "{said}: {}", ended.err);
            assert_eq!(stranger.count("/collect"), 0, "{said}");
        }
        crawl(&[&evil], store).env("GLEANER_ALLOW_SEEDS", "x,books").run().with(3);
        // Both lists are empty, which is asked for twice.
        assert_eq!(stranger.count("/collect/secret-"), 4);
        let path = ["--allow-seeds", &*books];
        crawl(&[&shop.reviews(folder)], store).args(&path).run().with(0);
    });
}

#[test]
fn c4_check_says_whose_keys_go_where_and_tests_the_list_of_one() {
    let shop = Shop::of(&["a"]);
    let folder = Folder::new();
    let (books, reviews) = (shop.books(&folder), shop.reviews(&folder));
    let check = |file: &str| gleaner(&["check", file, "--robots", "off"]);
    let alone = check(&reviews).run().with(2);
    let seeds = "the keys of all items of books, read from the store";
    assert!(alone.out.contains(seeds) && alone.err.contains("--seed"), "{alone:?}");
    assert_eq!(shop.served.requests().len(), 0);
    let tested = check(&reviews).args(&["--seed", "a"]).run().with(0);
    assert!(tested.out.contains(seeds) && tested.out.contains("/items/a/reviews"), "{tested:?}");
    let json = check(&reviews).args(&["--seed", "a", "--json"]).run().with(0);
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["access"]["seeds"], "books");
    assert!(check(&books).run().with(0).out.find("seeds").is_none());
    check(&books).args(&["--seed", "a"]).run().with(2).tells(&["no [seeds]"]);
    gleaner(&["tune", &reviews]).run().with(1).tells(&["items of books"]);
}

#[test]
fn c5_a_key_is_one_segment_and_leads_nowhere_else() {
    let keys = ["a/b", "x?y#z", "%2e%2e", "é 1", "../a"];
    let shop = Shop::of(&keys);
    let folder = Folder::new();
    let store = folder.store();
    let files = [&*shop.books(&folder), &*shop.reviews(&folder)];
    crawl(&files, &store).run().with(0);
    let lists = shop.served.requests().into_iter().map(|asked| asked.path);
    let lists: BTreeSet<String> = lists.filter(|path| path.starts_with("/items/")).collect();
    let expected = ["a%2Fb", "x%3Fy%23z", "%252e%252e", "%C3%A9%201", "..%2Fa"];
    let expected: BTreeSet<String> =
        expected.iter().map(|key| format!("/items/{key}/reviews")).collect();
    assert_eq!(lists, expected);
    assert_eq!(live(&store, "reviews").len(), 10);
    // What would change the path is no key to begin with.
    shop.shelf().books.push("..".to_owned());
    crawl(&files, &store).run().with(3).tells(&["dot segment", "reviews: complete"]);
    assert_eq!(shop.served.count("/reviews"), 0);
}

#[test]
fn c5_a_child_that_is_killed_goes_on_where_it_was() {
    on_both(|store, folder| {
        let names: Vec<String> = (0..120).map(|n| format!("b{n:03}")).collect();
        let shop = Shop::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
        shop.shelf().delay = Duration::from_millis(30);
        let fresh = ["--workers", "4", "--batch", "4", "--flush", "5ms"];
        let running = both(&shop, folder, store).args(&fresh).start();
        until("half of the lists are read", || shop.asked() > 60);
        running.kill();
        let stored = live(store, "reviews").len();
        assert!((20..200).contains(&stored), "{stored}");
        shop.shelf().delay = Duration::ZERO;
        let to = folder.named("report.json");
        both(&shop, folder, store).args(&["--report", &to]).run().with(0);
        let report = report(&folder.path("report.json"));
        assert_eq!((&report[0]["resumed"], &report[1]["resumed"]), (&json!(false), &json!(true)));
        assert_eq!(live(store, "reviews").len(), 240);
        assert_eq!((held(store, "books").1.len(), held(store, "reviews").1.len()), (2, 1));
    });
}

#[test]
fn c5_thousands_of_seeds_are_read_in_pages_each_once() {
    on_both(|store, folder| {
        let names: Vec<String> = (0..2_500).map(|n| format!("{n}")).collect();
        let shop = Shop::of(&names.iter().map(String::as_str).collect::<Vec<_>>());
        (0..2_500).step_by(50).for_each(|n| drop(shop.shelf().reviews.remove(&n.to_string())));
        let to = folder.named("report.json");
        let more = ["--workers", "64", "--report", &to];
        both(&shop, folder, store).args(&more).run().with(0);
        assert_eq!(live(store, "reviews").len(), 4_900);
        // Each list once, and the 50 that are not there once more.
        assert_eq!(shop.asked(), 2_550);
        let problems = report(&folder.path("report.json"))[1]["problems"].clone();
        assert!(problems.as_array().is_some_and(|all| all.len() <= 2), "{problems}");
        // A page of keys may hold none that is still there, and another follows.
        let is_first = |name: &&String| name.as_str() < "2";
        let kept = names.iter().filter(|name| !is_first(name)).cloned().collect::<Vec<_>>();
        shop.shelf().books = kept.clone();
        for _ in 0..2 {
            crawl(&[&shop.books(folder)], store).args(&["--gone-limit", "60"]).run().with(0);
        }
        let before = shop.asked();
        assert!(kept.len() < 1_500 && live(store, "books").len() == kept.len(), "{}", kept.len());
        let more = ["--allow-seeds", "books", "--gone-limit", "60", "--workers", "64"];
        crawl(&[&shop.reviews(folder)], store).args(&more).run().with(0);
        let is_absent = |name: &&String| name.parse::<u32>().is_ok_and(|it| it % 50 == 0);
        assert_eq!(shop.asked() - before, kept.len() + kept.iter().filter(is_absent).count());
    });
}

#[test]
fn c5_what_failed_of_a_child_is_retried_by_itself() {
    on_both(|store, folder| {
        let shop = Shop::of(&["a", "b"]);
        shop.shelf().reviews.insert("b".to_owned(), vec![]);
        both(&shop, folder, store).run().with(0);
        let reviews = shop.reviews(folder);
        let broken = folder.file(
            "reviews",
            &child("reviews", "books", shop.served.url(), "/items/{seed}/reviews")
                .replace("items = '$[*]'", "items = '$[*]'\nrequire = ['$[0]']"),
        );
        // An empty list is refused now, so that a page is lost.
        crawl(&[&broken], store).args(&["--allow-seeds", "books"]).run().with(3);
        let fixed = shop.reviews(folder);
        assert_eq!(reviews, fixed);
        let retry = ["failures", &*fixed, "--retry", "--store", store, "--robots", "off"];
        gleaner(&retry).args(&["--allow-seeds", "books"]).run().with(0);
        gleaner(&["failures", &fixed, "--store", store]).run().with(0).tells(&["no failures"]);
    });
}

#[test]
fn c5_rounds_skip_the_children_of_a_parent_that_fails() {
    let shop = Shop::of(&["a"]);
    let folder = Folder::new();
    let store = folder.store();
    shop.shelf().instead = Some(500);
    let running = both(&shop, &folder, &store).args(&["--every", "1s"]).start();
    running.says("reviews is skipped");
    assert_eq!(shop.asked(), 0);
    shop.shelf().instead = None;
    until("the children are crawled", || shop.asked() > 0);
    running.signal("TERM");
    let code = running.end().code;
    assert!(code == 0 || code == 143, "{code}");
}
