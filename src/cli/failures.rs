//! `gleaner failures`: lists the tasks that failed and why. Reads the store in pages, so memory use
//! does not depend on their number. With `--retry`, crawls only those.
//!
//! Text from the site is shown without control characters.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::arguments::RunArgs;
use super::client::scrubber;
use super::crawl::session::{NotOpened, Session};
use super::exit::{Exit, failed};
use super::holdings::{DEFAULT_STORE, readable, report_error};
use super::streams::{print, print_message, show, show_json};
use super::usage::wrong;
use crate::model::text::secret::Scrubber;
use crate::model::text::{count, counted, plain, wrapped};
use crate::site::Site;
use crate::site::settings::Begin;
use crate::store::KeptFailure;

/// Number of failures to read from the store at a time.
const AT_ONCE: usize = 500;

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
A later crawl that fetches a page removes it from this list.

Exit codes: 0 listed, even if there are none, 1 the store cannot be reached,
2 usage, 141 the reader of standard output closed it. With --retry, those of
gleaner crawl: 0 no failure is left, 3 something failed again.";

/// Arguments of `gleaner failures`.
#[derive(Debug, Args)]
pub struct FailuresArgs {
    /// Built-in site, or path of a site file
    site: String,

    /// Also print the stored beginning of the response
    #[arg(long)]
    sample: bool,

    /// Print a JSON array
    #[arg(long)]
    json: bool,

    /// Retry the failures; crawl nothing else
    #[arg(long, conflicts_with_all = ["sample", "json"])]
    retry: bool,

    #[command(
        flatten,
        next_help_heading = "Options for --retry (--store and --collection always apply)"
    )]
    run: RunArgs,
}

impl FailuresArgs {
    /// Returns true if the command crawls (`--retry`).
    pub fn crawls(&self) -> bool {
        self.retry
    }
}

/// Lists the failures, or retries them.
pub async fn run(arguments: FailuresArgs) -> Exit {
    let ran = match arguments.retry {
        true => retry(&arguments).await,
        false => list(arguments).await.map(|()| Exit::Complete),
    };
    ran.unwrap_or_else(|exit| exit)
}

/// Retries the stored failures. The run is like any other, except for the tasks that it begins
/// with.
async fn retry(arguments: &FailuresArgs) -> Result<Exit, Exit> {
    let FailuresArgs { site, run, .. } = arguments;
    let holdings = run.holdings(site);
    let (mut session, jobs) = Session::begin(vec![holdings.site()?], run, DEFAULT_STORE)?;
    let url = &session.store_url;
    readable(url).map_err(|why| wrong("--store", "GLEANER_STORE", &why))?;
    let Some(mut job) = jobs.into_iter().next() else { return Ok(Exit::Complete) };
    job.sweep.scope.begin = Begin::Failures;
    let store = session.open(&job).await.map_err(NotOpened::tell)?;
    if store.failures(None, 1).await.map_err(|error| report_error(&error))?.found.is_empty() {
        let _ = store.close().await;
        print_message(&summary(&BTreeMap::new(), &format!("{site} in {}", session.store_url)));
        return Ok(Exit::Complete);
    }
    Ok(session.run(&job, store).await.exit)
}

async fn list(arguments: FailuresArgs) -> Result<(), Exit> {
    let holdings = arguments.run.holdings(&arguments.site);
    let scrubber = keys_scrubber(&arguments, holdings.site()?)?;
    let holdings = holdings.open().await?;
    let mut reasons: BTreeMap<Box<str>, u64> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = holdings.store.failures(after.as_ref(), AT_ONCE).await;
        let mut page = page.map_err(|error| report_error(&error))?;
        let mut text = String::new();
        for failure in &mut page.found {
            failure.page.name = scrubber.scrub(&failure.page.name).into();
            if arguments.json {
                text.push_str(if reasons.is_empty() { "[\n" } else { ",\n" });
                text.push_str(&json(failure, arguments.sample)?);
            } else {
                text.push_str(&self::text(failure, arguments.sample));
            }
            *reasons.entry(failure.reason.clone()).or_default() += 1;
        }
        match arguments.json {
            true => show_json(&text)?,
            false => show(&text)?,
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if arguments.json {
        print(if reasons.is_empty() { b"[]\n" } else { b"\n]\n" })?;
    }
    print_message(&summary(&reasons, &holdings.what));
    holdings.close().await;
    Ok(())
}

/// Hides credentials in keys, which are kept as they are: a site may have made one of what it was
/// sent. All else was scrubbed before it was kept.
fn keys_scrubber(arguments: &FailuresArgs, site: Site) -> Result<Scrubber, Exit> {
    let site = arguments.run.apply(site)?;
    let settings = arguments.run.settings(&site)?;
    Ok(scrubber(&settings, |credentials| site.credentials(credentials)))
}

/// A failure in the JSON output.
#[derive(Serialize)]
struct Row<'a> {
    kind: &'a str,
    page: &'a str,
    url: &'a str,
    reason: &'a str,
    status: Option<u16>,
    attempts: u32,
    first_at: Timestamp,
    last_at: Timestamp,
    sweep: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sample: Option<&'a str>,
}

/// Formats a failure as one line of JSON.
fn json(failure: &KeptFailure, sample: bool) -> Result<String, Exit> {
    let row = Row {
        kind: &failure.page.kind,
        page: &failure.page.name,
        url: &failure.url,
        reason: &failure.reason,
        status: failure.status,
        attempts: failure.attempts,
        first_at: failure.first_at,
        last_at: failure.last_at,
        sweep: &failure.sweep,
        message: &failure.message,
        sample: failure.sample.as_deref().filter(|_| sample),
    };
    serde_json::to_string(&row).map_err(|error| failed(&error.into()))
}

/// Formats a failure as text: page, reason and times, then URL, message and sample.
fn text(failure: &KeptFailure, sample: bool) -> String {
    let KeptFailure { page, reason, attempts, .. } = failure;
    let time = |at: Timestamp| format!("{at:.0}");
    let status = failure.status.map_or_else(String::new, |status| format!(" ({status})"));
    let tries = counted(u64::from(*attempts), "attempt", "attempts");
    let mut head = format!("{reason}{status}, {tries}, {}", time(failure.last_at));
    if failure.first_at != failure.last_at {
        let _ = write!(head, ", first {}", time(failure.first_at));
    }
    let mut text = wrapped(&format!("{}: ", plain(&page.to_string())), "  ", &head);
    text.push_str(&wrapped("  ", "  ", &failure.url));
    text.push_str(&wrapped("  ", "  ", &failure.message));
    for line in failure.sample.as_deref().filter(|_| sample).unwrap_or_default().lines() {
        let _ = writeln!(text, "  | {}", plain(line));
    }
    text
}

fn summary(reasons: &BTreeMap<Box<str>, u64>, what: &str) -> String {
    if reasons.is_empty() {
        return format!("no failures of {what}\n");
    }
    let all = counted(reasons.values().sum(), "failure", "failures");
    let named =
        reasons.iter().map(|(reason, number)| format!("{} {}", count(*number), plain(reason)));
    let each: Vec<String> = named.collect();
    format!("{all} of {what}: {}\n", each.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::PageId;

    fn failure() -> KeptFailure {
        KeptFailure {
            page: PageId { kind: "detail".into(), name: "a\u{1b}[1m".into() },
            url: "http://h.test/a".into(),
            reason: "status".into(),
            message: "the site answered 500".into(),
            status: Some(500),
            attempts: 5,
            sample: Some("<html>\r\n\u{1b}]0;title\u{7}".into()),
            first_at: "2026-11-19T10:00:00Z".parse().unwrap(),
            last_at: "2026-11-20T10:00:00.5Z".parse().unwrap(),
            sweep: "s".into(),
        }
    }

    #[test]
    fn a_failure_says_what_where_why_and_when() {
        assert_eq!(
            text(&failure(), true),
            "detail/a\\u{1b}[1m: status (500), 5 attempts, 2026-11-20T10:00:00Z, first\n  \
             2026-11-19T10:00:00Z\n  http://h.test/a\n  the site answered 500\n  | <html>\n  | \
             \\u{1b}]0;title\\u{7}\n"
        );
        assert!(!text(&failure(), false).contains("html"));
    }

    #[test]
    fn programs_get_it_as_it_is() {
        let line = json(&failure(), true).unwrap();
        assert!(!line.contains(char::is_control), "{line}");
        let row: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&row["page"], &row["status"]), (&"a\u{1b}[1m".into(), &500.into()));
        assert_eq!(row["sample"], "<html>\r\n\u{1b}]0;title\u{7}");
        assert!(!json(&failure(), false).unwrap().contains("sample"));
    }
}
