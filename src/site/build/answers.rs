//! `[answers]`: the meaning of statuses, and marks on pages that are missing or failed.

use std::time::Duration;

use super::super::file::AnswersTable;
use super::super::rules::Marks;
use super::super::written::{At, Chain};
use super::select::select;
use super::{Wrong, wrong};
use crate::fetch::Statuses;
use crate::select::{Finds, Part};

/// Maximum `wait`.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// Statuses with a fixed meaning, and the reason. A site file cannot change it.
const OWN: [(std::ops::RangeInclusive<u16>, &str); 3] = [
    (300..=399, "redirects are followed, and 304 says that nothing changed"),
    (429..=429, "it is always retried"),
    (503..=503, "it is always retried"),
];

/// Builds the meaning of statuses. A status that the file names is removed from the defaults of the
/// other lists.
pub fn statuses(written: Option<&At<AnswersTable>>) -> Result<Statuses, Wrong> {
    let usual = Statuses::default();
    let Some(written) = written else { return Ok(usual) };
    let AnswersTable { ok, end, later, wait, .. } = &written.value;
    let lists = [("ok", ok, usual.ok), ("end", end, usual.end), ("later", later, usual.later)];
    let mut named: Vec<(u16, &str)> = Vec::new();
    for (name, list, _) in &lists {
        for status in list.iter().flatten() {
            let key = format!("answers.{name}");
            let number = allowed(&key, status)?;
            if let Some((_, other)) = named.iter().find(|(it, _)| *it == number) {
                return Err(wrong(status, &key, format!("{number} is already in `{other}`")));
            }
            named.push((number, name));
        }
    }
    let [ok, end, later]: [Vec<u16>; 3] = lists.map(|(name, list, usual)| match list {
        Some(_) => named.iter().filter(|(_, of)| *of == name).map(|(status, _)| *status).collect(),
        None => {
            usual.into_iter().filter(|it| !named.iter().any(|(other, _)| other == it)).collect()
        }
    });
    if ok.is_empty() {
        return Err(wrong(written, "answers.ok", "must contain at least one status"));
    }
    Ok(Statuses { ok, end, later, wait: wait.as_ref().map(duration).transpose()? })
}

fn allowed(key: &str, status: &At<u64>) -> Result<u16, Wrong> {
    let number = u16::try_from(status.value).ok().filter(|number| (200..=599).contains(number));
    let Some(number) = number else {
        return Err(wrong(
            status,
            key,
            format!("{} is not a status from 200 to 599", status.value),
        ));
    };
    match OWN.iter().find(|(own, _)| own.contains(&number)) {
        Some((_, why)) => Err(wrong(status, key, format!("{number} is not valid here: {why}"))),
        None => Ok(number),
    }
}

fn duration(written: &At<String>) -> Result<Duration, Wrong> {
    let message = "must be a duration from 1s to 10m, such as 30s";
    humantime::parse_duration(&written.value)
        .ok()
        .filter(|wait| (Duration::from_secs(1)..=LONGEST_WAIT).contains(wait))
        .ok_or_else(|| wrong(written, "answers.wait", message))
}

/// Builds the marks for pages on which `on` is selected. Selectors that begin with `$` are
/// JSONPaths, all others are CSS.
pub fn marks(written: Option<&At<AnswersTable>>, on: Finds) -> Result<Marks, Wrong> {
    let Some(written) = written else { return Ok(Marks::default()) };
    let of_kind = |key: &str, selects: &[At<Chain>]| {
        let selects = selects.iter().filter(|it| is_for(&it.value, on) && !is_null(&it.value));
        selects.map(|steps| select(key, steps, on)).collect::<Result<Vec<_>, _>>()
    };
    Ok(Marks {
        missing: of_kind("answers.missing", &written.value.missing)?,
        null_is_missing: !on.are_elements()
            && written.value.missing.iter().any(|it| is_null(&it.value)),
        error: of_kind("answers.error", &written.value.error)?,
    })
}

/// Rejects a mark for a format that no page of the site has.
pub fn refuse_unused(written: Option<&At<AnswersTable>>, held: &[Finds]) -> Result<(), Wrong> {
    let Some(AnswersTable { missing, error, .. }) = written.map(|it| &it.value) else {
        return Ok(());
    };
    if let Some(null) = error.iter().find(|it| is_null(&it.value)) {
        let message = "`null` is valid in `missing` only";
        return Err(wrong(null, "answers.error", message));
    }
    for (key, selects) in [("answers.missing", missing), ("answers.error", error)] {
        for steps in selects {
            let on = reads(&steps.value);
            if !held.iter().any(|held| is_for(&steps.value, *held)) {
                let (is, name) = match on {
                    Finds::Values => ("a JSONPath", "JSON"),
                    _ => ("CSS (a JSONPath begins with `$`)", "HTML"),
                };
                let text = match steps.value.0.first() {
                    Some(Part::Selector(text) | Part::Regex(text)) => text,
                    None => "",
                };
                let message = format!("`{text}` is {is}, and no page is {name}");
                return Err(wrong(steps, key, message));
            }
        }
    }
    Ok(())
}

/// Returns `true` if `null` stands in the place of a selector: the page is that JSON value.
fn is_null(steps: &Chain) -> bool {
    matches!(steps.0.as_slice(), [Part::Selector(text)] if text == "null")
}

/// Returns `true` if a selector is for pages on which `on` is selected.
fn is_for(steps: &Chain, on: Finds) -> bool {
    reads(steps).are_elements() == on.are_elements()
}

/// Returns the kind of what a selector is applied to, by its first step.
pub fn reads(steps: &Chain) -> Finds {
    let is_path = is_null(steps) || steps.0.first().is_some_and(Part::is_path);
    if is_path { Finds::Values } else { Finds::Elements }
}

#[cfg(test)]
mod tests {
    use super::super::super::Site;

    fn site(answers: &str) -> Result<Site, String> {
        let text = format!(
            "name = 's'\nbase_url = 'http://h'\n[index]\nurl = '/'\nitems = '$[*]'\nkey = '$.id'\n[answers]\n{answers}\n"
        );
        Site::parse(&text, "s.toml").map_err(|error| error.to_string())
    }

    #[test]
    fn w20_a_status_that_the_file_names_leaves_its_usual_list() {
        let statuses = site("end = [204, 400, 202]\nlater = [203]").unwrap().statuses;
        assert_eq!(statuses.ok, [200, 201, 206]);
        assert_eq!(statuses.end, [204, 400, 202]);
        assert_eq!(statuses.later, [203]);
        let usual = site("").unwrap().statuses;
        assert_eq!((usual.ok, usual.end), (vec![200, 201, 203, 206], vec![204, 404, 410]));
        assert_eq!((usual.later, usual.wait), (vec![202], None));
    }

    #[test]
    fn w20_what_cannot_be_is_refused_with_line_and_key() {
        let cases = [
            ("ok = [99]", "s.toml:8: answers.ok: 99 is not a status from 200 to 599"),
            ("ok = [70000]", "s.toml:8: answers.ok: 70000 is not a status"),
            ("end = [301]", "s.toml:8: answers.end: 301 is not valid here: redirects"),
            ("ok = [429]", "s.toml:8: answers.ok: 429 is not valid here: it is always retried"),
            ("ok = [200]\nend = [200]", "s.toml:9: answers.end: 200 is already in `ok`"),
            ("ok = []", "answers.ok: must contain at least one status"),
            ("wait = '0s'", "s.toml:8: answers.wait: must be a duration from 1s to 10m"),
            ("wait = 'soon'", "s.toml:8: answers.wait: must be a duration from 1s to 10m"),
            ("missing = ['h1.gone']", "answers.missing: `h1.gone` is CSS"),
            ("error = ['$.[']", "s.toml:8: answers.error: `$.[` is not a JSONPath"),
            ("ends = [404]", "s.toml:8: answers.ends: unknown field `ends`"),
        ];
        for (answers, expected) in cases {
            let error = site(answers).unwrap_err();
            assert!(error.contains(expected), "{answers}: {error}");
        }
    }
}
