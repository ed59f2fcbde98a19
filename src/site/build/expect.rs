//! Builds what is expected of sweeps from the table `[expect]`.

use std::time::Duration;

use super::{Wrong, wrong};
use crate::site::file::ExpectTable;
use crate::site::written::At;
use crate::site::{DetailRules, IndexRules, ItemRules, Keep};
use crate::sweep::calendar::Schedule;
use crate::sweep::expect::Expectations;

/// Longest duration: a year.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Builds the expectations. A field must be one of the documents, as far as their fields are known.
pub fn build(
    table: &ExpectTable,
    index: &IndexRules,
    detail: Option<&DetailRules>,
) -> Result<Expectations, Wrong> {
    let ExpectTable { every, fresh, min_items, max_drop, fields } = table;
    let seconds = |key: &str, written: &Option<At<String>>| {
        written.as_ref().map(|written| duration(key, written)).transpose()
    };
    if let Some(least) = min_items.as_ref().filter(|least| least.value == 0) {
        return Err(wrong(least, "expect.min_items", "must be at least 1"));
    }
    let max_drop = max_drop.as_ref().map(|drop| percent("expect.max_drop", drop)).transpose()?;
    let known = known_fields(index, detail);
    let mut least = std::collections::BTreeMap::new();
    for (name, share) in fields {
        let key = format!("expect.fields.{name}");
        if let Some(known) = known.as_ref().filter(|known| !known.contains(&&**name)) {
            let message = format!("no document has this field; they have {}", known.join(", "));
            return Err(wrong(share, &key, message));
        }
        least.insert(name.as_str().into(), percent(&key, share)?);
    }
    Ok(Expectations {
        every_s: seconds("expect.every", every)?,
        fresh_s: seconds("expect.fresh", fresh)?,
        min_items: min_items.as_ref().map(|it| it.value),
        max_drop,
        fields: least,
    })
}

/// Adds the interval of the schedule, unless the site file says what is expected.
pub fn by_schedule(expect: Expectations, schedule: Option<&Schedule>) -> Expectations {
    let interval = schedule.map(|it| it.interval().as_secs().max(1));
    Expectations { every_s: expect.every_s.or(interval), ..expect }
}

/// Reads a duration, in seconds.
pub(super) fn duration(key: &str, written: &At<String>) -> Result<u64, Wrong> {
    let message = "must be a duration from 1s to 366d, such as 6h";
    let duration = humantime::parse_duration(&written.value).ok();
    let duration = duration.filter(|it| (Duration::from_secs(1)..=LONGEST).contains(it));
    duration.map(|it| it.as_secs()).ok_or_else(|| wrong(written, key, message))
}

fn percent(key: &str, written: &At<u64>) -> Result<u8, Wrong> {
    let share = u8::try_from(written.value).ok().filter(|share| (1..=100).contains(share));
    share.ok_or_else(|| wrong(written, key, "must be a percentage from 1 to 100, without a sign"))
}

/// Returns the fields of the documents, or `None` if a document is all of a page or an entry.
fn known_fields<'a>(
    index: &'a IndexRules,
    detail: Option<&'a DetailRules>,
) -> Option<Vec<&'a str>> {
    let mut names: Vec<&str> = Vec::new();
    if let Some(detail) = detail {
        if detail.fields.is_empty() {
            return None;
        }
        names.extend(detail.fields.iter().map(|(name, _)| &**name));
    }
    match &index.items {
        ItemRules::Selected { keep: Keep::Fields(fields), .. } => {
            names.extend(fields.iter().map(|(name, _)| &**name));
        }
        ItemRules::Selected { keep: Keep::Nothing, .. } if detail.is_some() => {}
        ItemRules::Sitemap { .. } | ItemRules::Known if detail.is_some() => {}
        _ => return None,
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use crate::site::Site;
    use crate::sweep::expect::Expectations;

    fn site(items: &str, expect: &str) -> Result<Expectations, String> {
        let text = format!(
            "name = 's'\nbase_url = 'http://h'\n[index]\nurl = '/'\nitems = '$[*]'\nkey = '$.id'\n{items}\n[expect]\n{expect}\n"
        );
        let site = Site::parse(&text, "s.toml").map_err(|error| error.to_string())?;
        Ok(site.settings().expect)
    }

    #[test]
    fn expectations_are_read_and_missing_ones_are_defaults() {
        let all =
            "every = '6h'\nfresh = '1d'\nmin_items = 100\nmax_drop = 20\nfields = { price = 95 }";
        let expected = Expectations {
            every_s: Some(21_600),
            fresh_s: Some(86_400),
            min_items: Some(100),
            max_drop: Some(20),
            fields: [("price".into(), 95)].into(),
        };
        assert_eq!(site("", all), Ok(expected));
        assert_eq!(site("", ""), Ok(Expectations::default()));
    }

    #[test]
    fn what_cannot_be_expected_is_refused_with_line_and_key() {
        let fields = "fields.title = '$.title'";
        let cases = [
            ("", "every = 'often'", "s.toml:9: expect.every: must be a duration from 1s to 366d"),
            ("", "fresh = '0s'", "s.toml:9: expect.fresh: must be a duration"),
            ("", "min_items = 0", "s.toml:9: expect.min_items: must be at least 1"),
            ("", "max_drop = 0", "s.toml:9: expect.max_drop: must be a percentage from 1 to 100"),
            ("", "fields = { price = 101 }", "s.toml:9: expect.fields.price: must be a percentage"),
            ("", "min_item = 1", "s.toml:9: expect.min_item: unknown field"),
            (
                fields,
                "fields = { price = 9 }",
                "expect.fields.price: no document has this field; they have title",
            ),
        ];
        for (items, expect, message) in cases {
            let error = site(items, expect).unwrap_err();
            assert!(error.contains(message), "{expect}: {error}");
        }
    }
}
