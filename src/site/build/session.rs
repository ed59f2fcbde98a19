//! `[session]`: how to log in, and what other requests carry.

use indexmap::IndexMap;

use super::super::file::{SaidTable, SessionTable};
use super::super::paging::Taken;
use super::super::session::{LoginStep, Session};
use super::super::template::Placeholder;
use super::super::written::{At, Chain, Pairs, Params, Short};
use super::request::{self, Asked};
use super::{Wrong, answers, paging, refuse, wrong};
use crate::fetch::Statuses;
use crate::select::{Finds, Part};

/// Status that means that a session has ended, unless the file names others.
const USUAL: u16 = 401;
/// Statuses that always mean "try again later".
const LATER: [u16; 2] = [429, 503];

/// Builds the session. `statuses` are those that have a meaning already.
pub fn session(written: &At<SessionTable>, statuses: &Statuses) -> Result<Session, Wrong> {
    let table = &written.value;
    let (none, no_headers) = (Params::default(), Pairs::default());
    let mut steps = Vec::new();
    let mut named = Vec::new();
    if let Some(page) = &table.page {
        let request = request::build(&Asked::session_page(&page.value, &none, &no_headers), &[])?;
        let take = taken("session.page.take", &page.value.take)?;
        if take.is_empty() {
            return Err(wrong(page, "session.page.take", "must name at least one value"));
        }
        named.extend(placeholders(&take));
        steps.push(LoginStep { request, take });
    }
    let request = request::build(&Asked::session(table).with_headers(&no_headers), &named)?;
    let take = taken("session.take", &table.take)?;
    if let Some(twice) = placeholders(&take).find(|it| named.contains(it)) {
        let message = format!("`page` has a value {} already", twice.text());
        return Err(wrong(written, "session.take", message));
    }
    named.extend(placeholders(&take));
    match request.url {
        Some(_) => steps.push(LoginStep { request, take }),
        None => refuse_login(table, &no_headers)?,
    }
    let headers = request::headers(&Asked::session(table), &named)?;
    let again = again(table, statuses, !steps.is_empty())?;
    if headers.is_empty() && !table.cookies {
        let message =
            "other requests would carry nothing of it: set `headers`, or `cookies = true`";
        return Err(wrong(written, "session", message));
    }
    Ok(Session { steps, headers, again, cookies: table.cookies })
}

/// Rejects keys of a login that is not requested.
fn refuse_login(table: &SessionTable, none: &Pairs) -> Result<(), Wrong> {
    let again = table.again.as_deref().and_then(<[_]>::first);
    let used = [
        request::first_used(&Asked::session(table).with_headers(none), &[]),
        table.page.as_ref().map(|it| wrong(it, "session.page", "")),
        table.take.values().next().map(|it| wrong(it, "session.take", "")),
        again.map(|it| wrong(it, "session.again", "")),
    ];
    refuse(used.into_iter().flatten().next(), "without `url` there is no login")
}

fn placeholders(take: &[Taken]) -> impl Iterator<Item = Placeholder> {
    take.iter().map(|it| Placeholder::Named(it.name.clone()))
}

/// Builds the values to take from a response. A selector that begins with `$` is a JSONPath, any
/// other is CSS.
fn taken(key: &str, table: &IndexMap<String, At<Short<SaidTable>>>) -> Result<Vec<Taken>, Wrong> {
    paging::taken(key, table, |written| {
        let steps = match written {
            Short::Text(select) => Some(Chain(vec![Part::Selector(select.clone())])),
            Short::Steps(steps) => Some(steps.clone()),
            Short::Table(table) => table.select.clone(),
            Short::Number(_) => None,
        };
        steps.as_ref().map_or(Finds::Values, answers::reads)
    })
}

/// Builds the statuses that mean that the session has ended.
fn again(table: &SessionTable, statuses: &Statuses, has_login: bool) -> Result<Vec<u16>, Wrong> {
    let has_meaning = |it: u16| statuses.is_ok(it) || statuses.is_end(it) || statuses.is_later(it);
    let Some(written) = &table.again else {
        return Ok(Some(USUAL).filter(|it| has_login && !has_meaning(*it)).into_iter().collect());
    };
    let status = |at: &At<u64>| {
        let number = u16::try_from(at.value).ok();
        let number = number.filter(|it| (300..=599).contains(it) && *it != 304);
        let Some(number) = number else {
            let message = format!("{} is not a status from 300 to 599, without 304", at.value);
            return Err(wrong(at, "session.again", message));
        };
        if has_meaning(number) || LATER.contains(&number) {
            let message = format!("{number} has another meaning already (see [answers])");
            return Err(wrong(at, "session.again", message));
        }
        Ok(number)
    };
    written.iter().map(status).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::Site;

    fn said(session: &str) -> String {
        let text = format!(
            "name = 's'\nbase_url = 'http://h'\n[index]\nurl = '/'\nitems = '$[*]'\nkey = '$.id'\n[session]\n{session}\n"
        );
        let site = Site::parse(&text, "s.toml");
        let site = site.and_then(|site| site.has_secrets().map(|()| site));
        site.map_or_else(|error| error.to_string(), |_| "fine".to_owned())
    }

    #[test]
    fn w29_a_session_that_cannot_work_is_refused_with_line_and_key() {
        let login = "url = '/login'\nform = { a = 'b' }\n";
        let with = |more: &str| format!("{login}{more}");
        for (session, expected) in [
            (String::new(), "s.toml:7: session: other requests would carry nothing"),
            (with(""), "s.toml:7: session: other requests would carry nothing"),
            ("cookies = true".into(), "fine"),
            ("headers = { A = 'b' }".into(), "fine"),
            ("cookies = true\nform = { a = 'b' }".into(), "s.toml:9: session.form: "),
            ("cookies = true\ntake = { a = '$.a' }".into(), "s.toml:9: session.take: "),
            ("cookies = true\nagain = [401]".into(), "s.toml:9: session.again: "),
            ("page = { url = '/', take = { a = '$.a' } }".into(), "session.page: "),
            (with("cookies = true\nagain = [302, 419]"), "fine"),
            (with("cookies = true\nagain = [200]"), "200 is not a status from 300"),
            (with("cookies = true\nagain = [404]"), "404 has another meaning"),
            (with("cookies = true\nagain = [429]"), "429 has another meaning"),
            (with("headers = { A = '{t}' }"), "unknown placeholder {t}"),
            (with("take = { key = '$.t' }"), "session.take.key: a value's name is"),
            (with("take = { t = 'p >' }"), "session.take.t: "),
            (with("headers = { A = '{env:HOME_DIR}' }"), "HOME_DIR is not read"),
            ("url = '/{env:GLEANER_SECRET_X}'".into(), "so it holds no secret"),
            (
                "url = '/login'\n# GLEANER_SECRET_NOT_SET\njson = { a = ['{env:GLEANER_SECRET_NOT_SET}'] }\ncookies = true".into(),
                "s.toml:10: the environment variable GLEANER_SECRET_NOT_SET is not set",
            ),
        ] {
            let said = said(&session);
            assert!(said.contains(expected), "{session}: {said}");
        }
    }
}
