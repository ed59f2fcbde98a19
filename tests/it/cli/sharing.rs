//! Kinds of sites that several machines crawl together: what only the owner knows stays with it, and
//! what each needs for itself, each gets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};

use super::program::{Ended, Program, gleaner};
use super::report;
use super::several::{Folder, crawl, list};
use crate::mongod::fresh_database;
use crate::served::{Answer, Asked, Served};

const ITEMS: u64 = 120;
/// Time that the list takes, in which the helper joins.
const LIST: Duration = Duration::from_secs(3);
const ITEM: Duration = Duration::from_millis(20);

/// A site, a store, and a folder for files and reports.
struct Shop {
    served: Served,
    store: String,
    folder: Folder,
}

/// How both runs ended, the owner's first, and the report of each site's sweep.
struct Shared {
    owner: Ended,
    helper: Ended,
    reports: Value,
}

impl Shop {
    fn of(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Shop {
        let served = Served::start(answer);
        Shop { served, store: fresh_database(), folder: Folder::new() }
    }

    fn run(&self, files: &[&str], name: &str) -> Program {
        let report = self.folder.named(name);
        crawl(files, &self.store)
            .args(&["--together", "--workers", "6", "--batch", "10", "--flush", "20ms"])
            .args(&["--gone-limit", "100", "--report", &report])
            .env("GLEANER_SECRET_PASSWORD", "open")
    }

    /// Two runs of these files, the second of which helps.
    fn shared(&self, files: &[&str]) -> Shared {
        let owner = self.run(files, "owner").start();
        owner.says(" sweep ");
        let helper = self.run(files, "helper").start();
        helper.says("helping with the sweep");
        let (owner, helper) = (owner.end(), helper.end());
        assert!(!owner.err.contains("panicked") && !helper.err.contains("panicked"));
        Shared { owner, helper, reports: report(&self.folder.path("owner")) }
    }

    /// The documents that are stored, as `gleaner export` writes them.
    fn documents(&self, file: &str) -> Vec<Value> {
        let exported = gleaner(&["export", file, "--store", &self.store]).run().with(0);
        exported.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Shared {
    fn are_complete(self) -> Value {
        self.owner.with(0);
        self.helper.with(0);
        self.reports
    }
}

/// Number of items that the helper did.
fn helped(report: &Value) -> u64 {
    let members = report["members"].as_array().unwrap_or_else(|| panic!("members in {report}"));
    let helpers = members.iter().filter(|member| member["role"] == "helper");
    helpers.map(|member| member["items"].as_u64().expect("a number")).sum()
}

fn ids(items: u64) -> Answer {
    let row = |id| json!({ "id": id, "slug": format!("the-{id}") });
    Answer::json(&(0..items).map(row).collect()).later(LIST)
}

/// The parts of a path.
fn parts(asked: &Asked) -> Vec<&str> {
    asked.path.trim_matches('/').split('/').collect()
}

#[test]
fn items_with_parts_are_lent_whole() {
    let shop = Shop::of(|asked| match parts(asked).as_slice() {
        ["books"] => ids(ITEMS),
        ["item", key] => Answer::json(&json!({ "id": key })).later(ITEM),
        ["item", key, "notes"] => {
            let page = asked.number("page").unwrap_or(1);
            let note = json!({ "of": key, "page": page });
            Answer::json(&if page < 3 { json!([note]) } else { json!([]) })
        }
        _ => Answer::not_found(),
    });
    let detail = "[detail]\nurl = '/item/{key}'\n[detail.parts.notes]\nurl = '/item/{key}/notes'\n\
                  query = { page = '{page}' }\npaging = { by = 'page' }\nitems = '$[*]'\n";
    let file = shop.folder.file("books", &(list("books", shop.served.url(), "") + detail));
    let report = shop.shared(&[&file]).are_complete();
    assert!(helped(&report) > 10, "{report}");
    let documents = shop.documents(&file);
    assert_eq!(documents.len() as u64, ITEMS);
    for document in &documents {
        assert_eq!(document["notes"].as_array().map(Vec::len), Some(2), "{document}");
    }
    let pages = shop.served.requests();
    let items = pages.iter().filter(|asked| parts(asked).len() == 2).count();
    assert_eq!(items as u64, ITEMS, "no item is begun twice");
}

#[test]
fn values_of_the_list_go_with_an_item_and_each_machine_logs_in_for_itself() {
    let shop = Shop::of(|asked| match parts(asked).as_slice() {
        ["login"] if asked.json() == json!({ "password": "open" }) => {
            Answer::json(&json!({ "token": "t" }))
        }
        _ if asked.header("authorization") != "Bearer t" => {
            Answer::text("log in".to_owned()).status(401)
        }
        ["books"] => ids(ITEMS),
        ["item", slug] if slug.starts_with("the-") => {
            Answer::json(&json!({ "slug": slug })).later(ITEM)
        }
        _ => Answer::not_found(),
    });
    let session = "[session]\nurl = '/login'\njson = { password = '{env:GLEANER_SECRET_PASSWORD}' }\n\
                   take = { token = '$.token' }\nheaders = { Authorization = 'Bearer {token}' }";
    let text = list("books", shop.served.url(), session);
    let text = text + "[index.values]\nslug = '$.slug'\n[detail]\nurl = '/item/{slug}'\n";
    let file = shop.folder.file("books", &text);
    let report = shop.shared(&[&file]).are_complete();
    assert!(helped(&report) > 10, "{report}");
    assert_eq!(report["items"]["new"], ITEMS);
    assert_eq!(shop.served.count("/login"), 2);
    assert_eq!(shop.served.count("/item"), ITEMS as usize);
}

#[test]
fn a_list_of_what_changed_is_shared_under_the_time_of_its_sweep() {
    let shop = Shop::of(|asked| match parts(asked).as_slice() {
        ["books"] => ids(if asked.raw_query.is_empty() { ITEMS } else { 60 }),
        ["item", _] => Answer::json(&json!({ "of": "now" })).later(ITEM),
        _ => Answer::not_found(),
    });
    let text = list("books", shop.served.url(), "")
        + "query = { after = '{since}' }\n\
        since = { overlap = '10m', full = '7d' }\n[detail]\nurl = '/item/{key}'\n";
    let file = shop.folder.file("books", &text);
    let full = shop.shared(&[&file]).are_complete();
    assert_eq!((&full["kind"], &full["items"]["new"]), (&json!("full"), &json!(ITEMS)));
    let partial = shop.shared(&[&file]).are_complete();
    assert_eq!((&partial["kind"], &partial["items"]["same"]), (&json!("partial"), &json!(60)));
    assert_eq!((&partial["items"]["gone"], &partial["items"]["unlisted"]), (&json!(0), &json!(0)));
    assert!(helped(&full) > 10 && helped(&partial) > 5, "{full}\n{partial}");
}

#[test]
fn children_are_shared_as_their_parents_are() {
    let shop = Shop::of(|asked| match parts(asked).as_slice() {
        ["books"] => ids(8),
        ["seeds", book] => {
            let reviews = (0..20).map(|at| json!({ "id": format!("{book}-{at}") })).collect();
            Answer::json(&reviews).later(Duration::from_millis(1_500))
        }
        ["review", _] => Answer::json(&json!({ "stars": 5 })).later(ITEM),
        _ => Answer::not_found(),
    });
    let parent = shop.folder.file("books", &list("books", shop.served.url(), ""));
    let child = list("reviews", shop.served.url(), "[seeds]\nsite = 'books'");
    let child = child.replace("url = '/reviews'", "url = '/seeds/{seed}'");
    let child = shop.folder.file("reviews", &(child + "[detail]\nurl = '/review/{key}'\n"));
    let shared = shop.shared(&[&parent, &child]);
    let helper = shared.helper.err.clone();
    let reports = shared.are_complete();
    assert_eq!(
        (&reports[0]["items"]["new"], &reports[1]["items"]["new"]),
        (&json!(8), &json!(160))
    );
    assert_eq!(shop.served.count("/seeds/"), 8, "one machine reads the lists");
    assert_eq!(shop.served.count("/review/"), 160);
    assert!(helper.matches("helping with the sweep").count() >= 2 || helped(&reports[1]) > 0);
}

#[test]
fn p13_nothing_is_lent_before_the_owner_knows_that_the_site_was_not_redesigned() {
    let phase = Arc::new(AtomicU64::new(1));
    let now = phase.clone();
    let shop = Shop::of(move |asked| match parts(asked).as_slice() {
        ["books"] => ids(ITEMS),
        ["item", id] if now.load(Relaxed) == 1 => {
            Answer::json(&json!({ "id": id, "price": 7 })).later(ITEM)
        }
        ["item", id] => Answer::json(&json!({ "id": id, "cost": 7 })).later(ITEM),
        _ => Answer::not_found(),
    });
    let text = list("books", shop.served.url(), "") + "[detail]\nurl = '/item/{key}'\n";
    let file = shop.folder.file("books", &text);
    assert!(helped(&shop.shared(&[&file]).are_complete()) > 10);
    phase.store(2, Relaxed);
    let Shared { owner, helper, .. } = shop.shared(&[&file]);
    owner.with(1).tells(&["the site may have been redesigned"]);
    helper.with(1);
    let documents = shop.documents(&file);
    assert!(documents.iter().all(|it| it["price"] == 7), "nothing was replaced");
}
