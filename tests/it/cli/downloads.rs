//! Files that items name: downloaded, kept under their digests, and described in documents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::{Value, json};

use super::program::{Program, gleaner};
use super::several::{Folder, crawl, list};
use super::{documents_of, report};
use crate::served::{Answer, Asked, Served};

const ITEMS: u64 = 20;

/// Items with a cover each, and two pictures that all have in common.
fn answer(asked: &Asked) -> Answer {
    let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["books"] => Answer::json(&(0..ITEMS).map(|id| json!({ "id": id })).collect()),
        ["item", key] => Answer::json(&json!({
            "id": key, "cover": format!("/covers/{key}.png"), "pictures": ["/p/a.gz", "/p/b"],
        })),
        ["covers", name] => {
            let tag = format!("\"{name}\"");
            match asked.header("if-none-match") == tag {
                true => Answer::not_modified(),
                false => Answer::body(cover(name), "image/png; x=y").header("etag", &tag),
            }
        }
        ["p", name] => Answer::body(picture(name), "application/octet-stream"),
        _ => Answer::not_found(),
    }
}

fn cover(name: &str) -> Vec<u8> {
    [b"\x89PNG\0\xff", name.as_bytes()].concat()
}

/// One of them is packed with gzip, and is kept as it is.
fn picture(name: &str) -> Vec<u8> {
    [b"\x1f\x8b\x08\0\0", name.as_bytes()].concat()
}

fn file(folder: &Folder, served: &Served) -> String {
    let detail = "[detail]\nurl = '/item/{key}'\n[detail.fields]\nid = '$.id'\n[detail.files]\n\
                  cover = { select = '$.cover', as = 'url' }\n\
                  pictures = { select = '$.pictures[*]', many = true }\nnothing = '$.none'\n";
    folder.file("books", &(list("books", served.url(), "") + detail))
}

fn run(folder: &Folder, file: &str) -> Program {
    let (files, to) = (folder.named("files"), folder.named("report.json"));
    crawl(&[file], &folder.store()).args(&["--files", &files, "--report", &to])
}

/// The file that a description in a document names.
fn stored(files: &Path, described: &Value) -> Vec<u8> {
    let digest = described["sha256"].as_str().expect("a digest");
    assert!(digest.len() == 64 && digest.bytes().all(|it| it.is_ascii_hexdigit()), "{digest}");
    let content = std::fs::read(files.join(&digest[..2]).join(digest)).expect("the file is there");
    assert_eq!(described["size"], content.len(), "{described}");
    content
}

/// Every document that is stored has its files. Returns their number.
fn whole(folder: &Folder) -> u64 {
    let documents = documents_of("books", &folder.path("s.db"));
    let files = folder.path("files");
    for (key, document) in &documents {
        assert_eq!(stored(&files, &document["cover"]), cover(&format!("{key}.png")));
        assert_eq!(document["cover"]["type"], "image/png");
        let pictures = document["pictures"].as_array().expect("a list");
        let contents: Vec<Vec<u8>> = pictures.iter().map(|it| stored(&files, it)).collect();
        assert_eq!(contents, [picture("a.gz"), picture("b")]);
        assert_eq!(document.as_object().expect("an object").len(), 3, "{document}");
    }
    documents.len() as u64
}

/// Paths of all files below a folder, without what is known of URLs.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true if path.ends_with("urls") => {}
            true => found.extend(below(&path)),
            false => drop(found.insert(path)),
        }
    }
    found
}

#[test]
fn files_are_kept_once_and_asked_for_conditionally() {
    let served = Served::start(answer);
    let folder = Folder::new();
    let file = file(&folder, &served);
    let ended = run(&folder, &file).run().with(0);
    assert!(ended.err.contains("files     "), "{}", ended.err);
    assert_eq!(whole(&folder), ITEMS);
    assert_eq!(below(&folder.path("files")).len() as u64, ITEMS + 2);
    let counted = report(&folder.path("report.json"))["store"]["files"].clone();
    assert_eq!((&counted["stored"], &counted["unchanged"]), (&json!(3 * ITEMS), &json!(0)));

    run(&folder, &file).run().with(0);
    let told = report(&folder.path("report.json"));
    let counted = &told["store"]["files"];
    assert_eq!((&counted["stored"], &counted["unchanged"]), (&json!(2 * ITEMS), &json!(ITEMS)));
    assert_eq!((&told["items"]["same"], &told["items"]["changed"]), (&json!(ITEMS), &json!(0)));

    // A file that is gone is downloaded again.
    std::fs::remove_dir_all(folder.path("files")).expect("it is removed");
    run(&folder, &file).run().with(0);
    assert_eq!(whole(&folder), ITEMS);
}

#[test]
fn a_changed_file_is_a_changed_document() {
    let version = Arc::new(AtomicU64::new(0));
    let now = version.clone();
    let served = Served::start(move |asked| match asked.path.as_str() {
        "/covers/3.png" => Answer::body(format!("v{}", now.load(Relaxed)), "image/png"),
        _ => answer(asked),
    });
    let folder = Folder::new();
    let file = file(&folder, &served);
    run(&folder, &file).run().with(0);
    version.store(1, Relaxed);
    run(&folder, &file).run().with(0);
    let items = report(&folder.path("report.json"))["items"].clone();
    assert_eq!((&items["changed"], &items["same"]), (&json!(1), &json!(ITEMS - 1)));
}

#[test]
fn a_file_that_cannot_be_had_is_the_failure_of_its_item() {
    type Refused = (fn(&Asked) -> Answer, &'static [&'static str], &'static str);
    let login = |_: &Asked| Answer::html("<!doctype html><title>Log in</title>".to_owned());
    let refused: [Refused; 5] = [
        (|_| Answer::not_found(), &[], "404"),
        (login, &[], "it is HTML, and the file is .png"),
        (|_| Answer::body(vec![1; 3 << 20], "image/png"), &["--max-body", "1MiB"], "over"),
        (
            |_| {
                Answer::text(String::new()).status(302).header("location", "http://elsewhere.test/")
            },
            &[],
            "elsewhere.test",
        ),
        (|asked| answer(asked), &["--max-files", "2"], "--max-files takes 2"),
    ];
    for (refuse, more, why) in refused {
        let served = Served::start(move |asked| match asked.path.as_str() {
            "/covers/7.png" => refuse(asked),
            _ => answer(asked),
        });
        let folder = Folder::new();
        let (file, store) = (file(&folder, &served), folder.store());
        run(&folder, &file).args(more).run().with(3);
        let is_each = more.contains(&"--max-files");
        assert_eq!(whole(&folder), if is_each { 0 } else { ITEMS - 1 }, "{why}");
        let failures = gleaner(&["failures", &file, "--store", &store]).run().with(0);
        let at = if is_each { "/item/7" } else { "/covers/7.png" };
        assert!(failures.out.contains(at) && failures.out.contains(why), "{why}: {}", failures.out);
    }
}

#[test]
fn s5_no_document_is_stored_before_its_files() {
    let served = Served::start(|asked| answer(asked).later(Duration::from_millis(4)));
    let folder = Folder::new();
    let file = file(&folder, &served);
    let run = || run(&folder, &file).args(&["--workers", "3", "--batch", "2", "--flush", "2ms"]);
    for at in [20, 15, 15] {
        run().killed_after(&served, at);
        if folder.path("s.db").exists() {
            whole(&folder);
        }
    }
    run().run().with(0);
    assert_eq!(whole(&folder), ITEMS);
}

#[test]
fn s5_what_a_killed_run_left_of_a_file_is_removed_by_the_next_one() {
    let served = Served::start(answer);
    let folder = Folder::new();
    let file = file(&folder, &served);
    std::fs::create_dir(folder.path("files")).expect("a folder");
    let [left, written] = [".new-left", ".new-written"].map(|name| folder.path("files").join(name));
    std::fs::write(&left, "half").expect("it is written");
    // Another run is writing this one.
    let open = std::fs::File::create(&written).expect("it is created");
    open.lock().expect("a lock");
    run(&folder, &file).run().with(0);
    assert!(!left.exists() && written.exists());
    drop(open);
    run(&folder, &file).run().with(0);
    assert!(!written.exists());
    assert_eq!(whole(&folder), ITEMS);
}

#[test]
fn files_need_a_folder_and_a_check_stores_none() {
    let served = Served::start(answer);
    let folder = Folder::new();
    let (file, store) = (file(&folder, &served), folder.store());
    crawl(&[&file], &store).run().with(2).tells(&["--files", "[detail.files]"]);
    let barred = folder.named("books.toml");
    crawl(&[&file], &store).args(&["--files", &barred]).run().with(2).tells(&["--files"]);
    assert_eq!(served.count("/"), 0);
    let checked = gleaner(&["check", &file, "--robots", "off"]).run().with(0);
    for shown in ["file 1 of `cover` of item 0", "\"sha256\"", "\"image/png\""] {
        assert!(checked.out.contains(shown), "{shown}: {}", checked.out);
    }
    assert!(!folder.path("files").exists());
}
