//! `gleaner copy`: copies sites from one store to another, with everything that is known of them.

use std::pin::pin;
use std::sync::Arc;

use clap::Args;
use indicatif::MultiProgress;

use super::arguments::{LogFormat, Progress};
use super::exit::{Exit, failed};
use super::holdings::{exit_of, readable, report_error};
use super::logging;
use super::overrides::{in_collection, store_url_of};
use super::progress::{ProgressView, Shown};
use super::signals::{Signals, StopSignal};
use super::streams::print_message;
use super::usage::{refused, wrong};
use crate::engine::copy::{Copied, Copying, Side};
use crate::engine::error::CrawlError;
use crate::model::report::Outcome;
use crate::model::text::secret::Credentials;
use crate::model::text::{count, counted};
use crate::observe::metrics::Metrics;
use crate::observe::waits::Waits;
use crate::site::Site;
use crate::site::settings::Settings;
use crate::store::{
    self, Patience, PatientStore, Place, SiteId, Store, StoreError, StoreUrl, is_valid_name,
};
use crate::system::shutdown;

const FROM: (&str, &str) = ("--from", "GLEANER_FROM");
const TO: (&str, &str) = ("--to", "GLEANER_TO");

/// Text below the arguments in `--help`.
pub const AFTER_HELP: &str = "\
Copies documents with all their metadata, failures and the ledger. Afterwards a
crawl into the other store continues where the last one left off; the copied
store is left as it is. An interrupted copy is finished by the same command.

Exit codes: 0 copied, 1 a store failed, 2 usage, or the target holds the site
already, 3 copied, but for documents that the target cannot store (gleaner
failures lists them), 4 a run holds the site lock, 129, 130 or 143 interrupted.";

/// Arguments of `gleaner copy`.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// Built-in site, or path of a site file; several are copied in this order
    #[arg(required = true, value_name = "SITE")]
    sites: Vec<String>,

    /// Store to copy from: mongodb://HOST/DATABASE or sqlite:PATH
    #[arg(long, env = "GLEANER_FROM", value_name = "URL", hide_env_values = true)]
    from: String,

    /// Store to copy to: mongodb://HOST/DATABASE or sqlite:PATH
    #[arg(long, env = "GLEANER_TO", value_name = "URL", hide_env_values = true)]
    to: String,

    /// Collection or table to copy
    #[arg(long, env = "GLEANER_COLLECTION", value_name = "NAME")]
    collection: Option<String>,

    /// Name of the site in the other store, where its site file has a new name [default: the site
    /// file's]
    #[arg(long = "as", value_name = "NAME")]
    as_site: Option<String>,

    /// Collection or table in the other store [default: that of --as, else the same]
    #[arg(long, value_name = "NAME")]
    as_collection: Option<String>,

    /// Progress display
    #[arg(long, env = "GLEANER_PROGRESS", value_name = "WHEN")]
    progress: Option<Progress>,
}

/// Copies the sites one after the other.
pub async fn run(arguments: CopyArgs) -> Exit {
    let mut copies = match Copies::begin(arguments) {
        Ok(copies) => copies,
        Err(exit) => return exit,
    };
    let mut exit = Exit::Complete;
    for site in std::mem::take(&mut copies.sites) {
        let of_site = copies.copy(&site).await.unwrap_or_else(|exit| exit);
        exit = exit.and(of_site);
        if matches!(of_site, Exit::Interrupted(_)) {
            break;
        }
    }
    exit
}

/// The stores and sites of the command.
struct Copies {
    from: StoreUrl,
    to: StoreUrl,
    sites: Vec<Site>,
    as_site: Option<String>,
    as_collection: Option<String>,
    progress: Progress,
    lines: MultiProgress,
    signals: Signals,
}

impl Copies {
    /// Checks the arguments, and starts the log.
    fn begin(arguments: CopyArgs) -> Result<Copies, Exit> {
        let CopyArgs { sites, from, to, collection, as_site, as_collection, progress } = arguments;
        let (from, to) = (url(FROM, &from)?, url(TO, &to)?);
        readable(&from).map_err(|why| wrong(FROM.0, FROM.1, &why))?;
        if let StoreUrl::JsonLines(_) = to {
            let why = "JSON lines keep no metadata and no ledger; name an SQLite file or MongoDB";
            return Err(wrong(TO.0, TO.1, why));
        }
        if from == to {
            return Err(wrong(TO.0, TO.1, "this is the store of --from"));
        }
        let names = [("--collection", &collection), ("--as", &as_site)];
        let names = names.into_iter().chain([("--as-collection", &as_collection)]);
        for (flag, name) in names.filter_map(|(flag, name)| Some((flag, name.as_deref()?))) {
            if sites.len() > 1 {
                return Err(refused(
                    flag,
                    "not valid with several sites: each has names of its own",
                ));
            }
            if !is_valid_name(name) {
                let why = format!("`{name}` is not a valid name: use letters, digits, _ and -");
                return Err(refused(flag, &why));
            }
        }
        let load = |site: &String| {
            let site = Site::load(site).map_err(|error| {
                print_message(&format!("error: {error}\n"));
                Exit::Usage
            })?;
            in_collection(site, collection.as_deref())
        };
        let sites = sites.iter().map(load).collect::<Result<Vec<Site>, Exit>>()?;
        let lines = MultiProgress::new();
        let mut credentials = Credentials::default();
        from.credentials(&mut credentials);
        to.credentials(&mut credentials);
        logging::begin(LogFormat::default(), None, lines.clone(), credentials.scrubber())
            .map_err(|error| failed(&anyhow::anyhow!(error)))?;
        let signals = Signals::listen().map_err(|error| failed(&error.into()))?;
        let progress = progress.unwrap_or_default();
        Ok(Copies { from, to, sites, as_site, as_collection, progress, lines, signals })
    }

    async fn copy(&mut self, site: &Site) -> Result<Exit, Exit> {
        let place = |site_name: &str, collection: &str| Place {
            site: site_name.into(),
            collection: collection.into(),
            key_field: site.key_field(),
            adopt: false,
        };
        let from = place(&site.name, &site.collection);
        let name = self.as_site.as_deref().unwrap_or(&site.name);
        let collection = match site.name == site.collection {
            true => name,
            false => &site.collection,
        };
        let to = place(name, self.as_collection.as_deref().unwrap_or(collection));
        self.refuse_taken(&from, &to).await?;
        self.refuse_absent(&from).await?;
        let source = side(FROM, &self.from, from).await?;
        let target = side(TO, &self.to, to).await?;
        let exit = self.run(&source, &target).await;
        let closed = [source.store.close().await, target.store.close().await];
        let failed = closed.iter().find_map(|closed| closed.as_ref().err());
        Ok(failed.map_or(exit, |error| exit.and(report_error(error))))
    }

    /// Returns an error if the source does not hold the site: opening it for a copy would create its
    /// tables.
    async fn refuse_absent(&self, from: &Place) -> Result<(), Exit> {
        let store = store::open_to_read(&self.from, from).await;
        let store = store.map_err(|error| report_error(&error))?;
        let sweeps = store.sweeps(1).await.map_err(|error| report_error(&error))?;
        let is_absent = sweeps.is_empty() && store.was_empty();
        // Nothing was written, so nothing can be lost.
        let _ = store.close().await;
        if !is_absent {
            return Ok(());
        }
        let absent = described(&self.from, from.clone(), store);
        Err(wrong(FROM.0, FROM.1, &format!("there is nothing to copy: no {absent}")))
    }

    /// Returns an error if the target holds the latest sweep under the site's own names: it is the same
    /// store by another name, or holds a copy of the site, and ids of sweeps are unique in a store.
    async fn refuse_taken(&self, from: &Place, to: &Place) -> Result<(), Exit> {
        let failed = |error| report_error(&error);
        if readable(&self.to).is_err() {
            return Ok(());
        }
        let id = SiteId { site: from.site.clone(), collection: from.collection.clone() };
        let there = store::open_ledgers(&self.to).await.map_err(failed)?;
        let there = there.entries(&id, 1).await.map_err(failed)?;
        let here = store::open_ledgers(&self.from).await.map_err(failed)?;
        let here = here.entries(&id, 1).await.map_err(failed)?;
        // Under the same names, a copy that is not finished may hold a part of the ledger.
        let is_renamed = (&from.site, &from.collection) != (&to.site, &to.collection);
        let mut there = there.iter().take(if is_renamed { usize::MAX } else { 1 });
        let last = here.first().map(|last| &last.entry.id);
        if !there.any(|found| Some(&found.entry.id) == last) {
            return Ok(());
        }
        let SiteId { site, collection } = id;
        let why = format!(
            "it holds {site} in the collection {collection} already, with the same sweeps: name another store"
        );
        Err(wrong(TO.0, TO.1, &why))
    }

    /// Runs a copy to its end. The first signal stops it after the current batch.
    async fn run(&mut self, source: &Side, target: &Side) -> Exit {
        let (trigger, shutdown) = shutdown::channel();
        let copy = Copying::new(source.clone(), target.clone(), shutdown);
        let counters = copy.counters();
        let progress = ProgressView::new(self.progress, &self.lines, Some(&*target.site));
        let text = || shown(counters());
        let running = pin!(copy.run());
        let stop = || trigger.request();
        let ran = progress.during(running, Shown::Text(&text), &mut self.signals, stop).await;
        let (ended, told) = match ran {
            Ok(ran) => ran,
            Err(signal) => {
                print_message("aborted; the same command finishes the copy\n");
                return Exit::Interrupted(signal);
            }
        };
        summed_up(ended, told, counters(), source, target)
    }
}

/// Opens a store for a copy, which waits while it is unavailable.
async fn side((flag, variable): (&str, &str), url: &StoreUrl, place: Place) -> Result<Side, Exit> {
    let store = store::open(url, &place).await.map_err(|error| match error {
        StoreError::NotAdopted(_) => {
            let why = format!(
                "the collection {} holds documents that gleaner did not write: name another collection",
                place.collection
            );
            wrong(flag, variable, &why)
        }
        error => report_error(&error),
    })?;
    let patience = Patience(Settings::default().store.wait);
    let (metrics, waits) = (Arc::new(Metrics::new()), Waits::default());
    let store = PatientStore::new(store, url.to_string(), patience, metrics, waits);
    Ok(described(url, place, Arc::new(store)))
}

fn described(url: &StoreUrl, place: Place, store: Arc<dyn Store>) -> Side {
    let Place { site, collection, .. } = place;
    Side { store, site, collection, url: url.to_string() }
}

fn url((flag, variable): (&str, &str), text: &str) -> Result<StoreUrl, Exit> {
    // The other store remembers the URL, from whatever folder the command is run again.
    store_url_of(flag, variable, text).map(StoreUrl::absolute)
}

fn shown(copied: Copied) -> String {
    let Copied { documents, failures, sweeps, .. } = copied;
    let documents = counted(documents, "document", "documents");
    let failures = counted(failures, "failure", "failures");
    format!("{documents}, {failures} and {} copied", counted(sweeps, "sweep", "sweeps"))
}

/// Prints how a copy ended, and returns the exit code.
fn summed_up(
    ended: Result<Outcome, CrawlError>,
    told: Option<StopSignal>,
    copied: Copied,
    source: &Side,
    target: &Side,
) -> Exit {
    let outcome = match ended {
        Ok(outcome) => outcome,
        Err(error) => {
            logging::tell(&error);
            return match &error {
                CrawlError::Held(_) => Exit::Held,
                CrawlError::Refused(_) => Exit::Usage,
                CrawlError::Store(error) => exit_of(error),
                _ => Exit::Failed,
            };
        }
    };
    let mut text = format!("{source}: {} to {target}\n", shown(copied));
    if copied.others > 0 {
        let others = counted(copied.others, "document", "documents");
        text.push_str(&format!("{others} skipped: not written by gleaner\n"));
    }
    if copied.refused > 0 {
        let refused = count(copied.refused);
        text.push_str(&format!(
            "{refused} not copied: the target cannot store them; gleaner failures says why\n"
        ));
    }
    if outcome == Outcome::Interrupted {
        text.push_str("interrupted; the same command finishes the copy\n");
    }
    print_message(&text);
    Exit::of(outcome, told)
}
