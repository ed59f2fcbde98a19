//! Trees of categories: levels of `[[seeds]]` below one another, on a server that fails now and then.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;

use serde_json::{Value, json};

use super::check::says;
use super::program::gleaner;
use super::several::{Folder, crawl};
use super::{documents_of, report};
use crate::mongod::fresh_database;
use crate::served::{Answer, Asked, Served};

/// Departments, and the categories of each.
const DEPARTMENTS: [(&str, &[&str]); 3] =
    [("books", &["a/b", "c d", "e"]), ("music", &[]), ("toys", &["x", "y"])];
/// Categories on a page.
const PAGE: usize = 2;

/// Returns the products of a category in a condition: seven new ones, and none that are used but for one.
fn products(department: &str, category: &str, condition: &str) -> Vec<Value> {
    let count = if condition == "new" { 7 } else { usize::from(category == "e") };
    let id =
        |at: usize| format!("{department}-{}-{condition}-{at}", category.replace(['/', ' '], ""));
    (0..count).map(|at| json!({ "id": id(at), "name": format!("{category} {at}") })).collect()
}

/// Returns the answer of the shop.
fn shop(asked: &Asked) -> Answer {
    let path = percent_encoding::percent_decode_str(&asked.path).decode_utf8_lossy().into_owned();
    let departments = DEPARTMENTS.map(|(id, _)| json!({ "id": id, "title": id.to_uppercase() }));
    if path == "/departments" {
        return Answer::json(&json!({ "departments": departments }));
    }
    let Some(rest) = path.strip_prefix("/departments/") else { return Answer::not_found() };
    let Some((department, rest)) = rest.split_once('/') else { return Answer::not_found() };
    let own = DEPARTMENTS.iter().find(|(id, _)| *id == department);
    let Some((_, categories)) = own else { return Answer::not_found() };
    let page = asked.number("page").unwrap_or(1) - 1;
    if rest == "categories" {
        let named = categories.iter().skip(page * PAGE).take(PAGE);
        let named: Vec<Value> = named.map(|id| json!({ "id": id })).collect();
        return Answer::json(&json!({ "categories": named }));
    }
    let category = rest.strip_suffix("/products").filter(|it| categories.contains(it));
    let (Some(category), Some(condition)) = (category, asked.query.get("condition")) else {
        return Answer::not_found();
    };
    let all = products(department, category, condition);
    let listed: Vec<&Value> = all.iter().skip(page * 3).take(3).collect();
    Answer::json(&json!({ "products": listed, "total": all.len() }))
}

/// Serves what `answer` says, but for every tenth request, which has status 503 once.
fn unsteady(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Served {
    let failed = Mutex::new((0_u32, HashSet::new()));
    Served::start(move |asked| {
        let mut failed = failed.lock().expect("it is whole");
        failed.0 += 1;
        let url = format!("{}?{:?}", asked.path, asked.query.iter().collect::<BTreeMap<_, _>>());
        match failed.0 % 10 == 0 && failed.1.insert(url) {
            true => Answer::text("later".to_owned()).status(503).header("Retry-After", "0"),
            false => answer(asked),
        }
    })
}

fn example(url: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sites/department-tree.toml");
    let file = std::fs::read_to_string(path).expect("the example");
    file.replace("http://127.0.0.1:8000", url)
}

/// What the example stores.
fn expected() -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for (department, categories) in DEPARTMENTS {
        for (category, condition) in categories.iter().flat_map(|it| [(it, "new"), (it, "used")]) {
            for product in products(department, category, condition) {
                let key = product["id"].as_str().expect("a text").to_owned();
                let kept = json!({
                    "name": product["name"],
                    "department": department.to_uppercase(),
                    "category": category,
                    "condition": condition,
                });
                all.insert(key, kept);
            }
        }
    }
    all
}

fn stored(folder: &Folder, table: &str) -> BTreeMap<String, Value> {
    let own = |(key, mut document): (String, Value)| {
        let members = document.as_object_mut().expect("an object");
        members.retain(|name, _| !name.starts_with('_'));
        (key, document)
    };
    documents_of(table, &folder.path("s.db")).into_iter().map(own).collect()
}

#[test]
fn a_tree_of_three_levels_is_whole_on_an_unsteady_server_and_the_same_when_refreshed() {
    let (served, folder) = (unsteady(shop), Folder::new());
    let file = folder.file("tree", &example(served.url()));
    let to = folder.named("report.json");
    let run = |store: &str| {
        crawl(&[&file], store).args(&["--report", &to]).run().with(0);
        report(&folder.path("report.json"))
    };
    let first = run(&folder.store());
    assert_eq!(stored(&folder, "products"), expected());
    assert_eq!(first["items"]["new"], expected().len());
    let again = run(&folder.store());
    assert_eq!((&again["items"]["same"], &again["items"]["gone"]), (&json!(36), &json!(0)));
    assert_eq!(run(&fresh_database())["items"]["new"], 36);
}

#[test]
fn a_page_that_is_lost_at_any_level_makes_the_sweep_incomplete_and_failures_are_retried_through_the_tree()
 {
    for lost in ["/departments/books/categories", "/departments/toys/x/products"] {
        let down = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let is_down = down.clone();
        let served = Served::start(move |asked| {
            match asked.path == lost && is_down.load(std::sync::atomic::Ordering::SeqCst) {
                true => Answer::text("no".to_owned()).status(500),
                false => shop(asked),
            }
        });
        let folder = Folder::new();
        let file = folder.file("tree", &example(served.url()));
        crawl(&[&file], &folder.store()).run().with(0);
        down.store(true, std::sync::atomic::Ordering::SeqCst);
        let to = folder.named("report.json");
        let ended = crawl(&[&file], &folder.store()).args(&["--report", &to]).run().with(3);
        ended.tells(&["incomplete"]);
        assert_eq!(report(&folder.path("report.json"))["items"]["gone"], 0, "{lost}");
        assert_eq!(stored(&folder, "products"), expected(), "{lost}");
        down.store(false, std::sync::atomic::Ordering::SeqCst);
        let fresh = Folder::new();
        down.store(true, std::sync::atomic::Ordering::SeqCst);
        crawl(&[&file], &fresh.store()).run().with(3);
        assert!(stored(&fresh, "products").len() < expected().len());
        down.store(false, std::sync::atomic::Ordering::SeqCst);
        let retry = ["failures", &*file, "--retry", "--store", &fresh.store(), "--robots", "off"];
        gleaner(&retry).run().with(0);
        assert_eq!(stored(&fresh, "products"), expected(), "{lost}");
    }
}

#[test]
fn one_sub_category_below_two_parents_is_read_below_both_and_a_missing_one_is_empty() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/a/subs" | "/b/subs" => Answer::json(&json!([{ "id": "x", "slug": "s-x" }])),
        "/s-x" => Answer::json(&json!([{ "id": 1 }, { "id": 2 }])),
        "/s-x/1" | "/s-x/2" => Answer::json(&json!({ "ok": true })),
        // That a parent has no sub-categories may be said by its status.
        _ => Answer::not_found(),
    });
    let file = format!(
        "name = 'two'\nbase_url = '{}'\n[[seeds]]\nvalues = ['a', 'b', 'c']\n\
         [[seeds]]\nurl = '/{{seed}}/subs'\nselect = '$[*]'\nkey = '$.id'\nvalues = {{ slug = '$.slug' }}\n\
         [index]\nurl = '/{{slug}}'\nitems = '$[*]'\nkey = '$.id'\n\
         [detail]\nurl = '/{{slug}}/{{key}}'\nfields = {{ ok = '$.ok' }}\n",
        served.url()
    );
    let folder = Folder::new();
    let file = folder.file("two", &file);
    for new in [2, 0] {
        let to = folder.named("report.json");
        crawl(&[&file], &folder.store()).args(&["--report", &to]).run().with(0);
        assert_eq!(report(&folder.path("report.json"))["items"]["new"], new);
    }
    let keys: BTreeSet<String> = stored(&folder, "two").into_keys().collect();
    assert_eq!(keys, ["1", "2"].map(String::from).into());
    assert_eq!(served.requests().iter().filter(|asked| asked.path == "/s-x").count(), 4);
}

#[test]
fn a_category_without_the_value_that_its_list_needs_is_a_lost_page() {
    let served = Served::start(|asked| match asked.path.as_str() {
        "/subs" => Answer::json(&json!([{ "id": "x", "slug": "s-x" }, { "id": "y" }])),
        "/s-x" => Answer::json(&json!([{ "id": 1 }])),
        _ => Answer::not_found(),
    });
    let file = format!(
        "name = 'one'\nbase_url = '{}'\n[seeds]\nurl = '/subs'\nselect = '$[*]'\nkey = '$.id'\n\
         [seeds.values]\nslug = '$.slug'\n[index]\nurl = '/{{slug}}'\nitems = '$[*]'\nkey = '$.id'\n",
        served.url()
    );
    let folder = Folder::new();
    let ended = crawl(&[&folder.file("one", &file)], &folder.store()).run().with(3);
    ended.tells(&["its category has no value `slug`"]);
    assert_eq!(served.count("/"), 2);
}

#[test]
fn check_walks_down_a_tree_and_takes_a_category_of_each_level() {
    let (served, folder) = (Served::start(shop), Folder::new());
    let file = folder.file("tree", &example(served.url()));
    let check = |more: &[&str]| gleaner(&["check", &file, "--robots", "off"]).args(more).run();
    let books = ["seeds 3", "\"department\": \"BOOKS\"", "department-tree fits"];
    says(&check(&[]).with(0), &books);
    let named = check(&["--seed", "toys", "--seed", "y", "--seed", "new"]).with(0);
    says(&named, &["\"department\": \"TOYS\"", "\"category\": \"y\""]);
    says(&check(&["--seed", "music"]).with(3), &["names no category"]);
    let many = ["--seed", "a", "--seed", "b", "--seed", "c", "--seed", "d"];
    check(&many).with(2).tells(&["this site has 3 levels of categories"]);
}
