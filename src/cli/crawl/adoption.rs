//! Reporting why a store could not be opened. If its collection holds documents of another program
//! and adoption was not requested, fetches some items without writing anything, to report what
//! adoption would replace.

use tracing::warn;

use super::session::{Job, NotOpened, Session};
use crate::cli::exit::Exit;
use crate::cli::holdings::exit_of;
use crate::cli::logging;
use crate::model::text::{counted, plain};
use crate::store::{self, Losses, Sample, StoreError};

/// Maximum number of items to fetch for the comparison.
const ITEMS: u64 = 20;
/// Maximum number of fields to name.
const NAMED: usize = 50;

/// Reports why the store could not be opened, and returns the exit code.
pub async fn report_unopened(session: &mut Session<'_>, job: &Job, error: NotOpened) -> Exit {
    let NotOpened::Store(StoreError::NotAdopted(refusal)) = error else { return error.tell() };
    warn!(
        items = ITEMS,
        "fetching some items to compare them with the collection; nothing is written"
    );
    match compared(session, job).await {
        Ok(compared) => {
            logging::tell(&format!("{refusal}. {compared}"));
            Exit::Usage
        }
        Err(exit) => {
            logging::tell(&refusal);
            exit
        }
    }
}

/// Describes what adoption would replace.
///
/// # Errors
/// Returns the exit code, after reporting the error.
async fn compared(session: &mut Session<'_>, job: &Job) -> Result<String, Exit> {
    let failed = |error: StoreError| {
        logging::tell(&error);
        exit_of(&error)
    };
    let sample = Sample::default();
    let limit = job.settings.scope.limit.unwrap_or(ITEMS).min(ITEMS);
    let settings = job.settings.clone().with(|it| it.scope.limit = Some(limit));
    let crawled = session.crawl(job, sample.store().map_err(failed)?, settings).await;
    if let Err(signal) | Ok((_, Some(signal))) = crawled {
        return Err(Exit::Interrupted(signal));
    }
    let items = sample.items();
    let (url, place) = (session.store_url.clone(), session.place(job));
    let losses = store::losses(&url, &place, &items).await.map_err(failed)?;
    Ok(sentence(items.len(), &losses))
}

fn sentence(items: usize, losses: &Losses) -> String {
    let Losses { held, fields } = losses;
    let given = counted(items as u64, "item that was", "items that were");
    let mut named: Vec<String> = fields.iter().take(NAMED).map(|name| plain(name)).collect();
    if fields.len() > named.len() {
        named.push(format!("and {} more", fields.len() - named.len()));
    }
    let named = named.join(", ");
    match (items, held) {
        (0, _) => "No item could be fetched to compare it with the collection".to_owned(),
        (_, 0) => format!("The collection has none of the {given} fetched to compare"),
        _ if fields.is_empty() => {
            format!(
                "The collection has {held} of the {given} fetched to compare, and no field of theirs that the site does not give"
            )
        }
        _ => format!(
            "The collection has {held} of the {given} fetched to compare; these fields of theirs, which the site does not give, would be lost: {named}"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d12_what_would_be_lost_is_named() {
        let losses = |held, fields: &[&str]| Losses {
            held,
            fields: fields.iter().map(|name| (*name).to_owned()).collect(),
        };
        let many: Vec<String> = (0..60).map(|at| format!("f{at}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (items, losses, part) in [
            (0, losses(0, &[]), "No item could be fetched"),
            (20, losses(0, &[]), "has none of the 20 items that were fetched"),
            (1, losses(1, &[]), "no field of theirs that the site does not give"),
            (20, losses(3, &["role", "pw\u{1b}"]), "has 3 of the 20 items that were fetched"),
            (20, losses(3, &["role", "pwhash"]), "would be lost: role, pwhash"),
            (20, losses(3, &many), "f49, and 10 more"),
        ] {
            let text = sentence(items, &losses);
            assert!(text.contains(part) && !text.contains('\u{1b}'), "{text}");
        }
    }
}
