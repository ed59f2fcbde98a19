//! Incremental lists: what changed since a time.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::super::file::{IndexTable, SeedsTable, SinceTable};
use super::super::paging::Paging;
use super::super::request::RequestTemplate;
use super::super::written::At;
use super::{Wrong, wrong};
use crate::site::{Levels, Seeds, Since};
use crate::sweep::incremental::Incremental;

/// Default format of a time.
const FORMAT: &str = "%Y-%m-%dT%H:%M:%SZ";
const OVERLAP: Duration = Duration::from_secs(600);
const FULL: Duration = Duration::from_secs(7 * 86_400);
/// Longest time: a century is as good as never.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Builds `[index] since`.
///
/// # Errors
/// Returns the first wrong value.
pub fn since(table: &IndexTable, paging: &Paging) -> Result<Option<Since>, Wrong> {
    let Some(written) = &table.since else { return Ok(None) };
    let SinceTable { format, overlap, full } = &written.value;
    if matches!(paging, Paging::Keys(_) | Paging::Sitemap) {
        let message = "not valid here: such a list cannot be asked for what changed";
        return Err(wrong(written, "index.since", message));
    }
    if paging.placeholders().contains(&Since::placeholder()) {
        let message = "`paging.take` has a value of the name `since` already; name it otherwise";
        return Err(wrong(written, "index.since", message));
    }
    let text = format.as_ref().map_or(FORMAT, |format| &format.value);
    if !tells_days_apart(text) {
        let at = format.as_ref().map_or(written.at, |it| it.at);
        let message = format!(
            "`{text}` does not write a date; write it in the notation of strftime, such as {FORMAT}, or %s for Unix time"
        );
        return Err(wrong(&At { at, value: () }, "index.since.format", message));
    }
    let incremental = times("index.since", overlap.as_ref(), full.as_ref())?;
    Ok(Some(Since { format: text.into(), incremental }))
}

/// Builds `[seeds] changed` and `full`.
///
/// # Errors
/// Returns the first wrong value.
pub fn changed(key: &str, table: &SeedsTable) -> Result<Option<Incremental>, Wrong> {
    let is_changed = table.changed.as_ref().is_some_and(|changed| changed.value);
    match &table.full {
        Some(full) if !is_changed => {
            let message = "it is for `changed = true`: otherwise each sweep is full";
            Err(wrong(full, &format!("{key}.full"), message))
        }
        full if is_changed => {
            let incremental = times(key, None, full.as_ref())?;
            // Both times are those of gleaner's own runs.
            Ok(Some(Incremental { overlap: Duration::ZERO, ..incremental }))
        }
        _ => Ok(None),
    }
}

/// Builds overlap and interval of full sweeps.
fn times(
    key: &str,
    overlap: Option<&At<String>>,
    full: Option<&At<String>>,
) -> Result<Incremental, Wrong> {
    let time = |name: &str, written: Option<&At<String>>, usual: Duration, least: Duration| {
        let Some(written) = written else { return Ok(usual) };
        let parsed = humantime::parse_duration(&written.value).ok();
        parsed.filter(|time| (least..=LONGEST).contains(time)).ok_or_else(|| {
            let message = format!("must be a duration, such as {}", example(usual));
            wrong(written, &format!("{key}.{name}"), message)
        })
    };
    Ok(Incremental {
        overlap: time("overlap", overlap, OVERLAP, Duration::ZERO)?,
        full: time("full", full, FULL, Duration::from_secs(1))?,
    })
}

fn example(usual: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(usual)
}

/// Returns true if a format writes years, months and days, in whatever way.
fn tells_days_apart(format: &str) -> bool {
    let times = [
        "2024-01-05T00:00:00Z",
        "2024-01-06T00:00:00Z",
        "2024-02-05T00:00:00Z",
        "2025-01-05T00:00:00Z",
    ];
    let text = |time: &str| {
        let time = time.parse::<Timestamp>().ok()?;
        strtime::format(format, time).ok()
    };
    let texts: Option<std::collections::HashSet<String>> = times.into_iter().map(text).collect();
    texts.is_some_and(|texts| texts.len() == times.len())
}

/// Checks that requests of an incremental list contain `{since}`, where it can be left out.
///
/// # Errors
/// Returns what is wrong with the requests.
pub fn check_request(
    table: &IndexTable,
    request: &RequestTemplate,
    others: &[Option<&RequestTemplate>],
) -> Result<(), Wrong> {
    let Some(written) = &table.since else { return Ok(()) };
    let since = Since::placeholder();
    if !request.has(&since) {
        let message = "the request has no {since}: write it into `query`, `form` or `json`, where the site takes the time";
        return Err(wrong(written, "index.since", message));
    }
    let mut all = std::iter::once(request).chain(others.iter().flatten().copied());
    if all.any(|request| request.url.as_ref().is_some_and(|url| url.has(&since))) {
        let message = "{since} cannot be left out of a URL, as it must be where everything is listed: write it into `query`";
        return Err(wrong(
            table.url.as_ref().map_or(&At { at: written.at, value: String::new() }, |url| url),
            "index.url",
            message,
        ));
    }
    Ok(())
}

/// Checks that the categories of an incremental list are always the same.
///
/// # Errors
/// Returns an error if they may come and go.
pub fn check_seeds(table: &IndexTable, levels: &Levels) -> Result<(), Wrong> {
    let Some(written) = &table.since else { return Ok(()) };
    let may_grow = |seeds: &Seeds| match seeds {
        Seeds::Listed(_) => false,
        Seeds::Range(range) => range.grows(),
        Seeds::Page(_) | Seeds::Items { .. } => true,
    };
    if !levels.0.iter().any(may_grow) {
        return Ok(());
    }
    let message = "not valid with categories that come and go: a new one would be asked only for what changed. List them in `[seeds] values`";
    Err(wrong(written, "index.since", message))
}

#[cfg(test)]
mod tests {
    use crate::site::Site;

    fn said(index: &str, more: &str) -> String {
        let text = format!(
            "name = 's'\nbase_url = 'http://h'\n[index]\nurl = '/l'\nitems = '$[*]'\nkey = '$.id'\n{index}\n{more}"
        );
        Site::parse(&text, "s.toml").map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_cannot_be_asked_for_changes_is_refused_with_its_line() {
        let since = "since = {}\nquery = { s = '{since}' }";
        assert_eq!(said(since, ""), "");
        for format in ["%Y-%m-%d", "%s", "%s%3f", "%d/%m/%y %H:%M", "%F", "%a, %d %b %Y %T GMT"] {
            let table = format!("since = {{ format = '{format}' }}\nquery = {{ s = '{{since}}' }}");
            assert_eq!(said(&table, ""), "", "{format}");
        }
        let formatted = |format: &str| {
            format!("since = {{ format = '{format}' }}\nquery = {{ s = '{{since}}' }}")
        };
        for (index, more, expected) in [
            ("since = {}", "", "s.toml:7: index.since: the request has no {since}"),
            ("query = { s = '{since}' }", "", "unknown placeholder {since}"),
            (
                &*formatted("%H:%M"),
                "",
                "s.toml:7: index.since.format: `%H:%M` does not write a date",
            ),
            (&*formatted("%Q"), "", "does not write a date"),
            (&*formatted("soon"), "", "does not write a date"),
            (
                "since = { overlap = 'x' }\nquery = { s = '{since}' }",
                "",
                "must be a duration, such as 10m",
            ),
            (
                "since = { full = '0s' }\nquery = { s = '{since}' }",
                "",
                "must be a duration, such as 7d",
            ),
            ("since = { period = '1d' }", "", "unknown field `period`"),
            (
                since,
                "[seeds]\nurl = '/c'\nselect = '$[*]'",
                "not valid with categories that come and go",
            ),
            (since, "[seeds]\nsite = 'p'", "not valid with categories that come and go"),
        ] {
            let index = if more.is_empty() {
                index.to_owned()
            } else {
                format!("{index}\nheaders = {{ s = '{{seed}}' }}")
            };
            let said = said(&index, more);
            assert!(said.contains(expected), "{index}: {said}");
        }
        let in_url = "name = 's'\nbase_url = 'http://h'\n[index]\nurl = '/l?s={since}'\nsince = {}\nitems = '$[*]'\nkey = '$.id'";
        let error = Site::parse(in_url, "s.toml").expect_err("an error").to_string();
        assert!(
            error.contains("s.toml:4: index.url: {since} cannot be left out of a URL"),
            "{error}"
        );
        let taken = "since = {}\npaging = { by = 'cursor', take = { since = '$.n' } }\nquery = { s = '{since}' }";
        assert!(said(taken, "").contains("name it otherwise"));
    }
}
