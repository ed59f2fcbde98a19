//! What is usual on a site and no problem: items in groups, fields that some items lack, parts that are
//! missing, redirects of all items.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::{Value, json};

use super::check::says;
use super::program::gleaner;
use super::several::{Folder, crawl};
use super::{documents_of, report};
use crate::served::{Answer, Asked, Served};

/// Groups and their games. The second of each has neither tags nor players nor reviews.
const GROUPS: [(&str, [u64; 2]); 2] = [("Board", [1, 2]), ("Card", [3, 4])];

fn games(asked: &Asked) -> Answer {
    let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    let id = |text: &str| text.parse::<u64>().expect("a number");
    match parts.as_slice() {
        ["api", "games"] => {
            let game = |id: u64| json!({ "id": id });
            let group =
                |(title, ids): (&str, [u64; 2])| json!({ "title": title, "games": ids.map(game) });
            Answer::json(&json!({ "groups": GROUPS.map(group) }))
        }
        ["api", "games", key] if id(key) % 2 == 1 => {
            Answer::json(&json!({ "id": id(key), "name": key, "players": 4, "tags": ["a", "b"] }))
        }
        ["api", "games", key] => Answer::json(&json!({ "id": id(key), "name": key })),
        ["api", "games", key, "reviews"] if id(key) % 2 == 1 => {
            Answer::json(&json!([{ "stars": 5 }]))
        }
        _ => Answer::not_found(),
    }
}

fn example(url: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/sites/game-groups.toml");
    let file = std::fs::read_to_string(path).expect("the example");
    file.replace("http://127.0.0.1:8000", url)
}

fn stored(folder: &Folder, table: &str) -> BTreeMap<String, Value> {
    let own = |(key, mut document): (String, Value)| {
        let members = document.as_object_mut().expect("an object");
        members.retain(|name, _| !name.starts_with('_'));
        (key, document)
    };
    documents_of(table, &folder.path("s.db")).into_iter().map(own).collect()
}

fn run(folder: &Folder, file: &str) -> Value {
    let to = folder.named("report.json");
    crawl(&[file], &folder.store()).args(&["--report", &to]).run().with(0);
    report(&folder.path("report.json"))
}

#[test]
fn groups_defaults_and_parts_that_are_none_are_stored_and_no_problem() {
    let (served, folder) = (Served::start(games), Folder::new());
    let file = folder.file("games", &example(served.url()));
    let first = run(&folder, &file);
    let game = |group: &str, id: u64| match id % 2 {
        1 => {
            json!({ "group": group, "name": id.to_string(), "players": 4, "tags": ["a", "b"], "reviews": [{ "stars": 5 }] })
        }
        _ => {
            json!({ "group": group, "name": id.to_string(), "players": 1, "tags": [], "reviews": [] })
        }
    };
    let all =
        GROUPS.into_iter().flat_map(|(group, ids)| ids.map(|id| (id.to_string(), game(group, id))));
    assert_eq!(stored(&folder, "games"), all.collect::<BTreeMap<String, Value>>());
    assert_eq!(first["problems"], json!([]), "{first}");
    // A default is nothing that was found.
    assert_eq!(first["fields"]["tags"]["found"], json!(2), "{first}");
    let again = run(&folder, &file);
    assert_eq!((&again["items"]["same"], &again["problems"]), (&json!(4), &json!([])));
    let checked = gleaner(&["check", &file, "--robots", "off"]).run().with(0);
    says(&checked, &["\"group\": \"Board\"", "game-groups fits"]);
    // Where nobody says that it is usual, it is mentioned.
    let plain =
        example(served.url()).replace("missing = \"none\"\n", "").replace("\"games\"", "\"other\"");
    let other = run(&folder, &folder.file("other", &plain));
    assert!(other["problems"].to_string().contains("counts as empty"), "{other}");
}

#[test]
fn a_field_with_a_default_that_vanishes_is_a_problem() {
    let has_tags = Arc::new(AtomicBool::new(true));
    let own = has_tags.clone();
    let served = Served::start(move |asked| {
        let item = |id: u64| match own.load(Relaxed) {
            true => json!({ "id": id, "tags": [id] }),
            false => json!({ "id": id }),
        };
        assert_eq!(asked.path, "/list");
        Answer::json(&json!((0..40).map(item).collect::<Vec<_>>()))
    });
    let folder = Folder::new();
    let file = format!(
        "name = 'tags'\nbase_url = '{}'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n\
         [index.fields]\nid = '$.id'\ntags = {{ select = '$.tags[*]', many = true, default = [] }}\n",
        served.url()
    );
    let file = folder.file("tags", &file);
    assert_eq!(run(&folder, &file)["fields"]["tags"]["found"], json!(40));
    has_tags.store(false, Relaxed);
    let to = folder.named("report.json");
    crawl(&[&file], &folder.store()).args(&["--report", &to]).run();
    let report = report(&folder.path("report.json"));
    assert!(report["problems"].to_string().contains("tags"), "{report}");
    assert_ne!(report["fields"]["tags"]["found"], json!(40), "{report}");
}

#[test]
fn redirects_of_all_items_are_reported_once_and_again_when_they_grow() {
    let far = Arc::new(AtomicBool::new(false));
    let own = far.clone();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/list" => Answer::json(&json!((0..10).map(|id| json!({ "id": id })).collect::<Vec<_>>())),
        path if path.starts_with("/i/") => {
            let to = path.replace("/i/", if own.load(Relaxed) { "/h/" } else { "/j/" });
            Answer::text(String::new()).status(307).header("location", &to)
        }
        path if path.starts_with("/h/") => {
            Answer::text(String::new()).status(302).header("location", &path.replace("/h/", "/j/"))
        }
        _ => Answer::json(&json!({ "ok": true })),
    });
    let folder = Folder::new();
    let file = format!(
        "name = 'led'\nbase_url = '{}'\n[index]\nurl = '/list'\nitems = '$[*]'\nkey = '$.id'\n\
         [detail]\nurl = '/i/{{key}}'\n",
        served.url()
    );
    let file = folder.file("led", &file);
    let mentions = |report: Value| report["problems"].to_string().contains("were redirected");
    assert!(mentions(run(&folder, &file)), "the first time");
    assert!(!mentions(run(&folder, &file)), "the same again");
    far.store(true, Relaxed);
    assert!(mentions(run(&folder, &file)), "twice as many");
}

#[test]
fn parents_and_defaults_that_cannot_be_are_refused_with_line_and_key() {
    let folder = Folder::new();
    let list = "name = 'x'\nbase_url = 'http://h'\n[index]\nurl = '/l'\n";
    for (more, words) in [
        (
            "items = '$.groups[*].items[*]'\nfields = { g = { from = 'parent', select = '$.g' } }",
            "write them as steps, such as [\"$.groups[*]\", \"$.items[*]\"]",
        ),
        (
            "items = ['$.html', 'li']\nkey = 'i::text'\nfields = { g = { from = 'parent', select = 'b::text' } }",
            "index.fields.g: the step before the last of `items`",
        ),
        ("items = '$[*]'\nfields = { g = { from = 'parent' } }", "missing: `select`"),
        (
            "items = '$[*]'\nfields = { g = { select = '$.g', many = true, default = 0 } }",
            "x.toml:7: index.fields.g.default: the field is a list",
        ),
        (
            "items = '$[*]'\nfields = { g = { select = '$.g', as = 'integer', default = '0' } }",
            "index.fields.g.default: it must be an integer",
        ),
        (
            "items = '$[*]'\nfields = { g = { select = '$.g', required = true, default = 0 } }",
            "not valid together with `required`",
        ),
        ("items = '$[*]'\nfields = { g = { select = '$.g', default = nan } }", "is no JSON"),
        (
            "items = '$[*]'\npaging = { by = 'cursor', take = { c = '$.continue' }, merge = true }\nfields = { g = { select = '$.g', default = 0 } }",
            "index.paging.merge: not valid with `default`",
        ),
        (
            "items = '$[*]'\n[detail]\nlink = { select = '$.g', default = 'x' }",
            "detail.link: `default` is not valid here",
        ),
        (
            "items = '$[*]'\nfields = { g = { select = '$.g', type = 'image/*' } }",
            "index.fields.g: `type` is valid in [detail.files] only",
        ),
        (
            "items = '$[*]'\n[detail]\nurl = '/{key}'\n[detail.files]\nf = { select = '$.f', type = 'png' }",
            "detail.files.f.type: `png` is not a media type",
        ),
        (
            "items = '$[*]'\n[detail]\nurl = '/{key}'\n[detail.parts.p]\nurl = '/{key}'\nitems = '$'\nmissing = 'empty'",
            "unknown variant `empty`, expected `none`",
        ),
    ] {
        let key = if more.contains("key = ") { "" } else { "key = '$.id'\n" };
        let file = folder.file("x", &format!("{list}{key}{more}\n"));
        let said = gleaner(&["check", &file]).run().with(2);
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
}
