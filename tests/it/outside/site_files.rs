//! Site files, and what is asked for where pages say what they like.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::noise::{bytes, mutated, text};
use super::targets::Said;
use super::{config, targets};

/// Values of every type, some of them right in places.
const VALUES: [&str; 30] = [
    "1",
    "-1",
    "0",
    "9223372036854775807",
    "99999999999999999999",
    "1.5",
    "nan",
    "-inf",
    "true",
    "1979-05-27T07:32:00Z",
    "\"\"",
    "\"{key}\"",
    "\"{seed}/{page}\"",
    "\"{offset}\"",
    "\"{\"",
    "\"https://{key}.test/\"",
    "\"$..*\"",
    "\"$[?@.a == 1]\"",
    "\"a:has(b)\"",
    "\"(a+)+$\"",
    "[]",
    "[1, \"a\", []]",
    "{}",
    "{ select = \"$.a\", as = \"json\", many = true }",
    "{ header = \"x\" }",
    "{ by = \"cursor\", select = \"$.c\" }",
    "{ by = \"keys\", range = \"0..18446744073709551615\" }",
    "{ by = \"page\", first = 9223372036854775807, last = 9223372036854775807 }",
    "{ by = \"next\", link_header = true }",
    "{ a = { a = { a = { a = [{ a = 1 }] } } } }",
];

/// A site file with some of its lines deleted, repeated, moved, or given other values.
fn changed() -> impl Strategy<Value = String> {
    let change = (0..7_u8, any::<Index>(), any::<Index>(), select(VALUES.to_vec()), text());
    (select(targets::FILES.to_vec()), prop::collection::vec(change, 1..5)).prop_map(
        |((_, file), changes)| {
            let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
            for (kind, at, other, value, text) in changes {
                let (at, other) = (at.index(lines.len()), other.index(lines.len()));
                let key = |line: &str| line.split(" =").next().unwrap_or_default().to_owned();
                match kind {
                    0 if lines.len() > 1 => drop(lines.remove(at)),
                    1 => lines.insert(other, lines[at].clone()),
                    2 => lines.swap(at, other),
                    3 => lines[at] = text,
                    4 => lines.insert(at, format!("[{}.index]", key(&lines[other]))),
                    5 => lines[at] = format!("{} = {}", key(&lines[at]), lines[other]),
                    _ => lines[at] = format!("{} = {value}", key(&lines[at])),
                }
            }
            lines.join("\n")
        },
    )
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..100_u64,
        select(vec![u64::MAX - 1_000, u64::MAX / 2, 1 << 53]),
        any::<u32>().prop_map(u64::from)
    ]
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn any_text_is_a_site_file_or_an_error(body in bytes(), text in text()) {
        targets::site_file(&body);
        targets::site_file(text.as_bytes());
    }

    #[test]
    fn a_site_file_with_other_lines_is_one_or_an_error(text in changed()) {
        targets::site_file(text.as_bytes());
    }

    #[test]
    fn a_site_file_with_some_bytes_changed(body in mutated("site_file")) {
        targets::site_file(&body);
    }

    #[test]
    fn l6_whatever_pages_say_requests_stay_at_home(
        key in text(), seed in text(), cursor in text(), number in number(),
    ) {
        for site in targets::all() {
            targets::pages(site, &Said { key: &key, seed: &seed, cursor: &cursor, number });
        }
    }
}
