//! The JSON API: the same as the pages, for programs.

use hyper::StatusCode;
use serde::Serialize;

use super::answer::Answer;
use super::overview::{FailureSample, SiteStatus};
use super::watcher::{Detail, Look};
use crate::sweep::LedgerEntry;

const DESCRIPTION: &str = include_str!("api/openapi.json");

/// A site with its failures.
#[derive(Serialize)]
struct Site<'a> {
    #[serde(flatten)]
    status: &'a SiteStatus,
    /// Pages that failed, at most 20.
    failures: Vec<FailureSample>,
}

/// Answers with the description of the API, in OpenAPI 3.1. Tests compare answers with it.
pub fn description() -> Answer {
    Answer::of("application/json", DESCRIPTION)
}

/// Answers with the status of all sites, as `gleaner status --json` prints it.
pub fn all(look: &Look) -> Answer {
    match (&look.overview, &look.trouble) {
        (Some(overview), None) => Answer::json(&**overview),
        (_, trouble) => {
            let why = trouble.as_deref().unwrap_or("the store cannot be read");
            Answer::trouble(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }
}

/// Answers with the status of a site.
pub fn site(status: &SiteStatus, detail: &Detail) -> Answer {
    let failures = detail.failures.iter().map(FailureSample::of).collect();
    Answer::json(&Site { status, failures })
}

/// Answers with a sweep, as `gleaner sweeps --json` prints it.
pub fn sweep(entry: &LedgerEntry) -> Answer {
    match serde_json::to_value(entry) {
        Ok(value) => Answer::json(&value),
        Err(error) => Answer::trouble(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
