//! Several sites in one command: which of them go together, and their runs one after the other.

use std::collections::HashMap;

use super::adoption;
use super::parents::Failed;
use super::session::{Job, Ran, Session};
use crate::cli::arguments::RunArgs;
use crate::cli::exit::Exit;
use crate::cli::logging;
use crate::cli::usage::{refused, wrong};
use crate::site::Site;
use crate::store::StoreUrl;

/// Checks that several sites can be crawled by one command.
///
/// # Errors
/// Returns the exit code, after printing why they cannot.
pub fn check(sites: &[Site], arguments: &RunArgs, store: &StoreUrl) -> Result<(), Exit> {
    let (first, others) = match sites {
        [] | [_] => return Ok(()),
        [first, others @ ..] => (first, others),
    };
    if arguments.collection.is_some() {
        let message = "not valid with several sites: each has a collection of its own";
        return Err(wrong("--collection", "GLEANER_COLLECTION", message));
    }
    let is_elsewhere = |site: &&Site| site.base_url.origin() != first.base_url.origin();
    if let Some(site) = others.iter().find(is_elsewhere).filter(|_| arguments.base_url.is_some()) {
        let message = format!(
            "not valid with sites of different hosts: {} is at another one than {}",
            site.name, first.name
        );
        return Err(wrong("--base-url", "GLEANER_BASE_URL", &message));
    }
    if let StoreUrl::JsonLines(_) = store {
        let message =
            "JSON lines hold the items of one site; store several sites in SQLite or MongoDB";
        return Err(wrong("--store", "GLEANER_STORE", message));
    }
    let (mut names, mut collections) = (HashMap::new(), HashMap::new());
    for site in sites {
        if names.insert(&site.name, ()).is_some() {
            let message = format!("two sites have the name {}", site.name);
            return Err(refused("SITE", &message));
        }
        if let Some(other) = collections.insert(&site.collection, &site.name) {
            let (name, collection) = (&site.name, &site.collection);
            let message = format!("{other} and {name} have the same collection, {collection}");
            return Err(refused("SITE", &message));
        }
    }
    Ok(())
}

/// Crawls each site once, but for those whose parents fail. A signal ends the current run, and the remaining sites are not begun.
pub async fn run(session: &mut Session<'_>, jobs: &[Job]) -> Exit {
    let (mut exit, mut failed) = (Exit::Complete, Failed::default());
    let mut jobs = jobs.iter().peekable();
    while let Some(job) = jobs.next() {
        if failed.skips(job) {
            continue;
        }
        let Ran { exit: of_job, told } = once(session, job).await;
        failed.note(job, of_job);
        exit = exit.and(of_job);
        if let Some(signal) = told {
            let is_last = jobs.peek().is_none();
            exit = if is_last { exit } else { exit.and(Exit::Interrupted(signal)) };
            break;
        }
    }
    session.end_round(exit)
}

/// Crawls a site once.
async fn once(session: &mut Session<'_>, job: &Job) -> Ran {
    match session.open(job).await {
        Ok(store) => session.run(job, store).await,
        Err(error) => {
            let exit = adoption::report_unopened(session, job, error).await;
            if session.has_several() {
                logging::caution(&format!("{} was not crawled", job.site.name));
            }
            let told = if let Exit::Interrupted(signal) = exit { Some(signal) } else { None };
            Ran { exit, told }
        }
    }
}
